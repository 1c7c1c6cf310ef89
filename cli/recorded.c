/* SPDX-License-Identifier: MIT */
#include "cli/recorded.h"

#include "audit/idmap.h"
#include "base/clock.h"
#include "cli/audit_reader.h"
#include "sql/dotted.h"
#include "vm/match.h"
#include "vm/verify.h"

#include <stdio.h>
#include <stdlib.h>

/* A command in hand: what its slices point to goes with it. */
struct held {
	struct recorded c;
	struct arena arena;
	struct buf leaf; /* of one that waits */
};

struct log {
	const char *command;
	struct idmap sessions; /* number + 1 in starts */
	json_t *starts;        /* their session.start records */
	struct idmap changed;  /* sessions whose transaction has changed the schema */
	struct held **waiting; /* for their results */
	size_t n_waiting, room;
	bool damaged, begun, pruned;
	bool (*f)(void *ctx, struct recorded *c);
	void *ctx;
};

static struct slice
text_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? slice_of(json_string_value(v), json_string_length(v))
				 : (struct slice){0};
}

static bool
is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static struct slice *
texts_of(struct arena *a, const json_t *list, size_t *n)
{
	struct slice *v;

	*n = json_array_size(list);
	v = ARENA_ARRAY(a, struct slice, *n + 1);
	for (size_t i = 0; i < *n; i++) {
		const json_t *s = json_array_get(list, i);

		v[i] = slice_of(json_string_value(s), json_string_length(s));
	}
	return v;
}

static uint64_t
bit(unsigned fact)
{
	return UINT64_C(1) << fact;
}

/* Facts that this file knows to find in a record. One that is new counts as missing until it is put
 * on record and read here: then its commands cannot be told, rather than being told wrongly. */
static const uint8_t facts_on_record[] = {
	FACT_USER_NAME,	   FACT_USER_KIND,	FACT_USER_GROUPS,    FACT_CLIENT_ADDRESS,
	FACT_CLIENT_TLS,   FACT_CLIENT_APPLICATION, FACT_TARGET_NAME, FACT_TARGET_PROTOCOL,
	FACT_TIME_WEEKDAY, FACT_TIME_OF_DAY,	FACT_SQL_STATEMENTS, FACT_SQL_PARAMETERS,
	FACT_SQL_TEXT,	   FACT_SQL_IN_TRANSACTION, FACT_ACTION,     FACT_TABLE,
	FACT_SCHEMA,	   FACT_COLUMNS,	FACT_FUNCTION,	     FACT_SETTING,
	FACT_SQL_WHERE,	   FACT_SQL_WHERE_CONSTANT,
};

const char *
recorded_lack_name(unsigned bit)
{
	static const char *const names[] = {
		[RECORDED_USES] = "sql.uses",
		[RECORDED_EFFECTS] = "further effects",
		[RECORDED_VOUCHED] = "whether a trusted function is as it was",
		[RECORDED_RULES] = "further rules",
		[RECORDED_POLICY] = "the policy of then",
		[RECORDED_ROWS] = "values of rows",
		[RECORDED_VIEWS] = "what is read through a view or another name",
		[RECORDED_REFUSED] = "what the gateway refuses because of masks",
		[RECORDED_GOT] = "how much would have been got",
		[RECORDED_LOOKUPS] = "how often masked values would have been looked up",
		[RECORDED_BYTES] = "how many bytes rows had",
	};

	assert(bit < RECORDED_BITS);
	return bit < FACT_COUNT ? fact_info[bit].name : names[bit];
}

static uint64_t
never_on_record(void)
{
	uint64_t missing = bit(FACT_COUNT) - 1;

	static_assert(RECORDED_BITS < 64, "they fit a word");
	for (size_t i = 0; i < COUNT_OF(facts_on_record); i++)
		missing &= ~bit(facts_on_record[i]);
	return missing | bit(RECORDED_USES);
}

/* ---- Facts ---- */

static void
word_fact(struct facts *f, enum fact id, struct slice word)
{
	int value = enum_find(fact_info[id].type, word);

	if (value >= 0)
		facts_int(f, id, value);
}

/* From the record of the session's start; without it nobody knows any more. */
static uint64_t
session_facts(struct recorded *c, const json_t *start)
{
	const json_t *source = json_object_get(start, "source");
	const json_t *principal = json_object_get(start, "principal");
	struct facts *f = &c->base;
	struct slice *groups;
	uint8_t address[16], prefix;
	size_t n;

	if (!start)
		return bit(FACT_USER_GROUPS) | bit(FACT_CLIENT_ADDRESS) |
		       bit(FACT_CLIENT_APPLICATION) | bit(FACT_CLIENT_TLS);
	groups = texts_of(c->arena, json_object_get(principal, "groups"), &n);
	facts_set(f, FACT_USER_GROUPS, groups, n);
	facts_string(f, FACT_CLIENT_APPLICATION, text_of(source, "application"));
	facts_bool(f, FACT_CLIENT_TLS, json_object_get(source, "tls_version") != NULL);
	if (!match_network_parse(text_of(source, "ip"), address, &prefix))
		return bit(FACT_CLIENT_ADDRESS);
	facts_address(f, FACT_CLIENT_ADDRESS, address);
	return 0;
}

static uint64_t
command_facts(struct recorded *c, const json_t *start)
{
	const json_t *body = json_object_get(c->json, "body");
	const json_t *statements = json_object_get(body, "statements");
	const json_t *principal = json_object_get(c->json, "principal");
	const json_t *target = json_object_get(c->json, "target");
	struct facts *f = &c->base;
	uint64_t s = c->brief.time / NS_PER_S, missing = session_facts(c, start);

	facts_string(f, FACT_USER_NAME, text_of(principal, "subject"));
	word_fact(f, FACT_USER_KIND, text_of(principal, "kind"));
	facts_string(f, FACT_TARGET_NAME, text_of(target, "name"));
	word_fact(f, FACT_TARGET_PROTOCOL, text_of(target, "protocol"));
	facts_int(f, FACT_TIME_WEEKDAY, (int64_t) ((s / 86400 + 3) % 7)); /* a Thursday began it */
	facts_int(f, FACT_TIME_OF_DAY, (int64_t) (s % 86400));
	facts_int(f, FACT_SQL_STATEMENTS, statements ? json_integer_value(statements) : 1);
	facts_int(f, FACT_SQL_PARAMETERS,
		  json_integer_value(json_object_get(body, "max_parameter")));
	facts_bool(f, FACT_SQL_IN_TRANSACTION, !slice_is(text_of(body, "transaction"), "idle"));
	if (is_true(body, "truncated"))
		missing |= bit(FACT_SQL_TEXT);
	else
		facts_string(f, FACT_SQL_TEXT, text_of(body, "statement"));
	return missing | never_on_record();
}

/* As judge() in gate_decide.c fills them. */
static uint64_t
effect_facts(struct recorded *c, const json_t *object, struct facts *f)
{
	struct slice schema = text_of(object, "schema"), table = text_of(object, "relation");
	struct slice function = text_of(object, "function"), setting = text_of(object, "setting");
	int action = action_find(text_of(object, "mode"));
	uint64_t missing = action > 0 ? 0 : bit(FACT_ACTION); /* of another version */
	struct slice *columns, name;
	size_t n;

	*f = c->base;
	if (action > 0)
		facts_int(f, FACT_ACTION, action);
	if (table.n && sql_dotted(c->arena, schema, table, &name)) {
		facts_string(f, FACT_TABLE, name);
		facts_string(f, FACT_SCHEMA, schema);
	} else if (table.n) {
		missing |= bit(RECORDED_VIEWS); /* a name that the catalog of then did not have */
	}
	if (function.n && sql_dotted_function(c->arena, schema, function, &name))
		facts_string(f, FACT_FUNCTION, name);
	if (setting.n)
		facts_string(f, FACT_SETTING, setting);
	facts_bool(f, FACT_SQL_WHERE, is_true(object, "where"));
	facts_bool(f, FACT_SQL_WHERE_CONSTANT, is_true(object, "where_constant"));
	if (is_true(object, "all_columns"))
		return missing | bit(FACT_COLUMNS);
	columns = texts_of(c->arena, json_object_get(object, "columns"), &n);
	facts_set(f, FACT_COLUMNS, columns, n);
	return missing;
}

/* What the policy said, whatever came of it: of a portal that goes on with what people released,
 * that it is held. */
static enum verdict
verdict_of(const struct audit_brief *b, struct slice code)
{
	if (slice_is(code, "WEIR-HOLD-RELEASED") || b->verdict == AUDIT_verdict_HOLD)
		return VERDICT_HOLD;
	return b->verdict == AUDIT_verdict_ALLOW ? VERDICT_ALLOW : VERDICT_DENY;
}

/* What the policy decided: sql.unparsed is its to allow, though the parser's words are told. */
static struct slice
gateway_code(struct slice code)
{
	static const char *const policy[] = {"WEIR-DENIED", "WEIR-NO-RULE", "WEIR-UNPARSED",
					     "WEIR-CONNECT", "WEIR-HOLD-RELEASED"};

	for (size_t i = 0; i < COUNT_OF(policy); i++)
		if (slice_is(code, policy[i]))
			return (struct slice){0};
	return code;
}

static void
fill(struct recorded *c, const json_t *start)
{
	const json_t *body = json_object_get(c->json, "body");
	const json_t *objects = json_object_get(body, "objects");
	const json_t *decision = json_object_get(body, "decision");
	struct slice code = text_of(decision, "reason_code");
	json_int_t judged = json_integer_value(json_object_get(body, "effects"));
	uint64_t missing = c->base_missing = command_facts(c, start);

	c->lookups = (uint64_t) json_integer_value(json_object_get(body, "lookups"));
	c->statements = (uint64_t) c->base.v[FACT_SQL_STATEMENTS].i;
	c->extended = slice_is(text_of(body, "kind"), "extended");
	c->obligations = texts_of(c->arena, json_object_get(decision, "obligations"),
				  &c->n_obligations);
	c->verdict = verdict_of(&c->brief, code);
	c->by_gateway = gateway_code(code);
	c->unasked = judged == 0;
	c->n = c->unasked ? 0 : json_array_size(objects);
	c->cut = (size_t) judged != c->n;
	c->effects = ARENA_ARRAY(c->arena, struct facts, c->n + 1);
	c->missing = ARENA_ARRAY(c->arena, uint64_t, c->n + 1);
	for (size_t i = 0; i < c->n; i++)
		c->missing[i] = missing | effect_facts(c, json_array_get(objects, i),
						       &c->effects[i]);
}

/* ---- The log ---- */

static json_t *
json_of(struct slice leaf)
{
	struct buf text = {0};
	const char *error;
	json_t *out = NULL;

	if (audit_to_json(&text, leaf, &error))
		out = json_loadb((const char *) text.p, text.n, JSON_ALLOW_NUL, NULL);
	buf_fini(&text);
	return out;
}

/* What cannot be read is told of once: `weir audit verify` says what is wrong with it. */
static bool
is_damaged(struct log *l, uint64_t index)
{
	if (!l->damaged)
		fprintf(stderr, "weir %s: record %llu is damaged; run `weir audit verify`\n",
			l->command, (unsigned long long) index);
	l->damaged = true;
	return true;
}

static void
held_free(struct held *h)
{
	json_decref(h->c.json);
	arena_fini(&h->arena);
	buf_fini(&h->leaf);
	free(h);
}

/* The leaf is good for this call only. */
static void
wait_for(struct log *l, struct held *h, struct slice leaf)
{
	const char *error;

	buf_put_slice(&h->leaf, leaf);
	error = audit_brief_get(&h->c.brief, buf_slice(&h->leaf));
	assert(!error);
	if (l->n_waiting == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->waiting = realloc(l->waiting, l->room * sizeof(*l->waiting));
		assert(l->waiting != NULL);
	}
	l->waiting[l->n_waiting++] = h;
}

static bool
has_ddl(const struct recorded *c)
{
	struct action_set ddl = {0};
	bool any = c->cut;

	action_leaves(ACTION_SQL_DDL, &ddl);
	for (size_t i = 0; i < c->n && !any; i++)
		any = c->effects[i].v[FACT_ACTION].known &&
		      action_set_has(&ddl, (enum action) c->effects[i].v[FACT_ACTION].i);
	return any;
}

/* A text may begin the transaction that it changes the schema in. */
static void
note_ddl(struct log *l, struct recorded *c)
{
	if (!c->base.v[FACT_SQL_IN_TRANSACTION].i)
		idmap_remove(&l->changed, c->brief.session);
	c->behind_ddl = idmap_get(&l->changed, c->brief.session) != NULL;
	if (c->verdict != VERDICT_DENY && has_ddl(c))
		*idmap_put(&l->changed, c->brief.session) = 1;
}

static bool
on_command(struct log *l, uint64_t index, struct slice leaf, const struct audit_brief *b)
{
	uint64_t *start = idmap_get(&l->sessions, b->session);
	struct held *h = calloc(1, sizeof(*h));
	bool more;

	assert(h != NULL);
	h->c = (struct recorded){.brief = *b, .json = json_of(leaf), .arena = &h->arena,
				 .pruned = l->pruned};
	if (!h->c.json) {
		free(h);
		return is_damaged(l, index);
	}
	arena_init(&h->arena, 0);
	fill(&h->c, start ? json_array_get(l->starts, *start - 1) : NULL);
	note_ddl(l, &h->c);
	more = l->f(l->ctx, &h->c);
	if (h->c.wait)
		wait_for(l, h, leaf);
	else
		held_free(h);
	return more;
}

/* The i-th that waits does so no longer. */
static bool
end_wait(struct log *l, size_t i, const struct recorded_result *result)
{
	struct held *h = l->waiting[i];
	bool more;

	l->waiting[i] = l->waiting[--l->n_waiting];
	h->c.ended = true;
	h->c.result = result;
	more = l->f(l->ctx, &h->c);
	held_free(h);
	return more;
}

static uint64_t
number_of(const json_t *body, const char *key)
{
	return (uint64_t) json_integer_value(json_object_get(body, key));
}

/* Newest first: of what waits long there may be much. */
static bool
on_result(struct log *l, uint64_t index, struct slice leaf, const struct audit_brief *b)
{
	size_t i = l->n_waiting;
	const json_t *body;
	json_t *json;
	bool more;

	while (i && (!b->n_refs ||
		     memcmp(l->waiting[i - 1]->c.brief.id.b, b->refs[0].b, sizeof(b->id.b)) != 0))
		i--;
	if (!i)
		return true;
	json = json_of(leaf);
	if (!json)
		return is_damaged(l, index);
	body = json_object_get(json, "body");
	more = end_wait(l, i - 1, &(struct recorded_result){
		.time = b->time,
		.rows = b->rows,
		.withheld = number_of(body, "withheld"),
		.dropped = number_of(body, "dropped"),
		.bytes = number_of(body, "bytes_down"),
		.ns = number_of(body, "upstream_ns"),
		.limit_hit = is_true(body, "limit_hit"),
		.limit = text_of(body, "limit"),
		.tag = text_of(body, "tag")});
	json_decref(json);
	return more;
}

/* Those of a session, or all: what became of them nobody says. */
static bool
end_waits(struct log *l, const struct audit_id *session)
{
	bool more = true;

	for (size_t i = l->n_waiting; i > 0 && more; i--)
		if (!session || memcmp(l->waiting[i - 1]->c.brief.session.b, session->b,
				       sizeof(session->b)) == 0)
			more = end_wait(l, i - 1, NULL);
	return more;
}

/* All that its rules read is on record. */
static bool
on_start(struct log *l, uint64_t index, struct slice leaf, const struct audit_brief *b)
{
	struct arena arena;
	struct recorded c = {
		.brief = *b, .json = json_of(leaf), .arena = &arena, .connects = true};
	const json_t *body;
	struct slice code;
	bool more;

	if (!c.json)
		return is_damaged(l, index);
	arena_init(&arena, 0);
	body = json_object_get(c.json, "body");
	code = text_of(json_object_get(body, "decision"), "reason_code");
	c.verdict = verdict_of(b, code);
	c.by_gateway = gateway_code(code);
	c.follows = b->n_refs != 0;
	(void) command_facts(&c, c.json);
	facts_int(&c.base, FACT_ACTION, ACTION_CONNECT);
	more = l->f(l->ctx, &c);
	arena_fini(&arena);
	json_decref(c.json);
	return more;
}

static bool
on_record(void *ctx, uint64_t index, struct slice leaf)
{
	struct log *l = ctx;
	struct audit_brief b;
	uint64_t *session;

	l->pruned = l->begun ? l->pruned : index > 0;
	l->begun = true;
	if (audit_brief_get(&b, leaf) != NULL)
		return is_damaged(l, index);
	switch (b.type) {
	case AUDIT_session_start:
		session = idmap_put(&l->sessions, b.session);
		if (json_array_append_new(l->starts, json_of(leaf)) == 0)
			*session = json_array_size(l->starts);
		return on_start(l, index, leaf, &b);
	case AUDIT_session_end:
		if (!end_waits(l, &b.session))
			return false;
		idmap_remove(&l->changed, b.session);
		session = idmap_get(&l->sessions, b.session);
		if (session && *session)
			json_array_set_new(l->starts, *session - 1, json_null());
		return true;
	case AUDIT_command:
		return on_command(l, index, leaf, &b);
	case AUDIT_result:
		return on_result(l, index, leaf, &b);
	default:
		return true;
	}
}

int
recorded_commands(const char *command, const char *folder,
		  bool (*f)(void *ctx, struct recorded *c), void *ctx, bool *damaged)
{
	struct log l = {.command = command, .starts = json_array(), .f = f, .ctx = ctx};
	struct audit_reader r = {.dir = -1, .record = on_record, .arg = &l};
	int rc = audit_reader_open(&r, command, folder);

	assert(l.starts != NULL);
	if (rc == 0) {
		audit_reader_missing(&r, 0);
		rc = audit_reader_run(&r);
	}
	if (rc == 0)
		(void) end_waits(&l, NULL);
	while (l.n_waiting)
		held_free(l.waiting[--l.n_waiting]);
	free(l.waiting);
	*damaged = l.damaged || r.gaps;
	audit_reader_close(&r);
	idmap_fini(&l.sessions);
	idmap_fini(&l.changed);
	json_decref(l.starts);
	return rc;
}

/* ---- Deciding again ---- */

/* The entry point with every test of a missing fact taken the other way. */
static struct insn *
turned(const struct image_entry *e, uint64_t missing)
{
	struct insn *code = malloc(e->n * sizeof(*code));

	assert(code != NULL);
	for (size_t i = 0; i < e->n; i++) {
		unsigned op = e->code[i].op;
		bool reads = (vm_op_reads_fact(op) && missing >> e->code[i].fact & 1) ||
			     (op == OP_USES && missing >> RECORDED_USES & 1);

		code[i] = e->code[i];
		if (reads)
			code[i].flags ^= INSN_UNKNOWN;
	}
	return code;
}

static const struct catalog_relation *
table_of(const struct facts *f, const struct catalog *catalog)
{
	const struct value *table = &f->v[FACT_TABLE], *schema = &f->v[FACT_SCHEMA];
	const struct catalog_relation *r;

	if (!table->known || !schema->known || table->s.n <= schema->s.n)
		return NULL;
	r = catalog_resolve(catalog, NULL, schema->s,
			    slice_of(table->s.p + schema->s.n + 1, table->s.n - schema->s.n - 1));
	/* Of a view its text need not tell all columns. */
	return r && strchr("rpf", r->kind) ? r : NULL;
}

void
recorded_columns(const struct recorded *c, const struct catalog *catalog)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct catalog_relation *r = NULL;
		struct slice *names;

		if (c->missing[i] & bit(FACT_COLUMNS))
			r = table_of(&c->effects[i], catalog);
		if (!r)
			continue;
		names = ARENA_ARRAY(c->arena, struct slice, r->n_columns + 1);
		for (uint32_t k = 0; k < r->n_columns; k++)
			names[k] = r->columns[k].name;
		facts_set(&c->effects[i], FACT_COLUMNS, names, r->n_columns);
		c->missing[i] &= ~bit(FACT_COLUMNS);
	}
}

/* Names as vouched-for ones are written: "app.f(integer)". */
static bool
is_vouched(const struct image *img, const struct facts *f)
{
	const struct value *name = &f->v[FACT_FUNCTION];

	if (!name->known || f->v[FACT_ACTION].i != ACTION_SQL_OPAQUE_FUNCTION)
		return false;
	for (size_t i = 0; i < img->n_trusted; i++) {
		struct slice t = img->trusted[i].function;
		const uint8_t *end = memchr(t.p, '(', t.n), *dot = memchr(t.p, '.', t.n);

		t.n = end ? (size_t) (end - t.p) : t.n;
		/* A call without a schema is on record without one. */
		if (slice_eq(t, name->s) ||
		    (dot && slice_eq(slice_of(dot + 1, (size_t) (t.p + t.n - dot) - 1), name->s)))
			return true;
	}
	return false;
}

/* The same facts, decided as the missing ones can make it most lenient. */
static void
decide_leniently(const struct image *img, enum vm_entry e, const struct facts *f, uint64_t missing,
		 struct decision *out)
{
	struct insn *code = turned(&img->entry[e], missing);
	struct image copy = *img;

	copy.entry[e].code = code;
	copy.entry[e].index = NULL;
	copy.entry[e].n_diagram = 0;
	vm_decide(&copy, e, f, out);
	free(code);
}

/* As SELECT 1 is. */
static void
decide_nothing(const struct recorded *c, const struct image *img, struct decision *out)
{
	struct facts f = c->base;

	facts_int(&f, FACT_ACTION, ACTION_SQL_SELECT);
	facts_set(&f, FACT_COLUMNS, NULL, 0);
	vm_decide(img, ENTRY_COMMAND, &f, out);
}

static uint64_t
read_by(const struct image *img, enum vm_entry entry)
{
	const struct image_entry *e = &img->entry[entry];

	return e->facts | (e->uses ? bit(RECORDED_USES) : 0);
}

/* Joins what is decided of one effect into both. */
static uint64_t
decide_both(const struct recorded *c, const struct image *img, enum vm_entry e, size_t effect,
	    struct decision *out, struct decision *turned)
{
	uint64_t missing = read_by(img, e) & c->missing[effect];
	struct decision one;

	vm_decide(img, e, &c->effects[effect], &one);
	vm_join(out, &one);
	if (missing)
		decide_leniently(img, e, &c->effects[effect], c->missing[effect], &one);
	if (turned)
		vm_join(turned, &one);
	return missing;
}

uint64_t
recorded_decide(const struct recorded *c, const struct image *img, struct decision *out,
		struct decision *turned)
{
	uint64_t lacking = c->cut ? bit(RECORDED_EFFECTS) : 0;
	struct decision one;
	size_t vouched = 0;

	if (c->connects) {
		vm_decide(img, ENTRY_CONNECT, &c->base, out);
		*turned = *out;
		return 0;
	}
	vm_join_init(out);
	vm_join_init(turned);
	for (size_t i = 0; i < c->n; i++) {
		bool trusted = is_vouched(img, &c->effects[i]);

		vouched += trusted;
		lacking |= decide_both(c, img, ENTRY_COMMAND, i, out, trusted ? NULL : turned);
	}
	if (vouched && vouched == c->n) {
		decide_nothing(c, img, &one);
		vm_join(turned, &one);
	}
	lacking |= vouched ? bit(RECORDED_VOUCHED) : 0;
	/* What more effects there were can only have made it stricter. */
	if (turned->verdict == out->verdict && (!c->cut || out->verdict == VERDICT_DENY))
		return 0;
	if (!slice_eq(c->brief.policy, slice_of(img->digest, SHA256_LEN)))
		return lacking;
	out->verdict = c->verdict; /* by this very policy */
	return 0;
}

uint64_t
recorded_match(const struct recorded *c, const struct image *img, enum vm_entry e,
	       struct decision *out, struct decision *turned)
{
	uint64_t missing = read_by(img, e) & c->base_missing;

	if (e == ENTRY_RESULT) {
		vm_decide(img, e, &c->base, out);
		*turned = *out;
		if (missing)
			decide_leniently(img, e, &c->base, missing, turned);
		return missing;
	}
	missing = 0;
	vm_join_init(out);
	vm_join_init(turned);
	for (size_t i = 0; i < c->n; i++)
		missing |= decide_both(c, img, e, i, out, turned);
	return missing;
}

uint64_t
recorded_missing(const struct recorded *c, const struct image *img)
{
	uint64_t missing = c->cut ? bit(RECORDED_EFFECTS) : 0;

	for (size_t i = 0; i < c->n; i++) {
		missing |= read_by(img, ENTRY_COMMAND) & c->missing[i];
		missing |= is_vouched(img, &c->effects[i]) ? bit(RECORDED_VOUCHED) : 0;
	}
	return missing;
}
