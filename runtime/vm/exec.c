/* SPDX-License-Identifier: MIT
 *
 * The policy machine. All rules of an entry point stand one after the other, so every rule that
 * matches is known and their order cannot matter. Of many rules, an index (index.h) says which to
 * run. Where the compiler has made code of the rules' decision diagram (compiler/dcode.h), that
 * runs instead, and goes on with the list where it says so; what had matched by then, the list
 * matches once more.
 *
 * Facts may be unknown, and the language is three-valued (Kleene): unknown satisfies the condition
 * of a deny, hold or mask, and fails that of an allow. The code is two-valued nevertheless. With
 * false < unknown < true, `and` is the minimum and `or` the maximum; reading the result as "at
 * least unknown" or as "true" is a threshold, and thresholds commute with minimum and maximum. So
 * once negations stand at the tests, it is enough that each test alone reads "unknown" as its rule
 * wants the whole to be read: that is what INSN_UNKNOWN says.
 *
 * Images reach this file only through the verifier, so nothing is checked here again.
 */
#include "vm/exec.h"

#include "vm/index.h"
#include "vm/match.h"

static enum tri
part_matches(struct slice pattern, struct slice name)
{
	if (name.n == 0)
		return pattern.n == 1 && pattern.p[0] == '*' ? TRI_TRUE : TRI_UNKNOWN;
	return match_glob(pattern, name) ? TRI_TRUE : TRI_FALSE;
}

static enum tri
data_matches(const struct image_data *d, struct slice schema, struct slice table,
	     struct slice column)
{
	enum tri result = TRI_FALSE;

	for (size_t i = 0; i < d->n_columns; i++) {
		const struct image_column *c = &d->columns[i];
		enum tri parts[3] = {part_matches(c->schema, schema),
				     part_matches(c->table, table),
				     part_matches(c->column, column)};
		bool no = false, maybe = false;

		for (int k = 0; k < 3; k++) {
			no |= parts[k] == TRI_FALSE;
			maybe |= parts[k] == TRI_UNKNOWN;
		}
		if (no)
			continue;
		if (!maybe)
			return TRI_TRUE;
		result = TRI_UNKNOWN;
	}
	return result;
}

bool
image_data_matches(const struct image *img, size_t data, struct slice schema, struct slice table,
		   struct slice column)
{
	assert(data < img->n_data);
	return data_matches(&img->data[data], schema, table, column) != TRI_FALSE;
}

/* A whole-row use has no column name and yet certainly uses every column of its table. */
static enum tri
use_matches(const struct image_data *d, const struct data_use *u)
{
	struct image_column all;
	struct image_data whole = {.columns = &all, .n_columns = 1};
	enum tri result = TRI_FALSE;

	if (u->column.n || !(u->contexts & CONTEXT_BIT(WHOLE_ROW)))
		return data_matches(d, u->schema, u->table, u->column);
	for (size_t i = 0; i < d->n_columns; i++) {
		all = d->columns[i];
		all.column = SLICE_LIT("*");
		switch (data_matches(&whole, u->schema, u->table, u->column)) {
		case TRI_TRUE:
			/* A pattern of the column need not exist in this very table. */
			if (match_is_glob(d->columns[i].table))
				result = TRI_UNKNOWN;
			else
				return TRI_TRUE;
			break;
		case TRI_UNKNOWN:
			result = TRI_UNKNOWN;
			break;
		case TRI_FALSE:
			break;
		}
	}
	return result;
}

enum tri
vm_uses(const struct image_data *d, const struct facts *f, unsigned contexts)
{
	enum tri result = f->uses_known ? TRI_FALSE : TRI_UNKNOWN;

	for (size_t i = 0; i < f->n_uses; i++) {
		if (!(f->uses[i].contexts & contexts))
			continue;
		switch (use_matches(d, &f->uses[i])) {
		case TRI_TRUE:
			return TRI_TRUE;
		case TRI_UNKNOWN:
			result = TRI_UNKNOWN;
			break;
		case TRI_FALSE:
			break;
		}
	}
	return result;
}

static bool
set_any(const struct value *v, const struct constant *k)
{
	for (size_t i = 0; i < v->set.n; i++)
		if (match_in(k->strings.v, k->strings.n, v->set.v[i]))
			return true;
	return false;
}

static bool
set_glob(const struct value *v, const struct constant *k)
{
	for (size_t i = 0; i < v->set.n; i++)
		if (match_glob(k->string, v->set.v[i]))
			return true;
	return false;
}

static bool
set_regex(const struct value *v, const struct constant *k)
{
	for (size_t i = 0; i < v->set.n; i++)
		if (match_regex(&k->regex.dfa, v->set.v[i]))
			return true;
	return false;
}

/* The only dot of the table's name stands behind its schema, so where to cut is not in doubt. */
static bool
in_schema(const struct facts *f)
{
	const struct value *t = &f->v[FACT_TABLE], *s = &f->v[FACT_SCHEMA];

	if (!t->known || !s->known || t->s.n <= s->s.n)
		return false;
	for (size_t i = 0; i < t->s.n; i++)
		if ((t->s.p[i] == '.') != (i == s->s.n) || (i < s->s.n && t->s.p[i] != s->s.p[i]))
			return false;
	return true;
}

uint64_t
decision_word(const struct decision *d, size_t w)
{
	return d->touched[w / 64] >> w % 64 & 1 ? d->bits[w] : 0;
}

static void
add_word(struct decision *d, size_t w, uint64_t bits)
{
	d->bits[w] = decision_word(d, w) | bits;
	d->touched[w / 64] |= UINT64_C(1) << w % 64;
}

static void
record(struct decision *d, unsigned rule)
{
	add_word(d, rule / 64, UINT64_C(1) << rule % 64);
}

/* Of a `match` or a `may`; the verdict, or `worst` when that is worse. */
static inline int
match_rule(const struct image *img, const struct insn *pc, struct decision *d, int worst)
{
	int rank = img->ranks[pc->arg];

	/* A hold that may come later is not one of the connection. */
	if (pc->op == OP_MATCH || rank == VM_ALLOW)
		record(d, pc->arg);
	if (pc->op == OP_MAY)
		rank = VM_ALLOW;
	return rank > worst ? rank : worst;
}

/* One look at a set. */
struct look {
	const struct image *img;
	struct decision *d;
	int worst;
	uint32_t ops;
};

/* The matches of one string. except[]: a bit for each rule with an inverted one of them. */
static void
match_string(struct look *l, const struct insn *match, const struct insn *end, uint64_t *except)
{
	for (bool more = true; more && match < end; match += match->skip) {
		if (except && match->flags & INSN_NOT)
			except[match->arg / 64] |= UINT64_C(1) << match->arg % 64;
		else
			l->worst = match_rule(l->img, match, l->d, l->worst);
		more = match->skip > 0;
		l->ops++;
	}
}

/* What stands behind `set-match`, as opcodes.def says. A set may name a string twice; its matches
 * are looked at once, so that they are never more than the verifier counts. */
static void
match_strings(struct look *l, const struct insn *pc, const struct value *v, uint64_t *except)
{
	const struct constant *k = &l->img->constants[pc->arg];
	const struct insn *end = pc + 1 + pc->skip;
	uint64_t seen[(UINT16_MAX + 1) / 64];

	for (size_t i = 0; i <= k->n_cases / 64; i++)
		seen[i] = 0;
	for (size_t i = 0; i < v->set.n; i++) {
		size_t at = match_find(k->strings.v, k->strings.n, v->set.v[i]);

		if (at >= k->n_cases || seen[at / 64] >> at % 64 & 1)
			continue;
		seen[at / 64] |= UINT64_C(1) << at % 64;
		match_string(l, pc + 1 + at, end, except);
	}
}

/* ... and then the inverted matches of the rules that no string leads to. */
static void
match_exceptions(struct look *l, const struct insn *pc, const struct value *v)
{
	const struct insn *end = pc + 1 + pc->skip;
	uint64_t except[VM_MAX_RULES / 64] = {0};

	match_strings(l, pc, v, except);
	for (const struct insn *match = pc + 1; match < end; match++, l->ops++)
		if (match->flags & INSN_NOT && !(except[match->arg / 64] >> match->arg % 64 & 1))
			l->worst = match_rule(l->img, match, l->d, l->worst);
}

static int
run_set_match(const struct image *img, const struct insn *pc, const struct value *v,
	      struct decision *d, int worst)
{
	struct look l = {.img = img, .d = d, .worst = worst};

	if (!v->known)
		return worst;
	if (pc->flags & INSN_NOT)
		match_exceptions(&l, pc, v);
	else
		match_strings(&l, pc, v, NULL);
	d->ops += l.ops;
	return l.worst;
}

/* Dispatch by label addresses: measured at bench/vm_ops against a switch, which the fuzzers use
 * because their coverage feedback wants edges, not one indirect jump. */
#ifdef WEIR_FUZZ
#define DISPATCH_BEGIN next: switch (pc->op) {
#define DISPATCH_END } panic_at(__FILE__, __LINE__, __func__, "opcodes are verified");
#define CASE(id) case OP_##id
#define NEXT goto next
#else
#define DISPATCH_BEGIN goto *labels[pc->op];
#define DISPATCH_END
#define CASE(id) op_##id
#define NEXT goto *labels[pc->op]
#endif

/* Goes on after a test whose outcome, when `is_known`, is `outcome`. */
#define TEST(is_known, outcome)                                                                   \
	do {                                                                                      \
		bool t_ = (is_known) ? (outcome) != (bool) (pc->flags & INSN_NOT)                 \
				     : (bool) (pc->flags & INSN_UNKNOWN);                         \
		pc += 1 + (t_ == (bool) (pc->flags & INSN_SKIP_TRUE) ? pc->skip : 0);             \
		ops++;                                                                            \
		NEXT;                                                                             \
	} while (0)

/* Goes to the place of a switch for a case, which is n_cases of the constant when it is none. */
#define SWITCH(is_known, case_)                                                                   \
	do {                                                                                      \
		size_t at_ = 0;                                                                   \
		if (is_known) {                                                                   \
			at_ = (case_);                                                            \
			at_ = at_ < K->n_cases ? at_ + 2 : 1;                                     \
		}                                                                                 \
		pc += 1 + at_;                                                                    \
		ops++;                                                                            \
		NEXT;                                                                             \
	} while (0)

/* One instruction per case; longer than a screen for that reason. */
int
vm_run(const struct image *img, const struct insn *pc, const struct facts *f, struct decision *d)
{
#ifndef WEIR_FUZZ
	static const void *const labels[OP_COUNT] = {
#define OP(id, name, fact, constant, sentence) [OP_##id] = &&op_##id,
#include "grammar/opcodes.def"
#undef OP
	};
#endif
	const struct constant *constants = img->constants;
	uint32_t ops = 0;
	int worst = -1;

#define V (&f->v[pc->fact])
#define K (&constants[pc->arg])
#define R (f->row)
	DISPATCH_BEGIN
	CASE(ACTION_IN):
		TEST(V->known, action_set_has(&K->actions, (enum action) V->i));
	CASE(SET_ANY):
		TEST(V->known, set_any(V, K));
	CASE(STR_GLOB):
		TEST(V->known, match_glob(K->string, V->s));
	CASE(STR_IN):
		TEST(V->known, match_in(K->strings.v, K->strings.n, V->s));
	CASE(BOOL):
		TEST(V->known, V->b);
	CASE(ENUM_IN):
		TEST(V->known, K->values.mask >> V->i & 1);
	CASE(USES): {
		enum tri u = vm_uses(&img->data[K->uses.data], f, K->uses.contexts);

		TEST(u != TRI_UNKNOWN, u == TRI_TRUE);
	}
	CASE(SET_GLOB):
		TEST(V->known, set_glob(V, K));
	CASE(NUM_EQ):
		TEST(V->known, V->i == K->number);
	CASE(NUM_LT):
		TEST(V->known, V->i < K->number);
	CASE(NUM_LE):
		TEST(V->known, V->i <= K->number);
	CASE(ADDR_IN):
		TEST(V->known, match_network(K->network.addr, K->network.prefix, V->addr));
	CASE(ROW_IN):
		TEST(R && R[pc->fact].known, match_in(K->strings.v, K->strings.n, R[pc->fact].s));
	CASE(ROW_GLOB):
		TEST(R && R[pc->fact].known, match_glob(K->string, R[pc->fact].s));
	CASE(ROW_EQ):
		TEST(R && R[pc->fact].is_int, R[pc->fact].i == K->number);
	CASE(ROW_LT):
		TEST(R && R[pc->fact].is_int, R[pc->fact].i < K->number);
	CASE(ROW_LE):
		TEST(R && R[pc->fact].is_int, R[pc->fact].i <= K->number);
	CASE(STR_REGEX):
		TEST(V->known, match_regex(&K->regex.dfa, V->s));
	CASE(SET_REGEX):
		TEST(V->known, set_regex(V, K));
	CASE(ROW_REGEX):
		TEST(R && R[pc->fact].known, match_regex(&K->regex.dfa, R[pc->fact].s));
	CASE(KNOWN):
		TEST(true, V->known);
	CASE(IN_SCHEMA):
		TEST(true, in_schema(f));
	CASE(MATCHED):
		TEST(true, decision_has(d, pc->arg));
	CASE(SET_MATCH):
		worst = run_set_match(img, pc, V, d, worst);
		pc += 1 + pc->skip;
		ops++;
		NEXT;
	CASE(MATCH):
		record(d, pc->arg);
		if (img->ranks[pc->arg] > worst)
			worst = img->ranks[pc->arg];
		pc++;
		ops++;
		NEXT;
	CASE(MAY):
		worst = match_rule(img, pc, d, worst);
		pc++;
		ops++;
		NEXT;
	CASE(JUMP):
		pc += 1 + pc->skip;
		ops++;
		NEXT;
	CASE(FAR):
		pc += 1 + pc->skip + ((size_t) pc->arg << 16);
		ops++;
		NEXT;
	CASE(ACTION_SWITCH):
		SWITCH(V->known, action_set_has(&K->actions, (enum action) V->i)
					 ? action_set_rank(&K->actions, (enum action) V->i)
					 : K->n_cases);
	CASE(STR_SWITCH):
		SWITCH(V->known, match_find(K->strings.v, K->strings.n, V->s));
	CASE(ROW_SWITCH):
		SWITCH(R && R[pc->fact].known,
		       match_find(K->strings.v, K->strings.n, R[pc->fact].s));
	CASE(ENUM_SWITCH):
		SWITCH(V->known,
		       K->values.mask >> V->i & 1
			       ? (size_t) __builtin_popcount(K->values.mask &
							     ((UINT32_C(1) << V->i) - 1))
			       : K->n_cases);
	CASE(USES_SWITCH): {
		enum tri u = vm_uses(&img->data[K->uses.data], f, K->uses.contexts);

		SWITCH(u != TRI_UNKNOWN, u == TRI_TRUE ? 0u : 1u);
	}
	CASE(LIST):
		d->ops += ops + 1;
		return VM_RUN_LIST;
	CASE(END):
		d->ops += ops;
		return worst;
	DISPATCH_END
#undef V
#undef K
#undef R
}

void
vm_decide(const struct image *img, enum vm_entry e, const struct facts *f, struct decision *d)
{
	const struct image_entry *entry = &img->entry[e];
	int worst = VM_RUN_LIST;

	assert(e < ENTRY_COUNT);
	assert(img->n_rules <= VM_MAX_RULES);
	memset(d->touched, 0, sizeof(d->touched));
	d->ops = 1; /* the `end` */
	if (entry->n_diagram)
		worst = vm_run(img, entry->diagram, f, d);
	if (worst == VM_RUN_LIST)
		worst = entry->index ? vm_index_run(entry->index, img, f, d)
				     : vm_run(img, entry->code, f, d);
	debug_assert(d->ops <= entry->cost);
	d->effects = 1;
	d->by_default = worst < 0;
	if (e != ENTRY_CONNECT && e != ENTRY_COMMAND)
		d->verdict = VERDICT_ALLOW;
	else if (worst >= 0)
		d->verdict = (enum verdict) worst;
	else
		d->verdict = img->default_allow ? VERDICT_ALLOW : VERDICT_DENY;
}

void
vm_join_init(struct decision *d)
{
	d->verdict = VERDICT_DENY;
	d->by_default = true;
	d->ops = d->effects = 0;
	memset(d->touched, 0, sizeof(d->touched));
}

/* The next word that may have bits, from w on. */
static size_t
next_word(const struct decision *d, size_t w)
{
	for (size_t t = w / 64; t < COUNT_OF(d->touched); t++) {
		uint64_t rest = d->touched[t];

		if (t == w / 64)
			rest &= ~UINT64_C(0) << w % 64;
		if (rest)
			return t * 64 + (size_t) __builtin_ctzll(rest);
	}
	return COUNT_OF(d->bits);
}

void
vm_join(struct decision *into, const struct decision *effect)
{
	if (into->effects == 0) {
		into->verdict = effect->verdict;
		into->by_default = effect->by_default;
	} else {
		if (effect->verdict > into->verdict)
			into->verdict = effect->verdict;
		into->by_default |= effect->by_default;
	}
	into->effects += effect->effects;
	into->ops += effect->ops;
	for (size_t w = 0; (w = next_word(effect, w)) < COUNT_OF(effect->bits); w++)
		add_word(into, w, effect->bits[w]);
}

bool
decision_has(const struct decision *d, size_t rule)
{
	assert(rule < VM_MAX_RULES);
	return decision_word(d, rule / 64) >> rule % 64 & 1;
}

void
decision_remove(struct decision *d, size_t rule)
{
	if (decision_has(d, rule))
		d->bits[rule / 64] &= ~(UINT64_C(1) << rule % 64);
}

int
decision_next(const struct decision *d, int after)
{
	size_t bit = (size_t) (after + 1);

	for (size_t w = bit / 64; (w = next_word(d, w)) < COUNT_OF(d->bits); w++) {
		uint64_t rest = d->bits[w];

		if (w == bit / 64)
			rest &= ~UINT64_C(0) << bit % 64;
		if (rest)
			return (int) (w * 64) + __builtin_ctzll(rest);
	}
	return -1;
}

int
decision_next_deciding(const struct image *img, const struct decision *d, int after)
{
	for (int r = decision_next(d, after); r >= 0; r = decision_next(d, r))
		if (img->ranks[r] == (int8_t) d->verdict)
			return r;
	return -1;
}

/* How much of the value a mask can let through, as far as that can be compared: characters, or
 * more the narrower it rounds. */
static uint32_t
reveals(const struct image_mask *m)
{
	switch (mask_info[m->kernel].arg) {
	case MASK_ARG_COUNT:
		return m->count;
	case MASK_ARG_WIDTH:
		return UINT32_MAX - m->count;
	default:
		return UINT32_MAX;
	}
}

/* Less than 0 when a opens more than b. */
static int
modes_cmp(const struct mask_modes *a, const struct mask_modes *b)
{
	if (a->lookup != b->lookup)
		return a->lookup ? -1 : 1;
	if (a->derived != b->derived)
		return a->derived ? -1 : 1;
	if (!a->over || !b->over)
		return (a->over == 0) - (b->over == 0);
	return (a->over > b->over) - (a->over < b->over);
}

int
vm_mask_shows_cmp(const struct image_mask *a, const struct image_mask *b)
{
	int ra = mask_info[a->kernel].rank, rb = mask_info[b->kernel].rank;

	if (ra != rb)
		return ra < rb ? -1 : 1;
	if (reveals(a) != reveals(b))
		return reveals(a) > reveals(b) ? -1 : 1;
	if (a->kernel != b->kernel)
		return a->kernel < b->kernel ? -1 : 1;
	return slice_cmp(a->text, b->text);
}

int
vm_mask_cmp(const struct image_mask *a, const struct image_mask *b)
{
	int shows = vm_mask_shows_cmp(a, b);

	return shows ? shows : modes_cmp(&a->modes, &b->modes);
}

static bool
covers(const struct image *img, const struct image_mask *m, struct slice schema, struct slice table,
       struct slice column)
{
	for (size_t i = 0; i < m->n_data; i++)
		if (image_data_matches(img, m->data[i], schema, table, column))
			return true;
	return false;
}

bool
vm_rule_covers(const struct image *img, const struct image_rule *rule, struct slice schema,
	       struct slice table, struct slice column)
{
	return covers(img, &rule->mask, schema, table, column);
}

int
vm_mask_for(const struct image *img, const struct decision *result, struct slice schema,
	    struct slice table, struct slice column)
{
	int best = -1;

	for (int r = decision_next(result, -1); r >= 0; r = decision_next(result, r)) {
		const struct image_rule *rule = &img->rules[r];

		if (rule->kind == VM_MASK &&
		    covers(img, &rule->mask, schema, table, column) &&
		    (best < 0 || vm_mask_cmp(&rule->mask, &img->rules[best].mask) > 0))
			best = r;
	}
	return best;
}

const struct mask_modes vm_modes_open = {.lookup = true, .derived = true, .over = 1};

struct mask_modes
vm_modes_join(struct mask_modes a, struct mask_modes b)
{
	return (struct mask_modes){.lookup = a.lookup && b.lookup,
				   .derived = a.derived && b.derived,
				   .over = !a.over || !b.over ? 0
					   : a.over > b.over  ? a.over
							      : b.over};
}

struct mask_modes
vm_modes_for(const struct image *img, const struct decision *result, struct slice schema,
	     struct slice table, struct slice column)
{
	struct mask_modes modes = vm_modes_open;

	for (int r = decision_next(result, -1); r >= 0; r = decision_next(result, r)) {
		const struct image_rule *rule = &img->rules[r];

		if (rule->kind == VM_MASK && covers(img, &rule->mask, schema, table, column))
			modes = vm_modes_join(modes, rule->mask.modes);
	}
	return modes;
}

bool
vm_detectors(const struct image *img, const struct decision *result, int rules[DETECTOR_COUNT])
{
	bool any = false;

	for (int i = 0; i < DETECTOR_COUNT; i++)
		rules[i] = -1;
	for (int r = decision_next(result, -1); r >= 0; r = decision_next(result, r)) {
		const struct image_rule *rule = &img->rules[r];

		any = any || rule->detectors;
		for (int i = 0; i < DETECTOR_COUNT; i++)
			if (rule->detectors >> i & 1 &&
			    (rules[i] < 0 ||
			     vm_mask_cmp(&rule->mask, &img->rules[rules[i]].mask) > 0))
				rules[i] = r;
	}
	return any;
}
