/* SPDX-License-Identifier: MIT
 *
 * Edits of whole rules that findings suggest. None makes a policy allow more.
 */
#ifndef WEIR_COMPILER_EDITS_H
#define WEIR_COMPILER_EDITS_H

#include "compiler/ast.h"
#include "compiler/diag.h"

/* Nobody else can have a use for the rule: its file is the policy's own, and no test names it. */
bool edits_can_remove(const struct policy *p, const struct rule *r);
/* Takes out a rule without which every decision is the same. */
void edits_remove(struct diag_queue *q, struct diag *d, const struct policy *p,
		  const struct rule *r);
/* The same, where the rule may be meant to say something else. */
void edits_offer_removal(struct diag_queue *q, struct diag *d, const struct policy *p,
			 const struct rule *r);
/* A name of a list, with the comma before or behind it. Nothing where it stands alone. */
void edits_offer_without(struct diag_queue *q, struct diag *d, const struct ref *list,
			 const char *name);
/* "for 1 of dba not self" */
void edits_offer_not_self(struct diag_queue *q, struct diag *d, const struct rule *hold);
/* "with null" instead of what shows something. */
void edits_offer_null(struct diag_queue *q, struct diag *d, const struct rule *mask);
/* The amounts of lookups, or the limit where it has no others. */
void edits_remove_lookups(struct diag_queue *q, struct diag *d, const struct policy *p,
			  const struct rule *limit);

#endif
