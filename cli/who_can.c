/* SPDX-License-Identifier: MIT
 *
 * weir who-can and what-can: which rules let somebody do something, and under which conditions. Of
 * each rule that decides there: the few cases in which it matches, and what stronger rules take
 * away.
 */
#include "cli/cli.h"
#include "cli/who_can.h"
#include "compiler/diag.h"
#include "compiler/known.h"
#include "vm/match.h"

#include <stdio.h>

static const char who_help[] =
	"usage: weir who-can FILE \"ACTION, ... [on OBJECT]\" [--json]\n\n"
	"Says who may do it, at once or after approval, and under which conditions. OBJECT is a\n"
	"target of the policy, or a table (a name without a schema is one in public). FILE is policy\n"
	"text or an image. For every rule that lets somebody: a line for each case in which it\n"
	"matches, and the cases in which a stronger rule decides instead.\n\n"
	"  weir who-can orders.weir \"sql.ddl on orders\"\n\n"
	"`connect` is asked for by itself: who may open a session. What could let a command in it go\n"
	"on opens it. What a deny or hold says of that is an exception of the other answers: \"but to\n"
	"connect\". It is asked once; a session goes on when the time for opening it is over.\n\n"
	"  --json   one object: answers with verdict, rule, conditions and exceptions; in shut_out the\n"
	"           rules of which no session ever makes use, by the rules that open none\n\n"
	"Exit code: 0 answered (also: nobody), 1 the policy does not compile or is too entangled,\n"
	"2 usage.\n";

static const char what_help[] =
	"usage: weir what-can FILE NAME [--in GROUP,...] [--kind KIND] [--on TARGET] [--json]\n\n"
	"Says what the principal may do, at once or after approval, on what, and under which\n"
	"conditions. GROUP and TARGET are names of the policy, KIND is human, service or agent (if\n"
	"absent: any). A GROUP in quotes is one of the identity provider, which rules may ask for as\n"
	"a member of user.groups. Nobody is in a group that is not named. FILE is policy text or an\n"
	"image. Of sessions only what is said of them: who may do something may connect, unless it\n"
	"says otherwise (\"but to connect\"). Then come the masks, drops and limits on it.\n\n"
	"  weir what-can orders.weir alice --in agents\n\n"
	"  --json   one object: answers with verdict, rule, conditions and exceptions; in shut_out the\n"
	"           rules of which no session ever makes use, by the rules that open none; restrictions\n\n"
	"Exit code: 0 answered (also: nothing), 1 the policy does not compile or is too entangled,\n"
	"2 usage.\n";

/* ---- What is asked for ---- */

static void
narrow(struct question *q, uint32_t root)
{
	q->scope = dd_and(q->s->dd, q->scope, root);
}

uint32_t
asked_value(const struct question *q, enum fact f, uint32_t value)
{
	return q->s->fact_var[f] ? dd_between(q->s->dd, q->s->fact_var[f] - 1, value, value + 1)
				 : DD_TRUE;
}

static void
narrow_actions(struct question *q, const struct action_set *set)
{
	uint32_t root = DD_FALSE;

	for (enum action a = 0; a < ACTION_COUNT; a++)
		if (action_set_has(set, a))
			root = dd_or(q->s->dd, root, asked_value(q, FACT_ACTION, a + 1u));
	narrow(q, root);
}

static void
narrow_string(struct question *q, enum fact f, struct slice s)
{
	if (q->s->fact_var[f])
		narrow(q, asked_value(q, f, 1 + (uint32_t) partition_find(q->s->facts[f].strings,
									   s)));
}

static bool
narrow_target(struct question *q, struct slice name)
{
	const struct domain *d = &q->s->facts[FACT_TARGET_NAME];
	uint32_t root = DD_FALSE;

	for (size_t i = 0; i < q->img->n_targets; i++) {
		const struct image_target *t = &q->img->targets[i];

		if (!slice_eq(t->name, name))
			continue;
		narrow(q, asked_value(q, FACT_TARGET_PROTOCOL, (uint32_t) t->protocol + 1));
		for (uint32_t c = 0; q->s->fact_var[FACT_TARGET_NAME] && c < d->n; c++)
			if (match_glob(t->pattern, d->values[c].s))
				root = dd_or(q->s->dd, root,
					     asked_value(q, FACT_TARGET_NAME, c + 1));
		if (q->s->fact_var[FACT_TARGET_NAME])
			narrow(q, root);
		return true;
	}
	return false;
}

/* False: the policy's catalog does not have it. */
static bool
narrow_table(struct question *q, struct slice name)
{
	const uint8_t *dot = memchr(name.p, '.', name.n);
	struct slice table = name;

	if (!dot)
		table = slice_str(arena_printf(q->s->arena, "public.%.*s", SLICE_ARG(name)));
	if (q->img->has_catalog && !known_table(&q->img, 1, table))
		return false;
	narrow_string(q, FACT_TABLE, table);
	narrow_string(q, FACT_SCHEMA,
		      slice_of(table.p, (size_t) ((const uint8_t *) memchr(table.p, '.', table.n) -
						  table.p)));
	return true;
}

/* Facts are known, but for those that many a command does not have. */
static uint32_t
all_known(const struct question *q)
{
	struct dd *d = q->s->dd;
	uint32_t root = DD_TRUE;

	for (uint32_t i = 0; i < q->s->n_vars; i++) {
		const struct space_var *v = &q->s->vars[i];
		bool fact = v->kind == SPACE_FACT && !space_may_lack(v->fact);

		if (v->kind == SPACE_USE)
			root = dd_without(d, root,
					  dd_between(d, i, SPACE_MAYBE_USED, SPACE_MAYBE_USED + 1));
		else if (fact)
			root = dd_without(d, root, dd_between(d, i, SPACE_UNKNOWN, 1));
	}
	return root;
}

static int
open_question(struct question *q, const char *command, const char *path)
{
	const struct image **images;
	const char *why;
	int code = cli_policy_open(&q->policy, command, path);

	if (code != EXIT_OK)
		return code;
	images = ARENA_ARRAY(&q->policy.arena, const struct image *, 1);
	images[0] = q->img = q->policy.image;
	q->s = space_new(&q->policy.arena, images, 1, &why);
	if (q->s && !(q->g = diagram_matches(q->s, 0)))
		why = "the rules, which depend on each other in too many ways";
	if (!q->g) {
		fprintf(stderr, "weir %s: too entangled to be asked: %s\n", command, why);
		return EXIT_NEGATIVE;
	}
	q->entry = ENTRY_COMMAND;
	q->scope = all_known(q);
	return EXIT_OK;
}

static int
close_question(struct question *q, int code)
{
	buf_fini(&q->out);
	buf_fini(&q->shut_out);
	cli_policy_close(&q->policy);
	return code;
}

/* ---- who-can ---- */

static struct slice
trim(struct slice s)
{
	while (s.n && memchr(" \t", s.p[0], 2)) {
		s.p++;
		s.n--;
	}
	while (s.n && memchr(" \t", s.p[s.n - 1], 2))
		s.n--;
	return s;
}

/* "sql.ddl, sql.select on orders" */
static int
no_action(struct slice name)
{
	const char *names[ACTION_COUNT], *near;
	size_t n = 0;

	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		names[n++] = action_info[a].name;
	near = diag_nearest(name, names, n);
	return cli_usage_error("who-can", "there is no action '%.*s'%s%s%s", SLICE_ARG(name),
			       near ? "; did you mean '" : "; `weir facts` lists them",
			       near ? near : "", near ? "'?" : "");
}

/* Opening a session is no command: it is asked about by itself. */
static int
narrow_doing(struct question *q, const struct action_set *set)
{
	if (!action_set_has(set, ACTION_CONNECT)) {
		narrow_actions(q, set);
		return EXIT_OK;
	}
	for (enum action a = 0; a < ACTION_COUNT; a++)
		if (a != ACTION_CONNECT && action_set_has(set, a))
			return cli_usage_error("who-can", "ask for connect by itself: it is about "
							  "sessions, the others about commands");
	q->entry = ENTRY_CONNECT;
	return EXIT_OK;
}

static int
read_who(struct question *q, const char *text)
{
	const char *on = strstr(text, " on ");
	struct slice actions = slice_of(text, on ? (size_t) (on - text) : strlen(text));
	struct action_set set = {0};
	int code;

	if (!trim(actions).n)
		return cli_usage_error("who-can", "who can do what?");
	while (actions.n) {
		const uint8_t *comma = memchr(actions.p, ',', actions.n);
		struct slice one =
			slice_of(actions.p, comma ? (size_t) (comma - actions.p) : actions.n);

		actions.p += one.n + (comma != NULL);
		actions.n -= one.n + (comma != NULL);
		one = trim(one);
		if (!action_set_of(one, &set))
			return no_action(one);
	}
	code = narrow_doing(q, &set);
	if (code == EXIT_OK && on) {
		struct slice object = trim(slice_str(on + 4));

		if (!object.n)
			return cli_usage_error("who-can", "on what?");
		if (!narrow_target(q, object) &&
		    (q->entry == ENTRY_CONNECT || !narrow_table(q, object)))
			return cli_usage_error("who-can", "'%.*s' is no target of the policy, and no "
							  "table of its catalog", SLICE_ARG(object));
	}
	return code;
}

int
cmd_who_can(int argc, char **argv)
{
	struct question q = {0};
	const char *words[2];
	int n = 0, code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(who_help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--json") == 0)
			q.json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_option_error("who-can", argv[i], "");
		else if (n == 2)
			return cli_usage_error("who-can", "one question at a time; quote it");
		else
			words[n++] = argv[i];
	}
	if (n != 2)
		return cli_usage_error("who-can", "a policy and a question are asked for");
	code = open_question(&q, "who-can", words[0]);
	if (code == EXIT_OK)
		code = read_who(&q, words[1]);
	if (code == EXIT_OK)
		code = asked_answer(&q, "who-can", "nobody");
	return close_question(&q, code);
}

/* ---- what-can ---- */

struct principal {
	const char *name, *kind, *target;
	const char *groups[64];
	size_t n_groups;
};

static int
narrow_groups(struct question *q, const struct principal *p)
{
	const struct domain *d = &q->s->facts[FACT_USER_GROUPS];
	bool *in = ARENA_ARRAY(q->s->arena, bool, d->n + 1);

	for (size_t i = 0; i < p->n_groups; i++) {
		struct slice name = slice_str(p->groups[i]);
		bool idp = name.n > 2 && name.p[0] == '"' && name.p[name.n - 1] == '"';
		int g = image_group_find(q->img, name);

		if (g < 0 && !idp)
			return cli_usage_error("what-can", "no group '%s' is declared (one of the identity "
					       "provider that has no\n  name in the policy stands in "
					       "quotes: '\"%s\"')", p->groups[i], p->groups[i]);
		name = idp ? slice_of(name.p + 1, name.n - 2) : q->img->groups[g].idp;
		if (d->used)
			in[partition_find(d->strings, name)] = true;
	}
	for (uint32_t i = 0; d->used && i < d->n; i++)
		narrow(q, dd_between(q->s->dd, q->s->member_var[FACT_USER_GROUPS] - 1 + i, in[i],
				     in[i] + 1u));
	return EXIT_OK;
}

static int
narrow_principal(struct question *q, const struct principal *p)
{
	int kind = p->kind ? enum_find(TYPE_ENUM_USER_KIND, slice_str(p->kind)) : 0;

	if (kind < 0)
		return cli_usage_error("what-can", "a principal is human, service or agent");
	if (p->kind)
		narrow(q, asked_value(q, FACT_USER_KIND, (uint32_t) kind + 1));
	if (p->target && !narrow_target(q, slice_str(p->target)))
		return cli_usage_error("what-can", "no target '%s' is declared", p->target);
	narrow_string(q, FACT_USER_NAME, slice_str(p->name));
	return narrow_groups(q, p);
}

static bool
read_groups(char *list, struct principal *p)
{
	char *rest = list;

	while (rest && *rest && p->n_groups < COUNT_OF(p->groups)) {
		p->groups[p->n_groups++] = rest;
		rest = strchr(rest, ',');
		if (rest)
			*rest++ = 0;
	}
	return !rest || !*rest;
}

int
cmd_what_can(int argc, char **argv)
{
	struct question q = {0};
	struct principal p = {0};
	const char *path = NULL;
	int code;

	for (int i = 1; i < argc; i++) {
		const char *more = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--help") == 0)
			return fputs(what_help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--json") == 0)
			q.json = true;
		else if (strcmp(argv[i], "--kind") == 0 && more)
			p.kind = argv[++i];
		else if (strcmp(argv[i], "--on") == 0 && more)
			p.target = argv[++i];
		else if (strcmp(argv[i], "--in") == 0 && more) {
			if (!read_groups(argv[++i], &p))
				return cli_usage_error("what-can", "more than 64 groups");
		} else if (argv[i][0] == '-' && argv[i][1])
			return cli_option_error("what-can", argv[i], "--kind --on --in");
		else if (p.name)
			return cli_usage_error("what-can", "one principal at a time");
		else if (path)
			p.name = argv[i];
		else
			path = argv[i];
	}
	if (!p.name)
		return cli_usage_error("what-can", "a policy and a principal's name are asked for");
	q.all = true;
	code = open_question(&q, "what-can", path);
	if (code == EXIT_OK)
		code = narrow_principal(&q, &p);
	if (code == EXIT_OK)
		code = asked_answer(&q, "what-can", "nothing");
	return close_question(&q, code);
}
