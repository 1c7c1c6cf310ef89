/* SPDX-License-Identifier: MIT
 *
 * weir dis: an image, or the image a policy would become, as text; with --source beside what it was
 * made of.
 */
#include "cli/cli.h"
#include "cli/policy.h"
#include "vm/disasm.h"
#include "vm/verify.h"

#include <stdio.h>

static const char help[] =
	"usage: weir dis [--source] FILE\n\n"
	"Prints what a policy compiles to: its groups, targets, data classes and rules, and the\n"
	"instructions of each entry point. FILE is policy text or an image.\n\n"
	"  command-entry line:  12  action-in action {sql.drop}; false -> 15; unknown is true\n"
	"  means: test whether the action is in the set; when the outcome is false go to 15, else to\n"
	"  13; an action that is not known counts as being in it.\n\n"
	"Where an entry point has a diagram, that runs first, and the list where it says `list`.\n\n"
	"  --source   before the instructions of a rule and of each of its clauses the lines of the\n"
	"             text that they come from; in a diagram before each match that of its rule\n\n"
	"Exit code: 0 done, 1 the policy does not compile or the image is refused, 2 usage.\n";

/* Where the text stands to which instructions were put already. */
struct source_notes {
	struct cli_policy *p;
	enum vm_entry entry;
	size_t next;               /* instruction that begins the next rule */
	int rule;                  /* whose instructions come, or -1 */
	const struct clause *last; /* whose text was put */
	uint32_t file, line;       /* that was put last */
};

/* The rule that the instructions from `at` on are for: the first that they come to. */
static int
rule_at(const struct image_entry *e, size_t at, size_t *next)
{
	for (; at < e->n; at++)
		if (e->code[at].op == OP_MATCH || e->code[at].op == OP_MAY) {
			*next = at + 1;
			return e->code[at].arg;
		}
	*next = e->n;
	return -1;
}

/* Lines from that of `at` to that of its end. */
static void
put_lines(struct source_notes *n, struct buf *out, struct span at)
{
	struct position from = source_position(&n->p->sources, at);
	struct position to = source_position(
		&n->p->sources, (struct span){at.file, at.off + (at.len ? at.len - 1 : 0), 0});

	for (uint32_t line = from.line; line <= to.line; line++) {
		struct slice s = source_line(&n->p->sources, at.file, line);

		if (at.file == n->file && line == n->line)
			continue;
		n->file = at.file;
		n->line = line;
		while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\r'))
			s.n--;
		buf_puts(out, "          ; ");
		buf_put_visible(out, slice_str(from.source->path));
		buf_printf(out, ":%u: ", line);
		buf_put_visible(out, s);
		buf_putc(out, '\n');
	}
}

static bool
has_test(const struct cond *c, const struct insn *in, const struct image *img)
{
	for (const struct cond *i = c->kind == COND_TEST ? NULL : c->first; i; i = i->next)
		if (has_test(i, in, img))
			return true;
	if (c->kind != COND_TEST || c->op != (enum opcode) in->op || c->constant != in->arg)
		return false;
	if (vm_op_reads_row(in->op))
		return slice_eq(img->constants[c->column].string, img->row_columns[in->fact]);
	return c->fact == FACT_COUNT || c->fact == (enum fact) in->fact;
}

static bool
is_condition(const struct clause *c)
{
	return c->kind <= CLAUSE_UNLESS;
}

/* The clause that the test comes from. They stand in the order of the text, so it is the one before
 * or one behind it. NULL: the guard of a protocol. */
static const struct clause *
clause_of(const struct source_notes *n, const struct insn *in)
{
	const struct checked_rule *r = &n->p->checked->rules[n->rule];
	const struct cond *c = r->clauses->first;
	bool seen = n->last == NULL;

	for (const struct clause *cl = r->ast->clauses; cl; cl = cl->next) {
		if (!is_condition(cl))
			continue;
		assert(c != NULL);
		seen = seen || cl == n->last;
		if (seen && has_test(c, in, n->p->image))
			return cl;
		c = c->next;
	}
	return NULL;
}

static void
put_source(void *ctx, struct buf *out, enum vm_entry e, size_t at)
{
	struct source_notes *n = ctx;
	const struct image_entry *entry = &n->p->image->entry[e];
	const struct insn *in = image_insn(entry, at);
	const struct clause *cl;

	if (at >= entry->n) { /* of the diagram, where rules share tests */
		n->line = 0;
		if (in->op == OP_MATCH || in->op == OP_MAY)
			put_lines(n, out, n->p->checked->rules[in->arg].ast->name.at);
		return;
	}
	if (at == 0 || at == n->next) {
		n->entry = e;
		n->rule = rule_at(entry, at, &n->next);
		n->last = NULL;
		n->line = 0;
		if (n->rule >= 0)
			put_lines(n, out, n->p->checked->rules[n->rule].ast->name.at);
	}
	if (n->rule < 0 || in->op == OP_MATCH || in->op == OP_MAY || in->op == OP_END)
		return;
	cl = clause_of(n, in);
	if (!cl || cl == n->last)
		return;
	put_lines(n, out, cl->at);
	n->last = cl;
}

void
cli_dis_source(struct cli_policy *p, struct buf *out)
{
	struct source_notes notes = {.p = p};

	vm_disasm_noted(out, p->image, put_source, &notes);
}

int
cmd_dis(int argc, char **argv)
{
	struct cli_policy p = {0}, image = {0};
	const char *path = NULL;
	struct buf out = {0};
	bool source = false;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--source") == 0)
			source = true;
		else if (path || (argv[i][0] == '-' && argv[i][1]))
			return cli_usage_error("dis", "one file is asked for");
		else
			path = argv[i];
	}
	if (!path)
		return cli_usage_error("dis", "one file is asked for");
	code = source ? cli_policy_text(&p, &image, "dis", path, NULL)
		      : cli_policy_open(&p, "dis", path);
	if (code == EXIT_OK) {
		if (source)
			cli_dis_source(&p, &out);
		else
			vm_disasm_noted(&out, p.image, NULL, NULL);
		cli_print(&out);
		buf_fini(&out);
	}
	cli_policy_close(&p);
	cli_policy_close(&image);
	return code;
}
