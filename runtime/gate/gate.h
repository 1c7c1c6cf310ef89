/* SPDX-License-Identifier: MIT
 *
 * The gate: facts of a command, what the session is, and the catalog go in; a verdict comes out.
 * Sans-I/O. One gate per worker; epochs (policy, principals) and catalogs are shared read-only.
 *
 * Sessions that look the same to the policy (principal, target and whatever else it reads of a
 * session) share a class, which holds the masks in force for them, resolved to table OIDs and
 * column numbers. A verdict that read only stable facts is remembered per class and statement
 * shape; a new policy or catalog makes new classes, so nothing stale is ever found.
 */
#ifndef WEIR_GATE_GATE_H
#define WEIR_GATE_GATE_H

#include "base/arena.h"
#include "proto/pg/copyout.h"
#include "proto/pg/rowplan.h"
#include "proto/pg/scram.h"
#include "config/config.h"
#include "gate/epoch.h"
#include "sql/catalog.h"
#include "sql/sql.h"
#include "vm/exec.h"

struct gate;
struct gate_session;

/* Why something is refused: code and texts are static or live in the arena given. */
struct gate_refusal {
	const char *code, *message, *detail, *hint;
	const char *sqlstate; /* NULL: 42501 */
};

enum { VERDICT_RULES = 8, VERDICT_MASKS = 16, VERDICT_LIMITS = 8, VERDICT_STATEMENTS = 16,
       VERDICT_SHADOWS = 16, VERDICT_RECORDS = 4, VERDICT_NOTICES = 8 };

/* The shadow rules that would have made a difference, and what: each by itself. */
struct gate_shadows {
	uint8_t n; /* at most VERDICT_SHADOWS, in the order of the source */
	uint8_t would[VERDICT_SHADOWS]; /* enum vm_rule: the verdict, or what would be done */
	uint16_t rules[VERDICT_SHADOWS];
};

struct gate_verdict {
	enum verdict verdict;
	bool by_default;
	bool rows_masked;  /* the result may hold masked columns: rows need their plan */
	bool detects;      /* detectors are in force: every row needs its plan */
	uint8_t wait_catalog; /* a fresh catalog is needed first: for so many is worth waiting */
	bool wait_if_old;     /* ... unless the last one was read a moment ago */
	bool pure_read, schema_change;
	bool moves_names; /* what names mean to the next command may change with it */
	bool renames;	  /* ... to anybody's */
	uint64_t redefines; /* what calls mean may change with it: names, as in gate_calls.c */
	uint64_t redefined; /* gate_ask's */
	uint64_t names; /* what its names meant, where that can change a verdict; 0: nothing */
	uint64_t meant; /* what the names in its own text meant, in any case */
	bool held_inside; /* VERDICT_HOLD: because of what a cursor goes on with */
	bool leaves_state; /* in the server's session: nothing undoes all of it for sure */
	bool leaves_name;  /* there, but only that a setting of that name exists */
	bool quiet; /* ... and nothing at all, but settings that it names: no code runs unseen */
	bool keeps; /* ... but some that does may keep what nothing undoes */
	uint32_t lookups; /* comparisons of masked columns with a value, each time it runs */
	uint8_t masked_outputs; /* columns that the statement names and a row plan must cover */
	uint8_t masked_by[VERDICT_STATEMENTS]; /* the same of each of several statements */
	uint8_t n_rules;   /* deciding rules, at most VERDICT_RULES */
	uint16_t rules[VERDICT_RULES];
	bool rules_cut; /* more rules decide than are named here */
	uint8_t n_masks; /* mask rules of the tables it reads, at most VERDICT_MASKS */
	uint16_t masks[VERDICT_MASKS];
	uint8_t n_limits; /* limit rules that apply */
	uint16_t limits[VERDICT_LIMITS];
	uint32_t counted[VERDICT_LIMITS]; /* statements that each of them matches */
	uint8_t n_records; /* record rules that apply, at most VERDICT_RECORDS */
	uint16_t records[VERDICT_RECORDS];
	uint8_t recorded; /* RECORDED_BIT(...): what all that apply add */
	bool sensitive;   /* parameters may be values of a data class: not recorded as they are */
	uint8_t n_notices; /* notify rules that match, at most VERDICT_NOTICES */
	uint16_t notices[VERDICT_NOTICES];
	struct gate_shadows shadows;
	bool reads_only; /* ending it early undoes nothing */
	uint32_t n_effects;
	struct gate_refusal refusal; /* VERDICT_DENY */
};

/* What a session says about itself before the policy is asked. */
struct gate_client {
	uint8_t address[16];
	bool tls;
	struct slice application;
};

/* max_facts_bytes bounds the cache of statement shapes. */
/* moves: by target, shared with other gates; NULL: there are no others. */
struct gate *gate_open(size_t max_facts_bytes, size_t n_targets, struct schema_moves *moves);
void gate_close(struct gate *g);
/* Takes over a reference each; sessions follow when they next act. */
void gate_set_epoch(struct gate *g, struct epoch *e);
void gate_set_catalog(struct gate *g, size_t target, struct catalog_ref *c, const char *trouble,
		      struct catalog_age age);
/* A schema change went through: nothing of this target is decided with masks until there is a
 * catalog that was read since, on whatever gate. */
void gate_schema_changed(struct gate *g, size_t target);
/* What was found out about the password of a target's login; its reference is taken over. */
void gate_set_password(struct gate *g, size_t target, struct password_news news);
struct epoch *gate_epoch(struct gate *g);

/* NULL when there is no such principal or it has no key. Valid until the next gate_set_epoch. */
const struct scram_verifier *gate_verifier(struct gate *g, struct slice user);
void gate_mock_verifier(struct gate *g, struct slice user, struct scram_verifier *v);

/* After authentication. NULL: no such target. */
struct gate_session *gate_session_open(struct gate *g, struct slice user, struct slice target,
				       const struct gate_client *client);
void gate_session_close(struct gate *g, struct gate_session *s);
const struct config_target *gate_target(const struct gate_session *s);
const struct config_target *gate_target_config(const struct gate *g, size_t target);
size_t gate_target_index(const struct gate_session *s);
struct slice gate_user(const struct gate_session *s);
enum principal_kind gate_user_kind(const struct gate_session *s);
struct scram_client_keys *gate_scram_keys(struct gate *g, struct gate_session *s);
struct scram_client_keys *gate_target_scram_keys(struct gate *g, size_t target);

/* GOOD: as far as is known. DOUBTED: the target refused it, gate_set_password follows. WRONG:
 * nobody is to try it, or the target may lock the login out. epoch, version: which one it is. */
enum password_state { PASSWORD_GOOD, PASSWORD_DOUBTED, PASSWORD_WRONG };
enum password_state gate_password(const struct gate *g, size_t target, uint64_t *epoch,
				  uint64_t *version);
/* The target refused that password. True: somebody must look at it, and has not been told yet. */
bool gate_password_refused(struct gate *g, size_t target, uint64_t epoch,
			   uint64_t version) MUST_CHECK;

enum catalog_state { CATALOG_READY, CATALOG_WAIT, CATALOG_FAILED };
enum catalog_state gate_catalog_state(struct gate *g, struct gate_session *s, const char **trouble);

/* Goes up with every gate_set_catalog of the session's target, also one that brought nothing
 * new. */
uint64_t gate_catalog_number(const struct gate *g, const struct gate_session *s);

/* gate_names.c: names are looked up by the server when it gets to it, which may be long after they
 * were judged: it waits for locks. */
struct gate_seen {
	uint64_t changed, renamed, redefined;
};
/* The changes that the catalog at hand has seen. */
struct gate_seen gate_seen(const struct gate *g, const struct gate_session *s);
/* A digest of what the statement is about: its tables and views with their rules and triggers, and
 * the functions it calls, as the catalog at hand has them. Zero without a catalog. */
void gate_objects(struct gate_session *s, const struct sql_facts *f, uint8_t out[SHA256_LEN],
		  struct arena *arena);
/* Those there were so far. */
struct gate_seen gate_moves(const struct gate *g, const struct gate_session *s);
/* Open transactions of a session itself: those that rename something, and that redefine calls. */
struct gate_own {
	unsigned renaming, redefining;
};
/* Names may mean something else to the server now. */
bool gate_names_moved(const struct gate *g, const struct gate_session *s, struct gate_seen since,
		      struct gate_own own);
/* More than one transaction of others may have renamed something since, or redefined. */
bool gate_moved_twice(const struct gate *g, const struct gate_session *s, struct gate_seen since,
		      struct gate_own own);
/* So many transactions begin to rename, or end. done: names mean something else now. */
void gate_renaming(struct gate *g, const struct gate_session *s, unsigned n);
void gate_renaming_ends(struct gate *g, const struct gate_session *s, unsigned n, bool done);
/* The same of those that change what calls mean. */
void gate_redefining(struct gate *g, const struct gate_session *s, unsigned n);
void gate_redefining_ends(struct gate *g, const struct gate_session *s, unsigned n, bool done);
/* Counts a request for a catalog that is read from now on; the host is to be asked for it. */
uint64_t gate_catalog_ask(struct gate *g, const struct gate_session *s);
enum catalog_state gate_catalog_since(const struct gate *g, const struct gate_session *s,
				      uint64_t request);
/* A fresh catalog is worth waiting for more than `waited` times. */
bool gate_catalog_wanted(const struct gate *g, const struct gate_session *s,
			 const struct gate_verdict *v, unsigned waited, uint64_t now_mono);
/* Every column of the result is of a table that the statement names, as far as is known. f NULL:
 * that is not known. fresh: the catalog was read since, so that what it does not have is temporary,
 * or the session's own transaction made it. */
bool gate_result_named(struct gate_session *s, const struct sql_facts *f, struct pg_fields fields,
		       bool fresh, struct arena *arena);

/* May the session exist at all? A verdict with its rules, shadows and (VERDICT_DENY) refusal, whose
 * texts are static. */
void gate_connect(struct gate *g, struct gate_session *s, uint64_t now_wall_ns,
		  struct gate_verdict *v);

/* The facts of a text, cached by shape. text[text.n] must be 0. */
const struct sql_facts *gate_facts(struct gate *g, struct slice text);

/* The facts of a FunctionCall message for the function of that number. */
const struct sql_facts *gate_function_call(struct gate *g, const struct gate_session *s,
					   uint32_t oid);

/* Looks up what EXECUTE name would run; NULL: unknown. */
typedef const struct sql_facts *gate_prepared_fn(void *ctx, struct slice name);

/* Told of each effect that the policy is asked about: its facts, while they last. */
typedef void gate_judged_fn(void *ctx, const struct facts *f);

/* What FETCH or MOVE of a name goes on with. */
struct gate_cursor {
	const struct sql_facts *facts; /* NULL: nobody knows */
	const struct sql_stmt *stmt;   /* of them */
	uint64_t meant;                /* gate_verdict's, when it was opened */
	const struct gate_refusal *moved; /* why what its names meant is not known; or NULL */
	bool released;                 /* by people, under the policy in force */
};
typedef struct gate_cursor gate_cursor_fn(void *ctx, struct slice name);

/* Of what types a command's parameters are declared. */
struct gate_parameters {
	bool own;  /* some are of a type that is not PostgreSQL's */
	bool many; /* there are more than here */
	uint32_t n; /* 0: none is of a type */
	uint32_t types[8];
};

struct gate_ask {
	const struct sql_facts *facts;
	struct slice text; /* as sent: shadow rules may read it */
	char tx;                 /* 'I', 'T', 'E' */
	bool schema_changed_in_tx;
	bool schema_moving; /* a change of the schema is under way in front of it */
	bool failed;             /* the server takes nothing but the transaction's end now */
	bool path_unknown; /* the session's search path is not known at this point */
	unsigned renamed; /* names may mean something else: session_lookup.c's `renaming` */
	uint64_t redefined; /* names of functions and the like that the session has defined, and
			     * the catalog may lack */
	bool redefined_ends; /* ... until it is read again */
	struct gate_seen need; /* what the catalog must have seen, or nothing is decided */
	bool temporary; /* the session may have temporary relations */
	const struct gate_parameters *parameters; /* NULL: there are none */
	/* Its temporary tables were filled when other masks were in force, or none. */
	bool temporary_foreign;
	uint64_t now_wall_ns;
	gate_prepared_fn *prepared;
	gate_cursor_fn *cursor;
	void *ctx;
	gate_judged_fn *judged; /* for who explains; NULL: nobody */
	struct arena *arena;     /* texts of a refusal */
};
/* The types that Parse declares, 4 bytes each (0: left to the server). */
void gate_parameters_read(struct slice types, struct gate_parameters *out);
/* What weir.approval is set to; in any case, as the server's own words are. */
enum approval_mode { APPROVAL_MODE_UNSET, APPROVAL_MODE_WAIT, APPROVAL_MODE_ASYNC };
enum approval_mode setting_approval(struct slice value);
/* set_config() in what runs later without being named: a view, a default, a materialized view. */
bool gate_setting_is_stored(const struct sql_facts *f, const struct sql_effect *e);
void gate_decide(struct gate *g, struct gate_session *s, const struct gate_ask *ask,
		 struct gate_verdict *v);

/* gate_calls.c: a set of names, and up to which statement of a text it was made. */
struct gate_redefined {
	uint64_t names;
	uint32_t next;
};
/* What all of the text redefines; what the statements in front of a call do. */
uint64_t gate_redefines(const struct sql_facts *f);
void gate_redefined_before(const struct sql_facts *f, struct gate_redefined *r, uint32_t call);
bool gate_is_redefined(uint64_t names, struct slice schema, struct slice name);

/* gate_record.c: the schema and table that the policy was asked about (empty: they were not known),
 * and the principal's groups. False: the effect was not judged. */
bool gate_effect_names(const struct gate_session *s, const struct gate_ask *ask,
		       const struct sql_effect *e, struct slice *schema,
		       struct slice *table) MUST_CHECK;
/* A call that was judged besides, because its name is that of something user-defined. */
bool gate_call_judged(const struct gate_session *s, const struct gate_ask *ask,
		      const struct sql_call *call);
void gate_user_groups(const struct gate_session *s, const struct slice **v, size_t *n);

/* A value of a setting under which the gateway would misread what follows. */
bool setting_blinds(struct slice name, struct slice value);

/* What unqualified names mean can change a verdict: the session's own path must be known. */
bool gate_may_read_names(const struct gate *g); /* for somebody: a cheap no */
bool gate_reads_names(struct gate *g, struct gate_session *s, uint64_t now_wall_ns);
/* So does what the search path is: also by which function of a built-in's name a call means. */
bool gate_may_read_path(const struct gate *g);
bool gate_reads_path(struct gate *g, struct gate_session *s, uint64_t now_wall_ns);
/* The session's search_path, the role that "$user" stands for and its temporary relations (rows for
 * catalog_temporary_read), as the server said them. Until then the catalog's word on new sessions
 * of the login counts. */
void gate_session_path(struct gate_session *s, struct slice setting, struct slice user,
		       struct slice temporary);
struct slice gate_path_text(const struct gate_session *s);
struct slice gate_path_user(const struct gate_session *s);

/* Names what the names of a text are looked up in now; never reused. */
uint64_t gate_path_number(const struct gate_session *s, const struct sql_facts *f);
/* They mean what they did when that was the number. */
bool gate_path_holds(const struct gate_session *s, const struct sql_facts *f, uint64_t number);
/* Of the masks of columns in force for the session now: the same as long as they forbid the same,
 * whatever else a reload changed. */
uint64_t gate_masks_number(struct gate *g, struct gate_session *s, uint64_t now_wall_ns);

/* The mask of each field of a result, by position (NULL: none), in the arena. st: the statement
 * whose result it is; NULL: one that reads no masked column. False: the analysis of the statement
 * and the server's description of the result contradict each other: nothing of it may be shown. */
bool gate_result_masks(struct gate_session *s, const struct sql_facts *f, const struct sql_stmt *st,
		       struct pg_fields fields, struct arena *a,
		       const struct mask_spec ***masks) MUST_CHECK;
/* What the masks that gate_result_masks and gate_copy_columns give live in. */
struct epoch *gate_masks_epoch(const struct gate_session *s);
/* The server may compute with masked columns, so that its errors may quote what it computed. */
bool gate_computes(const struct gate_session *s);
bool gate_has_masks(const struct gate_session *s);
/* The policy vouches for all functions of the name, in the schema if there is one. */
bool gate_vouches(const struct gate_session *s, struct slice schema, struct slice name);
/* Names the masks in force for the session, with the catalog that they were resolved by; never
 * reused. */
uint64_t gate_class_number(const struct gate_session *s);
/* Detectors in force: every result is looked into. NULL: none. */
const struct detect_rules *gate_detects(const struct gate_session *s);
/* The detectors that a decision of ENTRY_RESULT brings into force; specs: by rule. */
void gate_detect_rules(const struct image *img, const struct decision *result,
		       const struct mask_spec *specs, struct detect_rules *out);
enum { COPY_NULL_MAX = 64 };
/* What its rows look like is known: refused beforehand where they must be masked and it is not. */
bool gate_copy_is_read(const struct sql_copy *c);
/* The columns of a COPY TO STDOUT by position, in the arena. False: they cannot be told. */
bool gate_copy_columns(struct gate_session *s, const struct sql_facts *f, const struct sql_stmt *st,
		       struct arena *a, struct copyout_column **columns, size_t *n) MUST_CHECK;

/* Where the session's principal stands in its epoch; only while the verdict is not a refusal. */
size_t gate_principal(const struct gate_session *s);

/* What ENTRY_ROW decides of a result, row by row. */
struct gate_rows;
struct gate_result {
	const struct sql_facts *facts;
	const struct sql_stmt *stmt; /* whose result it is; NULL: not to be told */
	struct pg_fields fields;
	const struct pg_formats *formats; /* of a portal */
};
enum gate_row { GATE_ROW_SHOWN, GATE_ROW_DROPPED, GATE_ROW_BAD };
/* *out NULL: no rule reads its rows. */
enum pg_reason gate_rows_plan(struct gate_session *s, const struct gate_result *res,
			      const struct pg_rowplan *plan, struct gate_rows **out) MUST_CHECK;
void gate_rows_free(struct gate_rows *r); /* NULL is fine */
/* Sets the plan's cells for the row that msg is; plan NULL: nothing is masked. */
enum gate_row gate_rows_apply(struct gate_rows *r, struct pg_rowplan *plan, const uint8_t *msg,
			      size_t n) MUST_CHECK;
/* The same of COPY TO STDOUT: columns of gate_copy_columns, operations by column. */
enum pg_reason gate_rows_copy(struct gate_session *s, const struct sql_facts *f,
			      const struct sql_stmt *st, const struct copyout_column *columns,
			      size_t n, struct gate_rows **out) MUST_CHECK;
enum gate_row gate_rows_apply_copy(struct gate_rows *r, const struct copyout_value *values,
				   struct mask_op *ops) MUST_CHECK;

struct gate_stats {
	uint64_t decisions, remembered, vm_ops, classes;
	uint64_t rows, row_ops; /* rows that rules read, and instructions run for them */
	struct sql_cache_stats sql;
};
struct gate_stats gate_stats(const struct gate *g);

#endif
