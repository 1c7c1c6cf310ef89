/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <pg_query.h>
#include <xxhash.h>

#include <stdio.h>

int
cmd_version(int argc UNUSED, char **argv UNUSED)
{
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
