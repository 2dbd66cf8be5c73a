#include "function_case.h"

#include <pthread.h>

static json_t *read_json(struct store_case *c, enum store_read what, int n, const char *const *params)
{
	json_t *j = NULL;
	must(c, store_read(c->s, what, n, params, &j, &c->e));
	return j ? json_in_arena(j, &c->a) : NULL;
}
#define READ(c, what, ...) \
	read_json(c, what, (int)ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

static json_t *items(const json_t *page)
{
	json_t *list = json_object_get(page, "items");
	assert_true(json_is_array(list));
	return list;
}

/* The value at a path of keys and indexes, as compact JSON. */
static const char *at(struct store_case *c, const json_t *j, const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);
	char *rest = copy;
	for (char *key; j && (key = strsep(&rest, "/"));)
		j = json_is_array(j) ? json_array_get(j, strtoul(key, NULL, 10)) : json_object_get(j, key);
	return j ? json_text_arena(j, &c->a) : "absent";
}

static void documents_have_the_published_shape(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t n;
	must(c, apply(c, DOC("Function", "hello") "  labels: {team: a}\nspec:\n  runtime: static\n  port: 9000\n", NULL));
	const struct condition ready = {"Ready", "True", "Serving", "yes"};
	must(c, manifest_set_status(c->s, KIND_FUNCTION, "default", "hello", 2, &ready, 1, &c->e));
	const char *one = built_version(c, f, "sha256:one");
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
	must(c, target_set_routed(c->s, f, "dev", mint(c, f, "dev", one, "a", &n), "", &c->e));
	must(c, function_mirror(c->s, f, &c->e));
	json_t *page = READ(c, READ_MANIFESTS, "function", "default", "hello", NULL, "50");
	assert_int_equal(json_array_size(items(page)), 1);
	const json_t *d = json_array_get(items(page), 0);
	assert_string_equal(at(c, d, "apiVersion"), "\"fn/v1\"");
	assert_string_equal(at(c, d, "kind"), "\"Function\"");
	assert_string_equal(at(c, d, "metadata/name"), "\"hello\"");
	assert_string_equal(at(c, d, "metadata/project"), "\"default\"");
	assert_string_equal(at(c, d, "metadata/labels"), "{\"team\":\"a\"}");
	assert_string_equal(at(c, d, "metadata/annotations"), "{}");
	assert_string_equal(at(c, d, "metadata/generation"), "2");
	assert_string_equal(at(c, d, "metadata/owner"), "\"manifest\"");
	assert_string_equal(at(c, d, "metadata/source"), "\"test.yaml:2\"");
	assert_string_equal(at(c, d, "metadata/deletedAt"), "absent");
	assert_int_equal(strlen(at(c, d, "metadata/createdAt")), strlen("\"2026-11-20T13:05:00.123Z\""));
	assert_int_equal(strlen(at(c, d, "metadata/uid")), UUID_TEXT + 1);
	assert_string_equal(at(c, d, "spec/port"), "9000");
	assert_string_equal(at(c, d, "status/observedGeneration"), "2");
	assert_string_equal(at(c, d, "status/conditions/0/type"), "\"Ready\"");
	assert_string_equal(at(c, d, "status/status"), "\"active\"");
	assert_string_equal(at(c, d, "status/activeVersion"), "1");
	assert_string_equal(at(c, d, "status/latestVersion"), "1");
	assert_memory_equal(at(c, d, "status/id") + 1, f, UUID_TEXT - 1);
	/* By its id, in all projects or in its own. */
	assert_string_equal(at(c, READ(c, READ_MANIFESTS, "function", NULL, f, NULL, "50"), "items/0/metadata/name"), "\"hello\"");
	assert_string_equal(at(c, READ(c, READ_MANIFESTS, "function", "default", f, NULL, "50"), "items/0/metadata/name"), "\"hello\"");
	assert_string_equal(at(c, READ(c, READ_MANIFESTS, "function", "else", f, NULL, "50"), "items"), "[]");
	assert_string_equal(at(c, READ(c, READ_MANIFESTS, "function", "default", "none", NULL, "50"), "items"), "[]");
	assert_string_equal(at(c, READ(c, READ_MANIFESTS, "environment", "default", "dev", NULL, "50"), "items/0/status"),
			    "{\"conditions\":[],\"observedGeneration\":0,\"pending\":true}");
	must(c, delete_one(c, KIND_FUNCTION, "hello"));
	assert_string_not_equal(at(c, READ(c, READ_MANIFESTS, "function", "default", "hello", NULL, "50"), "items/0/metadata/deletedAt"), "absent");
}

/* Rows that come before the cursor or after it move no page. */
static void pages_stay_while_rows_come(void **state)
{
	struct store_case *c = *state;
	must(c, apply(c, ENVIRONMENT("b") ENVIRONMENT("d") ENVIRONMENT("f") ENVIRONMENT("h") ENVIRONMENT("j"), NULL));
	json_t *page = READ(c, READ_MANIFESTS, "environment", "default", NULL, NULL, "2");
	assert_string_equal(at(c, page, "items/1/metadata/name"), "\"d\"");
	const char *next = json_string_value(json_object_get(page, "next"));
	assert_non_null(next);
	must(c, apply(c, ENVIRONMENT("a") ENVIRONMENT("c") ENVIRONMENT("g") ENVIRONMENT("k"), NULL));
	page = READ(c, READ_MANIFESTS, "environment", "default", NULL, next, "2");
	assert_string_equal(at(c, page, "items/0/metadata/name"), "\"f\"");
	assert_string_equal(at(c, page, "items/1/metadata/name"), "\"g\"");
	page = READ(c, READ_MANIFESTS, "environment", NULL, NULL, json_string_value(json_object_get(page, "next")), "10");
	assert_int_equal(json_array_size(items(page)), 3);
	assert_string_equal(at(c, page, "items/2/metadata/name"), "\"k\"");
	assert_string_equal(at(c, page, "next"), "null");
	assert_string_equal(at(c, READ(c, READ_MANIFESTS, "environment", "default", NULL, "nonsense", "1"), "items/0/metadata/name"), "absent");
}

static void deployments_newest_first(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t n;
	const char *one = built_version(c, f, "sha256:one");
	(void)built_version(c, f, "sha256:two");
	(void)new_version(c, c->s, f, &n, &c->e);
	must(c, target_want(c->s, f, "default", "hello", "prod", "pin", 1, &c->e));
	must(c, target_set_routed(c->s, f, "prod", mint(c, f, "prod", one, "a", &n), "", &c->e));
	json_t *page = READ(c, READ_DEPLOYMENTS, "default", "hello", NULL, "2");
	assert_string_equal(at(c, page, "items/0/version"), "3");
	assert_string_equal(at(c, page, "items/0/status"), "\"building\"");
	assert_string_equal(at(c, page, "items/0/activeIn"), "[]");
	assert_string_equal(at(c, page, "items/1/version"), "2");
	assert_string_equal(at(c, page, "next"), "\"2\"");
	(void)new_version(c, c->s, f, &n, &c->e);
	page = READ(c, READ_DEPLOYMENTS, "default", f, json_string_value(json_object_get(page, "next")), "2");
	assert_int_equal(json_array_size(items(page)), 1);
	assert_string_equal(at(c, page, "items/0/version"), "1");
	assert_string_equal(at(c, page, "items/0/digest"), "\"sha256:one\"");
	assert_string_equal(at(c, page, "items/0/size"), "20");
	assert_string_equal(at(c, page, "items/0/createdBy"), "\"tester\"");
	assert_string_equal(at(c, page, "items/0/source"), "\"manifest\"");
	assert_string_equal(at(c, page, "items/0/activeIn"), "[\"prod\"]");
	assert_string_equal(at(c, page, "next"), "null");
	assert_null(READ(c, READ_DEPLOYMENTS, "default", "none", NULL, "2"));
	assert_string_equal(at(c, READ(c, READ_DEPLOYMENTS, "default", "other", NULL, "2"), "items"), "[]");
	json_t *j = NULL;
	refuses(c, store_read(c->s, READ_DEPLOYMENTS, 4, (const char *const[]){"default", "hello", "x", "2"}, &j, &c->e), INVALID, "InvalidValue");
}

static void targets_and_instances(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	int64_t n;
	const char *r = mint(c, f, "dev", built_version(c, f, "sha256:one"), "a", &n);
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
	json_t *page = READ(c, READ_TARGETS, NULL, NULL, NULL);
	assert_string_equal(at(c, page, "items/0/serving"), "false");
	assert_string_equal(at(c, page, "items/0/version"), "null");
	must(c, target_set_active(c->s, f, "dev", r, &c->e));
	must(c, target_set_routed(c->s, f, "dev", r, "", &c->e));
	must(c, target_set_status(c->s, f, "dev", "Serving", "version 1", &(struct target_seen){.function = 1}, &c->e));
	const struct instance_row rows[] = {
		{"i-1", r, "10.0.0.2", "ready", "", "", 1, 0},
		{"i-0", r, "10.0.0.1", "ready", NULL, "bad \xff byte", 0, 2},
		{"stranger", "not a release", "10.0.0.3", "ready", "", "", 0, 0},
	};
	must(c, instances_record(c->s, f, "dev", rows, 3, &c->e));
	page = READ(c, READ_TARGETS, "default", "hello", "dev");
	assert_string_equal(at(c, page, "items/0/function"), "\"hello\"");
	assert_string_equal(at(c, page, "items/0/mode"), "\"follow\"");
	assert_string_equal(at(c, page, "items/0/version"), "1");
	assert_string_equal(at(c, page, "items/0/release"), "1");
	assert_string_equal(at(c, page, "items/0/serving"), "true");
	assert_string_equal(at(c, page, "items/0/status"), "\"Serving\"");
	assert_string_equal(at(c, page, "items/0/instances/0/name"), "\"i-0\"");
	assert_string_equal(at(c, page, "items/0/instances/1/address"), "\"10.0.0.2\"");
	page = READ(c, READ_INSTANCES, "default", NULL, NULL);
	assert_int_equal(json_array_size(items(page)), 2);
	assert_string_equal(at(c, page, "items/0/restarts"), "2");
	assert_string_equal(at(c, page, "items/0/message"), "\"bad ? byte\"");
	assert_string_equal(at(c, page, "items/0/environment"), "\"dev\"");
	const char *version = peek(c, "SELECT xmin::text FROM instances WHERE id = 'i-1'");
	must(c, instances_record(c->s, f, "dev", rows, 1, &c->e)); /* i-0 is gone, i-1 as it was */
	assert_string_equal(peek(c, "SELECT string_agg(id || xmin::text, ' ') FROM instances"), arena_printf(&c->a, "i-1%s", version));
	must(c, instances_record(c->s, f, "prod", NULL, 0, &c->e)); /* another target's are not ours to remove */
	assert_int_equal(json_array_size(items(READ(c, READ_INSTANCES, NULL, "hello", "dev"))), 1);
	assert_int_equal(json_array_size(items(READ(c, READ_INSTANCES, NULL, "other", NULL))), 0);
}

static void tell(struct store_case *c, struct store *s, const char *kind, const char *name, const char *message)
{
	const struct event ev = {.kind = kind, .project = "default", .name = name, .environment = "dev", .reason = "Serving", .message = message};
	if (event_add(s, &ev, &c->e))
		fail_msg("%s", c->e.msg);
}

static void events_read_on_from_the_last(void **state)
{
	struct store_case *c = *state;
	json_t *page = READ(c, READ_EVENTS, NULL, NULL, NULL, "0", "10");
	assert_string_equal(at(c, page, "last"), "0");
	tell(c, c->s, "target", "a", "one");
	tell(c, c->s, "target", "a", "one"); /* at once again: the same news */
	tell(c, c->s, "target", "b", "one");
	tell(c, c->s, "target", "a", "two");
	tell(c, c->s, "target", "a", "one");
	page = READ(c, READ_EVENTS, NULL, NULL, NULL, "0", "3");
	assert_int_equal(json_array_size(items(page)), 3);
	assert_string_equal(at(c, page, "items/0/name"), "\"b\"");
	assert_string_equal(at(c, page, "items/2/message"), "\"one\"");
	assert_string_equal(at(c, page, "items/0/environment"), "\"dev\"");
	assert_string_equal(at(c, page, "items/0/type"), "\"Normal\"");
	const char *last = at(c, page, "last");
	assert_string_equal(at(c, page, "items/2/id"), last);
	page = READ(c, READ_EVENTS, NULL, NULL, NULL, last, "3");
	assert_string_equal(at(c, page, "items"), "[]");
	assert_string_equal(at(c, page, "last"), last);
	tell(c, c->s, "function", "a", "three");
	tell(c, c->s, "target", "b", "three");
	page = READ(c, READ_EVENTS, "default", NULL, "a", last, "3");
	assert_int_equal(json_array_size(items(page)), 1);
	assert_string_equal(at(c, page, "items/0/kind"), "\"function\"");
	page = READ(c, READ_EVENTS, "default", "target", NULL, last, "1");
	assert_string_equal(at(c, page, "items/0/name"), "\"b\"");
	assert_string_equal(at(c, READ(c, READ_EVENTS, "else", NULL, NULL, "0", "9"), "items"), "[]");
}

/* An event told early and committed late comes after what was read meanwhile, not before. */
static void late_commits_are_not_missed(void **state)
{
	struct store_case *c = *state;
	struct store *slow = store_new(c->conninfo);
	must(c, store_begin(slow, &c->e));
	tell(c, slow, "target", "slow", "told first");
	tell(c, c->s, "target", "quick", "told second");
	json_t *page = READ(c, READ_EVENTS, NULL, NULL, NULL, "0", "10");
	assert_int_equal(json_array_size(items(page)), 1);
	must(c, store_commit(slow, &c->e));
	page = READ(c, READ_EVENTS, NULL, NULL, NULL, at(c, page, "last"), "10");
	assert_int_equal(json_array_size(items(page)), 1);
	assert_string_equal(at(c, page, "items/0/name"), "\"slow\"");
	store_free(slow);
}

enum { TELLERS = 6, TELL = 60 };

static void *tell_many(void *arg)
{
	struct store *s = store_new(arg);
	struct err e = ERR_INIT;
	for (int i = 0; i < TELL; i++) {
		AUTO_FREE char *message = xprintf("%d", i);
		AUTO_FREE char *name = xprintf("n%p", (void *)s);
		const struct event ev = {.kind = "target", .project = "default", .name = name, .reason = "Serving", .message = message};
		if (store_begin(s, &e) || event_add(s, &ev, &e) || store_commit(s, &e))
			return s;
	}
	store_free(s);
	return NULL;
}

static void follower_sees_every_event_once(void **state)
{
	struct store_case *c = *state;
	pthread_t t[TELLERS];
	for (size_t i = 0; i < TELLERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, tell_many, c->conninfo), 0);
	size_t seen = 0;
	tell(c, c->s, "target", "start", "");
	const char *last = at(c, READ(c, READ_EVENTS, NULL, NULL, NULL, "0", "1000"), "last");
	seen = strtoul(peek(c, arena_printf(&c->a, "SELECT count(*) FROM events WHERE id <= %s", last)), NULL, 10);
	for (int64_t deadline = clock_mono_ms() + 60000; seen < TELLERS * TELL + 1 && clock_mono_ms() < deadline;) {
		json_t *page = READ(c, READ_EVENTS, NULL, NULL, NULL, last, "7");
		seen += json_array_size(items(page));
		last = at(c, page, "last");
	}
	for (size_t i = 0; i < TELLERS; i++) {
		void *failed;
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(seen, TELLERS * TELL + 1);
	assert_string_equal(at(c, READ(c, READ_EVENTS, NULL, NULL, NULL, last, "7"), "items"), "[]");
}

static void function_logs_newest_first(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *one = built_version(c, f, "sha256:one");
	must(c, function_log_add(c->s, f, NULL, NULL, "me", "deploy", "first", &c->e));
	must(c, function_log_add(c->s, f, one, "dev", "me", "activate", "second", &c->e));
	must(c, function_log_add(c->s, f, one, "prod", "me", "activate", "third", &c->e));
	json_t *page = READ(c, READ_FUNCTION_LOGS, "default", "hello", NULL, "2");
	assert_string_equal(at(c, page, "items/0/message"), "\"third\"");
	assert_string_equal(at(c, page, "items/1/environment"), "\"dev\"");
	assert_string_equal(at(c, page, "items/1/version"), "1");
	page = READ(c, READ_FUNCTION_LOGS, "default", f, json_string_value(json_object_get(page, "next")), "2");
	assert_string_equal(at(c, page, "items/0/operation"), "\"deploy\"");
	assert_string_equal(at(c, page, "items/0/version"), "null");
	assert_string_equal(at(c, page, "next"), "null");
	assert_null(READ(c, READ_FUNCTION_LOGS, "default", "none", NULL, "2"));
}

/* ---- versions and rollbacks ---- */

static void versions_of_every_function(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *g = function_id(c, "other");
	(void)built_version(c, f, "sha256:one");
	(void)built_version(c, g, "sha256:two");
	(void)built_version(c, f, "sha256:three");
	json_t *page = READ(c, READ_ALL_DEPLOYMENTS, "default", NULL, "2");
	assert_string_equal(at(c, page, "items/0/function"), "\"hello\"");
	assert_string_equal(at(c, page, "items/0/version"), "2");
	assert_string_equal(at(c, page, "items/0/project"), "\"default\"");
	assert_string_equal(at(c, page, "items/1/function"), "\"other\"");
	(void)built_version(c, g, "sha256:four"); /* moves no page */
	const char *next = json_string_value(json_object_get(page, "next"));
	page = READ(c, READ_ALL_DEPLOYMENTS, NULL, next, "2");
	assert_int_equal(json_array_size(items(page)), 1);
	assert_string_equal(at(c, page, "items/0/function"), "\"hello\"");
	assert_string_equal(at(c, page, "items/0/version"), "1");
	assert_string_equal(at(c, page, "next"), "null");
	assert_string_equal(at(c, READ(c, READ_ALL_DEPLOYMENTS, "else", NULL, "2"), "items"), "[]");
	json_t *j = NULL;
	refuses(c, store_read(c->s, READ_ALL_DEPLOYMENTS, 3, (const char *const[]){NULL, "x", "2"}, &j, &c->e), INVALID, "InvalidValue");
}

/* Of one moment: the times are equal, only the ids tell the rows apart. */
static void pages_of_one_moment(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c);
	(void)peek(c, arena_printf(&c->a, "INSERT INTO function_deployments (function_id, version, input_hash, source_digest, runtime, base, spec, created_by, created_at) "
					  "SELECT '%s', n, '', '', 'static', 'scratch', '{}', 'x', '2026-01-01' FROM generate_series(1, 7) n", f));
	const char *cursor = NULL, *seen = "";
	for (int pages = 0; pages < 4; pages++) {
		json_t *page = READ(c, READ_ALL_DEPLOYMENTS, NULL, cursor, "2"), *item;
		size_t i;
		json_array_foreach(items(page), i, item)
			seen = arena_printf(&c->a, "%s%lld", seen, (long long)json_int_or(item, "version", 0));
		cursor = json_string_value(json_object_get(page, "next"));
		assert_int_equal(cursor == NULL, pages == 3);
	}
	assert_int_equal(strlen(seen), 7);
	for (char v = '1'; v <= '7'; v++)
		assert_non_null(strchr(seen, v));
}

static void one_version_with_its_releases(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *one = built_version(c, f, "sha256:one"), *two = built_version(c, f, "sha256:two");
	int64_t n;
	const char *first = mint(c, f, "dev", one, "a", &n), *other = mint(c, f, "staging", one, "a", &n), *second = mint(c, f, "dev", two, "a", &n);
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
	must(c, target_set_routed(c->s, f, "dev", first, "", &c->e));
	must(c, target_set_routed(c->s, f, "dev", second, "", &c->e));
	const struct instance_row rows[] = {{"i-0", first, "10.0.0.1", "ready", "", "", 0, 0}, {"i-1", first, "10.0.0.2", "starting", "", "", 1, 0}};
	must(c, instances_record(c->s, f, "dev", rows, 2, &c->e));
	json_t *j = READ(c, READ_DEPLOYMENT, "default", "hello", "1");
	assert_string_equal(at(c, j, "function"), "\"hello\"");
	assert_string_equal(at(c, j, "version"), "1");
	assert_string_equal(at(c, j, "activeIn"), "[]");
	assert_string_equal(at(c, j, "spec/runtime"), "\"static\"");
	assert_int_equal(json_array_size(json_object_get(j, "releases")), 2);
	assert_string_equal(at(c, j, "releases/0/environment"), "\"dev\"");
	assert_string_equal(at(c, j, "releases/0/instances"), "2");
	assert_string_not_equal(at(c, j, "releases/0/unroutedAt"), "null");
	assert_string_equal(at(c, j, "releases/0/rejectedAt"), "null");
	assert_string_equal(at(c, j, "releases/1/environment"), "\"staging\"");
	assert_string_equal(at(c, j, "releases/1/id"), arena_printf(&c->a, "\"%s\"", other));
	assert_string_equal(at(c, j, "releases/1/servedAt"), "null");
	assert_string_equal(at(c, READ(c, READ_DEPLOYMENT, "default", f, "2"), "activeIn"), "[\"dev\"]");
	assert_null(READ(c, READ_DEPLOYMENT, "default", "hello", "3"));
	assert_null(READ(c, READ_DEPLOYMENT, "else", "hello", "1"));
	assert_null(READ(c, READ_DEPLOYMENT, "default", "other", "1"));
}

/* hello in dev: the second of two versions serves. */
static const char *with_two_releases(struct store_case *c, const char *ret_release[2])
{
	const char *f = with_function(c);
	int64_t n;
	must(c, target_want(c->s, f, "default", "hello", "dev", "follow", 1, &c->e));
	for (int i = 0; i < 2; i++) {
		ret_release[i] = mint(c, f, "dev", built_version(c, f, arena_printf(&c->a, "sha256:%d", i)), "a", &n);
		must(c, target_set_routed(c->s, f, "dev", ret_release[i], "", &c->e));
	}
	return f;
}

static const char *go_back(struct store_case *c, const char *f, const char *from, const char *to, const char *note)
{
	AUTO_JSON json_t *base = json_object();
	const struct rollback_new r = {.function_id = f, .environment = "dev", .actor = "ann", .note = note, .from_release = from, .to_release = to, .image = "warm",
				       .from_version = 2, .to_version = 1, .floor = 2, .base = base, .settled = true};
	char id[UUID_TEXT];
	must(c, rollback_create(c->s, &r, id, &c->e));
	return arena_strdup(&c->a, id);
}

static void rollbacks_newest_first(void **state)
{
	struct store_case *c = *state;
	const char *release[2], *f = with_two_releases(c, release);
	assert_string_equal(at(c, READ(c, READ_ROLLBACKS, "default", "hello", NULL, "2"), "items"), "[]");
	for (int i = 0; i < 3; i++)
		(void)go_back(c, f, release[1], release[0], arena_printf(&c->a, "%d", i));
	json_t *page = READ(c, READ_ROLLBACKS, "default", "hello", NULL, "2");
	assert_string_equal(at(c, page, "items/0/note"), "\"2\"");
	assert_string_equal(at(c, page, "items/0/state"), "\"pending\"");
	assert_string_equal(at(c, page, "items/0/holds"), "true");
	assert_string_equal(at(c, page, "items/0/fromVersion"), "2");
	assert_string_equal(at(c, page, "items/0/fromRelease"), "2");
	assert_string_equal(at(c, page, "items/0/toRelease"), "1");
	assert_string_equal(at(c, page, "items/1/note"), "\"1\"");
	assert_string_equal(at(c, page, "items/1/state"), "\"superseded\"");
	assert_string_equal(at(c, page, "items/1/holds"), "false");
	(void)go_back(c, f, release[1], release[0], "later"); /* moves no page */
	page = READ(c, READ_ROLLBACKS, "default", f, json_string_value(json_object_get(page, "next")), "2");
	assert_int_equal(json_array_size(items(page)), 1);
	assert_string_equal(at(c, page, "items/0/note"), "\"0\"");
	assert_string_equal(at(c, page, "next"), "null");
	assert_null(READ(c, READ_ROLLBACKS, "default", "none", NULL, "2"));
	json_t *j = NULL;
	refuses(c, store_read(c->s, READ_ROLLBACKS, 4, (const char *const[]){"default", "hello", "x", "2"}, &j, &c->e), INVALID, "InvalidValue");
}

static void one_rollback_with_its_target(void **state)
{
	struct store_case *c = *state;
	const char *release[2], *f = with_two_releases(c, release);
	const char *id = go_back(c, f, release[1], release[0], "slow");
	json_t *j = READ(c, READ_ROLLBACK, "default", "hello", id);
	assert_string_equal(at(c, j, "state"), "\"pending\"");
	assert_string_equal(at(c, j, "finishedAt"), "null");
	assert_string_equal(at(c, j, "target/version"), "2");
	must(c, target_set_routed(c->s, f, "dev", release[0], id, &c->e));
	j = READ(c, READ_ROLLBACK, "default", f, id);
	assert_string_equal(at(c, j, "state"), "\"done\"");
	assert_string_equal(at(c, j, "target/version"), "1");
	assert_string_equal(at(c, j, "supersededBy"), "null");
	(void)peek(c, arena_printf(&c->a, "UPDATE rollbacks SET finished_at = created_at + interval '7.9 ms' WHERE id = '%s'", id));
	assert_string_equal(at(c, READ(c, READ_ROLLBACK, "default", f, id), "milliseconds"), "7.9");
	assert_null(READ(c, READ_ROLLBACK, "default", "other", id));
	assert_null(READ(c, READ_ROLLBACK, "default", "hello", "x"));
}

static void work_shows_what_is_out_of_shape(void **state)
{
	struct store_case *c = *state;
	struct lease l;
	bool found = false;
	json_t *j = NULL;
	must(c, work_enqueue(c->s, "function/default/a", &c->e));
	must(c, work_claim(c->s, "me", 1000, &l, &found, &c->e));
	const struct err why = {TRANSIENT, "NodeUnavailable", "down"};
	must(c, work_retry(c->s, &l, 60000, &why, &c->e));
	must(c, store_read(c->s, READ_WORK, 0, NULL, &j, &c->e));
	json_in_arena(j, &c->a);
	assert_int_equal(json_array_size(items(j)), 1);
	assert_string_equal(at(c, j, "items/0/key"), "\"function/default/a\"");
	assert_string_equal(at(c, j, "items/0/dirty"), "true");
	assert_string_equal(at(c, j, "items/0/attempt"), "1");
	assert_string_equal(at(c, j, "items/0/reason"), "\"NodeUnavailable\"");
	refuses(c, store_read(c->s, READ_WORK, 1, (const char *const[]){"x"}, &j, &c->e), BUG, "Internal");
}

#define T(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(documents_have_the_published_shape), T(pages_stay_while_rows_come), T(deployments_newest_first), T(targets_and_instances),
		T(events_read_on_from_the_last), T(late_commits_are_not_missed), T(follower_sees_every_event_once), T(function_logs_newest_first),
		T(work_shows_what_is_out_of_shape), T(versions_of_every_function), T(pages_of_one_moment), T(one_version_with_its_releases),
		T(rollbacks_newest_first), T(one_rollback_with_its_target),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
