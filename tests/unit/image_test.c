/* SPDX-License-Identifier: MIT
 *
 * Images as files: what a good one says, signatures, trust, and hostile ones: each refusal of the
 * loader with its code, every single byte changed, every length cut off. The refusals of code are
 * in vm_test.c.
 */
#include "base/cbor.h"
#include "compiler/compile.h"
#include "vm/exec.h"
#include "vm/image_format.h"

#include "tests/unit/test.h"

static const char source[] =
	"policy small \"A small one\"\n"
	"group agents = idp \"ai-agents\"\n"
	"target orders = postgres \"orders*\"\n"
	"data card = column payments.cards.pan\n"
	"allow read \"reading\" who agents on orders do sql.select\n"
	"deny drop do sql.drop\n"
	"hold wait do sql.alter for 1 of agents not self within 5m once reason required\n"
	"mask card with last(4) allowing derived, lookup, aggregates over 20\n"
	"  unless client.address in {10.0.0.0/8} and time.of-day < 12:00\n"
	"deny probing when sql.uses(card, join) or user.kind = agent\n"
	"record all with parameters, strict\n"
	"notify all-of-it to oncall do sql.select\n"
	"shadow deny text when sql.text matches \"*x*\"\n";

static const char detecting[] =
	"policy detecting\n"
	"data card  = column payments.cards.pan\n"
	"data found = values like private-key, values like email\n"
	"data gone  = column a.b\n"
	"allow read do sql.select\n"
	"mask found with null\n"
	"drop away of gone\n";
static const char *text_of = source;

static const uint8_t seed[ED25519_SEED_LEN] = {1, 2, 3};
static const struct image_trust anything = {.allow_unsigned = true};

static bool
build_image(struct buf *out, const uint8_t *key, uint64_t counter)
{
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct slice text = slice_str(text_of);
	struct compile_options options = {
		.seed = key, .counter = counter, .n_tests = 3, .text = &text};
	bool good;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	good = compile_policy("dir/small.weir", &arena, &q, out, &options, NULL);
	diag_report(&q);
	arena_fini(&arena);
	return good;
}

/* The code of the refusal; IMAGE_OK when it loads. */
static enum image_error_code
load(struct slice bytes, const struct image_trust *trust)
{
	struct image_error err;
	struct arena arena;
	struct image *img;
	enum image_error_code code;

	arena_init(&arena, 0);
	img = image_load(&arena, bytes, trust, &err);
	code = err.code;
	CHECK((img != NULL) == (code == IMAGE_OK));
	CHECK(img || strncmp(err.text, image_error_name(code), 5) == 0);
	arena_fini(&arena);
	return code;
}

static void
a_good_image(void)
{
	struct image_error err;
	struct arena arena;
	struct buf b = {0};
	struct image *img;

	REQUIRE(build_image(&b, seed, 9));
	arena_init(&arena, 0);
	img = image_load(&arena, buf_slice(&b), &(struct image_trust){0}, &err);
	REQUIRE(img);
	CHECK_SLICE(img->policy, "small");
	CHECK_SLICE(img->title, "A small one");
	CHECK_INT(img->counter, 9);
	CHECK_INT(img->n_tests, 3);
	CHECK_INT(img->n_rules, 8);
	CHECK(img->is_signed);
	CHECK(!img->default_allow);
	CHECK_SLICE(img->files[0].name, "small.weir");
	CHECK_SLICE(img->files[0].text, source);
	CHECK_SLICE(img->rules[0].name, "read");
	CHECK_SLICE(img->rules[0].sentence, "reading");
	CHECK_INT(img->rules[0].span.line, 5);
	CHECK_INT(img->rules[0].span.column, 7);
	CHECK_INT(img->rules[0].span.length, 4);
	CHECK_INT(img->rules[2].hold.within_s, 300);
	CHECK_INT(img->rules[2].hold.n_needs, 1);
	CHECK(img->rules[2].hold.not_self && img->rules[2].hold.once && img->rules[2].hold.reason);
	CHECK(!img->rules[2].hold.ticket);
	CHECK_INT(img->rules[3].mask.kernel, MASK_LAST);
	CHECK_INT(img->rules[3].mask.count, 4);
	CHECK(img->rules[3].mask.modes.derived && img->rules[3].mask.modes.lookup);
	CHECK_INT(img->rules[3].mask.modes.over, 20);
	CHECK_INT(image_group_find(img, SLICE_LIT("agents")), 0);
	CHECK_INT(image_group_find(img, SLICE_LIT("ai-agents")), -1);
	CHECK_INT(image_rule_find(img, SLICE_LIT("probing")), 4);
	CHECK_SLICE(img->rules[6].channel, "oncall");
	CHECK_INT(img->rules[5].recorded, RECORDED_BIT(PARAMETERS) | RECORDED_BIT(STRICT));
	CHECK(img->rules[7].shadow && !img->rules[5].shadow && img->has_records);
	CHECK_SLICE(img->targets[0].pattern, "orders*");
	CHECK(img->entry[ENTRY_COMMAND].stable);
	CHECK(img->entry[ENTRY_COMMAND].uses);
	CHECK(!img->entry[ENTRY_RESULT].stable); /* reads the time of day */
	CHECK_INT(img->entry[ENTRY_ROW].cost, 1);
	CHECK(image_data_matches(img, 0, SLICE_LIT("payments"), SLICE_LIT("cards"),
				 SLICE_LIT("pan")));
	CHECK(image_data_matches(img, 0, SLICE_LIT("payments"), SLICE_LIT(""), SLICE_LIT("pan")));
	CHECK(!image_data_matches(img, 0, SLICE_LIT("x"), SLICE_LIT("cards"), SLICE_LIT("pan")));
	arena_fini(&arena);
	buf_fini(&b);
}

static void
trust(void)
{
	uint8_t keys[2][ED25519_PUB_LEN] = {{0}};
	struct image_trust t = {.keys = keys, .n_keys = 1};
	struct buf is_signed = {0}, is_not = {0};

	REQUIRE(build_image(&is_signed, seed, 9) && build_image(&is_not, NULL, 0));
	CHECK_INT(load(buf_slice(&is_not), &anything), IMAGE_OK);
	/* V0105 */
	CHECK_INT(load(buf_slice(&is_not), &(struct image_trust){0}), IMAGE_ERROR_UNSIGNED);
	/* V0107 */
	CHECK_INT(load(buf_slice(&is_signed), &t), IMAGE_ERROR_SIGNER);
	ed25519_public(keys[1], seed);
	t.n_keys = 2;
	CHECK_INT(load(buf_slice(&is_signed), &t), IMAGE_OK);
	t.min_counter = 9;
	CHECK_INT(load(buf_slice(&is_signed), &t), IMAGE_OK);
	t.min_counter = 10;
	CHECK_INT(load(buf_slice(&is_signed), &t), IMAGE_ERROR_COUNTER); /* V0108 */
	buf_fini(&is_signed);
	buf_fini(&is_not);
}

/* In a signed image no byte can be changed; in an unsigned one nothing but a refusal or another
 * sound image may come of it. */
static void
every_byte(void)
{
	struct buf b = {0}, u = {0};

	REQUIRE(build_image(&b, seed, 9) && build_image(&u, NULL, 0));
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 0x21;
		CHECK(load(buf_slice(&b), &(struct image_trust){0}) != IMAGE_OK);
		b.p[i] ^= 0x21;
	}
	CHECK_INT(load(buf_slice(&b), &(struct image_trust){0}), IMAGE_OK);
	for (size_t i = 0; i < u.n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			u.p[i] ^= (uint8_t) (1u << bit);
			(void) load(buf_slice(&u), &anything);
			u.p[i] ^= (uint8_t) (1u << bit);
		}
	for (size_t n = 0; n < u.n; n++)
		CHECK(load(slice_of(u.p, n), &anything) != IMAGE_OK);
	buf_putc(&u, 0);
	CHECK_INT(load(buf_slice(&u), &anything), IMAGE_ERROR_CBOR); /* V0103 */
	buf_fini(&b);
	buf_fini(&u);
}

/* Replaces the first `from` (found in the file) by `to` of the same length, and loads. */
static enum image_error_code
with(const char *from, const char *to)
{
	size_t n = strlen(from);
	enum image_error_code code;
	struct buf u = {0};
	uint8_t *at;

	assert(n == strlen(to));
	if (!build_image(&u, NULL, 0))
		return IMAGE_OK;
	/* The last occurrence: the source text stands before the tables. */
	for (at = u.p + u.n - n; memcmp(at, from, n) != 0; at--)
		assert(at > u.p);
	memcpy(at, to, n);
	code = load(buf_slice(&u), &anything);
	buf_fini(&u);
	return code;
}

static void
hostile(void)
{
	uint8_t *big = calloc(1, IMAGE_MAX_BYTES + 1);

	CHECK_INT(load(SLICE_LIT(""), &anything), IMAGE_ERROR_NOT_IMAGE); /* V0101 */
	CHECK_INT(load(slice_str(source), &anything), IMAGE_ERROR_NOT_IMAGE);
	/* V0102 */
	CHECK_INT(load(slice_of(big, IMAGE_MAX_BYTES + 1), &anything), IMAGE_ERROR_TOO_BIG);
	CHECK_INT(with("action-in", "action-on"), IMAGE_ERROR_NAME);		/* V0109 */
	CHECK_INT(with("client.address", "client.addresX"), IMAGE_ERROR_NAME);
	CHECK_INT(with("sql.alter", "sql.altar"), IMAGE_ERROR_NAME);
	CHECK_INT(with("sql.alter", "sql.admin"), IMAGE_ERROR_VALUE); /* V0110: no leaf */
	CHECK_INT(with("reading", "reAding"), IMAGE_OK); /* unsigned: a sentence may say anything */
	free(big);
}

/* Detectors by name, and in no rule that goes by rows. */
static void
detectors(void)
{
	static const uint8_t gone[] = {0x81, 2};
	struct buf u = {0};
	size_t at;

	text_of = detecting;
	CHECK_INT(with("private-key", "private-kez"), IMAGE_ERROR_NAME);
	REQUIRE(build_image(&u, NULL, 0));
	for (at = u.n - 4; memcmp(u.p + at, "away", 4) != 0; at--)
		REQUIRE(at > 0);
	for (; memcmp(u.p + at, gone, sizeof(gone)) != 0; at++)
		REQUIRE(at < u.n - 2);
	u.p[at + 1] = 1; /* drop of what is found */
	CHECK_INT(load(buf_slice(&u), &anything), IMAGE_ERROR_VALUE);
	u.p[at + 1] = 0;
	CHECK_INT(load(buf_slice(&u), &anything), IMAGE_OK);
	buf_fini(&u);
	text_of = source;
}

/* A body of a later format, and one whose text is not what the digest says. */
static void
format_and_source(void)
{
	struct buf u = {0};
	size_t at = 0;

	REQUIRE(build_image(&u, NULL, 0));
	/* The body's map head, its first key 0 and the format. */
	while (at + 3 < u.n && !(u.p[at] == (0xa0 | BODY_KEYS) && u.p[at + 1] == 0))
		at++;
	REQUIRE(u.p[at + 2] == IMAGE_FORMAT);
	u.p[at + 2] = IMAGE_FORMAT + 1;
	CHECK_INT(load(buf_slice(&u), &anything), IMAGE_ERROR_FORMAT); /* V0104 */
	u.p[at + 2] = IMAGE_FORMAT;
	for (at = 0; memcmp(u.p + at, "A small one\"\n", 13) != 0; at++)
		REQUIRE(at + 13 < u.n);
	u.p[at] = 'B';
	CHECK_INT(load(buf_slice(&u), &anything), IMAGE_ERROR_SOURCE); /* V0111 */
	buf_fini(&u);
	REQUIRE(build_image(&u, seed, 1));
	u.p[u.n - 1] ^= 1;
	CHECK_INT(load(buf_slice(&u), &anything), IMAGE_ERROR_SIGNATURE); /* V0106 */
	buf_fini(&u);
}

TEST_MAIN(TEST(a_good_image), TEST(trust), TEST(every_byte), TEST(hostile), TEST(detectors),
	  TEST(format_and_source))
