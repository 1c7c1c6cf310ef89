/* SPDX-License-Identifier: MIT
 *
 * Declarations and tests: every name once, every name that is used there, what this version cannot
 * do refused. Rules are checked in check_rule.c.
 */
#include "compiler/actions.h"
#include "compiler/check_internal.h"
#include "vm/match.h"

#include <ctype.h>

const struct group_decl *
check_group_at(const struct check *c, int i)
{
	return c->lists[LIST_GROUPS].decl[i];
}

const struct target_decl *
check_target_at(const struct check *c, int i)
{
	return c->lists[LIST_TARGETS].decl[i];
}

/* Its position; -1 when there is none of that name. */
static int
use(struct check *c, enum decl_kind kind, const char *name, bool *used)
{
	int i = check_find(c, kind, name);

	if (i >= 0)
		used[i] = true;
	return i;
}

int
check_use_group(struct check *c, const char *name, struct span at)
{
	int i = use(c, LIST_GROUPS, name, c->groups);

	if (i < 0)
		check_suggest_declared(c, diag(c->q, UNKNOWN_GROUP, at, name), name, LIST_GROUPS);
	return i;
}

int
check_use_target(struct check *c, const char *name, struct span at)
{
	int i = use(c, LIST_TARGETS, name, c->targets);

	if (i < 0)
		check_suggest_declared(c, diag(c->q, UNKNOWN_TARGET, at, name), name, LIST_TARGETS);
	return i;
}

int
check_use_data(struct check *c, const char *name, struct span at)
{
	int i = use(c, LIST_DATA, name, c->data);

	if (i < 0)
		check_suggest_declared(c, diag(c->q, UNKNOWN_DATA, at, name), name, LIST_DATA);
	return i;
}

bool
check_use_action(struct check *c, const char *name, struct span at, struct action_set *set)
{
	const char **names, *full;
	struct action_set ignored = {0};
	struct diag *d;
	size_t n = 0;

	if (action_set_of(slice_str(name), set))
		return true;
	d = diag(c->q, UNKNOWN_ACTION, at, name);
	full = arena_printf(c->arena, "sql.%s", name);
	if (action_set_of(slice_str(full), &ignored)) {
		diag_note(c->q, d, SPAN_NONE, "did you mean '%s'?", full);
		diag_edit(c->q, d, at, "%s", full);
		return false;
	}
	names = ARENA_ARRAY(c->arena, const char *, ACTION_COUNT + n_action_groups);
	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		names[n++] = action_info[a].name;
	for (size_t i = 0; i < n_action_groups; i++)
		names[n++] = action_groups[i].name;
	check_suggest(c, d, name, names, n);
	return false;
}

static void
check_declarations(struct check *c)
{
	static const char *const protocols[] = {"postgres"};
	const struct policy *p = c->p;

	if (!p->name.s && !span_is_none(p->at))
		diag(c->q, NO_POLICY, p->at);
	for (const struct group_decl *g = p->groups; g; g = g->next)
		if (g->source.s && strcmp(g->source.s, "idp") != 0)
			diag(c->q, UNKNOWN_SOURCE, g->source.at, g->source.s);
	for (const struct target_decl *t = p->targets; t; t = t->next)
		if (t->protocol.s &&
		    enum_find(TYPE_ENUM_PROTOCOL, slice_str(t->protocol.s)) < 0)
			check_suggest(c,
				      diag(c->q, UNKNOWN_PROTOCOL, t->protocol.at, t->protocol.s),
				      t->protocol.s, protocols, COUNT_OF(protocols));
	check_data(c);
	check_catalog(c);
}

bool
check_is_function(struct slice s)
{
	const uint8_t *open = memchr(s.p, '(', s.n), *dot = memchr(s.p, '.', s.n);

	return s.n && open && dot && dot > s.p && dot + 1 < open && s.p[s.n - 1] == ')';
}

bool
check_is_digest(struct slice s)
{
	static const char prefix[] = "sha256:";
	size_t n = sizeof(prefix) - 1;

	if (s.n != n + 64 || memcmp(s.p, prefix, n) != 0)
		return false;
	for (size_t i = n; i < s.n; i++)
		if (!memchr("0123456789abcdef", s.p[i], 16))
			return false;
	return true;
}

static void
report_digest(struct check *c, const struct trust_decl *t)
{
	struct diag *d = diag(c->q, BAD_DIGEST, t->digest.at);
	char *lower = arena_str(c->arena, t->digest.v);

	for (char *p = lower; *p; p++)
		*p = (char) tolower((unsigned char) *p);
	if (check_is_digest(slice_str(lower)))
		diag_edit(c->q, d, t->digest.at, "\"%s\"", lower);
}

static void
check_trusts(struct check *c)
{
	for (const struct trust_decl *t = c->p->trusts; t; t = t->next) {
		if (!check_is_function(t->function.v))
			diag(c->q, BAD_FUNCTION, t->function.at, SLICE_ARG(t->function.v));
		if (!check_is_digest(t->digest.v))
			report_digest(c, t);
	}
	check_trusts_once(c);
}

/* Actions that a rule is about; *always: whoever asks, wherever and whenever. */
static struct action_set
actions_of(const struct rule *r, bool *always)
{
	struct action_set out = {0};

	*always = true;
	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		action_leaves(a, &out);
	for (const struct clause *cl = r->clauses; cl; cl = cl->next) {
		struct action_set named = {0};

		*always = *always && cl->kind != CLAUSE_WHO && cl->kind != CLAUSE_ON &&
			  cl->kind != CLAUSE_WHEN && cl->kind != CLAUSE_UNLESS;
		if (cl->kind != CLAUSE_DO)
			continue;
		for (const struct ref *a = cl->names; a; a = a->next)
			if (!action_set_of(slice_str(a->name.s), &named))
				return (struct action_set){0}; /* an error, which is told */
		out.w[0] &= named.w[0];
		out.w[1] &= named.w[1];
	}
	return out;
}

static void
note_actions(struct check *c, struct diag *d, const char *whom, const struct action_set *all,
	     const struct action_set *but)
{
	const struct action_set left = {{all->w[0] & ~but->w[0], all->w[1] & ~but->w[1]}};
	struct buf text = {0};

	if (left.w[0] || left.w[1]) {
		actions_put(&text, &left);
		assert(!text.failed);
		diag_note(c->q, d, SPAN_NONE, "%s: %.*s", whom, SLICE_ARG(buf_slice(&text)));
	}
	buf_fini(&text);
}

/* What `default allow` opens. */
static void
note_opened(struct check *c, struct diag *d)
{
	struct action_set all = {0}, spoken = {0}, decided = {0};

	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		action_leaves(a, &all);
	for (const struct rule *r = c->p->rules; r; r = r->next) {
		struct action_set of;
		bool always;

		if (r->shadow || (r->kind != RULE_ALLOW && r->kind != RULE_DENY &&
				  r->kind != RULE_HOLD))
			continue;
		of = actions_of(r, &always);
		for (int i = 0; i < 2; i++) {
			spoken.w[i] |= of.w[i];
			decided.w[i] |= always ? of.w[i] : 0;
		}
	}
	note_actions(c, d, "to everybody", &all, &spoken);
	note_actions(c, d, "where no rule matches", &spoken, &decided);
}

static bool
check_default(struct check *c)
{
	const struct default_decl *d = c->p->defaults;
	struct diag *opens;

	if (!d)
		return false;
	if (d->next)
		diag_edit(c->q, diag(c->q, DEFAULT_TWICE, d->next->at), d->next->at, "%s", "");
	if (d->verdict.s && strcmp(d->verdict.s, "allow") != 0) {
		struct diag *bad = diag(c->q, BAD_DEFAULT, d->verdict.at);

		if (strcmp(d->verdict.s, "deny") == 0)
			diag_edit(c->q, bad, d->at, "%s", "");
		return false;
	}
	opens = diag(c->q, DEFAULT_ALLOW, d->at);
	diag_offer(c->q, opens, d->at, "%s", "");
	note_opened(c, opens);
	return true;
}

static void
check_expect(struct check *c, const struct expect *e)
{
	if (!e->by.s || strcmp(e->by.s, "default") == 0 || check_find(c, LIST_RULES, e->by.s) >= 0)
		return;
	check_suggest_declared(c, diag(c->q, UNKNOWN_RULE, e->by.at, e->by.s), e->by.s, LIST_RULES);
}

/* By its name here, or in the configuration: that one is a string. */
static void
check_test_target(struct check *c, const struct name *name)
{
	struct diag *d;

	if (use(c, LIST_TARGETS, name->s, c->targets) >= 0)
		return;
	d = diag(c->q, UNKNOWN_TARGET, name->at, name->s);
	check_suggest_declared(c, d, name->s, LIST_TARGETS);
	for (const struct target_decl *t = c->p->targets; t; t = t->next)
		if (t->glob.v.p && match_glob(t->glob.v, slice_str(name->s))) {
			diag_note(c->q, d, SPAN_NONE,
				  "a target of the configuration stands in quotes: on \"%s\"", name->s);
			return;
		}
}

static void
check_test(struct check *c, const struct test_decl *t)
{
	const char *kinds[USER_KIND_COUNT], *facts[FACT_COUNT];

	if (t->kind.s && enum_find(TYPE_ENUM_USER_KIND, slice_str(t->kind.s)) < 0) {
		for (int i = 0; i < USER_KIND_COUNT; i++)
			kinds[i] = enum_name(TYPE_ENUM_USER_KIND, i);
		check_suggest(c, diag(c->q, UNKNOWN_VALUE, t->kind.at, "user.kind", t->kind.s),
			      t->kind.s, kinds, USER_KIND_COUNT);
	}
	for (const struct ref *g = t->groups; g; g = g->next)
		(void) check_use_group(c, g->name.s, g->name.at);
	if (t->target.s)
		check_test_target(c, &t->target);
	for (const struct cell *f = t->facts; f; f = f->next) {
		if (!f->name.s || fact_find(slice_str(f->name.s)) >= 0)
			continue;
		for (int i = 0; i < FACT_COUNT; i++)
			facts[i] = fact_info[i].name;
		check_suggest(c, diag(c->q, UNKNOWN_FACT, f->name.at, f->name.s), f->name.s, facts,
			      FACT_COUNT);
	}
	for (const struct expect *e = t->expects; e; e = e->next)
		check_expect(c, e);
}

/* Nothing but this file can have a use for what it declares; of an import, others may. */
static void
report_unused(struct check *c, const char *what, const struct name *name, struct span decl)
{
	struct diag *d = diag(c->q, UNUSED, name->at, what, name->s);

	if (decl.file == c->p->at.file)
		diag_edit(c->q, d, decl, "%s", "");
}

/* All names are looked up, so that all mistakes are reported. */
static void
check_proof(struct check *c, const struct prove_decl *k)
{
	struct action_set set = {0};

	for (const struct ref *g = k->groups; g; g = g->next)
		(void) check_use_group(c, g->name.s, g->name.at);
	for (const struct ref *d = k->data; d; d = d->next) {
		int data = check_use_data(c, d->name.s, d->name.at);

		/* What only detectors find, nothing can be proved of. */
		if (data >= 0)
			check_uses_data(c, data, d->name.at);
	}
	for (const struct ref *a = k->actions; a; a = a->next)
		(void) check_use_action(c, a->name.s, a->name.at, &set);
	if (action_set_has(&set, ACTION_CONNECT))
		diag(c->q, PROOF_CONNECT, k->at);
}

static void
warn_unused(struct check *c)
{
	const struct policy *p = c->p;
	int i = 0;

	for (const struct group_decl *g = p->groups; g; g = g->next, i++)
		if (!c->groups[i])
			report_unused(c, "group", &g->name, g->at);
	i = 0;
	for (const struct target_decl *t = p->targets; t; t = t->next, i++)
		if (!c->targets[i])
			report_unused(c, "target", &t->name, t->at);
	i = 0;
	for (const struct data_decl *d = p->data; d; d = d->next, i++)
		if (!c->data[i])
			report_unused(c, "data class", &d->name, d->at);
	i = 0;
	for (const struct let_decl *l = p->lets; l; l = l->next, i++)
		if (!c->lets[i].used)
			report_unused(c, "let", &l->name, l->at);
}

static void
check_rules(struct check *c, struct checked *out)
{
	size_t n = 0;
	bool opens = out->default_allow;

	for (const struct rule *r = c->p->rules; r; r = r->next)
		n++;
	out->rules = ARENA_ARRAY(c->arena, struct checked_rule, n);
	for (const struct rule *r = c->p->rules; r; r = r->next) {
		if (out->n_rules == VM_MAX_RULES) {
			diag_note(c->q, diag(c->q, TOO_MANY_RULES, r->name.at, n, VM_MAX_RULES),
				  SPAN_NONE,
				  "rules that differ in a name only can be one: `when table in "
				  "{\"a\", \"b\"}`, `who a, b`");
			return;
		}
		opens |= !r->shadow && (r->kind == RULE_ALLOW || r->kind == RULE_HOLD);
		check_rule(c, r, &out->rules[out->n_rules++]);
	}
	/* Of what could not be read nobody knows what it would have allowed. */
	if (!opens && c->p->name.s && c->whole)
		diag(c->q, NO_ALLOW, c->p->name.at);
}

struct checked *
check_policy(const struct policy *p, struct arena *arena, struct diag_queue *q)
{
	struct check c = {.arena = arena, .q = q, .p = p, .whole = diag_ok(q)};
	struct checked *out = ARENA_NEW(arena, struct checked);

	check_list_names(&c);
	c.constants = constants_new(arena);
	c.groups = ARENA_ARRAY(arena, bool, c.lists[LIST_GROUPS].n + 1);
	c.targets = ARENA_ARRAY(arena, bool, c.lists[LIST_TARGETS].n + 1);
	c.data = ARENA_ARRAY(arena, bool, c.lists[LIST_DATA].n + 1);
	c.lets = ARENA_ARRAY(arena, struct let_state, c.lists[LIST_LETS].n + 1);
	out->ast = p;
	out->constants = c.constants;
	check_names(&c);
	check_lookalikes(&c);
	check_declarations(&c);
	check_trusts(&c);
	out->default_allow = check_default(&c);
	check_lets(&c);
	check_rules(&c, out);
	check_lookups(&c);
	for (const struct test_decl *t = p->tests; t; t = t->next)
		check_test(&c, t);
	for (const struct prove_decl *k = p->proofs; k; k = k->next)
		check_proof(&c, k);
	check_catalog_names(&c, out);
	/* After an error, what it hid may be the use. */
	if (diag_ok(q))
		warn_unused(&c);
	return out;
}
