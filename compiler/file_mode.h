/* SPDX-License-Identifier: MIT
 *
 * Who else may read or change a file that decides what the gateway does.
 */
#ifndef WEIR_COMPILER_FILE_MODE_H
#define WEIR_COMPILER_FILE_MODE_H

#include "compiler/diag.h"

#include <sys/stat.h>

enum file_use { FILE_SECRET, FILE_RULES }; /* keys and passwords; what the gateway is told to do */

/* What is wrong with the owner and mode of a file, for a process of user `us`; NULL: nothing. Of
 * root's files a group may read, as that of a service does. */
const char *file_mode_problem(const struct stat *st, uid_t us, enum file_use use, struct arena *a);
/* Warns when the file, or the link by which it is found, is open to others. What cannot be looked
 * at says nothing: whoever reads it will. */
void file_mode_look(struct diag_queue *q, const char *path, enum file_use use, struct span at);

#endif
