/* SPDX-License-Identifier: MIT
 *
 * The parts of the language server that are easier to hold alone, and the server against what an
 * editor sends while somebody types: every beginning of every example.
 */
#include "lsp/lsp.h"
#include "lsp/rpc.h"
#include "lsp/text.h"

#include "test.h"

#include <glob.h>

/* ---- Messages ---- */

static const char two[] = "Content-Length: 2\r\n\r\n{}content-length:  3 \r\nX: y\r\n\r\n[1]";

static void
messages_at_every_split(void)
{
	for (size_t cut = 0; cut < sizeof(two); cut++) {
		struct slice parts[2] = {slice_of(two, cut),
					 slice_of(two + cut, sizeof(two) - 1 - cut)};
		struct rpc_reader r = {0};
		int n = 0;

		for (int i = 0; cut < sizeof(two) - 1 && i < 2; i++)
			while (rpc_take(&r, &parts[i]) == RPC_MESSAGE)
				CHECK_SLICE(buf_slice(&r.body), n++ ? "[1]" : "{}");
		CHECK_INT(n, cut < sizeof(two) - 1 ? 2 : 0);
		rpc_fini(&r);
	}
}

static void
heads_that_make_no_sense(void)
{
	static const char *const bad[] = {
		"\r\n\r\n", "Content-Length: x\r\n\r\n", "Content-Length: -1\r\n\r\n",
		"Content-Length:\r\n\r\n", "Content-Type: a\r\n\r\n",
		"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "nonsense\r\n\r\n",
		"Content-Length: 9999999999999999\r\n\r\n",
	};
	static char endless[RPC_MAX_HEAD + 1];
	struct slice in;

	memset(endless, 'a', sizeof(endless));
	for (size_t i = 0; i <= COUNT_OF(bad); i++) {
		struct rpc_reader r = {0};

		in = i < COUNT_OF(bad) ? slice_str(bad[i]) : slice_of(endless, sizeof(endless));
		CHECK_INT(rpc_take(&r, &in), RPC_BROKEN);
		CHECK_INT(rpc_take(&r, &in), RPC_BROKEN);
		rpc_fini(&r);
	}
}

static void
a_body_over_the_limit_goes_by(void)
{
	static uint8_t piece[1 << 20];
	char head[64];
	struct rpc_reader r = {0};
	struct slice in;
	size_t left = RPC_MAX_BODY + 1;

	snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", left);
	in = slice_str(head);
	CHECK_INT(rpc_take(&r, &in), RPC_MORE);
	for (; left > sizeof(piece); left -= sizeof(piece)) {
		in = slice_of(piece, sizeof(piece));
		CHECK_INT(rpc_take(&r, &in), RPC_MORE);
	}
	in = slice_of(piece, left);
	CHECK_INT(rpc_take(&r, &in), RPC_TOO_LARGE);
	CHECK_INT(r.body.cap, 0); /* nothing of it was kept */
	in = slice_str("Content-Length: 2\r\n\r\n{}");
	CHECK_INT(rpc_take(&r, &in), RPC_MESSAGE);
	rpc_fini(&r);
}

/* ---- Places ---- */

static void
places(void)
{
	static const char text[] = "a\r\nb\rc\n\xc3\xa9\xf0\x9f\x98\x80x\n";
	static const struct {
		size_t off;
		uint32_t line, column[3];
	} want[] = {
		{0, 0, {0, 0, 0}}, {3, 1, {0, 0, 0}}, {5, 2, {0, 0, 0}}, {7, 3, {0, 0, 0}},
		{9, 3, {2, 1, 1}}, {13, 3, {6, 3, 2}}, {15, 4, {0, 0, 0}},
	};
	struct slice s = slice_of(text, sizeof(text) - 1);
	struct text_lines lines;
	struct arena arena;

	arena_init(&arena, 0);
	text_lines_init(&lines, &arena, s);
	CHECK_INT(lines.n, 5);
	for (size_t i = 0; i < COUNT_OF(want); i++)
		for (int u = TEXT_UTF8; u <= TEXT_UTF32; u++) {
			struct text_place at = text_place_at(&lines, want[i].off, u);

			CHECK_INT(at.line, want[i].line);
			CHECK_INT(at.column, want[i].column[u]);
			CHECK_INT(text_offset(s, at, u), want[i].off);
		}
	/* inside the surrogate pair, past the line, past the text */
	CHECK_INT(text_offset(s, (struct text_place){3, 2}, TEXT_UTF16), 9);
	CHECK_INT(text_offset(s, (struct text_place){0, 99}, TEXT_UTF16), 1);
	CHECK_INT(text_offset(s, (struct text_place){99, 0}, TEXT_UTF16), 15);
	arena_fini(&arena);
}

/* Each place of a line of half a megabyte, in every unit, as counted from its start. */
static void
places_of_a_long_line(void)
{
	static const char unit[] = "ab\xc3\xa9\xf0\x9f\x98\x80\xff";
	const uint32_t width[] = {9, 6, 5};
	struct text_lines lines;
	struct buf text = {0};
	struct arena arena;

	buf_puts(&text, "first\r\n");
	for (int i = 0; i < 60000; i++)
		buf_puts(&text, unit);
	buf_puts(&text, "\nlast");
	arena_init(&arena, 0);
	text_lines_init(&lines, &arena, buf_slice(&text));
	CHECK_INT(lines.n, 3);
	for (uint32_t i = 0; i < 60000; i++)
		for (int u = TEXT_UTF8; u <= TEXT_UTF32; u++) {
			struct text_place at = text_place_at(&lines, 7 + i * 9, u);

			if (at.line != 1 || at.column != i * width[u])
				CHECK_INT(at.column, i * width[u]);
		}
	CHECK_INT(text_place_at(&lines, text.n, TEXT_UTF16).line, 2);
	CHECK_INT(text_place_at(&lines, text.n, TEXT_UTF16).column, 4);
	arena_fini(&arena);
	buf_fini(&text);
}

static void
names_of_files(void)
{
	static const char *const both[][2] = {
		{"file:///a/b.weir", "/a/b.weir"},
		{"file:///a%20b/%C3%A9%25.weir", "/a b/\xc3\xa9%.weir"},
		{"untitled:Untitled-1", "untitled:Untitled-1"},
	};
	struct arena arena;

	arena_init(&arena, 0);
	for (size_t i = 0; i < COUNT_OF(both); i++) {
		CHECK_SLICE(slice_str(text_path_of_uri(&arena, both[i][0])), both[i][1]);
		CHECK_SLICE(slice_str(text_uri_of_path(&arena, both[i][1])), both[i][0]);
	}
	CHECK_SLICE(slice_str(text_path_of_uri(&arena, "file://localhost/c%3A")), "/c:");
	CHECK_SLICE(slice_str(text_path_of_uri(&arena, "file:///%zz%00")), "/%zz%00");
	arena_fini(&arena);
}

/* ---- Typing ---- */

static bool
no_file(void *ctx UNUSED, struct arena *arena UNUSED, const char *path UNUSED,
	struct slice *text UNUSED, const char **error)
{
	*error = "there are no files here";
	return false;
}

static const char **
no_names(struct arena *arena UNUSED, const char *folder UNUSED)
{
	return NULL;
}

static const struct lsp_disk nothing = {.files = {.load = no_file}, .list = no_names};
static size_t n_answers, n_published;

/* Sends a message; in it @T stands for the text, @L and @C for line and column. */
static void
say(struct lsp *s, const char *form, const char *text, unsigned line, unsigned column)
{
	struct buf body = {0}, message = {0}, out = {0};
	struct rpc_reader r = {0};
	struct slice in;

	buf_puts(&body, "{\"jsonrpc\":\"2.0\",");
	for (const char *p = form; *p; p++)
		if (*p != '@')
			buf_putc(&body, (uint8_t) *p);
		else if (*++p == 'T')
			buf_json_string(&body, slice_str(text));
		else
			buf_printf(&body, "%u", *p == 'L' ? line : column);
	buf_putc(&body, '}');
	rpc_put(&message, buf_slice(&body));
	lsp_feed(s, buf_slice(&message), &out);
	in = buf_slice(&out);
	while (in.n && rpc_take(&r, &in) == RPC_MESSAGE) {
		CHECK(!memmem(r.body.p, r.body.n, "\"code\":-32602", 13));
		n_answers += memmem(r.body.p, r.body.n, "\"id\":1", 6) != NULL;
		n_published += memmem(r.body.p, r.body.n, "publishDiagnostics", 18) != NULL;
	}
	rpc_fini(&r);
	buf_fini(&body);
	buf_fini(&message);
	buf_fini(&out);
}

#define DOCUMENT "\"textDocument\":{\"uri\":\"file:///a.weir\",\"version\":2}"
#define POSITION "\"position\":{\"line\":@L,\"character\":@C}"
#define ASK(method, more) "\"id\":1,\"method\":\"textDocument/" method "\",\"params\":{" DOCUMENT \
	more "}"

static void
ask_everything(struct lsp *s, unsigned line, unsigned column)
{
	static const char *const requests[] = {
		ASK("hover", "," POSITION), ASK("definition", "," POSITION),
		ASK("references", "," POSITION), ASK("documentHighlight", "," POSITION),
		ASK("rename", "," POSITION ",\"newName\":\"x\""),
		ASK("prepareRename", "," POSITION),
		ASK("semanticTokens/full", ""), ASK("documentSymbol", ""), ASK("foldingRange", ""),
		ASK("formatting", ""),
		ASK("codeAction", ",\"range\":{\"start\":{\"line\":0},\"end\":{\"line\":99999}}"),
	};

	for (size_t i = 0; i < COUNT_OF(requests); i++)
		say(s, requests[i], "", line, column);
}

#ifdef WEIR_ASAN
enum { TYPED_AT_ONCE = 3 }; /* it takes three times as long */
#else
enum { TYPED_AT_ONCE = 1 };
#endif

/* The file typed in, byte by byte, with a completion each, and everything else now and then. */
static void
type_in(const char *path)
{
	struct lsp *s = lsp_new(&nothing, "0");
	unsigned line = 0, column = 0;
	size_t n = 0, before_answers = n_answers, before_published = n_published;
	char typed[TYPED_AT_ONCE + 1];
	size_t k = 0;
	FILE *f = fopen(path, "r");
	int c;

	REQUIRE(f != NULL);
	say(s, "\"id\":1,\"method\":\"initialize\",\"params\":{}", "", 0, 0);
	say(s, "\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":{\"uri\":"
	       "\"file:///a.weir\",\"languageId\":\"weir\",\"version\":1,\"text\":@T}}", "", 0, 0);
	while ((c = getc(f)) != EOF) {
		if (c >= 0x80) /* the examples hardly have any */
			continue;
		typed[k++] = (char) c;
		typed[k] = '\0';
		if (k < TYPED_AT_ONCE && c != '\n')
			continue;
		say(s, "\"method\":\"textDocument/didChange\",\"params\":{" DOCUMENT
		       ",\"contentChanges\":[{\"text\":@T,\"range\":{\"start\":{\"line\":@L,"
		       "\"character\":@C},\"end\":{\"line\":@L,\"character\":@C}}}]}",
		    typed, line, column);
		line += c == '\n';
		column = c == '\n' ? 0 : column + (unsigned) k;
		k = 0;
		say(s, ASK("completion", "," POSITION), "", line, column);
		if (++n % 32 == 0)
			ask_everything(s, line, column / 2);
	}
	fclose(f);
	CHECK_INT(n_answers - before_answers, 1 + n + n / 32 * 11);
	CHECK_INT(n_published - before_published, 1 + n);
	lsp_free(s);
}

static void
every_beginning_of_every_example(void)
{
	glob_t found;

	REQUIRE(glob("policies-examples/*.weir", 0, NULL, &found) == 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		type_in(found.gl_pathv[i]);
	globfree(&found);
}

TEST_MAIN(TEST(messages_at_every_split), TEST(heads_that_make_no_sense),
	  TEST(a_body_over_the_limit_goes_by), TEST(places), TEST(places_of_a_long_line),
	  TEST(names_of_files), TEST(every_beginning_of_every_example))
