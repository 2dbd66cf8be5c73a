/* Rollbacks, holds and versions as the API tells them, over a real PostgreSQL. The loop's part is played by the store. */
#include "rollback_case.h"

static void post(struct world *w, const char *what, const char *body)
{
	ask_json(w->t, &w->c, "POST", arena_printf(&w->a, "/api/functions/%s/%s", w->name, what), body);
}

static void read_below(struct world *w, const char *what) { ask(w->t, &w->c, "GET", arena_printf(&w->a, "/api/functions/%s/%s", w->name, what)); }

/* The value at a path of keys and indexes of the answer, as compact JSON. */
static const char *at(struct world *w, const char *path)
{
	const json_t *j = w->c.json;
	char *rest = arena_strdup(&w->a, path);
	for (char *key; j && (key = strsep(&rest, "/"));)
		j = json_is_array(j) ? json_array_get(j, strtoul(key, NULL, 10)) : json_object_get(j, key);
	return j ? json_text_arena(j, &w->a) : "absent";
}

#define assert_at(w, path, expected) assert_string_equal(at(w, path), expected)

/* ---- rollback ---- */

static void test_rollback_says_what_it_does(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "back");
	const char *one = serve(&w, "dev", "follow", build(&w));
	declare(&w, "env: {GREETING: two, MODE: fast}, port: 9000");
	const char *two = serve(&w, "dev", "follow", build(&w));
	run_instances(&w, "dev", (const char *const[]){one, two}, 2);
	int hints = atomic_load(&w.t->hints);
	post(&w, "rollback", "{\"dryRun\":true}");
	assert_status(&w.c, 200);
	assert_at(&w, "id", "absent");
	assert_at(&w, "from", "{\"release\":2,\"version\":2}");
	assert_at(&w, "to", "{\"release\":1,\"version\":1}");
	assert_string_equal(peek(&w, arena_printf(&w.a, "SELECT count(*) FROM rollbacks WHERE function_id = '%s'", w.id)), "0");
	assert_int_equal(atomic_load(&w.t->hints), hints);
	post(&w, "rollback", "{\"note\":\"it is slow\"}");
	assert_status(&w.c, 202);
	assert_int_equal(atomic_load(&w.t->hints), hints + 1);
	assert_at(&w, "project", "\"default\"");
	assert_at(&w, "function", "\"back\"");
	assert_at(&w, "environment", "\"dev\"");
	assert_at(&w, "image", "\"warm\"");
	assert_at(&w, "floor", "2");
	assert_at(&w, "changes/code", "true");
	assert_at(&w, "changes/env", "[\"GREETING\",\"MODE\"]");
	assert_at(&w, "changes/settings", "[\"port\"]");
	assert_at(&w, "url", "\"http://back.dev.fn.localhost:7380/\"");
	const char *id = arena_strdup(&w.a, json_str_or(w.c.json, "id", ""));
	read_below(&w, arena_printf(&w.a, "rollbacks/%s", id));
	assert_status(&w.c, 200);
	assert_at(&w, "state", "\"pending\"");
	assert_at(&w, "actor", "\"root\"");
	assert_at(&w, "note", "\"it is slow\"");
	assert_at(&w, "fromVersion", "2");
	assert_at(&w, "toRelease", "1");
	assert_at(&w, "holds", "true");
	assert_at(&w, "milliseconds", "null");
	assert_at(&w, "supersededBy", "null");
	assert_at(&w, "target/version", "2");
	acknowledge(&w, "dev", one);
	read_below(&w, arena_printf(&w.a, "rollbacks/%s", id));
	assert_at(&w, "state", "\"done\"");
	assert_at(&w, "target/version", "1");
	assert_true(json_real_value(json_object_get(w.c.json, "milliseconds")) > 0);
	read_below(&w, "history?limit=1");
	assert_at(&w, "items/0/operation", "\"rollback\"");
	assert_at(&w, "items/0/version", "1");
	assert_at(&w, "items/0/actor", "\"root\"");
	assert_non_null(strstr(at(&w, "items/0/message"), "it is slow"));
	read_below(&w, "targets");
	assert_at(&w, "items/0/held", "true");
	assert_at(&w, "items/0/heldBy", "\"root\"");
	assert_at(&w, "items/0/holdNote", "\"it is slow\"");
	assert_at(&w, "items/0/floor", "2");
	assert_at(&w, "items/0/pending", "true"); /* the loop was asked to look */
	(void)peek(&w, "UPDATE work SET done_seq = seq");
	read_below(&w, "targets");
	assert_at(&w, "items/0/pending", "false");
}

/* Where the image comes from, and without /api. */
static void test_rollback_by_version(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "named");
	const char *first = build(&w), *second = build(&w), *third = build(&w);
	(void)serve(&w, "staging", "explicit", third);
	ask_json(w.t, &w.c, "POST", "/functions/named/rollback", "{\"version\":2,\"environment\":\"staging\",\"dryRun\":true}");
	assert_status(&w.c, 200);
	assert_at(&w, "image", "\"kept\"");
	assert_at(&w, "to/version", "2");
	assert_at(&w, "environment", "\"staging\"");
	assert_at(&w, "url", "\"http://named.staging.fn.localhost:7380/\"");
	(void)peek(&w, arena_printf(&w.a, "UPDATE function_deployments SET status = 'archived', archived_at = now(), image_deleted_at = now() WHERE id = '%s'", first));
	post(&w, "rollback", "{\"version\":1,\"environment\":\"staging\",\"dryRun\":true}");
	assert_status(&w.c, 200);
	assert_at(&w, "image", "\"archived\"");
	(void)peek(&w, arena_printf(&w.a, "UPDATE function_deployments SET s3_key = NULL WHERE id = '%s'", first));
	post(&w, "rollback", "{\"version\":1,\"environment\":\"staging\"}");
	assert_answer(&w.c, 400, "ArtifactMissing");
	(void)second;
}

/* Archived, while the registry has its image still: that is not waited for, whatever the registry does. */
static void test_rollback_before_the_image_went(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "still");
	const char *first = build(&w);
	const char *status = arena_printf(&w.a, "SELECT status || (archived_at IS NULL) FROM function_deployments WHERE id = '%s'", first);
	(void)serve(&w, "staging", "explicit", build(&w));
	(void)peek(&w, arena_printf(&w.a, "UPDATE function_deployments SET status = 'archived', archived_at = now() WHERE id = '%s'", first));
	post(&w, "rollback", "{\"version\":1,\"environment\":\"staging\",\"dryRun\":true}");
	assert_status(&w.c, 200);
	assert_at(&w, "image", "\"kept\"");
	assert_string_equal(peek(&w, status), "archivedfalse");
	post(&w, "rollback", "{\"version\":1,\"environment\":\"staging\"}");
	assert_status(&w.c, 202);
	assert_at(&w, "image", "\"kept\"");
	assert_string_equal(peek(&w, status), "readytrue");
}

static void test_rollback_refusals(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "refused");
	int64_t n;
	int hints = atomic_load(&w.t->hints);
	post(&w, "rollback", "{}");
	assert_answer(&w.c, 404, "NotFound"); /* it runs nowhere */
	(void)serve(&w, "dev", "explicit", build(&w));
	ask(w.t, &w.c, "POST", "/api/functions/refused/rollback"); /* no body: the default environment, what was before */
	assert_answer(&w.c, 400, "NothingBefore");
	post(&w, "rollback", "{\"version\":1}");
	assert_answer(&w.c, 400, "AlreadyServing");
	post(&w, "rollback", "{\"version\":9}");
	assert_answer(&w.c, 404, "NotFound");
	const char *failed = number(&w, &n);
	post(&w, "rollback", "{\"version\":2}");
	assert_answer(&w.c, 400, "Building");
	must(deployment_failed(w.s, failed, "BuildFailed", "no", &w.e), w.e);
	post(&w, "rollback", "{\"version\":2}");
	assert_answer(&w.c, 400, "BuildFailed");
	post(&w, "rollback", "{\"environment\":\"nowhere\"}");
	assert_answer(&w.c, 404, "NotFound");
	post(&w, "rollback", "{\"environment\":\"staging\"}");
	assert_answer(&w.c, 404, "NotFound");
	ask_json(w.t, &w.c, "POST", "/api/functions/nobody/rollback", "{}");
	assert_answer(&w.c, 404, "NotFound");
	static const char *const bad[] = {
		"{\"version\":0}", "{\"version\":-1}", "{\"version\":\"3\"}", "{\"version\":3000000000}", "{\"version\":1.5}", "{\"environment\":\"UP\"}", "{\"environment\":1}",
		"{\"note\":1}", "{\"note\":null}", "{\"note\":\"one\\ntwo\"}", "{\"note\":\"a\\tb\"}", "{\"note\":\"\\u001b[2J\"}", "{\"note\":\"\\u009b\"}", "{\"note\":\"\\u007f\"}",
		"{\"dryRun\":\"yes\"}", "{\"versoin\":1}", "[]", "{", "null",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		post(&w, "rollback", bad[i]);
		assert_answer(&w.c, 400, "BadRequest");
	}
	AUTO_FREE char *note = xmalloc(1002);
	memset(note, 'x', 1001);
	note[1001] = '\0';
	post(&w, "rollback", arena_printf(&w.a, "{\"note\":\"%s\"}", note));
	assert_answer(&w.c, 413, "TooLarge");
	ask_json(w.t, &w.c, "POST", "/api/functions/refused/rollback?environment=dev", "{}");
	assert_answer(&w.c, 400, "BadRequest");
	ask(w.t, &w.c, "GET", "/api/functions/refused/rollback");
	assert_answer(&w.c, 405, "MethodNotAllowed");
	assert_string_equal(peek(&w, arena_printf(&w.a, "SELECT count(*) FROM rollbacks WHERE function_id = '%s'", w.id)), "0");
	assert_int_equal(atomic_load(&w.t->hints), hints);
	ask(w.t, &w.c, "DELETE", "/api/functions/refused");
	assert_status(&w.c, 202);
	post(&w, "rollback", "{\"version\":1}");
	assert_answer(&w.c, 409, "Deleting");
}

static void test_rollback_that_fails_or_is_superseded(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "ends");
	for (int i = 0; i < 3; i++)
		(void)serve(&w, "dev", "follow", build(&w));
	post(&w, "rollback", "");
	assert_status(&w.c, 202);
	const char *first = arena_strdup(&w.a, json_str_or(w.c.json, "id", ""));
	must(rollback_fail(w.s, w.id, "dev", "Unhealthy", "version 2: no answer", &w.e), w.e);
	read_below(&w, arena_printf(&w.a, "rollbacks/%s", first));
	assert_at(&w, "state", "\"failed\"");
	assert_at(&w, "reason", "\"Unhealthy\"");
	assert_at(&w, "message", "\"version 2: no answer\"");
	assert_at(&w, "target/version", "3"); /* what keeps serving */
	assert_at(&w, "holds", "false");
	post(&w, "rollback", "{\"version\":2}");
	const char *second = arena_strdup(&w.a, json_str_or(w.c.json, "id", ""));
	post(&w, "rollback", "{\"version\":1}");
	assert_status(&w.c, 202);
	const char *third = arena_strdup(&w.a, json_str_or(w.c.json, "id", ""));
	read_below(&w, arena_printf(&w.a, "rollbacks/%s", second));
	assert_at(&w, "state", "\"superseded\"");
	assert_at(&w, "supersededBy/rollback", arena_printf(&w.a, "\"%s\"", third));
	assert_at(&w, "supersededBy/version", "1");
	assert_at(&w, "supersededBy/actor", "\"root\"");
	bool was;
	must(hold_lift(w.s, w.id, "dev", "ann", &was, &w.e), w.e);
	read_below(&w, arena_printf(&w.a, "rollbacks/%s", third));
	assert_at(&w, "state", "\"superseded\"");
	assert_at(&w, "supersededBy", "{\"actor\":\"ann\"}");
	read_below(&w, "rollbacks?limit=2");
	assert_at(&w, "items/0/id", arena_printf(&w.a, "\"%s\"", third));
	assert_at(&w, "items/0/liftedBy", "\"ann\"");
	assert_at(&w, "items/1/state", "\"superseded\"");
	const char *next = arena_strdup(&w.a, json_str_or(w.c.json, "next", ""));
	read_below(&w, arena_printf(&w.a, "rollbacks?limit=2&cursor=%s", next));
	assert_int_equal(json_array_size(json_object_get(w.c.json, "items")), 1);
	assert_at(&w, "items/0/id", arena_printf(&w.a, "\"%s\"", first));
	assert_at(&w, "next", "null");
	read_below(&w, "rollbacks?cursor=nonsense");
	assert_answer(&w.c, 400, "BadRequest");
	read_below(&w, arena_printf(&w.a, "rollbacks/%s", w.id));
	assert_answer(&w.c, 404, "NotFound");
	read_below(&w, "rollbacks/1");
	assert_answer(&w.c, 404, "NotFound");
	ask(w.t, &w.c, "GET", "/functions/nobody/rollbacks");
	assert_answer(&w.c, 404, "NotFound");
}

/* Many at once for one target: each is recorded, the last holds, and none is lost to a race. */
enum { RACERS = 6 };

struct racer {
	struct world *w;
	const char *url;
	struct call c;
	pthread_t thread;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	r->c = (struct call){.socket = r->w->t->socket, .method = "POST", .url = r->url, .headers = headers, .body = "{\"version\":1}", .nbody = strlen("{\"version\":1}")};
	call_run(&r->c);
	return NULL;
}

static void test_rollbacks_at_once(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "raced");
	struct racer racers[RACERS] = {0};
	(void)serve(&w, "dev", "follow", build(&w));
	(void)serve(&w, "dev", "follow", build(&w));
	for (size_t i = 0; i < RACERS; i++) {
		racers[i].w = &w;
		racers[i].url = "http://localhost/api/functions/raced/rollback";
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < RACERS; i++) {
		assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
		assert_status(&racers[i].c, 202);
		call_release(&racers[i].c);
	}
	const char *of = arena_printf(&w.a, "FROM rollbacks WHERE function_id = '%s'", w.id);
	assert_string_equal(peek(&w, arena_printf(&w.a, "SELECT count(*) %s AND state = 'superseded'", of)), "5");
	assert_string_equal(peek(&w, arena_printf(&w.a, "SELECT count(*) %s AND id = (SELECT hold FROM targets WHERE function_id = '%s') AND state = 'pending'", of, w.id)), "1");
}

/* Retention holds the version while the registry deletes its image: nobody waits for that with the function's row in hand. */
static void test_rollback_while_the_image_goes(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "going");
	const char *first = build(&w), *was, *since = peek(&w, "SELECT clock_timestamp()");
	const char *gave_way = arena_printf(&w.a, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query = 'ROLLBACK' "
						  "AND query_start > '%s'", since);
	(void)serve(&w, "dev", "follow", first);
	(void)serve(&w, "dev", "follow", build(&w));
	must(store_begin(w.s, &w.e), w.e);
	must(deployment_lock(w.s, first, &w.a, &was, &w.e), w.e);
	struct racer r = {.w = &w, .url = "http://localhost/api/functions/going/rollback"};
	assert_int_equal(pthread_create(&r.thread, NULL, race, &r), 0);
	static const char waits[] = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
	for (int64_t deadline = clock_mono_ms() + 10000; strcmp(peek(&w, gave_way), "0") == 0; (void)usleep(2000))
		if (clock_mono_ms() > deadline || strcmp(peek(&w, waits), "0") != 0)
			fail_msg("the rollback waits for the version's row");
	must(store_commit(w.s, &w.e), w.e);
	assert_int_equal(pthread_join(r.thread, NULL), 0);
	assert_status(&r.c, 202);
	call_release(&r.c);
}

/* ---- release-hold ---- */

static void test_release_hold(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "freed");
	(void)serve(&w, "dev", "follow", build(&w));
	(void)serve(&w, "dev", "follow", build(&w));
	post(&w, "release-hold", "");
	assert_answer(&w.c, 400, "NotHeld");
	post(&w, "rollback", "{\"note\":\"slow\"}");
	assert_status(&w.c, 202);
	int hints = atomic_load(&w.t->hints);
	post(&w, "release-hold", "{\"environment\":\"staging\"}");
	assert_answer(&w.c, 404, "NotFound");
	post(&w, "release-hold", "{\"version\":1}");
	assert_answer(&w.c, 400, "BadRequest");
	post(&w, "release-hold", "{\"environment\":\"dev\"}");
	assert_status(&w.c, 202);
	assert_int_equal(atomic_load(&w.t->hints), hints + 1);
	assert_at(&w, "released", "{\"actor\":\"root\",\"note\":\"slow\",\"version\":1}");
	assert_at(&w, "environment", "\"dev\"");
	assert_at(&w, "url", "\"http://freed.dev.fn.localhost:7380/\"");
	read_below(&w, "targets");
	assert_at(&w, "items/0/held", "false");
	assert_at(&w, "items/0/floor", "0");
	read_below(&w, "history?limit=1");
	assert_at(&w, "items/0/operation", "\"release-hold\"");
	ask(w.t, &w.c, "POST", "/functions/freed/release-hold");
	assert_answer(&w.c, 400, "NotHeld");
}

/* ---- apply of what is held ---- */

static const char *pin_again(struct world *w, const char *version)
{
	static const char pin[] = "apiVersion: fn/v1\nkind: Pin\nmetadata: {name: %s-staging}\nspec: {function: %s, environment: staging, version: %s}\n";
	AUTO_FREE char *yaml = xmalloc(sizeof pin + 3 * NAME_MAX_LEN);
	(void)sprintf(yaml, pin, w->name, w->name, version);
	ask_json(w->t, &w->c, "POST", "/api/apply", apply_body(w->t, yaml, NULL, NULL));
	assert_status(&w->c, 200);
	return at(w, "items/0/held");
}

static const char *declare_again(struct world *w, const char *spec)
{
	declare(w, spec);
	return at(w, "items/3/held");
}

static void test_apply_tells_what_is_held(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "applied");
	const char *one = serve(&w, "dev", "follow", build(&w));
	(void)serve(&w, "dev", "follow", build(&w));
	assert_string_equal(declare_again(&w, "env: {GREETING: one}"), "absent");
	post(&w, "rollback", "{\"note\":\"slow\"}");
	assert_status(&w.c, 202);
	const char *held = "[{\"actor\":\"root\",\"environment\":\"dev\",\"function\":\"applied\",\"note\":\"slow\",\"version\":1}]";
	assert_string_equal(declare_again(&w, "env: {GREETING: one}"), held); /* under way */
	acknowledge(&w, "dev", one);
	assert_string_equal(declare_again(&w, "env: {GREETING: one}"), held);
	assert_at(&w, "items/3/change", "\"unchanged\"");
	assert_at(&w, "items/1/held", "absent");
	assert_string_equal(declare_again(&w, "env: {GREETING: two}"), held); /* applies onto the held version, and makes no new one */
	assert_at(&w, "items/3/change", "\"configured\"");
	assert_string_equal(declare_again(&w, "env: {GREETING: two}, command: [other]"), "absent"); /* a new version is on its way */
	(void)build(&w);
	assert_string_equal(declare_again(&w, "env: {GREETING: two}, command: [other]"), "absent"); /* and above the floor */
	(void)peek(&w, arena_printf(&w.a, "UPDATE targets SET hold = NULL WHERE function_id = '%s'", w.id));
	assert_string_equal(declare_again(&w, "env: {GREETING: two}"), "absent");
}

/* What does not follow latest waits for no version. */
static void test_apply_of_what_is_pinned_and_held(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "pinned");
	(void)serve(&w, "staging", "pin", build(&w));
	const char *second = build(&w);
	assert_string_equal(pin_again(&w, "2"), "absent");
	(void)serve(&w, "staging", "pin", second);
	post(&w, "rollback", "{\"environment\":\"staging\"}");
	assert_status(&w.c, 202);
	const char *held = "[{\"actor\":\"root\",\"environment\":\"staging\",\"function\":\"pinned\",\"note\":\"\",\"version\":1}]";
	assert_string_equal(pin_again(&w, "2"), held);
	assert_string_equal(declare_again(&w, "env: {GREETING: one}, command: [other]"), held);
	assert_string_equal(pin_again(&w, "1"), "absent"); /* it says something else now */
}

/* ---- versions ---- */

static void test_one_version(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "shown");
	const char *one = serve(&w, "dev", "follow", build(&w));
	const char *again = serve(&w, "staging", "explicit", build(&w));
	(void)serve(&w, "dev", "follow", build(&w));
	run_instances(&w, "dev", &one, 1);
	run_instances(&w, "staging", &again, 1);
	read_below(&w, "deployments/1");
	assert_status(&w.c, 200);
	assert_at(&w, "version", "1");
	assert_at(&w, "function", "\"shown\"");
	assert_at(&w, "note", "\"why\"");
	assert_at(&w, "createdBy", "\"tester\"");
	assert_at(&w, "size", "2048");
	assert_at(&w, "activeIn", "[]");
	assert_at(&w, "archive", arena_printf(&w.a, "\"functions/%s/v1/function.tar.gz\"", w.id));
	assert_at(&w, "releases/0/release", "1");
	assert_at(&w, "releases/0/environment", "\"dev\"");
	assert_at(&w, "releases/0/instances", "1");
	assert_true(json_is_string(json_object_get(json_array_get(json_object_get(w.c.json, "releases"), 0), "unroutedAt")));
	assert_non_null(strstr(at(&w, "keptBy"), "\"runs in dev\""));
	/* It is warm: it answers at its own hosts. */
	assert_at(&w, "urls", "[{\"environment\":\"dev\",\"release\":null,\"url\":\"http://shown--v1.dev.fn.localhost:7380/\"},"
			      "{\"environment\":\"dev\",\"release\":1,\"url\":\"http://shown--r1.dev.fn.localhost:7380/\"}]");
	read_below(&w, "deployments/v2");
	assert_at(&w, "version", "2");
	assert_at(&w, "activeIn", "[\"staging\"]");
	assert_at(&w, "urls/0/url", "\"http://shown--v2.staging.fn.localhost:7380/\"");
	ask(w.t, &w.c, "GET", arena_printf(&w.a, "/functions/%s/deployments/3", w.id));
	assert_status(&w.c, 200);
	assert_at(&w, "urls", "[]"); /* no instance of it is recorded */
	static const char *const missing[] = {"deployments/4", "deployments/0", "deployments/v", "deployments/x", "deployments/3x", "deployments/99999999999", "deployments/-1"};
	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		read_below(&w, missing[i]);
		assert_answer(&w.c, 404, "NotFound");
	}
	read_below(&w, "deployments");
	assert_at(&w, "items/0/function", "\"shown\"");
	assert_at(&w, "items/0/version", "3");
}

static void test_versions_of_all_functions(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_WORLD struct world v;
	world_open(&w, state, "alpha");
	world_open(&v, state, "beta");
	(void)build(&w);
	(void)build(&v);
	(void)build(&w);
	ask(w.t, &w.c, "GET", "/deployments?limit=2");
	assert_status(&w.c, 200);
	assert_at(&w, "items/0/function", "\"alpha\"");
	assert_at(&w, "items/0/version", "2");
	assert_at(&w, "items/1/function", "\"beta\"");
	const char *next = arena_strdup(&w.a, json_str_or(w.c.json, "next", ""));
	(void)build(&v);
	ask(w.t, &w.c, "GET", arena_printf(&w.a, "/api/deployments?limit=1&cursor=%s", next));
	assert_at(&w, "items/0/function", "\"alpha\"");
	assert_at(&w, "items/0/version", "1");
	ask(w.t, &w.c, "GET", "/api/deployments?project=else");
	assert_at(&w, "items", "[]");
	ask(w.t, &w.c, "GET", "/api/deployments?project=else&all=true&limit=1");
	assert_at(&w, "items/0/function", "\"beta\"");
	ask(w.t, &w.c, "GET", "/api/deployments?cursor=nonsense");
	assert_answer(&w.c, 400, "BadRequest");
	ask(w.t, &w.c, "GET", "/api/deployments?limit=0");
	assert_answer(&w.c, 400, "BadRequest");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rollback_says_what_it_does),
		cmocka_unit_test(test_rollback_by_version), cmocka_unit_test(test_rollback_before_the_image_went),
		cmocka_unit_test(test_rollback_refusals),
		cmocka_unit_test(test_rollback_that_fails_or_is_superseded),
		cmocka_unit_test(test_rollbacks_at_once), cmocka_unit_test(test_rollback_while_the_image_goes),
		cmocka_unit_test(test_release_hold),
		cmocka_unit_test(test_apply_tells_what_is_held),
		cmocka_unit_test(test_apply_of_what_is_pinned_and_held),
		cmocka_unit_test(test_one_version),
		cmocka_unit_test(test_versions_of_all_functions),
	};
	return cmocka_run_group_tests(tests, env_set_up, env_tear_down);
}
