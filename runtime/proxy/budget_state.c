/* SPDX-License-Identifier: MIT
 *
 * The file: CBOR [version, count, entries], then its SHA-256. An entry is [principal, rule, unit,
 * span, wall time at which its current slice began, what was taken from the oldest slice on].
 */
#include "proxy/budget_state.h"

#include "base/cbor.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/state_folder.h"

#include <errno.h>

enum { VERSION = 1, MAX_ENTRIES = 1 << 24 };

static const char file_name[] = "budgets";

static void
put_budget(struct buf *b, const char *principal, struct slice rule, const struct image_amount *a,
	   struct budget *budget, uint64_t mono, uint64_t wall)
{
	uint64_t taken[BUDGET_RING];
	uint64_t began = budget_save(budget, taken, mono);

	cbor_array(b, 6);
	cbor_text(b, slice_str(principal));
	cbor_text(b, rule);
	cbor_text(b, slice_str(limit_unit_info[a->unit].name));
	cbor_text(b, slice_str(limit_per_info[a->per].name));
	/* In whole seconds, so that clocks which drift apart a little write nothing new; the later
	 * one, so that nothing comes back early. */
	cbor_uint(b, (wall - (mono - began)) / NS_PER_S + 1);
	cbor_array(b, BUDGET_RING);
	for (int i = 0; i < BUDGET_RING; i++)
		cbor_uint(b, taken[i]);
}

/* Every budget that something was taken of: writes them when b is given, and counts them. */
static size_t
each(const struct epoch *e, struct buf *b, uint64_t mono, uint64_t wall)
{
	const struct image *img = e->image;
	size_t n = 0;

	for (size_t p = 0; p < e->config.n_principals; p++)
		for (size_t r = 0; r < img->n_rules; r++) {
			const struct image_limit *l = &img->rules[r].limit;
			size_t slot = p * e->n_budgets + e->budget_at[r];

			for (size_t i = 0; i < l->n_amounts; i++) {
				struct budget *budget;

				if (!limit_per_info[l->amounts[i].per].seconds)
					continue;
				budget = e->budgets[slot++];
				if (budget_is_full(budget, mono))
					continue;
				n++;
				if (b)
					put_budget(b, e->config.principals[p].name,
						   img->rules[r].name, &l->amounts[i], budget, mono,
						   wall);
			}
		}
	return n;
}

void
budget_state_save(struct budget_state *st, const struct epoch *e, uint64_t mono, uint64_t wall)
{
	struct buf b = {0}, entries = {0};
	uint8_t sum[SHA256_LEN];
	size_t n;
	int err = 0;

	if (!e->n_budgets)
		return;
	n = each(e, &entries, mono, wall);
	cbor_array(&b, 3);
	cbor_uint(&b, VERSION);
	cbor_uint(&b, n);
	cbor_bytes(&b, buf_slice(&entries));
	sha256(sum, buf_slice(&b));
	buf_put(&b, sum, sizeof(sum));
	if (memcmp(sum, st->written, sizeof(sum)) != 0)
		err = state_replace(e->config.state_path, file_name, buf_slice(&b));
	if (err && !st->told)
		log_error("budgets error=\"%s\": what is used of them cannot be written to %s, and a "
			  "restart would forget it",
			  strerror(-err), e->config.state_path);
	st->told = err != 0;
	if (!err)
		memcpy(st->written, sum, sizeof(sum));
	buf_fini(&entries);
	buf_fini(&b);
}

static void
load_entry(struct cbor_reader *r, const struct epoch *e, uint64_t mono, uint64_t wall)
{
	struct slice principal, rule;
	uint64_t taken[BUDGET_RING], began, age;
	struct budget *b;
	int unit, per;

	if (cbor_get_array(r, 6) != 6)
		cbor_fail(r, "no entry");
	principal = cbor_get_text(r);
	rule = cbor_get_text(r);
	unit = limit_unit_find(cbor_get_text(r));
	per = limit_per_find(cbor_get_text(r));
	began = cbor_get_uint(r);
	if (cbor_get_array(r, BUDGET_RING) != BUDGET_RING || unit < 0 || per < 0 ||
	    began > UINT64_MAX / NS_PER_S)
		cbor_fail(r, "no entry");
	for (int i = 0; i < BUDGET_RING; i++)
		taken[i] = cbor_get_uint(r);
	if (r->error)
		return;
	b = limits_budget(e, principal, rule, (enum limit_unit) unit, (enum limit_per) per);
	began *= NS_PER_S;
	/* A clock that was set back: as if it had been taken now. */
	age = wall > began ? wall - began : 0;
	if (b)
		budget_load(b, taken, age, mono);
}

static bool
load(struct slice in, const struct epoch *e, uint64_t mono, uint64_t wall)
{
	struct cbor_reader r, entries;
	uint8_t sum[SHA256_LEN];
	uint64_t n;

	if (in.n < SHA256_LEN)
		return false;
	sha256(sum, slice_of(in.p, in.n - SHA256_LEN));
	if (memcmp(sum, in.p + in.n - SHA256_LEN, SHA256_LEN) != 0)
		return false;
	cbor_reader_init(&r, slice_of(in.p, in.n - SHA256_LEN));
	if (cbor_get_array(&r, 3) != 3 || cbor_get_uint(&r) != VERSION)
		return false;
	n = cbor_get_uint(&r);
	cbor_reader_init(&entries, cbor_get_bytes(&r));
	if (!cbor_done(&r) || n > MAX_ENTRIES)
		return false;
	for (uint64_t i = 0; i < n && !entries.error; i++)
		load_entry(&entries, e, mono, wall);
	return cbor_done(&entries);
}

bool
budget_state_load(const struct epoch *e, uint64_t mono, uint64_t wall, struct buf *error)
{
	struct buf in = {0};
	int err = state_read(e->config.state_path, file_name, &in);

	if (err && err != -ENOENT) {
		buf_printf(error, "cannot read %s/%s: %s\n", e->config.state_path, file_name,
			   strerror(-err));
	} else if (!err && !load(buf_slice(&in), e, mono, wall)) {
		log_error("budgets: %s/%s is damaged: every budget counts as used up for its span; to "
			  "begin with full ones stop the gateway and remove the file",
			  e->config.state_path, file_name);
		for (size_t i = 0; i < e->n_budgets * e->config.n_principals; i++)
			budget_exhaust(e->budgets[i], mono);
	}
	buf_fini(&in);
	return !err || err == -ENOENT;
}
