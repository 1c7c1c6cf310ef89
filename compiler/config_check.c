/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a configuration as a whole: pieces missing, names twice, traffic in the clear.
 */
#include "compiler/config_internal.h"

#include <netdb.h>
#include <stdio.h>

enum { ADDRESSES_MAX = 7 }; /* of a name, besides the first */

const char *
config_path(struct config_reader *r, struct slice path)
{
	if (path.n && path.p[0] == '/')
		return arena_str(r->arena, path);
	return arena_printf(r->arena, "%s/%.*s", r->folder, SLICE_ARG(path));
}

static bool
is_loopback(const struct sockaddr_storage *a)
{
	const struct sockaddr_in *v4 = (const void *) a;
	const struct sockaddr_in6 *v6 = (const void *) a;

	if (a->ss_family == AF_INET)
		return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
	if (a->ss_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static void
take_addresses(struct config_reader *r, struct endpoint *e, const struct addrinfo *found)
{
	struct endpoint_more *more = ARENA_ARRAY(r->arena, struct endpoint_more, ADDRESSES_MAX);

	memcpy(&e->addr, found->ai_addr, found->ai_addrlen);
	e->addr_len = found->ai_addrlen;
	e->loopback = is_loopback(&e->addr);
	e->others = more;
	while ((found = found->ai_next) != NULL && e->n_others < ADDRESSES_MAX) {
		struct endpoint_more *m = &more[e->n_others++];

		memcpy(&m->addr, found->ai_addr, found->ai_addrlen);
		m->addr_len = found->ai_addrlen;
		e->loopback = e->loopback && is_loopback(&m->addr);
	}
}

void
config_resolve(struct config_reader *r, struct endpoint *e, struct slice host, int64_t port,
	       struct span at)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
	bool v6 = memchr(host.p, ':', host.n) != NULL;
	char service[8];
	int rc;

	if (host.n == 0 || port < 1 || port > 65535) {
		diag(r->q, CONFIG_VALUE, at,
		     host.n == 0 ? "an address is written HOST:PORT"
				 : "a port is a number from 1 to 65535");
		return;
	}
	e->host = arena_str(r->arena, host);
	e->text = arena_printf(r->arena, v6 ? "[%s]:%d" : "%s:%d", e->host, (int) port);
	snprintf(service, sizeof(service), "%d", (int) port);
	hints.ai_flags = AI_NUMERICSERV | (r->fetch_secrets ? 0 : AI_NUMERICHOST);
	rc = getaddrinfo(e->host, service, &hints, &found);
	if (rc != 0) {
		if (r->fetch_secrets)
			diag(r->q, CONFIG_UNRESOLVED, at, e->host, gai_strerror(rc));
		return;
	}
	take_addresses(r, e, found);
	freeaddrinfo(found);
}

static struct span
file_end(const struct config_reader *r)
{
	return r->tokens.v[r->tokens.n - 1].at;
}

static void
check_listeners(struct config_reader *r)
{
	const struct config *c = r->out;

	if (c->listen_postgres.addr_len && !c->listen_postgres.loopback && !c->tls_cert) {
		struct diag *d = diag(r->q, CONFIG_NEEDS_TLS, r->postgres_at,
				      c->listen_postgres.text);

		diag_note(r->q, d, SPAN_NONE,
			  "add `tls cert \"gw.crt\" key \"gw.key\"`, or listen on 127.0.0.1");
	}
	if (c->listen_admin.addr_len && !c->listen_admin.loopback)
		diag_note(r->q,
			  diag(r->q, CONFIG_ADMIN_ADDRESS, r->admin_at, c->listen_admin.text),
			  SPAN_NONE, "listen on 127.0.0.1 and reach it through ssh");
	if (c->listen_admin.addr_len && c->listen_postgres.addr_len &&
	    c->listen_admin.addr_len == c->listen_postgres.addr_len &&
	    memcmp(&c->listen_admin.addr, &c->listen_postgres.addr, c->listen_admin.addr_len) == 0)
		diag(r->q, CONFIG_VALUE, r->admin_at,
		     "`listen admin` and `listen postgres` have the same address");
}

/* TLS is required off loopback, on this side too; who answers, only verify-full knows. */
static void
check_way(struct config_reader *r, const struct target_node *n)
{
	const struct config_target *t = &n->target;
	struct span at = n->has_tls ? n->tls_at : n->at;
	struct diag *d;

	if (!t->address.addr_len || t->address.loopback || t->tls == TLS_VERIFY_FULL)
		return;
	d = t->tls == TLS_REQUIRE ? diag(r->q, CONFIG_UNPROVED_TARGET, at, t->name)
				  : diag(r->q, CONFIG_CLEAR_TARGET, at, t->name);
	diag_note(r->q, d, SPAN_NONE, "`tls verify-full ca \"...\"` proves who answers%s",
		  t->tls == TLS_REQUIRE ? "" : "; `tls require` only encrypts");
}

static void
check_target(struct config_reader *r, const struct target_node *n)
{
	const struct config_target *t = &n->target;
	const char *missing = !t->address.text ? "address" : !t->database ? "database" :
			      !t->login ? "login" : NULL;

	for (const struct target_node *o = r->targets; o != n; o = o->next)
		if (strcmp(o->target.name, t->name) == 0)
			diag_note(r->q,
				  diag(r->q, CONFIG_TWICE, n->at,
				       arena_printf(r->arena, "target '%s'", t->name)),
				  o->at, "the first is here");
	if (missing)
		diag(r->q, CONFIG_MISSING, n->at,
		     arena_printf(r->arena, "target '%s' has no `%s`", t->name, missing));
	check_way(r, n);
}

static void
check_principal(struct config_reader *r, const struct principal_node *n)
{
	for (const struct principal_node *o = r->principals; o != n; o = o->next)
		if (strcmp(o->principal.name, n->principal.name) == 0) {
			diag_note(r->q,
				  diag(r->q, CONFIG_TWICE, n->at,
				       arena_printf(r->arena, "principal '%s'", o->principal.name)),
				  o->at, "the first is here");
			return;
		}
}

static void
collect(struct config_reader *r)
{
	struct config *c = r->out;
	struct config_principal *principals;
	struct config_target *targets;
	size_t i = 0;

	for (const struct target_node *n = r->targets; n; n = n->next)
		c->n_targets++;
	for (const struct principal_node *n = r->principals; n; n = n->next)
		c->n_principals++;
	targets = ARENA_ARRAY(r->arena, struct config_target, c->n_targets + 1);
	principals = ARENA_ARRAY(r->arena, struct config_principal, c->n_principals + 1);
	for (const struct target_node *n = r->targets; n; n = n->next)
		targets[i++] = n->target;
	i = 0;
	for (const struct principal_node *n = r->principals; n; n = n->next)
		principals[i++] = n->principal;
	c->targets = targets;
	c->principals = principals;
	config_collect_channels(r);
}

void
config_check(struct config_reader *r)
{
	bool whole = diag_ok(r->q); /* else what is missing may be what was wrong */

	check_listeners(r);
	for (const struct target_node *n = r->targets; n; n = n->next)
		if (whole)
			check_target(r, n);
	for (const struct principal_node *n = r->principals; n; n = n->next)
		check_principal(r, n);
	if (whole && span_is_none(r->postgres_at))
		diag(r->q, CONFIG_MISSING, file_end(r),
		     "no `listen postgres ADDRESS:PORT`: there is nothing to serve");
	if (whole && span_is_none(r->policy_at))
		diag(r->q, CONFIG_MISSING, file_end(r),
		     "no `policy \"FILE\"`: without one every command would be refused");
	if (whole && span_is_none(r->state_at))
		diag(r->q, CONFIG_MISSING, file_end(r),
		     "no `state \"FOLDER\"`: the audit log needs a place");
	if (whole && !r->targets)
		diag(r->q, CONFIG_MISSING, file_end(r), "no `target`: there is nothing to protect");
	if (whole && span_is_none(r->tls_at))
		diag(r->q, CONFIG_MISSING, file_end(r),
		     "no `tls`: write `tls cert \"...\" key \"...\"`, or `tls off` on loopback");
	collect(r);
}
