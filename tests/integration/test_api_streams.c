/* Streams, crowds and the end: what goes on longer than a request. */
#include "api_env.h"

#define RUNTIME(name) "apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: " name "}\nspec: {base: scratch}\n"

static void make_runtime(struct api_env *t, const char *yaml)
{
	AUTO_CALL struct call c = {0};
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, yaml, NULL, NULL));
	assert_status(&c, 200);
}

static int unix_connect(const struct api_env *t)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	(void)strcpy(sa.sun_path, t->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
	const struct timeval limit = {.tv_sec = 20};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	return fd;
}

static int open_stream(struct api_env *t, const char *path, const char *more_headers)
{
	int fd = unix_connect(t);
	raw_send(fd, arena_printf(&t->arena, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s\r\n", path, more_headers));
	return fd;
}

static int64_t last_event(struct api_env *t)
{
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/api/events?limit=1");
	assert_status(&c, 200);
	return json_int_or(c.json, "last", -1);
}

static void test_events_arrive_and_resume(void **state)
{
	struct api_env *t = env(state);
	make_runtime(t, RUNTIME("s1"));
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	AUTO_CLOSE int fd = open_stream(t, "/api/events?kind=runtime", "");
	assert_true(raw_until(fd, &b, "\"name\":\"s1\""));
	assert_non_null(strstr(buf_str(&b), "Content-Type: text/event-stream"));
	make_runtime(t, RUNTIME("s2"));
	assert_true(raw_until(fd, &b, "\"name\":\"s2\""));
	int64_t seen = last_event(t);
	AUTO_FREE char *id = xprintf("id: %lld\ndata: {", (long long)seen);
	assert_non_null(strstr(buf_str(&b), id));
	close(fd);
	make_runtime(t, RUNTIME("s3")); /* while nobody listens */
	make_runtime(t, RUNTIME("s4"));
	AUTO_BUF struct buf again = BUF_INIT(1 << 20);
	AUTO_FREE char *resume = xprintf("Last-Event-ID: %lld\r\n", (long long)seen);
	fd = open_stream(t, "/api/events?kind=runtime", resume);
	assert_true(raw_until(fd, &again, "\"name\":\"s4\""));
	assert_non_null(strstr(buf_str(&again), "\"name\":\"s3\""));
	assert_null(strstr(buf_str(&again), "\"name\":\"s2\""));
	assert_true(strstr(buf_str(&again), "\"name\":\"s3\"") < strstr(buf_str(&again), "\"name\":\"s4\""));
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", arena_printf(&t->arena, "/api/events?kind=runtime&after=%lld", (long long)seen));
	assert_int_equal(json_array_size(json_object_get(c.json, "items")), 2);
	c.headers = (const char *const[]){"Accept: text/event-stream", "Last-Event-ID: ../x", NULL};
	call_run(&c);
	assert_answer(&c, 400, "BadRequest");
	c.headers = (const char *const[]){"Accept: text/event-stream", NULL};
	c.method = "HEAD";
	call_run(&c);
	assert_status(&c, 200);
}

static void test_heartbeat(void **state)
{
	struct api_env *t = env(state);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	AUTO_CLOSE int fd = open_stream(t, "/api/events?project=quiet", "");
	assert_true(raw_until(fd, &b, "\n:\n\n"));
	assert_null(strstr(buf_str(&b), "data:"));
}

static void test_filters(void **state)
{
	struct api_env *t = env(state);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	AUTO_CLOSE int fd = open_stream(t, "/api/events?kind=runtime&name=f2", "");
	make_runtime(t, RUNTIME("f1") "---\n" RUNTIME("f2"));
	assert_true(raw_until(fd, &b, "\"name\":\"f2\""));
	assert_null(strstr(buf_str(&b), "\"name\":\"f1\""));
}

static void test_many_streams_leave_room(void **state)
{
	struct api_env *t = env(state);
	int fds[API_STREAMS];
	AUTO_CALL struct call c = {0};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		fds[i] = open_stream(t, "/api/events?project=quiet", "");
		assert_true(raw_until(fds[i], &b, "retry: 1000"));
	}
	ask(t, &c, "GET", "/api/functions");
	assert_status(&c, 200);
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	AUTO_CLOSE int more = open_stream(t, "/api/events?project=quiet", "");
	assert_true(raw_until(more, &b, "\"OutOfResources\""));
	assert_true(strncmp(buf_str(&b), "HTTP/1.1 503", 12) == 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	int64_t until = clock_mono_ms() + 20000;
	do { /* those that left make room */
		AUTO_CLOSE int fd = open_stream(t, "/api/events?project=quiet", "");
		AUTO_BUF struct buf answer = BUF_INIT(1 << 16);
		assert_true(raw_until(fd, &answer, "\r\n\r\n"));
		if (strncmp(buf_str(&answer), "HTTP/1.1 200", 12) == 0)
			return;
	} while (clock_mono_ms() < until);
	fail_msg("no room after %d streams had left", API_STREAMS);
}

static void test_connections_of_one_address(void **state)
{
	struct api_env *t = env(state);
	int fds[API_CONNECTIONS_ADDRESS];
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 16);
		fds[i] = raw_connect(t);
		raw_send(fds[i], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
		assert_true(raw_until(fds[i], &b, "ok\n"));
	}
	AUTO_CLOSE int more = raw_connect(t);
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	assert_false(raw_until(more, &b, "HTTP/1.1"));
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/healthz"); /* the socket is not the port */
	assert_status(&c, 200);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

struct waiter {
	const struct api_env *t;
	long status;
};

static void *wait_for_functions(void *ctx)
{
	struct waiter *w = ctx;
	struct call c = {.socket = w->t->socket, .method = "GET", .url = "http://localhost/api/functions"};
	call_run(&c);
	w->status = c.status;
	call_release(&c);
	return NULL;
}

static void test_busy_database_is_503(void **state)
{
	struct api_env *t = env(state);
	PGconn *lock = PQconnectdb(t->conninfo);
	PQclear(PQexec(lock, "BEGIN"));
	PQclear(PQexec(lock, "LOCK TABLE manifests IN ACCESS EXCLUSIVE MODE"));
	struct waiter waiters[API_STORES];
	pthread_t threads[API_STORES];
	for (size_t i = 0; i < API_STORES; i++) {
		waiters[i] = (struct waiter){t, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_functions, &waiters[i]), 0);
	}
	const char *waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
	int64_t until = clock_mono_ms() + 3000;
	for (AUTO_FREE char *n = NULL; !n || atoi(n) < API_STORES;) {
		assert_true(clock_mono_ms() < until);
		free(n);
		n = postgres_sql(t->conninfo, waiting);
	}
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/api/work");
	assert_answer(&c, 503, "OutOfResources");
	PQclear(PQexec(lock, "COMMIT"));
	PQfinish(lock);
	for (size_t i = 0; i < API_STORES; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(waiters[i].status, 200);
	}
}

static void test_stream_outlives_the_database(void **state)
{
	struct api_env *t = env(state);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	AUTO_CLOSE int fd = open_stream(t, "/api/events?name=after-the-fall", "");
	assert_true(raw_until(fd, &b, "retry: 1000"));
	postgres_kill(&t->pg);
	assert_true(raw_until(fd, &b, "event: problem\ndata: {"));
	assert_true(raw_until(fd, &b, "\"DatabaseUnavailable\""));
	postgres_restart(&t->pg);
	make_runtime(t, RUNTIME("after-the-fall"));
	assert_true(raw_until(fd, &b, "\"name\":\"after-the-fall\""));
}

static void test_stop_ends_streams(void **state)
{
	struct api_env *t = env(state);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20), idle = BUF_INIT(1 << 16);
	AUTO_CLOSE int stream = open_stream(t, "/api/events?project=quiet", "");
	AUTO_CLOSE int silent = unix_connect(t);
	AUTO_CLOSE int half = raw_connect(t);
	raw_send(half, "GET /healthz HTTP/1.1\r\nHo");
	assert_true(raw_until(stream, &b, "retry: 1000"));
	int64_t before = clock_mono_ms();
	api_stop(t->api);
	assert_true(clock_mono_ms() - before < 5000);
	assert_false(raw_until(stream, &b, "never sent"));
	assert_non_null(strstr(buf_str(&b), "\r\n0\r\n\r\n")); /* ended, not cut */
	assert_false(raw_until(silent, &idle, "never sent"));
	assert_int_equal(access(t->socket, F_OK), -1);
	env_start(t);
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/readyz");
	assert_status(&c, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_arrive_and_resume),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_many_streams_leave_room),
		cmocka_unit_test(test_connections_of_one_address),
		cmocka_unit_test(test_busy_database_is_503),
		cmocka_unit_test(test_stream_outlives_the_database),
		cmocka_unit_test(test_stop_ends_streams),
	};
	(void)unsetenv("FN_TEST_PG"); /* one of them ends the server; fails only for a bad name */
	return cmocka_run_group_tests(tests, env_set_up, env_tear_down);
}
