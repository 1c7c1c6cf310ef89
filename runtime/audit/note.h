/* SPDX-License-Identifier: MIT
 *
 * Signed notes and checkpoints as C2SP specifies them (signed-note, tlog-checkpoint), Ed25519 only:
 *
 *   origin\nsize\nbase64(root)\n\n— name base64(key id || signature)\n
 *
 * A verifier key is `name+hex(key id)+base64(0x01 || public key)`. Signatures by keys that are not
 * known are ignored, as the specification asks.
 */
#ifndef WEIR_AUDIT_NOTE_H
#define WEIR_AUDIT_NOTE_H

#include "base/crypto.h"

enum { NOTE_NAME_MAX = 255, NOTE_SIGNATURES_MAX = 32 };

struct note_key {
	char name[NOTE_NAME_MAX + 1];
	uint8_t id[4];
	uint8_t pub[ED25519_PUB_LEN];
};

/* A name holds no white space, no '+', no control character. */
bool note_name_valid(struct slice name) MUST_CHECK;
/* The key of a name and a public key; the name must be valid. */
void note_key_make(struct note_key *k, const char *name, const uint8_t pub[ED25519_PUB_LEN]);
bool note_key_parse(struct note_key *k, struct slice vkey) MUST_CHECK;
void note_key_format(struct buf *out, const struct note_key *k);
/* The private form, `PRIVATE+KEY+name+id+base64(0x01 || seed)`. */
void note_signer_format(struct buf *out, const struct note_key *k,
			const uint8_t seed[ED25519_SEED_LEN]);
bool note_signer_parse(struct note_key *k, uint8_t seed[ED25519_SEED_LEN],
		       struct slice text) MUST_CHECK;

/* Appends text (which ends in a newline) and its signature. */
void note_sign(struct buf *out, struct slice text, const struct note_key *k,
	       const uint8_t seed[ED25519_SEED_LEN]);

struct note {
	struct slice text;       /* with its last newline */
	struct slice signatures; /* lines */
};

/* Takes one note from the front of `in` and the blank line that may part it from the next. Returns
 * the number of bytes, 0 when there is no whole well-formed note. */
size_t note_split(struct note *n, struct slice in);

enum note_verdict { NOTE_GOOD, NOTE_UNKNOWN_KEY, NOTE_BAD_SIGNATURE, NOTE_MALFORMED };
/* GOOD needs one good signature of a given key and no bad one of any given key. */
enum note_verdict note_verify(const struct note *n, const struct note_key *keys, size_t n_keys);

struct note_checkpoint {
	struct slice origin;
	uint64_t size;
	uint8_t root[SHA256_LEN];
};

void note_checkpoint_put(struct buf *out, const struct note_checkpoint *c);
/* Extension lines are allowed and ignored. */
bool note_checkpoint_get(struct note_checkpoint *c, struct slice text) MUST_CHECK;

#endif
