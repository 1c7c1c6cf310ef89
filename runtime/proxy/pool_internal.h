/* SPDX-License-Identifier: MIT
 *
 * Between pool.c, which keeps and lends connections, and pool_open.c, which speaks with the server
 * while nobody has them.
 */
#ifndef WEIR_PROXY_POOL_INTERNAL_H
#define WEIR_PROXY_POOL_INTERNAL_H

#include "proxy/dial.h"
#include "proxy/pool.h"
#include "session/server_login.h"

struct pool_key {
	struct pool_key *next;
	struct pool *pool;
	size_t target;
	enum pool_mode mode;
	unsigned refs;
	uint16_t minor;
	struct slice startup;		     /* owned */
	struct pooled *idle;		     /* the one that came back last comes first */
	struct pool_waiter *first, *last;    /* in the order they came */
	unsigned n_waiting, n_opening, n_idle;
	struct buf welcome;
};

struct pooled {
	struct backend backend; /* first: a backend of the pool is one of these */
	struct pool_key *key;	/* counted */
	struct stream *stream;
	enum pooled_state {
		POOLED_CONNECTING,
		POOLED_TLS, /* asked for, or shaking hands */
		POOLED_LOGIN,
		POOLED_ASKING, /* who it is now */
		POOLED_IDLE,
		POOLED_LENT,
		POOLED_CLEANING,
		POOLED_CLOSING,
	} state;
	unsigned cleaned; /* CLEANING: how many of its steps are done */
	bool answered; /* ASKING, CLEANING: what was asked for came; ReadyForQuery is to follow */
	struct pooled *next, *prev;	    /* among the idle ones of its key */
	struct pooled *all_next, **all_at;  /* among all of the pool */
	const struct pool_waiter *lent_to;  /* only compared */
	uint64_t idle_since;
	struct ring_timer timer; /* until it must be logged in, or clean */
	struct server_login login;
	uint64_t epoch, version; /* of the password that it is opened with */
	struct pg_framer framer;
	struct buf pending;
	struct dial dial;
};

struct pool_target {
	struct pool_key *keys;
	bool todo;	      /* somebody waits who may be served now */
	unsigned n_closing;
	struct pool_stats stats;
};

struct pool {
	struct pool_config config;
	struct pool_target *targets;
	struct pooled *all;
	struct ring_timer idle_timer;
	struct buf scratch;
	bool draining, todo;
	bool changed; /* since pool_stats was called */
};

const struct config_target *pool_target_config(const struct pool *p, size_t target);
void pool_todo(struct pool *p, size_t target);

/* pool_open.c. False: it cannot even be tried; cause says why. */
bool pooled_open(struct pool_key *k, const char **cause) MUST_CHECK;
void pooled_clean(struct pooled *c);
/* Callbacks of the stream while nobody has it. */
extern const struct stream_ops pooled_ops;
void pooled_close(struct pooled *c);

/* pool.c, for pool_open.c */
void pooled_add(struct pool_key *k, struct pooled *c);
void pooled_idle(struct pooled *c); /* logged in, or clean */
void pooled_unlink(struct pooled *c); /* an idle one is not to be lent any more */
/* Its stream is gone: forgets it. */
void pooled_gone(struct pooled *c, const char *cause);
void pooled_refused(struct pooled *c, const char *cause, struct slice word);
/* Its password was, and is read again: who waits for it goes on waiting. */
void pooled_doubted(struct pooled *c);

#endif
