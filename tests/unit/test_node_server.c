/* fn-node's socket: frames, order, watchers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"
#include "base/fs.h"
#include "node/server.h"

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct server *server;
	int handled;
};

static enum err_class handle(void *ctx, const json_t *request, json_t *answer, struct err *e)
{
	struct fixture *f = ctx;
	const char *op = json_str_or(request, "op", "");
	f->handled++;
	if (strcmp(op, "fail") == 0)
		return err_set(e, CONFLICT, R_StaleEpoch, "no: %s", "why");
	if (strcmp(op, "large") == 0) {
		size_t n = (size_t)json_int_or(request, "n", 0);
		AUTO_FREE char *text = xmalloc(n + 1);
		memset(text, 'x', n);
		text[n] = '\0';
		(void)json_object_set_new(answer, "text", json_string(text));
	}
	(void)json_object_set_new(answer, "op", json_string(op));
	return OK;
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct err e = ERR_INIT;
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/fn-server.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof f->path, "%s/sock", f->dir);
	f->loop = loop_new();
	if (server_open(f->loop, f->path, getuid(), getgid(), handle, f, &f->server, &e) != OK)
		fail_msg("%s", e.msg);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	server_free(f->server);
	loop_free(f->loop);
	assert_false(fs_exists(f->path));
	err_ignore(fs_remove_tree(f->dir, NULL)); /* a temporary directory */
	free(f);
	return 0;
}

static void stop_loop(void *ctx) { loop_stop(ctx); }

static void turn(struct fixture *f, int64_t ms)
{
	(void)loop_after(f->loop, ms, stop_loop, f->loop);
	loop_run_until_stopped(f->loop);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)strcpy(a.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void put(int fd, json_t *message)
{
	AUTO_JSON json_t *own = message;
	struct err e = ERR_INIT;
	assert_int_equal(frame_send(fd, own, 5000, &e), OK);
}

/* The next message; the loop turns while we wait. NULL: the connection was closed. */
static json_t *get(struct fixture *f, int fd, struct buf *in)
{
	int64_t until = clock_mono_ms() + 10000;
	while (clock_mono_ms() < until) {
		struct err e = ERR_INIT;
		json_t *message = NULL;
		char chunk[65536];
		assert_int_equal(frame_take(in, &message, &e), OK);
		if (message)
			return message;
		ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return NULL;
		if (n > 0)
			assert_true(buf_add(in, chunk, (size_t)n));
		else
			turn(f, 1);
	}
	fail_msg("no answer");
	return NULL;
}

static void requests_are_answered_in_order_with_their_id(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf in = BUF_INIT(1 << 20);
	int fd = dial(f);
	for (int i = 0; i < 20; i++)
		put(fd, json_pack("{s:i,s:s}", "id", i, "op", i % 2 ? "fail" : "fine"));
	for (int i = 0; i < 20; i++) {
		AUTO_JSON json_t *answer = get(f, fd, &in);
		assert_int_equal(json_int_or(answer, "id", -1), i);
		assert_int_equal(json_bool_or(answer, "ok", i % 2), !(i % 2));
		const json_t *error = json_object_get(answer, "error");
		if (i % 2) {
			assert_string_equal(json_str_or(error, "class", ""), "conflict");
			assert_string_equal(json_str_or(error, "reason", ""), "StaleEpoch");
			assert_string_equal(json_str_or(error, "message", ""), "no: why");
		}
	}
	(void)close(fd);
}

static void a_frame_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	AUTO_JSON json_t *request = json_pack("{s:i,s:s}", "id", 1, "op", "fine");
	struct err e = ERR_INIT;
	int fd = dial(f);
	assert_int_equal(frame_put(&out, request, &e), OK);
	for (size_t i = 0; i < out.len; i++) {
		assert_int_equal(send(fd, out.p + i, 1, MSG_NOSIGNAL), 1);
		turn(f, 0);
	}
	AUTO_JSON json_t *answer = get(f, fd, &in);
	assert_true(json_bool_or(answer, "ok", false));
	(void)close(fd);
}

static void large_answers_pass_and_too_large_ones_are_said_to_be(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf in = BUF_INIT(16 << 20);
	int fd = dial(f);
	put(fd, json_pack("{s:i,s:s,s:i}", "id", 1, "op", "large", "n", 7 << 20));
	put(fd, json_pack("{s:i,s:s,s:i}", "id", 2, "op", "large", "n", 9 << 20));
	put(fd, json_pack("{s:i,s:s}", "id", 3, "op", "fine"));
	AUTO_JSON json_t *large = get(f, fd, &in);
	assert_int_equal(strlen(json_str_or(large, "text", "")), 7 << 20);
	AUTO_JSON json_t *too_large = get(f, fd, &in);
	assert_string_equal(json_str_or(json_object_get(too_large, "error"), "reason", ""), "TooLarge");
	AUTO_JSON json_t *next = get(f, fd, &in);
	assert_int_equal(json_int_or(next, "id", 0), 3);
	(void)close(fd);
}

static void a_caller_that_does_not_read_is_not_served_on(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	for (int i = 0; i < 20; i++)
		put(fd, json_pack("{s:i,s:s,s:i}", "id", i, "op", "large", "n", 1 << 20));
	turn(f, 50);
	assert_true(f->handled < 3);
	(void)close(fd);
	turn(f, 5);
}

static void watchers_hear_and_slow_ones_lose_their_connection(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf in = BUF_INIT(16 << 20), slow_in = BUF_INIT(16 << 20);
	int fd = dial(f), slow = dial(f), other = dial(f);
	put(fd, json_pack("{s:i,s:s}", "id", 1, "op", "watch"));
	put(slow, json_pack("{s:i,s:s}", "id", 1, "op", "watch"));
	AUTO_JSON json_t *first = get(f, fd, &in), *second = get(f, slow, &slow_in);
	assert_true(json_bool_or(first, "ok", false) && json_bool_or(second, "ok", false));
	AUTO_FREE char *text = xmalloc(10001);
	memset(text, 'y', 10000);
	text[10000] = '\0';
	for (int i = 0; i < 400; i++) {
		AUTO_JSON json_t *event = json_pack("{s:s,s:i,s:s}", "event", "instance", "n", i, "text", text);
		server_broadcast(f->server, event);
		AUTO_JSON json_t *heard = get(f, fd, &in);
		assert_int_equal(json_int_or(heard, "n", -1), i);
	}
	int events = 0;
	for (json_t *event; (event = get(f, slow, &slow_in)) != NULL; events++)
		json_decref(event);
	assert_true(events < 400);
	char byte;
	assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT), -1); /* who did not ask hears nothing */
	(void)close(fd);
	(void)close(slow);
	(void)close(other);
	turn(f, 5);
}

static void a_watcher_that_talks_loses_its_connection(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf in = BUF_INIT(1 << 20);
	int fd = dial(f);
	put(fd, json_pack("{s:i,s:s}", "id", 1, "op", "watch"));
	json_decref(get(f, fd, &in));
	put(fd, json_pack("{s:i,s:s}", "id", 2, "op", "fine"));
	assert_null(get(f, fd, &in));
	(void)close(fd);
}

static void there_is_a_limit_of_connections(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf in = BUF_INIT(1 << 20);
	int fds[64];
	for (size_t i = 0; i < 64; i++) {
		fds[i] = dial(f);
		turn(f, 0);
	}
	int late = dial(f);
	assert_null(get(f, late, &in));
	(void)close(late);
	(void)close(fds[0]);
	turn(f, 5);
	late = dial(f);
	put(late, json_pack("{s:i,s:s}", "id", 1, "op", "fine"));
	json_t *answer = get(f, late, &in);
	assert_non_null(answer);
	json_decref(answer);
	(void)close(late);
	for (size_t i = 1; i < 64; i++)
		(void)close(fds[i]);
	turn(f, 5);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(requests_are_answered_in_order_with_their_id),
		CASE(a_frame_may_come_in_pieces),
		CASE(large_answers_pass_and_too_large_ones_are_said_to_be),
		CASE(a_caller_that_does_not_read_is_not_served_on),
		CASE(watchers_hear_and_slow_ones_lose_their_connection),
		CASE(a_watcher_that_talks_loses_its_connection),
		CASE(there_is_a_limit_of_connections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
