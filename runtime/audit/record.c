/* SPDX-License-Identifier: MIT
 *
 * The encoder. Per map of records.def two functions are expanded: size_MAP, an upper bound, and
 * put_MAP, which writes with a bare pointer. So a record costs one reservation and one pass, and
 * the compiler sees straight-line code. Keys are below 24 and maps have fewer than 24 pairs: a key
 * and a map head are one byte each, and the head is filled in after the pairs were counted.
 */
#include "audit/record.h"

#include "base/utf8.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/endian.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { HEAD_MAX = 9 };

/* RFC 8949 section 3: major type and the shortest argument that fits. */
static inline uint8_t *
put_head(uint8_t *p, unsigned major, uint64_t v)
{
	uint8_t m = (uint8_t) (major << 5);

	if (v < 24) {
		*p++ = (uint8_t) (m | v);
	} else if (v <= UINT8_MAX) {
		*p++ = m | 24;
		*p++ = (uint8_t) v;
	} else if (v <= UINT16_MAX) {
		*p = m | 25;
		put_be16(p + 1, (uint16_t) v);
		p += 3;
	} else if (v <= UINT32_MAX) {
		*p = m | 26;
		put_be32(p + 1, (uint32_t) v);
		p += 5;
	} else {
		*p = m | 27;
		put_be64(p + 1, v);
		p += 9;
	}
	return p;
}

static inline uint8_t *
put_string(uint8_t *p, unsigned major, const void *s, size_t n)
{
	p = put_head(p, major, n);
	if (n)
		memcpy(p, s, n);
	return p + n;
}

static inline uint8_t *
put_text(uint8_t *p, struct slice s)
{
	return put_string(p, utf8_valid(s) ? 3 : 2, s.p, s.n);
}

static uint8_t *
put_texts(uint8_t *p, struct audit_texts t)
{
	p = put_head(p, 4, t.n);
	for (size_t i = 0; i < t.n; i++)
		p = put_text(p, t.v[i]);
	return p;
}

static size_t
size_texts(struct audit_texts t)
{
	size_t n = HEAD_MAX;

	for (size_t i = 0; i < t.n; i++)
		n += HEAD_MAX + t.v[i].n;
	return n;
}

static uint8_t *
put_ids(uint8_t *p, struct audit_ids t)
{
	p = put_head(p, 4, t.n);
	for (size_t i = 0; i < t.n; i++)
		p = put_string(p, 2, t.v[i].b, sizeof(t.v[i].b));
	return p;
}

bool
audit_id_is_zero(struct audit_id id)
{
	return (get_be64(id.b) | get_be64(id.b + 8)) == 0;
}

/* Present, size and put of each kind. The bound does not ask what is present, but where that may be
 * large: of all else it is a constant. */
#define HAS_UINT(x) true
#define HAS_OPT_UINT(x) ((x) != 0)
#define HAS_TIME(x) ((x) != 0)
#define HAS_BOOL(x) (x)
#define HAS_ENUM(x) ((x) != 0)
#define HAS_TEXT(x) ((x).n != 0)
#define HAS_STMT(x) ((x).n != 0)
#define HAS_BLOB(x) ((x).n != 0)
#define HAS_ADDR(x) ((x).n != 0)
#define HAS_ID(x) (!audit_id_is_zero(x))
#define HAS_HASH(x) ((x) != NULL)
#define HAS_TEXTS(x) ((x).n != 0)
#define HAS_IDS(x) ((x).n != 0)
#define HAS_SUB(x) ((x) != NULL)
#define HAS_LIST(x) ((x).n != 0)
#define HAS_BODY(x) ((x) != NULL)

#define SIZE_UINT(x, sub) HEAD_MAX
#define SIZE_OPT_UINT(x, sub) HEAD_MAX
#define SIZE_TIME(x, sub) HEAD_MAX
#define SIZE_BOOL(x, sub) 1
#define SIZE_ENUM(x, sub) HEAD_MAX
#define SIZE_TEXT(x, sub) (HEAD_MAX + (x).n)
#define SIZE_STMT(x, sub) (HEAD_MAX + (x).n)
#define SIZE_BLOB(x, sub) (HEAD_MAX + (x).n)
#define SIZE_ADDR(x, sub) (HEAD_MAX + (x).n)
#define SIZE_ID(x, sub) (1 + sizeof(x))
#define SIZE_HASH(x, sub) (2 + SHA256_LEN)
#define SIZE_TEXTS(x, sub) size_texts(x)
#define SIZE_IDS(x, sub) (HEAD_MAX + (x).n * (1 + sizeof(struct audit_id)))
#define SIZE_SUB(x, sub) ((x) ? size_##sub(x) : 0)
#define SIZE_LIST(x, sub)                                                                         \
	({                                                                                        \
		size_t n_ = HEAD_MAX;                                                             \
		for (size_t i_ = 0; i_ < (x).n; i_++)                                             \
			n_ += size_##sub(&(x).v[i_]);                                             \
		n_;                                                                               \
	})
#define SIZE_BODY(x, sub) ((x) ? size_body((enum audit_record_type) r->type, x) : 0)

#define PUT_UINT(p, x, sub) put_head(p, 0, x)
#define PUT_OPT_UINT(p, x, sub) put_head(p, 0, x)
#define PUT_TIME(p, x, sub) put_head(p, 0, x)
#define PUT_BOOL(p, x, sub) put_head(p, 7, 21)
#define PUT_ENUM(p, x, sub) put_head(p, 0, x)
#define PUT_TEXT(p, x, sub) put_text(p, x)
#define PUT_STMT(p, x, sub) put_string(p, 2, (x).p, (x).n)
#define PUT_BLOB(p, x, sub) put_string(p, 2, (x).p, (x).n)
#define PUT_ADDR(p, x, sub) put_string(p, 2, (x).p, (x).n)
#define PUT_ID(p, x, sub) put_string(p, 2, (x).b, sizeof((x).b))
#define PUT_HASH(p, x, sub) put_string(p, 2, x, SHA256_LEN)
#define PUT_TEXTS(p, x, sub) put_texts(p, x)
#define PUT_IDS(p, x, sub) put_ids(p, x)
#define PUT_SUB(p, x, sub) put_##sub(p, x)
#define PUT_LIST(p, x, sub)                                                                       \
	({                                                                                        \
		uint8_t *p_ = put_head(p, 4, (x).n);                                              \
		for (size_t i_ = 0; i_ < (x).n; i_++)                                             \
			p_ = put_##sub(p_, &(x).v[i_]);                                           \
		p_;                                                                               \
	})
#define PUT_BODY(p, x, sub) put_body((enum audit_record_type) r->type, p, x)

static size_t size_body(enum audit_record_type type, const void *body);
static uint8_t *put_body(enum audit_record_type type, uint8_t *p, const void *body);


#define MAP(m)                                                                                    \
	static size_t size_##m(const struct audit_##m *r UNUSED)                                  \
	{                                                                                         \
		size_t n = 1;
#define FIELD(m, key, name, KIND, sub) n += 1 + SIZE_##KIND(r->name, sub);
#define END(m)                                                                                    \
	return n;                                                                                 \
	}
#include "grammar/records.def"

#define MAP(m)                                                                                    \
	static uint8_t *put_##m(uint8_t *p, const struct audit_##m *r)                            \
	{                                                                                         \
		uint8_t *head = p++;                                                              \
		unsigned n = 0;
#define FIELD(m, key, name, KIND, sub)                                                            \
	static_assert((key) < 24, "a key is one byte");                                           \
	if (HAS_##KIND(r->name)) {                                                                \
		*p++ = key;                                                                       \
		p = PUT_##KIND(p, r->name, sub);                                                  \
		n++;                                                                              \
	}
#define END(m)                                                                                    \
	*head = (uint8_t) (0xa0 | n);                                                             \
	return p;                                                                                 \
	}
#include "grammar/records.def"


static size_t
size_body(enum audit_record_type type, const void *body)
{
	switch (type) {
#define RECORD(id, m, name, sentence)                                                             \
	case AUDIT_##m:                                                                           \
		return size_##m(body);
#include "grammar/records.def"
	}
	panic_at(__FILE__, __LINE__, __func__, "unknown record type");
}

static uint8_t *
put_body(enum audit_record_type type, uint8_t *p, const void *body)
{
	switch (type) {
#define RECORD(id, m, name, sentence)                                                             \
	case AUDIT_##m:                                                                           \
		return put_##m(p, body);
#include "grammar/records.def"
	}
	panic_at(__FILE__, __LINE__, __func__, "unknown record type");
}

static bool
encode(struct buf *out, const struct audit_record *r)
{
	uint8_t *p;

	buf_reset(out);
	p = buf_reserve(out, size_record(r));
	if (!p)
		return false;
	out->n = (size_t) (put_record(p, r) - p);
	return out->n <= AUDIT_LEAF_MAX;
}

bool
audit_encode(struct buf *out, const struct audit_record *r)
{
	const struct audit_command *c = r->body;
	struct audit_command cut;
	struct audit_record copy;
	uint8_t digest[SHA256_LEN];

	assert(r->body != NULL);
	if (r->type != AUDIT_command || c->statement.n <= AUDIT_STATEMENT_MAX ||
	    (c->len && c->statement.n <= AUDIT_STATEMENT_WHOLE))
		return encode(out, r);
	cut = *c;
	sha256(digest, c->statement);
	cut.sha256 = digest;
	cut.len = c->statement.n;
	cut.statement.n = AUDIT_STATEMENT_PREFIX;
	cut.truncated = true;
	copy = *r;
	copy.body = &cut;
	return encode(out, &copy);
}

/* --- identifiers --- */

struct audit_id
audit_id_new(uint64_t wall_ns)
{
	static _Thread_local uint8_t pool[1024];
	static _Thread_local size_t left;
	static _Thread_local uint64_t last_ms;
	static _Thread_local unsigned count;
	uint64_t ms = wall_ns / NS_PER_MS;
	struct audit_id id;

	if (left < 8) {
		random_bytes(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= 8;
	/* RFC 9562 section 6.2, method 1: within a millisecond the 12 bits of rand_a count up. */
	count = ms == last_ms ? count + 1 : 0;
	last_ms = ms;
	put_be16(id.b, (uint16_t) (ms >> 32));
	put_be32(id.b + 2, (uint32_t) ms);
	put_be16(id.b + 6, (uint16_t) (0x7000 | (count & 0xfff)));
	memcpy(id.b + 8, pool + left, 8);
	id.b[8] = (uint8_t) (0x80 | (id.b[8] & 0x3f));
	return id;
}

void
audit_id_format(struct audit_id id, char out[37])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[id.b[i] >> 4];
		*p++ = digits[id.b[i] & 15];
	}
	*p = 0;
}

bool
audit_id_parse(struct audit_id *id, struct slice text)
{
	struct buf hex = {0}, raw = {0};
	bool ok = text.n == 36;

	for (size_t i = 0; ok && i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23)
			ok = text.p[i] == '-';
		else
			buf_putc(&hex, text.p[i]);
	}
	ok = ok && hex_get(&raw, buf_slice(&hex)) && raw.n == 16;
	if (ok)
		memcpy(id->b, raw.p, 16);
	buf_fini(&hex);
	buf_fini(&raw);
	return ok;
}

/* --- the envelope --- */

static struct slice node_name;
static struct audit_id boot_id;

void
audit_record_set_node(struct slice node)
{
	char text[37] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	node_name = node;
	if (fd < 0)
		return;
	if (read(fd, text, 36) != 36 || !audit_id_parse(&boot_id, slice_of(text, 36)))
		boot_id = (struct audit_id){0};
	close(fd);
}

void
audit_record_init(struct audit_record *r, enum audit_record_type type, uint64_t wall_ns,
		  uint64_t boot_ns)
{
	*r = (struct audit_record){
		.version = 1,
		.type = type,
		.id = audit_id_new(wall_ns),
		.time = wall_ns,
		.boot_ns = boot_ns,
		.node = node_name,
		.boot = boot_id,
	};
}

const char *
audit_type_name(uint64_t type)
{
	switch (type) {
#define RECORD(id, m, name, sentence)                                                             \
	case id:                                                                                  \
		return name;
#include "grammar/records.def"
	}
	return NULL;
}
