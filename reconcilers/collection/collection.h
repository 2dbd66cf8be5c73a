/* A collection of what nothing uses any more and nobody else removes: functions' old versions that no event told of, the registry's garbage, blobs in the
 * cache, unpacked layers, uploads, left-over builds. One key, collection/default/all; a row in `collections` each run. Pure types. */
#ifndef FN_RECONCILERS_COLLECTION_H
#define FN_RECONCILERS_COLLECTION_H

#include "reconcilers/reconciler.h"
#include "schema/retention.h"

enum {
	PRUNE_WAIT_MS = 30 * 1000, /* for the functions' own passes; then the rest goes on without them */
	LOOK_MS = 200              /* between two looks at what is under way */
};

struct collection_world {
	int64_t interval_ms;
	struct collection_row row;
	struct collection_progress progress; /* while one is under way */
};

void collection_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret);

enum err_class collection_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class collection_act(struct pass *p, void *world, const struct step *s, struct err *e) MUST_USE;
enum err_class collection_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e) MUST_USE;

#endif
