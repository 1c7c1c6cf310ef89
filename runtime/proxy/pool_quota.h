/* SPDX-License-Identifier: MIT
 *
 * How many server connections of each target all workers together may have. Each worker keeps its
 * own; this only counts them, and finds one to give up where another worker has fewer and needs
 * more. Any thread; off the path of commands, but for pool_quota_asked.
 */
#ifndef WEIR_PROXY_POOL_QUOTA_H
#define WEIR_PROXY_POOL_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

struct pool_quota;

struct pool_quota *pool_quota_new(size_t n_targets, unsigned n_workers); /* NULL: no memory */
void pool_quota_free(struct pool_quota *q); /* NULL is fine */

/* One more, if there are fewer than `size`. False: the worker is noted as wanting one, and woken
 * when there is one; the others are to be asked. */
bool pool_quota_take(struct pool_quota *q, size_t target, unsigned worker, unsigned size);
/* One less. Returns the worker to wake, or n_workers: nobody wants it. */
unsigned pool_quota_give(struct pool_quota *q, size_t target, unsigned worker);
/* Nobody of this worker waits any more. */
void pool_quota_content(struct pool_quota *q, size_t target, unsigned worker);
/* Should the worker give one up to another, that has fewer? idle: one that nobody here needs. */
bool pool_quota_asked(struct pool_quota *q, size_t target, unsigned worker, bool idle);
/* There are more than `size`, because that was lowered. */
bool pool_quota_over(const struct pool_quota *q, size_t target, unsigned size);

#endif
