/* SPDX-License-Identifier: MIT */
#include "compiler/image_diagrams.h"

#include "compiler/dcode.h"

static bool
has_diagram(const struct image *img)
{
	for (int e = 0; e < ENTRY_COUNT; e++)
		if (img->entry[e].n_diagram)
			return true;
	return false;
}

bool
image_diagrams_agree(struct image *img, struct buf *why, bool *dropped)
{
	const struct image *images = img;
	struct slice rule = {0};
	bool agree = true, unsure = true;
	struct arena arena;
	const char *fact;
	struct space *s;

	*dropped = false;
	if (!has_diagram(img))
		return true;
	arena_init(&arena, 0);
	s = space_new(&arena, &images, 1, &fact);
	if (s)
		agree = dcode_agrees(s, &rule, &unsure);
	if (!agree)
		buf_printf(why, "its diagram decides otherwise than its rules: %.*s. It was changed, "
				"or its compiler has a mistake; build it again from the policy's text",
			   SLICE_ARG(rule));
	*dropped = agree && unsure;
	for (int e = 0; e < ENTRY_COUNT && *dropped; e++)
		img->entry[e].n_diagram = 0;
	arena_fini(&arena);
	return agree;
}
