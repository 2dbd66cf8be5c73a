#include "reconcilers/declared.h"

enum err_class pin_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct declared_world *w;
	struct manifest_row row;
	enum err_class c = declared_observe(p, KIND_PIN, &w, &row, e);
	if (c)
		return c;
	if (row.found) {
		w->wake_kind = "target";
		w->wake_name = row.m.spec.pin.function;
		w->wake_environment = row.m.spec.pin.environment;
	}
	*ret_world = w;
	return OK;
}
