/* SPDX-License-Identifier: MIT
 *
 * Where other threads come in. Each call passes hooks_enter(), so that none touches a worker or the
 * catalog reader while the main thread takes them down.
 */
#include "base/clock.h"
#include "base/log.h"
#include "session/approval_record.h"
#include "proxy/server_internal.h"

#include <errno.h>
#include <unistd.h>

bool
hooks_enter(struct server *s)
{
	pthread_rwlock_rdlock(&s->hooks_lock);
	if (s->hooks_open)
		return true;
	pthread_rwlock_unlock(&s->hooks_lock);
	return false;
}

void
hooks_leave(struct server *s)
{
	pthread_rwlock_unlock(&s->hooks_lock);
}

/* ---- Of the workers ------------------------------------------------------------------------ */

static void
want_catalog(void *ctx, size_t target)
{
	struct server *s = ctx;

	if (!hooks_enter(s))
		return;
	/* At start the readers begin after the workers, and read without being asked. */
	if (s->reader)
		catalog_reader_want(s->reader, target);
	hooks_leave(s);
}

static void
password_refused(void *ctx, size_t target, uint64_t epoch, uint64_t version)
{
	struct server *s = ctx;

	if (!hooks_enter(s))
		return;
	if (s->reader)
		catalog_reader_doubt(s->reader, target, epoch, version);
	hooks_leave(s);
}

static void
schema_changed(void *ctx, size_t target)
{
	struct server *s = ctx;
	struct epoch *e;

	if (!hooks_enter(s))
		return;
	e = server_epoch(s);
	/* Without rules it can wait: the target is spared a read after each CREATE. With any, a new
	 * function may have the name of a built-in. */
	if (s->reader)
		catalog_reader_changed(s->reader, target, e->image->n_rules > 0);
	epoch_unref(e);
	hooks_leave(s);
}

static bool
cancel(void *ctx, uint32_t pid, struct slice key, uint64_t waiter)
{
	struct server *s = ctx;
	/* The number is whatever a client sent. */
	bool known = worker_of_cancel(pid) < s->n_workers;

	if (!hooks_enter(s))
		return false;
	if (known)
		worker_post_cancel(s->workers[worker_of_cancel(pid)], pid, key, waiter);
	hooks_leave(s);
	return known;
}

static void
cancelled(void *ctx, uint64_t waiter)
{
	struct server *s = ctx;

	if (!hooks_enter(s))
		return;
	worker_post_taken(s->workers[worker_of_waiter(waiter)], waiter);
	hooks_leave(s);
}

static void
pool(void *ctx, size_t target, unsigned worker, unsigned from)
{
	struct server *s = ctx;

	if (!hooks_enter(s))
		return;
	for (unsigned i = 0; i < s->n_workers; i++)
		if (worker == s->n_workers ? i != from : i == worker)
			worker_post_pool(s->workers[i], target);
	hooks_leave(s);
}

static void
drained(void *ctx, unsigned worker UNUSED)
{
	struct server *s = ctx;
	uint64_t one = 1;

	atomic_fetch_add(&s->drained, 1);
	if (write(s->news, &one, sizeof(one)) != sizeof(one))
		return; /* it is readable already */
}

const struct worker_host server_worker_host = {
	.want_catalog = want_catalog,
	.schema_changed = schema_changed,
	.password_refused = password_refused,
	.cancel = cancel,
	.cancelled = cancelled,
	.pool = pool,
	.drained = drained,
};

/* ---- Of the catalog readers ---------------------------------------------------------------- */

/* Not through hooks_enter: the readers are joined before any worker goes, and while the main thread
 * waits for that with the hooks closed they must not be in its way. */
void
server_catalog_posted(void *ctx, size_t target, struct catalog_ref *ref, const char *trouble,
		      struct catalog_age age)
{
	struct server *s = ctx;

	if (ref)
		server_look(s, target, ref);
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_post_catalog(s->workers[i], target, ref ? catalog_ref_get(ref) : NULL,
				    trouble, age);
}

/* ---- Of the approvals ---------------------------------------------------------------------- */

/* Who can prove to be somebody, as which it may approve what others ask for. */
static bool
decider_of(const struct config *c, struct slice name, struct approval_decider *who)
{
	const struct config_principal *p = config_principal_find(c, name);

	if (!p || !p->key)
		return false;
	*who = (struct approval_decider){.name = name, .kind = p->kind, .groups = p->groups,
					 .n_groups = p->n_groups};
	return true;
}

/* A reload that came since the request was authenticated has been through the approvals already:
 * what it takes from somebody is taken from this decision, too. */
static bool
decides_still(const struct config *c, const struct approval_event *ev)
{
	struct approval_decider who;

	return ev->type != APPROVAL_EV_APPROVE ||
	       (decider_of(c, slice_str(ev->by), &who) && approval_eligible(ev->approval, &who));
}

static int
record_decision(void *ctx, const struct approval_event *ev)
{
	struct server *s = ctx;
	struct epoch *e = server_epoch(s);
	struct approval_record r;
	bool ok = decides_still(&e->config, ev);

	if (ok) {
		approval_record_fill(&r, ev, config_principal_find(&e->config, slice_str(ev->by)),
				     clock_mono_ns());
		ok = server_record(s, &s->admin_lane, &r.record, true);
	}
	epoch_unref(e);
	return ok ? 0 : -EIO;
}

static bool
find_decider(void *ctx, struct slice name, struct approval_decider *who)
{
	struct server *s = ctx;

	return decider_of(&s->epoch->config, name, who);
}

void
server_review_approvals(struct server *s)
{
	approvals_review(s->approvals, clock_wall_ns(), s->epoch->image->digest, find_decider,
			 server_record_expiry, s);
}

static void
approval_changed(void *ctx, const char *id, uint64_t waiter)
{
	struct server *s = ctx;

	if (!hooks_enter(s))
		return;
	if (worker_of_waiter(waiter) < s->n_workers)
		worker_post_approval(s->workers[worker_of_waiter(waiter)], id, waiter);
	hooks_leave(s);
}

void
server_approval_hooks(struct server *s, struct approvals_hooks *h)
{
	*h = (struct approvals_hooks){s, record_decision, approval_changed};
}

/* ---- Of the admin listener ------------------------------------------------------------------- */

static const struct config *
config_get(void *ctx)
{
	return &server_epoch(ctx)->config;
}

static void
config_put(void *ctx UNUSED, const struct config *c)
{
	epoch_unref((struct epoch *) ((char *) (uintptr_t) c - offsetof(struct epoch, config)));
}

/* Whoever guesses keys fills our disk at most with ten records a second; the next one counts those
 * left out. */
static void
auth_failed(void *ctx, struct slice claimed, const char *from)
{
	struct server *s = ctx;
	uint64_t now = clock_mono_ns();
	struct audit_auth_fail b = {0};
	struct buf name = {0};
	struct audit_record r;

	atomic_fetch_add(&s->auth_failures, 1);
	if (now - s->auth_recorded_ns < NS_PER_S / 10) {
		s->auth_unrecorded++;
		return;
	}
	if (claimed.n > 128)
		claimed.n = 128;
	buf_json_string(&name, claimed); /* a quote in it ends nothing */
	log_warn("admin refused-key principal=%.*s from=%s", SLICE_ARG(buf_slice(&name)), from);
	buf_fini(&name);
	audit_record_init(&r, AUDIT_auth_fail, clock_wall_ns(), now);
	b.method = SLICE_LIT("admin-key");
	b.claimed = claimed;
	b.cause = slice_str(from);
	b.count = s->auth_unrecorded + 1;
	r.body = &b;
	s->auth_recorded_ns = now;
	if (server_record(s, &s->admin_lane, &r, false))
		s->auth_unrecorded = 0;
}

static enum hold_error
hold(void *ctx, const struct approval_decider *who, struct hold_request *q, bool release)
{
	static const unsigned kinds[] = {[PRINCIPAL_HUMAN] = AUDIT_principal_kind_HUMAN,
					 [PRINCIPAL_SERVICE] = AUDIT_principal_kind_SERVICE,
					 [PRINCIPAL_AGENT] = AUDIT_principal_kind_AGENT};
	struct server *s = ctx;
	struct audit_principal p = {.kind = kinds[who->kind], .subject = who->name,
				    .groups = {who->groups, who->n_groups},
				    .assurance = AUDIT_assurance_PROVEN};
	struct buf trouble = {0};
	enum hold_error e;

	q->by = who->name;
	q->who = &p;
	e = release ? audit_hold_release(s->audit, s->admin_lane.index, q, &trouble)
		    : audit_hold_set(s->audit, s->admin_lane.index, q, &trouble);
	if (trouble.n)
		log_error("hold: %.*s", SLICE_ARG(buf_slice(&trouble)));
	if (e == HOLD_OK)
		log_info("hold %s name=%.*s by=%.*s", release ? "released" : "set",
			 SLICE_ARG(q->name), SLICE_ARG(q->by));
	buf_fini(&trouble);
	return e;
}

static bool
holds(void *ctx, struct buf *out)
{
	struct server *s = ctx;
	struct buf trouble = {0};
	struct holds h;
	bool ok = holds_read(&h, audit_folder(s->audit), &trouble) == 0;

	buf_puts(out, "{\"holds\":[");
	for (size_t i = 0; ok && i < h.n; i++) {
		const struct audit_brief *b = &h.v[i].set;

		buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		buf_json_string(out, b->hold.name);
		buf_puts(out, ",\"by\":");
		buf_json_string(out, b->hold.by);
		buf_puts(out, ",\"reason\":");
		buf_json_string(out, b->hold.reason);
		clock_put_json(out, "since", b->time);
		clock_put_json(out, "from", b->hold.from);
		clock_put_json(out, "to", b->hold.to);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
	if (trouble.n)
		log_error("hold: %.*s", SLICE_ARG(buf_slice(&trouble)));
	buf_fini(&trouble);
	holds_fini(&h);
	return ok;
}

void
server_admin_hooks(struct server *s, struct admin_hooks *h)
{
	*h = (struct admin_hooks){
		.ctx = s,
		.config_get = config_get,
		.config_put = config_put,
		.status = server_status,
		.metrics = server_metrics,
		.pools = server_pools,
		.hold = hold,
		.holds = holds,
		.auth_failed = auth_failed,
	};
}
