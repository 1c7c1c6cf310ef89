/* SPDX-License-Identifier: MIT
 *
 * First the condition as this entry point sees it, in negation normal form with constants folded
 * away (struct node), then jumping code in one pass. Where negations stand at the tests, the rule's
 * way to read "unknown" can be a flag of each test; exec.c says why that is enough.
 *
 * At `connect` nothing is known of commands. A rule that names connect in its `do` is decided then
 * and there, as is a deny that reads only who, where and when; of the other allow and hold rules
 * the question is whether they could match any command at all, so tests of later facts hold.
 */
#include "compiler/emit.h"

#include "vm/verify.h"

enum node_kind { NODE_FALSE, NODE_TRUE, NODE_TEST, NODE_AND, NODE_OR };

struct node {
	struct node *next;
	enum node_kind kind;
	bool negated;            /* NODE_TEST */
	const struct cond *test; /* NODE_TEST */
	struct node *first, *last;
};

/* How tests of facts that are not known yet are taken. */
enum late { LATE_IS_TESTED, LATE_IS_UNKNOWN, LATE_IS_TRUE };

struct view {
	enum late late;
	bool unknown; /* what an unknown fact counts as */
	bool rows;    /* values of a row are known, or may be; else they count as unknown */
};

/* A jump target that is not known yet: the instructions that wait for it, linked through `skip`
 * positions kept in waits[]. */
struct label {
	size_t head; /* index + 1 */
};

struct emitter {
	struct arena *arena;
	struct insn *code;
	size_t *waits; /* per instruction: the next that waits for the same label, index + 1 */
	size_t n, cap;
	size_t nodes; /* made for this entry point: shared lets can multiply */
	bool overflow;
};

static struct node no = {.kind = NODE_FALSE}, yes = {.kind = NODE_TRUE};

static struct node *
new_node(struct emitter *e, enum node_kind kind)
{
	struct node *n = ARENA_NEW(e->arena, struct node);

	if (++e->nodes > 4 * VM_MAX_OPS)
		e->overflow = true;
	n->kind = kind;
	return n;
}

static enum fact_phase
phase_of(const struct cond *test)
{
	return test->fact == FACT_COUNT ? PHASE_COMMAND : fact_info[test->fact].phase;
}

static struct node *
normal_test(struct emitter *e, const struct cond *c, bool negated, const struct view *v)
{
	struct node *n;

	if (vm_op_reads_row(c->op) && !v->rows)
		return v->unknown ? &yes : &no;
	if (v->late == LATE_IS_UNKNOWN && c->op == OP_ACTION_IN)
		return c->value != negated ? &yes : &no;
	if (v->late == LATE_IS_TRUE && phase_of(c) > PHASE_CONNECT)
		return &yes;
	if (v->late == LATE_IS_UNKNOWN && phase_of(c) > PHASE_CONNECT)
		return v->unknown ? &yes : &no;
	n = new_node(e, NODE_TEST);
	n->test = c;
	n->negated = negated;
	return n;
}

static struct node *
normal(struct emitter *e, const struct cond *c, bool negated, const struct view *v)
{
	enum node_kind kind, ends, drops;
	struct node *list, *x;

	if (e->overflow)
		return &no;
	if (c->kind == COND_CONST)
		return c->value != negated ? &yes : &no;
	if (c->kind == COND_NOT)
		return normal(e, c->first, !negated, v);
	if (c->kind == COND_TEST)
		return normal_test(e, c, negated, v);
	kind = (c->kind == COND_AND) != negated ? NODE_AND : NODE_OR;
	ends = kind == NODE_AND ? NODE_FALSE : NODE_TRUE;
	drops = kind == NODE_AND ? NODE_TRUE : NODE_FALSE;
	list = new_node(e, kind);
	for (const struct cond *i = c->first; i; i = i->next) {
		x = normal(e, i, negated, v);
		if (x->kind == ends)
			return x;
		if (x->kind == drops)
			continue;
		if (list->last)
			list->last->next = x;
		else
			list->first = x;
		list->last = x;
	}
	if (!list->first)
		return drops == NODE_TRUE ? &yes : &no;
	return list->first == list->last ? list->first : list;
}

static size_t
put(struct emitter *e, struct insn in)
{
	if (e->n == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 256;
		struct insn *code = ARENA_ARRAY(e->arena, struct insn, cap);
		size_t *waits = ARENA_ARRAY(e->arena, size_t, cap);

		if (e->n) {
			memcpy(code, e->code, e->n * sizeof(*code));
			memcpy(waits, e->waits, e->n * sizeof(*waits));
		}
		e->code = code;
		e->waits = waits;
		e->cap = cap;
	}
	if (e->n >= VM_MAX_OPS)
		e->overflow = true;
	e->code[e->n] = in;
	return e->n++;
}

/* The label is the next instruction. */
static void
place(struct emitter *e, struct label *l)
{
	for (size_t i = l->head; i;) {
		size_t skip = e->n - i;

		if (skip > UINT16_MAX)
			e->overflow = true;
		e->code[i - 1].skip = (uint16_t) skip;
		i = e->waits[i - 1];
	}
	l->head = 0;
}

/* Jumps to `to` when n comes out as `sense`, else goes on with what is put next. */
static void
put_node(struct emitter *e, const struct node *n, bool sense, const struct view *v,
	 struct label *to)
{
	struct label past = {0};
	bool short_cut; /* the outcome of one operand that decides the whole */

	if (e->overflow)
		return;
	if (n->kind == NODE_TEST) {
		unsigned flags = (n->negated ? INSN_NOT : 0u) | (v->unknown ? INSN_UNKNOWN : 0u) |
				 (sense ? INSN_SKIP_TRUE : 0u);
		size_t at = put(e, (struct insn){
			.op = (uint8_t) n->test->op,
			.flags = (uint8_t) flags,
			.fact = (uint16_t) (vm_op_reads_row(n->test->op)    ? n->test->column
					    : n->test->fact == FACT_COUNT ? 0
									  : n->test->fact),
			.arg = (uint16_t) n->test->constant});

		e->waits[at] = to->head;
		to->head = at + 1;
		return;
	}
	assert(n->kind == NODE_AND || n->kind == NODE_OR);
	short_cut = n->kind == NODE_OR;
	for (const struct node *i = n->first; i; i = i->next) {
		if (sense == short_cut)
			put_node(e, i, sense, v, to);
		else if (i->next)
			put_node(e, i, short_cut, v, &past);
		else
			put_node(e, i, sense, v, to);
	}
	place(e, &past);
}

static void
put_rule(struct emitter *e, const struct checked_rule *r, size_t index, enum opcode end,
	 const struct view *v)
{
	const struct node *n = normal(e, r->cond, false, v);
	struct label next = {0};

	if (n->kind == NODE_FALSE)
		return;
	if (n->kind != NODE_TRUE)
		put_node(e, n, false, v, &next);
	put(e, (struct insn){.op = (uint8_t) end, .arg = (uint16_t) index});
	place(e, &next);
}

static void
put_connect(struct emitter *e, const struct checked_rule *r, size_t index)
{
	struct view decided = {LATE_IS_UNKNOWN, r->kind != VM_ALLOW, false};
	struct view could = {LATE_IS_TRUE, false, false};

	if (r->names_connect)
		put_rule(e, r, index, OP_MATCH, &decided);
	else if (r->kind != VM_DENY)
		put_rule(e, r, index, OP_MAY, &could);
	else if (!r->reads_action && r->phase == PHASE_CONNECT)
		put_rule(e, r, index, OP_MATCH, &decided);
}

bool
emit_belongs(const struct checked_rule *r, enum vm_entry entry)
{
	bool watched = r->ast->shadow || r->kind == VM_NOTIFY;
	bool shows = r->kind == VM_MASK || r->kind == VM_DROP;

	switch (entry) {
	case ENTRY_CONNECT:
	case ENTRY_WATCH_CONNECT:
		return watched == (entry == ENTRY_WATCH_CONNECT) && r->kind <= VM_DENY;
	case ENTRY_COMMAND:
		return !watched && !shows;
	case ENTRY_RESULT:
		return !watched && shows;
	case ENTRY_ROW:
		return !watched && shows && (r->reads_row || r->kind == VM_DROP);
	case ENTRY_WATCH:
		return watched;
	case ENTRY_COUNT:
		break;
	}
	return false;
}

static void
put_entry(struct emitter *e, const struct checked *p, enum vm_entry entry)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct checked_rule *r = &p->rules[i];
		struct view v = {LATE_IS_TESTED, r->kind != VM_ALLOW, entry == ENTRY_ROW};

		if (!emit_belongs(r, entry))
			continue;
		if (entry == ENTRY_CONNECT || entry == ENTRY_WATCH_CONNECT)
			put_connect(e, r, i);
		else
			put_rule(e, r, i, OP_MATCH, &v);
	}
	put(e, (struct insn){.op = OP_END});
}

bool
emit_policy(const struct checked *p, struct arena *arena, struct diag_queue *q,
	    struct emitted out[ENTRY_COUNT])
{
	bool good = true;

	if (constants_count(p->constants) > VM_MAX_CONSTANTS) {
		diag_note(q,
			  diag(q, TOO_MANY_CONSTANTS, p->ast->name.at,
			       constants_count(p->constants), VM_MAX_CONSTANTS),
			  SPAN_NONE,
			  "a list is one constant: `table in {\"a\", \"b\"}`; a pattern or a schema "
			  "of their own says it shorter still");
		return false;
	}
	for (int i = 0; i < ENTRY_COUNT; i++) {
		struct emitter e = {.arena = arena};

		put_entry(&e, p, (enum vm_entry) i);
		if (e.overflow) {
			diag_note(q,
				  diag(q, TOO_COSTLY, p->ast->name.at, entry_info[i].name,
				       e.n > VM_MAX_OPS ? e.n : (size_t) VM_MAX_OPS + 1,
				       VM_MAX_OPS),
				  SPAN_NONE,
				  "a `let` counts wherever it is used, and a list as one: write "
				  "`in {...}` for a long `or`");
			good = false;
		}
		out[i] = (struct emitted){.code = e.code, .n = e.n};
	}
	return good;
}
