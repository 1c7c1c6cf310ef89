/* SPDX-License-Identifier: MIT
 *
 * The syntax tree of a policy: what was written, not yet what it means. Every node has a span,
 * every list is in the order of the text, and declarations of imported files stand where the
 * `import` was. Nodes live in the arena of the compilation and are never changed after parsing.
 *
 * Names are interned per compilation: equal names are equal pointers, so compare with ==. A name
 * that is not there is NULL. Parsing guarantees (parse.h): each clause stands in a rule kind that
 * allows it and, unless ast.h says "may repeat", at most once; numbers fit; spans are within their
 * files. It does not resolve names: the right side of `=` may be an enum word, a let or a fact.
 */
#ifndef WEIR_COMPILER_AST_H
#define WEIR_COMPILER_AST_H

#include "base/buf.h"
#include "compiler/source.h"

#include <netinet/in.h>

struct name {
	const char *s; /* interned; NULL: absent */
	struct span at;
};

struct text {
	struct slice v; /* escapes resolved, NUL-terminated besides; p NULL: absent */
	struct span at; /* with its quotes */
};

/* A list of names: `agents, dba`. */
struct ref {
	struct ref *next;
	struct name name;
};

/* ---- Expressions ---- */

enum expr_kind {
	X_ERROR,    /* reported already; absorb */
	X_OR,	    /* l or r */
	X_AND,	    /* l and r */
	X_NOT,	    /* not l */
	X_COMPARE,  /* l op r */
	X_IN,	    /* l in r; r is X_SET or X_NAME */
	X_MATCHES,  /* l matches r: X_STRING, a glob, or X_REGEX */
	X_STARTS,   /* l starts with r; r is X_STRING */
	X_ENDS,	    /* l ends with r; r is X_STRING */
	X_CALL,	    /* name(args); args in l, linked by next; an arg may be X_ALT */
	X_ALT,	    /* a | b | c in l, linked by next; only as an argument */
	X_SET,	    /* {a, b} in l, linked by next; X_ERROR-free sets have at least one item */
	X_NAME,	    /* fact, let, enum word, action, data class */
	X_BOOL,	    /* number 0 or 1 */
	X_INT,	    /* number */
	X_DURATION, /* number, in milliseconds */
	X_SIZE,	    /* number, in bytes */
	X_TIME,	    /* number, second of the day */
	X_STRING,   /* string */
	X_ADDRESS,  /* address; a plain address has the full prefix length */
	X_REGEX,    /* string: as it is written, with its slashes; empty: reported already */
	X_NULL,	    /* SQL's null; only in test rows, expected rows and parameters */
};

enum compare_op { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct cidr {
	uint8_t family; /* 4 or 6 */
	uint8_t bits;	/* prefix length; the address bits behind it are zero */
	uint8_t addr[16];
};

enum { EXPR_MAX_DEPTH = 1000 };

struct expr {
	struct expr *next; /* in a list */
	enum expr_kind kind;
	enum compare_op op;
	uint32_t depth; /* of the tree below, at most EXPR_MAX_DEPTH: recursion is safe */
	struct span at; /* the whole expression */
	struct expr *l, *r;
	const char *name; /* X_NAME, X_CALL */
	struct slice string;
	int64_t number;
	struct cidr address;
};

/* ---- Declarations ---- */

/* group agents = idp "ai-agents" */
struct group_decl {
	struct group_decl *next;
	struct span at;
	struct name name;
	struct name source; /* "idp" */
	struct text value;
};

/* target orders = postgres "orders*" */
struct target_decl {
	struct target_decl *next;
	struct span at;
	struct name name;
	struct name protocol;
	struct text glob;
};

/* catalog "orders.sql" */
struct catalog_decl {
	struct catalog_decl *next;
	struct span at;
	struct text path;
	const char *file; /* the path as seen from where the root file's is */
};

enum data_item_kind { DATA_COLUMN, DATA_VALUES_LIKE };

/* column people.{email, phone}: one item per alternative, so {people email} and {people phone}.
 * Parts are globs, outermost first: [schema.]table.column; a single part is a column anywhere. */
struct data_item {
	struct data_item *next;
	enum data_item_kind kind;
	struct span at;
	/* interned; [2] is the column, [1] the table, [0] the schema; or NULL */
	const char *parts[3];
	const char *column;   /* the pattern as one dotted name: "people.email" */
	struct name detector; /* DATA_VALUES_LIKE */
};

/* data card = column payments.cards.pan, column *.card_number */
struct data_decl {
	struct data_decl *next;
	struct span at;
	struct name name;
	struct data_item *items;
};

/* let weekend = time.weekday in {sat, sun} */
struct let_decl {
	struct let_decl *next;
	struct span at;
	struct name name;
	struct expr *expr;
};

/* trust function "app.net(numeric)" digest "sha256:..." */
struct trust_decl {
	struct trust_decl *next;
	struct span at;
	struct text function; /* schema.name(argument types), as `weir functions` writes it */
	struct text digest;
};

enum rule_kind {
	RULE_ALLOW,
	RULE_DENY,
	RULE_HOLD,
	RULE_MASK,
	RULE_LIMIT,
	RULE_DROP,
	RULE_RECORD,
	RULE_NOTIFY,
};

enum clause_kind {
	CLAUSE_WHO,	/* names: groups; may repeat (and) */
	CLAUSE_ON,	/* names: targets; may repeat (and) */
	CLAUSE_DO,	/* names: actions; may repeat (and) */
	CLAUSE_WHEN,	/* expr; may repeat (and) */
	CLAUSE_UNLESS,	/* expr, or names with `unless` saying of what; may repeat (any excepts) */
	CLAUSE_FOR,	/* hold: quorum, not_self */
	CLAUSE_WITHIN,	/* hold: value, X_DURATION */
	CLAUSE_EXPIRES, /* hold: value, X_DURATION */
	CLAUSE_ONCE,	/* hold */
	CLAUSE_REASON,	/* hold: reason required */
	CLAUSE_TICKET,	/* hold: ticket required */
	CLAUSE_NOTIFY,	/* allow, deny, hold: names, one: the channel */
	CLAUSE_OF,	/* mask, drop: names: data classes; without it the rule's own name is it */
	CLAUSE_WITH,	/* mask: kernel, whose absence parse reports; record: kernel, or names */
	CLAUSE_TO,	/* notify: names, one: the channel; required */
	CLAUSE_AMOUNT,	/* limit: amount; may repeat */
	CLAUSE_KINDS
};

/* 1 of dba */
struct quorum {
	struct quorum *next;
	struct span at;
	int64_t n; /* at least 1 */
	struct name group;
};

/* with last(4) allowing lookup, aggregates over 20 */
struct kernel {
	struct span at;
	struct name name; /* last, first, partial, fixed, null, hash, pseudonym, ... */
	struct expr *args; /* literals, linked by next */
	bool lookup, derived;
	int64_t aggregates_over; /* 0: not allowed */
	struct span lookup_at, derived_at, aggregates_at;
};

enum amount_kind { AMOUNT_ROWS, AMOUNT_BYTES, AMOUNT_TIME, AMOUNT_LOOKUPS, AMOUNT_COMMANDS };

/* rows 1000 per command */
struct amount {
	struct span at;
	enum amount_kind kind;
	struct expr *value; /* X_INT, X_SIZE (or X_INT), X_DURATION */
	struct name per;    /* command, minute, hour, day, session; s NULL: command */
};

struct clause {
	struct clause *next;
	enum clause_kind kind;
	struct span at; /* the whole clause */
	struct ref *names;
	enum clause_kind unless; /* CLAUSE_WHO, _ON, _DO: names; CLAUSE_WHEN: expr */
	struct expr *expr;
	struct expr *value;
	struct quorum *quorum;
	bool not_self;
	struct kernel *kernel;
	struct amount *amount;
};

struct rule {
	struct rule *next;
	enum rule_kind kind;
	bool shadow;
	struct span at; /* the whole rule; name.at is the better caret */
	struct name name;
	struct text sentence;
	struct clause *clauses;
};

/* default allow */
struct default_decl {
	struct default_decl *next;
	struct span at;
	struct name verdict; /* "allow", or another word: to be refused by the check */
};

/* One cell of `row (pan: "4111")` or one override of `with time.weekday = fri`. */
struct cell {
	struct cell *next;
	struct span at;
	struct name name;
	/* a literal, X_NAME for an enum word, or X_NULL; overrides: also X_SET */
	struct expr *value;
};

struct test_row {
	struct test_row *next;
	struct span at;
	struct cell *cells;
};

enum expect_kind {
	EXPECT_VERDICT,	  /* allow|deny|hold [by RULE]; `by default` has by.s "default" */
	EXPECT_MASKED,	  /* masked by RULE */
	EXPECT_LIMITED,	  /* limited by RULE */
	EXPECT_RECORDED,  /* recorded by RULE */
	EXPECT_NOTIFIED,  /* notified by RULE */
	EXPECT_SHADOW,	  /* shadow by RULE: it would change something */
	EXPECT_DROPPED,	  /* dropped by RULE: the next row */
	EXPECT_ROW,	  /* cells: the next row as the client gets it */
};

struct expect {
	struct expect *next;
	struct span at;
	enum expect_kind kind;
	enum rule_kind verdict; /* RULE_ALLOW, RULE_DENY, RULE_HOLD */
	struct name by;
	struct cell *cells;
};

/* test "..." as agent "planner-7" in agents on orders with ... run "..." row (...) expect ... */
struct test_decl {
	struct test_decl *next;
	struct span at;
	struct text name;
	struct name kind; /* human, service, agent */
	struct text principal;
	struct ref *groups;  /* policy group names */
	struct name target;  /* a declared target, or */
	struct text resource; /* a quoted resource name */
	struct cell *facts;  /* with NAME = literal, ... */
	struct text sql;
	struct expr *parameters; /* using "a", 5 */
	struct test_row *rows;
	struct expect *expects; /* at least one */
};

enum prove_kind {
	PROVE_ONLY_SEE,	   /* only groups see data unmasked */
	PROVE_NOBODY_RUNS, /* nobody runs actions without a hold */
};

struct prove_decl {
	struct prove_decl *next;
	struct span at;
	enum prove_kind kind;
	struct ref *groups;
	struct ref *data;
	struct ref *actions;
};

struct parse_loader;

struct policy {
	const struct parse_loader *loader; /* that files are read with; NULL: none are */
	struct name name; /* s NULL: a fragment, to be imported only */
	struct text title;
	struct span at; /* the header; for a fragment an empty span at the start of the root file */
	struct group_decl *groups;
	struct target_decl *targets;
	struct catalog_decl *catalogs;
	struct data_decl *data;
	struct let_decl *lets;
	struct trust_decl *trusts;
	struct rule *rules;
	struct default_decl *defaults; /* more than one, or not `allow`: the check reports it */
	struct test_decl *tests;
	struct prove_decl *proofs;
};

/* A readable form of the whole tree without spans: golden tests, and fmt's proof that it changed
 * nothing. */
void ast_dump(const struct policy *p, struct buf *out);
void ast_dump_expr(const struct expr *e, struct buf *out);

const char *rule_kind_name(enum rule_kind kind);     /* "allow" */
const char *clause_kind_name(enum clause_kind kind); /* "who" */
const char *compare_op_name(enum compare_op op);     /* "<=" */
const char *expect_kind_name(enum expect_kind kind); /* "masked": what stands behind `expect` */

#endif
