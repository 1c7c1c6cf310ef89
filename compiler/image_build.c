/* SPDX-License-Identifier: MIT */
#include "compiler/image_build.h"

#include "base/cbor.h"
#include "vm/image_format.h"
#include "vm/verify.h"

static const char *const op_names[OP_COUNT] = {
#define OP(id, name, fact, constant, sentence) [OP_##id] = name,
#include "grammar/opcodes.def"
#undef OP
};

/* Numbers in code are positions in the tables of this very file, which list only what is used. */
struct tables {
	uint8_t op[OP_COUNT], n_ops;       /* position + 1; 0: not used */
	uint8_t fact[FACT_COUNT], n_facts; /* likewise */
};

static void
number_operands(struct tables *t, const struct emitted code[ENTRY_COUNT])
{
	bool ops[OP_COUNT] = {0}, facts[FACT_COUNT] = {0};

	for (int e = 0; e < ENTRY_COUNT; e++)
		for (size_t i = 0; i < code[e].n + code[e].n_diagram; i++) {
			const struct insn *in = i < code[e].n ? &code[e].code[i]
							      : &code[e].diagram[i - code[e].n];

			ops[in->op] = true;
			if (vm_op_reads_fact(in->op))
				facts[in->fact] = true;
		}
	for (int i = 0; i < OP_COUNT; i++)
		if (ops[i])
			t->op[i] = ++t->n_ops;
	for (int i = 0; i < FACT_COUNT; i++)
		if (facts[i])
			t->fact[i] = ++t->n_facts;
}

/* A path as seen from the folder of the policy, so that an image does not depend on where its
 * sources lay. */
static struct slice
relative(const char *path, const char *root)
{
	const char *slash = strrchr(root, '/');
	size_t n = slash ? (size_t) (slash - root) + 1 : 0;

	if (n && strncmp(path, root, n) == 0)
		path += n;
	return slice_str(path);
}

/* The first n of the sources are the policy. */
static void
put_files(struct buf *b, const struct sources *s, uint32_t n)
{
	struct image_file *files = ARENA_ARRAY(s->arena, struct image_file, n);
	uint8_t digest[SHA256_LEN];

	cbor_uint(b, BODY_FILES);
	cbor_array(b, n);
	for (uint32_t i = 0; i < n; i++) {
		files[i].name = relative(s->files[i].path, s->files[0].path);
		files[i].text = s->files[i].text;
		cbor_array(b, 2);
		cbor_text(b, files[i].name);
		cbor_bytes(b, files[i].text);
	}
	image_source_digest(digest, files, n);
	cbor_uint(b, BODY_SOURCE_DIGEST);
	cbor_bytes(b, slice_of(digest, SHA256_LEN));
}

static void
put_groups(struct buf *b, const struct policy *p)
{
	size_t n = 0;

	for (const struct group_decl *g = p->groups; g; g = g->next)
		n++;
	cbor_uint(b, BODY_GROUPS);
	cbor_array(b, n);
	for (const struct group_decl *g = p->groups; g; g = g->next) {
		cbor_array(b, 2);
		cbor_text(b, slice_str(g->name.s));
		cbor_text(b, g->value.v);
	}
}

static void
put_targets(struct buf *b, const struct policy *p)
{
	size_t n = 0;

	for (const struct target_decl *t = p->targets; t; t = t->next)
		n++;
	cbor_uint(b, BODY_TARGETS);
	cbor_array(b, n);
	for (const struct target_decl *t = p->targets; t; t = t->next) {
		cbor_array(b, 3);
		cbor_text(b, slice_str(t->name.s));
		cbor_text(b, slice_str(t->protocol.s));
		cbor_text(b, t->glob.v);
	}
}

static size_t
count_items(const struct data_decl *d, enum data_item_kind kind)
{
	size_t n = 0;

	for (const struct data_item *i = d->items; i; i = i->next)
		n += i->kind == kind;
	return n;
}

static void
put_class(struct buf *b, const struct data_decl *d)
{
	cbor_array(b, 3);
	cbor_text(b, slice_str(d->name.s));
	cbor_array(b, count_items(d, DATA_COLUMN));
	for (const struct data_item *i = d->items; i; i = i->next) {
		if (i->kind != DATA_COLUMN)
			continue;
		cbor_array(b, 3);
		for (int k = 0; k < 3; k++)
			cbor_text(b, i->parts[k] ? slice_str(i->parts[k]) : SLICE_LIT("*"));
	}
	cbor_array(b, count_items(d, DATA_VALUES_LIKE));
	for (const struct data_item *i = d->items; i; i = i->next)
		if (i->kind == DATA_VALUES_LIKE)
			cbor_text(b, slice_str(i->detector.s));
}

static void
put_data(struct buf *b, const struct policy *p)
{
	size_t n = 0;

	for (const struct data_decl *d = p->data; d; d = d->next)
		n++;
	cbor_uint(b, BODY_DATA);
	cbor_array(b, n);
	for (const struct data_decl *d = p->data; d; d = d->next)
		put_class(b, d);
}

static void
put_trusted(struct buf *b, const struct policy *p)
{
	struct buf digest = {0};
	size_t n = 0;

	for (const struct trust_decl *t = p->trusts; t; t = t->next)
		n++;
	cbor_uint(b, BODY_TRUSTED);
	cbor_array(b, n);
	for (const struct trust_decl *t = p->trusts; t; t = t->next) {
		struct slice hex = t->digest.v;
		bool good;

		buf_reset(&digest);
		good = hex_get(&digest, slice_of(hex.p + hex.n - 2 * SHA256_LEN, 2 * SHA256_LEN));
		assert(good); /* checked */
		cbor_array(b, 2);
		cbor_text(b, t->function.v);
		cbor_bytes(b, buf_slice(&digest));
	}
	buf_fini(&digest);
}

static void
put_tables(struct buf *b, const struct tables *t)
{
	cbor_uint(b, BODY_OPS);
	cbor_array(b, t->n_ops);
	for (int i = 0; i < OP_COUNT; i++)
		if (t->op[i])
			cbor_text(b, slice_str(op_names[i]));
	cbor_uint(b, BODY_FACTS);
	cbor_array(b, t->n_facts);
	for (int i = 0; i < FACT_COUNT; i++) {
		if (!t->fact[i])
			continue;
		cbor_array(b, 2);
		cbor_text(b, slice_str(fact_info[i].name));
		cbor_text(b, slice_str(type_info[fact_info[i].type].name));
	}
}

static void
put_hold(struct buf *b, const struct image_hold *h)
{
	cbor_array(b, 7);
	cbor_array(b, h->n_needs);
	for (size_t i = 0; i < h->n_needs; i++) {
		cbor_array(b, 2);
		cbor_uint(b, h->needs[i].n);
		cbor_uint(b, h->needs[i].group);
	}
	cbor_bool(b, h->not_self);
	cbor_bool(b, h->once);
	cbor_bool(b, h->reason);
	cbor_bool(b, h->ticket);
	cbor_uint(b, h->within_s);
	cbor_uint(b, h->expires_s);
}

static void
put_mask(struct buf *b, const struct image_mask *m)
{
	cbor_array(b, 7);
	cbor_array(b, m->n_data);
	for (size_t i = 0; i < m->n_data; i++)
		cbor_uint(b, m->data[i]);
	cbor_text(b, slice_str(mask_info[m->kernel].name));
	cbor_uint(b, m->count);
	cbor_bytes(b, m->text);
	cbor_bool(b, m->modes.lookup);
	cbor_bool(b, m->modes.derived);
	cbor_uint(b, m->modes.over);
}

static void
put_drop(struct buf *b, const struct image_mask *m)
{
	cbor_array(b, m->n_data);
	for (size_t i = 0; i < m->n_data; i++)
		cbor_uint(b, m->data[i]);
}

static void
put_limit(struct buf *b, const struct image_limit *l)
{
	cbor_array(b, l->n_amounts);
	for (size_t i = 0; i < l->n_amounts; i++) {
		cbor_array(b, 3);
		cbor_text(b, slice_str(limit_unit_info[l->amounts[i].unit].name));
		cbor_text(b, slice_str(limit_per_info[l->amounts[i].per].name));
		cbor_uint(b, l->amounts[i].n);
	}
}

static void
put_recorded(struct buf *b, unsigned what)
{
	cbor_array(b, (uint64_t) __builtin_popcount(what));
	for (int i = 0; i < RECORDED_COUNT; i++)
		if (what >> i & 1)
			cbor_text(b, slice_str(recorded_info[i].name));
}

static void
put_rules(struct buf *b, const struct checked *p, struct sources *sources)
{
	cbor_uint(b, BODY_RULES);
	cbor_array(b, p->n_rules);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct checked_rule *r = &p->rules[i];
		struct position at = source_position(sources, r->ast->name.at);

		cbor_array(b, 7);
		cbor_text(b, slice_str(vm_rule_info[r->kind].name));
		cbor_text(b, slice_str(r->ast->name.s));
		cbor_text(b, r->ast->sentence.v);
		cbor_array(b, 4);
		cbor_uint(b, r->ast->name.at.file);
		cbor_uint(b, at.line);
		cbor_uint(b, at.column);
		cbor_uint(b, r->ast->name.at.len);
		cbor_bool(b, r->ast->shadow);
		cbor_text(b, slice_str(r->channel ? r->channel : ""));
		if (r->kind == VM_HOLD)
			put_hold(b, &r->hold);
		else if (r->kind == VM_MASK)
			put_mask(b, &r->mask);
		else if (r->kind == VM_LIMIT)
			put_limit(b, &r->limit);
		else if (r->kind == VM_DROP)
			put_drop(b, &r->mask);
		else if (r->kind == VM_RECORD)
			put_recorded(b, r->recorded);
		else
			cbor_array(b, 0);
	}
}

static void
put_code(struct buf *b, const struct insn *code, size_t n, const struct tables *t)
{
	struct buf bytes = {0};

	for (size_t i = 0; i < n; i++) {
		const struct insn *in = &code[i];

		buf_putc(&bytes, (uint8_t) (t->op[in->op] - 1));
		buf_putc(&bytes, in->flags);
		buf_be16(&bytes, vm_op_reads_fact(in->op)  ? t->fact[in->fact]
				 : vm_op_reads_row(in->op) ? (uint16_t) (in->fact + 1)
							   : 0);
		buf_be16(&bytes, in->skip);
		buf_be16(&bytes, in->arg);
	}
	assert(!bytes.failed);
	cbor_bytes(b, buf_slice(&bytes));
	buf_fini(&bytes);
}

static void
put_entries(struct buf *b, const struct emitted code[ENTRY_COUNT], const struct tables *t)
{
	cbor_uint(b, BODY_ENTRIES);
	cbor_array(b, ENTRY_COUNT);
	for (int e = 0; e < ENTRY_COUNT; e++) {
		cbor_array(b, 3);
		cbor_text(b, slice_str(entry_info[e].name));
		put_code(b, code[e].code, code[e].n, t);
		put_code(b, code[e].diagram, code[e].n_diagram, t);
	}
}

static void
put_relation(struct buf *b, const struct catalog_relation *r)
{
	cbor_array(b, 3);
	cbor_text(b, r->schema);
	cbor_text(b, r->name);
	cbor_array(b, r->n_columns);
	for (uint32_t k = 0; k < r->n_columns; k++)
		cbor_text(b, r->columns[k].name);
}

static bool
is_view(const struct catalog_relation *r)
{
	return r->kind == 'v' || r->kind == 'm';
}

/* What the policy was written against: enough to say what a server lacks of it. Examples are taken
 * from what comes first: of a table more can be shown than of a view. */
static void
put_catalog(struct buf *b, const struct catalog *c)
{
	size_t n = c ? catalog_count(c) : 0;

	cbor_uint(b, BODY_CATALOG);
	cbor_array(b, 2);
	cbor_bytes(b, c ? slice_of(catalog_digest(c), SHA256_LEN) : SLICE_LIT(""));
	cbor_array(b, n);
	for (int views = 0; views <= 1; views++)
		for (size_t i = 0; i < n; i++)
			if (is_view(catalog_at(c, i)) == views)
				put_relation(b, catalog_at(c, i));
}

static void
put_envelope(struct buf *out, struct slice body, const uint8_t *seed)
{
	uint8_t pub[ED25519_PUB_LEN], sig[ED25519_SIG_LEN];
	struct buf msg = {0};

	cbor_map(out, seed ? 4 : 2);
	cbor_uint(out, 0);
	cbor_text(out, SLICE_LIT(IMAGE_MAGIC));
	cbor_uint(out, 1);
	cbor_bytes(out, body);
	if (!seed)
		return;
	buf_puts(&msg, IMAGE_SIGN_PREFIX);
	buf_put_slice(&msg, body);
	assert(!msg.failed);
	ed25519_public(pub, seed);
	ed25519_sign(sig, seed, buf_slice(&msg));
	buf_fini(&msg);
	cbor_uint(out, 2);
	cbor_bytes(out, slice_of(pub, sizeof(pub)));
	cbor_uint(out, 3);
	cbor_bytes(out, slice_of(sig, sizeof(sig)));
}

void
image_build(const struct checked *p, const struct emitted code[ENTRY_COUNT],
	    struct sources *sources, const struct compile_options *options, struct buf *out)
{
	struct tables t = {0};
	struct buf b = {0};

	number_operands(&t, code);
	cbor_map(&b, BODY_KEYS);
	cbor_uint(&b, BODY_FORMAT);
	cbor_uint(&b, IMAGE_FORMAT);
	cbor_uint(&b, BODY_COMPILER);
	cbor_text(&b, SLICE_LIT("weir " WEIR_VERSION));
	cbor_uint(&b, BODY_POLICY);
	cbor_text(&b, slice_str(p->ast->name.s));
	cbor_uint(&b, BODY_TITLE);
	cbor_text(&b, p->ast->title.v);
	cbor_uint(&b, BODY_DEFAULT_ALLOW);
	cbor_bool(&b, p->default_allow);
	cbor_uint(&b, BODY_COUNTER);
	cbor_uint(&b, options->counter);
	cbor_uint(&b, BODY_TESTS);
	cbor_uint(&b, options->n_tests);
	put_files(&b, sources, p->n_files);
	put_groups(&b, p->ast);
	put_targets(&b, p->ast);
	put_data(&b, p->ast);
	put_trusted(&b, p->ast);
	put_tables(&b, &t);
	cbor_uint(&b, BODY_CONSTANTS);
	constants_write(p->constants, &b);
	put_rules(&b, p, sources);
	put_entries(&b, code, &t);
	put_catalog(&b, p->catalog);
	assert(!b.failed);
	put_envelope(out, buf_slice(&b), options->seed);
	buf_fini(&b);
}

void
image_sign(struct slice image, const uint8_t seed[ED25519_SEED_LEN], struct buf *out)
{
	struct cbor_reader r;
	struct slice body;

	cbor_reader_init(&r, image);
	(void) cbor_get_map(&r, 4);
	(void) cbor_get_uint(&r);
	(void) cbor_get_text(&r);
	(void) cbor_get_uint(&r);
	body = cbor_get_bytes(&r);
	assert(body.n > 0); /* it was loaded */
	put_envelope(out, body, seed);
}
