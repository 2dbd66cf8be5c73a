/* Commands on HAProxy's runtime socket. Each call is one connection; until is on clock_mono_ms. Whatever goes wrong is
 * TRANSIENT GatewayUnavailable. */
#ifndef FN_NODE_GATEWAY_CLI_H
#define FN_NODE_GATEWAY_CLI_H

#include "node/gateway_map.h"

/* Makes the listening runtime socket admin.sock in dirfd anew, for HAProxy to inherit. */
enum err_class cli_listen(int dirfd, int *ret_fd, struct err *e) MUST_USE;

/* Sends one line and gives back the connected socket: readable when HAProxy answers. */
enum err_class cli_send(int dirfd, const char *line, int *ret_fd, struct err *e) MUST_USE;

/* The whole answer to one line. */
enum err_class cli_call(int dirfd, const char *line, int64_t until, struct buf *answer, struct err *e) MUST_USE;

/* What HAProxy has in a map now, sorted, into the empty *m. */
enum err_class cli_read_map(int dirfd, const char *name, int64_t until, struct map *m, struct err *e) MUST_USE;

/* Single changes, in their order, many to a line; each takes effect by itself. */
enum err_class cli_change_map(int dirfd, const char *name, const struct map_change *changes, size_t n, int64_t until,
			      struct err *e) MUST_USE;

/* The whole map at once: prepared beside the one in use, then put in its place in one step. */
enum err_class cli_replace_map(int dirfd, const char *name, const struct map *m, int64_t until, struct err *e) MUST_USE;

#endif
