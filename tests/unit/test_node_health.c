/* Health checks, and the ids of environments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "node/environments.h"
#include "node/health.h"

struct fixture {
	struct loop *loop;
	int listener, peer, port;
	const char *answer; /* NULL: none; "": closes without one */
	char request[1024];
	bool called, healthy;
	char why[128];
};

static void on_request(void *ctx, int fd, uint32_t events)
{
	struct fixture *f = ctx;
	(void)events;
	ssize_t n = recv(fd, f->request, sizeof f->request - 1, 0);
	f->request[n > 0 ? n : 0] = '\0';
	loop_unwatch(f->loop, fd);
	if (!f->answer)
		return;
	assert_int_equal(send(fd, f->answer, strlen(f->answer), MSG_NOSIGNAL), strlen(f->answer));
	(void)close(fd);
	f->peer = -1;
}

static void on_connect(void *ctx, int fd, uint32_t events)
{
	struct fixture *f = ctx;
	(void)events;
	f->peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	loop_watch(f->loop, f->peer, EPOLLIN, on_request, f);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	f->loop = loop_new();
	f->peer = -1;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &len), 0);
	f->port = ntohs(a.sin_port);
	loop_watch(f->loop, f->listener, EPOLLIN, on_connect, f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	loop_free(f->loop);
	if (f->peer >= 0)
		(void)close(f->peer);
	(void)close(f->listener);
	free(f);
	return 0;
}

static void on_done(void *ctx, bool healthy, const char *why)
{
	struct fixture *f = ctx;
	assert_false(f->called);
	f->called = true;
	f->healthy = healthy;
	(void)snprintf(f->why, sizeof f->why, "%s", why);
	loop_stop(f->loop);
}

static void stop(void *ctx) { loop_stop(ctx); }

static void check(struct fixture *f, const char *path, const char *answer)
{
	f->called = false;
	f->answer = answer;
	assert_non_null(probe_start(f->loop, "127.0.0.1", f->port, path, 200, on_done, f));
	assert_false(f->called);
	loop_run_until_stopped(f->loop);
	assert_true(f->called);
	(void)loop_after(f->loop, 5, stop, f->loop); /* what is left of the answer */
	loop_run_until_stopped(f->loop);
}

static void answers_are_judged_by_their_status(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *answer;
		bool healthy;
		const char *why;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", true, ""},
		{"HTTP/1.0 204 No Content\r\n\r\n", true, ""},
		{"HTTP/1.1 302 Found\r\n\r\n", true, ""},
		{"HTTP/1.1 404 Not Found\r\n\r\n", false, "answered 404"},
		{"HTTP/1.1 500 Oh\r\n\r\n", false, "answered 500"},
		{"HTTP/1.1 100 Continue\r\n\r\n", false, "answered 100"},
		{"SSH-2.0-OpenSSH\r\n", false, "the answer is not HTTP"},
		{"", false, "closed without an answer"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check(f, "/healthz?x=1", cases[i].answer);
		assert_int_equal(f->healthy, cases[i].healthy);
		assert_string_equal(f->why, cases[i].why);
		assert_memory_equal(f->request, "GET /healthz?x=1 HTTP/1.1\r\nHost: 127.0.0.1:", 43);
		assert_non_null(strstr(f->request, "\r\nConnection: close\r\n"));
	}
}

static void silence_is_unhealthy_after_the_timeout(void **state)
{
	struct fixture *f = *state;
	check(f, "/", NULL);
	assert_false(f->healthy);
	assert_string_equal(f->why, "no answer within the timeout");
}

static void without_a_path_a_connection_is_enough(void **state)
{
	struct fixture *f = *state;
	check(f, NULL, NULL);
	assert_true(f->healthy);
	loop_unwatch(f->loop, f->listener);
	(void)close(f->listener);
	check(f, NULL, NULL);
	assert_false(f->healthy);
	assert_string_equal(f->why, "the port refuses connections");
	f->listener = -1;
}

static void a_cancelled_probe_says_nothing(void **state)
{
	struct fixture *f = *state;
	f->answer = "HTTP/1.1 200 OK\r\n\r\n";
	probe_cancel(probe_start(f->loop, "127.0.0.1", f->port, "/", 50, on_done, f));
	probe_cancel(probe_start(f->loop, "not an address", f->port, "/", 50, on_done, f));
	(void)loop_after(f->loop, 100, stop, f->loop);
	loop_run_until_stopped(f->loop);
	assert_false(f->called);
}

/* Environments. */

static bool none_used(void *ctx, const char *environment)
{
	return ctx && strcmp(ctx, environment) == 0;
}

static uid_t uid_of(struct environments *v, const char *name, int slot)
{
	struct err e = ERR_INIT;
	uid_t uid = 0;
	if (environments_uid(v, name, slot, none_used, NULL, &uid, &e) != OK)
		fail_msg("%s", e.msg);
	return uid;
}

static void environments_have_their_own_ids_for_ever(void **state)
{
	(void)state;
	char dir[] = "/tmp/fn-environments.XXXXXX";
	struct environments *v;
	struct err e = ERR_INIT;
	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *path = xprintf("%s/e.json", dir);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(environments_open(path, 200000, &v, &e), OK);
		assert_int_equal(uid_of(v, "default/dev", 1), 200001);
		assert_int_equal(uid_of(v, "default/dev", 17), 200001);
		assert_int_equal(uid_of(v, "default/prod", 1), 200017);
		environments_free(v);
	}
	assert_int_equal(fs_write_atomic(path, "{\"a/b\":1,\"a/c\":1}", 17, 0600, false, NULL), OK);
	assert_int_equal(environments_open(path, 200000, &v, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	err_ignore(fs_remove_tree(dir, NULL)); /* a temporary directory */
}

static void ids_of_environments_without_instances_are_given_away(void **state)
{
	(void)state;
	char dir[] = "/tmp/fn-environments.XXXXXX", used[] = "p/e0";
	struct environments *v;
	struct err e = ERR_INIT;
	uid_t uid;
	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *path = xprintf("%s/e.json", dir);
	AUTO_JSON json_t *full = json_object();
	for (int i = 0; i < ENVIRONMENT_MAX; i++) {
		AUTO_FREE char *name = xprintf("p/e%d", i);
		(void)json_object_set_new(full, name, json_integer(i));
	}
	AUTO_FREE char *text = json_text(full);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, false, NULL), OK);
	assert_int_equal(environments_open(path, 200000, &v, &e), OK);
	assert_int_equal(environments_uid(v, "p/new", 0, none_used, used, &uid, &e), OK);
	assert_int_not_equal(uid, 200000); /* of the one in use */
	assert_true(uid < 200000 + 65536);
	environments_free(v);
	err_ignore(fs_remove_tree(dir, NULL)); /* a temporary directory */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(answers_are_judged_by_their_status),
		CASE(silence_is_unhealthy_after_the_timeout),
		CASE(without_a_path_a_connection_is_enough),
		CASE(a_cancelled_probe_says_nothing),
		cmocka_unit_test(environments_have_their_own_ids_for_ever),
		cmocka_unit_test(ids_of_environments_without_instances_are_given_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
