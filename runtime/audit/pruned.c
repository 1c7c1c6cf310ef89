/* SPDX-License-Identifier: MIT */
#include "audit/pruned.h"

#include "base/endian.h"
#include "base/utf8.h"

enum {
	AT_RECORDS = 0,
	AT_BYTES = 8,
	AT_FROM = 16,
	AT_TO = 24,
	AT_PRUNED = 32,
	AT_SIZE = 40,
	AT_SHA256 = 48,
	AT_BEFORE = 80,
	AT_BY_LEN = 112,
	AT_TEXTS = 116, /* by, policy to the end */
};

static void
put_frame(struct buf *out, const struct segment_header *h, enum frame_kind kind, uint64_t index,
	  struct slice payload)
{
	uint8_t *to = buf_reserve(out, frame_size(payload.n));

	if (!to)
		return;
	frame_put(to, segment_seed(h), kind, index, payload);
	out->n += frame_size(payload.n);
}

void
pruned_begin(struct buf *out, const struct segment_header *h, const struct pruned *p)
{
	uint8_t payload[AT_TEXTS + 2 * PRUNED_TEXT_MAX] = {0}, *header;

	assert(p->by.n <= PRUNED_TEXT_MAX && p->policy.n <= PRUNED_TEXT_MAX);
	put_le64(payload + AT_RECORDS, p->records);
	put_le64(payload + AT_BYTES, p->bytes);
	put_le64(payload + AT_FROM, p->from_ns);
	put_le64(payload + AT_TO, p->to_ns);
	put_le64(payload + AT_PRUNED, p->pruned_ns);
	put_le64(payload + AT_SIZE, p->at_size);
	memcpy(payload + AT_SHA256, p->sha256, SHA256_LEN);
	memcpy(payload + AT_BEFORE, p->before, SHA256_LEN);
	put_le32(payload + AT_BY_LEN, (uint32_t) p->by.n);
	if (p->by.n)
		memcpy(payload + AT_TEXTS, p->by.p, p->by.n);
	if (p->policy.n)
		memcpy(payload + AT_TEXTS + p->by.n, p->policy.p, p->policy.n);
	header = buf_reserve(out, SEGMENT_HEADER_LEN);
	if (!header)
		return;
	out->n += segment_header_pack(header, h);
	put_frame(out, h, FRAME_PRUNED, h->tree.size,
		  slice_of(payload, AT_TEXTS + p->by.n + p->policy.n));
}

void
pruned_nodes(struct buf *out, const struct segment_header *h, uint64_t first, struct slice nodes)
{
	assert(nodes.n && nodes.n % PRUNED_NODE_LEN == 0 &&
	       nodes.n <= PRUNED_NODES_MAX * PRUNED_NODE_LEN);
	put_frame(out, h, FRAME_NODES, first, nodes);
}

void
pruned_end(struct buf *out, const struct segment_header *h, const struct merkle *tree)
{
	uint8_t payload[SEAL_LEN], root[SHA256_LEN];

	merkle_root(root, tree);
	seal_put(payload, tree->size, root);
	put_frame(out, h, FRAME_SEAL, tree->size, slice_of(payload, sizeof(payload)));
}

bool
pruned_get(struct pruned *p, const struct frame *f)
{
	const uint8_t *b = f->payload.p;
	uint32_t by;

	*p = (struct pruned){0};
	if (f->kind != FRAME_PRUNED || f->payload.n < AT_TEXTS)
		return false;
	by = get_le32(b + AT_BY_LEN);
	if (by > PRUNED_TEXT_MAX || by > f->payload.n - AT_TEXTS ||
	    f->payload.n - AT_TEXTS - by > PRUNED_TEXT_MAX)
		return false;
	p->records = get_le64(b + AT_RECORDS);
	p->bytes = get_le64(b + AT_BYTES);
	p->from_ns = get_le64(b + AT_FROM);
	p->to_ns = get_le64(b + AT_TO);
	p->pruned_ns = get_le64(b + AT_PRUNED);
	p->at_size = get_le64(b + AT_SIZE);
	memcpy(p->sha256, b + AT_SHA256, SHA256_LEN);
	memcpy(p->before, b + AT_BEFORE, SHA256_LEN);
	p->by = slice_of(b + AT_TEXTS, by);
	p->policy = slice_of(b + AT_TEXTS + by, f->payload.n - AT_TEXTS - by);
	return utf8_valid(p->by) && utf8_valid(p->policy);
}

static const char *
nodes(struct merkle *tree, const struct frame *f, pruned_at_size *at_size, void *arg)
{
	if (f->index != tree->size || f->payload.n % PRUNED_NODE_LEN)
		return "hashes that do not belong here";
	for (size_t i = 0; i < f->payload.n; i += PRUNED_NODE_LEN) {
		if (!merkle_append_subtree(tree, f->payload.p[i], f->payload.p + i + 1))
			return "a hash that does not belong here";
		if (!at_size(arg, tree))
			return "its hashes are not those of the signed head";
	}
	return NULL;
}

static const char *
seal(const struct merkle *tree, const struct frame *f)
{
	uint8_t root[SHA256_LEN];
	struct trailer t;

	merkle_root(root, tree);
	if (!seal_get(&t, f) || f->index != t.size || t.size != tree->size ||
	    memcmp(t.root, root, SHA256_LEN) != 0)
		return "its seal does not fit its hashes";
	return NULL;
}

const char *
pruned_read(struct pruned *p, struct merkle *tree, struct slice file, pruned_at_size *at_size,
	    void *arg)
{
	struct segment_header h;
	size_t at;
	const char *wrong = segment_header_unpack(&h, file, &at);
	uint64_t seed;
	struct frame f;

	if (wrong)
		return wrong;
	seed = segment_seed(&h);
	*tree = h.tree;
	if (frame_get(&f, slice_of(file.p + at, file.n - at), seed) != FRAME_OK ||
	    f.index != h.tree.size || !pruned_get(p, &f))
		return "it does not say what was pruned";
	for (;;) {
		at += f.size;
		if (frame_get(&f, slice_of(file.p + at, file.n - at), seed) != FRAME_OK)
			return "a damaged or missing frame";
		if (f.kind != FRAME_NODES)
			break;
		wrong = nodes(tree, &f, at_size, arg);
		if (wrong)
			return wrong;
	}
	wrong = seal(tree, &f);
	if (wrong)
		return wrong;
	if (at + f.size != file.n)
		return "there are bytes after the seal";
	if (tree->size - h.tree.size != p->records)
		return "it says that another number of records was pruned";
	return NULL;
}
