#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

static void bytes_that_are_no_text_become_question_marks(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", ""},
		{"plain\n\x01\x7f", "plain\n\x01\x7f"},
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xc3", "?"},                             /* cut */
		{"a\xe2\x82", "a??"},
		{"\xf0\x9f\x98z", "???z"},
		{"\x80\xbf", "??"},                        /* continuation alone */
		{"\xc0\xaf \xc1\x81", "?? ??"},            /* overlong */
		{"\xe0\x9f\xbf", "???"},
		{"\xf0\x8f\xbf\xbf", "????"},
		{"\xed\xa0\x80", "???"},                   /* surrogate */
		{"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},  /* the last character */
		{"\xf4\x90\x80\x80 \xf5 \xff", "???? ? ?"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *clean = utf8_clean(rows[i][0]);
		assert_string_equal(clean, rows[i][1]);
		assert_int_equal(utf8_valid(rows[i][0]), strcmp(rows[i][0], rows[i][1]) == 0);
		assert_true(utf8_valid(clean));
		AUTO_JSON json_t *j = json_clean(rows[i][0]);
		assert_string_equal(json_string_value(j), rows[i][1]);
	}
	assert_true(json_is_null(json_clean(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_that_are_no_text_become_question_marks)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
