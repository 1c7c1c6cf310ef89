/* SPDX-License-Identifier: MIT
 *
 * Temporary tables while masks are in force. What a session keeps in its own holds nothing masked,
 * because a masked column is the source of no write; so they, and sequences, may be made, filled
 * and read like any other. What could tell otherwise is refused: a table that was filled under
 * other masks, one that the policy's patterns or a parent would mask, and a name that may also mean
 * a table that is there for all, because the server may still have, or have again, that one.
 */
#include "gate/gate_look.h"

static const char prefix[] = "pg_temp";

static bool
has_prefix(struct slice schema)
{
	return schema.n >= sizeof(prefix) - 1 && memcmp(schema.p, prefix, sizeof(prefix) - 1) == 0;
}

bool
look_type_is_temporary(const struct look *l, const struct sql_call *call)
{
	struct slice name = call->name;

	if (!l->class->any_masks || !(call->flags & SQL_CALL_TYPE) ||
	    (call->schema.n && !has_prefix(call->schema)))
		return false;
	/* One of that name may have been made a moment ago. */
	if (!l->path || l->path->truncated)
		return l->ask->temporary;
	/* _name: of its arrays. */
	for (;; name = slice_of(name.p + 1, name.n - 1)) {
		if (catalog_temporary(l->path, name))
			return true;
		if (!name.n || name.p[0] != '_')
			return false;
	}
}

/* ---- uses ------------------------------------------------------------------------------------ */

/* What the policy's patterns cover. NULL: nothing of it. */
static const struct catalog_column *
covered(const struct gate_class *c, const struct catalog_relation *r)
{
	const struct image *img = c->epoch->image;

	for (int k = decision_next(&c->masks, -1); k >= 0; k = decision_next(&c->masks, k))
		for (uint32_t i = 0; i < r->n_columns; i++)
			if (!r->columns[i].dropped &&
			    vm_rule_covers(img, &img->rules[k], r->schema, r->name,
					   r->columns[i].name))
				return &r->columns[i];
	return NULL;
}

/* What else has the name, in whatever schema. NULL: nothing. */
static const char *
taken_by(const struct look *l, struct slice name)
{
	const struct catalog *cat = l->class->catalog->catalog;
	struct arena *a = l->ask->arena;

	for (size_t i = 0; i < catalog_count(cat); i++) {
		const struct catalog_relation *r = catalog_at(cat, i);

		if (slice_eq(r->name, name))
			return arena_printf(a, "relation %.*s.%.*s", SLICE_ARG(r->schema),
					    SLICE_ARG(r->name));
	}
	for (;; name = slice_of(name.p + 1, name.n - 1)) {
		if (catalog_shadows(cat, 'p', name) || catalog_shadows(cat, 't', name))
			return arena_printf(a, "type %.*s", SLICE_ARG(name));
		if (!name.n || name.p[0] != '_')
			return NULL;
	}
}

/* Triggers and functions that people have looked at name tables and types as well, and pg_temp
 * comes first for them too: what they write, or cast, would come here. */
static void
check_taken(struct look *l, struct slice name)
{
	const char *other = taken_by(l, name);

	if (other)
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    arena_printf(l->ask->arena, "what is temporary cannot be called \"%.*s\" while "
					 "masks are in force: %s has that name, and triggers and functions "
					 "would take one for the other", SLICE_ARG(name), other),
			    "give it a name that nothing else has");
}

void
look_check_shadow(struct look *l, struct slice schema, const struct catalog_relation *r)
{
	const struct catalog_relation *other =
		schema.n ? NULL : class_shadowed(l->class, l->path, r->name, true);

	if (other)
		look_refuse(l, NULL, "WEIR-SEARCH-PATH",
			    arena_printf(l->ask->arena, "\"%.*s\" is a temporary table and may also mean "
					 "%.*s.%.*s", SLICE_ARG(r->name), SLICE_ARG(other->schema),
					 SLICE_ARG(other->name)),
			    arena_printf(l->ask->arena, "write pg_temp.%.*s or %.*s.%.*s",
					 SLICE_ARG(r->name), SLICE_ARG(other->schema),
					 SLICE_ARG(other->name)));
}

void
look_check_temporary(struct look *l, const struct catalog_relation *r)
{
	struct arena *a = l->ask->arena;
	const struct catalog_column *column = covered(l->class, r);

	check_taken(l, r->name);
	if (l->ask->temporary_foreign)
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    arena_printf(a, "temporary table %.*s may hold what is masked now: it is from "
					 "before the policy or the masks in force changed",
					 SLICE_ARG(r->name)),
			    "DISCARD TEMP, then make your temporary tables again");
	if (r->kind != 'r' && r->kind != 'p' && r->kind != 'S')
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    arena_printf(a, "\"%.*s\" is temporary and no table, which cannot be used while "
					 "masks are in force", SLICE_ARG(r->name)),
			    "make a temporary table, or use WITH name AS (SELECT ...)");
	if (r->inherits)
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    arena_printf(a, "temporary table %.*s inherits from a table, whose masks cannot be "
					 "told here", SLICE_ARG(r->name)),
			    "make it without INHERITS, or with LIKE");
	if (column)
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    arena_printf(a, "column %.*s of temporary table %.*s has a name that the policy "
					 "masks", SLICE_ARG(column->name), SLICE_ARG(r->name)),
			    "give the column, or the table, another name");
}

/* ---- definitions ----------------------------------------------------------------------------- */

static bool
names_own_schema(const struct look *l)
{
	struct slice path = gate_path_text(l->s);

	return path.n && memmem(path.p, path.n, prefix, sizeof(prefix) - 1) != NULL;
}

void
look_check_temporary_made(struct look *l, const struct sql_effect *e,
			  const struct catalog_relation *r)
{
	bool own = slice_is(e->schema, prefix);

	if (has_prefix(e->schema) && !own)
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    "temporary schemas cannot be named by their number while masks are in force",
			    "write pg_temp, which is your own");
	/* What is not known may be temporary, and made in the same message. */
	if (e->flags & SQL_EFFECT_NAME && (!r || catalog_is_temporary(r)))
		check_taken(l, e->value);
	if (e->action != ACTION_SQL_CREATE)
		return;
	if (e->flags & SQL_EFFECT_TABLE) {
		if (e->flags & SQL_EFFECT_TEMPORARY || own)
			check_taken(l, e->object);
		else if (!e->schema.n && names_own_schema(l))
			look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
				    "whether this is temporary hangs on pg_temp in the search path",
				    "write CREATE TEMP, or qualify the name with its schema");
		return;
	}
	/* An index names the table that it is on. */
	if (e->flags & SQL_EFFECT_TEMPORARY || (own && !r))
		look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
			    "of what is temporary only tables and sequences can be made while masks are in "
			    "force",
			    "make a temporary table, or name intermediate results in the statement itself "
			    "(WITH name AS (SELECT ...))");
}

/* A view over what is temporary is temporary, and may have any name. */
void
look_check_temporary_view(struct look *l, const struct sql_stmt *st)
{
	const struct sql_effect *e = st->n_effects ? &l->facts->effects[st->effects] : NULL;

	if (!e || e->action != ACTION_SQL_CREATE || e->flags & SQL_EFFECT_TABLE ||
	    catalog_is_temporary(look_resolve(l, e->schema, e->object)))
		return;
	for (uint32_t i = st->relations; i < st->relations + st->n_relations; i++)
		if (catalog_is_temporary(l->relations[i]))
			look_refuse(l, NULL, "WEIR-MASKED-TEMPORARY",
				    "what is made over a temporary table is temporary, and only tables and "
				    "sequences can be made so while masks are in force",
				    "make a temporary table: CREATE TEMP TABLE name AS SELECT ...");
}

static bool
is_ddl(enum action action)
{
	while (action != ACTION_NONE && action != ACTION_SQL_DDL)
		action = action_info[action].parent;
	return action == ACTION_SQL_DDL;
}

static bool
is_own(const struct look *l, const struct sql_effect *e)
{
	const struct catalog_relation *r;

	if (e->action == ACTION_SQL_CREATE && e->flags & SQL_EFFECT_TABLE &&
	    (e->flags & SQL_EFFECT_TEMPORARY || slice_is(e->schema, prefix)))
		return true;
	r = e->object.n && !(e->flags & SQL_EFFECT_CASCADE)
		    ? look_resolve(l, e->schema, e->object)
		    : NULL;
	return catalog_is_temporary(r) &&
	       (e->schema.n || !class_shadowed(l->class, l->path, e->object, true));
}

bool
look_ddl_is_temporary(const struct look *l, const struct sql_stmt *st)
{
	bool any = false;

	for (uint32_t i = st->effects; i < st->effects + st->n_effects; i++) {
		const struct sql_effect *e = &l->facts->effects[i];

		if (!is_ddl(e->action))
			continue;
		any = true;
		if (!is_own(l, e))
			return false;
	}
	return any && !(st->flags & SQL_CODE);
}
