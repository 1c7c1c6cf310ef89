/* SPDX-License-Identifier: MIT
 *
 * `retention`: how long the audit log is kept, and who may hold what would go.
 */
#include "compiler/config_internal.h"

#include "policy.h"

enum { YEARS_100 = 36500 /* days */, GROUPS_MAX = 16 };

/* SYNTAX: holds GROUP {, GROUP} */
static void
read_groups(struct config_reader *r)
{
	struct slice *groups = ARENA_ARRAY(r->arena, struct slice, GROUPS_MAX);
	size_t n = 0;

	do {
		const struct token *t;

		r->at++; /* holds, or the comma */
		t = config_peek(r);
		if (!config_on_this_line(r) || (!t->sym && t->code != TK_STRING) ||
		    n == GROUPS_MAX) {
			config_expected(r, n == GROUPS_MAX ? "at most 16 groups"
							   : "a group's name");
			return;
		}
		groups[n++] = t->code == TK_STRING ? arena_copy(r->arena, t->string)
						   : slice_str(t->sym->s);
		r->at++;
	} while (config_peek(r)->code == TK_COMMA);
	r->out->hold_groups = groups;
	r->out->n_hold_groups = n;
}

static bool
is_word(const struct config_reader *r, const char *word)
{
	const struct token *t = config_peek(r);

	return config_on_this_line(r) && t->sym && strcmp(t->sym->s, word) == 0;
}

static void
read_value(struct config_reader *r)
{
	const struct token *t = config_peek(r);
	int64_t seconds = t->number / 1000;

	if (is_word(r, "forever")) {
		r->at++;
		return;
	}
	if (!config_on_this_line(r) || t->code != TK_DURATION || t->number % 1000 || seconds < 1 ||
	    seconds > (int64_t) YEARS_100 * 86400) {
		config_expected(r, "`forever`, or a duration from 1s to 36500d");
		return;
	}
	r->at++;
	r->out->retention_seconds = (uint64_t) seconds;
	r->out->retention = arena_str(r->arena, source_text(r->q->sources, t->at));
}

/* SYNTAX: retention forever | DURATION [holds GROUP {, GROUP}] */
void
config_read_retention(struct config_reader *r)
{
	const struct token *t = config_peek(r);

	if (!span_is_none(r->retention_at))
		diag_note(r->q, diag(r->q, CONFIG_TWICE, t->at, "`retention`"), r->retention_at,
			  "the first is here");
	r->retention_at = t->at;
	read_value(r);
	if (is_word(r, "holds"))
		read_groups(r);
}
