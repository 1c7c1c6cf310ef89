/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

enum log_level log_min_level = LOG_INFO;

/* A value may hold what a peer sent; a line stays one line and prints as text. */
static size_t
make_visible(uint8_t *p, size_t n)
{
	size_t to = 0;

	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		len = utf8_sequence(slice_of(p + i, n - i));
		if (len == 0 || utf8_hides(utf8_character(p + i, len))) {
			p[to++] = '?';
		} else {
			memmove(p + to, p + i, len);
			to += len;
		}
	}
	return to;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	char line[1024], when[28];
	int head, body;
	size_t n;
	va_list ap;

	if (level < log_min_level)
		return;
	clock_format(clock_wall_ns(), when);
	head = snprintf(line, sizeof(line), "%s %s ", when, names[level]);
	va_start(ap, fmt);
	body = vsnprintf(line + head, sizeof(line) - (size_t) head - 1, fmt, ap);
	va_end(ap);
	n = (size_t) head + (body < 0 ? 0 : (size_t) body);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	n = make_visible((uint8_t *) line, n);
	line[n++] = '\n';
	/* One write, so that lines of several threads do not mix; nothing to do if it fails. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

struct log_value
log_quote(const char *text)
{
	struct log_value out = {.text = "\""};
	size_t n = 1;

	/* Room for an escaped character, the closing quote and the end. */
	for (; *text && n < sizeof(out.text) - 3; text++) {
		if (*text == '"' || *text == '\\')
			out.text[n++] = '\\';
		out.text[n++] = *text;
	}
	out.text[n] = '"';
	return out;
}

bool
log_whole(struct slice text)
{
	char when[28], head[40];
	int n;

	clock_format(clock_wall_ns(), when);
	n = snprintf(head, sizeof(head), "%s info ", when);
	struct iovec v[] = {{head, (size_t) n},
			    {(void *) (uintptr_t) text.p, text.n},
			    {(char[]){'\n'}, 1}};

	return writev(STDERR_FILENO, v, 3) == (ssize_t) ((size_t) n + text.n + 1);
}
