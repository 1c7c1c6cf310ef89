/* SPDX-License-Identifier: MIT
 *
 * Configuration and policy: loaded together, replaced together or not at all.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "proxy/channel_send.h"
#include "proxy/notify.h"
#include "proxy/policy_state.h"
#include "proxy/server_internal.h"

#include <errno.h>
#include <stdlib.h>

struct epoch *
server_epoch(struct server *s)
{
	struct epoch *e;

	pthread_mutex_lock(&s->epoch_lock);
	e = epoch_ref(s->epoch);
	pthread_mutex_unlock(&s->epoch_lock);
	return e;
}

/* TLS is required off loopback: keys and rows would travel in the clear. The configuration's reader
 * says so with the line; this is the last check before a socket is bound. */
static bool
listeners_safe(const struct config *c, struct buf *said)
{
	const struct endpoint *all[] = {&c->listen_postgres, &c->listen_admin};

	if (!c->listen_postgres.addr_len) {
		buf_puts(said, "nothing to do: the configuration has no `listen postgres`\n");
		return false;
	}
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (all[i]->addr_len && !all[i]->loopback && !c->tls_cert) {
			buf_printf(said,
				   "listening on %s needs TLS, because it is not a loopback "
				   "address: add `tls cert \"...\" key \"...\"`\n",
				   all[i]->text);
			return false;
		}
	return true;
}

static bool
channels_known(const struct epoch *e, struct buf *said)
{
	const struct image_rule *r = epoch_lost_channel(e);

	for (size_t i = 0; i < e->config.n_channels; i++) {
		const char *why = channel_problem(&e->config.channels[i]);

		if (!why)
			continue;
		buf_printf(said, "channel \"%s\": %s\n", e->config.channels[i].name, why);
		return false;
	}
	if (!r)
		return true;
	buf_printf(said,
		   "rule \"%.*s\" of the policy notifies the channel \"%.*s\", which the "
		   "configuration does not have: add `channel %.*s webhook \"https://...\"`\n",
		   SLICE_ARG(r->name), SLICE_ARG(r->channel), SLICE_ARG(r->channel));
	return false;
}

static int32_t *
channel_numbers(const struct config *c)
{
	int32_t *ids = calloc(c->n_channels + 1, sizeof(*ids));

	assert(ids != NULL);
	return ids;
}

bool
server_channels(struct server *s, struct epoch *e, struct buf *said)
{
	int32_t *ids = channel_numbers(&e->config);
	bool ok = channels_start(s->channels, &e->config, ids, said);

	if (ok)
		epoch_set_channels(e, ids);
	free(ids);
	return ok;
}

/* All channels but those of the epoch in force end. */
static void
keep_channels(struct server *s)
{
	const struct config *c = &s->epoch->config;
	int32_t *ids = channel_numbers(c);
	struct buf said = {0};

	/* They are there: nothing is started, and nothing can fail. */
	if (channels_start(s->channels, c, ids, &said))
		channels_keep(s->channels, ids, c->n_channels);
	free(ids);
	buf_fini(&said);
}

static bool
is_signer(const struct config *c, const struct image *img)
{
	for (size_t i = 0; i < c->n_signers; i++)
		if (img->is_signed && memcmp(c->signers[i], img->public_key, ED25519_PUB_LEN) == 0)
			return true;
	return false;
}

struct epoch *
server_load(struct server *s, struct config_text *text, struct buf *said)
{
	const struct server_loader *l = &s->options->loader;
	struct epoch *e = epoch_new();
	uint64_t least;

	*text = (struct config_text){0};
	if (!l->config(l->ctx, s->options->config_path, &e->arena, &e->config, said))
		goto fail;
	config_text_make(text, &e->config, s->mask_secret);
	if (!listeners_safe(&e->config, said) || !policy_state_least(&e->config, &least, said))
		goto fail;
	/* Where no signer is named, counters mean something from one reload to the next. And what
	 * is in force is not older than itself, whatever became of the file. */
	if (s->epoch && (e->config.n_signers == 0 || is_signer(&e->config, s->epoch->image)) &&
	    least < s->epoch->image->counter)
		least = s->epoch->image->counter;
	if (!l->policy(l->ctx, &e->config, least, &e->arena, &e->image, said))
		goto fail;
	if (!epoch_open_tls(e, said) || !channels_known(e, said))
		goto fail;
	return e;
fail:
	epoch_unref(e);
	return NULL;
}

/* What only a restart can change must not have changed. */
static bool
same_fixed(const struct config_text *was, const struct config_text *is, struct buf *said)
{
	struct buf diff = {0};
	bool same;

	config_text_diff(buf_slice(&was->fixed), buf_slice(&is->fixed), &diff);
	same = diff.n == 0;
	/* The order of targets is their number, which sessions and catalogs go by. */
	if (same && !slice_eq(buf_slice(&was->fixed), buf_slice(&is->fixed))) {
		buf_puts(said, "the order of the targets changed\n");
		same = false;
	}
	buf_put_slice(said, buf_slice(&diff));
	if (!same)
		buf_puts(said, "this needs a restart of the gateway: listeners, state folder, "
			       "targets, \"limit workers\" and \"limit connections\" do not "
			       "change in a reload\n");
	buf_fini(&diff);
	return same;
}

static void
install(struct server *s, struct epoch *e, struct config_text *text)
{
	struct epoch *was = s->epoch;

	pthread_mutex_lock(&s->epoch_lock);
	s->epoch = e;
	pthread_mutex_unlock(&s->epoch_lock);
	server_review_approvals(s);
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_post_epoch(s->workers[i], epoch_ref(e));
	catalog_reader_epoch(s->reader, e);
	/* What its data classes cover is noted before anybody renames it. */
	for (size_t i = 0; i < e->config.n_targets; i++)
		catalog_reader_want(s->reader, i);
	config_text_fini(&s->text);
	s->text = *text;
	*text = (struct config_text){0};
	epoch_unref(was);
}

/* The new epoch is recorded before anything is decided under it. */
static bool
record_reload(struct server *s, struct epoch *e, const struct config_text *text)
{
	return server_record_config(s, &s->text, text, "SIGHUP", false) &&
	       server_record_policy(s, s->epoch, e, NULL);
}

static void
refuse(struct server *s, struct epoch *e, const struct config_text *text, struct buf *said)
{
	bool recorded;

	s->refused_reloads++;
	buf_putc(said, 0);
	recorded = server_record_config(s, &s->text, text->fixed.n ? text : NULL, "SIGHUP", true) &&
		   server_record_policy(s, s->epoch, e, (const char *) said->p);
	said->n--;
	server_log_text(true, buf_slice(said));
	log_error("reload refused: the configuration and the policy in force stay%s",
		  recorded ? "" : " (and this could not be recorded)");
}

void
server_reload(struct server *s)
{
	struct buf said = {0}, policy = {0};
	struct config_text text;
	struct epoch *e;
	bool loaded = false;
	char why[256];

	notify_reloading();
	log_info("reload config=%s", s->options->config_path);
	e = server_load(s, &text, &said);
	if (!e || !same_fixed(&s->text, &text, &said)) {
		refuse(s, e, &text, &said);
		epoch_unref(e);
		goto out;
	}
	/* Where we listen is as it was, with the port that 0 stood for. */
	e->config.listen_postgres = s->listen;
	epoch_finish(e, s->mask_secret, s->epoch);
	if (!server_channels(s, e, &said) || !server_keep_policy(s, e, &said) ||
	    !policy_state_note(&e->config, e->image, &said)) {
		refuse(s, e, &text, &said);
		keep_channels(s);
		epoch_unref(e);
		goto out;
	}
	if (!record_reload(s, e, &text)) {
		log_error("reload refused: the audit log does not take its record; the "
			  "configuration and the policy in force stay");
		s->refused_reloads++;
		keep_channels(s);
		epoch_unref(e);
		goto out;
	}
	server_log_text(false, buf_slice(&said));
	install(s, e, &text);
	keep_channels(s);
	if (s->admin && admin_set_tls(s->admin, e->config.tls_cert, e->config.tls_key, why) != 0)
		log_error("admin listener: %s", why);
	s->certificate_at = 0;
	server_wake_retention(s);
	s->reloads++;
	loaded = true;
	server_describe_policy(e, &policy);
	log_info("reloaded %.*s", SLICE_ARG(buf_slice(&policy)));
out:
	notify_state(loaded ? "READY=1\nSTATUS=serving"
			    : "READY=1\nSTATUS=serving; the last reload was refused, see the log");
	config_text_fini(&text);
	buf_fini(&said);
	buf_fini(&policy);
}
