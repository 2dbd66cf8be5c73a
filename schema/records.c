/* What was seen and what happened. */
#include "base/utf8.h"
#include "schema/store_private.h"

static json_t *instance_json(const struct instance_row *i)
{
	json_t *j = json_object();
	json_object_set_new(j, "id", json_clean(i->id));
	json_object_set_new(j, "release", json_clean(i->release_id));
	json_object_set_new(j, "slot", json_integer(i->slot));
	json_object_set_new(j, "incarnation", json_integer(i->incarnation));
	json_object_set_new(j, "address", json_clean(i->address ? i->address : ""));
	json_object_set_new(j, "state", json_clean(i->state));
	json_object_set_new(j, "reason", json_clean(i->reason ? i->reason : ""));
	json_object_set_new(j, "message", json_clean(i->message ? i->message : ""));
	return j;
}

enum err_class instances_record(struct store *s, const char *function_id, const char *environment, const struct instance_row *rows, size_t n,
				struct err *e)
{
	AUTO_JSON json_t *all = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, instance_json(&rows[i]));
	AUTO_FREE char *text = json_text(all);
	return RUN(s, q_instances_record, NULL, e, function_id, environment, text);
}

enum err_class event_add(struct store *s, const struct event *ev, struct err *e)
{
	return RUN(s, q_event_add, NULL, e, ev->warning ? "Warning" : "Normal", ev->kind, ev->project, ev->name, ev->environment, ev->reason, ev->message);
}

enum err_class function_log_add(struct store *s, const char *function_id, const char *deployment_id, const char *environment, const char *actor,
				const char *operation, const char *message, struct err *e)
{
	return RUN(s, q_function_log_add, NULL, e, function_id, deployment_id, environment, actor, operation, message);
}
