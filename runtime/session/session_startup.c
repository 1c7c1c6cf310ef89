/* SPDX-License-Identifier: MIT
 *
 * What the client's startup packet sets. It is taken apart into names and values, `options` with
 * it; each must be something the policy would let a SET do, and the server's packet is built anew
 * from them. What is not understood refuses the connection.
 */
#include "session/session_login.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static char *
dup_slice(struct slice v)
{
	char *p = malloc(v.n + 1);

	assert(p != NULL);
	if (v.n)
		memcpy(p, v.p, v.n);
	p[v.n] = 0;
	return p;
}

/* Keys of the packet that are no settings: from `options` they would become something else. */
static bool
is_reserved(struct slice name)
{
	static const char *const reserved[] = {"user", "database", "options", "replication"};

	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		if (settings_same_name(name, slice_str(reserved[i])))
			return true;
	return name.n >= 5 && settings_same_name(slice_of(name.p, 5), SLICE_LIT("_pq_."));
}

static bool
refuse(struct session *s, struct slice name, const char *what)
{
	char message[200];

	snprintf(message, sizeof(message), "startup parameter \"%.*s\" %s",
		 (int) (name.n > 64 ? 64 : name.n), (const char *) name.p, what);
	session_fatal(s, "0A000", "WEIR-STARTUP-PARAMETER", message,
		      "leave it out of the connection string, PGOPTIONS or the driver's settings");
	return false;
}

static bool
take_setting(struct session *s, struct slice name, struct slice value)
{
	struct login *l = s->login;

	for (size_t i = 0; i < l->n_params; i++)
		if (settings_same_name(l->params[i].name, name))
			return refuse(s, name, "is given twice");
	if (settings_same_name(name, SLICE_LIT("client_encoding")) &&
	    setting_blinds(SLICE_LIT("client_encoding"), value)) {
		session_fatal(s, "0A000", "WEIR-ENCODING",
			      "the gateway only speaks UTF8 or SQL_ASCII to clients",
			      "set client_encoding (PGCLIENTENCODING) to UTF8");
		return false;
	}
	if (l->n_params == LOGIN_PARAMS)
		return refuse(s, name, "is one too many");
	l->params[l->n_params++] = (struct pg_param){slice_of(dup_slice(name), name.n),
						     slice_of(dup_slice(value), value.n)};
	/* Valid until the login ends; the gate keeps a copy. */
	if (settings_same_name(name, SLICE_LIT("application_name")))
		s->client_facts.application = l->params[l->n_params - 1].value;
	if (settings_same_name(name, SLICE_LIT("weir.approval"))) {
		enum approval_mode mode = setting_approval(value);

		s->approval_async = s->starts_async = mode == APPROVAL_MODE_ASYNC;
		/* Who misspells it would wait for people without having meant to. */
		if (mode == APPROVAL_MODE_UNSET)
			return refuse(s, name, "is async or wait, nothing else");
	}
	return true;
}

static bool
take_options(struct session *s, struct slice text)
{
	struct pg_param found[LOGIN_PARAMS];
	uint8_t *scratch = malloc(text.n + 1);
	bool ok;
	size_t n;

	assert(scratch != NULL);
	ok = pg_read_options(text, scratch, found, COUNT_OF(found), &n) ||
	     refuse(s, SLICE_LIT("options"), "holds more than settings (-c name=value)");
	for (size_t i = 0; ok && i < n; i++)
		ok = is_reserved(found[i].name)
			     ? refuse(s, found[i].name, "is not a setting")
			     : take_setting(s, found[i].name, found[i].value);
	free(scratch);
	return ok;
}

bool
startup_take(struct session *s, const struct pg_startup *st)
{
	s->login->user = dup_slice(st->user);
	s->login->database = dup_slice(st->database);
	for (size_t i = 0; i < st->n_params; i++) {
		struct slice name = st->params[i].name, value = st->params[i].value;

		if (slice_is(name, "options")) {
			if (!take_options(s, value))
				return false;
		} else if (!is_reserved(name)) {
			if (!take_setting(s, name, value))
				return false;
		} else if (!slice_is(name, "user") && !slice_is(name, "database") &&
			   !settings_same_name(name, SLICE_LIT("replication")) &&
			   memcmp(name.p, "_pq_.", 5) != 0) {
			return refuse(s, name, "is not one the gateway knows");
		}
	}
	return true;
}

/* Every client sends these, and they change nothing that is enforced. */
static bool
needs_no_word(struct slice name)
{
	return settings_same_name(name, SLICE_LIT("application_name")) ||
	       settings_same_name(name, SLICE_LIT("client_encoding"));
}

/* SET "name" = 'value' */
static void
put_set(struct buf *b, const struct pg_param *p)
{
	buf_puts(b, "set \"");
	buf_put_slice(b, p->name);
	buf_puts(b, "\" = '");
	for (size_t i = 0; i < p->value.n; i++) {
		if (p->value.p[i] == '\'')
			buf_putc(b, '\'');
		buf_putc(b, p->value.p[i]);
	}
	buf_puts(b, "'");
	buf_putc(b, 0);
}

static void
denied(struct session *s, const struct pg_param *p, struct gate_verdict *v)
{
	struct gate_refusal *why = &v->refusal;
	struct audit_id record;

	if (v->verdict == VERDICT_HOLD)
		*why = (struct gate_refusal){.code = "WEIR-HOLD-STARTUP",
					    .message = "it needs an approval, which a startup packet "
						       "cannot wait for",
					    .hint = "SET it after connecting"};
	why->message = arena_printf(&s->env->arena, "startup parameter \"%.*s\": %s",
				    SLICE_ARG(p->name), why->message);
	s->env->counters.denied++;
	v->verdict = VERDICT_DENY;
	if (!record_connect(s, v, why->message, (struct audit_id){{0}}, &record))
		log_warn("a refused connection is not on record: the audit log takes no records");
	session_refuse(s, why);
}

bool
startup_judge(struct session *s)
{
	struct login *l = s->login;
	struct buf *b = &s->env->record;

	for (size_t i = 0; i < l->n_params; i++) {
		struct gate_ask ask = {.tx = 'I',
				       .now_wall_ns = s->host->now_wall(s->host_ctx),
				       .ctx = s,
				       .arena = &s->env->arena};
		struct gate_verdict v;

		if (needs_no_word(l->params[i].name))
			continue;
		arena_reset(&s->env->arena);
		buf_reset(b);
		put_set(b, &l->params[i]);
		assert(!b->failed);
		ask.facts = gate_facts(s->env->gate, slice_of(b->p, b->n - 1));
		gate_decide(s->env->gate, s->gate, &ask, &v);
		buf_reset(b);
		if (v.verdict == VERDICT_ALLOW)
			continue;
		denied(s, &l->params[i], &v);
		return false;
	}
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return slice_cmp(((const struct pg_param *) a)->name, ((const struct pg_param *) b)->name);
}

void
startup_text(const struct session *s, struct buf *out)
{
	const struct login *l = s->login;
	const struct config_target *t = gate_target(s->gate);
	struct pg_param all[LOGIN_PARAMS];
	size_t n = 0;

	settings_set(out, SLICE_LIT("user"), slice_str(t->login));
	settings_set(out, SLICE_LIT("database"), slice_str(t->database));
	settings_set(out, SLICE_LIT("client_encoding"), SLICE_LIT("UTF8"));
	for (size_t i = 0; i < l->n_params; i++)
		if (!settings_same_name(l->params[i].name, SLICE_LIT("application_name")))
			all[n++] = l->params[i];
	if (n)
		qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 0; i < n; i++)
		settings_set(out, all[i].name, all[i].value);
}

void
startup_send(struct session *s)
{
	struct login *l = s->login;
	const struct config_target *t = gate_target(s->gate);
	struct pg_param all[LOGIN_PARAMS + 3];
	bool encoding = false;
	size_t n = 0;

	all[n++] = (struct pg_param){SLICE_LIT("user"), slice_str(t->login)};
	all[n++] = (struct pg_param){SLICE_LIT("database"), slice_str(t->database)};
	for (size_t i = 0; i < l->n_params; i++) {
		encoding = encoding ||
			   settings_same_name(l->params[i].name, SLICE_LIT("client_encoding"));
		all[n++] = l->params[i];
	}
	if (!encoding)
		all[n++] = (struct pg_param){SLICE_LIT("client_encoding"), SLICE_LIT("UTF8")};
	l->server.minor = l->minor;
	pg_put_startup(&s->env->scratch, l->minor, all, n);
	session_emit(s, SERVER, &s->env->scratch);
	s->phase = SESSION_SERVER_LOGIN;
}
