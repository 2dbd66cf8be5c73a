/* fn-controller: arguments, configuration, wiring. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "api/api.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/version.h"
#include "engine/engine.h"
#include "reconcilers/preview.h"
#include "reconcilers/providers/base_image.h"
#include "schema/retention.h"

enum {
	LEASE_MS = 60000,
	RESYNC_MS = 10000,
	NODE_CALL_MS = 10000,
	REGISTRY_CALL_MS = 10000,
	EXIT_USAGE = 2
};

static const char help[] =
	"fn-controller [--home DIR]             run the controller in the foreground\n"
	"fn-controller migrate [--home DIR]     bring the database's schema up to date and end\n"
	"fn-controller push-base --name REPO --tag TAG DIR [--env K=V]... [--home DIR]\n"
	"                                       push a directory tree as a base image; prints its reference\n"
	"fn-controller --version | --help\n"
	"\n"
	"DIR of --home is FN_HOME (default /var/lib/fn); its fn.conf is the configuration.\n";

/* What the parts share while the controller runs. */
struct parts {
	struct conf conf;
	struct arena arena;
	struct artifacts *artifacts;
	struct cache cache;
	struct registry_opts registry;
	struct node_opts node;
	struct engine *engine;
	struct api *api;
	int lock_fd;
};

static int complain(const struct err *e)
{
	const char *hint = reason_hint(e->reason);
	(void)fprintf(stderr, "fn-controller: %s (%s)%s%s\n", e->msg, e->reason, *hint ? "\n  " : "", hint);
	return e->class == INVALID ? EXIT_USAGE : EXIT_FAILURE;
}

/* One controller per FN_HOME: its leases are freed at start, which is right only if their holder is gone. */
static enum err_class take_lock(struct parts *k, struct err *e)
{
	const char *path = conf_path(&k->conf, &k->arena, "run/controller.lock");
	k->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (k->lock_fd < 0)
		return err_errno(e, errno, INVALID, R_InvalidValue, "open %s", path);
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(e, INVALID, R_InvalidValue, "another fn-controller runs on %s", k->conf.home);
	return OK;
}

static enum err_class make_directories(struct parts *k, struct err *e)
{
	static const struct {
		const char *name;
		mode_t mode;
	} needed[] = {{"run", 0755}, {"store", 0700}, {"uploads", 0700}, {"builds", 0700}, {"cache", 0755}, {"secrets", 0700}};
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		enum err_class c = fs_mkdirs(conf_path(&k->conf, &k->arena, needed[i].name), needed[i].mode, e);
		if (c)
			return c;
	}
	k->cache.dir = conf_path(&k->conf, &k->arena, "cache");
	return cache_init(&k->cache, e);
}

/* Its passes come back by themselves from then on. */
static enum err_class start_collecting(const struct conf *conf, struct err *e)
{
	struct store *s = store_new(conf->database);
	enum err_class c = work_enqueue(s, COLLECTION_KEY, e);
	store_free(s);
	return c;
}

static enum err_class migrate(const struct conf *conf, struct err *e)
{
	struct store *s = store_new(conf->database);
	enum err_class c = store_migrate(s, e);
	store_free(s);
	return c;
}

/* ---- what the API asks of the loop ---- */

static void hint(void *ctx)
{
	struct parts *k = ctx;
	engine_hint(k->engine);
}

static bool no_build_runs(void *ctx, const char *id)
{
	(void)ctx, (void)id;
	return false;
}

static enum err_class plan(void *ctx, struct store *s, const struct manifest *const *docs, size_t n, struct arena *a, json_t **ret, struct err *e)
{
	struct parts *k = ctx;
	struct builds builds = {.running = no_build_runs};
	struct node *node = node_new(&k->node);
	struct pass p = {.conf = &k->conf, .store = s, .node = node, .artifacts = k->artifacts, .cache = &k->cache, .builds = &builds, .arena = a};
	enum err_class c = reconcilers_preview(&p, docs, n, ret, e);
	node_free(node);
	return c;
}

static enum err_class ready(void *ctx, struct err *e)
{
	struct parts *k = ctx;
	struct node *node = node_new(&k->node);
	AUTO_JSON json_t *about = NULL;
	enum err_class c = node_ping(node, &about, e);
	node_free(node);
	return c;
}

/* ---- life ---- */

/* The program of that name beside this one. */
static const char *sibling(struct arena *a, const char *name)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(path, '/');
	return arena_printf(a, "%.*s/%s", slash ? (int)(slash - path) : 0, path, name);
}

/* The same for every incarnation of this controller and for no other, and short enough for a lease whatever the host is called. */
static const char *owner_name(struct parts *k)
{
	char host[HOST_NAME_MAX + 1] = "", hex[DIGEST_HEX];
	(void)gethostname(host, sizeof host - 1); /* an empty name will do */
	AUTO_FREE char *whole = xprintf("%s:%s", host, k->conf.home);
	struct digest d = digest_of_str(whole);
	return arena_printf(&k->arena, "%.24s-%.32s", host, digest_hex(&d, hex));
}

static enum err_class start(struct parts *k, struct err *e)
{
	enum err_class c = make_directories(k, e);
	if (!c)
		c = take_lock(k, e);
	if (!c)
		c = migrate(&k->conf, e);
	if (!c)
		c = start_collecting(&k->conf, e);
	if (!c)
		c = artifacts_open_dir(conf_path(&k->conf, &k->arena, "store"), &k->artifacts, e);
	if (c)
		return c;
	struct engine_opts eo = {
		.conf = &k->conf,
		.owner = owner_name(k),
		.artifacts = k->artifacts,
		.cache = &k->cache,
		.build_program = sibling(&k->arena, "fn-build"),
		.registry = k->registry,
		.node = k->node,
		.lease_ms = LEASE_MS,
		.resync_ms = RESYNC_MS,
	};
	c = engine_start(&eo, &k->engine, e);
	if (c)
		return c;
	struct api_opts ao = {
		.conf = &k->conf, .version = FN_VERSION, .hint = hint, .hint_ctx = k, .plan = plan, .plan_ctx = k, .ready = ready, .ready_ctx = k,
	};
	return api_start(&ao, &k->api, e);
}

static void stop(struct parts *k)
{
	api_stop(k->api);
	engine_stop(k->engine);
	artifacts_free(k->artifacts);
	arena_release(&k->arena);
	if (k->lock_fd >= 0)
		(void)close(k->lock_fd);
}

/* SIGTERM and SIGINT end the controller in order; they are blocked before any thread starts, so only this waits for them. */
static int run(struct parts *k)
{
	sigset_t end;
	(void)sigemptyset(&end);
	(void)sigaddset(&end, SIGTERM);
	(void)sigaddset(&end, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &end, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	struct err e = ERR_INIT;
	int status = EXIT_SUCCESS;
	if (start(k, &e) == OK) {
		log_event(LOG_INFO, "fn-controller runs", "version", FN_VERSION, "home", k->conf.home, NULL);
		int sig;
		(void)sigwait(&end, &sig);
		log_event(LOG_INFO, "fn-controller ends", NULL);
	} else {
		log_err(LOG_ERROR, "fn-controller cannot start", &e, NULL);
		status = complain(&e);
	}
	stop(k);
	return status;
}

static int run_migration(struct parts *k)
{
	struct err e = ERR_INIT;
	int status = migrate(&k->conf, &e) == OK ? EXIT_SUCCESS : complain(&e);
	arena_release(&k->arena);
	return status;
}

/* --home wherever it stands among the arguments; the rest is left to the command. */
static const char *home_argument(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--home") == 0 && i + 1 < argc)
			return argv[i + 1];
		if (strncmp(argv[i], "--home=", 7) == 0)
			return argv[i] + 7;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 && (argv[1][0] != '-' || !strcmp(argv[1], "--help") || !strcmp(argv[1], "--version")) ? argv[1] : "run";
	if (strcmp(command, "--help") == 0 || strcmp(command, "--version") == 0) {
		(void)fputs(strcmp(command, "--help") == 0 ? help : "fn-controller " FN_VERSION "\n", stdout);
		return EXIT_SUCCESS;
	}
	struct parts k = {.arena = ARENA_INIT, .lock_fd = -1};
	struct err e = ERR_INIT;
	if (conf_load(home_argument(argc, argv), &k.arena, &k.conf, &e) != OK)
		return complain(&e);
	k.registry = (struct registry_opts){.url = k.conf.registry_url, .auth_file = k.conf.registry_auth_file, .call_ms = REGISTRY_CALL_MS};
	k.node = (struct node_opts){.socket = conf_path(&k.conf, &k.arena, "run/node.sock"), .call_ms = NODE_CALL_MS};
	if (strcmp(command, "run") == 0)
		return run(&k);
	if (strcmp(command, "migrate") == 0)
		return run_migration(&k);
	if (strcmp(command, "push-base") == 0)
		return base_image_main(&k.conf, argc - 1, argv + 1);
	(void)fprintf(stderr, "fn-controller: unknown command \"%s\"\n\n%s", command, help);
	return EXIT_USAGE;
}
