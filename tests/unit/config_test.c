/* SPDX-License-Identifier: MIT
 *
 * The configuration: what it yields, what it refuses, and that no secret is ever shown.
 */
#include "compiler/config_load.h"
#include "compiler/file_mode.h"
#include "tests/unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

static const char issue_example[] =
	"listen postgres  127.0.0.1:6432\n"
	"listen admin     127.0.0.1:6433\n"
	"policy           \"payments.weir\"          # source or image\n"
	"state            \"state\"\n"
	"tls              off                      # or: tls cert \"gw.crt\" key \"gw.key\"\n"
	"\n"
	"target orders\n"
	"  protocol  postgres\n"
	"  address   127.0.0.1:5432\n"
	"  database  orders\n"
	"  login     \"app\" password \"app-secret\"   # or password-file\n"
	"  tls       off\n"
	"\n"
	"principal planner-7   kind agent   groups ai-agents            key \"k-planner\"\n"
	"principal ana         kind human   groups dba-oncall, audit    key \"k-ana\"\n";

/* One load: the result, and everything that was said about it. */
struct loaded {
	struct arena arena;
	struct sources sources;
	struct diag_queue q;
	struct config c;
	struct buf text;
	bool ok;
};

static void
load(struct loaded *l, const char *text, bool fetch)
{
	memset(l, 0, sizeof(*l));
	arena_init(&l->arena, 0);
	sources_init(&l->sources, &l->arena);
	diag_init(&l->q, &l->sources, &l->arena);
	l->ok = config_load_text("/etc/weir/weir.conf", slice_str(text), fetch, &l->arena, &l->c,
				 &l->q);
	diag_print(&l->q, &l->text, false);
	diag_print_json(&l->q, &l->text);
	buf_putc(&l->text, '\0');
}

static void
unload(struct loaded *l)
{
	config_wipe(&l->c);
	buf_fini(&l->text);
	arena_fini(&l->arena);
}

static bool
says(const struct loaded *l, const char *what)
{
	return strstr((const char *) l->text.p, what) != NULL;
}

static void
the_example(void)
{
	struct loaded l;
	const struct config_target *t;
	const struct config_principal *p;

	load(&l, issue_example, true);
	REQUIRE(l.ok);
	CHECK_INT(l.q.n_warnings, 0);
	CHECK_SLICE(slice_str(l.c.listen_postgres.text), "127.0.0.1:6432");
	CHECK(l.c.listen_postgres.loopback && l.c.listen_admin.loopback);
	CHECK_INT(ntohs(((struct sockaddr_in *) &l.c.listen_admin.addr)->sin_port), 6433);
	CHECK_SLICE(slice_str(l.c.policy_path), "/etc/weir/payments.weir");
	CHECK_SLICE(slice_str(l.c.state_path), "/etc/weir/state");
	CHECK(!l.c.tls_cert && !l.c.tls_key);
	t = config_target_find(&l.c, SLICE_LIT("orders"));
	REQUIRE(t != NULL);
	CHECK_SLICE(slice_str(t->database), "orders");
	CHECK_SLICE(slice_str(t->login), "app");
	CHECK_SLICE(slice_str(t->password), "app-secret");
	CHECK(t->tls == TLS_OFF);
	CHECK(config_target_find(&l.c, SLICE_LIT("order")) == NULL);
	p = config_principal_find(&l.c, SLICE_LIT("ana"));
	REQUIRE(p != NULL);
	CHECK(p->kind == PRINCIPAL_HUMAN);
	CHECK_SLICE(p->groups[0], "audit");
	CHECK(config_principal_in(p, SLICE_LIT("dba-oncall")));
	CHECK(config_principal_in(p, SLICE_LIT("audit")));
	CHECK(!config_principal_in(p, SLICE_LIT("ai-agents")));
	CHECK_SLICE(slice_str(p->key), "k-ana");
	CHECK_INT(l.c.max_connections, 10000);
	CHECK_INT(l.c.notice_seconds, 15);
	unload(&l);
}

/* Loads the example with one more line. */
static void
load_with(struct loaded *l, const char *line)
{
	struct buf b = {0};

	buf_printf(&b, "%s%s\n", issue_example, line);
	buf_putc(&b, 0);
	load(l, (char *) b.p, true);
	buf_fini(&b);
}

static void
channels(void)
{
	static const char *const wrong[] = {
		"channel oncall",
		"channel oncall webhook",
		"channel oncall webhook \"hooks.example/T0K3N\"",
		"channel oncall webhook \"http://hooks.example/T0K3N\"",
		"channel oncall webhook \"http://127.0.0.1.example/T0K3N\"",
		"channel oncall webhook \"http://localhost:1@hooks.example/T0K3N\"",
		"channel oncall webhook \"https://\"",
		"channel oncall webhook \"https://x/T0K3N\" webhook \"https://y/T0K3N\"",
		"channel oncall webhook \"https://x/T0K3N\" secret \"T0K3N\" secret-env \"HOME\"",
		"channel oncall webhook \"https://x/T0K3N\" secret-file \"nowhere\"",
		"channel oncall webhook \"https://x/T0K3N\" secret T0K3N",
		"channel oncall webhook \"https://x/T0K3N\" after \"T0K3N\"",
		"channel oncall webhook \"https://x/\"\nchannel oncall webhook \"https://y/T0K3N\"",
		"channel \"oncall\" webhook \"https://x/T0K3N\"",
		"channel oncall webhook \"https://x/T0K3N y\"",
		"channel oncall webhook \"http://127.0.0.1:1\\\\@x/T0K3N\"",
		"channel oncall webhook \"tls://x:1/T0K3N\"",
		"channel oncall syslog \"https://x/T0K3N\"",
		"channel oncall syslog \"tcp://T0K3N:601\"",
		"channel oncall syslog \"udp://127.0.0.1:1@T0K3N\"",
		"channel oncall syslog \"T0K3N\"",
		"channel oncall syslog secret \"T0K3N\"",
		"channel oncall syslog \"/dev/log/T0K3N\" ca \"ca.pem\"",
		"channel oncall log syslog",
		"channel oncall log \"T0K3N\"",
		"channel oncall log secret \"T0K3N\"",
	};
	struct loaded l;

	load_with(&l, "channel oncall\n  webhook \"https://hooks.example/T0K3N\"\n"
		      "  ca \"ca.pem\" secret \"shared\"\nchannel ops webhook \"http://[::1]:80/x\"");
	REQUIRE(l.ok);
	CHECK_INT(l.c.n_channels, 2);
	CHECK_INT(config_channel_find(&l.c, SLICE_LIT("ops")), 1);
	CHECK_INT(config_channel_find(&l.c, SLICE_LIT("op")), -1);
	CHECK_SLICE(slice_str(l.c.channels[0].url), "https://hooks.example/T0K3N");
	CHECK_SLICE(slice_str(l.c.channels[0].ca_file), "/etc/weir/ca.pem");
	CHECK_SLICE(slice_str(l.c.channels[0].secret), "shared");
	CHECK(!l.c.channels[1].secret && !l.c.channels[1].ca_file);
	unload(&l);
	load_with(&l, "channel a syslog\nchannel b syslog \"tls://logs.example:6514\" ca \"ca.pem\"\n"
		      "channel c log\nchannel d\n  syslog \"udp://localhost\"");
	REQUIRE(l.ok);
	CHECK_INT(l.c.n_channels, 4);
	CHECK(l.c.channels[0].kind == CHANNEL_SYSLOG && l.c.channels[2].kind == CHANNEL_LOG);
	CHECK_SLICE(slice_str(l.c.channels[0].url), "/dev/log");
	CHECK_SLICE(slice_str(l.c.channels[1].url), "tls://logs.example:6514");
	CHECK(l.c.channels[2].url == NULL);
	CHECK_SLICE(slice_str(l.c.channels[3].url), "udp://localhost");
	unload(&l);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		load_with(&l, wrong[i]);
		if (l.ok || says(&l, "T0K3N"))
			printf("# %s\n# %s\n", wrong[i], (char *) l.text.p), test_failures++;
		unload(&l);
	}
}

/* The text that diagnostics quote holds no secret after loading, even a clean one. */
static void
secrets_leave_the_text(void)
{
	struct loaded l;

	load(&l, issue_example, true);
	for (uint32_t i = 0; i < l.sources.n; i++) {
		struct slice text = l.sources.files[i].text;

		CHECK(memmem(text.p, text.n, "app-secret", 10) == NULL);
		CHECK(memmem(text.p, text.n, "k-planner", 9) == NULL);
		CHECK(memmem(text.p, text.n, "payments.weir", 13) != NULL);
	}
	unload(&l);
}

static const char head[] = "listen postgres 127.0.0.1:1\npolicy \"p\"\nstate \"s\"\ntls off\n";

/* head + lines must be refused with `code` and say `what`. */
static void
refused(const char *lines, const char *code, const char *what)
{
	struct loaded l;
	char text[2048];

	snprintf(text, sizeof(text), "%s%s", head, lines);
	load(&l, text, true);
	if (l.ok || !says(&l, code) || !says(&l, what)) {
		test_failures++;
		printf("# %s\n# wanted %s and \"%s\", got %s\n", lines, code, what,
		       (const char *) l.text.p);
	}
	unload(&l);
}

#define TARGET "target t\n address 127.0.0.1:5\n database d\n login \"a\"\n"

static void
refusals(void)
{
	refused("", "E0904", "no `target`");
	refused("targte t\n", "E0901", "did you mean `target`?");
	refused("target t\n adress 127.0.0.1:5\n", "E0901", "did you mean `address`?");
	refused("target t\n database d\n login \"a\"\n", "E0904", "target 't' has no `address`");
	refused(TARGET TARGET, "E0903", "target 't' is set twice");
	refused("target t\n database d\n database e\n", "E0903", "`database` of target 't'");
	refused(TARGET "policy \"q\"\n", "E0903", "`policy` is set twice");
	refused(TARGET "principal p kind robot\n", "E0902", "human");
	refused(TARGET "principal p\n", "E0904", "no `kind`");
	refused(TARGET "principal p kind agent\nprincipal p kind agent\n", "E0903",
		"principal 'p' is set twice");
	refused(TARGET "listen admin 0.0.0.0:1\n", "E0907", "through ssh");
	refused(TARGET "listen admin 127.0.0.1:1\n", "E0905", "same address");
	refused(TARGET "listen admin 127.0.0.1:0\n", "E0905", "1 to 65535");
	refused(TARGET "listen admin 127.0.0.1\n", "E0902", "address and port");
	refused(TARGET "limit worker 4\n", "E0901", "did you mean `workers`?");
	refused(TARGET "retention\n", "E0902", "`forever`, or a duration");
	refused(TARGET "retention 400\n", "E0902", "`forever`, or a duration");
	refused(TARGET "retention 0s\n", "E0902", "from 1s to 36500d");
	refused(TARGET "retention 36501d\n", "E0902", "from 1s to 36500d");
	refused(TARGET "retention 500ms\n", "E0902", "from 1s to 36500d");
	refused(TARGET "retention 1d holds\n", "E0902", "a group's name");
	refused(TARGET "retention 1d holds a,\n", "E0902", "a group's name");
	refused(TARGET "retention 1d 2d\n", "E0902", "the end of the line");
	refused(TARGET "retention 1d\nretention 2d\n", "E0903", "the first is here");
	refused(TARGET "limit workers 0\n", "E0902", "1 to 1024");
	refused(TARGET "limit message 16\n", "E0902", "64KiB");
	refused(TARGET " login \"b\" password-env WEIR_TEST_NOT_SET\n", "E0908", "WEIR_TEST_NOT_SET");
	refused(TARGET " login \"b\" password-command \"exit 3\"\n", "E0908", "status 3");
	refused(TARGET " login \"b\" password-command \"true\"\n", "E0908", "empty first line");
	refused(TARGET " login \"b\" password-file \"/nowhere/x\"\n", "E0908", "No such file");
	refused("target t\n protocol mysql\n", "E0902", "not supported yet");
	refused("target t\n tls on\n", "E0902", "verify-full");
	refused(TARGET "state \"x\" y\n", "E0902", "end of the line");
	refused("target t\n address [::1:5\n", "E0902", "[::1]:5432");
	refused("target t\n address \"db:54x\"\n", "E0905", "from 1 to 65535");
}

static void
tls_off_loopback(void)
{
	struct loaded l;

	load(&l, "listen postgres 0.0.0.0:6432\npolicy \"p\"\nstate \"s\"\ntls off\n" TARGET, true);
	CHECK(!l.ok && says(&l, "E0906") && says(&l, "tls cert"));
	unload(&l);
	load(&l,
	     "listen postgres 0.0.0.0:6432\npolicy \"p\"\nstate \"s\"\n"
	     "tls cert \"a.crt\" key \"/k/a.key\"\n" TARGET, true);
	CHECK(l.ok);
	CHECK_SLICE(slice_str(l.c.tls_cert), "/etc/weir/a.crt");
	CHECK_SLICE(slice_str(l.c.tls_key), "/k/a.key");
	unload(&l);
	load(&l, "listen postgres 127.0.0.1:1\npolicy \"p\"\nstate \"s\"\n" TARGET, true);
	CHECK(!l.ok && says(&l, "no `tls`"));
	unload(&l);
}

/* 192.0.2.7 is for documentation, nobody's. */
static void
tls_to_a_target_off_loopback(void)
{
	static const char *const modes[][3] = {
		{"", "E0912", "tls require"},
		{" tls off\n", "E0912", "tls verify-full"},
		{" tls prefer\n", "E0912", "tls verify-full"},
		{" tls require\n", "W0910", "tls verify-full"},
		{" tls verify-full\n", NULL, NULL},
	};
	struct loaded l;
	char text[256];

	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		snprintf(text, sizeof(text),
			 "%starget t\n address 192.0.2.7:5\n database d\n login \"a\"\n%s", head,
			 modes[i][0]);
		load(&l, text, true);
		CHECK_INT(l.ok, !modes[i][1] || modes[i][1][0] == 'W');
		CHECK(!modes[i][1] || (says(&l, modes[i][1]) && says(&l, modes[i][2])));
		CHECK_INT(l.q.n_errors + l.q.n_warnings, modes[i][1] != NULL);
		unload(&l);
	}
}

static void
addresses(void)
{
	struct loaded l;

	load(&l,
	     "listen postgres [::1]:6432\nlisten admin localhost:7\npolicy \"p\"\nstate \"s\"\n"
	     "tls off\ntarget t\n address \"127.0.0.1:15\"\n database \"d b\"\n login \"a\"\n"
	     " tls verify-full ca \"ca.pem\"\n"
	     "limit message 1MiB\nlimit login 5s\nretention 400d holds legal, \"the auditors\"\n", true);
	REQUIRE(l.ok);
	CHECK_INT(l.c.retention_seconds, 400 * 86400);
	CHECK_SLICE(slice_str(l.c.retention), "400d");
	REQUIRE(l.c.n_hold_groups == 2);
	CHECK_SLICE(l.c.hold_groups[0], "legal");
	CHECK_SLICE(l.c.hold_groups[1], "the auditors");
	CHECK_SLICE(slice_str(l.c.listen_postgres.text), "[::1]:6432");
	CHECK_INT(l.c.listen_postgres.addr.ss_family, AF_INET6);
	CHECK(l.c.listen_postgres.loopback && l.c.listen_admin.loopback);
	CHECK_SLICE(slice_str(l.c.targets[0].address.text), "127.0.0.1:15");
	CHECK_SLICE(slice_str(l.c.targets[0].database), "d b");
	CHECK_SLICE(slice_str(l.c.targets[0].ca_file), "/etc/weir/ca.pem");
	CHECK(l.c.targets[0].password == NULL);
	CHECK_INT(l.c.max_message_bytes, 1 << 20);
	CHECK_INT(l.c.login_seconds, 5);
	unload(&l);
}

static void
passwords_from_outside(void)
{
	char path[] = "/tmp/weir_config_test_XXXXXX", text[1024];
	int fd = mkstemp(path);
	struct loaded l;

	REQUIRE(fd >= 0);
	REQUIRE(write(fd, "from file\nsecond line\n", 22) == 22);
	REQUIRE(fchmod(fd, 0604) == 0);
	setenv("WEIR_TEST_PASSWORD", "from env", 1);
	snprintf(text, sizeof(text),
		 "%starget a\n address 127.0.0.1:5\n database d\n login \"a\" password-file \"%s\"\n"
		 "target b\n address 127.0.0.1:5\n database d\n login \"a\" password-env "
		 "WEIR_TEST_PASSWORD\n"
		 "target c\n address 127.0.0.1:5\n database d\n login \"a\" password-command "
		 "\"echo from command; yes | head -c 100000\"\n", head, path);
	load(&l, text, true);
	CHECK(l.ok);
	REQUIRE(l.c.n_targets == 3);
	CHECK_SLICE(slice_str(l.c.targets[0].password), "from file");
	CHECK_SLICE(slice_str(l.c.targets[1].password), "from env");
	CHECK_SLICE(slice_str(l.c.targets[2].password), "from command");
	CHECK(says(&l, "W0909") && says(&l, "chmod 600"));
	CHECK(!says(&l, "from file") && !says(&l, "second line"));
	unload(&l);
	unlink(path);
	close(fd);
}

static void
files_open_to_others(void)
{
	enum { US = 1000, OTHER = 1001, ROOT = 0 };
	static const struct {
		uid_t owner;
		mode_t mode;
		enum file_use use;
		const char *says; /* NULL: nothing */
	} files[] = {
		{US, 0600, FILE_SECRET, NULL},
		{US, 0400, FILE_SECRET, NULL},
		{US, 0640, FILE_SECRET, "can be read by group 7"},
		{US, 0604, FILE_SECRET, "can be read by every user"},
		{US, 0620, FILE_SECRET, "can be changed by group 7"},
		{ROOT, 0640, FILE_SECRET, NULL},
		{ROOT, 0644, FILE_SECRET, "can be read by every user"},
		{ROOT, 0660, FILE_SECRET, "can be changed by group 7"},
		{OTHER, 0600, FILE_SECRET, "belongs to user 1001"},
		{US, 0644, FILE_RULES, NULL},
		{ROOT, 0644, FILE_RULES, NULL},
		{US, 0664, FILE_RULES, "can be changed by group 7"},
		{US, 0646, FILE_RULES, "can be changed by every user"},
		{OTHER, 0644, FILE_RULES, "belongs to user 1001"},
	};
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct stat st = {.st_uid = files[i].owner, .st_gid = 7, .st_mode = files[i].mode};
		const char *got = file_mode_problem(&st, US, files[i].use, &a);

		CHECK(!got == !files[i].says && (!got || strstr(got, files[i].says)));
	}
	arena_fini(&a);
}

/* However a line with a secret is wrong, the secret is not shown. */
static void
secrets_are_never_shown(void)
{
	static const char *const lines[] = {
		"target t\n login \"app\" password hunter2\n",
		"target t\n login \"app\" password \"hunter2\n",
		"target t\n login \"app\" password \"x\"hunter2\"\n",
		"target t\n login \"app\" password\n \"hunter2\"\n",
		"target t\n login \"app\" password \"hunter2\" 5\n",
		"target t\n login \"app\" passwrod \"hunter2\"\n",
		"target t\n login password \"hunter2\"\n",
		"target t\n login \"app\" password \"hunter2\\q\"\n",
		"principal p kind agent key hunter2\n",
		"principal p kind agent key \"hunter2\" extra\n",
		"principal p kindd agent key \"hunter2\"\n",
		"principal p key \"hunter2\"\nprincipal p key \"hunter2\"\n",
		"principal p kind agent key \"a\x01\" \"hunter2\"\n",
		"password hunter2\n",
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct loaded l;
		char text[512];

		snprintf(text, sizeof(text), "%s%s", head, lines[i]);
		load(&l, text, true);
		if (l.ok || says(&l, "hunter2")) {
			test_failures++;
			printf("# %s# %s\n", lines[i], (const char *) l.text.p);
		}
		unload(&l);
	}
}

static void
signers_are_keys(void)
{
	static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	char text[2048];
	struct loaded l;

	snprintf(text, sizeof(text), "policy \"p.img\" signed-by \"%s\", \"ff%s\"\n%s", key,
		 key + 2, issue_example);
	memcpy(strstr(text, "policy           "), "# ", 2); /* the example's own */
	load(&l, text, false);
	CHECK(l.ok);
	REQUIRE(l.c.n_signers == 2);
	CHECK_INT(l.c.signers[0][1], 0x11);
	CHECK_INT(l.c.signers[1][0], 0xff);
	unload(&l);
	for (int i = 0; i < 3; i++) {
		static const char *const bad[] = {"\"0011\"", "\"xyz\"", "release"};

		snprintf(text, sizeof(text), "policy \"p.img\" signed-by %s\n", bad[i]);
		load(&l, text, false);
		CHECK(!l.ok);
		CHECK(strstr((char *) l.text.p, "public key") != NULL);
		unload(&l);
	}
}

static void
pools(void)
{
	static const char *const texts[] = {
		TARGET "tls off\n", TARGET "pool none\n", TARGET "pool session\n",
		TARGET "pool session size 7 wait 2s idle 1m queue 0\ntarget u\n"
		       " address 127.0.0.1:5\n database d\n login \"a\"\n",
		TARGET "pool transaction size 50 max-prepared 9\n",
	};
	static const struct config_pool want[] = {
		{0}, {0}, {POOL_SESSION, 20, 10000, 30, 600, 200},
		{POOL_SESSION, 7, 0, 2, 60, 200},
		{POOL_TRANSACTION, 50, 10000, 30, 600, 9}};

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		const struct config_pool *p;
		struct loaded l;
		char text[1024];

		snprintf(text, sizeof(text), "%s%s", head, texts[i]);
		load(&l, text, true);
		REQUIRE(l.ok);
		p = &l.c.targets[0].pool;
		CHECK_INT(p->mode, want[i].mode);
		if (p->mode != POOL_NONE) {
			CHECK_INT(p->size, want[i].size);
			CHECK_INT(p->queue, want[i].queue);
			CHECK_INT(p->wait_seconds, want[i].wait_seconds);
			CHECK_INT(p->idle_seconds, want[i].idle_seconds);
			CHECK_INT(p->max_prepared, want[i].max_prepared);
		}
		unload(&l);
	}
	refused(TARGET "pool\n", "E0902", "`none`, `session` or `transaction`");
	refused(TARGET "pool some\n", "E0902", "`none`, `session` or `transaction`");
	refused(TARGET "pool session size 0\n", "E0902", "from 1 to 100000 after `size`");
	refused(TARGET "pool session size\n", "E0902", "from 1 to 100000 after `size`");
	refused(TARGET "pool session wait 5\n", "E0902", "after `wait`");
	refused(TARGET "pool session wait 1500ms\n", "E0902", "after `wait`");
	refused(TARGET "pool session sise 3\n", "E0902", "`size`, `queue`, `wait`");
	refused(TARGET "pool session size 3 size 4\n", "E0903", "`size` of `pool`");
	refused(TARGET "pool session\n pool none\n", "E0903", "`pool` of target 't'");
	refused(TARGET "pool none size 3\n", "E0905", "has no options");
	refused(TARGET "pool session max-prepared 3\n", "E0905", "is for `pool transaction`");
}

TEST_MAIN(TEST(the_example), TEST(channels), TEST(secrets_leave_the_text), TEST(refusals),
	  TEST(tls_off_loopback), TEST(tls_to_a_target_off_loopback), TEST(addresses),
	  TEST(passwords_from_outside), TEST(secrets_are_never_shown), TEST(signers_are_keys),
	  TEST(files_open_to_others), TEST(pools))
