/* SPDX-License-Identifier: MIT
 *
 * What an approval is bound to (audit.md section 6), and the names of states, events and errors.
 */
#include "base/cbor.h"
#include "session/approvals.h"

static const char *const state_names[] = {
#define APPROVAL_STATE(id, name, sentence) name,
#include "session/approvals.def"
};

static const char *const event_names[] = {
#define APPROVAL_EVENT(id, type, sentence) type,
#include "session/approvals.def"
};

static const struct {
	const char *code;
	int status;
	const char *text, *hint;
} errors[] = {
#define APPROVAL_ERROR(id, code, status, sentence, hint) {code, status, sentence, hint},
#include "session/approvals.def"
};

const char *
approval_state_name(enum approval_state st)
{
	assert(st < APPROVAL_N_STATES);
	return state_names[st];
}

bool
approval_state_parse(struct slice name, enum approval_state *st)
{
	for (size_t i = 0; i < COUNT_OF(state_names); i++)
		if (slice_is(name, state_names[i])) {
			*st = (enum approval_state) i;
			return true;
		}
	return false;
}

const char *
approval_event_name(enum approval_event_type t)
{
	assert(t < APPROVAL_N_EVENTS);
	return event_names[t];
}

const char *
approval_error_code(enum approval_error e)
{
	assert(e < APPROVAL_N_ERRORS);
	return errors[e].code;
}

int
approval_error_status(enum approval_error e)
{
	assert(e < APPROVAL_N_ERRORS);
	return errors[e].status;
}

const char *
approval_error_text(enum approval_error e)
{
	assert(e < APPROVAL_N_ERRORS);
	return errors[e].text;
}

const char *
approval_error_hint(enum approval_error e)
{
	assert(e < APPROVAL_N_ERRORS);
	return errors[e].hint;
}

static void
put_subject(struct buf *b, const struct approval_subject *s)
{
	cbor_bytes(b, slice_of(s->command_sha256, SHA256_LEN));
	cbor_bytes(b, slice_of(s->params_sha256, SHA256_LEN));
	cbor_text(b, s->protocol);
	cbor_text(b, s->principal);
	cbor_text(b, s->target);
	cbor_text(b, s->database);
	cbor_text(b, s->db_role);
	cbor_text(b, s->search_path);
	cbor_text(b, s->path_user);
	cbor_bytes(b, slice_of(s->policy_sha256, SHA256_LEN));
	cbor_bytes(b, slice_of(s->objects_sha256, SHA256_LEN));
}

static void
digest(uint8_t out[SHA256_LEN], struct slice domain, const struct buf *b)
{
	struct slice parts[] = {domain, buf_slice(b)};

	/* Out of memory must not become a digest over half of the subject. */
	assert(!b->failed);
	sha256v(out, parts, COUNT_OF(parts));
}

void
approval_binding(uint8_t out[SHA256_LEN], const struct approval_subject *s, uint64_t nbf_ns,
		 uint64_t exp_ns, unsigned max_uses)
{
	struct buf b = {0};

	cbor_array(&b, 14);
	put_subject(&b, s);
	cbor_uint(&b, nbf_ns);
	cbor_uint(&b, exp_ns);
	cbor_uint(&b, max_uses);
	digest(out, SLICE_LIT("weir-approval-v2"), &b);
	buf_fini(&b);
}

void
approval_subject_key(uint8_t out[SHA256_LEN], const struct approval_subject *s)
{
	struct buf b = {0};

	cbor_array(&b, 11);
	put_subject(&b, s);
	digest(out, SLICE_LIT("weir-approval-subject-v2"), &b);
	buf_fini(&b);
}

void
approval_params_digest(uint8_t out[SHA256_LEN], const struct approval_param *params, size_t n)
{
	struct buf b = {0};

	memset(out, 0, SHA256_LEN);
	if (n == 0)
		return;
	cbor_array(&b, n);
	for (size_t i = 0; i < n; i++) {
		cbor_array(&b, 4);
		cbor_uint(&b, params[i].type_oid);
		cbor_bool(&b, params[i].binary);
		cbor_bool(&b, params[i].null);
		cbor_bytes(&b, params[i].value);
	}
	digest(out, SLICE_LIT("weir-params-v1"), &b);
	buf_wipe(&b);
}
