/* The gateway on a real HAProxy: processes that end, are taken over, or find their files broken. */
#include "gateway_case.h"

enum { LOADERS = 4 };

static void haproxy_killed_under_load_refuses_nobody(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t), loaders[LOADERS];
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct gw_tally *y = gw_tally_new();
	struct gw_load l = {y, t->env.conf.gateway_port};
	for (int i = 0; i < LOADERS; i++)
		loaders[i] = env_start(NULL, gw_ask_on, &l);
	for (int i = 0; i < 5; i++) {
		gw_wait_for_answers(t, y, 50);
		assert_int_equal(kill(gw_haproxy(t), SIGKILL), 0);
		env_wait_for(&t->env, "HAProxy has ended", gw_is_down, t, WAIT_MS);
		gw_wait_for_answers(t, y, 50);
		env_wait_for(&t->env, "HAProxy answers again", gw_is_up, t, WAIT_MS);
	}
	y->stop = 1;
	for (int i = 0; i < LOADERS; i++)
		assert_int_equal(env_join(loaders[i]), 0);
	assert_int_equal(y->refused, 0);
	assert_int_equal(y->wrong, 0);
	assert_true(y->cut <= 5 * LOADERS); /* what was in flight */
	assert_true(y->ok >= 500);
	assert_true(t->changes >= 11);
	(void)munmap(y, sizeof *y);
	env_stop(b);
}

static int use_and_leave(void *arg)
{
	struct gateway_case *t = arg;
	t->env.loop = loop_new();
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	return gw_haproxy(t) > 0 ? 0 : 1;
}

static void the_next_process_adopts_haproxy_and_its_sockets(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t);
	assert_int_equal(env_in(NULL, use_and_leave, t), 0);
	gw_expect(t, "hello.dev.fn.localhost", 200, "blue"); /* with nobody behind it */
	gw_open_and_wait(t);
	pid_t first = gw_haproxy(t);
	gateway_free(t->g);
	gw_open_and_wait(t);
	assert_int_equal(gw_haproxy(t), first);
	gw_set_one(t, "k/p/again/dev", "r1", "again.dev.fn.localhost", BLUE);
	gw_expect(t, "again.dev.fn.localhost", 200, "blue");
	/* The sockets came with it: with HAProxy dead and nobody accepting, a connection still waits instead of being refused. */
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), -1); /* no child of this process: it was adopted */
	AUTO_CLOSE int fd = env_connect(LOCAL, t->env.conf.gateway_port, WAIT_MS);
	assert_true(fd >= 0);
	env_wait_for(&t->env, "HAProxy has ended", gw_is_down, t, WAIT_MS);
	env_wait_for(&t->env, "the new HAProxy answers", gw_is_up, t, WAIT_MS);
	gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
	/* Dead while nobody was there: bound anew, with the routes last set. */
	pid_t second = gw_haproxy(t);
	gateway_free(t->g);
	t->g = NULL;
	assert_int_equal(kill(second, SIGKILL), 0);
	(void)waitpid(second, NULL, 0);
	gw_open_and_wait(t);
	gw_expect(t, "again.dev.fn.localhost", 200, "blue");
	env_stop(b);
}

static void another_configuration_is_taken_over_without_a_lost_request(void **state)
{
	struct gateway_case *t = *state;
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	pid_t first = gw_haproxy(t);
	struct gw_tally *y = gw_tally_new();
	struct gw_load l = {y, t->env.conf.gateway_port};
	pid_t loader = env_start(NULL, gw_ask_on, &l);
	gw_wait_for_answers(t, y, 20);
	AUTO_CLOSE int slow = env_connect(LOCAL, t->env.conf.gateway_port, WAIT_MS);
	static const char ask[] = "GET /stream?8-300 HTTP/1.1\r\nHost: hello.dev.fn.localhost\r\nConnection: close\r\n\r\n";
	char buf[HTTP_HEAD_MAX];
	size_t have;
	assert_true(http_send(slow, ask, sizeof ask - 1));
	assert_true(http_read_head(slow, buf, &have) > 0);

	gateway_free(t->g);
	AUTO_FREE char *config = xprintf("%s/gateway/haproxy.cfg", t->env.home);
	struct err e = ERR_INIT;
	must(fs_write_atomic(config, "# an older version's\n", 21, 0600, false, &e), e);
	gw_open_and_wait(t);
	assert_int_not_equal(gw_haproxy(t), first);
	gw_wait_for_answers(t, y, 50);
	y->stop = 1;
	assert_int_equal(env_join(loader), 0);
	assert_int_equal(y->refused + y->cut + y->wrong, 0);
	(void)munmap(y, sizeof *y);
	/* What was in flight ends in peace. */
	size_t total = 0;
	ssize_t n;
	while (total < sizeof buf - 1 && (n = recv(slow, buf + total, sizeof buf - 1 - total, 0)) > 0)
		total += (size_t)n;
	buf[total] = '\0';
	assert_non_null(strstr(buf, "0\r\n\r\n"));
	gw_set_one(t, "k/p/again/dev", "r1", "again.dev.fn.localhost", BLUE); /* commands reach the new one */
	gw_expect(t, "again.dev.fn.localhost", 200, "blue");
	env_stop(b);
}

static void routes_set_while_haproxy_is_down_are_there_when_it_is_up(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t);
	gw_open(t); /* it is starting: nobody turned the loop yet */
	struct gw_route s = {"k/p/hello/dev", "r1", {"hello.dev.fn.localhost", NULL}, {BLUE, NULL}};
	assert_int_equal(gw_set_many(t, &s, 1, &e), TRANSIENT);
	assert_string_equal(e.reason, "GatewayUnavailable");
	bool mended;
	assert_int_equal(gateway_repair(t->g, &mended, &e), TRANSIENT);
	assert_string_equal(e.reason, "GatewayUnavailable");
	assert_int_equal(gateway_open_requests(t->g, BLUE), -1);
	AUTO_JSON json_t *routes = gateway_routes(t->g, NULL);
	assert_false(json_bool_or(json_array_get(routes, 0), "loaded", true));
	env_wait_for(&t->env, "HAProxy answers", gw_is_up, t, WAIT_MS);
	gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
	must(gw_set_many(t, &s, 1, &e), e); /* the caller tries again until it is acknowledged */
	env_stop(b);
}

static void a_description_that_cannot_be_read_is_put_aside(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	gateway_free(t->g);
	t->g = NULL;
	must(gateway_teardown(&t->env.conf, &e), e);
	AUTO_FREE char *file = xprintf("%s/gateway/routes.json", t->env.home), *bad = xprintf("%s.bad", file);
	must(fs_write_atomic(file, "{\"k\":", 5, 0600, false, &e), e);
	gw_open_and_wait(t);
	assert_int_equal(access(bad, F_OK), 0);
	gw_expect(t, "hello.dev.fn.localhost", 503, "fn gateway: the routes are not loaded yet\n");
}

static void a_port_in_use_is_said_so(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	AUTO_CLOSE int taken = env_listen(LOCAL, t->env.conf.gateway_port);
	assert_true(taken >= 0);
	assert_int_equal(gateway_open(t->env.loop, &t->env.conf, gw_on_changed, t, &t->g, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
	assert_non_null(strstr(e.msg, "listen on 127.0.0.1:17380"));
	assert_non_null(strstr(e.msg, "in use"));
}

static void teardown_ends_it_whoever_started_it(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	assert_int_equal(env_in(NULL, use_and_leave, t), 0);
	must(gateway_teardown(&t->env.conf, &e), e);
	assert_int_equal(env_connect(LOCAL, t->env.conf.gateway_port, WAIT_MS), -ECONNREFUSED);
	must(gateway_teardown(&t->env.conf, &e), e); /* absent is fine */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GW_TEST(haproxy_killed_under_load_refuses_nobody),
		GW_TEST(the_next_process_adopts_haproxy_and_its_sockets),
		GW_TEST(another_configuration_is_taken_over_without_a_lost_request),
		GW_TEST(routes_set_while_haproxy_is_down_are_there_when_it_is_up),
		GW_TEST(a_description_that_cannot_be_read_is_put_aside),
		GW_TEST(a_port_in_use_is_said_so),
		GW_TEST(teardown_ends_it_whoever_started_it),
	};
	return cmocka_run_group_tests(tests, gw_set_up, gw_tear_down);
}
