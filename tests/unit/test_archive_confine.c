/* What a confined process can no longer do, and that it can still do its work. Each test confines a child and looks at its
 * exit status: 0, or the line that failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "archives.h"

#define NEED(condition)                                                                                                        \
	do {                                                                                                                   \
		if (!(condition))                                                                                              \
			_exit(__LINE__ % 251 + 1);                                                                             \
	} while (0)
#define DENIED_WITH(call, code) NEED((call) == -1 && errno == (code))

typedef void child_fn(int inside, const char *dir);

/* Runs fn in a child; dir/inside is what it may still reach. */
static int run(child_fn *fn)
{
	char *dir = make_temp();
	int outer = open_dir_of(dir, "");
	int inside = open_dir_of(dir, "inside");
	put(outer, "secret", 0644, "secret");
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(outer);
		fn(inside, dir);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(inside);
	(void)close(outer);
	remove_temp(dir);
	return status;
}

static void confine(int inside)
{
	struct err e = ERR_INIT;
	if (archive_confine(inside, (uint64_t)512 << 20, 1 << 20, 20, &e)) {
		print_error("%s\n", e.msg);
		_exit(252);
	}
}

static void forbidden(int inside, const char *dir)
{
	(void)dir;
	confine(inside);
	char *const argv[] = {NULL};
	int fds[2];
	DENIED_WITH(socket(AF_INET, SOCK_STREAM, 0), EPERM);
	DENIED_WITH(socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	DENIED_WITH(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), EPERM);
	DENIED_WITH(execve("/bin/true", argv, argv), EPERM);
	DENIED_WITH(syscall(SYS_fork), EPERM);
	DENIED_WITH(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	DENIED_WITH(syscall(SYS_clone3, NULL, 0), EPERM);
	DENIED_WITH(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
	DENIED_WITH(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0), EPERM);
	DENIED_WITH(kill(getppid(), 0), EPERM);
	DENIED_WITH(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
	DENIED_WITH(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
	DENIED_WITH(unshare(CLONE_NEWUSER), EPERM);
	DENIED_WITH(setns(0, 0), EPERM);
	DENIED_WITH(chroot("/"), EPERM);
	DENIED_WITH(syscall(SYS_bpf, 0, NULL, 0), EPERM);
	DENIED_WITH(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
	DENIED_WITH(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	DENIED_WITH(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL), EPERM);
	DENIED_WITH(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM);
	DENIED_WITH(syscall(SYS_ioctl, 0, 0, 0), EPERM);
	DENIED_WITH(fcntl(0, F_SETOWN, getppid()), EPERM);
	NEED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EPERM);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(p != MAP_FAILED);
	DENIED_WITH(mprotect(p, 4096, PROT_READ | PROT_EXEC), EPERM);
}

static void dangerous_calls_fail(void **state)
{
	(void)state;
	assert_int_equal(run(forbidden), 0);
}

static void reaches(int inside, const char *dir)
{
	AUTO_FREE char *secret = xprintf("%s/secret", dir), *linked = xprintf("%s/inside/link", dir);
	NEED(symlinkat("../secret", inside, "link") == 0);
	bool bound = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
	confine(inside);
	int fd = openat(inside, "new", O_RDWR | O_CREAT | O_EXCL, 0600);
	NEED(fd >= 0 && write(fd, "x", 1) == 1 && mkdirat(inside, "d", 0700) == 0);
	NEED(linkat(inside, "new", inside, "d/hard", 0) == 0 && renameat(inside, "new", inside, "d/renamed") == 0);
	NEED(mknodat(inside, "whiteout", S_IFCHR, 0) == 0 && unlinkat(inside, "whiteout", 0) == 0);
	if (!bound) /* the kernel has no Landlock: nothing more to see */
		_exit(0);
	DENIED_WITH(open(secret, O_RDONLY), EACCES);
	DENIED_WITH(open(linked, O_RDONLY), EACCES);
	DENIED_WITH(open("/etc/passwd", O_RDONLY), EACCES);
	DENIED_WITH(open("/proc/self/environ", O_RDONLY), EACCES);
	DENIED_WITH(openat(inside, "../secret", O_WRONLY), EACCES);
	DENIED_WITH(openat(inside, "../new", O_WRONLY | O_CREAT, 0600), EACCES);
	DENIED_WITH(unlinkat(inside, "../secret", 0), EACCES);
	DENIED_WITH(mkfifoat(inside, "fifo", 0600), EACCES);
}

static void files_elsewhere_are_out_of_reach(void **state)
{
	(void)state;
	assert_int_equal(run(reaches), 0);
}

static void limited(int inside, const char *dir)
{
	(void)dir;
	struct rlimit l;
	confine(inside);
	NEED(getrlimit(RLIMIT_CORE, &l) == -1); /* prlimit64 is not allowed, not even to look */
	int fd = openat(inside, "large", O_WRONLY | O_CREAT, 0600);
	static char chunk[65536];
	ssize_t n = 1;
	uint64_t total = 0;
	while ((n = write(fd, chunk, sizeof chunk)) > 0)
		total += (uint64_t)n;
	NEED(n < 0 && errno == EFBIG && total == 1 << 20);
	int last = -1;
	for (int next = 0; next >= 0; last = next >= 0 ? next : last)
		next = dup(fd);
	NEED(errno == EMFILE && last < 256);
}

static void limits_hold(void **state)
{
	(void)state;
	assert_int_equal(run(limited), 0);
}

static void works(int inside, const char *dir)
{
	(void)dir;
	struct tar t = {BUF_INIT(1 << 20)};
	tar_file(&t, "a/b", "one");
	tar_header(&t, '2', "a/link", "b", 0777, 0);
	tar_header(&t, '1', "hard", "a/b", 0644, 0);
	tar_pax(&t, "path", "\xc3\xa9");
	tar_file(&t, "x", "two");
	tar_end(&t);
	AUTO_BUF struct buf gz = BUF_INIT(1 << 20);
	gzip_into(&gz, t.b.p, t.b.len);
	int in = fd_of(gz.p, gz.len), out = fd_of("", 0);
	confine(inside);
	const struct unpack_opts o = {0};
	struct unpacked got;
	struct err e = ERR_INIT;
	NEED(archive_unpack(in, inside, &o, &got, &e) == OK && got.entries == 5);
	struct pack_opts p = {.prefix = "app"};
	struct packed packed;
	NEED(archive_pack(inside, &p, out, &packed, &e) == OK && packed.entries == 6);
}

static void unpacking_and_packing_work(void **state)
{
	(void)state;
	assert_int_equal(run(works), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dangerous_calls_fail),
		cmocka_unit_test(files_elsewhere_are_out_of_reach),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(unpacking_and_packing_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
