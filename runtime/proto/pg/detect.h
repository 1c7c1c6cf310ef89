/* SPDX-License-Identifier: MIT
 *
 * Detectors: what a text holds whatever its column is called (grammar/detectors.def). Sans-I/O, no
 * memory of its own, linear in the text: 64 bytes at a time are looked at for places where one
 * could begin, and only there its shape and checksum are tried.
 */
#ifndef WEIR_PG_DETECT_H
#define WEIR_PG_DETECT_H

#include "base/slice.h"
#include "vm/names.h"

#define DETECTOR_BIT(id) (UINT32_C(1) << DETECTOR_##id)

struct detect_hit {
	size_t at, n;
	enum detector what;
};

/* A scan under way. Hits of one detector do not overlap and come in the order of the text; those
 * of different detectors may overlap. */
struct detect {
	uint32_t wanted; /* bit per detector */
	struct slice text;
	size_t base, next;		 /* of the block at hand, of the next */
	uint64_t places[DETECTOR_COUNT]; /* bit per byte of the block */
	uint64_t any;			 /* all of them */
	size_t from[DETECTOR_COUNT];	 /* no hit begins before */
	bool digit;			 /* the byte before `next` is one */
};

void detect_begin(struct detect *d, uint32_t wanted, struct slice text);
bool detect_next(struct detect *d, struct detect_hit *hit) MUST_CHECK;

#endif
