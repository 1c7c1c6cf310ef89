/* SPDX-License-Identifier: MIT
 *
 * Runs an entry point of an image over facts. Total: no failure, no allocation, at most
 * image.entry[e].cost instructions. Also the joins that the language defines: of the effects of a
 * command, and of the masks of a column.
 */
#ifndef WEIR_VM_EXEC_H
#define WEIR_VM_EXEC_H

#include "vm/image.h"
#include "vm/value.h"

enum verdict { VERDICT_ALLOW = VM_ALLOW, VERDICT_HOLD = VM_HOLD, VERDICT_DENY = VM_DENY };

struct decision {
	enum verdict verdict; /* of CONNECT and COMMAND; elsewhere always ALLOW */
	bool by_default;      /* no rule with a verdict matched (after a join: some effect) */
	uint32_t ops;         /* instructions run */
	uint32_t effects;     /* joined into this one; 1 after vm_decide */
	/* Every rule that matched; bit = index in image.rules. Few do of many, so words are set as
	 * they are needed: those without a bit in `touched` hold anything. */
	uint64_t touched[(VM_MAX_RULES / 64 + 63) / 64];
	uint64_t bits[VM_MAX_RULES / 64];
};
static_assert(VM_MAX_RULES % 64 == 0, "decision.bits has a bit for every rule");

/* ENTRY_COMMAND: f are the facts of one effect. ENTRY_RESULT: `matched` are the mask rules in
 * force; facts of a single effect are not read. */
void vm_decide(const struct image *img, enum vm_entry e, const struct facts *f, struct decision *d);

/* Runs code up to an `end`: adds the rules that match and the instructions, without the end, to *d.
 * The worst verdict among them, or -1; of a diagram VM_RUN_LIST when the list is to be asked. */
enum { VM_RUN_LIST = -2 };
int vm_run(const struct image *img, const struct insn *code, const struct facts *f,
	   struct decision *d);

/* A command's decision from those of its effects: start with vm_join_init, add each effect. The
 * worst verdict wins; rules add up. A command without effects is denied by default. */
void vm_join_init(struct decision *d);
void vm_join(struct decision *into, const struct decision *effect);

uint64_t decision_word(const struct decision *d, size_t w); /* bits[w], or 0 */
bool decision_has(const struct decision *d, size_t rule);
void decision_remove(struct decision *d, size_t rule);
/* The next matched rule after `after` (start with -1), in the order of the source; -1 at the
 * end. */
int decision_next(const struct decision *d, int after);
/* As above, only rules that made the verdict what it is: none when it is by default, or when a
 * session is opened only because of holds that its commands may meet. */
int decision_next_deciding(const struct image *img, const struct decision *d, int after);

/* The mask in force for a column under the decision of ENTRY_RESULT: index of the mask rule that
 * is strictest, or -1 when the column is shown as it is. An empty slice stands for any name. */
int vm_mask_for(const struct image *img, const struct decision *result, struct slice schema,
		struct slice table, struct slice column);
/* Does the statement use a column of the data class in one of the contexts? */
enum tri { TRI_FALSE, TRI_TRUE, TRI_UNKNOWN /* not to be told */ };
enum tri vm_uses(const struct image_data *data, const struct facts *f, unsigned contexts);
/* What is open of a column: only what every mask rule opens that applies to it. */
struct mask_modes vm_modes_for(const struct image *img, const struct decision *result,
			       struct slice schema, struct slice table, struct slice column);
struct mask_modes vm_modes_join(struct mask_modes a, struct mask_modes b);
extern const struct mask_modes vm_modes_open; /* of a column without masks */
/* Of each detector in force: its strictest mask rule, or -1. False: none is in force. */
bool vm_detectors(const struct image *img, const struct decision *result,
		  int rules[DETECTOR_COUNT]);
/* Does the data of a mask or drop rule cover the column? */
bool vm_rule_covers(const struct image *img, const struct image_rule *rule, struct slice schema,
		    struct slice table, struct slice column);
/* Less than 0 when a reveals more than b; 0 only when they are the same mask. */
int vm_mask_cmp(const struct image_mask *a, const struct image_mask *b);
/* The same of the value alone, whatever else the masks allow. */
int vm_mask_shows_cmp(const struct image_mask *a, const struct image_mask *b);

#endif
