/* SPDX-License-Identifier: MIT */
#include "compiler/explain.h"

#include "compiler/emit.h"
#include "vm/verify.h"

#include <arpa/inet.h>

/* How tests of facts that come later are taken when a session is opened; see emit.c. */
enum late { LATE_IS_TESTED, LATE_IS_UNKNOWN, LATE_IS_TRUE };

struct explainer {
	const struct image *img;
	const struct facts *f;
	enum late late;
};

static bool
is_late(const struct cond *c)
{
	return vm_op_reads_row(c->op) || c->fact == FACT_COUNT ||
	       fact_info[c->fact].phase > PHASE_CONNECT;
}

/* The test as a whole program: does it match when unknown counts as `unknown`? */
static bool
probe(const struct explainer *x, const struct cond *c, unsigned flags)
{
	struct insn code[3] = {
		{.op = (uint8_t) c->op, .flags = (uint8_t) flags, .skip = 1},
		{.op = OP_MATCH},
		{.op = OP_END},
	};
	struct image img = *x->img;
	struct decision d;
	size_t column = 0;

	code[0].arg = (uint16_t) c->constant;
	if (vm_op_reads_row(c->op)) {
		struct slice name = img.constants[c->column].string;

		while (column < img.n_row_columns && !slice_eq(img.row_columns[column], name))
			column++;
		if (column == img.n_row_columns) /* no code reads it */
			return flags & INSN_UNKNOWN;
		code[0].fact = (uint16_t) column;
	} else if (c->fact != FACT_COUNT) {
		code[0].fact = (uint16_t) c->fact;
	}
	img.entry[ENTRY_COMMAND] = (struct image_entry){.code = code, .n = 3, .cost = 3};
	vm_decide(&img, ENTRY_COMMAND, x->f, &d);
	return decision_next(&d, -1) == 0;
}

static enum truth
value_of_test(const struct explainer *x, const struct cond *c, bool negated)
{
	unsigned not = negated ? INSN_NOT : 0;

	if (x->late == LATE_IS_UNKNOWN && c->op == OP_ACTION_IN)
		return c->value != negated ? TRUTH_TRUE : TRUTH_FALSE;
	if (x->late != LATE_IS_TESTED && is_late(c))
		return x->late == LATE_IS_TRUE ? TRUTH_TRUE : TRUTH_UNKNOWN;
	if (probe(x, c, not))
		return TRUTH_TRUE;
	return probe(x, c, not | INSN_UNKNOWN) ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

/* As in emit.c negations are carried to the tests. */
static enum truth
value_of(const struct explainer *x, const struct cond *c, bool negated)
{
	bool least; /* and, after negation */
	enum truth all;

	switch (c->kind) {
	case COND_CONST:
		return c->value != negated ? TRUTH_TRUE : TRUTH_FALSE;
	case COND_TEST:
		return value_of_test(x, c, negated);
	case COND_NOT:
		return value_of(x, c->first, !negated);
	case COND_AND:
	case COND_OR:
		break;
	}
	least = (c->kind == COND_AND) != negated;
	all = least ? TRUTH_TRUE : TRUTH_FALSE;
	for (const struct cond *i = c->first; i; i = i->next) {
		enum truth v = value_of(x, i, negated);

		if (least ? v < all : v > all)
			all = v;
	}
	return all;
}

/* How many tests have to come out otherwise, at least, for an allow rule to match. */
static unsigned
misses(const struct explainer *x, const struct cond *c, bool negated)
{
	enum { NEVER = 1 << 16 };
	bool all = (c->kind == COND_AND) != negated; /* and, after negation */
	unsigned n = all ? 0 : NEVER;

	switch (c->kind) {
	case COND_CONST:
		return c->value != negated ? 0 : NEVER;
	case COND_TEST:
		return value_of_test(x, c, negated) != TRUTH_TRUE;
	case COND_NOT:
		return misses(x, c->first, !negated);
	case COND_AND:
	case COND_OR:
		break;
	}
	for (const struct cond *i = c->first; i; i = i->next) {
		unsigned one = misses(x, i, negated);

		if (all)
			n = n + one < NEVER ? n + one : NEVER;
		else if (one < n)
			n = one;
	}
	return n;
}

static bool
is_condition(const struct clause *c)
{
	return c->kind == CLAUSE_WHO || c->kind == CLAUSE_ON || c->kind == CLAUSE_DO ||
	       c->kind == CLAUSE_WHEN || c->kind == CLAUSE_UNLESS;
}

/* Which rules an entry point has, and how it sees what comes later: as emit.c puts them. */
static bool
considers(const struct checked_rule *r, enum vm_entry e, enum late *late)
{
	*late = LATE_IS_TESTED;
	if (!emit_belongs(r, e))
		return false;
	if (e != ENTRY_CONNECT && e != ENTRY_WATCH_CONNECT)
		return true;
	*late = r->names_connect || r->kind == VM_DENY ? LATE_IS_UNKNOWN : LATE_IS_TRUE;
	return r->names_connect || r->kind != VM_DENY ||
	       (!r->reads_action && r->phase == PHASE_CONNECT);
}

static void
add_clause(const struct explainer *x, struct explained_rule *out, const struct clause *ast,
	   const struct cond *c)
{
	struct explained_clause *e = &out->clauses[out->n++];

	e->ast = ast;
	e->cond = c;
	e->value = value_of(x, c, false);
	e->passes = e->value == TRUTH_TRUE ||
		    (e->value == TRUTH_UNKNOWN && out->rule->kind != VM_ALLOW && !out->only_may);
	out->failing += !e->passes;
	out->misses += misses(x, c, false);
}

static void
explain_rule(struct explainer *x, struct arena *arena, enum vm_entry e, struct explained_rule *out)
{
	const struct checked_rule *r = out->rule;
	const struct cond *c = r->clauses->first;
	size_t n = 1;

	out->considered = considers(r, e, &x->late);
	out->only_may = x->late == LATE_IS_TRUE;
	for (const struct cond *i = c; i; i = i->next)
		n++;
	out->clauses = ARENA_ARRAY(arena, struct explained_clause, n);
	if (r->cond != r->clauses)
		add_clause(x, out, NULL, r->cond->first);
	for (const struct clause *cl = r->ast->clauses; cl; cl = cl->next) {
		if (!is_condition(cl))
			continue;
		assert(c != NULL);
		add_clause(x, out, cl, c);
		c = c->next;
	}
	assert(c == NULL);
	out->matches = out->considered && !out->failing;
}

/* What an allow rule lacks. One about other actions, such as what every driver sends, lacks more
 * than that: who asks about a command looks for the rule about such commands. */
static unsigned
lacks(const struct explained_rule *r)
{
	return 2 * r->misses + (explained_is_about(r) ? 0 : 3);
}

void
explain(const struct checked *p, const struct image *img, enum vm_entry e, const struct facts *f,
	struct arena *arena, struct explained *out)
{
	struct facts own = *f;
	struct explainer x = {.img = img, .f = &own};

	assert(p->n_rules == img->n_rules);
	if (e != ENTRY_ROW) /* there are no rows yet */
		own.row = NULL;
	*out = (struct explained){.n = p->n_rules, .nearest = -1};
	vm_decide(img, e, f, &out->decision);
	out->rules = ARENA_ARRAY(arena, struct explained_rule, p->n_rules + 1);
	for (size_t i = 0; i < p->n_rules; i++) {
		struct explained_rule *r = &out->rules[i];

		r->rule = &p->rules[i];
		r->index = i;
		explain_rule(&x, arena, e, r);
		/* A hold that may come is not on record at connect. */
		assert(r->matches == decision_has(&out->decision, i) ||
		       (r->only_may && r->rule->kind == VM_HOLD));
		if (r->considered && r->rule->kind == VM_ALLOW &&
		    (out->nearest < 0 || lacks(r) < lacks(&out->rules[out->nearest])))
			out->nearest = (int) i;
	}
}

bool
explained_is_about(const struct explained_rule *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->clauses[i].ast && r->clauses[i].ast->kind == CLAUSE_DO &&
		    !r->clauses[i].passes)
			return false;
	return true;
}

/* ---- Facts ---- */

static void
put_address(struct buf *out, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = memcmp(addr, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN];

	buf_puts(out,
		 inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, sizeof(text)));
}

static void
put_set(struct buf *out, const struct value *v)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < v->set.n; i++) {
		buf_puts(out, i ? ", " : "");
		buf_json_string(out, v->set.v[i]);
	}
	buf_putc(out, '}');
}

void
explain_put_value(struct buf *out, enum fact id, const struct value *v)
{
	enum type type = fact_info[id].type;

	assert(v->known);
	switch (type) {
	case TYPE_BOOL:
		buf_puts(out, v->b ? "true" : "false");
		return;
	case TYPE_INT:
		buf_printf(out, "%lld", (long long) v->i);
		return;
	case TYPE_TIME:
		buf_printf(out, "%02d:%02d", (int) (v->i / 3600), (int) (v->i / 60 % 60));
		if (v->i % 60)
			buf_printf(out, ":%02d", (int) (v->i % 60));
		return;
	case TYPE_STRING:
		buf_json_string(out, v->s);
		return;
	case TYPE_SET:
		put_set(out, v);
		return;
	case TYPE_ADDRESS:
		put_address(out, v->addr);
		return;
	case TYPE_ACTION:
		buf_puts(out, action_info[v->i].name);
		return;
	default:
		buf_puts(out, enum_name(type, (int) v->i));
		return;
	}
}

static void
put_row_value(struct buf *out, struct slice column, const struct image *img, const struct facts *f)
{
	size_t i = 0;

	while (i < img->n_row_columns && !slice_eq(img->row_columns[i], column))
		i++;
	buf_printf(out, "row.%.*s", SLICE_ARG(column));
	if (i == img->n_row_columns || !f->row || !f->row[i].known) {
		buf_puts(out, " is unknown");
	} else {
		buf_puts(out, " = ");
		buf_json_string(out, f->row[i].s);
	}
}

static void
put_uses(struct buf *out, const struct cond *c, const struct image *img, const struct facts *f)
{
	static const char *const words[] = {"false", "unknown", "true"};
	struct explainer x = {.img = img, .f = f};
	const struct constant *k = &img->constants[c->constant];

	buf_printf(out, "sql.uses(%.*s", SLICE_ARG(img->data[k->uses.data].name));
	if (k->uses.contexts != (1u << N_CONTEXTS) - 1) {
		const char *sep = ", ";

		for (int i = 0; i < N_CONTEXTS; i++)
			if (k->uses.contexts >> i & 1) {
				buf_printf(out, "%s%s", sep, context_info[i].name);
				sep = " | ";
			}
	}
	buf_printf(out, ") is %s", words[value_of_test(&x, c, false)]);
}

/* `seen`: facts that were put already, a bit each. */
static void
put_facts(struct buf *out, const struct cond *c, const struct image *img, const struct facts *f,
	  uint64_t *seen, bool *any)
{
	for (const struct cond *i = c->kind == COND_TEST ? NULL : c->first; i; i = i->next)
		put_facts(out, i, img, f, seen, any);
	if (c->kind != COND_TEST)
		return;
	if (c->fact != FACT_COUNT && *seen >> c->fact & 1)
		return;
	buf_puts(out, *any ? ", " : "");
	*any = true;
	if (vm_op_reads_row(c->op)) {
		put_row_value(out, img->constants[c->column].string, img, f);
	} else if (c->fact == FACT_COUNT) {
		put_uses(out, c, img, f);
	} else {
		*seen |= UINT64_C(1) << c->fact;
		buf_puts(out, fact_info[c->fact].name);
		buf_puts(out, f->v[c->fact].known ? " = " : " is unknown");
		if (f->v[c->fact].known)
			explain_put_value(out, c->fact, &f->v[c->fact]);
	}
}

void
explain_put_facts(struct buf *out, const struct cond *c, const struct image *img,
		  const struct facts *f)
{
	uint64_t seen = 0;
	bool any = false;

	put_facts(out, c, img, f, &seen, &any);
}
