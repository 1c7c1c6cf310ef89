/* SPDX-License-Identifier: MIT */
#include "proto/pg/detect_mask.h"

#include "base/endian.h"

#include <stdio.h>
#include <stdlib.h>

enum detect_how {
	HOW_NONE,  /* holds no text and no long number */
	HOW_SPANS, /* text, in which a part may be replaced */
	HOW_JSON,  /* likewise, inside of its strings */
	HOW_JSONB, /* likewise, behind a byte for the version */
	HOW_WHOLE, /* text that must stay a value of its type */
	HOW_INT8,  /* binary numbers: by their decimal digits */
	HOW_NUMERIC,
	HOW_FLOAT8,
	HOW_FLOAT, /* text, maybe 4.1e+15 */
	HOW_ARRAY, /* binary: each element by its own type */
	HOW_RECORD,
	HOW_BLIND, /* cannot be looked into */
};

enum { OID_TEXT = 25, OID_FIRST_OWN = 16384, NESTING_MAX = 8, NUMBER_TEXT = 32 };

/* Types of pg_type.dat; ascending. What is not here: text format as a whole, binary blind. */
static const struct {
	uint16_t oid;
	uint8_t text, binary;
} types[] = {
	{16, HOW_NONE, HOW_NONE},     {17, HOW_NONE, HOW_NONE},	      {18, HOW_NONE, HOW_NONE},
	{19, HOW_SPANS, HOW_SPANS},   {20, HOW_WHOLE, HOW_INT8},      {21, HOW_NONE, HOW_NONE},
	{23, HOW_NONE, HOW_NONE},     {25, HOW_SPANS, HOW_SPANS},     {26, HOW_NONE, HOW_NONE},
	{27, HOW_NONE, HOW_NONE},     {28, HOW_NONE, HOW_NONE},	      {29, HOW_NONE, HOW_NONE},
	{114, HOW_JSON, HOW_JSON},    {142, HOW_SPANS, HOW_SPANS},    {143, HOW_SPANS, HOW_ARRAY},
	{199, HOW_WHOLE, HOW_ARRAY},  {600, HOW_NONE, HOW_NONE},      {650, HOW_NONE, HOW_NONE},
	{651, HOW_NONE, HOW_NONE},    {700, HOW_NONE, HOW_NONE},      {701, HOW_FLOAT, HOW_FLOAT8},
	{705, HOW_SPANS, HOW_SPANS},  {790, HOW_NONE, HOW_NONE},      {829, HOW_NONE, HOW_NONE},
	{869, HOW_NONE, HOW_NONE},    {1000, HOW_NONE, HOW_NONE},     {1001, HOW_NONE, HOW_NONE},
	{1003, HOW_SPANS, HOW_ARRAY}, {1005, HOW_NONE, HOW_NONE},     {1007, HOW_NONE, HOW_NONE},
	{1009, HOW_SPANS, HOW_ARRAY}, {1014, HOW_SPANS, HOW_ARRAY},   {1015, HOW_SPANS, HOW_ARRAY},
	{1016, HOW_WHOLE, HOW_ARRAY}, {1021, HOW_NONE, HOW_NONE},     {1022, HOW_WHOLE, HOW_ARRAY},
	{1028, HOW_NONE, HOW_NONE},   {1041, HOW_NONE, HOW_NONE},     {1042, HOW_SPANS, HOW_SPANS},
	{1043, HOW_SPANS, HOW_SPANS}, {1082, HOW_NONE, HOW_NONE},     {1083, HOW_NONE, HOW_NONE},
	{1114, HOW_NONE, HOW_NONE},   {1115, HOW_NONE, HOW_NONE},     {1182, HOW_NONE, HOW_NONE},
	{1183, HOW_NONE, HOW_NONE},   {1184, HOW_NONE, HOW_NONE},     {1185, HOW_NONE, HOW_NONE},
	{1186, HOW_NONE, HOW_NONE},   {1187, HOW_NONE, HOW_NONE},     {1231, HOW_WHOLE, HOW_ARRAY},
	{1266, HOW_NONE, HOW_NONE},   {1270, HOW_NONE, HOW_NONE},     {1560, HOW_NONE, HOW_NONE},
	{1562, HOW_NONE, HOW_NONE},   {1700, HOW_WHOLE, HOW_NUMERIC}, {2249, HOW_SPANS, HOW_RECORD},
	{2278, HOW_NONE, HOW_NONE},   {2287, HOW_SPANS, HOW_ARRAY},   {2950, HOW_NONE, HOW_NONE},
	{2951, HOW_NONE, HOW_NONE},   {3220, HOW_NONE, HOW_NONE},     {3802, HOW_JSON, HOW_JSONB},
	{3807, HOW_WHOLE, HOW_ARRAY},
};

static enum detect_how
how_of(uint32_t oid, uint16_t format)
{
	size_t lo = 0, hi = COUNT_OF(types);

	if (format > 1)
		return HOW_BLIND;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (types[mid].oid == oid)
			return (enum detect_how)(format ? types[mid].binary : types[mid].text);
		if (types[mid].oid < oid)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (format)
		return HOW_BLIND;
	return oid == 0 || oid >= OID_FIRST_OWN ? HOW_SPANS : HOW_WHOLE;
}

struct detect_field
detect_field_of(uint32_t type, int32_t typmod, uint16_t format)
{
	return (struct detect_field){type, typmod, (uint8_t)format, (uint8_t)how_of(type, format)};
}

bool
detect_field_is_blank(const struct detect_field *f)
{
	return f->how == HOW_NONE;
}

bool
detect_field_is_blind(const struct detect_field *f)
{
	return f->how == HOW_BLIND;
}

/* ---- what a value holds ---------------------------------------------------------------------- */

static uint32_t
found_in(const struct detect_rules *r, struct slice text)
{
	struct detect d;
	struct detect_hit h;
	uint32_t found = 0;

	detect_begin(&d, r->wanted, text);
	while (found != r->wanted && detect_next(&d, &h)) {
		found |= UINT32_C(1) << h.what;
		d.wanted = r->wanted & ~found; /* from the next block on */
	}
	return found;
}

static uint32_t
found_in_number(const struct detect_rules *r, const char text[NUMBER_TEXT], int n)
{
	return n > 0 ? found_in(r, slice_of(text, (size_t)n)) : 0;
}

/* What is in front of the point, when that is short enough to be a number of some kind. */
static bool
found_in_numeric(const struct detect_rules *r, struct slice in, uint32_t *found)
{
	char text[NUMBER_TEXT];
	int weight, n = 0;
	unsigned digits;

	if (in.n < 8)
		return false;
	digits = get_be16(in.p);
	weight = (int16_t)get_be16(in.p + 2);
	if (in.n != 8 + 2 * (size_t)digits)
		return false;
	for (int i = 0; i <= weight && weight <= 5; i++)
		n += snprintf(text + n, NUMBER_TEXT - (size_t)n, i ? "%04u" : "%u",
			      (unsigned)i < digits ? get_be16(in.p + 8 + 2 * i) % 10000u : 0);
	*found |= found_in_number(r, text, n);
	return true;
}

static bool
found_in_float(const struct detect_rules *r, struct slice in, bool binary, uint32_t *found)
{
	char text[NUMBER_TEXT];
	uint64_t bits;
	double v;

	if (binary ? in.n != 8 : in.n >= NUMBER_TEXT)
		return false;
	if (binary) {
		bits = get_be64(in.p);
		memcpy(&v, &bits, sizeof(v));
	} else {
		memcpy(text, in.p, in.n);
		text[in.n] = 0;
		v = strtod(text, NULL);
	}
	if (v >= 1e12 && v < 9e18)
		*found |=
			found_in_number(r, text, snprintf(text, NUMBER_TEXT, "%lld", (long long)v));
	return true;
}

static bool found_in_parts(const struct detect_rules *r, bool record, struct slice in,
			   unsigned depth, uint32_t *found);

/* False: it cannot be looked into. */
static bool
found_by(const struct detect_rules *r, enum detect_how how, struct slice in, unsigned depth,
	 uint32_t *found)
{
	char text[NUMBER_TEXT];

	switch (how) {
	case HOW_NONE:
		return true;
	case HOW_SPANS:
	case HOW_JSON:
	case HOW_WHOLE:
	case HOW_JSONB:
		*found |= found_in(r, in);
		return true;
	case HOW_INT8:
		if (in.n == 8)
			*found |= found_in_number(
				r, text,
				snprintf(text, NUMBER_TEXT, "%lld", (long long)get_be64(in.p)));
		return in.n == 8;
	case HOW_NUMERIC:
		return found_in_numeric(r, in, found);
	case HOW_FLOAT8:
	case HOW_FLOAT:
		return found_in_float(r, in, how == HOW_FLOAT8, found);
	case HOW_ARRAY:
	case HOW_RECORD:
		return depth < NESTING_MAX &&
		       found_in_parts(r, how == HOW_RECORD, in, depth + 1, found);
	case HOW_BLIND:
		break;
	}
	return false;
}

/* The binary form of an array: dimensions, flags, type, {size, lower bound} ..., then {length,
 * value} ...; that of a record: columns, then {type, length, value} ... */
static bool
found_in_parts(const struct detect_rules *r, bool record, struct slice in, unsigned depth,
	       uint32_t *found)
{
	uint32_t type = 0, n;
	size_t at = record ? 4 : 12;

	if (in.n < at)
		return false;
	n = get_be32(in.p);
	if (!record) {
		type = get_be32(in.p + 8);
		if (n > 6 || in.n - at < 8 * (size_t)n)
			return false;
		at += 8 * (size_t)n;
	}
	while (at < in.n) {
		uint32_t len;

		if (in.n - at < (record ? 8u : 4u))
			return false;
		if (record) {
			type = get_be32(in.p + at);
			at += 4;
		}
		len = get_be32(in.p + at);
		at += 4;
		if (len == UINT32_MAX)
			continue;
		if (len > in.n - at ||
		    !found_by(r, how_of(type, 1), slice_of(in.p + at, len), depth, found))
			return false;
		at += len;
	}
	return true;
}

/* ---- what it shows then ---------------------------------------------------------------------- */

static bool
keeps_the_rest(const struct mask_spec *m)
{
	return m->kernel == MASK_FIRST || m->kernel == MASK_LAST || m->kernel == MASK_PARTIAL ||
	       m->kernel == MASK_PSEUDONYM;
}

static enum detector
strictest(const struct detect_rules *r, uint32_t found, bool whole)
{
	enum detector best = DETECTOR_COUNT;

	for (int i = 0; i < DETECTOR_COUNT; i++)
		if (found >> i & 1 && (!whole || !keeps_the_rest(r->mask[i])) &&
		    (best == DETECTOR_COUNT || r->rank[i] > r->rank[best]))
			best = (enum detector)i;
	return best;
}

static bool
show_whole(const struct mask_spec *m, const struct detect_field *f, struct slice in,
	   struct buf *out)
{
	struct mask_op op = mask_bind(m, f->type ? f->type : OID_TEXT, f->typmod, f->format);

	return mask_rewrite(&op, in, out);
}

/* A value on its way out, its hits from left to right. */
struct spans {
	const struct detect_rules *r;
	struct slice in;
	struct buf *out;
	size_t copied;	/* of `in`, as it is or masked */
	size_t at, end; /* the hit at hand; empty: none */
	enum detector what;
	size_t seen; /* JSON: up to here */
	bool in_string;
};

static void
put_span(struct spans *s)
{
	struct mask_op op;

	if (s->end == s->at)
		return;
	op = mask_bind(s->r->mask[s->what], OID_TEXT, -1, 0);
	buf_put(s->out, s->in.p + s->copied, s->at - s->copied);
	if (!mask_rewrite(&op, slice_of(s->in.p + s->at, s->end - s->at), s->out))
		buf_putc(s->out, '*');
	s->copied = s->end;
}

/* What overlaps is one, under the stricter mask. */
static void
add_hit(struct spans *s, const struct detect_hit *h)
{
	size_t at = h->at < s->copied ? s->copied : h->at, end = h->at + h->n;

	if (at < s->end) {
		s->at = at < s->at ? at : s->at;
		s->end = end > s->end ? end : s->end;
		if (s->r->rank[h->what] > s->r->rank[s->what])
			s->what = h->what;
		return;
	}
	put_span(s);
	s->at = at;
	s->end = end;
	s->what = h->what;
}

/* Hits hold no quotes: where a byte of one is, all of it is. */
static bool
is_in_string(struct spans *s, const struct detect_hit *h)
{
	for (; s->seen < h->at; s->seen++) {
		if (s->in_string && s->in.p[s->seen] == '\\')
			s->seen++;
		else if (s->in.p[s->seen] == '"')
			s->in_string = !s->in_string;
	}
	return s->in_string;
}

/* False: something stands where only a whole value can. */
static bool
show_spans(const struct detect_rules *r, bool json, struct slice in, struct buf *out)
{
	struct spans s = {.r = r, .in = in, .out = out};
	size_t start = out->n;
	struct detect d;
	struct detect_hit h;

	detect_begin(&d, r->wanted, in);
	while (detect_next(&d, &h)) {
		if (json && !is_in_string(&s, &h)) {
			if (!out->failed)
				out->n = start;
			return false;
		}
		add_hit(&s, &h);
	}
	put_span(&s);
	buf_put(out, in.p + s.copied, in.n - s.copied);
	return true;
}

enum detect_result
detect_look(const struct detect_rules *r, const struct detect_field *f, struct slice in,
	    uint32_t *found)
{
	*found = 0;
	if (!found_by(r, (enum detect_how)f->how, in, 0, found))
		return DETECT_BLIND;
	return *found ? DETECT_HIT : DETECT_CLEAN;
}

bool
detect_show(const struct detect_rules *r, const struct detect_field *f, struct slice in,
	    uint32_t found, struct buf *out)
{
	bool json = f->how == HOW_JSON || f->how == HOW_JSONB;
	enum detector whole = strictest(r, found, true);

	/* The key itself stands behind the line that tells of it. */
	if (whole == DETECTOR_COUNT && !(found & DETECTOR_BIT(PRIVATE_KEY)) &&
	    (json || f->how == HOW_SPANS) && show_spans(r, json, in, out))
		return true;
	if (whole == DETECTOR_COUNT)
		whole = strictest(r, found, false);
	return show_whole(r->mask[whole], f, in, out);
}
