/* SPDX-License-Identifier: MIT
 *
 * Audit records: structures with plain fields, their encoder to deterministic CBOR (the leaf) and
 * their decoder to JSON. Everything here is generated from grammar/records.def; the structures
 * are `struct audit_MAP`, the enumerations `AUDIT_LIST_ID` (in upper case as declared there).
 *
 * All pointers and slices are borrowed for the call only. Absent = zero: an empty slice, a zero id,
 * a NULL pointer or an enum of 0 is left out of the encoding.
 */
#ifndef WEIR_AUDIT_RECORD_H
#define WEIR_AUDIT_RECORD_H

#include "base/buf.h"

enum {
	AUDIT_LEAF_MAX = 65535,       /* C2SP tlog-tiles: an entry has a 16-bit length */
	AUDIT_STATEMENT_MAX = 8192,   /* a longer statement keeps its first ... */
	AUDIT_STATEMENT_PREFIX = 2048, /* ... bytes, its SHA-256 and its length, */
	AUDIT_STATEMENT_WHOLE = 32768, /* unless its length is set and at most this */
};

struct audit_id {
	uint8_t b[16];
};
struct audit_texts {
	const struct slice *v;
	size_t n;
};
struct audit_ids {
	const struct audit_id *v;
	size_t n;
};
struct audit_record;

#define AUDIT_TYPE_UINT(sub) uint64_t
#define AUDIT_TYPE_OPT_UINT(sub) uint64_t
#define AUDIT_TYPE_TIME(sub) uint64_t
#define AUDIT_TYPE_BOOL(sub) bool
#define AUDIT_TYPE_ENUM(sub) unsigned
#define AUDIT_TYPE_TEXT(sub) struct slice
#define AUDIT_TYPE_STMT(sub) struct slice
#define AUDIT_TYPE_BLOB(sub) struct slice
#define AUDIT_TYPE_ADDR(sub) struct slice
#define AUDIT_TYPE_ID(sub) struct audit_id
#define AUDIT_TYPE_HASH(sub) const uint8_t *
#define AUDIT_TYPE_TEXTS(sub) struct audit_texts
#define AUDIT_TYPE_IDS(sub) struct audit_ids
#define AUDIT_TYPE_SUB(sub) const struct audit_##sub *
#define AUDIT_TYPE_LIST(sub)                                                                      \
	struct {                                                                                  \
		const struct audit_##sub *v;                                                      \
		size_t n;                                                                         \
	}
#define AUDIT_TYPE_BODY(sub) const void * /* struct audit_BODY of the record's type */

#define MAP(m) struct audit_##m {
#define FIELD(m, key, name, KIND, sub) AUDIT_TYPE_##KIND(sub) name;
#define END(m)                                                                                    \
	}                                                                                         \
	;
#include "grammar/records.def"

/* AUDIT_command, AUDIT_result ...: the record types. */
enum audit_record_type {
#define RECORD(id, m, name, sentence) AUDIT_##m = id,
#include "grammar/records.def"
};

/* AUDIT_verdict_ALLOW, AUDIT_status_OK ... */
enum audit_enum_value {
#define ENUM_VALUE(list, ID, number, name) AUDIT_##list##_##ID = number,
#include "grammar/records.def"
};

/* A fresh UUIDv7 (RFC 9562) for wall_ns. Random bits are drawn in blocks, one block a thread. Never
 * the same twice, and rising within a thread as long as the clock does. */
struct audit_id audit_id_new(uint64_t wall_ns);
bool audit_id_is_zero(struct audit_id id);
/* 36 characters and a NUL. */
void audit_id_format(struct audit_id id, char out[37]);
bool audit_id_parse(struct audit_id *id, struct slice text) MUST_CHECK;

/* Fills version, type, id, time, boot_ns, node and boot; the rest is zero. The caller sets body
 * (and whatever else it knows) and encodes. `node` must outlive the record. */
void audit_record_init(struct audit_record *r, enum audit_record_type type, uint64_t wall_ns,
		       uint64_t boot_ns);
/* What audit_record_init puts into node and boot; set once at start (audit_open does). */
void audit_record_set_node(struct slice node);

/* Replaces the contents of *out (not appended) with the leaf. No malloc once out is warm. False
 * when the leaf would exceed AUDIT_LEAF_MAX or out could not grow: the command must then be
 * refused. */
bool audit_encode(struct buf *out, const struct audit_record *r) MUST_CHECK;

/* Appends one JSON object (no newline). Names come from records.def; a key or enum value that is
 * not known is kept under its number. False and the reason when the leaf is not a well-formed
 * record in deterministic encoding. */
bool audit_to_json(struct buf *out, struct slice leaf, const char **error) MUST_CHECK;
const char *audit_type_name(uint64_t type); /* NULL when unknown */

#endif
