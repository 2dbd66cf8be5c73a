#include "net/pg.h"

#include <string.h>

/* The first row whose prefix fits; longer prefixes before their shorter ones. PostgreSQL's manual, appendix A. */
static const struct {
	const char *prefix;
	enum err_class class;
	enum reason reason;
} states[] = {
	{"08", TRANSIENT, R_DatabaseUnavailable},
	{"0A000", TRANSIENT, R_DatabaseUnavailable}, /* a cached plan that a migration made out of date */
	{"22", INVALID, R_InvalidValue},
	{"23001", CONFLICT, R_DatabaseConflict}, /* something refers to what is deleted */
	{"23503", CONFLICT, R_DatabaseConflict}, /* what is referred to went away */
	{"23505", CONFLICT, R_DatabaseConflict},
	{"23514", INVALID, R_InvalidValue},
	{"25006", TRANSIENT, R_DatabaseUnavailable}, /* a standby: failing over */
	{"25P03", TRANSIENT, R_DatabaseUnavailable}, /* our transaction idled too long */
	{"26000", TRANSIENT, R_DatabaseUnavailable}, /* a pooler lost our prepared statement */
	{"28", DENIED, R_Forbidden},
	{"40", CONFLICT, R_DatabaseConflict},
	{"42501", DENIED, R_Forbidden},
	{"53100", TRANSIENT, R_DiskFull},
	{"53", TRANSIENT, R_DatabaseUnavailable},
	{"55P03", TRANSIENT, R_DatabaseConflict}, /* lock_timeout: waiting again at once would only queue again */
	{"57", TRANSIENT, R_DatabaseUnavailable},
	{"58", TRANSIENT, R_DatabaseUnavailable},
};

enum err_class pg_sqlstate_class(const char *state, enum reason *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strncmp(state, states[i].prefix, strlen(states[i].prefix)) == 0) {
			*ret = states[i].reason;
			return states[i].class;
		}
	*ret = R_DatabaseError;
	return BUG;
}
