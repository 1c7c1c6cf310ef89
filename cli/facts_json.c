/* SPDX-License-Identifier: MIT */
#include "cli/facts_json.h"

#include "vm/match.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

enum { MAX_LINE = 1 << 20 };

static bool
bad(struct facts_line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool
bad(struct facts_line *l, const char *fmt, ...)
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
read_time(struct facts_line *l, const char *name, const json_t *v, int64_t *out)
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
read_set(struct facts_line *l, const char *name, const json_t *v, struct facts *f, enum fact id)
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
read_address(struct facts_line *l, const char *name, const json_t *v, struct facts *f, enum fact id)
{
	uint8_t addr[16], prefix;

	if (!json_is_string(v) || !match_network_parse(json_slice(v), addr, &prefix) ||
	    prefix != 128)
		return bad(l, "'%s' is an IP address", name);
	facts_address(f, id, addr);
	return true;
}

static bool
read_word(struct facts_line *l, const char *name, const json_t *v, struct facts *f, enum fact id)
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
read_fact(struct facts_line *l, const char *name, const json_t *v, struct facts *f)
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
read_use(struct facts_line *l, const json_t *v, struct data_use *u)
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
read_uses(struct facts_line *l, const json_t *v, struct facts *f)
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
read_row(struct facts_line *l, const struct image *img, json_t *object, struct facts *f)
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
read_facts(struct facts_line *l, const struct image *img, json_t *object, bool is_effect,
	   struct facts *f)
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
read_entry(struct facts_line *l, const json_t *object, enum vm_entry *out)
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

/* The line's own facts, or those of each effect with the line's. */
static bool
read_effects(struct facts_line *l, const struct image *img, json_t *object)
{
	json_t *effects = json_object_get(object, "effects"), *effect;
	struct facts base = {0};
	size_t i;

	if (!read_facts(l, img, object, false, &base))
		return false;
	l->base = base;
	l->joined = effects != NULL;
	if (effects && (!json_is_array(effects) || l->entry != ENTRY_COMMAND))
		return bad(l, "'effects' is a list, at the entry point command");
	l->n = effects ? json_array_size(effects) : 1;
	l->effects = ARENA_ARRAY(l->arena, struct facts, l->n + 1);
	l->effects[0] = base;
	json_array_foreach(effects, i, effect)
	{
		l->effects[i] = base;
		if (!json_is_object(effect))
			return bad(l, "effect %zu is no object", i + 1);
		if (!read_facts(l, img, effect, true, &l->effects[i]))
			return false;
	}
	return true;
}

bool
facts_line_read(struct facts_line *l, const struct image *img, struct arena *arena,
		struct slice text)
{
	json_error_t why;

	*l = (struct facts_line){.arena = arena};
	if (text.n > MAX_LINE)
		return bad(l, "longer than %d bytes", MAX_LINE);
	l->object = json_loadb((const char *) text.p, text.n,
			       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!l->object)
		return bad(l, "not JSON: %s at column %d", why.text, why.column);
	if (!json_is_object(l->object))
		return bad(l, "a line is one JSON object");
	return read_entry(l, l->object, &l->entry) && read_effects(l, img, l->object);
}

void
facts_line_close(struct facts_line *l)
{
	json_decref(l->object);
}

bool
facts_line_next(struct slice *text, struct slice *line)
{
	const uint8_t *end = memchr(text->p, '\n', text->n);

	if (!text->n)
		return false;
	*line = slice_of(text->p, end ? (size_t) (end - text->p) : text->n);
	text->p += line->n + (end != NULL);
	text->n -= line->n + (end != NULL);
	return true;
}

bool
facts_line_is_blank(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(" \t\r", s.p[i], 4))
			return false;
	return true;
}
