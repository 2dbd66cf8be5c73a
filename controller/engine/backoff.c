#include "engine/backoff.h"

int64_t backoff_ms(int attempt, uint16_t jitter)
{
	enum { DOUBLINGS = 9 }; /* 200 ms << 9 is beyond the cap */
	int64_t full = (int64_t)BACKOFF_FIRST_MS << (attempt < 0 ? 0 : attempt > DOUBLINGS ? DOUBLINGS : attempt);
	if (full > BACKOFF_CAP_MS)
		full = BACKOFF_CAP_MS;
	return full / 2 + full / 2 * jitter / UINT16_MAX;
}
