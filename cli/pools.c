/* SPDX-License-Identifier: MIT
 *
 * weir pools: what a running gateway's shared server connections are doing.
 */
#include "cli/admin_client.h"
#include "cli/cli.h"
#include "session/approvals.h"

#include <stdio.h>
#include <stdlib.h>

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: weir pools --as PRINCIPAL [OPTIONS]\n"
		"\n"
		"Shows for each target how its server connections are shared: how many there may be,\n"
		"are in use, are idle, and how many clients wait for one.\n"
		"\n"
		"  --as PRINCIPAL    who you are\n"
		"  --key-file FILE   your key on its first line, mode 600; else the variable WEIR_KEY\n"
		"  -c, --config FILE the gateway's configuration, for its admin address (weir.conf)\n"
		"  --admin URL       the address itself, such as http://127.0.0.1:6433; also WEIR_ADMIN\n"
		"  --ca FILE         certificates to trust when the URL is https\n"
		"  --json            print the gateway's JSON, which has more counters\n"
		"\n"
		"Exit status: 0 done; 1 refused; 2 usage, or the gateway cannot be reached.\n");
}

/* Columns: a head, and what of the JSON stands below it. */
static const struct {
	const char *head, *field;
} columns[] = {
	{"TARGET", "target"},	{"MODE", "mode"},	   {"SIZE", "size"},
	{"IN USE", "in_use"},	{"IDLE", "idle"},	   {"WAITING", "waiting"},
	{"LONGEST", "longest_wait_s"}, {"HANDOVERS", "handovers"}, {"PREPARED", "prepared"},
};

static void
put_cell(struct buf *b, const json_t *pool, size_t column)
{
	const json_t *v = json_object_get(pool, columns[column].field);

	if (json_is_string(v))
		approval_put_visible(b, slice_str(json_string_value(v)), false);
	else if (strcmp(columns[column].field, "longest_wait_s") == 0)
		buf_printf(b, "%.1fs", json_number_value(v));
	else if (json_is_integer(v))
		buf_printf(b, "%lld", (long long) json_integer_value(v));
	else
		buf_putc(b, '-');
}

static void
print_table(const json_t *list)
{
	size_t n = json_array_size(list), width[COUNT_OF(columns)];
	struct buf *cells = calloc(n * COUNT_OF(columns) + 1, sizeof(*cells));

	assert(cells != NULL);
	for (size_t c = 0; c < COUNT_OF(columns); c++) {
		width[c] = strlen(columns[c].head);
		for (size_t i = 0; i < n; i++) {
			struct buf *cell = &cells[i * COUNT_OF(columns) + c];

			put_cell(cell, json_array_get(list, i), c);
			width[c] = cell->n > width[c] ? cell->n : width[c];
		}
		printf("%-*s%s", c + 1 < COUNT_OF(columns) ? (int) width[c] : 0, columns[c].head,
		       c + 1 < COUNT_OF(columns) ? "  " : "\n");
	}
	for (size_t i = 0; i < n * COUNT_OF(columns); i++) {
		bool last = i % COUNT_OF(columns) + 1 == COUNT_OF(columns);

		printf("%.*s%*s%s", SLICE_ARG(buf_slice(&cells[i])),
		       last ? 0 : (int) (width[i % COUNT_OF(columns)] - cells[i].n), "",
		       last ? "\n" : "  ");
		buf_fini(&cells[i]);
	}
	free(cells);
}

static int
show(struct admin_client *c)
{
	json_t *answer;
	int e = admin_client_call(c, "GET", "/v1/pools", NULL, &answer);

	if (e != EXIT_OK)
		return e;
	if (c->json)
		admin_client_print(answer);
	else
		print_table(json_object_get(answer, "pools"));
	json_decref(answer);
	return EXIT_OK;
}

/* -1: go on; else the exit status. */
static int
parse(struct admin_client *client, int argc, char **argv)
{
	static const struct option longs[] = {
		ADMIN_CLIENT_OPTIONS,
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":c:h", longs, NULL)) != -1) {
		if (admin_client_option(client, c, optarg))
			continue;
		switch (c) {
		case 'h': usage(stdout); return EXIT_OK;
		case ':': return cli_usage_error("pools", "%s needs a value", argv[optind - 1]);
		default: return cli_usage_error("pools", "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return cli_usage_error("pools", "unexpected argument %s", argv[optind]);
	return -1;
}

int
cmd_pools(int argc, char **argv)
{
	struct admin_client client = {.command = "pools"};
	int e = parse(&client, argc, argv);

	if (e >= 0)
		return e;
	e = admin_client_open(&client);
	if (e == EXIT_OK)
		e = show(&client);
	admin_client_close(&client);
	return e;
}
