/* SPDX-License-Identifier: MIT
 *
 * Deterministic CBOR (RFC 8949 section 4.2.1), written and read. The subset used by images and
 * audit records: unsigned and negative integers, byte and text strings, arrays, maps, booleans.
 * No floats, tags, nulls or indefinite lengths.
 *
 * The reader accepts exactly what the writer makes: shortest-form heads and map keys in strictly
 * ascending bytewise order (checked by cbor_map_key for integer keys), so a value has one encoding
 * and a digest over it means something.
 */
#ifndef WEIR_BASE_CBOR_H
#define WEIR_BASE_CBOR_H

#include "base/buf.h"

enum cbor_type {
	CBOR_UINT = 0,
	CBOR_NEGINT = 1,
	CBOR_BYTES = 2,
	CBOR_TEXT = 3,
	CBOR_ARRAY = 4,
	CBOR_MAP = 5,
	CBOR_SIMPLE = 7, /* false and true only */
};

void cbor_uint(struct buf *b, uint64_t v);
void cbor_int(struct buf *b, int64_t v);
void cbor_bytes(struct buf *b, struct slice s);
void cbor_text(struct buf *b, struct slice s); /* the caller vouches that it is UTF-8 */
void cbor_array(struct buf *b, size_t n);
void cbor_map(struct buf *b, size_t n); /* the caller writes keys in ascending order */
void cbor_bool(struct buf *b, bool v);

struct cbor_reader {
	const uint8_t *p, *end;
	const char *error; /* first failure, NULL while all is well; sticky */
	const uint8_t *error_at;
};

struct cbor_item {
	enum cbor_type type;
	uint64_t v; /* value, length in bytes, or number of elements/pairs; CBOR_SIMPLE: 0 or 1 */
	struct slice s; /* CBOR_BYTES and CBOR_TEXT */
};

void cbor_reader_init(struct cbor_reader *r, struct slice in);
/* Reads one head (and the contents of a string). False at the end or on error. */
bool cbor_next(struct cbor_reader *r, struct cbor_item *it) MUST_CHECK;
/* Typed reads; on the wrong type set error and return 0 / an empty slice. */
uint64_t cbor_get_uint(struct cbor_reader *r);
int64_t cbor_get_int(struct cbor_reader *r);
struct slice cbor_get_bytes(struct cbor_reader *r);
struct slice cbor_get_text(struct cbor_reader *r);
bool cbor_get_bool(struct cbor_reader *r);
/* Number of elements/pairs, at most `max`; each element takes at least a byte, so a length that
 * the remaining input cannot hold is an error at once. */
size_t cbor_get_array(struct cbor_reader *r, size_t max);
size_t cbor_get_map(struct cbor_reader *r, size_t max);
/* Reads an integer key that must be greater than *last (start with -1), and stores it there. */
int64_t cbor_map_key(struct cbor_reader *r, int64_t *last);
/* Skips one whole item, nested at most 16 deep. */
void cbor_skip(struct cbor_reader *r);
/* True when everything was read and nothing failed. */
bool cbor_done(const struct cbor_reader *r) MUST_CHECK;
void cbor_fail(struct cbor_reader *r, const char *error);

#endif
