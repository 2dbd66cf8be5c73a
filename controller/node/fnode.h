/* fn-node as a whole: its parts and what its commands do. */
#ifndef FN_NODE_FNODE_H
#define FN_NODE_FNODE_H

#include "base/version.h"
#include "node/epochs.h"
#include "node/instances.h"
#include "node/registry_gc.h"
#include "node/server.h"

struct fnode {
	struct arena arena;
	struct conf conf;
	struct loop *loop;
	struct network *network;
	struct gateway *gateway;
	struct runtime *runtime;
	struct layers *layers;
	struct environments *environments;
	struct epochs *epochs;
	struct instances *instances;
	struct registry_gc *registry_gc;
	struct server *server;
	json_t *seccomp;
	unsigned ticks;
	char complaint[512]; /* the last one of the periodic repair, so that it is logged once */
};

/* Directories of an installation, relative to FN_HOME. RUN_NODE is a tmpfs of its own. */
#define RUN_NODE "run/node"
#define RUN_BUNDLES RUN_NODE "/b"
#define RUN_STATES RUN_NODE "/i"
#define RUN_RUNTIME RUN_NODE "/r"
#define RUN_EXITS RUN_NODE "/x"
#define RUN_PROBE RUN_NODE "/probe"
#define NODE_LOCK "node/lock"

/* One process of an installation at a time. CONFLICT BadRequest when another still runs after wait_ms. */
enum err_class fnode_lock(const struct conf *c, int64_t wait_ms, int *ret_fd, struct err *e) MUST_USE;

/* server_handle_fn; ctx is a struct fnode. */
enum err_class fnode_handle(void *ctx, const json_t *request, json_t *answer, struct err *e);

/* Until SIGTERM; instances and HAProxy go on. */
enum err_class fnode_serve(const struct conf *c, struct err *e) MUST_USE;

/* Ends and removes everything of an installation but its data. */
enum err_class fnode_teardown(const struct conf *c, struct err *e) MUST_USE;

#endif
