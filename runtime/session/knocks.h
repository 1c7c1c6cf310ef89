/* SPDX-License-Identifier: MIT
 *
 * Who gives wrong keys. The answer to a wrong one waits, the longer the more there were from the
 * same address for the same principal; a right one never does, and none is refused, so that nobody
 * can lock out a principal by guessing. Shared by all workers, in a table of a fixed size: pairs
 * that meet in one place of it wait for each other's wrong keys, no more.
 */
#ifndef WEIR_SESSION_KNOCKS_H
#define WEIR_SESSION_KNOCKS_H

#include "base/slice.h"

enum {
	KNOCKS_FREE = 5,      /* wrong keys that are answered at once: people mistype */
	KNOCKS_FIRST_MS = 250, /* the wait of the next one; then it doubles */
	KNOCKS_LAST_MS = 8000,
	KNOCKS_MAX = 20,      /* more are not counted */
	KNOCKS_FORGIVE_S = 30, /* one of them after each */
};

struct knocks;

struct knocks *knocks_new(void); /* NULL: no memory */
void knocks_free(struct knocks *k); /* NULL is fine */
/* A key was wrong. How long the answer waits, in ns; *failures is how many are counted. Of IPv6 the
 * network (/64) is what counts. Any thread. */
uint64_t knocks_wrong(struct knocks *k, const uint8_t address[16], struct slice principal,
		      uint64_t now_ns, unsigned *failures);

#endif
