/* SPDX-License-Identifier: MIT
 *
 * weir bench: how long a policy takes to decide, over the facts of its own tests. In this process,
 * nothing but the machine: neither parsing of statements nor the gateway around it.
 */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/policy_run.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"usage: weir bench POLICY [--json]\n\n"
	"Decides the facts of the policy's own tests again and again and says, for each entry point, how\n"
	"long one decision takes (nanoseconds: median and 99th percentile of batches), how many\n"
	"instructions it ran, and the most that it can. POLICY is text or an image.\n\n"
	"  --json   one object a line for each entry point\n\n"
	"Measure on a quiet machine. Exit code: 0 measured, 1 the policy does not compile or has no tests,\n"
	"2 usage.\n";

enum { BATCH = 64, MAX_BATCHES = 400 };
static const uint64_t per_facts_ns = 20 * 1000 * 1000; /* at most, for one set of facts */

struct samples {
	uint64_t *v; /* picoseconds for one decision, one a batch */
	size_t n, cap;
	uint64_t ops, facts;
	uint32_t most_ops;
};

struct bench {
	const struct image *img;
	struct samples entry[ENTRY_COUNT];
};

static void
add(struct samples *s, uint64_t ps)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		assert(s->v != NULL);
	}
	s->v[s->n++] = ps;
}

static void
measure(void *ctx, const struct run *r UNUSED, enum vm_entry e, const struct facts *f)
{
	struct bench *b = ctx;
	struct samples *s = &b->entry[e];
	uint64_t end = clock_mono_ns() + per_facts_ns, start, now;
	struct decision d;

	vm_decide(b->img, e, f, &d); /* warm, and counted once */
	s->facts++;
	s->ops += d.ops;
	s->most_ops = d.ops > s->most_ops ? d.ops : s->most_ops;
	start = clock_mono_ns();
	for (int i = 0; i < MAX_BATCHES && start < end; i++, start = now) {
		for (int k = 0; k < BATCH; k++)
			vm_decide(b->img, e, f, &d);
		now = clock_mono_ns();
		add(s, (now - start) * 1000 / BATCH);
	}
}

static void
ran(void *ctx, const struct run *r)
{
	measure(ctx, r, ENTRY_CONNECT, &r->base);
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static double
quantile_ns(const struct samples *s, unsigned percent)
{
	return s->n ? (double) s->v[(s->n - 1) * percent / 100] / 1000 : 0;
}

/* Without rules that are only watched there is nothing to measure of them. */
static bool
is_shown(const struct bench *b, int e)
{
	return (e != ENTRY_WATCH && e != ENTRY_WATCH_CONNECT) ||
	       watch_has(b->img, (enum vm_entry) e);
}

static void
put_text(const struct bench *b, struct buf *out)
{
	buf_printf(out, "policy %.*s: %zu rules, %zu constants\n\n", SLICE_ARG(b->img->policy),
		   b->img->n_rules, b->img->n_constants);
	buf_printf(out, "%-10s %6s %12s %12s %10s %10s %10s\n", "entry", "facts", "median ns",
		   "p99 ns", "ops", "most ops", "at most");
	for (int e = 0; e < ENTRY_COUNT; e++) {
		const struct samples *s = &b->entry[e];

		if (!is_shown(b, e))
			continue;
		if (!s->facts) {
			buf_printf(out, "%-10s %6s\n", entry_info[e].name, "none");
			continue;
		}
		buf_printf(out, "%-10s %6llu %12.1f %12.1f %10.1f %10u %10u\n", entry_info[e].name,
			   (unsigned long long) s->facts, quantile_ns(s, 50), quantile_ns(s, 99),
			   (double) s->ops / (double) s->facts, s->most_ops,
			   b->img->entry[e].cost);
	}
}

static void
put_json(const struct bench *b, struct buf *out)
{
	for (int e = 0; e < ENTRY_COUNT; e++) {
		const struct samples *s = &b->entry[e];

		if (!is_shown(b, e))
			continue;
		buf_printf(out, "{\"entry\": \"%s\", \"facts\": %llu, \"rules\": %zu, "
				"\"median_ns\": %.1f, \"p99_ns\": %.1f, \"ops\": %.1f, \"most_ops\": %u, \"cost\": %u}\n",
			   entry_info[e].name, (unsigned long long) s->facts, b->img->n_rules,
			   quantile_ns(s, 50), quantile_ns(s, 99),
			   s->facts ? (double) s->ops / (double) s->facts : 0, s->most_ops,
			   b->img->entry[e].cost);
	}
}

static int
bench(const struct cli_policy *p, bool json)
{
	struct bench b = {.img = p->image};
	const struct test_watch watch = {&b, measure, ran};
	struct buf out = {0};

	if (!p->tree->tests) {
		fprintf(stderr, "weir bench: the policy has no tests, whose facts would be decided\n");
		return EXIT_NEGATIVE;
	}
	cli_policy_test_watched(p, false, &watch, &out);
	buf_reset(&out);
	for (int e = 0; e < ENTRY_COUNT; e++)
		if (b.entry[e].n)
			qsort(b.entry[e].v, b.entry[e].n, sizeof(*b.entry[e].v), ascending);
	if (json)
		put_json(&b, &out);
	else
		put_text(&b, &out);
	cli_print(&out);
	buf_fini(&out);
	for (int e = 0; e < ENTRY_COUNT; e++)
		free(b.entry[e].v);
	return EXIT_OK;
}

int
cmd_bench(int argc, char **argv)
{
	struct cli_policy p = {0}, image = {0};
	const char *path = NULL;
	bool json = false;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_usage_error("bench", "no option '%s'", argv[i]);
		else if (path)
			return cli_usage_error("bench", "one policy at a time");
		else
			path = argv[i];
	}
	if (!path)
		return cli_usage_error("bench", "which policy?");
	code = cli_policy_text(&p, &image, "bench", path, NULL);
	if (code == EXIT_OK)
		code = bench(&p, json);
	cli_policy_close(&p);
	cli_policy_close(&image);
	return code;
}
