/* SPDX-License-Identifier: MIT
 *
 * What a policy's tests have seen of it: rules, clauses, masks and verdicts.
 */
#ifndef WEIR_CLI_COVERAGE_H
#define WEIR_CLI_COVERAGE_H

#include "cli/policy_run.h"

struct coverage;

struct coverage *coverage_new(struct cli_policy *p);
void coverage_free(struct coverage *c);
/* For cli_policy_test_watched. */
void coverage_saw(void *coverage, const struct run *r, enum vm_entry e, const struct facts *f);
void coverage_ran(void *coverage, const struct run *r);
/* Rules that decided, masked, dropped or limited nothing in any test. */
unsigned coverage_untested(const struct coverage *c);
void coverage_print_text(const struct coverage *c, struct buf *out);
void coverage_print_json(const struct coverage *c, struct buf *out);

#endif
