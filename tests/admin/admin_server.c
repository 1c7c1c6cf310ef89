/* SPDX-License-Identifier: MIT
 *
 * The admin listener and the approvals' store without a gateway, driven by lines on standard input,
 * so that the HTTP interface and the command line are tested by themselves:
 *
 *   hold PRINCIPAL KIND N TEXT     holds TEXT (needs N of "dba", not self); prints the id
 *   use ID TEXT PRINCIPAL          prints "ok" or the refusal's code
 *   sweep SECONDS                  pretends that SECONDS have passed
 *   audit fail|ok                  whether records can be made durable
 *   bytes HEX                      holds these bytes
 */
#include "base/clock.h"
#include "proxy/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct slice dba[] = {{(const uint8_t *) "dba-oncall", 10}};
static const struct slice audit_dba[] = {{(const uint8_t *) "audit", 5},
					 {(const uint8_t *) "dba-oncall", 10}};
static const struct config_principal principals[] = {
	{"planner-7", PRINCIPAL_AGENT, NULL, 0, "k-planner"},
	{"ana", PRINCIPAL_HUMAN, audit_dba, 2, "k-ana"},
	{"bo", PRINCIPAL_HUMAN, dba, 1, "k-bo"},
	{"cy", PRINCIPAL_HUMAN, NULL, 0, "k-cy"},
	{"robot", PRINCIPAL_AGENT, dba, 1, "k-robot"},
	{"nokey", PRINCIPAL_HUMAN, dba, 1, NULL},
};
static const struct config conf = {.principals = principals, .n_principals = COUNT_OF(principals)};

static int record_result;
static struct approvals *store;

static const struct config *
config_get(void *ctx UNUSED)
{
	return &conf;
}

static void
config_put(void *ctx UNUSED, const struct config *c UNUSED)
{
}

static int
record(void *ctx UNUSED, const struct approval_event *ev)
{
	fprintf(stderr, "record %s %s by=%s reason=%s ticket=%s completes=%d\n",
		approval_event_name(ev->type), ev->approval->id, ev->by, ev->reason, ev->ticket,
		ev->completes);
	return record_result;
}

static void
status(void *ctx UNUSED, struct buf *out)
{
	buf_puts(out, "{\"version\":\"test\"}");
}

static void
metrics(void *ctx UNUSED, struct buf *out)
{
	buf_puts(out, "weir_connections 0\n");
}

static struct approval_subject
subject_of(struct slice text, const char *principal)
{
	struct approval_subject s = {
		.protocol = SLICE_LIT("postgres"),
		.principal = slice_str(principal),
		.target = SLICE_LIT("orders"),
		.database = SLICE_LIT("orders"),
		.db_role = SLICE_LIT("app"),
	};

	sha256(s.command_sha256, text);
	return s;
}

static void
hold(const char *principal, enum principal_kind kind, unsigned n, struct slice text)
{
	struct approval_need need = {n, 0, SLICE_LIT("dba"), dba, 1};
	struct approval_rule rule = {SLICE_LIT("ddl"), SLICE_LIT("schema changes wait for a DBA")};
	struct approval_ask ask = {
		.subject = subject_of(text, principal),
		.kind = kind,
		.client = SLICE_LIT("127.0.0.1:5555"),
		.statement = text,
		.rules = &rule,
		.n_rules = 1,
		.needs = &need,
		.n_needs = 1,
		.not_self = true,
		.within_ns = 900 * NS_PER_S,
		.release_ns = 600 * NS_PER_S,
		.max_uses = 1,
	};
	struct approval_status st;
	struct approval_event ev = {0};
	enum approval_error e = approvals_create(store, &ask, clock_wall_ns(), &st, &ev);

	printf("%s\n", e == APPROVAL_ERR_NONE ? st.id : approval_error_code(e));
	approval_event_done(&ev);
}

static void
command(char *line)
{
	char a[64] = "", b[64] = "";
	unsigned n = 0;
	int at = 0;

	if (sscanf(line, "hold %63s %63s %u %n", a, b, &n, &at) == 3 && at) {
		hold(a, strcmp(b, "agent") == 0 ? PRINCIPAL_AGENT : PRINCIPAL_HUMAN, n,
		     slice_str(line + at));
	} else if (sscanf(line, "bytes %n", &at) == 0 && at) {
		struct buf raw = {0};

		if (hex_get(&raw, slice_str(line + at)))
			hold("planner-7", PRINCIPAL_AGENT, 1, buf_slice(&raw));
		buf_fini(&raw);
	} else if (sscanf(line, "use %63s %63s %n", a, b, &at) == 2 && at) {
		struct approval_subject s = subject_of(slice_str(line + at), b);
		struct approval_event ev = {0};
		enum approval_error e = approvals_use(store, a, &s, clock_wall_ns(), &ev);

		printf("%s\n", approval_error_code(e));
		approval_event_done(&ev);
	} else if (sscanf(line, "sweep %u", &n) == 1) {
		approvals_sweep(store, clock_wall_ns() + n * NS_PER_S, NULL, NULL);
		printf("ok\n");
	} else if (strncmp(line, "audit ", 6) == 0) {
		record_result = strcmp(line + 6, "fail") == 0 ? -EIO : 0;
		printf("ok\n");
	} else {
		printf("?\n");
	}
	fflush(stdout);
}

int
main(void)
{
	struct approvals_hooks hooks = {.record = record};
	struct admin_hooks ah = {.config_get = config_get,
				 .config_put = config_put,
				 .status = status,
				 .metrics = metrics};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct endpoint where = {.text = "127.0.0.1:0", .addr_len = sizeof(in), .loopback = true};
	struct endpoint outside = {.text = "0.0.0.0:0", .addr_len = sizeof(in), .loopback = false};
	static char line[200000];
	struct admin *admin;
	char err[256];

	memcpy(&where.addr, &in, sizeof(in));
	memcpy(&outside.addr, &in, sizeof(in));
	store = approvals_open(&hooks, NULL);
	if (admin_open(&admin, &outside, NULL, NULL, store, &ah, err) != -EPERM ||
	    admin_open(&admin, &where, NULL, NULL, store, &ah, err) != 0)
		return 1;
	printf("%u\n", admin_port(admin));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		command(line);
	}
	admin_close(admin);
	approvals_close(store);
	return 0;
}
