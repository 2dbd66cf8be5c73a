/* An API in this process, on a free port and a socket below a temporary FN_HOME, over a real PostgreSQL. */
#ifndef FN_TESTS_API_ENV_H
#define FN_TESTS_API_ENV_H

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "http_call.h"
#include "postgres.h"

/* An account that every Debian has: plays the configured user. */
enum { USER_UID = 1, USER_GID = 1, OTHER_UID = 65534 };

struct api_env {
	struct arena arena;
	struct postgres pg;
	char *conninfo;
	struct conf conf;
	struct api_opts opts;
	struct api *api;
	char home[32];
	const char *socket, *base; /* "http://127.0.0.1:PORT" */
	char token[128];
	atomic_int hints;
	enum err_class (*ready)(struct err *e);
};

#define must(expr, err) \
	do { \
		if ((expr) != OK) \
			fail_msg("%s: %s %s", #expr, (err).reason, (err).msg); \
	} while (0)

static inline int free_port(void)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	return ntohs(sa.sin_port);
}

static inline void env_hint(void *ctx) { atomic_fetch_add(&((struct api_env *)ctx)->hints, 1); }

static inline enum err_class env_ready(void *ctx, struct err *e)
{
	struct api_env *t = ctx;
	return t->ready ? t->ready(e) : OK;
}

static inline void env_read_token(struct api_env *t)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf b = BUF_INIT(sizeof t->token - 1);
	AUTO_FREE char *path = xprintf("%s/secrets/token", t->home);
	must(fs_read(path, &b, &e), e);
	(void)snprintf(t->token, sizeof t->token, "%.*s", (int)strcspn(buf_str(&b), "\n"), buf_str(&b));
}

static inline void env_start(struct api_env *t)
{
	struct err e = ERR_INIT;
	must(api_start(&t->opts, &t->api, &e), e);
	env_read_token(t);
}

static inline void env_open(struct api_env *t)
{
	struct err e = ERR_INIT;
	memset(t, 0, sizeof *t);
	log_set_level(LOG_ERROR);
	(void)strcpy(t->home, "/tmp/fn-api-XXXXXX");
	assert_non_null(mkdtemp(t->home));
	assert_int_equal(chmod(t->home, 0755), 0);
	postgres_start(&t->pg);
	t->conninfo = postgres_database(&t->pg);
	t->conf = (struct conf){.home = t->home, .instance = "t", .listen = "127.0.0.1", .api_port = free_port(), .gateway_port = 7380,
				.domain = "fn.localhost", .user = "daemon", .user_uid = USER_UID, .user_gid = USER_GID, .workers = 1,
				.database = t->conninfo};
	struct store *s = store_new(t->conf.database);
	must(store_migrate(s, &e), e);
	store_free(s);
	t->opts = (struct api_opts){.conf = &t->conf, .version = "0.0-test", .hint = env_hint, .hint_ctx = t, .ready = env_ready, .ready_ctx = t,
				       .heartbeat_ms = 1000};
	t->socket = conf_path(&t->conf, &t->arena, "run/api.sock");
	t->base = arena_printf(&t->arena, "http://127.0.0.1:%d", t->conf.api_port);
	env_start(t);
}

static inline void env_close(struct api_env *t)
{
	struct err e = ERR_INIT;
	api_stop(t->api);
	postgres_stop(&t->pg);
	free(t->conninfo);
	must(fs_remove_tree(t->home, &e), e);
	arena_release(&t->arena);
}

/* A request through the unix socket, as root. */
static inline void ask(struct api_env *t, struct call *c, const char *method, const char *path)
{
	c->socket = t->socket;
	c->method = method;
	c->url = arena_printf(&t->arena, "http://localhost%s", path);
	c->headers = NULL;
	c->body = NULL;
	call_run(c);
}

static inline void ask_json(struct api_env *t, struct call *c, const char *method, const char *path, const char *body)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	c->socket = t->socket;
	c->method = method;
	c->url = arena_printf(&t->arena, "http://localhost%s", path);
	c->headers = headers;
	c->body = body;
	c->nbody = strlen(body);
	call_run(c);
}

/* The body of an apply of one file. */
static inline char *apply_body(struct api_env *t, const char *yaml, const char *source_object, const char *digest)
{
	AUTO_JSON json_t *j = json_pack("{s:[{s:s,s:s}]}", "files", "name", "test.yaml", "text", yaml);
	if (source_object)
		json_object_set_new(j, "sources", json_pack("{s:s}", source_object, digest));
	return json_text_arena(j, &t->arena);
}

static inline struct api_env *env(void **state) { return *state; }

static inline int env_set_up(void **state)
{
	struct api_env *t = xcalloc(1, sizeof *t);
	env_open(t);
	*state = t;
	return 0;
}

static inline int env_tear_down(void **state)
{
	env_close(*state);
	free(*state);
	return 0;
}

static inline const char *env_upload_path(struct api_env *t, const struct digest *d)
{
	char text[DIGEST_TEXT];
	return arena_printf(&t->arena, "/api/uploads/%s", digest_text(d, text));
}

static inline void env_put(struct api_env *t, struct call *c, const struct digest *d, const void *p, size_t n)
{
	c->socket = t->socket;
	c->method = "PUT";
	c->url = arena_printf(&t->arena, "http://localhost%s", env_upload_path(t, d));
	c->headers = NULL;
	c->body = p;
	c->nbody = n;
	call_run(c);
}

static inline const char *reason_of(const struct call *c) { return json_str_or(c->json, "reason", "(none)"); }

#define assert_answer(c, expected_status, expected_reason) \
	do { \
		if ((c)->status != (expected_status) || strcmp(reason_of(c), expected_reason) != 0) \
			fail_msg("%s %s: %ld %s, not %d %s: %s", (c)->method, (c)->url, (c)->status, reason_of(c), expected_status, expected_reason, \
				 buf_str(&(c)->text)); \
	} while (0)
#define assert_status(c, expected) \
	do { \
		if ((c)->status != (expected)) \
			fail_msg("%s %s: %ld, not %d (curl %d): %s", (c)->method, (c)->url, (c)->status, expected, (int)(c)->curl, buf_str(&(c)->text)); \
	} while (0)

#define AUTO_CALL __attribute__((cleanup(call_release)))

/* A raw connection, for what libcurl would not send. */
static inline int raw_connect(const struct api_env *t)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)t->conf.api_port)};
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
	const struct timeval limit = {.tv_sec = 20};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	return fd;
}

static inline void raw_send(int fd, const char *text)
{
	struct err e = ERR_INIT;
	must(fs_write_all(fd, text, strlen(text), &e), e);
}

/* Reads until the text appears or the peer closes (false). */
static inline bool raw_until(int fd, struct buf *b, const char *text)
{
	int64_t until = clock_mono_ms() + 20000;
	while (!strstr(buf_str(b), text)) {
		if (clock_mono_ms() > until)
			fail_msg("no \"%s\" within 20 s: %s", text, buf_str(b));
		char *to = buf_reserve(b, 4096);
		ssize_t n = to ? read(fd, to, 4096) : -1;
		if (n < 0 && errno == EAGAIN)
			fail_msg("no \"%s\" within 20 s: %s", text, buf_str(b));
		if (n <= 0)
			return false;
		b->len += (size_t)n;
		b->p[b->len] = '\0';
	}
	return true;
}

#endif
