/* SPDX-License-Identifier: MIT
 *
 * weir eval: facts in, decisions out, one JSON object a line each way. A fact that is absent is
 * unknown, which never helps to be allowed. What is wrong with a line is an object of its own, and
 * the lines after it are still answered.
 */
#include "cli/cli.h"
#include "cli/facts_json.h"
#include "cli/policy.h"
#include "vm/watch.h"

#include <stdio.h>

static const char help[] =
	"usage: weir eval POLICY --facts FILE\n\n"
	"Decides by facts alone. POLICY is an image or policy text; FILE has one JSON object a line\n"
	"(- is standard input) with facts by the names that `weir facts --json` lists. A fact that\n"
	"is absent is unknown.\n\n"
	"  {\"user.name\": \"ana\", \"user.groups\": [\"dba-oncall\"], \"target.name\": \"orders\",\n"
	"   \"target.protocol\": \"postgres\", \"action\": \"sql.drop\", \"table\": \"public.people\"}\n\n"
	"Besides facts a line may have\n"
	"  \"entry\"   connect, command (if absent), result (the masks in force), row, watch ...\n"
	"  \"uses\"    [{\"schema\", \"table\", \"column\", \"contexts\": [...]}, ...]; absent: unknown\n"
	"  \"row\"     {\"COLUMN\": VALUE, ...}; a column that is absent or null is unknown\n"
	"  \"effects\" a list of objects whose facts are added to the line's; the verdicts are joined\n"
	"Time of day is \"HH:MM\" or \"HH:MM:SS\".\n\n"
	"Each line is answered by one object: verdict, by_default, every deciding rule with its place,\n"
	"all that matched, obligations, notify, shadow (what shadow rules would have done, each by\n"
	"itself); or error and line. Exit code: 0 all lines were decided, 1 some\n"
	"line or the policy is bad, 2 usage.\n";

static void
put_rules(struct buf *out, const struct image *img, const struct decision *d, bool deciding)
{
	const char *sep = "";
	int r = -1;

	buf_putc(out, '[');
	while ((r = deciding ? decision_next_deciding(img, d, r) : decision_next(d, r)) >= 0) {
		const struct image_rule *rule = &img->rules[r];

		buf_printf(out, "%s{\"rule\": ", sep);
		buf_json_string(out, rule->name);
		buf_printf(out, ", \"kind\": \"%s\"", vm_rule_info[rule->kind].name);
		if (rule->sentence.n) {
			buf_puts(out, ", \"sentence\": ");
			buf_json_string(out, rule->sentence);
		}
		buf_puts(out, ", \"file\": ");
		buf_json_string(out, img->files[rule->span.file].name);
		buf_printf(out, ", \"line\": %u, \"column\": %u}", rule->span.line,
			   rule->span.column);
		sep = ", ";
	}
	buf_putc(out, ']');
}

static void
put_hold(struct buf *out, const struct image *img, const struct image_rule *rule)
{
	const struct image_hold *h = &rule->hold;

	buf_puts(out, "{\"hold\": ");
	buf_json_string(out, rule->name);
	buf_puts(out, ", \"needs\": [");
	for (size_t i = 0; i < h->n_needs; i++) {
		buf_printf(out, "%s{\"n\": %u, \"group\": ", i ? ", " : "", h->needs[i].n);
		buf_json_string(out, img->groups[h->needs[i].group].idp);
		buf_putc(out, '}');
	}
	buf_printf(out, "], \"not_self\": %s, \"once\": %s, \"reason\": %s, \"ticket\": %s, "
			"\"within_s\": %u, \"expires_s\": %u}",
		   h->not_self ? "true" : "false", h->once ? "true" : "false",
		   h->reason ? "true" : "false", h->ticket ? "true" : "false", h->within_s,
		   h->expires_s);
}

static void
put_mask(struct buf *out, const struct image *img, const struct image_rule *rule)
{
	const struct image_mask *m = &rule->mask;

	buf_puts(out, "{\"mask\": ");
	buf_json_string(out, rule->name);
	buf_puts(out, ", \"data\": [");
	for (size_t i = 0; i < m->n_data; i++) {
		buf_puts(out, i ? ", " : "");
		buf_json_string(out, img->data[m->data[i]].name);
	}
	buf_printf(out, "], \"with\": \"%s\"", mask_info[m->kernel].name);
	if (mask_has_number(mask_info[m->kernel].arg))
		buf_printf(out, ", \"count\": %u", m->count);
	if (mask_info[m->kernel].arg == MASK_ARG_TEXT) {
		buf_puts(out, ", \"text\": ");
		buf_json_string(out, m->text);
	}
	if (m->modes.lookup)
		buf_puts(out, ", \"lookup\": true");
	if (m->modes.derived)
		buf_puts(out, ", \"derived\": true");
	if (m->modes.over)
		buf_printf(out, ", \"aggregates_over\": %u", m->modes.over);
	buf_putc(out, '}');
}

static void
put_drop(struct buf *out, const struct image *img, const struct image_rule *rule)
{
	buf_puts(out, "{\"drop\": ");
	buf_json_string(out, rule->name);
	buf_puts(out, ", \"data\": [");
	for (size_t i = 0; i < rule->mask.n_data; i++) {
		buf_puts(out, i ? ", " : "");
		buf_json_string(out, img->data[rule->mask.data[i]].name);
	}
	buf_puts(out, "]}");
}

static void
put_limit(struct buf *out, const struct image_rule *rule)
{
	buf_puts(out, "{\"limit\": ");
	buf_json_string(out, rule->name);
	buf_puts(out, ", \"amounts\": [");
	for (size_t i = 0; i < rule->limit.n_amounts; i++) {
		const struct image_amount *a = &rule->limit.amounts[i];

		buf_printf(out, "%s{\"%s\": %llu, \"per\": \"%s\"}", i ? ", " : "",
			   a->unit == LIMIT_TIME ? "time_ms" : limit_unit_info[a->unit].name,
			   (unsigned long long) a->n, limit_per_info[a->per].name);
	}
	buf_puts(out, "]}");
}

static void
put_recorded(struct buf *out, const struct image_rule *rule)
{
	const char *sep = "";

	buf_puts(out, "{\"record\": ");
	buf_json_string(out, rule->name);
	buf_puts(out, ", \"with\": [");
	for (int i = 0; i < RECORDED_COUNT; i++) {
		if (!(rule->recorded >> i & 1))
			continue;
		buf_printf(out, "%s\"%s\"", sep, recorded_info[i].name);
		sep = ", ";
	}
	buf_puts(out, "]}");
}

/* A hold obliges only when it decides; masks, limits and records whenever they match. Notices are
 * told by themselves, and shadow rules oblige nobody. */
static void
put_obligations(struct buf *out, const struct image *img, const struct decision *d)
{
	const char *sep = "";

	buf_puts(out, ", \"obligations\": [");
	for (int r = decision_next(d, -1); r >= 0; r = decision_next(d, r)) {
		const struct image_rule *rule = &img->rules[r];

		if (rule->shadow || rule->kind == VM_NOTIFY ||
		    (rule->kind <= VM_DENY &&
		     !(rule->kind == VM_HOLD && d->verdict == VERDICT_HOLD)))
			continue;
		buf_puts(out, sep);
		if (rule->kind == VM_MASK)
			put_mask(out, img, rule);
		else if (rule->kind == VM_DROP)
			put_drop(out, img, rule);
		else if (rule->kind == VM_LIMIT)
			put_limit(out, rule);
		else if (rule->kind == VM_RECORD)
			put_recorded(out, rule);
		else
			put_hold(out, img, rule);
		sep = ", ";
	}
	buf_putc(out, ']');
}

static void
put_shadow(struct buf *out, const struct image *img, const struct watch *w, enum verdict verdict)
{
	const char *sep = "";

	buf_puts(out, ", \"shadow\": [");
	for (int r = decision_next(&w->seen, -1); r >= 0; r = decision_next(&w->seen, r)) {
		int outcome = watch_outcome(img, w, r, verdict, false);

		if (outcome == WATCH_NOTHING)
			continue;
		buf_printf(out, "%s{\"rule\": ", sep);
		buf_json_string(out, img->rules[r].name);
		buf_printf(out, ", \"would\": \"%s\"}", vm_rule_info[outcome].name);
		sep = ", ";
	}
	buf_putc(out, ']');
}

/* Of a session that is opened at once nobody is told. */
static void
put_notices(struct buf *out, const struct image *img, enum vm_entry e, const struct decision *d,
	    const struct watch *w)
{
	const char *sep = "";

	buf_puts(out, ", \"notify\": [");
	for (size_t r = 0; r < img->n_rules; r++) {
		const struct image_rule *rule = &img->rules[r];
		const struct decision *in = rule->kind == VM_NOTIFY ? &w->seen : d;

		if (!rule->channel.n || rule->shadow || !decision_has(in, r) ||
		    (rule->kind != VM_NOTIFY && (int) rule->kind != (int) d->verdict) ||
		    (rule->kind == VM_ALLOW && e == ENTRY_CONNECT))
			continue;
		buf_printf(out, "%s{\"rule\": ", sep);
		buf_json_string(out, rule->name);
		buf_puts(out, ", \"channel\": ");
		buf_json_string(out, rule->channel);
		buf_putc(out, '}');
		sep = ", ";
	}
	buf_putc(out, ']');
}

static void
put_decision(struct buf *out, const struct image *img, enum vm_entry e, const struct decision *d,
	     const struct watch *w)
{
	buf_printf(out, "{\"entry\": \"%s\"", entry_info[e].name);
	if (e == ENTRY_CONNECT || e == ENTRY_COMMAND) {
		buf_printf(out, ", \"verdict\": \"%s\", \"by_default\": %s, \"deciding\": ",
			   vm_rule_info[d->verdict].name, d->by_default ? "true" : "false");
		put_rules(out, img, d, true);
	}
	buf_puts(out, ", \"matched\": ");
	put_rules(out, img, d, false);
	put_obligations(out, img, d);
	if (e == ENTRY_CONNECT || e == ENTRY_COMMAND) {
		put_notices(out, img, e, d, w);
		put_shadow(out, img, w, d->verdict);
	}
	buf_printf(out, ", \"ops\": %u}\n", d->ops);
}

/* One effect, or a session, with what is only watched of it. */
static void
decide_one(const struct image *img, enum vm_entry e, const struct facts *f, struct decision *d,
	   struct watch *w)
{
	vm_decide(img, e, f, d);
	if (e == ENTRY_CONNECT || e == ENTRY_COMMAND)
		watch_effect(img, e == ENTRY_CONNECT ? ENTRY_WATCH_CONNECT : ENTRY_WATCH, f, d, w);
}

static void
watch_uses(const struct image *img, const struct facts *f, struct watch *w)
{
	const struct value *table = &f->v[FACT_TABLE];
	const uint8_t *dot = table->known ? memchr(table->s.p, '.', table->s.n) : NULL;
	struct decision masks;

	vm_decide(img, ENTRY_RESULT, f, &masks);
	for (size_t i = 0; i < f->n_uses; i++) {
		watch_use(img, &masks, &f->uses[i], w);
		watch_table(img, f->uses[i].schema, f->uses[i].table, w);
	}
	if (dot)
		watch_table(img, slice_of(table->s.p, (size_t) (dot - table->s.p)),
			    slice_of(dot + 1, (size_t) (table->s.p + table->s.n - dot) - 1), w);
}

static bool
answer(const struct image *img, struct slice text, size_t number, struct arena *arena,
       struct buf *out)
{
	struct decision joined, one;
	struct facts_line l;
	bool good = facts_line_read(&l, img, arena, text);
	struct watch w;

	watch_init(&w);
	if (!good) {
		buf_printf(out, "{\"line\": %zu, \"error\": ", number);
		buf_json_string(out, slice_str(l.error));
		buf_puts(out, "}\n");
	} else if (!l.joined) {
		decide_one(img, l.entry, &l.base, &one, &w);
		watch_uses(img, &l.base, &w);
		put_decision(out, img, l.entry, &one, &w);
	} else {
		vm_join_init(&joined);
		for (size_t i = 0; i < l.n; i++) {
			decide_one(img, l.entry, &l.effects[i], &one, &w);
			vm_join(&joined, &one);
		}
		watch_uses(img, &l.base, &w);
		put_decision(out, img, l.entry, &joined, &w);
	}
	facts_line_close(&l);
	return good;
}

static int
answer_all(const struct image *img, struct slice text)
{
	struct slice line;
	struct arena arena;
	struct buf out = {0};
	size_t number = 0;
	bool good = true;

	arena_init(&arena, 0);
	while (facts_line_next(&text, &line)) {
		number++;
		if (facts_line_is_blank(line))
			continue;
		good &= answer(img, line, number, &arena, &out);
		cli_print(&out);
		buf_reset(&out);
		arena_reset(&arena);
	}
	buf_fini(&out);
	arena_fini(&arena);
	return good ? EXIT_OK : EXIT_NEGATIVE;
}

int
cmd_eval(int argc, char **argv)
{
	const char *policy = NULL, *facts = NULL;
	struct cli_policy p;
	struct slice text;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--facts") == 0 && i + 1 < argc)
			facts = argv[++i];
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_option_error("eval", argv[i], "--facts");
		else if (policy)
			return cli_usage_error("eval", "one policy at a time");
		else
			policy = argv[i];
	}
	if (!policy || !facts)
		return cli_usage_error("eval", "a policy and --facts FILE are asked for");
	code = cli_policy_open(&p, "eval", policy);
	if (code == EXIT_OK) {
		if (cli_read_file("eval", facts, &p.arena, &text))
			code = answer_all(p.image, text);
		else
			code = EXIT_USAGE;
	}
	cli_policy_close(&p);
	return code;
}
