#include "node/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

enum { OUTPUT_MAX = 65536, EVENTS = 64 };

struct watch {
	loop_fd_fn *fn; /* NULL: free */
	void *ctx;
	uint32_t generation; /* tells an event of a closed descriptor from one of its successor with the same number */
};

struct timer {
	int64_t due;
	uint64_t id;
	loop_timer_fn *fn;
	void *ctx;
};

struct child {
	struct loop *loop;
	struct child *next;
	pid_t pid;
	int pidfd, out; /* out -1: nothing to collect any more */
	uint64_t deadline;
	struct buf output;
	loop_child_fn *fn;
	void *ctx;
	bool ours; /* a helper: ended with the loop */
};

struct loop {
	int epoll;
	bool stopped;
	struct watch *watches; /* index is the descriptor */
	size_t nwatches;
	uint32_t generation;
	struct timer *timers; /* binary heap by due, then id */
	size_t ntimers, captimers;
	uint64_t last_timer;
	struct child *children;
};

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof *l);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		abort(); /* at start only: no descriptors left, nothing to serve with */
	return l;
}

static void free_child(struct child *c)
{
	struct child **at = &c->loop->children;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_cancel(c->loop, c->deadline);
	loop_unwatch(c->loop, c->pidfd);
	(void)close(c->pidfd);
	if (c->out >= 0) {
		loop_unwatch(c->loop, c->out);
		(void)close(c->out);
	}
	buf_release(&c->output);
	free(c);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->children) {
		struct child *c = l->children;
		if (c->ours && kill(c->pid, SIGKILL) == 0)
			(void)waitpid(c->pid, NULL, 0); /* gone either way */
		free_child(c);
	}
	(void)close(l->epoll);
	free(l->watches);
	free(l->timers);
	free(l);
}

/* Descriptors. */

void loop_watch(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *ctx)
{
	size_t i = (size_t)fd;
	if (i >= l->nwatches) {
		size_t n = i + 64;
		l->watches = xrealloc(l->watches, n * sizeof *l->watches);
		memset(l->watches + l->nwatches, 0, (n - l->nwatches) * sizeof *l->watches);
		l->nwatches = n;
	}
	struct watch *w = &l->watches[i];
	int op = EPOLL_CTL_MOD;
	if (!w->fn) {
		op = EPOLL_CTL_ADD;
		w->generation = ++l->generation;
	}
	w->fn = fn;
	w->ctx = ctx;
	struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)w->generation << 32 | (uint32_t)fd};
	if (epoll_ctl(l->epoll, op, fd, &ev) != 0 && (errno != EEXIST || epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &ev) != 0))
		abort(); /* a bad descriptor is a bug here; out of kernel memory ends the process as malloc does */
}

void loop_unwatch(struct loop *l, int fd)
{
	if (fd < 0 || (size_t)fd >= l->nwatches || !l->watches[fd].fn)
		return;
	l->watches[fd].fn = NULL;
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL); /* the caller may have closed it already */
}

/* Timers: a binary heap, so that hundreds of instances' health timers stay cheap. */

static bool earlier(const struct timer *a, const struct timer *b)
{
	return a->due != b->due ? a->due < b->due : a->id < b->id;
}

static void swap(struct timer *a, struct timer *b)
{
	struct timer t = *a;
	*a = *b;
	*b = t;
}

static void sift_up(struct loop *l, size_t i)
{
	for (; i > 0 && earlier(&l->timers[i], &l->timers[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&l->timers[i], &l->timers[(i - 1) / 2]);
}

static void sift_down(struct loop *l, size_t i)
{
	for (;;) {
		size_t least = i;
		for (size_t kid = 2 * i + 1; kid <= 2 * i + 2; kid++)
			if (kid < l->ntimers && earlier(&l->timers[kid], &l->timers[least]))
				least = kid;
		if (least == i)
			return;
		swap(&l->timers[i], &l->timers[least]);
		i = least;
	}
}

static void remove_timer(struct loop *l, size_t i)
{
	l->timers[i] = l->timers[--l->ntimers];
	if (i < l->ntimers) {
		sift_down(l, i);
		sift_up(l, i);
	}
}

uint64_t loop_after(struct loop *l, int64_t delay_ms, loop_timer_fn *fn, void *ctx)
{
	if (l->ntimers == l->captimers) {
		l->captimers = l->captimers ? l->captimers * 2 : 64;
		l->timers = xrealloc(l->timers, l->captimers * sizeof *l->timers);
	}
	uint64_t id = ++l->last_timer;
	l->timers[l->ntimers++] = (struct timer){clock_mono_ms() + (delay_ms > 0 ? delay_ms : 0), id, fn, ctx};
	sift_up(l, l->ntimers - 1);
	return id;
}

void loop_cancel(struct loop *l, uint64_t timer)
{
	for (size_t i = 0; timer && i < l->ntimers; i++)
		if (l->timers[i].id == timer) {
			remove_timer(l, i);
			return;
		}
}

/* Only those made before this turn: a timer that sets itself again with no delay cannot starve descriptors. */
static void fire_timers(struct loop *l)
{
	int64_t now = clock_mono_ms();
	uint64_t last = l->last_timer;
	while (!l->stopped && l->ntimers && l->timers[0].due <= now && l->timers[0].id <= last) {
		struct timer t = l->timers[0];
		remove_timer(l, 0);
		t.fn(t.ctx);
	}
}

/* Children. */

static void on_output(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct child *c = ctx;
	for (;;) {
		char chunk[4096];
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		size_t room = c->output.max - c->output.len;
		if (room > 0) /* the rest is read and dropped, or the child would block */
			(void)buf_add(&c->output, chunk, (size_t)n < room ? (size_t)n : room);
	}
	loop_unwatch(c->loop, fd);
	(void)close(fd);
	c->out = -1;
}

static void on_end(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	struct child *c = ctx;
	if (c->out >= 0)
		on_output(c, c->out, EPOLLIN); /* what is there; a grandchild may keep the pipe open for ever */
	int status = proc_reap(c->pid);
	if (status < 0)
		return;
	loop_child_fn *fn = c->fn;
	void *arg = c->ctx;
	pid_t pid = c->pid;
	AUTO_BUF struct buf output = c->output;
	buf_init(&c->output, OUTPUT_MAX);
	free_child(c);
	fn(arg, pid, status, &output);
}

static void on_deadline(void *ctx)
{
	struct child *c = ctx;
	c->deadline = 0;
	(void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0U); /* on_end follows */
}

static struct child *add_child(struct loop *l, pid_t pid, int pidfd, loop_child_fn *fn, void *ctx)
{
	struct child *c = xcalloc(1, sizeof *c);
	*c = (struct child){.loop = l, .next = l->children, .pid = pid, .pidfd = pidfd, .out = -1,
			    .output = BUF_INIT(OUTPUT_MAX), .fn = fn, .ctx = ctx};
	l->children = c;
	loop_watch(l, pidfd, EPOLLIN, on_end, c);
	return c;
}

static void add_helper(struct loop *l, pid_t pid, int pidfd, int out, int64_t deadline_ms, loop_child_fn *fn, void *ctx)
{
	struct child *c = add_child(l, pid, pidfd, fn, ctx);
	c->ours = true;
	c->out = out;
	loop_watch(l, out, EPOLLIN, on_output, c);
	c->deadline = loop_after(l, deadline_ms, on_deadline, c);
}

void loop_watch_child(struct loop *l, pid_t pid, int pidfd, loop_child_fn *fn, void *ctx)
{
	(void)add_child(l, pid, pidfd, fn, ctx); /* the loop owns it */
}

/* A file in memory takes the whole input at once, so nothing has to be fed. */
static enum err_class input_fd(const char *input, int *ret, struct err *e)
{
	*ret = -1;
	if (!input)
		return OK;
	int fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "memfd_create");
	enum err_class c = fs_write_all(fd, input, strlen(input), e);
	if (!c && lseek(fd, 0, SEEK_SET) != 0)
		c = err_errno(e, errno, TRANSIENT, R_Internal, "lseek");
	if (c)
		(void)close(fd);
	else
		*ret = fd;
	return c;
}

enum err_class loop_run(struct loop *l, const char *const *argv, const char *input, int64_t deadline_ms, loop_child_fn *fn,
			void *ctx, struct err *e)
{
	AUTO_CLOSE int in = -1;
	enum err_class c = input_fd(input, &in, e);
	if (c)
		return c;
	int out[2];
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	(void)fcntl(out[1], F_SETFL, 0); /* the child's end blocks as programs expect */
	struct proc_spec s = PROC_SPEC_INIT;
	s.argv = argv;
	s.in = in;
	s.out = s.err = out[1];
	s.die_with_parent = true;
	pid_t pid;
	int pidfd;
	c = proc_spawn(&s, &pid, &pidfd, e);
	(void)close(out[1]);
	if (c)
		(void)close(out[0]);
	else
		add_helper(l, pid, pidfd, out[0], deadline_ms, fn, ctx);
	return c;
}

static _Noreturn void run_body(loop_child_main *body, void *arg, int out, pid_t parent)
{
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL); /* fails for SIGKILL and SIGSTOP, rightly */
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	_exit(body(arg));
}

enum err_class loop_fork(struct loop *l, loop_child_main *body, void *arg, int64_t deadline_ms, loop_child_fn *fn, void *ctx,
			 struct err *e)
{
	int out[2];
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	(void)fcntl(out[1], F_SETFL, 0);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		run_body(body, arg, out[1], parent);
	int saved = errno;
	(void)close(out[1]);
	int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		if (pid > 0) {
			saved = errno;
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		(void)close(out[0]);
		return err_errno(e, saved, TRANSIENT, R_OutOfResources, "fork");
	}
	add_helper(l, pid, pidfd, out[0], deadline_ms, fn, ctx);
	return OK;
}

/* Turning. */

static int next_wait(const struct loop *l)
{
	if (!l->ntimers)
		return -1;
	int64_t left = l->timers[0].due - clock_mono_ms();
	return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

void loop_run_until_stopped(struct loop *l)
{
	l->stopped = false;
	while (!l->stopped) {
		struct epoll_event ev[EVENTS];
		int n = epoll_wait(l->epoll, ev, EVENTS, next_wait(l));
		if (n < 0 && errno != EINTR)
			abort(); /* the epoll descriptor itself is broken: a bug */
		for (int i = 0; i < n && !l->stopped; i++) {
			uint32_t fd = (uint32_t)ev[i].data.u64;
			struct watch *w = &l->watches[fd];
			if (w->fn && w->generation == (uint32_t)(ev[i].data.u64 >> 32))
				w->fn(w->ctx, (int)fd, ev[i].events);
		}
		fire_timers(l);
	}
}

void loop_stop(struct loop *l) { l->stopped = true; }
