/* SPDX-License-Identifier: MIT */
#include "config/config_text.h"

#include "base/secret.h"

#include <stdlib.h>

enum { FINGERPRINT = 6 };

static void
put_secret(struct buf *out, const uint8_t key[SHA256_LEN], const char *of, const char *name,
	   const char *secret)
{
	struct buf said = {0};
	uint8_t mac[SHA256_LEN];

	if (!secret) {
		buf_puts(out, "none");
		return;
	}
	/* In one piece: growing would leave copies behind. */
	buf_reserve(&said, 64 + strlen(of) + strlen(name) + strlen(secret));
	buf_printf(&said, "weir-config-1%c%s%c%s%c%s", 0, of, 0, name, 0, secret);
	hmac_sha256(mac, slice_of(key, SHA256_LEN), buf_slice(&said));
	buf_putc(out, '#');
	hex_put(out, slice_of(mac, FINGERPRINT));
	buf_wipe(&said);
}

static const char *
or_none(const char *s)
{
	return s ? s : "none";
}

/* The address of a webhook is often all that it takes to write to it: a secret. */
static void
put_channels(struct buf *out, const struct config *c, const uint8_t key[SHA256_LEN])
{
	static const char *const kinds[] = {
		[CHANNEL_WEBHOOK] = "webhook", [CHANNEL_SYSLOG] = "syslog", [CHANNEL_LOG] = "log"};

	for (size_t i = 0; i < c->n_channels; i++) {
		const struct config_channel *ch = &c->channels[i];

		buf_printf(out, "channel %s %s ", ch->name, kinds[ch->kind]);
		put_secret(out, key, "webhook", ch->name, ch->url);
		buf_printf(out, " ca %s secret ", or_none(ch->ca_file));
		put_secret(out, key, "channel", ch->name, ch->secret);
		buf_putc(out, '\n');
	}
}

static void
put_fixed(struct buf *out, const struct config *c)
{
	static const char *const tls[] = {"off", "prefer", "require", "verify-full"};

	if (c->listen_postgres.addr_len)
		buf_printf(out, "listen postgres %s\n", c->listen_postgres.text);
	if (c->listen_admin.addr_len)
		buf_printf(out, "listen admin %s\n", c->listen_admin.text);
	buf_printf(out, "state %s\n", c->state_path);
	buf_printf(out, "limit workers %u\n", c->workers);
	buf_printf(out, "limit connections %u\n", c->max_connections);
	for (size_t i = 0; i < c->n_targets; i++) {
		const struct config_target *t = &c->targets[i];

		buf_printf(out, "target %s address %s database %s login %s tls %s ca %s\n", t->name,
			   t->address.text, t->database, or_none(t->login), tls[t->tls],
			   or_none(t->ca_file));
	}
}

static void
put_retention(struct buf *out, const struct config *c)
{
	buf_printf(out, "retention %s", c->retention ? c->retention : "forever");
	for (size_t i = 0; i < c->n_hold_groups; i++)
		buf_printf(out, "%s%.*s", i ? "," : " holds ", SLICE_ARG(c->hold_groups[i]));
	buf_putc(out, '\n');
}

static void
put_live(struct buf *out, const struct config *c, const uint8_t key[SHA256_LEN])
{
	static const char *const kinds[] = {"human", "service", "agent"};
	static const char *const pools[] = {"none", "session", "transaction"};

	buf_printf(out, "policy %s", c->policy_path);
	for (size_t i = 0; i < c->n_signers; i++) {
		buf_puts(out, i ? ", " : " signed-by ");
		hex_put(out, slice_of(c->signers[i], sizeof(c->signers[i])));
	}
	buf_putc(out, '\n');
	buf_printf(out, "tls cert %s key %s\n", or_none(c->tls_cert), or_none(c->tls_key));
	buf_printf(out, "limit message %zu\n", c->max_message_bytes);
	buf_printf(out, "limit login %us\n", c->login_seconds);
	buf_printf(out, "limit drain %us\n", c->drain_seconds);
	buf_printf(out, "limit notice %us\n", c->notice_seconds);
	buf_printf(out, "limit catalog %us\n", c->catalog_seconds);
	put_retention(out, c);
	for (size_t i = 0; i < c->n_targets; i++) {
		const struct config_pool *p = &c->targets[i].pool;

		buf_printf(out, "target %s password ", c->targets[i].name);
		put_secret(out, key, "target", c->targets[i].name, c->targets[i].password);
		buf_printf(out, "\ntarget %s pool %s", c->targets[i].name, pools[p->mode]);
		if (p->mode != POOL_NONE)
			buf_printf(out, " size %u queue %u wait %u idle %u max-prepared %u", p->size,
				   p->queue, p->wait_seconds, p->idle_seconds, p->max_prepared);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < c->n_principals; i++) {
		const struct config_principal *p = &c->principals[i];

		buf_printf(out, "principal %s kind %s groups", p->name, kinds[p->kind]);
		for (size_t g = 0; g < p->n_groups; g++)
			buf_printf(out, "%s%.*s", g ? "," : " ", SLICE_ARG(p->groups[g]));
		buf_puts(out, " key ");
		put_secret(out, key, "principal", p->name, p->key);
		buf_putc(out, '\n');
	}
	put_channels(out, c, key);
}

void
config_text_make(struct config_text *t, const struct config *c, const uint8_t key[SHA256_LEN])
{
	*t = (struct config_text){0};
	put_fixed(&t->fixed, c);
	put_live(&t->live, c, key);
	assert(!t->fixed.failed && !t->live.failed);
}

void
config_text_fini(struct config_text *t)
{
	buf_fini(&t->fixed);
	buf_fini(&t->live);
}

void
config_text_digest(const struct config_text *t, uint8_t out[SHA256_LEN])
{
	const struct slice parts[] = {buf_slice(&t->fixed), buf_slice(&t->live)};

	sha256v(out, parts, COUNT_OF(parts));
}

struct lines {
	struct slice *v;
	size_t n;
};

static int
line_cmp(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static struct lines
split(struct slice text)
{
	struct lines l = {0};
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	l.v = calloc(n, sizeof(*l.v));
	assert(l.v != NULL);
	for (size_t from = 0, i = 0; i < text.n; i++) {
		if (text.p[i] != '\n')
			continue;
		l.v[l.n++] = slice_of(text.p + from, i - from);
		from = i + 1;
	}
	return l;
}

static void
put_missing(struct buf *out, char sign, struct slice text, struct lines other)
{
	struct lines mine = split(text);

	for (size_t i = 0; i < mine.n; i++)
		if (!bsearch(&mine.v[i], other.v, other.n, sizeof(*other.v), line_cmp))
			buf_printf(out, "%c%.*s\n", sign, SLICE_ARG(mine.v[i]));
	free(mine.v);
}

void
config_text_diff(struct slice was, struct slice is, struct buf *out)
{
	struct lines a = split(was), b = split(is);

	qsort(a.v, a.n, sizeof(*a.v), line_cmp);
	qsort(b.v, b.n, sizeof(*b.v), line_cmp);
	put_missing(out, '-', was, b);
	put_missing(out, '+', is, a);
	free(a.v);
	free(b.v);
}
