/* SPDX-License-Identifier: MIT
 *
 * The gateway as a process: opens everything in order (configuration, state folder, audit log,
 * policy, approvals, admin listener, workers, catalogs), runs until a signal says otherwise, and
 * takes it down in reverse.
 *
 *   SIGTERM, SIGINT  drain: no new connections, busy sessions end their command; a second one
 *                    ends now
 *   SIGHUP           reload: configuration and policy, both or neither
 *   SIGUSR1          append one JSON line of all counters to STATE/counters.json
 *
 * The runtime does not know the compiler, so whoever starts it brings what turns text into a
 * configuration and an image.
 */
#ifndef WEIR_PROXY_SERVER_H
#define WEIR_PROXY_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "config/config.h"
#include "vm/image.h"

/* Both append what is wrong (or worth a warning) to `text`, lines ended by '\n', free of secrets.
 * False: nothing usable was made. Everything made lives in the arena. */
struct server_loader {
	void *ctx;
	bool (*config)(void *ctx, const char *path, struct arena *arena, struct config *out,
		       struct buf *text);
	/* The policy that the configuration names; an image must not be older than min_counter. */
	bool (*policy)(void *ctx, const struct config *c, uint64_t min_counter,
		       struct arena *arena, struct image **out, struct buf *text);
	/* What a target's password has become, appended to `secret`. Any thread; ends soon once
	 * stop_fd is readable. */
	bool (*password)(void *ctx, const struct config_target *t, int stop_fd, struct buf *secret,
			 struct buf *text);
};

struct server_options {
	const char *config_path;
	const char *version;
	struct server_loader loader;
	bool core;       /* core dumps stay possible: they hold secrets */
	bool check_only; /* load and say what would run; touches neither state nor network */
};

enum { SERVER_STOPPED = 0, SERVER_NOT_STARTED = 1 };

/* Runs until it is told to stop. What went wrong was printed on standard error. */
int server_run(const struct server_options *o) MUST_CHECK;

#endif
