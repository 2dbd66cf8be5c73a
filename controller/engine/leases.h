/* The leases that this controller's workers hold, kept alive while their passes run: a step may take longer than a lease (a push over a slow
 * line), and a key that two workers push at once is pushed by neither. */
#ifndef FN_ENGINE_LEASES_H
#define FN_ENGINE_LEASES_H

#include "schema/store.h"

struct leases; /* from any thread */

struct leases *leases_new(size_t slots);
void leases_free(struct leases *l);

/* A pass begins and ends; a worker has a slot. */
void leases_take(struct leases *l, size_t slot, const struct lease *lease);
void leases_give(struct leases *l, size_t slot);

/* A pass that takes longer than this is stuck: its lease runs out and another worker tries. */
enum { PASS_MAX_MS = 30 * 60 * 1000 };

/* Extends what is held to lease_ms from now. A lease that was lost or has just ended is nobody's business here: the pass's next write is
 * told of it. */
enum err_class leases_extend(struct leases *l, struct store *s, int64_t lease_ms, struct err *e) MUST_USE;

#endif
