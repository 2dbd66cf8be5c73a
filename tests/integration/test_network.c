/* Instances' network on real parts: veth, nftables, dnsmasq. */
#include "node_env.h"

#include <dirent.h>
#include <net/if.h>

#include "node/daemon.h"
#include "node/network.h"

enum { DENIED_MS = 300, ANSWER_MS = 5000, SERVICE = 18088, FORGED = 40000 };

static int set_up(void **state)
{
	struct node_env *t = xcalloc(1, sizeof *t);
	env_open(t);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct node_env *t = *state;
	struct err e = ERR_INIT;
	must(network_teardown(&t->conf, &e), e);
	env_close(t);
	free(t);
	return 0;
}

struct done {
	bool called;
	struct err err;
};

static void on_done(void *ctx, const struct err *error)
{
	struct done *d = ctx;
	d->called = true;
	d->err = error ? *error : (struct err)ERR_INIT;
}

static bool is_done(void *ctx) { return ((struct done *)ctx)->called; }

static void up(struct node_env *t, struct network *n, int slot)
{
	struct done d = {false, ERR_INIT};
	struct err e = ERR_INIT;
	must(network_up(n, slot, on_done, &d, &e), e);
	assert_false(d.called);
	env_wait_for(t, "network_up", is_done, &d, 10000);
	assert_string_equal(d.err.msg, "");
}

static void down(struct node_env *t, struct network *n, int slot)
{
	struct done d = {false, ERR_INIT};
	struct err e = ERR_INIT;
	must(network_down(n, slot, on_done, &d, &e), e);
	env_wait_for(t, "network_down", is_done, &d, 10000);
	assert_string_equal(d.err.msg, "");
}

static struct network *open_network(struct node_env *t)
{
	struct network *n;
	struct err e = ERR_INIT;
	must(network_open(t->loop, &t->conf, &n, &e), e);
	return n;
}

struct target {
	const char *ip;
	int port;
};

static int connects(void *arg)
{
	const struct target *to = arg;
	int fd = env_connect(to->ip, to->port, DENIED_MS);
	return fd >= 0 ? 0 : -fd;
}

static int serve(void *arg)
{
	const struct target *at = arg;
	int fd = env_listen(at->ip, at->port);
	if (fd < 0)
		return 1;
	for (;;) {
		int c = accept(fd, NULL, NULL);
		if (c >= 0)
			(void)close(c);
	}
}

struct reach {
	const char *ip;
	int port;
};

static bool reachable(void *arg)
{
	const struct reach *r = arg;
	int fd = env_connect(r->ip, r->port, 100);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static void a_slot_comes_and_goes_without_a_trace(void **state)
{
	struct node_env *t = *state;
	struct network *n = open_network(t);
	struct err e = ERR_INIT;
	int slot;
	must(network_take_slot(n, &slot, &e), e);
	char ip[16], path[64], link[32];
	network_address(n, slot, ip);
	network_netns_path(n, slot, path);
	(void)snprintf(link, sizeof link, "%s-v%d", t->instance, slot);
	up(t, n, slot);
	assert_true(if_nametoindex(link) != 0);
	struct target inside = {"0.0.0.0", 8080};
	pid_t server = env_start(path, serve, &inside);
	struct reach r = {ip, 8080};
	env_wait_for(t, "the host reaches the instance", reachable, &r, ANSWER_MS);
	up(t, n, slot); /* already there: the same namespace goes on */
	assert_true(reachable(&r));
	env_stop(server);
	down(t, n, slot);
	down(t, n, slot); /* absent is fine */
	assert_int_equal(if_nametoindex(link), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	int64_t before = clock_mono_ms();
	assert_int_equal(env_connect(ip, 8080, ANSWER_MS), -EHOSTUNREACH);
	assert_true(clock_mono_ms() - before < 1000);
	up(t, n, slot); /* the name is free again at once */
	down(t, n, slot);
	network_free(n);
}

static void a_slot_left_in_pieces_is_mended(void **state)
{
	struct node_env *t = *state;
	struct network *n = open_network(t);
	char ip[16], path[64], link[32];
	network_address(n, 7, ip);
	network_netns_path(n, 7, path);
	(void)snprintf(link, sizeof link, "%s-v%d", t->instance, 7);
	up(t, n, 7);
	env_ip((const char *const[]){"ip", "link", "del", link, NULL}); /* the namespace stays */
	up(t, n, 7);
	AUTO_FREE char *name = xprintf("%s-7", t->instance);
	struct target inside = {"0.0.0.0", 8080};
	pid_t server = env_start(path, serve, &inside); /* holds the namespace and its end of the link */
	struct reach r = {ip, 8080};
	env_wait_for(t, "served", reachable, &r, ANSWER_MS);
	env_ip((const char *const[]){"ip", "netns", "del", name, NULL}); /* the link stays, with no name to its other end */
	assert_true(if_nametoindex(link) != 0);
	up(t, n, 7);
	server = (env_stop(server), env_start(path, serve, &inside));
	env_wait_for(t, "served in the new namespace", reachable, &r, ANSWER_MS);
	env_stop(server);
	down(t, n, 7);
	network_free(n);
}

static void set_forwarding(const char *value)
{
	int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC); /* of this test's own namespace */
	assert_true(fd >= 0 && write(fd, value, 1) == 1);
	(void)close(fd);
}

static void an_instance_reaches_the_gateway_and_nothing_else(void **state)
{
	struct node_env *t = *state;
	struct network *n = open_network(t);
	struct err e = ERR_INIT;
	char path1[64], path2[64], ip2[16];
	network_netns_path(n, 1, path1);
	network_netns_path(n, 2, path2);
	network_address(n, 2, ip2);
	up(t, n, 1);
	up(t, n, 2);
	set_forwarding("1");
	struct target any = {"0.0.0.0", SERVICE}, gateway = {t->conf.link_address, t->conf.gateway_port}, app = {"0.0.0.0", 8080};
	pid_t service = env_start(NULL, serve, &any), front = env_start(NULL, serve, &gateway), peer = env_start(path2, serve, &app);
	struct reach up1 = {"127.0.0.1", SERVICE}, up2 = {gateway.ip, gateway.port}, up3 = {ip2, 8080};
	env_wait_for(t, "service", reachable, &up1, ANSWER_MS);
	env_wait_for(t, "gateway", reachable, &up2, ANSWER_MS);
	env_wait_for(t, "neighbour", reachable, &up3, ANSWER_MS);

	struct target host = {t->conf.link_address, SERVICE}, neighbour = {ip2, 8080}, outside = {"192.0.2.55", 80};
	assert_int_equal(env_in(path1, connects, &gateway), 0);
	assert_int_equal(env_in(path1, connects, &host), ETIMEDOUT);
	assert_int_equal(env_in(path1, connects, &neighbour), ETIMEDOUT);
	assert_int_not_equal(env_in(path1, connects, &outside), 0);

	/* Without the table both would be open: it is what holds, and repair puts it back. */
	env_ip((const char *const[]){"nft", "delete", "table", "inet", t->instance, NULL});
	assert_int_equal(env_in(path1, connects, &host), 0);
	assert_int_equal(env_in(path1, connects, &neighbour), 0);
	must(network_repair(n, &e), e);
	assert_int_equal(env_in(path1, connects, &host), ETIMEDOUT);
	assert_int_equal(env_in(path1, connects, &neighbour), ETIMEDOUT);
	/* A rule taken out of it counts as missing too. */
	env_ip((const char *const[]){"nft", "flush", "chain", "inet", t->instance, "forward", NULL});
	assert_int_equal(env_in(path1, connects, &neighbour), 0);
	must(network_repair(n, &e), e);
	assert_int_equal(env_in(path1, connects, &neighbour), ETIMEDOUT);
	assert_int_equal(env_in(path1, connects, &gateway), 0);

	env_stop(service);
	env_stop(front);
	env_stop(peer);
	set_forwarding("0");
	down(t, n, 1);
	down(t, n, 2);
	network_free(n);
}

/* DNS by hand: one question; the reply's response code, or NAMES_THE_HOST for an A record with the server's own address. */
struct question {
	const char *server, *name, *from; /* from: source address at port FORGED, NULL for the usual one */
	int type;
};

static size_t make_query(const struct question *q, uint8_t *p)
{
	static const uint8_t head[12] = {0x12, 0x34, 1, 0, 0, 1};
	memcpy(p, head, sizeof head);
	size_t n = sizeof head;
	for (const char *s = q->name; *s;) {
		size_t len = strcspn(s, ".");
		p[n++] = (uint8_t)len;
		memcpy(p + n, s, len);
		n += len;
		s += len + (s[len] == '.');
	}
	p[n++] = 0;
	p[n++] = 0;
	p[n++] = (uint8_t)q->type;
	p[n++] = 0;
	p[n++] = 1;
	return n;
}

static int ask_here(void *arg)
{
	struct question *q = arg;
	uint8_t p[512];
	size_t n = make_query(q, p);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = env_addr(q->server, 53);
	if (q->from) {
		struct sockaddr_in from = env_addr(q->from, FORGED);
		if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
			return 98;
	}
	if (sendto(fd, p, n, 0, (struct sockaddr *)&to, sizeof to) != (ssize_t)n)
		return 97;
	struct pollfd w = {fd, POLLIN, 0};
	if (poll(&w, 1, DENIED_MS) <= 0)
		return 96;
	ssize_t got = recv(fd, p, sizeof p, 0);
	if (got < 12)
		return 95;
	int rcode = p[3] & 15, answers = p[7];
	if (answers == 1 && got >= 4) { /* the address is the record's last four bytes */
		struct in_addr a;
		memcpy(&a, p + got - 4, 4);
		char text[16];
		if (!inet_ntop(AF_INET, &a, text, sizeof text) || strcmp(text, q->server) != 0)
			return 94;
		return 50 + rcode; /* an answer that names the server itself */
	}
	return rcode;
}

enum { NAMES_THE_HOST = 50, NO_DATA = 0, NX_DOMAIN = 3, NO_ANSWER = 96 };

static bool dns_answers(void *arg)
{
	const char *link = arg;
	struct question q = {link, "x.fn.internal", NULL, 1};
	return env_in(NULL, ask_here, &q) == NAMES_THE_HOST;
}

static void names_inside_end_in_fn_internal(void **state)
{
	struct node_env *t = *state;
	struct network *n = open_network(t);
	const char *link = t->conf.link_address;
	char path[64];
	network_netns_path(n, 3, path);
	up(t, n, 3);
	env_wait_for(t, "dnsmasq answers", dns_answers, (void *)(uintptr_t)link, ANSWER_MS);
	struct question a = {link, "hello.dev.fn.internal", NULL, 1}, aaaa = {link, "hello.dev.fn.internal", NULL, 28};
	struct question other = {link, "example.com", NULL, 1}, other6 = {link, "example.com", NULL, 28};
	assert_int_equal(env_in(path, ask_here, &a), NAMES_THE_HOST);
	assert_int_equal(env_in(path, ask_here, &aaaa), NO_DATA);
	assert_int_equal(env_in(path, ask_here, &other), NX_DOMAIN);
	assert_int_equal(env_in(path, ask_here, &other6), NX_DOMAIN);
	struct target tcp = {link, 53};
	assert_int_equal(env_in(path, connects, &tcp), 0);

	down(t, n, 3);
	network_free(n);
}

/* Whether a datagram arrives at port FORGED here; a byte into the pipe says that it is listened for. */
static int hears(void *arg)
{
	const int *ready = arg;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = env_addr("0.0.0.0", FORGED);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || write(*ready, "", 1) != 1)
		return 99;
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, 2 * DENIED_MS) > 0 ? 0 : 1;
}

/* Slot 8 asks in slot 9's name; the answer, if there is one, arrives at slot 9. */
static bool forgery_passes(struct node_env *t, char *path8, char *path9)
{
	struct question q = {t->conf.link_address, "x.fn.internal", "10.213.0.9", 1};
	int ready[2];
	char byte;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t victim = env_start(path9, hears, &ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	assert_int_equal(env_in(path8, ask_here, &q), NO_ANSWER);
	return env_join(victim) == 0;
}

static void a_forged_source_address_is_dropped(void **state)
{
	struct node_env *t = *state;
	struct err e = ERR_INIT;
	struct network *n = open_network(t);
	char path8[64], path9[64];
	network_netns_path(n, 8, path8);
	network_netns_path(n, 9, path9);
	up(t, n, 8);
	up(t, n, 9);
	env_wait_for(t, "dnsmasq answers", dns_answers, (void *)(uintptr_t)t->conf.link_address, ANSWER_MS);
	AUTO_FREE char *name = xprintf("%s-8", t->instance);
	env_ip((const char *const[]){"ip", "-n", name, "addr", "add", "10.213.0.9/32", "dev", "eth0", NULL});
	assert_false(forgery_passes(t, path8, path9));
	env_ip((const char *const[]){"nft", "flush", "chain", "inet", t->instance, "prerouting", NULL});
	assert_true(forgery_passes(t, path8, path9)); /* it is that rule which holds */
	must(network_repair(n, &e), e);
	assert_false(forgery_passes(t, path8, path9));
	down(t, n, 8);
	down(t, n, 9);
	network_free(n);
}

static int has_ipv6(void *arg)
{
	(void)arg;
	char line[256];
	FILE *f = fopen("/proc/self/net/if_inet6", "re");
	return f && fgets(line, sizeof line, f) ? 1 : 0;
}

static void there_is_no_ipv6_inside(void **state)
{
	struct node_env *t = *state;
	struct network *n = open_network(t);
	char path[64];
	network_netns_path(n, 4, path);
	up(t, n, 4);
	assert_int_equal(env_in(path, has_ipv6, NULL), 0);
	down(t, n, 4);
	network_free(n);
}

static pid_t dns_pid(const struct node_env *t)
{
	AUTO_FREE char *conf = xprintf("--conf-file=%s/node/dnsmasq.conf", t->home);
	const char *const argv[] = {"dnsmasq", "--keep-in-foreground", conf, NULL};
	struct daemon_spec s = {.argv = argv, .user = "dnsmasq"};
	return daemon_find(&s, NULL);
}

static void a_successor_takes_everything_over(void **state)
{
	struct node_env *t = *state;
	struct network *n = open_network(t);
	const char *link = t->conf.link_address;
	struct reach r = {"10.213.0.5", 8080};
	struct target inside = {"0.0.0.0", 8080};
	char path[64];
	network_netns_path(n, 5, path);
	up(t, n, 5);
	pid_t server = env_start(path, serve, &inside);
	env_wait_for(t, "dnsmasq answers", dns_answers, (void *)(uintptr_t)link, ANSWER_MS);
	env_wait_for(t, "served", reachable, &r, ANSWER_MS);
	pid_t dns = dns_pid(t);
	assert_true(dns > 0);
	network_free(n);
	assert_true(reachable(&r));
	n = open_network(t);
	assert_int_equal(dns_pid(t), dns);
	assert_true(reachable(&r));
	/* One that ends is started again. */
	assert_int_equal(kill(dns, SIGKILL), 0);
	env_wait_for(t, "dnsmasq answers again", dns_answers, (void *)(uintptr_t)link, ANSWER_MS);
	assert_int_not_equal(dns_pid(t), dns);
	/* So is the address, when somebody takes it away. */
	struct err e = ERR_INIT;
	AUTO_FREE char *gw = xprintf("%s-gw", t->instance);
	env_ip((const char *const[]){"ip", "link", "del", gw, NULL});
	assert_int_equal(env_connect(link, 53, DENIED_MS) >= 0, 0);
	must(network_repair(n, &e), e);
	env_wait_for(t, "dnsmasq on the address again", dns_answers, (void *)(uintptr_t)link, ANSWER_MS);
	env_stop(server);
	down(t, n, 5);
	network_free(n);
}

static int count_named(const char *dir, const char *prefix)
{
	int found = 0;
	DIR *d = opendir(dir);
	for (struct dirent *ent; d && (ent = readdir(d)) != NULL;)
		found += strncmp(ent->d_name, prefix, strlen(prefix)) == 0;
	if (d)
		(void)closedir(d);
	return found;
}

static void teardown_leaves_nothing(void **state)
{
	struct node_env *t = *state;
	struct err e = ERR_INIT;
	struct network *n = open_network(t);
	up(t, n, 11);
	up(t, n, 65000);
	network_free(n);
	AUTO_FREE char *prefix = xprintf("%s-", t->instance);
	assert_int_equal(count_named("/run/netns", prefix), 2);
	must(network_teardown(&t->conf, &e), e);
	must(network_teardown(&t->conf, &e), e); /* absent is fine */
	assert_int_equal(count_named("/run/netns", prefix), 0);
	assert_int_equal(dns_pid(t), 0);
	struct if_nameindex *links = if_nameindex();
	for (const struct if_nameindex *i = links; i && i->if_name; i++)
		assert_true(strncmp(i->if_name, prefix, strlen(prefix)) != 0);
	if_freenameindex(links);
	AUTO_BUF struct buf out = BUF_INIT(65536);
	must(proc_run((const char *const[]){"nft", "list", "ruleset", NULL}, NULL, 5000, &out, &e), e);
	assert_null(strstr(buf_str(&out), t->instance));
	buf_clear(&out);
	must(proc_run((const char *const[]){"ip", "route", "show", "table", "all", NULL}, NULL, 5000, &out, &e), e);
	assert_null(strstr(buf_str(&out), "10.213."));
}

static void slots_are_given_in_turn_until_none_is_left(void **state)
{
	struct node_env *t = *state;
	struct err e = ERR_INIT;
	struct network *n = open_network(t);
	int a, b, c;
	must(network_take_slot(n, &a, &e), e);
	must(network_take_slot(n, &b, &e), e);
	assert_int_not_equal(a, b);
	network_release_slot(n, a);
	must(network_take_slot(n, &c, &e), e);
	assert_int_not_equal(c, a); /* an address rests before it is used again */
	for (int slot = 1; slot <= 65000; slot++)
		network_hold_slot(n, slot);
	assert_int_equal(network_take_slot(n, &c, &e), TRANSIENT);
	assert_string_equal(e.reason, "NoCapacity");
	network_release_slot(n, 4711);
	must(network_take_slot(n, &c, &e), e);
	assert_int_equal(c, 4711);
	network_free(n);
}

static void nonsense_in_the_configuration_is_refused(void **state)
{
	struct node_env *t = *state;
	struct network *n;
	static const struct {
		const char *instance, *subnet, *link;
	} bad[] = {{"fn", "10.214.3.0", "169.254.1.1"}, {"fn", "nonsense", "169.254.1.1"}, {"fn", "10.214.0.0", "::1"},
		   {"fn\"x", "10.214.0.0", "169.254.1.1"}, {"", "10.214.0.0", "169.254.1.1"}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct conf c = t->conf;
		c.instance = bad[i].instance;
		c.subnet = bad[i].subnet;
		c.link_address = bad[i].link;
		struct err e = ERR_INIT;
		assert_int_equal(network_open(t->loop, &c, &n, &e), INVALID);
		assert_string_equal(e.reason, "InvalidValue");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_comes_and_goes_without_a_trace),
		cmocka_unit_test(a_slot_left_in_pieces_is_mended),
		cmocka_unit_test(an_instance_reaches_the_gateway_and_nothing_else),
		cmocka_unit_test(names_inside_end_in_fn_internal),
		cmocka_unit_test(a_forged_source_address_is_dropped),
		cmocka_unit_test(there_is_no_ipv6_inside),
		cmocka_unit_test(a_successor_takes_everything_over),
		cmocka_unit_test(teardown_leaves_nothing),
		cmocka_unit_test(slots_are_given_in_turn_until_none_is_left),
		cmocka_unit_test(nonsense_in_the_configuration_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
