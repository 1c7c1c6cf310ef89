/* SPDX-License-Identifier: MIT */
#include "session/pool_rules.h"

#include "base/crypto.h"
#include "gate/backend.h"

/* Reported, but the server's own. */
static const char *const fixed[] = {"server_version",	"server_encoding", "integer_datetimes",
				    "is_superuser",	"in_hot_standby",  "session_authorization"};

/* Settings of the current transaction, under another name. */
static const char *const of_transaction[] = {"transaction_isolation", "transaction_read_only",
					     "transaction_deferrable"};

/* Functions whose effect stays with the connection, or that read what another session left. */
static const char *const kept[] = {
	"pg_advisory_lock",	"pg_advisory_lock_shared",     "pg_try_advisory_lock",
	"pg_try_advisory_lock_shared", "pg_advisory_unlock",   "pg_advisory_unlock_shared",
	"pg_advisory_unlock_all", "currval",		       "lastval",
	"pg_prepared_statement",
};

const struct pool_kept_info pool_kept_info[] = {
#define CARRIED(name, reading, values) {name, reading, values},
#include "grammar/carried.def"
#undef CARRIED
};

static bool
among(const char *const *names, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (settings_same_name(name, slice_str(names[i])))
			return true;
	return false;
}

bool
pool_carries(const struct buf *reported, struct slice name)
{
	return settings_get(reported, name).p && !among(fixed, COUNT_OF(fixed), name);
}

/* In the order of their names. */
int
pool_kept(struct slice name)
{
	int lo = 0, hi = POOL_KEPT;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (slice_cmp(slice_str(pool_kept_info[mid].name), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < POOL_KEPT && slice_is(name, pool_kept_info[lo].name) ? lo : -1;
}

void
pool_put_seed(struct buf *b)
{
	uint64_t seed;

	random_bytes(&seed, sizeof(seed));
	buf_printf(b, "pg_catalog.setseed(0.%015llu)",
		   (unsigned long long) (seed % UINT64_C(1000000000000000)));
}

const char pool_own_hint[] =
	"set them with SET LOCAL in the transaction that uses them, or connect to a target with `pool "
	"session`";

static bool
begins_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* What PostgreSQL takes for one, in ASCII. A function is compiled by PL/pgSQL's own, and stays so.
 */
bool
pool_is_own(struct slice name)
{
	static const char compiled[] = "plpgsql.";
	bool first = true;
	unsigned dots = 0;

	if (name.n > POOL_OWN_NAME ||
	    (name.n >= sizeof(compiled) - 1 &&
	     settings_same_name(slice_of(name.p, sizeof(compiled) - 1), slice_str(compiled))))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (first ? !begins_word(c)
			  : !begins_word(c) && !(c >= '0' && c <= '9') && c != '$' && c != '.')
			return false;
		first = c == '.';
		dots += first;
	}
	return dots && !first;
}

static bool
keeps(struct slice name, struct slice value, bool reset)
{
	int i = pool_kept(name);
	const char *v = i < 0 ? "" : pool_kept_info[i].values;

	if (i < 0)
		return pool_is_own(name);
	if (reset || !*v)
		return true;
	for (size_t n; *v; v += n + (v[n] == '|')) {
		n = strcspn(v, "|");
		if (slice_eq(value, slice_of(v, n)))
			return true;
	}
	return false;
}

bool
pool_reading_depends(struct slice name)
{
	static const char *const not[] = {"application_name", "default_transaction_read_only",
					  "scram_iterations"};

	return !among(not, COUNT_OF(not), name) && !among(fixed, COUNT_OF(fixed), name);
}

bool
pool_path_is_temporary(struct slice path)
{
	return memmem(path.p ? (const char *) path.p : "", path.n, "pg_temp", 7) != NULL;
}

static bool
refuse(struct gate_refusal *why, const char *what, const char *hint)
{
	*why = (struct gate_refusal){"WEIR-POOL", what, NULL, hint, "0A000"};
	return false;
}

static const char session_hint[] =
	"connect to a target with `pool session`, where a connection is yours until you leave";

static bool
cannot(struct gate_refusal *why, struct arena *a, const char *what)
{
	return refuse(why,
		      arena_printf(a, "%s cannot be carried from one transaction to the next under "
				      "`pool transaction`", what),
		      session_hint);
}

/* known: the value, empty or not. */
static bool
setting_allowed(const struct buf *reported, const struct sql_set *set, bool known, struct arena *a,
		struct gate_refusal *why)
{
	struct slice name = set->name, value = set->value;
	bool reset = set->is_default, local = set->local;
	bool role = slice_is(name, "role") || slice_is(name, "session_authorization");

	if (slice_is(name, "search_path") && !reset && (!known || pool_path_is_temporary(value)))
		return refuse(why, "temporary tables cannot be made under `pool transaction`",
			      session_hint);
	if (!local && !reset && pool_is_own(name) && value.n > POOL_OWN_VALUE) {
		*why = (struct gate_refusal){
			"WEIR-POOL",
			arena_printf(a, "setting \"%.*s\" is too long to be carried from one transaction "
				     "to the next: %d bytes at most", SLICE_ARG(name), POOL_OWN_VALUE),
			NULL, pool_own_hint, "54000"};
		return false;
	}
	if (local || among(of_transaction, COUNT_OF(of_transaction), name) ||
	    (!role && (reset || pool_carries(reported, name) || keeps(name, value, reset))))
		return true;
	return refuse(why,
		      arena_printf(a, "setting \"%.*s\" cannot be carried from one transaction to "
				      "the next under `pool transaction`", SLICE_ARG(name)),
		      "use SET LOCAL inside a transaction, set it in the connection string's options, "
		      "or connect to a target with `pool session`");
}

static bool
statement_allowed(const struct sql_stmt *st, bool alone, const struct buf *reported,
		  struct arena *a, struct gate_refusal *why)
{
	switch (st->kind) {
	case SQL_KIND_SET:
	case SQL_KIND_RESET:
		return setting_allowed(reported, &st->set, true, a, why);
	case SQL_KIND_DEALLOCATE:
		return alone || !st->name.n || cannot(why, a, "DEALLOCATE among other statements");
	case SQL_KIND_DECLARE:
		return !(st->flags & SQL_WITH_HOLD) || cannot(why, a, "a cursor WITH HOLD");
	case SQL_KIND_LISTEN:
		return cannot(why, a, "LISTEN");
	default:
		return true;
	}
}

static bool
in_pg_temp(struct slice schema)
{
	return schema.n >= 7 && memcmp(schema.p, "pg_temp", 7) == 0;
}

static bool
effect_allowed(const struct sql_facts *f, const struct sql_effect *e, const struct buf *reported,
	       struct arena *a, struct gate_refusal *why)
{
	struct slice name = e->setting;

	if (e->flags & SQL_EFFECT_DROPPED && !e->schema.n)
		return true;
	/* What INSERT is of a CREATE TABLE AS. */
	if (in_pg_temp(e->schema) ||
	    (e->flags & SQL_EFFECT_TEMPORARY && !(e->flags & SQL_EFFECT_STAR)))
		return refuse(why, "a temporary object cannot be carried from one transaction to the next under "
			      "`pool transaction`",
			      "make a table with ON COMMIT DROP in the transaction that uses it, or connect to a "
			      "target with `pool session`, where a connection is yours until you leave");
	if (e->action == ACTION_SQL_LOAD)
		return cannot(why, a, "a loaded library");
	if (!slice_is(e->function, "set_config"))
		return true;
	/* Whatever equals one of these has its letters. */
	if (!name.n && pool_kept(e->selected) >= 0)
		name = e->selected;
	if (!name.n)
		return cannot(why, a, "a setting whose name is not written out");
	if (!(e->flags & SQL_EFFECT_LOCAL) && gate_setting_is_stored(f, e))
		return cannot(why, a, "a setting that a view or the like would set");
	return setting_allowed(reported,
			       &(struct sql_set){.name = name,
						 .value = e->value,
						 .local = (e->flags & SQL_EFFECT_LOCAL) != 0},
			       e->value.n || e->flags & SQL_EFFECT_EMPTY, a, why);
}

bool
pool_allows(const struct sql_facts *f, const struct buf *reported, struct arena *a,
	    struct gate_refusal *why)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (!statement_allowed(&f->stmts[i], f->n_stmts == 1, reported, a, why))
			return false;
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (!effect_allowed(f, &f->effects[i], reported, a, why))
			return false;
	for (uint32_t i = 0; i < f->n_calls; i++)
		if (!(f->calls[i].flags & (SQL_CALL_OPERATOR | SQL_CALL_TYPE)) &&
		    among(kept, COUNT_OF(kept), f->calls[i].name))
			return cannot(why, a,
				      arena_printf(a, "what %.*s() is about",
						   SLICE_ARG(f->calls[i].name)));
	for (uint32_t i = 0; i < f->n_relations; i++)
		if (in_pg_temp(f->relations[i].schema) ||
		    slice_is(f->relations[i].name, "pg_prepared_statements"))
			return cannot(why, a, "what the session's own tables show");
	return true;
}
