/* SPDX-License-Identifier: MIT
 *
 * The reference interpreter: decides straight from the syntax tree, rule by rule, in three-valued
 * logic, as the language is described and with no thought for speed. It shares with the compiler
 * and the machine only the tree, the facts and the tables of names.
 */
#ifndef WEIR_TESTS_REFERENCE_H
#define WEIR_TESTS_REFERENCE_H

#include "compiler/ast.h"
#include "vm/value.h"

enum { REF_MAX_RULES = 64 };

struct ref_decision {
	int verdict; /* 0 allow, 1 hold, 2 deny */
	bool by_default;
	bool matched[REF_MAX_RULES]; /* by position in the policy */
};

/* Columns of rows that policies name. facts.row is in the image's order: ref_row_order[i] is where
 * ref_row_columns[i] stands. */
enum { REF_ROW_COLUMNS = 3 };
extern const char *const ref_row_columns[REF_ROW_COLUMNS];
extern size_t ref_row_order[REF_ROW_COLUMNS];

void ref_command(const struct policy *p, const struct facts *f, struct ref_decision *d);
void ref_connect(const struct policy *p, const struct facts *f, struct ref_decision *d);
void ref_result(const struct policy *p, const struct facts *f, struct ref_decision *d);
void ref_row(const struct policy *p, const struct facts *f, struct ref_decision *d);
/* Shadow rules; only `matched` says something. */
void ref_watch(const struct policy *p, const struct facts *f, struct ref_decision *d);
void ref_watch_connect(const struct policy *p, const struct facts *f, struct ref_decision *d);

#endif
