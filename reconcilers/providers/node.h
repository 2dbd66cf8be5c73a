/* The client of fn-node (docs/reference/node-protocol.md): runtime driver and gateway in one, since one node owns both. */
#ifndef FN_PROVIDERS_NODE_H
#define FN_PROVIDERS_NODE_H

#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"

struct node; /* one thread at a time; reconnects by itself at the next call */

struct node_opts {
	const char *socket;  /* FN_HOME/run/node.sock */
	int64_t call_ms;     /* deadline of one call, 5 s */
};
struct node *node_new(const struct node_opts *o);
void node_free(struct node *n);

/* Who asks: the work key and its lease's epoch. fn-node refuses an epoch below the highest it saw for the key with
 * CONFLICT StaleEpoch. */
struct fence {
	const char *key;
	int64_t epoch;
};

struct instance_spec {
	const char *name;         /* "<first 12 hex digits of the release's id>-<slot>" */
	const char *release;      /* release id */
	const char *environment;  /* "project/environment": decides the uid range */
	struct digest image;      /* manifest digest; all blobs are in the cache */
	const char *const *command; /* NULL-terminated; empty: the image's */
	const char *const *env;   /* NULL-terminated NAME=value */
	int port;
	int64_t memory_bytes, cpu_millis, pids;
	const char *health_path;  /* NULL: TCP */
	int64_t health_interval_ms, health_timeout_ms, health_deadline_ms, health_failures;
};

enum instance_state { INST_STARTING, INST_READY, INST_UNHEALTHY, INST_BACKOFF, INST_FAILED, INST_STOPPING, INST_GONE };

struct instance {
	const char *name, *key, *release;
	enum instance_state state;
	const char *address; /* "10.214.0.5:8080" */
	int restarts, exit_code;
	const char *reason, *message; /* of the last failure, with the last log lines; "" when none */
	int64_t since_ms;             /* wall clock of the last change of state */
};

/* Hosts of a release's own, "hello--r2.dev…", beside those of its key. */
struct route_beside {
	const char *release;
	const char *const *hosts;     /* NULL-terminated, at least one */
	const char *const *instances; /* NULL-terminated names */
	int64_t timeout_ms;
};

struct route {
	const char *key, *release;
	int64_t epoch;
	const char *const *hosts;     /* NULL-terminated */
	const char *const *instances; /* NULL-terminated names; the node knows their addresses */
	int64_t timeout_ms;
	const struct route_beside *beside;
	size_t nbeside;
	bool loaded; /* the gateway has it, with all that is beside it */
};

struct node_view {
	struct instance *instances;
	size_t ninstances;
	struct route *routes;
	size_t nroutes;
	bool gateway_up;
};

const char *instance_state_name(enum instance_state s);

/* Starts name unless it runs already; returns at once. A different spec under the same name is CONFLICT. */
enum err_class node_ensure(struct node *n, const struct fence *f, const struct instance_spec *s, struct err *e) MUST_USE;

/* Drains up to drain_ms, then stops and forgets; absent names are fine. Returns at once. */
enum err_class node_stop(struct node *n, const struct fence *f, const char *const *names, size_t count, int64_t drain_ms,
			 struct err *e) MUST_USE;

/* Everything of one key, or of all with key NULL. Complete or an error, never partial. Lives in the arena. */
enum err_class node_list(struct node *n, const char *key, struct arena *a, struct node_view *ret, struct err *e) MUST_USE;

/* One atomic switch of any number of routes, acknowledged by the gateway when this returns OK. No hosts and nothing beside: the route is
 * removed. With something beside, hosts may be empty and release "": nothing serves yet under the key's own names. */
struct route_switch {
	struct fence fence;
	struct route route; /* its key and epoch are not used */
};
enum err_class node_route(struct node *n, const struct route_switch *switches, size_t count, struct err *e) MUST_USE;

/* Log lines of one instance from *offset on (0: the last `tail` lines); *offset moves to the end. New reference to an array
 * of {"at","stream","text"}. */
enum err_class node_logs(struct node *n, const char *name, int64_t tail, int64_t *offset, json_t **ret, struct err *e) MUST_USE;

/* Removes unpacked layers (by diff id) that no instance uses and keep does not name. */
struct node_freed {
	int64_t count, bytes;
};
enum err_class node_collect_layers(struct node *n, const struct fence *f, const struct digest *keep, size_t nkeep, struct node_freed *ret,
				   struct err *e) MUST_USE;

/* Collects the garbage of the registry that the same supervisor runs: stop, collect, start. Returns at once; ask again with the same id
 * until it is over. Another id starts anew once the last one is over. */
enum collect_state { COLLECT_NO_REGISTRY, COLLECT_RUNNING, COLLECT_DONE, COLLECT_FAILED };
struct registry_collection {
	enum collect_state state;
	int64_t freed_bytes;   /* COLLECT_DONE: what the registry's directory became smaller */
	const char *message;   /* COLLECT_FAILED: why; in the arena */
};
enum err_class node_collect_registry(struct node *n, const struct fence *f, const char *id, struct arena *a, struct registry_collection *ret,
				     struct err *e) MUST_USE;

/* {"version","runtime","instances","gateway",…}: new reference. */
enum err_class node_ping(struct node *n, json_t **ret, struct err *e) MUST_USE;

/* Turns the connection into a stream of events for the waiter thread: *ret_fd becomes readable; node_watch_next gives
 * the key of the next event in the arena ("" for the gateway: any route may be concerned), or NULL when there is none
 * yet. An error: watch again (and look at everything). Only for a node that makes no other calls. */
enum err_class node_watch(struct node *n, int *ret_fd, struct err *e) MUST_USE;
enum err_class node_watch_next(struct node *n, struct arena *a, const char **ret_key, struct err *e) MUST_USE;

#endif
