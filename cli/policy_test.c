/* SPDX-License-Identifier: MIT
 *
 * The tests in a policy: what each expects, and what comes (policy_run.c).
 */
#include "cli/policy_catalog.h"

#include "gate/gate.h"

enum { OID_BOOL = 16, OID_INT8 = 20, OID_TEXT = 25 };
static const char test_mask_key[] = "weir test";

static bool
decided_by(const struct run *r, const char *name)
{
	if (strcmp(name, "default") == 0)
		return r->joined.by_default && r->use_rule < 0;
	if (r->use_rule >= 0 && slice_is(r->img->rules[r->use_rule].name, name))
		return true;
	for (uint8_t i = 0; i < r->n_use_rules; i++)
		if (slice_is(r->img->rules[r->use_rules[i]].name, name))
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

	if (r->use_rule >= 0 || r->refusal) {
		if (r->use_rule >= 0)
			buf_printf(&r->why, "%s%.*s", sep,
				   SLICE_ARG(r->img->rules[r->use_rule].name));
		buf_printf(&r->why, " (%s)",
			   r->refusal ? r->refusal : "a masked column is used other than as output");
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

enum { QUERY_DEPTH_MAX = 32 };

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
	int best = RUN_NOT_MASKED;

	for (uint32_t i = 0; rel->kind == SQL_REL_JOIN && i < rel->n_left + rel->n_right; i++)
		best = stricter(r, best, mask_of_relation(r, s->members[rel->members + i],
							  rel->renamed ? (struct slice){0} : column,
							  depth));
	if (rel->kind == SQL_REL_TABLE)
		return vm_mask_for(r->img, &r->shown, run_schema(rel->schema), rel->name,
				   rel->renamed ? (struct slice){0} : column);
	if (rel->query < 0)
		return best;
	return mask_named(r, (uint32_t) rel->query, rel->renamed ? (struct slice){0} : column,
			  depth);
}

/* The mask rule over a masked column that the output is computed from: it hides all of it. */
static int
mask_of_computed(struct run *r, const struct sql_output *o, unsigned depth)
{
	const struct sql_facts *s = r->sql;
	int best = RUN_NOT_MASKED;

	for (uint32_t i = o->uses; i < o->uses + o->n_uses; i++) {
		const struct sql_use *u = &s->uses[i];

		for (uint32_t k = 0; u->flags & SQL_USE_DERIVES && k < u->n_candidates; k++) {
			uint32_t rel = s->candidates[u->candidates + k].relation;

			best = stricter(r, best, mask_of_relation(r, rel, u->column, depth + 1));
		}
	}
	r->hides = r->hides || best >= 0;
	return best;
}

/* The mask rule over a column of a query, by its name; an empty name stands for all. */
static int
mask_named(struct run *r, uint32_t query, struct slice name, unsigned depth)
{
	const struct sql_facts *s = r->sql;
	const struct sql_query *q = &s->queries[query];
	bool all = !name.n || q->n_names || q->kind == SQL_QUERY_VALUES;
	int best = RUN_NO_OUTPUT;

	if (depth > QUERY_DEPTH_MAX)
		return RUN_NOT_MASKED;
	if (q->n_names && name.n && position(s, q->names, q->n_names, name) < 0)
		return RUN_NO_OUTPUT;
	/* Which of the second arm's columns stands below the first's name, its position says; the
	 * strictest is on the safe side. */
	if (q->kind == SQL_QUERY_UNION) {
		best = mask_named(r, q->left, all ? (struct slice){0} : name, depth + 1);
		if (best == RUN_NO_OUTPUT)
			return best;
		return stricter(r, best, mask_named(r, q->right, (struct slice){0}, depth + 1));
	}
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &s->outputs[q->outputs + i];
		const struct sql_use *u = o->use >= 0 ? &s->uses[o->use] : NULL;
		bool star = o->kind == SQL_OUTPUT_STAR;

		if (!star && !all && !slice_eq(o->name, name))
			continue;
		best = stricter(r, best, RUN_NOT_MASKED);
		if (o->query >= 0)
			best = stricter(r, best, mask_named(r, (uint32_t) o->query,
							    (struct slice){0}, depth + 1));
		for (uint32_t k = 0; u && k < u->n_candidates; k++) {
			uint32_t rel = s->candidates[u->candidates + k].relation;
			struct slice column = !star ? u->column : all ? (struct slice){0} : name;

			best = stricter(r, best, mask_of_relation(r, rel, column, depth + 1));
		}
		if (o->derives)
			best = stricter(r, best, mask_of_computed(r, o, depth));
	}
	return best;
}

static const struct run_output *
output_named(const struct run *r, struct slice name)
{
	for (uint32_t i = 0; i < r->n_outputs; i++)
		if (slice_eq(r->outputs[i].name, name))
			return &r->outputs[i];
	return NULL;
}

/* The mask rule over an output column, by its name; -1: shown as it is, -2: no such output. */
static int
mask_of_output(struct run *r, struct slice name)
{
	const struct sql_facts *s = r->sql;
	const struct run_output *o = output_named(r, name);
	int best = RUN_NO_OUTPUT;

	r->hides = o && o->hides;
	if (r->knows_outputs && !o)
		return RUN_NO_OUTPUT;
	/* One that the row lifts: the next, by its name. */
	if (o && (o->rule < 0 || decision_has(&r->shown, (size_t) o->rule)))
		return o->rule;

	r->hides = false;
	for (uint32_t i = 0; i < s->n_stmts; i++)
		if (s->stmts[i].query >= 0)
			best = stricter(r, best,
					mask_named(r, (uint32_t) s->stmts[i].query, name, 0));
	return best;
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

/* The masks in force, under a key of the tests' own. */
void
run_bind_masks(struct run *r)
{
	mask_key_init(&r->key, slice_str(test_mask_key));
	r->specs = ARENA_ARRAY(&r->arena, struct mask_spec, r->img->n_rules + 1);
	for (size_t i = 0; i < r->img->n_rules; i++) {
		const struct image_mask *m = &r->img->rules[i].mask;

		r->specs[i] = (struct mask_spec){
			.kernel = m->kernel, .n = m->count, .text = m->text, .key = &r->key};
	}
	gate_detect_rules(r->img, &r->result, r->specs, &r->detect);
}

bool
run_finds(const struct run *r, size_t rule)
{
	struct detect_rules detect = r->detect;
	struct detect_field f;
	struct slice v;
	uint32_t found, oid;

	detect.wanted = r->img->rules[rule].detectors;
	if (!detect.wanted || !decision_has(&r->result, (size_t) rule))
		return false;
	for (const struct test_row *row = r->t->rows; row; row = row->next)
		for (const struct cell *c = row->cells; c; c = c->next) {
			if (!cell_text((struct run *) (uintptr_t) r, c->value, &v, &oid))
				continue;
			f = detect_field_of(oid, -1, 0);
			if (detect_look(&detect, &f, v, &found) != DETECT_CLEAN)
				return true;
		}
	return false;
}

/* Of masks that read rows, which one counts can be another in each. */
static bool
masked_in_a_row(struct run *r, const char *name)
{
	for (const struct test_row *row = r->t->rows; row; row = row->next) {
		if (r->verdict == VERDICT_DENY || run_row(r, row) >= 0)
			continue;
		for (const struct cell *c = row->cells; c; c = c->next) {
			int rule = mask_of_output(r, slice_str(c->name.s));

			if (rule >= 0 && slice_is(r->img->rules[rule].name, name))
				return true;
		}
	}
	return false;
}

static bool
any_masked_by(struct run *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_outputs; i++)
		if (r->outputs[i].rule >= 0 &&
		    slice_is(r->img->rules[r->outputs[i].rule].name, name))
			return true;
	for (size_t i = 0; i < r->base.n_uses && !r->knows_outputs; i++) {
		const struct data_use *u = &r->base.uses[i];
		int rule;

		if (!(u->contexts & CONTEXT_BIT(OUTPUT)))
			continue;
		rule = vm_mask_for(r->img, &r->result, u->schema, u->table, u->column);
		if (rule >= 0 && slice_is(r->img->rules[rule].name, name))
			return true;
	}
	return masked_in_a_row(r, name);
}

static bool
matches(const struct run *r, int rule)
{
	return decision_has(&r->joined, (size_t) rule);
}

/* A command that is refused is not limited as well, but on record. */
static void
expect_obliged(struct run *r, const struct expect *e)
{
	enum vm_rule kind = e->kind == EXPECT_LIMITED ? VM_LIMIT : VM_RECORD;
	int rule = image_rule_find(r->img, slice_str(e->by.s));

	if (r->img->rules[rule].kind != kind || r->img->rules[rule].shadow)
		buf_printf(&r->why, "%s is no %s rule\n", e->by.s, vm_rule_info[kind].name);
	else if (kind == VM_LIMIT && r->verdict == VERDICT_DENY)
		buf_puts(&r->why, "expected a limit, got deny\n");
	else if (!matches(r, rule))
		buf_printf(&r->why, "the command is not %s by %s\n", expect_kind_name(e->kind),
			   e->by.s);
}

/* A notify rule that matches, or a rule that decides and names a channel. */
static void
expect_notified(struct run *r, const char *name)
{
	int rule = image_rule_find(r->img, slice_str(name));
	const struct image_rule *i = &r->img->rules[rule];

	if (!i->channel.n || i->shadow)
		buf_printf(&r->why, "%s tells no channel anything\n", name);
	else if (i->kind == VM_ALLOW && r->connects)
		buf_puts(&r->why, "nobody is told of a session that is opened at once\n");
	else if (i->kind == VM_NOTIFY ? !decision_has(&r->seen.seen, (size_t) rule)
				      : !decided_by(r, name))
		buf_printf(&r->why, "the command is not notified by %s\n", name);
}

static void
expect_shadow(struct run *r, const char *name)
{
	int rule = image_rule_find(r->img, slice_str(name));

	if (!r->img->rules[rule].shadow)
		buf_printf(&r->why, "%s is no shadow rule\n", name);
	else if (watch_outcome(r->img, &r->seen, rule, r->verdict, r->use_rule >= 0) ==
		 WATCH_NOTHING)
		buf_printf(&r->why, "the shadow rule %s would change nothing\n", name);
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
	if (r->watch)
		r->watch->saw(r->watch->ctx, r, ENTRY_ROW, &f);
	r->shown = r->result;
	for (size_t i = 0; i < r->img->n_rules; i++)
		if (r->img->rules[i].by_row && !decision_has(&r->row, i))
			decision_remove(&r->shown, i);
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
					   run_schema(r->sql->relations[k].schema),
					   r->sql->relations[k].name, (struct slice){0}))
				return i;
	}
	return -1;
}

uint32_t
run_value_type(enum mask kernel, struct slice v, uint32_t type)
{
	enum { OID_DATE = 1082, OID_TIMESTAMP = 1114, OID_TIMESTAMPTZ = 1184, OID_NUMERIC = 1700 };
	enum { DATE_AND_TIME = 19 };

	if (type != OID_TEXT)
		return type;
	switch (kernel) {
	case MASK_YEAR:
	case MASK_MONTH:
		if (!memchr(v.p, ' ', v.n))
			return OID_DATE;
		for (size_t i = DATE_AND_TIME; i < v.n; i++)
			if (v.p[i] == '+' || v.p[i] == '-')
				return OID_TIMESTAMPTZ;
		return OID_TIMESTAMP;
	case MASK_ROUND:
	case MASK_BUCKET:
		return OID_NUMERIC;
	default:
		return type;
	}
}

/* A value as the client gets it: its column's mask (-1: none), then the detectors. False: NULL. */
static bool
shown_as(struct run *r, int rule, struct slice in, uint32_t oid, int32_t typmod, struct buf *out)
{
	const struct detect_field f = detect_field_of(oid, typmod, 0);
	struct buf value = {0};
	uint32_t found;
	bool shown = true, looked = rule < 0;

	if (rule >= 0) {
		const struct image_mask *m = &r->img->rules[rule].mask;
		struct mask_spec hidden = mask_hidden(m->kernel, m->text);
		struct mask_op op = mask_bind(r->hides ? &hidden : &r->specs[rule],
					      run_value_type(m->kernel, in, oid), typmod, 0);

		shown = mask_rewrite(&op, in, &value);
		looked = shown && mask_leaves_something(&op);
	} else {
		buf_put_slice(&value, in);
	}
	if (looked && detect_look(&r->detect, &f, buf_slice(&value), &found) != DETECT_CLEAN)
		shown = detect_show(&r->detect, &f, buf_slice(&value), found, out);
	else
		buf_put_slice(out, buf_slice(&value));
	buf_fini(&value);
	return shown;
}

int
run_row(struct run *r, const struct test_row *row)
{
	decide_row(r, row);
	return dropped_by(r);
}

int
run_cell(struct run *r, const struct cell *c, bool *null, struct buf *out)
{
	int rule = mask_of_output(r, slice_str(c->name.s));
	const struct run_output *o = output_named(r, slice_str(c->name.s));
	struct slice in = {0};
	size_t before = out->n;
	bool in_null;
	int32_t typmod = -1;
	uint32_t oid;

	if (rule == RUN_NO_OUTPUT)
		return rule;
	in_null = !cell_text(r, c->value, &in, &oid);
	if (o && o->type) {
		oid = o->type;
		typmod = o->typmod;
	}
	*null = (in_null && (rule < 0 || !r->hides)) || !shown_as(r, rule, in, oid, typmod, out);
	if (rule < 0 && !in_null &&
	    (*null || !slice_eq(slice_of(out->p + before, out->n - before), in)))
		return RUN_FOUND;
	return rule;
}

static void
expect_cell(struct run *r, const struct test_row *row, const struct cell *want)
{
	const struct cell *c = row->cells;
	struct slice expected = {0}, got;
	struct buf masked = {0};
	bool want_null, got_null;
	uint32_t ignored;
	int rule = RUN_NO_OUTPUT;

	while (c && c->name.s != want->name.s)
		c = c->next;
	if (c)
		rule = run_cell(r, c, &got_null, &masked);
	if (rule == RUN_NO_OUTPUT) {
		buf_printf(&r->why, !c ? "the `row` has no column '%s'\n"
				       : "the statement has no output column '%s'\n",
			   want->name.s);
		return;
	}
	want_null = !cell_text(r, want->value, &expected, &ignored);
	got = buf_slice(&masked);
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

/* What is held shows rows once it is released. */
static void
expect_answer(struct run *r)
{
	if (r->verdict != VERDICT_DENY)
		return;
	buf_printf(&r->why, "expected a row, got %s", vm_rule_info[r->verdict].name);
	put_deciders(r);
	buf_putc(&r->why, '\n');
}

static const struct test_row *
expect_dropped(struct run *r, const struct test_row *row, const char *name)
{
	int rule;

	if (!row) {
		buf_puts(&r->why, "more expected rows than `row` gives\n");
		return NULL;
	}
	expect_answer(r);
	rule = run_row(r, row);
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
	int dropped;

	for (const struct expect *e = r->t->expects; e; e = e->next) {
		switch (e->kind) {
		case EXPECT_VERDICT:
			expect_verdict(r, e);
			break;
		case EXPECT_MASKED:
			if (!any_masked_by(r, e->by.s) &&
			    !run_finds(r, (size_t) image_rule_find(r->img, slice_str(e->by.s))))
				buf_printf(&r->why, "no output column is masked by %s\n", e->by.s);
			break;
		case EXPECT_LIMITED:
		case EXPECT_RECORDED:
			expect_obliged(r, e);
			break;
		case EXPECT_NOTIFIED:
			expect_notified(r, e->by.s);
			break;
		case EXPECT_SHADOW:
			expect_shadow(r, e->by.s);
			break;
		case EXPECT_ROW:
			if (!row) {
				buf_puts(&r->why, "more expected rows than `row` gives\n");
				break;
			}
			expect_answer(r);
			dropped = run_row(r, row);
			if (dropped >= 0)
				buf_printf(&r->why, "the row is dropped by %.*s\n",
					   SLICE_ARG(r->img->rules[dropped].name));
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
report(const struct cli_policy *p, const struct run *r, bool json, struct buf *out)
{
	struct position at = source_position((struct sources *) &p->sources, r->t->name.at);
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

static void
tell_watch(const struct run *r)
{
	if (r->connects) {
		r->watch->saw(r->watch->ctx, r, ENTRY_CONNECT, &r->base);
		r->watch->saw(r->watch->ctx, r, ENTRY_WATCH_CONNECT, &r->base);
		return;
	}
	for (size_t i = 0; i < r->n_effects; i++) {
		r->watch->saw(r->watch->ctx, r, ENTRY_COMMAND, &r->effects[i]);
		r->watch->saw(r->watch->ctx, r, ENTRY_WATCH, &r->effects[i]);
	}
	r->watch->saw(r->watch->ctx, r, ENTRY_RESULT, &r->base);
}

/* Who watches sees the facts that the verdict is of. */
static void
decide(struct run *r, struct catalog_ref *catalog, const struct test_watch *watch)
{
	run_decide(r);
	if (catalog && !r->connects)
		(void) run_with_catalog(r, catalog);
	r->watch = watch;
	if (watch)
		tell_watch(r);
}

struct test_counts
cli_policy_test_watched(const struct cli_policy *p, bool json, const struct test_watch *watch,
			struct buf *out)
{
	struct test_counts n = {0};

	for (const struct test_decl *t = p->tree ? p->tree->tests : NULL; t; t = t->next) {
		struct run r;

		run_open(&r, p->image, t);
		decide(&r, p->catalog, watch);
		run_bind_masks(&r);
		check_expects(&r);
		if (watch)
			watch->ran(watch->ctx, &r);
		assert(!r.why.failed);
		if (r.why.n)
			n.failed++;
		else
			n.passed++;
		report(p, &r, json, out);
		run_close(&r);
	}
	return n;
}

struct test_counts
cli_policy_test(const struct cli_policy *p, bool json, struct buf *out)
{
	return cli_policy_test_watched(p, json, NULL, out);
}
