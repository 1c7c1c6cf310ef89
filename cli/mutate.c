/* SPDX-License-Identifier: MIT */
#include "cli/mutate.h"

#include "base/clock.h"
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

struct bench {
	struct cli_policy *p;
	const struct mutant *mutant;
	struct slice changed; /* the text of the file that it is in */
	struct arena arena;   /* of one mutant */
};

struct tally {
	unsigned total, noticed, survived, tried;
};

/* The texts that were compiled, not what is on disk by now. */
static bool
load(void *ctx, struct arena *arena UNUSED, const char *path, struct slice *text,
     const char **error)
{
	struct bench *b = ctx;
	const struct sources *s = &b->p->sources;

	for (uint32_t i = 0; i < s->n; i++)
		if (strcmp(s->files[i].path, path) == 0) {
			*text = i == b->mutant->at.file ? b->changed : s->files[i].text;
			return true;
		}
	*error = "it was not there before";
	return false;
}

static struct slice
edited(struct bench *b)
{
	struct span at = b->mutant->at;
	struct slice text = b->p->sources.files[at.file].text;

	return slice_str(arena_printf(&b->arena, "%.*s%.*s%.*s", (int) at.off,
				      (const char *) text.p, SLICE_ARG(b->mutant->text),
				      (int) (text.n - at.off - at.len),
				      (const char *) text.p + at.off + at.len));
}

enum outcome { NO_POLICY, NOTICED, SURVIVED };

static enum outcome
try_mutant(struct bench *b)
{
	const struct image_trust trust = {.allow_unsigned = true};
	const struct parse_loader loader = {.load = load, .ctx = b};
	struct slice root;
	struct compile_options options = {.text = &root, .loader = &loader};
	struct cli_policy m = {0};
	struct buf ignored = {0};
	struct image_error err;
	enum outcome result = NO_POLICY;

	b->changed = edited(b);
	root = b->mutant->at.file == 0 ? b->changed : b->p->sources.files[0].text;
	arena_init(&m.arena, 0);
	sources_init(&m.sources, &m.arena);
	diag_init(&m.diags, &m.sources, &m.arena);
	if (compile_policy(b->p->sources.files[0].path, &m.arena, &m.diags, &m.bytes, &options,
			   &m.tree)) {
		m.image = image_load(&m.arena, buf_slice(&m.bytes), &trust, &err);
		assert(m.image != NULL);
		result = cli_policy_test(&m, false, &ignored).failed ? NOTICED : SURVIVED;
	}
	buf_fini(&ignored);
	cli_policy_close(&m);
	return result;
}

static void
put_line(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] > ' ')
			buf_putc(out, s.p[i]);
		else if (i && s.p[i - 1] > ' ')
			buf_putc(out, ' ');
}

/* The edit itself, so that a program can make it. */
static void
put_survivor_json(struct bench *b, struct buf *out)
{
	const struct mutant *m = b->mutant;
	struct sources *s = &b->p->sources;
	struct position at = source_position(s, m->at);
	struct position end =
		source_position(s, (struct span){m->at.file, m->at.off + m->at.len, 0});

	buf_puts(out, "{\"mutant\": ");
	buf_json_string(out, slice_str(m->what));
	buf_puts(out, ", \"of\": ");
	buf_json_string(out, slice_str(m->of));
	buf_puts(out, ", \"file\": ");
	buf_json_string(out, slice_str(at.source->path));
	buf_printf(out, ", \"line\": %u, \"column\": %u, \"end_line\": %u, \"end_column\": %u, ",
		   at.line, at.column, end.line, end.column);
	buf_puts(out, "\"was\": ");
	buf_json_string(out, source_text(s, m->at));
	buf_puts(out, ", \"is\": ");
	buf_json_string(out, m->text);
	buf_puts(out, "}\n");
}

static void
put_quoted(struct buf *out, struct slice s)
{
	buf_puts(out, " `");
	put_line(out, s);
	buf_putc(out, '`');
}

/* "orders.weir:18:7: no test notices app-data with `agents, dba, audit` instead of `agents, dba` (a
 * group is added)" */
static void
put_survivor(struct bench *b, struct buf *out)
{
	const struct mutant *m = b->mutant;
	struct sources *s = &b->p->sources;
	struct position at = source_position(s, m->shown);
	struct slice was = source_text(s, m->shown);
	uint32_t before = m->at.off - m->shown.off;
	struct buf is = {0};

	if (m->at.off >= m->shown.off && before + m->at.len <= was.n) {
		buf_put(&is, was.p, before);
		buf_put_slice(&is, m->text);
		buf_put(&is, was.p + before + m->at.len, was.n - before - m->at.len);
	}
	buf_printf(out, "%s:%u:%u: no test notices %s%s", at.source->path, at.line, at.column,
		   m->whole ? "that " : "", m->of);
	if (m->whole) {
		buf_puts(out, " is gone");
	} else if (is.n) {
		buf_puts(out, " with");
		put_quoted(out, buf_slice(&is));
		buf_puts(out, " instead of");
		put_quoted(out, was);
	} else {
		buf_puts(out, " without");
		put_quoted(out, was);
	}
	buf_printf(out, " (%s)\n", m->what);
	buf_fini(&is);
}

static void
show_progress(const struct tally *t, bool done)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (done)
		fprintf(stderr, "\r\033[K");
	else if (t->tried % 8 == 0)
		fprintf(stderr, "\r%u of %u changes, %u not noticed", t->tried, t->total,
			t->survived);
}

static void
put_tally(const struct tally *t, bool json, struct buf *out)
{
	unsigned left = t->total - t->tried;

	if (json) {
		buf_printf(out, "{\"mutants\": %u, \"noticed\": %u, \"survived\": %u, "
				"\"untried\": %u}\n",
			   t->noticed + t->survived + left, t->noticed, t->survived, left);
		return;
	}
	buf_printf(out, "%u of %u changes are noticed by a test", t->noticed,
		   t->noticed + t->survived);
	if (left)
		buf_printf(out, "; %u more were not tried in time (--seconds)", left);
	buf_putc(out, '\n');
}

int
mutate_policy(struct cli_policy *p, unsigned seconds, bool json)
{
	uint64_t end = clock_mono_ns() + seconds * NS_PER_S;
	struct bench b = {.p = p};
	struct tally t = {0};
	struct buf out = {0};
	const struct mutant *list = mutants_of(p->tree, &p->sources, &p->arena);

	for (const struct mutant *m = list; m; m = m->next)
		t.total++;
	arena_init(&b.arena, 0);
	for (b.mutant = list; b.mutant && clock_mono_ns() < end; b.mutant = b.mutant->next) {
		enum outcome o = try_mutant(&b);

		t.tried++;
		t.noticed += o == NOTICED;
		t.survived += o == SURVIVED;
		if (o == SURVIVED && json)
			put_survivor_json(&b, &out);
		else if (o == SURVIVED)
			put_survivor(&b, &out);
		arena_reset(&b.arena);
		show_progress(&t, false);
	}
	show_progress(&t, true);
	put_tally(&t, json, &out);
	cli_print(&out);
	buf_fini(&out);
	arena_fini(&b.arena);
	return t.survived ? EXIT_NEGATIVE : EXIT_OK;
}
