/* The pauses between tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/backoff.h"

static void doubles_to_the_cap(void **state)
{
	(void)state;
	static const int64_t full[] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
	for (int i = 0; i < (int)(sizeof full / sizeof full[0]); i++) {
		assert_int_equal(backoff_ms(i, UINT16_MAX), full[i]);
		assert_int_equal(backoff_ms(i, 0), full[i] / 2);
	}
	assert_int_equal(backoff_ms(INT32_MAX, UINT16_MAX), BACKOFF_CAP_MS);
	assert_int_equal(backoff_ms(-1, UINT16_MAX), BACKOFF_FIRST_MS);
	assert_int_equal(backoff_ms(INT32_MIN, UINT16_MAX), BACKOFF_FIRST_MS);
}

static void jitter_spreads_between_half_and_all(void **state)
{
	(void)state;
	for (int attempt = 0; attempt < 12; attempt++) {
		int64_t last = 0, full = backoff_ms(attempt, UINT16_MAX);
		for (uint32_t j = 0; j <= UINT16_MAX; j += 255) {
			int64_t ms = backoff_ms(attempt, (uint16_t)j);
			assert_true(ms >= last);
			assert_true(ms >= full / 2);
			assert_true(ms <= full);
			last = ms;
		}
		assert_true(backoff_ms(attempt, UINT16_MAX / 2) > full / 2);
		assert_true(backoff_ms(attempt, UINT16_MAX / 2) < full);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(doubles_to_the_cap), cmocka_unit_test(jitter_spreads_between_half_and_all)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
