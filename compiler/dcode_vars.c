/* SPDX-License-Identifier: MIT
 *
 * The conditions of the rules of an entry point over the variables that code can ask for. A fact is
 * one variable of the classes of its space; unlike there, a set has a variable for each test of it,
 * because that is what the machine can test. A table and its schema are one where the command's
 * table is in its schema, which `in-schema` asks: there classes of tables tell those of schemas.
 */
#include "compiler/dcode_internal.h"

#include "vm/match.h"
#include "vm/verify.h"


/* What divides rules most comes first, as in space.c; groups last, where one look tells which of
 * the rules that ask for nothing else match (dcode_members.c). */
static const enum fact fact_order[] = {
	FACT_ACTION,	   FACT_TARGET_PROTOCOL, FACT_TARGET_NAME,	  FACT_TABLE,
	FACT_SCHEMA,	   FACT_FUNCTION,	 FACT_SETTING,		  FACT_SQL_WHERE,
	FACT_COLUMNS,	   FACT_SQL_WHERE_CONSTANT, FACT_SQL_STATEMENTS,  FACT_SQL_PARAMETERS,
	FACT_SQL_IN_TRANSACTION, FACT_SQL_TEXT,	 FACT_USER_KIND,	  FACT_USER_NAME,
	FACT_CLIENT_ADDRESS, FACT_CLIENT_APPLICATION, FACT_CLIENT_TLS,	  FACT_TIME_WEEKDAY,
	FACT_TIME_OF_DAY,    FACT_USER_GROUPS,
};
static_assert(COUNT_OF(fact_order) == FACT_COUNT, "every fact has its place in the order");

enum { MAX_VARS = 1 << 15, MAX_RUNS = 1 << 22 };

struct slice
dcode_schema_of(struct slice table)
{
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;
	size_t n = dot ? (size_t) (dot - table.p) : 0;

	if (!dot || memchr(dot + 1, '.', table.n - n - 1))
		return (struct slice){0};
	return slice_of(table.p, n);
}

bool
dcode_schemas_plain(const struct space *s)
{
	const struct domain *d = &s->facts[FACT_SCHEMA];

	if (!d->used || !s->facts[FACT_TABLE].used)
		return false;
	for (size_t i = 0; i < d->strings->n_constants; i++) {
		struct slice c = d->strings->constants[i];

		if (c.n && (memchr(c.p, '*', c.n) || memchr(c.p, '.', c.n)))
			return false;
	}
	for (size_t i = 0; i < d->strings->n_globs; i++)
		if (memchr(d->strings->globs[i].p, '.', d->strings->globs[i].n))
			return false;
	return true;
}

/* Is the name, and so is every one of its class, one that begins with such a schema? */
static bool
match_beginning(const struct space *s, size_t sign, struct slice name)
{
	const struct partition *p = s->facts[FACT_SCHEMA].strings;
	const uint8_t *dot = name.n ? memchr(name.p, '.', name.n) : NULL;

	if (sign >= p->n_globs)
		return dot && partition_matches(p, sign,
						slice_of(name.p, (size_t) (dot - name.p)));
	return match_glob(slice_str(arena_printf(s->arena, "%.*s.*", SLICE_ARG(p->globs[sign]))),
			  name);
}

/* Constants have no dot. */
static bool
has_schema(struct slice table, struct slice schema)
{
	return table.n > schema.n && table.p[schema.n] == '.' &&
	       slice_eq(slice_of(table.p, schema.n), schema);
}

/* Can a name of the class be in the schema and have one dot? Of the patterns P.* without another
 * dot it matches those whose P the schema does: "a.b-eu.c" is in "*-eu.*", and no "a.c" is. */
static bool
has_one_dot_in(const struct partition *tables, size_t table, struct slice schema)
{
	for (size_t g = 0; g < tables->n_globs; g++) {
		struct slice p = tables->globs[g];
		bool has = tables->signs[table * tables->sign_words + g / 64] >> g % 64 & 1;

		if (p.n < 2 || p.p[p.n - 1] != '*' || p.p[p.n - 2] != '.' ||
		    memchr(p.p, '.', p.n - 2))
			continue;
		if (match_glob(slice_of(p.p, p.n - 2), schema) != has)
			return false;
	}
	return true;
}

/* Of a class of tables that is shown by a name without one schema: the class of the schemas, + 1,
 * that match the patterns which names of the class begin with. Those with one dot, if there are
 * any, have such a schema; 0: there are none. */
static uint32_t
odd_schema(const struct space *s, size_t table)
{
	const struct partition *p = s->facts[FACT_SCHEMA].strings;
	struct slice name = s->facts[FACT_TABLE].strings->classes[table].text;
	bool *want = ARENA_ARRAY(s->arena, bool, p->n_signs + 1);
	size_t constant = p->n_constants, n = 0;

	for (size_t i = 0; i < p->n_constants; i++)
		if (has_schema(name, p->constants[i])) {
			constant = i;
			n++;
		}
	if (n == 1 && !has_one_dot_in(s->facts[FACT_TABLE].strings, table, p->constants[constant]))
		return 0;
	for (size_t i = 0; i < p->n_signs; i++)
		want[i] = match_beginning(s, i, name);
	for (uint32_t c = 0; c < p->n && n <= 1; c++) {
		size_t g = 0;

		if (n ? c != p->constant_class[constant] : p->classes[c].constant)
			continue;
		while (g < p->n_signs && partition_has(p, c, g) == want[g])
			g++;
		if (g == p->n_signs)
			return c + 1;
	}
	return 0;
}

uint32_t *
dcode_schemas(const struct space *s)
{
	const struct domain *tables = &s->facts[FACT_TABLE];
	uint32_t *of = ARENA_ARRAY(s->arena, uint32_t, tables->n + 1);

	for (size_t i = 0; i < tables->n; i++) {
		const struct class *c = &tables->strings->classes[i];
		struct slice name = dcode_schema_of(c->text);

		if (name.p)
			of[i] = 1 + (uint32_t) partition_find(s->facts[FACT_SCHEMA].strings, name);
		else if (!c->constant)
			of[i] = odd_schema(s, i);
	}
	return of;
}

static uint32_t
add_var(struct dcode_vars *v, struct dvar var, size_t width)
{
	if (v->n < MAX_VARS) {
		v->vars[v->n] = var;
		v->dd_vars[v->n] = (struct dd_var){.width = (uint32_t) width};
	}
	return (uint32_t) ++v->n;
}

static uint32_t
find_test(const struct dcode_vars *v, const struct insn *in)
{
	for (uint32_t i = v->test_var[in->arg]; i; i = v->next[i - 1])
		if (v->vars[i - 1].op == (enum opcode) in->op && v->vars[i - 1].fact == in->fact)
			return i;
	return 0;
}

/* One variable for each test of the fact, or of uses (FACT_COUNT), in the order of the code. */
static void
add_tests(struct dcode_vars *v, enum fact fact)
{
	for (size_t i = 0; i < v->entry->n; i++) {
		const struct insn *in = &v->entry->code[i];
		bool uses = in->op == OP_USES;
		uint32_t var;

		if (!(uses && fact == FACT_COUNT) &&
		    !(vm_op_reads_fact(in->op) && in->fact == fact))
			continue;
		if (v->n >= MAX_VARS || find_test(v, in))
			continue;
		var = add_var(v,
			      (struct dvar){uses ? DVAR_USES : DVAR_MEMBER, (enum opcode) in->op,
					    (enum fact) in->fact, in->arg},
			      uses ? 3 : 2);
		v->next[var - 1] = v->test_var[in->arg];
		v->test_var[in->arg] = var;
	}
}

static void
add_rows(struct dcode_vars *v)
{
	for (uint16_t i = 0; i < v->img->n_row_columns; i++) {
		uint32_t column = v->s->row_of[0][i];

		if (v->s->row_texts[column].used)
			v->text_var[i] =
				add_var(v, (struct dvar){.kind = DVAR_TEXT, .constant = i},
					v->s->row_texts[column].n + 1);
		if (v->s->row_ints[column].used)
			v->int_var[i] = add_var(v, (struct dvar){.kind = DVAR_INT, .constant = i},
						v->s->row_ints[column].n + 1);
	}
}

static void
add_vars(struct dcode_vars *v, enum vm_entry e)
{
	bool read[FACT_COUNT] = {0};

	if (e == ENTRY_ROW)
		add_rows(v);
	for (size_t i = 0; i < v->entry->n; i++)
		if (vm_op_reads_fact(v->entry->code[i].op))
			read[v->entry->code[i].fact] = true;
	for (size_t i = 0; i < COUNT_OF(fact_order); i++) {
		enum fact f = fact_order[i];
		struct dvar var = {.kind = DVAR_FACT, .fact = f};
		size_t width = v->s->facts[f].n + 1;

		if (f == FACT_USER_KIND)
			add_tests(v, FACT_COUNT);
		if (!read[f])
			continue;
		if (f == FACT_TABLE && read[FACT_SCHEMA] && dcode_schemas_plain(v->s)) {
			v->inside_var = add_var(v, (struct dvar){.kind = DVAR_INSIDE}, 2);
			v->object_var = add_var(v, (struct dvar){.kind = DVAR_OBJECT}, width);
		}
		if (fact_info[f].type == TYPE_SET) {
			var.kind = DVAR_KNOWN;
			v->fact_var[f] = add_var(v, var, 2);
			add_tests(v, f);
		} else {
			v->fact_var[f] = add_var(v, var, width);
		}
	}
}

/* Whether they have matched comes last of all. */
static void
add_outcomes(struct dcode_vars *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->entry->n; i++)
		n += v->entry->code[i].op == OP_MATCH || v->entry->code[i].op == OP_MAY;
	if (v->n + n > MAX_VARS)
		return;
	v->matched_var = (uint32_t) v->n + 1;
	for (size_t i = 0; i < n; i++)
		add_var(v, (struct dvar){.kind = DVAR_MATCHED, .constant = (uint16_t) i}, 2);
}

/* ---- Tests ---- */

/* Where the schema of the classes of tables passes. */
static const uint32_t *
schema_hits(struct dcode_vars *v, const struct insn *in, size_t *n)
{
	const uint32_t *hits = space_hits(v->s, 0, in, n);
	bool *marks = v->marks;

	memset(marks, 0, (v->s->facts[FACT_SCHEMA].n + 1) * sizeof(*marks));
	for (size_t i = 0; i < *n; i++)
		marks[hits[i] + 1] = true;
	*n = 0;
	for (uint32_t i = 0; i < v->s->facts[FACT_TABLE].n; i++)
		if (marks[v->schema_of[i]])
			v->hits[(*n)++] = i;
	return v->hits;
}

struct outcomes {
	uint32_t yes, no, unknown;
};

static uint32_t
test_classes(struct dcode_vars *v, uint32_t var, const uint32_t *hits, size_t n_hits,
	     struct outcomes o)
{
	size_t n = 0;

	v->runs[n++] = (struct dd_run){1, o.unknown};
	for (size_t i = 0; i < n_hits; i++) {
		v->runs[n++] = (struct dd_run){hits[i] + 1, o.no};
		v->runs[n++] = (struct dd_run){hits[i] + 2, o.yes};
	}
	v->runs[n++] = (struct dd_run){v->dd_vars[var].width, o.no};
	return dd_node(v->dd, var, v->runs, n);
}

static uint32_t
test_fact(struct dcode_vars *v, const struct insn *in, struct outcomes o)
{
	size_t n_hits;
	const uint32_t *hits = space_hits(v->s, 0, in, &n_hits);
	uint32_t plain = test_classes(v, v->fact_var[in->fact] - 1, hits, n_hits, o);
	struct dd_run inside[] = {{1, plain}, {2, 0}};

	if (!v->inside_var || (in->fact != FACT_TABLE && in->fact != FACT_SCHEMA))
		return plain;
	if (in->fact == FACT_SCHEMA)
		hits = schema_hits(v, in, &n_hits);
	o.unknown = o.no; /* both are known */
	inside[1].child = test_classes(v, v->object_var - 1, hits, n_hits, o);
	return dd_node(v->dd, v->inside_var - 1, inside, 2);
}

static uint32_t
test_row(struct dcode_vars *v, const struct insn *in, struct outcomes o)
{
	bool number = v->img->constants[in->arg].kind == CONSTANT_NUMBER;
	size_t n_hits;
	const uint32_t *hits = space_hits(v->s, 0, in, &n_hits);

	return test_classes(v, (number ? v->int_var : v->text_var)[in->fact] - 1, hits, n_hits, o);
}

static uint32_t
test_set(struct dcode_vars *v, const struct insn *in, struct outcomes o)
{
	const struct dd_run member[] = {{1, o.no}, {2, o.yes}};
	const struct dd_run known[] = {
		{1, o.unknown}, {2, dd_node(v->dd, find_test(v, in) - 1, member, 2)}};

	return dd_node(v->dd, v->fact_var[in->fact] - 1, known, 2);
}

static uint32_t
test_of(struct dcode_vars *v, const struct insn *in, bool outcome)
{
	bool inverted = in->flags & INSN_NOT, unknown = in->flags & INSN_UNKNOWN;
	struct outcomes o = {.yes = dd_leaf(!inverted == outcome),
			     .no = dd_leaf(inverted == outcome),
			     .unknown = dd_leaf(unknown == outcome)};
	const struct dd_run uses[] = {{1, o.no}, {2, o.unknown}, {3, o.yes}};

	if (in->op == OP_USES)
		return dd_node(v->dd, find_test(v, in) - 1, uses, 3);
	if (vm_op_reads_row(in->op))
		return test_row(v, in, o);
	if (fact_info[in->fact].type == TYPE_SET)
		return test_set(v, in, o);
	return test_fact(v, in, o);
}

static uint32_t
test(struct dcode_vars *v, const struct insn *in, bool outcome)
{
	uint64_t key = UINT64_C(1) << 63 | (uint64_t) in->op << 48 | (uint64_t) in->fact << 32 |
		       (uint64_t) in->arg << 8 |
		       (in->flags & (unsigned) (INSN_NOT | INSN_UNKNOWN)) << 1 | outcome;
	size_t at = (size_t) ((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & v->memo_mask;

	if (v->memo[at].key != key) {
		v->memo[at].root = test_of(v, in, outcome);
		v->memo[at].key = key;
	}
	return v->memo[at].root;
}

/* Code only jumps forward: one pass knows under which condition each instruction is reached. */
static void
find_outcomes(struct dcode_vars *v)
{
	const struct image_entry *entry = v->entry;
	uint32_t *reached = ARENA_ARRAY(v->arena, uint32_t, entry->n + 1);
	struct dd *d = v->dd;

	for (size_t i = 0; i <= entry->n; i++)
		reached[i] = i ? DD_FALSE : DD_TRUE;
	for (size_t i = 0; i + 1 < entry->n && !dd_full(d); i++) {
		const struct insn *in = &entry->code[i];
		bool sense = in->flags & INSN_SKIP_TRUE;
		uint32_t *next = &reached[i + 1], *there = &reached[i + 1 + in->skip];

		if (in->op == OP_MATCH || in->op == OP_MAY) {
			if (reached[i] != DD_FALSE)
				v->outcomes[v->n_outcomes++] =
					(struct outcome){reached[i], in->op, in->arg};
			*next = dd_or(d, *next, reached[i]);
		} else if (in->op == OP_JUMP) {
			*there = dd_or(d, *there, reached[i]);
		} else {
			*there = dd_or(d, *there, dd_and(d, reached[i], test(v, in, sense)));
			*next = dd_or(d, *next, dd_and(d, reached[i], test(v, in, !sense)));
		}
	}
}

bool
dcode_vars_init(struct dcode_vars *v, struct space *s, enum vm_entry e, struct arena *arena)
{
	size_t widest = 3, memo = 1024, n_constants = s->images[0]->n_constants, most;

	*v = (struct dcode_vars){
		.arena = arena, .s = s, .img = s->images[0], .entry = &s->images[0]->entry[e]};
	if (v->entry->n < 2)
		return false;
	most = 2 * (v->entry->n + FACT_COUNT + VM_MAX_ROW_COLUMNS);
	most = most < MAX_VARS ? most : MAX_VARS;
	v->vars = ARENA_ARRAY(arena, struct dvar, most);
	v->dd_vars = ARENA_ARRAY(arena, struct dd_var, most);
	v->next = ARENA_ARRAY(arena, uint32_t, most + 1);
	v->test_var = ARENA_ARRAY(arena, uint32_t, n_constants + 1);
	add_vars(v, e);
	add_outcomes(v);
	for (int f = 0; f < FACT_COUNT; f++)
		widest = s->facts[f].n > widest ? s->facts[f].n : widest;
	for (size_t i = 0; i < s->n_row_columns; i++) {
		widest = s->row_texts[i].n > widest ? s->row_texts[i].n : widest;
		widest = s->row_ints[i].n > widest ? s->row_ints[i].n : widest;
	}
	if (v->inside_var) {
		v->schema_of = dcode_schemas(s);
		v->marks = ARENA_ARRAY(arena, bool, s->facts[FACT_SCHEMA].n + 1);
	}
	v->hits = ARENA_ARRAY(arena, uint32_t, widest + 1);
	v->runs = ARENA_ARRAY(arena, struct dd_run, 2 * widest + 2);
	v->outcomes = ARENA_ARRAY(arena, struct outcome, v->entry->n + 1);
	while (memo < 4 * n_constants)
		memo *= 2;
	v->memo = arena_alloc(arena, memo * sizeof(*v->memo));
	v->memo_mask = memo - 1;
	v->dd = dd_new(arena, v->dd_vars, v->n, v->n > MAX_VARS ? 0 : MAX_RUNS);
	if (v->n > MAX_VARS)
		return false;
	find_outcomes(v);
	return !dd_full(v->dd) && v->n_outcomes > 0;
}
