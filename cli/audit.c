/* SPDX-License-Identifier: MIT
 *
 * `weir audit`: reading the audit log. Every subcommand here only reads, and works beside a running
 * gateway; `policy`, `prune` and `hold` are in files of their own.
 */
#include "cli/audit_hold.h"
#include "cli/audit_policy.h"
#include "cli/audit_prune.h"
#include "cli/audit_reader.h"
#include "cli/cli.h"

#include "audit/brief.h"
#include "audit/folder.h"
#include "audit/merkle.h"
#include "base/utf8.h"
#include "audit/verify.h"
#include "audit/walk.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
	"usage: weir audit tail [-f] [-n N] [--json] FOLDER\n"
	"       weir audit show [--json] ID FOLDER\n"
	"       weir audit verify [--key VKEY | --key-file FILE] [--head FILE] [--json] FOLDER\n"
	"       weir audit export [--format jsonl|csv] [--from TIME] [--to TIME] FOLDER\n"
	"       weir audit policy [DIGEST | --at TIME | --record ID] [--json] FOLDER\n"
	"       weir audit prune --older-than AGE | --before TIME [--dry-run] [--json] FOLDER\n"
	"       weir audit hold set NAME --reason TEXT [--from TIME] [--to TIME] --as PRINCIPAL\n"
	"       weir audit hold list --as PRINCIPAL\n"
	"       weir audit hold release NAME --reason TEXT --as PRINCIPAL\n"
	"\n"
	"FOLDER is the gateway's state folder or its audit folder.\n"
	"\n"
	"  tail     the last N records (20), one line each; -f goes on as more become durable\n"
	"  show     one record by its id or by the beginning of it, with every field\n"
	"  verify   recompute the log and check it against its signed heads\n"
	"           exit code: 0 intact, 1 tampered, 2 incomplete (pruned or held), 3 usage\n"
	"  export   records as JSON lines (lossless, with index, leaf hash and origin) or CSV\n"
	"           TIME is YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, UTC; --to is exclusive\n"
	"  policy   the policies that were in force, and when; with the digest of one or its beginning,\n"
	"           with a time, or with the id of a record that it decided: what it said, its source\n"
	"  prune    remove the segments all of whose records are older than AGE (400d, 36h), or from\n"
	"           before TIME, of a gateway that does not run; the log says who did it, and keeps\n"
	"           what proves the rest\n"
	"  hold     keep records of a time span, and all after them, from being pruned, until somebody\n"
	"           else releases them; of a gateway that runs. Also takes -c FILE, --admin URL,\n"
	"           --ca FILE, --key-file FILE as `weir approvals` does\n"
	"\n"
	"  --key VKEY       a verifier key kept from when the log began; may be repeated\n"
	"  --key-file FILE  the same, from a file\n"
	"  --head FILE      a signed head kept elsewhere, which this log must contain\n"
	"  --dry-run        only say what prune would remove\n"
	"  --json           machine-readable output\n";

enum { EXIT_VERIFY_USAGE = 3 };

struct options {
	bool json, follow, csv;
	unsigned long n;
	uint64_t from, to;
	struct note_key keys[16];
	size_t n_keys;
	struct buf head;
	int usage; /* exit code for usage errors */
};

/* --- output --- */

/* For a terminal: control characters, bidirectional overrides and invalid bytes are shown, never
 * sent. */
static void
put_visible(struct slice s, size_t max)
{
	size_t shown = 0;

	while (s.n && shown < max) {
		size_t len = utf8_sequence(s);
		uint32_t c = len ? utf8_character(s.p, len) : 0;

		if (len == 0) {
			printf("\\x%02x", s.p[0]);
			len = 1;
		} else if (c == '\n') {
			printf("\\n");
		} else if (c == '\t') {
			printf("\\t");
		} else if (utf8_hides(c)) {
			printf("\\u%04x", c);
		} else {
			fwrite(s.p, 1, len, stdout);
		}
		s = slice_of(s.p + len, s.n - len);
		shown++;
	}
	if (s.n)
		printf("...");
}

static const char *
verdict_name(unsigned v)
{
	switch (v) {
#define ENUM_VALUE(list, ID, number, name) ENUM_NAME_##list(number, name)
#define ENUM_NAME_verdict(number, name)                                                           \
	case number:                                                                              \
		return name;
#define ENUM_NAME_principal_kind(number, name)
#define ENUM_NAME_assurance(number, name)
#define ENUM_NAME_protocol(number, name)
#define ENUM_NAME_command_kind(number, name)
#define ENUM_NAME_transaction(number, name)
#define ENUM_NAME_approval_verdict(number, name)
#define ENUM_NAME_approval_state(number, name)
#define ENUM_NAME_status(number, name)
#define ENUM_NAME_outcome(number, name)
#define ENUM_NAME_log_state(number, name)
#define ENUM_NAME_hold_action(number, name)
#include "grammar/records.def"
	}
	return "-";
}

static const char *
outcome_of(const struct audit_brief *b)
{
	static const char *const status[] = {"-", "ok", "error", "cancelled", "unknown", "not-run"};
	static const char *const approval[] = {"-", "approve", "reject", "withdraw"};
	static const char *const closed[] = {"-", "used", "expired", "cancelled", "revoked", "void",
					     "rejected"};

	static const char *const held[] = {"-", "set", "release", "block"};

	switch (b->type) {
	case AUDIT_hold:
		return b->hold.action < COUNT_OF(held) ? held[b->hold.action] : "-";
	case AUDIT_result:
		return b->status < COUNT_OF(status) ? status[b->status] : "-";
	case AUDIT_approval_decision:
		return b->approval_verdict < COUNT_OF(approval) ? approval[b->approval_verdict]
								: "-";
	case AUDIT_approval_close:
		return b->approval_state < COUNT_OF(closed) ? closed[b->approval_state] : "-";
	case AUDIT_command:
	case AUDIT_session_start:
		return b->verdict ? verdict_name(b->verdict) : "-";
	}
	return "-";
}

/* What rules that are not enforced would have done. */
static void
put_shadow(const struct audit_brief *b)
{
	for (size_t i = 0; i < b->n_shadow; i++) {
		printf(i ? "; " : "  (shadow ");
		put_visible(b->shadow[i], 80);
	}
	printf(b->n_shadow ? ")" : "");
}

static void
print_line(struct slice leaf)
{
	const struct brief_principal *who;
	struct audit_brief b;
	char when[28], id[37];
	const char *type;

	if (audit_brief_get(&b, leaf) != NULL) {
		printf("(damaged record)\n");
		return;
	}
	clock_format(b.time, when);
	audit_id_format(b.id, id);
	type = audit_type_name(b.type);
	who = b.type == AUDIT_approval_decision ? &b.approver : &b.principal;
	printf("%.23sZ %s %-17s ", when, id, type ? type : "?");
	put_visible(who->name.n ? who->name : who->subject.n ? who->subject : SLICE_LIT("-"), 40);
	printf(" ");
	put_visible(b.target.n ? b.target : SLICE_LIT("-"), 40);
	printf(" %s", outcome_of(&b));
	for (size_t i = 0; i < b.n_rules; i++) {
		printf(i ? "," : " [");
		put_visible(b.rules[i], 60);
	}
	printf(b.n_rules ? "]" : "");
	if (b.statement.n) {
		printf(" ");
		put_visible(b.statement, 200);
	}
	if (b.type == AUDIT_hold) {
		printf(" ");
		put_visible(b.hold.name, 80);
	}
	if (b.type == AUDIT_retention_prune)
		printf(" records before %llu", (unsigned long long) b.until);
	if (b.type == AUDIT_result)
		printf(" rows=%llu%s%.*s", (unsigned long long) b.rows, b.code.n ? " code=" : "",
		       SLICE_ARG(b.code));
	put_shadow(&b);
	printf("\n");
}

/* {"_index":..,"_leaf":..,"_origin":..,<record>} */
static bool
print_json(const struct audit_reader *r, uint64_t index, struct slice leaf)
{
	uint8_t hash[SHA256_LEN];
	struct buf line = {0};
	const char *error;
	size_t start;
	bool ok;

	merkle_leaf(hash, leaf);
	buf_printf(&line, "{\"_index\":%llu,\"_leaf\":\"", (unsigned long long) index);
	hex_put(&line, slice_of(hash, sizeof(hash)));
	buf_puts(&line, "\",\"_origin\":");
	buf_json_string(&line, buf_slice(&r->origin));
	start = line.n;
	ok = audit_to_json(&line, leaf, &error);
	if (ok) {
		line.p[start] = ',';
	} else {
		buf_puts(&line, ",\"_error\":");
		buf_json_string(&line, slice_str(error));
		buf_putc(&line, '}');
	}
	buf_putc(&line, '\n');
	fwrite(line.p, 1, line.n, stdout);
	buf_fini(&line);
	return ok;
}

/* --- tail --- */

struct tail {
	const struct audit_reader *r;
	bool json;
};

static bool
tail_record(void *arg, uint64_t index, struct slice leaf)
{
	struct tail *t = arg;

	if (t->json)
		print_json(t->r, index, leaf);
	else
		print_line(leaf);
	return true;
}

static bool
count_record(void *arg, uint64_t index, struct slice leaf UNUSED)
{
	*(uint64_t *) arg = index + 1;
	return true;
}

static int
cmd_tail(const struct options *o, struct audit_reader *r)
{
	struct tail t = {.r = r, .json = o->json};
	uint64_t size = 0, *firsts;
	char strange[256] = "";
	uint64_t oldest = 0;
	size_t n;

	/* Only the last segment needs counting. */
	if (folder_segments(r->dir, &firsts, &n, strange) == 0 && n) {
		r->next = size = firsts[n - 1];
		oldest = firsts[0];
	}
	free(firsts);
	r->record = count_record;
	r->arg = &size;
	if (audit_reader_run(r) != 0)
		return EXIT_USAGE;
	r->next = size > o->n ? size - o->n : 0;
	if (r->next < oldest)
		audit_reader_missing(r, 0);
	r->record = tail_record;
	r->arg = &t;
	for (;;) {
		if (audit_reader_run(r) != 0)
			return EXIT_USAGE;
		fflush(stdout);
		if (!o->follow || ferror(stdout))
			return r->gaps ? EXIT_NEGATIVE : EXIT_OK;
		nanosleep(&(struct timespec){0, 200 * 1000 * 1000}, NULL);
	}
}

/* --- show --- */

struct show {
	const struct audit_reader *r;
	struct slice prefix;
	bool json, found, many;
	uint64_t index;
	struct buf leaf;
};

static bool
show_record(void *arg, uint64_t index, struct slice leaf)
{
	struct show *s = arg;
	struct audit_brief b;
	char id[37];

	if (audit_brief_get(&b, leaf) != NULL)
		return true;
	audit_id_format(b.id, id);
	if (memcmp(id, s->prefix.p, s->prefix.n) != 0)
		return true;
	s->many = s->found;
	s->found = true;
	s->index = index;
	buf_reset(&s->leaf);
	buf_put_slice(&s->leaf, leaf);
	return !s->many;
}

/* One field a line, nested by indentation: the JSON, broken at its punctuation. */
static void
print_indented(struct slice json)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < json.n; i++) {
		char c = (char) json.p[i];

		if (quoted || c == '"') {
			if (c == '\\') {
				putchar(c);
				c = (char) json.p[++i];
			} else if (c == '"') {
				quoted = !quoted;
			}
			putchar(c);
			continue;
		}
		if (c == '}' || c == ']')
			printf("\n%*s", --depth * 2, "");
		putchar(c);
		if (c == '{' || c == '[')
			depth++;
		if (c == '{' || c == '[' || c == ',')
			printf("\n%*s", depth * 2, "");
		else if (c == ':')
			putchar(' ');
	}
	putchar('\n');
}

static int
cmd_show(const struct options *o, struct audit_reader *r, const char *id)
{
	struct show s = {.r = r, .prefix = slice_str(id), .json = o->json};
	struct buf json = {0};
	const char *error;
	int rc = EXIT_OK;

	r->record = show_record;
	r->arg = &s;
	if (s.prefix.n < 4 || s.prefix.n > 36)
		return cli_usage_error("audit", "an id has 36 characters; give at least 4 of them");
	if (audit_reader_run(r) != 0) {
		rc = EXIT_USAGE;
	} else if (!s.found || s.many) {
		fprintf(stderr, "weir audit show: %s record whose id begins with %s%s\n",
			s.many ? "more than one" : "no", id, s.many ? "; give more of it" : "");
		if (!s.many)
			audit_reader_missing(r, 0);
		rc = EXIT_NEGATIVE;
	} else if (o->json) {
		rc = print_json(r, s.index, buf_slice(&s.leaf)) ? EXIT_OK : EXIT_NEGATIVE;
	} else if (audit_to_json(&json, buf_slice(&s.leaf), &error)) {
		print_indented(buf_slice(&json));
	} else {
		fprintf(stderr, "weir audit show: record %llu: %s\n", (unsigned long long) s.index, error);
		rc = EXIT_NEGATIVE;
	}
	buf_fini(&json);
	buf_fini(&s.leaf);
	return rc;
}

/* --- verify --- */

static void
print_report_json(const struct verify_report *r)
{
	static const char *const verdicts[] = {"intact", "tampered", "incomplete"};
	static const char *const severities[] = {"remark", "tampered", "incomplete"};
	struct buf b = {0};

	buf_printf(&b, "{\"verdict\":\"%s\",\"origin\":", verdicts[r->verdict]);
	buf_json_string(&b, slice_str(r->origin));
	buf_printf(&b, ",\"records\":%llu,\"signed\":%llu,\"segments\":%llu,\"heads\":%llu,"
		   "\"sessions\":%llu,\"commands\":%llu,\"results\":%llu,\"held\":%llu,"
		   "\"pruned\":%llu,\"key_out_of_band\":%s,\"live\":%s,\"findings\":[",
		   (unsigned long long) r->records, (unsigned long long) r->signed_records,
		   (unsigned long long) r->segments, (unsigned long long) r->heads,
		   (unsigned long long) r->sessions, (unsigned long long) r->commands,
		   (unsigned long long) r->results, (unsigned long long) r->held,
		   (unsigned long long) r->pruned, r->keys_from_folder ? "false" : "true",
		   r->live ? "true" : "false");
	for (size_t i = 0; i < r->n_problems; i++) {
		buf_printf(&b, "%s{\"severity\":\"%s\",\"text\":", i ? "," : "",
			   severities[r->problems[i].severity]);
		buf_json_string(&b, slice_str(r->problems[i].text));
		buf_putc(&b, '}');
	}
	buf_printf(&b, "],\"more_findings\":%zu}\n", r->more_problems);
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
}

static void
print_report(const struct verify_report *r)
{
	static const char *const verdicts[] = {"intact", "TAMPERED", "incomplete"};
	static const char *const severities[] = {"note", "TAMPERED", "incomplete"};

	for (size_t i = 0; i < r->n_problems; i++) {
		printf("%s: ", severities[r->problems[i].severity]);
		put_visible(slice_str(r->problems[i].text ? r->problems[i].text : "?"), SIZE_MAX);
		putchar('\n');
	}
	if (r->more_problems)
		printf("... and %zu more findings\n", r->more_problems);
	printf("%s: %s: %llu records", r->origin[0] ? r->origin : "(no origin)",
	       verdicts[r->verdict], (unsigned long long) r->records);
	if (r->pruned)
		printf(" (%llu of them pruned)", (unsigned long long) r->pruned);
	printf(" in %llu segments, %llu signed by %llu heads; %llu sessions, %llu commands, "
	       "%llu results, %llu held\n", (unsigned long long) r->segments,
	       (unsigned long long) r->signed_records, (unsigned long long) r->heads,
	       (unsigned long long) r->sessions, (unsigned long long) r->commands,
	       (unsigned long long) r->results, (unsigned long long) r->held);
}

static int
cmd_verify(const struct options *o, struct audit_reader *r)
{
	struct verify_options vo = {
		.keys = o->keys, .n_keys = o->n_keys, .head = buf_slice(&o->head)};
	struct verify_report *report = calloc(1, sizeof(*report));
	int rc;

	assert(report != NULL);
	rc = audit_verify(report, r->dir, &vo);
	if (rc != 0) {
		fprintf(stderr, "weir audit verify: %s\n", strerror(-rc));
		rc = EXIT_VERIFY_USAGE;
	} else {
		(o->json ? print_report_json : print_report)(report);
		rc = (int) report->verdict;
	}
	verify_report_fini(report);
	free(report);
	return rc;
}

/* --- export --- */

struct export {
	const struct audit_reader *r;
	const struct options *o;
	bool bad;
};

/* RFC 4180, and a quote in front of what a spreadsheet would evaluate: statements are text that
 * an attacker writes. */
static void
csv_field(struct slice s, bool last)
{
	if (s.n && strchr("=+-@\t\r\n", s.p[0]))
		printf("\"'");
	else
		putchar('"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			putchar('"');
		if (s.p[i])
			putchar(s.p[i]);
		else
			printf("\\0");
	}
	printf(last ? "\"\r\n" : "\",");
}

/* 0: there is none. */
static void
csv_number(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long) n);
	csv_field(slice_str(n ? text : ""), false);
}

static void
csv_record(uint64_t index, const struct audit_brief *b)
{
	char text[37];
	const char *type = audit_type_name(b->type);
	const struct brief_principal *who =
		b->type == AUDIT_approval_decision ? &b->approver : &b->principal;
	struct buf rules = {0};

	snprintf(text, sizeof(text), "%llu", (unsigned long long) index);
	csv_field(slice_str(text), false);
	clock_format(b->time, text);
	csv_field(slice_str(text), false);
	audit_id_format(b->id, text);
	csv_field(slice_str(text), false);
	csv_field(slice_str(type ? type : ""), false);
	audit_id_format(b->session, text);
	csv_field(slice_str(audit_id_is_zero(b->session) ? "" : text), false);
	csv_field(who->name.n ? who->name : who->subject, false);
	csv_field(b->target, false);
	csv_field(slice_str(strcmp(outcome_of(b), "-") == 0 ? "" : outcome_of(b)), false);
	for (size_t i = 0; i < b->n_rules; i++) {
		buf_puts(&rules, i ? " " : "");
		buf_put_slice(&rules, b->rules[i]);
	}
	csv_field(buf_slice(&rules), false);
	buf_fini(&rules);
	csv_field(b->code, false);
	snprintf(text, sizeof(text), "%llu", (unsigned long long) b->rows);
	csv_field(slice_str(b->type == AUDIT_result ? text : ""), false);
	if (b->n_refs)
		audit_id_format(b->refs[0], text);
	csv_field(slice_str(b->n_refs ? text : ""), false);
	csv_number(b->server_pid);
	csv_number(b->server_connection);
	csv_field(b->statement, true);
}

static bool
export_record(void *arg, uint64_t index, struct slice leaf)
{
	struct export *e = arg;
	struct audit_brief b;

	if (audit_brief_get(&b, leaf) != NULL) {
		e->bad = true;
		b = (struct audit_brief){0};
	} else if (b.time < e->o->from || b.time >= e->o->to) {
		return true;
	}
	if (e->o->csv)
		csv_record(index, &b);
	else if (!print_json(e->r, index, leaf))
		e->bad = true;
	return !ferror(stdout);
}

static int
cmd_export(const struct options *o, struct audit_reader *r)
{
	struct export e = {.r = r, .o = o};

	r->record = export_record;
	r->arg = &e;
	if (o->csv)
		printf("index,time,id,type,session,principal,target,verdict,rules,code,rows,ref,"
		       "server_pid,server_connection,statement\r\n");
	audit_reader_missing(r, o->from);
	if (audit_reader_run(r) != 0)
		return EXIT_USAGE;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "weir audit export: %s\n", strerror(errno));
		return EXIT_USAGE;
	}
	if (e.bad)
		fprintf(stderr, "weir audit export: some records are damaged; run `weir audit verify`\n");
	return e.bad || r->gaps ? EXIT_NEGATIVE : EXIT_OK;
}

/* --- arguments --- */

bool
audit_parse_time(const char *text, uint64_t *ns)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!end) {
		tm = (struct tm){0};
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	if (end && *end == 'Z')
		end++;
	if (!end || *end || tm.tm_year < 70)
		return false;
	*ns = (uint64_t) timegm(&tm) * NS_PER_S;
	return true;
}

static int
add_key(struct options *o, struct slice vkey)
{
	if (o->n_keys == COUNT_OF(o->keys) || !note_key_parse(&o->keys[o->n_keys], vkey)) {
		cli_usage_error("audit", "not a verifier key (name+id+base64): %.*s", SLICE_ARG(vkey));
		return o->usage;
	}
	o->n_keys++;
	return 0;
}

static int
read_option_file(struct buf *b, const char *path, int usage)
{
	int rc = folder_read(b, AT_FDCWD, path, 1 << 16);

	if (rc == 0)
		return 0;
	fprintf(stderr, "weir audit: %s: %s\n", path, strerror(-rc));
	return usage;
}

static int
option(struct options *o, int c, const char *arg)
{
	struct buf b = {0};
	char *end;
	int rc = 0;

	switch (c) {
	case 'f':
		o->follow = true;
		return 0;
	case 'n':
		o->n = strtoul(arg, &end, 10);
		if (*arg >= '0' && *arg <= '9' && *end == 0)
			return 0;
		break;
	case 'j':
		o->json = true;
		return 0;
	case 'k':
		return add_key(o, slice_str(arg));
	case 'K':
		rc = read_option_file(&b, arg, o->usage);
		if (rc == 0)
			rc = add_key(o, buf_slice(&b));
		buf_fini(&b);
		return rc;
	case 'H':
		return read_option_file(&o->head, arg, o->usage);
	case 'F':
		o->csv = strcmp(arg, "csv") == 0;
		if (o->csv || strcmp(arg, "jsonl") == 0)
			return 0;
		break;
	case 'a':
		if (audit_parse_time(arg, &o->from))
			return 0;
		break;
	case 'b':
		if (audit_parse_time(arg, &o->to))
			return 0;
		break;
	default:
		break;
	}
	if (arg)
		cli_usage_error("audit", "'%s' is not a value for this option", arg);
	else
		cli_usage_error("audit", "unknown option");
	return o->usage;
}

int
cmd_audit(int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},	 {"key", required_argument, NULL, 'k'},
		{"key-file", required_argument, NULL, 'K'}, {"head", required_argument, NULL, 'H'},
		{"format", required_argument, NULL, 'F'}, {"from", required_argument, NULL, 'a'},
		{"to", required_argument, NULL, 'b'},	 {0},
	};
	struct options o = {.n = 20, .to = UINT64_MAX, .usage = EXIT_USAGE};
	struct audit_reader r = {.dir = -1};
	const char *sub = argc > 1 ? argv[1] : "";
	int c, rc = 0, operands = strcmp(sub, "show") == 0 ? 2 : 1;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return EXIT_OK;
		}
	if (strcmp(sub, "policy") == 0)
		return cmd_audit_policy(argc - 1, argv + 1);
	if (strcmp(sub, "prune") == 0)
		return cmd_audit_prune(argc - 1, argv + 1);
	if (strcmp(sub, "hold") == 0)
		return cmd_audit_hold(argc - 1, argv + 1);
	if (strcmp(sub, "verify") == 0)
		o.usage = EXIT_VERIFY_USAGE;
	else if (strcmp(sub, "tail") && strcmp(sub, "show") && strcmp(sub, "export"))
		return cli_usage_error("audit", "say tail, show, verify, export, policy, prune or hold");
	opterr = 0;
	optind = 1;
	while (rc == 0 && (c = getopt_long(argc - 1, argv + 1, "fn:", longs, NULL)) != -1)
		rc = option(&o, c, optarg);
	if (rc == 0 && argc - 1 - optind != operands) {
		cli_usage_error("audit", "%s takes %s", sub, operands == 2 ? "an id and a folder"
									   : "one folder");
		rc = o.usage;
	}
	if (rc == 0 && audit_reader_open(&r, "audit", argv[argc - 1]) != 0)
		rc = o.usage;
	if (rc == 0) {
		if (strcmp(sub, "verify") == 0)
			rc = cmd_verify(&o, &r);
		else if (strcmp(sub, "tail") == 0)
			rc = cmd_tail(&o, &r);
		else if (strcmp(sub, "show") == 0)
			rc = cmd_show(&o, &r, argv[1 + optind]);
		else
			rc = cmd_export(&o, &r);
	}
	audit_reader_close(&r);
	buf_fini(&o.head);
	return rc;
}
