/* SPDX-License-Identifier: MIT */
#include "proxy/channel_send.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

#include <curl/curl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 65536 };

static int
progress(void *ctx, curl_off_t dt UNUSED, curl_off_t dn UNUSED, curl_off_t ut UNUSED,
	 curl_off_t un UNUSED)
{
	struct channel_attempt *a = ctx;

	return a->is_over(a->ctx);
}

void
channel_secure(struct channel_attempt *a, void *curl)
{
	bool plain = strncmp(a->to->url, "https:", 6) != 0;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	/* A file that was replaced counts at once, not tomorrow. */
	curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) CHANNEL_CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) CHANNEL_ANSWER_MS);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a);
	if (a->to->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, a->to->ca_file);
	/* What is not encrypted stays on this machine, whatever the environment says. */
	if (plain)
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

/* curl's own words may quote the address. */
void
channel_curl_error(struct channel_attempt *a, void *curl, int rc)
{
	long verified = 0;

	curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verified);
	/* What curl itself finds, the name, is none of OpenSSL's findings. */
	if (rc == CURLE_PEER_FAILED_VERIFICATION && verified != X509_V_OK &&
	    verified != X509_V_ERR_UNSPECIFIED)
		snprintf(a->error, sizeof(a->error), "its certificate is refused: %s",
			 X509_verify_cert_error_string(verified));
	else if (rc == CURLE_PEER_FAILED_VERIFICATION)
		snprintf(a->error, sizeof(a->error),
			 "its certificate is refused: it is not for that name");
	else
		snprintf(a->error, sizeof(a->error), "%s", curl_easy_strerror((CURLcode) rc));
}

/* ---- webhooks -------------------------------------------------------------------------------- */

/* What they answer is of no interest, and may be long. */
static size_t
ignore(char *p UNUSED, size_t size, size_t n, void *ctx)
{
	size_t *got = ctx;

	*got += size * n;
	return *got > ANSWER_MAX ? 0 : size * n;
}

/* Weir-Signature: t=SECONDS,v1=HEX: HMAC-SHA-256 of the seconds, a dot and the body. */
static struct curl_slist *
headers_of(const struct channel_attempt *a)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	struct buf said = {0}, line = {0};
	uint8_t mac[SHA256_LEN];
	unsigned long long now = clock_wall_ns() / NS_PER_S;

	/* No wait for a 100 Continue that nobody sends. */
	list = curl_slist_append(list, "Expect:");
	if (!a->to->secret)
		return list;
	buf_printf(&said, "%llu.", now);
	buf_put_slice(&said, a->body);
	hmac_sha256(mac, slice_str(a->to->secret), buf_slice(&said));
	buf_printf(&line, "Weir-Signature: t=%llu,v1=", now);
	hex_put(&line, slice_of(mac, sizeof(mac)));
	buf_putc(&line, 0);
	assert(!said.failed && !line.failed);
	list = curl_slist_append(list, (char *) line.p);
	buf_fini(&said);
	buf_fini(&line);
	return list;
}

static enum channel_outcome
post(struct channel_attempt *a)
{
	struct curl_slist *headers = headers_of(a);
	size_t got = 0;
	long status = 0;
	CURL *curl;
	CURLcode rc;

	if (!a->curl)
		a->curl = curl_easy_init();
	curl = a->curl;
	assert(curl != NULL);
	curl_easy_reset(curl);
	channel_secure(a, curl);
	curl_easy_setopt(curl, CURLOPT_URL, a->to->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *) a->body.p);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) a->body.n);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (status >= 200 && status < 300 && (rc == CURLE_OK || rc == CURLE_WRITE_ERROR))
		return CHANNEL_SENT;
	if (rc == CURLE_OK)
		snprintf(a->error, sizeof(a->error), "it answers with status %ld", status);
	else
		channel_curl_error(a, curl, rc);
	/* It understood, and does not want it. */
	return status >= 300 && status < 500 && status != 408 && status != 429 ? CHANNEL_NEVER
									       : CHANNEL_AGAIN;
}

/* ---- the gateway's log ----------------------------------------------------------------------- */

static enum channel_outcome
put_log(struct channel_attempt *a)
{
	struct buf line = {0};
	bool written;

	buf_printf(&line, "notice channel=%s ", a->to->name);
	buf_put_slice(&line, a->body);
	written = !line.failed && log_whole(buf_slice(&line));
	buf_fini(&line);
	if (written)
		return CHANNEL_SENT;
	snprintf(a->error, sizeof(a->error), "the log takes no more");
	return CHANNEL_NEVER;
}

/* ---- either ---------------------------------------------------------------------------------- */

static bool
is_here(const char *host)
{
	return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0 ||
	       strcmp(host, "[::1]") == 0;
}

/* The configuration's reader looks at how it begins; here it is taken apart as it will be used. */
const char *
channel_problem(const struct config_channel *to)
{
	const char *why = NULL;
	char *scheme = NULL, *host = NULL, *port = NULL;
	CURLU *u;

	if (to->kind == CHANNEL_LOG || (to->kind == CHANNEL_SYSLOG && to->url[0] == '/'))
		return NULL;
	u = curl_url();
	assert(u != NULL);
	if (curl_url_set(u, CURLUPART_URL, to->url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		why = "its address is none";
	else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "tls") != 0 && !is_here(host))
		why = "its address is not encrypted, and leads to another machine";
	else if (to->kind == CHANNEL_SYSLOG && strcmp(scheme, "udp") != 0 &&
		 curl_url_get(u, CURLUPART_PORT, &port, 0) != CURLUE_OK)
		why = "its address has no port";
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return why;
}

enum channel_outcome
channel_send(struct channel_attempt *a)
{
	a->error[0] = 0;
	switch (a->to->kind) {
	case CHANNEL_WEBHOOK:
		return post(a);
	case CHANNEL_SYSLOG:
		return channel_syslog(a);
	case CHANNEL_LOG:
		return put_log(a);
	}
	return CHANNEL_NEVER;
}

void
channel_attempt_fini(struct channel_attempt *a)
{
	curl_easy_cleanup(a->curl);
	a->curl = NULL;
}
