#include "schema/retention.h"

#include "schema/store_private.h"

static enum fate fate_parse(const char *due)
{
	static const char *const names[] = {"", "archive", "delete-image", "drop-archive", "delete-archive"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], due) == 0)
			return (enum fate)i;
	return FATE_STAYS;
}

enum err_class fates_load(struct store *s, const char *project, const char *name, size_t limit, struct arena *a, struct fate_row **ret, size_t *ret_n,
			  struct err *e)
{
	struct number most = number_text((int64_t)limit);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_retention_versions, &res, e, project, name, most.text);
	if (r)
		return r;
	struct fate_row *rows = arena_array(a, res.rows, sizeof *rows);
	for (size_t i = 0; i < res.rows; i++) {
		take_uuid(&res, i, 0, rows[i].id);
		take_uuid(&res, i, 1, rows[i].function_id);
		rows[i].version = pg_int(&res, i, 2, 0);
		rows[i].status = take_text(&res, i, 3, a);
		rows[i].due = fate_parse(pg_text(&res, i, 4));
		rows[i].shared = pg_bool(&res, i, 5);
		rows[i].kept = pg_bool(&res, i, 6);
		rows[i].look_again_ms = pg_int(&res, i, 7, 0);
		rows[i].rule = take_text(&res, i, 8, a);
		rows[i].gone = pg_bool(&res, i, 9);
	}
	*ret = rows;
	*ret_n = res.rows;
	return OK;
}

static enum err_class lock(struct store *s, const char *id, struct err *e) { return RUN(s, q_retention_lock, NULL, e, id); }

/* Locks the row, then runs a statement that gives a row when it did what it was asked to. */
static enum err_class locked(struct store *s, const char *sql, const char *id, bool *ret_done, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = lock(s, id, e);
	if (!r)
		r = RUN(s, sql, &res, e, id);
	if (!r)
		*ret_done = res.rows > 0;
	return r;
}

enum err_class fate_archive(struct store *s, const char *id, bool *ret_done, struct err *e) { return locked(s, q_retention_archive, id, ret_done, e); }

enum err_class fate_take_back(struct store *s, const char *id, bool *ret_done, struct err *e) { return locked(s, q_retention_take_back, id, ret_done, e); }

enum err_class fate_drop_archive(struct store *s, const char *id, bool *ret_done, struct err *e) { return locked(s, q_retention_drop, id, ret_done, e); }

enum err_class fate_image(struct store *s, const char *id, bool *ret_due, bool *ret_shared, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = lock(s, id, e);
	if (!r)
		r = RUN(s, q_retention_image, &res, e, id);
	if (r)
		return r;
	*ret_due = res.rows > 0;
	*ret_shared = res.rows > 0 && pg_bool(&res, 0, 0);
	return OK;
}

enum err_class fate_image_deleted(struct store *s, const char *id, struct err *e)
{
	return RUN_ONE(s, q_retention_image_deleted, CONFLICT, R_NotFound, e, id);
}

enum err_class fate_archive_deleted(struct store *s, const char *id, struct err *e)
{
	return RUN_ONE(s, q_retention_dropped, CONFLICT, R_DatabaseConflict, e, id);
}

enum err_class fate_stuck(struct store *s, const char *id, const char *reason, const char *message, bool *ret_news, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_retention_stuck, &res, e, id, reason, message);
	if (!r)
		*ret_news = res.rows > 0;
	return r;
}

enum err_class image_settled(struct store *s, const char *id, struct err *e) { return RUN(s, q_image_settled, NULL, e, id); }
