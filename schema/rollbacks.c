#include "schema/store_private.h"

enum err_class rollback_create(struct store *s, const struct rollback_new *r, char ret_id[UUID_TEXT], struct err *e)
{
	struct number from = number_text(r->from_version), to = number_text(r->to_version), floor = number_text(r->floor);
	AUTO_FREE char *base = json_text(r->base);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class c = RUN(s, q_rollback_create, &res, e, r->function_id, r->environment, r->actor, r->note, from.text, r->from_release, to.text, r->to_release,
			       r->image, floor.text, base, r->pin, r->settled ? "true" : "false");
	if (c)
		return c;
	if (res.rows == 0)
		return err_set(e, CONFLICT, R_NotFound, "the target went away");
	take_uuid(&res, 0, 0, ret_id);
	/* Two statements more: each sees what the one before has written. */
	c = RUN(s, q_rollback_reject, NULL, e, r->function_id, r->environment, r->to_release, r->walks ? r->from_release : NULL, ret_id);
	return c ? c : RUN_ONE(s, q_rollback_hold, CONFLICT, R_NotFound, e, ret_id);
}

enum err_class rollback_fail(struct store *s, const char *function_id, const char *environment, const char *reason, const char *message, struct err *e)
{
	enum err_class c = RUN_ONE(s, q_rollback_fail, CONFLICT, R_NotFound, e, function_id, environment, reason, message);
	return c ? c : RUN_ONE(s, q_rollback_undo, CONFLICT, R_NotFound, e, function_id, environment);
}

enum err_class hold_lift(struct store *s, const char *function_id, const char *environment, const char *actor, bool *ret_was, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class c = RUN(s, q_hold_lift, &res, e, function_id, environment, actor);
	if (!c)
		*ret_was = res.rows > 0;
	return c;
}

enum err_class held_targets(struct store *s, const char *project, const char *function, struct arena *a, struct held_target **ret, size_t *ret_n,
			    struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class c = RUN(s, q_held_targets, &res, e, project, function);
	if (c)
		return c;
	struct held_target *rows = arena_array(a, res.rows, sizeof *rows);
	for (size_t i = 0; i < res.rows; i++)
		rows[i] = (struct held_target){take_text(&res, i, 0, a), take_text(&res, i, 1, a), take_text(&res, i, 2, a)};
	*ret = rows;
	*ret_n = res.rows;
	return OK;
}
