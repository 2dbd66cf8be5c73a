#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec ts;
	(void)clock_gettime(id, &ts); /* cannot fail for these clocks */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void) { return now_ms(CLOCK_REALTIME); }

int64_t clock_mono_ms(void) { return now_ms(CLOCK_MONOTONIC); }

char *clock_rfc3339(int64_t wall_ms, char *out)
{
	int64_t seconds = wall_ms / 1000, ms = wall_ms % 1000;
	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	time_t t = (time_t)seconds;
	struct tm tm;
	(void)gmtime_r(&t, &tm);
	size_t n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, CLOCK_TEXT - n, ".%03dZ", (int)ms);
	return out;
}
