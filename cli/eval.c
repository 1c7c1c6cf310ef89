/* SPDX-License-Identifier: MIT
 *
 * weir eval: facts in, decisions out, one JSON object a line each way. A fact that is absent is
 * unknown, which never helps to be allowed. What is wrong with a line is an object of its own, and
 * the lines after it are still answered.
 */
#include "cli/cli.h"
#include "cli/policy.h"
#include "vm/match.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

static const char help[] =
	"usage: weir eval POLICY --facts FILE\n\n"
	"Decides by facts alone. POLICY is an image or policy text; FILE has one JSON object a line\n"
	"(- is standard input) with facts by the names that `weir facts --json` lists. A fact that\n"
	"is absent is unknown.\n\n"
	"  {\"user.name\": \"ana\", \"user.groups\": [\"dba-oncall\"], \"target.name\": \"orders\",\n"
	"   \"target.protocol\": \"postgres\", \"action\": \"sql.drop\", \"table\": \"public.people\"}\n\n"
	"Besides facts a line may have\n"
	"  \"entry\"   connect, command (if absent), result (the masks in force) or row\n"
	"  \"uses\"    [{\"schema\", \"table\", \"column\", \"contexts\": [...]}, ...]; absent: unknown\n"
	"  \"row\"     {\"COLUMN\": VALUE, ...}; a column that is absent or null is unknown\n"
	"  \"effects\" a list of objects whose facts are added to the line's; the verdicts are joined\n"
	"Time of day is \"HH:MM\" or \"HH:MM:SS\".\n\n"
	"Each line is answered by one object: verdict, by_default, every deciding rule with its place,\n"
	"all that matched, obligations; or error and line. Exit code: 0 all lines were decided, 1 some\n"
	"line or the policy is bad, 2 usage.\n";

enum { MAX_LINE = 1 << 20 };

struct line {
	struct arena *arena;
	char error[200];
};

static bool
bad(struct line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool
bad(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->error, sizeof(l->error), fmt, ap);
	va_end(ap);
	return false;
}

static struct slice
json_slice(const json_t *v)
{
	return slice_of(json_string_value(v), json_string_length(v));
}

/* "HH:MM" or "HH:MM:SS" */
static bool
read_time(struct line *l, const char *name, const json_t *v, int64_t *out)
{
	const char *t = json_string_value(v);
	size_t n = t ? strlen(t) : 0;
	int part[3] = {0};

	if ((n == 5 || n == 8) && json_string_length(v) == n) {
		bool good = true;

		for (size_t i = 0; i < n; i++) {
			if (i % 3 == 2)
				good &= t[i] == ':';
			else if (t[i] < '0' || t[i] > '9')
				good = false;
			else
				part[i / 3] = part[i / 3] * 10 + (t[i] - '0');
		}
		if (good && part[0] < 24 && part[1] < 60 && part[2] < 60) {
			*out = part[0] * 3600 + part[1] * 60 + part[2];
			return true;
		}
	}
	return bad(l, "'%s' is a time of day such as \"09:30\"", name);
}

static bool
read_set(struct line *l, const char *name, const json_t *v, struct facts *f, enum fact id)
{
	size_t n = json_array_size(v);
	struct slice *set = ARENA_ARRAY(l->arena, struct slice, n);

	if (!json_is_array(v))
		return bad(l, "'%s' is a list of strings", name);
	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_array_get(v, i);

		if (!json_is_string(s))
			return bad(l, "'%s' is a list of strings", name);
		set[i] = json_slice(s);
	}
	facts_set(f, id, set, n);
	return true;
}

static bool
read_address(struct line *l, const char *name, const json_t *v, struct facts *f, enum fact id)
{
	uint8_t addr[16], prefix;

	if (!json_is_string(v) || !match_network_parse(json_slice(v), addr, &prefix) ||
	    prefix != 128)
		return bad(l, "'%s' is an IP address", name);
	facts_address(f, id, addr);
	return true;
}

static bool
read_word(struct line *l, const char *name, const json_t *v, struct facts *f, enum fact id)
{
	bool is_action = fact_info[id].type == TYPE_ACTION;
	struct slice s = json_is_string(v) ? json_slice(v) : (struct slice){0};
	int value = is_action ? action_find(s) : enum_find(fact_info[id].type, s);

	if (!json_is_string(v) || value < 0)
		return bad(l, "'%s' has no such value; `weir facts --json` lists them", name);
	if (is_action && !action_is_leaf((enum action) value))
		return bad(l, "an effect is one action, and '%s' stands for several",
			   action_info[value].name);
	facts_int(f, id, value);
	return true;
}

static bool
read_fact(struct line *l, const char *name, const json_t *v, struct facts *f)
{
	int id = fact_find(slice_str(name));
	int64_t i = 0;

	if (id < 0)
		return bad(l, "there is no fact '%.60s'; `weir facts` lists them", name);
	switch (fact_info[id].type) {
	case TYPE_BOOL:
		if (!json_is_boolean(v))
			return bad(l, "'%s' is true or false", name);
		facts_bool(f, (enum fact) id, json_is_true(v));
		return true;
	case TYPE_INT:
		if (!json_is_integer(v))
			return bad(l, "'%s' is a whole number", name);
		facts_int(f, (enum fact) id, json_integer_value(v));
		return true;
	case TYPE_STRING:
		if (!json_is_string(v))
			return bad(l, "'%s' is a string", name);
		facts_string(f, (enum fact) id, json_slice(v));
		return true;
	case TYPE_SET:
		return read_set(l, name, v, f, (enum fact) id);
	case TYPE_ADDRESS:
		return read_address(l, name, v, f, (enum fact) id);
	case TYPE_TIME:
		if (!read_time(l, name, v, &i))
			return false;
		facts_int(f, (enum fact) id, i);
		return true;
	default:
		return read_word(l, name, v, f, (enum fact) id);
	}
}

static bool
read_use(struct line *l, const json_t *v, struct data_use *u)
{
	const json_t *schema = json_object_get(v, "schema"), *table = json_object_get(v, "table");
	const json_t *column = json_object_get(v, "column"), *where = json_object_get(v, "contexts");
	size_t i;
	const json_t *c;

	if (!json_is_object(v) || (schema && !json_is_string(schema)) ||
	    (table && !json_is_string(table)) || (column && !json_is_string(column)) ||
	    !json_is_array(where))
		return bad(l, "a use is {\"schema\", \"table\", \"column\", \"contexts\": [...]}");
	if (schema)
		u->schema = json_slice(schema);
	if (table)
		u->table = json_slice(table);
	if (column)
		u->column = json_slice(column);
	json_array_foreach(where, i, c)
	{
		int id = json_is_string(c) ? context_find(json_slice(c)) : -1;

		if (id < 0)
			return bad(l, "no such place of a column; `weir facts` lists them");
		u->contexts = (uint16_t) (u->contexts | 1u << id);
	}
	return true;
}

static bool
read_uses(struct line *l, const json_t *v, struct facts *f)
{
	size_t n = json_array_size(v);
	struct data_use *uses = ARENA_ARRAY(l->arena, struct data_use, n);

	if (!json_is_array(v))
		return bad(l, "'uses' is a list");
	for (size_t i = 0; i < n; i++)
		if (!read_use(l, json_array_get(v, i), &uses[i]))
			return false;
	f->uses = uses;
	f->n_uses = n;
	f->uses_known = true;
	return true;
}

/* {"country": "DE", "tenant": 7, "active": true, "gone": null} */
static bool
read_row(struct line *l, const struct image *img, json_t *object, struct facts *f)
{
	struct row_value *row = ARENA_ARRAY(l->arena, struct row_value, img->n_row_columns + 1);

	if (!json_is_object(object))
		return bad(l, "'row' is an object: values by column");
	for (size_t i = 0; i < img->n_row_columns; i++) {
		const json_t *v =
			json_object_get(object, arena_str(l->arena, img->row_columns[i]));

		if (!v || json_is_null(v))
			continue;
		row[i].known = true;
		if (json_is_string(v)) {
			row[i].s = json_slice(v);
		} else if (json_is_boolean(v)) {
			row[i].s = json_is_true(v) ? SLICE_LIT("t") : SLICE_LIT("f");
		} else if (json_is_integer(v)) {
			row[i].is_int = true;
			row[i].i = json_integer_value(v);
			row[i].s = slice_str(arena_printf(l->arena, "%lld", (long long) row[i].i));
		} else {
			return bad(l, "a value of a row is a string, a whole number, true, false or null");
		}
	}
	f->row = row;
	return true;
}

/* All members but those that are no facts. */
static bool
read_facts(struct line *l, const struct image *img, json_t *object, bool is_effect, struct facts *f)
{
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v)
	{
		if (!is_effect && strcmp(name, "row") == 0) {
			if (!read_row(l, img, v, f))
				return false;
		} else if (!is_effect && strcmp(name, "uses") == 0) {
			if (!read_uses(l, v, f))
				return false;
		} else if (is_effect ||
			   (strcmp(name, "entry") != 0 && strcmp(name, "effects") != 0)) {
			if (!read_fact(l, name, v, f))
				return false;
		}
	}
	return true;
}

static bool
read_entry(struct line *l, const json_t *object, enum vm_entry *out)
{
	const json_t *v = json_object_get(object, "entry");

	*out = ENTRY_COMMAND;
	if (!v)
		return true;
	for (int e = 0; e < ENTRY_COUNT; e++)
		if (json_is_string(v) && slice_is(json_slice(v), entry_info[e].name)) {
			*out = (enum vm_entry) e;
			return true;
		}
	return bad(l, "'entry' is connect, command, result or row");
}

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
	if (mask_info[m->kernel].arg == MASK_ARG_COUNT)
		buf_printf(out, ", \"count\": %u", m->count);
	if (mask_info[m->kernel].arg == MASK_ARG_TEXT) {
		buf_puts(out, ", \"text\": ");
		buf_json_string(out, m->text);
	}
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

/* A hold obliges only when it decides; masks and limits whenever they match. */
static void
put_obligations(struct buf *out, const struct image *img, const struct decision *d)
{
	const char *sep = "";

	buf_puts(out, ", \"obligations\": [");
	for (int r = decision_next(d, -1); r >= 0; r = decision_next(d, r)) {
		const struct image_rule *rule = &img->rules[r];

		if (rule->kind <= VM_DENY &&
		    !(rule->kind == VM_HOLD && d->verdict == VERDICT_HOLD))
			continue;
		buf_puts(out, sep);
		if (rule->kind == VM_MASK)
			put_mask(out, img, rule);
		else if (rule->kind == VM_DROP)
			put_drop(out, img, rule);
		else if (rule->kind == VM_LIMIT)
			put_limit(out, rule);
		else
			put_hold(out, img, rule);
		sep = ", ";
	}
	buf_putc(out, ']');
}

static void
put_decision(struct buf *out, const struct image *img, enum vm_entry e, const struct decision *d)
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
	buf_printf(out, ", \"ops\": %u}\n", d->ops);
}

static bool
decide(struct line *l, const struct image *img, json_t *object, struct buf *out)
{
	const json_t *effects = json_object_get(object, "effects");
	struct facts f = {0};
	struct decision joined, one;
	enum vm_entry e;
	size_t i;
	json_t *effect;

	if (!json_is_object(object))
		return bad(l, "a line is one JSON object");
	if (!read_entry(l, object, &e) || !read_facts(l, img, object, false, &f))
		return false;
	if (!effects) {
		vm_decide(img, e, &f, &one);
		put_decision(out, img, e, &one);
		return true;
	}
	if (!json_is_array(effects) || e != ENTRY_COMMAND)
		return bad(l, "'effects' is a list, at the entry point command");
	vm_join_init(img, &joined);
	json_array_foreach(effects, i, effect)
	{
		struct facts own = f;

		if (!json_is_object(effect))
			return bad(l, "effect %zu is no object", i + 1);
		if (!read_facts(l, img, effect, true, &own))
			return false;
		vm_decide(img, e, &own, &one);
		vm_join(&joined, &one);
	}
	put_decision(out, img, e, &joined);
	return true;
}

static bool
answer(const struct image *img, struct slice text, size_t number, struct arena *arena,
       struct buf *out)
{
	struct line l = {.arena = arena};
	json_error_t why;
	json_t *object = NULL;
	bool good;

	if (text.n > MAX_LINE) {
		good = bad(&l, "longer than %d bytes", MAX_LINE);
	} else if (!(object = json_loadb((const char *) text.p, text.n,
					 JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why))) {
		good = bad(&l, "not JSON: %s at column %d", why.text, why.column);
	} else {
		good = decide(&l, img, object, out);
	}
	if (!good) {
		buf_printf(out, "{\"line\": %zu, \"error\": ", number);
		buf_json_string(out, slice_str(l.error));
		buf_puts(out, "}\n");
	}
	json_decref(object);
	return good;
}

static bool
is_blank(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(" \t\r", s.p[i], 4))
			return false;
	return true;
}

static int
answer_all(const struct image *img, struct slice text)
{
	struct arena arena;
	struct buf out = {0};
	size_t number = 0;
	bool good = true;

	arena_init(&arena, 0);
	while (text.n) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		struct slice line = slice_of(text.p, end ? (size_t) (end - text.p) : text.n);

		text.p += line.n + (end != NULL);
		text.n -= line.n + (end != NULL);
		number++;
		if (is_blank(line))
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
			return cli_usage_error("eval", "no option '%s'", argv[i]);
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
