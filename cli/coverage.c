/* SPDX-License-Identifier: MIT */
#include "cli/coverage.h"

#include "compiler/explain.h"

struct seen_clause {
	const struct clause *ast;
	bool passed, failed;
};

struct seen_rule {
	unsigned n_tests; /* in which it did something */
	size_t last;      /* number of the last of them */
	struct seen_clause *clauses;
	size_t n;
};

struct coverage {
	struct cli_policy *p;
	struct seen_rule *rules;
	size_t n, n_tests;
	unsigned verdicts[VM_DENY + 1], by_default;
	struct arena scratch;
};

struct coverage *
coverage_new(struct cli_policy *p)
{
	struct coverage *c = ARENA_NEW(&p->arena, struct coverage);

	c->p = p;
	c->n = p->checked->n_rules;
	c->rules = ARENA_ARRAY(&p->arena, struct seen_rule, c->n + 1);
	c->n_tests = 1;
	arena_init(&c->scratch, 0);
	return c;
}

void
coverage_free(struct coverage *c)
{
	arena_fini(&c->scratch);
}

/* A mask or drop does something where the statement uses its data. */
static bool
touches(const struct run *r, const struct image_rule *rule)
{
	for (size_t i = 0; i < r->base.n_uses; i++) {
		const struct data_use *u = &r->base.uses[i];

		if (vm_rule_covers(r->img, rule, u->schema, u->table,
				   rule->kind == VM_DROP ? (struct slice){0} : u->column))
			return true;
	}
	return false;
}

static bool
did_something(const struct run *r, const struct explained *x, const struct explained_rule *e)
{
	const struct image_rule *rule = &r->img->rules[e->index];

	if (!e->matches)
		return false;
	if (image_rule_watched(rule))
		return true;
	if (rule->kind <= VM_DENY)
		return (int) rule->kind == (int) x->decision.verdict;
	return rule->kind == VM_LIMIT || rule->kind == VM_RECORD || touches(r, rule);
}

static void
note_test(struct coverage *c, size_t rule)
{
	if (c->rules[rule].last == c->n_tests)
		return;
	c->rules[rule].n_tests++;
	c->rules[rule].last = c->n_tests;
}

static void
note_rule(struct coverage *c, const struct explained_rule *e, bool did)
{
	struct seen_rule *s = &c->rules[e->index];

	if (!s->clauses) {
		s->clauses = ARENA_ARRAY(&c->p->arena, struct seen_clause, e->n + 1);
		s->n = e->n;
	}
	for (size_t i = 0; i < e->n; i++) {
		s->clauses[i].ast = e->clauses[i].ast;
		s->clauses[i].passed |= e->clauses[i].passes;
		s->clauses[i].failed |= !e->clauses[i].passes;
	}
	if (did)
		note_test(c, e->index);
}

void
coverage_saw(void *coverage, const struct run *r, enum vm_entry e, const struct facts *f)
{
	struct coverage *c = coverage;
	struct explained x;

	explain(c->p->checked, r->img, e, f, &c->scratch, &x);
	for (size_t i = 0; i < x.n; i++)
		if (x.rules[i].considered)
			note_rule(c, &x.rules[i], did_something(r, &x, &x.rules[i]));
	arena_reset(&c->scratch);
}

void
coverage_ran(void *coverage, const struct run *r)
{
	struct coverage *c = coverage;

	c->verdicts[r->verdict]++;
	c->by_default += r->joined.by_default && r->use_rule < 0;
	/* A masked column that is used otherwise is what the mask refuses. */
	if (r->use_rule >= 0)
		note_test(c, (size_t) r->use_rule);
	/* A mask of values, whatever their column, does something where it finds one. */
	for (size_t i = 0; i < r->img->n_rules; i++)
		if (r->img->rules[i].detectors && run_finds(r, i))
			note_test(c, i);
	c->n_tests++;
}

unsigned
coverage_untested(const struct coverage *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->rules[i].n_tests == 0;
	return n;
}

/* ---- Telling it ---- */

struct sums {
	size_t clauses, both, masks, masked;
};

/* The guard of a protocol is no clause that anybody wrote. */
static bool
is_written(const struct seen_clause *c)
{
	return c->ast != NULL;
}

static struct sums
sums_of(const struct coverage *c)
{
	struct sums s = {0};

	for (size_t i = 0; i < c->n; i++) {
		const struct seen_rule *r = &c->rules[i];

		s.masks += c->p->image->rules[i].kind == VM_MASK;
		s.masked += c->p->image->rules[i].kind == VM_MASK && r->n_tests;
		for (const struct clause *cl = c->p->checked->rules[i].ast->clauses; cl && !r->n;
		     cl = cl->next)
			s.clauses += cl->kind <= CLAUSE_UNLESS;
		for (size_t k = 0; k < r->n; k++) {
			s.clauses += is_written(&r->clauses[k]);
			s.both += is_written(&r->clauses[k]) && r->clauses[k].passed &&
				  r->clauses[k].failed;
		}
	}
	return s;
}

static void
put_place(const struct coverage *c, struct buf *out, struct span at)
{
	struct position pos = source_position(&c->p->sources, at);

	buf_printf(out, "%s:%u:%u", pos.source->path, pos.line, pos.column);
}

static void
put_text(const struct coverage *c, struct buf *out, struct span at)
{
	struct slice s = source_text(&c->p->sources, at);

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] > ' ')
			buf_putc(out, s.p[i]);
		else if (i && s.p[i - 1] > ' ')
			buf_putc(out, ' ');
}

static const char *
never(const struct seen_clause *s)
{
	return s->passed && s->failed ? NULL : s->passed ? "never fails" : "never holds";
}

static void
put_clauses(const struct coverage *c, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->rules[i].n; k++) {
			const struct seen_clause *s = &c->rules[i].clauses[k];

			if (!is_written(s) || !never(s))
				continue;
			if (!any)
				buf_puts(out, "\nClauses that no test sees both ways:\n");
			any = true;
			buf_puts(out, "  ");
			put_place(c, out, s->ast->at);
			buf_printf(out, ": %.*s: ", SLICE_ARG(c->p->image->rules[i].name));
			put_text(c, out, s->ast->at);
			buf_printf(out, ": %s\n", never(s));
		}
}

void
coverage_print_text(const struct coverage *c, struct buf *out)
{
	struct sums s = sums_of(c);
	unsigned untested = coverage_untested(c);

	buf_printf(out, "rules     %zu of %zu do something in a test\n", c->n - untested, c->n);
	buf_printf(out, "clauses   %zu of %zu are seen to hold and to fail\n", s.both, s.clauses);
	buf_printf(out, "masks     %zu of %zu meet a column\n", s.masked, s.masks);
	buf_printf(out, "verdicts  allow %u, hold %u, deny %u, of these by default %u\n",
		   c->verdicts[VERDICT_ALLOW], c->verdicts[VERDICT_HOLD],
		   c->verdicts[VERDICT_DENY], c->by_default);
	for (size_t i = 0; i < c->n && untested; i++) {
		if (c->rules[i].n_tests)
			continue;
		if (untested == coverage_untested(c))
			buf_puts(out, "\nRules without a test:\n");
		untested--;
		buf_puts(out, "  ");
		put_place(c, out, c->p->checked->rules[i].ast->name.at);
		buf_printf(out, ": %s %.*s\n", vm_rule_info[c->p->image->rules[i].kind].name,
			   SLICE_ARG(c->p->image->rules[i].name));
	}
	put_clauses(c, out);
}

static void
json_place(const struct coverage *c, struct buf *out, struct span at)
{
	struct position pos = source_position(&c->p->sources, at);

	buf_puts(out, ", \"file\": ");
	buf_json_string(out, slice_str(pos.source->path));
	buf_printf(out, ", \"line\": %u, \"column\": %u}", pos.line, pos.column);
}

void
coverage_print_json(const struct coverage *c, struct buf *out)
{
	struct sums s = sums_of(c);

	buf_printf(out, "{\"coverage\": {\"rules\": {\"total\": %zu, \"tested\": %zu}, "
			"\"clauses\": {\"total\": %zu, \"both_ways\": %zu}, \"masks\": {\"total\": %zu, "
			"\"tested\": %zu}, \"verdicts\": {\"allow\": %u, \"hold\": %u, \"deny\": %u, "
			"\"by_default\": %u}}, \"rules\": [",
		   c->n, c->n - coverage_untested(c), s.clauses, s.both, s.masks, s.masked,
		   c->verdicts[VERDICT_ALLOW], c->verdicts[VERDICT_HOLD],
		   c->verdicts[VERDICT_DENY], c->by_default);
	for (size_t i = 0; i < c->n; i++) {
		const struct seen_rule *r = &c->rules[i];
		const char *sep = "";

		buf_printf(out, "%s{\"rule\": ", i ? ", " : "");
		buf_json_string(out, c->p->image->rules[i].name);
		buf_printf(out, ", \"kind\": \"%s\", \"tests\": %u, \"clauses\": [",
			   vm_rule_info[c->p->image->rules[i].kind].name, r->n_tests);
		for (size_t k = 0; k < r->n; k++) {
			if (!is_written(&r->clauses[k]))
				continue;
			buf_printf(out, "%s{\"clause\": \"%s\", \"held\": %s, \"failed\": %s", sep,
				   clause_kind_name(r->clauses[k].ast->kind),
				   r->clauses[k].passed ? "true" : "false",
				   r->clauses[k].failed ? "true" : "false");
			json_place(c, out, r->clauses[k].ast->at);
			sep = ", ";
		}
		buf_putc(out, ']');
		json_place(c, out, c->p->checked->rules[i].ast->name.at);
	}
	buf_puts(out, "]}\n");
}
