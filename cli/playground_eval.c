/* SPDX-License-Identifier: MIT
 *
 * What the playground shows of a policy: what `weir check`, `test`, `dis --source` and `explain`
 * say, and a command decided as a policy's test is, its rows as the client would get them.
 */
#include "cli/playground.h"

#include "cli/check.h"
#include "cli/cli.h"
#include "cli/explain.h"

static const char policy_path[] = "policy.weir";

struct page {
	const char *schema;
	const char *catalog; /* the first that was asked for */
};

/* A catalog, whatever it is called, is the schema in the page; of several the first has it all. */
static bool
load_schema(void *ctx, struct arena *arena, const char *path, struct slice *text,
	    const char **error)
{
	struct page *page = ctx;
	const struct slice name = slice_str(path), end = SLICE_LIT(".weir");

	*error = "the playground reads no files; what it needs stands in the page";
	if (name.n >= end.n && memcmp(name.p + name.n - end.n, end.p, end.n) == 0)
		return false;
	*error = "the schema in the page stands for it, and is empty";
	if (!page->catalog)
		page->catalog = arena_str(arena, name);
	*text = slice_str(strcmp(path, page->catalog) == 0 ? page->schema : "");
	return *page->schema;
}

static bool
compile(struct cli_policy *p, const struct playground_texts *t, const char *more)
{
	const struct slice text = slice_str(t->policy), declarations = slice_str(more);
	struct page page = {.schema = t->schema};
	const struct parse_loader loader = {
		.load = load_schema, .ctx = &page, .more = &declarations, .on_screen = true};
	const struct compile_options options = {.text = &text, .loader = &loader};

	return cli_policy_compile(p, "playground", policy_path, &options, true) == EXIT_OK;
}

static void
put_text(struct buf *out, const char *name, struct slice text)
{
	buf_printf(out, ", \"%s\": ", name);
	buf_json_string(out, text);
}

static void
put_tests(const struct cli_policy *p, struct buf *out)
{
	struct buf report = {0};
	struct test_counts n = cli_policy_test(p, false, &report);

	buf_printf(out, ", \"tests\": {\"passed\": %u, \"failed\": %u", n.passed, n.failed);
	put_text(out, "report", buf_slice(&report));
	buf_putc(out, '}');
	buf_fini(&report);
}

static void
put_bytecode(struct cli_policy *p, struct buf *out)
{
	struct buf text = {0};

	cli_dis_source(p, &text);
	put_text(out, "bytecode", buf_slice(&text));
	buf_fini(&text);
}

static void
put_rule(struct buf *out, const struct image *img, size_t rule, bool first)
{
	const struct image_rule *r = &img->rules[rule];

	buf_printf(out, "%s{\"rule\": ", first ? "" : ", ");
	buf_json_string(out, r->name);
	buf_printf(out, ", \"kind\": \"%s\", \"line\": %u, \"column\": %u}",
		   vm_rule_info[r->kind].name, r->span.line, r->span.column);
}

static void
put_deciders(struct buf *out, const struct run *r, const struct decision *d)
{
	bool first = true, masked = r->use_rule >= 0;

	buf_puts(out, ", \"deciding\": [");
	if (masked && !r->n_use_rules)
		put_rule(out, r->img, (size_t) r->use_rule, true);
	for (uint8_t i = 0; i < r->n_use_rules; i++)
		put_rule(out, r->img, r->use_rules[i], i == 0);
	for (int i = decision_next_deciding(r->img, d, -1); i >= 0 && !masked && !r->refusal;
	     i = decision_next_deciding(r->img, d, i)) {
		put_rule(out, r->img, (size_t) i, first);
		first = false;
	}
	buf_printf(out, "], \"by_default\": %s",
		   d->by_default && !masked && !r->refusal ? "true" : "false");
}

static void
put_cell(struct buf *out, struct run *r, const struct cell *c)
{
	struct buf value = {0};
	bool null = false;
	int rule = run_cell(r, c, &null, &value);

	buf_puts(out, "{\"column\": ");
	buf_json_string(out, slice_str(c->name.s));
	if (rule == RUN_NO_OUTPUT) {
		buf_puts(out, ", \"missing\": true");
	} else {
		buf_puts(out, ", \"value\": ");
		if (null)
			buf_puts(out, "null");
		else
			buf_json_string(out, buf_slice(&value));
	}
	if (rule == RUN_FOUND)
		buf_puts(out, ", \"found\": true");
	if (rule >= 0)
		put_text(out, "masked_by", r->img->rules[rule].name);
	buf_putc(out, '}');
	buf_fini(&value);
}

static void
put_rows(struct buf *out, struct run *r)
{
	buf_puts(out, ", \"rows\": [");
	run_bind_masks(r);
	for (const struct test_row *row = r->t->rows; row; row = row->next) {
		int dropped = run_row(r, row);

		buf_puts(out, row == r->t->rows ? "{\"dropped_by\": " : ", {\"dropped_by\": ");
		if (dropped >= 0)
			buf_json_string(out, r->img->rules[dropped].name);
		else
			buf_puts(out, "null");
		buf_puts(out, ", \"cells\": [");
		for (const struct cell *c = dropped < 0 ? row->cells : NULL; c; c = c->next) {
			put_cell(out, r, c);
			buf_puts(out, c->next ? ", " : "");
		}
		buf_puts(out, "]}");
	}
	buf_putc(out, ']');
}

static void
put_explanation(struct buf *out, const struct explanation *x)
{
	struct buf text = {0};

	explain_print_text(x, &text, false);
	put_text(out, "explanation", buf_slice(&text));
	buf_puts(out, ", \"explain\": ");
	explain_print_json(x, out);
	buf_fini(&text);
}

static void
put_command(struct cli_policy *p, const struct playground_texts *t, struct buf *out)
{
	struct explanation x;
	struct run r;

	explain_test(&x, p, &r, *t->sql ? slice_str(t->sql) : (struct slice){0});
	put_explanation(out, &x);
	if (*t->sql && p->catalog && !r.with_catalog && r.sql->status == SQL_OK)
		buf_puts(out, ", \"without_schema\": true");
	if (!*t->sql)
		r.verdict = x.verdict;
	buf_printf(out, ", \"verdict\": \"%s\"", vm_rule_info[r.verdict].name);
	put_deciders(out, &r, *t->sql ? &r.joined : &x.of_effect[0].decision);
	if (r.refusal)
		put_text(out, "refusal", slice_str(r.refusal));
	else if (r.use_rule >= 0)
		put_text(out, "refusal", SLICE_LIT("a masked column is used other than as output"));
	if (r.sql->status != SQL_OK && r.sql->error.n)
		put_text(out, "statement", r.sql->error);
	if (*t->sql && r.verdict != VERDICT_DENY)
		put_rows(out, &r);
	run_close(&r);
}

/* Lines of rows as clauses of a test; the parentheses may be left out. */
static const char *
row_clauses(struct arena *arena, const char *rows)
{
	struct buf b = {0};
	const char *text;

	for (size_t n; *rows; rows += n + (rows[n] == '\n')) {
		const char *row = rows + strspn(rows, " \t\r");

		n = strcspn(rows, "\n");
		if (row >= rows + n)
			continue;
		buf_printf(&b, *row == '(' ? "  row %.*s\n" : "  row (%.*s)\n",
			   (int) (rows + n - row), row);
	}
	buf_putc(&b, 0);
	assert(!b.failed);
	text = arena_str(arena, slice_str((const char *) b.p));
	buf_fini(&b);
	return text;
}

/* What the policy is warned of was told with it, and nothing is warned of in a command. */
static void
leave_out_warnings(struct diag_queue *q)
{
	struct diag **at = &q->first;

	q->n_warnings = 0;
	q->last = NULL;
	while (*at)
		if ((*at)->severity == DIAG_ERROR) {
			q->last = *at;
			at = &(*at)->next;
		} else {
			*at = (*at)->next;
		}
}

/* The policy again with the command as its last test: what is wrong there is not wrong with it. */
static void
put_command_of(const struct playground_texts *t, const char *catalog, struct arena *arena,
	       struct buf *out)
{
	struct slice test = explain_test_text(arena, t->principal, t->on,
					      row_clauses(arena, t->rows));
	struct cli_policy p;
	bool good = compile(&p, t, arena_printf(arena, "%.*s%s", SLICE_ARG(test), catalog));

	leave_out_warnings(&p.diags);
	buf_puts(out, ", \"command\": ");
	diag_print_json(&p.diags, out);
	if (good)
		put_command(&p, t, out);
	cli_policy_close(&p);
}

void
playground_eval(const struct playground_texts *t, struct buf *out)
{
	const char *catalog = *t->schema ? "catalog \"schema.sql\"\n" : "";
	struct cli_policy p;
	struct arena arena;
	bool good;

	arena_init(&arena, 0);
	good = compile(&p, t, catalog);
	check_look_into(&p, false);
	buf_puts(out, "{\"check\": ");
	diag_print_json(&p.diags, out);
	if (good) {
		put_tests(&p, out);
		put_bytecode(&p, out);
		if (*t->principal && *t->on)
			put_command_of(t, catalog, &arena, out);
	}
	buf_puts(out, "}\n");
	cli_policy_close(&p);
	arena_fini(&arena);
}
