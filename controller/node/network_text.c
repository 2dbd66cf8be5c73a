#include "node/network_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void network_link_name(const struct conf *c, int slot, char out[LINK_NAME])
{
	(void)snprintf(out, LINK_NAME, "%.6s-v%d", c->instance, slot); /* 6 + 2 + 5 characters at most */
}

void network_gateway_link(const struct conf *c, char which, char out[LINK_NAME])
{
	(void)snprintf(out, LINK_NAME, "%.6s-g%c", c->instance, which);
}

bool network_slot_address(const struct conf *c, int slot, char out[ADDRESS_TEXT])
{
	struct in_addr base;
	if (inet_pton(AF_INET, c->subnet, &base) != 1 || (ntohl(base.s_addr) & 0xffff) != 0)
		return false;
	struct in_addr at = {htonl(ntohl(base.s_addr) + (uint32_t)slot)};
	return inet_ntop(AF_INET, &at, out, ADDRESS_TEXT) != NULL;
}

/* name = instance + infix + decimal without leading zero */
static int slot_of(const struct conf *c, const char *infix, const char *name)
{
	size_t n = strlen(c->instance), m = strlen(infix);
	if (strncmp(name, c->instance, n) != 0 || strncmp(name + n, infix, m) != 0)
		return 0;
	const char *digits = name + n + m;
	size_t len = strspn(digits, "0123456789");
	if (len == 0 || len > 5 || digits[len] || digits[0] == '0')
		return 0;
	long slot = strtol(digits, NULL, 10);
	return slot <= SLOT_MAX ? (int)slot : 0;
}

int network_slot_of_link(const struct conf *c, const char *link) { return slot_of(c, "-v", link); }
int network_slot_of_netns(const struct conf *c, const char *netns) { return slot_of(c, "-", netns); }

/* Stateless on purpose: connection tracking would cover the whole host's traffic, and a full table drops requests. A packet
 * that opens no connection (no SYN without ACK) is an answer to the host, or nothing that a socket takes. The host always speaks
 * to instances from link_address (the route's src), so nothing else of the host is ever addressed by one. */
char *network_ruleset(const struct conf *c, struct arena *a)
{
	const char *i = c->instance, *link = c->link_address;
	return arena_printf(a,
			    "table inet %s\n"
			    "delete table inet %s\n"
			    "table inet %s {\n"
			    "\tchain prerouting {\n"
			    "\t\ttype filter hook prerouting priority raw; policy accept;\n"
			    "\t\tiifname \"%s-v*\" meta nfproto ipv6 drop\n"
			    "\t\tiifname \"%s-v*\" fib saddr . iif oif missing drop\n"
			    "\t}\n"
			    "\tchain input {\n"
			    "\t\ttype filter hook input priority filter - 1; policy accept;\n"
			    "\t\tiifname \"%s-v*\" jump instance\n"
			    "\t\tiifname != \"lo\" ip daddr %s drop\n"
			    "\t}\n"
			    "\tchain instance {\n"
			    "\t\tip daddr != %s drop\n"
			    "\t\ttcp flags & (syn | ack) != syn accept\n"
			    "\t\ttcp dport { 53, %d } accept\n"
			    "\t\tudp dport 53 accept\n"
			    "\t\tdrop\n"
			    "\t}\n"
			    "\tchain forward {\n"
			    "\t\ttype filter hook forward priority filter - 1; policy accept;\n"
			    "\t\tiifname \"%s-v*\" drop\n"
			    "\t\toifname \"%s-v*\" drop\n"
			    "\t}\n"
			    "}\n",
			    i, i, i, i, i, i, link, link, c->gateway_port, i, i);
}

/* A veth pair rather than a dummy link: instances need veth anyway, while some kernels come without dummy. The unreachable
 * route makes connecting to an instance that is gone fail at once instead of leaving through the default route. */
char *network_shared_batch(const struct conf *c, bool have_link, struct arena *a)
{
	char gw[LINK_NAME], gx[LINK_NAME];
	network_gateway_link(c, 'w', gw);
	network_gateway_link(c, 'x', gx);
	const char *add = have_link ? "" : arena_printf(a, "link add %s type veth peer name %s\n", gw, gx);
	return arena_printf(a,
			    "%s"
			    "link set %s up\n"
			    "link set %s up\n"
			    "addr replace %s/32 dev %s\n"
			    "route replace unreachable %s/16 metric 20000\n",
			    add, gx, gw, c->link_address, gw, c->subnet);
}

/* Fixed addresses with permanent neighbours on both ends: no ARP to wait for, to spoof or to be configured away. */
static const char *mac(struct arena *a, bool host, int slot)
{
	return arena_printf(a, "02:66:6e:%02x:%02x:%02x", host ? 1 : 0, (unsigned)slot >> 8, (unsigned)slot & 0xff);
}

char *network_inside_batch(const struct conf *c, int slot, pid_t host_pid, struct arena *a)
{
	char link[LINK_NAME], address[ADDRESS_TEXT] = "";
	network_link_name(c, slot, link);
	(void)network_slot_address(c, slot, address); /* the subnet was checked when the network was opened */
	const char *add = "";
	if (host_pid)
		add = arena_printf(a, "link add name eth0 address %s type veth peer name %s address %s netns %d\n",
				   mac(a, false, slot), link, mac(a, true, slot), (int)host_pid);
	return arena_printf(a,
			    "%s"
			    "link set lo up\n"
			    "link set eth0 up\n"
			    "addr replace %s/32 dev eth0\n"
			    "neigh replace %s lladdr %s dev eth0 nud permanent\n"
			    "route replace default via %s dev eth0 onlink\n",
			    add, address, c->link_address, mac(a, true, slot), c->link_address);
}

char *network_outside_batch(const struct conf *c, int slot, struct arena *a)
{
	char link[LINK_NAME], address[ADDRESS_TEXT] = "";
	network_link_name(c, slot, link);
	(void)network_slot_address(c, slot, address); /* as above */
	return arena_printf(a,
			    "link set %s up\n"
			    "neigh replace %s lladdr %s dev %s nud permanent\n"
			    "route replace %s/32 dev %s src %s\n",
			    link, address, mac(a, false, slot), link, address, link, c->link_address);
}

char *network_dns_config(const struct conf *c, struct arena *a)
{
	return arena_printf(a,
			    "port=53\n"
			    "listen-address=%s\n"
			    "bind-interfaces\n"
			    "no-resolv\n"
			    "no-hosts\n"
			    "no-poll\n"
			    "cache-size=0\n"
			    "user=dnsmasq\n"
			    "pid-file=\n"
			    "log-facility=-\n"
			    "address=/fn.internal/%s\n"
			    "local=/fn.internal/\n"
			    "local=/#/\n",
			    c->link_address, c->link_address);
}
