/* The order of an apply and the differences of a plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "api/diff.h"

static json_t *parse(const char *text) { return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL; }

static void test_json_diff(void **state)
{
	(void)state;
	static const struct {
		const char *before, *after, *expected;
	} cases[] = {
		{"{\"port\":1}", "{\"port\":1}", "[]"},
		{"{\"port\":1}", "{\"port\":2}", "[{\"from\":1,\"op\":\"~\",\"path\":\"spec.port\",\"to\":2}]"},
		{"{\"a\":1}", "{\"b\":2}", "[{\"from\":1,\"op\":\"-\",\"path\":\"spec.a\"},{\"op\":\"+\",\"path\":\"spec.b\",\"to\":2}]"},
		{NULL, "{\"env\":{\"X\":\"1\",\"A\":\"2\"}}",
		 "[{\"op\":\"+\",\"path\":\"spec.env.A\",\"to\":\"2\"},{\"op\":\"+\",\"path\":\"spec.env.X\",\"to\":\"1\"}]"},
		{"{\"env\":{\"X\":\"1\"}}", "{}", "[{\"from\":\"1\",\"op\":\"-\",\"path\":\"spec.env.X\"}]"},
		{"{\"command\":[\"a\",\"b\"]}", "{\"command\":[\"b\"]}",
		 "[{\"from\":[\"a\",\"b\"],\"op\":\"~\",\"path\":\"spec.command\",\"to\":[\"b\"]}]"},
		{"{\"x\":{\"y\":1}}", "{\"x\":7}", "[{\"from\":{\"y\":1},\"op\":\"~\",\"path\":\"spec.x\",\"to\":7}]"},
		{"{}", "{\"labels\":{\"app.io/n\\\"a\":\"1\"}}", "[{\"op\":\"+\",\"path\":\"spec.labels[\\\"app.io/n\\\\\\\"a\\\"]\",\"to\":\"1\"}]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_JSON json_t *before = parse(cases[i].before);
		AUTO_JSON json_t *after = parse(cases[i].after);
		AUTO_JSON json_t *out = json_array();
		json_diff("spec", before, after, out);
		AUTO_FREE char *text = json_text(out);
		assert_string_equal(text, cases[i].expected);
	}
}

static struct manifest doc(enum kind kind, const char *name, const char *inherits)
{
	struct manifest m = {.kind = kind, .project = "default", .name = name, .file = ""};
	if (kind == KIND_ENVIRONMENT)
		m.spec.environment.inherits = inherits;
	return m;
}

static void expect_order(const struct manifest *items, size_t n, const char *expected)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf got = BUF_INIT(4096);
	const struct manifest **order = apply_order(items, n, &a);
	for (size_t i = 0; i < n; i++)
		assert_true(buf_printf(&got, "%s%s/%s", i ? " " : "", kind_info(order[i]->kind)->singular, order[i]->name));
	assert_string_equal(buf_str(&got), expected);
}

static void test_order(void **state)
{
	(void)state;
	const struct manifest items[] = {
		doc(KIND_PIN, "p", NULL), doc(KIND_FUNCTION, "b", NULL), doc(KIND_ENVIRONMENT, "a", "b"), doc(KIND_RUNTIME, "r", NULL),
		doc(KIND_FUNCTION, "a", NULL), doc(KIND_ENVIRONMENT, "c", NULL), doc(KIND_ENVIRONMENT, "b", "c"), doc(KIND_PROJECT, "x", NULL),
	};
	const char *expected = "project/x environment/c environment/b environment/a runtime/r function/a function/b pin/p";
	expect_order(items, ARRAY_LEN(items), expected);
	struct manifest reversed[ARRAY_LEN(items)];
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		reversed[i] = items[ARRAY_LEN(items) - 1 - i];
	expect_order(reversed, ARRAY_LEN(items), expected);
}

static void test_order_survives_circles_and_strangers(void **state)
{
	(void)state;
	const struct manifest circle[] = {doc(KIND_ENVIRONMENT, "b", "a"), doc(KIND_ENVIRONMENT, "a", "b"), doc(KIND_ENVIRONMENT, "c", "elsewhere")};
	expect_order(circle, ARRAY_LEN(circle), "environment/c environment/a environment/b");
	expect_order(circle, 0, "");
}

static void test_manifest_diff(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const char before[] = "apiVersion: fn/v1\nkind: Environment\nmetadata: {name: dev}\nspec: {follow: latest, env: {A: '1', B: '2'}}\n";
	static const char after[] =
		"apiVersion: fn/v1\nkind: Environment\nmetadata: {name: dev, labels: {tier: web}}\nspec: {follow: latest, env: {A: '1', B: '3'}}\n";
	struct manifests x = {0}, y = {0};
	struct err e = ERR_INIT;
	assert_int_equal(manifests_decode("x", before, sizeof before - 1, &a, &x, &e), OK);
	assert_int_equal(manifests_decode("y", after, sizeof after - 1, &a, &y, &e), OK);
	AUTO_JSON json_t *none = manifest_diff(&x.items[0], &x.items[0]);
	assert_int_equal(json_array_size(none), 0);
	AUTO_JSON json_t *j = manifest_diff(&x.items[0], &y.items[0]);
	AUTO_FREE char *text = json_text(j);
	assert_string_equal(text, "[{\"op\":\"+\",\"path\":\"metadata.labels.tier\",\"to\":\"web\"},"
				  "{\"from\":\"2\",\"op\":\"~\",\"path\":\"spec.env.B\",\"to\":\"3\"}]");
	AUTO_JSON json_t *created = manifest_diff(NULL, &x.items[0]);
	size_t i;
	const json_t *d;
	json_array_foreach(created, i, d)
		assert_string_equal(json_str_or(d, "op", ""), "+");
	assert_true(json_array_size(created) >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_diff),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_survives_circles_and_strangers),
		cmocka_unit_test(test_manifest_diff),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
