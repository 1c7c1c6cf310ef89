/* SPDX-License-Identifier: MIT
 *
 * Budgets across a restart: what was taken of each, in the file `budgets` of the state folder,
 * replaced whole at most once a second while something changes and when the gateway ends. Times
 * in it are wall time. A file that does not hold what was written leaves every budget used up for
 * its span, since nobody knows what was taken; who wants full ones removes it. Main thread only.
 */
#ifndef WEIR_PROXY_BUDGET_STATE_H
#define WEIR_PROXY_BUDGET_STATE_H

#include "base/buf.h"
#include "base/crypto.h"
#include "gate/epoch.h"

struct budget_state {
	uint8_t written[SHA256_LEN]; /* of what was last written */
	bool told;		     /* that it cannot be written */
};

/* Once, before anybody draws on the budgets. False: the file cannot be read at all. */
bool budget_state_load(const struct epoch *e, uint64_t mono, uint64_t wall,
		       struct buf *error) MUST_CHECK;
void budget_state_save(struct budget_state *st, const struct epoch *e, uint64_t mono,
		       uint64_t wall);

#endif
