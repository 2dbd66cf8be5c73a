#include <string.h>

#include "reconcilers/declared.h"
#include "reconcilers/providers/image.h"

/* The base is asked for at the registry: an outage is an error of the pass (tried again), absence blocks. */
static enum err_class look_for_base(struct pass *p, const char *base, struct declared_world *w, struct err *e)
{
	const char *repository;
	struct digest d, have;
	if (strcmp(base, "scratch") == 0)
		return OK;
	if (!image_reference_parse(base, p->arena, &repository, &d)) {
		w->blocked = R_BaseMissing;
		w->blocked_message = "the base is not repository@sha256:…";
		return OK;
	}
	char text[DIGEST_TEXT];
	bool found;
	enum err_class c = registry_head(p->registry, repository, digest_text(&d, text), &found, &have, e);
	if (!c && !found) {
		w->blocked = R_BaseMissing;
		w->blocked_message = arena_printf(p->arena, "the registry has no %s", base);
	}
	return c;
}

enum err_class runtime_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct declared_world *w;
	struct manifest_row row;
	enum err_class c = declared_observe(p, KIND_RUNTIME, &w, &row, e);
	if (!c && row.found && !row.deleting)
		c = look_for_base(p, row.m.spec.runtime.base, w, e);
	if (!c)
		*ret_world = w;
	return c;
}
