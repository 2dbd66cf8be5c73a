/* Which OCI runtime works here: found out by running a container. */
#ifndef FN_NODE_RUNTIME_PROBE_H
#define FN_NODE_RUNTIME_PROBE_H

#include "base/json.h"

/* *ret_binary is the path of the first that works, or NULL; *ret_name its name and version, or why none does. Both are the
 * caller's to free. Takes some 50 ms for each runtime tried. dir is made and removed. */
void runtime_probe(const char *dir, const char *cgroup_parent, json_t *seccomp, char **ret_binary, char **ret_name);

#endif
