/* What a target says of itself, one row a situation. That it converges is test_target_model.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "reconcilers/target/target.h"

#define OLD "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
#define NEW "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"

enum { NOW = 100000000, NOTHING = -1 };

struct row {
	const char *about;
	bool old_serves, new_serves;     /* what is routed */
	int old_state, new_state;        /* enum instance_state of the one instance, or NOTHING */
	bool stopped;                    /* instances: 0 */
	bool failed;                     /* the wanted release was given up */
	bool unpublished;
	enum reason unresolved;
	bool unbound;
	bool held, rolling_back, archived, lifts;
	bool no_own_hosts;               /* what is ready lacks its own hosts */
	int restarts;                    /* of the new one's instance */
	enum verdict verdict;
	enum reason status;
	enum step_kind first;            /* STEP_KIND_COUNT: no step */
	enum reason why;                 /* of the first step */
};

#define NO_STEP .first = STEP_KIND_COUNT

static const struct row rows[] = {
	{"it serves", .new_serves = true, .old_state = NOTHING, .new_state = INST_READY, .verdict = VERDICT_STEADY, .status = R_Serving, NO_STEP},
	{"the first release starts", .old_state = NOTHING, .new_state = INST_STARTING, .verdict = VERDICT_WAIT, .status = R_Starting, NO_STEP},
	{"a new release starts beside the old", .old_serves = true, .old_state = INST_READY, .new_state = INST_STARTING, .verdict = VERDICT_WAIT,
	 .status = R_Starting, NO_STEP},
	{"the old one's instance is missed while the new one starts", .old_serves = true, .old_state = NOTHING, .new_state = INST_STARTING,
	 .verdict = VERDICT_ACT, .status = R_Starting, .first = STEP_FETCH_IMAGE},
	{"a ready release becomes active", .old_serves = true, .old_state = INST_READY, .new_state = INST_READY, .verdict = VERDICT_ACT,
	 .status = R_Serving, .first = STEP_ACTIVATE},
	{"but not before its image is pushed", .old_serves = true, .old_state = INST_READY, .new_state = INST_READY, .unpublished = true,
	 .verdict = VERDICT_STEADY, .status = R_Building, NO_STEP},
	{"a program that ends before it was ready is given up", .old_serves = true, .old_state = INST_READY, .new_state = INST_FAILED,
	 .verdict = VERDICT_ACT, .status = R_Starting, .first = STEP_FAIL_RELEASE, .why = R_Exited},
	{"what was given up stops", .old_serves = true, .old_state = INST_READY, .new_state = INST_FAILED, .failed = true, .verdict = VERDICT_ACT,
	 .status = R_Unhealthy, .first = STEP_STOP_INSTANCES},
	{"and is not tried again", .old_serves = true, .old_state = INST_READY, .new_state = NOTHING, .failed = true, .verdict = VERDICT_BLOCKED,
	 .status = R_Unhealthy, NO_STEP},
	{"a program that ended after it has served", .new_serves = true, .old_state = NOTHING, .new_state = INST_BACKOFF, .verdict = VERDICT_WAIT,
	 .status = R_Exited, NO_STEP},
	{"and one that keeps ending", .new_serves = true, .old_state = NOTHING, .new_state = INST_BACKOFF, .restarts = LOOP_RESTARTS, .verdict = VERDICT_WAIT,
	 .status = R_CrashLoop, NO_STEP},
	{"an instance that went away starts again", .new_serves = true, .old_state = NOTHING, .new_state = NOTHING, .verdict = VERDICT_ACT,
	 .status = R_Starting, .first = STEP_FETCH_IMAGE},
	{"no instance is wanted", .new_serves = true, .old_state = NOTHING, .new_state = NOTHING, .stopped = true, .verdict = VERDICT_STEADY,
	 .status = R_Stopped, NO_STEP},
	{"a version is on its way", .old_serves = true, .old_state = INST_READY, .new_state = NOTHING, .unresolved = R_Building, .verdict = VERDICT_STEADY,
	 .status = R_Building, NO_STEP},
	{"what runs before it serves has its own hosts", .old_serves = true, .old_state = INST_READY, .new_state = INST_READY, .unpublished = true,
	 .no_own_hosts = true, .verdict = VERDICT_ACT, .status = R_Building, .first = STEP_ROUTE_OWN},
	{"also when nothing has served yet", .old_state = NOTHING, .new_state = INST_READY, .unpublished = true, .no_own_hosts = true, .verdict = VERDICT_ACT,
	 .status = R_Building, .first = STEP_ROUTE_OWN},
	{"a rollback holds it", .new_serves = true, .old_state = NOTHING, .new_state = INST_READY, .held = true, .verdict = VERDICT_STEADY, .status = R_Held,
	 NO_STEP},
	{"a rollback to what serves is done as it is", .new_serves = true, .old_state = NOTHING, .new_state = INST_READY, .held = true, .rolling_back = true,
	 .verdict = VERDICT_ACT, .status = R_Held, .first = STEP_ACKNOWLEDGE},
	{"a rollback to a warm release", .old_serves = true, .old_state = INST_READY, .new_state = INST_READY, .held = true, .rolling_back = true,
	 .verdict = VERDICT_ACT, .status = R_Held, .first = STEP_ACTIVATE},
	{"a rollback to a release that does not start", .old_serves = true, .old_state = INST_READY, .new_state = INST_FAILED, .held = true,
	 .rolling_back = true, .verdict = VERDICT_ACT, .status = R_Starting, .first = STEP_FAIL_ROLLBACK, .why = R_Exited},
	{"a new configuration of a held release that does not start", .old_serves = true, .old_state = INST_READY, .new_state = INST_FAILED, .held = true,
	 .verdict = VERDICT_ACT, .status = R_Starting, .first = STEP_FAIL_RELEASE, .why = R_Exited},
	{"an archived version's image comes first", .old_serves = true, .old_state = INST_READY, .new_state = NOTHING, .held = true, .rolling_back = true,
	 .archived = true, .verdict = VERDICT_ACT, .status = R_Starting, .first = STEP_RESTORE_IMAGE},
	{"what is declared now starts under the hold", .old_serves = true, .old_state = INST_READY, .new_state = NOTHING, .lifts = true, .verdict = VERDICT_ACT,
	 .status = R_Starting, .first = STEP_FETCH_IMAGE},
	{"and ends it when it is ready", .old_serves = true, .old_state = INST_READY, .new_state = INST_READY, .lifts = true, .verdict = VERDICT_ACT,
	 .status = R_Serving, .first = STEP_LIFT_HOLD},
	{"what serves and is what is declared ends it as well", .new_serves = true, .old_state = NOTHING, .new_state = INST_READY, .lifts = true,
	 .verdict = VERDICT_ACT, .status = R_Serving, .first = STEP_LIFT_HOLD},
	{"a pin names what is not there", .old_serves = true, .old_state = INST_READY, .new_state = NOTHING, .unresolved = R_InvalidReference,
	 .verdict = VERDICT_BLOCKED, .status = R_InvalidReference, NO_STEP},
	{"nothing puts it here any more", .new_serves = true, .old_state = NOTHING, .new_state = INST_READY, .unbound = true, .verdict = VERDICT_ACT,
	 .status = R_Deleting, .first = STEP_UNROUTE},
};

static struct target_release release(const char *id, int64_t version)
{
	bool old = version == 1;
	return (struct target_release){.id = id, .version = version, .n = version, .deployment_id = id, .image = "", .repository = "", .timeout_ms = 30000,
				       .release_host = old ? "hello--r1" : "hello--r2", .version_host = old ? "hello--v1" : "hello--v2"};
}

static bool ready(int state) { return state == INST_READY; }

/* As the plan writes them: what is wanted and what serves, where it is ready. */
static size_t see_own(const struct row *r, struct arena *a, const char *routed, struct route_beside *own)
{
	static const char *const hosts_new[] = {"hello--r2", "hello--v2", NULL}, *const hosts_old[] = {"hello--r1", "hello--v1", NULL};
	size_t n = 0;
	const char **names = arena_array(a, 4, sizeof *names);
	if (r->no_own_hosts || r->stopped)
		return 0;
	if (ready(r->new_state) && !r->failed) {
		names[0] = instance_name(a, NEW, 0);
		own[n++] = (struct route_beside){.release = NEW, .hosts = hosts_new, .instances = names, .timeout_ms = 30000};
	}
	if (ready(r->old_state) && routed && strcmp(routed, OLD) == 0) {
		names[2] = instance_name(a, OLD, 0);
		own[n++] = (struct route_beside){.release = OLD, .hosts = hosts_old, .instances = names + 2, .timeout_ms = 30000};
	}
	return n;
}

static void see_instance(struct arena *a, const char *id, int state, int restarts, struct instance *seen, size_t *n)
{
	if (state == NOTHING)
		return;
	seen[(*n)++] = (struct instance){.name = instance_name(a, id, 0), .key = "", .release = id, .state = (enum instance_state)state, .address = "",
					 .reason = "Exited", .message = "it ended", .restarts = restarts, .since_ms = NOW};
}

static void check(const struct row *r)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const char *const hosts[] = {"hello.dev.fn.localhost", NULL};
	const char *routed = r->new_serves ? NEW : r->old_serves ? OLD : NULL;
	const char *names[] = {routed && !r->stopped ? instance_name(&a, routed, 0) : NULL, NULL};
	static const char *const none[] = {NULL};
	struct route_beside own[2];
	struct route route = {.key = "", .release = routed ? routed : "", .hosts = routed ? hosts : none, .instances = names, .timeout_ms = 30000, .loaded = true,
			      .beside = own, .nbeside = see_own(r, &a, routed, own)};
	struct instance seen[2];
	struct target_world w = {
		.subject = "hello in dev", .declared = true, .environment_declared = true, .binding = r->unbound ? NULL : "follow", .unresolved = r->unresolved,
		.unresolved_message = "", .wanted = release(NEW, 2), .instances = !r->stopped, .health_deadline_ms = 30000, .hosts = hosts, .exists = true,
		.mode = "follow", .want_version = 2, .failed = r->failed ? NEW : NULL, .failed_reason = R_Unhealthy, .failed_message = "no answer",
		.routed_at_ms = NOW, .seen = seen, .route = routed || route.nbeside ? &route : NULL, .held = r->held, .hold_message = "version 2 is held",
		.rolling_back = r->rolling_back, .lifts = r->lifts, .warm_limit = 1,
	};
	w.wanted.archived = r->archived;
	w.wanted.unpublished = r->unpublished;
	if (routed)
		w.active = w.routed = release(routed, r->new_serves ? 2 : 1);
	see_instance(&a, OLD, r->old_state, 0, seen, &w.nseen);
	see_instance(&a, NEW, r->new_state, r->restarts, seen, &w.nseen);
	struct plan p;
	target_plan(&w, NOW, &a, &p);
	if (p.verdict != r->verdict)
		fail_msg("%s: verdict %s, not %s", r->about, verdict_name(p.verdict), verdict_name(r->verdict));
	if (p.status != r->status)
		fail_msg("%s: %s, not %s", r->about, reason_token(p.status), reason_token(r->status));
	enum step_kind first = p.nsteps ? p.steps[0].kind : STEP_KIND_COUNT;
	if (first != r->first)
		fail_msg("%s: the first step is %s", r->about, p.nsteps ? step_name(first) : "none");
	if (first == STEP_ACKNOWLEDGE && p.steps[0].reason != p.status)
		fail_msg("%s: what is acknowledged is recorded as %s", r->about, reason_token(p.steps[0].reason));
	if (p.nsteps && first != STEP_ACKNOWLEDGE && p.steps[0].reason != r->why)
		fail_msg("%s: the step's reason is %s", r->about, reason_token(p.steps[0].reason));
}

static void every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&rows[i]);
}

static void names_of_instances(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	assert_string_equal(instance_name(&a, "0f1e2d3c-4b5a-4697-8877-665544332211", 3), "0f1e2d3c4b5a-3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_row), cmocka_unit_test(names_of_instances)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
