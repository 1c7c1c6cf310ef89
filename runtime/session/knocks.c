/* SPDX-License-Identifier: MIT */
#include "session/knocks.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <pthread.h>
#include <stdlib.h>

enum { PLACES = 4096, NETWORK = 8 };

struct place {
	uint64_t since_ns; /* up to when was forgiven */
	unsigned failures;
};

struct knocks {
	pthread_mutex_t lock;
	uint8_t seed[16];
	struct place places[PLACES];
};

struct knocks *
knocks_new(void)
{
	struct knocks *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	pthread_mutex_init(&k->lock, NULL);
	random_bytes(k->seed, sizeof(k->seed));
	return k;
}

void
knocks_free(struct knocks *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static struct place *
place_of(struct knocks *k, const uint8_t address[16], struct slice principal)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = memcmp(address, mapped, sizeof(mapped)) == 0;
	uint8_t d[SHA256_LEN], from[16] = {0};
	const struct slice parts[] = {slice_of(k->seed, sizeof(k->seed)),
				      slice_of(from, sizeof(from)), principal};

	memcpy(from, address, v4 ? sizeof(from) : NETWORK);
	sha256v(d, parts, COUNT_OF(parts));
	return &k->places[(d[0] | d[1] << 8) % PLACES];
}

uint64_t
knocks_wrong(struct knocks *k, const uint8_t address[16], struct slice principal, uint64_t now_ns,
	     unsigned *failures)
{
	struct place *p;
	uint64_t forgiven = 0, ms = 0;

	pthread_mutex_lock(&k->lock);
	p = place_of(k, address, principal);
	/* Another thread's clock may be a little ahead of this one's. */
	if (now_ns > p->since_ns)
		forgiven = (now_ns - p->since_ns) / (KNOCKS_FORGIVE_S * NS_PER_S);
	if (p->failures == 0 || forgiven >= p->failures) {
		p->failures = 0;
		p->since_ns = now_ns;
	} else {
		p->failures -= (unsigned) forgiven;
		p->since_ns += forgiven * KNOCKS_FORGIVE_S * NS_PER_S;
	}
	if (p->failures < KNOCKS_MAX)
		p->failures++;
	*failures = p->failures;
	pthread_mutex_unlock(&k->lock);
	if (*failures > KNOCKS_FREE)
		ms = (uint64_t) KNOCKS_FIRST_MS << (*failures - KNOCKS_FREE - 1);
	return (ms < KNOCKS_LAST_MS ? ms : KNOCKS_LAST_MS) * NS_PER_MS;
}
