#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/backoff.h"
#include "engine/engine.h"

enum {
	MAX_ROUNDS = 64,          /* observe, plan, act; a plan that never comes to rest is a bug */
	MAX_RACES = 3,            /* lost in a row before they are told of and wait */
	DENIED_WAIT_MS = 600000,
	BUG_WAIT_MS = 600000
};

/* One pass: what it holds and what it came to. */
struct running {
	struct pass *p;
	const struct reconciler *r;
	void *world;
	struct plan plan;
	struct err failure; /* class OK: none */
};

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

/* A step that stands apart is left out after another such step about the same thing has failed. */
static bool is_cut_off(const struct plan *p, const bool *failed, size_t i)
{
	for (size_t j = 0; j < i && p->steps[i].apart; j++)
		if (failed[j] && strcmp(p->steps[i].id, p->steps[j].id) == 0)
			return true;
	return false;
}

/* In order, to the first failure; that of a step that stands apart does not end the others, and is returned at the end. */
static enum err_class do_steps(struct running *k, struct err *e)
{
	const struct plan *plan = &k->plan;
	bool *failed = arena_array(k->p->arena, plan->nsteps, sizeof *failed);
	enum err_class first = OK;
	for (size_t i = 0; i < plan->nsteps; i++) {
		const struct step *s = &plan->steps[i];
		struct err why = ERR_INIT;
		enum err_class c = is_cut_off(plan, failed, i) ? OK : do_step(k, s, &why);
		failed[i] = c != OK;
		if (c && !first) {
			first = c;
			*e = why;
		} else if (c) {
			log_err(LOG_WARN, "another step failed", &why, "key", k->p->lease.key, "step", step_name(s->kind), NULL);
		}
		if (c && (!s->apart || c == CONFLICT || c == BUG))
			break;
	}
	return first;
}

/* Observe, plan and act until the plan asks for nothing more now. The arena of the last round is kept for the record. */
static enum err_class converge(struct running *k, struct err *e)
{
	struct pass *p = k->p;
	for (int round = 0; round < MAX_ROUNDS; round++) {
		arena_release(p->arena);
		if (!key_split(p->lease.key, p->arena, &p->key))
			return err_set(e, BUG, R_Internal, "\"%s\" is not a key", p->lease.key);
		k->world = NULL; /* with the plan made for it: both lived in the arena */
		k->plan = (struct plan){.verdict = VERDICT_STEADY, .message = ""};
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
	case CONFLICT: return work_retry(p->store, &p->lease, p->lease.attempt < MAX_RACES ? 0 : backoff_ms(p->lease.attempt, random_jitter()), f, e);
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

/* A lost race is tried again at once and is nobody's news, unless it is lost again and again. */
static bool is_lost_race(const struct running *k)
{
	return k->failure.class == CONFLICT && k->p->lease.attempt < MAX_RACES;
}

static void log_pass(const struct running *k, int64_t ms)
{
	char took[24], attempt[24];
	(void)snprintf(took, sizeof took, "%lld", (long long)ms);
	(void)snprintf(attempt, sizeof attempt, "%d", k->p->lease.attempt);
	enum log_level level = k->failure.class == BUG ? LOG_ERROR : is_lost_race(k) ? LOG_DEBUG : LOG_WARN;
	if (k->failure.class)
		log_err(level, "pass failed", &k->failure, "key", k->p->lease.key, "attempt", attempt, "ms", took, NULL);
	else
		log_event(LOG_DEBUG, "pass", "key", k->p->lease.key, "verdict", verdict_name(k->plan.verdict), "status",
			  reason_token(k->plan.status), "ms", took, NULL);
}

/* Writes down what the pass came to. */
static void record(struct running *k)
{
	struct err e = ERR_INIT;
	const struct err why = k->failure; /* it may change below, while record reads it */
	if (!k->r || is_lost_race(k))
		return;
	if (k->r->record(k->p, k->world, &k->plan, why.class ? &why : NULL, &e) != OK && !k->failure.class)
		k->failure = e;
}

enum err_class pass_run(struct pass *p, const struct reconciler *r, const struct lease *lease, bool *ret_waits)
{
	int64_t began = clock_mono_ms();
	AUTO_ARENA struct arena arena = ARENA_INIT;
	p->arena = &arena;
	p->lease = *lease;
	struct running k = {.p = p, .r = r, .failure = ERR_INIT};
	(void)(k.r ? converge(&k, &k.failure) : err_set(&k.failure, BUG, R_Internal, "nothing reconciles \"%s\"", lease->key)); /* in k.failure */
	record(&k);
	log_pass(&k, clock_mono_ms() - began);
	struct err e = ERR_INIT;
	enum err_class c = leave(&k, ret_waits, &e);
	if (c)
		log_err(c == CONFLICT ? LOG_DEBUG : LOG_WARN, "the lease was not given back", &e, "key", lease->key, NULL);
	p->arena = NULL;
	return c == OK || c == CONFLICT ? c : TRANSIENT;
}
