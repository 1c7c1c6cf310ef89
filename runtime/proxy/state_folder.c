/* SPDX-License-Identifier: MIT */
#include "proxy/state_folder.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
is_private(const char *path, const struct stat *st, struct buf *error)
{
	if (st->st_uid != geteuid())
		buf_printf(error,
			   "the folder %s belongs to user %u, not to the gateway's user %u: "
			   "give it another `state` folder, or chown it\n",
			   path, st->st_uid, geteuid());
	else if (st->st_mode & 077)
		buf_printf(error,
			   "the folder %s is open to others (mode %04o): it holds keys and the "
			   "audit log; look at who could have changed it, then `chmod 700 %s`\n",
			   path, st->st_mode & 07777, path);
	else
		return true;
	return false;
}

/* Opened once and checked by descriptor, so that nobody swaps it between check and use. */
static int
open_private(const char *path, struct buf *error)
{
	struct stat st;
	int fd;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		buf_printf(error, "cannot create the folder %s: %s\n", path, strerror(errno));
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		buf_printf(error, "cannot open the folder %s: %s\n", path, strerror(errno));
	} else if (is_private(path, &st, error)) {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
state_folder_open(const char *path, struct buf *error)
{
	char keys[PATH_MAX];
	int fd = open_private(path, error);

	if (fd < 0)
		return false;
	close(fd);
	if (snprintf(keys, sizeof(keys), "%s/keys", path) >= (int) sizeof(keys)) {
		buf_printf(error, "the path of the state folder is too long: %s\n", path);
		return false;
	}
	fd = open_private(keys, error);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The folder in which `path` would be made. */
static bool
can_be_made(const char *path, struct buf *error)
{
	char parent[PATH_MAX];
	const char *end = strrchr(path, '/');
	int n = end ? (int) (end - path) : 0;

	if (snprintf(parent, sizeof(parent), "%.*s/.", end ? n : 1, end ? path : ".") <
		    (int) sizeof(parent) &&
	    faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0)
		return true;
	buf_printf(error, "cannot create the folder %s: %s\n", path, strerror(errno));
	return false;
}

bool
state_folder_check(const char *path, struct buf *error)
{
	char keys[PATH_MAX];
	struct stat st;

	int err = stat(path, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

	if (err == ENOENT)
		return can_be_made(path, error);
	if (err) {
		buf_printf(error, "cannot open the folder %s: %s\n", path, strerror(err));
		return false;
	}
	if (!is_private(path, &st, error))
		return false;
	if (snprintf(keys, sizeof(keys), "%s/keys", path) >= (int) sizeof(keys) ||
	    stat(keys, &st) < 0)
		return true; /* it is yet to be made */
	return is_private(keys, &st, error);
}

/* Written beside its place, made durable, then linked: the key is there whole or not at all, and
 * one that is there is never replaced. */
static int
create_secret(int dir, const char *name, const uint8_t secret[SHA256_LEN])
{
	char temp[32];
	int fd, err = 0;

	snprintf(temp, sizeof(temp), ".new.%d", (int) getpid());
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, secret, SHA256_LEN) != SHA256_LEN || fsync(fd) < 0)
		err = errno ? -errno : -EIO;
	close(fd);
	if (!err && linkat(dir, temp, dir, name, 0) < 0)
		err = -errno;
	unlinkat(dir, temp, 0);
	if (!err && fsync(dir) < 0)
		err = -errno;
	return err;
}

static bool
read_secret(int fd, uint8_t secret[SHA256_LEN], const char *state_path, struct buf *error)
{
	uint8_t bytes[SHA256_LEN + 1];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || (n = read(fd, bytes, sizeof(bytes))) < 0) {
		buf_printf(error, "cannot read %s/keys/mask.key: %s\n", state_path,
			   strerror(errno));
		return false;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 077) || !S_ISREG(st.st_mode)) {
		buf_printf(error,
			   "%s/keys/mask.key must be a file of the gateway's user with mode 0600\n",
			   state_path);
	} else if (n != SHA256_LEN) {
		buf_printf(error,
			   "%s/keys/mask.key is damaged: it must hold %d bytes; restore it from a "
			   "backup (a new key changes every pseudonym)\n",
			   state_path, SHA256_LEN);
	} else {
		memcpy(secret, bytes, SHA256_LEN);
		secret_wipe(bytes, sizeof(bytes));
		return true;
	}
	secret_wipe(bytes, sizeof(bytes));
	return false;
}

bool
state_mask_secret(const char *state_path, uint8_t secret[SHA256_LEN], struct buf *error)
{
	char keys[PATH_MAX];
	int dir, fd, err = 0;
	bool ok = false;

	snprintf(keys, sizeof(keys), "%s/keys", state_path);
	dir = open_private(keys, error);
	if (dir < 0)
		return false;
	fd = openat(dir, "mask.key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		random_bytes(secret, SHA256_LEN);
		err = create_secret(dir, "mask.key", secret);
		ok = err == 0;
	} else if (fd < 0) {
		err = -errno;
	} else {
		ok = read_secret(fd, secret, state_path, error);
		close(fd);
	}
	if (err)
		buf_printf(error, "cannot make %s/mask.key: %s\n", keys, strerror(-err));
	close(dir);
	return ok;
}

int
state_append(const char *state_path, const char *name, struct slice line)
{
	char path[PATH_MAX];
	int fd, err = 0;

	if (snprintf(path, sizeof(path), "%s/%s", state_path, name) >= (int) sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, line.p, line.n) != (ssize_t) line.n)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

static int
write_all(int fd, struct slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes = slice_of(bytes.p + n, bytes.n - (size_t) n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int
state_replace(const char *state_path, const char *name, struct slice bytes)
{
	int dir = open(state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, err;
	char temp[64];

	if (dir < 0)
		return -errno;
	snprintf(temp, sizeof(temp), ".%s.new", name);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	err = fd < 0 ? -errno : write_all(fd, bytes);
	if (fd >= 0)
		close(fd);
	if (!err && (renameat(dir, temp, dir, name) < 0 || fsync(dir) < 0))
		err = -errno;
	close(dir);
	return err;
}

int
state_read(const char *state_path, const char *name, struct buf *out)
{
	char path[PATH_MAX], bytes[4096];
	ssize_t n;
	int fd, err;

	if (snprintf(path, sizeof(path), "%s/%s", state_path, name) >= (int) sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		buf_put(out, bytes, (size_t) n);
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}
