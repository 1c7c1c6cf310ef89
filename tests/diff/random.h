/* SPDX-License-Identifier: MIT
 *
 * Random numbers that can be had again: xorshift64*.
 */
#ifndef WEIR_TESTS_DIFF_RANDOM_H
#define WEIR_TESTS_DIFF_RANDOM_H

#include <stdint.h>

static uint64_t state = 20261125; /* the seed, never 0 */

static uint32_t
rnd(uint32_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t) ((state * UINT64_C(2685821657736338717)) >> 33) % n;
}

#define PICK(list) ((list)[rnd(COUNT_OF(list))])

#endif
