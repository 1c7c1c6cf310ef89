/* SPDX-License-Identifier: MIT
 *
 * The decoder: leaf to JSON, with names from records.def. It goes over the bytes, not over the
 * structures, so that keys of a later version are kept (under their number) and nothing that is
 * in the leaf is lost. A leaf that is not in deterministic encoding is an error.
 */
#include "audit/record.h"

#include "base/utf8.h"
#include "base/cbor.h"
#include "base/clock.h"
#include "base/crypto.h"

#include <arpa/inet.h>
#include <stdio.h>

enum kind {
	KIND_NONE,
	KIND_UINT,
	KIND_OPT_UINT,
	KIND_TIME,
	KIND_BOOL,
	KIND_ENUM,
	KIND_TEXT,
	KIND_STMT,
	KIND_BLOB,
	KIND_ADDR,
	KIND_ID,
	KIND_HASH,
	KIND_TEXTS,
	KIND_IDS,
	KIND_SUB,
	KIND_LIST,
	KIND_BODY,
};

enum map_id {
#define MAP(m) MAP_##m,
#include "grammar/records.def"
	N_MAPS
};

struct field {
	uint8_t map, key, kind;
	const char *name, *sub;
};

static const struct field fields[] = {
#define FIELD(m, key, name, KIND, sub) {MAP_##m, key, KIND_##KIND, #name, #sub},
#include "grammar/records.def"
};

static const char *const map_names[N_MAPS] = {
#define MAP(m) #m,
#include "grammar/records.def"
};

static const struct {
	const char *list;
	uint64_t number;
	const char *name;
} enum_values[] = {
#define RECORD(id, m, name, sentence) {"record_type", id, name},
#define ENUM_VALUE(list, ID, number, name) {#list, number, name},
#include "grammar/records.def"
};

static const struct {
	uint64_t type;
	enum map_id body;
} record_types[] = {
#define RECORD(id, m, name, sentence) {id, MAP_##m},
#include "grammar/records.def"
};

static const struct field *
find_field(enum map_id m, int64_t key)
{
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (fields[i].map == m && fields[i].key == key)
			return &fields[i];
	return NULL;
}

static enum map_id
find_map(const char *name)
{
	for (size_t i = 0; i < N_MAPS; i++)
		if (strcmp(map_names[i], name) == 0)
			return (enum map_id) i;
	return N_MAPS;
}

static enum map_id
body_map(uint64_t type)
{
	for (size_t i = 0; i < COUNT_OF(record_types); i++)
		if (record_types[i].type == type)
			return record_types[i].body;
	return N_MAPS;
}

static void
put_enum(struct buf *out, const char *list, uint64_t v)
{
	for (size_t i = 0; i < COUNT_OF(enum_values); i++)
		if (enum_values[i].number == v && strcmp(enum_values[i].list, list) == 0) {
			buf_json_string(out, slice_str(enum_values[i].name));
			return;
		}
	buf_printf(out, "%llu", (unsigned long long) v);
}

/* Nanoseconds are kept: the export is lossless. */
static void
put_time(struct buf *out, uint64_t ns)
{
	char text[28];

	if (ns / NS_PER_S > 253402300799) { /* beyond the year 9999 */
		buf_printf(out, "%llu", (unsigned long long) ns);
		return;
	}
	clock_format(ns, text);
	buf_printf(out, "\"%.26s%03uZ\"", text, (unsigned) (ns % 1000));
}

static void
put_bytes(struct buf *out, enum kind kind, struct slice s)
{
	char text[INET6_ADDRSTRLEN];
	struct audit_id id;

	if ((kind == KIND_STMT || kind == KIND_TEXT) && utf8_valid(s)) {
		buf_json_string(out, s);
	} else if (kind == KIND_ADDR && (s.n == 4 || s.n == 16)) {
		inet_ntop(s.n == 4 ? AF_INET : AF_INET6, s.p, text, sizeof(text));
		buf_printf(out, "\"%s\"", text);
	} else if ((kind == KIND_ID || kind == KIND_IDS) && s.n == sizeof(id.b)) {
		char uuid[37];

		memcpy(id.b, s.p, sizeof(id.b));
		audit_id_format(id, uuid);
		buf_printf(out, "\"%s\"", uuid);
	} else if (kind == KIND_HASH) {
		buf_putc(out, '"');
		hex_put(out, s);
		buf_putc(out, '"');
	} else {
		buf_puts(out, "{\"base64\":\"");
		base64_put(out, s);
		buf_puts(out, "\"}");
	}
}

struct render {
	struct buf *out;
	struct cbor_reader in;
	enum map_id body; /* N_MAPS until the record's type was read, or unknown */
};

static void map_pairs(struct render *r, uint64_t n, enum map_id m, int depth);

static void
value(struct render *r, enum kind kind, const char *sub, int depth)
{
	struct cbor_item it;
	enum map_id m = N_MAPS;

	if (depth == 0) {
		cbor_fail(&r->in, "nested too deeply");
		return;
	}
	if (!cbor_next(&r->in, &it))
		return;
	switch (it.type) {
	case CBOR_UINT:
		if (kind == KIND_ENUM)
			put_enum(r->out, sub, it.v);
		else if (kind == KIND_TIME)
			put_time(r->out, it.v);
		else
			buf_printf(r->out, "%llu", (unsigned long long) it.v);
		return;
	case CBOR_NEGINT:
		if (it.v > INT64_MAX)
			cbor_fail(&r->in, "negative integer out of range");
		else
			buf_printf(r->out, "%lld", (long long) (-1 - (int64_t) it.v));
		return;
	case CBOR_BYTES:
		put_bytes(r->out, kind == KIND_TEXTS ? KIND_TEXT : kind, it.s);
		return;
	case CBOR_TEXT:
		if (!utf8_valid(it.s))
			cbor_fail(&r->in, "text is not UTF-8");
		buf_json_string(r->out, it.s);
		return;
	case CBOR_ARRAY:
		if (it.v > (uint64_t) (r->in.end - r->in.p)) {
			cbor_fail(&r->in, "too many elements");
			return;
		}
		buf_putc(r->out, '[');
		for (uint64_t i = 0; i < it.v && !r->in.error; i++) {
			if (i)
				buf_putc(r->out, ',');
			value(r, kind == KIND_LIST ? KIND_SUB : kind, sub, depth - 1);
		}
		buf_putc(r->out, ']');
		return;
	case CBOR_MAP:
		if (kind == KIND_SUB)
			m = find_map(sub);
		else if (kind == KIND_BODY)
			m = r->body;
		map_pairs(r, it.v, m, depth - 1);
		return;
	case CBOR_SIMPLE:
		buf_puts(r->out, it.v ? "true" : "false");
		return;
	}
}

static void
map_pairs(struct render *r, uint64_t n, enum map_id m, int depth)
{
	int64_t last = -1;

	if (n > (uint64_t) (r->in.end - r->in.p) / 2) {
		cbor_fail(&r->in, "too many pairs");
		return;
	}
	buf_putc(r->out, '{');
	for (uint64_t i = 0; i < n && !r->in.error; i++) {
		int64_t key = cbor_map_key(&r->in, &last);
		const struct field *f = find_field(m, key);
		const uint8_t *at = r->in.p;

		if (r->in.error)
			return;
		if (i)
			buf_putc(r->out, ',');
		if (f)
			buf_printf(r->out, "\"%s\":", f->name);
		else
			buf_printf(r->out, "\"%lld\":", (long long) key);
		if (m == MAP_record && key == 1) {
			r->body = body_map(cbor_get_uint(&r->in));
			r->in.p = at;
		}
		value(r, f ? (enum kind) f->kind : KIND_NONE, f ? f->sub : "none", depth);
	}
	buf_putc(r->out, '}');
}

bool
audit_to_json(struct buf *out, struct slice leaf, const char **error)
{
	struct render r = {.out = out, .body = N_MAPS};
	struct cbor_item it;
	size_t start = out->n;

	cbor_reader_init(&r.in, leaf);
	if (cbor_next(&r.in, &it)) {
		if (it.type != CBOR_MAP)
			cbor_fail(&r.in, "a record is a map");
		else
			map_pairs(&r, it.v, MAP_record, 15);
	}
	if (!cbor_done(&r.in) && !r.in.error)
		cbor_fail(&r.in, "bytes after the record");
	if (!r.in.error && out->failed)
		cbor_fail(&r.in, "out of memory");
	*error = r.in.error;
	if (r.in.error)
		out->n = start;
	return !r.in.error;
}
