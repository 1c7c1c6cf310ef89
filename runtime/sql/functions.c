/* SPDX-License-Identifier: MIT
 *
 * Look-ups in grammar/functions.def and grammar/settings.def, when a statement is seen for the
 * first time or a catalog is read.
 */
#include "sql/functions.h"

#include "base/assert.h"

enum { FIRST_NORMAL_OID = 16384, FIRST_UNPINNED_OID = 10000 };

static const struct function {
	const char *name;
	uint32_t oid; /* 0: the server gives it one when it is set up */
	enum func_class class;
	const char *arguments, *traits;
} functions[] = {
#define FUNC(name, oid, first, last, class, arguments, traits)                                     \
	{#name, oid, FUNC_##class, arguments, traits},
#define EXTENSION(name, class)
#include "grammar/functions.def"
#undef FUNC
#undef EXTENSION
};

static const struct extension {
	const char *name;
	enum func_class class;
} extensions[] = {
#define FUNC(name, oid, first, last, class, arguments, traits)
#define EXTENSION(name, class) {#name, FUNC_##class},
#include "grammar/functions.def"
#undef FUNC
#undef EXTENSION
};

static const struct {
	const char *name, *values;
} settings[] = {
#define SETTING(name, values) {name, values},
#include "grammar/settings.def"
#undef SETTING
};

/* The first row of a name; NULL: it has none. */
static const struct function *
first_of(struct slice name)
{
	size_t lo = 0, hi = COUNT_OF(functions);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (slice_cmp(slice_str(functions[mid].name), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < COUNT_OF(functions) && slice_is(name, functions[lo].name) ? &functions[lo]
									      : NULL;
}

/* The next row of the same name, or NULL. */
static const struct function *
next_of(const struct function *f)
{
	return ++f < functions + COUNT_OF(functions) && strcmp(f->name, f[-1].name) == 0 ? f : NULL;
}

enum func_class
func_class(struct slice name)
{
	const struct function *f = first_of(name);
	enum func_class class = FUNC_SAFE;

	for (size_t i = 0; !f && i < COUNT_OF(extensions); i++)
		if (slice_is(name, extensions[i].name))
			return extensions[i].class;
	if (!f)
		return FUNC_OPAQUE;
	for (; f; f = next_of(f))
		class = f->class > class ? f->class : class;
	return class;
}

enum action
func_action(enum func_class class)
{
	static const enum action actions[] = {
		[FUNC_SAFE] = ACTION_SQL_SELECT,
		[FUNC_IMPURE] = ACTION_SQL_SELECT,
		[FUNC_UPDATE] = ACTION_SQL_UPDATE,
		[FUNC_SESSION] = ACTION_SQL_CONFIGURE,
		[FUNC_NOTIFY] = ACTION_SQL_NOTIFY,
		[FUNC_LOCK] = ACTION_SQL_LOCK,
		[FUNC_LARGE_OBJECT] = ACTION_SQL_LARGE_OBJECT,
		[FUNC_FILE] = ACTION_SQL_FILE,
		[FUNC_NETWORK] = ACTION_SQL_NETWORK,
		[FUNC_BACKEND] = ACTION_SQL_BACKEND,
		[FUNC_REPLICATION] = ACTION_SQL_REPLICATION,
		[FUNC_MONITOR] = ACTION_SQL_OPAQUE_FUNCTION,
		[FUNC_DYNAMIC] = ACTION_SQL_OPAQUE_FUNCTION,
		[FUNC_INTERNAL] = ACTION_SQL_OPAQUE_FUNCTION,
		[FUNC_OPAQUE] = ACTION_SQL_OPAQUE_FUNCTION,
	};

	return actions[class];
}

enum func_class
func_class_of(uint32_t oid, struct slice *name)
{
	const struct function *found = NULL;
	enum func_class class = FUNC_SAFE;

	for (size_t i = 0; oid && i < COUNT_OF(functions); i++) {
		const struct function *f = &functions[i];

		if (f->oid != oid)
			continue;
		/* What another version calls by it is not what this one does, maybe. */
		if (found && strcmp(found->name, f->name) != 0)
			return FUNC_OPAQUE;
		found = f;
		class = f->class > class ? f->class : class;
	}
	if (found)
		*name = slice_str(found->name);
	return found ? class : FUNC_OPAQUE;
}

bool
func_listed(struct slice name)
{
	enum func_class class = func_class(name);

	return class < FUNC_INTERNAL || (class == FUNC_OPAQUE && first_of(name));
}

bool
func_may_aggregate(struct slice name)
{
	const struct function *f = first_of(name);

	if (!f)
		return true;
	for (; f; f = next_of(f))
		if (f->traits[0] != 'f')
			return true;
	return false;
}

bool
func_is_known(uint64_t oid, struct slice name, struct slice arguments, struct slice traits)
{
	const struct function *f = oid < FIRST_NORMAL_OID ? first_of(name) : NULL;

	if (oid >= FIRST_UNPINNED_OID)
		oid = 0;
	while (f && !(f->oid == oid && slice_is(arguments, f->arguments) &&
		      slice_is(traits, f->traits)))
		f = next_of(f);
	return f != NULL;
}

static bool
same_word(struct slice a, const char *b, size_t n)
{
	if (a.n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = a.p[i] >= 'A' && a.p[i] <= 'Z' ? a.p[i] | 0x20 : a.p[i];

		if (c != (uint8_t)b[i])
			return false;
	}
	return true;
}

bool
setting_is_harmless(struct slice name, struct slice value)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		const char *v = settings[i].values;

		if (!slice_is(name, settings[i].name))
			continue;
		if (!*v)
			return true;
		while (*v) {
			size_t n = strcspn(v, "|");

			if (same_word(value, v, n))
				return true;
			v += n + (v[n] == '|');
		}
		return false;
	}
	return false;
}
