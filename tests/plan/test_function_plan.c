/* The function's planner: one row a story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "reconcilers/conditions.h"
#include "reconcilers/function/function.h"

enum { NOW = 1000000 };
#define SOURCE "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BASE "base/python@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NEW_BASE "base/python@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

enum input { SAME, OTHER };

struct story {
	const char *about;
	bool undeclared, deleting, no_runtime, rebuild_auto;
	const char *base;           /* the runtime's; NULL: BASE */
	const char *status;         /* of the newest version; NULL: none yet */
	enum input input;           /* whether the newest version was built of what is declared */
	enum build_state build;
	bool written;
	int64_t deadline_ms;
	size_t nolder;              /* versions before the newest that are still building */
	struct function_target targets[2];
	enum verdict verdict;
	enum reason reason;         /* the plan's status where it has no step */
	enum step_kind steps[3];    /* ends with STEP_KIND_COUNT */
	enum reason why;            /* of the first step */
	const char *message;        /* the plan's; NULL: any */
};

static const struct story stories[] = {
	{.about = "nothing is declared", .undeclared = true, .verdict = VERDICT_STEADY, .reason = R_None, .steps = {STEP_KIND_COUNT}},
	{.about = "the first version", .verdict = VERDICT_ACT, .steps = {STEP_NEW_VERSION, STEP_KIND_COUNT}},
	{.about = "a runtime that is not there blocks", .no_runtime = true, .verdict = VERDICT_BLOCKED, .reason = R_UnknownRuntime, .steps = {STEP_KIND_COUNT}},
	{.about = "a numbered version is built", .status = "building", .deadline_ms = NOW + 1, .verdict = VERDICT_ACT, .steps = {STEP_START_BUILD, STEP_KIND_COUNT}},
	{.about = "a running build is waited for", .status = "building", .build = BUILD_RUNNING, .deadline_ms = NOW + 1, .verdict = VERDICT_WAIT,
	 .reason = R_Building, .steps = {STEP_KIND_COUNT}},
	{.about = "a build past its deadline is given up", .status = "building", .build = BUILD_RUNNING, .deadline_ms = NOW, .verdict = VERDICT_ACT,
	 .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}, .why = R_BuildTimeout},
	{.about = "a build that never began by its deadline is given up", .status = "building", .build = BUILD_NONE, .deadline_ms = NOW,
	 .verdict = VERDICT_ACT, .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}},
	{.about = "a build that nobody could run before its deadline gets a new one", .status = "building", .build = BUILD_NONE,
	 .deadline_ms = NOW - BUILD_AWAY_MS, .verdict = VERDICT_ACT, .steps = {STEP_START_BUILD, STEP_KIND_COUNT}},
	{.about = "one that hangs does not", .status = "building", .build = BUILD_RUNNING, .deadline_ms = NOW - BUILD_AWAY_MS, .verdict = VERDICT_ACT,
	 .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}},
	{.about = "a finished build's image is written, even past the deadline", .status = "building", .build = BUILD_DONE, .deadline_ms = NOW - 1,
	 .verdict = VERDICT_ACT, .steps = {STEP_WRITE_IMAGE, STEP_KIND_COUNT}},
	{.about = "a written image is published", .status = "building", .build = BUILD_DONE, .written = true, .deadline_ms = NOW - 1,
	 .verdict = VERDICT_ACT, .steps = {STEP_PUBLISH, STEP_KIND_COUNT}},
	{.about = "a refused source ends the version", .status = "building", .build = BUILD_REFUSED, .deadline_ms = NOW + 1, .verdict = VERDICT_ACT,
	 .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}, .why = R_SourceInvalid},
	{.about = "newer input does not wait for a build", .status = "building", .input = OTHER, .build = BUILD_RUNNING, .deadline_ms = NOW + 1,
	 .verdict = VERDICT_ACT, .steps = {STEP_NEW_VERSION, STEP_KIND_COUNT}},
	{.about = "a newer version supersedes those still building", .status = "building", .build = BUILD_RUNNING, .deadline_ms = NOW + 1, .nolder = 2,
	 .verdict = VERDICT_ACT, .steps = {STEP_FAIL_BUILD, STEP_FAIL_BUILD, STEP_KIND_COUNT}, .why = R_Building},
	{.about = "and its own build begins in the same pass", .status = "building", .deadline_ms = NOW + 1, .nolder = 1, .verdict = VERDICT_ACT,
	 .steps = {STEP_FAIL_BUILD, STEP_START_BUILD, STEP_KIND_COUNT}, .why = R_Building},
	{.about = "also when the newer one is ready already", .status = "ready", .nolder = 1, .verdict = VERDICT_ACT,
	 .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}, .why = R_Building},
	{.about = "or has failed", .status = "failed", .nolder = 1, .verdict = VERDICT_ACT, .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT},
	 .why = R_Building},
	{.about = "but not one that was asked for elsewhere: that is built", .status = "ready", .nolder = 1,
	 .targets = {{"production", "", true, "Building", "", 2, 7, 0, true}}, .verdict = VERDICT_ACT, .steps = {STEP_START_BUILD, STEP_KIND_COUNT}},
	{.about = "nor by a build of the newest", .status = "building", .build = BUILD_RUNNING, .deadline_ms = NOW + 1, .nolder = 1,
	 .targets = {{"production", "", true, "Building", "", 2, 7, 0, true}}, .verdict = VERDICT_ACT, .steps = {STEP_START_BUILD, STEP_KIND_COUNT}},
	{.about = "and where the runtime went away", .status = "building", .no_runtime = true, .nolder = 1, .verdict = VERDICT_ACT,
	 .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}, .why = R_Building},
	{.about = "unchanged input makes no version", .status = "ready", .verdict = VERDICT_STEADY, .reason = R_NoTarget, .steps = {STEP_KIND_COUNT}},
	{.about = "changed input makes one", .status = "ready", .input = OTHER, .verdict = VERDICT_ACT, .steps = {STEP_NEW_VERSION, STEP_KIND_COUNT}},
	{.about = "a failed version waits for new input", .status = "failed", .verdict = VERDICT_BLOCKED, .reason = R_BuildFailed, .steps = {STEP_KIND_COUNT}},
	{.about = "new input after a failure", .status = "failed", .input = OTHER, .verdict = VERDICT_ACT, .steps = {STEP_NEW_VERSION, STEP_KIND_COUNT}},
	{.about = "a new base after a failure", .status = "failed", .base = NEW_BASE, .verdict = VERDICT_ACT, .steps = {STEP_NEW_VERSION, STEP_KIND_COUNT}},
	{.about = "a new base does not disturb a build", .status = "building", .build = BUILD_RUNNING, .base = NEW_BASE, .deadline_ms = NOW + 1,
	 .verdict = VERDICT_WAIT, .reason = R_Building, .steps = {STEP_KIND_COUNT}},
	{.about = "a new base rebuilds nothing by itself", .status = "ready", .base = NEW_BASE, .verdict = VERDICT_STEADY, .reason = R_NoTarget,
	 .steps = {STEP_KIND_COUNT}},
	{.about = "a new base rebuilds where the runtime says so", .status = "ready", .base = NEW_BASE, .rebuild_auto = true, .verdict = VERDICT_ACT,
	 .steps = {STEP_NEW_VERSION, STEP_KIND_COUNT}},
	{.about = "it serves", .status = "ready", .targets = {{"dev", "follow", true, "Serving", "", 4, 7, 4, false}}, .verdict = VERDICT_STEADY, .reason = R_Serving,
	 .steps = {STEP_KIND_COUNT}, .message = "version 4"},
	{.about = "a target that has not seen this generation says nothing yet", .status = "ready",
	 .targets = {{"dev", "follow", true, "Serving", "", 4, 6, 4, false}}, .verdict = VERDICT_STEADY, .reason = R_Pending, .steps = {STEP_KIND_COUNT}},
	{.about = "but for one that cannot look", .status = "ready",
	 .targets = {{"dev", "follow", true, "NodeUnavailable", "no socket", 3, 6, 3, false}}, .verdict = VERDICT_STEADY, .reason = R_NodeUnavailable,
	 .steps = {STEP_KIND_COUNT}},
	{.about = "with no instance anywhere it is stopped", .status = "ready", .targets = {{"dev", "follow", true, "Stopped", "", 4, 7, 4, false}},
	 .verdict = VERDICT_STEADY, .reason = R_Stopped, .steps = {STEP_KIND_COUNT}},
	{.about = "with one somewhere it serves", .status = "ready",
	 .targets = {{"dev", "follow", true, "Stopped", "", 4, 7, 4, false}, {"staging", "follow", true, "Serving", "", 4, 7, 4, false}}, .verdict = VERDICT_STEADY,
	 .reason = R_Serving, .steps = {STEP_KIND_COUNT}},
	{.about = "a target that wants an older version says nothing yet", .status = "ready",
	 .targets = {{"dev", "follow", true, "Serving", "", 3, 7, 3, false}}, .verdict = VERDICT_STEADY, .reason = R_Pending, .steps = {STEP_KIND_COUNT}},
	{.about = "a pinned target may want an older version", .status = "ready", .targets = {{"production", "pin", true, "Serving", "", 3, 7, 3, false}},
	 .verdict = VERDICT_STEADY, .reason = R_Serving, .steps = {STEP_KIND_COUNT}},
	{.about = "so may one that was deployed to", .status = "ready", .targets = {{"staging", "", true, "Serving", "", 3, 7, 3, false}}, .verdict = VERDICT_STEADY,
	 .reason = R_Serving, .steps = {STEP_KIND_COUNT}, .message = "version 3 in staging; version 4 is built"},
	{.about = "one that was just deployed to does not serve that yet, whatever it said before", .status = "ready",
	 .targets = {{"staging", "", true, "Serving", "", 4, 7, 3, false}}, .verdict = VERDICT_STEADY, .reason = R_Pending, .steps = {STEP_KIND_COUNT}},
	{.about = "a declared target that is not there yet", .status = "ready", .targets = {{"dev", "follow", false, "", "", 0, 0, 0, false}}, .verdict = VERDICT_STEADY,
	 .reason = R_Pending, .steps = {STEP_KIND_COUNT}},
	{.about = "the target that does not serve speaks", .status = "ready",
	 .targets = {{"dev", "follow", true, "Serving", "", 4, 7, 4, false}, {"staging", "follow", true, "Unhealthy", "no answer", 4, 7, 4, false}}, .verdict = VERDICT_STEADY,
	 .reason = R_Unhealthy, .steps = {STEP_KIND_COUNT}},
	{.about = "removal waits for the targets", .deleting = true, .status = "ready", .targets = {{"dev", "", true, "Deleting", "", 4, 7, 4, false}},
	 .verdict = VERDICT_BLOCKED, .reason = R_Deleting, .steps = {STEP_KIND_COUNT}},
	{.about = "then the function goes", .deleting = true, .status = "ready", .verdict = VERDICT_ACT, .steps = {STEP_REMOVE_FUNCTION, STEP_KIND_COUNT}},
	{.about = "a declared target that never was does not hold a removal up", .deleting = true, .status = "ready",
	 .targets = {{"dev", "follow", false, "", "", 0, 0, 0, false}}, .verdict = VERDICT_ACT, .steps = {STEP_REMOVE_FUNCTION, STEP_KIND_COUNT}},
	{.about = "superseded ones too", .deleting = true, .status = "building", .nolder = 1, .targets = {{"dev", "", true, "Deleting", "", 4, 7, 4, false}},
	 .verdict = VERDICT_ACT, .steps = {STEP_FAIL_BUILD, STEP_FAIL_BUILD, STEP_KIND_COUNT}, .why = R_Deleting},
	{.about = "a build under way is given up by a removal", .deleting = true, .status = "building", .build = BUILD_RUNNING,
	 .targets = {{"dev", "", true, "Deleting", "", 4, 7, 4, false}}, .verdict = VERDICT_ACT, .steps = {STEP_FAIL_BUILD, STEP_KIND_COUNT}},
};

static size_t count_targets(const struct story *s)
{
	size_t n = 0;
	while (n < ARRAY_LEN(s->targets) && s->targets[n].environment)
		n++;
	return n;
}

static void check(const struct story *s)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *argv[] = {"python3", "app.py"};
	struct function_spec spec = {.runtime = "python", .source_digest = SOURCE, .command = {argv, 2}, .port = 8080, .instances = 1};
	struct function_spec other = spec;
	other.source_digest = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
	struct digest built_of = function_source_hash(s->input == SAME ? &spec : &other, BASE);
	char hash[DIGEST_TEXT];
	struct function_target targets[ARRAY_LEN(s->targets)];
	memcpy(targets, s->targets, sizeof targets);
	const struct function_version older[] = {{.id = "b", .n = 2, .status = "building", .deadline_ms = NOW + 1}, {.id = "c", .n = 3, .status = "building", .deadline_ms = NOW + 1}};
	const struct runtime_spec runtime = {.base = s->base ? s->base : BASE, .rebuild = s->rebuild_auto ? "auto" : "manual"};
	struct function_world w = {
		.declared = !s->undeclared, .deleting = s->deleting, .name = "hello", .generation = 7, .spec = &spec,
		.runtime = {.found = !s->no_runtime, .spec = &runtime}, .owner = "manifest", .function_id = "f",
		.targets = targets, .ntargets = count_targets(s), .next_version = 5, .older = older, .nolder = s->nolder,
		.newest = {.id = s->status ? "d" : NULL, .n = 4, .input_hash = digest_text(&built_of, hash), .base = BASE, .runtime_changed = s->base != NULL, .status = s->status,
			   .reason = "SourceInvalid", .message = "bad", .deadline_ms = s->deadline_ms, .build = s->build, .written = s->written, .refused = R_SourceInvalid,
			   .refused_message = "bad"},
	};
	struct plan p;
	function_plan(&w, NOW, &a, &p);
	if (p.verdict != s->verdict)
		fail_msg("%s: verdict %s, not %s", s->about, verdict_name(p.verdict), verdict_name(s->verdict));
	size_t n = 0;
	for (; s->steps[n] != STEP_KIND_COUNT; n++)
		if (n >= p.nsteps || p.steps[n].kind != s->steps[n])
			fail_msg("%s: step %zu is not %s", s->about, n, step_name(s->steps[n]));
	if (p.nsteps != n)
		fail_msg("%s: %zu steps, not %zu", s->about, p.nsteps, n);
	if (s->why != R_None && p.steps[0].reason != s->why)
		fail_msg("%s: the step's reason is %s, not %s", s->about, reason_token(p.steps[0].reason), reason_token(s->why));
	if (s->message && strcmp(p.message, s->message) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", s->about, p.message, s->message);
	if (n == 0 && p.status != s->reason)
		fail_msg("%s: %s, not %s", s->about, reason_token(p.status), reason_token(s->reason));
}

static void every_story(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(stories); i++)
		check(&stories[i]);
}

static void the_sentences_of_steps(void **unused)
{
	(void)unused;
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct step s = {.kind = STEP_PUBLISH, .subject = "hello", .number = 3};
	assert_string_equal(step_sentence(&s, &a), "store and push version 3 of hello");
	s.kind = STEP_STOP_INSTANCES;
	assert_string_equal(step_sentence(&s, &a), "stop 3 instances of hello");
	for (enum step_kind k = 0; k < STEP_KIND_COUNT; k++) {
		s.kind = k;
		assert_non_null(strstr(step_sentence(&s, &a), "hello"));
		assert_true(strlen(step_name(k)) > 0);
	}
}

/* What `apply --wait` ends at, and what it waits through. */
static void outages_come_to_an_end_by_themselves(void **state)
{
	(void)state;
	static const enum reason wait[] = {R_NodeUnavailable, R_GatewayUnavailable, R_RegistryUnavailable, R_Starting},
				 end[] = {R_Unhealthy, R_Exited, R_BuildFailed, R_Held, R_Serving};
	for (size_t i = 0; i < ARRAY_LEN(wait); i++)
		assert_true(reason_progresses(wait[i]));
	for (size_t i = 0; i < ARRAY_LEN(end); i++)
		assert_false(reason_progresses(end[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_story), cmocka_unit_test(the_sentences_of_steps), cmocka_unit_test(outages_come_to_an_end_by_themselves)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
