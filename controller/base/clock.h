/* Clocks. Wall time is for people and for what is stored; deadlines use the monotonic clock. Milliseconds. */
#ifndef FN_BASE_CLOCK_H
#define FN_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */
int64_t clock_mono_ms(void); /* since some fixed point */

enum { CLOCK_TEXT = 32 };
/* "2026-11-20T13:05:00.123Z" (RFC 3339) into out[CLOCK_TEXT]; returns out. */
char *clock_rfc3339(int64_t wall_ms, char *out);

#endif
