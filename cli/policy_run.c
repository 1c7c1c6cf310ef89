/* SPDX-License-Identifier: MIT */
#include "cli/policy_run.h"

#include "sql/contexts.h"
#include "sql/dotted.h"

/* "orders*" stands for a resource named "orders". */
static struct slice
without_star(struct arena *a, struct slice glob)
{
	uint8_t *out = arena_alloc(a, glob.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < glob.n; i++)
		if (glob.p[i] != '*')
			out[n++] = glob.p[i];
	return slice_of(out, n);
}

static void
fill_principal(struct run *r)
{
	const struct test_decl *t = r->t;
	struct slice *groups;
	size_t n = 0;

	for (const struct ref *g = t->groups; g; g = g->next)
		n++;
	groups = ARENA_ARRAY(&r->arena, struct slice, n);
	n = 0;
	for (const struct ref *g = t->groups; g; g = g->next) {
		int i = image_group_find(r->img, slice_str(g->name.s));

		assert(i >= 0); /* checked */
		groups[n++] = r->img->groups[i].idp;
	}
	facts_set(&r->base, FACT_USER_GROUPS, groups, n);
	facts_string(&r->base, FACT_USER_NAME, t->principal.v);
	facts_int(&r->base, FACT_USER_KIND,
		  enum_find(TYPE_ENUM_USER_KIND, slice_str(t->kind.s)));
}

static void
fill_session(struct run *r)
{
	static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	struct slice name = r->t->resource.v;

	facts_address(&r->base, FACT_CLIENT_ADDRESS, loopback);
	facts_string(&r->base, FACT_CLIENT_APPLICATION, SLICE_LIT(""));
	facts_bool(&r->base, FACT_CLIENT_TLS, true);
	facts_int(&r->base, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	for (size_t i = 0; i < r->img->n_targets && r->t->target.s; i++)
		if (slice_is(r->img->targets[i].name, r->t->target.s)) {
			name = without_star(&r->arena, r->img->targets[i].pattern);
			facts_int(&r->base, FACT_TARGET_PROTOCOL, r->img->targets[i].protocol);
		}
	facts_string(&r->base, FACT_TARGET_NAME, name);
	facts_int(&r->base, FACT_TIME_WEEKDAY, WEEKDAY_MON);
	facts_int(&r->base, FACT_TIME_OF_DAY, 12 * 3600);
	facts_bool(&r->base, FACT_SQL_IN_TRANSACTION, false);
}

/* `with FACT = LITERAL` */
static void
fill_override(struct run *r, struct facts *f, const struct cell *c)
{
	int id = fact_find(slice_str(c->name.s));
	const struct expr *v = c->value;
	enum type type = fact_info[id].type;
	struct slice *set;
	size_t n = 0;
	int word;

	if (v->kind == X_NAME && strcmp(v->name, "unknown") == 0) {
		facts_unknown(f, (enum fact) id);
	} else if (type == TYPE_BOOL && v->kind == X_BOOL) {
		facts_bool(f, (enum fact) id, v->number != 0);
	} else if ((type == TYPE_INT && v->kind == X_INT) ||
		   (type == TYPE_TIME && v->kind == X_TIME)) {
		facts_int(f, (enum fact) id, v->number);
	} else if (type == TYPE_STRING && v->kind == X_STRING) {
		facts_string(f, (enum fact) id, v->string);
	} else if (type == TYPE_ADDRESS && v->kind == X_ADDRESS) {
		uint8_t addr[16] = {[10] = 0xff, [11] = 0xff};

		memcpy(v->address.family == 4 ? addr + 12 : addr, v->address.addr,
		       v->address.family == 4 ? 4 : 16);
		facts_address(f, (enum fact) id, addr);
	} else if (type == TYPE_SET && v->kind == X_SET) {
		for (const struct expr *i = v->l; i; i = i->next)
			n++;
		set = ARENA_ARRAY(&r->arena, struct slice, n);
		n = 0;
		for (const struct expr *i = v->l; i; i = i->next)
			set[n++] = i->kind == X_NAME ? slice_str(i->name) : i->string;
		facts_set(f, (enum fact) id, set, n);
	} else if (v->kind == X_NAME && (type_is_enum(type) || type == TYPE_ACTION)) {
		word = type == TYPE_ACTION ? action_find(slice_str(v->name))
					   : enum_find(type, slice_str(v->name));
		if (word >= 0)
			facts_int(f, (enum fact) id, word);
		else
			buf_printf(&r->why, "'%s' has no value '%s'\n", c->name.s, v->name);
	} else {
		buf_printf(&r->why, "`with %s`: a value of type %s is asked for\n", c->name.s,
			   type_info[type].name);
	}
}

struct slice
run_schema(struct slice schema)
{
	return schema.n ? schema : SLICE_LIT("public");
}

/* A column of a relation, or of the tables that a join has. */
static size_t
fill_use(struct run *r, struct data_use *uses, size_t n, uint32_t relation, struct slice column,
	 uint16_t contexts, const struct sql_use *u)
{
	const struct sql_facts *s = r->sql;
	const struct sql_relation *rel = &s->relations[relation];

	for (uint32_t i = 0; rel->kind == SQL_REL_JOIN && i < rel->n_left + rel->n_right; i++)
		n = fill_use(r, uses, n, s->members[rel->members + i],
			     rel->renamed ? (struct slice){0} : column, contexts, u);
	if (rel->kind != SQL_REL_TABLE && rel->kind != SQL_REL_EXCLUDED)
		return n;
	if (uses)
		r->written[n] = u;
	if (uses)
		uses[n] = (struct data_use){.schema = run_schema(rel->schema),
					    .table = rel->name,
					    .column = rel->renamed ? (struct slice){0} : column,
					    .contexts = contexts};
	return n + 1;
}

/* All uses, a candidate table each; only counted when there is no room. */
static size_t
fill_all(struct run *r, const struct sql_contexts *c, struct data_use *uses)
{
	const struct sql_facts *s = r->sql;
	size_t n = 0;

	for (uint32_t i = 0; i < s->n_uses; i++) {
		const struct sql_use *u = &s->uses[i];
		unsigned row = u->flags & SQL_USE_ROW ? CONTEXT_BIT(WHOLE_ROW) : 0;
		/* A name that may be a column's or the whole row's is both, as in the gateway. */
		bool any = u->flags & (SQL_USE_STAR | SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN);

		for (uint32_t k = 0; k < u->n_candidates; k++)
			n = fill_use(r, uses, n, s->candidates[u->candidates + k].relation,
				     any ? (struct slice){0} : u->column,
				     (uint16_t) (c->of_use[i] | row), u);
	}
	for (uint32_t i = 0; i < c->n_passed; i++)
		n = fill_use(r, uses, n, c->passed[i].relation, c->passed[i].column,
			     c->passed[i].contexts, NULL);
	return n;
}

static void
fill_uses(struct run *r)
{
	struct sql_contexts c;
	struct data_use *uses;
	size_t n;

	sql_contexts(r->sql, &r->arena, &c);
	n = fill_all(r, &c, NULL) + 1;
	uses = ARENA_ARRAY(&r->arena, struct data_use, n);
	r->written = ARENA_ARRAY(&r->arena, const struct sql_use *, n);
	r->base.n_uses = fill_all(r, &c, uses);
	r->base.uses = uses;
	r->base.uses_known = r->sql->status == SQL_OK && c.known;
}

static void
fill_effect(struct run *r, const struct sql_effect *e, struct facts *f)
{
	struct slice schema = run_schema(e->schema), name;

	/* As in the gateway, what an effect does not have is not known. */
	facts_int(f, FACT_ACTION, e->action);
	facts_unknown(f, FACT_SCHEMA);
	facts_unknown(f, FACT_TABLE);
	facts_unknown(f, FACT_FUNCTION);
	facts_unknown(f, FACT_SETTING);
	if (e->object.n && sql_dotted(&r->arena, schema, e->object, &name)) {
		facts_string(f, FACT_SCHEMA, schema);
		facts_string(f, FACT_TABLE, name);
	}
	if (e->function.n && sql_dotted_function(&r->arena, e->schema, e->function, &name))
		facts_string(f, FACT_FUNCTION, name);
	if (e->setting.n)
		facts_string(f, FACT_SETTING, e->setting);
	facts_set(f, FACT_COLUMNS, e->columns, e->n_columns);
	/* Which columns `*` stands for, only a catalog knows. */
	if (e->flags & SQL_EFFECT_STAR)
		facts_unknown(f, FACT_COLUMNS);
	facts_bool(f, FACT_SQL_WHERE, e->flags & SQL_EFFECT_WHERE);
	facts_bool(f, FACT_SQL_WHERE_CONSTANT, e->flags & SQL_EFFECT_WHERE_CONSTANT);
}

/* Without a catalog a function that is vouched for counts as what it was. */
static bool
is_vouched(const struct run *r, const struct sql_effect *e)
{
	for (size_t i = 0; e->action == ACTION_SQL_OPAQUE_FUNCTION && i < r->img->n_trusted; i++) {
		struct slice s = r->img->trusted[i].function, schema = run_schema(e->schema);

		if (s.n > schema.n + e->function.n + 1 && memcmp(s.p, schema.p, schema.n) == 0 &&
		    s.p[schema.n] == '.' && s.p[schema.n + 1 + e->function.n] == '(' &&
		    memcmp(s.p + schema.n + 1, e->function.p, e->function.n) == 0)
			return true;
	}
	return false;
}

/* The facts of all effects; a command whose effects are all vouched for is as SELECT 1. */
static void
fill_effects(struct run *r)
{
	static const struct sql_effect plain = {.action = ACTION_SQL_SELECT, .relation = -1};
	const struct sql_facts *s = r->sql;

	r->effects = ARENA_ARRAY(&r->arena, struct facts, s->n_effects + 1);
	for (uint32_t i = 0; i < s->n_effects; i++) {
		struct facts *f = &r->effects[r->n_effects];

		if (is_vouched(r, &s->effects[i]))
			continue;
		*f = r->base;
		fill_effect(r, &s->effects[i], f);
		for (const struct cell *c = r->t->facts; c; c = c->next)
			if (fact_info[fact_find(slice_str(c->name.s))].phase == PHASE_EFFECT)
				fill_override(r, f, c);
		r->n_effects++;
	}
	if (s->n_effects && !r->n_effects) {
		r->effects[0] = r->base;
		fill_effect(r, &plain, &r->effects[r->n_effects++]);
	}
}

void
run_open(struct run *r, const struct image *img, const struct test_decl *t)
{
	const struct sql_limits limits = SQL_LIMITS_DEFAULT;

	*r = (struct run){.img = img, .t = t, .use_rule = -1};
	arena_init(&r->arena, 0);
	r->connects = !t->sql.v.p;
	r->sql = sql_analyse(r->connects ? SLICE_LIT("") : t->sql.v, &limits, &r->arena);
	fill_principal(r);
	fill_session(r);
	facts_int(&r->base, FACT_SQL_STATEMENTS, r->sql->n_stmts);
	facts_int(&r->base, FACT_SQL_PARAMETERS, r->sql->max_param);
	facts_string(&r->base, FACT_SQL_TEXT, t->sql.v);
	fill_uses(r);
	for (const struct cell *c = t->facts; c; c = c->next)
		fill_override(r, &r->base, c);
	fill_effects(r);
}

void
run_close(struct run *r)
{
	buf_fini(&r->why);
	arena_fini(&r->arena);
}

/* Open is what is shown or counted, or what the column's masks open; of its type nothing is known
 * here. */
unsigned
run_shut_places(const struct run *r, size_t index)
{
	const struct data_use *d = &r->base.uses[index];
	const struct sql_use *u = r->written[index];
	const struct mask_modes m =
		vm_modes_for(r->img, &r->result, d->schema, d->table, d->column);
	unsigned open = CONTEXT_BIT(OUTPUT) | CONTEXT_BIT(COUNT);

	if (u && u->flags & SQL_USE_DERIVES && m.derived)
		open |= CONTEXT_BIT(EXPRESSION) | CONTEXT_BIT(FUNCTION);
	if (u && u->flags & SQL_USE_LOOKUP && m.lookup)
		open |= CONTEXT_BIT(PREDICATE);
	if (u && u->over && m.over && u->over >= m.over)
		open |= CONTEXT_BIT(FUNCTION) | CONTEXT_BIT(ORDER) | CONTEXT_BIT(PREDICATE);
	return d->contexts & ~open;
}

static void
watch_uses(struct run *r)
{
	const struct sql_facts *s = r->sql;

	for (size_t i = 0; i < r->base.n_uses; i++)
		watch_use(r->img, &r->result, &r->base.uses[i], &r->seen);
	for (uint32_t i = 0; i < s->n_relations; i++)
		if (s->relations[i].kind == SQL_REL_TABLE)
			watch_table(r->img, run_schema(s->relations[i].schema),
				    s->relations[i].name, &r->seen);
}

/* May a session be opened? */
static void
decide_connect(struct run *r)
{
	facts_int(&r->base, FACT_ACTION, ACTION_CONNECT);
	vm_decide(r->img, ENTRY_CONNECT, &r->base, &r->joined);
	watch_effect(r->img, ENTRY_WATCH_CONNECT, &r->base, &r->joined, &r->seen);
	r->result = (struct decision){.verdict = VERDICT_ALLOW};
	r->verdict = r->joined.verdict;
	r->use_rule = -1;
}

void
run_watch(struct run *r)
{
	struct decision one;

	watch_init(&r->seen);
	for (size_t i = 0; i < r->n_effects; i++) {
		vm_decide(r->img, ENTRY_COMMAND, &r->effects[i], &one);
		watch_effect(r->img, ENTRY_WATCH, &r->effects[i], &one, &r->seen);
	}
	watch_uses(r);
}

void
run_decide(struct run *r)
{
	struct decision one;

	watch_init(&r->seen);
	if (r->connects) {
		decide_connect(r);
		return;
	}
	vm_join_init(&r->joined);
	for (size_t i = 0; i < r->n_effects; i++) {
		vm_decide(r->img, ENTRY_COMMAND, &r->effects[i], &one);
		vm_join(&r->joined, &one);
	}
	vm_decide(r->img, ENTRY_RESULT, &r->base, &r->result);
	run_watch(r);
	r->verdict = r->joined.verdict;
	r->use_rule = -1;
	for (size_t i = 0; i < r->base.n_uses && r->use_rule < 0; i++) {
		const struct data_use *u = &r->base.uses[i];

		if (run_shut_places(r, i))
			r->use_rule =
				vm_mask_for(r->img, &r->result, u->schema, u->table, u->column);
	}
	if (r->use_rule >= 0)
		r->verdict = VERDICT_DENY;
}
