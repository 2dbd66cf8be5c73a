/* Reads that PostgreSQL answers in JSON. */
#include "api/handlers.h"
#include "base/names.h"

enum { LIMIT = 50, LIMIT_MAX = 500 };

/* Where each target is reached from outside: only the configuration knows the gateway's port and domain. */
static void add_urls(struct request *r, json_t *targets)
{
	const struct conf *conf = r->api->o.conf;
	size_t i;
	json_t *t;
	json_array_foreach(json_object_get(targets, "items"), i, t) {
		const char *host = host_name(&r->arena, conf->domain, json_str_or(t, "project", ""), json_str_or(t, "function", ""),
					     json_str_or(t, "environment", ""));
		(void)json_object_set_new(t, "url", json_sprintf("http://%s:%d/", host, conf->gateway_port)); /* fails only out of memory */
	}
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

static enum err_class answer_pages(struct request *r, enum store_read what, struct err *e)
{
	const char *params[4];
	int64_t limit;
	enum err_class c = request_cursor(r, &params[2], e);
	if (!c)
		c = request_int(r, "limit", 1, LIMIT_MAX, LIMIT, &limit, e);
	if (!c)
		c = request_function(r, &params[0], &params[1], e);
	if (c)
		return c;
	params[3] = arena_printf(&r->arena, "%lld", (long long)limit);
	return answer(r, what, ARRAY_LEN(params), params, e);
}

enum err_class get_deployments(struct request *r, struct err *e) { return answer_pages(r, READ_DEPLOYMENTS, e); }

enum err_class get_history(struct request *r, struct err *e) { return answer_pages(r, READ_FUNCTION_LOGS, e); }

enum err_class get_function_targets(struct request *r, struct err *e)
{
	const char *params[3];
	enum err_class c = request_name(r, "environment", &params[2], e);
	if (!c)
		c = request_function(r, &params[0], &params[1], e);
	return c ? c : answer(r, READ_TARGETS, ARRAY_LEN(params), params, e);
}

static enum err_class answer_filtered(struct request *r, enum store_read what, struct err *e)
{
	const char *params[3];
	enum err_class c = request_name(r, "project", &params[0], e);
	if (!c)
		c = request_name(r, "function", &params[1], e);
	if (!c)
		c = request_name(r, "environment", &params[2], e);
	return c ? c : answer(r, what, ARRAY_LEN(params), params, e);
}

enum err_class get_targets(struct request *r, struct err *e) { return answer_filtered(r, READ_TARGETS, e); }

enum err_class get_instances(struct request *r, struct err *e) { return answer_filtered(r, READ_INSTANCES, e); }

enum err_class get_work(struct request *r, struct err *e) { return answer(r, READ_WORK, 0, NULL, e); }
