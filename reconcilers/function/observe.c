#include <string.h>

#include "reconcilers/function/function.h"
#include "reconcilers/providers/builder.h"

char *builds_dir(const struct pass *p) { return conf_path(p->conf, p->arena, "builds"); }

static enum err_class read_build(struct pass *p, struct function_version *v, struct err *e)
{
	struct build_result r;
	enum err_class c = builder_result(builds_dir(p), v->id, p->arena, &r, e);
	if (c)
		return c;
	if (r.present) {
		v->build = r.class == OK ? BUILD_DONE : r.class == INVALID ? BUILD_REFUSED : BUILD_NONE;
		v->refused = r.class == INVALID ? reason_parse(r.reason) : R_None;
		v->refused_message = r.message;
	} else if (p->builds->running(p->builds->ctx, v->id)) {
		v->build = BUILD_RUNNING;
	}
	return OK;
}

static enum err_class take_version(struct pass *p, const struct function_world *w, const struct deployment_row *d, struct function_version *ret, struct err *e)
{
	*ret = (struct function_version){
		.id = arena_strdup(p->arena, d->id),
		.n = d->version,
		.runtime_changed = w->runtime.found && !json_equal(json_object_get(d->spec, built_with), w->runtime.json),
		.input_hash = d->input_hash,
		.base = d->base,
		.status = d->status,
		.reason = d->reason,
		.message = d->message,
		.deadline_ms = d->deadline_ms,
		.written = d->image_digest != NULL,
	};
	return strcmp(d->status, "building") == 0 ? read_build(p, ret, e) : OK;
}

static enum err_class read_newest(struct pass *p, const struct function_world *w, struct function_version *ret, struct err *e)
{
	struct deployment_row *rows;
	size_t n;
	enum err_class c = deployments_load(p->store, w->function_id, 1, p->arena, &rows, &n, e);
	return c || n == 0 ? c : take_version(p, w, &rows[0], ret, e);
}

static enum err_class read_older(struct pass *p, struct function_world *w, struct err *e)
{
	struct deployment_row *rows;
	size_t n;
	enum err_class c = deployments_superseded(p->store, w->function_id, p->arena, &rows, &n, e);
	if (c)
		return c;
	struct function_version *older = arena_array(p->arena, n, sizeof *older);
	for (size_t i = 0; !c && i < n; i++)
		c = take_version(p, w, &rows[i], &older[i], e);
	w->older = older;
	w->nolder = n;
	return c;
}

static enum err_class read_targets(struct pass *p, struct function_world *w, struct err *e)
{
	struct binding *rows;
	size_t n;
	enum err_class c = bindings_load(p->store, p->key.project, p->key.name, w->function_id, p->arena, &rows, &n, e);
	if (c)
		return c;
	w->targets = arena_array(p->arena, n, sizeof *w->targets);
	w->ntargets = n;
	for (size_t i = 0; i < n; i++)
		w->targets[i] = (struct function_target){
			.environment = rows[i].environment,
			.declared = rows[i].declared,
			.exists = rows[i].has_target,
			.asked = rows[i].has_target && strcmp(rows[i].mode, "explicit") == 0,
			.status = rows[i].status,
			.message = rows[i].message,
			.want = rows[i].want_version,
			.seen_generation = rows[i].seen_generation,
			.serving = rows[i].serving_version,
		};
	return OK;
}

static enum err_class read_declared(struct pass *p, struct function_world *w, struct err *e)
{
	struct manifest_row *m = arena_alloc(p->arena, sizeof *m);
	enum err_class c = manifest_load(p->store, KIND_FUNCTION, p->key.project, p->key.name, p->arena, m, e);
	if (c || !m->found)
		return c;
	w->declared = true;
	w->deleting = m->deleting;
	w->generation = m->generation;
	w->spec = &m->m.spec.function;
	w->owner = m->actor;
	return runtime_find(p->store, p->key.project, w->spec->runtime, p->arena, &w->runtime, e);
}

static enum err_class read_versions(struct pass *p, struct function_world *w, struct err *e)
{
	enum err_class c = read_newest(p, w, &w->newest, e);
	if (!c)
		c = read_older(p, w, e);
	return c ? c : read_targets(p, w, e);
}

enum err_class function_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct function_world *w = arena_alloc(p->arena, sizeof *w);
	w->name = p->key.name;
	struct function_row row;
	/* First: a version that is numbered from here on makes ours a lost race, whatever was read of the manifest. */
	enum err_class c = function_load(p->store, p->key.project, p->key.name, p->arena, &row, e);
	if (!c)
		c = read_declared(p, w, e);
	if (!c && w->declared && !row.found)
		c = err_set(e, CONFLICT, R_DatabaseConflict, "%s is just being declared", w->name);
	if (!c && row.found) {
		w->function_id = arena_strdup(p->arena, row.id);
		w->next_version = row.next_version;
		c = read_versions(p, w, e);
	}
	if (!c)
		*ret_world = w;
	return c;
}
