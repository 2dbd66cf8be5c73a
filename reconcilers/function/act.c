#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "reconcilers/function/function.h"
#include "reconcilers/function/source.h"
#include "reconcilers/providers/builder.h"
#include "reconcilers/tx.h"

static const char *prefix_of(const struct runtime_spec *r)
{
	return r->workdir[0] == '/' ? r->workdir + 1 : r->workdir;
}

static enum err_class new_version(struct pass *p, const struct function_world *w, struct err *e)
{
	char id[UUID_TEXT];
	int64_t version;
	const struct numbering n = {
		.function_id = w->function_id, .project = p->key.project, .name = w->name, .spec = w->spec, .runtime = &w->runtime,
		.created_by = w->owner, .source_kind = "manifest", .expected = w->next_version,
	};
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = version_take(p->store, &n, id, &version, e);
	if (!c)
		c = function_mirror(p->store, w->function_id, e);
	if (!c)
		c = function_log_add(p->store, w->function_id, id, NULL, w->owner, "deploy",
				     arena_printf(p->arena, "version %lld", (long long)version), e);
	return tx_end(p, c, e);
}

static enum err_class fail_build(struct pass *p, const struct function_world *w, const struct step *s, struct err *e)
{
	const char *message = arena_printf(p->arena, "version %lld: %s", (long long)s->number, s->message);
	p->builds->kill(p->builds->ctx, s->id);
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = deployment_failed(p->store, s->id, reason_token(s->reason), s->message, e);
	if (!c)
		c = function_mirror(p->store, w->function_id, e);
	if (!c)
		c = function_log_add(p->store, w->function_id, s->id, NULL, w->owner, "build-failed", message, e);
	if (!c)
		c = tell(p, true, s->reason, message, e);
	for (size_t i = 0; !c && i < w->ntargets; i++)
		c = enqueue(p, "target", p->key.name, w->targets[i].environment, e);
	if (!c)
		c = enqueue_retention(p, e); /* it may have been pushed */
	c = tx_end(p, c, e);
	return c ? c : builder_discard(builds_dir(p), s->id, e);
}

/* A child that ended for a passing reason (a full disk) left that as its result, one that was killed left only its directory: it is told once,
 * and tried anew after the pass's backoff. */
static enum err_class clear_failed_try(struct pass *p, const char *id, struct err *e)
{
	struct build_result last;
	enum err_class c = builder_result(builds_dir(p), id, p->arena, &last, e);
	if (c || !fs_exists(arena_printf(p->arena, "%s/%s", builds_dir(p), id)))
		return c;
	c = builder_discard(builds_dir(p), id, e);
	if (c)
		return c;
	if (last.present)
		return err_set(e, TRANSIENT, reason_parse(last.reason), "%s", last.message);
	return err_set(e, TRANSIENT, R_BuildFailed, "the build's process ended without a result");
}

static enum err_class renew_deadline(struct pass *p, const char *id, struct err *e)
{
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	return c ? c : tx_end(p, deployment_renew(p->store, id, BUILD_DEADLINE_MS, e), e);
}

static enum err_class start_build(struct pass *p, const struct function_world *w, const struct step *s, struct err *e)
{
	struct deployment_row d;
	enum err_class c = deployment_load(p->store, s->id, p->arena, &d, e);
	if (!c)
		c = clear_failed_try(p, s->id, e);
	if (!c && d.deadline_ms && clock_wall_ms() >= d.deadline_ms)
		c = renew_deadline(p, s->id, e);
	if (c)
		return c;
	AUTO_CLOSE int fd = -1;
	c = source_open(p, w->function_id, d.source_digest, &fd, e);
	if (c == INVALID) {
		struct step given_up = *s;
		given_up.reason = reason_parse(e->reason);
		given_up.message = arena_strdup(p->arena, e->msg);
		return fail_build(p, w, &given_up, e);
	}
	if (c)
		return c;
	pid_t pid;
	int pidfd;
	struct version_specs specs;
	c = version_specs(&d, p->arena, &specs, e);
	if (!c)
		c = builder_start(p->build_program, builds_dir(p), s->id, fd, prefix_of(&specs.runtime), &pid, &pidfd, e);
	if (!c)
		p->builds->started(p->builds->ctx, s->id, p->lease.key, pid, pidfd);
	return c;
}

/* What the registry or the base makes impossible ends the version; everything else is tried again. */
static enum err_class publish(struct pass *p, const struct function_world *w, const struct step *s, struct err *e)
{
	enum err_class c = s->kind == STEP_PUBLISH ? function_publish(p, w, s->id, e) : function_write_image(p, w, s->id, e);
	if (c != INVALID)
		return c;
	struct step given_up = *s;
	given_up.reason = reason_parse(e->reason);
	given_up.message = arena_strdup(p->arena, e->msg);
	return fail_build(p, w, &given_up, e);
}

static enum err_class remove_function(struct pass *p, const struct function_world *w, struct err *e)
{
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	if (w->function_id) {
		c = function_log_add(p->store, w->function_id, NULL, NULL, w->owner, "delete", "removed", e);
		if (!c)
			c = function_delete(p->store, w->function_id, e);
	}
	if (!c)
		c = manifest_remove(p->store, KIND_FUNCTION, p->key.project, w->name, e);
	if (!c)
		c = enqueue_retention(p, e);
	if (!c)
		c = tell(p, false, R_Deleting, "removed", e);
	return tx_end(p, c, e);
}

enum err_class function_act(struct pass *p, void *world, const struct step *s, struct err *e)
{
	const struct function_world *w = world;
	switch ((int)s->kind) { /* a target's steps never come here */
	case STEP_NEW_VERSION: return new_version(p, w, e);
	case STEP_START_BUILD: return start_build(p, w, s, e);
	case STEP_WRITE_IMAGE:
	case STEP_PUBLISH: return publish(p, w, s, e);
	case STEP_FAIL_BUILD: return fail_build(p, w, s, e);
	case STEP_REMOVE_FUNCTION: return remove_function(p, w, e);
	default: return err_set(e, BUG, R_Internal, "a function has no step %s", step_name(s->kind));
	}
}
