/* SPDX-License-Identifier: MIT */
#include "tests/diff/dcode_way.h"

#include "tests/diff/regex_ref.h"

#include "vm/match.h"
#include "vm/verify.h"

enum outcome { NO, YES, UNKNOWN };

static enum outcome
member(const struct value *v, const struct constant *k, bool glob)
{
	for (size_t i = 0; i < v->set.n; i++)
		for (size_t c = 0; c < (glob ? 1 : k->strings.n); c++)
			if (glob ? match_glob(k->string, v->set.v[i])
				 : slice_eq(k->strings.v[c], v->set.v[i]))
				return YES;
	return NO;
}

static int
string_case(const struct constant *k, struct slice s)
{
	for (size_t i = 0; i < k->strings.n; i++)
		if (slice_eq(k->strings.v[i], s))
			return (int) i;
	return -1;
}

/* Which of the constant's cases the value is, from 0; -1: none. */
static int
case_of(const struct value *v, const struct constant *k)
{
	int n = 0;

	if (k->kind == CONSTANT_STRINGS)
		return string_case(k, v->s);
	for (int i = 0; i <= v->i; i++) {
		bool has = k->kind == CONSTANT_ACTIONS
				   ? action_set_has(&k->actions, (enum action) i)
				   : k->values.mask >> i & 1;

		if (has && i == v->i)
			return n;
		n += has;
	}
	return -1;
}

static enum outcome
in_schema(const struct facts *f)
{
	const struct value *t = &f->v[FACT_TABLE], *s = &f->v[FACT_SCHEMA];
	size_t dots = 0;

	for (size_t i = 0; t->known && i < t->s.n; i++)
		dots += t->s.p[i] == '.';
	return t->known && s->known && dots == 1 && t->s.n > s->s.n && t->s.p[s->s.n] == '.' &&
	       slice_eq(slice_of(t->s.p, s->s.n), s->s);
}

static enum outcome
outcome_of_row(const struct insn *in, const struct constant *k, const struct row_value *v)
{
	if (!v || (k->kind == CONSTANT_NUMBER ? !v->is_int : !v->known))
		return UNKNOWN;
	switch ((enum opcode) in->op) {
	case OP_ROW_EQ:
		return v->i == k->number;
	case OP_ROW_LT:
		return v->i < k->number;
	case OP_ROW_LE:
		return v->i <= k->number;
	case OP_ROW_GLOB:
		return match_glob(k->string, v->s);
	case OP_ROW_REGEX:
		return regex_ref_literal(k->regex.text, v->s);
	default:
		return string_case(k, v->s) >= 0;
	}
}

static enum outcome
outcome_of(const struct image *img, const struct insn *in, const struct facts *f)
{
	const struct value *v = &f->v[in->fact < FACT_COUNT ? in->fact : 0];
	const struct constant *k = &img->constants[in->arg];
	enum tri uses;

	switch ((enum opcode) in->op) {
	case OP_KNOWN:
		return v->known;
	case OP_IN_SCHEMA:
		return in_schema(f);
	case OP_USES:
	case OP_USES_SWITCH:
		uses = vm_uses(&img->data[k->uses.data], f, k->uses.contexts);
		return uses == TRI_UNKNOWN ? UNKNOWN : uses == TRI_TRUE;
	default:
		break;
	}
	if (vm_op_reads_row(in->op))
		return outcome_of_row(in, k, f->row ? &f->row[in->fact] : NULL);
	if (!v->known)
		return UNKNOWN;
	switch ((enum opcode) in->op) {
	case OP_SET_ANY:
	case OP_SET_GLOB:
		return member(v, k, in->op == OP_SET_GLOB);
	case OP_STR_GLOB:
		return match_glob(k->string, v->s);
	case OP_SET_REGEX:
		for (size_t i = 0; i < v->set.n; i++)
			if (regex_ref_literal(k->regex.text, v->set.v[i]))
				return YES;
		return NO;
	case OP_STR_REGEX:
		return regex_ref_literal(k->regex.text, v->s);
	case OP_BOOL:
		return v->b;
	case OP_NUM_EQ:
		return v->i == k->number;
	case OP_NUM_LT:
		return v->i < k->number;
	case OP_NUM_LE:
		return v->i <= k->number;
	case OP_ADDR_IN:
		return match_network(k->network.addr, k->network.prefix, v->addr);
	default:
		return case_of(v, k) >= 0;
	}
}

/* Does the outcome of b follow from that of a? The same set asked for in two ways counts. */
static bool
tests_the_same(const struct insn *a, const struct insn *b)
{
	static const uint8_t kinds[OP_COUNT] = {
		[OP_ACTION_SWITCH] = OP_ACTION_IN, [OP_STR_SWITCH] = OP_STR_IN,
		[OP_ROW_SWITCH] = OP_ROW_IN,
		[OP_ENUM_SWITCH] = OP_ENUM_IN, [OP_USES_SWITCH] = OP_USES};
	uint8_t x = kinds[a->op] ? kinds[a->op] : a->op, y = kinds[b->op] ? kinds[b->op] : b->op;

	return x == y && a->fact == b->fact && a->arg == b->arg;
}

static bool
twice(struct dcode_way *way, size_t first, size_t again)
{
	way->first = first;
	way->again = again;
	return false;
}

/* The match that stands there for each string. */
static bool
has_match(const struct insn *set_match, size_t string, unsigned rule)
{
	for (const struct insn *in = set_match + 1 + string;; in += in->skip)
		if (in->arg == rule || in->skip == 0)
			return in->arg == rule;
}

/* Does one of the rules behind `set-match` stand for the very strings that a test asks for? */
static bool
asks_for_a_rule_of(const struct image *img, const struct insn *test, const struct insn *set_match)
{
	const struct constant *asked = &img->constants[test->arg];
	const struct constant *all = &img->constants[set_match->arg];

	if (set_match->op != OP_SET_MATCH || test->op != OP_SET_ANY ||
	    test->fact != set_match->fact)
		return false;
	for (size_t i = 0; i < set_match->skip; i++) {
		unsigned rule = set_match[1 + i].arg;
		size_t same = 0, has = 0;

		for (size_t k = 0; k < all->strings.n; k++) {
			bool stands = has_match(set_match, k, rule), wanted = false;

			for (size_t s = 0; s < asked->strings.n; s++)
				wanted |= slice_eq(asked->strings.v[s], all->strings.v[k]);
			has += stands;
			same += stands && wanted;
		}
		if (same == has && same == asked->strings.n)
			return true;
	}
	return false;
}

static void
match_members(const struct image *img, const struct insn *in, const struct facts *f,
	      struct dcode_way *way)
{
	const struct constant *k = &img->constants[in->arg];
	const struct value *v = &f->v[in->fact];
	bool except[VM_MAX_RULES] = {0};

	for (size_t s = 0; v->known && s < k->strings.n; s++)
		for (size_t i = 0; i < v->set.n; i++) {
			const struct insn *match = in + 1 + s;

			if (!slice_eq(v->set.v[i], k->strings.v[s]))
				continue;
			for (;; match += match->skip) {
				if (match->flags & INSN_NOT)
					except[match->arg] = true;
				else
					way->matched[match->arg] |= match->op == OP_MATCH;
				way->ops++;
				if (match->skip == 0)
					break;
			}
			break; /* it is there twice */
		}
	for (size_t i = 1; v->known && in->flags & INSN_NOT && i <= in->skip; i++, way->ops++)
		if (in[i].op == OP_MATCH && in[i].flags & INSN_NOT && !except[in[i].arg])
			way->matched[in[i].arg] = true;
}

bool
dcode_way_of(const struct image *img, enum vm_entry e, const struct facts *f, struct dcode_way *way)
{
	const struct insn *code = img->entry[e].diagram;
	size_t tested[1024], n = 0;

	*way = (struct dcode_way){.ops = 1};
	for (size_t at = 0; code[at].op != OP_END; way->ops++) {
		const struct insn *in = &code[at];
		enum outcome o;
		bool taken;

		if (in->op == OP_LIST) {
			way->to_list = true;
			return true;
		}
		if (in->op == OP_MATCH || in->op == OP_MAY) {
			way->matched[in->arg] |= in->op == OP_MATCH;
			at++;
			continue;
		}
		if (in->op == OP_SET_MATCH) {
			for (size_t i = 0; i < n; i++)
				if (asks_for_a_rule_of(img, &code[tested[i]], in))
					return twice(way, tested[i], at);
			assert(n < COUNT_OF(tested));
			tested[n++] = at;
			match_members(img, in, f, way);
			at += 1 + in->skip;
			continue;
		}
		if (in->op == OP_JUMP || in->op == OP_FAR) {
			at += 1 + in->skip + ((size_t) in->arg << 16) * (in->op == OP_FAR);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			if (tests_the_same(&code[tested[i]], in) ||
			    asks_for_a_rule_of(img, in, &code[tested[i]]))
				return twice(way, tested[i], at);
		assert(n < COUNT_OF(tested));
		tested[n++] = at;
		o = in->op == OP_MATCHED ? (enum outcome) way->matched[in->arg]
					 : outcome_of(img, in, f);
		if (in->op > OP_LIST) { /* a switch */
			const struct constant *k = &img->constants[in->arg];

			at += o == UNKNOWN ? 1
			      : o == NO	   ? 2
			      : in->op == OP_USES_SWITCH
				      ? 3
			      : in->op == OP_ROW_SWITCH
				      ? 3 + (size_t) string_case(k, f->row[in->fact].s)
				      : 3 + (size_t) case_of(&f->v[in->fact], k);
			continue;
		}
		taken = o == UNKNOWN ? in->flags & INSN_UNKNOWN
				     : (o == YES) != (bool) (in->flags & INSN_NOT);
		at += 1 + (taken == (bool) (in->flags & INSN_SKIP_TRUE) ? in->skip : 0);
	}
	return true;
}
