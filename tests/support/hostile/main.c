/* The server: one process a request, so that what an attack breaks is its own. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *error_name(int error)
{
	const char *name = strerrorname_np(error);
	return name ? name : "?";
}

void json_text(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == '"' || *p == '\\' || *p >= 0x7f)
			(void)fprintf(out, "\\u%04x", *p);
		else
			(void)fputc(*p, out);
	(void)fputc('"', out);
}

static void answer(FILE *out, const char *path, const char *query)
{
	if (strcmp(path, "/attacks") == 0)
		answer_attacks(out);
	else if (strcmp(path, "/connect") == 0)
		answer_connect(out, query);
	else if (strcmp(path, "/udp") == 0)
		answer_udp(out, query);
	else if (strcmp(path, "/unix") == 0)
		answer_unix(out, query);
	else if (strcmp(path, "/spoof") == 0)
		answer_spoof(out, query);
	else if (strcmp(path, "/heard") == 0)
		answer_heard(out, query);
	else if (strcmp(path, "/dns") == 0)
		answer_dns(out, query);
	else if (strcmp(path, "/http") == 0)
		answer_http(out, query);
	else if (strcmp(path, "/seen") == 0)
		answer_seen(out);
	else if (strncmp(path, "/bomb/", 6) == 0)
		bomb(out, path + 6);
	else
		(void)fprintf(out, "{\"function\":\"%s\"}", getenv("NAME") ? getenv("NAME") : "hostile");
}

/* In its own process; answers and ends. */
static void serve(int fd)
{
	char request[8192];
	size_t n = 0;
	while (n < sizeof request - 1) {
		ssize_t got = read(fd, request + n, sizeof request - 1 - n);
		if (got <= 0)
			return;
		n += (size_t)got;
		request[n] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	char *path = strchr(request, ' ');
	char *end = path ? strpbrk(path + 1, " \r\n") : NULL;
	if (!end)
		return;
	*end = '\0';
	char *query = strchr(++path, '?');
	if (query)
		*query++ = '\0';
	char *body = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&body, &len);
	if (!out)
		return;
	answer(out, path, query ? query : "");
	(void)fclose(out);
	(void)dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
		      len + 1, body);
}

int main(void)
{
	int port = getenv("PORT") ? atoi(getenv("PORT")) : 8080;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 512) != 0) {
		perror("listen");
		return 1;
	}
	(void)printf("listening on %d\n", port);
	(void)fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		pid_t child = fork();
		if (child == 0) {
			(void)close(listener);
			serve(fd);
			_exit(0);
		}
		if (child < 0)
			(void)dprintf(fd, "HTTP/1.1 500 No Fork\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		(void)close(fd);
	}
}
