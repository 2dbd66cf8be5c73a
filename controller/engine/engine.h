/* The loop: worker threads claim keys and run passes; one waiter thread listens (NOTIFY, the node, children, time) and only wakes. */
#ifndef FN_ENGINE_ENGINE_H
#define FN_ENGINE_ENGINE_H

#include "reconcilers/reconciler.h"

struct engine;

struct engine_opts {
	const struct conf *conf;
	const char *owner;               /* stable name of this controller: its new incarnation frees the leases of the old one */
	struct artifacts *artifacts;     /* shared by all workers */
	const struct cache *cache;
	const char *build_program;       /* fn-build, absolute */
	struct registry_opts registry;   /* each worker opens its own */
	struct node_opts node;
	int64_t lease_ms;                /* 60 s */
	int64_t resync_ms;               /* 10 s */
};

/* Starts conf->workers workers and the waiter. */
enum err_class engine_start(const struct engine_opts *o, struct engine **ret, struct err *e) MUST_USE;

/* Something was enqueued: look now. From any thread. */
void engine_hint(struct engine *en);

/* Ends after the passes under way; joins and frees. */
void engine_stop(struct engine *en);

/* Runs one pass of r (NULL: nothing reconciles such a key) for a claimed key and ends its lease. *ret_waits is set when the key has a time to come back at. What the pass came to is in the
 * records; the class is about the lease: OK, CONFLICT (it was taken over), or TRANSIENT (it may still be held). For engine.c and tests. */
enum err_class pass_run(struct pass *p, const struct reconciler *r, const struct lease *lease, bool *ret_waits) MUST_USE;

#endif
