/* What `ensure` and `routes` may name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "node/instance_spec.h"

static const char good[] =
	"{\"name\":\"1a2b3c4d5e6f-0\",\"release\":\"7f0c5a9e-0000-4000-8000-000000000001\",\"environment\":\"default/dev\","
	"\"image\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"command\":[\"node\",\"server.js\"],"
	"\"env\":[\"GREETING=hi\",\"_x=\"],\"port\":8080,\"memory_bytes\":134217728,\"cpu_millis\":500,\"pids\":64,"
	"\"health\":{\"path\":\"/healthz\",\"interval_ms\":1000,\"timeout_ms\":1000,\"deadline_ms\":30000,\"failures\":3}}";

static enum err_class parse(const json_t *j, struct arena *a, struct node_spec *s, struct err *e)
{
	*e = (struct err)ERR_INIT;
	return node_spec_parse(j, a, s, e);
}

static json_t *good_json(void)
{
	json_t *j = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(json_parse(good, sizeof good - 1, &j, &e), OK);
	return j;
}

static void a_good_request_is_read(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_JSON json_t *j = good_json();
	struct node_spec s;
	struct err e;
	assert_int_equal(parse(j, &a, &s, &e), OK);
	assert_string_equal(s.name, "1a2b3c4d5e6f-0");
	assert_string_equal(s.command[1], "server.js");
	assert_null(s.command[2]);
	assert_string_equal(s.env[0], "GREETING=hi");
	assert_int_equal(s.port, 8080);
	assert_int_equal(s.memory_bytes, 134217728);
	assert_string_equal(s.health_path, "/healthz");
	assert_int_equal(s.health_failures, 3);
	(void)json_object_set_new(json_object_get(j, "health"), "path", json_null());
	struct digest before = s.digest;
	assert_int_equal(parse(j, &a, &s, &e), OK);
	assert_null(s.health_path);
	assert_false(digest_eq(&before, &s.digest));
}

/* Each replaces one member of the good request (NULL value: removes it) and must be refused. */
static const struct {
	const char *member, *value, *reason, *part;
} bad[] = {
	{"name", "\"1a2b3c4d5e6f\"", "InvalidName", "hex digits"},
	{"name", "\"1A2B3C4D5E6F-0\"", "InvalidName", "hex digits"},
	{"name", "\"1a2b3c4d5e6f-00000\"", "InvalidName", "hex digits"},
	{"name", "\"../../../etc-0\"", "InvalidName", "hex digits"},
	{"name", "\"1a2b3c4d5e6f-0/x\"", "InvalidName", "hex digits"},
	{"name", "7", "BadRequest", "name"},
	{"name", NULL, "BadRequest", "name"},
	{"release", "\"\"", "InvalidName", "release"},
	{"release", "\"a b\"", "InvalidName", "release"},
	{"environment", "\"dev\"", "InvalidName", "environment"},
	{"environment", "\"../dev\"", "InvalidName", "environment"},
	{"environment", "\"a/b/c\"", "InvalidName", "environment"},
	{"image", "\"sha256:abc\"", "BadRequest", "image"},
	{"image", "\"latest\"", "BadRequest", "image"},
	{"command", "\"node\"", "BadRequest", "command"},
	{"command", "[1]", "BadRequest", "command"},
	{"env", "[\"NAME\"]", "BadRequest", "env"},
	{"env", "[\"=x\"]", "BadRequest", "env"},
	{"env", "[\"A-B=x\"]", "BadRequest", "env"},
	{"env", "[\"1A=x\"]", "BadRequest", "env"},
	{"port", "0", "BadRequest", "port"},
	{"port", "65536", "BadRequest", "port"},
	{"port", "\"80\"", "BadRequest", "port"},
	{"memory_bytes", "1000", "BadRequest", "memory_bytes"},
	{"memory_bytes", "-1", "BadRequest", "memory_bytes"},
	{"cpu_millis", "0", "BadRequest", "cpu_millis"},
	{"pids", "0", "BadRequest", "pids"},
	{"pids", NULL, "BadRequest", "pids"},
	{"health", NULL, "BadRequest", "health"},
	{"health", "{}", "BadRequest", "interval_ms"},
	{"health", "{\"path\":\"healthz\",\"interval_ms\":1000,\"timeout_ms\":1000,\"deadline_ms\":1000,\"failures\":3}", "BadRequest", "health.path"},
	{"health", "{\"path\":\"/a b\",\"interval_ms\":1000,\"timeout_ms\":1000,\"deadline_ms\":1000,\"failures\":3}", "BadRequest", "health.path"},
	{"health", "{\"path\":\"/a\\r\\nX: y\",\"interval_ms\":1000,\"timeout_ms\":1000,\"deadline_ms\":1000,\"failures\":3}", "BadRequest",
	 "health.path"},
	{"health", "{\"interval_ms\":1000,\"timeout_ms\":1000,\"deadline_ms\":1000,\"failures\":0}", "BadRequest", "failures"},
	{"privileged", "true", "BadRequest", "privileged"},
	{"mounts", "[]", "BadRequest", "mounts"},
};

static void bad_requests_are_refused_by_member(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		AUTO_JSON json_t *j = good_json();
		struct node_spec s;
		struct err e;
		if (bad[i].value)
			(void)json_object_set_new(j, bad[i].member, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		else
			(void)json_object_del(j, bad[i].member);
		if (parse(j, &a, &s, &e) != INVALID || strcmp(e.reason, bad[i].reason) != 0 || !strstr(e.msg, bad[i].part))
			fail_msg("%s = %s: %s %s", bad[i].member, bad[i].value ? bad[i].value : "(absent)", e.reason, e.msg);
	}
}

static void values_that_may_be_secret_are_not_in_the_message(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_JSON json_t *j = good_json();
	struct node_spec s;
	struct err e;
	(void)json_object_set_new(j, "env", json_pack("[s]", "pass word=hunter2"));
	assert_int_equal(parse(j, &a, &s, &e), INVALID);
	assert_null(strstr(e.msg, "hunter2"));
}

static void sizes_are_bounded(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_JSON json_t *j = good_json();
	struct node_spec s;
	struct err e;
	json_t *env = json_array();
	for (int i = 0; i < 1025; i++)
		(void)json_array_append_new(env, json_string("A=b"));
	(void)json_object_set_new(j, "env", env);
	assert_int_equal(parse(j, &a, &s, &e), INVALID);
	(void)json_array_remove(env, 0);
	assert_int_equal(parse(j, &a, &s, &e), OK);
	AUTO_FREE char *large = xmalloc(600000);
	memset(large, 'x', 599999);
	large[599999] = '\0';
	memcpy(large, "A=", 2);
	(void)json_array_set_new(env, 0, json_string(large));
	assert_int_equal(parse(j, &a, &s, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
}

static void hosts_are_dns_names_below_the_domain(void **state)
{
	(void)state;
	static const char *const yes[] = {"hello.dev.fn.localhost", "hello--r12.dev.fn.localhost", "a.fn.localhost", "fn.localhost"};
	static const char *const no[] = {"", "localhost", "hello.example.org", "xfn.localhost", "Hello.fn.localhost", "-a.fn.localhost",
					 "a-.fn.localhost", "a..fn.localhost", ".fn.localhost", "a b.fn.localhost", "a_b.fn.localhost",
					 "a.fn.localhost.", "a.fn.localhost:80", "\n.fn.localhost",
					 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.fn.localhost"};
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(node_host_valid(yes[i], "fn.localhost"));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (node_host_valid(no[i], "fn.localhost"))
			fail_msg("\"%s\" was taken", no[i]);
}

static void keys_have_parts(void **state)
{
	(void)state;
	assert_true(node_key_valid("target/default/hello/dev"));
	static const char *const no[] = {"", "/a", "a/", "a//b", "a b", "a\nb", "a\xff"};
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(node_key_valid(no[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_request_is_read),
		cmocka_unit_test(bad_requests_are_refused_by_member),
		cmocka_unit_test(values_that_may_be_secret_are_not_in_the_message),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(hosts_are_dns_names_below_the_domain),
		cmocka_unit_test(keys_have_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
