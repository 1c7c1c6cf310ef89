/* SPDX-License-Identifier: MIT
 *
 * Asks a running gateway over its admin listener. The key never comes from the command line, where
 * every user of the machine could read it.
 */
#include "cli/admin_client.h"

#include "base/secret.h"
#include "cli/cli.h"
#include "compiler/config_load.h"
#include "session/approvals.h" /* approval_put_visible */

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_ANSWER = 256 << 20, CONNECT_S = 5, TOTAL_S = 60 };

bool
admin_client_option(struct admin_client *c, int option, const char *value)
{
	switch (option) {
	case ADMIN_OPT_AS: c->principal = value; return true;
	case ADMIN_OPT_KEY_FILE: c->key_file = value; return true;
	case ADMIN_OPT_ADMIN: c->url = value; return true;
	case ADMIN_OPT_CA: c->ca_file = value; return true;
	case ADMIN_OPT_JSON: c->json = true; return true;
	case 'c': c->config = value; return true;
	default: return false;
	}
}

void
admin_client_print(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
}

static int
trouble(const struct admin_client *c, const char *what, const char *detail, const char *next)
{
	fprintf(stderr, "weir %s: %s%s%s\n  %s\n", c->command, what, *detail ? ": " : "", detail,
		next);
	return EXIT_USAGE;
}

/* The first line of a file that nobody else may read. */
static int
read_key_file(struct admin_client *c)
{
	FILE *f = fopen(c->key_file, "re");
	struct stat st;
	char line[1024];
	int e = 0;

	if (!f)
		return trouble(c, c->key_file, strerror(errno), "name a file that holds the key");
	if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
		e = trouble(c, c->key_file, "others can read this key",
			    "chmod 600 it, and consider a new key");
	else if (!fgets(line, sizeof(line), f))
		e = trouble(c, c->key_file, "it is empty", "put the key on its first line");
	if (e == 0)
		buf_put(&c->key, line, strcspn(line, "\r\n"));
	secret_wipe(line, sizeof(line));
	fclose(f);
	return e;
}

static int
find_key(struct admin_client *c)
{
	const char *env = getenv("WEIR_KEY");

	if (c->key_file)
		return read_key_file(c);
	if (!env || !*env)
		return trouble(c, "no key", "",
			       "set WEIR_KEY to the principal's key, or use --key-file FILE");
	buf_puts(&c->key, env);
	return 0;
}

/* The admin address of a configuration. Its secrets are not fetched: who approves need not be able
 * to run the gateway. */
static int
address_of_config(struct admin_client *c, const char *path)
{
	struct arena arena;
	struct sources sources;
	struct diag_queue q;
	struct config config;
	struct slice text = {0};
	const char *error;
	int e = 0;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	if (!source_read(&arena, path, &text, &error)) {
		e = trouble(c, path, error,
			    "name the configuration with -c, or the gateway itself with --admin URL");
	} else if (!config_load_text(path, text, false, &arena, &config, &q)) {
		diag_report(&q);
		e = EXIT_USAGE;
	} else if (!config.listen_admin.text) {
		e = trouble(c, path, "it has no `listen admin`", "add one, such as listen admin 127.0.0.1:6433");
		config_wipe(&config);
	} else {
		buf_printf(&c->base, "http://%s", config.listen_admin.text);
		config_wipe(&config);
	}
	secret_wipe((void *) text.p, text.n);
	arena_fini(&arena);
	return e;
}

/* --admin, else -c, else WEIR_ADMIN, else weir.conf in this folder. */
static int
find_address(struct admin_client *c)
{
	const char *url = c->url ? c->url : c->config ? NULL : getenv("WEIR_ADMIN");

	if (c->ca_file)
		buf_puts(&c->ca, c->ca_file);
	if (!url || !*url)
		return address_of_config(c, c->config ? c->config : "weir.conf");
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return trouble(c, url, "not a URL", "use http://HOST:PORT or https://HOST:PORT");
	buf_puts(&c->base, url);
	while (c->base.n && c->base.p[c->base.n - 1] == '/')
		c->base.n--;
	return 0;
}

int
admin_client_open(struct admin_client *c)
{
	int e;

	if (!c->principal)
		return cli_usage_error(c->command, "say as whom: --as PRINCIPAL");
	e = find_key(c);
	if (e == 0)
		e = find_address(c);
	if (e != 0)
		admin_client_close(c);
	return e;
}

void
admin_client_close(struct admin_client *c)
{
	buf_fini(&c->base);
	buf_fini(&c->ca);
	buf_wipe(&c->key);
}

static size_t
on_data(char *p, size_t size, size_t n, void *ctx)
{
	struct buf *b = ctx;

	buf_put(b, p, size * n);
	return b->failed ? 0 : n;
}

static const char *
field(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* The gateway's own words: they are shown safely, whoever answered. */
static int
refused(const struct admin_client *c, long status, const json_t *problem)
{
	struct buf b = {0};

	approval_put_visible(&b, slice_str(field(problem, "title")), false);
	buf_puts(&b, " [");
	approval_put_visible(&b, slice_str(field(problem, "code")), false);
	buf_puts(&b, "]\n  ");
	approval_put_visible(&b, slice_str(field(problem, "hint")), false);
	if (status == 401) {
		buf_reset(&b);
		buf_printf(&b, "the gateway does not know this principal with this key\n  check WEIR_KEY "
			       "(or --key-file) and --as against the configuration of the gateway");
	}
	fprintf(stderr, "weir %s: %.*s\n", c->command, SLICE_ARG(buf_slice(&b)));
	buf_fini(&b);
	return status >= 500 ? EXIT_USAGE : EXIT_NEGATIVE;
}

static struct curl_slist *
headers_of(const struct admin_client *c)
{
	struct buf b = {0};
	struct curl_slist *list = NULL;

	buf_printf(&b, "Authorization: Bearer %.*s", SLICE_ARG(buf_slice(&c->key)));
	buf_putc(&b, 0);
	list = curl_slist_append(list, (const char *) b.p);
	buf_wipe(&b);
	buf_printf(&b, "X-Weir-Principal: %s", c->principal);
	buf_putc(&b, 0);
	list = curl_slist_append(list, (const char *) b.p);
	buf_fini(&b);
	return curl_slist_append(list, "Content-Type: application/json");
}

static void
free_headers(struct curl_slist *list)
{
	for (struct curl_slist *h = list; h; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(list);
}

static CURLcode
perform(struct admin_client *c, const char *method, const char *path, const char *body,
	struct buf *answer, long *status, char why[CURL_ERROR_SIZE])
{
	struct curl_slist *headers = headers_of(c);
	CURL *h = curl_easy_init();
	struct buf url = {0};
	CURLcode e;

	if (!h)
		return CURLE_OUT_OF_MEMORY;
	buf_put_slice(&url, buf_slice(&c->base));
	buf_puts(&url, path);
	buf_putc(&url, 0);
	curl_easy_setopt(h, CURLOPT_URL, (const char *) url.p);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PROXY, ""); /* never send the key through somebody's proxy */
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long) CONNECT_S);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, (long) TOTAL_S);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	if (c->ca.n) {
		if (c->ca.p[c->ca.n - 1])
			buf_putc(&c->ca, 0);
		curl_easy_setopt(h, CURLOPT_CAINFO, (const char *) c->ca.p);
	}
	e = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, status);
	curl_easy_cleanup(h);
	free_headers(headers);
	buf_fini(&url);
	return e;
}

int
admin_client_call(struct admin_client *c, const char *method, const char *path, json_t *body,
		  json_t **out)
{
	char why[CURL_ERROR_SIZE] = "", where[512];
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct buf answer = {.limit = MAX_ANSWER};
	long status = 0;
	CURLcode e = perform(c, method, path, text, &answer, &status, why);
	int code = EXIT_OK;

	free(text);
	*out = NULL;
	snprintf(where, sizeof(where), "cannot reach the gateway at %.*s",
		 SLICE_ARG(buf_slice(&c->base)));
	if (e != CURLE_OK) {
		code = trouble(c, where, *why ? why : curl_easy_strerror(e),
			       "is `weir run` running there, and is this its admin address?");
	} else {
		*out = json_loadb((const char *) answer.p, answer.n,
				  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		if (!json_is_object(*out))
			code = trouble(c, where, "what answers there is not weir",
				       "check --admin, or `listen admin` in the configuration");
		else if (status < 200 || status > 299)
			code = refused(c, status, *out);
	}
	if (code != EXIT_OK) {
		json_decref(*out);
		*out = NULL;
	}
	buf_fini(&answer);
	return code;
}
