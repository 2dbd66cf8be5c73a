/* Admission: a manifest becomes rows, and what depends on it becomes dirty. All inside the caller's transaction. */
#include <stdio.h>

#include "schema/admission.h"

struct found {
	bool found, deleting;
	char uid[UUID_TEXT];
	int64_t generation;
	const char *spec_hash, *owner, *source;
	const char *pin_function, *pin_environment; /* of a pin */
};

/* What is written of a manifest, as the text parameters that it becomes. */
struct admitted {
	const char *kind, *labels, *annotations, *spec, *source;
	char hash[DIGEST_TEXT];
};

enum err_class admission_begin(struct store *s, struct err *e)
{
	if (!pg_in_transaction(s->pg))
		return err_set(e, BUG, R_Internal, "admission outside a transaction");
	if (s->admitting)
		return OK;
	enum err_class r = pg_query(s->pg, q_admission_lock, 0, NULL, NULL, e);
	s->admitting = r == OK;
	return r;
}

static json_t *pairs_json(const struct pairs *p)
{
	json_t *j = json_object();
	for (size_t i = 0; i < p->n; i++)
		json_object_set_new(j, p->items[i].name, json_string(p->items[i].value)); /* checked UTF-8 by the decoder */
	return j;
}

static void admit(const struct manifest *m, const struct apply_opts *o, struct arena *a, struct admitted *ret)
{
	json_t *all = json_in_arena(json_object(), a);
	json_object_set_new(all, "labels", pairs_json(&m->labels));
	json_object_set_new(all, "annotations", pairs_json(&m->annotations));
	json_object_set_new(all, "spec", manifest_spec_json(m));
	struct digest d = json_digest(all);
	(void)digest_text(&d, ret->hash);
	ret->kind = kind_info(m->kind)->singular;
	ret->labels = json_text_arena(json_object_get(all, "labels"), a);
	ret->annotations = json_text_arena(json_object_get(all, "annotations"), a);
	ret->spec = json_text_arena(json_object_get(all, "spec"), a);
	ret->source = m->file && *m->file ? arena_printf(a, "%s:%d", m->file, m->line) : o->actor;
}

static enum err_class find(struct store *s, const char *kind, const char *project, const char *name, struct arena *a, struct found *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_manifest_find, &res, e, kind, project, name);
	if (r)
		return r;
	*ret = (struct found){.found = res.rows > 0};
	if (!ret->found)
		return OK;
	take_uuid(&res, 0, 0, ret->uid);
	ret->spec_hash = take_text(&res, 0, 1, a);
	ret->owner = take_text(&res, 0, 2, a);
	ret->source = take_text(&res, 0, 3, a);
	ret->generation = pg_int(&res, 0, 4, 0);
	ret->deleting = pg_bool(&res, 0, 5);
	ret->pin_function = take_text(&res, 0, 6, a);
	ret->pin_environment = take_text(&res, 0, 7, a);
	return OK;
}

static enum err_class check_project(struct store *s, const struct manifest *m, struct err *e)
{
	if (m->kind == KIND_PROJECT)
		return OK;
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_project_live, &res, e, m->project);
	if (r || res.rows)
		return r;
	return err_set(e, INVALID, R_InvalidReference, "%s/%s is in project \"%s\", which does not exist", kind_info(m->kind)->singular, m->name,
		       m->project);
}

static enum err_class mirror(struct store *s, const struct manifest *m, struct arena *a, struct err *e)
{
	const char *selector;
	switch (m->kind) {
	case KIND_PROJECT:
		return RUN(s, q_mirror_project, NULL, e, m->name, m->spec.project.default_environment);
	case KIND_ENVIRONMENT:
		selector = json_text_arena(json_in_arena(pairs_json(&m->spec.environment.selector), a), a);
		return RUN(s, q_mirror_environment, NULL, e, m->project, m->name, m->spec.environment.inherits,
			   m->spec.environment.follow_latest ? "true" : "false", selector);
	case KIND_FUNCTION:
		return RUN(s, q_mirror_function, NULL, e, m->project, m->name, m->spec.function.runtime);
	case KIND_RUNTIME:
	case KIND_PIN:
		return OK; /* read from manifests alone */
	case KIND_COUNT:
		break;
	}
	return err_set(e, BUG, R_Internal, "no such kind");
}

/* now and before are what a pin binds and bound. */
static enum err_class mark_dependents(struct store *s, enum kind kind, const char *project, const char *name, const struct pin_spec *now,
				      const struct found *before, struct err *e)
{
	switch (kind) {
	case KIND_PROJECT: return RUN(s, q_depends_project, NULL, e, project);
	case KIND_RUNTIME: return RUN(s, q_depends_runtime, NULL, e, project, name);
	case KIND_ENVIRONMENT: return RUN(s, q_depends_environment, NULL, e, project, name);
	case KIND_FUNCTION: return RUN(s, q_depends_function, NULL, e, project, name);
	case KIND_PIN:
		return RUN(s, q_depends_pin, NULL, e, project, name, now->function, now->environment, before->pin_function, before->pin_environment);
	case KIND_COUNT: break;
	}
	return err_set(e, BUG, R_Internal, "no such kind");
}

static enum err_class write_manifest(struct store *s, const char *sql, const struct manifest *m, const struct admitted *w, const struct apply_opts *o,
				     struct applied *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, sql, &res, e, w->kind, m->project, m->name, w->labels, w->annotations, w->spec, w->hash, o->owner, w->source, o->actor);
	if (r)
		return r;
	if (res.rows == 0)
		return err_set(e, CONFLICT, R_DatabaseConflict, "%s/%s went away", w->kind, m->name);
	take_uuid(&res, 0, 0, ret->uid);
	ret->generation = pg_int(&res, 0, 1, 0);
	return OK;
}

/* Same content: nobody is in anybody's way. The position, and with force the owner, are kept up to date. */
static enum err_class keep(struct store *s, const struct manifest *m, const struct found *f, const struct admitted *w, const struct apply_opts *o,
			   struct applied *ret, struct err *e)
{
	bool mine = strcmp(f->owner, o->owner) == 0 || o->force;
	*ret = (struct applied){.change = APPLY_UNCHANGED, .generation = f->generation};
	memcpy(ret->uid, f->uid, sizeof ret->uid);
	if (!mine || (strcmp(f->owner, o->owner) == 0 && strcmp(f->source, w->source) == 0))
		return OK;
	return RUN(s, q_manifest_owner, NULL, e, w->kind, m->project, m->name, o->owner, w->source);
}

enum err_class manifest_apply(struct store *s, const struct manifest *m, const struct apply_opts *o, struct applied *ret, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct admitted w;
	struct found f;
	admit(m, o, &a, &w);
	enum err_class r = admission_begin(s, e);
	if (r == OK)
		r = check_project(s, m, e);
	if (r == OK)
		r = find(s, w.kind, m->project, m->name, &a, &f, e);
	if (r)
		return r;
	if (f.deleting)
		return err_set(e, CONFLICT, R_Deleting, "%s/%s is being removed; try again in a moment", w.kind, m->name);
	if (f.found && strcmp(f.spec_hash, w.hash) == 0)
		return keep(s, m, &f, &w, o, ret, e);
	if (f.found && *f.owner && strcmp(f.owner, o->owner) != 0 && !o->force)
		return err_set(e, INVALID, R_OwnedByManifest, "%s/%s is owned by %s (%s)", w.kind, m->name, f.owner, f.source);
	struct applied out = {.change = f.found ? APPLY_CONFIGURED : APPLY_CREATED};
	r = write_manifest(s, f.found ? q_manifest_update : q_manifest_insert, m, &w, o, &out, e);
	if (r == OK)
		r = mirror(s, m, &a, e);
	if (r == OK)
		r = mark_dependents(s, m->kind, m->project, m->name, &m->spec.pin, &f, e);
	if (r == OK)
		*ret = out;
	return r;
}

enum err_class manifest_delete(struct store *s, enum kind kind, const char *project, const char *name, const char *actor, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct found f;
	const char *singular = kind_info(kind)->singular;
	enum err_class r = admission_begin(s, e);
	if (r == OK)
		r = find(s, singular, project, name, &a, &f, e);
	if (r)
		return r;
	if (!f.found)
		return err_set(e, INVALID, R_NotFound, "there is no %s/%s in project \"%s\"", singular, name, project);
	if (f.deleting)
		return OK;
	r = check_referrers(s, kind, project, name, e);
	if (r == OK)
		r = RUN(s, q_manifest_delete, NULL, e, singular, project, name, actor);
	struct pin_spec bound = {.function = f.pin_function, .environment = f.pin_environment};
	return r ? r : mark_dependents(s, kind, project, name, &bound, &f, e);
}

enum err_class manifest_remove(struct store *s, enum kind kind, const char *project, const char *name, struct err *e)
{
	const char *singular = kind_info(kind)->singular;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct found f;
	enum err_class r = find(s, singular, project, name, &a, &f, e);
	if (r || !f.found)
		return r;
	r = RUN_ONE(s, q_manifest_remove, CONFLICT, R_DatabaseConflict, e, singular, project, name);
	if (r)
		return err_wrap(e, "removing %s/%s/%s, which is in use or wanted", singular, project, name);
	if (kind == KIND_ENVIRONMENT)
		return RUN(s, q_unmirror_environment, NULL, e, project, name);
	return kind == KIND_PROJECT ? RUN(s, q_unmirror_project, NULL, e, name) : OK;
}
