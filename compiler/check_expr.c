/* SPDX-License-Identifier: MIT
 *
 * Conditions: expressions of the tree to tests of facts against constants. One function per type
 * of fact; each reports what does not fit and then returns a constant, so that checking goes on.
 */
#include "compiler/check_internal.h"

#include "vm/match.h"

enum { MAX_LET_DEPTH = 200 }; /* one defined by another */

static const char *const op_words[] = {
	[CMP_EQ] = "=", [CMP_NE] = "!=", [CMP_LT] = "<",
	[CMP_LE] = "<=", [CMP_GT] = ">", [CMP_GE] = ">=",
};

struct cond *
cond_const(struct check *c, bool value)
{
	struct cond *x = ARENA_NEW(c->arena, struct cond);

	x->kind = COND_CONST;
	x->value = value;
	return x;
}

struct cond *
cond_test(struct check *c, enum opcode op, enum fact fact, uint32_t constant)
{
	struct cond *x = ARENA_NEW(c->arena, struct cond);

	x->kind = COND_TEST;
	x->op = op;
	x->fact = fact;
	x->constant = constant;
	return x;
}

struct cond *
cond_list(struct check *c, enum cond_kind kind)
{
	struct cond *x = ARENA_NEW(c->arena, struct cond);

	x->kind = kind;
	return x;
}

void
cond_add(struct cond *list, struct cond *x)
{
	assert(!x->next);
	if (list->last)
		list->last->next = x;
	else
		list->first = x;
	list->last = x;
}

struct cond *
cond_not(struct check *c, struct cond *x)
{
	struct cond *n = cond_list(c, COND_NOT);

	cond_add(n, x);
	return n;
}

static void
note_reads(struct check *c, const struct reads *r)
{
	if (r->phase >= c->reads.phase) {
		c->reads.phase = r->phase;
		c->reads.late = r->late;
	}
	c->reads.action |= r->action;
	c->reads.protocols |= r->protocols;
	c->reads.text |= r->text;
	c->reads.row |= r->row;
}

static void
note_fact(struct check *c, enum fact f)
{
	const struct fact_info *i = &fact_info[f];
	struct reads r = {.phase = i->phase, .late = f, .text = f == FACT_SQL_TEXT};

	if (f == FACT_ACTION) {
		r.phase = PHASE_CONNECT;
		r.action = true;
	}
	if (i->protocol != FACT_OF_ANY)
		r.protocols = 1u << i->protocol;
	note_reads(c, &r);
}

static struct cond *
test(struct check *c, enum opcode op, enum fact f, uint32_t constant)
{
	note_fact(c, f);
	return cond_test(c, op, f, constant);
}

static int
find_let(const struct check *c, const char *name, const struct let_decl **decl)
{
	int i = check_find(c, LIST_LETS, name);

	if (i >= 0)
		*decl = c->lists[LIST_LETS].decl[i];
	return i;
}

static bool
is_condition(const struct expr *e)
{
	return e->kind <= X_CALL || e->kind == X_BOOL;
}

/* Follows names as far as there are lets; a cycle was reported by check_lets and ends as an
 * error. */
const struct expr *
check_value_of(struct check *c, const struct expr *e)
{
	const struct let_decl *l;
	int i;

	for (int depth = 0; e->kind == X_NAME && depth < MAX_LET_DEPTH; depth++) {
		if (fact_find(slice_str(e->name)) >= 0)
			return e;
		i = find_let(c, e->name, &l);
		if (i < 0)
			return e;
		c->lets[i].used = true;
		e = l->expr;
	}
	return e;
}

/* What stands there, for messages. */
static const char *
what_is(const struct expr *e)
{
	switch (e->kind) {
	case X_BOOL:
		return "true or false";
	case X_INT:
		return "a number";
	case X_DURATION:
		return "a duration";
	case X_SIZE:
		return "a size";
	case X_TIME:
		return "a time of day";
	case X_STRING:
		return "a string";
	case X_ADDRESS:
		return "an address";
	case X_REGEX:
		return "a regular expression";
	case X_SET:
		return "a set";
	case X_NAME:
		return "a word";
	case X_NULL:
		return "null";
	case X_ALT:
		return "alternatives";
	default:
		return "a condition";
	}
}

static struct cond *
wrong_type(struct check *c, enum fact f, const struct expr *v)
{
	if (v->kind != X_ERROR)
		diag(c->q, WRONG_TYPE, v->at, fact_info[f].name, type_info[fact_info[f].type].name,
		     what_is(v));
	return cond_const(c, false);
}

static struct cond *
bad_operator(struct check *c, enum fact f, struct span at, const char *op, const char *hint)
{
	struct diag *d = diag(c->q, BAD_OPERATOR, at, op, fact_info[f].name,
			      type_info[fact_info[f].type].name);

	if (hint)
		diag_note(c->q, d, SPAN_NONE, "%s", hint);
	return cond_const(c, false);
}

static const char *
ask_for_member(struct check *c, enum fact set)
{
	return arena_printf(c->arena, "ask for a member: \"name\" in %s", fact_info[set].name);
}

/* fact = a | b | c as one test or a list of them. */
static struct cond *
in_numbers(struct check *c, enum fact f, const struct expr *items, enum expr_kind literal)
{
	struct cond *any = cond_list(c, COND_OR);

	for (const struct expr *i = items; i; i = i->next) {
		const struct expr *v = check_value_of(c, i);

		if (v->kind == literal)
			cond_add(any,
				 test(c, OP_NUM_EQ, f, constant_number(c->constants, v->number)));
		else
			wrong_type(c, f, v);
	}
	return any;
}

static struct cond *
in_strings(struct check *c, enum opcode op, enum fact f, const struct expr *items)
{
	size_t n = 0, k = 0;
	struct slice *v;

	for (const struct expr *i = items; i; i = i->next)
		n++;
	v = ARENA_ARRAY(c->arena, struct slice, n);
	for (const struct expr *i = items; i; i = i->next) {
		const struct expr *s = check_value_of(c, i);

		if (s->kind == X_STRING)
			v[k++] = s->string;
		else
			wrong_type(c, f, s);
	}
	if (n)
		check_length(c, items->at, "strings in one list", n);
	return test(c, op, f, constant_strings(c->constants, v, k));
}

static struct cond *
in_values(struct check *c, enum fact f, const struct expr *items)
{
	enum type type = fact_info[f].type;
	uint32_t mask = 0;

	for (const struct expr *i = items; i; i = i->next) {
		const struct expr *v = check_value_of(c, i);
		const char *names[32];
		size_t n = 0;
		int value;

		if (v->kind != X_NAME) {
			wrong_type(c, f, v);
			continue;
		}
		value = enum_find(type, slice_str(v->name));
		if (value >= 0) {
			mask |= UINT32_C(1) << value;
			continue;
		}
		for (; n < COUNT_OF(names) && enum_name(type, (int) n); n++)
			names[n] = enum_name(type, (int) n);
		check_suggest(c, diag(c->q, UNKNOWN_VALUE, v->at, fact_info[f].name, v->name),
			      v->name, names, n);
	}
	return test(c, OP_ENUM_IN, f, constant_values(c->constants, type, mask));
}

static struct cond *
in_actions(struct check *c, enum fact f, const struct expr *items)
{
	struct action_set set = {0};
	struct cond *x;

	for (const struct expr *i = items; i; i = i->next) {
		const struct expr *v = check_value_of(c, i);

		if (v->kind == X_NAME)
			(void) check_use_action(c, v->name, v->at, &set);
		else
			wrong_type(c, f, v);
	}
	x = test(c, OP_ACTION_IN, f, constant_actions(c->constants, &set));
	x->value = action_set_has(&set, ACTION_CONNECT);
	return x;
}

static struct cond *
in_networks(struct check *c, enum fact f, const struct expr *items)
{
	struct cond *any = cond_list(c, COND_OR);

	for (const struct expr *i = items; i; i = i->next) {
		const struct expr *v = check_value_of(c, i);
		uint8_t addr[16] = {0};
		uint8_t prefix = v->address.bits;

		if (v->kind != X_ADDRESS) {
			wrong_type(c, f, v);
			continue;
		}
		if (v->address.family == 4) {
			addr[10] = addr[11] = 0xff;
			memcpy(addr + 12, v->address.addr, 4);
			prefix = (uint8_t) (prefix + 96);
		} else {
			memcpy(addr, v->address.addr, 16);
		}
		cond_add(any, test(c, OP_ADDR_IN, f, constant_network(c->constants, addr, prefix)));
	}
	return any;
}

/* f in {items}; also f = item, with a list of one. */
static struct cond *
fact_in(struct check *c, enum fact f, const struct expr *items, struct span at)
{
	switch (fact_info[f].type) {
	case TYPE_BOOL:
		return bad_operator(c, f, at, "in", NULL);
	case TYPE_INT:
		return in_numbers(c, f, items, X_INT);
	case TYPE_TIME:
		return in_numbers(c, f, items, X_TIME);
	case TYPE_STRING:
		return in_strings(c, OP_STR_IN, f, items);
	case TYPE_SET:
		return bad_operator(c, f, at, "in", ask_for_member(c, f));
	case TYPE_ADDRESS:
		return in_networks(c, f, items);
	case TYPE_ACTION:
		return in_actions(c, f, items);
	default:
		return in_values(c, f, items);
	}
}

static struct cond *
compare_numbers(struct check *c, enum fact f, enum compare_op op, const struct expr *v,
		enum expr_kind literal)
{
	uint32_t k;

	if (v->kind != literal)
		return wrong_type(c, f, v);
	k = constant_number(c->constants, v->number);
	switch (op) {
	case CMP_EQ:
		return test(c, OP_NUM_EQ, f, k);
	case CMP_NE:
		return cond_not(c, test(c, OP_NUM_EQ, f, k));
	case CMP_LT:
		return test(c, OP_NUM_LT, f, k);
	case CMP_LE:
		return test(c, OP_NUM_LE, f, k);
	case CMP_GT:
		return cond_not(c, test(c, OP_NUM_LE, f, k));
	case CMP_GE:
		return cond_not(c, test(c, OP_NUM_LT, f, k));
	}
	return cond_const(c, false);
}

static struct cond *
compare_fact(struct check *c, enum fact f, enum compare_op op, const struct expr *v, struct span at)
{
	enum type type = fact_info[f].type;
	struct expr one;
	struct cond *eq;

	if (type == TYPE_INT)
		return compare_numbers(c, f, op, v, X_INT);
	if (type == TYPE_TIME)
		return compare_numbers(c, f, op, v, X_TIME);
	if (op != CMP_EQ && op != CMP_NE)
		return bad_operator(c, f, at, op_words[op], NULL);
	if (type == TYPE_BOOL) {
		if (v->kind != X_BOOL)
			return wrong_type(c, f, v);
		eq = test(c, OP_BOOL, f, 0);
		return (v->number != 0) == (op == CMP_EQ) ? eq : cond_not(c, eq);
	}
	if (type == TYPE_SET)
		return bad_operator(c, f, at, op_words[op], ask_for_member(c, f));
	if (v->kind == X_SET)
		return wrong_type(c, f, v);
	one = *v;
	one.next = NULL;
	eq = fact_in(c, f, &one, at);
	return op == CMP_EQ ? eq : cond_not(c, eq);
}

/* The fact that an expression names, or -1. */
static int
fact_of(const struct expr *e)
{
	return e->kind == X_NAME ? fact_find(slice_str(e->name)) : -1;
}

static struct cond *
unknown_name(struct check *c, const struct expr *e)
{
	const char *names[FACT_COUNT];

	if (e->kind != X_NAME)
		return cond_const(c, false);
	for (int i = 0; i < FACT_COUNT; i++)
		names[i] = fact_info[i].name;
	check_suggest(c, diag(c->q, UNKNOWN_NAME, e->at, e->name), e->name, names, FACT_COUNT);
	return cond_const(c, false);
}

static enum compare_op
mirrored(enum compare_op op)
{
	switch (op) {
	case CMP_LT:
		return CMP_GT;
	case CMP_LE:
		return CMP_GE;
	case CMP_GT:
		return CMP_LT;
	case CMP_GE:
		return CMP_LE;
	default:
		return op;
	}
}

static struct cond *
check_compare(struct check *c, const struct expr *e)
{
	const struct expr *l = check_value_of(c, e->l), *r = check_value_of(c, e->r);
	int lf = fact_of(l), rf = fact_of(r);

	if (l->kind == X_ERROR || r->kind == X_ERROR)
		return cond_const(c, false);
	if ((lf >= 0 || check_row_column(l)) && (rf >= 0 || check_row_column(r))) {
		diag(c->q, TWO_FACTS, e->at);
		return cond_const(c, false);
	}
	if (check_row_column(l) || check_row_column(r))
		return check_row_compare(c, e, l, r);
	if (lf >= 0)
		return compare_fact(c, (enum fact) lf, e->op, r, e->at);
	if (rf >= 0)
		return compare_fact(c, (enum fact) rf, mirrored(e->op), l, e->at);
	if (l->kind == X_NAME)
		return unknown_name(c, l);
	diag(c->q, NO_FACT, e->at);
	return cond_const(c, false);
}

/* "pan" in columns; agents in user.groups */
static struct cond *
member_of(struct check *c, const struct expr *member, enum fact f, struct span at)
{
	struct slice s;
	int g;

	if (fact_info[f].type != TYPE_SET)
		return bad_operator(c, f, at, "in", "its right side is a set or a fact of type set");
	if (member->kind == X_STRING) {
		s = member->string;
	} else if (member->kind == X_NAME && f == FACT_USER_GROUPS) {
		g = check_use_group(c, member->name, member->at);
		if (g < 0)
			return cond_const(c, false);
		s = check_group_at(c, g)->value.v;
	} else {
		return wrong_type(c, f, member);
	}
	return test(c, OP_SET_ANY, f, constant_strings(c->constants, &s, 1));
}

static struct cond *
check_in(struct check *c, const struct expr *e)
{
	const struct expr *l = check_value_of(c, e->l), *r = check_value_of(c, e->r);
	int lf = fact_of(l), rf = fact_of(r);

	if (l->kind == X_ERROR || r->kind == X_ERROR)
		return cond_const(c, false);
	if (lf >= 0 && rf >= 0) {
		diag(c->q, TWO_FACTS, e->at);
		return cond_const(c, false);
	}
	if (rf < 0 && check_row_column(l))
		return check_row_in(c, l, r);
	if (rf >= 0)
		return member_of(c, l, (enum fact) rf, e->at);
	if (lf < 0)
		return l->kind == X_NAME ? unknown_name(c, l) : (diag(c->q, NO_FACT, e->at),
								 cond_const(c, false));
	if (r->kind == X_ADDRESS && fact_info[lf].type == TYPE_ADDRESS)
		return compare_fact(c, (enum fact) lf, CMP_EQ, r, e->at);
	if (r->kind != X_SET)
		return r->kind == X_NAME ? unknown_name(c, r) : wrong_type(c, (enum fact) lf, r);
	return fact_in(c, (enum fact) lf, r->l, e->at);
}

/* FACT matches /PATTERN/, or a column of the row. */
static struct cond *
check_regex_test(struct check *c, const struct expr *l, const struct expr *r)
{
	int f = fact_of(l);
	uint32_t k;

	if (!check_regex(c, r, &k))
		return cond_const(c, false);
	if (f < 0)
		return check_row_regex(c, check_row_column(l), k);
	return test(c, fact_info[f].type == TYPE_SET ? OP_SET_REGEX : OP_STR_REGEX, (enum fact) f,
		    k);
}

/* matches, starts with, ends with: all of them globs in the end, or a regular expression. */
static struct cond *
check_pattern(struct check *c, const struct expr *e)
{
	static const char *const words[] = {
		[X_MATCHES] = "matches", [X_STARTS] = "starts with", [X_ENDS] = "ends with"};
	const struct expr *l = check_value_of(c, e->l), *r = check_value_of(c, e->r);
	int f = fact_of(l);
	struct slice s = r->string;
	char *pattern;

	if (l->kind == X_ERROR || r->kind == X_ERROR)
		return cond_const(c, false);
	if (f < 0 && !check_row_column(l))
		return l->kind == X_NAME ? unknown_name(c, l) : (diag(c->q, NO_FACT, e->at),
								 cond_const(c, false));
	if (f >= 0 && fact_info[f].type != TYPE_STRING && fact_info[f].type != TYPE_SET)
		return bad_operator(c, (enum fact) f, e->at, words[e->kind], NULL);
	if (r->kind == X_REGEX)
		return check_regex_test(c, l, r);
	if (r->kind != X_STRING)
		return f < 0 ? cond_const(c, false) : wrong_type(c, (enum fact) f, r);
	if (e->kind != X_MATCHES) {
		if (match_is_glob(s)) {
			struct diag *d = diag(c->q, WILDCARD, r->at, words[e->kind]);

			diag_note(c->q, d, SPAN_NONE, "`matches` takes a '*'");
			return cond_const(c, false);
		}
		pattern = arena_printf(c->arena, e->kind == X_STARTS ? "%.*s*" : "*%.*s",
				       SLICE_ARG(s));
		s = slice_str(pattern);
	}
	if (f < 0)
		return check_row_pattern(c, check_row_column(l), s);
	return test(c, fact_info[f].type == TYPE_SET ? OP_SET_GLOB : OP_STR_GLOB, (enum fact) f,
		    constant_string(c->constants, s));
}

static unsigned
contexts_of(struct check *c, const struct expr *arg)
{
	const struct expr *items = arg->kind == X_ALT ? arg->l : arg;
	unsigned mask = 0;

	for (const struct expr *i = items; i; i = arg->kind == X_ALT ? i->next : NULL) {
		const char *names[N_CONTEXTS];
		int id = i->kind == X_NAME ? context_find(slice_str(i->name)) : -1;

		if (id >= 0) {
			mask |= 1u << id;
			continue;
		}
		if (i->kind == X_ERROR)
			continue;
		for (int k = 0; k < N_CONTEXTS; k++)
			names[k] = context_info[k].name;
		check_suggest(c, diag(c->q, UNKNOWN_CONTEXT, i->at, i->name ? i->name : "?"),
			      i->name, names, N_CONTEXTS);
	}
	return mask;
}

/* sql.uses(DATA) or sql.uses(DATA, context | context) */
static struct cond *
check_call(struct check *c, const struct expr *e)
{
	static const char *const functions[] = {"sql.uses"};
	struct reads r = {.phase = PHASE_COMMAND, .protocols = 1u << PROTOCOL_POSTGRES,
			  .late = FACT_SQL_STATEMENTS};
	const struct expr *data = e->l, *where = data ? data->next : NULL;
	unsigned contexts = (1u << N_CONTEXTS) - 1;
	int d;

	if (strcmp(e->name, "sql.uses") != 0) {
		check_suggest(c, diag(c->q, UNKNOWN_FUNCTION, e->at, e->name), e->name, functions,
			      1);
		return cond_const(c, false);
	}
	if (!data || (where && where->next) || (data->kind != X_NAME && data->kind != X_ERROR)) {
		diag(c->q, BAD_ARGUMENTS, e->at,
		     "sql.uses takes a data class and, if not every place counts, places: "
		     "sql.uses(card, join | order)");
		return cond_const(c, false);
	}
	d = data->kind == X_NAME ? check_use_data(c, data->name, data->at) : -1;
	if (where)
		contexts = contexts_of(c, where);
	note_reads(c, &r);
	if (d < 0)
		return cond_const(c, false);
	check_uses_data(c, d, data->at);
	return cond_test(c, OP_USES, FACT_COUNT,
			 constant_uses(c->constants, (unsigned) d, contexts));
}

/* Each `let` once; the first of a chain that is too long stands for the others. */
static void
report_let(struct check *c, int i, const struct let_decl *l, bool cycle)
{
	if (c->lets[i].told || (!cycle && c->let_too_deep))
		return;
	c->lets[i].told = true;
	if (cycle) {
		diag(c->q, LET_CYCLE, l->name.at, l->name.s);
		return;
	}
	c->let_too_deep = true;
	diag_note(c->q, diag(c->q, NESTED_TOO_DEEP, l->name.at,
			     "200 `let`, each defined by the next, are possible"),
		  SPAN_NONE, "write out what some of them stand for");
}

static struct cond *
check_let(struct check *c, int i, const struct let_decl *l, const struct expr *use)
{
	struct let_state *s = &c->lets[i];
	struct reads outer = c->reads;
	struct cond *copy;

	if (use)
		s->used = true;
	if (s->progress == LET_RUNNING || c->let_depth > MAX_LET_DEPTH) {
		report_let(c, i, l, s->progress == LET_RUNNING);
		return cond_const(c, false);
	}
	if (s->progress == LET_NEW) {
		s->progress = LET_RUNNING;
		c->reads = (struct reads){0};
		c->let_depth++;
		s->cond = check_cond(c, l->expr);
		c->let_depth--;
		s->reads = c->reads;
		s->progress = LET_DONE;
		c->reads = outer;
	}
	note_reads(c, &s->reads);
	/* The condition is shared by all uses, so it goes into a list of its own. */
	copy = cond_list(c, COND_AND);
	copy->first = copy->last = s->cond;
	return copy;
}

/* Where a chain of names ends; NULL when it is too long or, then, comes back to itself. */
static const struct expr *
end_of_names(struct check *c, const struct expr *e, bool *cycle)
{
	const struct expr *far = NULL;
	const struct let_decl *l;

	*cycle = false;
	for (unsigned steps = 0; e->kind == X_NAME && fact_of(e) < 0; steps++) {
		if (find_let(c, e->name, &l) < 0)
			return e;
		*cycle = e == far;
		if (*cycle || steps > 2 * MAX_LET_DEPTH)
			return NULL;
		if (steps == MAX_LET_DEPTH)
			far = e;
		e = l->expr;
	}
	return far ? NULL : e;
}

/* Conditions are checked even when nothing uses them. A word or a literal means something only
 * where it is compared. */
void
check_lets(struct check *c)
{
	int i = 0;

	for (const struct let_decl *l = c->p->lets; l; l = l->next, i++) {
		bool cycle;
		const struct expr *end = end_of_names(c, l->expr, &cycle);
		struct reads outer = c->reads;

		if (!end)
			report_let(c, i, l, cycle);
		else if (is_condition(end))
			(void) check_let(c, i, l, NULL);
		c->reads = outer;
	}
}

static struct cond *
check_name(struct check *c, const struct expr *e)
{
	const struct let_decl *l;
	int f = fact_of(e), i;

	if (f >= 0) {
		if (fact_info[f].type == TYPE_BOOL)
			return test(c, OP_BOOL, (enum fact) f, 0);
		diag(c->q, NOT_A_CONDITION, e->at,
		     arena_printf(c->arena, "'%s', of type %s,", e->name,
				  type_info[fact_info[f].type].name));
		return cond_const(c, false);
	}
	if (check_row_column(e))
		return check_row_flag(c, e);
	i = find_let(c, e->name, &l);
	if (i < 0)
		return unknown_name(c, e);
	if (!is_condition(l->expr) && l->expr->kind != X_NAME) {
		c->lets[i].used = true;
		diag(c->q, NOT_A_CONDITION, e->at, what_is(l->expr));
		return cond_const(c, false);
	}
	return check_let(c, i, l, e);
}

static void
add_operands(struct check *c, struct cond *list, const struct expr *e, enum expr_kind kind)
{
	if (e->kind != kind) {
		cond_add(list, check_cond(c, e));
		return;
	}
	add_operands(c, list, e->l, kind);
	add_operands(c, list, e->r, kind);
}

struct cond *
check_cond(struct check *c, const struct expr *e)
{
	struct cond *list;

	switch (e->kind) {
	case X_ERROR:
		return cond_const(c, false);
	case X_OR:
	case X_AND:
		list = cond_list(c, e->kind == X_OR ? COND_OR : COND_AND);
		add_operands(c, list, e, e->kind);
		return list;
	case X_NOT:
		return cond_not(c, check_cond(c, e->l));
	case X_COMPARE:
		return check_compare(c, e);
	case X_IN:
		return check_in(c, e);
	case X_MATCHES:
	case X_STARTS:
	case X_ENDS:
		return check_pattern(c, e);
	case X_CALL:
		return check_call(c, e);
	case X_NAME:
		return check_name(c, e);
	case X_BOOL:
		return cond_const(c, e->number != 0);
	default:
		diag(c->q, NOT_A_CONDITION, e->at, what_is(e));
		return cond_const(c, false);
	}
}
