/* SPDX-License-Identifier: MIT
 *
 * Framing and startup packets. See wire_read.c for the readers and wire_put.c for the builders.
 */
#include "proto/pg/wire.h"

#include "base/endian.h"

#include <stdio.h>

struct message_info {
	const char *name; /* NULL: no such message */
	uint32_t min, max;
	bool whole;
};

enum { STREAM = 0, WHOLE = 1 };

static const struct message_info messages[2][128] = {
	[PG_FROM_CLIENT] = {
#define PG_FRONTEND(byte, name, text, min, max, mode) [byte] = {text, min, max, mode},
#define PG_BACKEND(byte, name, text, min, max, mode)
#include "proto/pg/msgs.def"
#undef PG_FRONTEND
#undef PG_BACKEND
	},
	[PG_FROM_SERVER] = {
#define PG_FRONTEND(byte, name, text, min, max, mode)
#define PG_BACKEND(byte, name, text, min, max, mode) [byte] = {text, min, max, mode},
#include "proto/pg/msgs.def"
#undef PG_FRONTEND
#undef PG_BACKEND
	},
};

static const struct {
	const char *name, *sqlstate, *sentence;
} reasons[PG_R_COUNT] = {
	{"OK", "00000", "nothing is wrong"},
#define R(name, sqlstate, sentence) {#name, sqlstate, sentence},
#include "proto/pg/reasons.def"
#undef R
};

const char *
pg_reason_name(enum pg_reason r)
{
	assert((unsigned) r < PG_R_COUNT);
	return reasons[r].name;
}

const char *
pg_reason_sqlstate(enum pg_reason r)
{
	assert((unsigned) r < PG_R_COUNT);
	return reasons[r].sqlstate;
}

const char *
pg_reason_sentence(enum pg_reason r)
{
	assert((unsigned) r < PG_R_COUNT);
	return reasons[r].sentence;
}

const char *
pg_message_name(enum pg_side from, uint8_t type)
{
	return type < 128 ? messages[from][type].name : NULL;
}

void
pg_message_place(enum pg_side from, uint8_t type, char *out, size_t n)
{
	const char *name = pg_message_name(from, type);

	if (name)
		snprintf(out, n, ", in %s", name);
	else if (type > ' ' && type <= '~')
		snprintf(out, n, ", in a message of type '%c'", type);
	else
		snprintf(out, n, ", in a message of type 0x%02x", type);
}

/* ---- framing ---------------------------------------------------------------------------- */

void
pg_framer_init(struct pg_framer *f, enum pg_side from, uint32_t max_whole)
{
	assert(max_whole >= PG_STARTUP_MAX && max_whole <= PG_MAX_MESSAGE);
	*f = (struct pg_framer){.from = from, .max_whole = max_whole};
	for (unsigned t = 0; t < 128; t++)
		if (messages[from][t].whole)
			f->whole[t / 64] |= UINT64_C(1) << t % 64;
}

void
pg_framer_set_whole(struct pg_framer *f, uint8_t type, bool whole)
{
	uint64_t bit = UINT64_C(1) << type % 64;

	assert(pg_message_name(f->from, type) != NULL);
	if (whole)
		f->whole[type / 64] |= bit;
	else
		f->whole[type / 64] &= ~bit;
}

bool
pg_framer_idle(const struct pg_framer *f)
{
	return f->left == 0;
}

static enum wire
frame_bad(struct pg_frame *frame, enum pg_reason r)
{
	frame->reason = r;
	return WIRE_BAD;
}

/* The next piece of a message that has begun. */
static enum wire
frame_continue(struct pg_framer *f, const uint8_t *p, size_t n, struct pg_frame *frame)
{
	size_t take = n < f->left ? n : (size_t) f->left;

	if (n == 0)
		return WIRE_MORE;
	f->left -= take;
	frame->type = f->type;
	frame->last = f->left == 0;
	frame->raw = frame->body = slice_of(p, take);
	return WIRE_OK;
}

/* What is left of a result can be thrown away, and the session goes on. */
static bool
is_row(const struct pg_framer *f, uint8_t type)
{
	return f->from == PG_FROM_SERVER && (type == PG_B_DATA_ROW || type == PG_B_COPY_DATA);
}

enum wire
pg_frame_next(struct pg_framer *f, const uint8_t *p, size_t n, struct pg_frame *frame)
{
	const struct message_info *m;
	uint32_t len, max;
	size_t take;
	bool whole;

	*frame = (struct pg_frame){0};
	if (f->left > 0)
		return frame_continue(f, p, n, frame);
	if (n == 0)
		return WIRE_MORE;
	frame->type = p[0];
	if (!pg_message_name(f->from, p[0]))
		return frame_bad(frame, PG_R_UNKNOWN_TYPE);
	if (n < PG_HEADER)
		return WIRE_MORE;
	m = &messages[f->from][p[0]];
	whole = f->whole[p[0] / 64] >> p[0] % 64 & 1;
	len = get_be32(p + 1);
	max = m->max ? m->max : whole ? f->max_whole : PG_MAX_MESSAGE;
	if (len < m->min)
		return frame_bad(frame, PG_R_LENGTH_TOO_SMALL);
	frame->too_large = whole && len > max && len <= PG_MAX_MESSAGE && is_row(f, p[0]);
	if (frame->too_large)
		whole = false;
	else if (len > max)
		return frame_bad(frame, m->max || len > PG_MAX_MESSAGE ? PG_R_LENGTH_TOO_LARGE
								       : PG_R_MESSAGE_TOO_LARGE);
	frame->total = (uint64_t) len + 1;
	if (whole && n < frame->total)
		return WIRE_MORE;
	take = n < frame->total ? n : (size_t) frame->total;
	f->left = frame->total - take;
	f->type = p[0];
	frame->first = true;
	frame->last = f->left == 0;
	frame->raw = slice_of(p, take);
	frame->body = slice_of(p + PG_HEADER, take - PG_HEADER);
	return WIRE_OK;
}

size_t
pg_frame_rows(const struct pg_framer *f, const uint8_t *p, size_t n, uint64_t *rows)
{
	size_t at = 0;

	assert(f->from == PG_FROM_SERVER && f->left == 0);
	while (n - at >= PG_HEADER && p[at] == PG_B_DATA_ROW) {
		uint64_t len = get_be32(p + at + 1);

		/* 6: the shortest row has a count and no field */
		if (len < 6 || len > PG_MAX_MESSAGE || len + 1 > n - at)
			break;
		at += len + 1;
		++*rows;
	}
	return at;
}

/* ---- startup ---------------------------------------------------------------------------- */

enum { CODE_CANCEL = 80877102, CODE_SSL = 80877103, CODE_GSSENC = 80877104 };

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
}

/* Settings compare without case on the server, so here a duplicate may not hide behind it. */
static bool
same_word(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

static bool
is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = lower(s.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
		      c == '-'))
			return false;
	}
	return s.n > 0;
}

static bool
is_off(struct slice v)
{
	return same_word(v, SLICE_LIT("off")) || same_word(v, SLICE_LIT("false")) ||
	       same_word(v, SLICE_LIT("no")) || same_word(v, SLICE_LIT("0"));
}

static enum pg_reason
startup_add(struct pg_startup *s, struct slice name, struct slice value)
{
	if (!is_name(name))
		return PG_R_STARTUP_NAME;
	if (s->n_params == PG_STARTUP_PARAMS)
		return PG_R_STARTUP_PARAMETERS;
	for (size_t i = 0; i < s->n_params; i++)
		if (same_word(s->params[i].name, name))
			return PG_R_STARTUP_DUPLICATE;
	s->params[s->n_params++] = (struct pg_param){name, value};
	if (slice_is(name, "user"))
		s->user = value;
	else if (slice_is(name, "database"))
		s->database = value;
	else if (same_word(name, SLICE_LIT("replication")))
		s->replication = !is_off(value);
	else if (name.n >= 5 && memcmp(name.p, "_pq_.", 5) == 0)
		s->negotiate = true;
	return PG_R_OK;
}

/* Name and value pairs, each ended by a zero byte, and a zero byte that ends the packet. */
static enum pg_reason
startup_params(struct pg_startup *s, const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p) {
		const uint8_t *name = p, *value;
		enum pg_reason r;

		p = memchr(p, 0, (size_t) (end - p));
		if (!p)
			return PG_R_STRING_NOT_TERMINATED;
		value = p + 1;
		p = memchr(value, 0, (size_t) (end - value));
		if (!p)
			return PG_R_STRING_NOT_TERMINATED;
		r = startup_add(s, slice_of(name, (size_t) (value - 1 - name)),
				slice_of(value, (size_t) (p - value)));
		if (r)
			return r;
		p++;
	}
	if (p == end)
		return PG_R_STRING_NOT_TERMINATED;
	if (p + 1 != end)
		return PG_R_TRAILING_BYTES;
	if (s->user.n == 0)
		return PG_R_STARTUP_USER;
	if (s->database.n == 0)
		s->database = s->user;
	return PG_R_OK;
}

static enum pg_reason
startup_body(struct pg_startup *s, const uint8_t *p, size_t n)
{
	uint32_t code = get_be32(p + 4);

	switch (code) {
	case CODE_SSL:
	case CODE_GSSENC:
		s->kind = code == CODE_SSL ? PG_START_SSL : PG_START_GSSENC;
		return n == 8 ? PG_R_OK : PG_R_STARTUP_LENGTH;
	case CODE_CANCEL:
		if (n < 16 || n > 12 + PG_CANCEL_KEY_MAX)
			return PG_R_CANCEL_KEY;
		s->kind = PG_START_CANCEL;
		s->cancel_pid = get_be32(p + 8);
		s->cancel_key = slice_of(p + 12, n - 12);
		return PG_R_OK;
	}
	s->kind = PG_START_SESSION;
	s->major = (uint16_t) (code >> 16);
	s->minor = (uint16_t) code;
	if (s->major != 3)
		return PG_R_PROTOCOL_VERSION;
	s->negotiate = s->minor > 2;
	return startup_params(s, p + 8, p + n);
}

/* What else may knock on this port deserves a sentence of its own. */
static enum pg_reason
startup_too_large(const uint8_t *p)
{
	static const char methods[][5] = {"GET ", "POST", "PUT ", "HEAD", "OPTI", "PRI ", "CONN"};

	if (p[0] == 0x16 && p[1] == 3)
		return PG_R_STARTUP_TLS;
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (memcmp(p, methods[i], 4) == 0)
			return PG_R_STARTUP_HTTP;
	return PG_R_STARTUP_TOO_LARGE;
}

enum wire
pg_startup_next(const uint8_t *p, size_t n, struct pg_startup *s)
{
	uint32_t len;

	*s = (struct pg_startup){0};
	if (n < 4)
		return WIRE_MORE;
	len = get_be32(p);
	if (len < 8)
		s->reason = PG_R_STARTUP_LENGTH;
	else if (len > PG_STARTUP_MAX)
		s->reason = startup_too_large(p);
	if (s->reason)
		return WIRE_BAD;
	s->size = len;
	if (n < len)
		return WIRE_MORE;
	s->reason = startup_body(s, p, len);
	return s->reason ? WIRE_BAD : WIRE_OK;
}

struct slice
pg_startup_param(const struct pg_startup *s, const char *name)
{
	for (size_t i = 0; i < s->n_params; i++)
		if (slice_is(s->params[i].name, name))
			return s->params[i].value;
	return (struct slice){0};
}
