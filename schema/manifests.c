#include "base/utf8.h"
#include "schema/store_private.h"

/* A row of manifest_rows. */
static enum err_class take_manifest(const struct pg_result *res, size_t row, struct arena *a, struct manifest_row *ret, struct err *e)
{
	struct manifest_row m = {
		.found = true,
		.deleting = pg_bool(res, row, 0),
		.generation = pg_int(res, row, 1, 0),
		.observed_generation = pg_int(res, row, 2, 0),
		.owner = take_text(res, row, 3, a),
		.source = take_text(res, row, 4, a),
		.actor = take_text(res, row, 11, a),
	};
	json_t *document;
	enum err_class r = take_json(res, row, 5, a, &m.conditions, e);
	if (r == OK)
		r = take_json(res, row, 6, a, &document, e);
	if (r == OK && manifest_from_json(document, a, &m.m, e))
		/* It was admitted once: whoever asks is not the one to mend it. */
		return err_set(e, BUG, R_Internal, "stored %s/%s/%s cannot be read", json_str_or(document, "kind", "?"),
			       json_str_or(document, "project", "?"), json_str_or(document, "name", "?"));
	if (r == OK)
		*ret = m;
	return r;
}

static enum err_class take_first(const struct pg_result *res, struct arena *a, struct manifest_row *ret, struct err *e)
{
	if (res->rows)
		return take_manifest(res, 0, a, ret, e);
	*ret = (struct manifest_row){.found = false};
	return OK;
}

enum err_class manifest_load(struct store *s, enum kind kind, const char *project, const char *name, struct arena *a, struct manifest_row *ret,
			     struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_manifest_load, &res, e, kind_info(kind)->singular, project, name);
	return r ? r : take_first(&res, a, ret, e);
}

enum err_class pin_for_target(struct store *s, const char *project, const char *function, const char *environment, struct arena *a,
			      struct manifest_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_pin_for_target, &res, e, project, function, environment);
	return r ? r : take_first(&res, a, ret, e);
}

enum err_class environment_chain(struct store *s, const char *project, const char *name, struct arena *a, struct manifest_row **ret, size_t *ret_n,
				 struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_environment_chain, &res, e, project, name);
	if (r)
		return r;
	struct manifest_row *rows = arena_array(a, res.rows, sizeof *rows);
	for (size_t i = 0; i < res.rows; i++) {
		r = take_manifest(&res, i, a, &rows[i], e);
		if (r)
			return r;
	}
	*ret = rows;
	*ret_n = res.rows;
	return OK;
}

static json_t *conditions_json(const struct condition *c, size_t n)
{
	json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_object();
		json_object_set_new(one, "type", json_clean(c[i].type));
		json_object_set_new(one, "status", json_clean(c[i].status));
		json_object_set_new(one, "reason", json_clean(c[i].reason));
		json_object_set_new(one, "message", json_clean(c[i].message));
		json_array_append_new(all, one);
	}
	return all;
}

enum err_class manifest_set_status(struct store *s, enum kind kind, const char *project, const char *name, int64_t observed_generation,
				   const struct condition *c, size_t n, struct err *e)
{
	struct number observed = number_text(observed_generation);
	AUTO_JSON json_t *conditions = conditions_json(c, n);
	AUTO_FREE char *text = json_text(conditions);
	return RUN(s, q_manifest_status, NULL, e, kind_info(kind)->singular, project, name, observed.text, text);
}
