/* SPDX-License-Identifier: MIT
 *
 * The proofs in a policy, and a counterexample of each that fails, as a test that passes as things
 * are.
 */
#include "cli/policy.h"

#include "cli/witness_test.h"
#include "compiler/prove.h"
#include "gate/epoch.h"

static void
put_counterexample(struct buf *out, const struct prover *p, struct catalog_ref *catalog,
		   const struct prove_decl *k, const struct counterexample *x)
{
	struct witness_test t = {.passes = p->img,
				 .passes_catalog = catalog,
				 .space = p->space,
				 .witness = &x->witness,
				 .verdict = x->verdict,
				 .detector = -1,
				 .view = x->place.base.n > 0,
				 .shows = k->kind == PROVE_ONLY_SEE ? SHOWS_CELL : SHOWS_VERDICT,
				 .schema = x->place.schema,
				 .table = x->place.table,
				 .column = x->place.column};
	struct buf name = {0}, text = {0};

	buf_puts(&name, "not proved: ");
	prove_text(&name, k);
	buf_putc(&name, 0);
	assert(!name.failed);
	t.name = (const char *) name.p;
	if (!witness_test(&text, &t)) {
		buf_puts(&text, "where ");
		witness_text(&text, p->space, &x->witness);
		if (k->kind == PROVE_ONLY_SEE)
			buf_printf(&text, ", column %.*s.%.*s.%.*s", SLICE_ARG(x->place.schema),
				   SLICE_ARG(x->place.table), SLICE_ARG(x->place.column));
		if (x->verdict == VERDICT_HOLD)
			buf_puts(&text, ", once it is released");
		buf_putc(&text, '\n');
	}
	if (x->place.base.n)
		buf_printf(out, "# as a view that passes on %.*s: a mask of it would hold there\n",
			   SLICE_ARG(x->place.base));
	buf_put_slice(out, buf_slice(&text));
	buf_fini(&name);
	buf_fini(&text);
}

static void
put_proof(struct buf *out, struct position at, struct slice text, bool json, struct slice why)
{
	if (json) {
		buf_puts(out, "{\"proof\": ");
		buf_json_string(out, text);
		buf_puts(out, ", \"file\": ");
		buf_json_string(out, slice_str(at.source->path));
		buf_printf(out, ", \"line\": %u, \"passed\": %s, \"failures\": [", at.line,
			   why.n ? "false" : "true");
		if (why.n)
			buf_json_string(out, why);
		buf_puts(out, "]}\n");
	} else if (why.n) {
		buf_printf(out, "%s:%u: not proved: %.*s\n%.*s", at.source->path, at.line,
			   SLICE_ARG(text), SLICE_ARG(why));
	}
}

struct test_counts
cli_policy_prove(const struct cli_policy *p, bool json, struct buf *out)
{
	struct test_counts n = {0};
	struct counterexample x;
	struct prover prover;
	struct arena arena;

	if (!p->tree || !p->tree->proofs)
		return n;
	arena_init(&arena, 0);
	prover_init(&prover, &arena, p->image, p->catalog ? p->catalog->catalog : NULL);
	for (const struct prove_decl *k = p->tree->proofs; k; k = k->next) {
		struct buf text = {0}, why = {0};
		enum proof result = prove(&prover, k, &x);

		prove_text(&text, k);
		if (result == PROOF_FAILS)
			put_counterexample(&why, &prover, p->catalog, k, &x);
		else if (result == PROOF_TOO_HARD)
			buf_printf(&why, "too entangled to be proved: %s\n", prover.why);
		if (result == PROOF_HOLDS)
			n.passed++;
		else
			n.failed++;
		put_proof(out, source_position((struct sources *) &p->sources, k->at),
			  buf_slice(&text), json, buf_slice(&why));
		buf_fini(&text);
		buf_fini(&why);
	}
	arena_fini(&arena);
	return n;
}
