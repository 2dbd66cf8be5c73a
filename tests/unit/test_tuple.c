/* The tuple of a release: whose variables win, what is in it, and what an instance gets of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "reconcilers/target/tuple.h"

#define IMAGE "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define PAIRS(...) { (struct pair[]) { __VA_ARGS__ }, sizeof (struct pair[]) { __VA_ARGS__ } / sizeof (struct pair) }

static const struct function_spec function = {
	.runtime = "python", .source_digest = "sha256:x", .port = 9000, .memory_bytes = 64 << 20, .cpu_millis = 250, .pids = 32, .timeout_ms = 5000,
	.instances = 3, .retention_versions = 7, .env = PAIRS({"A", "function"}, {"F", "1"}),
	.health = {.path = "/healthz", .interval_ms = 1000, .timeout_ms = 200, .deadline_ms = 12000, .failures = 4},
};
static const struct environment_spec dev = {.inherits = "base", .env = PAIRS({"A", "dev"}, {"B", "dev"}, {"D", "1"})};
static const struct environment_spec base = {.env = PAIRS({"A", "base"}, {"B", "base"}, {"C", "base"})};
static const struct environment_spec *const chain[] = {&dev, &base};

static const char *env_of(const json_t *tuple, const char *name) { return json_str_or(json_object_get(tuple, "env"), name, "none"); }

static void the_nearer_value_wins(void **state)
{
	(void)state;
	AUTO_JSON json_t *t = tuple_make(IMAGE, &function, chain, 2);
	assert_string_equal(env_of(t, "A"), "function");
	assert_string_equal(env_of(t, "B"), "dev");
	assert_string_equal(env_of(t, "C"), "base");
	assert_string_equal(env_of(t, "D"), "1");
	assert_string_equal(env_of(t, "F"), "1");
	assert_int_equal(json_object_size(json_object_get(t, "env")), 5);
	AUTO_JSON json_t *alone = tuple_make(IMAGE, &function, NULL, 0);
	assert_int_equal(json_object_size(json_object_get(alone, "env")), 2);
}

/* What changes what runs makes another tuple, so another release; what only scales or keeps does not. */
static void what_makes_a_release(void **state)
{
	(void)state;
	AUTO_JSON json_t *before = tuple_make(IMAGE, &function, chain, 2);
	struct function_spec f[9];
	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		f[i] = function;
	f[0].port = 9001;
	f[1].memory_bytes++;
	f[2].cpu_millis++;
	f[3].pids++;
	f[4].timeout_ms++;
	f[5].health.path = "/other";
	f[6].health.path = NULL;
	f[7].health.deadline_ms++;
	f[8].env = (struct pairs)PAIRS({"A", "function"}, {"F", "2"});
	for (size_t i = 0; i < ARRAY_LEN(f); i++) {
		AUTO_JSON json_t *after = tuple_make(IMAGE, &f[i], chain, 2);
		if (json_equal(before, after))
			fail_msg("change %zu makes no release", i);
	}
	struct function_spec same = function;
	same.instances = 0;
	same.retention_versions = 1;
	AUTO_JSON json_t *scaled = tuple_make(IMAGE, &same, chain, 2);
	assert_true(json_equal(before, scaled));
	AUTO_JSON json_t *image = tuple_make("sha256:other", &function, chain, 2);
	assert_false(json_equal(before, image));
	AUTO_JSON json_t *environment = tuple_make(IMAGE, &function, chain, 1);
	assert_false(json_equal(before, environment));
}

static void times_for_the_planner(void **state)
{
	(void)state;
	AUTO_JSON json_t *t = tuple_make(IMAGE, &function, chain, 2);
	assert_int_equal(tuple_timeout_ms(t), 5000);
	assert_int_equal(tuple_health_deadline_ms(t), 12000);
	AUTO_JSON json_t *empty = json_object();
	assert_int_equal(tuple_timeout_ms(empty), 30000);
	assert_int_equal(tuple_health_deadline_ms(empty), 30000);
}

static const struct tuple_names names = {.function = "hello", .project = "shop", .environment = "dev", .version = 4, .release = 9};

static void what_an_instance_gets(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct instance_spec s;
	AUTO_JSON json_t *t = tuple_make(IMAGE, &function, chain, 2);
	assert_int_equal(tuple_instance(t, &names, &a, &s, &e), OK);
	char image[DIGEST_TEXT];
	assert_string_equal(digest_text(&s.image, image), IMAGE);
	assert_string_equal(s.environment, "shop/dev");
	assert_null(s.command[0]); /* the image's */
	assert_int_equal(s.port, 9000);
	assert_int_equal(s.memory_bytes, 64 << 20);
	assert_int_equal(s.cpu_millis, 250);
	assert_int_equal(s.pids, 32);
	assert_string_equal(s.health_path, "/healthz");
	assert_int_equal(s.health_interval_ms, 1000);
	assert_int_equal(s.health_timeout_ms, 200);
	assert_int_equal(s.health_deadline_ms, 12000);
	assert_int_equal(s.health_failures, 4);
	struct function_spec tcp = function;
	tcp.health.path = NULL;
	AUTO_JSON json_t *without = tuple_make(IMAGE, &tcp, chain, 2);
	assert_int_equal(tuple_instance(without, &names, &a, &s, &e), OK);
	assert_null(s.health_path);
}

/* A database gives the members of an object back in an order of its own; the node must see the same spec all the same. */
static void variables_in_one_order_and_once(void **state)
{
	(void)state;
	static const char *const want[] = {
		"A=function", "B=dev", "C=base", "D=1", "F=1", "FN_ENVIRONMENT=dev", "FN_FUNCTION=hello", "FN_PROJECT=shop", "FN_RELEASE=9", "FN_VERSION=4",
		"PORT=9000", NULL,
	};
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct instance_spec s;
	AUTO_JSON json_t *t = tuple_make(IMAGE, &function, chain, 2);
	AUTO_JSON json_t *stored = json_deep_copy(t);
	AUTO_JSON json_t *env = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "PORT", "1", "F", "1", "D", "1", "C", "base", "B", "dev", "A", "function");
	(void)json_object_set(stored, "env", env);
	const json_t *both[] = {t, stored};
	for (size_t k = 0; k < ARRAY_LEN(both); k++) {
		assert_int_equal(tuple_instance(both[k], &names, &a, &s, &e), OK);
		for (size_t i = 0; i < ARRAY_LEN(want); i++) {
			if (!want[i])
				assert_null(s.env[i]);
			else
				assert_string_equal(s.env[i], want[i]);
		}
	}
}

static json_t *parse(const char *with_single_quotes)
{
	AUTO_FREE char *text = xstrdup(with_single_quotes);
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	json_t *j = json_loads(text, 0, NULL);
	assert_non_null(j);
	return j;
}

static void a_damaged_tuple_is_a_bug(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct instance_spec s;
	static const char *const bad[] = {"image", "health"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		AUTO_JSON json_t *t = tuple_make(IMAGE, &function, chain, 2);
		(void)json_object_set_new(t, bad[i], json_string("nonsense"));
		assert_int_equal(tuple_instance(t, &names, &a, &s, &e), BUG);
		assert_string_equal(e.reason, "Internal");
	}
}

/* What was declared when the hold was set and what is declared now: only the difference goes onto the held tuple. */
static void later_changes_apply_onto_what_is_held(void **state)
{
	(void)state;
	static const struct {
		const char *held, *base, *now, *want;
	} rows[] = {
		{"{'image':'1','env':{'A':'old','B':'x'},'port':1}", "{'env':{'A':'new','C':'y'},'port':2}", "{'env':{'A':'new','C':'y'},'port':2}",
		 "{'image':'1','env':{'A':'old','B':'x'},'port':1}"},
		{"{'image':'1','env':{'A':'old','B':'x'}}", "{'env':{'A':'new','C':'y'}}", "{'env':{'A':'newer','C':'y','D':'z'}}",
		 "{'image':'1','env':{'A':'newer','B':'x','D':'z'}}"},
		{"{'image':'1','env':{'A':'old','B':'x'}}", "{'env':{'A':'new','B':'x'}}", "{'env':{}}", "{'image':'1','env':{}}"},
		{"{'image':'1','env':{},'port':1,'health':{'path':'/a','failures':3}}", "{'env':{},'port':2,'health':{'path':'/b','failures':3}}",
		 "{'env':{},'port':2,'health':{'path':'/b','failures':5}}", "{'image':'1','env':{},'port':1,'health':{'path':'/a','failures':5}}"},
		{"{'image':'1','env':{},'port':1}", "{'env':{},'port':2}", "{'env':{},'port':3}", "{'image':'1','env':{},'port':3}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_JSON json_t *held = parse(rows[i].held), *then = parse(rows[i].base), *now = parse(rows[i].now), *want = parse(rows[i].want);
		AUTO_JSON json_t *got = tuple_rebase(held, then, now);
		if (!json_equal(got, want))
			fail_msg("row %zu", i);
	}
	AUTO_JSON json_t *config = tuple_config(&function, chain, 2), *whole = tuple_make(IMAGE, &function, chain, 2);
	assert_null(json_object_get(config, "image"));
	(void)json_object_del(whole, "image");
	assert_true(json_equal(config, whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearer_value_wins),
		cmocka_unit_test(what_makes_a_release),
		cmocka_unit_test(times_for_the_planner),
		cmocka_unit_test(what_an_instance_gets),
		cmocka_unit_test(variables_in_one_order_and_once),
		cmocka_unit_test(a_damaged_tuple_is_a_bug),
		cmocka_unit_test(later_changes_apply_onto_what_is_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
