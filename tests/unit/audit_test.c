/* SPDX-License-Identifier: MIT */
#include "tests/unit/test.h"

#include "audit/audit.h"
#include "audit/brief.h"
#include "audit/folder.h"
#include "audit/log.h"
#include "audit/meaning.h"
#include "audit/verify.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static char folder[64];

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
	snprintf(folder, sizeof(folder), "/tmp/weir-audit-test.XXXXXX");
	if (!mkdtemp(folder))
		abort();
}

static void
merkle_matches_certificate_transparency_vectors(void)
{
	static const char *const leaves[] = {"", "00", "10", "2021", "3031", "40414243",
					     "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
	static const char *const roots[] = {
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	};
	struct merkle t = {0};
	struct buf b = {0};

	for (size_t i = 0; i < COUNT_OF(leaves); i++) {
		uint8_t h[SHA256_LEN];

		buf_reset(&b);
		REQUIRE(hex_get(&b, slice_str(leaves[i])));
		merkle_leaf(h, buf_slice(&b));
		merkle_append(&t, h);
		merkle_root(h, &t);
		buf_reset(&b);
		hex_put(&b, slice_of(h, sizeof(h)));
		CHECK_SLICE(buf_slice(&b), roots[i]);
	}
	buf_fini(&b);
}

/* The example of golang.org/x/mod/sumdb/note, which C2SP signed-note describes. */
static void
note_matches_the_published_example(void)
{
	static const char signer[] =
		"PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
	static const char vkey[] =
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
	static const char text[] = "If you think cryptography is the answer to your problem,\n"
				   "then you don't know what your problem is.\n";
	static const char line[] =
		"\n\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2"
		"pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
	struct note_key signing, key;
	uint8_t seed[ED25519_SEED_LEN];
	struct buf b = {0};
	struct note n;

	REQUIRE(note_signer_parse(&signing, seed, slice_str(signer)));
	REQUIRE(note_key_parse(&key, slice_str(vkey)));
	note_sign(&b, slice_str(text), &signing, seed);
	REQUIRE(b.n > sizeof(text));
	CHECK_SLICE(slice_of(b.p + sizeof(text) - 1, b.n - sizeof(text) + 1), line);
	CHECK_INT(note_split(&n, buf_slice(&b)), b.n);
	CHECK_INT(note_verify(&n, &key, 1), NOTE_GOOD);
	CHECK_INT(note_verify(&n, &key, 0), NOTE_UNKNOWN_KEY);
	b.p[3] ^= 1;
	CHECK_INT(note_verify(&n, &key, 1), NOTE_BAD_SIGNATURE);
	buf_reset(&b);
	note_key_format(&b, &key);
	CHECK_SLICE(buf_slice(&b), vkey);
	CHECK(!note_key_parse(&key, SLICE_LIT("PeterNeumann+C74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVk"
					      "mqq/LDE4izWy10TW")));
	buf_fini(&b);
}

static void
long_statement_keeps_prefix_digest_and_length(void)
{
	struct audit_record r;
	struct audit_command c = {.kind = AUDIT_command_kind_SIMPLE};
	struct buf leaf = {0}, json = {0};
	struct audit_brief b;
	const char *error;
	char *text = malloc(100000);

	memset(text, 's', 100000);
	c.statement = slice_of(text, AUDIT_STATEMENT_MAX);
	audit_record_init(&r, AUDIT_command, 1, 2);
	r.body = &c;
	REQUIRE(audit_encode(&leaf, &r));
	REQUIRE(audit_brief_get(&b, buf_slice(&leaf)) == NULL);
	CHECK_INT(b.statement.n, AUDIT_STATEMENT_MAX);
	c.statement.n = 100000;
	REQUIRE(audit_encode(&leaf, &r));
	REQUIRE(audit_brief_get(&b, buf_slice(&leaf)) == NULL);
	CHECK_INT(b.statement.n, AUDIT_STATEMENT_PREFIX);
	REQUIRE(audit_to_json(&json, buf_slice(&leaf), &error));
	buf_putc(&json, 0);
	CHECK(strstr((char *) json.p, "\"len\":100000") != NULL);
	CHECK(strstr((char *) json.p, "\"truncated\":true") != NULL);
	CHECK(strstr((char *) json.p, "\"sha256\":\"") != NULL);
	/* A leaf above the limit is refused, not cut: the command must not run. */
	c.statement.n = 10;
	c.encoding = slice_of(text, 70000);
	CHECK(!audit_encode(&leaf, &r));
	free(text);
	buf_fini(&leaf);
	buf_fini(&json);
}

static void
leaf_check_refuses_other_encodings(void)
{
	static const char *const bad[] = {
		"",         /* nothing */
		"80",       /* not a map */
		"a1001801", /* 1 in two bytes */
		"a201000000", /* keys descend */
		"a2000000", /* the same key twice, and cut */
		"a10061ff", /* text that is not UTF-8 */
		"a10000ff", /* bytes left over */
		"a1009f",   /* indefinite length */
		"bf0000ff",
	};
	struct buf b = {0}, json = {0};
	const char *error;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		buf_reset(&b);
		REQUIRE(hex_get(&b, slice_str(bad[i])));
		CHECK(audit_leaf_check(buf_slice(&b)) != NULL);
		CHECK(!audit_to_json(&json, buf_slice(&b), &error));
	}
	/* An unknown key and an unknown type are kept. */
	buf_reset(&b);
	REQUIRE(hex_get(&b, SLICE_LIT("a301186312a10a1863171822")));
	REQUIRE(audit_to_json(&json, buf_slice(&b), &error));
	CHECK_SLICE(buf_slice(&json), "{\"type\":99,\"body\":{\"10\":99},\"23\":34}");
	buf_fini(&b);
	buf_fini(&json);
}

static void
invalid_utf8_is_kept_as_bytes(void)
{
	struct audit_record r;
	struct audit_auth_fail f = {.claimed = SLICE_LIT("a\xff"), .cause = SLICE_LIT("\xc3\xa9")};
	struct buf leaf = {0}, json = {0};
	const char *error;

	audit_record_init(&r, AUDIT_auth_fail, 1, 2);
	r.body = &f;
	REQUIRE(audit_encode(&leaf, &r));
	CHECK(audit_leaf_check(buf_slice(&leaf)) == NULL);
	REQUIRE(audit_to_json(&json, buf_slice(&leaf), &error));
	buf_putc(&json, 0);
	CHECK(strstr((char *) json.p, "\"claimed\":{\"base64\":\"Yf8=\"}") != NULL);
	CHECK(strstr((char *) json.p, "\"cause\":\"\xc3\xa9\"") != NULL);
	buf_fini(&leaf);
	buf_fini(&json);
}

static void
ids_are_version_7_and_distinct(void)
{
	struct audit_id a = audit_id_new(1700000000123456789),
			b = audit_id_new(1700000000123456789);
	struct audit_id parsed;
	char text[37];

	CHECK(memcmp(&a, &b, sizeof(a)) < 0);
	CHECK_INT(a.b[6] >> 4, 7);
	CHECK_INT(a.b[8] >> 6, 2);
	audit_id_format(a, text);
	CHECK(strncmp(text, "018bcfe5-687b-7", 15) == 0);
	REQUIRE(audit_id_parse(&parsed, slice_str(text)));
	CHECK(memcmp(&a, &parsed, sizeof(a)) == 0);
}

/* --- the log --- */

struct faults {
	int fail_at, n; /* the write that fails, and how many after it do */
	int seen;
};

static int
faulty_write(void *arg, int fd, const uint8_t *p, size_t n, uint64_t offset)
{
	struct faults *f = arg;

	f->seen++;
	if (f->seen >= f->fail_at && f->seen < f->fail_at + f->n) {
		/* The bytes may have reached the disk in part. */
		(void) !pwrite(fd, p, n / 2, (off_t) offset);
		return -EIO;
	}
	return pwrite(fd, p, n, (off_t) offset) == (ssize_t) n ? 0 : -EIO;
}

static bool
append(struct alog *l, unsigned n)
{
	struct audit_alert body = {.rule = SLICE_LIT("test")};
	struct audit_record r;
	struct buf leaf = {0};
	int rc = alog_begin(l);

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		audit_record_init(&r, AUDIT_alert, clock_wall_ns(), 1);
		r.body = &body;
		if (!audit_encode(&leaf, &r))
			abort();
		alog_add(l, buf_slice(&leaf));
	}
	buf_fini(&leaf);
	return rc == 0 && alog_commit(l) == 0;
}

static enum verify_verdict
verify(struct slice wanted)
{
	struct verify_report r;
	struct verify_options o = {0};
	int dir = folder_open(folder), rc;
	bool said = wanted.n == 0;
	enum verify_verdict v;

	if (dir < 0)
		abort();
	rc = audit_verify(&r, dir, &o);
	close(dir);
	for (size_t i = 0; i < r.n_problems; i++) {
		if (r.verdict != VERIFY_INTACT && wanted.n == 0)
			printf("# %s\n", r.problems[i].text);
		said |= wanted.n && strstr(r.problems[i].text, (const char *) wanted.p);
	}
	v = rc == 0 ? r.verdict : VERIFY_TAMPERED;
	CHECK(said);
	verify_report_fini(&r);
	return v;
}

static void
one_write_error_moves_to_a_fresh_segment(void)
{
	struct buf error = {0};

	/* Write 1 is the segment's header; each of the eight batches fails once. */
	for (int at = 2; at < 10; at++) {
		struct faults f = {.fail_at = at, .n = 1};
		struct alog_options o;
		struct alog_recovery r;
		struct alog l;

		fresh_folder();
		o = (struct alog_options){.state_path = folder, .origin = "t/audit",
					  .segment_bytes = ALOG_SEGMENT_MIN,
					  .write_sync = faulty_write, .write_arg = &f};
		REQUIRE(alog_open(&l, &o, &r, &error) == 0);
		for (int i = 0; i < 8; i++)
			CHECK(append(&l, 3));
		CHECK_INT(l.tree.size, 24);
		CHECK_INT(l.sync_errors, f.seen >= at);
		CHECK_INT(alog_close(&l), 0);
		CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
		o.write_sync = NULL;
		REQUIRE(alog_open(&l, &o, &r, &error) == 0);
		CHECK_INT(l.tree.size, 24);
		CHECK(!r.needed);
		CHECK_INT(alog_close(&l), 0);
	}
	buf_fini(&error);
}

static void
two_write_errors_close_the_log(void)
{
	struct faults f = {.fail_at = 4, .n = 2};
	struct alog_options o;
	struct alog_recovery r;
	struct buf error = {0};
	struct alog l;

	fresh_folder();
	o = (struct alog_options){.state_path = folder, .origin = "t/audit",
				  .write_sync = faulty_write, .write_arg = &f};
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	CHECK(append(&l, 3));
	CHECK(append(&l, 3));
	CHECK(!append(&l, 3));
	CHECK_INT(l.tree.size, 6);
	alog_abandon(&l);
	o.write_sync = NULL;
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	CHECK(l.tree.size >= 6);
	CHECK(r.needed);
	CHECK(append(&l, 1));
	CHECK_INT(alog_close(&l), 0);
	CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
	buf_fini(&error);
}

struct seen_writes {
	uint64_t end;
	unsigned n, wrong;
};

static int
watched_write(void *arg, int fd, const uint8_t *p, size_t n, uint64_t offset)
{
	struct seen_writes *w = arg;

	w->n++;
	w->wrong += offset % SEGMENT_SECTOR || n % SEGMENT_SECTOR ||
		    (uintptr_t) p % SEGMENT_SECTOR || (offset && offset != w->end);
	w->end = offset + n;
	return pwrite(fd, p, n, (off_t) offset) == (ssize_t) n ? 0 : -errno;
}

/* So what is durable is not written again, and the page cache is not needed. */
static void
no_sector_is_written_twice(void)
{
	struct seen_writes w = {0};
	struct alog_options o;
	struct alog_recovery r;
	struct buf error = {0};
	struct alog l;

	fresh_folder();
	o = (struct alog_options){.state_path = folder, .origin = "t/audit",
				  .segment_bytes = ALOG_SEGMENT_MIN,
				  .write_sync = watched_write, .write_arg = &w};
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	for (unsigned i = 0; i < 600; i++)
		REQUIRE(append(&l, 1 + i * 7 % 40));
	CHECK(l.segments > 2);
	CHECK_INT(alog_close(&l), 0);
	CHECK(w.n > 600);
	CHECK_INT(w.wrong, 0);
	CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
	buf_fini(&error);
}

/* As a disk whose sectors are larger does: here it is a place that is on no sector. */
static void
a_disk_that_takes_no_direct_write_gets_others(void)
{
	struct alog_options o;
	struct alog_recovery r;
	struct buf error = {0};
	struct alog l;

	fresh_folder();
	o = (struct alog_options){.state_path = folder, .origin = "t/audit"};
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	CHECK(append(&l, 3));
	l.offset += 8;
	CHECK(append(&l, 3));
	CHECK(append(&l, 3));
	CHECK_INT(l.sync_errors, 0);
	CHECK_INT(l.segments, 1);
	alog_abandon(&l);
	buf_fini(&error);
}

/* Zeroing that found no room is behind what was written meanwhile. */
static void
what_is_written_is_not_zeroed(void)
{
	struct alog_options o;
	struct alog_recovery r;
	struct buf error = {0};
	struct alog l;

	fresh_folder();
	o = (struct alog_options){.state_path = folder, .origin = "t/audit"};
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	for (int i = 0; i < 20; i++)
		CHECK(append(&l, 3));
	l.zeroed = SEGMENT_HEADER_LEN;
	alog_zero_ahead(&l, 1 << 20);
	CHECK(append(&l, 3));
	CHECK_INT(alog_close(&l), 0);
	CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
	buf_fini(&error);
}

static void
segments_rotate(void)
{
	struct alog_options o;
	struct alog_recovery r;
	struct buf error = {0};
	struct alog l;

	fresh_folder();
	o = (struct alog_options){.state_path = folder, .origin = "t/audit",
				  .segment_bytes = ALOG_SEGMENT_MIN};
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	for (int i = 0; i < 200; i++)
		CHECK(append(&l, 100));
	CHECK(l.segments > 2);
	CHECK_INT(alog_close(&l), 0);
	CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
	buf_fini(&error);
}

static void
second_process_is_refused(void)
{
	struct alog_options o;
	struct alog_recovery r;
	struct buf error = {0};
	struct alog l, other;

	fresh_folder();
	o = (struct alog_options){.state_path = folder, .origin = "t/audit"};
	REQUIRE(alog_open(&l, &o, &r, &error) == 0);
	CHECK(alog_open(&other, &o, &r, &error) != 0);
	buf_putc(&error, 0);
	CHECK(strstr((char *) error.p, "another gateway") != NULL);
	CHECK_INT(alog_close(&l), 0);
	buf_fini(&error);
}

/* --- lanes --- */

enum { THREADS = 4, EACH = 3000 };

struct sender {
	struct audit *a;
	unsigned lane;
	bool ok;
};

static uint64_t
send_one(struct audit *a, unsigned lane, struct buf *leaf)
{
	struct audit_alert body = {.rule = SLICE_LIT("lane"), .count = lane + 1};
	struct audit_record r;
	uint64_t t;

	audit_record_init(&r, AUDIT_alert, clock_wall_ns(), clock_mono_ns());
	r.body = &body;
	if (!audit_encode(leaf, &r))
		abort();
	while (!(t = audit_submit(a, lane, buf_slice(leaf))))
		audit_flush(a, lane);
	return t;
}

/* Sends in bursts and sleeps on the eventfd in between: a lost wake-up would hang the test. */
static void *
sender(void *arg)
{
	struct sender *s = arg;
	struct pollfd p = {.fd = audit_eventfd(s->a, s->lane), .events = POLLIN};
	struct buf leaf = {0};
	uint64_t last = 0, seen = 0, drop;

	s->ok = true;
	for (int i = 0; i < EACH; i++) {
		uint64_t t = send_one(s->a, s->lane, &leaf);

		s->ok &= t == last + 1;
		last = t;
		if (i % 7 && i != EACH - 1)
			continue;
		while ((seen = audit_durable(s->a, s->lane)) < last) {
			if (!audit_arm(s->a, s->lane, seen))
				continue;
			s->ok &= poll(&p, 1, 20000) == 1;
			s->ok &= read(p.fd, &drop, sizeof(drop)) == sizeof(drop);
		}
	}
	buf_fini(&leaf);
	return NULL;
}

static void
lanes_lose_nothing(void)
{
	struct audit_options o = {.origin = "t/audit", .lanes = THREADS + 1,
				  .segment_bytes = ALOG_SEGMENT_MIN};
	struct sender s[THREADS];
	pthread_t t[THREADS];
	struct buf error = {0}, leaf = {0};
	struct audit_stats stats;
	struct audit *a;

	fresh_folder();
	o.state_path = folder;
	REQUIRE(audit_open(&a, &o, &error) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		s[i] = (struct sender){.a = a, .lane = i};
		REQUIRE(pthread_create(&t[i], NULL, sender, &s[i]) == 0);
	}
	CHECK(audit_wait(a, THREADS, send_one(a, THREADS, &leaf)));
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		CHECK(s[i].ok);
		CHECK_INT(audit_durable(a, i), EACH);
	}
	audit_stats(a, &stats);
	CHECK_INT(stats.tree_size, THREADS * EACH + 2);
	CHECK(stats.batches < stats.records);
	audit_close(a);
	CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
	buf_fini(&leaf);
	buf_fini(&error);
}

/* A worker with one client commits by itself, while the committer sleeps, and others may still be
 * at it; the head is signed in time all the same. */
static void
a_lone_lane_commits_by_itself(void)
{
	struct audit_options o = {.origin = "t/audit", .lanes = 2, .version = "test"};
	struct buf error = {0}, leaf = {0};
	struct audit_stats stats = {0};
	uint64_t signed_before, until;
	struct audit *a;
	int alone = 0;

	fresh_folder();
	o.state_path = folder;
	REQUIRE(audit_open(&a, &o, &error) == 0);
	audit_stats(a, &stats);
	signed_before = stats.checkpoints;
	for (int i = 0; i < 200; i++) {
		uint64_t t = send_one(a, 0, &leaf);

		if (audit_commit_now(a)) {
			alone++;
			CHECK(audit_durable(a, 0) >= t);
		} else {
			CHECK(audit_wait(a, 0, t));
		}
	}
	CHECK(alone > 0); /* the committer may be at it, most of the time on a busy machine */
	CHECK(!audit_commit_now(a)); /* nothing to commit */
	CHECK(audit_wait(a, 1, send_one(a, 1, &leaf)));
	audit_stats(a, &stats);
	CHECK_INT(stats.alone_batches, alone);
	CHECK(stats.alone_cpu_ns > 0);
	CHECK_INT(stats.tree_size, 202); /* log.state, and these */
	for (until = clock_mono_ns() + 5 * NS_PER_S; stats.checkpoints < signed_before + 2 &&
						     clock_mono_ns() < until;) {
		(void) poll(NULL, 0, 20);
		if (send_one(a, 0, &leaf) && !audit_commit_now(a))
			audit_flush(a, 0);
		audit_stats(a, &stats);
	}
	CHECK(stats.checkpoints >= signed_before + 2);
	audit_close(a);
	CHECK_INT(verify((struct slice){0}), VERIFY_INTACT);
	buf_fini(&leaf);
	buf_fini(&error);
}

static void
full_lane_pushes_back(void)
{
	struct audit_options o = {.origin = "t/audit", .lanes = 1, .lane_bytes = 1};
	static uint8_t big[AUDIT_LEAF_MAX];
	struct buf error = {0};
	struct audit *a;
	uint64_t last = 0, t;

	fresh_folder();
	o.state_path = folder;
	big[0] = 0xa0; /* not a record: only the queue is looked at */
	REQUIRE(audit_open(&a, &o, &error) == 0);
	while ((t = audit_submit(a, 0, slice_of(big, sizeof(big)))))
		last = t;
	CHECK(last >= 3);
	CHECK(audit_wait(a, 0, last));
	CHECK_INT(audit_submit(a, 0, slice_of(big, sizeof(big))), last + 1);
	audit_close(a);
	buf_fini(&error);
}

/* --- meaning --- */

static int problems;
static char problem_text[128];

static void
on_problem(void *arg UNUSED, uint64_t index UNUSED, const char *what)
{
	problems++;
	snprintf(problem_text, sizeof(problem_text), "%s", what);
}

/* A held command with the given approvers; what the verifier says of it, NULL when nothing. */
static const char *
judge_held(const char *const *approvers, size_t n, bool used, unsigned verdict, uint64_t need)
{
	struct meaning m = {.problem = on_problem};
	struct audit_id intent = {{1}}, approval = {{2}};
	uint8_t binding[SHA256_LEN] = {9};
	struct slice b = slice_of(binding, sizeof(binding));
	uint64_t i = 0;

	problems = 0;
	meaning_record(&m, i++, &(struct audit_brief){.type = AUDIT_command, .id = intent,
						      .verdict = AUDIT_verdict_HOLD});
	meaning_record(&m, i++,
		       &(struct audit_brief){.type = AUDIT_approval_request,
					     .approval = approval,
					     .binding = b,
					     .refs = {intent},
					     .n_refs = 1,
					     .principal.subject = SLICE_LIT("agent"),
					     .groups = {SLICE_LIT("dba")},
					     .need = {need},
					     .n_groups = 1,
					     .max_uses = 1});
	for (size_t k = 0; k < n; k++)
		meaning_record(&m, i++, &(struct audit_brief){
			.type = AUDIT_approval_decision, .approval = approval, .binding = b,
			.approval_verdict = verdict, .approver.subject = slice_str(approvers[k]),
			.approver.groups = {SLICE_LIT("dba")}, .approver.n_groups = 1});
	if (used)
		meaning_record(&m, i++, &(struct audit_brief){
			.type = AUDIT_approval_close, .approval = approval,
			.approval_state = AUDIT_approval_state_USED});
	meaning_record(&m, i++, &(struct audit_brief){.type = AUDIT_result, .refs = {intent},
						      .n_refs = 1, .status = AUDIT_status_OK});
	meaning_end(&m);
	meaning_fini(&m);
	return problems ? problem_text : NULL;
}

static void
held_commands_need_their_approvers(void)
{
	static const char *const two[] = {"ana", "bob"}, *const twice[] = {"ana", "ana"},
				     *const self[] = {"agent", "ana"};

	CHECK(judge_held(two, 2, true, AUDIT_approval_verdict_APPROVE, 2) == NULL);
	CHECK(judge_held(two, 1, true, AUDIT_approval_verdict_APPROVE, 2) != NULL);
	CHECK(judge_held(twice, 2, true, AUDIT_approval_verdict_APPROVE, 2) != NULL);
	CHECK(judge_held(self, 2, true, AUDIT_approval_verdict_APPROVE, 2) != NULL);
	CHECK(judge_held(two, 2, false, AUDIT_approval_verdict_APPROVE, 2) != NULL);
	CHECK(judge_held(two, 2, true, AUDIT_approval_verdict_REJECT, 1) != NULL);
}

/* A held connection: of one that was let in although nobody approved it, and of one whose hold is
 * not there, the verifier says so. A window may be closed after its use. */
static int
judge_connection(bool hold, bool approve, bool reject, uint64_t max_uses)
{
	struct meaning m = {.problem = on_problem};
	struct audit_id intent = {{1}}, approval = {{2}};
	uint8_t binding[SHA256_LEN] = {9};
	struct audit_brief ask = {.type = AUDIT_approval_request,
				  .approval = approval,
				  .binding = slice_of(binding, sizeof(binding)),
				  .refs = {intent},
				  .n_refs = 1,
				  .principal.subject = SLICE_LIT("agent"),
				  .groups = {SLICE_LIT("dba")},
				  .need = {1},
				  .n_groups = 1,
				  .max_uses = max_uses};
	struct audit_brief decision = {.type = AUDIT_approval_decision,
				       .approval = approval,
				       .binding = ask.binding,
				       .approval_verdict = AUDIT_approval_verdict_APPROVE,
				       .approver.subject = SLICE_LIT("ana")};

	problems = 0;
	if (hold)
		meaning_record(&m, 0, &(struct audit_brief){.type = AUDIT_session_start,
							    .id = intent,
							    .verdict = AUDIT_verdict_HOLD});
	meaning_record(&m, 1, &ask);
	if (approve)
		meaning_record(&m, 2, &decision);
	meaning_record(&m, 3, &(struct audit_brief){.type = AUDIT_approval_close,
						    .approval = approval,
						    .approval_state = AUDIT_approval_state_USED,
						    .refs = {intent},
						    .n_refs = 1});
	decision.approval_verdict = AUDIT_approval_verdict_REJECT;
	if (reject)
		meaning_record(&m, 4, &decision);
	meaning_record(&m, 5, &(struct audit_brief){.type = AUDIT_session_start,
						    .session = {{3}},
						    .sseq = 1,
						    .verdict = AUDIT_verdict_ALLOW,
						    .refs = {intent},
						    .n_refs = 1});
	meaning_end(&m);
	meaning_fini(&m);
	return problems;
}

static void
held_connections_need_their_approvers(void)
{
	CHECK_INT(judge_connection(true, true, false, 1), 0);
	CHECK_INT(judge_connection(true, false, false, 1), 1);
	CHECK_INT(judge_connection(false, true, false, 1), 1);
	CHECK_INT(judge_connection(true, true, true, 1), 1);
	CHECK_INT(judge_connection(true, true, true, 0), 0);
}

static void
results_sessions_and_policies_are_followed(void)
{
	struct meaning m = {.problem = on_problem};
	struct audit_id session = {{3}}, intent = {{4}};
	uint8_t digest[SHA256_LEN] = {5};

	problems = 0;
	meaning_record(&m, 0, &(struct audit_brief){.type = AUDIT_session_start, .session = session,
						    .sseq = 1});
	meaning_record(&m, 1,
		       &(struct audit_brief){.type = AUDIT_command,
					     .session = session,
					     .sseq = 2,
					     .id = intent,
					     .verdict = AUDIT_verdict_ALLOW});
	CHECK_INT(problems, 0);
	meaning_record(&m, 2,
		       &(struct audit_brief){.type = AUDIT_alert, .session = session, .sseq = 4});
	CHECK_INT(problems, 1);
	meaning_record(&m, 3,
		       &(struct audit_brief){.type = AUDIT_result,
					     .refs = {{{99}}},
					     .n_refs = 1,
					     .status = AUDIT_status_OK});
	CHECK_INT(problems, 2);
	meaning_record(&m, 4, &(struct audit_brief){.type = AUDIT_command, .id = {{6}},
						    .policy = slice_of(digest, sizeof(digest))});
	meaning_end(&m);
	CHECK_INT(problems, 3);
	meaning_fini(&m);
	fresh_folder();
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(TEST(merkle_matches_certificate_transparency_vectors),
	  TEST(note_matches_the_published_example),
	  TEST(long_statement_keeps_prefix_digest_and_length),
	  TEST(leaf_check_refuses_other_encodings),
	  TEST(invalid_utf8_is_kept_as_bytes),
	  TEST(ids_are_version_7_and_distinct),
	  TEST(one_write_error_moves_to_a_fresh_segment),
	  TEST(two_write_errors_close_the_log),
	  TEST(no_sector_is_written_twice),
	  TEST(a_disk_that_takes_no_direct_write_gets_others),
	  TEST(what_is_written_is_not_zeroed),
	  TEST(segments_rotate),
	  TEST(second_process_is_refused),
	  TEST(lanes_lose_nothing),
	  TEST(a_lone_lane_commits_by_itself),
	  TEST(full_lane_pushes_back),
	  TEST(held_commands_need_their_approvers),
	  TEST(held_connections_need_their_approvers),
	  TEST(results_sessions_and_policies_are_followed))
