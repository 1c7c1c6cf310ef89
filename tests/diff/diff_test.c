/* SPDX-License-Identifier: MIT
 *
 * Random policies and random facts: the compiled image, loaded and run by the machine, must agree
 * with the reference interpreter on the verdict and on the very set of rules that match, at all
 * entry points. Policies are made as text, so the parser is in it too.
 *
 *   DIFF_SEED=N   another sequence (printed); DIFF_PAIRS=N  how many pairs of policy and facts
 */
#include "base/clock.h"
#include "compiler/compile.h"
#include "compiler/explain.h"
#include "tests/diff/dcode_way.h"
#include "tests/diff/diagram_check.h"
#include "tests/diff/reference.h"
#include "vm/disasm.h"
#include "vm/index.h"

#include "tests/unit/test.h"
#include "tests/diff/random.h"

enum { FACTS_PER_POLICY = 500, DIAGRAM_EVERY = 50 };
#ifdef WEIR_ASAN
enum { DEFAULT_PAIRS = 40 * 1000 };
#else
enum { DEFAULT_PAIRS = 1000 * 1000 };
#endif

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
static const uint8_t addresses[][16] = {
	{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1, [15] = 2},
	{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 2, [15] = 2},
	{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168, [14] = 1, [15] = 7},
	{[15] = 1},
	{0x20, 0x01, 0x0d, 0xb8, [15] = 9},
};
static const char *const actions[] = {
	"sql",        "sql.read", "sql.select", "sql.basics", "sql.write",
	"sql.update", "sql.ddl",  "sql.drop",   "connect",    "sql.unparsed"};
static const enum action leaves[] = {ACTION_SQL_SELECT, ACTION_SQL_UPDATE, ACTION_SQL_DROP,
				     ACTION_SQL_BEGIN, ACTION_SQL_UNPARSED, ACTION_SQL_INSERT};
static const char *const times[] = {"00:00", "09:00", "12:30", "17:00", "23:59"};
static const char *const compares[] = {"=", "!=", "<", "<=", ">", ">="};

/* ---- Policies ---- */

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

static void
gen_policy(struct buf *b)
{
	unsigned n_lets = rnd(4), n_rules = 1 + rnd(12);

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
}

/* ---- Facts ---- */

struct scene {
	struct facts f;
	struct slice sets[FACT_COUNT][3];
	struct data_use uses[4];
	struct row_value row[VM_MAX_ROW_COLUMNS];
	char digits[VM_MAX_ROW_COLUMNS][8];
};

static void
gen_uses_of(struct scene *s)
{
	static const char *const schemas[] = {"app", "people", ""};
	static const char *const tables[] = {"orders", "stock", "contacts", "people", ""};
	static const char *const use_columns[] = {"id", "pan", "email", "card_number", "price", ""};

	s->f.n_uses = rnd(5);
	s->f.uses = s->uses;
	s->f.uses_known = rnd(4) > 0;
	for (size_t i = 0; i < s->f.n_uses; i++) {
		struct data_use *u = &s->uses[i];

		u->schema = slice_str(PICK(schemas));
		u->table = slice_str(PICK(tables));
		u->column = slice_str(PICK(use_columns));
		u->contexts = (uint16_t) (1u << rnd(N_CONTEXTS));
		if (rnd(4) == 0)
			u->contexts |= CONTEXT_BIT(WHOLE_ROW);
	}
}

static void
gen_row(struct scene *s, const struct image *img)
{
	static const char *const texts[] = {"1", "2", "t", "f", "orders", "", "os"};

	s->f.row = rnd(10) ? s->row : NULL;
	for (size_t i = 0; i < img->n_row_columns; i++) {
		struct row_value *v = &s->row[i];

		*v = (struct row_value){.known = rnd(4) > 0};
		if (!v->known)
			continue;
		v->s = slice_str(PICK(texts));
		v->is_int = rnd(2);
		if (v->is_int) {
			v->i = rnd(3) ? PICK(numbers) : (int64_t) rnd(1000) - 300;
			snprintf(s->digits[i], sizeof(s->digits[i]), "%d", (int) v->i);
			v->s = slice_str(s->digits[i]);
		}
	}
	for (size_t i = 0; i < img->n_row_columns; i++)
		for (size_t k = 0; k < REF_ROW_COLUMNS; k++)
			if (slice_is(img->row_columns[i], ref_row_columns[k]))
				ref_row_order[k] = i;
}

static void
gen_facts(struct scene *s)
{
	uint32_t unknown = rnd(3) ? 8 : 2; /* one in so many */

	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact id = (enum fact) i;

		facts_unknown(&s->f, id);
		if (rnd(unknown) == 0)
			continue;
		switch (fact_info[i].type) {
		case TYPE_BOOL:
			facts_bool(&s->f, id, rnd(2));
			break;
		case TYPE_INT:
			facts_int(&s->f, id, rnd(6));
			break;
		case TYPE_TIME: {
			static const int64_t at[] = {0, 9 * 3600, 12 * 3600 + 1800, 50000, 86399};

			facts_int(&s->f, id, PICK(at));
			break;
		}
		case TYPE_STRING:
			facts_string(&s->f, id, slice_str(PICK(words)));
			break;
		case TYPE_SET: {
			size_t n = rnd(4);

			for (size_t k = 0; k < n; k++)
				s->sets[i][k] = slice_str(i == FACT_COLUMNS ? PICK(columns)
									    : PICK(idps));
			facts_set(&s->f, id, s->sets[i], n);
			break;
		}
		case TYPE_ADDRESS:
			facts_address(&s->f, id, PICK(addresses));
			break;
		case TYPE_ACTION:
			facts_int(&s->f, id, PICK(leaves));
			break;
		default:
			facts_int(&s->f, id, rnd((uint32_t) enum_count(fact_info[i].type)));
		}
	}
	/* As an engine fills them in, every other time. */
	if (rnd(2) && s->f.v[FACT_TABLE].known) {
		struct slice t = s->f.v[FACT_TABLE].s;
		const uint8_t *dot = t.n ? memchr(t.p, '.', t.n) : NULL;

		if (dot)
			facts_string(&s->f, FACT_SCHEMA, slice_of(t.p, (size_t) (dot - t.p)));
	}
	gen_uses_of(s);
}

/* ---- The comparison ---- */

/* Of an image the diagram's code runs, or the list, of which an index may leave out some. */
enum way { WAY_DIAGRAM, WAY_INDEX, WAY_LIST, WAY_COUNT };
static const char *const way_names[] = {"diagram", "list and index", "list"};

static bool
agrees(const struct image *img, enum vm_entry e, const struct facts *f, enum way way,
       const struct ref_decision *want, struct decision *got)
{
	struct image limited = *img;
	const struct image_entry *entry = &img->entry[e];

	if (way > WAY_DIAGRAM)
		limited.entry[e].n_diagram = 0;
	if (way > WAY_INDEX)
		limited.entry[e].index = NULL;
	vm_decide(&limited, e, f, got);
	if (e < ENTRY_RESULT &&
	    ((int) got->verdict != want->verdict || got->by_default != want->by_default)) {
		printf("# %s, %s: verdict %d (default %d), reference %d (default %d)\n",
		       entry_info[e].name, way_names[way], (int) got->verdict, got->by_default,
		       want->verdict, want->by_default);
		return false;
	}
	for (size_t i = 0; i < img->n_rules; i++)
		if (decision_has(got, i) != want->matched[i]) {
			printf("# %s, %s: rule %zu %s, and not in the other\n", entry_info[e].name,
			       way_names[way], i,
			       want->matched[i] ? "matches in the reference"
						: "matches in the machine");
			return false;
		}
	if (got->ops > entry->cost)
		printf("# %s, %s: %u instructions, at most %u were promised\n", entry_info[e].name,
		       way_names[way], got->ops, entry->cost);
	return got->ops <= entry->cost;
}

static uint64_t ways, to_list;

/* No test stands twice on the way that the facts take through the diagram, and the machine takes
 * the same. */
static bool
only_once(const struct image *img, enum vm_entry e, const struct facts *f,
	  const struct decision *got)
{
	static struct dcode_way way;

	if (!dcode_way_of(img, e, f, &way)) {
		printf("# %s: instructions %zu and %zu of the diagram test the same\n",
		       entry_info[e].name, way.first, way.again);
		return false;
	}
	ways++;
	to_list += way.to_list;
	if (way.to_list ? way.ops < got->ops : way.ops == got->ops)
		return true;
	printf("# %s: the diagram takes %u instructions, the machine %u\n", entry_info[e].name,
	       way.ops, got->ops);
	return false;
}

static bool
agree(const struct image *img, const struct policy *p, const struct facts *f, enum vm_entry e,
      struct diagram_check *diagram)
{
	struct ref_decision want;
	struct decision got;

	if (e == ENTRY_CONNECT)
		ref_connect(p, f, &want);
	else if (e == ENTRY_COMMAND)
		ref_command(p, f, &want);
	else if (e == ENTRY_RESULT)
		ref_result(p, f, &want);
	else if (e == ENTRY_ROW)
		ref_row(p, f, &want);
	else if (e == ENTRY_WATCH)
		ref_watch(p, f, &want);
	else
		ref_watch_connect(p, f, &want);
	for (int way = WAY_COUNT - 1; way >= 0; way--)
		if (!agrees(img, e, f, (enum way) way, &want, &got))
			return false;
	if (img->entry[e].n_diagram && !only_once(img, e, f, &got))
		return false;
	return !diagram || diagram_check(diagram, f, e, &got);
}

/* What explains a decision has rules and verdict from its clauses, one by one. */
static bool
explains(const struct image *img, const struct checked *p, const struct facts *f, enum vm_entry e,
	 struct arena *arena)
{
	struct explained x;
	struct decision got;

	vm_decide(img, e, f, &got);
	explain(p, img, e, f, arena, &x);
	for (size_t i = 0; i < x.n; i++) {
		const struct explained_rule *r = &x.rules[i];
		bool matches = decision_has(&got, i);

		if (r->matches != matches && !(r->only_may && r->rule->kind == VM_HOLD))
			return false;
		if (r->matches != (r->considered && r->failing == 0))
			return false;
	}
	return x.decision.verdict == got.verdict && x.decision.by_default == got.by_default;
}

static void
print_case(const struct buf *text, const struct image *img)
{
	struct buf out = {0};

	buf_put_slice(&out, buf_slice(text));
	if (img)
		vm_disasm(&out, img);
	for (const char *line = (const char *) out.p; line < (const char *) out.p + out.n;) {
		const char *end = memchr(line, '\n', (size_t)((const char *)out.p + out.n - line));
		int n = end ? (int) (end - line) : (int) ((const char *) out.p + out.n - line);

		printf("#   %.*s\n", n, line);
		line += n + 1;
	}
	buf_fini(&out);
}

static uint64_t verdicts[3], matched, witnesses, indexed;
static uint64_t with_op[OP_COUNT]; /* diagrams that have it */

/* These policies are so small that the machine would run all of each. */
static void
make_indexes(struct image *img, struct arena *arena)
{
	bool too_big;

	for (int e = 0; e < ENTRY_COUNT; e++) {
		img->entry[e].index = vm_index_build(img, (enum vm_entry) e, 1, arena, &too_big);
		indexed += img->entry[e].index != NULL;
	}
}

static void
count_ops(const struct image *img)
{
	for (int e = 0; e < ENTRY_COUNT; e++) {
		const struct image_entry *entry = &img->entry[e];
		bool has[OP_COUNT] = {0};

		for (size_t i = 0; i < entry->n_diagram; i++)
			has[entry->diagram[i].op] = true;
		for (int op = 0; op < OP_COUNT; op++)
			with_op[op] += has[op];
	}
}

static void
one_policy(uint64_t *pairs)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct buf text = {0}, bytes = {0};
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct slice s;
	struct compile_options options = {.text = &s};
	struct image_error err = {0};
	struct image *img = NULL;
	struct policy *p;
	struct checked *checked;
	struct scene scene;
	struct diagram_check diagram;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	gen_policy(&text);
	s = arena_copy(&arena, buf_slice(&text));
	if (!compile_policy_checked("random.weir", &arena, &q, &bytes, &options, &p, &checked)) {
		diag_report(&q);
		print_case(&text, NULL);
		test_failures++;
	} else if (!(img = image_load(&arena, buf_slice(&bytes), &trust, &err))) {
		printf("# %s\n", err.text);
		print_case(&text, NULL);
		test_failures++;
	} else if (!diagram_check_init(&diagram, &arena, img)) {
		print_case(&text, img);
		test_failures++;
	}
	for (const struct diag *d = q.first; d; d = d->next)
		if (d->id == DIAG_WRONG_DIAGRAM) {
			diag_report(&q);
			print_case(&text, NULL);
			test_failures++;
		}
	if (img)
		count_ops(img);
	if (img && rnd(2))
		make_indexes(img, &arena);
	if (img && !test_failures && !diagram_check_witnesses(&diagram, &witnesses)) {
		print_case(&text, img);
		test_failures++;
	}
	for (int i = 0; img && i < FACTS_PER_POLICY && !test_failures; i++) {
		struct decision d;

		gen_facts(&scene);
		gen_row(&scene, img);
		for (int e = ENTRY_CONNECT; e < ENTRY_COUNT; e++)
			if (!agree(img, p, &scene.f, (enum vm_entry) e,
				   i % DIAGRAM_EVERY ? NULL : &diagram) ||
			    (i % 64 == 0 &&
			     !explains(img, checked, &scene.f, (enum vm_entry) e, &arena))) {
				print_case(&text, img);
				test_failures++;
				break;
			}
		vm_decide(img, ENTRY_COMMAND, &scene.f, &d);
		verdicts[d.verdict]++;
		matched += !d.by_default;
		(*pairs)++;
	}
	buf_fini(&text);
	buf_fini(&bytes);
	arena_fini(&arena);
}

static void
the_machine_agrees_with_the_reference(void)
{
	const char *seed = getenv("DIFF_SEED"), *want = getenv("DIFF_PAIRS");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : 20261125, pairs = 0, start;
	uint64_t limit = want ? strtoull(want, NULL, 0) : DEFAULT_PAIRS;

	state = first ? first : 1;
	start = clock_mono_ns();
	while (pairs < limit && !test_failures)
		one_policy(&pairs);
	printf("# seed %llu: %llu pairs, %.0f a second; allow %llu, hold %llu, deny %llu; some rule "
	       "matched in %llu; %llu witnesses; %llu decisions by diagrams, %llu of them left to the "
	       "list\n",
	       (unsigned long long) first, (unsigned long long) pairs,
	       (double) pairs * 1e9 / (double) (clock_mono_ns() - start),
	       (unsigned long long) verdicts[0], (unsigned long long) verdicts[1],
	       (unsigned long long) verdicts[2], (unsigned long long) matched,
	       (unsigned long long) witnesses, (unsigned long long) ways,
	       (unsigned long long) to_list);
	/* A generator that makes only one verdict would prove nothing. */
	for (int v = 0; v < 3; v++)
		CHECK(verdicts[v] > pairs / 50);
	CHECK(witnesses > pairs / FACTS_PER_POLICY);
	CHECK(ways > pairs && to_list > ways / 100 && to_list < ways * 3 / 4);
	for (int op = OP_KNOWN; op < OP_END && pairs >= 200 * FACTS_PER_POLICY; op++)
		CHECK(with_op[op] > 0);
	CHECK(indexed > pairs / FACTS_PER_POLICY / 2);
}

TEST_MAIN(TEST(the_machine_agrees_with_the_reference))
