/* SPDX-License-Identifier: MIT
 *
 * The admin listener over libmicrohttpd: one thread of its own polls, parses and answers; nothing
 * here runs on a worker. A request is authenticated before its body is read, bodies are bounded,
 * and every refusal is a problem+json with a stable code.
 */
#include "proxy/admin.h"

#include "base/clock.h"
#include "base/secret.h"
#include "proxy/admin_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_BODY = 16 << 10, MAX_CONNECTIONS = 128, GIVES_WAY = 96, IDLE_SECONDS = 30 };

/* Both NULL without TLS. */
struct admin_pem {
	char *cert, *key;
};

/* A client's; the daemon's thread only. */
struct admin_conn {
	struct admin_conn *next, *prev;
	int fd;
	bool cut;
};

struct admin {
	struct MHD_Daemon *daemon;
	struct approvals *approvals;
	struct admin_hooks hooks;
	struct admin_auth auth; /* the daemon's thread only */
	int socket; /* of our own */
	unsigned port;
	bool v6;
	struct admin_pem pem;
	struct admin_conn conns; /* a ring: whose last answer is longest ago comes first */
	unsigned n_conns;
};

struct request {
	struct buf body;
	bool refused; /* answered before the body was read */
};

static const struct {
	const char *code;
	unsigned status;
	const char *text, *hint;
} errors[] = {
#define ADMIN_ERROR(id, code, status, sentence, hint) {code, status, sentence, hint},
#include "proxy/admin.def"
#undef ADMIN_ERROR
};

static enum MHD_Result
reply(struct MHD_Connection *c, unsigned status, const char *type, struct slice body,
      const char *header, const char *value)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(body.n, (void *) body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (header)
		MHD_add_response_header(r, header, value);
	ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
reply_json(struct MHD_Connection *c, unsigned status, json_t *o, const char *type)
{
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	enum MHD_Result ok = MHD_NO; /* out of memory: the connection is closed */

	if (text)
		ok = reply(c, status, type, slice_str(text), NULL, NULL);
	free(text);
	json_decref(o);
	return ok;
}

static enum MHD_Result
reply_problem(struct MHD_Connection *c, unsigned status, const char *code, const char *title,
	      const char *hint, const char *header, const char *value)
{
	json_t *o = json_pack("{s:s, s:i, s:s, s:s}", "title", title, "status", (int) status, "code",
			      code, "hint", hint);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	enum MHD_Result ok = MHD_NO;

	if (text)
		ok = reply(c, status, "application/problem+json", slice_str(text), header, value);
	free(text);
	json_decref(o);
	return ok;
}

static enum MHD_Result
reply_error(struct MHD_Connection *c, enum admin_error e, const char *header, const char *value)
{
	assert(e < ADMIN_N_ERRORS);
	return reply_problem(c, errors[e].status, errors[e].code, errors[e].text, errors[e].hint,
			     header, value);
}

static enum MHD_Result
reply_approval_error(struct MHD_Connection *c, enum approval_error e)
{
	return reply_problem(c, (unsigned) approval_error_status(e), approval_error_code(e),
			     approval_error_text(e), approval_error_hint(e), NULL, NULL);
}

struct listing {
	const struct approval_decider *who;
	json_t *list; /* or the one object */
	bool all;
	enum approval_state only;
};

static void
list_one(void *ctx, const struct approval *a)
{
	struct listing *l = ctx;

	if ((l->all || a->state == l->only) && approval_visible(a, l->who))
		json_array_append_new(l->list, admin_approval_json(a, l->who, true));
}

static void
show_one(void *ctx, const struct approval *a)
{
	struct listing *l = ctx;

	if (approval_visible(a, l->who))
		l->list = admin_approval_json(a, l->who, false);
}

static enum MHD_Result
get_approvals(struct admin *s, struct MHD_Connection *c, const struct approval_decider *who)
{
	const char *state = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "state");
	struct listing l = {.who = who, .all = !state};
	json_t *o;

	if (state && !approval_state_parse(slice_str(state), &l.only))
		return reply_error(c, ADMIN_ERR_STATE, NULL, NULL);
	l.list = json_array();
	approvals_each(s->approvals, list_one, &l);
	o = json_object();
	json_object_set_new(o, "approvals", l.list);
	return reply_json(c, MHD_HTTP_OK, o, "application/json");
}

static enum MHD_Result
get_approval(struct admin *s, struct MHD_Connection *c, const struct approval_decider *who,
	     const char *id)
{
	struct listing l = {.who = who};

	(void) approvals_with(s->approvals, id, show_one, &l);
	if (!l.list)
		return reply_approval_error(c, APPROVAL_ERR_NOT_FOUND);
	return reply_json(c, MHD_HTTP_OK, l.list, "application/json");
}

static bool
take_text(json_t *o, const char *name, struct slice *out)
{
	json_t *v = json_object_get(o, name);

	if (!v)
		return true;
	if (!json_is_string(v) || json_string_length(v) > APPROVAL_MAX_REASON)
		return false;
	*out = slice_of(json_string_value(v), json_string_length(v));
	return true;
}

/* {"reason": string, "ticket": string}, both optional, nothing else; an empty body is {}. */
static bool
parse_decision(struct slice body, json_t **keep, struct approval_decider *who)
{
	json_t *o = body.n ? json_loadb((const char *) body.p, body.n, JSON_REJECT_DUPLICATES, NULL)
			   : json_object();
	const char *key;
	json_t *value;

	*keep = o;
	if (!json_is_object(o))
		return false;
	json_object_foreach(o, key, value)
		if (strcmp(key, "reason") != 0 && strcmp(key, "ticket") != 0)
			return false;
	return take_text(o, "reason", &who->reason) && take_text(o, "ticket", &who->ticket);
}

static enum MHD_Result
post_decision(struct admin *s, struct MHD_Connection *c, const struct approval_decider *asker,
	      const char *id, bool approve, struct slice body)
{
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	struct approval_decider who = *asker;
	enum approval_error e;
	enum MHD_Result ok;
	json_t *keep = NULL;

	/* A form posted by a page in somebody's browser cannot carry this type unasked. */
	if (body.n && (!type || strncasecmp(type, "application/json", 16) != 0))
		return reply_error(c, ADMIN_ERR_CONTENT_TYPE, NULL, NULL);
	if (!parse_decision(body, &keep, &who)) {
		ok = reply_error(c, ADMIN_ERR_BODY, NULL, NULL);
	} else {
		e = approvals_decide(s->approvals, id, approve, &who, clock_wall_ns());
		ok = e == APPROVAL_ERR_NONE ? get_approval(s, c, asker, id)
					    : reply_approval_error(c, e);
	}
	json_decref(keep);
	return ok;
}

/* What a reader would type: any case, o for 0, i and l for 1. False when it cannot be an id. */
static bool
normal_id(const char *text, size_t n, char id[APPROVAL_ID_LEN + 1])
{
	if (n != APPROVAL_ID_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		char ch = text[i] >= 'A' && text[i] <= 'Z' ? (char) (text[i] + 32) : text[i];

		ch = ch == 'o' ? '0' : ch == 'i' || ch == 'l' ? '1' : ch;
		if (!ch || !strchr("0123456789abcdefghjkmnpqrstvwxyz", ch))
			return false;
		id[i] = ch;
	}
	id[APPROVAL_ID_LEN] = 0;
	return true;
}

static enum MHD_Result
route_approval(struct admin *s, struct MHD_Connection *c, const char *rest, bool get,
	       const struct approval_decider *who, struct slice body)
{
	const char *slash = strchr(rest, '/');
	size_t n = slash ? (size_t) (slash - rest) : strlen(rest);
	char id[APPROVAL_ID_LEN + 1];
	bool approve;

	if (!normal_id(rest, n, id))
		return reply_approval_error(c, APPROVAL_ERR_NOT_FOUND);
	if (!slash)
		return get ? get_approval(s, c, who, id)
			   : reply_error(c, ADMIN_ERR_METHOD, "Allow", "GET");
	approve = strcmp(slash, "/approve") == 0;
	if (!approve && strcmp(slash, "/reject") != 0)
		return reply_error(c, ADMIN_ERR_NO_ROUTE, NULL, NULL);
	return get ? reply_error(c, ADMIN_ERR_METHOD, "Allow", "POST")
		   : post_decision(s, c, who, id, approve, body);
}

static enum MHD_Result
reply_hook(struct admin *s, struct MHD_Connection *c, void (*fill)(void *ctx, struct buf *out),
	   const char *type, const char *empty)
{
	struct buf b = {0};
	enum MHD_Result ok;

	if (fill)
		fill(s->hooks.ctx, &b);
	if (b.failed)
		ok = reply_error(c, ADMIN_ERR_MEMORY, NULL, NULL);
	else
		ok = reply(c, MHD_HTTP_OK, type, b.n ? buf_slice(&b) : slice_str(empty), NULL,
			   NULL);
	buf_fini(&b);
	return ok;
}

static enum MHD_Result
route_holds(struct admin *s, struct MHD_Connection *c, const char *rest, bool get,
	    const struct approval_decider *who, struct slice body)
{
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	struct buf b = {0};
	enum admin_error e = ADMIN_ERR_CONTENT_TYPE;
	enum MHD_Result ok;

	if (get || (type && strncasecmp(type, "application/json", 16) == 0))
		e = admin_holds(&s->hooks, who, rest, get, body, &b);
	if (e == ADMIN_OK && b.failed)
		e = ADMIN_ERR_MEMORY;
	if (e == ADMIN_ERR_METHOD)
		ok = reply_error(c, e, "Allow", get ? "POST" : "GET");
	else if (e != ADMIN_OK)
		ok = reply_error(c, e, NULL, NULL);
	else
		ok = reply(c, MHD_HTTP_OK, "application/json", buf_slice(&b), NULL, NULL);
	buf_fini(&b);
	return ok;
}

static enum MHD_Result
route(struct admin *s, struct MHD_Connection *c, const char *url, const char *method,
      const struct approval_decider *who, struct slice body)
{
	bool get = strcmp(method, "GET") == 0;

	if (!get && strcmp(method, "POST") != 0)
		return reply_error(c, ADMIN_ERR_METHOD, "Allow", "GET, POST");
	if (strncmp(url, "/v1/approvals/", 14) == 0)
		return route_approval(s, c, url + 14, get, who, body);
	if (strncmp(url, "/v1/audit/holds", 15) == 0)
		return route_holds(s, c, url + 15, get, who, body);
	if (strcmp(url, "/v1/approvals") != 0 && strcmp(url, "/v1/status") != 0 &&
	    strcmp(url, "/v1/metrics") != 0 && strcmp(url, "/v1/pools") != 0)
		return reply_error(c, ADMIN_ERR_NO_ROUTE, NULL, NULL);
	if (!get)
		return reply_error(c, ADMIN_ERR_METHOD, "Allow", "GET");
	if (strcmp(url, "/v1/status") == 0)
		return reply_hook(s, c, s->hooks.status, "application/json", "{}");
	if (strcmp(url, "/v1/pools") == 0)
		return reply_hook(s, c, s->hooks.pools, "application/json", "{\"pools\":[]}");
	if (strcmp(url, "/v1/metrics") == 0)
		return reply_hook(s, c, s->hooks.metrics, "text/plain; version=0.0.4", "");
	return get_approvals(s, c, who);
}

static const char *
client_address(struct MHD_Connection *c, char out[INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = i ? i->client_addr : NULL;

	out[0] = 0;
	if (sa && sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *) sa)->sin_addr, out,
			  INET6_ADDRSTRLEN);
	else if (sa && sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *) sa)->sin6_addr, out,
			  INET6_ADDRSTRLEN);
	return out;
}

static enum admin_error
authenticate(struct admin *s, struct MHD_Connection *c, const struct config *conf,
	     const struct config_principal **p)
{
	const char *a = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
	const char *n = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Weir-Principal");
	char address[INET6_ADDRSTRLEN];
	struct slice name = {0}, key = {0};
	struct buf scratch = {0};
	enum admin_error e = ADMIN_ERR_UNAUTHENTICATED;

	client_address(c, address);
	if (admin_credentials(a, n, &scratch, &name, &key))
		e = admin_authenticate(&s->auth, conf, name, key, address,
				       clock_mono_ns() / NS_PER_S, p);
	if (e != ADMIN_OK && s->hooks.auth_failed)
		s->hooks.auth_failed(s->hooks.ctx, name, address);
	buf_wipe(&scratch);
	return e;
}

static enum MHD_Result
answer(struct admin *s, struct MHD_Connection *c, const char *url, const char *method,
       struct slice body, bool only_refuse, bool *refused)
{
	const struct config *conf = s->hooks.config_get(s->hooks.ctx);
	const struct config_principal *p = NULL;
	enum admin_error e = authenticate(s, c, conf, &p);
	enum MHD_Result ok = MHD_YES;

	*refused = e != ADMIN_OK;
	if (e == ADMIN_ERR_UNAUTHENTICATED) {
		ok = reply_error(c, e, "WWW-Authenticate", "Bearer realm=\"weir\"");
	} else if (e == ADMIN_ERR_THROTTLED) {
		ok = reply_error(c, e, "Retry-After", "2");
	} else if (!only_refuse) {
		struct approval_decider who = {
			.name = slice_str(p->name),
			.kind = p->kind,
			.groups = p->groups,
			.n_groups = p->n_groups,
		};

		ok = route(s, c, url, method, &who, body);
	}
	s->hooks.config_put(s->hooks.ctx, conf);
	return ok;
}

/* libmicrohttpd calls this once with the headers (*state NULL), then with each piece of the body,
 * then with none left, when the answer is due. */
static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
	   const char *version UNUSED, const char *data, size_t *n, void **state)
{
	struct admin *s = ctx;
	struct request *r = *state;

	if (!r) {
		const char *len = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
		bool has_body = len || MHD_lookup_connection_value(c, MHD_HEADER_KIND,
								   "Transfer-Encoding");

		*state = r = calloc(1, sizeof(*r));
		if (!r)
			return MHD_NO;
		r->body.limit = MAX_BODY;
		if (len && strtoull(len, NULL, 10) > MAX_BODY) {
			r->refused = true;
			return reply_error(c, ADMIN_ERR_TOO_LARGE, "Connection", "close");
		}
		/* Strangers' bodies are not read. */
		return has_body ? answer(s, c, url, method, (struct slice){0}, true, &r->refused)
				: MHD_YES;
	}
	if (*n) {
		if (!r->refused)
			buf_put(&r->body, data, *n);
		*n = 0;
		return r->body.failed ? MHD_NO : MHD_YES; /* chunked, without end: hang up */
	}
	if (r->refused)
		return MHD_YES;
	return answer(s, c, url, method, buf_slice(&r->body), false, &r->refused);
}

static void
conn_unlink(struct admin *s, struct admin_conn *c)
{
	c->prev->next = c->next;
	c->next->prev = c->prev;
	s->n_conns--;
}

static void
conn_link(struct admin *s, struct admin_conn *c)
{
	c->next = &s->conns;
	c->prev = s->conns.prev;
	c->prev->next = c->next->prev = c;
	s->n_conns++;
}

/* libmicrohttpd accepts no more than MAX_CONNECTIONS, and a byte now and then keeps one open: who
 * holds many would keep everybody else out. So the one that has waited longest gives way. */
static void
on_connection(void *ctx, struct MHD_Connection *mc, void **state,
	      enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct admin *s = ctx;
	struct admin_conn *c = *state, *first = s->conns.next;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c && !c->cut)
			conn_unlink(s, c);
		free(c);
		*state = NULL;
		return;
	}
	*state = c = calloc(1, sizeof(*c));
	assert(c != NULL);
	c->fd = i ? i->connect_fd : -1;
	if (s->n_conns >= GIVES_WAY) {
		conn_unlink(s, first);
		first->cut = true;
		shutdown(first->fd, SHUT_RDWR);
	}
	conn_link(s, c);
}

static void
on_completed(void *ctx, struct MHD_Connection *mc, void **state,
	     enum MHD_RequestTerminationCode why UNUSED)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct admin_conn *c = i ? i->socket_context : NULL;
	struct request *r = *state;

	if (c && !c->cut) {
		conn_unlink(ctx, c);
		conn_link(ctx, c);
	}
	if (!r)
		return;
	buf_fini(&r->body);
	free(r);
	*state = NULL;
}

/* The whole file with a NUL after it, at most 1 MiB. */
static int
read_pem(const char *path, char **out, char err[256])
{
	struct buf b = {.limit = 1 << 20};
	FILE *f = fopen(path, "re");
	int e = f ? 0 : -errno;

	while (f) {
		uint8_t *to = buf_reserve(&b, 4096);
		size_t got = to ? fread(to, 1, 4095, f) : 0;

		b.n += got;
		if (got == 0)
			break;
	}
	if (f) {
		e = ferror(f) ? -EIO : b.failed ? -EFBIG : 0;
		fclose(f);
	}
	buf_putc(&b, 0);
	if (e != 0) {
		snprintf(err, 256, "cannot read %s: %s", path, strerror(-e));
		buf_wipe(&b);
		return e;
	}
	*out = (char *) b.p;
	return 0;
}

/* Certificate and key as one: what is there is replaced only by what could be read. */
static int
load_tls(struct admin_pem *pem, const char *cert, const char *key, char err[256])
{
	int e;

	*pem = (struct admin_pem){0};
	if (!cert)
		return 0;
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
		snprintf(err, 256, "this libmicrohttpd has no TLS: keep the admin listener on loopback");
		return -ENOTSUP;
	}
	e = read_pem(cert, &pem->cert, err);
	return e ? e : read_pem(key, &pem->key, err);
}

static void
free_tls(struct admin_pem *pem)
{
	free(pem->cert);
	if (pem->key)
		secret_wipe(pem->key, strlen(pem->key));
	free(pem->key);
	*pem = (struct admin_pem){0};
}

/* A socket of our own: libmicrohttpd can only be told to reuse addresses with SO_REUSEPORT, by
 * which another gateway would share the port, and people would decide on that one's commands. */
static int
open_socket(struct admin *s, const struct endpoint *where)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof(at);
	int on = 1;

	s->socket = socket(where->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->socket < 0 ||
	    setsockopt(s->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(s->socket, (const struct sockaddr *) &where->addr, where->addr_len) < 0 ||
	    listen(s->socket, MAX_CONNECTIONS) < 0 ||
	    getsockname(s->socket, (struct sockaddr *) &at, &n) < 0)
		return -errno;
	s->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &at)->sin6_port
						 : ((struct sockaddr_in *) &at)->sin_port);
	s->v6 = at.ss_family == AF_INET6;
	return 0;
}

static int
start(struct admin *s)
{
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ITC |
			 (s->v6 ? MHD_USE_IPv6 : 0) | (s->pem.cert ? MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, s->pem.cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, s->pem.key},
		{MHD_OPTION_END, 0, NULL},
	};
	int fd = fcntl(s->socket, F_DUPFD_CLOEXEC, 0); /* ours goes on listening between two */

	if (fd < 0)
		return -errno;
	if (!s->pem.cert)
		tls[0] = tls[2];
	errno = 0;
	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned) MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_SECONDS,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	return s->daemon ? 0 : errno ? -errno : -EINVAL;
}

/* Its requests are answered one by one, so none is cut off in the middle of a decision. */
static void
stop(struct admin *s)
{
	/* Taken out first: it would shut down our socket with its own. */
	int fd = MHD_quiesce_daemon(s->daemon);

	MHD_stop_daemon(s->daemon);
	s->daemon = NULL;
	if (fd >= 0)
		close(fd);
}

int
admin_open(struct admin **out, const struct endpoint *where, const char *tls_cert,
	   const char *tls_key, struct approvals *approvals, const struct admin_hooks *hooks,
	   char err[256])
{
	struct admin *s;
	int e;

	assert(hooks->config_get && hooks->config_put);
	*out = NULL;
	if (!where->loopback && !tls_cert) {
		snprintf(err, 256, "%s is not loopback, and tls is off: keys would travel in clear",
			 where->text);
		return -EPERM;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(err, 256, "out of memory");
		return -ENOMEM;
	}
	s->approvals = approvals;
	s->hooks = *hooks;
	s->socket = -1;
	s->conns.next = s->conns.prev = &s->conns;
	random_bytes(s->auth.seed, sizeof(s->auth.seed));
	e = load_tls(&s->pem, tls_cert, tls_key, err);
	if (e == 0) {
		e = open_socket(s, where);
		if (e == 0)
			e = start(s);
		if (e != 0)
			snprintf(err, 256, "cannot listen on %s: %s%s", where->text, strerror(-e),
				 e == -EADDRINUSE ? " (is another gateway running?)" : "");
	}
	if (e != 0) {
		admin_close(s);
		return e;
	}
	*out = s;
	return 0;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

int
admin_set_tls(struct admin *a, const char *tls_cert, const char *tls_key, char err[256])
{
	struct admin_pem was = a->pem, is;
	int e = load_tls(&is, tls_cert, tls_key, err), again;

	if (e != 0 || (same_text(is.cert, was.cert) && same_text(is.key, was.key))) {
		free_tls(&is);
		return e;
	}
	stop(a);
	a->pem = is;
	e = start(a);
	if (e == 0) {
		free_tls(&was);
		return 0;
	}
	a->pem = was;
	free_tls(&is);
	again = start(a);
	snprintf(err, 256, "%s and %s: not taken (%s)%s", tls_cert ? tls_cert : "no certificate",
		 tls_key ? tls_key : "no key", strerror(-e),
		 again == 0 ? "" : ", and the listener does not start again: restart the gateway");
	return e;
}

unsigned
admin_port(const struct admin *a)
{
	return a->port;
}

void
admin_close(struct admin *a)
{
	if (!a)
		return;
	if (a->daemon)
		stop(a);
	if (a->socket >= 0)
		close(a->socket);
	free_tls(&a->pem);
	free(a);
}
