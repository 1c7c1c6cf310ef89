/* SPDX-License-Identifier: MIT
 *
 * Loads an audit log and measures it, or is killed while doing so.
 *
 *   audit_load FOLDER [-t threads] [-n in flight] [-s seconds] [-b statement bytes] [-a]
 *     [-m segment MiB] [-c]
 *
 * Each thread is a lane with a session of its own that sends command and result records, `in
 * flight` of them before it waits. -a prints "lane sequence" once a command is durable. -c: the threads
 * commit by themselves where they can.
 */
#include "audit/audit.h"
#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20 };

struct worker {
	struct audit *audit;
	pthread_t thread;
	unsigned lane, in_flight, bytes;
	uint64_t until_ns, submitted, submit_cpu_ns, cpu_ns;
	bool ack, commits;
	uint32_t *samples; /* microseconds / 10 */
	size_t n_samples;
};

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

static uint64_t
submit(struct worker *w, struct audit_record *r, struct buf *leaf)
{
	uint64_t ticket = 0;

	if (!audit_encode(leaf, r))
		abort();
	while (audit_state(w->audit) != AUDIT_FAILED &&
	       !(ticket = audit_submit(w->audit, w->lane, buf_slice(leaf))))
		audit_flush(w->audit, w->lane);
	if (!ticket)
		exit(3);
	return ticket;
}

static void
wait_for(struct worker *w, uint64_t ticket)
{
	uint64_t seen, drop;
	struct pollfd p = {.fd = audit_eventfd(w->audit, w->lane), .events = POLLIN};

	while ((seen = audit_durable(w->audit, w->lane)) < ticket) {
		if (w->commits && audit_commit_now(w->audit))
			continue;
		if (audit_state(w->audit) == AUDIT_FAILED)
			exit(3);
		if (!audit_arm(w->audit, w->lane, seen))
			continue;
		poll(&p, 1, -1);
		if (read(p.fd, &drop, sizeof(drop)) < 0)
			continue;
	}
}

/* What the records of one lane have in common. */
struct lane {
	struct worker *w;
	struct audit_id session;
	struct audit_principal who;
	struct audit_target target;
	uint64_t sseq;
	struct buf leaf;
};

static void
record_begin(struct lane *l, struct audit_record *r, enum audit_record_type type)
{
	audit_record_init(r, type, clock_wall_ns(), clock_mono_ns());
	r->session = l->session;
	r->sseq = ++l->sseq;
	if (type == AUDIT_result)
		return;
	r->principal = &l->who;
	r->target = &l->target;
}

static uint64_t
submit_start(struct lane *l)
{
	struct audit_session_start start = {.reason = SLICE_LIT("login")};
	struct audit_record r;

	record_begin(l, &r, AUDIT_session_start);
	r.body = &start;
	return submit(l->w, &r, &l->leaf);
}

/* A command and, if asked for, its result. */
static uint64_t
submit_command(struct lane *l, struct slice statement, bool with_result)
{
	struct slice rule = SLICE_LIT("reads");
	struct audit_decision decision = {.verdict = AUDIT_verdict_ALLOW, .rules = {&rule, 1}};
	struct audit_command command = {
		.kind = AUDIT_command_kind_SIMPLE, .decision = &decision, .statement = statement};
	struct audit_result result = {
		.status = AUDIT_status_OK, .tag = SLICE_LIT("SELECT 1"), .rows = 1};
	struct audit_record r;
	struct audit_id intent;
	uint64_t ticket;

	record_begin(l, &r, AUDIT_command);
	r.body = &command;
	ticket = submit(l->w, &r, &l->leaf);
	l->w->submitted++;
	if (!with_result)
		return ticket;
	intent = r.id;
	record_begin(l, &r, AUDIT_result);
	r.refs = (struct audit_ids){&intent, 1};
	r.body = &result;
	l->w->submitted++;
	return submit(l->w, &r, &l->leaf);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct lane l = {.w = w,
			 .session = audit_id_new(clock_wall_ns()),
			 .who = {.kind = AUDIT_principal_kind_AGENT,
				 .issuer = SLICE_LIT("static"),
				 .subject = SLICE_LIT("planner-7"),
				 .assurance = AUDIT_assurance_PROVEN},
			 .target = {.protocol = AUDIT_protocol_POSTGRES,
				    .name = SLICE_LIT("orders"),
				    .database = SLICE_LIT("orders"),
				    .login = SLICE_LIT("app")}};
	char *text = malloc(w->bytes + 64);
	uint64_t sequence = 0, ticket = 0;

	wait_for(w, submit_start(&l));
	do { /* once at least: a busy machine may start a thread later than it should end */
		uint64_t began = clock_mono_ns(), cpu = cpu_ns();

		for (unsigned i = 0; i < w->in_flight; i++) {
			unsigned n = (unsigned) snprintf(text, w->bytes + 64,
							 "select /* lane %u sequence %llu */ ",
							 w->lane, (unsigned long long) sequence++);

			if (n < w->bytes)
				memset(text + n, 'x', w->bytes - n);
			ticket = submit_command(&l, slice_of(text, n > w->bytes ? n : w->bytes),
						i % 2);
			i += i % 2;
		}
		w->submit_cpu_ns += cpu_ns() - cpu;
		wait_for(w, ticket);
		if (w->n_samples < SAMPLES)
			w->samples[w->n_samples++] = (uint32_t) ((clock_mono_ns() - began) / 1000);
		if (w->ack &&
		    dprintf(1, "%u %llu\n", w->lane, (unsigned long long) sequence - 1) < 0)
			exit(4);
	} while (clock_mono_ns() < w->until_ns);
	w->cpu_ns = cpu_ns();
	free(text);
	buf_fini(&l.leaf);
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report(struct worker *w, unsigned threads, const struct audit_stats *s, double seconds)
{
	uint32_t *all = malloc(sizeof(*all) * threads * SAMPLES);
	uint64_t n = 0, submitted = 0, submit_cpu = 0, cpu = 0;

	for (unsigned i = 0; i < threads; i++) {
		memcpy(all + n, w[i].samples, w[i].n_samples * sizeof(*all));
		n += w[i].n_samples;
		submitted += w[i].submitted;
		submit_cpu += w[i].submit_cpu_ns;
		cpu += w[i].cpu_ns;
	}
	if (n == 0)
		exit(4);
	qsort(all, n, sizeof(*all), by_value);
	printf("threads %u in-flight %u: %.0f rec/s, %.1f rec/batch, %.0f B/rec, p50 %u us p99 %u us, "
	       "encode+submit %llu ns/rec, worker %llu ns/rec, committer %llu ns/rec, %llu heads\n",
	       threads, w->in_flight, (double) submitted / seconds,
	       (double) s->records / (double) s->batches, (double) s->bytes / (double) s->records,
	       all[n / 2], all[n * 99 / 100], (unsigned long long) (submit_cpu / submitted),
	       (unsigned long long) (cpu / submitted), (unsigned long long) (s->cpu_ns / submitted),
	       (unsigned long long) s->checkpoints);
	free(all);
}

int
main(int argc, char **argv)
{
	struct audit_options o = {.origin = "load.test/audit", .version = "test"};
	unsigned threads = 1, in_flight = 1, bytes = 100;
	double seconds = 2;
	bool ack = false, commits = false;
	struct audit_stats stats;
	struct buf error = {0};
	struct audit *a;
	struct worker *w;

	for (int c; (c = getopt(argc, argv, "t:n:s:b:m:ac")) != -1;) {
		if (c == 't')
			threads = (unsigned) atoi(optarg);
		else if (c == 'n')
			in_flight = (unsigned) atoi(optarg);
		else if (c == 's')
			seconds = atof(optarg);
		else if (c == 'b')
			bytes = (unsigned) atoi(optarg);
		else if (c == 'm')
			o.segment_bytes = (uint64_t) atoi(optarg) << 20;
		else if (c == 'a')
			ack = true;
		else if (c == 'c')
			commits = true;
		else
			return 2;
	}
	if (optind != argc - 1 || threads == 0 || threads > 64)
		return 2;
	o.state_path = argv[optind];
	o.lanes = threads;
	if (audit_open(&a, &o, &error) != 0) {
		fprintf(stderr, "%.*s\n", SLICE_ARG(buf_slice(&error)));
		return 1;
	}
	w = calloc(threads, sizeof(*w));
	for (unsigned i = 0; i < threads; i++) {
		w[i] = (struct worker){.audit = a,
				       .lane = i,
				       .in_flight = in_flight,
				       .bytes = bytes,
				       .ack = ack,
				       .commits = commits,
				       .samples = malloc(SAMPLES * sizeof(uint32_t))};
		w[i].until_ns = clock_mono_ns() + (uint64_t) (seconds * 1e9);
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	audit_stats(a, &stats);
	if (!ack && seconds > 0)
		report(w, threads, &stats, seconds);
	audit_close(a);
	for (unsigned i = 0; i < threads; i++)
		free(w[i].samples);
	free(w);
	buf_fini(&error);
	return 0;
}
