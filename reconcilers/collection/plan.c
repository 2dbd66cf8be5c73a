#include "reconcilers/collection/collection.h"

static bool done(const struct collection_row *r, const char *part) { return json_object_get(r->result, part) != NULL; }

static void wait_until(struct plan *p, int64_t ms, const char *message)
{
	*p = (struct plan){.verdict = VERDICT_WAIT, .status = R_Pending, .message = message, .wake_ms = ms};
}

static void plan_next(const struct collection_world *w, int64_t now, struct arena *a, struct plan *p)
{
	const struct collection_row *r = &w->row;
	bool due = r->asked || !r->last_ms || now >= r->last_ms + w->interval_ms;
	if (due)
		(void)plan_add(p, a, STEP_BEGIN_COLLECTION, "what nothing uses", 0);
	else
		p->wake_ms = r->last_ms + w->interval_ms;
}

static void plan_parts(const struct collection_row *r, struct arena *a, struct plan *p)
{
	if (!done(r, "cache"))
		(void)plan_add(p, a, STEP_SWEEP_CACHE, "what no image in use has", r->id);
	if (!done(r, "layers"))
		(void)plan_add(p, a, STEP_SWEEP_LAYERS, "those of no image in use", r->id);
	if (!done(r, "uploads"))
		(void)plan_add(p, a, STEP_SWEEP_FILES, "those that no build needs", r->id);
	(void)plan_add(p, a, STEP_END_COLLECTION, "what nothing uses", r->id);
}

void collection_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret)
{
	const struct collection_world *w = world;
	const struct collection_row *r = &w->row;
	*ret = (struct plan){.verdict = VERDICT_STEADY, .status = R_None, .message = ""};
	if (!r->id)
		plan_next(w, now_ms, a, ret);
	else if (done(r, "registry"))
		plan_parts(r, a, ret);
	else if (!r->looked_ms && w->progress.working && now_ms < r->started_ms + PRUNE_WAIT_MS)
		wait_until(ret, now_ms + LOOK_MS, "old versions are being archived");
	else if (r->looked_ms && now_ms >= r->looked_ms && now_ms < r->looked_ms + LOOK_MS)
		wait_until(ret, r->looked_ms + LOOK_MS, "the registry's garbage is being collected");
	else
		(void)plan_add(ret, a, STEP_COLLECT_REGISTRY, "what was deleted since the last time", r->id);
}
