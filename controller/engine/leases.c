#include "engine/leases.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct held {
	struct lease lease;
	int64_t since; /* monotonic; 0: nothing is held */
};

struct leases {
	pthread_mutex_t lock;
	size_t n;
	struct held *slots;
};

struct leases *leases_new(size_t slots)
{
	struct leases *l = xcalloc(1, sizeof *l);
	(void)pthread_mutex_init(&l->lock, NULL); /* cannot fail with default attributes */
	l->n = slots;
	l->slots = xcalloc(slots, sizeof *l->slots);
	return l;
}

void leases_free(struct leases *l)
{
	if (!l)
		return;
	(void)pthread_mutex_destroy(&l->lock);
	free(l->slots);
	free(l);
}

static void set(struct leases *l, size_t slot, const struct held *h)
{
	(void)pthread_mutex_lock(&l->lock);
	l->slots[slot] = *h;
	(void)pthread_mutex_unlock(&l->lock);
}

void leases_take(struct leases *l, size_t slot, const struct lease *lease)
{
	const struct held h = {.lease = *lease, .since = clock_mono_ms()};
	set(l, slot, &h);
}

void leases_give(struct leases *l, size_t slot)
{
	const struct held none = {.since = 0};
	set(l, slot, &none);
}

static struct held get(struct leases *l, size_t slot)
{
	(void)pthread_mutex_lock(&l->lock);
	struct held h = l->slots[slot];
	(void)pthread_mutex_unlock(&l->lock);
	return h;
}

enum err_class leases_extend(struct leases *l, struct store *s, int64_t lease_ms, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct held h = get(l, i); /* a copy: nobody waits for the database under the lock */
		if (!h.since || clock_mono_ms() - h.since > PASS_MAX_MS)
			continue;
		enum err_class c = work_extend(s, &h.lease, lease_ms, e);
		if (c && c != CONFLICT)
			return c;
	}
	return OK;
}
