/* SPDX-License-Identifier: MIT
 *
 * An input as a ready test of the policy language, and as the facts that `weir eval` reads.
 */
#ifndef WEIR_CLI_WITNESS_TEST_H
#define WEIR_CLI_WITNESS_TEST_H

#include "base/buf.h"
#include "compiler/witness.h"

struct catalog_ref;

enum witness_shows {
	SHOWS_VERDICT,
	SHOWS_CELL, /* how a column is shown: under the mask, or as it is */
	SHOWS_ROW,  /* that a row is shown, or dropped `by` a rule */
	SHOWS_OBLIGATION, /* that a limit, record or notice applies */
};

struct witness_test {
	const struct image *passes; /* the test passes under this one ... */
	const struct image *fails;  /* ... and fails under this; NULL: under none */
	/* Of those policies that have one; or NULL. */
	struct catalog_ref *passes_catalog, *fails_catalog;
	const struct space *space;
	const struct witness *witness;
	const char *name;
	enum witness_shows shows;
	bool connects; /* SHOWS_VERDICT: of opening a session */
	enum verdict verdict;
	const char *expect;		    /* SHOWS_OBLIGATION: "limited" ... */
	struct slice by;		    /* ... by this rule; SHOWS_ROW: or none */
	struct slice calls; /* "schema.name(types)": the statement selects what it gives; or none */
	struct slice schema, table, column; /* SHOWS_CELL, SHOWS_ROW */
	int detector; /* SHOWS_CELL: what it finds is in the column, any of text will do; or -1 */
	bool view;    /* of a view, which may call the column something else */
	/* SHOWS_VERDICT: of these statements ($T, $C) rather than of what the facts say; NULL ends
	 * them. */
	const char *const *statements;
	const struct image_mask *mask;	    /* under `passes`; NULL: shown as it is */
};

/* Appends the test, having run it under both; false when the language cannot say it, or the catalog
 * does not have what it would name, and nothing is appended. */
bool witness_test(struct buf *out, const struct witness_test *t);
/* One JSON object, a line of what `weir eval --facts` reads; row values by the image's columns. */
void witness_json(struct buf *out, const struct space *s, const struct witness *w,
		  enum vm_entry entry);
/* "human "somebody" in ai-agents, on orders, time.of-day 12:00": what the witness depends on. */
void witness_text(struct buf *out, const struct space *s, const struct witness *w);

#endif
