/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL's frontend/backend protocol as bytes: framing, startup packets, strict readers and
 * builders. Source: PostgreSQL manual, "Message Formats", protocol 3.0 and 3.2.
 *
 * Readers take the body of a whole message (after type and length), accept exactly what the manual
 * describes and fill structures whose slices point into the body. They return PG_R_OK (0) or why
 * not; after anything but PG_R_OK the output must not be used. Nothing here allocates.
 */
#ifndef WEIR_PG_WIRE_H
#define WEIR_PG_WIRE_H

#include "base/buf.h"
#include "base/slice.h"

enum wire { WIRE_OK, WIRE_MORE, WIRE_BAD };

enum pg_reason {
	PG_R_OK,
#define R(name, sqlstate, sentence) PG_R_##name,
#include "proto/pg/reasons.def"
#undef R
	PG_R_COUNT
};

const char *pg_reason_name(enum pg_reason r);     /* "QUERY_NUL"; stable, for counters */
const char *pg_reason_sqlstate(enum pg_reason r); /* five characters */
const char *pg_reason_sentence(enum pg_reason r);

enum {
#define PG_FRONTEND(byte, name, text, min, max, mode) PG_F_##name = byte,
#define PG_BACKEND(byte, name, text, min, max, mode) PG_B_##name = byte,
#include "proto/pg/msgs.def"
#undef PG_FRONTEND
#undef PG_BACKEND
};

enum pg_side { PG_FROM_CLIENT, PG_FROM_SERVER };

/* "Query"; NULL when the side has no such message. */
const char *pg_message_name(enum pg_side from, uint8_t type);
/* For the end of a sentence about such a message: ", in Bind", ", in a message of type 'A'". */
void pg_message_place(enum pg_side from, uint8_t type, char *out, size_t n);

/* ---- framing ---------------------------------------------------------------------------- */

enum {
	PG_HEADER = 5, /* type byte and length field */
	PG_STARTUP_MAX = 10000,
	PG_CANCEL_KEY_MAX = 256,
	PG_MAX_MESSAGE = 0x3fffffff, /* the server's own bound (MaxAllocSize) */
};

struct pg_framer {
	enum pg_side from;
	uint32_t max_whole;    /* bound of the length field of messages that are read whole */
	uint64_t whole[2];     /* bit per type byte: read whole */
	uint64_t left;         /* bytes of the streamed message still to come */
	uint8_t type;          /* its type */
};

struct pg_frame {
	uint8_t type;
	bool first, last;  /* of the message; both for a whole one */
	bool too_large;    /* first piece of a row that was wanted whole and is not to be held */
	uint64_t total;    /* bytes of the message with its header; 0 when not known yet */
	struct slice raw;  /* this piece; starts with the header when `first` */
	struct slice body; /* this piece without the header */
	enum pg_reason reason; /* with WIRE_BAD */
};

void pg_framer_init(struct pg_framer *f, enum pg_side from, uint32_t max_whole);
/* Whether messages of this type are read whole from now on, e.g. DataRow when rows are masked. */
void pg_framer_set_whole(struct pg_framer *f, uint8_t type, bool whole);
/* True between messages: the only state in which a connection may end well. */
bool pg_framer_idle(const struct pg_framer *f);
/*
 * The next message, or piece of a streamed one, at p[0..n).
 *   WIRE_OK    consume frame->raw.n bytes (at least 1). A whole message is all there.
 *   WIRE_MORE  nothing was consumed: call again with the same bytes and more behind them. When
 *              frame->total is not 0, that many bytes are needed.
 *   WIRE_BAD   frame->reason; the stream cannot be followed any further.
 */
enum wire pg_frame_next(struct pg_framer *f, const uint8_t *p, size_t n, struct pg_frame *frame)
	MUST_CHECK;

/* The fast way over rows that pass unmasked: bytes of whole DataRows at the front of p[0..n), their
 * number added to *rows; 0 when there is none. Only between messages. Whatever is not a whole,
 * well-framed DataRow is left to pg_frame_next. */
size_t pg_frame_rows(const struct pg_framer *f, const uint8_t *p, size_t n, uint64_t *rows);

/* ---- startup ---------------------------------------------------------------------------- */

enum pg_startup_kind { PG_START_SSL, PG_START_GSSENC, PG_START_CANCEL, PG_START_SESSION };
enum { PG_STARTUP_PARAMS = 64 };

struct pg_param {
	struct slice name, value;
};

struct pg_startup {
	enum pg_startup_kind kind;
	size_t size; /* bytes of the packet; 0 when not known yet */
	/* PG_START_CANCEL */
	uint32_t cancel_pid;
	struct slice cancel_key; /* 4 to 256 bytes */
	/* PG_START_SESSION */
	uint16_t major, minor;
	struct slice user, database; /* database defaults to user */
	struct pg_param params[PG_STARTUP_PARAMS]; /* all of them, in the order sent */
	size_t n_params;
	bool replication;   /* the parameter is there and is not a spelling of "off" */
	bool negotiate;     /* answer with NegotiateProtocolVersion: minor > 2 or _pq_.* is there */
	enum pg_reason reason; /* with WIRE_BAD */
};

/* WIRE_OK: consume s->size bytes. Same contract as pg_frame_next otherwise. Refuses protocol 2.0,
 * duplicate names, names that are not [A-Za-z0-9_.-]+, a missing user, TLS and HTTP. */
enum wire pg_startup_next(const uint8_t *p, size_t n, struct pg_startup *s) MUST_CHECK;
/* The value of a parameter (names compare exactly), or an empty slice with p == NULL. */
struct slice pg_startup_param(const struct pg_startup *s, const char *name);

/* The settings in `options`, split as the server splits its command line: words between spaces, a
 * backslash keeps what follows; -c name=value, -cname=value, --name=value ('-' in a name is '_').
 * False: something else is in it, or more than max. Results lie in scratch, text.n + 1 bytes. */
bool pg_read_options(struct slice text, uint8_t *scratch, struct pg_param *out, size_t max,
		     size_t *n) MUST_CHECK;

/* ---- readers: messages from the client -------------------------------------------------- */

/* Format codes of parameters or results: none = all text, one = for all, else one each. */
struct pg_formats {
	uint16_t n;
	const uint8_t *p; /* n big-endian int16, each 0 or 1 */
};

struct pg_value {
	const uint8_t *p; /* not NULL when n >= 0 */
	int32_t n;        /* -1: NULL */
};

/* Values as they lie in Bind, FunctionCall and DataRow. Checked by the reader that made it, so
 * walking it cannot fail. */
struct pg_values {
	uint16_t n; /* how many are left */
	const uint8_t *p;
};

struct pg_msg_parse {
	struct slice name, text;
	uint16_t n_types;
	const uint8_t *types; /* n_types big-endian OIDs */
};

struct pg_msg_bind {
	struct slice portal, statement;
	struct pg_formats param_formats;
	struct pg_values params;
	/* its count is checked against the result by pg_rowplan */
	struct pg_formats result_formats;
};

struct pg_msg_target { /* Describe, Close */
	uint8_t kind;  /* 'S' or 'P' */
	struct slice name;
};

struct pg_msg_execute {
	struct slice portal;
	int32_t max_rows; /* <= 0: all */
};

struct pg_msg_function_call {
	uint32_t function;
	struct pg_formats arg_formats;
	struct pg_values args;
	uint16_t result_format;
};

struct pg_msg_sasl_initial {
	struct slice mechanism;
	bool has_response;
	struct slice response;
};

uint16_t pg_format(struct pg_formats f, unsigned i);
uint32_t pg_parse_type(const struct pg_msg_parse *m, unsigned i);
bool pg_values_next(struct pg_values *it, struct pg_value *v);

enum pg_reason pg_read_query(struct slice body, struct slice *text) MUST_CHECK;
enum pg_reason pg_read_parse(struct slice body, struct pg_msg_parse *m) MUST_CHECK;
enum pg_reason pg_read_bind(struct slice body, struct pg_msg_bind *m) MUST_CHECK;
enum pg_reason pg_read_target(struct slice body, struct pg_msg_target *m) MUST_CHECK;
enum pg_reason pg_read_execute(struct slice body, struct pg_msg_execute *m) MUST_CHECK;
enum pg_reason pg_read_function_call(struct slice body, struct pg_msg_function_call *m) MUST_CHECK;
enum pg_reason pg_read_copy_fail(struct slice body, struct slice *message) MUST_CHECK;
enum pg_reason pg_read_password(struct slice body, struct slice *password) MUST_CHECK;
enum pg_reason pg_read_sasl_initial(struct slice body, struct pg_msg_sasl_initial *m) MUST_CHECK;

/* ---- readers: messages from the server -------------------------------------------------- */

enum pg_auth {
	PG_AUTH_OK = 0,
	PG_AUTH_CLEARTEXT = 3,
	PG_AUTH_MD5 = 5,
	PG_AUTH_SASL = 10,
	PG_AUTH_SASL_CONTINUE = 11,
	PG_AUTH_SASL_FINAL = 12,
};

struct pg_msg_auth {
	enum pg_auth kind;  /* Kerberos, GSS, SSPI are refused */
	uint8_t md5_salt[4];
	struct slice data;  /* SASL: mechanisms, each ended by 0; continue, final: the message */
};

struct pg_field { /* of RowDescription */
	struct slice name;
	uint32_t table; /* OID, 0: not a plain column */
	int16_t attnum;
	uint32_t type; /* OID; the server reports a domain as its base type */
	int16_t typlen;
	int32_t typmod;
	uint16_t format;
};

struct pg_fields { /* checked by the reader, so walking it cannot fail */
	uint16_t n;
	const uint8_t *p;
};

struct pg_msg_key_data {
	uint32_t pid;
	struct slice key;
};

struct pg_msg_error { /* ErrorResponse and NoticeResponse; absent fields have p == NULL */
	struct slice severity;   /* V, else S */
	struct slice sqlstate, message, detail, hint;
	struct slice fields;     /* all of them: code byte, text, 0, ... without the last 0 */
};

struct pg_msg_copy {
	uint16_t format; /* 0 text or csv, 1 binary */
	struct pg_formats columns;
};

struct pg_msg_notification {
	uint32_t pid;
	struct slice channel, payload;
};

enum pg_reason pg_read_auth(struct slice body, struct pg_msg_auth *m) MUST_CHECK;
enum pg_reason pg_read_row_description(struct slice body, struct pg_fields *f) MUST_CHECK;
bool pg_fields_next(struct pg_fields *it, struct pg_field *f);
enum pg_reason pg_read_data_row(struct slice body, struct pg_values *v) MUST_CHECK;
enum pg_reason pg_read_parameter_status(struct slice body, struct pg_param *m) MUST_CHECK;
enum pg_reason pg_read_key_data(struct slice body, struct pg_msg_key_data *m) MUST_CHECK;
enum pg_reason pg_read_ready(struct slice body, uint8_t *status) MUST_CHECK;
enum pg_reason pg_read_command_complete(struct slice body, struct slice *tag) MUST_CHECK;
/* The row count at the end of a command tag ("INSERT 0 5" -> 5), 0 when it has none. */
uint64_t pg_tag_rows(struct slice tag);
enum pg_reason pg_read_error(struct slice body, struct pg_msg_error *m) MUST_CHECK;
/* Walks m->fields: false at the end. */
bool pg_error_next(struct slice *fields, uint8_t *code, struct slice *text);
enum pg_reason pg_read_copy_response(struct slice body, struct pg_msg_copy *m) MUST_CHECK;
enum pg_reason pg_read_parameter_description(struct slice body, uint16_t *n,
					     const uint8_t **oids) MUST_CHECK;
enum pg_reason pg_read_notification(struct slice body, struct pg_msg_notification *m) MUST_CHECK;
/* Newest minor version the server has, and how many options it does not know. */
enum pg_reason pg_read_negotiate(struct slice body, uint32_t *minor,
				 uint32_t *n_options) MUST_CHECK;

/* ---- builders: append one whole message; failure shows in buf.failed --------------------- */

/* Frames by hand: at = pg_begin(b, type); append the body; pg_end(b, at). Type 0: no type byte. */
size_t pg_begin(struct buf *b, uint8_t type);
void pg_end(struct buf *b, size_t at);
/* Text and a 0; cut at an embedded 0. The builders of what is sent to the server (query, startup,
 * password ...) fail the buffer instead. */
void pg_put_string(struct buf *b, struct slice s);

struct pg_error {
	const char *severity; /* "ERROR", "FATAL", "NOTICE", "WARNING" */
	const char *sqlstate;
	struct slice message;
	struct slice detail, hint;    /* left out when empty */
	struct slice schema, table, column, constraint; /* left out when empty */
	int32_t position;             /* in characters from 1; 0: left out */
};

void pg_put_error(struct buf *b, const struct pg_error *e);  /* 'E' */
void pg_put_notice(struct buf *b, const struct pg_error *e); /* 'N' */
void pg_put_ready(struct buf *b, uint8_t status);            /* 'I', 'T' or 'E' */
void pg_put_empty(struct buf *b, uint8_t type); /* Sync, Flush, NoData, ParseComplete, ... */
void pg_put_auth(struct buf *b, enum pg_auth kind, struct slice data);
void pg_put_parameter_status(struct buf *b, struct slice name, struct slice value);
void pg_put_key_data(struct buf *b, uint32_t pid, struct slice key);
void pg_put_command_complete(struct buf *b, const char *tag);
/* Answers a startup with negotiate set: minor 0 or 2 and every _pq_. option of s. */
void pg_put_negotiate(struct buf *b, uint16_t minor, const struct pg_startup *s);

void pg_put_startup(struct buf *b, uint16_t minor, const struct pg_param *params, size_t n);
void pg_put_ssl_request(struct buf *b);
void pg_put_cancel(struct buf *b, uint32_t pid, struct slice key);
void pg_put_query(struct buf *b, struct slice text);
void pg_put_parse(struct buf *b, struct slice name, struct slice text);
void pg_put_target(struct buf *b, uint8_t type, uint8_t kind, struct slice name); /* 'D', 'C' */
void pg_put_bind(struct buf *b, struct slice portal, struct slice statement); /* no parameters */
void pg_put_execute(struct buf *b, struct slice portal, int32_t max_rows);
void pg_put_password(struct buf *b, struct slice password);
void pg_put_sasl_initial(struct buf *b, const char *mechanism, struct slice response);
void pg_put_sasl_response(struct buf *b, struct slice response);

#endif
