/* What becomes of a function's old versions: archived once their images are of no more use, and their images deleted from the registry. The key's name is
 * the function's; functions that are gone and had that name are looked after as well. Which versions, says schema/retention.h. Pure types. */
#ifndef FN_RECONCILERS_RETENTION_H
#define FN_RECONCILERS_RETENTION_H

#include "reconcilers/reconciler.h"
#include "schema/retention.h"

enum { RETENTION_BATCH = 200 }; /* versions of one round */

struct retention_world {
	const char *subject;         /* the function's name */
	const struct fate_row *rows; /* those that something is due for come first */
	size_t n;
};

void retention_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret);

enum err_class retention_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class retention_act(struct pass *p, void *world, const struct step *s, struct err *e) MUST_USE;
enum err_class retention_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e) MUST_USE;

#endif
