/* SPDX-License-Identifier: MIT
 *
 * What a policy's catalog has and a target does not: a mask of a column that was renamed masks
 * nothing.
 */
#ifndef WEIR_PROXY_CATALOG_DRIFT_H
#define WEIR_PROXY_CATALOG_DRIFT_H

#include "base/buf.h"
#include "gate/former.h"
#include "sql/catalog.h"
#include "vm/exec.h"

/* How many tables and columns are missing; the first of them by name in out. */
size_t catalog_drift(const struct image *img, const struct catalog *live, struct buf *out);
/* How many columns masks and drops name, without a * in table or column, that no table has, or had
 * (moved): of those rules that may be in force for somebody on that target. The first `max` in out.
 */
size_t catalog_unmatched(const struct image *img, struct slice target, const struct catalog *live,
			 const struct former *moved, const struct image_column **out, size_t max);

#endif
