/* SPDX-License-Identifier: MIT
 *
 * Tells the service manager how we are: the sd_notify(3) protocol, which is one datagram to the
 * socket named in NOTIFY_SOCKET. Without that variable nothing happens.
 */
#ifndef WEIR_PROXY_NOTIFY_H
#define WEIR_PROXY_NOTIFY_H

/* Lines as sd_notify takes them: "READY=1\nSTATUS=...". Trouble is ignored: nobody listens then. */
void notify_state(const char *lines);
/* RELOADING=1 with the monotonic time stamp that Type=notify-reload asks for. */
void notify_reloading(void);

#endif
