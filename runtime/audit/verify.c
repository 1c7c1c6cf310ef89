/* SPDX-License-Identifier: MIT */
#include "audit/verify.h"

#include "audit/folder.h"
#include "audit/heads.h"
#include "audit/meaning.h"
#include "audit/verify_holds.h"
#include "audit/verify_kept.h"
#include "audit/walk.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct head {
	uint64_t size;
	uint8_t root[SHA256_LEN];
	bool external; /* given with --head */
};

/* What the files that are left of pruned segments say, as the chain that they are. */
struct gone {
	uint8_t digest[SHA256_LEN]; /* of the last one */
	uint64_t end;		    /* first record after it */
	/* The newest signed record of a prune; until 0: there is none. */
	uint64_t until, index;
	uint8_t remains[SHA256_LEN];
	/* The prune told last; several files belong to one. */
	uint64_t from, from_ns, to_ns, pruned_ns;
	char by[PRUNED_TEXT_MAX + 1], policy[PRUNED_TEXT_MAX + 1];
	bool walking;
};

struct verify {
	struct verify_report *r;
	int dir;
	const struct note_key *keys;
	size_t n_keys;
	struct head *heads; /* as signed, sizes ascending */
	size_t n_heads, next;
	bool stopped; /* the last record says that the log was closed */
	bool torn;    /* a start of the gateway, or another look beside it, may find it whole */
	struct gone gone;
	struct active_holds holds;
	struct policy_loads loads;
	struct meaning meaning;
};

static void PRINTF_LIKE(3, 4)
say(struct verify_report *r, enum verify_verdict severity, const char *fmt, ...)
{
	struct verify_problem *p;
	va_list ap;

	/* Tampered outweighs incomplete. */
	if (severity == VERIFY_TAMPERED || r->verdict == VERIFY_INTACT)
		r->verdict = severity;
	if (r->n_problems == VERIFY_PROBLEMS_MAX) {
		r->more_problems++;
		return;
	}
	p = &r->problems[r->n_problems++];
	p->severity = severity;
	va_start(ap, fmt);
	if (vasprintf(&p->text, fmt, ap) < 0)
		p->text = NULL;
	va_end(ap);
}

void
verify_report_fini(struct verify_report *r)
{
	for (size_t i = 0; i < r->n_problems; i++)
		free(r->problems[i].text);
	r->n_problems = 0;
}

/* --- heads --- */

static void
add_head(struct verify *v, const struct note_checkpoint *c, bool external)
{
	if ((v->n_heads & (v->n_heads - 1)) == 0) {
		v->heads = realloc(v->heads, (v->n_heads ? v->n_heads * 2 : 1) * sizeof(*v->heads));
		assert(v->heads != NULL);
	}
	v->heads[v->n_heads].size = c->size;
	v->heads[v->n_heads].external = external;
	memcpy(v->heads[v->n_heads++].root, c->root, SHA256_LEN);
}

/* One signed head. False when it cannot be believed. */
static bool
check_head(struct verify *v, const struct note *n, const char *where)
{
	static const char *const why[] = {
		[NOTE_UNKNOWN_KEY] = "is not signed by a trusted key",
		[NOTE_BAD_SIGNATURE] = "has a signature that does not match",
		[NOTE_MALFORMED] = "is malformed",
	};
	enum note_verdict verdict = note_verify(n, v->keys, v->n_keys);
	struct note_checkpoint c;

	if (verdict != NOTE_GOOD) {
		say(v->r, VERIFY_TAMPERED, "%s: head %zu %s", where, v->n_heads + 1, why[verdict]);
		return false;
	}
	if (!note_checkpoint_get(&c, n->text) || !slice_is(c.origin, v->r->origin)) {
		say(v->r, VERIFY_TAMPERED, "%s: head %zu is not a head of this log (%s)", where,
		    v->n_heads + 1, v->r->origin);
		return false;
	}
	if (v->n_heads && c.size < v->heads[v->n_heads - 1].size) {
		say(v->r, VERIFY_TAMPERED, "%s: head %zu signs %llu records, an earlier one %llu: the log "
		    "was rolled back", where, v->n_heads + 1, (unsigned long long) c.size,
		    (unsigned long long) v->heads[v->n_heads - 1].size);
		return false;
	}
	add_head(v, &c, false);
	return true;
}

/* checkpoints.log first, then checkpoint: the latter is replaced first, so it is never behind. */
static void
read_heads(struct verify *v)
{
	struct buf last = {0};
	struct heads log;
	struct slice rest;
	struct note n;
	int rc = heads_open(&log, v->dir), took = 0;

	while (rc == 0 && (took = heads_next(&log, &n)) == 1 &&
	       check_head(v, &n, "checkpoints.log"))
		;
	rc = rc == 0 && took < 0 ? took : rc;
	if (rc != 0)
		say(v->r, rc == -ENOENT ? VERIFY_INCOMPLETE : VERIFY_TAMPERED,
		    "checkpoints.log: %s", strerror(-rc));
	rc = folder_read(&last, v->dir, "checkpoint", 1 << 16);
	rest = heads_rest(&log);
	if (rc != 0) {
		say(v->r, VERIFY_TAMPERED, "checkpoint: %s", strerror(-rc));
	} else if (note_split(&n, buf_slice(&last)) != last.n) {
		say(v->r, VERIFY_TAMPERED, "checkpoint: not a signed note");
	} else {
		check_head(v, &n, "checkpoint");
	}
	/* Half a note at the end is a crash while the newest one was being appended. */
	if (took == 0 && rest.n && (rest.n >= last.n || memcmp(rest.p, last.p, rest.n) != 0))
		say(v->r, VERIFY_TAMPERED, "checkpoints.log: %llu bytes at its end are no signed note",
		    (unsigned long long) heads_left(&log));
	v->r->heads = v->n_heads;
	v->r->signed_records = v->n_heads ? v->heads[v->n_heads - 1].size : 0;
	heads_close(&log);
	buf_fini(&last);
}

/* A head kept elsewhere must be one of this log's tree; it joins the list in its place. */
static void
add_external(struct verify *v, struct slice text)
{
	struct note_checkpoint c;
	struct note n;
	size_t at;

	if (note_split(&n, text) != text.n || note_verify(&n, v->keys, v->n_keys) != NOTE_GOOD ||
	    !note_checkpoint_get(&c, n.text) || !slice_is(c.origin, v->r->origin)) {
		say(v->r, VERIFY_TAMPERED, "the head given with --head is not signed by a trusted key for "
		    "this log");
		return;
	}
	if (c.size > v->r->signed_records)
		say(v->r, VERIFY_TAMPERED, "the head given with --head signs %llu records, the log's own "
		    "only %llu: the log was rolled back", (unsigned long long) c.size,
		    (unsigned long long) v->r->signed_records);
	add_head(v, &c, true);
	for (at = v->n_heads - 1; at > 0 && v->heads[at - 1].size > v->heads[at].size; at--) {
		struct head swap = v->heads[at];

		v->heads[at] = v->heads[at - 1];
		v->heads[at - 1] = swap;
	}
}

/* --- records --- */

static void
passed_over(struct verify *v, const struct head *h)
{
	if (h->size == 0)
		return; /* nothing is below it */
	if (h->external)
		say(v->r, VERIFY_INCOMPLETE, "the head given with --head signs %llu records that were "
		    "pruned, and is none of those that could be checked since: the log cannot be "
		    "compared with it", (unsigned long long) h->size);
	else
		say(v->r, VERIFY_TAMPERED, "a head signs %llu records, but the hashes that are left of them "
		    "do not lead to it", (unsigned long long) h->size);
}

static bool
at_size(void *arg, const struct merkle *tree)
{
	struct verify *v = arg;
	uint8_t root[SHA256_LEN];

	/* Heads below the first record of the folder belong to records that are not here. Those
	 * that were signed for what is left of records end where hashes do. */
	for (; v->next < v->n_heads && v->heads[v->next].size < tree->size; v->next++)
		if (v->gone.walking)
			passed_over(v, &v->heads[v->next]);
	if (v->next == v->n_heads || v->heads[v->next].size != tree->size)
		return true;
	merkle_root(root, tree);
	for (; v->next < v->n_heads && v->heads[v->next].size == tree->size; v->next++)
		if (memcmp(root, v->heads[v->next].root, SHA256_LEN) != 0)
			return false;
	return true;
}

/* seg/, by first index. */
struct listing {
	uint64_t *segments, *remains;
	size_t n, n_remains;
};

static void
on_problem(void *arg, uint64_t index, const char *what)
{
	struct verify *v = arg;

	say(v->r, VERIFY_TAMPERED, "record %llu: %s", (unsigned long long) index, what);
}

static void
on_record(void *arg, uint64_t index, struct slice leaf)
{
	struct verify *v = arg;
	struct audit_brief b;
	const char *wrong = audit_brief_get(&b, leaf);

	if (wrong) {
		say(v->r, VERIFY_TAMPERED, "record %llu: not deterministic CBOR: %s",
		    (unsigned long long) index, wrong);
		return;
	}
	if (!v->r->first_ns)
		v->r->first_ns = b.time;
	v->r->last_ns = b.time;
	v->stopped = b.type == AUDIT_log_state && b.log_state == AUDIT_log_state_STOP;
	if (b.type == AUDIT_retention_prune && b.remains.n && index < v->r->signed_records) {
		v->gone.until = b.until;
		v->gone.index = index;
		memcpy(v->gone.remains, b.remains.p, SHA256_LEN);
	}
	active_holds_record(&v->holds, index, &b, leaf);
	policy_loads_record(&v->loads, &b);
	meaning_record(&v->meaning, index, &b);
}

static void
on_policies(void *arg, enum verify_verdict severity, const char *text)
{
	say(((struct verify *) arg)->r, severity, "%s", text);
}

/* --- what was pruned --- */

/* One sentence for the files of one prune. */
static void
tell_gone(struct verify *v)
{
	struct gone *g = &v->gone;
	char from[28], to[28], at[28];

	if (g->end == g->from)
		return;
	clock_format(g->from_ns, from);
	clock_format(g->to_ns, to);
	clock_format(g->pruned_ns, at);
	say(v->r, VERIFY_INCOMPLETE, "records %llu to %llu, of %.19sZ to %.19sZ, were pruned on %.19sZ by %s "
	    "(%s)", (unsigned long long) g->from, (unsigned long long) g->end - 1, from, to, at, g->by,
	    g->policy);
	g->from = g->end;
	g->from_ns = g->to_ns = 0;
}

/* Files of one prune differ in when each was written, by less than this. */
static bool
same_prune(const struct gone *g, const struct pruned *p)
{
	return slice_is(p->by, g->by) && slice_is(p->policy, g->policy) &&
	       p->pruned_ns - g->pruned_ns < 60 * NS_PER_S;
}

static void
copy_text(char out[PRUNED_TEXT_MAX + 1], struct slice s)
{
	memset(out, 0, PRUNED_TEXT_MAX + 1);
	if (s.n)
		memcpy(out, s.p, s.n);
}

static bool
on_pruned(void *arg, uint64_t first, const struct pruned *p, const uint8_t file[SHA256_LEN])
{
	struct verify *v = arg;
	struct gone *g = &v->gone;

	if (first != g->end || memcmp(p->before, g->digest, SHA256_LEN) != 0)
		return false;
	if (!same_prune(g, p))
		tell_gone(v);
	copy_text(g->by, p->by);
	copy_text(g->policy, p->policy);
	g->pruned_ns = p->pruned_ns;
	if (!g->from_ns || p->from_ns < g->from_ns)
		g->from_ns = p->from_ns;
	if (p->to_ns > g->to_ns)
		g->to_ns = p->to_ns;
	if (!v->r->pruned_from_ns || p->from_ns < v->r->pruned_from_ns)
		v->r->pruned_from_ns = p->from_ns;
	if (p->to_ns > v->r->pruned_to_ns)
		v->r->pruned_to_ns = p->to_ns;
	memcpy(g->digest, file, SHA256_LEN);
	g->end = first + p->records;
	return true;
}

static bool
any_size(void *arg UNUSED, const struct merkle *tree UNUSED)
{
	return true;
}

/* Goes on along the chain where segments are still here as well, up to what the record says. */
static void
follow_chain(struct verify *v, const uint64_t *remains, size_t n)
{
	struct gone *g = &v->gone;

	for (size_t i = 0; i < n && g->end < g->until && remains[i] == g->end; i++) {
		uint8_t digest[SHA256_LEN];
		struct buf file = {0};
		struct merkle tree;
		struct pruned p;
		char name[32];
		bool ok;

		folder_pruned_name(name, remains[i]);
		ok = folder_read(&file, v->dir, name, PRUNED_FILE_MAX) == 0 &&
		     pruned_read(&p, &tree, buf_slice(&file), any_size, NULL) == NULL &&
		     memcmp(p.before, g->digest, SHA256_LEN) == 0;
		sha256(digest, buf_slice(&file));
		if (ok) {
			memcpy(g->digest, digest, SHA256_LEN);
			g->end = tree.size;
		}
		buf_fini(&file);
		if (!ok)
			return;
	}
}

/* After the records: whether what is gone is what a signed record said would go. `remains` are the
 * files whose segments are here as well. */
static void
judge_gone(struct verify *v, const uint64_t *remains, size_t n)
{
	struct verify_report *r = v->r;
	struct gone *g = &v->gone;

	if (r->pruned > g->until) {
		say(r, VERIFY_TAMPERED, "records 0 to %llu are gone, but %s",
		    (unsigned long long) r->pruned - 1,
		    g->until ? "the signed record of what was pruned does not go as far"
			     : "no signed record says that they were pruned");
		return;
	}
	follow_chain(v, remains, n);
	if (g->until && (g->end != g->until || memcmp(g->digest, g->remains, SHA256_LEN) != 0))
		say(r, VERIFY_TAMPERED, "what is left of pruned records is not what record %llu says",
		    (unsigned long long) g->index);
	else if (g->until > r->pruned)
		say(r, VERIFY_INTACT, "records %llu to %llu are recorded as pruned and not removed yet; the "
		    "next start of the gateway does that", (unsigned long long) r->pruned,
		    (unsigned long long) g->until - 1);
	else if (n && !r->live)
		say(r, VERIFY_INTACT, "a removal of records was prepared and given up; the next start of "
		    "the gateway clears it away");
}

/* --- what is held --- */

static void
tell_held(struct verify *v, const struct active_hold *h)
{
	char newest[28], since[28];

	clock_format(h->newest, newest);
	clock_format(h->time, since);
	if (h->until)
		say(v->r, VERIFY_INCOMPLETE, "records up to %.19sZ were due to go (%s) and are kept by the "
		    "hold \"%s\", which %s set on %.19sZ", newest, h->policy,
		    h->name, h->by, since);
	else
		say(v->r, VERIFY_INTACT, "the hold \"%s\" is in force, which %s set on %.19sZ", h->name,
		    h->by, since);
}

/* Those of the file that are not in force: a crash while one was set or released. */
static void
judge_holds(struct verify *v)
{
	struct buf error = {0};
	struct holds file;

	if (holds_read(&file, v->dir, &error) != 0)
		say(v->r, VERIFY_TAMPERED, "%.*s", SLICE_ARG(buf_slice(&error)));
	for (size_t i = 0; i < v->holds.n; i++) {
		if (!active_hold_in(&v->holds.v[i], &file))
			say(v->r, VERIFY_TAMPERED, "the hold \"%s\" is in force, but the file `holds` "
			    "does not have it", v->holds.v[i].name);
		tell_held(v, &v->holds.v[i]);
	}
	if (file.n > v->holds.n)
		say(v->r, VERIFY_INTACT, "the file `holds` has holds that are not in force, as a crash while "
		    "one is set or released leaves them; they keep records until they are released");
	buf_fini(&error);
	holds_fini(&file);
}

static void
conclude(struct verify *v, const struct walk *w, size_t n_segments)
{
	struct verify_report *r = v->r;

	r->records = w->tree.size;
	if (w->tree.size < r->signed_records)
		say(r, VERIFY_TAMPERED, "%llu records were signed, %llu are here: the end was cut off",
		    (unsigned long long) r->signed_records, (unsigned long long) w->tree.size);
	if (n_segments == 0 && r->signed_records == 0)
		say(r, VERIFY_INTACT, "the log is empty");
	/* The last head of a run is signed after its seal is durable. A segment without records is
	 * of a start that ended there; what is before it has its seal. */
	if (n_segments && !w->sealed && v->stopped && w->tree.size == r->signed_records &&
	    w->segment < w->tree.size)
		say(r, VERIFY_TAMPERED, "segment %020llu: the log was closed, but its seal is missing or "
		    "damaged", (unsigned long long) w->segment);
	else if ((v->torn = w->tail == TAIL_TORN))
		say(r, VERIFY_INCOMPLETE, "segment %020llu: an unfinished batch after byte %llu, as a crash "
		    "leaves it; start the gateway once to recover, then verify again",
		    (unsigned long long) w->segment, (unsigned long long) w->offset);
	else if (n_segments && !w->sealed && !r->live)
		say(r, VERIFY_INTACT, "the log was not closed properly; the next start of the gateway "
		    "records that");
	if (w->since_trailer && !r->live)
		say(r, VERIFY_INTACT, "the last %llu records have no commit trailer: their commands were "
		    "never released", (unsigned long long) w->since_trailer);
	if (w->tree.size > r->signed_records)
		say(r, VERIFY_INTACT, "the last %llu records are not covered by a signed head yet",
		    (unsigned long long) (w->tree.size - r->signed_records));
}

/* Hashes first, then records; n_gone of the files stand for segments that are not here. */
static enum walk_result
walk_all(struct verify *v, struct walk *w, const struct listing *l, size_t n_gone)
{
	enum walk_result result;

	v->gone.walking = true;
	result = walk_pruned(w, l->remains, n_gone);
	v->gone.walking = false;
	if (result != WALK_OK)
		return result;
	tell_gone(v);
	v->r->pruned = v->gone.end;
	v->meaning.pruned_ns = v->holds.pruned_ns = v->r->pruned_to_ns;
	if (l->n && l->segments[0] != v->gone.end && l->segments[0] != 0 && v->gone.end == 0)
		say(v->r, VERIFY_TAMPERED, "records 0 to %llu are missing, and no record says that they "
		    "were pruned", (unsigned long long) l->segments[0] - 1);
	return walk_segments(w, l->segments, l->n);
}

static void
read_records(struct verify *v, const uint8_t origin_sha256[SHA256_LEN], const struct listing *l)
{
	struct buf what = {0};
	struct walk w = {.dir = v->dir, .at_size = at_size, .record = on_record,
			 .pruned = on_pruned, .arg = v, .error = &what};
	enum walk_result result;
	size_t n_gone = 0;

	memcpy(w.origin_sha256, origin_sha256, SHA256_LEN);
	v->meaning = (struct meaning){.problem = on_problem, .arg = v};
	v->gone = (struct gone){0};
	v->holds = (struct active_holds){.problem = on_problem, .arg = v};
	v->loads = (struct policy_loads){.say = on_policies, .arg = v};
	v->next = 0;
	v->stopped = v->torn = false;
	while (n_gone < l->n_remains && (l->n == 0 || l->remains[n_gone] < l->segments[0]))
		n_gone++;
	result = walk_all(v, &w, l, n_gone);
	if (result == WALK_OK) {
		judge_gone(v, l->remains + n_gone, l->n_remains - n_gone);
		judge_holds(v);
		conclude(v, &w, l->n);
		if (l->n == 0 || l->segments[0] == v->r->pruned)
			meaning_end(&v->meaning);
	} else {
		v->r->records = w.tree.size;
		say(v->r, VERIFY_TAMPERED, "%.*s; nothing after it was checked",
		    SLICE_ARG(buf_slice(&what)));
	}
	policy_loads_judge(&v->loads, v->dir);
	v->r->segments = l->n;
	v->r->sessions = v->meaning.n_sessions;
	v->r->commands = v->meaning.n_commands;
	v->r->results = v->meaning.n_results;
	v->r->held = v->meaning.n_held;
	meaning_fini(&v->meaning);
	policy_loads_fini(&v->loads);
	buf_fini(&what);
}

static int
once(struct verify *v, const struct verify_options *o)
{
	struct buf origin = {0};
	uint8_t origin_sha256[SHA256_LEN] = {0};
	char strange[256] = "";
	struct listing l = {0};
	int rc;

	rc = folder_read(&origin, v->dir, "origin", 4096);
	if (rc != 0 || origin.n < 2 || origin.p[origin.n - 1] != '\n' ||
	    !note_name_valid(slice_of(origin.p, origin.n - 1))) {
		say(v->r, VERIFY_TAMPERED, "origin: missing or not a name");
		buf_fini(&origin);
		return 0;
	}
	memcpy(v->r->origin, origin.p, origin.n - 1);
	sha256(origin_sha256, slice_of(origin.p, origin.n - 1));
	buf_fini(&origin);
	if (v->r->keys_from_folder)
		say(v->r, VERIFY_INTACT, "the key was taken from the folder itself: who can rewrite the log "
		    "can replace it too. Give the one you noted when the log began with --key");
	read_heads(v);
	if (o->head.n)
		add_external(v, o->head);
	rc = folder_segments(v->dir, &l.segments, &l.n, strange);
	if (rc == 0)
		rc = folder_pruned(v->dir, &l.remains, &l.n_remains);
	if (rc == -EINVAL && *strange)
		say(v->r, VERIFY_TAMPERED, "seg/%s: not a segment's name", strange);
	else if (rc != 0)
		say(v->r, VERIFY_TAMPERED, "seg: %s", strerror(-rc));
	else
		read_records(v, origin_sha256, &l);
	free(l.segments);
	free(l.remains);
	return 0;
}

int
audit_verify(struct verify_report *r, int dirfd, const struct verify_options *o)
{
	struct note_key *own = NULL;
	struct verify v = {.dir = dirfd, .r = r, .keys = o->keys, .n_keys = o->n_keys};
	int rc = 0, tries = 0;

	for (;;) {
		*r = (struct verify_report){.keys_from_folder = o->n_keys == 0};
		r->live = folder_is_live(dirfd);
		if (o->n_keys == 0) {
			rc = folder_keys(dirfd, &own, &v.n_keys);
			v.keys = own;
			if (rc != 0)
				say(r, VERIFY_TAMPERED, "keys: %s", strerror(-rc));
		}
		rc = once(&v, o);
		free(v.heads);
		free(own);
		own = NULL;
		v.heads = NULL;
		v.n_heads = v.next = 0;
		/* Beside a running gateway a read can cross a write: look again before accusing. */
		if ((r->verdict != VERIFY_TAMPERED && !v.torn) || !r->live || ++tries == 4)
			break;
		verify_report_fini(r);
		nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
	}
	return rc;
}
