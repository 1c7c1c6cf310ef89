/* SPDX-License-Identifier: MIT */
#include "proxy/dial.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>

/* An address that does not answer is given up after 7 s (1 + 2 + 4) if there is another one; the
 * last one has what is left of the login's time. */
enum { SYN_RETRIES = 2 };

int
dial_next(struct dial *d, struct ring *r, const struct endpoint *to, const struct stream_ops *ops,
	  void *ctx, struct stream **out)
{
	int rc = -EADDRNOTAVAIL, retries = SYN_RETRIES;
	socklen_t len;

	*out = NULL;
	while (endpoint_address(to, d->next, &d->addr, &len)) {
		bool last = ++d->next > to->n_others;

		rc = stream_connect(r, (struct sockaddr *) &d->addr, len, ops, ctx, out);
		if (rc < 0)
			continue;
		if (!last && setsockopt(stream_fd(*out), IPPROTO_TCP, TCP_SYNCNT, &retries,
					sizeof(retries)) < 0)
			log_debug("no bound on the time of one address: %s", strerror(errno));
		return 0;
	}
	return rc;
}

void
dial_passed_over(const char *target, const char *reason, uint64_t now_ns)
{
	static _Atomic uint64_t due;
	uint64_t was = atomic_load(&due);

	if (now_ns < was || !atomic_compare_exchange_strong(&due, &was, now_ns + 60 * NS_PER_S))
		return;
	log_warn("target address not reached target=%s cause=%s", target, log_quote(reason).text);
}
