/* SPDX-License-Identifier: MIT
 *
 * What the files of the server share. Threads: the main thread owns everything here but what is
 * marked; workers, the admin thread and the catalog readers come in through the hooks.
 */
#ifndef WEIR_PROXY_SERVER_INTERNAL_H
#define WEIR_PROXY_SERVER_INTERNAL_H

#include "audit/audit.h"
#include "audit/kept.h"
#include "proxy/admin.h"
#include "session/approvals.h"
#include "proxy/budget_state.h"
#include "proxy/catalog_reader.h"
#include "config/config_text.h"
#include "gate/epoch.h"
#include "proxy/former_state.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#include <pthread.h>

/* One audit lane and the thread that uses it. */
struct server_lane {
	unsigned index;
	uint64_t last; /* ticket */
	struct buf leaf;
};

/* Which policy and catalog it was that were last told to differ, or not to. */
struct drift_told {
	uint64_t epoch;
	uint8_t digest[SHA256_LEN];
	uint8_t only[SHA256_LEN]; /* of the text on columns that were renamed */
};

struct server {
	const struct server_options *options;
	pthread_mutex_t epoch_lock; /* guards the pointer, for the admin thread */
	struct epoch *epoch;
	struct budget_state budgets;
	struct config_text text; /* of the configuration in force */
	uint8_t mask_secret[SHA256_LEN];

	struct audit *audit;
	enum audit_state audit_state; /* as told last */
	struct kept_signer kept_by;   /* of the policy that was kept last */
	struct server_lane main_lane, admin_lane;
	struct server_lane channel_lane; /* with channel_lock: the channels' threads share it */
	pthread_mutex_t channel_lock;
	unsigned retention_lane;
	struct retention *retention;
	struct channels *channels;
	struct approvals *approvals;
	struct admin *admin;
	unsigned n_workers, max_connections; /* connections: as many as files allow */
	struct catalog_reader *reader;
	struct schema_moves *moves; /* by target */
	struct drift_told *drift; /* by target; of its catalog reader */
	struct password_news *passwords; /* by target, with epoch_lock: as told last */
	bool passwords_changed; /* with epoch_lock: since they were put on record */
	struct former_state *former;
	struct endpoint listen; /* where the workers listen: port 0 is resolved */
	char listen_text[INET6_ADDRSTRLEN + 10];
	int reserved;           /* socket that keeps the address ours; -1: none */

	/* Read by every thread inside hooks_enter() .. hooks_leave(). */
	pthread_rwlock_t hooks_lock;
	bool hooks_open;
	struct worker **workers;
	atomic_uint n_connections;
	struct pool_quota *quota;
	struct knocks *knocks;

	uint64_t certificate_at; /* mono: look at the certificate's end again */
	int signals, news;       /* signalfd; eventfd that wakes the main loop */
	atomic_uint drained;     /* workers that have nothing left */
	atomic_ulong auth_failures;
	uint64_t started_wall, started_mono;
	atomic_ulong reloads, refused_reloads;
	uint64_t auth_recorded_ns; /* admin thread: of the last auth.fail record */
	uint64_t auth_unrecorded;  /* admin thread */
};

/* server_epoch.c ------------------------------------------------------------------------------ */

/* Loads configuration and policy into a new epoch. NULL: the reason is in `said`. Warnings are
 * appended to it in any case. *text describes the configuration (when it could be read). */
struct epoch *server_load(struct server *s, struct config_text *text, struct buf *said) MUST_CHECK;
/* The channels of its configuration, started where they are not there yet. False: the reason is in
 * `said`. */
bool server_channels(struct server *s, struct epoch *e, struct buf *said) MUST_CHECK;
/* SIGHUP. What goes wrong is logged and recorded, and nothing changes. */
void server_reload(struct server *s);
/* The epoch in force with a reference of the caller's. Any thread. */
struct epoch *server_epoch(struct server *s);

/* server_certificate.c: warns of the certificate's end; to be called once a second. */
void server_watch_certificate(struct server *s, uint64_t now);

/* server_record.c ----------------------------------------------------------------------------- */

/* Submits; with `wait` returns when it is durable. False: it is not, and will not be. */
bool server_record(struct server *s, struct server_lane *lane, const struct audit_record *r,
		   bool wait) MUST_CHECK;
/* Puts the image into the audit folder, before it is recorded as loaded. False: the reason was
 * appended. */
bool server_keep_policy(struct server *s, const struct epoch *e, struct buf *said) MUST_CHECK;
/* policy.load and config.change. `old` NULL: at start. error: why it was refused, NULL: loaded. */
bool server_record_policy(struct server *s, const struct epoch *was, const struct epoch *is,
			  const char *error) MUST_CHECK;
bool server_record_config(struct server *s, const struct config_text *was,
			  const struct config_text *is, const char *by, bool refused) MUST_CHECK;
/* Something that an operator should look at; from any thread, and nothing waits for it. subject: a
 * channel, a target. */
bool server_record_alert(struct server *s, struct slice subject, struct slice state,
			 struct slice text, uint64_t n) MUST_CHECK;
/* channels_hooks.lost */
void server_record_lost_notices(void *server, const char *channel, uint64_t n, const char *why);
void server_record_expiry(void *server, const struct approval_event *ev);

/* server_catalog.c: a target's catalog is about to be given to the workers. */
void server_look(struct server *s, size_t target, struct catalog_ref *ref);

/* server_retention.c: another configuration is in force. */
void server_wake_retention(struct server *s);

/* server_hooks.c ------------------------------------------------------------------------------ */

extern const struct worker_host server_worker_host; /* ctx is to be set */
void server_admin_hooks(struct server *s, struct admin_hooks *h);
/* server_pools.c: of all workers. */
void server_pool_sum(struct server *s, size_t target, struct pool_stats *sum);
void server_pools(void *server, struct buf *out); /* admin_hooks.pools */
void server_approval_hooks(struct server *s, struct approvals_hooks *h);
/* Another epoch is in force: what was approved is looked at again. */
void server_review_approvals(struct server *s);
catalog_posted_fn server_catalog_posted;
/* False: the gateway is being taken down and nothing may be touched. */
bool hooks_enter(struct server *s) MUST_CHECK;
void hooks_leave(struct server *s);

/* server_passwords.c -------------------------------------------------------------------------- */

password_posted_fn server_password_posted;
/* Main thread: puts on record which passwords are other ones now. */
void server_record_passwords(struct server *s);
void server_free_passwords(struct server *s);

/* server_report.c ----------------------------------------------------------------------------- */

void server_status(void *server, struct buf *out);  /* one JSON object */
void server_metrics(void *server, struct buf *out); /* Prometheus text */
void server_counters(struct server *s, struct buf *out); /* one JSON line */
/* What was loaded, for the log: "policy=payments digest=... rules=7". */
void server_describe_policy(const struct epoch *e, struct buf *out);
/* Logs a text of several lines, line by line. */
void server_log_text(bool error, struct slice text);

#endif
