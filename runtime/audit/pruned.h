/* SPDX-License-Identifier: MIT
 *
 * What is left of a segment whose records were pruned, seg/<first index>.pruned: the segment's own
 * header (without its zeros; older versions left them in), one frame that says what was removed,
 * when and by whom, frames with the hashes of the tree's nodes that stand for its records, and a
 * seal. No I/O here.
 *
 * The nodes are those between the sizes for which a head was signed, so that the root of every such
 * head can still be made of them, and nothing can be told from them of a record. `before` is the
 * digest of the file before this one: who knows the last one knows them all, and a signed record
 * (retention.prune) names it.
 */
#ifndef WEIR_AUDIT_PRUNED_H
#define WEIR_AUDIT_PRUNED_H

#include "audit/segment.h"

enum {
	PRUNED_TEXT_MAX = 200, /* bytes of by, of policy */
	PRUNED_FILE_MAX = 1 << 29,
	PRUNED_NODE_LEN = 1 + SHA256_LEN, /* level, root */
	PRUNED_NODES_MAX = 1024,          /* in one frame */
};

struct pruned {
	uint64_t records, bytes; /* of what was removed */
	uint64_t from_ns, to_ns; /* oldest and newest time in it */
	uint64_t pruned_ns;	 /* when */
	uint64_t at_size; /* records of the log then: the record of it comes after them */
	uint8_t sha256[SHA256_LEN]; /* of the removed file */
	uint8_t before[SHA256_LEN]; /* zeros: nothing was pruned before it */
	struct slice by, policy;    /* texts for people */
};

/* Appends the whole file but for nodes and seal. */
void pruned_begin(struct buf *out, const struct segment_header *h, const struct pruned *p);
/* Appends a frame with nodes, PRUNED_NODE_LEN bytes each; `first` is the first leaf below them. */
void pruned_nodes(struct buf *out, const struct segment_header *h, uint64_t first,
		  struct slice nodes);
void pruned_end(struct buf *out, const struct segment_header *h, const struct merkle *tree);

/* The frame's contents, borrowed from it. */
bool pruned_get(struct pruned *p, const struct frame *f) MUST_CHECK;

/* Reads a whole file, whose header gave the tree and has been compared with what comes before it.
 * `at_size` is called after each node; false from it ends the reading. NULL when good, else what is
 * wrong with it. */
typedef bool pruned_at_size(void *arg, const struct merkle *tree);
const char *pruned_read(struct pruned *p, struct merkle *tree, struct slice file,
			pruned_at_size *at_size, void *arg) MUST_CHECK;

#endif
