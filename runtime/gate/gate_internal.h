/* SPDX-License-Identifier: MIT
 *
 * What gate.c and gate_decide.c share.
 */
#ifndef WEIR_GATE_GATE_INTERNAL_H
#define WEIR_GATE_GATE_INTERNAL_H

#include "gate/gate_class.h"
#include "vm/watch.h"

struct gate_target_state {
	struct catalog_ref *catalog;
	const char *trouble;
	uint64_t number; /* how often a catalog was posted */
	struct catalog_age age;
	struct schema_moves *moves;
	struct scram_client_keys scram_keys;
	/* As the configuration in force has it, but with the password that was read last. */
	struct config_target config;
	struct password_news password;
	bool doubted; /* the target has refused the password, and it is being looked at */
};

/* What a verdict that is remembered hangs on. */
struct gate_key {
	uint64_t class, facts, path;
	uint32_t parameters[COUNT_OF(((struct gate_parameters *)0)->types)];
};

struct gate_memory {
	struct gate_key key;
	struct gate_verdict verdict;
};

struct gate {
	struct epoch *epoch;
	struct sql_cache *cache;
	struct gate_target_state *targets;
	size_t n_targets;
	struct schema_moves *moves; /* owned; NULL: they are shared */
	struct gate_class *classes;
	struct gate_path *paths;
	struct gate_memory *memory;
	struct gate_meaning *meanings;
	unsigned n_sessions;
	struct decision effect, joined; /* scratch: they are large */
	struct watch watch;
	struct gate_stats stats;
};

/* A search path that some session has; with temporary relations it is that session's alone. */
struct gate_path {
	struct gate_path *next;
	struct gate_path *plain; /* the same without them; NULL: there are none */
	unsigned refs;
	uint64_t number; /* from 1 */
	struct slice setting, user; /* as the server says them */
	struct slice temporary;	    /* rows for catalog_temporary_read */
	struct catalog_path path;
	struct arena arena;
};

struct gate_session {
	struct gate *gate;
	struct gate_class *class;
	struct gate_path *path; /* NULL: what the catalog says of new sessions */
	struct slice user;
	size_t target;
	struct gate_client client;
	char strings[];
};

/* The catalog has not seen what it must have, and others go on changing the schema. */
extern const struct gate_refusal gate_catalog_behind;

struct gate_class *gate_class_of(struct gate *g, struct gate_session *s, uint64_t now);
/* The verdict hangs on nothing but the key, which gets what it lacked of that. */
bool gate_may_remember(const struct gate_class *c, const struct gate_ask *ask,
		       struct gate_key *key) MUST_CHECK;
bool gate_remembered(struct gate *g, const struct gate_key *key, struct gate_verdict *v);
void gate_remember(struct gate *g, const struct gate_key *key, const struct gate_verdict *v);

/* gate_names.c */
/* Why a command whose names matter cannot be judged now; NULL: it can. */
const struct gate_refusal *gate_names_wait(const struct gate *g, const struct gate_session *s,
					   const struct gate_ask *ask);
/* A number for what the names of the text mean; never 0. */
uint64_t gate_names_of(uint64_t so_far, const struct sql_facts *f,
		       const struct catalog_relation *const *relations);

/* gate_path.c */
void gate_session_path_put(struct gate_session *s);
/* What unqualified names of the command are looked up in; NULL when that is not known. */
const struct catalog_path *gate_path_for(const struct gate_session *s, const struct gate_class *c,
					 const struct gate_ask *ask);

/* gate_meaning.c */
struct gate_meaning *gate_meanings_new(void);
/* class_relations for the session, whose class is known; path: of gate_path_for. Valid until the
 * next call. */
const struct catalog_relation *const *gate_relations(const struct gate_session *s,
						     const struct catalog_path *path,
						     const struct sql_facts *f, struct arena *a);

/* gate_overloads.c: what names can mean that something else has as well. */
struct call_look {
	const struct gate_class *class;
	const struct catalog_path *path;
	const struct sql_facts *facts;
	const struct catalog_relation *const *relations;
	const struct gate_parameters *parameters; /* of the command; NULL: not known */
	struct arena *arena;
	bool typed;
	const bool *own; /* typing_own, once asked for */
};
/* What the command that is asked about declares. Of others (a cursor's, what EXECUTE runs) nobody
 * knows it: NULL. */
const struct gate_parameters *gate_parameters_of(const struct gate_ask *ask,
						 const struct sql_facts *f);
/* Something that is not PostgreSQL's has the name, of a function (f), operator (o) or type (t), or
 * of a type to which what looks like the call of a function casts. */
bool name_is_taken(const struct catalog *cat, char kind, struct slice name);
bool name_may_cast(const struct catalog *cat, char kind, struct slice name);
/* A cast in the statement that a function may make which is neither PostgreSQL's nor vouched for;
 * NULL: there is none. */
const struct catalog_cast *cast_in_doubt(struct call_look *l);
struct typing;
/* gate_casts.c: code may make that cast for the statement, though it is written out nowhere. */
bool cast_is_unasked(const struct typing *t, const struct catalog_cast *c, bool own_parameters);
/* It is, or gives, a type that is not PostgreSQL's. */
bool call_is_foreign(const struct catalog *cat, const struct sql_call *c);
/* The call means pg_catalog's. */
bool call_is_built_in(struct call_look *l, const struct sql_call *call);

/* gate_settings.c: what no policy opens of settings. */
bool setting_refused(const struct gate_class *c, const struct sql_facts *f,
		     const struct sql_effect *e, struct arena *a, struct gate_refusal *why);
/* It may change what unqualified names mean to what comes after it. */
bool effect_moves_names(const struct sql_effect *e);
bool facts_move_names(const struct sql_facts *f);
/* It may leave something in the server's session that DISCARD ALL does not take away. */
bool effect_leaves_state(const struct sql_effect *e);
bool effect_leaves_name(const struct sql_effect *e);
bool calls_leave_state(const struct sql_facts *f);
/* Nothing that a policy has a word on. */
bool facts_need_no_rule(const struct sql_facts *f);

/* gate_rows.c: the drop rules in force go on record beside the masks. */
void gate_note_drops(const struct gate_class *c, struct gate_verdict *v);
/* Can the rows of what the statements read be filtered? False with *why filled. */
bool gate_rows_allowed(const struct gate_class *c, const struct catalog_path *path,
		       const struct sql_facts *f, struct arena *a,
		       struct gate_refusal *why) MUST_CHECK;
/* gate_detect.c: what detectors could not look into is refused. False with *why filled. */
bool gate_detect_allowed(struct gate_session *s, const struct sql_facts *f, struct arena *a,
			 struct gate_refusal *why) MUST_CHECK;
/* The masks of the detectors in force go on record. */
void gate_note_detectors(const struct gate_class *c, struct gate_verdict *v);
/* gate_keep.c: the record rules among those that matched, and what must not go on record. */
void gate_note_records(const struct gate *g, const struct gate_class *c, const struct gate_ask *ask,
		       const struct catalog_path *path,
		       const struct catalog_relation *const *relations, struct gate_verdict *v);
/* gate_watch.c: uses of columns and tables by a command, for what its effects matched. */
void gate_watch_uses(struct gate *g, const struct gate_class *c, const struct sql_facts *f,
		     const struct catalog_relation *const *relations, const struct data_use *uses,
		     size_t n);
/* What shadow rules would have done. `final`: the gateway refuses by itself. */
void gate_note_shadows(const struct gate *g, const struct image *img, enum verdict verdict,
		       bool final, struct gate_shadows *out);
/* That of a command, and the notify rules that match some effect of it. */
void gate_note_watched(const struct gate *g, const struct image *img, bool final,
		       struct gate_verdict *v);
/* gate_limits.c: of a message of several statements, how many each limit rule matches. */
struct gate_counts {
	uint32_t n_stmts;
	uint8_t n;
	uint16_t rules[VERDICT_LIMITS];
	bool *seen[VERDICT_LIMITS]; /* by statement */
};
/* NULL: nobody counts, or there is no more than one. */
struct gate_counts *gate_counts_new(const struct image *img, const struct gate_ask *ask);
/* The effect that was just decided is one of the statement; GATE_ANY_STATEMENT: of any of them. */
enum { GATE_ANY_STATEMENT = UINT32_MAX };
void gate_count(struct gate *g, const struct image *img, struct gate_counts *c, uint32_t statement,
		struct arena *a);
/* The limit rules among those that matched; more than one command can carry are a refusal. count
 * false: those that were not noted yet count no statement of this message. */
void gate_note_limits(struct gate *g, const struct image *img, const struct gate_ask *ask,
		      const struct gate_counts *c, bool count, struct gate_verdict *v);

#endif
