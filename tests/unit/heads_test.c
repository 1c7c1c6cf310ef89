/* SPDX-License-Identifier: MIT
 *
 * The list of signed heads: read piece by piece, its end mended, thinned while others append; and
 * which heads a log that is written gets.
 */
#include "tests/unit/test.h"

#include "audit/audit.h"
#include "audit/folder.h"
#include "audit/heads.h"
#include "audit/log.h"
#include "audit/merkle.h"
#include "audit/verify.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 1500 }; /* more than is read at once */

static char folder[64];
static int dir = -1;
static struct note_key key;
static uint8_t seed[ED25519_SEED_LEN];

static void
fresh_folder(void)
{
	uint8_t pub[ED25519_PUB_LEN];

	snprintf(folder, sizeof(folder), "/tmp/weir-heads-test.XXXXXX");
	if (!mkdtemp(folder) || (dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	ed25519_public(pub, seed);
	note_key_make(&key, "test/audit", pub);
}

static void
gone(void)
{
	unlinkat(dir, "checkpoints.log", 0);
	close(dir);
	CHECK_INT(rmdir(folder), 0); /* nothing is left beside it */
}

static void
append(uint64_t size)
{
	struct note_checkpoint c = {.origin = slice_str(key.name), .size = size};
	struct buf text = {0}, note = {0};

	note_checkpoint_put(&text, &c);
	note_sign(&note, buf_slice(&text), &key, seed);
	buf_putc(&note, '\n');
	if (heads_append(dir, buf_slice(&note)) != 0)
		abort();
	buf_fini(&text);
	buf_fini(&note);
}

/* Appends bytes as they are. */
static void
append_raw(const void *p, size_t n)
{
	if (heads_append(dir, slice_of(p, n)) != 0)
		abort();
}

/* The sizes there are. */
static size_t
sizes(uint64_t *v, size_t max, uint64_t *left)
{
	struct heads h;
	struct note n;
	size_t got = 0;

	if (heads_open(&h, dir) != 0)
		abort();
	while (heads_next(&h, &n) == 1) {
		struct note_checkpoint c;

		CHECK(note_verify(&n, &key, 1) == NOTE_GOOD);
		if (got == max || !note_checkpoint_get(&c, n.text))
			abort();
		v[got++] = c.size;
	}
	*left = heads_left(&h);
	heads_close(&h);
	return got;
}

static void
many_are_read_one_by_one(void)
{
	static uint64_t v[MANY];
	uint64_t left;

	fresh_folder();
	for (unsigned i = 0; i < MANY; i++)
		append(i + 1);
	CHECK_INT(sizes(v, MANY, &left), MANY);
	for (unsigned i = 0; i < MANY; i++)
		REQUIRE(v[i] == i + 1);
	CHECK_INT(left, 0);
	append_raw("torn", 4);
	CHECK_INT(sizes(v, MANY, &left), MANY);
	CHECK_INT(left, 4);
	gone();
}

static void
mended(uint64_t want, bool want_any)
{
	struct note_checkpoint last = {0};
	bool any;

	CHECK_INT(heads_mend(dir, &last, &any), 0);
	CHECK_INT(any, want_any);
	CHECK_INT(last.size, want);
}

static void
what_a_crash_tore_is_cut_off(void)
{
	static uint64_t v[MANY];
	static uint8_t zeros[100 << 10];
	uint64_t left;

	fresh_folder();
	mended(0, false);
	append_raw("torn", 4);
	mended(0, false);
	CHECK_INT(sizes(v, MANY, &left), 0);
	CHECK_INT(left, 0);
	for (unsigned i = 1; i <= MANY; i++) {
		append(i);
		if (i != 3 && i != MANY)
			continue;
		mended(i, true);
		append_raw("test/audit\n5\n", 13);
		mended(i, true);
		append_raw(zeros, 999);
		mended(i, true);
		append_raw(zeros, sizeof(zeros));
		mended(i, true);
		CHECK_INT(sizes(v, MANY, &left), i);
		CHECK_INT(left, 0);
	}
	gone();
}

/* A head each second comes to more than 4 GiB in half a year: not a byte more than is needed is
 * read of it. */
static void
the_end_of_a_huge_one_is_found(void)
{
	const off_t huge = (off_t) 5 << 30;
	struct stat st;
	char path[128];

	fresh_folder();
	append(1);
	snprintf(path, sizeof(path), "%s/checkpoints.log", folder);
	REQUIRE(truncate(path, huge) == 0);
	append_raw("\n", 1);
	append_raw("\n", 1);
	for (unsigned i = 2; i < 9; i++)
		append(i);
	mended(8, true);
	REQUIRE(stat(path, &st) == 0);
	append_raw("torn", 4);
	mended(8, true);
	CHECK(st.st_size > huge);
	CHECK_INT(st.st_size, (stat(path, &st), st.st_size));
	gone();
}

/* The disk is full within a note. */
static void
half_a_note_is_taken_back(void)
{
	static uint8_t note[300];
	uint64_t v[4], left;
	struct rlimit was, full;
	struct stat st;

	fresh_folder();
	append(1);
	REQUIRE(fstatat(dir, "checkpoints.log", &st, 0) == 0 && getrlimit(RLIMIT_FSIZE, &was) == 0);
	full = (struct rlimit){(rlim_t) st.st_size + sizeof(note) / 2, was.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
	CHECK_INT(heads_append(dir, slice_of(note, sizeof(note))), -ENOSPC);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &was) == 0);
	append(2);
	CHECK_INT(sizes(v, COUNT_OF(v), &left), 2);
	CHECK_INT(left, 0);
	gone();
}

static void *
append_more(void *arg)
{
	for (unsigned i = 1000; i < 1000 + MANY; i++)
		append(i);
	atomic_store((atomic_bool *) arg, true);
	return NULL;
}

static void
thinned_while_others_append(void)
{
	static const uint64_t ends[] = {10, 20, 20, 35, 900};
	static const uint64_t want[] = {10, 20, 34, 899, 901, 902};
	static uint64_t v[MANY + 16];
	atomic_bool done = false;
	pthread_t thread;
	uint64_t left;

	fresh_folder();
	for (unsigned i = 1; i <= 902; i++)
		if (i != 35 && i != 900)
			append(i);
	append(902); /* two may sign the same */
	REQUIRE(pthread_create(&thread, NULL, append_more, &done) == 0);
	do
		CHECK_INT(heads_thin(dir, ends, COUNT_OF(ends)), 0);
	while (!atomic_load(&done));
	pthread_join(thread, NULL);
	REQUIRE(sizes(v, COUNT_OF(v), &left) == MANY + COUNT_OF(want) + 1);
	CHECK_INT(left, 0);
	for (size_t i = 0; i < COUNT_OF(want); i++)
		CHECK_INT(v[i], want[i]);
	CHECK_INT(v[COUNT_OF(want)], 902);
	for (unsigned i = 0; i < MANY; i++)
		REQUIRE(v[COUNT_OF(want) + 1 + i] == 1000 + i);
	gone();
}

static void
what_is_no_head_is_left_as_it_is(void)
{
	static const uint64_t ends[] = {10};
	static uint64_t v[32];
	uint64_t left;

	fresh_folder();
	for (unsigned i = 1; i <= 20; i++)
		append(i);
	append_raw("something else\n", 15);
	CHECK_INT(heads_thin(dir, ends, 1), -EBADMSG);
	CHECK_INT(sizes(v, COUNT_OF(v), &left), 20);
	CHECK_INT(left, 15);
	gone();
}

/* Nobody will ever write into it. */
static void
a_fifo_is_not_waited_for(void)
{
	struct heads h;

	fresh_folder();
	CHECK_INT(mkfifoat(dir, "checkpoints.log", 0600), 0);
	alarm(30); /* instead of waiting for ever */
	CHECK_INT(heads_open(&h, dir), -EINVAL);
	CHECK_INT(h.fd, -1);
	alarm(0);
	gone();
}

static int
remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *f UNUSED)
{
	return remove(path);
}

static uint64_t
submit_one(struct audit *a)
{
	uint64_t ticket;
	struct audit_alert body = {.text = SLICE_LIT("look here"), .count = 1};
	struct buf leaf = {0};
	struct audit_record r;

	audit_record_init(&r, AUDIT_alert, clock_wall_ns(), clock_mono_ns());
	r.body = &body;
	CHECK(audit_encode(&leaf, &r));
	ticket = audit_submit(a, 0, buf_slice(&leaf));
	CHECK(ticket != 0);
	buf_fini(&leaf);
	return ticket;
}

static void
record_one(struct audit *a)
{
	CHECK(audit_wait(a, 0, submit_one(a)));
}

/* How many heads are as round as they can be. */
static size_t
count_round(const char *path, size_t *n)
{
	struct note_checkpoint c;
	struct heads h;
	struct note note;
	uint64_t before = 0;
	size_t round = 0;
	int log = folder_open(path);

	*n = 0;
	CHECK_INT(heads_open(&h, log), 0);
	for (; heads_next(&h, &note) == 1 && note_checkpoint_get(&c, note.text); (*n)++) {
		round += before < c.size && c.size % 8 == 0 &&
			 c.size == merkle_roundest(before, c.size);
		before = c.size;
	}
	heads_close(&h);
	close(log);
	return round;
}

/* While records keep coming a head is signed each second, at a size between which few hashes are
 * left; once they do not, all are covered. */
static void
heads_of_a_busy_log_are_round(void)
{
	static struct verify_report r;
	struct audit_options o = {.state_path = folder, .lanes = 1, .heartbeat_s = 3600};
	struct verify_options vo = {0};
	struct audit_stats stats = {0};
	struct buf error = {0};
	uint64_t until, sent = 1; /* that the log was started */
	struct audit *a;
	size_t n, round;

	fresh_folder();
	REQUIRE(audit_open(&a, &o, &error) == 0);
	for (until = clock_mono_ns() + 4 * NS_PER_S; clock_mono_ns() < until; sent++)
		record_one(a);
	until = clock_mono_ns() + 30 * NS_PER_S;
	while (stats.signed_size < sent && clock_mono_ns() < until) {
		nanosleep(&(struct timespec){0, NS_PER_MS}, NULL);
		audit_stats(a, &stats);
	}
	CHECK_INT(stats.signed_size, sent);
	CHECK_INT(stats.tree_size, sent);
	round = count_round(folder, &n);
	printf("# %zu heads of %llu records, %zu of them round\n", n, (unsigned long long) sent,
	       round);
	CHECK(n > 3 && round > 0);
	audit_close(a);
	close(dir);
	dir = folder_open(folder);
	CHECK_INT(audit_verify(&r, dir, &vo), 0);
	CHECK_INT(r.verdict, VERIFY_INTACT);
	verify_report_fini(&r);
	close(dir);
	buf_fini(&error);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many heads there are, and how many of them sign less than `size` records. */
static size_t
count_below(uint64_t size, size_t *below)
{
	struct note_checkpoint c;
	struct heads h;
	struct note note;
	size_t n = 0;
	int log = folder_open(folder);

	*below = 0;
	CHECK_INT(heads_open(&h, log), 0);
	for (; heads_next(&h, &note) == 1 && note_checkpoint_get(&c, note.text); n++)
		*below += c.size < size;
	heads_close(&h);
	close(log);
	return n;
}

/* After a burst a log goes on that gets a record now and then. */
static void
the_next_head_covers_what_was_there_at_the_last_one(void)
{
	struct audit_options o = {.state_path = folder, .lanes = 1, .heartbeat_s = 3600};
	struct audit_stats stats = {0};
	struct buf error = {0};
	uint64_t sent = 1, last = 0, until;
	size_t before, below;
	struct audit *a;

	fresh_folder();
	REQUIRE(audit_open(&a, &o, &error) == 0);
	/* Far from any round size, from both sides. */
	for (; sent < 2048 - 100; sent++)
		last = submit_one(a);
	CHECK(audit_wait(a, 0, last));
	before = count_below(sent, &below);
	until = clock_mono_ns() + 30 * NS_PER_S;
	while (stats.signed_size < sent && clock_mono_ns() < until) {
		record_one(a);
		nanosleep(&(struct timespec){0, 300 * NS_PER_MS}, NULL);
		audit_stats(a, &stats);
	}
	CHECK(stats.signed_size >= sent);
	count_below(sent, &below);
	printf("# %zu heads, then %zu without the newest record of then\n", before, below - before);
	CHECK(below <= before + 1);
	audit_close(a);
	close(dir);
	buf_fini(&error);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum verify_verdict
verdict(void)
{
	static struct verify_report r;
	struct verify_options o = {0};
	int log = folder_open(folder);
	enum verify_verdict v;

	CHECK_INT(audit_verify(&r, log, &o), 0);
	v = r.verdict;
	verify_report_fini(&r);
	close(log);
	return v;
}

/* Killed, or without room, when its first segment was there and had no record yet. */
static void
a_start_that_ended_early_is_no_tampering(void)
{
	struct audit_options ao = {.state_path = folder, .lanes = 1};
	struct alog_options o = {.state_path = folder};
	struct alog_recovery recovery;
	struct buf error = {0};
	struct audit *a;
	struct alog l;
	char name[32], strange[256];
	uint64_t *firsts;
	struct stat st;
	int log, fd;
	size_t n;

	fresh_folder();
	REQUIRE(audit_open(&a, &ao, &error) == 0);
	audit_close(a);
	CHECK_INT(verdict(), VERIFY_INTACT);
	REQUIRE(alog_open(&l, &o, &recovery, &error) == 0);
	REQUIRE(alog_begin(&l) == 0);
	alog_abandon(&l);
	CHECK_INT(verdict(), VERIFY_INTACT);
	REQUIRE(audit_open(&a, &ao, &error) == 0);
	audit_close(a);
	CHECK_INT(verdict(), VERIFY_INTACT);
	/* A seal that is gone still is. */
	log = folder_open(folder);
	CHECK_INT(folder_segments(log, &firsts, &n, strange), 0);
	REQUIRE(n == 2 && firsts[1] == 2); /* its start and its stop are the first two records */
	folder_segment_name(name, firsts[1]);
	REQUIRE(fstatat(log, name, &st, 0) == 0);
	fd = openat(log, name, O_WRONLY | O_CLOEXEC);
	CHECK_INT(ftruncate(fd, st.st_size - SEGMENT_SECTOR), 0);
	close(fd);
	close(log);
	CHECK_INT(verdict(), VERIFY_TAMPERED);
	free(firsts);
	free(recovery.unknown);
	close(dir);
	buf_fini(&error);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
log_one(struct alog *l)
{
	struct audit_alert body = {.text = SLICE_LIT("look here"), .count = 1};
	struct buf leaf = {0};
	struct audit_record r;

	audit_record_init(&r, AUDIT_alert, clock_wall_ns(), clock_mono_ns());
	r.body = &body;
	REQUIRE(alog_begin(l) == 0 && audit_encode(&leaf, &r));
	alog_add(l, buf_slice(&leaf));
	REQUIRE(alog_commit(l) == 0);
	buf_fini(&leaf);
}

/* One that could not be put into the list was shown all the same. */
static void
a_head_that_was_shown_is_listed(void)
{
	struct alog_options o = {.state_path = folder};
	struct alog_recovery recovery;
	struct buf error = {0};
	size_t below, n;
	struct alog l;

	fresh_folder();
	REQUIRE(alog_open(&l, &o, &recovery, &error) == 0);
	log_one(&l);
	CHECK_INT(renameat(l.dir, "checkpoints.log", l.dir, "away"), 0);
	CHECK_INT(mkdirat(l.dir, "checkpoints.log", 0700), 0);
	CHECK_INT(alog_checkpoint(&l, clock_wall_ns(), false), -EISDIR);
	log_one(&l);
	CHECK_INT(alog_checkpoint(&l, clock_wall_ns(), false), -EISDIR);
	CHECK_INT(unlinkat(l.dir, "checkpoints.log", AT_REMOVEDIR), 0);
	CHECK_INT(renameat(l.dir, "away", l.dir, "checkpoints.log"), 0);
	log_one(&l);
	CHECK_INT(alog_checkpoint(&l, clock_wall_ns(), false), 0);
	n = count_below(3, &below);
	CHECK_INT(n, 3);     /* 0, 1, 3: of 2 none was shown */
	CHECK_INT(below, 2);
	CHECK_INT(alog_close(&l), 0);
	close(dir);
	buf_fini(&error);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(TEST(many_are_read_one_by_one), TEST(what_a_crash_tore_is_cut_off),
	  TEST(the_end_of_a_huge_one_is_found), TEST(half_a_note_is_taken_back),
	  TEST(thinned_while_others_append),
	  TEST(what_is_no_head_is_left_as_it_is), TEST(a_fifo_is_not_waited_for),
	  TEST(a_start_that_ended_early_is_no_tampering),
	  TEST(a_head_that_was_shown_is_listed), TEST(heads_of_a_busy_log_are_round),
	  TEST(the_next_head_covers_what_was_there_at_the_last_one))
