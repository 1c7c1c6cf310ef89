/* SPDX-License-Identifier: MIT
 *
 * The protocol: messages to handlers and back, from `initialize` to `exit`.
 */
#include "lsp/lsp_internal.h"

#include <stdlib.h>
#include <strings.h>

static const struct {
	const char *method;
	json_t *(*answer)(struct lsp *s, const json_t *params); /* a request's */
	void (*take)(struct lsp *s, const json_t *params);
} methods[] = {
#define LSP_REQUEST(method, handler) {method, handler, NULL},
#define LSP_NOTIFICATION(method, handler) {method, NULL, handler},
#include "lsp/methods.def"
#undef LSP_REQUEST
#undef LSP_NOTIFICATION
};

struct lsp *
lsp_new(const struct lsp_disk *disk, const char *version)
{
	struct lsp *s = calloc(1, sizeof(*s));

	assert(s != NULL);
	s->disk = disk;
	s->version = version;
	s->units = TEXT_UTF16;
	s->published = json_object();
	arena_init(&s->scratch, 0);
	return s;
}

void
lsp_free(struct lsp *s)
{
	lsp_documents_free(s);
	json_decref(s->published);
	rpc_fini(&s->rpc);
	free(s->waiting);
	arena_fini(&s->scratch);
	free(s);
}

bool
lsp_over(const struct lsp *s, int *code)
{
	*code = s->exit_code;
	return s->over;
}

/* ---- Messages ---- */

json_t *
lsp_fail(struct lsp *s, enum lsp_error code, const char *text)
{
	s->error = code;
	s->error_text = text;
	return NULL;
}

json_t *
lsp_string(struct slice text)
{
	json_t *string = json_stringn((const char *) text.p, text.n);
	char *plain;

	if (string)
		return string;
	plain = malloc(text.n + 1);
	assert(plain != NULL);
	for (size_t i = 0; i < text.n; i++)
		plain[i] = (char) (text.p[i] < 0x80 ? text.p[i] : '?');
	string = json_stringn(plain, text.n);
	free(plain);
	return string;
}

void
lsp_send(struct buf *out, json_t *message)
{
	char *text;

	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	text = json_dumps(message, JSON_COMPACT);
	assert(text != NULL);
	rpc_put(out, slice_str(text));
	free(text);
	json_decref(message);
}

static void
send_error(struct buf *out, json_t *id, enum lsp_error code, const char *text)
{
	json_t *error = json_object(), *message = json_object();

	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", lsp_string(slice_str(text)));
	json_object_set_new(message, "id", id ? json_incref(id) : json_null());
	json_object_set_new(message, "error", error);
	lsp_send(out, message);
}

/* What stands before a method may run at this time; 0: it may. */
static enum lsp_error
too_early_or_late(const struct lsp *s, const char *method)
{
	if (s->shut_down)
		return LSP_INVALID_REQUEST;
	if (!s->initialized)
		return strcmp(method, "initialize") == 0 ? 0 : LSP_NOT_INITIALIZED;
	return strcmp(method, "initialize") == 0 ? LSP_INVALID_REQUEST : 0;
}

static void
answer(struct lsp *s, json_t *id, const char *method, const json_t *params, struct buf *out)
{
	enum lsp_error error = too_early_or_late(s, method);
	json_t *message, *result = NULL;
	size_t i = 0;

	while (i < COUNT_OF(methods) &&
	       (!methods[i].answer || strcmp(method, methods[i].method) != 0))
		i++;
	s->error = 0;
	if (error)
		lsp_fail(s, error, s->shut_down ? "the server is shut down" :
			 error == LSP_NOT_INITIALIZED ? "`initialize` comes first"
						      : "`initialize` comes once");
	else if (i == COUNT_OF(methods))
		lsp_fail(s, LSP_METHOD_NOT_FOUND,
			 arena_printf(&s->scratch, "there is no method %s", method));
	else
		result = methods[i].answer(s, params);
	if (s->error) {
		assert(result == NULL);
		send_error(out, id, s->error, s->error_text);
		return;
	}
	message = json_object();
	json_object_set(message, "id", id);
	json_object_set_new(message, "result", result ? result : json_null());
	lsp_send(out, message);
}

static void
notify(struct lsp *s, const char *method, const json_t *params)
{
	if (too_early_or_late(s, method) && strcmp(method, "exit") != 0)
		return;
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (methods[i].take && strcmp(method, methods[i].method) == 0)
			methods[i].take(s, params);
	s->error = 0; /* nobody is told */
}

static void
handle(struct lsp *s, const struct lsp_waiting *w, struct buf *out)
{
	json_t *message = w->message, *id = json_object_get(message, "id");
	bool answers = json_object_get(message, "result") || json_object_get(message, "error");
	const char *method = json_string_value(json_object_get(message, "method"));

	if (w->too_large)
		send_error(out, NULL, LSP_INVALID_REQUEST, "the message is too large");
	else if (!message)
		send_error(out, NULL, LSP_PARSE_ERROR, "this is not JSON in UTF-8");
	else if (!method && answers)
		; /* an answer: we ask nothing */
	else if (!method || (id && !json_is_integer(id) && !json_is_string(id)))
		send_error(out, NULL, LSP_INVALID_REQUEST,
			   "a message is an object with a method, and a request has an id");
	else if (id && w->cancelled)
		send_error(out, id, LSP_REQUEST_CANCELLED, "the request was cancelled");
	else if (id)
		answer(s, id, method, json_object_get(message, "params"), out);
	else
		notify(s, method, json_object_get(message, "params"));
	arena_reset(&s->scratch);
}

/* What an editor asks while its user types is often taken back by what comes behind it. */
static void
cancel(struct lsp *s, const json_t *message)
{
	const json_t *id = json_object_get(json_object_get(message, "params"), "id");

	for (size_t i = 0; id && i < s->n_waiting; i++)
		if (json_equal(json_object_get(s->waiting[i].message, "id"), id))
			s->waiting[i].cancelled = true;
}

/* The message that was read waits until all that has come with it is read. */
static void
enqueue(struct lsp *s, bool too_large)
{
	const size_t flags = JSON_ALLOW_NUL | JSON_DECODE_ANY;
	struct lsp_waiting w = {.too_large = too_large};
	const char *method;

	if (!too_large)
		w.message = json_loadb((const char *) s->rpc.body.p, s->rpc.body.n, flags, NULL);
	method = json_string_value(json_object_get(w.message, "method"));
	if (method && strcmp(method, "$/cancelRequest") == 0)
		cancel(s, w.message);
	if (s->n_waiting == s->cap_waiting) {
		s->cap_waiting = s->cap_waiting ? s->cap_waiting * 2 : 16;
		s->waiting = realloc(s->waiting, s->cap_waiting * sizeof(*s->waiting));
		assert(s->waiting != NULL);
	}
	s->waiting[s->n_waiting++] = w;
}

static void
give_up(struct lsp *s, int code)
{
	s->over = true;
	s->exit_code = code;
}

void
lsp_feed(struct lsp *s, struct slice bytes, struct buf *out)
{
	enum rpc_event event = RPC_MORE;

	while (!s->over && ((event = rpc_take(&s->rpc, &bytes)) == RPC_MESSAGE ||
			    event == RPC_TOO_LARGE))
		enqueue(s, event == RPC_TOO_LARGE);
	for (size_t i = 0; i < s->n_waiting; i++) {
		if (!s->over)
			handle(s, &s->waiting[i], out);
		json_decref(s->waiting[i].message);
	}
	s->n_waiting = 0;
	if (s->over)
		return;
	if (event == RPC_BROKEN) {
		send_error(out, NULL, LSP_PARSE_ERROR,
			   "no head with one Content-Length: reading cannot go on");
		give_up(s, 1);
	} else if (s->initialized && !s->shut_down) {
		lsp_publish(s, out);
	}
	arena_reset(&s->scratch);
}

/* ---- From initialize to exit ---- */

void
lsp_ignore(struct lsp *s UNUSED, const json_t *params UNUSED)
{
}

/* The first of the editor's units that we know; without any it means UTF-16. */
static enum text_units
agree_units(const json_t *params)
{
	const json_t *capabilities = json_object_get(params, "capabilities");
	const json_t *offered = json_object_get(json_object_get(capabilities, "general"),
						"positionEncodings");

	for (size_t i = 0; i < json_array_size(offered); i++) {
		const char *name = json_string_value(json_array_get(offered, i));

		if (name && strcmp(name, "utf-8") == 0)
			return TEXT_UTF8;
		if (name && strcmp(name, "utf-16") == 0)
			return TEXT_UTF16;
		if (name && strcmp(name, "utf-32") == 0)
			return TEXT_UTF32;
	}
	return TEXT_UTF16;
}

static const char capabilities_text[] =
	"{\"textDocumentSync\":{\"openClose\":true,\"change\":2,\"save\":true},"
	"\"hoverProvider\":true,\"definitionProvider\":true,\"referencesProvider\":true,"
	"\"documentHighlightProvider\":true,\"renameProvider\":{\"prepareProvider\":true},"
	"\"completionProvider\":{\"triggerCharacters\":[\".\",\"=\",\",\",\"{\",\"(\",\"|\",\"\\\"\"]},"
	"\"documentFormattingProvider\":true,"
	"\"codeActionProvider\":{\"codeActionKinds\":[\"quickfix\"]},"
	"\"documentSymbolProvider\":true,\"foldingRangeProvider\":true}";

json_t *
lsp_initialize(struct lsp *s, const json_t *params)
{
	static const char *const units[] = {"utf-8", "utf-16", "utf-32"};
	json_t *capabilities, *result = json_object(), *info = json_object();

	if (!json_is_object(params)) {
		json_decref(result);
		json_decref(info);
		return lsp_fail(s, LSP_INVALID_PARAMS, "`initialize` has an object");
	}
	capabilities = json_loads(capabilities_text, 0, NULL);
	assert(capabilities != NULL);
	s->initialized = true;
	s->units = agree_units(params);
	json_object_set_new(capabilities, "positionEncoding", json_string(units[s->units]));
	json_object_set_new(capabilities, "semanticTokensProvider", lsp_semantic_legend());
	json_object_set_new(info, "name", json_string("weir"));
	json_object_set_new(info, "version", json_string(s->version));
	json_object_set_new(result, "capabilities", capabilities);
	json_object_set_new(result, "serverInfo", info);
	return result;
}

json_t *
lsp_shutdown(struct lsp *s, const json_t *params UNUSED)
{
	s->shut_down = true;
	return json_null();
}

void
lsp_exit(struct lsp *s, const json_t *params UNUSED)
{
	give_up(s, s->shut_down ? 0 : 1);
}
