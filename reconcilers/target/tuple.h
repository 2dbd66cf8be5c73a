/* The tuple of a release: all that decides what runs. {"image","env":{…},"port","memory_bytes","cpu_millis","pids","timeout_ms","health":{…}} */
#ifndef FN_RECONCILERS_TUPLE_H
#define FN_RECONCILERS_TUPLE_H

#include "manifests/manifest.h"
#include "reconcilers/providers/node.h"

/* New reference. chain: the environment and its ancestors, nearest first; a nearer value wins, the function's own wins over all. */
json_t *tuple_make(const char *image_digest, const struct function_spec *f, const struct environment_spec *const *chain, size_t n);

/* The same without the image: what is declared, whatever the version. New reference. */
json_t *tuple_config(const struct function_spec *f, const struct environment_spec *const *chain, size_t n);

/* A tuple with what changed in the declared configuration from base to now (both by tuple_config) carried onto it: members that differ are
 * taken over, those that went go, all others and the image stay. New reference. */
json_t *tuple_rebase(const json_t *tuple, const json_t *base, const json_t *now);

int64_t tuple_timeout_ms(const json_t *tuple);
int64_t tuple_health_deadline_ms(const json_t *tuple);

/* What the platform tells an instance beside the tuple's variables. */
struct tuple_names {
	const char *function, *project, *environment;
	int64_t version, release;
};
/* The node's spec for one instance of a release with this tuple; strings in the arena or borrowed from the tuple. INVALID Internal on a tuple
 * that tuple_make did not write. */
enum err_class tuple_instance(const json_t *tuple, const struct tuple_names *names, struct arena *a, struct instance_spec *ret, struct err *e)
	MUST_USE;

#endif
