/* SPDX-License-Identifier: MIT */
#include "tests/wire/wire_stage.h"

#include "compiler/compile.h"

#include <stdarg.h>
#include <stdio.h>

size_t
wire_split(char *line, struct slice words[WORDS])
{
	size_t n = 0;
	char *p = line;

	while (*p && n < WORDS) {
		while (*p == ' ' || *p == '\t')
			p++;
		if (!*p || *p == '#')
			break;
		if (*p == '"') {
			char *start = ++p, *to = start;

			while (*p && *p != '"') {
				if (*p == '\\' && p[1] == 'n')
					*to++ = '\n', p += 2;
				else if (*p == '\\' && p[1] == 't')
					*to++ = '\t', p += 2;
				else if (*p == '\\' && p[1])
					*to++ = p[1], p += 2;
				else
					*to++ = *p++;
			}
			if (*p)
				p++;
			words[n++] = slice_of(start, (size_t) (to - start));
		} else {
			char *start = p;

			while (*p && *p != ' ' && *p != '\t')
				p++;
			words[n++] = slice_of(start, (size_t) (p - start));
			if (*p)
				p++;
		}
	}
	return n;
}

static void
catalog_row(struct catalog_build *b, enum catalog_query q, struct arena *a, unsigned n, ...)
{
	struct slice f[16];
	va_list ap;
	bool ok;

	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		f[i] = slice_str(va_arg(ap, const char *));
	va_end(ap);
	(void) a;
	ok = catalog_build_row(b, q, f, n);
	assert(ok);
}

/* "schema.name" */
static void
cut_dot(struct arena *a, struct slice s, const char **schema, const char **name)
{
	const uint8_t *dot = memchr(s.p, '.', s.n);

	assert(dot != NULL);
	*schema = arena_str(a, slice_of(s.p, (size_t) (dot - s.p)));
	*name = arena_str(a, slice_of(dot + 1, (size_t) (s.p + s.n - dot - 1)));
}

/* "OID/MODIFIER", or the OID alone. */
static const char *
cut_modifier(struct arena *a, const char **type)
{
	const char *slash = strchr(*type, '/');

	if (!slash)
		return "-1";
	*type = arena_str(a, slice_of(*type, (size_t) (slash - *type)));
	return slash + 1;
}

static void
add_relation(struct catalog_build *b, struct arena *a, struct slice *w, size_t n)
{
	const char *schema, *name, *oid = arena_str(a, w[2]);
	bool view = slice_is(w[0], "view");

	cut_dot(a, w[1], &schema, &name);
	catalog_row(b, CATALOG_Q_RELATIONS, a, 7, oid, schema, name, view ? "v" : "r", "p", "f",
		    "1");
	for (size_t i = 3; i < n; i++) {
		const uint8_t *colon = memchr(w[i].p, ':', w[i].n);
		char attnum[24];
		const char *col, *type, *modifier;

		assert(colon != NULL);
		snprintf(attnum, sizeof(attnum), "%zu", i - 2);
		col = arena_str(a, slice_of(w[i].p, (size_t) (colon - w[i].p)));
		type = arena_str(a, slice_of(colon + 1, (size_t) (w[i].p + w[i].n - colon - 1)));
		modifier = cut_modifier(a, &type);
		catalog_row(b, CATALOG_Q_COLUMNS, a, 9, oid, attnum, col, type, "f", "text",
			    "pg_catalog", type, modifier);
	}
}

/* A line of the catalog. False: it is about something else. */
static bool
add_to_catalog(struct catalog_build *b, struct arena *a, struct slice *w, size_t n)
{
	if (slice_is(w[0], "table") || slice_is(w[0], "view"))
		add_relation(b, a, w, n);
	else if (slice_is(w[0], "depends"))
		catalog_row(b, CATALOG_Q_VIEWS, a, 3, arena_str(a, w[1]), arena_str(a, w[2]),
			    arena_str(a, w[3]));
	else if (slice_is(w[0], "define"))
		catalog_row(b, CATALOG_Q_DEFINITIONS, a, 2, arena_str(a, w[1]),
			    arena_str(a, w[2]));
	else
		return false;
	return true;
}

static void
set_user(struct config_principal *who, struct arena *a, struct slice *w, size_t n)
{
	struct slice *groups = ARENA_ARRAY(a, struct slice, n);

	who->name = arena_str(a, w[1]);
	for (size_t k = 2; k < n; k++)
		groups[k - 2] = arena_copy(a, w[k]);
	who->groups = groups;
	who->n_groups = n - 2;
}

bool
wire_set_stage(struct stage *st, const char *file)
{
	struct catalog_build *b = catalog_build_start();
	struct epoch *e = epoch_new();
	struct arena *a = &e->arena;
	struct buf policy = {0}, image = {0};
	struct config_principal *who = ARENA_ARRAY(a, struct config_principal, 1);
	struct config_target *target = ARENA_ARRAY(a, struct config_target, 1);
	static const uint8_t secret[SHA256_LEN] = {1};
	struct image_error err;
	struct image_trust trust = {.allow_unsigned = true};
	struct diag_queue q;
	struct slice text;
	struct compile_options o = {.text = &text};
	const char *error = NULL;
	struct catalog *c;
	size_t i;

	*who = (struct config_principal){.name = "agent", .kind = PRINCIPAL_AGENT};
	catalog_row(b, CATALOG_Q_SETTINGS, a, 2, "search_path", "public");
	catalog_row(b, CATALOG_Q_SETTINGS, a, 2, "session_user", "app");
	for (i = 0; i < st->n; i++) {
		struct slice w[WORDS];
		char *line = arena_str(a, slice_str(st->lines[i]));
		size_t n = wire_split(line, w);

		if (n && slice_is(w[0], "policy")) {
			for (i++; strcmp(st->lines[i], "end") != 0; i++)
				buf_printf(&policy, "%s\n", st->lines[i]);
		} else if (n && add_to_catalog(b, a, w, n)) {
			continue;
		} else if (n && slice_is(w[0], "pool")) {
			st->pool = POOL_TRANSACTION;
		} else if (n && slice_is(w[0], "door")) {
			st->door = true;
		} else if (n && slice_is(w[0], "user")) {
			set_user(who, a, w, n);
		} else if (n && slice_is(w[0], "play")) {
			break;
		}
	}
	*target = (struct config_target){
		.name = "orders",
		.database = "orders",
		.login = "app",
		.pool = {.mode = st->pool, .size = 2, .wait_seconds = 5, .max_prepared = 2}};
	e->config = (struct config){
		.targets = target, .n_targets = 1, .principals = who, .n_principals = 1};
	text = buf_slice(&policy);
	diag_init(&q, ARENA_NEW(a, struct sources), a);
	sources_init(q.sources, a);
	if (!compile_policy("test.weir", a, &q, &image, &o, NULL)) {
		struct buf out = {0};

		diag_print(&q, &out, false);
		printf("# %s: the policy does not compile\n%.*s\n", file,
		       SLICE_ARG(buf_slice(&out)));
		return false;
	}
	e->image = image_load(a, buf_slice(&image), &trust, &err);
	assert(e->image != NULL);
	epoch_finish(e, secret, NULL);
	c = catalog_build_finish(b, &error);
	assert(c != NULL);
	buf_fini(&policy);
	buf_fini(&image);
	st->epoch = e;
	st->catalog = catalog_ref_new(c);
	return true;
}
