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
void merkle_root(uint8_t out[SHA256_LEN], const struct merkle *t);

#endif
