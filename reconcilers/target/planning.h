/* What the files of a target's planning share. */
#ifndef FN_RECONCILERS_PLANNING_H
#define FN_RECONCILERS_PLANNING_H

#include <string.h>

#include "reconcilers/target/target.h"

/* One planning: what is known, when, and the plan being written. */
struct planning {
	const struct target_world *w;
	int64_t now;
	struct arena *a;
	struct plan *p;
};

static inline bool same_id(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

static inline const char **name_list(struct arena *a, size_t n) { return arena_array(a, n + 1, sizeof(char *)); }

/* routes.c */

const struct instance *find_instance(const struct target_world *w, const char *name); /* NULL when it is not there */

/* The instances that release r's route should name: those that are ready, or all when none is (requests then wait for the restart). */
const char *const *route_names(const struct planning *k, const struct target_release *r);

/* Plans the route to r (NULL: to nothing yet) with the hosts of all releases that are ready beside it, unless the gateway has just that. */
void add_route(struct planning *k, const struct target_release *r);

#endif
