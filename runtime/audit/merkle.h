/* SPDX-License-Identifier: MIT
 *
 * The Merkle tree of RFC 6962 section 2.1, append only, kept as a compact range: the roots of the
 * perfect subtrees that make up the first `size` leaves, largest first, one per bit of size.
 */
#ifndef WEIR_AUDIT_MERKLE_H
#define WEIR_AUDIT_MERKLE_H

#include "base/crypto.h"

enum { MERKLE_PEAKS_MAX = 64 };

struct merkle {
	uint64_t size;
	uint8_t peaks[MERKLE_PEAKS_MAX][SHA256_LEN];
};

static inline unsigned
merkle_n_peaks(const struct merkle *t)
{
	return (unsigned) __builtin_popcountll(t->size);
}

void merkle_leaf(uint8_t out[SHA256_LEN], struct slice data);
void merkle_append(struct merkle *t, const uint8_t leaf[SHA256_LEN]);
/* Appends the root of 2^level leaves at once. False: that many do not begin here. */
bool merkle_append_subtree(struct merkle *t, unsigned level,
			   const uint8_t root[SHA256_LEN]) MUST_CHECK;
void merkle_root(uint8_t out[SHA256_LEN], const struct merkle *t);

/* Of the sizes above `after` and up to `size` the one that is a multiple of the highest power of
 * two. Between sizes that are chosen so, few subtrees stand for the leaves: mostly one. */
static inline uint64_t
merkle_roundest(uint64_t after, uint64_t size)
{
	unsigned bit = 63u - (unsigned) __builtin_clzll(after ^ size);

	return size >> bit << bit;
}

/* The root that the tree had when it was merkle_roundest(after, t->size) large. */
void merkle_roundest_root(uint8_t out[SHA256_LEN], const struct merkle *t, uint64_t after);

/* The leaves from `first` to `size` as the fewest perfect subtrees of the tree, left to right: what
 * stands for them when they are gone, for whoever has the tree of the leaves before them. */
struct merkle_range {
	uint64_t first, size;
	struct {
		uint8_t level, root[SHA256_LEN];
	} nodes[2 * MERKLE_PEAKS_MAX];
	unsigned n;
};

void merkle_range_append(struct merkle_range *r, const uint8_t leaf[SHA256_LEN]);

#endif
