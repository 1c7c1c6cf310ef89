/* SPDX-License-Identifier: MIT
 *
 * Reading segments from first to last: every frame is checked, every leaf hashed into the tree.
 * Used by recovery and by the verifier, which differ only in what they do with what is found.
 */
#ifndef WEIR_AUDIT_WALK_H
#define WEIR_AUDIT_WALK_H

#include "audit/folder.h"
#include "audit/pruned.h"

struct walk {
	/* in */
	int dir;
	uint8_t origin_sha256[SHA256_LEN];
	/* The tree has reached a size (also at the start); false: it is not the tree that was
	 * signed. */
	bool (*at_size)(void *arg, const struct merkle *tree);
	void (*record)(void *arg, uint64_t index, struct slice leaf);
	/* A segment whose header is good; may be NULL. */
	void (*opened)(void *arg, const struct segment_header *h, struct slice file);
	/* Of walk_pruned: each file that is left of a segment; false: it ends the walk. */
	bool (*pruned)(void *arg, uint64_t first, const struct pruned *p,
		       const uint8_t file_sha256[SHA256_LEN]);
	void *arg;
	/* out */
	bool started; /* `tree` is that of what was walked so far */
	struct merkle tree;
	uint64_t segment;       /* first index of the one being read */
	uint64_t offset;        /* end of its last good frame */
	uint64_t since_trailer; /* records after the last trailer */
	bool sealed;
	enum segment_tail tail; /* of the last segment: CLEAN or TORN */
	struct buf *error;      /* what is wrong, appended */
};

enum walk_result { WALK_OK, WALK_BROKEN, WALK_IO };
/* What is left of pruned segments; then the segments after them. */
enum walk_result walk_pruned(struct walk *w, const uint64_t *firsts, size_t n);
enum walk_result walk_segments(struct walk *w, const uint64_t *firsts, size_t n);
/* The first of n only; the one after it is looked at for where it takes over. */
enum walk_result walk_segment(struct walk *w, const uint64_t *firsts, size_t n);

#endif
