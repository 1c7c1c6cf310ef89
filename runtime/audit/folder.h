/* SPDX-License-Identifier: MIT
 *
 * The files of an audit folder, as the log, the verifier and the commands find them:
 *
 *   origin  keys/<id>.vkey  seg/<first index, 20 digits>.alog  checkpoint  checkpoints.log  lock
 *
 * Of policies that were in force policies/<digest>.weirb is there (audit/kept.h).
 * Of a segment that was pruned seg/<first index>.pruned is left (audit/pruned.h).
 *
 * checkpoint is replaced before checkpoints.log is appended to, so the former is never older.
 */
#ifndef WEIR_AUDIT_FOLDER_H
#define WEIR_AUDIT_FOLDER_H

#include "audit/note.h"

#include <sys/types.h>

enum { FOLDER_PATH_MAX = 4096, SEGMENT_BYTES_MAX = 1 << 30 };

/* Appends a whole file. 0 or -errno; -EFBIG above max. */
int folder_read(struct buf *out, int dirfd, const char *name, size_t max) MUST_CHECK;
/* Writes name by way of a temporary file, fdatasync and rename, then syncs the folder. */
int folder_replace(int dirfd, const char *name, mode_t mode, struct slice data) MUST_CHECK;
int folder_write(int fd, struct slice s) MUST_CHECK; /* all of it; 0 or -errno */
int folder_mkdir(int dirfd, const char *name) MUST_CHECK; /* 0700; there already is fine */

/* The first indexes of seg/, ascending; *v is malloc'd. 0 or -errno. -EINVAL: a file that is not a
 * segment, whose name goes to `strange`. *.torn files are passed over. */
int folder_segments(int dirfd, uint64_t **v, size_t *n, char strange[256]) MUST_CHECK;
void folder_segment_name(char out[32], uint64_t first); /* "seg/000...0.alog" */
/* Likewise of what is left of pruned segments. Listed after the segments, nothing is missed that is
 * pruned meanwhile. */
int folder_pruned(int dirfd, uint64_t **v, size_t *n) MUST_CHECK;
void folder_pruned_name(char out[32], uint64_t first); /* "seg/000...0.pruned" */

/* Opens FOLDER, or FOLDER/audit when that is where the log is. A descriptor or -errno. */
int folder_open(const char *path) MUST_CHECK;
/* Every keys/<id>.vkey; *keys is malloc'd. 0 or -errno, -EINVAL for one that does not parse. */
int folder_keys(int dirfd, struct note_key **keys, size_t *n) MUST_CHECK;
/* Whether a gateway writes into it now, and holds its lock. */
bool folder_is_live(int dirfd);

#endif
