/* A child that reads hostile bytes keeps nothing that it does not need. libarchive, zlib and zstd are large and old; what a
 * hole in them gives away is this process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/archive.h"

enum { MAX_FDS = 256 };

#if defined(__SANITIZE_ADDRESS__)
#define SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOW_MEMORY 1
#endif
#endif
#ifndef SHADOW_MEMORY
#define SHADOW_MEMORY 0
#endif

/* Files, memory, time and the end of the process. Nothing that makes a socket, process, mount or namespace, nothing that
 * looks into another process, no ioctl, no code that was not there before. */
static const char *const allowed[] = {
	"read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "close", "close_range", "dup", "ftruncate", "fsync",
	"fdatasync", "fallocate", "fadvise64", "copy_file_range", "sendfile", "flock", "poll", "ppoll",
	"open", "openat", "openat2", "creat", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "umask",
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
	"mknodat", "chmod", "fchmod", "fchmodat", "fchown", "fchownat", "utimensat", "setxattr", "fsetxattr",
	"munmap", "mremap", "madvise", "brk",
	"futex", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "alarm", "setitimer",
	"clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid",
	"getegid", "uname", "sysinfo", "getrusage", "times", "sched_yield", "sched_getaffinity", "rseq", "set_robust_list",
	"exit", "exit_group",
};

/* Allowed only where argument arg, masked, has the value. */
static const struct {
	const char *name;
	unsigned arg;
	uint64_t mask, value;
} allowed_if[] = {
	{"fcntl", 1, ~0U, F_DUPFD}, {"fcntl", 1, ~0U, F_DUPFD_CLOEXEC}, {"fcntl", 1, ~0U, F_GETFD}, {"fcntl", 1, ~0U, F_SETFD},
	{"fcntl", 1, ~0U, F_GETFL}, /* not F_SETOWN and F_SETSIG, which send signals */
	{"mmap", 2, PROT_EXEC, 0}, {"mprotect", 2, PROT_EXEC, 0},
};

static int allow_conditional(scmp_filter_ctx f)
{
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(allowed_if) && r == 0; i++) {
		struct scmp_arg_cmp when = {allowed_if[i].arg, SCMP_CMP_MASKED_EQ, allowed_if[i].mask, allowed_if[i].value};
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(allowed_if[i].name), 1, &when);
	}
	const struct scmp_arg_cmp self = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
	return r ? r : seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self); /* abort() */
}

static enum err_class refuse_syscalls(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f)
		return err_set(e, TRANSIENT, R_OutOfResources, "seccomp");
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(allowed) && r == 0; i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);
		if (nr >= 0) /* negative: this architecture does not have it */
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	}
	r = r ? r : allow_conditional(f);
	r = r ? r : seccomp_load(f);
	seccomp_release(f);
	return r ? err_errno(e, -r, BUG, R_Internal, "seccomp") : OK;
}

/* From here on only what is below dirfd can be opened, made or removed. Older kernels do not have it; the other bounds
 * stand alone there. */
static enum err_class bound_files(int dirfd, struct err *e)
{
	static const uint64_t files = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				      LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				      LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM;
	static const uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				      LANDLOCK_ACCESS_FS_MAKE_BLOCK;
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 0)
		return OK;
	/* Renames and hard links from one directory to another are refused unless handled, from version 2 on. */
	uint64_t refer = version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	struct landlock_ruleset_attr set = {.handled_access_fs = files | never | refer};
	AUTO_CLOSE int rules = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof set, 0);
	struct landlock_path_beneath_attr below = {.allowed_access = files | refer, .parent_fd = dirfd};
	if (rules < 0 || syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) != 0)
		return err_errno(e, errno, BUG, R_Internal, "landlock");
	AUTO_CLOSE int locales = open("/usr/lib/locale", O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr readable = {LANDLOCK_ACCESS_FS_READ_FILE, locales};
	if (locales >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &readable, 0) != 0)
		return err_errno(e, errno, BUG, R_Internal, "landlock");
	if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
		return err_errno(e, errno, BUG, R_Internal, "landlock");
	return OK;
}

/* Lowers a limit, never raises it. */
static enum err_class limit(__rlimit_resource_t what, rlim_t to, struct err *e)
{
	struct rlimit l;
	if (getrlimit(what, &l) != 0)
		return err_errno(e, errno, BUG, R_Internal, "getrlimit");
	if (l.rlim_max == RLIM_INFINITY || to < l.rlim_max)
		l.rlim_max = to;
	l.rlim_cur = l.rlim_max;
	return setrlimit(what, &l) == 0 ? OK : err_errno(e, errno, BUG, R_Internal, "setrlimit");
}

static enum err_class lower_limits(uint64_t max_memory, uint64_t max_file, unsigned cpu_seconds, struct err *e)
{
	enum err_class c = limit(RLIMIT_CORE, 0, e);
	if (!c)
		c = limit(RLIMIT_NOFILE, MAX_FDS, e);
	if (!c)
		c = limit(RLIMIT_NPROC, 0, e);
	if (!c && max_memory && !SHADOW_MEMORY) /* AddressSanitizer reserves terabytes of addresses */
		c = limit(RLIMIT_AS, max_memory, e);
	if (!c && max_file)
		c = limit(RLIMIT_FSIZE, max_file, e);
	if (!c && cpu_seconds)
		c = limit(RLIMIT_CPU, cpu_seconds, e);
	return c;
}

enum err_class archive_confine(int below, uint64_t max_memory, uint64_t max_file, unsigned cpu_seconds, struct err *e)
{
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR) /* EFBIG instead, which has a message */
		return err_errno(e, errno, BUG, R_Internal, "signal");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, errno, BUG, R_Internal, "prctl");
	enum err_class c = lower_limits(max_memory, max_file, cpu_seconds, e);
	if (!c && below >= 0)
		c = bound_files(below, e);
	return c ? c : refuse_syscalls(e);
}
