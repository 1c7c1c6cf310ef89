/* SPDX-License-Identifier: MIT
 *
 * Files that hold a signing key: 64 hexadecimal digits and a line end, for their owner only.
 */
#ifndef WEIR_CLI_KEY_H
#define WEIR_CLI_KEY_H

#include "base/crypto.h"
#include "base/slice.h"

/* Makes a key and its file, which must not be there. An exit code, after saying what is wrong. */
int key_make(const char *command, const char *path, uint8_t seed[ED25519_SEED_LEN]) MUST_CHECK;
/* `make`: if the file is not there, makes it. */
int key_read(const char *command, const char *path, bool make,
	     uint8_t seed[ED25519_SEED_LEN]) MUST_CHECK;
/* 64 hexadecimal digits of a public key, as they are printed. */
bool key_public_of(struct slice hex, uint8_t pub[ED25519_PUB_LEN]) MUST_CHECK;

/* A file that appears whole or not at all; devices and pipes are written into. An exit code, after
 * saying what is wrong. */
int cli_write_image(const char *command, const char *path, struct slice bytes) MUST_CHECK;

#endif
