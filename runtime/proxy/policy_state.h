/* SPDX-License-Identifier: MIT
 *
 * Which signed policies were in force, across a restart: the file `policy` of the state folder has
 * the highest counter of each key that signed one. Who can put an older image in the place of the
 * one there must not have it loaded by waiting for a restart.
 */
#ifndef WEIR_PROXY_POLICY_STATE_H
#define WEIR_PROXY_POLICY_STATE_H

#include "config/config.h"
#include "vm/image.h"

/* The least counter that an image may have: the highest there was of the keys that the
 * configuration trusts, so that one which is no longer trusted binds nobody. 0: there was none.
 * False: the file is not what was written; the reason is in `error`. */
bool policy_state_least(const struct config *c, uint64_t *least, struct buf *error) MUST_CHECK;
/* Notes the image, before anything is decided by it. Nothing is to be noted of one whose signer
 * nobody named. False: it could not be written, and why. */
bool policy_state_note(const struct config *c, const struct image *img,
		       struct buf *error) MUST_CHECK;

#endif
