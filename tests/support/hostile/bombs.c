/* What takes all of something. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every child goes on: ends only when somebody kills them all. */
static void fork_for_ever(void)
{
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;)
		(void)!fork();
}

static void bomb_fork(FILE *out)
{
	if (fork() == 0)
		fork_for_ever();
	(void)fprintf(out, "{\"bomb\":\"fork\"}");
}

static void eat(void)
{
	for (;;) {
		char *p = malloc(1 << 20);
		if (!p)
			_exit(7);
		memset(p, 1, 1 << 20);
	}
}

/* In a process of its own: the server is not the largest, and lives. */
static void bomb_memory(FILE *out)
{
	int status = 0;
	(void)signal(SIGCHLD, SIG_DFL);
	pid_t child = fork();
	if (child == 0)
		eat();
	(void)waitpid(child, &status, 0);
	(void)fprintf(out, "{\"bomb\":\"memory\",\"signal\":%d}", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void bomb_disk(FILE *out)
{
	static char block[1 << 20];
	size_t n = 0;
	const char *dir[] = {"/tmp/bomb", "/dev/shm/bomb"};
	memset(block, 'x', sizeof block);
	for (size_t i = 0; i < 2; i++) {
		int fd = open(dir[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		for (ssize_t w; fd >= 0 && (w = write(fd, block, sizeof block)) > 0;)
			n += (size_t)w;
		(void)fprintf(out, "%s\"%s\":\"%s\"", i ? "," : "{", dir[i], error_name(errno));
	}
	(void)fprintf(out, ",\"written\":%zu}", n);
	(void)unlink(dir[0]);
	(void)unlink(dir[1]);
}

static void bomb_files(FILE *out)
{
	char name[64];
	long n = 0;
	for (; n < 2000000; n++) {
		(void)snprintf(name, sizeof name, "/tmp/f%ld", n);
		int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	(void)fprintf(out, "{\"files\":%ld,\"error\":\"%s\"}", n, error_name(errno));
	while (n-- > 0) {
		(void)snprintf(name, sizeof name, "/tmp/f%ld", n);
		(void)unlink(name);
	}
}

static void bomb_log(FILE *out)
{
	static char line[1000];
	memset(line, 'l', sizeof line);
	line[sizeof line - 1] = '\n';
	size_t n = 0;
	for (int i = 0; i < 64000; i++) {
		ssize_t w = write(1, line, sizeof line);
		n += w > 0 ? (size_t)w : 0;
	}
	(void)fprintf(out, "{\"written\":%zu}", n);
}

void bomb(FILE *out, const char *kind)
{
	if (strcmp(kind, "fork") == 0)
		bomb_fork(out);
	else if (strcmp(kind, "memory") == 0)
		bomb_memory(out);
	else if (strcmp(kind, "disk") == 0)
		bomb_disk(out);
	else if (strcmp(kind, "files") == 0)
		bomb_files(out);
	else if (strcmp(kind, "log") == 0)
		bomb_log(out);
	else
		(void)fprintf(out, "{\"error\":\"no such bomb\"}");
}
