/* SPDX-License-Identifier: MIT */
#include "cli/actions.h"

static bool
has_all(const struct action_set *set, enum action node)
{
	struct action_set below = {0};

	action_leaves(node, &below);
	return (below.w[0] & ~set->w[0]) == 0 && (below.w[1] & ~set->w[1]) == 0;
}

void
cli_put_actions(struct buf *out, const struct action_set *set)
{
	const char *sep = "";

	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		enum action up = action_info[a].parent;

		if (!has_all(set, a) || (up != ACTION_NONE && has_all(set, up)))
			continue;
		buf_printf(out, "%s%s", sep, action_info[a].name);
		sep = ", ";
	}
	if (!*sep)
		buf_puts(out, "any action");
}
