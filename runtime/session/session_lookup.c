/* SPDX-License-Identifier: MIT
 *
 * What names mean when the server looks them up. It does so when it has the locks, which may be
 * long after the command was judged, and then a name may mean another table. So before the first of
 * a result goes on it is asked whether anybody has renamed something since, or is about to, through
 * this gateway; and the server's description says which tables the columns are of. If there is a
 * doubt the result waits for a catalog that was read now, and the command is judged again. Where
 * there is none that costs two comparisons. Nobody waits for the last of many renames: a statement
 * is judged by a catalog that has seen those before it came, and by one that was read after its
 * names were looked up.
 */
#include "session/session.h"

/* At most how many transactions that rename something (so many are open) begin with a command that
 * does. flags: of its statements. */
static unsigned
new_transactions(struct session *s, const struct sql_facts *f, uint32_t flags, unsigned open)
{
	bool same = open && s->tx == 'T';
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n_stmts; i++)
		n += (f->stmts[i].flags & flags) == flags;
	if (!n)
		return 0;
	if (session_ends_transaction(f))
		return n;
	for (uint32_t i = 0; i < s->n_replies && same; i++) {
		const struct command *c = reply_at(s, i)->command;

		same = !c || !session_ends_transaction(c->facts);
	}
	return same ? 0 : 1;
}

static struct gate_own
own(const struct session *s)
{
	return (struct gate_own){s->renaming, s->redefining};
}

/* Code that may define something (DO) is not counted: nobody could read while it runs. */
static void
follow_definitions(struct session *s, const struct command *c)
{
	unsigned n = new_transactions(s, c->facts, SQL_DDL | SQL_REDEFINES, s->redefining);

	s->redefined |= c->verdict.redefines;
	s->redefined_asked = 0;
	if (!n)
		return;
	s->redefining += n;
	gate_redefining(s->env->gate, s->gate, n);
}

void
session_lookup_follow(struct session *s, const struct command *c)
{
	unsigned n = c->verdict.renames
			     ? new_transactions(s, c->facts, SQL_RENAMES, s->renaming)
			     : 0;

	if (c->verdict.redefines)
		follow_definitions(s, c);
	if (!n)
		return;
	s->renaming += n;
	gate_renaming(s->env->gate, s->gate, n);
}

uint64_t
session_redefined(struct session *s)
{
	if (s->redefined_asked &&
	    gate_catalog_since(s->env->gate, s->gate, s->redefined_asked) == CATALOG_READY)
		s->redefined = s->redefined_asked = 0;
	return s->redefined;
}

/* It is committed, or never will be: a catalog that is read now knows. */
static void
definitions_end(struct session *s, bool gone)
{
	if (!s->redefined || s->redefined_asked)
		return;
	s->redefines = s->redefines || gone || s->schema_changed_in_tx;
	for (uint32_t i = 0; i < s->n_replies && !gone; i++) {
		const struct command *c = reply_at(s, i)->command;

		if (c && c->verdict.redefines)
			return; /* more is still to come */
	}
	if (s->redefining)
		gate_redefining_ends(s->env->gate, s->gate, s->redefining, s->redefines);
	s->redefining = 0;
	s->redefines = false;
	if (gone)
		return;
	s->redefined_asked = gate_catalog_ask(s->env->gate, s->gate);
	s->host->want_catalog(s->host_ctx);
}

void
session_lookup_ready(struct session *s, bool gone)
{
	definitions_end(s, gone);
	if (!s->renaming)
		return;
	s->renamed = s->renamed || gone || s->schema_changed_in_tx;
	for (uint32_t i = 0; i < s->n_replies && !gone; i++) {
		const struct command *c = reply_at(s, i)->command;

		if (c && c->verdict.renames)
			return; /* it is still to come */
	}
	gate_renaming_ends(s->env->gate, s->gate, s->renaming, s->renamed);
	s->renaming = 0;
	s->renamed = false;
}

/* A message behind which the names of the head's statement are looked up. */
static bool
shows_lookup(const struct reply *head, const struct pg_frame *f)
{
	switch (f->type) {
	case PG_B_ROW_DESCRIPTION:
	case PG_B_COPY_OUT_RESPONSE:
	case PG_B_COPY_IN_RESPONSE:
	case PG_B_DATA_ROW:
	case PG_B_COMMAND_COMPLETE:
	case PG_B_PORTAL_SUSPENDED:
		return head->kind == REPLY_QUERY || head->kind == REPLY_EXECUTE;
	default:
		return false;
	}
}

static bool
elsewhere(struct session *s, const struct reply *head, const struct pg_frame *f, bool fresh)
{
	const struct command *c = head->command;

	if (head->kind == REPLY_EXECUTE)
		return !fresh && ((const struct portal *) head->object)->elsewhere;
	return f->type == PG_B_ROW_DESCRIPTION && c->completed < c->facts->n_stmts &&
	       !session_plan_named(s, c->facts, &c->facts->stmts[c->completed], c->path,
				   f->body, fresh);
}

/* May what was asked for be shown, now that its names mean what they mean? */
static bool
still_allowed(struct session *s, struct command *c)
{
	struct gate_ask ask = session_ask(s, c->facts, &c->parameters);
	struct gate_verdict v;

	arena_reset(&s->env->arena);
	/* One rename between the two catalogs: the server saw what one of them says. Behind more
	 * there may have been something between that neither does. */
	if (gate_moved_twice(s->env->gate, s->gate, c->seen, own(s)))
		return false;
	ask.need = (struct gate_seen){0}; /* this catalog was read since it looked */
	gate_decide(s->env->gate, s->gate, &ask, &v);
	c->seen = gate_seen(s->env->gate, s->gate);
	c->verdict.meant = v.meant;
	if (v.names == c->verdict.names && (v.verdict == VERDICT_ALLOW || c->approved))
		return v.verdict != VERDICT_DENY;
	/* Its masks, limits and approval were for what the names meant. */
	return v.verdict == VERDICT_ALLOW && !c->approved && !c->verdict.rows_masked &&
	       !v.rows_masked && v.n_limits == c->verdict.n_limits &&
	       memcmp(v.limits, c->verdict.limits, v.n_limits * sizeof(v.limits[0])) == 0;
}

static const struct gate_refusal moved = {
	"WEIR-NAMES-MOVED", "what the statement names was renamed while it waited", NULL,
	"send it again: it is judged by what its names mean now", "55006"};

enum step
session_lookup_check(struct session *s, struct reply *head, const struct pg_frame *f)
{
	struct command *c = head->command;
	bool ends = f->type == PG_B_COMMAND_COMPLETE;

	if (!c || !c->verdict.names || head->error || s->swallow || session_limit_withholds(c) ||
	    !shows_lookup(head, f) || (c->looked_up && !ends))
		return STEP_FORWARD;
	if (!c->asked && !c->looked_up &&
	    (gate_names_moved(s->env->gate, s->gate, c->seen, own(s)) ||
	     elsewhere(s, head, f, false))) {
		c->asked = gate_catalog_ask(s->env->gate, s->gate);
		s->host->want_catalog(s->host_ctx);
	}
	if (c->asked) {
		enum catalog_state state = gate_catalog_since(s->env->gate, s->gate, c->asked);

		if (state == CATALOG_WAIT)
			return STEP_BLOCK;
		c->asked = 0;
		if (state == CATALOG_FAILED || !still_allowed(s, c) ||
		    elsewhere(s, head, f, true))
			session_withhold(s, c, &moved);
	}
	c->looked_up = !ends; /* the next statement of the message looks up its own */
	return STEP_FORWARD;
}
