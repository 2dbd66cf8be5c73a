#include "reconcilers/target/tuple.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void add_pairs(json_t *env, const struct pairs *p)
{
	for (size_t i = 0; i < p->n; i++)
		(void)json_object_set_new(env, p->items[i].name, json_string(p->items[i].value)); /* fails only out of memory */
}

static json_t *merged_env(const struct function_spec *f, const struct environment_spec *const *chain, size_t n)
{
	json_t *env = json_object();
	for (size_t i = n; i > 0; i--)
		add_pairs(env, &chain[i - 1]->env);
	add_pairs(env, &f->env);
	return env;
}

json_t *tuple_config(const struct function_spec *f, const struct environment_spec *const *chain, size_t n)
{
	const struct health_spec *h = &f->health;
	json_t *health = json_pack("{s:s?, s:I, s:I, s:I, s:I}", "path", h->path, "interval_ms", (json_int_t)h->interval_ms, "timeout_ms",
				   (json_int_t)h->timeout_ms, "deadline_ms", (json_int_t)h->deadline_ms, "failures", (json_int_t)h->failures);
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "env", merged_env(f, chain, n), "port", (json_int_t)f->port, "memory_bytes",
			 (json_int_t)f->memory_bytes, "cpu_millis", (json_int_t)f->cpu_millis, "pids", (json_int_t)f->pids, "timeout_ms",
			 (json_int_t)f->timeout_ms, "health", health);
}

json_t *tuple_make(const char *image_digest, const struct function_spec *f, const struct environment_spec *const *chain, size_t n)
{
	json_t *tuple = tuple_config(f, chain, n);
	(void)json_object_set_new(tuple, "image", json_string(image_digest)); /* fails only out of memory */
	return tuple;
}

static void carry(json_t *to, const json_t *base, const json_t *now)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)now, key, value) {
		json_t *before = json_object_get(base, key), *mine = json_object_get(to, key);
		if (before && json_equal(before, value))
			continue;
		if (json_is_object(value) && json_is_object(before) && json_is_object(mine))
			carry(mine, before, value);
		else
			(void)json_object_set_new(to, key, json_deep_copy(value)); /* fails only out of memory */
	}
	json_object_foreach((json_t *)(uintptr_t)base, key, value)
		if (!json_object_get(now, key))
			(void)json_object_del(to, key); /* absent is fine */
}

json_t *tuple_rebase(const json_t *tuple, const json_t *base, const json_t *now)
{
	json_t *out = json_deep_copy(tuple);
	carry(out, base, now);
	return out;
}

int64_t tuple_timeout_ms(const json_t *tuple) { return json_int_or(tuple, "timeout_ms", 30000); }

int64_t tuple_health_deadline_ms(const json_t *tuple)
{
	return json_int_or(json_object_get(tuple, "health"), "deadline_ms", 30000);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* In one order whoever wrote the tuple, so that the same release is the same spec to the node. PORT is the port that is probed, whatever
 * the variables say. */
static const char *const *env_list(const json_t *tuple, const struct tuple_names *names, struct arena *a)
{
	enum { PLATFORM = 6 };
	json_t *env = json_object_get(tuple, "env");
	const char **list = arena_array(a, json_object_size(env) + PLATFORM + 1, sizeof *list);
	size_t n = 0;
	const char *name;
	json_t *value;
	json_object_foreach(env, name, value)
		if (strcmp(name, "PORT") != 0)
			list[n++] = arena_printf(a, "%s=%s", name, json_string_value(value));
	list[n++] = arena_printf(a, "PORT=%lld", (long long)json_int_or(tuple, "port", 0));
	list[n++] = arena_printf(a, "FN_FUNCTION=%s", names->function);
	list[n++] = arena_printf(a, "FN_PROJECT=%s", names->project);
	list[n++] = arena_printf(a, "FN_ENVIRONMENT=%s", names->environment);
	list[n++] = arena_printf(a, "FN_VERSION=%lld", (long long)names->version);
	list[n++] = arena_printf(a, "FN_RELEASE=%lld", (long long)names->release);
	qsort(list, n, sizeof *list, by_text);
	return list;
}

enum err_class tuple_instance(const json_t *tuple, const struct tuple_names *names, struct arena *a, struct instance_spec *ret, struct err *e)
{
	static const char *const images_own[] = {NULL};
	const json_t *health = json_object_get(tuple, "health");
	struct digest image;
	if (!digest_parse(json_str_or(tuple, "image", ""), &image) || !json_is_object(health))
		return err_set(e, BUG, R_Internal, "a release's tuple is damaged");
	*ret = (struct instance_spec){
		.environment = arena_printf(a, "%s/%s", names->project, names->environment),
		.image = image,
		.command = images_own,
		.env = env_list(tuple, names, a),
		.port = (int)json_int_or(tuple, "port", 0),
		.memory_bytes = json_int_or(tuple, "memory_bytes", 0),
		.cpu_millis = json_int_or(tuple, "cpu_millis", 0),
		.pids = json_int_or(tuple, "pids", 0),
		.health_path = json_str_or(health, "path", NULL),
		.health_interval_ms = json_int_or(health, "interval_ms", 0),
		.health_timeout_ms = json_int_or(health, "timeout_ms", 0),
		.health_deadline_ms = json_int_or(health, "deadline_ms", 0),
		.health_failures = json_int_or(health, "failures", 0),
	};
	return OK;
}
