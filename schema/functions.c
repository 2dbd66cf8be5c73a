#include "schema/store_private.h"

static void take_function(const struct pg_result *res, struct arena *a, struct function_row *ret)
{
	*ret = (struct function_row){.found = res->rows > 0};
	if (!ret->found)
		return;
	take_uuid(res, 0, 0, ret->id);
	ret->status = take_text(res, 0, 1, a);
	ret->next_version = pg_int(res, 0, 2, 1);
}

enum err_class function_load(struct store *s, const char *project, const char *name, struct arena *a, struct function_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_function_load, &res, e, project, name);
	if (!r)
		take_function(&res, a, ret);
	return r;
}

enum err_class function_load_locked(struct store *s, const char *project, const char *name, struct arena *a, struct function_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_function_load_locked, &res, e, project, name);
	if (!r)
		take_function(&res, a, ret);
	return r;
}

enum err_class function_mirror(struct store *s, const char *function_id, struct err *e) { return RUN(s, q_function_mirror, NULL, e, function_id); }

enum err_class function_delete(struct store *s, const char *function_id, struct err *e)
{
	enum err_class r = RUN(s, q_function_lock, NULL, e, function_id);
	return r ? r : RUN_ONE(s, q_function_delete, CONFLICT, R_DatabaseConflict, e, function_id);
}
