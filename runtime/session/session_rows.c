/* SPDX-License-Identifier: MIT
 *
 * Rules that read rows, applied: each row is decided before it is counted, masked and sent on. What
 * CommandComplete says is how many rows were shown; the record says how many were not.
 */
#include "session/session.h"

#include <stdio.h>
#include <stdlib.h>

struct gate_rows *
session_rows(const struct session *s, const struct reply *head)
{
	if (head->kind == REPLY_EXECUTE)
		return ((const struct portal *) head->object)->rows;
	return head->kind == REPLY_QUERY ? s->rows : NULL;
}

void
session_rows_end(struct session *s)
{
	free(s->plan);
	s->plan = NULL;
	gate_rows_free(s->rows);
	s->rows = NULL;
}

void
session_rows_dropped(struct session *s, struct command *c)
{
	c->dropped++;
	c->dropped_now++;
	s->env->counters.rows_dropped++;
}

enum gate_row
session_rows_decide(struct session *s, struct reply *head, const struct pg_frame *f)
{
	struct gate_rows *rows = session_rows(s, head);
	struct pg_rowplan *plan = head->kind == REPLY_EXECUTE
					  ? ((struct portal *) head->object)->plan
					  : s->plan;
	enum gate_row row;

	if (!rows)
		return GATE_ROW_SHOWN;
	assert(f->first && f->last);
	row = gate_rows_apply(rows, plan, f->raw.p, f->raw.n);
	if (row == GATE_ROW_BAD)
		session_bad(s, SERVER, PG_R_ROW_FIELDS);
	else if (row == GATE_ROW_DROPPED)
		session_rows_dropped(s, head->command);
	return row;
}

void
session_rows_suspended(struct command *c)
{
	uint64_t dropped = c->dropped_now;

	c->dropped_now = 0;
	c->rows += c->max_rows > dropped ? c->max_rows - dropped : 0;
}

/* Other tags count what was written, not what is shown. */
bool
session_rows_tag(struct command *c)
{
	static const char *const words[] = {"SELECT ", "FETCH ", "COPY "};
	uint64_t dropped = c->dropped_now;
	unsigned long long n;

	c->dropped_now = 0;
	for (size_t i = 0; dropped && i < COUNT_OF(words); i++) {
		size_t len = strlen(words[i]);

		if (strncmp(c->tag, words[i], len) != 0)
			continue;
		n = strtoull(c->tag + len, NULL, 10);
		n = n > dropped ? n - dropped : 0;
		snprintf(c->tag + len, sizeof(c->tag) - len, "%llu", n);
		c->rows -= c->rows > dropped ? dropped : c->rows;
		return true;
	}
	return false;
}
