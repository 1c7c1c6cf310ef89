/* SPDX-License-Identifier: MIT
 *
 * Regular expressions in conditions: each different one is made an automaton of once, and what is
 * wrong with it is shown where in it that stands.
 */
#include "compiler/check_internal.h"

#include "compiler/regex.h"

#include <xxhash.h>

enum { N_LISTS = 1 << 12 }; /* of those that are known, so that ten thousand of them stay cheap */
enum { MAX_WORK = 1 << 23, MAX_WORK_OF_ALL = 1 << 27 }; /* places looked at: 50 ms, 0.8 s */

struct known_regex {
	struct known_regex *next;
	struct slice text;
	struct regex dfa; /* n_states 0: it is none */
	uint32_t constant;
};

static struct span
part(struct span whole, size_t at, size_t n)
{
	return (struct span){whole.file, whole.off + (uint32_t) at, (uint32_t) n};
}

static void
report(struct check *c, const struct expr *e, enum regex_status status,
       const struct regex_error *err)
{
	struct span at = part(e->at, 1 + err->at, err->n);
	struct diag *d;

	if (status == REGEX_LARGE) {
		d = diag(c->q, REGEX_LARGE, e->at,
			 c->regex_work >= MAX_WORK_OF_ALL
				 ? "those of the policy take too long together"
				 : "it would take more than 4096 states, or 65535 places to go on");
		diag_note(c->q, d, SPAN_NONE,
			  "a long repetition of what overlaps with what is before it multiplies "
			  "states: anchor it with ^, or repeat it less");
		return;
	}
	d = status == REGEX_WRONG ? diag(c->q, REGEX_WRONG, at, err->what)
				  : diag(c->q, REGEX_UNSUPPORTED, at, err->what);
	if (err->hint)
		diag_note(c->q, d, SPAN_NONE, "%s", err->hint);
}

/* Between the slashes; *fold: the only option that there is. */
static bool
take_apart(struct check *c, const struct expr *e, struct slice *pattern, bool *fold)
{
	struct slice options;
	struct diag *d;

	if (!regex_split(e->string, pattern, &options))
		return false; /* not closed, and reported */
	*fold = options.n > 0;
	if (*fold && !slice_is(options, "i")) {
		d = diag(c->q, REGEX_UNSUPPORTED,
			 part(e->at, e->string.n - options.n, options.n), "such option");
		diag_note(c->q, d, SPAN_NONE, "the only one is i: letters of either case");
		return false;
	}
	if (pattern->n == 0) {
		d = diag(c->q, REGEX_WRONG, e->at, "an empty pattern, which every text matches");
		diag_note(c->q, d, SPAN_NONE, "a comment begins with #");
		return false;
	}
	return true;
}

static struct known_regex **
list_of(struct check *c, struct slice text)
{
	if (!c->regexes)
		c->regexes = ARENA_ARRAY(c->arena, struct known_regex *, N_LISTS);
	return &c->regexes[XXH3_64bits(text.p, text.n) % N_LISTS];
}

static struct known_regex *
find(struct check *c, const struct expr *e)
{
	size_t had = MAX_WORK_OF_ALL - c->regex_work, work = had < MAX_WORK ? had : MAX_WORK;
	size_t left = work;
	struct known_regex **list = list_of(c, e->string), *k = *list;
	struct regex_error err;
	struct slice pattern;
	enum regex_status status;
	bool fold;

	while (k && !slice_eq(k->text, e->string))
		k = k->next;
	if (k)
		return k;
	k = ARENA_NEW(c->arena, struct known_regex);
	k->text = e->string;
	k->next = *list;
	*list = k;
	if (!take_apart(c, e, &pattern, &fold))
		return k;
	status = regex_compile(c->arena, pattern, fold, &left, &k->dfa, &err);
	c->regex_work += work - left;
	if (status != REGEX_OK)
		report(c, e, status, &err);
	else
		k->constant = constant_regex(c->constants, k->text, &k->dfa);
	return k;
}

const struct regex *
check_regex(struct check *c, const struct expr *e, uint32_t *constant)
{
	const struct known_regex *k = find(c, e);

	*constant = k->constant;
	return k->dfa.n_states ? &k->dfa : NULL;
}
