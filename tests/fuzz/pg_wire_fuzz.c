/* SPDX-License-Identifier: MIT
 *
 * First byte: what the rest is. 0, 1: a stream from the client or the server, framed whole and cut
 * at every byte, which must agree; whole messages are read. 2: a startup packet. 3, 4: SCRAM
 * messages to the server and to the client, separated by 0.
 */
#include "proto/pg/scram.h"
#include "proto/pg/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
walk_values(struct pg_values it)
{
	struct pg_value v;
	unsigned sum = 0;

	while (pg_values_next(&it, &v))
		for (int32_t i = 0; i < v.n; i++)
			sum += v.p[i];
	__asm__ volatile("" : : "r"(sum));
}

static void
read_from_client(uint8_t type, struct slice b)
{
	struct slice s;
	union {
		struct pg_msg_parse parse;
		struct pg_msg_bind bind;
		struct pg_msg_target target;
		struct pg_msg_execute execute;
		struct pg_msg_function_call call;
		struct pg_msg_sasl_initial sasl;
	} m;

	switch (type) {
	case PG_F_QUERY:
		if (!pg_read_query(b, &s))
			assert(!memchr(s.p, 0, s.n));
		break;
	case PG_F_PARSE:
		if (!pg_read_parse(b, &m.parse))
			for (unsigned i = 0; i < m.parse.n_types; i++)
				(void) pg_parse_type(&m.parse, i);
		break;
	case PG_F_BIND:
		if (pg_read_bind(b, &m.bind))
			break;
		for (unsigned i = 0; i < m.bind.params.n; i++)
			assert(pg_format(m.bind.param_formats, i) <= 1);
		walk_values(m.bind.params);
		break;
	case PG_F_DESCRIBE:
	case PG_F_CLOSE:
		(void) !pg_read_target(b, &m.target);
		break;
	case PG_F_EXECUTE:
		(void) !pg_read_execute(b, &m.execute);
		break;
	case PG_F_FUNCTION_CALL:
		if (!pg_read_function_call(b, &m.call))
			walk_values(m.call.args);
		break;
	case PG_F_COPY_FAIL:
		(void) !pg_read_copy_fail(b, &s);
		break;
	case PG_F_PASSWORD:
		(void) !pg_read_password(b, &s);
		(void) !pg_read_sasl_initial(b, &m.sasl);
		break;
	}
}

static void
read_error(struct slice b)
{
	struct pg_msg_error m;
	struct slice s;
	uint8_t code;
	size_t n = 0;

	if (pg_read_error(b, &m))
		return;
	while (pg_error_next(&m.fields, &code, &s))
		n += s.n + 2;
	assert(n + 1 == b.n);
}

static void
read_fields(struct slice b)
{
	struct pg_fields fields;
	struct pg_field f;

	if (pg_read_row_description(b, &fields))
		return;
	while (pg_fields_next(&fields, &f))
		assert(f.format <= 1 && f.name.p + f.name.n < b.p + b.n);
}

static void
read_from_server(uint8_t type, struct slice b)
{
	struct slice s;
	uint32_t a, c;
	uint16_t count;
	const uint8_t *oids;
	uint8_t status;
	union {
		struct pg_msg_auth auth;
		struct pg_param param;
		struct pg_msg_key_data key;
		struct pg_msg_copy copy;
		struct pg_msg_notification notification;
		struct pg_values values;
	} m;

	switch (type) {
	case PG_B_AUTHENTICATION: (void) !pg_read_auth(b, &m.auth); break;
	case PG_B_ROW_DESCRIPTION: read_fields(b); break;
	case PG_B_DATA_ROW:
		if (!pg_read_data_row(b, &m.values))
			walk_values(m.values);
		break;
	case PG_B_PARAMETER_STATUS: (void) !pg_read_parameter_status(b, &m.param); break;
	case PG_B_BACKEND_KEY_DATA: (void) !pg_read_key_data(b, &m.key); break;
	case PG_B_READY_FOR_QUERY: (void) !pg_read_ready(b, &status); break;
	case PG_B_COMMAND_COMPLETE:
		if (!pg_read_command_complete(b, &s))
			(void) pg_tag_rows(s);
		break;
	case PG_B_ERROR_RESPONSE:
	case PG_B_NOTICE_RESPONSE: read_error(b); break;
	case PG_B_COPY_OUT_RESPONSE: (void) !pg_read_copy_response(b, &m.copy); break;
	case PG_B_PARAMETER_DESCRIPTION:
		(void) !pg_read_parameter_description(b, &count, &oids);
		break;
	case PG_B_NOTIFICATION_RESPONSE: (void) !pg_read_notification(b, &m.notification); break;
	case PG_B_NEGOTIATE_PROTOCOL_VERSION: (void) !pg_read_negotiate(b, &a, &c); break;
	}
}

/* Frames the stream with `have` bytes there at first and `step` more each time it is not enough. */
static uint64_t
frame_stream(enum pg_side from, struct slice in, size_t have, size_t step, bool read)
{
	struct pg_framer f;
	struct pg_frame m;
	uint64_t digest = 0;
	size_t at = 0;

	pg_framer_init(&f, from, 1 << 16);
	for (;;) {
		enum wire w = pg_frame_next(&f, in.p + at, have - at, &m);

		if (w == WIRE_BAD)
			return digest * 31 + m.reason;
		if (w == WIRE_MORE) {
			if (have == in.n)
				return digest * 31 + at;
			have = in.n - have < step ? in.n : have + step;
			continue;
		}
		assert(m.raw.n > 0 && m.raw.p == in.p + at && at + m.raw.n <= have);
		at += m.raw.n;
		if (m.first)
			digest = digest * 31 + m.type;
		if (read && m.first && m.last && from == PG_FROM_CLIENT)
			read_from_client(m.type, m.body);
		else if (read && m.first && m.last)
			read_from_server(m.type, m.body);
	}
}

static void
options(struct slice text)
{
	static struct pg_param found[PG_STARTUP_PARAMS];
	uint8_t *scratch = malloc(text.n + 1); /* exact: the sanitizer sees a step too far */
	size_t n;

	if (pg_read_options(text, scratch, found, COUNT_OF(found), &n))
		for (size_t i = 0; i < n; i++)
			assert(found[i].value.p + found[i].value.n <= scratch + text.n);
	free(scratch);
}

static void
startup(struct slice in)
{
	static struct pg_startup s, part;
	enum wire w = pg_startup_next(in.p, in.n, &s);

	for (size_t n = 0; n < in.n && n < 64; n++) {
		enum wire p = pg_startup_next(in.p, n, &part);

		assert(p == WIRE_MORE || p == w);
	}
	if (w != WIRE_OK)
		return;
	assert(s.size <= in.n);
	if (s.kind == PG_START_SESSION) {
		struct buf b = {0};

		options(pg_startup_param(&s, "options"));
		pg_put_negotiate(&b, 2, &s);
		pg_put_startup(&b, 0, s.params, s.n_params);
		assert(!b.failed || s.size > 9000);
		buf_fini(&b);
	}
}

static void
scram(bool to_server, struct slice in)
{
	static const uint8_t nonce[SCRAM_NONCE] = "123456789012345678";
	static struct scram_verifier v = {.iterations = SCRAM_ITERATIONS};
	const uint8_t *nul = memchr(in.p, 0, in.n);
	struct slice a = {in.p, nul ? (size_t) (nul - in.p) : in.n}, b = {0};
	struct buf out = {0};

	if (nul)
		b = slice_of(nul + 1, in.n - a.n - 1);
	if (to_server) {
		struct scram_server s;

		scram_server_init(&s, &v, false, SLICE_LIT("0123456789abcdef0123456789abcdef"),
				  nonce);
		if (!scram_server_first(&s, a.n && a.p[0] == 'p' ? SLICE_LIT(SCRAM_PLUS_NAME)
								 : SLICE_LIT(SCRAM_NAME),
					a, &out))
			assert(scram_server_final(&s, b, &out) != PG_R_OK);
	} else {
		struct scram_client c;
		const char *name;

		scram_client_init(&c, SLICE_LIT("pw"), NULL, (struct slice){0}, nonce);
		if (!scram_client_first(&c, slice_of(SCRAM_NAME, sizeof(SCRAM_NAME)), &name,
					&out) &&
		    /* many iterations are slow, not wrong */
		    !memmem(a.p, a.n, "i=", 2) && !scram_client_final(&c, a, &out))
			(void) !scram_client_verify(&c, b);
	}
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in;

	if (n < 2)
		return 0;
	in = slice_of(data + 1, n - 1);
	switch (data[0] % 5) {
	case PG_FROM_CLIENT:
	case PG_FROM_SERVER: {
		enum pg_side from = (enum pg_side) (data[0] % 5);
		uint64_t whole = frame_stream(from, in, in.n, 1, true);

		/* Streamed messages come in other pieces; everything else must agree. */
		assert(frame_stream(from, in, 0, 1, false) == whole);
		assert(frame_stream(from, in, in.n / 2, 7, false) == whole);
		break;
	}
	case 2: startup(in); break;
	case 3: scram(true, in); break;
	case 4: scram(false, in); break;
	}
	return 0;
}
