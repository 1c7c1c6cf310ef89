/* SPDX-License-Identifier: MIT */
#include "base/cbor.h"

#include "base/endian.h"

/* RFC 8949 section 3: the head is major type and the shortest argument that fits. */
static void
head(struct buf *b, enum cbor_type type, uint64_t v)
{
	uint8_t h[9];
	size_t n;

	if (v < 24) {
		h[0] = (uint8_t) v;
		n = 1;
	} else if (v <= UINT8_MAX) {
		h[0] = 24;
		h[1] = (uint8_t) v;
		n = 2;
	} else if (v <= UINT16_MAX) {
		h[0] = 25;
		put_be16(h + 1, (uint16_t) v);
		n = 3;
	} else if (v <= UINT32_MAX) {
		h[0] = 26;
		put_be32(h + 1, (uint32_t) v);
		n = 5;
	} else {
		h[0] = 27;
		put_be64(h + 1, v);
		n = 9;
	}
	h[0] = (uint8_t) (h[0] | (unsigned) type << 5);
	buf_put(b, h, n);
}

void
cbor_uint(struct buf *b, uint64_t v)
{
	head(b, CBOR_UINT, v);
}

void
cbor_int(struct buf *b, int64_t v)
{
	if (v >= 0)
		head(b, CBOR_UINT, (uint64_t) v);
	else
		head(b, CBOR_NEGINT, (uint64_t) (-1 - v));
}

void
cbor_bytes(struct buf *b, struct slice s)
{
	head(b, CBOR_BYTES, s.n);
	buf_put_slice(b, s);
}

void
cbor_text(struct buf *b, struct slice s)
{
	head(b, CBOR_TEXT, s.n);
	buf_put_slice(b, s);
}

void
cbor_array(struct buf *b, size_t n)
{
	head(b, CBOR_ARRAY, n);
}

void
cbor_map(struct buf *b, size_t n)
{
	head(b, CBOR_MAP, n);
}

void
cbor_bool(struct buf *b, bool v)
{
	head(b, CBOR_SIMPLE, v ? 21 : 20);
}

void
cbor_reader_init(struct cbor_reader *r, struct slice in)
{
	*r = (struct cbor_reader){.p = in.p, .end = in.p + in.n};
}

void
cbor_fail(struct cbor_reader *r, const char *error)
{
	if (r->error)
		return;
	r->error = error;
	r->error_at = r->p;
}

static bool
argument(struct cbor_reader *r, unsigned info, uint64_t *v)
{
	static const uint64_t least[] = {24, UINT8_MAX + 1, UINT16_MAX + 1,
					 (uint64_t)UINT32_MAX + 1};
	size_t width;

	if (info < 24) {
		*v = info;
		return true;
	}
	if (info > 27) {
		cbor_fail(r, "indefinite or reserved length");
		return false;
	}
	width = (size_t) 1 << (info - 24);
	if ((size_t) (r->end - r->p) < width) {
		cbor_fail(r, "truncated head");
		return false;
	}
	*v = 0;
	for (size_t i = 0; i < width; i++)
		*v = *v << 8 | r->p[i];
	if (*v < least[info - 24]) {
		cbor_fail(r, "integer not in its shortest form");
		return false;
	}
	r->p += width;
	return true;
}

bool
cbor_next(struct cbor_reader *r, struct cbor_item *it)
{
	unsigned first;

	*it = (struct cbor_item){0};
	if (r->error)
		return false;
	if (r->p == r->end) {
		cbor_fail(r, "truncated");
		return false;
	}
	first = *r->p++;
	it->type = (enum cbor_type) (first >> 5);
	if (first == 0xf4 || first == 0xf5) {
		it->v = first & 1;
		return true;
	}
	if (first >> 5 == 6 || first >> 5 == 7) {
		cbor_fail(r, "tag, float or simple value not allowed");
		return false;
	}
	if (!argument(r, first & 31, &it->v))
		return false;
	if (it->type == CBOR_BYTES || it->type == CBOR_TEXT) {
		if (it->v > (uint64_t) (r->end - r->p)) {
			cbor_fail(r, "string longer than its container");
			return false;
		}
		it->s = slice_of(r->p, (size_t) it->v);
		r->p += it->v;
	}
	return true;
}

static struct cbor_item
expect(struct cbor_reader *r, enum cbor_type type, const char *error)
{
	struct cbor_item it;

	if (cbor_next(r, &it) && it.type != type)
		cbor_fail(r, error);
	return r->error ? (struct cbor_item){0} : it;
}

uint64_t
cbor_get_uint(struct cbor_reader *r)
{
	return expect(r, CBOR_UINT, "expected an unsigned integer").v;
}

int64_t
cbor_get_int(struct cbor_reader *r)
{
	struct cbor_item it;

	if (!cbor_next(r, &it))
		return 0;
	if ((it.type != CBOR_UINT && it.type != CBOR_NEGINT) || it.v > INT64_MAX) {
		cbor_fail(r, "expected an integer");
		return 0;
	}
	return it.type == CBOR_UINT ? (int64_t) it.v : -1 - (int64_t) it.v;
}

struct slice
cbor_get_bytes(struct cbor_reader *r)
{
	return expect(r, CBOR_BYTES, "expected a byte string").s;
}

struct slice
cbor_get_text(struct cbor_reader *r)
{
	return expect(r, CBOR_TEXT, "expected a text string").s;
}

bool
cbor_get_bool(struct cbor_reader *r)
{
	return expect(r, CBOR_SIMPLE, "expected a boolean").v != 0;
}

static size_t
container(struct cbor_reader *r, enum cbor_type type, size_t max, size_t bytes_each,
	  const char *error)
{
	uint64_t n = expect(r, type, error).v;

	if (r->error)
		return 0;
	if (n > max || n > (uint64_t) (r->end - r->p) / bytes_each) {
		cbor_fail(r, "too many elements");
		return 0;
	}
	return (size_t) n;
}

size_t
cbor_get_array(struct cbor_reader *r, size_t max)
{
	return container(r, CBOR_ARRAY, max, 1, "expected an array");
}

size_t
cbor_get_map(struct cbor_reader *r, size_t max)
{
	return container(r, CBOR_MAP, max, 2, "expected a map");
}

int64_t
cbor_map_key(struct cbor_reader *r, int64_t *last)
{
	uint64_t k = cbor_get_uint(r);

	if (r->error)
		return -1;
	if (k > INT64_MAX || (int64_t) k <= *last) {
		cbor_fail(r, "map keys not in ascending order");
		return -1;
	}
	*last = (int64_t) k;
	return *last;
}

static void
skip(struct cbor_reader *r, int depth)
{
	struct cbor_item it;
	uint64_t n;

	if (!cbor_next(r, &it) || (it.type != CBOR_ARRAY && it.type != CBOR_MAP))
		return;
	if (depth == 0) {
		cbor_fail(r, "nested too deeply");
		return;
	}
	if (it.v > (uint64_t) (r->end - r->p)) {
		cbor_fail(r, "too many elements");
		return;
	}
	n = it.type == CBOR_MAP ? it.v * 2 : it.v;
	while (n-- && !r->error)
		skip(r, depth - 1);
}

void
cbor_skip(struct cbor_reader *r)
{
	skip(r, 16);
}

bool
cbor_done(const struct cbor_reader *r)
{
	return !r->error && r->p == r->end;
}
