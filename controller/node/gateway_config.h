/* HAProxy's configuration: pure. Descriptors 3 and 4 are the listening sockets, 5 the runtime socket; map files are named relative
 * to its working directory, FN_HOME/gateway. */
#ifndef FN_NODE_GATEWAY_CONFIG_H
#define FN_NODE_GATEWAY_CONFIG_H

#include "base/conf.h"

#define HOSTS_MAP "hosts.map"
#define ADDRESSES_MAP "addresses.map"
#define RELEASE_TABLE "releases"
#define INSTANCE_TABLE "instances"

enum { GATEWAY_FD_LISTEN = 3, GATEWAY_FD_LINK = 4, GATEWAY_FD_ADMIN = 5 };

/* Connections that fit into a limit of open files: each needs two. */
int gateway_maxconn(uint64_t open_files);

char *gateway_config(const struct conf *c, int threads, int maxconn, struct arena *a);

#endif
