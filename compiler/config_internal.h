/* SPDX-License-Identifier: MIT
 *
 * Between config.c, which reads the text, config_secret.c, which fetches passwords, and
 * config_check.c, which judges the whole.
 */
#ifndef WEIR_COMPILER_CONFIG_INTERNAL_H
#define WEIR_COMPILER_CONFIG_INTERNAL_H

#include "compiler/config_load.h"
#include "compiler/lex.h"

/* A target or principal while it is read, and where its parts stand. */
struct target_node {
	struct target_node *next;
	struct config_target target;
	struct span at, tls_at;
	bool has_tls;
};

struct principal_node {
	struct principal_node *next;
	struct config_principal principal;
	struct span at;
};

struct channel_node {
	struct channel_node *next;
	struct config_channel channel;
	struct span at;
};

struct config_reader {
	struct diag_queue *q;
	struct arena *arena;
	struct interner names;
	struct tokens tokens; /* without comments */
	size_t at;
	uint32_t file;
	const char *folder; /* of the configuration, absolute, without a slash at its end */
	bool fetch_secrets;
	int stop_fd; /* readable: nobody waits for a command any more; -1: somebody does */
	bool holds_secrets; /* in its own text */
	struct config *out;
	struct target_node *targets, **targets_end;
	struct principal_node *principals, **principals_end;
	struct channel_node *channels, **channels_end;
	/* Where each setting stands; SPAN_NONE: not set. */
	struct span postgres_at, admin_at, policy_at, state_at, tls_at, retention_at;
	unsigned limits_set; /* bit per entry of the limits table */
};

static inline const struct token *
config_peek(const struct config_reader *r)
{
	return &r->tokens.v[r->at];
}

static inline bool
config_on_this_line(const struct config_reader *r)
{
	return config_peek(r)->code != TK_END && !config_peek(r)->line_start;
}

/* Skips to the next line: after a mistake, and whatever is left of a line. */
static inline void
config_skip_line(struct config_reader *r)
{
	while (config_on_this_line(r))
		r->at++;
}

static inline void
config_expected(struct config_reader *r, const char *what)
{
	diag(r->q, CONFIG_EXPECTED, config_peek(r)->at, what);
	config_skip_line(r);
}

/* The path made absolute against the configuration's folder. */
const char *config_path(struct config_reader *r, struct slice path);
/* Resolves host and port; reports at `at`. */
void config_resolve(struct config_reader *r, struct endpoint *e, struct slice host, int64_t port,
		    struct span at);

/* Password from a file (its first line), from the environment, from a command (the first line it
 * prints). NULL: reported at `at`. The memory it used besides is wiped. */
const char *config_secret_file(struct config_reader *r, const char *path, struct span at);
const char *config_secret_env(struct config_reader *r, const char *name, struct span at);
const char *config_secret_command(struct config_reader *r, const char *command, struct span at);

extern const struct config_pool config_pool_default;
/* Behind the word `pool` of a target. */
void config_read_pool(struct config_reader *r, struct config_pool *p);
/* config_channel.c: `channel` and what stands behind it; the channels put into `out`. */
void config_read_channel(struct config_reader *r);
void config_collect_channels(struct config_reader *r);
/* config_retention.c: behind the word `retention`. */
void config_read_retention(struct config_reader *r);

/* What is missing or contradicts itself, and the lists put into `out`. */
void config_check(struct config_reader *r);

#endif
