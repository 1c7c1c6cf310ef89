/* SPDX-License-Identifier: MIT
 *
 * What a reload replaces whole: the configuration, the policy image and what is derived from them.
 * Counted, immutable and shared by all threads; freed (and its secrets wiped) with the last
 * reference.
 */
#ifndef WEIR_GATE_EPOCH_H
#define WEIR_GATE_EPOCH_H

#include "base/arena.h"
#include "io/tls.h"
#include "proto/pg/mask.h"
#include "proto/pg/scram.h"
#include "config/config.h"
#include "gate/former.h"
#include "gate/limits.h"
#include "sql/catalog.h"
#include "vm/image.h"

#include <stdatomic.h>

struct epoch {
	atomic_uint refs;
	uint64_t number;
	struct arena arena; /* holds all of the below */
	struct config config;
	struct image *image;
	struct tls_context *tls;	 /* the listeners'; NULL: off */
	struct tls_context **target_tls; /* by target; NULL where off */
	bool holds; /* some rule makes commands wait for people */
	bool reads_names; /* epoch_reads_names() of it, masks included */
	struct mask_spec *masks; /* by rule index; meaningful for mask rules */
	struct mask_spec *hidden; /* the same of what is computed from a masked column */
	struct mask_key mask_key;
	uint8_t record_key[SHA256_LEN]; /* of digests that stand for values on record */
	struct scram_verifier *verifiers; /* by principal */
	uint8_t mock_key[SHA256_LEN];
	int32_t *channels; /* by rule: the number of the channel it names; -1: none */
	struct budget **budgets; /* by principal, then by budget */
	uint32_t *budget_at;     /* by rule: its first budget */
	size_t n_budgets;        /* of one principal */
};

/* An empty epoch with one reference: the caller loads config and image into its arena, then
 * epoch_finish derives the rest. mask_secret: 32 bytes that stay the same across restarts. was: the
 * epoch that this one replaces, whose budgets go on; or NULL. */
struct epoch *epoch_new(void);
void epoch_finish(struct epoch *e, const uint8_t mask_secret[SHA256_LEN],
		  const struct epoch *was);
/* Reads the configuration's certificates, keys and authorities. False: the reason is in `said`. */
bool epoch_open_tls(struct epoch *e, struct buf *said) MUST_CHECK;
/* ids: of the configuration's channels, in its order. Until then no rule has one. */
void epoch_set_channels(struct epoch *e, const int32_t *ids);
/* The rule that names a channel which the configuration does not have; NULL: there is none. */
const struct image_rule *epoch_lost_channel(const struct epoch *e);
/* What names mean can change a verdict under this policy: rules on tables, approvals, and masks. */
bool epoch_reads_names(const struct epoch *e, bool with_masks);
struct epoch *epoch_ref(struct epoch *e);
void epoch_unref(struct epoch *e); /* NULL is fine */

/* What all threads know of changes of a target's schema, at once. */
struct schema_moves {
	atomic_ulong changed; /* that went through the gateway so far, or may have */
	atomic_ulong renamed; /* those of them after which names mean something else */
	atomic_ulong asked;   /* for a catalog that is read from now on */
	atomic_uint renaming; /* open transactions in which names come to mean something else */
	/* Likewise, but of functions, operators, casts and types: what calls mean. */
	atomic_ulong redefined;
	atomic_uint redefining;
};

/* When a catalog was read: what these had come to when the read began. */
struct catalog_age {
	uint64_t changed, renamed, redefined, asked;
	uint64_t tried; /* `asked` of the last attempt, which may have failed */
	uint64_t new_until; /* monotonic: till then it is not read again for a mere possibility */
};

/* The password of a target's login as it was read again since the configuration was, counted; the
 * last reference wipes it. */
struct password {
	atomic_uint refs;
	char text[];
};
struct password *password_new(struct slice text);
struct password *password_get(struct password *p); /* NULL is fine */
void password_put(struct password *p);		   /* NULL is fine */

/* How a target's login stands, of all threads by the one that looks (proxy/target_password.h). */
struct password_news {
	uint64_t epoch;	  /* whose configuration it goes by */
	uint64_t version; /* goes up with every other password; 0: the configuration's */
	struct password *password; /* NULL: the configuration's */
	bool wrong; /* the target has refused it, and no other was found */
};

/* A catalog snapshot, counted. */
struct catalog_ref {
	atomic_uint refs;
	struct catalog *catalog;
	/* What its columns were once called; NULL: nothing else. Set before it is shared. */
	struct former *former;
};
struct catalog_ref *catalog_ref_new(struct catalog *c); /* takes it over */
struct catalog_ref *catalog_ref_get(struct catalog_ref *r);
void catalog_ref_put(struct catalog_ref *r); /* NULL is fine */

#endif
