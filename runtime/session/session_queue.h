/* SPDX-License-Identifier: MIT
 *
 * The queue of replies, part of session.h. What stands in it is asked some twenty times per query,
 * so that is inlined.
 */
#ifndef WEIR_SESSION_SESSION_QUEUE_H
#define WEIR_SESSION_SESSION_QUEUE_H

struct reply *reply_push(struct session *s, enum reply_kind kind); /* NULL: full */
void reply_pop(struct session *s);
/* The Syncs right behind the head: the server took them while it took COPY data. */
void reply_drop_syncs(struct session *s);

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
