/* SPDX-License-Identifier: MIT
 *
 * Under `pool transaction` nobody who waits for people keeps a server connection. A batch of the
 * extended protocol is judged at its Execute, when its Parse and Bind are with the server; so where
 * its statement will be held, the batch does not begin: the gateway reads on to the Execute, asks
 * for the approval of exactly that, and sends the first message when it was given. The Execute uses
 * the approval as any other would, after everything was judged again.
 *
 * A client that sends Parse or Bind goes on to an Execute, Sync or Flush, for it gets no answer
 * before. What this does not cover runs as elsewhere and keeps its connection while it waits: a
 * batch inside a transaction, behind an Execute, with a Flush before its Execute, with two portals,
 * or too long to be kept.
 */
#include "session/session.h"

enum { AHEAD_MAX = 32 * 1024 };

struct batch {
	const struct sql_facts *facts;
	struct slice name, portal; /* of the statement, of what it was bound to */
	struct statement_text text;
	bool bound;
};

static bool
take_statement(struct session *s, struct batch *b, struct slice name)
{
	const struct statement *st = (const struct statement *) session_find_object(
		s, OBJECT_STATEMENT, name);

	if (!st || !st->text.n)
		return false;
	*b = (struct batch){.facts = st->facts,
			    .name = name,
			    .text = {.text = st->text, .types = st->types, .extended = true}};
	return true;
}

static bool
take_bind(struct batch *b, const struct pg_frame *f)
{
	const uint8_t *end = f->body.p + f->body.n;
	struct pg_msg_bind m;
	const uint8_t *section;

	if (b->bound || pg_read_bind(f->body, &m) != PG_R_OK || !slice_eq(m.statement, b->name))
		return false;
	section = m.statement.p + m.statement.n + 1;
	b->text.params = slice_of(section, (size_t) (end - section));
	b->portal = m.portal;
	b->bound = true;
	return true;
}

/* False: not the beginning of a batch that can be read ahead. */
static bool
take_first(struct session *s, struct batch *b, const struct pg_frame *f)
{
	struct pg_msg_parse parse;
	struct pg_msg_bind bind;

	if (f->type == PG_F_BIND)
		return pg_read_bind(f->body, &bind) == PG_R_OK &&
		       take_statement(s, b, bind.statement) && take_bind(b, f);
	if (pg_read_parse(f->body, &parse) != PG_R_OK)
		return false;
	*b = (struct batch){.facts = gate_facts(s->env->gate, parse.text),
			    .name = parse.name,
			    .text = {.text = parse.text,
				     .types = slice_of(parse.types,
						       parse.n_types * sizeof(uint32_t)),
				     .extended = true}};
	return true;
}

static bool
is_held(struct session *s, const struct batch *b)
{
	struct gate_parameters parameters;
	struct gate_ask ask = session_ask(s, b->facts, &parameters);
	struct gate_verdict v;

	gate_parameters_read(b->text.types, &parameters);
	ask.text = b->text.text;
	gate_decide(s->env->gate, s->gate, &ask, &v);
	return v.verdict == VERDICT_HOLD;
}

/* Reads on behind the message at hand. STEP_DONE: to the Execute; STEP_BLOCK: it is still to come;
 * STEP_FORWARD: there is none that can wait here. */
static enum step
read_on(struct session *s, struct batch *b, const struct pg_frame *first)
{
	const struct buf *pending = &s->in[CLIENT].pending;
	const uint8_t *p = first->raw.p + first->raw.n, *end = pending->p + pending->n;
	struct pg_msg_execute execute;
	struct pg_framer framer;
	struct pg_frame f;
	enum wire w;

	/* Not kept yet, with all that came with it: it will be seen again. */
	if (!pending->n || first->raw.p < pending->p || p > end)
		return STEP_BLOCK;
	pg_framer_init(&framer, PG_FROM_CLIENT, (uint32_t) s->env->max_message);
	while ((w = pg_frame_next(&framer, p, (size_t) (end - p), &f)) == WIRE_OK) {
		p += f.raw.n;
		if (f.type == PG_F_DESCRIBE || (f.type == PG_F_BIND && take_bind(b, &f)))
			continue;
		return f.type == PG_F_EXECUTE && b->bound &&
				       pg_read_execute(f.body, &execute) == PG_R_OK &&
				       slice_eq(execute.portal, b->portal)
			       ? STEP_DONE
			       : STEP_FORWARD;
	}
	return w == WIRE_MORE && pending->n < AHEAD_MAX ? STEP_BLOCK : STEP_FORWARD;
}

/* The batch waits in front of its first message. */
static enum step
waits(struct session *s)
{
	const struct statement_text any = {.extended = true};

	if (hold_waits(s))
		return STEP_BLOCK;
	return hold_is_released(s) ? STEP_FORWARD : hold_check(s, &any);
}

enum step
session_ahead(struct session *s, const struct pg_frame *f)
{
	struct batch b;
	enum step step;

	if (f->type != PG_F_PARSE && f->type != PG_F_BIND)
		return STEP_FORWARD;
	arena_reset(&s->env->arena);
	if (hold_is_ahead(s))
		return waits(s);
	if (s->hold || s->staged || s->unsynced || !gate_epoch(s->env->gate)->holds ||
	    !take_first(s, &b, f) || !is_held(s, &b))
		return STEP_FORWARD;
	if (s->n_replies)
		return STEP_BLOCK; /* after which there may be a transaction */
	step = s->tx == 'I' ? read_on(s, &b, f) : STEP_FORWARD;
	if (step != STEP_DONE || hold_is_settled(s, b.facts, &b.text))
		return step == STEP_BLOCK ? STEP_BLOCK : STEP_FORWARD;
	step = session_stage(s, b.facts, &b.text);
	hold_mark_ahead(s);
	if (s->staged) /* in this very moment it became otherwise: the Execute will be judged */
		session_abandon(s);
	return step;
}

bool
session_is_ahead(const struct session *s, const struct pg_frame *f)
{
	return hold_is_ahead(s) && !s->skip_to_sync &&
	       (f->type == PG_F_PARSE || f->type == PG_F_BIND || f->type == PG_F_DESCRIBE);
}
