/* What a collection would do and how one does, as the API tells it, over a real PostgreSQL. The loop's part is played by the store. */
#include "rollback_case.h"

#include "schema/retention.h"

static const json_t *items(struct world *w) { return json_object_get(w->c.json, "items"); }

static const char *member(struct world *w, size_t i, const char *key)
{
	const json_t *v = json_object_get(json_array_get(items(w), i), key);
	return v ? json_text_arena(json_array_size(v) ? json_array_get(v, 0) : v, &w->a) : "absent";
}

static void test_what_would_go(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "kept");
	declare(&w, "retention: {versions: 1}");
	const char *path = "/api/gc?function=kept&project=default";
	const char *one = build(&w);
	(void)build(&w);
	(void)serve(&w, "dev", "follow", build(&w));
	ask(w.t, &w.c, "GET", path);
	assert_status(&w.c, 200);
	assert_int_equal(json_array_size(items(&w)), 3);
	assert_string_equal(member(&w, 0, "version"), "3");
	assert_string_equal(member(&w, 0, "keptBy"), "\"active in dev\"");
	assert_string_equal(member(&w, 0, "rule"), "null");
	assert_string_equal(member(&w, 1, "due"), "\"archive\"");
	assert_string_equal(member(&w, 2, "rule"), "\"beyond the newest 1 that were built\"");
	assert_int_equal(json_int_or(json_object_get(w.c.json, "totals"), "versions", -1), 2);
	assert_true(json_is_array(json_object_get(w.c.json, "collections")));
	/* by pages: the cursor is opaque, but for being checked */
	ask(w.t, &w.c, "GET", "/gc?function=kept&limit=2");
	const char *next = arena_strdup(&w.a, json_str_or(w.c.json, "next", NULL));
	assert_non_null(next);
	AUTO_FREE char *escaped = curl_easy_escape(NULL, next, 0);
	ask(w.t, &w.c, "GET", arena_printf(&w.a, "/gc?function=kept&limit=2&cursor=%s", escaped));
	assert_int_equal(json_array_size(items(&w)), 1);
	assert_string_equal(member(&w, 0, "id"), arena_printf(&w.a, "\"%s\"", one));
	assert_true(json_is_null(json_object_get(w.c.json, "next")));
	assert_null(json_object_get(w.c.json, "totals"));
	/* of the installation: what its directories hold as well */
	ask(w.t, &w.c, "GET", "/api/gc");
	assert_status(&w.c, 200);
	assert_non_null(json_object_get(json_object_get(w.c.json, "totals"), "cache"));
	assert_non_null(json_object_get(json_object_get(w.c.json, "totals"), "uploads"));
	ask(w.t, &w.c, "GET", "/api/gc?function=nothing");
	assert_int_equal(json_array_size(items(&w)), 0);
}

static void test_refusals(void **state)
{
	static const char *const bad[] = {"/api/gc?cursor=x", "/api/gc?cursor=default%20hello%20x%201", "/api/gc?cursor=a%20b%200a3c5d5e-0000-0000-0000-00000000000g%201",
					  "/api/gc?limit=0", "/api/gc?limit=1001", "/api/gc?function=UPPER", "/api/gc?nonsense=1"};
	AUTO_WORLD struct world w;
	world_open(&w, state, "refused");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ask(w.t, &w.c, "GET", bad[i]);
		if (w.c.status != 400)
			fail_msg("%s: %ld", bad[i], (long)w.c.status);
	}
	ask(w.t, &w.c, "GET", "/api/gc/999999");
	assert_answer(&w.c, 404, "NotFound");
	ask(w.t, &w.c, "GET", "/api/gc/x");
	assert_answer(&w.c, 404, "NotFound");
	ask(w.t, &w.c, "DELETE", "/api/gc");
	assert_answer(&w.c, 405, "MethodNotAllowed");
}

static void test_asking(void **state)
{
	AUTO_WORLD struct world w;
	world_open(&w, state, "asked");
	int hints = atomic_load(&w.t->hints);
	ask(w.t, &w.c, "POST", "/api/gc");
	assert_status(&w.c, 202);
	int64_t id = json_int_or(w.c.json, "id", 0);
	assert_true(id > 0);
	assert_int_equal(atomic_load(&w.t->hints), hints + 1);
	assert_string_equal(peek(&w, "SELECT seq <> done_seq FROM work WHERE key = '" COLLECTION_KEY "'"), "t");
	const char *path = arena_printf(&w.a, "/api/gc/%lld", (long long)id);
	ask(w.t, &w.c, "GET", path);
	assert_status(&w.c, 200);
	assert_string_equal(json_str_or(w.c.json, "state", ""), "waiting");
	assert_string_equal(json_str_or(w.c.json, "actor", ""), "root");
	must(collection_begin(w.s, &w.e), w.e);
	ask(w.t, &w.c, "GET", path);
	assert_string_equal(json_str_or(w.c.json, "state", ""), "running");
	AUTO_JSON json_t *part = json_pack("{s:i, s:i}", "count", 3, "bytes", 4096);
	must(collection_part(w.s, id, "cache", part, &w.e), w.e);
	must(collection_end(w.s, id, "RegistryUnavailable", "it is away", &w.e), w.e);
	ask(w.t, &w.c, "GET", path);
	assert_string_equal(json_str_or(w.c.json, "state", ""), "incomplete");
	assert_string_equal(json_str_or(w.c.json, "reason", ""), "RegistryUnavailable");
	assert_int_equal(json_int_or(json_object_get(json_object_get(w.c.json, "result"), "cache"), "bytes", 0), 4096);
	ask(w.t, &w.c, "GET", "/api/gc");
	assert_int_equal(json_int_or(json_array_get(json_object_get(w.c.json, "collections"), 0), "id", 0), id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_would_go), cmocka_unit_test(test_refusals), cmocka_unit_test(test_asking)};
	return cmocka_run_group_tests(tests, env_set_up, env_tear_down);
}
