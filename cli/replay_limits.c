/* SPDX-License-Identifier: MIT */
#include "cli/replay_limits.h"

#include "base/clock.h"
#include "gate/gate.h"
#include "gate/limits.h"

#include <stdlib.h>

/* A budget of a principal, or of a session, by rule, unit and span, as the gateway has it: what was
 * taken at least, and at most. */
struct meter {
	struct budget *budget, *most;
	uint64_t span;	     /* ns; 0: as long as the session */
	uint64_t unknown_at; /* when something was taken of which nobody knows how much; 0: never */
	bool moved;	     /* what was taken is not what was taken then */
};

/* One amount of a rule that applies to a command. */
struct amount_look {
	const struct image_amount *amount;
	uint16_t rule;
	uint32_t meter; /* and one more; 0: it is of this command alone */
	bool same;	/* the very rule was in force then: what it did is on record */
	bool full;	/* when the command began */
	uint64_t paid;	/* ahead */
	uint64_t took;	/* when it ended, at least */
	uint64_t most;	/* ... and at most */
};

enum { LOOKS_MAX = 64 };

struct limit_look {
	struct amount_look v[LOOKS_MAX];
	size_t n;
	const struct amount_look *refused; /* what is paid ahead was not there */
	uint64_t lacking;
	bool ends_tx;
	bool less, more; /* it may get than it did: masks, drops or the verdict are others */
};

static uint64_t
bit(unsigned lack)
{
	return UINT64_C(1) << lack;
}

/* ---- Meters ---------------------------------------------------------------------------------- */

static struct audit_id
meter_key(const struct recorded *c, const struct image_rule *r, const struct image_amount *a)
{
	uint8_t digest[SHA256_LEN];
	struct buf b = {0};
	struct audit_id id;

	if (a->per == PER_SESSION)
		buf_put(&b, c->brief.session.b, sizeof(c->brief.session.b));
	else
		buf_put_slice(&b, c->brief.principal.subject);
	buf_printf(&b, "|%u|%u|", (unsigned) a->unit, (unsigned) a->per);
	buf_put_slice(&b, r->name);
	sha256(digest, buf_slice(&b));
	memcpy(id.b, digest, sizeof(id.b));
	buf_fini(&b);
	return id;
}

/* Its number and one more: they move as there come more of them. */
static uint32_t
meter_for(struct limits_replay *l, const struct recorded *c, const struct image_rule *r,
	  const struct image_amount *a)
{
	uint64_t *place = idmap_put(&l->places, meter_key(c, r, a));
	uint64_t span = limit_per_info[a->per].seconds * NS_PER_S;

	if (*place)
		return (uint32_t) *place;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->v = realloc(l->v, l->room * sizeof(*l->v));
		assert(l->v != NULL);
	}
	l->v[l->n++] = (struct meter){.budget = budget_new(span ? span : UINT64_MAX / 2),
				      .most = budget_new(span ? span : UINT64_MAX / 2),
				      .span = span,
				      .unknown_at = c->pruned ? c->brief.time : 0};
	*place = l->n;
	return (uint32_t) *place;
}

static struct meter *
meter_of(struct limits_replay *l, const struct amount_look *a)
{
	return a->meter ? &l->v[a->meter - 1] : NULL;
}

/* Something that nobody knows may still count; it does for one slice longer than the span. */
static bool
is_unknown(const struct meter *m, uint64_t now)
{
	return m->unknown_at && (!m->span || now < m->unknown_at + m->span + m->span / 32);
}

/* By what was taken at most, or more. */
static bool
may_exceed(const struct meter *m, uint64_t max, uint64_t n, uint64_t now)
{
	return n > max || is_unknown(m, now) || budget_wait(m->most, max - n + 1, now);
}

static void
take_most(struct meter *m, uint64_t n, uint64_t now)
{
	(void) budget_take(m->most, UINT64_MAX / 4, n, now);
}

static void
is_not_known(struct meter *m, uint64_t now)
{
	m->unknown_at = now > m->unknown_at ? now : m->unknown_at;
	m->moved = true;
}

void
limits_fini(struct limits_replay *l)
{
	for (size_t i = 0; i < l->n; i++) {
		budget_unref(l->v[i].budget);
		budget_unref(l->v[i].most);
	}
	free(l->v);
	idmap_fini(&l->places);
	idmap_fini(&l->pieces);
	*l = (struct limits_replay){0};
}

/* ---- Beginning ------------------------------------------------------------------------------- */

static uint64_t
max_of(const struct image_amount *a)
{
	return a->unit == LIMIT_TIME ? a->n * NS_PER_MS : a->n;
}

/* The very rule was in force then, and applied to the command. By names where there is no more. */
static bool
was_in_force(const struct comparer *x, const struct recorded *c, size_t rule)
{
	const struct image_rule *r = &x->is->image->rules[rule];
	int was = x->was ? image_rule_find(x->was->image, r->name) : -1;

	if (x->was && (was < 0 || x->was->rules[was] != x->is->rules[rule]))
		return false;
	for (size_t i = 0; i < c->n_obligations; i++)
		if (slice_eq(c->obligations[i], r->name))
			return true;
	return x->was == x->is;
}

static void
look_at(struct limits_replay *l, const struct comparer *x, const struct recorded *c, size_t rule,
	struct limit_look *k)
{
	const struct image_rule *r = &x->is->image->rules[rule];

	for (size_t i = 0; i < r->limit.n_amounts; i++) {
		const struct image_amount *a = &r->limit.amounts[i];

		if (k->n == LOOKS_MAX) {
			k->lacking |= bit(RECORDED_RULES);
			return;
		}
		k->v[k->n++] = (struct amount_look){
			.amount = a,
			.rule = (uint16_t) rule,
			.meter = a->per == PER_COMMAND ? 0 : meter_for(l, c, r, a),
			.same = was_in_force(x, c, rule)};
	}
}

/* How many statements a rule counts. What FETCH goes on with was counted when it was opened. */
static uint64_t
commands_of(const struct comparer *x, const struct recorded *c, size_t rule)
{
	struct decision d;

	if (!recorded_does(c, ACTION_SQL_FETCH))
		return 1;
	for (size_t i = 0; i < c->n; i++) {
		if (c->effects[i].v[FACT_ACTION].i != ACTION_SQL_FETCH)
			continue;
		vm_decide(x->is->image, ENTRY_COMMAND, &c->effects[i], &d);
		if (decision_has(&d, rule))
			return 1;
	}
	return 0;
}

/* Masks that are not what they were may compare other columns; where none opens that, none are. */
static bool
lookups_of(const struct comparer *x, const struct recorded *c, uint64_t *n)
{
	const struct image *img = x->is->image;
	bool any = false;

	for (size_t r = 0; r < img->n_rules; r++)
		any = any || (img->rules[r].kind == VM_MASK && img->rules[r].mask.modes.lookup);
	*n = any ? c->lookups : 0;
	return !any || (x->was && x->was->same >> VM_MASK & 1);
}

/* What is paid ahead: all of it or nothing. What is on record as paid was. */
static void
pay(struct limits_replay *l, const struct comparer *x, const struct recorded *c,
    struct limit_look *k, struct amount_look *a)
{
	struct meter *m = meter_of(l, a);
	bool counts = a->amount->unit == LIMIT_COMMANDS, trusted = a->same && !m->moved;
	uint64_t n = counts ? commands_of(x, c, a->rule) : c->lookups;
	uint64_t max = trusted ? UINT64_MAX / 4 : a->amount->n;

	if (!trusted && !counts && !lookups_of(x, c, &n)) {
		k->lacking |= bit(RECORDED_LOOKUPS);
		is_not_known(m, c->brief.time);
		return;
	}
	a->paid = budget_take(m->budget, max, n, c->brief.time);
	if (a->paid < n && !(counts && k->ends_tx))
		k->refused = k->refused ? k->refused : a;
	else if (!trusted && n && may_exceed(m, max, n, c->brief.time))
		k->lacking |= bit(RECORDED_GOT);
	take_most(m, a->paid, c->brief.time);
	/* Of several statements more may match than one. */
	if (counts && c->statements > 1)
		m->unknown_at = c->brief.time;
}

static void
give_back(struct limits_replay *l, const struct recorded *c, struct limit_look *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct meter *m = meter_of(l, &k->v[i]);

		if (!k->v[i].paid)
			continue;
		budget_give_back(m->budget, k->v[i].paid, c->brief.time);
		budget_give_back(m->most, k->v[i].paid, c->brief.time);
	}
}

/* Of a rule that may match: what it counts is not known. */
static void
doubt(struct limits_replay *l, const struct recorded *c, const struct image_rule *r)
{
	for (size_t i = 0; i < r->limit.n_amounts; i++) {
		uint32_t m = r->limit.amounts[i].per == PER_COMMAND
				     ? 0
				     : meter_for(l, c, r, &r->limit.amounts[i]);

		if (m)
			is_not_known(&l->v[m - 1], c->brief.time);
	}
}

void
limits_begin(struct limits_replay *l, const struct comparer *x, struct recorded *c,
	     const struct decision *is, const struct decision *turned)
{
	const struct image *img = x->is->image;
	struct limit_look *k = c->look = ARENA_NEW(c->arena, struct limit_look);

	k->ends_tx = recorded_ends_transaction(c);
	for (size_t r = 0; r < img->n_rules; r++) {
		bool matches = decision_has(is, r);

		if (img->rules[r].kind != VM_LIMIT || img->rules[r].shadow ||
		    (!matches && !decision_has(turned, r)))
			continue;
		if (matches && decision_has(turned, r)) {
			look_at(l, x, c, r, k);
			continue;
		}
		k->lacking |= recorded_missing(c, img);
		doubt(l, c, &img->rules[r]);
	}
	if (c->cut && k->n)
		k->lacking |= bit(RECORDED_EFFECTS);
	for (size_t i = 0; i < k->n; i++) {
		struct amount_look *a = &k->v[i];

		if (a->meter && (a->amount->unit == LIMIT_COMMANDS ||
				 a->amount->unit == LIMIT_LOOKUPS))
			pay(l, x, c, k, a);
		else if (a->meter)
			a->full = budget_wait(meter_of(l, a)->budget, max_of(a->amount),
					      c->brief.time) > 0;
	}
	if (k->refused)
		give_back(l, c, k);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* What a policy's limits do to a command. */
struct outcome {
	const struct amount_look *by; /* NULL: nothing */
	const struct amount_look *or_by; /* ... or this one, if it is not */
	bool begun, recorded;
	bool either; /* ended or not begun */
	bool before; /* another may have ended it before */
	uint64_t at; /* so many rows */
	uint64_t lacking;
	uint64_t beyond; /* ... if it got more than it did then */
};

/* ... and would: at least and at most. Of rows that were dropped nobody knows the bytes. */
static void
would_get(const struct recorded *c, const struct limit_look *k, enum limit_unit unit, enum tri rows,
	  uint64_t *least, uint64_t *most)
{
	uint64_t dropped = k->more && unit != LIMIT_TIME ? c->result->dropped : 0;

	*most = UINT64_MAX;
	if (recorded_got(c, unit, rows, least) && (!dropped || unit == LIMIT_ROWS))
		*most = *least + dropped;
	*least = k->less ? 0 : *least;
}

/* A portal or cursor that is read in pieces is one command, and its pieces are several records. */
static bool
is_piece(const struct limits_replay *l, const struct recorded *c)
{
	return recorded_does(c, ACTION_SQL_FETCH) ||
	       (c->extended && idmap_get(&l->pieces, c->brief.session) != NULL);
}

/* Of what is of one command: whether it is ended. */
static enum tri
ends_command(const struct limits_replay *l, const struct comparer *x, const struct recorded *c,
	     const struct limit_look *k, const struct amount_look *a, enum tri rows,
	     struct outcome *out)
{
	const struct recorded_result *r = c->result;
	enum limit_unit unit = a->amount->unit;
	uint64_t n, most, max = max_of(a->amount);
	bool known;

	if (unit == LIMIT_LOOKUPS) {
		known = lookups_of(x, c, &n);
		out->lacking |= known ? 0 : bit(RECORDED_LOOKUPS);
		return !known ? TRI_UNKNOWN : n > max ? TRI_TRUE : TRI_FALSE;
	}
	would_get(c, k, unit, rows, &n, &most);
	out->at = unit == LIMIT_ROWS ? max : 0;
	/* One more at least was withheld. */
	if (unit == LIMIT_ROWS && r->limit_hit && rows == TRI_TRUE && !k->less)
		n += r->withheld;
	if (unit == LIMIT_TIME ? n >= max : n > max)
		return TRI_TRUE;
	if (most > max || is_piece(l, c))
		out->lacking |= bit(most == UINT64_MAX && unit == LIMIT_BYTES ? RECORDED_BYTES
									     : RECORDED_GOT);
	else if (r->limit_hit)
		out->beyond |= bit(RECORDED_GOT);
	return TRI_FALSE;
}

/* The row that does not fit leaves what is left of bytes as it is: that is less than the row has,
 * which is at most what the others do not need. */
static void
leave_gap(struct meter *m, const struct recorded *c, struct amount_look *a, uint64_t n)
{
	enum { ROW_MIN = 7 };
	uint64_t others = c->result->rows > 1 ? ROW_MIN * (c->result->rows - 1) : 0;
	uint64_t gap = n > others ? n - others : n;

	if (a->amount->unit != LIMIT_BYTES)
		return;
	gap = gap < a->took ? gap : a->took;
	budget_give_back(m->budget, gap, c->result->time);
	a->took -= gap;
}

/* Takes what the command got: whether it is ended, or not begun, because nothing was left. */
static enum tri
draw(struct limits_replay *l, const struct recorded *c, const struct limit_look *k,
     struct amount_look *a, enum tri rows, struct outcome *out)
{
	struct meter *m = meter_of(l, a);
	enum limit_unit unit = a->amount->unit;
	uint64_t n, max = max_of(a->amount), now = c->result->time;
	bool may;

	would_get(c, k, unit, rows, &n, &a->most);
	if (a->same && !m->moved) {
		(void) budget_take(m->budget, UINT64_MAX / 4, n, now);
		take_most(m, n, now);
		m->unknown_at = a->most == n ? m->unknown_at : now;
		return TRI_FALSE;
	}
	out->at = 0;
	if (a->full) {
		a->most = 0;
		out->lacking |= rows == TRI_UNKNOWN && unit != LIMIT_TIME ? bit(RECORDED_GOT) : 0;
		return rows == TRI_UNKNOWN && unit != LIMIT_TIME ? TRI_UNKNOWN : TRI_TRUE;
	}
	may = may_exceed(m, max, a->most ? a->most : 1, now);
	out->either = may_exceed(m, max, 1, now);
	a->took = budget_take(m->budget, max, n, now);
	if (a->most == UINT64_MAX) {
		out->lacking |= bit(unit == LIMIT_BYTES ? RECORDED_BYTES : RECORDED_GOT);
		is_not_known(m, now);
		a->most = n;
	}
	take_most(m, a->most, now);
	out->at = unit == LIMIT_ROWS ? a->took : 0;
	if (a->took < n) {
		leave_gap(m, c, a, n);
		return TRI_TRUE;
	}
	if (may)
		out->lacking |= out->lacking ? 0 : bit(RECORDED_GOT);
	else if (c->result->limit_hit)
		out->beyond |= bit(RECORDED_GOT);
	return TRI_FALSE;
}

static bool
is_drawn(const struct limit_look *k, const struct amount_look *a, enum tri rows)
{
	switch (a->amount->unit) {
	case LIMIT_TIME:
		return !k->ends_tx;
	case LIMIT_ROWS:
	case LIMIT_BYTES:
		return rows != TRI_FALSE;
	default:
		return false; /* paid ahead */
	}
}

static bool
is_trusted(const struct limits_replay *l, const struct amount_look *a)
{
	return a->same && !(a->meter && l->v[a->meter - 1].moved);
}

/* What a rule of then ended that is the same now is ended by it now. */
static bool
is_recorded(const struct limits_replay *l, const struct comparer *x, const struct recorded *c,
	    const struct amount_look *a)
{
	return is_trusted(l, a) && c->result->limit_hit &&
	       slice_eq(c->result->limit, x->is->image->rules[a->rule].name);
}

/* Which of those that end it does so first: one for which it does not begin; else by rows. Where
 * one bounds something else it may be either. What a limit ends within what was got, it does before
 * what is on record came. */
static void
choose(const struct amount_look *a, bool recorded, bool ends, uint64_t rows, struct outcome *found,
       struct outcome *out)
{
	bool not_begun = ends && a->full, either;

	found->at = ends ? found->at : rows;
	if (!(recorded || ends) || (out->by && !out->begun))
		return;
	either = out->by && !not_begun && !out->recorded && ends &&
		 (a->amount->unit != LIMIT_ROWS || out->by->amount->unit != LIMIT_ROWS);
	out->or_by = not_begun ? NULL : either ? a : out->or_by;
	if (either || (!not_begun && out->by && out->at <= found->at))
		return;
	out->by = a;
	out->at = found->at;
	out->recorded = recorded && !ends;
	out->begun = !not_begun;
	out->either = found->either && ends && !not_begun;
}

/* It takes no more than it gets until it is ended. */
static void
take_back(struct limits_replay *l, const struct recorded *c, struct limit_look *k,
	  const struct outcome *o)
{
	for (size_t i = 0; i < k->n; i++) {
		struct amount_look *a = &k->v[i];
		struct meter *m = meter_of(l, a);
		uint64_t back = a->took;
		bool exact = o->by->amount->unit == LIMIT_ROWS && a->amount->unit == LIMIT_ROWS;

		if (!m)
			continue;
		m->moved = true;
		if (o->begun && !o->or_by && !o->before && (a == o->by || exact))
			back = a != o->by && back > o->at ? back - o->at : 0;
		back += o->begun ? 0 : a->paid;
		budget_give_back(m->budget, back, c->result->time);
		if (!o->begun)
			budget_give_back(m->most, a->most + a->paid, c->result->time);
	}
}

static void
decide_end(struct limits_replay *l, const struct comparer *x, const struct recorded *c,
	   struct limit_look *k, struct outcome *out)
{
	enum tri rows = recorded_returns_rows(c), ends;
	struct outcome found = {.lacking = out->lacking};

	for (size_t i = 0; i < k->n; i++) {
		struct amount_look *a = &k->v[i];
		bool recorded = is_recorded(l, x, c, a), trusted = is_trusted(l, a);

		ends = TRI_FALSE;
		found.either = false;
		if (a->meter && is_drawn(k, a, rows))
			ends = draw(l, c, k, a, rows, &found);
		else if (a->meter && !trusted && is_drawn(k, a, TRI_UNKNOWN) &&
			 recorded_does(c, ACTION_SQL_SELECT) &&
			 may_exceed(meter_of(l, a), max_of(a->amount), 1, c->brief.time))
			found.lacking |= bit(RECORDED_GOT); /* PREPARE needs a row to be left */
		else if (!a->meter && !trusted)
			ends = ends_command(l, x, c, k, a, rows, &found);
		/* Cut short by another, it may have come to this one. */
		if (trusted && c->result->limit_hit && !recorded)
			found.beyond |= bit(RECORDED_GOT);
		choose(a, recorded, ends == TRI_TRUE, c->result->rows, &found, out);
	}
	/* What ends it before it did then, does so in any case. */
	out->lacking = !out->by ? found.lacking | found.beyond : out->recorded ? found.lacking : 0;
	out->before = out->by && !out->recorded && out->begun && found.lacking;
	if (out->by && !out->recorded)
		take_back(l, c, k, out);
	for (size_t i = 0; !out->by && c->result->limit_hit && i < k->n; i++)
		if (k->v[i].meter)
			is_not_known(meter_of(l, &k->v[i]), c->result->time);
}

/* It may have been paid: at most. */
static void
doubt_paid(struct limits_replay *l, const struct recorded *c, struct limit_look *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct amount_look *a = &k->v[i];

		if (!a->paid)
			continue;
		budget_give_back(meter_of(l, a)->budget, a->paid, c->brief.time);
		meter_of(l, a)->moved = true;
		a->paid = 0;
	}
}

/* What other masks, drops or another verdict make of it. What masks refuse takes nothing. */
static void
doubt_result(struct limits_replay *l, const struct recorded *c, struct limit_look *k,
	     const struct comparison *out)
{
	bool copies = recorded_does(c, ACTION_SQL_COPY_OUT);

	for (size_t i = 0; i < out->n; i++) {
		const struct change *d = &out->v[i];

		if (d->kind == CHANGE_MASKED)
			k->less = k->less || ((!d->of_values || copies) && change_may_refuse(d));
		if (d->kind == CHANGE_DROPPED) {
			k->less = k->less || strcmp(d->is, "all") != 0;
			k->more = k->more || strcmp(d->was, "all") != 0;
		}
	}
	if (out->more || out->lacking & ~bit(RECORDED_ROWS))
		k->less = k->more = true;
	for (size_t i = 0; (k->less || k->more) && i < k->n; i++)
		k->v[i].same = false;
	if (k->less)
		doubt_paid(l, c, k);
}

/* ---- What differs ---------------------------------------------------------------------------- */

static const char *
rule_of(const struct comparer *x, const struct amount_look *a, struct arena *arena)
{
	return arena_str(arena, x->is->image->rules[a->rule].name);
}

/* "ended by few after 500 rows", "not begun: used up by daily" */
static const char *
outcome_text(const struct comparer *x, const struct outcome *o, struct arena *a)
{
	const struct image_amount *amount;
	const char *rule, *unit;

	if (!o->by && o->lacking)
		return "not by it";
	if (!o->by)
		return "not limited";
	amount = o->by->amount;
	unit = amount->unit == LIMIT_TIME ? "ms" : limit_unit_info[amount->unit].name;
	rule = rule_of(x, o->by, a);
	if (!o->begun)
		return arena_printf(a, "not begun: used up by %s", rule);
	rule = arena_printf(a, o->either ? "ended or not begun: used up by %s" : "ended by %s",
			    rule);
	if (amount->per == PER_COMMAND)
		rule = arena_printf(a, "%s after %llu %s", rule, (unsigned long long) amount->n,
				    unit);
	if (o->or_by)
		rule = arena_printf(a, "%s, or by %s", rule, rule_of(x, o->or_by, a));
	return o->before ? arena_printf(a, "%s, if not before", rule) : rule;
}

/* The rule that ended it then has the same amount now. */
static bool
ends_alike(const struct comparer *x, const struct recorded *c, const struct outcome *o)
{
	const struct image_rule *r = &x->is->image->rules[o->by->rule], *was;
	int i = x->was ? image_rule_find(x->was->image, r->name) : -1;

	if (!slice_eq(c->result->limit, r->name))
		return false;
	was = i >= 0 ? &x->was->image->rules[i] : NULL;
	for (size_t k = 0; was && k < was->limit.n_amounts; k++) {
		const struct image_amount *a = &was->limit.amounts[k];

		if (a->unit == o->by->amount->unit && a->per == o->by->amount->per)
			return a->n == o->by->amount->n;
	}
	return !x->was;
}

/* What ended it then, or kept it from beginning, may do so again. */
static bool
may_again(const struct comparer *x, const struct limit_look *k, const char *rule)
{
	for (size_t i = 0; rule && i < k->n; i++)
		if (slice_is(x->is->image->rules[k->v[i].rule].name, rule))
			return true;
	return k->n == LOOKS_MAX;
}

static void
tell(const struct comparer *x, const struct recorded *c, const struct outcome *o,
     struct comparison *out)
{
	struct arena *a = out->arena;
	const char *was = "not limited", *rule = NULL;

	if (recorded_is_ended(c)) {
		rule = arena_str(a, c->result->limit);
		was = arena_printf(a, "ended by %s after %llu rows", rule,
				   (unsigned long long) c->result->rows);
	} else if (limits_is_code(c->by_gateway)) {
		rule = c->brief.n_rules ? arena_str(a, c->brief.rules[0]) : NULL;
		was = arena_printf(a, "not begun: used up by %s", rule ? rule : "a limit");
	}
	out->lacking |= o->lacking;
	if (o->lacking && (!rule || may_again(x, c->look, rule)))
		return;
	if (rule && o->by && (o->either || o->or_by || o->before) &&
	    slice_is(x->is->image->rules[o->by->rule].name, rule)) {
		out->lacking |= bit(RECORDED_GOT);
		return;
	}
	if (rule && o->by && (limits_is_code(c->by_gateway) ? !o->begun
							     : o->begun && ends_alike(x, c, o)))
		return;
	if (rule || o->by)
		change_add(out, (struct change){.kind = CHANGE_LIMITED, .was = was,
						.is = outcome_text(x, o, a), .rule_was = rule,
						.rule_is = o->by ? rule_of(x, o->by, a) : NULL});
}

void
limits_end(struct limits_replay *l, const struct comparer *x, const struct recorded *c,
	   bool otherwise, struct comparison *out)
{
	struct limit_look *k = c->look;
	struct outcome o = {.begun = true, .lacking = k->lacking};

	k->less = k->more = otherwise;
	if (!k->refused && out)
		doubt_result(l, c, k, out);
	if (k->refused) {
		o = (struct outcome){.by = k->refused, .begun = false};
		for (size_t i = 0; i < k->n; i++)
			if (k->v[i].meter)
				l->v[k->v[i].meter - 1].moved = true;
	} else if (c->result) {
		decide_end(l, x, c, k, &o);
		if (c->extended && !c->result->tag.n && c->result->rows)
			*idmap_put(&l->pieces, c->brief.session) = 1;
	}
	/* What became of it nobody says; of what was held, nobody has released it. */
	for (size_t i = 0; !k->refused && !c->result && i < k->n; i++) {
		if (c->verdict == VERDICT_HOLD && !otherwise)
			continue;
		o.lacking |= k->v[i].same ? 0 : bit(RECORDED_GOT);
		if (k->v[i].meter)
			l->v[k->v[i].meter - 1].unknown_at = c->brief.time;
	}
	if (out && !otherwise)
		tell(x, c, &o, out);
}

/* Nothing is left for it: TRI_UNKNOWN where it is not known whether it wants any. */
static enum tri
refuses(const struct limits_replay *l, const struct comparer *x, const struct recorded *c,
	const struct limit_look *k, const struct amount_look *a)
{
	bool same_name = c->brief.n_rules && slice_eq(c->brief.rules[0],
						      x->is->image->rules[a->rule].name);

	if (is_trusted(l, a))
		return same_name ? TRI_TRUE : TRI_FALSE;
	if (!a->full)
		return is_drawn(k, a, TRI_UNKNOWN) && a->meter &&
				       may_exceed(&l->v[a->meter - 1], max_of(a->amount), 1,
						  c->brief.time)
			       ? TRI_UNKNOWN
			       : TRI_FALSE;
	if (a->amount->unit == LIMIT_TIME)
		return k->ends_tx ? TRI_FALSE : TRI_TRUE;
	return same_name ? TRI_TRUE : TRI_UNKNOWN;
}

void
limits_refused(struct limits_replay *l, const struct comparer *x, struct recorded *c,
	       const struct decision *is, const struct decision *turned, struct comparison *out)
{
	struct outcome o = {0};
	struct limit_look *k;

	limits_begin(l, x, c, is, turned);
	k = c->look;
	o.by = k->refused;
	o.lacking = k->lacking;
	for (size_t i = 0; !o.by && i < k->n; i++) {
		enum tri r = refuses(l, x, c, k, &k->v[i]);

		/* What it would have got may be too much for this one. */
		o.by = r == TRI_TRUE ? &k->v[i] : NULL;
		o.lacking |= r == TRI_UNKNOWN || is_drawn(k, &k->v[i], TRI_UNKNOWN)
				     ? bit(RECORDED_GOT)
				     : 0;
	}
	/* A spent cursor, or too many lookups, whose number is not on record. */
	if (!slice_is(c->by_gateway, "WEIR-LIMIT-BUDGET") &&
	    !slice_is(c->by_gateway, "WEIR-LIMIT-SESSION"))
		o.lacking |= bit(RECORDED_GOT);
	if (o.by) {
		o.lacking = 0;
		if (!k->refused)
			give_back(l, c, k);
	}
	if (!o.by && compare_refused(x, c))
		doubt_paid(l, c, k);
	/* What it would have got nobody knows. */
	for (size_t i = 0; !o.by && i < k->n; i++)
		if (k->v[i].meter)
			is_not_known(meter_of(l, &k->v[i]), c->brief.time);
	tell(x, c, &o, out);
}

void
limits_other(struct limits_replay *l, const struct comparer *x, const struct recorded *c,
	     const struct decision *is, bool unknown)
{
	const struct image *img = x->is->image;

	for (size_t r = 0; r < img->n_rules; r++) {
		const struct image_rule *rule = &img->rules[r];
		bool applied = false;

		for (size_t i = 0; rule->kind == VM_LIMIT && i < c->n_obligations; i++)
			applied = applied || slice_eq(c->obligations[i], rule->name);
		if (rule->kind != VM_LIMIT || rule->shadow || !(applied || decision_has(is, r)))
			continue;
		for (size_t i = 0; i < rule->limit.n_amounts; i++) {
			const struct image_amount *a = &rule->limit.amounts[i];
			uint32_t m = a->per == PER_COMMAND ? 0 : meter_for(l, c, rule, a);

			if (!m)
				continue;
			l->v[m - 1].moved = true;
			if (unknown && a->unit == LIMIT_COMMANDS && c->statements == 1)
				take_most(&l->v[m - 1], 1, c->brief.time);
			else if (unknown)
				is_not_known(&l->v[m - 1], c->brief.time);
		}
	}
}
