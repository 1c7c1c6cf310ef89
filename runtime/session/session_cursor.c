/* SPDX-License-Identifier: MIT
 *
 * Cursors, and portals that are executed again. Both go on with a statement that was judged when it
 * began: whenever they act it is judged again, by the policy, masks and time of that moment. The
 * server looked its names up when it was opened: where one means something else now, the verdict
 * would be about something else. What people have released goes on without them, as long as the
 * policy is the one they released it under.
 */
#include "session/session.h"

#include "base/log.h"

bool
session_renames(const struct sql_facts *f, enum object_kind kind, struct slice name)
{
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];
		bool all = st->kind == SQL_KIND_DISCARD || st->name.n == 0;

		switch (st->kind) {
		case SQL_KIND_DISCARD:
			if (!slice_is(st->name, "all"))
				break;
			/* fall through */
		case SQL_KIND_PREPARE:
		case SQL_KIND_DEALLOCATE:
			if (kind == OBJECT_STATEMENT && (all || slice_eq(st->name, name)))
				return true;
			break;
		case SQL_KIND_DECLARE:
		case SQL_KIND_CLOSE:
			if (kind == OBJECT_PORTAL && (all || slice_eq(st->name, name)))
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

static bool
makes(const struct reply *r, struct slice name)
{
	return (r->kind == REPLY_BIND || r->kind == REPLY_CLOSE) && r->object &&
	       r->object->kind == OBJECT_PORTAL && slice_eq(r->object->name, name);
}

static struct gate_cursor
of_command(struct session *s, const struct command *c, struct slice name)
{
	const struct sql_facts *f = c->facts;

	for (uint32_t i = f->n_stmts; i-- > 0;)
		if (f->stmts[i].kind == SQL_KIND_DECLARE && slice_eq(f->stmts[i].name, name))
			return (struct gate_cursor){
				f, &f->stmts[i], c->verdict.meant,
				session_path_moved(s, f, c->path_told ? c->path : UINT64_MAX),
				c->approved && c->epoch == gate_epoch(s->env->gate)->number};
	return (struct gate_cursor){0};
}

static struct gate_cursor
of_portal(struct session *s, const struct portal *p)
{
	const struct sql_facts *f = p->statement->facts;

	return (struct gate_cursor){f, sql_named(f, SQL_KIND_DECLARE, p->object.name), p->meant,
				    session_path_moved(s, f, p->path),
				    p->released &&
					    p->released == gate_epoch(s->env->gate)->number};
}

struct gate_cursor
session_cursor(void *session, struct slice name)
{
	struct session *s = session;
	const struct object *o;

	for (uint32_t i = s->n_replies; i-- > 0;) {
		const struct reply *r = reply_at(s, i);

		if (r->command && session_renames(r->command->facts, OBJECT_PORTAL, name))
			return of_command(s, r->command, name);
		if (makes(r, name))
			return r->kind == REPLY_BIND ? of_portal(s, (struct portal *) r->object)
						     : (struct gate_cursor){0};
	}
	o = names_get(&s->portals, name);
	return o ? of_portal(s, (const struct portal *) o) : (struct gate_cursor){0};
}

bool
session_cursor_in_doubt(struct session *s, struct slice name)
{
	bool synced = false;

	for (uint32_t i = s->n_replies; i-- > 0;) {
		const struct reply *r = reply_at(s, i);

		synced |= r->kind == REPLY_SYNC || r->kind == REPLY_QUERY;
		if ((r->command && session_renames(r->command->facts, OBJECT_PORTAL, name)) ||
		    makes(r, name))
			return synced;
	}
	return false;
}

static const struct gate_refusal full = {
	"WEIR-NAMES", "too many prepared statements, cursors or portals are open", NULL,
	"close those that are no longer needed", "54000"};

static const struct gate_refusal heavy = {
	"WEIR-NAMES", "prepared statements, cursors and portals that are open hold too much", NULL,
	"close those that are no longer needed, or send shorter texts and parameters", "54000"};

/* They have room, but texts and parameters can be long. */
static bool
too_heavy(const struct session *s)
{
	size_t room = 4 * s->env->max_message;

	return s->names_bytes > (room > NAMES_BYTES_MAX ? room : NAMES_BYTES_MAX);
}

/* Those in flight count: most become what they ask for. The unnamed have a place of their own. */
const struct gate_refusal *
session_name_full(struct session *s, enum object_kind kind, struct slice name)
{
	bool statement = kind == OBJECT_STATEMENT;
	enum reply_kind makes = statement ? REPLY_PARSE : REPLY_BIND;
	const struct name_map *map = statement ? &s->statements : &s->portals;
	uint32_t n = map->n, max = statement ? STATEMENTS_MAX : PORTALS_MAX;

	if (!name.n || names_get(map, name))
		return NULL;
	if (too_heavy(s))
		return &heavy;
	if (n + s->n_replies < max)
		return NULL;
	for (uint32_t i = 0; i < s->n_replies; i++) {
		const struct reply *r = reply_at(s, i);

		n += r->kind == makes && r->object && r->object->name.n;
	}
	return n < max ? NULL : &full;
}

const struct gate_refusal *
session_names_full(const struct session *s, const struct sql_facts *f)
{
	uint32_t statements = s->statements.n, portals = s->portals.n;

	for (uint32_t i = 0; i < f->n_stmts; i++) {
		statements += f->stmts[i].kind == SQL_KIND_PREPARE;
		portals += f->stmts[i].kind == SQL_KIND_DECLARE;
	}
	if (statements + portals > s->statements.n + s->portals.n && too_heavy(s))
		return &heavy;
	return (statements > s->statements.n && statements > STATEMENTS_MAX) ||
			       (portals > s->portals.n && portals > PORTALS_MAX)
		       ? &full
		       : NULL;
}

/* DECLARE's cursor is a portal: the wire's Describe, Execute and Close know it by the same name. */
void
session_cursor_keep(struct session *s, const struct command *c, const struct sql_stmt *st)
{
	static const struct pg_formats none;
	/* It was opened while a name may have meant something else. */
	bool unknown = session_limit_withholds(c) || !c->path_told ||
		       (c->facts->n_stmts > 1 && c->verdict.moves_names);
	struct statement *query;
	struct portal *p;

	sql_facts_hold(c->facts);
	query = statement_new((struct slice){0}, (struct slice){0}, (struct slice){0}, c->facts);
	p = query ? portal_new(st->name, query, (struct slice){0}, &none) : NULL;
	if (p) {
		object_count(&query->object, &s->names_bytes);
		object_count(&p->object, &s->names_bytes);
		p->path = unknown ? UINT64_MAX : c->path;
		p->meant = session_limit_withholds(c) ? UINT64_MAX : c->verdict.meant;
		p->released = c->approved ? c->epoch : 0;
		p->outlives_transaction = st->flags & SQL_WITH_HOLD;
		/* Its rows come in binary whatever their description is read with: only FETCH
		 * knows. */
		p->sql_only = st->flags & SQL_BINARY;
	}
	statement_unref(query);
	if (!p || !names_put(&s->portals, &p->object, PORTALS_MAX))
		log_warn("cursor not kept: too many");
}

const struct gate_refusal *
session_portal_again(struct session *s, const struct portal *p, struct gate_verdict *v)
{
	static const struct gate_refusal moved = {
		"WEIR-NAMES-MOVED", "what the portal reads was renamed or changed since it began",
		NULL, "bind the statement again", "34000"};
	const struct gate_refusal *path = session_path_moved(s, p->statement->facts, p->path);

	if (path)
		return path;
	if (p->meant && p->meant != v->meant &&
	    gate_reads_names(s->env->gate, s->gate, s->host->now_wall(s->host_ctx)))
		return &moved;
	if (v->verdict == VERDICT_HOLD && p->released == gate_epoch(s->env->gate)->number) {
		v->verdict = VERDICT_ALLOW;
		v->pure_read = false;
	}
	return NULL;
}

void
session_portal_runs(struct portal *p, const struct command *c)
{
	if (!p->meant)
		p->meant = c->verdict.meant;
	if (c->approved)
		p->released = c->epoch;
}
