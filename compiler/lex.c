/* SPDX-License-Identifier: MIT
 *
 * What each token means: the lexer's rules (grammar/lexer.re) call one function here per token.
 */
#include "compiler/lex_internal.h"

#include "policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
	const char *word;
	int code;
	enum word_class class;
} keywords[] = {
#define KEYWORD(id, word, class) {word, TK_##id, WORD_##class},
#define TOKEN(id, description)
#include "grammar/tokens.def"
#undef KEYWORD
#undef TOKEN
};

const char *
token_code_name(int code)
{
	switch (code) {
#define KEYWORD(id, word, class)                                                                  \
	case TK_##id:                                                                             \
		return "`" word "`";
#define TOKEN(id, description)                                                                    \
	case TK_##id:                                                                             \
		return description;
#include "grammar/tokens.def"
#undef KEYWORD
#undef TOKEN
	case TK_NOTIFY_RULE:
		return "`notify`";
	default:
		return "the end of the file";
	}
}

/* ---- Names ---- */

static uint64_t
hash(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a; texts are small and trusted enough */

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3;
	return h ^ h >> 29;
}

static void
interner_grow(struct interner *in)
{
	size_t cap = in->cap ? in->cap * 2 : 512;
	struct symbol **buckets = ARENA_ARRAY(in->arena, struct symbol *, cap);

	for (size_t i = 0; i < in->cap; i++)
		for (struct symbol *sym = in->buckets[i], *next; sym; sym = next) {
			size_t b = sym->hash & (cap - 1);

			next = sym->next;
			sym->next = buckets[b];
			buckets[b] = sym;
		}
	in->buckets = buckets;
	in->cap = cap;
}

struct symbol *
intern(struct interner *in, struct slice s)
{
	uint64_t h = hash(s);
	struct symbol *sym;

	for (sym = in->buckets[h & (in->cap - 1)]; sym; sym = sym->next)
		if (sym->hash == h && slice_eq(slice_of(sym->s, sym->len), s))
			return sym;
	if (in->n >= in->cap)
		interner_grow(in);
	sym = ARENA_NEW(in->arena, struct symbol);
	sym->s = arena_str(in->arena, s);
	sym->len = s.n;
	sym->hash = h;
	sym->next = in->buckets[h & (in->cap - 1)];
	in->buckets[h & (in->cap - 1)] = sym;
	in->n++;
	return sym;
}

void
interner_init(struct interner *in, struct arena *arena)
{
	*in = (struct interner){.arena = arena};
	interner_grow(in);
	for (size_t i = 0; i < COUNT_OF(keywords); i++) {
		struct symbol *sym = intern(in, slice_str(keywords[i].word));

		sym->keyword = keywords[i].code;
		sym->class = keywords[i].class;
	}
}

/* ---- Tokens ---- */

enum { CHARACTERS = 8 }; /* per token, with what is between: about as many */

static struct span
span_of(const struct lexer *lx, struct slice s)
{
	return (struct span){lx->file, (uint32_t) (s.p - lx->text.p), (uint32_t) s.n};
}

static struct token *
push(struct lexer *lx, int code, struct slice s)
{
	struct tokens *out = lx->out;
	struct token *t;

	if (out->n == out->cap) {
		size_t cap = out->cap ? out->cap * 2 : lx->text.n / CHARACTERS + 16;
		struct token *v = ARENA_ARRAY(lx->in->arena, struct token, cap);

		if (out->n)
			memcpy(v, out->v, out->n * sizeof(*v));
		out->v = v;
		out->cap = cap;
	}
	t = &out->v[out->n++];
	*t = (struct token){
		.code = code,
		.line_start = lx->newlines > 0 || out->n == 1,
		.newlines = (uint8_t) (lx->newlines > 2 ? 2 : lx->newlines),
		.at = span_of(lx, s),
	};
	lx->newlines = 0;
	return t;
}

void
lex_newline(struct lexer *lx)
{
	lx->newlines++;
}

void
lex_comment(struct lexer *lx, struct slice s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
		s.n--;
	push(lx, TK_COMMENT, s)->string = s;
}

void
lex_name(struct lexer *lx, struct slice s)
{
	const struct symbol *sym = intern(lx->in, s);

	push(lx, sym->keyword ? sym->keyword : TK_NAME, s)->sym = sym;
}

void
lex_pattern(struct lexer *lx, struct slice s)
{
	push(lx, TK_PATTERN, s)->sym = intern(lx->in, s);
}

void
lex_mark(struct lexer *lx, int code, struct slice s)
{
	push(lx, code, s);
}

/* Code point and length of the valid UTF-8 sequence at p. */
static uint32_t
decode(const uint8_t *p, size_t *n)
{
	*n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	switch (*n) {
	case 1:
		return p[0];
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	default:
		return (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 |
		       (p[3] & 0x3fu);
	}
}

/* Characters that make a text read differently from what it says (Unicode TR 36, "Trojan
 * Source"): refused everywhere, in comments and strings too. */
static bool
is_invisible(uint32_t c)
{
	return c == 0xad || c == 0x61c || c == 0x115f || c == 0x1160 || c == 0x180e ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0x3164 || c == 0xfeff || c == 0xffa0 ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f) ||
	       (c >= 0x80 && c <= 0x9f);
}

/* What the character is taken for, or NULL. */
static const char *
lookalike(uint32_t c)
{
	static const struct {
		uint32_t c;
		const char *meant;
	} table[] = {
#define LOOKALIKE(c, meant) {c, meant},
#include "grammar/lookalikes.def"
#undef LOOKALIKE
	};

	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (table[i].c == c)
			return table[i].meant;
	return NULL;
}

const char *
lex_taken_for(const uint8_t *p, uint32_t *c, size_t *n)
{
	*c = decode(p, n);
	return lookalike(*c);
}

/* The word with all of its letters as they were meant, if that can be told. */
static void
suggest_ascii(struct lexer *lx, struct diag *d, struct slice s)
{
	struct buf word = {0};
	size_t n;

	for (size_t i = 0; i < s.n; i += n) {
		uint32_t c = decode(s.p + i, &n);
		const char *meant = lookalike(c);

		if (c < 0x80) {
			buf_putc(&word, (uint8_t) c);
		} else if (c >= 0xff01 && c <= 0xff5e) {
			buf_putc(&word, (uint8_t) (c - 0xff01 + '!'));
		} else if (meant) {
			buf_puts(&word, meant);
		} else {
			buf_fini(&word);
			return;
		}
	}
	assert(!word.failed);
	diag_edit(lx->q, d, span_of(lx, s), "%.*s", (int) word.n, (const char *) word.p);
	buf_fini(&word);
}

/* A word with a letter outside ASCII. Any of them may look like another name, so none is taken:
 * which alphabets are harmless together is not a question a security policy should depend on. */
void
lex_foreign(struct lexer *lx, struct slice s)
{
	size_t i = 0, n;
	uint32_t c;

	while (s.p[i] < 0x80)
		i++;
	c = decode(s.p + i, &n);
	if (!is_invisible(c)) /* or it is reported already */
		suggest_ascii(lx, diag(lx->q, FOREIGN_LETTER, span_of(lx, slice_of(s.p + i, n)), c),
			      s);
	push(lx, TK_NAME, s)->sym = intern(lx->in, s);
}

void
lex_bad_character(struct lexer *lx, struct slice s)
{
	char shown[8];

	if (s.p[0] == ';') {
		struct diag *d = diag(lx->q, BAD_CHARACTER, span_of(lx, s), "';'");

		diag_note(lx->q, d, SPAN_NONE,
			  "nothing ends a line here: every clause starts with a keyword");
		diag_edit(lx->q, d, d->at, "%s", "");
	} else if (s.p[0] > ' ' && s.p[0] < 0x7f)
		diag(lx->q, BAD_CHARACTER, span_of(lx, s),
		     (snprintf(shown, sizeof(shown), "'%c'", s.p[0]), shown));
	else
		diag(lx->q, BAD_CHARACTER, span_of(lx, s), "a control character");
}

/* ---- Numbers ---- */

static const struct {
	const char *unit;
	int code;
	int64_t factor;
} units[] = {
	{"", TK_INT, 1},
	{"ms", TK_DURATION, 1},
	{"s", TK_DURATION, 1000},
	{"m", TK_DURATION, 60 * 1000},
	{"h", TK_DURATION, 3600 * 1000},
	{"d", TK_DURATION, 24 * 3600 * 1000},
	{"B", TK_SIZE, 1},
	{"KB", TK_SIZE, 1000},
	{"MB", TK_SIZE, 1000 * 1000},
	{"GB", TK_SIZE, 1000 * 1000 * 1000},
	{"KiB", TK_SIZE, 1 << 10},
	{"MiB", TK_SIZE, 1 << 20},
	{"GiB", TK_SIZE, 1 << 30},
};

/* Units as they are said, or in the wrong case; "M" alone could be either of two. */
static void
suggest_unit(struct lexer *lx, struct diag *d, struct slice s)
{
	static const char *const said[][2] = {
		{"sec", "s"},	 {"secs", "s"},	   {"second", "s"}, {"seconds", "s"},
		{"min", "m"},	 {"mins", "m"},	   {"minute", "m"}, {"minutes", "m"},
		{"hr", "h"},	 {"hrs", "h"},	   {"hour", "h"},   {"hours", "h"},
		{"day", "d"},	 {"days", "d"},	   {"bytes", "B"},
	};
	const char *word = arena_str(lx->in->arena, s);

	for (size_t i = 0; i < COUNT_OF(said); i++)
		if (strcasecmp(said[i][0], word) == 0)
			diag_edit(lx->q, d, d->at, "%s", said[i][1]);
	for (size_t i = 0; s.n > 1 && !d->edits && i < COUNT_OF(units); i++)
		if (strcasecmp(units[i].unit, word) == 0)
			diag_edit(lx->q, d, d->at, "%s", units[i].unit);
}

void
lex_number(struct lexer *lx, struct slice s)
{
	bool negative = s.p[0] == '-', fits = true;
	int64_t v = 0;
	size_t i = negative;
	struct slice unit;

	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		fits = fits && !__builtin_mul_overflow(v, 10, &v) &&
		       !__builtin_add_overflow(v, s.p[i] - '0', &v);
	unit = slice_of(s.p + i, s.n - i);
	for (i = 0; i < COUNT_OF(units); i++)
		if (slice_is(unit, units[i].unit)) {
			struct token *t = push(lx, units[i].code, s);

			if (!fits || __builtin_mul_overflow(v, units[i].factor, &v))
				diag(lx->q, NUMBER_RANGE, t->at);
			else
				t->number = negative ? -v : v;
			return;
		}
	suggest_unit(lx, diag(lx->q, BAD_UNIT, span_of(lx, unit), arena_str(lx->in->arena, unit)),
		     unit);
	push(lx, TK_INT, s);
}

void
lex_bad_number(struct lexer *lx, struct slice s)
{
	struct token *t = push(lx, TK_INT, s);

	diag_note(lx->q, diag(lx->q, BAD_NUMBER, t->at, SLICE_ARG(s)), SPAN_NONE,
		  "numbers are whole; write a decimal value of a test as a string: \"%.*s\"",
		  SLICE_ARG(s));
}

void
lex_clock(struct lexer *lx, struct slice s)
{
	size_t colon = s.p[1] == ':' ? 1 : 2;
	int hour = colon == 1 ? s.p[0] - '0' : (s.p[0] - '0') * 10 + s.p[1] - '0';
	int minute = (s.p[colon + 1] - '0') * 10 + s.p[colon + 2] - '0';
	struct token *t = push(lx, TK_CLOCK, s);

	if (hour > 23 || minute > 59)
		diag(lx->q, BAD_TIME, t->at, SLICE_ARG(s));
	else
		t->number = hour * 3600 + minute * 60;
}

/* Clears the bits behind the prefix; false if one was set. */
static bool
cidr_trim(struct cidr *a, unsigned size)
{
	bool clean = true;

	for (unsigned bit = a->bits; bit < size * 8; bit++) {
		uint8_t mask = (uint8_t) (0x80 >> (bit & 7));

		clean = clean && !(a->addr[bit / 8] & mask);
		a->addr[bit / 8] &= (uint8_t) ~mask;
	}
	return clean;
}

void
lex_address(struct lexer *lx, struct slice s)
{
	struct token *t = push(lx, TK_ADDRESS, s);
	const uint8_t *slash = memchr(s.p, '/', s.n);
	size_t n = slash ? (size_t) (slash - s.p) : s.n;
	bool v6 = memchr(s.p, ':', s.n) != NULL;
	unsigned size = v6 ? 16 : 4;
	unsigned long bits = size * 8;
	char text[64];

	t->address.family = v6 ? 6 : 4;
	if (slash && s.n - n <= 4)
		bits = strtoul(arena_str(lx->in->arena, slice_of(slash + 1, s.n - n - 1)), NULL,
			       10);
	else if (slash)
		bits = 999;
	if (n < sizeof(text)) {
		memcpy(text, s.p, n);
		text[n] = '\0';
	}
	if (n >= sizeof(text) || bits > size * 8 ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, text, t->address.addr) != 1) {
		diag(lx->q, BAD_ADDRESS, t->at, SLICE_ARG(s));
		return;
	}
	t->address.bits = (uint8_t) bits;
	t->number = slash != NULL;
	if (!cidr_trim(&t->address, size))
		diag(lx->q, ADDRESS_BITS, t->at, SLICE_ARG(s));
}

/* ---- Strings ---- */

/* A backslash that stands for itself, as in a path or an expression. */
static void
suggest_escape(struct lexer *lx, struct slice s)
{
	struct diag *d = diag(lx->q, BAD_ESCAPE, span_of(lx, s));

	diag_edit(lx->q, d, span_of(lx, slice_of(s.p, 1)), "%s", "\\\\");
}

static void
string_push(struct lexer *lx, struct slice s, struct slice inner)
{
	struct token *t = push(lx, TK_STRING, s);
	uint8_t *v = arena_alloc(lx->in->arena, inner.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < inner.n; i++) {
		uint8_t c = inner.p[i];

		if (c == '\\' && i + 1 < inner.n) {
			c = inner.p[++i];
			if (c == 'n')
				c = '\n';
			else if (c != '"' && c != '\\')
				suggest_escape(lx, slice_of(inner.p + i - 1, 2));
		}
		v[n++] = c;
	}
	t->string = slice_of(v, n);
}

void
lex_string(struct lexer *lx, struct slice s)
{
	string_push(lx, s, slice_of(s.p + 1, s.n - 2));
}

void
lex_open_string(struct lexer *lx, struct slice s)
{
	diag(lx->q, STRING_NOT_CLOSED, span_of(lx, s));
	string_push(lx, s, slice_of(s.p + 1, s.n - 1));
}

/* What is between the slashes is read where it is used (check_regex.c). */
void
lex_regex(struct lexer *lx, struct slice s)
{
	push(lx, TK_REGEX, s)->string = s;
}

void
lex_open_regex(struct lexer *lx, struct slice s)
{
	struct token *t = push(lx, TK_REGEX, s);

	diag_note(lx->q, diag(lx->q, REGEX_NOT_CLOSED, t->at), SPAN_NONE,
		  "a '/' in it is written \\/; the path of a file is written in quotes");
}

/* ---- The text as a whole ---- */

/* Length of a valid UTF-8 sequence at p (RFC 3629), 0 if it is none. */
static size_t
utf8_length(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
		   p[0] < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Reports what no text may hold and cuts the text where reading on makes no sense. */
static void
check_text(struct lexer *lx)
{
	for (size_t i = 0, n; i < lx->text.n; i += n) {
		const uint8_t *p = lx->text.p + i;
		uint32_t c;

		n = utf8_length(p, lx->text.n - i);
		if (n == 0 || *p == '\0') {
			struct span at = span_of(lx, slice_of(p, 1));

			if (n == 0)
				diag(lx->q, BAD_UTF8, at);
			else
				diag(lx->q, NUL_BYTE, at);
			lx->text.n = i;
			return;
		}
		c = decode(p, &n);
		if (is_invisible(c)) {
			struct span at = span_of(lx, slice_of(p, n));
			struct diag *d = diag(lx->q, INVISIBLE_CHARACTER, at, c);

			/* The two that end a line somewhere else leave a blank. */
			diag_edit(lx->q, d, at, "%s", c == 0x2028 || c == 0x2029 ? " " : "");
			if (c == 0xfeff && i == 0)
				diag_note(lx->q, d, SPAN_NONE, "it is a byte order mark: save the "
							       "file as UTF-8 without one");
		}
	}
}

void
lex(struct diag_queue *q, struct interner *in, uint32_t file, struct tokens *out)
{
	struct lexer lx = {q, in, out, q->sources->files[file].text, file, 0};

	*out = (struct tokens){0};
	check_text(&lx);
	if (lx.text.n != q->sources->files[file].text.n) /* the scan ends at a NUL */
		lx.text = arena_copy(in->arena, lx.text);
	lex_scan(&lx);
	if (out->n == 0)
		lx.newlines = 0;
	push(&lx, TK_END, slice_of(lx.text.p + lx.text.n, 0));
}
