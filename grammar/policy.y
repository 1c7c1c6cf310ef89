/* SPDX-License-Identifier: MIT
 *
 * The grammar of the policy language (Lemon). If this is C with tables, you are reading the
 * generated file: edit grammar/policy.y. Actions only build nodes (compiler/build.c); names, types
 * and meanings are checked later. Nothing is optional and a name at the same place, which is what
 * lets %fallback make every keyword usable as a name.
 */
%name            policy_parse
%token_prefix    TK_
%token_type      { const struct token * }
%default_type    { void * }
%extra_argument  { struct builder *b }
%stack_size      256
%start_symbol    file

%include {
#include "compiler/build.h"

static const char *policy_parser_expects(void *parser, struct builder *b);
}

%syntax_error    { build_syntax_error(b, yymajor, TOKEN, policy_parser_expects(yypParser, b)); }
%stack_overflow  { build_too_deep(b); }

%code {
/* True after a token that was a mistake and no good one since. */
bool
policy_parser_lost(const void *parser)
{
	return ((const struct yyParser *) parser)->yyerrcnt == 3;
}

/* The caller has skipped to where reading on makes sense: the next mistake is news. */
void
policy_parser_found(void *parser)
{
	((struct yyParser *) parser)->yyerrcnt = -1;
}

/* What the table has for the state on top of the stack. A state that finds an error has no default
 * reduction left, so its entries are exactly the tokens that may follow. */
static const char *
policy_parser_expects(void *parser, struct builder *b)
{
	int offset = yy_shift_ofst[((struct yyParser *) parser)->yytos->stateno];
	bool may[YYNTOKEN];

	for (int code = 0; code < YYNTOKEN; code++)
		may[code] = yy_lookahead[offset + code] == code;
	return build_expected(b, may, YYNTOKEN);
}

/* Whether the token would be taken for what it is, and not as a name by %fallback: the default
 * reductions that its coming brings about are played on a copy of the stack. */
bool
policy_parser_takes(const void *parser, int code)
{
	const struct yyParser *p = parser;
	YYACTIONTYPE stack[YYSTACKDEPTH + 1], act;
	int top = (int) (p->yytos - p->yystack), offset;

	for (int i = 0; i <= top; i++)
		stack[i] = p->yystack[i].stateno;
	for (act = stack[top];; act = stack[top]) {
		if (act <= YY_MAX_SHIFT) {
			offset = yy_shift_ofst[act];
			if (yy_lookahead[offset + code] == code)
				act = yy_action[offset + code];
			else if (yyFallback[code] &&
				 yy_lookahead[offset + yyFallback[code]] == yyFallback[code])
				return false;
			else
				act = yy_default[act];
		}
		if (act <= YY_MAX_SHIFTREDUCE || act == YY_ACCEPT_ACTION)
			return true;
		if (act < YY_MIN_REDUCE)
			return false;
		act -= YY_MIN_REDUCE;
		top += yyRuleInfoNRhs[act] + 1; /* the length of a right side is stored negated */
		if (top > YYSTACKDEPTH)
			return false;
		stack[top] = yy_find_reduce_action(stack[top - 1], yyRuleInfoLhs[act]);
	}
}

int
policy_parser_tokens(void)
{
	return YYNTOKEN;
}
}

/* The brackets belong to configurations. NOTIFY_RULE, RESUME and REOPEN_x are made by parse.c.
 * RESUME stands for what was skipped after a mistake. Without it the default reductions of the
 * tables would end the rule at the token in error, and the rest of the rule would be lost. REOPEN_x
 * takes up the last rule or test after a mistake between its clauses. */
%token LBRACKET RBRACKET.

%fallback NAME
  POLICY IMPORT GROUP TARGET CATALOG DATA LET TRUST ALLOW DENY HOLD MASK LIMIT DROP RECORD SHADOW DEFAULT TEST
  PROVE WHO ON DO WHEN UNLESS FOR WITHIN EXPIRES ONCE REASON TICKET NOTIFY OF WITH ROWS BYTES TIME LOOKUPS COMMANDS
  AS RUN ROW EXPECT TO AND OR NOT IN MATCHES STARTS ENDS TRUE FALSE COLUMN VALUES LIKE SELF
  REQUIRED ALLOWING LOOKUP DERIVED AGGREGATES OVER PER USING BY ONLY SEE UNMASKED NOBODY RUNS
  WITHOUT NOTIFY_RULE.

%left     OR.
%left     AND.
%right    NOT.

file ::= decls.
decls ::= .
decls ::= decls decl.
decls ::= decls error RESUME.

decl ::= POLICY(K) NAME(N) opt_string(S).         { build_policy(b, K, N, S); }
decl ::= IMPORT STRING(S).                        { build_import(b, S); }
decl ::= GROUP(K) NAME(N) EQ NAME(W) STRING(S).   { build_group(b, K, N, W, S); }
decl ::= TARGET(K) NAME(N) EQ NAME(W) STRING(S).  { build_target(b, K, N, W, S); }
decl ::= CATALOG(K) STRING(S).                    { build_catalog(b, K, S); }
decl ::= DATA(K) NAME(N) EQ data_items(L).        { build_data(b, K, N, L); }
decl ::= LET(K) NAME(N) EQ expr(X).               { build_let(b, K, N, X); }
decl ::= TRUST(K) NAME(W) STRING(F) NAME(D) STRING(H).
                                                  { build_trust(b, K, W, F, D, H); }
decl ::= DEFAULT(K) NAME(N).                      { build_default(b, K, N); }
decl ::= rule_head clauses.                       { build_rule_end(b); }
decl ::= test_head test_clauses.                  { build_test_end(b); }
decl ::= PROVE(K) ONLY names(G) SEE names(D) UNMASKED.
                                                  { build_prove_only(b, K, G, D); }
decl ::= PROVE(K) NOBODY RUNS names(A) WITHOUT NAME(W) HOLD.
                                                  { build_prove_nobody(b, K, A, W); }

%type opt_string { const struct token * }
opt_string(A) ::= .                               { A = NULL; }
opt_string(A) ::= STRING(S).                      { A = S; }

/* ---- data card = column payments.cards.pan, values like email ---- */

%type data_items { struct data_item * }
%type data_item  { struct data_item * }
%type patterns   { const struct token_list * }
%type pattern    { const struct token * }
data_items(A) ::= data_item(I).                   { A = I; }
data_items(A) ::= data_items(L) COMMA data_item(I). { A = list_append(b, L, I); }
data_item(A) ::= COLUMN(K) pattern(P).            { A = build_column(b, K, P, NULL); }
data_item(A) ::= COLUMN(K) pattern(P) DOT_LBRACE patterns(L) RBRACE.
                                                  { A = build_column(b, K, P, L); }
data_item(A) ::= VALUES(K) LIKE NAME(N).          { A = build_values_like(b, K, N); }
pattern(A) ::= NAME(N).                           { A = N; }
pattern(A) ::= PATTERN(N).                        { A = N; }
patterns(A) ::= pattern(P).                       { A = token_list_add(b, NULL, P); }
patterns(A) ::= patterns(L) COMMA pattern(P).     { A = token_list_add(b, L, P); }

/* ---- rules ---- */

%type kind       { const struct token * }
rule_head ::= kind(K) NAME(N) opt_string(T).      { build_rule(b, NULL, K, N, T); }
rule_head ::= SHADOW(S) kind(K) NAME(N) opt_string(T). { build_rule(b, S, K, N, T); }
rule_head ::= NOTIFY_RULE(K) NAME(N) opt_string(T) TO NAME(C).
                                                  { build_notify_rule(b, NULL, K, N, T, C); }
rule_head ::= SHADOW(S) NOTIFY_RULE(K) NAME(N) opt_string(T) TO NAME(C).
                                                  { build_notify_rule(b, S, K, N, T, C); }
rule_head ::= kind(K) error RESUME.               { build_rule(b, NULL, K, NULL, NULL); }
rule_head ::= SHADOW(S) kind(K) error RESUME.     { build_rule(b, S, K, NULL, NULL); }
rule_head ::= REOPEN_RULE.                        { build_rule_reopen(b); }
kind(A) ::= ALLOW|DENY|HOLD|MASK|LIMIT|DROP|RECORD(K). { A = K; }

clauses ::= .
clauses ::= clauses clause.
clause ::= error RESUME.
clause ::= WHO(K) names(L).                       { build_names(b, K, CLAUSE_WHO, L); }
clause ::= ON(K) names(L).                        { build_names(b, K, CLAUSE_ON, L); }
clause ::= DO(K) names(L).                        { build_names(b, K, CLAUSE_DO, L); }
clause ::= OF(K) names(L).                        { build_names(b, K, CLAUSE_OF, L); }
clause ::= WHEN(K) expr(X).                       { build_when(b, K, X); }
clause ::= UNLESS(K) expr(X).                     { build_unless_expr(b, K, X); }
clause ::= UNLESS(K) WHO names(L).                { build_unless(b, K, CLAUSE_WHO, L); }
clause ::= UNLESS(K) ON names(L).                 { build_unless(b, K, CLAUSE_ON, L); }
clause ::= UNLESS(K) DO names(L).                 { build_unless(b, K, CLAUSE_DO, L); }
clause ::= FOR(K) quorums(Q).                     { build_for(b, K, Q, NULL); }
clause ::= FOR(K) quorums(Q) NOT(N) SELF.         { build_for(b, K, Q, N); }
clause ::= WITHIN(K) literal(X).                  { build_duration(b, K, CLAUSE_WITHIN, X); }
clause ::= EXPIRES(K) literal(X).                 { build_duration(b, K, CLAUSE_EXPIRES, X); }
clause ::= ONCE(K).                               { build_flag(b, K, CLAUSE_ONCE); }
clause ::= REASON(K) REQUIRED.                    { build_flag(b, K, CLAUSE_REASON); }
clause ::= TICKET(K) REQUIRED.                    { build_flag(b, K, CLAUSE_TICKET); }
clause ::= NOTIFY(K) NAME(N).                     { build_channel(b, K, CLAUSE_NOTIFY, N); }
clause ::= WITH(K) kernel(M).                     { build_with(b, K, M); }
clause ::= WITH(K) NAME(N) COMMA names(L).        { build_with_names(b, K, N, L); }
clause ::= amount_kind(K) literal(X) opt_per(P).  { build_amount(b, K, X, P); }

%type names { struct ref * }
names(A) ::= NAME(N).                             { A = build_ref(b, NULL, N); }
names(A) ::= names(L) COMMA NAME(N).              { A = build_ref(b, L, N); }

%type quorums { struct quorum * }
%type quorum  { struct quorum * }
quorums(A) ::= quorum(Q).                         { A = Q; }
quorums(A) ::= quorums(L) AND quorum(Q).          { A = list_append(b, L, Q); }
quorum(A) ::= INT(I) OF NAME(N).                  { A = build_quorum(b, I, N); }

%type kernel { struct kernel * }
%type modes  { struct kernel * }
kernel(A) ::= NAME(N).                            { A = build_kernel(b, N, NULL); }
kernel(A) ::= NAME(N) LP args(L) RP.              { A = build_kernel(b, N, L); }
kernel(A) ::= modes(M).                           { A = M; }
modes(A) ::= kernel(M) ALLOWING mode(X).          { A = build_mode(b, M, X); }
modes(A) ::= modes(M) COMMA mode(X).              { A = build_mode(b, M, X); }
%type mode { struct mode }
mode(A) ::= LOOKUP(K).                            { A = (struct mode){K, NULL}; }
mode(A) ::= DERIVED(K).                           { A = (struct mode){K, NULL}; }
mode(A) ::= AGGREGATES(K) OVER INT(I).            { A = (struct mode){K, I}; }

%type amount_kind { const struct token * }
%type opt_per     { const struct token * }
amount_kind(A) ::= ROWS|BYTES|TIME|LOOKUPS|COMMANDS(K).   { A = K; }
opt_per(A) ::= .                                  { A = NULL; }
opt_per(A) ::= PER NAME(N).                       { A = N; }

/* ---- expressions ---- */

%type expr    { struct expr * }
%type operand { struct expr * }
%type literal { struct expr * }
%type name_x  { struct expr * }
%type set     { struct expr * }
%type values  { struct expr * }
%type value   { struct expr * }
%type args    { struct expr * }
%type arg     { struct expr * }
%type alts    { struct expr * }
expr(A) ::= expr(L) OR expr(R).                   { A = build_binary(b, X_OR, L, R); }
expr(A) ::= expr(L) AND expr(R).                  { A = build_binary(b, X_AND, L, R); }
expr(A) ::= NOT(K) expr(X).                       { A = build_not(b, K, X); }
expr(A) ::= LP(K) expr(X) RP(E).                  { A = build_group_expr(b, K, X, E); }
expr(A) ::= operand(X).                           { A = X; }
expr(A) ::= operand(L) EQ operand(R).             { A = build_compare(b, CMP_EQ, L, R); }
expr(A) ::= operand(L) NE operand(R).             { A = build_compare(b, CMP_NE, L, R); }
expr(A) ::= operand(L) LT operand(R).             { A = build_compare(b, CMP_LT, L, R); }
expr(A) ::= operand(L) LE operand(R).             { A = build_compare(b, CMP_LE, L, R); }
expr(A) ::= operand(L) GT operand(R).             { A = build_compare(b, CMP_GT, L, R); }
expr(A) ::= operand(L) GE operand(R).             { A = build_compare(b, CMP_GE, L, R); }
expr(A) ::= operand(L) IN set(R).                 { A = build_binary(b, X_IN, L, R); }
expr(A) ::= operand(L) IN name_x(R).              { A = build_binary(b, X_IN, L, R); }
expr(A) ::= operand(L) IN ADDRESS(T).             { A = build_binary(b, X_IN, L, build_literal(b, T)); }
expr(A) ::= operand(L) MATCHES STRING(T).         { A = build_binary(b, X_MATCHES, L, build_literal(b, T)); }
expr(A) ::= operand(L) MATCHES REGEX(T).          { A = build_binary(b, X_MATCHES, L, build_literal(b, T)); }
expr(A) ::= operand(L) STARTS WITH STRING(T).     { A = build_binary(b, X_STARTS, L, build_literal(b, T)); }
expr(A) ::= operand(L) ENDS WITH STRING(T).       { A = build_binary(b, X_ENDS, L, build_literal(b, T)); }
operand(A) ::= name_x(X).                         { A = X; }
operand(A) ::= literal(X).                        { A = X; }
operand(A) ::= NAME(N) LP args(L) RP(E).          { A = build_call(b, N, L, E); }
name_x(A) ::= NAME(N).                            { A = build_name(b, N); }
literal(A) ::= STRING|INT|DURATION|SIZE|CLOCK|ADDRESS|TRUE|FALSE(T). { A = build_literal(b, T); }
set(A) ::= LBRACE(K) values(L) RBRACE(E).         { A = build_set(b, K, L, E); }
values(A) ::= value(X).                           { A = X; }
values(A) ::= values(L) COMMA value(X).           { A = list_append(b, L, X); }
value(A) ::= literal(X).                          { A = X; }
value(A) ::= NAME(N).                             { A = build_name(b, N); }
value(A) ::= PATTERN(N).                          { A = build_name(b, N); }
args(A) ::= arg(X).                               { A = X; }
args(A) ::= args(L) COMMA arg(X).                 { A = list_append(b, L, X); }
arg(A) ::= value(X).                              { A = X; }
arg(A) ::= value(X) BAR alts(L).                  { A = build_alt(b, X, L); }
alts(A) ::= value(X).                             { A = X; }
alts(A) ::= alts(L) BAR value(X).                 { A = list_append(b, L, X); }

/* ---- tests ---- */

test_head ::= TEST(K) STRING(S).                  { build_test(b, K, S); }
test_head ::= TEST(K) error RESUME.               { build_test(b, K, NULL); }
test_head ::= REOPEN_TEST.                        { build_test_reopen(b); }
test_clauses ::= .
test_clauses ::= test_clauses test_clause.
test_clause ::= error RESUME.
test_clause ::= AS(K) NAME(N) STRING(S).          { build_test_as(b, K, N, S, NULL); }
test_clause ::= AS(K) NAME(N) STRING(S) IN names(L). { build_test_as(b, K, N, S, L); }
test_clause ::= ON(K) NAME(N).                    { build_test_on(b, K, N); }
test_clause ::= ON(K) STRING(S).                  { build_test_on(b, K, S); }
test_clause ::= WITH(K) facts(L).                 { build_test_with(b, K, L); }
test_clause ::= RUN(K) STRING(S).                 { build_test_run(b, K, S, NULL); }
test_clause ::= RUN(K) STRING(S) USING values(L). { build_test_run(b, K, S, L); }
test_clause ::= ROW(K) LP cells(L) RP.            { build_test_row(b, K, L); }
test_clause ::= EXPECT(K) LP cells(L) RP.         { build_expect_row(b, K, L); }
test_clause ::= EXPECT(K) NAME(N).                { build_expect(b, K, N, NULL); }
test_clause ::= EXPECT(K) NAME(N) BY NAME(R).     { build_expect(b, K, N, R); }

%type facts { struct cell * }
%type fact  { struct cell * }
%type cells { struct cell * }
%type cell  { struct cell * }
facts(A) ::= fact(C).                             { A = C; }
facts(A) ::= facts(L) COMMA fact(C).              { A = list_append(b, L, C); }
fact(A) ::= NAME(N) EQ value(X).                  { A = build_cell(b, N, X); }
fact(A) ::= NAME(N) EQ set(X).                    { A = build_cell(b, N, X); }
cells(A) ::= cell(C).                             { A = C; }
cells(A) ::= cells(L) COMMA cell(C).              { A = list_append(b, L, C); }
cell(A) ::= NAME(N) COLON value(X).               { A = build_cell(b, N, X); }
cell(A) ::= STRING(N) COLON value(X).             { A = build_cell(b, N, X); }
