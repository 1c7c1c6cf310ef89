/* SPDX-License-Identifier: MIT
 *
 * Types whose text depends on the session's settings are not read.
 */
#include "gate/gate_value.h"

#include "base/endian.h"

#include <stdio.h>

enum reading
reading_of(uint32_t type, uint16_t format)
{
	switch (type) {
	case 19:   /* name */
	case 25:   /* text */
	case 1043: /* varchar */
		return READ_TEXT;
	case 1042: /* char(n) */
		return READ_PADDED;
	case 20: /* int8, int2, int4, oid */
	case 21:
	case 23:
	case 26:
		return format ? READ_INT_BINARY : READ_INT_TEXT;
	case 1700: /* numeric */
		return format ? READ_NOT : READ_NUMERIC_TEXT;
	case 16: /* bool */
		return format ? READ_BOOL_BINARY : READ_TEXT;
	case 2950: /* uuid */
		return format ? READ_UUID_BINARY : READ_TEXT;
	default:
		return READ_NOT;
	}
}

static bool
parse_int(struct slice s, int64_t *out)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v = 0;

	if (s.n == (size_t) minus || s.n > 18)
		return false;
	for (size_t i = minus; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t) (s.p[i] - '0');
	}
	*out = minus ? -(int64_t) v : (int64_t) v;
	return true;
}

static void
read_binary(struct row_value *v, enum reading how, struct slice in, char *text)
{
	int n = 0;

	if (how == READ_INT_BINARY && (in.n == 2 || in.n == 4 || in.n == 8)) {
		v->i = in.n == 2   ? (int16_t) get_be16(in.p)
		       : in.n == 4 ? (int32_t) get_be32(in.p)
				   : (int64_t) get_be64(in.p);
		v->is_int = true;
		n = snprintf(text, VALUE_TEXT, "%lld", (long long) v->i);
	} else if (how == READ_BOOL_BINARY && in.n == 1) {
		n = snprintf(text, VALUE_TEXT, "%c", in.p[0] ? 't' : 'f');
	} else if (how == READ_UUID_BINARY && in.n == 16) {
		for (size_t i = 0; i < 16; i++)
			n += snprintf(text + n, 4, "%s%02x",
				      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", in.p[i]);
	}
	v->known = n > 0;
	v->s = slice_of(text, (size_t) n);
}

void
read_value(struct row_value *v, enum reading how, struct slice in, char text[VALUE_TEXT])
{
	*v = (struct row_value){.known = true, .s = in};
	switch (how) {
	case READ_TEXT:
		break;
	case READ_PADDED:
		while (v->s.n && v->s.p[v->s.n - 1] == ' ')
			v->s.n--;
		break;
	case READ_INT_TEXT:
	case READ_NUMERIC_TEXT:
		v->is_int = parse_int(in, &v->i);
		break;
	case READ_NOT:
		v->known = false;
		break;
	default:
		read_binary(v, how, in, text);
	}
}
