/* SPDX-License-Identifier: MIT
 *
 * Facts as JSON, one object a line: what `weir eval` and `weir explain` read.
 */
#ifndef WEIR_CLI_FACTS_JSON_H
#define WEIR_CLI_FACTS_JSON_H

#include "base/arena.h"
#include "vm/exec.h"

#include <jansson.h>

struct facts_line {
	struct arena *arena;
	json_t *object; /* strings of the facts point into it */
	enum vm_entry entry;
	struct facts base; /* of the line */
	struct facts *effects;
	size_t n;
	bool joined; /* it has a list of effects; otherwise one effect, the line's own facts */
	char error[200];
};

/* False when the line is bad: l->error says why. facts_line_close in any case. */
bool facts_line_read(struct facts_line *l, const struct image *img, struct arena *arena,
		     struct slice text) MUST_CHECK;
void facts_line_close(struct facts_line *l);

/* Takes the next line from the front of the text. False at its end. */
bool facts_line_next(struct slice *text, struct slice *line);
bool facts_line_is_blank(struct slice line);

#endif
