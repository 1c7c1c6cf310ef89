/* SPDX-License-Identifier: MIT
 *
 * Random policies, as text, of few names, so that rules meet; and the names, for random facts.
 */
#ifndef WEIR_TESTS_DIFF_POLICIES_H
#define WEIR_TESTS_DIFF_POLICIES_H

#include "base/buf.h"
#include "tests/diff/random.h"
#include "tests/diff/reference.h"

static const char *const idps[] = {"ai-agents", "dba-oncall", "audit", "x"};
static const char *const groups[] = {"g0", "g1", "g2"};
static const char *const targets[] = {"t0", "t1", "t2"};
static const char *const classes[] = {"d0", "d1", "d2"};
/* Half of them as names are, half as names can be: without a dot or with too many, quoted ones with
 * blanks, signs and upper case, and letters outside ASCII. */
static const char *const words[] = {
	"ana", "app.orders", "app.stock", "people.contacts", "app", "people", "role", "orders",
	"orders-eu", "crm", "", "psql", "app-eu.orders", "a.b.c", "a..b", ".orders", "app.", ".",
	"App.Orders", "APP", "Total %", "my app.my orders", "o'clock.orders", "\u00e4pp.\u00d6l",
	"\u043e.\u0430", "app.orders ", "-eu.", "x-eu.y-eu.z"};
static const char *const columns[] = {"id", "pan", "email", "card_number", "Card Number", "\u00f6l",
				      "a.b", "-"};
static const char *const patterns[] = {
	"*", "app.*", "*.orders", "o*s*", "people.contacts", "e*l", "*-eu.*", "*.*.*", "*.", ".*",
	"*..*", "**", "App.*", "* *", "*\u00d6*", "*-*", "a*.*a", "*.*", "*'*"};
static const char *const regexes[] = {
	"/app/",	    "/^app\\./",   "/^[a-z]+$/", "/s$/",  "/^(app|people)\\..*s$/",
	"/ORDERS(-eu)?$/i", "/^.{3,4}$/", "/[^a-z.]/",	"/^$/",	 "/a|e.*l/",
	"/^people\\.contacts$/", "/\\d/"};
static const unsigned numbers[] = {0, 1, 2, 3, 12, 307};
static const char *const row_regexes[] = {"/^[1t]/", "/^-?[0-9]$/", "/[02468]$/", "/^[^3]+$/"};
static const char *const networks[] = {"10.0.0.0/8", "10.1.0.0/16", "192.168.1.7", "::1",
				       "2001:db8::/32", "0.0.0.0/0", "::/0"};
static const char *const actions[] = {
	"sql",        "sql.read", "sql.select", "sql.basics", "sql.write",
	"sql.update", "sql.ddl",  "sql.drop",   "connect",    "sql.unparsed"};
static const char *const times[] = {"00:00", "09:00", "12:30", "17:00", "23:59"};
static const char *const compares[] = {"=", "!=", "<", "<=", ">", ">="};

enum where { FOR_COMMANDS, FOR_MASKS, FOR_CONNECT };

static bool
fact_fits(int f, enum where where)
{
	if (f == FACT_SQL_TEXT)
		return false;
	if (where == FOR_MASKS)
		return fact_info[f].phase != PHASE_EFFECT;
	return where == FOR_COMMANDS || fact_info[f].phase == PHASE_CONNECT;
}

static void
gen_string_test(struct buf *b, const char *name)
{
	switch (rnd(6)) {
	case 5:
		buf_printf(b, "%s matches %s", name, PICK(regexes));
		break;
	case 0:
		buf_printf(b, "%s %s \"%s\"", name, compares[rnd(2)], PICK(words));
		break;
	case 1:
		buf_printf(b, "%s in {\"%s\", \"%s\"}", name, PICK(words), PICK(words));
		break;
	case 2:
		buf_printf(b, "%s matches \"%s\"", name, PICK(patterns));
		break;
	case 3:
		buf_printf(b, "%s starts with \"%s\"", name, PICK(words));
		break;
	default:
		buf_printf(b, "%s ends with \"%s\"", name, PICK(words));
	}
}

static void
gen_number_test(struct buf *b, const char *name, bool is_time)
{
	char l[16], r[16];

	snprintf(l, sizeof(l), is_time ? "%s" : "%.0s%u", PICK(times), rnd(5));
	snprintf(r, sizeof(r), is_time ? "%s" : "%.0s%u", PICK(times), rnd(5));
	switch (rnd(3)) {
	case 0:
		buf_printf(b, "%s %s %s", name, PICK(compares), l);
		break;
	case 1:
		buf_printf(b, "%s %s %s", l, PICK(compares), name);
		break;
	default:
		buf_printf(b, "%s in {%s, %s}", name, l, r);
	}
}

static void
gen_enum_test(struct buf *b, int f)
{
	enum type t = fact_info[f].type;
	uint32_t n = (uint32_t) enum_count(t);

	if (rnd(2))
		buf_printf(b, "%s %s %s", fact_info[f].name, compares[rnd(2)],
			   enum_name(t, (int) rnd(n)));
	else
		buf_printf(b, "%s in {%s, %s}", fact_info[f].name, enum_name(t, (int) rnd(n)),
			   enum_name(t, (int) rnd(n)));
}

static void
gen_uses(struct buf *b)
{
	buf_printf(b, "sql.uses(%s", PICK(classes));
	if (rnd(4)) {
		buf_puts(b, ", ");
		for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
			buf_printf(b, "%s%s", i ? " | " : "", context_info[rnd(N_CONTEXTS)].name);
	}
	buf_putc(b, ')');
}

static void
gen_row_value(struct buf *b, bool text)
{
	static const char *const values[] = {"1",		 "2",	 "\"1\"", "\"t\"",
					     "\"orders\"", "true", "false"};

	buf_puts(b, values[text ? 2 + rnd(5) : rnd(COUNT_OF(values))]);
}

static void
gen_row_test(struct buf *b)
{
	uint32_t nth = rnd(REF_ROW_COLUMNS);
	const char *column = ref_row_columns[nth];
	bool text = nth == REF_ROW_COLUMNS - 1; /* no number, but where it is compared with one */

	switch (rnd(6)) {
	case 0:
		buf_printf(b, "row.%s", column);
		break;
	case 1:
		buf_printf(b, "row.%s %s ", column, compares[rnd(2)]);
		gen_row_value(b, text);
		break;
	case 2:
		buf_printf(b, "row.%s %s %u", column, PICK(compares), PICK(numbers));
		break;
	case 3:
		buf_printf(b, "%u %s row.%s", PICK(numbers), PICK(compares), column);
		break;
	case 4:
		buf_printf(b, "row.%s in {", column);
		gen_row_value(b, text);
		buf_puts(b, ", ");
		gen_row_value(b, text);
		buf_putc(b, '}');
		break;
	default: {
		char name[16];

		snprintf(name, sizeof(name), "row.%s", column);
		if (rnd(3) == 0)
			buf_printf(b, "%s matches %s", name,
				   rnd(3) ? PICK(row_regexes) : PICK(regexes));
		else
			buf_printf(b, rnd(2) ? "%s matches \"%s\"" : "%s starts with \"%.1s\"",
				   name, rnd(2) ? "o*s" : "1");
	}
	}
}

static void
gen_test(struct buf *b, enum where where)
{
	const char *name;
	int f;

	if (where == FOR_MASKS && rnd(3) == 0) {
		gen_row_test(b);
		return;
	}
	if (where != FOR_CONNECT && rnd(8) == 0) {
		gen_uses(b);
		return;
	}
	do
		f = (int) rnd(FACT_COUNT);
	while (!fact_fits(f, where));
	name = fact_info[f].name;
	switch (fact_info[f].type) {
	case TYPE_BOOL:
		buf_puts(b, name);
		if (rnd(3) == 0)
			buf_printf(b, " %s %s", compares[rnd(2)], rnd(2) ? "true" : "false");
		break;
	case TYPE_INT:
	case TYPE_TIME:
		gen_number_test(b, name, fact_info[f].type == TYPE_TIME);
		break;
	case TYPE_STRING:
		gen_string_test(b, name);
		break;
	case TYPE_SET:
		if (f == FACT_USER_GROUPS && rnd(2))
			buf_printf(b, "%s in user.groups", PICK(groups));
		else if (rnd(2))
			buf_printf(b, "\"%s\" in %s", f == FACT_COLUMNS ? PICK(columns) : PICK(idps),
				   name);
		else if (rnd(2))
			buf_printf(b, "%s matches \"%s\"", name, PICK(patterns));
		else
			buf_printf(b, "%s matches %s", name, PICK(regexes));
		break;
	case TYPE_ADDRESS:
		if (rnd(2))
			buf_printf(b, "%s %s %s", name, compares[rnd(2)], PICK(networks));
		else
			buf_printf(b, "%s in {%s, %s}", name, PICK(networks), PICK(networks));
		break;
	case TYPE_ACTION:
		if (rnd(2))
			buf_printf(b, "%s %s %s", name, compares[rnd(2)], PICK(actions));
		else
			buf_printf(b, "%s in {%s, %s}", name, PICK(actions), PICK(actions));
		break;
	default:
		gen_enum_test(b, f);
	}
}

static void
gen_expr(struct buf *b, enum where where, unsigned depth, unsigned n_lets)
{
	uint32_t what = depth ? rnd(8) : 7;

	if (what < 4) {
		buf_putc(b, '(');
		gen_expr(b, where, depth - 1, n_lets);
		buf_puts(b, what < 2 ? " and " : " or ");
		gen_expr(b, where, depth - 1, n_lets);
		buf_putc(b, ')');
	} else if (what == 4) {
		buf_puts(b, "not (");
		gen_expr(b, where, depth - 1, n_lets);
		buf_putc(b, ')');
	} else if (what == 5 && n_lets && where == FOR_COMMANDS) {
		buf_printf(b, "let%u", rnd(n_lets));
	} else if (what == 6 && rnd(6) == 0) {
		buf_puts(b, rnd(2) ? "true" : "false");
	} else {
		gen_test(b, where);
	}
}

static void
gen_names(struct buf *b, const char *const *list, uint32_t n, uint32_t max)
{
	for (uint32_t i = 0, k = 1 + rnd(max); i < k; i++)
		buf_printf(b, "%s%s", i ? ", " : " ", list[rnd(n)]);
}

static void
gen_mask(struct buf *b)
{
	static const char *const plain[] = {"year", "month", "partial", "hash", "null"};
	static const char *const counts[] = {"last", "first", "round", "bucket"};

	if (rnd(3) == 0)
		buf_printf(b, " with %s", PICK(plain));
	else
		buf_printf(b, " with %s(%u)", PICK(counts), 2 + rnd(9));
}

static void
gen_rule(struct buf *b, unsigned index, unsigned n_lets)
{
	static const char *const rule_words[] = {"allow", "allow", "deny", "hold",
						 "mask",  "drop",  "limit", "record", "notify"};
	const char *kind = PICK(rule_words);
	bool drop = strcmp(kind, "drop") == 0, limit = kind[0] == 'l' || kind[0] == 'r' || kind[0] == 'n';
	bool mask = kind[0] == 'm' || drop;
	bool only_connect = !mask && !limit && rnd(6) == 0;
	bool shadow = rnd(4) == 0;
	enum where where = mask ? FOR_MASKS : only_connect ? FOR_CONNECT : FOR_COMMANDS;

	buf_printf(b, "%s%s r%u%s", shadow ? "shadow " : "", kind, index,
		   kind[0] == 'n' ? " to oncall" : "");
	if (mask)
		buf_printf(b, " of %s", PICK(classes));
	if (mask && !drop)
		gen_mask(b);
	if (rnd(3) == 0) {
		buf_puts(b, " who");
		gen_names(b, groups, COUNT_OF(groups), 2);
	}
	if (rnd(3) == 0) {
		buf_puts(b, " on");
		gen_names(b, targets, COUNT_OF(targets), 2);
	}
	if (only_connect) {
		buf_puts(b, " do connect");
	} else if (!mask && rnd(2)) {
		/* `connect` among others may read later facts; alone it may not. */
		buf_puts(b, " do");
		gen_names(b, actions, COUNT_OF(actions) - 2, 3);
		if (rnd(4) == 0)
			buf_puts(b, ", connect");
	}
	for (uint32_t n = rnd(3); n; n--) {
		buf_puts(b, " when ");
		gen_expr(b, where, rnd(4), n_lets);
	}
	if (rnd(4) == 0) {
		buf_puts(b, " unless ");
		switch (rnd(mask || only_connect ? 3 : 4)) {
		case 0:
			buf_puts(b, "who");
			gen_names(b, groups, COUNT_OF(groups), 2);
			break;
		case 1:
			buf_puts(b, "on");
			gen_names(b, targets, COUNT_OF(targets), 2);
			break;
		case 2:
			gen_expr(b, where, rnd(3), n_lets);
			break;
		default:
			buf_puts(b, "do");
			gen_names(b, actions, COUNT_OF(actions), 2);
		}
	}
	if (kind[0] == 'h')
		buf_puts(b, " for 1 of g0 not self within 5m");
	if (!mask && !limit && rnd(8) == 0)
		buf_puts(b, " notify oncall");
	if (kind[0] == 'r')
		buf_puts(b, rnd(2) ? " with strict" : " with text, parameters");
	else if (kind[0] == 'l')
		buf_printf(b, " rows %u per %s time %us", 1 + rnd(9),
			   limit_per_info[shadow ? PER_COMMAND : rnd(LIMIT_PER_COUNT)].name,
			   1 + rnd(9));
	buf_putc(b, '\n');
}

/* Rules for a group each, told by one look; others ask for one of those groups besides. */
static void
gen_crowd(struct buf *b)
{
	for (uint32_t i = 0, n = 4 + rnd(3); i < n; i++)
		buf_printf(b, "%s c%u who %s do sql.select\n", rnd(2) ? "allow" : "deny", i,
			   groups[i % COUNT_OF(groups)]);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t who = rnd(COUNT_OF(groups));

		buf_printf(b, "%s w%u who %s do sql.select when %s in user.groups\n",
			   rnd(2) ? "allow" : "deny", i, groups[who],
			   groups[(who + 1) % COUNT_OF(groups)]);
	}
}

/* What can be asked of a schema's name, which has no dot. */
static void
gen_schema_test(struct buf *b)
{
	static const char *const names[] = {"app", "people", "app-eu", "APP", "my app", ""};
	static const char *const globs[] = {"app*", "*-eu", "*", "a*p", "* *", "*\u00d6*"};

	if (rnd(3) == 0)
		buf_printf(b, "schema in {\"%s\", \"%s\"}", PICK(names), PICK(names));
	else if (rnd(2))
		buf_printf(b, "schema matches %s", PICK(regexes));
	else
		buf_printf(b, "schema matches \"%s\"", PICK(globs));
}

/* Rules for schemas, and for tables in them. */
static void
gen_places(struct buf *b)
{
	for (uint32_t i = 0, n = 2 + rnd(4); i < n; i++) {
		buf_printf(b, "%s n%u do %s when ", rnd(2) ? "allow" : "deny", i,
			   rnd(2) ? "sql.select" : "sql.select, sql.update");
		if (i & 1)
			gen_string_test(b, "table");
		else
			gen_schema_test(b);
		if (rnd(3) == 0) {
			buf_puts(b, rnd(2) ? " and not " : " or ");
			gen_schema_test(b);
		}
		buf_putc(b, '\n');
	}
}

/* Each value leads elsewhere, of a column and of a word; so does what is not known of uses. */
static void
gen_values(struct buf *b)
{
	static const char *const masks[] = {"null", "hash", "year"};
	static const char *const values[] = {"1", "t", "orders"};
	const char *column = PICK(ref_row_columns), *class = PICK(classes);

	for (uint32_t i = 0; i < COUNT_OF(masks); i++)
		buf_printf(b, "mask v%u of %s with %s when row.%s = \"%s\"\n", i, class,
			   masks[i], column, values[i]);
	buf_printf(b, "allow k0 do sql.drop when user.kind = %s\n",
		   enum_name(fact_info[FACT_USER_KIND].type, 0));
	buf_printf(b, "hold k1 do sql.drop when user.kind = %s for 1 of g0 not self within 5m\n",
		   enum_name(fact_info[FACT_USER_KIND].type, 1));
	buf_printf(b, "allow u0 do sql.update when sql.uses(%s, output)\n", class);
	buf_printf(b, "deny u1 do sql.update when sql.uses(%s, output)\n", class);
}

static void
gen_policy(struct buf *b)
{
	bool places = rnd(3) == 0; /* few others, that ask for names as no schema has them */
	unsigned n_lets = rnd(4), n_rules = places ? rnd(4) : 1 + rnd(12);

	buf_puts(b, "policy random\n"
		    "group g0 = idp \"ai-agents\"\ngroup g1 = idp \"dba-oncall\"\n"
		    "group g2 = idp \"audit\"\n"
		    "target t0 = postgres \"orders*\"\ntarget t1 = postgres \"crm\"\n"
		    "target t2 = postgres \"*\"\n"
		    "data d0 = column app.orders.pan, column *.card_number\n"
		    "data d1 = column people.{email, id}\n"
		    "data d2 = column *.contacts.*, column app.stock.p*\n");
	if (rnd(10) == 0)
		buf_puts(b, "default allow\n");
	for (unsigned i = 0; i < n_lets; i++) {
		buf_printf(b, "let let%u = ", i);
		gen_expr(b, FOR_COMMANDS, rnd(3), i);
		buf_putc(b, '\n');
	}
	for (unsigned i = 0; i < n_rules; i++)
		gen_rule(b, i, n_lets);
	/* What such rules seldom come to by themselves: `matched` in one of 300 policies. */
	if (rnd(4) == 0)
		gen_crowd(b);
	if (places)
		gen_places(b);
	if (rnd(4) == 0)
		gen_values(b);
}

#endif
