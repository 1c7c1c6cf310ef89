/* SPDX-License-Identifier: MIT */
#include "vm/names.h"

const struct named type_info[TYPE_COUNT] = {
#define TYPE(id, name, sentence) {name, sentence},
#include "grammar/types.def"
#undef TYPE
};

enum { FACT_STABLE = true, FACT_VARYING = false };

const struct fact_info fact_info[FACT_COUNT] = {
#define ENUM_VALUE(list, id, name)
#define FACT(id, name, type, protocol, phase, cached, sentence)                                   \
	{name, sentence, TYPE_##type, FACT_OF_##protocol, PHASE_##phase, FACT_##cached},
#include "grammar/facts.def"
#undef FACT
#undef ENUM_VALUE
};

/* Bit per action that is somebody's parent: the others are leaves. */
static const unsigned __int128 inner_actions = 0
#define ACTION(id, name, parent, sentence) | (unsigned __int128) 1 << ACTION_##parent
#define ACTION_SET(id, name, sentence, ...)
#include "grammar/actions.def"
#undef ACTION_SET
#undef ACTION
	;

const struct action_info action_info[ACTION_COUNT] = {
#define ACTION(id, name, parent, sentence) {name, sentence, ACTION_##parent},
#define ACTION_SET(id, name, sentence, ...)
#include "grammar/actions.def"
#undef ACTION_SET
#undef ACTION
};

/* The .def lists the members of a set by bare id. */
enum {
#define ACTION(id, name, parent, sentence) id = ACTION_##id,
#define ACTION_SET(id, name, sentence, ...)
#include "grammar/actions.def"
#undef ACTION_SET
#undef ACTION
};

#define ACTION(id, name, parent, sentence)
#define ACTION_SET(id, name, sentence, ...)                                                        \
	static const uint8_t members_##id[] = {__VA_ARGS__, NONE};
#include "grammar/actions.def"
#undef ACTION_SET

const struct action_group action_groups[] = {
#define ACTION_SET(id, name, sentence, ...) {name, sentence, members_##id},
#include "grammar/actions.def"
#undef ACTION_SET
#undef ACTION
};
const size_t n_action_groups = COUNT_OF(action_groups);

const struct mask_info mask_info[MASK_COUNT] = {
#define MASK(id, name, argument, rank, sentence) {name, sentence, MASK_ARG_##argument, rank},
#include "grammar/masks.def"
#undef MASK
};

const struct named context_info[N_CONTEXTS] = {
#define CONTEXT(id, name, sentence) {name, sentence},
#include "grammar/contexts.def"
#undef CONTEXT
};

const struct named detector_info[DETECTOR_COUNT] = {
#define DETECTOR(id, name, sentence) {name, sentence},
#include "grammar/detectors.def"
#undef DETECTOR
};

const struct named vm_rule_info[VM_RULE_COUNT] = {
#define RULE(id, name, sentence) {name, sentence},
#include "grammar/rules.def"
#undef RULE
};

const struct named limit_unit_info[LIMIT_UNIT_COUNT] = {
#define LIMIT_UNIT(id, name, sentence) {name, sentence},
#define LIMIT_PER(id, name, seconds, sentence)
#include "grammar/limits.def"
#undef LIMIT_UNIT
#undef LIMIT_PER
};

const struct limit_per_info limit_per_info[LIMIT_PER_COUNT] = {
#define LIMIT_UNIT(id, name, sentence)
#define LIMIT_PER(id, name, seconds, sentence) {name, sentence, seconds},
#include "grammar/limits.def"
#undef LIMIT_UNIT
#undef LIMIT_PER
};

const struct named recorded_info[RECORDED_COUNT] = {
#define RECORDED(id, name, sentence) {name, sentence},
#include "grammar/recorded.def"
#undef RECORDED
};

const struct named entry_info[ENTRY_COUNT] = {
#define ENTRY(id, name, sentence) {name, sentence},
#include "grammar/entries.def"
#undef ENTRY
};

static const struct {
	enum type type;
	const char *name;
} enum_values[] = {
#define FACT(id, name, type, protocol, phase, cached, sentence)
#define ENUM_VALUE(list, id, name) {TYPE_ENUM_##list, name},
#include "grammar/facts.def"
#undef ENUM_VALUE
#undef FACT
};

#define FIND(table, count, s)                                                                     \
	do {                                                                                      \
		for (int i_ = 0; i_ < (int) (count); i_++)                                        \
			if (slice_is((s), (table)[i_].name))                                      \
				return i_;                                                        \
		return -1;                                                                        \
	} while (0)

int
fact_find(struct slice name)
{
	FIND(fact_info, FACT_COUNT, name);
}

int
action_find(struct slice name)
{
	if (name.n == 0)
		return -1;
	FIND(action_info, ACTION_COUNT, name);
}

int
context_find(struct slice name)
{
	FIND(context_info, N_CONTEXTS, name);
}

int
mask_find(struct slice name)
{
	FIND(mask_info, MASK_COUNT, name);
}

int
detector_find(struct slice name)
{
	FIND(detector_info, DETECTOR_COUNT, name);
}

int
type_find(struct slice name)
{
	FIND(type_info, TYPE_COUNT, name);
}

int
limit_unit_find(struct slice name)
{
	FIND(limit_unit_info, LIMIT_UNIT_COUNT, name);
}

int
recorded_find(struct slice name)
{
	FIND(recorded_info, RECORDED_COUNT, name);
}

int
limit_per_find(struct slice name)
{
	FIND(limit_per_info, LIMIT_PER_COUNT, name);
}

const char *
enum_name(enum type t, int value)
{
	for (size_t i = 0; i < COUNT_OF(enum_values) && value >= 0; i++)
		if (enum_values[i].type == t && value-- == 0)
			return enum_values[i].name;
	return NULL;
}

int
enum_count(enum type t)
{
	int n = 0;

	for (size_t i = 0; i < COUNT_OF(enum_values); i++)
		n += enum_values[i].type == t;
	return n;
}

int
enum_find(enum type t, struct slice name)
{
	const char *s;

	for (int i = 0; (s = enum_name(t, i)); i++)
		if (slice_is(name, s))
			return i;
	return -1;
}

bool
action_is_leaf(enum action a)
{
	assert(a < ACTION_COUNT);
	return !(inner_actions >> a & 1);
}

void
action_leaves(enum action node, struct action_set *set)
{
	struct action_set below = {0};

	assert(node > ACTION_NONE && node < ACTION_COUNT);
	action_set_add(&below, node);
	/* Parents come before their children, so one pass finds the whole subtree. */
	for (enum action a = node; a < ACTION_COUNT; a++) {
		if (action_set_has(&below, action_info[a].parent))
			action_set_add(&below, a);
		if (action_set_has(&below, a) && action_is_leaf(a))
			action_set_add(set, a);
	}
}

bool
action_set_of(struct slice name, struct action_set *set)
{
	int node = action_find(name);

	if (node >= 0) {
		action_leaves((enum action) node, set);
		return true;
	}
	for (size_t i = 0; i < n_action_groups; i++) {
		if (!slice_is(name, action_groups[i].name))
			continue;
		for (const uint8_t *m = action_groups[i].members; *m != ACTION_NONE; m++)
			action_leaves((enum action) *m, set);
		return true;
	}
	return false;
}
