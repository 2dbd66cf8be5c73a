/* What `ensure` asks for, checked: this process is root, so it believes nothing it is told. */
#ifndef FN_NODE_INSTANCE_SPEC_H
#define FN_NODE_INSTANCE_SPEC_H

#include "base/json.h"

struct node_spec {
	const char *name, *release, *environment;
	struct digest image;
	const char *const *command, *const *env; /* NULL-terminated */
	int port;
	int64_t memory_bytes, cpu_millis, pids;
	const char *health_path; /* NULL: TCP */
	int64_t health_interval_ms, health_timeout_ms, health_deadline_ms, health_failures;
	struct digest digest;    /* of the whole request: the same spec again is recognised by it */
};

/* Strings are copied into the arena. INVALID BadRequest or InvalidName naming the member; unknown members are refused. */
enum err_class node_spec_parse(const json_t *j, struct arena *a, struct node_spec *ret, struct err *e) MUST_USE;

bool node_instance_name_valid(const char *s); /* [0-9a-f]{12}-[0-9]{1,4} */
bool node_key_valid(const char *s);           /* printable without space, parts between slashes, at most KEY_MAX_LEN - 1 */
/* A DNS name in lower case that is domain or below it. */
bool node_host_valid(const char *host, const char *domain);
bool node_token_valid(const char *s, size_t max); /* [A-Za-z0-9._-]+: releases */

#endif
