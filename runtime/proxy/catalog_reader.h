/* SPDX-License-Identifier: MIT
 *
 * Keeps the catalog snapshot of every target fresh. One thread a target, so that a server that does
 * not answer delays nobody else; each read is a connection of the gateway's own, because the
 * settings of a role are those of a new session.
 *
 * Invariant: what is posted after catalog_reader_changed() was read by a connection opened after
 * the call. Requests that come while a read is under way are answered by one more read. A snapshot
 * that was posted stays good while reads fail, until it is CATALOG_GRACE times older than the
 * interval or a schema change is pending; then NULL and the trouble are posted.
 */
#ifndef WEIR_PROXY_CATALOG_READER_H
#define WEIR_PROXY_CATALOG_READER_H

#include "config/config.h"
#include "gate/epoch.h"
#include "proxy/target_password.h"

enum { CATALOG_GRACE = 10, CATALOG_READ_SECONDS = 30, CATALOG_CONNECT_SECONDS = 5 };

struct catalog_reader;

/* Runs on the target's thread after every attempt. `ref` is borrowed: take references of your own.
 * NULL: there is no catalog that may be used, and trouble (valid during the call) says why. */
typedef void catalog_posted_fn(void *ctx, size_t target, struct catalog_ref *ref,
			       const char *trouble, struct catalog_age age);

/* The same of the password of its login: the reference is the callee's. */
typedef void password_posted_fn(void *ctx, size_t target, struct password_news news);

struct catalog_reader_host {
	void *ctx;
	catalog_posted_fn *posted;
	password_posted_fn *password;
	const struct server_loader *loader;
};

/* Starts a thread for each target of the epoch (a reference of its own is taken) and reads at once.
 * moves: by target; what they come to goes with each catalog as its age.
 * 0 or -errno. */
int catalog_reader_open(struct catalog_reader **out, struct epoch *e, struct schema_moves *moves,
			const struct catalog_reader_host *host) MUST_CHECK;
/* Returns at once, from any thread: the target refused this password of its login. */
void catalog_reader_doubt(struct catalog_reader *r, size_t target, uint64_t epoch,
			  uint64_t version);
/* Both return at once and may come from any thread; `posted` follows. */
void catalog_reader_want(struct catalog_reader *r, size_t target);
/* now: at once, else when next asked, at the latest with the next interval. */
void catalog_reader_changed(struct catalog_reader *r, size_t target, bool now);
/* A reload: reads that begin from now on use this (a reference of its own is taken), and what could
 * not be read is tried again at once. */
void catalog_reader_epoch(struct catalog_reader *r, struct epoch *e);
/* Abandons reads under way, joins the threads. No `posted` comes after it returns. */
void catalog_reader_close(struct catalog_reader *r);

struct catalog_reader_stats {
	uint64_t reads, failures, changes; /* changes: reads that found another digest */
	uint64_t passwords_changed, passwords_same, passwords_failed; /* read again */
	unsigned passwords_wrong; /* now, of how many targets */
};
void catalog_reader_stats(const struct catalog_reader *r, struct catalog_reader_stats *s);

#endif
