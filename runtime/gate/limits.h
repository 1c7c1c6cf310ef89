/* SPDX-License-Identifier: MIT
 *
 * Limits of the policy: what a command may get (rows, bytes, time), and budgets of rows or bytes
 * that a principal's commands share over some time. Sans-I/O: the caller brings the time.
 *
 * A budget is a sliding window: time is cut into slices, 32 of them to a span, and whatever was
 * taken in the current slice or the 32 before it counts. So no span of that length, wherever it
 * begins, sees more than the budget; what was taken is given back at most one slice late. Budgets
 * are counted and shared by the epochs that have the same principal, rule, unit and span: a reload
 * that leaves a rule alone, or only changes its amount, forgets nothing. A restart: budget_state.h.
 * What is bounded per session is a budget as well, of that session, and never comes back.
 */
#ifndef WEIR_GATE_LIMITS_H
#define WEIR_GATE_LIMITS_H

#include "vm/image.h"

struct epoch;
struct budget;

enum { LIMIT_BUDGETS = 16 }; /* that one command can draw on */
enum { BUDGET_RING = 33 };   /* slices that count */

/* What a command, portal or cursor has got. */
struct limit_used {
	uint64_t rows, bytes;
	uint64_t time; /* ns, of what it took before */
};

/* The strictest bound of its kind among the limit rules that match. */
struct limit_bound {
	uint64_t max; /* UINT64_MAX: none */
	uint16_t rule;
};

struct limit_meter {
	struct budget *budget;
	uint64_t max;
	uint64_t paid; /* before it came: of units that are paid for ahead, and of time (ns) */
	uint16_t rule;
	enum limit_unit unit;
	enum limit_per per;
};

/* Budgets of one session by rule and unit, also of rules that a reload took away. */
struct limit_own {
	struct limit_own *next;
	struct budget *budget;
	enum limit_unit unit;
	struct slice rule;
};

struct limit_set {
	struct limit_bound bound[LIMIT_UNIT_COUNT]; /* time in ns */
	struct limit_meter meters[LIMIT_BUDGETS];
	size_t n_meters;
};

/* ---- of an epoch ----------------------------------------------------------------------------- */

/* Makes the budgets of every principal, taking over those that `was` (may be NULL) has. */
void limits_attach(struct epoch *e, const struct epoch *was);
void limits_detach(struct epoch *e);
/* Of a principal; NULL: there is none. */
struct budget *limits_budget(const struct epoch *e, struct slice principal, struct slice rule,
			     enum limit_unit unit, enum limit_per per);
/* How many budgets a command draws on when these rules match. */
size_t limits_budgets(const struct image *img, const uint16_t *rules, size_t n);
/* Folds the rules; at most LIMIT_BUDGETS budgets. own: the session's. */
void limits_fold(const struct epoch *e, size_t principal, const uint16_t *rules, size_t n,
		 struct limit_own **own, struct limit_set *out);
void limits_own_free(struct limit_own *own);

/* ---- budgets --------------------------------------------------------------------------------- */

struct budget *budget_new(uint64_t span_ns);
void budget_unref(struct budget *b); /* NULL is fine */
/* Takes up to n of what `max` leaves; returns how much. Any thread. */
uint64_t budget_take(struct budget *b, uint64_t max, uint64_t n, uint64_t now_mono);
void budget_give_back(struct budget *b, uint64_t n, uint64_t now_mono);
bool budget_is_full(struct budget *b, uint64_t now_mono);
/* What was taken, the oldest slice first; when the current slice began. */
uint64_t budget_save(struct budget *b, uint64_t taken[BUDGET_RING], uint64_t now_mono);
/* The same back into a new budget; age: how long ago that slice began. */
void budget_load(struct budget *b, const uint64_t taken[BUDGET_RING], uint64_t age,
		 uint64_t now_mono);
/* Nothing is left, whatever its amount. */
void budget_exhaust(struct budget *b, uint64_t now_mono);
/* How long until at least one can be taken again; 0: now. */
uint64_t budget_wait(struct budget *b, uint64_t max, uint64_t now_mono);

#endif
