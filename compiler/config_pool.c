/* SPDX-License-Identifier: MIT
 *
 * `pool` of a target: whether server connections are shared, and how many there are of them.
 */
#include "compiler/config_internal.h"

#include "policy.h"

enum {
	SIZE_DEFAULT = 20,
	QUEUE_DEFAULT = 10000,
	WAIT_DEFAULT = 30,
	IDLE_DEFAULT = 600,
	PREPARED_DEFAULT = 200,
	DAY = 86400,
};

/* Also of `pool none`: after a reload to it there are sessions that share on. */
const struct config_pool config_pool_default = {.size = SIZE_DEFAULT,
						.queue = QUEUE_DEFAULT,
						.wait_seconds = WAIT_DEFAULT,
						.idle_seconds = IDLE_DEFAULT,
						.max_prepared = PREPARED_DEFAULT};

static const char *const modes[] = {"none", "session", "transaction"}; /* enum pool_mode */

static const struct {
	const char *name;
	int code;
	unsigned scale; /* durations are in ms */
	unsigned min, max;
	size_t offset;
	const char *what;
} options[] = {
#define OPTION(name, member, code, scale, min, max, what)                                          \
	{name, code, scale, min, max, offsetof(struct config_pool, member), what}
	OPTION("size", size, TK_INT, 1, 1, 100000, "a number from 1 to 100000 after `size`"),
	OPTION("queue", queue, TK_INT, 1, 0, 1000000, "a number from 0 to 1000000 after `queue`"),
	OPTION("wait", wait_seconds, TK_DURATION, 1000, 1, 3600,
	       "a duration from 1s to 1h after `wait`"),
	OPTION("idle", idle_seconds, TK_DURATION, 1000, 1, DAY,
	       "a duration from 1s to 24h after `idle`"),
	OPTION("max-prepared", max_prepared, TK_INT, 1, 1, 4096,
	       "a number from 1 to 4096 after `max-prepared`"),
#undef OPTION
};

static bool
read_mode(struct config_reader *r, struct config_pool *p)
{
	const struct token *t = config_peek(r);

	for (size_t i = 0; config_on_this_line(r) && t->sym && i < COUNT_OF(modes); i++)
		if (strcmp(t->sym->s, modes[i]) == 0) {
			p->mode = (enum pool_mode) i;
			r->at++;
			return true;
		}
	config_expected(r, "`none`, `session` or `transaction`");
	return false;
}

static bool
read_value(struct config_reader *r, struct config_pool *p, size_t i)
{
	const struct token *t = config_peek(r);
	int64_t v = t->number / options[i].scale;

	if (!config_on_this_line(r) || t->code != options[i].code || t->number % options[i].scale ||
	    v < options[i].min || v > options[i].max) {
		config_expected(r, options[i].what);
		return false;
	}
	r->at++;
	*(unsigned *) (void *) ((char *) p + options[i].offset) = (unsigned) v;
	return true;
}

/* SYNTAX: pool none | session | transaction {size N | queue N | wait DURATION | idle DURATION |
 * max-prepared N} */
void
config_read_pool(struct config_reader *r, struct config_pool *p)
{
	unsigned seen = 0;

	if (!read_mode(r, p))
		return;
	while (config_on_this_line(r)) {
		const struct token *t = config_peek(r);
		size_t i = 0;

		while (i < COUNT_OF(options) &&
		       !(t->sym && strcmp(t->sym->s, options[i].name) == 0))
			i++;
		if (i == COUNT_OF(options)) {
			config_expected(r, "`size`, `queue`, `wait`, `idle` or `max-prepared`");
			return;
		}
		if (p->mode == POOL_NONE)
			diag(r->q, CONFIG_VALUE, t->at, "`pool none` has no options");
		else if (p->mode == POOL_SESSION && i == COUNT_OF(options) - 1)
			diag(r->q, CONFIG_VALUE, t->at,
			     "`max-prepared` is for `pool transaction`: under `pool session` "
			     "a client keeps its own prepared statements");
		if (seen & 1u << i)
			diag(r->q, CONFIG_TWICE, t->at,
			     arena_printf(r->arena, "`%s` of `pool`", options[i].name));
		seen |= 1u << i;
		r->at++;
		if (!read_value(r, p, i))
			return;
	}
}
