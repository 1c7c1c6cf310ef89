/* SPDX-License-Identifier: MIT
 *
 * Why a decision is what it is: each clause of each rule with its value. The verdict comes from the
 * machine; so does the value of every single test, which runs as a program of its own. What joins
 * them is three-valued logic over the condition that the code was made of, and it is asserted that
 * the same rules match: explanation and decision cannot part.
 */
#ifndef WEIR_COMPILER_EXPLAIN_H
#define WEIR_COMPILER_EXPLAIN_H

#include "compiler/check.h"
#include "vm/exec.h"

enum truth { TRUTH_FALSE, TRUTH_UNKNOWN, TRUTH_TRUE }; /* ascending: and is the minimum */

struct explained_clause {
	const struct clause *ast; /* NULL: the guard of the protocol whose facts the rule reads */
	const struct cond *cond;
	enum truth value;
	bool passes; /* unknown does, but for allow rules and for what may come after connect */
};

struct explained_rule {
	const struct checked_rule *rule;
	size_t index; /* in the image */
	bool considered; /* at this entry point */
	bool only_may;   /* at connect: whether it could match some command later */
	bool matches;
	unsigned failing; /* clauses that do not pass */
	unsigned misses;  /* of an allow rule: tests that would have to come out otherwise */
	struct explained_clause *clauses;
	size_t n;
};

struct explained {
	struct decision decision;
	struct explained_rule *rules;
	size_t n;
	/* the allow rule of which the fewest tests would have to come out otherwise; one about
	 * other actions counts as farther; of several the first; -1: there is none */
	int nearest;
};

/* Runs the entry point over the facts of one effect and explains it. */
void explain(const struct checked *p, const struct image *img, enum vm_entry e,
	     const struct facts *f, struct arena *arena, struct explained *out);

/* None of its `do` clauses fails. */
bool explained_is_about(const struct explained_rule *r);

/* The facts that a condition reads, with their values: "action = sql.drop, table is unknown". */
void explain_put_facts(struct buf *out, const struct cond *c, const struct image *img,
		       const struct facts *f);
/* The value of a fact, which must be known. */
void explain_put_value(struct buf *out, enum fact id, const struct value *v);

#endif
