#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *token, *sentence, *hint;
} reasons[REASON_COUNT] = {
#define REASON(token, sentence, hint) [R_##token] = {#token, sentence, hint},
#include "base/reason.def"
#undef REASON
};

const char *reason_token(enum reason r) { return r < REASON_COUNT ? reasons[r].token : "Internal"; }

const char *reason_sentence(enum reason r) { return r < REASON_COUNT ? reasons[r].sentence : ""; }

enum reason reason_parse(const char *token)
{
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (strcmp(reasons[i].token, token) == 0)
			return (enum reason)i;
	return R_Internal;
}

const char *reason_hint(const char *token)
{
	enum reason r = reason_parse(token);
	return strcmp(reasons[r].token, token) == 0 ? reasons[r].hint : "";
}

static bool is_among(enum reason r, const enum reason *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == r)
			return true;
	return false;
}

bool reason_is_outage(enum reason r)
{
	static const enum reason away[] = {R_NodeUnavailable, R_GatewayUnavailable, R_RegistryUnavailable, R_StoreUnavailable, R_DatabaseUnavailable,
					   R_DatabaseConflict, R_DiskFull, R_NoCapacity, R_OutOfResources, R_StaleEpoch, R_LeaseLost};
	return is_among(r, away, ARRAY_LEN(away));
}

bool reason_progresses(enum reason r)
{
	static const enum reason under_way[] = {R_Pending, R_Building, R_Starting, R_Switching, R_Deleting};
	return is_among(r, under_way, ARRAY_LEN(under_way)) || reason_is_outage(r);
}

const char *err_class_name(enum err_class class)
{
	switch (class) {
	case OK: return "ok";
	case TRANSIENT: return "transient";
	case CONFLICT: return "conflict";
	case INVALID: return "invalid";
	case DENIED: return "denied";
	case BUG: return "bug";
	}
	return "bug";
}

enum err_class err_set(struct err *e, enum err_class class, enum reason reason, const char *fmt, ...)
{
	if (!e)
		return class;
	e->class = class;
	e->reason = reason_token(reason);
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof e->msg, fmt, ap); /* a message cut at 511 bytes is still a message */
	va_end(ap);
	return class;
}

enum err_class err_errno(struct err *e, int errnum, enum err_class class, enum reason reason, const char *fmt, ...)
{
	if (!e)
		return class;
	bool full = errnum == ENOSPC || errnum == EDQUOT;
	e->class = full ? TRANSIENT : class;
	e->reason = reason_token(full ? R_DiskFull : reason);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->msg) {
		char text[128];
		(void)snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", strerror_r(errnum, text, sizeof text));
	}
	return e->class;
}

enum err_class err_wrap(struct err *e, const char *fmt, ...)
{
	if (!e)
		return BUG;
	char outer[sizeof e->msg];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(outer, sizeof outer, fmt, ap);
	va_end(ap);
	AUTO_FREE char *both = xprintf("%s: %s", outer, e->msg);
	(void)snprintf(e->msg, sizeof e->msg, "%.511s", both);
	return e->class;
}
