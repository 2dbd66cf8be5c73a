#include "schema/store_private.h"

/* A row of release_rows. */
static enum err_class take_release(const struct pg_result *res, size_t row, struct arena *a, struct release_row *ret, struct err *e)
{
	struct release_row out = {
		.n = pg_int(res, row, 1, 0),
		.version = pg_int(res, row, 2, 0),
		.config_hash = take_text(res, row, 4, a),
		.image_digest = take_text(res, row, 5, a),
		.image_tag = take_text(res, row, 6, a),
		.served = pg_bool(res, row, 8),
		.unrouted_at_ms = pg_int(res, row, 12, 0),
		.rejected = pg_bool(res, row, 13),
	};
	const char *status = pg_text(res, row, 11);
	out.archived = status && strcmp(status, "archived") == 0;
	take_uuid(res, row, 0, out.id);
	take_uuid(res, row, 3, out.deployment_id);
	enum err_class r = take_json(res, row, 7, a, &out.tuple, e);
	if (r == OK)
		*ret = out;
	return r;
}

static enum err_class take_releases(const struct pg_result *res, struct arena *a, struct release_row **ret, size_t *ret_n, struct err *e)
{
	struct release_row *rows = arena_array(a, res->rows, sizeof *rows);
	for (size_t i = 0; i < res->rows; i++) {
		enum err_class r = take_release(res, i, a, &rows[i], e);
		if (r)
			return r;
	}
	*ret = rows;
	*ret_n = res->rows;
	return OK;
}

static enum err_class take_maybe(const struct pg_result *res, struct arena *a, struct release_row *ret, bool *ret_found, struct err *e)
{
	enum err_class r = res->rows ? take_release(res, 0, a, ret, e) : OK;
	if (r == OK)
		*ret_found = res->rows > 0;
	return r;
}

enum err_class releases_load(struct store *s, const char *function_id, const char *environment, size_t limit, struct arena *a, struct release_row **ret,
			     size_t *ret_n, struct err *e)
{
	struct number n = number_text((int64_t)limit);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_releases, &res, e, function_id, environment, n.text);
	return r ? r : take_releases(&res, a, ret, ret_n, e);
}

enum err_class releases_warm(struct store *s, const char *function_id, const char *environment, size_t limit, int64_t ms, struct arena *a,
			     struct release_row **ret, size_t *ret_n, struct err *e)
{
	struct number n = number_text((int64_t)limit), age = number_text(ms);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_releases_warm, &res, e, function_id, environment, n.text, age.text);
	return r ? r : take_releases(&res, a, ret, ret_n, e);
}

enum err_class release_before(struct store *s, const char *function_id, const char *environment, const char *release, struct arena *a,
			      struct release_row *ret, bool *ret_found, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_release_before, &res, e, function_id, environment, release);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class release_of_version(struct store *s, const char *function_id, const char *environment, int64_t version, struct arena *a,
				  struct release_row *ret, bool *ret_found, struct err *e)
{
	struct number n = number_text(version);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_release_of_version, &res, e, function_id, environment, n.text);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class release_load(struct store *s, const char *id, struct arena *a, struct release_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_release, &res, e, id);
	if (r)
		return r;
	if (res.rows == 0)
		return err_set(e, INVALID, R_NotFound, "there is no release %s", id);
	return take_release(&res, 0, a, ret, e);
}

enum err_class release_find(struct store *s, const char *function_id, const char *environment, const char *deployment_id, const json_t *tuple,
			    struct arena *a, struct release_row *ret, bool *ret_found, struct err *e)
{
	char hash[DIGEST_TEXT];
	struct digest d = json_digest(tuple);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_release_find, &res, e, function_id, environment, deployment_id, digest_text(&d, hash));
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class release_runs(struct store *s, const char *id, int64_t *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_release_runs, &res, e, id);
	if (!r)
		*ret = pg_int(&res, 0, 0, 0);
	return r;
}

enum err_class release_mint(struct store *s, const char *function_id, const char *environment, const char *deployment_id, const json_t *tuple,
			    const char *created_by, char ret_id[UUID_TEXT], int64_t *ret_n, struct err *e)
{
	char hash[DIGEST_TEXT];
	struct digest d = json_digest(tuple);
	AUTO_FREE char *text = json_text(tuple);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_release_mint, &res, e, function_id, environment, deployment_id, digest_text(&d, hash), text, created_by);
	if (r)
		return r;
	take_uuid(&res, 0, 0, ret_id);
	*ret_n = pg_int(&res, 0, 1, 0);
	return OK;
}

enum err_class bindings_load(struct store *s, const char *project, const char *function, const char *function_id, struct arena *a, struct binding **ret,
			     size_t *ret_n, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_bindings, &res, e, project, function, function_id);
	if (r)
		return r;
	struct binding *rows = arena_array(a, res.rows, sizeof *rows);
	for (size_t i = 0; i < res.rows; i++)
		rows[i] = (struct binding){
			.environment = take_text(&res, i, 0, a),
			.declared = take_text(&res, i, 1, a),
			.has_target = pg_bool(&res, i, 2),
			.mode = take_text(&res, i, 3, a),
			.status = take_text(&res, i, 4, a),
			.message = take_text(&res, i, 5, a),
			.want_version = pg_int(&res, i, 6, 0),
			.serving_version = pg_int(&res, i, 7, 0),
			.seen_generation = pg_int(&res, i, 8, 0),
		};
	*ret = rows;
	*ret_n = res.rows;
	return OK;
}

enum err_class environment_bindings_load(struct store *s, const char *project, const char *environment, struct arena *a, struct environment_binding **ret,
					 size_t *ret_n, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_environment_bindings, &res, e, project, environment);
	if (r)
		return r;
	struct environment_binding *rows = arena_array(a, res.rows, sizeof *rows);
	for (size_t i = 0; i < res.rows; i++)
		rows[i] = (struct environment_binding){
			.function = take_text(&res, i, 0, a),
			.has_target = pg_bool(&res, i, 1),
			.status = take_text(&res, i, 2, a),
			.message = take_text(&res, i, 3, a),
			.seen_environment = pg_int(&res, i, 4, 0),
		};
	*ret = rows;
	*ret_n = res.rows;
	return OK;
}
