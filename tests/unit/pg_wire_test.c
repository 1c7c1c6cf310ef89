/* SPDX-License-Identifier: MIT
 *
 * Framing, startup, readers and builders of the PostgreSQL protocol. Every message that is read
 * whole is also read cut short at every byte and with a byte too many; every stream is framed cut
 * at every offset.
 */
#include "proto/pg/wire.h"
#include "tests/unit/test.h"

#include "base/endian.h"

#define MSG(s) slice_of(s, sizeof(s) - 1)

typedef enum pg_reason reader_fn(struct slice body);

static enum pg_reason
query(struct slice b)
{
	struct slice text;

	return pg_read_query(b, &text);
}

static enum pg_reason
bind(struct slice b)
{
	struct pg_msg_bind m;
	struct pg_value v;
	enum pg_reason r = pg_read_bind(b, &m);

	for (struct pg_values it = m.params; !r && pg_values_next(&it, &v);)
		CHECK(v.n < 0 || v.p + v.n <= b.p + b.n);
	return r;
}

#define READER(name, type, fn)                                                                    \
	static enum pg_reason name(struct slice b)                                                \
	{                                                                                         \
		type m;                                                                           \
		return fn(b, &m);                                                                 \
	}
READER(parse, struct pg_msg_parse, pg_read_parse)
READER(target, struct pg_msg_target, pg_read_target)
READER(execute, struct pg_msg_execute, pg_read_execute)
READER(function_call, struct pg_msg_function_call, pg_read_function_call)
READER(password, struct slice, pg_read_password)
READER(sasl_initial, struct pg_msg_sasl_initial, pg_read_sasl_initial)
READER(auth, struct pg_msg_auth, pg_read_auth)
READER(row_description, struct pg_fields, pg_read_row_description)
READER(data_row, struct pg_values, pg_read_data_row)
READER(parameter_status, struct pg_param, pg_read_parameter_status)
READER(ready, uint8_t, pg_read_ready)
READER(error, struct pg_msg_error, pg_read_error)
READER(copy_response, struct pg_msg_copy, pg_read_copy_response)
READER(notification, struct pg_msg_notification, pg_read_notification)

static enum pg_reason
parameter_description(struct slice b)
{
	uint16_t n;
	const uint8_t *oids;

	return pg_read_parameter_description(b, &n, &oids);
}

static enum pg_reason
negotiate(struct slice b)
{
	uint32_t minor, n;

	return pg_read_negotiate(b, &minor, &n);
}

static const struct good {
	const char *name;
	reader_fn *read;
	struct slice body;
} good[] = {
	{"Query", query, {(const uint8_t *) "select 1", 9}},
	{"Parse", parse, {(const uint8_t *) "s1\0select $1\0\0\2\0\0\0\27\0\0\0\31", 23}},
	{"Bind", bind,
	 {(const uint8_t *) "p\0s\0\0\1\0\1\0\3\0\0\0\2ab\377\377\377\377\0\0\0\0\0\2\0\0\0\1", 30}},
	{"Describe", target, {(const uint8_t *) "Sname", 6}},
	{"Execute", execute, {(const uint8_t *) "p\0\0\0\0\5", 6}},
	{"FunctionCall", function_call,
	 {(const uint8_t *) "\0\0\3\350\0\0\0\1\0\0\0\1x\0\1", 15}},
	{"PasswordMessage", password, {(const uint8_t *) "secret", 7}},
	{"SASLInitialResponse", sasl_initial,
	 {(const uint8_t *) "SCRAM-SHA-256\0\0\0\0\4n,,r", 22}},
	{"AuthenticationMD5Password", auth, {(const uint8_t *) "\0\0\0\5salt", 8}},
	{"AuthenticationSASL", auth, {(const uint8_t *) "\0\0\0\12SCRAM-SHA-256\0\0", 19}},
	{"RowDescription", row_description,
	 {(const uint8_t *) "\0\1id\0\0\0\100\0\0\1\0\0\0\27\0\4\377\377\377\377\0\1", 23}},
	{"DataRow", data_row, {(const uint8_t *) "\0\2\0\0\0\1a\377\377\377\377", 11}},
	{"ParameterStatus", parameter_status, {(const uint8_t *) "TimeZone\0UTC", 13}},
	{"ReadyForQuery", ready, {(const uint8_t *) "T", 1}},
	{"ErrorResponse", error, {(const uint8_t *) "SERROR\0C42501\0Mno\0\0", 19}},
	{"CopyOutResponse", copy_response, {(const uint8_t *) "\1\0\2\0\1\0\1", 7}},
	{"NotificationResponse", notification, {(const uint8_t *) "\0\0\0\1ch\0load", 12}},
	{"ParameterDescription", parameter_description, {(const uint8_t *) "\0\1\0\0\0\27", 6}},
	{"NegotiateProtocolVersion", negotiate,
	 {(const uint8_t *) "\0\3\0\0\0\0\0\1_pq_.x", 15}},
};

/* Bodies are copied to the heap at their exact size, so that the sanitizer sees a read too far. */
static enum pg_reason
read_exact(reader_fn *read, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	enum pg_reason r;

	memcpy(copy, p, n);
	copy = realloc(copy, n ? n : 1);
	r = read(slice_of(copy, n));
	free(copy);
	return r;
}

static void
readers_accept_whole_messages_only(void)
{
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		const struct good *g = &good[i];
		uint8_t longer[64];
		int failures = test_failures;

		CHECK_INT(read_exact(g->read, g->body.p, g->body.n), PG_R_OK);
		for (size_t n = 0; n < g->body.n; n++)
			CHECK(read_exact(g->read, g->body.p, n) != PG_R_OK);
		memcpy(longer, g->body.p, g->body.n);
		longer[g->body.n] = 0;
		CHECK(read_exact(g->read, longer, g->body.n + 1) != PG_R_OK);
		if (failures != test_failures)
			printf("# in %s\n", g->name);
	}
}

static void
hostile_bodies_are_refused_with_their_reason(void)
{
	static const struct {
		reader_fn *read;
		struct slice body;
		enum pg_reason want;
	} t[] = {
		{query, {(const uint8_t *) "select 1\0; drop", 16}, PG_R_QUERY_NUL},
		{query, {(const uint8_t *) "select 1", 8}, PG_R_QUERY_NUL},
		{query, {(const uint8_t *) "a\0", 3}, PG_R_QUERY_NUL},
		{query, {NULL, 0}, PG_R_QUERY_NUL},
		{parse, {(const uint8_t *) "s\0q\0\377\377", 6}, PG_R_TRUNCATED},
		{parse, {(const uint8_t *) "s\0q", 3}, PG_R_STRING_NOT_TERMINATED},
		{bind, {(const uint8_t *) "\0\0\0\1\0\2\0\0\0\0", 10}, PG_R_BAD_FORMAT_CODE},
		{bind, {(const uint8_t *) "\0\0\0\2\0\1\0\1\0\1\0\0\0\0\0\0", 16},
		 PG_R_FORMAT_COUNT},
		{bind, {(const uint8_t *) "\0\0\0\0\0\1\377\377\377\376\0\0", 12},
		 PG_R_NEGATIVE_LENGTH},
		{bind, {(const uint8_t *) "\0\0\0\0\0\1\177\377\377\377\0\0", 12},
		 PG_R_TRUNCATED},
		{bind, {(const uint8_t *) "\0\0\0\0\377\377\0\0", 8}, PG_R_TRUNCATED},
		{target, {(const uint8_t *) "Xn", 3}, PG_R_BAD_OBJECT_KIND},
		{function_call, {(const uint8_t *) "\0\0\0\1\0\0\377\377\0\0", 10},
		 PG_R_NEGATIVE_COUNT},
		{auth, {(const uint8_t *) "\0\0\0\7", 4}, PG_R_UNKNOWN_AUTHENTICATION},
		{auth, {(const uint8_t *) "\0\0\0\12\0\0", 6}, PG_R_TRUNCATED},
		{row_description, {(const uint8_t *) "\377\377", 2}, PG_R_NEGATIVE_COUNT},
		{data_row, {(const uint8_t *) "\0\1\377\377\377\360", 6}, PG_R_NEGATIVE_LENGTH},
		{ready, {(const uint8_t *) "X", 1}, PG_R_BAD_TRANSACTION_STATUS},
		{error, {(const uint8_t *) "SERROR\0SERROR\0\0", 15}, PG_R_BAD_FIELD_CODE},
		{error, {(const uint8_t *) "SERROR\0[x\0\0", 11}, PG_R_BAD_FIELD_CODE},
		{error, {(const uint8_t *) "SERROR\0C42501\0\0", 15}, PG_R_MISSING_FIELD},
		{copy_response, {(const uint8_t *) "\2\0\0", 3}, PG_R_BAD_FORMAT_CODE},
		{negotiate, {(const uint8_t *) "\0\3\0\0\377\377\377\377", 8},
		 PG_R_STRING_NOT_TERMINATED},
	};

	for (size_t i = 0; i < COUNT_OF(t); i++) {
		enum pg_reason r = t[i].body.p ? read_exact(t[i].read, t[i].body.p, t[i].body.n)
					       : t[i].read(t[i].body);

		if (r != t[i].want)
			printf("# case %zu: %s\n", i, pg_reason_name(r));
		CHECK_INT(r, t[i].want);
	}
}

static void
readers_give_the_fields(void)
{
	struct pg_msg_parse p;
	struct pg_msg_bind b;
	struct pg_value v;
	struct pg_fields fields;
	struct pg_field f;
	struct pg_msg_error e;

	REQUIRE(pg_read_parse(good[1].body, &p) == PG_R_OK);
	CHECK_SLICE(p.name, "s1");
	CHECK_SLICE(p.text, "select $1");
	CHECK_INT(pg_parse_type(&p, 1), 25);
	REQUIRE(pg_read_bind(good[2].body, &b) == PG_R_OK);
	CHECK_INT(b.params.n, 3);
	CHECK_INT(pg_format(b.param_formats, 2), 1);
	CHECK_INT(pg_format(b.result_formats, 1), 1);
	CHECK(pg_values_next(&b.params, &v) && v.n == 2 && memcmp(v.p, "ab", 2) == 0);
	CHECK(pg_values_next(&b.params, &v) && v.n == -1 && !v.p);
	CHECK(pg_values_next(&b.params, &v) && v.n == 0 && v.p);
	CHECK(!pg_values_next(&b.params, &v));
	REQUIRE(pg_read_row_description(good[10].body, &fields) == PG_R_OK);
	REQUIRE(pg_fields_next(&fields, &f));
	CHECK_SLICE(f.name, "id");
	CHECK_INT(f.table, 16384);
	CHECK_INT(f.attnum, 1);
	CHECK_INT(f.type, 23);
	CHECK_INT(f.typlen, 4);
	CHECK_INT(f.typmod, -1);
	CHECK_INT(f.format, 1);
	REQUIRE(pg_read_error(good[14].body, &e) == PG_R_OK);
	CHECK_SLICE(e.severity, "ERROR");
	CHECK_SLICE(e.sqlstate, "42501");
	CHECK_INT(pg_tag_rows(SLICE_LIT("INSERT 0 5")), 5);
	CHECK_INT(pg_tag_rows(SLICE_LIT("SELECT 120")), 120);
	CHECK_INT(pg_tag_rows(SLICE_LIT("CREATE TABLE")), 0);
	CHECK_INT(pg_tag_rows(SLICE_LIT("12")), 0);
	CHECK_INT(pg_tag_rows(SLICE_LIT("X 123456789012345678901234567890")), 0);
}

/* ---- framing ---------------------------------------------------------------------------- */

/* Frames the stream given in two parts; a digest of types and bodies, or of the refusal. */
static void
frame_all(struct slice in, size_t cut, bool rows_whole, struct buf *log)
{
	struct pg_framer f;
	struct pg_frame m;
	size_t at = 0, have = cut;

	pg_framer_init(&f, PG_FROM_SERVER, 1 << 20);
	pg_framer_set_whole(&f, PG_B_DATA_ROW, rows_whole);
	for (;;) {
		/* The exact bytes that are there, in memory of their own. */
		size_t n = have - at;
		uint8_t *copy = malloc(n ? n : 1);
		enum wire w;

		memcpy(copy, in.p + at, n);
		w = pg_frame_next(&f, copy, n, &m);
		if (w == WIRE_OK) {
			if (m.first)
				buf_printf(log, "%c:", m.type);
			buf_put_slice(log, m.body);
			if (m.last)
				buf_putc(log, '.');
			at += m.raw.n;
			REQUIRE(m.raw.n > 0);
		}
		free(copy);
		if (w == WIRE_BAD) {
			buf_printf(log, "!%s", pg_reason_name(m.reason));
			return;
		}
		if (w == WIRE_MORE && have == in.n) {
			buf_puts(log, pg_framer_idle(&f) && at == in.n ? "end" : "cut");
			return;
		}
		if (w == WIRE_MORE)
			have = in.n;
	}
}

static void
framing_is_the_same_at_every_cut(void)
{
	static const char *const ends[] = {"", "?", "Z\0\0\0\3", "Z\0\0\1\0", "Q\0\0\0\5",
					   "T\100\0\0\0", "D\0\0\0\5", "D\0\0\0\77"};
	static const size_t sizes[] = {0, 1, 5, 5, 5, 5, 5, 5};

	for (size_t e = 0; e < COUNT_OF(ends); e++) {
		for (int whole = 0; whole < 2; whole++) {
			struct buf in = {0}, want = {0};

			for (size_t i = 10; i < 15; i++) {
				size_t at = pg_begin(&in, (uint8_t) "TDSZE"[i - 10]);

				buf_put_slice(&in, good[i].body);
				pg_end(&in, at);
			}
			pg_put_empty(&in, PG_B_COPY_DATA);
			buf_put(&in, ends[e], sizes[e]);
			frame_all(buf_slice(&in), in.n, whole, &want);
			for (size_t cut = 0; cut < in.n; cut++) {
				struct buf got = {0};

				frame_all(buf_slice(&in), cut, whole, &got);
				CHECK(slice_eq(buf_slice(&got), buf_slice(&want)));
				buf_fini(&got);
			}
			CHECK(want.n > 60);
			if (e == 0)
				CHECK(memcmp(want.p + want.n - 3, "end", 3) == 0);
			else if (e < 7)
				CHECK(memchr(want.p, '!', want.n) != NULL);
			buf_fini(&in);
			buf_fini(&want);
		}
	}
}

/* Skipping rows consumes exactly the whole rows that framing one by one would give. */
static void
rows_are_skipped_like_they_are_framed(void)
{
	struct pg_framer f;
	struct buf b = {0};
	size_t ends[4] = {0};

	for (int i = 1; i < 4; i++) {
		size_t at = pg_begin(&b, PG_B_DATA_ROW);

		buf_put_slice(&b, good[11].body);
		pg_end(&b, at);
		ends[i] = b.n;
	}
	pg_put_ready(&b, 'I');
	pg_framer_init(&f, PG_FROM_SERVER, 1 << 20);
	for (size_t n = 0; n <= b.n; n++) {
		uint64_t rows = 0, want = n >= ends[3] ? 3 : n >= ends[2] ? 2 : n >= ends[1];
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, b.p, n);
		copy = realloc(copy, n ? n : 1);
		CHECK_INT(pg_frame_rows(&f, copy, n, &rows), ends[want]);
		CHECK_INT(rows, want);
		free(copy);
	}
	put_be32(b.p + ends[1] + 1, 5);
	CHECK_INT(pg_frame_rows(&f, b.p, b.n, &(uint64_t){0}), ends[1]);
	put_be32(b.p + ends[1] + 1, 0xffffffff);
	CHECK_INT(pg_frame_rows(&f, b.p, b.n, &(uint64_t){0}), ends[1]);
	buf_fini(&b);
}

static enum pg_reason
frame_reason(enum pg_side from, struct slice in)
{
	struct pg_framer f;
	struct pg_frame m;

	pg_framer_init(&f, from, PG_STARTUP_MAX);
	return pg_frame_next(&f, in.p, in.n, &m) == WIRE_BAD ? m.reason : PG_R_OK;
}

static void
framing_refuses_what_the_table_does_not_allow(void)
{
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("T\0\0\0\6")), PG_R_UNKNOWN_TYPE);
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("\377\0\0\0\6")), PG_R_UNKNOWN_TYPE);
	CHECK_INT(frame_reason(PG_FROM_SERVER, MSG("Q\0\0\0\6")), PG_R_UNKNOWN_TYPE);
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("Q\0\0\0\3")), PG_R_LENGTH_TOO_SMALL);
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("S\0\0\0\5")), PG_R_LENGTH_TOO_LARGE);
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("Q\377\377\377\377")), PG_R_LENGTH_TOO_LARGE);
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("Q\0\0\47\21")), PG_R_MESSAGE_TOO_LARGE);
	CHECK_INT(frame_reason(PG_FROM_CLIENT, MSG("Q\0\0\47\20")), PG_R_OK);
	/* Every type of the table is known on its own side and has a name. */
	CHECK_SLICE(slice_str(pg_message_name(PG_FROM_CLIENT, 'D')), "Describe");
	CHECK_SLICE(slice_str(pg_message_name(PG_FROM_SERVER, 'D')), "DataRow");
}

/* ---- startup ---------------------------------------------------------------------------- */

static enum wire
startup(struct slice in, struct pg_startup *s)
{
	struct pg_startup part;

	for (size_t cut = 0; cut < in.n; cut++) {
		enum wire w = pg_startup_next(in.p, cut, &part);

		CHECK(w == WIRE_MORE || (w == WIRE_BAD && cut >= 4));
	}
	return pg_startup_next(in.p, in.n, s);
}

static enum pg_reason
startup_reason(const char *params, size_t n, uint32_t version, struct pg_startup *s)
{
	static uint8_t p[256]; /* s keeps pointing into it */
	struct slice in = {p, 8 + n};

	put_be32(p, (uint32_t) in.n);
	put_be32(p + 4, version);
	memcpy(p + 8, params, n);
	return startup(in, s) == WIRE_OK ? PG_R_OK : s->reason;
}

#define STARTUP(params, version) startup_reason(params, sizeof(params) - 1, version, &s)

static void
startup_packets(void)
{
	static struct pg_startup s;
	struct buf b = {0};
	struct pg_param params[] = {{SLICE_LIT("user"), SLICE_LIT("ana")},
				    {SLICE_LIT("application_name"), SLICE_LIT("psql")}};
	uint8_t key[32] = {1};

	CHECK_INT(STARTUP("user\0ana\0database\0orders\0\0", 196608), PG_R_OK);
	CHECK_SLICE(s.user, "ana");
	CHECK_SLICE(s.database, "orders");
	CHECK(!s.replication && !s.negotiate);
	CHECK_INT(STARTUP("user\0ana\0\0", 196610), PG_R_OK);
	CHECK_SLICE(s.database, "ana");
	CHECK_INT(STARTUP("user\0a\0\0", 196611), PG_R_OK);
	CHECK(s.negotiate);
	CHECK_INT(STARTUP("user\0a\0_pq_.x\0001\0\0", 196608), PG_R_OK);
	CHECK(s.negotiate);
	CHECK_INT(STARTUP("user\0a\0Replication\0yes\0\0", 196608), PG_R_OK);
	CHECK(s.replication);
	CHECK_INT(STARTUP("user\0a\0replication\0off\0\0", 196608), PG_R_OK);
	CHECK(!s.replication);
	CHECK_INT(STARTUP("user\0a\0user\0b\0\0", 196608), PG_R_STARTUP_DUPLICATE);
	CHECK_INT(STARTUP("user\0a\0USER\0b\0\0", 196608), PG_R_STARTUP_DUPLICATE);
	CHECK_INT(STARTUP("database\0a\0\0", 196608), PG_R_STARTUP_USER);
	CHECK_INT(STARTUP("user\0a\0", 196608), PG_R_STRING_NOT_TERMINATED);
	CHECK_INT(STARTUP("user\0a", 196608), PG_R_STRING_NOT_TERMINATED);
	CHECK_INT(STARTUP("user\0a\0\0x", 196608), PG_R_TRAILING_BYTES);
	CHECK_INT(STARTUP("us er\0a\0\0", 196608), PG_R_STARTUP_NAME);
	CHECK_INT(STARTUP("user\0a\0\0", 131072), PG_R_PROTOCOL_VERSION);
	CHECK_INT(STARTUP("user\0a\0\0", 262144), PG_R_PROTOCOL_VERSION);
	CHECK_INT(STARTUP("", 80877103), PG_R_OK);
	CHECK_INT(s.kind, PG_START_SSL);
	CHECK_INT(STARTUP("", 80877104), PG_R_OK);
	CHECK_INT(s.kind, PG_START_GSSENC);
	CHECK_INT(STARTUP("x", 80877103), PG_R_STARTUP_LENGTH);
	CHECK_INT(STARTUP("\0\0\0\7key", 80877102), PG_R_CANCEL_KEY);
	CHECK_INT(pg_startup_next((const uint8_t *) "\0\0\0\7", 4, &s), WIRE_BAD);
	CHECK_INT(s.reason, PG_R_STARTUP_LENGTH);
	CHECK_INT(pg_startup_next((const uint8_t *) "\26\3\1\2", 4, &s), WIRE_BAD);
	CHECK_INT(s.reason, PG_R_STARTUP_TLS);
	CHECK_INT(pg_startup_next((const uint8_t *) "GET / HTTP", 10, &s), WIRE_BAD);
	CHECK_INT(s.reason, PG_R_STARTUP_HTTP);
	CHECK_INT(pg_startup_next((const uint8_t *) "\0\0\47\21", 4, &s), WIRE_BAD);
	CHECK_INT(s.reason, PG_R_STARTUP_TOO_LARGE);

	pg_put_cancel(&b, 7, slice_of(key, sizeof(key)));
	CHECK_INT(startup(buf_slice(&b), &s), WIRE_OK);
	CHECK(s.kind == PG_START_CANCEL && s.cancel_pid == 7 && s.cancel_key.n == 32);
	buf_reset(&b);
	pg_put_startup(&b, 0, params, 2);
	CHECK_INT(startup(buf_slice(&b), &s), WIRE_OK);
	CHECK_SLICE(pg_startup_param(&s, "application_name"), "psql");
	CHECK(!pg_startup_param(&s, "options").p);
	buf_reset(&b);
	params[1].value = slice_of("a\0b", 3);
	pg_put_startup(&b, 0, params, 2);
	CHECK(b.failed);
	buf_fini(&b);
}

static void
startup_has_a_bound_on_parameters(void)
{
	static struct pg_startup s;
	struct buf b = {0};

	for (int n = PG_STARTUP_PARAMS; n <= PG_STARTUP_PARAMS + 1; n++) {
		buf_reset(&b);
		buf_be32(&b, 0);
		buf_be32(&b, 196608);
		buf_put(&b, "user\0u", 7);
		for (int i = 1; i < n; i++) {
			buf_printf(&b, "p%d", i);
			buf_put(&b, "\0v", 3);
		}
		buf_putc(&b, 0);
		put_be32(b.p, (uint32_t) b.n);
		CHECK_INT(pg_startup_next(b.p, b.n, &s),
			  n == PG_STARTUP_PARAMS ? WIRE_OK : WIRE_BAD);
	}
	CHECK_INT(s.reason, PG_R_STARTUP_PARAMETERS);
	buf_fini(&b);
}

/* ---- builders --------------------------------------------------------------------------- */

static struct slice
one_frame(enum pg_side from, const struct buf *b, uint8_t type)
{
	struct pg_framer f;
	struct pg_frame m;

	pg_framer_init(&f, from, 1 << 20);
	if (b->failed || pg_frame_next(&f, b->p, b->n, &m) != WIRE_OK || m.type != type ||
	    m.raw.n != b->n) {
		CHECK(!"one whole frame of the type");
		return (struct slice){0};
	}
	return m.body;
}

static void
builders_make_what_readers_read(void)
{
	struct buf b = {0};
	struct pg_error e = {.severity = "ERROR", .sqlstate = "42501",
			     .message = SLICE_LIT("refused by rule x"),
			     .hint = SLICE_LIT("ask"), .position = 7};
	struct pg_msg_error me;
	struct pg_msg_auth ma;
	struct pg_param mp;
	struct pg_msg_key_data mk;
	struct pg_msg_target mt;
	struct pg_msg_execute mx;
	struct pg_msg_parse mr;
	struct pg_msg_sasl_initial ms;
	struct slice s, fields;
	uint8_t code, status;
	int n = 0;

	pg_put_error(&b, &e);
	REQUIRE(pg_read_error(one_frame(PG_FROM_SERVER, &b, 'E'), &me) == PG_R_OK);
	CHECK_SLICE(me.message, "refused by rule x");
	CHECK_SLICE(me.hint, "ask");
	CHECK(!me.detail.p);
	for (fields = me.fields; pg_error_next(&fields, &code, &s); n++)
		if (code == 'P')
			CHECK_SLICE(s, "7");
	CHECK_INT(n, 6);
	buf_reset(&b);
	pg_put_ready(&b, 'E');
	CHECK(pg_read_ready(one_frame(PG_FROM_SERVER, &b, 'Z'), &status) == PG_R_OK);
	CHECK_INT(status, 'E');
	buf_reset(&b);
	pg_put_auth(&b, PG_AUTH_SASL, MSG("SCRAM-SHA-256\0"));
	CHECK(pg_read_auth(one_frame(PG_FROM_SERVER, &b, 'R'), &ma) != PG_R_OK);
	buf_reset(&b);
	pg_put_auth(&b, PG_AUTH_SASL, MSG("SCRAM-SHA-256\0\0"));
	CHECK(pg_read_auth(one_frame(PG_FROM_SERVER, &b, 'R'), &ma) == PG_R_OK);
	CHECK_INT(ma.data.n, 14);
	buf_reset(&b);
	pg_put_parameter_status(&b, SLICE_LIT("a"), SLICE_LIT("b"));
	CHECK(pg_read_parameter_status(one_frame(PG_FROM_SERVER, &b, 'S'), &mp) == PG_R_OK);
	buf_reset(&b);
	pg_put_key_data(&b, 9, SLICE_LIT("12345678901234567890123456789012"));
	CHECK(pg_read_key_data(one_frame(PG_FROM_SERVER, &b, 'K'), &mk) == PG_R_OK);
	CHECK(mk.pid == 9 && mk.key.n == 32);
	buf_reset(&b);
	pg_put_command_complete(&b, "SELECT 1");
	CHECK(pg_read_command_complete(one_frame(PG_FROM_SERVER, &b, 'C'), &s) == PG_R_OK);
	buf_reset(&b);
	pg_put_target(&b, PG_F_CLOSE, 'P', SLICE_LIT("p"));
	CHECK(pg_read_target(one_frame(PG_FROM_CLIENT, &b, 'C'), &mt) == PG_R_OK);
	buf_reset(&b);
	pg_put_execute(&b, SLICE_LIT("p"), 3);
	CHECK(pg_read_execute(one_frame(PG_FROM_CLIENT, &b, 'E'), &mx) == PG_R_OK);
	buf_reset(&b);
	pg_put_parse(&b, SLICE_LIT(""), SLICE_LIT("select 1"));
	CHECK(pg_read_parse(one_frame(PG_FROM_CLIENT, &b, 'P'), &mr) == PG_R_OK);
	buf_reset(&b);
	pg_put_sasl_initial(&b, "SCRAM-SHA-256", SLICE_LIT("n,,"));
	CHECK(pg_read_sasl_initial(one_frame(PG_FROM_CLIENT, &b, 'p'), &ms) == PG_R_OK);
	CHECK_SLICE(ms.response, "n,,");
	buf_reset(&b);
	pg_put_password(&b, SLICE_LIT("pw"));
	CHECK(pg_read_password(one_frame(PG_FROM_CLIENT, &b, 'p'), &s) == PG_R_OK);
	buf_reset(&b);
	pg_put_query(&b, slice_of("a\0b", 3));
	CHECK(b.failed);
	buf_fini(&b);
}

static void
negotiation_names_the_options(void)
{
	static struct pg_startup s;
	struct buf b = {0};
	uint32_t minor, n;

	REQUIRE(STARTUP("user\0a\0_pq_.x\0001\0_pq_.y\0001\0\0", 196618) == PG_R_OK);
	pg_put_negotiate(&b, 2, &s);
	CHECK(pg_read_negotiate(one_frame(PG_FROM_SERVER, &b, 'v'), &minor, &n) == PG_R_OK);
	CHECK_INT(minor, 196610);
	CHECK_INT(n, 2);
	buf_fini(&b);
}

/* "name=value name=value ..."; "-" when it is not understood. */
static const char *
options(const char *text)
{
	static char out[200];
	uint8_t scratch[100];
	struct pg_param p[3];
	size_t n, at = 0;

	if (!pg_read_options(slice_str(text), scratch, p, COUNT_OF(p), &n))
		return "-";
	out[0] = 0;
	for (size_t i = 0; i < n; i++)
		at += (size_t) snprintf(out + at, sizeof(out) - at, "%s%.*s=%.*s", i ? " " : "",
					SLICE_ARG(p[i].name), SLICE_ARG(p[i].value));
	return out;
}

static void
options_are_split_like_the_server_does(void)
{
	CHECK_SLICE(slice_str(options("")), "");
	CHECK_SLICE(slice_str(options(" \t ")), "");
	CHECK_SLICE(slice_str(options("-c a=b")), "a=b");
	CHECK_SLICE(slice_str(options("-ca=b --c-d=e=f")), "a=b c_d=e=f");
	CHECK_SLICE(slice_str(options("-c  a=")), "a=");
	CHECK_SLICE(slice_str(options("-c a=b\\ c\\\\d -c e=\\'")), "a=b c\\d e='");
	CHECK_SLICE(slice_str(options("-c a=b\\")), "a=b");
	CHECK_SLICE(slice_str(options("-c -c=b")), "_c=b");
	CHECK_SLICE(slice_str(options("-c my.setting=x")), "my.setting=x");
	CHECK_SLICE(slice_str(options("-c")), "-");
	CHECK_SLICE(slice_str(options("-c a")), "-");
	CHECK_SLICE(slice_str(options("-c =b")), "-");
	CHECK_SLICE(slice_str(options("--")), "-");
	CHECK_SLICE(slice_str(options("--a")), "-");
	CHECK_SLICE(slice_str(options("-e")), "-");
	CHECK_SLICE(slice_str(options("a=b")), "-");
	CHECK_SLICE(slice_str(options("-c a\\ b=c")), "-");
	CHECK_SLICE(slice_str(options("-c a=1 -c b=2 -c c=3 -c d=4")), "-");
}

TEST_MAIN(TEST(readers_accept_whole_messages_only),
	  TEST(hostile_bodies_are_refused_with_their_reason), TEST(readers_give_the_fields),
	  TEST(framing_is_the_same_at_every_cut),
	  TEST(rows_are_skipped_like_they_are_framed),
	  TEST(framing_refuses_what_the_table_does_not_allow), TEST(startup_packets),
	  TEST(options_are_split_like_the_server_does),
	  TEST(startup_has_a_bound_on_parameters), TEST(builders_make_what_readers_read),
	  TEST(negotiation_names_the_options))
