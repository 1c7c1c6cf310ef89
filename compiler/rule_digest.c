/* SPDX-License-Identifier: MIT */
#include "compiler/rule_digest.h"

#include "vm/disasm.h"
#include "vm/verify.h"

#include <xxhash.h>

/* Ids of differences hang on them (policy_diff.c), and numbers change with new instructions. */
static const char *const names_of_ops[OP_COUNT] = {
#define OP(id, name, fact, constant, sentence) [OP_##id] = name,
#include "grammar/opcodes.def"
#undef OP
};

static void
put_text(struct buf *out, struct slice s)
{
	buf_printf(out, " %zu:", s.n);
	buf_put_slice(out, s);
}

static void
put_data(struct buf *out, const struct image_data *d)
{
	put_text(out, d->name);
	for (size_t i = 0; i < d->n_columns; i++) {
		put_text(out, d->columns[i].schema);
		put_text(out, d->columns[i].table);
		put_text(out, d->columns[i].column);
	}
	for (int i = 0; i < DETECTOR_COUNT; i++)
		if (d->detectors >> i & 1)
			put_text(out, slice_str(detector_info[i].name));
}

static void
put_constant(struct buf *out, const struct image *img, const struct constant *k)
{
	switch (k->kind) {
	case CONSTANT_NUMBER:
		buf_printf(out, " %lld", (long long) k->number);
		break;
	case CONSTANT_STRING:
		put_text(out, k->string);
		break;
	case CONSTANT_STRINGS:
		for (size_t i = 0; i < k->strings.n; i++)
			put_text(out, k->strings.v[i]);
		break;
	case CONSTANT_ACTIONS:
		for (enum action a = 0; a < ACTION_COUNT; a++)
			if (action_set_has(&k->actions, a))
				put_text(out, slice_str(action_info[a].name));
		break;
	case CONSTANT_VALUES:
		for (int i = 0; i < enum_count(k->values.type); i++)
			if (k->values.mask >> i & 1)
				put_text(out, slice_str(enum_name(k->values.type, i)));
		break;
	case CONSTANT_NETWORK:
		put_text(out, slice_of(k->network.addr, 16));
		buf_printf(out, "/%u", k->network.prefix);
		break;
	case CONSTANT_REGEX:
		put_text(out, k->regex.text);
		break;
	case CONSTANT_USES:
		put_data(out, &img->data[k->uses.data]);
		for (int i = 0; i < N_CONTEXTS; i++)
			if (k->uses.contexts >> i & 1)
				put_text(out, slice_str(context_info[i].name));
		break;
	default:
		panic_at(__FILE__, __LINE__, __func__, "a kind of constant");
	}
}

/* The tests before a match, back to the one before it, are the rule's own. */
static void
put_code(struct buf *out, const struct image *img, const struct image_entry *entry, size_t rule)
{
	size_t first = 0;

	for (size_t i = 0; i < entry->n; i++) {
		const struct insn *end = &entry->code[i];

		if (end->op != OP_MATCH && end->op != OP_MAY)
			continue;
		for (size_t k = first; end->arg == rule && k <= i; k++) {
			const struct insn *in = &entry->code[k];

			buf_printf(out, "\n%s %u %u", names_of_ops[in->op], in->flags, in->skip);
			if (vm_op_reads_row(in->op))
				put_text(out, img->row_columns[in->fact]);
			else if (vm_op_reads_fact(in->op))
				put_text(out, slice_str(fact_info[in->fact].name));
			if (in->op < OP_MATCH && in->op != OP_BOOL)
				put_constant(out, img, &img->constants[in->arg]);
		}
		first = i + 1;
	}
}

/* As it is written: "15m", "4h", "90s". */
static void
put_duration(struct buf *out, uint32_t s)
{
	static const struct {
		uint32_t s;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while (s % units[i].s)
		i++;
	buf_printf(out, "%u%c", s / units[i].s, units[i].unit);
}

static void
put_terms(struct buf *out, const struct image *img, const struct image_hold *h, bool told)
{
	for (size_t i = 0; i < h->n_needs; i++)
		buf_printf(out, "%s%u of %.*s", i ? " and " : "", h->needs[i].n,
			   SLICE_ARG(img->groups[h->needs[i].group].idp));
	buf_puts(out, h->not_self ? ", not self" : "");
	buf_puts(out, ", within ");
	if (told)
		put_duration(out, h->within_s);
	else
		buf_printf(out, "%u s", h->within_s);
	buf_puts(out, h->expires_s ? ", expires after " : "");
	if (h->expires_s && told)
		put_duration(out, h->expires_s);
	else if (h->expires_s)
		buf_printf(out, "%u s", h->expires_s);
	buf_printf(out, "%s%s%s", h->once ? ", once" : "", h->reason ? ", reason required" : "",
		   h->ticket ? ", ticket required" : "");
}

void
rule_hold_terms(struct buf *out, const struct image *img, const struct image_hold *h)
{
	put_terms(out, img, h, false);
}

void
rule_hold_text(struct buf *out, const struct image *img, const struct image_hold *h)
{
	put_terms(out, img, h, true);
}

uint64_t
rule_effect(const struct image *img, size_t rule)
{
	const struct image_rule *r = &img->rules[rule];
	struct buf terms = {0};
	uint64_t effect = r->kind;

	if (r->kind == VM_HOLD) {
		rule_hold_terms(&terms, img, &r->hold);
		effect = XXH3_64bits(terms.p, terms.n) | 1u << VM_RULE_COUNT;
	}
	buf_fini(&terms);
	return effect;
}

void
rule_mask_text(struct buf *out, const struct image_mask *m)
{
	buf_puts(out, mask_info[m->kernel].name);
	if (mask_has_number(mask_info[m->kernel].arg))
		buf_printf(out, "(%u)", m->count);
	if (mask_info[m->kernel].arg == MASK_ARG_TEXT)
		buf_printf(out, "(\"%.*s\")", SLICE_ARG(m->text));
	vm_put_modes(out, &m->modes);
}

void
rule_terms(struct buf *out, const struct image *img, size_t rule)
{
	const struct image_rule *r = &img->rules[rule];

	buf_puts(out, r->shadow ? "shadow " : "");
	buf_puts(out, vm_rule_info[r->kind].name);
	put_text(out, r->name);
	if (r->kind == VM_HOLD)
		rule_hold_terms(out, img, &r->hold);
	if (r->kind == VM_MASK)
		rule_mask_text(out, &r->mask);
	for (size_t i = 0; i < r->mask.n_data; i++)
		put_data(out, &img->data[r->mask.data[i]]);
	for (size_t i = 0; i < r->limit.n_amounts; i++)
		buf_printf(out, " %s %llu per %s", limit_unit_info[r->limit.amounts[i].unit].name,
			   (unsigned long long) r->limit.amounts[i].n,
			   limit_per_info[r->limit.amounts[i].per].name);
	if (r->channel.n)
		put_text(out, r->channel);
	for (int i = 0; i < RECORDED_COUNT; i++)
		if (r->recorded >> i & 1)
			buf_printf(out, " %s", recorded_info[i].name);
}

void
rule_bytes(struct buf *out, const struct image *img, size_t rule)
{
	rule_terms(out, img, rule);
	for (int e = 0; e < ENTRY_COUNT; e++)
		put_code(out, img, &img->entry[e], rule);
}
