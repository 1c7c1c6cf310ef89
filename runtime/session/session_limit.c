/* SPDX-License-Identifier: MIT
 *
 * Limits of the policy on what a command gets. Rows are counted by their headers as they pass; the
 * first that is too many, and what follows it, is withheld, and the server is told to cancel. How
 * the command ends is then up to the race between that cancel and the end of the statement:
 *
 *   the server reports an error     the client gets ours in its place; the state of the
 *                                   transaction is the server's own
 *   it had completed, and only read the client gets the error all the same. In a transaction the
 *                                   server is then made to fail as well, by a statement it is sure
 *                                   to refuse, so that both sides' idea of it stays the same
 *   it had completed, and wrote     what took effect is not reported as failed: a WARNING says how
 *                                   many rows were withheld, and the server's own tag follows
 *
 * Until then nothing more of the client goes to the server: a late cancel finds nothing to end.
 */
#include "session/session_budget.h"

#include "base/clock.h"
#include "base/endian.h"

#include <stdlib.h>

enum { CANCEL_AGAIN_S = 5 }; /* a cancel that came to nothing is sent again */

/* ---- which limits apply ---------------------------------------------------------------------- */

static struct limit_run *
run_new(struct session *s)
{
	struct limit_run *l = s->env->free_limits;

	if (l) {
		s->env->free_limits = l->next;
	} else {
		l = malloc(sizeof(*l));
		assert(l != NULL);
		s->env->counters.allocs++;
	}
	memset(l, 0, sizeof(*l));
	l->epoch = epoch_ref(gate_epoch(s->env->gate));
	return l;
}

void
session_limit_free(struct session *s, struct limit_run *l)
{
	if (!l)
		return;
	session_budget_settle(l, s->host->now_mono(s->host_ctx));
	epoch_unref(l->epoch);
	l->next = s->env->free_limits;
	s->env->free_limits = l;
}

static struct portal *
cursor_of(struct session *s, const struct sql_stmt *st)
{
	if (st->kind != SQL_KIND_FETCH || st->flags & SQL_MOVE)
		return NULL;
	return (struct portal *) names_get(&s->portals, st->name);
}

bool
session_limit_counts(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];

		if (st->kind == SQL_KIND_COPY ? !st->copy->from
					      : sql_has_result(f, st) ||
							st->flags & SQL_EXECUTES ||
							st->kind == SQL_KIND_QUERY ||
							st->kind == SQL_KIND_SHOW ||
							st->kind == SQL_KIND_EXPLAIN ||
							st->kind == SQL_KIND_FETCH ||
							st->kind == SQL_KIND_CALL)
			return true;
	}
	return false;
}

const char *
session_limit_describe(struct session *s, const struct limit_run *l)
{
	const struct limit_meter *m = l->meter;
	const struct limit_bound *b = &l->set.bound[l->unit];
	const struct image_rule *r = &l->epoch->image->rules[m ? m->rule : b->rule];
	uint64_t max = m ? m->max : b->max;
	const char *unit = limit_unit_info[l->unit].name;

	if (l->unit == LIMIT_TIME) {
		max /= NS_PER_MS;
		unit = "ms";
	}
	return arena_printf(&s->env->arena, "limit \"%.*s\": at most %llu %s per %s%s%.*s",
			    SLICE_ARG(r->name), (unsigned long long) max, unit,
			    limit_per_info[m ? m->per : PER_COMMAND].name,
			    r->sentence.n ? "; " : "", SLICE_ARG(r->sentence));
}

void
session_limit_refuse(struct session *s, struct command *c, const struct gate_refusal *why,
		     uint16_t rule)
{
	c->verdict.verdict = VERDICT_DENY;
	c->verdict.by_default = false;
	c->verdict.refusal = *why;
	c->verdict.n_rules = 1;
	c->verdict.rules[0] = rule;
	s->env->counters.limited++;
}

/* The cursor that a statement goes on with, if it does. MOVE takes its time as well. */
static struct portal *
resumed(struct session *s, const struct sql_facts *f, uint32_t i)
{
	return i < f->n_stmts && f->stmts[i].kind == SQL_KIND_FETCH
		       ? (struct portal *) names_get(&s->portals, f->stmts[i].name)
		       : NULL;
}

/* What a portal or cursor has taken it has, however it is read. */
static void
refuse_spent(struct session *s, struct command *c, const struct portal *p)
{
	struct limit_run *l = c->limit;
	const struct limit_bound *b = &l->set.bound[LIMIT_TIME];
	uint64_t spent = p ? p->used.time : 0;

	for (uint32_t i = 0; i < c->facts->n_stmts; i++) {
		p = resumed(s, c->facts, i);
		spent = p && p->used.time > spent ? p->used.time : spent;
	}
	if (!spent || spent < b->max)
		return;
	l->meter = NULL;
	l->unit = LIMIT_TIME;
	session_limit_refuse(s, c, &(struct gate_refusal){
		.code = "WEIR-LIMIT-TIME",
		.message = arena_printf(&s->env->arena, "used up: %s", session_limit_describe(s, l)),
		.hint = "the cursor or portal had its time; open another, or ask who writes the policy",
		.sqlstate = "57014"}, b->rule);
}

void
session_limit_begin(struct session *s, struct command *c, const struct portal *p)
{
	const struct epoch *e = gate_epoch(s->env->gate);
	struct limit_run *was = c->limit;

	c->limit = NULL;
	if (c->verdict.verdict != VERDICT_DENY && e->image->has_limits && c->verdict.n_limits) {
		c->limit = run_new(s);
		limits_fold(e, gate_principal(s->gate), c->verdict.limits, c->verdict.n_limits,
			    &s->own_budgets, &c->limit->set);
		session_budget_check(s, c);
		if (c->verdict.verdict != VERDICT_DENY)
			refuse_spent(s, c, p);
		session_budget_pay(s, c, was);
	}
	session_limit_free(s, was);
}

/* ---- counting -------------------------------------------------------------------------------- */

bool
session_limit_withholds(const struct command *c)
{
	return c && c->limit && c->limit->hit && c->limit->unit != LIMIT_TIME;
}

/* The counts that a row goes to: the message's or portal's, and the cursor's that FETCH reads. */
static size_t
counts_of(struct session *s, const struct reply *head, struct limit_used *out[2])
{
	const struct command *c = head->command;
	struct portal *cursor = NULL;
	size_t n = 0;

	out[n++] = head->kind == REPLY_EXECUTE ? &((struct portal *) head->object)->used
					       : &c->limit->used;
	if (c->completed < c->facts->n_stmts)
		cursor = cursor_of(s, &c->facts->stmts[c->completed]);
	if (cursor && &cursor->used != out[0])
		out[n++] = &cursor->used;
	return n;
}

static struct limit_used
room(const struct limit_run *l, struct limit_used *const *counts, size_t n)
{
	struct limit_used left = {.rows = l->set.bound[LIMIT_ROWS].max,
				  .bytes = l->set.bound[LIMIT_BYTES].max};
	struct limit_used most = {0};

	for (size_t i = 0; i < n; i++) {
		most.rows = counts[i]->rows > most.rows ? counts[i]->rows : most.rows;
		most.bytes = counts[i]->bytes > most.bytes ? counts[i]->bytes : most.bytes;
	}
	left.rows = left.rows > most.rows ? left.rows - most.rows : 0;
	left.bytes = left.bytes > most.bytes ? left.bytes - most.bytes : 0;
	return left;
}

static void
charge(struct limit_run *l, struct limit_used *const *counts, size_t n, struct limit_used what)
{
	for (size_t i = 0; i < n; i++) {
		counts[i]->rows += what.rows;
		counts[i]->bytes += what.bytes;
		/* I5 (a reload may have lowered it below what there was already) */
		assert(!what.rows || counts[i]->rows <= l->set.bound[LIMIT_ROWS].max);
	}
	l->rows += what.rows;
	l->bytes += what.bytes;
}

static uint64_t
of_unit(struct limit_used u, enum limit_unit unit)
{
	return unit == LIMIT_ROWS ? u.rows : unit == LIMIT_BYTES ? u.bytes : 0;
}

/* Whole DataRows at the front of p[0..n), at most as much as there is room for. */
static struct limit_used
scan(const uint8_t *p, size_t n, struct limit_used left)
{
	struct limit_used u = {0};

	while (n - u.bytes >= PG_HEADER && p[u.bytes] == PG_B_DATA_ROW && u.rows < left.rows) {
		uint64_t total = (uint64_t) get_be32(p + u.bytes + 1) + 1;

		if (total < PG_HEADER + 2 || total > n - u.bytes || total > left.bytes - u.bytes)
			break;
		u.bytes += total;
		u.rows++;
	}
	return u;
}

/* Takes from every budget what `want` needs, or the part of those rows that fits. */
static struct limit_used
draw(struct limit_run *l, const uint8_t *p, struct limit_used want, uint64_t now)
{
	uint64_t taken[LIMIT_BUDGETS];

	for (size_t i = 0; i < l->set.n_meters; i++) {
		const struct limit_meter *m = &l->set.meters[i];
		struct limit_used left = want;

		taken[i] = budget_take(m->budget, m->max, of_unit(want, m->unit), now);
		if (taken[i] == of_unit(want, m->unit))
			continue;
		if (m->unit == LIMIT_ROWS)
			left.rows = taken[i];
		else
			left.bytes = taken[i];
		want = scan(p, (size_t) want.bytes, left);
	}
	for (size_t i = 0; i < l->set.n_meters; i++) {
		const struct limit_meter *m = &l->set.meters[i];
		uint64_t used = of_unit(want, m->unit);

		if (taken[i] > used)
			budget_give_back(m->budget, taken[i] - used, now);
	}
	return want;
}

size_t
session_limit_rows(struct session *s, const uint8_t *p, size_t n)
{
	struct reply *head = reply_head(s);
	struct limit_run *l = head->command->limit;
	struct limit_used *counts[2], rows;
	size_t n_counts;

	if (session_limit_withholds(head->command))
		return 0;
	n_counts = counts_of(s, head, counts);
	rows = scan(p, n, room(l, counts, n_counts));
	if (l->set.n_meters && rows.rows)
		rows = draw(l, p, rows, s->host->now_mono(s->host_ctx));
	charge(l, counts, n_counts, rows);
	return (size_t) rows.bytes;
}

/* A server that waits for a client's CopyData does not notice a cancel. */
static bool
fail_copy_in(struct session *s)
{
	struct buf *b = &s->env->scratch;
	size_t at;

	if (!s->copy_in || !pg_framer_idle(&s->in[CLIENT].framer))
		return false;
	at = pg_begin(b, PG_F_COPY_FAIL);
	pg_put_string(b, SLICE_LIT("stopped by a limit"));
	pg_end(b, at);
	session_emit(s, SERVER, b);
	return true;
}

static void
end_upstream(struct session *s, struct limit_run *l)
{
	if (!fail_copy_in(s) && !s->cancels)
		session_cancel_upstream(s);
	s->limit_cancels = s->cancels > 0;
	l->deadline = s->host->now_mono(s->host_ctx) + CANCEL_AGAIN_S * NS_PER_S;
}

static void
stop(struct session *s, struct limit_run *l, enum limit_unit unit, const struct limit_meter *m,
     uint64_t want)
{
	bool again = l->hit;

	l->hit = true;
	l->unit = unit;
	l->meter = m;
	l->want = want;
	if (again)
		return;
	s->env->counters.limited++;
	s->limiting = true;
	end_upstream(s, l);
}

void
session_withhold(struct session *s, struct command *c, const struct gate_refusal *why)
{
	if (!c->limit) {
		c->limit = run_new(s);
		limits_fold(gate_epoch(s->env->gate), 0, NULL, 0, &s->own_budgets, &c->limit->set);
	}
	c->limit->refusal = why;
	stop(s, c->limit, LIMIT_ROWS, NULL, 1);
}

/* One message that is not, or not all, there: all of it or nothing. */
static bool
admit(struct session *s, const struct reply *head, struct limit_used row)
{
	struct limit_run *l = head->command->limit;
	uint64_t now = s->host->now_mono(s->host_ctx);
	struct limit_used *counts[2], left;
	size_t n = counts_of(s, head, counts), taken = 0;

	left = room(l, counts, n);
	if (row.rows > left.rows || row.bytes > left.bytes) {
		stop(s, l, row.rows > left.rows ? LIMIT_ROWS : LIMIT_BYTES, NULL, 1);
		return false;
	}
	for (; taken < l->set.n_meters; taken++) {
		const struct limit_meter *m = &l->set.meters[taken];
		uint64_t want = of_unit(row, m->unit);
		uint64_t got = budget_take(m->budget, m->max, want, now);

		if (got == want)
			continue;
		budget_give_back(m->budget, got, now);
		while (taken-- > 0)
			budget_give_back(l->set.meters[taken].budget,
					 of_unit(row, l->set.meters[taken].unit), now);
		stop(s, l, m->unit, m, want);
		return false;
	}
	charge(l, counts, n, row);
	return true;
}

/* A CopyData of the server is one row, but for the header line and the trailer of binary. The
 * header of binary comes with the first row, or with the trailer when there is none. */
static bool
is_row(struct session *s, const struct pg_frame *f)
{
	enum { BINARY_HEADER = 19, BINARY_TRAILER = 2 };

	if (f->type == PG_B_DATA_ROW)
		return true;
	if (s->copy_header) {
		s->copy_header = false;
		return false;
	}
	if (s->copy_binary && f->total == PG_HEADER + BINARY_HEADER + BINARY_TRAILER)
		return false;
	return f->total != PG_HEADER + BINARY_TRAILER || f->body.n < 2 ||
	       get_be16(f->body.p) != 0xffff;
}

bool
session_limit_row(struct session *s, const struct reply *head, const struct pg_frame *f)
{
	struct limit_run *l = head->command ? head->command->limit : NULL;
	struct limit_used row = {0};

	if (!l)
		return true;
	if (!f->first)
		return !s->row_withheld;
	row.rows = is_row(s, f);
	row.bytes = f->total;
	s->row_withheld = session_limit_withholds(head->command) || !admit(s, head, row);
	l->withheld += s->row_withheld ? row.rows : 0;
	return !s->row_withheld;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* What the head goes on with: its portal, and the cursor of its current statement. */
static size_t
timed(struct session *s, const struct reply *head, struct limit_used *out[2])
{
	const struct command *c = head->command;
	struct portal *cursor = resumed(s, c->facts, c->completed);
	size_t n = 0;

	if (head->kind == REPLY_EXECUTE)
		out[n++] = &((struct portal *) head->object)->used;
	if (cursor && (!n || out[0] != &cursor->used))
		out[n++] = &cursor->used;
	return n;
}

void
session_limit_lap(struct session *s, const struct reply *head)
{
	struct limit_run *l = head->command->limit;
	struct limit_used *counts[2];
	size_t n;

	if (!l || !l->lap)
		return;
	n = timed(s, head, counts);
	for (size_t i = 0; i < n; i++)
		counts[i]->time += s->host->now_mono(s->host_ctx) - l->lap;
	l->lap = 0;
}

static void
lap_begins(struct session *s, const struct reply *head, struct limit_run *l, uint64_t now)
{
	struct limit_used *counts[2];
	size_t n = timed(s, head, counts);

	l->lap = now;
	l->spent = 0;
	for (size_t i = 0; i < n; i++)
		l->spent = counts[i]->time > l->spent ? counts[i]->time : l->spent;
}

static void
time_goes_on(struct session *s, const struct reply *head, struct limit_run *l, uint64_t now)
{
	const struct limit_meter *m = NULL;
	uint64_t most = l->set.bound[LIMIT_TIME].max;

	if (!l->lap)
		lap_begins(s, head, l, now);
	if (l->began && (now - l->began >= most || (l->spent && now - l->lap + l->spent >= most)))
		stop(s, l, LIMIT_TIME, NULL, 1);
	else if ((m = session_budget_time(l, now)) != NULL)
		stop(s, l, LIMIT_TIME, m, 1);
}

struct reply *
session_limit_running(struct session *s)
{
	for (uint32_t i = 0; i < s->n_replies; i++) {
		struct reply *r = reply_at(s, i);

		if (r->error)
			return NULL;
		if (r->command)
			return r->command->limit ? r : NULL;
		if (r->kind != REPLY_PARSE && r->kind != REPLY_BIND && r->kind != REPLY_CLOSE &&
		    r->kind != REPLY_DESCRIBE_STATEMENT && r->kind != REPLY_DESCRIBE_PORTAL)
			return NULL;
	}
	return NULL;
}

void
session_limit_follow(struct session *s)
{
	struct reply *r = session_limit_running(s);
	struct limit_run *l = r ? r->command->limit : NULL;

	if (l && (!l->began || !l->lap) && !l->hit)
		time_goes_on(s, r, l, s->host->now_mono(s->host_ctx));
	s->tick_limit = l ? l->deadline : 0;
	session_arm(s);
}

void
session_limit_tick(struct session *s, uint64_t now)
{
	struct reply *r = session_limit_running(s);
	struct limit_run *l = r ? r->command->limit : NULL;

	if (l && l->deadline && now >= l->deadline && !l->hit) {
		time_goes_on(s, r, l, now);
	} else if (l && l->deadline && now >= l->deadline) {
		end_upstream(s, l);
	}
	session_limit_follow(s);
}

/* ---- how it ends ----------------------------------------------------------------------------- */

static const char *
code_of(const struct limit_run *l)
{
	static const char *const codes[] = {[LIMIT_ROWS] = "WEIR-LIMIT-ROWS",
					    [LIMIT_BYTES] = "WEIR-LIMIT-BYTES",
					    [LIMIT_TIME] = "WEIR-LIMIT-TIME",
					    [LIMIT_LOOKUPS] = "WEIR-LIMIT-LOOKUPS"};

	if (l->refusal)
		return l->refusal->code;
	return l->meter ? session_budget_code(l->meter) : codes[l->unit];
}

static const char *
sqlstate_of(const struct limit_run *l)
{
	if (l->refusal)
		return l->refusal->sqlstate;
	return l->meter ? "53400" : l->unit == LIMIT_TIME ? "57014" : "54000";
}

static void
tell(struct session *s, const struct limit_run *l, bool failed)
{
	struct arena *a = &s->env->arena;
	struct pg_error e = {.severity = failed ? "ERROR" : "WARNING",
			     .sqlstate = failed ? sqlstate_of(l) : "01000"};

	arena_reset(a);
	if (l->refusal)
		e.message = slice_str(arena_printf(
			a, failed ? "%s" : "%s; the command itself took effect",
			l->refusal->message));
	else
		e.message = slice_str(arena_printf(
			a, failed ? "stopped by %s"
				  : "rows withheld by %s; the command itself took effect",
			session_limit_describe(s, l)));
	e.detail = slice_str(arena_printf(a, "code %s; %llu rows delivered, %llu withheld", code_of(l),
					  (unsigned long long) l->rows,
					  (unsigned long long) l->withheld));
	e.hint = l->refusal ? slice_str(l->refusal->hint)
		 : l->meter ? slice_str(session_budget_hint(s, l->meter, l->want))
		 : l->unit == LIMIT_TIME
			 ? SLICE_LIT("make the statement cheaper, or ask who writes the policy")
			 : SLICE_LIT("add a LIMIT or a narrower condition, or ask who writes the "
				     "policy");
	session_flush_run(s);
	session_rows_flush(s);
	if (failed)
		pg_put_error(&s->env->scratch, &e);
	else
		pg_put_notice(&s->env->scratch, &e);
	session_emit(s, CLIENT, &s->env->scratch);
}

static void
failed_by(struct command *c)
{
	c->failed = true;
	memcpy(c->sqlstate, sqlstate_of(c->limit), 6);
}

bool
session_limit_error(struct session *s, struct command *c, const struct pg_msg_error *e)
{
	if (!c->limit || !c->limit->hit ||
	    (!session_limit_withholds(c) && !slice_is(e->sqlstate, "57014")))
		return false;
	failed_by(c);
	tell(s, c->limit, true);
	return true;
}

/* Position of the next reply of a kind behind the head; n_replies: none. */
static uint32_t
next_reply(struct session *s, enum reply_kind kind)
{
	uint32_t i = 1;

	while (i < s->n_replies && reply_at(s, i)->kind != kind)
		i++;
	return i;
}

bool
session_limit_may_fail(struct session *s, const struct reply *head)
{
	const struct gate_verdict *v = &head->command->verdict;
	uint32_t sync;

	if (head->kind == REPLY_QUERY)
		return s->n_replies == 1 &&
		       (v->reads_only || (head->command->facts->n_stmts == 1 && s->tx == 'T'));
	sync = next_reply(s, REPLY_SYNC);
	if (next_reply(s, REPLY_EXECUTE) < sync)
		return false;
	/* Before its Sync nothing is committed: the server can still be made to fail. Behind it
	 * what the batch wrote is, but in a transaction block. */
	return sync == s->n_replies ||
	       (sync == s->n_replies - 1 && v->reads_only &&
		(!s->batch_wrote || (s->tx == 'T' && !s->batch_ended)));
}

bool
session_limit_completed(struct session *s, struct reply *head)
{
	struct command *c = head->command;

	if (s->swallow || !session_limit_withholds(c))
		return false;
	if (!session_limit_may_fail(s, head)) {
		tell(s, c->limit, false);
		return false;
	}
	failed_by(c);
	tell(s, c->limit, true);
	return true;
}

void
session_limit_fail(struct session *s, bool execute)
{
	struct reply *r;

	for (uint32_t i = execute ? 0 : 1; i < s->n_replies; i++) {
		if (reply_at(s, i)->kind == REPLY_SYNC)
			break;
		/* I7 */
		assert(reply_at(s, i)->kind != REPLY_EXECUTE);
	}
	s->swallow = SWALLOW_TO_READY;
	if (!execute || (s->n_replies && reply_at(s, s->n_replies - 1)->kind == REPLY_SYNC))
		return;
	r = reply_push(s, REPLY_PARSE);
	if (!r) {
		session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
			      "send a Sync and read the answers more often");
		return;
	}
	s->swallow = SWALLOW_TO_ERROR;
	s->skip_to_sync = true;
	refuse_poison(s, true);
}

static enum step
swallow_ready(struct session *s, struct reply *head, const struct pg_frame *f)
{
	if (s->swallow == SWALLOW_TO_READY && f->body.n == 1 && f->body.p[0] == 'T') {
		/* The client believes that its transaction has failed: now it has. */
		s->swallow = SWALLOW_POISON;
		refuse_poison(s, false);
		return STEP_DONE;
	}
	s->swallow = SWALLOW_NOTHING;
	return session_for_head(s, head, f);
}

enum step
session_limit_swallow(struct session *s, struct reply *head, const struct pg_frame *f)
{
	switch (f->type) {
	case PG_B_READY_FOR_QUERY:
		return swallow_ready(s, head, f);
	case PG_B_ERROR_RESPONSE:
		if (s->swallow == SWALLOW_TO_ERROR)
			s->swallow = SWALLOW_NOTHING;
		if (head->kind != REPLY_QUERY && head->kind != REPLY_SYNC)
			session_drop_to_sync(s);
		return STEP_DONE;
	case PG_B_DATA_ROW:
	case PG_B_COPY_DATA:
	case PG_B_COPY_DONE:
	case PG_B_COPY_OUT_RESPONSE:
		return STEP_DONE;
	default:
		(void) session_for_head(s, head, f);
		return STEP_DONE;
	}
}

bool
session_limit_blocks(const struct session *s)
{
	return s->limiting || s->limit_cancels || s->swallow == SWALLOW_TO_READY ||
	       s->swallow == SWALLOW_POISON;
}
