/* SPDX-License-Identifier: MIT */
#include "compiler/diag_page.h"

/* Made of docs/diagnostics/ by the build (gen.ninja): one page after the other. */
static const char pages[] =
#include "pages.inc"
	;

static struct slice
line_of(struct slice s)
{
	const uint8_t *end = memchr(s.p, '\n', s.n);

	return slice_of(s.p, end ? (size_t) (end - s.p) + 1 : s.n);
}

static bool
starts_page(struct slice line)
{
	return line.n > 8 && memcmp(line.p, "# ", 2) == 0 && line.p[7] == ':';
}

struct slice
diag_page(const char *code)
{
	struct slice rest = slice_of(pages, sizeof(pages) - 1), page = {0};
	size_t n = strlen(code);

	while (rest.n) {
		struct slice line = line_of(rest);

		if (starts_page(line)) {
			if (page.p)
				break;
			if (n == 5 && memcmp(line.p + 2, code, n) == 0)
				page.p = line.p;
		}
		page.n += page.p ? line.n : 0;
		rest = slice_of(rest.p + line.n, rest.n - line.n);
	}
	return page;
}

void
diag_page_print(struct slice page, struct buf *out, bool colour)
{
	bool fenced = false;

	while (page.n) {
		struct slice line = line_of(page);
		size_t marks = 0;

		page = slice_of(page.p + line.n, page.n - line.n);
		if (line.n >= 3 && memcmp(line.p, "```", 3) == 0) {
			fenced = !fenced;
			continue;
		}
		while (!fenced && marks < line.n && line.p[marks] == '#')
			marks++;
		if (marks) {
			line = slice_of(line.p + marks + 1, line.n - marks - 1);
			buf_printf(out, "%s%.*s%s\n", colour ? "\033[1m" : "", (int) line.n - 1,
				   (const char *) line.p, colour ? "\033[0m" : "");
			continue;
		}
		buf_puts(out, fenced && line.n > 1 ? "    " : "");
		buf_put_slice(out, line);
	}
}
