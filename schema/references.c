/* What manifests say of each other. */
#include "schema/admission.h"

static enum err_class exists(struct store *s, enum kind kind, const char *project, const char *name, bool *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_reference, &res, e, kind_info(kind)->singular, project, name);
	if (r == OK)
		*ret = res.rows > 0;
	return r;
}

/* The nearest name of that kind, or NULL. Only good advice depends on it. */
static const char *suggestion(struct store *s, enum kind kind, const char *project, const char *word, struct arena *a)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	if (RUN(s, q_reference_names, &res, NULL, kind_info(kind)->singular, project))
		return NULL;
	const char **names = arena_array(a, res.rows, sizeof *names);
	for (size_t i = 0; i < res.rows; i++)
		names[i] = take_text(&res, i, 0, a);
	return nearest_name(word, names, res.rows);
}

static enum err_class require(struct store *s, const struct manifest *m, enum kind kind, const char *name, struct err *e)
{
	bool found = false;
	enum err_class r = exists(s, kind, m->project, name, &found, e);
	bool shared = kind == KIND_RUNTIME && strcmp(m->project, "default") != 0; /* the default project's runtimes are everybody's */
	if (r == OK && !found && shared)
		r = exists(s, kind, "default", name, &found, e);
	if (r || found)
		return r;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *near = suggestion(s, kind, m->project, name, &a);
	if (!near && shared)
		near = suggestion(s, kind, "default", name, &a);
	return err_set(e, INVALID, kind == KIND_RUNTIME ? R_UnknownRuntime : R_InvalidReference,
		       "%s/%s refers to %s/%s, which does not exist in project \"%s\"%s%s%s", kind_info(m->kind)->singular, m->name,
		       kind_info(kind)->singular, name, m->project, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum err_class check_inheritance(struct store *s, const struct manifest *m, struct err *e)
{
	if (!m->spec.environment.inherits)
		return OK;
	enum err_class r = require(s, m, KIND_ENVIRONMENT, m->spec.environment.inherits, e);
	if (r)
		return r;
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	r = RUN(s, q_environment_cycle, &res, e, m->project, m->name);
	if (r || res.rows == 0)
		return r;
	return err_set(e, INVALID, R_InheritanceCycle, "environment/%s inherits from itself through environment/%s", m->name,
		       m->spec.environment.inherits);
}

enum err_class manifest_check_references(struct store *s, const struct manifest *m, struct err *e)
{
	enum err_class r;
	switch (m->kind) {
	case KIND_FUNCTION:
		return require(s, m, KIND_RUNTIME, m->spec.function.runtime, e);
	case KIND_ENVIRONMENT:
		return check_inheritance(s, m, e);
	case KIND_PIN:
		r = require(s, m, KIND_FUNCTION, m->spec.pin.function, e);
		return r ? r : require(s, m, KIND_ENVIRONMENT, m->spec.pin.environment, e);
	case KIND_PROJECT:
	case KIND_RUNTIME:
		return OK;
	case KIND_COUNT:
		break;
	}
	return err_set(e, BUG, R_Internal, "no such kind");
}

static enum err_class referrer(struct store *s, enum kind kind, const char *project, const char *name, struct pg_result *ret, struct err *e)
{
	switch (kind) {
	case KIND_PROJECT: return RUN(s, q_referrer_project, ret, e, project);
	case KIND_RUNTIME: return RUN(s, q_referrer_runtime, ret, e, project, name);
	case KIND_ENVIRONMENT: return RUN(s, q_referrer_environment, ret, e, project, name);
	case KIND_FUNCTION: return RUN(s, q_referrer_function, ret, e, project, name);
	case KIND_PIN:
	case KIND_COUNT: break;
	}
	return OK;
}

enum err_class check_referrers(struct store *s, enum kind kind, const char *project, const char *name, struct err *e)
{
	if (kind == KIND_PROJECT && strcmp(name, "default") == 0)
		return err_set(e, DENIED, R_Forbidden, "the project \"default\" stays");
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = referrer(s, kind, project, name, &res, e);
	if (r || res.rows == 0)
		return r;
	return err_set(e, INVALID, R_InUse, "%s/%s is in use by %s", kind_info(kind)->singular, name, pg_text(&res, 0, 0));
}
