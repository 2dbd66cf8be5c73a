#include "base/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { HEADER = 4 };

enum err_class frame_put(struct buf *out, const json_t *msg, struct err *e)
{
	AUTO_FREE char *text = json_text(msg);
	size_t n = strlen(text);
	if (n > FRAME_MAX)
		return err_set(e, INVALID, R_TooLarge, "a message of %zu bytes is over the limit of %d", n, FRAME_MAX);
	uint32_t length = htonl((uint32_t)n);
	if (!buf_add(out, &length, HEADER) || !buf_add(out, text, n))
		return err_set(e, TRANSIENT, R_OutOfResources, "the connection's buffer is full");
	return OK;
}

enum err_class frame_take(struct buf *in, json_t **ret, struct err *e)
{
	*ret = NULL;
	if (in->len < HEADER)
		return OK;
	uint32_t n;
	memcpy(&n, in->p, HEADER);
	n = ntohl(n);
	if (n > FRAME_MAX)
		return err_set(e, INVALID, R_NodeProtocol, "a message of %u bytes is over the limit of %d", n, FRAME_MAX);
	if (in->len < HEADER + (size_t)n)
		return OK;
	enum err_class c = json_parse(in->p + HEADER, n, ret, e);
	size_t rest = in->len - HEADER - n;
	memmove(in->p, in->p + HEADER + n, rest);
	in->len = rest;
	in->p[rest] = '\0';
	return c;
}

static enum err_class wait_for(int fd, short what, int64_t until, struct err *e)
{
	for (;;) {
		int64_t left = until - clock_mono_ms();
		if (left <= 0)
			return err_set(e, TRANSIENT, R_Timeout, "no answer before the deadline");
		struct pollfd p = {fd, what, 0};
		int n = poll(&p, 1, (int)left);
		if (n > 0)
			return OK;
		if (n < 0 && errno != EINTR)
			return err_errno(e, errno, TRANSIENT, R_Internal, "poll");
	}
}

enum err_class frame_send(int fd, const json_t *msg, int64_t deadline_ms, struct err *e)
{
	int64_t until = clock_mono_ms() + deadline_ms;
	AUTO_BUF struct buf out = BUF_INIT(HEADER + FRAME_MAX);
	enum err_class c = frame_put(&out, msg, e);
	if (c)
		return c;
	for (size_t at = 0; at < out.len;) {
		ssize_t n = send(fd, out.p + at, out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			c = wait_for(fd, POLLOUT, until, e);
		else if (n < 0 && errno != EINTR)
			c = err_errno(e, errno, TRANSIENT, R_NodeUnavailable, "send");
		if (c)
			return c;
	}
	return OK;
}

enum err_class frame_recv(int fd, struct buf *in, int64_t deadline_ms, json_t **ret, struct err *e)
{
	int64_t until = clock_mono_ms() + deadline_ms;
	for (;;) {
		enum err_class c = frame_take(in, ret, e);
		if (c || *ret)
			return c;
		c = wait_for(fd, POLLIN, until, e);
		if (c)
			return c;
		char chunk[16384];
		ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
		if (n == 0)
			return err_set(e, TRANSIENT, R_NodeUnavailable, "the connection was closed");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_errno(e, errno, TRANSIENT, R_NodeUnavailable, "receive");
		if (n > 0 && !buf_add(in, chunk, (size_t)n))
			return err_set(e, INVALID, R_NodeProtocol, "the answer is over the limit");
	}
}
