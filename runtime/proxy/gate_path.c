/* SPDX-License-Identifier: MIT
 *
 * Search paths as sessions have them, each text once: sessions with equal paths share what was
 * remembered of verdicts under them. The number names a path there and is never reused.
 */
#include "proxy/gate_internal.h"

#include <stdlib.h>

static struct gate_path *
path_new(struct slice setting, struct slice user)
{
	static _Thread_local uint64_t last_number;
	struct gate_path *p = calloc(1, sizeof(*p));

	assert(p != NULL);
	arena_init(&p->arena, 0);
	p->setting = arena_copy(&p->arena, setting);
	p->user = arena_copy(&p->arena, user);
	p->number = ++last_number;
	catalog_path_parse(p->setting, p->user, &p->path, &p->arena);
	return p;
}

static void
path_put(struct gate *g, struct gate_path *p)
{
	struct gate_path **at = &g->paths;

	if (!p || --p->refs)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	arena_fini(&p->arena);
	free(p);
}

void
gate_session_path(struct gate_session *s, struct slice setting, struct slice user)
{
	struct gate *g = s->gate;
	struct gate_path *p = g->paths;

	while (p && !(slice_eq(p->setting, setting) && slice_eq(p->user, user)))
		p = p->next;
	if (!p) {
		p = path_new(setting, user);
		p->next = g->paths;
		g->paths = p;
	}
	p->refs++;
	path_put(g, s->path);
	s->path = p;
}

void
gate_session_path_put(struct gate_session *s)
{
	path_put(s->gate, s->path);
	s->path = NULL;
}

struct slice
gate_path_text(const struct gate_session *s)
{
	return s->path ? s->path->setting : (struct slice){0};
}

struct slice
gate_path_user(const struct gate_session *s)
{
	return s->path ? s->path->user : (struct slice){0};
}

uint64_t
gate_path_number(const struct gate_session *s)
{
	return s->path ? s->path->number : 0;
}

const struct catalog_path *
gate_path_for(const struct gate_session *s, const struct gate_class *c, const struct gate_ask *ask)
{
	if (ask->path_unknown || (ask->facts->n_stmts > 1 && facts_move_names(ask->facts)))
		return NULL;
	return s->path ? &s->path->path : &c->path;
}
