/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "commit.h"

#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <pg_query.h>
#include <xxhash.h>

#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: weir version\n\n"
	"Prints the version, the commit that it was built from, and the libraries in use. `weir --version`\n"
	"is the same.\n\n"
	"Exit code: 0 printed, 2 usage.\n";

int
cmd_version(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	if (argc > 1)
		return cli_usage_error("version", "no argument '%s'", argv[1]);
	printf("weir %s (%s)\n", WEIR_VERSION, WEIR_COMMIT);
	printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	printf("libpg_query for PostgreSQL %s\n", PG_VERSION);
	printf("liburing %s\n", LIBURING_VERSION);
	printf("xxHash %u.%u.%u\n", XXH_versionNumber() / 10000, XXH_versionNumber() / 100 % 100,
	       XXH_versionNumber() % 100);
	printf("libmicrohttpd %s\n", MHD_get_version());
	printf("jansson %s\n", JANSSON_VERSION);
	printf("%s\n", curl_version());
	return EXIT_OK;
}
