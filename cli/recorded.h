/* SPDX-License-Identifier: MIT
 *
 * Commands of an audit log with the facts that their policy was told: for `weir replay` and
 * `weir explain --audit`. What is not on record is unknown, and told apart from what the gateway
 * did not know either.
 */
#ifndef WEIR_CLI_RECORDED_H
#define WEIR_CLI_RECORDED_H

#include "audit/brief.h"
#include "sql/catalog.h"
#include "vm/exec.h"

#include <jansson.h>

/* What a record can lack, beside facts. */
enum recorded_lack {
	RECORDED_USES = FACT_COUNT, /* where columns are used */
	RECORDED_EFFECTS,	    /* more of them were judged than are on record */
	RECORDED_VOUCHED, /* that a function is as it was for which the policy vouches */
	RECORDED_RULES,	  /* more of them applied than are on record */
	RECORDED_POLICY,  /* the one of then, of which there are only names */
	RECORDED_ROWS,	  /* what they held */
	RECORDED_VIEWS,	  /* what other tables' columns are read through a name */
	RECORDED_REFUSED, /* what the gateway refuses because of masks */
	RECORDED_GOT,	  /* how much a command would have got, or others before it */
	RECORDED_LOOKUPS, /* how often it would have looked masked values up */
	RECORDED_BYTES,	  /* of its rows */
	RECORDED_BITS
};
const char *recorded_lack_name(unsigned bit); /* of a fact, or one of these */

/* What became of a command: its `result` record. */
struct recorded_result {
	uint64_t time; /* ns, when it ended */
	uint64_t rows, withheld, dropped, bytes, ns;
	bool limit_hit;
	struct slice limit; /* the rule, or the gateway's own code */
	struct slice tag;
};

struct recorded {
	struct audit_brief brief;
	json_t *json;          /* of the whole record */
	struct arena *arena;   /* of this record */
	enum verdict verdict;  /* that it was given */
	struct slice by_gateway; /* ... by the gateway itself, not a rule: its code. Else empty */
	bool connects;	       /* a session's start: `base` is what is decided */
	bool follows;	       /* ... and what came of one that waited, which has its own record */
	bool unasked;	       /* no rule was asked, or the record is from before facts were */
	bool cut;	       /* more effects were judged than are on record */
	bool behind_ddl;       /* in a transaction that has changed the schema, or may have */
	struct facts base, *effects;
	uint64_t base_missing; /* facts that are not on record, a bit each */
	uint64_t *missing;     /* ... and of each effect, with these */
	size_t n;
	struct slice *obligations; /* names of the rules that applied beside the verdict's */
	size_t n_obligations;
	uint64_t lookups, statements;
	bool extended; /* by Execute */
	bool pruned;   /* the log does not begin with its beginning */

	/* Of a command: who is called may ask to be so again when it has ended. */
	bool wait;
	const struct recorded_result *result; /* then; NULL: nobody knows */
	bool ended;
	void *look; /* theirs, from `arena` */
};

/* Calls f for each command and each start of a session, in the order of the log; for a command that
 * it has set c->wait of, again when its result, the end of its session or that of the log comes.
 * false: enough. -1 when the log could not be read, after a message that names the command.
 * *damaged: what there should be could not be read, which was said as well. */
int recorded_commands(const char *command, const char *folder,
		      bool (*f)(void *ctx, struct recorded *c), void *ctx, bool *damaged);

/* What `*` stands for is not on record: taken from a policy's catalog, where the effect is on a
 * table that it has. */
void recorded_columns(const struct recorded *c, const struct catalog *catalog);

/* *out is what the image decides by the facts on record. 0 when that is certain. Else what is not
 * on record and could have led to another verdict, a bit each: it comes out otherwise with each
 * test of these taken the other way, as *turned is. */
uint64_t recorded_decide(const struct recorded *c, const struct image *img, struct decision *out,
			 struct decision *turned);
/* The same of another entry point: ENTRY_RESULT, or ENTRY_WATCH, whose effects are joined. Rules of
 * which it is not certain whether they match are in one of both. The facts that the entry point
 * reads and that are not on record. */
uint64_t recorded_match(const struct recorded *c, const struct image *img, enum vm_entry e,
			struct decision *out, struct decision *turned);
/* Those of ENTRY_COMMAND. */
uint64_t recorded_missing(const struct recorded *c, const struct image *img);

#endif
