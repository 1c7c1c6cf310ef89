/* SPDX-License-Identifier: MIT
 *
 * `weir audit policy`: what the policies said under which the commands of a log were decided.
 */
#include "cli/audit_policy.h"

#include "audit/brief.h"
#include "audit/kept.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/audit_prune.h"
#include "cli/audit_reader.h"
#include "cli/cli.h"
#include "cli/policy.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* A policy in force, from a policy.load to the next one or to the end of the gateway's run. */
struct in_force {
	uint8_t digest[SHA256_LEN], signer[SHA256_LEN];
	bool is_signed;
	bool before; /* its policy.load was pruned: it was in force before `from` already */
	uint64_t from, until; /* until 0: it is not over, as far as the log goes */
	struct audit_id load;
};

struct asked {
	const char *folder, *digest, *record;
	uint64_t at;
	bool has_at, json;
};

struct history {
	const struct asked *asked;
	struct in_force *v;
	size_t n;
	uint64_t newest; /* time of a record since the last load */
	/* Of the record that was asked for. */
	uint8_t decided[SHA256_LEN];
	size_t n_records;
	bool decides;
};

/* --- what the log says --- */

static struct in_force *
current(struct history *h)
{
	return h->n && !h->v[h->n - 1].until ? &h->v[h->n - 1] : NULL;
}

static void
end_span(struct history *h, uint64_t at)
{
	struct in_force *s = current(h);

	/* Where the clock was set back it was in force until then all the same. */
	if (s)
		s->until = at > h->newest ? at : h->newest + 1;
}

static struct in_force *
begin_span(struct history *h, uint64_t at, struct slice digest)
{
	struct in_force *s;

	end_span(h, at);
	if ((h->n & (h->n - 1)) == 0) {
		h->v = realloc(h->v, (h->n ? h->n * 2 : 1) * sizeof(*h->v));
		assert(h->v != NULL);
	}
	s = &h->v[h->n++];
	*s = (struct in_force){.from = at};
	h->newest = at;
	memcpy(s->digest, digest.p, SHA256_LEN);
	return s;
}

static void
look_for_record(struct history *h, const struct audit_brief *b)
{
	struct slice policy = b->type == AUDIT_policy_load ? b->new_digest : b->policy;
	char id[37];

	audit_id_format(b->id, id);
	if (strncmp(id, h->asked->record, strlen(h->asked->record)) != 0)
		return;
	h->n_records++;
	h->decides = policy.n > 0;
	if (h->decides)
		memcpy(h->decided, policy.p, SHA256_LEN);
}

static bool
on_record(void *arg, uint64_t index UNUSED, struct slice leaf)
{
	struct history *h = arg;
	struct audit_brief b;
	struct in_force *s;

	if (audit_brief_get(&b, leaf) != NULL)
		return true;
	if (b.type == AUDIT_policy_load && b.outcome == AUDIT_outcome_LOADED && b.new_digest.n) {
		s = begin_span(h, b.time, b.new_digest);
		s->load = b.id;
		s->is_signed = b.signed_by.n > 0;
		if (s->is_signed)
			memcpy(s->signer, b.signed_by.p, SHA256_LEN);
	} else if (b.type == AUDIT_log_state && b.log_state == AUDIT_log_state_STOP) {
		end_span(h, b.time);
	} else if (b.type == AUDIT_log_state && b.log_state == AUDIT_log_state_START) {
		end_span(h, h->newest); /* of a run that did not end by itself */
	} else if (b.policy.n && h->n == 0) {
		begin_span(h, b.time, b.policy)->before = true;
	}
	if (h->asked->record)
		look_for_record(h, &b);
	if (b.time > h->newest)
		h->newest = b.time;
	return true;
}

/* --- output --- */

static void
put_hex(struct buf *out, const uint8_t *p)
{
	hex_put(out, slice_of(p, SHA256_LEN));
}

static void
put_time(struct buf *out, uint64_t ns)
{
	char text[28];

	clock_format(ns, text);
	buf_printf(out, "%.19sZ", text);
}

static void
put_span(struct buf *out, const struct in_force *s)
{
	char id[37];

	buf_puts(out, s->before ? "before " : "from ");
	put_time(out, s->from);
	if (s->until) {
		buf_puts(out, " until ");
		put_time(out, s->until);
	} else {
		buf_puts(out, ", as far as the log goes");
	}
	if (s->before)
		return;
	audit_id_format(s->load, id);
	buf_printf(out, " (record %s)", id);
}

/* A carriage return elsewhere would let a terminal write over what is before it. */
static bool
ends_line(struct slice s)
{
	return s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n';
}

/* The source as it is, but for what a terminal would obey. */
static void
put_text(struct buf *out, struct slice s)
{
	bool open = s.n && s.p[s.n - 1] != '\n';

	while (s.n) {
		size_t len = utf8_sequence(s);
		uint32_t c = len ? utf8_character(s.p, len) : 0;

		if (len == 0)
			buf_printf(out, "\\x%02x", s.p[0]);
		else if (utf8_hides(c) && c != '\n' && c != '\t' && !ends_line(s))
			buf_printf(out, "\\u%04x", c);
		else
			buf_put(out, s.p, len);
		len += len == 0;
		s = slice_of(s.p + len, s.n - len);
	}
	if (open)
		buf_putc(out, '\n');
}

/* The heading is comments of the language, so that the whole is the policy again. */
static void
put_policy(struct buf *out, const struct history *h, const struct image *img)
{
	buf_puts(out, "# policy ");
	cli_put_plain(out, img->policy);
	buf_puts(out, ", digest ");
	put_hex(out, img->digest);
	if (img->is_signed) {
		buf_puts(out, "\n# signed by ");
		put_hex(out, img->public_key);
		buf_printf(out, ", counter %llu\n", (unsigned long long) img->counter);
	} else {
		buf_puts(out, "\n# not signed\n");
	}
	for (size_t i = 0; i < h->n; i++) {
		if (memcmp(h->v[i].digest, img->digest, SHA256_LEN) != 0)
			continue;
		buf_puts(out, "# in force ");
		put_span(out, &h->v[i]);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < img->n_files; i++) {
		buf_puts(out, i ? "\n# file " : "# file ");
		cli_put_plain(out, img->files[i].name);
		buf_putc(out, '\n');
		put_text(out, img->files[i].text);
	}
}

static void
put_signer_json(struct buf *out, const uint8_t *key)
{
	buf_puts(out, ",\"signed_by\":");
	buf_puts(out, key ? "\"" : "null");
	if (!key)
		return;
	put_hex(out, key);
	buf_putc(out, '"');
}

static void
put_span_json(struct buf *out, const struct in_force *s)
{
	char id[37];

	buf_puts(out, "{\"digest\":\"");
	put_hex(out, s->digest);
	buf_puts(out, s->before ? "\",\"before\":\"" : "\",\"from\":\"");
	put_time(out, s->from);
	buf_puts(out, "\",\"until\":");
	if (s->until) {
		buf_putc(out, '"');
		put_time(out, s->until);
		buf_putc(out, '"');
	} else {
		buf_puts(out, "null");
	}
	put_signer_json(out, s->is_signed ? s->signer : NULL);
	audit_id_format(s->load, id);
	if (!s->before)
		buf_printf(out, ",\"record\":\"%s\"", id);
	buf_putc(out, '}');
}

static void
put_policy_json(struct buf *out, const struct history *h, const struct image *img)
{
	bool first = true;

	buf_puts(out, "{\"policy\":");
	buf_json_string(out, img->policy);
	buf_puts(out, ",\"digest\":\"");
	put_hex(out, img->digest);
	buf_printf(out, "\",\"counter\":%llu", (unsigned long long) img->counter);
	put_signer_json(out, img->is_signed ? img->public_key : NULL);
	buf_puts(out, ",\"in_force\":[");
	for (size_t i = 0; i < h->n; i++) {
		if (memcmp(h->v[i].digest, img->digest, SHA256_LEN) != 0)
			continue;
		buf_puts(out, first ? "" : ",");
		put_span_json(out, &h->v[i]);
		first = false;
	}
	buf_puts(out, "],\"files\":[");
	for (size_t i = 0; i < img->n_files; i++) {
		buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		buf_json_string(out, img->files[i].name);
		buf_puts(out, ",\"text\":");
		buf_json_string(out, img->files[i].text);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}\n");
}

/* --- one --- */

#define LISTS "`weir audit policy FOLDER` lists those that were in force"

static int
negative(const char *what, const char *more, const char *next)
{
	fprintf(stderr, "weir audit policy: %s%s\n%s%s%s", what, more, *next ? "  " : "", next,
		*next ? "\n" : "");
	return EXIT_NEGATIVE;
}

static int
show(const struct audit_reader *r, const struct history *h, const uint8_t digest[SHA256_LEN])
{
	static const struct image_trust trust = {.allow_unsigned = true};
	char name[KEPT_NAME_LEN + 1];
	struct buf file = {0}, out = {0};
	struct image *img = NULL;
	struct image_error err;
	struct arena arena;
	struct kept k;
	int rc = kept_file(r->dir, digest, &file), code = EXIT_OK;
	const char *wrong = rc ? strerror(-rc) : kept_read(&k, buf_slice(&file), digest);

	arena_init(&arena, 0);
	kept_name(name, digest);
	if (!wrong && !(img = image_load(&arena, buf_slice(&file), &trust, &err)))
		wrong = err.text;
	if (wrong) {
		fprintf(stderr, "weir audit policy: %s/%s: %s\n", KEPT_FOLDER, name,
			rc == -ENOENT ? "not kept; versions of weir before this kept none" : wrong);
		code = EXIT_NEGATIVE;
	} else {
		(h->asked->json ? put_policy_json : put_policy)(&out, h, img);
		cli_print(&out);
	}
	arena_fini(&arena);
	buf_fini(&file);
	buf_fini(&out);
	return code;
}

/* The only policy on record or kept whose digest begins so. */
static int
show_digest(const struct audit_reader *r, const struct history *h)
{
	size_t n, len = strlen(h->asked->digest);
	char strange[256], name[KEPT_NAME_LEN + 1];
	uint8_t (*v)[SHA256_LEN];
	uint8_t found[SHA256_LEN];
	bool one = false, more = false;
	int rc = kept_list(r->dir, &v, &n, strange);

	for (size_t i = 0; rc == 0 && i < n + h->n; i++) {
		const uint8_t *digest = i < n ? v[i] : h->v[i - n].digest;

		kept_name(name, digest);
		if (len > (size_t) 2 * SHA256_LEN || strncmp(name, h->asked->digest, len) != 0)
			continue;
		more = more || (one && memcmp(found, digest, SHA256_LEN) != 0);
		one = true;
		memcpy(found, digest, SHA256_LEN);
	}
	free(v);
	if (rc != 0)
		return negative(KEPT_FOLDER ": ", strerror(-rc), "");
	if (!one)
		return negative("no policy whose digest begins with ", h->asked->digest, LISTS);
	if (more)
		return negative("more than one policy whose digest begins with ", h->asked->digest,
				"give more of it");
	return show(r, h, found);
}

static int
show_record(struct audit_reader *r, const struct history *h)
{
	if (h->n_records == 1 && h->decides)
		return show(r, h, h->decided);
	if (h->n_records == 1)
		return negative("no policy had a part in this record: ", h->asked->record,
				"give the id of a command or of a session's start");
	if (h->n_records > 1)
		return negative("more than one record whose id begins with ", h->asked->record,
				"give more of it");
	audit_reader_missing(r, 0);
	return negative("no record whose id begins with ", h->asked->record,
			"`weir audit tail FOLDER` shows the ids of the last ones");
}

/* Times are asked for as they are shown, in whole seconds. */
static int
show_at(struct audit_reader *r, const struct history *h)
{
	uint64_t at = h->asked->at;
	const struct in_force *last = NULL;
	bool others = false;

	for (size_t i = h->n; i-- > 0;) {
		const struct in_force *s = &h->v[i];

		if (s->from >= at + NS_PER_S || (s->until && s->until <= at))
			continue;
		others = others || (last && memcmp(last->digest, s->digest, SHA256_LEN) != 0);
		last = last ? last : s;
	}
	if (others)
		fprintf(stderr, "weir audit policy: more than one was in force at that time (a reload, or a clock "
			"that was set back); this is the last of them\n");
	if (last)
		return show(r, h, last->digest);
	audit_reader_missing(r, at);
	return negative("no policy was in force then, as the log says", "", LISTS);
}

/* --- all --- */

/* What is kept: each is read once, however often it was in force. */
struct there {
	uint8_t (*v)[SHA256_LEN]; /* ascending */
	struct {
		bool good, told;
	} *is;
	size_t n;
};

static int
look_what_is_there(struct there *t, const struct audit_reader *r)
{
	char strange[256];
	int rc = kept_list(r->dir, &t->v, &t->n, strange);

	if (rc != 0)
		return rc;
	t->is = calloc(t->n + 1, sizeof(*t->is));
	assert(t->is != NULL);
	for (size_t i = 0; i < t->n; i++) {
		struct buf file = {0};
		struct kept k;

		t->is[i].good = kept_file(r->dir, t->v[i], &file) == 0 &&
				kept_read(&k, buf_slice(&file), t->v[i]) == NULL;
		buf_fini(&file);
	}
	return 0;
}

static int
by_digest(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_LEN);
}

static bool
is_kept(struct there *t, const uint8_t digest[SHA256_LEN])
{
	uint8_t (*at)[SHA256_LEN] =
		t->n ? bsearch(digest, t->v, t->n, sizeof(*t->v), by_digest) : NULL;

	if (!at)
		return false;
	t->is[at - t->v].told = true;
	return t->is[at - t->v].good;
}

static void
list_spans(const struct history *h, struct there *t, struct buf *out)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct in_force *s = &h->v[i];
		bool good = is_kept(t, s->digest);

		if (h->asked->json) {
			put_span_json(out, s);
			out->n--; /* the brace */
			buf_printf(out, ",\"kept\":%s}\n", good ? "true" : "false");
			continue;
		}
		put_hex(out, s->digest);
		buf_putc(out, ' ');
		put_span(out, s);
		buf_puts(out, good ? "\n" : ", not kept\n");
	}
}

/* When they were in force was pruned; or they never were, as after a crash while one was loaded. */
static void
list_others(const struct history *h, const struct there *t, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->is[i].told)
			continue;
		buf_puts(out, h->asked->json ? "{\"digest\":\"" : "");
		put_hex(out, t->v[i]);
		if (h->asked->json)
			buf_printf(out, "\",\"kept\":%s}\n", t->is[i].good ? "true" : "false");
		else
			buf_puts(out, " is kept, and no record that is left says when it was in force\n");
	}
}

static int
list(const struct audit_reader *r, const struct history *h)
{
	struct there t = {0};
	struct buf out = {0};
	int rc = look_what_is_there(&t, r);

	list_spans(h, &t, &out);
	list_others(h, &t, &out);
	cli_print(&out);
	free(t.v);
	free(t.is);
	buf_fini(&out);
	return rc == 0 ? EXIT_OK : negative(KEPT_FOLDER ": ", strerror(-rc), "");
}

static int
run(const struct asked *a)
{
	struct history h = {.asked = a};
	struct audit_reader r = {.dir = -1, .record = on_record, .arg = &h};
	int rc = EXIT_USAGE;

	if (audit_reader_open(&r, "audit", a->folder) == 0 && audit_reader_run(&r) == 0)
		rc = a->digest	 ? show_digest(&r, &h)
		     : a->record ? show_record(&r, &h)
		     : a->has_at ? show_at(&r, &h)
				 : list(&r, &h);
	if (rc == EXIT_OK && r.gaps)
		rc = EXIT_NEGATIVE;
	audit_reader_close(&r);
	free(h.v);
	return rc;
}

enum { RECORD_MIN = 4, RECORD_MAX = 36, DIGEST_MIN = 4 };

int
cmd_audit_policy(int argc, char **argv)
{
	static const struct option longs[] = {
		{"at", required_argument, NULL, 'a'},
		{"record", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	struct asked a = {0};
	int c, n;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'a' && !audit_parse_time(optarg, &a.at))
			return cli_usage_error("audit", "'%s' is not a time: YYYY-MM-DD or "
					       "YYYY-MM-DDTHH:MM:SS", optarg);
		a.has_at = a.has_at || c == 'a';
		if (c == 'r')
			a.record = optarg;
		else if (c == 'j')
			a.json = true;
		else if (c != 'a')
			return cli_option_error("audit", argv[optind - 1], "--at --record");
	}
	n = argc - optind;
	if (n < 1 || n > 2 || (n == 2) + (a.record != NULL) + a.has_at > 1)
		return cli_usage_error("audit", "policy takes a folder, and one of a digest, --at TIME "
				       "and --record ID");
	a.folder = argv[argc - 1];
	a.digest = n == 2 ? argv[optind] : NULL;
	if (a.digest && strlen(a.digest) < DIGEST_MIN)
		return cli_usage_error("audit", "give at least %d digits of a digest", DIGEST_MIN);
	if (a.record && (strlen(a.record) < RECORD_MIN || strlen(a.record) > RECORD_MAX))
		return cli_usage_error("audit", "an id has %d characters; give at least %d of them",
				       RECORD_MAX, RECORD_MIN);
	return run(&a);
}
