/* SPDX-License-Identifier: MIT */
#include "proxy/dial.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/tcp.h>

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
