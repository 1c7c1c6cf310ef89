/* SPDX-License-Identifier: MIT */
#include "compiler/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void
sources_init(struct sources *s, struct arena *arena)
{
	*s = (struct sources){.arena = arena};
}

uint32_t
sources_add(struct sources *s, const char *path, struct slice text, struct span imported)
{
	struct source *f;

	assert(text.n <= SOURCE_MAX_BYTES);
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 4;
		struct source *files = ARENA_ARRAY(s->arena, struct source, cap);

		if (s->n)
			memcpy(files, s->files, s->n * sizeof(*files));
		s->files = files;
		s->cap = cap;
	}
	f = &s->files[s->n];
	*f = (struct source){
		.path = arena_str(s->arena, slice_str(path)),
		.text = arena_copy(s->arena, text),
		.imported = imported,
	};
	return s->n++;
}

/* With the size, where it is that of a file. */
static const char *
too_large(struct arena *arena, int fd)
{
	struct stat st;
	const char *found = "";

	if (fstat(fd, &st) == 0 && st.st_size > SOURCE_MAX_BYTES)
		found = arena_printf(arena, "it has %lld bytes, and ", (long long) st.st_size);
	return arena_printf(arena, "%sat most %d are read (%d MiB): take it apart with `import`, or "
			    "say with a group or a pattern what many rules have in common",
			    found, SOURCE_MAX_BYTES, SOURCE_MAX_BYTES >> 20);
}

/* Reads until the end; the size that stat tells is not trusted (pipes, growing files). */
static bool
read_all(struct arena *arena, int fd, struct slice *text, const char **error)
{
	size_t cap = 64 << 10, n = 0;
	uint8_t *p = malloc(cap);
	ssize_t got = p ? 1 : -1;

	while (got > 0) {
		if (n == cap) {
			uint8_t *more = cap > SOURCE_MAX_BYTES ? NULL : realloc(p, cap * 2);

			if (!more) {
				errno = EFBIG;
				got = -1;
				break;
			}
			p = more;
			cap *= 2;
		}
		got = read(fd, p + n, cap - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t) got;
	}
	if (got == 0 && n > SOURCE_MAX_BYTES) {
		errno = EFBIG;
		got = -1;
	}
	if (got < 0 && errno == EFBIG)
		*error = too_large(arena, fd);
	else if (got < 0)
		*error = strerror(errno);
	else
		*text = arena_copy(arena, slice_of(p, n));
	if (p)
		explicit_bzero(p, cap); /* it may be a configuration with passwords */
	free(p);
	return got == 0;
}

bool
source_read(struct arena *arena, const char *path, struct slice *text, const char **error)
{
	bool ok;
	int fd;

	if (strcmp(path, "-") == 0)
		return read_all(arena, STDIN_FILENO, text, error);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		*error = strerror(errno);
		return false;
	}
	ok = read_all(arena, fd, text, error);
	close(fd);
	return ok;
}

bool
source_read_named(struct arena *arena, const char *path, struct slice *text, const char **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool ok = false;

	if (fd < 0 || fstat(fd, &st) < 0)
		*error = strerror(errno);
	else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		ok = read_all(arena, fd, text, error);
	else
		*error = "it is no regular file";
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- Lines ---- */

static void
index_lines(struct sources *s, struct source *f)
{
	uint32_t n = 1;

	if (f->lines)
		return;
	for (size_t i = 0; i < f->text.n; i++)
		n += f->text.p[i] == '\n';
	f->lines = ARENA_ARRAY(s->arena, uint32_t, n);
	f->n_lines = n;
	n = 1;
	for (uint32_t i = 0; i < f->text.n; i++)
		if (f->text.p[i] == '\n')
			f->lines[n++] = i + 1;
}

struct position
source_position(struct sources *s, struct span at)
{
	struct source *f;
	uint32_t low = 0, high, column = 1;

	assert(at.file < s->n);
	f = &s->files[at.file];
	assert(at.off <= f->text.n);
	index_lines(s, f);
	high = f->n_lines;
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (f->lines[mid] <= at.off)
			low = mid;
		else
			high = mid;
	}
	for (uint32_t i = f->lines[low]; i < at.off; i++)
		column += (f->text.p[i] & 0xc0) != 0x80;
	return (struct position){f, low + 1, column};
}

static bool
is_word(uint8_t c)
{
	return c == '_' || c == '-' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c >= 0x80;
}

/* Stars out what may be a secret in one line of a configuration: all that follows a word
 * `password`, `key` or `secret` (however it is quoted, or misquoted), and every string that does
 * not follow one of the words below. A string that a line break separated from its word is starred
 * too. */
static void
star_out(uint8_t *p, size_t n)
{
	static const char *const harmless[] = {
		"policy", "state", "cert", "ca", "login", "database", "address",
		"password-file", "password-env", "secret-file", "secret-env",
	};
	struct slice word = {0};
	bool show = false;

	for (size_t i = 0; i < n;) {
		size_t start = i;

		if (p[i] == '"') {
			for (i++; i < n && p[i] != '"'; i++)
				if (p[i] == '\\' && i + 1 < n)
					i++;
			if (!show)
				memset(p + start + 1, '*', (i < n ? i : n) - start - 1);
			i += i < n;
			show = false;
			continue;
		}
		if (!is_word(p[i])) {
			i++;
			continue;
		}
		while (i < n && is_word(p[i]))
			i++;
		word = slice_of(p + start, i - start);
		if (slice_is(word, "password") || slice_is(word, "key") ||
		    slice_is(word, "secret")) {
			for (; i < n; i++)
				if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '"')
					p[i] = '*';
			return;
		}
		show = false;
		for (size_t k = 0; k < COUNT_OF(harmless); k++)
			show = show || slice_is(word, harmless[k]);
	}
}

struct slice
source_line(struct sources *s, uint32_t file, uint32_t line)
{
	struct source *f = &s->files[file];
	uint32_t start, end;
	struct slice out;

	index_lines(s, f);
	assert(line >= 1 && line <= f->n_lines);
	start = f->lines[line - 1];
	end = line < f->n_lines ? f->lines[line] - 1 : (uint32_t) f->text.n;
	out = slice_of(f->text.p + start, end - start);
	if (f->holds_secrets) {
		out = arena_copy(s->arena, out);
		star_out((uint8_t *) (uintptr_t) out.p, out.n);
	}
	return out;
}

struct slice
source_text(struct sources *s, struct span at)
{
	struct source *f = &s->files[at.file];
	struct position pos;
	struct slice line;
	uint32_t off;

	if (!f->holds_secrets)
		return slice_of(f->text.p + at.off, at.len);
	pos = source_position(s, at);
	line = source_line(s, at.file, pos.line);
	off = at.off - f->lines[pos.line - 1];
	return slice_of(line.p + off, off + at.len <= line.n ? at.len : line.n - off);
}
