#include <string.h>

#include "reconcilers/target/target.h"
#include "reconcilers/target/tuple.h"
#include "reconcilers/tx.h"

static const char actor[] = "controller";

static struct fence fence_of(const struct pass *p) { return (struct fence){p->lease.key, p->lease.epoch}; }

/* The release a step names is one of those the world knows. */
static const struct target_release *release_of(const struct target_world *w, const char *id)
{
	const struct target_release *known[] = {&w->wanted, &w->routed, &w->active, &w->previous};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i]->id && strcmp(known[i]->id, id) == 0)
			return known[i];
	return NULL;
}

/* Every database step runs in a transaction that first checks the lease, and knows the function's id. */
typedef enum err_class change_fn(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e);

static enum err_class in_tx(struct pass *p, const struct target_world *w, const struct step *s, change_fn *change, struct err *e)
{
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	struct function_row f;
	c = function_load(p->store, p->key.project, p->key.name, p->arena, &f, e);
	if (!c && !f.found)
		c = err_set(e, CONFLICT, R_NotFound, "the function went away");
	if (!c)
		c = change(p, f.id, w, s, e);
	return tx_end(p, c, e);
}

static enum err_class want(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	return target_want(p->store, function_id, p->key.project, p->key.name, p->key.environment, w->binding, s->number, e);
}

static enum err_class mint(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	char id[UUID_TEXT];
	int64_t n;
	return release_mint(p->store, function_id, p->key.environment, s->id, w->wanted.tuple, actor, id, &n, e);
}

static enum err_class forgive(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	(void)w, (void)s;
	return target_set_failed(p->store, function_id, p->key.environment, "", "", "", e);
}

static enum err_class activate(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	(void)w;
	return target_set_active(p->store, function_id, p->key.environment, s->id, e);
}

static enum err_class acknowledge(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	const char *message = arena_printf(p->arena, "version %lld serves in %s", (long long)s->number, p->key.environment);
	enum err_class c = target_set_routed(p->store, function_id, p->key.environment, s->id, e);
	if (!c)
		c = function_mirror(p->store, function_id, e);
	if (!c)
		c = function_log_add(p->store, function_id, w->wanted.deployment_id, p->key.environment, actor, "activate", message, e);
	if (!c)
		c = tell(p, false, R_Serving, message, e);
	return c;
}

static enum err_class fail_release(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	const char *token = reason_token(s->reason);
	enum err_class c = target_set_failed(p->store, function_id, p->key.environment, s->id, token, s->message, e);
	if (!c)
		c = function_mirror(p->store, function_id, e);
	if (!c)
		c = function_log_add(p->store, function_id, w->wanted.deployment_id, p->key.environment, actor, "failed", s->message, e);
	return c; /* the status that follows is told as an event, with what keeps serving */
}

static enum err_class remove_target(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	(void)w, (void)s;
	enum err_class c = target_delete(p->store, function_id, p->key.environment, e);
	if (!c)
		c = function_mirror(p->store, function_id, e);
	if (!c)
		c = enqueue(p, "function", p->key.name, NULL, e);
	if (!c)
		c = enqueue(p, "environment", p->key.environment, NULL, e);
	return c;
}

static enum err_class fetch_image(struct pass *p, const struct target_release *r, struct err *e)
{
	struct digest d;
	if (!digest_parse(r->image, &d))
		return err_set(e, BUG, R_Internal, "release %s has no image digest", r->id);
	return registry_pull(p->registry, r->repository, &d, p->cache, e);
}

static enum err_class start_instance(struct pass *p, const struct target_release *r, int64_t slot, struct err *e)
{
	struct tuple_names names = {p->key.name, p->key.project, p->key.environment, r->version, r->n};
	struct instance_spec spec;
	enum err_class c = tuple_instance(r->tuple, &names, p->arena, &spec, e);
	if (c)
		return c;
	spec.name = instance_name(p->arena, r->id, slot);
	spec.release = r->id;
	struct fence f = fence_of(p);
	return node_ensure(p->node, &f, &spec, e);
}

static enum err_class route(struct pass *p, const struct target_world *w, const struct target_release *r, const struct step *s, struct err *e)
{
	struct route_switch sw = {
		.fence = fence_of(p),
		.route = {.release = r->id, .hosts = w->hosts, .instances = s->names, .timeout_ms = r->timeout_ms},
	};
	return node_route(p->node, &sw, 1, e);
}

static enum err_class unroute(struct pass *p, struct err *e)
{
	static const char *const none[] = {NULL};
	struct route_switch sw = {.fence = fence_of(p), .route = {.release = "", .hosts = none, .instances = none}};
	return node_route(p->node, &sw, 1, e);
}

static size_t count(const char *const *names)
{
	size_t n = 0;
	while (names[n])
		n++;
	return n;
}

static enum err_class on_release(struct pass *p, const struct target_world *w, const struct step *s, struct err *e)
{
	const struct target_release *r = release_of(w, s->id);
	if (!r)
		return err_set(e, BUG, R_Internal, "a step names release %s, which the target does not know", s->id);
	if (s->kind == STEP_FETCH_IMAGE)
		return fetch_image(p, r, e);
	return s->kind == STEP_START_INSTANCE ? start_instance(p, r, s->number, e) : route(p, w, r, s, e);
}

enum err_class target_act(struct pass *p, void *world, const struct step *s, struct err *e)
{
	const struct target_world *w = world;
	struct fence f = fence_of(p);
	switch ((int)s->kind) { /* the function's own steps never come here */
	case STEP_WANT: return in_tx(p, w, s, want, e);
	case STEP_MINT_RELEASE: return in_tx(p, w, s, mint, e);
	case STEP_FORGIVE: return in_tx(p, w, s, forgive, e);
	case STEP_ACTIVATE: return in_tx(p, w, s, activate, e);
	case STEP_ACKNOWLEDGE: return in_tx(p, w, s, acknowledge, e);
	case STEP_FAIL_RELEASE: return in_tx(p, w, s, fail_release, e);
	case STEP_REMOVE_TARGET: return in_tx(p, w, s, remove_target, e);
	case STEP_FETCH_IMAGE:
	case STEP_START_INSTANCE:
	case STEP_ROUTE: return on_release(p, w, s, e);
	case STEP_STOP_INSTANCES: return node_stop(p->node, &f, s->names, count(s->names), s->drain_ms, e);
	case STEP_UNROUTE: return unroute(p, e);
	default: return err_set(e, BUG, R_Internal, "a target has no step %s", step_name(s->kind));
	}
}
