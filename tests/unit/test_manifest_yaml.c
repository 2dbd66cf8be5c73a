/* YAML: positions, limits and traps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "manifest_case.h"

static void assert_problems(const char *text, const char *want)
{
	AUTO_DECODED struct decoded d = decode(text);
	assert_string_equal(problems(&d), want);
	assert_int_equal(d.class, *want ? INVALID : OK);
}

static void positions_are_of_the_word_that_is_wrong(void **state)
{
	(void)state;
	assert_problems(FUNCTION "  prt: 1\n", "6:3 UnknownField");
	assert_problems(FUNCTION "  port:   \"1\"\n", "6:11 WrongType");
	assert_problems("\n\n# c\n" FUNCTION "  env: {ü: 1,\n   Ä: 2}\n", "9:9 InvalidValue, 10:4 InvalidValue");
	assert_problems(FUNCTION "  port: 0\n---\n" FUNCTION "  port: 0\n", "6:9 InvalidValue, 13:9 InvalidValue");
}

static void scalars_keep_their_text(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(
		FUNCTION "  env: {A: yes, B: on, C: 8080, D: true, E: 1.10, F: 0o17, G: '', H: \"null\", I: 12:30, J: 2001-01-01,\n"
			 "    K: !!str 5, L: .inf, M: 1e3, N: no}\n  command: [a, 8080, true, 1.10]\n");
	static const char *const want[][2] = {{"A", "yes"}, {"B", "on"}, {"C", "8080"}, {"D", "true"}, {"E", "1.10"},
					      {"F", "0o17"}, {"G", ""}, {"H", "null"}, {"I", "12:30"}, {"J", "2001-01-01"},
					      {"K", "5"}, {"L", ".inf"}, {"M", "1e3"}, {"N", "no"}};
	assert_int_equal(d.class, OK);
	const struct function_spec *f = &d.ms.items[0].spec.function;
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_string_equal(pair_value(&f->env, want[i][0]), want[i][1]);
	assert_int_equal(f->command.n, 4);
	assert_string_equal(f->command.items[1], "8080");
	assert_string_equal(f->command.items[3], "1.10");
}

static void null_is_not_a_value(void **state)
{
	(void)state;
	assert_problems(FUNCTION "  env: {A: ~}\n", "6:12 WrongType");
	assert_problems(FUNCTION "  env: {A: null}\n", "6:12 WrongType");
	assert_problems(FUNCTION "  env:\n    A:\n", "7:7 WrongType");
	assert_problems(FUNCTION "  health:\n", "6:10 WrongType");
}

static void documents_may_be_empty(void **state)
{
	(void)state;
	static const char *const none[] = {"", "# only\n", "---\n", "---\n---\n...\n", "\n\n", "\xef\xbb\xbf"};
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		AUTO_DECODED struct decoded d = decode(none[i]);
		assert_int_equal(d.class, OK);
		assert_int_equal(d.ms.n, 0);
	}
	AUTO_DECODED struct decoded d = decode("\xef\xbb\xbf---\n" FUNCTION "---\n# x\n---\n" HEAD("Project") "  {}\n");
	assert_int_equal(d.class, OK);
	assert_int_equal(d.ms.n, 2);
	assert_int_equal(d.ms.items[0].line, 2);
	assert_int_equal(d.ms.items[1].line, 10);
	assert_string_equal(d.ms.items[1].file, "t.yaml");
}

static void a_broken_document_does_not_hide_the_others(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode("a: [\n---\n" FUNCTION "---\nb: \"x\n---\n\tc: d\n---\n" HEAD("Function") "  rntime: y\n");
	assert_string_equal(problems(&d), "2:1 InvalidYaml, 10:1 InvalidYaml, 11:1 InvalidYaml, 17:3 UnknownField, 17:3 MissingField");
	assert_int_equal(d.ms.n, 1);
	assert_int_equal(d.ms.items[0].line, 3);
	assert_non_null(strstr(d.ms.problems[2].message, "tab"));
}

static void duplicate_keys_are_refused_everywhere(void **state)
{
	(void)state;
	assert_problems(FUNCTION "  port: 1\n  port: 2\n", "7:3 DuplicateKey");
	assert_problems(FUNCTION "  env: {A: 1, B: 1, A: 2, A: 3}\n", "6:21 DuplicateKey, 6:27 DuplicateKey");
	assert_problems(FUNCTION "  runtime: y\n  \"runtime\": z\n", "6:3 DuplicateKey, 7:3 DuplicateKey");
	AUTO_DECODED struct decoded d = decode(FUNCTION "  port: 1\n  port: 1\n");
	assert_int_equal(d.ms.n, 0); /* which of the two was meant is not ours to guess */
}

static void keys_are_plain_text(void **state)
{
	(void)state;
	assert_problems("apiVersion: {{ x }}\n", "1:14 InvalidYaml");
	assert_problems("? [a]\n: b\n", "1:3 InvalidYaml");
	assert_problems("a: &a x\n*a : b\n", "2:1 InvalidYaml");
	assert_problems(FUNCTION "  env: {<<: {A: b}}\n", "6:9 UnknownField");
}

static void anchors_work_and_tags_do_not(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(FUNCTION "  env: &e {A: &a b, C: *a}\n---\n" HEAD("Environment") "  env: {A: 1}\n");
	assert_int_equal(d.class, OK);
	assert_string_equal(pair_value(&d.ms.items[0].spec.function.env, "C"), "b");
	assert_problems(FUNCTION "  env: &e {A: b}\n---\n" HEAD("Environment") "  env: *e\n", "12:8 InvalidYaml");
	assert_problems(FUNCTION "  env: &e {A: *e}\n", "6:15 InvalidYaml");
	assert_problems(FUNCTION "  env: !x {A: b}\n", "6:8 InvalidValue");
	assert_problems(FUNCTION "  env: {A: !!int 5}\n", "6:12 InvalidValue");
	assert_problems("# x\n%TAG ! tag:x,2000:\n--- a\n", "2:1 InvalidValue");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	(void)state;
	assert_problems("a: b\nc: \xff\n", "2:4 InvalidYaml");
	assert_problems("a: \x01\n", "1:4 InvalidYaml");
	assert_problems("a: \"\\0\"\n", "1:4 InvalidValue");
	AUTO_DECODED struct decoded d = decode_n("a: b\0c\n", 7);
	assert_string_equal(problems(&d), "1:5 InvalidYaml");
}

/* ---- limits ---- */

static struct decoded decode_repeated(const char *piece, size_t times, const char *tail)
{
	struct buf b = BUF_INIT(4 << 20);
	for (size_t i = 0; i < times; i++)
		buf_puts(&b, piece);
	buf_puts(&b, tail);
	struct decoded d = decode_n(b.p, b.len);
	buf_release(&b);
	return d;
}

/* Hostile text must cost little. Five seconds is a hundred times what each needs, also under the sanitizers, and
 * a thousandth of what the quadratic ways would take. */
static void assert_cheaply(const char *piece, size_t times, const char *tail, const char *want)
{
	int64_t from = clock_mono_ms();
	AUTO_DECODED struct decoded d = decode_repeated(piece, times, tail);
	assert_true(clock_mono_ms() - from < 5000);
	assert_int_equal(d.class, INVALID);
	assert_string_equal(problems(&d), want);
	assert_int_equal(d.ms.n, 0);
}

static void hostile_text_is_cheap(void **state)
{
	(void)state;
	assert_cheaply("[", MANIFEST_MAX_BYTES, "", "1:65 TooLarge");
	assert_cheaply("[\n", MANIFEST_MAX_BYTES / 2, "", "65:1 TooLarge");
	assert_cheaply("{a: ", 200000, "", "1:257 TooLarge");
	assert_cheaply("- ", MANIFEST_MAX_BYTES / 2, "", "1:129 TooLarge");
	assert_cheaply("? ", MANIFEST_MAX_BYTES / 2, "", "1:3 InvalidYaml");
	assert_cheaply("%TAG !a! x:\n", 80000, "", "1:1 InvalidValue");
	assert_cheaply("- a\n", 60000, "", "50000:3 TooLarge");
	assert_cheaply("---\n", MANIFEST_MAX_DOCUMENTS + 1, "", "5001:1 TooLarge");
	assert_cheaply("x", MANIFEST_MAX_BYTES + 1, "", "1:1 TooLarge");
}

static void laughs_are_counted_before_they_are_expanded(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	buf_puts(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++)
		buf_printf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1,
			   i - 1, i - 1, i - 1, i - 1);
	AUTO_DECODED struct decoded d = decode(b.p);
	assert_int_equal(d.ms.nproblems, 1);
	assert_int_equal(d.ms.problems[0].reason, R_TooLarge);
	assert_non_null(strstr(d.ms.problems[0].message, "aliases are expanded: the limit is 50000"));
}

static void aliases_have_a_limit(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	buf_puts(&b, FUNCTION "  command: [&a x");
	for (int i = 0; i < 60; i++)
		buf_puts(&b, ", *a");
	buf_puts(&b, "]\n");
	AUTO_DECODED struct decoded good = decode(b.p);
	assert_int_equal(good.class, OK);
	for (int i = 0; i < 41; i++)
		buf_printf(&b, "%s*a", i ? ", " : "---\n- &a x\n- [");
	buf_puts(&b, "]\n");
	AUTO_DECODED struct decoded bad = decode(b.p);
	assert_int_equal(bad.ms.nproblems, 1);
	assert_int_equal(bad.ms.problems[0].reason, R_TooLarge);
	assert_non_null(strstr(bad.ms.problems[0].message, "aliases"));
}

/* Depth counts through aliases: twelve levels of twelve. */
static void aliases_do_not_get_around_the_depth(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	buf_puts(&b, "a0: &a0 x\n");
	for (int i = 1; i < 13; i++)
		buf_printf(&b, "a%d: &a%d [[[[[[[[[[[[*a%d]]]]]]]]]]]]\n", i, i, i - 1);
	AUTO_DECODED struct decoded d = decode(b.p);
	assert_string_equal(problems(&d), "7:21 TooLarge");
}

static void problems_have_a_limit(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode_repeated("--- a\n", 300, "");
	assert_int_equal(d.ms.nproblems, MANIFEST_MAX_PROBLEMS);
	assert_int_equal(d.ms.problems[MANIFEST_MAX_PROBLEMS - 1].reason, R_TooLarge);
	assert_int_equal(d.ms.problems[0].line, 1);
	struct err e = ERR_INIT;
	assert_int_equal(manifests_decode("u.yaml", FUNCTION, strlen(FUNCTION), &d.a, &d.ms, &e), INVALID);
	assert_int_equal(d.ms.nproblems, MANIFEST_MAX_PROBLEMS);
	assert_int_equal(d.ms.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_of_the_word_that_is_wrong),
		cmocka_unit_test(scalars_keep_their_text),
		cmocka_unit_test(null_is_not_a_value),
		cmocka_unit_test(documents_may_be_empty),
		cmocka_unit_test(a_broken_document_does_not_hide_the_others),
		cmocka_unit_test(duplicate_keys_are_refused_everywhere),
		cmocka_unit_test(keys_are_plain_text),
		cmocka_unit_test(anchors_work_and_tags_do_not),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(hostile_text_is_cheap),
		cmocka_unit_test(laughs_are_counted_before_they_are_expanded),
		cmocka_unit_test(aliases_have_a_limit),
		cmocka_unit_test(aliases_do_not_get_around_the_depth),
		cmocka_unit_test(problems_have_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
