/* SPDX-License-Identifier: MIT
 *
 * Which kernel a mask has for a type:
 *
 *   null                 every type
 *   fixed                text types: the text, cut to varchar(n) and char(n); bool, integers,
 *                        floats, numeric, date, time, timestamp(tz), uuid, bytea, json scalars,
 *                        xml without markup: when the text is a value of the type; else NULL
 *   first, last, partial text types
 *   hash                 text types: 64 hexadecimal digits, cut to the type's length;
 *                        bytea: 32 bytes; uuid: a version 4 uuid
 *   pseudonym            text types, integers, numeric, uuid
 *   year, month          date, timestamp, timestamptz (in UTC)
 *   round, bucket        integers, floats, numeric
 *
 * Text types are text, varchar, char(n) and name. Everything not listed becomes NULL: arrays,
 * composites, ranges, geometric types, enums, extension types.
 */
#include "proto/pg/mask_kernels.h"

static enum mask_type
type_of(uint32_t oid)
{
	switch (oid) {
	case 16: return MT_BOOL;
	case 17: return MT_BYTEA;
	case 18: return MT_CHAR;
	case 19:
	case 25:
	case 705:
	case 1043: return MT_TEXT;
	case 20: return MT_INT8;
	case 21: return MT_INT2;
	case 23: return MT_INT4;
	case 114: return MT_JSON;
	case 142: return MT_XML;
	case 700: return MT_FLOAT4;
	case 701: return MT_FLOAT8;
	case 1042: return MT_BPCHAR;
	case 1082: return MT_DATE;
	case 1083: return MT_TIME;
	case 1114: return MT_TIMESTAMP;
	case 1184: return MT_TIMESTAMPTZ;
	case 1700: return MT_NUMERIC;
	case 2950: return MT_UUID;
	case 3802: return MT_JSONB;
	default: return MT_NONE;
	}
}

enum { OID_NAME = 19, OID_BPCHAR = 1042, OID_VARCHAR = 1043, NAME_MAX_BYTES = 63, VARHDRSZ = 4 };

static uint32_t
limit_of(uint32_t oid, int32_t typmod)
{
	if (oid == OID_NAME)
		return NAME_MAX_BYTES;
	if ((oid == OID_VARCHAR || oid == OID_BPCHAR) && typmod > VARHDRSZ)
		return (uint32_t) typmod - VARHDRSZ;
	return 0;
}

static enum mask_step
keyed_step(const struct mask_op *op, bool pseudonym)
{
	switch (op->type) {
	case MT_TEXT:
	case MT_BPCHAR:
	case MT_UUID:
		return pseudonym ? STEP_PSEUDONYM : STEP_HASH;
	case MT_BYTEA:
		return pseudonym ? STEP_NULL : STEP_HASH;
	case MT_INT2:
	case MT_INT4:
	case MT_INT8:
	case MT_NUMERIC:
		return pseudonym ? STEP_PSEUDONYM : STEP_NULL;
	default:
		return STEP_NULL;
	}
}

struct mask_spec
mask_hidden(enum mask kernel, struct slice text)
{
	return (struct mask_spec){.kernel = kernel == MASK_NULL ? MASK_NULL : MASK_FIXED,
				  .text = kernel == MASK_FIXED ? text : SLICE_LIT("****"),
				  .nulls = true};
}

struct mask_op
mask_bind(const struct mask_spec *m, uint32_t type, int32_t typmod, uint16_t format)
{
	struct mask_op op = {.type = (uint8_t)type_of(type), .format = (uint8_t)format, .mask = m};
	bool text = op.type == MT_TEXT || op.type == MT_BPCHAR;

	op.limit = limit_of(type, typmod);
	if (format > 1)
		return op; /* STEP_NULL */
	switch (m->kernel) {
	case MASK_FIXED:
		mask_fixed_bind(&op, typmod);
		break;
	case MASK_FIRST:
	case MASK_LAST:
		op.n = m->n;
		op.op = !text ? STEP_NULL : m->kernel == MASK_FIRST ? STEP_FIRST : STEP_LAST;
		break;
	case MASK_PARTIAL:
		op.op = text ? STEP_PARTIAL : STEP_NULL;
		break;
	case MASK_HASH:
	case MASK_PSEUDONYM:
		if (m->key)
			op.op = (uint8_t) keyed_step(&op, m->kernel == MASK_PSEUDONYM);
		break;
	case MASK_YEAR:
	case MASK_MONTH:
	case MASK_ROUND:
	case MASK_BUCKET:
		mask_coarse_bind(&op, typmod);
		break;
	default: /* null, and whatever else a newer policy may bring */
		break;
	}
	return op;
}

bool
mask_op_is_null(const struct mask_op *op)
{
	return op->op == STEP_NULL;
}

bool
mask_leaves_something(const struct mask_op *op)
{
	return op->op == STEP_FIRST || op->op == STEP_LAST || op->op == STEP_PARTIAL;
}

size_t
mask_chars(const uint8_t *p, size_t n)
{
	size_t chars = 0;

	for (size_t i = 0; i < n; chars++) {
		size_t len = mask_utf8_len(p + i, n - i);

		i += len ? len : 1;
	}
	return chars;
}

size_t
mask_unpadded(const struct mask_op *op, const uint8_t *p, size_t n)
{
	while (op->type == MT_BPCHAR && n > 0 && p[n - 1] == ' ')
		n--;
	return n;
}

static struct slice
fixed_value(const struct mask_op *op)
{
	return op->op == STEP_FIXED_TEXT ? slice_of(op->mask->text.p, op->n)
					 : slice_of(op->small, op->n_small);
}

/* char(n): blanks up to n characters. */
static size_t
fixed_padding(const struct mask_op *op, struct slice v)
{
	return op->type == MT_BPCHAR && op->limit ? op->limit - mask_chars(v.p, v.n) : 0;
}

bool
mask_always(const struct mask_op *op, struct slice *value)
{
	if ((op->op != STEP_FIXED_TEXT && op->op != STEP_FIXED_SMALL) || op->type == MT_BPCHAR)
		return false;
	*value = fixed_value(op);
	return true;
}

static bool
fixed_in_place(const struct mask_op *op, uint8_t *p, size_t n)
{
	struct slice v = fixed_value(op);
	size_t pad = n >= v.n ? fixed_padding(op, v) : 0;

	if (v.n + pad != n)
		return false;
	memcpy(p, v.p, v.n);
	memset(p + v.n, ' ', pad);
	return true;
}

bool
mask_in_place(const struct mask_op *op, uint8_t *p, size_t n)
{
	switch ((enum mask_step) op->op) {
	case STEP_FIRST:
	case STEP_LAST:
	case STEP_PARTIAL:
		return mask_text_in_place(op, p, n);
	case STEP_FIXED_TEXT:
	case STEP_FIXED_SMALL:
		return n > 0 && fixed_in_place(op, p, n);
	case STEP_HASH:
		return op->type == MT_UUID && mask_uuid(op, p, n);
	case STEP_PSEUDONYM:
		if (op->type == MT_TEXT || op->type == MT_BPCHAR) {
			mask_pseudonym_text(op->mask->key, p, n);
			return true;
		}
		if (op->type == MT_UUID)
			return mask_uuid(op, p, n);
		if (op->type != MT_NUMERIC)
			return mask_pseudonym_int(op, p, n);
		return op->format == 0 && mask_pseudonym_numeric(op->mask->key, p, n);
	case STEP_YEAR:
	case STEP_MONTH:
	case STEP_ROUND:
	case STEP_BUCKET:
		return mask_coarse_in_place(op, p, n);
	case STEP_NULL:
		break;
	}
	return false;
}

/* Kernels that keep the length, run on a copy at the end of out. */
static bool
rewrite_copy(const struct mask_op *op, struct slice in, struct buf *out)
{
	size_t at = out->n;

	buf_put_slice(out, in);
	if (out->failed)
		return false;
	if (mask_in_place(op, in.n ? out->p + at : (uint8_t *) "", in.n))
		return true;
	/* Not a value of the type, so it has no mask. */
	out->n = at;
	return false;
}

bool
mask_rewrite(const struct mask_op *op, struct slice in, struct buf *out)
{
	struct slice v;

	if (in.n == 0)
		in = SLICE_LIT(""); /* kernels may add to its address */
	switch ((enum mask_step) op->op) {
	case STEP_FIRST:
	case STEP_LAST:
	case STEP_PARTIAL:
		mask_text_rewrite(op, in, out);
		return true;
	case STEP_FIXED_TEXT:
	case STEP_FIXED_SMALL:
		v = fixed_value(op);
		buf_put_slice(out, v);
		for (size_t pad = fixed_padding(op, v); pad > 0; pad--)
			buf_putc(out, ' ');
		return true;
	case STEP_HASH:
		if (op->type == MT_UUID)
			return rewrite_copy(op, in, out);
		if (op->type == MT_BYTEA)
			mask_hash_bytea(op, in, out);
		else
			mask_hash_text(op, in, out);
		return true;
	case STEP_PSEUDONYM:
		if (op->type == MT_NUMERIC && op->format == 1)
			return mask_pseudonym_numeric_binary(op->mask->key, in, out);
		return rewrite_copy(op, in, out);
	case STEP_YEAR:
	case STEP_MONTH:
	case STEP_ROUND:
	case STEP_BUCKET:
		return op->format == 1 && op->type != MT_NUMERIC ? rewrite_copy(op, in, out)
								 : mask_coarse_rewrite(op, in, out);
	case STEP_NULL:
		break;
	}
	return false;
}
