/* SPDX-License-Identifier: MIT */
#include "proxy/target_password.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

static const char *
in_force(const struct target_password *p, const struct config_target *t)
{
	return p->is.password ? p->is.password->text : t->password;
}

struct config_target
target_password_use(const struct target_password *p, const struct config_target *t)
{
	struct config_target now = *t;

	now.password = in_force(p, t);
	return now;
}

static void
set_wrong(struct target_password *p, bool wrong)
{
	if (wrong != p->is.wrong)
		p->changes++;
	if (wrong && !p->is.wrong)
		atomic_fetch_add(&p->counts->wrong, 1);
	if (!wrong && p->is.wrong)
		atomic_fetch_sub(&p->counts->wrong, 1);
	p->is.wrong = wrong;
}

void
target_password_epoch(struct target_password *p, uint64_t epoch)
{
	set_wrong(p, false);
	password_put(p->is.password);
	p->is = (struct password_news){.epoch = epoch};
	p->pause = p->read_at = p->try_at = 0;
	p->told = p->changes; /* everybody has heard of the configuration */
}

static void
take(struct target_password *p, struct slice secret)
{
	set_wrong(p, false);
	password_put(p->is.password);
	p->is.password = password_new(secret);
	p->is.version++;
	p->changes++;
}

/* True: it is another one. */
static bool
read_again(struct target_password *p, const struct config_target *t, uint64_t now)
{
	struct buf secret = {0}, said = {0};
	const char *was = in_force(p, t);
	bool read, other;

	p->read_at = now + PASSWORD_READ_SECONDS * NS_PER_S;
	if (t->password_from == PASSWORD_FIXED)
		return false;
	read = p->loader->password(p->loader->ctx, t, p->stop_fd, &secret, &said);
	other = read && !(was && secret_eq(slice_str(was), buf_slice(&secret)));
	atomic_fetch_add(other	? &p->counts->changed
			 : read ? &p->counts->same
				: &p->counts->failed,
			 1);
	if (other)
		take(p, buf_slice(&secret));
	/* Of what stays as it is one line is enough. */
	if (other || !p->is.wrong)
		log_info("target password read again target=%s outcome=%s", t->name,
			 other ? "changed" : read ? "unchanged" : "failed");
	if (!read && !p->is.wrong) {
		buf_putc(&said, 0);
		log_error("target password target=%s trouble=%s", t->name,
			  log_quote((const char *) said.p).text);
	}
	buf_wipe(&secret);
	buf_fini(&said);
	return other;
}

/* It is tried again all the same: what is wrong may be put right at the target. */
static void
wrong(struct target_password *p, uint64_t now)
{
	p->pause = p->pause ? p->pause * 2 : PASSWORD_READ_SECONDS * NS_PER_S;
	if (p->pause > PASSWORD_TRY_SECONDS * NS_PER_S)
		p->pause = PASSWORD_TRY_SECONDS * NS_PER_S;
	p->try_at = now + p->pause;
	set_wrong(p, true);
}

bool
target_password_due(struct target_password *p, const struct config_target *t, bool doubted,
		    uint64_t now)
{
	if (!p->is.wrong && !doubted)
		return true;
	if ((doubted || now >= p->read_at) && read_again(p, t, now))
		return true;
	if (!p->is.wrong)
		wrong(p, now);
	return now >= p->try_at;
}

bool
target_password_tried(struct target_password *p, const struct config_target *t,
		      const struct fetch_trouble *trouble, bool again, uint64_t now)
{
	bool was = p->is.wrong;

	if (trouble->text && trouble->password) {
		if (!was && !again && read_again(p, t, now))
			return true;
		wrong(p, now);
	} else if (!trouble->text) {
		set_wrong(p, false);
		p->pause = 0;
		if (was)
			log_info("target password accepted again target=%s", t->name);
	}
	return false;
}

bool
target_password_news(struct target_password *p, struct password_news *out)
{
	if (p->told == p->changes)
		return false;
	p->told = p->changes;
	*out = p->is;
	out->password = password_get(p->is.password);
	return true;
}

void
target_password_fini(struct target_password *p)
{
	password_put(p->is.password);
	p->is.password = NULL;
}
