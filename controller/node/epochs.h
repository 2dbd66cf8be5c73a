/* The highest epoch seen per key: what keeps a controller that lost its lease from changing anything. One small file a key,
 * <dir>/<hex digest of the key>, holding "<epoch> <key>\n"; never removed, so that a key that comes back still fences. */
#ifndef FN_NODE_EPOCHS_H
#define FN_NODE_EPOCHS_H

#include "base/mem.h"

struct epochs;
enum err_class epochs_open(const char *dir, struct epochs **ret, struct err *e) MUST_USE; /* makes dir */
void epochs_free(struct epochs *p);

struct claim {
	const char *key;
	int64_t epoch;
};

/* Takes all of them, durably before it returns OK, or none: CONFLICT StaleEpoch when any is below the highest seen for its
 * key, INVALID BadRequest for an epoch that is not positive. TRANSIENT when a file cannot be read or written: then the
 * command must not be obeyed. */
enum err_class epochs_accept(struct epochs *p, const struct claim *claims, size_t n, struct err *e) MUST_USE;

#endif
