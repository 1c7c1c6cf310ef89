/* SPDX-License-Identifier: MIT
 *
 * Any text through tokenizer, shape, analysis and cache: nothing crashes, refusals carry one
 * sql.unparsed effect, indices stay in their arrays, and a cached answer is a fresh one.
 */
#include "sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct sql_limits limits = {64 << 10, 200, 1 << 20};

static void
check(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		assert(f->stmts[i].query < (int32_t)f->n_queries);
	if (f->status != SQL_OK) {
		assert(f->n_effects == 1);
		assert(f->effects[0].action == ACTION_SQL_UNPARSED);
		assert(!f->pure_read);
		return;
	}
	for (uint32_t i = 0; i < f->n_stmts; i++)
		assert(f->stmts[i].n_effects > 0);
	for (uint32_t i = 0; i < f->n_effects; i++) {
		assert(action_is_leaf(f->effects[i].action));
		assert(f->effects[i].relation < (int32_t)f->n_relations);
	}
	for (uint32_t i = 0; i < f->n_uses; i++) {
		const struct sql_use *u = &f->uses[i];

		assert((uint64_t)u->candidates + u->n_candidates <= f->n_candidates);
		assert(u->row_relation < (int32_t)f->n_relations);
		for (uint32_t k = 0; k < u->n_candidates; k++)
			assert(f->candidates[u->candidates + k].relation < f->n_relations);
	}
	for (uint32_t i = 0; i < f->n_outputs; i++) {
		assert(f->outputs[i].use < (int32_t)f->n_uses);
		assert(f->outputs[i].query < (int32_t)f->n_queries);
		assert((uint64_t)f->outputs[i].uses + f->outputs[i].n_uses <= f->n_uses);
	}
	for (uint32_t i = 0; i < f->n_queries; i++) {
		const struct sql_query *q = &f->queries[i];

		assert((uint64_t)q->outputs + q->n_outputs <= f->n_outputs);
		assert((uint64_t)q->names + q->n_names <= f->n_names);
		assert(q->left < f->n_queries && q->right < f->n_queries);
	}
	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct sql_relation *r = &f->relations[i];

		assert(r->query < (int32_t)f->n_queries);
		assert((uint64_t)r->names + r->n_names <= f->n_names);
		assert((uint64_t)r->merged + r->n_merged <= f->n_names);
		assert((uint64_t)r->members + r->n_left + r->n_right <= f->n_members);
		/* Joins hold what was made before them, so that they cannot hold themselves. */
		for (uint32_t k = 0; k < r->n_left + r->n_right; k++)
			assert(f->members[r->members + k] < i);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct sql_cache *cache;
	struct buf fresh = {0}, cached = {0};
	struct arena arena;
	struct slice text;
	const struct sql_facts *f;

	if (!cache) {
		sql_shape_init();
		cache = sql_cache_open(256 << 10, &limits);
		assert(cache);
	}
	arena_init(&arena, 0);
	text = slice_of(arena_str(&arena, slice_of(p, n)), n);
	f = sql_analyse(text, &limits, &arena);
	check(f);
	sql_facts_print(&fresh, f);
	for (int i = 0; i < 3; i++) {
		buf_reset(&cached);
		sql_facts_print(&cached, sql_cache_facts(cache, text));
		assert(slice_eq(buf_slice(&fresh), buf_slice(&cached)));
	}
	buf_fini(&fresh);
	buf_fini(&cached);
	arena_fini(&arena);
	return 0;
}
