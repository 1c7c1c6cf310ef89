/* SPDX-License-Identifier: MIT
 *
 * Plays wire scripts (tests/wire/pg/NAME.wire) against a session: what client and server send, and
 * what must come out on either side, message by message. Every script runs with whole deliveries,
 * byte by byte, with what follows each other joined into one delivery, and with every delivery cut
 * in two at every offset; all must give the same. tests/README.md describes the script's words.
 *
 * `wire_test --repeat N NAME` plays one script N times in one session, joined, and says what each
 * took: what a query costs without kernel and network. bench/README.md says how to count it.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "compiler/compile.h"
#include "session/approvals.h"
#include "session/session_login.h"
#include "tests/wire/wire_messages.h"
#include "tests/wire/wire_stage.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CUT_NONE = 0, CUT_BYTES = 1, CUT_AT = 2, CUT_JOIN = 3 };

struct play {
	struct session_env env;
	struct session *session;
	struct approvals *approvals;
	struct buf out[2]; /* by side: what went there */
	uint64_t tickets, durable, wanted; /* wanted: the last that somebody waits for */
	bool manual_audit, closed, dialled;
	unsigned cancels, wants_catalog, schema_changes;
	struct catalog_ref *catalog;
	bool manual_catalog;
	uint64_t now, timer_at;
	/* this run */
	int cut;
	size_t cut_line, cut_offset;
	bool cut_used;
	size_t repeat;
	uint64_t spent; /* ns in the session */
	struct buf joined; /* CUT_JOIN: what goes with the next delivery */
	struct buf rest;   /* of a message that began */
	int next_from;     /* side of the next line's delivery, -1: it is none */
	struct backend servers[2]; /* of the pool: their process ids are 1 and 2 */
	uint32_t next_server;	   /* which is lent next; 0: none is free */
	bool borrowed[2];
	char left; /* how the last came back: 'c'lean, 'd'irty, 'u'nknown */
	const char *file;
	int line;
	bool failed;
};

static void
fail(struct play *p, const char *what, const char *got)
{
	if (!p->failed)
		printf("# %s:%d: %s%s%s (cut %d, line %zu, offset %zu)\n", p->file, p->line, what,
		       got ? ": got " : "", got ? got : "", p->cut, p->cut_line, p->cut_offset);
	p->failed = true;
}

/* ---- host ------------------------------------------------------------------------------------ */

static void
h_forward(void *ctx, enum pg_side to, const uint8_t *b, size_t n)
{
	struct play *p = ctx;

	buf_put(&p->out[to], b, n);
}

static void
h_emit(void *ctx, enum pg_side to, struct slice b)
{
	struct play *p = ctx;

	buf_put_slice(&p->out[to], b);
}

static void
h_flow(void *ctx UNUSED, enum pg_side from UNUSED, bool deliver UNUSED)
{
}

static void
h_streaming(void *ctx UNUSED, bool on UNUSED)
{
}

static size_t
h_queued(void *ctx UNUSED, enum pg_side to UNUSED)
{
	return 0;
}

static void
h_start_tls(void *ctx UNUSED, enum pg_side side UNUSED, struct slice early UNUSED)
{
}

static bool
h_cancel_upstream(void *ctx, struct slice packet UNUSED)
{
	struct play *p = ctx;

	p->cancels++;
	return true;
}

static bool
h_cancel_request(void *ctx UNUSED, uint32_t pid UNUSED, struct slice key UNUSED)
{
	return false;
}

static void
h_close(void *ctx)
{
	struct play *p = ctx;

	p->closed = true;
}

static uint64_t
h_record(void *ctx, struct slice record UNUSED)
{
	struct play *p = ctx;

	return ++p->tickets;
}

static bool
h_log_full(void *ctx UNUSED)
{
	return false;
}

static bool
h_durable(void *ctx, uint64_t ticket)
{
	struct play *p = ctx;

	return !p->manual_audit || ticket <= p->durable;
}

static void
h_when_durable(void *ctx, uint64_t ticket)
{
	struct play *p = ctx;

	p->wanted = ticket;
}

static void
h_timer(void *ctx, uint64_t at)
{
	struct play *p = ctx;

	p->timer_at = at;
}

static uint64_t
h_now(void *ctx)
{
	struct play *p = ctx;

	return p->now;
}

/* The target's catalog, as it was from the beginning, has been read again, or could not be. */
static void
read_catalog(struct play *p, bool well)
{
	struct catalog_age age = {.asked = well ? p->wants_catalog : 0, .tried = p->wants_catalog};

	gate_set_catalog(p->env.gate, 0, catalog_ref_get(p->catalog), NULL, age);
}

static void
h_want_catalog(void *ctx)
{
	struct play *p = ctx;

	p->wants_catalog++;
	if (!p->manual_catalog)
		read_catalog(p, true);
}

static void
h_schema_changed(void *ctx)
{
	struct play *p = ctx;

	p->schema_changes++;
}

static struct backend *
h_borrow(void *ctx, struct slice startup UNUSED, uint16_t minor UNUSED, bool *waits)
{
	struct play *p = ctx;

	*waits = !p->next_server;
	if (*waits)
		return NULL;
	assert(!p->borrowed[p->next_server - 1]);
	p->borrowed[p->next_server - 1] = true;
	return &p->servers[p->next_server - 1];
}

static void
h_withdraw(void *ctx UNUSED)
{
}

static void
h_give_back(void *ctx, struct backend *b, enum backend_left left)
{
	struct play *p = ctx;

	assert(p->borrowed[b->pid - 1]);
	p->borrowed[b->pid - 1] = false;
	p->left = left == BACKEND_CLEAN ? 'c' : left == BACKEND_DIRTY ? 'd' : 'u';
	if (b->spoiled)
		p->left = 's';
}

static void
h_dial(void *ctx)
{
	struct play *p = ctx;

	p->dialled = true;
}

static const struct session_host host = {
	.borrow = h_borrow,
	.withdraw = h_withdraw,
	.give_back = h_give_back,
	.forward = h_forward, .emit = h_emit, .flow = h_flow, .streaming = h_streaming,
	.queued = h_queued, .start_tls = h_start_tls, .dial = h_dial,
	.cancel_upstream = h_cancel_upstream, .cancel_request = h_cancel_request, .close = h_close,
	.record = h_record, .log_full = h_log_full, .durable = h_durable,
	.when_durable = h_when_durable, .timer = h_timer,
	.now_mono = h_now, .now_wall = h_now, .want_catalog = h_want_catalog,
	.schema_changed = h_schema_changed,
};

/* ---- playing --------------------------------------------------------------------------------- */

static void
deliver(struct play *p, enum pg_side from, struct slice bytes, size_t line)
{
	size_t first = bytes.n;

	if (p->cut == CUT_BYTES)
		first = 1;
	else if (p->cut == CUT_AT && line == p->cut_line && p->cut_offset < bytes.n) {
		first = p->cut_offset;
		p->cut_used = true;
	}
	for (size_t at = 0; at < bytes.n && !p->closed;) {
		size_t n = at == 0 || p->cut == CUT_BYTES ? first : bytes.n - at;
		uint8_t *copy = malloc(n); /* exact size: the sanitizer sees a step too far */

		assert(copy != NULL);
		memcpy(copy, bytes.p + at, n);
		p->spent -= clock_mono_ns();
		session_deliver(p->session, from, copy, n);
		p->spent += clock_mono_ns();
		free(copy);
		at += n;
	}
}

static bool
contains(struct slice in, struct slice what)
{
	return memmem(in.p, in.n, what.p, what.n) != NULL;
}

static void
expect(struct play *p, enum pg_side to, struct slice *w, size_t n)
{
	struct buf *out = &p->out[to], want = {0};
	size_t total;
	struct slice got;
	char head[120];

	if (out->n < PG_HEADER) {
		fail(p, "nothing more came out", NULL);
		return;
	}
	total = (size_t) get_be32(out->p + 1) + 1;
	if (out->n < total) {
		fail(p, "half a message came out", NULL);
		return;
	}
	got = slice_of(out->p, total);
	snprintf(head, sizeof(head), "'%c' %.*s", out->p[0], (int) (total - 5 > 90 ? 90 : total - 5),
		 (const char *) out->p + 5);
	for (char *c = head; *c; c++)
		if ((unsigned char) *c < 32)
			*c = '.';
	if (slice_is(w[0], "poison")) {
		if (!contains(got, SLICE_LIT("weir refused")))
			fail(p, "want a poison message", head);
	} else if (to == CLIENT && (slice_is(w[0], "ErrorResponse") || slice_is(w[0], "NoticeResponse"))) {
		bool error = slice_is(w[0], "ErrorResponse");

		if (got.p[0] != (error ? 'E' : 'N') || !contains(got, w[1]) ||
		    (n > 2 && !contains(got, w[2])))
			fail(p, "want another error or notice", head);
	} else if (!wire_message(&want, w, n)) {
		fail(p, "unknown message in the script", NULL);
	} else if (want.n > total && want.n <= out->n) { /* several in one word */
		total = want.n;
		if (memcmp(want.p, out->p, total) != 0)
			fail(p, "another message came out", head);
	} else if (!slice_eq(buf_slice(&want), got)) {
		fail(p, "another message came out", head);
	}
	buf_fini(&want);
	buf_shift(out, total);
}

static void
decide(struct play *p, bool approve, struct slice by)
{
	struct slice group = SLICE_LIT("dba-oncall");
	struct approval_decider who = {.name = by, .kind = PRINCIPAL_HUMAN, .groups = &group,
				       .n_groups = 1, .reason = SLICE_LIT("looks right")};
	const uint8_t *at = memmem(p->out[CLIENT].p, p->out[CLIENT].n, "approval ", 9);
	char id[APPROVAL_ID_LEN + 1] = {0};

	if (!at) {
		fail(p, "no notice with an approval's id", NULL);
		return;
	}
	memcpy(id, at + 9, APPROVAL_ID_LEN);
	if (approvals_decide(p->approvals, id, approve, &who, p->now) != APPROVAL_ERR_NONE)
		fail(p, "the decision was refused", NULL);
	session_kick(p->session);
}

static int
no_record(void *ctx UNUSED, const struct approval_event *ev UNUSED)
{
	return 0;
}

/* server-begins N MESSAGE: its first N bytes come; server-ends: the others. */
static void
half(struct play *p, struct slice *w, size_t n, size_t i)
{
	struct buf b = {0};
	size_t first;

	if (slice_is(w[0], "server-ends")) {
		deliver(p, SERVER, buf_slice(&p->rest), i);
		buf_reset(&p->rest);
		return;
	}
	first = strtoul((const char *) w[1].p, NULL, 10);
	if (!wire_message(&b, w + 2, n - 2) || b.n <= first) {
		fail(p, "no message, or it has no second half", NULL);
	} else {
		buf_put(&p->rest, b.p + first, b.n - first);
		deliver(p, SERVER, slice_of(b.p, first), i);
	}
	buf_fini(&b);
}

/* Words about server connections that sessions share. False: none of them. */
static bool
pool_command(struct play *p, struct slice *w)
{
	struct session *s = p->session;
	uint32_t number = w[1].n ? (uint32_t) (w[1].p[0] - '0') : 0;

	if (slice_is(w[0], "next-server")) {
		p->next_server = number;
	} else if (slice_is(w[0], "has-server")) {
		if ((s->backend ? s->backend->pid : 0) != number)
			fail(p, "another server connection is in hand", NULL);
	} else if (slice_is(w[0], "lend")) {
		p->borrowed[number - 1] = true;
		session_lent(s, &p->servers[number - 1]);
	} else if (slice_is(w[0], "unlent")) {
		session_unlent(s, "for the test", (struct slice){0});
	} else if (slice_is(w[0], "left")) {
		if (p->left != (char) w[1].p[0])
			fail(p, "the server connection came back otherwise", NULL);
	} else if (slice_is(w[0], "reports")) {
		settings_set(&p->servers[number - 1].reported, w[2], w[3]);
	} else if (slice_is(w[0], "told")) {
		settings_set(&s->pool.settings, w[1], w[2]);
	} else {
		return false;
	}
	return true;
}

static bool
catalog_command(struct play *p, struct slice *w)
{
	if (!slice_is(w[0], "catalog"))
		return false;
	p->manual_catalog = true;
	if (slice_is(w[1], "manual"))
		return true;
	if (p->wants_catalog == 0)
		fail(p, "nobody wants the catalog", NULL);
	read_catalog(p, slice_is(w[1], "read"));
	session_kick(p->session);
	return true;
}

static void
command(struct play *p, struct slice *w, size_t n, size_t i)
{
	struct buf b = {0};

	if (pool_command(p, w) || catalog_command(p, w))
		return;
	if (slice_is(w[0], "server-begins") || slice_is(w[0], "server-ends")) {
		half(p, w, n, i);
	} else if (slice_is(w[0], "client") || slice_is(w[0], "server")) {
		enum pg_side from = slice_is(w[0], "client") ? CLIENT : SERVER;

		if (!wire_message(&b, w + 1, n - 1))
			fail(p, "unknown message in the script", NULL);
		else if (p->cut == CUT_JOIN && p->next_from == (int) from)
			buf_put_slice(&p->joined, buf_slice(&b));
		else {
			buf_put_slice(&p->joined, buf_slice(&b));
			deliver(p, from, buf_slice(&p->joined), i);
			buf_reset(&p->joined);
		}
		buf_fini(&b);
	} else if (slice_is(w[0], "to-client") || slice_is(w[0], "to-server")) {
		expect(p, slice_is(w[0], "to-client") ? CLIENT : SERVER, w + 1, n - 1);
	} else if (slice_is(w[0], "audit")) {
		p->manual_audit = slice_is(w[1], "manual");
	} else if (slice_is(w[0], "durable")) {
		p->durable = p->tickets;
		p->spent -= clock_mono_ns();
		session_durable(p->session);
		p->spent += clock_mono_ns();
	} else if (slice_is(w[0], "wants-durable")) {
		if (p->wanted != p->tickets)
			fail(p, "nobody waits for the last record", NULL);
	} else if (slice_is(w[0], "nothing")) {
		if (p->out[CLIENT].n || p->out[SERVER].n)
			fail(p, "something came out", NULL);
	} else if (slice_is(w[0], "closed")) {
		if (!p->closed)
			fail(p, "the session is not closed", NULL);
	} else if (slice_is(w[0], "dialled") || slice_is(w[0], "undialled")) {
		if (p->dialled != slice_is(w[0], "dialled"))
			fail(p, "the server was dialled, or not, otherwise", NULL);
	} else if (slice_is(w[0], "server-eof")) {
		session_eof(p->session, SERVER);
	} else if (slice_is(w[0], "cancelled")) {
		if (p->cancels == 0)
			fail(p, "nothing was cancelled", NULL);
	} else if (slice_is(w[0], "uncancelled")) {
		if (p->cancels != 0)
			fail(p, "something was cancelled", NULL);
	} else if (slice_is(w[0], "cancel-done")) {
		session_cancel_done(p->session, true);
	} else if (slice_is(w[0], "after")) {
		p->now += strtoull((const char *) w[1].p, NULL, 10) * NS_PER_MS;
		if (p->timer_at && p->now >= p->timer_at)
			session_tick(p->session);
	} else if (slice_is(w[0], "cancel")) {
		session_cancel(p->session,
			       slice_of(p->session->cancel_key, p->session->cancel_key_len));
	} else if (slice_is(w[0], "drain")) {
		session_drain(p->session);
	} else if (slice_is(w[0], "eof")) {
		session_eof(p->session, CLIENT);
	} else if (slice_is(w[0], "approve") || slice_is(w[0], "reject")) {
		decide(p, slice_is(w[0], "approve"), w[1]);
	} else {
		fail(p, "unknown word in the script", NULL);
	}
}

/* A session that has logged in, as the worker would have it. */
static void
set_out(struct stage *st, struct play *p)
{
	struct approvals_hooks hooks = {.record = no_record};
	struct session_client client = {.loopback = true};
	struct gate_client gc = {0};

	p->now = UINT64_C(1795514523) * NS_PER_S;
	p->approvals = approvals_open(&hooks, NULL);
	p->env = (struct session_env){.gate = gate_open(1 << 20, 1, NULL),
				      .approvals = p->approvals,
				      .notice_ms = 15000,
				      .login_ms = 10000,
				      .max_message = 1 << 20};
	arena_init(&p->env.arena, 0);
	/* Every run begins with full budgets. */
	limits_detach(st->epoch);
	limits_attach(st->epoch, NULL);
	gate_set_epoch(p->env.gate, epoch_ref(st->epoch));
	p->catalog = st->catalog;
	gate_set_catalog(p->env.gate, 0, catalog_ref_get(st->catalog), NULL,
			 (struct catalog_age){0});
	p->session = session_new(&p->env, &host, p, &client, 1);
	p->session->gate =
		gate_session_open(p->env.gate, slice_str(st->epoch->config.principals[0].name),
				  SLICE_LIT("orders"), &gc);
	p->session->phase = SESSION_READY;
	p->session->id.b[0] = 1;
	p->session->pool.mode = st->pool;
	if (st->door) {
		p->session->phase = SESSION_AUTH;
		p->session->id = (struct audit_id){{0}};
		p->session->login = calloc(1, sizeof(struct login));
		assert(p->session->login != NULL);
		door_open(p->session);
		return;
	}
	for (uint32_t k = 0; k < COUNT_OF(p->servers); k++)
		p->servers[k] = (struct backend){.pid = k + 1, .key_len = 4};
	if (st->pool == POOL_NONE) {
		p->session->backend = calloc(1, sizeof(struct backend));
		assert(p->session->backend != NULL);
		p->session->backend->pid = 7;
		p->session->backend->key_len = 4;
	}
}

static void
run(struct stage *st, struct play *p)
{
	size_t begin = 0, i;

	set_out(st, p);
	while (begin < st->n && strcmp(st->lines[begin], "play") != 0)
		begin++;
	for (i = begin + 1; i < st->n && !p->failed; i++) {
		struct slice w[WORDS + 8] = {{0}};
		char *line = strdup(st->lines[i]);
		size_t n = wire_split(line, w);

		p->line = st->numbers[i];
		p->next_from = i + 1 == st->n				       ? -1
			       : strncmp(st->lines[i + 1], "client ", 7) == 0 ? (int) CLIENT
			       : strncmp(st->lines[i + 1], "server ", 7) == 0 ? (int) SERVER
									      : -1;
		if (n)
			command(p, w, n, i);
		free(line);
		if (i + 1 == st->n && p->repeat && --p->repeat)
			i = begin;
	}
	if (!p->failed && (p->out[CLIENT].n || p->out[SERVER].n)) {
		char head[100];

		snprintf(head, sizeof(head), "%zu bytes to the client, %zu to the server",
			 p->out[CLIENT].n, p->out[SERVER].n);
		fail(p, "more came out than the script says", head);
	}
	/* As the worker does it: what is lent comes back before the session is freed. */
	session_close(p->session, "the script is over");
	session_free(p->session);
	for (size_t k = 0; k < COUNT_OF(p->servers); k++)
		backend_fini(&p->servers[k]);
	gate_close(p->env.gate);
	approvals_close(p->approvals);
	session_env_fini(&p->env);
	buf_fini(&p->joined);
	buf_fini(&p->rest);
	buf_fini(&p->out[CLIENT]);
	buf_fini(&p->out[SERVER]);
}

static bool
play_once(struct stage *st, const char *file, int cut, size_t line, size_t offset, bool *used)
{
	struct play p = {.file = file, .cut = cut, .cut_line = line, .cut_offset = offset};

	run(st, &p);
	if (used)
		*used = p.cut_used;
	return !p.failed;
}

static bool
play_often(struct stage *st, const char *file, size_t n)
{
	struct play p = {.file = file, .cut = CUT_JOIN, .repeat = n};

	run(st, &p);
	printf("# %s: %.0f ns each, %zu times\n", file, (double)p.spent / (double)n, n);
	return !p.failed;
}

static bool
read_script(struct stage *st, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[4096];
	int number = 0;

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f) && st->n < LINES) {
		line[strcspn(line, "\n")] = 0;
		number++;
		st->numbers[st->n] = number;
		st->lines[st->n++] = strdup(line);
	}
	fclose(f);
	return true;
}

static bool
test(const char *path, size_t repeat, size_t *runs)
{
	struct stage st = {0};
	bool ok = read_script(&st, path) && wire_set_stage(&st, path), used;

	if (repeat)
		return ok && play_often(&st, path, repeat);
	ok = ok && play_once(&st, path, CUT_NONE, 0, 0, NULL) &&
	     play_once(&st, path, CUT_BYTES, 0, 0, NULL) &&
	     play_once(&st, path, CUT_JOIN, 0, 0, NULL);
	for (size_t i = 0; ok && i < st.n; i++) {
		used = strncmp(st.lines[i], "client ", 7) == 0 || strncmp(st.lines[i], "server ", 7) == 0;
		for (size_t k = 1; ok && used; k++) {
			ok = play_once(&st, path, CUT_AT, i, k, &used);
			++*runs;
		}
	}
	epoch_unref(st.epoch);
	catalog_ref_put(st.catalog);
	for (size_t i = 0; i < st.n; i++)
		free(st.lines[i]);
	return ok;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_script(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && strcmp(d->d_name + n - 5, ".wire") == 0;
}

int
main(int argc, char **argv)
{
	static const char folder[] = "tests/wire/pg";
	struct dirent **d;
	int n = scandir(folder, &d, is_script, by_name), failed = 0, done = 0;
	bool often = argc > 3 && strcmp(argv[1], "--repeat") == 0;
	size_t repeat = often ? strtoul(argv[2], NULL, 10) : 0;
	const char *only = argc > 1 ? argv[often ? 3 : 1] : NULL;

	sql_shape_init();
	log_min_level = LOG_ERROR + 1;
	if (n <= 0) {
		printf("1..1\nnot ok 1 - no scripts in %s\n", folder);
		return 1;
	}
	printf("1..%d\n", only ? 1 : n);
	for (int i = 0; i < n; i++) {
		char path[400];
		size_t runs = 3;
		bool ok;

		snprintf(path, sizeof(path), "%s/%s", folder, d[i]->d_name);
		if (!only || strstr(path, only)) {
			ok = test(path, repeat, &runs);
			printf("%sok %d - %s in %zu ways\n", ok ? "" : "not ", ++done, d[i]->d_name, runs);
			failed += !ok;
		}
		free(d[i]);
	}
	free(d);
	return failed != 0;
}
