/* Which user ids belong to which environment, durably: FN_HOME/node/environments.json, {"project/environment": index}. An
 * environment has ENVIRONMENT_UIDS ids from uid_base + index * ENVIRONMENT_UIDS on; instances take them by slot. */
#ifndef FN_NODE_ENVIRONMENTS_H
#define FN_NODE_ENVIRONMENTS_H

#include <sys/types.h>

#include "base/json.h"

enum { ENVIRONMENT_UIDS = 16, ENVIRONMENT_MAX = 65536 / ENVIRONMENT_UIDS };

struct environments;
enum err_class environments_open(const char *path, uid_t base, struct environments **ret, struct err *e) MUST_USE;
void environments_free(struct environments *v);

/* The id for an instance; on disk before it is used. When all are taken, one whose environment used() does not know is given
 * away, else TRANSIENT NoCapacity. */
typedef bool environments_used_fn(void *ctx, const char *environment);
enum err_class environments_uid(struct environments *v, const char *environment, int slot, environments_used_fn *used, void *ctx,
				uid_t *ret, struct err *e) MUST_USE;

#endif
