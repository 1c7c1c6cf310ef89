/* SPDX-License-Identifier: MIT */
#include "tests/diff/diagram_check.h"

#include "compiler/witness.h"

#include <stdio.h>

bool
diagram_check_init(struct diagram_check *c, struct arena *arena, const struct image *img)
{
	const struct image **images = ARENA_ARRAY(arena, const struct image *, 1);
	const char *why;

	*c = (struct diagram_check){.img = img};
	images[0] = img;
	c->space = space_new(arena, images, 1, &why);
	if (!c->space) {
		printf("# no space: %s\n", why);
		return false;
	}
	c->diagram = diagram_new(c->space, 0);
	if (!c->diagram) {
		printf("# the diagram is too large\n");
		return false;
	}
	rule_sets_init(&c->sets, c->space->dd, arena);
	for (int e = 0; e < ENTRY_COUNT; e++)
		c->rules[e] = diagram_rules(c->diagram, &c->sets, (enum vm_entry) e, ACTION_NONE);
	c->rows = DD_TRUE;
	for (uint32_t i = 0; i < c->space->n_row_columns; i++)
		c->rows = dd_and(c->space->dd, c->rows, space_row_feasible(c->space, i));
	c->values = ARENA_ARRAY(arena, uint32_t, c->space->n_vars + 1);
	return !dd_full(c->space->dd);
}

static bool
rules_agree(struct diagram_check *c, enum vm_entry e, const struct decision *got)
{
	const struct dd *d = c->space->dd;
	const uint32_t *set = c->sets.sets[dd_value(dd_eval(d, c->rules[e], c->values))];
	uint32_t at = 1;

	for (uint32_t i = 0; i < c->img->n_rules; i++) {
		bool matched = decision_has(got, i);
		bool here = dd_eval(d, c->diagram->match[e][i], c->values) == DD_TRUE;
		bool in_set = at <= set[0] && set[at] == i;

		at += in_set;
		if (in_set != here) {
			printf("# diagram, %s: rule %u and the set of rules differ\n",
			       entry_info[e].name, i);
			return false;
		}
		if (e == ENTRY_CONNECT && c->img->rules[i].kind == VM_ALLOW)
			here |= dd_eval(d, c->diagram->may[i], c->values) == DD_TRUE;
		if (matched != here) {
			printf("# diagram, %s: rule %u %s\n", entry_info[e].name, i,
			       here ? "matches, and not in the machine" : "does not match");
			return false;
		}
	}
	return true;
}

bool
diagram_check(struct diagram_check *c, const struct facts *f, enum vm_entry e,
	      const struct decision *got)
{
	const struct diagram *g = c->diagram;

	space_values(c->space, 0, f, c->values);
	if (!rules_agree(c, e, got))
		return false;
	if (dd_eval(c->space->dd, c->rows, c->values) != DD_TRUE) {
		printf("# diagram: analyses say that there is no such row\n");
		return false;
	}
	for (int v = VERDICT_ALLOW; e <= ENTRY_COMMAND && v <= VERDICT_DENY; v++)
		if ((dd_eval(c->space->dd, g->verdict[e][v], c->values) == DD_TRUE) !=
		    ((int) got->verdict == v)) {
			printf("# diagram, %s: verdict %d, the machine says %d\n",
			       entry_info[e].name, v, got->verdict);
			return false;
		}
	if (e <= ENTRY_COMMAND &&
	    (dd_eval(c->space->dd, g->by_default[e], c->values) == DD_TRUE) != got->by_default) {
		printf("# diagram, %s: by default %d\n", entry_info[e].name, got->by_default);
		return false;
	}
	return true;
}

bool
diagram_check_witnesses(struct diagram_check *c, uint64_t *n)
{
	struct witness w;
	struct decision got;
	struct facts f;

	for (int e = 0; e < ENTRY_COUNT; e++)
		for (size_t i = 0; i < c->img->n_rules; i++) {
			if (!witness_find(c->space, c->diagram->match[e][i], &w))
				continue;
			witness_facts(c->space, &w, 0, &f);
			vm_decide(c->img, (enum vm_entry) e, &f, &got);
			++*n;
			if (decision_has(&got, i))
				continue;
			printf("# witness, %s: rule %zu does not match\n", entry_info[e].name, i);
			return false;
		}
	for (int e = 0; e <= ENTRY_COMMAND; e++)
		for (int v = VERDICT_ALLOW; v <= VERDICT_DENY; v++) {
			if (!witness_find(c->space, c->diagram->verdict[e][v], &w))
				continue;
			witness_facts(c->space, &w, 0, &f);
			vm_decide(c->img, (enum vm_entry) e, &f, &got);
			++*n;
			if ((int) got.verdict == v)
				continue;
			printf("# witness, %s: verdict %d, the machine says %d\n",
			       entry_info[e].name, v, got.verdict);
			return false;
		}
	return true;
}
