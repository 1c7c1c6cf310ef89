/* SPDX-License-Identifier: MIT
 *
 * What a regular expression comes to: how large its automaton is, and the shortest texts that it
 * takes and does not take.
 */
#include "lsp/lsp_internal.h"

#include "compiler/partition.h"
#include "compiler/regex.h"

enum { WORK = 1 << 20 }; /* of what takes longer nothing is said */

/* A text that it takes, or does not; NULL: there is none. */
static const struct class *
example(const struct partition *p, bool taken)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->classes[i].possible && partition_has(p, i, 0) == taken)
			return &p->classes[i];
	return NULL;
}

static void
put_example(struct buf *b, const struct partition *p, bool taken)
{
	const struct class *c = example(p, taken);
	const char *what = taken ? "It matches" : "It does not match";

	if (!c)
		buf_printf(b, "\n\n%s any text.", taken ? "It does not match" : "It matches");
	else if (c->text.n == 0)
		buf_printf(b, "\n\n%s the empty text.", what);
	else
		buf_printf(b, "\n\n%s `%.*s`.", what, SLICE_ARG(c->text));
}

const char *
lsp_about_regex(struct arena *arena, struct slice literal)
{
	size_t work = WORK;
	struct slice pattern, options;
	struct regex dfa;
	struct regex_error err;
	struct partition *p;
	struct buf b = {0};
	const char *out;

	if (!regex_split(literal, &pattern, &options) || !pattern.n ||
	    (options.n && !slice_is(options, "i")) ||
	    regex_compile(arena, pattern, options.n > 0, &work, &dfa, &err) != REGEX_OK)
		return NULL;
	p = partition_new(arena, &(struct pattern){.text = literal, .regex = &dfa}, 1,
			  PARTITION_STRINGS);
	if (!p)
		return NULL;
	buf_printf(&b, "Regular expression, found anywhere in the text%s; its automaton has %u state%s.",
		   options.n ? ", letters in either case" : "", dfa.n_states,
		   dfa.n_states == 1 ? "" : "s");
	put_example(&b, p, true);
	put_example(&b, p, false);
	out = arena_str(arena, buf_slice(&b));
	buf_fini(&b);
	return out;
}
