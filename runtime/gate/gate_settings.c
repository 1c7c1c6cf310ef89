/* SPDX-License-Identifier: MIT
 *
 * Settings of a session. Some blind the gateway: it would read the next statement otherwise than
 * the server does, so no policy opens them. Some move what names mean or who asks: those are
 * followed (session_path.c), and closed where masks are in force and following is not enough.
 */
#include "gate/backend.h"
#include "gate/gate_internal.h"

/* Values under which statements and rows are read as they are meant; compared without case and
 * punctuation, as the server looks encodings up. */
static const struct {
	const char *name, *values;
} blinding[] = {
	{"standard_conforming_strings", "on|true|yes|1|t|tr|tru|y|ye"},
	{"client_encoding", "utf8|unicode|sqlascii"},
};

/* The levels at which the server says nothing of how it computes. */
static const char quiet[] = "info|notice|warning|error|fatal|panic";

/* What an unqualified name means hangs on these. */
static const char *const moving[] = {"search_path", "role", "session_authorization"};

/* With these whoever asks chooses how the server reads a table: by an index over a masked column
 * rows come in the order of its values, which could be compared so with rows of known ones. */
static const struct {
	const char *begins, *ends;
} planning[] = {
	{"enable_", ""},	      {"", "_page_cost"},
	{"cpu_", "_cost"},	      {"parallel_", "_cost"},
	{"effective_cache_size", ""}, {"cursor_tuple_fraction", ""},
	{"min_parallel_", ""},
};

/* Code of others that runs in the session and could set anything. */
static const enum action opaque[] = {
	ACTION_SQL_OPAQUE_FUNCTION, ACTION_SQL_CALL,	      ACTION_SQL_ANONYMOUS_CODE,
	ACTION_SQL_UNPARSED,	    ACTION_SQL_FUNCTION_CALL, ACTION_SQL_LOAD,
};

static bool
is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One of the words, each ended by | or 0. */
static bool
one_of(const char *words, struct slice value)
{
	char word[32];
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (!is_alnum(value.p[i]))
			continue;
		if (n == sizeof(word))
			return false;
		word[n++] = (char) (value.p[i] >= 'A' && value.p[i] <= 'Z' ? value.p[i] | 0x20
									   : value.p[i]);
	}
	for (size_t k; *words; words += k + (words[k] == '|')) {
		k = strcspn(words, "|");
		if (k == n && n && memcmp(words, word, n) == 0)
			return true;
	}
	return false;
}

bool
setting_blinds(struct slice name, struct slice value)
{
	for (size_t i = 0; i < COUNT_OF(blinding); i++)
		if (slice_is(name, blinding[i].name))
			return !one_of(blinding[i].values, value);
	return false;
}

/* A value that no blinding setting takes, whichever is meant: longer than every encoding's name. */
static bool
blinds_nothing(struct slice value)
{
	enum { LONGER_THAN_ENCODINGS = 15 };
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++)
		n += is_alnum(value.p[i]);
	return n >= LONGER_THAN_ENCODINGS;
}

static bool
moves(struct slice setting)
{
	for (size_t i = 0; i < COUNT_OF(moving); i++)
		if (slice_is(setting, moving[i]))
			return true;
	return false;
}

static bool
plans(struct slice setting)
{
	for (size_t i = 0; i < COUNT_OF(planning); i++) {
		size_t begins = strlen(planning[i].begins), ends = strlen(planning[i].ends);

		if (setting.n >= begins + ends &&
		    memcmp(setting.p, planning[i].begins, begins) == 0 &&
		    memcmp(setting.p + setting.n - ends, planning[i].ends, ends) == 0)
			return true;
	}
	return false;
}

static bool
sets(const struct sql_effect *e)
{
	return e->action == ACTION_SQL_SET || e->action == ACTION_SQL_CONFIGURE;
}

bool
effect_moves_names(const struct sql_effect *e)
{
	for (size_t i = 0; i < COUNT_OF(opaque); i++)
		if (e->action == opaque[i])
			return true;
	return e->action == ACTION_SQL_RESET || e->action == ACTION_SQL_DISCARD ||
	       (sets(e) && (!e->setting.n || moves(e->setting)));
}

/* Code of others may keep what it likes in the process: variables of its language, connections. */
bool
effect_leaves_state(const struct sql_effect *e)
{
	for (size_t i = 0; i < COUNT_OF(opaque); i++)
		if (e->action == opaque[i])
			return true;
	return e->action == ACTION_SQL_NETWORK ||
	       (sets(e) && !(e->flags & SQL_EFFECT_LOCAL) && !e->setting.n);
}

/* RESET takes the value away of a setting that was made up, and its name stays known. */
bool
effect_leaves_name(const struct sql_effect *e)
{
	return sets(e) && !(e->flags & SQL_EFFECT_LOCAL) && e->setting.n &&
	       memchr(e->setting.p, '.', e->setting.n);
}

/* setseed() outlives DISCARD ALL. EXPLAIN alone is no effect of what it explains, and yet the
 * planner calls functions. */
bool
calls_leave_state(const struct sql_facts *f)
{
	bool explains = false;

	for (uint32_t i = 0; i < f->n_stmts; i++)
		explains = explains || f->stmts[i].kind == SQL_KIND_EXPLAIN;
	for (uint32_t i = 0; i < f->n_calls; i++)
		if (slice_is(f->calls[i].name, "setseed") ||
		    (explains && !(f->calls[i].flags & (SQL_CALL_SAFE | SQL_CALL_OPERATOR |
							SQL_CALL_TYPE))))
			return true;
	return false;
}

/* After its first statement a text may run under another path than the one it was judged under. */
bool
facts_move_names(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].flags & SQL_EXECUTES || f->stmts[i].kind == SQL_KIND_FETCH)
			return true;
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (effect_moves_names(&f->effects[i]))
			return true;
	return false;
}

bool
gate_setting_is_stored(const struct sql_facts *f, const struct sql_effect *e)
{
	uint32_t i = (uint32_t)(e - f->effects);

	for (uint32_t k = 0; e->function.n && k < f->n_stmts; k++) {
		const struct sql_stmt *st = &f->stmts[k];

		if (i >= st->effects && i < st->effects + st->n_effects)
			return st->kind == SQL_KIND_OTHER || st->kind == SQL_KIND_CREATE_AS;
	}
	return false;
}

/* The gateway's own. The server takes any word for it, and who misspells one would wait for people
 * without having meant to. set_config() is not followed: it runs for each row, or for none. */
static bool
approval_refused(const struct sql_effect *e, struct arena *a, struct gate_refusal *why)
{
	static const char hint[] = "SET weir.approval = async does not wait for approvals, SET weir.approval = "
				   "wait does";

	if (!slice_is(e->setting, "weir.approval"))
		return false;
	if (slice_is(e->function, "set_config")) {
		*why = (struct gate_refusal){"WEIR-SETTING", "set_config() cannot set weir.approval",
					     NULL, hint, "0A000"};
		return true;
	}
	if (e->flags & SQL_EFFECT_RESET || setting_approval(e->value) != APPROVAL_MODE_UNSET)
		return false;
	*why = (struct gate_refusal){
		"WEIR-SETTING", arena_printf(a, "invalid value for parameter \"weir.approval\": \"%.*s\"",
					     SLICE_ARG(e->value)), NULL, hint, "22023"};
	return true;
}

enum approval_mode
setting_approval(struct slice value)
{
	return settings_same_name(value, SLICE_LIT("async"))  ? APPROVAL_MODE_ASYNC
	       : settings_same_name(value, SLICE_LIT("wait")) ? APPROVAL_MODE_WAIT
							       : APPROVAL_MODE_UNSET;
}

bool
setting_refused(const struct gate_class *c, const struct sql_facts *f, const struct sql_effect *e,
		struct arena *a, struct gate_refusal *why)
{
	*why = (struct gate_refusal){.code = "WEIR-PINNED-SETTING"};
	if (!sets(e))
		return false;
	if (approval_refused(e, a, why))
		return true;
	if (c->any_masks && gate_setting_is_stored(f, e) && (!e->setting.n || moves(e->setting))) {
		why->message = "what sets the search path or the role cannot be stored while masks are "
			       "in force for you";
		why->hint = "SET it in the session instead: whoever reads the definition later would not see that "
			    "names mean something else";
		return true;
	}
	if (!e->setting.n && !c->any_masks && blinds_nothing(e->value))
		return false; /* pg_dump: set_config(name, ...) from pg_settings */
	if (!e->setting.n) {
		why->message = "a setting whose name is not written out cannot be changed through "
			       "the gateway";
		why->hint = "name it in a literal: set_config('name', 'value', false)";
		return true;
	}
	if (!(e->flags & SQL_EFFECT_RESET) && setting_blinds(e->setting, e->value)) {
		why->message = arena_printf(a, "setting \"%.*s\" cannot be given this value through "
					    "the gateway", SLICE_ARG(e->setting));
		why->hint = "leave standard_conforming_strings on and client_encoding UTF8 or SQL_ASCII: the "
			    "gateway could not read statements as the server reads them";
		return true;
	}
	if (c->any_masks && slice_is(e->setting, "client_min_messages") &&
	    !(e->flags & SQL_EFFECT_RESET) && !one_of(quiet, e->value)) {
		why->message = "client_min_messages stays at notice or above while masks are in force "
			       "for you";
		why->hint = "set it to notice or above: below, the server tells what it computes with";
		return true;
	}
	if (c->any_masks && plans(e->setting) && !(e->flags & SQL_EFFECT_RESET)) {
		why->message = arena_printf(a, "setting \"%.*s\" cannot be changed while masks are in "
					    "force for you", SLICE_ARG(e->setting));
		why->hint = "leave it to the server how it reads tables: by an index over a masked column, rows "
			    "come in the order of its values";
		return true;
	}
	if (!c->any_masks || !moves(e->setting) || slice_is(e->setting, "search_path"))
		return false;
	why->message = arena_printf(a, "setting \"%.*s\" cannot be changed while masks are in force "
				    "for you", SLICE_ARG(e->setting));
	why->hint = "masks are decided for the gateway's own login; ask for a login of your own";
	return true;
}

/* An empty statement has no effects and does nothing. SET weir.approval = async speaks to the
 * gateway; for the server it is a setting without meaning. */
bool
facts_need_no_rule(const struct sql_facts *f)
{
	if (f->status != SQL_OK || f->n_stmts == 0)
		return f->status == SQL_OK;
	return f->n_stmts == 1 &&
	       (f->stmts[0].kind == SQL_KIND_SET || f->stmts[0].kind == SQL_KIND_RESET) &&
	       slice_is(f->stmts[0].set.name, "weir.approval");
}
