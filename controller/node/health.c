#include "node/health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_STATUS_LINE = 256, MAX_DRAINED = 64 << 10 };

struct probe {
	struct loop *loop;
	int fd;
	struct buf request; /* empty: TCP only */
	size_t sent;
	char status[MAX_STATUS_LINE + 1];
	size_t nstatus, drained;
	uint64_t deadline;
	probe_done_fn *done; /* NULL: told already */
	void *ctx;
};

static void free_probe(struct probe *p)
{
	loop_cancel(p->loop, p->deadline);
	if (p->fd >= 0) {
		loop_unwatch(p->loop, p->fd);
		(void)close(p->fd);
	}
	buf_release(&p->request);
	free(p);
}

void probe_cancel(struct probe *p)
{
	if (p)
		free_probe(p);
}

static void tell(struct probe *p, bool healthy, const char *why)
{
	probe_done_fn *done = p->done;
	p->done = NULL;
	if (done)
		done(p->ctx, healthy, why);
}

/* Ends the probe before it tells, so that whoever is told may start the next one. */
static void finish(struct probe *p, bool healthy, const char *why)
{
	probe_done_fn *done = p->done;
	void *ctx = p->ctx;
	free_probe(p);
	if (done)
		done(ctx, healthy, why);
}

static void on_deadline(void *ctx)
{
	struct probe *p = ctx;
	p->deadline = 0;
	finish(p, false, "no answer within the timeout");
}

/* "HTTP/1.1 204 …" */
static void judge_status(struct probe *p)
{
	int code = 0;
	char why[64] = "";
	p->status[p->nstatus] = '\0';
	bool http = sscanf(p->status, "HTTP/%*d.%*d %3d", &code) == 1;
	bool healthy = http && code >= 200 && code < 400;
	if (!http)
		(void)snprintf(why, sizeof why, "the answer is not HTTP");
	else if (!healthy)
		(void)snprintf(why, sizeof why, "answered %d", code);
	tell(p, healthy, why);
}

static void on_answer(struct probe *p)
{
	char chunk[4096];
	ssize_t n = recv(p->fd, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(p, false, n < 0 ? "the connection broke before an answer" : "closed without an answer");
		return;
	}
	p->drained += (size_t)n;
	if (p->done) {
		const char *nl = memchr(chunk, '\n', (size_t)n);
		size_t take = nl ? (size_t)(nl - chunk) : (size_t)n, room = MAX_STATUS_LINE - p->nstatus;
		memcpy(p->status + p->nstatus, chunk, take < room ? take : room);
		p->nstatus += take < room ? take : room;
		if (nl || take >= room)
			judge_status(p);
	}
	if (p->drained > MAX_DRAINED)
		finish(p, false, "the answer has no end");
}

static void on_event(void *ctx, int fd, uint32_t events)
{
	struct probe *p = ctx;
	int error = 0;
	socklen_t len = sizeof error;
	if (p->sent == 0 && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)) {
		finish(p, false, error == ECONNREFUSED ? "the port refuses connections" : "no connection");
		return;
	}
	if (p->request.len == 0) {
		finish(p, true, "");
		return;
	}
	if (p->sent < p->request.len && (events & EPOLLOUT)) {
		ssize_t n = send(fd, p->request.p + p->sent, p->request.len - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		p->sent += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			finish(p, false, "the connection broke");
			return;
		}
		if (p->sent == p->request.len)
			loop_watch(p->loop, fd, EPOLLIN, on_event, p);
		return;
	}
	on_answer(p);
}

static void on_no_socket(void *ctx)
{
	struct probe *p = ctx;
	p->deadline = 0;
	finish(p, false, "no connection");
}

struct probe *probe_start(struct loop *l, const char *ip, int port, const char *path, int64_t timeout_ms, probe_done_fn *done,
			  void *ctx)
{
	struct probe *p = xcalloc(1, sizeof *p);
	*p = (struct probe){.loop = l, .request = BUF_INIT(4096), .done = done, .ctx = ctx};
	if (path)
		(void)buf_printf(&p->request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: fn-node\r\nAccept: */*\r\nConnection: close\r\n\r\n",
				 path, ip, port);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool trying = p->fd >= 0 && inet_pton(AF_INET, ip, &to.sin_addr) == 1 &&
		      (connect(p->fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
	if (!trying) { /* told later, as everything is */
		p->deadline = loop_after(l, 0, on_no_socket, p);
		return p;
	}
	p->deadline = loop_after(l, timeout_ms, on_deadline, p);
	loop_watch(l, p->fd, EPOLLOUT | EPOLLIN, on_event, p);
	return p;
}
