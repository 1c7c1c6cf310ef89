/* SPDX-License-Identifier: MIT
 *
 * What a session asks for, done with streams. The connection is freed when both streams have
 * said good-bye, so nothing is ever called on one that is gone.
 */
#include "proxy/conn.h"

#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* Rows of PostgreSQL come in 8 KiB pieces; gathering them this long halves the CPU per byte and
 * costs no throughput (bench/RESULTS.md, real100k). Short turns never wait. */
enum { PACE_US = 200 };

/* ---- the session's host ---------------------------------------------------------------------- */

static struct stream *
side_stream(struct conn *c, enum pg_side side)
{
	return side == CLIENT ? c->client : c->server;
}

static void
host_forward(void *ctx, enum pg_side to, const uint8_t *p, size_t n)
{
	struct conn *c = ctx;
	struct stream *s = side_stream(c, to);

	assert(c->delivery != NULL);
	/* Short messages gather in one buffer: a reference each would cost more than their copy. */
	if (s && n < 512)
		stream_send_copy(s, p, n);
	else if (s)
		stream_send_ref(s, c->delivery, p, n);
}

static void
host_emit(void *ctx, enum pg_side to, struct slice bytes)
{
	struct stream *s = side_stream(ctx, to);

	if (s)
		stream_send_copy(s, bytes.p, bytes.n);
}

static void
host_flow(void *ctx, enum pg_side from, bool deliver)
{
	struct stream *s = side_stream(ctx, from);

	if (s && deliver)
		stream_resume(s);
	else if (s)
		stream_pause(s);
}

static void
host_streaming(void *ctx, bool on)
{
	struct conn *c = ctx;

	if (c->server)
		stream_pace(c->server, on ? PACE_US : 0);
}

static size_t
host_queued(void *ctx, enum pg_side to)
{
	struct stream *s = side_stream(ctx, to);

	return s ? stream_queued(s) : 0;
}

/* ---- who has not logged in ------------------------------------------------------------------- */

/* Nobody who means it takes longer to log in. */
enum { LOGS_IN_S = 2 };

static void
logins_add(struct conn *c)
{
	struct worker_shared *sh = worker_shared(c->worker);

	c->login_prev = sh->logins.last;
	*(c->login_prev ? &c->login_prev->login_next : &sh->logins.first) = c;
	sh->logins.last = c;
	c->in_logins = true;
}

static void
logins_drop(struct conn *c)
{
	struct worker_shared *sh = worker_shared(c->worker);

	if (!c->in_logins)
		return;
	*(c->login_prev ? &c->login_prev->login_next : &sh->logins.first) = c->login_next;
	*(c->login_next ? &c->login_next->login_prev : &sh->logins.last) = c->login_prev;
	c->login_next = c->login_prev = NULL;
	c->in_logins = false;
}

/* All places are taken: who has held one for longest without logging in gives way. So nobody keeps
 * others out who has no key, from however many addresses. */
static bool
make_room(struct worker_shared *sh)
{
	struct conn *c;

	while ((c = sh->logins.first) != NULL) {
		bool logs_in = !c->closing && session_is_logging_in(c->session);

		if (logs_in && ring_now(sh->ring) - c->session->started_mono < LOGS_IN_S * NS_PER_S)
			return false;
		logins_drop(c);
		if (!logs_in)
			continue;
		if (sh->gave_way++ == 0)
			log_warn("all connections are taken, and those that do not log in give way");
		c->hurries = true;
		session_give_way(c->session);
		return true;
	}
	return false;
}

static void maybe_free(struct conn *c);

static void
both_gone(void *ctx)
{
	maybe_free(ctx);
}

static void
host_close(void *ctx)
{
	struct conn *c = ctx;
	struct ring *ring = worker_shared(c->worker)->ring;

	c->closing = true;
	if (c->client && (worker_shared(c->worker)->draining || c->hurries))
		stream_hang_up(c->client);
	else if (c->client)
		stream_close(c->client);
	if (c->server)
		stream_close(c->server);
	/* The client left before its last command was answered, and the server's connection is the
	 * pool's again: nobody will say that it is closed. */
	if (!c->client && !c->server &&
	    ring_timer_at(ring, &c->timer, ring_now(ring), both_gone, c) < 0)
		log_error("no memory for a timer");
}

static uint64_t
host_record(void *ctx, struct slice record)
{
	struct conn *c = ctx;
	const struct worker_config *wc = worker_config(c->worker);

	worker_shared(c->worker)->unflushed = true;
	return audit_submit(wc->audit, wc->index, record);
}

static bool
host_log_full(void *ctx)
{
	struct conn *c = ctx;

	return audit_state(worker_config(c->worker)->audit) == AUDIT_FULL;
}

static bool
host_durable(void *ctx, uint64_t ticket)
{
	struct conn *c = ctx;
	const struct worker_config *wc = worker_config(c->worker);

	return audit_durable(wc->audit, wc->index) >= ticket;
}

static void
unpark(struct conn *c)
{
	if (!c->wait_ticket)
		return;
	*c->wait_at = c->wait_next;
	if (c->wait_next)
		c->wait_next->wait_at = c->wait_at;
	c->wait_ticket = 0;
}

static void
host_when_durable(void *ctx, uint64_t ticket)
{
	struct conn *c = ctx;
	struct worker_shared *w = worker_shared(c->worker);

	if (c->wait_ticket) {
		if (ticket < c->wait_ticket)
			c->wait_ticket = ticket;
		return;
	}
	c->wait_ticket = ticket;
	c->wait_next = w->parked;
	c->wait_at = &w->parked;
	if (w->parked)
		w->parked->wait_at = &c->wait_next;
	w->parked = c;
}

static void
timer_due(void *ctx)
{
	struct conn *c = ctx;

	session_tick(c->session);
}

static void
host_timer(void *ctx, uint64_t at)
{
	struct conn *c = ctx;
	struct ring *ring = worker_shared(c->worker)->ring;

	if (at == 0)
		ring_timer_stop(ring, &c->timer);
	else if (ring_timer_at(ring, &c->timer, at, timer_due, c) < 0)
		log_error("no memory for a timer");
}

static uint64_t
host_now_mono(void *ctx)
{
	struct conn *c = ctx;

	return ring_now(worker_shared(c->worker)->ring);
}

static uint64_t
host_now_wall(void *ctx)
{
	struct conn *c = ctx;
	struct worker_shared *sh = worker_shared(c->worker);

	if (sh->wall_at != ring_now(sh->ring)) {
		sh->wall_at = ring_now(sh->ring);
		sh->wall = clock_wall_ns();
	}
	return sh->wall;
}

static void
host_want_catalog(void *ctx)
{
	struct conn *c = ctx;
	const struct worker_config *wc = worker_config(c->worker);

	wc->host->want_catalog(wc->host->ctx, gate_target_index(c->session->gate));
}

static void
host_schema_changed(void *ctx)
{
	struct conn *c = ctx;
	const struct worker_config *wc = worker_config(c->worker);
	size_t target = gate_target_index(c->session->gate);

	gate_schema_changed(worker_shared(c->worker)->env.gate, target);
	wc->host->schema_changed(wc->host->ctx, target);
}

static bool
host_cancel_request(void *ctx, uint32_t pid, struct slice key)
{
	struct conn *c = ctx;
	const struct worker_config *wc = worker_config(c->worker);

	return wc->host->cancel(wc->host->ctx, pid, key, c->session->waiter);
}

static bool
host_cancel_upstream(void *ctx, struct slice packet)
{
	return cancellers_send(ctx, packet);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void
deliver(struct conn *c, enum pg_side from, struct iobuf *buf, uint8_t *p, size_t n)
{
	struct worker_shared *sh = worker_shared(c->worker);

	sh->n_in_a_row = sh->last_active == c ? sh->n_in_a_row + 1 : 0;
	sh->last_active = c;
	c->delivery = buf;
	session_deliver(c->session, from, p, n);
	c->delivery = NULL;
}

static void
client_data(void *ctx, struct iobuf *buf, uint8_t *p, size_t n)
{
	deliver(ctx, CLIENT, buf, p, n);
}

static void
server_data(void *ctx, struct iobuf *buf, uint8_t *p, size_t n)
{
	deliver(ctx, SERVER, buf, p, n);
}

static void
client_eof(void *ctx)
{
	struct conn *c = ctx;

	session_eof(c->session, CLIENT);
}

static void
server_eof(void *ctx)
{
	struct conn *c = ctx;

	session_eof(c->session, SERVER);
}

static void
client_secure(void *ctx)
{
	struct conn *c = ctx;

	/* Else bytes meant for another protocol could be sent here by somebody between. */
	if (c->direct_tls && !stream_tls_agreed(c->client)) {
		session_close(c->session, "direct TLS without ALPN");
		return;
	}
	session_tls_done(c->session, CLIENT);
}

static void
server_secure(void *ctx)
{
	struct conn *c = ctx;

	session_tls_done(c->session, SERVER);
}

static void
drained(void *ctx)
{
	struct conn *c = ctx;

	session_kick(c->session);
}

static void
server_connected(void *ctx)
{
	struct conn *c = ctx;

	c->server_up = true;
	session_server_up(c->session);
}

static void
maybe_free(struct conn *c)
{
	if (c->client || c->server || !c->closing)
		return;
	unpark(c);
	logins_drop(c);
	pool_withdraw(worker_shared(c->worker)->pool, &c->waiter);
	pool_key_put(c->key);
	cancellers_forget(c);
	ring_timer_stop(worker_shared(c->worker)->ring, &c->timer);
	session_free(c->session);
	worker_conn_gone(c->worker, c);
	free(c);
}

static void
client_closed(void *ctx, int error UNUSED, const char *reason)
{
	struct conn *c = ctx;

	c->client = NULL;
	if (!c->closing) {
		session_eof(c->session, CLIENT);
		log_debug("client connection lost cause=%s", log_quote(reason).text);
		if (!session_lingers(c->session))
			session_close(c->session, "client closed the connection");
	}
	maybe_free(c);
}

static const struct stream_ops server_ops;

static int
dial(struct conn *c)
{
	return dial_next(&c->dial, worker_shared(c->worker)->ring,
			 &gate_target(c->session->gate)->address, &server_ops, c, &c->server);
}

static void
server_closed(void *ctx, int error UNUSED, const char *reason)
{
	struct conn *c = ctx;

	c->server = NULL;
	if (!c->closing && c->hung_up) {
		c->hung_up = c->server_up = false;
		c->dial = (struct dial){0};
		session_hung_up(c->session);
		return;
	}
	if (!c->closing && !c->server_up && dial(c) == 0) {
		dial_passed_over(gate_target(c->session->gate)->name, reason,
				 ring_now(worker_shared(c->worker)->ring));
		return;
	}
	if (!c->closing) {
		session_server_down(c->session, reason);
		host_close(c);
	}
	maybe_free(c);
}

static const struct stream_ops client_ops = {.on_data = client_data,
					     .on_eof = client_eof,
					     .on_secure = client_secure,
					     .on_drain = drained,
					     .on_close = client_closed};
static const struct stream_ops server_ops = {.on_data = server_data,
					     .on_eof = server_eof,
					     .on_connect = server_connected,
					     .on_secure = server_secure,
					     .on_drain = drained,
					     .on_close = server_closed};

static void
host_start_tls(void *ctx, enum pg_side side, struct slice early)
{
	struct conn *c = ctx;
	const struct epoch *e = gate_epoch(worker_shared(c->worker)->env.gate);
	int rc;

	if (side == CLIENT) {
		/* One byte on a connection that has sent nothing yet always fits. */
		c->direct_tls = early.n > 0;
		if (!early.n && send(stream_fd(c->client), "S", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) {
			session_close(c->session, "TLS answer not sent");
			return;
		}
		rc = stream_tls(c->client, e->tls, NULL);
		if (rc == 0 && early.n)
			stream_tls_received(c->client, early);
	} else {
		const struct config_target *t = gate_target(c->session->gate);

		rc = stream_tls(c->server, e->target_tls[gate_target_index(c->session->gate)],
				t->tls == TLS_VERIFY_FULL ? t->address.host : NULL);
	}
	if (rc < 0)
		session_close(c->session, "TLS could not start");
}

static void
host_dial(void *ctx)
{
	struct conn *c = ctx;
	int rc = dial(c);

	if (rc < 0)
		session_server_down(c->session, strerror(-rc));
}

static void
host_hang_up(void *ctx)
{
	struct conn *c = ctx;

	c->hung_up = true;
	stream_abort(c->server);
}

static void
host_password_refused(void *ctx, uint64_t epoch, uint64_t version)
{
	struct conn *c = ctx;

	worker_password_refused(c->worker, gate_target_index(c->session->gate), epoch, version);
}

/* ---- shared server connections --------------------------------------------------------------- */

static struct conn *
conn_of(struct pool_waiter *w)
{
	return (struct conn *) (void *) ((char *) w - offsetof(struct conn, waiter));
}

static void
lent(struct pool_waiter *w, struct backend *b, struct stream *stream)
{
	struct conn *c = conn_of(w);

	c->server = stream;
	c->server_up = true;
	stream_set_owner(stream, &server_ops, c);
	session_lent(c->session, b);
}

static void
not_lent(struct pool_waiter *w, const char *cause, struct slice word)
{
	session_unlent(conn_of(w)->session, cause, word);
}

static void
use_key(struct conn *c, struct slice startup, uint16_t minor)
{
	if (!c->key)
		c->key = pool_key_get(worker_shared(c->worker)->pool,
				      gate_target_index(c->session->gate), c->session->pool.mode,
				      startup, minor);
}

static const struct buf *
host_welcome(void *ctx, struct slice startup, uint16_t minor)
{
	struct conn *c = ctx;

	use_key(c, startup, minor);
	return pool_key_welcome(c->key);
}

static struct backend *
host_borrow(void *ctx, struct slice startup, uint16_t minor, bool *waits)
{
	struct conn *c = ctx;
	struct pool *pool = worker_shared(c->worker)->pool;
	struct stream *stream;
	struct backend *b;

	use_key(c, startup, minor);
	c->waiter.lent = lent;
	c->waiter.failed = not_lent;
	b = pool_borrow(pool, c->key, &c->waiter, &stream);
	*waits = c->waiter.key != NULL;
	if (!b)
		return NULL;
	c->server = stream;
	c->server_up = true;
	stream_set_owner(stream, &server_ops, c);
	return b;
}

static void
host_withdraw(void *ctx)
{
	struct conn *c = ctx;

	pool_withdraw(worker_shared(c->worker)->pool, &c->waiter);
}

static void
host_give_back(void *ctx, struct backend *b, enum backend_left left)
{
	struct conn *c = ctx;
	struct pool *pool = worker_shared(c->worker)->pool;

	if (!c->server) {
		pool_lost(pool, b);
		return;
	}
	c->server = NULL;
	pool_return(pool, b, left);
}

static void
host_notice(void *ctx, int32_t channel, struct slice body)
{
	struct conn *c = ctx;

	channels_tell(worker_config(c->worker)->channels, channel, body);
}

static const struct session_host host = {
	.forward = host_forward,
	.emit = host_emit,
	.flow = host_flow,
	.streaming = host_streaming,
	.queued = host_queued,
	.start_tls = host_start_tls,
	.dial = host_dial,
	.hang_up = host_hang_up,
	.password_refused = host_password_refused,
	.welcome = host_welcome,
	.borrow = host_borrow,
	.withdraw = host_withdraw,
	.give_back = host_give_back,
	.cancel_upstream = host_cancel_upstream,
	.cancel_request = host_cancel_request,
	.close = host_close,
	.record = host_record,
	.log_full = host_log_full,
	.durable = host_durable,
	.when_durable = host_when_durable,
	.timer = host_timer,
	.now_mono = host_now_mono,
	.now_wall = host_now_wall,
	.want_catalog = host_want_catalog,
	.schema_changed = host_schema_changed,
	.notice = host_notice,
};

/* ---- life ------------------------------------------------------------------------------------ */

static void
describe_client(int fd, struct session_client *out)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);

	if (getpeername(fd, (struct sockaddr *) &a, &n) < 0)
		return;
	if (a.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *) &a;

		out->address[10] = out->address[11] = 0xff;
		memcpy(out->address + 12, &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
		out->loopback = out->address[12] == 127;
	} else if (a.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &a;

		memcpy(out->address, &in6->sin6_addr, 16);
		out->port = ntohs(in6->sin6_port);
		out->loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
				(IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && out->address[12] == 127);
	}
}

void
conn_open(struct worker *w, int fd)
{
	struct worker_shared *sh = worker_shared(w);
	const struct worker_config *wc = worker_config(w);
	struct session_client client = {0};
	struct conn *c = sh->n_free ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		/* Not even a place to refuse in. A client that asks for TLS first will not show
		 * this. */
		struct buf *b = &sh->env.scratch;

		pg_put_error(b, &(struct pg_error){.severity = "FATAL",
						   .sqlstate = "53300",
						   .message = SLICE_LIT("the gateway has no connection left"),
						   .hint = SLICE_LIT("close idle connections, or raise \"limit connections\"")});
		if (send(fd, b->p, b->n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_debug("full, and the client is gone");
		buf_reset(b);
		close(fd);
		(void) make_room(sh); /* for the next one */
		return;
	}
	c->worker = w;
	c->slot = sh->free_slots[--sh->n_free];
	describe_client(fd, &client);
	client.surplus = atomic_fetch_add(wc->n_connections, 1) >= wc->max_connections &&
			 !make_room(sh);
	c->hurries = client.surplus;
	c->session = session_new(&sh->env, &host, c, &client, wc->index << 24 | (c->slot + 1));
	assert(c->session != NULL);
	c->session->waiter = (uint64_t) wc->index << 32 | c->slot;
	sh->conns[c->slot] = c;
	sh->n_conns++;
	logins_add(c);
	if (stream_open(sh->ring, fd, &client_ops, c, &c->client) < 0) {
		c->client = NULL;
		c->closing = true;
		maybe_free(c);
	}
}

void
conn_end_soon(struct conn *c)
{
	if (c->session->phase == SESSION_READY && c->session->n_replies)
		session_cancel_upstream(c->session);
	session_fatal(c->session, "57P01", "WEIR-SHUTDOWN", "the gateway is shutting down",
		      "connect again in a moment");
}

void
conn_drain(struct conn *c)
{
	if (c->closing && c->client)
		stream_hang_up(c->client);
	else if (!c->closing)
		session_drain(c->session);
}

void
conn_end_now(struct conn *c)
{
	if (c->client)
		stream_abort(c->client);
	if (c->server)
		stream_abort(c->server);
}
