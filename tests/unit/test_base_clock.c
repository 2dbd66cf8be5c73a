/* Times as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static void rfc3339(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{1, "1970-01-01T00:00:00.001Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{-1000, "1969-12-31T23:59:59.000Z"},
		{1582934400000, "2020-02-29T00:00:00.000Z"},
		{1763640000123, "2025-11-20T12:00:00.123Z"},
		{4102444800999, "2100-01-01T00:00:00.999Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[CLOCK_TEXT];
		assert_ptr_equal(clock_rfc3339(rows[i].ms, out), out);
		assert_string_equal(out, rows[i].text);
	}
}

static void clocks_go_forward(void **state)
{
	(void)state;
	assert_true(clock_wall_ms() > 1700000000000);
	int64_t last = clock_mono_ms();
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_ms();
		assert_true(now >= last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rfc3339), cmocka_unit_test(clocks_go_forward)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
