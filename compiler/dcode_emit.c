/* SPDX-License-Identifier: MIT
 *
 * Blocks to instructions, each before those it leads to. A test can skip 65,535 instructions; when
 * that is not enough everything is put once more, with `far` for every way that is not the next.
 */
#include "compiler/dcode_put.h"

#include "vm/match.h"
#include "vm/verify.h"

size_t
dcode_put(struct putter *p, struct insn in)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 1024;
		struct insn *code = ARENA_ARRAY(p->arena, struct insn, cap);

		if (p->n)
			memcpy(code, p->code, p->n * sizeof(*code));
		p->code = code;
		p->cap = cap;
	}
	if (p->n >= VM_MAX_DIAGRAM)
		p->failed = true;
	p->code[p->n] = in;
	return p->failed ? 0 : p->n++;
}

static void
wait_for(struct putter *p, size_t at, uint32_t block)
{
	if (p->n_waits == p->waits_cap) {
		size_t cap = p->waits_cap ? p->waits_cap * 2 : 1024;
		struct wait *waits = ARENA_ARRAY(p->arena, struct wait, cap);

		if (p->n_waits)
			memcpy(waits, p->waits, p->n_waits * sizeof(*waits));
		p->waits = waits;
		p->waits_cap = cap;
	}
	p->waits[p->n_waits++] = (struct wait){(uint32_t) at, block};
	p->led_to[block] = true;
}

void
dcode_put_way(struct putter *p, uint32_t block)
{
	if (block < BLOCK_FIRST)
		dcode_put(p, (struct insn){.op = block == BLOCK_END ? OP_END : OP_LIST});
	else
		wait_for(p, dcode_put(p, (struct insn){.op = OP_FAR}), block);
}

void
dcode_go(struct putter *p, uint32_t block)
{
	if (block < BLOCK_FIRST || block != p->next)
		dcode_put_way(p, block);
	else
		p->led_to[block] = true;
}

void
dcode_land(struct putter *p, size_t at)
{
	size_t distance = p->n - at - 1;

	if (p->failed)
		return;
	if (p->code[at].op == OP_FAR)
		p->code[at].arg = (uint16_t) (distance >> 16);
	else if (distance > UINT16_MAX)
		p->too_far = true;
	p->code[at].skip = (uint16_t) distance;
}

/* The test leads to the block when it is `sense`, and else to what is put next. */
static void
put_test(struct putter *p, struct insn test, bool sense, uint32_t block)
{
	bool near = block >= BLOCK_FIRST && !p->far;
	size_t at;

	if (near == sense)
		test.flags |= INSN_SKIP_TRUE;
	at = dcode_put(p, test);
	if (near) {
		wait_for(p, at, block);
		return;
	}
	dcode_put_way(p, block);
	dcode_land(p, at);
}

void
dcode_guard(struct putter *p, struct insn test, uint32_t otherwise)
{
	put_test(p, test, false, otherwise);
}

void
dcode_branch(struct putter *p, struct insn test, uint32_t yes, uint32_t no)
{
	if (yes == no) {
		dcode_go(p, yes);
	} else if (yes < BLOCK_FIRST || yes == p->next) {
		put_test(p, test, false, no);
		dcode_go(p, yes);
	} else {
		put_test(p, test, true, yes);
		dcode_go(p, no);
	}
}

uint16_t
dcode_column(struct putter *p, uint16_t column)
{
	return dcode_constant(p, constant_string(p->constants, p->v->img->row_columns[column]));
}

/* Every text matches "*", and no number is beyond the last. */
struct insn
dcode_known(struct putter *p, struct insn test)
{
	struct insn known = {.op = OP_KNOWN, .fact = test.fact};
	bool number = test.op == OP_ROW_LT;

	if (vm_op_reads_row(test.op)) {
		known.op = number ? OP_ROW_LE : OP_ROW_GLOB;
		known.arg = dcode_constant(
			p, number ? constant_number(p->constants, INT64_MAX)
				  : constant_string(p->constants, SLICE_LIT("*")));
	}
	return known;
}

void
dcode_branch_known(struct putter *p, struct insn test, uint32_t unknown, uint32_t yes, uint32_t no)
{
	const struct insn known = dcode_known(p, test);

	if (yes == no) {
		dcode_branch(p, known, yes, unknown);
		return;
	}
	if (unknown == yes)
		test.flags |= INSN_UNKNOWN;
	else if (unknown != no)
		dcode_guard(p, known, unknown);
	dcode_branch(p, test, yes, no);
}

uint16_t
dcode_constant(struct putter *p, uint32_t constant)
{
	if (constant >= VM_MAX_CONSTANTS)
		p->failed = true;
	return p->failed ? 0 : (uint16_t) constant;
}

uint16_t
dcode_constant_strings(struct putter *p, struct slice *v, size_t n)
{
	if (constants_count(p->constants) >= VM_MAX_CONSTANTS)
		p->failed = true;
	return p->failed ? 0 : dcode_constant(p, constant_strings(p->constants, v, n));
}

/* ---- Splits ---- */

static void
put_action(struct putter *p, size_t n)
{
	uint32_t none = p->child[ACTION_NONE + 1];
	struct action_set set = {0};

	for (size_t i = 0; i < n; i++)
		if (p->child[i + 1] != none && action_is_leaf((enum action) i))
			action_set_add(&set, (enum action) i);
	dcode_put(p, (struct insn){.op = OP_ACTION_SWITCH,
				   .fact = FACT_ACTION,
				   .arg = dcode_constant(p, constant_actions(p->constants, &set))});
	dcode_put_way(p, p->child[SPACE_UNKNOWN]);
	dcode_put_way(p, none);
	for (size_t i = 0; i < n; i++)
		if (action_set_has(&set, (enum action) i))
			dcode_put_way(p, p->child[i + 1]);
}

/* The block that the most values lead to. */
static uint32_t
usual_child(const uint32_t *child, size_t n)
{
	uint32_t best = child[0];
	size_t most = 0;

	for (size_t i = 0; i < n; i++) {
		size_t count = 0;

		for (size_t k = 0; k < n; k++)
			count += child[k] == child[i];
		if (count > most) {
			most = count;
			best = child[i];
		}
	}
	return best;
}

static void
put_enum(struct putter *p, enum fact fact, size_t n)
{
	const uint32_t *child = p->child + 1;
	uint32_t usual = usual_child(child, n), other = usual, mask = 0;
	bool many = false;
	struct insn in = {.op = OP_ENUM_IN, .fact = (uint16_t) fact};

	for (size_t i = 0; i < n; i++) {
		if (child[i] == usual)
			continue;
		many = many || (other != usual && other != child[i]);
		other = child[i];
		mask |= UINT32_C(1) << i;
	}
	if (mask)
		in.arg = dcode_constant(
			p, constant_values(p->constants, fact_info[fact].type, mask));
	if (!many) {
		dcode_branch_known(p, in, p->child[SPACE_UNKNOWN], other, usual);
		return;
	}
	in.op = OP_ENUM_SWITCH;
	dcode_put(p, in);
	dcode_put_way(p, p->child[SPACE_UNKNOWN]);
	dcode_put_way(p, usual);
	for (size_t i = 0; i < n; i++)
		if (mask >> i & 1)
			dcode_put_way(p, child[i]);
}

/* The classes from `first` to before `end` of a known number; `in` asks whether it is less. */
static void
put_numbers(struct putter *p, const struct domain *d, struct insn in, size_t first, size_t end)
{
	const uint32_t *child = p->child + 1;
	size_t cuts = 0, middle = first, seen = 0, at;

	for (size_t i = first + 1; i < end; i++)
		cuts += child[i] != child[i - 1];
	if (cuts == 0) {
		dcode_put_way(p, child[first]);
		return;
	}
	for (size_t i = first + 1; i < end && seen <= cuts / 2; i++)
		if (child[i] != child[i - 1]) {
			middle = i;
			seen++;
		}
	in.arg = dcode_constant(p, constant_number(p->constants, d->cuts[middle - 1]));
	at = dcode_put(p, in);
	put_numbers(p, d, in, middle, end);
	dcode_land(p, at);
	put_numbers(p, d, in, first, middle);
}

static void
put_number(struct putter *p, const struct domain *d, struct insn in)
{
	dcode_guard(p, dcode_known(p, in), p->child[SPACE_UNKNOWN]);
	in.flags = INSN_SKIP_TRUE;
	put_numbers(p, d, in, 0, d->n);
}

/* The innermost network that has an address is the last that does. One that leads where the one
 * around it leads need not be asked for. */
static void
put_addresses(struct putter *p, enum fact fact)
{
	const struct domain *d = &p->v->s->facts[fact];
	const uint32_t *child = p->child + 1;
	struct insn in = {.op = OP_ADDR_IN, .fact = (uint16_t) fact};

	for (size_t i = d->n_networks; i > 0; i--) {
		const struct network *w = &d->networks[i - 1];
		size_t outer = i - 1;

		while (outer > 0 && !match_network(d->networks[outer - 1].addr,
						   d->networks[outer - 1].prefix, w->addr))
			outer--;
		if (child[outer] == child[i])
			continue;
		in.arg = dcode_constant(p, constant_network(p->constants, w->addr, w->prefix));
		put_test(p, in, true, child[i]);
	}
	dcode_go(p, child[0]);
}

static void
put_fact(struct putter *p, enum fact fact)
{
	const struct insn known = {.op = OP_KNOWN, .fact = (uint16_t) fact};
	size_t n = p->v->s->facts[fact].n;

	switch (fact_info[fact].type) {
	case TYPE_ACTION:
		put_action(p, n);
		break;
	case TYPE_STRING:
		dcode_put_string(p, fact);
		break;
	case TYPE_BOOL:
		dcode_branch_known(p, (struct insn){.op = OP_BOOL, .fact = (uint16_t) fact},
				   p->child[0], p->child[2], p->child[1]);
		break;
	case TYPE_INT:
	case TYPE_TIME:
		put_number(p, &p->v->s->facts[fact],
			   (struct insn){.op = OP_NUM_LT, .fact = (uint16_t) fact});
		break;
	case TYPE_ADDRESS:
		if (p->child[SPACE_UNKNOWN] != p->child[1])
			dcode_guard(p, known, p->child[SPACE_UNKNOWN]);
		put_addresses(p, fact);
		break;
	default:
		put_enum(p, fact, n);
	}
}

static void
put_uses(struct putter *p, struct insn in)
{
	uint32_t no = p->child[SPACE_UNUSED], maybe = p->child[SPACE_MAYBE_USED];
	uint32_t yes = p->child[SPACE_USED];

	if (maybe == yes || maybe == no) {
		in.flags = maybe == yes ? INSN_UNKNOWN : 0;
		dcode_branch(p, in, yes, no);
		return;
	}
	in.op = OP_USES_SWITCH;
	dcode_put(p, in);
	dcode_put_way(p, maybe);
	dcode_put_way(p, no);
	dcode_put_way(p, yes);
}

static void
put_split(struct putter *p, const struct block *block)
{
	const struct dvar *var = &p->v->vars[block->var];
	const struct dd_run *runs = &p->b->runs[block->first];
	struct insn in = {
		.op = (uint8_t) var->op, .fact = (uint16_t) var->fact, .arg = var->constant};
	uint32_t at = 0;

	for (uint32_t i = 0; i < block->n; i++)
		while (at < runs[i].end)
			p->child[at++] = runs[i].child;
	switch (var->kind) {
	case DVAR_FACT:
		put_fact(p, var->fact);
		break;
	case DVAR_INSIDE:
		in = (struct insn){.op = OP_IN_SCHEMA};
		dcode_branch(p, in, p->child[1], p->child[0]);
		break;
	case DVAR_OBJECT:
		dcode_put_object(p);
		break;
	case DVAR_KNOWN:
		in.op = OP_KNOWN;
		dcode_branch(p, in, p->child[1], p->child[0]);
		break;
	case DVAR_MEMBER:
		dcode_branch(p, in, p->child[1], p->child[0]);
		break;
	case DVAR_TEXT:
		dcode_put_text(p, var->constant);
		break;
	case DVAR_INT:
		put_number(p, &p->v->s->row_ints[p->v->s->row_of[0][var->constant]],
			   (struct insn){.op = OP_ROW_LT, .fact = dcode_column(p, var->constant)});
		break;
	case DVAR_USES:
		put_uses(p, in);
		break;
	case DVAR_MATCHED:
		in = (struct insn){.op = OP_MATCHED, .arg = p->v->outcomes[var->constant].rule};
		dcode_branch(p, in, p->child[1], p->child[0]);
		break;
	}
}

static void
put_block(struct putter *p, uint32_t at)
{
	const struct block *block = &p->b->blocks[at];

	if (block->kind == BLOCK_SPLIT) {
		put_split(p, block);
		return;
	}
	if (block->kind == BLOCK_MEMBERS) {
		dcode_put_members(p, block);
		return;
	}
	for (uint32_t i = 0; i < block->n; i++) {
		const struct outcome *o = &p->v->outcomes[p->b->rules[block->first + i]];

		dcode_put(p, (struct insn){.op = o->op, .arg = o->rule});
	}
	dcode_go(p, block->next);
}

/* ---- The order of blocks ---- */

struct walk {
	const struct dcode_blocks *b;
	bool *seen;
	uint32_t *order; /* a block before those that lead to it */
	size_t n;
};

static void
walk(struct walk *w, uint32_t at)
{
	const struct block *block = &w->b->blocks[at];

	if (at < BLOCK_FIRST || w->seen[at])
		return;
	w->seen[at] = true;
	if (block->kind != BLOCK_SPLIT)
		walk(w, block->next);
	for (uint32_t i = 0; block->kind == BLOCK_SPLIT && i < block->n; i++)
		walk(w, w->b->runs[block->first + i].child);
	w->order[w->n++] = at;
}

/* Nothing leads to what only tables would that are in no schema, nor behind more patterns than are
 * told apart in one place. */
static void
put_blocks(struct putter *p, const struct walk *w, uint32_t *places)
{
	for (size_t i = w->n; i > 0 && !p->failed; i--) {
		if (i < w->n && !p->led_to[w->order[i - 1]])
			continue;
		p->at = w->order[i - 1];
		places[p->at] = (uint32_t) p->n;
		p->next = i > 1 ? w->order[i - 2] : BLOCK_END;
		put_block(p, p->at);
	}
	for (size_t i = 0; i < p->n_waits && !p->failed; i++) {
		struct insn *in = &p->code[p->waits[i].at];
		size_t distance = places[p->waits[i].block] - p->waits[i].at - 1;

		if (in->op == OP_FAR)
			in->arg = (uint16_t) (distance >> 16);
		else if (distance > UINT16_MAX)
			p->too_far = true;
		in->skip = (uint16_t) distance;
	}
}

/* The actions some of whose commands strings leave to the list; without actions, all. */
static void
find_spills(const struct putter *p, uint32_t root, struct dcode *out)
{
	const struct dcode_blocks *b = p->b;
	const struct dd_run *runs;
	const struct block *block;
	uint32_t first = 0;

	/* Children stand before those that lead to them. */
	for (size_t i = BLOCK_FIRST; i < b->n; i++) {
		block = &b->blocks[i];
		for (uint32_t k = 0; block->kind == BLOCK_SPLIT && k < block->n; k++)
			p->spills[i] |= p->spills[b->runs[block->first + k].child];
		if (block->kind != BLOCK_SPLIT)
			p->spills[i] |= p->spills[block->next];
	}
	while (b->blocks[root].kind != BLOCK_SPLIT && root >= BLOCK_FIRST)
		root = b->blocks[root].next;
	block = &b->blocks[root];
	if (root < BLOCK_FIRST || p->v->vars[block->var].kind != DVAR_FACT ||
	    p->v->vars[block->var].fact != FACT_ACTION) {
		out->too_large = p->spills[root];
		return;
	}
	runs = &b->runs[block->first];
	for (uint32_t k = 0; k < block->n; first = runs[k++].end)
		for (uint32_t i = first; i < runs[k].end && p->spills[runs[k].child]; i++)
			if (i > 0 && action_is_leaf((enum action) (i - 1)))
				action_set_add(&out->entangled, (enum action) (i - 1));
}

bool
dcode_emit(const struct dcode_blocks *b, uint32_t root, struct constants *constants,
	   struct arena *arena, struct dcode *out)
{
	struct putter p = {
		.b = b, .v = b->v, .constants = constants, .arena = arena};
	struct walk w = {.b = b};
	uint32_t *places = ARENA_ARRAY(arena, uint32_t, b->n);
	size_t widest = 3;

	p.led_to = ARENA_ARRAY(arena, bool, b->n);
	p.spills = ARENA_ARRAY(arena, bool, b->n);
	w.seen = ARENA_ARRAY(arena, bool, b->n);
	w.order = ARENA_ARRAY(arena, uint32_t, b->n);
	walk(&w, root);
	for (size_t i = 0; i < b->v->n; i++)
		widest = b->v->dd_vars[i].width > widest ? b->v->dd_vars[i].width : widest;
	p.child = ARENA_ARRAY(arena, uint32_t, widest);
	put_blocks(&p, &w, places);
	if (p.too_far && !p.failed) {
		p.far = true;
		p.too_far = false;
		p.n = p.n_waits = 0;
		put_blocks(&p, &w, places);
	}
	*out = (struct dcode){p.code, p.n, out->entangled, false};
	if (p.failed || p.too_far)
		out->n = 0;
	else
		find_spills(&p, root, out);
	return out->n > 0;
}
