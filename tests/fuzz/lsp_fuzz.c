/* SPDX-License-Identifier: MIT
 *
 * What an editor may send. The first byte picks how the rest is read: as the stream itself, cut
 * into pieces; as bodies of messages with a good head; or as a text that is opened, changed, and
 * asked everything about.
 */
#include "lsp/lsp.h"
#include "lsp/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
load(void *ctx UNUSED, struct arena *arena UNUSED, const char *path, struct slice *text,
     const char **error)
{
	*text = strstr(path, "root") ? SLICE_LIT("policy r\nimport \"a.weir\"\n")
				     : SLICE_LIT("group dba = idp \"d\"\n");
	*error = "no such file";
	return strlen(path) % 2;
}

static const char **
list(struct arena *arena, const char *folder)
{
	const char **names = ARENA_ARRAY(arena, const char *, 2);

	names[0] = strlen(folder) > 1 ? "root.weir" : NULL;
	return names;
}

static const struct lsp_disk disk = {.files = {.load = load}, .list = list};

static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}";

/* Everything that comes out must be messages. */
static void
feed(struct lsp *s, struct slice in)
{
	struct rpc_reader r = {0};
	struct buf out = {0};
	struct slice said;

	lsp_feed(s, in, &out);
	assert(!out.failed);
	said = buf_slice(&out);
	while (said.n)
		assert(rpc_take(&r, &said) == RPC_MESSAGE);
	rpc_fini(&r);
	buf_fini(&out);
}

static void
message(struct lsp *s, struct slice body)
{
	struct buf framed = {0};

	rpc_put(&framed, body);
	feed(s, buf_slice(&framed));
	buf_fini(&framed);
}

/* `form` with @T for the text and @N for numbers out of it. */
static void
say(struct lsp *s, const char *form, struct slice text, size_t *at)
{
	struct buf body = {0};

	for (const char *p = form; *p; p++)
		if (*p != '@')
			buf_putc(&body, (uint8_t) *p);
		else if (*++p == 'T')
			buf_json_string(&body, text);
		else
			buf_printf(&body, "%u", text.n ? text.p[(*at)++ % text.n] % 24u : 0);
	message(s, buf_slice(&body));
	buf_fini(&body);
}

#define DOCUMENT "\"textDocument\":{\"uri\":\"file:///a.weir\"}"
#define POSITION "{\"line\":@N,\"character\":@N}"
#define RANGE "{\"start\":" POSITION ",\"end\":" POSITION "}"
#define TELL(method, more) "{\"method\":\"textDocument/" method "\",\"params\":{" more "}}"
#define ASK(method, more) "{\"id\":1,\"method\":\"textDocument/" method "\",\"params\":{" DOCUMENT \
	",\"position\":" POSITION more "}}"

static void
edit(struct lsp *s, struct slice text)
{
	static const char *const requests[] = {
		ASK("completion", ""), ASK("hover", ""), ASK("definition", ""),
		ASK("references", ",\"context\":{\"includeDeclaration\":true}"),
		ASK("documentHighlight", ""), ASK("prepareRename", ""),
		ASK("rename", ",\"newName\":\"fresh\""), ASK("formatting", ""),
		ASK("codeAction", ",\"range\":" RANGE), ASK("documentSymbol", ""),
		ASK("foldingRange", ""), ASK("semanticTokens/full", ""),
	};
	size_t at = 0;

	say(s, TELL("didOpen", "\"textDocument\":{\"uri\":\"file:///a.weir\",\"text\":@T}"), text,
	    &at);
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		say(s, requests[i % COUNT_OF(requests)], text, &at);
		if (i % 6 == 0)
			say(s, TELL("didChange", DOCUMENT ",\"contentChanges\":[{\"range\":" RANGE
							  ",\"text\":\" \\\"who\"}]"), text, &at);
	}
	say(s, TELL("didOpen", "\"textDocument\":{\"uri\":\"file:///b.weir\",\"text\":"
			       "\"policy p import \\\"a.weir\\\"\"}"), text, &at);
	say(s, requests[0], text, &at);
	say(s, TELL("didClose", DOCUMENT), text, &at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data + 1, n - 1);
	struct lsp *s;
	int code;

	if (n == 0)
		return 0;
	s = lsp_new(&disk, "0");
	if (data[0] % 3 > 0)
		message(s, SLICE_LIT(hello));
	if (data[0] % 3 == 2) {
		edit(s, in);
	} else if (data[0] % 3 == 1) {
		while (in.n) {
			const uint8_t *end = memchr(in.p, '\n', in.n);
			size_t take = end ? (size_t) (end - in.p) : in.n;

			message(s, slice_of(in.p, take));
			take += end != NULL;
			in = slice_of(in.p + take, in.n - take);
		}
	} else {
		size_t cut = in.n ? in.p[0] % in.n : 0;

		feed(s, slice_of(in.p, cut));
		feed(s, slice_of(in.p + cut, in.n - cut));
	}
	(void) !lsp_over(s, &code);
	lsp_free(s);
	return 0;
}
