/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/assert.h"

#include <stdio.h>
#include <time.h>

static uint64_t
now(clockid_t id)
{
	struct timespec t;
	int rc = clock_gettime(id, &t);

	assert(rc == 0);
	return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

uint64_t
clock_wall_ns(void)
{
	return now(CLOCK_REALTIME);
}

uint64_t
clock_mono_ns(void)
{
	return now(CLOCK_BOOTTIME);
}

void
clock_format(uint64_t wall_ns, char out[28])
{
	time_t s = (time_t) (wall_ns / NS_PER_S);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, 28, "%Y-%m-%dT%H:%M:%S", &tm);
	assert(n == 19);
	snprintf(out + n, 28 - n, ".%06uZ", (unsigned) (wall_ns % NS_PER_S / 1000));
}

void
clock_put_json(struct buf *out, const char *name, uint64_t wall_ns)
{
	char text[28];

	clock_format(wall_ns, text);
	if (wall_ns)
		buf_printf(out, ",\"%s\":\"%s\"", name, text);
	else
		buf_printf(out, ",\"%s\":null", name);
}
