/* SPDX-License-Identifier: MIT */
#include "gate/gate_class.h"

#include "base/clock.h"
#include "sql/catalog_types.h"

#include <stdlib.h>

static uint32_t
slot_of(uint32_t table, int attnum, uint32_t cap)
{
	uint64_t k = (uint64_t) table << 16 | (uint16_t) attnum;

	k *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t) (k >> 40) & (cap - 1);
}

const struct gate_masked *
class_mask(const struct gate_class *c, uint32_t table, int attnum)
{
	if (!c->cap_masked)
		return NULL;
	for (uint32_t i = slot_of(table, attnum, c->cap_masked);;
	     i = (i + 1) & (c->cap_masked - 1)) {
		const struct gate_masked *m = &c->masked[i];

		if (!m->used)
			return NULL;
		if (m->table == table && m->attnum == attnum)
			return m;
	}
}

static void
masked_add(struct gate_class *c, struct gate_masked mask)
{
	uint32_t i;

	if ((c->n_masked + 1) * 2 > c->cap_masked) {
		struct gate_masked *old = c->masked;
		uint32_t cap = c->cap_masked;

		c->cap_masked = cap ? cap * 2 : 64;
		c->masked = ARENA_ARRAY(&c->arena, struct gate_masked, c->cap_masked);
		c->n_masked = 0;
		for (uint32_t k = 0; k < cap; k++)
			if (old[k].used)
				masked_add(c, old[k]);
	}
	for (i = slot_of(mask.table, mask.attnum, c->cap_masked); c->masked[i].used;)
		i = (i + 1) & (c->cap_masked - 1);
	mask.used = true;
	c->masked[i] = mask;
	c->n_masked++;
}

static int
oid_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

static bool
has_oid(const uint32_t *v, size_t n, uint32_t oid)
{
	return n && bsearch(&oid, v, n, sizeof(*v), oid_cmp) != NULL;
}

/* Where no masks are in force rules on tables go by what is there for all: the plan of a statement
 * that was prepared before the temporary table was made stays with it. */
static const struct catalog_relation *
lasting(const struct gate_class *c, const struct catalog_path *path,
	const struct catalog_relation *temporary)
{
	const struct catalog_relation *r = NULL;

	for (unsigned i = 0; !r && i < path->n; i++)
		r = catalog_resolve(c->catalog->catalog, NULL, path->schemas[i], temporary->name);
	return r ? r : temporary;
}

const struct catalog_relation *
class_resolve(const struct gate_class *c, const struct catalog_path *path, struct slice schema,
	      struct slice name)
{
	const struct catalog_relation *r;

	if (!c->catalog || (!schema.n && (!path || path->truncated)))
		return NULL;
	r = catalog_resolve(c->catalog->catalog, path, schema, name);
	return catalog_is_temporary(r) && !schema.n && !c->any_masks ? lasting(c, path, r) : r;
}

const struct catalog_relation *
class_shadowed(const struct gate_class *c, const struct catalog_path *path, struct slice name,
	       bool any)
{
	const struct catalog_relation *first = class_resolve(c, path, (struct slice){0}, name);

	for (unsigned i = 0; first && i < path->n; i++) {
		const struct catalog_relation *r =
			catalog_resolve(c->catalog->catalog, NULL, path->schemas[i], name);

		if (r && r != first && (any || class_governs(c, r->oid) ||
					class_drops(c, r->oid) || class_tainted(c, r->oid)))
			return r;
	}
	return NULL;
}

const struct catalog_relation **
class_relations(const struct gate_class *c, const struct catalog_path *path,
		const struct sql_facts *f, struct arena *a)
{
	const struct catalog_relation **out =
		ARENA_ARRAY(a, const struct catalog_relation *, f->n_relations + 1);

	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct sql_relation *r = &f->relations[i];

		if (r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED)
			out[i] = class_resolve(c, path, r->schema, r->name);
	}
	return out;
}

bool
class_governs(const struct gate_class *c, uint32_t table)
{
	return has_oid(c->governed, c->n_governed, table);
}

const char *
class_tainted(const struct gate_class *c, uint32_t view)
{
	size_t lo = 0, hi = c->n_tainted;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->tainted[mid].view == view)
			return c->tainted[mid].why;
		if (c->tainted[mid].view < view)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Relations of pg_catalog that show values of other tables or statements of other sessions. */
static const char *const telling_relations[] = {
#define TELLING(relation, column, what) #relation,
#include "grammar/telling.def"
#undef TELLING
};

bool
class_is_telling(const struct catalog_relation *r)
{
	for (size_t i = 0; i < COUNT_OF(telling_relations); i++)
		if (slice_is(r->name, telling_relations[i]))
			return slice_is(r->schema, "pg_catalog");
	return false;
}

bool
class_rule_covers(const struct gate_class *c, uint16_t rule, const struct catalog_relation *r,
		  const struct catalog_column *column)
{
	const struct image *img = c->epoch->image;
	size_t n;
	const struct former_name *was =
		former_find(c->catalog->former, r->oid, column->attnum, &n);
	bool covers = vm_rule_covers(img, &img->rules[rule], r->schema, r->name, column->name);

	for (size_t i = 0; i < n && !covers; i++)
		covers = vm_rule_covers(img, &img->rules[rule], was[i].schema, was[i].table,
					was[i].column);
	return covers;
}

/* Of two mask rules, either of which may be none (-1). */
static int
stricter(const struct image *img, int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return vm_mask_cmp(&img->rules[b].mask, &img->rules[a].mask) > 0 ? b : a;
}

/* The names that the column of r had, if there is one of that name. */
static const struct former_name *
former_names(const struct gate_class *c, const struct catalog_relation *r, struct slice column,
	     size_t *n)
{
	const struct former_name *was = former_find(c->catalog->former, r->oid, 0, n);
	const struct catalog_column *col = was ? catalog_column_named(r, column) : NULL;

	*n = 0;
	return col ? former_find(c->catalog->former, r->oid, col->attnum, n) : NULL;
}

/* The strictest mask of a column, by its own name, by one that it had, or by that of a column it
 * inherits: children and partitions are governed as their parents are. */
static int
mask_rule(const struct gate_class *c, const struct catalog_relation *r, struct slice column,
	  int depth)
{
	const struct image *img = c->epoch->image;
	int best = vm_mask_for(img, &c->masks, r->schema, r->name, column);
	const struct catalog_relation *p;
	size_t n;
	const struct former_name *was = former_names(c, r, column, &n);

	for (size_t i = 0; i < n; i++)
		best = stricter(img, best, vm_mask_for(img, &c->masks, was[i].schema,
						       was[i].table, was[i].column));
	if (depth == 0)
		return best;
	for (uint32_t i = 0; (p = catalog_parent(c->catalog->catalog, r, i)) != NULL; i++)
		if (catalog_column_named(p, column))
			best = stricter(img, best, mask_rule(c, p, column, depth - 1));
	return best;
}

/* What all of those rules open of it. */
static struct mask_modes
mask_modes(const struct gate_class *c, const struct catalog_relation *r, struct slice column,
	   int depth)
{
	struct mask_modes m =
		vm_modes_for(c->epoch->image, &c->masks, r->schema, r->name, column);
	const struct catalog_relation *p;
	size_t n;
	const struct former_name *was = former_names(c, r, column, &n);

	for (size_t i = 0; i < n; i++)
		m = vm_modes_join(m, vm_modes_for(c->epoch->image, &c->masks, was[i].schema,
						  was[i].table, was[i].column));
	for (uint32_t i = 0; depth && (p = catalog_parent(c->catalog->catalog, r, i)) != NULL; i++)
		if (catalog_column_named(p, column))
			m = vm_modes_join(m, mask_modes(c, p, column, depth - 1));
	return m;
}

static void
govern(struct gate_class *c, uint32_t oid)
{
	size_t lo = 0, hi = c->n_governed;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->governed[mid] == oid)
			return;
		if (c->governed[mid] < oid)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(c->governed + lo + 1, c->governed + lo, (c->n_governed - lo) * sizeof(uint32_t));
	c->governed[lo] = oid;
	c->n_governed++;
}

void
class_mask_add(struct gate_class *c, const struct catalog_relation *r, int16_t attnum,
	       struct gate_masked mask)
{
	const struct image_rule *rules = c->epoch->image->rules;
	struct gate_masked *m = (struct gate_masked *) class_mask(c, r->oid, attnum);

	govern(c, r->oid);
	mask.table = r->oid;
	mask.attnum = attnum;
	if (!m) {
		masked_add(c, mask);
		return;
	}
	if (vm_mask_cmp(&rules[mask.rule].mask, &rules[m->rule].mask) > 0)
		m->rule = mask.rule;
	m->modes = vm_modes_join(m->modes, mask.modes);
	m->derived = m->derived || mask.derived;
}

/* Reading a parent reads its children and partitions: their masks are the parent's as well. */
static void
mask_parents(struct gate_class *c, const struct catalog_relation *r, struct slice column,
	     const struct gate_masked *mask, int depth)
{
	const struct catalog_relation *p;

	for (uint32_t i = 0; depth > 0 && (p = catalog_parent(c->catalog->catalog, r, i)); i++) {
		const struct catalog_column *col = catalog_column_named(p, column);
		struct gate_masked *up;

		if (!col)
			continue;
		up = (struct gate_masked *) class_mask(c, p->oid, col->attnum);
		if (up)
			up->modes = vm_modes_join(up->modes, mask->modes);
		else
			class_mask_add(c, p, col->attnum, *mask);
		mask_parents(c, p, column, mask, depth - 1);
	}
}

/* What the server computes from a masked column is hidden, unless the policy names it as well. */
static void
mask_generated(struct gate_class *c)
{
	size_t n;
	const struct catalog_generated *g = catalog_generated(c->catalog->catalog, &n);

	for (size_t i = 0; i < n; i++) {
		const struct gate_masked *own = class_mask(c, g[i].relation->oid, g[i].attnum);
		const struct gate_masked *from = class_mask(c, g[i].relation->oid, g[i].from);

		if (!from)
			continue;
		/* By whether it can be computed, and what is said of a value when it cannot. */
		c->computes = c->computes || g[i].when_read;
		if (!own || own->derived)
			class_mask_add(c, g[i].relation, g[i].attnum, (struct gate_masked){
				.rule = from->rule, .derived = true});
	}
}

static void
find_masked(struct gate_class *c)
{
	const struct catalog *cat = c->catalog->catalog;
	size_t n = catalog_count(cat);

	c->governed = ARENA_ARRAY(&c->arena, uint32_t, n + 1);
	for (size_t i = 0; i < n; i++) {
		const struct catalog_relation *r = catalog_at(cat, i);

		for (uint32_t k = 0; k < r->n_columns; k++) {
			int rule = r->columns[k].dropped ? -1
							 : mask_rule(c, r, r->columns[k].name, 32);

			if (rule < 0)
				continue;
			class_mask_add(c, r, r->columns[k].attnum, (struct gate_masked){
				.rule = (uint16_t) rule,
				.modes = mask_modes(c, r, r->columns[k].name, 32)});
		}
	}
	mask_generated(c);
	for (size_t i = 0; i < n; i++) {
		const struct catalog_relation *r = catalog_at(cat, i);

		for (uint32_t k = 0; k < r->n_columns && r->n_parents; k++) {
			const struct gate_masked *m = r->columns[k].dropped ? NULL :
				class_mask(c, r->oid, r->columns[k].attnum);

			struct gate_masked copy = m ? *m : (struct gate_masked){0};

			if (m)
				mask_parents(c, r, r->columns[k].name, &copy, 32);
		}
	}
}

void
class_set_time(struct facts *f, uint64_t now_wall_ns)
{
	uint64_t s = now_wall_ns / NS_PER_S;

	/* 1970-01-01 was a Thursday. */
	facts_int(f, FACT_TIME_WEEKDAY, (int64_t) ((s / 86400 + 3) % 7));
	facts_int(f, FACT_TIME_OF_DAY, (int64_t) (s % 86400));
}

static void
session_facts(struct gate_class *c, uint64_t now)
{
	const struct config_target *t = &c->epoch->config.targets[c->target];
	const struct config_principal *p = c->principal;
	struct facts *f = &c->facts;

	facts_string(f, FACT_USER_NAME, slice_str(p->name));
	facts_int(f, FACT_USER_KIND, (int64_t) p->kind);
	facts_set(f, FACT_USER_GROUPS, p->groups, p->n_groups);
	facts_address(f, FACT_CLIENT_ADDRESS, c->client.address);
	facts_string(f, FACT_CLIENT_APPLICATION, c->client.application);
	facts_bool(f, FACT_CLIENT_TLS, c->client.tls);
	facts_string(f, FACT_TARGET_NAME, slice_str(t->name));
	facts_int(f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	class_set_time(f, now);
}

/* ---- what masks are -------------------------------------------------------------------------- */

static uint64_t
mixed(uint64_t h, const void *p, size_t n)
{
	for (const uint8_t *b = p; n--; b++)
		h = (h ^ *b) * UINT64_C(0x100000001b3);
	/* Where it ends. */
	return (h ^ 0x100) * UINT64_C(0x100000001b3);
}

static uint64_t
mixed_slice(uint64_t h, struct slice s)
{
	return mixed(h, s.p, s.n);
}

static uint64_t
mask_hash(const struct image *img, const struct image_rule *r)
{
	const struct image_mask *m = &r->mask;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	uint32_t is[] = {r->kind, m->kernel, m->count, m->modes.lookup, m->modes.derived,
			 m->modes.over, r->detectors};

	h = mixed_slice(mixed(h, is, sizeof(is)), m->text);
	for (size_t i = 0; i < m->n_data; i++) {
		const struct image_data *d = &img->data[m->data[i]];

		for (size_t k = 0; k < d->n_columns; k++) {
			h = mixed_slice(h, d->columns[k].schema);
			h = mixed_slice(h, d->columns[k].table);
			h = mixed_slice(h, d->columns[k].column);
		}
	}
	return h;
}

/* In whatever order they stand. What hangs on each row is not compared: any reload counts. */
static uint64_t
masks_number(const struct gate_class *c)
{
	const struct image *img = c->epoch->image;
	uint64_t h = c->any_masks;
	bool by_row = false;

	for (int r = decision_next(&c->masks, -1); c->any_masks && r >= 0;
	     r = decision_next(&c->masks, r)) {
		h += mask_hash(img, &img->rules[r]);
		by_row = by_row || img->rules[r].by_row || img->rules[r].kind != VM_MASK;
	}
	return by_row ? mixed(h, &c->epoch->number, sizeof(c->epoch->number)) : h;
}

struct gate_class *
class_new(struct epoch *e, struct catalog_ref *cat, size_t target, struct slice user,
	  const struct gate_client *client, uint64_t now)
{
	static _Thread_local uint64_t last_id;
	struct gate_class *c = calloc(1, sizeof(*c));

	assert(c != NULL);
	arena_init(&c->arena, 0);
	c->refs = 1;
	c->id = ++last_id;
	c->epoch = epoch_ref(e);
	c->catalog = cat ? catalog_ref_get(cat) : NULL;
	c->principal = config_principal_find(&e->config, user);
	c->target = target;
	c->client = *client;
	c->application = arena_str(&c->arena, client->application);
	c->client.application = slice_of(c->application, client->application.n);
	c->made_wall_ns = now;
	if (!c->principal)
		return c;
	session_facts(c, now);
	if (!cat)
		return c;
	catalog_path_parse(catalog_setting(cat->catalog, "search_path"),
			   catalog_setting(cat->catalog, "session_user"), &c->path, &c->arena);
	vm_decide(e->image, ENTRY_RESULT, &c->facts, &c->masks);
	for (int r = decision_next(&c->masks, -1); r >= 0; r = decision_next(&c->masks, r))
		c->any_masks = c->any_masks || e->image->rules[r].by_column;
	gate_detect_rules(e->image, &c->masks, e->masks, &c->detect);
	if (c->any_masks) {
		find_masked(c);
		class_find_views(c);
		class_find_dropping(c);
	}
	c->masks_number = masks_number(c);
	c->reads_names = c->any_masks || epoch_reads_names(e, false);
	c->reads_path = c->reads_names ||
			(e->image->n_rules && catalog_types(cat->catalog)->n_overloads);
	return c;
}

void
class_unref(struct gate_class *c)
{
	if (!c || --c->refs)
		return;
	epoch_unref(c->epoch);
	catalog_ref_put(c->catalog);
	arena_fini(&c->arena);
	free(c);
}
