/* SPDX-License-Identifier: MIT
 *
 * What the subcommands about policies share: a policy from text or image, ready to be asked, and
 * the policy's own tests.
 */
#ifndef WEIR_CLI_POLICY_H
#define WEIR_CLI_POLICY_H

#include "compiler/compile.h"
#include "vm/exec.h"

struct catalog_ref;

struct cli_policy {
	struct catalog_ref *catalog; /* the policy's; NULL: it has none */
	struct arena arena;
	struct sources sources;
	struct diag_queue diags;
	struct buf bytes;    /* of the image */
	struct policy *tree; /* NULL when it came from an image */
	struct checked *checked; /* likewise */
	struct image *image;
};

/* Reads policy text or an image (unsigned ones too) at `path`. EXIT_OK, or another exit code after
 * having said on standard error what is wrong. cli_policy_close in any case. */
int cli_policy_open(struct cli_policy *p, const char *command, const char *path) MUST_CHECK;
/* The same of an image only. */
int cli_image_open(struct cli_policy *p, const char *command, const char *path) MUST_CHECK;
/* As above from text only (options->text if it is set), with options. Warnings are printed unless
 * `quiet`. */
int cli_policy_compile(struct cli_policy *p, const char *command, const char *path,
		       const struct compile_options *options, bool quiet) MUST_CHECK;
void cli_policy_close(struct cli_policy *p);
/* As above from text, or from the text in an image, which is kept in *image (zeroed; it holds the
 * texts, so close both). more: declarations that are read at its end, or NULL. */
int cli_policy_text(struct cli_policy *out, struct cli_policy *image, const char *command,
		    const char *path, const struct slice *more) MUST_CHECK;

/* What a policy with its text compiles to, beside the lines that it comes from. */
void cli_dis_source(struct cli_policy *p, struct buf *out);

/* "payments.weir:12:6" */
void cli_rule_place(struct buf *out, const struct image *img, size_t rule);

struct test_counts {
	unsigned passed, failed;
};

/* Runs the tests in the policy's text. Each failure is a line of `out` (what was expected, what
 * came); with `json`, one object per test. */
struct test_counts cli_policy_test(const struct cli_policy *p, bool json, struct buf *out);
/* The proofs likewise: each that fails with a counterexample. */
struct test_counts cli_policy_prove(const struct cli_policy *p, bool json, struct buf *out);

/* Whole file, "-" is standard input. False after a message. */
bool cli_read_file(const char *command, const char *path, struct arena *arena, struct slice *out);
void cli_print(const struct buf *b); /* to standard output */
/* Names that somebody else chose, for a terminal: what is not printable ASCII becomes '?'. */
void cli_put_plain(struct buf *out, struct slice s);

#endif
