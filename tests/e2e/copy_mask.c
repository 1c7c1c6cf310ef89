/* SPDX-License-Identifier: MIT
 *
 * Masks a COPY stream on standard input to standard output, in pieces of 7 bytes: for
 * pg_masks_test.py.
 *
 *   copy_mask text|csv|binary [-null TEXT] [-delimiter C] [-escape C] MASK OID:TYPMOD ...
 *
 * MASK is a mask function, its argument behind a colon (last:4, fixed:TEXT), on every column.
 */
#include "proto/pg/copyout.h"

#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 64, PIECE = 7 };

static int
usage(void)
{
	fputs("usage: copy_mask text|csv|binary [options] MASK OID:TYPMOD ...\n", stderr);
	return 2;
}

static bool
parse_mask(const char *s, struct mask_spec *m)
{
	const char *colon = strchr(s, ':');
	int kernel = mask_find(slice_of(s, colon ? (size_t) (colon - s) : strlen(s)));

	if (kernel < 0)
		return false;
	m->kernel = (enum mask) kernel;
	if (colon && kernel == MASK_FIXED)
		m->text = slice_str(colon + 1);
	else if (colon)
		m->n = (uint32_t) strtoul(colon + 1, NULL, 10);
	return true;
}

/* Writes the payloads of whole CopyData messages. */
static void
write_payloads(const struct buf *b)
{
	struct pg_framer f;
	struct pg_frame m;

	pg_framer_init(&f, PG_FROM_SERVER, 1 << 20);
	for (size_t at = 0; at < b->n; at += m.raw.n) {
		if (pg_frame_next(&f, b->p + at, b->n - at, &m) != WIRE_OK)
			abort();
		fwrite(m.body.p, 1, m.body.n, stdout);
	}
}

static int
stream(struct copyout *c)
{
	uint8_t piece[PIECE];
	struct buf out = {0};
	enum pg_reason r = PG_R_OK;
	size_t n;

	while (!r && (n = fread(piece, 1, sizeof(piece), stdin)) > 0) {
		r = copyout_feed(c, piece, n, &out);
		write_payloads(&out);
		buf_reset(&out);
	}
	if (!r)
		r = copyout_end(c);
	if (r)
		fprintf(stderr, "copy_mask: %s\n", pg_reason_sentence(r));
	buf_fini(&out);
	return r != PG_R_OK;
}

int
main(int argc, char **argv)
{
	static const char *const formats[] = {"text", "csv", "binary"};
	struct copyout_column columns[COLUMNS];
	struct mask_op ops[COLUMNS];
	struct mask_key key;
	struct mask_spec m = {.key = &key};
	struct copyout_options o;
	struct copyout c;
	int format = 0, at = 2, n = 0, status;

	while (format < 3 && (argc < 4 || strcmp(argv[1], formats[format]) != 0))
		format++;
	if (format == 3)
		return usage();
	copyout_defaults(&o, (enum copyout_format) format);
	for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
		if (argv[at][1] == 'n')
			o.null = slice_str(argv[at + 1]);
		else if (argv[at][1] == 'd')
			o.delimiter = (uint8_t) argv[at + 1][0];
		else
			o.escape = (uint8_t) argv[at + 1][0];
	}
	mask_key_init(&key, SLICE_LIT("a key of the test"));
	if (at >= argc || !parse_mask(argv[at++], &m))
		return usage();
	for (; at < argc && n < COLUMNS; at++, n++) {
		char *colon;

		columns[n].mask = &m;
		columns[n].type = (uint32_t) strtoul(argv[at], &colon, 10);
		columns[n].typmod = *colon == ':' ? (int32_t) strtol(colon + 1, NULL, 10) : -1;
	}
	if (!copyout_init(&c, &o, columns, (size_t) n, ops, 1 << 20))
		return usage();
	status = stream(&c);
	copyout_fini(&c);
	return status;
}
