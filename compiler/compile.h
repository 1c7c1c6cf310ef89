/* SPDX-License-Identifier: MIT
 *
 * Policy text to image, all of it: parse, check, emit, write, and sign when there is a key. Used by
 * the tools and by the gateway when it loads or reloads a policy from source.
 */
#ifndef WEIR_COMPILER_COMPILE_H
#define WEIR_COMPILER_COMPILE_H

#include "base/buf.h"
#include "base/crypto.h"
#include "compiler/check.h"
#include "compiler/diag.h"
#include "compiler/parse.h"

struct compile_options {
	struct catalog **catalog; /* where its catalog is left, to be freed; NULL: nowhere */
	const uint8_t *seed;      /* Ed25519 seed to sign with; NULL: unsigned */
	uint64_t counter;         /* of the signer */
	uint32_t n_tests;         /* the policy's tests and proofs that passed; 0: not run */
	bool list_only;           /* without diagrams: it decides the same, and not for long */
	/* the policy's text when it is at hand; NULL: read it from the path */
	const struct slice *text;
	const struct parse_loader *loader; /* of imported files; NULL: from disk */
};

/* Compiles the policy at `path` and appends the image to *out. False when there were errors, which
 * are in the queue; warnings do not prevent an image. The tree is left in *tree unless NULL. */
bool compile_policy(const char *path, struct arena *arena, struct diag_queue *q, struct buf *out,
		    const struct compile_options *options, struct policy **tree) MUST_CHECK;
/* As above, and *checked is the meaning that the image was made of. */
bool compile_policy_checked(const char *path, struct arena *arena, struct diag_queue *q,
			    struct buf *out, const struct compile_options *options,
			    struct policy **tree, struct checked **checked) MUST_CHECK;

#endif
