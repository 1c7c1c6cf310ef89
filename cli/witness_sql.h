/* SPDX-License-Identifier: MIT
 *
 * A statement that has the effect a witness speaks of, as somebody might write it.
 */
#ifndef WEIR_CLI_WITNESS_SQL_H
#define WEIR_CLI_WITNESS_SQL_H

#include "base/buf.h"
#include "vm/image.h"
#include "vm/value.h"

struct witness_sql {
	const struct facts *facts;
	bool where_named; /* the WHERE clause matters */
	bool uses_named;  /* what is used of data matters: the statement is made from that */
	bool quote;	  /* all names in quotes */
	const struct image *names; /* of whose catalog tables are, where any will do */
};

/* False when there is no pattern for the action; then `select 1` was appended. */
bool witness_sql(struct buf *out, const struct witness_sql *w);
/* $T in the pattern is the table, $C the column. */
void witness_pattern(struct buf *out, const struct witness_sql *w, const char *pattern,
		     struct slice table, struct slice column);
/* `select SCHEMA.NAME(null, ...) from TABLE` of "schema.name(types)" */
void witness_call(struct buf *out, const struct witness_sql *w, struct slice function);
/* `select COLUMN, ... from SCHEMA.TABLE` */
void witness_select(struct buf *out, struct slice schema, struct slice table,
		    const struct slice *columns, size_t n);

#endif
