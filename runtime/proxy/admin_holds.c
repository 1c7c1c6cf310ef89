/* SPDX-License-Identifier: MIT
 *
 * Legal holds over the admin listener: who may, what the request says.
 */
#include "proxy/admin_internal.h"

#include "base/clock.h"

/* A person in one of the groups that the configuration in force names. */
static bool
may(const struct admin_hooks *h, const struct approval_decider *who)
{
	const struct config *c = h->config_get(h->ctx);
	bool in = false;

	for (size_t i = 0; i < c->n_hold_groups; i++)
		for (size_t g = 0; g < who->n_groups; g++)
			in |= slice_eq(c->hold_groups[i], who->groups[g]);
	h->config_put(h->ctx, c);
	return in && who->kind == PRINCIPAL_HUMAN && who->name.n <= HOLD_BY_MAX;
}

static bool
is_name(struct slice name)
{
	static const char more[] = "._-";

	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr(more, c))))
			return false;
	}
	return name.n > 0 && name.n <= HOLD_NAME_MAX;
}

/* Seconds since the epoch. */
static bool
take_seconds(json_t *v, uint64_t *ns)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > (json_int_t) (INT64_MAX / NS_PER_S))
		return false;
	*ns = (uint64_t) n * NS_PER_S;
	return true;
}

static enum admin_error
parse(struct slice body, bool release, json_t **keep, struct hold_request *q)
{
	json_t *o = json_loadb((const char *) body.p, body.n, JSON_REJECT_DUPLICATES, NULL), *v;
	const char *key;
	bool ok = json_is_object(o);

	*keep = o;
	json_object_foreach(o, key, v) {
		if (strcmp(key, "reason") == 0 && json_is_string(v) &&
		    json_string_length(v) <= HOLD_REASON_MAX)
			q->reason = slice_of(json_string_value(v), json_string_length(v));
		else if (strcmp(key, "from") == 0 && !release)
			ok &= take_seconds(v, &q->from_ns);
		else if (strcmp(key, "to") == 0 && !release)
			ok &= take_seconds(v, &q->to_ns);
		else
			ok = false;
	}
	if (!ok || (q->to_ns && q->to_ns <= q->from_ns))
		return ADMIN_ERR_HOLD_BODY;
	return q->reason.n ? ADMIN_OK : ADMIN_ERR_HOLD_REASON;
}

static enum admin_error
change(const struct admin_hooks *h, const struct approval_decider *who, struct slice name,
       bool release, struct slice body)
{
	static const enum admin_error errors[] = {
		[HOLD_OK] = ADMIN_OK,		    [HOLD_EXISTS] = ADMIN_ERR_HOLD_EXISTS,
		[HOLD_NONE] = ADMIN_ERR_HOLD_NONE,  [HOLD_SELF] = ADMIN_ERR_HOLD_SELF,
		[HOLD_FULL] = ADMIN_ERR_HOLD_FULL,  [HOLD_TROUBLE] = ADMIN_ERR_HOLD_TROUBLE,
	};
	struct hold_request q = {.name = name};
	json_t *keep = NULL;
	enum admin_error e = is_name(name) ? parse(body, release, &keep, &q) : ADMIN_ERR_HOLD_NAME;

	if (e == ADMIN_OK)
		e = h->hold ? errors[h->hold(h->ctx, who, &q, release)] : ADMIN_ERR_HOLD_TROUBLE;
	json_decref(keep);
	return e;
}

enum admin_error
admin_holds(const struct admin_hooks *h, const struct approval_decider *who, const char *rest,
	    bool get, struct slice body, struct buf *out)
{
	struct slice name = slice_str(*rest ? rest + 1 : rest);
	const char *slash = *rest ? strchr(rest + 1, '/') : NULL;
	bool release = slash && strcmp(slash, "/release") == 0;
	enum admin_error e = ADMIN_OK;

	if ((*rest && *rest != '/') || (slash && !release))
		return ADMIN_ERR_NO_ROUTE;
	if (get != !*rest)
		return ADMIN_ERR_METHOD;
	if (!may(h, who))
		return ADMIN_ERR_HOLD_WHO;
	if (release)
		name.n -= strlen("/release");
	if (!get)
		e = change(h, who, name, release, body);
	if (e == ADMIN_OK && (!h->holds || !h->holds(h->ctx, out)))
		e = ADMIN_ERR_HOLD_TROUBLE;
	return e;
}
