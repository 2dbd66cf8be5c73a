/* Quantities, kinds, and the formats against their own patterns. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "manifests/format.h"
#include "manifests/manifest.h"
#include "manifests/units.h"

static void quantities_are_read(void **state)
{
	(void)state;
	static const struct {
		bool (*parse)(const char *, int64_t *);
		const char *text;
		int64_t value;
	} good[] = {
		{parse_size, "128Mi", 134217728}, {parse_size, "1Ki", 1024},     {parse_size, "0", 0},
		{parse_size, "1000", 1000},       {parse_size, "2Gi", INT64_C(1) << 31},
		{parse_size, "1Ti", INT64_C(1) << 40},
		{parse_cpu, "500m", 500},         {parse_cpu, "2", 2000},        {parse_cpu, "0.5", 500},
		{parse_cpu, "1.25", 1250},        {parse_cpu, "0.001", 1},       {parse_cpu, "1500m", 1500},
		{parse_duration, "30s", 30000},   {parse_duration, "100ms", 100}, {parse_duration, "5m", 300000},
		{parse_duration, "1h", 3600000},
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t v = -1;
		assert_true(good[i].parse(good[i].text, &v));
		assert_int_equal(v, good[i].value);
	}
}

static void what_is_no_quantity_is_refused(void **state)
{
	(void)state;
	static const char *const sizes[] = {"", "Mi", "-1", "+1", "1 Mi", "1.5Gi", "1M", "1mi", "01", "1Mi ", "1e3", "0x10",
					    "9999999999999999", "999999999999999Ti"};
	static const char *const cpus[] = {"", "m", "1.", ".5", "1.2345", "1.5m", "-1", "1,5", "500M", "01.5"};
	static const char *const durations[] = {"", "30", "s", "1.5s", "-1s", "1m30s", "1 s", "1S", "1d", "01s"};
	int64_t v = 7;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_false(parse_size(sizes[i], &v));
	for (size_t i = 0; i < ARRAY_LEN(cpus); i++)
		assert_false(parse_cpu(cpus[i], &v));
	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		assert_false(parse_duration(durations[i], &v));
	assert_int_equal(v, 7); /* written only on success */
}

static void each_quantity_has_one_spelling(void **state)
{
	(void)state;
	char out[UNIT_TEXT];
	assert_string_equal(format_size(134217728, out), "128Mi");
	assert_string_equal(format_size(1000, out), "1000");
	assert_string_equal(format_size(0, out), "0");
	assert_string_equal(format_size(INT64_C(1) << 40, out), "1Ti");
	assert_string_equal(format_cpu(500, out), "500m");
	assert_string_equal(format_cpu(2000, out), "2");
	assert_string_equal(format_duration(90000, out), "90s");
	assert_string_equal(format_duration(60000, out), "1m");
	assert_string_equal(format_duration(7200000, out), "2h");
	assert_string_equal(format_duration(1500, out), "1500ms");
	for (int64_t v = 0; v < 1000; v++) {
		int64_t big = v * v * v * 977, back;
		assert_true(parse_size(format_size(big, out), &back) && back == big);
		assert_true(parse_cpu(format_cpu(big, out), &back) && back == big);
		assert_true(parse_duration(format_duration(big, out), &back) && back == big);
	}
}

static void kinds_have_four_spellings(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct kind_info *k = kind_info((enum kind)i);
		const char *words[] = {k->name, k->singular, k->plural, k->alias};
		assert_int_equal(k->kind, i);
		for (size_t w = 0; w < ARRAY_LEN(words); w++) {
			enum kind got = KIND_COUNT;
			assert_true(!words[w] || (kind_parse(words[w], &got) && got == k->kind));
		}
	}
	enum kind k = KIND_PIN;
	assert_true(kind_parse("FUNCTION", &k));
	assert_int_equal(k, KIND_FUNCTION);
	assert_false(kind_parse("functionss", &k));
	assert_false(kind_parse("", &k));
}

/* Every format on every text of up to four pieces from an alphabet that holds all the special cases: the functions and
 * the patterns that the schemas publish accept the same. */
static void check_format(enum format f, const char *s, const regex_t *re)
{
	const struct format_info *i = format_info(f);
	if (i->valid(s) != (regexec(re, s, 0, NULL, 0) == 0))
		fail_msg("%s: the function %s \"%s\", the pattern does not agree", i->title,
			 i->valid(s) ? "accepts" : "refuses", s);
}

static const char *const pieces[] = {"",  "a", "z", "Z", "0", "1", "9", "F", "FN", "_", "-", ".", "/", "#", " ", "@", ":",
				     "m", "s", "h", "Mi", "é", "\x7f", "\n", "scratch", "latest",
				     "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};

static void check_all(enum format f, const regex_t *re)
{
	enum { N = ARRAY_LEN(pieces) };
	char s[512];
	for (size_t i = 0; i < (size_t)N * N * N * N; i++) {
		size_t at = 0;
		for (size_t k = 0, rest = i; k < 4; k++, rest /= N) {
			size_t n = strlen(pieces[rest % N]);
			memcpy(s + at, pieces[rest % N], n);
			at += n;
		}
		s[at] = '\0';
		check_format(f, s, re);
	}
}

static void formats_and_patterns_agree(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMAT_COUNT; f++) {
		const struct format_info *i = format_info((enum format)f);
		regex_t re;
		if (!i->pattern)
			continue;
		assert_int_equal(regcomp(&re, i->pattern, REG_EXTENDED | REG_NOSUB), 0);
		check_all((enum format)f, &re);
		regfree(&re);
	}
}

static void formats_have_limits(void **state)
{
	(void)state;
	char s[64];
	memset(s, 'a', sizeof s);
	s[40] = '\0';
	assert_true(format_matches(FORMAT_NAME, s));
	s[40] = 'a';
	s[41] = '\0';
	assert_false(format_matches(FORMAT_NAME, s));
	s[41] = 'a';
	s[63] = '\0';
	assert_true(format_matches(FORMAT_LABEL_KEY, s));
	assert_true(format_matches(FORMAT_VERSION, s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_are_read),
		cmocka_unit_test(what_is_no_quantity_is_refused),
		cmocka_unit_test(each_quantity_has_one_spelling),
		cmocka_unit_test(kinds_have_four_spellings),
		cmocka_unit_test(formats_and_patterns_agree),
		cmocka_unit_test(formats_have_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
