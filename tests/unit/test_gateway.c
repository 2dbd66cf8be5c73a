/* The gateway's pure parts: what HAProxy is told, and how its answers are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "node/gateway_config.h"
#include "node/gateway_map.h"
#include "node/gateway_routes.h"
#include "node/gateway_stats.h"

static const struct conf conf = {.home = "/var/lib/fn", .instance = "fn", .domain = "fn.localhost", .gateway_port = 7380};

static void connections_follow_the_limit_of_open_files(void **state)
{
	(void)state;
	assert_int_equal(gateway_maxconn(20000), 9900);
	assert_int_equal(gateway_maxconn(1024), 412);
	assert_int_equal(gateway_maxconn(10), 100);
	assert_int_equal(gateway_maxconn(1 << 20), 65536);
	assert_int_equal(gateway_maxconn(UINT64_MAX), 65536);
}

static void the_configuration_holds_what_differs_between_installations(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *text = gateway_config(&conf, 2, 9900, &a);
	assert_non_null(strstr(text, "\tchroot \"/var/lib/fn/gateway/empty\"\n"));
	assert_non_null(strstr(text, "\tmaxconn 9900\n"));
	assert_non_null(strstr(text, "\tnbthread 2\n"));
	assert_non_null(strstr(text, "(fn\\.localhost|fn\\.internal)$")); /* a dot is a dot */
	assert_non_null(strstr(text, "-m end .fn.localhost .fn.internal"));
	assert_non_null(strstr(text, "\tretry-on conn-failure\n")); /* no request is ever sent twice */
	assert_null(strstr(text, "7380"));			     /* ports come as descriptors */
}

static void hosts_are_keyed_by_what_is_before_the_domain(void **state)
{
	(void)state;
	static const struct {
		const char *host, *label;
	} cases[] = {
		{"hello.dev.fn.localhost", "hello.dev"},
		{"hello.dev.fn.internal", "hello.dev"},
		{"hello--r3.dev.team.fn.localhost", "hello--r3.dev.team"},
		{"a.fn.localhost.fn.internal", "a.fn.localhost"},
		{"fn.localhost", NULL},
		{".fn.localhost", NULL},
		{"xfn.localhost", NULL},
		{"hello.dev.example.com", NULL},
		{"hello.dev", NULL},
		{"", NULL},
		{"HELLO.dev.fn.localhost", NULL},
		{"a b.fn.localhost", NULL},
		{"a;clear map hosts.map.fn.localhost", NULL},
		{"a\n.fn.localhost", NULL},
		{"_loaded.fn.localhost", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char label[GATEWAY_HOST_MAX] = "untouched";
		struct err e = ERR_INIT;
		enum err_class c = gateway_host_label(&conf, cases[i].host, label, &e);
		assert_int_equal(c, cases[i].label ? OK : INVALID);
		assert_string_equal(label, cases[i].label ? cases[i].label : "untouched");
		assert_string_equal(e.reason, cases[i].label ? "" : "InvalidName");
	}
	char longest[400], label[GATEWAY_HOST_MAX];
	memset(longest, 'a', sizeof longest);
	memcpy(longest + 300, ".fn.localhost", sizeof ".fn.localhost");
	struct err e = ERR_INIT;
	assert_int_equal(gateway_host_label(&conf, longest, label, &e), INVALID);
}

static void addresses_are_an_ip_and_a_port(void **state)
{
	(void)state;
	static const char *const good[] = {"10.214.0.5:8080", "127.0.0.1:1", "1.2.3.4:65535"};
	static const char *const bad[] = {"", ":", "10.214.0.5", "10.214.0.5:", "10.214.0.5:0", "10.214.0.5:65536", "10.214.0.5:123456",
					  "10.214.0:80", "host:80", "::1:80", "10.214.0.5:80 x", "10.214.0.5:80;", "10.214.0.5:-1",
					  "1111111111111111111.1.1.1:80"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(gateway_address_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(gateway_address_valid(bad[i]));
}

static const char *const one_host[] = {"hello.dev.fn.localhost"};
static const char *const names[] = {"0123456789ab-0", "0123456789ab-1"};
static const char *const addresses[] = {"10.214.0.5:8080", "10.214.0.6:8080"};

static struct gateway_served served(const char *release, const char *const *hosts, size_t nhosts, size_t n)
{
	return (struct gateway_served){.release = release, .hosts = hosts, .names = names, .addresses = addresses, .nhosts = nhosts,
				       .ninstances = n, .timeout_ms = 30000};
}

static struct gateway_route route(const char *key, const char *release, const char *const *hosts, size_t nhosts, size_t n)
{
	return (struct gateway_route){.key = key, .epoch = 7, .main = served(release, hosts, nhosts, n)};
}

static json_t *with(const json_t *routes, struct gateway_route r)
{
	struct err e = ERR_INIT;
	json_t *next = NULL;
	assert_int_equal(gateway_routes_with(&conf, routes, &r, 1, &next, &e), OK);
	return next;
}

static const char *lookup(const struct map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->entries[i].key, key) == 0)
			return m->entries[i].value;
	return NULL;
}

static void routes_are_set_and_taken_out(void **state)
{
	(void)state;
	AUTO_JSON json_t *none = json_object();
	AUTO_JSON json_t *a = with(NULL, route("target/default/hello/dev", "r1", one_host, 1, 2));
	AUTO_JSON json_t *gone = with(a, route("target/default/hello/dev", "r1", NULL, 0, 0));
	AUTO_JSON json_t *absent = with(NULL, route("target/default/other/dev", "r1", NULL, 0, 0));
	const json_t *r = json_object_get(a, "target/default/hello/dev");
	assert_int_equal(json_int_or(r, "epoch", 0), 7);
	assert_string_equal(json_str_or(r, "release", ""), "r1");
	assert_int_equal(json_array_size(json_object_get(r, "addresses")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(r, "instances"), 1)), "0123456789ab-1");
	assert_true(json_equal(gone, none));
	assert_true(json_equal(absent, none));
	assert_int_equal(json_object_size(a), 1); /* what it was made from is as before */
}

static const char *const own_host[] = {"hello--r2.dev.fn.localhost"};

static void releases_beside_a_keys_own_are_part_of_its_route(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	const struct gateway_served beside[] = {served("r2", own_host, 1, 1)};
	struct gateway_route both = route("k/p/hello/dev", "r1", one_host, 1, 2), only = route("k/p/hello/dev", "", NULL, 0, 0);
	both.beside = only.beside = beside;
	both.nbeside = only.nbeside = 1;
	only.main.timeout_ms = 0;
	AUTO_JSON json_t *a = with(NULL, both);
	const json_t *r = json_object_get(a, "k/p/hello/dev");
	assert_ptr_equal(gateway_served_at(r, 0), r);
	assert_string_equal(json_str_or(gateway_served_at(r, 1), "release", ""), "r2");
	assert_null(gateway_served_at(r, 2));
	AUTO_MAP struct map h = {0}, ad = {0}, h2 = {0}, ad2 = {0};
	assert_int_equal(gateway_make_maps(&conf, a, &h, &ad, &e), OK);
	assert_memory_equal(lookup(&h, "hello.dev"), "r1|", 3);
	assert_memory_equal(lookup(&h, "hello--r2.dev"), "r2|", 3);
	assert_int_equal(ad.n, 3);

	AUTO_JSON json_t *b = with(a, only); /* nothing serves under the key's own names */
	assert_int_equal(json_object_size(b), 1);
	assert_int_equal(gateway_make_maps(&conf, b, &h2, &ad2, &e), OK);
	assert_null(lookup(&h2, "hello.dev"));
	assert_non_null(lookup(&h2, "hello--r2.dev"));
	assert_int_equal(ad2.n, 1);
	only.nbeside = 0;
	AUTO_JSON json_t *none = with(b, only);
	assert_int_equal(json_object_size(none), 0);
}

static void what_is_beside_is_checked_like_a_keys_own(void **state)
{
	(void)state;
	static const char *const bad_hosts[] = {"hello;quit.fn.localhost"}, *const bad_address[] = {"10.0.0.1:80;quit"};
	struct gateway_served bad[6];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = served("r2", own_host, 1, 1);
	bad[0].hosts = bad_hosts;
	bad[1].addresses = bad_address;
	bad[2].release = "r2|x";
	bad[3].timeout_ms = 0;
	bad[4].nhosts = 0;
	bad[5].release = "";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct gateway_route r = route("k/p/hello/dev", "r1", one_host, 1, 1);
		json_t *next = NULL;
		r.beside = &bad[i];
		r.nbeside = 1;
		assert_int_equal(gateway_routes_with(&conf, NULL, &r, 1, &next, &e), INVALID);
		assert_string_equal(e.reason, i == 0 ? "InvalidName" : "InvalidValue");
		assert_null(next);
	}
	struct gateway_served many[GATEWAY_BESIDE_MAX + 1];
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = served("r2", own_host, 1, 1);
	struct gateway_route r = route("k/p/hello/dev", "r1", one_host, 1, 1);
	struct err e = ERR_INIT;
	json_t *next = NULL;
	r.beside = many;
	r.nbeside = ARRAY_LEN(many);
	assert_int_equal(gateway_routes_with(&conf, NULL, &r, 1, &next, &e), INVALID);
	assert_string_equal(e.reason, "TooLarge");
	/* One host of both: which release it would reach nobody knows. */
	many[0].hosts = one_host;
	r.nbeside = 1;
	AUTO_JSON json_t *clash = with(NULL, r);
	AUTO_MAP struct map h = {0}, ad = {0};
	assert_int_equal(gateway_make_maps(&conf, clash, &h, &ad, &e), INVALID);
	assert_string_equal(e.reason, "DuplicateKey");
}

/* As fn-node wrote it before anything could be beside. */
static void a_description_of_an_older_version_loads(void **state)
{
	(void)state;
	static const char text[] = "{\"k/p/hello/dev\":{\"addresses\":[\"10.214.0.5:8080\"],\"epoch\":7,\"hosts\":[\"hello.dev.fn.localhost\"],"
				   "\"instances\":[\"0123456789ab-0\"],\"key\":\"k/p/hello/dev\",\"release\":\"r1\",\"timeout_ms\":30000}}";
	struct err e = ERR_INIT;
	AUTO_JSON json_t *old = NULL;
	assert_int_equal(json_parse(text, sizeof text - 1, &old, &e), OK);
	AUTO_MAP struct map h = {0}, ad = {0};
	assert_int_equal(gateway_make_maps(&conf, old, &h, &ad, &e), OK);
	assert_memory_equal(lookup(&h, "hello.dev"), "r1|", 3);
	assert_int_equal(ad.n, 1);
}

static void what_haproxy_could_misread_is_refused(void **state)
{
	(void)state;
	static const char *const bad_hosts[] = {"hello;quit.fn.localhost"}, *const bad_address[] = {"10.0.0.1:80;quit"};
	struct gateway_route bad[5];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = route("target/default/hello/dev", "r1", one_host, 1, 1);
	bad[0].main.hosts = bad_hosts;
	bad[1].main.addresses = bad_address;
	bad[2].main.release = "r1|x";
	bad[3].main.timeout_ms = 0;
	bad[4].main.release = "";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct gateway_route both[2] = {route("target/default/good/dev", "r1", one_host, 1, 1), bad[i]};
		json_t *next = NULL;
		assert_int_equal(gateway_routes_with(&conf, NULL, both, 2, &next, &e), INVALID);
		assert_string_equal(e.reason, i == 0 ? "InvalidName" : "InvalidValue");
		assert_null(next);
	}
}

static void maps_name_a_set_of_addresses_by_what_is_in_it(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_JSON json_t *two = with(NULL, route("k/p/hello/dev", "r1", one_host, 1, 2));
	AUTO_JSON json_t *one = with(NULL, route("k/p/hello/dev", "r1", one_host, 1, 1));
	AUTO_JSON json_t *zero = with(NULL, route("k/p/hello/dev", "r1", one_host, 1, 0));
	AUTO_MAP struct map h2 = {0}, a2 = {0}, h1 = {0}, a1 = {0}, h0 = {0}, a0 = {0};
	assert_int_equal(gateway_make_maps(&conf, two, &h2, &a2, &e), OK);
	assert_int_equal(gateway_make_maps(&conf, one, &h1, &a1, &e), OK);
	assert_int_equal(gateway_make_maps(&conf, zero, &h0, &a0, &e), OK);
	assert_string_equal(lookup(&h2, "_loaded"), "1");
	const char *v2 = lookup(&h2, "hello.dev"), *v1 = lookup(&h1, "hello.dev"), *v0 = lookup(&h0, "hello.dev");
	assert_int_equal(strlen(v2), strlen("r1|0123456789abcdef|2|30000"));
	assert_memory_equal(v2, "r1|", 3);
	assert_string_equal(v2 + 3 + 16, "|2|30000");
	assert_memory_not_equal(v2 + 3, v1 + 3, 16); /* another list is another set */
	assert_string_equal(v0 + 3 + 16, "|1|30000"); /* and its "#0" is nowhere: no instance */
	assert_int_equal(a0.n, 0);
	assert_int_equal(a2.n, 2);
	assert_memory_equal(a2.entries[1].key, v2 + 3, 16);
	assert_string_equal(a2.entries[1].key + 16, "#1");
	assert_string_equal(a2.entries[1].value, "10.214.0.6:8080");
}

static void a_host_belongs_to_one_route(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static const char *const both_domains[] = {"hello.dev.fn.localhost", "hello.dev.fn.internal"}, *const alias[] = {"hi.dev.fn.localhost"};
	AUTO_JSON json_t *a = with(NULL, route("k/p/hello/dev", "r1", both_domains, 2, 2));
	AUTO_JSON json_t *same = with(a, route("k/p/hi/dev", "r1", alias, 1, 2));
	AUTO_JSON json_t *clash = with(a, route("k/p/hi/dev", "r2", one_host, 1, 2));
	AUTO_MAP struct map h = {0}, ad = {0}, h2 = {0}, ad2 = {0};
	assert_int_equal(gateway_make_maps(&conf, same, &h, &ad, &e), OK);
	assert_int_equal(h.n, 3);
	assert_int_equal(ad.n, 2); /* one release, one list: one set */
	assert_int_equal(gateway_make_maps(&conf, clash, &h2, &ad2, &e), INVALID);
	assert_string_equal(e.reason, "DuplicateKey");
	assert_non_null(strstr(e.msg, "hello.dev.fn.localhost"));
}

static void differences_are_found(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_MAP struct map from = {0}, to = {0}, twice = {0};
	map_put(&from, "b", "1");
	map_put(&from, "a", "1");
	map_put(&from, "c", "1");
	map_sort(&from);
	map_put(&to, "d", "1");
	map_put(&to, "c", "2");
	map_put(&to, "a", "1");
	map_sort(&to);
	struct map_change *c;
	assert_int_equal(map_diff(&from, &from, &a, &c), 0);
	assert_true(map_has(&from, "a") && map_has(&from, "b") && map_has(&from, "c"));
	assert_false(map_has(&from, "d") || map_has(&from, ""));
	assert_int_equal(map_diff(&from, &to, &a, &c), 3);
	assert_int_equal(c[0].kind, MAP_DEL);
	assert_string_equal(c[0].key, "b");
	assert_int_equal(c[1].kind, MAP_SET);
	assert_string_equal(c[1].value, "2");
	assert_int_equal(c[2].kind, MAP_ADD);
	assert_string_equal(c[2].key, "d");
	map_put(&twice, "a", "1");
	map_put(&twice, "a", "1");
	map_put(&twice, "b", "1");
	map_put(&twice, "c", "1");
	map_sort(&twice);
	assert_int_equal(map_diff(&twice, &from, &a, &c), 1); /* the second of two equal keys is one too many */
}

static void shown_maps_are_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_MAP struct map m = {0}, empty = {0}, bad = {0};
	assert_int_equal(map_parse_shown("0x562d2ba6f0 hello.dev rel1|set1|2|2000\n0x56282d2ba660 _loaded 1\n\n", &m, &e), OK);
	assert_int_equal(m.n, 2);
	assert_string_equal(lookup(&m, "hello.dev"), "rel1|set1|2|2000");
	AUTO_BUF struct buf text = BUF_INIT(1000);
	map_text(&m, &text);
	assert_string_equal(buf_str(&text), "_loaded 1\nhello.dev rel1|set1|2|2000\n");
	assert_int_equal(map_parse_shown("\n", &empty, &e), OK);
	assert_int_equal(empty.n, 0);
	assert_int_equal(map_parse_shown("Unknown map identifier. Please use #<id> or <name>.\n", &bad, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
}

static void stick_tables_are_read(void **state)
{
	(void)state;
	AUTO_JSON json_t *t = gateway_parse_table(
		"# table: instances, type: string, size:20480, used:2\n"
		"0x56282d4aa010: key=127.0.0.1:18001 use=1 exp=3595207 conn_cur=2 http_req_cnt=30 http_err_cnt=4 http_fail_cnt=1\n"
		"0x56282d4a1530: key=127.0.0.1:18002 use=0 exp=3582156 conn_cur=0 http_req_cnt=3 http_err_cnt=0 http_fail_cnt=0\n\n");
	assert_int_equal(json_object_size(t), 2);
	const json_t *e = json_object_get(t, "127.0.0.1:18001");
	assert_int_equal(json_int_or(e, "open", -1), 2);
	assert_int_equal(json_int_or(e, "requests", -1), 30);
	assert_int_equal(json_int_or(e, "client_errors", -1), 4);
	assert_int_equal(json_int_or(e, "failures", -1), 1);
	AUTO_JSON json_t *none = gateway_parse_table("");
	assert_int_equal(json_object_size(none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_follow_the_limit_of_open_files),
		cmocka_unit_test(the_configuration_holds_what_differs_between_installations),
		cmocka_unit_test(hosts_are_keyed_by_what_is_before_the_domain),
		cmocka_unit_test(addresses_are_an_ip_and_a_port),
		cmocka_unit_test(routes_are_set_and_taken_out),
		cmocka_unit_test(releases_beside_a_keys_own_are_part_of_its_route),
		cmocka_unit_test(what_is_beside_is_checked_like_a_keys_own),
		cmocka_unit_test(a_description_of_an_older_version_loads),
		cmocka_unit_test(what_haproxy_could_misread_is_refused),
		cmocka_unit_test(maps_name_a_set_of_addresses_by_what_is_in_it),
		cmocka_unit_test(a_host_belongs_to_one_route),
		cmocka_unit_test(differences_are_found),
		cmocka_unit_test(shown_maps_are_read),
		cmocka_unit_test(stick_tables_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
