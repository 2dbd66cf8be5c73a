/* How long to wait before a failed pass is tried again. Pure. */
#ifndef FN_ENGINE_BACKOFF_H
#define FN_ENGINE_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_FIRST_MS = 200, BACKOFF_CAP_MS = 60000 };

/* Doubles from BACKOFF_FIRST_MS to BACKOFF_CAP_MS by attempt (0 is the first failure), then takes between half and all of it as jitter (0..65535)
 * says, so that many that failed together do not come back together. */
int64_t backoff_ms(int attempt, uint16_t jitter);

#endif
