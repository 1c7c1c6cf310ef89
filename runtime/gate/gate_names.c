/* SPDX-License-Identifier: MIT
 *
 * What names mean over time. Sessions tell each other, over all workers, that they rename something
 * and that they have; a catalog says which of that it has seen. A command whose names matter is not
 * judged by a catalog that is behind what it must have seen (ask->need), and one that changes
 * something not while somebody renames: it might wait for that and then mean another table. What
 * only reads may go; its result is looked at again (session_lookup.c).
 */
#include "gate/gate_internal.h"

static const struct gate_target_state *
target_of(const struct gate *g, const struct gate_session *s)
{
	return &g->targets[s->target];
}

struct gate_seen
gate_seen(const struct gate *g, const struct gate_session *s)
{
	const struct catalog_age *age = &target_of(g, s)->age;

	return (struct gate_seen){age->changed, age->renamed, age->redefined};
}

struct gate_seen
gate_moves(const struct gate *g, const struct gate_session *s)
{
	const struct schema_moves *m = target_of(g, s)->moves;

	return (struct gate_seen){atomic_load(&m->changed), atomic_load(&m->renamed),
				  atomic_load(&m->redefined)};
}

static unsigned
others_rename(const struct gate *g, const struct gate_session *s, unsigned own)
{
	unsigned n = atomic_load(&target_of(g, s)->moves->renaming);

	return n > own ? n - own : 0;
}

static unsigned
others_redefine(const struct gate *g, const struct gate_session *s, unsigned own)
{
	unsigned n = atomic_load(&target_of(g, s)->moves->redefining);

	return n > own ? n - own : 0;
}

bool
gate_moved_twice(const struct gate *g, const struct gate_session *s, struct gate_seen since,
		 struct gate_own own)
{
	const struct schema_moves *m = target_of(g, s)->moves;
	/* First those that are under way, as below. */
	uint64_t renaming = others_rename(g, s, own.renaming);
	uint64_t redefining = others_redefine(g, s, own.redefining);

	return renaming + atomic_load(&m->renamed) - since.renamed > 1 ||
	       (gate_has_masks(s) &&
		redefining + atomic_load(&m->redefined) - since.redefined > 1);
}

bool
gate_names_moved(const struct gate *g, const struct gate_session *s, struct gate_seen since,
		 struct gate_own own)
{
	const struct schema_moves *m = target_of(g, s)->moves;

	/* First those that are under way: one that ends is counted before it is gone from them. */
	return others_rename(g, s, own.renaming) || atomic_load(&m->renamed) != since.renamed ||
	       (gate_has_masks(s) && (others_redefine(g, s, own.redefining) ||
				      atomic_load(&m->changed) != since.changed));
}

void
gate_renaming(struct gate *g, const struct gate_session *s, unsigned n)
{
	atomic_fetch_add(&target_of(g, s)->moves->renaming, n);
}

void
gate_renaming_ends(struct gate *g, const struct gate_session *s, unsigned n, bool done)
{
	struct schema_moves *m = target_of(g, s)->moves;

	if (done) {
		atomic_fetch_add(&m->renamed, n);
		atomic_fetch_add(&m->changed, 1);
	}
	atomic_fetch_sub(&m->renaming, n);
}

void
gate_redefining(struct gate *g, const struct gate_session *s, unsigned n)
{
	atomic_fetch_add(&target_of(g, s)->moves->redefining, n);
}

void
gate_redefining_ends(struct gate *g, const struct gate_session *s, unsigned n, bool done)
{
	struct schema_moves *m = target_of(g, s)->moves;

	if (done) {
		atomic_fetch_add(&m->redefined, n);
		atomic_fetch_add(&m->changed, 1);
	}
	atomic_fetch_sub(&m->redefining, n);
}

uint64_t
gate_catalog_ask(struct gate *g, const struct gate_session *s)
{
	return atomic_fetch_add(&target_of(g, s)->moves->asked, 1) + 1;
}

bool
gate_catalog_wanted(const struct gate *g, const struct gate_session *s,
		    const struct gate_verdict *v, unsigned waited, uint64_t now_mono)
{
	return v->wait_catalog > waited ||
	       (v->wait_if_old && !waited && now_mono >= target_of(g, s)->age.new_until);
}

enum catalog_state
gate_catalog_since(const struct gate *g, const struct gate_session *s, uint64_t request)
{
	const struct gate_target_state *t = target_of(g, s);

	if (t->catalog && t->age.asked >= request)
		return CATALOG_READY;
	return t->age.tried >= request ? CATALOG_FAILED : CATALOG_WAIT;
}

static bool
has_names(const struct sql_facts *f)
{
	bool found = f->n_relations > 0 || sql_runs_other(f);

	for (uint32_t i = 0; i < f->n_effects && !found; i++)
		found = f->effects[i].object.n > 0;
	return found;
}

const struct gate_refusal gate_catalog_behind = {
	"WEIR-CATALOG", "the schema is being changed, and must be read again after that", NULL,
	"send the statement again in a moment", "55006"};

const struct gate_refusal *
gate_names_wait(const struct gate *g, const struct gate_session *s, const struct gate_ask *ask)
{
	static const struct gate_refusal renaming = {
		"WEIR-CATALOG", "another session is renaming something", NULL,
		"send the statement again when its transaction has ended", "55006"};
	const struct gate_target_state *t = target_of(g, s);
	bool behind = ask->need.renamed > t->age.renamed;
	bool others = !ask->facts->pure_read && others_rename(g, s, ask->renamed);

	if ((!behind && !others) || !s->class->reads_names || !has_names(ask->facts))
		return NULL;
	return others ? &renaming : &gate_catalog_behind;
}

uint64_t
gate_names_of(uint64_t so_far, const struct sql_facts *f,
	      const struct catalog_relation *const *relations)
{
	uint64_t h = so_far ? so_far : UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct catalog_relation *r = relations[i];

		h = (h ^ (r ? r->oid : 0)) * UINT64_C(0x100000001b3);
		h = (h ^ (r ? r->version : 0)) * UINT64_C(0x100000001b3);
	}
	return h ? h : 1;
}

bool
gate_result_named(struct gate_session *s, const struct sql_facts *f, struct pg_fields fields,
		  bool fresh, struct arena *arena)
{
	struct gate_class *c = s->class;
	const struct catalog_path *path = s->path ? &s->path->path : &c->path;
	struct pg_field field;
	const struct catalog_relation *const *relations;
	bool named = true, unknown = fresh;

	if (!c->catalog || !f)
		return true;
	relations = gate_relations(s, path, f, arena);
	for (uint32_t i = 0; i < f->n_relations; i++)
		unknown = unknown || (f->relations[i].kind == SQL_REL_TABLE && !relations[i]);
	while (named && pg_fields_next(&fields, &field)) {
		/* What neither side knows: temporary, or made a moment ago. */
		named = !field.table ||
			(unknown && !catalog_by_oid(c->catalog->catalog, field.table));
		for (uint32_t i = 0; i < f->n_relations && !named; i++)
			named = relations[i] && relations[i]->oid == field.table;
	}
	return named;
}
