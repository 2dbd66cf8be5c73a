#include <string.h>

#include "reconcilers/conditions.h"
#include "reconcilers/declared.h"

/* An environment is ready when all that is declared to serve in it does; the first that does not speaks. */
static void judge(struct pass *p, const struct environment_binding *rows, size_t n, int64_t generations, struct declared_world *w)
{
	for (size_t i = 0; i < n && w->blocked == R_None; i++) {
		const struct environment_binding *b = &rows[i];
		bool outage = b->has_target && reason_is_outage(reason_parse(b->status)); /* it cannot look */
		bool current = outage || (b->has_target && b->seen_environment == generations);
		if (current && (strcmp(b->status, "Serving") == 0 || strcmp(b->status, "Stopped") == 0))
			continue;
		w->blocked = current ? reason_parse(b->status) : R_Pending;
		w->blocked_message = arena_printf(p->arena, "%s: %s", b->function, current ? b->message : "waiting for its turn");
	}
}

static enum err_class look(struct pass *p, struct declared_world *w, struct err *e)
{
	struct environment_binding *rows;
	struct manifest_row *chain;
	size_t n, nchain;
	enum err_class c = environment_bindings_load(p->store, p->key.project, p->key.name, p->arena, &rows, &n, e);
	if (!c)
		c = environment_chain(p->store, p->key.project, p->key.name, p->arena, &chain, &nchain, e);
	if (c)
		return c;
	int64_t generations = 0;
	for (size_t i = 0; i < nchain; i++)
		generations += chain[i].generation;
	for (size_t i = 0; i < n; i++)
		w->users += rows[i].has_target;
	judge(p, rows, n, generations, w);
	return OK;
}

enum err_class environment_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct declared_world *w;
	enum err_class c = declared_observe(p, KIND_ENVIRONMENT, &w, NULL, e);
	if (!c && w->found)
		c = look(p, w, e);
	if (!c)
		*ret_world = w;
	return c;
}
