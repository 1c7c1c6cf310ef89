/* SPDX-License-Identifier: MIT
 *
 * Tells the operator in time that the gateway's certificate ends: clients that check it would all
 * be turned away at the same moment.
 */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/server_internal.h"

enum { WARN_DAYS = 14, DAY_SECONDS = 86400 };

/* Once a day, and right after a start or a reload. */
void
server_watch_certificate(struct server *s, uint64_t now)
{
	const struct epoch *e = s->epoch;
	int64_t end, left;
	char when[28];

	if (now < s->certificate_at || !e->tls)
		return;
	s->certificate_at = now + DAY_SECONDS * NS_PER_S;
	end = tls_not_after(e->tls);
	left = end - (int64_t) (clock_wall_ns() / NS_PER_S);
	if (!end || left >= WARN_DAYS * DAY_SECONDS)
		return;
	clock_format(end > 0 ? (uint64_t) end * NS_PER_S : 0, when);
	if (left < 0)
		log_error("tls certificate=%s expired=%s: clients that check it are turned away; "
			  "put another one in its place and send SIGHUP", e->config.tls_cert, when);
	else
		log_warn("tls certificate=%s expires=%s days=%lld: put another one in its place and "
			 "send SIGHUP", e->config.tls_cert, when, (long long) (left / DAY_SECONDS));
}
