/* Reads that PostgreSQL answers in JSON. */
#include <string.h>

#include "api/handlers.h"
#include "base/names.h"

enum { LIMIT = 50, LIMIT_MAX = 500 };

json_t *host_url(struct request *r, const char *project, const char *label, const char *environment)
{
	const struct conf *conf = r->api->o.conf;
	return json_sprintf("http://%s:%d/", host_name(&r->arena, conf->domain, project, label, environment), conf->gateway_port);
}

/* Where each target is reached from outside. */
static void add_urls(struct request *r, json_t *targets)
{
	size_t i;
	json_t *t;
	json_array_foreach(json_object_get(targets, "items"), i, t)
		json_object_set_new(t, "url", host_url(r, json_str_or(t, "project", ""), json_str_or(t, "function", ""), json_str_or(t, "environment", "")));
}

static enum err_class answer(struct request *r, enum store_read what, int n, const char *const *params, struct err *e)
{
	struct store *s;
	json_t *j = NULL;
	enum err_class c = request_store(r, &s, e);
	if (!c)
		c = store_read(s, what, n, params, &j, e);
	if (c)
		return c;
	if (what == READ_TARGETS)
		add_urls(r, j);
	reply_json(r, 200, j ? j : json_pack("{s:[]}", "items"));
	return OK;
}

/* Of all functions of a project, or with ?all of every project. */
enum err_class get_all_deployments(struct request *r, struct err *e)
{
	const char *params[3];
	bool all;
	int64_t limit;
	enum err_class c = request_name(r, "project", &params[0], e);
	if (!c)
		c = request_bool(r, "all", &all, e);
	if (!c)
		c = request_cursor(r, CURSOR_MOMENT, &params[1], e);
	if (!c)
		c = request_int(r, "limit", 1, LIMIT_MAX, LIMIT, &limit, e);
	if (c)
		return c;
	params[0] = all ? NULL : params[0] ? params[0] : "default";
	params[2] = arena_printf(&r->arena, "%lld", (long long)limit);
	return answer(r, READ_ALL_DEPLOYMENTS, ARRAY_LEN(params), params, e);
}

/* One thing of a function's: INVALID NotFound where there is no such. *ret is a new reference. */
static enum err_class read_one(struct request *r, enum store_read what, const char *called, const char *id, json_t **ret, struct err *e)
{
	struct store *s;
	const char *params[3] = {NULL, NULL, id};
	enum err_class c = request_function(r, &params[0], &params[1], e);
	if (!c)
		c = request_store(r, &s, e);
	if (!c)
		c = store_read(s, what, ARRAY_LEN(params), params, ret, e);
	if (!c && !*ret)
		c = err_set(e, INVALID, R_NotFound, "%s of project \"%s\" has no %s %.60s", params[1], params[0], called, id);
	return c;
}

/* The hosts of its own that a version has: of each release of which an instance runs, and of the version in that environment. */
static json_t *own_urls(struct request *r, const json_t *deployment)
{
	const char *project = json_str_or(deployment, "project", ""), *function = json_str_or(deployment, "function", ""), *last = "";
	json_t *urls = json_array();
	size_t i;
	json_t *release;
	json_array_foreach(json_object_get(deployment, "releases"), i, release) {
		const char *environment = json_str_or(release, "environment", "");
		long long n = json_int_or(release, "release", 0), version = json_int_or(deployment, "version", 0);
		if (json_int_or(release, "instances", 0) == 0)
			continue;
		if (strcmp(environment, last) != 0) {
			const char *label = arena_printf(&r->arena, "%s--v%lld", function, version);
			json_array_append_new(urls, json_pack("{s:s, s:n, s:o}", "environment", environment, "release", "url", host_url(r, project, label, environment)));
		}
		last = environment;
		const char *label = arena_printf(&r->arena, "%s--r%lld", function, n);
		json_array_append_new(urls, json_pack("{s:s, s:I, s:o}", "environment", environment, "release", (json_int_t)n, "url", host_url(r, project, label, environment)));
	}
	return urls;
}

enum err_class get_deployment(struct request *r, struct err *e)
{
	json_t *one = NULL;
	enum err_class c = read_one(r, READ_DEPLOYMENT, "version", arena_printf(&r->arena, "%lld", (long long)r->version), &one, e);
	if (c)
		return c;
	json_object_set_new(one, "urls", own_urls(r, one));
	reply_json(r, 200, one);
	return OK;
}

enum err_class get_rollback(struct request *r, struct err *e)
{
	json_t *one = NULL;
	enum err_class c = read_one(r, READ_ROLLBACK, "rollback", r->rollback, &one, e);
	if (!c)
		reply_json(r, 200, one);
	return c;
}

static enum err_class answer_pages(struct request *r, enum store_read what, enum cursor_form form, struct err *e)
{
	const char *params[4];
	int64_t limit;
	enum err_class c = request_cursor(r, form, &params[2], e);
	if (!c)
		c = request_int(r, "limit", 1, LIMIT_MAX, LIMIT, &limit, e);
	if (!c)
		c = request_function(r, &params[0], &params[1], e);
	if (c)
		return c;
	params[3] = arena_printf(&r->arena, "%lld", (long long)limit);
	return answer(r, what, ARRAY_LEN(params), params, e);
}

enum err_class get_deployments(struct request *r, struct err *e) { return answer_pages(r, READ_DEPLOYMENTS, CURSOR_NUMBER, e); }

enum err_class get_rollbacks(struct request *r, struct err *e) { return answer_pages(r, READ_ROLLBACKS, CURSOR_MOMENT, e); }

enum err_class get_history(struct request *r, struct err *e) { return answer_pages(r, READ_FUNCTION_LOGS, CURSOR_NUMBER, e); }

enum err_class get_function_targets(struct request *r, struct err *e)
{
	const char *params[3];
	enum err_class c = request_name(r, "environment", &params[2], e);
	if (!c)
		c = request_function(r, &params[0], &params[1], e);
	return c ? c : answer(r, READ_TARGETS, ARRAY_LEN(params), params, e);
}

/* Of every project unless one is named. */
static enum err_class answer_filtered(struct request *r, enum store_read what, struct err *e)
{
	const char *params[3];
	bool all;
	enum err_class c = request_bool(r, "all", &all, e);
	if (!c)
		c = request_name(r, "project", &params[0], e);
	if (!c)
		c = request_name(r, "function", &params[1], e);
	if (!c)
		c = request_name(r, "environment", &params[2], e);
	if (c)
		return c;
	if (all)
		params[0] = NULL;
	return answer(r, what, ARRAY_LEN(params), params, e);
}

enum err_class get_targets(struct request *r, struct err *e) { return answer_filtered(r, READ_TARGETS, e); }

enum err_class get_instances(struct request *r, struct err *e) { return answer_filtered(r, READ_INSTANCES, e); }

enum err_class get_work(struct request *r, struct err *e) { return answer(r, READ_WORK, 0, NULL, e); }
