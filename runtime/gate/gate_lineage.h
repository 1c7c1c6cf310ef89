/* SPDX-License-Identifier: MIT
 *
 * Where the values of a statement's columns come from, and whether a masked one goes anywhere but
 * bare into the result. The facts say how queries stand in each other; here they meet the catalog
 * and the masks of a class. Private to the gate.
 *
 * Each query and relation gets a list of columns; a column is clean or has the rule whose mask its
 * values need. Lists are made from the inside out; a recursive CTE, which reads itself, is gone
 * through until nothing changes (masks only become stricter, so that ends). Whatever cannot be
 * followed is `lost`, and then refused.
 */
#ifndef WEIR_GATE_GATE_LINEAGE_H
#define WEIR_GATE_GATE_LINEAGE_H

#include "gate/gate_class.h"

struct lineage_column {
	struct slice name; /* empty: not known, and then it hides nothing */
	int16_t rule;	   /* index of the mask rule in the image; -1: clean */
	bool gap;	   /* stands for any number of clean columns of unknown names */
	bool exact;	   /* straight from a table: the server's description has its numbers */
	bool derived;	   /* computed from a masked column: nothing of it may be shown */
	struct mask_modes modes; /* masked: what its masks open */
	uint32_t type;	   /* base type OID; 0: not known */
	uint32_t declared; /* as type, but of a domain the domain's own */
	int32_t typmod;	   /* of type; -1: none */
	uint32_t oid;	   /* exact: whose column */
	int16_t attnum;
	/* Masked: the first column its values come from, for people. */
	const struct catalog_relation *table;
	struct slice column;
};

struct lineage_list {
	struct lineage_column *c;
	uint32_t n, n_gaps;
	uint32_t n_merged; /* of a join: the first ones are merged */
	enum { LIST_NEW, LIST_BUSY, LIST_DONE } state;
};

struct lineage {
	const struct gate_class *class;
	const struct sql_facts *facts;
	struct arena *arena;
	const struct catalog_relation **relations; /* by index; NULL: no table, or unresolved */
	const bool *excused; /* by use: may stand where it does; NULL: none */
	bool may_look_up; /* `allowing lookup` counts: this is a statement, not a view */
	struct lineage_list *of_relation, *of_query;
	uint32_t columns; /* made so far */
	unsigned depth;
	bool again;   /* a query reads itself */
	bool changed; /* a list is not what it was in the pass before */
	bool lost;
};

/* Makes the lists; l's first four fields are filled in. */
void lineage_follow(struct lineage *l);
/* Every use of a masked column is one that shows or counts it, or that its masks open. False: *why
 * says which is not. */
bool lineage_check(struct lineage *l, struct gate_refusal *why) MUST_CHECK;
/* Some use is of a name that no column has, by all that the catalog says; or that a masked column
 * would come first for if it had it. */
enum lineage_doubt { LINEAGE_SURE, LINEAGE_HIDDEN, LINEAGE_UNKNOWN };
enum lineage_doubt lineage_doubt(struct lineage *l);
/* How many comparisons of a masked column with a value there are among uses that were checked. */
uint32_t lineage_lookups(struct lineage *l, uint32_t first, uint32_t n);
/* The columns of a query's result; `n` of them, if that is known (else 0). NULL: they cannot be
 * told. */
const struct lineage_list *lineage_result(struct lineage *l, int32_t query, uint32_t n);
uint32_t lineage_masked(const struct lineage_list *list);

/* The columns of a relation of the statement. */
const struct lineage_list *lineage_columns(struct lineage *l, uint32_t relation);
/* What a use means: at the innermost level where some relation has the name, each of those. False:
 * no relation has it. */
bool lineage_find(struct lineage *l, const struct sql_use *u, struct lineage_column *out);
/* That level; UINT32_MAX: there is none. */
uint32_t lineage_level(struct lineage *l, const struct sql_use *u, struct lineage_column *out);
/* A table under the names of its columns. */
bool lineage_is_plain(const struct sql_relation *r);
/* Some column of it could have any name. */
bool lineage_has_nameless(const struct lineage_list *list);

#endif
