/* SPDX-License-Identifier: MIT
 *
 * What is told of the server connections that sessions share: the workers' sums, by target.
 */
#include "base/clock.h"
#include "proxy/server_internal.h"

static void
add(struct pool_stats *sum, const struct pool_stats *one)
{
	sum->open += one->open;
	sum->lent += one->lent;
	sum->idle += one->idle;
	sum->opening += one->opening;
	sum->waiting += one->waiting;
	if (one->oldest_wait && (!sum->oldest_wait || one->oldest_wait < sum->oldest_wait))
		sum->oldest_wait = one->oldest_wait;
	sum->opened += one->opened;
	sum->closed += one->closed;
	sum->handovers += one->handovers;
	sum->cleaned += one->cleaned;
	sum->spoiled += one->spoiled;
	sum->waits += one->waits;
	sum->refused += one->refused;
	sum->prepared += one->prepared;
}

void
server_pool_sum(struct server *s, size_t target, struct pool_stats *sum)
{
	*sum = (struct pool_stats){0};
	for (unsigned i = 0; i < s->n_workers; i++)
		add(sum, &worker_pools(s->workers[i])[target]);
}

static void
put_pool(struct buf *out, const struct config_target *t, const struct pool_stats *p)
{
	static const char *const modes[] = {"none", "session", "transaction"};
	uint64_t now = clock_mono_ns();
	double longest = p->oldest_wait && now > p->oldest_wait
				 ? (double) (now - p->oldest_wait) / (double) NS_PER_S
				 : 0;

	buf_puts(out, "{\"target\":");
	buf_json_string(out, slice_str(t->name));
	buf_printf(out, ",\"mode\":\"%s\"", modes[t->pool.mode]);
	if (t->pool.mode != POOL_NONE)
		buf_printf(out, ",\"size\":%u", t->pool.size);
	buf_printf(out,
		   ",\"in_use\":%u,\"idle\":%u,\"opening\":%u,\"open\":%u,\"waiting\":%u,"
		   "\"longest_wait_s\":%.3f,\"handovers\":%llu,\"prepared\":%llu",
		   p->lent, p->idle, p->opening, p->open, p->waiting, longest,
		   (unsigned long long) p->handovers, (unsigned long long) p->prepared);
	buf_printf(out,
		   ",\"waits\":%llu,\"refused\":%llu,\"opened\":%llu,\"closed\":%llu,"
		   "\"cleaned\":%llu,\"not_reused\":%llu}",
		   (unsigned long long) p->waits, (unsigned long long) p->refused,
		   (unsigned long long) p->opened, (unsigned long long) p->closed,
		   (unsigned long long) p->cleaned, (unsigned long long) p->spoiled);
}

void
server_pools(void *server, struct buf *out)
{
	struct server *s = server;
	struct pool_stats sum;
	struct epoch *e;

	if (!hooks_enter(s)) {
		buf_puts(out, "{\"pools\":[]}");
		return;
	}
	e = server_epoch(s);
	buf_puts(out, "{\"pools\":[");
	for (size_t i = 0; i < e->config.n_targets; i++) {
		server_pool_sum(s, i, &sum);
		if (i)
			buf_putc(out, ',');
		put_pool(out, &e->config.targets[i], &sum);
	}
	buf_puts(out, "]}");
	epoch_unref(e);
	hooks_leave(s);
}
