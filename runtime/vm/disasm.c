/* SPDX-License-Identifier: MIT */
#include "vm/disasm.h"

#include "vm/verify.h"

static const char *const ops[OP_COUNT] = {
#define OP(id, name, fact, constant, sentence) name,
#include "grammar/opcodes.def"
#undef OP
};

/* An image is a file of somebody's, whatever wrote it. */
static void
put_name(struct buf *out, const char *before, struct slice name)
{
	buf_puts(out, before);
	buf_put_visible(out, name);
}

static void
put_data_names(struct buf *out, const struct image *img, const struct image_mask *m)
{
	buf_puts(out, "  of");
	for (size_t i = 0; i < m->n_data; i++)
		put_name(out, i ? ", " : " ", img->data[m->data[i]].name);
}

static void
put_names(struct buf *out, const struct action_set *set)
{
	const char *sep = "";

	buf_putc(out, '{');
	for (enum action a = 0; a < ACTION_COUNT; a++) {
		if (!action_set_has(set, a))
			continue;
		buf_printf(out, "%s%s", sep, action_info[a].name);
		sep = ", ";
	}
	buf_putc(out, '}');
}

static void
put_uses(struct buf *out, const struct image *img, const struct constant *k)
{
	const char *sep = "(";

	buf_put_visible(out, img->data[k->uses.data].name);
	for (int c = 0; c < N_CONTEXTS; c++) {
		if (!(k->uses.contexts >> c & 1))
			continue;
		buf_printf(out, "%s%s", sep, context_info[c].name);
		sep = " | ";
	}
	buf_putc(out, ')');
}

static void
put_network(struct buf *out, const struct constant *k)
{
	struct buf hex = {0};

	hex_put(&hex, slice_of(k->network.addr, 16));
	buf_put_slice(out, buf_slice(&hex));
	buf_printf(out, "/%u", k->network.prefix);
	buf_fini(&hex);
}

static void
put_constant(struct buf *out, const struct image *img, const struct constant *k)
{
	const char *sep = "";

	switch (k->kind) {
	case CONSTANT_NUMBER:
		buf_printf(out, "%lld", (long long) k->number);
		break;
	case CONSTANT_STRING:
		buf_json_string(out, k->string);
		break;
	case CONSTANT_STRINGS:
		buf_putc(out, '{');
		for (size_t i = 0; i < k->strings.n; i++) {
			buf_puts(out, i ? ", " : "");
			buf_json_string(out, k->strings.v[i]);
		}
		buf_putc(out, '}');
		break;
	case CONSTANT_ACTIONS:
		put_names(out, &k->actions);
		break;
	case CONSTANT_VALUES:
		buf_putc(out, '{');
		for (int i = 0; i < enum_count(k->values.type); i++) {
			if (!(k->values.mask >> i & 1))
				continue;
			buf_printf(out, "%s%s", sep, enum_name(k->values.type, i));
			sep = ", ";
		}
		buf_putc(out, '}');
		break;
	case CONSTANT_NETWORK:
		put_network(out, k);
		break;
	case CONSTANT_REGEX:
		buf_put_visible(out, k->regex.text);
		buf_printf(out, " (%u states)", k->regex.dfa.n_states);
		break;
	case CONSTANT_USES:
		put_uses(out, img, k);
		break;
	case CONSTANT_COUNT:
		break;
	}
}

static void
put_operands(struct buf *out, const struct image *img, const struct insn *in)
{
	if (vm_op_reads_row(in->op))
		put_name(out, " row.", img->row_columns[in->fact]);
	else if (vm_op_reads_fact(in->op))
		buf_printf(out, " %s", fact_info[in->fact].name);
	if (in->op == OP_MATCHED) {
		put_name(out, " ", img->rules[in->arg].name);
	} else if (in->op != OP_BOOL && in->op != OP_KNOWN && in->op != OP_IN_SCHEMA) {
		buf_putc(out, ' ');
		put_constant(out, img, &img->constants[in->arg]);
	}
}

/* "  17  action-in action {sql.drop}; false -> 20; unknown is true" */
static void
put_insn(struct buf *out, const struct image *img, const struct insn *code, size_t at)
{
	const struct insn *in = &code[at];
	size_t ways = vm_switch_ways(img, in);

	buf_printf(out, "%6zu  %s", at, ops[in->op]);
	if (in->op == OP_MATCH || in->op == OP_MAY) {
		put_name(out, " ", img->rules[in->arg].name);
		if (in->flags & INSN_NOT)
			buf_puts(out, ", inverted");
		if (in->skip)
			buf_printf(out, "; and %zu", at + in->skip);
	} else if (in->op == OP_SET_MATCH) {
		put_operands(out, img, in);
		buf_printf(out, "; each -> %zu to %zu, then -> %zu", at + 1,
			   at + img->constants[in->arg].n_cases, at + 1 + in->skip);
	} else if (in->op == OP_JUMP || in->op == OP_FAR) {
		buf_printf(out, " -> %zu", at + 1 + vm_distance(in));
	} else if (ways) {
		put_operands(out, img, in);
		buf_printf(out, "; unknown -> %zu, none -> %zu, each -> %zu to %zu", at + 1, at + 2,
			   at + 3, at + ways);
	} else if (vm_op_is_test(in->op)) {
		put_operands(out, img, in);
		buf_printf(out, "%s; %s -> %zu%s", in->flags & INSN_NOT ? ", inverted" : "",
			   in->flags & INSN_SKIP_TRUE ? "true" : "false", at + 1 + in->skip,
			   in->flags & INSN_UNKNOWN ? "; unknown is true" : "");
	}
	buf_putc(out, '\n');
}

void
vm_put_modes(struct buf *out, const struct mask_modes *m)
{
	const char *sep = " allowing";

	if (m->lookup) {
		buf_printf(out, "%s lookup", sep);
		sep = ",";
	}
	if (m->derived) {
		buf_printf(out, "%s derived", sep);
		sep = ",";
	}
	if (m->over)
		buf_printf(out, "%s aggregates over %u", sep, m->over);
}

static void
put_rule(struct buf *out, const struct image *img, size_t at)
{
	const struct image_rule *r = &img->rules[at];

	buf_printf(out, "rule %zu %s%s", at, r->shadow ? "shadow " : "",
		   vm_rule_info[r->kind].name);
	put_name(out, " ", r->name);
	put_name(out, "  # ", img->files[r->span.file].name);
	buf_printf(out, ":%u:%u\n", r->span.line, r->span.column);
	if (r->kind == VM_HOLD) {
		const struct image_hold *h = &r->hold;

		buf_puts(out, "  for");
		for (size_t i = 0; i < h->n_needs; i++) {
			buf_printf(out, "%s %u of", i ? " and" : "", h->needs[i].n);
			put_name(out, " ", img->groups[h->needs[i].group].name);
		}
		buf_printf(out, "%s within %us", h->not_self ? " not self" : "", h->within_s);
		if (h->expires_s)
			buf_printf(out, " expires %us", h->expires_s);
		buf_printf(out, "%s%s%s\n", h->once ? " once" : "",
			   h->reason ? " reason required" : "",
			   h->ticket ? " ticket required" : "");
	}
	if (r->kind == VM_MASK) {
		const struct image_mask *m = &r->mask;

		put_data_names(out, img, m);
		buf_printf(out, " with %s", mask_info[m->kernel].name);
		if (mask_has_number(mask_info[m->kernel].arg))
			buf_printf(out, "(%u)", m->count);
		if (mask_info[m->kernel].arg == MASK_ARG_TEXT) {
			buf_putc(out, '(');
			buf_json_string(out, m->text);
			buf_putc(out, ')');
		}
		vm_put_modes(out, &m->modes);
		buf_putc(out, '\n');
	}
	if (r->kind == VM_DROP) {
		put_data_names(out, img, &r->mask);
		buf_putc(out, '\n');
	}
	if (r->channel.n) {
		put_name(out, "  notify ", r->channel);
		buf_putc(out, '\n');
	}
	if (r->kind == VM_RECORD) {
		buf_puts(out, "  with");
		for (int i = 0; i < RECORDED_COUNT; i++)
			if (r->recorded >> i & 1)
				buf_printf(out, " %s", recorded_info[i].name);
		buf_putc(out, '\n');
	}
	if (r->kind == VM_LIMIT) {
		for (size_t i = 0; i < r->limit.n_amounts; i++) {
			const struct image_amount *a = &r->limit.amounts[i];

			buf_printf(out, "  %s %llu%s per %s", limit_unit_info[a->unit].name,
				   (unsigned long long) a->n, a->unit == LIMIT_TIME ? "ms" : "",
				   limit_per_info[a->per].name);
		}
		buf_putc(out, '\n');
	}
}

void
vm_disasm_noted(struct buf *out, const struct image *img, vm_disasm_note *note, void *ctx)
{
	put_name(out, "policy ", img->policy);
	buf_puts(out, img->default_allow ? "  # default allow\n" : "\n");
	for (size_t i = 0; i < img->n_groups; i++) {
		put_name(out, "group ", img->groups[i].name);
		buf_puts(out, " idp ");
		buf_json_string(out, img->groups[i].idp);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < img->n_targets; i++) {
		put_name(out, "target ", img->targets[i].name);
		buf_printf(out, " %s ",
			   enum_name(TYPE_ENUM_PROTOCOL, (int) img->targets[i].protocol));
		buf_json_string(out, img->targets[i].pattern);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < img->n_data; i++) {
		const struct image_data *d = &img->data[i];

		put_name(out, "data ", d->name);
		for (size_t k = 0; k < d->n_columns; k++) {
			put_name(out, k ? ", " : " ", d->columns[k].schema);
			put_name(out, ".", d->columns[k].table);
			put_name(out, ".", d->columns[k].column);
		}
		for (int k = 0; k < DETECTOR_COUNT; k++)
			if (d->detectors >> k & 1)
				buf_printf(out, " like %s", detector_info[k].name);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < img->n_trusted; i++) {
		buf_puts(out, "trust function ");
		buf_json_string(out, img->trusted[i].function);
		buf_puts(out, " digest \"sha256:");
		hex_put(out, slice_of(img->trusted[i].digest, SHA256_LEN));
		buf_puts(out, "\"\n");
	}
	for (size_t i = 0; i < img->n_rules; i++)
		put_rule(out, img, i);
	for (int e = 0; e < ENTRY_COUNT; e++) {
		const struct image_entry *entry = &img->entry[e];

		buf_printf(out, "entry %s  # at most %u instructions, %s\n", entry_info[e].name,
			   entry->cost, entry->stable ? "stable" : "varying");
		for (size_t i = 0; i < entry->n; i++) {
			if (note)
				note(ctx, out, (enum vm_entry) e, i);
			put_insn(out, img, entry->code, i);
		}
		if (entry->n_diagram)
			buf_printf(out, "diagram of %s\n", entry_info[e].name);
		for (size_t i = 0; i < entry->n_diagram; i++) {
			if (note)
				note(ctx, out, (enum vm_entry) e, entry->n + i);
			put_insn(out, img, entry->diagram, i);
		}
	}
}

void
vm_disasm(struct buf *out, const struct image *img)
{
	vm_disasm_noted(out, img, NULL, NULL);
}
