/* SPDX-License-Identifier: MIT
 *
 * The domains of a space: all constants that the code of the images compares a fact with, and the
 * classes of values between them.
 */
#include "compiler/space.h"

#include "compiler/known.h"
#include "compiler/regex.h"
#include "vm/match.h"
#include "vm/verify.h"

#include <stdlib.h>

/* What facts are when nobody says: what a witness has where it does not matter, and the values that
 * can be at all. `weir test` takes the same. */
static const struct usual {
	enum fact fact;
	int64_t number, least, most;
	const char *text;
} usual[] = {
	{.fact = FACT_USER_NAME, .text = "somebody"},
	{.fact = FACT_USER_KIND, .number = USER_KIND_HUMAN},
	{.fact = FACT_CLIENT_APPLICATION, .text = ""},
	{.fact = FACT_CLIENT_TLS, .number = true},
	{.fact = FACT_TARGET_NAME, .text = "elsewhere"},
	{.fact = FACT_TARGET_PROTOCOL, .number = PROTOCOL_POSTGRES},
	{.fact = FACT_TIME_WEEKDAY, .number = WEEKDAY_MON},
	{.fact = FACT_TIME_OF_DAY, .number = 12 * 3600, .most = 86399},
	{.fact = FACT_SQL_STATEMENTS, .number = 1, .least = 1, .most = INT64_MAX - 1},
	{.fact = FACT_SQL_PARAMETERS, .number = 0, .most = INT64_MAX - 1},
	{.fact = FACT_SQL_TEXT, .text = ""},
	{.fact = FACT_ACTION, .number = ACTION_SQL_SELECT},
	{.fact = FACT_TABLE, .text = "public.things"},
	{.fact = FACT_SCHEMA, .text = "public"},
	{.fact = FACT_COLUMNS, .text = "id"},
	{.fact = FACT_FUNCTION, .text = "app.work"},
	{.fact = FACT_SETTING, .text = "work_mem"},
};

static const uint8_t usual_address[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

static struct usual
usual_of(enum fact fact)
{
	for (size_t i = 0; i < COUNT_OF(usual); i++)
		if (usual[i].fact == fact)
			return usual[i];
	return (struct usual){.fact = fact};
}

void
space_usual(enum fact f, struct value *out)
{
	struct usual u = usual_of(f);

	*out = (struct value){.type = (uint8_t) fact_info[f].type, .known = true};
	switch (fact_info[f].type) {
	case TYPE_STRING:
		out->s = slice_str(u.text);
		break;
	case TYPE_BOOL:
		out->b = u.number != 0;
		break;
	case TYPE_ADDRESS:
		memcpy(out->addr, usual_address, 16);
		break;
	default:
		out->i = u.number;
	}
}

bool
space_is_usual(enum fact f, const struct value *v)
{
	struct value u;

	space_usual(f, &u);
	switch (fact_info[f].type) {
	case TYPE_STRING:
		return v->known && slice_eq(v->s, u.s);
	case TYPE_BOOL:
		return v->known && v->b == u.b;
	case TYPE_ADDRESS:
		return v->known && memcmp(v->addr, u.addr, 16) == 0;
	case TYPE_SET:
		return v->known && v->set.n == 0;
	default:
		return v->known && v->i == u.i;
	}
}

/* A growing list of constants. */
struct list {
	struct pattern *patterns;
	int64_t *numbers;
	struct network *networks;
	size_t n, cap;
	bool used;
};

static void
make_room(struct space *s, struct list *l, size_t more)
{
	size_t cap = l->cap ? l->cap : 16;
	struct list old = *l;

	if (l->n + more <= l->cap)
		return;
	while (l->n + more > cap)
		cap *= 2;
	l->cap = cap;
	l->patterns = ARENA_ARRAY(s->arena, struct pattern, cap);
	l->numbers = ARENA_ARRAY(s->arena, int64_t, cap);
	l->networks = ARENA_ARRAY(s->arena, struct network, cap);
	if (old.n == 0)
		return;
	memcpy(l->patterns, old.patterns, old.n * sizeof(*old.patterns));
	memcpy(l->numbers, old.numbers, old.n * sizeof(*old.numbers));
	memcpy(l->networks, old.networks, old.n * sizeof(*old.networks));
}

static void
add_constant(struct space *s, struct list *l, const struct insn *in, const struct constant *k)
{
	make_room(s, l, k->kind == CONSTANT_STRINGS ? k->strings.n + 1 : 2);
	switch (k->kind) {
	case CONSTANT_NUMBER:
		/* A class begins at c, or behind it. */
		if (in->op != OP_NUM_LE && in->op != OP_ROW_LE)
			l->numbers[l->n++] = k->number;
		if (in->op != OP_NUM_LT && in->op != OP_ROW_LT && k->number < INT64_MAX)
			l->numbers[l->n++] = k->number + 1;
		break;
	case CONSTANT_STRING:
		l->patterns[l->n++] = (struct pattern){.text = k->string, .glob = true};
		break;
	case CONSTANT_REGEX:
		l->patterns[l->n++] =
			(struct pattern){.text = k->regex.text, .regex = &k->regex.dfa};
		break;
	case CONSTANT_STRINGS:
		for (size_t i = 0; i < k->strings.n; i++)
			l->patterns[l->n++] = (struct pattern){.text = k->strings.v[i]};
		break;
	case CONSTANT_NETWORK:
		memcpy(l->networks[l->n].addr, k->network.addr, 16);
		l->networks[l->n++].prefix = k->network.prefix;
		break;
	default:
		break;
	}
}

static int
compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

uint32_t
domain_find_number(const struct domain *d, int64_t v)
{
	size_t lo = 0, hi = d->n_cuts;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (d->cuts[mid] <= v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (uint32_t) lo;
}

static void
make_numbers(struct space *s, struct domain *d, const struct list *l, struct usual u,
	     enum type type)
{
	size_t kept = 0;

	d->cuts = l->numbers;
	if (l->n)
		qsort(d->cuts, l->n, sizeof(*d->cuts), compare_numbers);
	for (size_t i = 0; i < l->n; i++)
		if (i == 0 || d->cuts[i] != d->cuts[kept - 1])
			d->cuts[kept++] = d->cuts[i];
	d->n_cuts = kept;
	d->n = kept + 1;
	d->values = ARENA_ARRAY(s->arena, struct value, d->n);
	d->possible = ARENA_ARRAY(s->arena, bool, d->n);
	for (size_t i = 0; i < d->n; i++) {
		int64_t first = i ? d->cuts[i - 1] : INT64_MIN;
		int64_t last = i < kept ? d->cuts[i] - 1 : INT64_MAX;

		d->possible[i] = last >= u.least && first <= u.most;
		if (first < u.least && last >= u.least)
			first = u.least;
		/* A policy, and a test, says whole minutes. */
		if (type == TYPE_TIME && first >= 0 && first + 59 - (first + 59) % 60 <= last)
			first = first + 59 - (first + 59) % 60;
		d->values[i] = (struct value){.type = (uint8_t) type, .known = true, .i = first};
	}
	d->prefer = domain_find_number(d, u.number);
	d->values[d->prefer].i = u.number;
}

/* Outer networks before those inside of them. */
static int
compare_networks(const void *a, const void *b)
{
	const struct network *x = a, *y = b;
	int c = memcmp(x->addr, y->addr, 16);

	return c ? c : (x->prefix > y->prefix) - (x->prefix < y->prefix);
}

/* The innermost network is the last that has the address. */
static uint32_t
find_network(const struct domain *d, const uint8_t addr[16])
{
	for (size_t i = d->n_networks; i > 0; i--)
		if (match_network(d->networks[i - 1].addr, d->networks[i - 1].prefix, addr))
			return (uint32_t) i;
	return 0;
}

static void
offer_address(struct domain *d, const uint8_t addr[16])
{
	uint32_t class = find_network(d, addr);

	if (d->possible[class])
		return;
	d->possible[class] = true;
	memcpy(d->values[class].addr, addr, 16);
}

/* What is in a network and in none inside of it, if anything, begins where the network begins or
 * where one of those ends. */
static void
make_networks(struct space *s, struct domain *d, const struct list *l)
{
	static const uint8_t nice[][16] = {
		{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1},
		{0x20, 0x01, 0x0d, 0xb8, [15] = 1},
		{0}};
	size_t kept = 0;

	d->networks = l->networks;
	if (l->n)
		qsort(d->networks, l->n, sizeof(*d->networks), compare_networks);
	for (size_t i = 0; i < l->n; i++)
		if (i == 0 || compare_networks(&d->networks[i], &d->networks[kept - 1]) != 0)
			d->networks[kept++] = d->networks[i];
	d->n_networks = kept;
	d->n = kept + 1;
	d->values = ARENA_ARRAY(s->arena, struct value, d->n);
	d->possible = ARENA_ARRAY(s->arena, bool, d->n);
	for (size_t i = 0; i < d->n; i++)
		d->values[i] = (struct value){.type = TYPE_ADDRESS, .known = true};
	offer_address(d, usual_address);
	for (size_t i = 0; i < COUNT_OF(nice); i++)
		offer_address(d, nice[i]);
	for (size_t i = 0; i < kept; i++) {
		uint8_t addr[16];
		unsigned at = d->networks[i].prefix;

		memcpy(addr, d->networks[i].addr, 16);
		offer_address(d, addr);
		while (at > 0 && addr[(at - 1) / 8] >> (7 - (at - 1) % 8) & 1) {
			at--;
			addr[at / 8] = (uint8_t) (addr[at / 8] & ~(0x80 >> at % 8));
		}
		if (at == 0)
			continue;
		at--;
		addr[at / 8] |= (uint8_t) (0x80 >> at % 8);
		offer_address(d, addr);
	}
	d->prefer = find_network(d, usual_address);
}

static void
make_words(struct space *s, struct domain *d, enum type type, int64_t prefer)
{
	size_t n = type == TYPE_BOOL	 ? 2
		   : type == TYPE_ACTION ? ACTION_COUNT
					 : (size_t) enum_count(type);

	d->n = n;
	d->values = ARENA_ARRAY(s->arena, struct value, n);
	d->possible = ARENA_ARRAY(s->arena, bool, n);
	for (size_t i = 0; i < n; i++) {
		struct value *v = &d->values[i];

		*v = (struct value){.type = (uint8_t) type, .known = true};
		if (type == TYPE_BOOL)
			v->b = i != 0;
		else
			v->i = (int64_t) i;
		d->possible[i] = type != TYPE_ACTION || (i != ACTION_NONE && i != ACTION_CONNECT &&
							 action_is_leaf((enum action) i));
	}
	d->prefer = (uint32_t) prefer;
}

/* Names that somebody might give, rather than the shortest, which is empty or a dot. */
static void
prefer_names(struct space *s, struct partition *p, bool dotted)
{
	static const char *const names[] = {"other", "app"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		partition_offer(p, dotted ? slice_str(arena_printf(s->arena, "%s.things", names[i]))
					  : slice_str(names[i]));
}

/* "public.people" rather than "x.people", "app.things" rather than "app.x". */
static void
prefer_tables(struct space *s, struct partition *p)
{
	for (size_t i = 0; i < p->n_globs; i++) {
		struct slice g = p->globs[i];
		const uint8_t *star = memchr(g.p, '*', g.n), *dot = memchr(g.p, '.', g.n);

		if (!dot || memchr(star + 1, '*', (size_t) (g.p + g.n - star - 1)))
			continue;
		if (star == g.p && dot == g.p + 1)
			partition_offer(
				p, slice_str(arena_printf(s->arena, "public.%.*s", (int) g.n - 2,
							  (const char *) dot + 1)));
		else if (star == dot + 1 && star == g.p + g.n - 1)
			partition_offer(p,
					slice_str(arena_printf(s->arena, "%.*sthings",
							       (int) g.n - 1, (const char *) g.p)));
	}
}

/* Better still one that there is. The first of a class stands for it. */
static void
prefer_known(struct space *s, struct partition *p)
{
	for (size_t i = 0; i < s->n_images; i++) {
		const struct image *img = s->images[i];
		size_t n = img->n_relations < KNOWN_MAX ? img->n_relations : KNOWN_MAX;

		while (n-- > 0)
			partition_offer(p, slice_str(arena_printf(
						   s->arena, "%.*s.%.*s",
						   SLICE_ARG(img->relations[n].schema),
						   SLICE_ARG(img->relations[n].name))));
	}
}

/* The class that costs nothing: that of `nice`, or where there is a table. */
static uint32_t
prefer_table(struct space *s, struct partition *p, struct slice nice)
{
	const struct image_relation *first = known_first(s->images, s->n_images, (struct slice){0});
	size_t i = partition_prefer(p, nice);

	prefer_known(s, p);
	if (first && known_table(s->images, s->n_images, p->classes[i].text))
		return (uint32_t) i;
	if (first)
		i = partition_find(p, slice_str(arena_printf(s->arena, "%.*s.%.*s",
							     SLICE_ARG(first->schema),
							     SLICE_ARG(first->name))));
	return (uint32_t) i;
}

/* A schema or column that there is rather than the usual one; its class. */
static uint32_t
prefer_known_name(const struct space *s, struct domain *d, enum fact fact, struct slice usual_)
{
	const struct image_relation *r = known_first(s->images, s->n_images, (struct slice){0});
	bool is_there = !r || (fact == FACT_COLUMNS
				       ? known_has(r, usual_)
				       : known_first(s->images, s->n_images, usual_) != NULL);
	size_t i;

	if (is_there)
		return d->prefer;
	i = partition_prefer(d->strings, fact == FACT_COLUMNS ? r->columns[0] : r->schema);
	d->values[i].s = d->strings->classes[i].text;
	return (uint32_t) i;
}

/* `bytes`: the strings are whatever somebody sent, and not UTF-8 for sure. */
static bool
make_strings(struct space *s, struct domain *d, const struct list *l, struct slice nice,
	     enum partition_of of, bool bytes)
{
	struct partition *p = partition_new(s->arena, l->patterns, l->n, of);

	if (!p)
		return false;
	if (!bytes)
		prefer_names(s, p, of == PARTITION_TABLES);
	if (of == PARTITION_TABLES) {
		prefer_tables(s, p);
		d->prefer = prefer_table(s, p, nice);
	} else if (nice.p) {
		d->prefer = (uint32_t) partition_prefer(p, nice);
	}
	d->strings = p;
	d->n = p->n;
	d->values = ARENA_ARRAY(s->arena, struct value, d->n);
	d->possible = ARENA_ARRAY(s->arena, bool, d->n);
	for (size_t i = 0; i < d->n; i++) {
		d->values[i] =
			(struct value){.type = TYPE_STRING, .known = true, .s = p->classes[i].text};
		d->possible[i] = p->classes[i].possible || bytes;
	}
	return true;
}

static bool
make_domain(struct space *s, enum fact fact, struct list *l)
{
	struct domain *d = &s->facts[fact];
	struct usual u = usual_of(fact);
	enum type type = fact_info[fact].type;
	bool good = true;

	d->used = true;
	if (type == TYPE_INT || type == TYPE_TIME)
		make_numbers(s, d, l, u, type);
	else if (type == TYPE_ADDRESS)
		make_networks(s, d, l);
	else if (type == TYPE_STRING || type == TYPE_SET)
		good = make_strings(s, d, l, slice_str(u.text),
				    fact == FACT_TABLE	  ? PARTITION_TABLES
				    : fact == FACT_SCHEMA ? PARTITION_SCHEMAS
							  : PARTITION_STRINGS,
				    fact_info[fact].phase == PHASE_CONNECT);
	else
		make_words(s, d, type, u.number);
	if (good && (fact == FACT_SCHEMA || fact == FACT_COLUMNS))
		d->prefer = prefer_known_name(s, d, fact, slice_str(u.text));
	return good;
}

/* The table's name begins with its schema, so what tells schemas apart tells tables apart. False:
 * too large. */
static bool
add_schemas(struct space *s, struct list *schemas, struct list *tables)
{
	make_room(s, tables, schemas->n + 1);
	for (size_t i = 0; i < schemas->n; i++) {
		const struct pattern *p = &schemas->patterns[i];
		struct pattern *out = &tables->patterns[tables->n++];

		*out = (struct pattern){.text = p->text, .of_schema = p->regex};
		if (p->regex) {
			out->regex = regex_before_dot(s->arena, p->regex);
			if (!out->regex)
				return false;
			continue;
		}
		*out = (struct pattern){.text = slice_str(arena_printf(s->arena, "%.*s.*",
								       SLICE_ARG(p->text))),
					.glob = true};
	}
	return true;
}

/* Which data a table has is told apart as well: analyses ask who may read it. */
static void
add_data_tables(struct space *s, struct list *tables)
{
	for (size_t i = 0; i < s->n_images; i++)
		for (size_t k = 0; k < s->images[i]->n_data; k++) {
			const struct image_data *d = &s->images[i]->data[k];

			make_room(s, tables, d->n_columns + 1);
			for (size_t c = 0; c < d->n_columns; c++)
				tables->patterns[tables->n++] = (struct pattern){
					.text = slice_str(arena_printf(
						s->arena, "%.*s.%.*s", SLICE_ARG(d->columns[c].schema),
						SLICE_ARG(d->columns[c].table))),
					.glob = true};
		}
}

static uint32_t
find_column(struct space *s, struct slice name)
{
	size_t i = 0;

	while (i < s->n_row_columns && !slice_eq(s->row_columns[i], name))
		i++;
	if (i == s->n_row_columns)
		s->row_columns[s->n_row_columns++] = name;
	return (uint32_t) i;
}

static void
number_columns(struct space *s)
{
	size_t n = s->n_images * VM_MAX_ROW_COLUMNS;

	s->row_columns = ARENA_ARRAY(s->arena, struct slice, n);
	s->row_texts = ARENA_ARRAY(s->arena, struct domain, n);
	s->row_ints = ARENA_ARRAY(s->arena, struct domain, n);
	s->row_pairs = ARENA_ARRAY(s->arena, struct row_pairs, n);
	s->row_of = ARENA_ARRAY(s->arena, uint32_t *, s->n_images);
	for (size_t i = 0; i < s->n_images; i++) {
		s->row_of[i] = ARENA_ARRAY(s->arena, uint32_t, VM_MAX_ROW_COLUMNS);
		for (size_t k = 0; k < s->images[i]->n_row_columns; k++)
			s->row_of[i][k] = find_column(s, s->images[i]->row_columns[k]);
	}
}

static void
collect_code(struct space *s, size_t image, struct list *facts, struct list *texts,
	     struct list *ints)
{
	const struct image *img = s->images[image];

	for (int e = 0; e < ENTRY_COUNT; e++)
		for (size_t i = 0; i < image_n_insns(&img->entry[e]); i++) {
			const struct insn *in = image_insn(&img->entry[e], i);
			bool row = vm_op_reads_row(in->op);
			struct list *l;

			if (in->op == OP_IN_SCHEMA)
				facts[FACT_TABLE].used = facts[FACT_SCHEMA].used = true;
			if (!row && !vm_op_reads_fact(in->op))
				continue;
			l = !row ? &facts[in->fact]
			    : img->constants[in->arg].kind == CONSTANT_NUMBER
				    ? &ints[s->row_of[image][in->fact]]
				    : &texts[s->row_of[image][in->fact]];
			l->used = true;
			if (in->op != OP_BOOL && in->op != OP_KNOWN)
				add_constant(s, l, in, &img->constants[in->arg]);
		}
}

/* What is dropped is dropped of some tables; of what is used of data a view of it says nothing. */
static bool
must_tell_tables(const struct space *s)
{
	for (size_t i = 0; i < s->n_images && s->tables_apart; i++) {
		const struct image *img = s->images[i];

		if (img->n_data && (img->has_drops || img->entry[ENTRY_COMMAND].uses))
			return true;
	}
	return false;
}

bool
space_collect(struct space *s, const char **why)
{
	const struct usual any = {.least = INT64_MIN, .most = INT64_MAX};
	struct list facts[FACT_COUNT] = {0}, *texts, *ints;
	bool good;

	number_columns(s);
	texts = ARENA_ARRAY(s->arena, struct list, s->n_row_columns + 1);
	ints = ARENA_ARRAY(s->arena, struct list, s->n_row_columns + 1);
	for (size_t i = 0; i < s->n_images; i++)
		collect_code(s, i, facts, texts, ints);
	if (must_tell_tables(s))
		facts[FACT_TABLE].used = true;
	*why = fact_info[FACT_SCHEMA].name;
	if (facts[FACT_SCHEMA].used && facts[FACT_TABLE].used &&
	    !add_schemas(s, &facts[FACT_SCHEMA], &facts[FACT_TABLE]))
		return false;
	if (facts[FACT_TABLE].used)
		add_data_tables(s, &facts[FACT_TABLE]);
	for (int f = 0; f < FACT_COUNT; f++)
		if (facts[f].used && !make_domain(s, (enum fact) f, &facts[f])) {
			*why = fact_info[f].name;
			return false;
		}
	for (size_t i = 0; i < s->n_row_columns; i++) {
		s->row_texts[i].used = texts[i].used;
		if (ints[i].used) {
			s->row_ints[i].used = true;
			make_numbers(s, &s->row_ints[i], &ints[i], any, TYPE_INT);
		}
		good = !texts[i].used || make_strings(s, &s->row_texts[i], &texts[i],
						      (struct slice){0}, PARTITION_STRINGS, true);
		if (good && texts[i].used && ints[i].used)
			good = space_pair_row(s, (uint32_t) i, texts[i].patterns, texts[i].n);
		if (!good) {
			*why = arena_printf(s->arena, "row.%.*s", SLICE_ARG(s->row_columns[i]));
			return false;
		}
	}
	return true;
}
