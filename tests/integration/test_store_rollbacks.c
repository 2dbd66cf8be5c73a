/* Rollbacks and the holds they leave, as the database keeps them. */
#include "function_case.h"

/* hello in dev with three versions, each with a release; the last one serves. */
struct history {
	const char *f, *release[3];
};

static struct target_row look(struct store_case *c, const struct history *h)
{
	struct target_row t;
	must(c, target_load(c->s, h->f, "dev", &c->a, &t, &c->e));
	assert_true(t.found);
	return t;
}

static void serve(struct store_case *c, const struct history *h, int i)
{
	must(c, target_want(c->s, h->f, "default", "hello", "dev", "follow", i + 1, &c->e));
	must(c, target_set_active(c->s, h->f, "dev", h->release[i], &c->e));
	must(c, target_set_routed(c->s, h->f, "dev", h->release[i], look(c, h).hold.id, &c->e));
}

static struct history with_history(struct store_case *c)
{
	struct history h = {.f = with_function(c)};
	for (int i = 0; i < 3; i++) {
		int64_t n;
		const char *d = built_version(c, h.f, arena_printf(&c->a, "sha256:%d", i));
		h.release[i] = mint(c, h.f, "dev", d, arena_printf(&c->a, "%d", i), &n);
		serve(c, &h, i);
	}
	return h;
}

static const char *go(struct store_case *c, const struct history *h, int from, int to, bool settled, bool walks)
{
	AUTO_JSON json_t *base = json_pack("{s:{s:s}}", "env", "VALUE", "2");
	const struct rollback_new r = {.function_id = h->f, .environment = "dev", .actor = "ann", .note = "it was slow", .from_release = h->release[from],
				       .to_release = h->release[to], .image = "warm", .from_version = from + 1, .to_version = to + 1, .floor = 3,
				       .base = base, .settled = settled, .walks = walks};
	char id[UUID_TEXT];
	must(c, rollback_create(c->s, &r, id, &c->e));
	return arena_strdup(&c->a, id);
}

static const char *go_back(struct store_case *c, const struct history *h, int from, int to, bool settled) { return go(c, h, from, to, settled, true); }

static const char *go_to(struct store_case *c, const struct history *h, int from, int to) { return go(c, h, from, to, true, false); }

static const char *state_of(struct store_case *c, const char *id)
{
	return peek(c, arena_printf(&c->a, "SELECT state FROM rollbacks WHERE id = '%s'", id));
}

/* The release that a rollback without a version would go to, counted from 0; -1: none. */
static int before(struct store_case *c, const struct history *h)
{
	struct release_row r;
	bool found = false;
	must(c, release_before(c->s, h->f, "dev", look(c, h).routed, &c->a, &r, &found, &c->e));
	for (int i = 0; found && i < 3; i++)
		if (strcmp(r.id, h->release[i]) == 0)
			return i;
	return -1;
}

static void a_rollback_holds_its_target(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	must(c, target_set_failed(c->s, h.f, "dev", h.release[0], "Unhealthy", "once", &c->e));
	const char *id = go_back(c, &h, 2, 0, true);
	struct target_row t = look(c, &h);
	assert_string_equal(t.hold.id, id);
	assert_string_equal(t.hold.release, h.release[0]);
	assert_string_equal(t.hold.actor, "ann");
	assert_string_equal(t.hold.note, "it was slow");
	assert_null(t.hold.pin);
	assert_int_equal(t.hold.floor, 3);
	assert_true(t.hold.pending);
	assert_string_equal(json_str_or(json_object_get(t.hold.base, "env"), "VALUE", ""), "2");
	assert_int_equal(t.want_version, 1);
	assert_string_equal(t.failed, ""); /* it is tried again */
	must(c, target_set_routed(c->s, h.f, "dev", h.release[2], "", &c->e)); /* not the one it waits for */
	assert_string_equal(state_of(c, id), "pending");
	must(c, target_set_routed(c->s, h.f, "dev", h.release[0], id, &c->e));
	assert_string_equal(state_of(c, id), "done");
	assert_false(look(c, &h).hold.pending);
	bool was = false;
	must(c, hold_lift(c->s, h.f, "dev", "bob", &was, &c->e));
	assert_true(was);
	t = look(c, &h);
	assert_string_equal(t.hold.id, "");
	assert_int_equal(t.hold.floor, 0);
	assert_string_equal(peek(c, "SELECT state || ' ' || lifted_by FROM rollbacks"), "done bob");
	must(c, hold_lift(c->s, h.f, "dev", "bob", &was, &c->e));
	assert_false(was);
}

static void going_back_twice_walks_further(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	assert_int_equal(before(c, &h), 1);
	(void)go_back(c, &h, 2, 1, true);
	serve(c, &h, 1);
	assert_int_equal(before(c, &h), 0); /* not to 2, which was rejected */
	(void)go_back(c, &h, 1, 0, true);
	serve(c, &h, 0);
	assert_int_equal(before(c, &h), -1);
	(void)go_to(c, &h, 0, 2); /* forward again, by name */
	serve(c, &h, 2);
	assert_int_equal(before(c, &h), 0); /* what served before; 1 stays rejected */
}

static void what_was_passed_over_is_rejected_too(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	(void)go_to(c, &h, 2, 0);
	serve(c, &h, 0);
	assert_int_equal(before(c, &h), -1);
	assert_string_equal(peek(c, "SELECT string_agg(n::text, ',' ORDER BY n) FROM releases WHERE rejected_at IS NOT NULL"), "2,3");
}

/* Let in again by the end of a hold, it counts as what served. */
static void what_serves_again_is_not_rejected(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	(void)go_back(c, &h, 2, 1, true);
	serve(c, &h, 1);
	serve(c, &h, 2); /* the hold was released */
	serve(c, &h, 0); /* something newer came, as it were */
	assert_int_equal(before(c, &h), 2);
}

/* 3 -> 1, then back up to 2 by name although it was rejected, then plainly back: not up again. */
static void to_what_was_rejected_and_further_back(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	(void)go_to(c, &h, 2, 0);
	serve(c, &h, 0);
	(void)go_to(c, &h, 0, 2);
	serve(c, &h, 2);
	(void)go_to(c, &h, 2, 1);
	serve(c, &h, 1);
	assert_int_equal(before(c, &h), 0);
}

/* A configuration that was changed and changed back serves as the same release: walking back from it does not come back to it. */
static void back_and_forth_ends(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	serve(c, &h, 1);
	assert_int_equal(before(c, &h), 2);
	(void)go_back(c, &h, 1, 2, true);
	serve(c, &h, 2);
	assert_int_equal(before(c, &h), 0);
}

static void a_failure_gives_back_what_was(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	refuses(c, rollback_fail(c->s, h.f, "dev", "Unhealthy", "no", &c->e), CONFLICT, "NotFound"); /* there is none */
	const char *first = go_back(c, &h, 2, 1, true);
	serve(c, &h, 1);
	const char *second = go_back(c, &h, 1, 0, true);
	must(c, rollback_fail(c->s, h.f, "dev", "Unhealthy", "no answer", &c->e));
	struct target_row t = look(c, &h);
	assert_string_equal(t.hold.id, first); /* the hold before */
	assert_string_equal(t.hold.release, h.release[1]);
	assert_int_equal(t.hold.floor, 3);
	assert_int_equal(t.want_version, 2);
	assert_string_equal(peek(c, arena_printf(&c->a, "SELECT state || ' ' || reason || ' ' || message FROM rollbacks WHERE id = '%s'", second)),
			    "failed Unhealthy no answer");
	bool was;
	must(c, hold_lift(c->s, h.f, "dev", "bob", &was, &c->e));
	serve(c, &h, 2);
	(void)go_back(c, &h, 2, 0, true);
	must(c, rollback_fail(c->s, h.f, "dev", "Unhealthy", "no answer", &c->e));
	t = look(c, &h);
	assert_string_equal(t.hold.id, ""); /* there was none */
	assert_int_equal(t.hold.floor, 0);
	assert_int_equal(t.want_version, 3);
}

/* Version 3 was on its way while 2 served: it is not let in by the failure. */
static void a_failure_in_the_middle_of_a_deploy_holds_what_serves(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	serve(c, &h, 1);
	must(c, target_want(c->s, h.f, "default", "hello", "dev", "follow", 3, &c->e));
	const char *id = go_back(c, &h, 2, 0, false);
	must(c, rollback_fail(c->s, h.f, "dev", "Unhealthy", "no answer", &c->e));
	struct target_row t = look(c, &h);
	assert_string_equal(t.hold.id, id);
	assert_string_equal(t.hold.release, h.release[1]);
	assert_int_equal(t.hold.floor, 3);
	assert_int_equal(t.want_version, 2);
	assert_false(t.hold.pending);
}

/* What a rollback rejected that failed, or never came to it, serves and served on. */
static void what_did_not_happen_rejects_nothing(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	bool was;
	(void)go_back(c, &h, 2, 0, true);
	must(c, rollback_fail(c->s, h.f, "dev", "Unhealthy", "no answer", &c->e));
	assert_int_equal(before(c, &h), 1);
	(void)go_back(c, &h, 2, 0, true);
	must(c, hold_lift(c->s, h.f, "dev", "bob", &was, &c->e)); /* by a deploy, before it was done */
	assert_int_equal(before(c, &h), 1);
	assert_string_equal(peek(c, "SELECT count(rejected_at) || ' ' || count(rejected_by) FROM releases"), "0 0");
}

/* To a version that never served there, by a release that is the newest by number. */
static void versions_come_before_release_numbers(void **state)
{
	struct store_case *c = *state;
	struct history h = {.f = with_function(c)};
	int64_t n;
	const char *one = built_version(c, h.f, "sha256:one"), *two = built_version(c, h.f, "sha256:two");
	h.release[0] = mint(c, h.f, "dev", two, "a", &n);
	serve(c, &h, 0);
	h.release[1] = mint(c, h.f, "dev", one, "a", &n);
	h.release[2] = h.release[1];
	(void)go_to(c, &h, 0, 1);
	serve(c, &h, 1);
	assert_int_equal(before(c, &h), -1);
}

static void a_target_that_goes_ends_its_rollback(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	const char *id = go_back(c, &h, 2, 0, true);
	must(c, target_delete(c->s, h.f, "dev", &c->e));
	assert_string_equal(state_of(c, id), "superseded");
}

static void a_newer_one_supersedes(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	const char *first = go_back(c, &h, 2, 1, true), *second = go_back(c, &h, 2, 0, false);
	assert_string_equal(state_of(c, first), "superseded");
	assert_string_equal(look(c, &h).hold.id, second);
	must(c, target_set_routed(c->s, h.f, "dev", h.release[1], "", &c->e));
	assert_string_equal(state_of(c, second), "pending");
	bool was;
	must(c, hold_lift(c->s, h.f, "dev", "bob", &was, &c->e));
	assert_string_equal(state_of(c, second), "superseded");
}

static void previous_releases_are_warm_for_a_while(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	struct release_row *rows;
	size_t n;
	must(c, releases_warm(c->s, h.f, "dev", 5, 60000, &c->a, &rows, &n, &c->e));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].id, h.release[1]); /* the latest first */
	assert_in_range(rows[0].unrouted_at_ms, clock_wall_ms() - 60000, clock_wall_ms() + 1000);
	must(c, releases_warm(c->s, h.f, "dev", 1, 60000, &c->a, &rows, &n, &c->e));
	assert_int_equal(n, 1);
	(void)peek(c, arena_printf(&c->a, "UPDATE releases SET unrouted_at = unrouted_at - interval '1 hour' WHERE id = '%s'", h.release[1]));
	must(c, releases_warm(c->s, h.f, "dev", 5, 60000, &c->a, &rows, &n, &c->e));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].id, h.release[0]);
	must(c, target_set_routed(c->s, h.f, "dev", h.release[0], "", &c->e)); /* what serves is not warm but hot */
	must(c, releases_warm(c->s, h.f, "dev", 5, 60000, &c->a, &rows, &n, &c->e));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].id, h.release[2]);
}

static void rollbacks_are_history(void **state)
{
	struct store_case *c = *state;
	struct history h = with_history(c);
	(void)go_back(c, &h, 2, 0, true);
	PGconn *pg = PQconnectdb(c->conninfo);
	PGresult *res = PQexec(pg, "UPDATE rollbacks SET note = 'nothing happened'");
	assert_int_equal(PQresultStatus(res), PGRES_FATAL_ERROR);
	PQclear(res);
	PQfinish(pg);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_rollback_holds_its_target), TEST(going_back_twice_walks_further), TEST(what_was_passed_over_is_rejected_too),
		TEST(what_serves_again_is_not_rejected), TEST(what_did_not_happen_rejects_nothing),
		TEST(versions_come_before_release_numbers), TEST(a_target_that_goes_ends_its_rollback), TEST(to_what_was_rejected_and_further_back), TEST(back_and_forth_ends),
		TEST(a_failure_gives_back_what_was), TEST(a_failure_in_the_middle_of_a_deploy_holds_what_serves), TEST(a_newer_one_supersedes),
		TEST(previous_releases_are_warm_for_a_while), TEST(rollbacks_are_history),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
