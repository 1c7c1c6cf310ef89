/* SPDX-License-Identifier: MIT */
#include "cli/replay_got.h"

bool
recorded_does(const struct recorded *c, enum action a)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->effects[i].v[FACT_ACTION].known &&
		    c->effects[i].v[FACT_ACTION].i == (int64_t) a)
			return true;
	return false;
}

/* Words without case, wherever they stand. */
static bool
says(struct slice text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.n; i++)
		if (strncasecmp((const char *) text.p + i, word, n) == 0)
			return true;
	return false;
}

/* ROLLBACK TO is none of these. */
bool
recorded_ends_transaction(const struct recorded *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct value *a = &c->effects[i].v[FACT_ACTION];

		if (!a->known || (a->i != ACTION_SQL_COMMIT && a->i != ACTION_SQL_ROLLBACK))
			return false;
	}
	return c->n > 0 && !c->cut && !says(c->brief.statement, " to ");
}

static bool
begins_with(struct slice s, const char *word)
{
	size_t n = strlen(word);

	return s.n >= n && strncasecmp((const char *) s.p, word, n) == 0;
}

/* Of several statements only the last one's tag is on record: rows are those of all tags. */
static enum tri
several_return_rows(const struct recorded *c)
{
	static const enum action others[] = {
		ACTION_SQL_INSERT, ACTION_SQL_UPDATE, ACTION_SQL_DELETE,  ACTION_SQL_MERGE,
		ACTION_SQL_CREATE, ACTION_SQL_SHOW,   ACTION_SQL_EXPLAIN, ACTION_SQL_COPY_IN};
	bool reads = recorded_does(c, ACTION_SQL_SELECT) || recorded_does(c, ACTION_SQL_FETCH);

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (recorded_does(c, others[i]))
			return TRI_UNKNOWN;
	return c->result && reads ? TRI_TRUE : reads ? TRI_UNKNOWN : TRI_FALSE;
}

enum tri
recorded_returns_rows(const struct recorded *c)
{
	static const char *const reads[] = {"SELECT", "FETCH", "MOVE", "SHOW", "EXPLAIN", "CALL"};
	static const char *const writes[] = {"INSERT", "UPDATE", "DELETE", "MERGE"};
	struct slice tag = c->result ? c->result->tag : (struct slice){0};
	bool returning = says(c->brief.statement, "returning");

	if (c->statements != 1 && !says(c->brief.statement, "execute"))
		return several_return_rows(c);
	if (!c->result || !tag.n || says(c->brief.statement, "execute"))
		return recorded_does(c, ACTION_SQL_SELECT) || recorded_does(c, ACTION_SQL_FETCH) ||
				       returning
			       ? TRI_UNKNOWN
			       : TRI_FALSE;
	if (begins_with(tag, "COPY"))
		return recorded_does(c, ACTION_SQL_COPY_OUT) ? TRI_TRUE : TRI_FALSE;
	for (size_t i = 0; i < COUNT_OF(writes); i++)
		if (begins_with(tag, writes[i]))
			return returning ? TRI_TRUE : TRI_FALSE;
	for (size_t i = 0; i < COUNT_OF(reads); i++)
		if (begins_with(tag, reads[i]))
			return recorded_does(c, ACTION_SQL_CREATE) ? TRI_FALSE : TRI_TRUE;
	return TRI_FALSE;
}

bool
recorded_shows_nothing(const struct recorded *c)
{
	static const enum action silent[] = {
		ACTION_SQL_BEGIN,  ACTION_SQL_COMMIT,  ACTION_SQL_ROLLBACK, ACTION_SQL_SAVEPOINT,
		ACTION_SQL_SET,	   ACTION_SQL_RESET,   ACTION_SQL_LOCK,	    ACTION_SQL_LISTEN,
		ACTION_SQL_NOTIFY, ACTION_SQL_PREPARE, ACTION_SQL_DECLARE,  ACTION_SQL_COPY_IN,
		ACTION_SQL_INSERT, ACTION_SQL_UPDATE,  ACTION_SQL_DELETE,   ACTION_SQL_MERGE};
	bool all = c->n > 0 && !c->cut && c->base.v[FACT_SQL_TEXT].known &&
		   !says(c->brief.statement, "returning") && !says(c->brief.statement, "execute");

	for (size_t i = 0; all && i < c->n; i++) {
		const struct value *action = &c->effects[i].v[FACT_ACTION];

		all = false;
		for (size_t k = 0; action->known && k < COUNT_OF(silent); k++)
			all = all || action->i == (int64_t) silent[k];
	}
	return all;
}

/* Rows are on record by the tag, and that of SHOW, EXPLAIN and CALL does not count them. */
static bool
got_rows(const struct recorded *c, enum tri rows, uint64_t *n)
{
	static const char *const silent[] = {"SHOW", "EXPLAIN", "CALL"};
	struct slice tag = c->result->tag;

	*n = rows == TRI_TRUE ? c->result->rows : 0;
	if (rows != TRI_TRUE)
		return rows == TRI_FALSE || !c->result->rows;
	if (begins_with(tag, "SHOW") && !c->result->limit_hit &&
	    !says(c->brief.statement, "all")) {
		*n = 1;
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(silent); i++)
		if (begins_with(tag, silent[i]))
			return false;
	return true;
}

bool
recorded_got(const struct recorded *c, enum limit_unit unit, enum tri rows, uint64_t *n)
{
	uint64_t n_rows;
	bool known = got_rows(c, rows, &n_rows);

	switch (unit) {
	case LIMIT_ROWS:
		*n = n_rows;
		return known;
	case LIMIT_BYTES:
		*n = rows == TRI_FALSE ? 0 : c->result->bytes;
		return (known && !n_rows) || c->result->bytes;
	case LIMIT_TIME:
		*n = c->result->ns;
		return true;
	default:
		*n = 0;
		return true;
	}
}

bool
limits_is_code(struct slice code)
{
	static const char *const codes[] = {"WEIR-LIMIT-BUDGET", "WEIR-LIMIT-SESSION",
					    "WEIR-LIMIT-LOOKUPS", "WEIR-LIMIT-TIME"};

	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (slice_is(code, codes[i]))
			return true;
	return false;
}

bool
recorded_is_ended(const struct recorded *c)
{
	return c->result && c->result->limit_hit && !begins_with(c->result->limit, "WEIR-");
}
