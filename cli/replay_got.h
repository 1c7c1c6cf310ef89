/* SPDX-License-Identifier: MIT
 *
 * What a command of an audit log did and got that limits count, as far as it is on record.
 */
#ifndef WEIR_CLI_REPLAY_GOT_H
#define WEIR_CLI_REPLAY_GOT_H

#include "cli/recorded.h"

bool recorded_does(const struct recorded *c, enum action a);
/* COMMIT and ROLLBACK, of which no budget keeps anybody. */
bool recorded_ends_transaction(const struct recorded *c);
/* Whether rows of it count. */
enum tri recorded_returns_rows(const struct recorded *c);
/* It answers with no values. */
bool recorded_shows_nothing(const struct recorded *c);
/* How much it got of a unit; it has a result. False: that is not on record, it was *n at least. */
bool recorded_got(const struct recorded *c, enum limit_unit unit, enum tri rows, uint64_t *n);
/* By a limit of the policy, not by the gateway on its own. */
bool recorded_is_ended(const struct recorded *c);
/* The gateway's, by which it says that a limit is used up. */
bool limits_is_code(struct slice code);

#endif
