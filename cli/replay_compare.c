/* SPDX-License-Identifier: MIT */
#include "cli/replay_compare.h"

#include "compiler/rule_digest.h"
#include "gate/gate.h"

#include <stdlib.h>

const struct change_info change_info[CHANGE_KINDS] = {
	[CHANGE_MASKED] = {"masked", "masked otherwise", "mask"},
	[CHANGE_DROPPED] = {"dropped", "with other rows dropped", "drop"},
	[CHANGE_LIMITED] = {"limited", "limited otherwise", "limit"},
	[CHANGE_RECORDED] = {"recorded", "recorded otherwise", "record"},
	[CHANGE_TOLD] = {"told", "told to other channels", "notify"},
	[CHANGE_APPROVED] = {"approved", "approved on other terms", "hold"},
	[CHANGE_NAMED] = {"named", "under other rules, by their names", "apply"},
};

static uint64_t
bit(unsigned lack)
{
	return UINT64_C(1) << lack;
}

void
change_add(struct comparison *out, struct change change)
{
	if (change.maybe)
		out->lacking |= bit(RECORDED_ROWS);
	/* A column may be read twice. */
	for (size_t i = 0; i < out->n; i++)
		if (change.object && out->v[i].kind == change.kind && out->v[i].object &&
		    strcmp(out->v[i].object, change.object) == 0)
			return;
	if (out->n < CHANGES_MAX)
		out->v[out->n++] = change;
	else
		out->more++;
}

/* What ran under a mask that opens nothing does so under any other. */
bool
change_may_refuse(const struct change *masked)
{
	return strcmp(masked->is, "clear") != 0 &&
	       (masked->maybe || strcmp(masked->was, "clear") == 0 ||
		strstr(masked->was, " allowing") != NULL);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

/* Names in order, each once: what two policies say is compared as such a text. */
struct texts {
	const char *v[2 * VERDICT_RULES + 2 * VERDICT_NOTICES];
	size_t n;
	const char *rule; /* of the last, where rules say them */
};

static void
add_text(struct texts *t, const char *text)
{
	size_t i = 0;

	while (i < t->n && strcmp(t->v[i], text) < 0)
		i++;
	if (i < t->n && strcmp(t->v[i], text) == 0)
		return;
	if (t->n == COUNT_OF(t->v)) /* as many rules cannot be on record */
		return;
	memmove(t->v + i + 1, t->v + i, (t->n - i) * sizeof(*t->v));
	t->v[i] = text;
	t->n++;
}

static const char *
join(const struct texts *t, const char *sep, const char *none, struct arena *a)
{
	const char *out = t->n ? t->v[0] : none;

	for (size_t i = 1; i < t->n; i++)
		out = arena_printf(a, "%s%s%s", out, sep, t->v[i]);
	return out;
}

/* ---- Rules ----------------------------------------------------------------------------------- */

/* The rule of then that a record names, if it is of the kind. NULL: it is not. */
static const struct image_rule *
rule_named(const struct image *img, struct slice name, enum vm_rule kind)
{
	int r = image_rule_find(img, name);

	return r >= 0 && img->rules[r].kind == kind ? &img->rules[r] : NULL;
}

/* What is lacking to know whether each rule of a kind matches; 0: nothing. */
static uint64_t
unsure(const struct image *img, const struct decision *is, const struct decision *turned,
       enum vm_rule kind, uint64_t missing)
{
	for (size_t r = 0; missing && r < img->n_rules; r++)
		if (img->rules[r].kind == kind && decision_has(is, r) != decision_has(turned, r))
			return missing;
	return 0;
}

static bool
has_kind(const struct image *img, enum vm_rule kind)
{
	for (size_t r = 0; r < img->n_rules; r++)
		if (img->rules[r].kind == kind && !img->rules[r].shadow)
			return true;
	return false;
}

/* Of a command with more effects than are on record, more rules may match. */
static uint64_t
cut(const struct recorded *c, const struct image *img, enum vm_rule kind)
{
	return c->cut && has_kind(img, kind) ? bit(RECORDED_EFFECTS) : 0;
}

/* ---- What goes on record --------------------------------------------------------------------- */

static const char *
recorded_text(unsigned recorded, struct arena *a)
{
	struct texts t = {0};

	for (int i = 0; i < RECORDED_COUNT; i++)
		if (recorded >> i & 1)
			add_text(&t, recorded_info[i].name);
	return join(&t, ", ", "no more than always", a);
}

struct sum {
	unsigned recorded;
	const char *rule; /* the last; all of them are on record by name */
	size_t n;
};

static void
sum_add(struct sum *s, const struct image_rule *r, struct arena *a)
{
	s->recorded |= r->recorded;
	s->rule = arena_str(a, r->name);
	s->n++;
}

static void
compare_records(const struct comparer *x, const struct recorded *c, const struct decision *is,
		const struct decision *turned, struct comparison *out)
{
	const struct image *img = x->is->image;
	struct sum was = {0}, now = {0};
	const struct image_rule *r;
	uint64_t lacking;

	for (size_t i = 0; i < c->n_obligations; i++)
		if ((r = rule_named(x->was->image, c->obligations[i], VM_RECORD)) != NULL)
			sum_add(&was, r, out->arena);
	for (int k = decision_next(is, -1); k >= 0; k = decision_next(is, k))
		if (img->rules[k].kind == VM_RECORD)
			sum_add(&now, &img->rules[k], out->arena);
	lacking = unsure(img, is, turned, VM_RECORD, recorded_missing(c, img)) |
		  cut(c, img, VM_RECORD) |
		  (was.n == VERDICT_RECORDS ? bit(RECORDED_RULES) : 0);
	out->lacking |= lacking;
	if (was.recorded != now.recorded && !lacking)
		change_add(out, (struct change){.kind = CHANGE_RECORDED,
						.was = recorded_text(was.recorded, out->arena),
						.is = recorded_text(now.recorded, out->arena),
						.rule_was = was.rule, .rule_is = now.rule});
}

/* ---- Whom notices tell ----------------------------------------------------------------------- */

static void
add_channel(struct texts *t, const struct image_rule *r, struct arena *a)
{
	if (!r->channel.n)
		return;
	add_text(t, arena_str(a, r->channel));
	t->rule = arena_str(a, r->name);
}

static void
channels_was(const struct comparer *x, const struct recorded *c, struct texts *out, struct arena *a,
	     uint64_t *lacking)
{
	const struct image *img = x->was->image;
	const struct image_rule *r;
	size_t n = 0;

	for (size_t i = 0; i < c->brief.n_rules; i++)
		if ((r = rule_named(img, c->brief.rules[i], (enum vm_rule) c->verdict)) != NULL)
			add_channel(out, r, a);
	for (size_t i = 0; i < c->n_obligations; i++)
		if ((r = rule_named(img, c->obligations[i], VM_NOTIFY)) != NULL) {
			add_channel(out, r, a);
			n++;
		}
	if (n == VERDICT_NOTICES || c->brief.n_rules == BRIEF_RULES_MAX)
		*lacking |= bit(RECORDED_RULES);
}

static void
channels_is(const struct comparer *x, const struct recorded *c, const struct decision *is,
	    const struct decision *turned, struct texts *out, struct arena *a, uint64_t *lacking)
{
	const struct image *img = x->is->image;
	struct decision seen, seen_turned;
	uint64_t missing = 0;

	/* Of who opens a session nobody is told. */
	for (int r = -1; (r = decision_next_deciding(img, is, r)) >= 0;)
		if (!is->by_default && !(c->connects && is->verdict == VERDICT_ALLOW))
			add_channel(out, &img->rules[r], a);
	*lacking |= unsure(img, is, turned, (enum vm_rule) is->verdict, recorded_missing(c, img));
	if (c->connects)
		return;
	missing = recorded_match(c, img, ENTRY_WATCH, &seen, &seen_turned);
	for (int r = decision_next(&seen, -1); r >= 0; r = decision_next(&seen, r))
		if (img->rules[r].kind == VM_NOTIFY && !img->rules[r].shadow)
			add_channel(out, &img->rules[r], a);
	*lacking |= unsure(img, &seen, &seen_turned, VM_NOTIFY, missing) | cut(c, img, VM_NOTIFY);
}

static void
compare_notices(const struct comparer *x, const struct recorded *c, const struct decision *is,
		const struct decision *turned, struct comparison *out)
{
	struct texts was = {0}, now = {0};
	uint64_t lacking = 0;
	const char *a, *b;

	if (!x->was->channels && !x->is->channels)
		return;
	channels_was(x, c, &was, out->arena, &lacking);
	channels_is(x, c, is, turned, &now, out->arena, &lacking);
	a = join(&was, ", ", "nobody", out->arena);
	b = join(&now, ", ", "nobody", out->arena);
	out->lacking |= lacking;
	if (strcmp(a, b) != 0 && !lacking)
		change_add(out, (struct change){.kind = CHANGE_TOLD, .was = a, .is = b,
						.rule_was = was.rule, .rule_is = now.rule});
}

/* ---- What an approval takes ------------------------------------------------------------------ */

static void
add_terms(struct texts *t, const struct image *img, const struct image_rule *r, struct arena *a)
{
	struct buf b = {0};

	rule_hold_text(&b, img, &r->hold);
	add_text(t, arena_str(a, buf_slice(&b)));
	t->rule = arena_str(a, r->name);
	buf_fini(&b);
}

static void
compare_holds(const struct comparer *x, const struct recorded *c, const struct decision *is,
	      const struct decision *turned, struct comparison *out)
{
	const struct image *img = x->is->image;
	struct texts was = {0}, now = {0};
	const struct image_rule *r;
	uint64_t lacking;
	const char *a, *b;

	for (size_t i = 0; i < c->brief.n_rules; i++)
		if ((r = rule_named(x->was->image, c->brief.rules[i], VM_HOLD)) != NULL)
			add_terms(&was, x->was->image, r, out->arena);
	for (int k = -1; (k = decision_next_deciding(img, is, k)) >= 0;)
		add_terms(&now, img, &img->rules[k], out->arena);
	lacking = unsure(img, is, turned, VM_HOLD, recorded_missing(c, img)) |
		  cut(c, img, VM_HOLD) |
		  (c->brief.n_rules == BRIEF_RULES_MAX ? bit(RECORDED_RULES) : 0);
	out->lacking |= lacking;
	a = join(&was, "; ", "", out->arena);
	b = join(&now, "; ", "", out->arena);
	if (strcmp(a, b) != 0 && !lacking)
		change_add(out, (struct change){.kind = CHANGE_APPROVED, .was = a, .is = b,
						.rule_was = was.rule, .rule_is = now.rule});
}

/* ---- By names -------------------------------------------------------------------------------- */

static bool
is_obligation(const struct image_rule *r)
{
	return r->kind > VM_DENY && !r->shadow;
}

static bool
has_name(const struct slice *v, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(v[i], name))
			return true;
	return false;
}

/* Whether a mask or drop may be about the command's tables. */
static bool
may_cover(const struct comparer *x, const struct recorded *c, const struct image_rule *rule)
{
	struct slice schema, table;

	for (size_t i = 0; i < c->n; i++)
		if (effect_table(&c->effects[i], &schema, &table) &&
		    vm_rule_covers(x->is->image, rule, schema, table, (struct slice){0}))
			return true;
	return rule->detectors != 0;
}

/* Of masks and drops only those are on record that the command's tables have. */
static void
compare_matched(const struct comparer *x, const struct recorded *c, const struct decision *d,
		struct comparison *out)
{
	const struct image *img = x->is->image;

	for (int r = decision_next(d, -1); r >= 0; r = decision_next(d, r)) {
		const struct image_rule *rule = &img->rules[r];
		const char *name = arena_str(out->arena, rule->name);

		/* What limits would do is worked out (replay_limits.c). */
		if (!is_obligation(rule) || rule->kind == VM_LIMIT ||
		    has_name(c->obligations, c->n_obligations, rule->name))
			continue;
		if (rule->kind == VM_MASK || rule->kind == VM_DROP) {
			out->lacking |= may_cover(x, c, rule) ? bit(RECORDED_POLICY) : 0;
			continue;
		}
		change_add(out, (struct change){.kind = CHANGE_NAMED, .object = name,
						.was = "not on record",
						.is = vm_rule_info[rule->kind].name,
						.rule_is = name});
	}
}

static bool
matches(const struct image *img, const struct decision *const d[3], struct slice name)
{
	int r = image_rule_find(img, name);

	for (int i = 0; r >= 0 && i < 3; i++)
		if (decision_has(d[i], (size_t) r))
			return true;
	return false;
}

static void
compare_hold_names(const struct image *img, const struct recorded *c, const struct decision *is,
		   struct comparison *out)
{
	struct texts was = {0}, now = {0};
	const char *a, *b;

	for (size_t i = 0; i < c->brief.n_rules; i++)
		add_text(&was, arena_str(out->arena, c->brief.rules[i]));
	for (int k = -1; (k = decision_next_deciding(img, is, k)) >= 0;)
		add_text(&now, arena_str(out->arena, img->rules[k].name));
	a = join(&was, ", ", "", out->arena);
	b = join(&now, ", ", "", out->arena);
	out->by_names = true;
	if (strcmp(a, b) != 0)
		change_add(out, (struct change){.kind = CHANGE_NAMED, .was = a, .is = b});
}

static void
compare_names(const struct comparer *x, const struct recorded *c, const struct decision *is,
	      const struct decision *turned, struct comparison *out)
{
	const struct image *img = x->is->image;
	struct decision result, watch, other;
	const struct decision *const all[] = {is, &result, &watch};
	uint64_t missing = recorded_missing(c, img);

	if (c->verdict == VERDICT_HOLD)
		compare_hold_names(img, c, is, out);
	if (c->connects)
		return;
	out->lacking |= unsure(img, is, turned, VM_LIMIT, missing) |
			unsure(img, is, turned, VM_RECORD, missing) |
			recorded_match(c, img, ENTRY_RESULT, &result, &other) |
			recorded_match(c, img, ENTRY_WATCH, &watch, &other);
	for (int i = 0; i < 3; i++)
		compare_matched(x, c, all[i], out);
	for (size_t i = 0; i < c->n_obligations; i++) {
		const char *name = arena_str(out->arena, c->obligations[i]);

		if (!matches(img, all, c->obligations[i]))
			change_add(out, (struct change){.kind = CHANGE_NAMED, .object = name,
							.was = "on record", .is = "not",
							.rule_was = name});
	}
	out->by_names = out->by_names || c->n_obligations || out->n || out->lacking;
}

/* ---- A command ------------------------------------------------------------------------------- */

void
compare(const struct comparer *x, const struct recorded *c, const struct decision *is,
	const struct decision *turned, struct comparison *out)
{
	const unsigned shown = 1u << VM_MASK | 1u << VM_DROP;

	if (!x->was) {
		compare_names(x, c, is, turned, out);
		return;
	}
	if (c->verdict == VERDICT_HOLD)
		compare_holds(x, c, is, turned, out);
	compare_notices(x, c, is, turned, out);
	if (c->connects)
		return;
	if (!(x->was->same >> VM_RECORD & 1))
		compare_records(x, c, is, turned, out);
	if (c->verdict != VERDICT_DENY && (x->was->same & shown) != shown)
		compare_masks(x, c, out);
}

/* ---- Telling --------------------------------------------------------------------------------- */

bool
changes_certain(const struct comparison *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (!x->v[i].maybe)
			return true;
	return false;
}

static void
put_member(struct buf *out, const char *name, const char *text)
{
	if (!text)
		return;
	buf_printf(out, ", \"%s\": ", name);
	buf_json_string(out, slice_str(text));
}

void
changes_put_json(struct buf *out, const struct comparison *x)
{
	buf_puts(out, "[");
	for (size_t i = 0; i < x->n; i++) {
		const struct change *c = &x->v[i];

		buf_printf(out, "%s{\"kind\": \"%s\", \"certain\": %s", i ? ", " : "",
			   change_info[c->kind].name, c->maybe ? "false" : "true");
		put_member(out, "object", c->object);
		put_member(out, "was", c->was);
		put_member(out, "is", c->is);
		put_member(out, "was_by", c->rule_was);
		put_member(out, "is_by", c->rule_is);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

/* The first that is certain. */
const char *
changes_text(const struct comparison *x, struct arena *a)
{
	size_t i = 0;
	const struct change *c;
	const char *out;

	while (i < x->n && x->v[i].maybe)
		i++;
	c = &x->v[i];
	out = arena_printf(a, "%s: %s -> %s", c->object ? c->object : change_info[c->kind].name,
			   c->was, c->is);
	if (c->rule_is && c->kind != CHANGE_NAMED && c->kind != CHANGE_LIMITED)
		out = arena_printf(a, "%s by %s", out, c->rule_is);
	return x->n + x->more > 1 ? arena_printf(a, "%s, and %zu more", out, x->n + x->more - 1)
				  : out;
}
