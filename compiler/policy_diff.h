/* SPDX-License-Identifier: MIT
 *
 * The exact difference between two policies: every kind of it, each with an input that shows it.
 * Differences that the same rules make are one. Nothing is sampled: when the list is empty, the two
 * decide every input alike.
 */
#ifndef WEIR_COMPILER_POLICY_DIFF_H
#define WEIR_COMPILER_POLICY_DIFF_H

#include "compiler/reading.h"

enum difference_kind {
	DIFF_ALLOWED,  /* newly allowed */
	DIFF_HELD,     /* newly held */
	DIFF_DENIED,   /* newly denied */
	DIFF_APPROVAL, /* held as before, and released by others, or otherwise */
	DIFF_UNMASKED, /* a column, or values, that are shown as they are now */
	DIFF_MASKED,   /* ... that was */
	DIFF_MASK,     /* masked otherwise */
	DIFF_MODES,    /* a mask allows other uses of its column */
	DIFF_SHOWN,    /* rows that were dropped are shown */
	DIFF_DROPPED,
	DIFF_LIMIT,
	DIFF_SHARED, /* an amount that other commands count against as well, or less of them */
	DIFF_TRUST,  /* a function counts as harmless, or as another, or no more */
	DIFF_RECORD, /* something more or less goes on record */
	DIFF_NOTICE, /* a channel is told, or no more */
	DIFF_SHADOWED, /* a shadow rule puts on record what it would have done */
	DIFF_UNSHADOWED, /* ... no more */
	DIFF_SHADOW,   /* ... and would do something else */
	DIFF_KINDS
};
extern const char *const difference_names[DIFF_KINDS];

enum { DIFF_SIDES = 2, DIFF_ID = 12, DIFF_MAX_EACH = 64 };

struct difference {
	struct difference *next;
	enum difference_kind kind;
	enum vm_entry entry; /* CONNECT: of opening a session; else COMMAND */
	struct witness witness;
	enum verdict verdict[DIFF_SIDES];
	int rule[DIFF_SIDES];		     /* but for verdicts: the one in force; or -1 */
	int mask[DIFF_SIDES];		     /* the mask of the column */
	struct mask_modes modes[DIFF_SIDES]; /* DIFF_MODES */
	struct reading_place place;	     /* masks and drops */
	int detector;			     /* masks: of values, whatever their column; or -1 */
	/* TRUST: the function; RECORD: what is added; NOTICE: the channel; SHADOW...: the rule */
	struct slice subject;
	int trusted[DIFF_SIDES];	     /* DIFF_TRUST: index in the image; or -1 */
	enum limit_unit unit;		     /* DIFF_LIMIT, DIFF_SHARED */
	enum limit_per per;
	uint64_t amount[DIFF_SIDES]; /* 0: no limit */
	struct action_set counted[DIFF_SIDES]; /* DIFF_SHARED: against the amount */
	struct action_set actions;   /* for which actions; masks, drops: none */
	char id[DIFF_ID + 1];	     /* the same as long as the rules that make it say the same */
};

struct policy_diff {
	struct space *space;
	struct diagram *sides[DIFF_SIDES];
	struct difference *first;
	size_t n;
	bool more; /* some kind has more than DIFF_MAX_EACH */
};

/* The catalogs are those that the policies name; NULL: it is not at hand. Returns NULL, with what
 * was too much in *why. */
struct policy_diff *policy_diff(struct arena *arena, const struct image *const images[DIFF_SIDES],
				const struct catalog *const catalogs[DIFF_SIDES],
				const char **why);

#endif
