/* SPDX-License-Identifier: MIT
 *
 * What functions and triggers inside the database say with RAISE, or fail with, can hold whatever
 * they have read. The server tells in the field CONTEXT which code was at work, the innermost
 * first, a line each. While masks are in force, only what the policy vouches for may speak; other
 * contexts are of the statement itself. A line that is not known, be it only in another language
 * than English, is taken for one of code.
 */
#include "session/session.h"

static bool
takes(struct slice *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n) != 0)
		return false;
	*s = slice_of(s->p + n, s->n - n);
	return true;
}

/* One name, as the server quotes it, into `to`. */
static bool
take_name(struct slice *s, struct buf *to)
{
	size_t i = 0;
	bool quoted = s->n && s->p[0] == '"';

	buf_reset(to);
	for (i = quoted; i < s->n; i++) {
		uint8_t c = s->p[i];

		if (quoted && c == '"' && !(i + 1 < s->n && s->p[i + 1] == '"'))
			break;
		if (!quoted && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' &&
		    c != '$' && c < 0x80)
			break;
		i += quoted && c == '"';
		buf_putc(to, c);
	}
	if (quoted && i == s->n)
		return false;
	*s = slice_of(s->p + i + quoted, s->n - i - quoted);
	return to->n > 0;
}

/* "schema.name(types) line ...", or "name" statement ...: vouched for, whichever of that name it
 * is. */
static bool
is_vouched(struct session *s, struct slice line, const char *then)
{
	struct buf first = {0}, second = {0};
	bool good = take_name(&line, &first), qualified = good && takes(&line, ".");

	good = good && (!qualified || take_name(&line, &second)) && takes(&line, then);
	good = good && gate_vouches(s->gate, qualified ? buf_slice(&first) : (struct slice){0},
				    buf_slice(qualified ? &second : &first));
	buf_fini(&first);
	buf_fini(&second);
	return good;
}

/* Of the statement that the client sent, or of the server's own work for it. What a statement of a
 * function is, is followed by the line of that function. */
static bool
is_own(struct slice line)
{
	static const char *const begin[] = {"COPY ",
					    "JSON data, line ",
					    "while ",
					    "SQL statement \"",
					    "unnamed portal ",
					    "extended query with parameters"};

	for (size_t i = 0; i < COUNT_OF(begin); i++)
		if (takes(&line, begin[i]))
			return true;
	return slice_is(line, "parallel worker");
}

bool
session_code_speaks(struct session *s, const struct pg_msg_error *e)
{
	struct slice fields = e->fields, text, line;
	uint8_t code;

	if (!gate_has_masks(s->gate))
		return false;
	while (pg_error_next(&fields, &code, &text)) {
		while (code == 'W' && text.n) {
			const uint8_t *end = memchr(text.p, '\n', text.n);
			size_t n = end ? (size_t) (end - text.p) : text.n;

			line = slice_of(text.p, n);
			text = slice_of(text.p + n + (end != NULL), text.n - n - (end != NULL));
			if (takes(&line, "PL/pgSQL function ")	 ? !is_vouched(s, line, "(")
			    : takes(&line, "SQL function ") ? !is_vouched(s, line, " ")
							    : !is_own(line))
				return true;
		}
	}
	return false;
}
