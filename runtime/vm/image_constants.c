/* SPDX-License-Identifier: MIT
 *
 * Reading an image: its constants (image.c describes their form).
 */
#include "vm/image_load.h"

#include "base/endian.h"

static int
constant_find(struct slice name)
{
	static const char *const names[] = {
#define CONSTANT(id, name, sentence) name,
#include "grammar/constants.def"
#undef CONSTANT
	};

	for (int i = 0; i < CONSTANT_COUNT; i++)
		if (slice_is(name, names[i]))
			return i;
	return -1;
}

static void
load_strings(struct loader *l, struct constant *k)
{
	size_t n = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	struct slice *v = ARENA_ARRAY(l->arena, struct slice, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		v[i] = cbor_get_bytes(&l->r);
		if (i && slice_cmp(v[i - 1], v[i]) >= 0)
			BAD(l, VALUE, "a set of strings is not in ascending order");
	}
	k->strings.v = v;
	k->strings.n = n;
}

static void
load_actions(struct loader *l, struct constant *k)
{
	size_t n = cbor_get_array(&l->r, ACTION_COUNT);

	for (size_t i = 0; i < n && ok(l); i++) {
		int a = name_in(l, action_find, "action");

		if (!ok(l))
			return;
		if (!action_is_leaf((enum action) a))
			BAD(l, VALUE, "action %s is not a leaf", action_info[a].name);
		action_set_add(&k->actions, (enum action) a);
	}
}

static void
load_values(struct loader *l, struct constant *k)
{
	int type = name_in(l, type_find, "type");
	size_t n = cbor_get_array(&l->r, 32);

	if (!ok(l))
		return;
	if (!type_is_enum((enum type) type)) {
		BAD(l, VALUE, "type %s has no values", type_info[type].name);
		return;
	}
	k->values.type = (enum type) type;
	for (size_t i = 0; i < n && ok(l); i++) {
		struct slice s = cbor_get_text(&l->r);
		int value = enum_find((enum type) type, s);

		if (value < 0)
			BAD(l, NAME, "type %s has no such value", type_info[type].name);
		else
			k->values.mask |= UINT32_C(1) << value;
	}
}

static void
load_network(struct loader *l, struct constant *k)
{
	struct slice addr = cbor_get_bytes(&l->r);

	k->network.prefix = (uint8_t) number(l, 128, "prefix");
	if (!ok(l))
		return;
	if (addr.n != 16)
		BAD(l, VALUE, "an address of %zu bytes", addr.n);
	else
		memcpy(k->network.addr, addr.p, 16);
}

/* What would lead out of the table is refused, so that a match needs no checks. */
static void
check_automaton(struct loader *l, const struct regex *r, struct slice table)
{
	for (int b = 0; b < 256; b++)
		if (r->class_of[b] >= r->n_classes)
			BAD(l, VALUE, "byte %d of an expression is of class %u of %u", b,
			    r->class_of[b], r->n_classes);
	for (size_t i = 0; i < table.n; i += 2)
		if (get_be16(table.p + i) >= r->n_states)
			BAD(l, VALUE, "an expression leads to state %u of %u",
			    get_be16(table.p + i), r->n_states);
	for (uint32_t i = 0; i < r->n_states; i++)
		if (r->accepts[i] > 1)
			BAD(l, VALUE, "state %u of an expression accepts or not: %u", i,
			    r->accepts[i]);
}

static void
load_regex(struct loader *l, struct constant *k)
{
	struct regex *r = &k->regex.dfa;
	struct slice classes, table, accepts;
	uint16_t *next;

	k->regex.text = cbor_get_text(&l->r);
	tuple(l, 3);
	classes = cbor_get_bytes(&l->r);
	table = cbor_get_bytes(&l->r);
	accepts = cbor_get_bytes(&l->r);
	if (!ok(l))
		return;
	if (classes.n != 256 || accepts.n < 1 || accepts.n > REGEX_MAX_STATES || table.n == 0 ||
	    table.n > 2 * REGEX_MAX_CELLS || table.n > 512 * accepts.n ||
	    table.n % (2 * accepts.n)) {
		BAD(l, VALUE, "an expression of %zu classes, %zu states, %zu bytes", classes.n,
		    accepts.n, table.n);
		return;
	}
	r->class_of = classes.p;
	r->accepts = accepts.p;
	r->n_states = (uint32_t) accepts.n;
	r->n_classes = (uint32_t) (table.n / 2 / accepts.n);
	check_automaton(l, r, table);
	r->next = next = ARENA_ARRAY(l->arena, uint16_t, table.n / 2);
	for (size_t i = 0; i < table.n / 2; i++)
		next[i] = (uint16_t) (get_be16(table.p + 2 * i) * r->n_classes);
	regex_find_sinks(r);
}

static void
load_uses(struct loader *l, struct constant *k)
{
	size_t n;

	k->uses.data = index_of(l, l->img->n_data, "data class");
	n = cbor_get_array(&l->r, N_CONTEXTS);
	for (size_t i = 0; i < n && ok(l); i++) {
		int c = name_in(l, context_find, "context");

		if (ok(l))
			k->uses.contexts = (uint16_t) (k->uses.contexts | 1u << c);
	}
}

static void
load_constant(struct loader *l, struct constant *k)
{
	size_t n = cbor_get_array(&l->r, 3);
	int kind = name_in(l, constant_find, "kind of constant");

	if (!ok(l))
		return;
	k->kind = (enum constant_kind) kind;
	if (n != (kind >= CONSTANT_VALUES ? 3u : 2u)) {
		cbor_fail(&l->r, "a constant of another length");
		return;
	}
	switch (k->kind) {
	case CONSTANT_NUMBER:
		k->number = cbor_get_int(&l->r);
		break;
	case CONSTANT_STRING:
		k->string = cbor_get_bytes(&l->r);
		break;
	case CONSTANT_STRINGS:
		load_strings(l, k);
		k->n_cases = (uint32_t) k->strings.n;
		break;
	case CONSTANT_ACTIONS:
		load_actions(l, k);
		k->n_cases = (uint32_t) action_set_rank(&k->actions, ACTION_COUNT);
		break;
	case CONSTANT_VALUES:
		load_values(l, k);
		k->n_cases = (uint32_t) __builtin_popcount(k->values.mask);
		break;
	case CONSTANT_NETWORK:
		load_network(l, k);
		break;
	case CONSTANT_REGEX:
		load_regex(l, k);
		break;
	case CONSTANT_USES:
		load_uses(l, k);
		k->n_cases = 1;
		break;
	case CONSTANT_COUNT:
		break;
	}
}

void
load_constants(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, VM_MAX_CONSTANTS);
	struct constant *v = ARENA_ARRAY(l->arena, struct constant, n);

	for (size_t i = 0; i < n && ok(l); i++)
		load_constant(l, &v[i]);
	l->img->constants = v;
	l->img->n_constants = n;
}
