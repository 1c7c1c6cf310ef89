/* SPDX-License-Identifier: MIT
 *
 * Masks and drops of two policies over what a command reads. A rule that both have (the very same)
 * makes no difference; what the others cover is looked at column by column.
 */
#include "cli/replay_compare.h"
#include "cli/replay_got.h"
#include "compiler/rule_digest.h"
#include "gate/gate_class.h"

/* The rules of one policy that are in force. */
struct in_force {
	const struct told_policy *policy;
	struct decision rules;
	bool any; /* of columns, or drops: the gateway refuses more */
	bool detects;
};

struct look {
	const struct comparer *x;
	const struct recorded *c;
	struct comparison *out;
	struct in_force was, is;
};

static void
lacks(struct look *l, unsigned bit)
{
	l->out->lacking |= UINT64_C(1) << bit;
}

/* ---- Rules that only one of both has --------------------------------------------------------- */

static bool
has_in_force(const struct in_force *f, uint64_t rule)
{
	for (int r = decision_next(&f->rules, -1); r >= 0; r = decision_next(&f->rules, r))
		if (f->policy->rules[r] == rule)
			return true;
	return false;
}

/* The next rule in force in `a` that is not so in `b`. */
static int
next_only(const struct in_force *a, const struct in_force *b, int rule)
{
	while ((rule = decision_next(&a->rules, rule)) >= 0 &&
	       has_in_force(b, a->policy->rules[rule]))
		;
	return rule;
}

/* Empty names stand for any. */
static bool
only_covers(const struct in_force *a, const struct in_force *b, unsigned kinds,
	    struct slice schema, struct slice table, struct slice column)
{
	const struct image *img = a->policy->image;

	for (int r = next_only(a, b, -1); r >= 0; r = next_only(a, b, r))
		if (kinds >> img->rules[r].kind & 1 &&
		    vm_rule_covers(img, &img->rules[r], schema, table, column))
			return true;
	return false;
}

static bool
differs(const struct look *l, unsigned kinds, struct slice schema, struct slice table,
	struct slice column)
{
	return only_covers(&l->was, &l->is, kinds, schema, table, column) ||
	       only_covers(&l->is, &l->was, kinds, schema, table, column);
}

enum { MASKS = 1u << VM_MASK, DROPS = 1u << VM_DROP };

/* ---- A column -------------------------------------------------------------------------------- */

struct column_mask {
	struct buf text;  /* the strictest, and what all of them open */
	struct buf whole; /* the strictest first, up to the first that does not read rows */
	int rule;	  /* the strictest; -1: none */
	bool by_row;
};

static void
mask_of(const struct in_force *f, struct slice schema, struct slice table, struct slice column,
	struct column_mask *out)
{
	const struct image *img = f->policy->image;
	struct decision left = f->rules;
	struct image_mask first;
	int r;

	*out = (struct column_mask){.rule = vm_mask_for(img, &left, schema, table, column)};
	if (out->rule < 0) {
		buf_puts(&out->text, "clear");
		return;
	}
	first = img->rules[out->rule].mask;
	first.modes = vm_modes_for(img, &left, schema, table, column);
	rule_mask_text(&out->text, &first);
	buf_put_slice(&out->whole, buf_slice(&out->text));
	while ((r = vm_mask_for(img, &left, schema, table, column)) >= 0) {
		rule_mask_text(&out->whole, &img->rules[r].mask);
		if (!img->rules[r].by_row)
			return;
		buf_printf(&out->whole, " %llx ", (unsigned long long) f->policy->rules[r]);
		out->by_row = true;
		decision_remove(&left, (size_t) r);
	}
}

static const char *
rule_name(const struct look *l, const struct in_force *f, int rule)
{
	return rule < 0 ? NULL : arena_str(l->out->arena, f->policy->image->rules[rule].name);
}

static void
compare_column(struct look *l, struct slice schema, struct slice table, struct slice column)
{
	struct column_mask was, is;
	struct arena *a = l->out->arena;

	if (!differs(l, MASKS, schema, table, column))
		return;
	mask_of(&l->was, schema, table, column, &was);
	mask_of(&l->is, schema, table, column, &is);
	/* Where one is clear, values may be masked by what they are. */
	if (!slice_eq(buf_slice(&was.text), buf_slice(&is.text)) ||
	    !slice_eq(buf_slice(&was.whole), buf_slice(&is.whole)))
		change_add(l->out, (struct change){
			.kind = CHANGE_MASKED,
			.maybe = was.by_row || is.by_row || (was.rule < 0 && l->was.detects) ||
				 (is.rule < 0 && l->is.detects),
			.object = arena_printf(a, "%.*s.%.*s.%.*s", SLICE_ARG(schema),
					       SLICE_ARG(table), SLICE_ARG(column)),
			.was = arena_str(a, buf_slice(&was.text)),
			.is = arena_str(a, buf_slice(&is.text)),
			.rule_was = rule_name(l, &l->was, was.rule),
			.rule_is = rule_name(l, &l->is, is.rule)});
	buf_fini(&was.text);
	buf_fini(&was.whole);
	buf_fini(&is.text);
	buf_fini(&is.whole);
}

/* ---- A table --------------------------------------------------------------------------------- */

bool *
compare_inheriting(const struct catalog *c, struct arena *a)
{
	bool *out = ARENA_ARRAY(a, bool, catalog_count(c) + 1);
	const struct catalog_relation *p;

	for (size_t i = 0; i < catalog_count(c); i++)
		for (uint32_t k = 0; (p = catalog_parent(c, catalog_at(c, i), k)) != NULL; k++)
			out[i] = out[p - catalog_at(c, 0)] = true;
	return out;
}

static bool
any_inheriting_differs(const struct look *l)
{
	const struct catalog *c = l->x->catalog;

	for (size_t i = 0; i < catalog_count(c); i++)
		if (l->x->inherits[i] &&
		    differs(l, MASKS | DROPS, catalog_at(c, i)->schema, catalog_at(c, i)->name,
			    (struct slice){0}))
			return true;
	return false;
}

static bool
computes(const struct catalog *c, const struct catalog_relation *r)
{
	size_t n;
	const struct catalog_generated *g = catalog_generated(c, &n);

	for (size_t i = 0; i < n; i++)
		if (g[i].relation == r)
			return true;
	return false;
}

/* Columns of others may be read by this name. Where no catalog has it, it may be a view; what the
 * server has of its own is none of anybody's data. */
static bool
may_pass_on(const struct look *l, struct slice schema, struct slice table)
{
	const struct catalog *cat = l->x->catalog;
	const struct catalog_relation *r = cat ? catalog_resolve(cat, NULL, schema, table) : NULL;
	const struct catalog_depend *d;
	uint32_t n;

	if (!r)
		return !slice_is(schema, "pg_catalog") && !slice_is(schema, "information_schema");
	if (r->kind == 'v' || r->kind == 'm') {
		d = catalog_view_depends(cat, r, &n);
		for (uint32_t i = 0; i < n; i++)
			if (differs(l, MASKS | DROPS, d[i].relation->schema, d[i].relation->name,
				    (struct slice){0}))
				return true;
		return n == 0;
	}
	if (computes(cat, r) && differs(l, MASKS, schema, table, (struct slice){0}))
		return true;
	return l->x->inherits[r - catalog_at(cat, 0)] && any_inheriting_differs(l);
}

/* "dropped by foreign, mine"; the first of those that the other side has not. */
static const char *
drops_of(const struct look *l, const struct in_force *f, const struct in_force *other,
	 struct slice schema, struct slice table, int *only)
{
	const struct image *img = f->policy->image;
	const char *names = NULL;

	*only = -1;
	for (int r = decision_next(&f->rules, -1); r >= 0; r = decision_next(&f->rules, r)) {
		const struct image_rule *rule = &img->rules[r];

		if (rule->kind != VM_DROP ||
		    !vm_rule_covers(img, rule, schema, table, (struct slice){0}))
			continue;
		if (*only < 0 && !has_in_force(other, f->policy->rules[r]))
			*only = r;
		names = arena_printf(l->out->arena, "%s%.*s", names ? arena_printf(l->out->arena,
				     "%s, ", names) : "dropped by ", SLICE_ARG(rule->name));
	}
	return names ? names : "all";
}

/* Of a statement that shows rows. Which of them a rule drops hangs on what they held. */
static void
compare_drops(struct look *l, struct slice schema, struct slice table)
{
	struct arena *a = l->out->arena;
	int was_only, is_only;
	const char *was, *is;

	if (!differs(l, DROPS, schema, table, (struct slice){0}))
		return;
	was = drops_of(l, &l->was, &l->is, schema, table, &was_only);
	is = drops_of(l, &l->is, &l->was, schema, table, &is_only);
	change_add(l->out, (struct change){
		.kind = CHANGE_DROPPED, .maybe = true,
		.object = arena_printf(a, "rows of %.*s.%.*s", SLICE_ARG(schema), SLICE_ARG(table)),
		.was = was, .is = is,
		.rule_was = rule_name(l, &l->was, was_only),
		.rule_is = rule_name(l, &l->is, is_only)});
}

/* ---- An effect ------------------------------------------------------------------------------- */

bool
effect_table(const struct facts *f, struct slice *schema, struct slice *table)
{
	const struct value *t = &f->v[FACT_TABLE], *s = &f->v[FACT_SCHEMA];

	if (!t->known || !s->known || t->s.n <= s->s.n)
		return false;
	*schema = s->s;
	*table = slice_of(t->s.p + s->s.n + 1, t->s.n - s->s.n - 1);
	return true;
}

static void
compare_read(struct look *l, const struct facts *f, uint64_t missing)
{
	const struct value *columns = &f->v[FACT_COLUMNS];
	struct slice schema, table, any = {0};
	size_t before = l->out->n;

	if (!effect_table(f, &schema, &table)) {
		/* An unknown cursor, or an unknown name; else it reads no table. */
		if (missing >> FACT_COLUMNS & 1)
			lacks(l, FACT_COLUMNS);
		if (missing >> RECORDED_VIEWS & 1)
			lacks(l, RECORDED_VIEWS);
		return;
	}
	if (missing >> FACT_COLUMNS & 1 && differs(l, MASKS, schema, table, any))
		lacks(l, FACT_COLUMNS);
	for (size_t i = 0; columns->known && i < columns->set.n; i++)
		compare_column(l, schema, table, columns->set.v[i]);
	compare_drops(l, schema, table);
	if (l->out->n == before && may_pass_on(l, schema, table))
		lacks(l, RECORDED_VIEWS);
}

/* What is written is not shown; what the statement looks at to do so is not on record. */
static void
compare_write(struct look *l, const struct facts *f)
{
	struct slice schema, table;

	if (!effect_table(f, &schema, &table) ||
	    only_covers(&l->is, &l->was, MASKS, schema, table, (struct slice){0}))
		lacks(l, RECORDED_USES);
	else if (next_only(&l->is, &l->was, -1) >= 0 && may_pass_on(l, schema, table))
		lacks(l, RECORDED_VIEWS);
}

static bool
is_harmless_setting(const struct facts *f)
{
	static const char *const moving[] = {"search_path", "role", "session_authorization"};

	for (size_t i = 0; i < COUNT_OF(moving); i++)
		if (slice_is(f->v[FACT_SETTING].s, moving[i]))
			return false;
	return f->v[FACT_SETTING].known;
}

/* A table of the system that shows values of others. */
static bool
is_telling(const struct facts *f)
{
	struct catalog_relation r = {0};

	return effect_table(f, &r.schema, &r.name) && class_is_telling(&r);
}

/* What the gateway lets through under masks as well (gate_masks.c, gate_settings.c): reading and
 * writing of tables, and what neither reads nor changes what names mean. */
static bool
is_plain(const struct facts *f)
{
	switch ((enum action) f->v[FACT_ACTION].i) {
	case ACTION_SQL_SELECT:
	case ACTION_SQL_COPY_OUT:
		return !is_telling(f);
	case ACTION_SQL_INSERT:
	case ACTION_SQL_UPDATE:
	case ACTION_SQL_DELETE:
	case ACTION_SQL_MERGE:
	case ACTION_SQL_COPY_IN:
	case ACTION_SQL_SHOW:
	case ACTION_SQL_EXPLAIN:
	case ACTION_SQL_FETCH:
	case ACTION_SQL_BEGIN:
	case ACTION_SQL_COMMIT:
	case ACTION_SQL_ROLLBACK:
	case ACTION_SQL_SAVEPOINT:
	case ACTION_SQL_PREPARE:
	case ACTION_SQL_DECLARE:
	case ACTION_SQL_LOCK:
	case ACTION_SQL_LISTEN:
	case ACTION_SQL_NOTIFY:
		return true;
	case ACTION_SQL_SET:
		return is_harmless_setting(f);
	default:
		return false;
	}
}

/* Under masks of then it was let through: it matters only of what table it is. */
static bool
is_newly_masked(const struct look *l, const struct facts *f)
{
	struct slice schema, table;

	return effect_table(f, &schema, &table) &&
	       only_covers(&l->is, &l->was, MASKS | DROPS, schema, table, (struct slice){0});
}

static void
compare_effect(struct look *l, const struct facts *f, uint64_t missing)
{
	if (!f->v[FACT_ACTION].known) {
		lacks(l, FACT_ACTION);
		return;
	}
	switch ((enum action) f->v[FACT_ACTION].i) {
	case ACTION_SQL_SELECT:
	case ACTION_SQL_COPY_OUT:
		compare_read(l, f, missing);
		break;
	case ACTION_SQL_UPDATE:
	case ACTION_SQL_DELETE:
	case ACTION_SQL_MERGE:
		compare_write(l, f);
		break;
	default:
		break;
	}
	if (l->is.any && !is_plain(f) && (!l->was.any || is_newly_masked(l, f)))
		lacks(l, RECORDED_REFUSED);
}

static void
compare_detectors(struct look *l)
{
	int was[DETECTOR_COUNT], is[DETECTOR_COUNT];
	bool any = vm_detectors(l->was.policy->image, &l->was.rules, was);

	any = vm_detectors(l->is.policy->image, &l->is.rules, is) || any;
	for (int i = 0; any && i < DETECTOR_COUNT; i++) {
		struct buf a = {0}, b = {0};

		if (was[i] >= 0)
			rule_mask_text(&a, &l->was.policy->image->rules[was[i]].mask);
		if (is[i] >= 0)
			rule_mask_text(&b, &l->is.policy->image->rules[is[i]].mask);
		if (!slice_eq(buf_slice(&a), buf_slice(&b)))
			change_add(l->out, (struct change){
				.kind = CHANGE_MASKED, .maybe = true, .of_values = true,
				.object = arena_printf(l->out->arena, "values like %s",
						       detector_info[i].name),
				.was = a.n ? arena_str(l->out->arena, buf_slice(&a)) : "clear",
				.is = b.n ? arena_str(l->out->arena, buf_slice(&b)) : "clear",
				.rule_was = rule_name(l, &l->was, was[i]),
				.rule_is = rule_name(l, &l->is, is[i])});
		buf_fini(&a);
		buf_fini(&b);
	}
}

/* ---- A command ------------------------------------------------------------------------------- */

/* False: what is in force hangs on what is not on record. */
static bool
find_rules(struct look *l, const struct told_policy *p, struct in_force *out)
{
	struct decision turned;
	uint64_t missing = recorded_match(l->c, p->image, ENTRY_RESULT, &out->rules, &turned);

	out->policy = p;
	out->detects = vm_detectors(p->image, &out->rules, (int[DETECTOR_COUNT]){0});
	for (int r = decision_next(&out->rules, -1); r >= 0; r = decision_next(&out->rules, r))
		out->any = out->any || p->image->rules[r].by_column;
	for (size_t r = 0; missing && r < p->image->n_rules; r++)
		if (decision_has(&out->rules, r) != decision_has(&turned, r)) {
			l->out->lacking |= missing;
			return false;
		}
	return true;
}

static bool
reads_tables(const struct recorded *c)
{
	struct slice schema, table;

	for (size_t i = 0; i < c->n; i++)
		if (effect_table(&c->effects[i], &schema, &table))
			return true;
	return false;
}

void
compare_masks(const struct comparer *x, const struct recorded *c, struct comparison *out)
{
	struct look l = {.x = x, .c = c, .out = out};

	if (!find_rules(&l, x->was, &l.was) || !find_rules(&l, x->is, &l.is))
		return;
	if (next_only(&l.was, &l.is, -1) < 0 && next_only(&l.is, &l.was, -1) < 0)
		return;
	for (size_t i = 0; i < c->n; i++)
		compare_effect(&l, &c->effects[i], c->missing[i]);
	/* What a transaction has changed, the gateway's own look at the catalog does not show. */
	if (c->behind_ddl && l.is.any && !l.was.any && reads_tables(c))
		lacks(&l, RECORDED_REFUSED);
	if (c->cut)
		lacks(&l, RECORDED_EFFECTS);
	if (!recorded_shows_nothing(c))
		compare_detectors(&l);
}

uint64_t
compare_refused(const struct comparer *x, const struct recorded *c)
{
	struct comparison none = {.arena = c->arena};
	struct look l = {.x = x, .c = c, .out = &none};
	bool known;

	if (x->was == x->is)
		return 0;
	if (!x->was)
		return UINT64_C(1) << RECORDED_POLICY;
	known = find_rules(&l, x->was, &l.was) && find_rules(&l, x->is, &l.is);
	if (known && next_only(&l.was, &l.is, -1) < 0 && next_only(&l.is, &l.was, -1) < 0)
		return 0;
	return UINT64_C(1) << RECORDED_REFUSED | none.lacking;
}
