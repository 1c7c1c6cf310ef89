/* SPDX-License-Identifier: MIT
 *
 * Declarations, clauses and tests: nodes from tokens. Expressions are in build_expr.c.
 */
#include "compiler/build.h"

#include "policy.h"

/* The last token of what is being reduced: the one before the lookahead. */
static const struct token *
last_token(const struct builder *b)
{
	return &b->file->tokens.v[b->file->at ? b->file->at - 1 : 0];
}

static struct span
span_to_here(const struct builder *b, const struct token *from)
{
	return span_join(from->at, last_token(b)->at);
}

static struct name
name_of(const struct token *t)
{
	return (struct name){t->sym->s, t->at};
}

static struct text
text_of(const struct token *t)
{
	return t ? (struct text){t->string, t->at} : (struct text){.at = SPAN_NONE};
}

void
build_mark(struct builder *b, const struct token *t, enum token_role role)
{
	b->file->tokens.v[t - b->file->tokens.v].role = role;
}

/* Lists of nodes; `next` is the first member of each. */
struct node {
	struct node *next;
};

void *
list_append(struct builder *b, void *list, void *item)
{
	struct node *tail = b->list_head == list ? b->list_tail : list;

	if (!list)
		return item;
	while (tail->next)
		tail = tail->next;
	tail->next = item;
	b->list_head = list;
	b->list_tail = item;
	return list;
}

const struct token_list *
token_list_add(struct builder *b, const struct token_list *l, const struct token *t)
{
	struct token_list *item = ARENA_NEW(b->arena, struct token_list);

	item->token = t;
	return list_append(b, (void *) (uintptr_t) l, item);
}

enum { LIST_GROUPS, LIST_TARGETS, LIST_CATALOGS, LIST_DATA, LIST_LETS, LIST_RULES, LIST_DEFAULTS,
       LIST_TESTS, LIST_PROOFS, LIST_TRUSTS };

/* Appends to one of the policy's lists, whose head is *head. */
static void
declare(struct builder *b, int list, void *head, void *item)
{
	struct node **first = head;

	if (b->tails[list])
		((struct node *) b->tails[list])->next = item;
	else
		*first = item;
	b->tails[list] = item;
}

#define DECLARE(b, list, member, item) declare((b), LIST_##list, &(b)->policy->member, (item))

/* ---- Declarations ---- */

void
build_policy(struct builder *b, const struct token *k, const struct token *name,
	     const struct token *title)
{
	build_mark(b, k, ROLE_DECL);
	if (k != b->file->tokens.v)
		diag(b->q, POLICY_PLACE, k->at);
	if (b->file->outer) {
		struct diag *d = diag(b->q, IMPORT_IS_POLICY,
				      b->q->sources->files[b->file->file].imported, b->file->path);

		diag_note(b->q, d, k->at, "here it says so");
		return;
	}
	if (b->policy->name.s)
		return;
	b->policy->name = name_of(name);
	b->policy->title = text_of(title);
	b->policy->at = span_to_here(b, k);
}

void
build_group(struct builder *b, const struct token *k, const struct token *name,
	    const struct token *source, const struct token *value)
{
	struct group_decl *g = ARENA_NEW(b->arena, struct group_decl);

	build_mark(b, k, ROLE_DECL);
	*g = (struct group_decl){NULL, span_to_here(b, k), name_of(name), name_of(source),
				 text_of(value)};
	DECLARE(b, GROUPS, groups, g);
}

void
build_target(struct builder *b, const struct token *k, const struct token *name,
	     const struct token *protocol, const struct token *glob)
{
	struct target_decl *t = ARENA_NEW(b->arena, struct target_decl);

	build_mark(b, k, ROLE_DECL);
	*t = (struct target_decl){NULL, span_to_here(b, k), name_of(name), name_of(protocol),
				  text_of(glob)};
	DECLARE(b, TARGETS, targets, t);
}

void
build_catalog(struct builder *b, const struct token *k, const struct token *path)
{
	struct catalog_decl *c = ARENA_NEW(b->arena, struct catalog_decl);

	build_mark(b, k, ROLE_DECL);
	*c = (struct catalog_decl){NULL, span_to_here(b, k), text_of(path),
				   build_path(b, (const char *) path->string.p)};
	DECLARE(b, CATALOGS, catalogs, c);
}

void
build_data(struct builder *b, const struct token *k, const struct token *name,
	   struct data_item *items)
{
	struct data_decl *d = ARENA_NEW(b->arena, struct data_decl);

	build_mark(b, k, ROLE_DECL);
	*d = (struct data_decl){NULL, span_to_here(b, k), name_of(name), items};
	DECLARE(b, DATA, data, d);
}

/* One item of `column stem.{alternative, ...}`, or of `column stem`. */
static struct data_item *
column(struct builder *b, const struct token *k, const struct token *stem,
       const struct token *alternative)
{
	struct data_item *item = ARENA_NEW(b->arena, struct data_item);
	const struct token *last = alternative ? alternative : stem;
	struct slice whole = slice_str(alternative ? arena_printf(b->arena, "%s.%s", stem->sym->s,
								  alternative->sym->s)
						   : stem->sym->s);
	size_t end = whole.n;
	unsigned parts = 0;

	item->kind = DATA_COLUMN;
	item->at = alternative ? alternative->at : span_join(k->at, last->at);
	item->column = intern(&b->names, whole)->s;
	for (size_t i = whole.n + 1; i-- > 0;) {
		if (i > 0 && whole.p[i - 1] != '.')
			continue;
		if (parts < 3)
			item->parts[2 - parts] =
				intern(&b->names, slice_of(whole.p + i, end - i))->s;
		parts++;
		end = i ? i - 1 : 0;
	}
	if (parts > 3)
		diag(b->q, COLUMN_PARTS, last->at, item->column, parts);
	return item;
}

struct data_item *
build_column(struct builder *b, const struct token *k, const struct token *stem,
	     const struct token_list *alternatives)
{
	struct data_item *list = NULL;

	if (!alternatives)
		return column(b, k, stem, NULL);
	for (const struct token_list *l = alternatives; l; l = l->next)
		list = list_append(b, list, column(b, k, stem, l->token));
	return list;
}

struct data_item *
build_values_like(struct builder *b, const struct token *k, const struct token *detector)
{
	struct data_item *item = ARENA_NEW(b->arena, struct data_item);

	item->kind = DATA_VALUES_LIKE;
	item->at = span_join(k->at, detector->at);
	item->detector = name_of(detector);
	return item;
}

void
build_let(struct builder *b, const struct token *k, const struct token *name, struct expr *x)
{
	struct let_decl *l = ARENA_NEW(b->arena, struct let_decl);

	build_mark(b, k, ROLE_DECL);
	*l = (struct let_decl){NULL, span_to_here(b, k), name_of(name), x};
	DECLARE(b, LETS, lets, l);
}

void
build_trust(struct builder *b, const struct token *k, const struct token *what,
	    const struct token *function, const struct token *word, const struct token *digest)
{
	struct trust_decl *t = ARENA_NEW(b->arena, struct trust_decl);

	build_mark(b, k, ROLE_DECL);
	if (strcmp(what->sym->s, "function") != 0)
		diag(b->q, UNKNOWN_WORD, what->at, "`trust function`", what->sym->s);
	if (strcmp(word->sym->s, "digest") != 0)
		diag(b->q, UNKNOWN_WORD, word->at, "`digest`", word->sym->s);
	*t = (struct trust_decl){NULL, span_to_here(b, k), text_of(function), text_of(digest)};
	DECLARE(b, TRUSTS, trusts, t);
}

void
build_default(struct builder *b, const struct token *k, const struct token *verdict)
{
	struct default_decl *d = ARENA_NEW(b->arena, struct default_decl);

	build_mark(b, k, ROLE_DECL);
	*d = (struct default_decl){NULL, span_to_here(b, k), name_of(verdict)};
	DECLARE(b, DEFAULTS, defaults, d);
}

void
build_prove_only(struct builder *b, const struct token *k, struct ref *groups, struct ref *data)
{
	struct prove_decl *p = ARENA_NEW(b->arena, struct prove_decl);

	build_mark(b, k, ROLE_DECL);
	*p = (struct prove_decl){NULL, span_to_here(b, k), PROVE_ONLY_SEE, groups, data, NULL};
	DECLARE(b, PROOFS, proofs, p);
}

void
build_prove_nobody(struct builder *b, const struct token *k, struct ref *actions,
		   const struct token *article)
{
	struct prove_decl *p = ARENA_NEW(b->arena, struct prove_decl);

	build_mark(b, k, ROLE_DECL);
	if (strcmp(article->sym->s, "a") != 0)
		diag(b->q, UNKNOWN_WORD, article->at, "`without a hold`", article->sym->s);
	*p = (struct prove_decl){NULL, span_to_here(b, k), PROVE_NOBODY_RUNS, NULL, NULL, actions};
	DECLARE(b, PROOFS, proofs, p);
}

/* ---- Rules ---- */

#define BIT(c) (1u << CLAUSE_##c)
#define CONDITIONS (BIT(WHO) | BIT(ON) | BIT(DO) | BIT(WHEN) | BIT(UNLESS))

/* The clauses that each kind of rule takes. */
static const unsigned clauses_of[] = {
	[RULE_ALLOW] = CONDITIONS | BIT(NOTIFY),
	[RULE_DENY] = CONDITIONS | BIT(NOTIFY),
	[RULE_HOLD] = CONDITIONS | BIT(FOR) | BIT(WITHIN) | BIT(EXPIRES) | BIT(ONCE) |
		      BIT(REASON) | BIT(TICKET) | BIT(NOTIFY),
	[RULE_MASK] = CONDITIONS | BIT(OF) | BIT(WITH),
	[RULE_LIMIT] = CONDITIONS | BIT(AMOUNT),
	[RULE_DROP] = CONDITIONS | BIT(OF),
	[RULE_RECORD] = CONDITIONS | BIT(WITH),
	[RULE_NOTIFY] = CONDITIONS | BIT(TO),
};

bool
build_takes(enum rule_kind rule, enum clause_kind clause)
{
	return clauses_of[rule] >> clause & 1;
}

static const unsigned may_repeat = CONDITIONS | BIT(AMOUNT);

static void
clause_misplaced(struct builder *b, enum clause_kind kind, const struct token *k)
{
	const struct rule *r = b->rule;
	const char *article = r->kind == RULE_ALLOW ? "an" : "a";
	struct diag *d = diag(b->q, CLAUSE_NOT_HERE, k->at, k->sym->s, article,
			      rule_kind_name(r->kind));

	if (kind == CLAUSE_NOTIFY)
		diag_note(b->q, d, SPAN_NONE,
			  "a rule of its own is written `notify NAME to CHANNEL`");
	else if (kind == CLAUSE_OF || kind == CLAUSE_WITH)
		diag_note(b->q, d, SPAN_NONE, "it belongs to mask%s rules",
			  kind == CLAUSE_OF ? " and drop" : " and record");
	else if (kind == CLAUSE_AMOUNT)
		diag_note(b->q, d, SPAN_NONE, "it belongs to limit rules");
	else
		diag_note(b->q, d, SPAN_NONE, "it belongs to hold rules");
}

/* Adds a clause to the rule, if it may have it. */
static struct clause *
clause_add(struct builder *b, const struct token *k, enum clause_kind kind)
{
	struct clause *c = ARENA_NEW(b->arena, struct clause);
	struct rule *r = b->rule;
	const struct clause *before;

	assert(r != NULL);
	if (kind != CLAUSE_TO)
		build_mark(b, k, ROLE_CLAUSE);
	c->kind = kind;
	c->at = span_to_here(b, k);
	if (!(clauses_of[r->kind] >> kind & 1)) {
		clause_misplaced(b, kind, k);
		return c; /* not linked: it has been refused */
	}
	before = b->clauses[kind];
	if (before && !(may_repeat >> kind & 1)) {
		diag_note(b->q, diag(b->q, CLAUSE_TWICE, k->at, k->sym->s), before->at,
			  "the first is here");
		return c;
	}
	before = b->clauses[CLAUSE_NOTIFY];
	if (before && (CONDITIONS >> kind & 1)) {
		const char *channel = before->names->name.s;
		struct diag *d = diag(b->q, CONDITION_AFTER_NOTIFY, k->at, k->sym->s, channel);

		diag_note(b->q, d, before->at,
			  "this tells '%s' of a held command; conditions come before it", channel);
		diag_note(b->q, d, SPAN_NONE,
			  "if a rule was meant to start there: `notify NAME to CHANNEL`");
	}
	if (b->last_clause)
		b->last_clause->next = c;
	else
		r->clauses = c;
	b->last_clause = c;
	if (!b->clauses[kind])
		b->clauses[kind] = c;
	return c;
}

static enum rule_kind
rule_kind_of(const struct token *t)
{
	switch (t->code) {
	case TK_ALLOW:
		return RULE_ALLOW;
	case TK_DENY:
		return RULE_DENY;
	case TK_HOLD:
		return RULE_HOLD;
	case TK_MASK:
		return RULE_MASK;
	case TK_LIMIT:
		return RULE_LIMIT;
	case TK_DROP:
		return RULE_DROP;
	case TK_RECORD:
		return RULE_RECORD;
	default:
		return RULE_NOTIFY;
	}
}

void
build_rule(struct builder *b, const struct token *shadow, const struct token *kind,
	   const struct token *name, const struct token *sentence)
{
	struct rule *r = ARENA_NEW(b->arena, struct rule);

	r->kind = rule_kind_of(kind);
	r->shadow = shadow != NULL;
	r->name = name ? name_of(name) : (struct name){intern(&b->names, SLICE_LIT("?"))->s,
						       kind->at};
	r->sentence = text_of(sentence);
	b->rule = r;
	b->test = NULL;
	b->last_clause = NULL;
	memset(b->clauses, 0, sizeof(b->clauses));
	b->start = shadow ? shadow : kind;
	build_mark(b, b->start, ROLE_DECL);
	b->broken = name == NULL;
	b->declared = false;
}

void
build_notify_rule(struct builder *b, const struct token *shadow, const struct token *kind,
		  const struct token *name, const struct token *sentence,
		  const struct token *channel)
{
	build_rule(b, shadow, kind, name, sentence);
	clause_add(b, channel, CLAUSE_TO)->names = build_ref(b, NULL, channel);
}

/* False: what follows a rule is a mistake, and what is missing may stand behind it. */
static bool
starts_declaration(const struct token *t)
{
	return t->code == TK_END || t->code == TK_NOTIFY_RULE ||
	       (t->sym && t->sym->class == WORD_DECL);
}

void
build_rule_end(struct builder *b)
{
	struct rule *r = b->rule;

	assert(r != NULL);
	r->at = span_to_here(b, b->start);
	b->broken = b->broken || !starts_declaration(&b->file->tokens.v[b->file->at]);
	if (r->kind == RULE_MASK && !b->broken && !b->clauses[CLAUSE_WITH])
		diag_note(b->q, diag(b->q, MASK_WITHOUT_KERNEL, r->name.at, r->name.s), SPAN_NONE,
			  "such as `with last(4)`, `with partial` or `with null`");
	if (r->kind == RULE_LIMIT && !b->broken && !b->clauses[CLAUSE_AMOUNT])
		diag(b->q, WRONG_LITERAL, r->name.at,
		     "`rows`, `bytes`, `time`, `lookups` or `commands` in a limit rule");
	if (!b->declared)
		DECLARE(b, RULES, rules, r);
	b->declared = true;
}

void
build_rule_reopen(struct builder *b)
{
	assert(b->rule != NULL);
	b->broken = true;
}

void
build_names(struct builder *b, const struct token *k, enum clause_kind kind, struct ref *names)
{
	clause_add(b, k, kind)->names = names;
}

void
build_when(struct builder *b, const struct token *k, struct expr *x)
{
	clause_add(b, k, CLAUSE_WHEN)->expr = x;
}

void
build_unless(struct builder *b, const struct token *k, enum clause_kind of, struct ref *names)
{
	struct clause *c = clause_add(b, k, CLAUSE_UNLESS);

	c->unless = of;
	c->names = names;
}

void
build_unless_expr(struct builder *b, const struct token *k, struct expr *x)
{
	struct clause *c = clause_add(b, k, CLAUSE_UNLESS);

	c->unless = CLAUSE_WHEN;
	c->expr = x;
}

void
build_for(struct builder *b, const struct token *k, struct quorum *list,
	  const struct token *not_self)
{
	struct clause *c = clause_add(b, k, CLAUSE_FOR);

	c->quorum = list;
	c->not_self = not_self != NULL;
}

struct quorum *
build_quorum(struct builder *b, const struct token *n, const struct token *group)
{
	struct quorum *q = ARENA_NEW(b->arena, struct quorum);

	*q = (struct quorum){NULL, span_join(n->at, group->at), n->number, name_of(group)};
	if (q->n < 1 || q->n > 100)
		diag(b->q, WRONG_LITERAL, n->at, "a number of approvers from 1 to 100");
	return q;
}

void
build_duration(struct builder *b, const struct token *k, enum clause_kind kind, struct expr *value)
{
	if (value->kind != X_DURATION || value->number <= 0)
		diag(b->q, WRONG_LITERAL, value->at, "a duration such as 15m");
	clause_add(b, k, kind)->value = value;
}

void
build_flag(struct builder *b, const struct token *k, enum clause_kind kind)
{
	clause_add(b, k, kind);
}

void
build_channel(struct builder *b, const struct token *k, enum clause_kind kind,
	      const struct token *name)
{
	clause_add(b, k, kind)->names = build_ref(b, NULL, name);
}

void
build_with(struct builder *b, const struct token *k, struct kernel *kernel)
{
	kernel->at = span_to_here(b, k);
	clause_add(b, k, CLAUSE_WITH)->kernel = kernel;
}

void
build_with_names(struct builder *b, const struct token *k, const struct token *first,
		 struct ref *rest)
{
	struct clause *c = clause_add(b, k, CLAUSE_WITH);

	c->names = build_ref(b, NULL, first);
	c->names->next = rest;
}

void
build_amount(struct builder *b, const struct token *k, struct expr *value, const struct token *per)
{
	static const char *const spans[] = {
#define LIMIT_UNIT(id, name, sentence)
#define LIMIT_PER(id, name, seconds, sentence) name,
#include "grammar/limits.def"
#undef LIMIT_UNIT
#undef LIMIT_PER
	};
	static const char *const wanted[] = {"a number of rows", "a size such as 50MB",
					     "a duration such as 5s", "a number of lookups",
					     "a number of commands"};
	struct amount *a = ARENA_NEW(b->arena, struct amount);

	a->at = span_to_here(b, k);
	a->kind = k->code == TK_ROWS ? AMOUNT_ROWS : k->code == TK_BYTES ? AMOUNT_BYTES
		: k->code == TK_LOOKUPS ? AMOUNT_LOOKUPS
		: k->code == TK_COMMANDS ? AMOUNT_COMMANDS : AMOUNT_TIME;
	a->value = value;
	if (per)
		a->per = build_one_of(b, per, "command, minute, hour, day or session", spans, COUNT_OF(spans));
	if (value->kind != (a->kind == AMOUNT_TIME ? X_DURATION : X_INT) &&
	    (a->kind != AMOUNT_BYTES || value->kind != X_SIZE))
		diag(b->q, WRONG_LITERAL, value->at, wanted[a->kind]);
	clause_add(b, k, CLAUSE_AMOUNT)->amount = a;
}

struct ref *
build_ref(struct builder *b, struct ref *list, const struct token *name)
{
	struct ref *r = ARENA_NEW(b->arena, struct ref);

	r->name = build_name(b, name)->kind == X_ERROR
			  ? (struct name){intern(&b->names, SLICE_LIT("?"))->s, name->at}
			  : name_of(name);
	return list_append(b, list, r);
}

/* ---- Tests ---- */

void
build_test(struct builder *b, const struct token *k, const struct token *name)
{
	struct test_decl *t = ARENA_NEW(b->arena, struct test_decl);

	build_mark(b, k, ROLE_DECL);
	t->name = name ? text_of(name) : (struct text){SLICE_LIT("?"), k->at};
	b->test = t;
	b->rule = NULL;
	b->start = k;
	b->broken = name == NULL;
	b->declared = false;
}

void
build_test_end(struct builder *b)
{
	struct test_decl *t = b->test;
	const char *missing = NULL;

	assert(t != NULL);
	t->at = span_to_here(b, b->start);
	b->broken = b->broken || !starts_declaration(&b->file->tokens.v[b->file->at]);
	if (!t->kind.s)
		missing = "as";
	else if (!t->target.s && !t->resource.v.p)
		missing = "on";
	else if (!t->expects)
		missing = "expect";
	if (missing && !b->broken)
		diag(b->q, TEST_INCOMPLETE, t->name.at, t->name.v.p, missing);
	if (!b->declared)
		DECLARE(b, TESTS, tests, t);
	b->declared = true;
}

void
build_test_reopen(struct builder *b)
{
	assert(b->test != NULL);
	b->broken = true;
}

static void
only_once(struct builder *b, const struct token *k, bool before)
{
	if (before)
		diag(b->q, CLAUSE_TWICE, k->at, k->sym->s);
}

void
build_test_as(struct builder *b, const struct token *k, const struct token *kind,
	      const struct token *principal, struct ref *groups)
{
	static const char *const kinds[] = {"human", "service", "agent"};
	struct test_decl *t = b->test;

	build_mark(b, k, ROLE_CLAUSE);
	only_once(b, k, t->kind.s != NULL);
	t->kind = build_one_of(b, kind, "human, service or agent", kinds, COUNT_OF(kinds));
	t->principal = text_of(principal);
	t->groups = groups;
}

void
build_test_on(struct builder *b, const struct token *k, const struct token *target)
{
	build_mark(b, k, ROLE_CLAUSE);
	only_once(b, k, b->test->target.s || b->test->resource.v.p);
	if (target->code == TK_STRING)
		b->test->resource = text_of(target);
	else
		b->test->target = name_of(target);
}

void
build_test_with(struct builder *b, const struct token *k, struct cell *facts)
{
	build_mark(b, k, ROLE_CLAUSE);
	only_once(b, k, b->test->facts != NULL);
	b->test->facts = facts;
}

/* `null` is a value in rows and parameters only. */
static struct expr *
null_value(struct expr *list)
{
	for (struct expr *x = list; x; x = x->next)
		if (x->kind == X_NAME && strcmp(x->name, "null") == 0)
			x->kind = X_NULL;
	return list;
}

void
build_test_run(struct builder *b, const struct token *k, const struct token *sql,
	       struct expr *parameters)
{
	build_mark(b, k, ROLE_CLAUSE);
	only_once(b, k, b->test->sql.v.p != NULL);
	b->test->sql = text_of(sql);
	b->test->parameters = null_value(parameters);
}

static void
null_cells(struct cell *cells)
{
	for (; cells; cells = cells->next)
		null_value(cells->value);
}

void
build_test_row(struct builder *b, const struct token *k, struct cell *cells)
{
	struct test_row *r = ARENA_NEW(b->arena, struct test_row);

	build_mark(b, k, ROLE_CLAUSE);
	null_cells(cells);
	*r = (struct test_row){NULL, span_to_here(b, k), cells};
	b->test->rows = list_append(b, b->test->rows, r);
}

static struct expect *
expect_add(struct builder *b, const struct token *k, enum expect_kind kind)
{
	struct expect *e = ARENA_NEW(b->arena, struct expect);

	build_mark(b, k, ROLE_CLAUSE);
	e->at = span_to_here(b, k);
	e->kind = kind;
	b->test->expects = list_append(b, b->test->expects, e);
	return e;
}

void
build_expect(struct builder *b, const struct token *k, const struct token *verdict,
	     const struct token *by)
{
	struct expect *e = expect_add(b, k, EXPECT_VERDICT);

	if (by)
		e->by = name_of(by);
	switch (verdict->code) {
	case TK_ALLOW:
	case TK_DENY:
	case TK_HOLD:
		e->verdict = rule_kind_of(verdict);
		break;
	default:
		for (e->kind = EXPECT_MASKED; e->kind < EXPECT_ROW; e->kind++)
			if (strcmp(verdict->sym->s, expect_kind_name(e->kind)) == 0)
				break;
		if (e->kind == EXPECT_ROW)
			diag(b->q, UNKNOWN_WORD, verdict->at,
			     "allow, deny, hold, masked, limited, recorded, notified, shadow, dropped "
			     "or a row in parentheses", verdict->sym->s);
		else if (!by)
			diag(b->q, WRONG_LITERAL, verdict->at,
			     arena_printf(b->arena, "`%s by RULE`", expect_kind_name(e->kind)));
		break;
	}
}

void
build_expect_row(struct builder *b, const struct token *k, struct cell *cells)
{
	null_cells(cells);
	expect_add(b, k, EXPECT_ROW)->cells = cells;
}

struct cell *
build_cell(struct builder *b, const struct token *name, struct expr *value)
{
	struct cell *c = ARENA_NEW(b->arena, struct cell);

	c->at = span_join(name->at, value->at);
	c->name = name->code == TK_STRING
			  ? (struct name){intern(&b->names, name->string)->s, name->at}
			  : name_of(name);
	c->value = value;
	return c;
}
