/* SPDX-License-Identifier: MIT
 *
 * What one decision costs: an image, and commands to decide, each timed by itself. Nothing but the
 * machine; bench/decide.py makes the policies and the commands.
 *
 *   decide IMAGE COMMANDS VERDICTS [ROUNDS]
 *
 * COMMANDS has a line each: groups (a comma between), target, action, table (or -), 0 or 1 (a WHERE
 * clause), by tabs. VERDICTS gets a letter each. Prints one object: nanoseconds of a decision,
 * with the clock's own share taken off, of the diagram's code, of the list with its index
 * (index_...) and of the list with every rule run (all_...).
 */
#include "base/clock.h"
#include "vm/index.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_GROUPS = 8, ROUNDS = 5 };

struct command {
	struct slice groups[MAX_GROUPS], target, table, schema;
	size_t n_groups;
	enum action action;
	bool where;
};

struct samples {
	uint64_t *v;
	size_t n;
};

static void
die(const char *what)
{
	fprintf(stderr, "decide: %s\n", what);
	exit(2);
}

static struct slice
read_whole(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf b = {0};
	char part[65536];
	size_t n;

	if (!f)
		die(path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_put(&b, part, n);
	fclose(f);
	return buf_slice(&b); /* kept to the end */
}

/* Takes what stands before the sign, or all. */
static struct slice
cut(struct slice *s, char sign)
{
	const uint8_t *end = s->n ? memchr(s->p, sign, s->n) : NULL;
	struct slice part = slice_of(s->p, end ? (size_t) (end - s->p) : s->n);

	s->p += part.n + (end != NULL);
	s->n -= part.n + (end != NULL);
	return part;
}

static struct command
parse(struct slice line)
{
	struct slice groups = cut(&line, '\t');
	struct command c = {.target = cut(&line, '\t')};
	struct slice rest;
	int action = action_find(cut(&line, '\t'));

	if (action < 0)
		die("a command with an action that there is not");
	c.action = (enum action) action;
	rest = c.table = cut(&line, '\t');
	c.schema = cut(&rest, '.');
	c.where = slice_is(line, "1");
	while (groups.n && c.n_groups < MAX_GROUPS)
		c.groups[c.n_groups++] = cut(&groups, ',');
	return c;
}

/* As the gate would: freshly filled, so in the cache; the rules need not be. */
static void
fill(struct facts *f, const struct command *c)
{
	static const uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};

	*f = (struct facts){.uses_known = true};
	facts_string(f, FACT_USER_NAME, SLICE_LIT("ana"));
	facts_int(f, FACT_USER_KIND, USER_KIND_HUMAN);
	facts_set(f, FACT_USER_GROUPS, c->groups, c->n_groups);
	facts_address(f, FACT_CLIENT_ADDRESS, address);
	facts_bool(f, FACT_CLIENT_TLS, true);
	facts_int(f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	facts_string(f, FACT_TARGET_NAME, c->target);
	facts_int(f, FACT_ACTION, c->action);
	facts_bool(f, FACT_SQL_WHERE, c->where);
	facts_bool(f, FACT_SQL_WHERE_CONSTANT, false);
	if (!slice_is(c->table, "-")) {
		facts_string(f, FACT_TABLE, c->table);
		facts_string(f, FACT_SCHEMA, c->schema);
	}
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static double
quantile(struct samples *s, unsigned percent)
{
	qsort(s->v, s->n, sizeof(*s->v), ascending);
	return s->n ? (double) s->v[(s->n - 1) * percent / 100] : 0;
}

/* What reading the clock twice takes. */
static uint64_t
overhead(void)
{
	uint64_t v[1001];
	struct samples s = {v, COUNT_OF(v)};

	for (size_t i = 0; i < s.n; i++) {
		uint64_t start = clock_mono_ns();

		v[i] = clock_mono_ns() - start;
	}
	return (uint64_t) quantile(&s, 50);
}

static uint64_t
time_one(const struct image *img, const struct facts *f, struct decision *d, uint64_t off)
{
	uint64_t start = clock_mono_ns(), took;

	vm_decide(img, ENTRY_COMMAND, f, d);
	took = clock_mono_ns() - start;
	return took > off ? took - off : 0;
}

/* A way to decide: of the same rules, and the first one's verdicts are written. */
struct way {
	const char *prefix;
	struct image img;
	struct samples took;
	uint64_t ops;
};

static void
time_all(struct way *w, struct slice text, uint64_t off)
{
	while (text.n) {
		struct command c = parse(cut(&text, '\n'));
		struct decision d;
		struct facts f;

		fill(&f, &c);
		w->took.v[w->took.n++] = time_one(&w->img, &f, &d, off);
		w->ops += d.ops;
	}
}

static bool
same(const struct decision *a, const struct decision *b)
{
	int r = -1, k = -1;

	do {
		r = decision_next(a, r);
		k = decision_next(b, k);
	} while (r == k && r >= 0);
	return r == k && a->verdict == b->verdict && a->by_default == b->by_default;
}

/* Verdicts, which all ways must agree about. */
static void
compare(const struct way *ways, size_t n, struct slice text, FILE *out)
{
	static const char letters[] = "ahd";

	while (text.n) {
		struct command c = parse(cut(&text, '\n'));
		struct decision first, d;
		struct facts f;

		fill(&f, &c);
		vm_decide(&ways[0].img, ENTRY_COMMAND, &f, &first);
		fputc(letters[first.verdict], out);
		for (size_t i = 1; i < n; i++) {
			vm_decide(&ways[i].img, ENTRY_COMMAND, &f, &d);
			if (!same(&first, &d))
				die("not all ways to decide match the same rules");
		}
	}
}

static void
report(struct way *w)
{
	printf("\"%smedian_ns\": %.0f, \"%sp99_ns\": %.0f, \"%sops\": %.1f, ", w->prefix,
	       quantile(&w->took, 50), w->prefix, quantile(&w->took, 99), w->prefix,
	       (double) w->ops / (double) w->took.n);
	free(w->took.v);
}

int
main(int argc, char **argv)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct way ways[] = {{.prefix = ""}, {.prefix = "index_"}, {.prefix = "all_"}};
	struct image_error err;
	struct slice bytes, text;
	struct arena arena;
	struct image *img;
	const struct image_entry *command;
	uint64_t off = overhead(), start;
	double load_ms;
	int rounds = argc > 4 ? atoi(argv[4]) : ROUNDS;
	size_t n = 0;
	FILE *out;

	if (argc < 4 || rounds < 1)
		die("usage: decide IMAGE COMMANDS VERDICTS [ROUNDS]");
	arena_init(&arena, 0);
	bytes = read_whole(argv[1]);
	start = clock_mono_ns();
	img = image_load(&arena, bytes, &trust, &err);
	load_ms = (double) (clock_mono_ns() - start) / 1e6;
	if (!img)
		die(err.text);
	command = &img->entry[ENTRY_COMMAND];
	out = fopen(argv[3], "w");
	if (!out)
		die(argv[3]);
	text = read_whole(argv[2]);
	for (struct slice rest = text; rest.n; n++)
		(void) cut(&rest, '\n');
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct image_entry *entry = &ways[i].img.entry[ENTRY_COMMAND];
		int times = i < 2 ? rounds : 1;

		ways[i].img = *img;
		if (i > 0)
			entry->n_diagram = 0;
		if (i > 1)
			entry->index = NULL;
		ways[i].took.v = calloc(n * (size_t) times, sizeof(*ways[i].took.v));
		for (int r = 0; r < times; r++)
			time_all(&ways[i], text, off);
	}
	compare(ways, COUNT_OF(ways), text, out);
	printf("{\"rules\": %zu, \"commands\": %zu, ", img->n_rules, n);
	for (size_t i = 0; i < COUNT_OF(ways); i++)
		report(&ways[i]);
	printf("\"load_ms\": %.1f, \"index_bytes\": %zu, \"diagram_bytes\": %zu}\n", load_ms,
	       command->index ? vm_index_bytes(command->index) : 0,
	       command->n_diagram * sizeof(struct insn));
	fclose(out);
	arena_fini(&arena);
	return 0;
}
