#include "schema/store_private.h"

/* The columns of the hold, from the 17th on. */
static enum err_class take_hold(const struct pg_result *res, struct arena *a, struct hold_row *ret, struct err *e)
{
	*ret = (struct hold_row){
		.floor = pg_int(res, 0, 8, 0),
		.actor = take_text(res, 0, 4, a),
		.note = take_text(res, 0, 19, a),
		.pin = take_text(res, 0, 20, a),
		.pending = pg_bool(res, 0, 22),
	};
	take_uuid(res, 0, 17, ret->id);
	take_uuid(res, 0, 18, ret->release);
	return take_json(res, 0, 21, a, &ret->base, e);
}

enum err_class target_load(struct store *s, const char *function_id, const char *environment, struct arena *a, struct target_row *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_target, &res, e, function_id, environment);
	if (r)
		return r;
	if (res.rows == 0) {
		*ret = (struct target_row){.found = false};
		return OK;
	}
	struct target_row t = {
		.found = true,
		.mode = take_text(&res, 0, 1, a),
		.status = take_text(&res, 0, 2, a),
		.message = take_text(&res, 0, 3, a),
		.failed_reason = take_text(&res, 0, 5, a),
		.failed_message = take_text(&res, 0, 6, a),
		.want_version = pg_int(&res, 0, 7, 0),
		.seen = {pg_int(&res, 0, 9, 0), pg_int(&res, 0, 15, 0), pg_int(&res, 0, 16, 0)},
		.routed_at_ms = pg_int(&res, 0, 14, 0),
	};
	take_uuid(&res, 0, 0, t.function_id);
	take_uuid(&res, 0, 10, t.active);
	take_uuid(&res, 0, 11, t.routed);
	take_uuid(&res, 0, 12, t.previous);
	take_uuid(&res, 0, 13, t.failed);
	r = take_hold(&res, a, &t.hold, e);
	*ret = t;
	return r;
}

enum err_class target_want(struct store *s, const char *function_id, const char *project, const char *name, const char *environment, const char *mode,
			   int64_t want_version, struct err *e)
{
	struct number want = number_text(want_version);
	return RUN_ONE(s, q_target_want, CONFLICT, R_NotFound, e, function_id, project, name, environment, mode, want.text);
}

enum err_class target_set_active(struct store *s, const char *function_id, const char *environment, const char *release_id, struct err *e)
{
	return RUN_ONE(s, q_target_active, INVALID, R_NotFound, e, function_id, environment, release_id);
}

enum err_class target_set_routed(struct store *s, const char *function_id, const char *environment, const char *release_id, const char *rollback_id,
				 struct err *e)
{
	return RUN_ONE(s, q_target_routed, INVALID, R_NotFound, e, function_id, environment, release_id, rollback_id);
}

enum err_class target_set_failed(struct store *s, const char *function_id, const char *environment, const char *release_id, const char *reason,
				 const char *message, struct err *e)
{
	return RUN_ONE(s, q_target_failed, INVALID, R_NotFound, e, function_id, environment, release_id, reason, message);
}

enum err_class target_set_status(struct store *s, const char *function_id, const char *environment, const char *reason, const char *message,
				 const struct target_seen *seen, struct err *e)
{
	struct number function = number_text(seen->function), env = number_text(seen->environment), pin = number_text(seen->pin);
	return RUN(s, q_target_status, NULL, e, function_id, environment, reason, message, function.text, env.text, pin.text);
}

enum err_class target_delete(struct store *s, const char *function_id, const char *environment, struct err *e)
{
	return RUN(s, q_target_delete, NULL, e, function_id, environment);
}
