#include "node/daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

enum {
	SHORT_LIFE_MS = 1000,
	UNSTABLE = 3,      /* short lives in a row that daemon_check calls a failure */
	QUICK_TRIES = 10,  /* after so many the pauses grow */
	PAUSE_MS = 100,
	LONG_PAUSE_MS = 1000,
	KILL_MS = 5000,
	CMDLINE_MAX = 4096
};

struct daemon {
	struct loop *loop;
	const struct daemon_spec *spec;
	daemon_changed_fn *changed;
	void *ctx;
	pid_t pid;
	int pidfd;
	int64_t started;
	int short_lives; /* in a row */
	uint64_t timer;
};

struct daemon *daemon_new(struct loop *l, const struct daemon_spec *s, daemon_changed_fn *changed, void *ctx)
{
	struct daemon *d = xcalloc(1, sizeof *d);
	*d = (struct daemon){.loop = l, .spec = s, .changed = changed, .ctx = ctx, .pidfd = -1};
	return d;
}

static void forget_process(struct daemon *d)
{
	if (d->pidfd >= 0) {
		loop_unwatch(d->loop, d->pidfd);
		(void)close(d->pidfd);
	}
	d->pidfd = -1;
	d->pid = 0;
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	loop_cancel(d->loop, d->timer);
	forget_process(d);
	free(d);
}

pid_t daemon_pid(const struct daemon *d) { return d->pid; }

static bool read_proc(pid_t pid, const char *what, struct buf *b)
{
	AUTO_FREE char *path = xprintf("/proc/%d/%s", (int)pid, what);
	struct err ignored = ERR_INIT; /* it may have ended meanwhile: then it does not fit */
	buf_clear(b);
	return fs_read(path, b, &ignored) == OK && b->len > 0;
}

static bool same_arguments(const struct daemon_spec *s, const struct buf *cmdline)
{
	size_t at = 0;
	for (size_t i = 0; s->argv[i]; i++) {
		size_t n = strlen(s->argv[i]) + 1;
		if (cmdline->len - at < n || memcmp(cmdline->p + at, s->argv[i], n) != 0)
			return false;
		at += n;
	}
	return at == cmdline->len;
}

static bool right_user(const struct daemon_spec *s, const struct buf *status)
{
	const char *line = strstr(buf_str(status), "\nUid:");
	if (!line)
		return false;
	uid_t uid = (uid_t)strtoul(line + 5, NULL, 10);
	const struct passwd *pw = uid == 0 ? NULL : getpwnam(s->user);
	return uid == 0 || (pw && pw->pw_uid == uid);
}

/* Clock ticks since boot, the 22nd field of /proc/PID/stat; the second may hold spaces and brackets. */
static uint64_t start_time(const struct buf *stat)
{
	const char *at = strrchr(buf_str(stat), ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* When it fits: its start time; else 0. */
static uint64_t fits(const struct daemon_spec *s, pid_t pid)
{
	AUTO_BUF struct buf b = BUF_INIT(CMDLINE_MAX);
	if (!read_proc(pid, "cmdline", &b) || !same_arguments(s, &b))
		return 0;
	if (!read_proc(pid, "status", &b) || !right_user(s, &b))
		return 0;
	return read_proc(pid, "stat", &b) ? start_time(&b) : 0;
}

pid_t daemon_find(const struct daemon_spec *s, int *ret_pidfd)
{
	DIR *dir = opendir("/proc");
	pid_t best = 0;
	uint64_t newest = 0;
	for (struct dirent *ent; dir && (ent = readdir(dir)) != NULL;) {
		pid_t pid = isdigit((unsigned char)ent->d_name[0]) ? (pid_t)strtol(ent->d_name, NULL, 10) : 0;
		uint64_t at = pid > 0 ? fits(s, pid) : 0;
		if (at > newest) {
			newest = at;
			best = pid;
		}
	}
	if (dir)
		(void)closedir(dir);
	if (!best || !ret_pidfd)
		return best;
	int fd = (int)syscall(SYS_pidfd_open, best, 0);
	if (fd >= 0 && fits(s, best) == newest) { /* still the same one, now that its number cannot be given away */
		*ret_pidfd = fd;
		return best;
	}
	if (fd >= 0)
		(void)close(fd);
	return 0;
}

enum err_class daemon_kill(const struct daemon_spec *s, struct err *e)
{
	int64_t until = clock_mono_ms() + KILL_MS;
	int pidfd;
	for (pid_t pid; (pid = daemon_find(s, &pidfd)) != 0;) {
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U); /* ended already: fine */
		struct pollfd p = {pidfd, POLLIN, 0};
		int64_t left = until - clock_mono_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		(void)close(pidfd);
		if (n == 0)
			return err_set(e, TRANSIENT, R_Timeout, "%s (pid %d) does not end", s->argv[0], (int)pid);
		(void)proc_reap(pid); /* only a child of ours needs it */
	}
	return OK;
}

static void start_later(struct daemon *d);

static void on_end(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	struct daemon *d = ctx;
	(void)proc_reap(d->pid); /* only a child of ours needs it */
	bool short_life = clock_mono_ms() - d->started < SHORT_LIFE_MS;
	d->short_lives = short_life ? d->short_lives + 1 : 0;
	forget_process(d);
	d->changed(d->ctx, 0);
	struct err ignored = ERR_INIT; /* tried again until it works; daemon_check tells who asks */
	if (short_life || daemon_start(d, false, &ignored) != OK)
		start_later(d);
}

static void on_timer(void *ctx)
{
	struct daemon *d = ctx;
	d->timer = 0;
	struct err ignored = ERR_INIT; /* as above */
	if (daemon_start(d, false, &ignored) != OK)
		start_later(d);
}

static void start_later(struct daemon *d)
{
	loop_cancel(d->loop, d->timer);
	d->timer = loop_after(d->loop, d->short_lives > QUICK_TRIES ? LONG_PAUSE_MS : PAUSE_MS, on_timer, d);
}

static void follow(struct daemon *d, pid_t pid, int pidfd)
{
	d->pid = pid;
	d->pidfd = pidfd;
	d->started = clock_mono_ms();
	loop_watch(d->loop, pidfd, EPOLLIN, on_end, d);
	d->changed(d->ctx, pid);
}

enum err_class daemon_start(struct daemon *d, bool adopt, struct err *e)
{
	const struct daemon_spec *s = d->spec;
	int pidfd;
	pid_t pid = adopt ? daemon_find(s, &pidfd) : 0;
	if (pid) {
		follow(d, pid, pidfd);
		return OK;
	}
	/* Appended to: two processes may overlap for a moment, and neither may overwrite the other's words. */
	AUTO_CLOSE int log = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", s->log);
	struct proc_spec p = {.argv = s->argv, .dir = s->dir, .in = -1, .out = log, .err = log, .pass = s->pass,
			      .npass = s->npass, .new_session = true};
	enum err_class c = proc_spawn(&p, &pid, &pidfd, e);
	if (!c)
		follow(d, pid, pidfd);
	return c;
}

enum err_class daemon_check(const struct daemon *d, struct err *e)
{
	if (d->short_lives < UNSTABLE || (d->pid && clock_mono_ms() - d->started >= SHORT_LIFE_MS))
		return OK;
	AUTO_BUF struct buf log = BUF_INIT(65536);
	struct err ignored = ERR_INIT; /* without a log there is simply no line to show */
	if (fs_read(d->spec->log, &log, &ignored) != OK)
		buf_clear(&log);
	while (log.len > 0 && isspace((unsigned char)log.p[log.len - 1]))
		log.p[--log.len] = '\0';
	const char *nl = strrchr(buf_str(&log), '\n');
	return err_set(e, TRANSIENT, R_Internal, "%s does not run: %.300s", d->spec->argv[0], nl ? nl + 1 : buf_str(&log));
}
