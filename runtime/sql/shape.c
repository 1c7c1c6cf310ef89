/* SPDX-License-Identifier: MIT
 *
 * The shape: per token one kind byte (below 0x20, so that nothing else starts with it), then its
 * folded text when the text is part of the shape. Names and operators hold no byte below 0x20 and
 * end at the next kind byte; quoted forms carry their length. So equal bytes mean equal tokens.
 */
#include "sql/shape.h"

#include "base/crypto.h"
#include "sql/lex.h"

#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NAME_MAX_BYTES = 63, MERGED = 0x1e, VERBATIM = 0x1f };
static_assert((int)SQL_TOK_ERROR < (int)MERGED, "kinds and modes are distinct bytes below 0x20");

static uint8_t secret[XXH3_SECRET_DEFAULT_SIZE];

void
sql_shape_init(void)
{
	uint8_t zero[8] = {0};

	if (memcmp(secret, zero, sizeof(zero)) == 0)
		random_bytes(secret, sizeof(secret));
}

uint64_t
sql_shape_seed(void)
{
	uint64_t v;

	memcpy(&v, secret + sizeof(secret) - sizeof(v), sizeof(v));
	return v;
}

struct sql_token
sql_token_next(struct slice text, uint32_t *at)
{
	const uint8_t *start, *end = text.p + *at;
	enum sql_token_kind kind = sql_lex(&start, &end);

	/* A NUL inside the text ends the scan early: that is no end. */
	if (kind == SQL_TOK_END && start != text.p + text.n)
		kind = SQL_TOK_ERROR;
	*at = (uint32_t)(end - text.p);
	return (struct sql_token){kind, (uint32_t)(start - text.p), (uint32_t)(end - start)};
}

bool
sql_token_find(struct slice text, uint32_t ordinal, struct sql_token *out)
{
	uint32_t at = 0;

	for (;;) {
		*out = sql_token_next(text, &at);
		if (out->kind == SQL_TOK_END || out->kind == SQL_TOK_ERROR)
			return false;
		if (ordinal-- == 0)
			return true;
	}
}

/* Copies n bytes with A-Z made lower case, eight at a time. The server folds no other byte of
 * UTF-8. */
static uint8_t *
put_folded(uint8_t *o, const uint8_t *s, size_t n)
{
	const uint64_t ones = 0x0101010101010101ull;

	for (; n >= 8; n -= 8, s += 8, o += 8) {
		uint64_t w, low, up;

		memcpy(&w, s, 8);
		low = w & (ones * 0x7f);
		up = (low + ones * (0x80 - 'A')) & ~(low + ones * (0x80 - 'Z' - 1)) & ~w &
		     (ones * 0x80);
		w |= up >> 2;
		memcpy(o, &w, 8);
	}
	for (; n; n--, s++, o++)
		*o = *s >= 'A' && *s <= 'Z' ? (uint8_t)(*s | 0x20) : *s;
	return o;
}

static uint8_t *
put_counted(uint8_t *o, const uint8_t *s, size_t n)
{
	if (n < 0xff) {
		*o++ = (uint8_t)n;
	} else {
		uint32_t n32 = (uint32_t)n;

		*o++ = 0xff;
		memcpy(o, &n32, 4);
		o += 4;
	}
	memcpy(o, s, n);
	return o + n;
}

/* Statements in which a literal can be nothing but a value. */
static bool
plain_start(const uint8_t *s, size_t n)
{
	static const char *const words[] = {"select", "insert", "update", "delete",
					    "values", "table",	"with"};
	uint8_t low[8];

	if (n > 6)
		return false;
	put_folded(low, s, n);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i]) == n && memcmp(words[i], low, n) == 0)
			return true;
	}
	return false;
}

struct walk {
	uint8_t *o;
	uint32_t depth, max_depth;
	bool at_start; /* nothing but brackets since the last semicolon */
	bool verbatim;
};

static enum sql_shape_status
punctuation(struct walk *w, uint8_t c)
{
	if (c == '(' || c == '[') {
		if (++w->depth > w->max_depth)
			return SQL_SHAPE_DEEP;
	} else if (c == ')' || c == ']') {
		if (w->depth)
			w->depth--;
	} else if (c == ';') {
		w->at_start = true;
		w->depth = 0;
		return SQL_SHAPE_OK;
	}
	if (c != '(')
		w->at_start = false;
	return SQL_SHAPE_OK;
}

static void
parameter(struct walk *w, struct sql_shape *out, const uint8_t *start, size_t n)
{
	uint32_t v = 0;

	for (size_t i = 1; i < n; i++)
		v = v * 10 + (uint32_t)(start[i] - '0');
	if (v > out->max_param)
		out->max_param = v;
	memcpy(w->o, start + 1, n - 1);
	w->o += n - 1;
	w->at_start = false;
}

/* One pass over the text. False when it must be made again with literals verbatim. */
static bool
pass(struct slice text, struct walk *w, struct sql_shape *out)
{
	const uint8_t *start, *end = text.p;

	*w->o++ = w->verbatim ? VERBATIM : MERGED;
	for (;;) {
		enum sql_token_kind kind = sql_lex(&start, &end);
		size_t n = (size_t)(end - start);

		*w->o++ = (uint8_t)kind;
		switch (kind) {
		case SQL_TOK_IDENT:
			if (w->at_start && !w->verbatim && !plain_start(start, n))
				return false;
			w->at_start = false;
			if (n > NAME_MAX_BYTES)
				out->unusual = true;
			w->o = put_folded(w->o, start, n);
			break;
		case SQL_TOK_SELF:
			out->status = punctuation(w, *start);
			if (out->status != SQL_SHAPE_OK)
				return true;
			*w->o++ = *start;
			break;
		case SQL_TOK_OP:
			memcpy(w->o, start, n);
			w->o += n;
			w->at_start = false;
			break;
		case SQL_TOK_PARAM:
			parameter(w, out, start, n);
			break;
		case SQL_TOK_UIDENT:
		case SQL_TOK_USCONST:
			if (!w->verbatim)
				return false;
			out->unusual = true;
			/* fallthrough */
		case SQL_TOK_QIDENT:
			w->o = put_counted(w->o, start, n);
			w->at_start = false;
			break;
		case SQL_TOK_ICONST:
		case SQL_TOK_FCONST:
		case SQL_TOK_SCONST:
		case SQL_TOK_BCONST:
		case SQL_TOK_XCONST:
			out->n_literals++;
			if (w->verbatim)
				w->o = put_counted(w->o, start, n);
			w->at_start = false;
			break;
		case SQL_TOK_NCHAR:
			break;
		case SQL_TOK_END:
			if (start == text.p + text.n) {
				w->o--;
				return true;
			}
			/* A NUL inside the text. */
			/* fallthrough */
		case SQL_TOK_ERROR:
			out->status = SQL_SHAPE_ERROR;
			out->error_at = (uint32_t)(start - text.p);
			return true;
		}
		out->n_tokens++;
	}
}

void
sql_shape(struct slice text, uint32_t max_bytes, uint32_t max_depth, struct buf *scratch,
	  struct sql_shape *out)
{
	uint8_t *o;
	XXH128_hash_t h;
	bool verbatim = false;

	buf_reset(scratch);
	for (;;) {
		struct walk w = {.max_depth = max_depth, .at_start = true, .verbatim = verbatim};

		*out = (struct sql_shape){.verbatim = verbatim};
		if (text.n > max_bytes || text.n > (1u << 30)) {
			out->status = SQL_SHAPE_LONG;
			return;
		}
		assert(text.p && text.p[text.n] == 0);
		/* Worst case: a one-byte literal kept verbatim takes kind, length, byte. */
		o = buf_reserve(scratch, 3 * text.n + 32);
		if (!o) {
			out->status = SQL_SHAPE_MEMORY;
			return;
		}
		w.o = o;
		if (pass(text, &w, out)) {
			scratch->n = (size_t)(w.o - o);
			break;
		}
		verbatim = true;
	}
	out->bytes = slice_of(o, scratch->n);
	if (out->status != SQL_SHAPE_OK)
		return;
	h = XXH3_128bits_withSecret(o, scratch->n, secret, sizeof(secret));
	out->hash[0] = h.low64;
	out->hash[1] = h.high64;
}

/* Table 3-7 of the Unicode standard: well-formed byte sequences. */
static size_t
utf8_length(const uint8_t *s, size_t n)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t len;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

enum sql_text_status
sql_text_ok(struct slice text, uint32_t *at)
{
	const uint64_t ones = 0x0101010101010101ull;
	size_t i = 0;

	while (i < text.n) {
		uint64_t w;
		size_t len;

		if (text.n - i >= 8) {
			memcpy(&w, text.p + i, 8);
			if (!(w & (ones << 7)) && !((w - ones) & ~w & (ones << 7))) {
				i += 8;
				continue;
			}
		}
		if (text.p[i] == 0) {
			*at = (uint32_t)i;
			return SQL_TEXT_NUL;
		}
		len = text.p[i] < 0x80 ? 1 : utf8_length(text.p + i, text.n - i);
		if (!len) {
			*at = (uint32_t)i;
			return SQL_TEXT_UTF8;
		}
		i += len;
	}
	return SQL_TEXT_OK;
}
