/* SPDX-License-Identifier: MIT
 *
 * Mask kernels over PostgreSQL values. A mask of the policy is bound once per result column
 * (mask_bind: type, type modifier, format) to an operation; the operation runs per cell.
 *
 * Total: for every type, format and value the result is a value of the same type, modifier and
 * format, or NULL. A type without a kernel becomes NULL, never clear text. NULL stays NULL (the
 * caller does not call), unless the mask says otherwise. Text is taken as UTF-8; bytes that are not
 * are treated as characters of one byte and never kept.
 *
 * What each mask does per type: docs in mask.c. first, last and partial reveal only when the value
 * is longer than twice what they would reveal; otherwise every character becomes '*'.
 */
#ifndef WEIR_PG_MASK_H
#define WEIR_PG_MASK_H

#include "base/buf.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "vm/names.h"

/* HMAC-SHA-256 key with its pads prepared; one per policy. Wipe with secret_wipe. */
struct mask_key {
	uint8_t inner[64], outer[64];
};

void mask_key_init(struct mask_key *k, struct slice key);

/* A mask as the policy names it. Lives as long as the policy image. */
struct mask_spec {
	enum mask kernel; /* clear: mask_bind gives NULL, pg_rowplan_build no mask */
	uint32_t n;        /* first, last: characters that stay; round, bucket: the width */
	struct slice text; /* fixed */
	const struct mask_key *key; /* hash, pseudonym */
	bool nulls; /* NULL becomes what all other values become: fixed */
};

enum { MASK_SMALL = 40 };

/* A mask bound to a column. Holds no pointer into itself: may be copied. */
struct mask_op {
	uint8_t op;       /* enum mask_step in mask_kernels.h */
	uint8_t type;     /* enum mask_type in mask_kernels.h */
	uint8_t format;   /* 0 text, 1 binary */
	uint8_t n_small;
	uint32_t n;       /* as in the mask; fixed text: bytes of it */
	/* varchar(n), char(n): n characters; 0: none. round, bucket: see mask_coarse.c. */
	uint32_t limit;
	const struct mask_spec *mask;
	/* fixed: the value in the column's type and format; round, bucket of numeric: the scale */
	uint8_t small[MASK_SMALL];
};

/* What stands for all that is computed from a value under that mask: not even its absence shows. */
struct mask_spec mask_hidden(enum mask kernel, struct slice text);
/* Never fails: what has no kernel is bound to NULL. type: base type OID (of a domain: its base);
 * typmod as in RowDescription, -1: none; format 0 text, 1 binary. */
struct mask_op mask_bind(const struct mask_spec *m, uint32_t type, int32_t typmod, uint16_t format);
/* Part of the value may be left as it is. */
bool mask_leaves_something(const struct mask_op *op);
/* The operation gives NULL whatever the value. */
bool mask_op_is_null(const struct mask_op *op);

/* The value that every cell gets, whatever was in it; false: it hangs on the cell. */
bool mask_always(const struct mask_op *op, struct slice *value) MUST_CHECK;
/* Masks p[0..n) where it lies when the masked value has the same length; else leaves it alone and
 * returns false: then use mask_rewrite. */
bool mask_in_place(const struct mask_op *op, uint8_t *p, size_t n) MUST_CHECK;
/* Appends the masked value to out; false: it is NULL. in must not lie in out. */
bool mask_rewrite(const struct mask_op *op, struct slice in, struct buf *out) MUST_CHECK;

#endif
