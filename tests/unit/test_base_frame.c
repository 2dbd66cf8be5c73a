/* The node socket's framing, over a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"

enum { LATER_MS = 5000 };

static void put_text(struct buf *b, const char *text)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *j = json_string(text);
	AUTO_JSON json_t *msg = json_pack("{s:O}", "text", j);
	assert_int_equal(frame_put(b, msg, &e), OK);
}

static const char *text_of(const json_t *msg) { return json_str_or(msg, "text", "none"); }

static void frames_come_out_as_they_went_in(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	put_text(&b, "one");
	assert_memory_equal(b.p, "\0\0\0\x0e{\"text\":\"one\"}", 18);
	put_text(&b, "two");
	struct err e = ERR_INIT;
	AUTO_JSON json_t *first = NULL;
	AUTO_JSON json_t *second = NULL;
	json_t *none = NULL;
	assert_int_equal(frame_take(&b, &first, &e), OK);
	assert_int_equal(frame_take(&b, &second, &e), OK);
	assert_string_equal(text_of(first), "one");
	assert_string_equal(text_of(second), "two");
	assert_int_equal(frame_take(&b, &none, &e), OK);
	assert_null(none);
	assert_int_equal(b.len, 0);
}

static void a_frame_in_single_bytes(void **state)
{
	(void)state;
	AUTO_BUF struct buf whole = BUF_INIT(1000);
	AUTO_BUF struct buf in = BUF_INIT(1000);
	put_text(&whole, "slow");
	struct err e = ERR_INIT;
	AUTO_JSON json_t *j = NULL;
	for (size_t i = 0; i < whole.len; i++) {
		assert_null(j);
		assert_true(buf_add(&in, whole.p + i, 1));
		assert_int_equal(frame_take(&in, &j, &e), OK);
	}
	assert_string_equal(text_of(j), "slow");
}

static void what_is_no_frame_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *j = NULL;
	AUTO_BUF struct buf huge = BUF_INIT(100);
	assert_true(buf_add(&huge, "\xff\xff\xff\xff", 4));
	assert_int_equal(frame_take(&huge, &j, &e), INVALID);
	assert_string_equal(e.reason, "NodeProtocol");
	AUTO_BUF struct buf above = BUF_INIT(100);
	assert_true(buf_add(&above, "\0\x80\0\x01", 4)); /* one more than FRAME_MAX */
	assert_int_equal(frame_take(&above, &j, &e), INVALID);
	AUTO_BUF struct buf words = BUF_INIT(100);
	assert_true(buf_add(&words, "\0\0\0\x05hello", 9));
	assert_int_equal(frame_take(&words, &j, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
	assert_null(j);
}

static void a_message_beyond_the_limit_is_not_sent(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_FREE char *text = xmalloc(FRAME_MAX + 1);
	memset(text, 'a', FRAME_MAX);
	text[FRAME_MAX] = '\0';
	AUTO_JSON json_t *j = json_pack("{s:s}", "text", text);
	AUTO_BUF struct buf b = BUF_INIT(2 * (size_t)FRAME_MAX);
	assert_int_equal(frame_put(&b, j, &e), INVALID);
	assert_string_equal(e.reason, "TooLarge");
	assert_int_equal(b.len, 0);
	AUTO_BUF struct buf small = BUF_INIT(10);
	AUTO_JSON json_t *k = json_pack("{s:s}", "text", "longer than ten");
	assert_int_equal(frame_put(&small, k, &e), TRANSIENT);
	assert_string_equal(e.reason, "OutOfResources");
}

static void open_pair(int fd[2]) { assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0); }

static void over_a_socket(void **state)
{
	(void)state;
	int fd[2];
	open_pair(fd);
	AUTO_CLOSE int a = fd[0], b = fd[1];
	struct err e = ERR_INIT;
	AUTO_BUF struct buf in = BUF_INIT(1 << 20);
	AUTO_JSON json_t *one = json_pack("{s:s}", "text", "one");
	AUTO_JSON json_t *two = json_pack("{s:s}", "text", "two");
	assert_int_equal(frame_send(a, one, LATER_MS, &e), OK);
	assert_int_equal(frame_send(a, two, LATER_MS, &e), OK);
	AUTO_JSON json_t *first = NULL;
	AUTO_JSON json_t *second = NULL;
	assert_int_equal(frame_recv(b, &in, LATER_MS, &first, &e), OK);
	assert_int_equal(frame_recv(b, &in, LATER_MS, &second, &e), OK);
	assert_string_equal(text_of(first), "one");
	assert_string_equal(text_of(second), "two");
}

static void silence_ends_at_the_deadline(void **state)
{
	(void)state;
	int fd[2];
	open_pair(fd);
	AUTO_CLOSE int a = fd[0], b = fd[1];
	struct err e = ERR_INIT;
	AUTO_BUF struct buf in = BUF_INIT(1000);
	json_t *j = NULL;
	int64_t began = clock_mono_ms();
	assert_int_equal(frame_recv(b, &in, 30, &j, &e), TRANSIENT);
	assert_string_equal(e.reason, "Timeout");
	assert_null(j);
	assert_true(clock_mono_ms() - began >= 30);
	assert_true(clock_mono_ms() - began < LATER_MS);
	(void)a;
}

static void a_reader_that_does_not_read(void **state)
{
	(void)state;
	int fd[2];
	open_pair(fd);
	AUTO_CLOSE int a = fd[0], b = fd[1];
	struct err e = ERR_INIT;
	AUTO_FREE char *text = xmalloc((4 << 20) + 1);
	memset(text, 'a', 4 << 20);
	text[4 << 20] = '\0';
	AUTO_JSON json_t *j = json_pack("{s:s}", "text", text);
	assert_int_equal(frame_send(a, j, 30, &e), TRANSIENT);
	assert_string_equal(e.reason, "Timeout");
	(void)b;
}

static void the_other_end_is_gone(void **state)
{
	(void)state;
	int fd[2];
	open_pair(fd);
	AUTO_CLOSE int a = fd[0];
	assert_int_equal(close(fd[1]), 0);
	struct err e = ERR_INIT;
	AUTO_BUF struct buf in = BUF_INIT(1000);
	AUTO_JSON json_t *msg = json_pack("{s:s}", "text", "one");
	json_t *j = NULL;
	assert_int_equal(frame_send(a, msg, LATER_MS, &e), TRANSIENT); /* and no SIGPIPE */
	assert_string_equal(e.reason, "NodeUnavailable");
	assert_int_equal(frame_recv(a, &in, LATER_MS, &j, &e), TRANSIENT);
	assert_string_equal(e.reason, "NodeUnavailable");
}

static void an_answer_beyond_the_buffer(void **state)
{
	(void)state;
	int fd[2];
	open_pair(fd);
	AUTO_CLOSE int a = fd[0], b = fd[1];
	struct err e = ERR_INIT;
	AUTO_BUF struct buf in = BUF_INIT(8);
	AUTO_JSON json_t *msg = json_pack("{s:s}", "text", "longer than eight");
	json_t *j = NULL;
	assert_int_equal(frame_send(a, msg, LATER_MS, &e), OK);
	assert_int_equal(frame_recv(b, &in, LATER_MS, &j, &e), INVALID);
	assert_string_equal(e.reason, "NodeProtocol");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_as_they_went_in),
		cmocka_unit_test(a_frame_in_single_bytes),
		cmocka_unit_test(what_is_no_frame_is_refused),
		cmocka_unit_test(a_message_beyond_the_limit_is_not_sent),
		cmocka_unit_test(over_a_socket),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(a_reader_that_does_not_read),
		cmocka_unit_test(the_other_end_is_gone),
		cmocka_unit_test(an_answer_beyond_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
