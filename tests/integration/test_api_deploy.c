/* Explicit deploys over the API and a real PostgreSQL: what is numbered, what is declared by it, and what is refused. */
#include "api_env.h"

#include <dirent.h>

#define RUNTIME(name) "apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: " name "}\nspec: {base: scratch}\n"
#define ENVIRONMENT(name, spec) "apiVersion: fn/v1\nkind: Environment\nmetadata: {name: " name "}\nspec: " spec "\n"
#define FUNCTION(name, port) \
	"apiVersion: fn/v1\nkind: Function\nmetadata: {name: " name "}\nspec: {runtime: apple, source: ./" name ", command: [run], port: " port "}\n"
#define PIN(name, function, environment, version) \
	"apiVersion: fn/v1\nkind: Pin\nmetadata: {name: " name "}\nspec: {function: " function ", environment: " environment ", version: " version "}\n"

static const char gzip_head[] = "\x1f\x8b\x08\x00";

static const char *upload_text(struct api_env *t, const char *text)
{
	AUTO_CALL struct call c = {0};
	struct digest d = digest_of_str(text);
	char digest[DIGEST_TEXT];
	env_put(t, &c, &d, text, strlen(text));
	assert_true(c.status == 201 || c.status == 200);
	return arena_strdup(&t->arena, digest_text(&d, digest));
}

static const char *peek(struct api_env *t, const char *sql)
{
	AUTO_FREE char *text = postgres_sql(t->conninfo, sql);
	return arena_strndup(&t->arena, text, strcspn(text, "\n"));
}

#define assert_peek(t, sql, expected) assert_string_equal(peek(t, sql), expected)

static void deploy(struct api_env *t, struct call *c, const char *name, const char *body)
{
	ask_json(t, c, "POST", arena_printf(&t->arena, "/api/functions/%s/deploy", name), body);
}

static int64_t deployed(struct api_env *t, const char *name, const char *body)
{
	AUTO_CALL struct call c = {0};
	deploy(t, &c, name, body);
	assert_status(&c, 202);
	return json_int_or(c.json, "version", 0);
}

/* By its document, source included. */
static const char *document(struct api_env *t, const char *name, const char *port)
{
	const char *yaml = arena_printf(&t->arena, "apiVersion: fn/v1\nkind: Function\nmetadata: {name: %s}\nspec: {runtime: apple, source: ./%s, command: [run], port: %s}\n",
					name, name, port);
	return apply_body(t, yaml, arena_printf(&t->arena, "default/%s", name), upload_text(t, name));
}

/* The archive itself, as curl --data-binary sends it. */
static void deploy_archive(struct api_env *t, struct call *c, const char *name_and_query, const char *type, const void *p, size_t n)
{
	const char *const headers[] = {arena_printf(&t->arena, "Content-Type: %s", type), NULL};
	c->socket = t->socket;
	c->method = "POST";
	c->url = arena_printf(&t->arena, "http://localhost/api/functions/%s", name_and_query);
	c->headers = headers;
	c->body = p;
	c->nbody = n;
	call_run(c);
	c->headers = NULL;
}

static size_t uploads(struct api_env *t)
{
	AUTO_FREE char *path = xprintf("%s/uploads", t->home);
	DIR *d = opendir(path);
	assert_non_null(d);
	size_t n = 0;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;)
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
	(void)closedir(d);
	return n;
}

static int set_up(void **state)
{
	(void)env_set_up(state);
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	ask_json(t, &c, "POST", "/api/apply",
		 apply_body(t, RUNTIME("apple") "---\n" ENVIRONMENT("dev", "{follow: latest}") "---\n" ENVIRONMENT("staging", "{inherits: dev}") "---\n" ENVIRONMENT(
				       "production", "{}"), NULL, NULL));
	assert_status(&c, 200);
	return 0;
}

static void test_a_document_creates_and_numbers(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	int hints = atomic_load(&t->hints);
	const char *body = document(t, "first", "8080");
	deploy(t, &c, "first", body);
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 1);
	assert_true(json_bool_or(c.json, "created", false));
	assert_int_equal(json_int_or(c.json, "generation", 0), 1);
	assert_string_equal(json_str_or(c.json, "environment", ""), "dev");
	assert_string_equal(json_str_or(c.json, "url", ""), "http://first.dev.fn.localhost:7380/");
	assert_true(json_is_null(json_object_get(c.json, "released")));
	assert_int_equal(atomic_load(&t->hints), hints + 1);
	const char *id = arena_strdup(&t->arena, json_str_or(c.json, "id", ""));
	assert_peek(t, "SELECT concat_ws(' ', status, created_by, source_kind, runtime, base, spec->'runtimeSpec'->>'base') FROM function_deployments", "building root api apple scratch scratch");
	assert_peek(t, "SELECT string_agg(key, ' ' ORDER BY key) FROM work WHERE key LIKE '%first%' AND seq <> done_seq",
		    "function/default/first target/default/first/dev target/default/first/production target/default/first/staging");
	assert_peek(t, "SELECT count(*) FROM targets", "0"); /* dev follows latest: it moves by itself */
	/* Nothing has changed: the next number all the same. */
	deploy(t, &c, "first", body);
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 2);
	assert_false(json_bool_or(c.json, "created", true));
	assert_int_equal(json_int_or(c.json, "generation", 0), 1);
	/* As it is declared; the path without /api, the function by its id. */
	free(postgres_sql(t->conninfo, "UPDATE work SET done_seq = seq"));
	ask_json(t, &c, "POST", arena_printf(&t->arena, "/functions/%s/deploy", id), "{\"note\":\"once more\"}");
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 3);
	assert_string_equal(json_str_or(c.json, "function", ""), "first");
	assert_peek(t, "SELECT string_agg(key, ' ' ORDER BY key) FROM work WHERE key LIKE '%first%' AND seq <> done_seq",
		    "function/default/first target/default/first/dev");
	assert_peek(t, "SELECT count(DISTINCT input_hash) || ' ' || count(*) FROM function_deployments", "1 3");
	assert_peek(t, "SELECT note FROM function_deployments WHERE version = 3", "once more");
	assert_peek(t, "SELECT string_agg(operation || ': ' || message, ', ' ORDER BY id) FROM function_logs",
		    "deploy: version 1 by root, deploy: version 2 by root, deploy: version 3 by root: once more");
	ask(t, &c, "GET", "/api/events?kind=function&name=first");
	assert_non_null(strstr(buf_str(&c.text), "version 3 by root: once more"));
	ask(t, &c, "GET", "/api/functions/first/deployments");
	assert_int_equal(json_array_size(json_object_get(c.json, "items")), 3);
	/* Another setting is declared by the way. */
	deploy(t, &c, "first", document(t, "first", "8081"));
	assert_int_equal(json_int_or(c.json, "version", 0), 4);
	assert_int_equal(json_int_or(c.json, "generation", 0), 2);
	ask(t, &c, "GET", "/api/functions/first");
	assert_int_equal(json_int_or(json_object_get(c.json, "spec"), "port", 0), 8081);
}

static void test_a_new_source_has_an_owner(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	assert_int_equal(deployed(t, "owned", document(t, "owned", "8080")), 1);
	const char *digest = upload_text(t, "another source");
	const char *body = arena_printf(&t->arena, "{\"digest\":\"%s\"}", digest);
	deploy(t, &c, "owned", body);
	assert_answer(&c, 409, "OwnedByManifest");
	assert_non_null(strstr(buf_str(&c.text), "test.yaml:1"));
	deploy(t, &c, "owned", arena_printf(&t->arena, "{\"digest\":\"%s\",\"force\":true}", digest));
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 2);
	assert_int_equal(json_int_or(c.json, "generation", 0), 2);
	assert_peek(t, "SELECT owner FROM manifests WHERE name = 'owned'", "api");
	deploy(t, &c, "owned", body); /* declared already */
	assert_int_equal(json_int_or(c.json, "version", 0), 3);
	deploy(t, &c, "owned", document(t, "owned", "8080"));
	assert_answer(&c, 409, "OwnedByManifest");
	assert_int_equal(json_array_size(json_object_get(c.json, "problems")), 0);
	/* Who asks for an upload keeps it: unused ones are collected by their time. */
	const char *kept = arena_printf(&t->arena, "%s/uploads/%s", t->home, digest + 7);
	const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct stat st;
	assert_int_equal(utimensat(AT_FDCWD, kept, long_ago, 0), 0);
	ask(t, &c, "HEAD", arena_printf(&t->arena, "/api/uploads/%s", digest));
	assert_int_equal(stat(kept, &st), 0);
	assert_true(st.st_mtime > 1);
	/* A source that went from the uploads is still that of a version whose archive is stored. */
	const char *old = upload_text(t, "owned");
	AUTO_FREE char *path = xprintf("%s/uploads/%s", t->home, old + 7);
	assert_int_equal(unlink(path), 0);
	body = arena_printf(&t->arena, "{\"digest\":\"%s\"}", old);
	deploy(t, &c, "owned", body);
	assert_answer(&c, 400, "SourceMissing");
	free(postgres_sql(t->conninfo, "UPDATE function_deployments d SET s3_key = 'functions/x/v1/function.tar.gz' FROM functions f"
				       " WHERE f.id = d.function_id AND f.name = 'owned' AND version = 1"));
	deploy(t, &c, "owned", body);
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 4); /* what was refused took no number */
}

static void test_the_archive_as_body(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	static const char *const types[] = {"application/gzip", "application/x-gzip", "application/x-tar+gzip", "application/octet-stream"};
	assert_int_equal(deployed(t, "packed", document(t, "packed", "8080")), 1);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		deploy_archive(t, &c, "packed/deploy?force=true&note=by%20hand", types[i], gzip_head, 3 + i % 2);
		assert_status(&c, 202);
		assert_int_equal(json_int_or(c.json, "version", 0), (int64_t)i + 2);
	}
	struct digest d = digest_of(gzip_head, 4);
	char digest[DIGEST_TEXT];
	const char *sql = arena_printf(&t->arena, "SELECT count(*) FROM function_deployments WHERE source_digest = '%s' AND note = 'by hand'", digest_text(&d, digest));
	assert_peek(t, sql, "2");
	ask(t, &c, "HEAD", env_upload_path(t, &d));
	assert_status(&c, 200);
	AUTO_FREE char *large = xcalloc(1, 3 << 20);
	memcpy(large, gzip_head, 4);
	deploy_archive(t, &c, "packed/deploy", "application/gzip", large, 3 << 20);
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 6);
	/* In pieces, as a pipe sends it, the first of one byte. */
	AUTO_CLOSE int fd = raw_connect(t);
	AUTO_BUF struct buf answer = BUF_INIT(1 << 20);
	raw_send(fd, arena_printf(&t->arena, "POST /api/functions/packed/deploy HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/gzip\r\n"
					     "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n\x1f\r\n",
				  t->token));
	raw_send(fd, "5\r\n\x8b\x08""abc\r\n0\r\n\r\n");
	assert_true(raw_until(fd, &answer, "\"version\":7"));
}

static void test_what_is_no_archive_is_not_numbered(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	assert_int_equal(deployed(t, "garbage", document(t, "garbage", "8080")), 1);
	size_t before = uploads(t);
	static const struct {
		const char *p;
		size_t n;
	} bodies[] = {{"", 0}, {"\x1f", 1}, {"\x1f\x8b", 2}, {"PK\x03\x04", 4}, {"\x1f\x8b\x09", 3}, {"not an archive", 14}};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		deploy_archive(t, &c, "garbage/deploy?force=true", "application/gzip", bodies[i].p, bodies[i].n);
		assert_answer(&c, 400, "SourceInvalid");
	}
	deploy_archive(t, &c, "garbage/deploy", "application/x-www-form-urlencoded", gzip_head, 4);
	assert_answer(&c, 400, "BadRequest");
	deploy_archive(t, &c, "nobody/deploy?force=true", "application/gzip", "\x1f\x8b\x08nobody", 9);
	assert_answer(&c, 404, "NotFound");
	static const char *const notes[] = {"%ff", "one%0atwo", "a%09b", "%1b[2J", "%c2%9b"};
	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		deploy_archive(t, &c, arena_printf(&t->arena, "garbage/deploy?note=%s", notes[i]), "application/gzip", gzip_head, 4);
		assert_answer(&c, 400, "BadRequest");
	}
	assert_int_equal(uploads(t), before + 1); /* that of the function that is not there: as if it had been uploaded */
	assert_int_equal(deployed(t, "garbage", "{}"), 2);
}

static void test_bodies_that_are_no_deploy(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	assert_int_equal(deployed(t, "strict", document(t, "strict", "8080")), 1);
	static const char *const bodies[] = {
		"", "null", "[]", "{\"digset\":\"\"}", "{\"digest\":1}", "{\"digest\":\"sha256:1\"}", "{\"files\":[]}", "{\"sources\":{}}", "{\"force\":1}", "{\"dryRun\":\"yes\"}",
		"{\"environment\":\"UPPER\"}", "{\"environment\":1}", "{\"note\":1}", "{\"note\":\"one\\ntwo\"}", "{\"files\":[{\"name\":\"a\",\"text\":\"# nothing\"}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		deploy(t, &c, "strict", bodies[i]);
		assert_answer(&c, 400, "BadRequest");
	}
	const char *both = document(t, "strict", "8080");
	deploy(t, &c, "other", both);
	assert_answer(&c, 400, "BadRequest"); /* another name */
	ask_json(t, &c, "POST", "/api/functions/strict/deploy?project=elsewhere", both);
	assert_answer(&c, 400, "BadRequest");
	deploy(t, &c, "strict", apply_body(t, ENVIRONMENT("strict", "{}"), NULL, NULL));
	assert_answer(&c, 400, "BadRequest");
	const char *two = FUNCTION("strict", "80") "---\n" ENVIRONMENT("new", "{}");
	deploy(t, &c, "strict", apply_body(t, two, "default/strict", upload_text(t, "strict")));
	assert_answer(&c, 400, "BadRequest");
	assert_non_null(strstr(buf_str(&c.text), "test.yaml:6: environment/new"));
	/* What is wrong about the document has its position. */
	deploy(t, &c, "strict", apply_body(t, FUNCTION("strict", "99999"), "default/strict", upload_text(t, "strict")));
	assert_answer(&c, 422, "InvalidValue");
	deploy(t, &c, "strict", apply_body(t, FUNCTION("strict", "80"), NULL, NULL));
	assert_answer(&c, 422, "SourceMissing");
	const char *unknown = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
	deploy(t, &c, "strict", apply_body(t, FUNCTION("strict", "80"), "default/strict", unknown));
	assert_answer(&c, 422, "SourceMissing");
	assert_int_equal(json_int_or(json_array_get(json_object_get(c.json, "problems"), 0), "line", 0), 1);
	const char *runtime = "apiVersion: fn/v1\nkind: Function\nmetadata: {name: strict}\nspec: {runtime: appel, source: ./strict}\n";
	deploy(t, &c, "strict", apply_body(t, runtime, "default/strict", upload_text(t, "strict")));
	assert_answer(&c, 422, "UnknownRuntime");
	deploy(t, &c, "nobody", "{}");
	assert_answer(&c, 404, "NotFound");
	deploy(t, &c, "nobody", arena_printf(&t->arena, "{\"digest\":\"%s\"}", unknown));
	assert_answer(&c, 404, "NotFound");
	AUTO_FREE char *large = xmalloc(API_BODY_MAX + 2);
	memset(large, ' ', API_BODY_MAX + 1);
	large[API_BODY_MAX + 1] = '\0';
	deploy(t, &c, "strict", large);
	assert_answer(&c, 413, "TooLarge");
	assert_int_equal(deployed(t, "strict", "{}"), 2); /* none of them took a number */
	ask(t, &c, "GET", "/api/functions/strict");
	assert_int_equal(json_int_or(json_object_get(c.json, "spec"), "port", 0), 8080);
}

static void test_where_it_serves(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	const char *target = "SELECT concat_ws(' ', environment, mode, want_version, status) FROM targets WHERE name = 'placed'";
	assert_int_equal(deployed(t, "placed", document(t, "placed", "8080")), 1);
	deploy(t, &c, "placed", "{\"environment\":\"nowhere\"}");
	assert_answer(&c, 400, "InvalidReference");
	assert_non_null(strstr(buf_str(&c.text), "nowhere"));
	deploy(t, &c, "placed", "{\"environment\":\"staging\"}");
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 2);
	assert_string_equal(json_str_or(c.json, "url", ""), "http://placed.staging.fn.localhost:7380/");
	assert_peek(t, target, "staging explicit 2 Building");
	/* An environment that goes is none. */
	free(postgres_sql(t->conninfo, "UPDATE manifests SET deleted_at = clock_timestamp() WHERE kind = 'environment' AND name = 'production'"));
	deploy(t, &c, "placed", "{\"environment\":\"production\"}");
	assert_answer(&c, 400, "InvalidReference");
	free(postgres_sql(t->conninfo, "UPDATE manifests SET deleted_at = NULL WHERE kind = 'environment' AND name = 'production'"));
	/* Pinned to another version: the pin decides, force or not. */
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, PIN("stays", "placed", "production", "1"), NULL, NULL));
	assert_status(&c, 200);
	deploy(t, &c, "placed", "{\"environment\":\"production\"}");
	assert_answer(&c, 409, "Pinned");
	assert_non_null(strstr(buf_str(&c.text), "pin/stays (test.yaml:1)"));
	deploy(t, &c, "placed", "{\"environment\":\"production\",\"force\":true}");
	assert_answer(&c, 409, "Pinned");
	/* Pinned to this one, or to the newest: it moves by itself. */
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, PIN("stays", "placed", "production", "3"), NULL, NULL));
	deploy(t, &c, "placed", "{\"environment\":\"production\"}");
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 3);
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, PIN("stays", "placed", "production", "latest"), NULL, NULL));
	deploy(t, &c, "placed", "{\"environment\":\"production\"}");
	assert_status(&c, 202);
	assert_peek(t, "SELECT count(*) FROM targets WHERE name = 'placed'", "1");
	assert_peek(t, target, "staging explicit 2 Building");
}

/* A project of its own, with its own default environment and the runtimes of the default project. */
static void test_another_project(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	ask_json(t, &c, "POST", "/api/apply",
		 apply_body(t, "apiVersion: fn/v1\nkind: Project\nmetadata: {name: shop}\nspec: {defaultEnvironment: live}\n", NULL, NULL));
	assert_status(&c, 200);
	const char *yaml = "apiVersion: fn/v1\nkind: Function\nmetadata: {name: cart, project: shop}\nspec: {runtime: apple, source: ./cart}\n";
	const char *body = apply_body(t, yaml, "shop/cart", upload_text(t, "cart"));
	deploy(t, &c, "cart", body);
	assert_answer(&c, 400, "InvalidReference"); /* live is not declared */
	ask_json(t, &c, "POST", "/api/apply", apply_body(t, "apiVersion: fn/v1\nkind: Environment\nmetadata: {name: live, project: shop}\nspec: {}\n", NULL, NULL));
	assert_status(&c, 200);
	deploy(t, &c, "cart", body); /* the document says which project */
	assert_status(&c, 202);
	assert_string_equal(json_str_or(c.json, "environment", ""), "live");
	assert_string_equal(json_str_or(c.json, "url", ""), "http://cart.live.shop.fn.localhost:7380/");
	deploy(t, &c, "cart", "{}");
	assert_answer(&c, 404, "NotFound");
	ask_json(t, &c, "POST", "/api/functions/cart/deploy?project=shop", "{}");
	assert_status(&c, 202);
	assert_int_equal(json_int_or(c.json, "version", 0), 2);
	assert_peek(t, "SELECT concat_ws(' ', project, environment, mode, want_version) FROM targets WHERE name = 'cart'", "shop live explicit 2");
}

static void test_a_hold_ends(void **state)
{
	struct api_env *t = env(state);
	struct err e = ERR_INIT;
	AUTO_CALL struct call c = {0};
	AUTO_JSON json_t *tuple = json_pack("{s:s}", "image", "one"), *base = json_object();
	AUTO_ARENA struct arena a = ARENA_INIT;
	char release[UUID_TEXT], rollback[UUID_TEXT];
	int64_t n;
	struct function_row f;
	struct deployment_row d;
	bool found;
	assert_int_equal(deployed(t, "held", document(t, "held", "8080")), 1);
	assert_int_equal(deployed(t, "held", "{\"environment\":\"staging\"}"), 2);
	struct store *s = store_new(t->conninfo);
	must(function_load(s, "default", "held", &a, &f, &e), e);
	must(deployment_by_version(s, f.id, 1, &a, &d, &found, &e), e);
	must(release_mint(s, f.id, "staging", d.id, tuple, "tester", release, &n, &e), e);
	const struct rollback_new k = {.function_id = f.id, .environment = "staging", .actor = "mallory", .note = "it leaks", .to_release = release, .to_version = 1,
				       .image = "warm", .floor = 2, .base = base};
	must(store_begin(s, &e), e);
	must(rollback_create(s, &k, rollback, &e), e);
	must(store_commit(s, &e), e);
	store_free(s);
	assert_int_equal(deployed(t, "held", "{}"), 3); /* into dev: not the one that is held */
	assert_peek(t, "SELECT hold IS NOT NULL FROM targets WHERE name = 'held'", "t");
	deploy(t, &c, "held", "{\"environment\":\"staging\",\"dryRun\":true}");
	assert_status(&c, 200);
	assert_int_equal(json_int_or(c.json, "version", 0), 4);
	assert_string_equal(json_str_or(json_object_get(c.json, "released"), "actor", ""), "mallory");
	assert_peek(t, "SELECT hold IS NOT NULL FROM targets WHERE name = 'held'", "t");
	deploy(t, &c, "held", "{\"environment\":\"staging\"}");
	assert_status(&c, 202);
	const json_t *released = json_object_get(c.json, "released");
	assert_int_equal(json_int_or(released, "version", 0), 1);
	assert_string_equal(json_str_or(released, "note", ""), "it leaks");
	assert_peek(t, "SELECT concat_ws(' ', hold IS NULL, floor, mode, want_version) FROM targets WHERE name = 'held'", "t 0 explicit 4");
	assert_peek(t, "SELECT message FROM function_logs WHERE operation = 'release-hold'", "version 4 ends the hold of version 1 in staging");
	assert_peek(t, "SELECT state || ' ' || lifted_by FROM rollbacks", "superseded root");
}

static void test_a_dry_run_changes_nothing(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	AUTO_JSON json_t *body = NULL;
	struct err e = ERR_INIT;
	const char *text = document(t, "dry", "8080");
	must(json_parse(text, strlen(text), &body, &e), e);
	json_object_set_new(body, "dryRun", json_true());
	int hints = atomic_load(&t->hints);
	deploy(t, &c, "dry", json_text_arena(body, &t->arena));
	assert_status(&c, 200);
	assert_int_equal(json_int_or(c.json, "version", 0), 1);
	assert_true(json_bool_or(c.json, "created", false));
	assert_int_equal(atomic_load(&t->hints), hints);
	ask(t, &c, "GET", "/api/functions/dry");
	assert_answer(&c, 404, "NotFound");
	assert_peek(t, "SELECT count(*) FROM functions WHERE name = 'dry'", "0");
}

static void test_while_it_is_removed(void **state)
{
	struct api_env *t = env(state);
	AUTO_CALL struct call c = {0};
	assert_int_equal(deployed(t, "going", document(t, "going", "8080")), 1);
	ask(t, &c, "DELETE", "/api/functions/going");
	assert_status(&c, 202);
	deploy(t, &c, "going", "{}");
	assert_answer(&c, 409, "Deleting");
	deploy(t, &c, "going", document(t, "going", "8080"));
	assert_answer(&c, 409, "Deleting");
}

struct racer {
	struct api_env *t;
	const char *path, *body;
	int64_t versions[10];
	long bad;
};

static void *race(void *ctx)
{
	struct racer *r = ctx;
	struct api_env mine = *r->t;
	mine.arena = (struct arena)ARENA_INIT; /* arenas are not for several threads */
	for (size_t i = 0; i < ARRAY_LEN(r->versions) && !r->bad; i++) {
		AUTO_CALL struct call c = {0};
		ask_json(&mine, &c, "POST", r->path, r->body);
		r->versions[i] = json_int_or(c.json, "version", 0);
		if (c.status != 202 && c.status != 200)
			r->bad = c.status ? c.status : -1;
	}
	arena_release(&mine.arena);
	return NULL;
}

/* Beside applies that change what is declared and that take the same locks. */
static void test_each_takes_a_number_of_its_own(void **state)
{
	struct api_env *t = env(state);
	assert_int_equal(deployed(t, "raced", document(t, "raced", "8080")), 1);
	const char *bodies[] = {"{}", document(t, "raced", "8081"), "{\"environment\":\"staging\"}", document(t, "raced", "8082")};
	struct racer racers[4];
	pthread_t threads[ARRAY_LEN(racers)];
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		racers[i] = (struct racer){.t = t, .path = i == 3 ? "/api/apply" : "/api/functions/raced/deploy", .body = bodies[i]};
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	bool seen[32] = {false};
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(racers[i].bad, 0);
		for (size_t j = 0; i < 3 && j < ARRAY_LEN(racers[i].versions); j++) {
			int64_t v = racers[i].versions[j];
			assert_in_range(v, 2, 31);
			assert_false(seen[v]);
			seen[v] = true;
		}
	}
	assert_peek(t, "SELECT next_version FROM functions WHERE name = 'raced'", "32");
	api_stop(t->api); /* a connection tells what it has counted when it ends */
	assert_peek(t, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()", "0");
	env_start(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_document_creates_and_numbers),
		cmocka_unit_test(test_a_new_source_has_an_owner),
		cmocka_unit_test(test_the_archive_as_body),
		cmocka_unit_test(test_what_is_no_archive_is_not_numbered),
		cmocka_unit_test(test_bodies_that_are_no_deploy),
		cmocka_unit_test(test_where_it_serves),
		cmocka_unit_test(test_another_project),
		cmocka_unit_test(test_a_hold_ends),
		cmocka_unit_test(test_a_dry_run_changes_nothing),
		cmocka_unit_test(test_while_it_is_removed),
		cmocka_unit_test(test_each_takes_a_number_of_its_own),
	};
	return cmocka_run_group_tests(tests, set_up, env_tear_down);
}
