/* SPDX-License-Identifier: MIT
 *
 * `prove` statements of a policy, decided over all inputs.
 */
#ifndef WEIR_COMPILER_PROVE_H
#define WEIR_COMPILER_PROVE_H

#include "compiler/ast.h"
#include "compiler/reading.h"

enum proof { PROOF_HOLDS, PROOF_FAILS, PROOF_TOO_HARD };

struct counterexample {
	struct witness witness;
	enum verdict verdict;
	struct reading_place place; /* `only ... see` */
};

struct prover {
	struct arena *arena;
	const struct image *img;
	struct space *space; /* NULL: too hard, and `why` says for what */
	struct diagram *diagram;
	const char *why;
	const struct catalog *catalog;
	bool tables_only; /* what views may show is not asked for */
	bool scoped; /* the verdicts of everything are too large: each proof has its own */
	struct dd_mark mark;
};

/* The catalog is the one that the policy names; NULL: it is not at hand. */
void prover_init(struct prover *p, struct arena *arena, const struct image *img,
		 const struct catalog *catalog);
/* The statement is one of the policy that the image is made of. */
enum proof prove(struct prover *p, const struct prove_decl *k, struct counterexample *out);
/* Whether nobody sees data as it is, where that is possible and not denied, inside `where`. */
enum proof prove_seen(struct prover *p, const struct ref *data, uint32_t where,
		      struct counterexample *out);
/* "only auditors see card unmasked" */
void prove_text(struct buf *out, const struct prove_decl *k);

#endif
