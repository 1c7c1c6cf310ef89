/* SPDX-License-Identifier: MIT
 *
 * What a rule says, as bytes: its kind, name and terms, and the code of its condition with all
 * constants written out. Two rules with the same bytes are the same wherever they stand.
 */
#ifndef WEIR_COMPILER_RULE_DIGEST_H
#define WEIR_COMPILER_RULE_DIGEST_H

#include "base/buf.h"
#include "vm/image.h"

/* The same without the code: what it does where it matches. */
void rule_terms(struct buf *out, const struct image *img, size_t rule);
void rule_bytes(struct buf *out, const struct image *img, size_t rule);
/* "1 of dba-oncall, not self, within 15m, once": what a hold asks for, by groups of the identity
 * provider. As text for people, and as bytes: ids of differences hang on those. */
void rule_hold_text(struct buf *out, const struct image *img, const struct image_hold *h);
void rule_hold_terms(struct buf *out, const struct image *img, const struct image_hold *h);
/* Of rules with a verdict: equal for those that decide the same where they match. */
uint64_t rule_effect(const struct image *img, size_t rule);
/* "last(4)", "fixed("x") allowing lookup" */
void rule_mask_text(struct buf *out, const struct image_mask *m);

#endif
