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
	/* what the binding means, before any hold */
	struct deployment_row resolved;
	bool found;            /* resolved is a version that can run, or be started at least */
	int64_t means;         /* the number of that version, or of the one that is on its way; 0: not known */
	const char *pin_word;  /* of the pin that binds it, or NULL */
};

static const char *repository_of(struct arena *a, const char *image_tag)
{
	const char *colon = image_tag ? strrchr(image_tag, ':') : NULL;
	return colon ? arena_strndup(a, image_tag, (size_t)(colon - image_tag)) : "";
}

/* "hello--r7.dev.fn.localhost" */
static const char *own_host(const struct pass *p, char letter, int64_t number)
{
	const char *name = arena_printf(p->arena, "%s--%c%lld", p->key.name, letter, (long long)number);
	return host_name(p->arena, p->conf->domain, p->key.project, name, p->key.environment);
}

static void take_row(const struct pass *p, const struct release_row *row, struct target_release *ret)
{
	*ret = (struct target_release){
		.id = arena_strdup(p->arena, row->id),
		.version = row->version,
		.n = row->n,
		.deployment_id = arena_strdup(p->arena, row->deployment_id),
		.image = row->image_digest,
		.repository = repository_of(p->arena, row->image_tag),
		.tuple = row->tuple,
		.timeout_ms = tuple_timeout_ms(row->tuple),
		.archived = row->archived,
		.release_host = own_host(p, 'r', row->n),
		.version_host = own_host(p, 'v', row->version),
	};
}

static enum err_class load_release(struct reading *r, const char *id, struct target_release *ret, struct err *e)
{
	if (!*id)
		return OK;
	struct release_row row;
	enum err_class c = release_load(r->p->store, id, r->p->arena, &row, e);
	if (!c)
		take_row(r->p, &row, ret);
	return c;
}

/* The previous releases that are to stay warm. */
static enum err_class load_warm(struct reading *r, struct err *e)
{
	struct target_world *w = r->w;
	const struct function_spec *f = &r->function.m.spec.function;
	struct release_row *rows;
	size_t n;
	w->warm_limit = f->retention_warm;
	enum err_class c = releases_warm(r->p->store, r->row.id, r->p->key.environment, (size_t)f->retention_warm, f->retention_warm_ms, r->p->arena, &rows,
					 &n, e);
	if (c)
		return c;
	struct target_release *warm = arena_array(r->p->arena, n, sizeof *warm);
	for (size_t i = 0; i < n; i++) {
		take_row(r->p, &rows[i], &warm[i]);
		warm[i].warm_until_ms = rows[i].unrouted_at_ms + f->retention_warm_ms;
	}
	w->warm = warm;
	w->nwarm = n;
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
	w->hold_id = arena_strdup(r->p->arena, t->hold.id);
	w->hold_pending = t->hold.pending;
	w->mode = t->mode;
	w->want_version = t->want_version;
	w->routed_at_ms = t->routed_at_ms;
	w->failed = *t->failed ? arena_strdup(r->p->arena, t->failed) : NULL;
	w->failed_reason = reason_parse(t->failed_reason);
	w->failed_message = t->failed_message;
	c = load_release(r, t->active, &w->active, e);
	if (!c && strcmp(t->active, t->routed) == 0)
		w->routed = w->active;
	else if (!c)
		c = load_release(r, t->routed, &w->routed, e);
	return c;
}

static void unresolved(struct target_world *w, enum reason why, const char *message)
{
	w->unresolved = why;
	w->unresolved_message = message;
}

/* A version by its number: what is being built may be started once its image is written. */
static void take_version(struct reading *r, const struct deployment_row *d)
{
	struct arena *a = r->p->arena;
	bool building = strcmp(d->status, "building") == 0;
	r->means = d->version;
	r->resolved = *d;
	r->found = strcmp(d->status, "failed") != 0 && (!building || d->image_digest);
	if (building && !r->found)
		unresolved(r->w, R_Building, arena_printf(a, "version %lld is being built", (long long)d->version));
	else if (!r->found)
		unresolved(r->w, R_BuildFailed, arena_printf(a, "version %lld was not built: %s", (long long)d->version, d->message));
}

static enum err_class resolve_number(struct reading *r, const char *who, int64_t number, struct err *e)
{
	struct deployment_row d;
	bool found;
	enum err_class c = deployment_by_version(r->p->store, r->row.id, number, r->p->arena, &d, &found, e);
	if (!c && found)
		take_version(r, &d);
	else if (!c)
		unresolved(r->w, R_InvalidReference, arena_printf(r->p->arena, "%s version %lld, which is not there", who, (long long)number));
	return c;
}

/* The version that a pin names, among those that were built. */
static enum err_class resolve_pin(struct reading *r, const struct pin_spec *pin, struct err *e)
{
	enum err_class c;
	if (pin->to == PIN_NUMBER)
		return resolve_number(r, "the pin names", pin->number, e);
	if (pin->to == PIN_LATEST)
		c = deployment_newest_ready(r->p->store, r->row.id, r->p->arena, &r->resolved, &r->found, e);
	else
		c = deployment_by_word(r->p->store, r->row.id, pin->word, r->p->arena, &r->resolved, &r->found, e);
	if (!c && r->found)
		r->means = r->resolved.version;
	else if (!c && pin->to != PIN_LATEST)
		unresolved(r->w, R_InvalidReference,
			   arena_printf(r->p->arena, "the pin names \"%s\", which no version that was built has", pin->word));
	return c;
}

/* What follows takes today's manifest only with the version built of it: new settings never run old code. */
static enum err_class resolve_latest(struct reading *r, struct err *e)
{
	struct deployment_row *newest;
	size_t n;
	enum err_class c = deployments_load(r->p->store, r->row.id, 1, r->p->arena, &newest, &n, e);
	if (c)
		return c;
	const struct function_spec *spec = &r->function.m.spec.function;
	struct digest want = function_source_hash(spec, n ? newest->base : "");
	char hash[DIGEST_TEXT];
	if (n && strcmp(newest->input_hash, digest_text(&want, hash)) == 0) {
		take_version(r, newest);
		return OK;
	}
	r->means = r->row.next_version;
	unresolved(r->w, R_Building, "the version of what is declared is being built");
	return OK;
}

/* Which version is wanted, and by what. */
static enum err_class read_binding(struct reading *r, struct err *e)
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
		r->pin_word = pin.m.spec.pin.word;
		return resolve_pin(r, &pin.m.spec.pin, e);
	}
	const struct environment_spec *env = &r->chain[0].m.spec.environment;
	if (env->follow_latest && labels_match(&env->selector, &r->function.m.labels)) {
		w->binding = "follow";
		return resolve_latest(r, e);
	}
	if (!r->target.found || strcmp(r->target.mode, "explicit") != 0)
		return OK;
	w->binding = "explicit";
	return resolve_number(r, "what was asked for is", r->target.want_version, e);
}

static const struct environment_spec *const *chain_specs(const struct reading *r)
{
	const struct environment_spec **chain = arena_array(r->p->arena, r->nchain, sizeof *chain);
	for (size_t i = 0; i < r->nchain; i++)
		chain[i] = &r->chain[i].m.spec.environment;
	return chain;
}

/* The release that a version and a tuple make, if it was minted already. */
static enum err_class want_tuple(struct reading *r, const struct deployment_row *d, json_t *tuple, struct err *e)
{
	struct pass *p = r->p;
	struct target_release *wanted = &r->w->wanted;
	struct release_row row;
	bool found = false;
	r->w->health_deadline_ms = tuple_health_deadline_ms(tuple);
	enum err_class c = release_find(p->store, r->row.id, p->key.environment, d->id, tuple, p->arena, &row, &found, e);
	if (!c && found)
		take_row(p, &row, wanted);
	else if (!c)
		*wanted = (struct target_release){
			.version = d->version,
			.deployment_id = arena_strdup(p->arena, d->id),
			.image = d->image_digest,
			.repository = repository_of(p->arena, d->image_tag),
			.tuple = tuple,
			.timeout_ms = tuple_timeout_ms(tuple),
			.archived = strcmp(d->status, "archived") == 0,
		};
	wanted->unpublished = strcmp(d->status, "building") == 0;
	return c;
}

static json_t *declared_tuple(struct reading *r)
{
	return json_in_arena(tuple_make(r->resolved.image_digest, &r->function.m.spec.function, chain_specs(r), r->nchain), r->p->arena);
}

static enum err_class want_resolved(struct reading *r, struct err *e) { return want_tuple(r, &r->resolved, declared_tuple(r), e); }

/* The held release, with whatever of the declared configuration has changed since the rollback; as it is where that is meant for a newer version. */
static enum err_class want_held(struct reading *r, bool as_it_is, struct err *e)
{
	struct pass *p = r->p;
	struct target_world *w = r->w;
	const struct hold_row *h = &r->target.hold;
	struct release_row row;
	struct deployment_row d;
	enum err_class c = release_load(p->store, h->release, p->arena, &row, e);
	if (!c)
		c = deployment_load(p->store, row.deployment_id, p->arena, &d, e);
	if (c)
		return c;
	json_t *now = json_in_arena(tuple_config(&r->function.m.spec.function, chain_specs(r), r->nchain), p->arena);
	w->held = !as_it_is; /* else not for long */
	w->unresolved = R_None;
	w->rolling_back = h->pending;
	w->hold_message = arena_printf(p->arena, "version %lld is held by %s's rollback%s%s; %s", (long long)row.version, h->actor, *h->note ? ": " : "", h->note,
				       row.version < h->floor ? arena_printf(p->arena, "versions up to %lld stay out", (long long)h->floor)
							      : "what is declared of it since stays out");
	return want_tuple(r, &d, as_it_is ? row.tuple : json_in_arena(tuple_rebase(row.tuple, h->base, now), p->arena), e);
}

/* Whether what is held is just what the binding means: then there is nothing to keep out. What was asked for is what the rollback said. */
static bool held_is_declared(struct reading *r)
{
	const struct target_world *w = r->w;
	return r->found && strcmp(w->binding, "explicit") != 0 && r->resolved.version == w->wanted.version && json_equal(declared_tuple(r), w->wanted.tuple);
}

/* A hold ends by a version above its floor, and by a pin that says something else than when it was set; by none before that can run. */
static enum err_class read_wanted(struct reading *r, struct err *e)
{
	const struct hold_row *h = &r->target.hold;
	bool holds = r->target.found && *h->id && r->w->binding;
	bool repinned = holds && r->pin_word && (!h->pin || strcmp(h->pin, r->pin_word) != 0);
	bool ends = repinned || (holds && r->means > h->floor);
	if (r->found && (ends || !holds)) {
		r->w->lifts = ends;
		return want_resolved(r, e);
	}
	if (!holds || (ends && !h->pending)) /* what serves goes on, and the status says what it waits for */
		return OK;
	enum err_class c = want_held(r, ends, e);
	if (!c && !h->pending && held_is_declared(r)) {
		r->w->held = false;
		r->w->lifts = true;
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
	c = load_warm(r, e);
	if (!c)
		c = read_binding(r, e);
	return c ? c : read_wanted(r, e);
}

static enum err_class read_node(struct pass *p, struct target_world *w, struct err *e)
{
	AUTO_FREE char *key = xstrdup(key_make("target", p->key.project, p->key.name, p->key.environment).text);
	struct node_view view;
	enum err_class c = node_list(p->node, key, p->arena, &view, e);
	if (c)
		return c;
	w->seen = view.instances;
	w->nseen = view.ninstances;
	w->route = view.nroutes ? &view.routes[0] : NULL;
	return OK;
}

static const char *const *host_names(const struct pass *p)
{
	const char **hosts = arena_array(p->arena, 2, sizeof *hosts);
	hosts[0] = host_name(p->arena, p->conf->domain, p->key.project, p->key.name, p->key.environment);
	return hosts;
}

enum err_class target_desired(struct pass *p, struct target_world **ret, struct err *e)
{
	struct target_world *w = arena_alloc(p->arena, sizeof *w);
	struct reading r = {.p = p, .w = w};
	w->subject = arena_printf(p->arena, "%s in %s", p->key.name, p->key.environment);
	w->unresolved_message = "";
	w->failed_message = "";
	w->hold_id = "";
	w->hosts = host_names(p);
	*ret = w;
	return read_desired(&r, e);
}

enum err_class target_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct target_world *w;
	enum err_class c = target_desired(p, &w, e);
	if (!c)
		c = read_node(p, w, e);
	if (!c)
		*ret_world = w;
	return c;
}
