/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "base/secret.h"

bool
endpoint_address(const struct endpoint *e, size_t i, struct sockaddr_storage *out, socklen_t *len)
{
	if (!e->addr_len || i > e->n_others)
		return false;
	*out = i ? e->others[i - 1].addr : e->addr;
	*len = i ? e->others[i - 1].addr_len : e->addr_len;
	return true;
}

/* Configurations have tens of entries, and a session looks each up once: a scan is enough. */
const struct config_target *
config_target_find(const struct config *c, struct slice name)
{
	for (size_t i = 0; i < c->n_targets; i++)
		if (slice_is(name, c->targets[i].name))
			return &c->targets[i];
	return NULL;
}

const struct config_principal *
config_principal_find(const struct config *c, struct slice name)
{
	for (size_t i = 0; i < c->n_principals; i++)
		if (slice_is(name, c->principals[i].name))
			return &c->principals[i];
	return NULL;
}

int
config_channel_find(const struct config *c, struct slice name)
{
	for (size_t i = 0; i < c->n_channels; i++)
		if (slice_is(name, c->channels[i].name))
			return (int) i;
	return -1;
}

bool
config_principal_in(const struct config_principal *p, struct slice group)
{
	size_t low = 0, high = p->n_groups;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(p->groups[mid], group);

		if (c == 0)
			return true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static void
wipe(const char *secret)
{
	if (secret)
		secret_wipe((void *) (uintptr_t) secret, strlen(secret));
}

void
config_wipe(struct config *c)
{
	for (size_t i = 0; i < c->n_targets; i++)
		wipe(c->targets[i].password), wipe(c->targets[i].password_at);
	for (size_t i = 0; i < c->n_principals; i++)
		wipe(c->principals[i].key);
	for (size_t i = 0; i < c->n_channels; i++) {
		wipe(c->channels[i].url);
		wipe(c->channels[i].secret);
	}
	*c = (struct config){0};
}
