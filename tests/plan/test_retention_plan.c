/* The planners of retention and of collections: one row a story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "reconcilers/collection/collection.h"
#include "reconcilers/retention/retention.h"

enum { NOW = 1000000, HOUR = 3600 * 1000 };

static void compare_steps(const char *about, const struct plan *p, const enum step_kind *steps)
{
	size_t n = 0;
	for (; steps[n] != STEP_KIND_COUNT; n++)
		if (n >= p->nsteps || p->steps[n].kind != steps[n])
			fail_msg("%s: step %zu is not %s", about, n, step_name(steps[n]));
	if (p->nsteps != n)
		fail_msg("%s: %zu steps, not %zu", about, p->nsteps, n);
	if ((p->verdict == VERDICT_ACT) != (n > 0))
		fail_msg("%s: verdict %s", about, verdict_name(p->verdict));
}

/* ---- retention ---- */

struct story {
	const char *about;
	struct fate_row rows[3];
	size_t n;
	enum step_kind steps[8];
	int64_t wake_ms;
};

#define ROW(v, was, what, ...) {.id = "d" #v, .version = v, .status = was, .rule = "a rule", .due = what, __VA_ARGS__}

static const struct story stories[] = {
	{.about = "nothing is due", .steps = {STEP_KIND_COUNT}},
	{.about = "a version is archived: kept, said, then its image goes", .n = 1, .rows = {ROW(1, "ready", FATE_ARCHIVE, .kept = false)},
	 .steps = {STEP_KEEP_IMAGE, STEP_ARCHIVE_VERSION, STEP_DELETE_IMAGE, STEP_KIND_COUNT}},
	{.about = "an image that another version has is left", .n = 1, .rows = {ROW(1, "ready", FATE_ARCHIVE, .shared = true)},
	 .steps = {STEP_KEEP_IMAGE, STEP_ARCHIVE_VERSION, STEP_LEAVE_IMAGE, STEP_KIND_COUNT}},
	{.about = "after a crash behind the word, the image goes", .n = 1, .rows = {ROW(1, "archived", FATE_DELETE_IMAGE, .kept = false)},
	 .steps = {STEP_DELETE_IMAGE, STEP_KIND_COUNT}},
	{.about = "unless it is shared by now", .n = 1, .rows = {ROW(1, "archived", FATE_DELETE_IMAGE, .shared = true)},
	 .steps = {STEP_LEAVE_IMAGE, STEP_KIND_COUNT}},
	{.about = "or the version is referred to again", .n = 1, .rows = {ROW(1, "archived", FATE_DELETE_IMAGE, .kept = true)},
	 .steps = {STEP_TAKE_BACK, STEP_KIND_COUNT}},
	{.about = "the image of a failed build goes even if somebody wants the version", .n = 1, .rows = {ROW(1, "failed", FATE_DELETE_IMAGE, .kept = true)},
	 .steps = {STEP_DELETE_IMAGE, STEP_KIND_COUNT}},
	{.about = "an archive is dropped: said, then its files go", .n = 1, .rows = {ROW(1, "archived", FATE_DROP_ARCHIVE, .kept = false)},
	 .steps = {STEP_DROP_ARCHIVE, STEP_DELETE_ARCHIVE, STEP_KIND_COUNT}},
	{.about = "after a crash behind the word, the files go", .n = 1, .rows = {ROW(1, "archived", FATE_DELETE_ARCHIVE, .kept = false)},
	 .steps = {STEP_DELETE_ARCHIVE, STEP_KIND_COUNT}},
	{.about = "the next look is when the first of those that stay may go", .n = 3,
	 .rows = {ROW(1, "ready", FATE_STAYS, .kept = true, .look_again_ms = NOW + 50), ROW(2, "ready", FATE_STAYS, .kept = true, .look_again_ms = NOW + 20),
		  ROW(3, "ready", FATE_STAYS, .kept = true)},
	 .steps = {STEP_KIND_COUNT}, .wake_ms = NOW + 20},
	{.about = "several, each by itself", .n = 2, .rows = {ROW(1, "ready", FATE_ARCHIVE, .shared = true), ROW(2, "ready", FATE_ARCHIVE, .kept = false)},
	 .steps = {STEP_KEEP_IMAGE, STEP_ARCHIVE_VERSION, STEP_LEAVE_IMAGE, STEP_KEEP_IMAGE, STEP_ARCHIVE_VERSION, STEP_DELETE_IMAGE, STEP_KIND_COUNT}},
};

static void every_story_of_retention(void **unused)
{
	(void)unused;
	for (const struct story *s = stories; s < stories + ARRAY_LEN(stories); s++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		const struct retention_world w = {.subject = "hello", .rows = s->rows, .n = s->n};
		struct plan p;
		retention_plan(&w, NOW, &a, &p);
		compare_steps(s->about, &p, s->steps);
		if (p.wake_ms != s->wake_ms)
			fail_msg("%s: the next look is at %lld", s->about, (long long)p.wake_ms);
		for (size_t i = 0; i < p.nsteps; i++)
			if (!p.steps[i].apart || !p.steps[i].id)
				fail_msg("%s: what fails for one version keeps the others", s->about);
	}
}

/* ---- a model: whatever step is the last before a crash, the passes after it come to rest, with the image gone only when it may ---- */

struct model {
	bool stored, archived, image, said_dropped, archive;
};

static enum fate model_fate(const struct model *m)
{
	if (!m->archived)
		return FATE_ARCHIVE;
	if (m->image)
		return FATE_DELETE_IMAGE;
	if (!m->said_dropped)
		return FATE_DROP_ARCHIVE;
	return m->archive ? FATE_DELETE_ARCHIVE : FATE_STAYS;
}

static void model_act(struct model *m, enum step_kind kind)
{
	switch ((int)kind) {
	case STEP_KEEP_IMAGE: m->stored = true; break;
	case STEP_ARCHIVE_VERSION:
		assert_true(m->stored);
		m->archived = true;
		break;
	case STEP_DELETE_IMAGE:
		assert_true(m->archived && m->stored);
		m->image = false;
		break;
	case STEP_DROP_ARCHIVE: m->said_dropped = true; break;
	case STEP_DELETE_ARCHIVE:
		assert_true(m->said_dropped && !m->image);
		m->archive = false;
		break;
	default: fail_msg("the model has no step %s", step_name(kind));
	}
}

/* crash: after how many steps altogether; -1: none. */
static int run_model(int crash)
{
	struct model m = {.image = true, .archive = true};
	int steps = 0;
	for (int round = 0; model_fate(&m) != FATE_STAYS; round++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		const struct fate_row row = {.id = "d", .version = 1, .status = m.archived ? "archived" : "ready", .rule = "", .due = model_fate(&m)};
		const struct retention_world w = {.subject = "hello", .rows = &row, .n = 1};
		struct plan p;
		assert_true(round < 10);
		retention_plan(&w, NOW, &a, &p);
		for (size_t i = 0; i < p.nsteps; i++) {
			model_act(&m, p.steps[i].kind);
			if (steps++ == crash)
				break; /* the rest of this plan is lost */
		}
	}
	return steps;
}

static void a_crash_between_any_two_steps_converges(void **unused)
{
	(void)unused;
	int all = run_model(-1);
	assert_int_equal(all, 5);
	for (int crash = 0; crash < all; crash++)
		assert_true(run_model(crash) >= all);
}

/* ---- collections ---- */

struct run {
	const char *about;
	struct collection_row row;
	const char *done;          /* JSON of the parts */
	int64_t working;
	enum step_kind steps[6];
	int64_t wake_ms;
};

#define REGISTRY "{\"registry\": {}}"

static const struct run runs[] = {
	{.about = "the first one", .steps = {STEP_BEGIN_COLLECTION, STEP_KIND_COUNT}},
	{.about = "between two", .row = {.last_ms = NOW - 10}, .steps = {STEP_KIND_COUNT}, .wake_ms = NOW - 10 + HOUR},
	{.about = "asked for", .row = {.last_ms = NOW - 10, .asked = true}, .steps = {STEP_BEGIN_COLLECTION, STEP_KIND_COUNT}},
	{.about = "in its own time", .row = {.last_ms = NOW - HOUR}, .steps = {STEP_BEGIN_COLLECTION, STEP_KIND_COUNT}},
	{.about = "the functions' passes come first", .row = {.id = 7, .started_ms = NOW - 10, .last_ms = NOW - 10}, .working = 1, .steps = {STEP_KIND_COUNT},
	 .wake_ms = NOW + LOOK_MS},
	{.about = "but not for ever", .row = {.id = 7, .started_ms = NOW - PRUNE_WAIT_MS, .last_ms = NOW - 10}, .working = 1,
	 .steps = {STEP_COLLECT_REGISTRY, STEP_KIND_COUNT}},
	{.about = "then the registry", .row = {.id = 7, .started_ms = NOW - 10, .last_ms = NOW - 10}, .steps = {STEP_COLLECT_REGISTRY, STEP_KIND_COUNT}},
	{.about = "which takes its time", .row = {.id = 7, .started_ms = NOW - 10, .looked_ms = NOW - 1, .last_ms = NOW - 10}, .steps = {STEP_KIND_COUNT},
	 .wake_ms = NOW - 1 + LOOK_MS},
	{.about = "and is looked at again", .row = {.id = 7, .started_ms = NOW - 10, .looked_ms = NOW - LOOK_MS, .last_ms = NOW - 10}, .working = 3,
	 .steps = {STEP_COLLECT_REGISTRY, STEP_KIND_COUNT}},
	{.about = "also by a clock that went back", .row = {.id = 7, .started_ms = NOW, .looked_ms = NOW + HOUR, .last_ms = NOW},
	 .steps = {STEP_COLLECT_REGISTRY, STEP_KIND_COUNT}},
	{.about = "then the rest", .row = {.id = 7, .started_ms = NOW - 10, .looked_ms = NOW - 5, .last_ms = NOW - 10}, .done = REGISTRY, .working = 3,
	 .steps = {STEP_SWEEP_CACHE, STEP_SWEEP_LAYERS, STEP_SWEEP_FILES, STEP_END_COLLECTION, STEP_KIND_COUNT}},
	{.about = "what is done is not done again", .row = {.id = 7, .started_ms = NOW - 10, .last_ms = NOW - 10},
	 .done = "{\"registry\": {}, \"cache\": {}, \"builds\": {}, \"uploads\": {}}", .steps = {STEP_SWEEP_LAYERS, STEP_END_COLLECTION, STEP_KIND_COUNT}},
};

static void every_story_of_collections(void **unused)
{
	(void)unused;
	for (const struct run *r = runs; r < runs + ARRAY_LEN(runs); r++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		struct collection_world w = {.interval_ms = HOUR, .row = r->row, .progress.working = r->working};
		w.row.result = json_in_arena(json_loads(r->done ? r->done : "{}", 0, NULL), &a);
		struct plan p;
		collection_plan(&w, NOW, &a, &p);
		compare_steps(r->about, &p, r->steps);
		if (p.wake_ms != r->wake_ms)
			fail_msg("%s: the next look is at %lld", r->about, (long long)p.wake_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_story_of_retention), cmocka_unit_test(a_crash_between_any_two_steps_converges),
					   cmocka_unit_test(every_story_of_collections)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
