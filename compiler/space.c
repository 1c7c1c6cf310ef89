/* SPDX-License-Identifier: MIT */
#include "compiler/space.h"

#include "compiler/known.h"
#include "vm/match.h"
#include "vm/verify.h"

#include <stdlib.h>

/* The order of the variables. What divides rules most comes first: below one action and one object
 * few rules are left, and only of those all combinations of groups can matter. */
static const enum fact order[] = {
	FACT_ACTION,
	FACT_TARGET_PROTOCOL,
	FACT_TARGET_NAME,
	FACT_TABLE,
	FACT_SCHEMA,
	FACT_FUNCTION,
	FACT_SETTING,
	FACT_COLUMNS,
	FACT_SQL_WHERE,
	FACT_SQL_WHERE_CONSTANT,
	FACT_SQL_STATEMENTS,
	FACT_SQL_PARAMETERS,
	FACT_SQL_IN_TRANSACTION,
	FACT_SQL_TEXT,
	FACT_USER_KIND,
	FACT_USER_NAME,
	FACT_USER_GROUPS,
	FACT_CLIENT_ADDRESS,
	FACT_CLIENT_APPLICATION,
	FACT_CLIENT_TLS,
	FACT_TIME_WEEKDAY,
	FACT_TIME_OF_DAY,
};
static_assert(COUNT_OF(order) == FACT_COUNT, "every fact has its place in the order");

enum { COST_VALUE = 10, COST_MEMBER = 8, COST_UNKNOWN = 100 };

static uint32_t
add_var(struct space *s, struct space_var v, struct dd_var dv)
{
	if (s->n_vars < SPACE_MAX_VARS) {
		s->vars[s->n_vars] = v;
		s->dd_vars[s->n_vars] = dv;
	}
	return (uint32_t) ++s->n_vars;
}

/* Facts that have no value for many a command; the others are always known, or should be. */
static bool
often_unknown(enum fact f)
{
	return f == FACT_FUNCTION || f == FACT_SETTING;
}

static bool
always_known(enum fact f)
{
	return fact_info[f].phase == PHASE_CONNECT || f == FACT_ACTION ||
	       fact_info[f].type == TYPE_BOOL || f == FACT_SQL_STATEMENTS ||
	       f == FACT_SQL_PARAMETERS || f == FACT_SQL_TEXT;
}

/* Per value the first from there on that can be. Values are classes + 1; 0 is unknown. */
static uint32_t *
possible_next(struct space *s, const struct domain *d)
{
	uint32_t *next = ARENA_ARRAY(s->arena, uint32_t, d->n + 2), at = (uint32_t) d->n + 1;

	next[d->n + 1] = at;
	for (size_t i = d->n; i > 0; i--) {
		if (d->possible[i - 1])
			at = (uint32_t) i;
		next[i] = at;
	}
	next[0] = at;
	return next;
}

static struct dd_var
valued(struct space *s, const struct domain *d, bool known, bool unknown_preferred)
{
	struct dd_var v = {.width = (uint32_t) d->n + 1,
			   .dear = SPACE_UNKNOWN,
			   .cost = COST_VALUE,
			   .dear_cost = COST_UNKNOWN,
			   .dear_never = known,
			   .next = possible_next(s, d)};

	v.prefer = unknown_preferred ? SPACE_UNKNOWN : d->prefer + 1;
	if (!unknown_preferred && !d->possible[d->prefer])
		v.prefer = DD_LEAF;
	return v;
}

static void
add_fact(struct space *s, enum fact f)
{
	const struct domain *d = &s->facts[f];
	struct space_var v = {.kind = SPACE_FACT, .fact = f};

	if (fact_info[f].type != TYPE_SET) {
		s->fact_var[f] = add_var(s, v, valued(s, d, always_known(f), often_unknown(f)));
		return;
	}
	s->fact_var[f] = add_var(s, v,
				 (struct dd_var){.width = 2,
						 .prefer = 1,
						 .dear = SPACE_UNKNOWN,
						 .dear_cost = COST_UNKNOWN,
						 .dear_never = always_known(f)});
	s->member_var[f] = (uint32_t) s->n_vars + 1;
	for (uint32_t i = 0; i < d->n; i++)
		(void) add_var(s, (struct space_var){.kind = SPACE_MEMBER, .fact = f, .member = i},
			       (struct dd_var){.width = 2, .dear = DD_LEAF, .cost = COST_MEMBER});
}

static void
add_uses(struct space *s)
{
	bool(*read)[N_CONTEXTS];

	s->use_var = arena_alloc(s->arena, (s->columns.n_data + 1) * sizeof(*s->use_var));
	read = arena_alloc(s->arena, (s->columns.n_data + 1) * sizeof(*read));
	for (size_t i = 0; i < s->n_images; i++)
		for (int e = 0; e < ENTRY_COUNT; e++)
			for (size_t k = 0; k < image_n_insns(&s->images[i]->entry[e]); k++) {
				const struct insn *in = image_insn(&s->images[i]->entry[e], k);
				const struct constant *c = &s->images[i]->constants[in->arg];
				bool uses = in->op == OP_USES || in->op == OP_USES_SWITCH;

				for (int x = 0; uses && x < N_CONTEXTS; x++)
					if (c->uses.contexts >> x & 1)
						read[s->columns.data_of[i][c->uses.data]][x] = true;
			}
	for (uint32_t x = 0; x < N_CONTEXTS; x++)
		for (uint32_t d = 0; d < s->columns.n_data; d++)
			if (read[d][x])
				s->use_var[d][x] =
					add_var(s,
						(struct space_var){
							.kind = SPACE_USE, .data = d, .context = x},
						(struct dd_var){.width = 3,
								.dear = SPACE_MAYBE_USED,
								.dear_cost = COST_UNKNOWN,
								.cost = COST_VALUE});
}

static void
add_rows(struct space *s)
{
	s->row_text_var = ARENA_ARRAY(s->arena, uint32_t, s->n_row_columns + 1);
	s->row_int_var = ARENA_ARRAY(s->arena, uint32_t, s->n_row_columns + 1);
	for (uint32_t i = 0; i < s->n_row_columns; i++) {
		if (s->row_texts[i].used)
			s->row_text_var[i] =
				add_var(s, (struct space_var){.kind = SPACE_ROW_TEXT, .column = i},
					valued(s, &s->row_texts[i], false, false));
		if (s->row_ints[i].used)
			s->row_int_var[i] =
				add_var(s, (struct space_var){.kind = SPACE_ROW_INT, .column = i},
					valued(s, &s->row_ints[i], false, false));
	}
}

static uint32_t
larger(void *ctx, uint32_t a, uint32_t b)
{
	(void) ctx;
	return a > b ? a : b;
}

static struct space *
space_make(struct arena *arena, const struct image *const *images, size_t n, bool apart,
	   const char **why)
{
	struct space *s = ARENA_NEW(arena, struct space);
	size_t widest = 0;

	s->arena = arena;
	s->images = images;
	s->n_images = n;
	s->tables_apart = apart;
	*why = "data";
	if (!space_collect(s, why) || !columns_collect(&s->columns, arena, images, n))
		return NULL;
	s->vars = ARENA_ARRAY(arena, struct space_var, SPACE_MAX_VARS);
	s->dd_vars = ARENA_ARRAY(arena, struct dd_var, SPACE_MAX_VARS);
	s->memo = arena_alloc(arena, n * sizeof(*s->memo));
	for (size_t i = 0; i < n; i++)
		s->memo[i] =
			arena_alloc(arena, (2 * images[i]->n_constants + 1) * sizeof(**s->memo));
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		if (order[i] == FACT_USER_KIND)
			add_uses(s);
		if (s->facts[order[i]].used)
			add_fact(s, order[i]);
	}
	add_rows(s);
	*why = "members of sets";
	if (s->n_vars > SPACE_MAX_VARS)
		return NULL;
	for (int f = 0; f < FACT_COUNT; f++)
		widest = s->facts[f].n > widest ? s->facts[f].n : widest;
	for (size_t i = 0; i < s->n_row_columns; i++) {
		widest = s->row_texts[i].n > widest ? s->row_texts[i].n : widest;
		widest = s->row_ints[i].n > widest ? s->row_ints[i].n : widest;
	}
	s->hits = ARENA_ARRAY(arena, uint32_t, widest + 1);
	s->runs = ARENA_ARRAY(arena, struct dd_run, 2 * widest + 2);
	s->dd = dd_new(arena, s->dd_vars, s->n_vars, SPACE_MAX_RUNS);
	s->larger.leaf = larger;
	dd_op_init(s->dd, &s->larger);
	return s;
}

struct space *
space_new(struct arena *arena, const struct image *const *images, size_t n, const char **why)
{
	return space_make(arena, images, n, false, why);
}

struct space *
space_new_apart(struct arena *arena, const struct image *const *images, size_t n, const char **why)
{
	return space_make(arena, images, n, true, why);
}

/* ---- Tests of the machine as diagrams ---- */

static bool
holds(const struct insn *in, const struct value *v, const struct constant *k)
{
	switch ((enum opcode) in->op) {
	case OP_ACTION_IN:
		return action_set_has(&k->actions, (enum action) v->i);
	case OP_STR_GLOB:
	case OP_SET_GLOB:
	case OP_ROW_GLOB:
		return match_glob(k->string, v->s);
	case OP_STR_REGEX:
	case OP_SET_REGEX:
	case OP_ROW_REGEX:
		return match_regex(&k->regex.dfa, v->s);
	case OP_STR_IN:
	case OP_SET_ANY:
	case OP_ROW_IN:
		return match_in(k->strings.v, k->strings.n, v->s);
	case OP_BOOL:
		return v->b;
	case OP_ENUM_IN:
		return k->values.mask >> v->i & 1;
	case OP_NUM_EQ:
	case OP_ROW_EQ:
		return v->i == k->number;
	case OP_NUM_LT:
	case OP_ROW_LT:
		return v->i < k->number;
	case OP_NUM_LE:
	case OP_ROW_LE:
		return v->i <= k->number;
	case OP_ADDR_IN:
		return match_network(k->network.addr, k->network.prefix, v->addr);
	default:
		panic_at(__FILE__, __LINE__, __func__, "an instruction that tests one value");
	}
}

static int
compare_hits(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* The classes for which it holds, ascending, in s->hits. A set of constants needs no look at the
 * others. */
static size_t
find_hits(struct space *s, const struct domain *d, const struct insn *in, const struct constant *k)
{
	bool constants = in->op == OP_STR_IN || in->op == OP_SET_ANY || in->op == OP_ROW_IN;
	size_t n = 0;

	for (size_t i = 0; constants && i < k->strings.n; i++)
		s->hits[n++] = (uint32_t) partition_find(d->strings, k->strings.v[i]);
	if (n > 1)
		qsort(s->hits, n, sizeof(*s->hits), compare_hits);
	for (uint32_t i = 0; !constants && i < d->n; i++) {
		struct value v = {.s = d->strings ? d->strings->classes[i].text
						  : (struct slice){0}};

		if (holds(in, d->strings ? &v : &d->values[i], k))
			s->hits[n++] = i;
	}
	return n;
}

struct outcomes {
	uint32_t yes, no, unknown; /* leaves: does the test come out as asked for? */
};

static uint32_t
test_value(struct space *s, uint32_t var, size_t n_hits, struct outcomes o)
{
	struct dd_run *runs = s->runs;
	size_t n = 0;

	runs[n++] = (struct dd_run){1, o.unknown};
	for (size_t i = 0; i < n_hits; i++) {
		runs[n++] = (struct dd_run){s->hits[i] + 1, o.no};
		runs[n++] = (struct dd_run){s->hits[i] + 2, o.yes};
	}
	runs[n++] = (struct dd_run){s->dd_vars[var].width, o.no};
	return dd_node(s->dd, var, runs, n);
}

static uint32_t
test_set(struct space *s, enum fact f, size_t n_hits, struct outcomes o)
{
	uint32_t any = o.no;

	for (size_t i = n_hits; i > 0; i--) {
		const struct dd_run runs[] = {{1, any}, {2, o.yes}};

		any = dd_node(s->dd, s->member_var[f] - 1 + s->hits[i - 1], runs, 2);
	}
	const struct dd_run known[] = {{1, o.unknown}, {2, any}};

	return dd_node(s->dd, s->fact_var[f] - 1, known, 2);
}

static uint32_t
test_uses(struct space *s, size_t image, const struct constant *k, struct outcomes o)
{
	const uint32_t *vars = s->use_var[s->columns.data_of[image][k->uses.data]];
	uint32_t sure = o.no, maybe = o.unknown;

	for (int x = N_CONTEXTS - 1; x >= 0; x--)
		if (k->uses.contexts >> x & 1) {
			const struct dd_run a[] = {{1, sure}, {2, maybe}, {3, o.yes}};
			const struct dd_run b[] = {{2, maybe}, {3, o.yes}};

			sure = dd_node(s->dd, vars[x] - 1, a, 3);
			maybe = dd_node(s->dd, vars[x] - 1, b, 2);
		}
	return sure;
}

const struct domain *
space_domain(const struct space *s, size_t image, const struct insn *in)
{
	bool number;
	uint32_t column;

	if (!vm_op_reads_row(in->op))
		return &s->facts[in->fact];
	column = s->row_of[image][in->fact];
	number = s->images[image]->constants[in->arg].kind == CONSTANT_NUMBER;
	return number ? &s->row_ints[column] : &s->row_texts[column];
}

static uint32_t
test_row(struct space *s, size_t image, const struct insn *in, const struct constant *k,
	 struct outcomes o)
{
	uint32_t column = s->row_of[image][in->fact];
	bool number = k->kind == CONSTANT_NUMBER;

	return test_value(s, (number ? s->row_int_var : s->row_text_var)[column] - 1,
			  find_hits(s, space_domain(s, image, in), in, k), o);
}

static uint32_t
test_of(struct space *s, size_t image, const struct insn *in, struct outcomes o)
{
	const struct constant *k = in->op == OP_BOOL ? NULL : &s->images[image]->constants[in->arg];
	size_t n;

	if (in->op == OP_USES)
		return test_uses(s, image, k, o);
	if (vm_op_reads_row(in->op))
		return test_row(s, image, in, k, o);
	n = find_hits(s, &s->facts[in->fact], in, k);
	if (fact_info[in->fact].type == TYPE_SET)
		return test_set(s, (enum fact) in->fact, n, o);
	return test_value(s, s->fact_var[in->fact] - 1, n, o);
}

const uint32_t *
space_hits(struct space *s, size_t image, const struct insn *in, size_t *n)
{
	const struct constant *k = in->op == OP_BOOL ? NULL : &s->images[image]->constants[in->arg];

	*n = find_hits(s, space_domain(s, image, in), in, k);
	return s->hits;
}

uint32_t
space_test(struct space *s, size_t image, const struct insn *in, bool outcome)
{
	bool inverted = in->flags & INSN_NOT, unknown = in->flags & INSN_UNKNOWN;
	struct outcomes o = {.yes = dd_leaf(!inverted == outcome),
			     .no = dd_leaf(inverted == outcome),
			     .unknown = dd_leaf(unknown == outcome)};
	uint64_t key = 1 | (uint64_t) in->op << 8 | (uint64_t) inverted << 16 |
		       (uint64_t) unknown << 17 | (uint64_t) in->fact << 32;
	size_t at = 2 * (size_t) in->arg + outcome;

	if (in->op == OP_BOOL)
		return test_of(s, image, in, o);
	if (s->memo[image][at].key != key) {
		s->memo[image][at].root = test_of(s, image, in, o);
		s->memo[image][at].key = key;
	}
	return s->memo[image][at].root;
}

struct slice
space_column_in(const struct space *s, size_t kind, struct slice table)
{
	const struct columns *c = &s->columns;
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;
	const struct image_relation *r;
	struct slice schema, name;

	if (!dot)
		return (struct slice){0};
	schema = slice_of(table.p, (size_t) (dot - table.p));
	name = slice_of(dot + 1, table.n - schema.n - 1);
	r = known_table(s->images, s->n_images, table);
	for (size_t i = 0; r && i < r->n_columns; i++)
		if (columns_find(c, schema, name, r->columns[i]) == (int) kind)
			return r->columns[i];
	for (size_t i = 0; i < c->n_names; i++)
		if (columns_find(c, schema, name, c->names[i]) == (int) kind)
			return c->names[i];
	return (struct slice){0};
}

/* ---- Facts as values ---- */

uint32_t
domain_find(const struct domain *d, enum fact fact, const struct value *v)
{
	switch (fact_info[fact].type) {
	case TYPE_BOOL:
		return v->b;
	case TYPE_INT:
	case TYPE_TIME:
		return domain_find_number(d, v->i);
	case TYPE_STRING:
		return (uint32_t) partition_find(d->strings, v->s);
	case TYPE_ADDRESS:
		for (size_t i = d->n_networks; i > 0; i--)
			if (match_network(d->networks[i - 1].addr, d->networks[i - 1].prefix,
					  v->addr))
				return (uint32_t) i;
		return 0;
	default:
		return (uint32_t) v->i;
	}
}

static uint32_t
value_of_row(const struct space *s, const struct space_var *v, size_t image, const struct facts *f)
{
	const struct image *img = s->images[image];

	for (size_t i = 0; f->row && i < img->n_row_columns; i++) {
		const struct row_value *r = &f->row[i];

		if (s->row_of[image][i] != v->column)
			continue;
		if (v->kind == SPACE_ROW_INT)
			return r->is_int ? 1 + domain_find_number(&s->row_ints[v->column], r->i)
					 : SPACE_UNKNOWN;
		return r->known ? 1 + (uint32_t) partition_find(s->row_texts[v->column].strings,
								r->s)
				: SPACE_UNKNOWN;
	}
	return SPACE_UNKNOWN;
}

static void
mark_members(const struct space *s, enum fact f, const struct value *set, uint32_t *values)
{
	uint32_t *members = &values[s->member_var[f] - 1];

	memset(members, 0, s->facts[f].n * sizeof(*members));
	for (size_t i = 0; set->known && i < set->set.n; i++)
		members[partition_find(s->facts[f].strings, set->set.v[i])] = 1;
}

void
space_values(const struct space *s, size_t image, const struct facts *f, uint32_t *values)
{
	for (size_t i = 0; i < s->n_vars; i++) {
		const struct space_var *v = &s->vars[i];
		const struct value *x = &f->v[v->fact];
		enum tri used;

		switch (v->kind) {
		case SPACE_FACT:
			if (fact_info[v->fact].type == TYPE_SET)
				mark_members(s, v->fact, x, values);
			values[i] = !x->known ? SPACE_UNKNOWN
				    : fact_info[v->fact].type == TYPE_SET
					    ? 1
					    : 1 + domain_find(&s->facts[v->fact], v->fact, x);
			break;
		case SPACE_MEMBER: /* marked with its set, which comes before */
			break;
		case SPACE_USE:
			used = vm_uses(s->columns.data[v->data], f, 1u << v->context);
			values[i] = used == TRI_TRUE	  ? SPACE_USED
				    : used == TRI_UNKNOWN ? SPACE_MAYBE_USED
							  : SPACE_UNUSED;
			break;
		default:
			values[i] = value_of_row(s, v, image, f);
		}
	}
}
