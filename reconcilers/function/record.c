#include <string.h>

#include "reconcilers/conditions.h"
#include "reconcilers/function/function.h"

static struct condition built(const struct function_world *w)
{
	const struct function_version *v = &w->newest;
	if (!v->id || strcmp(v->status, "building") == 0)
		return (struct condition){"Built", "Unknown", "Building", ""};
	if (strcmp(v->status, "failed") == 0)
		return (struct condition){"Built", "False", v->reason, v->message};
	return (struct condition){"Built", "True", "Built", ""};
}

enum err_class function_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e)
{
	const struct function_world *w = world;
	if (!w || !w->declared)
		return OK; /* nothing to hang a status on; the engine has logged the failure */
	struct condition extra[2];
	size_t n = 0;
	extra[n++] = built(w);
	if (w->newest.id && w->runtime.found && w->newest.runtime_changed)
		extra[n++] = (struct condition){"BaseOutdated", "True", "BaseOutdated", "the runtime changed since the version was built"};
	return record_conditions(p, KIND_FUNCTION, w->generation, plan, failure, extra, n, e);
}
