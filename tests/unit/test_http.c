/* The HTTP client against a server of one thread that plays a script on a unix socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "net/http.h"

enum { PATIENCE_MS = 10000, REQUEST_MAX = 4 << 20 };

struct fixture {
	char dir[32];
	char *path, *base;
	int listener, quit[2];
	pthread_t thread;
	const char *const *answers; /* one for each request, NULL-terminated; "" hangs up, "+…" answers and then stays silent */
	struct buf seen;            /* all requests, one after the other */
	int connections;
};

static bool wait_for(int fd, int quit)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = quit, .events = POLLIN } };
	return poll(p, 2, PATIENCE_MS) > 0 && p[1].revents == 0 && p[0].revents != 0;
}

/* One request with its body; false at the end of the connection. */
static bool read_request(struct fixture *f, int fd)
{
	AUTO_BUF struct buf b = BUF_INIT(REQUEST_MAX);
	for (;;) {
		const char *end = strstr(buf_str(&b), "\r\n\r\n"), *length = strcasestr(buf_str(&b), "Content-Length: ");
		size_t body = length && end && length < end ? strtoul(length + 16, NULL, 10) : 0;
		if (end && b.len >= (size_t)(end - b.p) + 4 + body)
			return buf_add(&f->seen, b.p, b.len);
		char chunk[65536];
		ssize_t n = wait_for(fd, f->quit[0]) ? read(fd, chunk, sizeof chunk) : 0;
		if (n <= 0)
			return false;
		(void)buf_add(&b, chunk, (size_t)n); /* an overflow shows as a missing end */
	}
}

static void *serve(void *ctx)
{
	struct fixture *f = ctx;
	const char *const *next = f->answers;
	while (*next && wait_for(f->listener, f->quit[0])) {
		AUTO_CLOSE int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		f->connections++;
		while (*next && read_request(f, fd)) {
			const char *answer = *next++;
			if (!*answer)
				break;
			bool stay = *answer == '+';
			struct err e = ERR_INIT;
			if (fs_write_all(fd, answer + stay, strlen(answer + stay), &e) != OK)
				break;
			if (stay)
				(void)wait_for(-1, f->quit[0]);
		}
	}
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	(void)strcpy(f->dir, "/tmp/fn-http.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xprintf("%s/sock", f->dir);
	f->base = xprintf("unix:%s", f->path);
	buf_init(&f->seen, 2 * REQUEST_MAX);
	assert_int_equal(pipe2(f->quit, O_CLOEXEC), 0);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", f->path);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	(void)close(f->listener);
	(void)close(f->quit[0]);
	(void)close(f->quit[1]);
	assert_int_equal(fs_remove_tree(f->dir, &e), OK);
	buf_release(&f->seen);
	free(f->path);
	free(f->base);
	free(f);
	return 0;
}

static struct http *start(struct fixture *f, const char *const *answers)
{
	struct err e = ERR_INIT;
	struct http *h = NULL;
	const struct http_opts o = { .base = f->base, .stall_ms = 100, .unavailable = R_ControllerUnavailable, .denied = R_Forbidden,
				     .protocol = R_RegistryProtocol };
	f->answers = answers;
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
	assert_int_equal(http_open(&o, &h, &e), OK);
	return h;
}

static void stop(struct fixture *f, struct http *h)
{
	http_free(h);
	assert_int_equal(write(f->quit[1], "x", 1), 1);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
}

static void assert_seen(struct fixture *f, const char *text)
{
	if (!strstr(buf_str(&f->seen), text))
		fail_msg("no \"%s\" in: %s", text, buf_str(&f->seen));
}

static void requests_share_a_connection(void **state)
{
	struct fixture *f = *state;
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Thing: one\r\n\r\nhi",
					       "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", "HTTP/1.1 204 No Content\r\n\r\n", NULL };
	struct http *h = start(f, answers);
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = BUF_INIT(100);
	int status = 0;
	static const char *const query[] = { "a", "1 & 2", "b", "x=y", NULL }, *const headers[] = { "X-Own: yes", NULL };
	struct http_request q = { .path = "/api/some thing/sha256:ab", .query = query, .headers = headers, .authorization = "Bearer t", .out = &out };
	assert_int_equal(http_do(h, &q, &status, &e), OK);
	assert_int_equal(status, 200);
	assert_string_equal(buf_str(&out), "hi");
	assert_string_equal(http_header(h, "x-thing"), "one");
	assert_null(http_header(h, "x-other"));
	buf_clear(&out);
	struct http_request post = { .method = "POST", .path = "/plain/sha256:ab", .body = "{}", .body_len = 2, .out = &out };
	assert_int_equal(http_do(h, &post, &status, &e), OK);
	assert_int_equal(status, 404);
	assert_string_equal(buf_str(&out), "gone");
	assert_int_equal(http_status_err(h, status, "POST", &e), INVALID);
	assert_string_equal(e.reason, "NotFound");
	struct http_request del = { .method = "DELETE", .path = "/x" };
	assert_int_equal(http_do(h, &del, &status, &e), OK);
	assert_int_equal(status, 204);
	stop(f, h);
	assert_int_equal(f->connections, 1);
	assert_seen(f, "GET /api/some%20thing/sha256%3aab?a=1+%26+2&b=x%3dy HTTP/1.1\r\n");
	assert_seen(f, "X-Own: yes\r\n");
	assert_seen(f, "Authorization: Bearer t\r\n");
	assert_seen(f, "POST /plain/sha256:ab HTTP/1.1\r\n");
	assert_seen(f, "Content-Length: 2\r\n");
	assert_seen(f, "DELETE /x HTTP/1.1\r\n");
	assert_null(strstr(buf_str(&f->seen), "Expect"));
	assert_null(strstr(buf_str(&f->seen), "urlencoded"));
}

static void a_body_from_a_descriptor_starts_at_its_offset(void **state)
{
	struct fixture *f = *state;
	static const char *const answers[] = { "", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", NULL };
	struct err e = ERR_INIT;
	char path[] = "/tmp/fn-http-body.XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	assert_int_equal(unlink(path), 0);
	size_t n = 1 << 20;
	AUTO_FREE char *bytes = xmalloc(n);
	memset(bytes, 'z', n);
	assert_int_equal(fs_write_all(fd, "skip", 4, &e), OK);
	assert_int_equal(fs_write_all(fd, bytes, n, &e), OK);
	assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
	struct http *h = start(f, answers);
	struct http_request q = { .method = "PUT", .path = "/up", .body_fd = fd, .body_len = n };
	int status = 0;
	assert_int_equal(http_do(h, &q, &status, &e), TRANSIENT); /* hung up on */
	assert_string_equal(e.reason, "ControllerUnavailable");
	assert_int_equal(http_do(h, &q, &status, &e), OK); /* and sent again from the same place */
	assert_int_equal(status, 201);
	stop(f, h);
	const char *second = strstr(strstr(buf_str(&f->seen), "PUT /up") + 1, "PUT /up"), *body = strstr(second, "\r\n\r\n") + 4;
	assert_int_equal(strspn(body, "z"), n);
	assert_null(strstr(buf_str(&f->seen), "skip"));
}

struct events {
	char text[64];
	size_t left;
};

static bool on_event(void *ctx, const void *p, size_t n, struct err *e)
{
	struct events *ev = ctx;
	(void)e; /* this one never fails */
	for (size_t i = 0; i < n; i++)
		(void)strncat(ev->text, (const char *)p + i, 1);
	return strlen(ev->text) < ev->left;
}

static bool on_event_fail(void *ctx, const void *p, size_t n, struct err *e)
{
	(void)ctx;
	(void)p;
	(void)n;
	(void)err_set(e, TRANSIENT, R_DiskFull, "no room");
	return false;
}

static void a_stream_is_read_as_it_comes(void **state)
{
	struct fixture *f = *state;
	/* the server says no more after each of these: what was sent must have arrived without it */
	static const char *const answers[] = { "+HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", NULL };
	struct http *h = start(f, answers);
	struct err e = ERR_INIT;
	struct events ev = { "", 9 };
	int status = 0;
	struct http_request q = { .path = "/events", .chunk = on_event, .ctx = &ev, .stall_ms = -1 };
	assert_int_equal(http_do(h, &q, &status, &e), OK);
	assert_int_equal(status, 200);
	assert_string_equal(ev.text, "data: 1\n\n");
	stop(f, h);
}

static void failures(void **state)
{
	struct fixture *f = *state;
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", "", "nonsense\r\n\r\n",
		"+HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012", NULL };
	struct http *h = start(f, answers);
	AUTO_BUF struct buf small = BUF_INIT(5);
	struct events ev = { "", 100 };
	struct http_request q[] = {
		{ .path = "/", .out = &small },                                  /* larger than the buffer */
		{ .path = "/", .chunk = on_event, .ctx = &ev, .max = 5 },        /* larger than asked for */
		{ .path = "/", .chunk = on_event_fail },                         /* the reader's own failure */
		{ .path = "/" },                                                 /* hung up on */
		{ .path = "/" },                                                 /* not HTTP */
		{ .path = "/" },                                                 /* silent half-way */
	};
	static const struct {
		enum err_class class;
		const char *reason;
	} want[] = { { INVALID, "TooLarge" }, { INVALID, "TooLarge" }, { TRANSIENT, "DiskFull" }, { TRANSIENT, "ControllerUnavailable" },
		     { TRANSIENT, "RegistryProtocol" }, { TRANSIENT, "ControllerUnavailable" } };
	for (size_t i = 0; i < ARRAY_LEN(q); i++) {
		struct err e = ERR_INIT;
		int status = -7;
		enum err_class c = http_do(h, &q[i], &status, &e);
		if (c != want[i].class || strcmp(e.reason, want[i].reason) != 0)
			fail_msg("%zu: %s %s: %s", i, err_class_name(c), e.reason, e.msg);
		assert_int_equal(status, -7);
	}
	stop(f, h);
}

static void bad_input_is_refused_before_anything_is_sent(void **state)
{
	struct fixture *f = *state;
	static const char *const none[] = { NULL }, *const split[] = { "X: a\r\nY: b", NULL };
	struct http *h = start(f, none);
	const struct http_request bad[] = {
		{ .path = "/", .headers = split }, { .path = "/", .authorization = "Bearer canary\r\nX: y" },
		{ .url = "ftp://x/" }, { .url = "http://user:canary@x/" }, { .url = "file:///etc/passwd" }, { .url = "nothing" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		int status;
		assert_int_equal(http_do(h, &bad[i], &status, &e), INVALID);
		assert_string_equal(e.reason, "InvalidValue");
		assert_null(strstr(e.msg, "canary"));
	}
	stop(f, h);
	static const char *const bases[] = { "", "unix:relative", "ftp://x", "127.0.0.1", "http://x/path", "http://x?q", "http://u:canary@x", "http://" };
	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		struct err e = ERR_INIT;
		struct http *never = NULL;
		const struct http_opts o = { .base = bases[i] };
		assert_int_equal(http_open(&o, &never, &e), INVALID);
		assert_string_equal(e.reason, "InvalidValue");
		assert_null(strstr(e.msg, "canary"));
	}
}

static void redirects_are_not_followed_unless_asked(void **state)
{
	struct fixture *f = *state;
	static const char hop[] = "HTTP/1.1 302 Found\r\nLocation: /two?x=%20\r\nContent-Length: 4\r\n\r\nhere";
	static const char *const answers[] = { hop, hop, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", hop,
					       "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n", NULL };
	struct http *h = start(f, answers);
	AUTO_BUF struct buf out = BUF_INIT(100);
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	int status = 0;
	struct http_request q = { .path = "/one", .out = &out };
	assert_int_equal(http_do(h, &q, &status, &e), OK);
	assert_int_equal(status, 302);
	assert_string_equal(buf_str(&out), "here");
	const char *to = NULL;
	assert_int_equal(http_resolve(h, http_header(h, "Location"), &a, &to, &e), OK);
	assert_string_equal(to, "http://localhost/two?x=%20");
	assert_int_equal(http_resolve(h, "gopher://x/", &a, &to, &e), INVALID);
	buf_clear(&out);
	q.redirects = 1;
	assert_int_equal(http_do(h, &q, &status, &e), OK);
	assert_int_equal(status, 200);
	assert_string_equal(buf_str(&out), "ok");
	struct http_request post = { .method = "POST", .path = "/one", .redirects = 5 };
	assert_int_equal(http_do(h, &post, &status, &e), OK);
	assert_int_equal(status, 302);
	assert_int_equal(http_do(h, &q, &status, &e), TRANSIENT); /* off the socket */
	assert_string_equal(e.reason, "RegistryProtocol");
	stop(f, h);
	assert_seen(f, "GET /two?x=%20 HTTP/1.1\r\n");
}

static void statuses(void **state)
{
	struct fixture *f = *state;
	static const char *const none[] = { NULL };
	static const struct {
		int status;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ 200, OK, "" }, { 204, OK, "" }, { 401, DENIED, "Forbidden" }, { 403, DENIED, "Forbidden" }, { 404, INVALID, "NotFound" },
		{ 408, TRANSIENT, "ControllerUnavailable" }, { 409, CONFLICT, "RegistryProtocol" }, { 412, CONFLICT, "RegistryProtocol" },
		{ 413, INVALID, "TooLarge" }, { 429, TRANSIENT, "ControllerUnavailable" }, { 500, TRANSIENT, "ControllerUnavailable" },
		{ 503, TRANSIENT, "ControllerUnavailable" }, { 302, TRANSIENT, "RegistryProtocol" }, { 418, TRANSIENT, "RegistryProtocol" },
	};
	struct http *h = start(f, none);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(http_status_err(h, table[i].status, "GET x", &e), table[i].class);
		assert_string_equal(e.reason, table[i].reason);
	}
	stop(f, h);
}

static void origins(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct http_origin o;
	assert_true(http_origin_of("https://Example.org/a?b", &a, &o));
	assert_string_equal(o.scheme, "https");
	assert_int_equal(strcasecmp(o.host, "example.org"), 0);
	assert_string_equal(o.port, "443");
	assert_true(http_origin_of("http://127.0.0.1:7350", &a, &o));
	assert_string_equal(o.port, "7350");
	assert_false(http_origin_of("http://u:p@x", &a, &o));
	assert_false(http_origin_of("ftp://x", &a, &o));
	assert_false(http_origin_of("x", &a, &o));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(requests_share_a_connection), T(a_body_from_a_descriptor_starts_at_its_offset), T(a_stream_is_read_as_it_comes), T(failures),
		T(bad_input_is_refused_before_anything_is_sent), T(redirects_are_not_followed_unless_asked), T(statuses),
		cmocka_unit_test(origins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
