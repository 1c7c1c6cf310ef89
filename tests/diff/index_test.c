/* SPDX-License-Identifier: MIT
 *
 * Policies of many rules over many tables, groups and targets: by the code of the diagram, by the
 * list with the index that the loader makes, and by the list without it a decision must be the
 * same, for whatever is known of a command. diff_test.c compares small policies with the reference.
 * Each index is then broken in every way, which the check at load must notice where it matters.
 *
 *   DIFF_SEED=N   another sequence (printed); DIFF_PAIRS=N  how many pairs of policy and facts
 */
#include "base/clock.h"
#include "compiler/compile.h"
#include "vm/index_internal.h"

#include "tests/unit/test.h"
#include "tests/diff/random.h"

enum { FACTS_PER_POLICY = 400, MAX_RULES = 600 };
#ifdef WEIR_ASAN
enum { DEFAULT_PAIRS = 12 * 1000 };
#else
enum { DEFAULT_PAIRS = 50 * 1000 };
#endif

static const char *const actions[] = {"sql",	    "sql.read", "sql.select", "sql.basics",
				      "sql.write",  "sql.ddl",  "sql.drop",   "sql.unparsed",
				      "sql.update", "sql.insert"};
static const enum action leaves[] = {ACTION_SQL_SELECT, ACTION_SQL_UPDATE, ACTION_SQL_DROP,
				     ACTION_SQL_BEGIN, ACTION_SQL_UNPARSED, ACTION_SQL_INSERT};
static const char *const kinds[] = {"human", "service", "agent"};

/* How many different ones the policy at hand and its facts have. */
static uint32_t n_groups, n_tables, n_targets;

/* ---- Policies ---- */

static void
gen_groups(struct buf *b)
{
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
		buf_printf(b, "%s g%u", i ? "," : "", rnd(n_groups));
}

static void
gen_test(struct buf *b, bool of_effect)
{
	static const char *const signs[] = {"=", "=", "=", "!="};

	switch (rnd(of_effect ? 9 : 4)) {
	case 0:
		buf_printf(b, "user.kind %s %s", PICK(signs), PICK(kinds));
		break;
	case 1:
		buf_printf(b, "user.name in {\"u%u\", \"u%u\"}", rnd(n_groups), rnd(n_groups));
		break;
	case 2:
		buf_printf(b, "client.application %s \"a%u\"", PICK(signs), rnd(4));
		break;
	case 3:
		buf_printf(b, "g%u in user.groups", rnd(n_groups));
		break;
	case 4:
		buf_printf(b, "table in {\"app.t%u\", \"app.t%u\", \"app.t%u\"}", rnd(n_tables),
			   rnd(n_tables), rnd(n_tables));
		break;
	case 5:
		buf_printf(b, "table matches \"app.t%u*\"", rnd(n_tables));
		break;
	case 6:
		buf_printf(b, "\"c%u\" in columns", rnd(6));
		break;
	case 7:
		buf_puts(b, rnd(2) ? "not sql.where" : "sql.where");
		break;
	default:
		buf_printf(b, "table %s \"app.t%u\"", PICK(signs), rnd(n_tables));
	}
}

static void
gen_expr(struct buf *b, bool of_effect, unsigned depth)
{
	uint32_t what = depth ? rnd(6) : 5;

	if (what < 3) {
		buf_putc(b, '(');
		gen_expr(b, of_effect, depth - 1);
		buf_puts(b, what < 2 ? " and " : " or ");
		gen_expr(b, of_effect, depth - 1);
		buf_putc(b, ')');
	} else if (what == 3) {
		buf_puts(b, "not (");
		gen_expr(b, of_effect, depth - 1);
		buf_putc(b, ')');
	} else {
		gen_test(b, of_effect);
	}
}

static void
gen_rule(struct buf *b, unsigned index)
{
	static const char *const words[] = {"allow", "allow", "deny", "hold", "mask", "drop"};
	const char *kind = PICK(words);
	bool shows = kind[0] == 'm' || kind[1] == 'r';

	buf_printf(b, "%s r%u", kind, index);
	if (shows)
		buf_puts(b, kind[0] == 'm' ? " of d with last(4)" : " of d");
	if (rnd(3)) {
		buf_puts(b, " who");
		gen_groups(b);
	}
	if (rnd(4) == 0)
		buf_printf(b, " on t%u", rnd(n_targets));
	if (!shows && rnd(4))
		buf_printf(b, " do %s, %s", PICK(actions), PICK(actions));
	if (rnd(3)) {
		buf_puts(b, " when ");
		gen_expr(b, !shows, rnd(3));
	}
	if (shows && rnd(2))
		buf_printf(b, " when row.c%u = %u", rnd(4), rnd(3));
	if (rnd(5) == 0) {
		buf_puts(b, " unless who");
		gen_groups(b);
	}
	if (kind[0] == 'h')
		buf_puts(b, " for 1 of g0 not self within 5m");
	buf_putc(b, '\n');
}

static void
gen_policy(struct buf *b)
{
	unsigned n_rules = 1 + rnd(MAX_RULES);

	n_groups = 1 + rnd(40);
	n_tables = 1 + rnd(80);
	n_targets = 1 + rnd(5);
	buf_puts(b, "policy random\ndata d = column app.orders.pan\n");
	for (unsigned i = 0; i < n_groups; i++)
		buf_printf(b, "group g%u = idp \"g%u\"\n", i, i);
	for (unsigned i = 0; i < n_targets; i++)
		buf_printf(b, "target t%u = postgres \"%s%u\"\n", i, rnd(2) ? "db" : "*", i);
	for (unsigned i = 0; i < n_rules; i++)
		gen_rule(b, i);
}

/* ---- Facts ---- */

struct scene {
	struct facts f;
	struct slice sets[2][4];
	char text[8][24];
	struct row_value row[VM_MAX_ROW_COLUMNS];
	unsigned n_text;
};

static struct slice
name(struct scene *s, const char *prefix, uint32_t n)
{
	char *p = s->text[s->n_text++];

	snprintf(p, sizeof(s->text[0]), "%s%u", prefix, n);
	return slice_str(p);
}

/* Names that the policy does not have are in it too. */
static void
gen_facts(struct scene *s, const struct image *img)
{
	static const char *const members[] = {"g0", "g1", "g2", "g3", "g5", "g8", "g13", "g21",
					      "g34", "other"};
	static const char *const columns[] = {"c0", "c1", "c2", "c3", "id"};
	struct facts *f = &s->f;
	size_t n_members = rnd(5), n_columns = rnd(5);

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < n_members; i++)
		s->sets[0][i] = slice_str(PICK(members)); /* now and then one twice */
	for (size_t i = 0; i < n_columns; i++)
		s->sets[1][i] = slice_str(PICK(columns));
	facts_set(f, FACT_USER_GROUPS, s->sets[0], n_members);
	facts_set(f, FACT_COLUMNS, s->sets[1], n_columns);
	facts_string(f, FACT_USER_NAME, name(s, "u", rnd(n_groups)));
	facts_string(f, FACT_CLIENT_APPLICATION, name(s, "a", rnd(5)));
	facts_string(f, FACT_TARGET_NAME, name(s, rnd(2) ? "db" : "xdb", rnd(n_targets + 1)));
	facts_string(f, FACT_TABLE, name(s, rnd(9) ? "app.t" : "", rnd(n_tables + 2)));
	facts_int(f, FACT_USER_KIND, rnd(USER_KIND_COUNT));
	facts_int(f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	facts_int(f, FACT_ACTION, PICK(leaves));
	facts_bool(f, FACT_SQL_WHERE, rnd(2));
	for (int i = 0; i < FACT_COUNT; i++)
		if (rnd(10) == 0)
			facts_unknown(f, (enum fact) i);
	f->row = rnd(4) ? s->row : NULL;
	for (size_t i = 0; i < img->n_row_columns; i++) {
		s->row[i] = (struct row_value){.known = rnd(3), .is_int = true, .i = rnd(3)};
		s->row[i].s = slice_of("012" + s->row[i].i, 1);
	}
}

/* ---- The comparison ---- */

static uint64_t saved_ops, plain_ops, matched, indexes, diagrams, diagram_ops, index_ops;

static bool
same(const struct decision *got, const struct decision *want)
{
	if (got->verdict != want->verdict || got->by_default != want->by_default)
		return false;
	for (int r = -1; (r = decision_next(want, r)) >= 0; matched++)
		if (decision_next(got, r - 1) != r)
			return false;
	for (int r = -1; (r = decision_next(got, r)) >= 0;)
		if (decision_next(want, r - 1) != r)
			return false;
	return true;
}

static bool
agree(const struct image *img, const struct image *plain, enum vm_entry e, const struct facts *f)
{
	struct decision got, want;

	vm_decide(img, e, f, &got);
	vm_decide(plain, e, f, &want);
	plain_ops += want.ops;
	saved_ops += want.ops - got.ops;
	return same(&got, &want) && got.ops <= want.ops;
}

static bool
diagram_agrees(const struct image *img, const struct image *list, enum vm_entry e,
	       const struct facts *f)
{
	struct decision got, want;

	if (!img->entry[e].n_diagram)
		return true;
	vm_decide(img, e, f, &got);
	vm_decide(list, e, f, &want);
	diagrams++;
	diagram_ops += got.ops;
	index_ops += want.ops;
	return same(&got, &want) && got.ops <= img->entry[e].cost;
}

/* ---- Indexes that are wrong ---- */

enum { BREAKS_PER_INDEX = 25, FACTS_PER_BREAK = 12 };

enum way {
	LOSE_VALUE,
	CHANGE_VALUE,
	CHANGE_CHILD,
	CHANGE_COUNT,
	CHANGE_REF,
	SWAP_CONSTANTS,
	SWAP_NODES,
	LOSE_UNKNOWN,
	LOSE_PREFIX,
	CHANGE_FACT,
	CHANGE_CODE,
	CUT_CODE,
	LOSE_SPLIT,
	WAYS
};

static uint64_t broken[WAYS], noticed[WAYS];

struct parts {
	struct index_node *nodes[4096];
	struct index_split *splits[4096];
	size_t n_nodes, n_splits;
};

static void
add_parts(struct parts *p, const struct index_node *n)
{
	if (p->n_nodes == COUNT_OF(p->nodes))
		return;
	p->nodes[p->n_nodes++] = (struct index_node *) (uintptr_t) n;
	for (uint32_t i = 0; i < n->n_splits && p->n_splits < COUNT_OF(p->splits); i++) {
		const struct index_split *s = &n->splits[i];

		p->splits[p->n_splits++] = (struct index_split *) (uintptr_t) s;
		for (uint32_t k = 0; k < s->n_children; k++)
			add_parts(p, &s->children[k].node);
		if (s->unknown)
			add_parts(p, s->unknown);
	}
}

static struct insn *
some_insn(const struct index_node *n)
{
	size_t len = 0;

	while (n->code && n->code[len].op != OP_END)
		len++;
	return len ? (struct insn *) (uintptr_t) &n->code[rnd((uint32_t) len)] : NULL;
}

static void
change_insn(struct insn *in)
{
	switch (rnd(3)) {
	case 0:
		in->flags ^= (uint8_t) (1u << rnd(3));
		break;
	case 1:
		in->op = OP_JUMP;
		break;
	default:
		in->skip = 0;
	}
}

/* False where there is nothing of the kind. */
static bool
break_split(struct index_split *s, struct index_slot *slot, struct index_child *a,
	    struct index_child *b, uint32_t *ref, enum way way)
{
	struct index_child old = *a;

	switch (way) {
	case LOSE_VALUE:
		slot->id = 0;
		return true;
	case CHANGE_VALUE:
		slot->id = slot->id % 3 + 1;
		return true;
	case CHANGE_CHILD:
		slot->first = rnd(s->n_children + 1);
		return slot->n == 1;
	case CHANGE_COUNT:
		slot->n = rnd(3);
		return true;
	case CHANGE_REF:
		*ref = rnd(s->n_children + 1);
		return true;
	case SWAP_CONSTANTS:
		a->constant = b->constant;
		b->constant = old.constant;
		return true;
	case SWAP_NODES:
		a->node = b->node;
		b->node = old.node;
		return true;
	case LOSE_UNKNOWN:
		s->unknown = NULL;
		return true;
	case LOSE_PREFIX:
		s->prefixes &= s->prefixes - 1;
		return true;
	default:
		s->fact = s->fact == FACT_TABLE ? FACT_USER_NAME : FACT_TABLE;
		return fact_info[s->fact].type == TYPE_STRING;
	}
}

static bool
break_node(struct index_node *n, struct insn *in, enum way way)
{
	if (way == LOSE_SPLIT) {
		n->n_splits--;
		return true;
	}
	if (way == CUT_CODE)
		*in = (struct insn){.op = OP_END};
	else
		change_insn(in);
	return true;
}

/* What the check does not notice must make no difference. */
static void
judge_break(const struct image *img, const struct image *plain, enum vm_entry e, enum way way)
{
	struct decision got, want;
	struct scene scene;

	broken[way]++;
	if (!vm_index_leaves_nothing_out(img->entry[e].index, img, e)) {
		noticed[way]++;
		return;
	}
	for (int i = 0; i < FACTS_PER_BREAK; i++) {
		gen_facts(&scene, img);
		vm_decide(img, e, &scene.f, &got);
		vm_decide(plain, e, &scene.f, &want);
		CHECK(same(&got, &want));
		if (test_failures) {
			printf("# way %d\n", (int) way);
			return;
		}
	}
}

static void
break_one(const struct image *img, const struct image *plain, enum vm_entry e,
	  const struct parts *p, enum way way)
{
	struct index_node *n = p->nodes[rnd((uint32_t) p->n_nodes)], old_node = *n;
	struct index_split *s = p->splits[rnd((uint32_t) p->n_splits)], old_split = *s;
	struct index_slot *slot = (struct index_slot *) (uintptr_t) &s->slots[rnd(s->mask + 1)];
	struct index_child *a = (struct index_child *) (uintptr_t) s->children, *b = a;
	uint32_t *ref = (uint32_t *) (uintptr_t) &s->refs[rnd(s->n_refs)], old_ref = *ref;
	struct index_slot old_slot = *slot;
	struct insn *in = some_insn(n), old_insn = in ? *in : (struct insn){0};
	struct index_child old_a, old_b;

	a += rnd(s->n_children);
	b += rnd(s->n_children);
	old_a = *a;
	old_b = *b;
	if (way >= CHANGE_CODE) {
		if ((way == LOSE_SPLIT ? n->n_splits > 0 : in != NULL) && break_node(n, in, way))
			judge_break(img, plain, e, way);
	} else if (slot->id && break_split(s, slot, a, b, ref, way)) {
		judge_break(img, plain, e, way);
	}
	*n = old_node;
	*s = old_split;
	*slot = old_slot;
	*ref = old_ref;
	*b = old_b;
	*a = old_a;
	if (in)
		*in = old_insn;
}

static void
break_indexes(const struct image *img, const struct image *plain)
{
	static struct parts parts;

	for (int i = 0; i < ENTRY_COUNT; i++) {
		enum vm_entry e = (enum vm_entry) i;
		const struct vm_index *x = img->entry[e].index;

		parts.n_nodes = parts.n_splits = 0;
		if (x)
			add_parts(&parts, &x->root);
		CHECK(!x || vm_index_leaves_nothing_out(x, img, e));
		for (int k = 0; parts.n_splits && k < BREAKS_PER_INDEX && !test_failures; k++)
			break_one(img, plain, e, &parts, (enum way) rnd(WAYS));
	}
}

static void
every_way_to_break_it_was_noticed(void)
{
	for (int i = 0; i < WAYS; i++) {
		printf("# %d: %llu broken, %llu noticed\n", i, (unsigned long long) broken[i],
		       (unsigned long long) noticed[i]);
		CHECK(broken[i] && noticed[i]);
	}
}

static void
one_policy(uint64_t *pairs)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct buf text = {0}, bytes = {0};
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct slice s;
	struct compile_options options = {.text = &s};
	struct image_error err;
	struct image *img, list, plain;
	struct scene scene;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	gen_policy(&text);
	s = buf_slice(&text);
	if (!compile_policy("random.weir", &arena, &q, &bytes, &options, NULL))
		diag_report(&q);
	img = image_load(&arena, buf_slice(&bytes), &trust, &err);
	CHECK(img != NULL);
	for (int i = 0; img && i < FACTS_PER_POLICY && !test_failures; i++, (*pairs)++) {
		gen_facts(&scene, img);
		list = plain = *img;
		for (int e = 0; e < ENTRY_COUNT; e++) {
			CHECK(!img->entry[e].index_too_big && !img->entry[e].index_wrong);
			indexes += img->entry[e].index != NULL;
			list.entry[e].n_diagram = plain.entry[e].n_diagram = 0;
			plain.entry[e].index = NULL;
			if (!agree(&list, &plain, (enum vm_entry) e, &scene.f) ||
			    !diagram_agrees(img, &list, (enum vm_entry) e, &scene.f)) {
				printf("# %s differs with the index or the diagram\n%.*s\n",
				       entry_info[e].name, SLICE_ARG(s));
				test_failures++;
			}
		}
	}
	if (img)
		break_indexes(&list, &plain);
	buf_fini(&text);
	buf_fini(&bytes);
	arena_fini(&arena);
}

static void
the_index_leaves_nothing_out(void)
{
	const char *seed = getenv("DIFF_SEED"), *want = getenv("DIFF_PAIRS");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : 20261125, pairs = 0;
	uint64_t limit = want ? strtoull(want, NULL, 0) : DEFAULT_PAIRS;

	state = first ? first : 1;
	while (pairs < limit && !test_failures)
		one_policy(&pairs);
	printf("# seed %llu: %llu pairs, %llu decisions with an index; rules matched %llu times; "
	       "%llu of %llu instructions left out; %llu decisions by a diagram, %llu instructions "
	       "where the list and index take %llu\n",
	       (unsigned long long) first, (unsigned long long) pairs,
	       (unsigned long long) indexes, (unsigned long long) matched,
	       (unsigned long long) saved_ops, (unsigned long long) plain_ops,
	       (unsigned long long) diagrams, (unsigned long long) diagram_ops,
	       (unsigned long long) index_ops);
	CHECK(matched > pairs && diagrams > pairs);
	CHECK(saved_ops > plain_ops / 2);
}

/* ---- Code that no compiler writes ---- */

enum { CODE_RULES = 40, CODE_MAX = 80 };
enum { K_SETS = 12, K_GLOBS = 18, K_ACTIONS = K_GLOBS, K_KINDS, K_COUNT };

/* Jumps lead into and across what others would call a rule; there are matches without tests. */
static void
gen_code(struct insn *code, size_t n)
{
	static const struct {
		enum opcode op;
		enum fact fact;
		uint16_t arg;
	} tests[] = {
		{OP_STR_IN, FACT_TABLE, K_SETS},
		{OP_STR_IN, FACT_USER_NAME, K_SETS},
		{OP_STR_GLOB, FACT_TABLE, K_GLOBS},
		{OP_SET_ANY, FACT_USER_GROUPS, K_SETS},
		{OP_ACTION_IN, FACT_ACTION, K_ACTIONS},
		{OP_ENUM_IN, FACT_USER_KIND, K_KINDS},
		{OP_BOOL, FACT_SQL_WHERE, 0},
	};

	for (size_t i = 0; i + 1 < n; i++) {
		uint32_t t = rnd(COUNT_OF(tests)), left = (uint32_t) (n - i - 2);
		uint16_t skip = (uint16_t) (left ? rnd(1 + (left < 6 ? left : 6)) : 0);

		if (rnd(3) == 0)
			code[i] = (struct insn){.op = rnd(8) ? OP_MATCH : OP_MAY,
						.arg = (uint16_t) rnd(CODE_RULES)};
		else if (rnd(12) == 0)
			code[i] = (struct insn){.op = OP_JUMP, .skip = skip};
		else
			code[i] = (struct insn){
				.op = (uint8_t) tests[t].op,
				.fact = (uint16_t) tests[t].fact,
				.flags = (uint8_t) rnd(INSN_FLAGS + 1),
				.arg = tests[t].arg,
				.skip = skip};
		if (code[i].op == OP_STR_IN || code[i].op == OP_SET_ANY)
			code[i].arg = (uint16_t) rnd(K_SETS);
		if (code[i].op == OP_STR_GLOB)
			code[i].arg = (uint16_t) (K_SETS + rnd(K_GLOBS - K_SETS));
	}
	code[n - 1] = (struct insn){.op = OP_END};
}

static void
any_code(void)
{
	static const struct slice names[] = {SLICE_LIT("app.t0"), SLICE_LIT("app.t1"),
					     SLICE_LIT("g0"),	  SLICE_LIT("g1"),
					     SLICE_LIT("g2"),	  SLICE_LIT("u0"),
					     SLICE_LIT("u1")};
	static const char *const patterns[K_GLOBS - K_SETS] = {"app.*", "app.t1", "*", "",
							       "app.t1*", "a*1"};
	static const int8_t ranks[CODE_RULES] = {VM_ALLOW, VM_HOLD, VM_DENY, -1, VM_ALLOW, VM_DENY};
	struct constant constants[K_COUNT] = {
		[K_KINDS] = {.kind = CONSTANT_VALUES, .values = {TYPE_ENUM_USER_KIND, 2}}};
	struct insn code[CODE_MAX];
	struct image img = {.n_rules = CODE_RULES, .ranks = ranks, .constants = constants,
			    .n_constants = K_COUNT}, plain;
	struct image_entry *entry = &img.entry[ENTRY_CONNECT];
	struct scene scene;
	struct arena arena;
	bool too_big;

	for (size_t i = 0; i < K_SETS; i++)
		constants[i] = (struct constant){.kind = CONSTANT_STRINGS,
						 .strings = {names + i % 6, 1 + i / 6}};
	for (size_t i = K_SETS; i < K_GLOBS; i++)
		constants[i] = (struct constant){.kind = CONSTANT_STRING,
						 .string = slice_str(patterns[i - K_SETS])};
	constants[K_ACTIONS].kind = CONSTANT_ACTIONS;
	action_set_add(&constants[K_ACTIONS].actions, ACTION_SQL_SELECT);
	n_groups = n_tables = n_targets = 2;
	arena_init(&arena, 0);
	for (int i = 0; i < 20000 && !test_failures; i++, arena_reset(&arena)) {
		*entry = (struct image_entry){
			.code = code, .n = 1 + rnd(CODE_MAX - 1), .cost = CODE_MAX};
		gen_code(code, entry->n);
		plain = img;
		entry->index = vm_index_build(&img, ENTRY_CONNECT, 1, &arena, &too_big);
		for (int k = 0; k < 20; k++) {
			gen_facts(&scene, &img);
			CHECK(agree(&img, &plain, ENTRY_CONNECT, &scene.f));
		}
		break_indexes(&img, &plain);
	}
	arena_fini(&arena);
}

/* Only some bytes of a pattern's beginning are looked up; texts may be shorter than it. */
static void
beginnings_of_any_length(void)
{
	enum { N = 140 };
	static const int8_t ranks[N];
	struct constant constants[N] = {0};
	struct insn code[2 * N + 1];
	struct image img = {.n_rules = N, .ranks = ranks, .constants = constants, .n_constants = N};
	struct image_entry *entry = &img.entry[ENTRY_COMMAND];
	char text[N + 1];
	struct decision d;
	struct facts f = {0};
	struct arena arena;
	bool too_big;

	arena_init(&arena, 0);
	memset(text, 'x', N);
	for (int i = 0; i < N; i++) {
		constants[i].kind = CONSTANT_STRING;
		constants[i].string = slice_str(arena_printf(&arena, "%.*s*", i, text));
		code[2 * i] = (struct insn){
			.op = OP_STR_GLOB, .fact = FACT_TABLE, .skip = 1, .arg = (uint16_t) i};
		code[2 * i + 1] = (struct insn){.op = OP_MATCH, .arg = (uint16_t) i};
	}
	code[2 * N] = (struct insn){.op = OP_END};
	*entry = (struct image_entry){.code = code, .n = COUNT_OF(code), .cost = COUNT_OF(code)};
	entry->index = vm_index_build(&img, ENTRY_COMMAND, 1, &arena, &too_big);
	REQUIRE(entry->index);
	for (size_t n = 0; n < N; n++) {
		facts_string(&f, FACT_TABLE, slice_of(text, n));
		vm_decide(&img, ENTRY_COMMAND, &f, &d);
		for (size_t i = 0; i < N; i++)
			CHECK(decision_has(&d, i) == (i <= n));
	}
	facts_string(&f, FACT_TABLE, SLICE_LIT("y"));
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(decision_next(&d, -1) == 0 && decision_next(&d, 0) == -1 && d.ops == 3);
	arena_fini(&arena);
}

/* Sets of strings enough for two indexes: the code runs whole, and as before. */
static void
an_index_is_bounded(void)
{
	enum { N = 8400, EACH = 64 };
	static const int8_t ranks[] = {VM_DENY};
	struct constant *constants = calloc(N, sizeof(*constants));
	struct slice *strings = calloc((size_t) N * EACH, sizeof(*strings));
	struct insn *code = calloc(2 * N + 1, sizeof(*code));
	struct image img = {.n_rules = 1, .ranks = ranks, .constants = constants, .n_constants = N};
	struct image_entry *entry = &img.entry[ENTRY_COMMAND];
	struct facts f = {0};
	struct decision d;
	struct arena arena;
	bool too_big;

	arena_init(&arena, 0);
	for (size_t i = 0; i < (size_t) N * EACH; i++)
		strings[i] = slice_str(arena_printf(&arena, "%07zu", i));
	for (uint16_t i = 0; i < N; i++) {
		constants[i] = (struct constant){.kind = CONSTANT_STRINGS,
						 .strings = {strings + (size_t) i * EACH, EACH}};
		code[2 * i] = (struct insn){
			.op = OP_STR_IN, .fact = FACT_TABLE, .skip = 1, .arg = i};
		code[2 * i + 1] = (struct insn){.op = OP_MATCH};
	}
	code[2 * N] = (struct insn){.op = OP_END};
	*entry = (struct image_entry){.code = code, .n = 2 * N + 1, .cost = 2 * N + 1};
	entry->index = vm_index_build(&img, ENTRY_COMMAND, 1, &arena, &too_big);
	CHECK(too_big && !entry->index);
	facts_string(&f, FACT_TABLE, strings[100 * EACH]);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(d.verdict == VERDICT_DENY && !d.by_default);
	img.n_constants = N / 4;
	entry->n = 2 * (N / 4) + 1;
	code[entry->n - 1] = (struct insn){.op = OP_END};
	entry->index = vm_index_build(&img, ENTRY_COMMAND, 1, &arena, &too_big);
	CHECK(!too_big && entry->index && vm_index_bytes(entry->index) <= VM_INDEX_BYTES);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(d.verdict == VERDICT_DENY && d.ops < 10);
	arena_fini(&arena);
	free(code);
	free(strings);
	free(constants);
}

TEST_MAIN(TEST(the_index_leaves_nothing_out), TEST(any_code),
	  TEST(every_way_to_break_it_was_noticed), TEST(beginnings_of_any_length),
	  TEST(an_index_is_bounded))
