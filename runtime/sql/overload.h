/* SPDX-License-Identifier: MIT
 *
 * Which of several functions or operators of a name a call can mean, from the types of what it is
 * given: as the server chooses (parse_func.c, parse_oper.c), but with what is not known. What the
 * server would choose is always among those that are chosen here.
 */
#ifndef WEIR_SQL_OVERLOAD_H
#define WEIR_SQL_OVERLOAD_H

#include "sql/catalog_types.h"

/* What something can be of; n = 0: nobody knows. */
enum { OVERLOAD_TYPES_MAX = 24 };
struct overload_set {
	uint32_t n;
	uint32_t types[OVERLOAD_TYPES_MAX];
};

/* False: it is more than there is room for, so that nobody knows. */
bool overload_set_add(struct overload_set *s, uint32_t type) MUST_CHECK;

struct overload_choice {
	bool own;   /* it can be something that is not PostgreSQL's, or nothing that was found */
	uint32_t n; /* as many of the name can be meant; see `oids` */
	struct overload_set result;
	struct overload_set left; /* what its first argument is made, as an operator's operand */
};

/* An unqualified call. n: SQL_APPLY_ANY, or how many arguments it has. path: NULL when that is not
 * known. oids: room for OVERLOAD_CANDIDATES_MAX of what was chosen, or NULL. */
enum { OVERLOAD_CANDIDATES_MAX = 512 };
void overload_choose(const struct catalog_types *t, const struct catalog_path *path, char kind,
		     struct slice name, const struct overload_set *arguments, uint32_t n,
		     struct overload_choice *out, uint32_t *oids);

enum fit { FIT_NOT, FIT_MAYBE, FIT_SURE };
/* Whether a type becomes another unasked; *own: by a cast that is not PostgreSQL's. */
enum fit overload_casts(const struct catalog_types *t, uint32_t type, uint32_t target, bool *own);
bool overload_is_polymorphic(uint32_t type);

/* common_type.c: values that become one, given in their order (zeroed in the beginning). */
struct common_type {
	struct overload_set so_far, same; /* same: what all of them can be */
	bool begun, unknown, several; /* several: some can be more than one */
};
void common_type_add(const struct catalog_types *t, struct common_type *c,
		     const struct overload_set *value);
void common_type_get(const struct common_type *c, struct overload_set *out);
/* What arrays of such elements are of. */
void common_type_array(const struct catalog_types *t, const struct overload_set *elements,
		       struct overload_set *out);

#endif
