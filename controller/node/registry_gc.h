/* Garbage collection of the registry that the same supervisor runs (FN_HOME/sv/registry): stopped, collected, started, in child
 * processes. docker-registry must not run meanwhile: it would not know of what goes, and what is being pushed would go, too.
 *
 * The registry always comes up again. Before it is stopped a marker is written beside fn-node's state; it goes when the registry was
 * told to start. Whoever finds it makes up for that: this process when the child has ended, however, or the next fn-node. */
#ifndef FN_NODE_REGISTRY_GC_H
#define FN_NODE_REGISTRY_GC_H

#include "base/conf.h"
#include "base/json.h"
#include "node/loop.h"

enum { REGISTRY_GC_ID_MAX = 64 };

struct registry_gc;

/* Brings the registry up first where an fn-node before this one ended with it stopped. Both outlive it. */
struct registry_gc *registry_gc_new(struct loop *l, const struct conf *c);
void registry_gc_free(struct registry_gc *g);

/* Begins a collection unless one is under way, or this id's is over already, and tells the state into *answer: "state" none (no such
 * registry), running, done ("freed_bytes") or failed ("message"). The id only tells collections apart; a token (node_token_valid). */
void registry_gc_ask(struct registry_gc *g, const char *id, json_t *answer);

#endif
