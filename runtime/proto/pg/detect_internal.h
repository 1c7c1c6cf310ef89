/* SPDX-License-Identifier: MIT
 *
 * The shapes of grammar/detect.re, for detect.c and its tests. Each: the end of the longest match
 * that begins at p, or NULL.
 */
#ifndef WEIR_PG_DETECT_INTERNAL_H
#define WEIR_PG_DETECT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

const uint8_t *detect_match_card(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_domain(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_iban(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_ssn(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_phone(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_jwt(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_aws_key(const uint8_t *p, const uint8_t *end);
const uint8_t *detect_match_private_key(const uint8_t *p, const uint8_t *end);

#endif
