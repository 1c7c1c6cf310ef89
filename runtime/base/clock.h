/* SPDX-License-Identifier: MIT
 *
 * The two clocks. Wall time is for people and records, monotonic time for every deadline.
 * Sans-I/O code is given the time; only io, audit, proxy and the tools call these.
 */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include "base/buf.h"

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_wall_ns(void); /* nanoseconds since the epoch, UTC */
uint64_t clock_mono_ns(void); /* CLOCK_BOOTTIME */

/* "2026-11-24T10:02:03.123456Z", always 27 characters and a NUL. */
void clock_format(uint64_t wall_ns, char out[28]);
/* ,"NAME":"2026-11-24T10:02:03.123456Z", or null for 0: a further member of a JSON object. */
void clock_put_json(struct buf *out, const char *name, uint64_t wall_ns);

#endif
