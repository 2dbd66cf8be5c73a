/* The API over real sockets and a real PostgreSQL. */
#include <dirent.h>
#include <sys/wait.h>

#include "api_env.h"

/* ---- who may ask ---- */

static void tcp(struct api_env *t, struct call *c, const char *method, const char *path, const char *const *headers)
{
	c->socket = NULL;
	c->method = method;
	c->url = arena_printf(&t->arena, "%s%s", t->base, path);
	c->headers = headers;
	c->body = NULL;
	call_run(c);
}

static void test_tcp_needs_the_token(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *good = arena_printf(&t->arena, "Authorization: Bearer %s", t->token);
	const char *longer = arena_printf(&t->arena, "Authorization: Bearer %sx", t->token);
	const char *shorter = arena_printf(&t->arena, "Authorization: Bearer %.*s", (int)strlen(t->token) - 1, t->token);
	static const char *const paths[] = {"/api/functions", "/api/nothing", "/api/version", "/api/functions/x", "/api/events", "/api/work"};
	assert_int_equal(strlen(t->token), 44);
	assert_memory_equal(t->token, "fnt_", 4);
	const char *const bad[] = {NULL, "Authorization: Bearer", "Authorization: Bearer wrong", "Authorization: Basic Zm46Zm4=", longer, shorter};
	for (size_t p = 0; p < ARRAY_LEN(paths); p++)
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			tcp(t, &c, "GET", paths[p], (const char *const[]){bad[i], NULL});
			assert_answer(&c, 401, "Unauthenticated");
			assert_true(call_has_header(&c, "WWW-Authenticate: Bearer"));
			assert_true(call_has_header(&c, "Content-Type: application/problem+json"));
			assert_null(strstr(buf_str(&c.text), t->token));
		}
	tcp(t, &c, "GET", "/api/functions", (const char *const[]){good, NULL});
	assert_status(&c, 200);
	tcp(t, &c, "GET", "/api/nothing", (const char *const[]){good, NULL});
	assert_answer(&c, 404, "NotFound");
	tcp(t, &c, "PUT", "/api/functions", (const char *const[]){"Authorization: Bearer wrong", NULL});
	assert_answer(&c, 401, "Unauthenticated");
	tcp(t, &c, "POST", "/api/apply", (const char *const[]){"Content-Type: application/json", NULL});
	assert_answer(&c, 401, "Unauthenticated");
	tcp(t, &c, "GET", "/healthz", NULL);
	assert_status(&c, 200);
	tcp(t, &c, "GET", "/api/readyz", NULL);
	assert_status(&c, 200);
}

static void test_token_can_be_replaced(void **state)
{
	struct api_env *t = env(state);
	struct err e = ERR_INIT;
	AUTO_CALL struct call c = {0};
	const char *path = conf_path(&t->conf, &t->arena, "secrets/token");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, USER_UID);
	const char *const old[] = {arena_printf(&t->arena, "Authorization: Bearer %s", t->token), NULL};
	static const char *const fresh[] = {"Authorization: Bearer another-token-of-some-length", NULL};
	static const char text[] = "another-token-of-some-length\n";
	must(fs_write_atomic(path, text, sizeof text - 1, 0600, false, &e), e);
	tcp(t, &c, "GET", "/api/version", old);
	assert_answer(&c, 401, "Unauthenticated");
	tcp(t, &c, "GET", "/api/version", fresh);
	assert_status(&c, 200);
	AUTO_FREE char *back = xprintf("%s\n", t->token);
	must(fs_write_atomic(path, back, strlen(back), 0600, false, &e), e);
	tcp(t, &c, "GET", "/api/version", old);
	assert_status(&c, 200);
}

static void test_open_token_is_refused(void **state)
{
	struct api_env *t = env(state);
	struct err e = ERR_INIT;
	struct api *second = NULL;
	struct conf conf = t->conf;
	struct api_opts o = t->opts;
	const char *path = conf_path(&t->conf, &t->arena, "secrets/token");
	o.conf = &conf;
	conf.api_port = free_port();
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(api_start(&o, &second, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	assert_non_null(strstr(e.msg, "0600"));
	assert_int_equal(chmod(path, 0600), 0);
	conf.api_port = t->conf.api_port; /* taken by the first */
	assert_int_equal(api_start(&o, &second, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	assert_non_null(strstr(e.msg, "in use"));
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/api/version"); /* the one that failed has not taken the socket away */
	assert_status(&c, 200);
}

static void test_host_must_be_local(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *token = arena_printf(&t->arena, "Authorization: Bearer %s", t->token);
	static const char *const good[] = {"Host: localhost", "Host: LOCALHOST:7300", "Host: 127.0.0.1", "Host: [::1]:99", "Host: 127.0.0.1:1"};
	static const char *const bad[] = {"Host: evil.example",  "Host: 127.0.0.1.evil.example", "Host: localhost.evil.example:7300", "Host: localhost:",
					  "Host: localhost:1x", "Host: 127.0.0.2",             "Host: ::1",                         "Host: xlocalhost"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		tcp(t, &c, "GET", "/api/version", (const char *const[]){token, good[i], NULL});
		assert_status(&c, 200);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		tcp(t, &c, "GET", "/api/version", (const char *const[]){token, bad[i], NULL});
		assert_answer(&c, 403, "Forbidden");
		tcp(t, &c, "GET", "/healthz", (const char *const[]){bad[i], NULL});
		assert_answer(&c, 403, "Forbidden");
	}
	AUTO_CLOSE int fd = raw_connect(t);
	AUTO_BUF struct buf b = BUF_INIT(65536);
	AUTO_FREE char *twice = xprintf("GET /api/version HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n%s\r\nConnection: close\r\n\r\n", token);
	raw_send(fd, twice);
	assert_false(raw_until(fd, &b, "never sent"));
	assert_null(strstr(buf_str(&b), "HTTP/1.1 200"));
	assert_true(strncmp(buf_str(&b), "HTTP/1.1 4", 10) == 0);
}

static void test_browsers_are_refused(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *token = arena_printf(&t->arena, "Authorization: Bearer %s", t->token);
	static const char *const bad[] = {"Origin: http://evil.example", "Origin: null", "Origin: http://localhost:7300", "Sec-Fetch-Site: cross-site",
					  "Sec-Fetch-Site: same-site"};
	static const char *const methods[] = {"GET", "POST", "DELETE", "OPTIONS"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
			tcp(t, &c, methods[m], "/api/functions", (const char *const[]){token, bad[i], NULL});
			assert_answer(&c, 403, "Forbidden");
			assert_false(call_has_header(&c, "Access-Control"));
		}
	tcp(t, &c, "GET", "/api/functions", (const char *const[]){token, "Sec-Fetch-Site: none", NULL});
	assert_status(&c, 200);
}

/* The status that another user gets through the socket; -1 when they cannot even connect. */
static int status_as(const struct api_env *t, uid_t uid, gid_t gid)
{
	int out[2];
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int status = -1;
		struct sockaddr_un sa = {.sun_family = AF_UNIX};
		(void)strcpy(sa.sun_path, t->socket);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		char answer[64] = "";
		static const char request[] = "GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
		if (setgroups(0, NULL) == 0 && setgid(gid) == 0 && setuid(uid) == 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0 &&
		    write(fd, request, sizeof request - 1) > 0 && read(fd, answer, sizeof answer - 1) > 12)
			status = atoi(answer + 9);
		_exit(write(out[1], &status, sizeof status) == sizeof status ? 0 : 1);
	}
	int status = -2, rc;
	close(out[1]);
	assert_int_equal(read(out[0], &status, sizeof status), sizeof status);
	close(out[0]);
	assert_int_equal(waitpid(pid, &rc, 0), pid);
	return status;
}

static void test_socket_knows_its_callers(void **state)
{
	struct api_env *t = env(state);
	struct stat st;
	assert_int_equal(stat(t->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, USER_GID);
	assert_int_equal(status_as(t, 0, 0), 200);
	assert_int_equal(status_as(t, USER_UID, USER_GID), 200);
	assert_int_equal(status_as(t, OTHER_UID, OTHER_UID), -1);  /* the mode stops them */
	assert_int_equal(status_as(t, OTHER_UID, USER_GID), 401);  /* a member of the group: the credentials do */
	assert_int_equal(chmod(t->socket, 0666), 0);
	assert_int_equal(status_as(t, OTHER_UID, OTHER_UID), 401);
	assert_int_equal(chmod(t->socket, 0660), 0);
}

/* ---- paths and methods ---- */

static void test_paths_and_methods(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	static const struct {
		const char *method, *path;
		int status;
		const char *reason, *allow;
	} cases[] = {
		{"GET", "/", 404, "NotFound", NULL},
		{"GET", "/api", 404, "NotFound", NULL},
		{"GET", "/api/", 404, "NotFound", NULL},
		{"GET", "/api/functionz", 404, "NotFound", NULL},
		{"GET", "/api/functions/", 404, "NotFound", NULL},
		{"GET", "/api/functions/x/y", 404, "NotFound", NULL},
		{"GET", "//functions", 404, "NotFound", NULL},
		{"GET", "/api/../healthz", 404, "NotFound", NULL},
		{"GET", "/api/functions/hello%00x", 404, "NotFound", NULL},
		{"GET", "/api/functions/%2e%2e%2f%2e%2e", 404, "NotFound", NULL},
		{"GET", "/api/functions/%ff%fe", 404, "NotFound", NULL},
		{"GET", "/api/functions/%22%3Cscript%3E", 404, "NotFound", NULL},
		{"GET", "/api/uploads/sha256:00", 404, "NotFound", NULL},
		{"GET", "/api/functions/nope", 404, "NotFound", NULL},
		{"GET", "/api/functions/nope/deployments", 404, "NotFound", NULL},
		{"GET", "/api/functions/nope/history", 404, "NotFound", NULL},
		{"GET", "/api/functions/nope/targets", 404, "NotFound", NULL},
		{"GET", "/api/functions/nope/logs", 404, "NotFound", NULL},
		{"GET", "/api/functions/00000000-0000-0000-0000-000000000000", 404, "NotFound", NULL},
		{"DELETE", "/api/functions/nope", 404, "NotFound", NULL},
		{"PUT", "/api/functions", 405, "MethodNotAllowed", "Allow: GET, HEAD, OPTIONS"},
		{"POST", "/api/functions/x", 405, "MethodNotAllowed", "Allow: GET, HEAD, DELETE, OPTIONS"},
		{"GET", "/api/apply", 405, "MethodNotAllowed", "Allow: POST, OPTIONS"},
		{"TRACE", "/api/apply", 405, "MethodNotAllowed", "Allow: POST, OPTIONS"},
		{"BREW", "/api/version", 405, "MethodNotAllowed", "Allow: GET, HEAD, OPTIONS"},
		{"GET", "/api/functions?porject=x", 400, "BadRequest", NULL},
		{"GET", "/api/functions?limit=0", 400, "BadRequest", NULL},
		{"GET", "/api/functions?limit=501", 400, "BadRequest", NULL},
		{"GET", "/api/functions?limit=-1", 400, "BadRequest", NULL},
		{"GET", "/api/functions?limit=99999999999999999999", 400, "BadRequest", NULL},
		{"GET", "/api/functions?all=perhaps", 400, "BadRequest", NULL},
		{"GET", "/api/functions?project=NOT%20A%20NAME", 400, "BadRequest", NULL},
		{"GET", "/api/functions?cursor=%27;drop%20table", 400, "BadRequest", NULL},
		{"GET", "/api/functions?cursor=hello", 400, "BadRequest", NULL},
		{"GET", "/api/functions?cursor=default/UPPER", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/deployments?cursor=foo", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/deployments?cursor=-1", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/history?cursor=1234567890123456789", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/history?cursor=1.5", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/rollbacks?cursor=foo", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/rollbacks?cursor=infinity_00000000-0000-0000-0000-000000000000", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/rollbacks?cursor=2026-11-20T13:05:00.123456Z_00000000-0000-0000-0000-00000000000", 400, "BadRequest", NULL},
		{"GET", "/api/functions/x/rollbacks?cursor=2026-11-20T13:05:00.123456Z_00000000-0000-0000-0000-000000000000", 404, "NotFound", NULL},
		{"GET", "/api/deployments?cursor=infinity_00000000-0000-0000-0000-000000000000", 400, "BadRequest", NULL},
		{"GET", "/api/deployments?cursor=2026-02-30T13:05:00.123456Z_00000000-0000-0000-0000-000000000000", 400, "BadRequest", NULL},
		{"GET", "/api/deployments?cursor=2026-13-20T13:05:00.123456Z_00000000-0000-0000-0000-000000000000", 400, "BadRequest", NULL},
		{"GET", "/api/deployments?cursor=2026-11-20T13:05:60.123456Z_00000000-0000-0000-0000-000000000000", 400, "BadRequest", NULL},
		{"GET", "/api/gc?cursor=default%20hello%2000000000-0000-0000-0000-000000000000%20", 400, "BadRequest", NULL},
		{"GET", "/api/gc?cursor=default%20hello%20000000000000-0000-0000-0000-00000000%201", 400, "BadRequest", NULL},
		{"GET", "/api/events?kind=nothing", 400, "BadRequest", NULL},
		{"GET", "/api/events?after=x", 400, "BadRequest", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ask(t, &c, cases[i].method, cases[i].path);
		assert_answer(&c, cases[i].status, cases[i].reason);
		assert_true(call_has_header(&c, "Content-Type: application/problem+json"));
		assert_true(call_has_header(&c, "X-Content-Type-Options: nosniff"));
		assert_true(call_has_header(&c, "Cache-Control: no-store"));
		assert_int_equal(json_int_or(c.json, "status", 0), cases[i].status);
		if (cases[i].allow)
			assert_true(call_has_header(&c, cases[i].allow));
	}
}

static void test_every_get_answers_with_and_without_api(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	static const char *const paths[] = {"/version", "/functions", "/runtimes", "/environments", "/pins", "/projects", "/targets", "/instances", "/events",
					    "/work", "/healthz", "/readyz", "/functions?all=true&limit=500", "/projects/default"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		ask(t, &c, "GET", paths[i]);
		assert_status(&c, 200);
		AUTO_FREE char *text = xstrdup(buf_str(&c.text));
		ask(t, &c, "GET", arena_printf(&t->arena, "/api%s", paths[i]));
		assert_status(&c, 200);
		assert_string_equal(buf_str(&c.text), text);
		ask(t, &c, "HEAD", paths[i]);
		assert_status(&c, 200);
		assert_int_equal(c.text.len, 0);
		ask(t, &c, "OPTIONS", paths[i]);
		assert_status(&c, 204);
		assert_true(call_has_header(&c, "Allow: GET, HEAD,"));
	}
	ask(t, &c, "GET", "/version");
	assert_string_equal(json_str_or(c.json, "version", ""), "0.0-test");
	assert_string_equal(json_str_or(c.json, "apiVersion", ""), "fn/v1");
	assert_string_equal(json_str_or(c.json, "gateway", ""), "http://127.0.0.1:7380");
	assert_string_equal(json_str_or(c.json, "domain", ""), "fn.localhost");
}

static enum err_class no_node(struct err *e) { return err_set(e, TRANSIENT, R_NodeUnavailable, "fn-node does not answer"); }

static void test_readyz_says_what_is_missing(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	t->ready = no_node;
	ask(t, &c, "GET", "/readyz");
	t->ready = NULL;
	assert_answer(&c, 503, "NodeUnavailable");
	assert_true(call_has_header(&c, "Retry-After: 1"));
	ask(t, &c, "GET", "/healthz");
	assert_status(&c, 200);
	assert_string_equal(buf_str(&c.text), "ok\n");
}

/* ---- uploads ---- */

static size_t files_in_uploads(const struct api_env *t)
{
	AUTO_FREE char *path = xprintf("%s/uploads", t->home);
	DIR *d = opendir(path);
	size_t n = 0;
	assert_non_null(d);
	for (struct dirent *ent; (ent = readdir(d)) != NULL;)
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
	(void)closedir(d);
	return n;
}

static void test_upload(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	enum { N = 5 << 20 };
	AUTO_FREE char *bytes = xmalloc(N);
	memset(bytes, 'x', N);
	struct digest d = digest_of(bytes, N), other = digest_of("y", 1), empty = digest_of("", 0);
	size_t before = files_in_uploads(t);
	ask(t, &c, "HEAD", env_upload_path(t, &d));
	assert_status(&c, 404);
	env_put(t, &c, &other, bytes, N);
	assert_answer(&c, 422, "DigestMismatch");
	assert_int_equal(files_in_uploads(t), before);
	env_put(t, &c, &d, bytes, N);
	assert_status(&c, 201);
	assert_int_equal(files_in_uploads(t), before + 1);
	ask(t, &c, "HEAD", env_upload_path(t, &d));
	assert_status(&c, 200);
	env_put(t, &c, &d, bytes, N);
	assert_status(&c, 200);
	env_put(t, &c, &empty, "", 0);
	assert_status(&c, 201);
	char hex[DIGEST_HEX];
	AUTO_FREE char *path = xprintf("%s/uploads/%s", t->home, digest_hex(&d, hex));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct digest stored;
	uint64_t size;
	struct err e = ERR_INIT;
	must(digest_of_fd(fd, &stored, &size, &e), e);
	assert_true(digest_eq(&stored, &d));
	assert_int_equal(size, N);
	ask(t, &c, "PUT", "/api/uploads/sha256:..%2f..%2fetc%2fpasswd");
	assert_answer(&c, 404, "NotFound");
}

/* Waits until the file that an upload under way has is there, or gone. */
static void wait_for_files(const struct api_env *t, size_t wanted)
{
	int64_t until = clock_mono_ms() + 20000;
	AUTO_CALL struct call c = {0};
	while (files_in_uploads(t) != wanted) {
		assert_true(clock_mono_ms() < until);
		ask((struct api_env *)t, &c, "GET", "/healthz"); /* a round trip is the pause */
	}
}

static void test_broken_upload_leaves_nothing(void **state)
{
	struct api_env *t = env(state);
	struct digest d = digest_of("never sent whole", 16);
	size_t before = files_in_uploads(t);
	int fd = raw_connect(t);
	AUTO_FREE char *head = xprintf("PUT %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\nnever sent", env_upload_path(t, &d),
				       t->token);
	raw_send(fd, head);
	wait_for_files(t, before + 1);
	close(fd);
	wait_for_files(t, before);
	AUTO_CALL struct call c = {0};
	ask(t, &c, "HEAD", env_upload_path(t, &d));
	assert_status(&c, 404);
}

static void test_too_large(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	struct digest d = digest_of("z", 1);
	size_t before = files_in_uploads(t);
	AUTO_BUF struct buf b = BUF_INIT(65536);
	int fd = raw_connect(t);
	AUTO_FREE char *huge = xprintf("PUT %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 268435457\r\n\r\n", env_upload_path(t, &d), t->token);
	raw_send(fd, huge);
	(void)raw_until(fd, &b, "\"TooLarge\"");
	assert_true(strncmp(buf_str(&b), "HTTP/1.1 413", 12) == 0);
	close(fd);
	assert_int_equal(files_in_uploads(t), before);
	AUTO_FREE char *nine = xmalloc(9 << 20);
	memset(nine, ' ', 9 << 20);
	nine[(9 << 20) - 1] = '\0';
	ask_json(t, &c, "POST", "/api/apply", nine);
	if (c.status != 0) /* else the connection was reset before curl had sent it all */
		assert_answer(&c, 413, "TooLarge");
	const char *const chunked[] = {"Content-Type: application/json", "Transfer-Encoding: chunked", NULL};
	c.headers = chunked;
	call_run(&c);
	assert_answer(&c, 413, "TooLarge");
	c.method = "GET";
	c.body = "hello";
	c.nbody = 5;
	c.headers = NULL;
	c.url = "http://localhost/api/version";
	call_run(&c);
	assert_answer(&c, 400, "BadRequest");
}

static void test_bytes_that_are_no_http(void **state)
{
	struct api_env *t = env(state);
	static const char *const lines[] = {"\r\n\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
					    "GET / HTTP/9.9\r\n\r\n", "GET /api/version HTTP/1.1\r\n\r\n", "POST /api/apply HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO_CLOSE int fd = raw_connect(t);
		AUTO_BUF struct buf b = BUF_INIT(65536);
		raw_send(fd, lines[i]);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		assert_false(raw_until(fd, &b, "HTTP/1.1 2"));
	}
	AUTO_CLOSE int fd = raw_connect(t);
	AUTO_BUF struct buf b = BUF_INIT(65536), head = BUF_INIT(200000);
	assert_true(buf_puts(&head, "GET /api/version HTTP/1.1\r\nHost: localhost\r\n"));
	while (head.len < 100000)
		assert_true(buf_puts(&head, "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"));
	struct err e = ERR_INIT;
	const enum err_class cut = fs_write_all(fd, head.p, head.len, &e);
	assert_true(cut == OK || cut == TRANSIENT); /* it may be cut off in the middle */
	char byte;
	while (read(fd, &byte, 1) > 0)
		assert_true(buf_add(&b, &byte, 1));
	assert_null(strstr(buf_str(&b), "HTTP/1.1 2"));
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/healthz");
	assert_status(&c, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_needs_the_token),
		cmocka_unit_test(test_token_can_be_replaced),
		cmocka_unit_test(test_open_token_is_refused),
		cmocka_unit_test(test_host_must_be_local),
		cmocka_unit_test(test_browsers_are_refused),
		cmocka_unit_test(test_socket_knows_its_callers),
		cmocka_unit_test(test_paths_and_methods),
		cmocka_unit_test(test_every_get_answers_with_and_without_api),
		cmocka_unit_test(test_readyz_says_what_is_missing),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_broken_upload_leaves_nothing),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_bytes_that_are_no_http),
	};
	return cmocka_run_group_tests(tests, env_set_up, env_tear_down);
}
