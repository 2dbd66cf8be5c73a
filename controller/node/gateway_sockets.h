/* The gateway's three listening sockets, which fn-node holds open so that a dying HAProxy refuses nobody. */
#ifndef FN_NODE_GATEWAY_SOCKETS_H
#define FN_NODE_GATEWAY_SOCKETS_H

#include "base/conf.h"

struct gateway_sockets {
	int fds[3]; /* listen:gateway_port, link_address:gateway_port, runtime socket; in the order HAProxy gets them */
};
#define GATEWAY_SOCKETS_INIT { { -1, -1, -1 } }

/* Gets them back from a running HAProxy. False when they are not what the configuration says (or cannot be had). */
bool gateway_sockets_adopt(const struct conf *c, int pidfd, struct gateway_sockets *s);

/* Makes those that are missing (-1). TRANSIENT Internal naming the address when it is in use. */
enum err_class gateway_sockets_open(const struct conf *c, int dirfd, struct gateway_sockets *s, struct err *e) MUST_USE;

void gateway_sockets_close(struct gateway_sockets *s);

#endif
