/* The engine on a real database: how a pass ends for every class, fences, takeovers, wake-ups. What is reconciled here is the test's own kind. */
#include "store_case.h"

#include <pthread.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/leases.h"

enum { LEASE_MS = 60000, MAX_SEEN = 200 };

/* What the kind does and what was asked of it; a pass finds it as its hint_ctx. */
struct script {
	struct store_case *c;
	size_t nsteps;               /* of the first plan; those after it are empty unless restless */
	const struct step *steps;
	enum err_class fails[4];     /* by step */
	bool restless, observe_fails_later;
	void (*during)(struct pass *p, struct script *s);
	int observations, records;
	size_t nacts;
	const struct step *acts[MAX_SEEN];
	struct err recorded;         /* of the last record; class OK: none */
	enum verdict verdict;
	size_t recorded_steps;
	bool recorded_world;
};

static enum err_class observe(struct pass *p, void **ret_world, struct err *e)
{
	struct script *s = p->hint_ctx;
	s->observations++;
	if (s->observe_fails_later && s->observations > 1)
		return err_set(e, TRANSIENT, R_NodeUnavailable, "the world is not to be seen");
	*ret_world = s;
	return OK;
}

static void plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret)
{
	const struct script *s = world;
	(void)now_ms;
	*ret = (struct plan){.verdict = VERDICT_STEADY, .status = R_Serving, .message = arena_strdup(a, "all is well")};
	for (size_t i = 0; i < s->nsteps && (s->observations == 1 || s->restless); i++)
		*plan_add(ret, a, STEP_WANT, "", 0) = s->steps[i];
	if (ret->nsteps)
		ret->verdict = VERDICT_ACT;
}

static enum err_class act(struct pass *p, void *world, const struct step *st, struct err *e)
{
	struct script *s = world;
	size_t which = s->nacts < MAX_SEEN ? s->nacts : MAX_SEEN - 1;
	for (size_t i = 0; i < s->nsteps; i++)
		if (s->steps[i].kind == st->kind && s->steps[i].id == st->id && s->steps[i].number == st->number)
			which = i;
	s->acts[s->nacts++ % MAX_SEEN] = &s->steps[which];
	if (s->during)
		s->during(p, s);
	if (which < ARRAY_LEN(s->fails) && s->fails[which])
		return err_set(e, s->fails[which], R_StartFailed, "step %zu cannot be done", which);
	return OK;
}

static enum err_class record(struct pass *p, const void *world, const struct plan *pl, const struct err *failure, struct err *e)
{
	struct script *s = p->hint_ctx;
	s->records++;
	s->recorded = failure ? *failure : (struct err)ERR_INIT;
	s->verdict = pl->verdict;
	s->recorded_steps = pl->nsteps;
	s->recorded_world = world != NULL;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	return c ? c : store_commit(p->store, e);
}

static const struct reconciler kind = {"test", observe, plan, act, record};

static struct lease claim(struct store_case *c, struct store *s, const char *owner)
{
	struct lease l = {.epoch = 0};
	bool found = false;
	must(c, work_claim(s, owner, LEASE_MS, &l, &found, &c->e));
	assert_true(found);
	return l;
}

/* One pass for a key that just became dirty. */
static enum err_class pass_of(struct script *s, const struct reconciler *r, const char *key, bool *ret_waits)
{
	struct store_case *c = s->c;
	must(c, work_enqueue(c->s, key, &c->e));
	struct lease l = claim(c, c->s, "me");
	struct pass p = {.store = c->s, .hint_ctx = s};
	*ret_waits = false;
	return pass_run(&p, r, &l, ret_waits);
}

static const struct step inside = {.kind = STEP_WANT, .subject = "it"}, outside = {.kind = STEP_ROUTE, .subject = "it", .id = "r1"};

/* "dirty attempt seconds-to-wait leased reason" */
static const char *work_row(struct store_case *c)
{
	return peek(c, "SELECT concat_ws(' ', CASE WHEN seq <> done_seq THEN 'dirty' ELSE 'clean' END, attempt,"
		       " round(greatest(0, extract(epoch FROM due_at - clock_timestamp()))), lease_until IS NOT NULL, last_reason) FROM work");
}

static void a_steady_pass_is_done(void **state)
{
	struct script s = {.c = *state};
	bool waits = true;
	assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), OK);
	assert_false(waits);
	assert_int_equal(s.records, 1);
	assert_int_equal(s.recorded.class, OK);
	assert_string_equal(work_row(s.c), "clean 0 0 f ");
}

static void each_class_has_its_exit(void **state)
{
	static const struct {
		enum err_class class;
		const char *row;
		bool waits, told;
	} exits[] = {
		{TRANSIENT, "dirty 1 0 f StartFailed", true, true},
		{CONFLICT, "dirty 1 0 f StartFailed", true, false},
		{INVALID, "clean 0 0 f ", false, true},
		{DENIED, "dirty 1 600 f StartFailed", true, true},
		{BUG, "dirty 1 600 f StartFailed", true, true},
	};
	struct store_case *c = *state;
	for (size_t i = 0; i < ARRAY_LEN(exits); i++) {
		struct script s = {.c = c, .nsteps = 1, .steps = &inside, .fails = {exits[i].class}};
		bool waits;
		(void)peek(c, "DELETE FROM work");
		assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), OK);
		assert_int_equal(waits, exits[i].waits);
		assert_int_equal(s.records, exits[i].told);
		assert_int_equal(s.recorded.class, exits[i].told ? exits[i].class : OK);
		assert_string_equal(work_row(c), exits[i].row);
	}
}

/* A race that is lost again and again is news, and waits. */
static void races_lost_in_a_row_are_told(void **state)
{
	struct store_case *c = *state;
	struct script s = {.c = c, .nsteps = 1, .steps = &inside, .fails = {CONFLICT}};
	must(c, work_enqueue(c->s, "test/p/a", &c->e));
	for (int attempt = 0; attempt <= 3; attempt++) {
		struct lease l = claim(c, c->s, "me");
		struct pass p = {.store = c->s, .hint_ctx = &s};
		bool waits;
		s.observations = 0;
		assert_int_equal(l.attempt, attempt);
		assert_int_equal(pass_run(&p, &kind, &l, &waits), OK);
		assert_int_equal(s.records, attempt == 3);
	}
	int64_t ms = 0;
	must(c, work_next_due(c->s, &ms, &c->e));
	assert_in_range(ms, 1, 1600);
}

static void a_plan_without_rest_is_a_bug(void **state)
{
	struct script s = {.c = *state, .nsteps = 1, .steps = &inside, .restless = true};
	bool waits;
	assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), OK);
	assert_int_equal(s.observations, 64);
	assert_int_equal(s.recorded.class, BUG);
	assert_string_equal(s.recorded.reason, "Internal");
	assert_string_equal(work_row(s.c), "dirty 1 600 f Internal");
}

static void a_key_of_no_kind_stalls(void **state)
{
	struct script s = {.c = *state};
	bool waits;
	assert_int_equal(pass_of(&s, NULL, "nothing/p/a", &waits), OK);
	assert_int_equal(s.observations + s.records, 0);
	assert_string_equal(work_row(s.c), "dirty 1 600 f Internal");
}

/* The plan of the round before lived in an arena that is gone. */
static void a_failed_observation_comes_with_nothing(void **state)
{
	struct script s = {.c = *state, .nsteps = 1, .steps = &inside, .observe_fails_later = true};
	bool waits;
	assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), OK);
	assert_int_equal(s.nacts, 1);
	assert_string_equal(s.recorded.reason, "NodeUnavailable");
	assert_string_equal(s.recorded.msg, "observe: the world is not to be seen");
	assert_false(s.recorded_world);
	assert_int_equal(s.recorded_steps, 0);
	assert_int_equal(s.verdict, VERDICT_STEADY);
}

static void what_cannot_start_holds_up_nothing_else(void **state)
{
	static const struct step steps[] = {
		{.kind = STEP_FETCH_IMAGE, .subject = "it", .id = "new", .apart = true},
		{.kind = STEP_START_INSTANCE, .subject = "it", .id = "new", .apart = true},
		{.kind = STEP_START_INSTANCE, .subject = "it", .id = "old", .apart = true},
		{.kind = STEP_ROUTE, .subject = "it", .id = "old"},
	};
	static const struct {
		enum err_class class;
		size_t nacts;
	} cases[] = {{INVALID, 3}, {TRANSIENT, 3}, {CONFLICT, 1}, {BUG, 1}};
	struct store_case *c = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct script s = {.c = c, .nsteps = 4, .steps = steps, .fails = {cases[i].class}};
		bool waits;
		(void)peek(c, "DELETE FROM work");
		assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), OK);
		assert_int_equal(s.nacts, cases[i].nacts);
		if (cases[i].nacts == 3) {
			assert_ptr_equal(s.acts[1], &steps[2]);
			assert_ptr_equal(s.acts[2], &steps[3]);
			assert_int_equal(s.recorded.class, cases[i].class);
			assert_string_equal(s.recorded.msg, "step 0 cannot be done");
		}
	}
}

static void outside_steps_are_written_down(void **state)
{
	struct store_case *c = *state;
	struct script s = {.c = c, .nsteps = 1, .steps = &outside};
	bool waits;
	assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), OK);
	struct script bad = {.c = c, .nsteps = 1, .steps = &outside, .fails = {TRANSIENT}};
	assert_int_equal(pass_of(&bad, &kind, "test/p/b", &waits), OK);
	struct script quiet = {.c = c, .nsteps = 1, .steps = &inside};
	assert_int_equal(pass_of(&quiet, &kind, "test/p/c", &waits), OK);
	assert_string_equal(peek(c, "SELECT string_agg(concat_ws(' ', key, step, outcome), ', ' ORDER BY step_id) FROM intents"),
			    "test/p/a route done, test/p/b route StartFailed");
}

static void take_over(struct pass *p, struct script *s)
{
	(void)p;
	struct store *other = store_new(s->c->conninfo);
	(void)peek(s->c, "UPDATE work SET lease_until = clock_timestamp() - interval '1 second'");
	(void)claim(s->c, other, "heir");
	store_free(other);
}

/* Neither the outcome nor the lease of the heir is touched. */
static void who_lost_the_lease_writes_nothing(void **state)
{
	static const struct step steps[] = {{.kind = STEP_ROUTE, .subject = "it", .id = "r1"}, {.kind = STEP_ROUTE, .subject = "it", .id = "r2"}};
	struct store_case *c = *state;
	struct script s = {.c = c, .nsteps = 2, .steps = steps, .during = take_over};
	bool waits;
	assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), CONFLICT);
	assert_int_equal(s.nacts, 1); /* the second was not even begun */
	assert_int_equal(s.records, 0);
	assert_string_equal(peek(c, "SELECT lease_owner FROM work"), "heir");
	assert_string_equal(work_row(c), "dirty 0 0 t ");
}

/* Lets the database take connections, or not, and ends those there are. */
static void allow_connections(struct store_case *c, bool allowed)
{
	const char *name = strstr(c->conninfo, "dbname=") + strlen("dbname=");
	AUTO_FREE char *admin = xprintf("%.*spostgres", (int)(name - c->conninfo), c->conninfo);
	AUTO_FREE char *alter = xprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %s", name, allowed ? "true" : "false"); /* our own letters and digits */
	AUTO_FREE char *end = xprintf("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '%s'", name);
	free(postgres_sql(admin, alter));
	free(postgres_sql(admin, end));
}

static void outage(struct pass *p, struct script *s)
{
	(void)p;
	allow_connections(s->c, false);
}

/* The lease is still held then, and whoever ran the pass must give it back. */
static void an_outage_at_the_end_is_told(void **state)
{
	struct store_case *c = *state;
	struct script s = {.c = c, .nsteps = 1, .steps = &inside, .during = outage};
	bool waits;
	assert_int_equal(pass_of(&s, &kind, "test/p/a", &waits), TRANSIENT);
	allow_connections(c, true);
	assert_string_equal(work_row(c), "dirty 0 0 t ");
}

static void leases_are_kept_while_a_pass_runs(void **state)
{
	static const char left[] = "SELECT string_agg(CASE WHEN lease_until > clock_timestamp() + interval '30 seconds' THEN 'long' ELSE 'short' END, ' '"
				   " ORDER BY key) FROM work";
	struct store_case *c = *state;
	struct leases *l = leases_new(3);
	must(c, work_enqueue(c->s, "test/p/a", &c->e));
	struct lease a = claim(c, c->s, "me");
	must(c, work_enqueue(c->s, "test/p/b", &c->e));
	struct lease b = claim(c, c->s, "me");
	leases_take(l, 0, &a);
	leases_take(l, 2, &b);
	(void)peek(c, "UPDATE work SET lease_until = clock_timestamp() + interval '10 seconds'");
	must(c, leases_extend(l, c->s, LEASE_MS, &c->e));
	assert_string_equal(peek(c, left), "long long");
	(void)peek(c, "UPDATE work SET lease_until = clock_timestamp() + interval '10 seconds'");
	leases_give(l, 0);
	must(c, leases_extend(l, c->s, LEASE_MS, &c->e));
	assert_string_equal(peek(c, left), "short long");
	(void)peek(c, "UPDATE work SET epoch = epoch + 1, lease_until = clock_timestamp() + interval '10 seconds'"); /* taken over: not ours to extend */
	must(c, leases_extend(l, c->s, LEASE_MS, &c->e));
	assert_string_equal(peek(c, left), "short short");
	leases_free(l);
}

/* ---- the whole engine ---- */

static struct engine *start(struct store_case *c, struct conf *conf, int64_t lease_ms)
{
	static const struct cache no_cache = {"/nonexistent"};
	*conf = (struct conf){.home = "/nonexistent", .database = c->conninfo, .domain = "fn.localhost", .workers = 2};
	const struct engine_opts o = {.conf = conf, .owner = "me", .cache = &no_cache, .build_program = "/bin/false", .registry = {.url = "http://127.0.0.1:9", .call_ms = 1000},
				      .node = {.socket = "/nonexistent/node.sock", .call_ms = 1000}, .lease_ms = lease_ms, .resync_ms = 3600000};
	struct engine *en = NULL;
	must(c, engine_start(&o, &en, &c->e));
	return en;
}

static void await(struct store_case *c, const char *sql, const char *want)
{
	for (int64_t deadline = clock_mono_ms() + POSTGRES_WAIT_MS;;) {
		const char *got = peek(c, sql);
		if (got && strcmp(got, want) == 0)
			return;
		(void)poll(NULL, 0, 20); /* each look is a new connection */
		if (clock_mono_ms() > deadline)
			fail_msg("%s: %s, not %s", sql, got ? got : "NULL", want);
	}
}

#define OBSERVED(name) "SELECT observed_generation FROM manifests WHERE kind = 'environment' AND name = '" name "'"

static void every_way_to_wake_it(void **state)
{
	struct store_case *c = *state;
	struct conf conf;
	must(c, apply(c, ENVIRONMENT("before"), NULL));
	struct engine *en = start(c, &conf, LEASE_MS);
	await(c, OBSERVED("before"), "1"); /* due when it started */
	must(c, apply(c, ENVIRONMENT("hinted"), NULL));
	engine_hint(en);
	await(c, OBSERVED("hinted"), "1");
	must(c, apply(c, ENVIRONMENT("told"), NULL));
	must(c, work_notify(c->s, &c->e)); /* another controller's API took it in */
	await(c, OBSERVED("told"), "1");
	await(c, "SELECT count(*) FROM work WHERE lease_until IS NOT NULL", "0");
	engine_stop(en);
}

/* Also when nobody says so: a due time, and a holder that died. */
static void what_becomes_due_is_taken(void **state)
{
	struct store_case *c = *state;
	struct conf conf;
	must(c, apply(c, ENVIRONMENT("held") ENVIRONMENT("later"), NULL));
	(void)peek(c, "UPDATE work SET due_at = clock_timestamp() + interval '1 hour' WHERE key NOT LIKE '%/held'");
	struct store *dead = store_new(c->conninfo);
	(void)claim(c, dead, "dead");
	store_free(dead);
	(void)peek(c, "UPDATE work SET lease_until = clock_timestamp() + interval '500 milliseconds' WHERE lease_until IS NOT NULL");
	(void)peek(c, "UPDATE work SET due_at = clock_timestamp() + interval '300 milliseconds' WHERE key LIKE '%/later'");
	struct engine *en = start(c, &conf, LEASE_MS);
	await(c, OBSERVED("later"), "1");
	await(c, OBSERVED("held"), "1");
	engine_stop(en);
}

/* The leases of the incarnation before it are free at once. */
static void its_own_old_leases_are_freed(void **state)
{
	struct store_case *c = *state;
	struct conf conf;
	must(c, apply(c, ENVIRONMENT("mine"), NULL));
	(void)peek(c, "DELETE FROM work WHERE key NOT LIKE 'environment/%'");
	(void)claim(c, c->s, "me");
	struct engine *en = start(c, &conf, LEASE_MS);
	await(c, OBSERVED("mine"), "1");
	engine_stop(en);
}

static void an_engine_outlives_its_connections(void **state)
{
	struct store_case *c = *state;
	struct conf conf;
	struct engine *en = start(c, &conf, LEASE_MS);
	for (int i = 0; i < 3; i++) {
		(void)peek(c, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
		AUTO_FREE char *yaml = xprintf(DOC("Environment", "e%d") "spec: {}\n", i);
		struct store *fresh = store_new(c->conninfo);
		store_free(c->s);
		c->s = fresh;
		must(c, apply(c, yaml, NULL));
		must(c, work_notify(c->s, &c->e));
		AUTO_FREE char *want = xprintf("%d", i + 1);
		await(c, "SELECT count(*) FROM manifests WHERE kind = 'environment' AND observed_generation = 1", want);
	}
	engine_stop(en);
}

#define T(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_steady_pass_is_done), T(each_class_has_its_exit), T(races_lost_in_a_row_are_told), T(a_plan_without_rest_is_a_bug),
		T(a_key_of_no_kind_stalls), T(a_failed_observation_comes_with_nothing), T(what_cannot_start_holds_up_nothing_else),
		T(outside_steps_are_written_down), T(who_lost_the_lease_writes_nothing), T(an_outage_at_the_end_is_told), T(leases_are_kept_while_a_pass_runs), T(every_way_to_wake_it),
		T(what_becomes_due_is_taken), T(its_own_old_leases_are_freed), T(an_engine_outlives_its_connections),
	};
	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
