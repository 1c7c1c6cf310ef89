/* SPDX-License-Identifier: MIT */
#include "audit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
folder_read(struct buf *out, int dirfd, const char *name, size_t max)
{
	/* Whoever put a FIFO there must not have us wait for who writes into it. */
	int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC), rc = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0) {
		rc = -errno;
	} else if (!S_ISREG(st.st_mode)) {
		rc = -EINVAL;
	} else if (st.st_size > 0 && (uint64_t) st.st_size > max) {
		rc = -EFBIG;
	} else {
		(void) buf_reserve(out, (size_t) st.st_size + 1);
		for (;;) {
			uint8_t *to = buf_reserve(out, 1 << 16);
			ssize_t n = to ? read(fd, to, 1 << 16) : -1;

			if (n <= 0) {
				rc = !to ? -ENOMEM : n < 0 ? -errno : 0;
				break;
			}
			out->n += (size_t) n;
			if (out->n > max) {
				rc = -EFBIG;
				break;
			}
		}
	}
	close(fd);
	return rc;
}

int
folder_write(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		s = slice_of(s.p + n, s.n - (size_t) n);
	}
	return 0;
}

int
folder_replace(int dirfd, const char *name, mode_t mode, struct slice data)
{
	char tmp[96];
	int fd, rc;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", name) >= (int) sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	rc = folder_write(fd, data);
	if (rc == 0 && fdatasync(fd) != 0)
		rc = -errno;
	close(fd);
	if (rc == 0 && renameat(dirfd, tmp, dirfd, name) != 0)
		rc = -errno;
	if (rc != 0)
		(void) unlinkat(dirfd, tmp, 0);
	if (rc == 0 && fsync(dirfd) != 0)
		rc = -errno;
	return rc;
}

int
folder_mkdir(int dirfd, const char *name)
{
	return mkdirat(dirfd, name, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
folder_segment_name(char out[32], uint64_t first)
{
	snprintf(out, 32, "seg/%020llu.alog", (unsigned long long) first);
}

void
folder_pruned_name(char out[32], uint64_t first)
{
	snprintf(out, 32, "seg/%020llu.pruned", (unsigned long long) first);
}

enum entry { ENTRY_STRANGE, ENTRY_OTHER, ENTRY_SEGMENT, ENTRY_PRUNED };

static bool
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static enum entry
entry_of(const char *name, uint64_t *first)
{
	char *end, segment[32], pruned[32];

	if (name[0] == '.' || ends_in(name, ".torn") || ends_in(name, ".tmp"))
		return ENTRY_OTHER;
	errno = 0;
	*first = strtoull(name, &end, 10);
	folder_segment_name(segment, *first);
	folder_pruned_name(pruned, *first);
	if (errno == 0 && strcmp(segment + 4, name) == 0)
		return ENTRY_SEGMENT;
	return errno == 0 && strcmp(pruned + 4, name) == 0 ? ENTRY_PRUNED : ENTRY_STRANGE;
}

static void
add_first(uint64_t **v, size_t *n, uint64_t first)
{
	/* Room for powers of two, from 16 on. */
	if (*n == 0 || (*n >= 16 && (*n & (*n - 1)) == 0)) {
		*v = realloc(*v, (*n ? *n * 2 : 16) * sizeof(**v));
		assert(*v != NULL);
	}
	(*v)[(*n)++] = first;
}

/* The entries of one kind. */
static int
list(int dirfd, enum entry kind, uint64_t **v, size_t *n, char strange[256])
{
	int fd = openat(dirfd, "seg", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	*v = NULL;
	*n = 0;
	if (!d)
		return -errno;
	for (struct dirent *e; rc == 0 && (e = readdir(d));) {
		uint64_t first = 0;
		enum entry is = entry_of(e->d_name, &first);

		if (is == ENTRY_STRANGE) {
			snprintf(strange, 256, "%s", e->d_name);
			rc = -EINVAL;
		} else if (is == kind) {
			add_first(v, n, first);
		}
	}
	closedir(d);
	if (rc == 0 && *n)
		qsort(*v, *n, sizeof(**v), by_value);
	return rc;
}

int
folder_segments(int dirfd, uint64_t **v, size_t *n, char strange[256])
{
	return list(dirfd, ENTRY_SEGMENT, v, n, strange);
}

int
folder_pruned(int dirfd, uint64_t **v, size_t *n)
{
	char strange[256];

	return list(dirfd, ENTRY_PRUNED, v, n, strange);
}

int
folder_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub;

	if (fd < 0)
		return -errno;
	if (faccessat(fd, "origin", F_OK, 0) == 0)
		return fd;
	sub = openat(fd, "audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sub < 0 || faccessat(sub, "origin", F_OK, 0) != 0) {
		/* A log whose origin was removed is still a log: its verifier will say so. */
		if (sub < 0 && faccessat(fd, "seg", F_OK, 0) == 0)
			return fd;
		if (sub < 0 || faccessat(sub, "seg", F_OK, 0) != 0) {
			if (sub >= 0)
				close(sub);
			close(fd);
			return -ENOENT;
		}
	}
	close(fd);
	return sub;
}

int
folder_keys(int dirfd, struct note_key **keys, size_t *n)
{
	int fd = openat(dirfd, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	*keys = NULL;
	*n = 0;
	if (!d)
		return -errno;
	for (struct dirent *e; rc == 0 && (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		struct buf text = {0};
		struct note_key *more;

		if (len < 5 || strcmp(e->d_name + len - 5, ".vkey") != 0)
			continue;
		more = realloc(*keys, (*n + 1) * sizeof(**keys));
		assert(more != NULL);
		*keys = more;
		rc = folder_read(&text, fd, e->d_name, 4096);
		if (rc == 0 && !note_key_parse(&more[*n], buf_slice(&text)))
			rc = -EINVAL;
		if (rc == 0)
			(*n)++;
		buf_fini(&text);
	}
	closedir(d);
	return rc;
}

bool
folder_is_live(int dirfd)
{
	int fd = openat(dirfd, "lock", O_RDONLY | O_CLOEXEC);
	bool live = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return live;
}
