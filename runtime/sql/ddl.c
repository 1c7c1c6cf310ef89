/* SPDX-License-Identifier: MIT
 *
 * Statements are cut at their semicolons and parsed one by one, so that a place can be named and no
 * more memory is needed than for the largest of them.
 */
#include "sql/ddl_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* PostgreSQL's headers come last: they redefine common names. */
#include <pg_query.h>
#include <pg_query/pg_query_internal.h>
#include <postgres.h>

#include <nodes/parsenodes.h>
#include <nodes/pg_list.h>

static struct ddl_relation **
slot_of(const struct ddl *d, struct slice schema, struct slice name)
{
	uint64_t h = XXH3_64bits_withSeed(name.p, name.n, XXH3_64bits(schema.p, schema.n));

	return &d->slots[h % DDL_SLOTS];
}

struct ddl_relation *
ddl_find(const struct ddl *d, struct slice schema, struct slice name)
{
	struct ddl_relation *r;

	if (!schema.n)
		schema = d->schema;
	for (r = *slot_of(d, schema, name); r; r = r->next_in_slot)
		if (slice_eq(r->name, name) && slice_eq(r->schema, schema))
			break;
	return r;
}

struct ddl_column *
ddl_column_named(const struct ddl_relation *r, struct slice name)
{
	for (struct ddl_column *c = r->columns; c; c = c->next)
		if (slice_eq(c->name, name))
			return c;
	return NULL;
}

void
ddl_add_column(struct ddl *d, struct ddl_relation *r, struct slice name, struct ddl_type type)
{
	struct ddl_column *c = ARENA_NEW(d->arena, struct ddl_column);

	*c = (struct ddl_column){.name = name, .type = type};
	if (r->last)
		r->last->next = c;
	else
		r->columns = c;
	r->last = c;
	r->n_columns++;
}

bool
ddl_fail(struct ddl *d, int location, const char *fmt, ...)
{
	va_list ap;

	if (d->err->text[0])
		return false;
	d->err->at = d->base + (uint32_t)(location > 0 ? location : 0);
	va_start(ap, fmt);
	vsnprintf(d->err->text, sizeof(d->err->text), fmt, ap);
	va_end(ap);
	return false;
}

static struct slice
str(struct ddl *d, const char *s)
{
	return slice_str(arena_str(d->arena, slice_str(s ? s : "")));
}

/* ---- types ----------------------------------------------------------------------------------- */

/* The last name of a list, and the one before it. */
static const char *
name_of(const List *names, const char **schema)
{
	int n = list_length(names);

	*schema = n > 1 ? strVal(list_nth(names, n - 2)) : "";
	return n ? strVal(list_nth(names, n - 1)) : "";
}

static void
add_type(struct ddl *d, const List *names, struct ddl_type type)
{
	struct ddl_own_type *t = ARENA_NEW(d->arena, struct ddl_own_type);
	const char *schema, *name = name_of(names, &schema);

	type.oid = d->next_oid++;
	type.base = type.base ? type.base : type.oid;
	*t = (struct ddl_own_type){d->types, *schema ? str(d, schema) : d->schema, str(d, name),
				   type};
	d->types = t;
}

/* One of the numbers of numeric(p, s); a scale may be negative. */
static bool
number_of(const Node *n, int *out)
{
	const A_Expr *e = (const A_Expr *)n;
	bool minus = IsA(n, A_Expr) && e->kind == AEXPR_OP && !e->lexpr && e->rexpr &&
		     list_length(e->name) == 1 && strcmp(strVal(linitial(e->name)), "-") == 0;
	const A_Const *c = (const A_Const *)(minus ? e->rexpr : n);

	if (!IsA(c, A_Const) || c->isnull || !IsA(&c->val, Integer))
		return false;
	*out = minus ? -intVal(&c->val) : intVal(&c->val);
	return true;
}

/* The numbers in a type's brackets; 0: none, or what these cannot be. */
static int
numbers_of(const TypeName *t, int v[2])
{
	int n = 0;
	ListCell *lc;

	foreach (lc, t->typmods)
		if (n == 2 || !number_of(lfirst(lc), &v[n++]))
			return 0;
	return n;
}

static struct ddl_type
type_of(struct ddl *d, const TypeName *t)
{
	const char *schema, *name = t ? name_of(t->names, &schema) : "";
	struct ddl_type type = {0};
	bool array = t && t->arrayBounds != NIL;
	int v[2] = {0}, n = t ? numbers_of(t, v) : 0;

	if (!*name)
		return type;
	if (!*schema || strcmp(schema, "pg_catalog") == 0)
		type = ddl_builtin(name, array);
	type.modifier = type.oid ? ddl_modifier(name, v, n) : 0;
	for (struct ddl_own_type *o = d->types; o && !type.oid && !array; o = o->next)
		if (slice_is(o->name, name) &&
		    slice_eq(o->schema, *schema ? slice_str(schema) : d->schema))
			type = o->type;
	if (strcmp(name, "bpchar") == 0 && n == 1 && v[0] >= 1 && v[0] <= 4)
		type.small = arena_printf(d->arena, "char(%d)", v[0]);
	return type;
}

/* ---- relations ------------------------------------------------------------------------------- */

static struct ddl_place
place_of(const struct ddl *d, int location)
{
	return (struct ddl_place){.text = d->n_texts,
				  .at = d->base + (uint32_t)(location > 0 ? location : 0),
				  .from = d->base,
				  .to = d->end};
}

static struct slice
schema_of(struct ddl *d, const RangeVar *v)
{
	return v->schemaname ? str(d, v->schemaname) : d->schema;
}

static struct ddl_relation *
add_relation(struct ddl *d, const RangeVar *v, char kind)
{
	struct ddl_relation *r, **slot;

	if (ddl_find(d, schema_of(d, v), slice_str(v->relname))) {
		ddl_fail(d, v->location, "a second relation \"%.60s\"", v->relname);
		return NULL;
	}
	if (d->n_relations++ == DDL_RELATIONS_MAX) {
		ddl_fail(d, v->location, "more than %d relations", DDL_RELATIONS_MAX);
		return NULL;
	}
	r = ARENA_NEW(d->arena, struct ddl_relation);
	*r = (struct ddl_relation){.schema = schema_of(d, v),
				   .name = str(d, v->relname),
				   .oid = d->next_oid++,
				   .kind = kind,
				   .place = place_of(d, v->location)};
	if (d->last)
		d->last->next = r;
	else
		d->relations = r;
	d->last = r;
	slot = slot_of(d, r->schema, r->name);
	r->next_in_slot = *slot;
	*slot = r;
	return r;
}

static struct ddl_relation *
relation_of(struct ddl *d, const RangeVar *v)
{
	struct ddl_relation *r = ddl_find(d, schema_of(d, v), slice_str(v->relname));

	if (!r)
		ddl_fail(d, v->location, "relation \"%.60s\" is not created before this",
			 v->relname);
	return r;
}

static void
copy_columns(struct ddl *d, struct ddl_relation *r, const struct ddl_relation *from, bool generated)
{
	for (const struct ddl_column *c = from->columns; c; c = c->next) {
		if (ddl_column_named(r, c->name))
			continue;
		ddl_add_column(d, r, c->name, c->type);
		r->last->generated = generated && c->generated;
		r->last->reads_all = c->reads_all;
		r->last->reads = c->reads;
	}
}

static void
add_parent(struct ddl *d, struct ddl_relation *r, struct ddl_relation *parent)
{
	struct ddl_link *l = ARENA_NEW(d->arena, struct ddl_link);

	*l = (struct ddl_link){r->parents, parent};
	r->parents = l;
}

static void
computed(struct ddl *d, struct ddl_column *to, const ColumnDef *c)
{
	ListCell *lc;

	foreach (lc, c->constraints) {
		const Constraint *k = lfirst(lc);

		if (to && k->contype == CONSTR_GENERATED)
			ddl_generated(d, to, k->location > 0 ? (uint32_t)k->location : 0);
	}
}

static bool
column(struct ddl *d, struct ddl_relation *r, const ColumnDef *c)
{
	struct slice name = str(d, c->colname);

	if (r->n_columns == DDL_COLUMNS_MAX)
		return ddl_fail(d, c->location, "more than %d columns", DDL_COLUMNS_MAX);
	/* A partition and a child may say a column of its parent again. */
	if (ddl_column_named(r, name)) {
		computed(d, ddl_column_named(r, name), c);
		return r->parents ||
		       ddl_fail(d, c->location, "a second column \"%.60s\"", c->colname);
	}
	if (c->typeName || !r->parents) {
		ddl_add_column(d, r, name, type_of(d, c->typeName));
		r->last->place = place_of(d, c->location);
		computed(d, r->last, c);
	}
	return true;
}

static bool
create_table(struct ddl *d, const CreateStmt *s)
{
	struct ddl_relation *r;
	ListCell *lc;

	if (s->relation->relpersistence == 't')
		return true;
	if (s->if_not_exists &&
	    ddl_find(d, schema_of(d, s->relation), slice_str(s->relation->relname)))
		return true;
	if (s->ofTypename)
		return ddl_fail(d, s->relation->location,
				"a table of a type: its columns are not said");
	r = add_relation(d, s->relation, s->partspec ? 'p' : 'r');
	if (!r)
		return false;
	r->partition = s->partbound != NULL;
	foreach (lc, s->inhRelations) {
		struct ddl_relation *parent = relation_of(d, lfirst(lc));

		if (!parent)
			return false;
		add_parent(d, r, parent);
		copy_columns(d, r, parent, true);
	}
	foreach (lc, s->tableElts) {
		const Node *n = lfirst(lc);
		struct ddl_relation *like;

		if (IsA(n, ColumnDef) && !column(d, r, (const ColumnDef *)n))
			return false;
		if (!IsA(n, TableLikeClause))
			continue;
		like = relation_of(d, ((const TableLikeClause *)n)->relation);
		if (!like)
			return false;
		copy_columns(d, r, like,
			     ((const TableLikeClause *)n)->options & CREATE_TABLE_LIKE_GENERATED);
	}
	return true;
}

static bool
alter_table(struct ddl *d, const AlterTableStmt *s)
{
	struct ddl_relation *r, *other;
	ListCell *lc;

	if (s->objtype != OBJECT_TABLE && s->objtype != OBJECT_FOREIGN_TABLE)
		return true; /* indexes, types, views, sequences */
	foreach (lc, s->cmds) {
		const AlterTableCmd *c = lfirst(lc);

		switch (c->subtype) {
		case AT_AddColumn:
			r = relation_of(d, s->relation);
			if (!r || !column(d, r, (const ColumnDef *)c->def))
				return false;
			break;
		case AT_AttachPartition:
			other = relation_of(d, s->relation);
			r = other ? relation_of(d, ((const PartitionCmd *)c->def)->name) : NULL;
			if (!r)
				return false;
			add_parent(d, r, other);
			r->partition = true;
			break;
		case AT_AddInherit:
			r = relation_of(d, s->relation);
			other = r ? relation_of(d, (const RangeVar *)c->def) : NULL;
			if (!other)
				return false;
			add_parent(d, r, other);
			break;
		case AT_DropColumn:
		case AT_AlterColumnType:
		case AT_DropInherit:
		case AT_DetachPartition:
			return ddl_fail(d, s->relation->location,
					"this changes a table; the file says how tables are");
		default: /* owners, defaults, constraints, storage ... */
			break;
		}
	}
	return true;
}

/* What stands behind the first AS outside of brackets. */
static struct slice
query_text(struct slice statement)
{
	uint32_t at = 0, depth = 0;
	struct sql_token t;

	while ((t = sql_token_next(statement, &at)).kind != SQL_TOK_END &&
	       t.kind != SQL_TOK_ERROR) {
		uint8_t c = t.kind == SQL_TOK_SELF ? statement.p[t.at] : 0;

		depth += c == '(';
		depth -= c == ')' && depth;
		if (!depth && t.kind == SQL_TOK_IDENT && t.n == 2 &&
		    strncasecmp((const char *)statement.p + t.at, "as", 2) == 0)
			return slice_of(statement.p + at, statement.n - at);
	}
	return (struct slice){0};
}

/* Without what may stand behind a view's query. */
static struct slice
without_tail(struct slice query)
{
	uint32_t at = 0, with = 0, depth = 0;
	struct sql_token t;

	while ((t = sql_token_next(query, &at)).kind != SQL_TOK_END && t.kind != SQL_TOK_ERROR) {
		const char *word = (const char *)query.p + t.at;
		uint8_t c = t.kind == SQL_TOK_SELF ? query.p[t.at] : 0;

		depth += c == '(';
		depth -= c == ')' && depth;
		if (t.kind == SQL_TOK_IDENT && t.n == 4 && !depth &&
		    strncasecmp(word, "with", 4) == 0)
			with = t.at;
		else if (t.kind == SQL_TOK_IDENT && with && !depth &&
			 ((t.n == 5 && strncasecmp(word, "check", 5) == 0) ||
			  (t.n == 4 && strncasecmp(word, "data", 4) == 0)))
			return slice_of(query.p, with);
	}
	return query;
}

static bool
create_view(struct ddl *d, const RangeVar *v, const List *aliases, char kind, struct slice text)
{
	struct ddl_relation *r;
	struct ddl_column *c;
	ListCell *lc;

	if (v->relpersistence == 't')
		return true;
	r = add_relation(d, v, kind);
	if (!r)
		return false;
	ddl_view(d, r, slice_str(arena_str(d->arena, without_tail(query_text(text)))));
	if (d->n_reads > DDL_READS_MAX)
		return ddl_fail(d, v->location, "what views read, through others too, is more than %d",
				DDL_READS_MAX);
	if (kind == 'r')
		r->query = (struct slice){0};
	c = r->columns;
	foreach (lc, aliases) {
		if (!c && !r->vague)
			return ddl_fail(d, v->location, "more names than the view has columns");
		if (r->vague)
			ddl_add_column(d, r, str(d, strVal(lfirst(lc))), (struct ddl_type){0});
		else
			c->name = str(d, strVal(lfirst(lc)));
		c = c ? c->next : NULL;
	}
	return true;
}

/* ---- statements ------------------------------------------------------------------------------ */

static bool
drop_relations(struct ddl *d, const DropStmt *s)
{
	ListCell *lc;

	if (s->removeType != OBJECT_TABLE && s->removeType != OBJECT_VIEW &&
	    s->removeType != OBJECT_MATVIEW)
		return true;
	/* `pg_dump --clean` begins with dropping what it is about to create. */
	foreach (lc, s->objects) {
		const char *schema, *name = name_of(lfirst(lc), &schema);

		if (ddl_find(d, slice_str(schema), slice_str(name)))
			return ddl_fail(d, 0, "this drops \"%.60s\"; the file says what there is",
					name);
	}
	return true;
}

static bool
change_name(struct ddl *d, const RenameStmt *s)
{
	if (s->renameType != OBJECT_TABLE && s->renameType != OBJECT_VIEW &&
	    s->renameType != OBJECT_MATVIEW && s->renameType != OBJECT_COLUMN)
		return true;
	return ddl_fail(d, s->relation ? s->relation->location : 0,
			"this renames something; the file says what there is");
}

static void
set(struct ddl *d, const VariableSetStmt *s)
{
	const A_Const *c = s->args ? linitial(s->args) : NULL;

	if (s->kind == VAR_SET_VALUE && strcmp(s->name, "search_path") == 0 && c &&
	    IsA(c, A_Const) && !c->isnull && IsA(&c->val, String) && *strVal(&c->val))
		d->schema = str(d, strVal(&c->val));
}

static bool
one(struct ddl *d, Node *n, struct slice text)
{
	switch (nodeTag(n)) {
	case T_CreateStmt:
		return create_table(d, (const CreateStmt *)n);
	case T_CreateForeignTableStmt:
		return create_table(d, &((const CreateForeignTableStmt *)n)->base);
	case T_ViewStmt:
		return create_view(d, ((const ViewStmt *)n)->view, ((const ViewStmt *)n)->aliases,
				   'v', text);
	case T_CreateTableAsStmt: {
		const CreateTableAsStmt *s = (const CreateTableAsStmt *)n;
		bool view = s->objtype == OBJECT_MATVIEW;

		return create_view(d, s->into->rel, s->into->colNames, view ? 'm' : 'r', text);
	}
	case T_AlterTableStmt:
		return alter_table(d, (const AlterTableStmt *)n);
	case T_CreateEnumStmt:
		add_type(d, ((const CreateEnumStmt *)n)->typeName,
			 (struct ddl_type){.small = "an enumeration"});
		return true;
	case T_CreateDomainStmt: {
		struct ddl_type base = type_of(d, ((const CreateDomainStmt *)n)->typeName);

		add_type(d, ((const CreateDomainStmt *)n)->domainname, base);
		return true;
	}
	case T_VariableSetStmt:
		set(d, (const VariableSetStmt *)n);
		return true;
	case T_DropStmt:
		return drop_relations(d, (const DropStmt *)n);
	case T_RenameStmt:
		return change_name(d, (const RenameStmt *)n);
	case T_CopyStmt:
		return ddl_fail(
			d, 0,
			"rows are no part of a schema: pg_dump --schema-only leaves them out");
	default:
		return true;
	}
}

static bool
parse(struct ddl *d, struct slice text)
{
	MemoryContext ctx = pg_query_enter_memory_context();
	PgQueryInternalParsetreeAndError r = pg_query_raw_parse((const char *)text.p);
	bool good = true;
	ListCell *lc;

	if (r.error)
		good = ddl_fail(d, r.error->cursorpos - 1, "%.120s", r.error->message);
	else
		foreach (lc, r.tree)
			good = good && one(d, ((const RawStmt *)lfirst(lc))->stmt, text);
	if (r.error)
		pg_query_free_error(r.error);
	free(r.stderr_buffer);
	pg_query_exit_memory_context(ctx);
	return good;
}

static bool
is_word(struct slice text, const struct sql_token *t, const char *word)
{
	return t->kind == SQL_TOK_IDENT && t->n == strlen(word) &&
	       strncasecmp((const char *)text.p + t->at, word, t->n) == 0;
}

/* Behind the statement that begins at `at`, and its semicolon. 0: it cannot be read. The body of a
 * function in SQL (BEGIN ATOMIC ... END) has semicolons of its own. */
static uint32_t
end_of(struct ddl *d, struct slice text, uint32_t at)
{
	uint32_t depth = 0, body = 0;
	struct sql_token t, was = {0};

	for (;; was = t) {
		t = sql_token_next(text, &at);
		if (t.kind == SQL_TOK_END)
			return (uint32_t)text.n;
		if (t.kind == SQL_TOK_ERROR) {
			d->base = 0;
			ddl_fail(d, (int)t.at, "not a token of SQL");
			return 0;
		}
		if (is_word(text, &t, "atomic") && is_word(text, &was, "begin"))
			body = 1;
		else if (body && is_word(text, &t, "case"))
			body++;
		else if (body && is_word(text, &t, "end"))
			body--;
		if (t.kind != SQL_TOK_SELF)
			continue;
		depth += text.p[t.at] == '(' || text.p[t.at] == '[';
		depth -= (text.p[t.at] == ')' || text.p[t.at] == ']') && depth;
		if (depth > SQL_DEPTH_MAX) {
			d->base = 0;
			ddl_fail(d, (int)t.at, "brackets nest too deep");
			return 0;
		}
		if (text.p[t.at] == ';' && !depth && !body)
			return at;
	}
}

/* psql's own commands (\restrict, \connect), which stand on lines of their own. */
static uint32_t
skip_commands(struct slice text, uint32_t at)
{
	for (;;) {
		while (at < text.n && strchr(" \t\r\n", text.p[at]) && text.p[at])
			at++;
		if (at + 1 < text.n && text.p[at] == '-' && text.p[at + 1] == '-')
			;
		else if (at >= text.n || text.p[at] != '\\')
			return at;
		while (at < text.n && text.p[at] != '\n')
			at++;
	}
}

bool
ddl_read(struct ddl *d, struct slice text, struct ddl_error *err)
{
	uint32_t at = 0, end;

	assert(text.p && text.p[text.n] == 0);
	*err = (struct ddl_error){0};
	d->err = err;
	d->base = 0;
	d->schema = SLICE_LIT("public");
	if (text.n > INT32_MAX / 2 || sql_text_ok(text, &err->at) != SQL_TEXT_OK)
		return ddl_fail(d, (int)err->at, "not text in UTF-8");
	for (at = skip_commands(text, 0); at < text.n; at = skip_commands(text, end)) {
		struct slice one_;

		end = end_of(d, text, at);
		if (!end)
			return false;
		one_ = slice_of(text.p + at, end - at);
		if (one_.p[one_.n - 1] == ';')
			one_.n--;
		d->base = at;
		d->end = end;
		d->statement = one_ = slice_str(arena_str(d->arena, one_));
		if (!parse(d, one_))
			return false;
	}
	d->n_texts++;
	return true;
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

struct ddl *
ddl_new(struct arena *arena)
{
	struct ddl *d = ARENA_NEW(arena, struct ddl);

	*d = (struct ddl){.arena = arena, .next_oid = DDL_OID_FIRST};
	d->slots = ARENA_ARRAY(arena, struct ddl_relation *, DDL_SLOTS);
	return d;
}

void
ddl_function(struct ddl *d, struct slice schema, struct slice name, struct slice arguments,
	     struct slice digest)
{
	struct ddl_function *f = ARENA_NEW(d->arena, struct ddl_function);

	*f = (struct ddl_function){
		.next = d->functions,
		.row = {schema, name, arguments, digest, {0}, SLICE_LIT("f")}};
	d->functions = f;
}

static struct slice
decimal(struct ddl *d, uint32_t v)
{
	return slice_str(arena_printf(d->arena, "%u", v));
}

static struct slice
modifier(struct ddl *d, const struct ddl_type *t)
{
	return t->modifier ? decimal(d, t->modifier - 1) : SLICE_LIT("-1");
}

static bool
put_columns(struct ddl *d, struct catalog_build *b, const struct ddl_relation *r)
{
	uint32_t n = 0;

	for (const struct ddl_column *c = r->columns; c; c = c->next) {
		const struct slice f[] = {
			decimal(d, r->oid),	 decimal(d, ++n),	  c->name,
			decimal(d, c->type.oid), SLICE_LIT("f"),	  SLICE_LIT(""),
			SLICE_LIT(""),		 decimal(d, c->type.base), modifier(d, &c->type)};

		if (!catalog_build_row(b, CATALOG_Q_COLUMNS, f, COUNT_OF(f)))
			return false;
	}
	return true;
}

static bool
put_links(struct ddl *d, struct catalog_build *b, const struct ddl_relation *r)
{
	for (const struct ddl_link *l = r->parents; l; l = l->next) {
		const struct slice f[] = {decimal(d, r->oid), decimal(d, l->to->oid)};

		if (!catalog_build_row(b, CATALOG_Q_PARENTS, f, COUNT_OF(f)))
			return false;
	}
	for (const struct ddl_link *l = r->reads; l; l = l->next) {
		const struct slice f[] = {decimal(d, r->oid), decimal(d, l->to->oid),
					  SLICE_LIT("0")};

		if (!catalog_build_row(b, CATALOG_Q_VIEWS, f, COUNT_OF(f)))
			return false;
	}
	if (r->query.n) {
		const struct slice f[] = {decimal(d, r->oid), r->query};

		return catalog_build_row(b, CATALOG_Q_DEFINITIONS, f, COUNT_OF(f));
	}
	return true;
}

static bool
put_relation(struct ddl *d, struct catalog_build *b, const struct ddl_relation *r)
{
	const struct slice f[] = {decimal(d, r->oid),
				  r->schema,
				  r->name,
				  slice_of(&r->kind, 1),
				  SLICE_LIT("p"),
				  r->partition ? SLICE_LIT("t") : SLICE_LIT("f"),
				  SLICE_LIT("1")};

	return catalog_build_row(b, CATALOG_Q_RELATIONS, f, COUNT_OF(f)) && put_columns(d, b, r) &&
	       ddl_put_generated(d, b, r) && put_links(d, b, r);
}

struct catalog *
ddl_finish(struct ddl *d, const char **error)
{
	static const struct slice settings[][2] = {
		{SLICE_LIT("server_version_num"), SLICE_LIT("150000")},
		{SLICE_LIT("server_encoding"), SLICE_LIT("UTF8")},
		{SLICE_LIT("standard_conforming_strings"), SLICE_LIT("on")},
		{SLICE_LIT("search_path"), SLICE_LIT("\"$user\", public")},
		{SLICE_LIT("session_user"), SLICE_LIT("app")},
		{SLICE_LIT("current_database"), SLICE_LIT("app")}};
	const struct ddl_relation *some = d->relations;
	struct catalog_build *b;
	bool good;

	while (some && !some->n_columns)
		some = some->next;
	*error = "no table or view in it has a column that is known";
	if (!some)
		return NULL;
	*error = "out of memory";
	b = catalog_build_start();
	good = b != NULL;
	for (size_t i = 0; good && i < COUNT_OF(settings); i++)
		good = catalog_build_row(b, CATALOG_Q_SETTINGS, settings[i], 2);
	for (const struct ddl_relation *r = d->relations; good && r; r = r->next)
		good = put_relation(d, b, r);
	for (const struct ddl_function *f = d->functions; good && f; f = f->next)
		good = catalog_build_row(b, CATALOG_Q_BODIES, f->row, COUNT_OF(f->row));
	return b ? catalog_build_finish(b, error) : NULL;
}

static const struct ddl_relation *
relation_at(const struct ddl *d, uint32_t oid)
{
	const struct ddl_relation *r = d->relations;

	while (r && r->oid != oid)
		r = r->next;
	return r;
}

static const struct ddl_column *
column_at(const struct ddl_relation *r, int attnum)
{
	const struct ddl_column *c = r ? r->columns : NULL;

	while (c && --attnum > 0)
		c = c->next;
	return c;
}

const char *
ddl_small(const struct ddl *d, uint32_t relation, int attnum)
{
	const struct ddl_column *c = column_at(relation_at(d, relation), attnum);

	return c ? c->type.small : NULL;
}

bool
ddl_place(const struct ddl *d, uint32_t relation, int attnum, struct ddl_place *out)
{
	const struct ddl_relation *r = relation_at(d, relation);
	const struct ddl_column *c = attnum ? column_at(r, attnum) : NULL;

	if (r)
		*out = attnum && c ? c->place : r->place;
	return r && (!attnum || c) && out->to > 0;
}

bool
ddl_is_vague(const struct ddl *d, uint32_t relation)
{
	const struct ddl_relation *r = relation_at(d, relation);

	return r && r->vague;
}
