/* Names, work keys, and the nearest word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/names.h"

#define FORTY "a234567890123456789012345678901234567890"

static void good_names(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "ab", "a1", "hello-world", "a-b-c", "x9-9", FORTY};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!name_valid(good[i]))
			fail_msg("\"%s\" was refused", good[i]);
}

static void bad_names(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "1a", "-a", "a-", "a--b", "A", "aB", "a_b", "a.b", "a/b", "a b", " a", "a ", "a\n", "\xc3\xa4", "..", FORTY "1",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (name_valid(bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
	assert_false(name_valid(NULL));
}

static void keys_come_apart_as_they_were_made(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct key_parts p;
	struct key k = key_make("target", "shop", "hello", "dev");
	assert_string_equal(k.text, "target/shop/hello/dev");
	assert_true(key_split(k.text, &a, &p));
	assert_string_equal(p.kind, "target");
	assert_string_equal(p.project, "shop");
	assert_string_equal(p.name, "hello");
	assert_string_equal(p.environment, "dev");
	k = key_make("function", "default", "hello", NULL);
	assert_string_equal(k.text, "function/default/hello");
	assert_true(key_split(k.text, &a, &p));
	assert_null(p.environment);
}

static void the_longest_key_fits(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct key_parts p;
	struct key k = key_make("environment", FORTY, FORTY, FORTY);
	assert_true(key_split(k.text, &a, &p));
	assert_string_equal(p.environment, FORTY);
}

static void what_is_no_key(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const char *const bad[] = {"", "a", "a/b", "a/b/", "/a/b", "a//b", "a/b/c/", "a/b/c/d/", "a/b/c/d/e", "////"};
	struct key_parts p = {"untouched", NULL, NULL, NULL};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (key_split(bad[i], &a, &p))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_string_equal(p.kind, "untouched");
	}
}

static void the_nearest_word(void **state)
{
	(void)state;
	static const char *const fields[] = {"runtime", "source", "command", "port", "env", "health"};
	static const struct {
		const char *word, *near; /* NULL: none is near enough */
	} rows[] = {
		{"runtme", "runtime"}, {"runtime", "runtime"}, {"Runtime", "runtime"}, {"helth", "health"}, {"prot", "port"}, {"evn", "env"}, {"ruetmin", NULL}, {"pot", "port"}, {"envs", "env"},
		{"en", "env"}, {"comand", "command"}, {"xyz", NULL}, {"", NULL}, {"replicas", NULL}, {"sauce", "source"},
		{"a-word-that-is-longer-than-any-sensible-field-name-could-ever-be-and-then-some", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *near = nearest_name(rows[i].word, fields, ARRAY_LEN(fields));
		if ((near == NULL) != (rows[i].near == NULL) || (near && strcmp(near, rows[i].near) != 0))
			fail_msg("%s: %s, not %s", rows[i].word, near ? near : "none", rows[i].near ? rows[i].near : "none");
	}
	assert_null(nearest_name("x", fields, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(keys_come_apart_as_they_were_made),
		cmocka_unit_test(the_longest_key_fits),
		cmocka_unit_test(what_is_no_key),
		cmocka_unit_test(the_nearest_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
