#include "reconcilers/declared.h"

#include "reconcilers/conditions.h"
#include "reconcilers/tx.h"

enum err_class declared_observe(struct pass *p, enum kind kind, struct declared_world **ret, struct manifest_row *ret_row, struct err *e)
{
	struct manifest_row row;
	enum err_class c = manifest_load(p->store, kind, p->key.project, p->key.name, p->arena, &row, e);
	if (c)
		return c;
	struct declared_world *w = arena_alloc(p->arena, sizeof *w);
	*w = (struct declared_world){
		.kind = kind,
		.subject = arena_printf(p->arena, "%s %s", kind_info(kind)->singular, p->key.name),
		.found = row.found,
		.deleting = row.found && row.deleting,
		.generation = row.found ? row.generation : 0,
		.blocked_message = "",
	};
	if (ret_row)
		*ret_row = row;
	*ret = w;
	return OK;
}

void declared_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret)
{
	const struct declared_world *w = world;
	(void)now_ms; /* nothing here depends on time */
	*ret = (struct plan){.verdict = VERDICT_STEADY, .status = R_None, .message = ""};
	if (!w->found)
		return;
	if (w->deleting && w->users > 0) {
		ret->verdict = VERDICT_BLOCKED; /* whoever goes last wakes this key */
		ret->status = R_Deleting;
		ret->message = arena_printf(a, "waiting for %lld targets to stop serving", (long long)w->users);
	} else if (w->deleting) {
		(void)plan_add(ret, a, STEP_REMOVE_MANIFEST, w->subject, 0);
	} else if (w->blocked != R_None) {
		ret->verdict = VERDICT_BLOCKED; /* what it waits for wakes it */
		ret->status = w->blocked;
		ret->message = w->blocked_message;
	}
}

enum err_class declared_act(struct pass *p, void *world, const struct step *s, struct err *e)
{
	const struct declared_world *w = world;
	if (s->kind != STEP_REMOVE_MANIFEST)
		return err_set(e, BUG, R_Internal, "%s has no step %s", w->subject, step_name(s->kind));
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = manifest_remove(p->store, w->kind, p->key.project, p->key.name, e);
	if (!c && w->wake_kind)
		c = enqueue(p, w->wake_kind, w->wake_name, w->wake_environment, e);
	if (!c)
		c = tell(p, false, R_Deleting, "removed", e);
	return tx_end(p, c, e);
}

enum err_class declared_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e)
{
	const struct declared_world *w = world;
	if (!w || !w->found)
		return OK;
	return record_conditions(p, w->kind, w->generation, plan, failure, NULL, 0, e);
}
