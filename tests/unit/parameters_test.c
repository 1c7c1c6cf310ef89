/* SPDX-License-Identifier: MIT
 *
 * What an approver is shown of a statement's parameters.
 */
#include "tests/unit/test.h"

#include "session/session.h"

static void
shows(const char *section, size_t n, const char *want)
{
	struct buf out = {0};

	record_render_parameters(slice_of(section, n), &out);
	CHECK_SLICE(buf_slice(&out), want);
	buf_fini(&out);
}

#define SHOWS(section, want) shows(section, sizeof(section) - 1, want)

static void
each_kind_of_value_is_a_line(void)
{
	SHOWS("\0\0\0\2\0\0\0\1x\377\377\377\377", "$1 = 'x'\n$2 = NULL\n");
	SHOWS("\0\2\0\0\0\1\0\2\0\0\0\1x\0\0\0\2\1\2", "$1 = 'x'\n$2 = \\x0102\n");
	SHOWS("\0\1\0\1\0\1\0\0\0\1x", "$1 = \\x78\n");
	SHOWS("\0\0\0\0", "");
}

static void
a_value_cannot_pretend_to_be_another(void)
{
	SHOWS("\0\0\0\1\0\0\0\12x'\n$2 = 'y", "$1 = 'x''\\n$2 = ''y'\n");
	SHOWS("\0\0\0\1\0\0\0\2\\n", "$1 = '\\\\n'\n");
}

static void
a_section_cut_short_ends_the_list(void)
{
	static const char whole[] = "\0\1\0\0\0\2\0\0\0\1x\0\0\0\1y";

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		shows(whole, n, n < 11 ? "" : "$1 = 'x'\n");
}

TEST_MAIN(TEST(each_kind_of_value_is_a_line), TEST(a_value_cannot_pretend_to_be_another),
	  TEST(a_section_cut_short_ends_the_list))
