/* The instances of this node: started, watched, restarted, stopped. The state of each is kept on the private tmpfs, so that the next
 * fn-node adopts what this one leaves. */
#ifndef FN_NODE_INSTANCES_H
#define FN_NODE_INSTANCES_H

#include "base/conf.h"
#include "base/json.h"
#include "node/environments.h"
#include "node/gateway.h"
#include "node/layers.h"
#include "node/loop.h"
#include "node/network.h"
#include "node/runtime.h"

struct instances;
struct instance;

/* What instances need of the others; all outlive them. */
struct instances_deps {
	struct loop *loop;
	const struct conf *conf;
	struct network *network;
	struct gateway *gateway;
	struct runtime *runtime;
	struct layers *layers;
	struct environments *environments;
	json_t *seccomp;
	const char *blobs;   /* FN_HOME/cache/blobs/sha256 */
	const char *bundles; /* on the tmpfs */
	const char *states;  /* on the tmpfs */
	const char *logs;    /* on disk */
};

/* Called after each change of an instance's state; "gone" when it is forgotten. */
typedef void instances_changed_fn(void *ctx, const char *key, const char *name, const char *state);

struct instances *instances_new(const struct instances_deps *d, instances_changed_fn *changed, void *ctx);
void instances_free(struct instances *s); /* forgets; everything goes on running */

/* Takes over what is in the state directory: running ones are watched, dead ones restarted, half-made ones made again. Also holds
 * the addresses that routes point to. Once, before any other call. */
void instances_adopt(struct instances *s);

/* Starts an instance unless it is there. *ret_state: its state. CONFLICT BadRequest for another spec (or key) under the name, or
 * one that is being stopped; INVALID for a bad spec; TRANSIENT NoCapacity. Failures after this are the instance's state. */
enum err_class instances_ensure(struct instances *s, const char *key, const json_t *spec, const char **ret_state, struct err *e)
	MUST_USE;

/* Begins to stop an instance of this key; unknown is fine. CONFLICT BadRequest for one of another key. */
enum err_class instances_stop(struct instances *s, const char *key, const char *name, int64_t drain_ms, struct err *e) MUST_USE;

/* New reference: an array, of one key or all (NULL). */
json_t *instances_list(const struct instances *s, const char *key);
size_t instances_count(const struct instances *s);

/* "ip:port" of an instance, in the arena; NULL when there is none, or it is being stopped. */
const char *instances_address(const struct instances *s, const char *name, struct arena *a);

/* Call after routes changed: addresses that only old routes held become free. */
void instances_routes_changed(struct instances *s);

/* Every few seconds: old logs and layers go. */
void instances_tidy(struct instances *s);

/* Removes the layers that no instance uses, is being started with, or was started with by an fn-node before in a way that is not
 * known any more, and that keep does not name. Sorts keep. */
struct layers_freed instances_collect_layers(struct instances *s, struct digest *keep, size_t n);

/* For runtime_open(). */
void instances_on_exit(void *instances, const char *name, int status);

#endif
