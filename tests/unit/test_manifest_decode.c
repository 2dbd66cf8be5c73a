/* Documents to structs, defaults, the canonical form, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "manifest_case.h"

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *spec_text(struct decoded *d, size_t i)
{
	AUTO_JSON json_t *j = manifest_spec_json(&d->ms.items[i]);
	return json_text_arena(j, &d->a);
}

static void assert_message(const char *text, enum reason reason, const char *part)
{
	AUTO_DECODED struct decoded d = decode(text);
	assert_int_equal(d.class, INVALID);
	assert_int_equal(d.ms.problems[0].reason, reason);
	if (!strstr(d.ms.problems[0].message, part))
		fail_msg("\"%s\" is not in \"%s\"", part, d.ms.problems[0].message);
	assert_int_equal(d.ms.n, 0);
}

static void a_function_gets_its_defaults(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(FUNCTION);
	assert_int_equal(d.class, OK);
	const struct manifest *m = &d.ms.items[0];
	const struct function_spec *f = &m->spec.function;
	assert_int_equal(m->kind, KIND_FUNCTION);
	assert_string_equal(m->project, "default");
	assert_string_equal(m->name, "x");
	assert_int_equal(m->line, 1);
	assert_int_equal(m->spec_line, 5);
	assert_string_equal(f->runtime, "python");
	assert_null(f->source_dir);
	assert_null(f->source_digest);
	assert_null(f->health.path);
	assert_int_equal(f->port, 8080);
	assert_int_equal(f->health.interval_ms, 1000);
	assert_int_equal(f->health.timeout_ms, 1000);
	assert_int_equal(f->health.deadline_ms, 30000);
	assert_int_equal(f->health.failures, 3);
	assert_int_equal(f->memory_bytes, 128 << 20);
	assert_int_equal(f->cpu_millis, 500);
	assert_int_equal(f->pids, 64);
	assert_int_equal(f->timeout_ms, 30000);
	assert_int_equal(f->instances, 1);
	assert_int_equal(f->retention_versions, 10);
	assert_string_equal(spec_text(&d, 0),
			    "{\"command\":[],\"env\":{},\"health\":{\"deadline\":\"30s\",\"failures\":3,\"interval\":\"1s\","
			    "\"timeout\":\"1s\"},\"instances\":1,\"port\":8080,\"resources\":{\"cpu\":\"500m\",\"memory\":\"128Mi\","
			    "\"pids\":64},\"retention\":{\"archives\":0,\"versions\":10,\"warm\":1,\"warmTime\":\"10m\"},\"runtime\":\"python\",\"source\":{},\"timeout\":\"30s\"}");
}

static void a_function_says_everything(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(
		"apiVersion: fn/v1\nkind: Function\nmetadata: {name: x, project: shop, labels: {b: 2, a: x}, annotations: {n: 'A B'}}\n"
		"spec:\n  runtime: node\n  source: {dir: ./src, digest: \"" SHA "\"}\n  command: [node, main.js]\n  port: 80\n"
		"  env: {B: b, A: a}\n  health: {path: /ok, interval: 2s, timeout: 300ms, deadline: 1m, failures: 9}\n"
		"  resources: {memory: 1Gi, cpu: 2, pids: 100}\n  timeout: 5m\n  instances: 0\n  retention: {versions: 2}\n");
	assert_int_equal(d.class, OK);
	const struct manifest *m = &d.ms.items[0];
	const struct function_spec *f = &m->spec.function;
	assert_string_equal(m->project, "shop");
	assert_string_equal(m->labels.items[0].name, "a");
	assert_string_equal(m->labels.items[1].value, "2");
	assert_string_equal(pair_value(&m->annotations, "n"), "A B");
	assert_string_equal(f->source_dir, "./src");
	assert_string_equal(f->source_digest, SHA);
	assert_string_equal(f->command.items[1], "main.js");
	assert_int_equal(f->port, 80);
	assert_string_equal(f->env.items[0].name, "A"); /* sorted */
	assert_string_equal(f->health.path, "/ok");
	assert_int_equal(f->health.interval_ms, 2000);
	assert_int_equal(f->health.timeout_ms, 300);
	assert_int_equal(f->health.deadline_ms, 60000);
	assert_int_equal(f->health.failures, 9);
	assert_int_equal(f->memory_bytes, 1 << 30);
	assert_int_equal(f->cpu_millis, 2000);
	assert_int_equal(f->pids, 100);
	assert_int_equal(f->timeout_ms, 300000);
	assert_int_equal(f->instances, 0);
	assert_int_equal(f->retention_versions, 2);
}

static void the_other_kinds(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(
		HEAD("Project") "  description: d\n---\n" HEAD("Runtime") "  base: base/python@" SHA "\n  rebuild: auto\n---\n"
		HEAD("Environment") "  inherits: staging\n  follow: latest\n  selector: {matchLabels: {tier: web}}\n---\n"
		HEAD("Environment") "  {}\n");
	assert_int_equal(d.ms.n, 3); /* the second Environment is the same object */
	assert_int_equal(d.ms.problems[0].reason, R_DuplicateDocument);
	assert_non_null(strstr(d.ms.problems[0].message, "t.yaml:14"));
	const struct manifest *m = d.ms.items;
	assert_string_equal(m[0].project, "x"); /* its own name */
	assert_string_equal(m[0].spec.project.description, "d");
	assert_string_equal(m[0].spec.project.default_environment, "dev");
	assert_string_equal(m[1].spec.runtime.base, "base/python@" SHA);
	assert_string_equal(m[1].spec.runtime.workdir, "/app");
	assert_string_equal(m[1].spec.runtime.rebuild, "auto");
	assert_string_equal(m[2].spec.environment.inherits, "staging");
	assert_true(m[2].spec.environment.follow_latest);
	assert_string_equal(pair_value(&m[2].spec.environment.selector, "tier"), "web");
}

static void a_pin_points_in_four_ways(void **state)
{
	(void)state;
	static const struct {
		const char *text, *word, *json;
		enum pin_to to;
		int64_t number;
	} cases[] = {
		{"3", "3", "3", PIN_NUMBER, 3},
		{"'17'", "17", "17", PIN_NUMBER, 17},
		{"2147483647", "2147483647", "2147483647", PIN_NUMBER, INT32_MAX},
		{SHA, SHA, "\"" SHA "\"", PIN_DIGEST, 0},
		{"stable", "stable", "\"stable\"", PIN_LABEL, 0},
		{"latest", "latest", "\"latest\"", PIN_LATEST, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		AUTO_DECODED struct decoded d = decode(
			arena_printf(&a, HEAD("Pin") "  function: f\n  environment: e\n  version: %s\n", cases[i].text));
		assert_int_equal(d.class, OK);
		const struct pin_spec *p = &d.ms.items[0].spec.pin;
		assert_int_equal(p->to, cases[i].to);
		assert_int_equal(p->number, cases[i].number);
		assert_string_equal(p->word, cases[i].word);
		assert_string_equal(spec_text(&d, 0), arena_printf(&a, "{\"environment\":\"e\",\"function\":\"f\",\"version\":%s}",
								   cases[i].json));
	}
}

static void messages_say_what_to_do(void **state)
{
	(void)state;
	assert_message(HEAD("Funktion"), R_UnknownKind, "did you mean \"Function\"?");
	assert_message(HEAD("fn"), R_UnknownKind, "did you mean \"Function\"?");
	assert_message(HEAD("Deployment"), R_UnknownKind, "there are Project, Runtime, Environment, Function and Pin");
	assert_message(FUNCTION "  enviroment: {}\n", R_UnknownField, "it has runtime, source, command");
	assert_message(FUNCTION "  resuorces: {}\n", R_UnknownField, "spec has no field \"resuorces\"; did you mean \"resources\"?");
	assert_message(FUNCTION "  memory: 1Gi\n", R_UnknownField, "did you mean \"resources.memory\"?");
	assert_message(FUNCTION "  port: '80'\n", R_WrongType, "remove the quotes");
	assert_message(FUNCTION "  timeout: 30\n", R_WrongType, "30s");
	assert_message(FUNCTION "  command: ./x\n", R_WrongType, "[program, argument, …]");
	assert_message(FUNCTION "  health: {failures: 101}\n", R_InvalidValue, "spec.health.failures must be 1 to 100, not 101");
	assert_message(HEAD("Environment") "  follow: lates\n", R_InvalidValue, "did you mean \"latest\"?");
	assert_message("apiVersion: fn/v1\nkind: Project\nmetadata: {name: a--b}\n", R_InvalidName, "\"a--b\"");
}

/* People put passwords into env, whatever the guide says. */
static void values_of_variables_stay_out_of_messages(void **state)
{
	(void)state;
	static const char *const texts[] = {
		FUNCTION "  env: {PASS: [hunter2]}\n", FUNCTION "  env: hunter2\n", FUNCTION "  env: [hunter2]\n",
		FUNCTION "  env: {FN_PASS: hunter2}\n", FUNCTION "  env: {PASS: {a: hunter2}}\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_DECODED struct decoded d = decode(texts[i]);
		assert_int_equal(d.class, INVALID);
		assert_null(strstr(d.ms.problems[0].message, "hunter2"));
		assert_null(strstr(d.e.msg, "hunter2"));
	}
}

static void the_error_sums_up(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(FUNCTION "  port: 0\n  prt: 1\n  instances: x\n");
	assert_int_equal(d.ms.nproblems, 3);
	assert_string_equal(d.e.reason, "InvalidValue");
	assert_string_equal(d.e.msg, "3 problems, the first: t.yaml:6:9: spec.port must be 1 to 65535, not 0");
	assert_string_equal(d.ms.problems[0].object, "function/x");
	assert_string_equal(d.ms.problems[0].file, "t.yaml");
}

static void files_add_up(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(FUNCTION);
	static const char more[] = HEAD("Pin") "  {function: x, environment: dev, version: 1}\n---\n" FUNCTION;
	struct err e = ERR_INIT;
	assert_int_equal(manifests_decode("u.yaml", more, sizeof more - 1, &d.a, &d.ms, &e), INVALID);
	assert_string_equal(e.reason, "DuplicateDocument");
	assert_int_equal(d.ms.n, 2);
	assert_int_equal(d.ms.nproblems, 1);
	assert_string_equal(d.ms.problems[0].file, "u.yaml");
	assert_non_null(strstr(d.ms.problems[0].message, "t.yaml:1"));
}

static void the_canonical_form_does_not_depend_on_spelling(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded a = decode(FUNCTION "  source: ./x\n  env: {A: 1, B: 2}\n  timeout: 60s\n  resources: {cpu: 1.5, memory: 1024Mi}\n");
	AUTO_DECODED struct decoded b = decode(FUNCTION "  resources: {memory: \"1073741824\", cpu: 1500m, pids: 64}\n  timeout: 1m\n"
						       "  port: 8080\n  env: {\"B\": '2', A: \"1\"}\n  source: {dir: \"./x\"}\n  command: []\n");
	assert_int_equal(a.class, OK);
	assert_int_equal(b.class, OK);
	assert_string_equal(spec_text(&a, 0), spec_text(&b, 0));
}

/* ---- JSON ---- */

static enum err_class from_json(const char *text, struct arena *a, struct manifest *m, struct err *e)
{
	AUTO_JSON json_t *j = json_loads(text, 0, NULL);
	assert_non_null(j);
	return manifest_from_json(j, a, m, e);
}

static void json_in_both_shapes(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"kind\":\"function\",\"project\":\"p\",\"name\":\"x\",\"labels\":{\"a\":\"b\"},\"annotations\":{},"
		"\"spec\":{\"runtime\":\"python\",\"env\":{\"A\":1.5,\"B\":true}},\"generation\":3}",
		"{\"apiVersion\":\"fn/v1\",\"kind\":\"Function\",\"metadata\":{\"name\":\"x\",\"project\":\"p\",\"labels\":{\"a\":\"b\"},"
		"\"uid\":\"u\"},\"spec\":{\"runtime\":\"python\",\"env\":{\"A\":1.5,\"B\":true}},\"status\":{}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		struct manifest m;
		struct err e = ERR_INIT;
		assert_int_equal(from_json(texts[i], &a, &m, &e), OK);
		assert_string_equal(m.name, "x");
		assert_string_equal(m.project, "p");
		assert_string_equal(m.file, "");
		assert_int_equal(m.line, 0);
		assert_string_equal(pair_value(&m.labels, "a"), "b");
		assert_string_equal(pair_value(&m.spec.function.env, "A"), "1.5");
		assert_string_equal(pair_value(&m.spec.function.env, "B"), "true");
		assert_int_equal(m.spec.function.port, 8080);
	}
}

static void json_is_checked_like_text(void **state)
{
	(void)state;
	static const struct {
		const char *text, *reason, *part;
	} bad[] = {
		{"[]", "WrongType", "mapping"},
		{"{}", "MissingField", "kind is missing"},
		{"{\"kind\":\"functio\",\"name\":\"x\",\"spec\":{}}", "UnknownKind", "Function"},
		{"{\"kind\":\"function\",\"name\":\"X\",\"spec\":{\"runtime\":\"p\"}}", "InvalidName", "metadata.name"},
		{"{\"kind\":\"function\",\"name\":\"x\",\"spec\":{\"runtime\":\"p\",\"port\":\"1\"}}", "WrongType", "function/x: spec.port"},
		{"{\"kind\":\"function\",\"name\":\"x\",\"spec\":{\"runtime\":\"p\",\"prt\":1}}", "UnknownField", "port"},
		{"{\"kind\":\"function\",\"name\":\"x\"}", "MissingField", "spec.runtime"},
		{"{\"kind\":\"project\",\"name\":\"x\",\"project\":\"y\",\"spec\":{}}", "UnknownField", "project"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		struct manifest m = {.line = 77};
		struct err e = ERR_INIT;
		assert_int_equal(from_json(bad[i].text, &a, &m, &e), INVALID);
		assert_string_equal(e.reason, bad[i].reason);
		if (!strstr(e.msg, bad[i].part))
			fail_msg("\"%s\" is not in \"%s\"", bad[i].part, e.msg);
		assert_int_equal(m.line, 77); /* written only on success */
	}
}

static void deep_json_is_refused(void **state)
{
	(void)state;
	json_t *j = json_string("x");
	for (int i = 0; i < 200; i++) {
		json_t *up = json_array();
		json_array_append_new(up, j);
		j = up;
	}
	AUTO_JSON json_t *doc = json_pack("{s:s, s:s, s:o}", "kind", "function", "name", "x", "spec", j);
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct manifest m;
	struct err e = ERR_INIT;
	assert_int_equal(manifest_from_json(doc, &a, &m, &e), INVALID);
	assert_string_equal(e.reason, "TooLarge");
}

static void yaml_writes_what_yaml_reads(void **state)
{
	(void)state;
	AUTO_DECODED struct decoded d = decode(FUNCTION
		"  env: {A: 'yes', B: '1.10', C: ' x ', D: \"a\\nb\\n\", E: \"\\n\\n a\\n\", F: 'null', G: '', H: '12:30', I: '- x', J: 'a: b',"
		" K: '#', L: \"t\\ta\", M: 'ü€😀', N: \"a \\n\", O: '0x1f', P: '1_000', Q: \"\\x7f\\u0085\\u2028\", R: '{{x}}', S: '*a'}\n");
	assert_int_equal(d.class, OK);
	AUTO_JSON json_t *j = manifest_json(&d.ms.items[0]);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	assert_int_equal(yaml_write(j, &b, &d.e), OK);
	AUTO_DECODED struct decoded again = decode(b.p);
	assert_int_equal(again.class, OK);
	assert_string_equal(spec_text(&d, 0), spec_text(&again, 0));
	assert_non_null(strstr(b.p, "    A: \"yes\"\n"));
	assert_non_null(strstr(b.p, "    D: |\n      a\n      b\n"));
}

static void yaml_is_for_people(void **state)
{
	(void)state;
	AUTO_JSON json_t *j = json_pack("{s:{}, s:{s:s, s:i, s:f, s:b, s:n, s:[]}, s:s, s:s}", "spec", "status", "message", "no", "n", 3,
					"f", 0.5, "b", 1, "z", "l", "kind", "Function", "apiVersion", "fn/v1");
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	assert_int_equal(yaml_write(j, &b, &e), OK);
	assert_string_equal(b.p, "apiVersion: fn/v1\nkind: Function\nspec: {}\nstatus:\n  message: \"no\"\n  \"n\": 3\n  f: 0.5\n"
				 "  b: true\n  z: null\n  l: []\n");
	AUTO_BUF struct buf small = BUF_INIT(10);
	assert_int_equal(yaml_write(j, &small, &e), INVALID);
	assert_string_equal(e.reason, "TooLarge");
}

static void the_source_hash_is_of_what_is_built(void **state)
{
	(void)state;
	static const char *const arg[] = {"a"}, *const args[] = {"a", "b"};
	struct function_spec f = {.runtime = "python", .source_digest = SHA, .command = {(const char **)arg, 1}, .port = 1};
	struct digest first = function_source_hash(&f, "scratch"), other;
	f.port = 2;
	f.memory_bytes = 5;
	f.source_dir = "x";
	other = function_source_hash(&f, "scratch");
	assert_true(digest_eq(&first, &other));
	other = function_source_hash(&f, "base/x@" SHA);
	assert_false(digest_eq(&first, &other));
	f.command = (struct strings){(const char **)args, 2};
	other = function_source_hash(&f, "scratch");
	assert_false(digest_eq(&first, &other));
	f.command = (struct strings){(const char **)arg, 1};
	f.runtime = "node";
	other = function_source_hash(&f, "scratch");
	assert_false(digest_eq(&first, &other));
	f.runtime = "python";
	f.source_digest = "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	other = function_source_hash(&f, "scratch");
	assert_false(digest_eq(&first, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_gets_its_defaults),
		cmocka_unit_test(a_function_says_everything),
		cmocka_unit_test(the_other_kinds),
		cmocka_unit_test(a_pin_points_in_four_ways),
		cmocka_unit_test(messages_say_what_to_do),
		cmocka_unit_test(values_of_variables_stay_out_of_messages),
		cmocka_unit_test(the_error_sums_up),
		cmocka_unit_test(files_add_up),
		cmocka_unit_test(the_canonical_form_does_not_depend_on_spelling),
		cmocka_unit_test(json_in_both_shapes),
		cmocka_unit_test(json_is_checked_like_text),
		cmocka_unit_test(deep_json_is_refused),
		cmocka_unit_test(yaml_writes_what_yaml_reads),
		cmocka_unit_test(yaml_is_for_people),
		cmocka_unit_test(the_source_hash_is_of_what_is_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
