/* SPDX-License-Identifier: MIT
 *
 * The offline verifier: nothing but the folder and the keys. It reads only, and may run beside a
 * gateway that is writing: it takes the heads first and the records after, so the records are never
 * behind the heads.
 *
 * What is checked: signatures of all heads; that heads only grow; every frame, leaf, trailer, seal
 * and segment header against the tree recomputed from the first record, and the tree against every
 * signed head (which proves each head consistent with the next); deterministic encoding of every
 * leaf; per session a gapless sseq; every result has its intent, every command that was held and
 * ran has enough distinct approvals over one binding and one use, every policy digest was loaded.
 *
 * Of records that were pruned the hashes are left (audit/pruned.h): the heads signed for them are
 * checked against these, and that a signed record says that all of them were to go.
 */
#ifndef WEIR_AUDIT_VERIFY_H
#define WEIR_AUDIT_VERIFY_H

#include "audit/note.h"

enum verify_verdict { VERIFY_INTACT = 0, VERIFY_TAMPERED = 1, VERIFY_INCOMPLETE = 2 };

enum { VERIFY_PROBLEMS_MAX = 100 };

struct verify_problem {
	enum verify_verdict severity; /* INTACT: a remark */
	char *text;                   /* malloc'd */
};

struct verify_options {
	const struct note_key *keys; /* given out of band; none: the folder's own, with a remark */
	size_t n_keys;
	/* a signed note kept elsewhere that this log must contain; may be empty */
	struct slice head;
};

struct verify_report {
	enum verify_verdict verdict;
	char origin[NOTE_NAME_MAX + 1];
	uint64_t records, segments, heads, signed_records, sessions, commands, results, held;
	uint64_t first_ns, last_ns;
	uint64_t pruned, pruned_from_ns, pruned_to_ns; /* records 0 .. pruned - 1 are gone */
	bool keys_from_folder, live; /* a gateway holds the lock */
	struct verify_problem problems[VERIFY_PROBLEMS_MAX];
	size_t n_problems, more_problems;
};

/* 0, or -errno when the folder cannot be read at all. */
int audit_verify(struct verify_report *r, int dirfd, const struct verify_options *o) MUST_CHECK;
void verify_report_fini(struct verify_report *r);

#endif
