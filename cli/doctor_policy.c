/* SPDX-License-Identifier: MIT
 *
 * Which relations the policy governs, and which of their columns no principal ever sees. It is the
 * gate's own answer, asked for every principal that may connect.
 */
#include "base/clock.h"
#include "cli/doctor.h"
#include "proxy/catalog_drift.h"
#include "gate/gate_class.h"

static const enum fact of_connection[] = {FACT_CLIENT_ADDRESS, FACT_CLIENT_APPLICATION,
					  FACT_CLIENT_TLS, FACT_TIME_WEEKDAY, FACT_TIME_OF_DAY};

static bool
varies(const struct image *img, enum vm_entry entry)
{
	bool any = false;

	for (size_t i = 0; i < COUNT_OF(of_connection); i++)
		any |= img->entry[entry].facts >> of_connection[i] & 1;
	return any;
}

/* Now, or perhaps at another time or from another place. */
static bool
may_connect(const struct gate_class *c)
{
	const struct image *img = c->epoch->image;
	struct facts f = c->facts;
	struct decision d;

	facts_int(&f, FACT_ACTION, ACTION_CONNECT);
	vm_decide(img, ENTRY_CONNECT, &f, &d);
	return d.verdict == VERDICT_ALLOW || varies(img, ENTRY_CONNECT);
}

/* A mask that shows a part of the value, or a stand-in computed from it, needs the value, as does
 * what it allows; one that depends on the row may leave some rows in clear. */
static bool
is_hidden(const struct gate_class *c, uint32_t table, int attnum)
{
	const struct gate_masked *m = class_mask(c, table, attnum);
	const struct image_rule *rule = m ? &c->epoch->image->rules[m->rule] : NULL;

	return rule && !rule->by_row && !m->modes.lookup && !m->modes.derived && !m->modes.over &&
	       (rule->mask.kernel == MASK_FIXED || rule->mask.kernel == MASK_NULL);
}

static void
element(struct buf *array, uint64_t v)
{
	buf_printf(array, "%c%llu", array->n ? ',' : '{', (unsigned long long) v);
}

static void
end_array(struct buf *array)
{
	buf_puts(array, array->n ? "}" : "{}");
}

static void
relation(struct doctor_policy *p, struct gate_class *const *classes, size_t n,
	 const struct catalog_relation *r)
{
	bool governed = false;

	for (size_t i = 0; i < n; i++)
		governed |= class_governs(classes[i], r->oid);
	if (governed)
		element(&p->governed, r->oid);
	for (uint32_t k = 0; governed && !p->varies && k < r->n_columns; k++) {
		bool hidden = !r->columns[k].dropped;

		for (size_t i = 0; i < n && hidden; i++)
			hidden = is_hidden(classes[i], r->oid, r->columns[k].attnum);
		if (!hidden)
			continue;
		element(&p->hidden_tables, r->oid);
		element(&p->hidden_columns, (uint64_t) r->columns[k].attnum);
	}
}

static void
quoted(struct buf *array, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(array, '\\');
		buf_putc(array, s.p[i]);
	}
}

static void
find_unmatched(struct doctor_policy *p, const struct epoch *e, size_t target,
	       const struct catalog *live, struct arena *a)
{
	struct slice name = slice_str(e->config.targets[target].name);
	size_t n = catalog_unmatched(e->image, name, live, NULL, NULL, 0);
	const struct image_column **v = ARENA_ARRAY(a, const struct image_column *, n + 1);

	n = catalog_unmatched(e->image, name, live, NULL, v, n);
	for (size_t i = 0; i < n; i++) {
		buf_puts(&p->unmatched, i ? ",\"" : "{\"");
		quoted(&p->unmatched, v[i]->schema);
		buf_putc(&p->unmatched, '.');
		quoted(&p->unmatched, v[i]->table);
		buf_putc(&p->unmatched, '.');
		quoted(&p->unmatched, v[i]->column);
		buf_putc(&p->unmatched, '"');
	}
}

void
doctor_policy_ask(struct doctor_policy *p, struct epoch *e, size_t target,
		  struct catalog_ref *catalog)
{
	struct arena arena;
	struct gate_class **classes;
	size_t n = 0;

	arena_init(&arena, 0);
	classes = ARENA_ARRAY(&arena, struct gate_class *, e->config.n_principals + 1);
	p->varies = varies(e->image, ENTRY_RESULT);
	for (size_t i = 0; catalog && i < e->config.n_principals; i++) {
		const struct gate_client client = {.tls = true};

		classes[n] = class_new(e, catalog, target, slice_str(e->config.principals[i].name),
				       &client, clock_wall_ns());
		if (may_connect(classes[n]))
			n++;
		else
			class_unref(classes[n]);
	}
	for (size_t i = 0; n > 0 && i < catalog_count(catalog->catalog); i++)
		relation(p, classes, n, catalog_at(catalog->catalog, i));
	if (catalog)
		find_unmatched(p, e, target, catalog->catalog, &arena);
	end_array(&p->unmatched);
	end_array(&p->governed);
	end_array(&p->hidden_tables);
	end_array(&p->hidden_columns);
	while (n > 0)
		class_unref(classes[--n]);
	arena_fini(&arena);
}
