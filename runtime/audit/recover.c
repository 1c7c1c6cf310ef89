/* SPDX-License-Identifier: MIT
 *
 * Reading the log at start: from the segment that holds the signed head to the end. A torn tail is
 * a crash; anything else that does not fit is refused, because a gateway that goes on writing
 * would bury the evidence.
 */
#include "audit/brief.h"
#include "audit/folder.h"
#include "audit/idmap.h"
#include "audit/log.h"
#include "audit/walk.h"

#include <errno.h>
#include <stdlib.h>

/* Segments before the head's that are searched for intents without a result. */
enum { LOOK_BACK = 4 };

struct scan {
	const struct note_checkpoint *head;
	struct idmap open; /* intents without a result */
	bool head_seen;
};

static void
note_intent(void *arg, uint64_t index UNUSED, struct slice leaf)
{
	struct scan *s = arg;
	struct audit_brief b;

	if (audit_brief_get(&b, leaf) != NULL)
		return;
	if (b.type == AUDIT_command && b.verdict != AUDIT_verdict_DENY)
		*idmap_put(&s->open, b.id) = b.time;
	if (b.type == AUDIT_result)
		for (size_t i = 0; i < b.n_refs; i++)
			idmap_remove(&s->open, b.refs[i]);
	/* It has named them already. */
	if (b.type == AUDIT_recovery)
		idmap_fini(&s->open);
}

static bool
head_matches(void *arg, const struct merkle *tree)
{
	struct scan *s = arg;
	uint8_t root[SHA256_LEN];

	if (tree->size != s->head->size)
		return true;
	merkle_root(root, tree);
	s->head_seen = true;
	return memcmp(root, s->head->root, SHA256_LEN) == 0;
}

/* Intents of earlier segments, which are not checked again here. */
static void
look_back(struct scan *s, int dir, uint64_t first)
{
	struct segment_header h;
	struct buf file = {0};
	struct frame f;
	char name[32];

	folder_segment_name(name, first);
	if (folder_read(&file, dir, name, SEGMENT_BYTES_MAX) == 0 &&
	    segment_header_get(&h, buf_slice(&file)) == NULL)
		for (size_t at = SEGMENT_HEADER_LEN;
		     frame_get(&f, slice_of(file.p + at, file.n - at), segment_seed(&h)) ==
		     FRAME_OK;
		     at += f.size)
			if (f.kind == FRAME_RECORD)
				note_intent(s, f.index, f.payload);
	buf_fini(&file);
}

static void
collect_unknown(struct scan *s, struct alog_recovery *r)
{
	if (s->open.n == 0)
		return;
	r->unknown = malloc(s->open.n * sizeof(*r->unknown));
	assert(r->unknown != NULL);
	for (size_t i = 0; i < s->open.cap; i++)
		if (s->open.slots[i].state == 1)
			r->unknown[r->n_unknown++] = s->open.slots[i].id;
}

int
alog_scan(struct alog *l, const struct note_checkpoint *head, struct alog_scan *out,
	  struct alog_recovery *r, struct buf *error)
{
	struct scan s = {.head = head};
	struct buf what = {0};
	struct walk w = {.dir = l->dir, .at_size = head_matches, .record = note_intent, .arg = &s,
			 .error = &what};
	char strange[256] = "";
	uint64_t *firsts;
	size_t n, k = 0;
	int rc = folder_segments(l->dir, &firsts, &n, strange);
	enum walk_result walked;

	if (rc != 0) {
		buf_printf(error, "audit log: seg: %s", strerror(-rc));
		free(firsts);
		return -1;
	}
	memcpy(w.origin_sha256, l->origin_sha256, SHA256_LEN);
	while (k + 1 < n && firsts[k + 1] <= head->size)
		k++;
	for (size_t i = k > LOOK_BACK ? k - LOOK_BACK : 0; i < k; i++)
		look_back(&s, l->dir, firsts[i]);
	walked = walk_segments(&w, firsts + k, n - k);
	if (walked == WALK_OK && !s.head_seen && (n || head->size))
		buf_printf(&what, "a head was signed for %llu records, but the segments %s %llu",
			   (unsigned long long)head->size,
			   n && firsts[k] > head->size ? "start at" : "end at",
			   (unsigned long long)(n && firsts[k] > head->size ? firsts[k]
									    : w.tree.size));
	if (what.n) {
		buf_printf(error, "audit log: %s%.*s", walked == WALK_IO ? "" : "integrity: ",
			   SLICE_ARG(buf_slice(&what)));
		if (walked != WALK_IO)
			buf_puts(error, ". A crash does not do this. Keep the folder as evidence, run "
				 "`weir audit verify` on it, and start with a new state folder");
		rc = -1;
	} else {
		r->unreleased = w.since_trailer;
		collect_unknown(&s, r);
		*out = (struct alog_scan){.tree = w.tree, .any = n > 0, .sealed = w.sealed,
					  .last_first = n ? firsts[n - 1] : 0, .offset = w.offset};
	}
	buf_fini(&what);
	idmap_fini(&s.open);
	free(firsts);
	return rc;
}
