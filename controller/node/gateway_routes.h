/* Routes as fn-node keeps them: a JSON object, key -> {"key","epoch","release","hosts","instances","addresses","timeout_ms",
 * "beside":[{"release","hosts","instances","addresses","timeout_ms"}]}, which is also the durable description. A description of
 * an older version has no "beside": nothing is. Pure. */
#ifndef FN_NODE_GATEWAY_ROUTES_H
#define FN_NODE_GATEWAY_ROUTES_H

#include "base/conf.h"
#include "base/json.h"
#include "node/gateway.h"

enum { GATEWAY_HOST_MAX = 256, GATEWAY_INSTANCES_MAX = 10000, GATEWAY_BESIDE_MAX = 64,
       GATEWAY_TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

/* "hello.dev.fn.localhost" or "hello.dev.fn.internal" -> "hello.dev": what the map is keyed by. INVALID InvalidName for a
 * host below neither domain or with anything but a-z, 0-9, '-' and '.'. */
enum err_class gateway_host_label(const struct conf *c, const char *host, char out[GATEWAY_HOST_MAX], struct err *e) MUST_USE;

bool gateway_address_valid(const char *s); /* "10.214.0.5:8080" */

/* A new object with the routes given put into a copy of `routes` (NULL: none yet), or taken out where they have no hosts
 * and nothing beside.
 * Everything is checked, since it ends in HAProxy's command language: INVALID, and nothing is made. */
enum err_class gateway_routes_with(const struct conf *c, const json_t *routes, const struct gateway_route *changes, size_t n,
				   json_t **ret, struct err *e) MUST_USE;

/* What a route serves, one after the other: itself at 0, then what is beside it, of the same members; NULL behind the last. */
const json_t *gateway_served_at(const json_t *route, size_t i);

#endif
