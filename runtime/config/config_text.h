/* SPDX-License-Identifier: MIT
 *
 * A configuration as lines for the audit log, free of secrets: each line is one thing, and a secret
 * is a keyed fingerprint, so that a change shows and a guess cannot be checked. Two parts: what
 * only a restart can change, and what a reload may.
 */
#ifndef WEIR_CONFIG_CONFIG_TEXT_H
#define WEIR_CONFIG_CONFIG_TEXT_H

#include "base/buf.h"
#include "base/crypto.h"
#include "config/config.h"

struct config_text {
	struct buf fixed, live;
};

void config_text_make(struct config_text *t, const struct config *c,
		      const uint8_t key[SHA256_LEN]);
void config_text_fini(struct config_text *t);
void config_text_digest(const struct config_text *t, uint8_t out[SHA256_LEN]);
/* Lines that only one of them has, "-" before those of `was`, "+" before those of `is`. */
void config_text_diff(struct slice was, struct slice is, struct buf *out);

#endif
