/* A private machine for tests of fn-node's parts: an own network namespace (so that rules, routes and ports are nobody
 * else's and any number of suites run side by side), a temporary FN_HOME, an own instance name, a loop with a deadline. */
#ifndef FN_TESTS_NODE_ENV_H
#define FN_TESTS_NODE_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/proc.h"
#include "node/loop.h"

struct node_env {
	struct arena arena;
	struct conf conf;
	char home[64], instance[8];
	struct loop *loop;
};

#define must(expr, err) \
	do { \
		if ((expr) != OK) \
			fail_msg("%s: %s %s", #expr, (err).reason, (err).msg); \
	} while (0)

static inline void env_ip(const char *const *argv)
{
	struct err e = ERR_INIT;
	must(proc_run(argv, NULL, 10000, NULL, &e), e);
}

static inline void env_open(struct node_env *t)
{
	struct err e = ERR_INIT;
	memset(t, 0, sizeof *t);
	if (unshare(CLONE_NEWNET) != 0)
		fail_msg("these tests need root: unshare: %s", strerror(errno));
	env_ip((const char *const[]){"ip", "link", "set", "lo", "up", NULL});
	(void)snprintf(t->home, sizeof t->home, "/var/tmp/fn-test.XXXXXX");
	assert_non_null(mkdtemp(t->home));
	assert_int_equal(chmod(t->home, 0755), 0);
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned n = (unsigned)getpid();
	t->instance[0] = 't';
	for (int i = 1; i <= 5; i++, n /= 36)
		t->instance[i] = digits[n % 36];
	AUTO_FREE char *conf = xprintf("instance = %s\nsubnet = 10.213.0.0\nlink_address = 169.254.77.1\ngateway_port = 17380\n",
				       t->instance);
	AUTO_FREE char *path = xprintf("%s/fn.conf", t->home);
	must(fs_write_atomic(path, conf, strlen(conf), 0644, false, &e), e);
	must(conf_load(t->home, &t->arena, &t->conf, &e), e);
	t->loop = loop_new();
}

static inline void env_close(struct node_env *t)
{
	struct err e = ERR_INIT;
	loop_free(t->loop);
	must(fs_remove_tree(t->home, &e), e);
	arena_release(&t->arena);
}

/* Turns the loop until cond(ctx) holds, looking every few milliseconds; fails the test after deadline_ms. */
typedef bool env_cond(void *ctx);
struct env_wait {
	struct loop *loop;
	env_cond *cond;
	void *ctx;
	int64_t until;
	bool met;
};

static inline void env_look(void *arg)
{
	struct env_wait *w = arg;
	w->met = w->cond(w->ctx);
	if (w->met || clock_mono_ms() > w->until)
		loop_stop(w->loop);
	else
		(void)loop_after(w->loop, 5, env_look, w);
}

static inline void env_wait_for(struct node_env *t, const char *what, env_cond *cond, void *ctx, int64_t deadline_ms)
{
	struct env_wait w = {t->loop, cond, ctx, clock_mono_ms() + deadline_ms, false};
	(void)loop_after(t->loop, 0, env_look, &w);
	loop_run_until_stopped(t->loop);
	if (!w.met)
		fail_msg("not within %lld ms: %s", (long long)deadline_ms, what);
}

/* Starts body in a child inside the namespace at path (NULL: here), which dies with the test. */
typedef int env_body(void *arg);
static inline pid_t env_start(const char *path, env_body *body, void *arg)
{
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed check here ends the child, not jumps into the parent's tests */
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (path && (fd < 0 || setns(fd, CLONE_NEWNET) != 0))
		_exit(99);
	_exit(body(arg));
}

static inline int env_join(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int env_in(const char *path, env_body *body, void *arg) { return env_join(env_start(path, body, arg)); }

static inline void env_stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* Ends what a failed test left running. */
static inline void env_stop_all(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	assert_non_null(f);
	for (int pid; fscanf(f, "%d", &pid) == 1;)
		env_stop(pid);
	(void)fclose(f);
}

static inline struct sockaddr_in env_addr(const char *ip, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	(void)inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static inline int env_listen(const char *ip, int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in a = env_addr(ip, port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0)
		return -1;
	return fd;
}

/* A connected socket, or -errno (-ETIMEDOUT after wait_ms). */
static inline int env_connect(const char *ip, int port, int wait_ms)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), soerr = 0;
	struct sockaddr_in a = env_addr(ip, port);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0 && errno != EINPROGRESS)
		soerr = errno;
	struct pollfd p = {fd, POLLOUT, 0};
	socklen_t len = sizeof soerr;
	if (!soerr && poll(&p, 1, wait_ms) <= 0)
		soerr = ETIMEDOUT;
	if (!soerr)
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &soerr, &len);
	if (soerr) {
		(void)close(fd);
		return -soerr;
	}
	(void)fcntl(fd, F_SETFL, 0);
	return fd;
}

#endif
