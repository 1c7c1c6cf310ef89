/* SPDX-License-Identifier: MIT */
#include "vm/match.h"

#include <arpa/inet.h>

bool
match_is_glob(struct slice pattern)
{
	return pattern.n && memchr(pattern.p, '*', pattern.n);
}

/* Greedy with one point to go back to: only the last * ever has to take more, because a longer run
 * for an earlier one cannot help what follows the later. */
bool
match_glob(struct slice pattern, struct slice text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.n && pattern.p[p] == text.p[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* Nothing that follows changes the outcome of a sink: a long text is not read to its end. */
bool
match_regex(const struct regex *r, struct slice text)
{
	uint32_t row = 0;

	for (size_t i = 0; i < text.n && row < r->sinks; i++)
		row = r->next[row + r->class_of[text.p[i]]];
	return r->accepts[row / r->n_classes];
}

static bool
is_sink(const struct regex *r, uint32_t row)
{
	for (uint32_t c = 0; c < r->n_classes; c++)
		if (r->next[row + c] != row)
			return false;
	return true;
}

void
regex_find_sinks(struct regex *r)
{
	r->sinks = r->n_states * r->n_classes;
	while (r->sinks && is_sink(r, r->sinks - r->n_classes))
		r->sinks -= r->n_classes;
}

size_t
match_find(const struct slice *v, size_t n, struct slice s)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = slice_cmp(v[mid], s);

		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return n;
}

bool
match_in(const struct slice *v, size_t n, struct slice s)
{
	return match_find(v, n, s) < n;
}

bool
match_network(const uint8_t network[16], unsigned prefix, const uint8_t addr[16])
{
	unsigned bytes = prefix / 8, bits = prefix % 8;

	if (memcmp(network, addr, bytes) != 0)
		return false;
	return bits == 0 || (network[bytes] ^ addr[bytes]) >> (8 - bits) == 0;
}

/* Decimal, no sign, no leading zero, at most max. */
static bool
parse_prefix(const char *s, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (!*s || (*s == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (unsigned) (*s - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return true;
}

bool
match_network_parse(struct slice text, uint8_t network[16], uint8_t *prefix)
{
	char s[64];
	unsigned bits, shift = 0, max = 128;
	char *slash;

	if (text.n >= sizeof(s) || memchr(text.p, 0, text.n))
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = 0;
	slash = strchr(s, '/');
	if (slash)
		*slash = 0;
	memset(network, 0, 16);
	if (inet_pton(AF_INET, s, network + 12) == 1) {
		network[10] = network[11] = 0xff;
		shift = 96;
		max = 32;
	} else if (inet_pton(AF_INET6, s, network) != 1) {
		return false;
	}
	bits = max;
	if (slash && !parse_prefix(slash + 1, max, &bits))
		return false;
	bits += shift;
	for (unsigned i = bits; i < 128; i++)
		if (network[i / 8] >> (7 - i % 8) & 1)
			return false;
	*prefix = (uint8_t) bits;
	return true;
}
