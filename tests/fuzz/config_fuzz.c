/* SPDX-License-Identifier: MIT
 *
 * Any text as a configuration. A secret right after `password "` or `key "`, on a line without an
 * earlier quote, never shows in what is said, and is gone from the text that is kept.
 */
#include "compiler/config_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct slice secret = SLICE_LIT("hunter2");

static size_t
count(struct slice s)
{
	const uint8_t *p = s.p;
	size_t n = 0;

	while ((p = memmem(p, s.n - (size_t) (p - s.p), secret.p, secret.n))) {
		p += secret.n;
		n++;
	}
	return n;
}

static bool
ends_with(struct slice s, const char *end)
{
	struct slice e = slice_str(end);

	return s.n >= e.n && memcmp(s.p + s.n - e.n, e.p, e.n) == 0;
}

/* Whether every occurrence stands where a secret belongs. */
static bool
well_placed(struct slice s)
{
	for (size_t i = 0; i + secret.n <= s.n; i++) {
		size_t start = i;
		struct slice before;

		if (memcmp(s.p + i, secret.p, secret.n) != 0)
			continue;
		while (start > 0 && s.p[start - 1] != '\n')
			start--;
		before = slice_of(s.p + start, i - start);
		if (!ends_with(before, " password \"") && !ends_with(before, " key \""))
			return false;
		if (memchr(before.p, '"', before.n - 1))
			return false;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of(data, n);
	struct buf said = {0};
	struct sources sources;
	struct diag_queue q;
	struct config c;
	struct arena arena;
	bool ok;

	if (n == 0)
		return 0;
	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	ok = config_load_text("/x/weir.conf", text, false, &arena, &c, &q);
	assert(ok == diag_ok(&q));
	q.max_errors = 0;
	diag_print(&q, &said, false);
	diag_print_json(&q, &said);
	if (count(text) && well_placed(text)) {
		assert(said.n == 0 || count(buf_slice(&said)) == 0);
		for (uint32_t i = 0; i < sources.n; i++)
			assert(count(sources.files[i].text) == 0);
	}
	config_wipe(&c);
	buf_fini(&said);
	arena_fini(&arena);
	return 0;
}
