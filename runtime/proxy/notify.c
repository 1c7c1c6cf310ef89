/* SPDX-License-Identifier: MIT */
#include "proxy/notify.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void
notify_state(const char *lines)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	/* A path, or '@' for a name in the abstract space. */
	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* The manager not taking it is nothing that we could do something about. */
	if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *) &to,
		   (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
		close(fd);
		return;
	}
	close(fd);
}

void
notify_reloading(void)
{
	struct timespec ts;
	char lines[64];

	/* systemd compares it with CLOCK_MONOTONIC, so base/clock will not do. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long) ts.tv_sec * 1000000 + (unsigned long long) ts.tv_nsec / 1000);
	notify_state(lines);
}

uint64_t
notify_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long n = usec ? strtoull(usec, NULL, 10) : 0;

	/* Inherited, it is about another process. */
	if (pid && strtoul(pid, NULL, 10) != (unsigned long) getpid())
		return 0;
	return n < UINT64_MAX / 1000 ? n * 1000 : 0;
}
