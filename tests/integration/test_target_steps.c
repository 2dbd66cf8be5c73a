/* Steps of a target that were planned before somebody else changed it: none of them is done. */
#include "function_case.h"

#include "reconcilers/target/rollback.h"
#include "reconcilers/target/target.h"

static const char key[] = "target/default/hello/dev";

struct worker {
	struct store_case *c;
	struct conf conf;
	struct arena arena;
	struct pass pass;
	const char *f, *release[3];
};

/* hello in dev has served three versions; the last one does. */
static void worker_open(struct worker *w, struct store_case *c)
{
	*w = (struct worker){.c = c, .conf = {.domain = "fn.localhost"}, .f = with_function(c)};
	for (int i = 0; i < 3; i++) {
		int64_t n;
		const char *d = built_version(c, w->f, arena_printf(&c->a, "sha256:%064d", i + 1));
		w->release[i] = mint(c, w->f, "dev", d, arena_printf(&c->a, "%d", i), &n);
		must(c, target_want(c->s, w->f, "default", "hello", "dev", "follow", i + 1, &c->e));
		must(c, target_set_active(c->s, w->f, "dev", w->release[i], &c->e));
		must(c, target_set_routed(c->s, w->f, "dev", w->release[i], "", &c->e));
	}
	w->pass = (struct pass){.conf = &w->conf, .store = store_new(c->conninfo), .arena = &w->arena, .key = {"target", "default", "hello", "dev"}};
	bool found = false;
	(void)peek(c, "UPDATE work SET done_seq = seq");
	must(c, work_enqueue(c->s, key, &c->e));
	must(c, work_claim(w->pass.store, "worker", 60000, &w->pass.lease, &found, &c->e));
	assert_true(found);
}

static void worker_close(struct worker *w)
{
	store_free(w->pass.store);
	arena_release(&w->arena);
}

/* As the target is now, without the node. */
static struct target_world *look(struct worker *w)
{
	struct target_world *world;
	must(w->c, target_desired(&w->pass, &world, &w->c->e));
	world->wanted = (struct target_release){.id = w->release[2], .version = 3, .n = 3, .deployment_id = world->routed.deployment_id};
	return world;
}

static void roll_back(struct worker *w, int64_t version)
{
	struct store_case *c = w->c;
	const struct rollback_request r = {.project = "default", .function = "hello", .environment = "dev", .actor = "ann", .version = version};
	AUTO_JSON json_t *answer = NULL;
	must(c, store_begin(c->s, &c->e));
	must(c, rollback_request(c->s, &r, &c->a, &answer, &c->e));
	must(c, store_commit(c->s, &c->e));
}

static void after_a_rollback_nothing_planned_before_is_done(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	worker_open(&w, c);
	struct target_world *world = look(&w);
	roll_back(&w, 2);
	const char *before = peek(c, "SELECT concat_ws(' ', t.*, k.*) FROM targets t JOIN rollbacks k ON k.id = t.hold");
	static const enum step_kind kinds[] = {STEP_WANT, STEP_ACTIVATE, STEP_ACKNOWLEDGE, STEP_LIFT_HOLD, STEP_FAIL_RELEASE, STEP_FAIL_ROLLBACK, STEP_FORGIVE,
					       STEP_MINT_RELEASE, STEP_REMOVE_TARGET};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct step s = {.kind = kinds[i], .subject = "hello in dev", .number = 3, .id = w.release[2], .reason = R_Exited, .message = "it ended"};
		refuses(c, target_act(&w.pass, world, &s, &c->e), CONFLICT, "DatabaseConflict");
	}
	assert_string_equal(peek(c, "SELECT concat_ws(' ', t.*, k.*) FROM targets t JOIN rollbacks k ON k.id = t.hold"), before);
	worker_close(&w);
}

/* What ends a hold ends that one and no other. */
static void a_hold_that_was_not_seen_is_not_ended(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	worker_open(&w, c);
	roll_back(&w, 2);
	struct target_world *world = look(&w);
	roll_back(&w, 1);
	const struct step lift = {.kind = STEP_LIFT_HOLD, .subject = "hello in dev", .number = 3}, fail = {.kind = STEP_FAIL_ROLLBACK, .subject = "hello in dev",
		.number = 2, .id = w.release[1], .reason = R_Exited, .message = "it ended"};
	refuses(c, target_act(&w.pass, world, &lift, &c->e), CONFLICT, "DatabaseConflict");
	refuses(c, target_act(&w.pass, world, &fail, &c->e), CONFLICT, "DatabaseConflict");
	assert_string_equal(peek(c, "SELECT string_agg(to_version || ' ' || state, ', ' ORDER BY to_version) FROM rollbacks"), "1 pending, 2 superseded");
	worker_close(&w);
}

static void an_explicit_deploy_is_not_written_over(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	worker_open(&w, c);
	struct target_world *world = look(&w);
	must(c, target_want(c->s, w.f, "default", "hello", "dev", "explicit", 2, &c->e));
	const struct step want = {.kind = STEP_WANT, .subject = "hello in dev", .number = 3};
	world->binding = "follow";
	refuses(c, target_act(&w.pass, world, &want, &c->e), CONFLICT, "DatabaseConflict");
	assert_string_equal(peek(c, "SELECT mode || ' ' || want_version FROM targets"), "explicit 2");
	worker_close(&w);
}

/* The control: seen as it is, each is done. */
static void what_was_seen_is_changed(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	worker_open(&w, c);
	roll_back(&w, 2);
	struct target_world *world = look(&w);
	const struct step lift = {.kind = STEP_LIFT_HOLD, .subject = "hello in dev", .number = 3},
			  activate = {.kind = STEP_ACTIVATE, .subject = "hello in dev", .number = 1, .id = w.release[0]};
	must(c, target_act(&w.pass, world, &lift, &c->e));
	must(c, target_act(&w.pass, world, &activate, &c->e)); /* planned with it */
	assert_string_equal(peek(c, "SELECT (hold IS NULL) || ' ' || (active_release = (SELECT id FROM releases WHERE n = 1)) FROM targets"), "true true");
	worker_close(&w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)
	const struct CMUnitTest tests[] = {
		TEST(after_a_rollback_nothing_planned_before_is_done), TEST(a_hold_that_was_not_seen_is_not_ended), TEST(an_explicit_deploy_is_not_written_over),
		TEST(what_was_seen_is_changed),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
