/* The registry client against a real docker-registry, and against one that misbehaves in each way we know of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "net/http.h"
#include "reconcilers/providers/image.h"
#include "reconcilers/providers/oci.h"
#include "reconcilers/providers/registry.h"

enum { START_MS = 15000, CALL_MS = 5000, STALL_MS = 300 };
static const char PASSWORD[] = "s3cr3t-canary";

struct fixture {
	char home[48];
	struct arena a;
	struct cache cache;
	const char *real, *fake, *auth_file; /* URLs */
	int fake_port, other_port, tls_port;
	struct digest fake_image;
	pid_t registry, faker;
	int registry_fd, faker_fd, faker_in;
};

static int free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static const char *support(struct fixture *f, const char *name)
{
	AUTO_FREE char *path = realpath(arena_printf(&f->a, "tests/support/%s", name), NULL);
	assert_non_null(path); /* tests run from the top of the tree */
	return arena_strdup(&f->a, path);
}

static void start_real(struct fixture *f)
{
	int port = free_port();
	const char *argv[] = { "bash", support(f, "registry.sh"), "serve", arena_printf(&f->a, "%s/registry", f->home),
			       arena_printf(&f->a, "%d", port), "user", PASSWORD, NULL };
	AUTO_CLOSE int log = open(arena_printf(&f->a, "%s/registry.log", f->home), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct proc_spec s = { .argv = argv, .in = -1, .out = log, .err = log, .die_with_parent = true };
	struct err e = ERR_INIT;
	assert_int_equal(proc_spawn(&s, &f->registry, &f->registry_fd, &e), OK);
	f->real = arena_printf(&f->a, "http://127.0.0.1:%d", port);
	struct http_opts o = { .base = f->real };
	struct http *http = NULL;
	assert_int_equal(http_open(&o, &http, &e), OK);
	struct http_request q = { .path = "/v2/" };
	int status = 0;
	for (int64_t until = clock_mono_ms() + START_MS; http_do(http, &q, &status, &e) != OK;) {
		struct pollfd ended = { .fd = f->registry_fd, .events = POLLIN };
		assert_int_equal(poll(&ended, 1, 20), 0);
		assert_true(clock_mono_ms() < until);
	}
	assert_int_equal(status, 401);
	http_free(http);
}

static void start_fake(struct fixture *f)
{
	const char *argv[] = { "python3", support(f, "fake_registry.py"), f->home, NULL };
	int in[2], out[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	struct proc_spec s = { .argv = argv, .in = in[0], .out = out[1], .err = STDERR_FILENO, .die_with_parent = true };
	struct err e = ERR_INIT;
	assert_int_equal(proc_spawn(&s, &f->faker, &f->faker_fd, &e), OK);
	(void)close(in[0]);
	(void)close(out[1]);
	f->faker_in = in[1];
	char line[200] = "", digest[100] = "";
	struct pollfd ready = { .fd = out[0], .events = POLLIN };
	assert_int_equal(poll(&ready, 1, START_MS), 1);
	assert_true(read(out[0], line, sizeof line - 1) > 0);
	(void)close(out[0]);
	assert_int_equal(sscanf(line, "%d %d %d %99s", &f->fake_port, &f->other_port, &f->tls_port, digest), 4);
	assert_true(digest_parse(digest, &f->fake_image));
	f->fake = arena_printf(&f->a, "http://127.0.0.1:%d", f->fake_port);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct err e = ERR_INIT;
	(void)strcpy(f->home, "/tmp/fn-registry.XXXXXX");
	assert_non_null(mkdtemp(f->home));
	f->auth_file = arena_printf(&f->a, "%s/auth", f->home);
	AUTO_FREE char *line = xprintf("user:%s\n", PASSWORD);
	assert_int_equal(fs_write_atomic(f->auth_file, line, strlen(line), 0600, false, &e), OK);
	start_real(f);
	start_fake(f);
	*state = f;
	return 0;
}

static void end_process(pid_t pid, int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	(void)kill(pid, SIGKILL);
	assert_int_equal(poll(&ended, 1, START_MS), 1);
	(void)proc_reap(pid);
	(void)close(pidfd);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	end_process(f->registry, f->registry_fd);
	end_process(f->faker, f->faker_fd);
	(void)close(f->faker_in);
	assert_int_equal(fs_remove_tree(f->home, &e), OK);
	arena_release(&f->a);
	free(f);
	return 0;
}

/* A fresh cache for each test. */
static int fresh(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	f->cache.dir = arena_printf(&f->a, "%s/cache-%lld", f->home, (long long)clock_mono_ms());
	assert_int_equal(fs_remove_tree(f->cache.dir, &e), OK);
	assert_int_equal(cache_init(&f->cache, &e), OK);
	return 0;
}

static struct registry *client(const char *url, const char *auth_file, int64_t call_ms)
{
	struct err e = ERR_INIT;
	struct registry *r = NULL;
	const struct registry_opts o = { .url = url, .auth_file = auth_file, .call_ms = call_ms };
	assert_int_equal(registry_open(&o, &r, &e), OK);
	return r;
}

/* An image of one layer (any bytes do) in the cache. */
static struct digest make_image(struct fixture *f, const char *layer, const struct digest *base)
{
	static const char *const command[] = { "/app/run", NULL };
	struct err e = ERR_INIT;
	struct digest d, image;
	assert_int_equal(cache_put(&f->cache, layer, strlen(layer), &d, &e), OK);
	struct image_spec s = { .base = base, .layer = d, .diff_id = digest_of_str("diff"), .layer_size = strlen(layer), .command = command,
				.workdir = "/app", .port = 8080, .user = "65534:65534" };
	assert_int_equal(image_write(&f->cache, &s, &image, &e), OK);
	return image;
}

/* ---- a real registry ---- */

static void push_head_pull_delete(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	struct digest base = make_image(f, "base layer", NULL), image = make_image(f, "function layer", &base), there;
	char text[DIGEST_TEXT];
	bool found = true;
	assert_int_equal(registry_head(r, "functions/shop/hello", "v1", &found, &there, &e), OK);
	assert_false(found);
	assert_int_equal(registry_push(r, "base/test", "v1", NULL, &base, &f->cache, &e), OK);
	assert_int_equal(registry_push(r, "functions/shop/hello", "v1", "base/test", &image, &f->cache, &e), OK);
	assert_int_equal(registry_push(r, "functions/shop/hello", "v1", "base/test", &image, &f->cache, &e), OK);
	assert_int_equal(registry_head(r, "functions/shop/hello", "v1", &found, &there, &e), OK);
	assert_true(found);
	assert_true(digest_eq(&there, &image));
	struct cache other = { arena_printf(&f->a, "%s/other", f->home) };
	assert_int_equal(cache_init(&other, &e), OK);
	assert_int_equal(registry_pull(r, "functions/shop/hello", &image, &other, &e), OK);
	struct oci_manifest m;
	assert_int_equal(oci_load(&other, &image, &f->a, &m, &e), OK);
	assert_int_equal(m.nlayers, 2);
	for (size_t i = 0; i < m.nlayers; i++)
		assert_true(cache_has(&other, &m.layers[i].digest, NULL));
	assert_int_equal(registry_delete(r, "functions/shop/hello", &image, &e), OK);
	assert_int_equal(registry_delete(r, "functions/shop/hello", &image, &e), OK);
	assert_int_equal(registry_head(r, "functions/shop/hello", digest_text(&image, text), &found, &there, &e), OK);
	assert_false(found);
	/* healed from the cache */
	assert_int_equal(registry_push(r, "functions/shop/hello", "v1", "base/test", &image, &f->cache, &e), OK);
	assert_int_equal(registry_head(r, "functions/shop/hello", digest_text(&image, text), &found, &there, &e), OK);
	assert_true(found);
	registry_free(r);
}

static void a_large_layer_goes_and_comes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	size_t n = 8 << 20;
	char *big = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		big[i] = (char)('a' + i * 2654435761U % 26);
	big[n] = '\0';
	struct digest image = make_image(f, big, NULL);
	assert_int_equal(registry_push(r, "large/one", "v1", NULL, &image, &f->cache, &e), OK);
	assert_int_equal(registry_push(r, "large/two", "v1", "large/one", &image, &f->cache, &e), OK);
	struct cache other = { arena_printf(&f->a, "%s/large", f->home) };
	assert_int_equal(cache_init(&other, &e), OK);
	assert_int_equal(registry_pull(r, "large/two", &image, &other, &e), OK);
	registry_free(r);
	free(big);
}

static void a_blob_in_no_cache_cannot_be_pushed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	struct digest image = make_image(f, "to be lost", NULL), layer = digest_of_str("to be lost");
	cache_drop(&f->cache, &layer);
	assert_int_equal(registry_push(r, "lost/x", "v1", NULL, &image, &f->cache, &e), TRANSIENT);
	assert_string_equal(e.reason, "ImageMissing");
	registry_free(r);
}

static void a_spoilt_blob_is_dropped_not_pushed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	struct digest image = make_image(f, "good bytes", NULL), layer = digest_of_str("good bytes");
	AUTO_CLOSE int fd = open(cache_path(&f->cache, &f->a, &layer), O_WRONLY);
	assert_int_equal(write(fd, "b", 1), 1);
	assert_int_equal(registry_push(r, "spoilt/x", "v1", NULL, &image, &f->cache, &e), TRANSIENT);
	assert_string_equal(e.reason, "DigestMismatch");
	assert_false(cache_has(&f->cache, &layer, NULL));
	registry_free(r);
}

static void wrong_credentials_are_denied_and_not_told(void **state)
{
	struct fixture *f = *state;
	const char *wrong = arena_printf(&f->a, "%s/wrong", f->home), *broken = arena_printf(&f->a, "%s/broken", f->home);
	struct err e = ERR_INIT;
	assert_int_equal(fs_write_atomic(wrong, "user:wrong-canary", 17, 0600, false, &e), OK);
	assert_int_equal(fs_write_atomic(broken, "broken-canary", 13, 0600, false, &e), OK);
	const char *files[] = { wrong, broken, arena_printf(&f->a, "%s/absent", f->home), NULL };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct registry *r = client(f->real, files[i], CALL_MS);
		bool found;
		struct digest d;
		e = (struct err)ERR_INIT;
		assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), DENIED);
		assert_string_equal(e.reason, "RegistryDenied");
		assert_null(strstr(e.msg, "canary"));
		registry_free(r);
	}
}

static void the_credentials_file_is_read_at_each_use(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const char *path = arena_printf(&f->a, "%s/rotating", f->home);
	AUTO_FREE char *line = xprintf("user:%s", PASSWORD);
	bool found;
	struct digest d;
	assert_int_equal(fs_write_atomic(path, "user:old", 8, 0600, false, &e), OK);
	struct registry *r = client(f->real, path, CALL_MS);
	assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), DENIED);
	assert_int_equal(fs_write_atomic(path, line, strlen(line), 0600, false, &e), OK);
	assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), OK);
	assert_false(found);
	registry_free(r);
}

static void nobody_there(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	bool found;
	struct digest d;
	struct registry *r = client(arena_printf(&f->a, "http://127.0.0.1:%d", free_port()), f->auth_file, CALL_MS);
	assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), TRANSIENT);
	assert_string_equal(e.reason, "RegistryUnavailable");
	registry_free(r);
	const struct registry_opts bad = { .url = "http://user:canary@127.0.0.1" };
	assert_int_equal(registry_open(&bad, &r, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	assert_null(strstr(e.msg, "canary"));
}

static void names_that_are_not_repositories(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", "../x", "a/../../b", "A", "a?b", "a b", "a#b", "/a" };
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		bool found;
		struct digest d = digest_of_str("x");
		assert_int_equal(registry_head(r, bad[i], "v1", &found, &d, &e), INVALID);
		assert_string_equal(e.reason, "InvalidName");
		assert_int_equal(registry_delete(r, bad[i], &d, &e), INVALID);
		assert_int_equal(registry_pull(r, bad[i], &d, &f->cache, &e), INVALID);
		assert_int_equal(registry_push(r, "ok", "v1", bad[i], &d, &f->cache, &e), INVALID);
	}
	registry_free(r);
}

/* ---- one that misbehaves ---- */

/* Every failure of the fake, whatever the call: no secret and no body in the message. */
static void assert_failure(enum err_class got, const struct err *e, enum err_class class, const char *reason)
{
	if (got != class || strcmp(e->reason, reason) != 0)
		fail_msg("%s %s: %s", err_class_name(got), e->reason, e->msg);
	assert_null(strstr(e->msg, "canary"));
}

static void heads_that_fail(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *repo;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ "s500/x", TRANSIENT, "RegistryUnavailable" }, { "s503/x", TRANSIENT, "RegistryUnavailable" },
		{ "s429/x", TRANSIENT, "RegistryUnavailable" }, { "s401/x", DENIED, "RegistryDenied" },
		{ "s403/x", DENIED, "RegistryDenied" },         { "s418/x", TRANSIENT, "RegistryProtocol" },
		{ "stall/x", TRANSIENT, "RegistryUnavailable" }, { "hangup/x", TRANSIENT, "RegistryUnavailable" },
		{ "redirectall/x", TRANSIENT, "RegistryProtocol" }, { "wronghead/x", TRANSIENT, "DigestMismatch" },
		{ "evil/x", DENIED, "RegistryDenied" },
	};
	char text[DIGEST_TEXT];
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct registry *r = client(f->fake, f->auth_file, STALL_MS);
		struct err e = ERR_INIT;
		struct digest d;
		bool found = true;
		assert_failure(registry_head(r, table[i].repo, digest_text(&f->fake_image, text), &found, &d, &e), &e, table[i].class,
			       table[i].reason);
		registry_free(r);
	}
}

static void pulls_that_fail(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *repo;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ "wrongmanifest/x", TRANSIENT, "DigestMismatch" }, { "wronghead/x", TRANSIENT, "DigestMismatch" },
		{ "wrongblob/x", TRANSIENT, "DigestMismatch" },     { "longblob/x", TRANSIENT, "DigestMismatch" },
		{ "shortblob/x", TRANSIENT, "DigestMismatch" },     { "truncated/x", TRANSIENT, "RegistryUnavailable" },
		{ "stallblob/x", TRANSIENT, "RegistryUnavailable" }, { "nolayer/x", INVALID, "ImageMissing" },
		{ "loop/x", TRANSIENT, "RegistryProtocol" },        { "s500/x", TRANSIENT, "RegistryUnavailable" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct registry *r = client(f->fake, f->auth_file, STALL_MS);
		struct err e = ERR_INIT;
		assert_failure(registry_pull(r, table[i].repo, &f->fake_image, &f->cache, &e), &e, table[i].class, table[i].reason);
		assert_false(cache_has(&f->cache, &f->fake_image, NULL)); /* comes last */
		registry_free(r);
		(void)fresh(state);
	}
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct err e = ERR_INIT;
	struct digest absent = digest_of_str("absent");
	assert_failure(registry_pull(r, "good/x", &absent, &f->cache, &e), &e, INVALID, "ImageMissing");
	registry_free(r);
}

static void a_docker_image_is_pulled_and_extended(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS), *real = client(f->real, f->auth_file, CALL_MS);
	assert_int_equal(registry_pull(r, "good/x", &f->fake_image, &f->cache, &e), OK);
	struct digest image = make_image(f, "on docker", &f->fake_image);
	assert_int_equal(registry_push(real, "on/docker", "v1", NULL, &image, &f->cache, &e), OK);
	registry_free(r);
	registry_free(real);
}

static void a_head_without_digest_is_counted(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct digest d;
	bool found = false;
	assert_int_equal(registry_head(r, "nodigest/x", "v1", &found, &d, &e), OK);
	assert_true(found);
	assert_true(digest_eq(&d, &f->fake_image));
	registry_free(r);
}

/* What the fake saw of requests to a repository, and of both origins. */
struct seen {
	int count, posts, puts, heads, elsewhere, basic_elsewhere, bearer;
};
static struct seen requests_of(struct fixture *f, const char *mode)
{
	struct err e = ERR_INIT;
	struct http *http = NULL;
	struct http_opts o = { .base = f->fake };
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	AUTO_JSON json_t *log = NULL;
	int status = 0;
	struct seen s = { 0 };
	assert_int_equal(http_open(&o, &http, &e), OK);
	struct http_request q = { .path = "/_log", .out = &b };
	assert_int_equal(http_do(http, &q, &status, &e), OK);
	http_free(http);
	assert_int_equal(json_parse(buf_str(&b), b.len, &log, &e), OK);
	const char *prefix = arena_printf(&f->a, "/v2/%s/", mode);
	size_t i;
	json_t *j;
	json_array_foreach(log, i, j) {
		int port = (int)json_integer_value(json_array_get(j, 0));
		const char *method = json_string_value(json_array_get(j, 1)), *path = json_string_value(json_array_get(j, 2));
		const char *auth = json_string_value(json_array_get(j, 3));
		bool other = port == f->other_port;
		s.elsewhere += other;
		s.basic_elsewhere += other && auth && strstr(path, "/token") == NULL;
		if (strncmp(path, prefix, strlen(prefix)) != 0)
			continue;
		s.count++;
		s.posts += strcmp(method, "POST") == 0;
		s.puts += strcmp(method, "PUT") == 0;
		s.heads += strcmp(method, "HEAD") == 0;
		s.bearer += auth && strcmp(auth, "Bearer token-canary") == 0;
	}
	return s;
}

static void pushes_that_work(void **state)
{
	struct fixture *f = *state;
	static const char *const repos[] = { "push/x", "nomount/x", "falsehead/x", "absolute/x", "bearer/x" };
	struct digest image = make_image(f, "a layer", NULL), there;
	for (size_t i = 0; i < ARRAY_LEN(repos); i++) {
		struct registry *r = client(f->fake, f->auth_file, CALL_MS);
		struct err e = ERR_INIT;
		bool found = false;
		enum err_class c = registry_push(r, repos[i], "v1", "push/base", &image, &f->cache, &e);
		if (c)
			fail_msg("%s: %s", repos[i], e.msg);
		assert_int_equal(registry_head(r, repos[i], "v1", &found, &there, &e), OK);
		assert_true(found);
		assert_true(digest_eq(&there, &image));
		registry_free(r);
	}
	/* HEAD; POST + PUT for the layer and for the config; PUT of the manifest; the test's own HEAD */
	assert_int_equal(requests_of(f, "push/x").count, 7);
	assert_int_equal(requests_of(f, "push/x").heads, 2);
	/* a refused mount is asked for again without it */
	assert_int_equal(requests_of(f, "nomount/x").posts, 4);
	/* the false "already there": both blobs sent after all, the manifest twice */
	assert_int_equal(requests_of(f, "falsehead/x").posts, 4);
	assert_int_equal(requests_of(f, "falsehead/x").puts, 4);
	assert_true(requests_of(f, "bearer/x").bearer > 0);
}

static void a_base_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct digest base = make_image(f, "a base", NULL), one = make_image(f, "on it", &base), two = make_image(f, "on it, again", &base);
	assert_int_equal(registry_push(r, "push/seen", "v1", "push/base", &one, &f->cache, &e), OK);
	int before = requests_of(f, "push/seen").count;
	assert_int_equal(before, 8); /* HEAD, three blobs of two requests, PUT */
	assert_int_equal(registry_push(r, "push/seen", "v2", "push/base", &two, &f->cache, &e), OK);
	assert_int_equal(requests_of(f, "push/seen").count - before, 6);
	registry_free(r);
}

static void pushes_that_fail(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *repo;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ "liar/x", TRANSIENT, "RegistryProtocol" },       { "wrongput/x", TRANSIENT, "DigestMismatch" },
		{ "badlocation/x", TRANSIENT, "RegistryProtocol" }, { "s403/x", DENIED, "RegistryDenied" },
		{ "s500/x", TRANSIENT, "RegistryUnavailable" },
		{ "baddigest/x", TRANSIENT, "DigestMismatch" }, /* last: the blob is dropped from the cache */
	};
	struct digest image = make_image(f, "another layer", NULL);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct registry *r = client(f->fake, f->auth_file, STALL_MS);
		struct err e = ERR_INIT;
		assert_failure(registry_push(r, table[i].repo, "v1", NULL, &image, &f->cache, &e), &e, table[i].class, table[i].reason);
		registry_free(r);
	}
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct err e = ERR_INIT;
	assert_failure(registry_delete(r, "push/x", &image, &e), &e, DENIED, "RegistryDenied");
	registry_free(r);
}

static void credentials_stay_with_their_origin(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	assert_int_equal(registry_pull(r, "redirect/x", &f->fake_image, &f->cache, &e), OK);
	struct digest image = make_image(f, "one more layer", NULL);
	assert_int_equal(registry_push(r, "absolute/y", "v1", NULL, &image, &f->cache, &e), OK);
	registry_free(r);
	assert_true(requests_of(f, "redirect/x").elsewhere > 0);
	assert_int_equal(requests_of(f, "redirect/x").basic_elsewhere, 0);
}

static enum err_class get_tls(struct fixture *f, const char *host, const char *ca_file, struct err *e)
{
	struct http *h = NULL;
	const struct http_opts o = { .base = arena_printf(&f->a, "https://%s:%d", host, f->tls_port), .ca_file = ca_file,
				     .unavailable = R_RegistryUnavailable, .denied = R_RegistryDenied, .protocol = R_RegistryProtocol };
	struct http_request q = { .path = "/v2/" };
	int status = 0;
	assert_int_equal(http_open(&o, &h, e), OK);
	enum err_class c = http_do(h, &q, &status, e);
	http_free(h);
	return c;
}

static void certificates_are_verified(void **state)
{
	struct fixture *f = *state;
	const char *ca = arena_printf(&f->a, "%s/cert.pem", f->home);
	struct err e = ERR_INIT;
	assert_int_equal(get_tls(f, "127.0.0.1", ca, &e), OK);
	assert_failure(get_tls(f, "127.0.0.1", NULL, &e), &e, DENIED, "RegistryDenied"); /* nobody vouches for it */
	assert_failure(get_tls(f, "localhost", ca, &e), &e, DENIED, "RegistryDenied");   /* another name */
	assert_failure(get_tls(f, "127.0.0.1", "/nonexistent", &e), &e, DENIED, "RegistryDenied");
}

static void what_the_cache_has_is_not_fetched(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	assert_int_equal(registry_pull(r, "good/once", &f->fake_image, &f->cache, &e), OK);
	int before = requests_of(f, "good/once").count;
	assert_int_equal(before, 3);
	assert_int_equal(registry_pull(r, "good/once", &f->fake_image, &f->cache, &e), OK);
	assert_int_equal(requests_of(f, "good/once").count, before);
	registry_free(r);
}

#define T(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(push_head_pull_delete), T(a_large_layer_goes_and_comes), T(a_blob_in_no_cache_cannot_be_pushed),
		T(a_spoilt_blob_is_dropped_not_pushed), T(wrong_credentials_are_denied_and_not_told),
		T(the_credentials_file_is_read_at_each_use), T(nobody_there), T(names_that_are_not_repositories), T(heads_that_fail),
		T(pulls_that_fail), T(a_docker_image_is_pulled_and_extended), T(a_head_without_digest_is_counted), T(pushes_that_work),
		T(a_base_is_not_asked_for_again),
		T(pushes_that_fail), T(credentials_stay_with_their_origin), T(what_the_cache_has_is_not_fetched),
		T(certificates_are_verified),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
