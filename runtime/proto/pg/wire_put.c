/* SPDX-License-Identifier: MIT
 *
 * Builders of messages. A length that does not fit int32 fails the buffer instead of wrapping.
 */
#include "base/endian.h"
#include "proto/pg/wire.h"

size_t
pg_begin(struct buf *b, uint8_t type)
{
	size_t at;

	if (type)
		buf_putc(b, type);
	at = b->n;
	buf_be32(b, 0);
	return at;
}

void
pg_end(struct buf *b, size_t at)
{
	uint64_t len = b->n - at;

	if (b->failed)
		return;
	if (len > PG_MAX_MESSAGE) {
		b->failed = true;
		return;
	}
	put_be32(b->p + at, (uint32_t) len);
}

void
pg_put_string(struct buf *b, struct slice s)
{
	const uint8_t *nul = s.n ? memchr(s.p, 0, s.n) : NULL;

	buf_put(b, s.p, nul ? (size_t) (nul - s.p) : s.n);
	buf_putc(b, 0);
}

/* For what is acted on and not only shown: a zero byte inside fails the buffer, since what is
 * behind it would be checked here and not seen there. */
static void
put_exact(struct buf *b, struct slice s)
{
	if (s.n && memchr(s.p, 0, s.n))
		b->failed = true;
	pg_put_string(b, s);
}

static void
put_field(struct buf *b, uint8_t code, struct slice text)
{
	if (text.n == 0)
		return;
	buf_putc(b, code);
	pg_put_string(b, text);
}

static void
put_error_fields(struct buf *b, uint8_t type, const struct pg_error *e)
{
	size_t at = pg_begin(b, type);

	assert(e->severity && e->sqlstate && strlen(e->sqlstate) == 5);
	put_field(b, 'S', slice_str(e->severity));
	put_field(b, 'V', slice_str(e->severity));
	put_field(b, 'C', slice_str(e->sqlstate));
	buf_putc(b, 'M');
	pg_put_string(b, e->message);
	put_field(b, 'D', e->detail);
	put_field(b, 'H', e->hint);
	if (e->position > 0) {
		buf_putc(b, 'P');
		buf_printf(b, "%d", e->position);
		buf_putc(b, 0);
	}
	put_field(b, 's', e->schema);
	put_field(b, 't', e->table);
	put_field(b, 'c', e->column);
	put_field(b, 'n', e->constraint);
	buf_putc(b, 0);
	pg_end(b, at);
}

void
pg_put_error(struct buf *b, const struct pg_error *e)
{
	put_error_fields(b, PG_B_ERROR_RESPONSE, e);
}

void
pg_put_notice(struct buf *b, const struct pg_error *e)
{
	put_error_fields(b, PG_B_NOTICE_RESPONSE, e);
}

void
pg_put_ready(struct buf *b, uint8_t status)
{
	size_t at = pg_begin(b, PG_B_READY_FOR_QUERY);

	assert(status == 'I' || status == 'T' || status == 'E');
	buf_putc(b, status);
	pg_end(b, at);
}

void
pg_put_empty(struct buf *b, uint8_t type)
{
	pg_end(b, pg_begin(b, type));
}

void
pg_put_auth(struct buf *b, enum pg_auth kind, struct slice data)
{
	size_t at = pg_begin(b, PG_B_AUTHENTICATION);

	buf_be32(b, (uint32_t) kind);
	buf_put_slice(b, data);
	pg_end(b, at);
}

void
pg_put_parameter_status(struct buf *b, struct slice name, struct slice value)
{
	size_t at = pg_begin(b, PG_B_PARAMETER_STATUS);

	pg_put_string(b, name);
	pg_put_string(b, value);
	pg_end(b, at);
}

void
pg_put_key_data(struct buf *b, uint32_t pid, struct slice key)
{
	size_t at = pg_begin(b, PG_B_BACKEND_KEY_DATA);

	assert(key.n >= 4 && key.n <= PG_CANCEL_KEY_MAX);
	buf_be32(b, pid);
	buf_put_slice(b, key);
	pg_end(b, at);
}

void
pg_put_command_complete(struct buf *b, const char *tag)
{
	size_t at = pg_begin(b, PG_B_COMMAND_COMPLETE);

	pg_put_string(b, slice_str(tag));
	pg_end(b, at);
}

static bool
is_protocol_option(struct slice name)
{
	return name.n >= 5 && memcmp(name.p, "_pq_.", 5) == 0;
}

void
pg_put_negotiate(struct buf *b, uint16_t minor, const struct pg_startup *s)
{
	size_t at = pg_begin(b, PG_B_NEGOTIATE_PROTOCOL_VERSION);
	uint32_t n = 0;

	for (size_t i = 0; i < s->n_params; i++)
		n += is_protocol_option(s->params[i].name);
	/* The manual says "newest minor protocol version"; servers send the whole number. */
	buf_be32(b, UINT32_C(3) << 16 | minor);
	buf_be32(b, n);
	for (size_t i = 0; i < s->n_params; i++)
		if (is_protocol_option(s->params[i].name))
			pg_put_string(b, s->params[i].name);
	pg_end(b, at);
}

void
pg_put_startup(struct buf *b, uint16_t minor, const struct pg_param *params, size_t n)
{
	size_t at = pg_begin(b, 0);

	buf_be32(b, UINT32_C(3) << 16 | minor);
	for (size_t i = 0; i < n; i++) {
		put_exact(b, params[i].name);
		put_exact(b, params[i].value);
	}
	buf_putc(b, 0);
	if (b->n - at > PG_STARTUP_MAX)
		b->failed = true;
	pg_end(b, at);
}

void
pg_put_ssl_request(struct buf *b)
{
	buf_be32(b, 8);
	buf_be32(b, 80877103);
}

void
pg_put_cancel(struct buf *b, uint32_t pid, struct slice key)
{
	size_t at = pg_begin(b, 0);

	buf_be32(b, 80877102);
	buf_be32(b, pid);
	buf_put_slice(b, key);
	pg_end(b, at);
}

void
pg_put_query(struct buf *b, struct slice text)
{
	size_t at = pg_begin(b, PG_F_QUERY);

	put_exact(b, text);
	pg_end(b, at);
}

void
pg_put_parse(struct buf *b, struct slice name, struct slice text)
{
	size_t at = pg_begin(b, PG_F_PARSE);

	put_exact(b, name);
	put_exact(b, text);
	buf_be16(b, 0);
	pg_end(b, at);
}

void
pg_put_target(struct buf *b, uint8_t type, uint8_t kind, struct slice name)
{
	size_t at = pg_begin(b, type);

	assert(type == PG_F_DESCRIBE || type == PG_F_CLOSE);
	assert(kind == 'S' || kind == 'P');
	buf_putc(b, kind);
	put_exact(b, name);
	pg_end(b, at);
}

void
pg_put_bind(struct buf *b, struct slice portal, struct slice statement)
{
	size_t at = pg_begin(b, PG_F_BIND);

	put_exact(b, portal);
	put_exact(b, statement);
	for (int i = 0; i < 3; i++) /* formats, parameters, result formats: none, all text */
		buf_be16(b, 0);
	pg_end(b, at);
}

void
pg_put_execute(struct buf *b, struct slice portal, int32_t max_rows)
{
	size_t at = pg_begin(b, PG_F_EXECUTE);

	put_exact(b, portal);
	buf_be32(b, (uint32_t) max_rows);
	pg_end(b, at);
}

void
pg_put_password(struct buf *b, struct slice password)
{
	size_t at = pg_begin(b, PG_F_PASSWORD);

	put_exact(b, password);
	pg_end(b, at);
}

void
pg_put_sasl_initial(struct buf *b, const char *mechanism, struct slice response)
{
	size_t at = pg_begin(b, PG_F_PASSWORD);

	put_exact(b, slice_str(mechanism));
	buf_be32(b, (uint32_t) response.n);
	buf_put_slice(b, response);
	pg_end(b, at);
}

void
pg_put_sasl_response(struct buf *b, struct slice response)
{
	size_t at = pg_begin(b, PG_F_PASSWORD);

	buf_put_slice(b, response);
	pg_end(b, at);
}
