#include "node/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "node/daemon.h"
#include "node/gateway_cli.h"
#include "node/gateway_config.h"
#include "node/gateway_routes.h"
#include "node/gateway_sockets.h"
#include "node/gateway_stats.h"

enum { SOCKET_MS = 2000, STALE_MS = 1000, FILE_MAX = 64 << 20, THREADS_MOST = 8 };

struct gateway {
	struct loop *loop;
	const struct conf *conf;
	struct arena arena;
	gateway_changed_fn *changed;
	void *ctx;
	int dirfd; /* FN_HOME/gateway */
	struct gateway_sockets sockets;
	struct daemon_spec spec;
	struct daemon *daemon;
	int probe; /* a question to a HAProxy that is starting; -1: none */
	bool up;   /* it answered */
	bool known; /* its maps are the ones below, but for address entries that nothing names any more */
	json_t *routes; /* NULL: never set */
	struct map hosts, addresses;
	uint64_t stale_timer;
};

static int64_t soon(void) { return clock_mono_ms() + SOCKET_MS; }

/* Files: the description counts, the maps are what HAProxy loads when it starts. */

static enum err_class write_map(const struct gateway *g, const char *name, const struct map *m, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
	AUTO_FREE char *path = xprintf("%s/gateway/%s", g->conf->home, name);
	map_text(m, &text);
	if (text.overflow)
		return err_set(e, INVALID, R_TooLarge, "the routes need more than %d bytes", FILE_MAX);
	return fs_write_atomic(path, buf_str(&text), text.len, 0600, false, e);
}

static enum err_class write_maps(const struct gateway *g, const struct map *hosts, const struct map *addresses, struct err *e)
{
	enum err_class c = write_map(g, ADDRESSES_MAP, addresses, e);
	return c ? c : write_map(g, HOSTS_MAP, hosts, e);
}

static enum err_class write_routes(const struct gateway *g, const json_t *routes, struct err *e)
{
	AUTO_FREE char *path = xprintf("%s/gateway/routes.json", g->conf->home);
	AUTO_FREE char *text = json_text(routes);
	return fs_write_atomic(path, text, strlen(text), 0600, true, e);
}

/* A description that cannot be read is put aside: without one the gateway answers 503 until the routes are set again. */
static enum err_class read_routes(struct gateway *g, struct err *e)
{
	const char *path = conf_path(g->conf, &g->arena, "gateway/routes.json");
	if (!fs_exists(path))
		return write_maps(g, &g->hosts, &g->addresses, e);
	AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
	enum err_class c = fs_read(path, &text, e);
	if (!c)
		c = json_parse(buf_str(&text), text.len, &g->routes, e);
	if (!c)
		c = gateway_make_maps(g->conf, g->routes, &g->hosts, &g->addresses, e);
	if (c == INVALID) {
		json_decref(g->routes);
		g->routes = NULL;
		map_release(&g->hosts);
		map_release(&g->addresses);
		if (rename(path, conf_path(g->conf, &g->arena, "gateway/routes.json.bad")) != 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "put %s aside", path);
		c = OK;
	}
	return c ? c : write_maps(g, &g->hosts, &g->addresses, e);
}

/* Telling HAProxy. */

/* An entry too many whose key nothing names. A second entry of a key that is in use is something else: HAProxy's `del map` takes
 * every entry of a key, so that one may only be mended by replacing the map. */
static bool is_stale(const struct gateway *g, const struct map_change *c)
{
	return c->kind == MAP_DEL && !map_has(&g->addresses, c->key);
}

/* Asks for both maps; *ret_same says whether they are ours. Address entries that nothing names are left to remove_stale. */
static enum err_class compare(const struct gateway *g, int64_t until, bool *ret_same, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_MAP struct map hosts = {0};
	AUTO_MAP struct map addresses = {0};
	enum err_class c = cli_read_map(g->dirfd, HOSTS_MAP, until, &hosts, e);
	if (!c)
		c = cli_read_map(g->dirfd, ADDRESSES_MAP, until, &addresses, e);
	if (c)
		return c;
	struct map_change *changes;
	bool same = map_diff(&hosts, &g->hosts, &a, &changes) == 0;
	size_t n = map_diff(&addresses, &g->addresses, &a, &changes);
	for (size_t i = 0; i < n; i++)
		same = same && g->stale_timer && is_stale(g, &changes[i]);
	*ret_same = same;
	return OK;
}

/* Addresses first: no request may see a host whose addresses are missing. */
static enum err_class replace_both(struct gateway *g, int64_t until, struct err *e)
{
	enum err_class c = cli_replace_map(g->dirfd, ADDRESSES_MAP, &g->addresses, until, e);
	if (!c)
		c = cli_replace_map(g->dirfd, HOSTS_MAP, &g->hosts, until, e);
	g->known = c == OK;
	return c;
}

static enum err_class mend(struct gateway *g, bool *ret_mended, struct err *e)
{
	int64_t until = soon();
	bool same = false;
	enum err_class c = compare(g, until, &same, e);
	g->known = c == OK && same;
	if (!c && !same)
		c = replace_both(g, until, e);
	if (!c)
		*ret_mended = !same;
	return c;
}

static void remove_stale(void *ctx)
{
	struct gateway *g = ctx;
	g->stale_timer = 0;
	if (!g->up || !g->known)
		return; /* a map that is loaded or replaced as a whole has nothing stale */
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_MAP struct map now = {0};
	struct err ignored = ERR_INIT; /* what stays is seen and mended by gateway_repair */
	if (cli_read_map(g->dirfd, ADDRESSES_MAP, soon(), &now, &ignored) != OK)
		return;
	struct map_change *changes;
	size_t n = map_diff(&now, &g->addresses, &a, &changes), stale = 0;
	while (stale < n && is_stale(g, &changes[stale]))
		stale++;
	enum err_class c = stale == n ? cli_change_map(g->dirfd, ADDRESSES_MAP, changes, n, soon(), &ignored)
				      : replace_both(g, soon(), &ignored);
	g->known = c == OK;
}

static int change_order(const void *pa, const void *pb)
{
	const struct map_change *a = pa, *b = pb;
	return (int)a->kind - (int)b->kind;
}

/* From the maps that HAProxy has to the ones in g. New address sets are added before any host names them; old ones go a while
 * later. Hosts: one change is atomic by itself; so are new and dropped names around one switched name of one key, since a name is
 * of no effect on the others. Anything more goes as one commit of the whole map. */
static enum err_class push(struct gateway *g, const struct map *old_hosts, const struct map *old_addresses, size_t nkeys,
			   struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_MAP struct map now = {0};
	int64_t until = soon();
	enum err_class c = OK;
	if (g->stale_timer) { /* a set that comes back may still be there, and adding it again would make it twice */
		c = cli_read_map(g->dirfd, ADDRESSES_MAP, until, &now, e);
		old_addresses = &now;
	}
	if (c)
		return c;
	struct map_change *changes;
	size_t n = map_diff(old_addresses, &g->addresses, &a, &changes), adds = 0;
	for (size_t i = 0; i < n; i++)
		if (changes[i].kind != MAP_DEL)
			changes[adds++] = changes[i];
	if (n > adds && !g->stale_timer)
		g->stale_timer = loop_after(g->loop, STALE_MS, remove_stale, g);
	c = cli_change_map(g->dirfd, ADDRESSES_MAP, changes, adds, until, e);
	if (c)
		return c;
	n = map_diff(old_hosts, &g->hosts, &a, &changes);
	size_t sets = 0;
	for (size_t i = 0; i < n; i++)
		sets += changes[i].kind == MAP_SET;
	if (n > 1 && (nkeys > 1 || sets > 1))
		return cli_replace_map(g->dirfd, HOSTS_MAP, &g->hosts, until, e);
	if (n > 1)
		qsort(changes, n, sizeof *changes, change_order); /* adds, the switch, removals */
	return cli_change_map(g->dirfd, HOSTS_MAP, changes, n, until, e);
}

enum err_class gateway_set(struct gateway *g, const struct gateway_route *routes, size_t n, struct err *e)
{
	AUTO_JSON json_t *next = NULL;
	AUTO_MAP struct map hosts = {0};
	AUTO_MAP struct map addresses = {0};
	enum err_class c = gateway_routes_with(g->conf, g->routes, routes, n, &next, e);
	if (!c)
		c = gateway_make_maps(g->conf, next, &hosts, &addresses, e);
	if (!c)
		c = write_maps(g, &hosts, &addresses, e);
	if (!c)
		c = write_routes(g, next, e);
	if (c)
		return err_wrap(e, "set routes");
	json_decref(g->routes);
	g->routes = json_incref(next);
	AUTO_MAP struct map old_hosts = g->hosts;
	AUTO_MAP struct map old_addresses = g->addresses;
	g->hosts = hosts;
	g->addresses = addresses;
	hosts = addresses = (struct map){0};
	bool was_known = g->known, mended;
	g->known = false;
	if (!g->up)
		return err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy does not run; the routes are kept for its next start");
	c = was_known ? push(g, &old_hosts, &old_addresses, n, e) : mend(g, &mended, e);
	g->known = c == OK;
	return c ? err_wrap(e, "set routes") : OK;
}

enum err_class gateway_repair(struct gateway *g, bool *ret_mended, struct err *e)
{
	AUTO_FREE char *hosts = xprintf("%s/gateway/" HOSTS_MAP, g->conf->home);
	AUTO_FREE char *addresses = xprintf("%s/gateway/" ADDRESSES_MAP, g->conf->home);
	bool files = fs_exists(hosts) && fs_exists(addresses), mended = false;
	enum err_class c = files ? OK : write_maps(g, &g->hosts, &g->addresses, e);
	if (!c && !g->up) {
		c = daemon_check(g->daemon, e);
		c = err_set(e, TRANSIENT, R_GatewayUnavailable, "%s", c ? e->msg : "HAProxy does not run yet");
	}
	if (!c)
		c = mend(g, &mended, e);
	if (!c)
		*ret_mended = mended || !files;
	return c ? err_wrap(e, "repair the gateway") : OK;
}

/* The process. */

static void drop_probe(struct gateway *g)
{
	if (g->probe < 0)
		return;
	loop_unwatch(g->loop, g->probe);
	(void)close(g->probe);
	g->probe = -1;
}

/* It answers: its maps are brought up to date before anybody hears that it is up. */
static void on_answer(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	struct gateway *g = ctx;
	char byte;
	bool answered = recv(g->probe, &byte, 1, 0) == 1;
	drop_probe(g);
	if (!answered)
		return; /* it ended; the next one is asked again */
	bool mended;
	struct err ignored = ERR_INIT; /* known stays false: the next gateway_set or gateway_repair tries again */
	if (mend(g, &mended, &ignored) != OK)
		g->known = false;
	g->up = true;
	g->changed(g->ctx, true);
}

static void on_process(void *ctx, pid_t pid)
{
	struct gateway *g = ctx;
	bool was_up = g->up;
	drop_probe(g);
	g->up = g->known = false;
	struct err ignored = ERR_INIT; /* the socket is ours and listens: only a lack of descriptors can fail, and repair says so */
	if (pid && cli_send(g->dirfd, "show version", &g->probe, &ignored) == OK)
		loop_watch(g->loop, g->probe, EPOLLIN, on_answer, g);
	if (was_up)
		g->changed(g->ctx, false);
}

static void describe(const struct conf *c, struct arena *a, struct daemon_spec *s)
{
	const char **argv = arena_array(a, 5, sizeof *argv);
	argv[0] = "haproxy";
	argv[1] = "-db";
	argv[2] = "-f";
	argv[3] = conf_path(c, a, "gateway/haproxy.cfg");
	*s = (struct daemon_spec){.argv = argv, .user = "haproxy", .dir = conf_path(c, a, "gateway"),
				  .log = conf_path(c, a, "gateway/haproxy.log")};
}

static char *wanted_config(struct gateway *g)
{
	struct rlimit files = {1024, 1024};
	(void)getrlimit(RLIMIT_NOFILE, &files); /* cannot fail; the limit stays where it is: raising it is the machine's business */
	cpu_set_t cpus;
	int threads = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	return gateway_config(g->conf, threads < THREADS_MOST ? threads : THREADS_MOST, gateway_maxconn(files.rlim_max), &g->arena);
}

/* A running HAProxy with this configuration and these sockets is taken over. Any other finishes the requests it has (SIGUSR1)
 * while a new one, on the same sockets where they fit, takes all further ones. */
static enum err_class start_process(struct gateway *g, struct err *e)
{
	const char *path = g->spec.argv[3], *want = wanted_config(g);
	AUTO_BUF struct buf have = BUF_INIT(1 << 20);
	struct err ignored = ERR_INIT; /* absent or unreadable is as good as different */
	bool same = fs_read(path, &have, &ignored) == OK && strcmp(buf_str(&have), want) == 0;
	enum err_class c = same ? OK : fs_write_atomic(path, want, strlen(want), 0600, false, e);
	if (c)
		return c;
	AUTO_CLOSE int pidfd = -1;
	bool runs = daemon_find(&g->spec, &pidfd) != 0;
	bool sockets = runs && gateway_sockets_adopt(g->conf, pidfd, &g->sockets);
	bool adopt = same && sockets;
	if (adopt) { /* its runtime socket must still be found by name */
		AUTO_CLOSE int fd = -1;
		adopt = cli_send(g->dirfd, "show version", &fd, &ignored) == OK;
	}
	if (runs && !adopt) {
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0U); /* ended already: fine */
		if (g->sockets.fds[2] >= 0)
			(void)close(g->sockets.fds[2]); /* the old one would go on answering there */
		g->sockets.fds[2] = -1;
	}
	c = gateway_sockets_open(g->conf, g->dirfd, &g->sockets, e);
	if (c)
		return c;
	g->spec.pass = g->sockets.fds;
	g->spec.npass = ARRAY_LEN(g->sockets.fds);
	g->daemon = daemon_new(g->loop, &g->spec, on_process, g);
	return daemon_start(g->daemon, adopt, e);
}

static enum err_class check_conf(const struct conf *c, struct err *e)
{
	struct in_addr in;
	if (inet_pton(AF_INET, c->listen, &in) != 1 || inet_pton(AF_INET, c->link_address, &in) != 1)
		return err_set(e, INVALID, R_InvalidValue, "listen and link_address must be IPv4 addresses");
	size_t n = strspn(c->domain, "abcdefghijklmnopqrstuvwxyz0123456789-.");
	if (n == 0 || c->domain[n] || c->domain[0] == '.' || c->domain[n - 1] == '.')
		return err_set(e, INVALID, R_InvalidValue, "domain must be of a-z, 0-9, '-' and '.', not \"%s\"", c->domain);
	if (c->home[strcspn(c->home, " \t\"'\\$#")])
		return err_set(e, INVALID, R_InvalidValue, "FN_HOME must not hold spaces, quotes, \\, $ or #: \"%s\"", c->home);
	return OK;
}

static enum err_class open_files(struct gateway *g, struct err *e)
{
	const char *dir = conf_path(g->conf, &g->arena, "gateway");
	enum err_class c = fs_mkdirs(conf_path(g->conf, &g->arena, "gateway/empty"), 0755, e);
	if (c)
		return c;
	if (chmod(dir, 0700) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "chmod %s", dir);
	g->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (g->dirfd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "open %s", dir);
	return read_routes(g, e);
}

enum err_class gateway_open(struct loop *l, const struct conf *c, gateway_changed_fn *changed, void *ctx, struct gateway **ret,
			    struct err *e)
{
	enum err_class class = check_conf(c, e);
	if (class)
		return class;
	struct gateway *g = xcalloc(1, sizeof *g);
	*g = (struct gateway){.loop = l, .conf = c, .changed = changed, .ctx = ctx, .dirfd = -1,
			      .sockets = GATEWAY_SOCKETS_INIT, .probe = -1};
	describe(c, &g->arena, &g->spec);
	class = open_files(g, e);
	if (!class)
		class = start_process(g, e);
	if (class) {
		gateway_free(g);
		return err_wrap(e, "gateway");
	}
	*ret = g;
	return OK;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	loop_cancel(g->loop, g->stale_timer);
	drop_probe(g);
	daemon_free(g->daemon);
	gateway_sockets_close(&g->sockets);
	if (g->dirfd >= 0)
		(void)close(g->dirfd);
	json_decref(g->routes);
	map_release(&g->hosts);
	map_release(&g->addresses);
	arena_release(&g->arena);
	free(g);
}

bool gateway_up(const struct gateway *g, pid_t *ret_pid)
{
	if (g->up && ret_pid)
		*ret_pid = daemon_pid(g->daemon);
	return g->up;
}

json_t *gateway_routes(struct gateway *g, const char *key)
{
	json_t *list = json_array(), *route;
	const char *name;
	json_object_foreach(g->routes, name, route) {
		if (key && strcmp(key, name) != 0)
			continue;
		json_t *shown = json_copy(route);
		json_object_set_new(shown, "loaded", json_boolean(g->up && g->known));
		json_array_append_new(list, shown);
	}
	return list;
}

void gateway_each_member(struct gateway *g, gateway_member_fn *fn, void *ctx)
{
	const char *key;
	json_t *route, *name;
	size_t k;
	json_object_foreach(g->routes, key, route) {
		const json_t *served;
		for (size_t i = 0; (served = gateway_served_at(route, i)) != NULL; i++) {
			const json_t *addresses = json_object_get(served, "addresses");
			if (json_array_size(json_object_get(served, "hosts")) == 0)
				continue; /* nothing leads there */
			json_array_foreach(json_object_get(served, "instances"), k, name) {
				const char *text = json_string_value(name), *address = json_string_value(json_array_get(addresses, k));
				if (text && address)
					fn(ctx, text, address);
			}
		}
	}
}

/* NULL when HAProxy does not answer. key NULL: the whole table. */
static json_t *read_table(struct gateway *g, const char *table, const char *key)
{
	AUTO_BUF struct buf answer = BUF_INIT(FILE_MAX);
	AUTO_FREE char *line = xprintf("show table %s%s%s", table, key ? " key " : "", key ? key : "");
	struct err ignored = ERR_INIT; /* the callers have a value for "not known" */
	bool answered = g->up && cli_call(g->dirfd, line, soon(), &answer, &ignored) == OK;
	return answered ? gateway_parse_table(buf_str(&answer)) : NULL;
}

int64_t gateway_open_requests(struct gateway *g, const char *address)
{
	if (!gateway_address_valid(address))
		return -1;
	AUTO_JSON json_t *table = read_table(g, INSTANCE_TABLE, address);
	return table ? json_int_or(json_object_get(table, address), "open", 0) : -1;
}

json_t *gateway_stats(struct gateway *g)
{
	json_t *releases = read_table(g, RELEASE_TABLE, NULL), *instances = read_table(g, INSTANCE_TABLE, NULL), *all = json_object();
	bool complete = releases && instances;
	json_object_set_new(all, "complete", json_boolean(complete));
	json_object_set_new(all, "releases", releases ? releases : json_object());
	json_object_set_new(all, "instances", instances ? instances : json_object());
	return all;
}

enum err_class gateway_teardown(const struct conf *c, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct daemon_spec s;
	describe(c, &a, &s);
	enum err_class class = daemon_kill(&s, e);
	if (!class && unlink(conf_path(c, &a, "gateway/admin.sock")) != 0 && errno != ENOENT)
		class = err_errno(e, errno, TRANSIENT, R_Internal, "remove the runtime socket");
	return class ? err_wrap(e, "gateway teardown") : OK;
}
