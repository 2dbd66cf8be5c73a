/* One health check of an instance: a TCP connection, or GET path answered with 200 to 399. */
#ifndef FN_NODE_HEALTH_H
#define FN_NODE_HEALTH_H

#include "node/loop.h"

struct probe;

/* Calls done once, later, unless cancelled. why says what was wrong, "" when nothing. After an answer the rest of it is still read
 * (up to 64 KiB, up to the timeout), because a program that is cut off while it answers complains in its log; the probe frees
 * itself. */
typedef void probe_done_fn(void *ctx, bool healthy, const char *why);
struct probe *probe_start(struct loop *l, const char *ip, int port, const char *path /* NULL: TCP */, int64_t timeout_ms,
			  probe_done_fn *done, void *ctx);
void probe_cancel(struct probe *p); /* before done was called; NULL is fine */

#endif
