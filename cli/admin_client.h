/* SPDX-License-Identifier: MIT
 *
 * What subcommands that talk to a running gateway share: who asks, where, and one request.
 */
#ifndef WEIR_CLI_ADMIN_CLIENT_H
#define WEIR_CLI_ADMIN_CLIENT_H

#include "base/buf.h"

#include <getopt.h>
#include <jansson.h>

struct admin_client {
	const char *command;   /* for messages: "approvals" */
	const char *principal; /* --as */
	const char *key_file;  /* --key-file; NULL: the variable WEIR_KEY */
	const char *url;       /* --admin; NULL: from the configuration */
	const char *config;    /* -c */
	const char *ca_file;   /* --ca; NULL: the system's, or the configuration's certificate */
	bool json;	       /* --json: the answer as it came */
	struct buf base, ca, key;
};

/* The options of every such subcommand, for getopt_long(3); "c:" is among the short ones. */
enum { ADMIN_OPT_AS = 512, ADMIN_OPT_KEY_FILE, ADMIN_OPT_ADMIN, ADMIN_OPT_CA, ADMIN_OPT_JSON };
#define ADMIN_CLIENT_OPTIONS                                      \
	{"as", required_argument, NULL, ADMIN_OPT_AS},            \
	{"key-file", required_argument, NULL, ADMIN_OPT_KEY_FILE}, \
	{"config", required_argument, NULL, 'c'},                 \
	{"admin", required_argument, NULL, ADMIN_OPT_ADMIN},      \
	{"ca", required_argument, NULL, ADMIN_OPT_CA},            \
	{"json", no_argument, NULL, ADMIN_OPT_JSON}

/* What getopt_long gave for one of them; false: it is the subcommand's own. */
bool admin_client_option(struct admin_client *c, int option, const char *value);

/* Finds address and key. 0, or EXIT_USAGE after telling what is missing. */
int admin_client_open(struct admin_client *c);
void admin_client_close(struct admin_client *c);

/* One request with a JSON body (NULL: none). *out is the answer, the caller's reference. Returns
 * EXIT_OK; EXIT_NEGATIVE when the gateway refused and EXIT_USAGE when it could not be reached,
 * after telling why and what to do next. */
int admin_client_call(struct admin_client *c, const char *method, const char *path, json_t *body,
		      json_t **out);

void admin_client_print(const json_t *answer);

#endif
