/* SPDX-License-Identifier: MIT
 *
 * Data classes: their detectors, and what rules can say of values that have no column.
 */
#include "compiler/check_internal.h"

static void
check_detector(struct check *c, const struct data_decl *d, const struct data_item *item)
{
	const char *names[DETECTOR_COUNT];

	if (detector_find(slice_str(item->detector.s)) < 0) {
		for (int i = 0; i < DETECTOR_COUNT; i++)
			names[i] = detector_info[i].name;
		check_suggest(c, diag(c->q, UNKNOWN_DETECTOR, item->detector.at, item->detector.s),
			      item->detector.s, names, DETECTOR_COUNT);
		return;
	}
	for (const struct data_item *i = d->items; i != item; i = i->next)
		if (i->detector.s == item->detector.s) {
			diag_note(c->q,
				  diag(c->q, DETECTOR_TWICE, item->at, d->name.s, item->detector.s),
				  i->at, "the first is here");
			return;
		}
}

void
check_data(struct check *c)
{
	for (const struct data_decl *d = c->p->data; d; d = d->next)
		for (const struct data_item *i = d->items; i; i = i->next)
			if (i->kind == DATA_VALUES_LIKE && i->detector.s)
				check_detector(c, d, i);
}

static const struct data_decl *
data_at(const struct check *c, int i)
{
	return c->lists[LIST_DATA].decl[i];
}

static const struct data_item *
item_of(const struct data_decl *d, enum data_item_kind kind)
{
	for (const struct data_item *i = d->items; i; i = i->next)
		if (i->kind == kind)
			return i;
	return NULL;
}

void
check_rule_data(struct check *c, const struct rule *r, const struct checked_rule *out)
{
	for (size_t i = 0; i < out->mask.n_data; i++) {
		const struct data_decl *d = data_at(c, out->mask.data[i]);
		const struct data_item *item = item_of(d, DATA_VALUES_LIKE);
		struct diag *said = NULL;

		if (item && r->kind == RULE_DROP)
			said = diag(c->q, DETECTOR_DROPS, r->name.at, r->name.s);
		else if (item && c->reads.row)
			said = diag(c->q, DETECTOR_BY_ROW, r->name.at, r->name.s, d->name.s);
		if (said) {
			diag_note(c->q, said, item->at, "the values are here");
			diag_note(c->q, said, SPAN_NONE,
				  "give them a data class, and a mask, of their own");
		}
	}
}

void
check_uses_data(struct check *c, int data, struct span at)
{
	const struct data_decl *d = data_at(c, data);

	if (item_of(d, DATA_COLUMN))
		return;
	diag_note(c->q, diag(c->q, DETECTOR_USED, at, d->name.s), SPAN_NONE,
		  "detectors look at results; name columns to speak of what a statement uses");
}
