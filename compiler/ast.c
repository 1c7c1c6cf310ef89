/* SPDX-License-Identifier: MIT
 *
 * The tree as text: one line per node, children indented. Every field that carries meaning is in
 * it, spans are not.
 */
#include "compiler/ast.h"

#include <arpa/inet.h>

const char *
rule_kind_name(enum rule_kind kind)
{
	static const char *const names[] = {
		[RULE_ALLOW] = "allow", [RULE_DENY] = "deny",	  [RULE_HOLD] = "hold",
		[RULE_MASK] = "mask",	[RULE_LIMIT] = "limit",	  [RULE_DROP] = "drop",	  [RULE_RECORD] = "record",
		[RULE_NOTIFY] = "notify",
	};

	assert((size_t) kind < COUNT_OF(names));
	return names[kind];
}

const char *
clause_kind_name(enum clause_kind kind)
{
	static const char *const names[] = {
		[CLAUSE_WHO] = "who",	      [CLAUSE_ON] = "on",	  [CLAUSE_DO] = "do",
		[CLAUSE_WHEN] = "when",	      [CLAUSE_UNLESS] = "unless", [CLAUSE_FOR] = "for",
		[CLAUSE_WITHIN] = "within",   [CLAUSE_EXPIRES] = "expires", [CLAUSE_ONCE] = "once",
		[CLAUSE_REASON] = "reason",   [CLAUSE_TICKET] = "ticket", [CLAUSE_NOTIFY] = "notify",
		[CLAUSE_OF] = "of",	      [CLAUSE_WITH] = "with",	  [CLAUSE_TO] = "to",
		[CLAUSE_AMOUNT] = "amount",
	};

	assert((size_t) kind < COUNT_OF(names));
	return names[kind];
}

const char *
expect_kind_name(enum expect_kind kind)
{
	static const char *const names[] = {
		[EXPECT_VERDICT] = "verdict", [EXPECT_MASKED] = "masked",
		[EXPECT_LIMITED] = "limited", [EXPECT_RECORDED] = "recorded",
		[EXPECT_NOTIFIED] = "notified", [EXPECT_SHADOW] = "shadow",
		[EXPECT_DROPPED] = "dropped", [EXPECT_ROW] = "row",
	};

	return names[kind];
}

const char *
compare_op_name(enum compare_op op)
{
	static const char *const names[] = {
		[CMP_EQ] = "=",	 [CMP_NE] = "!=", [CMP_LT] = "<",
		[CMP_LE] = "<=", [CMP_GT] = ">",  [CMP_GE] = ">=",
	};

	assert((size_t) op < COUNT_OF(names));
	return names[op];
}

/* ---- Expressions: (op operands) ---- */

static void
dump_list(const struct expr *e, const char *open, struct buf *out)
{
	buf_puts(out, open);
	for (; e; e = e->next) {
		buf_putc(out, ' ');
		ast_dump_expr(e, out);
	}
	buf_putc(out, ')');
}

static void
dump_pair(const char *op, const struct expr *e, struct buf *out)
{
	buf_printf(out, "(%s ", op);
	ast_dump_expr(e->l, out);
	if (e->r) {
		buf_putc(out, ' ');
		ast_dump_expr(e->r, out);
	}
	buf_putc(out, ')');
}

static void
dump_address(const struct cidr *a, struct buf *out)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->addr, text, sizeof(text));
	buf_printf(out, "%s/%u", text, a->bits);
}

void
ast_dump_expr(const struct expr *e, struct buf *out)
{
	switch (e->kind) {
	case X_ERROR:
		buf_puts(out, "<error>");
		break;
	case X_OR:
		dump_pair("or", e, out);
		break;
	case X_AND:
		dump_pair("and", e, out);
		break;
	case X_NOT:
		dump_pair("not", e, out);
		break;
	case X_COMPARE:
		dump_pair(compare_op_name(e->op), e, out);
		break;
	case X_IN:
		dump_pair("in", e, out);
		break;
	case X_MATCHES:
		dump_pair("matches", e, out);
		break;
	case X_STARTS:
		dump_pair("starts-with", e, out);
		break;
	case X_ENDS:
		dump_pair("ends-with", e, out);
		break;
	case X_CALL:
		buf_printf(out, "(call %s", e->name);
		dump_list(e->l, "", out);
		break;
	case X_ALT:
		dump_list(e->l, "(alt", out);
		break;
	case X_SET:
		dump_list(e->l, "(set", out);
		break;
	case X_NAME:
		buf_puts(out, e->name);
		break;
	case X_BOOL:
		buf_puts(out, e->number ? "true" : "false");
		break;
	case X_INT:
		buf_printf(out, "%lld", (long long) e->number);
		break;
	case X_DURATION:
	case X_SIZE:
		buf_printf(out, "%lld%s", (long long) e->number, e->kind == X_SIZE ? "B" : "ms");
		break;
	case X_TIME:
		buf_printf(out, "%lld:%02lld", (long long) e->number / 3600,
			   (long long) e->number / 60 % 60);
		break;
	case X_STRING:
		buf_json_string(out, e->string);
		break;
	case X_REGEX:
		buf_put_slice(out, e->string);
		break;
	case X_ADDRESS:
		dump_address(&e->address, out);
		break;
	case X_NULL:
		buf_puts(out, "null");
		break;
	}
}

/* ---- Declarations ---- */

static void
dump_text(const char *label, const struct text *t, struct buf *out)
{
	if (!t->v.p)
		return;
	buf_printf(out, "%s", label);
	buf_json_string(out, t->v);
}

static void
dump_refs(const struct ref *r, struct buf *out)
{
	for (; r; r = r->next)
		buf_printf(out, " %s", r->name.s);
}

static void
dump_cells(const struct cell *c, struct buf *out)
{
	for (; c; c = c->next) {
		buf_printf(out, " %s=", c->name.s);
		ast_dump_expr(c->value, out);
	}
}

static void
dump_kernel(const struct kernel *k, struct buf *out)
{
	buf_printf(out, " %s", k->name.s);
	if (k->args)
		dump_list(k->args, "(", out);
	if (k->lookup)
		buf_puts(out, " lookup");
	if (k->derived)
		buf_puts(out, " derived");
	if (k->aggregates_over)
		buf_printf(out, " aggregates>%lld", (long long) k->aggregates_over);
}

static void
dump_amount(const struct amount *a, struct buf *out)
{
	static const char *const kinds[] = {"rows", "bytes", "time", "lookups", "commands"};

	buf_printf(out, " %s ", kinds[a->kind]);
	ast_dump_expr(a->value, out);
	buf_printf(out, " per %s", a->per.s ? a->per.s : "command");
}

static void
dump_clause(const struct clause *c, struct buf *out)
{
	buf_printf(out, "  %s", clause_kind_name(c->kind));
	if (c->kind == CLAUSE_UNLESS)
		buf_printf(out, " %s", clause_kind_name(c->unless));
	dump_refs(c->names, out);
	if (c->expr) {
		buf_putc(out, ' ');
		ast_dump_expr(c->expr, out);
	}
	if (c->value) {
		buf_putc(out, ' ');
		ast_dump_expr(c->value, out);
	}
	for (const struct quorum *q = c->quorum; q; q = q->next)
		buf_printf(out, " %lld-of-%s", (long long) q->n, q->group.s);
	if (c->not_self)
		buf_puts(out, " not-self");
	if (c->kernel)
		dump_kernel(c->kernel, out);
	if (c->amount)
		dump_amount(c->amount, out);
	buf_putc(out, '\n');
}

static void
dump_data(const struct data_decl *d, struct buf *out)
{
	buf_printf(out, "data %s\n", d->name.s);
	for (const struct data_item *i = d->items; i; i = i->next) {
		if (i->kind == DATA_VALUES_LIKE) {
			buf_printf(out, "  values like %s\n", i->detector.s);
			continue;
		}
		buf_printf(out, "  column %s %s %s\n", i->parts[0] ? i->parts[0] : "-",
			   i->parts[1] ? i->parts[1] : "-", i->parts[2] ? i->parts[2] : "-");
	}
}

static void
dump_rule(const struct rule *r, struct buf *out)
{
	buf_printf(out, "%s%s %s", r->shadow ? "shadow " : "", rule_kind_name(r->kind), r->name.s);
	dump_text(" ", &r->sentence, out);
	buf_putc(out, '\n');
	for (const struct clause *c = r->clauses; c; c = c->next)
		dump_clause(c, out);
}

static void
dump_expect(const struct expect *e, struct buf *out)
{
	buf_printf(out, "  expect %s",
		   e->kind == EXPECT_VERDICT ? rule_kind_name(e->verdict)
					     : expect_kind_name(e->kind));
	if (e->by.s)
		buf_printf(out, " by %s", e->by.s);
	dump_cells(e->cells, out);
	buf_putc(out, '\n');
}

static void
dump_test(const struct test_decl *t, struct buf *out)
{
	dump_text("test ", &t->name, out);
	buf_printf(out, "\n  as %s", t->kind.s ? t->kind.s : "-");
	dump_text(" ", &t->principal, out);
	dump_refs(t->groups, out);
	buf_printf(out, "\n  on %s", t->target.s ? t->target.s : "");
	dump_text("", &t->resource, out);
	if (t->facts) {
		buf_puts(out, "\n  with");
		dump_cells(t->facts, out);
	}
	dump_text("\n  run ", &t->sql, out);
	if (t->parameters)
		dump_list(t->parameters, " (using", out);
	buf_putc(out, '\n');
	for (const struct test_row *r = t->rows; r; r = r->next) {
		buf_puts(out, "  row");
		dump_cells(r->cells, out);
		buf_putc(out, '\n');
	}
	for (const struct expect *e = t->expects; e; e = e->next)
		dump_expect(e, out);
}

static void
dump_proof(const struct prove_decl *p, struct buf *out)
{
	if (p->kind == PROVE_ONLY_SEE) {
		buf_puts(out, "prove only");
		dump_refs(p->groups, out);
		buf_puts(out, " see");
		dump_refs(p->data, out);
	} else {
		buf_puts(out, "prove nobody runs");
		dump_refs(p->actions, out);
	}
	buf_putc(out, '\n');
}

void
ast_dump(const struct policy *p, struct buf *out)
{
	if (p->name.s)
		buf_printf(out, "policy %s", p->name.s);
	else
		buf_puts(out, "fragment");
	dump_text(" ", &p->title, out);
	buf_putc(out, '\n');
	for (const struct group_decl *g = p->groups; g; g = g->next) {
		buf_printf(out, "group %s %s", g->name.s, g->source.s);
		dump_text(" ", &g->value, out);
		buf_putc(out, '\n');
	}
	for (const struct target_decl *t = p->targets; t; t = t->next) {
		buf_printf(out, "target %s %s", t->name.s, t->protocol.s);
		dump_text(" ", &t->glob, out);
		buf_putc(out, '\n');
	}
	for (const struct trust_decl *t = p->trusts; t; t = t->next) {
		dump_text("trust ", &t->function, out);
		dump_text(" digest ", &t->digest, out);
		buf_putc(out, '\n');
	}
	for (const struct catalog_decl *c = p->catalogs; c; c = c->next) {
		dump_text("catalog ", &c->path, out);
		buf_putc(out, '\n');
	}
	for (const struct data_decl *d = p->data; d; d = d->next)
		dump_data(d, out);
	for (const struct let_decl *l = p->lets; l; l = l->next) {
		buf_printf(out, "let %s ", l->name.s);
		ast_dump_expr(l->expr, out);
		buf_putc(out, '\n');
	}
	for (const struct default_decl *d = p->defaults; d; d = d->next)
		buf_printf(out, "default %s\n", d->verdict.s);
	for (const struct rule *r = p->rules; r; r = r->next)
		dump_rule(r, out);
	for (const struct test_decl *t = p->tests; t; t = t->next)
		dump_test(t, out);
	for (const struct prove_decl *q = p->proofs; q; q = q->next)
		dump_proof(q, out);
}
