/* SPDX-License-Identifier: MIT */
#include "sql/ddl_internal.h"

#include <stdlib.h>

static const struct {
	const char *name;
	uint16_t oid, array;
	const char *small;
} types[] = {
	{"bool", 16, 1000, "a boolean"},
	{"bytea", 17, 1001, NULL},
	{"char", 18, 1002, "a single byte"},
	{"name", 19, 1003, NULL},
	{"int8", 20, 1016, NULL},
	{"int2", 21, 1005, "a smallint"},
	{"int4", 23, 1007, NULL},
	{"text", 25, 1009, NULL},
	{"oid", 26, 1028, NULL},
	{"json", 114, 199, NULL},
	{"xml", 142, 143, NULL},
	{"point", 600, 1017, NULL},
	{"cidr", 650, 651, NULL},
	{"float4", 700, 1021, NULL},
	{"float8", 701, 1022, NULL},
	{"money", 790, 791, NULL},
	{"macaddr", 829, 1040, NULL},
	{"inet", 869, 1041, NULL},
	{"bpchar", 1042, 1014, NULL},
	{"varchar", 1043, 1015, NULL},
	{"date", 1082, 1182, NULL},
	{"time", 1083, 1183, NULL},
	{"timestamp", 1114, 1115, NULL},
	{"timestamptz", 1184, 1185, NULL},
	{"interval", 1186, 1187, NULL},
	{"timetz", 1266, 1270, NULL},
	{"bit", 1560, 1561, NULL},
	{"varbit", 1562, 1563, NULL},
	{"numeric", 1700, 1231, NULL},
	{"uuid", 2950, 2951, NULL},
	{"tsvector", 3614, 3643, NULL},
	{"jsonb", 3802, 3807, NULL},
	/* what a column may be declared as besides */
	{"serial", 23, 1007, NULL},
	{"serial4", 23, 1007, NULL},
	{"bigserial", 20, 1016, NULL},
	{"serial8", 20, 1016, NULL},
	{"smallserial", 21, 1005, "a smallint"},
	{"serial2", 21, 1005, "a smallint"},
};

struct ddl_type
ddl_builtin(const char *name, bool array)
{
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return array ? (struct ddl_type){types[i].array, types[i].array, NULL, 0}
				     : (struct ddl_type){types[i].oid, types[i].oid,
							 types[i].small, 0};
	return (struct ddl_type){0};
}

/* As PostgreSQL's own typmodin functions make it; the interval's fields, which no mask reads, are
 * left out. What it would refuse declares nothing. */
uint32_t
ddl_modifier(const char *name, const int *v, int n)
{
	enum { VARHDRSZ = 4, LENGTH_MAX = 10485760, BITS_MAX = 83886080, PRECISION_MAX = 1000,
	       SECONDS_MAX = 6, SCALE_BITS = 0x7ff };
	static const char *const times[] = {"time", "timetz", "timestamp", "timestamptz"};
	bool is_length = strcmp(name, "varchar") == 0 || strcmp(name, "bpchar") == 0;
	bool is_bits = strcmp(name, "bit") == 0 || strcmp(name, "varbit") == 0;

	if (strcmp(name, "numeric") == 0 && (n == 1 || n == 2)) {
		int scale = n == 2 ? v[1] : 0;

		return v[0] < 1 || v[0] > PRECISION_MAX || abs(scale) > PRECISION_MAX
			       ? 0
			       : 1 + (((uint32_t)v[0] << 16) | ((uint32_t)scale & SCALE_BITS)) +
					 VARHDRSZ;
	}
	if (n != 1 || v[0] < 0)
		return 0;
	if (is_length)
		return v[0] && v[0] <= LENGTH_MAX ? 1 + (uint32_t)v[0] + VARHDRSZ : 0;
	if (is_bits)
		return v[0] && v[0] <= BITS_MAX ? 1 + (uint32_t)v[0] : 0;
	for (size_t i = 0; i < COUNT_OF(times); i++)
		if (strcmp(times[i], name) == 0)
			return 1 + (uint32_t)(v[0] < SECONDS_MAX ? v[0] : SECONDS_MAX);
	return 0;
}
