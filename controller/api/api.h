/* The HTTP API (docs/reference/api.md): a unix socket for root and the configured user, a loopback port for whoever holds the token.
 *
 * One thread a connection (libmicrohttpd). Handlers borrow a store from a pool of API_STORES; streams hold none between two polls. */
#ifndef FN_API_API_H
#define FN_API_API_H

#include "base/conf.h"
#include "base/json.h"
#include "manifests/manifest.h"
#include "schema/store.h"

enum {
	API_STORES = 8,              /* connections to the database at most */
	API_STORE_WAIT_MS = 2000,    /* for one of them; then 503 */
	API_CONNECTIONS = 256,       /* on each listener */
	API_CONNECTIONS_ADDRESS = 64,/* from one address */
	API_STREAMS = 96,            /* event and log streams among them */
	API_IDLE_S = 30,
	API_BODY_MAX = 8 << 20,      /* apply and plan */
	API_UPLOAD_MAX = 256 << 20,
	API_HEADER_MAX = 64 << 10    /* request line and headers together */
};

struct api_opts {
	const struct conf *conf; /* outlives the API */
	const char *version;

	/* Called after a commit that enqueued work. May be NULL. */
	void (*hint)(void *ctx);
	void *hint_ctx;

	/* What the loop would do: *ret_steps is a new reference to an array parallel to docs of arrays of sentences. Runs inside the
	 * transaction that holds the documents and will be rolled back. An error is reported beside the diff. May be NULL. */
	enum err_class (*plan)(void *ctx, struct store *s, const struct manifest *const *docs, size_t n, struct arena *a, json_t **ret_steps, struct err *e);
	void *plan_ctx;

	/* What else must be there for /readyz (node, registry). Called from many threads. May be NULL. */
	enum err_class (*ready)(void *ctx, struct err *e);
	void *ready_ctx;

	int64_t heartbeat_ms; /* of a stream that has nothing to say; 0: 15 s */
};

struct api;

/* Creates the token and the socket where missing, listens and answers. INVALID InvalidValue when the port is taken or the token's file is open to
 * others; TRANSIENT otherwise. */
enum err_class api_start(const struct api_opts *o, struct api **ret, struct err *e) MUST_USE;

/* Ends streams and waits for requests under way. NULL is fine. */
void api_stop(struct api *a);

#endif
