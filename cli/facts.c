/* SPDX-License-Identifier: MIT
 *
 * weir facts: the vocabulary of policies, from the tables it is declared in.
 */
#include "cli/cli.h"
#include "cli/policy.h"

#include <stdio.h>

static const char help[] =
	"usage: weir facts [--json]\n\n"
	"Lists what a policy can speak of: facts with their types, actions, mask functions, detectors,\n"
	"and the places where a column can be used. `weir eval` takes facts by these names.\n";

static const char *const phases[] = {
	[PHASE_CONNECT] = "connect", [PHASE_COMMAND] = "command", [PHASE_EFFECT] = "effect"};

static void
json_pair(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "\"%s\": ", key);
	buf_json_string(b, slice_str(value));
}

static void
json_named(struct buf *b, const char *name, const char *sentence)
{
	buf_putc(b, '{');
	json_pair(b, "name", name);
	buf_puts(b, ", ");
	json_pair(b, "sentence", sentence);
}

static void
json_facts(struct buf *b)
{
	buf_puts(b, "\"facts\": [\n");
	for (int i = 0; i < FACT_COUNT; i++) {
		const struct fact_info *f = &fact_info[i];

		json_named(b, f->name, f->sentence);
		buf_puts(b, ", ");
		json_pair(b, "type", type_info[f->type].name);
		if (type_is_enum(f->type)) {
			buf_puts(b, ", \"values\": [");
			for (int v = 0; enum_name(f->type, v); v++) {
				buf_puts(b, v ? ", " : "");
				buf_json_string(b, slice_str(enum_name(f->type, v)));
			}
			buf_putc(b, ']');
		}
		buf_puts(b, ", ");
		json_pair(b, "protocol",
			  f->protocol == FACT_OF_ANY
				  ? "any"
				  : enum_name(TYPE_ENUM_PROTOCOL, (int) f->protocol));
		buf_puts(b, ", ");
		json_pair(b, "phase", phases[f->phase]);
		buf_printf(b, ", \"stable\": %s}%s\n", f->stable ? "true" : "false",
			   i + 1 < FACT_COUNT ? "," : "");
	}
	buf_puts(b, "],\n");
}

static void
json_actions(struct buf *b)
{
	buf_puts(b, "\"actions\": [\n");
	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		json_named(b, action_info[a].name, action_info[a].sentence);
		if (action_info[a].parent != ACTION_NONE) {
			buf_puts(b, ", ");
			json_pair(b, "parent", action_info[action_info[a].parent].name);
		}
		buf_printf(b, ", \"leaf\": %s}%s\n", action_is_leaf(a) ? "true" : "false",
			   a + 1 < ACTION_COUNT ? "," : "");
	}
	buf_puts(b, "],\n\"action_sets\": [\n");
	for (size_t i = 0; i < n_action_groups; i++) {
		json_named(b, action_groups[i].name, action_groups[i].sentence);
		buf_puts(b, ", \"members\": [");
		for (const uint8_t *m = action_groups[i].members; *m; m++) {
			buf_puts(b, m == action_groups[i].members ? "" : ", ");
			buf_json_string(b, slice_str(action_info[*m].name));
		}
		buf_printf(b, "]}%s\n", i + 1 < n_action_groups ? "," : "");
	}
	buf_puts(b, "],\n");
}

static void
print_json(struct buf *b)
{
	buf_puts(b, "{\n");
	json_facts(b);
	json_actions(b);
	buf_puts(b, "\"masks\": [\n");
	for (int i = MASK_CLEAR + 1; i < MASK_COUNT; i++) {
		json_named(b, mask_info[i].name, mask_info[i].sentence);
		buf_puts(b, ", ");
		json_pair(b, "argument",
			  mask_info[i].arg == MASK_ARG_NONE    ? "none"
			  : mask_info[i].arg == MASK_ARG_TEXT  ? "text"
			  : mask_info[i].arg == MASK_ARG_COUNT ? "count"
							       : "width");
		buf_printf(b, ", \"strictness\": %d}%s\n", mask_info[i].rank,
			   i + 1 < MASK_COUNT ? "," : "");
	}
	buf_puts(b, "],\n\"detectors\": [\n");
	for (int i = 0; i < DETECTOR_COUNT; i++) {
		json_named(b, detector_info[i].name, detector_info[i].sentence);
		buf_printf(b, "}%s\n", i + 1 < DETECTOR_COUNT ? "," : "");
	}
	buf_puts(b, "],\n\"contexts\": [\n");
	for (int i = 0; i < N_CONTEXTS; i++) {
		json_named(b, context_info[i].name, context_info[i].sentence);
		buf_printf(b, "}%s\n", i + 1 < N_CONTEXTS ? "," : "");
	}
	buf_puts(b, "]\n}\n");
}

static void
print_text(struct buf *b)
{
	buf_puts(b, "Facts\n");
	for (int i = 0; i < FACT_COUNT; i++)
		buf_printf(b, "  %-20s %-10s %s\n", fact_info[i].name,
			   type_info[fact_info[i].type].name, fact_info[i].sentence);
	buf_puts(b, "\nActions (do X means every leaf below X)\n");
	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++) {
		int depth = 1;

		for (enum action p = action_info[a].parent; p != ACTION_NONE;
		     p = action_info[p].parent)
			depth++;
		buf_printf(b, "  %*s%-*s %s\n", 2 * (depth - 1), "", 28 - 2 * depth,
			   action_info[a].name, action_info[a].sentence);
	}
	for (size_t i = 0; i < n_action_groups; i++) {
		buf_printf(b, "  %-26s %s:", action_groups[i].name, action_groups[i].sentence);
		for (const uint8_t *m = action_groups[i].members; *m; m++)
			buf_printf(b, " %s", action_info[*m].name);
		buf_putc(b, '\n');
	}
	buf_puts(b, "\nMask functions, from the weakest to the strictest\n");
	for (int i = MASK_CLEAR + 1; i < MASK_COUNT; i++)
		buf_printf(b, "  %-20s %s\n", mask_info[i].name, mask_info[i].sentence);
	buf_puts(b, "\nDetectors, for `values like NAME` in a data class\n");
	for (int i = 0; i < DETECTOR_COUNT; i++)
		buf_printf(b, "  %-20s %s\n", detector_info[i].name, detector_info[i].sentence);
	buf_puts(b, "\nPlaces of a column, for sql.uses(DATA, place | place)\n");
	for (int i = 0; i < N_CONTEXTS; i++)
		buf_printf(b, "  %-20s %s\n", context_info[i].name, context_info[i].sentence);
}

int
cmd_facts(int argc, char **argv)
{
	struct buf out = {0};

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0))
		return cli_usage_error("facts", "no argument '%s'", argv[argc - 1]);
	if (argc == 2)
		print_json(&out);
	else
		print_text(&out);
	cli_print(&out);
	buf_fini(&out);
	return EXIT_OK;
}
