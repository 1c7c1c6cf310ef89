/* SPDX-License-Identifier: MIT
 *
 * A schema as text: it is read into a snapshot, or refused at a place that the text has.
 */
#include "sql/ddl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena arena;
	struct ddl_error err;
	const char *error;
	struct ddl *d;
	uint8_t *text = malloc(n + 1);

	memcpy(text, data, n);
	text[n] = 0;
	arena_init(&arena, 0);
	d = ddl_new(&arena);
	if (ddl_read(d, slice_of(text, n), &err)) {
		struct catalog *c = ddl_finish(d, &error);

		for (size_t i = 0; c && i < catalog_count(c); i++)
			assert(!ddl_is_vague(d, catalog_at(c, i)->oid) ||
			       catalog_at(c, i)->n_columns < 1600);
		catalog_free(c);
	} else {
		assert(err.text[0] && err.at <= n);
	}
	arena_fini(&arena);
	free(text);
	return 0;
}
