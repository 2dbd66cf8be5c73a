/* The gateway on a real HAProxy: what a request meets. */
#include "gateway_case.h"

static void an_empty_gateway_says_503_and_a_strange_host_404(void **state)
{
	struct gateway_case *t = *state;
	struct http_answer r;
	gw_open_and_wait(t);
	gw_get(t, "hello.dev.fn.localhost", "/", &r);
	assert_int_equal(r.status, 503);
	assert_non_null(strcasestr(r.head, "\r\nretry-after: 1\r\n"));
	assert_non_null(strstr(r.body, "not loaded"));
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	gw_get(t, "nobody.dev.fn.localhost:7380", "/", &r);
	assert_int_equal(r.status, 404);
	assert_string_equal(r.body, "fn gateway: no function answers for the host \"nobody.dev.fn.localhost\"\n");
	assert_non_null(strcasestr(r.head, "\r\ncontent-type: text/plain\r\n"));
	gw_get(t, "<script>\"\\%[src]\xc3\xa9.fn.localhost", "/", &r);
	assert_int_equal(r.status, 404);
	assert_string_equal(r.body, "fn gateway: no function answers for the host \"?script?????src???.fn.localhost\"\n");
	static const char *const strange[] = {"hello.dev", "hello.dev.fn.localhost.example.com", "_loaded", "_loaded.fn.localhost",
					      "fn.localhost", "", "127.0.0.1"};
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		gw_expect(t, strange[i], i == 3 ? 503 : 404, NULL);
}

static void routes_are_set_switched_and_removed(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	static const char *const same[] = {"hello.dev.fn.localhost", "hello.dev.fn.localhost:7380", "Hello.DEV.fn.localhost",
					   "hello.dev.fn.localhost.", "hello.dev.fn.internal", "hello.dev.fn.internal:80"};
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		gw_expect(t, same[i], 200, "blue");
	struct http_answer r;
	http_request("169.254.77.1", t->env.conf.gateway_port, "GET", "/", "hello.dev.fn.internal", NULL, NULL, WAIT_MS, &r);
	assert_string_equal(r.body, "blue"); /* the listener that instances use */
	gw_set_one(t, "k/p/hello/dev", "r2", "hello.dev.fn.localhost", GREEN);
	gw_expect(t, "hello.dev.fn.localhost", 200, "green");
	AUTO_JSON json_t *routes = gateway_routes(t->g, "k/p/hello/dev");
	assert_int_equal(json_array_size(routes), 1);
	assert_string_equal(json_str_or(json_array_get(routes, 0), "release", ""), "r2");
	assert_true(json_bool_or(json_array_get(routes, 0), "loaded", false));
	gw_set_one(t, "k/p/hello/dev", "r2", NULL, NULL);
	gw_expect(t, "hello.dev.fn.localhost", 404, NULL);
	AUTO_JSON json_t *none = gateway_routes(t->g, NULL);
	assert_int_equal(json_array_size(none), 0);
	env_stop(b);
	env_stop(g);
}

static void requests_go_to_all_instances(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t);
	gw_open_and_wait(t);
	struct gw_route s = {"k/p/hello/dev", "r1", {"hello.dev.fn.localhost", "hello--r1.dev.fn.localhost"}, {BLUE, GREEN}};
	must(gw_set_many(t, &s, 1, &e), e);
	int counts[2] = {0, 0};
	for (int i = 0; i < 60; i++) {
		struct http_answer r;
		gw_get(t, s.hosts[i % 2], "/", &r);
		assert_int_equal(r.status, 200);
		counts[strcmp(r.body, "blue") == 0]++;
	}
	assert_true(counts[0] > 5 && counts[1] > 5); /* either misses once in 10^9 runs */
	s.addresses[0] = s.addresses[1] = NULL;
	must(gw_set_many(t, &s, 1, &e), e);
	gw_expect(t, "hello.dev.fn.localhost", 503, "fn gateway: no instance of the function runs\n");
	env_stop(b);
	env_stop(g);
}

static void the_function_sees_who_asks_and_the_host_as_it_was(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct http_answer r;
	http_request(LOCAL, t->env.conf.gateway_port, "GET", "/head", "Hello.dev.fn.localhost:7380",
		     "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n"
		     "X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\n", NULL, WAIT_MS, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strcasestr(r.body, "\r\nhost: Hello.dev.fn.localhost:7380\r\n"));
	assert_non_null(strcasestr(r.body, "\r\nx-forwarded-for: 127.0.0.1\r\n"));
	assert_non_null(strcasestr(r.body, "\r\nx-forwarded-proto: http\r\n"));
	assert_non_null(strcasestr(r.body, "\r\nx-forwarded-host: Hello.dev.fn.localhost:7380\r\n"));
	static const char *const never[] = {"6.6.6.6", "7.7.7.7", "https", "evil"};
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_null(strstr(r.body, never[i]));
	env_stop(b);
}

static void silence_is_504_and_a_stream_goes_on(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct http_answer r;
	gw_get(t, "hello.dev.fn.localhost", "/sleep?3000", &r);
	assert_int_equal(r.status, 504);
	assert_non_null(strstr(r.body, "did not answer within its timeout"));
	assert_true(r.ms >= TIMEOUT_MS && r.ms < 3000);
	gw_get(t, "hello.dev.fn.localhost", "/stream?6-400", &r); /* 2.4 s in all */
	assert_int_equal(r.error, 0);
	assert_int_equal(r.status, 200);
	assert_true(r.ms > 2 * TIMEOUT_MS);
	assert_non_null(strstr(r.body, "0\r\n\r\n"));
	env_stop(b);
}

static void an_upgraded_connection_echoes_after_a_long_silence(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	AUTO_CLOSE int fd = env_connect(LOCAL, t->env.conf.gateway_port, WAIT_MS);
	assert_true(fd >= 0);
	struct timeval limit = {WAIT_MS / 1000, 0};
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	static const char ask[] = "GET /echo HTTP/1.1\r\nHost: hello.dev.fn.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
				  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " HTTP_WS_KEY "\r\n\r\n";
	char buf[HTTP_HEAD_MAX];
	size_t have;
	assert_true(http_send(fd, ask, sizeof ask - 1));
	assert_true(http_read_head(fd, buf, &have) > 0);
	assert_ptr_equal(strstr(buf, "HTTP/1.1 101 "), buf);
	for (int i = 0; i < 2; i++) {
		assert_true(http_send(fd, "\x81\x05hello", 7));
		assert_int_equal(recv(fd, buf, 7, MSG_WAITALL), 7);
		assert_memory_equal(buf, "\x81\x05hello", 7);
		assert_int_equal(gateway_open_requests(t->g, BLUE), 1);
		if (i == 0)
			http_pause(2 * TIMEOUT_MS + TIMEOUT_MS / 2); /* longer than the route's timeout: what is tested */
	}
	env_stop(b);
}

static void a_hundred_mebibytes_pass_both_ways(void **state)
{
	struct gateway_case *t = *state;
	enum { BIG = 100 << 20 };
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct http_answer r;
	AUTO_FREE char *path = xprintf("/bytes?%d", BIG);
	gw_get(t, "hello.dev.fn.localhost", path, &r);
	assert_int_equal(r.error, 0);
	assert_int_equal(r.body_len, BIG);
	AUTO_FREE char *body = xmalloc(BIG + 1), *length = xprintf("Content-Length: %d\r\n", BIG);
	memset(body, 'x', BIG);
	body[BIG] = '\0';
	http_request(LOCAL, t->env.conf.gateway_port, "POST", "/count", "hello.dev.fn.localhost", length, body, 30000, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(strtol(r.body, NULL, 10), BIG);
	env_stop(b);
}

/* An instance that comes back under its address while a request waits for it. */
static int serve_later(void *arg)
{
	struct http_server blue = {"127.0.0.2", "blue", 8080};
	(void)arg;
	http_pause(1200);
	return http_serve(&blue);
}

static void an_instance_that_restarts_is_waited_for(void **state)
{
	struct gateway_case *t = *state;
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	pid_t b = env_start(NULL, serve_later, NULL);
	struct http_answer r;
	gw_get(t, "hello.dev.fn.localhost", "/", &r);
	assert_int_equal(r.status, 200);
	assert_true(r.ms >= 500);
	env_stop(b);
	gw_get(t, "hello.dev.fn.localhost", "/", &r);
	assert_int_equal(r.status, 503);
	assert_non_null(strstr(r.body, "no instance of the function accepts connections"));
	assert_true(r.ms >= 4000 && r.ms < WAIT_MS);
}

static void requests_are_counted(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	for (int i = 0; i < 3; i++)
		gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
	struct http_answer r;
	gw_get(t, "hello.dev.fn.localhost", "/sleep?3000", &r);
	assert_int_equal(r.status, 504);
	AUTO_JSON json_t *stats = gateway_stats(t->g);
	assert_true(json_bool_or(stats, "complete", false));
	const json_t *release = json_object_get(json_object_get(stats, "releases"), "r1");
	const json_t *instance = json_object_get(json_object_get(stats, "instances"), BLUE);
	assert_int_equal(json_int_or(release, "requests", -1), 4);
	assert_int_equal(json_int_or(release, "failures", -1), 1);
	assert_int_equal(json_int_or(release, "open", -1), 0);
	assert_int_equal(json_int_or(instance, "requests", -1), 4);
	assert_int_equal(gateway_open_requests(t->g, BLUE), 0);
	assert_int_equal(gateway_open_requests(t->g, GREEN), 0); /* never seen */
	assert_int_equal(gateway_open_requests(t->g, "x; quit"), -1);
	env_stop(b);
}

static void on_slot(void *ctx, const struct err *error)
{
	int *left = ctx;
	*left = error ? -1 : *left - 1;
}

static bool none_left(void *ctx) { return *(int *)ctx <= 0; }

static int ask_the_neighbour(void *arg)
{
	static struct http_answer r;
	const struct gateway_case *t = arg;
	http_request(t->env.conf.link_address, t->env.conf.gateway_port, "GET", "/head", "hello.dev.fn.internal", NULL, NULL, WAIT_MS, &r);
	return r.status == 200 && strcasestr(r.body, "\r\nx-forwarded-for: 10.213.0.2\r\n") ? 0 : 1;
}

/* The way that requests really go: host -> gateway -> instance, and instance -> gateway -> instance. */
static void instances_serve_and_call_each_other_through_the_gateway(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	struct network *n;
	must(network_open(t->env.loop, &t->env.conf, &n, &e), e);
	int left = 2;
	char path1[64], path2[64];
	network_netns_path(n, 1, path1);
	network_netns_path(n, 2, path2);
	must(network_up(n, 1, on_slot, &left, &e), e);
	must(network_up(n, 2, on_slot, &left, &e), e);
	env_wait_for(&t->env, "two slots", none_left, &left, WAIT_MS);
	assert_int_equal(left, 0);
	struct http_server inside = {"0.0.0.0", "inside", 8080}, seen = {"10.213.0.1", "", 8080};
	pid_t server = env_start(path1, http_serve, &inside);
	env_wait_for(&t->env, "the instance listens", gw_accepts, &seen, WAIT_MS);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", "10.213.0.1:8080");
	gw_expect(t, "hello.dev.fn.localhost", 200, "inside");
	assert_int_equal(env_in(path2, ask_the_neighbour, t), 0);
	env_stop(server);
	network_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GW_TEST(an_empty_gateway_says_503_and_a_strange_host_404),
		GW_TEST(routes_are_set_switched_and_removed),
		GW_TEST(requests_go_to_all_instances),
		GW_TEST(the_function_sees_who_asks_and_the_host_as_it_was),
		GW_TEST(silence_is_504_and_a_stream_goes_on),
		GW_TEST(an_upgraded_connection_echoes_after_a_long_silence),
		GW_TEST(a_hundred_mebibytes_pass_both_ways),
		GW_TEST(an_instance_that_restarts_is_waited_for),
		GW_TEST(requests_are_counted),
		GW_TEST(instances_serve_and_call_each_other_through_the_gateway),
	};
	return cmocka_run_group_tests(tests, gw_set_up, gw_tear_down);
}
