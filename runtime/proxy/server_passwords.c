/* SPDX-License-Identifier: MIT
 *
 * The password of a target's login was read again, because the target refused it. What it is the
 * workers are told by the target's catalog reader; that it is another one the main thread puts on
 * record, as it does when a reload brings one.
 */
#include "base/log.h"
#include "proxy/server_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* On the target's thread. As server_catalog_posted, it does not go through hooks_enter. */
void
server_password_posted(void *ctx, size_t target, struct password_news news)
{
	struct server *s = ctx;
	struct password_news *kept = &s->passwords[target];
	uint64_t one = 1;

	for (unsigned i = 0; i < s->n_workers; i++) {
		password_get(news.password);
		worker_post_password(s->workers[i], target, news);
	}
	pthread_mutex_lock(&s->epoch_lock);
	password_put(kept->password);
	*kept = news;
	s->passwords_changed = true;
	pthread_mutex_unlock(&s->epoch_lock);
	if (write(s->news, &one, sizeof(one)) != sizeof(one))
		return; /* it is readable already */
}

/* The configuration in force with the passwords that were read since, in `targets`. */
static void
with_passwords(struct server *s, struct config *c, struct config_target *targets,
	       struct password **held)
{
	memcpy(targets, c->targets, c->n_targets * sizeof(*targets));
	c->targets = targets;
	for (size_t i = 0; i < c->n_targets; i++) {
		const struct password_news *n = &s->passwords[i];

		if (n->epoch == s->epoch->number && n->password)
			held[i] = password_get(n->password);
		if (held[i])
			targets[i].password = held[i]->text;
	}
}

static void
record(struct server *s, const struct config *c)
{
	struct config_text text;

	config_text_make(&text, c, s->mask_secret);
	if (slice_eq(buf_slice(&text.live), buf_slice(&s->text.live))) {
		config_text_fini(&text);
		return;
	}
	if (!server_record_config(s, &s->text, &text, "refused password, read again", false))
		log_error("audit record=config.change not recorded: the password of a target is "
			  "another one");
	config_text_fini(&s->text);
	s->text = text;
}

void
server_record_passwords(struct server *s)
{
	struct config c = s->epoch->config;
	struct config_target *targets;
	struct password **held;
	bool changed;

	pthread_mutex_lock(&s->epoch_lock);
	changed = s->passwords_changed;
	s->passwords_changed = false;
	pthread_mutex_unlock(&s->epoch_lock);
	if (!changed)
		return;
	targets = calloc(c.n_targets, sizeof(*targets));
	held = calloc(c.n_targets, sizeof(struct password *));
	assert(targets != NULL && held != NULL);
	pthread_mutex_lock(&s->epoch_lock);
	with_passwords(s, &c, targets, held);
	pthread_mutex_unlock(&s->epoch_lock);
	record(s, &c);
	for (size_t i = 0; i < c.n_targets; i++)
		password_put(held[i]);
	free(held);
	free(targets);
}

void
server_free_passwords(struct server *s)
{
	for (size_t i = 0; s->passwords && i < s->epoch->config.n_targets; i++)
		password_put(s->passwords[i].password);
	free(s->passwords);
}
