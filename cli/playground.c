/* SPDX-License-Identifier: MIT
 *
 * weir playground: a page on loopback on which to try a policy. One thread serves one evaluation
 * after the other, each in a process of its own. A page of somebody else that the browser has open
 * cannot ask here: its Host or Origin is another, and without our leave it cannot send JSON.
 */
#include "cli/playground.h"

#include "cli/cli.h"
#include "cli/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_BODY = 1 << 20, MAX_CONNECTIONS = 32, IDLE_SECONDS = 30, DEFAULT_PORT = 6480 };

static const char help[] =
	"usage: weir playground [--port N] [POLICY]\n\n"
	"Serves a page on which to edit a policy beside a schema, a principal and a command, and to\n"
	"see as you type what is wrong, how the command is decided and why, the rows as the client\n"
	"would get them, and what the policy compiles to. It begins with POLICY, or an example.\n\n"
	"  --port N   on 127.0.0.1, where alone it listens (6480; 0: any that is free)\n\n"
	"The page holds the files that POLICY imports in their places, and its catalog as the schema.\n"
	"Nothing leaves the machine and no file is written. Ctrl-C ends it.\n\n"
	"Exit code: 0 ended by a signal, 2 usage or trouble.\n";

static const struct {
	const char *name, *text;
} assets[] = {
#define ASSET(name, text) {name, text},
#include "playground.inc"
#undef ASSET
};

static const struct {
	const char *code;
	unsigned status;
	const char *text, *hint;
} errors[] = {
	{0},
#define PLAYGROUND_ERROR(id, code, status, sentence, hint) {code, status, sentence, hint},
#include "cli/playground.def"
#undef PLAYGROUND_ERROR
};

struct request {
	struct buf body;
	bool refused; /* answered before the body was read */
};

static volatile sig_atomic_t ended;

static enum MHD_Result
reply(struct MHD_Connection *c, unsigned status, const char *type, struct slice body)
{
	static const char *const headers[][2] = {
		{"Cache-Control", "no-store"},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Content-Security-Policy",
		 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
		 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	};
	struct MHD_Response *r =
		MHD_create_response_from_buffer(body.n, (void *) body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	for (size_t i = 0; i < COUNT_OF(headers); i++)
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
	if (status == MHD_HTTP_CONTENT_TOO_LARGE)
		MHD_add_response_header(r, "Connection", "close");
	ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
reply_error(struct MHD_Connection *c, enum playground_error e)
{
	struct buf b = {0};
	enum MHD_Result ok;

	assert(e > PLAYGROUND_OK && e < PLAYGROUND_N_ERRORS);
	buf_puts(&b, "{\"title\": ");
	buf_json_string(&b, slice_str(errors[e].text));
	buf_printf(&b, ", \"status\": %u, \"code\": \"%s\", \"hint\": ", errors[e].status,
		   errors[e].code);
	buf_json_string(&b, slice_str(errors[e].hint));
	buf_putc(&b, '}');
	ok = b.failed ? MHD_NO
		      : reply(c, errors[e].status, "application/problem+json", buf_slice(&b));
	buf_fini(&b);
	return ok;
}

/* A name that leads here wherever it is asked: another page's name may have been pointed here. */
static bool
is_here(const char *host)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

	for (size_t i = 0; host && i < COUNT_OF(names); i++) {
		size_t n = strlen(names[i]);

		if (strncasecmp(host, names[i], n) == 0 &&
		    (!host[n] || (host[n] == ':' &&
				  strspn(host + n + 1, "0123456789") == strlen(host + n + 1))))
			return true;
	}
	return false;
}

/* Browsers say whose page asks. */
static bool
is_ours(const char *origin, const char *host)
{
	return !origin || (strncasecmp(origin, "http://", 7) == 0 &&
			   strcasecmp(origin + 7, host) == 0);
}

static bool
is_json(const char *type)
{
	return type && strncasecmp(type, "application/json", 16) == 0 &&
	       (!type[16] || type[16] == ';' || type[16] == ' ');
}

/* What can be told from the headers. */
static enum playground_error
check_head(struct MHD_Connection *c, const char *url, const char *method)
{
	const char *len = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
	bool get = strcmp(method, "GET") == 0, post = strcmp(method, "POST") == 0;

	if (!is_here(host))
		return PLAYGROUND_ERR_HOST;
	if (!is_ours(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin"), host))
		return PLAYGROUND_ERR_ORIGIN;
	if (strcmp(url, "/v1/evaluate") == 0 ? !post : !get)
		return PLAYGROUND_ERR_METHOD;
	if (post && !is_json(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type")))
		return PLAYGROUND_ERR_CONTENT_TYPE;
	if (len && strtoull(len, NULL, 10) > MAX_BODY)
		return PLAYGROUND_ERR_TOO_LARGE;
	return PLAYGROUND_OK;
}

/* Texts of a request; a name that is none of them is a mistake. */
static bool
take_texts(const json_t *o, struct playground_texts *t)
{
	struct {
		const char *name, **to;
		bool one_line;
	} fields[] = {
		{"policy", &t->policy, false}, {"schema", &t->schema, false},
		{"principal", &t->principal, true}, {"on", &t->on, true},
		{"sql", &t->sql, false}, {"rows", &t->rows, false},
	};
	size_t known = 0;

	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		const json_t *v = json_object_get(o, fields[i].name);

		*fields[i].to = v ? json_string_value(v) : "";
		if (!*fields[i].to || (fields[i].one_line && strpbrk(*fields[i].to, "\r\n")))
			return false;
		known += v != NULL;
	}
	return json_object_get(o, "policy") && known == json_object_size(o);
}

static enum MHD_Result
evaluate(struct MHD_Connection *c, struct slice body)
{
	json_t *o = json_loadb((const char *) body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct buf out = {.limit = PLAYGROUND_MAX_ANSWER + (1 << 17)};
	enum playground_error e = PLAYGROUND_ERR_BODY;
	struct playground_texts t;
	enum MHD_Result ok;

	if (json_is_object(o) && take_texts(o, &t))
		e = playground_run(&t, info ? info->connect_fd : -1, &out);
	ok = e == PLAYGROUND_OK ? reply(c, MHD_HTTP_OK, "application/json", buf_slice(&out))
				: reply_error(c, e);
	buf_fini(&out);
	json_decref(o);
	return ok;
}

static const char *
type_of(const char *name)
{
	static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
					       {".css", "text/css; charset=utf-8"},
					       {".js", "text/javascript; charset=utf-8"}};

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (strcmp(strrchr(name, '.'), types[i][0]) == 0)
			return types[i][1];
	return "text/plain; charset=utf-8";
}

/* The policy that was named, as it is now, or what its catalogs say. */
static enum MHD_Result
reply_start(struct MHD_Connection *c, const char *path, bool of_schema)
{
	struct buf policy = {0}, schema = {0};
	bool good = path && playground_start(path, &policy, &schema);
	enum MHD_Result ok = reply(c, good ? MHD_HTTP_OK : MHD_HTTP_NO_CONTENT, type_of(".weir"),
				   buf_slice(of_schema ? &schema : &policy));

	buf_fini(&policy);
	buf_fini(&schema);
	return ok;
}

static enum MHD_Result
route(struct MHD_Connection *c, const char *url, const char *policy, struct slice body)
{
	const char *name = strcmp(url, "/") == 0 ? "index.html" : url + 1;

	if (strcmp(url, "/v1/evaluate") == 0)
		return evaluate(c, body);
	if (strcmp(url, "/v1/policy") == 0)
		return reply_start(c, policy, false);
	if (strcmp(url, "/v1/schema") == 0)
		return reply_start(c, policy, true);
	for (size_t i = 0; i < COUNT_OF(assets); i++)
		if (strcmp(name, assets[i].name) == 0)
			return reply(c, MHD_HTTP_OK, type_of(name), slice_str(assets[i].text));
	return reply_error(c, PLAYGROUND_ERR_NO_ROUTE);
}

/* As in the admin listener: once with the headers, with each piece of the body, then with none. */
static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
	   const char *version UNUSED, const char *data, size_t *n, void **state)
{
	struct request *r = *state;

	if (!r) {
		enum playground_error e = check_head(c, url, method);

		*state = r = calloc(1, sizeof(*r));
		if (!r)
			return MHD_NO;
		r->body.limit = MAX_BODY;
		r->refused = e != PLAYGROUND_OK;
		return r->refused ? reply_error(c, e) : MHD_YES;
	}
	if (*n) {
		if (!r->refused)
			buf_put(&r->body, data, *n);
		*n = 0;
		return r->body.failed ? MHD_NO : MHD_YES; /* chunked, without end: hang up */
	}
	return r->refused ? MHD_YES : route(c, url, ctx, buf_slice(&r->body));
}

static void
on_completed(void *ctx UNUSED, struct MHD_Connection *c UNUSED, void **state,
	     enum MHD_RequestTerminationCode why UNUSED)
{
	struct request *r = *state;

	if (!r)
		return;
	buf_fini(&r->body);
	free(r);
	*state = NULL;
}

static void
on_signal(int number UNUSED)
{
	ended = 1;
}

static int
serve(const char *policy, unsigned port)
{
	const struct sockaddr_in where = {.sin_family = AF_INET,
					  .sin_port = htons((uint16_t) port),
					  .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct sigaction act = {.sa_handler = on_signal};
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *d;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	errno = 0;
	d = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, (void *) (uintptr_t) policy,
			     MHD_OPTION_SOCK_ADDR, (const struct sockaddr *) &where,
			     MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
			     MHD_OPTION_CONNECTION_LIMIT, (unsigned) MAX_CONNECTIONS,
			     MHD_OPTION_CONNECTION_TIMEOUT,
			     (unsigned) IDLE_SECONDS, MHD_OPTION_END);
	if (!d) {
		fprintf(stderr, "weir playground: cannot listen on 127.0.0.1:%u: %s\n", port,
			strerror(errno ? errno : EINVAL));
		return EXIT_USAGE;
	}
	info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
	printf("http://127.0.0.1:%u/\n", info ? info->port : port);
	fflush(stdout);
	while (!ended && MHD_run_wait(d, 200) == MHD_YES)
		;
	MHD_stop_daemon(d);
	return ended ? EXIT_OK : EXIT_USAGE;
}

int
cmd_playground(int argc, char **argv)
{
	unsigned long port = DEFAULT_PORT;
	const char *policy = NULL;
	struct slice text;
	struct arena arena;
	char *end;
	bool good;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
			port = strtoul(argv[++i], &end, 10);
			if (*argv[i] < '0' || *argv[i] > '9' || *end || port > 65535)
				return cli_usage_error("playground", "--port is from 0 to 65535");
		} else if (argv[i][0] == '-') {
			return cli_option_error("playground", argv[i], "--port");
		} else if (policy) {
			return cli_usage_error("playground", "one policy at a time");
		} else {
			policy = argv[i];
		}
	}
	arena_init(&arena, 0);
	good = !policy || cli_read_file("playground", policy, &arena, &text);
	arena_fini(&arena);
	return good ? serve(policy, (unsigned) port) : EXIT_USAGE;
}
