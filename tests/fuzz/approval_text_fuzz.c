/* SPDX-License-Identifier: MIT
 *
 * What an approver is shown, whatever was sent: nothing that a terminal would obey comes out, what
 * comes out is its own visible form, and text said to be fit to approve has no control characters.
 */
#include "session/approvals.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool
is_obeyed(uint8_t c, bool multiline)
{
	return (c < 0x20 && !(multiline && (c == '\n' || c == '\t'))) || c == 0x7f;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = slice_of(p, n);

	for (int multiline = 0; multiline < 2; multiline++) {
		struct buf once = {0}, twice = {0};

		approval_put_visible(&once, text, multiline);
		assert(!once.failed);
		for (size_t i = 0; i < once.n; i++)
			assert(!is_obeyed(once.p[i], multiline));
		assert(approval_text_problem(buf_slice(&once)) == NULL ||
		       once.n > APPROVAL_MAX_TEXT);
		approval_put_visible(&twice, buf_slice(&once), multiline);
		assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
		buf_fini(&once);
		buf_fini(&twice);
	}
	if (approval_text_problem(text) == NULL)
		for (size_t i = 0; i < n; i++)
			assert(p[i] >= 0x20 || p[i] == '\n' || p[i] == '\t' || p[i] == '\r');
	return 0;
}
