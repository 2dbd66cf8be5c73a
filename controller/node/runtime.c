#include "node/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "node/runtime_probe.h"

enum { CREATE_DEADLINE_MS = 20000, START_DEADLINE_MS = 10000, DELETE_DEADLINE_MS = 20000, MAX_SYNC = 8192 };

struct runtime {
	struct loop *loop;
	char *binary, *name; /* binary NULL: none works, name says why */
	char *state, *exits;
	int inotify;
	runtime_exited_fn *exited;
	void *ctx;
};

/* Processes. */

struct process process_of(pid_t pid)
{
	struct process p = {0, 0};
	AUTO_FREE char *path = xprintf("/proc/%d/stat", (int)pid);
	AUTO_BUF struct buf text = BUF_INIT(4096);
	if (pid <= 0 || fs_read(path, &text, NULL))
		return p;
	const char *at = strrchr(buf_str(&text), ')'); /* the name before it may hold anything */
	char state;
	long long start;
	if (at && sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &state,
			 &start) == 2 && state != 'Z' && state != 'X')
		p = (struct process){pid, start};
	return p;
}

bool process_alive(const struct process *p)
{
	struct process now = process_of(p->pid);
	return now.pid > 0 && now.start == p->start;
}

void runtime_kill_conmon(const char *bundle)
{
	AUTO_FREE char *path = xprintf("%s/conmon.pid", bundle);
	AUTO_BUF struct buf text = BUF_INIT(32), line = BUF_INIT(8192);
	if (fs_read(path, &text, NULL))
		return;
	pid_t pid = (pid_t)strtol(buf_str(&text), NULL, 10);
	AUTO_FREE char *cmdline = xprintf("/proc/%d/cmdline", (int)pid);
	if (pid <= 1 || fs_read(cmdline, &line, NULL) || line.len == 0)
		return;
	for (size_t i = 0; i + 1 < line.len; i += strlen(line.p + i) + 1) /* one of its arguments is this very bundle */
		if (strcmp(line.p + i, bundle) == 0) {
			(void)kill(pid, SIGKILL); /* gone meanwhile is fine */
			return;
		}
}

bool runtime_cgroup_v2(void)
{
	struct statfs st;
	return statfs("/sys/fs/cgroup", &st) == 0 && st.f_type == 0x63677270;
}

/* Exit files. */

bool runtime_exit_status(const struct runtime *r, const char *name, int *ret)
{
	AUTO_FREE char *path = xprintf("%s/%s", r->exits, name);
	AUTO_BUF struct buf text = BUF_INIT(64);
	if (fs_read(path, &text, NULL) || text.len == 0)
		return false;
	*ret = (int)strtol(text.p, NULL, 10);
	return true;
}

static void on_exits(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct runtime *r = ctx;
	_Alignas(struct inotify_event) char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof chunk);
	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
		struct inotify_event ev;
		memcpy(&ev, chunk + at, sizeof ev);
		const char *name = ev.len ? chunk + at + sizeof ev : "";
		int status;
		if (*name && !strchr(name, '.') && runtime_exit_status(r, name, &status))
			r->exited(r->ctx, name, status);
		at += (ssize_t)(sizeof ev + ev.len);
	}
}

/* Opening. */

enum err_class runtime_open(struct loop *l, const struct runtime_dirs *dirs, const char *cgroup_parent, json_t *seccomp,
			    runtime_exited_fn *exited, void *ctx, struct runtime **ret, struct err *e)
{
	enum err_class c = fs_mkdirs(dirs->state, 0700, e);
	if (!c)
		c = fs_mkdirs(dirs->exits, 0700, e);
	if (c)
		return c;
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, dirs->exits, IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
		c = err_errno(e, errno, TRANSIENT, R_OutOfResources, "inotify");
		if (fd >= 0)
			(void)close(fd);
		return c;
	}
	struct runtime *r = xcalloc(1, sizeof *r);
	*r = (struct runtime){.loop = l, .state = xstrdup(dirs->state), .exits = xstrdup(dirs->exits), .inotify = fd,
			      .exited = exited, .ctx = ctx};
	runtime_probe(dirs->probe, cgroup_parent, seccomp, &r->binary, &r->name);
	loop_watch(l, fd, EPOLLIN, on_exits, r);
	*ret = r;
	return OK;
}

void runtime_free(struct runtime *r)
{
	if (!r)
		return;
	loop_unwatch(r->loop, r->inotify);
	(void)close(r->inotify);
	free(r->binary);
	free(r->name);
	free(r->state);
	free(r->exits);
	free(r);
}

const char *runtime_name(const struct runtime *r) { return r->name; }

/* Creating: conmon forks, and says in its pipe which process the container's is, or why there is none. */

struct creation {
	struct runtime *r;
	char *name, *bundle;
	int sync; /* -1: closed */
	struct buf said;
	bool launched; /* conmon's first process has ended, so its pid file is there */
	int launch_status;
	uint64_t deadline;
	runtime_created_fn *done;
	void *ctx;
};

static struct process read_conmon(const char *bundle)
{
	AUTO_FREE char *path = xprintf("%s/conmon.pid", bundle);
	AUTO_BUF struct buf text = BUF_INIT(32);
	return fs_read(path, &text, NULL) ? (struct process){0, 0} : process_of((pid_t)strtol(buf_str(&text), NULL, 10));
}

/* The runtime's own message out of its log line (time="…" level=error msg="…"), on one line; any other text as it is. */
static void plain_words(const char *said, char *out, size_t size)
{
	static const char mark[] = "msg=\"";
	const char *at = strstr(said, mark);
	bool quoted = at != NULL;
	size_t n = 0;
	for (at = quoted ? at + sizeof mark - 1 : said; *at && n + 1 < size; at++) {
		if (quoted && *at == '"')
			break;
		if (quoted && *at == '\\' && at[1])
			at++;
		out[n++] = *at == '\n' ? ' ' : *at;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

/* The container's process, or what was said instead. */
static struct process judge_creation(const struct creation *c, struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	if (c->said.len == 0) {
		(void)err_set(e, TRANSIENT, R_StartFailed, "conmon ended with %d and said nothing", c->launch_status);
		return (struct process){0, 0};
	}
	if (json_parse(c->said.p, c->said.len, &answer, NULL)) {
		(void)err_set(e, TRANSIENT, R_StartFailed, "conmon said something unexpected");
		return (struct process){0, 0};
	}
	pid_t pid = (pid_t)json_int_or(answer, "data", json_int_or(answer, "pid", -1));
	struct process p = process_of(pid);
	if (pid <= 0) {
		char words[400];
		plain_words(json_str_or(answer, "message", "the runtime gave no reason"), words, sizeof words);
		(void)err_set(e, INVALID, R_StartFailed, "%s", words);
	} else if (!p.pid)
		(void)err_set(e, INVALID, R_StartFailed, "the container's process ended at once");
	return p;
}

static void end_creation(struct creation *c)
{
	struct err e = ERR_INIT;
	loop_cancel(c->r->loop, c->deadline);
	if (c->sync >= 0) {
		loop_unwatch(c->r->loop, c->sync);
		(void)close(c->sync);
	}
	struct process container = judge_creation(c, &e), conmon = read_conmon(c->bundle);
	runtime_created_fn *done = c->done;
	void *ctx = c->ctx;
	buf_release(&c->said);
	free(c->name);
	free(c->bundle);
	free(c);
	done(ctx, &container, &conmon, e.class ? &e : NULL);
}

static void on_sync(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct creation *c = ctx;
	char *to = buf_reserve(&c->said, 1024);
	ssize_t n = to ? read(fd, to, 1024) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->said.len += (size_t)n;
		c->said.p[c->said.len] = '\0';
		if (!memchr(c->said.p, '\n', c->said.len))
			return;
	}
	loop_unwatch(c->r->loop, fd);
	(void)close(fd);
	c->sync = -1;
	if (c->launched)
		end_creation(c);
}

static void on_launched(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	(void)output;
	struct creation *c = ctx;
	c->launched = true;
	c->launch_status = status;
	if (c->sync < 0)
		end_creation(c);
}

static void on_create_deadline(void *ctx)
{
	struct creation *c = ctx;
	c->deadline = 0;
	runtime_kill_conmon(c->bundle); /* its end closes the pipe: on_sync follows */
}

static enum err_class launch(struct creation *c, const char *log, int64_t log_max, int sync, struct err *e)
{
	struct runtime *r = c->r;
	AUTO_FREE char *pidfile = xprintf("%s/pid", c->bundle), *conmon_pid = xprintf("%s/conmon.pid", c->bundle);
	AUTO_FREE char *log_arg = xprintf("k8s-file:%s", log), *max = xprintf("%lld", (long long)log_max);
	AUTO_FREE char *root = xprintf("--root=%s", r->state);
	const char *argv[] = {"conmon", "--api-version", "1", "-c", c->name, "-n", c->name, "-u", c->name, "-r", r->binary, "-b", c->bundle,
			      "-p", pidfile, "-P", conmon_pid, "--exit-dir", r->exits, "-l", log_arg, "--log-size-max", max,
			      "--full-attach", "--no-sync-log", "--runtime-arg", root, NULL};
	const char *env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "_OCI_SYNCPIPE=3", NULL};
	struct proc_spec s = PROC_SPEC_INIT;
	s.argv = argv;
	s.env = env;
	s.pass = &sync;
	s.npass = 1;
	s.new_session = true;
	(void)unlink(conmon_pid); /* of an earlier run */
	pid_t pid;
	int pidfd;
	enum err_class class = proc_spawn(&s, &pid, &pidfd, e);
	if (!class)
		loop_watch_child(r->loop, pid, pidfd, on_launched, c);
	return class;
}

enum err_class runtime_create(struct runtime *r, const char *name, const char *bundle, const char *log, int64_t log_max,
			      runtime_created_fn *done, void *ctx, struct err *e)
{
	if (!r->binary)
		return err_set(e, TRANSIENT, R_StartFailed, "no OCI runtime works on this machine (%s)", r->name);
	int sync[2];
	if (pipe2(sync, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	(void)fcntl(sync[1], F_SETFL, 0);
	AUTO_FREE char *exit_file = xprintf("%s/%s", r->exits, name);
	(void)unlink(exit_file); /* of an earlier run */
	struct creation *c = xcalloc(1, sizeof *c);
	*c = (struct creation){.r = r, .name = xstrdup(name), .bundle = xstrdup(bundle), .sync = sync[0], .said = BUF_INIT(MAX_SYNC),
			       .done = done, .ctx = ctx};
	enum err_class class = launch(c, log, log_max, sync[1], e);
	(void)close(sync[1]);
	if (class) {
		(void)close(sync[0]);
		free(c->name);
		free(c->bundle);
		free(c);
		return class;
	}
	loop_watch(r->loop, sync[0], EPOLLIN, on_sync, c);
	c->deadline = loop_after(r->loop, CREATE_DEADLINE_MS, on_create_deadline, c);
	return OK;
}

/* Starting and deleting. */

struct runtime_action {
	struct runtime *r;
	char *name, *fifo;
	int fd;
	uint64_t deadline;
	const char *what; /* for messages */
	runtime_done_fn *done;
	void *ctx;
};

static struct runtime_action *new_action(struct runtime *r, const char *name, const char *what, runtime_done_fn *done, void *ctx)
{
	struct runtime_action *a = xcalloc(1, sizeof *a);
	*a = (struct runtime_action){.r = r, .name = xstrdup(name), .fd = -1, .what = what, .done = done, .ctx = ctx};
	return a;
}

static void end_action(struct runtime_action *a, const struct err *error)
{
	runtime_done_fn *done = a->done;
	void *ctx = a->ctx;
	if (a->fd >= 0) {
		loop_unwatch(a->r->loop, a->fd);
		(void)close(a->fd);
	}
	loop_cancel(a->r->loop, a->deadline);
	free(a->name);
	free(a->fifo);
	free(a);
	if (done)
		done(ctx, error);
}

void runtime_detach(struct runtime_action *a)
{
	if (!a)
		return;
	a->done = NULL;
	if (a->fd >= 0)
		end_action(a, NULL); /* a helper process ends by itself */
}

static void on_action(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	struct runtime_action *a = ctx;
	struct err e = ERR_INIT;
	if (status != 0)
		(void)err_set(&e, TRANSIENT, R_StartFailed, "%s ended with %d: %.300s", a->what, status, buf_str(output));
	end_action(a, status != 0 ? &e : NULL);
}

static enum err_class run_action(struct runtime_action *a, const char *verb, const char *option, int64_t deadline_ms, struct err *e)
{
	const char *argv[] = {a->r->binary, "--root", a->r->state, verb, option ? option : a->name, option ? a->name : NULL, NULL};
	enum err_class c = loop_run(a->r->loop, argv, NULL, deadline_ms, on_action, a, e);
	if (c) {
		free(a->name);
		free(a->fifo);
		free(a);
	}
	return c;
}

static void on_fifo(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct runtime_action *a = ctx;
	char byte;
	ssize_t n = read(fd, &byte, 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	struct err e = ERR_INIT;
	if (n == 1)
		(void)unlink(a->fifo); /* as the runtime's own start does: "created" becomes "running" */
	else
		(void)err_set(&e, TRANSIENT, R_StartFailed, "the container ended before its program began");
	end_action(a, n == 1 ? NULL : &e);
}

static void on_fifo_deadline(void *ctx)
{
	struct runtime_action *a = ctx;
	struct err e = ERR_INIT;
	a->deadline = 0;
	(void)err_set(&e, TRANSIENT, R_StartFailed, "the container did not begin within %d ms", START_DEADLINE_MS);
	end_action(a, &e);
}

/* runc and crun both hold a created container at a fifo in its state directory; opening it is all that their `start` does here,
 * without a process that takes 6 ms. Where there is no such fifo, `start` it is. */
enum err_class runtime_start(struct runtime *r, const char *name, runtime_done_fn *done, void *ctx, struct runtime_action **ret,
			     struct err *e)
{
	struct runtime_action *a = new_action(r, name, "start", done, ctx);
	enum err_class c = OK;
	a->fifo = xprintf("%s/%s/exec.fifo", r->state, name);
	a->fd = open(a->fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (a->fd < 0) {
		c = run_action(a, "start", NULL, START_DEADLINE_MS, e);
	} else {
		loop_watch(r->loop, a->fd, EPOLLIN, on_fifo, a);
		a->deadline = loop_after(r->loop, START_DEADLINE_MS, on_fifo_deadline, a);
	}
	if (!c)
		*ret = a;
	return c;
}

enum err_class runtime_delete(struct runtime *r, const char *name, runtime_done_fn *done, void *ctx, struct err *e)
{
	if (!r->binary)
		return err_set(e, TRANSIENT, R_StartFailed, "no OCI runtime works on this machine (%s)", r->name);
	return run_action(new_action(r, name, "delete", done, ctx), "delete", "--force", DELETE_DEADLINE_MS, e);
}
