#include "api/stream.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { HEARTBEAT_MS = 15000, OUT_MAX = 16 << 20, BLOCK = 16384 };

/* False when there would be too many, or the API stops. */
static bool count_stream(struct api *a, int change)
{
	(void)pthread_mutex_lock(&a->lock);
	bool ok = change < 0 || (a->streams < API_STREAMS && !atomic_load(&a->stopping));
	if (ok)
		a->streams += change;
	(void)pthread_cond_broadcast(&a->ended);
	(void)pthread_mutex_unlock(&a->lock);
	return ok;
}

void streams_wait(struct api *a, int64_t ms)
{
	struct timespec until;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	(void)pthread_mutex_lock(&a->lock);
	while (a->streams > 0 && pthread_cond_timedwait(&a->ended, &a->lock, &until) == 0)
		;
	(void)pthread_mutex_unlock(&a->lock);
}

static void stream_free(void *p)
{
	struct stream *s = p;
	if (s->release)
		s->release(s);
	count_stream(s->api, -1);
	buf_release(&s->out);
	arena_release(&s->arena);
	free(s);
}

enum err_class stream_new(struct request *r, struct stream **ret, struct err *e)
{
	if (!count_stream(r->api, 1))
		return err_set(e, TRANSIENT, R_OutOfResources, "there are %d streams already, or the controller stops", API_STREAMS);
	struct stream *s = xcalloc(1, sizeof *s);
	s->api = r->api;
	s->poll_ms = 250;
	s->fd = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	buf_init(&s->out, OUT_MAX);
	s->last_ms = clock_mono_ms();
	(void)buf_puts(&s->out, "retry: 1000\n\n"); /* something at once, so that the headers go out; the buffer is empty */
	*ret = s;
	return OK;
}

void stream_put(struct buf *out, const char *id, const char *event, const json_t *data)
{
	AUTO_FREE char *text = json_text(data);
	if (id)
		(void)buf_printf(out, "id: %s\n", id); /* overflow is looked at once, by fill() */
	if (event)
		(void)buf_printf(out, "event: %s\n", event);
	(void)buf_printf(out, "data: %s\n\n", text);
}

/* True when the client went away or the API stops. */
static bool wait_more(struct stream *s, int64_t ms)
{
	struct pollfd fds[] = {{.fd = s->api->stop_fd, .events = POLLIN}, {.fd = s->fd, .events = POLLRDHUP}};
	int n = poll(fds, ARRAY_LEN(fds), (int)ms);
	return n > 0 && (fds[0].revents || (fds[1].revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static void fill(struct stream *s)
{
	struct err e = ERR_INIT;
	buf_clear(&s->out);
	s->sent = 0;
	enum err_class c = s->poll(s, &s->out, &e);
	if (s->out.overflow)
		c = err_set(&e, TRANSIENT, R_TooLarge, "more than %d bytes at once; some were left out", OUT_MAX);
	if (c && !s->failing) {
		s->out.overflow = false;
		AUTO_JSON json_t *j = error_json(&e, error_status(&e, NULL));
		stream_put(&s->out, NULL, "problem", j);
	}
	s->failing = c != OK;
	int64_t heartbeat_ms = s->api->o.heartbeat_ms ? s->api->o.heartbeat_ms : HEARTBEAT_MS;
	if (s->out.len == 0 && clock_mono_ms() - s->last_ms >= heartbeat_ms)
		(void)buf_puts(&s->out, ":\n\n"); /* the buffer is empty */
	if (s->out.len > 0)
		s->last_ms = clock_mono_ms();
}

static ssize_t read_stream(void *ctx, uint64_t pos, char *to, size_t max)
{
	(void)pos; /* a stream has no beginning to go back to */
	struct stream *s = ctx;
	while (s->sent == s->out.len) {
		if (atomic_load(&s->api->stopping))
			return MHD_CONTENT_READER_END_OF_STREAM;
		fill(s);
		if (s->out.len == 0 && wait_more(s, s->poll_ms))
			return MHD_CONTENT_READER_END_OF_STREAM;
	}
	size_t n = s->out.len - s->sent;
	if (n > max)
		n = max;
	memcpy(to, s->out.p + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

void stream_reply(struct request *r, struct stream *s)
{
	struct MHD_Response *reply = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, s, stream_free);
	if (!reply)
		abort(); /* out of memory */
	reply_stream(r, reply);
	reply_header(r, "Content-Type", "text/event-stream");
}
