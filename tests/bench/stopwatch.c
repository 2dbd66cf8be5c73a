/* How long a command takes, in milliseconds.
 *
 *   stopwatch [-p PORT -H HOST -w TEXT [-c]] COMMAND [ARGUMENT…]
 *
 * From its start to its end; with -p to the first answer with TEXT from 127.0.0.1:PORT, asked for once the command has ended, with -c all the
 * while. Its standard output is thrown away. Exit status 1: the command failed, or a minute went by without that answer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_S = 60, ANSWER_MAX = 65536, REQUEST_MAX = 512 };

extern char **environ;

static double now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static pid_t start(char **command)
{
	posix_spawn_file_actions_t files;
	pid_t child;
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	int failed = posix_spawnp(&child, command[0], &files, NULL, command, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	if (failed)
		errx(1, "%s: %s", command[0], strerror(failed));
	return child;
}

static void finish(pid_t child, const char *name)
{
	int status;
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "%s failed", name);
}

/* A connection of its own for each request: nobody keeps one open to what serves no more. */
static bool answers(uint16_t port, const char *request, const char *text)
{
	const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval most = {.tv_sec = 5};
	static char answer[ANSWER_MAX];
	size_t n = 0;
	ssize_t got = -1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
	if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
		while (n < sizeof answer - 1 && (got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0)
			n += (size_t)got;
	(void)close(fd);
	answer[n] = '\0';
	return got >= 0 && strstr(answer, text);
}

static void wait_answer(uint16_t port, const char *host, const char *text)
{
	const struct timespec pause = {.tv_nsec = 200000}; /* leaves the processor to what is measured */
	char request[REQUEST_MAX];
	double until = now_ms() + DEADLINE_S * 1e3;
	(void)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
	while (!answers(port, request, text)) {
		if (now_ms() > until)
			errx(1, "no answer with %s from %s in %d s", text, host, DEADLINE_S);
		(void)nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	const char *host = "localhost", *text = "";
	long port = 0;
	bool meanwhile = false;
	for (int o; (o = getopt(argc, argv, "+p:H:w:c")) != -1;)
		switch (o) {
		case 'p': port = strtol(optarg, NULL, 10); break;
		case 'H': host = optarg; break;
		case 'w': text = optarg; break;
		case 'c': meanwhile = true; break;
		default: return 2;
		}
	if (optind == argc || port < 0 || port > UINT16_MAX)
		errx(2, "usage: stopwatch [-p PORT -H HOST -w TEXT [-c]] COMMAND [ARGUMENT...]");
	double began = now_ms();
	pid_t child = start(argv + optind);
	if (!meanwhile)
		finish(child, argv[optind]);
	if (port)
		wait_answer((uint16_t)port, host, text);
	double took = now_ms() - began;
	if (meanwhile)
		finish(child, argv[optind]);
	(void)printf("%.3f\n", took);
	return 0;
}
