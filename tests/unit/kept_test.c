/* SPDX-License-Identifier: MIT
 *
 * The policies that the log keeps: what is the image of a name and what not, how one gets into the
 * folder, and what the verifier says of them.
 */
#include "tests/unit/test.h"

#include "audit/kept.h"
#include "audit/verify_kept.h"
#include "base/cbor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t digest[SHA256_LEN], seed[ED25519_SEED_LEN] = {7}, signer[ED25519_PUB_LEN];
static const struct slice body = SLICE_LIT("what the policy is");
static char folder[64];
static int dir = -1;
static struct kept_signer by;

static void
envelope(struct buf *out, bool is_signed)
{
	uint8_t sig[ED25519_SIG_LEN];
	struct buf message = {0};

	sha256(digest, body);
	ed25519_public(signer, seed);
	buf_printf(&message, "weir-image-1\n%.*s", SLICE_ARG(body));
	ed25519_sign(sig, seed, buf_slice(&message));
	buf_reset(out);
	cbor_map(out, is_signed ? 4 : 2);
	cbor_uint(out, 0);
	cbor_text(out, SLICE_LIT("weir-image"));
	cbor_uint(out, 1);
	cbor_bytes(out, body);
	if (is_signed) {
		cbor_uint(out, 2);
		cbor_bytes(out, slice_of(signer, sizeof(signer)));
		cbor_uint(out, 3);
		cbor_bytes(out, slice_of(sig, sizeof(sig)));
	}
	buf_fini(&message);
}

static void
nothing_else_is_the_image_of_a_name(void)
{
	struct buf file = {0};
	struct kept k;

	for (int is_signed = 0; is_signed < 2; is_signed++) {
		envelope(&file, is_signed);
		CHECK(kept_read(&k, buf_slice(&file), digest) == NULL);
		CHECK(slice_eq(k.body, body));
		CHECK_INT(k.signer.n, is_signed ? ED25519_PUB_LEN : 0);
		for (size_t n = 0; n < file.n; n++)
			CHECK(kept_read(&k, slice_of(file.p, n), digest) != NULL);
		for (size_t i = 0; i < file.n * 8; i++) {
			file.p[i / 8] ^= (uint8_t) (1 << i % 8);
			CHECK(kept_read(&k, buf_slice(&file), digest) != NULL);
			file.p[i / 8] ^= (uint8_t) (1 << i % 8);
		}
		buf_putc(&file, 0);
		CHECK(kept_read(&k, buf_slice(&file), digest) != NULL);
	}
	buf_fini(&file);
}

static void
a_name_is_read_back(void)
{
	char name[KEPT_NAME_LEN + 1];
	uint8_t again[SHA256_LEN];

	sha256(digest, body);
	kept_name(name, digest);
	CHECK(kept_name_parse(name, again));
	CHECK(memcmp(again, digest, SHA256_LEN) == 0);
	name[0] = 'A'; /* one policy has one name */
	CHECK(!kept_name_parse(name, again));
	CHECK(!kept_name_parse("policy.weirb", again));
}

static void
fresh_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/weir-kept-test.XXXXXX");
	if (!mkdtemp(folder) || (dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
}

static void
gone(void)
{
	char name[sizeof(KEPT_FOLDER) + KEPT_NAME_LEN + 1] = KEPT_FOLDER "/";

	kept_name(name + sizeof(KEPT_FOLDER), digest);
	(void) unlinkat(dir, name, 0);
	(void) unlinkat(dir, KEPT_FOLDER, AT_REMOVEDIR);
	close(dir);
	CHECK_INT(rmdir(folder), 0); /* nothing is left beside it */
}

/* The size of the one that is there; 0: there is none. */
static size_t
there(struct kept *k)
{
	static struct buf file;

	buf_reset(&file);
	if (kept_file(dir, digest, &file) != 0 || kept_read(k, buf_slice(&file), digest) != NULL)
		return 0;
	return file.n;
}

static void
a_good_one_stays_and_a_bad_one_goes(void)
{
	struct buf plain = {0}, with = {0};
	uint8_t (*v)[SHA256_LEN];
	char strange[256];
	struct kept k;
	size_t n;

	fresh_folder();
	envelope(&plain, false);
	envelope(&with, true);
	CHECK_INT(kept_list(dir, &v, &n, strange), 0);
	CHECK_INT(n, 0);
	free(v);
	CHECK_INT(kept_put(dir, digest, buf_slice(&plain), &by), 0);
	CHECK_INT(there(&k), plain.n);
	CHECK(!by.any);
	CHECK_INT(kept_put(dir, digest, buf_slice(&with), &by), 0); /* its signature is news */
	CHECK_INT(there(&k), with.n);
	CHECK(by.any && memcmp(by.key, signer, sizeof(signer)) == 0);
	by.any = false;
	CHECK_INT(kept_put(dir, digest, buf_slice(&plain), &by), 0);
	CHECK_INT(there(&k), with.n);
	CHECK(by.any && memcmp(by.key, signer, sizeof(signer)) == 0);
	CHECK_INT(kept_list(dir, &v, &n, strange), 0);
	CHECK_INT(n, 1);
	CHECK(memcmp(v[0], digest, SHA256_LEN) == 0);
	free(v);
	buf_fini(&plain);
	buf_fini(&with);
	gone();
}

static void
what_cannot_be_written_leaves_nothing(void)
{
	struct buf file = {0};
	struct kept k;
	int fd;

	fresh_folder();
	envelope(&file, false);
	fd = openat(dir, KEPT_FOLDER, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	CHECK_INT(kept_put(dir, digest, buf_slice(&file), &by), -ENOTDIR);
	CHECK_INT(there(&k), 0);
	CHECK_INT(unlinkat(dir, KEPT_FOLDER, 0), 0);
	buf_fini(&file);
	gone();
}

/* Nobody will ever write into it. */
static void
a_fifo_is_not_waited_for(void)
{
	char name[sizeof(KEPT_FOLDER) + KEPT_NAME_LEN + 1] = KEPT_FOLDER "/";
	struct buf file = {0}, was = {0};
	struct kept k;

	fresh_folder();
	envelope(&file, false);
	kept_name(name + sizeof(KEPT_FOLDER), digest);
	CHECK_INT(mkdirat(dir, KEPT_FOLDER, 0700), 0);
	CHECK_INT(mkfifoat(dir, name, 0600), 0);
	alarm(30); /* instead of waiting for ever */
	CHECK_INT(kept_file(dir, digest, &was), -EINVAL);
	CHECK_INT(kept_put(dir, digest, buf_slice(&file), &by), 0);
	alarm(0);
	CHECK_INT(there(&k), file.n);
	buf_fini(&file);
	gone();
}

struct said {
	unsigned n[3];
	char last[512];
};

static void
on_said(void *arg, enum verify_verdict severity, const char *text)
{
	struct said *s = arg;

	s->n[severity]++;
	snprintf(s->last, sizeof(s->last), "%s", text);
}

/* Loads of it, the oldest first: the one that was kept then had a signature (s), had none (u), or
 * none was kept (-); or a command that it decided (d). */
static void
judge(struct said *s, const char *loads)
{
	struct policy_loads l = {.say = on_said, .arg = s};

	*s = (struct said){0};
	for (; *loads; loads++) {
		struct audit_brief b = {.type = AUDIT_policy_load,
					.outcome = AUDIT_outcome_LOADED,
					.time = 1,
					.kept = *loads != '-',
					.new_digest = slice_of(digest, sizeof(digest))};

		if (*loads == 'd')
			b = (struct audit_brief){.type = AUDIT_command,
						 .policy = b.new_digest,
						 .time = 1};
		if (*loads == 's')
			b.kept_signed_by = slice_of(signer, sizeof(signer));
		policy_loads_record(&l, &b);
	}
	policy_loads_judge(&l, dir);
	policy_loads_fini(&l);
}

/* A log of a version that kept none verifies as it did. */
static void
what_the_verifier_says(void)
{
	struct buf plain = {0}, with = {0};
	struct said s;

	fresh_folder();
	envelope(&plain, false);
	envelope(&with, true);
	judge(&s, "--");
	CHECK_INT(s.n[VERIFY_INTACT], 1);
	CHECK_INT(s.n[VERIFY_TAMPERED] + s.n[VERIFY_INCOMPLETE], 0);
	CHECK(strstr(s.last, "1 of the policies") != NULL);
	judge(&s, "uu");
	CHECK_INT(s.n[VERIFY_INCOMPLETE], 1);
	CHECK_INT(s.n[VERIFY_TAMPERED] + s.n[VERIFY_INTACT], 0);
	judge(&s, "dd"); /* its load was pruned */
	CHECK_INT(s.n[VERIFY_INCOMPLETE], 1);
	CHECK(strstr(s.last, "was in force on") != NULL);
	judge(&s, "-dd");
	CHECK_INT(s.n[VERIFY_INCOMPLETE], 0);
	CHECK_INT(kept_put(dir, digest, buf_slice(&plain), &by), 0);
	judge(&s, "dd");
	CHECK_INT(s.n[VERIFY_TAMPERED] + s.n[VERIFY_INCOMPLETE] + s.n[VERIFY_INTACT], 0);
	judge(&s, "uu");
	CHECK_INT(s.n[VERIFY_TAMPERED] + s.n[VERIFY_INCOMPLETE] + s.n[VERIFY_INTACT], 0);
	judge(&s, "ss");
	CHECK_INT(s.n[VERIFY_TAMPERED], 1);
	judge(&s, "uus"); /* and none that it has got is gone */
	CHECK_INT(s.n[VERIFY_TAMPERED], 1);
	judge(&s, "su-"); /* it was damaged, and not signed when it was put right */
	CHECK_INT(s.n[VERIFY_TAMPERED], 0);
	/* What somebody signed before its load is on record, as a crash between leaves it. */
	CHECK_INT(kept_put(dir, digest, buf_slice(&with), &by), 0);
	judge(&s, "uu");
	CHECK_INT(s.n[VERIFY_TAMPERED] + s.n[VERIFY_INCOMPLETE] + s.n[VERIFY_INTACT], 0);
	signer[0] ^= 1;
	judge(&s, "ss");
	CHECK_INT(s.n[VERIFY_TAMPERED], 1);
	buf_fini(&plain);
	buf_fini(&with);
	gone();
}

TEST_MAIN(TEST(nothing_else_is_the_image_of_a_name), TEST(a_name_is_read_back),
	  TEST(a_good_one_stays_and_a_bad_one_goes), TEST(what_cannot_be_written_leaves_nothing),
	  TEST(a_fifo_is_not_waited_for),
	  TEST(what_the_verifier_says))
