/* SPDX-License-Identifier: MIT
 *
 * Pruning: what goes, what is left, what a process that is killed at each step leaves behind, and
 * that the verifier can tell all of these from somebody who removes what he likes.
 */
#include "tests/unit/test.h"

#include "audit/folder.h"
#include "audit/heads.h"
#include "audit/log.h"
#include "audit/prune.h"
#include "audit/pruned.h"
#include "audit/verify.h"
#include "base/clock.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY (24 * 3600 * NS_PER_S)

enum { RUNS = 5, RECORDS = 300 };

static char folder[64];
/* Time of the first run; day by day from there. */
static uint64_t start_ns;
/* Of a session that begins in the first run and ends in the last. */
static struct audit_id session, intent;

static int
remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *f UNUSED)
{
	return remove(path);
}

static void
fresh_folder(void)
{
	if (*folder)
		nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	snprintf(folder, sizeof(folder), "/tmp/weir-prune-test.XXXXXX");
	if (!mkdtemp(folder))
		abort();
}

static void
add(struct alog *l, struct audit_record *r)
{
	struct buf leaf = {0};

	if (!audit_encode(&leaf, r) || !alog_has_room(l, leaf.n))
		abort();
	alog_add(l, buf_slice(&leaf));
	buf_fini(&leaf);
}

static void
add_session(struct alog *l, unsigned run, uint64_t ns)
{
	struct audit_session_start begin = {.reason = SLICE_LIT("login")};
	struct audit_decision allow = {.verdict = AUDIT_verdict_ALLOW};
	struct audit_command command = {.decision = &allow, .statement = SLICE_LIT("select 1")};
	struct audit_result result = {.status = AUDIT_status_OK};
	struct audit_record r;

	if (run == 0) {
		session = audit_id_new(ns);
		audit_record_init(&r, AUDIT_session_start, ns, 0);
		r.session = session;
		r.sseq = 1;
		r.body = &begin;
		add(l, &r);
		audit_record_init(&r, AUDIT_command, ns, 0);
		r.session = session;
		r.sseq = 2;
		r.body = &command;
		intent = r.id;
		add(l, &r);
	} else if (run == RUNS - 1) {
		audit_record_init(&r, AUDIT_result, ns, 0);
		r.session = session;
		r.sseq = 3;
		r.refs = (struct audit_ids){&intent, 1};
		r.body = &result;
		add(l, &r);
	}
}

/* One segment, with a head for every third of its records. */
static void
one_run(unsigned run)
{
	struct alog_options o = {.state_path = folder, .segment_bytes = ALOG_SEGMENT_MIN};
	struct alog_recovery recovery;
	struct buf error = {0};
	struct alog l;

	if (alog_open(&l, &o, &recovery, &error) != 0)
		abort();
	for (unsigned i = 0; i < 3; i++) {
		uint64_t ns = start_ns + run * DAY + i * NS_PER_S;

		if (alog_begin(&l) != 0)
			abort();
		if (i == 0)
			add_session(&l, run, ns);
		for (unsigned k = 0; k < RECORDS / 3; k++) {
			struct audit_alert body = {.text = SLICE_LIT("look here"), .count = k + 1};
			struct audit_record r;

			audit_record_init(&r, AUDIT_alert, ns, 0);
			r.body = &body;
			add(&l, &r);
		}
		if (alog_commit(&l) != 0 || alog_checkpoint(&l, ns, false) != 0)
			abort();
	}
	free(recovery.unknown);
	if (alog_close(&l) != 0)
		abort();
	buf_fini(&error);
}

static void
build(void)
{
	fresh_folder();
	start_ns = clock_wall_ns() - 100 * DAY;
	for (unsigned i = 0; i < RUNS; i++)
		one_run(i);
}

static int
open_folder(void)
{
	int dir = folder_open(folder);

	if (dir < 0)
		abort();
	return dir;
}

/* The verdict, and whether one of its sentences has these words. */
static int
verdict(const char *words, uint64_t *pruned)
{
	static struct verify_report r;
	struct verify_options o = {0};
	int dir = open_folder(), is;
	bool said = !words;

	if (audit_verify(&r, dir, &o) != 0)
		abort();
	for (size_t i = 0; i < r.n_problems; i++)
		said |= words && strstr(r.problems[i].text, words);
	for (size_t i = 0; !said && i < r.n_problems; i++)
		printf("# %s\n", r.problems[i].text);
	CHECK(said);
	is = r.verdict;
	if (pruned)
		*pruned = r.pruned;
	verify_report_fini(&r);
	close(dir);
	return is;
}

static struct audit *
open_log(void)
{
	struct audit_options o = {.state_path = folder, .lanes = 1, .reserve_bytes = 1,
				  .segment_bytes = ALOG_SEGMENT_MIN};
	struct buf error = {0};
	struct audit *a = NULL;

	if (audit_open(&a, &o, &error) != 0)
		printf("# %.*s\n", SLICE_ARG(buf_slice(&error)));
	buf_fini(&error);
	return a;
}

/* Removes what is older than the day of `run`. */
static struct prune_request
request(unsigned run)
{
	return (struct prune_request){.cutoff_ns = start_ns + run * DAY, .by = "ana",
				      .policy = "older than 97d"};
}

static void
prune(unsigned run, uint64_t segments)
{
	struct prune_request q = request(run);
	struct prune_report r;
	struct buf error = {0};
	struct audit *a = open_log();

	REQUIRE(a != NULL);
	CHECK_INT(audit_prune(a, 0, &q, &r, &error), 0);
	CHECK_INT(error.n, 0);
	CHECK_INT(r.segments, segments);
	audit_close(a);
	buf_fini(&error);
}

static size_t
count_segments(bool remains)
{
	char strange[256] = "";
	uint64_t *v;
	size_t n;
	int dir = open_folder();

	if ((remains ? folder_pruned(dir, &v, &n) : folder_segments(dir, &v, &n, strange)) != 0)
		abort();
	free(v);
	close(dir);
	return n;
}

static void
a_range_of_leaves_joins_the_tree(void)
{
	enum { N = 70 };
	uint8_t leaves[N][SHA256_LEN], roots[N + 1][SHA256_LEN], root[SHA256_LEN];
	struct merkle whole = {0};

	merkle_root(roots[0], &whole);
	for (unsigned i = 0; i < N; i++) {
		merkle_leaf(leaves[i], slice_of(&i, sizeof(i)));
		merkle_append(&whole, leaves[i]);
		merkle_root(roots[i + 1], &whole);
	}
	for (unsigned from = 0; from <= N; from++)
		for (unsigned to = from; to <= N; to++) {
			struct merkle t = {0};
			struct merkle_range r = {.first = from, .size = from};

			for (unsigned i = 0; i < from; i++)
				merkle_append(&t, leaves[i]);
			for (unsigned i = from; i < to; i++)
				merkle_range_append(&r, leaves[i]);
			for (unsigned i = 0; i < r.n; i++)
				REQUIRE(merkle_append_subtree(&t, r.nodes[i].level,
							      r.nodes[i].root));
			merkle_root(root, &t);
			REQUIRE(t.size == to && memcmp(root, roots[to], SHA256_LEN) == 0);
			REQUIRE(r.n <= 2 * 7); /* as few as there are bits in 70, twice */
		}
	/* A subtree begins only at a multiple of its size. */
	whole.size = 6;
	CHECK(!merkle_append_subtree(&whole, 2, root));
	CHECK(!merkle_append_subtree(&whole, 64, root));
	whole.size = UINT64_MAX - 1;
	CHECK(!merkle_append_subtree(&whole, 1, root));
}

/* Sizes that are chosen so have the root that the tree had then. */
static void
a_round_size_has_its_root(void)
{
	enum { N = 300 };
	uint8_t roots[N + 1][SHA256_LEN], root[SHA256_LEN], leaf[SHA256_LEN];
	struct merkle t = {0};

	for (unsigned i = 0; i < N; i++) {
		merkle_leaf(leaf, slice_of(&i, sizeof(i)));
		merkle_append(&t, leaf);
		merkle_root(roots[i + 1], &t);
		for (uint64_t after = 0; after < t.size; after++) {
			uint64_t size = merkle_roundest(after, t.size);

			REQUIRE(size > after && size <= t.size);
			for (uint64_t s = after + 1; s <= t.size; s++)
				REQUIRE((s & -s) <= (size & -size));
			merkle_roundest_root(root, &t, after);
			REQUIRE(memcmp(root, roots[size], SHA256_LEN) == 0);
		}
	}
}

static void
old_segments_go_and_the_heads_still_hold(void)
{
	uint64_t pruned;

	build();
	CHECK_INT(verdict(NULL, NULL), VERIFY_INTACT);
	prune(0, 0);
	CHECK_INT(verdict(NULL, &pruned), VERIFY_INTACT);
	CHECK_INT(pruned, 0);
	prune(2, 2);
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
	CHECK_INT(pruned, 2 * RECORDS + 2);
	CHECK_INT(verdict("by ana (older than 97d)", NULL), VERIFY_INCOMPLETE);
	CHECK_INT(count_segments(true), 2);
	/* Again, on top of it. */
	prune(3, 1);
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
	CHECK_INT(pruned, 3 * RECORDS + 2);
	/* All but the active one, with the records that say so. */
	prune(200, count_segments(false));
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
	prune(200, 1);
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
}

/* The sizes that heads sign. */
static size_t
heads(uint64_t v[64], char texts[64][512])
{
	struct heads h;
	struct note n;
	size_t got = 0;
	int dir = open_folder();

	if (heads_open(&h, dir) != 0)
		abort();
	while (heads_next(&h, &n) == 1) {
		struct note_checkpoint c;

		if (got == 64 || !note_checkpoint_get(&c, n.text))
			abort();
		v[got] = c.size;
		snprintf(texts[got++], 512, "%.*s\n%.*s", SLICE_ARG(n.text), SLICE_ARG(n.signatures));
	}
	heads_close(&h);
	close(dir);
	return got;
}

/* One for each segment that is gone; and a copy of another, kept elsewhere, still is one of the
 * log. */
static void
heads_of_what_is_gone_are_thinned(void)
{
	static char texts[64][512], later[64][512];
	static struct verify_report r;
	uint64_t was[64], is[64];
	size_t n_was, n_is, live = 0;

	build();
	n_was = heads(was, texts);
	prune(2, 2);
	n_is = heads(is, later);
	while (was[live] <= 2 * RECORDS + 2)
		live++;
	CHECK(live > 4);
	/* The prune itself is signed. */
	REQUIRE(n_is > n_was - live + 2);
	CHECK(is[0] > RECORDS - 3 && is[0] <= RECORDS + 2);
	CHECK(is[1] > is[0] && is[1] <= 2 * RECORDS + 2);
	for (size_t i = live; i < n_was; i++)
		CHECK(strcmp(texts[i], later[i - live + 2]) == 0);
	for (size_t i = 0; i < n_was; i++) {
		struct verify_options o = {.head = slice_str(texts[i])};
		int dir = open_folder();

		CHECK_INT(audit_verify(&r, dir, &o), 0);
		CHECK_INT(r.verdict, VERIFY_INCOMPLETE);
		for (size_t k = 0; k < r.n_problems; k++)
			CHECK(!strstr(r.problems[k].text, "--head"));
		verify_report_fini(&r);
		close(dir);
	}
}

/* A second of a log with a thousand records in each, more or less. */
static void
busy_second(struct alog *l, unsigned second, bool round)
{
	unsigned n = 900 + second * 7919 % 200;
	uint64_t ns = start_ns + second * NS_PER_S, least = l->tree.size;

	for (unsigned i = 0; i < n; i++) {
		struct audit_alert body = {.text = SLICE_LIT("look here"), .count = i + 1};
		struct audit_record r;

		if (i % 1000 == 0 && alog_begin(l) != 0)
			abort();
		audit_record_init(&r, AUDIT_alert, ns, 0);
		r.body = &body;
		add(l, &r);
		if ((i % 1000 == 999 || i == n - 1) && alog_commit(l) != 0)
			abort();
	}
	if ((round ? alog_checkpoint_round(l, least, ns) : alog_checkpoint(l, ns, false)) != 0)
		abort();
}

enum { SECONDS = 120 };

/* The bytes that are left of it. */
static size_t
left_of_busy(bool round)
{
	struct alog_options o = {.state_path = folder};
	struct alog_recovery recovery;
	struct buf error = {0}, file = {0};
	struct alog l;
	char name[32];
	size_t left;
	int dir;

	fresh_folder();
	start_ns = clock_wall_ns() - 100 * DAY;
	if (alog_open(&l, &o, &recovery, &error) != 0)
		abort();
	for (unsigned i = 0; i < SECONDS; i++)
		busy_second(&l, i, round);
	free(recovery.unknown);
	if (alog_close(&l) != 0)
		abort();
	CHECK_INT(verdict(NULL, NULL), VERIFY_INTACT);
	prune(1, 1);
	CHECK_INT(verdict("were pruned on", NULL), VERIFY_INCOMPLETE);
	dir = open_folder();
	folder_pruned_name(name, 0);
	CHECK_INT(folder_read(&file, dir, name, PRUNED_FILE_MAX), 0);
	close(dir);
	left = file.n;
	printf("# %zu bytes are left, %zu a head\n", left, left / SECONDS);
	buf_fini(&file);
	buf_fini(&error);
	return left;
}

static void
a_busy_log_leaves_little(void)
{
	size_t exact = left_of_busy(false), rounded = left_of_busy(true);

	CHECK(rounded && rounded < exact / 8);
}

static void
a_plan_changes_nothing(void)
{
	struct prune_request q = request(3);
	struct prune_report r;
	struct buf error = {0};
	int dir;

	build();
	dir = open_folder();
	q.dry_run = true;
	CHECK_INT(prune_plan(dir, false, &q, &r, &error), 0);
	CHECK_INT(r.segments, 3);
	CHECK_INT(r.records, 3 * RECORDS + 2);
	CHECK_INT(r.oldest_ns, start_ns);
	CHECK_INT(r.newest_ns, start_ns + 2 * DAY + 2 * NS_PER_S);
	CHECK_INT(r.kept_ns, start_ns + 3 * DAY + 2 * NS_PER_S);
	CHECK_INT(count_segments(false), RUNS);
	CHECK_INT(count_segments(true), 0);
	close(dir);
	CHECK_INT(verdict(NULL, NULL), VERIFY_INTACT);
	buf_fini(&error);
}

struct killer {
	int left, recorded;
};

static void
die(void *arg)
{
	struct killer *k = arg;

	if (k->left-- == 0)
		_exit(9);
}

/* Killed before the n-th step. True: it came to the end. */
static bool
prune_until(int n)
{
	struct killer k = {.left = n};
	struct prune_request q = request(3);
	struct prune_report r;
	struct buf error = {0};
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct audit *a = open_log();

		q.step = die;
		q.step_arg = &k;
		_exit(!a || audit_prune(a, 0, &q, &r, &error) != 0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		abort();
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return WEXITSTATUS(status) == 0;
}

/* What the next start makes of it: all or nothing. */
static void
recovers(bool recorded)
{
	uint64_t pruned = 1;
	struct audit *a = open_log();

	REQUIRE(a != NULL);
	audit_close(a);
	CHECK_INT(verdict(recorded ? "were pruned on" : NULL, &pruned),
		  recorded ? VERIFY_INCOMPLETE : VERIFY_INTACT);
	CHECK_INT(pruned, recorded ? 3 * RECORDS + 2 : 0);
	CHECK_INT(count_segments(true), recorded ? 3 : 0);
	prune(3, recorded ? 0 : 3);
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
	CHECK_INT(pruned, 3 * RECORDS + 2);
}

/* Steps: three files, the record, durable, signed; then the heads are thinned. */
enum { RECORDED = 5, THINNED = 6, STEPS };

static void
killed_at_each_step_it_is_all_or_nothing(void)
{
	for (int n = 0; n < THINNED; n++) {
		build();
		CHECK(!prune_until(n));
		/* The log was not closed; otherwise nothing is wrong with it. The record that is
		 * durable may or may not have been signed meanwhile. */
		CHECK_INT(verdict(n == RECORDED ? "not removed yet"
				  : n && n != RECORDED - 1 ? "given up" : NULL, NULL),
			  VERIFY_INTACT);
		recovers(n >= RECORDED - 1);
	}
	for (int n = THINNED; n <= STEPS; n++) {
		build();
		CHECK_INT(prune_until(n), n == STEPS);
		CHECK_INT(verdict("were pruned on", NULL), VERIFY_INCOMPLETE);
		recovers(true);
	}
}

static void
remove_file(bool remains, size_t i)
{
	char name[32], strange[256] = "";
	uint64_t *v;
	size_t n;
	int dir = open_folder();

	if ((remains ? folder_pruned(dir, &v, &n) : folder_segments(dir, &v, &n, strange)) != 0 ||
	    i >= n)
		abort();
	(remains ? folder_pruned_name : folder_segment_name)(name, v[i]);
	if (unlinkat(dir, name, 0) != 0)
		abort();
	free(v);
	close(dir);
}

static void
killed_between_two_removals_the_rest_goes_too(void)
{
	for (size_t n = 1; n <= 3; n++) {
		build();
		CHECK(!prune_until(RECORDED));
		for (size_t i = 0; i < n; i++)
			remove_file(false, 0);
		CHECK_INT(verdict(n < 3 ? "not removed yet" : "were pruned on", NULL),
			  VERIFY_INCOMPLETE);
		recovers(true);
	}
}

/* The nodes of the first file, two of which are joined: the tree is the same, but a head was signed
 * for the size between them. */
static size_t
join_two(uint8_t *v, size_t n)
{
	uint64_t size = 0;

	for (size_t i = 0; i + 1 < n; i++) {
		uint8_t *a = v + i * PRUNED_NODE_LEN, *b = a + PRUNED_NODE_LEN;
		struct slice parts[3] = {SLICE_LIT("\1"), slice_of(a + 1, SHA256_LEN),
					 slice_of(b + 1, SHA256_LEN)};

		if (a[0] == b[0] && size % (UINT64_C(2) << a[0]) == 0) {
			sha256v(a + 1, parts, 3);
			a[0]++;
			memmove(b, b + PRUNED_NODE_LEN, (n - i - 2) * PRUNED_NODE_LEN);
			return n - 1;
		}
		size += UINT64_C(1) << a[0];
	}
	return n;
}

static bool
any_size(void *arg UNUSED, const struct merkle *tree UNUSED)
{
	return true;
}

static void
fewer_hashes_that_hide_a_head_are_found(void)
{
	static uint8_t nodes[PRUNED_NODES_MAX * PRUNED_NODE_LEN];
	struct buf file = {0}, out = {0};
	struct segment_header h;
	struct merkle was, is;
	struct pruned p;
	struct frame f;
	char name[32];
	size_t n, at;
	int dir;

	build();
	CHECK(!prune_until(THINNED)); /* with all heads */
	dir = open_folder();
	folder_pruned_name(name, 0);
	REQUIRE(folder_read(&file, dir, name, PRUNED_FILE_MAX) == 0);
	REQUIRE(segment_header_unpack(&h, buf_slice(&file), &at) == NULL);
	REQUIRE(pruned_read(&p, &was, buf_slice(&file), any_size, NULL) == NULL);
	for (int i = 0; i < 2; i++, at += f.size)
		REQUIRE(frame_get(&f, slice_of(file.p + at, file.n - at), segment_seed(&h)) ==
			FRAME_OK);
	REQUIRE(f.kind == FRAME_NODES);
	n = f.payload.n / PRUNED_NODE_LEN;
	memcpy(nodes, f.payload.p, f.payload.n);
	CHECK_INT(join_two(nodes, n), n - 1);
	pruned_begin(&out, &h, &p);
	pruned_nodes(&out, &h, 0, slice_of(nodes, (n - 1) * PRUNED_NODE_LEN));
	pruned_end(&out, &h, &was);
	REQUIRE(pruned_read(&p, &is, buf_slice(&out), any_size, NULL) == NULL);
	CHECK(memcmp(&was, &is, sizeof(was)) == 0);
	CHECK_INT(folder_replace(dir, name, 0600, buf_slice(&out)), 0);
	close(dir);
	CHECK_INT(verdict("do not lead to it", NULL), VERIFY_TAMPERED);
	buf_fini(&file);
	buf_fini(&out);
}

static void
what_no_record_says_is_tampering(void)
{
	/* Segments, without anything that is left of them. */
	build();
	remove_file(false, 0);
	CHECK_INT(verdict("no record says", NULL), VERIFY_TAMPERED);
	/* With what a prune prepared, but no record. */
	build();
	CHECK(!prune_until(3));
	remove_file(false, 0);
	CHECK_INT(verdict("no signed record says that they were pruned", NULL), VERIFY_TAMPERED);
	/* More than the record says. */
	build();
	prune(2, 2);
	remove_file(false, 0);
	CHECK_INT(verdict("records before it are missing", NULL), VERIFY_TAMPERED);
	/* What is left of a segment. */
	for (size_t i = 0; i < 2; i++) {
		build();
		prune(2, 2);
		remove_file(true, i);
		CHECK_INT(verdict(NULL, NULL), VERIFY_TAMPERED);
	}
	/* The gateway does not end what somebody else began. */
	build();
	CHECK(!prune_until(RECORDED));
	remove_file(true, 1);
	CHECK_INT(verdict("is not what record", NULL), VERIFY_TAMPERED);
	CHECK(open_log() == NULL);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum hold_error
hold(const char *by, bool release, uint64_t from_ns, uint64_t to_ns)
{
	struct hold_request q = {.name = SLICE_LIT("case-17"), .reason = SLICE_LIT("a lawyer asked"),
				 .by = slice_str(by), .from_ns = from_ns, .to_ns = to_ns};
	struct buf error = {0};
	struct audit *a = open_log();
	enum hold_error e = release ? audit_hold_release(a, 0, &q, &error)
				    : audit_hold_set(a, 0, &q, &error);

	audit_close(a);
	buf_fini(&error);
	return e;
}

static void
a_hold_keeps_its_time_and_all_after_it(void)
{
	uint64_t pruned;

	build();
	CHECK_INT(hold("ana", false, start_ns + DAY, start_ns + 2 * DAY), HOLD_OK);
	CHECK_INT(hold("bo", false, 0, 0), HOLD_EXISTS);
	CHECK_INT(verdict("the hold \"case-17\" is in force, which ana set", NULL), VERIFY_INTACT);
	/* Nothing is due yet but what is before it. */
	prune(1, 1);
	CHECK_INT(verdict("is in force, which ana set", &pruned), VERIFY_INCOMPLETE);
	CHECK_INT(pruned, RECORDS + 2);
	prune(4, 0);
	CHECK_INT(verdict("are kept by the hold \"case-17\", which ana set", &pruned),
		  VERIFY_INCOMPLETE);
	CHECK_INT(pruned, RECORDS + 2);
	CHECK_INT(hold("ana", true, 0, 0), HOLD_SELF);
	CHECK_INT(hold("bo", true, 0, 0), HOLD_OK);
	CHECK_INT(hold("bo", true, 0, 0), HOLD_NONE);
	prune(4, 3);
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
	CHECK_INT(pruned, 4 * RECORDS + 2);
	/* The records of the hold as well. */
	prune(200, count_segments(false));
	CHECK_INT(verdict("were pruned on", &pruned), VERIFY_INCOMPLETE);
}

/* Without a span of its own it still keeps the record that set it. */
static void
a_hold_keeps_the_record_of_itself(void)
{
	build();
	CHECK_INT(hold("ana", false, start_ns + 200 * DAY, 0), HOLD_OK);
	prune(200, RUNS);
	CHECK_INT(verdict("are kept by the hold", NULL), VERIFY_INCOMPLETE);
	CHECK_INT(verdict("were pruned on", NULL), VERIFY_INCOMPLETE);
}

static void
held_is_an_answer_without_anything_pruned(void)
{
	build();
	CHECK_INT(hold("ana", false, 0, 0), HOLD_OK);
	prune(3, 0);
	CHECK_INT(verdict("are kept by the hold", NULL), VERIFY_INCOMPLETE);
}

static void
a_hold_that_somebody_takes_away_is_missed(void)
{
	struct prune_request q = request(3);
	struct prune_report r;
	struct buf error = {0};
	struct audit *a;
	int dir;

	build();
	CHECK_INT(hold("ana", false, 0, 0), HOLD_OK);
	dir = open_folder();
	CHECK_INT(folder_replace(dir, "holds", 0600, SLICE_LIT("\3\0\0\0abc")), 0);
	CHECK_INT(verdict("nothing is pruned before that is mended", NULL), VERIFY_TAMPERED);
	a = open_log();
	REQUIRE(a != NULL);
	CHECK_INT(audit_prune(a, 0, &q, &r, &error), -1);
	CHECK_INT(r.segments, 0);
	audit_close(a);
	CHECK_INT(unlinkat(dir, "holds", 0), 0);
	CHECK_INT(verdict("but the file `holds` does not have it", NULL), VERIFY_TAMPERED);
	prune(3, 3);
	CHECK_INT(verdict("records were pruned that a hold keeps", NULL), VERIFY_TAMPERED);
	close(dir);
	buf_fini(&error);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(TEST(a_range_of_leaves_joins_the_tree),
	  TEST(a_round_size_has_its_root),
	  TEST(old_segments_go_and_the_heads_still_hold),
	  TEST(heads_of_what_is_gone_are_thinned),
	  TEST(a_busy_log_leaves_little),
	  TEST(a_plan_changes_nothing),
	  TEST(killed_at_each_step_it_is_all_or_nothing),
	  TEST(killed_between_two_removals_the_rest_goes_too),
	  TEST(fewer_hashes_that_hide_a_head_are_found),
	  TEST(what_no_record_says_is_tampering),
	  TEST(a_hold_keeps_its_time_and_all_after_it),
	  TEST(a_hold_keeps_the_record_of_itself),
	  TEST(held_is_an_answer_without_anything_pruned),
	  TEST(a_hold_that_somebody_takes_away_is_missed))
