/* SPDX-License-Identifier: MIT
 *
 * What columns were once called, across a restart: the file `names` of the state folder, replaced
 * whole when a look at a catalog brings something new. A file that does not hold what was written
 * stops the start: without it a mask may lose a column that was renamed, and nobody would know.
 * Called by the threads that read catalogs.
 */
#ifndef WEIR_PROXY_FORMER_STATE_H
#define WEIR_PROXY_FORMER_STATE_H

#include "gate/former.h"

struct former_state;

/* NULL: the reason is in `error`. */
struct former_state *former_state_open(const char *state_path, struct buf *error) MUST_CHECK;
void former_state_close(struct former_state *st); /* NULL is fine */
/* Something could not be written: the next look tries again. */
bool former_state_unsaved(struct former_state *st);
/* The names that columns of the catalog have no longer, before those of today are noted; NULL:
 * none. */
struct former *former_state_moved(struct former_state *st, struct slice target,
				  const struct catalog *cat) MUST_CHECK;
void former_state_note(struct former_state *st, struct slice target, const struct image *img,
		       const struct catalog *cat);

#endif
