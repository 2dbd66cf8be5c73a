/* GET /gc, what a collection would do; POST /gc, do it; GET /gc/{id}, how it does. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "reconcilers/retention/report.h"

enum { LIMIT = 200, LIMIT_MAX = 1000 };

enum err_class get_gc(struct request *r, struct err *e)
{
	struct report_request q;
	struct store *s;
	json_t *report = NULL;
	enum err_class c = request_name(r, "project", &q.project, e);
	if (!c)
		c = request_name(r, "function", &q.function, e);
	if (!c)
		c = request_cursor(r, CURSOR_VERSION, &q.cursor, e);
	if (!c)
		c = request_int(r, "limit", 1, LIMIT_MAX, LIMIT, &q.limit, e);
	if (!c)
		c = request_store(r, &s, e);
	if (!c)
		c = retention_report(s, r->api->o.conf, &q, &r->arena, &report, e);
	if (!c)
		reply_json(r, 200, report);
	return c;
}

static enum err_class ask_in_transaction(struct request *r, struct store *s, int64_t *ret_id, struct err *e)
{
	enum err_class c = store_begin(s, e);
	if (!c)
		c = collection_ask(s, r->actor, ret_id, e);
	if (!c)
		c = work_notify(s, e);
	if (!c)
		c = store_commit(s, e);
	if (c)
		store_rollback(s);
	return c;
}

enum err_class post_gc(struct request *r, struct err *e)
{
	struct store *s;
	int64_t id;
	enum err_class c = request_store(r, &s, e);
	if (!c)
		c = ask_in_transaction(r, s, &id, e);
	if (c)
		return c;
	if (r->api->o.hint)
		r->api->o.hint(r->api->o.hint_ctx);
	reply_json(r, 202, json_pack("{s:I}", "id", (json_int_t)id));
	return OK;
}

enum err_class get_gc_run(struct request *r, struct err *e)
{
	enum { DIGITS_MAX = 18 };
	struct store *s;
	json_t *run = NULL;
	size_t n = strlen(r->id);
	bool number = n <= DIGITS_MAX && strspn(r->id, "0123456789") == n;
	enum err_class c = request_store(r, &s, e);
	if (!c && number)
		c = collection_read(s, strtoll(r->id, NULL, 10), &run, e);
	if (!c && !run)
		c = err_set(e, INVALID, R_NotFound, "there is no collection %.40s", r->id);
	if (!c)
		reply_json(r, 200, run);
	return c;
}
