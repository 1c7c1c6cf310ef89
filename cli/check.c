/* SPDX-License-Identifier: MIT
 *
 * weir check: all that the compiler has to say about a policy.
 */
#include "cli/check.h"
#include "cli/cli.h"
#include "compiler/diag_page.h"
#include "compiler/findings.h"
#include "compiler/sarif.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
	"usage: weir check FILE [--format text|json|sarif] [--strict] [--fix] [--fix-also CODE]\n"
	"       weir check --explain CODE\n\n"
	"Reads a policy and reports everything that is wrong or doubtful about it, with places,\n"
	"stable codes and, where possible, what to do. Nothing is written without --fix.\n\n"
	"  --format json    one JSON object with all findings; --json is the same\n"
	"  --format sarif   SARIF 2.1.0, for code review tools\n"
	"  --strict         also rules that no test expects, and all data that somebody sees as it\n"
	"                   is though no `prove only` says who may\n"
	"  --fix            apply what findings suggest where that is as good as certain: a name that\n"
	"                   is one slip away from a declared one, look-alike and invisible\n"
	"                   characters, declarations that nothing uses, rules that never decide.\n"
	"                   Says what it did, then what is left. Suggestions that overlap are left\n"
	"                   alone. Files are replaced whole; doing it twice is the same as once.\n"
	"  --fix-also CODE  also what findings of this code (or several: W1202,W1220) offer as one of\n"
	"                   several things that can be meant, such as `not self`; --explain says what\n"
	"  --explain CODE   what a code such as E0402 means, what to do, and an example\n\n"
	"Exit code: 0 clean (--fix: by now), 1 findings, 2 usage or trouble with a file.\n";

/* CODE[,CODE...] */
static int
parse_codes(const char *list, struct check_args *a)
{
	while (*list) {
		size_t n = strcspn(list, ",");
		enum diag_id id = diag_find(slice_of(list, n));

		if (id == DIAG_COUNT || diag_edits(id) != EDIT_ASKED)
			return cli_usage_error("check", "no edit has to be asked for of '%.*s'; "
					       "docs/diagnostics/ says of which", (int) n, list);
		a->asked.of[id] = true;
		list += n + (list[n] == ',');
	}
	a->fix = true;
	return EXIT_OK;
}

static int
parse_format(const char *name, struct check_args *a)
{
	static const char *const formats[] = {"text", "json", "sarif"};

	for (size_t f = 0; f < COUNT_OF(formats); f++)
		if (strcmp(name, formats[f]) == 0) {
			a->format = (enum check_format) f;
			return EXIT_OK;
		}
	return cli_usage_error("check", "no format '%s': text, json or sarif", name);
}

static int
parse_args(int argc, char **argv, struct check_args *a)
{
	int code = EXIT_OK;

	for (int i = 1; i < argc && code == EXIT_OK; i++) {
		if (strcmp(argv[i], "--format") == 0 && i + 1 < argc) {
			code = parse_format(argv[++i], a);
		} else if (strcmp(argv[i], "--fix-also") == 0 && i + 1 < argc) {
			code = parse_codes(argv[++i], a);
		} else if (strcmp(argv[i], "--json") == 0) {
			a->format = FORMAT_JSON;
		} else if (strcmp(argv[i], "--explain") == 0 && i + 1 < argc) {
			a->code = argv[++i];
		} else if (strcmp(argv[i], "--fix") == 0) {
			a->fix = true;
		} else if (strcmp(argv[i], "--strict") == 0) {
			a->strict = true;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			return cli_option_error("check", argv[i], "--format --explain --fix-also");
		} else if (a->path) {
			return cli_usage_error("check", "one file at a time");
		} else {
			a->path = argv[i];
		}
	}
	if (code != EXIT_OK)
		return code;
	if (a->code && a->path)
		return cli_usage_error("check", "--explain is about a code, not about a file");
	if (!a->path && !a->code)
		return cli_usage_error("check", "which file?");
	if (a->fix && a->path && strcmp(a->path, "-") == 0)
		return cli_usage_error("check", "--fix rewrites files, and '-' is none");
	return EXIT_OK;
}

void
check_look_into(struct cli_policy *p, bool strict)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct image_error err;

	if (!diag_ok(&p->diags) || !p->tree)
		return;
	p->image = image_load(&p->arena, buf_slice(&p->bytes), &trust, &err);
	if (p->image)
		findings(&p->diags, p->tree, p->image, &p->arena, strict);
	else
		diag_note(&p->diags, diag(&p->diags, IMAGE_REFUSED, p->tree->name.at, err.text),
			  SPAN_NONE,
			  "the policy's own text is part of the image: take apart what is many "
			  "policies");
}

static int
check(struct cli_policy *p, const struct check_args *a)
{
	struct compile_options options = {0};
	struct slice text;

	if (!cli_read_file("check", a->path, &p->arena, &text))
		return EXIT_USAGE;
	options.text = &text;
	if (a->fix)
		return check_fix(p, a, text);
	if (!compile_policy(a->path, &p->arena, &p->diags, &p->bytes, &options, &p->tree))
		assert(p->diags.n_errors > 0);
	check_look_into(p, a->strict);
	return EXIT_OK;
}

/* Where a finding says what is wrong and not what to do: its page does, with an example. */
static void
point_to_page(const struct diag_queue *q)
{
	const struct diag *d = q->first;

	while (d && d->notes)
		d = d->next;
	if (d)
		fprintf(stderr, "`weir check --explain %s` tells more\n", diag_code(d->id));
}

static void
print(struct diag_queue *q, enum check_format format)
{
	struct buf out = {0};

	if (format == FORMAT_JSON)
		diag_print_json(q, &out);
	else if (format == FORMAT_SARIF)
		sarif_print(q, WEIR_VERSION, &out);
	else
		diag_report(q);
	if (format == FORMAT_TEXT)
		point_to_page(q);
	cli_print(&out);
	buf_fini(&out);
}

static int
explain(const char *code)
{
	struct slice page = diag_page(code);
	struct buf out = {0};

	if (!page.n) {
		fprintf(stderr, "weir check: no diagnostic has the code '%s'; docs/diagnostics/ lists "
				"them\n", code);
		return EXIT_USAGE;
	}
	diag_page_print(page, &out, diag_colour(STDOUT_FILENO));
	cli_print(&out);
	buf_fini(&out);
	return EXIT_OK;
}

int
cmd_check(int argc, char **argv)
{
	struct check_args a = {0};
	struct cli_policy p = {0};
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code != EXIT_OK)
		return code;
	if (a.code)
		return explain(a.code);
	arena_init(&p.arena, 0);
	sources_init(&p.sources, &p.arena);
	diag_init(&p.diags, &p.sources, &p.arena);
	code = check(&p, &a);
	if (code == EXIT_OK) {
		print(&p.diags, a.format);
		code = p.diags.n_errors + p.diags.n_warnings ? EXIT_NEGATIVE : EXIT_OK;
	}
	cli_policy_close(&p);
	return code;
}
