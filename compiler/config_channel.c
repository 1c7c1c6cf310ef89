/* SPDX-License-Identifier: MIT
 *
 * Channels of the configuration:
 *
 *   channel oncall webhook "https://hooks.example/weir" secret-file "oncall.secret"
 */
#include "compiler/config_internal.h"

#include "policy.h"

enum word { WEBHOOK, CA, SECRET, SECRET_FILE, SECRET_ENV, SECRET_COMMAND, WORDS };
static const char *const words[WORDS] = {"webhook",	"ca",	      "secret",
					 "secret-file", "secret-env", "secret-command"};

static int
word_of(const struct token *t)
{
	for (int i = 0; i < WORDS; i++)
		if (t->sym && strcmp(t->sym->s, words[i]) == 0)
			return i;
	return WORDS;
}

static void
skip_line(struct config_reader *r)
{
	const struct token *v = r->tokens.v;

	while (v[r->at].code != TK_END && !v[r->at].line_start)
		r->at++;
}

/* It may hold a secret of its own, so no message quotes it. */
static bool
url_fits(const char *url)
{
	static const char *const here[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};

	if (strncmp(url, "https://", 8) == 0 && url[8])
		return true;
	for (size_t i = 0; i < COUNT_OF(here); i++) {
		size_t n = strlen(here[i]);

		/* http://localhost:x@elsewhere/ is elsewhere. */
		if (strncmp(url, here[i], n) == 0 && !strchr(url, '@') &&
		    (!url[n] || url[n] == ':' || url[n] == '/'))
			return true;
	}
	return false;
}

static void
store(struct config_reader *r, struct config_channel *c, int word, const struct token *value)
{
	const char *text = arena_str(r->arena, value->string);

	switch (word) {
	case WEBHOOK:
		c->url = text;
		if (!url_fits(text))
			diag(r->q, CONFIG_VALUE, value->at,
			     "a webhook is an address that begins with https://, or with "
			     "http://127.0.0.1: notices name people and tables");
		break;
	case CA:
		c->ca_file = config_path(r, value->string);
		break;
	case SECRET:
		c->secret = text;
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

static void
check(struct config_reader *r, const struct channel_node *n)
{
	for (const struct channel_node *o = r->channels; o != n; o = o->next)
		if (strcmp(o->channel.name, n->channel.name) == 0)
			diag_note(r->q,
				  diag(r->q, CONFIG_TWICE, n->at,
				       arena_printf(r->arena, "channel '%s'", n->channel.name)),
				  o->at, "the first is here");
	if (!n->channel.url)
		diag(r->q, CONFIG_MISSING, n->at,
		     arena_printf(r->arena, "channel '%s' has no `webhook`", n->channel.name));
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
	skip_line(r);
	return NULL;
}

/* SYNTAX: channel NAME webhook "URL" [ca "FILE"] [secret "..." | secret-file "..." |
 * secret-env "..." | secret-command "..."] */
void
config_read_channel(struct config_reader *r)
{
	const struct token *t = &r->tokens.v[r->at], *value;
	struct channel_node *n;
	unsigned set = 0, errors = r->q->n_errors;

	if (!t->sym || t->line_start) {
		diag(r->q, CONFIG_EXPECTED, t->at, "the channel's name");
		skip_line(r);
		return;
	}
	r->at++;
	n = ARENA_NEW(r->arena, struct channel_node);
	n->channel.name = t->sym->s;
	n->at = t->at;
	for (;;) {
		int word = word_of(t = &r->tokens.v[r->at]);
		/* The ways to name the secret are one setting. */
		unsigned bit = 1u << (word < SECRET ? word : SECRET);

		if (t->code == TK_END || (word == WORDS && t->line_start))
			break;
		r->at++;
		if (word == WORDS) {
			diag(r->q, CONFIG_EXPECTED, t->at, "`webhook`, `ca` or `secret-file`");
			skip_line(r);
			continue;
		}
		if (set & bit)
			diag(r->q, CONFIG_TWICE, t->at,
			     arena_printf(r->arena, "`%s` of channel '%s'", t->sym->s,
					  n->channel.name));
		set |= bit;
		value = value_of(r, t);
		if (value)
			store(r, &n->channel, word, value);
	}
	*r->channels_end = n;
	r->channels_end = &n->next;
	if (r->q->n_errors == errors)
		check(r, n);
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
