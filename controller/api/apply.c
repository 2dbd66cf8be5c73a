/* POST /apply and /plan: the same documents in the same transaction; a plan and a dry run take it back. */
#include <string.h>

#include "api/admission.h"
#include "api/diff.h"
#include "api/handlers.h"
#include "reconcilers/target/rollback.h"

enum { TRIES = 10 };

struct outcome {
	struct applied applied;
	json_t *diff; /* of a plan; lives in the arena */
	json_t *held; /* where a rollback keeps it from serving; lives in the arena */
	bool bad;     /* has a problem already */
};

struct job {
	struct admission ad;
	struct outcome *outcomes; /* parallel to ad.order */
	bool plan;
	json_t *steps;            /* parallel to ad.order; lives in the arena */
	struct err no_steps;      /* why there are none */
};

static const char *change_name(enum apply_change c)
{
	switch (c) {
	case APPLY_CREATED: return "created";
	case APPLY_CONFIGURED: return "configured";
	case APPLY_UNCHANGED: return "unchanged";
	}
	return "unchanged";
}

static enum err_class diff_one(struct request *r, struct store *s, const struct manifest *m, struct outcome *to, struct err *e)
{
	struct manifest_row before;
	enum err_class c = manifest_load(s, m->kind, m->project, m->name, &r->arena, &before, e);
	if (!c)
		to->diff = json_in_arena(manifest_diff(before.found ? &before.m : NULL, m), &r->arena);
	return c;
}

static enum err_class apply_one(struct request *r, struct store *s, struct job *job, size_t i, struct err *e)
{
	const struct manifest *m = job->ad.order[i];
	const struct apply_opts o = {.owner = "manifest", .actor = r->actor, .force = job->ad.force};
	enum err_class c = admission_source(r, s, m, e);
	if (!c && job->plan)
		c = diff_one(r, s, m, &job->outcomes[i], e);
	if (!c)
		c = manifest_apply(s, m, &o, &job->outcomes[i].applied, e);
	return c;
}

/* Runs step for every document. What is invalid about one becomes a problem and the rest is still looked at; anything else ends it, and after a
 * problem the transaction may be of no more use, so then the problems found are the answer. */
static enum err_class each(struct request *r, struct store *s, struct job *job,
			   enum err_class (*step)(struct request *, struct store *, struct job *, size_t, struct err *), struct err *e)
{
	for (size_t i = 0; i < job->ad.ms.n; i++) {
		if (job->outcomes[i].bad)
			continue;
		enum err_class c = step(r, s, job, i, e);
		job->outcomes[i].bad = c != OK;
		if (c == INVALID)
			admission_problem(r, job->ad.order[i], e);
		else if (c)
			return r->problems ? OK : c;
	}
	return OK;
}

static enum err_class check_one(struct request *r, struct store *s, struct job *job, size_t i, struct err *e)
{
	(void)r;
	return manifest_check_references(s, job->ad.order[i], e);
}

/* Only in the environment of a pin. */
static json_t *held_where(const json_t *holds, const char *environment)
{
	json_t *there = json_array();
	size_t i;
	json_t *hold;
	json_array_foreach(holds, i, hold)
		if (!environment || strcmp(json_str_or(hold, "environment", ""), environment) == 0)
			json_array_append(there, hold);
	return there;
}

static enum err_class find_holds(struct request *r, struct store *s, struct job *job, struct err *e)
{
	enum err_class c = OK;
	for (size_t i = 0; i < job->ad.ms.n && !c; i++) {
		const struct manifest *m = job->ad.order[i];
		bool pin = m->kind == KIND_PIN;
		AUTO_JSON json_t *holds = NULL;
		if (!pin && m->kind != KIND_FUNCTION)
			continue;
		c = holds_now(s, r->api->o.conf, m->project, pin ? m->spec.pin.function : m->name, &r->arena, &holds, e);
		job->outcomes[i].held = json_in_arena(held_where(holds, pin ? m->spec.pin.environment : NULL), &r->arena);
	}
	return c;
}

static enum err_class tell(struct request *r, struct store *s, const struct job *job, struct err *e)
{
	enum err_class c = OK;
	for (size_t i = 0; i < job->ad.ms.n && !c; i++) {
		const struct manifest *m = job->ad.order[i];
		const struct applied *a = &job->outcomes[i].applied;
		if (a->change == APPLY_UNCHANGED)
			continue;
		const struct event ev = {
			.kind = kind_info(m->kind)->singular, .project = m->project, .name = m->name, .reason = reason_token(R_Applied),
			.message = arena_printf(&r->arena, "%s by %s from %s:%d (generation %lld)", change_name(a->change), r->actor, m->file, m->line,
						(long long)a->generation),
		};
		c = event_add(s, &ev, e);
	}
	return c;
}

/* A plan without steps is still a plan: the diff needs neither node nor registry. */
static void ask_steps(struct request *r, struct store *s, struct job *job)
{
	const struct api_opts *o = &r->api->o;
	json_t *steps = NULL;
	if (!o->plan)
		return;
	if (!o->plan(o->plan_ctx, s, job->ad.order, job->ad.ms.n, &r->arena, &steps, &job->no_steps))
		job->steps = json_in_arena(steps, &r->arena);
}

static enum err_class in_transaction(struct request *r, struct store *s, struct job *job, struct err *e)
{
	enum err_class c = each(r, s, job, apply_one, e);
	if (!c)
		c = each(r, s, job, check_one, e);
	if (!c)
		c = admission_verdict(r, e);
	if (!c)
		c = find_holds(r, s, job, e);
	if (c)
		return c;
	if (job->plan)
		ask_steps(r, s, job);
	if (job->plan || job->ad.dry_run) {
		store_rollback(s);
		return OK;
	}
	c = tell(r, s, job, e);
	if (!c)
		c = work_notify(s, e);
	return c ? c : store_commit(s, e);
}

static enum err_class run(struct request *r, struct job *job, struct err *e)
{
	struct store *s;
	enum err_class c = request_store(r, &s, e);
	for (int tries = 0; !c && tries < TRIES; tries++) { /* a lost race is tried again at once */
		job->outcomes = arena_array(&r->arena, job->ad.ms.n, sizeof *job->outcomes);
		json_decref(r->problems);
		r->problems = NULL;
		c = store_begin(s, e);
		if (!c)
			c = in_transaction(r, s, job, e);
		if (!c)
			break;
		store_rollback(s);
		if (c == CONFLICT && tries < TRIES - 1)
			c = OK;
	}
	return c;
}

/* In the order of the files. */
static size_t index_of(const struct job *job, const struct manifest *m)
{
	size_t i = 0;
	while (job->ad.order[i] != m)
		i++;
	return i;
}

static json_t *item_json(const struct job *job, const struct manifest *m)
{
	size_t i = index_of(job, m);
	const struct outcome *o = &job->outcomes[i];
	json_t *j = json_object();
	json_object_set_new(j, "kind", json_string(kind_info(m->kind)->name));
	json_object_set_new(j, "project", json_string(m->project));
	json_object_set_new(j, "name", json_string(m->name));
	json_object_set_new(j, "change", json_string(change_name(o->applied.change)));
	if (json_array_size(o->held) > 0)
		json_object_set(j, "held", o->held);
	if (!job->plan) {
		json_object_set_new(j, "generation", json_integer(o->applied.generation));
		json_object_set_new(j, "uid", json_string(o->applied.uid));
		return j;
	}
	json_object_set(j, "diff", o->diff);
	if (job->steps)
		json_object_set(j, "steps", json_array_get(job->steps, i));
	return j;
}

static json_t *items_json(const struct job *job, size_t *ret_changes)
{
	json_t *items = json_array();
	size_t changes = 0;
	for (size_t i = 0; i < job->ad.ms.n; i++) {
		json_array_append_new(items, item_json(job, &job->ad.ms.items[i]));
		changes += job->outcomes[i].applied.change != APPLY_UNCHANGED;
	}
	*ret_changes = changes;
	return items;
}

enum err_class post_apply(struct request *r, struct err *e)
{
	struct job job = {0};
	enum err_class c = admission_read(r, &job.ad, e);
	if (!c)
		c = run(r, &job, e);
	if (c)
		return c;
	size_t changes;
	json_t *j = json_object();
	json_object_set_new(j, "items", items_json(&job, &changes));
	reply_json(r, 200, j);
	if (changes > 0 && !job.ad.dry_run && r->api->o.hint)
		r->api->o.hint(r->api->o.hint_ctx);
	return OK;
}

enum err_class post_plan(struct request *r, struct err *e)
{
	struct job job = {.plan = true};
	enum err_class c = admission_read(r, &job.ad, e);
	if (!c)
		c = run(r, &job, e);
	if (c)
		return c;
	size_t changes;
	json_t *j = json_object();
	json_object_set_new(j, "items", items_json(&job, &changes));
	json_object_set_new(j, "changes", json_integer((json_int_t)changes));
	if (!job.steps && job.no_steps.class)
		json_object_set_new(j, "stepsMissing", error_json(&job.no_steps, error_status(&job.no_steps, NULL)));
	reply_json(r, 200, j);
	return OK;
}
