/* The two ends of HTTP for tests of the gateway: a small server with odd habits (a process a connection), and a client that
 * shows what came over the wire. */
#ifndef FN_TESTS_HTTP_PEER_H
#define FN_TESTS_HTTP_PEER_H

#include "node_env.h"

#include <sys/time.h>

enum { HTTP_HEAD_MAX = 16384 };

/* Reads up to and with the empty line; -1 at the end. What was read beyond it is in buf, too. */
static inline ssize_t http_read_head(int fd, char *buf, size_t *ret_len)
{
	size_t n = 0;
	while (n < HTTP_HEAD_MAX - 1) {
		ssize_t got = recv(fd, buf + n, HTTP_HEAD_MAX - 1 - n, 0);
		if (got <= 0)
			return -1;
		n += (size_t)got;
		buf[n] = '\0';
		char *end = strstr(buf, "\r\n\r\n");
		if (end) {
			*ret_len = n;
			return end + 4 - buf;
		}
	}
	return -1;
}

static inline bool http_send(int fd, const void *p, size_t n)
{
	const char *at = p;
	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static inline void http_pause(long ms)
{
	(void)poll(NULL, 0, (int)ms); /* a function that takes its time: not synchronisation */
}

static inline void http_text(int fd, const char *text)
{
	AUTO_FREE char *answer = xprintf("HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(text), text);
	(void)http_send(fd, answer, strlen(answer));
}

static inline void http_bytes(int fd, unsigned long long n)
{
	static char block[65536];
	AUTO_FREE char *head = xprintf("HTTP/1.1 200 OK\r\ncontent-length: %llu\r\n\r\n", n);
	bool ok = http_send(fd, head, strlen(head));
	for (; ok && n > 0; n -= n < sizeof block ? n : sizeof block)
		ok = http_send(fd, block, n < sizeof block ? (size_t)n : sizeof block);
}

static inline void http_stream(int fd, long pieces, long pause_ms)
{
	static const char head[] = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
	bool ok = http_send(fd, head, sizeof head - 1);
	for (long i = 0; ok && i < pieces; i++) {
		ok = http_send(fd, "2\r\nx\n\r\n", 7);
		http_pause(pause_ms);
	}
	(void)http_send(fd, "0\r\n\r\n", 5);
}

/* The key and its answer are RFC 6455's example; HAProxy checks that they belong together. */
#define HTTP_WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define HTTP_WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static inline void http_echo(int fd)
{
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
				   "sec-websocket-accept: " HTTP_WS_ACCEPT "\r\n\r\n";
	char chunk[4096];
	(void)http_send(fd, head, sizeof head - 1);
	for (ssize_t n; (n = recv(fd, chunk, sizeof chunk, 0)) > 0;)
		if (!http_send(fd, chunk, (size_t)n))
			return;
}

/* One connection, any number of requests:
 *   /head: the request's head   /sleep?MS   /bytes?N   /stream?N-MS   /count: length of the body   /echo: upgrade   else: the name */
static inline void http_serve_one(int fd, const char *name)
{
	static char buf[HTTP_HEAD_MAX];
	size_t have;
	for (ssize_t head; (head = http_read_head(fd, buf, &have)) > 0;) {
		unsigned long long body = 0, got = have - (size_t)head;
		const char *length = strcasestr(buf, "\r\ncontent-length:");
		if (length)
			body = strtoull(length + 17, NULL, 10);
		while (got < body) {
			static char sink[65536];
			ssize_t n = recv(fd, sink, sizeof sink, 0);
			if (n <= 0)
				return;
			got += (unsigned long long)n;
		}
		const char *path = strchr(buf, ' ') + 1, *query = path + strcspn(path, "? ");
		const char *more = strchr(query, '-');
		long a = *query == '?' ? strtol(query + 1, NULL, 10) : 0;
		if (strncmp(path, "/head", 5) == 0) {
			buf[head] = '\0';
			http_text(fd, buf);
		} else if (strncmp(path, "/sleep", 6) == 0) {
			http_pause(a);
			http_text(fd, name);
		} else if (strncmp(path, "/bytes", 6) == 0) {
			http_bytes(fd, (unsigned long long)a);
		} else if (strncmp(path, "/stream", 7) == 0) {
			http_stream(fd, a, more ? strtol(more + 1, NULL, 10) : 0);
		} else if (strncmp(path, "/count", 6) == 0) {
			AUTO_FREE char *count = xprintf("%llu", got);
			http_text(fd, count);
		} else if (strncmp(path, "/echo", 5) == 0) {
			http_echo(fd);
			return;
		} else {
			http_text(fd, name);
		}
	}
}

struct http_server {
	const char *ip, *name;
	int port;
};

/* For env_start. */
static inline int http_serve(void *arg)
{
	const struct http_server *s = arg;
	(void)signal(SIGCHLD, SIG_IGN);
	int fd = env_listen(s->ip, s->port);
	if (fd < 0)
		return 1;
	for (;;) {
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (c < 0 || fork() != 0) {
			if (c >= 0)
				(void)close(c);
			continue;
		}
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(fd);
		http_serve_one(c, s->name);
		_exit(0);
	}
}

struct http_answer {
	int error;  /* 0, or errno of the connection: ECONNREFUSED, ETIMEDOUT, ECONNRESET when it ended early */
	int status; /* 0 when no head came */
	char head[HTTP_HEAD_MAX];
	char body[4096]; /* its beginning */
	size_t body_len; /* all of it */
	int64_t ms;
};

/* One request on a connection of its own to ip:port; ends with the body or after wait_ms. head_lines end in \r\n. */
static inline void http_request(const char *ip, int port, const char *method, const char *path, const char *host,
				const char *head_lines, const char *body, int wait_ms, struct http_answer *r)
{
	static char buf[HTTP_HEAD_MAX];
	int64_t begin = clock_mono_ms();
	memset(r, 0, sizeof *r);
	AUTO_CLOSE int fd = env_connect(ip, port, wait_ms);
	if (fd < 0) {
		r->error = -fd;
		return;
	}
	struct timeval limit = {wait_ms / 1000, (wait_ms % 1000) * 1000};
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	AUTO_FREE char *text = xprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n%s", method, path, host,
				       head_lines ? head_lines : "", body ? body : "");
	size_t have;
	ssize_t head = http_send(fd, text, strlen(text)) ? http_read_head(fd, buf, &have) : -1;
	if (head < 0) {
		r->error = errno == EAGAIN ? ETIMEDOUT : ECONNRESET;
		return;
	}
	memcpy(r->head, buf, (size_t)head);
	r->status = (int)strtol(buf + 9, NULL, 10);
	r->body_len = have - (size_t)head;
	memcpy(r->body, buf + head, r->body_len < sizeof r->body ? r->body_len : sizeof r->body - 1);
	const char *length = strcasestr(r->head, "\r\ncontent-length:");
	size_t want = length ? strtoull(length + 17, NULL, 10) : SIZE_MAX;
	static char chunk[65536];
	for (ssize_t n; r->body_len < want; r->body_len += (size_t)n) {
		n = recv(fd, chunk, sizeof chunk, 0);
		if (n <= 0 && (n < 0 || want != SIZE_MAX)) {
			r->error = n < 0 && errno == EAGAIN ? ETIMEDOUT : ECONNRESET;
			break;
		}
		if (n == 0)
			break;
		size_t room = r->body_len < sizeof r->body - 1 ? sizeof r->body - 1 - r->body_len : 0;
		memcpy(r->body + (room ? r->body_len : 0), chunk, (size_t)n < room ? (size_t)n : room);
	}
	r->ms = clock_mono_ms() - begin;
}

#endif
