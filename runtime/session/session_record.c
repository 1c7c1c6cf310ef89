/* SPDX-License-Identifier: MIT
 *
 * What a session puts into the audit log. The intent of a command carries its decision; the result
 * follows when it ended. Parameters are recorded by length; by value, or by a keyed digest of it,
 * where a record rule asks for that. Rows never are.
 */
#include "session/session.h"

#include "base/clock.h"
#include "base/endian.h"
#include "session/approval_record.h"
#include "sql/secrets.h"

#include <stdlib.h>

enum {
	RECORD_LIST = 16,    /* actions and objects that one record names, ... */
	RECORD_COLUMNS = 64, /* ... and columns of each object */
	RECORD_PARAMETERS = 32,
	RECORD_VALUE_MAX = 1024,   /* bytes of one parameter's value, and ... */
	RECORD_VALUES_MAX = 12288, /* ... of all of them: a longer one has its digest */
};

struct who {
	struct audit_principal principal;
	struct audit_target target;
	struct audit_source source;
	struct audit_server server;
};

static enum audit_enum_value
principal_kind(enum principal_kind k)
{
	switch (k) {
	case PRINCIPAL_HUMAN:
		return AUDIT_principal_kind_HUMAN;
	case PRINCIPAL_SERVICE:
		return AUDIT_principal_kind_SERVICE;
	case PRINCIPAL_AGENT:
		break;
	}
	return AUDIT_principal_kind_AGENT;
}

static void
begin(struct session *s, struct audit_record *r, enum audit_record_type type)
{
	audit_record_init(r, type, s->host->now_wall(s->host_ctx), s->host->now_mono(s->host_ctx));
	if (!audit_id_is_zero(s->id)) {
		r->session = s->id;
		r->sseq = s->sseq + 1;
	}
}

/* And who does what where, by which policy. */
static void
begin_with(struct session *s, struct audit_record *r, enum audit_record_type type, struct who *w)
{
	begin(s, r, type);
	if (!s->gate)
		return;
	w->principal = (struct audit_principal){.kind = principal_kind(gate_user_kind(s->gate)),
						.subject = gate_user(s->gate),
						.assurance = AUDIT_assurance_PROVEN};
	w->target = (struct audit_target){.protocol = AUDIT_protocol_POSTGRES,
					  .name = slice_str(gate_target(s->gate)->name)};
	r->principal = &w->principal;
	r->target = &w->target;
	r->policy = gate_epoch(s->env->gate)->image->digest;
}

/* The sequence number is taken only when the record is: a gap means a lost record. */
static uint64_t
submit(struct session *s, struct audit_record *r)
{
	uint64_t ticket;

	if (!audit_encode(&s->env->record, r))
		return 0;
	ticket = s->host->record(s->host_ctx, buf_slice(&s->env->record));
	if (ticket && !audit_id_is_zero(s->id))
		s->sseq++;
	return ticket;
}

static void
source_of(struct session *s, struct who *w)
{
	bool v4 = memcmp(s->client.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;

	w->source = (struct audit_source){.ip = v4 ? slice_of(s->client.address + 12, 4)
						   : slice_of(s->client.address, 16),
					  .port = s->client.port,
					  .application = s->client_facts.application,
					  .tls_version = s->client_tls ? SLICE_LIT("TLS")
								       : (struct slice){0}};
}

/* Where what runs now runs. NULL: the session has no connection at hand. */
static const struct audit_server *
server_of(const struct session *s, struct who *w)
{
	if (!s->backend)
		return NULL;
	w->server = (struct audit_server){.pid = s->backend->pid,
					  .connection = s->backend->number};
	return &w->server;
}

struct shadow_texts {
	struct slice v[VERDICT_SHADOWS];
	size_t n;
};

/* "freeze: deny": the rule, and what it would have done. What a limit would have done is known when
 * the command has ended. */
static struct audit_texts
shadow_texts(struct session *s, const struct gate_shadows *shadows, struct shadow_texts *out)
{
	const struct image *img = gate_epoch(s->env->gate)->image;

	out->n = 0;
	for (uint8_t i = 0; i < shadows->n; i++)
		if (shadows->would[i] != VM_LIMIT)
			out->v[out->n++] = slice_str(arena_printf(
				&s->env->arena, "%.*s: %s",
				SLICE_ARG(img->rules[shadows->rules[i]].name),
				vm_rule_info[shadows->would[i]].name));
	return (struct audit_texts){out->v, out->n};
}

static enum audit_enum_value
verdict_name(enum verdict v)
{
	return v == VERDICT_ALLOW ? AUDIT_verdict_ALLOW
	       : v == VERDICT_HOLD ? AUDIT_verdict_HOLD
				   : AUDIT_verdict_DENY;
}

bool
record_connect(struct session *s, const struct gate_verdict *v, const char *text,
	       struct audit_id held, struct audit_id *record)
{
	const struct image *img = gate_epoch(s->env->gate)->image;
	bool waited = !audit_id_is_zero(held);
	/* Rules that may allow a command open the door for many reasons: none of them decides. */
	bool decided = !v->by_default && (v->verdict != VERDICT_ALLOW || waited);
	struct slice rules[VERDICT_RULES];
	struct audit_record r;
	struct who w;
	struct shadow_texts texts;
	struct audit_decision d = {.verdict = verdict_name(v->verdict),
				   .rules = {rules, decided ? v->n_rules : 0},
				   .text = slice_str(text),
				   .shadow = shadow_texts(s, &v->shadows, &texts)};
	struct audit_session_start b = {.credential = SLICE_LIT("key"), .decision = &d};

	for (size_t i = 0; i < d.rules.n; i++)
		rules[i] = img->rules[v->rules[i]].name;
	if (v->verdict == VERDICT_DENY)
		d.reason_code = slice_str(v->refusal.code);
	if (v->verdict == VERDICT_ALLOW)
		s->id = audit_id_new(s->host->now_wall(s->host_ctx));
	begin_with(s, &r, AUDIT_session_start, &w);
	gate_user_groups(s->gate, &w.principal.groups.v, &w.principal.groups.n);
	source_of(s, &w);
	r.source = &w.source;
	if (waited)
		r.refs = (struct audit_ids){&held, 1};
	r.body = &b;
	*record = r.id;
	return submit(s, &r) != 0;
}

void
record_session_end(struct session *s)
{
	struct audit_record r;
	struct who w;
	struct audit_session_end b = {
		.cause = slice_str(s->end_cause),
		.commands = s->commands,
		.denied = s->denied,
		.bytes_up = s->bytes_up,
		.bytes_down = s->bytes_down,
		.last_sseq = s->sseq + 1,
		.duration_ns = s->host->now_mono(s->host_ctx) - s->started_mono};

	if (audit_id_is_zero(s->id))
		return;
	begin_with(s, &r, AUDIT_session_end, &w);
	r.body = &b;
	submit(s, &r);
	s->id = (struct audit_id){{0}};
}

void
record_auth_fail(struct session *s, struct slice claimed, const char *cause)
{
	enum { PER_SECOND = 10, CLAIMED_MAX = 128 };
	uint64_t now = s->host->now_mono(s->host_ctx);
	struct session_env *env = s->env;
	struct audit_record r;
	struct who w;
	struct audit_auth_fail b = {.method = SLICE_LIT("SCRAM-SHA-256"),
				    .claimed = claimed,
				    .cause = slice_str(cause),
				    .count = env->auth_unrecorded + 1};

	/* A stranger would fill the disk, after which nobody runs anything; the next record counts
	 * those left out. */
	if (env->auth_recorded && now - env->auth_recorded < NS_PER_S / PER_SECOND) {
		env->auth_unrecorded++;
		return;
	}
	env->auth_recorded = now;
	env->auth_unrecorded = 0;
	if (claimed.n > CLAIMED_MAX)
		b.claimed.n = CLAIMED_MAX;
	begin_with(s, &r, AUDIT_auth_fail, &w);
	source_of(s, &w);
	r.source = &w.source;
	r.body = &b;
	submit(s, &r);
}

/* ---- commands -------------------------------------------------------------------------------- */

struct intent {
	struct slice actions[RECORD_LIST], rules[VERDICT_RULES];
	struct slice obligations[VERDICT_MASKS + VERDICT_LIMITS + VERDICT_RECORDS +
				 VERDICT_NOTICES];
	struct audit_object objects[RECORD_LIST];
	struct audit_parameter parameters[RECORD_PARAMETERS];
	uint8_t hmacs[RECORD_PARAMETERS][SHA256_LEN], all[SHA256_LEN];
	struct shadow_texts shadows;
	size_t n_actions, n_objects, n_parameters, n_obligations;
	bool more; /* `all` is of all parameters: there are more than are listed */
};

static void
add_action(struct intent *in, struct slice name)
{
	size_t i;

	for (i = 0; i < in->n_actions && !slice_eq(in->actions[i], name); i++)
		;
	if (i == in->n_actions && i < RECORD_LIST)
		in->actions[in->n_actions++] = name;
}

static void
add_effect(struct session *s, const struct gate_ask *ask, struct intent *in,
	   const struct sql_effect *e)
{
	struct audit_object o = {
		.function = e->function,
		.setting = e->setting,
		.columns = {e->columns, e->n_columns},
		.mode = slice_str(action_info[e->action].name),
		.where = (e->flags & SQL_EFFECT_WHERE) != 0,
		.where_constant = (e->flags & SQL_EFFECT_WHERE_CONSTANT) != 0,
		/* or more than are named here */
		.all_columns = e->flags & SQL_EFFECT_STAR || e->n_columns > RECORD_COLUMNS};

	add_action(in, o.mode);
	if (o.columns.n > RECORD_COLUMNS)
		o.columns.n = RECORD_COLUMNS;
	if (in->n_objects < RECORD_LIST &&
	    gate_effect_names(s->gate, ask, e, &o.schema, &o.relation))
		in->objects[in->n_objects++] = o;
}

static void
add_call(struct session *s, const struct gate_ask *ask, struct intent *in,
	 const struct sql_call *call)
{
	if (in->n_objects < RECORD_LIST && gate_call_judged(s->gate, ask, call))
		in->objects[in->n_objects++] = (struct audit_object){
			.schema = call->schema,
			.function = call->name,
			.mode = slice_str(action_info[ACTION_SQL_OPAQUE_FUNCTION].name)};
}

/* What EXECUTE or FETCH goes on with: so many effects of other facts. */
static void
add_inner(struct session *s, const struct command *c, struct intent *in,
	  const struct sql_facts *f, uint32_t first, uint32_t n)
{
	struct gate_ask ask = {.facts = f,
			       .schema_moving = c->schema_moving,
			       .path_unknown = c->path_unknown,
			       .redefined = c->verdict.redefined | c->verdict.redefines,
			       .arena = &s->env->arena};

	for (uint32_t i = first; i < first + n; i++)
		add_effect(s, &ask, in, &f->effects[i]);
	ask.redefined = c->verdict.redefined;
	for (uint32_t i = 0; i < f->n_calls && c->verdict.n_effects > in->n_objects; i++)
		add_call(s, &ask, in, &f->calls[i]);
}

/* A cursor that people have released is judged as if it were allowed: what it reads is left out, so
 * that nobody takes the record for all that the policy was asked. */
static void
add_others(struct session *s, const struct command *c, struct intent *in)
{
	static const struct audit_object unknown = {.mode = SLICE_LIT("sql.select"),
						    .all_columns = true};
	const struct sql_facts *f = c->facts;

	for (uint32_t i = 0; i < f->n_stmts && c->verdict.n_effects > in->n_objects; i++) {
		const struct sql_stmt *st = &f->stmts[i];
		const struct object *o;
		struct gate_cursor cursor;

		if (st->flags & SQL_EXECUTES) {
			o = session_find_object(s, OBJECT_STATEMENT, st->name);
			f = o && st->name.n ? ((const struct statement *) o)->facts : NULL;
			if (f)
				add_inner(s, c, in, f, 0, f->n_effects);
			f = c->facts;
		}
		if (st->kind != SQL_KIND_FETCH)
			continue;
		cursor = session_cursor(s, st->name);
		if (cursor.facts && cursor.stmt && !cursor.released)
			add_inner(s, c, in, cursor.facts, cursor.stmt->effects,
				  cursor.stmt->n_effects);
		else if (!cursor.facts && in->n_objects < RECORD_LIST)
			in->objects[in->n_objects++] = unknown;
	}
}

/* What the policy was asked about. Where that was nothing, only what has a name is worth noting. */
static void
add_effects(struct session *s, const struct command *c, struct intent *in)
{
	const struct sql_facts *f = c->facts;
	struct gate_redefined redefined = {c->verdict.redefined, 0};
	struct gate_ask ask = {.facts = f,
			       .schema_moving = c->schema_moving,
			       .path_unknown = c->path_unknown,
			       .redefined = redefined.names | c->verdict.redefines,
			       .parameters = &c->parameters,
			       .arena = &s->env->arena};

	for (uint32_t i = 0; i < f->n_effects; i++)
		if (c->verdict.n_effects || f->effects[i].object.n)
			add_effect(s, &ask, in, &f->effects[i]);
		else
			add_action(in, slice_str(action_info[f->effects[i].action].name));
	for (uint32_t i = 0; i < f->n_calls && c->verdict.n_effects > in->n_objects; i++) {
		gate_redefined_before(f, &redefined, i);
		ask.redefined = redefined.names;
		add_call(s, &ask, in, &f->calls[i]);
	}
	if (sql_runs_other(f))
		add_others(s, c, in);
	/* All of it is vouched for: judged as SELECT 1 is. */
	if (f->n_effects && !in->n_objects && c->verdict.n_effects == 1)
		in->objects[in->n_objects++] = (struct audit_object){
			.mode = slice_str(action_info[ACTION_SQL_SELECT].name)};
}

/* Walks Bind's section: format codes, then values. It was checked when it was read. */
struct parameters {
	const uint8_t *codes, *p, *end;
	uint16_t n_formats, n, next;
};

struct parameter {
	unsigned number; /* from 1 */
	bool null, binary;
	struct slice value;
};

static struct parameters
parameters_of(struct slice section)
{
	struct parameters w = {0};
	size_t formats;

	if (section.n < 4)
		return w;
	w.n_formats = get_be16(section.p);
	formats = (size_t)w.n_formats * 2;
	if (section.n < 4 + formats)
		return w;
	w.codes = section.p + 2;
	w.n = get_be16(w.codes + formats);
	w.p = w.codes + formats + 2;
	w.end = section.p + section.n;
	return w;
}

static bool
parameters_next(struct parameters *w, struct parameter *out)
{
	int32_t len;
	unsigned i = w->next;

	if (i == w->n || w->end - w->p < 4)
		return false;
	len = (int32_t)get_be32(w->p);
	w->p += 4;
	if (len > w->end - w->p)
		return false;
	*out = (struct parameter){
		.number = i + 1u,
		.null = len < 0,
		.binary = w->n_formats && get_be16(w->codes + (w->n_formats == 1 ? 0 : 2 * i)) == 1,
		.value = slice_of(w->p, len < 0 ? 0 : (size_t)len)};
	w->p += out->value.n;
	w->next++;
	return true;
}

static void
add_parameters(struct intent *in, struct slice section)
{
	struct parameters w = parameters_of(section);
	struct parameter p;

	in->more = false;
	while (in->n_parameters < RECORD_PARAMETERS && parameters_next(&w, &p))
		in->parameters[in->n_parameters++] = (struct audit_parameter){
			.len = p.value.n, .is_null = p.null, .binary = p.binary};
}

static void
add_obligations(struct intent *in, const struct image *img, const uint16_t *rules, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		in->obligations[in->n_obligations++] = img->rules[rules[i]].name;
}

/* What a record rule asks for: each value, or a digest from which nobody without the gateway's key
 * learns it. */
static void
add_values(struct intent *in, struct slice section, bool sensitive,
	   const uint8_t record_key[SHA256_LEN])
{
	struct slice key = slice_of(record_key, SHA256_LEN);
	struct parameters w = parameters_of(section);
	struct parameter p;
	size_t taken = 0;

	for (size_t i = 0; i < in->n_parameters && parameters_next(&w, &p); i++) {
		struct audit_parameter *out = &in->parameters[i];

		if (p.null)
			continue;
		if (!sensitive && p.value.n <= RECORD_VALUE_MAX &&
		    taken + p.value.n <= RECORD_VALUES_MAX) {
			out->value = p.value;
			taken += p.value.n;
			continue;
		}
		hmac_sha256(in->hmacs[i], key, p.value);
		out->hmac = in->hmacs[i];
	}
	/* More than are listed. */
	if (parameters_next(&w, &p)) {
		hmac_sha256(in->all, key, section);
		in->more = true;
	}
}

const struct gate_refusal *
record_refuses(const struct command *c, const struct statement_text *t)
{
	static const struct gate_refusal too_long = {
		"WEIR-RECORD-TEXT", "a rule of the policy asks for the whole statement on record, and it "
		"is longer than 32 KiB", NULL,
		"send it in smaller pieces, or pass its values as parameters", "54000"};

	return c->verdict.recorded & RECORDED_BIT(TEXT) && t->text.n > AUDIT_STATEMENT_WHOLE
		       ? &too_long
		       : NULL;
}

/* A portal that is executed again: rules hold it, and it does not wait again. */
static bool
goes_on(const struct image *img, const struct gate_verdict *v)
{
	return v->verdict == VERDICT_ALLOW && !v->by_default && v->n_rules &&
	       img->rules[v->rules[0]].kind == VM_HOLD;
}

bool
record_command(struct session *s, struct command *c, const struct statement_text *t)
{
	const struct image *img = gate_epoch(s->env->gate)->image;
	const struct gate_verdict *v = &c->verdict;
	struct audit_record r;
	struct who w;
	struct intent in;
	struct audit_decision d = {.verdict = verdict_name(v->verdict)};
	struct audit_command b = {
		.statement = sql_without_secrets(t->text, &s->env->arena),
		.kind = t->extended   ? AUDIT_command_kind_EXTENDED
			: t->function ? AUDIT_command_kind_FUNCTION
				      : AUDIT_command_kind_SIMPLE,
		.transaction = s->tx == 'I'   ? AUDIT_transaction_IDLE
			       : s->tx == 'T' ? AUDIT_transaction_OPEN
					      : AUDIT_transaction_FAILED,
		.effects = v->n_effects,
		.statements = c->facts->n_stmts == 1 ? 0 : c->facts->n_stmts,
		.max_parameter = c->facts->max_param,
		.decision = &d};

	in.n_actions = in.n_objects = in.n_parameters = in.n_obligations = 0;
	add_effects(s, c, &in);
	add_parameters(&in, t->params);
	if (v->recorded & RECORDED_BIT(PARAMETERS))
		add_values(&in, t->params, v->sensitive, gate_epoch(s->env->gate)->record_key);
	if (v->recorded & RECORDED_BIT(TEXT) && b.statement.n > AUDIT_STATEMENT_MAX)
		b.len = b.statement.n;
	for (uint8_t i = 0; i < v->n_rules && !v->by_default; i++)
		in.rules[i] = img->rules[v->rules[i]].name;
	d.rules = (struct audit_texts){in.rules, v->by_default ? 0 : v->n_rules};
	add_obligations(&in, img, v->masks, v->n_masks);
	add_obligations(&in, img, v->limits, v->n_limits);
	add_obligations(&in, img, v->records, v->n_records);
	add_obligations(&in, img, v->notices, v->n_notices);
	d.obligations = (struct audit_texts){in.obligations, in.n_obligations};
	d.shadow = shadow_texts(s, &v->shadows, &in.shadows);
	if (v->verdict == VERDICT_DENY) {
		d.reason_code = slice_str(v->refusal.code);
		d.text = slice_str(v->refusal.message);
		s->denied++;
	} else if (goes_on(img, v)) {
		d.reason_code = SLICE_LIT("WEIR-HOLD-RELEASED");
		d.text = SLICE_LIT("it goes on with what people have released");
	}
	b.actions = (struct audit_texts){in.actions, in.n_actions};
	b.objects.v = in.objects;
	b.objects.n = in.n_objects;
	b.parameters.v = in.parameters;
	b.parameters.n = in.n_parameters;
	b.parameters_hmac = in.more ? in.all : NULL;
	if (v->verdict != VERDICT_DENY) {
		b.lookups = v->lookups;
		s->env->counters.lookups += v->lookups;
	}
	if (v->verdict == VERDICT_ALLOW)
		b.server = server_of(s, &w);
	c->epoch = gate_epoch(s->env->gate)->number;
	s->commands++;
	begin_with(s, &r, AUDIT_command, &w);
	r.body = &b;
	memcpy(c->id, r.id.b, sizeof(c->id));
	c->ticket = submit(s, &r);
	c->recorded = c->ticket != 0;
	if (c->recorded)
		notice_command(s, c);
	return c->recorded;
}

/* What a limit let through and what it withheld; more rows may never have been sent. */
static void
limit_result(const struct limit_run *l, struct audit_result *b)
{
	const struct limit_meter *m;

	if (!l || !l->hit)
		return;
	m = l->meter;
	b->limit_hit = true;
	b->rows = l->rows;
	b->withheld = l->withheld;
	if (l->refusal) {
		b->limit = slice_str(l->refusal->code);
		return;
	}
	b->limit = l->epoch->image->rules[m ? m->rule : l->set.bound[l->unit].rule].name;
}

/* What shadow limits would have stopped: "few: 1204 rows, at most 1000". */
static struct audit_texts
shadow_limits(struct session *s, const struct command *c, uint64_t ns, struct shadow_texts *out)
{
	const struct epoch *e = gate_epoch(s->env->gate);
	const struct gate_shadows *shadows = &c->verdict.shadows;

	out->n = 0;
	for (uint8_t i = 0; i < shadows->n && c->epoch == e->number; i++) {
		const struct image_rule *r = &e->image->rules[shadows->rules[i]];

		for (size_t k = 0; shadows->would[i] == VM_LIMIT && k < r->limit.n_amounts; k++) {
			const struct image_amount *a = &r->limit.amounts[k];
			bool time = a->unit == LIMIT_TIME;
			uint64_t got = time ? ns / NS_PER_MS : c->rows;

			if (a->unit != LIMIT_ROWS && !time)
				continue;
			if (got <= a->n || (!time && !session_limit_counts(c->facts)) ||
			    out->n == COUNT_OF(out->v))
				continue;
			out->v[out->n++] = slice_str(arena_printf(
				&s->env->arena, "%.*s: %llu %s, at most %llu", SLICE_ARG(r->name),
				(unsigned long long) got, time ? "ms" : "rows",
				(unsigned long long) a->n));
		}
	}
	return (struct audit_texts){out->v, out->n};
}

static void
masked_cells(struct session *s, const struct command *c,
	     struct audit_masked masked[1 + DETECTOR_COUNT], struct audit_result *b)
{
	const struct epoch *e = gate_epoch(s->env->gate);

	masked[0] = (struct audit_masked){.cells = c->cells_masked};
	/* The intent names all masks in force; a single one is named here as well. */
	if (c->verdict.n_masks == 1 && c->epoch == e->number)
		masked[0].rule = e->image->rules[c->verdict.masks[0]].name;
	b->masked.v = masked;
	b->masked.n = 1;
	for (int i = 0; i < DETECTOR_COUNT; i++)
		if (c->detected[i])
			masked[b->masked.n++] = (struct audit_masked){
				.detector = slice_str(detector_info[i].name),
				.cells = c->detected[i]};
}

void
record_result(struct session *s, struct command *c)
{
	struct shadow_texts shadows;
	struct audit_record r;
	struct who w;
	struct audit_id intent;
	struct audit_masked masked[1 + DETECTOR_COUNT];
	struct audit_result b = {
		.status = !c->failed			      ? AUDIT_status_OK
			  : memcmp(c->sqlstate, "57014", 5) == 0 ? AUDIT_status_CANCELLED
			  : memcmp(c->sqlstate, "25P02", 5) == 0 ? AUDIT_status_NOT_RUN
							      : AUDIT_status_ERROR,
		.code = slice_str(c->sqlstate),
		.tag = slice_str(c->tag),
		.rows = c->rows,
		.bytes_down = c->limit ? c->limit->bytes : 0,
		.dropped = c->dropped,
		.upstream_ns = s->host->now_mono(s->host_ctx) - c->started_mono};

	memcpy(intent.b, c->id, sizeof(intent.b));
	begin(s, &r, AUDIT_result); /* the intent it refers to says who and where */
	r.refs = (struct audit_ids){&intent, 1};
	if (c->cells_masked)
		masked_cells(s, c, masked, &b);
	limit_result(c->limit, &b);
	if (b.status != AUDIT_status_NOT_RUN)
		b.server = server_of(s, &w);
	b.shadow = shadow_limits(s, c, b.upstream_ns, &shadows);
	r.body = &b;
	c->result_ticket = submit(s, &r);
	if (c->verdict.recorded & RECORDED_BIT(STRICT)) {
		s->strict_ticket = c->result_ticket;
		s->strict_lost = !c->result_ticket;
	}
}

bool
record_waits(struct session *s, struct command *c)
{
	if (c && c->recorded && c->verdict.recorded & RECORDED_BIT(STRICT) && !c->result_ticket)
		record_result(s, c);
	if (s->strict_lost) {
		session_fatal(s, "58030", "WEIR-AUDIT",
			      "the command ran, and the audit log does not take its result",
			      "see what it did before you send it again; the gateway's operator must "
			      "look at its log and disk");
		return true;
	}
	if (!s->strict_ticket || s->host->durable(s->host_ctx, s->strict_ticket))
		return false;
	s->host->when_durable(s->host_ctx, s->strict_ticket);
	return true;
}

uint64_t
record_approval_of(struct session *s, const struct audit_id *intent,
		   const struct approval_event *ev)
{
	struct approval_record a;

	approval_record_fill(&a, ev, NULL, s->host->now_mono(s->host_ctx));
	if (!audit_id_is_zero(s->id)) {
		a.record.session = s->id;
		a.record.sseq = s->sseq + 1;
	}
	if (intent)
		a.record.refs = (struct audit_ids){intent, 1};
	return submit(s, &a.record);
}

uint64_t
record_approval(struct session *s, struct command *c, const struct approval_event *ev)
{
	struct audit_id intent;

	if (!c || !c->recorded)
		return record_approval_of(s, NULL, ev);
	memcpy(intent.b, c->id, sizeof(intent.b));
	return record_approval_of(s, &intent, ev);
}

/* What the approver sees: text in quotes, binary in hex, one line each. A value must not be able to
 * close its quotes or begin a line, or it could pretend to be another parameter. */
void
record_render_parameters(struct slice section, struct buf *out)
{
	struct parameters w = parameters_of(section);
	struct parameter p;

	while (parameters_next(&w, &p)) {
		buf_printf(out, "$%u = ", p.number);
		if (p.null) {
			buf_puts(out, "NULL");
		} else if (p.binary) {
			buf_puts(out, "\\x");
			hex_put(out, p.value);
		} else {
			buf_putc(out, '\'');
			for (size_t i = 0; i < p.value.n; i++) {
				uint8_t c = p.value.p[i];

				if (c == '\'' || c == '\\')
					buf_putc(out, c);
				if (c == '\n')
					buf_puts(out, "\\n");
				else
					buf_putc(out, c);
			}
			buf_putc(out, '\'');
		}
		buf_putc(out, '\n');
	}
}
