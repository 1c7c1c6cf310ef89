/* SPDX-License-Identifier: MIT
 *
 * The main thread: starts everything, then waits for signals, expires approvals once a second and
 * watches the audit log, until a drain is over.
 */
#include "proxy/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/catalog_fetch.h"
#include "proxy/notify.h"
#include "proxy/policy_state.h"
#include "proxy/server_internal.h"
#include "proxy/server_steps.h"
#include "proxy/state_folder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct run {
	struct server *s;
	bool draining, done;
	uint64_t drain_until, sweep_at;
	uint64_t watchdog_ns, watchdog_at;
};

/* Signals are read, not caught. Blocked before the first thread, so that all threads inherit it. */
static bool
open_signals(struct server *s, struct buf *error)
{
	static const int read_here[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < COUNT_OF(read_here); i++)
		sigaddset(&set, read_here[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->signals >= 0 && s->news >= 0)
		return true;
	buf_printf(error, "cannot open the signal descriptor: %s\n", strerror(errno));
	return false;
}

static bool
load_first(struct server *s, struct buf *said)
{
	s->epoch = server_load(s, &s->text, said);
	return s->epoch != NULL;
}

/* The state folder holds the key of the configuration's fingerprints and of the masks, but only the
 * configuration says where it is: so the text is made again once the key is known. */
static bool
derive_epoch(struct server *s, struct buf *error)
{
	const char *path = s->epoch->config.state_path;

	if (!state_folder_open(path, error) || !state_mask_secret(path, s->mask_secret, error))
		return false;
	config_text_fini(&s->text);
	config_text_make(&s->text, &s->epoch->config, s->mask_secret);
	epoch_finish(s->epoch, s->mask_secret, NULL);
	s->former = former_state_open(path, error);
	return s->former && budget_state_load(s->epoch, clock_mono_ns(), clock_wall_ns(), error);
}

static bool
record_start(struct server *s, struct buf *error)
{
	if (!server_keep_policy(s, s->epoch, error) ||
	    !policy_state_note(&s->epoch->config, s->epoch->image, error))
		return false;
	if (server_record_config(s, NULL, &s->text, "start", false) &&
	    server_record_policy(s, NULL, s->epoch, NULL))
		return true;
	buf_puts(error, "the audit log does not take records: see above, and look at the disk\n");
	return false;
}

static bool
start(struct server *s, struct worker_host *host, struct buf *error)
{
	return derive_epoch(s, error) && open_signals(s, error) && server_open_state(s, error) &&
	       server_open_files(s, error) && server_reserve_address(s, error) &&
	       record_start(s, error) &&
	       server_open_admin(s, error) && server_open_channels(s, error) &&
	       server_open_workers(s, host, error) && server_open_retention(s, error) &&
	       server_open_catalogs(s, error);
}

static void
say_ready(struct server *s)
{
	const struct config *c = &s->epoch->config;
	struct buf line = {0};

	buf_printf(&line, "ready version=%s pid=%d postgres=%s", s->options->version,
		   (int) getpid(), s->listen.text);
	if (s->admin)
		buf_printf(&line, " admin=%s admin-port=%u", c->listen_admin.text,
			   admin_port(s->admin));
	buf_printf(&line, " tls=%s workers=%u max-connections=%u targets=%zu ",
		   s->epoch->tls ? "on" : "off", s->n_workers, s->max_connections, c->n_targets);
	server_describe_policy(s->epoch, &line);
	log_info("%.*s", SLICE_ARG(buf_slice(&line)));
	buf_fini(&line);
	notify_state("READY=1\nSTATUS=serving");
}

static void
begin_drain(struct run *r, uint64_t now)
{
	struct server *s = r->s;

	r->draining = true;
	r->drain_until = now + s->epoch->config.drain_seconds * NS_PER_S;
	log_info("drain seconds=%u", s->epoch->config.drain_seconds);
	notify_state("STOPPING=1\nSTATUS=draining");
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_drain(s->workers[i]);
}

static void
append_counters(struct server *s)
{
	struct buf line = {0};
	int err;

	server_counters(s, &line);
	err = state_append(s->epoch->config.state_path, "counters.json", buf_slice(&line));
	if (err)
		log_error("counters error=\"%s\"", strerror(-err));
	buf_fini(&line);
}

static void
take_signal(struct run *r, int signo, uint64_t now)
{
	switch (signo) {
	case SIGTERM:
	case SIGINT:
		if (r->draining) {
			log_info("drain ended by a second signal");
			r->done = true;
		} else {
			begin_drain(r, now);
		}
		break;
	case SIGHUP:
		if (!r->draining)
			server_reload(r->s);
		break;
	case SIGUSR1:
		append_counters(r->s);
		break;
	default:
		assert(false); /* no other signal is read here */
	}
}

static void
watch_audit(struct server *s)
{
	enum audit_state is = audit_state(s->audit);

	if (is == s->audit_state)
		return;
	s->audit_state = is;
	if (is == AUDIT_OPEN)
		log_info("audit state=open: commands run again");
	else if (is == AUDIT_FULL)
		log_error("audit state=full: every command is refused until the disk of %s has room",
			  s->epoch->config.state_path);
	else
		log_error("audit state=failed: every command is refused; look at the disk of %s, "
			  "then restart",
			  s->epoch->config.state_path);
}

/* Says that we are alive only when all of us are: a worker that no longer turns holds up its
 * sessions without a word, and the manager's timeout is what ends that. */
static void
watchdog(struct run *r, uint64_t now)
{
	struct server *s = r->s;

	if (!r->watchdog_ns || now < r->watchdog_at)
		return;
	r->watchdog_at = now + r->watchdog_ns / 4;
	for (unsigned i = 0; i < s->n_workers; i++)
		if (!worker_answers(s->workers[i])) {
			log_error("worker %u does not answer", i);
			return;
		}
	notify_state("WATCHDOG=1");
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_ping(s->workers[i]);
}

/* What is due by the clock. */
static void
tick(struct run *r, uint64_t now)
{
	struct server *s = r->s;

	if (now >= r->sweep_at) {
		/* Its answer is in wall time, and at most a second on: once a second it is. */
		(void) approvals_sweep(s->approvals, clock_wall_ns(), server_record_expiry, s);
		budget_state_save(&s->budgets, s->epoch, now, clock_wall_ns());
		r->sweep_at = now + NS_PER_S;
		watch_audit(s);
		server_watch_certificate(s, now);
	}
	server_record_passwords(s);
	watchdog(r, now);
	if (!r->draining)
		return;
	if (atomic_load(&s->drained) >= s->n_workers) {
		r->done = true;
	} else if (now >= r->drain_until) {
		log_warn("drain time is over: ending what still runs");
		r->done = true;
	}
}

static void
loop(struct run *r)
{
	struct server *s = r->s;

	while (!r->done) {
		struct pollfd fds[] = {{s->signals, POLLIN, 0}, {s->news, POLLIN, 0}};
		struct signalfd_siginfo info;
		uint64_t now = clock_mono_ns(), next = r->sweep_at, n;

		if (r->draining && r->drain_until < next)
			next = r->drain_until;
		if (poll(fds, COUNT_OF(fds),
			 next > now ? (int) ((next - now) / NS_PER_MS) + 1 : 0) < 0 &&
		    errno != EINTR)
			panic_at(__FILE__, __LINE__, __func__, strerror(errno));
		if (fds[1].revents && read(s->news, &n, sizeof(n)) != sizeof(n))
			continue;
		while (!r->done && read(s->signals, &info, sizeof(info)) == sizeof(info))
			take_signal(r, (int) info.ssi_signo, clock_mono_ns());
		tick(r, clock_mono_ns());
	}
}

static void
print(struct slice text)
{
	if (text.n > 0) /* one reason is a line without its end */
		fprintf(stderr, "%.*s%s", SLICE_ARG(text), text.p[text.n - 1] == '\n' ? "" : "\n");
}

/* Nothing is made: a folder that is not there yet has no names. */
static bool
check_state(struct server *s, struct buf *said)
{
	const char *path = s->epoch->config.state_path;

	if (!state_folder_check(path, said))
		return false;
	s->former = former_state_open(path, said);
	return s->former != NULL;
}

static int
check(struct server *s, struct buf *said)
{
	bool ok = load_first(s, said) && check_state(s, said);
	struct buf policy = {0};

	print(buf_slice(said));
	if (ok) {
		server_describe_policy(s->epoch, &policy);
		printf("%s: ok, %zu target%s, %.*s\n", s->options->config_path,
		       s->epoch->config.n_targets, s->epoch->config.n_targets == 1 ? "" : "s",
		       SLICE_ARG(buf_slice(&policy)));
	}
	buf_fini(&policy);
	server_close(s);
	return ok ? SERVER_STOPPED : SERVER_NOT_STARTED;
}

static int
serve(struct server *s, struct buf *said)
{
	struct run r = {.s = s, .watchdog_ns = notify_watchdog_ns()};
	struct worker_host host;

	if (!load_first(s, said)) {
		print(buf_slice(said));
		return SERVER_NOT_STARTED;
	}
	server_log_text(false, buf_slice(said)); /* warnings */
	buf_reset(said);
	if (!start(s, &host, said)) {
		server_close(s);
		print(buf_slice(said));
		return SERVER_NOT_STARTED;
	}
	say_ready(s);
	loop(&r);
	budget_state_save(&s->budgets, s->epoch, clock_mono_ns(), clock_wall_ns());
	server_close(s);
	log_info("stopped");
	return SERVER_STOPPED;
}

int
server_run(const struct server_options *o)
{
	struct server s = {
		.options = o,
		.reserved = -1,
		.signals = -1,
		.news = -1,
		.started_wall = clock_wall_ns(),
		.started_mono = clock_mono_ns(),
	};
	struct buf said = {0};
	int code = SERVER_NOT_STARTED;

	pthread_mutex_init(&s.epoch_lock, NULL);
	pthread_mutex_init(&s.channel_lock, NULL);
	pthread_rwlock_init(&s.hooks_lock, NULL);
	catalog_fetch_prepare();
	if (!server_protect_memory(o, &said)) {
		print(buf_slice(&said));
	} else if (o->check_only) {
		code = check(&s, &said);
	} else {
		code = serve(&s, &said);
	}
	if (s.signals >= 0)
		close(s.signals);
	if (s.news >= 0)
		close(s.news);
	buf_fini(&said);
	pthread_rwlock_destroy(&s.hooks_lock);
	pthread_mutex_destroy(&s.channel_lock);
	pthread_mutex_destroy(&s.epoch_lock);
	return code;
}
