/* SPDX-License-Identifier: MIT */
#include "tests/diff/dcode_way.h"

#include "vm/match.h"

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

/* Which of the constant's cases the value is, from 0; -1: none. */
static int
case_of(const struct value *v, const struct constant *k)
{
	int n = 0;

	if (k->kind == CONSTANT_STRINGS) {
		for (size_t i = 0; i < k->strings.n; i++)
			if (slice_eq(k->strings.v[i], v->s))
				return (int) i;
		return -1;
	}
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
	if (!v->known)
		return UNKNOWN;
	switch ((enum opcode) in->op) {
	case OP_SET_ANY:
	case OP_SET_GLOB:
		return member(v, k, in->op == OP_SET_GLOB);
	case OP_STR_GLOB:
		return match_glob(k->string, v->s);
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
		[OP_ENUM_SWITCH] = OP_ENUM_IN, [OP_USES_SWITCH] = OP_USES};
	uint8_t x = kinds[a->op] ? kinds[a->op] : a->op, y = kinds[b->op] ? kinds[b->op] : b->op;

	return x == y && a->fact == b->fact && a->arg == b->arg;
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
		if (in->op == OP_JUMP || in->op == OP_FAR) {
			at += 1 + in->skip + ((size_t) in->arg << 16) * (in->op == OP_FAR);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			if (tests_the_same(&code[tested[i]], in)) {
				way->first = tested[i];
				way->again = at;
				return false;
			}
		assert(n < COUNT_OF(tested));
		tested[n++] = at;
		o = outcome_of(img, in, f);
		if (in->op > OP_LIST) { /* a switch */
			const struct constant *k = &img->constants[in->arg];

			at += o == UNKNOWN ? 1
			      : o == NO	   ? 2
			      : in->op == OP_USES_SWITCH
				      ? 3
				      : 3 + (size_t) case_of(&f->v[in->fact], k);
			continue;
		}
		taken = o == UNKNOWN ? in->flags & INSN_UNKNOWN
				     : (o == YES) != (bool) (in->flags & INSN_NOT);
		at += 1 + (taken == (bool) (in->flags & INSN_SKIP_TRUE) ? in->skip : 0);
	}
	return true;
}
