/* SPDX-License-Identifier: MIT
 *
 * weir diff: what a change of a policy changes, all of it, each with an input that shows it.
 */
#include "cli/cli.h"
#include "cli/policy.h"
#include "cli/witness_test.h"
#include "compiler/actions.h"
#include "compiler/policy_diff.h"
#include "compiler/rule_digest.h"
#include "gate/epoch.h"
#include "vm/disasm.h"

#include <ctype.h>
#include <stdio.h>

static const char help[] =
	"usage: weir diff OLD NEW [--json] [--waive FILE]\n\n"
	"Says what NEW decides otherwise than OLD: what is newly allowed, held or denied, held "
	"for\n"
	"other approvers, masked otherwise, dropped, limited, trusted, recorded, told or "
	"shadowed.\n"
	"OLD and NEW are policy text or images. Nothing is sampled: without differences, the two\n"
	"decide everything alike, and put the same of shadow rules on record. What the same "
	"rules\n"
	"cause is one difference, with one input that shows it, as a `test` that passes under one "
	"of\n"
	"the policies and fails under the other.\n\n"
	"  --json        one object: differences with ids, facts (as `weir eval` reads them) and "
	"tests\n"
	"  --waive FILE  accepted differences: an id a line, # begins a comment. An id stays the "
	"same\n"
	"                while the rules that cause the difference say the same\n\n"
	"Exit code: 0 no difference but waived ones, 1 there are some, 2 usage, or a policy that "
	"does\n"
	"not compile or is too entangled to compare.\n";

enum { OID_TEXT = 25 };

struct diff_args {
	const char *paths[DIFF_SIDES];
	const char *waive;
	bool json;
};

struct report {
	const struct diff_args *args;
	struct cli_policy *policies;
	struct policy_diff *diff;
	struct slice waived; /* the file */
	struct buf out;
	size_t n, n_waived;
};

static int
parse_args(int argc, char **argv, struct diff_args *a)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			a->json = true;
		else if (strcmp(argv[i], "--waive") == 0 && i + 1 < argc)
			a->waive = argv[++i];
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_option_error("diff", argv[i], "--waive");
		else if (n == DIFF_SIDES)
			return cli_usage_error("diff", "two policies are compared, not more");
		else
			a->paths[n++] = argv[i];
	}
	return n == DIFF_SIDES ? EXIT_OK : cli_usage_error("diff", "which two policies?");
}

/* ---- Waivers: the first word of each line ---- */

static bool
next_waiver(struct slice *rest, struct slice *word)
{
	while (rest->n) {
		const uint8_t *end = memchr(rest->p, '\n', rest->n);
		struct slice line = slice_of(rest->p, end ? (size_t) (end - rest->p) : rest->n);
		size_t n = 0;

		rest->p += line.n + (end != NULL);
		rest->n -= line.n + (end != NULL);
		while (line.n && memchr(" \t", line.p[0], 2)) {
			line.p++;
			line.n--;
		}
		while (n < line.n && !memchr(" \t\r#", line.p[n], 4))
			n++;
		*word = slice_of(line.p, n);
		if (n)
			return true;
	}
	return false;
}

static bool
is_id(struct slice s)
{
	bool good = s.n == DIFF_ID;

	for (size_t i = 0; i < s.n && good; i++)
		good = isxdigit(s.p[i]);
	return good;
}

/* What is no id is not quoted: the file may be another one, and a secret. */
static int
read_waivers(struct report *r)
{
	struct slice rest, word;

	if (!cli_read_file("diff", r->args->waive, &r->policies[0].arena, &r->waived))
		return EXIT_USAGE;
	rest = r->waived;
	while (next_waiver(&rest, &word))
		if (!is_id(word))
			return cli_usage_error("diff", "'%s' is no list of waived differences: its "
					       "lines begin with their ids, which are %d hexadecimal "
					       "digits", r->args->waive, DIFF_ID);
	return EXIT_OK;
}

static bool
is_waived(const struct report *r, const struct difference *x)
{
	struct slice rest = r->waived, word;

	while (next_waiver(&rest, &word))
		if (slice_is(word, x->id))
			return true;
	return false;
}

static void
warn_stale(const struct report *r)
{
	struct slice rest = r->waived, word;

	while (next_waiver(&rest, &word)) {
		bool found = false;

		for (const struct difference *x = r->diff->first; x; x = x->next)
			found |= slice_is(word, x->id);
		if (!found)
			fprintf(stderr, "weir diff: '%.*s' is waived and does not occur any more\n",
				SLICE_ARG(word));
	}
}

/* ---- What was and what is ---- */

static bool
is_data(enum difference_kind kind)
{
	return kind >= DIFF_UNMASKED && kind <= DIFF_DROPPED;
}

static void
decide(const struct report *r, const struct difference *x, int side, struct decision *d)
{
	struct facts f;

	witness_facts(r->diff->space, &x->witness, (size_t) side, &f);
	vm_decide(r->policies[side].image, x->entry, &f, d);
}

static void
put_rule(struct buf *out, const struct image *img, int rule)
{
	buf_printf(out, "%.*s (", SLICE_ARG(img->rules[rule].name));
	cli_rule_place(out, img, (size_t) rule);
	buf_putc(out, ')');
}

static void
put_verdict(const struct report *r, const struct difference *x, int side, struct buf *out)
{
	const struct image *img = r->policies[side].image;
	const char *sep = " by ";
	struct decision d;

	decide(r, x, side, &d);
	buf_puts(out, vm_rule_info[d.verdict].name);
	if (d.by_default)
		buf_puts(out, " by default");
	for (int i = decision_next_deciding(img, &d, -1); i >= 0;
	     i = decision_next_deciding(img, &d, i)) {
		buf_puts(out, sep);
		put_rule(out, img, i);
		if (x->kind == DIFF_APPROVAL) {
			buf_puts(out, ": ");
			rule_hold_text(out, img, &img->rules[i].hold);
		}
		sep = ", ";
	}
}

static void
put_limit(const struct report *r, const struct difference *x, int side, struct buf *out)
{
	if (x->rule[side] < 0) {
		buf_puts(out, "no limit");
		return;
	}
	buf_printf(out, "%s %llu%s per %s by ", limit_unit_info[x->unit].name,
		   (unsigned long long) x->amount[side], x->unit == LIMIT_TIME ? " ms" : "",
		   limit_per_info[x->per].name);
	put_rule(out, r->policies[side].image, x->rule[side]);
	if (x->kind == DIFF_SHARED) {
		buf_puts(out, ", for ");
		actions_put(out, &x->counted[side]);
		buf_puts(out, " together");
	}
}

static void
put_told(const struct report *r, const struct difference *x, int side, struct buf *out)
{
	const struct image *img = r->policies[side].image;

	if (x->kind == DIFF_TRUST && x->trusted[side] >= 0) {
		buf_puts(out, "harmless while it is sha256:");
		hex_put(out, slice_of(img->trusted[x->trusted[side]].digest, SHA256_LEN));
	} else if (x->kind == DIFF_TRUST) {
		buf_puts(out, "as any function that nobody vouches for");
	} else if (x->rule[side] < 0) {
		buf_printf(out, "%s%.*s", x->kind == DIFF_RECORD ? "without " : "not told to ",
			   SLICE_ARG(x->subject));
	} else {
		buf_printf(out, "%s %.*s by ", x->kind == DIFF_RECORD ? "with" : "told to",
			   SLICE_ARG(x->subject));
		put_rule(out, img, x->rule[side]);
	}
}

/* What a shadow rule would do. */
static void
put_would(const struct report *r, const struct difference *x, int side, struct buf *out)
{
	const struct image *img = r->policies[side].image;
	int at = x->rule[side];
	const struct image_rule *rule = at < 0 ? NULL : &img->rules[at];

	if (!rule) {
		at = image_rule_find(img, x->subject);
		if (at >= 0 && !img->rules[at].shadow) {
			buf_puts(out, "in force: ");
			buf_printf(out, "%s by ", vm_rule_info[img->rules[at].kind].name);
			put_rule(out, img, at);
		} else {
			buf_puts(out, "nothing of it on record");
		}
		return;
	}
	buf_printf(out, "would %s", rule->kind == VM_NOTIFY ? "tell" : vm_rule_info[rule->kind].name);
	for (size_t i = 0; i < rule->mask.n_data; i++)
		buf_printf(out, "%s%.*s", i ? ", " : rule->kind == VM_DROP ? " rows of " : " ",
			   SLICE_ARG(img->data[rule->mask.data[i]].name));
	if (rule->kind == VM_HOLD) {
		buf_puts(out, " for ");
		rule_hold_text(out, img, &rule->hold);
	} else if (rule->kind == VM_MASK) {
		buf_puts(out, " with ");
		rule_mask_text(out, &rule->mask);
	}
	for (size_t i = 0; i < rule->limit.n_amounts; i++)
		buf_printf(out, "%s%s %llu%s", i ? ", " : " to ",
			   limit_unit_info[rule->limit.amounts[i].unit].name,
			   (unsigned long long) rule->limit.amounts[i].n,
			   rule->limit.amounts[i].unit == LIMIT_TIME ? " ms" : "");
	for (int i = 0; i < RECORDED_COUNT; i++)
		if (rule->recorded >> i & 1)
			buf_printf(out, " %s", recorded_info[i].name);
	if (rule->channel.n)
		buf_printf(out, rule->kind == VM_NOTIFY ? " %.*s" : ", and tell %.*s",
			   SLICE_ARG(rule->channel));
	buf_puts(out, ", by ");
	put_rule(out, img, at);
}

static void
put_side(const struct report *r, const struct difference *x, int side, struct buf *out)
{
	const struct image *img = r->policies[side].image;

	if (x->kind == DIFF_LIMIT || x->kind == DIFF_SHARED) {
		put_limit(r, x, side, out);
	} else if (x->kind >= DIFF_SHADOWED) {
		put_would(r, x, side, out);
	} else if (x->kind >= DIFF_TRUST) {
		put_told(r, x, side, out);
	} else if (!is_data(x->kind)) {
		put_verdict(r, x, side, out);
	} else if (x->kind == DIFF_MODES) {
		buf_puts(out, "masked");
		vm_put_modes(out, &x->modes[side]);
	} else if (x->rule[side] < 0) {
		buf_puts(out, "shown as it is");
	} else {
		const struct image_rule *rule = &img->rules[x->rule[side]];

		if (rule->kind == VM_MASK)
			rule_mask_text(out, &rule->mask);
		else if (x->place.base.n && x->place.view)
			buf_puts(out, "refused for rows that are dropped");
		else
			buf_puts(out, "dropped");
		buf_puts(out, " by ");
		put_rule(out, img, x->rule[side]);
	}
}

static void
put_place(struct buf *out, const struct difference *x)
{
	if (x->detector >= 0)
		buf_printf(out, "values like %s", detector_info[x->detector].name);
	else
		buf_printf(out, "%.*s.%.*s.%.*s", SLICE_ARG(x->place.schema),
			   SLICE_ARG(x->place.table), SLICE_ARG(x->place.column));
}

/* ---- The test ---- */

static void
name_test(const struct difference *x, struct buf *out)
{
	const struct value *v = x->witness.facts.v;
	bool connects = x->entry == ENTRY_CONNECT;

	buf_printf(out, "diff %s: %s, ", x->id, difference_names[x->kind]);
	if (is_data(x->kind))
		put_place(out, x);
	else if (x->kind == DIFF_TRUST)
		buf_put_slice(out, x->subject);
	else if (x->kind >= DIFF_SHADOWED)
		buf_printf(out, "%.*s, %s", SLICE_ARG(x->subject),
			   action_info[connects ? ACTION_CONNECT : v[FACT_ACTION].i].name);
	else
		buf_puts(out, action_info[connects ? ACTION_CONNECT : v[FACT_ACTION].i].name);
	if (!is_data(x->kind) && x->kind != DIFF_TRUST && !connects && v[FACT_TABLE].known)
		buf_printf(out, " on %.*s", SLICE_ARG(v[FACT_TABLE].s));
}

/* New behaviour passes under the new policy. Only that there is no limit, record, notice or trust
 * any more is shown by that which has it. */
static int
side_of_test(const struct difference *x)
{
	switch (x->kind) {
	case DIFF_UNSHADOWED:
		return 0;
	case DIFF_LIMIT:
	case DIFF_RECORD:
	case DIFF_NOTICE:
		return x->rule[1] >= 0;
	case DIFF_TRUST:
		return x->trusted[1] >= 0;
	default:
		return 1;
	}
}

/* Of values: a column of text that there is and no data class names, of a table that will do. */
static void
choose_column(const struct report *r, const struct difference *x, struct witness_test *t)
{
	const struct space *s = r->diff->space;

	for (size_t i = 0; i < t->passes->n_relations && t->passes_catalog; i++) {
		const struct image_relation *rel = &t->passes->relations[i];
		const struct catalog_relation *c;

		if ((s->fact_var[FACT_SCHEMA] || s->fact_var[FACT_TABLE]) &&
		    !slice_eq(rel->schema, x->place.schema))
			continue;
		if (s->fact_var[FACT_TABLE] && !slice_eq(rel->name, x->place.table))
			continue;
		c = catalog_resolve(t->passes_catalog->catalog, NULL, rel->schema, rel->name);
		for (uint32_t k = 0; c && k < c->n_columns; k++)
			if (c->columns[k].base_type == OID_TEXT &&
			    columns_find(&s->columns, rel->schema, rel->name,
					 c->columns[k].name) < 0) {
				t->schema = rel->schema;
				t->table = rel->name;
				t->column = c->columns[k].name;
				return;
			}
	}
}

static void
start_test(const struct report *r, const struct difference *x, int side, struct witness_test *t)
{
	*t = (struct witness_test){.passes = r->policies[side].image,
				   .fails = r->policies[1 - side].image,
				   .passes_catalog = r->policies[side].catalog,
				   .fails_catalog = r->policies[1 - side].catalog,
				   .space = r->diff->space,
				   .witness = &x->witness,
				   .verdict = x->verdict[side],
				   .detector = x->detector,
				   .view = x->place.base.n > 0,
				   .schema = x->place.schema,
				   .table = x->place.table,
				   .column = x->place.column};
}

static bool
end_test(const struct difference *x, struct witness_test *t, struct buf *out)
{
	struct buf name = {0};
	bool good;

	name_test(x, &name);
	buf_putc(&name, 0);
	t->name = (const char *) name.p;
	good = !name.failed && witness_test(out, t);
	buf_fini(&name);
	return good;
}

/* What a mask opens runs under the policy that opens it. */
static bool
put_opened(const struct report *r, const struct difference *x, struct buf *out)
{
	static const char *const lookups[] = {"select 1 from $T where $C = '1'",
					      "select $C from $T where $C = '1'",
					      "delete from $T where $C = '1'", NULL};
	static const char *const derived[] = {"select upper($C) from $T", "select $C || '' from $T",
					      "select $C::text from $T", "select $C from $T", NULL};
	char sum[sizeof("select sum($C) from $T having count($C) >= ") + 10];
	const char *const sums[] = {sum, "select $C from $T", NULL};
	const struct mask_modes *m = x->modes;
	bool good = false;

	for (int side = 0; side < DIFF_SIDES && !good; side++) {
		const struct mask_modes *o = &m[1 - side];
		struct witness_test t;

		start_test(r, x, side, &t);
		(void) snprintf(sum, sizeof(sum), "select sum($C) from $T having count($C) >= %u",
				m[side].over);
		t.statements = lookups;
		good = m[side].lookup && !o->lookup && end_test(x, &t, out);
		t.statements = derived;
		good = good || (m[side].derived && !o->derived && end_test(x, &t, out));
		t.statements = sums;
		good = good || (m[side].over && (!o->over || m[side].over < o->over) &&
				end_test(x, &t, out));
	}
	return good;
}

/* That a shadow rule would make a difference. */
static bool
put_shadowed(const struct report *r, const struct difference *x, int side, struct buf *out)
{
	static const char *const uses[] = {"select $C from $T", "select 1 from $T where $C = '1'",
					   "update $T set $C = '1' where $C = '1'",
					   "delete from $T where $C = '1'", NULL};
	struct witness_test t;

	start_test(r, x, side, &t);
	t.shows = SHOWS_OBLIGATION;
	t.connects = x->entry == ENTRY_CONNECT;
	t.expect = "shadow";
	t.by = x->subject;
	if (x->place.column.n)
		t.statements = uses;
	return end_test(x, &t, out);
}

/* Under the old policy the row is shown, where it cannot be said what the new one does. */
static bool
put_dropped(const struct report *r, const struct difference *x, struct buf *out)
{
	struct witness_test t;

	start_test(r, x, 1, &t);
	t.shows = SHOWS_ROW;
	t.by = t.passes->rules[x->rule[1]].name;
	if (end_test(x, &t, out))
		return true;
	start_test(r, x, 0, &t);
	t.shows = SHOWS_ROW;
	return end_test(x, &t, out);
}

static bool
put_test(const struct report *r, const struct difference *x, struct buf *out)
{
	int side = side_of_test(x);
	const struct image *passes = r->policies[side].image;
	struct witness_test t;

	if (x->kind == DIFF_MODES)
		return put_opened(r, x, out);
	if (x->kind == DIFF_DROPPED && x->rule[1] >= 0)
		return put_dropped(r, x, out);
	if (x->kind == DIFF_SHADOWED || x->kind == DIFF_UNSHADOWED)
		return put_shadowed(r, x, side, out);
	if (x->kind == DIFF_APPROVAL || x->kind == DIFF_SHARED || x->kind == DIFF_SHADOW ||
	    (x->kind == DIFF_LIMIT && x->amount[0] && x->amount[1]))
		return false;
	start_test(r, x, side, &t);
	t.connects = x->entry == ENTRY_CONNECT;
	if (x->kind == DIFF_LIMIT || x->kind == DIFF_RECORD || x->kind == DIFF_NOTICE) {
		t.shows = SHOWS_OBLIGATION;
		t.expect = x->kind == DIFF_LIMIT    ? "limited"
			   : x->kind == DIFF_RECORD ? "recorded"
						    : "notified";
		t.by = passes->rules[x->rule[side]].name;
	}
	if (x->kind == DIFF_TRUST)
		t.calls = x->subject;
	if (is_data(x->kind)) {
		t.shows = x->kind >= DIFF_SHOWN ? SHOWS_ROW : SHOWS_CELL;
		if (x->mask[side] >= 0)
			t.mask = &passes->rules[x->mask[side]].mask;
		if (x->detector >= 0)
			choose_column(r, x, &t);
	}
	return end_test(x, &t, out);
}

/* ---- Both forms ---- */

static void
put_text(struct report *r, const struct difference *x)
{
	struct buf *out = &r->out, test = {0};

	buf_printf(out, "%s%s  %s\n", difference_names[x->kind],
		   x->entry == ENTRY_CONNECT ? " to connect" : "", x->id);
	if (is_data(x->kind)) {
		buf_puts(out, x->detector >= 0 ? "  what    " : "  column  ");
		put_place(out, x);
		if (x->place.base.n)
			buf_printf(out, ", as a %s %.*s",
				   x->place.view ? "view that passes on" : "table that shares rows with",
				   SLICE_ARG(x->place.base));
		buf_putc(out, '\n');
	} else if (x->kind == DIFF_TRUST) {
		buf_printf(out, "  what    function %.*s\n", SLICE_ARG(x->subject));
	} else if (x->entry == ENTRY_COMMAND) {
		buf_puts(out, "  what    ");
		actions_put(out, &x->actions);
		buf_putc(out, '\n');
	}
	buf_puts(out, "  was     ");
	put_side(r, x, 0, out);
	buf_puts(out, "\n  now     ");
	put_side(r, x, 1, out);
	if (put_test(r, x, &test)) {
		buf_putc(out, '\n');
		buf_put_slice(out, buf_slice(&test));
	} else if (x->kind == DIFF_TRUST) {
		buf_putc(out, '\n');
	} else {
		buf_puts(out, "\n  where   ");
		witness_text(out, r->diff->space, &x->witness);
		buf_puts(out, "\n");
	}
	buf_putc(out, '\n');
	buf_fini(&test);
}

static void
put_json(struct report *r, const struct difference *x, bool waived, const char *sep)
{
	struct buf *out = &r->out, text = {0};

	buf_printf(out,
		   "%s\n  {\"id\": \"%s\", \"kind\": \"%s\", \"entry\": \"%s\", \"waived\": %s",
		   sep, x->id, difference_names[x->kind], entry_info[x->entry].name,
		   waived ? "true" : "false");
	for (int side = 0; side < DIFF_SIDES; side++) {
		buf_reset(&text);
		put_side(r, x, side, &text);
		buf_printf(out, ", \"%s\": ", side ? "now" : "was");
		buf_json_string(out, buf_slice(&text));
	}
	if (is_data(x->kind)) {
		buf_reset(&text);
		put_place(&text, x);
		buf_puts(out, x->detector >= 0 ? ", \"values\": " : ", \"column\": ");
		buf_json_string(out, buf_slice(&text));
		if (x->place.base.n) {
			buf_puts(out, ", \"through_view_of\": ");
			buf_json_string(out, x->place.base);
		}
	} else if (x->kind == DIFF_TRUST) {
		buf_puts(out, ", \"function\": ");
		buf_json_string(out, x->subject);
	}
	if (x->kind >= DIFF_SHADOWED) {
		buf_puts(out, ", \"shadow\": ");
		buf_json_string(out, x->subject);
	}
	if (!is_data(x->kind) && x->kind != DIFF_TRUST && x->entry == ENTRY_COMMAND) {
		buf_reset(&text);
		actions_put(&text, &x->actions);
		buf_puts(out, ", \"actions\": ");
		buf_json_string(out, buf_slice(&text));
	}
	buf_puts(out, ", \"facts\": ");
	witness_json(out, r->diff->space, &x->witness, x->entry);
	buf_reset(&text);
	buf_puts(out, ", \"test\": ");
	if (put_test(r, x, &text))
		buf_json_string(out, buf_slice(&text));
	else
		buf_puts(out, "null");
	buf_putc(out, '}');
	buf_fini(&text);
}

static int
report(struct report *r)
{
	const char *sep = "";

	if (r->args->json)
		buf_puts(&r->out, "{\"differences\": [");
	for (const struct difference *x = r->diff->first; x; x = x->next) {
		bool waived = is_waived(r, x);

		r->n_waived += waived;
		r->n += !waived;
		if (r->args->json)
			put_json(r, x, waived, sep);
		else if (!waived)
			put_text(r, x);
		sep = ",";
	}
	if (r->args->json)
		buf_printf(&r->out, "],\n \"waived\": %zu, \"more\": %s}\n", r->n_waived,
			   r->diff->more ? "true" : "false");
	else if (!r->diff->n)
		buf_puts(&r->out, "the two policies decide everything alike\n");
	else
		buf_printf(&r->out, "%zu difference%s%s, %zu waived\n", r->n, r->n == 1 ? "" : "s",
			   r->diff->more ? " and more of the same kinds" : "", r->n_waived);
	cli_print(&r->out);
	warn_stale(r);
	return r->n || r->diff->more ? EXIT_NEGATIVE : EXIT_OK;
}

static int
compare(struct report *r)
{
	const struct catalog *catalogs[DIFF_SIDES] = {0};
	const struct image *images[DIFF_SIDES];
	const char *why;
	int code;

	if (r->args->waive && read_waivers(r) != EXIT_OK)
		return EXIT_USAGE;
	for (int side = 0; side < DIFF_SIDES; side++) {
		images[side] = r->policies[side].image;
		if (r->policies[side].catalog)
			catalogs[side] = r->policies[side].catalog->catalog;
	}
	r->diff = policy_diff(&r->policies[0].arena, images, catalogs, &why);
	if (!r->diff) {
		fprintf(stderr, "weir diff: too entangled to compare: %s\n", why);
		return EXIT_USAGE;
	}
	code = report(r);
	buf_fini(&r->out);
	return code;
}

int
cmd_diff(int argc, char **argv)
{
	struct cli_policy policies[DIFF_SIDES];
	struct diff_args a = {0};
	struct report r = {.args = &a, .policies = policies};
	int code, opened = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code != EXIT_OK)
		return code;
	while (opened < DIFF_SIDES && code == EXIT_OK) {
		code = cli_policy_open(&policies[opened], "diff", a.paths[opened]);
		opened++;
	}
	/* 1 would say that they differ. */
	code = code == EXIT_OK ? compare(&r) : EXIT_USAGE;
	while (opened > 0)
		cli_policy_close(&policies[--opened]);
	return code;
}
