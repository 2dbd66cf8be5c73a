#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/backoff.h"
#include "engine/engine.h"

enum {
	MAX_ROUNDS = 64,          /* observe, plan, act; a plan that never comes to rest is a bug */
	DENIED_WAIT_MS = 600000,
	BUG_WAIT_MS = 600000
};

/* One pass: what it holds and what it came to. */
struct running {
	struct pass *p;
	const struct reconciler *r;
	int64_t lease_ms, extended_at; /* monotonic */
	void *world;
	struct plan plan;
	struct err failure; /* class OK: none */
};

static enum err_class keep_lease(struct running *k, struct err *e)
{
	int64_t now = clock_mono_ms();
	if (now - k->extended_at < k->lease_ms / 3)
		return OK;
	enum err_class c = work_extend(k->p->store, &k->p->lease, k->lease_ms, e);
	if (!c)
		k->extended_at = now;
	return c;
}

/* An outside step is written down before it is done, and its outcome afterwards. */
static enum err_class do_step(struct running *k, const struct step *s, struct err *e)
{
	struct pass *p = k->p;
	log_event(LOG_INFO, "step", "key", p->lease.key, "step", step_name(s->kind), "what", step_sentence(s, p->arena), NULL);
	if (!step_is_outside(s->kind))
		return k->r->act(p, k->world, s, e);
	AUTO_JSON json_t *detail = json_pack("{s:s, s:I, s:s?}", "subject", s->subject, "number", (json_int_t)s->number, "id", s->id);
	int64_t intent;
	enum err_class c = intent_open(p->store, &p->lease, step_name(s->kind), detail, &intent, e);
	if (c)
		return c;
	c = k->r->act(p, k->world, s, e);
	struct err closing = ERR_INIT;
	enum err_class closed = intent_close(p->store, intent, c ? e->reason : "done", &closing);
	if (closed)
		log_err(LOG_WARN, "an intent's outcome was not recorded", &closing, "key", p->lease.key, NULL);
	return c;
}

static enum err_class do_steps(struct running *k, struct err *e)
{
	for (size_t i = 0; i < k->plan.nsteps; i++) {
		enum err_class c = keep_lease(k, e);
		if (!c)
			c = do_step(k, &k->plan.steps[i], e);
		if (c)
			return c;
	}
	return OK;
}

/* Observe, plan and act until the plan asks for nothing more now. The arena of the last round is kept for the record. */
static enum err_class converge(struct running *k, struct err *e)
{
	struct pass *p = k->p;
	for (int round = 0; round < MAX_ROUNDS; round++) {
		arena_release(p->arena);
		if (!key_split(p->lease.key, p->arena, &p->key))
			return err_set(e, BUG, R_Internal, "\"%s\" is not a key", p->lease.key);
		k->world = NULL;
		enum err_class c = k->r->observe(p, &k->world, e);
		if (c)
			return err_wrap(e, "observe"), c;
		k->r->plan(k->world, clock_wall_ms(), p->arena, &k->plan);
		if (k->plan.verdict != VERDICT_ACT)
			return OK;
		c = do_steps(k, e);
		if (c)
			return c;
	}
	return err_set(e, BUG, R_Internal, "the plan did not come to rest in %d rounds", MAX_ROUNDS);
}

static uint16_t random_jitter(void)
{
	uint16_t r = 0;
	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
		r = UINT16_MAX / 2; /* any value does */
	return r;
}

static enum err_class leave(struct running *k, bool *ret_waits, struct err *e)
{
	struct pass *p = k->p;
	const struct err *f = &k->failure;
	*ret_waits = true;
	switch (f->class) {
	case OK: break;
	case TRANSIENT: return work_retry(p->store, &p->lease, backoff_ms(p->lease.attempt, random_jitter()), f, e);
	case CONFLICT: return work_retry(p->store, &p->lease, p->lease.attempt < 3 ? 0 : backoff_ms(p->lease.attempt, random_jitter()), f, e);
	case DENIED: return work_retry(p->store, &p->lease, DENIED_WAIT_MS, f, e);
	case BUG: return work_retry(p->store, &p->lease, BUG_WAIT_MS, f, e);
	case INVALID: *ret_waits = false; return work_done(p->store, &p->lease, e);
	}
	if (k->plan.wake_ms) {
		int64_t delay = k->plan.wake_ms - clock_wall_ms();
		return work_wait(p->store, &p->lease, delay > 0 ? delay : 0, reason_token(k->plan.status), e);
	}
	*ret_waits = false;
	return work_done(p->store, &p->lease, e);
}

static void log_pass(const struct running *k, int64_t ms)
{
	char took[24], attempt[24];
	(void)snprintf(took, sizeof took, "%lld", (long long)ms);
	(void)snprintf(attempt, sizeof attempt, "%d", k->p->lease.attempt);
	if (k->failure.class)
		log_err(k->failure.class == BUG ? LOG_ERROR : LOG_WARN, "pass failed", &k->failure, "key", k->p->lease.key, "attempt", attempt,
			"ms", took, NULL);
	else
		log_event(LOG_DEBUG, "pass", "key", k->p->lease.key, "verdict", verdict_name(k->plan.verdict), "status",
			  reason_token(k->plan.status), "ms", took, NULL);
}

void pass_run(struct pass *p, struct lease *lease, int64_t lease_ms, bool *ret_waits)
{
	int64_t began = clock_mono_ms();
	AUTO_ARENA struct arena arena = ARENA_INIT;
	p->arena = &arena;
	p->lease = *lease;
	struct running k = {.p = p, .lease_ms = lease_ms, .extended_at = began, .failure = ERR_INIT};
	if (key_split(lease->key, &arena, &p->key))
		k.r = reconciler_find(p->key.kind);
	struct err e = ERR_INIT;
	enum err_class c = k.r ? converge(&k, &k.failure) : err_set(&k.failure, BUG, R_Internal, "nothing reconciles \"%s\"", lease->key);
	if (k.r) {
		struct err why = k.failure;
		c = k.r->record(p, k.world, &k.plan, k.failure.class ? &why : NULL, &e);
		if (c && !k.failure.class)
			k.failure = e;
	}
	if (strcmp(k.failure.reason, "LeaseLost") != 0)
		log_pass(&k, clock_mono_ms() - began);
	c = leave(&k, ret_waits, &e);
	if (c)
		log_err(LOG_WARN, "the lease was not given back", &e, "key", lease->key, NULL);
	p->arena = NULL;
}
