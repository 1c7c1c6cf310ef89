/* SPDX-License-Identifier: MIT
 *
 * checkpoints.log: the heads that were signed, one note behind the other. A busy log gets one each
 * second and is kept for years, so nobody reads this whole, and of what was pruned one head a
 * segment is enough: what the others signed can still be made of the hashes that are left
 * (audit/pruned.h), and the heads behind them sign it too.
 */
#ifndef WEIR_AUDIT_HEADS_H
#define WEIR_AUDIT_HEADS_H

#include "audit/note.h"

/* Reading from the front. */
struct heads {
	int fd;
	struct buf b;
	size_t at;	 /* in b */
	uint64_t offset; /* the same in the file */
};

int heads_open(struct heads *h, int dir) MUST_CHECK; /* 0 or -errno */
/* 1: a note, borrowed until the next call. 0: no whole one is behind the last. Or -errno. */
int heads_next(struct heads *h, struct note *n) MUST_CHECK;
/* Of what is behind the last note: as much as was read of it, and how much there is. */
struct slice heads_rest(const struct heads *h);
uint64_t heads_left(const struct heads *h);
void heads_close(struct heads *h);

/* Not synced: a torn end is mended at the next start. Any thread. 0 or -errno. */
int heads_append(int dir, struct slice note) MUST_CHECK;
/* Cuts off an end that a crash tore. *last is the last head before it, if *any. Of a log that
 * nobody writes. 0 or -errno. */
int heads_mend(int dir, struct note_checkpoint *last, bool *any) MUST_CHECK;
/* Keeps one head for each of the segments that ended at these sizes, ascending, and all behind
 * them. Heads may be appended meanwhile. 0; or -errno, and it is as it was (-EBADMSG: something in
 * it is no head). */
int heads_thin(int dir, const uint64_t *ends, size_t n) MUST_CHECK;

#endif
