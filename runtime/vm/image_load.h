/* SPDX-License-Identifier: MIT
 *
 * What image.c and image_constants.c share of reading an image.
 */
#ifndef WEIR_VM_IMAGE_LOAD_H
#define WEIR_VM_IMAGE_LOAD_H

#include "base/cbor.h"
#include "vm/image_format.h"
#include "vm/verify.h"

struct loader {
	struct arena *arena;
	struct cbor_reader r;
	struct image *img;
	struct image_error *err; /* code IMAGE_OK while all is well */
	const uint8_t *start;    /* of what r reads, for places in messages */
	const struct image_trust *trust;
	uint8_t *ops;    /* the file's opcode numbers to ours */
	size_t n_ops;
	uint16_t *facts; /* likewise */
	size_t n_facts;
	struct image_rule *rules;
	struct slice *row_columns;
	uint16_t *column_of; /* by constant: which of them; UINT16_MAX: not looked at, or none */
};

static inline bool
ok(const struct loader *l)
{
	return !l->r.error && l->err->code == IMAGE_OK;
}

/* Keeps the first failure. */
#define BAD(l, id, ...)                                                                           \
	do {                                                                                      \
		if (ok(l))                                                                        \
			image_fail((l)->err, IMAGE_ERROR_##id, __VA_ARGS__);                      \
	} while (0)

/* An unsigned number up to max, named in messages. */
static inline uint64_t
number(struct loader *l, uint64_t max, const char *what)
{
	uint64_t v = cbor_get_uint(&l->r);

	if (v > max) {
		BAD(l, VALUE, "%s %llu, at most %llu", what, (unsigned long long) v,
		    (unsigned long long) max);
		return 0;
	}
	return v;
}

/* An index into a list of n. */
static inline uint16_t
index_of(struct loader *l, size_t n, const char *what)
{
	uint64_t v = cbor_get_uint(&l->r);

	if (ok(l) && v >= n)
		BAD(l, VALUE, "no %s %llu", what, (unsigned long long) v);
	return ok(l) ? (uint16_t) v : 0;
}

/* A tuple of exactly n. */
static inline void
tuple(struct loader *l, size_t n)
{
	if (cbor_get_array(&l->r, n) != n)
		cbor_fail(&l->r, "an array of another length");
}

/* A name from one of the tables of names.h: -1 and an error when we have no such thing. */
static inline int
name_in(struct loader *l, int (*find)(struct slice), const char *what)
{
	struct slice s = cbor_get_text(&l->r);
	int id = ok(l) ? find(s) : -1;

	if (id < 0)
		BAD(l, NAME, "no %s '%.*s' in this version", what, (int) (s.n < 60 ? s.n : 60),
		    (const char *) s.p);
	return id;
}

/* image_constants.c */
void load_constants(struct loader *l);

#endif
