/* SPDX-License-Identifier: MIT
 *
 * Rewriting an author's files: who reads one sees the old text or the new one, never a part.
 */
#ifndef WEIR_CLI_FILE_H
#define WEIR_CLI_FILE_H

#include "base/slice.h"

enum { CLI_PATH_MAX = 4096 };

/* Writes the text beside the file, with its permissions; *temp is where. 0 or an errno. */
int cli_file_stage(const char *path, struct slice text, char temp[CLI_PATH_MAX]);
/* Stages and renames. 0 or an errno; the file is as it was then. */
int cli_file_replace(const char *path, struct slice text);

#endif
