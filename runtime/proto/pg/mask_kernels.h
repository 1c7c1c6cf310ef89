/* SPDX-License-Identifier: MIT
 *
 * What mask.c and the files with its kernels (mask_*.c) share. Not for other modules.
 */
#ifndef WEIR_PG_MASK_KERNELS_H
#define WEIR_PG_MASK_KERNELS_H

#include "proto/pg/mask.h"

/* Types that some kernel knows, by their OID in pg_type.dat. Everything else becomes NULL. */
enum mask_type {
	MT_NONE,
	MT_TEXT,   /* text 25, varchar 1043, name 19, unknown 705 */
	MT_BPCHAR, /* 1042: trailing blanks are padding */
	MT_CHAR,   /* "char" 18 */
	MT_BYTEA,
	MT_BOOL,
	MT_INT2,
	MT_INT4,
	MT_INT8,
	MT_FLOAT4,
	MT_FLOAT8,
	MT_NUMERIC,
	MT_DATE,
	MT_TIME,
	MT_TIMESTAMP,
	MT_TIMESTAMPTZ,
	MT_UUID,
	MT_JSON,
	MT_JSONB,
	MT_XML,
};

enum mask_step {
	STEP_NULL,
	STEP_FIXED_TEXT,  /* mask->text, its first n bytes */
	STEP_FIXED_SMALL, /* small[0..n_small) */
	STEP_FIRST,
	STEP_LAST,
	STEP_PARTIAL,
	STEP_HASH,
	STEP_PSEUDONYM,
	STEP_YEAR,
	STEP_MONTH,
	STEP_ROUND,
	STEP_BUCKET,
};

/* Length of the valid UTF-8 sequence at p (RFC 3629), 0 if there is none. n > 0. */
static inline size_t
mask_utf8_len(const uint8_t *p, size_t n)
{
	uint8_t c = p[0];

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return n >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		if (n < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
			return 0;
		return (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ? 0 : 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (n < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[3] & 0xc0) != 0x80)
			return 0;
		return (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f) ? 0 : 4;
	}
	return 0;
}

/* Characters of p[0..n); a byte that is not UTF-8 counts as one. */
size_t mask_chars(const uint8_t *p, size_t n);
/* n without trailing blanks when the type pads with them. */
size_t mask_unpadded(const struct mask_op *op, const uint8_t *p, size_t n);

/* mask_text.c: first, last, partial */
bool mask_text_in_place(const struct mask_op *op, uint8_t *p, size_t n);
void mask_text_rewrite(const struct mask_op *op, struct slice in, struct buf *out);

/* mask_keyed.c: hash, pseudonym */
void mask_hash_text(const struct mask_op *op, struct slice in, struct buf *out);
void mask_hash_bytea(const struct mask_op *op, struct slice in, struct buf *out);
bool mask_uuid(const struct mask_op *op, uint8_t *p, size_t n);
void mask_pseudonym_text(const struct mask_key *k, uint8_t *p, size_t n);
bool mask_pseudonym_int(const struct mask_op *op, uint8_t *p, size_t n);
bool mask_pseudonym_numeric(const struct mask_key *k, uint8_t *p, size_t n);
bool mask_pseudonym_numeric_binary(const struct mask_key *k, struct slice in, struct buf *out);

/* mask_coarse.c: year, month, round, bucket */
void mask_coarse_bind(struct mask_op *op, int32_t typmod);
bool mask_coarse_in_place(const struct mask_op *op, uint8_t *p, size_t n);
bool mask_coarse_rewrite(const struct mask_op *op, struct slice in, struct buf *out);
/* Days since 2000-01-01 of a year from 1 on. */
int64_t mask_days(int64_t y, int m, int d);

/* mask_fixed.c */
void mask_fixed_bind(struct mask_op *op, int32_t typmod);
bool mask_uuid_get(const uint8_t *p, size_t n, uint8_t out[16]);
void mask_uuid_put(const uint8_t in[16], uint8_t *p);
/* -?digits(.digits)?: encodes as numeric's binary form into out[0..max); 0 when it does not fit.
 * Leading zeros are allowed. */
size_t mask_numeric_put(const uint8_t *p, size_t n, uint8_t *out, size_t max);

#endif
