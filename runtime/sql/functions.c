/* SPDX-License-Identifier: MIT
 *
 * Look-ups in grammar/functions.def and grammar/settings.def. Both are small, sorted, and only read
 * when a statement is seen for the first time.
 */
#include "sql/analyse.h"

static const struct {
	const char *name;
	enum func_class class;
} functions[] = {
#define FUNC(name, class) {#name, FUNC_##class},
#include "grammar/functions.def"
#undef FUNC
};

static const struct {
	const char *name, *values;
} settings[] = {
#define SETTING(name, values) {name, values},
#include "grammar/settings.def"
#undef SETTING
};

static int
find(struct slice name)
{
	size_t lo = 0, hi = sizeof(functions) / sizeof(functions[0]);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = slice_cmp(name, slice_str(functions[mid].name));

		if (c == 0)
			return (int)mid;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -1;
}

enum func_class
func_class(struct slice name)
{
	int i = find(name);

	return i < 0 ? FUNC_OPAQUE : functions[i].class;
}

bool
func_listed(struct slice name)
{
	return find(name) >= 0;
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
