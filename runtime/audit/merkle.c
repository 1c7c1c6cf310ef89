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
static void
append(struct merkle *t, unsigned level, const uint8_t root[SHA256_LEN])
{
	unsigned n = merkle_n_peaks(t);
	uint8_t h[SHA256_LEN];

	memcpy(h, root, SHA256_LEN);
	for (uint64_t s = t->size >> level; s & 1; s >>= 1)
		node(h, t->peaks[--n], h);
	memcpy(t->peaks[n], h, SHA256_LEN);
	t->size += UINT64_C(1) << level;
	debug_assert(merkle_n_peaks(t) == n + 1);
}

void
merkle_append(struct merkle *t, const uint8_t leaf[SHA256_LEN])
{
	assert(t->size < UINT64_MAX);
	append(t, 0, leaf);
}

bool
merkle_append_subtree(struct merkle *t, unsigned level, const uint8_t root[SHA256_LEN])
{
	uint64_t leaves;

	if (level >= MERKLE_PEAKS_MAX)
		return false;
	leaves = UINT64_C(1) << level;
	if (t->size & (leaves - 1) || t->size > UINT64_MAX - leaves)
		return false;
	append(t, level, root);
	return true;
}

/* Two subtrees of a level beside each other are one when the left one is a left child: when what
 * they hold together ends where a subtree of the next level does. */
void
merkle_range_append(struct merkle_range *r, const uint8_t leaf[SHA256_LEN])
{
	assert(r->n < COUNT_OF(r->nodes));
	r->nodes[r->n].level = 0;
	memcpy(r->nodes[r->n++].root, leaf, SHA256_LEN);
	r->size++;
	while (r->n > 1 && r->nodes[r->n - 1].level == r->nodes[r->n - 2].level) {
		unsigned level = r->nodes[r->n - 1].level + 1u;

		if (r->size & ((UINT64_C(1) << level) - 1))
			break;
		r->n--;
		node(r->nodes[r->n - 1].root, r->nodes[r->n - 1].root, r->nodes[r->n].root);
		r->nodes[r->n - 1].level = (uint8_t) level;
	}
}

static void
fold(uint8_t out[SHA256_LEN], const struct merkle *t, unsigned n)
{
	if (n == 0) {
		sha256(out, (struct slice){0});
		return;
	}
	memcpy(out, t->peaks[--n], SHA256_LEN);
	while (n)
		node(out, t->peaks[--n], out);
}

void
merkle_root(uint8_t out[SHA256_LEN], const struct merkle *t)
{
	fold(out, t, merkle_n_peaks(t));
}

/* The peaks of a size whose low bits are cleared are the first ones. */
void
merkle_roundest_root(uint8_t out[SHA256_LEN], const struct merkle *t, uint64_t after)
{
	assert(after < t->size);
	fold(out, t, (unsigned) __builtin_popcountll(merkle_roundest(after, t->size)));
}
