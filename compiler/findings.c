/* SPDX-License-Identifier: MIT */
#include "compiler/findings_internal.h"

/* All questions together take about a second. One is given up that makes as many runs as all rules
 * of a large policy together; what was made is given back now and then. */
enum { MOST_WORK = 1 << 22, MOST_RUNS = 1 << 19, ROOM = 1 << 21 };

bool
look_can_be(const struct look *l, uint32_t root)
{
	return dd_possible(l->s->dd, dd_and(l->s->dd, root, space_feasible(l->s)));
}

struct diag *
look_say(struct look *l, size_t i, struct diag *d)
{
	l->said[i] = true;
	return d;
}

void
look_skip(struct look *l, size_t rule)
{
	if (l->was_skipped[rule])
		return;
	l->was_skipped[rule] = true;
	if (!l->skipped++)
		l->first_skipped = rule;
}

void
look_done(struct look *l, size_t rule, bool given_up)
{
	if (given_up)
		look_skip(l, rule);
	if (dd_full(l->s->dd) || dd_since(l->s->dd, l->mark) > ROOM)
		dd_release(l->s->dd, l->mark);
	l->question = dd_mark(l->s->dd);
}

bool
look_tired(const struct look *l)
{
	return dd_work(l->s->dd) > l->work;
}

bool
look_lost(const struct look *l)
{
	return dd_full(l->s->dd) || look_tired(l) || dd_since(l->s->dd, l->question) > MOST_RUNS;
}

static void
say_unreachable(struct look *l, size_t i)
{
	struct diag *d = SAY(l, i, UNREACHABLE);

	diag_note(l->q, d, SPAN_NONE,
		  "its clauses contradict each other, or what is known of commands");
	edits_offer_removal(l->q, d, l->tree, l->rules[i]);
}

static void
find_unreachable(struct look *l)
{
	for (size_t i = 0; i < l->img->n_rules; i++) {
		bool any = false, given_up;

		for (int e = 0; e < ENTRY_COUNT && !any; e++)
			any = look_can_be(l, l->g->match[e][i]);
		given_up = dd_full(l->s->dd);
		if (!given_up && !any && !l->said[i])
			say_unreachable(l, i);
		look_done(l, i, given_up);
	}
}

/* ---- Strict ---- */

static void
find_untested(struct look *l)
{
	for (size_t i = 0; i < l->img->n_rules; i++) {
		bool tested = false;

		for (const struct test_decl *t = l->tree->tests; t && !tested; t = t->next)
			for (const struct expect *e = t->expects; e; e = e->next)
				tested |= e->by.s && strcmp(e->by.s, l->rules[i]->name.s) == 0;
		if (!tested && !l->said[i])
			(void) SAY(l, i, UNTESTED);
	}
}

/* ---- All of them ---- */

/* Rules of the tree by name: the image has them in the order of the text. */
static void
find_rules(struct look *l)
{
	const struct rule *r = l->tree->rules;

	l->rules = ARENA_ARRAY(l->arena, const struct rule *, l->img->n_rules + 1);
	l->said = ARENA_ARRAY(l->arena, bool, l->img->n_rules + 1);
	l->was_skipped = ARENA_ARRAY(l->arena, bool, l->img->n_rules + 1);
	for (size_t i = 0; i < l->img->n_rules; i++) {
		while (!slice_is(l->img->rules[i].name, r->name.s))
			r = r->next;
		l->rules[i] = r;
	}
}

/* What was said of rules by themselves: both are in the order of the text, or nearly. */
static void
note_said(struct look *l)
{
	size_t n = l->img->n_rules, at = 0;

	for (const struct diag *d = l->q->first; d; d = d->next)
		for (size_t i = 0; i < n && d->id == DIAG_NEVER_MATCHES; i++) {
			size_t k = (at + i) % n;

			if (memcmp(&d->at, &l->rules[k]->name.at, sizeof(d->at)) != 0)
				continue;
			l->said[k] = true;
			at = k;
			break;
		}
}

static void
say_skipped(struct look *l)
{
	const char *why;

	if (!l->skipped)
		return;
	why = arena_printf(l->arena, "%zu of %zu rules, '%s' among them; the others were looked at",
			   l->skipped, l->img->n_rules, l->rules[l->first_skipped]->name.s);
	diag(l->q, ENTANGLED, l->rules[l->first_skipped]->name.at, why);
}

void
findings(struct diag_queue *q, const struct policy *tree, const struct image *img,
	 struct arena *arena, bool strict)
{
	const struct image **images = ARENA_ARRAY(arena, const struct image *, 1);
	struct look l = {.q = q, .tree = tree, .img = img, .arena = arena};
	const char *why;

	images[0] = img;
	l.s = space_new(arena, images, 1, &why);
	if (!l.s) {
		diag(q, ENTANGLED, tree->name.at, why);
		return;
	}
	l.g = diagram_matches(l.s, 0);
	(void) space_feasible(l.s);
	if (!l.g || dd_full(l.s->dd)) {
		diag(q, ENTANGLED, tree->name.at,
		     "the rules, which depend on each other in too many ways");
		return;
	}
	arena_init(&l.scratch, 0);
	find_rules(&l);
	note_said(&l);
	l.mark = l.question = dd_mark(l.s->dd);
	l.work = dd_work(l.s->dd) + MOST_WORK;
	find_unreachable(&l);
	find_idle_rules(&l);
	find_idle_limits(&l);
	find_unknown(&l);
	say_skipped(&l);
	find_unmasked(&l, strict);
	if (strict)
		find_untested(&l);
	arena_fini(&l.scratch);
}
