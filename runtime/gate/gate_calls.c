/* SPDX-License-Identifier: MIT
 *
 * Whether a call means the built-in that the table of functions classes. What the session itself
 * has defined is not in the catalog until that has been read again, and in its own transaction
 * never: until then a call by a name that it has defined, or may have, means what nobody knows.
 * The names are bits of a set: two may share one, and both are in doubt then.
 */
#include "gate/gate_look.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BITS = 64 };
#define ANY_NAME UINT64_MAX

static uint64_t
bit_of(struct slice name)
{
	return UINT64_C(1) << XXH3_64bits(name.p, name.n) % BITS;
}

/* What the statement defines, by name. What has no name, or gets another: any. */
static uint64_t
redefined_by(const struct sql_facts *f, const struct sql_stmt *st)
{
	uint64_t names = 0;

	if (!(st->flags & SQL_REDEFINES))
		return 0;
	if (st->flags & SQL_RENAMES || !st->n_effects)
		return ANY_NAME;
	for (uint32_t i = st->effects; i < st->effects + st->n_effects; i++)
		names |= f->effects[i].object.n && !(f->effects[i].flags & SQL_EFFECT_CASCADE)
				 ? bit_of(f->effects[i].object)
				 : ANY_NAME;
	return names;
}

uint64_t
gate_redefines(const struct sql_facts *f)
{
	uint64_t names = 0;

	for (uint32_t i = 0; i < f->n_stmts; i++)
		names |= redefined_by(f, &f->stmts[i]);
	return names;
}

void
gate_redefined_before(const struct sql_facts *f, struct gate_redefined *r, uint32_t call)
{
	for (; r->next < f->n_stmts; r->next++) {
		const struct sql_stmt *st = &f->stmts[r->next];

		if (st->calls + st->n_calls > call)
			break;
		r->names |= redefined_by(f, st);
	}
}

bool
gate_is_redefined(uint64_t names, struct slice schema, struct slice name)
{
	return names && !slice_is(schema, "pg_catalog") && names & bit_of(name);
}

struct gate_redefined
look_redefined(const struct look *l)
{
	/* What EXECUTE or FETCH goes on with comes behind whatever the message has in front. */
	return (struct gate_redefined){
		l->ask->redefined | (l->facts == l->ask->facts ? 0 : l->v->redefines), 0};
}

bool
look_casts_redefined(const struct look *l)
{
	const struct sql_facts *f = l->facts;
	struct gate_redefined r = look_redefined(l);

	if (!f->n_types && (f->pure_read || !f->n_relations))
		return false;
	for (uint32_t i = 0; f == l->ask->facts && i + 1 < f->n_stmts; i++)
		r.names |= redefined_by(f, &f->stmts[i]);
	return r.names == ANY_NAME;
}

const char *
look_call_in_doubt(const struct look *l, const struct sql_call *c, struct call_look *names,
		   uint64_t redefined)
{
	const struct catalog *cat = l->class->catalog->catalog;
	char kind = c->flags & SQL_CALL_OPERATOR ? 'o' : c->flags & SQL_CALL_TYPE ? 't' : 'f';
	bool built_in = slice_is(c->schema, "pg_catalog");

	if (kind == 'f' && (built_in || !c->schema.n) && catalog_shadows(cat, 'x', c->name))
		return "is a function of this server that the gateway does not know";
	if (look_type_is_temporary(l, c))
		return "may be the name of a temporary table's rows";
	if (gate_is_redefined(redefined, c->schema, c->name))
		return "may be what this session has just defined";
	if (built_in || (kind == 'f' && class_vouches(l->class, c->schema, c->name)) ||
	    !name_is_taken(cat, kind, c->name) ||
	    (!name_may_cast(cat, kind, c->name) && call_is_built_in(names, c)))
		return NULL;
	return "is also the name of something user-defined";
}
