/* How an instance leaves while requests are open: fn-node, HAProxy and a container, with slow requests, WebSockets and connections that
 * are kept. */
#include "node_case.h"

#include <sys/time.h>

#define ONE "1a2b3c4d5e6f-0"
#define TWO "1a2b3c4d5e6f-1"
#define ADDRESS "10.213.0.1:8080" /* of ONE, the first to start */
enum { LONG_MS = 60000, SHORT_MS = 700, STEADY_MS = 300, POLLS_MS = 20 };

/* ONE serves at HOST, TWO is ready. */
static int set_up(void **state)
{
	struct node_case *c = xcalloc(1, sizeof *c);
	*state = c;
	case_open(c, case_program);
	struct instance_spec one = case_spec(c, ONE, (const char *const[]){"GREETING=one", "TERM_OK=1", NULL});
	struct instance_spec two = case_spec(c, TWO, (const char *const[]){"GREETING=two", NULL});
	case_ensure(c, &one);
	assert_string_equal(case_wait(c, ONE, INST_READY)->address, ADDRESS);
	case_ensure(c, &two);
	(void)case_wait(c, TWO, INST_READY);
	case_route(c, (const char *const[]){ONE, NULL});
	return 0;
}

static int send_request(const char *path, const char *lines)
{
	int fd = env_connect("127.0.0.1", GATEWAY_PORT, 5000);
	struct timeval limit = {READY_MS / 1000, 0};
	AUTO_FREE char *text = xprintf("GET %s HTTP/1.1\r\nHost: " HOST "\r\n%s\r\n", path, lines);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return fd;
}

/* Up to and with what ends an answer: its head, or the body behind it. */
static void receive(int fd, const char *end, char *to, size_t size)
{
	for (size_t n = 0; n + 1 < size; n++) {
		if (recv(fd, to + n, 1, 0) != 1)
			fail_msg("after \"%.*s\": %s", (int)n, to, strerror(errno));
		to[n + 1] = '\0';
		if (n + 1 >= strlen(end) && strcmp(to + n + 1 - strlen(end), end) == 0)
			return;
	}
	fail_msg("no end in sight: %s", to);
}

static int open_websocket(void)
{
	char head[1024];
	int fd = send_request("/echo", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
				       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	receive(fd, "\r\n\r\n", head, sizeof head);
	assert_memory_equal(head, "HTTP/1.1 101 ", 13);
	return fd;
}

static void echoes(int fd)
{
	char frame[7];
	assert_int_equal(send(fd, "\x81\x05hello", 7, MSG_NOSIGNAL), 7);
	assert_int_equal(recv(fd, frame, 7, MSG_WAITALL), 7);
	assert_memory_equal(frame, "\x81\x05hello", 7);
}

static void stop(struct node_case *c, int64_t drain_ms)
{
	struct err e = ERR_INIT;
	const char *name = ONE;
	must(node_stop(c->node, &case_fence, &name, 1, drain_ms, &e), e);
}

/* It goes on draining for a while; that nothing ends meanwhile is what is tested. */
static void stays(struct node_case *c)
{
	for (int64_t until = clock_mono_ms() + STEADY_MS; clock_mono_ms() < until; (void)poll(NULL, 0, POLLS_MS))
		assert_int_equal(case_look(c, ONE)->state, INST_STOPPING);
}

static void a_drain_waits_for_requests_and_websockets_and_ends_with_them(void **state)
{
	struct node_case *c = *state;
	char answer[1024];
	int slow = send_request("/wait/1500", "Connection: close\r\n"), ws = open_websocket();
	case_wait_open(c, ADDRESS, 2);
	case_route(c, (const char *const[]){TWO, NULL});
	int64_t begin = clock_mono_ms();
	stop(c, LONG_MS);
	echoes(ws);
	receive(slow, "done\n", answer, sizeof answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	case_wait_open(c, ADDRESS, 1);
	stays(c);
	echoes(ws); /* silent for a while, and still there */
	(void)close(ws);
	(void)close(slow);
	(void)case_wait(c, ONE, INST_GONE);
	assert_true(clock_mono_ms() - begin < LONG_MS); /* long before its deadline */
	AUTO_FREE char *log = xprintf("%s/node/logs/%s/log", c->env.home, ONE);
	assert_true(case_file_has(log, "terminated")); /* it was asked, not killed */
}

static void the_deadline_of_a_drain_cuts_what_is_open(void **state)
{
	struct node_case *c = *state;
	char byte, line[256];
	int slow = send_request("/wait/60000", "Connection: close\r\n"), ws = open_websocket();
	case_wait_open(c, ADDRESS, 2);
	case_route(c, (const char *const[]){TWO, NULL});
	int64_t begin = clock_mono_ms();
	stop(c, SHORT_MS);
	errno = 0;
	assert_true(recv(ws, &byte, 1, 0) <= 0);
	assert_true(errno != EAGAIN && clock_mono_ms() - begin >= SHORT_MS);
	receive(slow, "\r\n", line, sizeof line);
	assert_memory_equal(line, "HTTP/1.1 502 ", 13); /* the gateway's own answer, since the function had not begun one */
	(void)close(ws);
	(void)close(slow);
	(void)case_wait(c, ONE, INST_GONE);
}

/* The next fn-node goes on with it. */
static void a_drain_survives_fn_node(void **state)
{
	struct node_case *c = *state;
	int ws = open_websocket();
	case_wait_open(c, ADDRESS, 1);
	case_route(c, (const char *const[]){TWO, NULL});
	stop(c, LONG_MS);
	case_signal(c, SIGKILL);
	case_start(c);
	stays(c);
	echoes(ws);
	(void)close(ws);
	(void)case_wait(c, ONE, INST_GONE);
}

static void a_kept_connection_follows_the_route(void **state)
{
	struct node_case *c = *state;
	char answer[1024];
	static const char again[] = "GET / HTTP/1.1\r\nHost: " HOST "\r\n\r\n";
	int fd = send_request("/", "");
	receive(fd, "hello one\n", answer, sizeof answer);
	case_route(c, (const char *const[]){TWO, NULL});
	assert_int_equal(send(fd, again, sizeof again - 1, MSG_NOSIGNAL), sizeof again - 1);
	receive(fd, "hello two\n", answer, sizeof answer);
	stop(c, LONG_MS); /* an idle connection of a client's keeps nobody */
	(void)case_wait(c, ONE, INST_GONE);
	assert_int_equal(send(fd, again, sizeof again - 1, MSG_NOSIGNAL), sizeof again - 1);
	receive(fd, "hello two\n", answer, sizeof answer);
	(void)close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, case_teardown_free)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_drain_waits_for_requests_and_websockets_and_ends_with_them),
		CASE(the_deadline_of_a_drain_cuts_what_is_open),
		CASE(a_drain_survives_fn_node),
		CASE(a_kept_connection_follows_the_route),
	};
	return cmocka_run_group_tests(tests, case_group_setup, case_group_teardown);
}
