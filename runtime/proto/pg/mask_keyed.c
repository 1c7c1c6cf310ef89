/* SPDX-License-Identifier: MIT
 *
 * hash and pseudonym: keyed, deterministic.
 *
 * A pseudonym is a permutation of the values of one shape, so that equal values stay equal and
 * different ones different: the letters and digits of the value are the symbols of a Feistel
 * network (after FF1, NIST SP 800-38G: halves, and modular addition of a keyed function of the
 * other half) in which each symbol is added modulo the size of its own class. Classes: digits,
 * lower and upper case ASCII letters; other characters are mapped to letters of their own UTF-8
 * length, and there two values may meet. Punctuation and white space stay; a value with nothing
 * else becomes '*'. Above FEISTEL_MAX symbols a key stream seeded by the whole value is added
 * instead.
 *
 * Numbers keep sign, number of digits and scale. A small domain (a digit, a letter) hides little:
 * anyone who sees enough pairs has its table.
 */
#include "proto/pg/mask_kernels.h"

#include "base/endian.h"
#include "base/secret.h"

enum { FEISTEL_MAX = 256, FEISTEL_ROUNDS = 8, STREAM_SYMBOLS = SHA256_LEN / 2 };
enum { WALK_MAX = 1000 }; /* cycle walking takes 8 steps on average at worst */

struct symbols {
	size_t n;
	uint16_t value[FEISTEL_MAX], radix[FEISTEL_MAX];
};

void
mask_key_init(struct mask_key *k, struct slice key)
{
	uint8_t block[64] = {0};

	if (key.n > sizeof(block))
		sha256(block, key);
	else if (key.n)
		memcpy(block, key.p, key.n);
	for (size_t i = 0; i < sizeof(block); i++) {
		k->inner[i] = block[i] ^ 0x36;
		k->outer[i] = block[i] ^ 0x5c;
	}
	secret_wipe(block, sizeof(block));
}

/* HMAC-SHA-256 of the concatenation of two slices; no allocation, unlike OpenSSL's one-shot. */
static void
keyed(const struct mask_key *k, struct slice a, struct slice b, uint8_t out[SHA256_LEN])
{
	struct slice parts[3] = {slice_of(k->inner, sizeof(k->inner)), a, b};

	sha256v(out, parts, 3);
	parts[0] = slice_of(k->outer, sizeof(k->outer));
	parts[1] = slice_of(out, SHA256_LEN);
	sha256v(out, parts, 2);
}

/* ---- hash ------------------------------------------------------------------------------- */

void
mask_hash_text(const struct mask_op *op, struct slice in, struct buf *out)
{
	uint8_t h[SHA256_LEN];
	size_t at = out->n, n = 2 * SHA256_LEN;

	keyed(op->mask->key, slice_of(in.p, mask_unpadded(op, in.p, in.n)), SLICE_LIT(""), h);
	hex_put(out, slice_of(h, SHA256_LEN));
	if (out->failed)
		return;
	if (op->limit && op->limit < n)
		out->n = at + op->limit;
	for (; op->type == MT_BPCHAR && n < op->limit; n++)
		buf_putc(out, ' ');
}

void
mask_hash_bytea(const struct mask_op *op, struct slice in, struct buf *out)
{
	uint8_t h[SHA256_LEN];
	size_t at = out->n;

	/* Text in hex format is hashed as the bytes it stands for, so that both formats agree. */
	if (op->format == 0 && in.n >= 2 && memcmp(in.p, "\\x", 2) == 0 &&
	    hex_get(out, slice_of(in.p + 2, in.n - 2)))
		in = slice_of(out->p + at, out->n - at);
	keyed(op->mask->key, in, SLICE_LIT(""), h);
	out->n = at;
	if (op->format == 1) {
		buf_put(out, h, sizeof(h));
		return;
	}
	buf_puts(out, "\\x");
	hex_put(out, slice_of(h, sizeof(h)));
}

bool
mask_uuid(const struct mask_op *op, uint8_t *p, size_t n)
{
	uint8_t id[16], h[SHA256_LEN];

	if (op->format == 1 && n == 16)
		memcpy(id, p, 16);
	else if (op->format != 0 || !mask_uuid_get(p, n, id))
		return false;
	keyed(op->mask->key, SLICE_LIT("uuid"), slice_of(id, 16), h);
	h[6] = (uint8_t) ((h[6] & 0x0f) | 0x40); /* version 4, variant 1 (RFC 9562) */
	h[8] = (uint8_t) ((h[8] & 0x3f) | 0x80);
	if (op->format == 1)
		memcpy(p, h, 16);
	else
		mask_uuid_put(h, p);
	return true;
}

/* ---- the network ------------------------------------------------------------------------ */

/* Adds to target[0..n) a keyed function of the other half. */
static void
feistel_round(const struct mask_key *k, char domain, uint8_t round, struct symbols *s,
	      size_t target, size_t n, size_t other, size_t n_other)
{
	uint8_t h[SHA256_LEN] = {0};
	uint8_t head[6] = {(uint8_t) domain, round, 0, (uint8_t) n, (uint8_t) (n >> 8), 0};

	for (size_t i = 0; i < n; i++) {
		size_t at = i % STREAM_SYMBOLS;
		uint32_t v;

		if (at == 0) {
			head[2] = (uint8_t) (i / STREAM_SYMBOLS);
			keyed(k, slice_of(head, sizeof(head)),
			      slice_of(s->value + other, n_other * sizeof(s->value[0])), h);
		}
		v = s->value[target + i] + (uint32_t) get_le16(h + 2 * at);
		s->value[target + i] = (uint16_t) (v % s->radix[target + i]);
	}
}

/* A permutation of all symbol strings with these radixes. */
static void
feistel(const struct mask_key *k, char domain, struct symbols *s)
{
	size_t half = s->n / 2;

	for (uint8_t r = 0; r < FEISTEL_ROUNDS; r++) {
		if (r % 2 == 0)
			feistel_round(k, domain, r, s, half, s->n - half, 0, half);
		else
			feistel_round(k, domain, r, s, 0, half, half, s->n - half);
	}
}

/* ---- text ------------------------------------------------------------------------------- */

struct class {
	uint32_t base;
	uint16_t radix; /* 0: stays */
};

/* The class of a valid character of len bytes. */
static struct class
class_of(uint8_t c, size_t len)
{
	switch (len) {
	case 1:
		if (c >= '0' && c <= '9')
			return (struct class){'0', 10};
		if (c >= 'a' && c <= 'z')
			return (struct class){'a', 26};
		if (c >= 'A' && c <= 'Z')
			return (struct class){'A', 26};
		return (struct class){0, 0};
	case 2:
		return (struct class){0x100, 128}; /* Latin Extended-A */
	case 3:
		return (struct class){0x4e00, 20992}; /* CJK unified ideographs */
	default:
		return (struct class){0x20000, 42720}; /* their extension B */
	}
}

static uint32_t
utf8_get(const uint8_t *p, size_t len)
{
	uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static void
utf8_put(uint8_t *p, size_t len, uint32_t c)
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		p[i] = (uint8_t) (0x80 | (c & 0x3f));
	p[0] = (uint8_t) (lead[len] | c);
}

/* Calls for each symbol of the text; bytes that are not UTF-8 become '*'. */
struct walk {
	uint8_t *p;
	size_t n, i, len;
	struct class class;
};

static bool
walk_next(struct walk *w)
{
	for (w->i += w->len; w->i < w->n; w->i += w->len) {
		w->len = mask_utf8_len(w->p + w->i, w->n - w->i);
		if (w->len == 0) {
			w->p[w->i] = '*';
			w->len = 1;
			continue;
		}
		w->class = class_of(w->p[w->i], w->len);
		if (w->class.radix)
			return true;
	}
	return false;
}

static uint16_t
walk_get(const struct walk *w)
{
	uint32_t c = utf8_get(w->p + w->i, w->len), r = w->class.radix;

	return (uint16_t) ((c + r - w->class.base % r) % r);
}

/* More symbols than the network takes: adds a stream that depends on the whole value. */
static void
pseudonym_long(const struct mask_key *k, uint8_t *p, size_t n)
{
	struct walk w = {.p = p, .n = n};
	uint8_t seed[SHA256_LEN + 8], h[SHA256_LEN] = {0};

	keyed(k, SLICE_LIT("long"), slice_of(p, n), seed);
	for (uint64_t i = 0; walk_next(&w); i++) {
		size_t at = i % STREAM_SYMBOLS;

		if (at == 0) {
			put_le64(seed + SHA256_LEN, i / STREAM_SYMBOLS);
			sha256(h, slice_of(seed, sizeof(seed)));
		}
		utf8_put(p + w.i, w.len,
			 w.class.base + (walk_get(&w) + (uint32_t) get_le16(h + 2 * at)) %
						w.class.radix);
	}
}

void
mask_pseudonym_text(const struct mask_key *k, uint8_t *p, size_t n)
{
	struct walk w = {.p = p, .n = n};
	struct symbols s;

	for (s.n = 0; walk_next(&w); s.n++) {
		if (s.n == FEISTEL_MAX) {
			pseudonym_long(k, p, n);
			return;
		}
		s.value[s.n] = walk_get(&w);
		s.radix[s.n] = w.class.radix;
	}
	if (s.n == 0) {
		memset(p, '*', n);
		return;
	}
	feistel(k, 't', &s);
	w = (struct walk){.p = p, .n = n};
	for (size_t i = 0; walk_next(&w); i++)
		utf8_put(p + w.i, w.len, w.class.base + s.value[i]);
}

/* ---- numbers ---------------------------------------------------------------------------- */

/* Digits without a sign; the first of several is never 0, before or after. */
static void
pseudonym_digits(const struct mask_key *k, char domain, uint8_t *p, size_t n)
{
	struct symbols s = {.n = n};
	uint16_t low = n > 1;

	assert(n <= FEISTEL_MAX);
	for (size_t i = 0; i < n; i++) {
		uint16_t first = i == 0 ? low : 0;

		s.value[i] = (uint16_t) (p[i] - '0' - first);
		s.radix[i] = (uint16_t) (10 - first);
	}
	feistel(k, domain, &s);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t) ('0' + s.value[i] + (i == 0 ? low : 0));
}

static bool
digits_get(const uint8_t *p, size_t n, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*v = *v * 10 + (uint64_t) (p[i] - '0');
	}
	return n > 0 && n <= 19 && (n == 1 || p[0] != '0');
}

static size_t
digits_put(uint8_t out[20], uint64_t v)
{
	size_t n = 1, i;

	for (uint64_t t = v; t >= 10; t /= 10)
		n++;
	for (i = n; i > 0; v /= 10)
		out[--i] = (uint8_t) ('0' + v % 10);
	return n;
}

/* Permutes the numbers of as many digits that the type holds: what falls outside is permuted again
 * until it falls inside (cycle walking), which keeps it a permutation. */
static bool
pseudonym_magnitude(const struct mask_key *k, bool negative, uint8_t *p, size_t n, uint64_t max)
{
	uint8_t d[20];
	uint64_t v;

	memcpy(d, p, n);
	for (int i = 0; i < WALK_MAX; i++) {
		pseudonym_digits(k, negative ? 'm' : 'i', d, n);
		/* 19 digits fit 64 bits: the first is at most 9 */
		if (digits_get(d, n, &v) && v <= max) {
			memcpy(p, d, n);
			return true;
		}
	}
	return false;
}

static uint64_t
int_max(uint8_t type)
{
	return type == MT_INT2 ? INT16_MAX : type == MT_INT4 ? INT32_MAX : INT64_MAX;
}

static bool
pseudonym_int_binary(const struct mask_op *op, uint8_t *p, size_t n)
{
	uint64_t max = int_max(op->type), v;
	int64_t i = n == 2 ? (int16_t) get_be16(p) : n == 4 ? (int32_t) get_be32(p)
							    : (int64_t) get_be64(p);
	uint8_t d[20];
	size_t nd = digits_put(d, i < 0 ? 0 - (uint64_t) i : (uint64_t) i);

	if (!pseudonym_magnitude(op->mask->key, i < 0, d, nd, max + (i < 0)) ||
	    !digits_get(d, nd, &v))
		return false;
	v = i < 0 ? 0 - v : v;
	if (n == 2)
		put_be16(p, (uint16_t) v);
	else if (n == 4)
		put_be32(p, (uint32_t) v);
	else
		put_be64(p, v);
	return true;
}

bool
mask_pseudonym_int(const struct mask_op *op, uint8_t *p, size_t n)
{
	size_t size = op->type == MT_INT2 ? 2 : op->type == MT_INT4 ? 4 : 8;
	bool negative = n > 0 && p[0] == '-';
	uint64_t v, max = int_max(op->type) + negative;

	if (op->format == 1)
		return n == size && pseudonym_int_binary(op, p, n);
	p += negative;
	n -= negative;
	return digits_get(p, n, &v) && v <= max &&
	       pseudonym_magnitude(op->mask->key, negative, p, n, max);
}

/* Text of a numeric: -?digits(.digits)?. Not a number and infinities have no pseudonym. */
bool
mask_pseudonym_numeric(const struct mask_key *k, uint8_t *p, size_t n)
{
	uint8_t d[FEISTEL_MAX];
	size_t at = n > 0 && p[0] == '-', start = at, whole, nd = 0;

	while (at < n && p[at] >= '0' && p[at] <= '9')
		at++;
	whole = at - start;
	if (whole == 0 || (whole > 1 && p[start] == '0') || at + 1 == n || n - start > FEISTEL_MAX)
		return false;
	if (at < n && p[at] != '.')
		return false;
	/* "0.25" keeps its 0: the column may have no digit before the point. */
	if (at < n && whole == 1 && p[start] == '0')
		start = at + 1;
	for (size_t i = start; i < n; i++) {
		if (i == at)
			continue;
		if (p[i] < '0' || p[i] > '9')
			return false;
		d[nd++] = p[i];
	}
	if (nd == 0)
		return false;
	/* Digits behind a kept "0." may all be 0; else the first digit stays 1 to 9, so that no
	 * other number of digits comes out. */
	if (start > at) {
		struct symbols s = {.n = nd};

		for (size_t i = 0; i < nd; i++) {
			s.value[i] = (uint16_t) (d[i] - '0');
			s.radix[i] = 10;
		}
		feistel(k, 'f', &s);
		for (size_t i = 0; i < nd; i++)
			d[i] = (uint8_t) ('0' + s.value[i]);
	} else {
		pseudonym_digits(k, p[0] == '-' ? 'm' : 'i', d, nd);
	}
	for (size_t i = start, j = 0; i < n; i++)
		if (i != at)
			p[i] = d[j++];
	return true;
}

/* The text of a binary numeric: base 10000 digits, the first of weight `weight`. 0: no. */
static size_t
numeric_get(struct slice in, uint8_t *out, size_t max)
{
	int ndigits, weight, dscale, last;
	uint16_t sign;
	size_t n = 0;

	if (in.n < 8)
		return 0;
	ndigits = get_be16(in.p);
	weight = (int16_t) get_be16(in.p + 2);
	sign = get_be16(in.p + 4);
	dscale = get_be16(in.p + 6);
	if (in.n != 8 + 2 * (size_t) ndigits || (sign != 0 && sign != 0x4000) || dscale > 200 ||
	    weight > 50 || weight < -60)
		return 0;
	if (sign)
		out[n++] = '-';
	last = -((dscale + 3) / 4) - 1;
	for (int w = weight > 0 ? weight : 0; w > last; w--) {
		int i = weight - w;
		unsigned g = i >= 0 && i < ndigits ? get_be16(in.p + 8 + 2 * i) : 0;
		unsigned scale = 1000;

		if (g > 9999 || n + 6 > max)
			return 0;
		for (int j = 0; j < 4; j++, g %= scale, scale /= 10) {
			bool leading = n == (sign != 0) && w >= 0 && g / scale == 0;

			if (w < 0 && 4 * (-w - 1) + j >= dscale)
				break;
			if (!leading || (w == 0 && j == 3))
				out[n++] = (uint8_t) ('0' + g / scale);
			if (scale == 1)
				break;
		}
		if (w == 0 && dscale > 0)
			out[n++] = '.';
	}
	return n;
}

bool
mask_pseudonym_numeric_binary(const struct mask_key *k, struct slice in, struct buf *out)
{
	uint8_t text[FEISTEL_MAX + 64], bin[8 + 2 * 128];
	size_t n = numeric_get(in, text, sizeof(text));

	if (n == 0 || !mask_pseudonym_numeric(k, text, n))
		return false;
	n = mask_numeric_put(text, n, bin, sizeof(bin));
	if (n == 0)
		return false;
	buf_put(out, bin, n);
	return true;
}
