/* SPDX-License-Identifier: MIT
 *
 * The messages that wire scripts name, as bytes.
 */
#include "tests/wire/wire_messages.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/endian.h"
#include "proto/pg/wire.h"

#include <stdio.h>
#include <stdlib.h>

static void
row_description(struct buf *b, struct slice *w, size_t n)
{
	size_t at = pg_begin(b, PG_B_ROW_DESCRIPTION);

	buf_be16(b, (uint16_t) n);
	for (size_t i = 0; i < n; i++) {
		unsigned table = 0, attnum = 0, type = 25, format = 0;
		char name[64];

		sscanf((const char *) w[i].p, "%63[^: ]:%u:%u:%u:%u", name, &table, &attnum, &type, &format);
		pg_put_string(b, slice_str(name));
		buf_be32(b, table);
		buf_be16(b, (uint16_t) attnum);
		buf_be32(b, type);
		buf_be16(b, 0xffff);
		buf_be32(b, UINT32_MAX);
		buf_be16(b, (uint16_t) format);
	}
	pg_end(b, at);
}

static void
data_row(struct buf *b, struct slice *w, size_t n)
{
	size_t at = pg_begin(b, PG_B_DATA_ROW);

	buf_be16(b, (uint16_t) n);
	for (size_t i = 0; i < n; i++) {
		if (slice_is(w[i], "NULL")) {
			buf_be32(b, UINT32_MAX);
			continue;
		}
		buf_be32(b, (uint32_t) w[i].n);
		buf_put_slice(b, w[i]);
	}
	pg_end(b, at);
}

static void
bind_message(struct buf *b, struct slice *w, size_t n)
{
	size_t at = pg_begin(b, PG_F_BIND);
	bool binary = n > 2 && slice_is(w[2], "binary");

	pg_put_string(b, w[0]);
	pg_put_string(b, w[1]);
	buf_be16(b, 0);
	buf_be16(b, 0);
	buf_be16(b, binary);
	if (binary)
		buf_be16(b, 1);
	pg_end(b, at);
}

static void
raw(struct buf *b, uint8_t type, struct slice body)
{
	size_t at = pg_begin(b, type);

	buf_put_slice(b, body);
	pg_end(b, at);
}

static void
notification(struct buf *b, struct slice pid, struct slice channel, struct slice payload)
{
	size_t at = pg_begin(b, PG_B_NOTIFICATION_RESPONSE);

	buf_be32(b, pid.n ? (uint32_t) (pid.p[0] - '0') : 0);
	pg_put_string(b, channel);
	pg_put_string(b, payload);
	pg_end(b, at);
}

static void
function_call(struct buf *b, struct slice number)
{
	uint8_t body[10] = {0};

	put_be32(body, number.n ? (uint32_t) strtoul((const char *) number.p, NULL, 10) : 1);
	raw(b, 'F', slice_of(body, sizeof(body)));
}

static void
function_response(struct buf *b, struct slice value)
{
	size_t at = pg_begin(b, PG_B_FUNCTION_CALL_RESPONSE);

	buf_be32(b, (uint32_t) value.n);
	buf_put_slice(b, value);
	pg_end(b, at);
}

/* What session_path.c asks, and the server's answer to it: one value a SHOW. */
static void
path_question(struct buf *b)
{
	static const char *const shows[] = {"show search_path", "show role",
					    "show session_authorization"};
	struct slice own = SLICE_LIT("weir search path");

	for (size_t i = 0; i < COUNT_OF(shows); i++) {
		pg_put_parse(b, own, slice_str(shows[i]));
		pg_put_bind(b, own, own);
		pg_put_execute(b, own, 0);
		pg_put_target(b, PG_F_CLOSE, 'P', own);
		pg_put_target(b, PG_F_CLOSE, 'S', own);
	}
	pg_put_empty(b, PG_F_SYNC);
}

static void
path_answer(struct buf *b, struct slice *w, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++) {
		pg_put_empty(b, '1');
		pg_put_empty(b, '2');
		data_row(b, &w[i], 1);
		pg_put_command_complete(b, "SHOW");
		pg_put_empty(b, '3');
		pg_put_empty(b, '3');
	}
	pg_put_ready(b, w[n - 1].p[0]);
}

/* Appends the message that the words describe. False: no such message. */
bool
wire_message(struct buf *b, struct slice *w, size_t n)
{
	struct slice *a = w + 1, none = {0};
	char s[8] = {0};

	for (size_t i = n; i < 5; i++)
		w[i] = none;
	n--;
	memcpy(s, a[0].p ? (const char *) a[0].p : "", a[0].n < 7 ? a[0].n : 7);
	if (slice_is(w[0], "Query")) pg_put_query(b, a[0]);
	else if (slice_is(w[0], "Parse")) pg_put_parse(b, a[0], a[1]);
	else if (slice_is(w[0], "Bind")) bind_message(b, a, n);
	else if (slice_is(w[0], "Describe")) pg_put_target(b, PG_F_DESCRIBE, a[0].p[0], a[1]);
	else if (slice_is(w[0], "Close")) pg_put_target(b, PG_F_CLOSE, a[0].p[0], a[1]);
	else if (slice_is(w[0], "Execute")) pg_put_execute(b, a[0], n > 1 ? (uint32_t) strtoul((const char *) a[1].p, NULL, 10) : 0);
	else if (slice_is(w[0], "Sync")) pg_put_empty(b, PG_F_SYNC);
	else if (slice_is(w[0], "Flush")) pg_put_empty(b, PG_F_FLUSH);
	else if (slice_is(w[0], "Terminate")) pg_put_empty(b, PG_F_TERMINATE);
	else if (slice_is(w[0], "CopyData")) raw(b, 'd', a[0]);
	else if (slice_is(w[0], "CopyDone")) pg_put_empty(b, 'c');
	else if (slice_is(w[0], "FunctionCall")) function_call(b, a[0]);
	else if (slice_is(w[0], "PathQuestion")) path_question(b);
	else if (slice_is(w[0], "PathAnswer")) path_answer(b, a, n);
	else if (slice_is(w[0], "NotificationResponse")) notification(b, a[0], a[1], a[2]);
	else if (slice_is(w[0], "FunctionCallResponse")) function_response(b, a[0]);
	else if (slice_is(w[0], "Raw")) return hex_get(b, a[0]);
	else if (slice_is(w[0], "RowDescription")) row_description(b, a, n);
	else if (slice_is(w[0], "DataRow")) data_row(b, a, n);
	else if (slice_is(w[0], "CommandComplete")) { char tag[64] = {0}; memcpy(tag, a[0].p, a[0].n < 63 ? a[0].n : 63); pg_put_command_complete(b, tag); }
	else if (slice_is(w[0], "ReadyForQuery")) pg_put_ready(b, a[0].p[0]);
	else if (slice_is(w[0], "ParseComplete")) pg_put_empty(b, '1');
	else if (slice_is(w[0], "BindComplete")) pg_put_empty(b, '2');
	else if (slice_is(w[0], "CloseComplete")) pg_put_empty(b, '3');
	else if (slice_is(w[0], "NoData")) pg_put_empty(b, 'n');
	else if (slice_is(w[0], "PortalSuspended")) pg_put_empty(b, 's');
	else if (slice_is(w[0], "EmptyQueryResponse")) pg_put_empty(b, 'I');
	else if (slice_is(w[0], "CopyInResponse")) raw(b, 'G', slice_of("\0\0\1\0\0", 5));
	else if (slice_is(w[0], "CopyOutResponse")) raw(b, 'H', slice_of("\0\0\1\0\0", 5));
	else if (slice_is(w[0], "CopyBothResponse")) raw(b, 'W', slice_of("\0\0\1\0\0", 5));
	else if (slice_is(w[0], "ParameterDescription")) raw(b, 't', slice_of("\0\0", 2));
	else if (slice_is(w[0], "ParameterStatus")) pg_put_parameter_status(b, a[0], a[1]);
	else if (slice_is(w[0], "ErrorResponse"))
		pg_put_error(b, &(struct pg_error){
				.severity = memcmp(s, "57P", 3) == 0 ? "FATAL" : "ERROR",
				.sqlstate = s, .message = a[1], .detail = a[2]});
	else if (slice_is(w[0], "NoticeResponse"))
		pg_put_notice(b, &(struct pg_error){.severity = "NOTICE", .sqlstate = s, .message = a[1]});
	else
		return false;
	return true;
}
