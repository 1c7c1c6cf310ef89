/* SPDX-License-Identifier: MIT
 *
 * Reads list and diagram of verified code back into conditions, and compares them: a diagram that
 * says something else than the rules is a mistake of the compiler, or somebody else's image. Both
 * are read as the machine would run them, over the classes of all that either compares facts with.
 */
#include "compiler/dcode_internal.h"

#include "vm/verify.h"

/* What `in-schema` says is taken as a case for itself: where it is true, the class of the table
 * tells that of the schema. */
enum view { VIEW_OUTSIDE, VIEW_INSIDE, VIEW_COUNT };

struct reading {
	struct space *s;
	const struct image *img;
	enum view view;
	const uint32_t *schema_of; /* of each class of tables: its schema's + 1 */
	bool *marks;		   /* room for one of each schema */
	struct dd_run *runs;	   /* ... and for a run of each table */
	const struct insn *code;
	size_t n;
	uint32_t *reached;
	uint32_t *match, *may; /* by rule */
	uint32_t *lists, list; /* where a diagram goes on with the list */
	size_t n_lists;
};

static uint32_t
is_known(struct space *s, enum fact f)
{
	uint32_t var = s->fact_var[f] - 1;

	return dd_between(s->dd, var, 1, s->dd_vars[var].width);
}

/* True of the tables whose schemas are marked. */
static uint32_t
tables_of(const struct reading *r)
{
	size_t n = r->s->facts[FACT_TABLE].n;

	r->runs[0] = (struct dd_run){1, DD_FALSE};
	for (uint32_t i = 0; i < n; i++)
		r->runs[i + 1] = (struct dd_run){i + 2, dd_leaf(r->marks[r->schema_of[i]])};
	return dd_node(r->s->dd, r->s->fact_var[FACT_TABLE] - 1, r->runs, n + 1);
}

static void
mark_all(const struct reading *r, bool value)
{
	for (size_t i = 0; i <= r->s->facts[FACT_SCHEMA].n; i++)
		r->marks[i] = value;
}

/* As a test of the table. */
static uint32_t
test_schema(const struct reading *r, const struct insn *in, bool outcome)
{
	size_t n_hits;
	const uint32_t *hits = space_hits(r->s, 0, in, &n_hits);
	bool inverted = in->flags & INSN_NOT;

	mark_all(r, inverted == outcome);
	for (size_t i = 0; i < n_hits; i++)
		r->marks[hits[i] + 1] = !inverted == outcome;
	return tables_of(r);
}

/* Where it has by now: code goes forward only, and each input takes one way. */
static uint32_t
has_matched(const struct reading *r, size_t rule)
{
	bool counts = r->img->ranks[rule] == VM_ALLOW; /* of `may`, as in the machine */

	return counts ? dd_or(r->s->dd, r->match[rule], r->may[rule]) : r->match[rule];
}

static uint32_t
test(const struct reading *r, const struct insn *in, bool outcome)
{
	bool inside = r->view == VIEW_INSIDE && in->fact == FACT_SCHEMA && vm_op_reads_fact(in->op);
	uint32_t yes;

	if (in->op == OP_IN_SCHEMA)
		yes = r->view == VIEW_OUTSIDE ? DD_FALSE : DD_TRUE;
	else if (in->op == OP_MATCHED)
		yes = has_matched(r, in->arg);
	else if (in->op == OP_KNOWN)
		yes = inside ? DD_TRUE : is_known(r->s, (enum fact) in->fact);
	else
		return inside ? test_schema(r, in, outcome) : space_test(r->s, 0, in, outcome);
	return !(in->flags & INSN_NOT) == outcome ? yes : dd_not(r->s->dd, yes);
}

/* The test whose outcomes a switch tells apart: false for "none", not known for "unknown". */
static enum opcode
test_of_switch(unsigned op)
{
	switch (op) {
	case OP_ACTION_SWITCH:
		return OP_ACTION_IN;
	case OP_STR_SWITCH:
		return OP_STR_IN;
	case OP_ROW_SWITCH:
		return OP_ROW_IN;
	case OP_ENUM_SWITCH:
		return OP_ENUM_IN;
	default:
		return OP_USES;
	}
}

/* The class that the nth case of a switch is. */
static uint32_t
class_of(const struct reading *r, const struct insn *in, const struct constant *k, size_t nth)
{
	size_t value = 0, n = 0;

	if (in->op == OP_STR_SWITCH || in->op == OP_ROW_SWITCH)
		return (uint32_t) partition_find(space_domain(r->s, 0, in)->strings,
						 k->strings.v[nth]);
	for (; n <= nth; value++)
		n += in->op == OP_ACTION_SWITCH
			     ? action_set_has(&k->actions, (enum action) value)
			     : k->values.mask >> value & 1;
	return (uint32_t) value - 1;
}

static uint32_t
is_class(const struct reading *r, const struct insn *in, uint32_t class)
{
	struct space *s = r->s;
	bool row = vm_op_reads_row(in->op);
	uint32_t var = (row ? s->row_text_var[s->row_of[0][in->fact]] : s->fact_var[in->fact]) - 1;

	if (row || r->view != VIEW_INSIDE || in->fact != FACT_SCHEMA)
		return dd_between(s->dd, var, class + 1, class + 2);
	mark_all(r, false);
	r->marks[class + 1] = true;
	return tables_of(r);
}

static void
read_switch(struct reading *r, size_t at)
{
	const struct insn *in = &r->code[at];
	const struct constant *k = &r->img->constants[in->arg];
	struct insn asked = {
		.op = (uint8_t) test_of_switch(in->op), .fact = in->fact, .arg = in->arg};
	struct dd *d = r->s->dd;
	uint32_t here = r->reached[at], *way = &r->reached[at + 1], yes, no;

	yes = test(r, &asked, true);
	asked.flags = INSN_UNKNOWN;
	no = test(r, &asked, false);
	way[0] = dd_or(d, way[0], dd_without(d, dd_without(d, here, yes), no));
	way[1] = dd_or(d, way[1], dd_and(d, here, no));
	if (in->op == OP_USES_SWITCH) {
		way[2] = dd_or(d, way[2], dd_and(d, here, yes));
		return;
	}
	for (size_t i = 0; i < k->n_cases; i++) {
		uint32_t class = class_of(r, in, k, i);

		way[2 + i] = dd_or(d, way[2 + i],
				   dd_and(d, here, is_class(r, in, class)));
	}
}

/* The inverted matches, where the set has no string that leads to one of theirs: has[] by rule. */
static void
read_exceptions(struct reading *r, size_t at, uint32_t known, const uint32_t *has)
{
	const struct insn *in = &r->code[at];
	struct dd *d = r->s->dd;

	for (const struct insn *match = in + 1; match <= in + in->skip; match++) {
		uint32_t *of = match->op == OP_MATCH ? r->match : r->may;

		if (match->flags & INSN_NOT)
			of[match->arg] =
				dd_or(d, of[match->arg], dd_without(d, known, has[match->arg]));
	}
}

/* The matches of each string where the set has it. Their places are read as any code besides: some
 * way may lead there. */
static void
read_members(struct reading *r, size_t at)
{
	const struct insn *in = &r->code[at];
	const struct constant *k = &r->img->constants[in->arg];
	const struct domain *set = &r->s->facts[in->fact];
	struct dd *d = r->s->dd;
	uint32_t known = dd_and(d, r->reached[at], is_known(r->s, (enum fact) in->fact));
	uint32_t *has_any = ARENA_ARRAY(r->s->arena, uint32_t, r->img->n_rules + 1);

	for (size_t i = 0; i < r->img->n_rules; i++)
		has_any[i] = DD_FALSE;
	for (size_t i = 0; i < k->n_cases; i++) {
		const struct insn *match = in + 1 + i;
		uint32_t var = r->s->member_var[in->fact] - 1 +
			       (uint32_t) partition_find(set->strings, k->strings.v[i]);
		uint32_t has = dd_and(d, known, dd_between(d, var, 1, 2));

		for (bool more = true; more; match += match->skip) {
			uint32_t *of = match->flags & INSN_NOT ? has_any
				       : match->op == OP_MATCH ? r->match
							       : r->may;

			of[match->arg] = dd_or(d, of[match->arg], has);
			more = match->skip > 0;
		}
	}
	read_exceptions(r, at, known, has_any);
}

static void
read_code(struct reading *r, uint32_t start)
{
	struct dd *d = r->s->dd;

	r->reached = ARENA_ARRAY(r->s->arena, uint32_t, r->n + 1);
	for (size_t i = 0; i <= r->n; i++)
		r->reached[i] = i ? DD_FALSE : start;
	r->lists = ARENA_ARRAY(r->s->arena, uint32_t, r->n + 1);
	for (size_t i = 0; i < r->n && !dd_full(d); i++) {
		const struct insn *in = &r->code[i];
		uint32_t here = r->reached[i], *next = &r->reached[i + 1];
		bool sense = in->flags & INSN_SKIP_TRUE;

		if (in->op == OP_END) {
			continue;
		} else if (in->op == OP_LIST) {
			r->lists[r->n_lists++] = here;
		} else if (in->op == OP_MATCH || in->op == OP_MAY) {
			uint32_t *of = in->op == OP_MATCH ? r->match : r->may;

			of[in->arg] = dd_or(d, of[in->arg], here);
			*next = dd_or(d, *next, here);
		} else if (in->op == OP_SET_MATCH) {
			read_members(r, i);
			next[in->skip] = dd_or(d, next[in->skip], here);
		} else if (vm_switch_ways(r->img, in)) {
			read_switch(r, i);
		} else {
			uint32_t *there = next + vm_distance(in);
			uint32_t goes = vm_op_is_test(in->op) ? dd_and(d, here, test(r, in, sense))
							      : here;

			*there = dd_or(d, *there, goes);
			if (vm_op_is_test(in->op))
				*next = dd_or(d, *next, dd_and(d, here, test(r, in, !sense)));
		}
	}
	r->list = dd_or_all(d, r->lists, r->n_lists);
}

/* The commands that a view is of. */
static uint32_t
commands(const struct reading *r)
{
	if (r->view == VIEW_OUTSIDE)
		return DD_TRUE;
	mark_all(r, true);
	r->marks[0] = false;
	return tables_of(r);
}

static void
read_entry(struct reading *r, enum vm_entry e, bool diagram)
{
	const struct image_entry *entry = &r->img->entry[e];

	r->code = diagram ? entry->diagram : entry->code;
	r->n = diagram ? entry->n_diagram : entry->n;
	r->match = ARENA_ARRAY(r->s->arena, uint32_t, r->img->n_rules + 1);
	r->may = ARENA_ARRAY(r->s->arena, uint32_t, r->img->n_rules + 1);
	for (size_t i = 0; i < r->img->n_rules; i++)
		r->match[i] = r->may[i] = DD_FALSE;
	read_code(r, commands(r));
}

/* The diagram matches nothing that the list does not, and what it leaves out it leaves to that. */
static bool
same(struct dd *d, uint32_t list, uint32_t diagram, uint32_t left)
{
	return list == diagram ||
	       (dd_without(d, diagram, list) == DD_FALSE &&
		dd_without(d, dd_without(d, list, diagram), left) == DD_FALSE);
}

/* The first rule about which they differ, or n_rules. */
static size_t
first_difference(struct space *s, enum vm_entry e, enum view view, const uint32_t *schema_of)
{
	struct reading list = {.s = s, .img = s->images[0], .view = view, .schema_of = schema_of};
	struct reading diagram;
	size_t i = 0;

	list.marks = ARENA_ARRAY(s->arena, bool, s->facts[FACT_SCHEMA].n + 1);
	list.runs = ARENA_ARRAY(s->arena, struct dd_run, s->facts[FACT_TABLE].n + 1);
	diagram = list;
	read_entry(&list, e, false);
	read_entry(&diagram, e, true);
	while (i < s->images[0]->n_rules &&
	       same(s->dd, list.match[i], diagram.match[i], diagram.list) &&
	       same(s->dd, list.may[i], diagram.may[i], diagram.list))
		i++;
	return i;
}

static bool
asks_in_schema(const struct image_entry *entry)
{
	for (size_t i = 0; i < entry->n_diagram; i++)
		if (entry->diagram[i].op == OP_IN_SCHEMA)
			return true;
	return false;
}

bool
dcode_agrees(struct space *s, struct slice *why, bool *unsure)
{
	const struct image *img = s->images[0];
	const uint32_t *schema_of = NULL;
	size_t rule = img->n_rules;

	for (int e = 0; e < ENTRY_COUNT && !dd_full(s->dd); e++) {
		int views = asks_in_schema(&img->entry[e]) ? VIEW_COUNT : VIEW_INSIDE;

		if (views == VIEW_COUNT && !schema_of) {
			*unsure = !dcode_schemas_plain(s);
			if (*unsure)
				return true;
			schema_of = dcode_schemas(s);
		}
		for (int v = 0; v < views && rule == img->n_rules && img->entry[e].n_diagram; v++)
			rule = first_difference(s, (enum vm_entry) e, (enum view) v, schema_of);
		if (rule < img->n_rules && !why->p)
			*why = slice_str(arena_printf(s->arena, "%.*s (%s)",
						      SLICE_ARG(img->rules[rule].name),
						      entry_info[e].name));
	}
	*unsure = dd_full(s->dd);
	return *unsure || rule == img->n_rules;
}
