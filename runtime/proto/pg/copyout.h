/* SPDX-License-Identifier: MIT
 *
 * Masks the stream of COPY ... TO STDOUT in text, csv and binary format, incrementally: CopyData
 * payloads come in cut anywhere, one CopyData message per row goes out. A row is held until it is
 * complete, up to max_row bytes.
 * A NULL passes as NULL, but in text format only under the default null string: under any other the
 * server writes an equal value the same way, and whoever chose the string would learn of it.
 * Encoding: UTF-8, which the gateway pins; lines end with "\n", as the server writes them in
 * protocol 3.
 */
#ifndef WEIR_PG_COPYOUT_H
#define WEIR_PG_COPYOUT_H

#include "proto/pg/detect_mask.h"
#include "proto/pg/mask.h"
#include "proto/pg/wire.h"

enum copyout_format { COPYOUT_TEXT, COPYOUT_CSV, COPYOUT_BINARY };

/* As the statement says them; copyout_defaults fills in PostgreSQL's. */
struct copyout_options {
	enum copyout_format format;
	uint8_t delimiter, quote, escape;
	struct slice null; /* must outlive the copyout */
	bool header;       /* text and csv: the first line holds names and passes as it is */
};

struct copyout_column {
	const struct mask_spec *mask; /* NULL: passes as it is */
	uint32_t type;           /* base type OID */
	int32_t typmod;          /* -1: none */
	uint32_t table;          /* whose column it is, plainly; 0: nobody's, or not known */
	int16_t attnum;
};

struct copyout {
	struct copyout_options o;
	const struct mask_op *ops; /* per column; mask NULL: passes */
	const struct detect_field *fields; /* per column; NULL: no detectors */
	struct detect_rules detect;
	uint16_t n_columns;
	size_t max_row;
	struct buf row;    /* the row so far, as it will go out */
	struct buf field;  /* a masked field so far, as it came in */
	struct buf masked; /* scratch for masks that change the length */
	struct buf plain;  /* detectors: the field, decoded */
	uint8_t state;     /* binary: what is being read */
	uint16_t column;
	bool quoted;       /* csv: between quotes */
	bool escaped;      /* the next byte stands for itself */
	bool names;        /* in the header line */
	uint32_t need;     /* binary: bytes still to come of what is being read */
	uint64_t rows, cells; /* rows that went out, cells masked (NULLs not counted) */
	uint32_t detected[DETECTOR_COUNT];
};

void copyout_defaults(struct copyout_options *o, enum copyout_format format);
/* ops: room for n_columns operations (1 to 1600), filled here; must outlive c, as the columns'
 * masks. false: options that no server accepts, or max_row under 64. */
bool copyout_init(struct copyout *c, const struct copyout_options *o,
		  const struct copyout_column *columns, size_t n_columns, struct mask_op *ops,
		  size_t max_row) MUST_CHECK;
/* Detectors look into the columns as well, behind their masks. fields: one per column, for the
 * format of c; must outlive c, as the masks of r. */
void copyout_detect(struct copyout *c, const struct detect_rules *r,
		    const struct detect_field *fields);
void copyout_fini(struct copyout *c);
/* Takes a piece of payload, appends whole CopyData messages to out. After anything but PG_R_OK
 * nothing more may be forwarded. */
enum pg_reason copyout_feed(struct copyout *c, const uint8_t *p, size_t n, struct buf *out)
	MUST_CHECK;

/* A field of a row as the server has it, before masks. */
struct copyout_value {
	struct slice v;
	bool null; /* or as it would look */
};
/* What a piece of payload is: neither of the others; names, a header, a trailer; one row. */
enum copyout_piece { COPYOUT_BROKEN, COPYOUT_FRAME, COPYOUT_ROW };
/* Looks at what the next copyout_feed is given. A row: its values (room for n_columns), decoded
 * into scratch where need be; the first *frame bytes are no part of it, but a header before it. */
enum copyout_piece copyout_peek(struct copyout *c, const uint8_t *p, size_t n,
				struct copyout_value *out, size_t *frame,
				struct buf *scratch) MUST_CHECK;
/* At CopyDone: PG_R_OK when the stream ended between rows. */
enum pg_reason copyout_end(struct copyout *c) MUST_CHECK;

#endif
