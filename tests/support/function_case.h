/* A function with versions and releases to work on. */
#ifndef FN_TESTS_FUNCTION_CASE_H
#define FN_TESTS_FUNCTION_CASE_H

#include "store_case.h"

static inline const char *function_id(struct store_case *c, const char *name)
{
	struct function_row f;
	must(c, function_load(c->s, "default", name, &c->a, &f, &c->e));
	assert_true(f.found);
	return arena_strdup(&c->a, f.id);
}

/* hello and other in dev (follows), staging (inherits dev), prod. The id of hello. */
static inline const char *with_function(struct store_case *c)
{
	must(c, apply(c, RUNTIME("static") FOLLOWER("dev") HEIR("staging", "dev") ENVIRONMENT("prod") FUNCTION("hello", "static") FUNCTION("other", "static"), NULL));
	return function_id(c, "hello");
}

static inline const char *new_version(struct store_case *c, struct store *s, const char *function, int64_t *ret_version, struct err *e)
{
	AUTO_JSON json_t *spec = json_pack("{s:s}", "runtime", "static");
	const struct deployment_new d = {.function_id = function, .input_hash = "sha256:in", .source_digest = "sha256:src", .runtime = "static",
					 .base = "scratch", .created_by = "tester", .source_kind = "manifest", .spec = spec, .deadline_in_ms = 60000};
	char id[UUID_TEXT];
	if (deployment_create(s, &d, id, ret_version, e))
		fail_msg("%s: %s", e->reason, e->msg);
	return c ? arena_strdup(&c->a, id) : NULL;
}

static inline const char *built_version(struct store_case *c, const char *function, const char *digest)
{
	int64_t version;
	const char *id = new_version(c, c->s, function, &version, &c->e);
	const struct deployment_built b = {.s3_key = "functions/f/v1/function.tar.gz", .layer_digest = "sha256:layer", .layer_diff_id = "sha256:diff",
					   .image_tag = "functions/default/hello:v1", .image_digest = digest, .source_size = 10, .layer_size = 20};
	must(c, deployment_ready(c->s, id, &b, &c->e));
	return id;
}

static inline const char *mint(struct store_case *c, const char *function, const char *environment, const char *deployment, const char *value, int64_t *ret_n)
{
	AUTO_JSON json_t *tuple = json_pack("{s:s}", "VALUE", value);
	char id[UUID_TEXT];
	must(c, release_mint(c->s, function, environment, deployment, tuple, "tester", id, ret_n, &c->e));
	return arena_strdup(&c->a, id);
}

#endif
