#include <string.h>

#include "reconcilers/restore.h"
#include "reconcilers/target/target.h"
#include "reconcilers/target/tuple.h"
#include "reconcilers/tx.h"

static const char actor[] = "controller";

static struct fence fence_of(const struct pass *p) { return (struct fence){p->lease.key, p->lease.epoch}; }

/* The release a step names is one of those the world knows. */
static const struct target_release *release_of(const struct target_world *w, const char *id)
{
	const struct target_release *known[] = {&w->wanted, &w->routed, &w->active};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i]->id && strcmp(known[i]->id, id) == 0)
			return known[i];
	return NULL;
}

/* Every database step runs in a transaction that first checks the lease, and that the target is still what the plan was made for: a rollback, a release of
 * a hold and an explicit deploy write it as well. It knows the function's id. */
typedef enum err_class change_fn(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e);

static bool is_as_seen(const struct target_world *w, const struct target_row *t)
{
	if (!t->found || !w->exists)
		return t->found == w->exists;
	return strcmp(t->hold.id, w->hold_id) == 0 && t->hold.pending == w->hold_pending && strcmp(t->mode, w->mode) == 0 &&
	       t->want_version == w->want_version;
}

static enum err_class begin(struct pass *p, const struct target_world *w, struct function_row *ret, struct err *e)
{
	struct target_row t = {.found = false};
	enum err_class c = function_load_locked(p->store, p->key.project, p->key.name, p->arena, ret, e);
	if (!c && !ret->found)
		c = err_set(e, CONFLICT, R_NotFound, "the function went away");
	if (!c)
		c = target_load(p->store, ret->id, p->key.environment, p->arena, &t, e);
	if (!c && !is_as_seen(w, &t))
		c = err_set(e, CONFLICT, R_DatabaseConflict, "%s was changed meanwhile", w->subject);
	return c;
}

static enum err_class in_tx(struct pass *p, const struct target_world *w, const struct step *s, change_fn *change, struct err *e)
{
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	struct function_row f;
	c = begin(p, w, &f, e);
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

static enum err_class lift_hold(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	bool was = false;
	const char *what = s->number ? arena_printf(p->arena, "version %lld, which is what is declared, ends", (long long)s->number) : "a changed pin ends";
	const char *message = arena_printf(p->arena, "%s the rollback's hold in %s", what, p->key.environment);
	enum err_class c = hold_lift(p->store, function_id, p->key.environment, actor, &was, e);
	if (c || !was)
		return c;
	c = function_log_add(p->store, function_id, w->wanted.deployment_id, p->key.environment, actor, "release-hold", message, e);
	return c ? c : tell(p, false, R_Held, message, e);
}

static enum err_class activate(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	(void)w;
	return target_set_active(p->store, function_id, p->key.environment, s->id, e);
}

static enum err_class acknowledge(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	const char *message = arena_printf(p->arena, "version %lld serves in %s", (long long)s->number, p->key.environment);
	enum err_class c = target_set_routed(p->store, function_id, p->key.environment, s->id, w->rolling_back ? w->hold_id : "", e);
	if (!c) /* with it: whoever sees that it is routed sees what that means */
		c = target_set_status(p->store, function_id, p->key.environment, reason_token(s->reason), s->message, &w->seen_now, e);
	if (!c)
		c = function_mirror(p->store, function_id, e);
	if (!c)
		c = function_log_add(p->store, function_id, w->wanted.deployment_id, p->key.environment, actor, "activate", message, e);
	if (!c)
		c = tell(p, false, R_Serving, message, e);
	if (!c)
		c = target_wake_declarers(p, w->pin, e);
	return c ? c : enqueue_retention(p, e);
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

/* What serves goes on serving. */
static enum err_class fail_rollback(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	const char *still = w->routed.id ? arena_printf(p->arena, "; version %lld keeps serving", (long long)w->routed.version) : "";
	const char *message = arena_printf(p->arena, "the rollback in %s to version %lld failed: %s%s", p->key.environment, (long long)s->number, s->message, still);
	enum err_class c = rollback_fail(p->store, function_id, p->key.environment, reason_token(s->reason), s->message, e);
	if (!c)
		c = function_log_add(p->store, function_id, w->wanted.deployment_id, p->key.environment, actor, "rollback-failed", message, e);
	return c ? c : tell(p, true, s->reason, message, e);
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
	return c ? c : enqueue_retention(p, e);
}

static enum err_class give_up_and_look(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	enum err_class c = w->rolling_back ? fail_rollback(p, function_id, w, s, e) : fail_release(p, function_id, w, s, e);
	return c ? c : enqueue(p, "target", p->key.name, p->key.environment, e);
}

/* What is wrong for good ends the release, or the rollback to it; the key is looked at again at once. */
static enum err_class give_up(struct pass *p, const struct target_world *w, const struct target_release *r, struct err *e)
{
	if (!w->wanted.id || strcmp(r->id, w->wanted.id) != 0 || (w->routed.id && strcmp(r->id, w->routed.id) == 0))
		return e->class;
	const struct step s = {
		.id = r->id, .number = r->version, .reason = reason_parse(e->reason),
		.message = arena_printf(p->arena, "version %lld: %s", (long long)r->version, e->msg),
	};
	struct err failed = ERR_INIT;
	if (in_tx(p, w, &s, give_up_and_look, &failed) != OK)
		*e = failed;
	return e->class;
}

static enum err_class record_restored(struct pass *p, const char *function_id, const struct target_world *w, const struct step *s, struct err *e)
{
	const struct target_release *r = release_of(w, s->id);
	const char *id = r ? r->deployment_id : w->wanted.deployment_id;
	const char *message = arena_printf(p->arena, "the image of version %lld was pushed again from its archive", (long long)s->number);
	enum err_class c = deployment_restored(p->store, id, e);
	if (!c)
		c = function_log_add(p->store, function_id, id, p->key.environment, actor, "restore", message, e);
	return c;
}

static enum err_class push_from_archive(struct pass *p, const struct target_release *r, struct err *e)
{
	struct deployment_row d;
	enum err_class c = deployment_load(p->store, r->deployment_id, p->arena, &d, e);
	if (!c && strcmp(d.status, "archived") == 0 && !d.image_deleted)
		return err_set(e, CONFLICT, R_DatabaseConflict, "the image of version %lld is just being deleted", (long long)r->version);
	return c ? c : image_restore(p, &d, e);
}

static enum err_class restore_image(struct pass *p, const struct target_world *w, const struct target_release *r, const struct step *s, struct err *e)
{
	enum err_class c = push_from_archive(p, r, e);
	return c ? c : in_tx(p, w, s, record_restored, e);
}

/* A registry that has lost an image gets it back. */
static enum err_class fetch_image(struct pass *p, const struct target_world *w, const struct target_release *r, const struct step *s, struct err *e)
{
	struct digest d;
	if (!digest_parse(r->image, &d))
		return err_set(e, BUG, R_Internal, "release %s has no image digest", r->id);
	enum err_class c = registry_pull(p->registry, r->repository, &d, p->cache, e);
	if (c == INVALID && strcmp(e->reason, reason_token(R_ImageMissing)) == 0)
		c = r->archived ? restore_image(p, w, r, s, e) : push_from_archive(p, r, e);
	return c;
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

/* r NULL: nothing serves yet, but what is ready has its own hosts. */
static enum err_class route(struct pass *p, const struct target_world *w, const struct target_release *r, const struct step *s, struct err *e)
{
	static const char *const none[] = {NULL};
	struct route_switch sw = {
		.fence = fence_of(p),
		.route = {.release = r ? r->id : "", .hosts = r ? w->hosts : none, .instances = s->names, .timeout_ms = r ? r->timeout_ms : 0,
			  .beside = s->beside, .nbeside = s->nbeside},
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
	const struct target_release *r = s->id ? release_of(w, s->id) : NULL;
	if (s->id && !r)
		return err_set(e, BUG, R_Internal, "a step names release %s, which the target does not know", s->id);
	enum err_class c;
	switch ((int)s->kind) {
	case STEP_ROUTE:
	case STEP_ROUTE_OWN: return route(p, w, r, s, e);
	case STEP_FETCH_IMAGE: c = fetch_image(p, w, r, s, e); break;
	case STEP_RESTORE_IMAGE: c = restore_image(p, w, r, s, e); break;
	default: c = start_instance(p, r, s->number, e); break;
	}
	return c == INVALID ? give_up(p, w, r, e) : c;
}

/* The steps after it are planned for a target without the hold. */
static enum err_class lift(struct pass *p, struct target_world *w, const struct step *s, struct err *e)
{
	enum err_class c = in_tx(p, w, s, lift_hold, e);
	if (c)
		return c;
	w->hold_id = "";
	w->hold_pending = false;
	return OK;
}

enum err_class target_act(struct pass *p, void *world, const struct step *s, struct err *e)
{
	const struct target_world *w = world;
	struct fence f = fence_of(p);
	switch ((int)s->kind) { /* the function's own steps never come here */
	case STEP_WANT: return in_tx(p, w, s, want, e);
	case STEP_MINT_RELEASE: return in_tx(p, w, s, mint, e);
	case STEP_LIFT_HOLD: return lift(p, world, s, e);
	case STEP_FORGIVE: return in_tx(p, w, s, forgive, e);
	case STEP_ACTIVATE: return in_tx(p, w, s, activate, e);
	case STEP_ACKNOWLEDGE: return in_tx(p, w, s, acknowledge, e);
	case STEP_FAIL_RELEASE: return in_tx(p, w, s, fail_release, e);
	case STEP_FAIL_ROLLBACK: return in_tx(p, w, s, fail_rollback, e);
	case STEP_REMOVE_TARGET: return in_tx(p, w, s, remove_target, e);
	case STEP_FETCH_IMAGE:
	case STEP_RESTORE_IMAGE:
	case STEP_START_INSTANCE:
	case STEP_ROUTE:
	case STEP_ROUTE_OWN: return on_release(p, w, s, e);
	case STEP_STOP_INSTANCES: return node_stop(p->node, &f, s->names, count(s->names), s->drain_ms, e);
	case STEP_UNROUTE: return unroute(p, e);
	default: return err_set(e, BUG, R_Internal, "a target has no step %s", step_name(s->kind));
	}
}
