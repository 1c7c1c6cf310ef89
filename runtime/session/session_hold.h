/* SPDX-License-Identifier: MIT
 *
 * What is asked of people, whether a command waits for them (session_hold.c) or a session that is
 * to be opened (session_door.c).
 */
#ifndef WEIR_SESSION_SESSION_HOLD_H
#define WEIR_SESSION_SESSION_HOLD_H

#include "session/approvals.h"
#include "session/session.h"

struct question {
	struct approval_ask ask;
	struct approval_rule rules[APPROVAL_MAX_RULES];
	struct approval_need needs[APPROVAL_MAX_NEEDS];
	struct slice groups[APPROVAL_MAX_NEEDS];
	struct buf parameters;
	char client[64];
};

/* Joins the rules that hold something: all needs, the shortest times, the strictest flags. False
 * when they ask for more than one request can carry. */
bool question_join(const struct image *img, const struct gate_verdict *v,
		   struct question *q) MUST_CHECK;

void hold_notice(struct session *s, const char *message, const char *hint);
/* Tells somebody who begins to wait: "WHAT for approval ...", and "WITHDRAW to withdraw it". */
void hold_begin_notice(struct session *s, const struct approval_status *st,
		       const struct question *q, const char *what, const char *withdraw);

#endif
