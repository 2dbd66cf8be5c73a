#include "cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

enum { ANSWER_MAX = 64 << 20, CALL_MS = 60000 };

struct client {
	struct http *http;
	char *authorization; /* NULL on the unix socket */
	json_t *problems;
};

static const char *home(void)
{
	const char *h = getenv("FN_HOME");
	return h && *h ? h : "/var/lib/fn";
}

static enum err_class read_token(const struct cli *c, struct client *cl, struct err *e)
{
	const char *path = flag_or(c, FLAG_TOKEN_FILE, getenv("FN_TOKEN_FILE"));
	if (!path)
		path = arena_printf(c->arena, "%s/secrets/token", home());
	AUTO_BUF struct buf token = BUF_INIT(4096);
	enum err_class class = fs_read(path, &token, e);
	if (class) {
		AUTO_FREE char *why = xstrdup(e->msg);
		return err_set(e, DENIED, R_Unauthenticated, "read the token: %s", why);
	}
	cl->authorization = xprintf("Bearer %.*s", (int)strcspn(buf_str(&token), " \t\r\n"), buf_str(&token));
	return OK;
}

enum err_class cli_client(struct cli *c, struct client **ret, struct err *e)
{
	if (c->client) {
		*ret = c->client;
		return OK;
	}
	const char *server = flag_or(c, FLAG_SERVER, getenv("FN_SERVER"));
	if (!server || !*server)
		server = arena_printf(c->arena, "unix:%s/run/api.sock", home());
	if (strncmp(server, "unix:", 5) == 0 && access(server + 5, W_OK) != 0 && errno == EACCES)
		return err_set(e, DENIED, R_Unauthenticated, "%s is not open to this user", server + 5);
	struct client *cl = xcalloc(1, sizeof *cl);
	c->client = cl;
	struct http_opts o = {.base = server, .stall_ms = CALL_MS, .user_agent = "fnctl", .unavailable = R_ControllerUnavailable, .denied = R_Forbidden,
			      .protocol = R_Internal};
	enum err_class class = http_open(&o, &cl->http, e);
	if (!class && strncmp(server, "unix:", 5) != 0)
		class = read_token(c, cl, e);
	*ret = cl;
	return class;
}

void client_free(struct client *cl)
{
	if (!cl)
		return;
	http_free(cl->http);
	free(cl->authorization);
	json_decref(cl->problems);
	free(cl);
}

const json_t *client_problems(const struct client *cl) { return cl ? cl->problems : NULL; }

static enum err_class class_of(const char *name)
{
	for (enum err_class c = TRANSIENT; c <= BUG; c++)
		if (strcmp(err_class_name(c), name) == 0)
			return c;
	return BUG;
}

/* A problem document (RFC 9457) as an error; an answer that is none as what its status says. */
static enum err_class problem(struct client *cl, int status, const struct buf *body, struct err *e)
{
	struct err ignored = ERR_INIT;
	AUTO_JSON json_t *j = NULL;
	if (json_parse(buf_str(body), body->len, &j, &ignored) != OK || !json_object_get(j, "reason"))
		return http_status_err(cl->http, status, "the controller", e);
	cl->problems = json_incref(json_object_get(j, "problems"));
	enum reason r = reason_parse(json_str_or(j, "reason", "Internal"));
	return err_set(e, class_of(json_str_or(j, "class", "bug")), r, "%s", json_str_or(j, "detail", json_str_or(j, "title", "failed")));
}

static enum err_class exchange(struct client *cl, struct http_request *r, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(ANSWER_MAX);
	json_decref(cl->problems);
	cl->problems = NULL;
	r->out = &out;
	r->authorization = cl->authorization;
	int status;
	enum err_class c = http_do(cl->http, r, &status, e);
	if (c)
		return c;
	if (status >= 300)
		return problem(cl, status, &out, e);
	return ret ? json_parse(buf_str(&out), out.len, ret, e) : OK;
}

enum err_class client_call(struct client *cl, const char *method, const char *path, const char *const *query, const json_t *body, json_t **ret,
			   struct err *e)
{
	static const char *const json_headers[] = {"Content-Type: application/json", NULL};
	AUTO_FREE char *text = body ? json_text(body) : NULL;
	struct http_request r = {.method = method, .path = path, .query = query};
	if (text) {
		r.headers = json_headers;
		r.body = text;
		r.body_len = strlen(text);
	}
	return exchange(cl, &r, ret, e);
}

enum err_class client_exists(struct client *cl, const char *path, bool *ret, struct err *e)
{
	struct http_request r = {.method = "HEAD", .path = path};
	enum err_class c = exchange(cl, &r, NULL, e);
	if (c == INVALID && strcmp(e->reason, "NotFound") == 0) {
		*ret = false;
		return OK;
	}
	*ret = true;
	return c;
}

enum err_class client_upload(struct client *cl, const char *path, int fd, uint64_t size, struct err *e)
{
	static const char *const headers[] = {"Content-Type: application/gzip", NULL};
	struct http_request r = {.method = "PUT", .path = path, .headers = headers, .body_fd = fd, .body_len = size};
	return exchange(cl, &r, NULL, e);
}

/* ---- server-sent events ---- */

struct stream {
	struct buf pending;
	client_event_fn *each;
	void *ctx;
};

/* One event: its lines are name: value pairs; comments begin with a colon. */
static bool deliver(struct stream *s, char *text)
{
	const char *event = "message", *data = NULL;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strncmp(line, "event: ", 7) == 0)
			event = line + 7;
		else if (strncmp(line, "data: ", 6) == 0)
			data = line + 6;
	}
	if (!data)
		return true;
	AUTO_JSON json_t *j = NULL;
	struct err ignored = ERR_INIT;
	if (json_parse(data, strlen(data), &j, &ignored) != OK)
		return true; /* not one of ours */
	return s->each(s->ctx, event, j);
}

static bool take_chunk(void *ctx, const void *p, size_t n, struct err *e)
{
	struct stream *s = ctx;
	if (!buf_add(&s->pending, p, n))
		return err_set(e, INVALID, R_TooLarge, "an event is over the limit"), false;
	bool more = true;
	for (char *end; more && (end = strstr(s->pending.p, "\n\n")) != NULL;) {
		*end = '\0';
		more = deliver(s, s->pending.p);
		size_t used = (size_t)(end + 2 - s->pending.p);
		memmove(s->pending.p, end + 2, s->pending.len - used + 1);
		s->pending.len -= used;
	}
	return more;
}

enum err_class client_stream(struct client *cl, const char *path, const char *const *query, client_event_fn *each, void *ctx, struct err *e)
{
	static const char *const headers[] = {"Accept: text/event-stream", NULL};
	struct stream s = {.pending = BUF_INIT(1 << 20), .each = each, .ctx = ctx};
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	struct http_request r = {.path = path, .query = query, .headers = headers, .chunk = take_chunk, .ctx = &s, .out = &out, .stall_ms = -1,
				 .total_ms = -1, .authorization = cl->authorization};
	int status;
	enum err_class c = http_do(cl->http, &r, &status, e);
	buf_release(&s.pending);
	if (!c && status >= 300)
		c = problem(cl, status, &out, e);
	return c;
}

enum { QUERY_MAX = 4, PAGE_MAX = 500 };

static enum err_class one_page(struct client *cl, const char *path, const char *const *query, const char *cursor, size_t limit, json_t **ret, struct err *e)
{
	const char *words[QUERY_MAX + 5];
	size_t n = 0;
	AUTO_FREE char *number = xprintf("%zu", limit);
	for (; query && query[n] && n < QUERY_MAX; n++)
		words[n] = query[n];
	if (cursor) {
		words[n++] = "cursor";
		words[n++] = cursor;
	}
	if (limit) {
		words[n++] = "limit";
		words[n++] = number;
	}
	words[n] = NULL;
	return client_call(cl, "GET", path, words, NULL, ret, e);
}

enum err_class client_pages(struct client *cl, const char *path, const char *const *query, size_t max, json_t **ret, bool *ret_more, struct err *e)
{
	AUTO_JSON json_t *all = json_array();
	AUTO_FREE char *cursor = NULL;
	for (;;) {
		AUTO_JSON json_t *page = NULL;
		size_t left = max ? max - json_array_size(all) : 0;
		enum err_class c = one_page(cl, path, query, cursor, left < PAGE_MAX ? left : PAGE_MAX, &page, e);
		if (c)
			return c;
		(void)json_array_extend(all, json_object_get(page, "items")); /* fails only out of memory */
		const char *next = json_str_or(page, "next", NULL);
		if (ret_more)
			*ret_more = next != NULL;
		if (!next || (max && json_array_size(all) >= max))
			break;
		free(cursor);
		cursor = xstrdup(next);
	}
	*ret = json_incref(all);
	return OK;
}

enum err_class client_list(struct client *cl, const char *path, const char *project, json_t **ret, struct err *e)
{
	bool scoped = strcmp(path, "/api/projects") != 0 && strcmp(path, "/api/work") != 0; /* these belong to no project */
	const char *query[] = {project ? "project" : "all", project ? project : "true", NULL};
	return client_pages(cl, path, scoped ? query : NULL, 0, ret, NULL, e);
}
