/* The gateway on a real HAProxy: routes that change, and those that somebody else changed. */
#include "gateway_case.h"

#include "node/gateway_cli.h"

/* Two functions are switched together, over and over. Whoever sees the new one of the first must see the new one of the second
 * when asking later. */
static int ask_in_turn(void *arg)
{
	const struct gw_load *l = arg;
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
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t), loaders[2];
	gw_open_and_wait(t);
	struct gw_route old[2] = {{"k/p/a/dev", "a1", {"a.dev.fn.localhost", NULL}, {BLUE, NULL}},
				{"k/p/c/dev", "c1", {"c.dev.fn.localhost", NULL}, {BLUE, NULL}}};
	struct gw_route new[2] = {{"k/p/a/dev", "a2", {"a.dev.fn.localhost", NULL}, {GREEN, NULL}},
				{"k/p/c/dev", "c2", {"c.dev.fn.localhost", NULL}, {GREEN, NULL}}};
	for (int round = 0; round < 5; round++) {
		must(gw_set_many(t, old, 2, &e), e);
		struct gw_tally *y = gw_tally_new();
		struct gw_load l = {y, t->env.conf.gateway_port};
		for (int i = 0; i < 2; i++)
			loaders[i] = env_start(NULL, ask_in_turn, &l);
		gw_wait_for_answers(t, y, 20);
		must(gw_set_many(t, new, 2, &e), e);
		gw_wait_for_answers(t, y, 20);
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
	struct gateway_case *t = *state;
	enum { MANY = 10000 };
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t);
	gw_open_and_wait(t);
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct gw_route *s = arena_array(&a, MANY, sizeof *s);
	for (int i = 0; i < MANY; i++)
		s[i] = (struct gw_route){arena_printf(&a, "k/p/f%d/dev", i), arena_printf(&a, "r%d", i),
				       {arena_printf(&a, "f%d.dev.fn.localhost", i), NULL}, {BLUE, NULL}};
	must(gw_set_many(t, s, MANY, &e), e);
	gw_expect(t, "f0.dev.fn.localhost", 200, "blue");
	gw_expect(t, "f9999.dev.fn.localhost", 200, "blue");
	int64_t begin = clock_mono_ms();
	gw_set_one(t, "k/p/f77/dev", "r77b", "f77.dev.fn.localhost", GREEN);
	print_message("one switch among %d routes: %lld ms\n", MANY, (long long)(clock_mono_ms() - begin));
	gw_expect(t, "f77.dev.fn.localhost", 200, "green");
	bool mended = true;
	must(gateway_repair(t->g, &mended, &e), e);
	assert_false(mended);
	/* All of them from the files, too. */
	assert_int_equal(kill(gw_haproxy(t), SIGKILL), 0);
	env_wait_for(&t->env, "HAProxy has ended", gw_is_down, t, WAIT_MS);
	env_wait_for(&t->env, "HAProxy answers again", gw_is_up, t, WAIT_MS);
	gw_expect(t, "f77.dev.fn.localhost", 200, "green");
	env_stop(b);
	env_stop(g);
}

static void nothing_changes_when_one_route_is_refused(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
	struct gw_route s[2] = {{"k/p/hello/dev", "r2", {"hello.dev.fn.localhost", NULL}, {GREEN, NULL}},
			      {"k/p/other/dev", "r1", {"other.dev.example.com", NULL}, {BLUE, NULL}}};
	assert_int_equal(gw_set_many(t, s, 2, &e), INVALID);
	assert_string_equal(e.reason, "InvalidName");
	s[1].hosts[0] = "hello.dev.fn.localhost";
	assert_int_equal(gw_set_many(t, s, 2, &e), INVALID);
	assert_string_equal(e.reason, "DuplicateKey");
	gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
	gateway_free(t->g);
	gw_open_and_wait(t);
	gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
	env_stop(b);
}

static void by_hand(struct gateway_case *t, const char *line)
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
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t);
	gw_open_and_wait(t);
	gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
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
		gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
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

/* A key's route with a release beside it; main or beside NULL: none. */
static enum err_class set_beside(struct gateway_case *t, const struct gw_route *main, const struct gw_route *beside, struct err *e)
{
	static const struct gw_route none = {.release = ""};
	const struct gateway_served other = gw_served(beside ? beside : &none);
	const struct gateway_route r = {.key = "k/p/hello/dev", .epoch = 1, .main = gw_served(main ? main : &none), .beside = &other,
					.nbeside = beside != NULL};
	return gateway_set(t->g, &r, 1, e);
}

static void releases_beside_a_keys_own_are_reached_at_their_hosts(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t);
	struct gw_route main = {NULL, "r2", {"hello.dev.fn.localhost", NULL}, {BLUE, NULL}};
	struct gw_route beside = {NULL, "r1", {"hello--r1.dev.fn.localhost", "hello--v1.dev.fn.localhost"}, {GREEN, NULL}};
	gw_open_and_wait(t);
	must(set_beside(t, &main, &beside, &e), e);
	for (int round = 0; round < 2; round++) {
		gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
		gw_expect(t, "hello--r1.dev.fn.localhost", 200, "green");
		gw_expect(t, "hello--v1.dev.fn.internal", 200, "green");
		bool mended = true;
		must(gateway_repair(t->g, &mended, &e), e);
		assert_false(mended);
		/* All of it from the description, and from the files. */
		gateway_free(t->g);
		t->g = NULL;
		if (round == 0)
			must(gateway_teardown(&t->env.conf, &e), e);
		gw_open_and_wait(t);
	}
	by_hand(t, "del map hosts.map hello--v1.dev");
	bool mended = false;
	must(gateway_repair(t->g, &mended, &e), e);
	assert_true(mended);
	gw_expect(t, "hello--v1.dev.fn.localhost", 200, "green");
	AUTO_JSON json_t *routes = gateway_routes(t->g, "k/p/hello/dev");
	const json_t *shown = json_array_get(json_object_get(json_array_get(routes, 0), "beside"), 0);
	assert_string_equal(json_str_or(shown, "release", ""), "r1");
	assert_int_equal(json_array_size(json_object_get(shown, "hosts")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(shown, "instances"), 0)), "0123456789ab-0");

	must(set_beside(t, NULL, &beside, &e), e); /* nothing serves under the key's own name */
	gw_expect(t, "hello.dev.fn.localhost", 404, NULL);
	gw_expect(t, "hello--r1.dev.fn.localhost", 200, "green");
	must(set_beside(t, &main, NULL, &e), e);
	gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
	gw_expect(t, "hello--r1.dev.fn.localhost", 404, NULL);
	must(set_beside(t, NULL, NULL, &e), e);
	gw_expect(t, "hello.dev.fn.localhost", 404, NULL);
	AUTO_JSON json_t *none = gateway_routes(t->g, NULL);
	assert_int_equal(json_array_size(none), 0);
	env_stop(b);
	env_stop(g);
}

/* Whoever sees the first of many hosts beside at its new release must see the key's own host at its new one when asking later. */
static int ask_beside(void *arg)
{
	const struct gw_load *l = arg;
	static struct http_answer own, beside;
	while (!l->tally->stop) {
		http_request(LOCAL, l->port, "GET", "/", "hello--w0.dev.fn.localhost", NULL, NULL, WAIT_MS, &beside);
		http_request(LOCAL, l->port, "GET", "/", "hello.dev.fn.localhost", NULL, NULL, WAIT_MS, &own);
		if (own.status != 200 || beside.status != 200)
			__atomic_add_fetch(&l->tally->wrong, 1, __ATOMIC_RELAXED);
		else if (strcmp(beside.body, "blue") == 0 && strcmp(own.body, "green") != 0)
			__atomic_add_fetch(&l->tally->torn, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&l->tally->ok, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void what_is_beside_switches_with_the_keys_own(void **state)
{
	struct gateway_case *t = *state;
	enum { MANY = 2000 }; /* so many that one after the other would take a while */
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t), loaders[2];
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char **hosts = arena_array(&a, MANY, sizeof *hosts);
	for (int i = 0; i < MANY; i++)
		hosts[i] = arena_printf(&a, "hello--w%d.dev.fn.localhost", i);
	struct gw_route routes[2] = {{NULL, "r1", {"hello.dev.fn.localhost", NULL}, {BLUE, NULL}},
				     {NULL, "r2", {"hello.dev.fn.localhost", NULL}, {GREEN, NULL}}};
	const struct gateway_served own[2] = {gw_served(&routes[0]), gw_served(&routes[1])};
	gw_open_and_wait(t);
	for (int round = 0; round < 5; round++) {
		struct gateway_served beside = own[1];
		struct gateway_route r = {.key = "k/p/hello/dev", .epoch = 1, .main = own[0], .beside = &beside, .nbeside = 1};
		beside.hosts = hosts;
		beside.nhosts = MANY;
		must(gateway_set(t->g, &r, 1, &e), e);
		struct gw_tally *y = gw_tally_new();
		struct gw_load l = {y, t->env.conf.gateway_port};
		for (int i = 0; i < 2; i++)
			loaders[i] = env_start(NULL, ask_beside, &l);
		gw_wait_for_answers(t, y, 20);
		beside = own[0];
		beside.hosts = hosts;
		beside.nhosts = MANY;
		r.main = own[1];
		must(gateway_set(t->g, &r, 1, &e), e);
		gw_wait_for_answers(t, y, 20);
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
static void wait_for_addresses(struct gateway_case *t, size_t n)
{
	AUTO_FREE char *dir = xprintf("%s/gateway", t->env.home);
	AUTO_CLOSE int dirfd = open(dir, O_PATH | O_CLOEXEC);
	struct addresses a = {dirfd, n, 0};
	env_wait_for(&t->env, "stale addresses are removed", so_many_addresses, &a, WAIT_MS);
	assert_int_equal(a.have, n);
}

static void stale_addresses_go_a_while_later(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	gw_open_and_wait(t);
	for (int i = 0; i < 3; i++) {
		AUTO_FREE char *release = xprintf("r%d", i);
		gw_set_one(t, "k/p/hello/dev", release, "hello.dev.fn.localhost", i % 2 ? GREEN : BLUE);
		bool mended = true;
		must(gateway_repair(t->g, &mended, &e), e); /* what waits to be removed is nothing wrong */
		assert_false(mended);
	}
	wait_for_addresses(t, 1);
}

/* A rollback right after a deploy: the addresses of the first are still there, and must stay. */
static void a_release_that_comes_back_at_once_keeps_its_addresses(void **state)
{
	struct gateway_case *t = *state;
	struct err e = ERR_INIT;
	pid_t b = gw_serve_blue(t), g = gw_serve_green(t);
	gw_open_and_wait(t);
	for (int round = 0; round < 2; round++) {
		gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
		gw_set_one(t, "k/p/hello/dev", "r2", "hello.dev.fn.localhost", GREEN);
		gw_set_one(t, "k/p/hello/dev", "r1", "hello.dev.fn.localhost", BLUE);
		bool mended = true;
		must(gateway_repair(t->g, &mended, &e), e);
		assert_false(mended);
		wait_for_addresses(t, 1);
		gw_expect(t, "hello.dev.fn.localhost", 200, "blue");
		must(gateway_repair(t->g, &mended, &e), e);
		assert_false(mended);
	}
	env_stop(b);
	env_stop(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GW_TEST(a_set_switches_at_once_and_fails_no_request),
		GW_TEST(ten_thousand_routes_work),
		GW_TEST(nothing_changes_when_one_route_is_refused),
		GW_TEST(what_somebody_changed_by_hand_is_mended),
		GW_TEST(releases_beside_a_keys_own_are_reached_at_their_hosts),
		GW_TEST(what_is_beside_switches_with_the_keys_own),
		GW_TEST(stale_addresses_go_a_while_later),
		GW_TEST(a_release_that_comes_back_at_once_keeps_its_addresses),
	};
	return cmocka_run_group_tests(tests, gw_set_up, gw_tear_down);
}
