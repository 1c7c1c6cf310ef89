/* SPDX-License-Identifier: MIT
 *
 * The steps of the start, each of which either holds afterwards or has said why not. What they
 * open, server_close takes down; it copes with a start that ended half way.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "session/knocks.h"
#include "proxy/server_internal.h"
#include "proxy/server_steps.h"
#include "proxy/state_folder.h"
#include "sql/shape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors besides those of connections: rings, eventfds, listeners, the log's segments, the
 * catalog readers' connections, the admin listener's. */
enum { FILES_BASE = 256, FILES_PER_WORKER = 48, FILES_PER_TARGET = 4 };

/* A client's own, and that of its server connection where it has one to itself. */
static rlim_t
files_per_connection(const struct config *c)
{
	for (size_t i = 0; i < c->n_targets; i++)
		if (c->targets[i].pool.mode == POOL_NONE)
			return 2;
	return 1;
}

/* Passwords and rows are in this memory. */
bool
server_protect_memory(const struct server_options *o, struct buf *error)
{
	const struct rlimit none = {0, 0};

	if (o->core)
		return true;
	if (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		return true;
	buf_printf(error, "cannot switch core dumps off: %s; --core starts all the same\n",
		   strerror(errno));
	return false;
}

/* What the process may not have is not promised: the default suits a service with LimitNOFILE, and
 * a shell with less still gets a gateway, for fewer connections. */
bool
server_open_files(struct server *s, struct buf *error)
{
	const struct config *c = &s->epoch->config;
	rlim_t base = FILES_BASE + (rlim_t) FILES_PER_WORKER * s->n_workers +
		      FILES_PER_TARGET * c->n_targets;
	rlim_t need, each = files_per_connection(c);
	struct rlimit lim, more;

	for (size_t i = 0; i < c->n_targets; i++)
		base += c->targets[i].pool.mode == POOL_NONE ? 0 : c->targets[i].pool.size;
	need = base + each * c->max_connections;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0) {
		buf_printf(error, "cannot read the limit of open files: %s\n", strerror(errno));
		return false;
	}
	more.rlim_cur = need > lim.rlim_cur ? need : lim.rlim_cur;
	more.rlim_max = more.rlim_cur > lim.rlim_max ? more.rlim_cur : lim.rlim_max;
	s->max_connections = c->max_connections;
	if (setrlimit(RLIMIT_NOFILE, &more) == 0) /* above the hard limit only root may */
		return true;
	lim.rlim_cur = lim.rlim_max;
	if (lim.rlim_max < base + each * s->n_workers ||
	    setrlimit(RLIMIT_NOFILE, &lim) < 0) {
		buf_printf(error,
			   "the process may open only %llu files: raise LimitNOFILE= of the "
			   "service, or ulimit -n\n",
			   (unsigned long long) lim.rlim_max);
		return false;
	}
	s->max_connections = (unsigned) ((lim.rlim_max - base) / each);
	log_warn("limit connections is %u, not %u: the process may open only %llu files; raise "
		 "LimitNOFILE= of the service (or ulimit -n) to %llu, or lower the limit",
		 s->max_connections, c->max_connections, (unsigned long long) lim.rlim_max,
		 (unsigned long long) need);
	return true;
}

static unsigned
count_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned) CPU_COUNT(&set);
}

bool
server_open_state(struct server *s, struct buf *error)
{
	const struct config *c = &s->epoch->config;
	struct audit_options ao = {.state_path = c->state_path, .version = s->options->version};

	s->n_workers = c->workers ? c->workers : count_cores();
	s->main_lane.index = s->n_workers;
	s->admin_lane.index = s->n_workers + 1;
	s->channel_lane.index = s->n_workers + 2;
	s->retention_lane = s->n_workers + 3;
	ao.lanes = s->n_workers + 4;
	/* audit_open appends its reason. */
	return audit_open(&s->audit, &ao, error) == 0;
}

static bool
bind_probe(const struct endpoint *e, int option, int *fd)
{
	int on = 1;

	*fd = socket(e->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return *fd >= 0 && setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	       (!option || setsockopt(*fd, SOL_SOCKET, option, &on, sizeof(on)) == 0) &&
	       bind(*fd, (const struct sockaddr *) &e->addr, e->addr_len) == 0;
}

static void
name_address(struct server *s)
{
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_storage *a = &s->listen.addr;

	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *) a;

		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
		snprintf(s->listen_text, sizeof(s->listen_text), "[%s]:%u", host,
			 ntohs(in->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *) a;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(s->listen_text, sizeof(s->listen_text), "%s:%u", host,
			 ntohs(in->sin_port));
	}
	s->listen.text = s->listen_text;
	s->listen.host = NULL; /* the configuration's; nobody connects there */
}

/* With SO_REUSEPORT the workers would share the port with any other process of this user that sets
 * it too, a second gateway for one, without an error. So the address must first be free without it;
 * then a socket that never listens keeps it, and the port that 0 stands for, ours. */
bool
server_reserve_address(struct server *s, struct buf *error)
{
	socklen_t n = sizeof(s->listen.addr);
	int probe;
	bool ok;

	s->listen = s->epoch->config.listen_postgres;
	ok = bind_probe(&s->listen, 0, &probe) && listen(probe, 1) == 0;
	if (ok) {
		close(probe);
		ok = bind_probe(&s->listen, SO_REUSEPORT, &s->reserved) &&
		     getsockname(s->reserved, (struct sockaddr *) &s->listen.addr, &n) == 0;
	} else if (probe >= 0) {
		int err = errno;

		close(probe);
		errno = err;
	}
	if (!ok) {
		buf_printf(error, "cannot listen on %s: %s%s\n", s->listen.text, strerror(errno),
			   errno == EADDRINUSE ? " (is another gateway running?)" : "");
		return false;
	}
	name_address(s);
	s->epoch->config.listen_postgres = s->listen;
	return true;
}

bool
server_open_admin(struct server *s, struct buf *error)
{
	const struct config *c = &s->epoch->config;
	struct approvals_hooks ah;
	struct admin_hooks h;
	char why[256];

	server_approval_hooks(s, &ah);
	s->approvals = approvals_open(&ah, &(struct approvals_limits){0});
	if (!s->approvals) {
		buf_puts(error, "out of memory\n");
		return false;
	}
	if (!c->listen_admin.addr_len)
		return true;
	server_admin_hooks(s, &h);
	if (admin_open(&s->admin, &c->listen_admin, c->tls_cert, c->tls_key, s->approvals, &h,
		       why) == 0)
		return true;
	buf_printf(error, "admin listener %s: %s\n", c->listen_admin.text, why);
	return false;
}

bool
server_open_channels(struct server *s, struct buf *error)
{
	struct channels_hooks h = {s, server_record_lost_notices};

	s->channels = channels_new(&h);
	return server_channels(s, s->epoch, error);
}

bool
server_open_workers(struct server *s, struct worker_host *host, struct buf *error)
{
	struct worker_config wc = {
		.host = host,
		.audit = s->audit,
		.approvals = s->approvals,
		.channels = s->channels,
		.max_connections = s->max_connections,
		.n_connections = &s->n_connections,
		.quota = s->quota = pool_quota_new(s->epoch->config.n_targets, s->n_workers),
		.knocks = s->knocks = knocks_new(),
		.n_workers = s->n_workers,
	};

	assert(s->quota != NULL && s->knocks != NULL);

	*host = server_worker_host;
	host->ctx = s;
	sql_shape_init();
	s->workers = calloc(s->n_workers, sizeof(*s->workers));
	assert(s->workers != NULL);
	wc.moves = s->moves = calloc(s->epoch->config.n_targets + 1, sizeof(*s->moves));
	assert(s->moves != NULL);
	for (unsigned i = 0; i < s->n_workers; i++) {
		wc.index = i;
		wc.epoch = epoch_ref(s->epoch);
		s->workers[i] = worker_start(&wc, error);
		if (!s->workers[i])
			return false;
	}
	return true;
}

/* From here on the workers' calls are answered. */
bool
server_open_catalogs(struct server *s, struct buf *error)
{
	const struct catalog_reader_host host = {.ctx = s,
						 .posted = server_catalog_posted,
						 .password = server_password_posted,
						 .loader = &s->options->loader};
	int err;

	s->drift = calloc(s->epoch->config.n_targets + 1, sizeof(*s->drift));
	s->passwords = calloc(s->epoch->config.n_targets + 1, sizeof(*s->passwords));
	assert(s->drift != NULL && s->passwords != NULL);
	pthread_rwlock_wrlock(&s->hooks_lock);
	err = catalog_reader_open(&s->reader, s->epoch, s->moves, &host);
	s->hooks_open = err == 0;
	pthread_rwlock_unlock(&s->hooks_lock);
	if (err)
		buf_printf(error, "cannot start the catalog readers: %s\n", strerror(-err));
	return err == 0;
}

void
server_close(struct server *s)
{
	/* Nobody comes in any more. */
	pthread_rwlock_wrlock(&s->hooks_lock);
	s->hooks_open = false;
	pthread_rwlock_unlock(&s->hooks_lock);
	if (s->admin)
		admin_close(s->admin);
	if (s->reader)
		catalog_reader_close(s->reader);
	for (unsigned i = 0; s->workers && i < s->n_workers; i++)
		if (s->workers[i])
			worker_stop(s->workers[i]);
	pool_quota_free(s->quota);
	knocks_free(s->knocks);
	if (s->approvals)
		approvals_close(s->approvals);
	former_state_close(s->former);
	channels_close(s->channels);
	server_close_retention(s);
	/* After everybody who records. */
	if (s->audit)
		audit_close(s->audit);
	if (s->reserved >= 0)
		close(s->reserved);
	buf_fini(&s->main_lane.leaf);
	buf_fini(&s->admin_lane.leaf);
	buf_fini(&s->channel_lane.leaf);
	config_text_fini(&s->text);
	server_free_passwords(s);
	free(s->drift);
	free(s->workers);
	free(s->moves);
	epoch_unref(s->epoch);
	secret_wipe(s->mask_secret, sizeof(s->mask_secret));
}
