/* SPDX-License-Identifier: MIT
 *
 * Whether the password of a target's login is still the right one. It changes at the target and
 * where the gateway has it from, in either order, and nobody tells. So when the target refuses it,
 * it is read again: once for all clients, by the target's catalog reader, whose own login then
 * tries what was found before any client's does.
 *
 *   right ──refused──► read again ──another──► tried: right, or
 *                           └──the same──► wrong: read every 5 s, and tried at longer and longer
 *                                          intervals, or at once when it is another
 *
 * As long as it is wrong nobody else tries it: servers lock logins out that fail too often.
 */
#ifndef WEIR_PROXY_TARGET_PASSWORD_H
#define WEIR_PROXY_TARGET_PASSWORD_H

#include "gate/epoch.h"
#include "proxy/catalog_fetch.h"
#include "proxy/server.h"

enum { PASSWORD_READ_SECONDS = 5, PASSWORD_TRY_SECONDS = 60 };

struct password_counts {
	atomic_ulong changed, same, failed; /* what reading it again came to */
	atomic_uint wrong; /* targets whose password is */
};

struct target_password {
	const struct server_loader *loader;
	struct password_counts *counts; /* of all targets */
	int stop_fd;
	struct password_news is; /* what everybody is told */
	uint64_t told; /* changes of it; see target_password_news */
	uint64_t changes;
	uint64_t read_at, try_at; /* wrong: not before */
	uint64_t pause;
};

/* Another configuration is in force, whose password nobody has tried. */
void target_password_epoch(struct target_password *p, uint64_t epoch);
/* Before a login of the reader's. doubted: the target has refused it to somebody. False: there is
 * nothing to be tried now. */
bool target_password_due(struct target_password *p, const struct config_target *t, bool doubted,
			 uint64_t now) MUST_CHECK;
/* After one; again: it was the second in a row. True: it was refused, there is another now, and it
 * is to be tried at once. */
bool target_password_tried(struct target_password *p, const struct config_target *t,
			   const struct fetch_trouble *trouble, bool again,
			   uint64_t now) MUST_CHECK;
/* With the password in force. */
struct config_target target_password_use(const struct target_password *p,
					 const struct config_target *t);
/* There is something to tell: a reference of the caller's. */
bool target_password_news(struct target_password *p, struct password_news *out) MUST_CHECK;
void target_password_fini(struct target_password *p);

#endif
