/* SPDX-License-Identifier: MIT
 *
 * Notices as messages of RFC 5424: one datagram to a socket of this machine (or UDP to it), or a
 * frame that begins with its length (RFC 6587) by TCP to this machine or by TLS to any (RFC 5425).
 * Nobody answers: what was handed over counts as sent.
 */
#include "base/clock.h"
#include "proxy/channel_send.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FACILITY = 13 /* log audit */, WARNING = 4, NOTICE = 5 };

/* A member of the notice whose value needs no unescaping. */
static bool
says(struct slice body, const char *member)
{
	return memmem(body.p, body.n, member, strlen(member)) != NULL;
}

/* <PRI>1 TIME HOST weir PID MSGID - JSON */
static void
put_message(struct buf *b, struct slice body)
{
	bool refused = says(body, "\"verdict\":\"deny\""), held = says(body, "\"event\":\"held\"");
	char when[28], host[256] = "-";

	clock_format(clock_wall_ns(), when);
	if (gethostname(host, sizeof(host) - 1) != 0 || !host[0])
		snprintf(host, sizeof(host), "-");
	buf_printf(b, "<%d>1 %s %s weir %d %s - ",
		   FACILITY * 8 + (refused || held ? WARNING : NOTICE), when, host, (int) getpid(),
		   held ? "held" : refused ? "refused" : "notice");
	buf_put_slice(b, body);
}

static enum channel_outcome
failed(struct channel_attempt *a, const char *what, int err)
{
	snprintf(a->error, sizeof(a->error), "%s: %s", what, strerror(err));
	return CHANNEL_AGAIN;
}

static enum channel_outcome
datagram(struct channel_attempt *a, const struct sockaddr *to, socklen_t n, struct slice message)
{
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t sent = -1;
	int err;

	if (fd < 0)
		return failed(a, "socket", errno);
	/* Connected, so that a refusal of the one before is told. */
	if (connect(fd, to, n) == 0 && poll(&p, 1, CHANNEL_CONNECT_MS) == 1)
		sent = send(fd, message.p, message.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	err = errno ? errno : EAGAIN;
	close(fd);
	return sent == (ssize_t) message.n ? CHANNEL_SENT : failed(a, "the syslog's socket", err);
}

static enum channel_outcome
to_socket(struct channel_attempt *a, struct slice message)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(a->to->url);

	if (n >= sizeof(to.sun_path))
		return failed(a, "the syslog's socket", ENAMETOOLONG);
	memcpy(to.sun_path, a->to->url, n);
	errno = 0;
	return datagram(a, (struct sockaddr *) &to,
			(socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + 1), message);
}

/* The address is one of this machine: no name is looked up elsewhere. */
static enum channel_outcome
to_udp(struct channel_attempt *a, struct slice message)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	char *host = NULL, *port = NULL;
	struct addrinfo *found = NULL;
	enum channel_outcome o = CHANNEL_NEVER;
	CURLU *u = curl_url();

	assert(u != NULL);
	snprintf(a->error, sizeof(a->error), "its address is none");
	if (curl_url_set(u, CURLUPART_URL, a->to->url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    (curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK || !port)) {
		const char *name = strcmp(host, "[::1]") == 0 ? "::1" : host;

		errno = 0;
		if (getaddrinfo(name, port ? port : "514", &hints, &found) == 0)
			o = datagram(a, found->ai_addr, found->ai_addrlen, message);
		if (found)
			freeaddrinfo(found);
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return o;
}

/* All of it, or the reason is in *rc. */
static bool
send_all(CURL *curl, struct slice bytes, curl_socket_t fd, CURLcode *rc)
{
	uint64_t until = clock_mono_ns() + CHANNEL_ANSWER_MS * NS_PER_MS;

	while (bytes.n) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		size_t sent = 0;

		*rc = curl_easy_send(curl, bytes.p, bytes.n, &sent);
		if (*rc == CURLE_AGAIN && poll(&p, 1, CHANNEL_ANSWER_MS) == 1 &&
		    clock_mono_ns() < until)
			continue;
		if (*rc != CURLE_OK)
			return false;
		bytes = slice_of(bytes.p + sent, bytes.n - sent);
	}
	return true;
}

/* curl only connects, and checks the certificate as it does for a webhook. */
static enum channel_outcome
to_stream(struct channel_attempt *a, struct slice message)
{
	bool tls = strncmp(a->to->url, "tls:", 4) == 0;
	const struct config_channel *to = a->to;
	struct config_channel as = *to;
	curl_socket_t fd = CURL_SOCKET_BAD;
	CURL *curl = curl_easy_init();
	struct buf url = {0}, frame = {0};
	CURLcode rc;

	assert(curl != NULL);
	buf_printf(&url, "%s%s%c", tls ? "https" : "http", to->url + 3, 0);
	as.url = (const char *) url.p;
	a->to = &as;
	channel_secure(a, curl);
	a->to = to;
	curl_easy_setopt(curl, CURLOPT_URL, as.url);
	curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
	buf_printf(&frame, "%zu ", message.n);
	buf_put_slice(&frame, message);
	assert(!url.failed && !frame.failed);
	rc = curl_easy_perform(curl);
	if (rc == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
	if (rc != CURLE_OK || !send_all(curl, buf_slice(&frame), fd, &rc))
		channel_curl_error(a, curl, rc);
	curl_easy_cleanup(curl);
	buf_wipe(&url);
	buf_fini(&frame);
	return rc == CURLE_OK ? CHANNEL_SENT : CHANNEL_AGAIN;
}

enum channel_outcome
channel_syslog(struct channel_attempt *a)
{
	struct buf message = {0};
	enum channel_outcome o;

	put_message(&message, a->body);
	assert(!message.failed);
	if (a->to->url[0] == '/')
		o = to_socket(a, buf_slice(&message));
	else if (strncmp(a->to->url, "udp:", 4) == 0)
		o = to_udp(a, buf_slice(&message));
	else
		o = to_stream(a, buf_slice(&message));
	buf_fini(&message);
	return o;
}
