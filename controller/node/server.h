/* fn-node's socket: frames, peers, watchers (docs/reference/node-protocol.md). What the commands do is ops.c. */
#ifndef FN_NODE_SERVER_H
#define FN_NODE_SERVER_H

#include <sys/types.h>

#include "base/json.h"
#include "node/loop.h"

struct server;

/* Fills answer (an object) or fails; must not block. */
typedef enum err_class server_handle_fn(void *ctx, const json_t *request, json_t *answer, struct err *e);

/* Listens on path, mode 0660 and group gid; takes it over from a process that is gone (the caller holds the installation's lock).
 * Only root and uid may connect. */
enum err_class server_open(struct loop *l, const char *path, uid_t uid, gid_t gid, server_handle_fn *handle, void *ctx,
			   struct server **ret, struct err *e) MUST_USE;
void server_free(struct server *s);

/* To every connection that sent `watch`; one that does not read is closed. */
void server_broadcast(struct server *s, const json_t *event);

#endif
