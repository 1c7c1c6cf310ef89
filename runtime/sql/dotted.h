/* SPDX-License-Identifier: MIT
 *
 * Names as policies write them: "schema.table", "schema.function".
 *
 * In PostgreSQL a name may have a dot in it. That of a table may here, too: what stands before the
 * first dot is the schema. That of a schema may not, or the table of "public.x" would be one of
 * `public.*`, and "app"."x.y" the same as "app.x"."y": such a name is not known to a policy, and
 * what is unknown never helps to allow.
 */
#ifndef WEIR_SQL_DOTTED_H
#define WEIR_SQL_DOTTED_H

#include "base/arena.h"
#include "base/slice.h"

/* False when there is no such way to write it. */
bool sql_dotted(struct arena *a, struct slice schema, struct slice name, struct slice *out);
/* Of a function, whose schema may be empty: its name must not look like one with a schema. */
bool sql_dotted_function(struct arena *a, struct slice schema, struct slice name,
			 struct slice *out);

#endif
