/* SPDX-License-Identifier: MIT */
#include "gate/epoch.h"

#include "base/secret.h"

#include <stdlib.h>

struct epoch *
epoch_new(void)
{
	static atomic_ulong last;
	struct epoch *e = calloc(1, sizeof(*e));

	assert(e != NULL);
	atomic_init(&e->refs, 1);
	e->number = atomic_fetch_add(&last, 1) + 1;
	arena_init(&e->arena, 0);
	return e;
}

bool
epoch_open_tls(struct epoch *e, struct buf *said)
{
	const struct config *c = &e->config;
	char why[256];

	if (c->tls_cert) {
		e->tls = tls_server(c->tls_cert, c->tls_key, why, sizeof(why));
		if (!e->tls) {
			buf_printf(said, "tls: %s\n", why);
			return false;
		}
		tls_set_protocol(e->tls, "postgresql");
	}
	e->target_tls = ARENA_ARRAY(&e->arena, struct tls_context *, c->n_targets + 1);
	for (size_t i = 0; i < c->n_targets; i++) {
		const struct config_target *t = &c->targets[i];

		if (t->tls == TLS_OFF)
			continue;
		e->target_tls[i] =
			tls_client(t->tls == TLS_VERIFY_FULL, t->ca_file, why, sizeof(why));
		if (!e->target_tls[i]) {
			buf_printf(said, "target %s: tls: %s\n", t->name, why);
			return false;
		}
	}
	return true;
}

static void
derive_masks(struct epoch *e, const uint8_t secret[SHA256_LEN])
{
	const struct image *img = e->image;
	uint8_t key[SHA256_LEN];

	/* Keyed per policy by its name, not its digest: pseudonyms survive an edit of the
	 * policy. */
	hmac_sha256(key, slice_of(secret, SHA256_LEN), img->policy);
	mask_key_init(&e->mask_key, slice_of(key, sizeof(key)));
	secret_wipe(key, sizeof(key));
	hmac_sha256(e->record_key, slice_of(secret, SHA256_LEN), SLICE_LIT("weir record"));
	e->masks = ARENA_ARRAY(&e->arena, struct mask_spec, img->n_rules + 1);
	e->hidden = ARENA_ARRAY(&e->arena, struct mask_spec, img->n_rules + 1);
	for (size_t i = 0; i < img->n_rules; i++) {
		const struct image_mask *m = &img->rules[i].mask;

		if (img->rules[i].kind != VM_MASK)
			continue;
		e->masks[i] = (struct mask_spec){
			.kernel = m->kernel, .n = m->count, .text = m->text, .key = &e->mask_key};
		e->hidden[i] = mask_hidden(m->kernel, m->text);
	}
}

const struct image_rule *
epoch_lost_channel(const struct epoch *e)
{
	for (size_t i = 0; i < e->image->n_rules; i++)
		if (e->image->rules[i].channel.n &&
		    config_channel_find(&e->config, e->image->rules[i].channel) < 0)
			return &e->image->rules[i];
	return NULL;
}

void
epoch_set_channels(struct epoch *e, const int32_t *ids)
{
	const struct image *img = e->image;

	for (size_t i = 0; i < img->n_rules; i++) {
		int at = img->rules[i].shadow || !img->rules[i].channel.n
				 ? -1
				 : config_channel_find(&e->config, img->rules[i].channel);

		e->channels[i] = at < 0 || !ids ? -1 : ids[at];
	}
}

void
epoch_finish(struct epoch *e, const uint8_t mask_secret[SHA256_LEN], const struct epoch *was)
{
	const struct config *c = &e->config;

	derive_masks(e, mask_secret);
	limits_attach(e, was);
	e->channels = ARENA_ARRAY(&e->arena, int32_t, e->image->n_rules + 1);
	epoch_set_channels(e, NULL);
	e->reads_names = epoch_reads_names(e, true);
	for (size_t i = 0; i < e->image->n_rules; i++)
		e->holds = e->holds || (e->image->rules[i].kind == VM_HOLD &&
					!e->image->rules[i].shadow);
	random_bytes(e->mock_key, sizeof(e->mock_key));
	e->verifiers = ARENA_ARRAY(&e->arena, struct scram_verifier, c->n_principals + 1);
	for (size_t i = 0; i < c->n_principals; i++) {
		uint8_t salt[SCRAM_SALT];

		if (!c->principals[i].key)
			continue;
		random_bytes(salt, sizeof(salt));
		scram_verifier_derive(&e->verifiers[i], slice_str(c->principals[i].key), salt,
				      SCRAM_ITERATIONS);
	}
}

bool
epoch_reads_names(const struct epoch *e, bool with_masks)
{
	const struct image_entry *command = &e->image->entry[ENTRY_COMMAND];
	const struct image_entry *watch = &e->image->entry[ENTRY_WATCH];
	uint64_t names = UINT64_C(1) << FACT_TABLE | UINT64_C(1) << FACT_SCHEMA |
			 UINT64_C(1) << FACT_COLUMNS;

	/* An approval binds to what names meant. */
	for (size_t i = 0; i < e->image->n_rules; i++)
		if (!e->image->rules[i].shadow &&
		    (e->image->rules[i].kind == VM_HOLD ||
		     (with_masks && e->image->rules[i].kind == VM_MASK &&
		      e->image->rules[i].by_column)))
			return true;
	return (command->facts | watch->facts) & names || command->uses || watch->uses ||
	       e->image->shadow_shows;
}

struct epoch *
epoch_ref(struct epoch *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void
epoch_unref(struct epoch *e)
{
	if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
		return;
	limits_detach(e);
	for (size_t i = 0; e->target_tls && i < e->config.n_targets; i++)
		tls_context_free(e->target_tls[i]);
	tls_context_free(e->tls);
	config_wipe(&e->config);
	secret_wipe(&e->mask_key, sizeof(e->mask_key));
	secret_wipe(e->record_key, sizeof(e->record_key));
	arena_fini(&e->arena);
	free(e);
}

struct catalog_ref *
catalog_ref_new(struct catalog *c)
{
	struct catalog_ref *r = calloc(1, sizeof(*r));

	assert(r != NULL);
	atomic_init(&r->refs, 1);
	r->catalog = c;
	return r;
}

struct catalog_ref *
catalog_ref_get(struct catalog_ref *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void
catalog_ref_put(struct catalog_ref *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	catalog_free(r->catalog);
	former_free(r->former);
	free(r);
}

struct password *
password_new(struct slice text)
{
	struct password *p = calloc(1, sizeof(*p) + text.n + 1);

	assert(p != NULL);
	atomic_init(&p->refs, 1);
	memcpy(p->text, text.p, text.n);
	return p;
}

struct password *
password_get(struct password *p)
{
	if (p)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void
password_put(struct password *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	secret_wipe(p->text, strlen(p->text));
	free(p);
}
