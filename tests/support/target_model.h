/* A target's world as small numbers, to run its planner in: what a plan's steps do to it, what time does, and what must hold on the way and at rest. */
#ifndef FN_TESTS_TARGET_MODEL_H
#define FN_TESTS_TARGET_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "reconcilers/target/target.h"

enum { RELEASES = 3, SLOTS = 2, NOW = 100000000, MAX_PASSES = 40, WARM_MS = 600000 };

static const char *const ids[RELEASES] = {"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
					  "cccccccc-cccc-4ccc-8ccc-cccccccccccc"};
static const char *const host_list[] = {"hello.dev.fn.localhost", NULL};

enum { ABSENT = -1, NONE = -1 };

/* The outside and the row, as small numbers. Release 2 is the wanted one when something is wanted, until a rollback to it fails. */
struct model {
	bool bound, minted, exists, published;
	bool held, rolling, archived;                /* a rollback holds it; is not finished; its image must be restored first */
	bool lifts;                                  /* what is wanted ends a hold on something else */
	int instead;                                 /* 1 + the release that is wanted instead, after a rollback failed */
	int want_version;
	int active, routed, previous, failed, route; /* index of a release or NONE */
	int state[RELEASES][SLOTS];                  /* enum instance_state or ABSENT */
	unsigned route_slots;                        /* which instances the route names */
	unsigned own[RELEASES];                      /* and which the releases' own hosts lead to */
	int instances;
	bool starts_fail;                            /* how starting ends */
	int64_t now, routed_at;
};

struct view {
	struct target_world w;
	struct target_release warm[1];
	struct instance seen[RELEASES * SLOTS];
	struct route route;
	const char *names[SLOTS + 1];
	struct route_beside own[RELEASES];
	const char *own_hosts[RELEASES][3], *own_names[RELEASES][SLOTS + 1];
};

static int wanted_of(const struct model *m) { return m->instead ? m->instead - 1 : 2; }

static const char *const release_hosts[RELEASES] = {"hello--r1.dev", "hello--r2.dev", "hello--r3.dev"};
static const char *const version_hosts[RELEASES] = {"hello--v1.dev", "hello--v2.dev", "hello--v3.dev"};

static struct target_release release(int i)
{
	if (i == NONE)
		return (struct target_release){.id = NULL};
	return (struct target_release){.id = ids[i], .version = i + 1, .n = i + 1, .deployment_id = ids[i], .image = "", .repository = "", .timeout_ms = 30000, .release_host = release_hosts[i], .version_host = version_hosts[i]};
}

static void see_instances(const struct model *m, struct arena *a, struct view *v)
{
	for (int r = 0; r < RELEASES; r++)
		for (int s = 0; s < SLOTS; s++)
			if (m->state[r][s] != ABSENT)
				v->seen[v->w.nseen++] = (struct instance){.name = instance_name(a, ids[r], s), .key = "", .release = ids[r],
									  .state = (enum instance_state)m->state[r][s], .address = "", .reason = "Exited",
									  .message = "it ended", .since_ms = NOW};
	v->w.seen = v->seen;
}

/* Names of the slots in the set, in order. */
static void name_slots(const struct model *m, struct arena *a, int r, unsigned slots, const char **to)
{
	(void)m;
	size_t n = 0;
	for (int s = 0; s < SLOTS; s++)
		if (slots & 1U << s)
			to[n++] = instance_name(a, ids[r], s);
}

/* The newest release first, as the plan writes them. */
static void see_route(const struct model *m, struct arena *a, struct view *v)
{
	static const char *const none[] = {NULL};
	size_t own = 0;
	for (int r = RELEASES - 1; r >= 0; r--) {
		if (!m->own[r])
			continue;
		name_slots(m, a, r, m->own[r], v->own_names[r]);
		v->own_hosts[r][0] = release_hosts[r];
		v->own_hosts[r][1] = version_hosts[r];
		v->own[own++] = (struct route_beside){.release = ids[r], .hosts = v->own_hosts[r], .instances = v->own_names[r], .timeout_ms = 30000};
	}
	if (m->route == NONE && own == 0)
		return;
	if (m->route != NONE)
		name_slots(m, a, m->route, m->route_slots, v->names);
	v->route = (struct route){.key = "", .release = m->route == NONE ? "" : ids[m->route], .hosts = m->route == NONE ? none : host_list,
				  .instances = v->names, .timeout_ms = 30000, .loaded = true, .beside = v->own, .nbeside = own};
	v->w.route = &v->route;
}

static void see(const struct model *m, struct arena *a, struct view *v)
{
	*v = (struct view){.w = {
		.subject = "hello in dev", .declared = true, .environment_declared = true, .binding = m->bound ? "follow" : NULL,
		.unresolved_message = "", .wanted = release(wanted_of(m)), .instances = m->instances, .hosts = host_list, .exists = m->exists, .mode = "follow",
		.want_version = m->want_version, .active = release(m->active), .routed = release(m->routed), .warm_limit = 1,
		.failed = m->failed == NONE ? NULL : ids[m->failed], .failed_reason = R_Exited, .failed_message = "it ended",
		.routed_at_ms = m->routed_at, .health_deadline_ms = 30000,
	}};
	v->w.wanted.unpublished = !m->published;
	v->w.wanted.archived = m->archived && !m->instead;
	v->w.held = m->held;
	v->w.hold_message = "held";
	v->w.rolling_back = m->rolling;
	v->w.lifts = m->lifts;
	v->w.hold_id = m->held || m->lifts ? "a rollback" : "";
	if (m->previous != NONE) {
		v->warm[0] = release(m->previous);
		v->warm[0].warm_until_ms = m->routed_at + WARM_MS;
		v->w.warm = v->warm;
		v->w.nwarm = 1;
	}
	if (!m->minted)
		v->w.wanted.id = NULL;
	see_instances(m, a, v);
	see_route(m, a, v);
}

static int index_of(const char *id)
{
	for (int i = 0; i < RELEASES; i++)
		if (id && strcmp(ids[i], id) == 0)
			return i;
	return NONE;
}

static void find(const char *name, int *r, int *s)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	for (*r = 0; *r < RELEASES; (*r)++)
		for (*s = 0; *s < SLOTS; (*s)++)
			if (strcmp(instance_name(&a, ids[*r], *s), name) == 0)
				return;
	fail_msg("a step names %s, which is no instance", name);
}

static bool serves(const struct model *m, int r)
{
	for (int s = 0; s < m->instances; s++)
		if (m->state[r][s] == INST_READY)
			return true;
	return m->instances == 0;
}

static void stop(struct model *m, const struct step *st)
{
	for (size_t i = 0; st->names[i]; i++) {
		int r, s;
		find(st->names[i], &r, &s);
		bool needed = m->bound && m->route == r && s < m->instances && m->state[r][s] == INST_READY;
		assert_false(needed); /* what the route leads to is never stopped */
		assert_false(m->bound && m->own[r] & 1U << s && m->state[r][s] == INST_READY); /* nor what has hosts of its own */
		m->state[r][s] = ABSENT;
	}
}

static void set_own(struct model *m, const struct step *st)
{
	memset(m->own, 0, sizeof m->own);
	for (size_t i = 0; i < st->nbeside; i++)
		for (const char *const *name = st->beside[i].instances; *name; name++) {
			int of, slot;
			find(*name, &of, &slot);
			assert_string_equal(st->beside[i].release, ids[of]);
			assert_int_equal(m->state[of][slot], INST_READY);
			m->own[of] |= 1U << slot;
		}
}

static void route(struct model *m, const struct step *st)
{
	int r = index_of(st->id);
	assert_true(r != NONE);
	if (r != m->routed)
		for (int s = 0; s < m->instances; s++)
			assert_int_equal(m->state[r][s], INST_READY); /* a new release is routed when all of it is ready */
	assert_true(serves(m, r) || r == m->routed);
	if (r != m->routed)
		assert_int_equal(m->active, r); /* the intent was committed before */
	m->route = r;
	m->route_slots = 0;
	for (size_t i = 0; st->names[i]; i++) {
		int of, slot;
		find(st->names[i], &of, &slot);
		assert_int_equal(of, r);
		m->route_slots |= 1U << slot;
	}
}

static void apply(struct model *m, const struct step *st)
{
	switch ((int)st->kind) {
	case STEP_WANT: m->exists = true; m->want_version = (int)st->number; break;
	case STEP_MINT_RELEASE: m->minted = true; break;
	case STEP_FORGIVE: m->failed = NONE; break;
	case STEP_FETCH_IMAGE: break;
	case STEP_RESTORE_IMAGE: m->archived = false; break;
	case STEP_LIFT_HOLD:
		for (int slot = 0; slot < m->instances; slot++)
			assert_int_equal(m->state[2][slot], INST_READY); /* a hold is given up for what can take over */
		m->lifts = false;
		break;
	case STEP_FAIL_ROLLBACK:
		m->rolling = m->held = false;
		if (m->routed != NONE)
			m->instead = m->routed + 1;
		else
			m->failed = 2;
		break;
	case STEP_START_INSTANCE: {
		int *state = &m->state[index_of(st->id)][st->number];
		if (*state == ABSENT)
			*state = INST_STARTING;
		break;
	}
	case STEP_ACTIVATE:
		assert_true(m->published); /* only what the registry has becomes active */
		m->active = index_of(st->id);
		break;
	case STEP_ROUTE:
		route(m, st);
		set_own(m, st);
		break;
	case STEP_ROUTE_OWN: set_own(m, st); break;
	case STEP_ACKNOWLEDGE:
		assert_int_equal(m->route, index_of(st->id)); /* only what the gateway has is recorded */
		if (m->routed != index_of(st->id)) {
			m->previous = m->routed;
			m->routed = index_of(st->id);
			m->routed_at = m->now;
		}
		m->rolling = false;
		break;
	case STEP_FAIL_RELEASE: m->failed = index_of(st->id); break;
	case STEP_STOP_INSTANCES: stop(m, st); break;
	case STEP_UNROUTE:
		assert_false(m->bound);
		m->route = NONE;
		memset(m->own, 0, sizeof m->own);
		break;
	case STEP_REMOVE_TARGET: m->exists = false; m->active = m->routed = m->previous = m->failed = NONE; break;
	default: fail_msg("a target's plan has step %s", step_name(st->kind));
	}
}

static void let_time_pass(struct model *m)
{
	m->now += 1000;
	for (int r = 0; r < RELEASES; r++)
		for (int s = 0; s < SLOTS; s++)
			if (m->state[r][s] == INST_STARTING) {
				bool fails = m->starts_fail && r == 2 && m->routed != 2; /* what serves starts again */
				m->state[r][s] = fails ? INST_FAILED : INST_READY;
			} else if (m->state[r][s] == INST_BACKOFF || m->state[r][s] == INST_UNHEALTHY) {
				m->state[r][s] = INST_READY;
			} else if (m->state[r][s] == INST_STOPPING) {
				m->state[r][s] = ABSENT;
			}
}

static void tell_restless(const struct model *m, const struct plan *p, struct arena *a)
{
	for (size_t i = 0; i < p->nsteps; i++)
		print_error("next: %s\n", step_sentence(&p->steps[i], a));
	fail_msg("no rest: bound %d minted %d routed %d route %d active %d failed %d instances %d states %d,%d %d,%d", m->bound, m->minted, m->routed,
		 m->route, m->active, m->failed, m->instances, m->state[0][0], m->state[0][1], m->state[2][0], m->state[2][1]);
}

/* Passes until nothing changes any more; the step numbered `disturb` in the whole run is lost (mode 0) or done twice (mode 1). */
static void run_to_rest(struct model *m, int disturb, int mode, int *ret_steps)
{
	int done = 0;
	for (int pass = 0; pass < MAX_PASSES; pass++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		struct view v;
		struct plan p;
		bool served = m->bound && m->route != NONE && serves(m, m->route);
		see(m, &a, &v);
		target_plan(&v.w, m->now, &a, &p);
		assert_true((p.verdict == VERDICT_ACT) == (p.nsteps > 0));
		bool lost = false;
		for (size_t i = 0; i < p.nsteps && !lost; i++, done++) {
			lost = done == disturb && mode == 0;
			if (!lost)
				apply(m, &p.steps[i]);
			if (done == disturb && mode == 1)
				apply(m, &p.steps[i]);
			if (served)
				assert_true(m->route != NONE && serves(m, m->route));
		}
		if (p.nsteps == 0) {
			struct model before = *m;
			let_time_pass(m);
			bool rests = memcmp(before.state, m->state, sizeof m->state) == 0 && m->published;
			m->published = true; /* the push takes longer than the start */
			if (rests) {
				if (p.wake_ms <= before.now)
					break;
				m->now = p.wake_ms;
			}
		}
		if (pass + 1 == MAX_PASSES)
			tell_restless(m, &p, &a);
	}
	*ret_steps = done;
}

static void check_rest(const struct model *m, bool could_fail)
{
	if (!m->bound) {
		assert_int_equal(m->route, NONE);
		assert_false(m->exists);
		return;
	}
	bool gave_up = could_fail && m->failed == 2;
	if (gave_up) {
		assert_true(m->routed != 2);
		return;
	}
	int wanted = wanted_of(m);
	assert_true(wanted == 2 || could_fail);
	assert_int_equal(m->routed, wanted);
	assert_int_equal(m->active, wanted);
	assert_int_equal(m->route, wanted);
	assert_false(m->rolling);
	assert_false(m->lifts);
	for (int s = 0; s < m->instances; s++) {
		assert_int_equal(m->state[wanted][s], INST_READY);
		assert_true(m->own[wanted] & 1U << s);
	}
	for (int r = 0; r < RELEASES; r++) /* what is stopped has no hosts */
		for (int s = 0; s < SLOTS; s++)
			assert_true(!(m->own[r] & 1U << s) || m->state[r][s] == INST_READY);
}

/* Whether giving the wanted release up is a right end of this start. */
static bool may_give_up(const struct model *start)
{
	return start->starts_fail || start->failed == 2 || (start->routed != 2 && start->state[2][0] == INST_FAILED);
}

static void try_all_disturbances(const struct model *start)
{
	int steps, ignored;
	struct model m = *start;
	run_to_rest(&m, -1, 0, &steps);
	check_rest(&m, may_give_up(start));
	for (int disturb = 0; disturb < steps; disturb++)
		for (int mode = 0; mode < 2; mode++) {
			m = *start;
			run_to_rest(&m, disturb, mode, &ignored);
			check_rest(&m, may_give_up(start));
		}
}

#endif
