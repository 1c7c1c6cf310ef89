/* SPDX-License-Identifier: MIT */
#include "cli/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int
cli_file_behind(const char *path, char file[CLI_PATH_MAX])
{
	char *real;
	struct stat st;
	int error = 0;

	/* First: of a pipe there is no path. */
	if (stat(path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	real = realpath(path, NULL);
	if (!real)
		return errno;
	if (snprintf(file, CLI_PATH_MAX, "%s", real) >= CLI_PATH_MAX)
		error = ENAMETOOLONG;
	free(real);
	return error;
}

int
cli_file_stage(const char *path, struct slice text, struct cli_staged *staged)
{
	struct stat st;
	size_t done = 0;
	int fd, error = cli_file_behind(path, staged->path);

	if (error)
		return error;
	if (snprintf(staged->temp, CLI_PATH_MAX, "%s.XXXXXX", staged->path) >= CLI_PATH_MAX)
		return ENAMETOOLONG;
	if (stat(staged->path, &st) != 0)
		return errno;
	fd = mkstemp(staged->temp);
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
		unlink(staged->temp);
	return error;
}

int
cli_file_replace(const char *path, struct slice text)
{
	struct cli_staged staged;
	int error = cli_file_stage(path, text, &staged);

	if (!error && rename(staged.temp, staged.path) != 0) {
		error = errno;
		unlink(staged.temp);
	}
	return error;
}
