/* SPDX-License-Identifier: MIT
 *
 * What a look at a target's catalog says about the policy: what the policy was written for and is
 * not there, columns that masks name and nobody has, columns that were renamed and are covered all
 * the same. By the threads that read catalogs, each of which has a target of its own.
 */
#include "base/log.h"
#include "proxy/catalog_drift.h"
#include "proxy/server_internal.h"

enum { NAMED_MAX = 8 }; /* in a message */

static void
tell_drift(const struct epoch *e, const char *target, const struct catalog *live)
{
	struct buf names = {0};
	size_t n = catalog_drift(e->image, live, &names);

	if (n)
		log_warn("catalog target=%s lacks=%zu of what the policy was written for: %.*s",
			 target, n, SLICE_ARG(buf_slice(&names)));
	buf_fini(&names);
}

static void
tell_unmatched(const struct epoch *e, const char *target, const struct catalog_ref *ref)
{
	const struct image_column *v[NAMED_MAX];
	struct buf names = {0};
	size_t n = catalog_unmatched(e->image, slice_str(target), ref->catalog, ref->former, v,
				     NAMED_MAX);

	for (size_t i = 0; i < n && i < NAMED_MAX; i++)
		buf_printf(&names, "%s%.*s.%.*s.%.*s", i ? ", " : "", SLICE_ARG(v[i]->schema),
			   SLICE_ARG(v[i]->table), SLICE_ARG(v[i]->column));
	if (n > NAMED_MAX)
		buf_printf(&names, " and %zu more", n - NAMED_MAX);
	if (n)
		log_warn("catalog target=%s unmatched=%zu: masks name columns that are not there, "
			 "and mask nothing by these names: %.*s",
			 target, n, SLICE_ARG(buf_slice(&names)));
	buf_fini(&names);
}

/* On record once for each list of them. */
static void
tell_only(struct server *s, const struct epoch *e, size_t target, const struct catalog_ref *ref)
{
	struct drift_told *told = &s->drift[target];
	const char *name = e->config.targets[target].name;
	uint8_t only[SHA256_LEN] = {0};
	struct buf text = {0};
	size_t n = former_only(ref->former, e->image, ref->catalog, &text);

	if (n)
		sha256(only, buf_slice(&text));
	if (n && memcmp(only, told->only, sizeof(only)) != 0) {
		bool recorded = server_record_alert(s, slice_str(name), SLICE_LIT("renamed-data"),
						    buf_slice(&text), n);

		log_warn("catalog target=%s renamed=%zu: data classes cover these columns only by "
			 "a name that they had; name them in the policy as they are called now: "
			 "%.*s%s",
			 name, n, SLICE_ARG(buf_slice(&text)),
			 recorded ? "" : " (and this could not be recorded)");
	}
	memcpy(told->only, only, sizeof(only));
	buf_fini(&text);
}

void
server_look(struct server *s, size_t target, struct catalog_ref *ref)
{
	struct epoch *e = server_epoch(s);
	struct drift_told *told = &s->drift[target];
	const uint8_t *digest = catalog_digest(ref->catalog);
	const char *name = e->config.targets[target].name;
	bool other = memcmp(told->digest, digest, SHA256_LEN) != 0;

	/* No worker has a catalog that was never looked at. */
	if (other) {
		assert(!ref->former);
		ref->former = former_state_moved(s->former, slice_str(name), ref->catalog);
	}
	if (other || told->epoch != e->number || former_state_unsaved(s->former))
		former_state_note(s->former, slice_str(name), e->image, ref->catalog);
	if (other || told->epoch != e->number) {
		told->epoch = e->number;
		memcpy(told->digest, digest, SHA256_LEN);
		tell_drift(e, name, ref->catalog);
		tell_unmatched(e, name, ref);
		tell_only(s, e, target, ref);
	}
	epoch_unref(e);
}
