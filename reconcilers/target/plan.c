#include <stdio.h>
#include <string.h>

#include "reconcilers/target/planning.h"

enum readiness { READY, STARTING, FAILED, ABSENT };

static void settle(struct plan *p, enum verdict v, enum reason status, const char *message)
{
	p->verdict = v;
	p->status = status;
	p->message = message;
}

static void wake_at(struct plan *p, int64_t ms)
{
	if (!p->wake_ms || ms < p->wake_ms)
		p->wake_ms = ms;
}

static void add_stop(struct planning *k, const char **names, int64_t n, int64_t drain_ms)
{
	if (n == 0)
		return;
	struct step *s = plan_add(k->p, k->a, STEP_STOP_INSTANCES, k->w->subject, n);
	s->names = names;
	s->drain_ms = drain_ms;
}

/* ---- removal ---- */

static void plan_removal(struct planning *k)
{
	const struct target_world *w = k->w;
	settle(k->p, VERDICT_WAIT, R_Deleting, "draining and stopping");
	if (w->route)
		(void)plan_add(k->p, k->a, STEP_UNROUTE, w->subject, 0);
	const char **names = name_list(k->a, w->nseen);
	int64_t n = 0;
	for (size_t i = 0; i < w->nseen; i++)
		if (w->seen[i].state != INST_STOPPING)
			names[n++] = w->seen[i].name;
	add_stop(k, names, n, DRAIN_MS);
	if (w->route || w->nseen > 0)
		wake_at(k->p, k->now + DRAIN_MS);
	else if (w->exists)
		(void)plan_add(k->p, k->a, STEP_REMOVE_TARGET, w->subject, 0);
	else
		settle(k->p, VERDICT_STEADY, R_None, "");
}

/* ---- instances ---- */

/* What release r's instances are as a whole; the first failed one in *ret_failed. */
static enum readiness readiness_of(const struct planning *k, const struct target_release *r,
				   const struct instance **ret_failed)
{
	enum readiness all = READY;
	for (int64_t slot = 0; slot < k->w->instances; slot++) {
		const struct instance *i = find_instance(k->w, instance_name(k->a, r->id, slot));
		if (!i || i->state == INST_STOPPING || i->state == INST_GONE)
			return ABSENT;
		if (i->state == INST_FAILED) {
			*ret_failed = i;
			return FAILED;
		}
		if (i->state != INST_READY)
			all = STARTING;
	}
	return all;
}

static void add_apart(struct planning *k, enum step_kind kind, const struct target_release *r, int64_t number)
{
	struct step *s = plan_add(k->p, k->a, kind, k->w->subject, number);
	s->id = r->id;
	s->apart = true;
}

/* Starts what release r lacks. An instance that is still stopping under the same name must be gone first. */
static void add_starts(struct planning *k, const struct target_release *r)
{
	bool fetched = false;
	for (int64_t slot = 0; slot < k->w->instances; slot++) {
		const struct instance *i = find_instance(k->w, instance_name(k->a, r->id, slot));
		if (i) {
			if (i->state == INST_STOPPING)
				wake_at(k->p, k->now + DRAIN_MS);
			continue;
		}
		if (!fetched)
			add_apart(k, STEP_FETCH_IMAGE, r, r->version);
		fetched = true;
		add_apart(k, STEP_START_INSTANCE, r, slot);
	}
}

/* Failed instances of a release that must run (it serves) are cleared away after a while, so that they start anew but do not spin. */
static void add_clear_failed(struct planning *k, const struct target_release *r)
{
	const char **names = name_list(k->a, (size_t)k->w->instances);
	int64_t n = 0;
	for (int64_t slot = 0; slot < k->w->instances; slot++) {
		const struct instance *i = find_instance(k->w, instance_name(k->a, r->id, slot));
		if (!i || i->state != INST_FAILED)
			continue;
		if (k->now - i->since_ms >= START_GRACE_MS)
			names[n++] = i->name;
		else
			wake_at(k->p, i->since_ms + START_GRACE_MS);
	}
	add_stop(k, names, n, 0);
}

/* ---- what is left over ---- */

static bool belongs_to(const struct planning *k, const struct instance *i, const struct target_release *r)
{
	if (!r->id || !same_id(i->release, r->id))
		return false;
	for (int64_t slot = 0; slot < k->w->instances; slot++)
		if (strcmp(i->name, instance_name(k->a, r->id, slot)) == 0)
			return true;
	return false;
}

/* The gateway's own word: after a crash between a switch and its record the route names what the row does not know of. */
static bool in_route(const struct target_world *w, const struct instance *i)
{
	for (const char *const *name = w->route ? w->route->instances : NULL; name && *name; name++)
		if (strcmp(*name, i->name) == 0)
			return true;
	return false;
}

/* The previous releases stay warm for a while. */
static bool is_warm(struct planning *k, const struct instance *i)
{
	const struct target_world *w = k->w;
	for (size_t j = 0; j < w->nwarm && j < (size_t)w->warm_limit; j++) {
		if (i->state == INST_FAILED || k->now >= w->warm[j].warm_until_ms || !belongs_to(k, i, &w->warm[j]))
			continue;
		wake_at(k->p, w->warm[j].warm_until_ms);
		return true;
	}
	return false;
}

/* What neither is wanted nor serves drains and stops. */
static void add_leftovers(struct planning *k)
{
	const struct target_world *w = k->w;
	const char **names = name_list(k->a, w->nseen);
	int64_t n = 0;
	for (size_t i = 0; i < w->nseen; i++) {
		const struct instance *in = &w->seen[i];
		if (in->state == INST_STOPPING || belongs_to(k, in, &w->wanted) || belongs_to(k, in, &w->routed) || in_route(w, in) || is_warm(k, in))
			continue;
		names[n++] = in->name;
	}
	add_stop(k, names, n, DRAIN_MS);
}

/* ---- towards the wanted release ---- */

static bool any_ready(const struct planning *k, const struct target_release *r)
{
	for (int64_t slot = 0; slot < k->w->instances; slot++) {
		const struct instance *i = find_instance(k->w, instance_name(k->a, r->id, slot));
		if (i && i->state == INST_READY)
			return true;
	}
	return false;
}

/* While the wanted release is not routed, the one that serves must go on serving, restarts included. */
static void keep_serving(struct planning *k)
{
	const struct target_release *r = &k->w->routed;
	const struct route *have = k->w->route;
	if (!r->id && (!have || !*have->hosts))
		add_route(k, NULL); /* own hosts only; else the route knows of a switch that the row does not */
	if (!r->id || same_id(r->id, k->w->wanted.id))
		return;
	add_clear_failed(k, r);
	add_starts(k, r);
	/* Instances that are only starting are better than none, and worse than what the gateway may have of another release. */
	bool elsewhere = k->w->route && !same_id(k->w->route->release, r->id);
	if (any_ready(k, r) || (!elsewhere && route_names(k, r)[0]))
		add_route(k, r);
}

static void plan_failed(struct planning *k)
{
	const struct target_world *w = k->w;
	const char *still = w->routed.id ? arena_printf(k->a, "; version %lld keeps serving", (long long)w->routed.version) : "";
	settle(k->p, VERDICT_BLOCKED, w->failed_reason, arena_printf(k->a, "%s%s", w->failed_message, still));
	keep_serving(k);
	const char **names = name_list(k->a, w->nseen);
	int64_t n = 0;
	for (size_t i = 0; i < w->nseen; i++)
		if (w->seen[i].state != INST_STOPPING && same_id(w->seen[i].release, w->failed))
			names[n++] = w->seen[i].name;
	add_stop(k, names, n, 0);
	if (k->p->nsteps == 0)
		add_leftovers(k);
}

static void plan_start(struct planning *k)
{
	const struct target_world *w = k->w;
	settle(k->p, VERDICT_WAIT, R_Starting, arena_printf(k->a, "version %lld is starting", (long long)w->wanted.version));
	wake_at(k->p, k->now + w->health_deadline_ms + START_GRACE_MS);
	keep_serving(k);
	add_starts(k, &w->wanted);
	if (k->p->nsteps == 0)
		add_leftovers(k); /* of releases that were wanted in between */
}

static void plan_give_up(struct planning *k, const struct instance *failed)
{
	const struct target_release *r = &k->w->wanted;
	settle(k->p, VERDICT_ACT, R_Starting, "");
	struct step *s = plan_add(k->p, k->a, k->w->rolling_back ? STEP_FAIL_ROLLBACK : STEP_FAIL_RELEASE, k->w->subject, r->version);
	s->id = r->id;
	s->reason = reason_parse(failed->reason);
	s->message = arena_printf(k->a, "version %lld: %s", (long long)r->version, failed->message);
}

static void add_acknowledge(struct planning *k)
{
	const struct target_release *r = &k->w->wanted;
	if (same_id(k->w->routed.id, r->id) && !k->w->rolling_back) /* a rollback to what serves is done as it is */
		return;
	struct step *s = plan_add(k->p, k->a, STEP_ACKNOWLEDGE, k->w->subject, r->version);
	s->id = r->id;
	s->reason = k->p->status;
	s->message = k->p->message;
}

static void plan_switch(struct planning *k)
{
	const struct target_world *w = k->w;
	const struct target_release *r = &w->wanted;
	settle(k->p, VERDICT_STEADY, w->instances ? R_Serving : R_Stopped, arena_printf(k->a, "version %lld", (long long)r->version));
	if (w->held)
		settle(k->p, VERDICT_STEADY, R_Held, w->hold_message);
	if (w->lifts) /* not before: until now what it holds was what could be relied on */
		(void)plan_add(k->p, k->a, STEP_LIFT_HOLD, w->subject, r->version);
	/* Also when it is active by an earlier pass: nothing is routed that has not been decided just before. */
	if (!same_id(w->active.id, r->id) || !same_id(w->routed.id, r->id))
		plan_add(k->p, k->a, STEP_ACTIVATE, w->subject, r->version)->id = r->id;
	add_route(k, r);
	add_acknowledge(k);
	if (k->p->nsteps == 0) /* only what has been acknowledged may cost the old release its instances */
		add_leftovers(k);
}

/* The wanted release serves already but not all of its instances are ready: the node restarts them; what is missing is started. */
static void plan_heal(struct planning *k, enum readiness r, const struct instance *failed)
{
	const struct target_world *w = k->w;
	settle(k->p, VERDICT_WAIT, R_Starting, arena_printf(k->a, "version %lld: an instance is starting", (long long)w->wanted.version));
	wake_at(k->p, k->now + w->health_deadline_ms + START_GRACE_MS);
	if (r == FAILED)
		settle(k->p, VERDICT_WAIT, reason_parse(failed->reason), failed->message);
	for (size_t i = 0; i < w->nseen; i++)
		if (belongs_to(k, &w->seen[i], &w->wanted) && w->seen[i].state == INST_BACKOFF)
			settle(k->p, VERDICT_WAIT, w->seen[i].restarts < LOOP_RESTARTS ? reason_parse(w->seen[i].reason) : R_CrashLoop, w->seen[i].message);
	add_clear_failed(k, &w->wanted);
	add_starts(k, &w->wanted);
	if (!route_names(k, &w->wanted)[0])
		return;
	add_route(k, &w->wanted);
	if (w->rolling_back)
		add_acknowledge(k);
}

/* Started while it is being pushed: nothing becomes active whose image the registry does not have. */
static void plan_push_wait(struct planning *k)
{
	settle(k->p, VERDICT_STEADY, R_Building, arena_printf(k->a, "version %lld runs; its image is being pushed", (long long)k->w->wanted.version));
	keep_serving(k);
}

static void plan_wanted(struct planning *k)
{
	const struct target_world *w = k->w;
	const struct instance *failed = NULL;
	if (!w->wanted.id) {
		settle(k->p, VERDICT_ACT, R_Starting, "");
		struct step *s = plan_add(k->p, k->a, STEP_MINT_RELEASE, w->subject, w->wanted.version);
		s->id = w->wanted.deployment_id;
		return;
	}
	if (same_id(w->failed, w->wanted.id)) {
		plan_failed(k);
		return;
	}
	if (w->failed)
		(void)plan_add(k->p, k->a, STEP_FORGIVE, w->subject, 0);
	if (w->wanted.archived) {
		keep_serving(k);
		settle(k->p, VERDICT_ACT, R_Starting, "");
		add_apart(k, STEP_RESTORE_IMAGE, &w->wanted, w->wanted.version);
		return;
	}
	enum readiness r = readiness_of(k, &w->wanted, &failed);
	bool serves = same_id(w->routed.id, w->wanted.id);
	if (r == READY && w->wanted.unpublished)
		plan_push_wait(k);
	else if (r == READY)
		plan_switch(k);
	else if (serves)
		plan_heal(k, r, failed);
	else if (r == FAILED)
		plan_give_up(k, failed);
	else
		plan_start(k);
}

static void plan_bound(struct planning *k)
{
	const struct target_world *w = k->w;
	bool none = w->wanted.version == 0;
	if (!w->exists || strcmp(w->mode, w->binding) != 0 || (!none && w->want_version != w->wanted.version)) {
		settle(k->p, VERDICT_ACT, R_Pending, "");
		(void)plan_add(k->p, k->a, STEP_WANT, w->subject, w->wanted.version);
	} else if (w->unresolved != R_None) {
		bool passes = w->unresolved == R_Building; /* the build's end wakes this key */
		settle(k->p, passes ? VERDICT_STEADY : VERDICT_BLOCKED, w->unresolved, w->unresolved_message);
		keep_serving(k);
		add_leftovers(k); /* of a version that was started before its push failed */
	} else if (none) {
		settle(k->p, VERDICT_STEADY, R_Pending, "no version is ready yet");
	} else {
		plan_wanted(k);
	}
}

void target_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret)
{
	const struct target_world *w = world;
	*ret = (struct plan){.verdict = VERDICT_STEADY, .status = R_None, .message = ""};
	struct planning k = {w, now_ms, a, ret};
	if (w->declared && w->environment_declared && w->binding)
		plan_bound(&k);
	else
		plan_removal(&k);
	if (ret->nsteps > 0)
		ret->verdict = VERDICT_ACT;
}
