/* SPDX-License-Identifier: MIT */
#include "audit/brief.h"

#include "base/utf8.h"
#include "base/cbor.h"
#include "base/crypto.h"

/* The keys that are read here, by name, from records.def. */
enum key {
#define FIELD(m, key, name, KIND, sub) KEY_##m##_##name = key,
#include "grammar/records.def"
};

static void
check_item(struct cbor_reader *r, int depth)
{
	struct cbor_item it;
	int64_t last = -1;

	if (!cbor_next(r, &it))
		return;
	if (depth == 0)
		cbor_fail(r, "nested too deeply");
	if (it.type == CBOR_TEXT && !utf8_valid(it.s))
		cbor_fail(r, "text is not UTF-8");
	if (it.type != CBOR_ARRAY && it.type != CBOR_MAP)
		return;
	if (it.v > (uint64_t) (r->end - r->p))
		cbor_fail(r, "too many elements");
	for (uint64_t i = 0; i < it.v && !r->error; i++) {
		if (it.type == CBOR_MAP)
			(void) cbor_map_key(r, &last);
		check_item(r, depth - 1);
	}
}

const char *
audit_leaf_check(struct slice leaf)
{
	struct cbor_reader r;

	cbor_reader_init(&r, leaf);
	if (leaf.n == 0 || leaf.p[0] >> 5 != CBOR_MAP)
		return "a record is a map";
	check_item(&r, 16);
	if (!r.error && !cbor_done(&r))
		return "bytes after the record";
	return r.error;
}

/* Typed reads that never fail on a wrong type: a later version may change its mind. */
static struct cbor_item
peek(struct cbor_reader *r)
{
	struct cbor_reader at = *r;
	struct cbor_item it = {0};

	if (!cbor_next(&at, &it))
		it = (struct cbor_item){0};
	cbor_skip(r);
	return it;
}

static uint64_t
number(struct cbor_reader *r)
{
	struct cbor_item it = peek(r);

	return it.type == CBOR_UINT ? it.v : 0;
}

static struct slice
string(struct cbor_reader *r)
{
	return peek(r).s;
}

static struct slice
digest(struct cbor_reader *r)
{
	struct slice s = string(r);

	return s.n == SHA256_LEN ? s : (struct slice){0};
}

static struct audit_id
id16(struct cbor_reader *r)
{
	struct audit_id id = {0};
	struct slice s = string(r);

	if (s.n == sizeof(id.b))
		memcpy(id.b, s.p, sizeof(id.b));
	return id;
}

/* The strings of an array, at most max. */
static size_t
strings(struct cbor_reader *r, struct slice *v, size_t max)
{
	struct cbor_reader at = *r;
	struct cbor_item it;
	size_t n = 0;

	if (cbor_next(&at, &it) && it.type == CBOR_ARRAY)
		for (uint64_t i = 0; i < it.v && n < max && !at.error; i++)
			v[n++] = string(&at);
	cbor_skip(r);
	return n;
}

/* The pairs of a map, one after the other. */
struct pairs {
	struct cbor_reader at;
	uint64_t left;
	int64_t last;
};

static struct pairs
pairs_of(struct cbor_reader *r)
{
	struct pairs p = {.at = *r, .last = -1};
	struct cbor_item it;

	if (cbor_next(&p.at, &it) && it.type == CBOR_MAP)
		p.left = it.v;
	cbor_skip(r);
	return p;
}

static bool
pairs_next(struct pairs *p, int64_t *key)
{
	if (p->left == 0 || p->at.error)
		return false;
	p->left--;
	*key = cbor_map_key(&p->at, &p->last);
	return !p->at.error;
}

static void
principal(struct brief_principal *b, struct cbor_reader *r)
{
	struct pairs p = pairs_of(r);

	for (int64_t key; pairs_next(&p, &key);) {
		if (key == KEY_principal_issuer)
			b->issuer = string(&p.at);
		else if (key == KEY_principal_subject)
			b->subject = string(&p.at);
		else if (key == KEY_principal_name)
			b->name = string(&p.at);
		else if (key == KEY_principal_groups)
			b->n_groups = strings(&p.at, b->groups, BRIEF_GROUPS_MAX);
		else
			cbor_skip(&p.at);
	}
}

static void
decision(struct audit_brief *b, struct cbor_reader *r)
{
	struct pairs p = pairs_of(r);

	for (int64_t key; pairs_next(&p, &key);) {
		if (key == KEY_decision_verdict)
			b->verdict = (unsigned) number(&p.at);
		else if (key == KEY_decision_rules)
			b->n_rules = strings(&p.at, b->rules, BRIEF_RULES_MAX);
		else if (key == KEY_decision_shadow)
			b->n_shadow = strings(&p.at, b->shadow, BRIEF_RULES_MAX);
		else
			cbor_skip(&p.at);
	}
}

static void
groups(struct audit_brief *b, struct cbor_reader *r)
{
	struct cbor_reader at = *r;
	struct cbor_item it;

	if (cbor_next(&at, &it) && it.type == CBOR_ARRAY)
		for (uint64_t i = 0; i < it.v && b->n_groups < BRIEF_GROUPS_MAX && !at.error; i++) {
			struct pairs p = pairs_of(&at);
			size_t g = b->n_groups++;

			for (int64_t key; pairs_next(&p, &key);) {
				if (key == KEY_group_name)
					b->groups[g] = string(&p.at);
				else if (key == KEY_group_need)
					b->need[g] = number(&p.at);
				else
					cbor_skip(&p.at);
			}
		}
	cbor_skip(r);
}

/* One switch over (type, key): long, but each line is one field. */
static void
server(struct audit_brief *b, struct cbor_reader *r)
{
	struct pairs p = pairs_of(r);

	for (int64_t key; pairs_next(&p, &key);) {
		if (key == KEY_server_pid)
			b->server_pid = number(&p.at);
		else if (key == KEY_server_connection)
			b->server_connection = number(&p.at);
		else
			cbor_skip(&p.at);
	}
}

static void
prune_field(struct audit_brief *b, int64_t key, struct cbor_reader *r)
{
	switch (key) {
	case KEY_retention_prune_until:
		b->until = number(r);
		return;
	case KEY_retention_prune_remains:
		b->remains = digest(r);
		return;
	case KEY_retention_prune_oldest:
		b->oldest = number(r);
		return;
	case KEY_retention_prune_newest:
		b->newest = number(r);
		return;
	}
	cbor_skip(r);
}

static void
hold_field(struct audit_brief *b, int64_t key, struct cbor_reader *r)
{
	switch (key) {
	case KEY_hold_name:
		b->hold.name = string(r);
		return;
	case KEY_hold_action:
		b->hold.action = (unsigned) number(r);
		return;
	case KEY_hold_reason:
		b->hold.reason = string(r);
		return;
	case KEY_hold_from:
		b->hold.from = number(r);
		return;
	case KEY_hold_to:
		b->hold.to = number(r);
		return;
	case KEY_hold_by:
		b->hold.by = string(r);
		return;
	case KEY_hold_until:
		b->until = number(r);
		return;
	case KEY_hold_newest:
		b->newest = number(r);
		return;
	case KEY_hold_policy:
		b->hold.policy = string(r);
		return;
	}
	cbor_skip(r);
}

static void
policy_load_field(struct audit_brief *b, int64_t key, struct cbor_reader *r)
{
	struct cbor_item it;

	switch (key) {
	case KEY_policy_load_new_digest:
		b->new_digest = digest(r);
		return;
	case KEY_policy_load_outcome:
		b->outcome = (unsigned) number(r);
		return;
	case KEY_policy_load_signed_by:
		b->signed_by = digest(r);
		return;
	case KEY_policy_load_kept:
		it = peek(r);
		b->kept = it.type == CBOR_SIMPLE && it.v;
		return;
	case KEY_policy_load_kept_signed_by:
		b->kept_signed_by = digest(r);
		return;
	}
	cbor_skip(r);
}

static void
body_field(struct audit_brief *b, int64_t key, struct cbor_reader *r)
{
#define AT(type, name) ((int64_t) AUDIT_##type << 8 | KEY_##type##_##name)
	switch ((int64_t) b->type << 8 | key) {
	case AT(command, decision):
	case AT(session_start, decision):
		decision(b, r);
		return;
	case AT(command, statement):
		b->statement = string(r);
		return;
	case AT(result, status):
		b->status = (unsigned) number(r);
		return;
	case AT(result, code):
		b->code = string(r);
		return;
	case AT(result, shadow):
		b->n_shadow = strings(r, b->shadow, BRIEF_RULES_MAX);
		return;
	case AT(result, rows):
		b->rows = number(r);
		return;
	case AT(command, server):
	case AT(result, server):
		server(b, r);
		return;
	case AT(approval_request, approval):
	case AT(approval_decision, approval):
	case AT(approval_close, approval):
		b->approval = id16(r);
		return;
	case AT(approval_request, binding):
	case AT(approval_decision, binding):
	case AT(approval_close, binding):
		b->binding = digest(r);
		return;
	case AT(approval_request, groups):
		groups(b, r);
		return;
	case AT(approval_request, max_uses):
		b->max_uses = number(r);
		return;
	case AT(approval_decision, verdict):
		b->approval_verdict = (unsigned) number(r);
		return;
	case AT(approval_decision, approver):
		principal(&b->approver, r);
		return;
	case AT(approval_close, state):
		b->approval_state = (unsigned) number(r);
		return;
	case AT(log_state, state):
		b->log_state = (unsigned) number(r);
		return;
	}
#undef AT
	cbor_skip(r);
}

static void
target(struct audit_brief *b, struct cbor_reader *r)
{
	struct pairs p = pairs_of(r);

	for (int64_t key; pairs_next(&p, &key);) {
		if (key == KEY_target_name)
			b->target = string(&p.at);
		else
			cbor_skip(&p.at);
	}
}

static void
refs(struct audit_brief *b, struct cbor_reader *r)
{
	struct slice v[BRIEF_REFS_MAX];
	size_t n = strings(r, v, BRIEF_REFS_MAX);

	for (size_t i = 0; i < n; i++)
		if (v[i].n == sizeof(b->refs[0].b))
			memcpy(b->refs[b->n_refs++].b, v[i].p, sizeof(b->refs[0].b));
}

static void
envelope_field(struct audit_brief *b, int64_t key, struct cbor_reader *r)
{
	switch (key) {
	case KEY_record_type:
		b->type = number(r);
		return;
	case KEY_record_id:
		b->id = id16(r);
		return;
	case KEY_record_time:
		b->time = number(r);
		return;
	case KEY_record_session:
		b->session = id16(r);
		return;
	case KEY_record_sseq:
		b->sseq = number(r);
		return;
	case KEY_record_principal:
		principal(&b->principal, r);
		return;
	case KEY_record_target:
		target(b, r);
		return;
	case KEY_record_policy:
		b->policy = digest(r);
		return;
	case KEY_record_refs:
		refs(b, r);
		return;
	case KEY_record_body: {
		const uint8_t *start = r->p;
		struct pairs p = pairs_of(r);

		b->body = slice_of(start, (size_t) (r->p - start));
		for (int64_t k; pairs_next(&p, &k);) {
			if (b->type == AUDIT_retention_prune)
				prune_field(b, k, &p.at);
			else if (b->type == AUDIT_hold)
				hold_field(b, k, &p.at);
			else if (b->type == AUDIT_policy_load)
				policy_load_field(b, k, &p.at);
			else
				body_field(b, k, &p.at);
		}
		return;
	}
	}
	cbor_skip(r);
}

const char *
audit_brief_get(struct audit_brief *b, struct slice leaf)
{
	const char *error = audit_leaf_check(leaf);
	struct cbor_reader r;
	struct pairs p;

	*b = (struct audit_brief){0};
	if (error)
		return error;
	cbor_reader_init(&r, leaf);
	p = pairs_of(&r);
	for (int64_t key; pairs_next(&p, &key);)
		envelope_field(b, key, &p.at);
	return p.at.error;
}
