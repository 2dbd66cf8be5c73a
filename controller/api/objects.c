/* Manifests as they are stored, of every kind. */
#include "api/handlers.h"

enum { LIMIT = 100, LIMIT_MAX = 500 };

enum err_class list_objects(struct request *r, struct err *e)
{
	const char *project, *cursor;
	bool all;
	int64_t limit;
	struct store *s;
	enum err_class c = request_name(r, "project", &project, e);
	if (!c)
		c = request_bool(r, "all", &all, e);
	if (!c)
		c = request_cursor(r, CURSOR_OBJECT, &cursor, e);
	if (!c)
		c = request_int(r, "limit", 1, LIMIT_MAX, LIMIT, &limit, e);
	if (!c)
		c = request_store(r, &s, e);
	if (c)
		return c;
	if (all || (r->kind == KIND_PROJECT && !project))
		project = NULL;
	else if (!project)
		project = "default";
	const char *params[] = {kind_info(r->kind)->singular, project, NULL, cursor, arena_printf(&r->arena, "%lld", (long long)limit)};
	json_t *j = NULL;
	c = store_read(s, READ_MANIFESTS, ARRAY_LEN(params), params, &j, e);
	if (!c)
		reply_json(r, 200, j ? j : json_pack("{s:[],s:n}", "items", "next"));
	return c;
}

enum err_class get_object(struct request *r, struct err *e)
{
	const char *project, *name;
	struct store *s;
	enum err_class c = request_object(r, r->kind, &project, &name, e);
	if (!c)
		c = request_store(r, &s, e);
	if (c)
		return c;
	const char *params[] = {kind_info(r->kind)->singular, project, name, NULL, "1"};
	AUTO_JSON json_t *j = NULL;
	c = store_read(s, READ_MANIFESTS, ARRAY_LEN(params), params, &j, e);
	if (c)
		return c;
	json_t *document = json_array_get(json_object_get(j, "items"), 0);
	if (!document)
		return err_set(e, INVALID, R_NotFound, "there is no %s \"%s\" in project \"%s\"", params[0], name, project);
	reply_json(r, 200, json_incref(document));
	return OK;
}

/* With an environment all that serves in it goes: that takes a word of its own. */
static enum err_class check_nobody_serves(struct request *r, struct store *s, const char *project, const char *name, struct err *e)
{
	struct environment_binding *rows;
	size_t n, serving = 0;
	enum err_class c = environment_bindings_load(s, project, name, &r->arena, &rows, &n, e);
	if (c)
		return c;
	for (size_t i = 0; i < n; i++)
		serving += rows[i].has_target;
	if (serving == 0)
		return OK;
	return err_set(e, INVALID, R_InUse, "environment/%s: %zu function%s serve%s in it and would stop (force deletes it all the same)", name, serving,
		       serving == 1 ? "" : "s", serving == 1 ? "s" : "");
}

static enum err_class delete_in_transaction(struct request *r, struct store *s, const char *project, const char *name, struct err *e)
{
	const char *kind = kind_info(r->kind)->singular;
	enum err_class c = store_begin(s, e);
	if (!c)
		c = manifest_delete(s, r->kind, project, name, r->actor, e);
	const char *message = arena_printf(&r->arena, "deleted by %s", r->actor);
	const struct event ev = {false, kind, project, name, NULL, reason_token(R_Deleting), message};
	if (!c)
		c = event_add(s, &ev, e);
	if (!c)
		c = work_notify(s, e);
	if (!c)
		c = store_commit(s, e);
	if (c)
		store_rollback(s);
	return c;
}

enum err_class delete_object(struct request *r, struct err *e)
{
	const char *project, *name;
	struct store *s;
	bool force = false;
	enum err_class c = request_bool(r, "force", &force, e);
	if (!c)
		c = request_object(r, r->kind, &project, &name, e);
	if (!c)
		c = request_store(r, &s, e);
	if (!c && r->kind == KIND_ENVIRONMENT && !force)
		c = check_nobody_serves(r, s, project, name, e);
	if (c)
		return c;
	for (int tries = 0; tries < 5; tries++) { /* a lost race is tried again at once */
		c = delete_in_transaction(r, s, project, name, e);
		if (c != CONFLICT)
			break;
	}
	if (c)
		return c;
	if (r->api->o.hint)
		r->api->o.hint(r->api->o.hint_ctx);
	json_t *j = json_object();
	json_object_set_new(j, "kind", json_string(kind_info(r->kind)->name));
	json_object_set_new(j, "project", json_string(project));
	json_object_set_new(j, "name", json_string(name));
	json_object_set_new(j, "change", json_string("deleting"));
	reply_json(r, 202, j);
	return OK;
}
