/* SPDX-License-Identifier: MIT
 *
 * Requests are counted. An attempt answers what was asked before it began; a schema change is a
 * request that the snapshot at hand does not survive.
 */
#include "proxy/catalog_reader.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/catalog_fetch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Between the end of one attempt and the begin of one that a client asked for. */
#define GAP_NS (20 * NS_PER_MS)
/* A catalog is new for as many times as its read took, so that who asks all day for what a masked
 * column could hide waits at most a quarter of it. */
#define NEW_TIMES 3
#define BACK_OFF_FIRST_NS (200 * NS_PER_MS)
#define BACK_OFF_LAST_NS (5 * NS_PER_S)

struct reader_target {
	struct catalog_reader *reader;
	size_t index;
	pthread_t thread;
	bool started;
	int wake; /* eventfd: something was asked, or the interval changed */

	pthread_mutex_t lock;
	uint64_t asked;   /* requests so far; starts at 1, the first read */
	uint64_t changed; /* `asked` as the last schema change made it */
	uint64_t doubted_epoch, doubted_version; /* the newest password refused; 0: none */

	/* The thread's own. */
	struct epoch *epoch;
	uint64_t answered;       /* `asked` when the last attempt began */
	struct catalog_ref *good; /* the last snapshot read */
	uint64_t good_for;        /* `asked` when that read began */
	uint64_t good_at;         /* when it began, monotonic */
	struct catalog_age age;   /* of `good` */
	struct catalog_ref *posted;
	uint64_t posted_for; /* 0: nothing */
	uint64_t ended, took, back_off; /* took: the last attempt */
	struct target_password password;
	struct pg_conn *ears; /* NULL: the target does not announce schema changes */
	struct fetch_trouble trouble; /* text NULL: the last attempt went well */
};

struct catalog_reader {
	pthread_mutex_t lock; /* guards the pointer */
	struct epoch *epoch;
	struct schema_moves *moves; /* by target */
	struct reader_target *targets;
	size_t n;
	struct catalog_reader_host host;
	struct password_counts passwords;
	int stop; /* eventfd: stays readable once written */
	atomic_uint interval_s;
	atomic_ulong reads, failures, changes;
};

static const struct config_target *
target_config(const struct reader_target *t)
{
	return &t->epoch->config.targets[t->index];
}

static void
tell(const struct reader_target *t, const struct fetch_trouble *was, bool is_new)
{
	const char *name = target_config(t)->name;

	if (t->trouble.text) {
		if (!was->text || strcmp(was->detail, t->trouble.detail) != 0)
			log_warn("catalog target=%s trouble=\"%s\" detail=%s", name,
				 t->trouble.text, log_quote(t->trouble.detail).text);
		return;
	}
	if (was->text || is_new) {
		struct buf hex = {0};

		hex_put(&hex, slice_of(catalog_digest(t->good->catalog), 8));
		log_info("catalog target=%s relations=%zu digest=%.*s", name,
			 catalog_count(t->good->catalog), SLICE_ARG(buf_slice(&hex)));
		buf_fini(&hex);
	}
}

/* Gives what the attempt came to, unless everybody has it already. What was read is given even if
 * the schema has changed meanwhile: its age says what it has seen, and somebody who goes on
 * changing it would else keep everybody waiting. Without a new one, an old one does only while
 * nothing has changed. */
static void
post(struct reader_target *t, uint64_t changed, uint64_t now)
{
	const struct catalog_reader_host *host = &t->reader->host;
	uint64_t grace = CATALOG_GRACE * NS_PER_S * atomic_load(&t->reader->interval_s);
	bool usable = !t->trouble.text ||
		      (t->good && t->good_for >= changed && now - t->good_at <= grace);
	struct catalog_ref *ref = usable ? t->good : NULL;

	if (ref == t->posted && t->posted_for == t->answered)
		return;
	t->posted = ref;
	t->posted_for = t->answered;
	host->posted(host->ctx, t->index, ref, ref ? NULL : t->trouble.text, t->age);
}

static void
keep(struct reader_target *t, struct catalog *c, uint64_t began, bool *is_new)
{
	*is_new = !t->good || memcmp(catalog_digest(t->good->catalog), catalog_digest(c),
				     SHA256_LEN) != 0;
	if (*is_new) {
		catalog_ref_put(t->good);
		t->good = catalog_ref_new(c);
		t->posted_for = 0; /* a new reference may have the address of one that is gone */
		atomic_fetch_add(&t->reader->changes, 1);
	} else {
		catalog_free(c);
	}
	t->good_for = t->answered;
	t->good_at = began;
}

static uint64_t
read_changed(struct reader_target *t)
{
	uint64_t changed;

	pthread_mutex_lock(&t->lock);
	changed = t->changed;
	pthread_mutex_unlock(&t->lock);
	return changed;
}

static void
ask_again(struct reader_target *t)
{
	pthread_mutex_lock(&t->lock);
	t->asked++;
	pthread_mutex_unlock(&t->lock);
}

/* Follows whether the target announces. What changed before we listened is read once more. */
static void
listen_or_not(struct reader_target *t, bool announces)
{
	struct config_target config;

	if (announces == (t->ears != NULL))
		return;
	catalog_ears_close(t->ears);
	config = target_password_use(&t->password, target_config(t));
	t->ears = announces ? catalog_ears_open(&config, t->reader->stop) : NULL;
	if (t->ears)
		ask_again(t);
}

static void
hear(struct reader_target *t)
{
	bool changed = false;

	if (!catalog_ears_heard(t->ears, &changed)) {
		catalog_ears_close(t->ears);
		t->ears = NULL; /* until the next read */
	}
	if (changed)
		ask_again(t);
}

/* The target has refused the password that we have. */
static bool
take_doubt(struct reader_target *t)
{
	const struct password_news *is = &t->password.is;
	bool doubted;

	pthread_mutex_lock(&t->lock);
	doubted = t->doubted_epoch == is->epoch && t->doubted_version == is->version;
	/* Of a configuration that comes it is kept. */
	if (t->doubted_epoch <= is->epoch)
		t->doubted_epoch = 0;
	pthread_mutex_unlock(&t->lock);
	return doubted;
}

/* NULL: the trouble is in t. With a password that is refused nothing is read, and of the next one
 * that there is at once. */
static struct catalog *
fetch(struct reader_target *t, bool *announces)
{
	const struct config_target *config = target_config(t);
	struct target_password *p = &t->password;
	struct config_target now;
	struct catalog *c = NULL;
	bool again = false;

	if (!target_password_due(p, config, take_doubt(t), clock_mono_ns())) {
		if (!t->trouble.text)
			t->trouble = (struct fetch_trouble){
				.text = "the target refused the gateway's login",
				.detail = "a client's connection could not be opened",
				.password = true};
		return NULL;
	}
	do {
		now = target_password_use(p, config);
		c = catalog_fetch(&now, t->reader->stop, &t->trouble, announces);
		if (!c && !t->trouble.text)
			return NULL;
	} while (target_password_tried(p, config, &t->trouble, again, clock_mono_ns()) &&
		 (again = true));
	return c;
}

static void
post_password(struct reader_target *t)
{
	struct password_news news;

	if (target_password_news(&t->password, &news))
		t->reader->host.password(t->reader->host.ctx, t->index, news);
}

/* False: the gateway stops. */
static bool
attempt(struct reader_target *t)
{
	struct catalog_reader *r = t->reader;
	struct fetch_trouble was = t->trouble;
	struct catalog_age age = {0};
	uint64_t began = clock_mono_ns();
	bool is_new = false, announces = false;
	struct catalog *c;

	pthread_mutex_lock(&t->lock);
	t->answered = t->asked;
	pthread_mutex_unlock(&t->lock);
	/* Who asks counts there first, and then asks. */
	age.changed = atomic_load(&r->moves[t->index].changed);
	age.renamed = atomic_load(&r->moves[t->index].renamed);
	age.redefined = atomic_load(&r->moves[t->index].redefined);
	age.asked = atomic_load(&r->moves[t->index].asked);
	c = fetch(t, &announces);
	if (!c && !t->trouble.text)
		return false;
	t->ended = clock_mono_ns();
	t->took = t->ended - began;
	if (c) {
		t->age = age;
		t->age.new_until = t->ended + NEW_TIMES * t->took;
	}
	t->age.tried = age.asked;
	atomic_fetch_add(c ? &r->reads : &r->failures, 1);
	if (c) {
		keep(t, c, began, &is_new);
		t->back_off = 0;
		listen_or_not(t, announces);
	} else {
		t->back_off = t->back_off ? t->back_off * 2 : BACK_OFF_FIRST_NS;
		if (t->back_off > BACK_OFF_LAST_NS)
			t->back_off = BACK_OFF_LAST_NS;
	}
	tell(t, &was, is_new);
	post(t, read_changed(t), t->ended);
	post_password(t);
	return true;
}

/* The one in force now. What another could not read it may: the login's password is new. */
static void
take_epoch(struct reader_target *t)
{
	struct catalog_reader *r = t->reader;
	struct epoch *was = t->epoch;

	pthread_mutex_lock(&r->lock);
	t->epoch = epoch_ref(r->epoch);
	pthread_mutex_unlock(&r->lock);
	if (was != t->epoch)
		target_password_epoch(&t->password, t->epoch->number);
	if (was != t->epoch && t->trouble.text)
		ask_again(t);
	epoch_unref(was);
}

/* When the next attempt is due: never two without a pause as long as the first took, so that no
 * client can make us hammer the server. */
static uint64_t
next_due(struct reader_target *t)
{
	const struct password_news *is = &t->password.is;
	uint64_t pause = t->back_off ? t->back_off
				     : NS_PER_S * atomic_load(&t->reader->interval_s);

	if (is->wrong) /* it is what is read first, whoever asks */
		return t->password.read_at;
	pthread_mutex_lock(&t->lock);
	if (t->asked != t->answered)
		pause = t->back_off ? BACK_OFF_FIRST_NS : t->took > GAP_NS ? t->took : GAP_NS;
	if (t->doubted_epoch == is->epoch && t->doubted_version == is->version)
		pause = GAP_NS;
	pthread_mutex_unlock(&t->lock);
	return t->ended + pause;
}

/* False: the gateway stops. */
static bool
sleep_until_due(struct reader_target *t)
{
	for (;;) {
		struct pollfd fds[] = {{t->wake, POLLIN, 0},
				       {t->reader->stop, POLLIN, 0},
				       {catalog_ears_fd(t->ears), POLLIN, 0}};
		uint64_t now = clock_mono_ns(), due = next_due(t), n;
		uint64_t wait_ms = due > now ? (due - now) / NS_PER_MS + 1 : 0;

		if (poll(fds, COUNT_OF(fds), wait_ms > INT32_MAX ? INT32_MAX : (int) wait_ms) < 0)
			continue;
		if (fds[1].revents)
			return false;
		if (fds[2].revents)
			hear(t);
		if (fds[0].revents && read(t->wake, &n, sizeof(n)) == sizeof(n)) {
			take_epoch(t);
			continue;
		}
		if (clock_mono_ns() >= due)
			return true;
	}
}

static void *
reader_main(void *arg)
{
	struct reader_target *t = arg;

	pthread_setname_np(pthread_self(), "weir-catalog");
	take_epoch(t);
	while (attempt(t) && sleep_until_due(t))
		;
	return NULL;
}

static void
wake(int fd)
{
	uint64_t one = 1;

	/* Full means it is readable already. */
	if (write(fd, &one, sizeof(one)) != sizeof(one))
		return;
}

int
catalog_reader_open(struct catalog_reader **out, struct epoch *e, struct schema_moves *moves,
		    const struct catalog_reader_host *host)
{
	struct catalog_reader *r = calloc(1, sizeof(*r));
	int err = 0;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->epoch = epoch_ref(e);
	r->moves = moves;
	r->host = *host;
	atomic_init(&r->interval_s, e->config.catalog_seconds ? e->config.catalog_seconds : 1);
	r->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->targets = calloc(e->config.n_targets + 1, sizeof(*r->targets));
	if (!r->targets || r->stop < 0)
		err = r->targets ? -errno : -ENOMEM;
	for (size_t i = 0; !err && i < e->config.n_targets; i++) {
		struct reader_target *t = &r->targets[r->n++];

		*t = (struct reader_target){.reader = r, .index = i, .asked = 1};
		t->password = (struct target_password){.loader = host->loader,
						       .counts = &r->passwords,
						       .stop_fd = r->stop};
		pthread_mutex_init(&t->lock, NULL);
		t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = t->wake < 0 ? -errno : -pthread_create(&t->thread, NULL, reader_main, t);
		t->started = !err;
	}
	if (err)
		catalog_reader_close(r);
	else
		*out = r;
	return err;
}

void
catalog_reader_want(struct catalog_reader *r, size_t target)
{
	struct reader_target *t = &r->targets[target];

	assert(target < r->n);
	pthread_mutex_lock(&t->lock);
	t->asked++;
	pthread_mutex_unlock(&t->lock);
	wake(t->wake);
}

void
catalog_reader_doubt(struct catalog_reader *r, size_t target, uint64_t epoch, uint64_t version)
{
	struct reader_target *t = &r->targets[target];

	assert(target < r->n);
	pthread_mutex_lock(&t->lock);
	if (epoch > t->doubted_epoch ||
	    (epoch == t->doubted_epoch && version > t->doubted_version)) {
		t->doubted_epoch = epoch;
		t->doubted_version = version;
	}
	pthread_mutex_unlock(&t->lock);
	wake(t->wake);
}

void
catalog_reader_changed(struct catalog_reader *r, size_t target, bool now)
{
	struct reader_target *t = &r->targets[target];

	assert(target < r->n);
	pthread_mutex_lock(&t->lock);
	t->changed = ++t->asked;
	pthread_mutex_unlock(&t->lock);
	if (now)
		wake(t->wake);
}

void
catalog_reader_epoch(struct catalog_reader *r, struct epoch *e)
{
	struct epoch *was = r->epoch;

	pthread_mutex_lock(&r->lock);
	r->epoch = epoch_ref(e);
	pthread_mutex_unlock(&r->lock);
	epoch_unref(was);
	atomic_store(&r->interval_s, e->config.catalog_seconds ? e->config.catalog_seconds : 1);
	for (size_t i = 0; i < r->n; i++)
		wake(r->targets[i].wake);
}

void
catalog_reader_close(struct catalog_reader *r)
{
	wake(r->stop);
	for (size_t i = 0; i < r->n; i++) {
		struct reader_target *t = &r->targets[i];

		if (t->started)
			pthread_join(t->thread, NULL);
		if (t->wake >= 0)
			close(t->wake);
		catalog_ref_put(t->good);
		catalog_ears_close(t->ears);
		target_password_fini(&t->password);
		epoch_unref(t->epoch);
		pthread_mutex_destroy(&t->lock);
	}
	if (r->stop >= 0)
		close(r->stop);
	free(r->targets);
	epoch_unref(r->epoch);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
catalog_reader_stats(const struct catalog_reader *r, struct catalog_reader_stats *s)
{
	s->reads = atomic_load(&r->reads);
	s->failures = atomic_load(&r->failures);
	s->changes = atomic_load(&r->changes);
	s->passwords_changed = atomic_load(&r->passwords.changed);
	s->passwords_same = atomic_load(&r->passwords.same);
	s->passwords_failed = atomic_load(&r->passwords.failed);
	s->passwords_wrong = atomic_load(&r->passwords.wrong);
}
