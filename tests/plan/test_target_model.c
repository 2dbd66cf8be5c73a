/* The target's planner against a model of the world, by exhaustion: from every state, with every outcome of starting, and with any one step lost or done
 * twice, the plans lead to rest; on the way what serves is never stopped; at rest the next plan is empty. */
#include "target_model.h"

static const int states[] = {ABSENT, INST_STARTING, INST_READY, INST_UNHEALTHY, INST_BACKOFF, INST_FAILED, INST_STOPPING};

/* Every pointer combination that the store can hold x every state of two releases' first instances x bound, minted, failing. */
static void every_state_comes_to_rest(void **unused)
{
	(void)unused;
	size_t tried = 0;
	for (int routed = -1; routed < RELEASES; routed++)
		for (int route_to = -1; route_to <= 1; route_to++)
			for (size_t s0 = 0; s0 < ARRAY_LEN(states); s0++)
				for (size_t s2 = 0; s2 < ARRAY_LEN(states); s2++)
					for (int bits = 0; bits < 128; bits++) {
						struct model m = {
							.bound = bits & 1, .minted = (bits & 2) || routed == 2, .starts_fail = bits & 4,
							.failed = (bits & 8) && routed != 2 ? 2 : NONE, .instances = bits & 16 ? 2 : 1,
							.published = routed == 2 || !(bits & 64), .exists = true, .want_version = bits & 32 ? 3 : 1, .active = routed, .routed = routed,
							.previous = routed == 0 ? 1 : 0, .route = route_to == 0 ? NONE : routed, .route_slots = 1, .now = NOW, .routed_at = NOW - 5000,
						};
						if (routed == NONE)
							m.previous = NONE;
						memset(m.state, 0xff, sizeof m.state); /* ABSENT everywhere */
						m.state[0][0] = states[s0];
						m.state[2][0] = m.minted ? states[s2] : ABSENT;
						if (route_to == 1 && routed != NONE)
							m.active = 2; /* died between the commit and the switch */
						try_all_disturbances(&m);
						tried++;
					}
	assert_true(tried > 60000);
}

/* A rollback to release 2: warm, kept or archived, to what serves or something else, whose start may fail; with the route where it was or lost. */
static void every_rollback_ends(void **unused)
{
	(void)unused;
	for (int routed = -1; routed < RELEASES; routed++)
		for (size_t s0 = 0; s0 < ARRAY_LEN(states); s0++)
			for (size_t s2 = 0; s2 < ARRAY_LEN(states); s2++)
				for (int bits = 0; bits < 32; bits++) {
					struct model m = {
						.bound = true, .minted = true, .exists = true, .published = true, .held = true, .rolling = true, .archived = bits & 1,
						.starts_fail = bits & 2, .instances = bits & 4 ? 2 : 1, .failed = bits & 8 && routed != 1 ? 1 : NONE, .want_version = 3,
						.active = routed, .routed = routed, .previous = routed == 0 ? 2 : NONE, .route = bits & 16 ? NONE : routed, .route_slots = 1,
						.now = NOW, .routed_at = NOW - 5000,
					};
					memset(m.state, 0xff, sizeof m.state);
					m.state[0][0] = states[s0];
					m.state[2][0] = states[s2];
					m.own[0] = routed == 0 && states[s0] == INST_READY;
					m.own[2] = states[s2] == INST_READY;
					try_all_disturbances(&m);
				}
}

static void a_hold_ends_with_the_switch(void **unused)
{
	(void)unused;
	for (int routed = 0; routed < RELEASES; routed += 2)
		for (size_t s0 = 0; s0 < ARRAY_LEN(states); s0++)
			for (size_t s2 = 0; s2 < ARRAY_LEN(states); s2++)
				for (int bits = 0; bits < 8; bits++) {
					struct model m = {.bound = true, .minted = true, .exists = true, .published = !(bits & 2), .lifts = true,
							  .starts_fail = bits & 1, .instances = bits & 4 ? 2 : 1, .failed = NONE, .want_version = 1, .active = routed,
							  .routed = routed, .previous = NONE, .route = routed, .route_slots = 1, .now = NOW, .routed_at = NOW - 5000};
					if (routed == 2)
						m.published = true;
					memset(m.state, 0xff, sizeof m.state);
					m.state[0][0] = states[s0];
					m.state[2][0] = states[s2];
					m.own[0] = routed == 0 && states[s0] == INST_READY;
					m.own[2] = routed == 2 && states[s2] == INST_READY;
					try_all_disturbances(&m);
				}
}

/* The controller died between a switch to release 1 and its record, and something newer is wanted by then. */
static void a_switch_that_nobody_recorded(void **unused)
{
	(void)unused;
	for (size_t s0 = 0; s0 < ARRAY_LEN(states); s0++)
		for (size_t s2 = 0; s2 < ARRAY_LEN(states); s2++)
			for (int fails = 0; fails < 2; fails++) {
				struct model m = {.bound = true, .minted = true, .exists = true, .published = true, .want_version = 3, .active = 1, .routed = 0,
						  .previous = NONE, .failed = NONE, .route = 1, .route_slots = 1, .instances = 1, .now = NOW,
						  .routed_at = NOW - 5000, .starts_fail = fails};
				memset(m.state, 0xff, sizeof m.state);
				m.state[0][0] = states[s0];
				m.state[1][0] = INST_READY;
				m.state[2][0] = states[s2];
				try_all_disturbances(&m);
			}
}

/* What was wanted in between is stopped, also while what is wanted now cannot start. */
static void the_superseded_do_not_stay(void **unused)
{
	(void)unused;
	for (int fails = 0; fails < 2; fails++) {
		struct model m = {.bound = true, .minted = true, .exists = true, .published = true, .want_version = 3, .active = 0, .routed = 0, .previous = NONE,
				  .failed = NONE, .route = 0, .route_slots = 1, .instances = 1, .now = NOW, .routed_at = NOW - 5000, .starts_fail = fails};
		memset(m.state, 0xff, sizeof m.state);
		m.state[0][0] = INST_READY;
		m.state[1][0] = INST_STARTING;
		int steps;
		run_to_rest(&m, -1, 0, &steps);
		check_rest(&m, fails);
		assert_int_equal(m.failed, fails ? 2 : NONE);
		assert_int_equal(m.state[1][0], ABSENT);
	}
}

/* While another release is wanted: of two instances that serve, the one that died is taken out of the route. */
static void the_dead_leave_the_route(void **unused)
{
	(void)unused;
	struct model m = {.bound = true, .minted = true, .exists = true, .published = true, .want_version = 3, .active = 0, .routed = 0, .previous = NONE,
			  .failed = 2, .route = 0, .route_slots = 3, .instances = 2, .now = NOW, .routed_at = NOW - 5000};
	memset(m.state, 0xff, sizeof m.state);
	m.state[0][0] = INST_READY;
	m.state[0][1] = INST_BACKOFF;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct view v;
	struct plan p;
	see(&m, &a, &v);
	target_plan(&v.w, m.now, &a, &p);
	assert_int_equal(p.nsteps, 1);
	assert_int_equal(p.steps[0].kind, STEP_ROUTE);
	assert_string_equal(p.steps[0].names[0], "aaaaaaaaaaaa-0");
	assert_null(p.steps[0].names[1]);
}

static bool has_name(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void assert_same_plan(const struct plan *a, const struct plan *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->nsteps, b->nsteps);
	for (size_t i = 0; i < a->nsteps; i++) {
		assert_int_equal(a->steps[i].kind, b->steps[i].kind);
		assert_int_equal(a->steps[i].number, b->steps[i].number);
		for (const char *const *n = a->steps[i].names; n && *n; n++)
			assert_true(has_name(b->steps[i].names, *n));
	}
}

/* The order in which the node lists its instances changes nothing. */
static void order_does_not_matter(void **unused)
{
	(void)unused;
	for (size_t combination = 0; combination < ARRAY_LEN(states) * ARRAY_LEN(states) * ARRAY_LEN(states) * 4; combination++) {
		size_t c = combination;
		struct model m = {.bound = c & 1, .minted = true, .published = true, .exists = true, .want_version = 3, .active = 0, .routed = 0, .previous = 1,
				  .failed = c & 2 ? 2 : NONE, .route = 0, .route_slots = 1, .instances = 2, .now = NOW, .routed_at = NOW - 5000};
		c /= 4;
		memset(m.state, 0xff, sizeof m.state);
		m.state[0][0] = states[c % ARRAY_LEN(states)];
		m.state[1][1] = states[c / ARRAY_LEN(states) % ARRAY_LEN(states)];
		m.state[2][0] = m.state[2][1] = states[c / ARRAY_LEN(states) / ARRAY_LEN(states)];
		AUTO_ARENA struct arena a = ARENA_INIT;
		struct view v;
		struct plan forwards, backwards;
		see(&m, &a, &v);
		target_plan(&v.w, m.now, &a, &forwards);
		for (size_t i = 0; i < v.w.nseen / 2; i++) {
			struct instance swap = v.seen[i];
			v.seen[i] = v.seen[v.w.nseen - 1 - i];
			v.seen[v.w.nseen - 1 - i] = swap;
		}
		target_plan(&v.w, m.now, &a, &backwards);
		assert_same_plan(&forwards, &backwards);
	}
}

/* A -> B -> A: going back to what ran before ends where it began, without a new start while it is warm. */
static void back_to_the_warm_release(void **unused)
{
	(void)unused;
	struct model m = {.bound = true, .minted = true, .exists = true, .published = true, .want_version = 3, .active = 0, .routed = 0, .previous = 2, .failed = NONE,
			  .route = 0, .route_slots = 1, .instances = 1, .now = NOW, .routed_at = NOW - 1000};
	memset(m.state, 0xff, sizeof m.state);
	m.state[0][0] = m.state[2][0] = INST_READY;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct view v;
	struct plan p;
	see(&m, &a, &v);
	target_plan(&v.w, m.now, &a, &p);
	assert_int_equal(p.nsteps, 3);
	assert_int_equal(p.steps[0].kind, STEP_ACTIVATE);
	assert_int_equal(p.steps[1].kind, STEP_ROUTE);
	assert_int_equal(p.steps[2].kind, STEP_ACKNOWLEDGE);
}

static void the_previous_release_is_warm_and_then_stopped(void **unused)
{
	(void)unused;
	struct model m = {.bound = true, .minted = true, .exists = true, .published = true, .want_version = 3, .active = 2, .routed = 2, .previous = 0, .failed = NONE,
			  .route = 2, .route_slots = 1, .instances = 1, .now = NOW, .routed_at = NOW - WARM_MS + 1};
	memset(m.state, 0xff, sizeof m.state);
	m.state[0][0] = m.state[2][0] = INST_READY;
	m.own[0] = m.own[2] = 1;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct view v;
	struct plan p;
	see(&m, &a, &v);
	target_plan(&v.w, m.now, &a, &p);
	assert_int_equal(p.verdict, VERDICT_STEADY);
	assert_int_equal(p.status, R_Serving);
	assert_int_equal(p.wake_ms, m.routed_at + WARM_MS);
	target_plan(&v.w, m.routed_at + WARM_MS, &a, &p);
	assert_int_equal(p.nsteps, 1);
	assert_int_equal(p.steps[0].kind, STEP_ROUTE_OWN); /* nobody is led to what stops */
	m.own[0] = 0;
	see(&m, &a, &v);
	target_plan(&v.w, m.routed_at + WARM_MS, &a, &p);
	assert_int_equal(p.nsteps, 1);
	assert_int_equal(p.steps[0].kind, STEP_STOP_INSTANCES);
	assert_int_equal(p.steps[0].drain_ms, DRAIN_MS);
	assert_string_equal(p.steps[0].names[0], "aaaaaaaaaaaa-0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_comes_to_rest),
		cmocka_unit_test(a_switch_that_nobody_recorded),
		cmocka_unit_test(the_superseded_do_not_stay),
		cmocka_unit_test(the_dead_leave_the_route),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(back_to_the_warm_release),
		cmocka_unit_test(every_rollback_ends),
		cmocka_unit_test(a_hold_ends_with_the_switch),
		cmocka_unit_test(the_previous_release_is_warm_and_then_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
