/* SPDX-License-Identifier: MIT
 *
 * Notices about a command, for the channels that the policy's rules name. grammar/notices.def says
 * what one holds. Building and queueing one is all that happens here: no command waits for it.
 */
#include "session/session.h"

#include "base/clock.h"

#include <stdio.h>

enum { NOTICE_LIST = 8 }; /* actions and tables named in one notice */

enum field {
#define NOTICE(id, name, sentence) NOTICE_##id,
#include "grammar/notices.def"
#undef NOTICE
	NOTICE_FIELDS
};

static const char *const names[NOTICE_FIELDS] = {
#define NOTICE(id, name, sentence) name,
#include "grammar/notices.def"
#undef NOTICE
};

/* The object so far; members come in the order of the list. */
static void
member(struct buf *b, enum field f)
{
	buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", names[f]);
}

static void
put(struct buf *b, enum field f, struct slice text)
{
	if (!text.n)
		return;
	member(b, f);
	buf_json_string(b, text);
}

static void
put_id(struct buf *b, enum field f, struct audit_id id)
{
	char text[37];

	audit_id_format(id, text);
	put(b, f, slice_str(text));
}

static void
put_actions(struct buf *b, const struct sql_facts *f)
{
	uint8_t seen[ACTION_COUNT] = {0};
	unsigned n = 0;

	member(b, NOTICE_ACTIONS);
	buf_putc(b, '[');
	for (uint32_t i = 0; i < f->n_effects && n < NOTICE_LIST; i++) {
		enum action a = f->effects[i].action;

		if (!seen[a])
			buf_printf(b, "%s\"%s\"", n++ ? "," : "", action_info[a].name);
		seen[a] = 1;
	}
	buf_putc(b, ']');
}

static void
put_tables(struct buf *b, const struct sql_facts *f)
{
	unsigned n = 0;

	member(b, NOTICE_TABLES);
	buf_putc(b, '[');
	for (uint32_t i = 0; i < f->n_effects && n < NOTICE_LIST; i++) {
		const struct sql_effect *e = &f->effects[i];
		char text[2 * 64 + 2];

		/* Names of servers have at most 63 bytes; what is longer is none. */
		if (!e->object.n || e->object.n > 63 || e->schema.n > 63)
			continue;
		snprintf(text, sizeof(text), "%.*s%s%.*s", SLICE_ARG(e->schema),
			 e->schema.n ? "." : "", SLICE_ARG(e->object));
		buf_puts(b, n++ ? "," : "");
		buf_json_string(b, slice_str(text));
	}
	buf_putc(b, ']');
}

/* What a notice is about. */
struct about {
	const struct gate_verdict *verdict;
	const struct sql_facts *facts; /* NULL: it is about connecting */
	struct audit_id record;
	const char *approval; /* NULL: nothing waits */
};

static void
put_effects(struct buf *b, const struct sql_facts *f)
{
	if (f) {
		put_actions(b, f);
		put_tables(b, f);
		return;
	}
	member(b, NOTICE_ACTIONS);
	buf_printf(b, "[\"%s\"]", action_info[ACTION_CONNECT].name);
}

static void
tell(struct session *s, const struct about *a, uint16_t rule)
{
	static const char *const kinds[] = {"human", "service", "agent"};
	const struct epoch *e = gate_epoch(s->env->gate);
	const struct image_rule *r = &e->image->rules[rule];
	uint64_t now = s->host->now_wall(s->host_ctx);
	struct buf *b = &s->env->notice;
	char when[28];

	if (!s->host->notice || e->channels[rule] < 0)
		return;
	clock_format(now, when);
	buf_reset(b);
	buf_putc(b, '{');
	member(b, NOTICE_VERSION);
	buf_putc(b, '1');
	put_id(b, NOTICE_ID, audit_id_new(now));
	put(b, NOTICE_TIME, slice_str(when));
	put(b, NOTICE_EVENT, a->approval ? SLICE_LIT("held")
			     : a->facts	 ? SLICE_LIT("command")
					 : SLICE_LIT("connection"));
	put(b, NOTICE_RULE, r->name);
	put(b, NOTICE_KIND, slice_str(vm_rule_info[r->kind].name));
	put(b, NOTICE_SENTENCE, r->sentence);
	put(b, NOTICE_VERDICT, slice_str(vm_rule_info[a->verdict->verdict].name));
	if (a->verdict->verdict == VERDICT_DENY)
		put(b, NOTICE_REASON, slice_str(a->verdict->refusal.code));
	put(b, NOTICE_PRINCIPAL, gate_user(s->gate));
	put(b, NOTICE_PRINCIPAL_KIND, slice_str(kinds[gate_user_kind(s->gate)]));
	put(b, NOTICE_TARGET, slice_str(gate_target(s->gate)->name));
	put_effects(b, a->facts);
	put(b, NOTICE_APPROVAL, slice_str(a->approval));
	put_id(b, NOTICE_RECORD, a->record);
	put(b, NOTICE_POLICY, e->image->policy);
	buf_putc(b, '}');
	s->host->notice(s->host_ctx, e->channels[rule], buf_slice(b));
}

static struct about
about_command(const struct command *c, const char *approval)
{
	struct about a = {.verdict = &c->verdict, .facts = c->facts, .approval = approval};

	memcpy(a.record.b, c->id, sizeof(a.record.b));
	return a;
}

void
notice_command(struct session *s, const struct command *c)
{
	const struct gate_verdict *v = &c->verdict;
	struct about a = about_command(c, NULL);

	/* Of what is held people are told when there is something to decide. */
	for (uint8_t i = 0; v->verdict != VERDICT_HOLD && !v->by_default && i < v->n_rules; i++)
		tell(s, &a, v->rules[i]);
	for (uint8_t i = 0; i < v->n_notices; i++)
		tell(s, &a, v->notices[i]);
}

void
notice_held(struct session *s, const struct command *c, const char *approval)
{
	struct about a = about_command(c, approval);

	for (uint8_t i = 0; i < c->verdict.n_rules; i++)
		tell(s, &a, c->verdict.rules[i]);
}

void
notice_connect(struct session *s, const struct gate_verdict *v, struct audit_id record,
	       const char *approval)
{
	struct about a = {.verdict = v, .record = record, .approval = approval};

	for (uint8_t i = 0; i < v->n_rules; i++)
		tell(s, &a, v->rules[i]);
}
