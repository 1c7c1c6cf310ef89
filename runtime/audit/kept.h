/* SPDX-License-Identifier: MIT
 *
 * The policies that the log speaks of. A record names its policy by digest; each image that comes
 * into force is kept whole as policies/<digest>.weirb, before its policy.load is on record, so that
 * it can be shown later what a rule of then said. Of what an image is the log knows the envelope
 * only: {0: "weir-image", 1: body, 2: public key, 3: signature} (vm/image.h).
 */
#ifndef WEIR_AUDIT_KEPT_H
#define WEIR_AUDIT_KEPT_H

#include "base/buf.h"
#include "base/crypto.h"

enum { KEPT_BYTES_MAX = 16 << 20, KEPT_NAME_LEN = 2 * SHA256_LEN + 6 };

#define KEPT_FOLDER "policies"

struct kept {
	struct slice body;
	struct slice signer; /* 32 bytes, whose signature is good; empty: not signed */
};

/* NULL when the file is an envelope whose body has this digest, else what is wrong with it. Slices
 * point into the file. */
const char *kept_read(struct kept *k, struct slice file,
		      const uint8_t digest[SHA256_LEN]) MUST_CHECK;
void kept_name(char out[KEPT_NAME_LEN + 1], const uint8_t digest[SHA256_LEN]);
/* False: no name of a kept policy. */
bool kept_name_parse(const char *name, uint8_t digest[SHA256_LEN]) MUST_CHECK;

/* Whose signature a kept policy has. */
struct kept_signer {
	bool any;
	uint8_t key[ED25519_PUB_LEN];
};

/* Puts it into the log's folder, durable. A good one that is there stays, but for one that lacks
 * the signature which this one has; `by` is of the one that is there then. 0 or -errno. */
int kept_put(int dir, const uint8_t digest[SHA256_LEN], struct slice file,
	     struct kept_signer *by) MUST_CHECK;
/* The digests of all that are there, ascending; *v is malloc'd. Other names go to `strange`, the
 * first of them. 0 or -errno; without the folder there are none. */
int kept_list(int dir, uint8_t (**v)[SHA256_LEN], size_t *n, char strange[256]) MUST_CHECK;
/* Appends the file of one. 0 or -errno. */
int kept_file(int dir, const uint8_t digest[SHA256_LEN], struct buf *out) MUST_CHECK;

#endif
