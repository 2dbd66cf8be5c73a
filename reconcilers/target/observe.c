#include <string.h>

#include "reconcilers/target/target.h"
#include "reconcilers/target/tuple.h"

/* Everything a target's planning depends on, read in one go. */
struct reading {
	struct pass *p;
	struct target_world *w;
	struct manifest_row function;
	struct manifest_row *chain; /* the environment and its ancestors */
	size_t nchain;
	struct function_row row;
	struct target_row target;
};

static const char *repository_of(struct arena *a, const char *image_tag)
{
	const char *colon = image_tag ? strrchr(image_tag, ':') : NULL;
	return colon ? arena_strndup(a, image_tag, (size_t)(colon - image_tag)) : "";
}

static enum err_class load_release(struct reading *r, const char *id, struct target_release *ret, struct err *e)
{
	if (!*id)
		return OK;
	struct release_row row;
	enum err_class c = release_load(r->p->store, id, r->p->arena, &row, e);
	if (c)
		return c;
	*ret = (struct target_release){
		.id = arena_strdup(r->p->arena, row.id),
		.version = row.version,
		.n = row.n,
		.deployment_id = arena_strdup(r->p->arena, row.deployment_id),
		.image = row.image_digest,
		.repository = repository_of(r->p->arena, row.image_tag),
		.tuple = row.tuple,
		.timeout_ms = tuple_timeout_ms(row.tuple),
	};
	return OK;
}

static enum err_class read_target(struct reading *r, struct err *e)
{
	struct target_world *w = r->w;
	enum err_class c = target_load(r->p->store, r->row.id, r->p->key.environment, r->p->arena, &r->target, e);
	if (c || !r->target.found)
		return c;
	const struct target_row *t = &r->target;
	w->exists = true;
	w->mode = t->mode;
	w->want_version = t->want_version;
	w->routed_at_ms = t->routed_at_ms;
	w->failed = *t->failed ? arena_strdup(r->p->arena, t->failed) : NULL;
	w->failed_reason = reason_parse(t->failed_reason);
	w->failed_message = t->failed_message;
	if ((c = load_release(r, t->active, &w->active, e)) != OK || (c = load_release(r, t->routed, &w->routed, e)) != OK)
		return c;
	return load_release(r, t->previous, &w->previous, e);
}

static void unresolved(struct target_world *w, enum reason why, const char *message)
{
	w->unresolved = why;
	w->unresolved_message = message;
}

static enum err_class resolve_number(struct reading *r, const char *who, int64_t number, struct deployment_row *ret, bool *ret_found, struct err *e)
{
	enum err_class c = deployment_by_version(r->p->store, r->row.id, number, r->p->arena, ret, ret_found, e);
	if (!c && (!*ret_found || strcmp(ret->status, "ready") != 0)) {
		unresolved(r->w, R_InvalidReference,
			   arena_printf(r->p->arena, "%s version %lld, which is %s", who, (long long)number, *ret_found ? ret->status : "not there"));
		*ret_found = false;
	}
	return c;
}

/* The version that a pin names, among those that are ready. */
static enum err_class resolve_pin(struct reading *r, const struct pin_spec *pin, struct deployment_row *ret, bool *ret_found, struct err *e)
{
	switch (pin->to) {
	case PIN_LATEST: return deployment_newest_ready(r->p->store, r->row.id, r->p->arena, ret, ret_found, e);
	case PIN_NUMBER: return resolve_number(r, "the pin names", pin->number, ret, ret_found, e);
	case PIN_DIGEST:
	case PIN_LABEL: break;
	}
	enum err_class c = deployment_by_word(r->p->store, r->row.id, pin->word, r->p->arena, ret, ret_found, e);
	if (!c && !*ret_found)
		unresolved(r->w, R_InvalidReference,
			   arena_printf(r->p->arena, "the pin names \"%s\", which no ready version has", pin->word));
	return c;
}

/* What follows takes today's manifest only with the version built of it: new settings never run old code. */
static enum err_class resolve_latest(struct reading *r, struct deployment_row *ret, bool *ret_found, struct err *e)
{
	struct deployment_row *newest;
	size_t n;
	enum err_class c = deployments_load(r->p->store, r->row.id, 1, r->p->arena, &newest, &n, e);
	if (c)
		return c;
	const struct function_spec *spec = &r->function.m.spec.function;
	struct digest want = function_source_hash(spec, n ? newest->base : "");
	char hash[DIGEST_TEXT];
	bool numbered = n && strcmp(newest->input_hash, digest_text(&want, hash)) == 0;
	if (numbered && (strcmp(newest->status, "ready") == 0 || (strcmp(newest->status, "building") == 0 && newest->image_digest))) {
		*ret = *newest; /* written but not pushed yet is enough to start it */
		*ret_found = true;
	} else if (numbered && strcmp(newest->status, "failed") == 0) {
		unresolved(r->w, R_BuildFailed, arena_printf(r->p->arena, "version %lld was not built: %s", (long long)newest->version, newest->message));
	} else {
		unresolved(r->w, R_Building, "the version of what is declared is being built");
	}
	return OK;
}

/* Which version is wanted, and by what. */
static enum err_class read_binding(struct reading *r, struct deployment_row *ret, bool *ret_found, struct err *e)
{
	struct pass *p = r->p;
	struct target_world *w = r->w;
	struct manifest_row pin;
	enum err_class c = pin_for_target(p->store, p->key.project, p->key.name, p->key.environment, p->arena, &pin, e);
	if (c)
		return c;
	if (pin.found && !pin.deleting) {
		w->binding = "pin";
		w->pin = pin.m.name;
		w->seen_now.pin = pin.generation;
		return resolve_pin(r, &pin.m.spec.pin, ret, ret_found, e);
	}
	const struct environment_spec *env = &r->chain[0].m.spec.environment;
	if (env->follow_latest && labels_match(&env->selector, &r->function.m.labels)) {
		w->binding = "follow";
		return resolve_latest(r, ret, ret_found, e);
	}
	if (!r->target.found || strcmp(r->target.mode, "explicit") != 0)
		return OK;
	w->binding = "explicit";
	return resolve_number(r, "what was asked for is", r->target.want_version, ret, ret_found, e);
}

/* The release that the wanted version and today's configuration make, if it was minted already. */
static enum err_class read_wanted(struct reading *r, const struct deployment_row *d, struct err *e)
{
	struct pass *p = r->p;
	struct target_release *wanted = &r->w->wanted;
	const struct environment_spec **chain = arena_array(p->arena, r->nchain, sizeof *chain);
	for (size_t i = 0; i < r->nchain; i++)
		chain[i] = &r->chain[i].m.spec.environment;
	*wanted = (struct target_release){
		.version = d->version,
		.deployment_id = arena_strdup(p->arena, d->id),
		.image = d->image_digest,
		.repository = repository_of(p->arena, d->image_tag),
		.unpublished = strcmp(d->status, "ready") != 0,
		.tuple = json_in_arena(tuple_make(d->image_digest, &r->function.m.spec.function, chain, r->nchain), p->arena),
	};
	wanted->timeout_ms = tuple_timeout_ms(wanted->tuple);
	r->w->health_deadline_ms = tuple_health_deadline_ms(wanted->tuple);
	struct release_row row;
	bool found = false;
	enum err_class c = release_find(p->store, r->row.id, p->key.environment, d->id, wanted->tuple, p->arena, &row, &found, e);
	if (!c && found) {
		wanted->id = arena_strdup(p->arena, row.id);
		wanted->n = row.n;
	}
	return c;
}

static enum err_class read_desired(struct reading *r, struct err *e)
{
	struct pass *p = r->p;
	struct target_world *w = r->w;
	enum err_class c = manifest_load(p->store, KIND_FUNCTION, p->key.project, p->key.name, p->arena, &r->function, e);
	if (!c)
		c = environment_chain(p->store, p->key.project, p->key.environment, p->arena, &r->chain, &r->nchain, e);
	if (!c)
		c = function_load(p->store, p->key.project, p->key.name, p->arena, &r->row, e);
	if (!c && r->row.found)
		c = read_target(r, e);
	if (c)
		return c;
	w->declared = r->row.found && r->function.found && !r->function.deleting;
	w->environment_declared = r->nchain > 0 && !r->chain[0].deleting;
	if (!w->declared || !w->environment_declared)
		return OK;
	w->instances = r->function.m.spec.function.instances;
	w->seen_now.function = r->function.generation;
	for (size_t i = 0; i < r->nchain; i++)
		w->seen_now.environment += r->chain[i].generation;
	struct deployment_row d;
	bool found = false;
	c = read_binding(r, &d, &found, e);
	if (!c && found)
		c = read_wanted(r, &d, e);
	return c;
}

static enum err_class read_node(struct reading *r, struct err *e)
{
	AUTO_FREE char *key = xstrdup(key_make("target", r->p->key.project, r->p->key.name, r->p->key.environment).text);
	struct node_view view;
	enum err_class c = node_list(r->p->node, key, r->p->arena, &view, e);
	if (c)
		return c;
	r->w->seen = view.instances;
	r->w->nseen = view.ninstances;
	r->w->route = view.nroutes ? &view.routes[0] : NULL;
	return OK;
}

static const char *const *host_names(const struct pass *p)
{
	const char **hosts = arena_array(p->arena, 2, sizeof *hosts);
	hosts[0] = host_name(p->arena, p->conf->domain, p->key.project, p->key.name, p->key.environment);
	return hosts;
}

enum err_class target_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct target_world *w = arena_alloc(p->arena, sizeof *w);
	struct reading r = {.p = p, .w = w};
	w->subject = arena_printf(p->arena, "%s in %s", p->key.name, p->key.environment);
	w->unresolved_message = "";
	w->failed_message = "";
	w->hosts = host_names(p);
	enum err_class c = read_desired(&r, e);
	if (!c)
		c = read_node(&r, e);
	if (!c)
		*ret_world = w;
	return c;
}
