/* SPDX-License-Identifier: MIT */
#include "cli/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int
cli_file_stage(const char *path, struct slice text, char temp[CLI_PATH_MAX])
{
	struct stat st;
	size_t done = 0;
	int fd, error = 0;

	if (snprintf(temp, CLI_PATH_MAX, "%s.XXXXXX", path) >= CLI_PATH_MAX)
		return ENAMETOOLONG;
	if (stat(path, &st) != 0)
		return errno;
	fd = mkstemp(temp);
	if (fd < 0)
		return errno;
	while (!error && done < text.n) {
		ssize_t n = write(fd, text.p + done, text.n - done);

		if (n > 0)
			done += (size_t) n;
		else if (n == 0 || errno != EINTR)
			error = n == 0 ? EIO : errno;
	}
	if (!error && (fchmod(fd, st.st_mode & 07777) != 0 || fsync(fd) != 0))
		error = errno;
	if (close(fd) != 0 && !error)
		error = errno;
	if (error)
		unlink(temp);
	return error;
}

int
cli_file_replace(const char *path, struct slice text)
{
	char temp[CLI_PATH_MAX];
	int error = cli_file_stage(path, text, temp);

	if (!error && rename(temp, path) != 0) {
		error = errno;
		unlink(temp);
	}
	return error;
}
