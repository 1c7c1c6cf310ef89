/* SPDX-License-Identifier: MIT
 *
 * What the grammar's actions call: one function per construct, which makes its node. The span of a
 * node goes from its keyword to the last token before the parser's lookahead.
 */
#ifndef WEIR_COMPILER_BUILD_H
#define WEIR_COMPILER_BUILD_H

#include "compiler/lex.h"
#include "compiler/parse.h"

/* A file being parsed; imports nest. */
struct parse_file {
	struct parse_file *outer;
	const char *path;
	uint32_t file;
	struct tokens tokens; /* without comments */
	size_t at;	      /* the lookahead: being fed to the parser */
};

struct builder {
	struct arena *arena;
	struct diag_queue *q;
	struct interner names;
	const struct parse_loader *loader;
	const struct parse_watch *watch; /* or NULL */
	struct parse_file *file;
	struct policy *policy;
	size_t bytes;			 /* of all texts that were loaded */
	bool stop;			 /* the parser gave up on this file */
	const struct token *complained;	 /* the last token an action reported */
	const char *hint;		 /* what build_expected thinks was meant, or NULL */
	void *list_head, *list_tail;	 /* of the list last appended to */
	void *tails[16];		 /* of the policy's lists */

	/* The rule or test under construction, or the last one. */
	struct rule *rule;
	struct test_decl *test;
	struct clause *last_clause;
	struct clause *clauses[CLAUSE_KINDS]; /* the first of each kind */
	const struct token *start;
	bool declared; /* it is in the policy's list already */
	bool broken; /* a clause of it was wrong: do not miss what may have been there */
};

struct token_list {
	struct token_list *next;
	const struct token *token;
};

struct mode {
	const struct token *word, *over;
};

void build_syntax_error(struct builder *b, int code, const struct token *t, const char *expected);
const char *build_expected(struct builder *b, const bool *may, int n);
void build_too_deep(struct builder *b);
/* The name; it is reported when it is none of those words. */
struct name build_one_of(struct builder *b, const struct token *t, const char *expected,
			 const char *const *words, size_t n);

/* Sees each token of the root file before the parser gets it. */
struct parse_watch {
	void (*sees)(void *ctx, const void *parser, const struct token *t, size_t at);
	void *ctx;
};

/* Parses like parse_policy_text and hands back the root file's tokens with their roles. The watch
 * may be NULL. */
struct policy *parse_policy_tokens(struct arena *arena, struct diag_queue *q, const char *path,
				   struct slice text, const struct parse_loader *loader,
				   const struct parse_watch *watch, struct tokens *tokens);

void build_mark(struct builder *b, const struct token *t, enum token_role role);
void *list_append(struct builder *b, void *list, void *item);
const struct token_list *token_list_add(struct builder *b, const struct token_list *l,
					const struct token *t);

void build_policy(struct builder *b, const struct token *k, const struct token *name,
		  const struct token *title);
void build_import(struct builder *b, const struct token *path); /* parse.c */
void build_group(struct builder *b, const struct token *k, const struct token *name,
		 const struct token *source, const struct token *value);
void build_target(struct builder *b, const struct token *k, const struct token *name,
		  const struct token *protocol, const struct token *glob);
/* A path in the text, as seen from where the root file's is. */
const char *build_path(struct builder *b, const char *path);
void build_catalog(struct builder *b, const struct token *k, const struct token *path);
void build_data(struct builder *b, const struct token *k, const struct token *name,
		struct data_item *items);
struct data_item *build_column(struct builder *b, const struct token *k, const struct token *stem,
			       const struct token_list *alternatives);
struct data_item *build_values_like(struct builder *b, const struct token *k,
				    const struct token *detector);
void build_let(struct builder *b, const struct token *k, const struct token *name, struct expr *x);
void build_trust(struct builder *b, const struct token *k, const struct token *what,
		 const struct token *function, const struct token *word,
		 const struct token *digest);
void build_default(struct builder *b, const struct token *k, const struct token *verdict);
void build_prove_only(struct builder *b, const struct token *k, struct ref *groups,
		      struct ref *data);
void build_prove_nobody(struct builder *b, const struct token *k, struct ref *actions,
			const struct token *article);

bool build_takes(enum rule_kind rule, enum clause_kind clause);
void build_rule(struct builder *b, const struct token *shadow, const struct token *kind,
		const struct token *name, const struct token *sentence);
void build_notify_rule(struct builder *b, const struct token *shadow, const struct token *kind,
		       const struct token *name, const struct token *sentence,
		       const struct token *channel);
void build_rule_end(struct builder *b);
void build_rule_reopen(struct builder *b);
void build_names(struct builder *b, const struct token *k, enum clause_kind kind,
		 struct ref *names);
void build_when(struct builder *b, const struct token *k, struct expr *x);
void build_unless(struct builder *b, const struct token *k, enum clause_kind of, struct ref *names);
void build_unless_expr(struct builder *b, const struct token *k, struct expr *x);
void build_for(struct builder *b, const struct token *k, struct quorum *list,
	       const struct token *not_self);
void build_duration(struct builder *b, const struct token *k, enum clause_kind kind,
		    struct expr *value);
void build_flag(struct builder *b, const struct token *k, enum clause_kind kind);
void build_channel(struct builder *b, const struct token *k, enum clause_kind kind,
		   const struct token *name);
void build_with(struct builder *b, const struct token *k, struct kernel *kernel);
void build_with_names(struct builder *b, const struct token *k, const struct token *first,
		      struct ref *rest);
void build_amount(struct builder *b, const struct token *k, struct expr *value,
		  const struct token *per);
struct ref *build_ref(struct builder *b, struct ref *list, const struct token *name);
struct quorum *build_quorum(struct builder *b, const struct token *n, const struct token *group);
struct kernel *build_kernel(struct builder *b, const struct token *name, struct expr *args);
struct kernel *build_mode(struct builder *b, struct kernel *kernel, struct mode mode);

struct expr *build_binary(struct builder *b, enum expr_kind kind, struct expr *l, struct expr *r);
struct expr *build_compare(struct builder *b, enum compare_op op, struct expr *l, struct expr *r);
struct expr *build_not(struct builder *b, const struct token *k, struct expr *x);
struct expr *build_group_expr(struct builder *b, const struct token *open, struct expr *x,
			      const struct token *close);
struct expr *build_name(struct builder *b, const struct token *name);
struct expr *build_literal(struct builder *b, const struct token *t);
struct expr *build_call(struct builder *b, const struct token *name, struct expr *args,
			const struct token *close);
struct expr *build_set(struct builder *b, const struct token *open, struct expr *items,
		       const struct token *close);
struct expr *build_alt(struct builder *b, struct expr *first, struct expr *rest);

void build_test(struct builder *b, const struct token *k, const struct token *name);
void build_test_end(struct builder *b);
void build_test_reopen(struct builder *b);
void build_test_as(struct builder *b, const struct token *k, const struct token *kind,
		   const struct token *principal, struct ref *groups);
void build_test_on(struct builder *b, const struct token *k, const struct token *target);
void build_test_with(struct builder *b, const struct token *k, struct cell *facts);
void build_test_run(struct builder *b, const struct token *k, const struct token *sql,
		    struct expr *parameters);
void build_test_row(struct builder *b, const struct token *k, struct cell *cells);
void build_expect(struct builder *b, const struct token *k, const struct token *verdict,
		  const struct token *by);
void build_expect_row(struct builder *b, const struct token *k, struct cell *cells);
struct cell *build_cell(struct builder *b, const struct token *name, struct expr *value);

/* Generated from grammar/policy.y. */
void *policy_parseAlloc(void *(*alloc)(size_t));
void policy_parseFree(void *parser, void (*release)(void *));
void policy_parse(void *parser, int code, const struct token *t, struct builder *b);
bool policy_parser_lost(const void *parser);
void policy_parser_found(void *parser);
bool policy_parser_takes(const void *parser, int code);
int policy_parser_tokens(void); /* codes are below it */

#endif
