/* SPDX-License-Identifier: MIT
 *
 * Random policies and random facts: the compiled image, loaded and run by the machine, must agree
 * with the reference interpreter on the verdict and on the very set of rules that match, at all
 * entry points. Policies are made as text, so the parser is in it too.
 *
 *   DIFF_SEED=N   another sequence (printed); DIFF_PAIRS=N  how many pairs of policy and facts
 */
#include "base/clock.h"
#include "compiler/compile.h"
#include "compiler/explain.h"
#include "tests/diff/dcode_way.h"
#include "tests/diff/diagram_check.h"
#include "tests/diff/reference.h"
#include "vm/disasm.h"
#include "vm/index.h"

#include "tests/unit/test.h"
#include "tests/diff/policies.h"

enum { FACTS_PER_POLICY = 500, DIAGRAM_EVERY = 50 };
#ifdef WEIR_ASAN
enum { DEFAULT_PAIRS = 40 * 1000 };
#else
enum { DEFAULT_PAIRS = 1000 * 1000 };
#endif

static const uint8_t addresses[][16] = {
	{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1, [15] = 2},
	{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 2, [15] = 2},
	{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168, [14] = 1, [15] = 7},
	{[15] = 1},
	{0x20, 0x01, 0x0d, 0xb8, [15] = 9},
};
static const enum action leaves[] = {ACTION_SQL_SELECT, ACTION_SQL_UPDATE, ACTION_SQL_DROP,
				     ACTION_SQL_BEGIN, ACTION_SQL_UNPARSED, ACTION_SQL_INSERT};

/* ---- Facts ---- */

struct scene {
	struct facts f;
	struct slice sets[FACT_COUNT][3];
	struct data_use uses[4];
	struct row_value row[VM_MAX_ROW_COLUMNS];
	char digits[VM_MAX_ROW_COLUMNS][8];
};

static void
gen_uses_of(struct scene *s)
{
	static const char *const schemas[] = {"app", "people", ""};
	static const char *const tables[] = {"orders", "stock", "contacts", "people", ""};
	static const char *const use_columns[] = {"id", "pan", "email", "card_number", "price", ""};

	s->f.n_uses = rnd(5);
	s->f.uses = s->uses;
	s->f.uses_known = rnd(4) > 0;
	for (size_t i = 0; i < s->f.n_uses; i++) {
		struct data_use *u = &s->uses[i];

		u->schema = slice_str(PICK(schemas));
		u->table = slice_str(PICK(tables));
		u->column = slice_str(PICK(use_columns));
		u->contexts = (uint16_t) (1u << rnd(N_CONTEXTS));
		if (rnd(4) == 0)
			u->contexts |= CONTEXT_BIT(WHOLE_ROW);
	}
}

static void
gen_row(struct scene *s, const struct image *img)
{
	static const char *const texts[] = {"1", "2", "t", "f", "orders", "", "os"};

	s->f.row = rnd(10) ? s->row : NULL;
	for (size_t i = 0; i < img->n_row_columns; i++) {
		struct row_value *v = &s->row[i];

		*v = (struct row_value){.known = rnd(4) > 0};
		if (!v->known)
			continue;
		v->s = slice_str(PICK(texts));
		v->is_int = rnd(2);
		if (v->is_int) {
			v->i = rnd(3) ? PICK(numbers) : (int64_t) rnd(1000) - 300;
			snprintf(s->digits[i], sizeof(s->digits[i]), "%d", (int) v->i);
			v->s = slice_str(s->digits[i]);
		}
	}
	for (size_t i = 0; i < img->n_row_columns; i++)
		for (size_t k = 0; k < REF_ROW_COLUMNS; k++)
			if (slice_is(img->row_columns[i], ref_row_columns[k]))
				ref_row_order[k] = i;
}

static void
gen_facts(struct scene *s)
{
	uint32_t unknown = rnd(3) ? 8 : 2; /* one in so many */

	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact id = (enum fact) i;

		facts_unknown(&s->f, id);
		if (rnd(unknown) == 0)
			continue;
		switch (fact_info[i].type) {
		case TYPE_BOOL:
			facts_bool(&s->f, id, rnd(2));
			break;
		case TYPE_INT:
			facts_int(&s->f, id, rnd(6));
			break;
		case TYPE_TIME: {
			static const int64_t at[] = {0, 9 * 3600, 12 * 3600 + 1800, 50000, 86399};

			facts_int(&s->f, id, PICK(at));
			break;
		}
		case TYPE_STRING:
			facts_string(&s->f, id, slice_str(PICK(words)));
			break;
		case TYPE_SET: {
			size_t n = rnd(4);

			for (size_t k = 0; k < n; k++)
				s->sets[i][k] = slice_str(i == FACT_COLUMNS ? PICK(columns)
									    : PICK(idps));
			facts_set(&s->f, id, s->sets[i], n);
			break;
		}
		case TYPE_ADDRESS:
			facts_address(&s->f, id, PICK(addresses));
			break;
		case TYPE_ACTION:
			facts_int(&s->f, id, PICK(leaves));
			break;
		default:
			facts_int(&s->f, id, rnd((uint32_t) enum_count(fact_info[i].type)));
		}
	}
	/* As an engine fills them in, every other time. */
	if (rnd(2) && s->f.v[FACT_TABLE].known) {
		struct slice t = s->f.v[FACT_TABLE].s;
		const uint8_t *dot = t.n ? memchr(t.p, '.', t.n) : NULL;

		if (dot)
			facts_string(&s->f, FACT_SCHEMA, slice_of(t.p, (size_t) (dot - t.p)));
	}
	gen_uses_of(s);
}

/* ---- The comparison ---- */

/* Of an image the diagram's code runs, or the list, of which an index may leave out some. */
enum way { WAY_DIAGRAM, WAY_INDEX, WAY_LIST, WAY_COUNT };
static const char *const way_names[] = {"diagram", "list and index", "list"};

static bool
agrees(const struct image *img, enum vm_entry e, const struct facts *f, enum way way,
       const struct ref_decision *want, struct decision *got)
{
	struct image limited = *img;
	const struct image_entry *entry = &img->entry[e];

	if (way > WAY_DIAGRAM)
		limited.entry[e].n_diagram = 0;
	if (way > WAY_INDEX)
		limited.entry[e].index = NULL;
	vm_decide(&limited, e, f, got);
	if (e < ENTRY_RESULT &&
	    ((int) got->verdict != want->verdict || got->by_default != want->by_default)) {
		printf("# %s, %s: verdict %d (default %d), reference %d (default %d)\n",
		       entry_info[e].name, way_names[way], (int) got->verdict, got->by_default,
		       want->verdict, want->by_default);
		return false;
	}
	for (size_t i = 0; i < img->n_rules; i++)
		if (decision_has(got, i) != want->matched[i]) {
			printf("# %s, %s: rule %zu %s, and not in the other\n", entry_info[e].name,
			       way_names[way], i,
			       want->matched[i] ? "matches in the reference"
						: "matches in the machine");
			return false;
		}
	if (got->ops > entry->cost)
		printf("# %s, %s: %u instructions, at most %u were promised\n", entry_info[e].name,
		       way_names[way], got->ops, entry->cost);
	return got->ops <= entry->cost;
}

static uint64_t ways, to_list;

/* No test stands twice on the way that the facts take through the diagram, and the machine takes
 * the same. */
static bool
only_once(const struct image *img, enum vm_entry e, const struct facts *f,
	  const struct decision *got)
{
	static struct dcode_way way;

	if (!dcode_way_of(img, e, f, &way)) {
		printf("# %s: instructions %zu and %zu of the diagram test the same\n",
		       entry_info[e].name, way.first, way.again);
		return false;
	}
	ways++;
	to_list += way.to_list;
	if (way.to_list ? way.ops < got->ops : way.ops == got->ops)
		return true;
	printf("# %s: the diagram takes %u instructions, the machine %u\n", entry_info[e].name,
	       way.ops, got->ops);
	return false;
}

static bool
agree(const struct image *img, const struct policy *p, const struct facts *f, enum vm_entry e,
      struct diagram_check *diagram)
{
	struct ref_decision want;
	struct decision got;

	if (e == ENTRY_CONNECT)
		ref_connect(p, f, &want);
	else if (e == ENTRY_COMMAND)
		ref_command(p, f, &want);
	else if (e == ENTRY_RESULT)
		ref_result(p, f, &want);
	else if (e == ENTRY_ROW)
		ref_row(p, f, &want);
	else if (e == ENTRY_WATCH)
		ref_watch(p, f, &want);
	else
		ref_watch_connect(p, f, &want);
	for (int way = WAY_COUNT - 1; way >= 0; way--)
		if (!agrees(img, e, f, (enum way) way, &want, &got))
			return false;
	if (img->entry[e].n_diagram && !only_once(img, e, f, &got))
		return false;
	return !diagram || diagram_check(diagram, f, e, &got);
}

/* What explains a decision has rules and verdict from its clauses, one by one. */
static bool
explains(const struct image *img, const struct checked *p, const struct facts *f, enum vm_entry e,
	 struct arena *arena)
{
	struct explained x;
	struct decision got;

	vm_decide(img, e, f, &got);
	explain(p, img, e, f, arena, &x);
	for (size_t i = 0; i < x.n; i++) {
		const struct explained_rule *r = &x.rules[i];
		bool matches = decision_has(&got, i);

		if (r->matches != matches && !(r->only_may && r->rule->kind == VM_HOLD))
			return false;
		if (r->matches != (r->considered && r->failing == 0))
			return false;
	}
	return x.decision.verdict == got.verdict && x.decision.by_default == got.by_default;
}

static void
print_case(const struct buf *text, const struct image *img)
{
	struct buf out = {0};

	buf_put_slice(&out, buf_slice(text));
	if (img)
		vm_disasm(&out, img);
	for (const char *line = (const char *) out.p; line < (const char *) out.p + out.n;) {
		const char *end = memchr(line, '\n', (size_t)((const char *)out.p + out.n - line));
		int n = end ? (int) (end - line) : (int) ((const char *) out.p + out.n - line);

		printf("#   %.*s\n", n, line);
		line += n + 1;
	}
	buf_fini(&out);
}

static uint64_t verdicts[3], matched, witnesses, indexed;
static uint64_t with_op[OP_COUNT]; /* diagrams that have it */
static uint64_t with_schema_regex; /* ... that ask a table's schema for one */

/* These policies are so small that the machine would run all of each. */
static void
make_indexes(struct image *img, struct arena *arena)
{
	bool too_big;

	for (int e = 0; e < ENTRY_COUNT; e++) {
		img->entry[e].index = vm_index_build(img, (enum vm_entry) e, 1, arena, &too_big);
		indexed += img->entry[e].index != NULL;
	}
}

static void
count_ops(const struct image *img)
{
	for (int e = 0; e < ENTRY_COUNT; e++) {
		const struct image_entry *entry = &img->entry[e];
		bool has[OP_COUNT] = {0};

		bool asked = false;

		for (size_t i = 0; i < entry->n_diagram; i++) {
			const struct insn *in = &entry->diagram[i];

			has[in->op] = true;
			asked |= has[OP_IN_SCHEMA] && in->op == OP_STR_REGEX &&
				 in->fact == FACT_SCHEMA;
		}
		with_schema_regex += asked;
		for (int op = 0; op < OP_COUNT; op++)
			with_op[op] += has[op];
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
	struct image_error err = {0};
	struct image *img = NULL;
	struct policy *p;
	struct checked *checked;
	struct scene scene;
	struct diagram_check diagram;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	gen_policy(&text);
	s = arena_copy(&arena, buf_slice(&text));
	if (!compile_policy_checked("random.weir", &arena, &q, &bytes, &options, &p, &checked)) {
		diag_report(&q);
		print_case(&text, NULL);
		test_failures++;
	} else if (!(img = image_load(&arena, buf_slice(&bytes), &trust, &err))) {
		printf("# %s\n", err.text);
		print_case(&text, NULL);
		test_failures++;
	} else if (!diagram_check_init(&diagram, &arena, img)) {
		print_case(&text, img);
		test_failures++;
	}
	for (const struct diag *d = q.first; d; d = d->next)
		if (d->id == DIAG_WRONG_DIAGRAM) {
			diag_report(&q);
			print_case(&text, NULL);
			test_failures++;
		}
	if (img)
		count_ops(img);
	if (img && rnd(2))
		make_indexes(img, &arena);
	if (img && !test_failures && !diagram_check_witnesses(&diagram, &witnesses)) {
		print_case(&text, img);
		test_failures++;
	}
	for (int i = 0; img && i < FACTS_PER_POLICY && !test_failures; i++) {
		struct decision d;

		gen_facts(&scene);
		gen_row(&scene, img);
		for (int e = ENTRY_CONNECT; e < ENTRY_COUNT; e++)
			if (!agree(img, p, &scene.f, (enum vm_entry) e,
				   i % DIAGRAM_EVERY ? NULL : &diagram) ||
			    (i % 64 == 0 &&
			     !explains(img, checked, &scene.f, (enum vm_entry) e, &arena))) {
				print_case(&text, img);
				test_failures++;
				break;
			}
		vm_decide(img, ENTRY_COMMAND, &scene.f, &d);
		verdicts[d.verdict]++;
		matched += !d.by_default;
		(*pairs)++;
	}
	buf_fini(&text);
	buf_fini(&bytes);
	arena_fini(&arena);
}

static void
the_machine_agrees_with_the_reference(void)
{
	const char *seed = getenv("DIFF_SEED"), *want = getenv("DIFF_PAIRS");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : 20261125, pairs = 0, start;
	uint64_t limit = want ? strtoull(want, NULL, 0) : DEFAULT_PAIRS;

	state = first ? first : 1;
	start = clock_mono_ns();
	while (pairs < limit && !test_failures)
		one_policy(&pairs);
	printf("# seed %llu: %llu pairs, %.0f a second; allow %llu, hold %llu, deny %llu; some rule "
	       "matched in %llu; %llu witnesses; %llu decisions by diagrams, %llu of them left to "
	       "the list; %llu diagrams ask a table's schema for a regular expression\n",
	       (unsigned long long) first, (unsigned long long) pairs,
	       (double) pairs * 1e9 / (double) (clock_mono_ns() - start),
	       (unsigned long long) verdicts[0], (unsigned long long) verdicts[1],
	       (unsigned long long) verdicts[2], (unsigned long long) matched,
	       (unsigned long long) witnesses, (unsigned long long) ways,
	       (unsigned long long) to_list, (unsigned long long) with_schema_regex);
	/* A generator that makes only one verdict would prove nothing. */
	for (int v = 0; v < 3; v++)
		CHECK(verdicts[v] > pairs / 50);
	CHECK(witnesses > pairs / FACTS_PER_POLICY);
	CHECK(ways > pairs && to_list > ways / 100 && to_list < ways * 3 / 4);
	/* The rarest is in 45 of 200 policies: to have none is less likely than 1 in 10^19. */
	for (int op = OP_KNOWN; op < OP_END && pairs >= 200 * FACTS_PER_POLICY; op++)
		CHECK(with_op[op] > 0);
	CHECK(pairs < 200 * FACTS_PER_POLICY || with_schema_regex > 0);
	CHECK(indexed > pairs / FACTS_PER_POLICY / 2);
}

TEST_MAIN(TEST(the_machine_agrees_with_the_reference))
