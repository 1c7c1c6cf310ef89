/* SPDX-License-Identifier: MIT
 *
 * A session's prepared statements and portals. The maps follow the server's own replies
 * (ParseComplete, BindComplete, CloseComplete ...), never the client's requests; what is still in
 * flight hangs in the reply queue. SQL PREPARE and the wire's Parse share one namespace, as do
 * DECLARE and Bind, as in the server.
 */
#ifndef WEIR_GATE_STATEMENTS_H
#define WEIR_GATE_STATEMENTS_H

#include "base/crypto.h"
#include "base/slice.h"
#include "proto/pg/rowplan.h"
#include "gate/epoch.h"
#include "gate/prepared.h"
#include "sql/sql.h"

/* Bounds of one session; a request beyond them is refused with 54000. */
enum { STATEMENTS_MAX = 4096, PORTALS_MAX = 1024, NAMES_BYTES_MAX = 64 << 20 };

/* What a map holds: counted, named, and freed by its kind. */
struct object {
	enum object_kind { OBJECT_STATEMENT, OBJECT_PORTAL } kind;
	unsigned refs;
	uint32_t hash;
	struct slice name; /* owned */
	size_t bytes;	   /* of what it owns */
	size_t *account;   /* ... counted there while it lives; NULL: nowhere */
};

struct statement {
	struct object object;
	const struct sql_facts *facts; /* held */
	struct slice text;  /* owned; empty when SQL's PREPARE or DECLARE made it */
	struct slice types; /* owned: parameter types as Parse gave them */
	struct slice description; /* owned: RowDescription's body; empty when there are no rows */
	uint64_t described_at; /* catalog number when it was */
	bool described;
	bool leaves_state; /* session_pool_spoils, when it was parsed */
	bool quiet; /* gate_verdict's, when it was parsed or run last ... */
	uint64_t quiet_at, quiet_path; /* ... in the class and search path of these numbers */
	/* As it is carried between server connections; counted. NULL: it is not, or unnamed. */
	struct prepared_text *carried;
};

struct portal {
	struct object object;
	struct statement *statement; /* holds a reference */
	struct pg_formats formats; /* of the result, as Bind gave them; owned */
	struct pg_rowplan *plan; /* NULL: rows pass untouched */
	struct gate_rows *rows;  /* NULL: no rule reads them one by one */
	struct epoch *plan_epoch; /* what the plan's masks live in; counted */
	bool outlives_transaction; /* DECLARE ... WITH HOLD */
	bool sql_only; /* DECLARE ... BINARY: the wire knows nothing of its formats */
	uint64_t path;  /* gate_path_number when its names were looked up */
	uint64_t meant; /* what they meant: gate_verdict's; 0: it has not been judged */
	uint64_t released; /* by people, under the policy of that number */
	uint64_t planned_for; /* gate_class_number of that moment */
	uint64_t names; /* session's `names` when the server bound it */
	struct limit_used used; /* what it has returned, over all its Executes or FETCHes */
	bool planned; /* the columns are known, so `plan` means what it says */
	bool elsewhere; /* ... and one is of a table that the statement did not name */
	bool disagrees; /* ... and contradict the analysis: no row of it is shown */
	bool no_rows; /* planned: there are no columns */
	struct slice params; /* owned: Bind's parameter section, for the approver and the record */
};

/* NULL when out of memory; text and name are copied, the facts hold is taken over. */
struct statement *statement_new(struct slice name, struct slice text, struct slice types,
				const struct sql_facts *facts);
bool statement_describe(struct statement *s, struct slice row_description) MUST_CHECK;
/* Takes a reference to s; copies the rest. */
struct portal *portal_new(struct slice name, struct statement *s, struct slice params,
			  const struct pg_formats *formats);

static inline struct statement *
statement_ref(struct statement *s)
{
	s->object.refs++;
	return s;
}

static inline struct portal *
portal_ref(struct portal *p)
{
	p->object.refs++;
	return p;
}

/* Counts what it owns until it is freed. NULL is fine. */
void object_count(struct object *n, size_t *account);
void object_unref(struct object *n); /* NULL is fine */
void statement_unref(struct statement *s);
void portal_unref(struct portal *p);

/* Open addressing, linear probing; zeroed memory is an empty map that owns nothing. */
struct name_map {
	struct object **slot;
	uint32_t cap, n;
};

struct object *names_get(const struct name_map *m, struct slice name);
/* Takes over a reference and replaces one of the same name. False (and the reference dropped): the
 * map holds `max` already or memory is out. */
bool names_put(struct name_map *m, struct object *n, uint32_t max) MUST_CHECK;
void names_drop(struct name_map *m, struct slice name);
void names_clear(struct name_map *m);
bool statement_is_sql(const struct statement *s);
/* What SQL's PREPARE made is with the server connection; the others are carried. */
void statements_end_connection(struct name_map *m);
/* Portals end with their transaction, but for cursors WITH HOLD. */
void portals_end_transaction(struct name_map *m);

#endif
