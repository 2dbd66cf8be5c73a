/* Structured log: one JSON object a line on standard error. Threads may log at once; a line is one write(2). */
#ifndef FN_BASE_LOG_H
#define FN_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below this level are dropped; LOG_INFO until set. Call before threads start. */
void log_set_level(enum log_level level);

/* Fields are pairs of key and string value, ended by NULL: log_event(LOG_INFO, "pass", "key", key, NULL).
 * A NULL value leaves its pair out. */
void log_event(enum log_level level, const char *msg, ...) __attribute__((sentinel));

/* The same for an error at the end of its journey: adds class, reason and message. */
void log_err(enum log_level level, const char *msg, const struct err *e, ...) __attribute__((sentinel));

#endif
