/* SPDX-License-Identifier: MIT
 *
 * The file: CBOR [version, [[key, counter], ...]], then its SHA-256.
 */
#include "proxy/policy_state.h"

#include "base/cbor.h"
#include "proxy/state_folder.h"

#include <errno.h>

enum { VERSION = 1, MAX_KEYS = 256 };

static const char file_name[] = "policy";

/* The oldest first. */
struct highest {
	uint8_t key[ED25519_PUB_LEN];
	uint64_t counter;
};

struct known {
	struct highest v[MAX_KEYS];
	size_t n;
};

static bool
parse(struct known *k, struct slice in)
{
	struct cbor_reader r;
	uint8_t sum[SHA256_LEN];
	struct slice key;
	size_t n;

	if (in.n < SHA256_LEN)
		return false;
	in.n -= SHA256_LEN;
	sha256(sum, in);
	if (memcmp(sum, in.p + in.n, SHA256_LEN) != 0)
		return false;
	cbor_reader_init(&r, in);
	if (cbor_get_array(&r, 2) != 2 || cbor_get_uint(&r) != VERSION)
		return false;
	n = cbor_get_array(&r, MAX_KEYS);
	for (size_t i = 0; i < n && !r.error; i++) {
		if (cbor_get_array(&r, 2) != 2)
			return false;
		key = cbor_get_bytes(&r);
		if (key.n != ED25519_PUB_LEN)
			return false;
		memcpy(k->v[i].key, key.p, key.n);
		k->v[i].counter = cbor_get_uint(&r);
		k->n = i + 1;
	}
	return cbor_done(&r);
}

static bool
load(const char *state_path, struct known *k, struct buf *error)
{
	struct buf in = {0};
	int err = state_read(state_path, file_name, &in);
	bool good = err == -ENOENT || (!err && !in.failed && parse(k, buf_slice(&in)));

	if (err && !good)
		buf_printf(error, "cannot read %s/%s: %s\n", state_path, file_name, strerror(-err));
	else if (!good)
		buf_printf(error, "%s/%s is damaged, or of another version of weir: it says which "
			   "signed policies were in force, so that no older one is loaded; restore "
			   "it from a backup, or make sure that the image is the newest and remove "
			   "the file\n", state_path, file_name);
	buf_fini(&in);
	return good;
}

bool
policy_state_least(const struct config *c, uint64_t *least, struct buf *error)
{
	struct known k = {.n = 0};

	*least = 0;
	if (c->n_signers == 0)
		return true;
	if (!load(c->state_path, &k, error))
		return false;
	for (size_t i = 0; i < k.n; i++)
		for (size_t s = 0; s < c->n_signers; s++)
			if (memcmp(k.v[i].key, c->signers[s], ED25519_PUB_LEN) == 0 &&
			    k.v[i].counter > *least)
				*least = k.v[i].counter;
	return true;
}

/* False: that is known already. */
static bool
raise(struct known *k, const struct image *img)
{
	struct highest *h = k->v;

	while (h < k->v + k->n && memcmp(h->key, img->public_key, ED25519_PUB_LEN) != 0)
		h++;
	if (h < k->v + k->n && h->counter >= img->counter)
		return false;
	if (h == k->v + MAX_KEYS) {
		memmove(k->v, k->v + 1, (MAX_KEYS - 1) * sizeof(*k->v));
		h--;
	} else if (h == k->v + k->n) {
		k->n++;
	}
	memcpy(h->key, img->public_key, ED25519_PUB_LEN);
	h->counter = img->counter;
	return true;
}

bool
policy_state_note(const struct config *c, const struct image *img, struct buf *error)
{
	struct known k = {.n = 0};
	uint8_t sum[SHA256_LEN];
	struct buf b = {0};
	int err;

	if (c->n_signers == 0 || !img->is_signed)
		return true;
	if (!load(c->state_path, &k, error))
		return false;
	if (!raise(&k, img))
		return true;
	cbor_array(&b, 2);
	cbor_uint(&b, VERSION);
	cbor_array(&b, k.n);
	for (size_t i = 0; i < k.n; i++) {
		cbor_array(&b, 2);
		cbor_bytes(&b, slice_of(k.v[i].key, ED25519_PUB_LEN));
		cbor_uint(&b, k.v[i].counter);
	}
	sha256(sum, buf_slice(&b));
	buf_put(&b, sum, sizeof(sum));
	err = state_replace(c->state_path, file_name, buf_slice(&b));
	if (err)
		buf_printf(error, "cannot write %s/%s, which keeps older policies from being loaded "
			   "after a restart: %s\n", c->state_path, file_name, strerror(-err));
	buf_fini(&b);
	return err == 0;
}
