/* SPDX-License-Identifier: MIT
 *
 * Rules: clauses to one condition, and to what a hold or a mask asks for. Clauses are joined by
 * `and`, what stands inside one by `or`; `unless` is the negation of its clause.
 */
#include "compiler/check_internal.h"

#include "vm/image_format.h"

static size_t
count_refs(const struct ref *names)
{
	size_t n = 0;

	for (; names; names = names->next)
		n++;
	return n;
}

struct cond *
check_who(struct check *c, const struct ref *names)
{
	struct slice *v = ARENA_ARRAY(c->arena, struct slice, count_refs(names));
	size_t n = 0;

	for (const struct ref *r = names; r; r = r->next) {
		int g = check_use_group(c, r->name.s, r->name.at);

		if (g >= 0)
			v[n++] = check_group_at(c, g)->value.v;
	}
	return cond_test(c, OP_SET_ANY, FACT_USER_GROUPS, constant_strings(c->constants, v, n));
}

struct cond *
check_on(struct check *c, const struct ref *names)
{
	struct cond *any = cond_list(c, COND_OR);

	for (const struct ref *r = names; r; r = r->next) {
		int t = check_use_target(c, r->name.s, r->name.at), protocol;
		struct cond *both;

		if (t < 0)
			continue;
		protocol = enum_find(TYPE_ENUM_PROTOCOL,
				     slice_str(check_target_at(c, t)->protocol.s));
		if (protocol < 0)
			continue; /* reported at the declaration */
		both = cond_list(c, COND_AND);
		cond_add(both, cond_test(c, OP_ENUM_IN, FACT_TARGET_PROTOCOL,
					 constant_values(c->constants, TYPE_ENUM_PROTOCOL,
							 UINT32_C(1) << protocol)));
		cond_add(both, cond_test(c, OP_STR_GLOB, FACT_TARGET_NAME,
					 constant_string(c->constants,
							 check_target_at(c, t)->glob.v)));
		cond_add(any, both);
	}
	return any;
}

struct cond *
check_do(struct check *c, const struct ref *names, struct action_set *set)
{
	struct cond *x;

	for (const struct ref *r = names; r; r = r->next)
		(void) check_use_action(c, r->name.s, r->name.at, set);
	c->reads.action = true;
	x = cond_test(c, OP_ACTION_IN, FACT_ACTION, constant_actions(c->constants, set));
	x->value = action_set_has(set, ACTION_CONNECT);
	return x;
}

static struct cond *
check_unless(struct check *c, const struct clause *cl)
{
	struct action_set set = {0};

	switch (cl->unless) {
	case CLAUSE_WHO:
		return check_who(c, cl->names);
	case CLAUSE_ON:
		return check_on(c, cl->names);
	case CLAUSE_DO:
		return check_do(c, cl->names, &set);
	default:
		return check_cond(c, cl->expr);
	}
}

/* Whole seconds of a duration, from 1 s to a year. */
static uint32_t
seconds(struct check *c, const struct expr *e, const char *what)
{
	if (!e || e->kind != X_DURATION)
		return 0;
	if (e->number < 1000 || e->number / 1000 > IMAGE_MAX_SECONDS) {
		diag(c->q, OUT_OF_RANGE, e->at, what, "1s", "366d");
		return 0;
	}
	return (uint32_t) (e->number / 1000);
}

static void
check_for(struct check *c, const struct clause *cl, struct image_hold *h)
{
	struct image_need *needs;
	size_t n = 0;

	for (const struct quorum *q = cl->quorum; q; q = q->next)
		n++;
	needs = ARENA_ARRAY(c->arena, struct image_need, n);
	n = 0;
	for (const struct quorum *q = cl->quorum; q; q = q->next) {
		int g = check_use_group(c, q->group.s, q->group.at);

		if (g < 0 || q->n < 1 || q->n > IMAGE_MAX_APPROVERS)
			continue; /* of numbers the parser has told */
		for (size_t i = 0; i < n; i++)
			if (needs[i].group == g)
				diag(c->q, SAME_APPROVERS, q->at, q->group.s);
		if (n == IMAGE_MAX_NEEDS) {
			diag(c->q, OUT_OF_RANGE, q->at, "the number of groups", "1", "16");
			break;
		}
		needs[n++] = (struct image_need){(uint16_t) q->n, (uint16_t) g};
	}
	h->needs = needs;
	h->n_needs = n;
	h->not_self = cl->not_self;
}

static void
check_hold(struct check *c, const struct rule *r, struct checked_rule *out)
{
	struct image_hold *h = &out->hold;
	bool has_for = false, has_within = false;

	for (const struct clause *cl = r->clauses; cl; cl = cl->next) {
		switch (cl->kind) {
		case CLAUSE_FOR:
			has_for = true;
			check_for(c, cl, h);
			break;
		case CLAUSE_WITHIN:
			has_within = true;
			h->within_s = seconds(c, cl->value, "the time to decide");
			break;
		case CLAUSE_EXPIRES:
			h->expires_s = seconds(c, cl->value, "the time to expire");
			break;
		case CLAUSE_ONCE:
			h->once = true;
			break;
		case CLAUSE_REASON:
			h->reason = true;
			break;
		case CLAUSE_TICKET:
			h->ticket = true;
			break;
		default:
			break;
		}
	}
	if (!has_for)
		diag(c->q, NO_APPROVER, r->name.at, r->name.s);
	if (!has_within)
		diag(c->q, NO_WITHIN, r->name.at, r->name.s);
	if (has_for && !h->not_self) {
		struct diag *d = diag(c->q, SELF_APPROVAL, r->name.at, r->name.s);

		diag_note(c->q, d, SPAN_NONE, "say `for ... not self` unless that is meant");
		edits_offer_not_self(c->q, d, r);
	}
}

static void
unknown_mask(struct check *c, const struct kernel *k)
{
	const char *names[MASK_COUNT];
	size_t n = 0;

	for (int i = 0; i < MASK_COUNT; i++)
		if (i != MASK_CLEAR)
			names[n++] = mask_info[i].name;
	check_suggest(c, diag(c->q, UNKNOWN_MASK, k->name.at, k->name.s), k->name.s, names, n);
}

/* The one number that a mask takes: characters that stay, or how wide it rounds. */
static void
check_number(struct check *c, const struct kernel *k, enum mask id, struct image_mask *m)
{
	const struct expr *arg = k->args;
	bool width = mask_info[id].arg == MASK_ARG_WIDTH;
	int64_t min = width ? MASK_WIDTH_MIN : 1, max = width ? MASK_WIDTH_MAX : MASK_COUNT_MAX;

	if (!arg || arg->next || arg->kind != X_INT)
		diag(c->q, BAD_ARGUMENTS, k->at,
		     arena_printf(c->arena, "%s takes one number: %s(%s)", mask_info[id].name,
				  mask_info[id].name, width ? "1000" : "4"));
	else if (arg->number < min || arg->number > max)
		diag(c->q, OUT_OF_RANGE, arg->at,
		     width ? "the width to round to" : "the number of characters shown",
		     width ? "2" : "1", width ? "1000000000" : "64");
	else
		m->count = (uint32_t) arg->number;
}

static void
check_kernel(struct check *c, const struct kernel *k, struct image_mask *m)
{
	int id = mask_find(slice_str(k->name.s));
	const struct expr *arg = k->args;

	m->modes = check_modes(c, k);
	if (id < 0 || id == MASK_CLEAR) {
		unknown_mask(c, k);
		return;
	}
	m->kernel = (enum mask) id;
	switch (mask_info[id].arg) {
	case MASK_ARG_NONE:
		if (arg)
			diag(c->q, BAD_ARGUMENTS, k->at,
			     arena_printf(c->arena, "%s takes nothing", mask_info[id].name));
		break;
	case MASK_ARG_TEXT:
		if (!arg || arg->next || arg->kind != X_STRING)
			diag(c->q, BAD_ARGUMENTS, k->at,
			     arena_printf(c->arena, "%s takes one string: %s(\"...\")",
					  mask_info[id].name, mask_info[id].name));
		else
			m->text = arg->string;
		break;
	case MASK_ARG_COUNT:
	case MASK_ARG_WIDTH:
		check_number(c, k, m->kernel, m);
		break;
	}
}

/* The data of a mask or drop rule, and how a mask shows it. */
static void
check_mask(struct check *c, const struct rule *r, struct checked_rule *out)
{
	const struct ref own = {.name = r->name};
	const struct ref *classes = &own;
	uint16_t *data;
	size_t n = 0;

	for (const struct clause *cl = r->clauses; cl; cl = cl->next) {
		if (cl->kind == CLAUSE_OF)
			classes = cl->names;
		if (cl->kind == CLAUSE_WITH && cl->kernel)
			check_kernel(c, cl->kernel, &out->mask);
		else if (cl->kind == CLAUSE_WITH && cl->names)
			diag(c->q, BAD_ARGUMENTS, cl->at, "a mask rule names one mask function");
	}
	data = ARENA_ARRAY(c->arena, uint16_t, count_refs(classes));
	for (const struct ref *d = classes; d; d = d->next) {
		int i = check_use_data(c, d->name.s, d->name.at);

		if (i >= 0)
			data[n++] = (uint16_t) i;
	}
	out->mask.data = data;
	out->mask.n_data = n;
	check_rule_data(c, r, out);
	if (c->reads.action || c->reads.phase == PHASE_EFFECT)
		diag(c->q, MASK_PHASE, r->name.at,
		     fact_info[c->reads.action ? FACT_ACTION : c->reads.late].name);
}

static void
add_amount(struct check *c, const struct rule *r, const struct amount *a, struct image_limit *l,
	   struct image_amount *out)
{
	static const char *const what[] = {"the number of rows", "the number of bytes", "the time",
					   "the number of lookups", "the number of commands"};
	static const char *const most[] = {"1125899906842624", "1PiB", "24h", "1125899906842624",
					   "1125899906842624"};
	int per = limit_per_find(slice_str(a->per.s ? a->per.s : "command"));
	uint64_t max = a->kind == AMOUNT_TIME ? 24 * 3600 * 1000 : IMAGE_MAX_AMOUNT;

	if (!a->value || a->value->kind == X_ERROR || per < 0)
		return;
	if (a->value->number < 1 || (uint64_t) a->value->number > max) {
		diag(c->q, OUT_OF_RANGE, a->value->at, what[a->kind],
		     a->kind == AMOUNT_TIME ? "1ms" : "1", most[a->kind]);
		return;
	}
	if (a->kind == AMOUNT_COMMANDS && per == PER_COMMAND) {
		diag(c->q, BAD_LIMIT, a->at, r->name.s,
		     "commands are counted per minute, hour, day or session");
		return;
	}
	if (r->shadow &&
	    ((a->kind != AMOUNT_ROWS && a->kind != AMOUNT_TIME) || per != PER_COMMAND)) {
		diag(c->q, SHADOW_LIMIT, a->at, r->name.s);
		return;
	}
	*out = (struct image_amount){(enum limit_unit) a->kind, (enum limit_per) per,
				     (uint64_t) a->value->number};
	for (size_t i = 0; i < l->n_amounts; i++)
		if (l->amounts[i].unit == out->unit && l->amounts[i].per == out->per) {
			diag(c->q, BAD_LIMIT, a->at, r->name.s, "the same is bounded twice");
			return;
		}
	l->n_amounts++;
}

static void
check_limit(struct check *c, const struct rule *r, struct checked_rule *out)
{
	struct image_amount *v = ARENA_ARRAY(c->arena, struct image_amount, IMAGE_MAX_AMOUNTS + 1);

	static_assert((int) AMOUNT_ROWS == (int) LIMIT_ROWS &&
			      (int) AMOUNT_BYTES == (int) LIMIT_BYTES &&
			      (int) AMOUNT_TIME == (int) LIMIT_TIME &&
			      (int) AMOUNT_LOOKUPS == (int) LIMIT_LOOKUPS &&
			      (int) AMOUNT_COMMANDS == (int) LIMIT_COMMANDS,
		      "amounts are units");
	static_assert((int) LIMIT_UNIT_COUNT * LIMIT_PER_COUNT <= IMAGE_MAX_AMOUNTS,
		      "amounts that differ fit");
	out->limit.amounts = v;
	for (const struct clause *cl = r->clauses; cl; cl = cl->next)
		if (cl->kind == CLAUSE_AMOUNT && cl->amount)
			add_amount(c, r, cl->amount, &out->limit, &v[out->limit.n_amounts]);
	if (out->only_connect)
		check_report_never(c, r);
}

void
check_report_never(struct check *c, const struct rule *r)
{
	struct diag *d = diag(c->q, NEVER_MATCHES, r->name.at, rule_kind_name(r->kind), r->name.s);

	edits_offer_removal(c->q, d, c->p, r);
}

static void
report_unparsed(struct check *c, const struct rule *r)
{
	struct diag *d = diag(c->q, ALLOW_UNPARSED, r->name.at, r->name.s);

	for (const struct clause *cl = r->clauses; cl && !d->edits; cl = cl->next)
		if (cl->kind == CLAUSE_DO)
			edits_offer_without(c->q, d, cl->names, "sql.unparsed");
}

/* The clauses that say when the rule applies. */
static void
check_conditions(struct check *c, const struct rule *r, struct checked_rule *out)
{
	struct action_set all = {0}, connect = {0};

	for (const struct clause *cl = r->clauses; cl; cl = cl->next) {
		struct action_set set = {0};

		switch (cl->kind) {
		case CLAUSE_WHO:
			cond_add(out->cond, check_who(c, cl->names));
			break;
		case CLAUSE_ON:
			cond_add(out->cond, check_on(c, cl->names));
			break;
		case CLAUSE_DO:
			cond_add(out->cond, check_do(c, cl->names, &set));
			if (!out->has_do)
				all = set;
			all.w[0] &= set.w[0];
			all.w[1] &= set.w[1];
			out->has_do = true;
			break;
		case CLAUSE_WHEN:
			cond_add(out->cond, check_cond(c, cl->expr));
			break;
		case CLAUSE_UNLESS:
			cond_add(out->cond, cond_not(c, check_unless(c, cl)));
			break;
		case CLAUSE_NOTIFY:
		case CLAUSE_TO:
			out->channel = cl->names->name.s;
			break;
		default:
			break;
		}
	}
	action_set_add(&connect, ACTION_CONNECT);
	out->names_connect = action_set_has(&all, ACTION_CONNECT);
	out->only_connect = memcmp(&all, &connect, sizeof(all)) == 0;
	if (out->kind == VM_ALLOW && action_set_has(&all, ACTION_SQL_UNPARSED))
		report_unparsed(c, r);
	if (out->has_do && !all.w[0] && !all.w[1] && diag_ok(c->q))
		check_report_never(c, r);
}

void
check_rule(struct check *c, const struct rule *r, struct checked_rule *out)
{
	static const enum vm_rule kinds[] = {
		[RULE_ALLOW] = VM_ALLOW, [RULE_DENY] = VM_DENY,
		[RULE_HOLD] = VM_HOLD, [RULE_MASK] = VM_MASK,
		[RULE_LIMIT] = VM_LIMIT, [RULE_DROP] = VM_DROP,
		[RULE_RECORD] = VM_RECORD, [RULE_NOTIFY] = VM_NOTIFY};
	struct cond *guarded;

	c->reads = (struct reads){0};
	out->ast = r;
	out->kind = kinds[r->kind];
	out->cond = cond_list(c, COND_AND);
	check_conditions(c, r, out);
	out->clauses = out->cond;
	if (c->reads.text && !r->shadow && r->kind != RULE_NOTIFY) {
		struct diag *d = diag(c->q, TEXT_DECIDES, r->name.at, rule_kind_name(r->kind));

		diag_note(c->q, d, SPAN_NONE,
			  "text can say the same thing in a thousand ways, and some of them would "
			  "slip past; rules decide by what a statement does: action, table, columns, "
			  "function, sql.where, sql.uses(...)");
	}
	if (out->kind == VM_HOLD)
		check_hold(c, r, out);
	if (out->kind == VM_MASK || out->kind == VM_DROP)
		check_mask(c, r, out);
	else if (c->reads.row)
		diag(c->q, ROW_NOT_HERE, r->name.at, rule_kind_name(r->kind), r->name.s);
	if (out->kind == VM_LIMIT)
		check_limit(c, r, out);
	if (out->kind == VM_RECORD)
		check_record(c, r, out);
	if (out->kind == VM_NOTIFY && out->only_connect)
		check_report_never(c, r);
	out->phase = c->reads.phase;
	out->reads_action = c->reads.action;
	out->reads_row = c->reads.row;
	if (out->names_connect && out->only_connect && out->phase > PHASE_CONNECT)
		diag(c->q, CONNECT_FACT, r->name.at, fact_info[c->reads.late].name);
	if (!c->reads.protocols)
		return;
	/* The guard stands outside of everything, so no `not` can turn it around. */
	guarded = cond_list(c, COND_AND);
	cond_add(guarded, cond_test(c, OP_ENUM_IN, FACT_TARGET_PROTOCOL,
				    constant_values(c->constants, TYPE_ENUM_PROTOCOL,
						    c->reads.protocols)));
	cond_add(guarded, out->cond);
	out->cond = guarded;
}
