/* SPDX-License-Identifier: MIT
 *
 * Conditions in the words of the policy language.
 */
#ifndef WEIR_CLI_DESCRIBE_H
#define WEIR_CLI_DESCRIBE_H

#include "base/buf.h"
#include "compiler/cover.h"
#include "compiler/space.h"

/* `in dba, time.of-day < 06:00`; "always" for a case that asks nothing. Groups have the
 * names of the image. */
void describe_case(struct buf *out, const struct space *s, const struct image *img,
		   const struct cover_case *c);
/* A case with those after it that differ in one group only: `in dba or ops, time.of-day < 06:00`.
 */
void describe_cases(struct buf *out, const struct space *s, const struct image *img,
		    const struct cover_case *c);
/* Is it one of those? */
bool describe_joins(const struct space *s, const struct cover_case *c,
		    const struct cover_case *other);
/* A value as the language writes it. */
void describe_value(struct buf *out, enum fact f, const struct value *v);
void describe_string(struct buf *out, struct slice s);

#endif
