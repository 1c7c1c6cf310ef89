/* SPDX-License-Identifier: MIT */
#include "audit/holds.h"

#include "audit/folder.h"
#include "base/clock.h"
#include "base/endian.h"

#include <errno.h>
#include <pthread.h>

enum { FILE_MAX = HOLDS_MAX * (AUDIT_LEAF_MAX + 4) };

static const char *
add(struct holds *h, struct slice leaf)
{
	struct hold *to = &h->v[h->n];

	if (h->n == HOLDS_MAX)
		return "there are too many";
	to->leaf = leaf;
	if (audit_brief_get(&to->set, leaf) != NULL || to->set.type != AUDIT_hold ||
	    to->set.hold.action != AUDIT_hold_action_SET)
		return "one of them is not the record of a hold";
	h->n++;
	return NULL;
}

const char *
holds_parse(struct holds *h)
{
	struct slice rest = buf_slice(&h->file);
	const char *wrong = NULL;

	h->n = 0;
	while (!wrong && rest.n) {
		uint32_t n = rest.n >= 4 ? get_le32(rest.p) : 0;

		if (n == 0 || n > AUDIT_LEAF_MAX || n > rest.n - 4)
			return "it is damaged";
		wrong = add(h, slice_of(rest.p + 4, n));
		rest = slice_of(rest.p + 4 + n, rest.n - 4 - n);
	}
	return wrong;
}

int
holds_read(struct holds *h, int dir, struct buf *error)
{
	const char *wrong;
	int rc;

	*h = (struct holds){0};
	rc = folder_read(&h->file, dir, "holds", FILE_MAX);
	if (rc == -ENOENT)
		return 0;
	wrong = rc != 0 ? strerror(-rc) : holds_parse(h);
	if (!wrong)
		return 0;
	h->n = 0;
	buf_printf(error, "audit log: holds: %s; nothing is pruned before that is mended", wrong);
	return -1;
}

void
holds_fini(struct holds *h)
{
	buf_fini(&h->file);
	h->n = 0;
}

const struct hold *
holds_find(const struct holds *h, struct slice name)
{
	for (size_t i = 0; i < h->n; i++)
		if (slice_eq(h->v[i].set.hold.name, name))
			return &h->v[i];
	return NULL;
}

const struct hold *
holds_keep(const struct holds *h, uint64_t from_ns, uint64_t to_ns)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct audit_brief *b = &h->v[i].set;
		uint64_t end = b->hold.to ? b->hold.to : UINT64_MAX;

		if ((to_ns >= b->hold.from && from_ns < end) || to_ns >= b->time)
			return &h->v[i];
	}
	return NULL;
}

/* --- setting and releasing --- */

/* The holds but one, and one more. */
static int
write_file(struct audit *a, const struct holds *h, const struct hold *without, struct slice more)
{
	struct buf out = {0};
	uint8_t len[4];
	int rc;

	for (size_t i = 0; i <= h->n; i++) {
		struct slice leaf = i < h->n ? h->v[i].leaf : more;

		if (leaf.n == 0 || (i < h->n && &h->v[i] == without))
			continue;
		put_le32(len, (uint32_t) leaf.n);
		buf_put(&out, len, sizeof(len));
		buf_put_slice(&out, leaf);
	}
	rc = out.failed ? -ENOMEM
			: folder_replace(audit_folder(a), "holds", 0600, buf_slice(&out));
	buf_fini(&out);
	return rc;
}

static bool
record(struct audit *a, unsigned lane, struct slice leaf)
{
	uint64_t ticket = audit_submit(a, lane, leaf);

	return ticket && audit_wait(a, lane, ticket);
}

static enum hold_error
trouble(struct buf *error, const char *what)
{
	buf_printf(error, "audit log: %s", what);
	return HOLD_TROUBLE;
}

static bool
encode(struct buf *leaf, const struct hold_request *q, struct audit_hold *body, struct audit_id ref)
{
	struct audit_record r;

	audit_record_init(&r, AUDIT_hold, clock_wall_ns(), clock_mono_ns());
	body->name = q->name;
	body->reason = q->reason;
	body->by = q->by;
	r.principal = q->who;
	if (!audit_id_is_zero(ref))
		r.refs = (struct audit_ids){&ref, 1};
	r.body = body;
	return audit_encode(leaf, &r);
}

static enum hold_error
set(struct audit *a, unsigned lane, const struct hold_request *q, const struct holds *h,
    struct buf *error)
{
	struct audit_hold body = {.action = AUDIT_hold_action_SET, .from = q->from_ns,
				  .to = q->to_ns};
	struct buf leaf = {0};
	enum hold_error e = HOLD_OK;
	int rc;

	if (holds_find(h, q->name))
		return HOLD_EXISTS;
	if (h->n == HOLDS_MAX)
		return HOLD_FULL;
	if (!encode(&leaf, q, &body, (struct audit_id){0}))
		e = trouble(error, "the record of the hold is too long");
	rc = e == HOLD_OK ? write_file(a, h, NULL, buf_slice(&leaf)) : 0;
	if (rc != 0) {
		e = trouble(error, strerror(-rc));
	} else if (e == HOLD_OK && !record(a, lane, buf_slice(&leaf))) {
		e = trouble(error, "it does not take the record of the hold");
		rc = write_file(a, h, NULL, (struct slice){0});
		if (rc != 0)
			buf_printf(error, "; nor can the file be put back: %s", strerror(-rc));
	}
	buf_fini(&leaf);
	return e;
}

static enum hold_error
release(struct audit *a, unsigned lane, const struct hold_request *q, const struct holds *h,
	struct buf *error)
{
	const struct hold *was = holds_find(h, q->name);
	struct audit_hold body = {.action = AUDIT_hold_action_RELEASE};
	struct buf leaf = {0};
	enum hold_error e = HOLD_OK;
	int rc;

	if (!was)
		return HOLD_NONE;
	if (slice_eq(was->set.hold.by, q->by))
		return HOLD_SELF;
	if (!encode(&leaf, q, &body, was->set.id) || !record(a, lane, buf_slice(&leaf)))
		e = trouble(error, "it does not take the record of the release");
	rc = e == HOLD_OK ? write_file(a, h, was, (struct slice){0}) : 0;
	if (rc != 0)
		e = trouble(error, strerror(-rc));
	buf_fini(&leaf);
	return e;
}

static enum hold_error
locked(struct audit *a, unsigned lane, const struct hold_request *q, struct buf *error,
       enum hold_error (*f)(struct audit *, unsigned, const struct hold_request *,
			    const struct holds *, struct buf *))
{
	struct holds h;
	enum hold_error e = HOLD_TROUBLE;

	pthread_mutex_lock(audit_hold_lock(a));
	if (holds_read(&h, audit_folder(a), error) == 0)
		e = f(a, lane, q, &h, error);
	holds_fini(&h);
	pthread_mutex_unlock(audit_hold_lock(a));
	return e;
}

enum hold_error
audit_hold_set(struct audit *a, unsigned lane, const struct hold_request *q, struct buf *error)
{
	return locked(a, lane, q, error, set);
}

enum hold_error
audit_hold_release(struct audit *a, unsigned lane, const struct hold_request *q,
		   struct buf *error)
{
	return locked(a, lane, q, error, release);
}
