/* SPDX-License-Identifier: MIT
 *
 * What the parts of the findings share: findings.c (unreachable rules, strict), findings_rules.c
 * (rules that other rules make idle), findings_aside.c (where one of many is alone),
 * findings_limits.c, findings_unknown.c, findings_unmasked.c.
 */
#ifndef WEIR_COMPILER_FINDINGS_INTERNAL_H
#define WEIR_COMPILER_FINDINGS_INTERNAL_H

#include "compiler/edits.h"
#include "compiler/findings.h"
#include "compiler/prove.h"

/* Of the rules that could be meant, so many are named. */
enum { FINDINGS_NOTES = 5 };
/* So many rules that match one input are looked at one by one first, not by the diagram. */
enum { FINDINGS_MANY = 64 };

struct aside;

struct look {
	struct diag_queue *q;
	const struct policy *tree;
	const struct image *img;
	struct diagram *g;
	struct space *s;
	const struct rule **rules; /* of the tree, by position in the image */
	bool *said;		   /* something was found about the rule */
	struct arena *arena;
	struct arena scratch; /* of one question */
	struct aside *aside;
	struct dd_mark mark;  /* what all questions are about */
	struct dd_mark question; /* where this one began */
	uint64_t work;	      /* what all questions may have cost before there are no more */
	bool *was_skipped;
	size_t skipped;	      /* rules that were too entangled to look into */
	size_t first_skipped;
};

/* Whether the rule has a say in the verdict: a shadow rule has none, and that is meant. */
static inline bool
look_decides(const struct look *l, size_t i)
{
	return l->img->rules[i].kind <= VM_DENY && !l->img->rules[i].shadow;
}

bool look_can_be(const struct look *l, uint32_t root);
/* The rule is too entangled with others, which is said in the end. */
void look_skip(struct look *l, size_t rule);
/* After a question about the rule: makes room for the next. */
void look_done(struct look *l, size_t rule, bool given_up);
/* No time for more questions, or for more of this one. */
bool look_tired(const struct look *l);
bool look_lost(const struct look *l);
struct diag *look_say(struct look *l, size_t i, struct diag *d);

#define SAY(l, i, id, ...)                                                                         \
	look_say((l), (i),                                                                         \
		 diag((l)->q, id, (l)->rules[i]->name.at,                                          \
		      vm_rule_info[(l)->img->rules[i].kind].name,                                  \
		      (l)->rules[i]->name.s __VA_OPT__(, ) __VA_ARGS__))

/* Looks for an input at which a condition holds and others, which are there by now, do not. */
struct aside *aside_new(struct arena *arena, const struct space *s);
/* From values[], at which `root` holds; way[] has what it asks for there, or DD_LEAF. */
bool aside_find(struct aside *a, struct space *s, uint32_t root, const uint32_t *others, size_t n,
		const uint32_t *values, const uint32_t *way);
/* The other holds there, and asks for a member of a set that the way does not. */
bool aside_has_way(const struct space *s, uint32_t other, const uint32_t *values,
		   const uint32_t *way);

void find_idle_rules(struct look *l);
void find_idle_limits(struct look *l);
void find_unknown(struct look *l);
void find_unmasked(struct look *l, bool strict);

#endif
