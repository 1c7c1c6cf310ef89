/* SPDX-License-Identifier: MIT */
#include "compiler/actions.h"

static bool
has_all(const struct action_set *set, enum action node)
{
	struct action_set below = {0};

	action_leaves(node, &below);
	return (below.w[0] & ~set->w[0]) == 0 && (below.w[1] & ~set->w[1]) == 0;
}

/* The ready-made sets that are whole in it, each named; their members are left out of the rest. */
static const char *
put_sets(struct buf *out, const struct action_set *set, struct action_set *rest)
{
	const char *sep = "";

	for (size_t i = 0; i < n_action_groups; i++) {
		struct action_set members = {0};

		if (!action_set_of(slice_str(action_groups[i].name), &members) ||
		    members.w[0] & ~set->w[0] || members.w[1] & ~set->w[1])
			continue;
		buf_printf(out, "%s%s", sep, action_groups[i].name);
		sep = ", ";
		rest->w[0] &= ~members.w[0];
		rest->w[1] &= ~members.w[1];
	}
	return sep;
}

static bool
has_any(const struct action_set *set, enum action node)
{
	struct action_set below = {0};

	action_leaves(node, &below);
	return (below.w[0] & set->w[0]) || (below.w[1] & set->w[1]);
}

void
actions_put(struct buf *out, const struct action_set *set)
{
	struct action_set rest = *set;
	const char *sep = put_sets(out, set, &rest);

	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		enum action up = action_info[a].parent;

		if (!has_all(set, a) || !has_any(&rest, a) ||
		    (up != ACTION_NONE && has_all(set, up)))
			continue;
		buf_printf(out, "%s%s", sep, action_info[a].name);
		sep = ", ";
	}
	if (!*sep)
		buf_puts(out, "any action");
}
