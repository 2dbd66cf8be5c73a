#include "schema/retention.h"

#include "schema/store_private.h"

enum err_class collection_load(struct store *s, struct arena *a, struct collection_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, q_collection_state, 0, NULL, &res, e);
	if (r)
		return r;
	*ret = (struct collection_row){
		.id = pg_int(&res, 0, 0, 0),
		.started_ms = pg_int(&res, 0, 1, 0),
		.looked_ms = pg_int(&res, 0, 2, 0),
		.asked = pg_bool(&res, 0, 4),
		.last_ms = pg_int(&res, 0, 5, 0),
	};
	return take_json(&res, 0, 3, a, &ret->result, e);
}

enum err_class collection_ask(struct store *s, const char *actor, int64_t *ret_id, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_collection_ask, &res, e, actor);
	if (r)
		return r;
	*ret_id = pg_int(&res, 0, 0, 0);
	return work_enqueue(s, COLLECTION_KEY, e);
}

enum err_class collection_begin(struct store *s, struct err *e)
{
	enum err_class r = pg_query(s->pg, q_collection_begin, 0, NULL, NULL, e);
	if (!r)
		r = pg_query(s->pg, q_collection_retry_stuck, 0, NULL, NULL, e);
	return r ? r : pg_query(s->pg, q_collection_wake, 0, NULL, NULL, e);
}

enum err_class collection_progress(struct store *s, struct arena *a, struct collection_progress *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, q_collection_progress, 0, NULL, &res, e);
	if (!r)
		*ret = (struct collection_progress){
			.working = pg_int(&res, 0, 0, 0),
			.failing = take_text(&res, 0, 1, a),
			.reason = take_text(&res, 0, 2, a),
			.registry_dirty = pg_bool(&res, 0, 3),
		};
	return r;
}

enum err_class collection_looked(struct store *s, int64_t id, struct err *e)
{
	struct number n = number_text(id);
	return RUN_ONE(s, q_collection_looked, CONFLICT, R_NotFound, e, n.text);
}

enum err_class collection_part(struct store *s, int64_t id, const char *part, const json_t *result, struct err *e)
{
	struct number n = number_text(id);
	AUTO_FREE char *text = json_text(result);
	return RUN_ONE(s, q_collection_part, CONFLICT, R_NotFound, e, n.text, part, text);
}

enum err_class collection_end(struct store *s, int64_t id, const char *reason, const char *message, struct err *e)
{
	struct number n = number_text(id);
	return RUN(s, q_collection_end, NULL, e, n.text, reason, message);
}

enum err_class collection_keeps(struct store *s, enum collection_list what, struct arena *a, const char *const **ret, size_t *ret_n, struct err *e)
{
	static const char *const lists[] = {[KEEP_IMAGES] = q_collection_images, [KEEP_SOURCES] = q_collection_sources, [KEEP_BUILDS] = q_collection_builds};
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, lists[what], 0, NULL, &res, e);
	if (r)
		return r;
	const char **list = arena_array(a, res.rows + 1, sizeof *list);
	for (size_t i = 0; i < res.rows; i++)
		list[i] = take_text(&res, i, 0, a);
	*ret = list;
	*ret_n = res.rows;
	return OK;
}

static enum err_class take_document(const struct pg_result *res, json_t **ret, struct err *e)
{
	const char *text = res->rows ? pg_text(res, 0, 0) : NULL;
	*ret = NULL;
	return text ? json_parse(text, strlen(text), ret, e) : OK;
}

enum err_class fates_read(struct store *s, const char *project, const char *function, const char *cursor, int64_t limit, json_t **ret, struct err *e)
{
	struct number n = number_text(limit);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_read_fates, &res, e, project, function, cursor, n.text);
	return r ? r : take_document(&res, ret, e);
}

enum err_class frees_read(struct store *s, const char *project, const char *function, const json_t *items, bool totals, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *ids = json_array();
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
		(void)json_array_append(ids, json_object_get(item, "id")); /* fails only out of memory */
	AUTO_FREE char *text = json_text(ids);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_read_frees, &res, e, project, function, text, totals ? "true" : "false");
	return r ? r : take_document(&res, ret, e);
}

enum err_class collections_read(struct store *s, json_t **ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, q_read_collections, 0, NULL, &res, e);
	return r ? r : take_document(&res, ret, e);
}

enum err_class collection_read(struct store *s, int64_t id, json_t **ret, struct err *e)
{
	struct number n = number_text(id);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_read_collection, &res, e, n.text);
	return r ? r : take_document(&res, ret, e);
}
