/* SPDX-License-Identifier: MIT
 *
 * One command while it is being decided. gate_decide.c asks the policy and what no policy opens;
 * gate_masks.c what masks forbid. Private to the two.
 */
#ifndef WEIR_GATE_GATE_LOOK_H
#define WEIR_GATE_GATE_LOOK_H

#include "gate/gate_internal.h"

#include "gate/gate_lineage.h"

/* An effect that no rule allows, as the statement has it. */
struct look_denied {
	enum action action;
	struct slice schema, name;
	const char *link; /* between the action and the name */
};

enum { LOOK_DENIED = 4 };

struct look {
	struct gate *g;
	struct gate_session *s;
	struct gate_class *class;
	const struct gate_ask *ask;
	const struct catalog_path *path; /* NULL: what unqualified names mean is not known */
	const struct sql_facts *facts;
	const struct catalog_relation **relations; /* by index; NULL: not a table, or unresolved */
	struct gate_verdict *v;
	struct facts f;
	struct data_use *uses;
	size_t n_uses;
	struct gate_counts *counts; /* NULL: statements are not counted */
	uint32_t statement; /* that the next effect is one of */
	const struct gate_cursor *cursor; /* whose statement the facts are, or NULL */
	bool renamed; /* what names mean is not known at all */
	bool watches; /* the policy has rules that are only watched */
	bool own;     /* the gateway itself has refused it */
	struct look_denied denied[LOOK_DENIED];
	uint8_t n_denied;
	bool denied_cut; /* there are more */
};

/* Refuses the command, unless it is refused already: the first reason is the one its reader can act
 * upon. sqlstate NULL: 42501. */
void look_refuse(struct look *l, const char *sqlstate, const char *code, const char *message,
		 const char *hint);
void look_refuse_changed(struct look *l, const struct sql_effect *e);
/* gate_denial.c: what the policy's own refusal says. Of each effect: does no rule allow it? */
void look_note_denied(struct look *l, const struct sql_effect *e);
void look_explain_denial(struct look *l);
const struct catalog_relation *look_resolve(const struct look *l, struct slice schema,
					    struct slice name);
bool look_is_table(const struct sql_relation *r);

/* gate_calls.c. Why a call may mean what nobody has looked at. NULL: it means the built-in that the
 * table of functions classes, or what the policy vouches for. redefined: by the session itself. */
const char *look_call_in_doubt(const struct look *l, const struct sql_call *c,
			       struct call_look *names, uint64_t redefined);
/* What the session has redefined in front of the statements at hand. */
struct gate_redefined look_redefined(const struct look *l);
/* A cast in them may call what it has defined. */
bool look_casts_redefined(const struct look *l);

/* gate_temporary.c: refuses a use of a temporary relation that may not be what it seems; one whose
 * name is also that of another; and making one that is no table. r: what the effect's object is. */
void look_check_temporary(struct look *l, const struct catalog_relation *r);
void look_check_shadow(struct look *l, struct slice schema, const struct catalog_relation *r);
void look_check_temporary_made(struct look *l, const struct sql_effect *e,
			       const struct catalog_relation *r);
void look_check_temporary_view(struct look *l, const struct sql_stmt *st);
/* A type of the session's own may be what the name means. */
bool look_type_is_temporary(const struct look *l, const struct sql_call *call);
/* A definition changes nothing but what is temporary: no catalog shows it. */
bool look_ddl_is_temporary(const struct look *l, const struct sql_stmt *st);

/* gate_renames.c: refuses what would take a table from under a deny or hold by its name. */
void look_check_renames(struct look *l);

/* gate_masks.c: refuses what could carry a masked column anywhere but bare into the result, and
 * notes what rows need. run: what runs an outer statement's facts (PREPARE), or NULL; run_by: that
 * statement's number. */
void look_check_masks(struct look *l, const struct sql_stmt *run, uint32_t run_by);

#endif
