/* SPDX-License-Identifier: MIT
 *
 * The space of inputs that some images can tell apart, as variables of a decision diagram. Each
 * fact is one variable whose values are "unknown" (0) and the classes that all constants of all
 * images divide its values into; a set is one variable for known, and one per class of members; a
 * use of data is false, not to be told, or true. So a way through a diagram is never one that no
 * facts can take, but for what holds between facts: space_feasible says that.
 */
#ifndef WEIR_COMPILER_SPACE_H
#define WEIR_COMPILER_SPACE_H

#include "compiler/columns.h"
#include "compiler/dd.h"
#include "compiler/partition.h"
#include "vm/exec.h"

struct catalog;
struct elsewhere;

enum space_kind {
	SPACE_FACT,	/* the value of a fact; of a set: it is known */
	SPACE_MEMBER,	/* the set has a member of this class */
	SPACE_USE,	/* the statement uses this data in this context */
	SPACE_ROW_TEXT, /* the value of a column of the row, as text */
	SPACE_ROW_INT	/* ... as a whole number */
};

enum { SPACE_UNKNOWN = 0 };			     /* of facts and columns; classes follow */
enum { SPACE_UNUSED, SPACE_MAYBE_USED, SPACE_USED }; /* of uses */
enum { SPACE_MAX_VARS = 1 << 14, SPACE_MAX_RUNS = 1 << 23 }; /* 64 MiB of nodes */

struct space_var {
	enum space_kind kind;
	enum fact fact;
	uint32_t member, data, context, column;
};

struct network {
	uint8_t addr[16], prefix;
};

/* What the values of a fact, or of a column, are divided into. */
struct domain {
	bool used;
	size_t n; /* classes */
	struct partition *strings;
	int64_t *cuts; /* numbers: where a class begins */
	size_t n_cuts;
	struct network *networks; /* outer before inner; class 0 is outside of all */
	size_t n_networks;
	struct value *values; /* one of each class; not of sets */
	bool *possible;
	uint32_t prefer;
};

/* Of a column of the row: a class of texts and one of numbers that have a value in common. */
struct row_pair {
	uint32_t text, number;
	int64_t value;
};

struct row_pairs {
	struct row_pair *v; /* ascending */
	size_t n;
};

struct space {
	struct arena *arena;
	const struct image *const *images;
	size_t n_images;
	/* Per image the catalog that its policy names, or NULL; NULL: none is at hand. Set by who
	 * has them, for what is known of tables and views. */
	const struct catalog *const *catalogs;
	bool tables_apart; /* those with different data, though no rule asks for names of tables */
	struct elsewhere *elsewhere; /* compiler/elsewhere.h: made when somebody asks */
	bool **tables_of;	     /* compiler/reading.c: likewise */
	struct domain facts[FACT_COUNT];
	uint32_t fact_var[FACT_COUNT], member_var[FACT_COUNT]; /* + 1; 0: not read */
	struct columns columns;				       /* data classes of all images */
	uint32_t (*use_var)[N_CONTEXTS];		       /* per data: + 1 */
	struct slice *row_columns;			       /* of all images */
	size_t n_row_columns;
	struct domain *row_texts, *row_ints;
	struct row_pairs *row_pairs; /* of columns that are asked for both */
	uint32_t *row_text_var, *row_int_var; /* + 1 */
	uint32_t **row_of;		      /* per image and its column: index here */
	struct space_var *vars;
	struct dd_var *dd_vars;
	size_t n_vars;
	struct dd *dd;
	struct dd_op larger; /* of two leaves */
	struct {
		uint64_t key;
		uint32_t root;
	} * *memo;	/* per image and constant: the last test with it */
	uint32_t *hits; /* room for the classes of a test */
	struct dd_run *runs;
	uint32_t feasible;
	bool has_feasible;
};

/* NULL with *why, a fact's or column's name, when its patterns overlap in too many ways. */
struct space *space_new(struct arena *arena, const struct image *const *images, size_t n,
			const char **why);
/* The same for who asks what is read of tables: those with different data are told apart wherever
 * drop rules, uses of data or schemas could tell them apart. */
struct space *space_new_apart(struct arena *arena, const struct image *const *images, size_t n,
			      const char **why);
/* Where the test of a fact comes out as `outcome`, as the machine would have it. */
uint32_t space_test(struct space *s, size_t image, const struct insn *in, bool outcome);
/* What an instruction compares: of a fact, or of a column of the row. */
const struct domain *space_domain(const struct space *s, size_t image, const struct insn *in);
/* The classes of that which pass a test, ascending, when it is neither inverted nor unknown. */
const uint32_t *space_hits(struct space *s, size_t image, const struct insn *in, size_t *n);
/* What holds between facts whatever the policy: no input that cannot be is left in it. */
uint32_t space_feasible(struct space *s);
/* The values of all variables for facts (whose row is in the order of the image). */
void space_values(const struct space *s, size_t image, const struct facts *f, uint32_t *values);

/* space_row.c: columns of rows. False: the patterns overlap in too many ways. */
bool space_pair_row(struct space *s, uint32_t column, const struct pattern *texts, size_t n);
/* What holds between a column's text and its number. */
uint32_t space_row_feasible(struct space *s, uint32_t column);
/* A number of the class whose text is of the class `text` (a value of the text's variable, or
 * DD_LEAF for any). */
int64_t space_row_number(const struct space *s, uint32_t column, uint32_t class, uint32_t text);
/* What a fact is when nobody says. */
void space_usual(enum fact f, struct value *out);
bool space_is_usual(enum fact f, const struct value *v);
/* True for the actions whose effects have an object. */
uint32_t space_objects(struct space *s);
/* What effects of the action have. */
bool space_has_object(enum action a);
bool space_has_setting(enum action a);
/* Facts that many an effect does not have, and that are unknown then. */
bool space_may_lack(enum fact f);
bool space_has_where(enum action a);
/* A column of this kind in "schema.table"; an empty slice: it has none. */
struct slice space_column_in(const struct space *s, size_t kind, struct slice table);
/* Class of a value. */
uint32_t domain_find(const struct domain *d, enum fact fact, const struct value *v);
uint32_t domain_find_number(const struct domain *d, int64_t v);

/* space_build.c fills the domains. */
bool space_collect(struct space *s, const char **why);

#endif
