/* SPDX-License-Identifier: MIT */
#include "proto/pg/rowplan.h"

#include "base/endian.h"

enum { FIELDS_AT = PG_HEADER + 2 };

enum pg_reason
pg_rowplan_build(struct arena *a, struct pg_fields fields, const struct pg_formats *formats,
		 pg_mask_of_fn *mask_of, void *ctx, struct pg_rowplan **plan)
{
	struct pg_rowplan *p;
	struct pg_field f;
	uint16_t n_fields = fields.n;

	*plan = NULL;
	if (formats && formats->n > 1 && formats->n != n_fields)
		return PG_R_FORMAT_COUNT;
	p = arena_try_alloc(a, sizeof(*p) + n_fields * sizeof(p->cells[0]));
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
	if (p->n_cells > 0)
		*plan = p;
	return PG_R_OK;
}

size_t
pg_rowplan_bytes(const struct pg_rowplan *p)
{
	return sizeof(*p) + p->n_cells * sizeof(p->cells[0]);
}

/* A row on its way out: while `copied` is 0 it lies in the message; else everything before it was
 * appended to out and the rest follows. */
struct row_out {
	const uint8_t *msg;
	struct buf *out;
	size_t start;  /* of the new message in out */
	size_t copied; /* bytes of msg that are in out, as they are or masked */
};

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
	for (unsigned i = 0; cell < end; i++) {
		uint32_t len;

		if (n - at < 4)
			goto truncated;
		len = get_be32(msg + at);
		at += 4;
		if (len == UINT32_MAX) {
			cell += cell->field == i;
			continue;
		}
		if (len > n - at)
			goto truncated;
		if (cell->field == i && cell->off) {
			cell++;
		} else if (cell->field == i) {
			if (!mask_in_place(&cell->op, msg + at, len))
				replace(&r, &cell->op, at - 4, slice_of(msg + at, len));
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
