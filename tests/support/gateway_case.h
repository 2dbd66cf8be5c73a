/* The gateway on a real HAProxy, for a test: in an own network namespace and FN_HOME (node_env.h), with small servers behind it. */
#ifndef FN_TESTS_GATEWAY_CASE_H
#define FN_TESTS_GATEWAY_CASE_H

#include "http_peer.h"

#include <sys/mman.h>

#include "node/gateway.h"
#include "node/network.h"

enum { WAIT_MS = 8000, TIMEOUT_MS = 1000 };
#define LOCAL "127.0.0.1"

struct gateway_case {
	struct node_env env;
	struct gateway *g;
	int changes;
};

static inline void gw_on_changed(void *ctx, bool up)
{
	struct gateway_case *t = ctx;
	(void)up;
	t->changes++;
}

static inline bool gw_is_up(void *arg)
{
	const struct gateway_case *t = arg;
	return gateway_up(t->g, NULL);
}

static inline bool gw_is_down(void *arg) { return !gw_is_up(arg); }

static inline void gw_open(struct gateway_case *t)
{
	struct err e = ERR_INIT;
	must(gateway_open(t->env.loop, &t->env.conf, gw_on_changed, t, &t->g, &e), e);
}

static inline void gw_open_and_wait(struct gateway_case *t)
{
	gw_open(t);
	env_wait_for(&t->env, "HAProxy answers", gw_is_up, t, WAIT_MS);
}

static inline int gw_set_up(void **state)
{
	struct gateway_case *t = xcalloc(1, sizeof *t);
	env_open(&t->env);
	/* In place of the network's link: what matters here is that the address exists. */
	env_ip((const char *const[]){"ip", "addr", "add", "169.254.77.1/32", "dev", "lo", NULL});
	*state = t;
	return 0;
}

static inline int gw_clean(void **state)
{
	struct gateway_case *t = *state;
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

static inline int gw_tear_down(void **state)
{
	struct gateway_case *t = *state;
	env_close(&t->env);
	free(t);
	return 0;
}

static inline pid_t gw_haproxy(const struct gateway_case *t)
{
	pid_t pid = 0;
	return gateway_up(t->g, &pid) ? pid : 0;
}

/* Routes with up to two hosts and two addresses, made in place. */
struct gw_route {
	const char *key, *release, *hosts[2], *addresses[2];
};

static inline struct gateway_served gw_served(const struct gw_route *s)
{
	static const char *const names[] = {"0123456789ab-0", "0123456789ab-1"};
	return (struct gateway_served){.release = s->release, .hosts = s->hosts, .names = names, .addresses = s->addresses,
				       .nhosts = (size_t)(s->hosts[0] != NULL) + (s->hosts[1] != NULL),
				       .ninstances = (size_t)(s->addresses[0] != NULL) + (s->addresses[1] != NULL),
				       .timeout_ms = TIMEOUT_MS};
}

static inline enum err_class gw_set_many(struct gateway_case *t, const struct gw_route *s, size_t n, struct err *e)
{
	struct gateway_route *r = xcalloc(n, sizeof *r);
	for (size_t i = 0; i < n; i++)
		r[i] = (struct gateway_route){.key = s[i].key, .epoch = 1, .main = gw_served(&s[i])};
	enum err_class c = gateway_set(t->g, r, n, e);
	free(r);
	return c;
}

static inline void gw_set_one(struct gateway_case *t, const char *key, const char *release, const char *host, const char *address)
{
	struct err e = ERR_INIT;
	struct gw_route s = {key, release, {host, NULL}, {address, NULL}};
	must(gw_set_many(t, &s, 1, &e), e);
}

static inline void gw_get(struct gateway_case *t, const char *host, const char *path, struct http_answer *r)
{
	http_request(LOCAL, t->env.conf.gateway_port, "GET", path, host, NULL, NULL, WAIT_MS, r);
}

static inline void gw_expect(struct gateway_case *t, const char *host, int status, const char *body)
{
	struct http_answer r;
	gw_get(t, host, "/", &r);
	assert_int_equal(r.error, 0);
	assert_int_equal(r.status, status);
	if (body && strcmp(r.body, body) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", host, r.body, body);
}

static inline bool gw_accepts(void *arg)
{
	const struct http_server *s = arg;
	int fd = env_connect(s->ip, s->port, 100);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static inline pid_t gw_serve(struct gateway_case *t, struct http_server *s)
{
	pid_t pid = env_start(NULL, http_serve, s);
	env_wait_for(&t->env, "the test's server listens", gw_accepts, s, WAIT_MS);
	return pid;
}

#define BLUE "127.0.0.2:8080"
#define GREEN "127.0.0.3:8080"

static inline pid_t gw_serve_blue(struct gateway_case *t)
{
	static struct http_server blue = {"127.0.0.2", "blue", 8080};
	return gw_serve(t, &blue);
}

static inline pid_t gw_serve_green(struct gateway_case *t)
{
	static struct http_server green = {"127.0.0.3", "green", 8080};
	return gw_serve(t, &green);
}

/* Load: what came back, shared by several processes. */
struct gw_tally {
	volatile int stop;
	int ok, refused, cut, wrong, torn;
};

static inline struct gw_tally *gw_tally_new(void)
{
	FILE *f = tmpfile();
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), sizeof(struct gw_tally)), 0);
	struct gw_tally *y = mmap(NULL, sizeof *y, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	assert_true(y != MAP_FAILED);
	(void)fclose(f); /* the mapping keeps the file */
	return y;
}

struct gw_load {
	struct gw_tally *tally;
	int port;
};

static inline int gw_ask_on(void *arg)
{
	const struct gw_load *l = arg;
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

struct gw_more {
	const struct gw_tally *tally;
	int than;
};

static inline bool gw_more_answers(void *arg)
{
	const struct gw_more *m = arg;
	return __atomic_load_n(&m->tally->ok, __ATOMIC_RELAXED) > m->than;
}

static inline void gw_wait_for_answers(struct gateway_case *t, struct gw_tally *y, int n)
{
	struct gw_more m = {y, y->ok + n};
	env_wait_for(&t->env, "answers under load", gw_more_answers, &m, WAIT_MS);
}

#define GW_TEST(f) cmocka_unit_test_teardown(f, gw_clean)

#endif
