/* SPDX-License-Identifier: MIT
 *
 * What stands in the queue of replies. Asked some twenty times per query, so it is inlined; part of
 * session.h.
 */
#ifndef WEIR_SESSION_SESSION_QUEUE_H
#define WEIR_SESSION_SESSION_QUEUE_H

static inline struct reply *
reply_at(const struct session *s, uint32_t i) /* 0 = head */
{
	assert(i < s->n_replies);
	return &s->replies[(s->first_reply + i) & (s->cap_replies - 1)];
}

/* NULL: nothing is owed. */
static inline struct reply *
reply_head(const struct session *s)
{
	return s->n_replies ? reply_at(s, 0) : NULL;
}

#endif
