#include "function_case.h"

#include <pthread.h>

static void version_from_building_to_ready(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t version = 0;
	const char *id = new_version(c, c->s, f, &version, &c->e);
	assert_int_equal(version, 1);
	struct deployment_row d;
	must(c, deployment_load(c->s, id, &c->a, &d, &c->e));
	assert_string_equal(d.status, "building");
	assert_in_range(d.deadline_ms, clock_wall_ms() + 1000, clock_wall_ms() + 61000);
	assert_null(d.image_digest);
	assert_string_equal(json_str_or(d.spec, "runtime", ""), "static");
	const struct deployment_built b = {"k", "sha256:l", "sha256:d", "t", "sha256:i", 10, 20};
	must(c, deployment_ready(c->s, id, &b, &c->e));
	must(c, deployment_ready(c->s, id, &b, &c->e)); /* told twice */
	must(c, deployment_load(c->s, id, &c->a, &d, &c->e));
	assert_string_equal(d.status, "ready");
	assert_string_equal(d.s3_key, "k");
	assert_string_equal(d.image_digest, "sha256:i");
	assert_int_equal(d.source_size, 10);
	assert_int_equal(d.layer_size, 20);
	assert_int_equal(d.deadline_ms, 0);
	const struct deployment_built other = {"k", "sha256:l", "sha256:d", "t", "sha256:else", 10, 20};
	refuses(c, deployment_ready(c->s, id, &other, &c->e), CONFLICT, "DatabaseConflict");
	refuses(c, deployment_failed(c->s, id, "BuildFailed", "no", &c->e), CONFLICT, "DatabaseConflict");
}

static void failed_version_keeps_its_number(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t version = 0;
	const char *id = new_version(c, c->s, f, &version, &c->e);
	must(c, deployment_failed(c->s, id, "BuildFailed", "why", &c->e));
	struct deployment_row d;
	must(c, deployment_load(c->s, id, &c->a, &d, &c->e));
	assert_string_equal(d.reason, "BuildFailed");
	const struct deployment_built b = {"k", "l", "d", "t", "i", 1, 1};
	refuses(c, deployment_ready(c->s, id, &b, &c->e), CONFLICT, "DatabaseConflict");
	(void)new_version(c, c->s, f, &version, &c->e);
	assert_int_equal(version, 2);
}

static void versions_are_found(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	const char *one = built_version(c, f, "sha256:one"), *two = built_version(c, f, "sha256:two");
	int64_t version;
	(void)new_version(c, c->s, f, &version, &c->e);
	struct deployment_row *rows, d;
	size_t n = 0;
	bool found = false;
	must(c, deployments_load(c->s, f, 2, &c->a, &rows, &n, &c->e));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].version, 3);
	assert_int_equal(rows[1].version, 2);
	must(c, deployment_newest_ready(c->s, f, &c->a, &d, &found, &c->e));
	assert_true(found);
	assert_string_equal(d.id, two);
	must(c, deployment_by_version(c->s, f, 1, &c->a, &d, &found, &c->e));
	assert_string_equal(d.id, one);
	must(c, deployment_by_word(c->s, f, "sha256:one", &c->a, &d, &found, &c->e));
	assert_true(found);
	assert_string_equal(d.id, one);
	must(c, deployment_by_version(c->s, f, 9, &c->a, &d, &found, &c->e));
	assert_false(found);
	refuses(c, deployment_load(c->s, "00000000-0000-0000-0000-000000000000", &c->a, &d, &c->e), INVALID, "NotFound");
	refuses(c, deployment_load(c->s, "not a uuid", &c->a, &d, &c->e), INVALID, "InvalidValue");
}

enum { THREADS = 8, EACH = 25 };

struct counter {
	const char *conninfo, *function;
};

/* Every third transaction is rolled back: its number was never given out and is given to the next. */
static void *create_many(void *arg)
{
	const struct counter *k = arg;
	struct store *s = store_new(k->conninfo);
	struct err e = ERR_INIT;
	for (int i = 0; i < EACH; i++) {
		int64_t version;
		if (store_begin(s, &e))
			return s;
		(void)new_version(NULL, s, k->function, &version, &e);
		if (i % 3 == 0)
			store_rollback(s);
		else if (store_commit(s, &e))
			return s;
	}
	store_free(s);
	return NULL;
}

static void numbers_have_no_gap_under_contention(void **state)
{
	struct store_case *c = *state;
	struct counter k = {c->conninfo, with_function(c)};
	pthread_t t[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, create_many, &k), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *failed;
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	AUTO_FREE char *want = xprintf("%d %d 1", THREADS * (EACH - (EACH + 2) / 3), THREADS * (EACH - (EACH + 2) / 3));
	assert_string_equal(peek(c, "SELECT count(*) || ' ' || max(version) || ' ' || min(version) FROM function_deployments"), want);
}

static void mint_gives_the_same_for_the_same(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *one = built_version(c, f, "sha256:one"), *two = built_version(c, f, "sha256:two");
	int64_t n = 0;
	const char *first = mint(c, f, "dev", one, "a", &n);
	assert_int_equal(n, 1);
	assert_string_equal(mint(c, f, "dev", one, "a", &n), first);
	assert_int_equal(n, 1);
	assert_string_not_equal(mint(c, f, "dev", one, "b", &n), first);
	assert_int_equal(n, 2);
	(void)mint(c, f, "dev", two, "a", &n);
	assert_int_equal(n, 3);
	(void)mint(c, f, "prod", one, "a", &n); /* numbers count per environment */
	assert_int_equal(n, 1);
	assert_string_equal(mint(c, f, "dev", one, "a", &n), first);
	assert_int_equal(n, 1);
	struct release_row *rows, r;
	size_t count = 0;
	must(c, releases_load(c->s, f, "dev", 10, &c->a, &rows, &count, &c->e));
	assert_int_equal(count, 3);
	assert_int_equal(rows[0].n, 3);
	must(c, release_load(c->s, first, &c->a, &r, &c->e));
	assert_int_equal(r.version, 1);
	assert_string_equal(r.deployment_id, one);
	assert_string_equal(r.image_digest, "sha256:one");
	assert_string_equal(json_str_or(r.tuple, "VALUE", ""), "a");
	assert_false(r.served);
	char hash[DIGEST_TEXT];
	struct digest d = json_digest(r.tuple);
	assert_string_equal(r.config_hash, digest_text(&d, hash));
}

/* Going back to a configuration of long ago finds its release, as minting gives it. */
static void a_release_is_found_however_old(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *one = built_version(c, f, "sha256:one"), *two = built_version(c, f, "sha256:two");
	int64_t n;
	const char *first = mint(c, f, "dev", one, "a", &n);
	for (char value[] = "b"; value[0] <= 'z'; value[0]++)
		(void)mint(c, f, "dev", one, value, &n);
	AUTO_JSON json_t *a = json_pack("{s:s}", "VALUE", "a"), *never = json_pack("{s:s}", "VALUE", "never");
	struct release_row r;
	bool found = false;
	must(c, release_find(c->s, f, "dev", one, a, &c->a, &r, &found, &c->e));
	assert_true(found);
	assert_string_equal(r.id, first);
	must(c, release_find(c->s, f, "dev", one, never, &c->a, &r, &found, &c->e));
	assert_false(found);
	must(c, release_find(c->s, f, "dev", two, a, &c->a, &r, &found, &c->e));
	assert_false(found);
	must(c, release_find(c->s, f, "prod", one, a, &c->a, &r, &found, &c->e));
	assert_false(found);
}

static struct target_row target(struct store_case *c, const char *f, const char *environment)
{
	struct target_row t;
	must(c, target_load(c->s, f, environment, &c->a, &t, &c->e));
	return t;
}

static void target_points_to_what_was_acknowledged(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *one = built_version(c, f, "sha256:one"), *two = built_version(c, f, "sha256:two");
	int64_t n;
	assert_false(target(c, f, "dev").found);
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 0, &c->e));
	assert_int_equal(target(c, f, "dev").want_version, 0);
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
	const char *a = mint(c, f, "dev", one, "a", &n), *b = mint(c, f, "dev", two, "a", &n);
	must(c, target_set_active(c->s, f, "dev", a, &c->e));
	assert_string_equal(target(c, f, "dev").routed, "");
	must(c, target_set_routed(c->s, f, "dev", a, "", &c->e));
	struct target_row t = target(c, f, "dev");
	assert_string_equal(t.routed, a);
	assert_string_equal(t.previous, "");
	assert_in_range(t.routed_at_ms, clock_wall_ms() - 60000, clock_wall_ms() + 1000);
	must(c, target_set_active(c->s, f, "dev", b, &c->e));
	must(c, target_set_routed(c->s, f, "dev", b, "", &c->e));
	const char *served = peek(c, "SELECT min(served_at)::text FROM releases");
	must(c, target_set_routed(c->s, f, "dev", b, "", &c->e)); /* told twice */
	t = target(c, f, "dev");
	assert_string_equal(t.active, b);
	assert_string_equal(t.routed, b);
	assert_string_equal(t.previous, a);
	must(c, target_set_routed(c->s, f, "dev", a, "", &c->e)); /* back */
	assert_string_equal(target(c, f, "dev").previous, b);
	assert_string_equal(peek(c, "SELECT min(served_at)::text FROM releases"), served); /* the first time counts */
	assert_string_equal(peek(c, "SELECT count(deployed_at) FROM function_deployments"), "2");
	must(c, target_set_failed(c->s, f, "dev", b, "Unhealthy", "no answer", &c->e));
	t = target(c, f, "dev");
	assert_string_equal(t.failed, b);
	assert_string_equal(t.failed_reason, "Unhealthy");
	must(c, target_set_failed(c->s, f, "dev", "", "", "", &c->e));
	must(c, target_set_status(c->s, f, "dev", "Serving", "version 1", &(struct target_seen){3, 5, 2}, &c->e));
	t = target(c, f, "dev");
	assert_string_equal(t.failed, "");
	assert_string_equal(t.status, "Serving");
	assert_int_equal(t.seen.function, 3);
	assert_int_equal(t.seen.environment, 5);
	assert_int_equal(t.seen.pin, 2);
	refuses(c, target_set_routed(c->s, f, "prod", a, "", &c->e), INVALID, "NotFound");
	must(c, target_want(c->s, f, "default", "hello", "prod", "pin", 1, &c->e));
	refuses(c, target_set_active(c->s, f, "prod", a, &c->e), CONFLICT, "DatabaseConflict"); /* another target's release */
}

static void function_mirrors_its_default_target(void **state)
{
	struct store_case *c = *state;
	static const char look[] = "SELECT f.status || ' ' || coalesce(d.version::text, '-') || ' ' || (SELECT count(*) FROM function_deployments WHERE is_active)"
				   " FROM functions f LEFT JOIN function_deployments d ON d.id = f.active_deployment_id WHERE f.name = 'hello'";
	const char *f = with_function(c);
	int64_t n;
	must(c, function_mirror(c->s, f, &c->e));
	assert_string_equal(peek(c, look), "inactive - 0");
	const char *failing = new_version(c, c->s, f, &n, &c->e);
	must(c, function_mirror(c->s, f, &c->e));
	assert_string_equal(peek(c, look), "building - 0");
	must(c, deployment_failed(c->s, failing, "BuildFailed", "", &c->e));
	must(c, function_mirror(c->s, f, &c->e));
	assert_string_equal(peek(c, look), "failed - 0");
	const char *two = built_version(c, f, "sha256:two");
	must(c, target_want(c->s, f, "default", "hello", "prod", "explicit", 2, &c->e));
	must(c, target_set_routed(c->s, f, "prod", mint(c, f, "prod", two, "a", &n), "", &c->e));
	must(c, function_mirror(c->s, f, &c->e));
	assert_string_equal(peek(c, look), "inactive - 0"); /* prod is not the default environment */
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 2, &c->e));
	must(c, target_set_routed(c->s, f, "dev", mint(c, f, "dev", two, "a", &n), "", &c->e));
	must(c, function_mirror(c->s, f, &c->e));
	assert_string_equal(peek(c, look), "active 2 1");
	const char *three = built_version(c, f, "sha256:three");
	must(c, target_set_routed(c->s, f, "dev", mint(c, f, "dev", three, "a", &n), "", &c->e));
	must(c, function_mirror(c->s, f, &c->e));
	assert_string_equal(peek(c, look), "active 3 1");
	refuses(c, function_delete(c->s, f, &c->e), CONFLICT, "DatabaseConflict"); /* its targets first */
	must(c, target_delete(c->s, f, "dev", &c->e));
	must(c, target_delete(c->s, f, "prod", &c->e));
	must(c, function_delete(c->s, f, &c->e));
	assert_string_equal(peek(c, "SELECT count(*) FROM releases"), "3"); /* history stays */
}

static void bindings_are_declared_or_left_over(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t n;
	must(c, apply(c, PIN("keep", "hello", "prod", "1"), NULL));
	must(c, apply(c, DOC("Environment", "picky") "spec:\n  follow: latest\n  selector: {matchLabels: {tier: gold}}\n", NULL));
	const char *one = built_version(c, f, "sha256:one");
	must(c, target_want(c->s, f, "default", "hello", "staging", "explicit", 1, &c->e));
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
	must(c, target_set_routed(c->s, f, "dev", mint(c, f, "dev", one, "a", &n), "", &c->e));
	struct binding *b;
	size_t count = 0;
	must(c, bindings_load(c->s, "default", "hello", f, &c->a, &b, &count, &c->e));
	assert_int_equal(count, 3);
	assert_string_equal(b[0].environment, "dev");
	assert_string_equal(b[0].declared, "follow");
	assert_true(b[0].has_target);
	assert_int_equal(b[0].serving_version, 1);
	assert_string_equal(b[1].environment, "prod");
	assert_string_equal(b[1].declared, "pin");
	assert_false(b[1].has_target);
	assert_string_equal(b[2].environment, "staging");
	assert_string_equal(b[2].declared, "");
	assert_string_equal(b[2].mode, "explicit");
	must(c, bindings_load(c->s, "default", "hello", NULL, &c->a, &b, &count, &c->e));
	assert_int_equal(count, 2);
	must(c, apply(c, DOC("Function", "hello") "  labels: {tier: gold, other: x}\nspec:\n  runtime: static\n", NULL));
	must(c, apply(c, PIN("keep", "hello", "dev", "1"), NULL)); /* over follow */
	must(c, bindings_load(c->s, "default", "hello", NULL, &c->a, &b, &count, &c->e));
	assert_int_equal(count, 2);
	assert_string_equal(b[0].declared, "pin");
	assert_string_equal(b[1].environment, "picky");
}

/* Another connection's transaction, whose statement has to wait for ours. */
struct rival {
	struct store *s;
	const char *function;
	bool deletes;
	struct err e;
	enum err_class class;
};

static void *run_rival(void *arg)
{
	struct rival *r = arg;
	r->class = r->deletes ? function_delete(r->s, r->function, &r->e)
			      : target_want(r->s, r->function, "default", "hello", "dev", "follow", 1, &r->e);
	return NULL;
}

static void await_a_waiter(struct store_case *c)
{
	for (int64_t deadline = clock_mono_ms() + POSTGRES_WAIT_MS; strcmp(peek(c, "SELECT count(*) FROM pg_locks WHERE NOT granted"), "0") == 0;)
		assert_true(clock_mono_ms() < deadline);
}

/* Whichever comes first, a function that is gone has no target. */
static void a_target_and_a_removal_at_once(void **state)
{
	struct store_case *c = *state;
	(void)with_function(c);
	for (int deletes = 0; deletes < 2; deletes++) {
		const char *f = function_id(c, "hello");
		struct rival r = {.s = store_new(c->conninfo), .function = f, .deletes = deletes, .e = ERR_INIT};
		pthread_t t;
		must(c, store_begin(c->s, &c->e));
		if (deletes)
			must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
		else
			must(c, function_delete(c->s, f, &c->e));
		assert_int_equal(pthread_create(&t, NULL, run_rival, &r), 0);
		await_a_waiter(c);
		must(c, store_commit(c->s, &c->e));
		assert_int_equal(pthread_join(t, NULL), 0);
		assert_int_equal(r.class, CONFLICT);
		assert_string_equal(r.e.reason, deletes ? "DatabaseConflict" : "NotFound");
		assert_string_equal(peek(c, "SELECT count(*) FROM targets t JOIN functions f ON f.id = t.function_id WHERE f.deleted_at IS NOT NULL"), "0");
		store_free(r.s);
		(void)peek(c, "UPDATE functions SET deleted_at = NULL");
	}
}

static void a_build_may_get_a_new_deadline(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t n;
	const char *id = new_version(c, c->s, f, &n, &c->e);
	must(c, deployment_renew(c->s, id, 3600000, &c->e));
	struct deployment_row d;
	must(c, deployment_load(c->s, id, &c->a, &d, &c->e));
	assert_in_range(d.deadline_ms, clock_wall_ms() + 3000000, clock_wall_ms() + 3700000);
	must(c, deployment_failed(c->s, id, "BuildFailed", "", &c->e));
	refuses(c, deployment_renew(c->s, id, 1, &c->e), CONFLICT, "DatabaseConflict"); /* it is over */
}

#define T(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(version_from_building_to_ready), T(failed_version_keeps_its_number), T(versions_are_found), T(numbers_have_no_gap_under_contention),
		T(mint_gives_the_same_for_the_same), T(target_points_to_what_was_acknowledged), T(function_mirrors_its_default_target),
		T(bindings_are_declared_or_left_over), T(a_release_is_found_however_old), T(a_target_and_a_removal_at_once),
		T(a_build_may_get_a_new_deadline),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
