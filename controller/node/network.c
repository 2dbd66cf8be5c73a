#include "node/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "node/daemon.h"
#include "node/network_netns.h"
#include "node/network_text.h"

enum { TOOL_MS = 5000, SLOT_MS = 15000, RULES_MAX = 65536 };

struct network {
	struct loop *loop;
	const struct conf *conf;
	struct arena arena;
	bool taken[SLOT_MAX + 1];
	int last;    /* slots are given in turn, so that an address rests before it is used again */
	char *rules; /* the table as nft lists it when it is whole */
	struct daemon_spec dns_spec;
	struct daemon *dns;
};

static char *table_text(const struct conf *c, struct err *e)
{
	struct buf out = BUF_INIT(RULES_MAX);
	enum err_class class =
		proc_run((const char *const[]){"nft", "list", "table", "inet", c->instance, NULL}, NULL, TOOL_MS, &out, e);
	if (class) {
		buf_release(&out);
		return NULL;
	}
	return out.p ? out.p : xstrdup("");
}

static enum err_class load_rules(struct network *n, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	enum err_class class = proc_run((const char *const[]){"nft", "-f", "-", NULL}, network_ruleset(n->conf, &a), TOOL_MS,
					NULL, e);
	if (class)
		return err_wrap(e, "nftables table of %s", n->conf->instance);
	char *text = table_text(n->conf, e);
	if (!text)
		return e->class;
	free(n->rules);
	n->rules = text;
	return OK;
}

static bool rules_whole(const struct network *n)
{
	struct err ignored = ERR_INIT; /* gone or unreadable: loaded again, and that error counts */
	AUTO_FREE char *now = table_text(n->conf, &ignored);
	return now && n->rules && strcmp(now, n->rules) == 0;
}

static bool shared_link_whole(const struct conf *c)
{
	char gw[LINK_NAME];
	network_gateway_link(c, 'w', gw);
	struct ifaddrs *all;
	if (getifaddrs(&all) != 0)
		return false;
	bool found = false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || strcmp(i->ifa_name, gw) != 0)
			continue;
		struct sockaddr_in sa;
		memcpy(&sa, i->ifa_addr, sizeof sa);
		char text[INET_ADDRSTRLEN];
		found = (i->ifa_flags & IFF_UP) && inet_ntop(AF_INET, &sa.sin_addr, text, sizeof text) &&
			strcmp(text, c->link_address) == 0;
	}
	freeifaddrs(all);
	return found;
}

static enum err_class make_shared_link(const struct conf *c, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	char gw[LINK_NAME];
	network_gateway_link(c, 'w', gw);
	const char *batch = network_shared_batch(c, if_nametoindex(gw) != 0, &a);
	enum err_class class = proc_run((const char *const[]){"ip", "-batch", "-", NULL}, batch, TOOL_MS, NULL, e);
	return class ? err_wrap(e, "link %s", gw) : OK;
}

static void on_dns(void *ctx, pid_t pid)
{
	(void)ctx; /* the daemon is started again by itself; network_repair reports one that does not stay */
	(void)pid;
}

static void describe_dns(const struct conf *c, struct arena *a, struct daemon_spec *s)
{
	const char **argv = arena_array(a, 4, sizeof *argv);
	argv[0] = "dnsmasq";
	argv[1] = "--keep-in-foreground";
	argv[2] = arena_printf(a, "--conf-file=%s/node/dnsmasq.conf", c->home);
	*s = (struct daemon_spec){.argv = argv, .user = "dnsmasq", .log = conf_path(c, a, "node/dnsmasq.log")};
}

/* A running one keeps its old configuration until it ends; when that differs it is ended here. */
static enum err_class open_dns(struct network *n, struct err *e)
{
	const char *path = conf_path(n->conf, &n->arena, "node/dnsmasq.conf");
	const char *text = network_dns_config(n->conf, &n->arena);
	AUTO_BUF struct buf old = BUF_INIT(65536);
	struct err ignored = ERR_INIT; /* absent or unreadable is as good as different */
	bool same = fs_read(path, &old, &ignored) == OK && strcmp(buf_str(&old), text) == 0;
	describe_dns(n->conf, &n->arena, &n->dns_spec);
	enum err_class class = OK;
	if (!same)
		class = fs_write_atomic(path, text, strlen(text), 0644, false, e);
	if (!class && !same)
		class = daemon_kill(&n->dns_spec, e);
	if (class)
		return class;
	n->dns = daemon_new(n->loop, &n->dns_spec, on_dns, n);
	return daemon_start(n->dns, true, e);
}

static enum err_class check_conf(const struct conf *c, struct err *e)
{
	char address[ADDRESS_TEXT];
	struct in_addr in;
	if (!network_slot_address(c, 1, address))
		return err_set(e, INVALID, R_InvalidValue, "subnet must be an IPv4 /16 such as 10.214.0.0, not \"%s\"", c->subnet);
	if (inet_pton(AF_INET, c->link_address, &in) != 1)
		return err_set(e, INVALID, R_InvalidValue, "link_address must be an IPv4 address, not \"%s\"", c->link_address);
	size_t n = strspn(c->instance, "abcdefghijklmnopqrstuvwxyz0123456789");
	if (n == 0 || n > 6 || c->instance[n])
		return err_set(e, INVALID, R_InvalidValue, "instance must be 1 to 6 of a-z0-9, not \"%s\"", c->instance);
	return OK;
}

enum err_class network_open(struct loop *l, const struct conf *c, struct network **ret, struct err *e)
{
	enum err_class class = check_conf(c, e);
	if (class)
		return class;
	struct network *n = xcalloc(1, sizeof *n);
	n->loop = l;
	n->conf = c;
	class = fs_mkdirs(conf_path(c, &n->arena, "node"), 0755, e);
	if (!class)
		class = netns_prepare(e);
	if (!class)
		class = make_shared_link(c, e);
	if (!class)
		class = load_rules(n, e);
	if (!class)
		class = open_dns(n, e);
	if (class) {
		network_free(n);
		return err_wrap(e, "network");
	}
	*ret = n;
	return OK;
}

void network_free(struct network *n)
{
	if (!n)
		return;
	daemon_free(n->dns);
	free(n->rules);
	arena_release(&n->arena);
	free(n);
}

enum err_class network_repair(struct network *n, struct err *e)
{
	enum err_class class = shared_link_whole(n->conf) ? OK : make_shared_link(n->conf, e);
	if (!class && !rules_whole(n))
		class = load_rules(n, e);
	if (!class)
		class = daemon_check(n->dns, e);
	return class ? err_wrap(e, "network") : OK;
}

enum err_class network_take_slot(struct network *n, int *ret_slot, struct err *e)
{
	for (int tried = 0; tried < SLOT_MAX; tried++) {
		n->last = n->last % SLOT_MAX + 1;
		if (n->taken[n->last])
			continue;
		n->taken[n->last] = true;
		*ret_slot = n->last;
		return OK;
	}
	return err_set(e, TRANSIENT, R_NoCapacity, "all %d addresses of %s/16 are in use", SLOT_MAX, n->conf->subnet);
}

void network_hold_slot(struct network *n, int slot)
{
	if (slot >= 1 && slot <= SLOT_MAX)
		n->taken[slot] = true;
}

void network_release_slot(struct network *n, int slot)
{
	if (slot >= 1 && slot <= SLOT_MAX)
		n->taken[slot] = false;
}

void network_address(const struct network *n, int slot, char out[16])
{
	(void)network_slot_address(n->conf, slot, out); /* the subnet was checked when the network was opened */
}

void network_netns_path(const struct network *n, int slot, char out[64])
{
	(void)snprintf(out, NETNS_PATH, "/run/netns/%.6s-%d", n->conf->instance, slot);
}

struct slot_job {
	const struct conf *conf;
	int slot;
	pid_t host_pid;
	bool up;
	network_done_fn *done;
	void *ctx;
};

/* In a child: what it prints is the error. */
static int run_slot_job(void *arg)
{
	const struct slot_job *j = arg;
	struct err e = ERR_INIT;
	enum err_class class = j->up ? netns_up(j->conf, j->slot, j->host_pid, &e) : netns_down(j->conf, j->slot, &e);
	if (!class)
		return 0;
	struct err lost = ERR_INIT; /* the exit status still tells */
	if (fs_write_all(STDOUT_FILENO, e.msg, strlen(e.msg), &lost) != OK)
		return 2;
	return 1;
}

static void on_slot_job(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	AUTO_FREE struct slot_job *j = ctx;
	struct err e = ERR_INIT;
	if (status != 0)
		(void)err_set(&e, TRANSIENT, R_Internal, "network of slot %d %s: %s", j->slot, j->up ? "up" : "down",
			      output->len ? buf_str(output) : "it did not end in time");
	j->done(j->ctx, status ? &e : NULL);
}

static enum err_class start_slot_job(struct network *n, int slot, bool up, network_done_fn *done, void *ctx, struct err *e)
{
	if (slot < 1 || slot > SLOT_MAX)
		return err_set(e, BUG, R_Internal, "there is no slot %d", slot);
	struct slot_job *j = xcalloc(1, sizeof *j);
	*j = (struct slot_job){n->conf, slot, getpid(), up, done, ctx};
	enum err_class class = loop_fork(n->loop, run_slot_job, j, SLOT_MS, on_slot_job, j, e);
	if (class)
		free(j);
	return class;
}

enum err_class network_up(struct network *n, int slot, network_done_fn *done, void *ctx, struct err *e)
{
	return start_slot_job(n, slot, true, done, ctx, e);
}

enum err_class network_down(struct network *n, int slot, network_done_fn *done, void *ctx, struct err *e)
{
	return start_slot_job(n, slot, false, done, ctx, e);
}

/* Every slot that has a namespace or a link, whoever made it. */
static enum err_class down_all(const struct conf *c, struct err *e)
{
	enum err_class class = OK;
	DIR *d = opendir("/run/netns");
	for (struct dirent *ent; !class && d && (ent = readdir(d)) != NULL;) {
		int slot = network_slot_of_netns(c, ent->d_name);
		class = slot ? netns_down(c, slot, e) : OK;
	}
	if (d)
		(void)closedir(d);
	struct if_nameindex *links = if_nameindex();
	for (const struct if_nameindex *i = links; !class && i && i->if_name; i++) {
		int slot = network_slot_of_link(c, i->if_name);
		class = slot ? netns_down(c, slot, e) : OK;
	}
	if_freenameindex(links);
	return class;
}

static enum err_class remove_shared(const struct conf *c, struct err *e)
{
	char gw[LINK_NAME];
	network_gateway_link(c, 'w', gw);
	enum err_class class = OK;
	if (if_nametoindex(gw) != 0)
		class = proc_run((const char *const[]){"ip", "link", "del", gw, NULL}, NULL, TOOL_MS, NULL, e);
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *subnet = arena_printf(&a, "%s/16", c->subnet);
	const char *const del_route[] = {"ip", "route", "del", "unreachable", subnet, "metric", "20000", NULL};
	struct err ignored = ERR_INIT; /* absent is fine, and `ip` says so only in words */
	if (!class && proc_run(del_route, NULL, TOOL_MS, NULL, &ignored) == TRANSIENT && strcmp(ignored.reason, "Timeout") == 0)
		class = err_set(e, TRANSIENT, R_Timeout, "%s", ignored.msg);
	if (class)
		return class;
	const char *rules = arena_printf(&a, "table inet %s\ndelete table inet %s\n", c->instance, c->instance);
	return proc_run((const char *const[]){"nft", "-f", "-", NULL}, rules, TOOL_MS, NULL, e);
}

enum err_class network_teardown(const struct conf *c, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct daemon_spec dns;
	describe_dns(c, &a, &dns);
	enum err_class class = daemon_kill(&dns, e);
	if (!class)
		class = down_all(c, e);
	if (!class)
		class = remove_shared(c, e);
	return class ? err_wrap(e, "network teardown") : OK;
}
