#include "node/registry_gc.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/utf8.h"

enum {
	COLLECT_DEADLINE_MS = 300000, GC_DEADLINE_MS = 240000, SV_DOWN_MS = 35000, SV_MS = 10000, /* sv itself waits 30 s for an end */
	ACCEPTS_MS = 30000, START_DEADLINE_MS = 60000, RETRY_MS = 5000, POLL_MS = 20, OUTPUT_MAX = 1 << 20
};

enum gc_state { GC_IDLE, GC_COLLECTING, GC_STARTING };

struct registry_gc {
	struct loop *loop;
	const struct conf *conf;
	struct arena arena;
	const char *service, *config, *data, *marker;
	enum gc_state state;
	uint64_t retry_timer;
	char id[REGISTRY_GC_ID_MAX + 1]; /* of the last one; "": none */
	struct err result;               /* of it: OK when it is over and went well */
	int64_t freed;
};

static bool here(const struct registry_gc *g)
{
	AUTO_FREE char *run = xprintf("%s/run", g->service);
	return fs_exists(run);
}

/* In the children. What they say on descriptor 1: "<bytes>\n", or the message of what went wrong and a status of 1. */

static int say(enum err_class c, const struct err *e, int64_t freed)
{
	if (c)
		(void)dprintf(1, "%s\n", e->msg); /* unheard: the status says that it failed */
	else
		(void)dprintf(1, "%lld\n", (long long)freed);
	return c ? 1 : 0;
}

/* One that somebody stopped on purpose stays so. */
static enum err_class check_runs(const struct registry_gc *g, struct err *e)
{
	AUTO_BUF struct buf status = BUF_INIT(4096);
	enum err_class c = proc_run((const char *const[]){"sv", "status", g->service, NULL}, NULL, SV_MS, &status, e);
	if (!c && strncmp(buf_str(&status), "run: ", 5) != 0)
		c = err_set(e, TRANSIENT, R_RegistryUnavailable, "the registry does not run");
	return c;
}

static enum err_class stop_registry(const struct registry_gc *g, struct err *e)
{
	enum err_class c = fs_write_atomic(g->marker, g->id, strlen(g->id), 0600, false, e);
	if (!c)
		c = proc_run((const char *const[]){"sv", "-w", "30", "down", g->service, NULL}, NULL, SV_DOWN_MS, NULL, e);
	return c ? err_wrap(e, "stop the registry") : OK;
}

/* As the user whose files they are. */
static enum err_class collect(const struct registry_gc *g, struct err *e)
{
	const struct proc_user user = {g->conf->user_uid, g->conf->user_gid};
	AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
	if (user.uid == (uid_t)-1 || user.uid == 0)
		return err_set(e, INVALID, R_InvalidValue, "the registry's user \"%s\" is not an unprivileged one", g->conf->user);
	return proc_run_as(&user,
			   (const char *const[]){"env", "OTEL_TRACES_EXPORTER=none", "docker-registry", "garbage-collect", g->config, NULL},
			   NULL, GC_DEADLINE_MS, &out, e);
}

static int collect_main(void *arg)
{
	const struct registry_gc *g = arg;
	struct err e = ERR_INIT;
	uint64_t before = 0, after = 0;
	enum err_class c = check_runs(g, &e);
	if (!c)
		c = stop_registry(g, &e);
	if (!c)
		c = fs_tree_bytes(g->data, &before, &e);
	if (!c)
		c = collect(g, &e);
	if (!c)
		c = fs_tree_bytes(g->data, &after, &e);
	return say(c, &e, before > after ? (int64_t)(before - after) : 0);
}

static bool accepts(int port)
{
	const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0;
}

/* From `sv up` on it is the supervisor's task to keep it up; waiting is for who wants to use it. */
static int start_main(void *arg)
{
	const struct registry_gc *g = arg;
	struct err e = ERR_INIT;
	enum err_class c = proc_run((const char *const[]){"sv", "up", g->service, NULL}, NULL, SV_MS, NULL, &e);
	if (c)
		return say(err_wrap(&e, "start the registry"), &e, 0);
	if (unlink(g->marker) != 0 && errno != ENOENT)
		return say(err_errno(&e, errno, TRANSIENT, R_Internal, "remove %s", g->marker), &e, 0);
	for (int64_t until = clock_mono_ms() + ACCEPTS_MS; !accepts(g->conf->registry_port); (void)poll(NULL, 0, POLL_MS))
		if (clock_mono_ms() > until)
			return say(err_set(&e, TRANSIENT, R_RegistryUnavailable, "the registry was started and accepts no connections"), &e, 0);
	return say(OK, &e, 0);
}

/* In fn-node. */

static void begin_start(void *ctx);

static void failed(struct registry_gc *g, const char *message)
{
	if (g->result.class)
		return; /* the first failure is the one to tell */
	(void)err_set(&g->result, TRANSIENT, R_RegistryUnavailable, "%.*s", (int)strcspn(message, "\n"), message);
	log_err(LOG_WARN, "registry collection", &g->result, "id", g->id, NULL);
}

static void on_started(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	struct registry_gc *g = ctx;
	if (status != 0)
		failed(g, output->len ? buf_str(output) : "starting the registry was given up");
	if (fs_exists(g->marker)) { /* the supervisor did not take it */
		g->retry_timer = loop_after(g->loop, RETRY_MS, begin_start, g);
		return;
	}
	g->state = GC_IDLE;
	log_event(LOG_INFO, "registry collection over", "id", g->id, NULL);
}

static void begin_start(void *ctx)
{
	struct registry_gc *g = ctx;
	struct err e = ERR_INIT;
	g->retry_timer = 0;
	g->state = GC_STARTING;
	if (loop_fork(g->loop, start_main, g, START_DEADLINE_MS, on_started, g, &e)) {
		failed(g, e.msg);
		g->retry_timer = loop_after(g->loop, RETRY_MS, begin_start, g);
	}
}

static void on_collected(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	struct registry_gc *g = ctx;
	const char *said = buf_str(output);
	if (status == 0)
		g->freed = strtoll(said, NULL, 10);
	else
		failed(g, status == 1 && *said ? said : "it was ended before it was over");
	if (fs_exists(g->marker))
		begin_start(g);
	else
		g->state = GC_IDLE; /* nothing was stopped */
}

static void begin(struct registry_gc *g, const char *id)
{
	struct err e = ERR_INIT;
	(void)snprintf(g->id, sizeof g->id, "%s", id);
	g->result = (struct err)ERR_INIT;
	g->freed = 0;
	g->state = GC_COLLECTING;
	if (loop_fork(g->loop, collect_main, g, COLLECT_DEADLINE_MS, on_collected, g, &e)) {
		failed(g, e.msg);
		g->state = GC_IDLE;
	}
}

void registry_gc_ask(struct registry_gc *g, const char *id, json_t *answer)
{
	const char *state = "none";
	if (g->state == GC_IDLE && strcmp(g->id, id) != 0 && here(g))
		begin(g, id);
	if (g->state != GC_IDLE)
		state = "running";
	else if (strcmp(g->id, id) == 0)
		state = g->result.class ? "failed" : "done";
	(void)json_object_set_new(answer, "state", json_string(state));
	if (strcmp(state, "done") == 0)
		(void)json_object_set_new(answer, "freed_bytes", json_integer(g->freed));
	if (strcmp(state, "failed") == 0)
		(void)json_object_set_new(answer, "message", json_clean(g->result.msg));
}

struct registry_gc *registry_gc_new(struct loop *l, const struct conf *c)
{
	struct registry_gc *g = xcalloc(1, sizeof *g);
	*g = (struct registry_gc){.loop = l, .conf = c};
	g->service = conf_path(c, &g->arena, "sv/registry");
	g->config = conf_path(c, &g->arena, "secrets/registry.yml");
	g->data = conf_path(c, &g->arena, "registry");
	g->marker = conf_path(c, &g->arena, "node/registry-stopped");
	AUTO_BUF struct buf id = BUF_INIT(REGISTRY_GC_ID_MAX + 1);
	if (!fs_exists(g->marker))
		return g;
	if (!fs_read(g->marker, &id, NULL))
		(void)snprintf(g->id, sizeof g->id, "%s", buf_str(&id));
	failed(g, "fn-node ended while it was under way");
	begin_start(g);
	return g;
}

void registry_gc_free(struct registry_gc *g)
{
	if (!g)
		return;
	loop_cancel(g->loop, g->retry_timer);
	arena_release(&g->arena);
	free(g);
}
