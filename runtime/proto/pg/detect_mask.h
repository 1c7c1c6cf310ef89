/* SPDX-License-Identifier: MIT
 *
 * What a value shows once its detectors have looked at it. Masks that show a part (first, last,
 * partial) or keep the shape (pseudonym) replace what was found, the others the whole value; a
 * value whose type could not hold the result, or that cannot be looked into, becomes NULL, never
 * clear text.
 *
 *   text formats        text types, json, xml, arrays of them, composites, types of extensions:
 * what was found is replaced; other types that can hold digits: the whole value binary format the
 * same of text types and json; jsonb; bigint, numeric and double precision by their digits; arrays
 * and composites element by element, as a whole; types of extensions, ranges and the like cannot be
 * looked into bytea, dates and times, uuid, boolean, small integers, addresses: not looked into
 */
#ifndef WEIR_PG_DETECT_MASK_H
#define WEIR_PG_DETECT_MASK_H

#include "proto/pg/detect.h"
#include "proto/pg/mask.h"

/* The strictest mask of each detector in force. */
struct detect_rules {
	uint32_t wanted; /* bit per detector; 0: none is in force */
	const struct mask_spec *mask[DETECTOR_COUNT];
	uint8_t rank[DETECTOR_COUNT]; /* the higher, the stricter */
};

/* How values of a column are looked into. */
struct detect_field {
	uint32_t type; /* base type OID; 0: text of some type */
	int32_t typmod;
	uint8_t format; /* 0 text, 1 binary */
	uint8_t how;	/* enum detect_how in detect_mask.c */
};

struct detect_field detect_field_of(uint32_t type, int32_t typmod, uint16_t format);
/* No value of the column is ever found to hold anything. */
bool detect_field_is_blank(const struct detect_field *f);
/* No value of it can be looked into: all become NULL. */
bool detect_field_is_blind(const struct detect_field *f);

/* What the detectors that are in force have to say of a value: nothing, that it must be masked,
 * that it cannot be looked into and becomes NULL. */
enum detect_result { DETECT_CLEAN, DETECT_HIT, DETECT_BLIND };
/* *found: bits of the detectors that hit. */
enum detect_result detect_look(const struct detect_rules *r, const struct detect_field *f,
			       struct slice in, uint32_t *found) MUST_CHECK;
/* Of a hit: appends what is shown instead. False: NULL. `in` must not lie in out. */
bool detect_show(const struct detect_rules *r, const struct detect_field *f, struct slice in,
		 uint32_t found, struct buf *out) MUST_CHECK;
/* One more cell for each detector that hit. */
static inline void
detect_count(uint32_t counts[DETECTOR_COUNT], uint32_t found)
{
	for (; found; found &= found - 1)
		counts[__builtin_ctz(found)]++;
}

#endif
