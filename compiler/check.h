/* SPDX-License-Identifier: MIT
 *
 * What a policy means: names resolved, types checked, every rule one condition over tests that the
 * machine has instructions for. The checker reports all errors it finds; what it returns is whole
 * only if diag_ok(). The tree that was parsed is not changed.
 */
#ifndef WEIR_COMPILER_CHECK_H
#define WEIR_COMPILER_CHECK_H

#include "compiler/ast.h"
#include "compiler/constants.h"
#include "compiler/diag.h"
#include "sql/catalog.h"
#include "vm/image.h"

enum cond_kind {
	COND_CONST, /* value */
	COND_TEST,  /* op, fact or column, constant; of OP_ACTION_IN, value: connect is in it */
	COND_NOT,   /* first */
	COND_AND,   /* first, linked by next; none: true */
	COND_OR,    /* first, linked by next; none: false */
};

struct cond {
	struct cond *next;
	enum cond_kind kind;
	bool value;
	enum opcode op;
	enum fact fact;    /* of OP_USES: FACT_COUNT, it reads the list of uses; of OP_ROW_x: too */
	uint32_t column;   /* of OP_ROW_x: index of the name in the constants */
	uint32_t constant; /* index in the constants; 0 when op has none */
	struct cond *first, *last;
};

struct checked_rule {
	const struct rule *ast;
	enum vm_rule kind;
	struct cond *cond;     /* of all clauses, with the guard of its protocol if it needs one */
	struct cond *clauses;  /* COND_AND: of each who, on, do, when and unless, in their order */
	bool has_do;           /* some `do` clause */
	bool names_connect;    /* ... that covers the action connect */
	bool only_connect;     /* ... and no other */
	enum fact_phase phase; /* the latest of the facts it reads, the action apart */
	bool reads_action;
	bool reads_row;
	struct image_hold hold;
	struct image_mask mask;
	struct image_limit limit;
	uint8_t recorded;
	const char *channel; /* NULL: nobody is told */
};

struct checked {
	const struct policy *ast;
	struct constants *constants;
	struct checked_rule *rules; /* in the order of the text */
	size_t n_rules;
	bool default_allow;
	uint32_t n_files;              /* of the sources, those that are the policy */
	const struct catalog *catalog; /* NULL: it has none; checked_free frees it */
	const struct ddl *ddl;	       /* ... as its texts said it */
	const uint32_t *catalog_files; /* of the sources, those texts in their order */
};

/* What does not live in the arena. */
void checked_free(struct checked *p);

/* Where the catalog's text says a relation, or its column (attnum 0: itself): the statement, and
 * from its name on. False: nowhere, as for a column that it has from another relation. */
bool checked_place(const struct checked *p, uint32_t relation, int attnum, struct span *statement,
		   struct span *name) MUST_CHECK;

struct checked *check_policy(const struct policy *p, struct arena *arena, struct diag_queue *q);

#endif
