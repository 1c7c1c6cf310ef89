/* SPDX-License-Identifier: MIT
 *
 * Source of the three formats: PostgreSQL manual, COPY, "File Formats", and what CopyOneRowTo and
 * CopyAttributeOut* of the server write. A masked field is collected as it came, decoded when it is
 * complete, masked, and encoded again.
 */
#include "proto/pg/copyout.h"

#include "base/endian.h"

enum { B_HEADER, B_EXTENSION, B_COUNT, B_LENGTH, B_VALUE, B_END };
enum { HEADER_SIZE = 19, COLUMNS_MAX = 1600, ROW_MIN = 64 };

static const uint8_t signature[11] = "PGCOPY\n\377\r\n";

void
copyout_defaults(struct copyout_options *o, enum copyout_format format)
{
	bool csv = format == COPYOUT_CSV;

	*o = (struct copyout_options){
		.format = format,
		.delimiter = csv ? ',' : '\t',
		.quote = '"',
		.escape = '"',
		.null = csv ? SLICE_LIT("") : SLICE_LIT("\\N"),
	};
}

static bool
is_end_of_line(uint8_t c)
{
	return c == '\n' || c == '\r' || c == 0;
}

/* The server's own conditions (ProcessCopyOptions), without which a stream is ambiguous. */
static bool
options_are_sane(const struct copyout_options *o)
{
	uint8_t d = o->delimiter;

	if (o->format == COPYOUT_BINARY)
		return true;
	if (is_end_of_line(d) || d >= 0x80 || (o->null.n && memchr(o->null.p, d, o->null.n)))
		return false;
	for (size_t i = 0; i < o->null.n; i++)
		if (is_end_of_line(o->null.p[i]))
			return false;
	if (o->format == COPYOUT_TEXT)
		return !strchr("\\.abcdefghijklmnopqrstuvwxyz0123456789", d);
	return o->quote != d && !is_end_of_line(o->quote) && !is_end_of_line(o->escape) &&
	       o->quote < 0x80 && o->escape < 0x80 &&
	       !(o->null.n && memchr(o->null.p, o->quote, o->null.n));
}

bool
copyout_init(struct copyout *c, const struct copyout_options *o,
	     const struct copyout_column *columns, size_t n_columns, struct mask_op *ops,
	     size_t max_row)
{
	bool binary = o->format == COPYOUT_BINARY;

	*c = (struct copyout){.o = *o, .ops = ops, .max_row = max_row};
	if (n_columns < 1 || n_columns > COLUMNS_MAX || max_row < ROW_MIN || !options_are_sane(o))
		return false;
	c->n_columns = (uint16_t) n_columns;
	for (size_t i = 0; i < n_columns; i++) {
		const struct mask_spec *m = columns[i].mask;

		ops[i] = (struct mask_op){0};
		if (m && m->kernel != MASK_CLEAR)
			ops[i] = mask_bind(m, columns[i].type, columns[i].typmod, binary);
	}
	c->row.limit = c->field.limit = c->masked.limit = max_row;
	c->names = o->header && !binary;
	c->state = B_HEADER;
	c->need = HEADER_SIZE;
	return true;
}

void
copyout_detect(struct copyout *c, const struct detect_rules *r, const struct detect_field *fields)
{
	c->detect = *r;
	c->fields = fields;
	c->plain.limit = c->max_row;
}

void
copyout_fini(struct copyout *c)
{
	buf_fini(&c->row);
	buf_wipe(&c->field);
	buf_fini(&c->masked);
	buf_wipe(&c->plain);
}

static bool
is_masked(const struct copyout *c)
{
	if (c->names)
		return false;
	return c->ops[c->column].mask != NULL ||
	       (c->fields && !detect_field_is_blank(&c->fields[c->column]));
}

/* Bytes of the field being read. */
static void
put(struct copyout *c, const uint8_t *p, size_t n)
{
	buf_put(is_masked(c) ? &c->field : &c->row, p, n);
}

/* The row goes out as one CopyData. */
static enum pg_reason
row_end(struct copyout *c, struct buf *out)
{
	size_t at;

	if (c->row.failed)
		return PG_R_COPY_TOO_LARGE;
	at = pg_begin(out, PG_B_COPY_DATA);
	buf_put_slice(out, buf_slice(&c->row));
	pg_end(out, at);
	buf_reset(&c->row);
	c->column = 0;
	return out->failed ? PG_R_NO_MEMORY : PG_R_OK;
}

/* ---- text and csv: one field ------------------------------------------------------------ */

static const char plain_escapes[] = "\bb\ff\nn\rr\tt\vv";

/* What stands for c behind a backslash, 0 when c is not escaped that way. */
static uint8_t
escape_letter(uint8_t c)
{
	for (size_t i = 0; i + 1 < sizeof(plain_escapes); i += 2)
		if (c == (uint8_t) plain_escapes[i])
			return (uint8_t) plain_escapes[i + 1];
	return 0;
}

/* Undoes the escapes of text format where they lie; false: none that the server writes. */
static bool
decode_text(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		uint8_t ch = b->p[i];

		if (ch == '\\') {
			if (++i == b->n)
				return false;
			ch = b->p[i];
			for (size_t j = 1; j < sizeof(plain_escapes); j += 2)
				if (ch == (uint8_t) plain_escapes[j]) {
					ch = (uint8_t) plain_escapes[j - 1];
					break;
				}
			/* octal and hexadecimal: the server reads them and never writes them */
			if ((ch >= '0' && ch <= '9') || ch == 'x')
				return false;
		}
		b->p[n++] = ch;
	}
	b->n = n;
	return true;
}

/* Takes the quotes off where they lie; false: a quote where none may be. */
static bool
decode_csv(const struct copyout_options *o, struct buf *b)
{
	size_t n = 0, end = b->n;

	if (b->n == 0 || b->p[0] != o->quote)
		return b->n == 0 || !memchr(b->p, o->quote, b->n);
	if (b->n < 2 || b->p[end - 1] != o->quote)
		return false;
	for (size_t i = 1; i < end - 1; i++) {
		uint8_t ch = b->p[i], next = i + 1 < end - 1 ? b->p[i + 1] : 0;
		bool pair = ch == o->escape && i + 1 < end - 1 &&
			    (next == o->quote || next == o->escape);

		if (pair)
			ch = b->p[++i];
		else if (ch == o->quote)
			return false;
		b->p[n++] = ch;
	}
	b->n = n;
	return true;
}

static void
encode_text(const struct copyout_options *o, struct slice v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		uint8_t letter = escape_letter(v.p[i]);

		if (letter || v.p[i] == '\\' || v.p[i] == o->delimiter)
			buf_putc(out, '\\');
		buf_putc(out, letter ? letter : v.p[i]);
	}
}

static void
encode_csv(const struct copyout_options *o, struct slice v, struct buf *out)
{
	buf_putc(out, o->quote);
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == o->quote || v.p[i] == o->escape)
			buf_putc(out, o->escape);
		buf_putc(out, v.p[i]);
	}
	buf_putc(out, o->quote);
}

static bool
is_null(const struct copyout *c)
{
	/* In csv a value that equals the null string is quoted; in text only "\N" is no value. */
	if (c->o.format == COPYOUT_TEXT && !slice_is(c->o.null, "\\N"))
		return false;
	return slice_eq(buf_slice(&c->field), c->o.null);
}

/* Masks what is in c->field; false: it is NULL. */
static bool
mask_value(struct copyout *c)
{
	const struct mask_op *op = &c->ops[c->column];
	bool value;

	if (c->field.n && mask_in_place(op, c->field.p, c->field.n))
		return true;
	buf_reset(&c->masked);
	value = mask_rewrite(op, buf_slice(&c->field), &c->masked);
	buf_reset(&c->field);
	buf_put_slice(&c->field, buf_slice(&c->masked));
	return value;
}

static void
swap(struct buf *a, struct buf *b)
{
	struct buf was = *a;

	*a = *b;
	*b = was;
}

enum shown { SHOWN_AS_IT_IS, SHOWN_MASKED, SHOWN_NULL };

/* The field in c->plain: its column's mask, then the detectors. What is shown is there again. */
static enum shown
look_into(struct copyout *c)
{
	const struct mask_op *op = c->ops[c->column].mask ? &c->ops[c->column] : NULL;
	enum shown shown = SHOWN_AS_IT_IS;
	enum detect_result what;
	uint32_t found;

	c->cells += op != NULL;
	if (op) {
		buf_reset(&c->masked);
		shown = mask_rewrite(op, buf_slice(&c->plain), &c->masked) ? SHOWN_MASKED
									   : SHOWN_NULL;
		swap(&c->plain, &c->masked);
		if (shown == SHOWN_NULL || !mask_leaves_something(op))
			return shown;
	}
	what = detect_look(&c->detect, &c->fields[c->column], buf_slice(&c->plain), &found);
	if (what == DETECT_CLEAN)
		return shown;
	buf_reset(&c->masked);
	shown = what == DETECT_HIT && detect_show(&c->detect, &c->fields[c->column],
						  buf_slice(&c->plain), found, &c->masked)
			? SHOWN_MASKED
			: SHOWN_NULL;
	swap(&c->plain, &c->masked);
	c->cells += op == NULL;
	detect_count(c->detected, found);
	return shown;
}

/* A field of a text format, complete in c->field. */
static enum pg_reason
look_into_field(struct copyout *c)
{
	bool csv = c->o.format == COPYOUT_CSV;

	buf_reset(&c->plain);
	buf_put_slice(&c->plain, buf_slice(&c->field));
	if (c->plain.failed)
		return PG_R_COPY_TOO_LARGE;
	if (!(csv ? decode_csv(&c->o, &c->plain) : decode_text(&c->plain)))
		return PG_R_COPY_FORMAT;
	switch (look_into(c)) {
	case SHOWN_AS_IT_IS:
		buf_put_slice(&c->row, buf_slice(&c->field));
		break;
	case SHOWN_MASKED:
		if (csv)
			encode_csv(&c->o, buf_slice(&c->plain), &c->row);
		else
			encode_text(&c->o, buf_slice(&c->plain), &c->row);
		break;
	case SHOWN_NULL:
		buf_put_slice(&c->row, c->o.null);
		break;
	}
	buf_reset(&c->field);
	return c->plain.failed || c->masked.failed ? PG_R_COPY_TOO_LARGE : PG_R_OK;
}

static enum pg_reason
field_end(struct copyout *c)
{
	bool csv = c->o.format == COPYOUT_CSV, failed;
	struct slice v;

	if (!is_masked(c))
		return PG_R_OK;
	if (c->field.failed || c->row.failed)
		return PG_R_COPY_TOO_LARGE;
	if (is_null(c)) {
		buf_put_slice(&c->row, c->o.null);
		buf_reset(&c->field);
		return PG_R_OK;
	}
	if (c->fields)
		return look_into_field(c);
	if (!(csv ? decode_csv(&c->o, &c->field) : decode_text(&c->field)))
		return PG_R_COPY_FORMAT;
	c->cells++;
	if (!mask_value(c)) {
		buf_put_slice(&c->row, c->o.null);
	} else {
		v = buf_slice(&c->field);
		if (csv)
			encode_csv(&c->o, v, &c->row);
		else
			encode_text(&c->o, v, &c->row);
	}
	failed = c->field.failed || c->masked.failed;
	buf_reset(&c->field);
	return failed ? PG_R_COPY_TOO_LARGE : PG_R_OK;
}

/* ---- text and csv: the stream ----------------------------------------------------------- */

/* Bytes at p that mean nothing in this state. */
static size_t
plain_run(const struct copyout *c, const uint8_t *p, size_t n)
{
	bool csv = c->o.format == COPYOUT_CSV;
	uint8_t a = csv ? c->o.quote : '\\', b = c->quoted ? c->o.escape : c->o.delimiter;
	uint8_t e = c->quoted ? b : '\n';
	size_t i = 0;

	if (c->escaped)
		return 0;
	while (i < n && p[i] != a && p[i] != b && p[i] != e)
		i++;
	return i;
}

static enum pg_reason
line_special(struct copyout *c, uint8_t ch, struct buf *out)
{
	bool csv = c->o.format == COPYOUT_CSV;
	enum pg_reason r;

	if (c->escaped || c->quoted) {
		if (!csv && ch == '\n')
			return PG_R_COPY_FORMAT;
		if (c->escaped)
			c->escaped = false;
		else if (ch == c->o.quote)
			c->quoted = false;
		else
			c->escaped = true; /* an escape that is not the quote */
		put(c, &ch, 1);
		return PG_R_OK;
	}
	if (ch == (csv ? c->o.quote : '\\')) {
		c->quoted = csv;
		c->escaped = !csv;
		put(c, &ch, 1);
		return PG_R_OK;
	}
	r = field_end(c);
	if (r)
		return r;
	buf_putc(&c->row, ch);
	if (ch == c->o.delimiter) {
		c->column++;
		return c->column < c->n_columns ? PG_R_OK : PG_R_COPY_FIELDS;
	}
	if (c->column != c->n_columns - 1)
		return PG_R_COPY_FIELDS;
	c->rows += !c->names;
	c->names = false;
	return row_end(c, out);
}

static enum pg_reason
feed_lines(struct copyout *c, const uint8_t *p, size_t n, struct buf *out)
{
	while (n > 0) {
		size_t run = plain_run(c, p, n);
		enum pg_reason r;

		put(c, p, run);
		p += run;
		n -= run;
		if (c->row.failed || c->field.failed)
			return PG_R_COPY_TOO_LARGE;
		if (n == 0)
			break;
		r = line_special(c, *p, out);
		if (r)
			return r;
		p++;
		n--;
	}
	return PG_R_OK;
}

/* ---- binary ----------------------------------------------------------------------------- */

static void
binary_read(struct copyout *c, uint8_t state, uint32_t need)
{
	c->state = state;
	c->need = need;
}

/* The next field of the row, or the next row. */
static enum pg_reason
binary_next(struct copyout *c, struct buf *out)
{
	if (c->column < c->n_columns) {
		binary_read(c, B_LENGTH, 4);
		return PG_R_OK;
	}
	c->rows++;
	binary_read(c, B_COUNT, 2);
	return row_end(c, out);
}

/* A masked value is complete: its length, which lies at the end of the row, is replaced. */
static enum pg_reason
binary_mask(struct copyout *c)
{
	size_t at = c->row.n;
	bool value;

	if (c->fields) {
		buf_reset(&c->plain);
		swap(&c->plain, &c->field);
		value = look_into(c) != SHOWN_NULL;
		buf_put_slice(&c->row, buf_slice(&c->plain));
		if (c->row.failed || c->plain.failed || c->masked.failed)
			return PG_R_COPY_TOO_LARGE;
	} else {
		value = mask_rewrite(&c->ops[c->column], buf_slice(&c->field), &c->row);
		c->cells++;
	}
	if (c->row.failed)
		return PG_R_COPY_TOO_LARGE;
	if (!value)
		c->row.n = at;
	put_be32(c->row.p + at - 4, value ? (uint32_t) (c->row.n - at) : UINT32_MAX);
	buf_reset(&c->field);
	return PG_R_OK;
}

static enum pg_reason
binary_length(struct copyout *c, uint32_t len, struct buf *out)
{
	if (len == UINT32_MAX) {
		c->column++;
		return binary_next(c, out);
	}
	if (len > INT32_MAX)
		return PG_R_COPY_FORMAT;
	if (len > c->max_row)
		return PG_R_COPY_TOO_LARGE;
	binary_read(c, B_VALUE, len);
	return PG_R_OK;
}

/* What was being read has all its bytes, at the end of c->row (or, of a masked value, c->field). */
static enum pg_reason
binary_step(struct copyout *c, struct buf *out)
{
	const uint8_t *end = c->row.p + c->row.n;
	enum pg_reason r;

	switch (c->state) {
	case B_HEADER:
		if (memcmp(end - HEADER_SIZE, signature, sizeof(signature)) != 0 ||
		    get_be32(end - 8) != 0)
			return PG_R_COPY_FORMAT;
		if (get_be32(end - 4) > c->max_row)
			return PG_R_COPY_TOO_LARGE;
		binary_read(c, B_EXTENSION, get_be32(end - 4));
		return PG_R_OK;
	case B_EXTENSION:
		/* It goes out with the first row, as the server does it: clients rely on that. */
		binary_read(c, B_COUNT, 2);
		return PG_R_OK;
	case B_COUNT:
		if (get_be16(end - 2) == UINT16_MAX) {
			binary_read(c, B_END, 1);
			return row_end(c, out);
		}
		if (get_be16(end - 2) != c->n_columns)
			return PG_R_COPY_FIELDS;
		binary_read(c, B_LENGTH, 4);
		return PG_R_OK;
	case B_LENGTH:
		return binary_length(c, get_be32(end - 4), out);
	case B_VALUE:
		r = is_masked(c) ? binary_mask(c) : PG_R_OK;
		if (r)
			return r;
		c->column++;
		return binary_next(c, out);
	}
	return PG_R_COPY_FORMAT; /* bytes behind the trailer */
}

static enum pg_reason
feed_binary(struct copyout *c, const uint8_t *p, size_t n, struct buf *out)
{
	/* Also with no bytes left: an empty value is complete at once. */
	while (n > 0 || c->need == 0) {
		uint32_t take = n < c->need ? (uint32_t) n : c->need;
		enum pg_reason r;

		buf_put(c->state == B_VALUE && is_masked(c) ? &c->field : &c->row, p, take);
		p += take;
		n -= take;
		c->need -= take;
		if (c->row.failed || c->field.failed)
			return PG_R_COPY_TOO_LARGE;
		if (c->need > 0)
			break;
		r = binary_step(c, out);
		if (r)
			return r;
	}
	return PG_R_OK;
}

enum pg_reason
copyout_feed(struct copyout *c, const uint8_t *p, size_t n, struct buf *out)
{
	return c->o.format == COPYOUT_BINARY ? feed_binary(c, p, n, out)
					     : feed_lines(c, p, n, out);
}

enum pg_reason
copyout_end(struct copyout *c)
{
	if (c->o.format == COPYOUT_BINARY)
		return c->state == B_END ? PG_R_OK : PG_R_COPY_FORMAT;
	return c->row.n == 0 && c->field.n == 0 && c->column == 0 && !c->quoted && !c->escaped
		       ? PG_R_OK
		       : PG_R_COPY_FORMAT;
}

/* ---- a row before it is fed ------------------------------------------------------------- */

/* Where the field at p ends; NULL: not in these bytes. */
static const uint8_t *
field_at(const struct copyout_options *o, const uint8_t *p, const uint8_t *end)
{
	bool csv = o->format == COPYOUT_CSV, quoted = false;

	for (; p < end; p++) {
		if (!csv && *p == '\\' && p + 1 < end) {
			p++;
		} else if (csv && quoted && *p == o->escape && p + 1 < end &&
			   (p[1] == o->quote || p[1] == o->escape)) {
			p++;
		} else if (csv && *p == o->quote) {
			quoted = !quoted;
		} else if (!quoted && (*p == o->delimiter || *p == '\n')) {
			return p;
		}
	}
	return NULL;
}

static bool
peek_line(struct copyout *c, const uint8_t *p, size_t n, struct copyout_value *out,
	  struct buf *scratch)
{
	const uint8_t *end = p + n;
	struct buf *f = &c->field;

	for (uint16_t i = 0; i < c->n_columns; i++) {
		const uint8_t *stop = field_at(&c->o, p, end);

		if (!stop || (*stop == '\n') != (i + 1 == c->n_columns))
			return false;
		buf_reset(f);
		buf_put(f, p, (size_t) (stop - p));
		/* Under a null string of one's own, text format has values that look like NULL. */
		out[i] = (struct copyout_value){.null = slice_eq(buf_slice(f), c->o.null)};
		if (f->failed || !(out[i].null || (c->o.format == COPYOUT_CSV
							   ? decode_csv(&c->o, f)
							   : decode_text(f))))
			return false;
		out[i].v = slice_of(scratch->p + scratch->n, f->n);
		buf_put_slice(scratch, buf_slice(f));
		p = stop + 1;
	}
	return p == end;
}

static enum copyout_piece
peek_text(struct copyout *c, const uint8_t *p, size_t n, struct copyout_value *out,
	  struct buf *scratch)
{
	bool good = n && !c->row.n && !c->field.n && !c->column && !c->quoted && !c->escaped;

	buf_reset(scratch);
	/* Slices into it must hold: no growing after this. */
	good = good && buf_reserve(scratch, n) && peek_line(c, p, n, out, scratch);
	buf_reset(&c->field);
	if (!good)
		return COPYOUT_BROKEN;
	return c->names ? COPYOUT_FRAME : COPYOUT_ROW;
}

static enum copyout_piece
peek_fields(const struct copyout *c, const uint8_t *p, const uint8_t *end,
	    struct copyout_value *out)
{
	for (uint16_t i = 0; i < c->n_columns; i++) {
		uint32_t len;

		if (end - p < 4)
			return COPYOUT_BROKEN;
		len = get_be32(p);
		p += 4;
		out[i] = (struct copyout_value){.null = len == UINT32_MAX};
		if (out[i].null)
			continue;
		if (len > (size_t) (end - p))
			return COPYOUT_BROKEN;
		out[i].v = slice_of(p, len);
		p += len;
	}
	return p == end ? COPYOUT_ROW : COPYOUT_BROKEN;
}

static enum copyout_piece
peek_binary(const struct copyout *c, const uint8_t *p, size_t n, struct copyout_value *out,
	    size_t *frame)
{
	bool start = c->state == B_HEADER && c->need == HEADER_SIZE;

	if (!start && (c->state != B_COUNT || c->need != 2))
		return COPYOUT_BROKEN;
	if (start) {
		if (n < HEADER_SIZE || get_be32(p + HEADER_SIZE - 4) > n - HEADER_SIZE)
			return COPYOUT_BROKEN;
		*frame = HEADER_SIZE + get_be32(p + HEADER_SIZE - 4);
		p += *frame;
		n -= *frame;
		if (n == 0)
			return COPYOUT_FRAME;
	}
	if (n < 2)
		return COPYOUT_BROKEN;
	if (get_be16(p) == UINT16_MAX)
		return n == 2 ? COPYOUT_FRAME : COPYOUT_BROKEN;
	return get_be16(p) == c->n_columns ? peek_fields(c, p + 2, p + n, out) : COPYOUT_BROKEN;
}

enum copyout_piece
copyout_peek(struct copyout *c, const uint8_t *p, size_t n, struct copyout_value *out,
	     size_t *frame, struct buf *scratch)
{
	*frame = 0;
	return c->o.format == COPYOUT_BINARY ? peek_binary(c, p, n, out, frame)
					     : peek_text(c, p, n, out, scratch);
}
