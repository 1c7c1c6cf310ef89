/* SPDX-License-Identifier: MIT */
#include "cli/replay_was.h"

#include "audit/kept.h"
#include "cli/cli.h"
#include "compiler/rule_digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { OPEN_MAX = 16 }; /* images that are kept open, beside those that were given */

struct was_policy {
	uint8_t digest[SHA256_LEN];
	const char *given; /* its path; NULL: from the folder */
	bool missing, seen;
	bool open;
	uint64_t used;
	struct cli_policy file;	 /* of one that was given */
	struct arena arena;	 /* ... that was kept */
	struct told_policy told; /* while it is open */
};

/* ---- What rules say -------------------------------------------------------------------------- */

void
told_open(struct told_policy *p, const struct image *img)
{
	struct buf bytes = {0};

	*p = (struct told_policy){.image = img};
	p->rules = calloc(img->n_rules + 1, sizeof(*p->rules));
	assert(p->rules != NULL);
	for (size_t i = 0; i < img->n_rules; i++) {
		buf_reset(&bytes);
		rule_bytes(&bytes, img, i);
		p->rules[i] = XXH3_64bits(bytes.p, bytes.n);
		p->channels = p->channels || img->rules[i].channel.n;
	}
	buf_fini(&bytes);
}

void
told_close(struct told_policy *p)
{
	free(p->rules);
	*p = (struct told_policy){0};
}

static bool
has_rule(const struct told_policy *p, uint64_t rule)
{
	for (size_t i = 0; i < p->image->n_rules; i++)
		if (p->rules[i] == rule)
			return true;
	return false;
}

static unsigned
kinds_beyond(const struct told_policy *a, const struct told_policy *b)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < a->image->n_rules; i++)
		if (!has_rule(b, a->rules[i]))
			kinds |= 1u << a->image->rules[i].kind;
	return kinds;
}

static void
compare_with(struct told_policy *was, const struct told_policy *is)
{
	was->same = ~(kinds_beyond(was, is) | kinds_beyond(is, was));
}

/* ---- Where they are -------------------------------------------------------------------------- */

static struct was_policy *
add(struct was *w, const uint8_t digest[SHA256_LEN])
{
	struct was_policy *p;

	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 8;
		w->v = realloc(w->v, w->room * sizeof(*w->v));
		assert(w->v != NULL);
	}
	p = &w->v[w->n++];
	*p = (struct was_policy){0};
	memcpy(p->digest, digest, SHA256_LEN);
	return p;
}

int
was_give(struct was *w, const char *path)
{
	struct cli_policy file;
	int code = cli_policy_open(&file, w->command, path);
	struct was_policy *p;

	if (code != EXIT_OK) {
		cli_policy_close(&file);
		return code;
	}
	p = add(w, file.image->digest);
	p->given = path;
	p->file = file;
	p->open = true;
	told_open(&p->told, p->file.image);
	compare_with(&p->told, w->is);
	return EXIT_OK;
}

static void
close_kept(struct was *w, struct was_policy *p)
{
	told_close(&p->told);
	arena_fini(&p->arena);
	p->open = false;
	w->open--;
}

/* The one that was longest not asked for makes room. */
static void
make_room(struct was *w)
{
	struct was_policy *oldest = NULL;

	for (size_t i = 0; w->open >= OPEN_MAX && i < w->n; i++)
		if (w->v[i].open && !w->v[i].given && (!oldest || w->v[i].used < oldest->used))
			oldest = &w->v[i];
	if (oldest)
		close_kept(w, oldest);
}

/* Nobody here has seen its diagrams made: its list of rules is asked. */
static struct image *
load(struct was_policy *p, struct slice bytes, struct image_error *err)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct image *img = image_load(&p->arena, bytes, &trust, err);

	for (int e = 0; img && e < ENTRY_COUNT; e++)
		img->entry[e].n_diagram = 0;
	if (!img || memcmp(img->digest, p->digest, SHA256_LEN) == 0)
		return img;
	snprintf(err->text, sizeof(err->text), "it is another policy than its name says");
	return NULL;
}

static void
open_kept(struct was *w, struct was_policy *p)
{
	char name[KEPT_NAME_LEN + 1];
	struct buf bytes = {0};
	struct image_error err = {0};
	struct image *img = NULL;
	int rc;

	make_room(w);
	arena_init(&p->arena, 0);
	kept_name(name, p->digest);
	rc = kept_file(w->dir, p->digest, &bytes);
	if (rc == 0)
		img = load(p, buf_slice(&bytes), &err);
	if (!img && rc != -ENOENT)
		fprintf(stderr, "weir %s: " KEPT_FOLDER "/%s is not used: %s\n", w->command, name,
			rc ? strerror(-rc) : err.text);
	buf_fini(&bytes);
	p->missing = !img;
	if (!img) {
		arena_fini(&p->arena);
		return;
	}
	told_open(&p->told, img);
	compare_with(&p->told, w->is);
	p->open = true;
	w->open++;
}

const struct told_policy *
was_find(struct was *w, struct slice digest)
{
	struct was_policy *p = NULL;

	if (digest.n != SHA256_LEN)
		return NULL;
	for (size_t i = 0; !p && i < w->n; i++)
		if (memcmp(w->v[i].digest, digest.p, SHA256_LEN) == 0)
			p = &w->v[i];
	if (!p)
		p = add(w, digest.p);
	p->seen = true;
	p->used = ++w->clock;
	if (!p->open && !p->missing)
		open_kept(w, p);
	return p->open ? &p->told : NULL;
}

void
was_unused(const struct was *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (!w->v[i].seen &&
		    memcmp(w->v[i].digest, w->is->image->digest, SHA256_LEN) != 0)
			fprintf(stderr, "weir %s: nothing on record was decided by '%s'%s\n", w->command,
				w->v[i].given,
				w->v[i].file.tree ? ": it has to be the very image, or its text under the name "
						    "by which the gateway read it"
						  : "");
}

void
was_close(struct was *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct was_policy *p = &w->v[i];

		if (p->given) {
			told_close(&p->told);
			cli_policy_close(&p->file);
		} else if (p->open) {
			close_kept(w, p);
		}
	}
	free(w->v);
	*w = (struct was){0};
}
