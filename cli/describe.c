/* SPDX-License-Identifier: MIT */
#include "cli/describe.h"

#include "compiler/actions.h"
#include "vm/match.h"

#include <arpa/inet.h>
#include <stdio.h>

void
describe_string(struct buf *out, struct slice s)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(out, '\\');
		if (s.p[i] == '\n')
			buf_puts(out, "\\n");
		else
			buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

static void
put_address(struct buf *out, const uint8_t addr[16], int prefix)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = memcmp(addr, mapped, 12) == 0 && (prefix < 0 || prefix >= 96);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, sizeof(text));
	buf_puts(out, text);
	if (prefix >= 0 && prefix < 128)
		buf_printf(out, "/%d", v4 ? prefix - 96 : prefix);
}

static void
put_number(struct buf *out, enum type type, int64_t n)
{
	if (type == TYPE_TIME && n % 60)
		buf_printf(out, "%02d:%02d:%02d", (int) (n / 3600), (int) (n / 60 % 60),
			   (int) (n % 60));
	else if (type == TYPE_TIME)
		buf_printf(out, "%02d:%02d", (int) (n / 3600), (int) (n / 60 % 60));
	else
		buf_printf(out, "%lld", (long long) n);
}

void
describe_value(struct buf *out, enum fact f, const struct value *v)
{
	enum type type = fact_info[f].type;

	if (!v->known) {
		buf_puts(out, "unknown");
		return;
	}
	switch (type) {
	case TYPE_BOOL:
		buf_puts(out, v->b ? "true" : "false");
		break;
	case TYPE_INT:
	case TYPE_TIME:
		put_number(out, type, v->i);
		break;
	case TYPE_STRING:
		describe_string(out, v->s);
		break;
	case TYPE_SET:
		buf_putc(out, '{');
		for (size_t i = 0; i < v->set.n; i++) {
			buf_puts(out, i ? ", " : "");
			describe_string(out, v->set.v[i]);
		}
		buf_putc(out, '}');
		break;
	case TYPE_ADDRESS:
		put_address(out, v->addr, -1);
		break;
	case TYPE_ACTION:
		buf_puts(out, action_info[v->i].name);
		break;
	default:
		buf_puts(out, enum_name(type, (int) v->i));
	}
}

/* ---- Sets of classes. values[i + 1] is class i; values[0], unknown. ---- */

/* first: a class that is wanted. Of thousands of patterns few match it, or the next that is. */
static bool
is_inside(const struct partition *p, size_t sign, const bool *values, bool wanted, size_t first)
{
	size_t i = first;

	while (i < p->n && (values[i + 1] != wanted || !partition_has(p, i, sign)))
		i++;
	if (i == p->n)
		return false;
	for (i = 0; i < p->n; i++)
		if (values[i + 1] != wanted && partition_has(p, i, sign))
			return false;
	return true;
}

/* Writes the classes for which values[] is `wanted`, if constants and patterns say them exactly. */
static bool
put_strings(struct buf *out, const char *name, const struct partition *p, const bool *values,
	    bool wanted, bool *covered)
{
	size_t n_constants = 0, first = 0;
	const char *sep = "";

	while (first < p->n && values[first + 1] != wanted)
		first++;
	memset(covered, 0, p->n * sizeof(*covered));
	for (size_t g = 0; g < p->n_signs; g++) {
		const struct pattern *r = g < p->n_globs ? NULL : &p->regexes[g - p->n_globs];
		bool news = false;

		if ((r && r->of_schema) || !is_inside(p, g, values, wanted, first))
			continue;
		for (size_t i = 0; i < p->n; i++)
			if (partition_has(p, i, g) && !covered[i])
				news = covered[i] = true;
		if (!news)
			continue;
		buf_printf(out, "%s%s%s matches ", sep, wanted ? "" : "not ", name);
		if (r)
			buf_put_slice(out, r->text);
		else
			describe_string(out, p->globs[g]);
		sep = wanted ? " or " : " and ";
	}
	for (size_t i = 0; i < p->n; i++)
		if (values[i + 1] == wanted && !covered[i]) {
			if (!p->classes[i].constant && p->classes[i].possible)
				return false;
			n_constants += p->classes[i].constant;
		}
	if (!n_constants)
		return true;
	buf_printf(out, "%s%s %s", sep, name,
		   n_constants > 1 ? (wanted ? "in {" : "not in {")
		   : wanted	   ? "= "
				   : "!= ");
	sep = "";
	for (size_t i = 0; i < p->n; i++)
		if (values[i + 1] == wanted && !covered[i] && p->classes[i].constant) {
			buf_puts(out, sep);
			describe_string(out, p->classes[i].text);
			sep = ", ";
		}
	if (n_constants > 1)
		buf_putc(out, '}');
	return true;
}

static void
put_string_part(struct buf *out, const char *name, const struct domain *d, const bool *values)
{
	bool *covered = (bool[4096]){0};
	enum { SHORT = 100, MANY = 500 };
	struct buf text = {0}, other = {0};
	size_t others = 0;
	bool good, bad;

	if (d->strings->n > 4096) {
		buf_printf(out, "%s is one of many", name);
		return;
	}
	good = put_strings(&text, name, d->strings, values, true, covered);
	for (size_t i = 0; i < d->strings->n; i++)
		others += !values[i + 1];
	/* What is short said as it is, is not shorter said by thousands that it is not. */
	bad = !(good && text.n < SHORT && others > MANY) &&
	      put_strings(&other, name, d->strings, values, false, covered);
	if (good && (!bad || text.n <= other.n))
		buf_put_slice(out, buf_slice(&text));
	else if (bad && other.n)
		buf_put_slice(out, buf_slice(&other));
	else {
		buf_printf(out, "%s such as", name);
		for (size_t i = 0, n = 0; i < d->strings->n && n < 4; i++)
			if (values[i + 1] && d->strings->classes[i].possible) {
				buf_puts(out, n++ ? ", " : " ");
				describe_string(out, d->strings->classes[i].text);
			}
	}
	buf_fini(&text);
	buf_fini(&other);
}

/* Intervals of possible numbers. */
static void
put_numbers(struct buf *out, const char *name, enum type type, const struct domain *d,
	    const bool *values)
{
	const char *sep = "";

	for (size_t i = 0; i < d->n; i++) {
		size_t first = i;

		if (!values[i + 1] || !d->possible[i])
			continue;
		while (i + 1 < d->n && values[i + 2] && d->possible[i + 1])
			i++;
		buf_puts(out, sep);
		if (first == 0 || !d->possible[first - 1]) {
			buf_printf(out, "%s < ", name);
			put_number(out, type, d->cuts[i]);
		} else if (i + 1 == d->n || !d->possible[i + 1]) {
			buf_printf(out, "%s >= ", name);
			put_number(out, type, d->cuts[first - 1]);
		} else if (d->cuts[first - 1] + 1 == d->cuts[i]) {
			buf_printf(out, "%s = ", name);
			put_number(out, type, d->cuts[first - 1]);
		} else {
			buf_puts(out, name);
			buf_puts(out, " from ");
			put_number(out, type, d->cuts[first - 1]);
			buf_puts(out, " to before ");
			put_number(out, type, d->cuts[i]);
		}
		sep = " or ";
	}
}

/* Networks, each with the exceptions inside of it. Class 0 is outside of all. */
static void
put_networks(struct buf *out, const char *name, const struct domain *d, const bool *values)
{
	bool outside = values[1];
	const char *sep = outside ? " not in {" : " in {";
	bool any = false;

	buf_puts(out, name);
	for (size_t i = 0; i < d->n_networks; i++) {
		if (values[i + 2] == outside)
			continue;
		buf_puts(out, sep);
		put_address(out, d->networks[i].addr, d->networks[i].prefix);
		sep = ", ";
		any = true;
		for (size_t k = i + 1; k < d->n_networks; k++)
			if (values[k + 2] == outside &&
			    d->networks[k].prefix > d->networks[i].prefix &&
			    match_network(d->networks[i].addr, d->networks[i].prefix,
					  d->networks[k].addr)) {
				buf_puts(out, " without ");
				put_address(out, d->networks[k].addr, d->networks[k].prefix);
			}
	}
	buf_puts(out, any ? "}" : " anything");
}

static void
put_words(struct buf *out, enum fact f, const struct domain *d, const bool *values)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += values[i + 1] && d->possible[i];
	buf_printf(out, "%s %s", fact_info[f].name, n > 1 ? "in {" : "= ");
	for (size_t i = 0, k = 0; i < d->n; i++)
		if (values[i + 1] && d->possible[i]) {
			buf_puts(out, k++ ? ", " : "");
			describe_value(out, f, &d->values[i]);
		}
	if (n > 1)
		buf_putc(out, '}');
}

static void
put_actions(struct buf *out, const struct domain *d, const bool *values)
{
	struct action_set set = {0};

	for (size_t i = 0; i < d->n; i++)
		if (values[i + 1] && d->possible[i])
			action_set_add(&set, (enum action) i);
	actions_put(out, &set);
}

static void
put_fact(struct buf *out, const struct space *s, enum fact f, const bool *values)
{
	const struct domain *d = &s->facts[f];
	const char *name = fact_info[f].name;
	bool known = false;

	for (size_t i = 0; i < d->n; i++)
		known |= values[i + 1];
	if (!known) {
		buf_printf(out, "%s unknown", name);
		return;
	}
	switch (fact_info[f].type) {
	case TYPE_SET:
		buf_printf(out, "%s known", name);
		break;
	case TYPE_BOOL:
		buf_printf(out, "%s%s", values[2] ? "" : "not ", name);
		break;
	case TYPE_INT:
	case TYPE_TIME:
		put_numbers(out, name, fact_info[f].type, d, values);
		break;
	case TYPE_STRING:
		put_string_part(out, name, d, values);
		break;
	case TYPE_ADDRESS:
		put_networks(out, name, d, values);
		break;
	case TYPE_ACTION:
		put_actions(out, d, values);
		break;
	default:
		put_words(out, f, d, values);
	}
	if (values[SPACE_UNKNOWN] && space_may_lack(f))
		buf_puts(out, " or unknown");
}

/* Members that no constant names: by the patterns that they match, and one of them where it is not
 * all that match these. */
static void
put_pattern_member(struct buf *out, const struct partition *p, size_t class, const char *fact,
		   bool member)
{
	const char *sep = member ? "" : "not (";
	bool all = true, any = false;

	for (size_t g = 0; g < p->n_signs; g++) {
		if (!partition_has(p, class, g))
			continue;
		buf_printf(out, "%s%s matches ", sep, fact);
		if (g < p->n_globs)
			describe_string(out, p->globs[g]);
		else
			buf_put_slice(out, p->regexes[g - p->n_globs].text);
		for (size_t i = 0; i < p->n; i++)
			all = all && (i == class || !partition_has(p, i, g));
		sep = " and ";
		any = true;
	}
	if (!any) {
		buf_printf(out, "%s%s has others", sep, fact);
	} else if (!all) {
		buf_puts(out, " (such as ");
		describe_string(out, p->classes[class].text);
		buf_putc(out, ')');
	}
	buf_puts(out, member ? "" : ")");
}

static void
put_member(struct buf *out, const struct space *s, const struct image *img,
	   const struct space_var *v, bool member)
{
	const struct partition *p = s->facts[v->fact].strings;
	struct slice text = p->classes[v->member].text;

	for (size_t i = 0; v->fact == FACT_USER_GROUPS && i < img->n_groups; i++)
		if (slice_eq(img->groups[i].idp, text)) {
			buf_printf(out, "%s %.*s", member ? "in" : "not in",
				   SLICE_ARG(img->groups[i].name));
			return;
		}
	if (!p->classes[v->member].constant) {
		put_pattern_member(out, p, v->member, fact_info[v->fact].name, member);
		return;
	}
	buf_puts(out, member ? "" : "not ");
	describe_string(out, text);
	buf_printf(out, " in %s", fact_info[v->fact].name);
}

static void
put_use(struct buf *out, const struct space *s, const struct space_var *v, const bool *values)
{
	buf_printf(out, "%ssql.uses(%.*s, %s)", values[SPACE_USED] ? "" : "not ",
		   SLICE_ARG(s->columns.data[v->data]->name), context_info[v->context].name);
}

/* The part that asks to be in one group; -1: there is none, or more. */
static int
group_part(const struct space *s, const struct cover_case *c)
{
	int found = -1;

	for (size_t i = 0; i < c->n; i++) {
		const struct space_var *v = &s->vars[c->parts[i].var];

		if (v->kind != SPACE_MEMBER || v->fact != FACT_USER_GROUPS)
			continue;
		if (found >= 0 || !c->parts[i].values[1])
			return -1;
		found = (int) i;
	}
	return found;
}

bool
describe_joins(const struct space *s, const struct cover_case *c, const struct cover_case *other)
{
	int at = group_part(s, c);

	if (at < 0 || group_part(s, other) != at || c->n != other->n)
		return false;
	for (size_t i = 0; i < c->n; i++)
		if ((int) i != at && (c->parts[i].var != other->parts[i].var ||
				      memcmp(c->parts[i].values, other->parts[i].values,
					     s->dd_vars[c->parts[i].var].width) != 0))
			return false;
	return true;
}

static void put_case(struct buf *out, const struct space *s, const struct image *img,
		     const struct cover_case *c, bool joined);

void
describe_case(struct buf *out, const struct space *s, const struct image *img,
	      const struct cover_case *c)
{
	put_case(out, s, img, c, false);
}

void
describe_cases(struct buf *out, const struct space *s, const struct image *img,
	       const struct cover_case *c)
{
	put_case(out, s, img, c, true);
}

/* "in dba or in ops": the groups of the cases that are joined to this one, in one order. */
static void
put_groups(struct buf *out, const struct space *s, const struct image *img,
	   const struct cover_case *c)
{
	int at = group_part(s, c);
	const char *sep = "";

	for (uint32_t v = 0; v < s->n_vars; v++) {
		bool named = c->parts[at].var == v;

		for (const struct cover_case *o = c->next; o && !named; o = o->next)
			named = describe_joins(s, c, o) && o->parts[at].var == v;
		if (!named)
			continue;
		buf_puts(out, sep);
		put_member(out, s, img, &s->vars[v], true);
		sep = " or ";
	}
}

static void
put_case(struct buf *out, const struct space *s, const struct image *img,
	 const struct cover_case *c, bool joined)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct space_var *v = &s->vars[c->parts[i].var];
		const bool *values = c->parts[i].values;
		char name[80];

		buf_puts(out, i ? ", " : "");
		switch (v->kind) {
		case SPACE_FACT:
			put_fact(out, s, v->fact, values);
			break;
		case SPACE_MEMBER:
			if (joined && (int) i == group_part(s, c))
				put_groups(out, s, img, c);
			else
				put_member(out, s, img, v, values[1]);
			break;
		case SPACE_USE:
			put_use(out, s, v, values);
			break;
		default:
			snprintf(name, sizeof(name), "row.%.*s",
				 SLICE_ARG(s->row_columns[v->column]));
			if (v->kind == SPACE_ROW_TEXT)
				put_string_part(out, name, &s->row_texts[v->column], values);
			else
				put_numbers(out, name, TYPE_INT, &s->row_ints[v->column], values);
			buf_puts(out, values[SPACE_UNKNOWN] ? " or unknown" : "");
		}
	}
	if (c->n == 0)
		buf_puts(out, "always");
}
