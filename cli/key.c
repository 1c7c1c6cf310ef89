/* SPDX-License-Identifier: MIT */
#include "cli/key.h"

#include "base/secret.h"
#include "cli/cli.h"
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int
trouble(const char *command, const char *what, const char *path, int error)
{
	fprintf(stderr, "weir %s: %s '%s': %s\n", command, what, path, strerror(error));
	return EXIT_USAGE;
}

static bool
write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			s.p += n;
			s.n -= (size_t) n;
		}
	}
	return true;
}

int
key_make(const char *command, const char *path, uint8_t seed[ED25519_SEED_LEN])
{
	struct buf b = {0};
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good;

	if (fd < 0)
		return trouble(command, "cannot make the key file", path, errno);
	random_bytes(seed, ED25519_SEED_LEN);
	hex_put(&b, slice_of(seed, ED25519_SEED_LEN));
	buf_putc(&b, '\n');
	good = !b.failed && write_all(fd, buf_slice(&b)) && fsync(fd) == 0;
	if (close(fd) != 0)
		good = false;
	buf_wipe(&b);
	return good ? EXIT_OK : trouble(command, "cannot write the key file", path, errno);
}

int
key_read(const char *command, const char *path, bool make, uint8_t seed[ED25519_SEED_LEN])
{
	char text[2 * ED25519_SEED_LEN + 2] = {0};
	struct buf b = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = EXIT_OK;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT && make
			       ? key_make(command, path, seed)
			       : trouble(command, "cannot read the key file", path, errno);
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0 || fstat(fd, &st) != 0) {
		code = trouble(command, "cannot read the key file", path, errno);
	} else if (st.st_mode & 077) {
		fprintf(stderr, "weir %s: others can read the key file '%s': chmod 600 it\n",
			command, path);
		code = EXIT_USAGE;
	} else if (n < 2 * ED25519_SEED_LEN ||
		   !hex_get(&b, slice_of(text, 2 * ED25519_SEED_LEN)) || b.failed ||
		   (n > 2 * ED25519_SEED_LEN && text[2 * ED25519_SEED_LEN] != '\n')) {
		fprintf(stderr, "weir %s: '%s' is not a key file (64 hex digits)\n", command, path);
		code = EXIT_USAGE;
	} else {
		memcpy(seed, b.p, ED25519_SEED_LEN);
	}
	buf_wipe(&b);
	secret_wipe(text, sizeof(text));
	close(fd);
	return code;
}

bool
key_public_of(struct slice hex, uint8_t pub[ED25519_PUB_LEN])
{
	struct buf b = {0};
	bool good = hex.n == 2 * ED25519_PUB_LEN && hex_get(&b, hex) && !b.failed;

	if (good)
		memcpy(pub, b.p, ED25519_PUB_LEN);
	buf_fini(&b);
	return good;
}

static int
write_temp(const char *path, struct slice bytes, char temp[CLI_PATH_MAX])
{
	int fd, error = 0;

	if (snprintf(temp, CLI_PATH_MAX, "%s.%d.tmp", path, (int) getpid()) >= CLI_PATH_MAX)
		return ENAMETOOLONG;
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno;
	if (!write_all(fd, bytes) || fsync(fd) != 0)
		error = errno;
	if (close(fd) != 0 && !error)
		error = errno;
	if (!error && rename(temp, path) != 0)
		error = errno;
	if (error)
		unlink(temp);
	return error;
}

/* A device or pipe, such as /dev/stdout. */
static int
write_into(const char *path, struct slice bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (!write_all(fd, bytes))
		error = errno;
	if (close(fd) != 0 && !error)
		error = errno;
	return error;
}

int
cli_write_image(const char *command, const char *path, struct slice bytes)
{
	char file[CLI_PATH_MAX], temp[CLI_PATH_MAX];
	int error = cli_file_behind(path, file);

	if (error == EINVAL)
		error = write_into(path, bytes);
	else if (!error || error == ENOENT)
		error = write_temp(error ? path : file, bytes, temp);
	return error ? trouble(command, "cannot write", path, error) : EXIT_OK;
}
