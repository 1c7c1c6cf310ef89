/* SPDX-License-Identifier: MIT
 *
 * Channels of the configuration:
 *
 *   channel oncall webhook "https://hooks.example/weir" secret-file "oncall.secret"
 *   channel siem syslog "tls://logs.example:6514"
 *   channel journal log
 */
#include "compiler/config_internal.h"

#include "policy.h"

enum word { WEBHOOK, SYSLOG, LOG, CA, SECRET, SECRET_FILE, SECRET_ENV, SECRET_COMMAND, WORDS };
static const char *const words[WORDS] = {"webhook", "syslog",	   "log",	 "ca",
					 "secret",  "secret-file", "secret-env", "secret-command"};

static int
word_of(const struct token *t)
{
	for (int i = 0; i < WORDS; i++)
		if (t->sym && strcmp(t->sym->s, words[i]) == 0)
			return i;
	return WORDS;
}

/* What is left of an address behind its scheme. NULL: it has another. */
static const char *
behind(const char *url, const char *scheme)
{
	size_t n = strlen(scheme);

	return strncmp(url, scheme, n) == 0 && url[n] ? url + n : NULL;
}

/* http://localhost:x@elsewhere/ is elsewhere. */
static bool
is_here(const char *rest)
{
	static const char *const here[] = {"127.0.0.1", "localhost", "[::1]"};

	for (size_t i = 0; rest && i < COUNT_OF(here); i++) {
		size_t n = strlen(here[i]);

		if (strncmp(rest, here[i], n) == 0 && !strchr(rest, '@') &&
		    (!rest[n] || rest[n] == ':' || rest[n] == '/'))
			return true;
	}
	return false;
}

/* Printable characters without blanks. */
static bool
is_one_word(const char *url)
{
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p == 0x7f || *p == '\\')
			return false;
	return true;
}

/* It may hold a secret of its own, so no message quotes it. */
static void
check_address(struct config_reader *r, const struct config_channel *c, struct span at)
{
	const char *url = c->url;

	if (c->kind == CHANNEL_WEBHOOK &&
	    !(is_one_word(url) && (behind(url, "https://") || is_here(behind(url, "http://")))))
		diag(r->q, CONFIG_VALUE, at,
		     "a webhook is an address that begins with https://, or with "
		     "http://127.0.0.1: notices name people and tables");
	if (c->kind == CHANNEL_SYSLOG &&
	    !(is_one_word(url) &&
	      (url[0] == '/' || behind(url, "tls://") || is_here(behind(url, "udp://")) ||
	       is_here(behind(url, "tcp://")))))
		diag(r->q, CONFIG_VALUE, at,
		     "a syslog is the path of a socket, tls://HOST:PORT, or udp:// or tcp:// to "
		     "127.0.0.1: notices name people and tables");
}

static void
store(struct config_reader *r, struct config_channel *c, int word, const struct token *value)
{
	const char *text = arena_str(r->arena, value->string);

	switch (word) {
	case WEBHOOK:
	case SYSLOG:
		c->kind = word == WEBHOOK ? CHANNEL_WEBHOOK : CHANNEL_SYSLOG;
		c->url = text;
		r->holds_secrets = r->holds_secrets || word == WEBHOOK;
		check_address(r, c, value->at);
		break;
	case CA:
		c->ca_file = config_path(r, value->string);
		break;
	case SECRET:
		c->secret = text;
		r->holds_secrets = true;
		break;
	case SECRET_FILE:
		if (r->fetch_secrets)
			c->secret = config_secret_file(r, config_path(r, value->string),
						       value->at);
		break;
	case SECRET_ENV:
		if (r->fetch_secrets)
			c->secret = config_secret_env(r, text, value->at);
		break;
	default:
		if (r->fetch_secrets)
			c->secret = config_secret_command(r, text, value->at);
	}
}

/* set: the words that it has. */
static void
check(struct config_reader *r, const struct channel_node *n, unsigned set)
{
	const struct config_channel *c = &n->channel;

	for (const struct channel_node *o = r->channels; o != n; o = o->next)
		if (strcmp(o->channel.name, n->channel.name) == 0)
			diag_note(r->q,
				  diag(r->q, CONFIG_TWICE, n->at,
				       arena_printf(r->arena, "channel '%s'", n->channel.name)),
				  o->at, "the first is here");
	if (!(set & 1u << WEBHOOK))
		diag(r->q, CONFIG_MISSING, n->at,
		     arena_printf(r->arena, "channel '%s' has no `webhook`, `syslog` or `log`",
				  c->name));
	if (set & 1u << SECRET && c->kind != CHANNEL_WEBHOOK)
		diag(r->q, CONFIG_VALUE, n->at, "only what goes to a webhook is signed with a secret");
	if (c->ca_file && c->kind != CHANNEL_WEBHOOK && !(c->url && behind(c->url, "tls://")))
		diag(r->q, CONFIG_VALUE, n->at, "`ca` is for https:// and tls:// only");
}

/* `log` has no value, and a syslog need not have one. */
static bool
stands_alone(struct config_reader *r, struct config_channel *c, int word)
{
	const struct token *next = &r->tokens.v[r->at];

	if (word == LOG) {
		c->kind = CHANNEL_LOG;
	} else if (word == SYSLOG && (next->code != TK_STRING || next->line_start)) {
		c->kind = CHANNEL_SYSLOG;
		/* In the arena like all others, which are wiped. */
		c->url = arena_str(r->arena, SLICE_LIT("/dev/log"));
	} else {
		return false;
	}
	return true;
}

/* The value behind a word. NULL: reported. */
static const struct token *
value_of(struct config_reader *r, const struct token *word)
{
	const struct token *value = &r->tokens.v[r->at];

	if (value->code == TK_STRING && !value->line_start && value->string.n &&
	    !memchr(value->string.p, '\0', value->string.n)) {
		r->at++;
		return value;
	}
	diag(r->q, CONFIG_EXPECTED, word->at,
	     arena_printf(r->arena, "a quoted string after `%s`, on the same line", word->sym->s));
	if (value->code != TK_END)
		r->at++;
	config_skip_line(r);
	return NULL;
}

/* SYNTAX: channel NAME webhook "URL" [ca "FILE"] [secret "..." | secret-file "..." |
 * secret-env "..." | secret-command "..."], channel NAME syslog ["ADDRESS"] [ca "FILE"],
 * channel NAME log */
void
config_read_channel(struct config_reader *r)
{
	const struct token *t = &r->tokens.v[r->at], *value;
	struct channel_node *n;
	unsigned set = 0, errors = r->q->n_errors;

	if (!t->sym || t->line_start) {
		config_expected(r, "the channel's name");
		return;
	}
	r->at++;
	n = ARENA_NEW(r->arena, struct channel_node);
	n->channel.name = t->sym->s;
	n->at = t->at;
	for (;;) {
		int word = word_of(t = &r->tokens.v[r->at]);
		/* The ways to name the secret are one setting, and so is where it goes. */
		unsigned bit = 1u << (word <= LOG ? WEBHOOK : word < SECRET ? word : SECRET);

		if (t->code == TK_END || (word == WORDS && t->line_start))
			break;
		r->at++;
		if (word == WORDS) {
			diag(r->q, CONFIG_EXPECTED, t->at, "`webhook`, `syslog`, `log`, `ca` or `secret-file`");
			config_skip_line(r);
			continue;
		}
		if (set & bit)
			diag(r->q, CONFIG_TWICE, t->at,
			     arena_printf(r->arena, "`%s` of channel '%s'", t->sym->s,
					  n->channel.name));
		set |= bit;
		if (stands_alone(r, &n->channel, word))
			continue;
		value = value_of(r, t);
		if (value)
			store(r, &n->channel, word, value);
	}
	*r->channels_end = n;
	r->channels_end = &n->next;
	if (r->q->n_errors == errors)
		check(r, n, set);
}

void
config_collect_channels(struct config_reader *r)
{
	struct config_channel *v;
	size_t n = 0;

	for (const struct channel_node *c = r->channels; c; c = c->next)
		n++;
	v = ARENA_ARRAY(r->arena, struct config_channel, n + 1);
	n = 0;
	for (const struct channel_node *c = r->channels; c; c = c->next)
		v[n++] = c->channel;
	r->out->channels = v;
	r->out->n_channels = n;
}
