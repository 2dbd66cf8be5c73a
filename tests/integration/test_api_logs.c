/* Logs through the API, asked of a stand-in for fn-node that speaks docs/reference/node-protocol.md. */
#include <poll.h>

#include "api_env.h"
#include "base/frame.h"

/* Two instances of default/web in dev, one in prod, and a stranger. Lines are numbered; more appear when the test says so. */
struct fake_node {
	int listen_fd;
	pthread_t thread;
	atomic_int lines;  /* that each instance has printed */
	atomic_bool broken, stop;
};

static json_t *fake_instances(const char *key)
{
	static const char *const all[][2] = {
		{"aaaaaaaaaaaa-0", "target/default/web/dev"}, {"aaaaaaaaaaaa-1", "target/default/web/dev"}, {"bbbbbbbbbbbb-0", "target/default/web/prod"},
		{"cccccccccccc-0", "target/default/webby/dev"}, {"dddddddddddd-0", "target/other/web/dev"},
	};
	json_t *list = json_array();
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!key || strcmp(key, all[i][1]) == 0)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", all[i][0], "key", all[i][1], "state", "ready"));
	return list;
}

static json_t *fake_lines(const struct fake_node *n, const char *name, int64_t tail, int64_t *offset)
{
	json_t *list = json_array();
	int64_t have = atomic_load(&n->lines), from = *offset ? *offset : have > tail ? have - tail : 0;
	for (int64_t i = from; i < have; i++) {
		AUTO_FREE char *at = xprintf("2026-01-01T00:00:%02d.%.1sZ", (int)i, name + 13), *text = xprintf("%.4s-%.1s says %d <&\"", name, name + 13, (int)i);
		json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "at", at, "stream", "stdout", "text", text));
	}
	*offset = have;
	return list;
}

static json_t *fake_answer(struct fake_node *n, const json_t *request)
{
	json_int_t id = json_int_or(request, "id", 0);
	const char *op = json_str_or(request, "op", ""), *name = json_str_or(request, "name", "");
	if (strcmp(op, "list") == 0)
		return json_pack("{s:I,s:b,s:b,s:o,s:[],s:{s:s}}", "id", id, "ok", 1, "complete", 1, "instances", fake_instances(json_str_or(request, "key", NULL)),
				 "routes", "gateway", "state", "up");
	int64_t offset = json_int_or(request, "offset", 0);
	json_t *lines = fake_lines(n, name, json_int_or(request, "tail", 0), &offset);
	return json_pack("{s:I,s:b,s:o,s:I}", "id", id, "ok", 1, "lines", lines, "offset", (json_int_t)offset);
}

struct fake_client {
	int fd;
	struct buf in;
};

/* False when the client is done with. */
static bool fake_serve(struct fake_node *n, struct fake_client *c)
{
	struct err e = ERR_INIT;
	char *to = buf_reserve(&c->in, 65536);
	ssize_t got = to ? read(c->fd, to, 65536) : 0;
	if (got <= 0 || atomic_load(&n->broken))
		return false;
	c->in.len += (size_t)got;
	for (;;) {
		AUTO_JSON json_t *request = NULL;
		if (frame_take(&c->in, &request, &e))
			return false;
		if (!request)
			return true;
		AUTO_JSON json_t *answer = fake_answer(n, request);
		if (frame_send(c->fd, answer, 5000, &e))
			return false;
	}
}

enum { CLIENTS = 16 };

static void *fake_run(void *ctx)
{
	struct fake_node *n = ctx;
	struct fake_client clients[CLIENTS];
	size_t count = 0;
	while (!atomic_load(&n->stop)) {
		struct pollfd fds[CLIENTS + 1] = {{.fd = n->listen_fd, .events = POLLIN}};
		for (size_t i = 0; i < count; i++)
			fds[i + 1] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
		if (poll(fds, count + 1, 50) <= 0)
			continue;
		size_t kept = 0;
		for (size_t i = 0; i < count; i++) {
			if (!fds[i + 1].revents || fake_serve(n, &clients[i])) {
				clients[kept++] = clients[i];
				continue;
			}
			close(clients[i].fd);
			buf_release(&clients[i].in);
		}
		count = kept;
		if (fds[0].revents && count < CLIENTS)
			clients[count++] = (struct fake_client){accept(n->listen_fd, NULL, NULL), BUF_INIT(FRAME_MAX)};
	}
	for (size_t i = 0; i < count; i++) {
		close(clients[i].fd);
		buf_release(&clients[i].in);
	}
	return NULL;
}

static struct fake_node node;

static void fake_start(const struct api_env *t)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/run/node.sock", t->home);
	(void)unlink(sa.sun_path);
	node.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	atomic_store(&node.lines, 5);
	atomic_store(&node.stop, false);
	atomic_store(&node.broken, false);
	assert_int_equal(bind(node.listen_fd, (const struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(node.listen_fd, 16), 0);
	assert_int_equal(pthread_create(&node.thread, NULL, fake_run, &node), 0);
}

static void fake_stop(void)
{
	atomic_store(&node.stop, true);
	assert_int_equal(pthread_join(node.thread, NULL), 0);
	close(node.listen_fd);
}

static int set_up(void **state)
{
	(void)env_set_up(state);
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	struct digest d = digest_of_str("source of web");
	char digest[DIGEST_TEXT];
	env_put(t, &c, &d, "source of web", strlen("source of web"));
	static const char yaml[] = "apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: r}\nspec: {base: scratch}\n---\n"
				   "apiVersion: fn/v1\nkind: Function\nmetadata: {name: web}\nspec: {runtime: r, source: ./web, command: [run]}\n";
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, yaml, "default/web", digest_text(&d, digest)));
	assert_status(&c, 200);
	return 0;
}

static void test_node_down(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/api/functions/web/logs");
	assert_answer(&c, 503, "NodeUnavailable");
}

static const char *texts(struct api_env *t, const struct call *c)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	size_t i;
	const json_t *line;
	json_array_foreach(json_object_get(c->json, "lines"), i, line)
		assert_true(buf_printf(&b, "%s%.11s/%s", i ? " " : "", json_str_or(line, "text", ""), json_str_or(line, "environment", "")));
	return arena_strdup(&t->arena, buf_str(&b));
}

static void test_lines_of_all_instances_in_order(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	fake_start(t);
	ask(t, &c, "GET", "/api/functions/web/logs?environment=dev&tail=3");
	assert_status(&c, 200);
	assert_string_equal(texts(t, &c), "aaaa-1 says/dev aaaa-0 says/dev aaaa-1 says/dev");
	const json_t *last = json_array_get(json_object_get(c.json, "lines"), 2);
	assert_string_equal(json_str_or(last, "instance", ""), "aaaaaaaaaaaa-1");
	assert_string_equal(json_str_or(last, "text", ""), "aaaa-1 says 4 <&\"");
	assert_string_equal(json_str_or(last, "stream", ""), "stdout");
	ask(t, &c, "GET", "/api/functions/web/logs");
	assert_int_equal(json_array_size(json_object_get(c.json, "lines")), 15); /* dev and prod, but not webby nor the other project's */
	ask(t, &c, "GET", "/api/functions/web/logs?environment=none");
	assert_status(&c, 200);
	assert_int_equal(json_array_size(json_object_get(c.json, "lines")), 0);
	ask(t, &c, "GET", "/api/functions/web/logs?tail=10001");
	assert_answer(&c, 400, "BadRequest");
	fake_stop();
}

static void test_follow(void **state)
{
	struct api_env *t = env(state);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	fake_start(t);
	AUTO_CLOSE int fd = raw_connect(t);
	raw_send(fd, arena_printf(&t->arena, "GET /api/functions/web/logs?follow=true&tail=1&environment=prod HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n",
				  t->token));
	assert_true(raw_until(fd, &b, "bbbb-0 says 4"));
	assert_null(strstr(buf_str(&b), "says 3"));
	assert_null(strstr(buf_str(&b), "aaaa"));
	atomic_fetch_add(&node.lines, 2);
	assert_true(raw_until(fd, &b, "bbbb-0 says 6"));
	assert_non_null(strstr(buf_str(&b), "bbbb-0 says 5"));
	atomic_store(&node.broken, true);
	assert_true(raw_until(fd, &b, "event: problem"));
	assert_true(raw_until(fd, &b, "\"NodeUnavailable\""));
	atomic_fetch_add(&node.lines, 1);
	atomic_store(&node.broken, false);
	assert_true(raw_until(fd, &b, "bbbb-0 says 7"));
	const char *six = strstr(buf_str(&b), "bbbb-0 says 6");
	assert_null(strstr(six + 1, "bbbb-0 says 6")); /* nothing twice */
	fake_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_down),
		cmocka_unit_test(test_lines_of_all_instances_in_order),
		cmocka_unit_test(test_follow),
	};
	return cmocka_run_group_tests(tests, set_up, env_tear_down);
}
