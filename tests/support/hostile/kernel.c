/* System calls and files that an unprivileged function has no business with. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* A system call by its number: what libc checks first is not what is tried. */
#define CALL(name, ...) static long name(void) { return syscall(__VA_ARGS__); }

static char zeros[4096];
static const long never[2] = {-1, -1}; /* a time that is refused where setting it is not */
static struct { uint64_t size, flags, x[8]; } clone3_args = {.flags = CLONE_NEWUSER};

CALL(a_mount, SYS_mount, "none", "/tmp", "tmpfs", 0L, NULL)
CALL(a_bind_mount, SYS_mount, "/proc", "/tmp", NULL, (long)MS_BIND, NULL)
CALL(a_remount, SYS_mount, "none", "/", NULL, (long)(MS_REMOUNT | MS_BIND), NULL)
CALL(a_umount, SYS_umount2, "/proc", (long)MNT_DETACH)
CALL(a_fsopen, SYS_fsopen, "tmpfs", 0L)
CALL(a_open_tree, SYS_open_tree, -100L, "/", 1L)
CALL(a_mount_setattr, SYS_mount_setattr, -100L, "/", 0L, zeros, 32L)
CALL(a_move_mount, SYS_move_mount, -100L, "/proc", -100L, "/tmp", 0L)
CALL(a_pivot_root, SYS_pivot_root, "/tmp", "/tmp")
CALL(a_chroot, SYS_chroot, "/tmp")
CALL(a_bpf, SYS_bpf, 0L, zeros, 48L)
CALL(a_keyctl, SYS_keyctl, (long)KEYCTL_GET_KEYRING_ID, (long)KEY_SPEC_SESSION_KEYRING, 1L)
CALL(a_add_key, SYS_add_key, "user", "x", "y", 1L, (long)KEY_SPEC_PROCESS_KEYRING)
CALL(a_request_key, SYS_request_key, "user", "x", NULL, 0L)
CALL(a_unshare_user, SYS_unshare, (long)CLONE_NEWUSER)
CALL(a_unshare_mount, SYS_unshare, (long)CLONE_NEWNS)
CALL(a_unshare_net, SYS_unshare, (long)CLONE_NEWNET)
CALL(a_clone3, SYS_clone3, &clone3_args, 88L)
CALL(a_userfaultfd, SYS_userfaultfd, 0L)
CALL(a_io_uring_setup, SYS_io_uring_setup, 4L, zeros)
CALL(a_setuid, SYS_setuid, 0L)
CALL(a_setresuid, SYS_setresuid, 0L, 0L, 0L)
CALL(a_setgid, SYS_setgid, 0L)
CALL(a_setgroups, SYS_setgroups, 1L, zeros)
CALL(a_init_module, SYS_init_module, zeros, 16L, "")
CALL(a_finit_module, SYS_finit_module, 0L, "", 0L)
CALL(a_delete_module, SYS_delete_module, "x", 0L)
CALL(a_kexec_load, SYS_kexec_load, 0L, 0L, NULL, 0L)
CALL(a_reboot, SYS_reboot, 0xfee1deadL, 672274793L, 0L /* CAD off: harmless where it is allowed */, NULL)
CALL(a_swapon, SYS_swapon, "/tmp", 0L)
CALL(a_sethostname, SYS_sethostname, "x", 1L)
CALL(a_setdomainname, SYS_setdomainname, "x", 1L)
CALL(a_settimeofday, SYS_settimeofday, never, NULL)
CALL(a_clock_settime, SYS_clock_settime, 0L, never)
CALL(a_syslog, SYS_syslog, 3L, zeros, 100L)
CALL(a_acct, SYS_acct, NULL)
CALL(a_open_by_handle_at, SYS_open_by_handle_at, -100L, zeros, 0L)
CALL(a_name_to_handle_at, SYS_name_to_handle_at, -100L, "/", zeros, zeros + 64, 0L)
CALL(a_fanotify_init, SYS_fanotify_init, 0L, 0L)
CALL(a_quotactl, SYS_quotactl, 0L, NULL, 0L, NULL)
CALL(a_pidfd_getfd, SYS_pidfd_getfd, 0L, 0L, 0L)
CALL(a_kcmp, SYS_kcmp, 1L, 1L, 0L, 0L, 0L)
CALL(a_vmsplice, SYS_vmsplice, 1L, zeros, 0L, 0L)
CALL(a_vhangup, SYS_vhangup)
#ifdef SYS_iopl
CALL(a_iopl, SYS_iopl, 3L)
CALL(a_ioperm, SYS_ioperm, 0L, 1L, 1L)
CALL(a_modify_ldt, SYS_modify_ldt, 0L, zeros, 16L)
#endif

static long a_setns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return syscall(SYS_setns, fd, 0L);
}

/* clone with one flag that makes a namespace: the child ends at once. */
static long clone_with(unsigned long flag)
{
	long pid = syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(0);
	return pid;
}
static long a_clone_user(void) { return clone_with(CLONE_NEWUSER); }
static long a_clone_mount(void) { return clone_with(CLONE_NEWNS); }
static long a_clone_pid(void) { return clone_with(CLONE_NEWPID); }
static long a_clone_net(void) { return clone_with(CLONE_NEWNET); }

/* Of the server, process 1, which has our own uid. */
static long a_ptrace(void) { return ptrace(PTRACE_ATTACH, 1, NULL, NULL); }
static long a_ptrace_seize(void) { return ptrace(PTRACE_SEIZE, 1, NULL, NULL); }
static long a_process_vm_readv(void)
{
	char got[16];
	struct iovec to = {got, sizeof got}, from = {zeros, sizeof got};
	return syscall(SYS_process_vm_readv, 1L, &to, 1L, &from, 1L, 0L);
}
static long a_process_vm_writev(void)
{
	char put[16] = {0};
	struct iovec from = {put, sizeof put}, to = {zeros, sizeof put};
	return syscall(SYS_process_vm_writev, 1L, &from, 1L, &to, 1L, 0L);
}
static long a_perf_event_open(void)
{
	struct perf_event_attr p = {.type = PERF_TYPE_SOFTWARE, .size = sizeof p, .config = PERF_COUNT_SW_CPU_CLOCK};
	return syscall(SYS_perf_event_open, &p, 0L, -1L, -1L, 0L);
}
static long a_capset(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct all[2] = {{~0U, ~0U, 0}, {~0U, ~0U, 0}};
	return syscall(SYS_capset, &head, all);
}
static long a_realtime(void)
{
	struct sched_param p = {.sched_priority = 1};
	return sched_setscheduler(0, SCHED_FIFO, &p);
}
static long a_nice(void) { return setpriority(PRIO_PROCESS, 0, -20); }
static long a_rlimit(void)
{
	struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};
	return setrlimit(RLIMIT_NOFILE, &r);
}

/* Sockets. */
static long opened(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return fd;
}
static long a_raw(void) { return opened(socket(AF_INET, SOCK_RAW, 1)); }
static long a_raw_flags(void) { return opened(socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 255)); }
static long a_raw6(void) { return opened(socket(AF_INET6, SOCK_RAW, 58)); }
static long a_packet(void) { return opened(socket(AF_PACKET, SOCK_RAW, 0)); }
static long a_packet_dgram(void) { return opened(socket(AF_PACKET, SOCK_DGRAM, 0)); }
static long a_alg(void) { return opened(socket(AF_ALG, SOCK_SEQPACKET, 0)); }
static long a_vsock(void) { return opened(socket(AF_VSOCK, SOCK_STREAM, 0)); }
static long a_bluetooth(void) { return opened(socket(AF_BLUETOOTH, SOCK_RAW, 0)); }
static long a_key_socket(void) { return opened(socket(AF_KEY, SOCK_RAW, 2)); }
static long a_netlink_audit(void) { return opened(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)); }
static long a_netlink_generic(void) { return opened(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)); }
static long a_netlink_netfilter(void) { return opened(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)); }

/* NETLINK_ROUTE may be opened (getifaddrs needs it); changing a link through it may not. */
static long a_change_link(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} m = {.head = {.nlmsg_len = sizeof m, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	       .link = {.ifi_index = 1, .ifi_change = 1}};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} got = {0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -1;
	bool told = send(fd, &m, sizeof m, 0) == (ssize_t)sizeof m && recv(fd, &got, sizeof got, 0) > 0;
	(void)close(fd);
	errno = told ? -got.error.error : EIO;
	return told && got.error.error == 0 ? 0 : -1;
}

/* Files. */
static long writes(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	long n = write(fd, "1", 1);
	(void)close(fd);
	return n;
}
static long reads(const char *path)
{
	char got[16];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	long n = read(fd, got, sizeof got);
	(void)close(fd);
	errno = n == 0 ? ENODATA : errno;
	return n == 0 ? -1 : n; /* masked with an empty file */
}
static long makes(mode_t type, dev_t device) { return mknod("/tmp/node", type | 0666, device); }

static long a_write_hostname(void) { return writes("/proc/sys/kernel/hostname"); }
static long a_write_ip_forward(void) { return writes("/proc/sys/net/ipv4/ip_forward"); }
static long a_write_core_pattern(void) { return writes("/proc/sys/kernel/core_pattern"); }
static long a_write_sysrq(void) { return writes("/proc/sysrq-trigger"); }
static long a_write_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -1 : write(fd, "-1000", 5);
}
static long a_write_uid_map(void) { return writes("/proc/self/uid_map"); }
static long a_write_root(void) { return writes("/hostile"); }
static long a_write_app(void) { return writes("/app/hostile"); }
static long a_write_passwd(void) { return writes("/etc/passwd"); }
static long a_write_dev(void) { return writes("/dev/hostile"); }
static long a_write_exe(void) { return writes("/proc/self/exe"); }
static long a_rename_app(void) { return rename("/app/hostile", "/app/other"); }
static long a_read_kcore(void) { return reads("/proc/kcore"); }
static long a_read_kmsg(void) { return reads("/dev/kmsg"); }
static long a_read_proc_kmsg(void) { return reads("/proc/kmsg"); }
static long a_read_mem(void) { return reads("/dev/mem"); }
static long a_read_keys(void) { return reads("/proc/keys"); }
static long a_read_timer_list(void) { return reads("/proc/timer_list"); }
static long a_read_sched_debug(void) { return reads("/sys/kernel/debug/sched/debug"); }
static long a_read_firmware(void) { return reads("/sys/firmware/dmi/tables/DMI"); }
static long a_read_disk(void) { return reads("/dev/vda"); }
static long a_open_fuse(void) { return reads("/dev/fuse"); }
static long a_open_tun(void) { return reads("/dev/net/tun"); }
static long a_open_kvm(void) { return reads("/dev/kvm"); }
static long a_mknod_char(void) { return makes(S_IFCHR, makedev(1, 1)); }
static long a_mknod_block(void) { return makes(S_IFBLK, makedev(254, 0)); }

#define A(name) {#name, a_##name}
const struct attack attacks[] = {
	A(mount), A(bind_mount), A(remount), A(umount), A(fsopen), A(open_tree), A(mount_setattr), A(move_mount), A(pivot_root),
	A(chroot), A(ptrace), A(ptrace_seize), A(process_vm_readv), A(process_vm_writev), A(pidfd_getfd), A(kcmp), A(bpf),
	A(perf_event_open), A(keyctl), A(add_key), A(request_key), A(unshare_user), A(unshare_mount), A(unshare_net),
	A(clone_user), A(clone_mount), A(clone_pid), A(clone_net), A(clone3), A(setns), A(userfaultfd), A(io_uring_setup),
	A(setuid), A(setresuid), A(setgid), A(setgroups), A(capset), A(realtime), A(nice), A(rlimit), A(init_module),
	A(finit_module), A(delete_module), A(kexec_load), A(reboot), A(swapon), A(sethostname), A(setdomainname),
	A(settimeofday), A(clock_settime), A(syslog), A(acct), A(open_by_handle_at), A(name_to_handle_at), A(fanotify_init),
	A(quotactl), A(vmsplice), A(vhangup),
#ifdef SYS_iopl
	A(iopl), A(ioperm), A(modify_ldt),
#endif
	A(raw), A(raw_flags), A(raw6), A(packet), A(packet_dgram), A(alg), A(vsock), A(bluetooth), A(key_socket),
	A(netlink_audit), A(netlink_generic), A(netlink_netfilter), A(change_link), A(write_hostname), A(write_ip_forward),
	A(write_core_pattern), A(write_sysrq), A(write_oom_score), A(write_uid_map), A(write_root), A(write_app),
	A(write_passwd), A(write_dev), A(write_exe), A(rename_app), A(read_kcore), A(read_kmsg), A(read_proc_kmsg),
	A(read_mem), A(read_keys), A(read_timer_list), A(read_sched_debug), A(read_firmware), A(read_disk), A(open_fuse),
	A(open_tun), A(open_kvm), A(mknod_char), A(mknod_block), {NULL, NULL}};

/* Each in a process of its own: what one changes, or what kills it, is not the next one's. */
static void attempt(const struct attack *a, char *result, size_t size)
{
	int pipe_fds[2], status = 0;
	(void)snprintf(result, size, "no pipe");
	if (pipe(pipe_fds) != 0)
		return;
	(void)signal(SIGCHLD, SIG_DFL);
	pid_t child = fork();
	if (child == 0) {
		errno = 0;
		long r = a->run();
		(void)dprintf(pipe_fds[1], "%s", r < 0 ? error_name(errno) : "done");
		_exit(0);
	}
	(void)close(pipe_fds[1]);
	ssize_t n = child > 0 ? read(pipe_fds[0], result, size - 1) : -1;
	(void)close(pipe_fds[0]);
	if (child > 0)
		(void)waitpid(child, &status, 0);
	if (n > 0)
		result[n] = '\0';
	else
		(void)snprintf(result, size, "killed by %d", WTERMSIG(status));
}

void answer_attacks(FILE *out)
{
	(void)fputc('{', out);
	for (const struct attack *a = attacks; a->name; a++) {
		char result[64];
		attempt(a, result, sizeof result);
		(void)fprintf(out, "%s\"%s\":\"%s\"", a == attacks ? "" : ",", a->name, result);
	}
	(void)fputc('}', out);
}
