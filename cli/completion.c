/* SPDX-License-Identifier: MIT
 *
 * weir completion: scripts that complete commands, options and their values in a shell. What there
 * is to complete is read out of what each command says of itself with --help, so that nothing is
 * declared twice:
 *
 *   usage: weir NAME word ...     the command takes this word first
 *   --option ARGUMENT             with an argument; FILE, FOLDER, IMAGE, KEYFILE, POLICY are files
 *   --option a|b|c                its values; also as the first word of its description
 *     --option ARGUMENT  text     a description
 */
#include "cli/completion.h"

#include "base/arena.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"usage: weir completion bash|zsh|fish\n\n"
	"Prints a script that completes commands, options and their values in a shell. `ninja install`\n"
	"puts all three where the shells look for them; by hand:\n\n"
	"  bash   source <(weir completion bash)\n"
	"  zsh    weir completion zsh >\"${fpath[1]}/_weir\"\n"
	"  fish   weir completion fish >~/.config/fish/completions/weir.fish\n\n"
	"Exit code: 0 printed, 2 usage.\n";

static const struct {
	const char *name, *sentence;
	int (*run)(int argc, char **argv);
} commands[] = {
#define COMMAND(function, name, sentence) {name, sentence, cmd_##function},
#include "cli/commands.def"
#undef COMMAND
};

static const struct {
	const char *name;
	void (*print)(struct buf *out, const struct completion_command *v, size_t n);
} shells[] = {
	{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish},
};

/* ---- Reading help ---- */

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Bytes of an option's name at p, with its dashes; 0: there is none. */
static size_t
option_length(const char *p)
{
	size_t n = 2;

	if (p[0] != '-')
		return 0;
	if (p[1] != '-')
		return is_lower(p[1]) && !is_lower(p[2]) && p[2] != '-' ? 2 : 0;
	while (is_lower(p[n]) || (p[n] == '-' && n > 2))
		n++;
	return n > 2 ? n : 0;
}

/* Bytes of `a|b|c` at p, 0 if there is no bar in it. */
static size_t
alternatives_length(const char *p)
{
	size_t n = 0;
	bool bar = false;

	while (is_lower(p[n]) || (n > 0 && (p[n] == '|' || p[n] == '-') && is_lower(p[n + 1]))) {
		bar = bar || p[n] == '|';
		n++;
	}
	return bar ? n : 0;
}

static struct completion_option *
option_of(struct completion_command *c, struct arena *arena, struct slice name)
{
	struct completion_option *o;

	for (size_t i = 0; i < c->n_options; i++)
		if (slice_is(name, c->options[i].name))
			return &c->options[i];
	assert(c->n_options < COMPLETION_MAX_OPTIONS);
	o = &c->options[c->n_options++];
	*o = (struct completion_option){arena_str(arena, name), "", "", false, false};
	return o;
}

static void
set_values(struct completion_option *o, struct arena *arena, const char *p, size_t n)
{
	char *values = arena_str(arena, slice_of(p, n));

	for (char *v = values; *v; v++)
		if (*v == '|')
			*v = ' ';
	o->values = values;
	o->takes = true;
}

/* What follows the option's name: one space and an argument, or nothing. Returns its end. */
static const char *
read_argument(struct completion_option *o, struct arena *arena, const char *p)
{
	static const char *const files[] = {"FILE", "FOLDER", "IMAGE", "KEYFILE", "POLICY"};
	size_t n;

	if (*p != ' ')
		return p;
	n = alternatives_length(p + 1);
	if (n) {
		set_values(o, arena, p + 1, n);
		return p + 1 + n;
	}
	while (is_upper(p[1 + n]))
		n++;
	if (n == 0 || is_lower(p[1 + n]))
		return p;
	o->takes = true;
	for (size_t i = 0; i < COUNT_OF(files); i++)
		o->file = o->file || slice_is(slice_of(p + 1, n), files[i]);
	return p + 1 + n;
}

/* A line that starts with options and then tells about them. */
static void
read_description(struct completion_command *c, struct arena *arena, const char *line, size_t n)
{
	const char *text = line + 2, *end = line + n;
	struct completion_option *found[4];
	size_t n_found = 0, length;

	while ((length = option_length(text)) && n_found < COUNT_OF(found)) {
		found[n_found] = option_of(c, arena, slice_of(text, length));
		text = read_argument(found[n_found++], arena, text + length);
		text += strncmp(text, ", ", 2) == 0 ? 2 : 0;
	}
	text += strspn(text, " ");
	length = alternatives_length(text);
	for (size_t i = n_found; i-- > 0;) {
		/* The first of several lines about an option is the one about all of it. */
		if (!*found[i]->about && text < end)
			found[i]->about = arena_str(arena, slice_of(text, (size_t) (end - text)));
		if (length)
			set_values(found[i], arena, text, length);
		/* -c, --config FILE: what the last takes, all take. */
		found[i]->takes = found[n_found - 1]->takes;
		found[i]->file = found[n_found - 1]->file;
		found[i]->values = found[n_found - 1]->values;
	}
}

static bool
has_word(const char *words, const char *word, size_t n)
{
	for (const char *p = words; *p; p += strcspn(p, " "), p += *p == ' ')
		if (strcspn(p, " ") == n && memcmp(p, word, n) == 0)
			return true;
	return false;
}

/* The word behind `weir NAME` of a line of the usage. */
static void
read_usage(struct completion_command *c, struct arena *arena, const char *line)
{
	const char *p = arena_printf(arena, "weir %s ", c->name), *word = line + 7 + strlen(p);
	size_t n = 0;

	if (strncmp(line + 7, p, strlen(p)) != 0)
		return;
	while (is_lower(word[n]) || word[n] == '|' || (n > 0 && word[n] == '-'))
		n++;
	if (n == 0 || !strchr(" \n", word[n]) || has_word(c->words, word, n))
		return;
	p = arena_printf(arena, "%s%s%.*s", c->words, *c->words ? " " : "", (int) n, word);
	for (char *bar = strchr(p, '|'); bar; bar = strchr(bar, '|'))
		*bar = ' ';
	c->words = p;
}

/* Every option that stands in a line, with its argument. */
static void
read_options(struct completion_command *c, struct arena *arena, const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t length = i > 0 && strchr(" [(", line[i - 1]) ? option_length(line + i) : 0;

		if (length > 2 || (length && i == 2))
			read_argument(option_of(c, arena, slice_of(line + i, length)), arena,
				      line + i + length);
	}
}

static void
read_help(struct completion_command *c, struct arena *arena, const char *text)
{
	bool usage = true;

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		usage = usage && n > 7;
		if (usage)
			read_usage(c, arena, line);
		if (usage || strncmp(line, "  -", 3) == 0)
			read_options(c, arena, line, n);
		if (!usage && strncmp(line, "  -", 3) == 0)
			read_description(c, arena, line, n);
		line += n + (line[n] == '\n');
	}
	option_of(c, arena, SLICE_LIT("--help"))->about = "what it does and takes";
}

/* What the command prints with --help, which the caller frees. */
static char *
help_of(const char *name, int (*run)(int argc, char **argv))
{
	char word[64], option[] = "--help", *argv[] = {word, option, NULL}, *text = NULL;
	FILE *out = stdout;
	size_t n;

	snprintf(word, sizeof(word), "%s", name);
	stdout = open_memstream(&text, &n);
	assert(stdout != NULL);
	(void) run(2, argv);
	fclose(stdout);
	stdout = out;
	assert(text != NULL);
	return text;
}

int
cmd_completion(int argc, char **argv)
{
	static struct completion_command v[COUNT_OF(commands)];
	struct arena arena;
	struct buf out = {0};
	size_t shell = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	if (argc != 2)
		return cli_usage_error("completion", "which shell?");
	while (shell < COUNT_OF(shells) && strcmp(argv[1], shells[shell].name) != 0)
		shell++;
	if (shell == COUNT_OF(shells))
		return cli_usage_error("completion", "no script for '%s'", argv[1]);
	arena_init(&arena, 0);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		char *text = help_of(commands[i].name, commands[i].run);

		v[i] = (struct completion_command){
			.name = commands[i].name, .sentence = commands[i].sentence, .words = ""};
		read_help(&v[i], &arena, text);
		free(text);
	}
	shells[shell].print(&out, v, COUNT_OF(commands));
	assert(!out.failed);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	arena_fini(&arena);
	return EXIT_OK;
}
