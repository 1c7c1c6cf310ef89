/* SPDX-License-Identifier: MIT */
#include "compiler/sarif.h"

#include <stdio.h>

static const char *const levels[] = {"error", "warning"}; /* by severity */

static void
put_text(struct buf *out, const char *key, struct slice text)
{
	buf_printf(out, "\"%s\":{\"text\":", key);
	buf_json_string(out, text);
	buf_putc(out, '}');
}

/* "there is no action '...'": the message without its arguments. */
static void
put_message(struct buf *out, const char *format)
{
	struct buf text = {0};

	for (const char *p = format; *p; p++) {
		if (*p != '%') {
			buf_putc(&text, (uint8_t) *p);
			continue;
		}
		p += 1 + strspn(p + 1, "0123456789.*zlh");
		buf_puts(&text, *p == '%' ? "%" : "...");
	}
	assert(!text.failed);
	put_text(out, "shortDescription", buf_slice(&text));
	buf_fini(&text);
}

/* BAD_CHARACTER as BadCharacter: rule names are opaque, in one word. */
static void
put_name(struct buf *out, const char *name)
{
	bool upper = true;

	for (; *name; name++) {
		if (*name != '_')
			buf_putc(out, (uint8_t) (upper || *name < 'A' ? *name : *name - 'A' + 'a'));
		upper = *name == '_';
	}
}

static void
put_rules(struct buf *out)
{
	buf_puts(out, "\"rules\":[");
	for (int i = 0; i < DIAG_COUNT; i++) {
		buf_printf(out, "%s{\"id\":\"%s\",\"name\":\"", i ? ",\n" : "\n",
			   diag_code((enum diag_id) i));
		put_name(out, diag_name((enum diag_id) i));
		buf_puts(out, "\",");
		put_message(out, diag_message((enum diag_id) i));
		buf_printf(out, ",\"defaultConfiguration\":{\"level\":\"%s\"}}",
			   levels[diag_severity((enum diag_id) i)]);
	}
	buf_puts(out, "]");
}

/* A path as a URI reference (RFC 3986). */
static void
put_uri(struct buf *out, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~/";

	buf_printf(out, "\"artifactLocation\":{\"uri\":\"%s", *path == '/' ? "file://" : "");
	for (; *path; path++) {
		if (strchr(plain, *path))
			buf_putc(out, (uint8_t) *path);
		else
			buf_printf(out, "%%%02X", (unsigned) (uint8_t) *path);
	}
	buf_puts(out, "\"}");
}

static void
put_region(struct diag_queue *q, struct buf *out, const char *key, struct span at)
{
	struct position from = source_position(q->sources, at);
	struct position to =
		source_position(q->sources, (struct span){at.file, at.off + at.len, 0});

	buf_printf(out, "\"%s\":{\"startLine\":%u,\"startColumn\":%u,\"endLine\":%u,"
		   "\"endColumn\":%u}", key, from.line, from.column, to.line, to.column);
}

static void
put_place(struct diag_queue *q, struct buf *out, struct span at)
{
	buf_puts(out, "\"physicalLocation\":{");
	put_uri(out, q->sources->files[at.file].path);
	buf_putc(out, ',');
	put_region(q, out, "region", at);
	buf_putc(out, '}');
}

/* The message with what to do: notes without a place. */
static void
put_result_text(struct buf *out, const struct diag *d)
{
	struct buf text = {0};

	buf_puts(&text, d->text);
	for (const struct diag_note *n = d->notes; n; n = n->next)
		if (span_is_none(n->at))
			buf_printf(&text, "; %s", n->text);
	assert(!text.failed);
	put_text(out, "message", buf_slice(&text));
	buf_fini(&text);
}

static void
put_related(struct diag_queue *q, struct buf *out, const struct diag *d)
{
	unsigned id = 0;

	for (const struct diag_note *n = d->notes; n; n = n->next) {
		if (span_is_none(n->at))
			continue;
		buf_printf(out, "%s{\"id\":%u,", id ? "," : ",\"relatedLocations\":[", id);
		id++;
		put_text(out, "message", slice_str(n->text));
		buf_putc(out, ',');
		put_place(q, out, n->at);
		buf_putc(out, '}');
	}
	buf_puts(out, id ? "]" : "");
}

/* One fix: edits of the same file are one change of it. */
static void
put_fixes(struct diag_queue *q, struct buf *out, const struct diag *d)
{
	const struct diag_edit *before = NULL;
	char what[64];

	if (!d->edits)
		return;
	buf_puts(out, ",\"fixes\":[{");
	snprintf(what, sizeof(what), "what `weir check --fix%s%s` does", d->offered ? "-also " : "",
		 d->offered ? diag_code(d->id) : "");
	put_text(out, "description", slice_str(what));
	buf_puts(out, ",\"artifactChanges\":[");
	for (const struct diag_edit *e = d->edits; e; before = e, e = e->next) {
		if (!before || before->at.file != e->at.file) {
			buf_puts(out, before ? "]},{" : "{");
			put_uri(out, q->sources->files[e->at.file].path);
			buf_puts(out, ",\"replacements\":[");
		} else {
			buf_putc(out, ',');
		}
		buf_putc(out, '{');
		put_region(q, out, "deletedRegion", e->at);
		buf_putc(out, ',');
		put_text(out, "insertedContent", slice_str(e->text));
		buf_putc(out, '}');
	}
	buf_puts(out, "]}]}]");
}

static void
put_result(struct diag_queue *q, struct buf *out, const struct diag *d)
{
	buf_printf(out, "{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"%s\",", diag_code(d->id),
		   (int) d->id, levels[d->severity]);
	put_result_text(out, d);
	if (!span_is_none(d->at)) {
		buf_puts(out, ",\"locations\":[{");
		put_place(q, out, d->at);
		buf_puts(out, "}]");
	}
	put_related(q, out, d);
	put_fixes(q, out, d);
	buf_putc(out, '}');
}

void
sarif_print(struct diag_queue *q, const char *version, struct buf *out)
{
	diag_sort(q);
	buf_puts(out, "{\"$schema\":\"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json\","
		      "\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"weir\","
		      "\"semanticVersion\":");
	buf_json_string(out, slice_str(version));
	buf_putc(out, ',');
	put_rules(out);
	buf_puts(out, "}},\"columnKind\":\"unicodeCodePoints\",\"results\":[");
	for (const struct diag *d = q->first; d; d = d->next) {
		buf_puts(out, d == q->first ? "\n" : ",\n");
		put_result(q, out, d);
	}
	buf_puts(out, "]}]}\n");
}
