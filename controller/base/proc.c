#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const default_env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
static const char *const directories[] = {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};

enum { FIRST_PASSED = 3, MAX_FDS = 16 };

/* Runs in the child between fork and exec: only async-signal-safe calls. */
static int place_fds(const struct proc_spec *s, int begun)
{
	int want[MAX_FDS];
	size_t n = FIRST_PASSED + s->npass;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	begun = fcntl(begun, F_DUPFD_CLOEXEC, MAX_FDS);
	if (null < 0 || begun < 0 || n >= MAX_FDS)
		return -1;
	want[0] = s->in < 0 ? null : s->in;
	want[1] = s->out < 0 ? null : s->out;
	want[2] = s->err < 0 ? null : s->err;
	for (size_t i = 0; i < s->npass; i++)
		want[FIRST_PASSED + i] = s->pass[i];
	for (size_t i = 0; i < n; i++) { /* first out of the way of the numbers to be given */
		want[i] = fcntl(want[i], F_DUPFD_CLOEXEC, MAX_FDS);
		if (want[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(want[i], (int)i) < 0)
			return -1;
	if (dup3(begun, (int)n, O_CLOEXEC) < 0) /* the one that stays open up to the exec */
		return -1;
	return (int)syscall(SYS_close_range, (unsigned)n + 1, ~0U, 0U);
}

/* Our own PATH does not count: it may be that of whoever called us. */
static void exec_by_name(const char *name, char *const *argv, char *const *env)
{
	char path[256];
	if (strchr(name, '/')) {
		(void)execve(name, argv, env);
		return;
	}
	size_t n = strlen(name) + 1;
	for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
		size_t dir = strlen(directories[i]);
		if (dir + n > sizeof path)
			return;
		memcpy(path, directories[i], dir);
		memcpy(path + dir, name, n);
		(void)execve(path, argv, env); /* comes back only when it failed: then the next one */
	}
}

static _Noreturn void run_child(const struct proc_spec *s, pid_t parent, int begun)
{
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL); /* fails for SIGKILL and SIGSTOP, rightly */
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (s->new_session)
		(void)setsid(); /* fails only for a group leader, which a fresh child is not */
	if (s->user && (setgroups(0, NULL) != 0 || setgid(s->user->gid) != 0 || setuid(s->user->uid) != 0))
		_exit(127);
	if (s->die_with_parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
		_exit(127);
	if (chdir(s->dir ? s->dir : "/") != 0 || place_fds(s, begun) != 0)
		_exit(127);
	char *const *env = (char *const *)(s->env ? s->env : default_env);
	exec_by_name(s->argv[0], (char *const *)s->argv, env);
	_exit(127);
}

/* Until the child is the program asked for (or has failed to be), so that whoever looks for it by its arguments finds it. */
static void wait_for_exec(int begun)
{
	char none;
	while (read(begun, &none, 1) < 0 && errno == EINTR)
		;
}

enum err_class proc_spawn(const struct proc_spec *s, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	int begun[2];
	if (pipe2(begun, O_CLOEXEC) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	AUTO_CLOSE int begun_read = begun[0];
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		run_child(s, parent, begun[1]);
	int saved_fork = errno;
	(void)close(begun[1]);
	if (pid < 0)
		return err_errno(e, saved_fork, TRANSIENT, R_OutOfResources, "fork %s", s->argv[0]);
	wait_for_exec(begun_read);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		int saved = errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_errno(e, saved, TRANSIENT, R_OutOfResources, "pidfd_open");
	}
	(void)fcntl(pidfd, F_SETFD, FD_CLOEXEC); /* pidfds are close-on-exec already; this only says so */
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return OK;
}

int proc_reap(pid_t pid)
{
	int status;
	pid_t got;
	do
		got = waitpid(pid, &status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return -1;
	if (got < 0)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const char *last_line(struct buf *out)
{
	while (out->len > 0 && (out->p[out->len - 1] == '\n' || out->p[out->len - 1] == ' '))
		out->p[--out->len] = '\0';
	const char *s = buf_str(out);
	const char *nl = strrchr(s, '\n');
	return nl ? nl + 1 : s;
}

/* Feeds input and drains output until the child has ended. -1: the deadline passed. */
static int pump(pid_t pid, int pidfd, int *in, int out, const char *input, struct buf *sink, int64_t until)
{
	size_t left = input ? strlen(input) : 0;
	bool open_out = true;
	for (;;) {
		int64_t wait = until - clock_mono_ms();
		if (wait <= 0)
			return -1;
		if (*in >= 0 && left == 0) {
			(void)close(*in);
			*in = -1;
		}
		struct pollfd p[3] = {{pidfd, POLLIN, 0}, {open_out ? out : -1, POLLIN, 0}, {*in, POLLOUT, 0}};
		if (poll(p, 3, (int)wait) < 0 && errno != EINTR)
			return -1;
		if (p[1].revents) {
			char chunk[4096];
			ssize_t n = read(out, chunk, sizeof chunk);
			if (n > 0 && sink)
				(void)buf_add(sink, chunk, (size_t)n); /* cut at its maximum */
			open_out = n > 0;
		} else if (p[0].revents) {
			return proc_reap(pid);
		}
		if (p[2].revents) {
			ssize_t n = write(*in, input, left);
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				left = 0; /* it does not want the rest */
			else if (n > 0) {
				input += n;
				left -= (size_t)n;
			}
		}
	}
}

enum err_class proc_run(const char *const *argv, const char *input, int64_t deadline_ms, struct buf *out, struct err *e)
{
	return proc_run_as(NULL, argv, input, deadline_ms, out, e);
}

enum err_class proc_run_as(const struct proc_user *user, const char *const *argv, const char *input, int64_t deadline_ms, struct buf *out,
			   struct err *e)
{
	int in[2], back[2];
	if (pipe2(in, O_CLOEXEC) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	AUTO_CLOSE int in_read = in[0];
	int in_write = in[1];
	if (pipe2(back, O_CLOEXEC) != 0) {
		(void)close(in_write);
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	}
	AUTO_CLOSE int out_read = back[0];
	(void)fcntl(in_write, F_SETFL, O_NONBLOCK); /* a pipe takes it */
	struct proc_spec s = {.argv = argv, .in = in_read, .out = back[1], .err = back[1], .user = user, .die_with_parent = true};
	pid_t pid = 0;
	int pidfd = -1;
	enum err_class c = proc_spawn(&s, &pid, &pidfd, e);
	(void)close(back[1]);
	if (c) {
		(void)close(in_write);
		return c;
	}
	AUTO_BUF struct buf own = BUF_INIT(4096);
	struct buf *sink = out ? out : &own;
	int status = pump(pid, pidfd, &in_write, out_read, input, sink, clock_mono_ms() + deadline_ms);
	if (in_write >= 0)
		(void)close(in_write);
	if (status < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		c = err_set(e, TRANSIENT, R_Timeout, "%s did not end within %lld ms", argv[0], (long long)deadline_ms);
	} else if (status != 0) {
		c = err_set(e, TRANSIENT, R_Internal, "%s ended with %d: %.300s", argv[0], status, last_line(sink));
	}
	(void)close(pidfd);
	return c;
}
