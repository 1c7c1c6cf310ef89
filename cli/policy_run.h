/* SPDX-License-Identifier: MIT
 *
 * A command as a policy's test describes it, decided as in the gateway: what `weir test`, `explain`
 * and `bench` share. Without a catalog names are taken as written; where the statement leaves open
 * which table a column is of, every table it could be counts.
 */
#ifndef WEIR_CLI_POLICY_RUN_H
#define WEIR_CLI_POLICY_RUN_H

#include "cli/policy.h"
#include "gate/gate.h"
#include "sql/sql.h"
#include "vm/watch.h"

struct run;

/* Told of every decision that a test makes, and of each test when it has run. */
struct test_watch {
	void *ctx;
	void (*saw)(void *ctx, const struct run *r, enum vm_entry e, const struct facts *f);
	void (*ran)(void *ctx, const struct run *r);
};

/* A column of the result, as the gateway's analysis has it. */
struct run_output {
	struct slice name;
	int rule;      /* mask rule, or -1 */
	bool hides;    /* computed from a masked column: nothing of it is shown */
	uint32_t type; /* base type OID; 0: not known */
	int32_t typmod; /* what varchar(n) and the like declare; -1: nothing */
};

struct run {
	const struct test_watch *watch; /* or NULL */
	const struct image *img;
	const struct test_decl *t;
	struct arena arena;
	const struct sql_facts *sql;
	bool connects;	       /* there is no command: a session is to be opened */
	struct facts base;     /* of the command */
	struct facts *effects; /* of each effect that is judged */
	size_t n_effects;
	struct decision joined, result;
	struct watch seen; /* what shadow rules would have done */
	struct decision row, shown; /* of the row at hand; the masks in force for it */
	struct mask_spec *specs;    /* by rule */
	struct mask_key key;
	struct detect_rules detect; /* in force */
	enum verdict verdict;
	const struct sql_use **written; /* by index in base.uses: where it is written */
	bool hides;        /* the output that was looked at is computed from a masked column */
	int use_rule;      /* the mask rule whose column is used where it must not be, or -1 */
	/* With a catalog: */
	uint16_t use_rules[VERDICT_MASKS]; /* all of those */
	uint8_t n_use_rules;
	bool use_told;                     /* use_rule is one whose column is misused, for sure */
	const char *refusal, *hint;        /* what the client is told; NULL: nothing */
	bool with_catalog;                 /* the gate has decided; `effects` are what it judged */
	const char *unknown_table;         /* why not: the catalog does not have it; or NULL */
	struct run_output *outputs;
	uint32_t n_outputs;
	bool knows_outputs;
	struct buf why;    /* what failed, one sentence a line */
};

/* Analyses the statement and fills the facts; then run_decide, as often as one likes. */
void run_open(struct run *r, const struct image *img, const struct test_decl *t);
void run_decide(struct run *r);
/* What shadow and notify rules make of it, again after the effects have changed. */
void run_watch(struct run *r);
void run_close(struct run *r);
/* The detectors of a mask rule find something in a row of the test. While its expectations are
 * checked, and for who watches. */
bool run_finds(const struct run *r, size_t rule);
/* A quoted value in a test is text, or of a type that the mask is for. */
uint32_t run_value_type(enum mask kernel, struct slice v, uint32_t type);

/* Binds the masks in force, for run_row and run_cell. */
void run_bind_masks(struct run *r);
/* Decides about one row; the rule that drops it, or -1. */
int run_row(struct run *r, const struct test_row *row);

enum { RUN_NOT_MASKED = -1, RUN_NO_OUTPUT = -2, RUN_FOUND = -3 };

/* A value of that row as the client gets it, appended to *out unless it is *null. The mask rule
 * over its column, RUN_NOT_MASKED, RUN_FOUND: a detector found something in it, or RUN_NO_OUTPUT:
 * the statement has no such column. */
int run_cell(struct run *r, const struct cell *c, bool *null, struct buf *out);

/* cli_policy_test for somebody who watches. */
struct test_counts cli_policy_test_watched(const struct cli_policy *p, bool json,
					   const struct test_watch *watch, struct buf *out);

/* Places (CONTEXT_BIT) where a use in base.uses stands and a masked column must not. */
unsigned run_shut_places(const struct run *r, size_t use);

struct slice run_schema(struct slice schema); /* "public" when the statement names none */

#endif
