/* SPDX-License-Identifier: MIT
 *
 * Row plans of results: which statement a result belongs to, and its masks by position. When the
 * analysis of the statement and the server's description contradict each other nothing of the
 * result is shown.
 */
#include "session/session.h"

#include "base/log.h"

#include <stdlib.h>

/* Whose result it is: *st is NULL when nothing of it can be masked. False: it cannot be told. */
static bool
result_of(struct session *s, const struct sql_facts **f, const struct sql_stmt **st, uint64_t path)
{
	const struct sql_stmt *by = *st;
	const struct object *o;
	const struct statement *of;

	if (!by)
		return true;
	if (by->kind == SQL_KIND_FETCH) {
		o = names_get(&s->portals, by->name);
		of = o ? ((const struct portal *) o)->statement : NULL;
		*st = of ? sql_named(of->facts, SQL_KIND_DECLARE, by->name) : NULL;
		path = o ? ((const struct portal *) o)->path : path;
	} else if (by->flags & SQL_EXECUTES && by->kind == SQL_KIND_EXECUTE) {
		o = names_get(&s->statements, by->name);
		of = o ? (const struct statement *) o : NULL;
		*st = of ? sql_named(of->facts, SQL_KIND_PREPARE, by->name) : NULL;
	} else {
		return gate_path_holds(s->gate, *f, path);
	}
	*f = of ? of->facts : NULL;
	return *st != NULL && gate_path_holds(s->gate, *f, path);
}

static const struct mask_spec *
mask_at(void *ctx, const struct pg_field *f UNUSED, unsigned index, uint32_t *type UNUSED)
{
	return ((const struct mask_spec *const *) ctx)[index];
}

/* The row plan of a result, and what reads its rows. res: all but the fields. masked false: nothing
 * of it can be. path: what its names were looked up by. *agrees false: there is none to be had. */
static enum pg_reason
build_plan(struct session *s, struct slice description, struct gate_result *res, bool masked,
	   uint64_t path, struct pg_rowplan **out, struct gate_rows **rows, struct epoch **epoch,
	   bool *agrees)
{
	struct pg_rowplan *plan = NULL;
	const struct mask_spec **masks;
	enum pg_reason r = pg_read_row_description(description, &res->fields);

	free(*out);
	gate_rows_free(*rows);
	*out = NULL;
	*rows = NULL;
	*agrees = true;
	if (r != PG_R_OK || (!gate_has_masks(s->gate) && !gate_detects(s->gate)))
		return r;
	arena_reset(&s->env->arena);
	masks = ARENA_ARRAY(&s->env->arena, const struct mask_spec *, res->fields.n + 1);
	if (gate_has_masks(s->gate))
		*agrees = (!masked || result_of(s, &res->facts, &res->stmt, path)) &&
			  gate_result_masks(s->gate, res->facts, masked ? res->stmt : NULL,
					    res->fields, &s->env->arena, &masks);
	if (!*agrees)
		return PG_R_OK;
	r = pg_rowplan_build(&s->env->arena, res->fields, res->formats, mask_at, masks,
			     gate_detects(s->gate), &plan);
	if (r != PG_R_OK)
		return r;
	if (!plan)
		return gate_rows_plan(s->gate, res, NULL, rows);
	*out = malloc(pg_rowplan_bytes(plan));
	if (!*out)
		return PG_R_NO_MEMORY;
	memcpy(*out, plan, pg_rowplan_bytes(plan));
	/* Its masks live as long as the plan, whatever is loaded meanwhile. */
	epoch_unref(*epoch);
	*epoch = epoch_ref(gate_masks_epoch(s->gate));
	s->env->counters.allocs++;
	return gate_rows_plan(s->gate, res, *out, rows);
}

bool
session_plan_named(struct session *s, const struct sql_facts *f, const struct sql_stmt *st,
		   uint64_t path, struct slice description, bool fresh)
{
	struct pg_fields fields;

	arena_reset(&s->env->arena);
	return pg_read_row_description(description, &fields) != PG_R_OK ||
	       !result_of(s, &f, &st, path) ||
	       gate_result_named(s->gate, f, fields, fresh, &s->env->arena);
}

void
session_disagrees(struct session *s, struct command *c)
{
	static const struct gate_refusal why = {
		"WEIR-LINEAGE",
		"the result is not what the statement's analysis said; nothing of it is shown", NULL,
		"send it again; please report it to the gateway's operator if that does not help",
		"XX000"};

	log_error("lineage disagrees with the server's description of a result");
	session_withhold(s, c, &why);
}

bool
session_plan_portal(struct session *s, struct portal *p, struct slice description)
{
	const struct sql_facts *f = p->statement->facts;
	struct gate_result res = {.facts = f,
				  .stmt = sql_named(f, SQL_KIND_DECLARE, p->object.name),
				  .formats = &p->formats};
	enum pg_reason r = PG_R_OK;
	bool agrees = true;

	if (description.n)
		r = build_plan(s, description, &res, true, p->path, &p->plan, &p->rows,
			       &p->plan_epoch, &agrees);
	p->disagrees = !agrees;
	p->elsewhere = description.n && gate_reads_names(s->env->gate, s->gate,
							 s->host->now_wall(s->host_ctx)) &&
		       !session_plan_named(s, f, res.stmt, p->path, description, false);
	if (r == PG_R_FORMAT_COUNT) {
		/* The server will refuse this Bind in its own words; nothing of it can have
		 * rows. */
		p->planned = false;
		return true;
	}
	if (r != PG_R_OK) {
		session_bad(s, SERVER, r);
		return false;
	}
	p->planned = true;
	p->planned_for = gate_class_number(s->gate);
	p->no_rows = !description.n;
	return true;
}

enum step
session_plan_query(struct session *s, struct command *c, struct slice description)
{
	const struct sql_facts *f = c->facts;
	struct gate_result res = {
		.facts = f, .stmt = c->completed < f->n_stmts ? &f->stmts[c->completed] : NULL};
	enum pg_reason r;
	bool agrees;

	r = build_plan(s, description, &res, c->verdict.rows_masked, c->path, &s->plan, &s->rows,
		       &s->plan_epoch, &agrees);
	if (!agrees)
		session_disagrees(s, c);
	else if (r != PG_R_OK)
		session_bad(s, SERVER, r);
	return agrees && r == PG_R_OK ? STEP_FORWARD : STEP_DONE;
}
