/* Documents in: apply, plan, delete, and reading back, over a real PostgreSQL. */
#include "api_env.h"

#define RUNTIME(name) "apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: " name "}\nspec: {base: scratch}\n"
#define ENVIRONMENT(name, spec) "apiVersion: fn/v1\nkind: Environment\nmetadata: {name: " name "}\nspec: " spec "\n"
#define FUNCTION(name, runtime, port) \
	"apiVersion: fn/v1\nkind: Function\nmetadata: {name: " name "}\nspec: {runtime: " runtime ", source: ./" name ", command: [run], port: " port "}\n"

static const char *upload_text(struct api_env *t, const char *text)
{
	AUTO_CALL struct call c = {0};
	struct digest d = digest_of_str(text);
	char digest[DIGEST_TEXT];
	env_put(t, &c, &d, text, strlen(text));
	assert_true(c.status == 201 || c.status == 200);
	return arena_strdup(&t->arena, digest_text(&d, digest));
}

static const json_t *item(const struct call *c, const char *list, size_t i) { return json_array_get(json_object_get(c->json, list), i); }

static void test_apply_and_read(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *digest = upload_text(t, "source of web");
	const char *body = apply_body(t, FUNCTION("web", "apple", "8081") "---\n" RUNTIME("apple") "---\n" ENVIRONMENT("dev", "{follow: latest}"), "default/web", digest);
	int hints = atomic_load(&t->hints);
	ask_json(t, &c, "POST", "/api/apply", body);
	assert_status(&c, 200);
	assert_int_equal(atomic_load(&t->hints), hints + 1);
	static const char *const kinds[] = {"Function", "Runtime", "Environment"}; /* in the order of the file */
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(json_str_or(item(&c, "items", i), "kind", ""), kinds[i]);
		assert_string_equal(json_str_or(item(&c, "items", i), "change", ""), "created");
		assert_int_equal(json_int_or(item(&c, "items", i), "generation", 0), 1);
	}
	const char *uid = arena_strdup(&t->arena, json_str_or(item(&c, "items", 0), "uid", ""));
	ask_json(t, &c, "POST", "/api/apply", body);
	assert_status(&c, 200);
	assert_string_equal(json_str_or(item(&c, "items", 0), "change", ""), "unchanged");
	assert_int_equal(atomic_load(&t->hints), hints + 1);
	ask_json(t, &c, "POST", "/apply", apply_body(t, FUNCTION("web", "apple", "8082"), "default/web", digest));
	assert_string_equal(json_str_or(item(&c, "items", 0), "change", ""), "configured");
	assert_int_equal(json_int_or(item(&c, "items", 0), "generation", 0), 2);
	ask(t, &c, "GET", "/api/functions/web");
	assert_status(&c, 200);
	assert_int_equal(json_int_or(json_object_get(c.json, "spec"), "port", 0), 8082);
	assert_int_equal(json_int_or(json_object_get(c.json, "metadata"), "generation", 0), 2);
	assert_non_null(json_object_get(c.json, "status"));
	AUTO_FREE char *by_name = xstrdup(buf_str(&c.text));
	ask(t, &c, "GET", arena_printf(&t->arena, "/api/functions/%s", uid));
	assert_status(&c, 200);
	assert_string_equal(buf_str(&c.text), by_name);
	static const char *const below[] = {"deployments", "history", "targets"};
	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		ask(t, &c, "GET", arena_printf(&t->arena, "/api/functions/%s/%s", uid, below[i]));
		assert_status(&c, 200);
		assert_true(json_is_array(json_object_get(c.json, "items")));
	}
	ask(t, &c, "GET", "/api/events?kind=fn&name=web");
	const json_t *first = item(&c, "items", 0);
	assert_string_equal(json_str_or(first, "reason", ""), "Applied");
	assert_non_null(strstr(json_str_or(first, "message", ""), "by root from test.yaml:1"));
}

static size_t count(struct api_env *t, const char *path)
{
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", path);
	assert_status(&c, 200);
	return json_array_size(json_object_get(c.json, "items"));
}

static bool has_problem(const struct call *c, const char *reason, const char *object, int line)
{
	size_t i;
	const json_t *p;
	json_array_foreach(json_object_get(c->json, "problems"), i, p)
		if (strcmp(json_str_or(p, "reason", ""), reason) == 0 && strcmp(json_str_or(p, "object", ""), object) == 0 && json_int_or(p, "line", 0) == line &&
		    json_int_or(p, "column", 0) > 0 && strcmp(json_str_or(p, "file", ""), "test.yaml") == 0 && *json_str_or(p, "message", ""))
			return true;
	return false;
}

static void test_apply_tells_every_problem(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	size_t events = count(t, "/api/events"), runtimes = count(t, "/api/runtimes");
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, RUNTIME("bad1") "---\n" FUNCTION("bad2", "apple", "99999") "---\n" FUNCTION("bad3", "apple", "80"), NULL, NULL));
	assert_status(&c, 422);
	assert_true(json_array_size(json_object_get(c.json, "problems")) >= 2);
	assert_true(has_problem(&c, "SourceMissing", "function/bad3", 11));
	bool port = false;
	for (size_t i = 0; i < json_array_size(json_object_get(c.json, "problems")); i++)
		port = port || strcmp(json_str_or(item(&c, "problems", i), "reason", ""), "InvalidValue") == 0;
	assert_true(port);
	const char *digest = upload_text(t, "source of bad");
	const char *references = RUNTIME("bad1") "---\n" FUNCTION("bad2", "missing", "80") "---\n" ENVIRONMENT("bad4", "{inherits: nowhere}") "---\n" ENVIRONMENT(
		"bad5", "{inherits: bad6}") "---\n" ENVIRONMENT("bad6", "{inherits: bad5}");
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, references, "default/bad2", digest));
	assert_status(&c, 422);
	assert_true(has_problem(&c, "UnknownRuntime", "function/bad2", 6));
	assert_true(has_problem(&c, "InvalidReference", "environment/bad4", 11));
	assert_true(has_problem(&c, "InheritanceCycle", "environment/bad5", 16) || has_problem(&c, "InheritanceCycle", "environment/bad6", 21));
	const char *unknown = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, FUNCTION("bad2", "apple", "80"), "default/bad2", unknown));
	assert_answer(&c, 422, "SourceMissing");
	assert_true(has_problem(&c, "SourceMissing", "function/bad2", 1));
	assert_int_equal(count(t, "/api/runtimes"), runtimes); /* none of them, not even the good one */
	assert_int_equal(count(t, "/api/events"), events);
	ask(t, &c, "GET", "/api/environments/bad4");
	assert_answer(&c, 404, "NotFound");
}

static void test_source_of_the_current_manifest_is_enough(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *digest = upload_text(t, "source of kept");
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, FUNCTION("kept", "apple", "80"), "default/kept", digest));
	assert_status(&c, 200);
	AUTO_FREE char *path = xprintf("%s/uploads/%s", t->home, digest + 7);
	assert_int_equal(unlink(path), 0);
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, FUNCTION("kept", "apple", "81"), "default/kept", digest));
	assert_status(&c, 200);
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, FUNCTION("other", "apple", "81"), "default/other", digest));
	assert_answer(&c, 422, "SourceMissing");
}

static void test_bodies_that_are_no_apply(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	static const char *const bodies[] = {
		"", "{", "null", "[]", "{}", "{\"files\":[]}", "{\"files\":{}}", "{\"files\":[1]}", "{\"files\":[{\"name\":\"a\"}]}", "{\"files\":[{\"name\":1,\"text\":\"\"}]}",
		"{\"files\":[{\"name\":\"\",\"text\":\"\"}]}", "{\"files\":[{\"name\":\"a\",\"text\":\"\"}]}", "{\"file\":[]}", "{\"files\":[],\"files\":[]}",
		"{\"files\":[{\"name\":\"a\",\"text\":\"\\u0000\"}]}", "{\"files\":[{\"name\":\"a\",\"text\":\"x\"}],\"force\":1}",
		"{\"files\":[{\"name\":\"a\",\"text\":\"# nothing\"}],\"sources\":{\"default/x\":\"sha256:1\"}}",
		"{\"files\":[{\"name\":\"a\",\"text\":\"# nothing\"}],\"sources\":[]}", "\xff\xfe{}", "{\"files\":[{\"name\":\"a\",\"text\":\"\xff\"}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		ask_json(t, &c, "POST", "/api/apply", bodies[i]);
		assert_answer(&c, 400, "BadRequest");
		ask_json(t, &c, "POST", "/api/plan", bodies[i]);
		assert_answer(&c, 400, "BadRequest");
	}
	AUTO_FREE char *deep = xmalloc(200001);
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	ask_json(t, &c, "POST", "/api/apply", deep);
	assert_answer(&c, 413, "TooLarge");
	deep[40000] = '\0';
	ask_json(t, &c, "POST", "/api/apply", deep);
	assert_answer(&c, 400, "BadRequest");
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, "a: [", NULL, NULL));
	assert_answer(&c, 422, "InvalidYaml");
	c.headers = NULL;
	call_run(&c);
	assert_answer(&c, 400, "BadRequest"); /* curl calls it a form */
	static const char *const yaml[] = {"Content-Type: application/yaml; charset=utf-8", NULL};
	c.headers = yaml;
	c.body = RUNTIME("as-yaml");
	c.nbody = strlen(c.body);
	c.url = "http://localhost/api/apply?dryRun=true";
	call_run(&c);
	assert_status(&c, 200);
	assert_string_equal(json_str_or(item(&c, "items", 0), "change", ""), "created");
	ask(t, &c, "GET", "/api/runtimes/as-yaml");
	assert_answer(&c, 404, "NotFound");
}

static enum err_class plan_steps(void *ctx, struct store *s, const struct manifest *const *docs, size_t n, struct arena *a, json_t **ret, struct err *e)
{
	(void)s, (void)a;
	if (!*(const bool *)ctx)
		return err_set(e, TRANSIENT, R_NodeUnavailable, "fn-node does not answer");
	json_t *steps = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(steps, json_pack("[s+]", "look at ", docs[i]->name));
	*ret = steps;
	return OK;
}

static void test_plan_changes_nothing(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	bool node_up = true;
	const char *digest = upload_text(t, "source of planned");
	const char *runtime = RUNTIME("planned-runtime") "---\n";
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, FUNCTION("planned", "apple", "80"), "default/planned", digest));
	assert_status(&c, 200);
	api_stop(t->api);
	t->opts.plan = plan_steps;
	t->opts.plan_ctx = &node_up;
	env_start(t);
	size_t events = count(t, "/api/events"), work = count(t, "/api/work");
	const char *body = apply_body(t, arena_printf(&t->arena, "%s%s", FUNCTION("planned", "planned-runtime", "81") "---\n", runtime), "default/planned", digest);
	ask_json(t, &c, "POST", "/api/plan", body);
	assert_status(&c, 200);
	assert_int_equal(json_int_or(c.json, "changes", 0), 2);
	AUTO_FREE char *diff = json_text(json_object_get(item(&c, "items", 0), "diff"));
	assert_string_equal(diff, "[{\"from\":80,\"op\":\"~\",\"path\":\"spec.port\",\"to\":81},"
				  "{\"from\":\"apple\",\"op\":\"~\",\"path\":\"spec.runtime\",\"to\":\"planned-runtime\"}]");
	AUTO_FREE char *steps = json_text(json_object_get(item(&c, "items", 0), "steps"));
	assert_string_equal(steps, "[\"look at planned\"]");
	assert_string_equal(json_str_or(item(&c, "items", 1), "change", ""), "created");
	assert_null(json_object_get(c.json, "stepsMissing"));
	node_up = false;
	ask_json(t, &c, "POST", "/api/plan", body);
	assert_status(&c, 200);
	assert_null(json_object_get(item(&c, "items", 0), "steps"));
	assert_string_equal(json_str_or(json_object_get(c.json, "stepsMissing"), "reason", ""), "NodeUnavailable");
	ask_json(t, &c, "POST", "/api/plan", apply_body(t, FUNCTION("planned", "apple", "80"), "default/planned", digest));
	assert_int_equal(json_int_or(c.json, "changes", -1), 0);
	ask(t, &c, "GET", "/api/runtimes/planned-runtime");
	assert_answer(&c, 404, "NotFound");
	ask(t, &c, "GET", "/api/functions/planned");
	assert_int_equal(json_int_or(json_object_get(c.json, "spec"), "port", 0), 80);
	assert_int_equal(count(t, "/api/events"), events);
	assert_int_equal(count(t, "/api/work"), work);
	api_stop(t->api);
	t->opts.plan = NULL;
	env_start(t);
}

static void test_pages(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	AUTO_BUF struct buf yaml = BUF_INIT(1 << 20);
	enum { N = 23, PAGE = 5 };
	assert_true(buf_puts(&yaml, "apiVersion: fn/v1\nkind: Project\nmetadata: {name: pages}\nspec: {}\n"));
	for (int i = 0; i < N; i++)
		assert_true(buf_printf(&yaml, "---\napiVersion: fn/v1\nkind: Environment\nmetadata: {name: e%02d, project: pages}\nspec: {}\n", i));
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, buf_str(&yaml), NULL, NULL));
	assert_status(&c, 200);
	const char *cursor = "";
	int seen = 0, pages = 0;
	do {
		ask(t, &c, "GET", arena_printf(&t->arena, "/api/environments?project=pages&limit=%d&cursor=%s", PAGE, cursor));
		assert_status(&c, 200);
		const json_t *items = json_object_get(c.json, "items");
		for (size_t i = 0; i < json_array_size(items); i++) {
			AUTO_FREE char *name = xprintf("e%02d", seen++);
			assert_string_equal(json_str_or(json_object_get(json_array_get(items, i), "metadata"), "name", ""), name);
		}
		cursor = arena_strdup(&t->arena, json_str_or(c.json, "next", NULL));
		pages++;
	} while (cursor);
	assert_int_equal(seen, N);
	assert_int_equal(pages, 5);
	assert_int_equal(count(t, "/api/environments?project=default&limit=500") + N, count(t, "/api/environments?all=true&limit=500"));
}

static void test_delete(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *digest = upload_text(t, "source of gone");
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, RUNTIME("gone-runtime") "---\n" FUNCTION("gone", "gone-runtime", "80"), "default/gone", digest));
	assert_status(&c, 200);
	ask(t, &c, "DELETE", "/api/runtimes/gone-runtime");
	assert_answer(&c, 409, "InUse");
	int hints = atomic_load(&t->hints);
	ask(t, &c, "DELETE", "/api/functions/gone");
	assert_status(&c, 202);
	assert_string_equal(json_str_or(c.json, "change", ""), "deleting");
	assert_int_equal(atomic_load(&t->hints), hints + 1);
	ask(t, &c, "DELETE", "/api/functions/gone?project=pages");
	assert_answer(&c, 404, "NotFound");
}

static void test_another_owner(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, RUNTIME("owned") "---\n" RUNTIME("free"), NULL, NULL));
	assert_status(&c, 200);
	free(postgres_sql(t->conninfo, "UPDATE manifests SET owner = 'git:repository', source = 'abc:owned.yaml:3' WHERE name = 'owned'"));
	const char *changed = "apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: owned}\nspec: {base: scratch, workdir: /srv}\n";
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, changed, NULL, NULL));
	assert_answer(&c, 409, "OwnedByManifest");
	assert_true(has_problem(&c, "OwnedByManifest", "runtime/owned", 1));
	assert_non_null(strstr(buf_str(&c.text), "abc:owned.yaml:3"));
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, arena_printf(&t->arena, "%s---\n%s", changed, ENVIRONMENT("lost", "{inherits: nowhere}")), NULL, NULL));
	assert_answer(&c, 422, "InvalidReference"); /* more than ownership is wrong */
	assert_int_equal(json_array_size(json_object_get(c.json, "problems")), 2);
	AUTO_JSON json_t *body = json_pack("{s:[{s:s,s:s}],s:b}", "files", "name", "test.yaml", "text", changed, "force", 1);
	ask_json(t, &c, "POST", "/api/apply", json_text_arena(body, &t->arena));
	assert_status(&c, 200);
	assert_string_equal(json_str_or(item(&c, "items", 0), "change", ""), "configured");
}

struct racer {
	struct api_env *t;
	const char *body;
	long bad; /* a status that was not 200 */
};

static void *race(void *ctx)
{
	struct racer *r = ctx;
	struct arena urls = ARENA_INIT;
	struct api_env mine = *r->t;
	mine.arena = urls; /* arenas are not for several threads */
	for (int i = 0; i < 10 && !r->bad; i++) {
		AUTO_CALL struct call c = {0};
		ask_json(&mine, &c, "POST", "/api/apply", r->body);
		if (c.status != 200)
			r->bad = c.status ? c.status : -1;
	}
	arena_release(&mine.arena);
	return NULL;
}

static void test_concurrent_applies(void **state)
{
	struct api_env *t = env(state);
	const char *digest = upload_text(t, "source of raced");
	const char *one = FUNCTION("raced", "apple", "80") "---\n" ENVIRONMENT("race-a", "{follow: latest}") "---\n" ENVIRONMENT("race-b", "{inherits: race-a}");
	const char *two = ENVIRONMENT("race-b", "{inherits: race-a}") "---\n" ENVIRONMENT("race-a", "{follow: latest, env: {A: '1'}}") "---\n" FUNCTION("raced", "apple", "81");
	const char *bodies[] = {apply_body(t, one, "default/raced", digest), apply_body(t, two, "default/raced", digest)};
	struct racer racers[6];
	pthread_t threads[ARRAY_LEN(racers)];
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		racers[i] = (struct racer){t, bodies[i % 2], 0};
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(racers); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(racers); i++)
		assert_int_equal(racers[i].bad, 0);
	AUTO_CALL struct call c = {0};
	ask(t, &c, "GET", "/api/functions/raced");
	assert_status(&c, 200);
}

static void test_database_down(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	postgres_kill(&t->pg);
	ask(t, &c, "GET", "/api/functions");
	assert_answer(&c, 503, "DatabaseUnavailable");
	ask(t, &c, "GET", "/readyz");
	assert_answer(&c, 503, "DatabaseUnavailable");
	ask(t, &c, "GET", "/healthz");
	assert_status(&c, 200);
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, RUNTIME("later"), NULL, NULL));
	assert_answer(&c, 503, "DatabaseUnavailable");
	postgres_restart(&t->pg);
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, RUNTIME("later"), NULL, NULL));
	assert_status(&c, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_and_read),
		cmocka_unit_test(test_apply_tells_every_problem),
		cmocka_unit_test(test_source_of_the_current_manifest_is_enough),
		cmocka_unit_test(test_bodies_that_are_no_apply),
		cmocka_unit_test(test_plan_changes_nothing),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_another_owner),
		cmocka_unit_test(test_concurrent_applies),
		cmocka_unit_test(test_database_down),
	};
	(void)unsetenv("FN_TEST_PG"); /* one of them ends the server; fails only for a bad name */
	return cmocka_run_group_tests(tests, env_set_up, env_tear_down);
}
