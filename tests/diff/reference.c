/* SPDX-License-Identifier: MIT */
#include "tests/diff/reference.h"

#include "tests/diff/regex_ref.h"

#include <string.h>

/* Kleene's three values, in their order. */
enum { NO = 0, PERHAPS = 1, YES = 2 };
enum { OF_ROW = FACT_COUNT + 1 };

const char *const ref_row_columns[REF_ROW_COLUMNS] = {"a", "b", "c"};
size_t ref_row_order[REF_ROW_COLUMNS];

static int
lower(int a, int b)
{
	return a < b ? a : b;
}

static int
higher(int a, int b)
{
	return a > b ? a : b;
}

static int
truth(bool known, bool value)
{
	return !known ? PERHAPS : value ? YES : NO;
}

/* ---- Matching, once more and naively ---- */

static bool
glob(const uint8_t *p, size_t pn, const uint8_t *t, size_t tn)
{
	if (pn == 0)
		return tn == 0;
	if (*p == '*')
		return glob(p + 1, pn - 1, t, tn) || (tn > 0 && glob(p, pn, t + 1, tn - 1));
	return tn > 0 && *p == *t && glob(p + 1, pn - 1, t + 1, tn - 1);
}

static bool
glob_slice(struct slice p, struct slice t)
{
	return glob(p.p, p.n, t.p, t.n);
}

static int
part(const char *pattern, struct slice name)
{
	if (!pattern || strcmp(pattern, "*") == 0)
		return YES;
	if (name.n == 0)
		return PERHAPS;
	return glob_slice(slice_str(pattern), name) ? YES : NO;
}

static bool
in_network(const struct cidr *c, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *a = addr;

	if (c->family == 4) {
		if (memcmp(addr, mapped, 12) != 0)
			return false;
		a = addr + 12;
	}
	for (unsigned i = 0; i < c->bits; i++)
		if ((c->addr[i / 8] ^ a[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

/* ---- Looking things up by name ---- */

static const struct group_decl *
group_named(const struct policy *p, const char *name)
{
	for (const struct group_decl *g = p->groups; g; g = g->next)
		if (g->name.s == name)
			return g;
	return NULL;
}

static const struct let_decl *
let_named(const struct policy *p, const char *name)
{
	for (const struct let_decl *l = p->lets; l; l = l->next)
		if (l->name.s == name)
			return l;
	return NULL;
}

static int
fact_named(const struct expr *e)
{
	return e->kind == X_NAME ? fact_find(slice_str(e->name)) : -1;
}

static const struct expr *
resolve(const struct policy *p, const struct expr *e)
{
	while (e->kind == X_NAME && fact_named(e) < 0 && let_named(p, e->name))
		e = let_named(p, e->name)->expr;
	return e;
}

/* Is the action below the node or in the ready-made set of that name? */
static bool
action_under(enum action a, const char *name)
{
	for (size_t i = 0; i < n_action_groups; i++) {
		if (strcmp(action_groups[i].name, name) != 0)
			continue;
		for (const uint8_t *m = action_groups[i].members; *m; m++)
			if (action_under(a, action_info[*m].name))
				return true;
		return false;
	}
	for (; a != ACTION_NONE; a = action_info[a].parent)
		if (strcmp(action_info[a].name, name) == 0)
			return true;
	return false;
}

static bool
set_has(const struct value *v, struct slice s)
{
	for (size_t i = 0; i < v->set.n; i++)
		if (slice_eq(v->set.v[i], s))
			return true;
	return false;
}

/* ---- One test of one fact ---- */

static bool
equals(const struct policy *p, enum fact id, const struct value *v, const struct expr *literal)
{
	const struct expr *l = resolve(p, literal);

	switch (fact_info[id].type) {
	case TYPE_BOOL:
		return v->b == (l->number != 0);
	case TYPE_INT:
	case TYPE_TIME:
		return v->i == l->number;
	case TYPE_STRING:
		return slice_eq(v->s, l->string);
	case TYPE_ADDRESS:
		return in_network(&l->address, v->addr);
	case TYPE_ACTION:
		return action_under((enum action) v->i, l->name);
	default:
		return strcmp(enum_name(fact_info[id].type, (int) v->i), l->name) == 0;
	}
}

static bool
compares(const struct policy *p, enum fact id, const struct value *v, enum compare_op op,
	 const struct expr *l)
{
	int64_t n = resolve(p, l)->number;

	switch (op) {
	case CMP_EQ:
		return equals(p, id, v, l);
	case CMP_NE:
		return !equals(p, id, v, l);
	case CMP_LT:
		return v->i < n;
	case CMP_LE:
		return v->i <= n;
	case CMP_GT:
		return v->i > n;
	case CMP_GE:
		return v->i >= n;
	}
	return false;
}

static bool
matches(const struct expr *e, struct slice s)
{
	struct slice w = e->r->string;

	if (e->r->kind == X_REGEX)
		return regex_ref_literal(w, s);
	switch (e->kind) {
	case X_STARTS:
		return s.n >= w.n && memcmp(s.p, w.p, w.n) == 0;
	case X_ENDS:
		return s.n >= w.n && memcmp(s.p + s.n - w.n, w.p, w.n) == 0;
	default:
		return glob_slice(w, s);
	}
}

static int
data_item(const struct data_item *d, const struct data_use *u)
{
	int where = lower(part(d->parts[0], u->schema), part(d->parts[1], u->table));

	/* All columns of a row; but a pattern over tables need not mean a column of this one. */
	if (u->column.n == 0 && u->contexts & CONTEXT_BIT(WHOLE_ROW))
		return !d->parts[1] || strchr(d->parts[1], '*') ? lower(where, PERHAPS) : where;
	return lower(where, part(d->parts[2], u->column));
}

static int
uses(const struct policy *p, const struct expr *call, const struct facts *f)
{
	const struct expr *where = call->l->next;
	const struct data_decl *d = p->data;
	unsigned contexts = 0;
	int result = f->uses_known ? NO : PERHAPS;

	while (d->name.s != call->l->name)
		d = d->next;
	if (!where)
		contexts = ~0u;
	else if (where->kind == X_ALT)
		for (const struct expr *i = where->l; i; i = i->next)
			contexts |= 1u << context_find(slice_str(i->name));
	else
		contexts = 1u << context_find(slice_str(where->name));
	for (size_t i = 0; i < f->n_uses; i++)
		if (f->uses[i].contexts & contexts)
			for (const struct data_item *k = d->items; k; k = k->next)
				result = higher(result, data_item(k, &f->uses[i]));
	return result;
}

static enum compare_op
turned(enum compare_op op)
{
	return op == CMP_LT ? CMP_GT : op == CMP_LE ? CMP_GE : op == CMP_GT ? CMP_LT
	     : op == CMP_GE ? CMP_LE : op;
}

/* Values of a row: the column that an expression names, or NULL. */
static const char *
row_named(const struct expr *e)
{
	return e && e->kind == X_NAME && strncmp(e->name, "row.", 4) == 0 ? e->name + 4 : NULL;
}

static const struct row_value *
row_value(const struct facts *f, const char *column)
{
	for (size_t i = 0; f->row && i < REF_ROW_COLUMNS; i++)
		if (strcmp(ref_row_columns[i], column) == 0)
			return &f->row[ref_row_order[i]];
	return NULL;
}

static int
row_equals(const struct row_value *v, const struct expr *l)
{
	if (!v || !v->known || (l->kind == X_INT && !v->is_int))
		return PERHAPS;
	if (l->kind == X_INT)
		return v->i == l->number ? YES : NO;
	if (l->kind == X_BOOL)
		return slice_is(v->s, l->number ? "t" : "f") ? YES : NO;
	return slice_eq(v->s, l->string) ? YES : NO;
}

static int
row_compares(const struct row_value *v, enum compare_op op, const struct expr *l)
{
	if (op == CMP_EQ)
		return row_equals(v, l);
	if (op == CMP_NE)
		return YES - row_equals(v, l);
	if (!v || !v->is_int)
		return PERHAPS;
	return (op == CMP_LT   ? v->i < l->number
		: op == CMP_LE ? v->i <= l->number
		: op == CMP_GT ? v->i > l->number
			       : v->i >= l->number)
		       ? YES
		       : NO;
}

static int
row_leaf(const struct policy *p, const struct expr *e, const struct facts *f)
{
	const struct expr *l = e->l ? resolve(p, e->l) : NULL;
	const struct expr *r = e->r ? resolve(p, e->r) : NULL;
	const struct expr yes = {.kind = X_BOOL, .number = 1};
	const struct row_value *v;
	int any = NO;

	if (row_named(e))
		return row_equals(row_value(f, row_named(e)), &yes);
	v = row_value(f, row_named(l) ? row_named(l) : row_named(r));
	switch (e->kind) {
	case X_COMPARE:
		return row_named(l) ? row_compares(v, e->op, r)
				    : row_compares(v, turned(e->op), l);
	case X_IN:
		for (const struct expr *i = r->l; i; i = i->next)
			any = higher(any, row_equals(v, resolve(p, i)));
		return any;
	default:
		return v && v->known ? truth(true, matches(e, v->s)) : PERHAPS;
	}
}

static bool
of_row(const struct policy *p, const struct expr *e)
{
	return row_named(e) || (e->kind != X_CALL && e->kind != X_SET &&
				((e->l && row_named(resolve(p, e->l))) ||
				 (e->r && row_named(resolve(p, e->r)))));
}

/* An expression without and, or, not: its value, and through `reads` the fact (FACT_COUNT: uses;
 * OF_ROW: a value of the row). */
static int
leaf(const struct policy *p, const struct expr *e, const struct facts *f, int *reads)
{
	const struct expr *l = e->l ? resolve(p, e->l) : NULL;
	const struct expr *r = e->r ? resolve(p, e->r) : NULL;
	const struct value *v;
	bool any = false;
	int id;

	*reads = -1;
	if (of_row(p, e)) {
		*reads = OF_ROW;
		return row_leaf(p, e, f);
	}
	switch (e->kind) {
	case X_BOOL:
		return e->number ? YES : NO;
	case X_NAME:
		*reads = fact_named(e);
		return truth(f->v[*reads].known, f->v[*reads].b);
	case X_CALL:
		*reads = FACT_COUNT;
		return uses(p, e, f);
	case X_COMPARE:
		id = fact_named(l) >= 0 ? fact_named(l) : fact_named(r);
		*reads = id;
		v = &f->v[id];
		if (!v->known)
			return PERHAPS;
		return truth(true, fact_named(l) >= 0
					   ? compares(p, (enum fact) id, v, e->op, r)
					   : compares(p, (enum fact) id, v, turned(e->op), l));
	case X_IN:
		if (r->kind == X_SET) {
			*reads = id = fact_named(l);
			if (!f->v[id].known)
				return PERHAPS;
			for (const struct expr *i = r->l; i; i = i->next)
				any |= equals(p, (enum fact) id, &f->v[id], i);
			return truth(true, any);
		}
		*reads = id = fact_named(r);
		return truth(f->v[id].known,
			     f->v[id].known &&
				     set_has(&f->v[id], l->kind == X_NAME
								? group_named(p, l->name)->value.v
								: l->string));
	default:
		*reads = id = fact_named(l);
		v = &f->v[id];
		if (!v->known)
			return PERHAPS;
		if (fact_info[id].type != TYPE_SET)
			return truth(true, matches(e, v->s));
		for (size_t i = 0; i < v->set.n; i++)
			any |= matches(e, v->set.v[i]);
		return truth(true, any);
	}
}

static const struct expr *
inside_let(const struct policy *p, const struct expr *e)
{
	return e->kind == X_NAME && fact_named(e) < 0 && let_named(p, e->name)
		       ? let_named(p, e->name)->expr
		       : e;
}

static int
eval(const struct policy *p, const struct expr *e, const struct facts *f)
{
	int reads;

	e = inside_let(p, e);
	if (e->kind == X_NAME && fact_named(e) < 0 && !row_named(e))
		return eval(p, e, f);
	if (e->kind == X_AND)
		return lower(eval(p, e->l, f), eval(p, e->r, f));
	if (e->kind == X_OR)
		return higher(eval(p, e->l, f), eval(p, e->r, f));
	if (e->kind == X_NOT)
		return YES - eval(p, e->l, f);
	return leaf(p, e, f, &reads);
}

static bool
is_late(int fact)
{
	return fact == FACT_COUNT || (fact >= 0 && fact_info[fact].phase != PHASE_CONNECT);
}

/* Can it come out as `want`, if later facts may be anything? What is unknown now cannot help. */
static bool
can(const struct policy *p, const struct expr *e, bool want, const struct facts *f)
{
	int reads, v;

	e = inside_let(p, e);
	if (e->kind == X_NAME && fact_named(e) < 0 && !row_named(e))
		return can(p, e, want, f);
	if (e->kind == X_NOT)
		return can(p, e->l, !want, f);
	if (e->kind == X_AND || e->kind == X_OR) {
		bool l = can(p, e->l, want, f), r = can(p, e->r, want, f);

		return (e->kind == X_AND) == want ? l && r : l || r;
	}
	v = leaf(p, e, f, &reads);
	return is_late(reads) || v == (want ? YES : NO);
}

/* ---- What an expression reads ---- */

struct seen {
	bool late, action, postgres, row;
};

static void
look(const struct policy *p, const struct expr *e, struct seen *s)
{
	static const struct facts nothing;
	int reads;

	e = inside_let(p, e);
	if (e->kind == X_NAME && fact_named(e) < 0 && !row_named(e)) {
		look(p, e, s);
		return;
	}
	if (e->kind == X_AND || e->kind == X_OR || e->kind == X_NOT) {
		look(p, e->l, s);
		if (e->r)
			look(p, e->r, s);
		return;
	}
	(void) leaf(p, e, &nothing, &reads);
	if (reads == OF_ROW) {
		s->row = s->postgres = true;
		return;
	}
	if (reads == FACT_ACTION)
		s->action = true;
	else if (is_late(reads))
		s->late = true;
	if (reads == FACT_COUNT || (reads >= 0 && fact_info[reads].protocol == FACT_OF_POSTGRES))
		s->postgres = true;
}

/* ---- Clauses ---- */

static int
who(const struct policy *p, const struct ref *names, const struct facts *f)
{
	const struct value *v = &f->v[FACT_USER_GROUPS];
	bool any = false;

	for (const struct ref *r = names; r && v->known; r = r->next)
		any |= set_has(v, group_named(p, r->name.s)->value.v);
	return truth(v->known, any);
}

static int
on(const struct policy *p, const struct ref *names, const struct facts *f)
{
	const struct value *protocol = &f->v[FACT_TARGET_PROTOCOL], *name = &f->v[FACT_TARGET_NAME];
	int result = NO;

	for (const struct ref *r = names; r; r = r->next) {
		const struct target_decl *t = p->targets;

		while (t->name.s != r->name.s)
			t = t->next;
		result = higher(
			result,
			lower(truth(protocol->known, protocol->i == PROTOCOL_POSTGRES),
			      truth(name->known, name->known && glob_slice(t->glob.v, name->s))));
	}
	return result;
}

static int
does(const struct ref *names, const struct facts *f)
{
	const struct value *v = &f->v[FACT_ACTION];
	bool any = false;

	for (const struct ref *r = names; r && v->known; r = r->next)
		any |= action_under((enum action) v->i, r->name.s);
	return truth(v->known, any);
}

static int
clause(const struct policy *p, const struct clause *c, enum clause_kind kind, const struct facts *f)
{
	switch (kind) {
	case CLAUSE_WHO:
		return who(p, c->names, f);
	case CLAUSE_ON:
		return on(p, c->names, f);
	case CLAUSE_DO:
		return does(c->names, f);
	case CLAUSE_WHEN:
		return eval(p, c->expr, f);
	case CLAUSE_UNLESS:
		return YES - clause(p, c, c->unless, f);
	default:
		return YES;
	}
}

static struct seen
look_rule(const struct policy *p, const struct rule *r)
{
	struct seen s = {0};

	for (const struct clause *c = r->clauses; c; c = c->next) {
		enum clause_kind kind = c->kind == CLAUSE_UNLESS ? c->unless : c->kind;

		if (kind == CLAUSE_DO)
			s.action = true;
		if (kind == CLAUSE_WHEN)
			look(p, c->expr, &s);
	}
	return s;
}

static bool
rule_matches(const struct policy *p, const struct rule *r, const struct facts *f)
{
	const struct value *protocol = &f->v[FACT_TARGET_PROTOCOL];
	int result = YES;

	if (look_rule(p, r).postgres)
		result = truth(protocol->known, protocol->i == PROTOCOL_POSTGRES);
	for (const struct clause *c = r->clauses; c; c = c->next)
		result = lower(result, clause(p, c, c->kind, f));
	return result == YES || (result == PERHAPS && r->kind != RULE_ALLOW);
}

static bool
rule_could(const struct policy *p, const struct rule *r, const struct facts *f)
{
	const struct value *protocol = &f->v[FACT_TARGET_PROTOCOL];

	if (look_rule(p, r).postgres && !protocol->known)
		return false;
	for (const struct clause *c = r->clauses; c; c = c->next) {
		bool unless = c->kind == CLAUSE_UNLESS;
		enum clause_kind kind = unless ? c->unless : c->kind;

		if (kind == CLAUSE_DO)
			continue;
		if (kind == CLAUSE_WHEN ? !can(p, c->expr, !unless, f)
					: clause(p, c, c->kind, f) != YES)
			return false;
	}
	return true;
}

static bool
names_connect(const struct rule *r)
{
	bool found = false;

	for (const struct clause *c = r->clauses; c; c = c->next) {
		bool here = false;

		if (c->kind != CLAUSE_DO)
			continue;
		for (const struct ref *n = c->names; n; n = n->next)
			here |= action_under(ACTION_CONNECT, n->name.s);
		if (!here)
			return false;
		found = true;
	}
	return found;
}

/* Decides nothing. */
static bool
watched(const struct rule *r)
{
	return r->shadow || r->kind == RULE_NOTIFY;
}

static bool
shows(const struct rule *r)
{
	return r->kind == RULE_MASK || r->kind == RULE_DROP;
}

static int
rank(const struct rule *r)
{
	return r->kind >= RULE_LIMIT ? -1 : r->kind == RULE_DENY ? 2 : r->kind == RULE_HOLD ? 1 : 0;
}

static void
finish(const struct policy *p, int worst, struct ref_decision *d)
{
	d->by_default = worst < 0;
	d->verdict = worst >= 0 ? worst : p->defaults ? 0 : 2;
}

void
ref_command(const struct policy *p, const struct facts *f, struct ref_decision *d)
{
	int i = 0, worst = -1;

	memset(d, 0, sizeof(*d));
	for (const struct rule *r = p->rules; r; r = r->next, i++)
		if (!shows(r) && !watched(r) && rule_matches(p, r, f)) {
			d->matched[i] = true;
			worst = higher(worst, rank(r));
		}
	finish(p, worst, d);
}

static void
opening(const struct policy *p, const struct facts *given, bool watch, struct ref_decision *d)
{
	struct facts now = *given;
	int i = 0, worst = -1;

	/* The action is to connect; of commands nothing is known. */
	for (int k = 0; k < FACT_COUNT; k++)
		if (fact_info[k].phase != PHASE_CONNECT)
			facts_unknown(&now, (enum fact) k);
	facts_int(&now, FACT_ACTION, ACTION_CONNECT);
	now.n_uses = 0;
	now.uses_known = false;
	memset(d, 0, sizeof(*d));
	for (const struct rule *r = p->rules; r; r = r->next, i++) {
		struct seen s = look_rule(p, r);

		if (r->kind >= RULE_MASK || watched(r) != watch)
			continue;
		if (names_connect(r) || (r->kind == RULE_DENY && !s.late && !s.action)) {
			if (!rule_matches(p, r, &now))
				continue;
			d->matched[i] = true;
			worst = higher(worst, rank(r));
		} else if (r->kind != RULE_DENY && rule_could(p, r, &now)) {
			d->matched[i] = r->kind == RULE_ALLOW;
			worst = higher(worst, 0);
		}
	}
	finish(p, worst, d);
}

void
ref_connect(const struct policy *p, const struct facts *f, struct ref_decision *d)
{
	opening(p, f, false, d);
}

void
ref_watch_connect(const struct policy *p, const struct facts *f, struct ref_decision *d)
{
	opening(p, f, true, d);
}

void
ref_watch(const struct policy *p, const struct facts *f, struct ref_decision *d)
{
	struct facts early = *f;
	int i = 0;

	early.row = NULL;
	memset(d, 0, sizeof(*d));
	for (const struct rule *r = p->rules; r; r = r->next, i++)
		d->matched[i] = watched(r) && rule_matches(p, r, &early);
}

void
ref_result(const struct policy *p, const struct facts *f, struct ref_decision *d)
{
	struct facts early = *f;
	int i = 0;

	early.row = NULL;

	memset(d, 0, sizeof(*d));
	for (const struct rule *r = p->rules; r; r = r->next, i++)
		d->matched[i] = shows(r) && !watched(r) && rule_matches(p, r, &early);
}

void
ref_row(const struct policy *p, const struct facts *f, struct ref_decision *d)
{
	int i = 0;

	memset(d, 0, sizeof(*d));
	for (const struct rule *r = p->rules; r; r = r->next, i++)
		d->matched[i] = shows(r) && !watched(r) &&
				(r->kind == RULE_DROP || look_rule(p, r).row) &&
				rule_matches(p, r, f);
}
