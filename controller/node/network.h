/* The instances' network: one netns and routed /32 veth each, no bridge; one nftables table; one dnsmasq.
 *
 *   netns <instance>-<slot> with eth0; its other end <instance>-v<slot> on the host, reached by a /32 route from link_address
 *   link_address/32 on a link of our own, <instance>-gw (a veth whose other end <instance>-gx is idle): what instances see of the host
 *   nft table inet <instance>: from an instance, with the slot's own source address only, to link_address, tcp gateway_port and
 *     udp/tcp 53; nothing between instances, nothing else to the host, nothing outward (egress policies come later); no IPv6.
 *     Nobody else but the host itself reaches link_address
 *   dnsmasq on link_address:53: *.fn.internal -> link_address, everything else NXDOMAIN
 * The host reaches an instance's address directly (HAProxy, health checks). */
#ifndef FN_NODE_NETWORK_H
#define FN_NODE_NETWORK_H

#include "base/conf.h"
#include "node/loop.h"

struct network;

/* Sets up what all instances share, idempotently: after a crash the existing state is taken over. */
enum err_class network_open(struct loop *l, const struct conf *c, struct network **ret, struct err *e) MUST_USE;
void network_free(struct network *n); /* forgets; leaves everything in place */

/* Puts back what somebody removed (shared link, nft table, dnsmasq); about 4 ms when nothing is missing. */
enum err_class network_repair(struct network *n, struct err *e) MUST_USE;

/* A free slot 1..65000, held until network_release_slot; the address is subnet + slot. NoCapacity when all are taken. */
enum err_class network_take_slot(struct network *n, int *ret_slot, struct err *e) MUST_USE;
void network_hold_slot(struct network *n, int slot); /* on adoption: this one is in use */
void network_release_slot(struct network *n, int slot);
void network_address(const struct network *n, int slot, char out[16]); /* "10.214.0.5" */
void network_netns_path(const struct network *n, int slot, char out[64]); /* "/run/netns/<instance>-5" */

/* Makes the slot's netns, veth, address and routes (5 ms in a child); already there is fine. done's error is NULL on success. */
typedef void network_done_fn(void *ctx, const struct err *error);
enum err_class network_up(struct network *n, int slot, network_done_fn *done, void *ctx, struct err *e) MUST_USE;
/* Removes them; absent is fine. */
enum err_class network_down(struct network *n, int slot, network_done_fn *done, void *ctx, struct err *e) MUST_USE;

/* Synchronous, for `fn-node teardown`: every netns, link, rule, process of this installation goes, whoever made it. */
enum err_class network_teardown(const struct conf *c, struct err *e) MUST_USE;

#endif
