/* SPDX-License-Identifier: MIT
 *
 * The scripts. In each: the command first, then what the option before takes, then the options or
 * the words and files of the command.
 */
#include "cli/completion.h"

/* In single quotes, with a backslash before `escape`; fish takes \' inside them, others do not. */
static void
quote(struct buf *out, const char *text, char escape)
{
	buf_putc(out, '\'');
	for (; *text; text++)
		if (*text == '\'')
			buf_puts(out, escape == '\\' ? "\\'" : "'\\''");
		else if (*text == escape)
			buf_printf(out, "\\%c", escape);
		else
			buf_putc(out, (uint8_t) *text);
	buf_putc(out, '\'');
}

/* The cases of a command: what follows each option that takes an argument. */
static void
cases(struct buf *out, const struct completion_command *c, const char *values, const char *files)
{
	for (size_t i = 0; i < c->n_options; i++) {
		const struct completion_option *o = &c->options[i];

		if (!o->takes)
			continue;
		buf_printf(out, "\t\t%s) ", o->name);
		if (*o->values)
			buf_printf(out, values, o->values);
		buf_printf(out, "%s ;;\n", *o->values ? "" : o->file ? files : "return");
	}
}

static void
put_names(struct buf *out, const struct completion_command *c)
{
	for (size_t i = 0; i < c->n_options; i++)
		buf_printf(out, "%s%s", i ? " " : "", c->options[i].name);
}

void
completion_bash(struct buf *out, const struct completion_command *v, size_t n)
{
	buf_puts(out, "# bash completion for weir, written by `weir completion bash`.\n"
		      "_weir()\n{\n"
		      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		      "\tlocal words= options= first=\n\n"
		      "\tCOMPREPLY=()\n"
		      "\tif ((COMP_CWORD == 1)); then\n\t\tmapfile -t COMPREPLY < <(compgen -W \"");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s ", v[i].name);
	buf_puts(out, "--help --version\" -- \"$cur\")\n\t\treturn\n\tfi\n"
		      "\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\t%s)\n\t\toptions=\"", v[i].name);
		put_names(out, &v[i]);
		buf_printf(out, "\" first=\"%s\"\n\t\tcase $prev in\n", v[i].words);
		cases(out, &v[i], "words=\"%s\"", "first=");
		buf_puts(out, "\t\t*) [[ $cur == -* ]] && words=$options ;;\n\t\tesac\n\t\t;;\n");
	}
	buf_puts(out, "\tesac\n"
		      "\t[[ -z $words && $COMP_CWORD -eq 2 ]] && words=$first\n"
		      "\tif [[ -n $words ]]; then\n"
		      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
		      "\telse\n"
		      "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
		      "\tfi\n}\n"
		      "complete -o filenames -F _weir weir\n");
}

void
completion_zsh(struct buf *out, const struct completion_command *v, size_t n)
{
	buf_puts(out, "#compdef weir\n"
		      "# zsh completion for weir, written by `weir completion zsh`.\n"
		      "_weir() {\n\tlocal -a found first\n\n"
		      "\tif (( CURRENT == 2 )); then\n\t\tfound=(\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\t\t\t%s:", v[i].name);
		quote(out, v[i].sentence, ':');
		buf_putc(out, '\n');
	}
	buf_puts(out, "\t\t)\n\t\t_describe command found\n\t\treturn\n\tfi\n"
		      "\tcase $words[2] in\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\t%s)\n\t\tfirst=(%s)\n\t\tfound=(\n", v[i].name, v[i].words);
		for (size_t k = 0; k < v[i].n_options; k++) {
			buf_printf(out, "\t\t\t%s:", v[i].options[k].name);
			quote(out, v[i].options[k].about, ':');
			buf_putc(out, '\n');
		}
		buf_puts(out, "\t\t)\n\t\tcase $words[CURRENT-1] in\n");
		cases(out, &v[i], "compadd %s; return", "_files; return");
		buf_puts(out, "\t\tesac\n\t\t;;\n");
	}
	buf_puts(out, "\tesac\n"
		      "\tif [[ $words[CURRENT] == -* ]]; then\n\t\t_describe option found\n"
		      "\telif (( CURRENT == 3 && $#first )); then\n\t\tcompadd $first\n"
		      "\telse\n\t\t_files\n\tfi\n}\n_weir \"$@\"\n");
}

static void
fish_option(struct buf *out, const struct completion_command *c, const struct completion_option *o)
{
	buf_printf(out, "complete -c weir -n '__fish_seen_subcommand_from %s' %s %s", c->name,
		   o->name[1] == '-' ? "-l" : "-s", o->name + (o->name[1] == '-' ? 2 : 1));
	if (*o->values)
		buf_printf(out, " -x -a '%s'", o->values);
	else if (o->takes)
		buf_puts(out, o->file ? " -r -F" : " -x");
	buf_puts(out, " -d ");
	quote(out, o->about, '\\');
	buf_putc(out, '\n');
}

void
completion_fish(struct buf *out, const struct completion_command *v, size_t n)
{
	buf_puts(out, "# fish completion for weir, written by `weir completion fish`.\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "complete -c weir -f -n __fish_use_subcommand -a %s -d ", v[i].name);
		quote(out, v[i].sentence, '\\');
		buf_putc(out, '\n');
		if (*v[i].words)
			buf_printf(out, "complete -c weir -f -n '__fish_seen_subcommand_from %s; and "
					"not __fish_seen_subcommand_from %s' -a '%s'\n",
				   v[i].name, v[i].words, v[i].words);
		for (size_t k = 0; k < v[i].n_options; k++)
			fish_option(out, &v[i], &v[i].options[k]);
	}
}
