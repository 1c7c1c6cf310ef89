/* SPDX-License-Identifier: MIT
 *
 * Between the files of `weir explain`: what is explained (explain.c) and how it is told
 * (explain_print.c).
 */
#ifndef WEIR_CLI_EXPLAIN_H
#define WEIR_CLI_EXPLAIN_H

#include "cli/policy_run.h"
#include "compiler/explain.h"

/* One command, or the opening of a session. */
struct explanation {
	struct cli_policy *policy;
	enum vm_entry entry;
	const char *title; /* where several are explained: which, or NULL */
	enum verdict verdict;
	bool by_default;
	int use_rule; /* as in struct run, or -1 */
	const struct run *run; /* of a command; NULL: facts were given */
	const struct facts *base, *effects;
	struct explained *of_effect; /* of each */
	size_t n;
	struct explained *result; /* the masks and drops in force; NULL: not asked */
};

/* The declaration of a test with these clauses, which may have lines of their own. A name of `on`
 * that needs quotes gets them. */
struct slice explain_test_text(struct arena *arena, const char *as, const char *on,
			       const char *clauses);
/* The last test of the policy with this command, opened and decided, and why in terms of the run;
 * run_close ends both. A command without text is the opening of a session. */
void explain_test(struct explanation *x, struct cli_policy *p, struct run *r, struct slice sql);

/* False: a mask or drop of data that the command does not touch (explain_touch.c). Where that
 * cannot be told, it may. */
bool explanation_touches(const struct explanation *x, size_t rule);

void explain_print_text(const struct explanation *x, struct buf *out, bool colour);
void explain_print_json(const struct explanation *x, struct buf *out);

#endif
