#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "node/fnode.h"
#include "node/syscalls.h"

#define PROFILE "/usr/share/containers/seccomp.json"
#define RUN_OPTIONS "mode=0700,size=512m"
enum { REPAIR_MS = 5000, TIDY_EVERY = 12, LOCK_POLL_MS = 50, TMPFS_MAGIC_NUMBER = 0x01021994 };

enum err_class fnode_lock(const struct conf *c, int64_t wait_ms, int *ret_fd, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *path = conf_path(c, &a, NODE_LOCK);
	enum err_class class = fs_mkdirs(conf_path(c, &a, "node"), 0700, e);
	if (class)
		return class;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", path);
	int64_t until = clock_mono_ms() + wait_ms;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (clock_mono_ms() >= until) {
			(void)close(fd);
			return err_set(e, CONFLICT, R_BadRequest, "another fn-node runs for %s", c->home);
		}
		(void)poll(NULL, 0, LOCK_POLL_MS); /* a lock that another process holds gives no event */
	}
	*ret_fd = fd;
	return OK;
}

/* FN_HOME/run/node: a tmpfs that only root can look into, because bundles hold secrets. */
static enum err_class make_run(const struct conf *c, struct arena *a, struct err *e)
{
	const char *run = conf_path(c, a, "run"), *dir = conf_path(c, a, RUN_NODE);
	struct statfs fs;
	struct stat own, parent;
	enum err_class class = fs_mkdirs(run, 0755, e);
	if (!class)
		class = fs_mkdirs(dir, 0700, e);
	if (class)
		return class;
	if (statfs(dir, &fs) != 0 || stat(dir, &own) != 0 || stat(run, &parent) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "stat %s", dir);
	if (fs.f_type == TMPFS_MAGIC_NUMBER && own.st_dev != parent.st_dev)
		return OK;
	if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, RUN_OPTIONS) != 0 ||
	    mount(NULL, dir, NULL, MS_PRIVATE, NULL) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "mount a tmpfs on %s", dir);
	return OK;
}

static enum err_class make_dirs(struct fnode *n, struct err *e)
{
	static const char *const dirs[] = {RUN_BUNDLES, RUN_STATES, "node/logs"};
	if (strpbrk(n->conf.home, ":,\\ \t\n")) /* they mean something in mount options */
		return err_set(e, INVALID, R_InvalidValue, "FN_HOME must not have blanks, colons, commas or backslashes in it");
	enum err_class c = make_run(&n->conf, &n->arena, e);
	for (size_t i = 0; !c && i < ARRAY_LEN(dirs); i++)
		c = fs_mkdirs(conf_path(&n->conf, &n->arena, dirs[i]), 0700, e);
	return c;
}

/* What happens. */

static void tell_instance(void *ctx, const char *key, const char *name, const char *state)
{
	struct fnode *n = ctx;
	log_event(LOG_INFO, "instance", "name", name, "key", key, "state", state, NULL);
	AUTO_JSON json_t *event = json_pack("{s:s,s:s,s:s,s:s}", "event", "instance", "key", key, "name", name, "state", state);
	if (n->server)
		server_broadcast(n->server, event);
}

static void tell_gateway(void *ctx, bool up)
{
	struct fnode *n = ctx;
	log_event(up ? LOG_INFO : LOG_WARN, "gateway", "state", up ? "up" : "down", NULL);
	AUTO_JSON json_t *event = json_pack("{s:s,s:s}", "event", "gateway", "state", up ? "up" : "down");
	if (n->server)
		server_broadcast(n->server, event);
}

static void on_exit_status(void *ctx, const char *name, int status)
{
	struct fnode *n = ctx;
	if (n->instances)
		instances_on_exit(n->instances, name, status);
}

static void repair(void *ctx)
{
	struct fnode *n = ctx;
	struct err e = ERR_INIT;
	bool mended = false;
	enum err_class c = network_repair(n->network, &e);
	if (!c)
		c = gateway_repair(n->gateway, &mended, &e);
	if (c && strcmp(n->complaint, e.msg) != 0)
		log_err(LOG_WARN, "repair", &e, NULL);
	(void)snprintf(n->complaint, sizeof n->complaint, "%s", c ? e.msg : "");
	if (mended)
		log_event(LOG_WARN, "the gateway's routes were not what was set, and were mended", NULL);
	if (n->ticks++ % TIDY_EVERY == 0)
		instances_tidy(n->instances);
	(void)loop_after(n->loop, REPAIR_MS, repair, n);
}

static void on_signal(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct fnode *n = ctx;
	struct signalfd_siginfo info;
	if (read(fd, &info, sizeof info) > 0)
		loop_stop(n->loop);
}

/* Putting it together. */

static enum err_class open_stores(struct fnode *n, struct err *e)
{
	const struct conf *c = &n->conf;
	struct arena *a = &n->arena;
	const char *layers = conf_path(c, a, "node/layers"), *blobs = conf_path(c, a, "cache/blobs/sha256");
	enum err_class class = epochs_open(conf_path(c, a, "node/epochs"), &n->epochs, e);
	if (!class)
		class = environments_open(conf_path(c, a, "node/environments.json"), c->uid_base, &n->environments, e);
	if (!class)
		class = layers_open(n->loop, layers, blobs, &n->layers, e);
	if (!class && chdir(layers) != 0) /* where the names of layers in mount options begin */
		class = err_errno(e, errno, TRANSIENT, R_Internal, "chdir %s", layers);
	return class;
}

static enum err_class open_runtime(struct fnode *n, struct err *e)
{
	const struct conf *c = &n->conf;
	struct arena *a = &n->arena;
	const struct runtime_dirs dirs = {conf_path(c, a, RUN_RUNTIME), conf_path(c, a, RUN_EXITS), conf_path(c, a, RUN_PROBE)};
	enum err_class class = syscalls_load(PROFILE, &n->seccomp, e);
	if (!class)
		class = runtime_open(n->loop, &dirs, c->cgroup_parent, n->seccomp, on_exit_status, n, &n->runtime, e);
	if (!class)
		log_event(LOG_INFO, "runtime", "runtime", runtime_name(n->runtime), "cgroup", runtime_cgroup_v2() ? "v2" : "v1", NULL);
	return class;
}

static void open_instances(struct fnode *n)
{
	const struct conf *c = &n->conf;
	struct arena *a = &n->arena;
	const struct instances_deps d = {
		.loop = n->loop, .conf = c, .network = n->network, .gateway = n->gateway, .runtime = n->runtime, .layers = n->layers,
		.environments = n->environments, .seccomp = n->seccomp, .blobs = conf_path(c, a, "cache/blobs/sha256"),
		.bundles = conf_path(c, a, RUN_BUNDLES), .states = conf_path(c, a, RUN_STATES), .logs = conf_path(c, a, "node/logs"),
	};
	n->instances = instances_new(&d, tell_instance, n);
	instances_adopt(n->instances);
}

static enum err_class open_all(struct fnode *n, struct err *e)
{
	const struct conf *c = &n->conf;
	enum err_class class = make_dirs(n, e);
	if (!class)
		n->registry_gc = registry_gc_new(n->loop, c); /* first of all: builds may wait for the registry */
	if (!class)
		class = network_open(n->loop, c, &n->network, e);
	if (!class)
		class = gateway_open(n->loop, c, tell_gateway, n, &n->gateway, e);
	if (!class)
		class = open_stores(n, e);
	if (!class)
		class = open_runtime(n, e);
	if (class)
		return class;
	open_instances(n);
	return server_open(n->loop, conf_path(c, &n->arena, "run/node.sock"), c->user_uid,
			   c->user_gid == (gid_t)-1 ? 0 : c->user_gid, fnode_handle, n, &n->server, e);
}

static void close_all(struct fnode *n)
{
	server_free(n->server);
	instances_free(n->instances);
	layers_free(n->layers);
	runtime_free(n->runtime);
	environments_free(n->environments);
	epochs_free(n->epochs);
	if (n->gateway)
		gateway_free(n->gateway);
	if (n->network)
		network_free(n->network);
	registry_gc_free(n->registry_gc);
	json_decref(n->seccomp);
	loop_free(n->loop);
	arena_release(&n->arena);
}

enum err_class fnode_serve(const struct conf *conf, struct err *e)
{
	AUTO_CLOSE int lock = -1, signals = -1;
	enum err_class c = fnode_lock(conf, 2000, &lock, e);
	if (c)
		return c;
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(022);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "signalfd");
	struct fnode n = {.conf = *conf, .loop = loop_new()};
	c = open_all(&n, e);
	if (!c) {
		loop_watch(n.loop, signals, EPOLLIN, on_signal, &n);
		(void)loop_after(n.loop, REPAIR_MS, repair, &n);
		log_event(LOG_INFO, "ready", "version", FN_VERSION, "home", conf->home, NULL);
		loop_run_until_stopped(n.loop);
		log_event(LOG_INFO, "stopping; instances and gateway go on", NULL);
	}
	close_all(&n);
	return c;
}
