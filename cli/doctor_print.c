/* SPDX-License-Identifier: MIT
 *
 * How findings are told: to people, to programs, and as a script. Names in the database are
 * somebody else's words: in texts they cannot move the cursor or begin a line, and in SQL an
 * identifier with such characters is written with escapes.
 */
#include "cli/doctor.h"
#include "session/approvals.h"

const struct finding_info finding_info[FINDING_COUNT] = {
#define FINDING(id, code, severity, place, title, why, sql)                                        \
	[FINDING_##id] = {code, title, why, sql, SEVERITY_##severity, PLACE_##place},
#include "cli/doctor.def"
#undef FINDING
};

static const char *const severity_names[SEVERITY_COUNT] = {"high", "medium", "low"};

enum { WIDTH = 90, LINES = 4 };

/* ---- SQL ------------------------------------------------------------------------------------- */

static bool
is_visible(struct slice s)
{
	struct buf shown = {0};
	bool same;

	approval_put_visible(&shown, s, false);
	same = slice_eq(buf_slice(&shown), s);
	buf_fini(&shown);
	return same;
}

/* The length of a quoted identifier with both its quotes; s begins with the first. */
static size_t
identifier_length(struct slice s)
{
	size_t i = 1;

	while (i < s.n) {
		if (s.p[i] == '"' && (i + 1 == s.n || s.p[i + 1] != '"'))
			return i + 1;
		i += s.p[i] == '"' ? 2 : 1;
	}
	return s.n;
}

/* One character of UTF-8, which the server made sure of, as \XXXX or \+XXXXXX. */
static size_t
put_escaped(struct buf *out, const uint8_t *p)
{
	unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));

	for (unsigned i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	buf_printf(out, c > 0xffff ? "\\+%06x" : "\\%04x", c);
	return n;
}

static void
put_identifier(struct buf *out, struct slice s)
{
	if (is_visible(s)) {
		buf_put_slice(out, s);
		return;
	}
	buf_puts(out, "U&");
	for (size_t i = 0; i < s.n;) {
		if (s.p[i] == '\\')
			buf_putc(out, '\\');
		if (s.p[i] >= ' ' && s.p[i] < 0x7f)
			buf_putc(out, s.p[i++]);
		else
			i += put_escaped(out, s.p + i);
	}
}

static void
put_sql(struct buf *out, struct slice sql, const char *indent)
{
	buf_puts(out, indent);
	for (size_t i = 0; i < sql.n;) {
		size_t n = 1;

		if (sql.p[i] == '"') {
			n = identifier_length(slice_of(sql.p + i, sql.n - i));
			put_identifier(out, slice_of(sql.p + i, n));
		} else {
			buf_putc(out, sql.p[i]);
			if (sql.p[i] == '\n')
				buf_puts(out, indent);
		}
		i += n;
	}
	buf_putc(out, '\n');
}

/* ---- for people ------------------------------------------------------------------------------ */

/* Words, broken before WIDTH; every line but the first begins with `indent`. */
static void
put_wrapped(struct buf *out, const char *text, const char *indent)
{
	size_t column = strlen(indent);

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");

		if (p != text && column + n + 1 > WIDTH) {
			buf_printf(out, "\n%s", indent);
			column = strlen(indent);
		} else if (p != text) {
			buf_putc(out, ' ');
			column++;
		}
		buf_put(out, p, n);
		column += n;
		p += n;
		while (*p == ' ')
			p++;
	}
	buf_putc(out, '\n');
}

static void
put_seen(struct buf *out, const char *label, struct slice seen)
{
	buf_puts(out, label);
	approval_put_visible(out, seen, false);
	buf_putc(out, '\n');
}

/* A family of functions has dozens of lines, which are for the script. */
static void
put_first_lines(struct buf *out, struct slice sql)
{
	size_t lines = 1, end = 0;

	for (; end < sql.n && (sql.p[end] != '\n' || lines < LINES); end++)
		lines += sql.p[end] == '\n';
	put_sql(out, slice_of(sql.p, end), "         ");
	for (lines = 0; end < sql.n; end++)
		lines += sql.p[end] == '\n';
	if (lines)
		buf_printf(out, "         -- and %zu lines more: --sql\n", lines);
}

static void
put_group(const struct doctor *d, size_t first, size_t end, struct buf *out)
{
	const struct finding_info *i = &finding_info[d->findings[first].id];

	buf_printf(out, "%s %s: %s\n  why    ", i->code, severity_names[i->severity], i->title);
	put_wrapped(out, i->why, "         ");
	for (size_t k = first; k < end; k++) {
		put_seen(out, "  seen   ", d->findings[k].seen);
		put_first_lines(out, d->findings[k].sql);
	}
	buf_putc(out, '\n');
}

/* Findings of one kind stand side by side. */
static size_t
group_end(const struct doctor *d, size_t first)
{
	size_t end = first;

	while (end < d->n && d->findings[end].id == d->findings[first].id)
		end++;
	return end;
}

static void
put_where(const struct doctor *d, struct buf *out)
{
	const struct config_target *t = d->target;

	buf_printf(out, "target %s: %s as ", t->name, t->address.text);
	approval_put_visible(out, slice_str(t->login), false);
	buf_puts(out, " in ");
	approval_put_visible(out, slice_str(t->database), false);
	buf_puts(out, ", PostgreSQL ");
	approval_put_visible(out, d->server, false);
	buf_putc(out, '\n');
}

static void
count(const struct doctor *d, unsigned n[SEVERITY_COUNT])
{
	for (size_t i = 0; i < d->n; i++)
		n[finding_info[d->findings[i].id].severity]++;
}

void
doctor_print_text(const struct doctor *d, struct buf *out)
{
	unsigned n[SEVERITY_COUNT] = {0};

	put_where(d, out);
	buf_putc(out, '\n');
	for (enum finding_severity s = 0; s < SEVERITY_COUNT; s++)
		for (size_t i = 0, end; i < d->n; i = end) {
			end = group_end(d, i);
			if (finding_info[d->findings[i].id].severity == s)
				put_group(d, i, end, out);
		}
	for (size_t i = 0; i < d->n_unseen; i++) {
		buf_printf(out, "cannot be seen from here: %s\n  ", d->unseen[i].what);
		put_wrapped(out, d->unseen[i].why, "  ");
		buf_putc(out, '\n');
	}
	count(d, n);
	if (d->n)
		buf_printf(out, "%zu findings: %u high, %u medium, %u low; --sql prints them as one "
				"script\n", d->n, n[SEVERITY_HIGH], n[SEVERITY_MEDIUM], n[SEVERITY_LOW]);
	else
		buf_puts(out, d->incomplete ? "not everything could be looked at\n"
					    : "nothing found\n");
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void
json_field(struct buf *out, const char *name, struct slice value, const char *after)
{
	buf_printf(out, "\"%s\": ", name);
	buf_json_string(out, value);
	buf_puts(out, after);
}

static void
json_finding(const struct finding *f, struct buf *out)
{
	const struct finding_info *i = &finding_info[f->id];
	struct buf sql = {0};

	put_sql(&sql, f->sql, "");
	buf_puts(out, "  {");
	json_field(out, "code", slice_str(i->code), ", ");
	json_field(out, "severity", slice_str(severity_names[i->severity]), ", ");
	json_field(out, "title", slice_str(i->title), ", ");
	json_field(out, "seen", f->seen, ", ");
	json_field(out, "why", slice_str(i->why), ", ");
	json_field(out, "sql", slice_of(sql.p, sql.n - 1), "}");
	buf_fini(&sql);
}

void
doctor_print_json(const struct doctor *d, struct buf *out)
{
	buf_puts(out, "{");
	json_field(out, "target", slice_str(d->target->name), ", ");
	json_field(out, "address", slice_str(d->target->address.text), ", ");
	json_field(out, "database", slice_str(d->target->database), ", ");
	json_field(out, "login", slice_str(d->target->login), ", ");
	json_field(out, "server", d->server, ",\n");
	buf_printf(out, "\"complete\": %s,\n\"findings\": [", d->incomplete ? "false" : "true");
	for (size_t i = 0; i < d->n; i++) {
		buf_puts(out, i ? ",\n" : "\n");
		json_finding(&d->findings[i], out);
	}
	buf_puts(out, "\n],\n\"unseen\": [");
	for (size_t i = 0; i < d->n_unseen; i++) {
		buf_puts(out, i ? ",\n  {" : "\n  {");
		json_field(out, "what", slice_str(d->unseen[i].what), ", ");
		json_field(out, "why", slice_str(d->unseen[i].why), "}");
	}
	buf_puts(out, "\n]\n}\n");
}

/* ---- the script ------------------------------------------------------------------------------ */

static void
put_place(const struct doctor *d, enum finding_place place, struct buf *out)
{
	for (size_t i = 0, end; i < d->n; i = end) {
		const struct finding_info *info = &finding_info[d->findings[i].id];

		end = group_end(d, i);
		if (info->place != place)
			continue;
		buf_printf(out, "\n-- %s %s: %s\n-- ", info->code, severity_names[info->severity],
			   info->title);
		put_wrapped(out, info->why, "-- ");
		for (size_t k = i; k < end; k++) {
			put_seen(out, "--   seen: ", d->findings[k].seen);
			put_sql(out, d->findings[k].sql, "");
		}
	}
}

void
doctor_print_sql(const struct doctor *d, struct buf *out)
{
	buf_puts(out, "-- Closes what `weir doctor` found. Read it first, then run it with psql as a\n"
		      "-- superuser in the target's database. It may be run again.\n-- ");
	put_where(d, out);
	buf_puts(out, "\\set ON_ERROR_STOP on\nBEGIN;\n"
		      "SET LOCAL standard_conforming_strings = on;\n"
		      "SET LOCAL search_path = pg_catalog, pg_temp;\n");
	put_place(d, PLACE_INSIDE, out);
	buf_puts(out, "\nCOMMIT;\n");
	put_place(d, PLACE_AFTER, out);
	put_place(d, PLACE_ADVICE, out);
	for (size_t i = 0; i < d->n_unseen; i++) {
		buf_printf(out, "\n-- Cannot be seen from here: %s.\n-- ", d->unseen[i].what);
		put_wrapped(out, d->unseen[i].why, "-- ");
	}
}
