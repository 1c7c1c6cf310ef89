/* SPDX-License-Identifier: MIT
 *
 * Between session_limit.c and session_budget.c: what budgets refuse before a command begins, and
 * the time that it takes from them while it runs.
 */
#ifndef WEIR_SESSION_SESSION_BUDGET_H
#define WEIR_SESSION_SESSION_BUDGET_H

#include "session/session.h"

/* "limit "few": at most 1000 rows per command, so says whoever wrote it" */
const char *session_limit_describe(struct session *s, const struct limit_run *l);
/* Refuses the command by the rule before it begins. */
void session_limit_refuse(struct session *s, struct command *c, const struct gate_refusal *why,
			  uint16_t rule);

/* "WEIR-LIMIT-BUDGET" */
const char *session_budget_code(const struct limit_meter *m);
/* When at least so much can be had again. */
const char *session_budget_hint(struct session *s, const struct limit_meter *m, uint64_t want);
/* Refuses what has nothing left to begin with. */
void session_budget_check(struct session *s, struct command *c);
/* Takes what is paid for before the server sees the command, or refuses it. was: what it had paid
 * when it was judged before, or NULL. */
void session_budget_pay(struct session *s, struct command *c, const struct limit_run *was);
/* The time of the command begins, goes on, has ended. The budget that has none left, or NULL. */
const struct limit_meter *session_budget_time(struct limit_run *l, uint64_t now);
void session_budget_settle(struct limit_run *l, uint64_t now);

#endif
