/* SPDX-License-Identifier: MIT
 *
 * Whole numbers as the texts that they have: each has one, which begins neither with a zero (but
 * for that of 0) nor with a plus. After some digits, either any that follow are good as long as
 * there are as many as there may be, or the digits begin one of the bounds; so there are few
 * states.
 */
#include "compiler/regex.h"

enum spot_kind { SPOT_BEGIN, SPOT_MINUS, SPOT_DIGITS, SPOT_FREE, SPOT_NOWHERE };

struct spot {
	enum spot_kind kind;
	bool minus;
	uint64_t digits;      /* DIGITS: those so far, as a number */
	uint32_t least, most; /* FREE: how many may follow */
};

/* Bounds of what stands behind the sign; none when lo > hi. */
struct magnitudes {
	uint64_t lo, hi;
};

enum { SYMBOL_OTHER, SYMBOL_MINUS, SYMBOL_0, N_SYMBOLS = SYMBOL_0 + 10 };
/* Prefixes of four bounds, and how many digits may follow. */
enum { MAX_SPOTS = 4 * 19 + 20 * 21 / 2 + 3 };

static const uint8_t symbol_of[256] = {
	['-'] = SYMBOL_MINUS, ['0'] = SYMBOL_0,	    ['1'] = SYMBOL_0 + 1, ['2'] = SYMBOL_0 + 2,
	['3'] = SYMBOL_0 + 3, ['4'] = SYMBOL_0 + 4, ['5'] = SYMBOL_0 + 5, ['6'] = SYMBOL_0 + 6,
	['7'] = SYMBOL_0 + 7, ['8'] = SYMBOL_0 + 8, ['9'] = SYMBOL_0 + 9};

struct numbers {
	struct magnitudes of[2]; /* without and with a minus */
	struct spot spots[MAX_SPOTS];
	uint16_t next[(MAX_SPOTS + 1) * N_SYMBOLS];
	uint32_t n;
};

/* No number in the bounds has more than 19 digits, and of those with 19 none goes on. */
static struct spot
spot_after(const struct numbers *m, bool minus, uint64_t digits)
{
	const uint64_t largest = UINT64_C(1000000000000000000);
	const struct magnitudes *of = &m->of[minus];
	struct spot rest = {.kind = SPOT_NOWHERE};
	uint64_t first = digits, last = digits;

	for (uint32_t more = 0;; more++) {
		if (first >= of->lo && last <= of->hi) {
			rest.least = rest.kind == SPOT_FREE ? rest.least : more;
			rest.most = more;
			rest.kind = SPOT_FREE;
		} else if (first <= of->hi && last >= of->lo) {
			return (struct spot){SPOT_DIGITS, minus, digits, 0, 0};
		}
		if (digits == 0 || last >= largest)
			return rest;
		first *= 10;
		last = last * 10 + 9;
	}
}

static struct spot
spot_next(const struct numbers *m, const struct spot *s, unsigned symbol)
{
	const struct spot nowhere = {.kind = SPOT_NOWHERE};
	uint64_t digit = symbol - SYMBOL_0;

	if (s->kind == SPOT_BEGIN && symbol == SYMBOL_MINUS)
		return (struct spot){.kind = SPOT_MINUS};
	if (symbol < SYMBOL_0)
		return nowhere;
	switch (s->kind) {
	case SPOT_BEGIN:
		return spot_after(m, false, digit);
	case SPOT_MINUS:
		return digit ? spot_after(m, true, digit) : nowhere;
	case SPOT_DIGITS:
		return spot_after(m, s->minus, s->digits * 10 + digit);
	case SPOT_FREE:
		return s->most ? (struct spot){.kind = SPOT_FREE,
					       .least = s->least ? s->least - 1 : 0,
					       .most = s->most - 1}
			       : nowhere;
	default:
		return nowhere;
	}
}

static bool
same_spot(const struct spot *a, const struct spot *b)
{
	return a->kind == b->kind && a->minus == b->minus && a->digits == b->digits &&
	       a->least == b->least && a->most == b->most;
}

static uint32_t
find_spot(struct numbers *m, const struct spot *s)
{
	uint32_t i = 0;

	while (i < m->n && !same_spot(&m->spots[i], s))
		i++;
	assert(i < MAX_SPOTS);
	if (i == m->n)
		m->spots[m->n++] = *s;
	return i;
}

static bool
ends_at(const struct numbers *m, const struct spot *s)
{
	const struct magnitudes *of = &m->of[s->minus];

	return s->kind == SPOT_FREE
		       ? s->least == 0
		       : s->kind == SPOT_DIGITS && s->digits >= of->lo && s->digits <= of->hi;
}

/* NOWHERE is last, as a state that nothing leads out of. */
static void
find_spots(struct numbers *m)
{
	m->spots[m->n++] = (struct spot){.kind = SPOT_BEGIN};
	for (uint32_t i = 0; i < m->n; i++)
		for (unsigned k = 0; k < N_SYMBOLS; k++) {
			struct spot to = spot_next(m, &m->spots[i], k);

			m->next[i * N_SYMBOLS + k] = UINT16_MAX;
			if (to.kind != SPOT_NOWHERE)
				m->next[i * N_SYMBOLS + k] =
					(uint16_t)(find_spot(m, &to) * N_SYMBOLS);
		}
	for (uint32_t i = 0; i < (m->n + 1) * N_SYMBOLS; i++)
		if (i >= m->n * N_SYMBOLS || m->next[i] == UINT16_MAX)
			m->next[i] = (uint16_t)(m->n * N_SYMBOLS);
}

struct regex *
regex_between(struct arena *arena, int64_t lo, int64_t hi)
{
	struct numbers m = {.of = {{1, 0}, {1, 0}}};
	struct regex *out = ARENA_NEW(arena, struct regex);
	uint16_t *next;
	uint8_t *accepts;

	if (hi >= 0)
		m.of[0] = (struct magnitudes){lo > 0 ? (uint64_t)lo : 0, (uint64_t)hi};
	if (lo < 0)
		m.of[1] = (struct magnitudes){hi < 0 ? 0 - (uint64_t)hi : 1, 0 - (uint64_t)lo};
	find_spots(&m);
	next = ARENA_ARRAY(arena, uint16_t, (m.n + 1) * N_SYMBOLS);
	memcpy(next, m.next, (m.n + 1) * N_SYMBOLS * sizeof(*next));
	accepts = ARENA_ARRAY(arena, uint8_t, m.n + 1);
	for (uint32_t i = 0; i < m.n; i++)
		accepts[i] = ends_at(&m, &m.spots[i]);
	*out = (struct regex){.next = next,
			      .class_of = symbol_of,
			      .accepts = accepts,
			      .n_states = m.n + 1,
			      .n_classes = N_SYMBOLS};
	regex_find_sinks(out);
	return out;
}
