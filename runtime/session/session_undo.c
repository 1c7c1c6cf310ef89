/* SPDX-License-Identifier: MIT
 *
 * What code that runs unseen (triggers, defaults, functions in views and policies) left in a shared
 * server connection, under `pool transaction`. What a client's statements would leave is carried or
 * refused; what such code does is not seen, only that some may have run: catalog_quiet.c knows the
 * commands behind which none can. After any other the next session's settings begin with what
 * DISCARD ALL does, and the statements that sessions share there are prepared anew.
 *
 * Nothing of that session is sent before the server has answered: a statement_timeout that was left
 * can strike anywhere in it. Then it is done again, and after any other error the session is over.
 */
#include "session/session_undo.h"

#include "session/pool_rules.h"

/* RESET ALL has to be first, because it resets that too; role comes after what it hangs on.
 * DISCARD ALL itself is no part of a transaction, and cannot be sure to be followed by nothing. */
static const char undoes[] =
	"reset session authorization; reset role; close all; unlisten *; deallocate all; "
	"discard sequences; discard temp; select pg_catalog.pg_advisory_unlock_all(), ";

/* Names could mean something else than the gateway thinks, and with them tables. */
static bool
names_are_known(const struct session *s)
{
	const struct slice path = SLICE_LIT("search_path");
	const struct buf *first;
	int i = pool_kept(path);

	if (!s->path.dirty)
		return true;
	/* Nobody asks for it where no rule reads names: then it must be what it is at first. */
	if (s->pool.own || settings_get(&s->pool.startup, path).p ||
	    settings_get(&s->pool.kept, path).p || s->pool.touched[i / 64] >> i % 64 & 1)
		return false;
	if (!settings_get(&s->pool.settings, path).p)
		return true;
	first = s->host->welcome(s->host_ctx, buf_slice(&s->pool.startup), s->pool.minor);
	return first &&
	       slice_eq(settings_get(&s->pool.settings, path), settings_get(first, path));
}

static bool
catalog_is_behind(const struct session *s)
{
	return gate_seen(s->env->gate, s->gate).changed < gate_moves(s->env->gate, s->gate).changed;
}

static void
follow(struct session *s, bool quiet)
{
	if (!quiet || !names_are_known(s) || catalog_is_behind(s))
		s->backend->unseen = true;
}

void
session_undo_follow(struct session *s, const struct command *c)
{
	if (s->pool.mode == POOL_TRANSACTION)
		follow(s, c->verdict.quiet);
}

/* Of the policy and the catalog as they are now. */
static uint64_t
class_now(struct session *s)
{
	(void) gate_reads_names(s->env->gate, s->gate, s->host->now_wall(s->host_ctx));
	return gate_class_number(s->gate);
}

void
session_undo_judged(struct session *s, struct statement *st, const struct command *c)
{
	if (s->pool.mode != POOL_TRANSACTION)
		return;
	st->quiet = c->verdict.quiet;
	st->quiet_at = class_now(s);
	st->quiet_path = session_path_now(s, st->facts);
}

void
session_undo_bound(struct session *s, const struct statement *st)
{
	if (s->pool.mode == POOL_TRANSACTION)
		follow(s, st->quiet && st->quiet_at == class_now(s) &&
				  st->quiet_path == session_path_now(s, st->facts));
}

bool
session_undo_due(const struct session *s)
{
	const struct backend *b = s->backend;

	return s->pool.mode == POOL_TRANSACTION &&
	       (s->pool.undoing || (b->unseen && b->holder != s->pool.number));
}

void
session_undo_begin(struct session *s)
{
	struct backend *b = s->backend;

	s->pool.undoing = true;
	b->unseen = false;
	prepared_clear(&b->names);
	buf_reset(&b->kept);
	buf_reset(&b->path);
}

/* Up to the settings, which go on with its SELECT. */
void
session_undo_put(struct buf *b)
{
	buf_puts(b, session_keep_begin);
	buf_puts(b, "reset all; ");
	buf_puts(b, undoes);
	pool_put_seed(b);
}
