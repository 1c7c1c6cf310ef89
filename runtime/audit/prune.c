/* SPDX-License-Identifier: MIT */
#include "audit/prune.h"

#include "audit/brief.h"
#include "audit/folder.h"
#include "audit/heads.h"
#include "audit/walk.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Segments of one record. */
enum { AT_ONCE = 256 };

#define INTEGRITY                                                                                  \
	". Nothing was removed from there on. Keep the folder as evidence and run "                \
	"`weir audit verify` on it"

struct prune {
	const struct prune_request *q;
	struct prune_report *r;
	struct buf *error;
	int dir;
	uint64_t size; /* of the log, when this began */
	struct heads heads; /* as written, not verified; sizes ascending */
	struct note_checkpoint head; /* the last one read of them; its texts are gone */
	int heads_rc;		     /* 0: there may be more, 1: no more, or -errno */
	struct walk walk;
	struct holds holds;
	uint8_t before[SHA256_LEN]; /* what is left of the segment before */

	/* of the segment being read */
	struct segment_header header;
	struct pruned about;
	struct merkle_range range;
	struct buf nodes; /* since the last head */
	uint64_t nodes_first;
	struct buf frames; /* of nodes */
	bool damaged;

	/* since the last record */
	struct audit_pruned_segment done[AT_ONCE];
	uint8_t digests[AT_ONCE][2][SHA256_LEN]; /* of the file, of what is left of it */
	size_t n_done;
	struct merkle gone; /* the tree up to the last of them */
	uint64_t gone_from_ns, gone_to_ns; /* times in them */
	struct prune_report before_them;   /* the report, if nothing comes of them */
};

static int
fail(struct prune *p, const char *what, int err)
{
	buf_printf(p->error, "audit log: %s: %s", what, strerror(err));
	return -1;
}

static void
step(const struct prune *p)
{
	if (p->q->step)
		p->q->step(p->q->step_arg);
}

/* --- heads --- */

/* Reads on to the next one that signs so many records. Their sizes are where the kept hashes are
 * parted. One that somebody slipped in can only part them further, or make the segment look
 * damaged. */
static bool
head_at(struct prune *p, uint64_t size)
{
	struct note n;

	while (p->heads_rc == 0 && p->head.size < size) {
		struct note_checkpoint c;
		int rc = heads_next(&p->heads, &n);

		if (rc != 1)
			p->heads_rc = rc < 0 ? rc : 1;
		else if (note_checkpoint_get(&c, n.text) && c.size >= p->head.size)
			p->head = c;
	}
	return p->head.size == size && size;
}

static bool
at_size(void *arg, const struct merkle *tree)
{
	struct prune *p = arg;
	uint8_t root[SHA256_LEN];

	if (!head_at(p, tree->size))
		return true;
	merkle_root(root, tree);
	return memcmp(root, p->head.root, SHA256_LEN) == 0;
}

static bool
any_size(void *arg UNUSED, const struct merkle *tree UNUSED)
{
	return true;
}

/* --- reading one segment --- */

static void
on_opened(void *arg, const struct segment_header *h, struct slice file)
{
	struct prune *p = arg;

	p->header = *h;
	sha256(p->about.sha256, file);
	p->about.bytes = file.n;
}

static void
put_frame(struct prune *p)
{
	if (p->nodes.n)
		pruned_nodes(&p->frames, &p->header, p->nodes_first, buf_slice(&p->nodes));
	buf_reset(&p->nodes);
	p->nodes_first = p->range.size;
}

static void
put_range(struct prune *p)
{
	if (p->nodes.n + p->range.n * PRUNED_NODE_LEN > PRUNED_NODES_MAX * PRUNED_NODE_LEN) {
		uint64_t first = p->range.first;

		put_frame(p);
		p->nodes_first = first;
	}
	for (unsigned i = 0; i < p->range.n; i++) {
		buf_putc(&p->nodes, p->range.nodes[i].level);
		buf_put(&p->nodes, p->range.nodes[i].root, SHA256_LEN);
	}
	p->range.first = p->range.size;
	p->range.n = 0;
}

static void
on_record(void *arg, uint64_t index, struct slice leaf)
{
	struct prune *p = arg;
	uint8_t hash[SHA256_LEN];
	struct audit_brief b;

	if (audit_brief_get(&b, leaf) != NULL) {
		p->damaged = true;
		return;
	}
	if (!p->about.from_ns || b.time < p->about.from_ns)
		p->about.from_ns = b.time;
	if (b.time > p->about.to_ns)
		p->about.to_ns = b.time;
	merkle_leaf(hash, leaf);
	merkle_range_append(&p->range, hash);
	if (head_at(p, index + 1))
		put_range(p);
}

static int
read_segment(struct prune *p, const uint64_t *firsts, size_t n)
{
	enum walk_result walked;

	p->about = (struct pruned){0};
	p->range.first = p->range.size = p->nodes_first = firsts[0];
	p->range.n = 0;
	buf_reset(&p->nodes);
	buf_reset(&p->frames);
	p->damaged = false;
	walked = walk_segment(&p->walk, firsts, n);
	if (walked == WALK_IO)
		return -1;
	if (p->heads_rc < 0)
		return fail(p, "checkpoints.log", -p->heads_rc);
	if (walked != WALK_OK || p->damaged) {
		if (p->damaged)
			buf_printf(p->error, "audit log: segment %020llu has damaged records",
				   (unsigned long long) firsts[0]);
		buf_puts(p->error, INTEGRITY);
		return -1;
	}
	p->about.records = p->walk.tree.size - firsts[0];
	return 0;
}

/* --- step 1 --- */

static int
write_remains(struct prune *p)
{
	struct buf file = {0};
	char name[32];
	int seg = openat(p->dir, "seg", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	put_range(p);
	put_frame(p);
	p->about.pruned_ns = clock_wall_ns();
	p->about.at_size = p->size;
	p->about.by = slice_str(p->q->by);
	p->about.policy = slice_str(p->q->policy);
	memcpy(p->about.before, p->before, SHA256_LEN);
	pruned_begin(&file, &p->header, &p->about);
	buf_put_slice(&file, buf_slice(&p->frames));
	pruned_end(&file, &p->header, &p->walk.tree);
	folder_pruned_name(name, p->header.tree.size);
	rc = seg < 0		? -errno
	     : file.failed	? -ENOMEM
				: folder_replace(seg, name + 4, 0600, buf_slice(&file));
	sha256(p->before, buf_slice(&file));
	buf_fini(&file);
	if (seg >= 0)
		close(seg);
	return rc == 0 ? 0 : fail(p, name, -rc);
}

static void
note_done(struct prune *p)
{
	size_t i = p->n_done++;

	p->gone = p->walk.tree;
	if (i == 0)
		p->before_them = *p->r;
	if (i == 0 || p->about.from_ns < p->gone_from_ns)
		p->gone_from_ns = p->about.from_ns;
	if (i == 0 || p->about.to_ns > p->gone_to_ns)
		p->gone_to_ns = p->about.to_ns;
	memcpy(p->digests[i][0], p->about.sha256, SHA256_LEN);
	memcpy(p->digests[i][1], p->before, SHA256_LEN);
	p->done[i] = (struct audit_pruned_segment){
		.first = p->header.tree.size,
		.records = p->about.records,
		.sha256 = p->digests[i][0],
		.remains = p->digests[i][1],
		.oldest = p->about.from_ns,
		.newest = p->about.to_ns,
	};
}

static void
count(struct prune *p)
{
	struct prune_report *r = p->r;

	if (r->segments++ == 0)
		r->first = p->header.tree.size;
	r->until = p->walk.tree.size;
	r->records += p->about.records;
	r->bytes += p->about.bytes;
	if (!r->oldest_ns || p->about.from_ns < r->oldest_ns)
		r->oldest_ns = p->about.from_ns;
	if (p->about.to_ns > r->newest_ns)
		r->newest_ns = p->about.to_ns;
}

/* --- steps 2 to 4 --- */

static int
record(struct prune *p, struct audit *a, unsigned lane)
{
	uint8_t root[SHA256_LEN];
	struct audit_retention_prune body = {
		.until = p->gone.size,
		.root = root,
		.remains = p->before,
		.segments = {p->done, p->n_done},
		.policy = slice_str(p->q->policy),
		.older_than = p->q->cutoff_ns,
		.by = slice_str(p->q->by),
		.oldest = p->gone_from_ns,
		.newest = p->gone_to_ns,
	};
	struct audit_record r;
	struct buf leaf = {0};
	uint64_t ticket = 0;

	merkle_root(root, &p->gone);
	audit_record_init(&r, AUDIT_retention_prune, clock_wall_ns(), clock_mono_ns());
	r.principal = p->q->who;
	r.body = &body;
	if (audit_encode(&leaf, &r))
		ticket = audit_submit(a, lane, buf_slice(&leaf));
	buf_fini(&leaf);
	if (!ticket || !audit_wait(a, lane, ticket)) {
		buf_puts(p->error, "audit log: it does not take the record of what would be removed, so "
			 "nothing was; look at the disk");
		return -1;
	}
	step(p);
	return 0;
}

static int
wait_signed(struct prune *p, struct audit *a)
{
	struct audit_stats now;

	audit_stats(a, &now);
	if (audit_wait_signed(a, now.tree_size))
		return 0;
	buf_puts(p->error, "audit log: no head was signed for the record of what is to be removed; the "
		 "next start goes on with it");
	return -1;
}

/* Whether a hold was set since this began. */
static int
look_again(struct prune *p)
{
	int rc;

	holds_fini(&p->holds);
	rc = holds_read(&p->holds, p->dir, p->error);
	if (rc == 0 && holds_keep(&p->holds, p->gone_from_ns, p->gone_to_ns)) {
		buf_puts(p->error, "audit log: a hold was set meanwhile, so nothing was removed");
		rc = -1;
	}
	return rc;
}

static int
commit(struct prune *p, struct audit *a, unsigned lane)
{
	struct audit_stats now;
	bool ok;
	int rc;

	step(p);
	pthread_mutex_lock(audit_hold_lock(a));
	rc = look_again(p);
	if (rc == 0)
		rc = record(p, a, lane);
	pthread_mutex_unlock(audit_hold_lock(a));
	if (rc == 0)
		rc = wait_signed(p, a);
	step(p);
	audit_stats(a, &now);
	ok = prune_settle(p->dir, now.signed_size, p->error);
	p->n_done = 0;
	if (rc != 0 || !ok) {
		uint64_t kept = p->r->kept_ns;

		*p->r = p->before_them;
		p->r->kept_ns = kept;
	}
	return ok ? rc : -1;
}

/* That something was due, and which hold keeps it. */
static int
record_held(struct prune *p, struct audit *a, unsigned lane, const struct hold *k)
{
	struct audit_hold body = {
		.name = k->set.hold.name,
		.action = AUDIT_hold_action_BLOCK,
		.by = slice_str(p->q->by),
		.until = p->r->held_until,
		.newest = p->r->held_ns,
		.policy = slice_str(p->q->policy),
	};
	struct audit_record r;
	struct buf leaf = {0};
	uint64_t ticket = 0;

	audit_record_init(&r, AUDIT_hold, clock_wall_ns(), clock_mono_ns());
	r.principal = p->q->who;
	r.refs = (struct audit_ids){&k->set.id, 1};
	r.body = &body;
	if (audit_encode(&leaf, &r))
		ticket = audit_submit(a, lane, buf_slice(&leaf));
	buf_fini(&leaf);
	if (ticket && audit_wait(a, lane, ticket))
		return 0;
	buf_puts(p->error, "audit log: it does not take the record of what a hold keeps");
	return -1;
}

static bool
is_held(struct prune *p, struct audit *a, unsigned lane, int *rc)
{
	const struct hold *k = holds_keep(&p->holds, p->about.from_ns, p->about.to_ns);
	struct slice name;

	if (!k)
		return false;
	name = k->set.hold.name;
	name.n = name.n < HOLD_NAME_MAX ? name.n : HOLD_NAME_MAX;
	memcpy(p->r->held_by, name.p, name.n);
	p->r->held_by[name.n] = 0;
	p->r->held_until = p->walk.tree.size;
	p->r->held_ns = p->about.to_ns;
	if (a && p->r->held_until != p->q->told_until)
		*rc = record_held(p, a, lane, k);
	return true;
}

/* --- all segments --- */

/* Where the tree and the chain of what is left stand: after the last file that is left. */
static int
begin(struct prune *p, uint64_t first)
{
	struct buf file = {0};
	struct pruned about;
	uint64_t *firsts;
	char name[32] = "seg";
	size_t n;
	const char *wrong = NULL;
	int rc = folder_pruned(p->dir, &firsts, &n);

	while (rc == 0 && n && firsts[n - 1] >= first)
		n--; /* of a dry run beside one that is at work */
	if (rc == 0 && n == 0 && first != 0)
		wrong = "the records before the first segment are missing";
	if (rc != 0 || n == 0)
		goto out;
	folder_pruned_name(name, firsts[n - 1]);
	rc = folder_read(&file, p->dir, name, PRUNED_FILE_MAX);
	if (rc != 0)
		goto out;
	wrong = pruned_read(&about, &p->walk.tree, buf_slice(&file), any_size, NULL);
	sha256(p->before, buf_slice(&file));
	p->walk.started = true;
out:
	free(firsts);
	buf_fini(&file);
	if (wrong)
		buf_printf(p->error, "audit log: %s: %s" INTEGRITY, name, wrong);
	return wrong ? -1 : rc == 0 ? 0 : fail(p, "seg", -rc);
}

/* `last` segments at the end stay. a NULL: dry. */
static int
each(struct prune *p, const uint64_t *firsts, size_t n, size_t last, struct audit *a, unsigned lane)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i + last < n; i++) {
		if ((p->q->stop && atomic_load(p->q->stop)) ||
		    (p->q->at_most && p->r->segments == p->q->at_most))
			break;
		rc = read_segment(p, firsts + i, n - i);
		if (rc != 0)
			break;
		p->r->kept_ns = p->about.to_ns;
		if (p->about.to_ns >= p->q->cutoff_ns || p->walk.tree.size > p->size ||
		    is_held(p, a, lane, &rc))
			break;
		p->r->kept_ns = 0;
		if (a) {
			step(p);
			rc = write_remains(p);
			if (rc == 0)
				note_done(p);
		}
		if (rc == 0)
			count(p);
		if (p->n_done == AT_ONCE)
			rc = commit(p, a, lane);
	}
	/* What was prepared before something was found to be wrong may go. */
	if (p->n_done && commit(p, a, lane) != 0)
		rc = -1;
	return rc;
}

/* Of the heads of what is gone. */
static int
thin_heads(struct prune *p)
{
	uint64_t *ends;
	size_t n;
	int rc;

	step(p);
	rc = folder_pruned(p->dir, &ends, &n);
	if (rc == 0 && n) {
		/* Each ends where the next one begins. */
		memmove(ends, ends + 1, (n - 1) * sizeof(*ends));
		ends[n - 1] = p->r->until;
		rc = heads_thin(p->dir, ends, n);
	}
	free(ends);
	if (rc != -EBADMSG)
		return rc == 0 ? 0 : fail(p, "checkpoints.log", -rc);
	buf_puts(p->error, "audit log: integrity: checkpoints.log has something else than signed heads, "
		 "so it stays as it is. Keep the folder as evidence and run `weir audit verify` on it");
	return -1;
}

static int
run(struct prune *p, size_t last, struct audit *a, unsigned lane)
{
	struct buf origin = {0};
	char strange[256] = "";
	uint64_t *firsts = NULL;
	size_t n = 0;
	int rc = folder_read(&origin, p->dir, "origin", 4096);

	*p->r = (struct prune_report){0};
	if (rc == 0 && origin.n)
		sha256(p->walk.origin_sha256, slice_of(origin.p, origin.n - 1));
	buf_fini(&origin);
	if (rc != 0)
		rc = fail(p, "origin", -rc);
	else if ((rc = heads_open(&p->heads, p->dir)) != 0)
		rc = fail(p, "checkpoints.log", -rc);
	if (rc == 0)
		rc = holds_read(&p->holds, p->dir, p->error);
	if (rc == 0 && (rc = folder_segments(p->dir, &firsts, &n, strange)) != 0)
		rc = fail(p, *strange ? strange : "seg", -rc);
	if (rc == 0 && n)
		rc = begin(p, firsts[0]);
	if (rc == 0)
		rc = each(p, firsts, n, last, a, lane);
	if (rc == 0 && a && p->r->segments)
		rc = thin_heads(p);
	free(firsts);
	heads_close(&p->heads);
	holds_fini(&p->holds);
	buf_fini(&p->nodes);
	buf_fini(&p->frames);
	return rc;
}

static struct prune *
prune_new(const struct prune_request *q, struct prune_report *r, struct buf *error, int dir)
{
	struct prune *p = calloc(1, sizeof(*p));

	assert(p != NULL);
	*p = (struct prune){.q = q, .r = r, .error = error, .dir = dir, .heads = {.fd = -1}};
	p->walk = (struct walk){.dir = dir, .at_size = at_size, .record = on_record,
				.opened = on_opened, .arg = p, .error = error};
	return p;
}

int
audit_prune(struct audit *a, unsigned lane, const struct prune_request *q, struct prune_report *r,
	    struct buf *error)
{
	struct prune *p = prune_new(q, r, error, audit_folder(a));
	struct audit_stats now;
	int rc = -1;

	/* What is signed now can only grow. */
	audit_stats(a, &now);
	p->size = now.signed_size;
	*r = (struct prune_report){0};
	if (q->dry_run || prune_settle(p->dir, now.signed_size, error))
		rc = run(p, 1, q->dry_run ? NULL : a, lane);
	free(p);
	return rc;
}

int
prune_plan(int dir, bool live, const struct prune_request *q, struct prune_report *r,
	   struct buf *error)
{
	struct prune *p = prune_new(q, r, error, dir);
	int rc;

	p->size = UINT64_MAX;
	rc = run(p, live ? 1 : 0, NULL, 0);
	free(p);
	return rc;
}
