/* SPDX-License-Identifier: MIT
 *
 * Reads the configuration: recursive descent over the policy language's tokens. There is no Lemon
 * grammar, because there is nothing to it but words followed by values; most mistakes are unknown
 * words, and here the reader knows which words were possible and can suggest one.
 *
 * Secrets: excerpts star them out (source.c), messages never quote what may be one, and before
 * config_load returns its copy of the text and the tokens are overwritten.
 */
#include "compiler/config_internal.h"

#include "base/buf.h"
#include "base/secret.h"
#include "compiler/file_mode.h"
#include "compiler/foreign.h"
#include "policy.h"

#include <stdlib.h>
#include <unistd.h>

static const struct token *
next(struct config_reader *r)
{
	const struct token *t = config_peek(r);

	if (t->code != TK_END)
		r->at++;
	return t;
}

static bool
is_word(const struct token *t, const char *word)
{
	return t->sym && strcmp(t->sym->s, word) == 0;
}

/* A value on the same line as its setting. */
static bool
take(struct config_reader *r, int code, const struct token **t, const char *what)
{
	if (config_peek(r)->code != code || config_peek(r)->line_start) {
		config_expected(r, what);
		return false;
	}
	*t = next(r);
	return true;
}

static bool
take_word(struct config_reader *r, const struct token **t, const char *what)
{
	if (!config_peek(r)->sym || config_peek(r)->line_start) {
		config_expected(r, what);
		return false;
	}
	*t = next(r);
	return true;
}

static bool
take_path(struct config_reader *r, const char **path)
{
	const struct token *t;

	if (!take(r, TK_STRING, &t, "a quoted path"))
		return false;
	if (t->string.n == 0 || memchr(t->string.p, '\0', t->string.n)) {
		diag(r->q, CONFIG_VALUE, t->at, "this path is empty");
		return false;
	}
	*path = config_path(r, t->string);
	return true;
}

/* True the first time a setting is seen. */
static bool
first_time(struct config_reader *r, struct span *before, struct span at, const char *what)
{
	if (!span_is_none(*before)) {
		diag_note(r->q, diag(r->q, CONFIG_TWICE, at, what), *before, "the first is here");
		return false;
	}
	*before = at;
	return true;
}

/* ---- Addresses ---- */

/* 0, which is no port, for anything but one to five digits. */
static int64_t
port_of(struct slice s)
{
	int64_t n = 0;

	if (s.n > 5)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		n = n * 10 + (s.p[i] - '0');
	}
	return n;
}

/* SYNTAX: ADDR:PORT, [IPV6]:PORT, HOST:PORT, "HOST:PORT" */
static bool
take_endpoint(struct config_reader *r, struct endpoint *e, struct span *at)
{
	static const char shape[] = "an address and port such as 127.0.0.1:5432, [::1]:5432 or "
				    "db.internal:5432";
	const struct token *t = config_peek(r), *port;
	struct slice host;

	if (t->line_start) {
		config_expected(r, shape);
		return false;
	}
	if (t->code == TK_STRING) {
		const uint8_t *colon = memrchr(t->string.p, ':', t->string.n);
		size_t n_host = colon ? (size_t) (colon - t->string.p) : 0;
		int64_t n = colon ? port_of(slice_of(colon + 1, t->string.n - n_host - 1)) : 0;

		next(r);
		*at = t->at;
		host = slice_of(t->string.p, n_host);
		if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
			host = slice_of(host.p + 1, host.n - 2);
		config_resolve(r, e, host, n, *at);
		return e->addr_len != 0;
	}
	if (t->code == TK_LBRACKET)
		next(r);
	host = source_text(r->q->sources, config_peek(r)->at);
	if (config_peek(r)->line_start ||
	    (!config_peek(r)->sym && config_peek(r)->code != TK_ADDRESS)) {
		config_expected(r, shape);
		return false;
	}
	next(r);
	if (t->code == TK_LBRACKET && next(r)->code != TK_RBRACKET) {
		r->at--;
		config_expected(r, shape);
		return false;
	}
	if (config_peek(r)->code != TK_COLON || r->tokens.v[r->at + 1].code != TK_INT) {
		config_expected(r, shape);
		return false;
	}
	next(r);
	port = next(r);
	*at = span_join(t->at, port->at);
	config_resolve(r, e, host, port->number, *at);
	return e->addr_len != 0;
}

/* ---- Top level ---- */

/* SYNTAX: listen postgres|admin ENDPOINT */
static void
read_listen(struct config_reader *r)
{
	const struct token *what;
	struct endpoint e = {0};
	struct span at;

	if (!take_word(r, &what, "`postgres` or `admin`"))
		return;
	if (!is_word(what, "postgres") && !is_word(what, "admin")) {
		r->at--;
		config_expected(r, "`postgres` or `admin`");
		return;
	}
	if (!take_endpoint(r, &e, &at))
		return;
	if (is_word(what, "postgres")) {
		if (first_time(r, &r->postgres_at, at, "`listen postgres`"))
			r->out->listen_postgres = e;
	} else if (first_time(r, &r->admin_at, at, "`listen admin`")) {
		r->out->listen_admin = e;
	}
}

/* SYNTAX: signed-by "KEY" {, "KEY"}, each the 64 hex digits that `weir build --key` prints */
static void
read_signers(struct config_reader *r)
{
	enum { SIGNERS_MAX = 16 };
	uint8_t(*keys)[ED25519_PUB_LEN] = arena_alloc(r->arena, SIGNERS_MAX * sizeof(*keys));
	size_t n = 0;

	do {
		struct buf key = {0};
		const struct token *t;
		bool good;

		next(r); /* signed-by, or the comma */
		if (!take(r, TK_STRING, &t, "a public key in quotes"))
			return;
		good = hex_get(&key, t->string) && key.n == ED25519_PUB_LEN && n < SIGNERS_MAX;
		if (good)
			memcpy(keys[n++], key.p, ED25519_PUB_LEN);
		else
			diag(r->q, CONFIG_VALUE, t->at,
			     n == SIGNERS_MAX ? "at most 16 keys"
					      : "a public key is 64 hex digits: those that `weir "
						"build --key` prints");
		buf_fini(&key);
	} while (config_peek(r)->code == TK_COMMA);
	r->out->signers = (const uint8_t(*)[ED25519_PUB_LEN]) keys;
	r->out->n_signers = n;
}

/* SYNTAX: policy "FILE" [signed-by "KEY" {, "KEY"}] */
static void
read_policy(struct config_reader *r)
{
	struct span at = config_peek(r)->at;

	if (!take_path(r, &r->out->policy_path))
		return;
	first_time(r, &r->policy_at, at, "`policy`");
	if (is_word(config_peek(r), "signed-by") && !config_peek(r)->line_start)
		read_signers(r);
}

static void
read_state(struct config_reader *r)
{
	struct span at = config_peek(r)->at;

	if (take_path(r, &r->out->state_path))
		first_time(r, &r->state_at, at, "`state`");
}

/* SYNTAX: tls off | tls cert "..." key "..." */
static void
read_tls(struct config_reader *r)
{
	const struct token *word;

	if (!take_word(r, &word, "`off` or `cert \"...\" key \"...\"`"))
		return;
	if (!first_time(r, &r->tls_at, word->at, "`tls`"))
		return;
	if (is_word(word, "off"))
		return;
	if (!is_word(word, "cert")) {
		r->at--;
		config_expected(r, "`off` or `cert \"...\" key \"...\"`");
		return;
	}
	if (!take_path(r, &r->out->tls_cert))
		return;
	if (!is_word(config_peek(r), "key")) {
		config_expected(r, "`key` and the path of the certificate's private key");
		r->out->tls_cert = NULL;
		return;
	}
	word = next(r);
	if (!take_path(r, &r->out->tls_key))
		r->out->tls_cert = NULL;
	else if (r->fetch_secrets)
		file_mode_look(r->q, r->out->tls_key, FILE_SECRET, word->at);
}

/* Every limit: its name, unit, bounds, default, member. */
static const struct {
	const char *name;
	int code;
	int64_t scale; /* of the token's number: durations are in ms */
	int64_t min, max, fallback;
	size_t offset;
	const char *what;
} limits[] = {
#define LIMIT(name, member, code, scale, min, max, fallback, what)                                \
	{name, code, scale, min, max, fallback, offsetof(struct config, member), what}
	LIMIT("workers", workers, TK_INT, 1, 1, 1024, 0, "a number from 1 to 1024"),
	LIMIT("connections", max_connections, TK_INT, 1, 1, 1000000, 10000,
	      "a number from 1 to 1000000"),
	LIMIT("message", max_message_bytes, TK_SIZE, 1, 64 << 10, 1 << 30, 16 << 20,
	      "a size from 64KiB to 1GiB"),
	LIMIT("login", login_seconds, TK_DURATION, 1000, 1, 600, 30, "a duration from 1s to 10m"),
	LIMIT("drain", drain_seconds, TK_DURATION, 1000, 1, 86400, 30, "a duration from 1s to 24h"),
	LIMIT("notice", notice_seconds, TK_DURATION, 1000, 1, 3600, 15, "a duration from 1s to 1h"),
	LIMIT("catalog", catalog_seconds, TK_DURATION, 1000, 1, 86400, 60,
	      "a duration from 1s to 24h"),
#undef LIMIT
};

static void
limit_store(struct config *c, size_t i, int64_t v)
{
	char *member = (char *) c + limits[i].offset;

	if (limits[i].offset == offsetof(struct config, max_message_bytes))
		*(size_t *) (void *) member = (size_t) v;
	else
		*(unsigned *) (void *) member = (unsigned) v;
}

/* SYNTAX: limit NAME VALUE */
static void
read_limit(struct config_reader *r)
{
	const char *names[COUNT_OF(limits)], *near;
	const struct token *name, *value;
	int64_t v;

	if (!take_word(r, &name, "the name of a limit"))
		return;
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		names[i] = limits[i].name;
		if (!is_word(name, limits[i].name))
			continue;
		value = config_peek(r);
		v = value->number / limits[i].scale;
		if (value->line_start || value->code != limits[i].code || v < limits[i].min ||
		    v > limits[i].max || value->number % limits[i].scale) {
			config_expected(r, limits[i].what);
			return;
		}
		next(r);
		if (r->limits_set & 1u << i)
			diag(r->q, CONFIG_TWICE, name->at,
			     arena_printf(r->arena, "`limit %s`", limits[i].name));
		r->limits_set |= 1u << i;
		limit_store(r->out, i, v);
		return;
	}
	near = diag_nearest(slice_str(name->sym->s), names, COUNT_OF(names));
	diag_note(r->q, diag(r->q, CONFIG_UNKNOWN, name->at, name->sym->s), SPAN_NONE,
		  near ? "did you mean `%s`?" : "limits: workers, connections, message, login, "
						"drain, notice, catalog%s",
		  near ? near : "");
	config_skip_line(r);
}

/* ---- Targets ---- */

/* A secret in quotes. Nothing about what stands there instead is told: it may be the secret. */
static bool
take_secret(struct config_reader *r, const char *after, const char **secret, struct span k)
{
	const struct token *t = config_peek(r);

	if (t->code != TK_STRING || t->line_start) {
		diag(r->q, CONFIG_EXPECTED, k,
		     arena_printf(r->arena, "a quoted string after `%s`, on the same line", after));
		if (t->code != TK_END)
			next(r);
		config_skip_line(r);
		return false;
	}
	next(r);
	if (t->string.n == 0 || memchr(t->string.p, '\0', t->string.n)) {
		diag(r->q, CONFIG_VALUE, t->at, "this secret is empty");
		return false;
	}
	*secret = arena_str(r->arena, t->string);
	r->holds_secrets = true;
	return true;
}

/* SYNTAX: login "NAME" [password "..." | password-file "..." | password-env NAME |
 * password-command "..."] */
static void
read_login(struct config_reader *r, struct config_target *t)
{
	const struct token *s, *how;
	const char *path;

	if (!take(r, TK_STRING, &s, "a quoted login name"))
		return;
	t->login = arena_str(r->arena, s->string);
	if (config_peek(r)->line_start || config_peek(r)->code == TK_END)
		return;
	how = next(r);
	if (is_word(how, "password")) {
		take_secret(r, "password", &t->password, how->at);
	} else if (is_word(how, "password-file")) {
		if (!take_path(r, &path))
			return;
		t->password_from = PASSWORD_FILE;
		t->password_at = path;
		if (r->fetch_secrets)
			t->password = config_secret_file(r, path, how->at);
	} else if (is_word(how, "password-env")) {
		if (config_peek(r)->code == TK_STRING && !config_peek(r)->line_start)
			path = (const char *) next(r)->string.p;
		else if (take_word(r, &s, "the name of an environment variable"))
			path = s->sym->s;
		else
			return;
		if (r->fetch_secrets)
			t->password = config_secret_env(r, path, how->at);
	} else if (is_word(how, "password-command")) {
		if (!take(r, TK_STRING, &s, "a quoted command"))
			return;
		t->password_from = PASSWORD_COMMAND;
		t->password_at = arena_str(r->arena, s->string);
		if (r->fetch_secrets)
			t->password = config_secret_command(r, t->password_at, how->at);
	} else {
		r->at--;
		config_expected(r, "`password`, `password-file`, `password-env` or `password-command`");
	}
}

/* SYNTAX: tls off | prefer | require | verify-full [ca "..."] */
static void
read_target_tls(struct config_reader *r, struct target_node *n)
{
	static const struct {
		const char *word;
		enum tls_mode mode;
	} modes[] = {{"off", TLS_OFF},
		     {"prefer", TLS_PREFER},
		     {"require", TLS_REQUIRE},
		     {"verify-full", TLS_VERIFY_FULL}};
	static const char what[] = "`off`, `prefer`, `require` or `verify-full`";
	const struct token *word;
	bool known = false;

	if (!take_word(r, &word, what))
		return;
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (is_word(word, modes[i].word)) {
			n->target.tls = modes[i].mode;
			known = true;
		}
	n->tls_at = word->at;
	n->has_tls = true;
	if (!known) {
		r->at--;
		config_expected(r, what);
		return;
	}
	if (config_peek(r)->line_start || !is_word(config_peek(r), "ca"))
		return;
	word = next(r);
	if (n->target.tls != TLS_VERIFY_FULL)
		diag(r->q, CONFIG_VALUE, word->at, "`ca` is used by `tls verify-full` only");
	take_path(r, &n->target.ca_file);
}

static const char *const target_words[] = {"protocol", "address", "database", "login", "tls",
					   "pool"};
static const char *const top_words[] = {"listen", "policy",    "state",   "tls",      "target",
					"limit",  "principal", "channel", "retention"};

static bool
in_words(const struct token *t, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_word(t, words[i]))
			return true;
	return false;
}

static void
unknown_setting(struct config_reader *r, const struct token *t, const char *const *words, size_t n)
{
	struct diag *d;
	const char *near;

	/* What an excerpt would star out is not named either. */
	if (!t->sym || !slice_is(source_text(r->q->sources, t->at), t->sym->s)) {
		diag(r->q, CONFIG_EXPECTED, t->at, "a setting");
		config_skip_line(r);
		return;
	}
	near = diag_nearest(slice_str(t->sym->s), words, n);
	d = diag(r->q, CONFIG_UNKNOWN, t->at, t->sym->s);
	if (near)
		diag_note(r->q, d, SPAN_NONE, "did you mean `%s`?", near);
	config_skip_line(r);
}

/* `tls` means the target's in a target block, which ends at the first word that is no setting of
 * a target; so the gateway's own `tls` comes before the first target. */
static void
read_target(struct config_reader *r)
{
	struct target_node *n = ARENA_NEW(r->arena, struct target_node);
	struct span set[COUNT_OF(target_words)];
	const struct token *t;
	struct span at;

	for (size_t i = 0; i < COUNT_OF(set); i++)
		set[i] = SPAN_NONE;
	if (!take_word(r, &t, "the target's name"))
		return;
	n->target.name = t->sym->s;
	n->target.pool = config_pool_default;
	n->at = t->at;
	*r->targets_end = n;
	r->targets_end = &n->next;
	while (config_peek(r)->code != TK_END) {
		t = config_peek(r);
		if (t->line_start && !in_words(t, target_words, COUNT_OF(target_words))) {
			if (!t->sym || in_words(t, top_words, COUNT_OF(top_words)) ||
			    !diag_nearest(slice_str(t->sym->s), target_words,
					  COUNT_OF(target_words)))
				return;
			next(r);
			unknown_setting(r, t, target_words, COUNT_OF(target_words));
			continue;
		}
		next(r);
		for (size_t i = 0; i < COUNT_OF(target_words); i++)
			if (is_word(t, target_words[i]))
				first_time(r, &set[i], t->at,
					   arena_printf(r->arena, "`%s` of target '%s'",
							t->sym->s, n->target.name));
		if (is_word(t, "protocol")) {
			if (!take_word(r, &t, "`postgres`"))
				continue;
			if (!is_word(t, "postgres")) {
				r->at--;
				config_expected(r, "`postgres`: other protocols are not supported yet");
			}
		} else if (is_word(t, "address")) {
			take_endpoint(r, &n->target.address, &at);
		} else if (is_word(t, "database")) {
			if (config_peek(r)->code == TK_STRING && !config_peek(r)->line_start)
				n->target.database = arena_str(r->arena, next(r)->string);
			else if (take_word(r, &t, "the database's name"))
				n->target.database = t->sym->s;
		} else if (is_word(t, "login")) {
			read_login(r, &n->target);
		} else if (is_word(t, "tls")) {
			read_target_tls(r, n);
		} else if (is_word(t, "pool")) {
			config_read_pool(r, &n->target.pool);
		} else {
			unknown_setting(r, t, target_words, COUNT_OF(target_words));
		}
	}
}

/* ---- Principals ---- */

static int
compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static void
read_groups(struct config_reader *r, struct config_principal *p)
{
	struct slice *groups = NULL;
	size_t n = 0, cap = 0;
	const struct token *t;

	do {
		if (config_peek(r)->code == TK_STRING && !config_peek(r)->line_start)
			t = next(r);
		else if (!take_word(r, &t, "a group's name"))
			break;
		if (n == cap) {
			struct slice *more = ARENA_ARRAY(r->arena, struct slice, cap * 2 + 4);

			if (n)
				memcpy(more, groups, n * sizeof(*more));
			groups = more;
			cap = cap * 2 + 4;
		}
		groups[n++] = t->code == TK_STRING ? arena_copy(r->arena, t->string)
						   : slice_str(t->sym->s);
	} while (config_peek(r)->code == TK_COMMA && next(r));
	if (n)
		qsort(groups, n, sizeof(*groups), compare_slices);
	for (size_t i = 1; i < n; i++)
		if (slice_eq(groups[i - 1], groups[i]))
			diag(r->q, CONFIG_TWICE, t->at,
			     arena_printf(r->arena, "group '%.*s' of '%s'", SLICE_ARG(groups[i]),
					  p->name));
	p->groups = groups;
	p->n_groups = n;
}

static void
read_kind(struct config_reader *r, struct config_principal *p)
{
	static const char *const kinds[] = {"human", "service", "agent"};
	const struct token *t;

	if (!take_word(r, &t, "`human`, `service` or `agent`"))
		return;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (is_word(t, kinds[i])) {
			p->kind = (enum principal_kind) i;
			return;
		}
	r->at--;
	config_expected(r, "`human`, `service` or `agent`");
}

/* SYNTAX: principal NAME kind KIND [groups A, B] [key "..."] */
static void
read_principal(struct config_reader *r)
{
	static const char *const words[] = {"kind", "groups", "key"};
	struct principal_node *n = ARENA_NEW(r->arena, struct principal_node);
	struct span set[COUNT_OF(words)] = {SPAN_NONE, SPAN_NONE, SPAN_NONE};
	unsigned errors = r->q->n_errors;
	const struct token *t;

	if (config_peek(r)->code == TK_STRING && !config_peek(r)->line_start) {
		t = next(r);
		n->principal.name = arena_str(r->arena, t->string);
	} else {
		if (!take_word(r, &t, "the principal's name"))
			return;
		n->principal.name = t->sym->s;
	}
	n->at = t->at;
	*r->principals_end = n;
	r->principals_end = &n->next;
	while (config_peek(r)->code != TK_END &&
	       (!config_peek(r)->line_start || in_words(config_peek(r), words, COUNT_OF(words)))) {
		t = next(r);
		for (size_t i = 0; i < COUNT_OF(words); i++)
			if (is_word(t, words[i]))
				first_time(r, &set[i], t->at,
					   arena_printf(r->arena, "`%s` of '%s'", words[i],
							n->principal.name));
		if (is_word(t, "kind"))
			read_kind(r, &n->principal);
		else if (is_word(t, "groups"))
			read_groups(r, &n->principal);
		else if (is_word(t, "key"))
			take_secret(r, "key", &n->principal.key, t->at);
		else
			unknown_setting(r, t, words, COUNT_OF(words));
	}
	if (span_is_none(set[0]) && r->q->n_errors == errors)
		diag(r->q, CONFIG_MISSING, n->at,
		     arena_printf(r->arena, "principal '%s' has no `kind`: human, service or agent",
				  n->principal.name));
}

/* ---- The file ---- */

static void
read_file(struct config_reader *r)
{
	static void (*const readers[])(struct config_reader *) = {
		read_listen, read_policy, read_state,	  read_tls,
		read_target, read_limit,  read_principal, config_read_channel,
		config_read_retention,
	};

	static_assert(COUNT_OF(readers) == COUNT_OF(top_words), "one reader per word");
	while (config_peek(r)->code != TK_END) {
		const struct token *t = next(r);
		size_t i;

		for (i = 0; i < COUNT_OF(top_words); i++)
			if (t->line_start && is_word(t, top_words[i]))
				break;
		if (i == COUNT_OF(top_words)) {
			unknown_setting(r, t, top_words, COUNT_OF(top_words));
			continue;
		}
		readers[i](r);
		if (config_peek(r)->code != TK_END && !config_peek(r)->line_start) {
			diag(r->q, CONFIG_EXPECTED, config_peek(r)->at, "the end of the line");
			config_skip_line(r);
		}
	}
}

/* Stars out the text's secrets for good, line by line, and wipes the decoded strings. */
static void
wipe_text(struct config_reader *r)
{
	struct source *f = &r->q->sources->files[r->file];

	for (uint32_t line = 1; line == 1 || line <= f->n_lines; line++) {
		struct slice shown = source_line(r->q->sources, r->file, line);

		memcpy((uint8_t *) (uintptr_t) f->text.p + f->lines[line - 1], shown.p, shown.n);
	}
	for (size_t i = 0; i < r->tokens.n; i++)
		if (r->tokens.v[i].code == TK_STRING)
			secret_wipe((void *) (uintptr_t) r->tokens.v[i].string.p,
				    r->tokens.v[i].string.n);
}

static void
drop_comments(struct tokens *ts)
{
	size_t n = 0;
	bool line_start = false;

	for (size_t i = 0; i < ts->n; i++) {
		line_start = line_start || ts->v[i].line_start;
		if (ts->v[i].code == TK_COMMENT)
			continue;
		ts->v[n] = ts->v[i];
		ts->v[n++].line_start = line_start;
		line_start = false;
	}
	ts->n = n;
}

static const char *
folder_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *cwd;
	const char *folder;

	if (slash && *path == '/')
		return arena_str(arena, slice_of(path, (size_t) (slash - path)));
	cwd = getcwd(NULL, 0);
	folder = arena_printf(arena, "%s%s%.*s", cwd ? cwd : "", slash ? "/" : "",
			      slash ? (int) (slash - path) : 0, path);
	free(cwd);
	return folder;
}

bool
config_load_text(const char *path, struct slice text, bool fetch_secrets, struct arena *arena,
		 struct config *out, struct diag_queue *q)
{
	struct config_reader r = {
		.q = q, .arena = arena, .fetch_secrets = fetch_secrets, .out = out, .stop_fd = -1,
		.postgres_at = SPAN_NONE, .admin_at = SPAN_NONE, .policy_at = SPAN_NONE,
		.state_at = SPAN_NONE, .tls_at = SPAN_NONE, .retention_at = SPAN_NONE,
	};
	unsigned errors = q->n_errors;
	const char *foreign;

	*out = (struct config){0};
	if (text.n > SOURCE_MAX_BYTES) {
		diag_too_large(q, SPAN_NONE, path, text.n);
		return false;
	}
	foreign = foreign_config(text, top_words, COUNT_OF(top_words));
	if (foreign) {
		diag(q, NOT_A_CONFIG, SPAN_NONE, path, foreign);
		return false;
	}
	for (size_t i = 0; i < COUNT_OF(limits); i++)
		limit_store(out, i, limits[i].fallback);
	r.targets_end = &r.targets;
	r.principals_end = &r.principals;
	r.channels_end = &r.channels;
	r.folder = folder_of(arena, path);
	interner_init(&r.names, arena);
	r.file = sources_add(q->sources, path, text, SPAN_NONE);
	q->sources->files[r.file].holds_secrets = true;
	lex(q, &r.names, r.file, &r.tokens);
	drop_comments(&r.tokens);
	read_file(&r);
	config_check(&r);
	if (fetch_secrets)
		file_mode_look(q, path, r.holds_secrets ? FILE_SECRET : FILE_RULES, SPAN_NONE);
	wipe_text(&r);
	if (q->n_errors == errors)
		return true;
	config_wipe(out);
	return false;
}

bool
config_load(const char *path, struct arena *arena, struct config *out, struct diag_queue *q)
{
	const char *error;
	struct slice text;
	bool ok;

	*out = (struct config){0};
	if (!source_read(arena, path, &text, &error)) {
		diag(q, FILE_UNREADABLE, SPAN_NONE, path, error);
		return false;
	}
	ok = config_load_text(path, text, true, arena, out, q);
	secret_wipe((void *) (uintptr_t) text.p, text.n);
	return ok;
}
