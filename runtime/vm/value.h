/* SPDX-License-Identifier: MIT
 *
 * The facts of one effect of one command, as the engines fill them and the machine reads them.
 * Zeroed memory is "nothing is known", which helps nobody to be allowed. Strings are borrowed.
 */
#ifndef WEIR_VM_VALUE_H
#define WEIR_VM_VALUE_H

#include "vm/names.h"

struct value {
	uint8_t type; /* enum type; set with the value, checked in debugging builds */
	bool known;
	union {
		bool b;    /* BOOL */
		int64_t i; /* INT; TIME in seconds; ACTION and ENUM_x as their ids */
		struct slice s;
		struct {
			const struct slice *v;
			size_t n;
		} set;
		uint8_t addr[16]; /* IPv6, or IPv4 mapped (::ffff:a.b.c.d) */
	};
};

/* One use of one column by the statement. An empty slice is "cannot be told", which may be
 * anything; a whole-row use has an empty column. */
struct data_use {
	struct slice schema, table, column;
	uint16_t contexts; /* CONTEXT_BIT(...) | ... */
};

/* A value of the row, for the tests that name its column. Not known: NULL, not in the result, or of
 * a type that is not read. */
struct row_value {
	bool known, is_int;
	struct slice s; /* as text */
	int64_t i;
};

struct facts {
	struct value v[FACT_COUNT];
	const struct data_use *uses; /* of the whole command */
	size_t n_uses;
	bool uses_known; /* false: there may be uses besides those listed */
	const struct row_value *row; /* by image.row_columns; NULL: nothing is known of the row */
};

static inline void
facts_bool(struct facts *f, enum fact id, bool b)
{
	f->v[id] = (struct value){.type = TYPE_BOOL, .known = true, .b = b};
}

/* INT, TIME, ACTION and enumerations. */
static inline void
facts_int(struct facts *f, enum fact id, int64_t i)
{
	f->v[id] = (struct value){.type = (uint8_t) fact_info[id].type, .known = true, .i = i};
}

static inline void
facts_string(struct facts *f, enum fact id, struct slice s)
{
	f->v[id] = (struct value){.type = TYPE_STRING, .known = true, .s = s};
}

static inline void
facts_set(struct facts *f, enum fact id, const struct slice *v, size_t n)
{
	f->v[id] = (struct value){.type = TYPE_SET, .known = true, .set = {v, n}};
}

static inline void
facts_address(struct facts *f, enum fact id, const uint8_t addr[16])
{
	f->v[id] = (struct value){.type = TYPE_ADDRESS, .known = true};
	memcpy(f->v[id].addr, addr, 16);
}

static inline void
facts_unknown(struct facts *f, enum fact id)
{
	f->v[id] = (struct value){.type = (uint8_t) fact_info[id].type};
}

#endif
