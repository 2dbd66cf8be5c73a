/* The program inside the images that tests of fn-node start: a static HTTP server that does what its path says. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { REQUEST_MAX = 4096, ANSWER_MAX = 65536, BACKLOG = 64 };

static struct {
	char text[ANSWER_MAX];
	size_t n;
} out;

static void say(const char *what, const char *value)
{
	int n = snprintf(out.text + out.n, sizeof out.text - out.n, "%s%s\n", what, value);
	if (n > 0 && out.n + (size_t)n < sizeof out.text)
		out.n += (size_t)n;
}

/* "name: ok" or "name: <error>" for something that must not work. */
static void attempt(const char *name, long result)
{
	char line[128];
	(void)snprintf(line, sizeof line, "%s: %s", name, result < 0 ? strerror(errno) : "ok");
	say(line, "");
}

static void attempts(void)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attempt("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	attempt("umount", umount2("/proc", MNT_DETACH));
	attempt("unshare user", unshare(CLONE_NEWUSER));
	attempt("clone user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) == 0 ? (_exit(0), 0) : -1);
	attempt("clone3", syscall(SYS_clone3, NULL, 0));
	attempt("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
	attempt("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
	attempt("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0));
	attempt("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	attempt("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	attempt("userfaultfd", syscall(SYS_userfaultfd, 0));
	attempt("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	attempt("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	attempt("vsock", socket(40, SOCK_STREAM, 0));
	attempt("write root", open("/file", O_CREAT | O_WRONLY, 0600));
	attempt("write etc", open("/etc/passwd", O_WRONLY));
	attempt("write sysctl", open("/proc/sys/kernel/hostname", O_WRONLY));
	attempt("device", mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)));
	attempt("chroot", chroot("/tmp"));
	attempt("setuid", setuid(0));
	attempt("nice", setpriority(PRIO_PROCESS, 0, -5));
	/* and what must work */
	attempt("write tmp", open("/tmp/file", O_CREAT | O_WRONLY, 0600));
	attempt("tcp", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	attempt("udp6", socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	attempt("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	attempt("netlink", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static void copy_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, out.text + out.n, sizeof out.text - out.n - 1);
	if (n < 0)
		say("error: ", strerror(errno));
	else
		out.n += (size_t)n;
	if (fd >= 0)
		(void)close(fd);
}

static void fork_many(void)
{
	int n = 0;
	pid_t kids[1024];
	while (n < 1024 && (kids[n] = fork()) >= 0)
		if (kids[n++] == 0)
			for (;;)
				(void)pause();
	char count[16];
	(void)snprintf(count, sizeof count, "%d", n);
	say("", count);
	while (n-- > 0) {
		(void)kill(kids[n], SIGKILL);
		(void)waitpid(kids[n], NULL, 0);
	}
}

static void eat_memory(void)
{
	for (;;) {
		char *p = malloc(1 << 20);
		if (p)
			memset(p, 1, 1 << 20);
	}
}

static int sick;

static const char *act(const char *path)
{
	if (strcmp(path, "/exit") == 0)
		exit(3);
	if (strcmp(path, "/sick") == 0)
		sick = 1;
	if (strcmp(path, "/healthz") == 0 && sick)
		return "500 sick";
	if (strcmp(path, "/attempts") == 0)
		attempts();
	else if (strcmp(path, "/env") == 0)
		for (char **v = environ; *v; v++)
			say("", *v);
	else if (strcmp(path, "/fork") == 0)
		fork_many();
	else if (strcmp(path, "/eat") == 0)
		eat_memory();
	else if (strncmp(path, "/cat/", 5) == 0)
		copy_file(path + 4);
	else if (strcmp(path, "/slow") == 0)
		(void)sleep(1); /* what a slow function does */
	else
		say("hello ", getenv("GREETING") ? getenv("GREETING") : "");
	return "200 OK";
}

/* RFC 6455's example of a key and its answer: callers send that key. */
static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
			       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/* What lasts has a process of its own, so that other requests (health checks) are answered meanwhile. */
static void serve_long(int fd, const char *path)
{
	static const char done[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ndone\n";
	char chunk[4096];
	if (fork() != 0)
		return;
	if (strncmp(path, "/wait/", 6) == 0) {
		(void)usleep((useconds_t)atoi(path + 6) * 1000);
		_exit(write(fd, done, sizeof done - 1) < 0);
	}
	if (write(fd, upgraded, sizeof upgraded - 1) > 0)
		for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0 && write(fd, chunk, (size_t)n) == n;)
			;
	_exit(0);
}

static void serve(int fd)
{
	char request[REQUEST_MAX], path[REQUEST_MAX] = "/", head[256];
	ssize_t n = read(fd, request, sizeof request - 1);
	if (n <= 0)
		return;
	request[n] = '\0';
	(void)sscanf(request, "%*s %4095s", path);
	if (strncmp(path, "/wait/", 6) == 0 || strcmp(path, "/echo") == 0) {
		serve_long(fd, path);
		return;
	}
	out.n = 0;
	const char *status = act(path);
	int m = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, out.n);
	if (write(fd, head, (size_t)m) < 0 || write(fd, out.text, out.n) < 0)
		(void)puts("the caller went away");
}

static void on_term(int sig)
{
	(void)sig;
	static const char bye[] = "terminated\n";
	_exit(write(1, bye, sizeof bye - 1) > 0 ? 0 : 1);
}

int main(void)
{
	const char *port = getenv("PORT"), *die = getenv("DIE"), *say_first = getenv("SAY");
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port ? port : "0"))};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	if (getenv("TERM_OK"))
		(void)signal(SIGTERM, on_term);
	if (say_first)
		(void)puts(say_first);
	if (die)
		return atoi(die);
	if (getenv("MUTE"))
		for (;;)
			(void)pause();
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		perror("listen");
		return 1;
	}
	(void)puts("listening");
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		if (peer >= 0) {
			serve(peer);
			(void)close(peer);
		}
	}
}
