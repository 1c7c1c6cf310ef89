/* SPDX-License-Identifier: MIT
 *
 * Search paths as sessions have them, each text once: sessions with equal paths share what was
 * remembered of verdicts under them. The number names a path there and is never reused.
 */
#include "gate/gate_internal.h"

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
	path_put(g, p->plain);
	for (; !p->plain && *at != p; at = &(*at)->next)
		;
	if (!p->plain)
		*at = p->next;
	arena_fini(&p->arena);
	free(p);
}

static struct gate_path *
path_shared(struct gate *g, struct slice setting, struct slice user)
{
	struct gate_path *p = g->paths;

	while (p && !(slice_eq(p->setting, setting) && slice_eq(p->user, user)))
		p = p->next;
	if (!p) {
		p = path_new(setting, user);
		p->next = g->paths;
		g->paths = p;
	}
	p->refs++;
	return p;
}

/* Takes over the reference to plain. */
static struct gate_path *
path_own(struct gate_path *plain, struct slice temporary)
{
	struct gate_path *p = path_new(plain->setting, plain->user);

	p->refs = 1;
	p->plain = plain;
	p->temporary = arena_copy(&p->arena, temporary);
	if (!catalog_temporary_read(p->temporary, &p->path, &p->arena))
		p->path.truncated = true; /* nothing is known of names then */
	return p;
}

void
gate_session_path(struct gate_session *s, struct slice setting, struct slice user,
		  struct slice temporary)
{
	struct gate *g = s->gate;
	struct gate_path *plain = path_shared(g, setting, user), *was = s->path;

	if (temporary.n && was && was->plain == plain && slice_eq(was->temporary, temporary)) {
		path_put(g, plain); /* as it was */
		return;
	}
	s->path = temporary.n ? path_own(plain, temporary) : plain;
	path_put(g, was);
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

/* Some name of the text is, in that path, of a temporary relation. */
static bool
names_temporary(const struct gate_path *p, const struct sql_facts *f)
{
	for (uint32_t i = 0; f && p->plain && i < f->n_relations; i++) {
		const struct sql_relation *r = &f->relations[i];

		if ((r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED) &&
		    (!r->schema.n || slice_is(r->schema, "pg_temp")) &&
		    catalog_temporary(&p->path, r->name))
			return true;
	}
	return false;
}

uint64_t
gate_path_number(const struct gate_session *s, const struct sql_facts *f)
{
	const struct gate_path *p = s->path;

	if (!p)
		return 0;
	/* Of what runs another text that one's names count. */
	return p->plain && !names_temporary(p, f) && !(f && sql_runs_other(f)) ? p->plain->number
									       : p->number;
}

/* Which function or operator a call means hangs on the path: others have a built-in's name. */
static bool
calls_by_path(const struct gate_session *s, const struct sql_facts *f)
{
	const struct catalog_ref *ref = s->class ? s->class->catalog : NULL;

	for (uint32_t i = 0; ref && i < f->n_calls; i++) {
		const struct sql_call *c = &f->calls[i];
		bool type = c->flags & SQL_CALL_TYPE;
		char kind = c->flags & SQL_CALL_OPERATOR ? 'o' : type ? 't' : 'f';

		if (!c->schema.n && name_is_taken(ref->catalog, kind, c->name))
			return true;
	}
	return false;
}

bool
gate_path_holds(const struct gate_session *s, const struct sql_facts *f, uint64_t number)
{
	const struct gate_path *p = s->path;
	bool unqualified = false;

	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct sql_relation *r = &f->relations[i];

		unqualified = unqualified ||
			      ((!r->schema.n || slice_is(r->schema, "pg_temp")) &&
			       (r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED));
	}
	return (!unqualified && !calls_by_path(s, f)) || number == (p ? p->number : 0) ||
	       (p && p->plain && number == p->plain->number && !names_temporary(p, f));
}

const struct catalog_path *
gate_path_for(const struct gate_session *s, const struct gate_class *c, const struct gate_ask *ask)
{
	if (ask->path_unknown || (ask->facts->n_stmts > 1 && facts_move_names(ask->facts)))
		return NULL;
	return s->path ? &s->path->path : &c->path;
}
