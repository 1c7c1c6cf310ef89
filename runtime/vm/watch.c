/* SPDX-License-Identifier: MIT */
#include "vm/watch.h"

static bool
has(const uint64_t *set, int rule)
{
	return set[rule / 64] >> rule % 64 & 1;
}

static void
add(uint64_t *set, int rule)
{
	set[rule / 64] |= UINT64_C(1) << rule % 64;
}

void
watch_init(struct watch *w)
{
	memset(w, 0, sizeof(*w));
	vm_join_init(&w->seen);
	w->worst = -1;
}

void
watch_effect(const struct image *img, enum vm_entry e, const struct facts *f,
	     const struct decision *effect, struct watch *w)
{
	struct decision d;

	assert(e == ENTRY_WATCH || e == ENTRY_WATCH_CONNECT);
	vm_decide(img, e, f, &d);
	vm_join(&w->seen, &d);
	if (!effect->by_default) {
		if ((int) effect->verdict > w->worst)
			w->worst = (int) effect->verdict;
		return;
	}
	w->by_default = true;
	for (size_t i = 0; i < (img->n_rules + 63) / 64; i++)
		w->missed[i] |= ~decision_word(&d, i);
}

void
watch_use(const struct image *img, const struct decision *result, const struct data_use *use,
	  struct watch *w)
{
	const unsigned allowed = CONTEXT_BIT(OUTPUT) | CONTEXT_BIT(COUNT);
	int now = vm_mask_for(img, result, use->schema, use->table, use->column);

	for (int r = decision_next(&w->seen, -1); r >= 0; r = decision_next(&w->seen, r)) {
		const struct image_rule *rule = &img->rules[r];

		if (!rule->shadow || rule->kind != VM_MASK ||
		    !vm_rule_covers(img, rule, use->schema, use->table, use->column))
			continue;
		if (use->contexts & ~allowed && now < 0)
			add(w->used, r);
		else if (use->contexts & CONTEXT_BIT(OUTPUT) &&
			 (now < 0 || vm_mask_cmp(&rule->mask, &img->rules[now].mask) > 0))
			add(w->shown, r);
	}
}

void
watch_table(const struct image *img, struct slice schema, struct slice table, struct watch *w)
{
	for (int r = decision_next(&w->seen, -1); r >= 0; r = decision_next(&w->seen, r))
		if (img->rules[r].shadow && img->rules[r].kind == VM_DROP &&
		    vm_rule_covers(img, &img->rules[r], schema, table, (struct slice){0}))
			add(w->shown, r);
}

/* The command's verdict with one more rule: of an effect that rules decide the worst counts, one
 * that none of them speaks of is as the rule says if it matches there. */
static enum verdict
verdict_with(const struct image *img, const struct watch *w, int rule)
{
	int worst = img->ranks[rule];

	if (w->worst > worst)
		worst = w->worst;
	if (w->by_default && has(w->missed, rule) && !img->default_allow)
		worst = VERDICT_DENY;
	return (enum verdict) worst;
}

int
watch_outcome(const struct image *img, const struct watch *w, int rule, enum verdict verdict,
	      bool final)
{
	const struct image_rule *r = &img->rules[rule];

	if (!r->shadow || !decision_has(&w->seen, (size_t) rule))
		return WATCH_NOTHING;
	if (r->kind <= VM_DENY) {
		enum verdict would = verdict_with(img, w, rule);

		return final || would == verdict ? WATCH_NOTHING : (int) would;
	}
	if (r->kind == VM_RECORD || r->kind == VM_NOTIFY)
		return r->kind;
	if (verdict == VERDICT_DENY)
		return WATCH_NOTHING;
	if (r->kind == VM_MASK && has(w->used, rule))
		return VM_DENY;
	if ((r->kind == VM_MASK || r->kind == VM_DROP) && !has(w->shown, rule))
		return WATCH_NOTHING;
	return r->kind;
}
