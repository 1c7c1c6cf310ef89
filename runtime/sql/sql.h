/* SPDX-License-Identifier: MIT
 *
 * What a SQL text does, as immutable facts: statements, effects, relations, column uses, outputs.
 * Names are as written (identifiers folded and unquoted as PostgreSQL does); nothing here knows the
 * catalog, so facts can be cached per shape and shared by every session of a worker.
 *
 * Positions are token ordinals (0 = first token of the message), because one cached facts structure
 * serves texts of different lengths: sql_token_find() turns them into bytes of the text at hand.
 *
 * The columns of a relation: of a TABLE or EXCLUDED the catalog's; of a CTE, SUBQUERY or VALUES
 * those of its query, which are followed output by output down to tables; of a JOIN those of its
 * members in the order that USING and NATURAL make of them; of a FUNCTION `width` or unknown, but
 * its arguments are uses of their own. `names` then renames the first ones.
 *
 * The reader of uses[] must fail closed. Look for the column among the candidates level by level:
 * at the innermost level where some relation has it, it means each of those. Columns whose names
 * are not known neither match nor hide a level. When none has it: fine if some candidate has
 * columns of unknown names; OPTIONAL or ROW_OR_COLUMN uses are fine; a ROW_UNLESS_COLUMN use then
 * stands for the whole row of row_relation (and is void when a column was found); anything else
 * must be refused, and so must a TABLE that does not resolve.
 */
#ifndef WEIR_SQL_SQL_H
#define WEIR_SQL_SQL_H

#include "base/arena.h"
#include "base/slice.h"
#include "sql/shape.h"
#include "vm/names.h"

enum sql_status {
	SQL_OK,
	SQL_ENCODING, /* 22021: NUL or invalid UTF-8 */
	SQL_TOO_LONG, /* 54000: over sql_limits.max_bytes */
	SQL_TOO_DEEP, /* 54001: brackets or expressions nest too deep */
	SQL_SYNTAX,   /* 42601, or what the parser said */
	SQL_UNKNOWN,  /* parsed, but holds a node this version does not know: never allowed */
	SQL_MEMORY,   /* 54000: facts over sql_limits.max_facts_bytes */
};

struct sql_limits {
	uint32_t max_bytes;	  /* of one text */
	uint32_t max_depth;	  /* of brackets and of expressions; at most SQL_DEPTH_MAX */
	uint32_t max_facts_bytes; /* of the facts of one text */
};
enum { SQL_DEPTH_MAX = 1000 };
#define SQL_LIMITS_DEFAULT ((struct sql_limits){1 << 20, 500, 4 << 20})

enum sql_kind {
	SQL_KIND_QUERY, /* SELECT, VALUES, TABLE */
	SQL_KIND_INSERT,
	SQL_KIND_UPDATE,
	SQL_KIND_DELETE,
	SQL_KIND_MERGE,
	SQL_KIND_CREATE_AS, /* CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW */
	SQL_KIND_COPY,
	SQL_KIND_EXPLAIN,
	SQL_KIND_BEGIN,
	SQL_KIND_COMMIT,
	SQL_KIND_ROLLBACK,
	SQL_KIND_SAVEPOINT,
	SQL_KIND_RELEASE,
	SQL_KIND_ROLLBACK_TO,
	SQL_KIND_PREPARE_TRANSACTION,
	SQL_KIND_COMMIT_PREPARED,
	SQL_KIND_ROLLBACK_PREPARED,
	SQL_KIND_SET, /* set: name, value, local */
	SQL_KIND_SET_TRANSACTION,
	SQL_KIND_RESET, /* set.name */
	SQL_KIND_RESET_ALL,
	SQL_KIND_SHOW,	     /* set.name; "all" */
	SQL_KIND_PREPARE,    /* name; outputs, uses, effects of the inner statement */
	SQL_KIND_EXECUTE,    /* name */
	SQL_KIND_DEALLOCATE, /* name; empty = ALL */
	SQL_KIND_DECLARE,    /* name; outputs, uses, effects of the query */
	SQL_KIND_FETCH,	     /* name; MOVE too */
	SQL_KIND_CLOSE,	     /* name; empty = ALL */
	SQL_KIND_DISCARD,    /* name: all, plans, sequences, temporary */
	SQL_KIND_LISTEN,     /* name */
	SQL_KIND_UNLISTEN,   /* name; empty = all */
	SQL_KIND_NOTIFY,     /* name */
	SQL_KIND_LOCK,
	SQL_KIND_CALL,
	SQL_KIND_OTHER, /* its effects say */
};

enum sql_stmt_flags {
	SQL_PURE_READ =
		1, /* writes nothing, locks nothing, calls only known side-effect-free functions */
	SQL_CHAIN = 2,		 /* COMMIT/ROLLBACK AND CHAIN */
	SQL_EXPLAIN_ANALYZE = 4, /* the inner statement runs */
	SQL_READ_ONLY = 8,	 /* BEGIN/SET TRANSACTION ... READ ONLY */
	SQL_WITH_HOLD = 16,	 /* cursor outlives its transaction */
	SQL_BINARY = 32,	 /* BINARY cursor or COPY BINARY: results come in binary format */
	SQL_MOVE = 64,		 /* MOVE: a FETCH that returns no rows */
	SQL_EXECUTES = 128, /* runs a prepared statement `name` (EXECUTE, also inside CREATE TABLE
			       AS or EXPLAIN) */
	SQL_CURSOR_WRITE = 256,	 /* WHERE CURRENT OF cursor `name` */
	SQL_DDL = 512,		 /* may change the catalog */
	SQL_RETURNS_ROWS = 1024, /* a row description is expected */
	SQL_CODE = 2048, /* defines what runs later unnamed: a function, trigger, rule, policy, or a
			    default or check that calls what is not known */
	SQL_RENAMES = 4096, /* names come to mean something else: RENAME, SET SCHEMA, CREATE OR
			       REPLACE VIEW */
	SQL_REDEFINES = 8192, /* what calls mean may change: redefines.c */
};

enum sql_copy_format { SQL_COPY_TEXT, SQL_COPY_CSV, SQL_COPY_BINARY };
enum sql_copy_where { SQL_COPY_STREAM, SQL_COPY_FILE, SQL_COPY_PROGRAM };

struct sql_copy {
	bool from;	     /* COPY ... FROM */
	bool query;	     /* COPY (query) TO */
	bool unknown_option; /* an option this version does not know */
	bool header;	     /* HEADER true or match */
	bool has_null, has_delimiter, has_quote, has_escape;
	bool force_quote_any;
	enum sql_copy_format format;
	enum sql_copy_where where;
	struct slice file;				       /* path or program */
	struct slice null, delimiter, quote, escape, encoding; /* as given; empty unless has_ */
};

struct sql_set {
	struct slice name;  /* folded to lower case */
	struct slice value; /* list items joined with ", "; numbers as written */
	bool local;
	bool is_default; /* SET x TO DEFAULT, RESET x */
	bool is_session; /* false: SET TRANSACTION */
};

struct sql_stmt {
	enum sql_kind kind;
	enum sql_kind
		inner; /* of EXPLAIN, PREPARE, DECLARE, COPY (query), CREATE AS; else = kind */
	uint32_t flags;
	uint32_t token, n_tokens;
	struct slice name; /* prepared statement, cursor, savepoint, channel: by kind */
	struct sql_set set;
	const struct sql_copy *copy; /* NULL unless COPY */
	uint32_t effects, n_effects; /* ranges in sql_facts' arrays */
	uint32_t relations, n_relations;
	uint32_t uses, n_uses;
	uint32_t calls, n_calls;
	uint32_t queries, n_queries;
	int32_t query; /* its result, index in queries[]; -1: no rows, or none that the text tells
			*/
};

enum sql_effect_flags {
	SQL_EFFECT_WHERE = 1,	       /* has a WHERE (or MERGE condition) of its own */
	SQL_EFFECT_WHERE_CONSTANT = 2, /* ... that reads no column of its target or sources */
	SQL_EFFECT_STAR = 4,	       /* touches every column */
	SQL_EFFECT_ONLY = 8,	       /* ONLY t: no children */
	SQL_EFFECT_INNER = 16, /* of a PREPAREd or DECLAREd statement: judged when it runs, too */
	SQL_EFFECT_CASCADE = 32,
	SQL_EFFECT_TEMPORARY = 64, /* creates in the session's own temporary schema */
	SQL_EFFECT_CURRENT_OF = 128,
	SQL_EFFECT_RESET = 256, /* of a setting: to what the session began with */
	SQL_EFFECT_LOCAL = 512, /* of a setting: for this transaction only */
	SQL_EFFECT_TABLE = 1024, /* CREATE: of a table or sequence, not of a view, an index */
	SQL_EFFECT_NAME = 2048,	 /* ALTER: gives the relation itself another name, `value` */
	SQL_EFFECT_DROPPED = 4096, /* CREATE: ON COMMIT DROP, gone with its transaction */
	SQL_EFFECT_EMPTY = 8192, /* of a setting: its value is known, and empty */
};

struct sql_effect {
	enum action action; /* a leaf */
	uint32_t flags;
	uint32_t token;
	struct slice schema; /* empty: search_path */
	struct slice
		object; /* table, view, sequence, or the object of a DDL statement; empty: none */
	struct slice function;	     /* function effects: name (schema as above) */
	struct slice setting;	     /* sql.set, sql.configure, sql.show, sql.reset; folded */
	struct slice selected; /* ... not known, but equal to this, however that compares; folded */
	struct slice value;	     /* of the setting; empty: not known, or RESET */
	const struct slice *columns; /* as written; those read or written. For reads an unqualified
				      * name counts for every relation in scope */
	uint32_t n_columns;
	int32_t relation; /* index in relations[], -1 none */
};

enum sql_relation_kind {
	SQL_REL_TABLE, /* a name to resolve in the catalog */
	SQL_REL_CTE,   /* its columns are derived; their sources are uses of their own */
	SQL_REL_SUBQUERY,
	SQL_REL_FUNCTION, /* function in FROM, JSON/XML table */
	SQL_REL_VALUES,
	SQL_REL_JOIN,	  /* a join that merges or renames columns */
	SQL_REL_EXCLUDED, /* ON CONFLICT's excluded, OLD/NEW: columns of the table named */
};

struct sql_relation {
	enum sql_relation_kind kind;
	bool target;  /* written by its statement */
	bool renamed; /* alias with a column list: names here are not the table's */
	bool only;
	bool natural;	  /* JOIN: what both sides have is merged */
	bool copied;	  /* by COPY, without a column list: what is generated stays behind */
	bool only_merged; /* JOIN: the alias of USING, which reaches the merged columns alone */
	struct slice catalog, schema, name; /* as written */
	struct slice alias;		    /* what references use: alias or name */
	int32_t query;			    /* CTE, SUBQUERY, VALUES: index in queries[]; else -1 */
	uint32_t names, n_names;	    /* the alias's column list: range in names[] */
	/* JOIN: range in members[] of indices in relations[], those of the left side first */
	uint32_t members, n_left, n_right;
	uint32_t merged, n_merged; /* JOIN: USING's names, range in names[] */
	uint32_t width;		   /* FUNCTION: how many columns it has; 0: not known */
	uint32_t token;
};

struct sql_candidate {
	uint32_t relation;
	uint32_t level; /* 0 = innermost scope; a column found at a level hides those further out */
};

enum sql_use_flags {
	SQL_USE_STAR = 1, /* t.* or *: every column of every candidate */
	SQL_USE_ROW = 2,  /* whole row of every candidate */
	SQL_USE_ROW_UNLESS_COLUMN =
		4, /* names a relation in scope: its whole row, if no column has that name */
	SQL_USE_CONSTANT_EQUALITY = 8, /* PREDICATE: compared by = with a literal or parameter */
	SQL_USE_AMBIGUOUS = 16,	       /* the qualifier is no relation in scope: refuse */
	SQL_USE_ROW_OR_COLUMN =
		32, /* if no column has the name, a ROW_UNLESS_COLUMN use beside it counts */
	SQL_USE_OPTIONAL = 64, /* may name an output alias: fine when no column has the name */
	SQL_USE_NATURAL = 128, /* STAR: the columns that row_relation, a JOIN, merges */
	SQL_USE_OUTPUT = 256, /* an output has the name, which comes before any column's; in GROUP
			       * BY: or by that column the query would be refused */
	SQL_USE_MAYBE =
		512, /* one of several that an ordinal may mean: a use with `nth` says which */
	SQL_USE_DERIVES = 1024, /* in an output expression that `allowing derived` may open */
	SQL_USE_COALESCED = 4096, /* DERIVES, beside others in a coalesce(): evaluated only
				   * where those before it are NULL */
	SQL_USE_LOOKUP = 2048,	/* a CONSTANT_EQUALITY that `allowing lookup` may open */
};

struct sql_use {
	enum context context;
	uint32_t flags;
	uint32_t token;
	struct slice schema, qualifier, column; /* as written; column empty for STAR and ROW */
	uint32_t candidates, n_candidates;	/* range in candidates[] */
	int32_t row_relation; /* ROW_UNLESS_COLUMN, NATURAL: index in relations[], else -1 */
	uint32_t nth;	      /* column number nth, from 1, of the one candidate; 0: by name */
	uint32_t over;	      /* argument of an aggregate over at least so many values; 0: no */
};

enum sql_output_kind {
	SQL_OUTPUT_COLUMN, /* a bare column: uses[use] */
	SQL_OUTPUT_STAR,   /* all columns of uses[use]'s candidates, in that order; use -1: how many
			    * columns is unknown (composite.*), and no bare one is among them */
	SQL_OUTPUT_QUERY,  /* a scalar sub-select by itself: the first column of queries[query] */
	SQL_OUTPUT_OTHER,  /* computed from uses[uses ... uses + n_uses) */
};

struct sql_output {
	enum sql_output_kind kind;
	bool derives;	   /* OTHER: by what `allowing derived` may open */
	int32_t use;	   /* index in uses[], -1 none */
	int32_t query;	   /* index in queries[], -1 none */
	uint32_t column;   /* of VALUES: which column, from 0 */
	struct slice name; /* where easy: AS name or the column's */
	uint32_t uses, n_uses;
};

enum sql_query_kind {
	SQL_QUERY_NONE,	  /* has no result */
	SQL_QUERY_SELECT, /* SELECT, RETURNING, COPY's columns: outputs, in order */
	SQL_QUERY_UNION,  /* a set operation: column by column what `left` or `right` has there */
	SQL_QUERY_VALUES, /* `width` columns; only those cells are outputs that could pass a column
			     on */
};

/* A result: of a statement, or of what stands in it as a relation or a value. */
struct sql_query {
	enum sql_query_kind kind;
	uint32_t outputs, n_outputs; /* range in outputs[] */
	uint32_t left, right;	     /* indices in queries[] */
	uint32_t width;
	uint32_t names, n_names; /* a CTE's column list: range in names[] */
};

enum sql_call_flags {
	SQL_CALL_OPERATOR = 1, /* name is an operator */
	SQL_CALL_TYPE = 2,     /* name is a type cast to */
	SQL_CALL_SAFE = 4,     /* in the safe table: opaque only if something else has its name */
};

/* Every function, operator and type named, once per statement: the reader refuses those that the
 * catalog says are (or may be) user-defined. */
struct sql_call {
	struct slice schema, name;
	uint32_t flags;
	uint32_t token;
};

/* Of what type something is that a function or operator is given, as far as the text tells. */
enum sql_value_kind {
	SQL_VALUE_ANY,	   /* it does not */
	SQL_VALUE_UNTYPED, /* a string literal or NULL: what the server makes of it */
	SQL_VALUE_INTEGER,
	SQL_VALUE_NUMBER, /* integer, bigint or numeric, by what it is */
	SQL_VALUE_BOOLEAN,
	SQL_VALUE_COLUMN, /* of uses[of], if that names a column */
	SQL_VALUE_TYPE,	  /* types[of] */
	SQL_VALUE_RESULT, /* what applies[of] gives */
	SQL_VALUE_LEFT,	  /* the left side of the operator of applies[of], as that takes it */
	SQL_VALUE_PARAMETER, /* number `of`; if nobody declares its type: UNTYPED */
	SQL_VALUE_PARAMETER_AGAIN, /* likewise; then of what it was taken for elsewhere: ANY */
};

struct sql_value {
	enum sql_value_kind kind;
	uint32_t of;
};

struct sql_type {
	struct slice schema, name; /* as written; "integer" is pg_catalog.int4 */
	bool array;
	bool cast; /* `from` is cast to it */
	struct sql_value from;
};

enum sql_apply_kind {
	SQL_APPLY_CALL,
	SQL_APPLY_COMMON, /* one of the values, of a type that all are made of (CASE, UNION) */
	SQL_APPLY_ARRAY,  /* of such values */
};

/* One place where a function or an operator is called, or values become one, and what with. */
struct sql_apply {
	enum sql_apply_kind kind;
	uint32_t call; /* CALL: index in calls[] */
	uint32_t values, n_values; /* range in values[]; n_values SQL_APPLY_ANY: not known */
};
#define SQL_APPLY_ANY UINT32_MAX

struct sql_facts {
	enum sql_status status;
	char sqlstate[6];   /* of a status other than OK */
	struct slice error; /* sentence; empty when OK */
	uint32_t error_at;  /* byte in the text analysed (facts with an error are never cached) */
	bool literal_dependent; /* cache by exact text only */
	bool pure_read;		/* every statement is */
	uint32_t max_param;	/* highest $n */
	uint32_t n_tokens;

	const struct sql_stmt *stmts;
	const struct sql_effect *effects;
	const struct sql_relation *relations;
	const struct sql_candidate *candidates;
	const struct sql_use *uses;
	const struct sql_output *outputs;
	const struct sql_query *queries;
	const struct sql_call *calls;
	const struct sql_apply *applies;
	const struct sql_value *values;
	const struct sql_type *types;
	const struct slice *names;
	const uint32_t *members;
	uint32_t n_stmts, n_effects, n_relations, n_candidates, n_uses, n_outputs, n_queries;
	uint32_t n_calls, n_applies, n_values, n_types, n_names, n_members;
};

/* A refusal (54000) for when there is no memory to say more. */
extern const struct sql_facts sql_facts_no_memory;

/* Analyses a text (NUL after it, see shape.h). Never NULL: trouble is a status, with one
 * sql.unparsed effect. The facts and all they point to live in the arena. Thread-safe: the parser's
 * memory is per thread, set up by its first call and given back by the library when the thread
 * ends. */
const struct sql_facts *sql_analyse(struct slice text, const struct sql_limits *limits,
				    struct arena *arena);

/* What it returns depends on what a name stands for when it runs: FETCH, EXECUTE. */
static inline bool
sql_runs_other(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind == SQL_KIND_FETCH || f->stmts[i].flags & SQL_EXECUTES)
			return true;
	return false;
}

/* The statement that a name made by these facts stands for: the last PREPARE (or DECLARE) of that
 * name, or the only statement; NULL when that cannot be told. */
static inline const struct sql_stmt *
sql_named(const struct sql_facts *f, enum sql_kind kind, struct slice name)
{
	for (uint32_t i = f->n_stmts; i-- > 0;)
		if (f->stmts[i].kind == kind && slice_eq(f->stmts[i].name, name))
			return &f->stmts[i];
	return f->n_stmts == 1 ? f->stmts : NULL;
}

/* It has a result that the text tells: a select list, RETURNING, VALUES. */
static inline bool
sql_has_result(const struct sql_facts *f, const struct sql_stmt *st)
{
	return st->query >= 0 && f->queries[st->query].kind != SQL_QUERY_NONE;
}

/* Rows may come of it; a write without RETURNING has none. */
static inline bool
sql_may_return(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		enum sql_kind kind = f->stmts[i].kind;

		if (kind == SQL_KIND_QUERY || kind == SQL_KIND_EXPLAIN || kind == SQL_KIND_SHOW ||
		    kind == SQL_KIND_CALL || kind == SQL_KIND_OTHER ||
		    sql_has_result(f, &f->stmts[i]))
			return true;
	}
	return f->status != SQL_OK || sql_runs_other(f);
}

/* One line per fact, for tests and `weir facts`-like tools. */
void sql_facts_print(struct buf *out, const struct sql_facts *f);

/* ---- cache: shape -> facts, one per worker, no locks, bounded ---- */

struct sql_cache;

struct sql_cache_stats {
	uint64_t hits, misses, admitted, evicted, uncacheable;
	size_t bytes, entries;
};

/* max_bytes bounds facts, shapes and table together (at least 64 KiB). NULL when out of memory. */
struct sql_cache *sql_cache_open(size_t max_bytes, const struct sql_limits *limits);
void sql_cache_close(struct sql_cache *c);

/* The facts of a text: from its shape when it was seen before. A shape is kept when it comes the
 * second time, so that a flood of one-off statements evicts nothing. Never NULL. The result is
 * valid until the next call with this cache, or, when held, until it is released as often. No
 * allocation on a hit. */
const struct sql_facts *sql_cache_facts(struct sql_cache *c, struct slice text);
/* Of the protocol's FunctionCall, which has no text: that it is one, and what a function of that
 * class is. */
enum func_class;
const struct sql_facts *sql_cache_function_call(struct sql_cache *c, enum func_class class);
void sql_facts_hold(const struct sql_facts *f);	   /* only facts that came from a cache */
void sql_facts_release(const struct sql_facts *f); /* on the cache's worker */
/* A number that names the shape's facts while held or cached: equal ids, equal facts. Never reused.
 */
uint64_t sql_facts_id(const struct sql_facts *f);
/* What they take, whoever else holds them. */
size_t sql_facts_bytes(const struct sql_facts *f);
struct sql_cache_stats sql_cache_stats(const struct sql_cache *c);

#endif
