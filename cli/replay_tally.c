/* SPDX-License-Identifier: MIT */
#include "cli/replay_tally.h"

#include "base/crypto.h"
#include "cli/policy.h"

#include <stdlib.h>

/* A log can name as many tables as there were commands. */
void
tally_count(struct tally *t, struct arena *arena, const char *name)
{
	uint8_t digest[SHA256_LEN];
	struct audit_id id;
	uint64_t *place;

	sha256(digest, slice_str(name));
	memcpy(id.b, digest, sizeof(id.b));
	place = idmap_put(&t->places, id);
	if (!*place) {
		if (t->n == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 64;
			t->rows = realloc(t->rows, t->cap * sizeof(*t->rows));
			assert(t->rows != NULL);
		}
		t->rows[t->n++] = (struct tally_row){arena_str(arena, slice_str(name)), 0};
		*place = t->n;
	}
	t->rows[*place - 1].n++;
}

void
tally_fini(struct tally *t)
{
	idmap_fini(&t->places);
	free(t->rows);
	*t = (struct tally){0};
}

static int
most_first(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What is counted afterwards would be counted in other rows. */
static void
sort(struct tally *t)
{
	if (t->n)
		qsort(t->rows, t->n, sizeof(*t->rows), most_first);
	idmap_fini(&t->places);
}

void
tally_put_json(struct tally *t, struct buf *out, const char *name)
{
	sort(t);
	buf_printf(out, ", \"%s\": {", name);
	for (size_t i = 0; i < t->n; i++) {
		buf_puts(out, i ? ", " : "");
		buf_json_string(out, slice_str(t->rows[i].name));
		buf_printf(out, ": %zu", t->rows[i].n);
	}
	buf_putc(out, '}');
}

void
tally_put_text(struct tally *t, struct buf *out, const char *title, size_t lines)
{
	sort(t);
	if (t->n)
		buf_printf(out, "\n%s\n", title);
	for (size_t i = 0; i < t->n && i < lines; i++) {
		buf_printf(out, "%8zu  ", t->rows[i].n);
		cli_put_plain(out, slice_str(t->rows[i].name));
		buf_putc(out, '\n');
	}
	if (t->n > lines)
		buf_printf(out, "          and %zu more, which --json has\n", t->n - lines);
}
