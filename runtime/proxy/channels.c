/* SPDX-License-Identifier: MIT */
#include "proxy/channels.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "proxy/channel_send.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct notice {
	size_t n;
	uint8_t body[CHANNEL_NOTICE_MAX];
};

struct channel {
	struct channel *next;
	struct channels *all;
	int32_t id;
	struct config_channel config; /* strings of its own */
	pthread_t thread;
	pthread_mutex_t lock; /* of the queue and what follows */
	pthread_cond_t news;
	struct notice *queue; /* ring of CHANNEL_QUEUE; NULL: it has ended */
	size_t first, n;
	uint64_t sent, lost;
	uint64_t overflowed; /* lost because the queue was full, and not told yet */
	uint64_t retire_at;  /* mono: no configuration has it any more; 0: one has */
	bool stopping;
	uint64_t stop_at; /* mono */
	/* The thread's own. */
	uint64_t untold, told_at;
	const char *why;
	struct notice now;
	struct channel_attempt attempt;
};

struct channels {
	struct channels_hooks hooks;
	pthread_mutex_t lock; /* of the list; before a channel's */
	struct channel *first, **last;
	int32_t next_id;
	uint64_t sent, lost; /* of those that are gone */
};

/* t->lock is held. */
static struct channel *
find(struct channels *t, int32_t id)
{
	struct channel *c = t->first;

	while (c && c->id != id)
		c = c->next;
	return c;
}

static void
put(struct channel *c, struct slice body)
{
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

void
channels_tell(struct channels *t, int32_t id, struct slice body)
{
	struct channel *c;

	pthread_mutex_lock(&t->lock);
	c = find(t, id);
	if (c)
		put(c, body);
	else
		t->lost++; /* a session that has not heard of the reload yet */
	pthread_mutex_unlock(&t->lock);
}

void
channels_stats(struct channels *t, struct channel_stats *out)
{
	pthread_mutex_lock(&t->lock);
	*out = (struct channel_stats){t->sent, t->lost, 0};
	for (struct channel *c = t->first; c; c = c->next) {
		pthread_mutex_lock(&c->lock);
		out->sent += c->sent;
		out->lost += c->lost + c->overflowed;
		out->waiting += c->n;
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

/* ---- the channel's thread -------------------------------------------------------------------- */

static bool
is_over(void *ctx)
{
	struct channel *c = ctx;
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

static const char *
ending(const struct channel *c)
{
	return c->retire_at ? "the configuration has it no more" : "the gateway stops";
}

/* Losses, gathered: at most one record a second. */
static void
tell_losses(struct channel *c, bool last)
{
	uint64_t now = clock_mono_ns(), n;

	pthread_mutex_lock(&c->lock);
	if (c->overflowed)
		c->why = c->stopping ? ending(c) : "the queue is full";
	c->untold += c->overflowed;
	c->lost += c->overflowed;
	c->overflowed = 0;
	pthread_mutex_unlock(&c->lock);
	n = c->untold;
	if (!n || (!last && c->told_at && now - c->told_at < NS_PER_S))
		return;
	c->untold = 0;
	c->told_at = now;
	c->all->hooks.lost(c->all->hooks.ctx, c->config.name, n, c->why);
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
deliver(struct channel *c)
{
	struct channel_attempt *a = &c->attempt;
	uint64_t pause = NS_PER_S;

	a->body = slice_of(c->now.body, c->now.n);
	a->error[0] = 0;
	for (int i = 1;; i++, pause *= 2) {
		enum channel_outcome o = is_over(c) ? CHANNEL_NEVER : channel_send(a);
		bool stopping;

		pthread_mutex_lock(&c->lock);
		c->sent += o == CHANNEL_SENT;
		stopping = c->stopping;
		pthread_mutex_unlock(&c->lock);
		if (o == CHANNEL_SENT)
			return;
		if (o == CHANNEL_AGAIN && i < CHANNEL_ATTEMPTS && !stopping) {
			log_warn("channel=%s attempt=%d error=\"%s\"", c->config.name, i, a->error);
			pause_for(c, pause);
			continue;
		}
		lose(c, a->error[0] ? a->error : ending(c));
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

/* The lock is held. */
static void
stop(struct channel *c)
{
	if (c->stopping)
		return;
	c->stopping = true;
	c->stop_at = clock_mono_ns() + CHANNEL_DRAIN_MS * NS_PER_MS;
	pthread_cond_signal(&c->news);
}

static bool
has_ended(struct channel *c)
{
	bool ended;

	pthread_mutex_lock(&c->lock);
	if (c->retire_at && clock_mono_ns() >= c->retire_at)
		stop(c);
	ended = c->stopping && !c->n;
	pthread_mutex_unlock(&c->lock);
	return ended;
}

static void *
run(void *ctx)
{
	struct channel *c = ctx;

	do {
		if (take(c))
			deliver(c);
		tell_losses(c, false);
	} while (!has_ended(c));
	tell_losses(c, true);
	channel_attempt_fini(&c->attempt);
	pthread_mutex_lock(&c->lock);
	free(c->queue);
	c->queue = NULL;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- the list -------------------------------------------------------------------------------- */

static const char *
copy(const char *s)
{
	char *out = s ? strdup(s) : NULL;

	assert(out != NULL || s == NULL);
	return out;
}

static void
wipe(const char *s)
{
	if (s)
		secret_wipe((void *) (uintptr_t) s, strlen(s));
	free((void *) (uintptr_t) s);
}

static void
channel_free(struct channel *c)
{
	wipe(c->config.name);
	wipe(c->config.url);
	wipe(c->config.ca_file);
	wipe(c->config.secret);
	pthread_cond_destroy(&c->news);
	pthread_mutex_destroy(&c->lock);
	free(c->queue);
	free(c);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static struct channel *
find_like(struct channels *t, const struct config_channel *want)
{
	for (struct channel *c = t->first; c; c = c->next)
		if (!c->retire_at && c->config.kind == want->kind &&
		    same(c->config.name, want->name) && same(c->config.url, want->url) &&
		    same(c->config.ca_file, want->ca_file) && same(c->config.secret, want->secret))
			return c;
	return NULL;
}

/* NULL: its thread does not start. */
static struct channel *
start(struct channels *t, const struct config_channel *config)
{
	struct channel *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	assert(c != NULL);
	c->all = t;
	c->config = (struct config_channel){
		.kind = config->kind, .name = copy(config->name), .url = copy(config->url),
		.ca_file = copy(config->ca_file), .secret = copy(config->secret)};
	c->attempt = (struct channel_attempt){.to = &c->config, .is_over = is_over, .ctx = c};
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->news, &attr);
	pthread_condattr_destroy(&attr);
	c->queue = calloc(CHANNEL_QUEUE, sizeof(*c->queue));
	if (!c->queue || pthread_create(&c->thread, NULL, run, c) != 0) {
		channel_free(c);
		return NULL;
	}
	c->id = t->next_id++;
	*t->last = c;
	t->last = &c->next;
	return c;
}

struct channels *
channels_new(const struct channels_hooks *h)
{
	struct channels *t = calloc(1, sizeof(*t));

	assert(t != NULL);
	t->hooks = *h;
	t->last = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

bool
channels_start(struct channels *t, const struct config *config, int32_t *ids, struct buf *error)
{
	bool ok = true;

	if (config->n_channels && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		buf_puts(error, "channels: libcurl does not start\n");
		return false;
	}
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; ok && i < config->n_channels; i++) {
		struct channel *c = find_like(t, &config->channels[i]);

		if (!c)
			c = start(t, &config->channels[i]);
		ok = c != NULL;
		if (ok)
			ids[i] = c->id;
		else
			buf_printf(error, "channel %s: its thread does not start\n",
				   config->channels[i].name);
	}
	pthread_mutex_unlock(&t->lock);
	return ok;
}

/* Ends those that have come to their end. t->lock is held. */
static void
reap(struct channels *t)
{
	struct channel **at = &t->first;

	while (*at) {
		struct channel *c = *at;
		bool ended;

		pthread_mutex_lock(&c->lock);
		ended = c->queue == NULL;
		pthread_mutex_unlock(&c->lock);
		if (!ended) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		pthread_join(c->thread, NULL);
		t->sent += c->sent;
		t->lost += c->lost + c->overflowed;
		channel_free(c);
	}
	t->last = at;
}

void
channels_keep(struct channels *t, const int32_t *ids, size_t n)
{
	uint64_t at = clock_mono_ns() + CHANNEL_DRAIN_MS * NS_PER_MS;

	pthread_mutex_lock(&t->lock);
	reap(t);
	for (struct channel *c = t->first; c; c = c->next) {
		bool kept = false;

		for (size_t i = 0; i < n; i++)
			kept = kept || ids[i] == c->id;
		pthread_mutex_lock(&c->lock);
		if (!kept && !c->retire_at)
			c->retire_at = at;
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

void
channels_close(struct channels *t)
{
	if (!t)
		return;
	for (struct channel *c = t->first; c; c = c->next) {
		pthread_mutex_lock(&c->lock);
		stop(c);
		pthread_mutex_unlock(&c->lock);
	}
	while (t->first) {
		struct channel *c = t->first;

		t->first = c->next;
		pthread_join(c->thread, NULL);
		channel_free(c);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}
