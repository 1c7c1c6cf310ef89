/* SPDX-License-Identifier: MIT
 *
 * A policy as the gateway runs it: loaded from bytes, verified, read-only.
 *
 * The file is deterministic CBOR: a map {0: "weir-image", 1: body (bytes), 2: public key, 3: Ed25519
 * signature over "weir-image-1\n" and the body}; 2 and 3 are absent in an unsigned image. The
 * digest of a policy is the SHA-256 of the body. runtime/vm/image.c describes the body. Facts,
 * actions, opcodes, masks and contexts are stored by name. Loading is a pure function from bytes.
 */
#ifndef WEIR_VM_IMAGE_H
#define WEIR_VM_IMAGE_H

#include "base/arena.h"
#include "base/crypto.h"
#include "vm/match.h"
#include "vm/names.h"

enum { IMAGE_FORMAT = 7, IMAGE_MAX_BYTES = 16 << 20 };
/* What one image may hold. */
enum {
	VM_MAX_RULES = 10240,
	VM_MAX_OPS = 262144, /* that a decision can take when all rules concern it: 1 ms */
	VM_MAX_DIAGRAM = 524288, /* instructions of an entry point's diagram */
	VM_MAX_CONSTANTS = 65535,
	VM_MAX_ROW_COLUMNS = 64, /* different ones that conditions read */
};

enum opcode {
#define OP(id, name, fact, constant, sentence) OP_##id,
#include "grammar/opcodes.def"
#undef OP
	OP_COUNT
};

enum constant_kind {
#define CONSTANT(id, name, sentence) CONSTANT_##id,
#include "grammar/constants.def"
#undef CONSTANT
	CONSTANT_COUNT
};

enum insn_flag {
	INSN_NOT = 1,       /* the outcome of the test is inverted (not that of "unknown") */
	INSN_UNKNOWN = 2,   /* an unknown fact counts as true, after INSN_NOT; otherwise as false */
	INSN_SKIP_TRUE = 4, /* skip when true; otherwise when false */
	INSN_FLAGS = 7
};

struct insn {
	uint8_t op, flags;
	uint16_t fact; /* or column: index in image.row_columns */
	uint16_t skip;
	uint16_t arg;
};
static_assert(sizeof(struct insn) == 8, "instructions are 8 bytes");

struct constant {
	enum constant_kind kind;
	uint32_t n_cases; /* of a switch: strings, actions or values in it, of uses 1 */
	union {
		int64_t number;
		struct slice string;
		struct {
			const struct slice *v; /* strictly ascending */
			size_t n;
		} strings;
		struct action_set actions;
		struct {
			enum type type;
			uint32_t mask; /* bit per value */
		} values;
		struct {
			uint8_t addr[16];
			uint8_t prefix; /* 0 to 128; IPv4 networks are mapped: 96 to 128 */
		} network;
		struct {
			struct slice text; /* "/^app/i", as it is written */
			struct regex dfa;
		} regex;
		struct {
			uint16_t data, contexts;
		} uses;
	};
};

/* Line and column start at 1, the column counts characters; file indexes image.files. */
struct image_span {
	uint32_t file, line, column, length;
};

struct image_file {
	struct slice name, text; /* as the compiler was given them */
};

struct image_group {
	struct slice name, idp; /* the policy's name for it; the string in user.groups */
};

struct image_target {
	struct slice name;
	enum protocol protocol;
	struct slice pattern; /* matched with target.name */
};

/* Each part may hold *; one that the author left out is "*". */
struct image_column {
	struct slice schema, table, column;
};

/* A function that counts as harmless while its definition is this one. */
struct image_trusted {
	struct slice function; /* schema.name(argument types) */
	uint8_t digest[SHA256_LEN];
};

/* A table or view of the catalog that the policy was written against. */
struct image_relation {
	struct slice schema, name;
	const struct slice *columns; /* a view may have more than are known */
	size_t n_columns;
};

struct image_data {
	struct slice name;
	const struct image_column *columns;
	size_t n_columns;
	uint32_t detectors; /* bit per detector: values like these, whatever their column */
};

/* N different members of the group must approve. */
struct image_need {
	uint16_t n, group;
};

struct image_hold {
	const struct image_need *needs;
	size_t n_needs;
	bool not_self, once, reason, ticket;
	uint32_t within_s;  /* a decision must come within this time; 0 never occurs */
	uint32_t expires_s; /* how long an approval may be used; 0: as long as the command waits */
};

/* What a mask opens of its columns besides showing them bare. */
struct mask_modes {
	bool lookup, derived;
	uint32_t over; /* aggregates over groups of at least so many values; 0: none */
};

struct image_mask {
	const uint16_t *data; /* classes */
	size_t n_data;
	enum mask kernel;
	uint32_t count;    /* last(n), first(n) */
	struct slice text; /* fixed("...") */
	struct mask_modes modes;
};

struct image_amount {
	enum limit_unit unit;
	enum limit_per per;
	uint64_t n; /* rows, bytes or milliseconds; at least 1 */
};

struct image_limit {
	const struct image_amount *amounts;
	size_t n_amounts; /* at least 1 */
};

struct image_rule {
	enum vm_rule kind;
	bool shadow; /* never enforced: only ENTRY_WATCH and ENTRY_WATCH_CONNECT may match it */
	struct slice name, sentence; /* the sentence may be empty */
	struct image_span span;      /* of the rule's name */
	struct image_hold hold;      /* VM_HOLD */
	struct image_mask mask;      /* VM_MASK; of VM_DROP the data alone */
	bool by_column;              /* some of its data names columns */
	uint32_t detectors;          /* of all its data; never of a rule by row */
	bool by_row;                 /* what it does depends on each row: ENTRY_ROW says */
	uint64_t row_columns;        /* bit per image.row_columns that it reads */
	struct image_limit limit;    /* VM_LIMIT */
	uint8_t recorded;            /* VM_RECORD: RECORDED_BIT(...) | ..., not 0 */
	struct slice channel; /* VM_NOTIFY; of a verdict, when it decides; empty: nobody is told */
};

struct image_entry {
	const struct insn *code; /* the list: all rules, one after another */
	size_t n;
	const struct insn *diagram; /* decides the same with fewer tests; runs first */
	size_t n_diagram;	    /* 0: there is none */
	uint32_t cost;  /* most instructions any run can take */
	uint64_t facts; /* bit per fact that is read */
	bool uses;      /* reads the list of data uses (stable) */
	bool stable;    /* reads stable facts only: a decision may be remembered */
	const struct vm_index *index; /* of this very code; NULL: all of it runs */
	bool index_too_big;	      /* so there is none, though the rules are many */
	bool index_wrong;	      /* there was one that may leave rules out */
};
static_assert(FACT_COUNT <= 64, "facts fit image_entry.facts");

struct image {
	struct slice policy, title, compiler;
	bool default_allow;
	bool has_limits, has_drops, has_records; /* some rule in force is one */
	bool counts_commands;       /* some limit does */
	bool shadow_shows;          /* some shadow rule is a mask or a drop */
	const struct image_rule *rules;
	size_t n_rules;
	/* Of the rules, side by side for the machine: the verdict, or -1 of an obligation. */
	const int8_t *ranks;
	const struct image_data *data;
	size_t n_data;
	const struct image_group *groups;
	size_t n_groups;
	const struct image_target *targets;
	size_t n_targets;
	const struct image_trusted *trusted;
	size_t n_trusted;
	const struct image_relation *relations; /* of the policy's catalog; none: it has none */
	size_t n_relations;
	bool has_catalog;
	uint8_t catalog_digest[SHA256_LEN];
	const struct image_file *files; /* [0] is the policy, then its imports */
	size_t n_files;
	const struct constant *constants;
	size_t n_constants;
	const struct slice *row_columns; /* names of columns that ENTRY_ROW reads */
	size_t n_row_columns;
	struct image_entry entry[ENTRY_COUNT];
	uint64_t counter;  /* of the signer; later builds are higher */
	uint32_t n_tests;  /* tests and proofs of the policy that passed at its build; 0: not run */
	uint8_t source_digest[SHA256_LEN];
	uint8_t digest[SHA256_LEN]; /* SHA-256 of the body: the policy's version */
	bool is_signed;
	uint8_t public_key[ED25519_PUB_LEN];
	struct slice bytes; /* the whole file, in the arena */
};

enum image_error_code {
	IMAGE_OK,
#define IMAGE_ERROR(id, code, sentence) IMAGE_ERROR_##id,
#include "grammar/image_errors.def"
#undef IMAGE_ERROR
	IMAGE_ERROR_COUNT
};

struct image_error {
	enum image_error_code code;
	char text[160]; /* "V0204: command: instruction 17: jump past the end" */
};

struct image_trust {
	bool allow_unsigned;
	/* trusted signers; n_keys = 0: any valid signature */
	const uint8_t (*keys)[ED25519_PUB_LEN];
	size_t n_keys;
	uint64_t min_counter;
};

/* True when the bytes look like an image rather than like policy text. */
bool image_is_image(struct slice bytes);
/* Copies the bytes into the arena and builds the image there; NULL with *err filled when anything
 * at all is wrong with them. */
struct image *image_load(struct arena *a, struct slice bytes, const struct image_trust *trust,
			 struct image_error *err) MUST_CHECK;
const char *image_error_name(enum image_error_code code); /* "V0204" */

/* The instructions of the list, then those of the diagram. */
static inline size_t
image_n_insns(const struct image_entry *e)
{
	return e->n + e->n_diagram;
}

static inline const struct insn *
image_insn(const struct image_entry *e, size_t i)
{
	return i < e->n ? &e->code[i] : &e->diagram[i - e->n];
}

/* Decides nothing: ENTRY_WATCH and ENTRY_WATCH_CONNECT match it, and no other entry point may. */
static inline bool
image_rule_watched(const struct image_rule *rule)
{
	return rule->shadow || rule->kind == VM_NOTIFY;
}
/* Does the column belong to the class? An empty slice stands for any name. */
bool image_data_matches(const struct image *img, size_t data, struct slice schema,
			struct slice table, struct slice column);
/* -1 when there is none of that name. */
int image_group_find(const struct image *img, struct slice name);
int image_rule_find(const struct image *img, struct slice name);

#endif
