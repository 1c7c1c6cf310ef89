/* SPDX-License-Identifier: MIT
 *
 * The finest classes of strings that a set of constants and patterns can tell apart: every constant
 * alone, and of all other strings those that match the same patterns. Exact, as the patterns run as
 * automata side by side: a class exists only if some string is in it, and that string is known.
 */
#ifndef WEIR_COMPILER_PARTITION_H
#define WEIR_COMPILER_PARTITION_H

#include "base/arena.h"
#include "vm/match.h"

struct pattern {
	struct slice text;
	bool glob; /* has a * that stands for any run of bytes */
	const struct regex *regex; /* the text is how it is written then */
	/* Of a table's: made of this one of schemas, and no test of tables asks for it. */
	const struct regex *of_schema;
};

struct class
{
	struct slice text; /* one of its strings */
	bool possible;	   /* the text can occur: of a table it has two parts, of a schema no dot;
			    * if there are regular expressions, and it is not the policy's, it is
			    * UTF-8 */
	bool constant;	   /* the class is this string alone */
};

/* Names of tables are two parts with a dot between them; those of schemas that rules know have none
 * (sql/dotted.h). */
enum partition_of { PARTITION_STRINGS, PARTITION_TABLES, PARTITION_SCHEMAS };

struct partition {
	struct class *classes; /* in the order of their strings */
	size_t n;
	struct slice *globs;
	size_t n_globs;
	struct pattern *regexes;
	size_t n_regexes;
	size_t n_signs; /* globs, then regular expressions */
	struct slice *constants; /* ascending */
	uint32_t *constant_class;
	size_t n_constants;
	uint64_t *signs; /* per class: which globs and regular expressions match */
	size_t sign_words;
	uint64_t *found; /* room for the signs of one string */
	enum partition_of of;
};

/* NULL: the patterns overlap in more ways than can be listed. */
struct partition *partition_new(struct arena *arena, const struct pattern *patterns, size_t n,
				enum partition_of of);
bool partition_matches(const struct partition *p, size_t sign, struct slice s);
/* Whether the strings of a class do. */
bool partition_has(const struct partition *p, size_t class, size_t sign);
size_t partition_find(const struct partition *p, struct slice s);
/* The string stands for its class from now on; its class. */
size_t partition_prefer(struct partition *p, struct slice s);
/* As above, if the string can occur. */
void partition_offer(struct partition *p, struct slice s);

#endif
