/* SPDX-License-Identifier: MIT
 *
 * Readers of message bodies. Every field goes through one cursor that checks bounds and remembers
 * the first failure, so a reader is the message's layout and nothing else.
 */
#include "base/endian.h"
#include "proto/pg/wire.h"

struct cur {
	const uint8_t *p, *end;
	enum pg_reason why; /* first failure; sticky */
};

static struct cur
cur_of(struct slice body)
{
	/* An empty body may have no address; give it one so that p <= end always compares. */
	static const uint8_t nothing;
	const uint8_t *p = body.p ? body.p : &nothing;

	return (struct cur){p, p + body.n, PG_R_OK};
}

static const uint8_t *
cur_take(struct cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->why || (size_t) (c->end - c->p) < n) {
		if (!c->why)
			c->why = PG_R_TRUNCATED;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint8_t
cur_u8(struct cur *c)
{
	const uint8_t *p = cur_take(c, 1);

	return p ? *p : 0;
}

static uint16_t
cur_u16(struct cur *c)
{
	const uint8_t *p = cur_take(c, 2);

	return p ? get_be16(p) : 0;
}

static uint32_t
cur_u32(struct cur *c)
{
	const uint8_t *p = cur_take(c, 4);

	return p ? get_be32(p) : 0;
}

/* A count that the protocol declares as int16. The server itself reads Bind's as unsigned and
 * clients send up to 65535 parameters, so only where it cannot be that many is it refused. */
static uint16_t
cur_count(struct cur *c, uint16_t max)
{
	uint16_t n = cur_u16(c);

	if (!c->why && n > max)
		c->why = PG_R_NEGATIVE_COUNT;
	return c->why ? 0 : n;
}

static struct slice
cur_string(struct cur *c)
{
	const uint8_t *p = c->p, *nul;

	if (c->why)
		return (struct slice){0};
	nul = memchr(p, 0, (size_t) (c->end - p));
	if (!nul) {
		c->why = PG_R_STRING_NOT_TERMINATED;
		return (struct slice){0};
	}
	c->p = nul + 1;
	return slice_of(p, (size_t) (nul - p));
}

/* An int32 length, -1 for NULL, and that many bytes. */
static struct pg_value
cur_value(struct cur *c)
{
	int32_t n = (int32_t) cur_u32(c);
	struct pg_value v = {NULL, -1};

	if (c->why || n == -1)
		return v;
	if (n < 0) {
		c->why = PG_R_NEGATIVE_LENGTH;
		return v;
	}
	v.p = cur_take(c, (size_t) n);
	if (v.p)
		v.n = n;
	return v;
}

static struct pg_values
cur_values(struct cur *c, uint16_t max)
{
	struct pg_values v = {.n = cur_count(c, max)};

	v.p = c->p;
	for (unsigned i = 0; i < v.n && !c->why; i++)
		cur_value(c);
	return v;
}

static uint16_t
cur_format(struct cur *c)
{
	uint16_t f = cur_u16(c);

	if (!c->why && f > 1)
		c->why = PG_R_BAD_FORMAT_CODE;
	return f;
}

static struct pg_formats
cur_formats(struct cur *c)
{
	struct pg_formats f = {.n = cur_u16(c)};

	f.p = c->p;
	for (unsigned i = 0; i < f.n && !c->why; i++)
		cur_format(c);
	return f;
}

static enum pg_reason
cur_end(const struct cur *c)
{
	if (c->why)
		return c->why;
	return c->p == c->end ? PG_R_OK : PG_R_TRAILING_BYTES;
}

/* ---- walking what was checked ----------------------------------------------------------- */

uint16_t
pg_format(struct pg_formats f, unsigned i)
{
	if (f.n == 0)
		return 0;
	assert(f.n == 1 || i < f.n);
	return get_be16(f.p + (f.n == 1 ? 0 : 2 * (size_t) i));
}

uint32_t
pg_parse_type(const struct pg_msg_parse *m, unsigned i)
{
	assert(i < m->n_types);
	return get_be32(m->types + 4 * (size_t) i);
}

bool
pg_values_next(struct pg_values *it, struct pg_value *v)
{
	if (it->n == 0)
		return false;
	it->n--;
	v->n = (int32_t) get_be32(it->p);
	it->p += 4;
	v->p = v->n < 0 ? NULL : it->p;
	if (v->n > 0)
		it->p += v->n;
	return true;
}

bool
pg_fields_next(struct pg_fields *it, struct pg_field *f)
{
	size_t n;

	if (it->n == 0)
		return false;
	it->n--;
	n = strlen((const char *) it->p);
	f->name = slice_of(it->p, n);
	it->p += n + 1;
	f->table = get_be32(it->p);
	f->attnum = (int16_t) get_be16(it->p + 4);
	f->type = get_be32(it->p + 6);
	f->typlen = (int16_t) get_be16(it->p + 10);
	f->typmod = (int32_t) get_be32(it->p + 12);
	f->format = get_be16(it->p + 16);
	it->p += 18;
	return true;
}

bool
pg_error_next(struct slice *fields, uint8_t *code, struct slice *text)
{
	size_t n;

	if (fields->n == 0)
		return false;
	*code = fields->p[0];
	n = strlen((const char *) fields->p + 1);
	*text = slice_of(fields->p + 1, n);
	*fields = slice_of(fields->p + n + 2, fields->n - n - 2);
	return true;
}

/* ---- from the client -------------------------------------------------------------------- */

enum pg_reason
pg_read_query(struct slice body, struct slice *text)
{
	const uint8_t *nul = body.n ? memchr(body.p, 0, body.n) : NULL;

	if (!nul || nul != body.p + body.n - 1)
		return PG_R_QUERY_NUL;
	*text = slice_of(body.p, body.n - 1);
	return PG_R_OK;
}

enum pg_reason
pg_read_parse(struct slice body, struct pg_msg_parse *m)
{
	struct cur c = cur_of(body);

	m->name = cur_string(&c);
	m->text = cur_string(&c);
	m->n_types = cur_u16(&c);
	m->types = cur_take(&c, 4 * (size_t) m->n_types);
	return cur_end(&c);
}

enum pg_reason
pg_read_bind(struct slice body, struct pg_msg_bind *m)
{
	struct cur c = cur_of(body);

	m->portal = cur_string(&c);
	m->statement = cur_string(&c);
	m->param_formats = cur_formats(&c);
	m->params = cur_values(&c, UINT16_MAX);
	m->result_formats = cur_formats(&c);
	if (!c.why && m->param_formats.n > 1 && m->param_formats.n != m->params.n)
		return PG_R_FORMAT_COUNT;
	return cur_end(&c);
}

enum pg_reason
pg_read_target(struct slice body, struct pg_msg_target *m)
{
	struct cur c = cur_of(body);

	m->kind = cur_u8(&c);
	m->name = cur_string(&c);
	if (!c.why && m->kind != 'S' && m->kind != 'P')
		return PG_R_BAD_OBJECT_KIND;
	return cur_end(&c);
}

enum pg_reason
pg_read_execute(struct slice body, struct pg_msg_execute *m)
{
	struct cur c = cur_of(body);

	m->portal = cur_string(&c);
	m->max_rows = (int32_t) cur_u32(&c);
	return cur_end(&c);
}

enum pg_reason
pg_read_function_call(struct slice body, struct pg_msg_function_call *m)
{
	struct cur c = cur_of(body);

	m->function = cur_u32(&c);
	m->arg_formats = cur_formats(&c);
	m->args = cur_values(&c, INT16_MAX);
	m->result_format = cur_format(&c);
	if (!c.why && m->arg_formats.n > 1 && m->arg_formats.n != m->args.n)
		return PG_R_FORMAT_COUNT;
	return cur_end(&c);
}

/* A body that is one string. */
static enum pg_reason
read_string(struct slice body, struct slice *s)
{
	struct cur c = cur_of(body);

	*s = cur_string(&c);
	return cur_end(&c);
}

enum pg_reason
pg_read_copy_fail(struct slice body, struct slice *message)
{
	return read_string(body, message);
}

enum pg_reason
pg_read_password(struct slice body, struct slice *password)
{
	return read_string(body, password);
}

enum pg_reason
pg_read_sasl_initial(struct slice body, struct pg_msg_sasl_initial *m)
{
	struct cur c = cur_of(body);
	struct pg_value v;

	m->mechanism = cur_string(&c);
	v = cur_value(&c);
	m->has_response = v.n >= 0;
	m->response = slice_of(v.p, v.n > 0 ? (size_t) v.n : 0);
	return cur_end(&c);
}

/* ---- from the server -------------------------------------------------------------------- */

/* Names, each ended by a zero byte, and a zero byte that ends the list: at least one name. */
static void
cur_mechanisms(struct cur *c, struct slice *list)
{
	const uint8_t *p = c->p;
	struct slice s;

	do
		s = cur_string(c);
	while (!c->why && s.n > 0);
	if (!c->why && c->p - p < 3)
		c->why = PG_R_TRUNCATED;
	if (!c->why)
		*list = slice_of(p, (size_t) (c->p - p) - 1);
}

enum pg_reason
pg_read_auth(struct slice body, struct pg_msg_auth *m)
{
	struct cur c = cur_of(body);
	uint32_t kind = cur_u32(&c);
	const uint8_t *salt;

	*m = (struct pg_msg_auth){.kind = (enum pg_auth) kind};
	if (c.why)
		return c.why;
	switch (kind) {
	case PG_AUTH_OK:
	case PG_AUTH_CLEARTEXT:
		break;
	case PG_AUTH_MD5:
		salt = cur_take(&c, 4);
		if (salt)
			memcpy(m->md5_salt, salt, 4);
		break;
	case PG_AUTH_SASL:
		cur_mechanisms(&c, &m->data);
		break;
	case PG_AUTH_SASL_CONTINUE:
	case PG_AUTH_SASL_FINAL:
		m->data = slice_of(c.p, (size_t) (c.end - c.p));
		c.p = c.end;
		break;
	default:
		return PG_R_UNKNOWN_AUTHENTICATION;
	}
	return cur_end(&c);
}

enum pg_reason
pg_read_row_description(struct slice body, struct pg_fields *f)
{
	struct cur c = cur_of(body);

	f->n = cur_count(&c, INT16_MAX);
	f->p = c.p;
	for (unsigned i = 0; i < f->n && !c.why; i++) {
		cur_string(&c);
		cur_take(&c, 16);
		cur_format(&c);
	}
	return cur_end(&c);
}

enum pg_reason
pg_read_data_row(struct slice body, struct pg_values *v)
{
	struct cur c = cur_of(body);

	*v = cur_values(&c, INT16_MAX);
	return cur_end(&c);
}

enum pg_reason
pg_read_parameter_status(struct slice body, struct pg_param *m)
{
	struct cur c = cur_of(body);

	m->name = cur_string(&c);
	m->value = cur_string(&c);
	return cur_end(&c);
}

enum pg_reason
pg_read_key_data(struct slice body, struct pg_msg_key_data *m)
{
	struct cur c = cur_of(body);

	m->pid = cur_u32(&c);
	m->key = slice_of(c.p, (size_t) (c.end - c.p));
	if (!c.why && (m->key.n < 4 || m->key.n > PG_CANCEL_KEY_MAX))
		return PG_R_CANCEL_KEY;
	return c.why;
}

enum pg_reason
pg_read_ready(struct slice body, uint8_t *status)
{
	struct cur c = cur_of(body);

	*status = cur_u8(&c);
	if (!c.why && *status != 'I' && *status != 'T' && *status != 'E')
		return PG_R_BAD_TRANSACTION_STATUS;
	return cur_end(&c);
}

enum pg_reason
pg_read_command_complete(struct slice body, struct slice *tag)
{
	return read_string(body, tag);
}

uint64_t
pg_tag_rows(struct slice tag)
{
	uint64_t v = 0, scale = 1;
	size_t i = tag.n;

	for (; i > 0 && tag.p[i - 1] >= '0' && tag.p[i - 1] <= '9' && tag.n - i < 19; i--) {
		v += (uint64_t) (tag.p[i - 1] - '0') * scale;
		scale *= 10;
	}
	return i < tag.n && i > 0 && tag.p[i - 1] == ' ' ? v : 0;
}

enum pg_reason
pg_read_error(struct slice body, struct pg_msg_error *m)
{
	struct cur c = cur_of(body);
	struct slice severity = {0};
	uint64_t seen = 0;
	uint8_t code;

	*m = (struct pg_msg_error){.fields.p = c.p};
	while ((code = cur_u8(&c)) != 0) {
		struct slice text = cur_string(&c);
		uint8_t letter = (uint8_t) ((code | 0x20) - 'a');
		uint64_t bit;

		if (c.why)
			return c.why;
		if (letter > 25)
			return PG_R_BAD_FIELD_CODE;
		bit = UINT64_C(1) << (letter + (code & 0x20));
		if (seen & bit)
			return PG_R_BAD_FIELD_CODE;
		seen |= bit;
		switch (code) {
		case 'S': severity = text; break;
		case 'V': m->severity = text; break;
		case 'C': m->sqlstate = text; break;
		case 'M': m->message = text; break;
		case 'D': m->detail = text; break;
		case 'H': m->hint = text; break;
		}
	}
	if (c.why)
		return c.why;
	m->fields.n = (size_t) (c.p - 1 - m->fields.p);
	if (!m->severity.p)
		m->severity = severity;
	if (!severity.p || m->sqlstate.n != 5 || !m->message.p)
		return PG_R_MISSING_FIELD;
	return cur_end(&c);
}

enum pg_reason
pg_read_copy_response(struct slice body, struct pg_msg_copy *m)
{
	struct cur c = cur_of(body);

	m->format = cur_u8(&c);
	m->columns = cur_formats(&c);
	if (!c.why && m->format > 1)
		return PG_R_BAD_FORMAT_CODE;
	return cur_end(&c);
}

enum pg_reason
pg_read_parameter_description(struct slice body, uint16_t *n, const uint8_t **oids)
{
	struct cur c = cur_of(body);

	*n = cur_u16(&c);
	*oids = cur_take(&c, 4 * (size_t) *n);
	return cur_end(&c);
}

enum pg_reason
pg_read_notification(struct slice body, struct pg_msg_notification *m)
{
	struct cur c = cur_of(body);

	m->pid = cur_u32(&c);
	m->channel = cur_string(&c);
	m->payload = cur_string(&c);
	return cur_end(&c);
}

enum pg_reason
pg_read_negotiate(struct slice body, uint32_t *minor, uint32_t *n_options)
{
	struct cur c = cur_of(body);

	*minor = cur_u32(&c);
	*n_options = cur_u32(&c);
	/* Each option takes at least its zero byte, so the body bounds the loop. */
	for (uint32_t i = 0; i < *n_options && !c.why; i++)
		cur_string(&c);
	return cur_end(&c);
}
