/* SPDX-License-Identifier: MIT
 *
 * The gateway's folder for what must survive a restart. It and what is in it belong to the
 * gateway's user alone: a folder that others can enter is refused, not repaired, because what is
 * in it cannot be trusted any more.
 */
#ifndef WEIR_PROXY_STATE_FOLDER_H
#define WEIR_PROXY_STATE_FOLDER_H

#include "base/buf.h"
#include "base/crypto.h"

/* Creates the folder (0700) and keys/ below it if they are missing; the parent must exist. False:
 * the reason and what to do are appended to error. */
bool state_folder_open(const char *path, struct buf *error) MUST_CHECK;
/* Whether that would succeed, for all that can be told without making anything. */
bool state_folder_check(const char *path, struct buf *error) MUST_CHECK;
/* Reads keys/mask.key or makes it: 32 random bytes, 0600, durable before it is used, because
 * pseudonyms of a key that is lost can never be matched again. */
bool state_mask_secret(const char *state_path, uint8_t secret[SHA256_LEN],
		       struct buf *error) MUST_CHECK;
/* Appends one line to a file in the folder, created 0600. 0 or -errno. */
int state_append(const char *state_path, const char *name, struct slice line) MUST_CHECK;
/* Puts a file of the folder in the place of the one there, durable and whole. 0 or -errno. */
int state_replace(const char *state_path, const char *name, struct slice bytes) MUST_CHECK;
/* Appends what a file of the folder holds. 0 or -errno. */
int state_read(const char *state_path, const char *name, struct buf *out) MUST_CHECK;

#endif
