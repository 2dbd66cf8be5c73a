/* Errors and the closed list of reasons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/mem.h"

static void an_error_is_set_whole(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(e.class, OK);
	assert_int_equal(err_set(&e, INVALID, R_InvalidName, "bad name \"%s\"", "X"), INVALID);
	assert_int_equal(e.class, INVALID);
	assert_string_equal(e.reason, "InvalidName");
	assert_string_equal(e.msg, "bad name \"X\"");
	assert_int_equal(err_set(NULL, DENIED, R_Forbidden, "nobody listens"), DENIED);
}

static void an_errno_is_told_in_words(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(err_errno(&e, ENOENT, INVALID, R_NotFound, "open %s", "a"), INVALID);
	assert_string_equal(e.reason, "NotFound");
	assert_string_equal(e.msg, "open a: No such file or directory");
	assert_int_equal(err_errno(NULL, ENOENT, INVALID, R_NotFound, "open"), INVALID);
}

static void a_full_disk_is_a_full_disk(void **state)
{
	(void)state;
	static const int full[] = {ENOSPC, EDQUOT};
	for (size_t i = 0; i < ARRAY_LEN(full); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(err_errno(&e, full[i], BUG, R_Internal, "write"), TRANSIENT);
		assert_int_equal(e.class, TRANSIENT);
		assert_string_equal(e.reason, "DiskFull");
	}
}

static void layers_add_their_words_in_front(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	(void)err_set(&e, TRANSIENT, R_NodeUnavailable, "inner");
	assert_int_equal(err_wrap(&e, "middle %d", 2), TRANSIENT);
	(void)err_wrap(&e, "outer");
	assert_string_equal(e.msg, "outer: middle 2: inner");
	assert_string_equal(e.reason, "NodeUnavailable");
}

static void long_messages_are_cut_not_overrun(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char text[2000];
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	(void)err_set(&e, INVALID, R_BadRequest, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	(void)err_errno(&e, EIO, TRANSIENT, R_Internal, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	(void)err_wrap(&e, "%.600s", text);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void classes_have_names(void **state)
{
	(void)state;
	static const char *const names[] = {"ok", "transient", "conflict", "invalid", "denied", "bug"};
	for (enum err_class c = OK; c <= BUG; c++)
		assert_string_equal(err_class_name(c), names[c]);
}

static void every_reason_is_complete_and_found_again(void **state)
{
	(void)state;
	for (enum reason r = 0; r < REASON_COUNT; r++) {
		const char *token = reason_token(r);
		assert_int_equal(reason_parse(token), r);
		assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), strlen(token));
		assert_in_range(token[0], 'A', 'Z');
		const char *sentence = reason_sentence(r);
		if (strlen(sentence) < 10 || sentence[strlen(sentence) - 1] != '.')
			fail_msg("%s: \"%s\" is no sentence", token, sentence);
		const char *hint = reason_hint(token);
		if (*hint && hint[strlen(hint) - 1] == '.')
			fail_msg("%s: the hint ends a line, not a sentence", token);
	}
	assert_string_equal(reason_token(REASON_COUNT), "Internal");
	assert_string_equal(reason_sentence(REASON_COUNT), "");
}

static void an_unknown_reason_is_internal_without_advice(void **state)
{
	(void)state;
	assert_int_equal(reason_parse("Bogus"), R_Internal);
	assert_int_equal(reason_parse(""), R_Internal);
	assert_string_equal(reason_hint("Bogus"), "");
	assert_true(*reason_hint("Internal"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_set_whole),
		cmocka_unit_test(an_errno_is_told_in_words),
		cmocka_unit_test(a_full_disk_is_a_full_disk),
		cmocka_unit_test(layers_add_their_words_in_front),
		cmocka_unit_test(long_messages_are_cut_not_overrun),
		cmocka_unit_test(classes_have_names),
		cmocka_unit_test(every_reason_is_complete_and_found_again),
		cmocka_unit_test(an_unknown_reason_is_internal_without_advice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
