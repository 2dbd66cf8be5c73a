#include <string.h>

#include "reconcilers/conditions.h"
#include "reconcilers/function/function.h"

static void settle(struct plan *p, enum verdict v, enum reason status, const char *message)
{
	p->verdict = v;
	p->status = status;
	p->message = message;
}

static void give_up(struct plan *p, struct arena *a, const struct function_world *w, const struct function_version *v, enum reason reason,
		    const char *message)
{
	struct step *s = plan_add(p, a, STEP_FAIL_BUILD, w->name, v->n);
	s->id = v->id;
	s->reason = reason;
	s->message = message;
}

static bool is(const char *status, const char *word) { return strcmp(status, word) == 0; }

/* The manifest is going: versions under way are given up, targets go first (each looks at the manifest itself). */
static void plan_removal(const struct function_world *w, struct arena *a, struct plan *p)
{
	settle(p, VERDICT_BLOCKED, R_Deleting, "waiting for its targets to stop serving");
	if (w->newest.id && is(w->newest.status, "building"))
		give_up(p, a, w, &w->newest, R_Deleting, "the function is being removed");
	for (size_t i = 0; i < w->ntargets; i++)
		if (w->targets[i].exists)
			return;
	(void)plan_add(p, a, STEP_REMOVE_FUNCTION, w->name, 0);
}

static void plan_new_version(const struct function_world *w, struct arena *a, struct plan *p)
{
	settle(p, VERDICT_ACT, R_Building, "");
	(void)plan_add(p, a, STEP_NEW_VERSION, w->name, w->next_version);
}

static void plan_build(const struct function_world *w, const struct function_version *v, int64_t now_ms, struct arena *a, struct plan *p)
{
	settle(p, VERDICT_WAIT, R_Building, arena_printf(a, "version %lld is being built", (long long)v->n));
	if (!p->wake_ms || v->deadline_ms < p->wake_ms)
		p->wake_ms = v->deadline_ms;
	/* Long past it and still building: no controller was there to see it pass, and none to build. */
	bool away = v->build == BUILD_NONE && v->deadline_ms && now_ms >= v->deadline_ms + BUILD_AWAY_MS;
	if (v->build == BUILD_DONE)
		plan_add(p, a, v->written ? STEP_PUBLISH : STEP_WRITE_IMAGE, w->name, v->n)->id = v->id;
	else if (v->build == BUILD_REFUSED)
		give_up(p, a, w, v, v->refused, v->refused_message);
	else if (v->deadline_ms && now_ms >= v->deadline_ms && !away)
		give_up(p, a, w, v, R_BuildTimeout, "the build did not end before its deadline");
	else if (v->build == BUILD_NONE)
		plan_add(p, a, STEP_START_BUILD, w->name, v->n)->id = v->id;
}

/* A target whose last pass has seen neither this manifest nor the newest version, nor what it was asked for since, says nothing yet, unless that it
 * cannot look. */
static bool target_is_current(const struct function_world *w, const struct function_target *t)
{
	if (t->exists && reason_is_outage(reason_parse(t->status)))
		return true;
	if (!t->exists || t->seen_generation < w->generation)
		return false;
	if (is(t->status, "Serving") && t->serving != t->want)
		return false;
	return !is(t->declared, "follow") || t->want == w->newest.n || is(t->status, "Held");
}

static bool all_stopped(const struct function_world *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->ntargets; i++)
		n += is(w->targets[i].status, "Stopped");
	return n == w->ntargets;
}

/* What is newest, or that it serves nowhere. */
static const char *serving_message(const struct function_world *w, struct arena *a)
{
	long long newest = w->newest.n;
	for (size_t i = 0; i < w->ntargets; i++)
		if (w->targets[i].serving == w->newest.n)
			return arena_printf(a, "version %lld", newest);
	return arena_printf(a, "version %lld in %s; version %lld is built", (long long)w->targets[0].serving, w->targets[0].environment, newest);
}

/* Built: the function is what its targets are. The first that does not serve speaks. */
static void plan_summary(const struct function_world *w, struct arena *a, struct plan *p)
{
	if (w->ntargets == 0)
		settle(p, VERDICT_STEADY, R_NoTarget, "built, but no environment runs it");
	else
		settle(p, VERDICT_STEADY, all_stopped(w) ? R_Stopped : R_Serving, serving_message(w, a));
	for (size_t i = 0; i < w->ntargets; i++) {
		const struct function_target *t = &w->targets[i];
		bool current = target_is_current(w, t);
		if (current && (is(t->status, "Serving") || is(t->status, "Stopped")))
			continue;
		enum reason r = current ? reason_parse(t->status) : R_Pending;
		settle(p, VERDICT_STEADY, r, arena_printf(a, "in %s: %s", t->environment, current ? t->message : "waiting for its turn"));
		return;
	}
}

static void plan_living(const struct function_world *w, int64_t now_ms, struct arena *a, struct plan *p)
{
	if (!w->runtime.found) {
		settle(p, VERDICT_BLOCKED, R_UnknownRuntime, arena_printf(a, "there is no runtime \"%s\"", w->spec->runtime));
		return;
	}
	const struct function_version *v = &w->newest;
	char hash[DIGEST_TEXT];
	/* A new base rebuilds what was built only where the runtime says so; what has failed may be mended by it. */
	bool built_on = v->id && !is(v->status, "failed");
	struct digest want = function_source_hash(w->spec, built_on ? v->base : w->runtime.spec->base);
	bool same_input = v->id && is(v->input_hash, digest_text(&want, hash));
	bool outdated = same_input && is(w->runtime.spec->rebuild, "auto") && v->runtime_changed && !is(v->status, "building");
	if (!same_input || outdated)
		plan_new_version(w, a, p);
	else if (is(v->status, "building"))
		plan_build(w, v, now_ms, a, p);
	else if (is(v->status, "failed"))
		settle(p, VERDICT_BLOCKED, R_BuildFailed, arena_printf(a, "version %lld: %s: %s", (long long)v->n, v->reason, v->message));
	else
		plan_summary(w, a, p);
}

/* Somebody asked for just this version in some environment. */
static bool asked_for(const struct function_world *w, const struct function_version *v)
{
	for (size_t i = 0; i < w->ntargets; i++)
		if (w->targets[i].asked && w->targets[i].want == v->n)
			return true;
	return false;
}

/* What follows the newest has no use for older ones; their builds end, but for those that were asked for elsewhere. */
static void plan_older(const struct function_world *w, int64_t now_ms, struct arena *a, struct plan *p)
{
	for (size_t i = 0; i < w->nolder; i++) {
		const struct function_version *v = &w->older[i];
		if (w->deleting)
			give_up(p, a, w, v, R_Deleting, "the function is being removed");
		else if (asked_for(w, v))
			plan_build(w, v, now_ms, a, p);
		else
			give_up(p, a, w, v, R_Building, arena_printf(a, "superseded by version %lld", (long long)w->newest.n));
	}
}

void function_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret)
{
	const struct function_world *w = world;
	*ret = (struct plan){.verdict = VERDICT_STEADY, .status = R_None, .message = ""};
	if (!w->declared)
		return;
	plan_older(w, now_ms, a, ret);
	if (w->deleting)
		plan_removal(w, a, ret);
	else
		plan_living(w, now_ms, a, ret);
	if (ret->nsteps > 0)
		ret->verdict = VERDICT_ACT;
}
