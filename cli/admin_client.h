/* SPDX-License-Identifier: MIT
 *
 * What subcommands that talk to a running gateway share: who asks, where, and one request.
 */
#ifndef WEIR_CLI_ADMIN_CLIENT_H
#define WEIR_CLI_ADMIN_CLIENT_H

#include "base/buf.h"

#include <jansson.h>

struct admin_client {
	const char *command;   /* for messages: "approvals" */
	const char *principal; /* --as */
	const char *key_file;  /* --key-file; NULL: the variable WEIR_KEY */
	const char *url;       /* --admin; NULL: from the configuration */
	const char *config;    /* -c */
	const char *ca_file;   /* --ca; NULL: the system's, or the configuration's certificate */
	struct buf base, ca, key;
};

/* Finds address and key. 0, or EXIT_USAGE after telling what is missing. */
int admin_client_open(struct admin_client *c);
void admin_client_close(struct admin_client *c);

/* One request with a JSON body (NULL: none). *out is the answer, the caller's reference. Returns
 * EXIT_OK; EXIT_NEGATIVE when the gateway refused and EXIT_USAGE when it could not be reached,
 * after telling why and what to do next. */
int admin_client_call(struct admin_client *c, const char *method, const char *path, json_t *body,
		      json_t **out);

#endif
