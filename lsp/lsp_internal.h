/* SPDX-License-Identifier: MIT
 *
 * What the parts of the language server share.
 */
#ifndef WEIR_LSP_INTERNAL_H
#define WEIR_LSP_INTERNAL_H

#include "compiler/compile.h"
#include "compiler/probe.h"
#include "lsp/rpc.h"
#include "lsp/lsp.h"
#include "lsp/symbols.h"
#include "lsp/text.h"

#include <jansson.h>

/* JSON-RPC's and LSP's numbers. */
enum lsp_error {
	LSP_PARSE_ERROR = -32700,
	LSP_INVALID_REQUEST = -32600,
	LSP_METHOD_NOT_FOUND = -32601,
	LSP_INVALID_PARAMS = -32602,
	LSP_NOT_INITIALIZED = -32002,
	LSP_REQUEST_CANCELLED = -32800,
	LSP_REQUEST_FAILED = -32803,
};

/* What the compiler makes of one file and all it imports. */
struct analysis {
	struct arena arena;
	struct sources sources;
	struct diag_queue q;
	struct policy *policy;
	struct symbols symbols;
	struct text_lines *lines; /* per file; text NULL until asked for */
	struct catalog *catalog;  /* NULL: the policy has none, or none that can be read */
	struct checked *checked;
};

struct document {
	struct document *next;
	char *uri, *path;
	struct buf text;
	json_int_t version;
	struct analysis *a; /* with this file as the root */
	bool stale;	    /* a is older than some text */
	bool told;	    /* its diagnostics have been sent since it changed */
	bool hidden;	    /* a policy on disk that imports a file that is open */
	bool looked;	    /* for such policies */
};

/* A message that has come, before its turn. */
struct lsp_waiting {
	json_t *message; /* NULL: it is no JSON */
	bool too_large, cancelled;
};

struct lsp {
	const struct lsp_disk *disk;
	const char *version;
	struct rpc_reader rpc;
	struct lsp_waiting *waiting;
	size_t n_waiting, cap_waiting;
	struct document *documents;
	json_t *published; /* uri to diagnostics */
	enum text_units units;
	bool initialized, shut_down, over, dirty;
	int exit_code;
	/* of the request being answered; code 0: none */
	enum lsp_error error;
	const char *error_text;
	struct arena scratch; /* of one message */
};

/* A place in a document: in the analysis of the policy that it belongs to. */
struct spot {
	struct document *doc;
	struct analysis *a;
	uint32_t file;
	size_t off;
};

/* server.c */
json_t *lsp_fail(struct lsp *s, enum lsp_error code, const char *text); /* returns NULL */
void lsp_send(struct buf *out, json_t *message); /* takes the reference */
json_t *lsp_string(struct slice text); /* what is not UTF-8 becomes '?' */

/* documents.c */
struct document *lsp_document(struct lsp *s, const json_t *params); /* NULL after lsp_fail */
struct document *lsp_readable(struct lsp *s, const json_t *params); /* and not too large */
/* The analysis a document belongs to, fresh, and the file's number in it. */
struct analysis *lsp_analysis(struct lsp *s, struct document *d, uint32_t *file);
bool lsp_spot(struct lsp *s, const json_t *params, struct spot *out) MUST_CHECK;
size_t lsp_offset(const struct lsp *s, const struct document *d, const json_t *position);
json_t *lsp_range_of(const struct lsp *s, const struct text_lines *lines, size_t from, size_t to);
json_t *lsp_range(const struct lsp *s, struct analysis *a, struct span at);
const char *lsp_uri(struct lsp *s, const struct analysis *a, uint32_t file);
json_t *lsp_location(struct lsp *s, struct analysis *a, struct span at);
void lsp_documents_free(struct lsp *s);
/* Finds the policies that open files belong to; new ones come first in the list. */
void lsp_look_for_policies(struct lsp *s);
bool lsp_is_fragment(const struct analysis *a);

/* Whether the analysis read the file at this path. */
bool lsp_includes(const struct analysis *a, const char *path);

/* navigate.c: all places of the open policies that mean the same, by URI: lists of ranges. */
json_t *lsp_uses(struct lsp *s, const struct spot *spot, const struct symbol_at *name,
		 bool declarations);
/* The name in the analysis of a document, if it is declared in the same file there; NULL. */
const struct symbol_at *lsp_twin(struct lsp *s, const struct spot *spot,
				 const struct symbol_at *name, struct document *d);

/* tables.c: names of the policy's catalog. */
struct table_at {
	struct span at;
	struct slice schema, table, column; /* globs; n = 0: any; without a column: tables */
};
/* The one that the policy says at a place; false: none, or there is no catalog. */
bool lsp_table_at(const struct spot *spot, struct table_at *out) MUST_CHECK;
/* Markdown; NULL: the catalog has nothing like it. */
const char *lsp_about_table(struct lsp *s, const struct analysis *a, const struct table_at *t);
/* The columns that a data class stands for, or "". */
const char *lsp_about_columns(struct lsp *s, const struct analysis *a, const char *data);
json_t *lsp_table_places(struct lsp *s, struct analysis *a, const struct table_at *t);
/* "schema.table" of all, or their schemas; the columns of a table, or of all (n = 0). Sorted, ended
 * by NULL. */
const char **lsp_tables(struct lsp *s, const struct analysis *a, bool schemas);
const char **lsp_columns(struct lsp *s, const struct analysis *a, struct slice table);

/* diagnostics.c */
void lsp_publish(struct lsp *s, struct buf *out);
json_t *lsp_diagnostic(struct lsp *s, struct analysis *a, const struct diag *d);

/* outline.c */
json_t *lsp_semantic_legend(void);

/* words.c: Markdown about a built-in name or keyword; NULL: nothing is known. */
const char *lsp_about_builtin(struct arena *arena, enum symbol_kind kind, enum type type,
			      const char *name);
const char *lsp_about_keyword(struct arena *arena, int code);
/* Of a regular expression as it is written; NULL: it is none. */
const char *lsp_about_regex(struct arena *arena, struct slice literal);

#define LSP_REQUEST(method, handler) json_t *handler(struct lsp *s, const json_t *params);
#define LSP_NOTIFICATION(method, handler) void handler(struct lsp *s, const json_t *params);
/* A handler of two methods is declared twice, which is fine. */
#include "lsp/methods.def"
#undef LSP_REQUEST
#undef LSP_NOTIFICATION

#endif
