/* SPDX-License-Identifier: MIT
 *
 * What the gateway says about itself: the start line, the status, every counter. A counter is
 * named once, in each_counter, for Prometheus and for STATE/counters.json alike.
 */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/server_internal.h"

#include <unistd.h>

enum counter_kind { SUM, GAUGE };

/* labels: "" or `decision="allow"`. */
typedef void counter_fn(void *ctx, const char *name, const char *labels, const char *help,
			enum counter_kind kind, double value);

static void
add_ring(struct ring_counters *sum, const struct ring_counters *one)
{
#define X(name, text) sum->name += one->name;
	RING_COUNTERS(X)
#undef X
}

static void
sum_workers(struct server *s, struct worker_stats *sum)
{
	*sum = (struct worker_stats){0};
	for (unsigned i = 0; i < s->n_workers; i++) {
		struct worker_stats w = {0};

		worker_stats(s->workers[i], &w);
		add_ring(&sum->ring, &w.ring);
		sum->gate.decisions += w.gate.decisions;
		sum->gate.remembered += w.gate.remembered;
		sum->gate.vm_ops += w.gate.vm_ops;
		sum->gate.classes += w.gate.classes;
		sum->gate.sql.hits += w.gate.sql.hits;
		sum->gate.sql.misses += w.gate.sql.misses;
		sum->gate.sql.evicted += w.gate.sql.evicted;
		sum->gate.sql.uncacheable += w.gate.sql.uncacheable;
		sum->gate.sql.bytes += w.gate.sql.bytes;
		sum->gate.sql.entries += w.gate.sql.entries;
		sum->connections += w.connections;
		sum->accepted += w.accepted;
		sum->gave_way += w.gave_way;
		sum->sessions += w.sessions;
		sum->commands += w.commands;
		sum->allowed += w.allowed;
		sum->denied += w.denied;
		sum->held += w.held;
		sum->limited += w.limited;
		sum->lookups += w.lookups;
		sum->rows_dropped += w.rows_dropped;
		sum->gate.rows += w.gate.rows;
		sum->gate.row_ops += w.gate.row_ops;
		sum->cells_masked += w.cells_masked;
		sum->auth_failures += w.auth_failures;
		sum->protocol_errors += w.protocol_errors;
		sum->command_allocs += w.command_allocs;
	}
}

static void
worker_counters(struct server *s, counter_fn *fn, void *ctx)
{
	struct worker_stats w;

	sum_workers(s, &w);
#define C(name, labels, help, kind, value) fn(ctx, name, labels, help, kind, (double) (value))
	C("weir_connections", "", "client connections open", GAUGE, w.connections);
	C("weir_connections_total", "", "client connections accepted", SUM, w.accepted);
	C("weir_connections_gave_way_total", "", "ended without a log-in, for others when full", SUM,
	  w.gave_way);
	C("weir_sessions_total", "", "sessions that were let in", SUM, w.sessions);
	C("weir_commands_total", "", "commands judged", SUM, w.commands);
	C("weir_decisions_total", "decision=\"allow\"", "commands by verdict", SUM, w.allowed);
	C("weir_decisions_total", "decision=\"deny\"", "commands by verdict", SUM, w.denied);
	C("weir_decisions_total", "decision=\"hold\"", "commands by verdict", SUM, w.held);
	C("weir_commands_limited_total", "", "commands that reached a limit of the policy", SUM, w.limited);
	C("weir_lookups_total", "", "comparisons of masked columns with a value", SUM, w.lookups);
	C("weir_rows_dropped_total", "", "rows that a drop rule withheld", SUM, w.rows_dropped);
	C("weir_cells_masked_total", "", "result cells masked", SUM, w.cells_masked);
	C("weir_auth_failures_total", "listener=\"postgres\"", "refused log-ins", SUM,
	  w.auth_failures);
	C("weir_auth_failures_total", "listener=\"admin\"", "refused log-ins", SUM,
	  atomic_load(&s->auth_failures));
	C("weir_protocol_errors_total", "", "connections closed for malformed bytes", SUM,
	  w.protocol_errors);
	C("weir_command_allocs_total", "", "memory allocations on the path of commands", SUM,
	  w.command_allocs);
	C("weir_gate_decisions_total", "", "decisions asked of the gate", SUM, w.gate.decisions);
	C("weir_gate_remembered_total", "", "decisions answered from memory", SUM,
	  w.gate.remembered);
	C("weir_gate_vm_ops_total", "", "policy instructions run", SUM, w.gate.vm_ops);
	C("weir_gate_rows_total", "", "rows that policy rules read", SUM, w.gate.rows);
	C("weir_gate_row_ops_total", "", "policy instructions run for rows", SUM, w.gate.row_ops);
	C("weir_gate_classes", "", "session classes", GAUGE, w.gate.classes);
	C("weir_sql_cache_hits_total", "", "statement shapes found", SUM, w.gate.sql.hits);
	C("weir_sql_cache_misses_total", "", "statement shapes parsed", SUM, w.gate.sql.misses);
	C("weir_sql_cache_evicted_total", "", "statement shapes dropped", SUM,
	  w.gate.sql.evicted);
	C("weir_sql_cache_uncacheable_total", "", "statements that have no shape", SUM,
	  w.gate.sql.uncacheable);
	C("weir_sql_cache_bytes", "", "memory of the statement shapes", GAUGE, w.gate.sql.bytes);
	C("weir_sql_cache_entries", "", "statement shapes kept", GAUGE, w.gate.sql.entries);
#define X(name, text) C("weir_ring_" #name "_total", "", text, SUM, w.ring.name);
	RING_COUNTERS(X)
#undef X
}

static void
pool_counters(struct server *s, counter_fn *fn, void *ctx)
{
	struct pool_stats all = {0}, one;
	struct epoch *e = server_epoch(s);

	for (size_t i = 0; i < e->config.n_targets; i++) {
		server_pool_sum(s, i, &one);
		all.open += one.open;
		all.lent += one.lent;
		all.waiting += one.waiting;
		all.handovers += one.handovers;
		all.refused += one.refused;
		all.spoiled += one.spoiled;
		all.prepared += one.prepared;
	}
	epoch_unref(e);
	C("weir_pool_open", "", "server connections that sessions share", GAUGE, all.open);
	C("weir_pool_in_use", "", "of them, with a session", GAUGE, all.lent);
	C("weir_pool_waiting", "", "sessions that wait for one", GAUGE, all.waiting);
	C("weir_pool_handovers_total", "", "times another session got one", SUM, all.handovers);
	C("weir_pool_refused_total", "", "sessions that were too many to wait", SUM, all.refused);
	C("weir_pool_not_reused_total", "", "closed because of what was done on them", SUM,
	  all.spoiled);
	C("weir_pool_prepared_total", "", "statements prepared again for a session", SUM,
	  all.prepared);
}

static void
audit_counters(struct server *s, counter_fn *fn, void *ctx)
{
	uint64_t now = clock_wall_ns();
	struct audit_stats a;

	audit_stats(s->audit, &a);
	C("weir_audit_records_total", "", "records made durable", SUM, a.records);
	C("weir_audit_bytes_total", "", "bytes written to the log", SUM, a.bytes);
	C("weir_audit_batches_total", "", "writes with one flush each", SUM, a.batches);
	C("weir_audit_segments_total", "", "segments begun", SUM, a.segments);
	C("weir_audit_checkpoints_total", "", "tree heads signed", SUM, a.checkpoints);
	C("weir_audit_fsync_errors_total", "", "flushes that failed", SUM, a.sync_errors);
	C("weir_audit_commit_seconds_total", "", "time in write and flush", SUM,
	  (double) a.commit_ns / (double) NS_PER_S);
	C("weir_audit_cpu_seconds_total", "", "CPU of the committer", SUM,
	  (double) a.cpu_ns / (double) NS_PER_S);
	C("weir_audit_alone_batches_total", "", "batches that a worker with one client committed",
	  SUM, a.alone_batches);
	C("weir_audit_alone_cpu_seconds_total", "", "CPU of those, on the workers' threads", SUM,
	  (double) a.alone_cpu_ns / (double) NS_PER_S);
	C("weir_audit_tree_size", "", "records in the tree", GAUGE, a.tree_size);
	C("weir_audit_checkpoint_age_seconds", "", "age of the last signed head", GAUGE,
	  a.checkpoint_wall_ns && now > a.checkpoint_wall_ns
		  ? (double) (now - a.checkpoint_wall_ns) / (double) NS_PER_S
		  : 0);
	C("weir_audit_state", "", "0 open, 1 full, 2 failed", GAUGE, audit_state(s->audit));
}

static void
channel_counters(struct server *s, counter_fn *fn, void *ctx)
{
	struct channel_stats sum;

	channels_stats(s->channels, &sum);
	C("weir_notices_total", "outcome=\"sent\"", "notices to channels", SUM, sum.sent);
	C("weir_notices_total", "outcome=\"lost\"", "notices to channels", SUM, sum.lost);
	C("weir_notices_waiting", "", "notices in the queues of channels", GAUGE, sum.waiting);
}

static void
each_counter(struct server *s, counter_fn *fn, void *ctx)
{
	static const char PASSWORDS[] = "passwords of targets read again after one was refused";
	struct catalog_reader_stats c = {0};
	struct epoch *e = server_epoch(s);

	worker_counters(s, fn, ctx);
	pool_counters(s, fn, ctx);
	audit_counters(s, fn, ctx);
	catalog_reader_stats(s->reader, &c);
	C("weir_catalog_reads_total", "", "catalogs read", SUM, c.reads);
	C("weir_catalog_failures_total", "", "catalog reads that failed", SUM, c.failures);
	C("weir_catalog_changes_total", "", "catalog reads that found a change", SUM, c.changes);
	C("weir_target_passwords_total", "outcome=\"changed\"", PASSWORDS, SUM, c.passwords_changed);
	C("weir_target_passwords_total", "outcome=\"unchanged\"", PASSWORDS, SUM, c.passwords_same);
	C("weir_target_passwords_total", "outcome=\"failed\"", PASSWORDS, SUM, c.passwords_failed);
	C("weir_targets_refusing", "", "targets that refuse the password of their login", GAUGE,
	  c.passwords_wrong);
	channel_counters(s, fn, ctx);
	C("weir_reloads_total", "outcome=\"loaded\"", "reloads", SUM, s->reloads);
	C("weir_reloads_total", "outcome=\"refused\"", "reloads", SUM, s->refused_reloads);
	if (e->tls)
		C("weir_tls_certificate_not_after_seconds", "",
		  "when the certificate towards clients ends, in seconds since 1970", GAUGE,
		  tls_not_after(e->tls));
	C("weir_uptime_seconds", "", "time since the start", GAUGE,
	  (double) (clock_mono_ns() - s->started_mono) / (double) NS_PER_S);
	epoch_unref(e);
#undef C
}

/* Counters of all: whole numbers without an exponent, seconds with a fraction. */
static void
put_number(struct buf *out, double v)
{
	if (v == (double) (uint64_t) v)
		buf_printf(out, "%llu", (unsigned long long) v);
	else
		buf_printf(out, "%.6f", v);
}

struct metrics {
	struct buf *out;
	const char *last; /* HELP and TYPE come once a name */
};

static void
put_metric(void *ctx, const char *name, const char *labels, const char *help,
	   enum counter_kind kind, double value)
{
	struct metrics *m = ctx;

	if (!m->last || strcmp(m->last, name) != 0)
		buf_printf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
			   kind == SUM ? "counter" : "gauge");
	m->last = name;
	buf_puts(m->out, name);
	if (labels[0])
		buf_printf(m->out, "{%s}", labels);
	buf_putc(m->out, ' ');
	put_number(m->out, value);
	buf_putc(m->out, '\n');
}

void
server_metrics(void *server, struct buf *out)
{
	struct server *s = server;
	struct metrics m = {out, NULL};

	if (!hooks_enter(s))
		return;
	each_counter(s, put_metric, &m);
	hooks_leave(s);
}

static void
put_json_counter(void *ctx, const char *name, const char *labels, const char *help UNUSED,
		 enum counter_kind kind UNUSED, double value)
{
	struct buf *out = ctx;
	struct buf key = {0};

	buf_puts(&key, name);
	if (labels[0])
		buf_printf(&key, "{%s}", labels);
	buf_putc(out, ',');
	buf_json_string(out, buf_slice(&key));
	buf_putc(out, ':');
	put_number(out, value);
	buf_fini(&key);
}

void
server_counters(struct server *s, struct buf *out)
{
	char when[28];

	clock_format(clock_wall_ns(), when);
	buf_printf(out, "{\"time\":\"%s\",\"pid\":%d", when, (int) getpid());
	each_counter(s, put_json_counter, out);
	buf_puts(out, "}\n");
}

void
server_describe_policy(const struct epoch *e, struct buf *out)
{
	const struct image *img = e->image;

	buf_printf(out, "policy=%.*s digest=", SLICE_ARG(img->policy));
	hex_put(out, slice_of(img->digest, SHA256_LEN));
	buf_printf(out, " rules=%zu default=%s signed=%s principals=%zu", img->n_rules,
		   img->default_allow ? "allow" : "deny", img->is_signed ? "yes" : "no",
		   e->config.n_principals);
}

static void
put_policy_json(struct buf *out, const struct epoch *e)
{
	const struct image *img = e->image;

	buf_puts(out, "\"policy\":{\"name\":");
	buf_json_string(out, img->policy);
	buf_puts(out, ",\"path\":");
	buf_json_string(out, slice_str(e->config.policy_path));
	buf_puts(out, ",\"digest\":\"");
	hex_put(out, slice_of(img->digest, SHA256_LEN));
	buf_printf(out, "\",\"rules\":%zu,\"signed\":%s}", img->n_rules,
		   img->is_signed ? "true" : "false");
}

void
server_status(void *server, struct buf *out)
{
	static const char *const states[] = {"open", "full", "failed"};
	struct server *s = server;
	struct worker_stats w;
	struct audit_stats a;
	struct epoch *e;
	char when[28];

	if (!hooks_enter(s)) {
		buf_puts(out, "{\"state\":\"stopping\"}");
		return;
	}
	e = server_epoch(s);
	sum_workers(s, &w);
	audit_stats(s->audit, &a);
	clock_format(s->started_wall, when);
	buf_puts(out, "{\"state\":\"running\",\"version\":");
	buf_json_string(out, slice_str(s->options->version));
	buf_printf(out, ",\"started\":\"%s\",\"uptime_s\":%llu,\"epoch\":%llu,", when,
		   (unsigned long long) ((clock_mono_ns() - s->started_mono) / NS_PER_S),
		   (unsigned long long) e->number);
	put_policy_json(out, e);
	buf_puts(out, ",\"listen\":");
	buf_json_string(out, slice_str(s->listen.text));
	buf_printf(out,
		   ",\"workers\":%u,\"targets\":%zu,\"principals\":%zu,\"connections\":%llu,"
		   "\"sessions\":%llu,\"commands\":%llu,\"allowed\":%llu,\"denied\":%llu,"
		   "\"held\":%llu,\"audit\":{\"state\":\"%s\",\"tree_size\":%llu}}",
		   s->n_workers, e->config.n_targets, e->config.n_principals,
		   (unsigned long long) w.connections, (unsigned long long) w.sessions,
		   (unsigned long long) w.commands, (unsigned long long) w.allowed,
		   (unsigned long long) w.denied, (unsigned long long) w.held,
		   states[audit_state(s->audit)], (unsigned long long) a.tree_size);
	epoch_unref(e);
	hooks_leave(s);
}

void
server_log_text(bool error, struct slice text)
{
	for (size_t from = 0, i = 0; i <= text.n; i++) {
		struct slice line = {text.p + from, i - from};

		if (i < text.n && text.p[i] != '\n')
			continue;
		if (line.n > 0)
			log_line(error ? LOG_ERROR : LOG_WARN, "%.*s", SLICE_ARG(line));
		from = i + 1;
	}
}
