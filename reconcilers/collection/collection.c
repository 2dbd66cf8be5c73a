#include "reconcilers/collection/collection.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "reconcilers/collection/sweeps.h"
#include "reconcilers/tx.h"

enum err_class collection_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct collection_world *w = arena_alloc(p->arena, sizeof *w);
	w->interval_ms = p->conf->collect_interval_ms;
	enum err_class c = collection_load(p->store, p->arena, &w->row, e);
	if (!c && w->row.id)
		c = collection_progress(p->store, p->arena, &w->progress, e);
	*ret_world = w;
	return c;
}

/* In the controller's own time when nobody asked. */
static enum err_class begin(struct pass *p, const struct collection_world *w, struct err *e)
{
	int64_t id;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	if (!w->row.asked)
		c = collection_ask(p->store, "controller", &id, e);
	if (!c)
		c = collection_begin(p->store, e);
	p->marked = true; /* the functions' retention */
	return tx_end(p, c, e);
}

/* Writes down what a part came to, which makes it done. */
static enum err_class part(struct pass *p, int64_t id, const char *name, json_t *result /* stolen */, struct err *e)
{
	AUTO_JSON json_t *j = result;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	return c ? c : tx_end(p, collection_part(p->store, id, name, j, e), e);
}

static json_t *freed(int64_t count, int64_t bytes) { return json_pack("{s:I, s:I}", "count", (json_int_t)count, "bytes", (json_int_t)bytes); }

/* What cannot be done is a part's result: the others go on, and the next collection tries again. */
static json_t *failed(const char *reason, const char *message)
{
	return json_pack("{s:s, s:s, s:s}", "state", "failed", "reason", reason, "message", message);
}

static enum err_class looked(struct pass *p, int64_t id, struct err *e)
{
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	return c ? c : tx_end(p, collection_looked(p->store, id, e), e);
}

static enum err_class ask_registry(struct pass *p, int64_t id, struct registry_collection *ret, struct err *e)
{
	struct fence f = {p->lease.key, p->lease.epoch};
	enum err_class c = looked(p, id, e); /* before it is asked: what is deleted from now on may not be freed by it */
	return c ? c : node_collect_registry(p->node, &f, arena_printf(p->arena, "%lld", (long long)id), p->arena, ret, e);
}

static enum err_class collect_registry(struct pass *p, const struct collection_world *w, struct err *e)
{
	int64_t id = w->row.id;
	struct registry_collection got = {.state = COLLECT_RUNNING};
	enum err_class c = OK;
	if (!w->row.looked_ms && w->progress.failing) /* later its failure may be that the registry is stopped */
		c = part(p, id, "pruning", failed(w->progress.reason, w->progress.failing), e);
	if (!c && !w->row.looked_ms && !w->progress.registry_dirty)
		return part(p, id, "registry", json_pack("{s:s, s:i}", "state", "clean", "bytes", 0), e);
	if (!c)
		c = ask_registry(p, id, &got, e);
	if (c == INVALID)
		return part(p, id, "registry", failed(e->reason, arena_strdup(p->arena, e->msg)), e);
	if (c)
		return c;
	switch (got.state) {
	case COLLECT_RUNNING: return OK;
	case COLLECT_NO_REGISTRY: return part(p, id, "registry", json_pack("{s:s, s:i}", "state", "elsewhere", "bytes", 0), e);
	case COLLECT_DONE: return part(p, id, "registry", json_pack("{s:s, s:I}", "state", "done", "bytes", (json_int_t)got.freed_bytes), e);
	case COLLECT_FAILED: break;
	}
	return part(p, id, "registry", failed(reason_token(R_RegistryUnavailable), got.message), e);
}

static enum err_class sweep_cache(struct pass *p, int64_t id, struct err *e)
{
	struct marks m;
	struct swept s;
	enum err_class c = marks_load(p->store, p->cache, p->arena, &m, e);
	if (!c)
		c = cache_sweep(p->cache, &m, clock_wall_ms() - p->conf->collect_grace_ms, false, &s, e);
	return c ? c : part(p, id, "cache", freed(s.count, s.bytes), e);
}

static enum err_class sweep_layers(struct pass *p, int64_t id, struct err *e)
{
	struct fence f = {p->lease.key, p->lease.epoch};
	struct marks m;
	struct node_freed n = {0, 0};
	enum err_class c = marks_load(p->store, p->cache, p->arena, &m, e);
	if (!c)
		c = node_collect_layers(p->node, &f, m.diff_ids.items, m.diff_ids.n, &n, e);
	if (c == INVALID)
		return part(p, id, "layers", failed(e->reason, arena_strdup(p->arena, e->msg)), e);
	return c ? c : part(p, id, "layers", freed(n.count, n.bytes), e);
}

static enum err_class sweep_files(struct pass *p, int64_t id, struct err *e)
{
	struct swept uploads, builds;
	enum err_class c = builds_sweep(p->store, conf_path(p->conf, p->arena, "builds"), p->arena, &builds, e);
	if (!c)
		c = part(p, id, "builds", freed(builds.count, builds.bytes), e);
	if (!c)
		c = uploads_sweep(p->store, conf_path(p->conf, p->arena, "uploads"), p->arena, false, &uploads, e);
	return c ? c : part(p, id, "uploads", freed(uploads.count, uploads.bytes), e);
}

/* The first part that failed speaks for all. */
static enum err_class end(struct pass *p, const struct collection_world *w, struct err *e)
{
	static const char *const parts[] = {"pruning", "registry", "layers"};
	const char *reason = "", *message = "";
	for (size_t i = 0; i < ARRAY_LEN(parts) && !*message; i++) {
		const json_t *j = json_object_get(w->row.result, parts[i]);
		if (strcmp(json_str_or(j, "state", ""), "failed") != 0)
			continue;
		reason = json_str_or(j, "reason", "");
		message = arena_printf(p->arena, "%s: %s", parts[i], json_str_or(j, "message", ""));
	}
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (!c)
		c = tx_end(p, collection_end(p->store, w->row.id, reason, message, e), e);
	if (!c)
		log_event(*message ? LOG_WARN : LOG_INFO, "collected what nothing uses", "id", arena_printf(p->arena, "%lld", (long long)w->row.id), "message", message, NULL);
	return c;
}

static enum err_class act(struct pass *p, const struct collection_world *w, const struct step *s, struct err *e)
{
	switch ((int)s->kind) {
	case STEP_BEGIN_COLLECTION: return begin(p, w, e);
	case STEP_COLLECT_REGISTRY: return collect_registry(p, w, e);
	case STEP_SWEEP_CACHE: return sweep_cache(p, s->number, e);
	case STEP_SWEEP_LAYERS: return sweep_layers(p, s->number, e);
	case STEP_SWEEP_FILES: return sweep_files(p, s->number, e);
	case STEP_END_COLLECTION: return end(p, w, e);
	default: return err_set(e, BUG, R_Internal, "a collection has no step %s", step_name(s->kind));
	}
}

/* Nobody gives a collection new input: whatever is wrong, it is tried again. */
enum err_class collection_act(struct pass *p, void *world, const struct step *s, struct err *e)
{
	enum err_class c = act(p, world, s, e);
	return c == INVALID ? err_set(e, TRANSIENT, reason_parse(e->reason), "%s", arena_strdup(p->arena, e->msg)) : c;
}

/* Its row says it. */
enum err_class collection_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e)
{
	(void)p, (void)world, (void)plan, (void)failure, (void)e;
	return OK;
}
