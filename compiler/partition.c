/* SPDX-License-Identifier: MIT
 *
 * A state is the list of places in patterns that are alive after some string, each (pattern << 16 |
 * offset, or row of a regular expression's automaton); a breadth-first walk over the states finds
 * the shortest string of every class. A pattern that has passed a * never needs the places before
 * it again, and one that can only match from here on is one place, so lists stay as short as there
 * are patterns alive. Where there are regular expressions a state also knows how far it is in a
 * character, so that strings are shown in UTF-8 where they can be.
 */
#include "compiler/partition.h"

#include "compiler/regex.h"
#include "vm/match.h"

#include <stdlib.h>
#include <xxhash.h>

enum { MAX_STATES = 1 << 16, MAX_WALK = 1 << 15, MAX_PLACES = 1 << 23, MAX_PATTERN = 0xffff };
enum { MAX_WORK = 1 << 26 }; /* places looked at, where there are regular expressions: 0.3 s */

/* How far a string is on its way to two parts with a dot between them; the second may have more. Of
 * a schema it is in its first part, or bad. */
enum shape { SHAPE_EMPTY, SHAPE_FIRST, SHAPE_DOT, SHAPE_SECOND, SHAPE_BAD };

/* Of a character: no byte, or which are to follow; UTF8_BAD: there is none such. */
enum utf8 {
	UTF8_WHOLE,
	UTF8_ONE,
	UTF8_TWO,
	UTF8_THREE,
	UTF8_E0,
	UTF8_ED,
	UTF8_F0,
	UTF8_F4,
	UTF8_BAD
};

struct state {
	uint32_t first, n; /* places */
	uint32_t parent;
	uint8_t byte, shape, utf8;
};

struct walk {
	struct arena *arena;
	const struct pattern *patterns; /* constants, then globs */
	size_t n_patterns, n_constants;
	struct partition *p;
	struct state *states;
	size_t n_states, states_cap;
	uint32_t *places;
	size_t n_places, places_cap;
	uint32_t *slots; /* state + 1 */
	size_t n_slots;
	size_t classes_cap;
	uint8_t other; /* a byte that no pattern has */
	uint8_t order[256]; /* bytes, those first that are good to read */
	bool apart[256];    /* for regular expressions: of bytes that nothing tells apart, one */
	size_t work;
	bool full;
};

static int
compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static size_t
unique(struct slice *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), compare_slices);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !slice_eq(v[i], v[kept - 1]))
			v[kept++] = v[i];
	return kept;
}

static enum shape
shape_after(const struct partition *p, enum shape shape, uint8_t byte)
{
	if (p->of == PARTITION_STRINGS)
		return SHAPE_EMPTY;
	if (p->of == PARTITION_SCHEMAS)
		return byte == '.' || shape == SHAPE_BAD ? SHAPE_BAD : SHAPE_FIRST;
	switch (shape) {
	case SHAPE_EMPTY:
		return byte == '.' ? SHAPE_BAD : SHAPE_FIRST;
	case SHAPE_FIRST:
		return byte == '.' ? SHAPE_DOT : SHAPE_FIRST;
	case SHAPE_DOT:
	case SHAPE_SECOND:
		return SHAPE_SECOND;
	default:
		return SHAPE_BAD;
	}
}

static enum utf8
utf8_after(enum utf8 at, uint8_t b)
{
	static const struct {
		uint8_t lo, hi, to;
	} goes_on[] = {
		[UTF8_ONE] = {0x80, 0xbf, UTF8_WHOLE},	[UTF8_TWO] = {0x80, 0xbf, UTF8_ONE},
		[UTF8_THREE] = {0x80, 0xbf, UTF8_TWO},	[UTF8_E0] = {0xa0, 0xbf, UTF8_ONE},
		[UTF8_ED] = {0x80, 0x9f, UTF8_ONE},	[UTF8_F0] = {0x90, 0xbf, UTF8_TWO},
		[UTF8_F4] = {0x80, 0x8f, UTF8_TWO},
	};

	if (at == UTF8_BAD)
		return at;
	if (at != UTF8_WHOLE)
		return b >= goes_on[at].lo && b <= goes_on[at].hi ? (enum utf8) goes_on[at].to
								   : UTF8_BAD;
	if (b < 0x80)
		return UTF8_WHOLE;
	if (b < 0xc2 || b > 0xf4)
		return UTF8_BAD;
	return b < 0xe0	   ? UTF8_ONE
	       : b == 0xe0 ? UTF8_E0
	       : b == 0xed ? UTF8_ED
	       : b < 0xf0  ? UTF8_TWO
	       : b == 0xf0 ? UTF8_F0
	       : b == 0xf4 ? UTF8_F4
			   : UTF8_THREE;
}

static bool
is_shaped(const struct partition *p, enum shape shape)
{
	return p->of == PARTITION_TABLES ? shape == SHAPE_SECOND : shape != SHAPE_BAD;
}

static bool
is_possible(const struct partition *p, struct slice s)
{
	enum shape shape = SHAPE_EMPTY;
	enum utf8 utf8 = UTF8_WHOLE;

	for (size_t i = 0; i < s.n; i++) {
		shape = shape_after(p, shape, s.p[i]);
		utf8 = utf8_after(utf8, s.p[i]);
	}
	return is_shaped(p, shape) && (!p->n_regexes || utf8 == UTF8_WHOLE);
}

static bool
only_stars(struct slice s, size_t at)
{
	while (at < s.n && s.p[at] == '*')
		at++;
	return at == s.n;
}

static void
make_room(struct walk *w)
{
	uint32_t *grown;

	if (w->n_places + 2 <= w->places_cap)
		return;
	grown = ARENA_ARRAY(w->arena, uint32_t, w->places_cap * 2);
	memcpy(grown, w->places, w->n_places * sizeof(*grown));
	w->places = grown;
	w->places_cap *= 2;
	if (w->places_cap > MAX_PLACES)
		w->full = true;
}

/* A row that leads nowhere is none. */
static void
add_row(struct walk *w, size_t pattern, uint32_t row)
{
	const struct regex *r = w->patterns[pattern].regex;

	if (row >= r->sinks && !r->accepts[row / r->n_classes])
		return;
	make_room(w);
	w->places[w->n_places++] = (uint32_t) (pattern << 16 | row);
}

/* Adds a place to the state under way, whose places of the same pattern begin at `own`. */
static void
add_place(struct walk *w, size_t *own, size_t pattern, size_t at)
{
	const struct pattern *p = &w->patterns[pattern];
	uint32_t place = (uint32_t) (pattern << 16 | at);

	if (p->regex) {
		add_row(w, pattern, (uint32_t) at);
		return;
	}
	make_room(w);
	if (w->n_places > *own && w->places[w->n_places - 1] >= place)
		return;
	if (!p->glob || at == p->text.n || p->text.p[at] != '*') {
		w->places[w->n_places++] = place;
		return;
	}
	/* Past this star, what was alive before it adds nothing. */
	w->n_places = *own;
	w->places[w->n_places++] = place;
	if (!only_stars(p->text, at))
		add_place(w, own, pattern, at + 1);
}

static size_t
hash_places(const struct walk *w, size_t first, size_t n, enum shape shape, enum utf8 utf8)
{
	return (size_t) XXH3_64bits_withSeed(&w->places[first], n * sizeof(*w->places),
					     (unsigned) shape | (unsigned) utf8 << 8);
}

/* The places from `first` on become a state, if there is none like it. */
static void
add_state(struct walk *w, size_t first, uint32_t parent, uint8_t byte, enum shape shape,
	  enum utf8 utf8)
{
	size_t n = w->n_places - first;
	size_t at = hash_places(w, first, n, shape, utf8) & (w->n_slots - 1);

	for (; w->slots[at]; at = (at + 1) & (w->n_slots - 1)) {
		const struct state *s = &w->states[w->slots[at] - 1];

		if (s->n == n && s->shape == shape && s->utf8 == utf8 &&
		    memcmp(&w->places[s->first], &w->places[first], n * sizeof(*w->places)) == 0) {
			w->n_places = first;
			return;
		}
	}
	if (w->n_states == MAX_STATES) {
		w->full = true;
		return;
	}
	if (w->n_states == w->states_cap) {
		struct state *grown = ARENA_ARRAY(w->arena, struct state, w->states_cap * 2);

		memcpy(grown, w->states, w->n_states * sizeof(*grown));
		w->states = grown;
		w->states_cap *= 2;
	}
	w->states[w->n_states] = (struct state){(uint32_t) first, (uint32_t) n,
						parent,		  byte,
						(uint8_t) shape,  (uint8_t) utf8};
	w->slots[at] = (uint32_t) ++w->n_states;
}

static void
step(struct walk *w, uint32_t from, uint8_t byte)
{
	struct state s = w->states[from];
	size_t first = w->n_places, own = first;
	uint32_t pattern = UINT32_MAX;
	bool regexes = w->p->n_regexes > 0;

	w->work += s.n + 1;
	w->full |= regexes && w->work > MAX_WORK;
	for (uint32_t i = 0; i < s.n && !w->full; i++) {
		uint32_t place = w->places[s.first + i], at = place & 0xffff;
		const struct pattern *p = &w->patterns[place >> 16];

		if (place >> 16 != pattern)
			own = w->n_places;
		pattern = place >> 16;
		if (p->regex)
			add_row(w, pattern, p->regex->next[at + p->regex->class_of[byte]]);
		else if (at < p->text.n && p->glob && p->text.p[at] == '*')
			add_place(w, &own, pattern, at);
		else if (at < p->text.n && p->text.p[at] == byte)
			add_place(w, &own, pattern, at + 1);
	}
	add_state(w, first, from, byte,
		  shape_after(w->p, (enum shape) s.shape, byte),
		  regexes ? utf8_after((enum utf8) s.utf8, byte) : UTF8_WHOLE);
}

static struct slice
string_of(struct walk *w, uint32_t state)
{
	uint8_t *out;
	size_t n = 0, at;

	for (uint32_t s = state; s; s = w->states[s].parent)
		n++;
	out = arena_alloc(w->arena, n + 1);
	at = n;
	for (uint32_t s = state; s; s = w->states[s].parent)
		out[--at] = w->states[s].byte;
	return slice_of(out, n);
}

static bool
same_signs(const struct partition *p, size_t a, size_t b)
{
	size_t n = p->sign_words * sizeof(*p->signs);

	return memcmp(&p->signs[a * p->sign_words], &p->signs[b * p->sign_words], n) == 0;
}

/* Does a string that ends at this place match? */
static bool
is_match(const struct pattern *p, uint32_t at)
{
	if (p->regex)
		return p->regex->accepts[at / p->regex->n_classes];
	return only_stars(p->text, at) && (p->glob || at == p->text.n);
}

/* The class that the strings of a state are in, unless it is that of a constant of this walk. */
static void
note_class(struct walk *w, uint32_t state)
{
	const struct state *s = &w->states[state];
	struct partition *p = w->p;
	uint64_t *signs = &p->signs[p->n * p->sign_words];
	bool possible = is_shaped(p, (enum shape) s->shape) && s->utf8 == UTF8_WHOLE;

	memset(signs, 0, p->sign_words * sizeof(*signs));
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t place = w->places[s->first + i];
		size_t pattern = place >> 16, sign = pattern - w->n_constants;

		if (!is_match(&w->patterns[pattern], place & 0xffff))
			continue;
		if (pattern < w->n_constants)
			return;
		signs[sign / 64] |= UINT64_C(1) << sign % 64;
	}
	for (size_t i = p->n_constants; i < p->n; i++)
		if (same_signs(p, i, p->n)) {
			if (!p->classes[i].text.p || (possible && !p->classes[i].possible))
				p->classes[i] =
					(struct class){string_of(w, state), possible, false};
			return;
		}
	if (p->n + 1 == w->classes_cap) {
		w->full = true;
		return;
	}
	p->classes[p->n++] = (struct class){string_of(w, state), possible, false};
}

/* Which bytes to go on with where an automaton, or a character, is on its way: one of each kind. So
 * everywhere, when the byte that no pattern has is no character by itself. */
static void
add_bytes(const struct walk *w, const struct state *s, bool next[256])
{
	bool under_way = (s->utf8 != UTF8_WHOLE && s->utf8 != UTF8_BAD) || w->other >= 0x80;

	for (uint32_t k = 0; k < s->n && !under_way; k++) {
		uint32_t place = w->places[s->first + k];
		const struct regex *r = w->patterns[place >> 16].regex;

		under_way = r && (place & 0xffff) < r->sinks;
	}
	for (int b = 0; b < 256 && under_way; b++)
		next[b] |= w->apart[b];
}

static void
explore(struct walk *w)
{
	bool next[256];

	for (size_t i = 0, own; i < w->n_patterns; i++) {
		own = w->n_places;
		add_place(w, &own, i, 0);
	}
	add_state(w, 0, 0, 0, SHAPE_EMPTY, UTF8_WHOLE);
	for (uint32_t i = 0; i < w->n_states && !w->full; i++) {
		memset(next, 0, sizeof(next));
		next[w->other] = true;
		next['.'] |= w->p->of == PARTITION_TABLES;
		for (uint32_t k = 0; k < w->states[i].n; k++) {
			uint32_t place = w->places[w->states[i].first + k], at = place & 0xffff;
			const struct pattern *p = &w->patterns[place >> 16];

			if (!p->regex && at < p->text.n && !(p->glob && p->text.p[at] == '*'))
				next[p->text.p[at]] = true;
		}
		if (w->p->n_regexes)
			add_bytes(w, &w->states[i], next);
		note_class(w, i);
		for (int b = 0; b < 256 && !w->full; b++)
			if (next[w->order[b]])
				step(w, i, w->order[b]);
	}
}

static bool
is_told_apart(const struct partition *p, const bool used[256], uint8_t a, uint8_t b)
{
	if (used[a] || used[b])
		return true;
	for (int at = UTF8_WHOLE; at < UTF8_BAD; at++)
		if (utf8_after((enum utf8) at, a) != utf8_after((enum utf8) at, b))
			return true;
	for (size_t i = 0; i < p->n_regexes; i++)
		if (p->regexes[i].regex->class_of[a] != p->regexes[i].regex->class_of[b])
			return true;
	return false;
}

static void
order_bytes(struct walk *w)
{
	static const char nice[] = "xzqjkvwybhs0123456789_.- \xc3\xa9"; /* the last two: an accent */
	size_t n = 0;

	for (size_t i = 0; i < sizeof(nice) - 1; i++)
		w->order[n++] = (uint8_t) nice[i];
	for (unsigned k = 0; k < 256; k++) {
		uint8_t b = (uint8_t) (k + '!'); /* what can be read before controls */

		if (b == 0 || !memchr(nice, b, sizeof(nice) - 1))
			w->order[n++] = b;
	}
}

/* One byte of each kind; of all that stand in other patterns each is one. Never NUL, which no text
 * has. */
static void
find_kinds(struct walk *w, const struct pattern *v, size_t n)
{
	bool used[256] = {['.'] = w->p->of != PARTITION_STRINGS};
	uint8_t kinds[256];
	size_t n_kinds = 0;

	order_bytes(w);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < v[i].text.n && !v[i].regex; k++)
			used[v[i].text.p[k]] = true;
	for (size_t i = 0; i < 256; i++) {
		size_t k = 0;

		while (k < n_kinds && is_told_apart(w->p, used, kinds[k], w->order[i]))
			k++;
		if (k == n_kinds && w->order[i])
			kinds[n_kinds++] = w->order[i];
	}
	for (size_t i = 0; i < n_kinds; i++)
		w->apart[kinds[i]] = true;
}

static uint8_t
unused_byte(const struct pattern *v, size_t n)
{
	static const char nice[] = "xzqjkvwybh0123456789";
	bool used[256] = {true};

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < v[i].text.n; k++)
			used[v[i].text.p[k]] = true;
	for (size_t i = 0; i < sizeof(nice) - 1; i++)
		if (!used[(uint8_t) nice[i]])
			return (uint8_t) nice[i];
	/* Letters, and what else is a character by itself, before what is none. */
	for (int k = 0, b = 'z'; k < 128; k++, b = (b + 127) % 128)
		if (!used[b])
			return (uint8_t) b;
	for (int b = 255; b > 0; b--)
		if (!used[b])
			return (uint8_t) b;
	return 0;
}

static int
compare_classes(const void *a, const void *b, void *of)
{
	const struct partition *p = of;

	return slice_cmp(p->classes[*(const uint32_t *) a].text,
			 p->classes[*(const uint32_t *) b].text);
}

/* Classes in the order of their strings, so that those of a prefix stand together. */
static void
sort_classes(struct arena *arena, struct partition *p)
{
	uint32_t *order = ARENA_ARRAY(arena, uint32_t, p->n);
	struct class *classes = ARENA_ARRAY(arena, struct class, p->n);
	uint64_t *signs = ARENA_ARRAY(arena, uint64_t, p->n * p->sign_words);

	for (uint32_t i = 0; i < p->n; i++)
		order[i] = i;
	qsort_r(order, p->n, sizeof(*order), compare_classes, p);
	p->constant_class = ARENA_ARRAY(arena, uint32_t, p->n_constants + 1);
	for (uint32_t i = 0; i < p->n; i++) {
		classes[i] = p->classes[order[i]];
		memcpy(&signs[i * p->sign_words], &p->signs[order[i] * p->sign_words],
		       p->sign_words * sizeof(*signs));
		if (order[i] < p->n_constants)
			p->constant_class[order[i]] = i;
	}
	p->classes = classes;
	p->signs = signs;
}

/* slots: of regexes + 1, more of them than there are patterns; a power of two. */
static void
add_regex(struct partition *p, struct pattern pattern, uint32_t *slots, size_t n_slots)
{
	const struct regex *r = pattern.regex;
	size_t cells = (size_t) r->n_states * r->n_classes;
	size_t at = XXH3_64bits_withSeed(r->next, cells * sizeof(*r->next), r->n_states);

	at ^= XXH3_64bits(r->class_of, 256);
	for (at &= n_slots - 1; slots[at]; at = (at + 1) & (n_slots - 1))
		if (regex_same(p->regexes[slots[at] - 1].regex, r)) {
			if (!pattern.of_schema)
				p->regexes[slots[at] - 1].of_schema = NULL;
			return;
		}
	p->regexes[p->n_regexes++] = pattern;
	slots[at] = (uint32_t) p->n_regexes;
}

static void
split(struct arena *arena, struct partition *p, const struct pattern *patterns, size_t n)
{
	size_t n_slots = 2;
	uint32_t *slots;

	while (n_slots < 2 * n)
		n_slots *= 2;
	slots = ARENA_ARRAY(arena, uint32_t, n_slots);
	p->constants = ARENA_ARRAY(arena, struct slice, n + 1);
	p->globs = ARENA_ARRAY(arena, struct slice, n + 1);
	p->regexes = ARENA_ARRAY(arena, struct pattern, n + 1);
	for (size_t i = 0; i < n; i++)
		if (patterns[i].regex)
			add_regex(p, patterns[i], slots, n_slots);
		else if (patterns[i].glob && match_is_glob(patterns[i].text))
			p->globs[p->n_globs++] = patterns[i].text;
		else
			p->constants[p->n_constants++] = patterns[i].text;
	p->n_constants = unique(p->constants, p->n_constants);
	p->n_globs = unique(p->globs, p->n_globs);
	p->n_signs = p->n_globs + p->n_regexes;
	p->sign_words = (p->n_signs + 64) / 64;
	p->found = ARENA_ARRAY(arena, uint64_t, p->sign_words);
}

bool
partition_matches(const struct partition *p, size_t sign, struct slice s)
{
	if (sign < p->n_globs)
		return match_glob(p->globs[sign], s);
	return match_regex(p->regexes[sign - p->n_globs].regex, s);
}

bool
partition_has(const struct partition *p, size_t class, size_t sign)
{
	return p->signs[class * p->sign_words + sign / 64] >> sign % 64 & 1;
}

static bool
is_constant(const struct partition *p, struct slice s)
{
	return p->n_constants &&
	       bsearch(&s, p->constants, p->n_constants, sizeof(s), compare_slices);
}

static bool
has_signs(const struct partition *p, size_t class, struct slice s)
{
	for (size_t g = 0; g < p->n_signs; g++)
		if (partition_matches(p, g, s) != partition_has(p, class, g))
			return false;
	return true;
}

/* A longer string of the class, where a constant has taken its shortest. */
static bool
lengthen(struct walk *w, size_t class)
{
	struct class *c = &w->p->classes[class];
	uint8_t *s = arena_alloc(w->arena, c->text.n + 9);
	struct slice longer;

	for (size_t n = 1; n <= 8; n += 3)
		for (size_t at = 0; at <= c->text.n; at++) {
			longer = slice_of(s, c->text.n + n);
			memcpy(s, c->text.p, at);
			memset(s + at, w->other, n);
			memcpy(s + at + n, c->text.p + at, c->text.n - at);
			if (is_constant(w->p, longer) || !has_signs(w->p, class, longer) ||
			    is_possible(w->p, longer) != c->possible)
				continue;
			c->text = longer;
			return true;
		}
	return false;
}

/* Walks over the globs, and over those constants that have taken the string of a class. */
static bool
walk(struct walk *w, const bool *with)
{
	struct partition *p = w->p;
	struct pattern *all =
		ARENA_ARRAY(w->arena, struct pattern, p->n_constants + p->n_signs + 1);
	size_t n = 0;

	for (size_t i = 0; with && i < p->n_constants; i++)
		if (with[i])
			all[n++] = (struct pattern){.text = p->constants[i]};
	w->n_constants = n;
	for (size_t i = 0; i < p->n_globs; i++)
		all[n++] = (struct pattern){.text = p->globs[i], .glob = true};
	for (size_t i = 0; i < p->n_regexes; i++)
		all[n++] = p->regexes[i];
	if (n > MAX_WALK)
		return false;
	w->patterns = all;
	w->n_patterns = n;
	w->n_states = w->n_places = 0;
	w->states_cap = w->places_cap = 1024;
	w->states = ARENA_ARRAY(w->arena, struct state, w->states_cap);
	w->places = ARENA_ARRAY(w->arena, uint32_t, w->places_cap);
	w->slots = ARENA_ARRAY(w->arena, uint32_t, w->n_slots);
	explore(w);
	return !w->full;
}

/* Constants may have taken the strings that were found; of a few classes all that there are. */
static bool
give_strings(struct walk *w)
{
	struct partition *p = w->p;
	bool *with = ARENA_ARRAY(w->arena, bool, p->n_constants + 1), again = false;
	size_t kept = p->n_constants;

	for (size_t i = p->n_constants; i < p->n; i++) {
		if (!is_constant(p, p->classes[i].text) || lengthen(w, i))
			continue;
		p->classes[i] = (struct class){0};
		again = true;
		for (size_t k = 0; k < p->n_constants; k++)
			with[k] |= same_signs(p, i, k);
	}
	if (again && !walk(w, with))
		return false;
	for (size_t i = p->n_constants; i < p->n; i++)
		if (p->classes[i].text.p) {
			p->classes[kept] = p->classes[i];
			memmove(&p->signs[kept++ * p->sign_words], &p->signs[i * p->sign_words],
				p->sign_words * sizeof(*p->signs));
		}
	p->n = kept;
	return true;
}

/* Each constant against each pattern: only once it is known that there are not too many of them. */
static void
sign_constants(struct partition *p)
{
	for (size_t i = 0; i < p->n_constants; i++)
		for (size_t g = 0; g < p->n_signs; g++)
			if (partition_matches(p, g, p->constants[i]))
				p->signs[i * p->sign_words + g / 64] |= UINT64_C(1) << g % 64;
}

struct partition *
partition_new(struct arena *arena, const struct pattern *patterns, size_t n, enum partition_of of)
{
	struct partition *p = ARENA_NEW(arena, struct partition);
	struct walk w = {.arena = arena, .p = p};

	p->of = of;
	split(arena, p, patterns, n);
	w.classes_cap = p->n_constants + 4096;
	p->classes = ARENA_ARRAY(arena, struct class, w.classes_cap);
	p->signs = ARENA_ARRAY(arena, uint64_t, w.classes_cap * p->sign_words);
	for (size_t i = 0; i < n; i++)
		if (!patterns[i].regex && patterns[i].text.n >= MAX_PATTERN)
			return NULL;
	for (size_t i = 0; i < p->n_constants; i++)
		p->classes[p->n++] =
			(struct class){p->constants[i], is_possible(p, p->constants[i]), true};
	w.n_slots = p->n_signs ? MAX_STATES * 2 : 64;
	for (unsigned b = 0; b < 256; b++)
		w.order[b] = (uint8_t) b;
	w.other = unused_byte(patterns, n);
	if (p->n_regexes)
		find_kinds(&w, patterns, n);
	if (!walk(&w, NULL))
		return NULL;
	sign_constants(p);
	if (!give_strings(&w))
		return NULL;
	sort_classes(arena, p);
	return p;
}

size_t
partition_find(const struct partition *p, struct slice s)
{
	const struct slice *c = p->n_constants ? bsearch(&s, p->constants, p->n_constants,
							 sizeof(s), compare_slices)
					       : NULL;

	if (c)
		return p->constant_class[c - p->constants];
	memset(p->found, 0, p->sign_words * sizeof(*p->found));
	for (size_t g = 0; g < p->n_signs; g++)
		if (partition_matches(p, g, s))
			p->found[g / 64] |= UINT64_C(1) << g % 64;
	for (size_t i = 0; i < p->n; i++)
		if (!p->classes[i].constant && memcmp(&p->signs[i * p->sign_words], p->found,
						      p->sign_words * sizeof(*p->found)) == 0)
			return i;
	panic_at(__FILE__, __LINE__, __func__, "every string has a class");
}

void
partition_offer(struct partition *p, struct slice s)
{
	if (is_possible(p, s))
		(void) partition_prefer(p, s);
}

size_t
partition_prefer(struct partition *p, struct slice s)
{
	size_t i = partition_find(p, s);

	p->classes[i].text = s;
	p->classes[i].possible = is_possible(p, s);
	return i;
}
