/* SPDX-License-Identifier: MIT
 *
 * Reading an image. The body is a map with the keys of enum body_key, all of them, in that order;
 * compiler/image_build.c writes it. Strings stay where they are in the copy of the file.
 *
 *   entry  [name, list, diagram]
 *                              code: 8 bytes an instruction: op, flags, fact, skip, argument, the
 *                              last three big-endian; op and fact index the tables OPS and FACTS,
 *                              or, of a test of the row, the constants: the column's name
 *   rule   [kind, name, sentence, [file, line, column, length], shadow, channel,
 *           detail]
 *          detail  allow, deny: []
 *                  hold: [[[n, group], ...], not self, once, reason, ticket, within s, expires s]
 *                  mask: [[data ...], mask, count, text, lookup, derived, smallest group]
 *                  limit: [[unit, per, n], ...]
 *                  drop: [data ...]
 *                  record: [what ...]
 *   data   [name, [[schema, table, column] ...], [detector ...]]
 *   catalog [digest or nothing, [[schema, name, [column ...]] ...]]
 *   constant [kind, ...]       number: n; string: bytes; strings: [bytes ...]; actions: [name ...];
 *                              values: type, [name ...]; network: bytes, prefix;
 *                              regex: text, [class of each byte, next state (16 bits) of each
 *                              state and class, for each state whether it accepts], all bytes;
 *                              uses: data, [context ...]
 *
 * Everything is checked, signature or not: a signer's compiler may have bugs too.
 */
#include "vm/image.h"

#include "base/cbor.h"
#include "base/endian.h"
#include "vm/image_format.h"
#include "vm/image_load.h"
#include "vm/index.h"
#include "vm/match.h"
#include "vm/verify.h"

static bool
cbor_failed(struct loader *l)
{
	if (l->r.error && l->err->code == IMAGE_OK)
		image_fail(l->err, IMAGE_ERROR_CBOR, "%s at byte %zu of the %s", l->r.error,
			   (size_t) (l->r.error_at - l->start), l->img ? "body" : "file");
	return l->err->code != IMAGE_OK;
}

static void
key(struct loader *l, int64_t want)
{
	if (cbor_get_int(&l->r) != want)
		cbor_fail(&l->r, "a key that does not belong here");
}

static int
op_find(struct slice name)
{
	static const char *const names[] = {
#define OP(id, name, fact, constant, sentence) name,
#include "grammar/opcodes.def"
#undef OP
	};

	for (int i = 0; i < OP_COUNT; i++)
		if (slice_is(name, names[i]))
			return i;
	return -1;
}

static int
rule_kind_find(struct slice name)
{
	for (int i = 0; i < VM_RULE_COUNT; i++)
		if (slice_is(name, vm_rule_info[i].name))
			return i;
	return -1;
}

static void
load_files(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, IMAGE_MAX_FILES);
	struct image_file *v = ARENA_ARRAY(l->arena, struct image_file, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		tuple(l, 2);
		v[i].name = cbor_get_text(&l->r);
		v[i].text = cbor_get_bytes(&l->r);
	}
	l->img->files = v;
	l->img->n_files = n;
}

static void
load_source_digest(struct loader *l)
{
	struct slice want = cbor_get_bytes(&l->r);

	if (!ok(l))
		return;
	image_source_digest(l->img->source_digest, l->img->files, l->img->n_files);
	if (!slice_eq(want, slice_of(l->img->source_digest, SHA256_LEN)))
		BAD(l, SOURCE, "the policy text in the image was changed");
}

static void
load_groups(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	struct image_group *v = ARENA_ARRAY(l->arena, struct image_group, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		tuple(l, 2);
		v[i].name = cbor_get_text(&l->r);
		v[i].idp = cbor_get_text(&l->r);
	}
	l->img->groups = v;
	l->img->n_groups = n;
}

static void
load_targets(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	struct image_target *v = ARENA_ARRAY(l->arena, struct image_target, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		struct slice protocol;
		int id;

		tuple(l, 3);
		v[i].name = cbor_get_text(&l->r);
		protocol = cbor_get_text(&l->r);
		v[i].pattern = cbor_get_text(&l->r);
		id = enum_find(TYPE_ENUM_PROTOCOL, protocol);
		if (id < 0)
			BAD(l, NAME, "target %zu: a protocol this version does not have", i);
		else
			v[i].protocol = (enum protocol) id;
	}
	l->img->targets = v;
	l->img->n_targets = n;
}

static void
load_data(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	struct image_data *v = ARENA_ARRAY(l->arena, struct image_data, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		struct image_column *c;

		tuple(l, 3);
		v[i].name = cbor_get_text(&l->r);
		v[i].n_columns = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
		v[i].columns = c = ARENA_ARRAY(l->arena, struct image_column, v[i].n_columns);
		for (size_t k = 0; k < v[i].n_columns && ok(l); k++) {
			tuple(l, 3);
			c[k].schema = cbor_get_text(&l->r);
			c[k].table = cbor_get_text(&l->r);
			c[k].column = cbor_get_text(&l->r);
		}
		for (size_t k = cbor_get_array(&l->r, DETECTOR_COUNT); k && ok(l); k--) {
			int detector = name_in(l, detector_find, "detector");

			v[i].detectors |= ok(l) ? UINT32_C(1) << detector : 0;
		}
	}
	l->img->data = v;
	l->img->n_data = n;
}

static void
load_trusted(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	struct image_trusted *v = ARENA_ARRAY(l->arena, struct image_trusted, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		struct slice digest;

		tuple(l, 2);
		v[i].function = cbor_get_text(&l->r);
		digest = cbor_get_bytes(&l->r);
		if (ok(l) && digest.n != SHA256_LEN)
			BAD(l, VALUE, "a digest of %zu bytes", digest.n);
		if (ok(l))
			memcpy(v[i].digest, digest.p, SHA256_LEN);
	}
	l->img->trusted = v;
	l->img->n_trusted = n;
}

static void
load_ops(struct loader *l)
{
	l->n_ops = cbor_get_array(&l->r, UINT8_MAX);
	l->ops = ARENA_ARRAY(l->arena, uint8_t, l->n_ops);
	for (size_t i = 0; i < l->n_ops && ok(l); i++)
		l->ops[i] = (uint8_t) name_in(l, op_find, "instruction");
}

static void
load_facts(struct loader *l)
{
	l->n_facts = cbor_get_array(&l->r, UINT8_MAX);
	l->facts = ARENA_ARRAY(l->arena, uint16_t, l->n_facts);
	for (size_t i = 0; i < l->n_facts && ok(l); i++) {
		int fact, type;

		tuple(l, 2);
		fact = name_in(l, fact_find, "fact");
		type = name_in(l, type_find, "type");
		if (ok(l) && (int) fact_info[fact].type != type)
			BAD(l, NAME, "fact %s is of type %s here", fact_info[fact].name,
			    type_info[fact_info[fact].type].name);
		l->facts[i] = (uint16_t) fact;
	}
}

static void
load_hold(struct loader *l, struct image_hold *h)
{
	struct image_need *v;

	tuple(l, 7);
	h->n_needs = cbor_get_array(&l->r, IMAGE_MAX_NEEDS);
	h->needs = v = ARENA_ARRAY(l->arena, struct image_need, h->n_needs);
	for (size_t i = 0; i < h->n_needs && ok(l); i++) {
		tuple(l, 2);
		v[i].n = (uint16_t) number(l, IMAGE_MAX_APPROVERS, "number of approvers");
		v[i].group = index_of(l, l->img->n_groups, "group");
		if (v[i].n == 0)
			BAD(l, VALUE, "a hold that needs 0 of a group");
	}
	h->not_self = cbor_get_bool(&l->r);
	h->once = cbor_get_bool(&l->r);
	h->reason = cbor_get_bool(&l->r);
	h->ticket = cbor_get_bool(&l->r);
	h->within_s = (uint32_t) number(l, IMAGE_MAX_SECONDS, "time to decide");
	h->expires_s = (uint32_t) number(l, IMAGE_MAX_SECONDS, "time to expire");
	if (h->n_needs == 0 || h->within_s == 0)
		BAD(l, VALUE, "a hold that nobody can release");
}

static void
load_mask(struct loader *l, struct image_mask *m)
{
	uint16_t *data;
	int kernel;

	tuple(l, 7);
	m->n_data = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	m->data = data = ARENA_ARRAY(l->arena, uint16_t, m->n_data);
	for (size_t i = 0; i < m->n_data && ok(l); i++)
		data[i] = index_of(l, l->img->n_data, "data class");
	kernel = name_in(l, mask_find, "mask");
	m->count = (uint32_t) number(l, MASK_WIDTH_MAX, "count");
	m->text = cbor_get_bytes(&l->r);
	m->modes.lookup = cbor_get_bool(&l->r);
	m->modes.derived = cbor_get_bool(&l->r);
	m->modes.over = (uint32_t) number(l, IMAGE_MAX_OVER, "size of a group");
	if (!ok(l))
		return;
	if (m->modes.over && m->modes.over < IMAGE_MIN_OVER)
		BAD(l, VALUE, "aggregates over groups of %u", m->modes.over);
	m->kernel = (enum mask) kernel;
	if (mask_has_number(mask_info[kernel].arg) != (m->count > 0) ||
	    (mask_info[kernel].arg == MASK_ARG_COUNT && m->count > MASK_COUNT_MAX) ||
	    (mask_info[kernel].arg == MASK_ARG_WIDTH && m->count < MASK_WIDTH_MIN) ||
	    (mask_info[kernel].arg != MASK_ARG_TEXT && m->text.n))
		BAD(l, VALUE, "mask %s with other arguments than it takes", mask_info[kernel].name);
	if (kernel == MASK_CLEAR)
		BAD(l, VALUE, "a mask that masks nothing");
}

static void
load_limit(struct loader *l, struct image_limit *limit)
{
	struct image_amount *v;

	limit->n_amounts = cbor_get_array(&l->r, IMAGE_MAX_AMOUNTS);
	limit->amounts = v = ARENA_ARRAY(l->arena, struct image_amount, limit->n_amounts);
	for (size_t i = 0; i < limit->n_amounts && ok(l); i++) {
		int unit, per;

		tuple(l, 3);
		unit = name_in(l, limit_unit_find, "unit of a limit");
		per = name_in(l, limit_per_find, "span of a limit");
		v[i].n = number(l, IMAGE_MAX_AMOUNT, "amount");
		if (!ok(l))
			return;
		v[i].unit = (enum limit_unit) unit;
		v[i].per = (enum limit_per) per;
		if (v[i].n == 0 || (unit == LIMIT_COMMANDS && per == PER_COMMAND))
			BAD(l, VALUE, "an amount that no limit can have");
	}
	if (limit->n_amounts == 0)
		BAD(l, VALUE, "a limit that limits nothing");
}

/* Values that detectors find are in no row of a table that could be read or dropped. */
static void
note_data(struct loader *l, struct image_rule *rule)
{
	for (size_t i = 0; i < rule->mask.n_data && ok(l); i++) {
		const struct image_data *d = &l->img->data[rule->mask.data[i]];

		rule->by_column = rule->by_column || d->n_columns;
		rule->detectors |= d->detectors;
	}
	if (rule->kind == VM_DROP && rule->detectors)
		BAD(l, VALUE, "a drop of values that have no column");
}

static void
load_drop(struct loader *l, struct image_mask *m)
{
	uint16_t *data;

	m->n_data = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	m->data = data = ARENA_ARRAY(l->arena, uint16_t, m->n_data);
	for (size_t i = 0; i < m->n_data && ok(l); i++)
		data[i] = index_of(l, l->img->n_data, "data class");
}

static void
load_recorded(struct loader *l, struct image_rule *rule)
{
	size_t n = cbor_get_array(&l->r, RECORDED_COUNT);

	for (size_t i = 0; i < n && ok(l); i++) {
		int what = name_in(l, recorded_find, "thing to record");

		if (ok(l))
			rule->recorded = (uint8_t) (rule->recorded | 1u << what);
	}
	if (!rule->recorded)
		BAD(l, VALUE, "a rule that records nothing");
}

static void
load_rule(struct loader *l, struct image_rule *rule)
{
	int kind;

	tuple(l, 7);
	kind = name_in(l, rule_kind_find, "kind of rule");
	rule->name = cbor_get_text(&l->r);
	rule->sentence = cbor_get_text(&l->r);
	tuple(l, 4);
	rule->span.file = index_of(l, l->img->n_files, "file");
	rule->span.line = (uint32_t) number(l, UINT32_MAX, "line");
	rule->span.column = (uint32_t) number(l, UINT32_MAX, "column");
	rule->span.length = (uint32_t) number(l, UINT32_MAX, "length");
	rule->shadow = cbor_get_bool(&l->r);
	rule->channel = cbor_get_text(&l->r);
	if (!ok(l))
		return;
	rule->kind = (enum vm_rule) kind;
	if (kind == VM_NOTIFY ? !rule->channel.n : kind > VM_DENY && rule->channel.n)
		BAD(l, VALUE, "a channel where none belongs, or none where one does");
	if (kind == VM_HOLD)
		load_hold(l, &rule->hold);
	else if (kind == VM_MASK)
		load_mask(l, &rule->mask);
	else if (kind == VM_LIMIT)
		load_limit(l, &rule->limit);
	else if (kind == VM_DROP)
		load_drop(l, &rule->mask);
	else if (kind == VM_RECORD)
		load_recorded(l, rule);
	else
		tuple(l, 0);
	note_data(l, rule);
}

static bool
counts_commands(const struct image_limit *limit)
{
	for (size_t i = 0; i < limit->n_amounts; i++)
		if (limit->amounts[i].unit == LIMIT_COMMANDS)
			return true;
	return false;
}

static void
load_rules(struct loader *l)
{
	size_t n = cbor_get_array(&l->r, VM_MAX_RULES);
	struct image_rule *v = ARENA_ARRAY(l->arena, struct image_rule, n);
	int8_t *ranks = ARENA_ARRAY(l->arena, int8_t, n);

	for (size_t i = 0; i < n && ok(l); i++) {
		load_rule(l, &v[i]);
		l->img->has_limits |= v[i].kind == VM_LIMIT && !v[i].shadow;
		l->img->counts_commands |= v[i].kind == VM_LIMIT && counts_commands(&v[i].limit);
		l->img->has_records |= v[i].kind == VM_RECORD && !v[i].shadow;
		l->img->has_drops |= v[i].kind == VM_DROP && !v[i].shadow;
		l->img->shadow_shows |=
			v[i].shadow && (v[i].kind == VM_MASK || v[i].kind == VM_DROP);
		ranks[i] = v[i].kind <= VM_DENY ? (int8_t) v[i].kind : -1;
	}
	l->img->rules = l->rules = v;
	l->img->ranks = ranks;
	l->img->n_rules = n;
}

static uint16_t
number_column(struct loader *l, const struct constant *k)
{
	struct image *img = l->img;

	if (k->kind != CONSTANT_STRING)
		return UINT16_MAX;
	for (size_t i = 0; i < img->n_row_columns; i++)
		if (slice_eq(l->row_columns[i], k->string))
			return (uint16_t) i;
	if (img->n_row_columns == VM_MAX_ROW_COLUMNS)
		return UINT16_MAX;
	l->row_columns[img->n_row_columns] = k->string;
	return (uint16_t) img->n_row_columns++;
}

/* A column's name, by its constant. Names are compared once for each constant, not for each
 * instruction: both are as many and as long as whoever wrote the file likes. */
static uint16_t
row_column(struct loader *l, uint16_t constant)
{
	struct image *img = l->img;

	if (constant == 0 || constant > img->n_constants)
		return UINT16_MAX;
	if (!l->row_columns) {
		img->row_columns = l->row_columns =
			ARENA_ARRAY(l->arena, struct slice, VM_MAX_ROW_COLUMNS);
		l->column_of = ARENA_ARRAY(l->arena, uint16_t, img->n_constants);
		memset(l->column_of, 0xff, img->n_constants * sizeof(*l->column_of));
	}
	if (l->column_of[constant - 1] == UINT16_MAX)
		l->column_of[constant - 1] = number_column(l, &img->constants[constant - 1]);
	return l->column_of[constant - 1];
}

/* Numbers that the file's tables do not have stay out of range for the verifier to name. */
static const struct insn *
load_code(struct loader *l, size_t *n)
{
	struct slice code = cbor_get_bytes(&l->r);
	struct insn *v;

	*n = code.n / sizeof(struct insn);
	if (code.n % sizeof(struct insn) != 0)
		cbor_fail(&l->r, "code that is no whole number of instructions");
	if (!ok(l))
		*n = 0;
	v = ARENA_ARRAY(l->arena, struct insn, *n);
	for (size_t i = 0; i < *n; i++) {
		const uint8_t *p = code.p + i * sizeof(struct insn);
		uint16_t fact = get_be16(p + 2);

		v[i].op = p[0] < l->n_ops ? l->ops[p[0]] : UINT8_MAX;
		v[i].flags = p[1];
		/* On disk 0 is "no fact" and fact i is i + 1, so that an unused operand is 0. */
		if (vm_op_reads_row(v[i].op))
			v[i].fact = row_column(l, fact);
		else if (fact == 0)
			v[i].fact = vm_op_reads_fact(v[i].op) ? UINT16_MAX : 0;
		else
			v[i].fact = fact - 1u < l->n_facts ? l->facts[fact - 1] : UINT16_MAX;
		v[i].skip = get_be16(p + 4);
		v[i].arg = get_be16(p + 6);
	}
	return v;
}

static void
load_entries(struct loader *l)
{
	tuple(l, ENTRY_COUNT);
	for (int e = 0; e < ENTRY_COUNT && ok(l); e++) {
		struct image_entry *entry = &l->img->entry[e];
		struct slice name;

		tuple(l, 3);
		name = cbor_get_text(&l->r);
		if (ok(l) && !slice_is(name, entry_info[e].name))
			BAD(l, NAME, "entry point %d is not '%s'", e, entry_info[e].name);
		entry->code = load_code(l, &entry->n);
		entry->diagram = load_code(l, &entry->n_diagram);
	}
}

static void
load_catalog(struct loader *l)
{
	struct image_relation *v;
	struct slice digest;

	tuple(l, 2);
	digest = cbor_get_bytes(&l->r);
	if (ok(l) && digest.n != 0 && digest.n != SHA256_LEN)
		BAD(l, VALUE, "a digest of %zu bytes", digest.n);
	l->img->n_relations = cbor_get_array(&l->r, IMAGE_MAX_NAMES);
	if (ok(l) && digest.n == 0 && l->img->n_relations)
		BAD(l, VALUE, "a catalog without a digest");
	if (ok(l) && digest.n) {
		memcpy(l->img->catalog_digest, digest.p, SHA256_LEN);
		l->img->has_catalog = true;
	}
	v = ARENA_ARRAY(l->arena, struct image_relation, l->img->n_relations);
	l->img->relations = v;
	for (size_t i = 0; i < l->img->n_relations && ok(l); i++) {
		struct slice *columns;

		tuple(l, 3);
		v[i].schema = cbor_get_text(&l->r);
		v[i].name = cbor_get_text(&l->r);
		v[i].n_columns = cbor_get_array(&l->r, IMAGE_MAX_COLUMNS);
		v[i].columns = columns = ARENA_ARRAY(l->arena, struct slice, v[i].n_columns);
		for (size_t k = 0; k < v[i].n_columns && ok(l); k++)
			columns[k] = cbor_get_text(&l->r);
	}
}

static void
load_body(struct loader *l)
{
	struct image *img = l->img;

	if (cbor_get_map(&l->r, BODY_KEYS) != BODY_KEYS)
		cbor_fail(&l->r, "a map with other keys");
	key(l, BODY_FORMAT);
	if (cbor_get_uint(&l->r) != IMAGE_FORMAT)
		BAD(l, FORMAT, "this program reads format %d only", IMAGE_FORMAT);
	key(l, BODY_COMPILER);
	img->compiler = cbor_get_text(&l->r);
	key(l, BODY_POLICY);
	img->policy = cbor_get_text(&l->r);
	key(l, BODY_TITLE);
	img->title = cbor_get_text(&l->r);
	key(l, BODY_DEFAULT_ALLOW);
	img->default_allow = cbor_get_bool(&l->r);
	key(l, BODY_COUNTER);
	img->counter = cbor_get_uint(&l->r);
	key(l, BODY_TESTS);
	img->n_tests = (uint32_t) number(l, UINT32_MAX, "number of tests");
	key(l, BODY_FILES);
	load_files(l);
	key(l, BODY_SOURCE_DIGEST);
	load_source_digest(l);
	key(l, BODY_GROUPS);
	load_groups(l);
	key(l, BODY_TARGETS);
	load_targets(l);
	key(l, BODY_DATA);
	load_data(l);
	key(l, BODY_TRUSTED);
	load_trusted(l);
	key(l, BODY_OPS);
	load_ops(l);
	key(l, BODY_FACTS);
	load_facts(l);
	key(l, BODY_CONSTANTS);
	load_constants(l);
	key(l, BODY_RULES);
	load_rules(l);
	key(l, BODY_ENTRIES);
	load_entries(l);
	key(l, BODY_CATALOG);
	load_catalog(l);
	if (ok(l) && !cbor_done(&l->r))
		cbor_fail(&l->r, "bytes after the end");
}

static bool
trusted(const struct image_trust *t, const uint8_t key_[ED25519_PUB_LEN])
{
	for (size_t i = 0; i < t->n_keys; i++)
		if (memcmp(t->keys[i], key_, ED25519_PUB_LEN) == 0)
			return true;
	return t->n_keys == 0;
}

static void
check_signature(struct loader *l, struct image *img, struct slice body, struct slice pub,
		struct slice sig)
{
	struct buf msg = {0};

	if (pub.n != ED25519_PUB_LEN || sig.n != ED25519_SIG_LEN) {
		BAD(l, SIGNATURE, "a key or signature of the wrong length");
		return;
	}
	buf_puts(&msg, IMAGE_SIGN_PREFIX);
	buf_put_slice(&msg, body);
	assert(!msg.failed);
	if (!ed25519_verify(sig.p, pub.p, buf_slice(&msg)))
		BAD(l, SIGNATURE, "the image was changed after it was signed");
	else if (!trusted(l->trust, pub.p))
		BAD(l, SIGNER, "signed by a key that is not among the trusted ones");
	buf_fini(&msg);
	memcpy(img->public_key, pub.p, ED25519_PUB_LEN);
	img->is_signed = true;
}

/* The envelope: magic, body, and key and signature when there are any. */
static struct slice
load_envelope(struct loader *l, struct image *img)
{
	size_t n = cbor_get_map(&l->r, 4);
	struct slice body, pub, sig;

	key(l, 0);
	if (!slice_is(cbor_get_text(&l->r), IMAGE_MAGIC))
		BAD(l, NOT_IMAGE, "no '%s' at the start", IMAGE_MAGIC);
	key(l, 1);
	body = cbor_get_bytes(&l->r);
	if (!ok(l))
		return body;
	if (n == 4) {
		key(l, 2);
		pub = cbor_get_bytes(&l->r);
		key(l, 3);
		sig = cbor_get_bytes(&l->r);
		if (ok(l))
			check_signature(l, img, body, pub, sig);
	} else if (n != 2) {
		cbor_fail(&l->r, "a map with other keys");
	} else if (!l->trust->allow_unsigned) {
		BAD(l, UNSIGNED, "build it with --key, or allow unsigned policies");
	}
	if (ok(l) && !cbor_done(&l->r))
		cbor_fail(&l->r, "bytes after the end");
	return body;
}

bool
image_is_image(struct slice bytes)
{
	static const uint8_t start[] = {0x00, 0x60 | (sizeof(IMAGE_MAGIC) - 1)};

	return bytes.n > 3 + sizeof(IMAGE_MAGIC) && bytes.p[0] >> 5 == CBOR_MAP &&
	       memcmp(bytes.p + 1, start, 2) == 0 &&
	       memcmp(bytes.p + 3, IMAGE_MAGIC, sizeof(IMAGE_MAGIC) - 1) == 0;
}

static void
add_index(struct image *img, enum vm_entry e, struct arena *a)
{
	struct image_entry *entry = &img->entry[e];

	entry->index = vm_index_build(img, e, VM_INDEX_LEAST, a, &entry->index_too_big);
	entry->index_wrong = entry->index && !vm_index_leaves_nothing_out(entry->index, img, e);
	if (entry->index_wrong)
		entry->index = NULL;
}

struct image *
image_load(struct arena *a, struct slice bytes, const struct image_trust *trust,
	   struct image_error *err)
{
	struct image *img = ARENA_NEW(a, struct image);
	struct loader l = {.arena = a, .err = err, .trust = trust};
	struct slice body;

	*err = (struct image_error){0};
	if (bytes.n > IMAGE_MAX_BYTES) {
		image_fail(err, IMAGE_ERROR_TOO_BIG, "%zu bytes, the limit is %d", bytes.n,
			   IMAGE_MAX_BYTES);
		return NULL;
	}
	if (!image_is_image(bytes)) {
		image_fail(err, IMAGE_ERROR_NOT_IMAGE, "no '%s' at the start", IMAGE_MAGIC);
		return NULL;
	}
	img->bytes = bytes = arena_copy(a, bytes);
	l.start = bytes.p;
	cbor_reader_init(&l.r, bytes);
	body = load_envelope(&l, img);
	if (cbor_failed(&l))
		return NULL;
	sha256(img->digest, body);
	l.img = img;
	l.start = body.p;
	cbor_reader_init(&l.r, body);
	load_body(&l);
	if (cbor_failed(&l))
		return NULL;
	if (img->counter < trust->min_counter) {
		image_fail(err, IMAGE_ERROR_COUNTER, "its counter is %llu, at least %llu is asked for",
			   (unsigned long long) img->counter,
			   (unsigned long long) trust->min_counter);
		return NULL;
	}
	for (int e = 0; e < ENTRY_COUNT; e++)
		if (!vm_verify(img, (enum vm_entry) e, &img->entry[e], a, err))
			return NULL;
	vm_note_row_rules(l.rules, &img->entry[ENTRY_ROW]);
	for (size_t i = 0; i < img->n_rules; i++)
		if (img->rules[i].by_row && img->rules[i].detectors) {
			image_fail(err, IMAGE_ERROR_VALUE, "rule %zu reads rows of values that have no column",
				   i);
			return NULL;
		}
	for (int e = 0; e < ENTRY_COUNT; e++)
		add_index(img, (enum vm_entry) e, a);
	return img;
}
