/* SPDX-License-Identifier: MIT
 *
 * What shadow rules would have done to a command, each by itself, as if it alone were in force
 * besides the rules that are. Nothing here decides anything.
 */
#ifndef WEIR_VM_WATCH_H
#define WEIR_VM_WATCH_H

#include "vm/exec.h"

enum { WATCH_WORDS = VM_MAX_RULES / 64, WATCH_NOTHING = -1 };

/* Start with watch_init, add each effect with what was decided of it, then the uses of columns. */
struct watch {
	struct decision seen;         /* the watched rules that match some effect */
	uint64_t missed[WATCH_WORDS]; /* ... that do not match some effect decided by default */
	uint64_t shown[WATCH_WORDS];  /* masks: a value would be masked; drops: a table is read */
	uint64_t used[WATCH_WORDS];   /* masks: of a column that is used other than as output */
	int worst;                    /* verdict of the effects that rules decided; -1: none */
	bool by_default;              /* of some effect no rule speaks */
};

/* False: the image has nothing to watch at that entry point, and the calls below are not needed. */
static inline bool
watch_has(const struct image *img, enum vm_entry e)
{
	return img->entry[e].n > 1;
}

void watch_init(struct watch *w);
/* e: ENTRY_WATCH or ENTRY_WATCH_CONNECT; `effect` is the decision of the entry that decides. */
void watch_effect(const struct image *img, enum vm_entry e, const struct facts *f,
		  const struct decision *effect, struct watch *w);
/* After the effects. `result` are the masks in force (ENTRY_RESULT). */
void watch_use(const struct image *img, const struct decision *result, const struct data_use *use,
	       struct watch *w);
void watch_table(const struct image *img, struct slice schema, struct slice table,
		 struct watch *w);

/* What would be different with the rule in force, as the kind of rule whose doing it is: the
 * verdict (VM_ALLOW, VM_HOLD, VM_DENY), VM_MASK, VM_DROP, ... or WATCH_NOTHING. `verdict` is the
 * command's own; `final`: the gateway itself refused it, whatever rules say. */
int watch_outcome(const struct image *img, const struct watch *w, int rule, enum verdict verdict,
		  bool final);

#endif
