/* SPDX-License-Identifier: MIT
 *
 * What two policies do beside their verdicts to a command that both decide alike: masks, rows that
 * are not shown, what goes on record, whom notices tell, what an approval takes.
 */
#ifndef WEIR_CLI_REPLAY_COMPARE_H
#define WEIR_CLI_REPLAY_COMPARE_H

#include "cli/recorded.h"
#include "cli/replay_was.h"

enum change_kind {
	CHANGE_MASKED,
	CHANGE_DROPPED,
	CHANGE_LIMITED,
	CHANGE_RECORDED,
	CHANGE_TOLD,
	CHANGE_APPROVED,
	CHANGE_NAMED, /* of the rules that apply only the names are known */
	CHANGE_KINDS
};

/* For JSON, what a line of the totals says, and what a rule does ("mask by veil"). */
extern const struct change_info {
	const char *name, *sentence, *verb;
} change_info[CHANGE_KINDS];

/* "app.orders.note: clear -> null by veil" */
struct change {
	enum change_kind kind;
	bool maybe; /* it hangs on something that is not on record */
	bool of_values; /* masked by what they are, wherever they stand */
	const char *object; /* NULL: the command */
	const char *was, *is;
	const char *rule_was, *rule_is; /* NULL: none, or several */
};

enum { CHANGES_MAX = 64 }; /* of one command */

struct comparison {
	struct arena *arena; /* of the texts */
	struct change v[CHANGES_MAX];
	size_t n, more;
	uint64_t lacking; /* what is not on record, and could make more of them */
	bool by_names;    /* rules were compared by those alone */
};

struct comparer {
	const struct told_policy *is;
	const struct told_policy *was; /* NULL: it is not at hand */
	const struct catalog *catalog; /* of the new one; NULL: it has none */
	const bool *inherits; /* by relation of the catalog: it does, or is inherited from */
};

/* *is, *turned: as recorded_decide has it, the verdict being as it was. */
void compare(const struct comparer *x, const struct recorded *c, const struct decision *is,
	     const struct decision *turned, struct comparison *out);

/* Masked now, the gateway may refuse what it did not then. */
bool change_may_refuse(const struct change *masked);
/* Some of them hang on nothing that is not on record. */
bool changes_certain(const struct comparison *x);
void changes_put_json(struct buf *out, const struct comparison *x); /* an array */
/* Of the first that is certain: "app.orders.note: clear -> null by veil, and 2 more" */
const char *changes_text(const struct comparison *x, struct arena *a);

/* replay_masks.c */
/* The effect's table, if it has one. */
bool effect_table(const struct facts *f, struct slice *schema, struct slice *table);
bool *compare_inheriting(const struct catalog *c, struct arena *a);
void compare_masks(const struct comparer *x, const struct recorded *c, struct comparison *out);
/* The gateway refused it; under other masks and drops it need not have. Else 0. */
uint64_t compare_refused(const struct comparer *x, const struct recorded *c);
void change_add(struct comparison *out, struct change change);

#endif
