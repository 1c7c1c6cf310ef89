/* SPDX-License-Identifier: MIT
 *
 * Reading the records of an audit log, one after the other, while the gateway may be writing it.
 */
#ifndef WEIR_CLI_AUDIT_READER_H
#define WEIR_CLI_AUDIT_READER_H

#include "base/buf.h"

struct audit_reader {
	const char *command; /* whose messages these are */
	int dir;
	uint64_t next; /* index to read from */
	struct buf origin;
	bool gaps; /* records that there should be could not be read; said on stderr */
	bool gap_told; /* ... of one of them, in the middle or at the end */
	bool (*record)(void *arg, uint64_t index, struct slice leaf); /* false: enough */
	void *arg;
	/* Where who follows the log goes on: in the segment that begins with this record, at this
	 * byte of it (0: nowhere), when no record before `goes_on_next` is asked for. */
	uint64_t goes_on_in, goes_on_at, goes_on_next;
};

/* The folder of the log or the gateway's state folder. -1 after a message. */
int audit_reader_open(struct audit_reader *r, const char *command, const char *folder);
void audit_reader_close(struct audit_reader *r);
/* Says on stderr what was pruned of the log, if anything was that is not older than `from`; and
 * what is missing of its beginning otherwise: r->gaps. */
void audit_reader_missing(struct audit_reader *r, uint64_t from_ns);
/* Every durable record from r->next on. -1 when something could not be read, after a message. What
 * is damaged is passed over: r->gaps. */
int audit_reader_run(struct audit_reader *r);

#endif
