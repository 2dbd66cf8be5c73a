/* Which versions may go and which must stay, as the database decides it under locks. */
#include "retention_case.h"

#include <pthread.h>
#include <unistd.h>

static const char *status(struct store_case *c, const char *id) { return peek(c, arena_printf(&c->a, "SELECT status FROM function_deployments WHERE id = '%s'", id)); }

/* ---- the newest that were built ---- */

static void the_newest_that_were_built_stay(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("3", "0")), *ids[6];
	int64_t n;
	ids[0] = build(c, f);
	ids[1] = build(c, f);
	must(c, deployment_failed(c->s, new_version(c, c->s, f, &n, &c->e), "BuildFailed", "", &c->e)); /* 3: takes no slot */
	for (size_t i = 2; i < 5; i++)
		ids[i] = build(c, f); /* 4 5 6 */
	assert_string_equal(due(c), "1:archive 2:archive");
	assert_false(archive(c, ids[2]));
	assert_true(archive(c, ids[0]));
	assert_false(archive(c, ids[0]));
	assert_true(archive(c, ids[1]));
	assert_string_equal(due(c), "1:delete-image 2:delete-image");
	assert_true(let_go(c, ids[0], NULL));
	assert_true(let_go(c, ids[1], NULL));
	assert_string_equal(due(c), "");
	/* what comes back to life does not push another out: archived ones are among the newest as well */
	ids[5] = build(c, f);
	assert_string_equal(due(c), "4:archive");
	must(c, apply(c, KEEPS("2", "0"), NULL));
	assert_string_equal(due(c), "4:archive 5:archive");
	must(c, apply(c, KEEPS("10", "0"), NULL));
	assert_string_equal(due(c), "");
}

static void of_a_function_that_is_gone_nothing_stays(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("3", "1"));
	const char *id = build(c, f);
	assert_string_equal(due(c), "");
	(void)peek(c, "DELETE FROM manifests WHERE kind = 'function' AND name = 'hello'");
	must(c, function_delete(c->s, f, &c->e));
	assert_string_equal(due(c), "1:archive");
	must(c, apply(c, KEEPS("1", "1"), NULL)); /* the name is used again */
	const char *again = build(c, function_id(c, "hello"));
	assert_string_equal(due(c), "1:archive");
	assert_true(archive(c, id));
	assert_false(archive(c, again));
	assert_true(let_go(c, id, NULL));
	assert_string_equal(due(c), ""); /* its archive stays: no policy of its own any more */
}

/* ---- keepers ---- */

struct keeper {
	const char *about, *set, *unset; /* SQL; %s: id of the function, of the release, of the version's digest */
	bool later;                      /* it goes by itself: the next look has a time */
};

#define TARGET "INSERT INTO targets (function_id, environment, project, name, mode) SELECT id, 'prod', project, name, 'explicit' FROM functions WHERE id = '@F'; "
#define ROLLBACK(state, from, held, settled) \
	"INSERT INTO rollbacks (function_id, environment, actor, to_version, to_release, from_release, held_release, image, floor, base, settled, state) " \
	"VALUES ('@F', 'prod', 'x', 1, '" held "', " from ", '" held "', 'kept', 2, '{}', " settled ", '" state "'); "
#define GONE "DELETE FROM targets; DELETE FROM rollbacks"

static const struct keeper keepers[] = {
	{"active", TARGET "UPDATE targets SET active_release = '@R'", GONE, false},
	{"routed", TARGET "UPDATE targets SET routed_release = '@R'", GONE, false},
	{"served before", TARGET "UPDATE targets SET previous_release = '@R'", GONE, false},
	{"wanted", TARGET "UPDATE targets SET want_version = 1", GONE, false},
	{"held", TARGET ROLLBACK("done", "NULL", "@R", "true") "UPDATE targets SET hold = (SELECT id FROM rollbacks)", GONE, false},
	{"to fall back on", TARGET ROLLBACK("pending", "'@R'", "@N", "true") "UPDATE targets SET hold = (SELECT id FROM rollbacks)", GONE, false},
	{"held before a rollback that is not done",
	 TARGET ROLLBACK("done", "NULL", "@R", "true") ROLLBACK("pending", "NULL", "@N", "false")
	 "UPDATE rollbacks SET previous = (SELECT id FROM rollbacks WHERE state = 'done') WHERE state = 'pending';"
	 "UPDATE targets SET hold = (SELECT id FROM rollbacks WHERE state = 'pending')", GONE, false},
	{"warm", TARGET "UPDATE releases SET unrouted_at = clock_timestamp() - interval '9 minutes' WHERE id = '@R'", GONE, true},
	{"running", "INSERT INTO instances (id, function_id, release_id, slot, state) VALUES ('i', '@F', '@R', 0, 'ready')", "DELETE FROM instances", true},
	{"pinned by number", "INSERT INTO manifests (kind, project, name, spec, spec_hash, owner, source) VALUES ('pin', 'default', 'p', "
	 "'{\"function\": \"hello\", \"environment\": \"prod\", \"version\": \"1\"}', '', '', '')", "DELETE FROM manifests WHERE kind = 'pin'", false},
	{"pinned by digest", "INSERT INTO manifests (kind, project, name, spec, spec_hash, owner, source) SELECT 'pin', 'default', 'p', "
	 "jsonb_build_object('function', 'hello', 'environment', 'prod', 'version', image_digest), '', '', '' FROM function_deployments WHERE version = 1",
	 "DELETE FROM manifests WHERE kind = 'pin'", false},
};

static const char *fill(struct store_case *c, const char *sql, const char *f, const char *release, const char *newest)
{
	AUTO_BUF struct buf out = BUF_INIT(8192);
	for (const char *s = sql; *s; s++) {
		const char *value = *s != '@' ? NULL : s[1] == 'F' ? f : s[1] == 'R' ? release : newest;
		if (value)
			(void)buf_puts(&out, value), s++;
		else
			(void)buf_add(&out, s, 1);
	}
	return arena_strdup(&c->a, buf_str(&out));
}

static void whatever_refers_to_a_version_keeps_it(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0"));
	int64_t n;
	const char *old = build(c, f), *newest = build(c, f);
	const char *r1 = mint(c, f, "prod", old, "a", &n), *r2 = mint(c, f, "prod", newest, "a", &n);
	assert_string_equal(due(c), "1:archive");
	/* the columns that must not change are written by no statement of the store */
	(void)peek(c, "ALTER TABLE rollbacks DISABLE TRIGGER rollbacks_immutable");
	for (const struct keeper *k = keepers; k < keepers + ARRAY_LEN(keepers); k++) {
		(void)peek(c, fill(c, k->set, f, r1, r2));
		if (strcmp(due(c), "") != 0 || archive(c, old))
			fail_msg("%s: it does not keep version 1", k->about);
		struct fate_row *rows;
		size_t rows_n;
		must(c, fates_load(c->s, "default", "hello", 100, &c->a, &rows, &rows_n, &c->e));
		if ((rows_n == 1) != k->later || (rows_n && !rows[0].look_again_ms))
			fail_msg("%s: the time of the next look is not right", k->about);
		(void)peek(c, k->unset);
		if (strcmp(due(c), "1:archive") != 0)
			fail_msg("%s: version 1 stays although nothing keeps it: %s", k->about, due(c));
	}
	/* warm time over, and more previous releases than stay warm */
	(void)peek(c, fill(c, TARGET "UPDATE releases SET unrouted_at = clock_timestamp() - interval '11 minutes' WHERE id = '@R'", f, r1, r2));
	assert_string_equal(due(c), "1:archive");
	(void)peek(c, fill(c, "UPDATE releases SET unrouted_at = clock_timestamp() - interval '2 minutes' WHERE id = '@R';"
			      "UPDATE releases SET unrouted_at = clock_timestamp() - interval '1 minute' WHERE id = '@N'", f, r1, r2));
	assert_string_equal(due(c), "1:archive");
	assert_true(archive(c, old));
}

/* ---- races ---- */

struct other {
	struct store *s;
	const char *id;
	bool done;
	enum err_class class;
	struct err e;
};

static void *archives(void *arg)
{
	struct other *o = arg;
	o->class = store_begin(o->s, &o->e);
	if (!o->class)
		o->class = fate_archive(o->s, o->id, &o->done, &o->e);
	if (!o->class)
		o->class = store_commit(o->s, &o->e);
	return NULL;
}

static void *settles(void *arg)
{
	struct other *o = arg;
	o->class = image_settled(o->s, o->id, &o->e);
	o->done = true;
	return NULL;
}

static struct other other(struct store_case *c, const char *id) { return (struct other){.s = store_new(c->conninfo), .id = id, .e = ERR_INIT}; }

static void until_it_waits(struct store_case *c)
{
	for (int64_t deadline = clock_mono_ms() + 10000; strcmp(peek(c, "SELECT count(*) FROM pg_locks WHERE NOT granted"), "0") == 0; (void)usleep(5000))
		if (clock_mono_ms() > deadline)
			fail_msg("nobody waits for the lock");
}

static void end(struct other *o, pthread_t t)
{
	assert_int_equal(pthread_join(t, NULL), 0);
	if (o->class)
		fail_msg("%s: %s", o->e.reason, o->e.msg);
	store_free(o->s);
}

static void a_rollback_between_plan_and_archive_keeps_the_version(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *old = build(c, f), *was;
	(void)build(c, f);
	assert_string_equal(due(c), "1:archive"); /* the plan */
	must(c, store_begin(c->s, &c->e));
	must(c, deployment_lock(c->s, old, &c->a, &was, &c->e));
	assert_string_equal(was, "ready");
	struct other o = other(c, old);
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, archives, &o), 0);
	until_it_waits(c);
	must(c, target_want(c->s, f, "default", "hello", "prod", "explicit", 1, &c->e));
	must(c, store_commit(c->s, &c->e));
	end(&o, t);
	assert_false(o.done);
	assert_string_equal(status(c, old), "ready");
}

static void *drops(void *arg)
{
	struct other *o = arg;
	o->class = store_begin(o->s, &o->e);
	if (!o->class)
		o->class = fate_drop_archive(o->s, o->id, &o->done, &o->e);
	if (!o->class)
		o->class = store_commit(o->s, &o->e);
	return NULL;
}

/* Between looking for the source and numbering the version that is built of it. */
static void an_archive_that_is_built_of_stays(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "1")), *old = build(c, f);
	(void)peek(c, "UPDATE function_deployments SET status = 'archived', image_deleted_at = now()");
	for (int i = 0; i < 2; i++) {
		const char *id = build(c, f);
		(void)peek(c, arena_printf(&c->a, "ALTER TABLE function_deployments DISABLE TRIGGER function_deployments_immutable; "
						  "UPDATE function_deployments SET source_digest = 'sha256:another' WHERE id = '%s'", id));
	}
	assert_non_null(strstr(due(c), "1:drop-archive"));
	struct deployment_row row;
	bool found = false;
	int64_t n;
	must(c, store_begin(c->s, &c->e));
	must(c, deployment_of_source_locked(c->s, f, "sha256:src", &c->a, &row, &found, &c->e));
	assert_true(found);
	assert_string_equal(row.id, old);
	struct other o = other(c, old);
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, drops, &o), 0);
	until_it_waits(c);
	(void)new_version(c, c->s, f, &n, &c->e);
	must(c, store_commit(c->s, &c->e));
	end(&o, t);
	assert_false(o.done);
}

/* It does not wait for it: it holds the function's row, and the registry may be slow. */
static void a_rollback_after_the_archive_sees_it(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *old = build(c, f);
	(void)build(c, f);
	bool done = false;
	must(c, store_begin(c->s, &c->e));
	must(c, fate_archive(c->s, old, &done, &c->e));
	assert_true(done);
	struct store *rollback = store_new(c->conninfo);
	const char *was;
	must(c, store_begin(rollback, &c->e));
	refuses(c, deployment_lock(rollback, old, &c->a, &was, &c->e), CONFLICT, "DatabaseConflict");
	store_rollback(rollback);
	must(c, store_commit(c->s, &c->e));
	must(c, store_begin(rollback, &c->e));
	must(c, deployment_lock(rollback, old, &c->a, &was, &c->e));
	assert_string_equal(was, "archived");
	store_rollback(rollback);
	store_free(rollback);
}

static void who_pushes_an_image_waits_for_its_deletion(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *old = built_version(c, f, DIGEST("a"));
	(void)build(c, f);
	int64_t n;
	const char *again = new_version(c, c->s, f, &n, &c->e);
	assert_true(archive(c, old));
	bool is_due = false, shared = true;
	must(c, store_begin(c->s, &c->e));
	must(c, fate_image(c->s, old, &is_due, &shared, &c->e));
	assert_true(is_due);
	assert_false(shared); /* nobody else: the registry is being asked to delete it, now … */
	const struct deployment_built b = {.layer_digest = "sha256:layer", .layer_diff_id = "sha256:diff", .image_tag = "functions/default/hello:v3",
					   .image_digest = DIGEST("a"), .layer_size = 20};
	struct store *s = store_new(c->conninfo);
	struct err e = ERR_INIT;
	(void)peek(c, arena_printf(&c->a, "UPDATE function_deployments SET image_tag = 'functions/default/hello:v3', image_digest = '%s' WHERE id = '%s'", DIGEST("a"), again));
	struct other o = other(c, again);
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, settles, &o), 0);
	until_it_waits(c);
	assert_false(o.done);
	must(c, fate_image_deleted(c->s, old, &c->e));
	must(c, store_commit(c->s, &c->e));
	end(&o, t);
	assert_int_equal(deployment_written(s, again, &b, &e), OK);
	store_free(s);
}

/* ---- images that several have ---- */

static void an_image_goes_with_the_last_version_that_has_it(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0"));
	const char *one = built_version(c, f, DIGEST("a")), *two = built_version(c, f, DIGEST("a")), *three = built_version(c, f, DIGEST("b"));
	bool is_due;
	assert_true(archive(c, one));
	assert_false(let_go(c, one, &is_due)); /* 2 has it */
	assert_true(is_due);
	assert_true(archive(c, two));
	assert_true(let_go(c, two, NULL));
	assert_false(let_go(c, two, &is_due)); /* once */
	assert_false(is_due);
	/* while one of the same is built it stays */
	(void)build(c, f);
	assert_true(archive(c, three));
	int64_t n;
	const char *building = new_version(c, c->s, f, &n, &c->e);
	const struct deployment_built b = {.layer_digest = "sha256:layer", .layer_diff_id = "sha256:diff", .image_tag = "functions/default/hello:v5",
					   .image_digest = DIGEST("b"), .layer_size = 20};
	must(c, deployment_written(c->s, building, &b, &c->e));
	assert_false(let_go(c, three, NULL));
	/* what was not built gives it back */
	must(c, deployment_failed(c->s, building, "BuildFailed", "", &c->e));
	assert_string_equal(due(c), "5:delete-image");
	assert_true(let_go(c, building, NULL));
	assert_string_equal(due(c), "");
}

static void the_same_image_elsewhere_is_another(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0"));
	const char *one = built_version(c, f, DIGEST("a"));
	(void)build(c, f);
	(void)built_version(c, function_id(c, "other"), DIGEST("a"));
	assert_true(archive(c, one));
	struct store_case copy = *c;
	(void)peek(c, "UPDATE function_deployments d SET image_tag = 'functions/default/other:v1' FROM functions f WHERE f.id = d.function_id AND f.name = 'other'");
	bool is_due = false, shared = true;
	must(c, store_begin(c->s, &c->e));
	must(c, fate_image(c->s, one, &is_due, &shared, &c->e));
	assert_false(shared);
	store_rollback(c->s);
	/* with a template that puts them into one repository it is the same */
	(void)peek(&copy, "UPDATE function_deployments d SET image_tag = 'functions/default/hello:other-v1' FROM functions f WHERE f.id = d.function_id AND f.name = 'other'");
	assert_false(let_go(c, one, &is_due));
	assert_true(is_due);
}

static void an_archived_version_that_comes_back_shares_its_image(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0"));
	const char *one = built_version(c, f, DIGEST("a")), *two = built_version(c, f, DIGEST("a"));
	(void)build(c, f);
	assert_true(archive(c, one));
	assert_false(let_go(c, one, NULL));
	assert_true(archive(c, two));
	must(c, target_want(c->s, f, "default", "hello", "prod", "explicit", 1, &c->e)); /* a rollback to 1 will push it */
	assert_false(let_go(c, two, NULL));
	must(c, deployment_restored(c->s, one, &c->e));
	assert_string_equal(status(c, one), "ready");
}

static void what_is_referred_to_before_its_image_went_is_taken_back(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *old = build(c, f);
	(void)build(c, f);
	bool done = true;
	assert_true(archive(c, old));
	must(c, fate_take_back(c->s, old, &done, &c->e));
	assert_false(done);
	must(c, target_want(c->s, f, "default", "hello", "prod", "explicit", 1, &c->e));
	must(c, fate_take_back(c->s, old, &done, &c->e));
	assert_true(done);
	assert_string_equal(status(c, old), "ready");
	assert_string_equal(due(c), "");
}

/* ---- archives ---- */

static void archives_go_by_policy_only(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *ids[4];
	bool done = false;
	for (size_t i = 0; i < 4; i++)
		ids[i] = build(c, f);
	for (size_t i = 0; i < 3; i++) {
		assert_true(archive(c, ids[i]));
		assert_true(let_go(c, ids[i], NULL));
	}
	assert_string_equal(due(c), "");
	must(c, apply(c, KEEPS("1", "2"), NULL));
	assert_string_equal(due(c), "1:drop-archive 2:drop-archive");
	must(c, target_want(c->s, f, "default", "hello", "prod", "explicit", 1, &c->e));
	assert_string_equal(due(c), "2:drop-archive");
	must(c, fate_drop_archive(c->s, ids[0], &done, &c->e));
	assert_false(done);
	int64_t n;
	const char *building = new_version(c, c->s, f, &n, &c->e); /* of the same source, which it may have to read from there */
	assert_string_equal(due(c), "");
	must(c, deployment_failed(c->s, building, "BuildFailed", "", &c->e));
	must(c, fate_drop_archive(c->s, ids[1], &done, &c->e));
	assert_true(done);
	assert_string_equal(due(c), "2:delete-archive");
	must(c, fate_archive_deleted(c->s, ids[1], &c->e));
	assert_string_equal(due(c), "");
	refuses(c, fate_archive_deleted(c->s, ids[2], &c->e), CONFLICT, "DatabaseConflict"); /* it was not dropped */
}

static void what_cannot_be_archived_waits_for_a_collection(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *old = build(c, f);
	(void)build(c, f);
	bool news = false;
	must(c, fate_stuck(c->s, old, "ImageMissing", "it is nowhere", &news, &c->e));
	assert_true(news);
	must(c, fate_stuck(c->s, old, "ImageMissing", "it is nowhere", &news, &c->e));
	assert_false(news);
	assert_string_equal(due(c), "");
	assert_false(archive(c, old));
	int64_t id;
	must(c, collection_ask(c->s, "tester", &id, &c->e));
	must(c, collection_begin(c->s, &c->e));
	assert_string_equal(due(c), "1:archive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_newest_that_were_built_stay, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(of_a_function_that_is_gone_nothing_stays, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(whatever_refers_to_a_version_keeps_it, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(a_rollback_between_plan_and_archive_keeps_the_version, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(a_rollback_after_the_archive_sees_it, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(an_archive_that_is_built_of_stays, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(who_pushes_an_image_waits_for_its_deletion, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(an_image_goes_with_the_last_version_that_has_it, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(the_same_image_elsewhere_is_another, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(an_archived_version_that_comes_back_shares_its_image, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(what_is_referred_to_before_its_image_went_is_taken_back, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(archives_go_by_policy_only, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_archived_waits_for_a_collection, store_setup, store_teardown),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
