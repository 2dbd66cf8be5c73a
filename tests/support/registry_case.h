/* Registries for tests: a real docker-registry and one that misbehaves (fake_registry.py), both private to the test program, and a cache. */
#ifndef FN_TESTS_REGISTRY_CASE_H
#define FN_TESTS_REGISTRY_CASE_H

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
#define PASSWORD "s3cr3t-canary"

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

static inline int free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static inline const char *support(struct fixture *f, const char *name)
{
	AUTO_FREE char *path = realpath(arena_printf(&f->a, "tests/support/%s", name), NULL);
	assert_non_null(path); /* tests run from the top of the tree */
	return arena_strdup(&f->a, path);
}

static inline void start_real(struct fixture *f)
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

static inline void start_fake(struct fixture *f)
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

static inline int setup(void **state)
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

static inline void end_process(pid_t pid, int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	(void)kill(pid, SIGKILL);
	assert_int_equal(poll(&ended, 1, START_MS), 1);
	(void)proc_reap(pid);
	(void)close(pidfd);
}

static inline int teardown(void **state)
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
static inline int fresh(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	f->cache.dir = arena_printf(&f->a, "%s/cache-%lld", f->home, (long long)clock_mono_ms());
	assert_int_equal(fs_remove_tree(f->cache.dir, &e), OK);
	assert_int_equal(cache_init(&f->cache, &e), OK);
	return 0;
}

static inline struct registry *client(const char *url, const char *auth_file, int64_t call_ms)
{
	struct err e = ERR_INIT;
	struct registry *r = NULL;
	const struct registry_opts o = { .url = url, .auth_file = auth_file, .call_ms = call_ms };
	assert_int_equal(registry_open(&o, &r, &e), OK);
	return r;
}

/* An image of one layer (any bytes do) in the cache. */
static inline struct digest make_image(struct fixture *f, const char *layer, const struct digest *base)
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

#define T(f) cmocka_unit_test_setup(f, fresh)

#endif
