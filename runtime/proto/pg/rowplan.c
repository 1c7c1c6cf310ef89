/* SPDX-License-Identifier: MIT */
#include "proto/pg/rowplan.h"

#include "base/endian.h"

enum { FIELDS_AT = PG_HEADER + 2 };

static struct detect_field *
detect_fields(const struct pg_rowplan *p)
{
	return (struct detect_field *) (uintptr_t) (p->cells + p->n_cells);
}

enum pg_reason
pg_rowplan_build(struct arena *a, struct pg_fields fields, const struct pg_formats *formats,
		 pg_mask_of_fn *mask_of, void *ctx, const struct detect_rules *detect,
		 struct pg_rowplan **plan)
{
	struct pg_rowplan *p;
	struct pg_fields again = fields;
	struct pg_field f;
	uint16_t n_fields = fields.n;

	*plan = NULL;
	if (formats && formats->n > 1 && formats->n != n_fields)
		return PG_R_FORMAT_COUNT;
	p = arena_try_alloc(a, sizeof(*p) + n_fields * (sizeof(p->cells[0]) +
							sizeof(struct detect_field)));
	if (!p)
		return PG_R_NO_MEMORY;
	p->n_fields = n_fields;
	for (unsigned i = 0; pg_fields_next(&fields, &f); i++) {
		uint32_t type = f.type;
		const struct mask_spec *m = mask_of(ctx, &f, i, &type);
		uint16_t format = formats ? pg_format(*formats, i) : f.format;

		if (!m || m->kernel == MASK_CLEAR)
			continue;
		p->cells[p->n_cells].field = (uint16_t) i;
		p->cells[p->n_cells].off = false;
		p->cells[p->n_cells].op = mask_bind(m, type, f.typmod, format);
		p->n_cells++;
	}
	if (detect && detect->wanted) {
		p->detect = *detect;
		for (unsigned i = 0; pg_fields_next(&again, &f); i++)
			detect_fields(p)[i] = detect_field_of(
				f.type, f.typmod, formats ? pg_format(*formats, i) : f.format);
	}
	if (p->n_cells > 0 || p->detect.wanted)
		*plan = p;
	return PG_R_OK;
}

size_t
pg_rowplan_bytes(const struct pg_rowplan *p)
{
	return sizeof(*p) + p->n_cells * sizeof(p->cells[0]) +
	       (p->detect.wanted ? p->n_fields * sizeof(struct detect_field) : 0);
}

/* A row on its way out: while `copied` is 0 it lies in the message; else everything before it was
 * appended to out and the rest follows. */
struct row_out {
	const uint8_t *msg;
	struct buf *out;
	size_t start;  /* of the new message in out */
	size_t copied; /* bytes of msg that are in out, as they are or masked */
};

/* As buf_reserve, which is a call: there nearly always is room. */
static inline uint8_t *
room(struct buf *b, size_t n)
{
	bool fits = !b->failed && !b->limit && n <= b->cap - b->n;

	return fits && b->p ? b->p + b->n : buf_reserve(b, n);
}

/* Appends msg up to `to`, then a value that does not hang on what was there: room is made once. */
static void
replace_always(struct row_out *r, size_t to, size_t n, struct slice value)
{
	size_t before = to - r->copied;
	uint8_t *p = room(r->out, before + 4 + value.n);

	if (p) {
		memcpy(p, r->msg + r->copied, before);
		put_be32(p + before, (uint32_t) value.n);
		if (value.n)
			memcpy(p + before + 4, value.p, value.n);
		r->out->n += before + 4 + value.n;
	}
	r->copied = to + 4 + n;
}

/* Appends msg up to `to`, then the masked value of in. */
static void
replace(struct row_out *r, const struct mask_op *op, size_t to, struct slice in)
{
	struct buf *out = r->out;
	size_t at;
	bool value;

	buf_put(out, r->msg + r->copied, to - r->copied);
	at = out->n;
	buf_be32(out, 0);
	value = mask_rewrite(op, in, out);
	if (!out->failed)
		put_be32(out->p + at, value ? (uint32_t) (out->n - at - 4) : UINT32_MAX);
	if (!value && !out->failed)
		out->n = at + 4;
	r->copied = to + 4 + in.n;
}

/* The value v, which is not NULL: where it lies, or else at the end of out. */
static void
mask_cell(struct row_out *r, const struct mask_op *op, uint8_t *v, uint32_t len)
{
	size_t to = (size_t) (v - r->msg) - 4;
	struct slice always;

	if (!mask_always(op, &always)) {
		if (!mask_in_place(op, v, len))
			replace(r, op, to, slice_of(v, len));
	} else if (always.n != len) {
		replace_always(r, to, len, always);
	} else if (len) {
		memcpy(v, always.p, len);
	}
}

static enum pg_reason
row_finish(struct row_out *r, size_t n)
{
	struct buf *out = r->out;
	uint64_t len;

	buf_put(out, r->msg + r->copied, n - r->copied);
	if (out->failed)
		return PG_R_ROW_TOO_LARGE;
	len = out->n - r->start - 1;
	if (len > PG_MAX_MESSAGE) {
		out->n = r->start;
		return PG_R_ROW_TOO_LARGE;
	}
	put_be32(out->p + r->start + 1, (uint32_t) len);
	return PG_R_OK;
}

/* Appends msg up to `to`, then what is shown of what was found in `in`. */
static void
replace_found(struct row_out *r, const struct pg_rowplan *p, unsigned i, size_t to, size_t len,
	      struct slice in, enum detect_result what, uint32_t found)
{
	struct buf *out = r->out;
	bool value;
	size_t at;

	buf_put(out, r->msg + r->copied, to - r->copied);
	at = out->n;
	buf_be32(out, 0);
	value = what == DETECT_HIT &&
		detect_show(&p->detect, &detect_fields(p)[i], in, found, out);
	if (!out->failed)
		put_be32(out->p + at, value ? (uint32_t) (out->n - at - 4) : UINT32_MAX);
	if (!value && !out->failed)
		out->n = at + 4;
	r->copied = to + 4 + len;
}

/* The column's mask has put its value at the end of out, where it is looked into. */
static uint32_t
look_again(struct row_out *r, const struct pg_rowplan *p, unsigned i, size_t at)
{
	const struct detect_field *f = &detect_fields(p)[i];
	struct buf *out = r->out, value = {0};
	enum detect_result what;
	uint32_t found = 0;

	if (out->failed || get_be32(out->p + at) == UINT32_MAX)
		return 0;
	what = detect_look(&p->detect, f, slice_of(out->p + at + 4, out->n - at - 4), &found);
	if (what == DETECT_CLEAN)
		return 0;
	buf_put(&value, out->p + at + 4, out->n - at - 4);
	out->n = at + 4;
	if (value.failed || what == DETECT_BLIND ||
	    !detect_show(&p->detect, f, buf_slice(&value), found, out)) {
		if (!out->failed) {
			out->n = at + 4;
			put_be32(out->p + at, UINT32_MAX);
		}
	} else if (!out->failed) {
		put_be32(out->p + at, (uint32_t) (out->n - at - 4));
	}
	buf_wipe(&value);
	return found;
}

/* One field that is not NULL: its column's mask (NULL: none), then the detectors. */
static void
look_into(struct row_out *r, const struct pg_rowplan *p, const struct mask_op *op, unsigned i,
	  uint8_t *v, uint32_t len, struct pg_row_counts *counts)
{
	size_t at = (size_t) (v - r->msg);
	enum detect_result what;
	uint32_t found = 0;

	counts->cells += op != NULL;
	if (op && !mask_in_place(op, v, len)) {
		size_t before = at - 4 - r->copied;
		size_t value_at = r->out->n + before;

		replace(r, op, at - 4, slice_of(v, len));
		if (mask_leaves_something(op))
			detect_count(counts->detected, look_again(r, p, i, value_at));
		return;
	}
	if (op && !mask_leaves_something(op))
		return;
	what = detect_look(&p->detect, &detect_fields(p)[i], slice_of(v, len), &found);
	if (what == DETECT_CLEAN)
		return;
	replace_found(r, p, i, at - 4, len, slice_of(v, len), what, found);
	counts->cells += op == NULL;
	detect_count(counts->detected, found);
}

static enum pg_reason
apply_detecting(const struct pg_rowplan *p, uint8_t *msg, size_t n, struct row_out *r,
		struct pg_row_counts *counts)
{
	const struct pg_rowplan_cell *cell = p->cells, *end = p->cells + p->n_cells;
	size_t at = FIELDS_AT;

	for (unsigned i = 0; i < p->n_fields; i++) {
		const struct mask_op *op = NULL;
		uint32_t len;

		if (n - at < 4)
			return PG_R_TRUNCATED;
		len = get_be32(msg + at);
		at += 4;
		if (cell < end && cell->field == i) {
			op = cell->off ? NULL : &cell->op;
			cell++;
		}
		if (len == UINT32_MAX)
			continue;
		if (len > n - at)
			return PG_R_TRUNCATED;
		look_into(r, p, op, i, msg + at, len, counts);
		at += len;
	}
	return PG_R_OK;
}

enum pg_reason
pg_rowplan_apply(const struct pg_rowplan *p, uint8_t *msg, size_t n, struct buf *out,
		 bool *rewritten, struct pg_row_counts *counts)
{
	const struct pg_rowplan_cell *cell = p->cells, *end = p->cells + p->n_cells;
	struct row_out r = {.msg = msg, .out = out, .start = out->n};
	size_t at = FIELDS_AT;
	uint64_t cells = 0;

	*rewritten = false;
	if (n < FIELDS_AT || msg[0] != PG_B_DATA_ROW || (uint64_t) get_be32(msg + 1) + 1 != n)
		return PG_R_TRUNCATED;
	if (get_be16(msg + 5) != p->n_fields)
		return PG_R_ROW_FIELDS;
	if (p->detect.wanted) {
		if (apply_detecting(p, msg, n, &r, counts) != PG_R_OK)
			goto truncated;
		cell = end;
	}
	for (unsigned i = 0; cell < end; i++) {
		uint32_t len;

		if (n - at < 4)
			goto truncated;
		len = get_be32(msg + at);
		at += 4;
		if (len == UINT32_MAX) {
			if (cell->field == i && cell->op.mask->nulls && !cell->off)
				replace(&r, &cell->op, at - 4, slice_of(msg + at, 0));
			cell += cell->field == i;
			continue;
		}
		if (len > n - at)
			goto truncated;
		if (cell->field == i && cell->off) {
			cell++;
		} else if (cell->field == i) {
			mask_cell(&r, &cell->op, msg + at, len);
			cells++;
			cell++;
		}
		at += len;
	}
	counts->rows++;
	counts->cells += cells;
	if (r.copied == 0)
		return PG_R_OK;
	*rewritten = true;
	counts->rewritten++;
	return row_finish(&r, n);

truncated:
	/* Nothing half made may look like a row. */
	if (!out->failed)
		out->n = r.start;
	return PG_R_TRUNCATED;
}
