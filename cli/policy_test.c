/* SPDX-License-Identifier: MIT
 *
 * The tests in a policy: facts from the test's words and from the analysis of its statement,
 * decided by the same machine as in the gateway. Without a catalog names are taken as written;
 * where the statement leaves open which table a column is of, every table it could be counts.
 */
#include "cli/policy.h"

#include "proto/pg/mask.h"
#include "sql/contexts.h"

enum { OID_BOOL = 16, OID_INT8 = 20, OID_TEXT = 25 };
static const char test_mask_key[] = "weir test";

struct run {
	const struct cli_policy *p;
	const struct image *img;
	const struct test_decl *t;
	struct arena arena;
	const struct sql_facts *sql;
	struct facts base; /* of the command */
	struct decision joined, result;
	struct decision row, shown; /* of the row at hand; the masks in force for it */
	enum verdict verdict;
	int use_rule;      /* the mask rule whose column is used where it must not be, or -1 */
	struct buf why;    /* what failed, one sentence a line */
};

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

	if (type == TYPE_BOOL && v->kind == X_BOOL) {
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

static struct slice
schema_or_public(struct slice schema)
{
	return schema.n ? schema : SLICE_LIT("public");
}

/* A column of a relation, or of the tables that a join has. */
static size_t
fill_use(struct run *r, struct data_use *uses, size_t n, uint32_t relation, struct slice column,
	 uint16_t contexts)
{
	const struct sql_facts *s = r->sql;
	const struct sql_relation *rel = &s->relations[relation];

	for (uint32_t i = 0; rel->kind == SQL_REL_JOIN && i < rel->n_left + rel->n_right; i++)
		n = fill_use(r, uses, n, s->members[rel->members + i],
			     rel->renamed ? (struct slice){0} : column, contexts);
	if (rel->kind != SQL_REL_TABLE && rel->kind != SQL_REL_EXCLUDED)
		return n;
	if (uses)
		uses[n] = (struct data_use){.schema = schema_or_public(rel->schema),
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

		for (uint32_t k = 0; k < u->n_candidates; k++)
			n = fill_use(r, uses, n, s->candidates[u->candidates + k].relation,
				     u->flags & SQL_USE_STAR ? (struct slice){0} : u->column,
				     (uint16_t) (c->of_use[i] | row));
	}
	for (uint32_t i = 0; i < c->n_passed; i++)
		n = fill_use(r, uses, n, c->passed[i].relation, c->passed[i].column,
			     c->passed[i].contexts);
	return n;
}

static void
fill_uses(struct run *r)
{
	struct sql_contexts c;
	struct data_use *uses;

	sql_contexts(r->sql, &r->arena, &c);
	uses = ARENA_ARRAY(&r->arena, struct data_use, fill_all(r, &c, NULL) + 1);
	r->base.n_uses = fill_all(r, &c, uses);
	r->base.uses = uses;
	r->base.uses_known = r->sql->status == SQL_OK && c.known;
}

static void
fill_effect(struct run *r, const struct sql_effect *e, struct facts *f)
{
	struct slice schema = schema_or_public(e->schema);

	facts_int(f, FACT_ACTION, e->action);
	facts_string(f, FACT_SCHEMA, e->object.n || e->function.n ? schema : SLICE_LIT(""));
	facts_string(f, FACT_TABLE, SLICE_LIT(""));
	facts_string(f, FACT_FUNCTION, SLICE_LIT(""));
	if (e->object.n)
		facts_string(f, FACT_TABLE,
			     slice_str(arena_printf(&r->arena, "%.*s.%.*s", SLICE_ARG(schema),
						    SLICE_ARG(e->object))));
	if (e->function.n)
		facts_string(f, FACT_FUNCTION, e->function);
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
		struct slice s = r->img->trusted[i].function, schema = schema_or_public(e->schema);

		if (s.n > schema.n + e->function.n + 1 && memcmp(s.p, schema.p, schema.n) == 0 &&
		    s.p[schema.n] == '.' && s.p[schema.n + 1 + e->function.n] == '(' &&
		    memcmp(s.p + schema.n + 1, e->function.p, e->function.n) == 0)
			return true;
	}
	return false;
}

static void
decide(struct run *r)
{
	const struct sql_facts *s = r->sql;
	struct decision one;

	facts_int(&r->base, FACT_SQL_STATEMENTS, s->n_stmts);
	facts_int(&r->base, FACT_SQL_PARAMETERS, s->max_param);
	facts_string(&r->base, FACT_SQL_TEXT, r->t->sql.v);
	fill_uses(r);
	for (const struct cell *c = r->t->facts; c; c = c->next)
		fill_override(r, &r->base, c);
	vm_join_init(r->img, &r->joined);
	for (uint32_t i = 0; i < s->n_effects; i++) {
		struct facts f = r->base;

		if (is_vouched(r, &s->effects[i]))
			continue;
		fill_effect(r, &s->effects[i], &f);
		for (const struct cell *c = r->t->facts; c; c = c->next)
			if (fact_info[fact_find(slice_str(c->name.s))].phase == PHASE_EFFECT)
				fill_override(r, &f, c);
		vm_decide(r->img, ENTRY_COMMAND, &f, &one);
		vm_join(&r->joined, &one);
	}
	if (s->n_effects && !r->joined.effects) {
		const struct sql_effect plain = {.action = ACTION_SQL_SELECT, .relation = -1};
		struct facts f = r->base;

		fill_effect(r, &plain, &f);
		vm_decide(r->img, ENTRY_COMMAND, &f, &one);
		vm_join(&r->joined, &one);
	}
	vm_decide(r->img, ENTRY_RESULT, &r->base, &r->result);
	r->verdict = r->joined.verdict;
	r->use_rule = -1;
	for (size_t i = 0; i < r->base.n_uses && r->use_rule < 0; i++) {
		const struct data_use *u = &r->base.uses[i];

		if (u->contexts & ~(CONTEXT_BIT(OUTPUT) | CONTEXT_BIT(COUNT)))
			r->use_rule =
				vm_mask_for(r->img, &r->result, u->schema, u->table, u->column);
	}
	if (r->use_rule >= 0)
		r->verdict = VERDICT_DENY;
}

static bool
decided_by(const struct run *r, const char *name)
{
	if (strcmp(name, "default") == 0)
		return r->joined.by_default && r->use_rule < 0;
	if (r->use_rule >= 0 && slice_is(r->img->rules[r->use_rule].name, name))
		return true;
	if (r->verdict != r->joined.verdict)
		return false;
	for (int i = decision_next_deciding(r->img, &r->joined, -1); i >= 0;
	     i = decision_next_deciding(r->img, &r->joined, i))
		if (slice_is(r->img->rules[i].name, name))
			return true;
	return false;
}

static void
put_deciders(struct run *r)
{
	const char *sep = " by ";

	if (r->use_rule >= 0) {
		buf_printf(&r->why, "%s%.*s (a masked column is used other than as output)", sep,
			   SLICE_ARG(r->img->rules[r->use_rule].name));
		return;
	}
	for (int i = decision_next_deciding(r->img, &r->joined, -1); i >= 0;
	     i = decision_next_deciding(r->img, &r->joined, i)) {
		buf_printf(&r->why, "%s%.*s at ", sep, SLICE_ARG(r->img->rules[i].name));
		cli_rule_place(&r->why, r->img, (size_t) i);
		sep = ", ";
	}
	if (r->joined.by_default)
		buf_printf(&r->why, "%sdefault: no rule speaks of some effect", sep);
}

static void
expect_verdict(struct run *r, const struct expect *e)
{
	static const enum verdict verdicts[] = {[RULE_ALLOW] = VERDICT_ALLOW,
						[RULE_DENY] = VERDICT_DENY,
						[RULE_HOLD] = VERDICT_HOLD};
	enum verdict want = verdicts[e->verdict];

	if (r->verdict == want && (!e->by.s || decided_by(r, e->by.s)))
		return;
	buf_printf(&r->why, "expected %s%s%s, got %s", vm_rule_info[want].name,
		   e->by.s ? " by " : "", e->by.s ? e->by.s : "", vm_rule_info[r->verdict].name);
	put_deciders(r);
	if (r->sql->status != SQL_OK && r->sql->error.n)
		buf_printf(&r->why, "; the statement: %.*s", SLICE_ARG(r->sql->error));
	buf_putc(&r->why, '\n');
}

enum { MASK_CLEAR_OUTPUT = -1, MASK_NO_OUTPUT = -2, QUERY_DEPTH_MAX = 32 };

static int mask_named(struct run *r, uint32_t query, struct slice name, unsigned depth);

static int
stricter(struct run *r, int a, int b)
{
	const struct image_rule *rules = r->img->rules;

	if (a < 0 || b < 0)
		return a > b ? a : b;
	return vm_mask_cmp(&rules[a].mask, &rules[b].mask) > 0 ? a : b;
}

static int
position(const struct sql_facts *s, uint32_t first, uint32_t n, struct slice name)
{
	for (uint32_t i = 0; i < n; i++)
		if (slice_eq(s->names[first + i], name))
			return (int) i;
	return -1;
}

/* A column of a relation, by its name there. Without a catalog, what a column list renames may be
 * any column of its table. */
static int
mask_of_relation(struct run *r, uint32_t relation, struct slice column, unsigned depth)
{
	const struct sql_facts *s = r->sql;
	const struct sql_relation *rel = &s->relations[relation];
	int best = MASK_CLEAR_OUTPUT;

	for (uint32_t i = 0; rel->kind == SQL_REL_JOIN && i < rel->n_left + rel->n_right; i++)
		best = stricter(r, best, mask_of_relation(r, s->members[rel->members + i],
							  rel->renamed ? (struct slice){0} : column,
							  depth));
	if (rel->kind == SQL_REL_TABLE)
		return vm_mask_for(r->img, &r->shown, schema_or_public(rel->schema), rel->name,
				   rel->renamed ? (struct slice){0} : column);
	if (rel->query < 0)
		return best;
	return mask_named(r, (uint32_t) rel->query, rel->renamed ? (struct slice){0} : column,
			  depth);
}

/* The mask rule over a column of a query, by its name; an empty name stands for all. */
static int
mask_named(struct run *r, uint32_t query, struct slice name, unsigned depth)
{
	const struct sql_facts *s = r->sql;
	const struct sql_query *q = &s->queries[query];
	bool all = !name.n || q->n_names || q->kind == SQL_QUERY_VALUES;
	int best = MASK_NO_OUTPUT;

	if (depth > QUERY_DEPTH_MAX)
		return MASK_CLEAR_OUTPUT;
	if (q->n_names && name.n && position(s, q->names, q->n_names, name) < 0)
		return MASK_NO_OUTPUT;
	/* Which of the second arm's columns stands below the first's name, its position says; the
	 * strictest is on the safe side. */
	if (q->kind == SQL_QUERY_UNION) {
		best = mask_named(r, q->left, all ? (struct slice){0} : name, depth + 1);
		if (best == MASK_NO_OUTPUT)
			return best;
		return stricter(r, best, mask_named(r, q->right, (struct slice){0}, depth + 1));
	}
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &s->outputs[q->outputs + i];
		const struct sql_use *u = o->use >= 0 ? &s->uses[o->use] : NULL;
		bool star = o->kind == SQL_OUTPUT_STAR;

		if (!star && !all && !slice_eq(o->name, name))
			continue;
		best = stricter(r, best, MASK_CLEAR_OUTPUT);
		if (o->query >= 0)
			best = stricter(r, best, mask_named(r, (uint32_t) o->query,
							    (struct slice){0}, depth + 1));
		for (uint32_t k = 0; u && k < u->n_candidates; k++) {
			uint32_t rel = s->candidates[u->candidates + k].relation;
			struct slice column = !star ? u->column : all ? (struct slice){0} : name;

			best = stricter(r, best, mask_of_relation(r, rel, column, depth + 1));
		}
	}
	return best;
}

/* The mask rule over an output column, by its name; -1: shown as it is, -2: no such output. */
static int
mask_of_output(struct run *r, struct slice name)
{
	const struct sql_facts *s = r->sql;
	int best = MASK_NO_OUTPUT;

	for (uint32_t i = 0; i < s->n_stmts; i++)
		if (s->stmts[i].query >= 0)
			best = stricter(r, best,
					mask_named(r, (uint32_t) s->stmts[i].query, name, 0));
	return best;
}

static bool
any_masked_by(struct run *r, const char *name)
{
	for (size_t i = 0; i < r->base.n_uses; i++) {
		const struct data_use *u = &r->base.uses[i];
		int rule;

		if (!(u->contexts & CONTEXT_BIT(OUTPUT)))
			continue;
		rule = vm_mask_for(r->img, &r->result, u->schema, u->table, u->column);
		if (rule >= 0 && slice_is(r->img->rules[rule].name, name))
			return true;
	}
	return false;
}

/* A command that is refused is not limited as well. */
static void
expect_limited(struct run *r, const char *name)
{
	int rule = image_rule_find(r->img, slice_str(name));

	if (r->img->rules[rule].kind != VM_LIMIT)
		buf_printf(&r->why, "%s is no limit rule\n", name);
	else if (r->verdict == VERDICT_DENY)
		buf_puts(&r->why, "expected a limit, got deny\n");
	else if (!(r->joined.matched[rule / 64] >> rule % 64 & 1))
		buf_printf(&r->why, "the command is not limited by %s\n", name);
}

/* A literal as the server would send it in text format; false: NULL. */
static bool
cell_text(struct run *r, const struct expr *v, struct slice *out, uint32_t *oid)
{
	*oid = OID_TEXT;
	switch (v->kind) {
	case X_NULL:
		return false;
	case X_STRING:
		*out = v->string;
		return true;
	case X_BOOL:
		*oid = OID_BOOL;
		*out = v->number ? SLICE_LIT("t") : SLICE_LIT("f");
		return true;
	case X_NAME:
		*out = slice_str(v->name);
		return true;
	default:
		*oid = OID_INT8;
		*out = slice_str(arena_printf(&r->arena, "%lld", (long long) v->number));
		return true;
	}
}

/* The cell of a test's row that holds a column: by the output that is that column. */
static const struct cell *
cell_of_column(const struct run *r, const struct test_row *row, struct slice column)
{
	const struct sql_facts *s = r->sql;

	for (uint32_t i = 0; i < s->n_outputs; i++) {
		const struct sql_output *o = &s->outputs[i];
		bool star = o->kind == SQL_OUTPUT_STAR;

		if (!star && (o->kind != SQL_OUTPUT_COLUMN || o->use < 0 ||
			      !slice_eq(s->uses[o->use].column, column)))
			continue;
		for (const struct cell *c = row->cells; c; c = c->next)
			if (slice_is(star ? column : o->name, c->name.s))
				return c;
	}
	return NULL;
}

/* As in the gateway, a row is read only where it is plain whose row it is. */
static bool
one_plain_table(const struct sql_facts *s)
{
	return s->n_relations == 1 && s->relations[0].kind == SQL_REL_TABLE;
}

static void
decide_row(struct run *r, const struct test_row *row)
{
	size_t n = r->img->n_row_columns;
	struct row_value *v = ARENA_ARRAY(&r->arena, struct row_value, n + 1);
	struct facts f = r->base;
	uint32_t oid;

	for (size_t i = 0; i < n && one_plain_table(r->sql); i++) {
		const struct cell *c = cell_of_column(r, row, r->img->row_columns[i]);

		if (!c || !cell_text(r, c->value, &v[i].s, &oid))
			continue;
		v[i].known = true;
		v[i].is_int = c->value->kind == X_INT;
		v[i].i = c->value->number;
	}
	f.row = v;
	vm_decide(r->img, ENTRY_ROW, &f, &r->row);
	r->shown = r->result;
	for (size_t i = 0; i < r->img->n_rules; i++)
		if (r->img->rules[i].by_row && !(r->row.matched[i / 64] >> i % 64 & 1))
			r->shown.matched[i / 64] &= ~(UINT64_C(1) << i % 64);
}

/* The drop rule that withholds the row at hand, or -1. */
static int
dropped_by(const struct run *r)
{
	for (int i = decision_next(&r->row, -1); i >= 0; i = decision_next(&r->row, i)) {
		const struct image_rule *rule = &r->img->rules[i];

		for (uint32_t k = 0; rule->kind == VM_DROP && k < r->sql->n_relations; k++)
			if (r->sql->relations[k].kind == SQL_REL_TABLE &&
			    vm_rule_covers(r->img, rule,
					   schema_or_public(r->sql->relations[k].schema),
					   r->sql->relations[k].name, (struct slice){0}))
				return i;
	}
	return -1;
}

static void
expect_cell(struct run *r, const struct test_row *row, const struct cell *want)
{
	const struct cell *c = row->cells;
	struct slice in = {0}, expected = {0}, got;
	struct buf masked = {0};
	uint32_t oid, ignored;
	bool in_null, want_null, got_null;
	int rule = mask_of_output(r, slice_str(want->name.s));

	while (c && c->name.s != want->name.s)
		c = c->next;
	if (!c || rule < -1) {
		buf_printf(&r->why, !c ? "the `row` has no column '%s'\n"
				       : "the statement has no output column '%s'\n",
			   want->name.s);
		return;
	}
	in_null = !cell_text(r, c->value, &in, &oid);
	want_null = !cell_text(r, want->value, &expected, &ignored);
	got = in;
	got_null = in_null;
	if (rule >= 0 && !in_null) {
		const struct image_mask *m = &r->img->rules[rule].mask;
		struct mask_key key;
		struct mask_spec spec = {.kernel = m->kernel, .n = m->count, .text = m->text,
					 .key = &key};

		mask_key_init(&key, slice_str(test_mask_key));
		struct mask_op op = mask_bind(&spec, oid, -1, 0);
		got_null = !mask_rewrite(&op, in, &masked);
		got = buf_slice(&masked);
	}
	if (got_null != want_null || (!got_null && !slice_eq(got, expected))) {
		buf_printf(&r->why, "column %s: expected ", want->name.s);
		if (want_null)
			buf_puts(&r->why, "null");
		else
			buf_json_string(&r->why, expected);
		buf_puts(&r->why, ", got ");
		if (got_null)
			buf_puts(&r->why, "null");
		else
			buf_json_string(&r->why, got);
		if (rule >= 0)
			buf_printf(&r->why, " by %.*s", SLICE_ARG(r->img->rules[rule].name));
		buf_putc(&r->why, '\n');
	}
	buf_fini(&masked);
}

static const struct test_row *
expect_dropped(struct run *r, const struct test_row *row, const char *name)
{
	int rule;

	if (!row) {
		buf_puts(&r->why, "more expected rows than `row` gives\n");
		return NULL;
	}
	decide_row(r, row);
	rule = dropped_by(r);
	if (rule < 0)
		buf_printf(&r->why, "expected a row dropped by %s, and it is shown\n", name);
	else if (!slice_is(r->img->rules[rule].name, name))
		buf_printf(&r->why, "expected a row dropped by %s, and %.*s drops it\n", name,
			   SLICE_ARG(r->img->rules[rule].name));
	return row->next;
}

static void
check_expects(struct run *r)
{
	const struct test_row *row = r->t->rows;

	for (const struct expect *e = r->t->expects; e; e = e->next) {
		switch (e->kind) {
		case EXPECT_VERDICT:
			expect_verdict(r, e);
			break;
		case EXPECT_MASKED:
			if (!any_masked_by(r, e->by.s))
				buf_printf(&r->why, "no output column is masked by %s\n", e->by.s);
			break;
		case EXPECT_LIMITED:
			expect_limited(r, e->by.s);
			break;
		case EXPECT_ROW:
			if (!row) {
				buf_puts(&r->why, "more expected rows than `row` gives\n");
				break;
			}
			if (r->verdict != VERDICT_ALLOW) {
				buf_printf(&r->why, "expected a row, got %s",
					   vm_rule_info[r->verdict].name);
				put_deciders(r);
				buf_putc(&r->why, '\n');
			}
			decide_row(r, row);
			if (dropped_by(r) >= 0)
				buf_printf(&r->why, "the row is dropped by %.*s\n",
					   SLICE_ARG(r->img->rules[dropped_by(r)].name));
			for (const struct cell *c = e->cells; c; c = c->next)
				expect_cell(r, row, c);
			row = row->next;
			break;
		case EXPECT_DROPPED:
			row = expect_dropped(r, row, e->by.s);
			break;
		}
	}
}

static void
report(const struct run *r, bool json, struct buf *out)
{
	struct position at = source_position((struct sources *) &r->p->sources, r->t->name.at);
	struct slice rest = buf_slice(&r->why);
	bool passed = rest.n == 0;

	if (json) {
		buf_puts(out, "{\"test\": ");
		buf_json_string(out, r->t->name.v);
		buf_puts(out, ", \"file\": ");
		buf_json_string(out, slice_str(at.source->path));
		buf_printf(out, ", \"line\": %u, \"passed\": %s, \"failures\": [", at.line,
			   passed ? "true" : "false");
	} else if (!passed) {
		buf_printf(out, "%s:%u: test \"%.*s\" failed\n", at.source->path, at.line,
			   SLICE_ARG(r->t->name.v));
	}
	for (const char *sep = ""; rest.n; sep = ", ") {
		const uint8_t *end = memchr(rest.p, '\n', rest.n);
		struct slice line = slice_of(rest.p, (size_t) (end - rest.p));

		rest.p += line.n + 1;
		rest.n -= line.n + 1;
		if (json) {
			buf_puts(out, sep);
			buf_json_string(out, line);
		} else {
			buf_printf(out, "  %.*s\n", SLICE_ARG(line));
		}
	}
	if (json)
		buf_puts(out, "]}\n");
}

struct test_counts
cli_policy_test(const struct cli_policy *p, bool json, struct buf *out)
{
	const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct test_counts n = {0};

	for (const struct test_decl *t = p->tree ? p->tree->tests : NULL; t; t = t->next) {
		struct run r = {.p = p, .img = p->image, .t = t};

		arena_init(&r.arena, 0);
		r.sql = sql_analyse(t->sql.v, &limits, &r.arena);
		fill_principal(&r);
		fill_session(&r);
		decide(&r);
		check_expects(&r);
		assert(!r.why.failed);
		if (r.why.n)
			n.failed++;
		else
			n.passed++;
		report(&r, json, out);
		buf_fini(&r.why);
		arena_fini(&r.arena);
	}
	return n;
}
