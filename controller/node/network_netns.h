/* Network namespaces under /run/netns, as `ip netns` keeps them. */
#ifndef FN_NODE_NETWORK_NETNS_H
#define FN_NODE_NETWORK_NETNS_H

#include "base/conf.h"

/* Makes /run/netns a shared mount point, so that every mount namespace sees what is mounted below it later. */
enum err_class netns_prepare(struct err *e) MUST_USE;

/* Whole slots, synchronously; both are fine to repeat. netns_up enters the slot's namespace and does not come back:
 * only for a process of its own. host_pid: a process that stays in the host's namespace. */
enum err_class netns_up(const struct conf *c, int slot, pid_t host_pid, struct err *e) MUST_USE;
enum err_class netns_down(const struct conf *c, int slot, struct err *e) MUST_USE;

#endif
