/* fn-node's loop: descriptors, timers and children. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/loop.h"

struct trace {
	struct loop *l;
	char order[64];
	int status, fds[2], other[2];
	struct buf output;
	uint64_t timer;
	bool called;
};

static void note(struct trace *t, const char *s)
{
	assert_true(strlen(t->order) + strlen(s) < sizeof t->order);
	strcat(t->order, s);
}

static void say_a(void *ctx) { note(ctx, "a"); }
static void say_b(void *ctx) { note(ctx, "b"); }
static void say_stop(void *ctx)
{
	struct trace *t = ctx;
	note(t, ".");
	loop_stop(t->l);
}

static void timers_fire_in_order_of_time_then_of_making(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new()};
	(void)loop_after(t.l, 20, say_stop, &t);
	(void)loop_after(t.l, 10, say_b, &t);
	(void)loop_after(t.l, 1, say_a, &t);
	(void)loop_after(t.l, 1, say_b, &t);
	uint64_t cancelled = loop_after(t.l, 5, say_a, &t);
	loop_cancel(t.l, cancelled);
	loop_cancel(t.l, cancelled);
	loop_cancel(t.l, 0);
	int64_t from = clock_mono_ms();
	loop_run_until_stopped(t.l);
	assert_string_equal(t.order, "abb.");
	assert_true(clock_mono_ms() - from >= 19);
	loop_free(t.l);
}

static void cancel_the_other(void *ctx)
{
	struct trace *t = ctx;
	note(t, "x");
	loop_cancel(t->l, t->timer);
	(void)loop_after(t->l, 0, say_stop, t);
}

static void a_callback_may_cancel_and_make_timers(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new()};
	(void)loop_after(t.l, 0, cancel_the_other, &t);
	t.timer = loop_after(t.l, 0, say_a, &t);
	loop_run_until_stopped(t.l);
	assert_string_equal(t.order, "x.");
	loop_free(t.l);
}

static void hundreds_of_timers_stay_in_order(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new()};
	uint64_t ids[500];
	for (int i = 0; i < 500; i++)
		ids[i] = loop_after(t.l, (i * 7919) % 5, say_a, &t);
	for (int i = 0; i < 500; i++)
		if (i % 100 != 0)
			loop_cancel(t.l, ids[i]);
	(void)loop_after(t.l, 5, say_stop, &t);
	loop_run_until_stopped(t.l);
	assert_string_equal(t.order, "aaaaa.");
	loop_free(t.l);
}

/* Both pipes are readable in one turn: whoever comes first replaces the other's descriptor number. */
static void replace_other(void *ctx, int fd, uint32_t events)
{
	struct trace *t = ctx;
	assert_true(events & EPOLLIN);
	note(t, "1");
	bool first = fd == t->fds[0];
	int *victim = first ? t->other : t->fds;
	int number = victim[0];
	loop_unwatch(t->l, fd);
	loop_unwatch(t->l, number);
	(void)close(victim[0]);
	(void)close(victim[1]);
	assert_int_equal(pipe2(victim, O_CLOEXEC), 0); /* takes the lowest free numbers; nothing to read in it */
	assert_true(victim[0] == number);
	loop_watch(t->l, number, EPOLLIN, replace_other, t);
	(void)loop_after(t->l, 10, say_stop, t);
}

static void an_event_of_a_closed_descriptor_is_not_given_to_its_successor(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new()};
	assert_int_equal(pipe2(t.fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(t.other, O_CLOEXEC), 0);
	assert_int_equal(write(t.fds[1], "x", 1), 1);
	assert_int_equal(write(t.other[1], "x", 1), 1);
	loop_watch(t.l, t.fds[0], EPOLLIN, replace_other, &t);
	loop_watch(t.l, t.other[0], EPOLLIN, replace_other, &t);
	loop_run_until_stopped(t.l);
	assert_string_equal(t.order, "1.");
	loop_free(t.l);
	for (int i = 0; i < 2; i++) {
		(void)close(t.fds[i]);
		(void)close(t.other[i]);
	}
}

static void ended(void *ctx, pid_t pid, int status, struct buf *output)
{
	struct trace *t = ctx;
	assert_true(pid > 0);
	t->called = true;
	t->status = status;
	buf_clear(&t->output);
	assert_true(buf_add(&t->output, buf_str(output), output->len));
	loop_stop(t->l);
}

static void run(struct trace *t, const char *const *argv, const char *input, int64_t deadline_ms)
{
	struct err e = ERR_INIT;
	t->l = loop_new();
	buf_init(&t->output, 1 << 20);
	t->called = false;
	assert_int_equal(loop_run(t->l, argv, input, deadline_ms, ended, t, &e), OK);
	assert_false(t->called);
	loop_run_until_stopped(t->l);
	assert_true(t->called);
	loop_free(t->l);
}

static void a_helper_gets_input_and_gives_output_and_status(void **state)
{
	(void)state;
	struct trace t = {0};
	run(&t, (const char *[]){"cat", NULL}, "hello\n", 5000);
	assert_int_equal(t.status, 0);
	assert_string_equal(buf_str(&t.output), "hello\n");
	buf_release(&t.output);
	run(&t, (const char *[]){"sh", "-c", "echo out; echo err >&2; exit 7", NULL}, NULL, 5000);
	assert_int_equal(t.status, 7);
	assert_string_equal(buf_str(&t.output), "out\nerr\n");
	buf_release(&t.output);
	run(&t, (const char *[]){"/nonexistent", NULL}, NULL, 5000);
	assert_int_equal(t.status, 127);
	buf_release(&t.output);
}

static void output_is_cut_but_drained(void **state)
{
	(void)state;
	struct trace t = {0};
	run(&t, (const char *[]){"head", "-c", "300000", "/dev/zero", NULL}, NULL, 5000);
	assert_int_equal(t.status, 0);
	assert_int_equal(t.output.len, 65536);
	buf_release(&t.output);
}

static void a_late_helper_is_killed(void **state)
{
	(void)state;
	struct trace t = {0};
	run(&t, (const char *[]){"sleep", "60", NULL}, NULL, 20);
	assert_int_equal(t.status, 128 + SIGKILL);
	buf_release(&t.output);
}

static void a_helpers_child_that_keeps_the_pipe_is_not_waited_for(void **state)
{
	(void)state;
	struct trace t = {0};
	int64_t from = clock_mono_ms();
	run(&t, (const char *[]){"sh", "-c", "sleep 3 & echo started", NULL}, NULL, 5000);
	assert_int_equal(t.status, 0);
	assert_string_equal(buf_str(&t.output), "started\n");
	assert_true(clock_mono_ms() - from < 2500);
	buf_release(&t.output);
}

static int body(void *arg)
{
	const char *s = arg;
	return write(1, s, strlen(s)) == (ssize_t)strlen(s) ? 3 : 4;
}

static void a_forked_body_gives_output_and_status(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new(), .output = BUF_INIT(100)};
	struct err e = ERR_INIT;
	char text[] = "from the child";
	assert_int_equal(loop_fork(t.l, body, text, 5000, ended, &t, &e), OK);
	assert_false(t.called);
	loop_run_until_stopped(t.l);
	assert_int_equal(t.status, 3);
	assert_string_equal(buf_str(&t.output), text);
	buf_release(&t.output);
	loop_free(t.l);
}

static void a_process_started_elsewhere_can_be_watched(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new(), .output = BUF_INIT(100)};
	struct err e = ERR_INIT;
	struct proc_spec s = PROC_SPEC_INIT;
	s.argv = (const char *[]){"sh", "-c", "kill -TERM $$", NULL};
	pid_t pid;
	int pidfd;
	assert_int_equal(proc_spawn(&s, &pid, &pidfd, &e), OK);
	loop_watch_child(t.l, pid, pidfd, ended, &t);
	loop_run_until_stopped(t.l);
	assert_int_equal(t.status, 128 + SIGTERM);
	assert_int_equal(t.output.len, 0);
	buf_release(&t.output);
	loop_free(t.l);
}

static void helpers_end_with_the_loop(void **state)
{
	(void)state;
	struct trace t = {.l = loop_new(), .output = BUF_INIT(100)};
	struct err e = ERR_INIT;
	assert_int_equal(loop_run(t.l, (const char *[]){"sleep", "60", NULL}, NULL, 60000, ended, &t, &e), OK);
	int64_t from = clock_mono_ms();
	loop_free(t.l);
	assert_true(clock_mono_ms() - from < 5000);
	assert_false(t.called);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order_of_time_then_of_making),
		cmocka_unit_test(a_callback_may_cancel_and_make_timers),
		cmocka_unit_test(hundreds_of_timers_stay_in_order),
		cmocka_unit_test(an_event_of_a_closed_descriptor_is_not_given_to_its_successor),
		cmocka_unit_test(a_helper_gets_input_and_gives_output_and_status),
		cmocka_unit_test(output_is_cut_but_drained),
		cmocka_unit_test(a_late_helper_is_killed),
		cmocka_unit_test(a_helpers_child_that_keeps_the_pipe_is_not_waited_for),
		cmocka_unit_test(a_forked_body_gives_output_and_status),
		cmocka_unit_test(a_process_started_elsewhere_can_be_watched),
		cmocka_unit_test(helpers_end_with_the_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
