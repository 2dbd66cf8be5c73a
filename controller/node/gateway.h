/* The gateway: HAProxy as a child of fn-node, programmed over its runtime socket. fn-node opens the two listening sockets
 * (listen:gateway_port and link_address:gateway_port) and keeps them open, so a dying HAProxy refuses no connection; it outlives
 * fn-node, and the next fn-node adopts it (pidfd_getfd gives the sockets back).
 *
 * Two maps: host -> release, instances, timeout; one of them by chance -> address (gateway_map.h). Map files are written before the
 * socket is told. Not loaded: 503; unknown host: 404 that says so; no instance answers within about 5 s: 503. A request's
 * timeout is silence of the function: 504 before the answer began; a stream or WebSocket goes on. */
#ifndef FN_NODE_GATEWAY_H
#define FN_NODE_GATEWAY_H

#include "base/conf.h"
#include "base/json.h"
#include "node/loop.h"

struct gateway;

/* Adopts a running HAProxy of this installation or starts one, restarts it when it dies, with the routes last set. up is
 * called on each change (for the watchers). Routes survive in FN_HOME/gateway (routes.json; the map
 * files are made from it). */
typedef void gateway_changed_fn(void *ctx, bool up);
enum err_class gateway_open(struct loop *l, const struct conf *c, gateway_changed_fn *changed, void *ctx, struct gateway **ret,
			    struct err *e) MUST_USE;
void gateway_free(struct gateway *g); /* forgets; HAProxy goes on */
bool gateway_up(const struct gateway *g, pid_t *ret_pid /* or NULL */);

/* A release and the hosts it is reached at. Addresses are "ip:port". */
struct gateway_served {
	const char *release;
	const char *const *hosts;     /* full names, "hello.dev.fn.localhost"; also answers as *.fn.internal */
	const char *const *names;     /* instance names, kept for list */
	const char *const *addresses; /* same order as names */
	size_t nhosts, ninstances;
	int64_t timeout_ms;
};

/* One key's route, whole: its own hosts, and those of releases beside it ("hello--r2.dev…"). No hosts and nothing beside: removed.
 * Without hosts of its own main's release may be "". */
struct gateway_route {
	const char *key; /* "target/default/hello/dev" */
	int64_t epoch;
	struct gateway_served main;
	const struct gateway_served *beside;
	size_t nbeside;
};

/* Applies all in one atomic map commit, durably, or none. Blocks for some milliseconds at most (deadline 2 s on the
 * socket); TRANSIENT GatewayUnavailable when HAProxy does not take them (they are written and load at its next start: the caller
 * tries again until it is acknowledged). */
enum err_class gateway_set(struct gateway *g, const struct gateway_route *routes, size_t n, struct err *e) MUST_USE;

/* Compares HAProxy's maps with what was set and mends them; *ret_mended says whether anything was wrong. */
enum err_class gateway_repair(struct gateway *g, bool *ret_mended, struct err *e) MUST_USE;

/* New reference: the routes as `list` shows them (node-protocol.md), of one key or all (NULL). */
json_t *gateway_routes(struct gateway *g, const char *key);

/* Calls fn for each instance that a route leads to, those beside a key's own included. */
typedef void gateway_member_fn(void *ctx, const char *name, const char *address);
void gateway_each_member(struct gateway *g, gateway_member_fn *fn, void *ctx);

/* Open requests on an address now (stick table conn_cur); -1 when HAProxy does not answer. */
int64_t gateway_open_requests(struct gateway *g, const char *address);

/* New reference: {"complete":true,"releases":{"<release>":{"requests","client_errors","failures","open"}},"instances":
 * {"<address>":{…}}}. Counted since HAProxy's start; not complete when it did not answer. failures are answers 5xx that a
 * function gave or that were given for it (504, 502). */
json_t *gateway_stats(struct gateway *g);

/* Synchronous, for `fn-node teardown`: ends HAProxy of this installation, whoever started it. */
enum err_class gateway_teardown(const struct conf *c, struct err *e) MUST_USE;

#endif
