/* SPDX-License-Identifier: MIT
 *
 * What a policy's catalog has and a target does not: a mask of a column that was renamed masks
 * nothing.
 */
#ifndef WEIR_PROXY_CATALOG_DRIFT_H
#define WEIR_PROXY_CATALOG_DRIFT_H

#include "base/buf.h"
#include "proxy/former.h"
#include "sql/catalog.h"
#include "vm/exec.h"

/* How many tables and columns are missing; the first of them by name in out. */
size_t catalog_drift(const struct image *img, const struct catalog *live, struct buf *out);
/* How many columns the data of these mask and drop rules names without a * in table or column, that
 * no table has, or had (moved); the first of them by name in out. */
size_t catalog_unmatched(const struct image *img, const struct decision *masks,
			 const struct catalog *live, const struct former *moved, struct buf *out);

#endif
