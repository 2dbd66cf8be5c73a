/* The gateway on a real HAProxy. */
#include "http_peer.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "node/daemon.h"
#include "node/gateway.h"
#include "node/gateway_cli.h"
#include "node/network.h"

enum { WAIT_MS = 8000, TIMEOUT_MS = 1000, LOADERS = 4 };
#define LOCAL "127.0.0.1"

struct test {
	struct node_env env;
	struct gateway *g;
	int changes;
};

static void on_changed(void *ctx, bool up)
{
	struct test *t = ctx;
	(void)up;
	t->changes++;
}

static bool is_up(void *arg)
{
	const struct test *t = arg;
	return gateway_up(t->g, NULL);
}

static bool is_down(void *arg) { return !is_up(arg); }

static void open_gateway(struct test *t)
{
	struct err e = ERR_INIT;
	must(gateway_open(t->env.loop, &t->env.conf, on_changed, t, &t->g, &e), e);
}

static void open_and_wait(struct test *t)
{
	open_gateway(t);
	env_wait_for(&t->env, "HAProxy answers", is_up, t, WAIT_MS);
}

static int set_up(void **state)
{
	struct test *t = xcalloc(1, sizeof *t);
	env_open(&t->env);
	/* In place of the network's link: what matters here is that the address exists. */
	env_ip((const char *const[]){"ip", "addr", "add", "169.254.77.1/32", "dev", "lo", NULL});
	*state = t;
	return 0;
}

static int clean(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	gateway_free(t->g);
	t->g = NULL;
	t->changes = 0;
	env_stop_all();
	must(gateway_teardown(&t->env.conf, &e), e);
	must(network_teardown(&t->env.conf, &e), e); /* names below /run/netns are the machine's: a failed test leaves none */
	AUTO_FREE char *dir = xprintf("%s/gateway", t->env.home);
	must(fs_remove_tree(dir, &e), e);
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;
	env_close(&t->env);
	free(t);
	return 0;
}

static pid_t haproxy(const struct test *t)
{
	pid_t pid = 0;
	return gateway_up(t->g, &pid) ? pid : 0;
}

/* Routes with up to two hosts and two addresses, made in place. */
struct simple {
	const char *key, *release, *hosts[2], *addresses[2];
};

static enum err_class set_many(struct test *t, const struct simple *s, size_t n, struct err *e)
{
	static const char *const names[] = {"0123456789ab-0", "0123456789ab-1"};
	struct gateway_route *r = xcalloc(n, sizeof *r);
	for (size_t i = 0; i < n; i++)
		r[i] = (struct gateway_route){.key = s[i].key, .epoch = 1, .release = s[i].release, .hosts = s[i].hosts,
					      .names = names, .addresses = s[i].addresses,
					      .nhosts = (size_t)(s[i].hosts[0] != NULL) + (s[i].hosts[1] != NULL),
					      .ninstances = (size_t)(s[i].addresses[0] != NULL) + (s[i].addresses[1] != NULL),
					      .timeout_ms = TIMEOUT_MS};
	enum err_class c = gateway_set(t->g, r, n, e);
	free(r);
	return c;
}

static void set_one(struct test *t, const char *key, const char *release, const char *host, const char *address)
{
	struct err e = ERR_INIT;
	struct simple s = {key, release, {host, NULL}, {address, NULL}};
	must(set_many(t, &s, 1, &e), e);
}

static void get(struct test *t, const char *host, const char *path, struct http_answer *r)
{
	http_request(LOCAL, t->env.conf.gateway_port, "GET", path, host, NULL, NULL, WAIT_MS, r);
}

static void expect(struct test *t, const char *host, int status, const char *body)
{
	struct http_answer r;
	get(t, host, "/", &r);
	assert_int_equal(r.error, 0);
	assert_int_equal(r.status, status);
	if (body && strcmp(r.body, body) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", host, r.body, body);
}

static bool accepts(void *arg)
{
	const struct http_server *s = arg;
	int fd = env_connect(s->ip, s->port, 100);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static pid_t start_server(struct test *t, struct http_server *s)
{
	pid_t pid = env_start(NULL, http_serve, s);
	env_wait_for(&t->env, "the test's server listens", accepts, s, WAIT_MS);
	return pid;
}

static struct http_server blue = {"127.0.0.2", "blue", 8080}, green = {"127.0.0.3", "green", 8080};
#define BLUE "127.0.0.2:8080"
#define GREEN "127.0.0.3:8080"

static void an_empty_gateway_says_503_and_a_strange_host_404(void **state)
{
	struct test *t = *state;
	struct http_answer r;
	open_and_wait(t);
	get(t, "hello.dev.fn.localhost", "/", &r);
	assert_int_equal(r.status, 503);
	assert_non_null(strcasestr(r.head, "\r\nretry-after: 1\r\n"));
	assert_non_null(strstr(r.body, "not loaded"));
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	get(t, "nobody.dev.fn.localhost:7380", "/", &r);
	assert_int_equal(r.status, 404);
	assert_string_equal(r.body, "fn gateway: no function answers for the host \"nobody.dev.fn.localhost\"\n");
	assert_non_null(strcasestr(r.head, "\r\ncontent-type: text/plain\r\n"));
	get(t, "<script>\"\\%[src]\xc3\xa9.fn.localhost", "/", &r);
	assert_int_equal(r.status, 404);
	assert_string_equal(r.body, "fn gateway: no function answers for the host \"?script?????src???.fn.localhost\"\n");
	static const char *const strange[] = {"hello.dev", "hello.dev.fn.localhost.example.com", "_loaded", "_loaded.fn.localhost",
					      "fn.localhost", "", "127.0.0.1"};
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		expect(t, strange[i], i == 3 ? 503 : 404, NULL);
}

static void routes_are_set_switched_and_removed(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue), g = start_server(t, &green);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	static const char *const same[] = {"hello.dev.fn.localhost", "hello.dev.fn.localhost:7380", "Hello.DEV.fn.localhost",
					   "hello.dev.fn.localhost.", "hello.dev.fn.internal", "hello.dev.fn.internal:80"};
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		expect(t, same[i], 200, "blue");
	struct http_answer r;
	http_request("169.254.77.1", t->env.conf.gateway_port, "GET", "/", "hello.dev.fn.internal", NULL, NULL, WAIT_MS, &r);
	assert_string_equal(r.body, "blue"); /* the listener that instances use */
	set_one(t, "k/p/hello/dev", "r2", "hello.dev.fn.localhost", GREEN);
	expect(t, "hello.dev.fn.localhost", 200, "green");
	AUTO_JSON json_t *routes = gateway_routes(t->g, "k/p/hello/dev");
	assert_int_equal(json_array_size(routes), 1);
	assert_string_equal(json_str_or(json_array_get(routes, 0), "release", ""), "r2");
	assert_true(json_bool_or(json_array_get(routes, 0), "loaded", false));
	set_one(t, "k/p/hello/dev", "r2", NULL, NULL);
	expect(t, "hello.dev.fn.localhost", 404, NULL);
	AUTO_JSON json_t *none = gateway_routes(t->g, NULL);
	assert_int_equal(json_array_size(none), 0);
	env_stop(b);
	env_stop(g);
}

static void requests_go_to_all_instances(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue), g = start_server(t, &green);
	open_and_wait(t);
	struct simple s = {"k/p/hello/dev", "r1", {"hello.dev.fn.localhost", "hello--r1.dev.fn.localhost"}, {BLUE, GREEN}};
	must(set_many(t, &s, 1, &e), e);
	int counts[2] = {0, 0};
	for (int i = 0; i < 60; i++) {
		struct http_answer r;
		get(t, s.hosts[i % 2], "/", &r);
		assert_int_equal(r.status, 200);
		counts[strcmp(r.body, "blue") == 0]++;
	}
	assert_true(counts[0] > 5 && counts[1] > 5); /* either misses once in 10^9 runs */
	s.addresses[0] = s.addresses[1] = NULL;
	must(set_many(t, &s, 1, &e), e);
	expect(t, "hello.dev.fn.localhost", 503, "fn gateway: no instance of the function runs\n");
	env_stop(b);
	env_stop(g);
}

static void the_function_sees_who_asks_and_the_host_as_it_was(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
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
	struct test *t = *state;
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct http_answer r;
	get(t, "hello.dev.fn.localhost", "/sleep?3000", &r);
	assert_int_equal(r.status, 504);
	assert_non_null(strstr(r.body, "did not answer within its timeout"));
	assert_true(r.ms >= TIMEOUT_MS && r.ms < 3000);
	get(t, "hello.dev.fn.localhost", "/stream?6-400", &r); /* 2.4 s in all */
	assert_int_equal(r.error, 0);
	assert_int_equal(r.status, 200);
	assert_true(r.ms > 2 * TIMEOUT_MS);
	assert_non_null(strstr(r.body, "0\r\n\r\n"));
	env_stop(b);
}

static void an_upgraded_connection_echoes_after_a_long_silence(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
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
	struct test *t = *state;
	enum { BIG = 100 << 20 };
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct http_answer r;
	AUTO_FREE char *path = xprintf("/bytes?%d", BIG);
	get(t, "hello.dev.fn.localhost", path, &r);
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
	http_pause(1200);
	return http_serve(arg);
}

static void an_instance_that_restarts_is_waited_for(void **state)
{
	struct test *t = *state;
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	pid_t b = env_start(NULL, serve_later, &blue);
	struct http_answer r;
	get(t, "hello.dev.fn.localhost", "/", &r);
	assert_int_equal(r.status, 200);
	assert_true(r.ms >= 500);
	env_stop(b);
	get(t, "hello.dev.fn.localhost", "/", &r);
	assert_int_equal(r.status, 503);
	assert_non_null(strstr(r.body, "no instance of the function accepts connections"));
	assert_true(r.ms >= 4000 && r.ms < WAIT_MS);
}

/* Load: what came back, shared by several processes. */
struct tally {
	volatile int stop;
	int ok, refused, cut, wrong, torn;
};

static struct tally *shared_tally(void)
{
	FILE *f = tmpfile();
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), sizeof(struct tally)), 0);
	struct tally *y = mmap(NULL, sizeof *y, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	assert_true(y != MAP_FAILED);
	(void)fclose(f); /* the mapping keeps the file */
	return y;
}

struct load {
	struct tally *tally;
	int port;
};

static int ask_on(void *arg)
{
	const struct load *l = arg;
	static struct http_answer r;
	while (!l->tally->stop) {
		http_request(LOCAL, l->port, "GET", "/", "hello.dev.fn.localhost", NULL, NULL, WAIT_MS, &r);
		int *to = r.error == ECONNREFUSED || r.error == ETIMEDOUT ? &l->tally->refused
			  : r.error                                        ? &l->tally->cut
			  : r.status != 200                                ? &l->tally->wrong
									   : &l->tally->ok;
		__atomic_add_fetch(to, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

struct more {
	const struct tally *tally;
	int than;
};

static bool more_answers(void *arg)
{
	const struct more *m = arg;
	return __atomic_load_n(&m->tally->ok, __ATOMIC_RELAXED) > m->than;
}

static void wait_for_answers(struct test *t, struct tally *y, int n)
{
	struct more m = {y, y->ok + n};
	env_wait_for(&t->env, "answers under load", more_answers, &m, WAIT_MS);
}

static void haproxy_killed_under_load_refuses_nobody(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue), loaders[LOADERS];
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct tally *y = shared_tally();
	struct load l = {y, t->env.conf.gateway_port};
	for (int i = 0; i < LOADERS; i++)
		loaders[i] = env_start(NULL, ask_on, &l);
	for (int i = 0; i < 5; i++) {
		wait_for_answers(t, y, 50);
		assert_int_equal(kill(haproxy(t), SIGKILL), 0);
		env_wait_for(&t->env, "HAProxy has ended", is_down, t, WAIT_MS);
		wait_for_answers(t, y, 50);
		env_wait_for(&t->env, "HAProxy answers again", is_up, t, WAIT_MS);
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

/* Two functions are switched together, over and over. Whoever sees the new one of the first must see the new one of the second
 * when asking later. */
static int ask_in_turn(void *arg)
{
	const struct load *l = arg;
	static struct http_answer a, c;
	while (!l->tally->stop) {
		http_request(LOCAL, l->port, "GET", "/", "a.dev.fn.localhost", NULL, NULL, WAIT_MS, &a);
		http_request(LOCAL, l->port, "GET", "/", "c.dev.fn.localhost", NULL, NULL, WAIT_MS, &c);
		if (a.status != 200 || c.status != 200)
			__atomic_add_fetch(&l->tally->wrong, 1, __ATOMIC_RELAXED);
		else if (strcmp(a.body, "green") == 0 && strcmp(c.body, "green") != 0)
			__atomic_add_fetch(&l->tally->torn, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&l->tally->ok, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void a_set_switches_at_once_and_fails_no_request(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue), g = start_server(t, &green), loaders[2];
	open_and_wait(t);
	struct simple old[2] = {{"k/p/a/dev", "a1", {"a.dev.fn.localhost", NULL}, {BLUE, NULL}},
				{"k/p/c/dev", "c1", {"c.dev.fn.localhost", NULL}, {BLUE, NULL}}};
	struct simple new[2] = {{"k/p/a/dev", "a2", {"a.dev.fn.localhost", NULL}, {GREEN, NULL}},
				{"k/p/c/dev", "c2", {"c.dev.fn.localhost", NULL}, {GREEN, NULL}}};
	for (int round = 0; round < 5; round++) {
		must(set_many(t, old, 2, &e), e);
		struct tally *y = shared_tally();
		struct load l = {y, t->env.conf.gateway_port};
		for (int i = 0; i < 2; i++)
			loaders[i] = env_start(NULL, ask_in_turn, &l);
		wait_for_answers(t, y, 20);
		must(set_many(t, new, 2, &e), e);
		wait_for_answers(t, y, 20);
		y->stop = 1;
		for (int i = 0; i < 2; i++)
			assert_int_equal(env_join(loaders[i]), 0);
		assert_int_equal(y->wrong, 0);
		assert_int_equal(y->torn, 0);
		(void)munmap(y, sizeof *y);
	}
	env_stop(b);
	env_stop(g);
}

static void ten_thousand_routes_work(void **state)
{
	struct test *t = *state;
	enum { MANY = 10000 };
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue), g = start_server(t, &green);
	open_and_wait(t);
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct simple *s = arena_array(&a, MANY, sizeof *s);
	for (int i = 0; i < MANY; i++)
		s[i] = (struct simple){arena_printf(&a, "k/p/f%d/dev", i), arena_printf(&a, "r%d", i),
				       {arena_printf(&a, "f%d.dev.fn.localhost", i), NULL}, {BLUE, NULL}};
	must(set_many(t, s, MANY, &e), e);
	expect(t, "f0.dev.fn.localhost", 200, "blue");
	expect(t, "f9999.dev.fn.localhost", 200, "blue");
	int64_t begin = clock_mono_ms();
	set_one(t, "k/p/f77/dev", "r77b", "f77.dev.fn.localhost", GREEN);
	print_message("one switch among %d routes: %lld ms\n", MANY, (long long)(clock_mono_ms() - begin));
	expect(t, "f77.dev.fn.localhost", 200, "green");
	bool mended = true;
	must(gateway_repair(t->g, &mended, &e), e);
	assert_false(mended);
	/* All of them from the files, too. */
	assert_int_equal(kill(haproxy(t), SIGKILL), 0);
	env_wait_for(&t->env, "HAProxy has ended", is_down, t, WAIT_MS);
	env_wait_for(&t->env, "HAProxy answers again", is_up, t, WAIT_MS);
	expect(t, "f77.dev.fn.localhost", 200, "green");
	env_stop(b);
	env_stop(g);
}

static int use_and_leave(void *arg)
{
	struct test *t = arg;
	t->env.loop = loop_new();
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	return haproxy(t) > 0 ? 0 : 1;
}

static void the_next_process_adopts_haproxy_and_its_sockets(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue);
	assert_int_equal(env_in(NULL, use_and_leave, t), 0);
	expect(t, "hello.dev.fn.localhost", 200, "blue"); /* with nobody behind it */
	open_and_wait(t);
	pid_t first = haproxy(t);
	gateway_free(t->g);
	open_and_wait(t);
	assert_int_equal(haproxy(t), first);
	set_one(t, "k/p/again/dev", "r1", "again.dev.fn.localhost", BLUE);
	expect(t, "again.dev.fn.localhost", 200, "blue");
	/* The sockets came with it: with HAProxy dead and nobody accepting, a connection still waits instead of being refused. */
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), -1); /* no child of this process: it was adopted */
	AUTO_CLOSE int fd = env_connect(LOCAL, t->env.conf.gateway_port, WAIT_MS);
	assert_true(fd >= 0);
	env_wait_for(&t->env, "HAProxy has ended", is_down, t, WAIT_MS);
	env_wait_for(&t->env, "the new HAProxy answers", is_up, t, WAIT_MS);
	expect(t, "hello.dev.fn.localhost", 200, "blue");
	/* Dead while nobody was there: bound anew, with the routes last set. */
	pid_t second = haproxy(t);
	gateway_free(t->g);
	t->g = NULL;
	assert_int_equal(kill(second, SIGKILL), 0);
	(void)waitpid(second, NULL, 0);
	open_and_wait(t);
	expect(t, "again.dev.fn.localhost", 200, "blue");
	env_stop(b);
}

static void by_hand(struct test *t, const char *line)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf answer = BUF_INIT(65536);
	AUTO_FREE char *dir = xprintf("%s/gateway", t->env.home);
	AUTO_CLOSE int dirfd = open(dir, O_PATH | O_CLOEXEC);
	must(cli_call(dirfd, line, clock_mono_ms() + WAIT_MS, &answer, &e), e);
	if (strspn(buf_str(&answer), "\n") != answer.len)
		fail_msg("%s: %s", line, buf_str(&answer));
}

static void what_somebody_changed_by_hand_is_mended(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue), g = start_server(t, &green);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	bool mended = true;
	must(gateway_repair(t->g, &mended, &e), e);
	assert_false(mended);
	static const char *const harm[] = {
		"del map hosts.map hello.dev",	"set map hosts.map hello.dev r1|nothing|1|1000", "add map hosts.map other.dev r1|x|1|1000",
		"clear map hosts.map",		"clear map addresses.map",			 "add map hosts.map hello.dev r1|x|1|1000",
		"del map hosts.map _loaded",	"add map addresses.map x#0 127.0.0.1:1",
	};
	for (size_t i = 0; i < ARRAY_LEN(harm); i++) {
		by_hand(t, harm[i]);
		must(gateway_repair(t->g, &mended, &e), e);
		if (!mended)
			fail_msg("not seen: %s", harm[i]);
		expect(t, "hello.dev.fn.localhost", 200, "blue");
		must(gateway_repair(t->g, &mended, &e), e);
		assert_false(mended);
	}
	/* A lost map file would keep the next HAProxy from starting. */
	AUTO_FREE char *file = xprintf("%s/gateway/hosts.map", t->env.home);
	assert_int_equal(unlink(file), 0);
	must(gateway_repair(t->g, &mended, &e), e);
	assert_true(mended);
	assert_int_equal(access(file, F_OK), 0);
	env_stop(b);
	env_stop(g);
}

struct addresses {
	int dirfd;
	size_t wanted, have;
};

static bool so_many_addresses(void *arg)
{
	struct addresses *a = arg;
	struct err e = ERR_INIT;
	struct map now = {0};
	must(cli_read_map(a->dirfd, "addresses.map", clock_mono_ms() + WAIT_MS, &now, &e), e);
	a->have = now.n;
	map_release(&now);
	return a->have <= a->wanted;
}

/* Until only so many are left; then exactly so many. */
static void wait_for_addresses(struct test *t, size_t n)
{
	AUTO_FREE char *dir = xprintf("%s/gateway", t->env.home);
	AUTO_CLOSE int dirfd = open(dir, O_PATH | O_CLOEXEC);
	struct addresses a = {dirfd, n, 0};
	env_wait_for(&t->env, "stale addresses are removed", so_many_addresses, &a, WAIT_MS);
	assert_int_equal(a.have, n);
}

static void stale_addresses_go_a_while_later(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	open_and_wait(t);
	for (int i = 0; i < 3; i++) {
		AUTO_FREE char *release = xprintf("r%d", i);
		set_one(t, "k/p/hello/dev", release, "hello.dev.fn.localhost", i % 2 ? GREEN : BLUE);
		bool mended = true;
		must(gateway_repair(t->g, &mended, &e), e); /* what waits to be removed is nothing wrong */
		assert_false(mended);
	}
	wait_for_addresses(t, 1);
}

/* A rollback right after a deploy: the addresses of the first are still there, and must stay. */
static void a_release_that_comes_back_at_once_keeps_its_addresses(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue), g = start_server(t, &green);
	open_and_wait(t);
	for (int round = 0; round < 2; round++) {
		set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
		set_one(t, "k/p/hello/dev", "r2", "hello.dev.fn.localhost", GREEN);
		set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
		bool mended = true;
		must(gateway_repair(t->g, &mended, &e), e);
		assert_false(mended);
		wait_for_addresses(t, 1);
		expect(t, "hello.dev.fn.localhost", 200, "blue");
		must(gateway_repair(t->g, &mended, &e), e);
		assert_false(mended);
	}
	env_stop(b);
	env_stop(g);
}

static void another_configuration_is_taken_over_without_a_lost_request(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	pid_t first = haproxy(t);
	struct tally *y = shared_tally();
	struct load l = {y, t->env.conf.gateway_port};
	pid_t loader = env_start(NULL, ask_on, &l);
	wait_for_answers(t, y, 20);
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
	open_and_wait(t);
	assert_int_not_equal(haproxy(t), first);
	wait_for_answers(t, y, 50);
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
	set_one(t, "k/p/again/dev", "r1", "again.dev.fn.localhost", BLUE); /* commands reach the new one */
	expect(t, "again.dev.fn.localhost", 200, "blue");
	env_stop(b);
}

static void requests_are_counted(void **state)
{
	struct test *t = *state;
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	for (int i = 0; i < 3; i++)
		expect(t, "hello.dev.fn.localhost", 200, "blue");
	struct http_answer r;
	get(t, "hello.dev.fn.localhost", "/sleep?3000", &r);
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

static void routes_set_while_haproxy_is_down_are_there_when_it_is_up(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue);
	open_gateway(t); /* it is starting: nobody turned the loop yet */
	struct simple s = {"k/p/hello/dev", "r1", {"hello.dev.fn.localhost", NULL}, {BLUE, NULL}};
	assert_int_equal(set_many(t, &s, 1, &e), TRANSIENT);
	assert_string_equal(e.reason, "GatewayUnavailable");
	bool mended;
	assert_int_equal(gateway_repair(t->g, &mended, &e), TRANSIENT);
	assert_string_equal(e.reason, "GatewayUnavailable");
	assert_int_equal(gateway_open_requests(t->g, BLUE), -1);
	AUTO_JSON json_t *routes = gateway_routes(t->g, NULL);
	assert_false(json_bool_or(json_array_get(routes, 0), "loaded", true));
	env_wait_for(&t->env, "HAProxy answers", is_up, t, WAIT_MS);
	expect(t, "hello.dev.fn.localhost", 200, "blue");
	must(set_many(t, &s, 1, &e), e); /* the caller tries again until it is acknowledged */
	env_stop(b);
}

static void nothing_changes_when_one_route_is_refused(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	pid_t b = start_server(t, &blue);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct simple s[2] = {{"k/p/hello/dev", "r2", {"hello.dev.fn.localhost", NULL}, {GREEN, NULL}},
			      {"k/p/other/dev", "r1", {"other.dev.example.com", NULL}, {BLUE, NULL}}};
	assert_int_equal(set_many(t, s, 2, &e), INVALID);
	assert_string_equal(e.reason, "InvalidName");
	s[1].hosts[0] = "hello.dev.fn.localhost";
	assert_int_equal(set_many(t, s, 2, &e), INVALID);
	assert_string_equal(e.reason, "DuplicateKey");
	expect(t, "hello.dev.fn.localhost", 200, "blue");
	gateway_free(t->g);
	open_and_wait(t);
	expect(t, "hello.dev.fn.localhost", 200, "blue");
	env_stop(b);
}

static void a_description_that_cannot_be_read_is_put_aside(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	gateway_free(t->g);
	t->g = NULL;
	must(gateway_teardown(&t->env.conf, &e), e);
	AUTO_FREE char *file = xprintf("%s/gateway/routes.json", t->env.home), *bad = xprintf("%s.bad", file);
	must(fs_write_atomic(file, "{\"k\":", 5, 0600, false, &e), e);
	open_and_wait(t);
	assert_int_equal(access(bad, F_OK), 0);
	expect(t, "hello.dev.fn.localhost", 503, "fn gateway: the routes are not loaded yet\n");
}

static void a_port_in_use_is_said_so(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	AUTO_CLOSE int taken = env_listen(LOCAL, t->env.conf.gateway_port);
	assert_true(taken >= 0);
	assert_int_equal(gateway_open(t->env.loop, &t->env.conf, on_changed, t, &t->g, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
	assert_non_null(strstr(e.msg, "listen on 127.0.0.1:17380"));
	assert_non_null(strstr(e.msg, "in use"));
}

static void teardown_ends_it_whoever_started_it(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	assert_int_equal(env_in(NULL, use_and_leave, t), 0);
	must(gateway_teardown(&t->env.conf, &e), e);
	assert_int_equal(env_connect(LOCAL, t->env.conf.gateway_port, WAIT_MS), -ECONNREFUSED);
	must(gateway_teardown(&t->env.conf, &e), e); /* absent is fine */
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
	const struct test *t = arg;
	http_request(t->env.conf.link_address, t->env.conf.gateway_port, "GET", "/head", "hello.dev.fn.internal", NULL, NULL, WAIT_MS, &r);
	return r.status == 200 && strcasestr(r.body, "\r\nx-forwarded-for: 10.213.0.2\r\n") ? 0 : 1;
}

/* The way that requests really go: host -> gateway -> instance, and instance -> gateway -> instance. */
static void instances_serve_and_call_each_other_through_the_gateway(void **state)
{
	struct test *t = *state;
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
	env_wait_for(&t->env, "the instance listens", accepts, &seen, WAIT_MS);
	open_and_wait(t);
	set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", "10.213.0.1:8080");
	expect(t, "hello.dev.fn.localhost", 200, "inside");
	assert_int_equal(env_in(path2, ask_the_neighbour, t), 0);
	env_stop(server);
	network_free(n);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, clean)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_gateway_says_503_and_a_strange_host_404),
		TEST(routes_are_set_switched_and_removed),
		TEST(requests_go_to_all_instances),
		TEST(the_function_sees_who_asks_and_the_host_as_it_was),
		TEST(silence_is_504_and_a_stream_goes_on),
		TEST(an_upgraded_connection_echoes_after_a_long_silence),
		TEST(a_hundred_mebibytes_pass_both_ways),
		TEST(an_instance_that_restarts_is_waited_for),
		TEST(haproxy_killed_under_load_refuses_nobody),
		TEST(a_set_switches_at_once_and_fails_no_request),
		TEST(ten_thousand_routes_work),
		TEST(the_next_process_adopts_haproxy_and_its_sockets),
		TEST(what_somebody_changed_by_hand_is_mended),
		TEST(stale_addresses_go_a_while_later),
		TEST(a_release_that_comes_back_at_once_keeps_its_addresses),
		TEST(another_configuration_is_taken_over_without_a_lost_request),
		TEST(requests_are_counted),
		TEST(routes_set_while_haproxy_is_down_are_there_when_it_is_up),
		TEST(nothing_changes_when_one_route_is_refused),
		TEST(a_description_that_cannot_be_read_is_put_aside),
		TEST(a_port_in_use_is_said_so),
		TEST(instances_serve_and_call_each_other_through_the_gateway),
		TEST(teardown_ends_it_whoever_started_it),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
