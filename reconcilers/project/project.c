#include "reconcilers/declared.h"

enum err_class project_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct declared_world *w;
	enum err_class c = declared_observe(p, KIND_PROJECT, &w, NULL, e);
	if (!c)
		*ret_world = w;
	return c;
}
