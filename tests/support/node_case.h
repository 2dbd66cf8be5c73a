/* A running fn-node for a test: in an own network namespace and FN_HOME (node_env.h), with the tiny server as image. */
#ifndef FN_TESTS_NODE_CASE_H
#define FN_TESTS_NODE_CASE_H

#include "node_env.h"

#include <sys/un.h>

#include "base/frame.h"
#include "base/json.h"
#include "reconcilers/providers/node.h"
#include "tiny_image.h"

#define KEY "target/default/hello/dev"
#define HOST "hello.dev.fn.localhost"
enum { READY_MS = 20000, GATEWAY_PORT = 17380 };

struct node_case {
	struct node_env env;
	struct node *node;
	pid_t pid;   /* of fn-node */
	int pidfd;
	char *blobs, *binary, *program; /* program: the tiny server, compiled */
	struct digest image;
	struct arena arena; /* of lists */
};

static inline void case_start(struct node_case *c)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *log = xprintf("%s/fn-node.log", c->env.home);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct proc_spec s = PROC_SPEC_INIT;
	s.argv = (const char *const[]){c->binary, "--home", c->env.home, NULL};
	s.err = fd;
	s.die_with_parent = true;
	must(proc_spawn(&s, &c->pid, &c->pidfd, &e), e);
	(void)close(fd);
	int64_t until = clock_mono_ms() + READY_MS;
	json_t *about = NULL;
	for (; node_ping(c->node, &about, &e); (void)poll(NULL, 0, 5)) {
		if (clock_mono_ms() > until) {
			AUTO_BUF struct buf text = BUF_INIT(65536);
			err_ignore(fs_read(log, &text, NULL)); /* the message below says enough without it */
			fail_msg("fn-node does not answer: %s\n%s", e.msg, buf_str(&text));
		}
	}
	json_decref(about);
}

static inline void case_signal(struct node_case *c, int sig)
{
	(void)kill(c->pid, sig);
	(void)waitpid(c->pid, NULL, 0);
	(void)close(c->pidfd);
	c->pid = 0;
}

static inline void case_teardown(struct node_case *c)
{
	struct err e = ERR_INIT;
	must(proc_run((const char *const[]){c->binary, "teardown", "--home", c->env.home, NULL}, NULL, 60000, NULL, &e), e);
}

/* build/tests/integration/test_x -> build/fn-node */
static inline char *case_binary(void)
{
	char self[512] = "";
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		fail_msg("readlink: %s", strerror(errno));
	for (int i = 0; i < 3; i++)
		*strrchr(self, '/') = '\0';
	return xprintf("%s/fn-node", self);
}

/* Compiled once in a program's group setup. */
static inline char *case_compile(void)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *source = xstrdup(__FILE__);
	*strrchr(source, '/') = '\0';
	AUTO_FREE char *path = xprintf("%s/tiny_server.c", source), *full = realpath(path, NULL);
	char *out = xprintf("/var/tmp/fn-tiny-%d", (int)getpid());
	if (!full)
		fail_msg("%s is not here: run the test from the top of the tree", path);
	must(proc_run((const char *const[]){"gcc", "-static", "-O1", "-o", out, full, NULL}, NULL, 60000, NULL, &e), e);
	return out;
}

/* An image of the program at /tiny and, in a second layer, what `extra` adds. */
static inline struct digest case_image(struct node_case *c, void (*extra)(struct buf *tar), const char *command)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf program = BUF_INIT(TINY_MAX), below = BUF_INIT(TINY_MAX), above = BUF_INIT(TINY_MAX);
	must(fs_read(c->program, &program, &e), e);
	tiny_entry(&below, "tiny", '0', 0755, "", program.p, program.len);
	struct tiny_layer layers[2] = {tiny_layer(c->blobs, &below)};
	if (extra) {
		extra(&above);
		layers[1] = tiny_layer(c->blobs, &above);
	}
	return tiny_manifest(c->blobs, layers, extra ? 2 : 1, command);
}

static inline void case_open(struct node_case *c, const char *program)
{
	memset(c, 0, sizeof *c);
	env_open(&c->env);
	c->program = xstrdup(program);
	c->binary = case_binary();
	c->blobs = xprintf("%s/cache/blobs/sha256", c->env.home);
	AUTO_FREE char *socket = xprintf("%s/run/node.sock", c->env.home);
	const struct node_opts o = {.socket = socket, .call_ms = 10000};
	c->node = node_new(&o);
	c->image = case_image(c, NULL, "/tiny");
	case_start(c);
}

static inline void case_close(struct node_case *c)
{
	if (c->pid)
		case_signal(c, SIGTERM);
	case_teardown(c);
	node_free(c->node);
	arena_release(&c->arena);
	free(c->program);
	free(c->binary);
	free(c->blobs);
	env_close(&c->env);
}

/* Instances. */

static const char *const case_no_command[] = {NULL};

static inline struct instance_spec case_spec(const struct node_case *c, const char *name, const char *const *env)
{
	return (struct instance_spec){
		.name = name, .release = "7f0c5a9e-0000-4000-8000-000000000001", .environment = "default/dev", .image = c->image,
		.command = case_no_command, .env = env ? env : case_no_command, .port = 8080, .memory_bytes = 64 << 20, .cpu_millis = 1000,
		.pids = 32, .health_path = "/healthz", .health_interval_ms = 50, .health_timeout_ms = 1000, .health_deadline_ms = 10000,
		.health_failures = 3,
	};
}

static const struct fence case_fence = {KEY, 7};

static inline void case_ensure(struct node_case *c, const struct instance_spec *s)
{
	struct err e = ERR_INIT;
	must(node_ensure(c->node, &case_fence, s, &e), e);
}

/* One instance as the list shows it; INST_GONE when it is not there. Valid until the next call. */
__attribute__((returns_nonnull)) static inline const struct instance *case_look(struct node_case *c, const char *name)
{
	static const struct instance gone = {.name = "", .state = INST_GONE, .message = "", .reason = "", .address = ""};
	struct err e = ERR_INIT;
	struct node_view v;
	arena_release(&c->arena);
	must(node_list(c->node, NULL, &c->arena, &v, &e), e);
	for (size_t i = 0; i < v.ninstances; i++)
		if (strcmp(v.instances[i].name, name) == 0)
			return &v.instances[i];
	return &gone;
}

__attribute__((returns_nonnull)) static inline const struct instance *case_wait(struct node_case *c, const char *name, enum instance_state state)
{
	int64_t until = clock_mono_ms() + READY_MS;
	for (;;) {
		const struct instance *i = case_look(c, name);
		if (i->state == state)
			return i;
		if (clock_mono_ms() > until)
			fail_msg("%s is %s (%s), not %s", name, instance_state_name(i->state), i->message, instance_state_name(state));
		(void)poll(NULL, 0, 5);
	}
}

/* Ready again, after so many restarts. */
static inline const struct instance *case_restarted(struct node_case *c, const char *name, int restarts)
{
	int64_t until = clock_mono_ms() + READY_MS;
	while (case_look(c, name)->restarts < restarts && clock_mono_ms() < until)
		(void)poll(NULL, 0, 5);
	const struct instance *i = case_wait(c, name, INST_READY);
	assert_int_equal(i->restarts, restarts);
	return i;
}

static inline void case_stop(struct node_case *c, const char *name, int64_t drain_ms)
{
	struct err e = ERR_INIT;
	must(node_stop(c->node, &case_fence, &name, 1, drain_ms, &e), e);
	(void)case_wait(c, name, INST_GONE);
}

static inline void case_switch(struct node_case *c, const struct route *r)
{
	struct err e = ERR_INIT;
	const struct route_switch s = {case_fence, *r};
	int64_t until = clock_mono_ms() + READY_MS;
	while (node_route(c->node, &s, 1, &e)) { /* HAProxy may be starting still */
		if (e.class != TRANSIENT || clock_mono_ms() > until)
			fail_msg("routes: %s %s", e.reason, e.msg);
		(void)poll(NULL, 0, 5);
	}
}

static const char *const case_hosts[] = {HOST, NULL};

static inline void case_route(struct node_case *c, const char *const *names)
{
	case_switch(c, &(struct route){.release = "7f0c5a9e", .hosts = case_hosts, .instances = names, .timeout_ms = 5000});
}

/* HOST leads to the instance, beside the key's own, which is nothing. */
static inline void case_route_beside(struct node_case *c, const char *name)
{
	const char *const names[] = {name, NULL};
	const struct route_beside b = {.release = "7f0c5a9e", .hosts = case_hosts, .instances = names, .timeout_ms = 5000};
	case_switch(c, &(struct route){.release = "", .hosts = case_no_command, .instances = case_no_command, .beside = &b, .nbeside = 1});
}

static inline int case_connect(const struct node_case *c)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s/run/node.sock", c->env.home);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* The answer to a request as it stands, which the client would not send. Takes the request over; new reference. */
static inline json_t *case_ask(const struct node_case *c, json_t *request)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *own = request;
	AUTO_CLOSE int fd = case_connect(c);
	AUTO_BUF struct buf in = BUF_INIT(FRAME_MAX + 16);
	json_t *answer = NULL;
	must(frame_send(fd, own, READY_MS, &e), e);
	must(frame_recv(fd, &in, READY_MS, &answer, &e), e);
	return answer;
}

/* Requests that the gateway has open at an instance. */
static inline int64_t case_open_requests(const struct node_case *c, const char *address)
{
	AUTO_JSON json_t *stats = case_ask(c, json_pack("{s:i,s:s}", "id", 1, "op", "stats"));
	return json_int_or(json_object_get(json_object_get(stats, "instances"), address), "open", 0);
}

static inline void case_wait_open(const struct node_case *c, const char *address, int64_t n)
{
	int64_t until = clock_mono_ms() + READY_MS, open = 0;
	while ((open = case_open_requests(c, address)) != n)
		if (clock_mono_ms() > until)
			fail_msg("%lld open requests at %s, not %lld", (long long)open, address, (long long)n);
		else
			(void)poll(NULL, 0, 5);
}

/* GET, straight (port 8080 of ip) or through the gateway (ip NULL). Status, or 0 without an answer; the body in b. */
static inline int case_get(const char *ip, const char *path, struct buf *b)
{
	int fd = env_connect(ip ? ip : "127.0.0.1", ip ? 8080 : GATEWAY_PORT, 5000), status = 0;
	AUTO_FREE char *request = xprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, HOST);
	buf_clear(b);
	if (fd < 0)
		return 0;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
		for (ssize_t n = 1; n > 0;) {
			char *to = buf_reserve(b, 4096);
			n = to ? recv(fd, to, 4096, 0) : 0;
			b->len += n > 0 ? (size_t)n : 0;
		}
	(void)close(fd);
	(void)buf_puts(b, "");
	const char *body = strstr(buf_str(b), "\r\n\r\n");
	if (sscanf(buf_str(b), "HTTP/1.1 %3d", &status) != 1)
		return 0;
	if (body) {
		size_t at = (size_t)(body + 4 - b->p);
		memmove(b->p, b->p + at, b->len - at + 1);
		b->len -= at;
	}
	return status;
}

static inline char *case_ip(const struct instance *i) { return xprintf("%.*s", (int)strcspn(i->address, ":"), i->address); }

/* The number of processes whose arguments hold text. */
static inline int case_processes(const char *text)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	int n = 0;
	must(proc_run((const char *const[]){"ps", "-eo", "args", NULL}, NULL, 10000, &out, &e), e);
	for (const char *at = buf_str(&out); (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}

static inline bool case_file_has(const char *path, const char *text)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	must(fs_read(path, &b, &e), e);
	return strstr(buf_str(&b), text) != NULL;
}

/* Of the group: the tiny server, compiled once. */
static char *case_program;

static inline int case_group_setup(void **state)
{
	(void)state;
	case_program = case_compile();
	return 0;
}

static inline int case_group_teardown(void **state)
{
	(void)state;
	(void)unlink(case_program);
	free(case_program);
	return 0;
}

static inline int case_setup(void **state)
{
	struct node_case *c = xcalloc(1, sizeof *c);
	*state = c;
	case_open(c, case_program);
	return 0;
}

static inline int case_teardown_free(void **state)
{
	case_close(*state);
	free(*state);
	return 0;
}

static inline void assert_refused(enum err_class got, enum err_class want, const struct err *e, const char *reason)
{
	assert_string_equal(e->reason, reason);
	assert_int_equal(got, want);
}

#endif
