/* SPDX-License-Identifier: MIT */
#include "compiler/foreign.h"

#include "vm/image.h"

#include <ctype.h>
#include <strings.h>

enum word_class { WORD, CLAUSE, DECL };

static const struct {
	const char *word;
	enum word_class class;
} keywords[] = {
#define KEYWORD(id, word, class) {word, class},
#define TOKEN(id, name)
#include "grammar/tokens.def"
#undef KEYWORD
#undef TOKEN
};

static const char key[] = "it is a private key; nothing of it is shown";

static struct slice
next_line(struct slice *rest)
{
	const uint8_t *end = memchr(rest->p, '\n', rest->n);
	struct slice line = slice_of(rest->p, end ? (size_t) (end - rest->p) : rest->n);

	*rest = slice_of(line.p + line.n + (end != NULL), rest->n - line.n - (end != NULL));
	return line;
}

/* The letters that the line begins with, when a blank, a quote, a comment or nothing follows. */
static struct slice
first_word(struct slice line)
{
	size_t from = 0, to;

	if (line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		from = 3;
	while (from < line.n && isspace(line.p[from]))
		from++;
	for (to = from; to < line.n && (isalnum(line.p[to]) || line.p[to] == '-');)
		to++;
	if (to < line.n && !isspace(line.p[to]) && !strchr("\"#", line.p[to]))
		return (struct slice){0};
	return slice_of(line.p + from, to - from);
}

/* Whether there is more than blanks and comments. */
static bool
says_something(struct slice line)
{
	size_t i = 0;

	while (i < line.n && isspace(line.p[i]))
		i++;
	return i < line.n && line.p[i] != '#';
}

/* A line as OpenSSL and ssh-keygen write it; inside a string it is something to look for. */
static bool
begins_key(struct slice line)
{
	static const char begin[] = "-----BEGIN ", mark[] = "PRIVATE KEY-----";
	size_t from = 0;

	while (from < line.n && isspace(line.p[from]))
		from++;
	return line.n - from >= sizeof(begin) - 1 &&
	       memcmp(line.p + from, begin, sizeof(begin) - 1) == 0 &&
	       memmem(line.p, line.n, mark, sizeof(mark) - 1);
}

static bool
holds_key(struct slice text)
{
	bool hex = text.n >= 2 * ED25519_SEED_LEN && text.n <= 2 * ED25519_SEED_LEN + 2;

	for (size_t i = 0; i < text.n && hex; i++)
		hex = isxdigit(text.p[i]) || (i >= 2 * ED25519_SEED_LEN && isspace(text.p[i]));
	for (struct slice rest = text; rest.n && !hex;)
		hex = begins_key(next_line(&rest));
	return hex;
}

static bool
declares(struct slice word)
{
	for (size_t i = 0; i < COUNT_OF(keywords); i++)
		if (keywords[i].class == DECL && slice_is(word, keywords[i].word))
			return true;
	return slice_is(word, "notify");
}

const char *
foreign_policy(struct slice text)
{
	bool any = false, good = false, config = false;

	if (image_is_image(text))
		return "it is an image that was built already: `weir dis` prints what it holds";
	if (holds_key(text))
		return key;
	for (struct slice rest = text; rest.n;) {
		struct slice line = next_line(&rest), word = first_word(line);

		any = any || says_something(line);
		good = good || declares(word);
		config = config || slice_is(word, "listen") || slice_is(word, "principal");
	}
	if (config)
		return "it is a configuration: `weir run --check -c FILE` checks that";
	return good || !any ? NULL
			    : "no line begins with a declaration, such as `allow`; nothing of it is "
			      "shown, in case it is a secret";
}

const char *
foreign_config(struct slice text, const char *const *words, size_t n)
{
	bool any = false, good = false;

	if (image_is_image(text))
		return "it is an image";
	if (holds_key(text))
		return key;
	for (struct slice rest = text; rest.n;) {
		struct slice line = next_line(&rest), word = first_word(line);

		any = any || says_something(line);
		for (size_t i = 0; i < n; i++)
			good = good || slice_is(word, words[i]);
	}
	return good || !any ? NULL
			    : "no line begins with a setting, such as `listen`; nothing of it is "
			      "shown, in case it is a secret";
}

const char *
foreign_catalog(struct slice text)
{
	static const char word[] = "create";
	const size_t n = sizeof(word) - 1;
	bool any = false;

	if (holds_key(text))
		return key;
	for (size_t i = 0; i < text.n; i++) {
		any = any || !isspace(text.p[i]);
		if (i + n < text.n && isspace(text.p[i + n]) &&
		    strncasecmp((const char *) text.p + i, word, n) == 0)
			return NULL;
	}
	return any ? "nothing in it is created; nothing of it is shown, in case it is a secret" : NULL;
}
