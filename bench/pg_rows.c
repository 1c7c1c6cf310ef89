/* SPDX-License-Identifier: MIT
 *
 * What masking costs per row, and what a SCRAM login costs: no I/O, one thread.
 *
 *   pg_rows [ROUNDS] [--gate]    prints the best of ROUNDS (7) in ns per row; --gate makes it an
 *                                error (exit 1) that a fixed mask takes more than 10 ns a cell
 *
 * Rows: 6 text columns, 152 bytes a message, 400 of them (60 KB, in cache). Masks, on field 3 of 6:
 * in place (last 4 of 16), rewritten (fixed, other length), hash, pseudonym. "run" finds whole rows
 * with pg_frame_rows, "frame" takes them one by one with pg_frame_next.
 */
#include "proto/pg/rowplan.h"
#include "proto/pg/scram.h"

#include "base/clock.h"
#include "base/endian.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 400, REPEAT = 50, FIELDS = 6, FIXED_NS = 10 };

static struct mask_key key;
static struct buf chunk, work, out;

static void
make_rows(void)
{
	static const char *const values[6] = {
		"1234567890", "Ada Lovelace, countess", "4111111111111111",
		"ada.lovelace@example.com", "+44 20 7946 0958", "12 St James's Square, London SW1Y"};

	for (int i = 0; i < ROWS; i++) {
		size_t at = pg_begin(&chunk, PG_B_DATA_ROW);

		buf_be16(&chunk, 6);
		for (int j = 0; j < 6; j++) {
			buf_be32(&chunk, (uint32_t) strlen(values[j]));
			buf_puts(&chunk, values[j]);
		}
		pg_end(&chunk, at);
	}
}

static void
mask(const struct pg_rowplan *plan, uint8_t *row, size_t n, struct pg_row_counts *counts)
{
	bool rewritten;

	if (plan && pg_rowplan_apply(plan, row, n, &out, &rewritten, counts))
		abort();
}

/* One pass over the chunk: find the rows and, with a plan, mask each. */
static void
pass(const struct pg_rowplan *plan, bool run)
{
	struct pg_framer f;
	struct pg_frame m;
	struct pg_row_counts counts = {0};
	uint64_t rows = 0;
	size_t at = 0;

	pg_framer_init(&f, PG_FROM_SERVER, 1 << 20);
	pg_framer_set_whole(&f, PG_B_DATA_ROW, plan != NULL);
	buf_reset(&out);
	if (run) {
		size_t end = pg_frame_rows(&f, work.p, work.n, &rows), n;

		for (at = plan ? 0 : end; at < end; at += n) {
			n = get_be32(work.p + at + 1) + 1;
			mask(plan, work.p + at, n, &counts);
		}
	}
	while (pg_frame_next(&f, work.p + at, work.n - at, &m) == WIRE_OK) {
		mask(plan, work.p + at, m.raw.n, &counts);
		at += m.raw.n;
	}
	if (at != work.n || (plan && counts.cells != (uint64_t) ROWS * plan->n_cells))
		abort();
}

/* Masks so many fields of a row, up to number `last`. */
static double
best_of(const struct mask_spec *m, unsigned last, unsigned cells, bool run, int rounds)
{
	static _Alignas(16) uint8_t memory[sizeof(struct pg_rowplan) +
					   FIELDS * sizeof(struct pg_rowplan_cell)];
	struct pg_rowplan *plan = (struct pg_rowplan *) memory;
	double best = 1e18;

	plan->n_fields = FIELDS;
	plan->n_cells = (uint16_t) cells;
	for (unsigned i = 0; m && i < cells; i++) {
		plan->cells[i].field = (uint16_t) (last - cells + i);
		plan->cells[i].op = mask_bind(m, 25, -1, 0);
	}
	for (int r = 0; r < rounds; r++) {
		uint64_t spent = 0;

		for (int i = 0; i < REPEAT; i++) {
			uint64_t start;

			buf_reset(&work);
			buf_put_slice(&work, buf_slice(&chunk));
			start = clock_mono_ns();
			pass(m ? plan : NULL, run);
			spent += clock_mono_ns() - start;
		}
		if ((double) spent / (REPEAT * ROWS) < best)
			best = (double) spent / (REPEAT * ROWS);
	}
	return best;
}

static void
measure(const char *name, const struct mask_spec *m, bool run, int rounds)
{
	printf("%-34s %8.1f ns/row\n", name, best_of(m, 3, 1, run, rounds));
}

/* What the mask itself takes, apart from going through the row. */
static double
measure_cell(const char *name, const struct mask_spec *m, int rounds)
{
	double one = best_of(m, FIELDS, 1, true, rounds);
	double all = best_of(m, FIELDS, FIELDS, true, rounds);

	printf("%-34s %8.1f ns/cell\n", name, (all - one) / (FIELDS - 1));
	return (all - one) / (FIELDS - 1);
}

static void
login(const struct scram_verifier *v, struct scram_client_keys *keys)
{
	struct scram_server s;
	struct scram_client c;
	uint8_t nonce[SCRAM_NONCE] = {1};
	struct buf m[4] = {{0}};
	const char *mechanism;

	scram_server_init(&s, v, false, (struct slice){0}, nonce);
	scram_client_init(&c, SLICE_LIT("k-planner"), keys, (struct slice){0}, nonce);
	if (scram_client_first(&c, slice_of(SCRAM_NAME, sizeof(SCRAM_NAME)), &mechanism, &m[0]) ||
	    scram_server_first(&s, slice_str(mechanism), buf_slice(&m[0]), &m[1]) ||
	    scram_client_final(&c, buf_slice(&m[1]), &m[2]) ||
	    scram_server_final(&s, buf_slice(&m[2]), &m[3]) ||
	    scram_client_verify(&c, buf_slice(&m[3])))
		abort();
	for (int i = 0; i < 4; i++)
		buf_fini(&m[i]);
}

static void
measure_logins(void)
{
	struct scram_client_keys keys = {0};
	struct scram_verifier v;
	uint8_t salt[SCRAM_SALT] = {2};
	uint64_t start = clock_mono_ns();

	scram_verifier_derive(&v, SLICE_LIT("k-planner"), salt, SCRAM_ITERATIONS);
	printf("%-34s %8.1f us\n", "scram: verifier, once per principal",
	       (double) (clock_mono_ns() - start) / 1e3);
	login(&v, &keys);
	start = clock_mono_ns();
	for (int i = 0; i < 1000; i++)
		login(&v, &keys);
	printf("%-34s %8.1f us\n", "scram: both sides of a login",
	       (double) (clock_mono_ns() - start) / 1e6);
}

int
main(int argc, char **argv)
{
	bool gate = argc > 1 && strcmp(argv[argc - 1], "--gate") == 0;
	int rounds = argc > 1 + gate ? atoi(argv[1]) : 7;
	double cell;
	struct mask_spec last = {.kernel = MASK_LAST, .n = 4};
	struct mask_spec fixed = {.kernel = MASK_FIXED, .text = SLICE_LIT("(hidden)")};
	struct mask_spec hash = {.kernel = MASK_HASH, .key = &key};
	struct mask_spec pseudonym = {.kernel = MASK_PSEUDONYM, .key = &key};

	mask_key_init(&key, SLICE_LIT("key"));
	make_rows();
	printf("%zu bytes a row\n", chunk.n / ROWS);
	measure("run", NULL, true, rounds);
	measure("frame", NULL, false, rounds);
	measure("run, walk, mask in place", &last, true, rounds);
	measure("frame, walk, mask in place", &last, false, rounds);
	measure("run, walk, rewrite", &fixed, true, rounds);
	cell = measure_cell("one more cell, fixed", &fixed, rounds);
	(void) measure_cell("one more cell, in place", &last, rounds);
	measure("run, walk, hash", &hash, true, rounds);
	measure("run, walk, pseudonym", &pseudonym, true, rounds);
	measure_logins();
	buf_fini(&chunk);
	buf_fini(&work);
	buf_fini(&out);
	return gate && cell > FIXED_NS;
}
