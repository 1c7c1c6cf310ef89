/* SPDX-License-Identifier: MIT
 *
 * Names of what policies, engines and images speak about, generated from the tables in grammar/:
 * types, facts, actions, contexts, masks, rule kinds, entry points. Ids are positions in those
 * lists and never leave the process: what is stored carries names.
 */
#ifndef WEIR_VM_NAMES_H
#define WEIR_VM_NAMES_H

#include "base/assert.h"
#include "base/slice.h"

enum type {
#define TYPE(id, name, sentence) TYPE_##id,
#include "grammar/types.def"
#undef TYPE
	TYPE_COUNT
};

enum fact {
#define ENUM_VALUE(list, id, name)
#define FACT(id, name, type, protocol, phase, cached, sentence) FACT_##id,
#include "grammar/facts.def"
#undef FACT
#undef ENUM_VALUE
	FACT_COUNT
};

/* USER_KIND_HUMAN, PROTOCOL_POSTGRES, WEEKDAY_MON ...: the values of one list of facts.def each. */
#define FACT(id, name, type, protocol, phase, cached, sentence)
#define ENUM_VALUE(list, id, name) ENUM_OF_##list(id)

enum user_kind {
#define ENUM_OF_USER_KIND(id) USER_KIND_##id,
#define ENUM_OF_PROTOCOL(id)
#define ENUM_OF_WEEKDAY(id)
#include "grammar/facts.def"
	USER_KIND_COUNT
};

enum protocol {
#undef ENUM_OF_USER_KIND
#undef ENUM_OF_PROTOCOL
#define ENUM_OF_USER_KIND(id)
#define ENUM_OF_PROTOCOL(id) PROTOCOL_##id,
#include "grammar/facts.def"
	PROTOCOL_COUNT
};

enum weekday {
#undef ENUM_OF_PROTOCOL
#undef ENUM_OF_WEEKDAY
#define ENUM_OF_PROTOCOL(id)
#define ENUM_OF_WEEKDAY(id) WEEKDAY_##id,
#include "grammar/facts.def"
	WEEKDAY_COUNT
};
#undef ENUM_OF_USER_KIND
#undef ENUM_OF_PROTOCOL
#undef ENUM_OF_WEEKDAY
#undef ENUM_VALUE
#undef FACT

enum action {
#define ACTION(id, name, parent, sentence) ACTION_##id,
#define ACTION_SET(id, name, sentence, ...)
#include "grammar/actions.def"
#undef ACTION_SET
#undef ACTION
	ACTION_COUNT
};

enum context {
#define CONTEXT(id, name, sentence) CONTEXT_##id,
#include "grammar/contexts.def"
#undef CONTEXT
	N_CONTEXTS
};
#define CONTEXT_BIT(id) (1u << CONTEXT_##id)
static_assert(N_CONTEXTS <= 16, "contexts fit 16 bits");

enum mask {
#define MASK(id, name, arguments, rank, sentence) MASK_##id,
#include "grammar/masks.def"
#undef MASK
	MASK_COUNT
};

enum detector {
#define DETECTOR(id, name, sentence) DETECTOR_##id,
#include "grammar/detectors.def"
#undef DETECTOR
	DETECTOR_COUNT
};
static_assert(DETECTOR_COUNT <= 32, "detectors fit 32 bits");

enum vm_rule {
#define RULE(id, name, sentence) VM_##id,
#include "grammar/rules.def"
#undef RULE
	VM_RULE_COUNT
};

enum limit_unit {
#define LIMIT_UNIT(id, name, sentence) LIMIT_##id,
#define LIMIT_PER(id, name, seconds, sentence)
#include "grammar/limits.def"
	LIMIT_UNIT_COUNT
};

enum limit_per {
#undef LIMIT_UNIT
#undef LIMIT_PER
#define LIMIT_UNIT(id, name, sentence)
#define LIMIT_PER(id, name, seconds, sentence) PER_##id,
#include "grammar/limits.def"
	LIMIT_PER_COUNT
};
#undef LIMIT_UNIT
#undef LIMIT_PER

enum recorded_part {
#define RECORDED(id, name, sentence) RECORDED_##id,
#include "grammar/recorded.def"
#undef RECORDED
	RECORDED_COUNT
};
#define RECORDED_BIT(id) (1u << RECORDED_##id)
static_assert(RECORDED_COUNT <= 8, "what is recorded fits 8 bits");

enum vm_entry {
#define ENTRY(id, name, sentence) ENTRY_##id,
#include "grammar/entries.def"
#undef ENTRY
	ENTRY_COUNT
};

enum fact_protocol { FACT_OF_ANY = -1, FACT_OF_POSTGRES = PROTOCOL_POSTGRES };
enum fact_phase { PHASE_CONNECT, PHASE_COMMAND, PHASE_EFFECT };

struct fact_info {
	const char *name, *sentence;
	enum type type;
	enum fact_protocol protocol;
	enum fact_phase phase;
	bool stable; /* may be part of a remembered decision */
};

struct action_info {
	const char *name, *sentence;
	enum action parent;
};

/* A set of leaf actions. */
struct action_set {
	uint64_t w[2];
};
static_assert(ACTION_COUNT <= 128, "actions fit struct action_set");

enum mask_arg { MASK_ARG_NONE, MASK_ARG_TEXT, MASK_ARG_COUNT, MASK_ARG_WIDTH };
enum { MASK_COUNT_MAX = 64 }; /* last(n), first(n) */
enum { MASK_WIDTH_MIN = 2, MASK_WIDTH_MAX = 1000000000 }; /* round(n), bucket(n) */

struct mask_info {
	const char *name, *sentence;
	enum mask_arg arg;
	int rank;
};

/* It takes a number: a count or a width. */
static inline bool
mask_has_number(enum mask_arg arg)
{
	return arg == MASK_ARG_COUNT || arg == MASK_ARG_WIDTH;
}

struct limit_per_info {
	const char *name, *sentence;
	uint32_t seconds; /* 0: of one command */
};

struct named {
	const char *name, *sentence;
};

extern const struct fact_info fact_info[FACT_COUNT];
extern const struct action_info action_info[ACTION_COUNT];
extern const struct mask_info mask_info[MASK_COUNT];
extern const struct named context_info[N_CONTEXTS];
extern const struct named detector_info[DETECTOR_COUNT];
extern const struct named vm_rule_info[VM_RULE_COUNT];
extern const struct named recorded_info[RECORDED_COUNT];
extern const struct named entry_info[ENTRY_COUNT];
extern const struct named type_info[TYPE_COUNT];
extern const struct named limit_unit_info[LIMIT_UNIT_COUNT];
extern const struct limit_per_info limit_per_info[LIMIT_PER_COUNT];

/* Ready-made sets such as sql.basics. */
struct action_group {
	const char *name, *sentence;
	const uint8_t *members; /* leaves or nodes, ends with ACTION_NONE */
};
extern const struct action_group action_groups[];
extern const size_t n_action_groups;

/* -1 when there is no such name. */
int fact_find(struct slice name);
int action_find(struct slice name); /* leaves and inner nodes, never sets; not the empty name */
int context_find(struct slice name);
int mask_find(struct slice name);
int detector_find(struct slice name);
int type_find(struct slice name);
int limit_unit_find(struct slice name);
int limit_per_find(struct slice name);
int recorded_find(struct slice name);
/* Values of an enumerated type: number of them, name of one (NULL past the end), value of a
 * name. */
int enum_count(enum type t);
const char *enum_name(enum type t, int value);
int enum_find(enum type t, struct slice name);

bool action_is_leaf(enum action a);
/* The leaves below a node (itself when it is one), added to set. */
void action_leaves(enum action node, struct action_set *set);
/* As above for a node's or a ready-made set's name; false when there is no such name. */
bool action_set_of(struct slice name, struct action_set *set) MUST_CHECK;

static inline bool
type_is_enum(enum type t)
{
	return t >= TYPE_ENUM_USER_KIND;
}

static inline void
action_set_add(struct action_set *set, enum action a)
{
	set->w[a / 64] |= UINT64_C(1) << a % 64;
}

static inline bool
action_set_has(const struct action_set *set, enum action a)
{
	return set->w[a / 64] >> a % 64 & 1;
}

/* How many of the set come before a. */
static inline size_t
action_set_rank(const struct action_set *set, unsigned a)
{
	uint64_t low = a < 64 ? (UINT64_C(1) << a) - 1 : UINT64_MAX;
	uint64_t high = a < 64 ? 0 : a < 128 ? (UINT64_C(1) << (a - 64)) - 1 : UINT64_MAX;

	return (size_t) (__builtin_popcountll(set->w[0] & low) +
			 __builtin_popcountll(set->w[1] & high));
}

#endif
