/* Children: what they get, what comes back, and that none outlives its deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include "base/fs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"

enum { LATER_MS = 10000 };

/* A shell of the test's own: the library itself never uses one. */
#define SHELL(script) (const char *const[]) { "/bin/sh", "-c", script, NULL }

static void output_and_errors_come_back_together(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = BUF_INIT(1000);
	assert_int_equal(proc_run(SHELL("echo out; echo err >&2"), NULL, LATER_MS, &out, &e), OK);
	assert_string_equal(buf_str(&out), "out\nerr\n");
	assert_int_equal(proc_run(SHELL("exit 0"), NULL, LATER_MS, NULL, &e), OK);
}

static void input_is_handed_over(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	AUTO_FREE char *big = xmalloc(300001); /* more than a pipe holds, in both directions */
	memset(big, 'x', 300000);
	big[300000] = '\0';
	static const char *const cat[] = {"cat", NULL};
	assert_int_equal(proc_run(cat, big, LATER_MS, &out, &e), OK);
	assert_int_equal(out.len, 300000);
	assert_int_equal(proc_run(SHELL("exit 0"), big, LATER_MS, NULL, &e), OK); /* it need not read */
	buf_clear(&out);
	assert_int_equal(proc_run(cat, NULL, LATER_MS, &out, &e), OK);
	assert_int_equal(out.len, 0);
}

static void output_is_cut_not_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = BUF_INIT(10);
	assert_int_equal(proc_run(SHELL("i=0; while [ $i -lt 100000 ]; do echo 123456789; i=$((i+1)); done"), NULL, LATER_MS, &out, &e), OK);
	assert_true(out.len <= 10);
}

static void a_failure_says_its_last_line(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(proc_run(SHELL("echo first; echo the cause; echo; exit 3"), NULL, LATER_MS, NULL, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
	assert_string_equal(e.msg, "/bin/sh ended with 3: the cause");
	assert_int_equal(proc_run(SHELL("kill -9 $$"), NULL, LATER_MS, NULL, &e), TRANSIENT);
	assert_non_null(strstr(e.msg, "137"));
	static const char *const none[] = {"/nowhere/program", NULL};
	assert_int_equal(proc_run(none, NULL, LATER_MS, NULL, &e), TRANSIENT);
	assert_non_null(strstr(e.msg, "127"));
}

static void a_deadline_kills(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static const char *const sleeper[] = {"sleep", "600", NULL};
	int64_t began = clock_mono_ms();
	assert_int_equal(proc_run(sleeper, NULL, 50, NULL, &e), TRANSIENT);
	assert_string_equal(e.reason, "Timeout");
	assert_true(clock_mono_ms() - began < LATER_MS);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

static void a_grandchild_with_the_pipe_does_not_hold_us_up(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = BUF_INIT(100);
	int64_t began = clock_mono_ms();
	assert_int_equal(proc_run(SHELL("sleep 20 & echo $!"), NULL, LATER_MS, &out, &e), OK);
	assert_true(clock_mono_ms() - began < LATER_MS);
	pid_t grandchild = atoi(buf_str(&out));
	assert_true(grandchild > 1);
	assert_int_equal(kill(grandchild, SIGKILL), 0);
}

/* Starts what s says with its output in a pipe, and gives what it wrote. */
static int run_spec(struct proc_spec *s, struct buf *out)
{
	struct err e = ERR_INIT;
	int fd[2], pidfd = -1;
	pid_t pid = 0;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	s->out = fd[1];
	if (proc_spawn(s, &pid, &pidfd, &e) != OK)
		fail_msg("%s", e.msg);
	(void)close(fd[1]);
	for (ssize_t n = 1; n > 0;) {
		char chunk[4096];
		n = read(fd[0], chunk, sizeof chunk);
		assert_true(n >= 0);
		assert_true(buf_add(out, chunk, (size_t)n));
	}
	(void)close(fd[0]);
	struct pollfd p = {pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, LATER_MS), 1);
	int status = proc_reap(pid);
	(void)close(pidfd);
	return status;
}

static void a_child_gets_only_what_is_named(void **state)
{
	(void)state;
	AUTO_CLOSE int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int secret = fcntl(zero, F_DUPFD, 40); /* inheritable on purpose, and no number that is given away */
	AUTO_CLOSE int given = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(secret >= 40);
	const int pass[] = {given};
	struct proc_spec s = PROC_SPEC_INIT;
	s.argv = SHELL("for fd in /proc/self/fd/*; do readlink $fd; done | grep -c /dev/zero; readlink /proc/$$/fd/3");
	s.pass = pass;
	s.npass = 1;
	AUTO_BUF struct buf out = BUF_INIT(1000);
	assert_int_equal(run_spec(&s, &out), 0);
	assert_string_equal(buf_str(&out), "0\n/dev/null\n");
}

static void directory_and_environment(void **state)
{
	(void)state;
	static const char *const env[] = {"A=1", NULL};
	static const char *const program[] = {"/usr/bin/env", NULL};
	AUTO_BUF struct buf out = BUF_INIT(1000);
	struct proc_spec s = PROC_SPEC_INIT;
	s.argv = program;
	s.env = env;
	assert_int_equal(setenv("LEAKED", "yes", 1), 0);
	assert_int_equal(run_spec(&s, &out), 0);
	assert_string_equal(buf_str(&out), "A=1\n");
	buf_clear(&out);
	s.env = NULL;
	assert_int_equal(run_spec(&s, &out), 0);
	assert_string_equal(buf_str(&out), "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n");
	buf_clear(&out);
	s.argv = SHELL("pwd");
	assert_int_equal(run_spec(&s, &out), 0);
	assert_string_equal(buf_str(&out), "/\n");
	buf_clear(&out);
	s.dir = "/usr";
	assert_int_equal(run_spec(&s, &out), 0);
	assert_string_equal(buf_str(&out), "/usr\n");
	s.dir = "/nowhere";
	assert_int_equal(run_spec(&s, &out), 127);
}

/* A name is looked up in the four directories of the system, wherever our own PATH leads. */
static void our_own_path_does_not_count(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char dir[] = "/var/tmp/proc.XXXXXX";
	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *fake = xprintf("%s/true", dir);
	assert_int_equal(symlink("/bin/false", fake), 0);
	AUTO_FREE char *before = xstrdup(getenv("PATH"));
	assert_int_equal(setenv("PATH", dir, 1), 0);
	static const char *const program[] = {"true", NULL};
	enum err_class c = proc_run(program, NULL, LATER_MS, NULL, &e);
	assert_int_equal(setenv("PATH", before, 1), 0);
	assert_int_equal(unlink(fake), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(c, OK);
}

static void signals_are_as_new(void **state)
{
	(void)state;
	sigset_t blocked, before;
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	(void)signal(SIGPIPE, SIG_IGN);
	struct proc_spec s = PROC_SPEC_INIT;
	AUTO_BUF struct buf out = BUF_INIT(1000);
	s.argv = SHELL("grep -E '^Sig(Blk|Ign)' /proc/self/status");
	int status = run_spec(&s, &out);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	assert_int_equal(status, 0);
	assert_string_equal(buf_str(&out), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void a_session_of_its_own(void **state)
{
	(void)state;
	struct proc_spec s = PROC_SPEC_INIT;
	AUTO_BUF struct buf out = BUF_INIT(1000);
	s.argv = SHELL("test \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ && echo own");
	s.new_session = true;
	assert_int_equal(run_spec(&s, &out), 0);
	assert_string_equal(buf_str(&out), "own\n");
}

static void reaping(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct proc_spec s = PROC_SPEC_INIT;
	static const char *const cat[] = {"cat", NULL};
	int fd[2], pidfd = -1;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	s.argv = cat;
	s.in = fd[0];
	pid_t pid = 0;
	assert_int_equal(proc_spawn(&s, &pid, &pidfd, &e), OK);
	assert_int_equal(proc_reap(pid), -1); /* it still reads */
	(void)close(fd[0]);
	(void)close(fd[1]);
	struct pollfd p = {pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, LATER_MS), 1);
	assert_int_equal(proc_reap(pid), 0);
	assert_int_equal(proc_reap(pid), 127); /* nobody's child any more */
	(void)close(pidfd);
}

/* Whoever dies with its parent does so as another user, too. */
static void another_user_with_no_other_group(void **state)
{
	(void)state;
	const struct proc_user user = {65534, 65533};
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = BUF_INIT(4096);
	if (geteuid() != 0)
		fail_msg("these tests need root");
	assert_int_equal(proc_run_as(&user, (const char *const[]){"sh", "-c", "id -u; id -g; id -G; id -ru", NULL}, NULL, LATER_MS, &out, &e),
			 OK);
	assert_string_equal(buf_str(&out), "65534\n65533\n65533\n65534\n");
	int fd[2];
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct proc_spec s = PROC_SPEC_INIT;
		pid_t pid;
		int pidfd;
		s.argv = (const char *const[]){"sleep", "60", NULL};
		s.user = &user;
		s.out = fd[1];
		s.die_with_parent = true;
		_exit(proc_spawn(&s, &pid, &pidfd, &e) ? 1 : 0);
	}
	int status = -1;
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(status, 0);
	(void)close(fd[1]);
	struct pollfd p = {fd[0], POLLIN, 0}; /* its end of the pipe closes with it */
	assert_int_equal(poll(&p, 1, LATER_MS), 1);
	assert_int_equal(p.revents, POLLHUP);
	(void)close(fd[0]);
}

/* Who kills a daemon finds it by its arguments: it must bear them as soon as it was started. */
static void a_started_child_is_the_program(void **state)
{
	(void)state;
	const char *const argv[] = {"sleep", "30", NULL};
	for (int i = 0; i < 200; i++) {
		struct err e = ERR_INIT;
		struct proc_spec s = PROC_SPEC_INIT;
		s.argv = argv;
		pid_t pid;
		int pidfd;
		assert_int_equal(proc_spawn(&s, &pid, &pidfd, &e), OK);
		AUTO_FREE char *path = xprintf("/proc/%d/cmdline", (int)pid);
		AUTO_BUF struct buf cmdline = BUF_INIT(4096);
		assert_int_equal(fs_read(path, &cmdline, &e), OK);
		assert_int_equal(kill(pid, SIGKILL), 0);
		struct pollfd p = {pidfd, POLLIN, 0};
		assert_int_equal(poll(&p, 1, 20000), 1);
		assert_int_equal(proc_reap(pid), 128 + SIGKILL);
		assert_int_equal(close(pidfd), 0);
		assert_string_equal(buf_str(&cmdline), "sleep");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_started_child_is_the_program),
		cmocka_unit_test(output_and_errors_come_back_together),
		cmocka_unit_test(input_is_handed_over),
		cmocka_unit_test(output_is_cut_not_refused),
		cmocka_unit_test(a_failure_says_its_last_line),
		cmocka_unit_test(a_deadline_kills),
		cmocka_unit_test(a_grandchild_with_the_pipe_does_not_hold_us_up),
		cmocka_unit_test(a_child_gets_only_what_is_named),
		cmocka_unit_test(directory_and_environment),
		cmocka_unit_test(our_own_path_does_not_count),
		cmocka_unit_test(signals_are_as_new),
		cmocka_unit_test(a_session_of_its_own),
		cmocka_unit_test(another_user_with_no_other_group),
		cmocka_unit_test(reaping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
