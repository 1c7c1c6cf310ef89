/* SPDX-License-Identifier: MIT */
#include "audit/note.h"

#include "base/utf8.h"
#include "base/secret.h"

#include <stdio.h>

enum { TYPE_ED25519 = 1 };

#define DASH "\xe2\x80\x94 "
#define PRIVATE "PRIVATE+KEY+"

bool
note_name_valid(struct slice name)
{
	if (name.n == 0 || name.n > NOTE_NAME_MAX || !utf8_valid(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] == '+' || name.p[i] >= 0x7f)
			return false;
	return true;
}

void
note_key_make(struct note_key *k, const char *name, const uint8_t pub[ED25519_PUB_LEN])
{
	static const uint8_t sep[2] = {'\n', TYPE_ED25519};
	struct slice parts[3] = {slice_str(name), slice_of(sep, 2), slice_of(pub, ED25519_PUB_LEN)};
	uint8_t digest[SHA256_LEN];

	assert(note_name_valid(parts[0]));
	*k = (struct note_key){0};
	memcpy(k->name, name, parts[0].n);
	memcpy(k->pub, pub, ED25519_PUB_LEN);
	sha256v(digest, parts, 3);
	memcpy(k->id, digest, sizeof(k->id));
}

static void
format(struct buf *out, const struct note_key *k, const uint8_t *key32)
{
	uint8_t typed[1 + 32];

	typed[0] = TYPE_ED25519;
	memcpy(typed + 1, key32, 32);
	buf_puts(out, k->name);
	buf_putc(out, '+');
	hex_put(out, slice_of(k->id, sizeof(k->id)));
	buf_putc(out, '+');
	base64_put(out, slice_of(typed, sizeof(typed)));
	secret_wipe(typed, sizeof(typed));
}

void
note_key_format(struct buf *out, const struct note_key *k)
{
	format(out, k, k->pub);
}

void
note_signer_format(struct buf *out, const struct note_key *k, const uint8_t seed[ED25519_SEED_LEN])
{
	buf_puts(out, PRIVATE);
	format(out, k, seed);
}

static struct slice
trim_newline(struct slice s)
{
	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	return s;
}

/* name+id+base64(type || key32); the id is compared by the caller, who knows the public key. */
static bool
parse(struct slice s, struct slice *name, uint8_t id[4], uint8_t key32[32])
{
	const uint8_t *plus = s.n ? memchr(s.p, '+', s.n) : NULL;
	struct buf b = {0};
	struct slice rest;
	bool ok;

	if (!plus)
		return false;
	*name = slice_of(s.p, (size_t) (plus - s.p));
	rest = slice_of(plus + 1, s.n - name->n - 1);
	if (!note_name_valid(*name) || rest.n < 10 || rest.p[8] != '+')
		return false;
	/* Lower case only: a key has one text, so that texts can be compared. */
	for (size_t i = 0; i < 8; i++)
		if (rest.p[i] >= 'A' && rest.p[i] <= 'F')
			return false;
	ok = hex_get(&b, slice_of(rest.p, 8));
	if (ok)
		memcpy(id, b.p, 4);
	buf_reset(&b);
	ok = ok && base64_get(&b, slice_of(rest.p + 9, rest.n - 9)) && b.n == 33 &&
	     b.p[0] == TYPE_ED25519;
	if (ok)
		memcpy(key32, b.p + 1, 32);
	buf_wipe(&b);
	return ok;
}

bool
note_key_parse(struct note_key *k, struct slice vkey)
{
	char name[NOTE_NAME_MAX + 1] = "";
	uint8_t id[4], pub[ED25519_PUB_LEN];
	struct slice n;

	if (!parse(trim_newline(vkey), &n, id, pub))
		return false;
	memcpy(name, n.p, n.n);
	note_key_make(k, name, pub);
	return memcmp(id, k->id, sizeof(id)) == 0;
}

bool
note_signer_parse(struct note_key *k, uint8_t seed[ED25519_SEED_LEN], struct slice text)
{
	char name[NOTE_NAME_MAX + 1] = "";
	uint8_t id[4], pub[ED25519_PUB_LEN];
	const size_t prefix = sizeof(PRIVATE) - 1;
	struct slice n;

	text = trim_newline(text);
	if (text.n < prefix || memcmp(text.p, PRIVATE, prefix) != 0 ||
	    !parse(slice_of(text.p + prefix, text.n - prefix), &n, id, seed))
		return false;
	memcpy(name, n.p, n.n);
	ed25519_public(pub, seed);
	note_key_make(k, name, pub);
	return memcmp(id, k->id, sizeof(id)) == 0;
}

void
note_sign(struct buf *out, struct slice text, const struct note_key *k,
	  const uint8_t seed[ED25519_SEED_LEN])
{
	uint8_t sig[4 + ED25519_SIG_LEN];

	assert(text.n && text.p[text.n - 1] == '\n');
	memcpy(sig, k->id, 4);
	ed25519_sign(sig + 4, seed, text);
	buf_put_slice(out, text);
	buf_puts(out, "\n" DASH);
	buf_puts(out, k->name);
	buf_putc(out, ' ');
	base64_put(out, slice_of(sig, sizeof(sig)));
	buf_putc(out, '\n');
}

/* The line at the front without its newline; false when no newline is left. */
static bool
line(struct slice *in, struct slice *out)
{
	const uint8_t *nl = in->n ? memchr(in->p, '\n', in->n) : NULL;

	if (!nl)
		return false;
	*out = slice_of(in->p, (size_t) (nl - in->p));
	*in = slice_of(nl + 1, in->n - out->n - 1);
	return true;
}

static bool
is_signature(struct slice l)
{
	return l.n > sizeof(DASH) - 1 && memcmp(l.p, DASH, sizeof(DASH) - 1) == 0;
}

size_t
note_split(struct note *n, struct slice in)
{
	struct slice rest = in, l, before;

	do {
		if (!line(&rest, &l))
			return 0;
	} while (l.n);
	n->text = slice_of(in.p, in.n - rest.n - 1);
	if (n->text.n == 0)
		return 0;
	n->signatures.p = rest.p;
	for (before = rest; line(&rest, &l) && is_signature(l); before = rest)
		;
	n->signatures.n = (size_t) (before.p - n->signatures.p);
	if (n->signatures.n == 0)
		return 0;
	if (before.n && before.p[0] == '\n')
		before = slice_of(before.p + 1, before.n - 1);
	return in.n - before.n;
}

static enum note_verdict
verify_line(struct slice l, struct slice text, const struct note_key *keys, size_t n_keys)
{
	struct slice name = slice_of(l.p + sizeof(DASH) - 1, l.n - (sizeof(DASH) - 1)), b64;
	const uint8_t *space = memchr(name.p, ' ', name.n);
	enum note_verdict v = NOTE_UNKNOWN_KEY;
	struct buf sig = {0};

	if (!space)
		return NOTE_MALFORMED;
	b64 = slice_of(space + 1, name.n - (size_t) (space - name.p) - 1);
	name.n = (size_t) (space - name.p);
	if (!note_name_valid(name) || !base64_get(&sig, b64) || sig.n < 5)
		v = NOTE_MALFORMED;
	for (size_t i = 0; v == NOTE_UNKNOWN_KEY && i < n_keys; i++) {
		if (!slice_is(name, keys[i].name) || memcmp(sig.p, keys[i].id, 4) != 0)
			continue;
		v = sig.n == 4 + ED25519_SIG_LEN && ed25519_verify(sig.p + 4, keys[i].pub, text)
			    ? NOTE_GOOD
			    : NOTE_BAD_SIGNATURE;
	}
	buf_fini(&sig);
	return v;
}

enum note_verdict
note_verify(const struct note *n, const struct note_key *keys, size_t n_keys)
{
	struct slice rest = n->signatures, l;
	enum note_verdict all = NOTE_UNKNOWN_KEY;
	int count = 0;

	while (line(&rest, &l)) {
		enum note_verdict v = is_signature(l) && ++count <= NOTE_SIGNATURES_MAX
					      ? verify_line(l, n->text, keys, n_keys)
					      : NOTE_MALFORMED;

		if (v == NOTE_MALFORMED || v == NOTE_BAD_SIGNATURE)
			return v;
		if (v == NOTE_GOOD)
			all = NOTE_GOOD;
	}
	return rest.n ? NOTE_MALFORMED : all;
}

void
note_checkpoint_put(struct buf *out, const struct note_checkpoint *c)
{
	buf_put_slice(out, c->origin);
	buf_printf(out, "\n%llu\n", (unsigned long long) c->size);
	base64_put(out, slice_of(c->root, SHA256_LEN));
	buf_putc(out, '\n');
}

/* Decimal without leading zeros. */
static bool
decimal(uint64_t *v, struct slice s)
{
	*v = 0;
	if (s.n == 0 || s.n > 19 || (s.n > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*v = *v * 10 + (uint64_t) (s.p[i] - '0');
	}
	return true;
}

bool
note_checkpoint_get(struct note_checkpoint *c, struct slice text)
{
	struct slice size, root;
	struct buf b = {0};
	bool ok;

	if (!line(&text, &c->origin) || c->origin.n == 0 || !line(&text, &size) ||
	    !decimal(&c->size, size) || !line(&text, &root))
		return false;
	ok = base64_get(&b, root) && b.n == SHA256_LEN;
	if (ok)
		memcpy(c->root, b.p, SHA256_LEN);
	buf_fini(&b);
	return ok;
}
