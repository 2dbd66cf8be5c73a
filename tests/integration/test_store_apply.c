#include "store_case.h"

#define BASE RUNTIME("static") FOLLOWER("dev") HEIR("staging", "dev") ENVIRONMENT("prod") FUNCTION("hello", "static") FUNCTION("other", "static")

static void base(struct store_case *c)
{
	must(c, apply(c, BASE, NULL));
	clean_all(c);
}

static void created_configured_unchanged(void **state)
{
	struct store_case *c = *state;
	struct applied first[2], again[2], changed[2];
	must(c, apply(c, RUNTIME("static") FUNCTION("hello", "static"), first));
	assert_int_equal(first[1].change, APPLY_CREATED);
	assert_int_equal(first[1].generation, 1);
	clean_all(c);
	must(c, apply(c, RUNTIME("static") FUNCTION("hello", "static"), again));
	assert_int_equal(again[0].change, APPLY_UNCHANGED);
	assert_int_equal(again[1].change, APPLY_UNCHANGED);
	assert_string_equal(again[1].uid, first[1].uid);
	assert_string_equal(dirty(c), "");
	must(c, apply(c, RUNTIME("static") FUNCTION("hello", "static") "  port: 9000\n", changed));
	assert_int_equal(changed[0].change, APPLY_UNCHANGED);
	assert_int_equal(changed[1].change, APPLY_CONFIGURED);
	assert_int_equal(changed[1].generation, 2);
	assert_string_equal(changed[1].uid, first[1].uid);
	assert_string_equal(peek(c, "SELECT string_agg(outcome || ' ' || actor, ', ' ORDER BY id) FROM audit WHERE object = 'function/default/hello'"),
			    "created tester, configured tester");
}

static void labels_and_annotations_are_changes(void **state)
{
	struct store_case *c = *state;
	struct applied r[1];
	must(c, apply(c, DOC("Environment", "dev") "  labels: {a: b}\n", r));
	must(c, apply(c, DOC("Environment", "dev") "  labels: {a: c}\n", r));
	assert_int_equal(r[0].change, APPLY_CONFIGURED);
	must(c, apply(c, DOC("Environment", "dev") "  labels: {a: c}\n  annotations: {note: x}\n", r));
	assert_int_equal(r[0].change, APPLY_CONFIGURED);
	must(c, apply(c, "# moved down\n" DOC("Environment", "dev") "  annotations: {note: x}\n  labels: {a: c}\n", r));
	assert_int_equal(r[0].change, APPLY_UNCHANGED);
	assert_string_equal(peek(c, "SELECT source FROM manifests WHERE kind = 'environment'"), "test.yaml:3");
}

static void all_or_none(void **state)
{
	struct store_case *c = *state;
	refuses(c, apply(c, RUNTIME("static") FUNCTION("hello", "static") FUNCTION("bad", "statics"), NULL), INVALID, "UnknownRuntime");
	assert_non_null(strstr(c->e.msg, "did you mean \"static\"?"));
	assert_string_equal(peek(c, "SELECT (SELECT count(*) FROM manifests WHERE kind <> 'project') + (SELECT count(*) FROM functions)"
				    " + (SELECT count(*) FROM work) + (SELECT count(*) FROM audit)"),
			    "0");
}

static const char *actor_of(struct store_case *c, const char *name)
{
	struct manifest_row m;
	must(c, manifest_load(c->s, KIND_FUNCTION, "default", name, &c->a, &m, &c->e));
	return m.actor;
}

/* Whose versions and whose removal it is. */
static void who_declared_it_last_is_known(void **state)
{
	struct store_case *c = *state;
	const struct apply_opts bob = {.owner = "manifest", .actor = "bob"};
	must(c, apply(c, RUNTIME("static") FUNCTION("hello", "static"), NULL));
	assert_string_equal(actor_of(c, "hello"), "tester");
	must(c, apply_as(c, FUNCTION("hello", "static"), &bob, NULL));
	assert_string_equal(actor_of(c, "hello"), "tester"); /* he changed nothing */
	must(c, apply_as(c, FUNCTION("hello", "static") "  port: 1234\n", &bob, NULL));
	assert_string_equal(actor_of(c, "hello"), "bob");
	must(c, delete_one(c, KIND_FUNCTION, "hello"));
	assert_string_equal(actor_of(c, "hello"), "tester");
	(void)peek(c, "UPDATE manifests SET actor = ''"); /* of before this was kept */
	assert_string_equal(actor_of(c, "hello"), "manifest");
}

static void owners_do_not_overwrite_each_other(void **state)
{
	struct store_case *c = *state;
	const struct apply_opts git = {.owner = "git:repo", .actor = "robot"}, forced = {.owner = "git:repo", .actor = "robot", .force = true};
	struct applied r[1];
	base(c);
	refuses(c, apply_as(c, FUNCTION("hello", "static") "  port: 1234\n", &git, r), INVALID, "OwnedByManifest");
	assert_non_null(strstr(c->e.msg, "manifest (test.yaml:"));
	must(c, apply_as(c, FUNCTION("hello", "static"), &git, r)); /* nothing to overwrite */
	assert_int_equal(r[0].change, APPLY_UNCHANGED);
	must(c, apply_as(c, FUNCTION("hello", "static") "  port: 1234\n", &forced, r));
	assert_int_equal(r[0].change, APPLY_CONFIGURED);
	refuses(c, apply(c, FUNCTION("hello", "static"), NULL), INVALID, "OwnedByManifest");
	assert_non_null(strstr(c->e.msg, "git:repo"));
	must(c, apply(c, DOC("Project", "default") "spec:\n  defaultEnvironment: prod\n", r)); /* nobody's until now */
	assert_string_equal(peek(c, "SELECT owner || ' ' || default_environment FROM manifests JOIN projects USING (name) WHERE kind = 'project'"),
			    "manifest prod");
}

static void function_marks_its_targets(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, FUNCTION("hello", "static") "  port: 1\n", NULL));
	assert_string_equal(dirty(c), "function/default/hello target/default/hello/dev target/default/hello/prod target/default/hello/staging");
}

static void environment_marks_all_who_inherit(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, FOLLOWER("dev") "  env: {A: b}\n", NULL));
	assert_string_equal(dirty(c), "environment/default/dev target/default/hello/dev target/default/hello/staging target/default/other/dev "
				      "target/default/other/staging");
	clean_all(c);
	must(c, apply(c, HEIR("staging", "dev") "  env: {A: b}\n", NULL));
	assert_string_equal(dirty(c), "environment/default/staging target/default/hello/staging target/default/other/staging");
}

static void runtime_marks_its_functions(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, RUNTIME("rare") FUNCTION("odd", "rare"), NULL));
	clean_all(c);
	must(c, apply(c, RUNTIME("static") "  workdir: /srv\n", NULL));
	assert_string_equal(dirty(c), "function/default/hello function/default/other runtime/default/static");
}

static void pin_marks_old_and_new_target(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, PIN("keep", "hello", "prod", "1"), NULL));
	assert_string_equal(dirty(c), "pin/default/keep target/default/hello/prod");
	clean_all(c);
	must(c, apply(c, PIN("keep", "other", "staging", "1"), NULL));
	assert_string_equal(dirty(c), "pin/default/keep target/default/hello/prod target/default/other/staging");
	clean_all(c);
	must(c, delete_one(c, KIND_PIN, "keep"));
	assert_string_equal(dirty(c), "pin/default/keep target/default/other/staging");
}

static void project_marks_its_functions(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, DOC("Project", "default") "spec:\n  defaultEnvironment: prod\n", NULL));
	assert_string_equal(dirty(c), "function/default/hello function/default/other project/default/default");
}

#define IN_TEAM(kind, name) DOC(kind, name) "  project: team\n"

/* Who has no runtime of that name uses the default project's. */
static void runtimes_of_default_are_everybodys(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, DOC("Project", "team") IN_TEAM("Function", "api") "spec:\n  runtime: static\n  source: {dir: .}\n", NULL));
	clean_all(c);
	must(c, apply(c, RUNTIME("static") "  workdir: /srv\n", NULL));
	assert_string_equal(dirty(c), "function/default/hello function/default/other function/team/api runtime/default/static");
	must(c, apply(c, IN_TEAM("Runtime", "static") "spec:\n  base: scratch\n", NULL));
	clean_all(c);
	must(c, apply(c, RUNTIME("static") "  workdir: /app\n", NULL));
	assert_string_equal(dirty(c), "function/default/hello function/default/other runtime/default/static");
}

static void missing_references_are_refused(void **state)
{
	struct store_case *c = *state;
	base(c);
	refuses(c, apply(c, HEIR("x", "nowhere"), NULL), INVALID, "InvalidReference");
	refuses(c, apply(c, PIN("x", "helo", "dev", "1"), NULL), INVALID, "InvalidReference");
	assert_non_null(strstr(c->e.msg, "pin/x refers to function/helo"));
	assert_non_null(strstr(c->e.msg, "did you mean \"hello\"?"));
	refuses(c, apply(c, PIN("x", "hello", "nowhere", "1"), NULL), INVALID, "InvalidReference");
	refuses(c, apply(c, IN_TEAM("Environment", "dev"), NULL), INVALID, "InvalidReference");
	assert_non_null(strstr(c->e.msg, "project \"team\""));
}

static void inheritance_has_no_circle(void **state)
{
	struct store_case *c = *state;
	refuses(c, apply(c, HEIR("a", "b") HEIR("b", "c") HEIR("c", "a"), NULL), INVALID, "InheritanceCycle");
	must(c, apply(c, HEIR("c", "b") HEIR("b", "a") ENVIRONMENT("a"), NULL)); /* order does not matter */
	refuses(c, apply(c, HEIR("a", "c"), NULL), INVALID, "InheritanceCycle");
	struct manifest_row *chain;
	size_t n = 0;
	must(c, environment_chain(c->s, "default", "c", &c->a, &chain, &n, &c->e));
	assert_int_equal(n, 3);
	assert_string_equal(chain[0].m.name, "c");
	assert_string_equal(chain[2].m.name, "a");
	assert_string_equal(chain[0].m.spec.environment.inherits, "b");
	must(c, environment_chain(c->s, "default", "none", &c->a, &chain, &n, &c->e));
	assert_int_equal(n, 0);
}

static void what_is_in_use_stays(void **state)
{
	struct store_case *c = *state;
	base(c);
	must(c, apply(c, PIN("keep", "hello", "prod", "1"), NULL));
	refuses(c, delete_one(c, KIND_RUNTIME, "static"), INVALID, "InUse");
	assert_non_null(strstr(c->e.msg, "in use by function/hello"));
	refuses(c, delete_one(c, KIND_ENVIRONMENT, "dev"), INVALID, "InUse");
	refuses(c, delete_one(c, KIND_ENVIRONMENT, "prod"), INVALID, "InUse");
	refuses(c, delete_one(c, KIND_FUNCTION, "hello"), INVALID, "InUse");
	assert_non_null(strstr(c->e.msg, "pin/keep"));
	refuses(c, delete_one(c, KIND_PROJECT, "default"), DENIED, "Forbidden");
	refuses(c, delete_one(c, KIND_RUNTIME, "none"), INVALID, "NotFound");
	must(c, delete_one(c, KIND_PIN, "keep"));
	must(c, delete_one(c, KIND_FUNCTION, "hello")); /* a pin that is going holds nobody */
	must(c, delete_one(c, KIND_FUNCTION, "other"));
	must(c, delete_one(c, KIND_RUNTIME, "static"));
	must(c, delete_one(c, KIND_ENVIRONMENT, "staging"));
	must(c, delete_one(c, KIND_ENVIRONMENT, "dev"));
}

static void deleting_then_again(void **state)
{
	struct store_case *c = *state;
	base(c);
	struct function_row before, after;
	must(c, function_load(c->s, "default", "hello", &c->a, &before, &c->e));
	must(c, delete_one(c, KIND_FUNCTION, "hello"));
	must(c, delete_one(c, KIND_FUNCTION, "hello")); /* again is fine */
	assert_string_equal(dirty(c), "function/default/hello target/default/hello/dev target/default/hello/prod target/default/hello/staging");
	struct manifest_row m;
	must(c, manifest_load(c->s, KIND_FUNCTION, "default", "hello", &c->a, &m, &c->e));
	assert_true(m.found && m.deleting);
	refuses(c, apply(c, FUNCTION("hello", "static"), NULL), CONFLICT, "Deleting");
	must(c, function_delete(c->s, before.id, &c->e));
	must(c, manifest_remove(c->s, KIND_FUNCTION, "default", "hello", &c->e));
	must(c, manifest_remove(c->s, KIND_FUNCTION, "default", "hello", &c->e)); /* again is fine */
	must(c, manifest_load(c->s, KIND_FUNCTION, "default", "hello", &c->a, &m, &c->e));
	assert_false(m.found);
	must(c, apply(c, FUNCTION("hello", "static"), NULL));
	must(c, function_load(c->s, "default", "hello", &c->a, &after, &c->e));
	assert_string_not_equal(after.id, before.id);
}

static void wanted_rows_are_not_removed(void **state)
{
	struct store_case *c = *state;
	base(c);
	refuses(c, manifest_remove(c->s, KIND_FUNCTION, "default", "hello", &c->e), CONFLICT, "DatabaseConflict");
	must(c, apply(c, DOC("Project", "team") IN_TEAM("Environment", "dev"), NULL));
	refuses(c, delete_one(c, KIND_PROJECT, "team"), INVALID, "NotFound"); /* a project is in itself */
	must(c, store_begin(c->s, &c->e));
	refuses(c, manifest_delete(c->s, KIND_PROJECT, "team", "team", "tester", &c->e), INVALID, "InUse");
	must(c, manifest_delete(c->s, KIND_ENVIRONMENT, "team", "dev", "tester", &c->e));
	must(c, manifest_delete(c->s, KIND_PROJECT, "team", "team", "tester", &c->e));
	must(c, store_commit(c->s, &c->e));
	refuses(c, manifest_remove(c->s, KIND_PROJECT, "team", "team", &c->e), CONFLICT, "DatabaseConflict"); /* the environment first */
	must(c, manifest_remove(c->s, KIND_ENVIRONMENT, "team", "dev", &c->e));
	must(c, manifest_remove(c->s, KIND_PROJECT, "team", "team", &c->e));
	assert_null(peek(c, "SELECT 1 FROM projects WHERE name = 'team'"));
}

static void removal_in_any_order(void **state)
{
	struct store_case *c = *state;
	must(c, apply(c, HEIR("b", "a") ENVIRONMENT("a"), NULL));
	must(c, delete_one(c, KIND_ENVIRONMENT, "b"));
	must(c, delete_one(c, KIND_ENVIRONMENT, "a"));
	must(c, manifest_remove(c->s, KIND_ENVIRONMENT, "default", "a", &c->e));
	must(c, manifest_remove(c->s, KIND_ENVIRONMENT, "default", "b", &c->e));
	assert_string_equal(peek(c, "SELECT count(*) FROM environments"), "0");
}

static void stored_is_what_was_declared(void **state)
{
	struct store_case *c = *state;
	struct manifest_row m;
	must(c, apply(c, RUNTIME("static") DOC("Function", "hello") "  labels: {team: a}\nspec:\n  runtime: static\n  port: 9000\n  env: {A: \"1\"}\n", NULL));
	must(c, manifest_load(c->s, KIND_FUNCTION, "default", "hello", &c->a, &m, &c->e));
	assert_true(m.found && !m.deleting);
	assert_int_equal(m.generation, 1);
	assert_int_equal(m.observed_generation, 0);
	assert_string_equal(m.owner, "manifest");
	assert_int_equal(m.m.spec.function.port, 9000);
	assert_string_equal(m.m.spec.function.env.items[0].value, "1");
	assert_string_equal(m.m.labels.items[0].value, "a");
	must(c, manifest_load(c->s, KIND_PROJECT, "default", "default", &c->a, &m, &c->e));
	assert_string_equal(m.m.spec.project.default_environment, "dev");
}

static void pins_are_found_by_target(void **state)
{
	struct store_case *c = *state;
	struct manifest_row m;
	base(c);
	must(c, apply(c, PIN("b", "hello", "prod", "2") PIN("a", "hello", "prod", "3"), NULL));
	must(c, pin_for_target(c->s, "default", "hello", "prod", &c->a, &m, &c->e));
	assert_true(m.found);
	assert_string_equal(m.m.name, "a");
	assert_int_equal(m.m.spec.pin.number, 3);
	must(c, delete_one(c, KIND_PIN, "a"));
	must(c, pin_for_target(c->s, "default", "hello", "prod", &c->a, &m, &c->e));
	assert_string_equal(m.m.name, "b");
	must(c, pin_for_target(c->s, "default", "hello", "dev", &c->a, &m, &c->e));
	assert_false(m.found);
}

static const char *transition(struct store_case *c, const char *type)
{
	struct manifest_row m;
	must(c, manifest_load(c->s, KIND_ENVIRONMENT, "default", "prod", &c->a, &m, &c->e));
	size_t i;
	json_t *one;
	json_array_foreach(m.conditions, i, one)
		if (strcmp(json_str_or(one, "type", ""), type) == 0)
			return json_str_or(one, "lastTransitionTime", NULL);
	return NULL;
}

static void conditions_keep_their_time(void **state)
{
	struct store_case *c = *state;
	base(c);
	struct condition set[] = {{"Ready", "False", "Pending", "waiting"}, {"Built", "True", "Serving", ""}};
	must(c, manifest_set_status(c->s, KIND_ENVIRONMENT, "default", "prod", 1, set, 2, &c->e));
	/* As if it had happened long ago. */
	(void)peek(c, "UPDATE manifests SET conditions = (SELECT jsonb_agg(x || '{\"lastTransitionTime\": \"2001-01-01T00:00:00.000Z\"}') FROM"
		      " jsonb_array_elements(conditions) x) WHERE name = 'prod'");
	const char *version = peek(c, "SELECT xmin::text FROM manifests WHERE name = 'prod'");
	must(c, manifest_set_status(c->s, KIND_ENVIRONMENT, "default", "prod", 1, set, 2, &c->e));
	assert_string_equal(peek(c, "SELECT xmin::text FROM manifests WHERE name = 'prod'"), version); /* nothing was written */
	set[0] = (struct condition){"Ready", "True", "Serving", "yes"};
	set[1].message = "another message";
	must(c, manifest_set_status(c->s, KIND_ENVIRONMENT, "default", "prod", 2, set, 2, &c->e));
	assert_string_equal(transition(c, "Built"), "2001-01-01T00:00:00.000Z");
	assert_string_not_equal(transition(c, "Ready"), "2001-01-01T00:00:00.000Z");
	assert_string_equal(peek(c, "SELECT observed_generation || ' ' || generation FROM manifests WHERE name = 'prod'"), "2 1");
	must(c, manifest_set_status(c->s, KIND_ENVIRONMENT, "default", "prod", 2, NULL, 0, &c->e));
	assert_string_equal(peek(c, "SELECT conditions::text FROM manifests WHERE name = 'prod'"), "[]");
}

static void hostile_text_is_only_text(void **state)
{
	struct store_case *c = *state;
	must(c, apply(c, DOC("Environment", "dev") "spec:\n  env: {A: \"'); DROP TABLE manifests; -- $$ \\\\ \\\" \\u2028 {1}\"}\n", NULL));
	struct manifest_row m;
	must(c, manifest_load(c->s, KIND_ENVIRONMENT, "default", "dev", &c->a, &m, &c->e));
	assert_string_equal(m.m.spec.environment.env.items[0].value, "'); DROP TABLE manifests; -- $$ \\ \" \xe2\x80\xa8 {1}");
	refuses(c, delete_one(c, KIND_ENVIRONMENT, "dev' OR '1'='1"), INVALID, "NotFound");
}

static void admission_needs_a_transaction(void **state)
{
	struct store_case *c = *state;
	struct manifests ms = decode(c, ENVIRONMENT("dev"));
	struct applied r;
	const struct apply_opts o = {.owner = "manifest", .actor = "tester"};
	refuses(c, manifest_apply(c->s, &ms.items[0], &o, &r, &c->e), BUG, "Internal");
}

#define T(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(created_configured_unchanged), T(labels_and_annotations_are_changes), T(all_or_none), T(owners_do_not_overwrite_each_other), T(who_declared_it_last_is_known),
		T(function_marks_its_targets), T(environment_marks_all_who_inherit), T(runtime_marks_its_functions), T(pin_marks_old_and_new_target),
		T(project_marks_its_functions), T(runtimes_of_default_are_everybodys), T(missing_references_are_refused), T(inheritance_has_no_circle),
		T(what_is_in_use_stays), T(deleting_then_again), T(wanted_rows_are_not_removed), T(removal_in_any_order), T(stored_is_what_was_declared),
		T(pins_are_found_by_target), T(conditions_keep_their_time), T(hostile_text_is_only_text), T(admission_needs_a_transaction),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
