/* SPDX-License-Identifier: MIT
 *
 * `weir audit prune`: removes old records from the log of a gateway that does not run.
 */
#include "cli/audit_prune.h"

#include "audit/audit.h"
#include "audit/folder.h"
#include "audit/prune.h"
#include "audit/pruned.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	const char *folder, *older_than, *before;
	uint64_t cutoff_ns;
	bool dry_run, json;
};

/* "400d", "36h", "90m", "30s". */
static bool
parse_age(const char *text, uint64_t *ns)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	uint64_t n = 0;
	size_t i = 0;

	for (; text[i] >= '0' && text[i] <= '9' && i < 9; i++)
		n = n * 10 + (uint64_t) (text[i] - '0');
	if (i == 0 || !text[i] || text[i + 1])
		return false;
	for (size_t u = 0; u < COUNT_OF(units); u++)
		if (units[u].letter == text[i]) {
			*ns = n * units[u].seconds * NS_PER_S;
			return n <= 36500 * UINT64_C(86400) / units[u].seconds;
		}
	return false;
}

/* --- output --- */

static void
print_size(uint64_t bytes)
{
	if (bytes < 1 << 20)
		printf("%llu KiB", (unsigned long long) (bytes + 1023) >> 10);
	else
		printf("%.1f MiB", (double) bytes / (1 << 20));
}

static void
print_report(const struct options *o, const struct prune_report *r)
{
	char oldest[28], newest[28], kept[28];

	clock_format(r->kept_ns, kept);
	if (r->held_until)
		printf("kept by the hold \"%s\": records to %llu, up to %.19sZ, and what comes after them\n",
		       r->held_by, (unsigned long long) r->held_until - 1, kept);
	else if (r->segments == 0 && r->kept_ns)
		printf("nothing to prune: the oldest segment has records up to %.19sZ\n", kept);
	else if (r->segments == 0)
		printf("nothing to prune: the segment that is being written always stays\n");
	if (r->segments == 0)
		return;
	clock_format(r->oldest_ns, oldest);
	clock_format(r->newest_ns, newest);
	printf("%s records %llu to %llu, of %.19sZ to %.19sZ: %llu segments, ",
	       o->dry_run ? "would prune" : "pruned", (unsigned long long) r->first,
	       (unsigned long long) r->until - 1, oldest, newest,
	       (unsigned long long) r->segments);
	print_size(r->bytes);
	printf("\n");
}

static void
print_json(const struct options *o, const struct prune_report *r)
{
	struct buf b = {0};

	buf_printf(&b, "{\"dry_run\":%s,\"segments\":%llu,\"records\":%llu,\"bytes\":%llu,"
		   "\"first\":%llu,\"until\":%llu",
		   o->dry_run ? "true" : "false", (unsigned long long) r->segments,
		   (unsigned long long) r->records, (unsigned long long) r->bytes,
		   (unsigned long long) r->first, (unsigned long long) r->until);
	clock_put_json(&b, "oldest", r->oldest_ns);
	clock_put_json(&b, "newest", r->newest_ns);
	clock_put_json(&b, "before", o->cutoff_ns);
	clock_put_json(&b, "stays_newest", r->kept_ns);
	buf_puts(&b, ",\"held_by\":");
	if (r->held_until)
		buf_json_string(&b, slice_str(r->held_by));
	else
		buf_puts(&b, "null");
	buf_puts(&b, "}\n");
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
}

/* --- the log --- */

static int
trouble(const char *what, const char *next)
{
	fprintf(stderr, "weir audit prune: %s\n  %s\n", what, next);
	return EXIT_USAGE;
}

/* The folder above the log's, which also holds its key. */
static bool
state_of(int dir, char out[FOLDER_PATH_MAX])
{
	char self[64];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", dir);
	n = readlink(self, out, FOLDER_PATH_MAX - 1);
	if (n <= 0)
		return false;
	out[n] = 0;
	*strrchr(out, '/') = 0;
	return *out != 0;
}

/* Whether anything would go: each opening of a log leaves its own records. */
static bool
has_work(int dir, const struct prune_request *q, struct prune_report *r)
{
	struct prune_request first = *q;
	struct buf error = {0};
	bool nothing;

	first.at_most = 1;
	nothing = prune_plan(dir, false, &first, r, &error) == 0 && r->segments == 0 &&
		  r->held_until == 0;
	buf_fini(&error);
	return !nothing;
}

/* What root writes the gateway could not go on with. */
static int
check_owner(int dir)
{
	char what[256];
	struct stat st;
	struct passwd *p;

	if (fstat(dir, &st) != 0)
		return trouble(strerror(errno), "look at the folder");
	if (st.st_uid == geteuid())
		return 0;
	p = getpwuid(st.st_uid);
	snprintf(what, sizeof(what), "the log belongs to the user %s",
		 p ? p->pw_name : "of another number");
	return trouble(what, "run this as that user: the gateway could not go on with another's files");
}

static int
prune_log(const char *state, const struct prune_request *q, struct prune_report *r)
{
	/* What it needs to say so must fit on a disk that is full. */
	struct audit_options ao = {.state_path = state, .lanes = 1, .segment_bytes = 1 << 20,
				   .reserve_bytes = 1, .detail = "weir audit prune"};
	struct buf error = {0};
	struct audit *a;
	int rc = EXIT_USAGE;

	if (audit_open(&a, &ao, &error) == 0) {
		rc = audit_prune(a, 0, q, r, &error) == 0 ? EXIT_OK : EXIT_NEGATIVE;
		audit_close(a);
	}
	if (error.n)
		fprintf(stderr, "weir audit prune: %.*s\n", SLICE_ARG(buf_slice(&error)));
	buf_fini(&error);
	return rc;
}

static int
plan_log(int dir, bool live, const struct prune_request *q, struct prune_report *r)
{
	struct buf error = {0};
	int rc = prune_plan(dir, live, q, r, &error) == 0 ? EXIT_OK : EXIT_NEGATIVE;

	if (error.n)
		fprintf(stderr, "weir audit prune: %.*s\n", SLICE_ARG(buf_slice(&error)));
	buf_fini(&error);
	return rc;
}

static int
run(const struct options *o)
{
	char state[FOLDER_PATH_MAX], policy[64], by[PRUNED_TEXT_MAX];
	struct passwd *me = getpwuid(geteuid());
	const char *name = me ? me->pw_name : "uid";
	struct audit_principal who = {.issuer = SLICE_LIT("os"), .subject = slice_str(name),
				      .assurance = AUDIT_assurance_ASSERTED};
	struct prune_request q = {.by = by, .policy = policy, .who = &who, .dry_run = o->dry_run};
	struct prune_report r = {0};
	int dir = folder_open(o->folder), rc;
	bool live;

	if (dir < 0)
		return trouble("no audit log here", "name the gateway's state folder");
	snprintf(policy, sizeof(policy), "%s %.40s", o->before ? "before" : "older than",
		 o->before ? o->before : o->older_than);
	snprintf(by, sizeof(by), "the system's user %.120s", name);
	q.cutoff_ns = o->cutoff_ns;
	live = folder_is_live(dir);
	rc = check_owner(dir);
	if (rc == 0 && o->dry_run)
		rc = plan_log(dir, live, &q, &r);
	else if (rc == 0 && live)
		rc = trouble("a gateway is using this log",
			     "it prunes by itself what `retention` in its configuration says; else stop it first");
	else if (rc == 0 && !state_of(dir, state))
		rc = trouble("cannot find the state folder", "name it by its path");
	else if (rc == 0 && has_work(dir, &q, &r))
		rc = prune_log(state, &q, &r);
	close(dir);
	if (rc == EXIT_USAGE)
		return rc;
	if (o->json)
		print_json(o, &r);
	else if (rc == EXIT_OK || r.segments)
		print_report(o, &r);
	return rc == EXIT_OK && r.held_until ? EXIT_NEGATIVE : rc;
}

/* 0, or an exit code after a message. */
static int
take_cutoff(struct options *o)
{
	uint64_t age, now = clock_wall_ns();

	if (!o->older_than == !o->before)
		return cli_usage_error("audit", "say what may go: --older-than 400d, or --before TIME");
	if (o->before && !audit_parse_time(o->before, &o->cutoff_ns))
		return cli_usage_error("audit", "'%s' is not a time: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS",
				       o->before);
	if (o->older_than && !parse_age(o->older_than, &age))
		return cli_usage_error("audit", "'%s' is not an age: 400d, 36h, 90m or 30s",
				       o->older_than);
	if (o->older_than)
		o->cutoff_ns = age < now ? now - age : 0;
	if (o->cutoff_ns > now)
		return cli_usage_error("audit", "%s is not over yet", o->before);
	return 0;
}

int
cmd_audit_prune(int argc, char **argv)
{
	static const struct option longs[] = {
		{"older-than", required_argument, NULL, 'o'},
		{"before", required_argument, NULL, 'b'},
		{"dry-run", no_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	struct options o = {0};
	int c, rc;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'o')
			o.older_than = optarg;
		else if (c == 'b')
			o.before = optarg;
		else if (c == 'd')
			o.dry_run = true;
		else if (c == 'j')
			o.json = true;
		else
			return cli_option_error("audit", argv[optind - 1], "--older-than --before");
	}
	rc = take_cutoff(&o);
	if (rc != 0)
		return rc;
	if (argc - optind != 1)
		return cli_usage_error("audit", "prune takes one folder");
	o.folder = argv[optind];
	return run(&o);
}
