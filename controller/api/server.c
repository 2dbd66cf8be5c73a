/* libmicrohttpd's side: connections and bodies in, replies out. Everything else sees only struct request. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/listen.h"
#include "api/stream.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

/* A refused body of up to this size is read and dropped before the reply, so that the client sees it and not a reset connection. */
enum { DRAIN_MAX = 1 << 20, DRAIN_EXCESS = 16 << 20, BODY_DEADLINE_MS = 60000, UPLOAD_DEADLINE_MS = 900000, GOODBYE_MS = 2000 };

static struct request *request_new(struct api *a, bool local, struct MHD_Connection *conn, const char *url, const char *method)
{
	struct request *r = xcalloc(1, sizeof *r);
	r->api = a;
	r->local = local;
	r->conn = conn;
	r->actor = "";
	r->started_ms = clock_mono_ms();
	r->deadline_ms = r->started_ms + BODY_DEADLINE_MS;
	r->method = arena_strdup(&r->arena, method);
	r->path = arena_strdup(&r->arena, strncmp(url, "/api/", 5) == 0 ? url + 4 : url);
	return r;
}

static void close_sink(struct request *r)
{
	if (r->sink_open)
		r->route->sink->close(r);
	r->sink_open = false;
}

static void request_free(struct request *r)
{
	close_sink(r);
	pool_give(r->api->pool, r->store);
	if (r->reply)
		MHD_destroy_response(r->reply);
	json_decref(r->problems);
	buf_release(&r->body);
	arena_release(&r->arena);
	free(r);
}

static void log_request(const struct request *r, const struct err *e)
{
	char status[16], ms[24];
	(void)snprintf(status, sizeof status, "%d", r->status);
	(void)snprintf(ms, sizeof ms, "%lld", (long long)(clock_mono_ms() - r->started_ms));
	const char *path = strlen(r->path) > 200 ? "(long)" : r->path;
	if (e && r->status != 404)
		log_err(LOG_WARN, "request", e, "method", r->method, "path", path, "actor", r->actor, "status", status, "ms", ms, NULL);
	else
		log_event(LOG_DEBUG, "request", "method", r->method, "path", path, "actor", r->actor, "status", status, "ms", ms, NULL);
}

static enum MHD_Result send_reply(struct request *r, const struct err *e)
{
	close_sink(r); /* before the client hears that nothing is left of it */
	if (e)
		reply_error(r, e);
	if (e && strcmp(e->reason, "MethodNotAllowed") == 0 && r->allow)
		reply_header(r, "Allow", r->allow);
	log_request(r, e);
	return MHD_queue_response(r->conn, (unsigned)r->status, r->reply);
}

static enum err_class check_length(const struct request *r, struct err *e)
{
	const char *length = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Content-Length");
	size_t max = r->route ? r->route->body_max : 0;
	if (!length || strtoull(length, NULL, 10) <= max)
		return OK;
	if (max == 0)
		return err_set(e, INVALID, R_BadRequest, "%s %.100s takes no body", r->method, r->path);
	return err_set(e, INVALID, R_TooLarge, "the body has more than the %zu bytes allowed here", max);
}

/* Everything that can be decided from the request line and the headers. */
static enum err_class begin(struct request *r, struct err *e)
{
	struct err unmatched = ERR_INIT;
	enum err_class match = route_match(r, &r->allow, &unmatched);
	enum err_class c = policy_check(r, r->route ? r->route->access : ACCESS_READ, e); /* first: paths are told to nobody unknown */
	if (c)
		return c;
	if (match) {
		*e = unmatched;
		return match;
	}
	if (r->route)
		c = request_check_query(r, e);
	if (!c)
		c = check_length(r, e);
	if (c || !r->route)
		return c;
	buf_init(&r->body, r->route->body_max);
	if (!r->route->sink)
		return OK;
	r->deadline_ms = r->started_ms + UPLOAD_DEADLINE_MS;
	r->sink_open = true;
	return r->route->sink->open(r, e);
}

static void fail(struct request *r, const struct err *e)
{
	r->failed = true;
	r->err = *e;
	buf_release(&r->body);
}

static enum MHD_Result on_headers(struct request *r)
{
	struct err e = ERR_INIT;
	if (!begin(r, &e))
		return MHD_YES;
	fail(r, &e);
	const char *length = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Content-Length");
	bool waits = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Expect") != NULL;
	if (waits || (length && strtoull(length, NULL, 10) > DRAIN_MAX))
		return send_reply(r, &r->err);
	return MHD_YES;
}

/* MHD takes no reply in the middle of a body: what is refused here is told at its end, or the connection is dropped. */
static enum MHD_Result on_body(struct request *r, const void *p, size_t n)
{
	struct err e = ERR_INIT;
	r->body_seen += n;
	if (clock_mono_ms() > r->deadline_ms || atomic_load(&r->api->stopping))
		return MHD_NO;
	size_t max = r->route ? r->route->body_max : 0;
	if (r->failed)
		return r->body_seen <= max + DRAIN_EXCESS ? MHD_YES : MHD_NO;
	enum err_class c = OK;
	if (r->body_seen > max)
		c = err_set(&e, INVALID, max ? R_TooLarge : R_BadRequest, "the body has more than the %zu bytes allowed here", max);
	else if (r->route->sink)
		c = r->route->sink->write(r, p, n, &e);
	else
		(void)buf_add(&r->body, p, n); /* fits: body_seen was checked */
	if (c)
		fail(r, &e);
	return MHD_YES;
}

static enum MHD_Result on_complete(struct request *r)
{
	if (r->failed)
		return send_reply(r, &r->err);
	struct err e = ERR_INIT;
	if (!r->route) {
		reply_text(r, 204, "");
		reply_header(r, "Allow", r->allow);
		return send_reply(r, NULL);
	}
	enum err_class c = r->route->handle(r, &e);
	request_give_store(r); /* a slow reader keeps no connection */
	if (!c && !r->reply)
		c = err_set(&e, BUG, R_Internal, "%s gave no reply", r->route->pattern);
	return send_reply(r, c ? &e : NULL);
}

static enum MHD_Result on_request(struct api *a, bool local, struct MHD_Connection *conn, const char *url, const char *method, const char *data,
				  size_t *size, void **state)
{
	struct request *r = *state;
	if (!r) {
		*state = r = request_new(a, local, conn, url, method);
		return on_headers(r);
	}
	if (*size == 0)
		return on_complete(r);
	size_t n = *size;
	*size = 0;
	return on_body(r, data, n);
}

static enum MHD_Result on_local(void *ctx, struct MHD_Connection *conn, const char *url, const char *method, const char *version, const char *data,
				size_t *size, void **state)
{
	(void)version; /* MHD speaks it */
	return on_request(ctx, true, conn, url, method, data, size, state);
}

static enum MHD_Result on_tcp(void *ctx, struct MHD_Connection *conn, const char *url, const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	(void)version; /* MHD speaks it */
	return on_request(ctx, false, conn, url, method, data, size, state);
}

static void on_end(void *ctx, struct MHD_Connection *conn, void **state, enum MHD_RequestTerminationCode why)
{
	(void)ctx;
	(void)conn;
	(void)why; /* what is to be freed is the same */
	if (*state)
		request_free(*state);
	*state = NULL;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *fmt, va_list ap)
{
	(void)ctx;
	char text[512];
	(void)vsnprintf(text, sizeof text, fmt, ap); /* cut is fine */
	text[strcspn(text, "\n")] = '\0';
	log_event(LOG_DEBUG, "libmicrohttpd", "text", text, NULL); /* mostly clients that went away */
}

/* %XX in place. %00 and what is not hex stay as they are: no name has a '%', so they match nothing. */
static size_t unescape(void *ctx, struct MHD_Connection *conn, char *s)
{
	(void)ctx;
	(void)conn;
	char *to = s;
	for (const char *at = s; *at;) {
		unsigned byte = 0;
		bool hex = at[0] == '%' && at[1] && at[2] && strspn(at + 1, "0123456789abcdefABCDEF") >= 2;
		if (hex)
			(void)sscanf(at + 1, "%2x", &byte); /* two digits were seen */
		*to++ = byte ? (char)byte : *at;
		at += byte ? 3 : 1;
	}
	*to = '\0';
	return (size_t)(to - s);
}

static enum err_class start_daemon(struct api *a, int fd, MHD_AccessHandlerCallback handler, struct MHD_Daemon **ret, struct err *e)
{
	struct MHD_Daemon *d = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, handler, a,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)API_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_HEADER_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, unescape,
		NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
	if (!d)
		return err_set(e, TRANSIENT, R_OutOfResources, "the HTTP server did not start");
	*ret = d;
	return OK;
}

static enum err_class start_local(struct api *a, struct err *e)
{
	const struct conf *conf = a->o.conf;
	enum err_class c = fs_mkdirs(conf_path(conf, &a->arena, "run"), 0755, e);
	const char *path = conf_path(conf, &a->arena, "run/api.sock");
	AUTO_CLOSE int fd = -1;
	struct stat st;
	if (!c)
		c = listen_unix(path, conf->user_gid, &fd, &st, e);
	if (c)
		return c;
	a->socket_path = path;
	a->socket_dev = st.st_dev;
	a->socket_ino = st.st_ino;
	c = start_daemon(a, fd, on_local, &a->local, e);
	if (!c)
		fd = -1; /* MHD closes it */
	return c;
}

static enum err_class start_tcp(struct api *a, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	enum err_class c = listen_tcp(a->o.conf->listen, a->o.conf->api_port, &fd, e);
	if (!c)
		c = start_daemon(a, fd, on_tcp, &a->tcp, e);
	if (!c)
		fd = -1; /* MHD closes it */
	return c;
}

static void init_lock(struct api *a)
{
	pthread_condattr_t attr;
	(void)pthread_condattr_init(&attr);                      /* these four fail only for */
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* arguments that ours are not */
	(void)pthread_cond_init(&a->ended, &attr);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_condattr_destroy(&attr);
}

enum err_class api_start(const struct api_opts *o, struct api **ret, struct err *e)
{
	struct api *a = xcalloc(1, sizeof *a);
	a->o = *o;
	a->pool = pool_new(o->conf->database, API_STORES);
	init_lock(a);
	a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	enum err_class c = OK;
	if (a->stop_fd < 0)
		c = err_errno(e, errno, TRANSIENT, R_OutOfResources, "eventfd");
	if (!c)
		c = policy_init(a, e);
	if (!c)
		c = uploads_init(a, e);
	if (!c)
		c = start_tcp(a, e); /* first: a port that is taken must not cost the running one its socket */
	if (!c)
		c = start_local(a, e);
	if (c) {
		api_stop(a);
		return c;
	}
	*ret = a;
	return OK;
}

static void remove_socket(const struct api *a)
{
	struct stat st;
	if (a->socket_path && stat(a->socket_path, &st) == 0 && st.st_dev == a->socket_dev && st.st_ino == a->socket_ino)
		(void)unlink(a->socket_path); /* a stale socket is replaced at the next start */
}

void api_stop(struct api *a)
{
	if (!a)
		return;
	atomic_store(&a->stopping, true);
	pool_close(a->pool);
	if (a->stop_fd >= 0)
		(void)eventfd_write(a->stop_fd, 1); /* cannot overflow from 0 */
	remove_socket(a);
	streams_wait(a, GOODBYE_MS);
	if (a->tcp)
		MHD_stop_daemon(a->tcp);
	if (a->local)
		MHD_stop_daemon(a->local);
	pool_free(a->pool);
	(void)pthread_cond_destroy(&a->ended);
	(void)pthread_mutex_destroy(&a->lock);
	if (a->stop_fd >= 0)
		(void)close(a->stop_fd);
	arena_release(&a->arena);
	free(a);
}
