/* SPDX-License-Identifier: MIT */
#include "audit/verify_kept.h"

#include "audit/kept.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
policy_loads_record(struct policy_loads *l, const struct audit_brief *b)
{
	bool loaded = b->type == AUDIT_policy_load && b->outcome == AUDIT_outcome_LOADED &&
		      b->new_digest.n;
	struct policy_load *p;

	/* Of the one that was in force when the first record was written that is left. */
	if (!loaded && (l->n || !b->policy.n))
		return;
	if ((l->n & (l->n - 1)) == 0) {
		l->v = realloc(l->v, (l->n ? l->n * 2 : 1) * sizeof(*l->v));
		assert(l->v != NULL);
	}
	p = &l->v[l->n++];
	*p = (struct policy_load){.kept = b->kept || !loaded,
				  .pruned = !loaded,
				  .is_signed = b->kept_signed_by.n > 0,
				  .time = b->time,
				  .nth = l->n};
	memcpy(p->digest, loaded ? b->new_digest.p : b->policy.p, SHA256_LEN);
	if (p->is_signed)
		memcpy(p->signer, b->kept_signed_by.p, SHA256_LEN);
}

/* The kept ones of a policy first, the newest of them at the front. */
static int
by_digest(const void *a, const void *b)
{
	const struct policy_load *x = a, *y = b;
	int order = memcmp(x->digest, y->digest, SHA256_LEN);

	if (order == 0)
		order = y->kept - x->kept;
	return order ? order : (x->nth < y->nth) - (x->nth > y->nth);
}

static void PRINTF_LIKE(3, 4)
say(struct policy_loads *l, enum verify_verdict severity, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->say(l->arg, severity, text);
}

static int
compare(const void *digest, const void *load)
{
	return memcmp(digest, ((const struct policy_load *) load)->digest, SHA256_LEN);
}

/* As its last load says. A signature that this lacks can have come with one that did not get as far
 * as the log. */
static bool
signed_so(const struct policy_loads *l, const uint8_t digest[SHA256_LEN], const struct kept *k)
{
	const struct policy_load *p =
		l->n ? bsearch(digest, l->v, l->n, sizeof(*l->v), compare) : NULL;

	while (p && p > l->v && compare(digest, p - 1) == 0)
		p--;
	return !p || !p->kept || !p->is_signed ||
	       (k->signer.n && memcmp(p->signer, k->signer.p, SHA256_LEN) == 0);
}

static void
judge_file(struct policy_loads *l, int dir, const uint8_t digest[SHA256_LEN])
{
	char name[KEPT_NAME_LEN + 1];
	struct buf file = {0};
	struct kept k;
	int rc = kept_file(dir, digest, &file);
	const char *wrong = rc ? strerror(-rc) : kept_read(&k, buf_slice(&file), digest);

	if (!wrong && !signed_so(l, digest, &k))
		wrong = k.signer.n ? "signed by another key than when the policy was loaded"
				   : "the signature is gone that it had when the policy was loaded";
	kept_name(name, digest);
	if (wrong)
		say(l, VERIFY_TAMPERED, KEPT_FOLDER "/%s: %s", name, wrong);
	buf_fini(&file);
}

/* `v` are the digests of what is there. */
static void
judge_missing(struct policy_loads *l, uint8_t (*v)[SHA256_LEN], size_t n)
{
	const struct policy_load *p, *old = NULL;
	size_t before = 0, i = 0;
	char when[28], name[KEPT_NAME_LEN + 1];

	for (p = l->v; p < l->v + l->n; p++) {
		while (i < n && memcmp(v[i], p->digest, SHA256_LEN) < 0)
			i++;
		if ((i < n && memcmp(v[i], p->digest, SHA256_LEN) == 0) ||
		    (p > l->v && compare(p->digest, p - 1) == 0))
			continue;
		clock_format(p->time, when);
		kept_name(name, p->digest);
		if (p->kept)
			say(l, VERIFY_INCOMPLETE, KEPT_FOLDER "/%s is not there, a policy that was "
			    "%s on %.19sZ: what it said cannot be shown", name,
			    p->pruned ? "in force" : "loaded", when);
		else if (before++ == 0 || p->time > old->time)
			old = p;
	}
	if (before == 0)
		return;
	clock_format(old->time, when);
	say(l, VERIFY_INTACT, "%zu of the policies that were loaded are not kept, the last of them of "
	    "%.19sZ: versions of weir before that kept none", before, when);
}

void
policy_loads_judge(struct policy_loads *l, int dir)
{
	uint8_t (*v)[SHA256_LEN];
	char strange[256];
	size_t n;
	int rc = kept_list(dir, &v, &n, strange);

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_digest);
	if (rc != 0)
		say(l, VERIFY_TAMPERED, KEPT_FOLDER ": %s", strerror(-rc));
	if (*strange)
		say(l, VERIFY_INTACT, KEPT_FOLDER "/%.100s: not a policy's name", strange);
	for (size_t i = 0; i < n; i++)
		judge_file(l, dir, v[i]);
	if (rc == 0)
		judge_missing(l, v, n);
	free(v);
}

void
policy_loads_fini(struct policy_loads *l)
{
	free(l->v);
	l->v = NULL;
	l->n = 0;
}
