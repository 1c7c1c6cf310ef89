/* SPDX-License-Identifier: MIT
 *
 * What the parts of the checker share: check.c (declarations, tests), check_rule.c (clauses),
 * check_expr.c (conditions), check_data.c (data classes), check_names.c.
 */
#ifndef WEIR_COMPILER_CHECK_INTERNAL_H
#define WEIR_COMPILER_CHECK_INTERNAL_H

#include "compiler/check.h"
#include "compiler/edits.h"

/* What a condition reads, for the rule that has it. */
struct reads {
	enum fact_phase phase; /* the latest of the facts, the action apart */
	bool action;
	unsigned protocols; /* bit per protocol that a fact belongs to */
	bool text;          /* sql.text */
	bool row;           /* row.COLUMN */
	enum fact late;     /* some fact of `phase`, for messages */
};

enum let_progress { LET_NEW, LET_RUNNING, LET_DONE };

struct let_state {
	enum let_progress progress;
	bool used, told;
	struct cond *cond;
	struct reads reads;
};

/* Declarations of a kind, by position and by name. */
enum decl_kind { LIST_GROUPS, LIST_TARGETS, LIST_DATA, LIST_LETS, LIST_RULES, LIST_KINDS };

struct decl_name {
	const char *s;
	uint32_t i;
};

struct decl_list {
	size_t n;
	const void **decl;
	const struct name **name;
	const char **text;        /* "" where a name is missing */
	struct decl_name *sorted; /* by the address of the name, then by position */
};

struct check {
	struct arena *arena;
	struct diag_queue *q;
	const struct policy *p;
	bool whole; /* no part of the text had to be stepped over */
	struct constants *constants;
	struct decl_list lists[LIST_KINDS];
	unsigned suggestions; /* made so far */
	struct ddl *ddl;      /* NULL: the policy has no catalog, or none that can be read */
	struct slice *schemas;		   /* of the catalog, ascending; some are there twice */
	bool bare_told; /* of the rule or let at hand: W1230 */
	struct catalog *catalog;
	uint32_t *catalog_files;
	struct reads reads; /* of the condition being checked */
	unsigned let_depth;
	bool let_too_deep; /* which was said */
	struct let_state *lets; /* the others: used or not, by position in the policy */
	bool *groups, *targets, *data;
	/* Columns of rows that conditions read: the constants of their names. */
	uint32_t row_columns[VM_MAX_ROW_COLUMNS];
	size_t n_row_columns;
	struct known_regex **regexes; /* lists, by the hash of the text; NULL: no such yet */
	size_t regex_work; /* that was done for all of them */
};

/* check_names.c: all declarations by name, each of them once. */
void check_list_names(struct check *c);
void check_names(struct check *c);
void check_trusts_once(struct check *c);
/* Reports a list that no image can number. `what` is in the plural. */
void check_length(struct check *c, struct span at, const char *what, size_t n);
/* check_lookalike.c: warnings about names that are taken for others. */
void check_lookalikes(struct check *c);
/* The position of an (interned) name, the first of several; -1 when there is none. */
int check_find(const struct check *c, enum decl_kind kind, const char *name);
void check_suggest_declared(struct check *c, struct diag *d, const char *name,
			    enum decl_kind kind);
const struct group_decl *check_group_at(const struct check *c, int i);
const struct target_decl *check_target_at(const struct check *c, int i);

/* No command can satisfy all of its clauses. */
void check_report_never(struct check *c, const struct rule *r);

/* As above, reporting what is missing with the nearest name there is, and marking what is used. */
int check_use_group(struct check *c, const char *name, struct span at);
int check_use_target(struct check *c, const char *name, struct span at);
int check_use_data(struct check *c, const char *name, struct span at);
/* Adds the leaves of an action or a ready-made set. */
bool check_use_action(struct check *c, const char *name, struct span at, struct action_set *set);
void check_suggest(struct check *c, struct diag *d, const char *name, const char *const *names,
		   size_t n);

struct cond *cond_const(struct check *c, bool value);
struct cond *cond_test(struct check *c, enum opcode op, enum fact fact, uint32_t constant);
struct cond *cond_not(struct check *c, struct cond *x);
struct cond *cond_list(struct check *c, enum cond_kind kind);
void cond_add(struct cond *list, struct cond *x);

/* A condition; what it reads is added to c->reads. Never NULL. */
struct cond *check_cond(struct check *c, const struct expr *e);
/* check_row.c: conditions over `row.COLUMN`. The column's name; NULL: e is something else. */
const char *check_row_column(const struct expr *e);
bool check_is_row_name(const char *name);
struct cond *check_row_compare(struct check *c, const struct expr *e, const struct expr *l,
			       const struct expr *r);
struct cond *check_row_in(struct check *c, const struct expr *l, const struct expr *set);
struct cond *check_row_pattern(struct check *c, const char *column, struct slice glob);
struct cond *check_row_regex(struct check *c, const char *column, uint32_t constant);
struct cond *check_row_flag(struct check *c, const struct expr *e);
/* check_regex.c: the automaton of a literal, and its constant; NULL: it has been reported. */
const struct regex *check_regex(struct check *c, const struct expr *e, uint32_t *constant);
/* Members of groups: some name in user.groups is one of theirs. */
struct cond *check_who(struct check *c, const struct ref *names);
struct cond *check_on(struct check *c, const struct ref *names);
struct cond *check_do(struct check *c, const struct ref *names, struct action_set *set);
/* check_modes.c: what a mask opens, and a warning where lookups are not bounded. */
struct mask_modes check_modes(struct check *c, const struct kernel *k);
void check_lookups(struct check *c);
void check_rule(struct check *c, const struct rule *r, struct checked_rule *out);
/* check_data.c: data classes, and rules that speak of values rather than columns. */
void check_data(struct check *c);
void check_rule_data(struct check *c, const struct rule *r, const struct checked_rule *out);
void check_uses_data(struct check *c, int data, struct span at);
/* "schema.name(types)"; quoted names may hold anything. "sha256:" and 64 hexadecimal digits. */
bool check_is_function(struct slice s);
bool check_is_digest(struct slice s);
/* check_catalog.c: reads the policy's catalog; then, that it has what the policy names. */
void check_catalog(struct check *c);
void check_catalog_names(struct check *c, struct checked *out);
/* check_record.c */
void check_record(struct check *c, const struct rule *r, struct checked_rule *out);
void check_lets(struct check *c);
/* The literal (or enum word, or set) that a `let` stands for; e itself when it is none. */
const struct expr *check_value_of(struct check *c, const struct expr *e);

#endif
