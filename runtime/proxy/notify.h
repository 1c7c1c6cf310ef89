/* SPDX-License-Identifier: MIT
 *
 * Tells the service manager how we are: the sd_notify(3) protocol, which is one datagram to the
 * socket named in NOTIFY_SOCKET. Without that variable nothing happens.
 */
#ifndef WEIR_PROXY_NOTIFY_H
#define WEIR_PROXY_NOTIFY_H

#include <stdint.h>

/* Lines as sd_notify takes them: "READY=1\nSTATUS=...". Trouble is ignored: nobody listens then. */
void notify_state(const char *lines);
/* RELOADING=1 with the monotonic time stamp that Type=notify-reload asks for. */
void notify_reloading(void);
/* How often the manager wants WATCHDOG=1 at least; 0: it does not ask. */
uint64_t notify_watchdog_ns(void);

#endif
