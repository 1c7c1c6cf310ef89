/* SPDX-License-Identifier: MIT
 *
 * The gateway's configuration as the runtime sees it. Filled by compiler/config.c from a file whose
 * lexical rules and diagnostics are the policy language's. All strings live in the arena that the
 * parser was given; secrets are resolved at load (password-file, -env, -command) and the structure
 * is wiped with config_wipe before the arena is freed. Immutable after load; a reload builds a
 * new one.
 */
#ifndef WEIR_CONFIG_CONFIG_H
#define WEIR_CONFIG_CONFIG_H

#include "base/crypto.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum tls_mode { TLS_OFF, TLS_PREFER, TLS_REQUIRE, TLS_VERIFY_FULL };
enum principal_kind { PRINCIPAL_HUMAN, PRINCIPAL_SERVICE, PRINCIPAL_AGENT }; /* facts.def order */

struct endpoint {
	const char *text; /* "127.0.0.1:5432" as written */
	const char *host;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const struct endpoint_more *others; /* addresses of the same name, to be tried next */
	size_t n_others;
	bool loopback; /* all of them are */
};

struct endpoint_more {
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

/* Whether clients share server connections: for a session each, or for a transaction each. */
enum pool_mode { POOL_NONE, POOL_SESSION, POOL_TRANSACTION };

struct config_pool {
	enum pool_mode mode;
	unsigned size;         /* server connections of all workers together */
	unsigned queue;        /* clients of one worker that may wait for one */
	unsigned wait_seconds; /* how long they do */
	unsigned idle_seconds; /* unused for so long, a connection is closed */
	unsigned max_prepared; /* statements kept prepared on one connection */
};

/* Where a password stands; what is inside the gateway's own text or environment stays as it is. */
enum password_from { PASSWORD_FIXED, PASSWORD_FILE, PASSWORD_COMMAND };

struct config_target {
	const char *name;
	struct endpoint address;
	const char *database;
	const char *login;
	const char *password; /* NULL: none */
	enum password_from password_from;
	const char *password_at; /* the file, or the command; NULL: PASSWORD_FIXED */
	enum tls_mode tls;
	const char *ca_file; /* NULL: the system's */
	struct config_pool pool; /* a reload may change it and the password, and nothing else */
};

struct config_principal {
	const char *name;
	enum principal_kind kind;
	const struct slice *groups; /* sorted bytewise */
	size_t n_groups;
	const char *key; /* NULL: cannot authenticate with a key */
};

enum channel_kind { CHANNEL_WEBHOOK, CHANNEL_SYSLOG, CHANNEL_LOG };

/* Where notices go. */
struct config_channel {
	enum channel_kind kind;
	const char *name;
	/* https, or http to this machine; may hold a secret of its own. Of a syslog: a path, udp or
	 * tcp to this machine, or tls. Of the log: NULL. */
	const char *url;
	const char *ca_file; /* NULL: the system's */
	const char *secret;  /* signs what is sent; NULL: nothing is signed */
};

struct config {
	struct endpoint listen_postgres, listen_admin; /* addr_len 0 = not configured */
	const char *policy_path; /* absolute, resolved against the configuration's folder */
	const uint8_t (*signers)[ED25519_PUB_LEN]; /* whose signature of the image counts */
	size_t n_signers;			   /* 0: nobody's was named */
	const char *state_path;  /* absolute */
	uint64_t retention_seconds; /* records older than this are removed; 0: none are */
	const char *retention;	    /* as written; NULL: everything is kept */
	const struct slice *hold_groups; /* who may set and release holds */
	size_t n_hold_groups;
	const char *tls_cert, *tls_key; /* both NULL: tls off */
	const struct config_target *targets;
	size_t n_targets;
	const struct config_principal *principals;
	size_t n_principals;
	const struct config_channel *channels;
	size_t n_channels;

	/* Limits; defaults in compiler/config.c, each settable as `limit NAME VALUE`. */
	unsigned workers;          /* 0 = one per core */
	unsigned max_connections;  /* per process */
	size_t max_message_bytes;  /* one frontend message that must be read whole */
	unsigned login_seconds;    /* from accept to authenticated */
	unsigned drain_seconds;    /* SIGTERM to exit */
	unsigned notice_seconds;   /* between notices of a held command */
	unsigned catalog_seconds;  /* age at which the catalog is read again */
};

/* The i-th of its addresses; false: it has no more. */
bool endpoint_address(const struct endpoint *e, size_t i, struct sockaddr_storage *out,
		      socklen_t *len);
const struct config_target *config_target_find(const struct config *c, struct slice name);
const struct config_principal *config_principal_find(const struct config *c, struct slice name);
int config_channel_find(const struct config *c, struct slice name); /* its number, or -1 */
bool config_principal_in(const struct config_principal *p, struct slice group);
void config_wipe(struct config *c);

#endif
