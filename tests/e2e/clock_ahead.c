/* SPDX-License-Identifier: MIT
 *
 * Preloaded into a gateway: its time of day is ahead by the seconds in the file CLOCK_AHEAD, eight
 * bytes that the test writes while it runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void
find(void)
{
	const char *path = getenv("CLOCK_AHEAD");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		abort();
	close(fd);
	ahead = p;
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	int rc = (int) syscall(SYS_clock_gettime, clock, t);

	if (rc == 0 && clock == CLOCK_REALTIME && ahead)
		t->tv_sec += *ahead;
	return rc;
}
