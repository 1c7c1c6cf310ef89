/* SPDX-License-Identifier: MIT
 *
 * Rewriting an author's files: who reads one sees the old text or the new one, never a part.
 */
#ifndef WEIR_CLI_FILE_H
#define WEIR_CLI_FILE_H

#include "base/slice.h"

enum { CLI_PATH_MAX = 4096 };

struct cli_staged {
	char path[CLI_PATH_MAX]; /* of the file itself, where a link was named */
	char temp[CLI_PATH_MAX]; /* beside it: to be renamed, or unlinked */
};

/* The file that there is, behind links: it is replaced, not the link. 0 or an errno; EINVAL: it is
 * no file but a device, a pipe or the like, which nothing may take the place of. */
int cli_file_behind(const char *path, char file[CLI_PATH_MAX]);
/* Writes the text beside the file, with its permissions. 0 or an errno. */
int cli_file_stage(const char *path, struct slice text, struct cli_staged *staged);
/* Stages and renames. 0 or an errno; the file is as it was then. */
int cli_file_replace(const char *path, struct slice text);

#endif
