/* SPDX-License-Identifier: MIT
 *
 * The file: CBOR [version, sections], then its SHA-256. A section is [target, database, names];
 * the names are as former_put writes them. OIDs mean something in one database only, which is
 * known by the server's system identifier and the database's OID. A copy of a server has the same
 * two: each target forgets by itself the columns that are gone. What is known of a database is
 * read by all, so that a target may be called otherwise.
 */
#include "proxy/former_state.h"

#include "base/log.h"
#include "proxy/state_folder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	VERSION = 1,
	SECTIONS_MAX = 1 << 16,
	DATABASES_MAX = 8, /* of one target: it leads elsewhere, or is made anew each night */
};

static const char file_name[] = "names";

struct section {
	char *target, *database;
	struct former *known;
};

struct former_state {
	pthread_mutex_t lock;
	char *state_path;
	struct section *v; /* the oldest first */
	size_t n;
	bool unsaved;
};

/* ---- sections -------------------------------------------------------------------------------- */

static char *
copy(struct slice s)
{
	char *p = strndup((const char *) s.p, s.n);

	assert(p != NULL);
	return p;
}

static void
section_fini(struct section *s)
{
	former_free(s->known);
	free(s->target);
	free(s->database);
}

static void
section_add(struct former_state *st, struct slice target, struct slice database,
	    struct former *known)
{
	st->v = realloc(st->v, (st->n + 1) * sizeof(*st->v));
	assert(st->v != NULL);
	st->v[st->n++] = (struct section){copy(target), copy(database), known};
}

static struct section *
section_find(struct former_state *st, struct slice target, struct slice database)
{
	for (size_t i = 0; i < st->n; i++)
		if (slice_is(target, st->v[i].target) && slice_is(database, st->v[i].database))
			return &st->v[i];
	return NULL;
}

/* The target leads to a database that was not seen before. The oldest one makes room. */
static void
make_room(struct former_state *st, struct slice target)
{
	size_t oldest = st->n, n = 0;

	for (size_t i = st->n; i-- > 0;)
		if (slice_is(target, st->v[i].target)) {
			oldest = i;
			n++;
		}
	if (n)
		log_warn("names target=%.*s: it leads to another database than before, in which "
			 "columns count by their names alone: name in the policy what was renamed",
			 SLICE_ARG(target));
	if (n < DATABASES_MAX)
		return;
	log_warn("names target=%.*s: what columns of its database %s were called is forgotten: it "
		 "has led to %d others since", SLICE_ARG(target), st->v[oldest].database,
		 DATABASES_MAX - 1);
	section_fini(&st->v[oldest]);
	memmove(&st->v[oldest], &st->v[oldest + 1], (st->n - oldest - 1) * sizeof(*st->v));
	st->n--;
}

static void
put_database(struct buf *out, struct slice target, const struct catalog *cat)
{
	struct slice server = catalog_setting(cat, "system_identifier");

	/* Who may not ask the server who it is can only go by the target's name. */
	buf_put_slice(out, server.n ? server : target);
	buf_putc(out, '/');
	buf_put_slice(out, catalog_setting(cat, "database_oid"));
}

/* ---- the file -------------------------------------------------------------------------------- */

static void
save(struct former_state *st)
{
	bool told = st->unsaved;
	uint8_t sum[SHA256_LEN];
	struct buf b = {0};
	int err;

	cbor_array(&b, 2);
	cbor_uint(&b, VERSION);
	cbor_array(&b, st->n);
	for (size_t i = 0; i < st->n; i++) {
		cbor_array(&b, 3);
		cbor_bytes(&b, slice_str(st->v[i].target));
		cbor_bytes(&b, slice_str(st->v[i].database));
		former_put(st->v[i].known, &b);
	}
	sha256(sum, buf_slice(&b));
	buf_put(&b, sum, sizeof(sum));
	err = state_replace(st->state_path, file_name, buf_slice(&b));
	st->unsaved = err != 0;
	if (err && !told)
		log_error("names error=\"%s\": what columns are called cannot be written to %s: "
			  "after a restart masks would not follow those that are renamed until then",
			  strerror(-err), st->state_path);
	buf_fini(&b);
}

static void
load_section(struct former_state *st, struct cbor_reader *r)
{
	struct slice target, database;
	struct former *known;

	if (cbor_get_array(r, 3) != 3)
		cbor_fail(r, "no section");
	target = cbor_get_bytes(r);
	database = cbor_get_bytes(r);
	known = former_get(r);
	if (known)
		section_add(st, target, database, known);
}

enum loaded { LOADED, DAMAGED, OTHER_VERSION };

static enum loaded
load(struct former_state *st, struct slice in)
{
	struct cbor_reader r;
	uint8_t sum[SHA256_LEN];
	size_t n;

	if (in.n < SHA256_LEN)
		return DAMAGED;
	in.n -= SHA256_LEN;
	sha256(sum, in);
	if (memcmp(sum, in.p + in.n, SHA256_LEN) != 0)
		return DAMAGED;
	cbor_reader_init(&r, in);
	if (cbor_get_array(&r, 2) != 2)
		return DAMAGED;
	if (cbor_get_uint(&r) != VERSION)
		return r.error ? DAMAGED : OTHER_VERSION;
	n = cbor_get_array(&r, SECTIONS_MAX);
	for (size_t i = 0; i < n && !r.error; i++)
		load_section(st, &r);
	return cbor_done(&r) ? LOADED : DAMAGED;
}

struct former_state *
former_state_open(const char *state_path, struct buf *error)
{
	struct former_state *st = calloc(1, sizeof(*st));
	enum loaded loaded = LOADED;
	struct buf in = {0};
	int err;

	assert(st != NULL);
	pthread_mutex_init(&st->lock, NULL);
	st->state_path = copy(slice_str(state_path));
	err = state_read(state_path, file_name, &in);
	if (!err && !in.failed)
		loaded = load(st, buf_slice(&in));
	buf_fini(&in);
	if (err == -ENOENT || (!err && loaded == LOADED))
		return st;
	if (err)
		buf_printf(error, "cannot read %s/%s: %s\n", state_path, file_name, strerror(-err));
	else
		buf_printf(error, "%s/%s %s: it says which columns were renamed and are masked all the "
			   "same; restore it from a backup, or name every masked column in the policy "
			   "as it is called today and remove the file\n", state_path, file_name,
			   loaded == DAMAGED ? "is damaged" : "is of another version of weir");
	former_state_close(st);
	return NULL;
}

void
former_state_close(struct former_state *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->n; i++)
		section_fini(&st->v[i]);
	pthread_mutex_destroy(&st->lock);
	free(st->v);
	free(st->state_path);
	free(st);
}

/* ---- looks at a catalog ---------------------------------------------------------------------- */

bool
former_state_unsaved(struct former_state *st)
{
	bool unsaved;

	pthread_mutex_lock(&st->lock);
	unsaved = st->unsaved;
	pthread_mutex_unlock(&st->lock);
	return unsaved;
}

struct former *
former_state_moved(struct former_state *st, struct slice target, const struct catalog *cat)
{
	const struct former **known;
	struct former *moved;
	struct buf database = {0};
	size_t n = 0;

	put_database(&database, target, cat);
	pthread_mutex_lock(&st->lock);
	known = calloc(st->n + 1, sizeof(*known));
	assert(known != NULL);
	for (size_t i = 0; i < st->n; i++)
		if (slice_is(buf_slice(&database), st->v[i].database))
			known[n++] = st->v[i].known;
	moved = former_moved(known, n, cat);
	pthread_mutex_unlock(&st->lock);
	free(known);
	buf_fini(&database);
	return moved;
}

void
former_state_note(struct former_state *st, struct slice target, const struct image *img,
		  const struct catalog *cat)
{
	struct buf database = {0};
	struct section *s;
	struct former *now;

	put_database(&database, target, cat);
	pthread_mutex_lock(&st->lock);
	s = section_find(st, target, buf_slice(&database));
	now = former_note(s ? s->known : NULL, img, cat);
	if (now && s) {
		former_free(s->known);
		s->known = now;
	} else if (now) {
		make_room(st, target);
		section_add(st, target, buf_slice(&database), now);
	}
	if (now || st->unsaved)
		save(st);
	pthread_mutex_unlock(&st->lock);
	buf_fini(&database);
}
