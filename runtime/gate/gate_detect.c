/* SPDX-License-Identifier: MIT
 *
 * Detectors of a class of sessions. They look into every result, whatever the statement was; what a
 * statement does is not restricted by them. Two ways out of the server carry values of which
 * nothing is known that tells how to read them, and are refused.
 */
#include "gate/gate_internal.h"

void
gate_detect_rules(const struct image *img, const struct decision *result,
		  const struct mask_spec *specs, struct detect_rules *out)
{
	int rules[DETECTOR_COUNT];

	*out = (struct detect_rules){0};
	if (!vm_detectors(img, result, rules))
		return;
	for (int i = 0; i < DETECTOR_COUNT; i++) {
		if (rules[i] < 0)
			continue;
		out->wanted |= UINT32_C(1) << i;
		out->mask[i] = &specs[rules[i]];
		for (int k = 0; k < DETECTOR_COUNT; k++)
			if (rules[k] >= 0 &&
			    vm_mask_cmp(&img->rules[rules[i]].mask, &img->rules[rules[k]].mask) > 0)
				out->rank[i]++;
	}
}

void
gate_note_detectors(const struct gate_class *c, struct gate_verdict *v)
{
	int rules[DETECTOR_COUNT];

	if (!vm_detectors(c->epoch->image, &c->masks, rules))
		return;
	for (int i = 0; i < DETECTOR_COUNT; i++) {
		uint8_t k = 0;

		while (rules[i] >= 0 && k < v->n_masks && v->masks[k] != rules[i])
			k++;
		if (rules[i] >= 0 && k == v->n_masks && k < VERDICT_MASKS)
			v->masks[v->n_masks++] = (uint16_t)rules[i];
	}
}

/* In binary format each column's type must be known. */
static bool
can_read_copy(struct gate_session *s, const struct sql_facts *f, const struct sql_stmt *st,
	      struct arena *a)
{
	struct copyout_column *columns;
	size_t n;

	if (!gate_copy_is_read(st->copy))
		return false;
	if (st->copy->format != SQL_COPY_BINARY)
		return true;
	if (!gate_copy_columns(s, f, st, a, &columns, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!columns[i].type)
			return false;
	return true;
}

bool
gate_detect_allowed(struct gate_session *s, const struct sql_facts *f, struct arena *a,
		    struct gate_refusal *why)
{
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (f->effects[i].action == ACTION_SQL_FUNCTION_CALL) {
			*why = (struct gate_refusal){
				"WEIR-DETECT",
				"the result of a function call cannot be looked into", NULL,
				"call it in a SELECT: values are masked by what they hold for you",
				NULL};
			return false;
		}
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];

		if (!st->copy || st->copy->from || st->copy->where != SQL_COPY_STREAM ||
		    can_read_copy(s, f, st, a))
			continue;
		*why = (struct gate_refusal){"WEIR-MASKED-COPY", "this COPY cannot be looked into",
					     NULL,
					     "use text or csv format and plain options: values are "
					     "masked by what they hold "
					     "for you",
					     NULL};
		return false;
	}
	return true;
}
