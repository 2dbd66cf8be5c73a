/* What the network is called and told: pure. Names derive from conf.instance; the dash cannot be part of an instance's
 * name, so that no installation's "fn-v*" covers another's links. */
#ifndef FN_NODE_NETWORK_TEXT_H
#define FN_NODE_NETWORK_TEXT_H

#include "base/conf.h"

enum { SLOT_MAX = 65000, LINK_NAME = 16, ADDRESS_TEXT = 16, NETNS_PATH = 64 };

/* "fn-v5", the host's end of slot 5's veth; "fn-gw", the link that has link_address, and "fn-gx", its other end. */
void network_link_name(const struct conf *c, int slot, char out[LINK_NAME]);
void network_gateway_link(const struct conf *c, char which /* 'w' or 'x' */, char out[LINK_NAME]);

/* subnet + slot; false when conf.subnet is not an IPv4 address that ends in ".0.0". */
bool network_slot_address(const struct conf *c, int slot, char out[ADDRESS_TEXT]);

/* The slot that a link or netns name of this installation stands for; 0 for any other name. */
int network_slot_of_link(const struct conf *c, const char *link);
int network_slot_of_netns(const struct conf *c, const char *netns);

/* Input of `nft -f -`: replaces the installation's table in one transaction. */
char *network_ruleset(const struct conf *c, struct arena *a);

/* Input of `ip -batch -`, each fine to repeat. What all instances share: */
char *network_shared_batch(const struct conf *c, bool have_link, struct arena *a);
/* run in the slot's netns; host_pid: any process in the host's netns, where the peer is put (0: the veth is there already) */
char *network_inside_batch(const struct conf *c, int slot, pid_t host_pid, struct arena *a);
/* run in the host's netns, after the other */
char *network_outside_batch(const struct conf *c, int slot, struct arena *a);

/* dnsmasq's configuration file. */
char *network_dns_config(const struct conf *c, struct arena *a);

#endif
