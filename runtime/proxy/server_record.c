/* SPDX-License-Identifier: MIT
 *
 * What the process itself records: policies, configurations, decisions, failed log-ins of the
 * admin listener.
 */
#include "base/clock.h"
#include "base/log.h"
#include "session/approval_record.h"
#include "proxy/server_internal.h"

enum { ERROR_MAX = 1000, DIFF_MAX = 16384 };

bool
server_record(struct server *s, struct server_lane *lane, const struct audit_record *r, bool wait)
{
	uint64_t ticket;

	if (!audit_encode(&lane->leaf, r))
		return false;
	ticket = audit_submit(s->audit, lane->index, buf_slice(&lane->leaf));
	/* A lane that is full has room again once its last record is durable. */
	if (!ticket && lane->last && audit_wait(s->audit, lane->index, lane->last))
		ticket = audit_submit(s->audit, lane->index, buf_slice(&lane->leaf));
	if (!ticket)
		return false;
	lane->last = ticket;
	audit_flush(s->audit, lane->index);
	return !wait || audit_wait(s->audit, lane->index, ticket);
}

static struct slice
cut(struct slice text, size_t max)
{
	if (text.n <= max)
		return text;
	/* Not in the middle of a character. */
	while (max > 0 && (text.p[max] & 0xc0) == 0x80)
		max--;
	return slice_of(text.p, max);
}

/* What cannot be shown later is not enforced. */
bool
server_keep_policy(struct server *s, const struct epoch *e, struct buf *said)
{
	int rc = kept_put(audit_folder(s->audit), e->image->digest, e->image->bytes, &s->kept_by);

	if (rc)
		buf_printf(said, "cannot keep the policy in %s/audit/" KEPT_FOLDER ", where it can be "
			   "shown later what was in force: %s; make it possible to write there, "
			   "then load it again\n", e->config.state_path, strerror(-rc));
	return rc == 0;
}

bool
server_record_policy(struct server *s, const struct epoch *was, const struct epoch *is,
		     const char *error)
{
	struct audit_policy_load b = {0};
	struct audit_record r;

	audit_record_init(&r, AUDIT_policy_load, clock_wall_ns(), clock_mono_ns());
	if (was)
		b.old_digest = was->image->digest;
	if (is) {
		b.new_digest = is->image->digest;
		b.compiler = is->image->compiler;
		b.tests_passed = is->image->n_tests;
		b.signed_by = is->image->is_signed ? is->image->public_key : NULL;
		b.kept = !error;
		b.kept_signed_by = b.kept && s->kept_by.any ? s->kept_by.key : NULL;
		b.path = slice_str(is->config.policy_path);
	} else if (was) {
		b.path = slice_str(was->config.policy_path);
	}
	b.outcome = error ? AUDIT_outcome_REFUSED : AUDIT_outcome_LOADED;
	b.error = cut(slice_str(error), ERROR_MAX);
	r.body = &b;
	return server_record(s, &s->main_lane, &r, true);
}

bool
server_record_config(struct server *s, const struct config_text *was, const struct config_text *is,
		     const char *by, bool refused)
{
	uint8_t old_digest[SHA256_LEN], new_digest[SHA256_LEN];
	struct audit_config_change b = {0};
	struct audit_record r;
	struct buf diff = {0};
	bool ok;

	audit_record_init(&r, AUDIT_config_change, clock_wall_ns(), clock_mono_ns());
	b.path = slice_str(s->options->config_path);
	b.by = slice_str(by);
	b.outcome = refused ? AUDIT_outcome_REFUSED : AUDIT_outcome_LOADED;
	if (was) {
		config_text_digest(was, old_digest);
		b.old_hash = old_digest;
	}
	if (is) {
		config_text_digest(is, new_digest);
		b.new_hash = new_digest;
	}
	if (was && is) {
		config_text_diff(buf_slice(&was->fixed), buf_slice(&is->fixed), &diff);
		config_text_diff(buf_slice(&was->live), buf_slice(&is->live), &diff);
		b.diff = cut(buf_slice(&diff), DIFF_MAX);
	}
	r.body = &b;
	ok = server_record(s, &s->main_lane, &r, true);
	buf_fini(&diff);
	return ok;
}

void
server_record_expiry(void *server, const struct approval_event *ev)
{
	struct server *s = server;
	struct approval_record r;

	approval_record_fill(&r, ev, NULL, clock_mono_ns());
	/* Nothing hangs on it: an expired request runs nothing, recorded or not. */
	if (!server_record(s, &s->main_lane, &r.record, false))
		log_error("audit record=approval.close request=%s not recorded",
			  ev->approval->id);
}

bool
server_record_alert(struct server *s, struct slice subject, struct slice state, struct slice text,
		    uint64_t n)
{
	struct audit_alert b = {.rule = subject,
				.severity = SLICE_LIT("warning"),
				.text = text,
				.count = n,
				.state = state};
	struct audit_record r;
	bool recorded;

	audit_record_init(&r, AUDIT_alert, clock_wall_ns(), clock_mono_ns());
	r.body = &b;
	pthread_mutex_lock(&s->channel_lock);
	recorded = server_record(s, &s->channel_lane, &r, false);
	pthread_mutex_unlock(&s->channel_lock);
	return recorded;
}

void
server_record_lost_notices(void *server, const char *channel, uint64_t n, const char *why)
{
	bool recorded = server_record_alert(server, slice_str(channel), SLICE_LIT("notices-lost"),
					    slice_str(why), n);

	log_warn("channel=%s lost=%llu why=\"%s\"%s", channel, (unsigned long long) n, why,
		 recorded ? "" : " (and this could not be recorded)");
}
