/* SPDX-License-Identifier: MIT */
#include "audit/merkle.h"

void
merkle_leaf(uint8_t out[SHA256_LEN], struct slice data)
{
	struct slice parts[2] = {SLICE_LIT("\0"), data};

	sha256v(out, parts, 2);
}

static void
node(uint8_t out[SHA256_LEN], const uint8_t *l, const uint8_t *r)
{
	uint8_t in[1 + 2 * SHA256_LEN];

	in[0] = 1;
	memcpy(in + 1, l, SHA256_LEN);
	memcpy(in + 1 + SHA256_LEN, r, SHA256_LEN);
	sha256(out, slice_of(in, sizeof(in)));
}

/* Like counting in binary: each trailing 1 of size is a perfect subtree that the new leaf's
 * subtree completes. */
void
merkle_append(struct merkle *t, const uint8_t leaf[SHA256_LEN])
{
	unsigned n = merkle_n_peaks(t);
	uint8_t h[SHA256_LEN];

	assert(t->size < UINT64_MAX);
	memcpy(h, leaf, SHA256_LEN);
	for (uint64_t s = t->size; s & 1; s >>= 1)
		node(h, t->peaks[--n], h);
	memcpy(t->peaks[n], h, SHA256_LEN);
	t->size++;
	debug_assert(merkle_n_peaks(t) == n + 1);
}

void
merkle_root(uint8_t out[SHA256_LEN], const struct merkle *t)
{
	unsigned n = merkle_n_peaks(t);

	if (n == 0) {
		sha256(out, (struct slice){0});
		return;
	}
	memcpy(out, t->peaks[--n], SHA256_LEN);
	while (n)
		node(out, t->peaks[--n], out);
}
