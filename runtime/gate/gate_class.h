/* SPDX-License-Identifier: MIT
 *
 * Classes of sessions, private to the gate: what the policy can tell apart of a session, with the
 * masks in force for it resolved against one catalog.
 */
#ifndef WEIR_GATE_GATE_CLASS_H
#define WEIR_GATE_GATE_CLASS_H

#include "gate/gate.h"

/* A masked column of the catalog. Open-addressed by (table, attnum). */
struct gate_masked {
	uint32_t table;
	int16_t attnum;
	uint16_t rule; /* index of the mask rule in the image */
	bool used;
	bool derived; /* computed from a masked column: nothing of it is shown */
	struct mask_modes modes;
};

struct gate_taint {
	uint32_t view;
	const char *why; /* completes "cannot be read while masks are in force: ..." */
};

struct gate_class {
	struct gate_class *next;
	unsigned refs;
	uint64_t id; /* never reused: the key of remembered verdicts */
	struct epoch *epoch;
	struct catalog_ref *catalog;
	const struct config_principal *principal; /* NULL: gone with a reload */
	size_t target;
	struct gate_client client;
	char *application;  /* owned */
	uint64_t made_wall_ns;
	struct facts facts; /* the session's part; strings in the epoch or `application` */
	struct catalog_path path; /* of a session that was not told its own */
	bool reads_names; /* what unqualified names mean can change a verdict */
	bool reads_path;  /* ... those of tables, or of functions that built-ins are beside */
	struct arena arena;

	struct decision masks; /* of ENTRY_RESULT */
	bool any_masks;              /* of columns, or drops */
	uint64_t masks_number;	     /* gate_masks_number */
	struct detect_rules detect;  /* masks of values that have no column */
	struct gate_masked *masked;
	uint32_t cap_masked, n_masked;
	uint32_t *governed; /* sorted OIDs of relations that hold masked columns */
	size_t n_governed;
	struct gate_taint *tainted; /* by OID: views that cannot be read */
	size_t n_tainted;
	bool computes; /* a view computes with masked columns, in one that the policy masks */
	/* Sorted OIDs of relations some of whose rows are dropped, and of views that read one. */
	uint32_t *dropping;
	size_t n_dropping;
};

struct gate_class *class_new(struct epoch *e, struct catalog_ref *c, size_t target,
			     struct slice user, const struct gate_client *client, uint64_t now);
void class_unref(struct gate_class *c);
const struct gate_masked *class_mask(const struct gate_class *c, uint32_t table, int attnum);
/* A rule's data covers the column by the name it has, or by one that it had (former.h); by its own,
 * not by what it inherits. */
bool class_rule_covers(const struct gate_class *c, uint16_t rule, const struct catalog_relation *r,
		       const struct catalog_column *column);
/* What a name means to a session of that path (NULL: not known); NULL: nothing that the catalog
 * has. */
const struct catalog_relation *class_resolve(const struct gate_class *c,
					     const struct catalog_path *path, struct slice schema,
					     struct slice name);
/* Another relation that the name would mean if its first were gone, or not there yet, of those that
 * masks or rules on rows concern, or of all. A statement prepared before, or one that waits for a
 * lock, may mean it. */
const struct catalog_relation *class_shadowed(const struct gate_class *c,
					      const struct catalog_path *path,
					      struct slice name, bool any);
/* Of the session's own. */
static inline bool
catalog_is_temporary(const struct catalog_relation *r)
{
	return r && r->persistence == 't';
}
/* The tables among the relations of a text, by index. */
const struct catalog_relation **class_relations(const struct gate_class *c,
						const struct catalog_path *path,
						const struct sql_facts *f, struct arena *a);
bool class_governs(const struct gate_class *c, uint32_t table);
/* Why a view cannot be read; NULL: it can. */
const char *class_tainted(const struct gate_class *c, uint32_t view);
/* Shows values of other tables, or statements of other sessions. */
bool class_is_telling(const struct catalog_relation *r);
/* Adds a mask (table and attnum are r's and attnum); the stricter one stays, and what both open. */
void class_mask_add(struct gate_class *c, const struct catalog_relation *r, int16_t attnum,
		    struct gate_masked mask);
/* gate_views.c: masks of the columns of views, and which views cannot be read. */
void class_find_views(struct gate_class *c);
/* gate_trust.c: every function that the call could mean is vouched for, and is what it was. */
bool class_vouches(const struct gate_class *c, struct slice schema, struct slice name);
bool effect_is_vouched(const struct gate_class *c, const struct sql_effect *e);
/* A sentence when it was vouched for and has changed; else NULL. */
const char *effect_changed(const struct gate_class *c, const struct sql_effect *e, struct arena *a);
/* gate_rows.c */
void class_find_dropping(struct gate_class *c);
bool class_drops(const struct gate_class *c, uint32_t oid);
/* Fills the two facts that move by themselves. */
void class_set_time(struct facts *f, uint64_t now_wall_ns);

#endif
