#include "schema/retention.h"
#include "schema/store_private.h"

/* A row of deployment_rows. */
static enum err_class take_deployment(const struct pg_result *res, size_t row, struct arena *a, struct deployment_row *ret, struct err *e)
{
	struct deployment_row d = {
		.version = pg_int(res, row, 1, 0),
		.input_hash = take_text(res, row, 2, a),
		.source_digest = take_text(res, row, 3, a),
		.runtime = take_text(res, row, 4, a),
		.base = take_text(res, row, 5, a),
		.s3_key = take_text(res, row, 6, a),
		.layer_digest = take_text(res, row, 7, a),
		.layer_diff_id = take_text(res, row, 8, a),
		.image_tag = take_text(res, row, 9, a),
		.image_digest = take_text(res, row, 10, a),
		.status = take_text(res, row, 11, a),
		.reason = take_text(res, row, 12, a),
		.message = take_text(res, row, 13, a),
		.created_by = take_text(res, row, 14, a),
		.source_size = pg_int(res, row, 15, 0),
		.layer_size = pg_int(res, row, 16, 0),
		.deadline_ms = pg_int(res, row, 17, 0),
		.image_deleted = pg_bool(res, row, 20),
	};
	take_uuid(res, row, 0, d.id);
	enum err_class r = take_json(res, row, 18, a, &d.spec, e);
	if (r == OK)
		*ret = d;
	return r;
}

static enum err_class take_deployments(const struct pg_result *res, struct arena *a, struct deployment_row **ret, size_t *ret_n, struct err *e)
{
	struct deployment_row *rows = arena_array(a, res->rows, sizeof *rows);
	for (size_t i = 0; i < res->rows; i++) {
		enum err_class r = take_deployment(res, i, a, &rows[i], e);
		if (r)
			return r;
	}
	*ret = rows;
	*ret_n = res->rows;
	return OK;
}

enum err_class deployments_load(struct store *s, const char *function_id, size_t limit, struct arena *a, struct deployment_row **ret, size_t *ret_n,
				struct err *e)
{
	struct number n = number_text((int64_t)limit);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployments, &res, e, function_id, n.text);
	return r ? r : take_deployments(&res, a, ret, ret_n, e);
}

enum err_class deployments_superseded(struct store *s, const char *function_id, struct arena *a, struct deployment_row **ret, size_t *ret_n,
				      struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployments_superseded, &res, e, function_id);
	return r ? r : take_deployments(&res, a, ret, ret_n, e);
}

static enum err_class take_maybe(const struct pg_result *res, struct arena *a, struct deployment_row *ret, bool *ret_found, struct err *e)
{
	enum err_class r = res->rows ? take_deployment(res, 0, a, ret, e) : OK;
	if (r == OK)
		*ret_found = res->rows > 0;
	return r;
}

enum err_class deployment_load(struct store *s, const char *id, struct arena *a, struct deployment_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployment, &res, e, id);
	if (r)
		return r;
	if (res.rows == 0)
		return err_set(e, INVALID, R_NotFound, "there is no deployment %s", id);
	return take_deployment(&res, 0, a, ret, e);
}

enum err_class deployment_newest_ready(struct store *s, const char *function_id, struct arena *a, struct deployment_row *ret, bool *ret_found,
				       struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployment_newest_ready, &res, e, function_id);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class deployment_by_word(struct store *s, const char *function_id, const char *word, struct arena *a, struct deployment_row *ret,
				  bool *ret_found, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployment_by_digest, &res, e, function_id, word);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class deployment_by_version(struct store *s, const char *function_id, int64_t version, struct arena *a, struct deployment_row *ret,
				     bool *ret_found, struct err *e)
{
	struct number n = number_text(version);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployment_by_version, &res, e, function_id, n.text);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

/* A row that another transaction has, of a statement that does not wait. */
static enum err_class at_once(enum err_class r, struct err *e)
{
	if (r == TRANSIENT && strcmp(e->reason, reason_token(R_DatabaseConflict)) == 0)
		return err_set(e, CONFLICT, R_DatabaseConflict, "somebody else is just at work on this version");
	return r;
}

enum err_class deployment_of_source(struct store *s, const char *function_id, const char *source_digest, struct arena *a, struct deployment_row *ret,
				    bool *ret_found, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployment_of_source, &res, e, function_id, source_digest);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class deployment_of_source_locked(struct store *s, const char *function_id, const char *source_digest, struct arena *a, struct deployment_row *ret,
					   bool *ret_found, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = at_once(RUN(s, q_deployment_of_source_lock, &res, e, function_id, source_digest), e);
	return r ? r : take_maybe(&res, a, ret, ret_found, e);
}

enum err_class deployment_create(struct store *s, const struct deployment_new *d, char ret_id[UUID_TEXT], int64_t *ret_version, struct err *e)
{
	struct number deadline = number_text(d->deadline_in_ms), expected = number_text(d->expected);
	AUTO_FREE char *spec = json_text(d->spec);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_deployment_create, &res, e, d->function_id, d->input_hash, d->source_digest, d->runtime, d->base, d->created_by,
			       d->source_kind, spec, deadline.text, d->note ? d->note : "", expected.text);
	if (r)
		return r;
	if (res.rows == 0 && d->expected)
		return err_set(e, CONFLICT, R_DatabaseConflict, "another version was numbered meanwhile");
	if (res.rows == 0)
		return err_set(e, INVALID, R_NotFound, "there is no function %s", d->function_id);
	take_uuid(&res, 0, 0, ret_id);
	*ret_version = pg_int(&res, 0, 1, 0);
	return OK;
}

enum err_class deployment_renew(struct store *s, const char *id, int64_t deadline_in_ms, struct err *e)
{
	struct number deadline = number_text(deadline_in_ms);
	return RUN_ONE(s, q_deployment_renew, CONFLICT, R_DatabaseConflict, e, id, deadline.text);
}

enum err_class deployment_written(struct store *s, const char *id, const struct deployment_built *b, struct err *e)
{
	struct number layer = number_text(b->layer_size);
	enum err_class r = RUN_ONE(s, q_deployment_written, CONFLICT, R_DatabaseConflict, e, id, b->layer_digest, b->layer_diff_id, b->image_tag,
				   b->image_digest, layer.text);
	return r ? r : image_settled(s, id, e); /* it is pushed next */
}

enum err_class deployment_ready(struct store *s, const char *id, const struct deployment_built *b, struct err *e)
{
	struct number source = number_text(b->source_size), layer = number_text(b->layer_size);
	return RUN_ONE(s, q_deployment_ready, CONFLICT, R_DatabaseConflict, e, id, b->s3_key, b->layer_digest, b->layer_diff_id, b->image_tag,
		       b->image_digest, source.text, layer.text);
}

enum err_class deployment_failed(struct store *s, const char *id, const char *reason, const char *message, struct err *e)
{
	return RUN_ONE(s, q_deployment_failed, CONFLICT, R_DatabaseConflict, e, id, reason, message);
}

enum err_class deployment_restored(struct store *s, const char *id, struct err *e)
{
	return RUN_ONE(s, q_deployment_restored, CONFLICT, R_DatabaseConflict, e, id);
}

enum err_class deployment_lock(struct store *s, const char *id, struct arena *a, const char **ret_status, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = at_once(RUN(s, q_deployment_lock, &res, e, id), e);
	if (r)
		return r;
	if (res.rows == 0)
		return err_set(e, INVALID, R_NotFound, "there is no deployment %s", id);
	*ret_status = take_text(&res, 0, 0, a);
	return OK;
}
