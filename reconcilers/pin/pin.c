#include <string.h>

#include "reconcilers/conditions.h"
#include "reconcilers/declared.h"

/* A pin is ready when the target that it binds serves as it says. */
static enum err_class look(struct pass *p, const struct manifest_row *row, struct declared_world *w, struct err *e)
{
	const struct pin_spec *pin = &row->m.spec.pin;
	struct function_row f;
	struct target_row t = {.found = false};
	enum err_class c = function_load(p->store, p->key.project, pin->function, p->arena, &f, e);
	if (!c && f.found)
		c = target_load(p->store, f.id, pin->environment, p->arena, &t, e);
	if (c)
		return c;
	bool outage = t.found && reason_is_outage(reason_parse(t.status)); /* it cannot look */
	bool current = outage || (t.found && t.seen.pin == row->generation);
	if (current && (strcmp(t.status, "Serving") == 0 || strcmp(t.status, "Stopped") == 0))
		return OK;
	w->blocked = current ? reason_parse(t.status) : R_Pending;
	w->blocked_message = current ? t.message : "waiting for its turn";
	return OK;
}

enum err_class pin_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct declared_world *w;
	struct manifest_row row;
	enum err_class c = declared_observe(p, KIND_PIN, &w, &row, e);
	if (!c && row.found) {
		w->wake_kind = "target";
		w->wake_name = row.m.spec.pin.function;
		w->wake_environment = row.m.spec.pin.environment;
		c = look(p, &row, w, e);
	}
	if (!c)
		*ret_world = w;
	return c;
}
