/* SPDX-License-Identifier: MIT */
#include "lsp/rpc.h"

#include <strings.h>

enum { MAX_DIGITS = 15 };

/* The number of a Content-Length line; false when it is none. */
static bool
read_length(struct slice s, size_t *out)
{
	size_t n = 0, i = 0;

	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i == s.n || s.n - i > MAX_DIGITS)
		return false;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (s.p[i] - '0');
	}
	*out = n;
	return true;
}

static bool
is_length(struct slice name)
{
	static const char word[] = "Content-Length";

	return name.n == sizeof(word) - 1 && strncasecmp((const char *) name.p, word, name.n) == 0;
}

/* The head without its last, empty line. Other fields than the length mean nothing to us. */
static bool
read_head(struct slice head, size_t *length)
{
	bool found = false;

	while (head.n) {
		const uint8_t *end = memchr(head.p, '\n', head.n), *colon;
		struct slice value;
		size_t n = end ? (size_t) (end - head.p) : head.n;
		struct slice line = slice_of(head.p, n && head.p[n - 1] == '\r' ? n - 1 : n);

		head = slice_of(head.p + n + (end != NULL), head.n - n - (end != NULL));
		colon = memchr(line.p, ':', line.n);
		if (!colon)
			return false;
		if (!is_length(slice_of(line.p, (size_t) (colon - line.p))))
			continue;
		value = slice_of(colon + 1, line.n - (size_t) (colon + 1 - line.p));
		if (found || !read_length(value, length))
			return false;
		found = true;
	}
	return found;
}

/* One byte of the head. True when it is whole. */
static bool
take_head(struct rpc_reader *r, uint8_t c)
{
	size_t n = r->head_n;

	if (n == sizeof(r->head)) {
		r->broken = true;
		return false;
	}
	r->head[n++] = c;
	r->head_n = (uint16_t) n;
	if (c != '\n' || n < 2)
		return false;
	return r->head[n - 2] == '\n' ||
	       (n >= 3 && r->head[n - 2] == '\r' && r->head[n - 3] == '\n');
}

static void
end_head(struct rpc_reader *r)
{
	size_t n = r->head_n;

	n -= r->head[n - 2] == '\r' ? 2 : 1; /* the empty line */
	r->head_n = 0;
	r->broken = !read_head(slice_of(r->head, n), &r->left);
	r->in_body = true;
	r->too_large = r->left > RPC_MAX_BODY;
}

static void
take_body(struct rpc_reader *r, struct slice *in)
{
	size_t n = in->n < r->left ? in->n : r->left;

	if (!r->too_large)
		buf_put(&r->body, in->p, n);
	r->left -= n;
	*in = slice_of(in->p + n, in->n - n);
}

enum rpc_event
rpc_take(struct rpc_reader *r, struct slice *in)
{
	if (r->given)
		buf_reset(&r->body);
	r->given = false;
	while (in->n && !r->in_body && !r->broken) {
		bool whole = take_head(r, *in->p);

		*in = slice_of(in->p + 1, in->n - 1);
		if (whole)
			end_head(r);
	}
	if (r->broken)
		return RPC_BROKEN;
	if (!r->in_body)
		return RPC_MORE;
	take_body(r, in);
	if (r->left)
		return RPC_MORE;
	r->in_body = false;
	r->given = true;
	return r->too_large || r->body.failed ? RPC_TOO_LARGE : RPC_MESSAGE;
}

void
rpc_fini(struct rpc_reader *r)
{
	buf_fini(&r->body);
}

void
rpc_put(struct buf *out, struct slice body)
{
	buf_printf(out, "Content-Length: %zu\r\n\r\n", body.n);
	buf_put_slice(out, body);
}
