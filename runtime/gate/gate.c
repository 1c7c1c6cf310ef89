/* SPDX-License-Identifier: MIT
 *
 * Sessions, classes, epochs and catalogs of one worker, and the memory of verdicts. What a command
 * is allowed to do is decided in gate_decide.c.
 */
#include "gate/gate_internal.h"

#include "base/clock.h"
#include "base/secret.h"
#include "sql/catalog_types.h"
#include "sql/functions.h"

#include <stdlib.h>

enum {
	MEMORY_SLOTS = 8192, /* remembered verdicts of a worker: 8192 x 80 bytes */
	CLASS_MAX_AGE_S = 1, /* of a class whose masks depend on the time of day */
};

struct gate *
gate_open(size_t max_facts_bytes, size_t n_targets, struct schema_moves *moves)
{
	struct gate *g = calloc(1, sizeof(*g));
	struct sql_limits limits = SQL_LIMITS_DEFAULT;

	if (!g)
		return NULL;
	g->cache = sql_cache_open(max_facts_bytes, &limits);
	g->memory = calloc(MEMORY_SLOTS, sizeof(*g->memory));
	g->meanings = gate_meanings_new();
	g->targets = calloc(n_targets, sizeof(*g->targets));
	g->n_targets = n_targets;
	if (!moves)
		moves = g->moves = calloc(n_targets, sizeof(*g->moves));
	if (!g->cache || !g->memory || !g->meanings || !g->targets || !moves) {
		gate_close(g);
		return NULL;
	}
	for (size_t i = 0; i < n_targets; i++)
		g->targets[i].moves = &moves[i];
	return g;
}

static void
drop_classes(struct gate *g)
{
	while (g->classes) {
		struct gate_class *c = g->classes;

		g->classes = c->next;
		class_unref(c);
	}
	g->stats.classes = 0;
}

static void
target_fini(struct gate_target_state *t)
{
	catalog_ref_put(t->catalog);
	password_put(t->password.password);
	secret_wipe(&t->scram_keys, sizeof(t->scram_keys));
}

void
gate_close(struct gate *g)
{
	if (!g)
		return;
	drop_classes(g);
	for (size_t i = 0; g->targets && i < g->n_targets; i++)
		target_fini(&g->targets[i]);
	epoch_unref(g->epoch);
	if (g->cache)
		sql_cache_close(g->cache);
	free(g->memory);
	free(g->meanings);
	free(g->moves);
	free(g->targets);
	free(g);
}

/* What was made of a target's password is of no use with another one. */
static void
use_password(struct gate_target_state *t, const struct config_target *c, struct password_news news)
{
	const char *was = t->config.password;
	const char *is = news.password ? news.password->text : c->password;

	if (!was || !is || !secret_eq(slice_str(was), slice_str(is)))
		secret_wipe(&t->scram_keys, sizeof(t->scram_keys));
	t->config = *c;
	t->config.password = is;
	t->doubted = false;
	password_put(t->password.password);
	t->password = news;
}

void
gate_set_epoch(struct gate *g, struct epoch *e)
{
	for (size_t i = 0; i < g->n_targets; i++)
		use_password(&g->targets[i], &e->config.targets[i],
			     (struct password_news){.epoch = e->number});
	drop_classes(g);
	epoch_unref(g->epoch);
	g->epoch = e;
}

void
gate_set_password(struct gate *g, size_t target, struct password_news news)
{
	assert(target < g->n_targets);
	if (news.epoch == g->epoch->number)
		use_password(&g->targets[target], &g->epoch->config.targets[target], news);
	else
		password_put(news.password); /* a reload has brought one of its own */
}

bool
gate_password_refused(struct gate *g, size_t target, uint64_t epoch, uint64_t version)
{
	struct gate_target_state *t = &g->targets[target];

	if (epoch != t->password.epoch || version != t->password.version || t->password.wrong ||
	    t->doubted)
		return false;
	t->doubted = true;
	return true;
}

enum password_state
gate_password(const struct gate *g, size_t target, uint64_t *epoch, uint64_t *version)
{
	const struct gate_target_state *t = &g->targets[target];

	*epoch = t->password.epoch;
	*version = t->password.version;
	return t->doubted ? PASSWORD_DOUBTED : t->password.wrong ? PASSWORD_WRONG : PASSWORD_GOOD;
}

struct epoch *
gate_epoch(struct gate *g)
{
	return g->epoch;
}

void
gate_set_catalog(struct gate *g, size_t target, struct catalog_ref *c, const char *trouble,
		 struct catalog_age age)
{
	struct gate_target_state *t = &g->targets[target];

	assert(target < g->n_targets);
	if (c != t->catalog)
		drop_classes(g);
	catalog_ref_put(t->catalog);
	t->catalog = c;
	t->trouble = c ? NULL : trouble;
	t->age = age;
	t->number++;
}

uint64_t
gate_catalog_number(const struct gate *g, const struct gate_session *s)
{
	return g->targets[s->target].number;
}

void
gate_schema_changed(struct gate *g, size_t target)
{
	assert(target < g->n_targets);
	atomic_fetch_add(&g->targets[target].moves->changed, 1);
}

const struct scram_verifier *
gate_verifier(struct gate *g, struct slice user)
{
	const struct config *c = &g->epoch->config;
	const struct config_principal *p = config_principal_find(c, user);

	return p && p->key ? &g->epoch->verifiers[p - c->principals] : NULL;
}

void
gate_mock_verifier(struct gate *g, struct slice user, struct scram_verifier *v)
{
	scram_verifier_mock(v, g->epoch->mock_key, user);
}

struct gate_session *
gate_session_open(struct gate *g, struct slice user, struct slice target,
		  const struct gate_client *client)
{
	const struct config *c = &g->epoch->config;
	const struct config_target *t = config_target_find(c, target);
	struct gate_session *s;

	if (!t)
		return NULL;
	s = calloc(1, sizeof(*s) + user.n + client->application.n + 2);
	assert(s != NULL);
	memcpy(s->strings, user.p, user.n);
	if (client->application.n)
		memcpy(s->strings + user.n + 1, client->application.p, client->application.n);
	s->user = slice_of(s->strings, user.n);
	s->client = *client;
	s->client.application = slice_of(s->strings + user.n + 1, client->application.n);
	s->target = (size_t) (t - c->targets);
	s->gate = g;
	g->n_sessions++;
	return s;
}

void
gate_session_close(struct gate *g, struct gate_session *s)
{
	if (!s)
		return;
	g->n_sessions--;
	class_unref(s->class);
	gate_session_path_put(s);
	free(s);
}

static bool
class_fits(const struct gate *g, const struct gate_class *c, const struct gate_session *s)
{
	uint64_t reads = 0;

	for (int e = 0; e < ENTRY_COUNT; e++)
		reads |= g->epoch->image->entry[e].facts;
	return c->target == s->target && c->client.tls == s->client.tls &&
	       slice_is(s->user, c->principal ? c->principal->name : "") &&
	       (!(reads >> FACT_CLIENT_ADDRESS & 1) ||
		memcmp(c->client.address, s->client.address, 16) == 0) &&
	       (!(reads >> FACT_CLIENT_APPLICATION & 1) ||
		slice_eq(c->client.application, s->client.application));
}

static bool
class_current(const struct gate *g, const struct gate_class *c, uint64_t now)
{
	/* Masks that read the clock are looked at again each second. */
	return c->epoch == g->epoch && c->catalog == g->targets[c->target].catalog &&
	       (g->epoch->image->entry[ENTRY_RESULT].stable ||
		now - c->made_wall_ns < CLASS_MAX_AGE_S * NS_PER_S);
}

struct gate_class *
gate_class_of(struct gate *g, struct gate_session *s, uint64_t now)
{
	struct gate_class **at;

	if (s->class && class_current(g, s->class, now))
		return s->class;
	class_unref(s->class);
	s->class = NULL;
	for (at = &g->classes; *at; at = &(*at)->next)
		if (class_current(g, *at, now) && class_fits(g, *at, s))
			break;
	if (!*at) {
		struct gate_class *c = class_new(g->epoch, g->targets[s->target].catalog, s->target,
						 s->user, &s->client, now);

		/* Those that went stale by the clock make room; the list stays as short as the
		 * principals at work. */
		for (struct gate_class **old = &g->classes; *old;) {
			struct gate_class *o = *old;

			if (class_current(g, o, now)) {
				old = &o->next;
				continue;
			}
			*old = o->next;
			class_unref(o);
		}
		c->next = g->classes;
		g->classes = c;
		g->stats.classes++;
		at = &g->classes;
	}
	(*at)->refs++;
	s->class = *at;
	return s->class;
}

const struct config_target *
gate_target(const struct gate_session *s)
{
	/* The list of targets is the same in every epoch (a reload that changes it is refused). */
	return &s->gate->targets[s->target].config;
}

const struct config_target *
gate_target_config(const struct gate *g, size_t target)
{
	return &g->targets[target].config;
}

size_t
gate_target_index(const struct gate_session *s)
{
	return s->target;
}

struct slice
gate_user(const struct gate_session *s)
{
	return s->user;
}

enum principal_kind
gate_user_kind(const struct gate_session *s)
{
	const struct epoch *e = s->gate->epoch;
	/* Known, unless the class is of the policy before this one. */
	const struct config_principal *p = s->class && s->class->epoch == e
						   ? s->class->principal
						   : config_principal_find(&e->config, s->user);

	return p ? p->kind : PRINCIPAL_AGENT;
}

struct scram_client_keys *
gate_scram_keys(struct gate *g, struct gate_session *s)
{
	return gate_target_scram_keys(g, s->target);
}

struct scram_client_keys *
gate_target_scram_keys(struct gate *g, size_t target)
{
	return &g->targets[target].scram_keys;
}

enum catalog_state
gate_catalog_state(struct gate *g, struct gate_session *s, const char **trouble)
{
	const struct gate_target_state *t = &g->targets[s->target];

	*trouble = t->trouble;
	if (t->catalog)
		return CATALOG_READY;
	return t->trouble ? CATALOG_FAILED : CATALOG_WAIT;
}

void
gate_connect(struct gate *g, struct gate_session *s, uint64_t now, struct gate_verdict *v)
{
	struct gate_class *c = gate_class_of(g, s, now);
	const struct image *img = g->epoch->image;
	struct facts f = c->facts;
	struct decision d;
	int r = -1;

	*v = (struct gate_verdict){.verdict = VERDICT_DENY};
	v->refusal = (struct gate_refusal){
		"WEIR-CONNECT", "the policy lets nothing of yours reach this target", NULL,
		"ask who writes the gateway's policy, or connect to another target (dbname)", NULL};
	if (!c->principal)
		return;
	class_set_time(&f, now);
	facts_int(&f, FACT_ACTION, ACTION_CONNECT);
	vm_decide(img, ENTRY_CONNECT, &f, &d);
	v->verdict = d.verdict;
	v->by_default = d.by_default;
	while (v->n_rules < VERDICT_RULES && (r = decision_next_deciding(img, &d, r)) >= 0)
		v->rules[v->n_rules++] = (uint16_t) r;
	v->rules_cut = r >= 0 && decision_next_deciding(img, &d, r) >= 0;
	if (!watch_has(img, ENTRY_WATCH_CONNECT))
		return;
	watch_init(&g->watch);
	watch_effect(img, ENTRY_WATCH_CONNECT, &f, &d, &g->watch);
	gate_note_shadows(g, img, d.verdict, false, &v->shadows);
}

const struct sql_facts *
gate_facts(struct gate *g, struct slice text)
{
	return sql_cache_facts(g->cache, text);
}

const struct sql_facts *
gate_function_call(struct gate *g, const struct gate_session *s, uint32_t oid)
{
	const struct catalog_ref *c = g->targets[s->target].catalog;
	struct slice name = {0};
	enum func_class class = func_class_of(oid, &name);

	/* It is not what was classed. */
	if (!c || catalog_shadows(c->catalog, 'x', name))
		class = FUNC_OPAQUE;
	return sql_cache_function_call(g->cache, class);
}

static struct gate_memory *
memory_slot(struct gate *g, const struct gate_key *key)
{
	uint64_t h = (key->class * UINT64_C(0x9e3779b97f4a7c15)) ^
		     (key->facts * UINT64_C(0xc2b2ae3d27d4eb4f)) ^
		     (key->path * UINT64_C(0xa0761d6478bd642f));

	return &g->memory[(h >> 32) & (MEMORY_SLOTS - 1)];
}

/* Where something is overloaded their types can matter. False: there are too many. */
static bool
key_parameters(const struct gate_class *c, const struct gate_parameters *p,
	       struct gate_key *key)
{
	if (!p || !p->n || !c->catalog || !catalog_types(c->catalog->catalog)->n_overloads)
		return true;
	memcpy(key->parameters, p->types, sizeof(key->parameters));
	return !p->many;
}

bool
gate_may_remember(const struct gate_class *c, const struct gate_ask *ask, struct gate_key *key)
{
	return c->epoch->image->entry[ENTRY_COMMAND].stable && !ask->renamed &&
	       key_parameters(c, ask->parameters, key) && !ask->schema_moving &&
	       !ask->schema_changed_in_tx && !ask->path_unknown && !ask->temporary_foreign &&
	       !ask->redefined && !(ask->parameters && ask->parameters->own) &&
	       !sql_runs_other(ask->facts);
}

bool
gate_remembered(struct gate *g, const struct gate_key *key, struct gate_verdict *v)
{
	const struct gate_memory *m = memory_slot(g, key);

	if (m->key.class != key->class || m->key.facts != key->facts ||
	    m->key.path != key->path ||
	    memcmp(m->key.parameters, key->parameters, sizeof(key->parameters)) != 0)
		return false;
	*v = m->verdict;
	g->stats.remembered++;
	return true;
}

void
gate_remember(struct gate *g, const struct gate_key *key, const struct gate_verdict *v)
{
	struct gate_memory *m = memory_slot(g, key);

	m->key = *key;
	m->verdict = *v;
}

struct epoch *
gate_masks_epoch(const struct gate_session *s)
{
	return s->class->epoch;
}

bool
gate_computes(const struct gate_session *s)
{
	return s->class && s->class->computes;
}

bool
gate_has_masks(const struct gate_session *s)
{
	return s->class && s->class->any_masks;
}

uint64_t
gate_masks_number(struct gate *g, struct gate_session *s, uint64_t now)
{
	return gate_class_of(g, s, now)->masks_number;
}

uint64_t
gate_class_number(const struct gate_session *s)
{
	return s->class ? s->class->id : 0;
}

const struct detect_rules *
gate_detects(const struct gate_session *s)
{
	return s->class && s->class->detect.wanted ? &s->class->detect : NULL;
}

bool
gate_may_read_names(const struct gate *g)
{
	return g->epoch->reads_names;
}

bool
gate_reads_names(struct gate *g, struct gate_session *s, uint64_t now)
{
	return gate_class_of(g, s, now)->reads_names;
}

bool
gate_may_read_path(const struct gate *g)
{
	return g->epoch->reads_names || g->epoch->image->n_rules;
}

bool
gate_reads_path(struct gate *g, struct gate_session *s, uint64_t now)
{
	return gate_class_of(g, s, now)->reads_path;
}

struct gate_stats
gate_stats(const struct gate *g)
{
	struct gate_stats st = g->stats;

	st.sql = sql_cache_stats(g->cache);
	return st;
}
