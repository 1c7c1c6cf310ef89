/* SPDX-License-Identifier: MIT
 *
 * The buffers: `hot` of them with the kernel, as few as keep the bytes in L2, because a large
 * ring of cold buffers costs a third more per byte. When the kernel runs out it gets some more;
 * they come back as spares, as soon as it has `hot` again.
 */
#include "io/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Spares beyond this give their pages back. */
enum { SPARE_KEEP = 256 };

static void
pool_give(struct pool *pool, struct iobuf *b)
{
	unsigned mask = pool->br_entries - 1;
	unsigned at = pool->br_tail & mask;
	struct io_uring_buf *slot = &pool->br->bufs[at];

	assert(pool->given < pool->br_entries);
	/* Not the whole struct: the ring's tail lies in the last field of the first one. */
	slot->addr = (uint64_t) (uintptr_t) b->p;
	slot->len = IOBUF_BYTES;
	slot->bid = b->id;
	pool->order[at] = b->id;
	pool->position[b->id] = (uint16_t) at;
	pool->given++;
	pool->br_tail++;
	io_uring_smp_store_release(&pool->br->tail, pool->br_tail);
}

static struct iobuf *
pool_spare(struct ring *r)
{
	struct pool *pool = &r->pool;
	struct iobuf *b = pool->spare;

	if (b) {
		pool->spare = b->next;
		pool->n_spare--;
		b->next = NULL;
		return b;
	}
	if (pool->fresh == pool->max)
		return NULL;
	b = &pool->bufs[pool->fresh];
	b->p = pool->memory + (size_t) pool->fresh * IOBUF_BYTES;
	b->id = (uint16_t) pool->fresh++;
	b->ring = r;
	return b;
}

static void
pool_count_peak(struct ring *r)
{
	unsigned used = iobuf_in_use(r);

	if (used > r->n.buffers_peak)
		r->n.buffers_peak = used;
}

int
pool_init(struct ring *r, unsigned hot, unsigned max)
{
	struct pool *pool = &r->pool;
	struct io_uring_buf_reg reg = {.bgid = BUFFER_GROUP};
	int rc;

	assert(hot > 0 && hot <= max && max <= 32768);
	*pool = (struct pool){.hot = hot, .max = max, .br_entries = 1};
	while (pool->br_entries < max)
		pool->br_entries *= 2;
	pool->br_bytes = pool->br_entries * sizeof(struct io_uring_buf);
	pool->memory = mmap(NULL, (size_t) max * IOBUF_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->memory == MAP_FAILED) {
		pool->memory = NULL;
		return -ENOMEM;
	}
	pool->br = mmap(NULL, pool->br_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	if (pool->br == MAP_FAILED) {
		pool->br = NULL;
		return -ENOMEM;
	}
	pool->bufs = calloc(max, sizeof(*pool->bufs));
	pool->order = calloc(pool->br_entries, sizeof(*pool->order));
	pool->position = calloc(max, sizeof(*pool->position));
	if (!pool->bufs || !pool->order || !pool->position)
		return -ENOMEM;
	reg.ring_addr = (uint64_t) (uintptr_t) pool->br;
	reg.ring_entries = pool->br_entries;
	rc = io_uring_register_buf_ring(&r->uring, &reg, 0);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < hot; i++)
		pool_give(pool, pool_spare(r));
	return 0;
}

void
pool_fini(struct ring *r)
{
	struct pool *pool = &r->pool;

	if (pool->memory)
		munmap(pool->memory, (size_t) pool->max * IOBUF_BYTES);
	if (pool->br)
		munmap(pool->br, pool->br_bytes);
	free(pool->bufs);
	free(pool->order);
	free(pool->position);
}

struct iobuf *
pool_taken(struct ring *r, uint32_t cqe_flags)
{
	struct pool *pool = &r->pool;
	unsigned id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	struct iobuf *b;

	assert(cqe_flags & IORING_CQE_F_BUFFER);
	assert(id < pool->fresh);
	b = &pool->bufs[id];
	assert(b->refs == 0);
	assert(pool->given > 0);
	pool->given--;
	b->refs = 1;
	pool_count_peak(r);
	return b;
}

struct iobuf *
pool_taken_next(struct ring *r, struct iobuf *b)
{
	struct pool *pool = &r->pool;
	unsigned at = (pool->position[b->id] + 1u) & (pool->br_entries - 1);

	return pool_taken(r, (uint32_t) pool->order[at] << IORING_CQE_BUFFER_SHIFT |
				     IORING_CQE_F_BUFFER);
}

bool
pool_grow(struct ring *r)
{
	struct pool *pool = &r->pool;
	unsigned step = pool->hot / 4 ? pool->hot / 4 : 1, n = 0;
	struct iobuf *b;

	/* Several streams meet the same shortage in one turn; the first one's growth serves
	 * them. */
	if (pool->given >= step)
		return true;
	while (n < step && (b = pool_spare(r))) {
		pool_give(pool, b);
		n++;
	}
	r->n.overflow_given += n;
	return pool->given > 0;
}

struct iobuf *
iobuf_new(struct ring *ring)
{
	struct iobuf *b = pool_spare(ring);

	if (!b)
		return NULL;
	assert(b->refs == 0);
	b->refs = 1;
	pool_count_peak(ring);
	return b;
}

void
iobuf_put(struct iobuf *b)
{
	struct ring *r = b->ring;
	struct pool *pool = &r->pool;

	assert(b->refs > 0);
	if (--b->refs > 0)
		return;
	if (pool->given < pool->hot) {
		pool_give(pool, b);
		if (r->starved)
			stream_unstarve(r);
		return;
	}
	if (pool->n_spare >= SPARE_KEEP)
		(void) madvise(b->p, IOBUF_BYTES, MADV_DONTNEED);
	b->next = pool->spare;
	pool->spare = b;
	pool->n_spare++;
}

unsigned
iobuf_in_use(const struct ring *ring)
{
	const struct pool *pool = &ring->pool;

	return pool->fresh - pool->given - pool->n_spare;
}
