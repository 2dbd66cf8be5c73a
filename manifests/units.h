/* Quantities as text, shortest form first: what parse_size and its kin read. Each value has one spelling, so that
 * canonical specs can be compared as text. */
#ifndef FN_MANIFESTS_UNITS_H
#define FN_MANIFESTS_UNITS_H

#include <stdint.h>

enum { UNIT_TEXT = 32 };
char *format_size(int64_t bytes, char out[UNIT_TEXT]);   /* "128Mi", "1000"; returns out */
char *format_cpu(int64_t millis, char out[UNIT_TEXT]);   /* "500m", "2" */
char *format_duration(int64_t ms, char out[UNIT_TEXT]);  /* "100ms", "30s", "5m", "1h" */

#endif
