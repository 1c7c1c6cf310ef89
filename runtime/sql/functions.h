/* SPDX-License-Identifier: MIT
 *
 * What is known about PostgreSQL's own functions (grammar/functions.def) and settings.
 */
#ifndef WEIR_SQL_FUNCTIONS_H
#define WEIR_SQL_FUNCTIONS_H

#include "base/slice.h"
#include "vm/names.h"

/* From harmless to not: when a name has several functions the last of their classes counts. */
enum func_class {
	FUNC_SAFE,	   /* no effect */
	FUNC_IMPURE,	   /* no effect worth a rule, but the statement is not a pure read */
	FUNC_NOTIFY,	   /* sql.notify */
	FUNC_LOCK,	   /* sql.lock: waits, or holds what others wait for */
	FUNC_UPDATE,	   /* sql.update */
	FUNC_SESSION,	   /* sql.configure */
	FUNC_LARGE_OBJECT, /* sql.large-object */
	FUNC_BACKEND,	   /* sql.backend */
	FUNC_REPLICATION,  /* sql.replication */
	FUNC_NETWORK,	   /* sql.network */
	FUNC_FILE,	   /* sql.file */
	/* sql.opaque-function: */
	FUNC_MONITOR,  /* shows what other sessions do, or statistics of what tables hold */
	FUNC_DYNAMIC,  /* runs a text as SQL, or reads the tables that one names */
	FUNC_INTERNAL, /* takes or gives what no statement has a value of */
	FUNC_OPAQUE,   /* nobody has said what it does, or it is not there */
};
enum { FUNC_CLASSES = FUNC_OPAQUE + 1 };

/* Of a function named without a schema, or in pg_catalog: the strictest of those of that name. */
enum func_class func_class(struct slice name);
/* Of the function of that number; its name with it, unless it is OPAQUE. */
enum func_class func_class_of(uint32_t oid, struct slice *name);
/* What it is to a policy. SAFE and IMPURE: what SELECT 1 is. */
enum action func_action(enum func_class class);
/* Something is said of the name, so that x.name may well be a call of it. */
bool func_listed(struct slice name);
/* A function of the name is no plain one, or nobody has said that all are. */
bool func_may_aggregate(struct slice name);
/* pg_catalog's function of this name, OID, argument types and traits is the one that the table
 * classes: kind, language, volatility and ! for SECURITY DEFINER, as its rows have them. */
bool func_is_known(uint64_t oid, struct slice name, struct slice arguments, struct slice traits);

bool setting_is_harmless(struct slice name, struct slice value);

#endif
