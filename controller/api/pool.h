/* A bounded pool of stores for the API's threads. */
#ifndef FN_API_POOL_H
#define FN_API_POOL_H

#include "schema/store.h"

struct pool;
struct pool *pool_new(const char *conninfo, size_t max);
void pool_free(struct pool *p); /* every store has been given back */

/* TRANSIENT OutOfResources when none is free within wait_ms or the pool is closed. */
enum err_class pool_take(struct pool *p, int64_t wait_ms, struct store **ret, struct err *e) MUST_USE;
void pool_give(struct pool *p, struct store *s); /* rolls an open transaction back; NULL is fine */
void pool_close(struct pool *p); /* nobody waits any longer */

#endif
