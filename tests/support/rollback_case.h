/* A function with versions that serve, over an API in this process. The loop's part is played by the store. */
#ifndef FN_TESTS_ROLLBACK_CASE_H
#define FN_TESTS_ROLLBACK_CASE_H

#include "api_env.h"

#include "reconcilers/target/tuple.h"
#include "schema/store.h"

#define DECLARED(name, spec) \
	"apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: static}\nspec: {base: scratch, command: [run]}\n---\n" \
	"apiVersion: fn/v1\nkind: Environment\nmetadata: {name: dev}\nspec: {follow: latest}\n---\n" \
	"apiVersion: fn/v1\nkind: Environment\nmetadata: {name: staging}\nspec: {}\n---\n" \
	"apiVersion: fn/v1\nkind: Function\nmetadata: {name: " name "}\nspec: {runtime: static, source: ./" name ", " spec "}\n"

struct world {
	struct api_env *t;
	struct store *s;
	struct err e;
	struct arena a;
	const char *name, *id;
	struct call c;
};

#define AUTO_WORLD __attribute__((cleanup(world_close)))
static inline void world_close(struct world *w)
{
	store_free(w->s);
	call_release(&w->c);
	arena_release(&w->a);
}

/* Declares a function of its own for a test; spec: what its manifest says beside runtime and source. */
static inline void declare(struct world *w, const char *spec)
{
	static const char source[] = "a source";
	struct digest d = digest_of_str(source);
	char digest[DIGEST_TEXT];
	env_put(w->t, &w->c, &d, source, sizeof source - 1);
	const char *yaml = arena_printf(&w->a, DECLARED("%s", "%s"), w->name, w->name, spec), *object = arena_printf(&w->a, "default/%s", w->name);
	ask_json(w->t, &w->c, "POST", "/api/apply", apply_body(w->t, yaml, object, digest_text(&d, digest)));
	assert_status(&w->c, 200);
}

static inline void world_open(struct world *w, void **state, const char *name)
{
	struct function_row f;
	*w = (struct world){.t = env(state), .e = ERR_INIT, .name = name};
	w->s = store_new(w->t->conf.database);
	declare(w, "env: {GREETING: one}");
	must(function_load(w->s, "default", name, &w->a, &f, &w->e), w->e);
	w->id = arena_strdup(&w->a, f.id);
}

static inline const char *number(struct world *w, int64_t *ret_version)
{
	AUTO_JSON json_t *spec = json_pack("{s:s}", "runtime", "static");
	struct manifest_row f;
	char hash[DIGEST_TEXT];
	must(manifest_load(w->s, KIND_FUNCTION, "default", w->name, &w->a, &f, &w->e), w->e);
	struct digest input = function_source_hash(&f.m.spec.function, "scratch");
	const struct deployment_new d = {.function_id = w->id, .input_hash = digest_text(&input, hash), .source_digest = "sha256:src", .runtime = "static", .base = "scratch",
					 .created_by = "tester", .source_kind = "manifest", .note = "why", .spec = spec, .deadline_in_ms = 60000};
	char id[UUID_TEXT];
	must(deployment_create(w->s, &d, id, ret_version, &w->e), w->e);
	return arena_strdup(&w->a, id);
}

static inline const char *build(struct world *w)
{
	int64_t n;
	const char *id = number(w, &n);
	const struct deployment_built b = {.s3_key = arena_printf(&w->a, "functions/%s/v%lld/function.tar.gz", w->id, (long long)n), .layer_digest = "sha256:layer",
					   .layer_diff_id = "sha256:diff", .image_tag = arena_printf(&w->a, "functions/default/%s:v%lld", w->name, (long long)n),
					   .image_digest = arena_printf(&w->a, "sha256:%lld", (long long)n), .source_size = 10, .layer_size = 2048};
	must(deployment_ready(w->s, id, &b, &w->e), w->e);
	return id;
}

/* What the loop would run of a version with what is declared now. */
static inline json_t *tuple_now(struct world *w, const char *environment, const char *image)
{
	struct manifest_row f, *chain;
	size_t n;
	must(manifest_load(w->s, KIND_FUNCTION, "default", w->name, &w->a, &f, &w->e), w->e);
	must(environment_chain(w->s, "default", environment, &w->a, &chain, &n, &w->e), w->e);
	const struct environment_spec **specs = arena_array(&w->a, n, sizeof *specs);
	for (size_t i = 0; i < n; i++)
		specs[i] = &chain[i].m.spec.environment;
	return json_in_arena(tuple_make(image, &f.m.spec.function, specs, n), &w->a);
}

/* As the loop records it, with the rollback that waits for it. */
static inline void acknowledge(struct world *w, const char *environment, const char *release)
{
	struct target_row t;
	must(target_load(w->s, w->id, environment, &w->a, &t, &w->e), w->e);
	must(target_set_routed(w->s, w->id, environment, release, t.hold.id, &w->e), w->e);
}

/* The version serves there with an instance, as after a pass. The release's id. */
static inline const char *serve(struct world *w, const char *environment, const char *mode, const char *deployment)
{
	struct deployment_row d;
	char id[UUID_TEXT];
	int64_t n;
	must(deployment_load(w->s, deployment, &w->a, &d, &w->e), w->e);
	must(target_want(w->s, w->id, "default", w->name, environment, mode, d.version, &w->e), w->e);
	must(release_mint(w->s, w->id, environment, deployment, tuple_now(w, environment, d.image_digest), "tester", id, &n, &w->e), w->e);
	must(target_set_active(w->s, w->id, environment, id, &w->e), w->e);
	acknowledge(w, environment, id);
	must(target_set_status(w->s, w->id, environment, "Serving", "", &(struct target_seen){.function = 1}, &w->e), w->e);
	return arena_strdup(&w->a, id);
}

/* Instances of these releases run there. */
static inline void run_instances(struct world *w, const char *environment, const char *const *releases, size_t n)
{
	struct instance_row *rows = arena_array(&w->a, n, sizeof *rows);
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct instance_row){.id = arena_printf(&w->a, "%s-%s-%zu", w->name, environment, i), .release_id = releases[i], .address = "10.0.0.1",
						.state = "ready", .reason = "", .message = ""};
	must(instances_record(w->s, w->id, environment, rows, n, &w->e), w->e);
}

static inline const char *peek(struct world *w, const char *sql)
{
	AUTO_FREE char *s = postgres_sql(w->t->conninfo, sql);
	return s ? arena_strdup(&w->a, s) : "";
}

#endif
