#include "reconcilers/retention/retention.h"

#include <string.h>

#include "reconcilers/restore.h"
#include "reconcilers/tx.h"

static const char actor[] = "controller";

enum err_class retention_observe(struct pass *p, void **ret_world, struct err *e)
{
	struct retention_world *w = arena_alloc(p->arena, sizeof *w);
	struct fate_row *rows;
	enum err_class c = fates_load(p->store, p->key.project, p->key.name, RETENTION_BATCH, p->arena, &rows, &w->n, e);
	w->subject = p->key.name;
	w->rows = c ? NULL : rows;
	*ret_world = w;
	return c;
}

static const struct fate_row *find(const struct retention_world *w, const struct step *s)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->rows[i].id, s->id) == 0)
			return &w->rows[i];
	return NULL;
}

static enum err_class note(struct pass *p, const struct fate_row *v, const char *operation, const char *message, struct err *e)
{
	return function_log_add(p->store, v->function_id, v->id, NULL, actor, operation, message, e);
}

/* What cannot be restored is not archived: that is recorded with the version and told once. */
static enum err_class give_up(struct pass *p, const struct fate_row *v, const struct err *why, struct err *e)
{
	const char *message = arena_printf(p->arena, "version %lld is not archived, since it could not be restored: %s", (long long)v->version, why->msg);
	bool news = false;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = fate_stuck(p->store, v->id, why->reason, message, &news, e);
	if (!c && news)
		c = tell(p, true, reason_parse(why->reason), message, e);
	return tx_end(p, c, e);
}

static enum err_class keep(struct pass *p, const struct fate_row *v, struct err *e)
{
	struct deployment_row d;
	enum err_class c = deployment_load(p->store, v->id, p->arena, &d, e);
	if (!c)
		c = image_keep_whole(p, v->function_id, &d, e);
	if (c != INVALID || v->gone)
		return c == INVALID ? OK : c;
	const struct err why = *e;
	return give_up(p, v, &why, e);
}

static enum err_class archive(struct pass *p, const struct fate_row *v, const struct step *s, struct err *e)
{
	bool done = false;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = fate_archive(p->store, v->id, &done, e);
	if (!c && done)
		c = note(p, v, "archive", arena_printf(p->arena, "version %lld: %s", (long long)v->version, s->message), e);
	return tx_end(p, c, e);
}

static enum err_class delete_image(struct pass *p, const struct fate_row *v, struct err *e)
{
	struct deployment_row d;
	struct digest image;
	enum err_class c = deployment_load(p->store, v->id, p->arena, &d, e);
	const char *colon = !c && d.image_tag ? strrchr(d.image_tag, ':') : NULL;
	if (c)
		return c;
	if (!colon || !digest_parse(d.image_digest, &image))
		return err_set(e, BUG, R_Internal, "version %lld has no image", (long long)v->version);
	return registry_delete(p->registry, arena_strndup(p->arena, d.image_tag, (size_t)(colon - d.image_tag)), &image, e);
}

/* The row is held while the registry is asked: whoever is about to push the same image waits for the outcome, a rollback to it tries again. */
static enum err_class let_go(struct pass *p, const struct fate_row *v, const struct step *s, struct err *e)
{
	bool kept = false, due = false, shared = false;
	enum err_class c = fate_take_back(p->store, v->id, &kept, e);
	if (!c && kept)
		return note(p, v, "archive", arena_printf(p->arena, "version %lld keeps its image: it is in use again", (long long)v->version), e);
	if (!c)
		c = fate_image(p->store, v->id, &due, &shared, e);
	if (c || !due || (!shared && s->kind != STEP_DELETE_IMAGE))
		return c;
	if (!shared)
		c = delete_image(p, v, e);
	return c ? c : fate_image_deleted(p->store, v->id, e);
}

static enum err_class let_go_in_tx(struct pass *p, const struct fate_row *v, const struct step *s, struct err *e)
{
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	return c ? c : tx_end(p, let_go(p, v, s, e), e);
}

static enum err_class drop_archive(struct pass *p, const struct fate_row *v, const struct step *s, struct err *e)
{
	bool done = false;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = fate_drop_archive(p->store, v->id, &done, e);
	if (!c && done)
		c = note(p, v, "drop-archive", arena_printf(p->arena, "version %lld: %s", (long long)v->version, s->message), e);
	return tx_end(p, c, e);
}

/* ---- the store's files ---- */

struct keys {
	struct arena *a;
	const char **items;
	size_t n, cap;
};

static bool add_key(void *ctx, const char *key, uint64_t size)
{
	struct keys *k = ctx;
	(void)size;
	void *items = k->items;
	*(const char **)arena_push(k->a, &items, &k->n, &k->cap, sizeof *k->items) = arena_strdup(k->a, key);
	k->items = items;
	return true;
}

static enum err_class delete_archive(struct pass *p, const struct fate_row *v, struct err *e)
{
	struct deployment_row d;
	struct keys k = {.a = p->arena};
	enum err_class c = deployment_load(p->store, v->id, p->arena, &d, e);
	if (c || d.s3_key) /* it was not dropped */
		return c;
	c = artifacts_list(p->artifacts, arena_printf(p->arena, "functions/%s/v%lld/", v->function_id, (long long)v->version), add_key, &k, e);
	for (size_t i = 0; !c && i < k.n; i++)
		c = artifacts_delete(p->artifacts, k.items[i], e);
	if (!c)
		c = store_begin_fenced(p->store, &p->lease, e);
	return c ? c : tx_end(p, fate_archive_deleted(p->store, v->id, e), e);
}

enum err_class retention_act(struct pass *p, void *world, const struct step *s, struct err *e)
{
	const struct fate_row *v = find(world, s);
	if (!v)
		return err_set(e, BUG, R_Internal, "a step names version %lld, which was not looked at", (long long)s->number);
	switch ((int)s->kind) {
	case STEP_KEEP_IMAGE: return keep(p, v, e);
	case STEP_ARCHIVE_VERSION: return archive(p, v, s, e);
	case STEP_DELETE_IMAGE:
	case STEP_LEAVE_IMAGE:
	case STEP_TAKE_BACK: return let_go_in_tx(p, v, s, e);
	case STEP_DROP_ARCHIVE: return drop_archive(p, v, s, e);
	case STEP_DELETE_ARCHIVE: return delete_archive(p, v, e);
	default: return err_set(e, BUG, R_Internal, "retention has no step %s", step_name(s->kind));
	}
}

/* What was done is in the versions and the function's log. */
enum err_class retention_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e)
{
	(void)p, (void)world, (void)plan, (void)failure, (void)e;
	return OK;
}
