/* SPDX-License-Identifier: MIT
 *
 * Attacks on the loader, each by its name: what somebody would do to an image that they can write
 * to but not sign. image_test.c has what a good image says and each refusal with its code.
 */
#include "base/cbor.h"
#include "compiler/compile.h"
#include "vm/exec.h"
#include "vm/image_format.h"

#include "tests/unit/test.h"

static const uint8_t owner[ED25519_SEED_LEN] = {1}, mallory[ED25519_SEED_LEN] = {2};
static const struct image_trust anything = {.allow_unsigned = true};
static uint8_t owner_public[1][ED25519_PUB_LEN];
static const struct image_trust owners = {.keys = owner_public, .n_keys = 1};

/* Key 2, the public key, key 3 and the signature, with the heads of all four. */
enum { SIGNATURE_TAIL = 1 + 2 + ED25519_PUB_LEN + 1 + 2 + ED25519_SIG_LEN };

/* Every kind of operand that code can have. */
static const char source[] =
	"policy s\n"
	"group g = idp \"a\"\n"
	"target t = postgres \"o*\"\n"
	"data d = column *.c.p\n"
	"allow r who g on t do sql.select\n"
	"hold h do sql.alter for 1 of g not self within 5m\n"
	"mask d with null when client.address in {10.0.0.0/8} and time.of-day < 12:00\n"
	"drop e of d when row.x = 1\n"
	"deny v when table matches /^a+(b|c)$/i\n"
	"deny u when sql.uses(d, join) or user.kind = agent\n";

static struct buf
build(const uint8_t *key, uint64_t counter)
{
	struct buf out = {0};
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct slice text = slice_str(source);
	struct compile_options options = {.seed = key, .counter = counter, .text = &text};

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	CHECK(compile_policy("s.weir", &arena, &q, &out, &options, NULL));
	diag_report(&q);
	arena_fini(&arena);
	return out;
}

/* What was taken must be sound all the same: run at each entry point, on nothing and on
 * something. */
static void
run_all(const struct image *img)
{
	const struct slice set[] = {SLICE_LIT("a"), SLICE_LIT("b")};
	const struct data_use use = {SLICE_LIT("s"), SLICE_LIT("c"), SLICE_LIT("p"), UINT16_MAX};
	const struct row_value row[VM_MAX_ROW_COLUMNS] = {{.known = true, .s = SLICE_LIT("1")}};
	struct facts f[2] = {{.uses_known = false},
			     {.uses = &use, .n_uses = 1, .uses_known = true, .row = row}};
	struct decision d;

	for (int i = 0; i < FACT_COUNT; i++) {
		enum type type = fact_info[i].type;

		if (type == TYPE_SET)
			facts_set(&f[1], (enum fact) i, set, 2);
		else if (type == TYPE_STRING)
			facts_string(&f[1], (enum fact) i, set[0]);
		else if (type == TYPE_ADDRESS)
			facts_address(&f[1], (enum fact) i, (const uint8_t[16]){0});
		else if (type == TYPE_BOOL)
			facts_bool(&f[1], (enum fact) i, true);
		else
			facts_int(&f[1], (enum fact) i, 0);
	}
	for (int e = 0; e < ENTRY_COUNT; e++)
		for (int k = 0; k < 2; k++) {
			vm_decide(img, (enum vm_entry) e, &f[k], &d);
			CHECK(d.ops <= img->entry[e].cost);
			for (int r = -1; (r = decision_next(&d, r)) >= 0;)
				CHECK((size_t) r < img->n_rules);
		}
}

/* The code of the refusal; IMAGE_OK when it loads, and then it runs. Memory stays in proportion:
 * an element of a list takes a byte of the file at least. */
static enum image_error_code
load(struct slice bytes, const struct image_trust *trust)
{
	struct image_error err;
	struct arena arena;
	struct image *img;

	arena_init(&arena, 0);
	img = image_load(&arena, bytes, trust, &err);
	CHECK((img != NULL) == (err.code == IMAGE_OK));
	CHECK(arena.used < (64 << 10) + 512 * bytes.n);
	if (img)
		run_all(img);
	arena_fini(&arena);
	return err.code;
}

static struct slice
body_of(const struct buf *file)
{
	struct cbor_reader r;

	cbor_reader_init(&r, buf_slice(file));
	CHECK_INT(cbor_get_map(&r, 4) >= 2, 1);
	(void) cbor_get_int(&r);
	(void) cbor_get_text(&r);
	(void) cbor_get_int(&r);
	return cbor_get_bytes(&r);
}

/* Loads an unsigned image whose body has `cut` bytes at `at` replaced by `with`. */
static enum image_error_code
load_patched(struct slice body, size_t at, size_t cut, struct slice with)
{
	struct buf b = {0}, file = {0};
	enum image_error_code code;

	buf_put_slice(&b, slice_of(body.p, at));
	buf_put_slice(&b, with);
	buf_put_slice(&b, slice_of(body.p + at + cut, body.n - at - cut));
	cbor_map(&file, 2);
	cbor_uint(&file, 0);
	cbor_text(&file, SLICE_LIT(IMAGE_MAGIC));
	cbor_uint(&file, 1);
	cbor_bytes(&file, buf_slice(&b));
	code = load(buf_slice(&file), &anything);
	buf_fini(&b);
	buf_fini(&file);
	return code;
}

static void
a_stripped_signature(void)
{
	struct buf b = build(owner, 9);

	REQUIRE(b.n > SIGNATURE_TAIL);
	CHECK_INT(load(buf_slice(&b), &owners), IMAGE_OK);
	CHECK_INT(b.p[0], 0xa4);
	b.p[0] = 0xa2;
	CHECK_INT(load(slice_of(b.p, b.n - SIGNATURE_TAIL), &owners), IMAGE_ERROR_UNSIGNED);
	CHECK_INT(load(buf_slice(&b), &owners), IMAGE_ERROR_UNSIGNED);
	/* Half of it: a key and no signature. */
	b.p[0] = 0xa3;
	CHECK_INT(load(slice_of(b.p, b.n - 3 - ED25519_SIG_LEN), &owners), IMAGE_ERROR_CBOR);
	buf_fini(&b);
}

static void
a_signature_of_another_image(void)
{
	struct buf a = build(owner, 9), b = build(owner, 10);

	REQUIRE(a.n == b.n);
	memcpy(a.p + a.n - SIGNATURE_TAIL, b.p + b.n - SIGNATURE_TAIL, SIGNATURE_TAIL);
	CHECK_INT(load(buf_slice(&a), &owners), IMAGE_ERROR_SIGNATURE);
	buf_fini(&a);
	buf_fini(&b);
}

static void
another_signer(void)
{
	struct buf a = build(owner, 9), b = build(mallory, 9);
	size_t at = b.n - SIGNATURE_TAIL + 3;

	CHECK_INT(load(buf_slice(&b), &owners), IMAGE_ERROR_SIGNER);
	/* ... who says to be the owner; and the owner's signature under another's name. */
	memcpy(b.p + at, owner_public[0], ED25519_PUB_LEN);
	CHECK_INT(load(buf_slice(&b), &owners), IMAGE_ERROR_SIGNATURE);
	ed25519_public(a.p + at, mallory);
	CHECK_INT(load(buf_slice(&a), &owners), IMAGE_ERROR_SIGNATURE);
	buf_fini(&a);
	buf_fini(&b);
}

static void
a_rollback(void)
{
	struct image_trust since = owners;
	struct buf b = build(owner, 9);
	struct slice body = body_of(&b);
	size_t at = 0;

	since.min_counter = 10;
	CHECK_INT(load(buf_slice(&b), &since), IMAGE_ERROR_COUNTER);
	/* Key and value of the counter, raised without the key. */
	while (body.p[at] != BODY_COUNTER || body.p[at + 1] != 9)
		REQUIRE(++at + 1 < body.n);
	b.p[(size_t) (body.p - b.p) + at + 1] = 10;
	CHECK_INT(load(buf_slice(&b), &since), IMAGE_ERROR_SIGNATURE);
	buf_fini(&b);
}

static void
every_length(void)
{
	struct buf b = build(owner, 9);

	for (size_t n = 0; n < b.n; n++) {
		struct slice cut = {memcpy(malloc(n + 1), b.p, n), n};

		CHECK(load(cut, &owners) != IMAGE_OK);
		CHECK(load(cut, &anything) != IMAGE_OK);
		free((void *) cut.p);
	}
	buf_fini(&b);
}

static void
every_bit(void)
{
	struct buf b = build(owner, 9), u = build(NULL, 9);
	size_t taken = 0;

	for (size_t i = 0; i < b.n * 8; i++) {
		b.p[i / 8] ^= (uint8_t) (1u << i % 8);
		CHECK(load(buf_slice(&b), &owners) != IMAGE_OK);
		b.p[i / 8] ^= (uint8_t) (1u << i % 8);
	}
	for (size_t i = 0; i < u.n * 8; i++) {
		u.p[i / 8] ^= (uint8_t) (1u << i % 8);
		taken += load(buf_slice(&u), &anything) == IMAGE_OK;
		u.p[i / 8] ^= (uint8_t) (1u << i % 8);
	}
	printf("# %zu bits signed, none taken; %zu bits unsigned, %zu taken and run\n", b.n * 8,
	       u.n * 8, taken);
	CHECK(taken > 0);
	buf_fini(&b);
	buf_fini(&u);
}

static void
another_format(void)
{
	struct buf u = build(NULL, 9);
	struct slice body = body_of(&u);

	for (uint8_t format = 0; format < 24; format++)
		CHECK_INT(load_patched(body, 2, 1, slice_of(&format, 1)),
			  format == IMAGE_FORMAT ? IMAGE_OK : IMAGE_ERROR_FORMAT);
	buf_fini(&u);
}

static void
keys_twice_or_missing(void)
{
	struct buf u = build(NULL, 9);
	struct slice body = body_of(&u);
	const uint8_t more = body.p[0] + 1, twice[] = {0, IMAGE_FORMAT, 0, IMAGE_FORMAT};

	CHECK_INT(load_patched(body, 1, 2, slice_of(twice, 4)), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, 1, 2, SLICE_LIT("")), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, 0, 1, slice_of(&more, 1)), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, 3, 1, SLICE_LIT("\0")), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, body.n, 0, SLICE_LIT("\0")), IMAGE_ERROR_CBOR);
	buf_fini(&u);
}

/* The same values, written otherwise: then one policy would have many digests. */
static void
another_spelling(void)
{
	static const uint8_t longer[] = {0x18, IMAGE_FORMAT}, longest[] = {0x19, 0, IMAGE_FORMAT};
	struct buf u = build(NULL, 9);
	struct slice body = body_of(&u);
	const uint8_t head[] = {0xb8, body.p[0] & 31};
	const uint8_t endless = 0xbf;

	CHECK_INT(load_patched(body, 2, 1, slice_of(longer, 2)), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, 2, 1, slice_of(longest, 3)), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, 0, 1, slice_of(head, 2)), IMAGE_ERROR_CBOR);
	CHECK_INT(load_patched(body, 0, 1, slice_of(&endless, 1)), IMAGE_ERROR_CBOR);
	buf_fini(&u);
}

/* Heads that promise more than there is, in place of each byte; load() looks at the memory. */
static void
oversized_counts(void)
{
	static const uint8_t heads[][9] = {
		{0x99, 0xff, 0xff}, {0x9a, 0xff, 0xff, 0xff, 0xff},
		{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0x9b, 0x10, 0, 0, 0, 0, 0, 0, 1}, {0x5a, 0xff, 0xff, 0xff, 0xff},
		{0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0xba, 0xff, 0xff, 0xff, 0xff},
	};
	struct buf u = build(NULL, 9);
	struct slice body = body_of(&u);

	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		size_t n = 1 + (1u << ((heads[i][0] & 31) - 24));

		for (size_t at = 0; at < body.n; at++)
			(void) load_patched(body, at, 1, slice_of(heads[i], n));
		CHECK_INT(load_patched(body, 0, 1, slice_of(heads[i], n)), IMAGE_ERROR_CBOR);
	}
	buf_fini(&u);
}

/* The table of a regular expression is followed without checks: none may lead out of it. */
static void
an_automaton_that_leads_outside(void)
{
	static const char text[] = "/^a+(b|c)$/i";
	const uint8_t far[] = {0xff, 0xff}, two = 2, less = 0x57;
	struct buf u = build(NULL, 9);
	struct slice body = body_of(&u);
	size_t n = sizeof(text) - 1, at = 0, classes, table, accepts;

	/* It is in the source of the policy as well, where no array follows. */
	while (memcmp(body.p + at, text, n) != 0 || body.p[at + n] != 0x83)
		REQUIRE(++at + n + 300 < body.n);
	at += n;
	classes = at + 4;
	table = classes + 256 + 2;
	accepts = table + body.p[table - 1] + 1;
	REQUIRE(body.p[at + 1] == 0x59 && body.p[table - 2] == 0x58);
	REQUIRE(body.p[accepts - 1] == 0x44); /* four states */
	CHECK_INT(load_patched(body, classes, 0, SLICE_LIT("")), IMAGE_OK);
	CHECK_INT(load_patched(body, classes, 1, slice_of(far, 1)), IMAGE_ERROR_VALUE);
	CHECK_INT(load_patched(body, table, 2, slice_of(far, 2)), IMAGE_ERROR_VALUE);
	CHECK_INT(load_patched(body, table + 1, 1, slice_of("\4", 1)), IMAGE_ERROR_VALUE);
	CHECK_INT(load_patched(body, accepts, 1, slice_of(&two, 1)), IMAGE_ERROR_VALUE);
	/* A state less than the table has. */
	CHECK_INT(load_patched(body, accepts - 1, 2, SLICE_LIT("\x43")), IMAGE_ERROR_VALUE);
	CHECK_INT(load_patched(body, accepts - 1, 5, SLICE_LIT("\x40")), IMAGE_ERROR_VALUE);
	CHECK(load_patched(body, table - 2, 1, slice_of(&less, 1)) != IMAGE_OK);
	buf_fini(&u);
}

int
main(void)
{
	static const struct test_case tests[] = {
		TEST(a_stripped_signature),
		TEST(a_signature_of_another_image),
		TEST(another_signer),
		TEST(a_rollback),
		TEST(every_length),
		TEST(every_bit),
		TEST(another_format),
		TEST(keys_twice_or_missing),
		TEST(another_spelling),
		TEST(oversized_counts),
		TEST(an_automaton_that_leads_outside),
	};

	ed25519_public(owner_public[0], owner);
	return test_run(tests, COUNT_OF(tests));
}
