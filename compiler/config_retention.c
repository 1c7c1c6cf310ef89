/* SPDX-License-Identifier: MIT
 *
 * `retention`: how long the audit log is kept.
 */
#include "compiler/config_internal.h"

#include "policy.h"

enum { YEARS_100 = 36500 }; /* days */

static const struct token *
peek(const struct config_reader *r)
{
	return &r->tokens.v[r->at];
}

static bool
on_this_line(const struct config_reader *r)
{
	return peek(r)->code != TK_END && !peek(r)->line_start;
}

static void
expected(struct config_reader *r, const char *what)
{
	diag(r->q, CONFIG_EXPECTED, peek(r)->at, what);
	while (on_this_line(r))
		r->at++;
}

/* SYNTAX: retention forever | DURATION */
void
config_read_retention(struct config_reader *r)
{
	const struct token *t = peek(r);
	int64_t seconds = t->number / 1000;

	if (!span_is_none(r->retention_at))
		diag_note(r->q, diag(r->q, CONFIG_TWICE, t->at, "`retention`"), r->retention_at,
			  "the first is here");
	r->retention_at = t->at;
	if (on_this_line(r) && t->sym && strcmp(t->sym->s, "forever") == 0) {
		r->at++;
		return;
	}
	if (!on_this_line(r) || t->code != TK_DURATION || t->number % 1000 || seconds < 1 ||
	    seconds > (int64_t) YEARS_100 * 86400) {
		expected(r, "`forever`, or a duration from 1s to 36500d");
		return;
	}
	r->at++;
	r->out->retention_seconds = (uint64_t) seconds;
	r->out->retention = arena_str(r->arena, source_text(r->q->sources, t->at));
}
