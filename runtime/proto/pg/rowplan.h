/* SPDX-License-Identifier: MIT
 *
 * A row plan says which fields of a result are masked and how. It is made once per result (from
 * RowDescription and the portal's formats) and applied to each DataRow. No masks: no plan, and the
 * rows are forwarded without being looked at.
 */
#ifndef WEIR_PG_ROWPLAN_H
#define WEIR_PG_ROWPLAN_H

#include "base/arena.h"
#include "proto/pg/detect_mask.h"
#include "proto/pg/mask.h"
#include "proto/pg/wire.h"

struct pg_rowplan_cell {
	uint16_t field; /* from 0; ascending */
	bool off;       /* the next row shows it as it is */
	struct mask_op op;
};

/* One block without pointers into itself: pg_rowplan_bytes() of it may be copied elsewhere. */
struct pg_rowplan {
	uint16_t n_fields; /* of each row */
	uint16_t n_cells;  /* at least 1, unless detectors are in force */
	struct detect_rules detect;
	struct pg_rowplan_cell cells[]; /* then, with detectors, a struct detect_field per field */
};

/* The mask of field number `index`, or NULL. May change *type, e.g. of an extension's type that is
 * known to behave as text (citext) to text's OID. */
typedef const struct mask_spec *pg_mask_of_fn(void *ctx, const struct pg_field *f, unsigned index,
					 uint32_t *type);

/* *plan is NULL when nothing is masked. formats: of the portal (Bind); NULL: simple query, where
 * RowDescription's own formats hold. Refuses formats whose count does not fit the fields. detect:
 * NULL or copied. */
enum pg_reason pg_rowplan_build(struct arena *a, struct pg_fields fields,
				const struct pg_formats *formats, pg_mask_of_fn *mask_of,
				void *ctx, const struct detect_rules *detect,
				struct pg_rowplan **plan) MUST_CHECK;
size_t pg_rowplan_bytes(const struct pg_rowplan *p);

struct pg_row_counts {
	uint64_t rows, cells; /* cells: masked ones, NULLs not counted */
	uint64_t rewritten;   /* rows that changed length */
	uint32_t detected[DETECTOR_COUNT]; /* cells in which a detector hit */
};

/*
 * Masks one DataRow: msg[0..n) is the whole message with its header. Stops after the last masked
 * field; with detectors every field is looked into, what a column's mask leaves of it included.
 * *rewritten false: masked where it lies, forward msg; true: the message to forward was
 * appended to out, and msg is no longer meaningful. Cheapest over the rows that one call of
 * pg_frame_rows found. Anything but PG_R_OK: the row must not be
 * forwarded (msg may be half masked, out is as it was or has failed).
 */
enum pg_reason pg_rowplan_apply(const struct pg_rowplan *p, uint8_t *msg, size_t n,
				struct buf *out, bool *rewritten,
				struct pg_row_counts *counts) MUST_CHECK;

#endif
