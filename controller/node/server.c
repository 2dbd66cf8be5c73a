#include "node/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/utf8.h"

enum { MAX_CONNECTIONS = 64, READ_CHUNK = 65536, BACKLOG = 64, WATCHER_BEHIND = 1 << 20, HEADER = 4 };

struct connection {
	struct server *server;
	struct connection *next;
	int fd;
	struct buf in, out;
	size_t sent;
	bool watching, closing;
};

struct server {
	struct loop *loop;
	char *path;
	int fd;
	uid_t uid;
	server_handle_fn *handle;
	void *ctx;
	struct connection *connections;
};

static void on_connection(void *ctx, int fd, uint32_t events);

static void drop(struct connection *c)
{
	struct connection **at = &c->server->connections;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_unwatch(c->server->loop, c->fd);
	(void)close(c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

static json_t *error_json(const struct err *e)
{
	return json_pack("{s:s,s:s,s:o}", "class", err_class_name(e->class), "reason", e->reason, "message", json_clean(e->msg));
}

static bool queue(struct connection *c, const json_t *message, struct err *e) { return !frame_put(&c->out, message, e); }

static void answer(struct connection *c, const json_t *request)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *reply = json_object();
	const json_t *id = json_object_get(request, "id");
	bool watch = strcmp(json_str_or(request, "op", ""), "watch") == 0;
	enum err_class class = watch ? OK : c->server->handle(c->server->ctx, request, reply, &e);
	if (id)
		(void)json_object_set(reply, "id", (json_t *)id);
	(void)json_object_set_new(reply, "ok", json_boolean(!class));
	if (class)
		(void)json_object_set_new(reply, "error", error_json(&e));
	c->watching = c->watching || watch;
	if (queue(c, reply, &e))
		return;
	AUTO_JSON json_t *too_large = json_pack("{s:O?,s:b,s:o}", "id", id, "ok", 0, "error", error_json(&e));
	c->closing = c->closing || !queue(c, too_large, NULL);
}

/* Every whole request that has come, one after the other, as long as their answers are taken. */
static void handle_input(struct connection *c)
{
	while (!c->closing && c->out.len == 0) {
		struct err e = ERR_INIT;
		AUTO_JSON json_t *request = NULL;
		enum err_class class = frame_take(&c->in, &request, &e);
		if (!class && request && (!json_is_object(request) || c->watching))
			class = err_set(&e, INVALID, R_NodeProtocol, c->watching ? "a watcher does not ask" : "a request is an object");
		if (class) {
			log_err(LOG_WARN, "connection closed", &e, NULL);
			c->closing = true;
			return;
		}
		if (!request)
			return;
		answer(c, request);
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		c->sent += n > 0 ? (size_t)n : 0;
		if (c->sent == c->out.len) {
			buf_clear(&c->out);
			c->sent = 0;
		}
	}
}

static void flush(struct connection *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			c->closing = true;
			return;
		}
		c->sent += (size_t)n;
	}
	if (c->out.cap > READ_CHUNK * 4)
		buf_release(&c->out); /* one large answer does not stay in memory */
	buf_clear(&c->out);
	c->sent = 0;
}

static void receive(struct connection *c)
{
	char *to = buf_reserve(&c->in, READ_CHUNK);
	ssize_t n = to ? recv(c->fd, to, READ_CHUNK, MSG_DONTWAIT) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->closing = true;
		return;
	}
	c->in.len += (size_t)n;
	c->in.p[c->in.len] = '\0';
}

/* Not reading while an answer waits keeps a caller that does not read from filling our memory. */
static void settle(struct connection *c)
{
	if (c->closing) {
		drop(c);
		return;
	}
	bool behind = c->out.len > 0;
	loop_watch(c->server->loop, c->fd, (behind ? EPOLLOUT : 0) | (!behind || c->watching ? EPOLLIN : 0), on_connection, c);
}

static void on_connection(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	struct connection *c = ctx;
	if (events & EPOLLOUT)
		flush(c);
	if (!c->closing && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		receive(c);
	handle_input(c);
	settle(c);
}

/* Accepting. */

static bool peer_allowed(const struct server *s, int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == 0 || peer.uid == s->uid);
}

static size_t count(const struct server *s)
{
	size_t n = 0;
	for (const struct connection *c = s->connections; c; c = c->next)
		n++;
	return n;
}

static void on_listen(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct server *s = ctx;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return; /* it went away, or there are no descriptors: the next turn tries again */
	if (!peer_allowed(s, peer) || count(s) >= MAX_CONNECTIONS) {
		log_event(LOG_WARN, "connection refused", NULL);
		(void)close(peer);
		return;
	}
	struct connection *c = xcalloc(1, sizeof *c);
	*c = (struct connection){.server = s, .next = s->connections, .fd = peer, .in = BUF_INIT(HEADER + FRAME_MAX + READ_CHUNK),
				 .out = BUF_INIT(2 * (HEADER + FRAME_MAX))};
	s->connections = c;
	loop_watch(s->loop, peer, EPOLLIN, on_connection, c);
}

static int listen_at(const char *path, gid_t gid, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof a.sun_path) {
		(void)err_set(e, INVALID, R_InvalidValue, "%s is too long for a socket's path", path);
		return -1;
	}
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path); /* of a process that is gone */
	mode_t old = umask(0117);
	bool good = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && chown(path, 0, gid) == 0 && chmod(path, 0660) == 0 &&
		    listen(fd, BACKLOG) == 0;
	int saved = errno;
	(void)umask(old);
	if (good)
		return fd;
	(void)err_errno(e, saved, TRANSIENT, R_Internal, "listen on %s", path);
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

enum err_class server_open(struct loop *l, const char *path, uid_t uid, gid_t gid, server_handle_fn *handle, void *ctx,
			   struct server **ret, struct err *e)
{
	struct err why = ERR_INIT;
	int fd = listen_at(path, gid, &why);
	if (fd < 0) {
		if (e)
			*e = why;
		return why.class;
	}
	struct server *s = xcalloc(1, sizeof *s);
	*s = (struct server){.loop = l, .path = xstrdup(path), .fd = fd, .uid = uid, .handle = handle, .ctx = ctx};
	loop_watch(l, fd, EPOLLIN, on_listen, s);
	*ret = s;
	return OK;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	while (s->connections)
		drop(s->connections);
	loop_unwatch(s->loop, s->fd);
	(void)close(s->fd);
	(void)unlink(s->path); /* a successor makes its own */
	free(s->path);
	free(s);
}

/* Called from within handlers too, so a connection that falls behind is only marked here and closed by its next event. */
void server_broadcast(struct server *s, const json_t *event)
{
	for (struct connection *c = s->connections; c; c = c->next) {
		if (!c->watching || c->closing)
			continue;
		if (c->out.len - c->sent > WATCHER_BEHIND || !queue(c, event, NULL)) {
			c->closing = true;
			(void)shutdown(c->fd, SHUT_RDWR);
		} else {
			flush(c);
		}
		loop_watch(s->loop, c->fd, EPOLLIN | (c->out.len > 0 ? EPOLLOUT : 0), on_connection, c);
	}
}
