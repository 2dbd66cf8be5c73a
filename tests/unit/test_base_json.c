/* Typed access to JSON, and its canonical text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static json_t *parsed(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = NULL;
	if (json_parse(text, strlen(text), &j, &e) != OK)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void only_json_is_taken(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t n; /* 0: all of it */
	} bad[] = {
		{"", 0}, {"{", 0}, {"{}x", 0}, {"{\"a\":1,\"a\":2}", 0}, {"\"text\"", 0}, {"3", 0}, {"{'a':1}", 0}, {"[1,]", 0},
		{"{\"a\":\"\xff\"}", 0}, {"{\"a\":\"\\u0000\"}", 0}, {"{\"a\":1}", 3}, {"{}\0{}", 5},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		json_t untouched, *j = &untouched;
		if (json_parse(bad[i].text, bad[i].n ? bad[i].n : strlen(bad[i].text), &j, &e) != INVALID)
			fail_msg("%zu \"%s\" was taken", i, bad[i].text);
		assert_string_equal(e.reason, "BadRequest");
		assert_ptr_equal(j, &untouched);
	}
	struct err e = ERR_INIT;
	json_t *j = NULL;
	assert_int_equal(json_parse("{\n \"a\": x}", 10, &j, &e), INVALID);
	assert_non_null(strstr(e.msg, "line 2"));
}

static void the_canonical_text_does_not_know_order_or_space(void **state)
{
	(void)state;
	AUTO_JSON json_t *one = parsed("{\"b\": [1, {\"y\":2,\"x\":1}], \"a\": \"t\\u00e4\"}");
	AUTO_JSON json_t *two = parsed("{\"a\":\"t\xc3\xa4\",\"b\":[1,{\"x\":1,\"y\":2}]}");
	AUTO_JSON json_t *three = parsed("{\"a\":\"t\xc3\xa4\",\"b\":[{\"x\":1,\"y\":2},1]}");
	AUTO_FREE char *text = json_text(one);
	assert_string_equal(text, "{\"a\":\"t\xc3\xa4\",\"b\":[1,{\"x\":1,\"y\":2}]}");
	struct digest d1 = json_digest(one), d2 = json_digest(two), d3 = json_digest(three), of_text = digest_of_str(text);
	assert_true(digest_eq(&d1, &d2));
	assert_true(digest_eq(&d1, &of_text));
	assert_false(digest_eq(&d1, &d3)); /* a list's order counts */
}

static void a_fraction_stays_as_it_was_written(void **state)
{
	(void)state;
	AUTO_JSON json_t *ms = parsed("{\"ms\":6.08}");
	AUTO_FREE char *text = json_text(ms);
	assert_string_equal(text, "{\"ms\":6.08}");
}

static void members_with_a_fallback(void **state)
{
	(void)state;
	AUTO_JSON json_t *j = parsed("{\"s\":\"x\",\"i\":-7,\"b\":false,\"n\":null,\"r\":1.5,\"big\":9223372036854775807}");
	assert_string_equal(json_str_or(j, "s", "f"), "x");
	assert_int_equal(json_int_or(j, "i", 1), -7);
	assert_true(json_int_or(j, "big", 1) == INT64_MAX);
	assert_false(json_bool_or(j, "b", true));
	static const char *const absent[] = {"n", "r", "none"};
	for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
		assert_string_equal(json_str_or(j, absent[i], "f"), "f");
		assert_int_equal(json_int_or(j, absent[i], 3), 3);
		assert_true(json_bool_or(j, absent[i], true));
	}
	assert_int_equal(json_int_or(j, "s", 3), 3);
	assert_string_equal(json_str_or(j, "i", "f"), "f");
	assert_null(json_str_or(NULL, "s", NULL));
}

static void members_that_must_be_there(void **state)
{
	(void)state;
	AUTO_JSON json_t *j = parsed("{\"s\":\"x\",\"i\":4,\"d\":\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}");
	struct err e = ERR_INIT;
	const char *s = "before";
	int64_t i = -1;
	struct digest d = digest_of_str(""), abc = digest_of_str("abc");
	assert_int_equal(json_need_str(j, "s", &s, &e), OK);
	assert_string_equal(s, "x");
	assert_int_equal(json_need_int(j, "i", &i, &e), OK);
	assert_int_equal(i, 4);
	assert_int_equal(json_need_digest(j, "d", &d, &e), OK);
	assert_true(digest_eq(&d, &abc));
	assert_int_equal(json_need_str(j, "i", &s, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
	assert_non_null(strstr(e.msg, "\"i\""));
	assert_int_equal(json_need_int(j, "none", &i, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
	assert_int_equal(json_need_digest(j, "s", &d, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
	assert_string_equal(s, "x");
	assert_int_equal(i, 4);
	assert_true(digest_eq(&d, &abc));
}

static void a_value_lives_as_long_as_its_arena(void **state)
{
	(void)state;
	struct arena a = ARENA_INIT;
	json_t *j = json_in_arena(parsed("{\"a\":[1,2]}"), &a);
	assert_string_equal(json_text_arena(j, &a), "{\"a\":[1,2]}");
	json_incref(j);
	arena_release(&a);
	assert_int_equal(j->refcount, 1);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_json_is_taken),
		cmocka_unit_test(the_canonical_text_does_not_know_order_or_space),
		cmocka_unit_test(a_fraction_stays_as_it_was_written),
		cmocka_unit_test(members_with_a_fallback),
		cmocka_unit_test(members_that_must_be_there),
		cmocka_unit_test(a_value_lives_as_long_as_its_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
