#include "reconcilers/function/number.h"

#include <string.h>

const char built_with[] = "runtimeSpec";

enum err_class runtime_find(struct store *s, const char *project, const char *name, struct arena *a, struct runtime_given *ret, struct err *e)
{
	struct manifest_row *row = arena_alloc(a, sizeof *row);
	*ret = (struct runtime_given){.found = false};
	enum err_class c = manifest_load(s, KIND_RUNTIME, project, name, a, row, e);
	if (!c && !row->found && strcmp(project, "default") != 0) /* the default project's runtimes are everybody's */
		c = manifest_load(s, KIND_RUNTIME, "default", name, a, row, e);
	if (c || !row->found)
		return c;
	json_t *given = manifest_spec_json(&row->m);
	(void)json_object_del(given, "rebuild"); /* decides when to build, not what */
	*ret = (struct runtime_given){.found = true, .spec = &row->m.spec.runtime, .json = json_in_arena(given, a)};
	return OK;
}

enum err_class version_take(struct store *s, const struct numbering *n, char ret_id[UUID_TEXT], int64_t *ret_version, struct err *e)
{
	char hash[DIGEST_TEXT];
	const char *base = n->runtime->spec->base;
	struct digest input = function_source_hash(n->spec, base);
	struct manifest m = {.kind = KIND_FUNCTION, .project = n->project, .name = n->name, .spec.function = *n->spec};
	AUTO_JSON json_t *spec = manifest_spec_json(&m);
	(void)json_object_set_new(spec, built_with, json_deep_copy(n->runtime->json)); /* fails only out of memory */
	const struct deployment_new d = {
		.function_id = n->function_id,
		.input_hash = digest_text(&input, hash),
		.source_digest = n->spec->source_digest,
		.runtime = n->spec->runtime,
		.base = base,
		.created_by = n->created_by,
		.source_kind = n->source_kind,
		.note = n->note,
		.spec = spec,
		.deadline_in_ms = BUILD_DEADLINE_MS,
		.expected = n->expected,
	};
	return deployment_create(s, &d, ret_id, ret_version, e);
}

static enum err_class decode(const char *kind, const char *name, const json_t *spec, struct arena *a, struct manifest *ret, struct err *e)
{
	static const char any[] = "default";
	AUTO_JSON json_t *doc = json_pack("{s:s, s:s, s:s, s:{}, s:{}, s:O}", "kind", kind, "project", any, "name", name, "labels", "annotations", "spec", spec);
	enum err_class c = manifest_from_json(doc, a, ret, e);
	return c == INVALID ? (err_wrap(e, "the recorded %s", kind), c) : c;
}

enum err_class version_specs(const struct deployment_row *d, struct arena *a, struct version_specs *ret, struct err *e)
{
	struct manifest function, runtime;
	AUTO_JSON json_t *spec = json_deep_copy(d->spec);
	(void)json_object_del(spec, built_with); /* it is no part of a function's spec */
	enum err_class c = decode("function", "built", spec, a, &function, e);
	if (!c)
		c = decode("runtime", d->runtime, json_object_get(d->spec, built_with), a, &runtime, e);
	if (!c)
		*ret = (struct version_specs){function.spec.function, runtime.spec.runtime};
	return c;
}
