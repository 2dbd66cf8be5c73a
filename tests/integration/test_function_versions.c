/* Versions numbered by the loop and by people at the same time, on a real database: the function's own observe, plan and act. */
#include "function_case.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "reconcilers/function/deploy.h"
#include "reconcilers/function/function.h"

static const char key[] = "function/default/hello";

/* What a worker has: a lease, an arena, a place for builds. */
struct worker {
	struct store_case *c;
	struct store *s;      /* a connection of its own */
	struct arena arena;
	char home[32];
	struct conf conf;
	struct builds builds;
	struct pass pass;
	char killed[8][UUID_TEXT];
	size_t nkilled;
};

static bool nothing_runs(void *ctx, const char *id)
{
	(void)ctx, (void)id;
	return false;
}

static void note_kill(void *ctx, const char *id)
{
	struct worker *w = ctx;
	assert_true(w->nkilled < ARRAY_LEN(w->killed));
	(void)snprintf(w->killed[w->nkilled++], UUID_TEXT, "%s", id);
}

static void worker_open(struct worker *w, struct store_case *c)
{
	*w = (struct worker){.c = c, .s = store_new(c->conninfo), .home = "/tmp/fn-versions-XXXXXX"};
	assert_non_null(mkdtemp(w->home));
	w->conf.home = w->home;
	w->builds = (struct builds){.ctx = w, .running = nothing_runs, .kill = note_kill};
	w->pass = (struct pass){.conf = &w->conf, .store = w->s, .builds = &w->builds, .arena = &w->arena, .key = {"function", "default", "hello", NULL}};
	bool found = false;
	(void)peek(c, "UPDATE work SET done_seq = seq");
	must(c, work_enqueue(c->s, key, &c->e));
	must(c, work_claim(w->s, "worker", 60000, &w->pass.lease, &found, &c->e));
	assert_true(found);
	assert_string_equal(w->pass.lease.key, key);
}

static void worker_close(struct worker *w)
{
	store_free(w->s);
	arena_release(&w->arena);
	must(w->c, fs_remove_tree(w->home, &w->c->e));
}

static struct function_world *look(struct worker *w, struct plan *ret)
{
	void *world = NULL;
	must(w->c, function_observe(&w->pass, &world, &w->c->e));
	function_plan(world, clock_wall_ms(), &w->arena, ret);
	return world;
}

/* "new-version 2, start-build 1" */
static const char *steps(struct worker *w, const struct plan *p)
{
	const char *text = "";
	for (size_t i = 0; i < p->nsteps; i++)
		text = arena_printf(&w->arena, "%s%s%s %lld", text, i ? ", " : "", step_name(p->steps[i].kind), (long long)p->steps[i].number);
	return text;
}

static int64_t deploy(struct store_case *c, const char *environment)
{
	const struct deploy_request r = {.project = "default", .function = "hello", .environment = environment, .actor = "tester"};
	json_t *answer = NULL;
	must(c, store_begin(c->s, &c->e));
	must(c, deploy_request(c->s, &r, &c->a, &answer, &c->e));
	must(c, store_commit(c->s, &c->e));
	int64_t version = json_int_or(answer, "version", 0);
	json_decref(answer);
	return version;
}

static const char *versions(struct store_case *c)
{
	return peek(c, "SELECT string_agg(concat_ws(' ', d.version, d.status, d.source_kind, d.message), ', ' ORDER BY d.version) FROM function_deployments d"
		       " JOIN functions f ON f.id = d.function_id WHERE f.name = 'hello'");
}

static void the_loop_numbers_once(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	struct plan p;
	(void)with_function(c);
	worker_open(&w, c);
	struct function_world *world = look(&w, &p);
	assert_string_equal(steps(&w, &p), "new-version 1");
	must(c, function_act(&w.pass, world, &p.steps[0], &c->e));
	refuses(c, function_act(&w.pass, world, &p.steps[0], &c->e), CONFLICT, "DatabaseConflict");
	assert_string_equal(versions(c), "1 building manifest ");
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "start-build 1");
	worker_close(&w);
}

/* Declared anew, looked at, and deployed by hand before the loop has numbered it: one version of it, not two. */
static void a_deploy_between_a_look_and_its_number(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	struct plan p;
	(void)with_function(c);
	worker_open(&w, c);
	struct function_world *world = look(&w, &p);
	assert_string_equal(steps(&w, &p), "new-version 1");
	assert_int_equal(deploy(c, NULL), 1);
	refuses(c, function_act(&w.pass, world, &p.steps[0], &c->e), CONFLICT, "DatabaseConflict");
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "start-build 1");
	assert_string_equal(versions(c), "1 building api ");
	worker_close(&w);
}

static void older_ones_are_given_up(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	struct plan p;
	(void)with_function(c);
	for (int64_t n = 1; n <= 3; n++)
		assert_int_equal(deploy(c, NULL), n);
	worker_open(&w, c);
	clean_all(c);
	struct function_world *world = look(&w, &p);
	assert_string_equal(steps(&w, &p), "fail-build 1, fail-build 2, start-build 3");
	for (size_t i = 0; i < 2; i++)
		must(c, function_act(&w.pass, world, &p.steps[i], &c->e));
	assert_string_equal(versions(c), "1 failed api superseded by version 3, 2 failed api superseded by version 3, 3 building api ");
	assert_int_equal(w.nkilled, 2);
	assert_string_equal(w.killed[0], peek(c, "SELECT id FROM function_deployments WHERE version = 1"));
	assert_string_equal(w.killed[1], peek(c, "SELECT id FROM function_deployments WHERE version = 2"));
	assert_non_null(strstr(dirty(c), "target/default/hello/dev"));
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "start-build 3");
	/* Going: what is left is given up as well. */
	assert_int_equal(deploy(c, NULL), 4);
	must(c, delete_one(c, KIND_FUNCTION, "hello"));
	world = look(&w, &p);
	assert_string_equal(steps(&w, &p), "fail-build 3, fail-build 4, remove-function 0"); /* it has no target yet */
	worker_close(&w);
}

/* A deploy into staging is not called off by one into dev; by the next one into staging it is. */
static void one_that_was_asked_for_elsewhere_is_built(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	struct plan p;
	(void)with_function(c);
	assert_int_equal(deploy(c, "staging"), 1);
	assert_int_equal(deploy(c, NULL), 2);
	worker_open(&w, c);
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "start-build 1, start-build 2");
	assert_int_equal(deploy(c, "staging"), 3);
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "fail-build 1, fail-build 2, start-build 3");
	worker_close(&w);
}

/* The runtime's new base: an apply of the same rebuilds nothing, a deploy does. */
static void as_declared_means_the_present_base(void **state)
{
	struct store_case *c = *state;
	struct worker w;
	struct plan p;
	(void)with_function(c);
	assert_int_equal(deploy(c, NULL), 1);
	must(c, apply(c, "apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: static}\nspec: {base: "
			 "base/c@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}\n", NULL));
	worker_open(&w, c);
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "start-build 1");
	assert_int_equal(deploy(c, NULL), 2);
	(void)look(&w, &p);
	assert_string_equal(steps(&w, &p), "fail-build 1, start-build 2");
	assert_string_equal(peek(c, "SELECT string_agg(substr(base, 1, 6), ' ' ORDER BY version) FROM function_deployments"), "scratc base/c");
	worker_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_loop_numbers_once, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(a_deploy_between_a_look_and_its_number, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(older_ones_are_given_up, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(one_that_was_asked_for_elsewhere_is_built, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(as_declared_means_the_present_base, store_setup, store_teardown),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
