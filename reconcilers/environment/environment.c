#include "reconcilers/declared.h"

enum err_class environment_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct declared_world *w;
	enum err_class c = declared_observe(p, KIND_ENVIRONMENT, &w, NULL, e);
	if (!c && w->deleting) {
		const char *params[] = {p->key.project, NULL, p->key.name};
		json_t *targets = NULL;
		c = store_read(p->store, READ_TARGETS, (int)ARRAY_LEN(params), params, &targets, e);
		if (!c)
			w->users = (int64_t)json_array_size(json_object_get(targets, "items"));
		json_decref(targets);
	}
	if (!c)
		*ret_world = w;
	return c;
}
