/* A static file server: GET and HEAD of the files below one directory, over HTTP/1.1 with keep-alive.
 *
 *   server DIRECTORY      listens on $PORT (8080)
 *
 * A thread for each connection, MAX_CONNECTIONS at most. /healthz answers without touching a file. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64, REQUEST_MAX = 8192, PATH_LENGTH = 1024, IDLE_SECONDS = 30, STACK = 128 * 1024 };

static sem_t free_slots;
static int root;

struct request {
	bool head, keep_alive;
	char path[PATH_LENGTH]; /* decoded, without the leading slash */
	int status;             /* 0, or why it is refused */
};

static const char *content_type(const char *path)
{
	static const char *const types[][2] = {
		{".html", "text/html; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"}, {".json", "application/json"}, {".svg", "image/svg+xml"},
		{".txt", "text/plain; charset=utf-8"}, {".xml", "application/xml"}, {".png", "image/png"},
		{".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".gif", "image/gif"}, {".webp", "image/webp"},
		{".ico", "image/x-icon"}, {".woff2", "font/woff2"}, {".wasm", "application/wasm"}, {".pdf", "application/pdf"},
	};
	const char *dot = strrchr(path, '.');
	for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
		if (!strcasecmp(dot, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

static const char *status_text(int status)
{
	switch (status) {
	case 200: return "OK";
	case 301: return "Moved Permanently";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 431: return "Request Header Fields Too Large";
	default: return "Internal Server Error";
	}
}

/* Decodes %XX and cuts the query off. False for a path that is too long, malformed, or has a segment that starts with a
 * dot: neither hidden files nor a way up. */
static bool decode_path(const char *from, size_t n, char out[PATH_LENGTH])
{
	size_t used = 0;
	for (size_t i = 0; i < n && from[i] != '?'; i++) {
		unsigned char c = (unsigned char)from[i];
		if (c == '%') {
			char hex[3] = {0}, *end;
			if (i + 2 >= n)
				return false;
			memcpy(hex, from + i + 1, 2);
			c = (unsigned char)strtoul(hex, &end, 16);
			if (end != hex + 2)
				return false;
			i += 2;
		}
		if (c < ' ' || used + 1 >= PATH_LENGTH || (c == '.' && (used == 0 || out[used - 1] == '/')))
			return false;
		if (c == '/' && (used == 0 || out[used - 1] == '/'))
			continue;
		out[used++] = (char)c;
	}
	out[used] = '\0';
	return true;
}

static bool header_says(const char *head, const char *name, const char *value)
{
	for (const char *line = head; (line = strstr(line, "\r\n")); ) {
		line += 2;
		size_t n = strlen(name);
		if (strncasecmp(line, name, n) || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		return !strncasecmp(line, value, strlen(value));
	}
	return false;
}

static struct request parse(const char *head)
{
	struct request r = {.status = 0};
	size_t method = strcspn(head, " ");
	r.head = method == 4 && !memcmp(head, "HEAD", 4);
	if (!r.head && (method != 3 || memcmp(head, "GET", 3)))
		r.status = 405;
	const char *target = head + method + (head[method] == ' ');
	size_t n = strcspn(target, " \r");
	bool http11 = !strncmp(target + n, " HTTP/1.1\r\n", 11);
	r.keep_alive = !r.status && (http11 ? !header_says(head, "Connection", "close")
					    : header_says(head, "Connection", "keep-alive"));
	if (!r.status && (*target != '/' || !decode_path(target, n, r.path)))
		r.status = 400;
	r.keep_alive = r.keep_alive && !r.status;
	return r;
}

static bool send_all(int fd, const char *data, size_t n, int flags)
{
	while (n > 0) {
		ssize_t sent = send(fd, data, n, flags | MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		data += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool send_head(int fd, const struct request *r, int status, const char *type, long long length, const char *extra,
		      bool more)
{
	char head[PATH_LENGTH + 512];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %lld\r\n%s%s\r\n", status,
			 status_text(status), type, length, r->keep_alive ? "" : "Connection: close\r\n", extra);
	return send_all(fd, head, (size_t)n, more ? MSG_MORE : 0);
}

static bool send_text(int fd, const struct request *r, int status, const char *text, const char *extra)
{
	size_t n = strlen(text);
	return send_head(fd, r, status, "text/plain; charset=utf-8", (long long)n, extra, !r->head) &&
	       (r->head || send_all(fd, text, n, 0));
}

static bool send_file(int fd, const struct request *r, int file, const struct stat *st, const char *path)
{
	if (!send_head(fd, r, 200, content_type(path), (long long)st->st_size, "", !r->head && st->st_size > 0))
		return false;
	for (off_t at = 0; !r->head && at < st->st_size; )
		if (sendfile(fd, file, &at, (size_t)(st->st_size - at)) <= 0)
			return false;
	return true;
}

/* A directory without its slash: the relative links of its page would lead astray. */
static bool send_redirect(int fd, const struct request *r)
{
	char location[PATH_LENGTH + 32];
	if (strspn(r->path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/") != strlen(r->path))
		return send_text(fd, r, 404, "not found\n", "");
	snprintf(location, sizeof location, "Location: /%s/\r\n", r->path);
	return send_text(fd, r, 301, "moved\n", location);
}

/* Whether the connection may go on. */
static bool answer(int fd, const struct request *r)
{
	if (r->status)
		return send_text(fd, r, r->status, status_text(r->status), r->status == 405 ? "Allow: GET, HEAD\r\n" : "") && false;
	if (!strcmp(r->path, "healthz"))
		return send_text(fd, r, 200, "ok\n", "") && r->keep_alive;
	char path[PATH_LENGTH + sizeof "/index.html"];
	size_t n = strlen(r->path);
	bool directory = n == 0 || r->path[n - 1] == '/';
	snprintf(path, sizeof path, "%s%s", r->path, directory ? "index.html" : "");
	int file = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool ok;
	if (file < 0 || fstat(file, &st) < 0)
		ok = send_text(fd, r, 404, "not found\n", "");
	else if (S_ISREG(st.st_mode))
		ok = send_file(fd, r, file, &st, path);
	else if (S_ISDIR(st.st_mode))
		ok = send_redirect(fd, r);
	else
		ok = send_text(fd, r, 404, "not found\n", "");
	if (file >= 0)
		close(file);
	return ok && r->keep_alive;
}

static void *serve(void *arg)
{
	int fd = (int)(long)arg;
	char buffer[REQUEST_MAX + 1];
	size_t have = 0;
	for (bool open = true; open; ) {
		buffer[have] = '\0';
		char *end = strstr(buffer, "\r\n\r\n");
		if (end) {
			struct request r;
			char after = end[4];
			end[4] = '\0';
			r = parse(buffer);
			end[4] = after;
			open = answer(fd, &r);
			have -= (size_t)(end + 4 - buffer);
			memmove(buffer, end + 4, have);
			continue;
		}
		if (have == REQUEST_MAX) {
			send_text(fd, &(struct request){0}, 431, "request too large\n", "");
			break;
		}
		ssize_t n = recv(fd, buffer + have, REQUEST_MAX - have, 0);
		open = n > 0;
		have += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	sem_post(&free_slots);
	return NULL;
}

static int listen_on(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_ANY)};
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 512) < 0) {
		fprintf(stderr, "cannot listen on port %d: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

/* PID 1 of its container ignores signals that it does not handle. */
static void stop(int sig)
{
	(void)sig;
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *port = getenv("PORT");
	root = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (root < 0) {
		fprintf(stderr, "usage: server DIRECTORY\n");
		return 2;
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGPIPE, SIG_IGN);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sem_init(&free_slots, 0, MAX_CONNECTIONS);
	int listener = listen_on(port ? atoi(port) : 8080);
	printf("listening on %s\n", port ? port : "8080");
	fflush(stdout);
	for (;;) {
		sem_wait(&free_slots);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;
		struct timeval idle = {.tv_sec = IDLE_SECONDS};
		if (fd < 0) {
			sem_post(&free_slots);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
		if (pthread_create(&thread, &attr, serve, (void *)(long)fd) != 0) {
			close(fd);
			sem_post(&free_slots);
		}
	}
}
