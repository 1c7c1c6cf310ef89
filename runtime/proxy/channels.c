/* SPDX-License-Identifier: MIT */
#include "proxy/channels.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/secret.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct notice {
	size_t n;
	uint8_t body[CHANNEL_NOTICE_MAX];
};

struct channel {
	struct channels *all;
	const struct config_channel *config;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* of the queue and what follows */
	pthread_cond_t news;
	struct notice *queue; /* ring of CHANNEL_QUEUE */
	size_t first, n;
	uint64_t sent, lost;
	uint64_t overflowed; /* lost because the queue was full, and not told yet */
	bool stopping;
	uint64_t stop_at; /* mono */
	/* The thread's own. */
	uint64_t untold, told_at;
	const char *why;
	struct notice now;
	char error[CURL_ERROR_SIZE];
};

struct channels {
	struct channels_hooks hooks;
	size_t n;
	struct channel v[];
};

void
channels_tell(struct channels *t, size_t channel, struct slice body)
{
	struct channel *c;

	if (!t)
		return;
	assert(channel < t->n);
	c = &t->v[channel];
	pthread_mutex_lock(&c->lock);
	if (c->n == CHANNEL_QUEUE || c->stopping || body.n > CHANNEL_NOTICE_MAX) {
		c->overflowed++;
	} else {
		struct notice *at = &c->queue[(c->first + c->n++) % CHANNEL_QUEUE];

		at->n = body.n;
		memcpy(at->body, body.p, body.n);
	}
	pthread_cond_signal(&c->news);
	pthread_mutex_unlock(&c->lock);
}

bool
channels_stats(struct channels *t, size_t channel, struct channel_stats *out)
{
	struct channel *c;

	if (!t || channel >= t->n)
		return false;
	c = &t->v[channel];
	pthread_mutex_lock(&c->lock);
	*out = (struct channel_stats){c->config->name, c->sent, c->lost + c->overflowed, c->n};
	pthread_mutex_unlock(&c->lock);
	return true;
}

/* ---- the channel's thread -------------------------------------------------------------------- */

static bool
is_over(struct channel *c)
{
	bool over;

	pthread_mutex_lock(&c->lock);
	over = c->stopping && clock_mono_ns() >= c->stop_at;
	pthread_mutex_unlock(&c->lock);
	return over;
}

/* Until `at`, something new (also an end) or at most a second. The lock is held. */
static void
wait_for_news(struct channel *c, uint64_t at)
{
	uint64_t now = clock_mono_ns(), ns = NS_PER_S;
	struct timespec ts;

	if (at && at < now + ns)
		ns = at > now ? at - now : 0;
	/* The condition knows another clock than we do. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ns += (uint64_t) ts.tv_nsec;
	ts.tv_sec += (time_t) (ns / NS_PER_S);
	ts.tv_nsec = (long) (ns % NS_PER_S);
	pthread_cond_timedwait(&c->news, &c->lock, &ts);
}

/* Losses, gathered: at most one record a second. */
static void
tell_losses(struct channel *c, bool last)
{
	uint64_t now = clock_mono_ns(), n;

	pthread_mutex_lock(&c->lock);
	if (c->overflowed)
		c->why = c->stopping ? "the gateway stops" : "the queue is full";
	c->untold += c->overflowed;
	c->lost += c->overflowed;
	c->overflowed = 0;
	pthread_mutex_unlock(&c->lock);
	n = c->untold;
	if (!n || (!last && c->told_at && now - c->told_at < NS_PER_S))
		return;
	c->untold = 0;
	c->told_at = now;
	c->all->hooks.lost(c->all->hooks.ctx, c->config->name, n, c->why);
}

static void
lose(struct channel *c, const char *why)
{
	pthread_mutex_lock(&c->lock);
	c->lost++;
	pthread_mutex_unlock(&c->lock);
	c->untold++;
	c->why = why;
}

/* What they answer is of no interest, and may be long. */
static size_t
ignore(char *p UNUSED, size_t size, size_t n, void *ctx)
{
	size_t *got = ctx;

	*got += size * n;
	return *got > 65536 ? 0 : size * n;
}

static int
progress(void *ctx, curl_off_t dt UNUSED, curl_off_t dn UNUSED, curl_off_t ut UNUSED,
	 curl_off_t un UNUSED)
{
	return is_over(ctx);
}

/* Weir-Signature: t=SECONDS,v1=HEX: HMAC-SHA-256 of the seconds, a dot and the body. */
static struct curl_slist *
headers_of(const struct channel *c)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	struct buf said = {0}, line = {0};
	uint8_t mac[SHA256_LEN];
	unsigned long long now = clock_wall_ns() / NS_PER_S;

	/* No wait for a 100 Continue that nobody sends. */
	list = curl_slist_append(list, "Expect:");
	if (!c->config->secret)
		return list;
	buf_printf(&said, "%llu.", now);
	buf_put_slice(&said, slice_of(c->now.body, c->now.n));
	hmac_sha256(mac, slice_str(c->config->secret), buf_slice(&said));
	buf_printf(&line, "Weir-Signature: t=%llu,v1=", now);
	hex_put(&line, slice_of(mac, sizeof(mac)));
	buf_putc(&line, 0);
	assert(!said.failed && !line.failed);
	list = curl_slist_append(list, (char *) line.p);
	buf_fini(&said);
	buf_fini(&line);
	return list;
}

enum outcome { SENT, AGAIN, NEVER };

static enum outcome
post(struct channel *c, CURL *curl)
{
	struct curl_slist *headers = headers_of(c);
	size_t got = 0;
	long status = 0;
	CURLcode rc;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, c->config->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) CHANNEL_CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) CHANNEL_ANSWER_MS);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *) c->now.body);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) c->now.n);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &got);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->error);
	if (c->config->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, c->config->ca_file);
	c->error[0] = 0;
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (status >= 200 && status < 300 && (rc == CURLE_OK || rc == CURLE_WRITE_ERROR))
		return SENT;
	/* curl's own words may quote the address, which may be a secret. */
	if (rc == CURLE_OK)
		snprintf(c->error, sizeof(c->error), "it answers with status %ld", status);
	else
		snprintf(c->error, sizeof(c->error), "%s", curl_easy_strerror(rc));
	/* It understood, and does not want it. */
	return status >= 300 && status < 500 && status != 408 && status != 429 ? NEVER : AGAIN;
}

/* The pause before the next attempt; new notices do not shorten it. */
static void
pause_for(struct channel *c, uint64_t ns)
{
	uint64_t until = clock_mono_ns() + ns;

	while (clock_mono_ns() < until) {
		pthread_mutex_lock(&c->lock);
		if (c->stopping) {
			pthread_mutex_unlock(&c->lock);
			return;
		}
		wait_for_news(c, until);
		pthread_mutex_unlock(&c->lock);
		tell_losses(c, false);
	}
}

static void
deliver(struct channel *c, CURL *curl)
{
	uint64_t pause = NS_PER_S;

	for (int i = 1;; i++, pause *= 2) {
		enum outcome o = is_over(c) ? NEVER : post(c, curl);
		bool stopping;

		pthread_mutex_lock(&c->lock);
		c->sent += o == SENT;
		stopping = c->stopping;
		pthread_mutex_unlock(&c->lock);
		if (o == SENT)
			return;
		if (o == AGAIN && i < CHANNEL_ATTEMPTS && !stopping) {
			log_warn("channel=%s attempt=%d error=\"%s\"", c->config->name, i, c->error);
			pause_for(c, pause);
			continue;
		}
		lose(c, c->error[0] ? c->error : "the gateway stops");
		return;
	}
}

static bool
take(struct channel *c)
{
	bool got;

	pthread_mutex_lock(&c->lock);
	if (!c->n && !c->stopping)
		wait_for_news(c, 0);
	got = c->n > 0;
	if (got) {
		c->now = c->queue[c->first];
		c->first = (c->first + 1) % CHANNEL_QUEUE;
		c->n--;
	}
	pthread_mutex_unlock(&c->lock);
	return got;
}

static bool
has_ended(struct channel *c)
{
	bool ended;

	pthread_mutex_lock(&c->lock);
	ended = c->stopping && !c->n;
	pthread_mutex_unlock(&c->lock);
	return ended;
}

static void *
run(void *ctx)
{
	struct channel *c = ctx;
	CURL *curl = curl_easy_init();

	assert(curl != NULL);
	do {
		if (take(c))
			deliver(c, curl);
		tell_losses(c, false);
	} while (!has_ended(c));
	tell_losses(c, true);
	curl_easy_cleanup(curl);
	return NULL;
}

/* ---- open and close -------------------------------------------------------------------------- */

static bool
start(struct channels *t, size_t i, const struct config_channel *config)
{
	struct channel *c = &t->v[i];
	pthread_condattr_t attr;

	*c = (struct channel){.all = t, .config = config};
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->news, &attr);
	pthread_condattr_destroy(&attr);
	t->n = i + 1;
	c->queue = calloc(CHANNEL_QUEUE, sizeof(*c->queue));
	c->started = c->queue && pthread_create(&c->thread, NULL, run, c) == 0;
	return c->started;
}

bool
channels_open(struct channels **out, const struct config *config, const struct channels_hooks *h,
	      struct buf *error)
{
	struct channels *t;

	*out = NULL;
	if (!config->n_channels)
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		buf_puts(error, "channels: libcurl does not start\n");
		return false;
	}
	t = calloc(1, sizeof(*t) + config->n_channels * sizeof(t->v[0]));
	assert(t != NULL);
	t->hooks = *h;
	*out = t;
	for (size_t i = 0; i < config->n_channels; i++)
		if (!start(t, i, &config->channels[i])) {
			buf_printf(error, "channel %s: its thread does not start\n",
				   config->channels[i].name);
			return false;
		}
	return true;
}

void
channels_close(struct channels *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		struct channel *c = &t->v[i];

		pthread_mutex_lock(&c->lock);
		c->stopping = true;
		c->stop_at = clock_mono_ns() + CHANNEL_DRAIN_MS * NS_PER_MS;
		pthread_cond_signal(&c->news);
		pthread_mutex_unlock(&c->lock);
	}
	for (size_t i = 0; i < t->n; i++) {
		struct channel *c = &t->v[i];

		if (c->started)
			pthread_join(c->thread, NULL);
		pthread_cond_destroy(&c->news);
		pthread_mutex_destroy(&c->lock);
		free(c->queue);
	}
	free(t);
}
