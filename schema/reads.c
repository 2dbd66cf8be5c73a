#include "schema/store_private.h"

enum { READ_PARAMS_MAX = 5 };

/* limit: which parameter is a page's size, counted from 1; 0: none. */
static const struct {
	const char *sql;
	int params, limit;
} reads[STORE_READ_COUNT] = {
	[READ_MANIFESTS] = {q_read_manifests, 5, 5},
	[READ_DEPLOYMENTS] = {q_read_deployments, 4, 4},
	[READ_TARGETS] = {q_read_targets, 3, 0},
	[READ_EVENTS] = {q_read_events, 5, 5},
	[READ_FUNCTION_LOGS] = {q_read_function_logs, 4, 4},
	[READ_INSTANCES] = {q_read_instances, 3, 0},
	[READ_WORK] = {q_read_work, 0, 0},
	[READ_ALL_DEPLOYMENTS] = {q_read_all_deployments, 3, 3},
	[READ_DEPLOYMENT] = {q_read_deployment, 3, 0},
	[READ_ROLLBACKS] = {q_read_rollbacks, 4, 4},
	[READ_ROLLBACK] = {q_read_rollback, 3, 0},
};

static enum err_class query(struct store *s, enum store_read what, const char *const *p, struct pg_result *res, struct err *e)
{
	/* One document is looked up by its key; a page of them walks the key's order. */
	if (what == READ_MANIFESTS)
		return p[2] ? RUN(s, q_read_manifest, res, e, p[0], p[1], p[2]) : RUN(s, q_read_manifests, res, e, p[0], p[1], p[3], p[4]);
	return pg_query(s->pg, reads[what].sql, reads[what].params, p, res, e);
}

enum err_class store_read(struct store *s, enum store_read what, int n, const char *const *params, json_t **ret, struct err *e)
{
	if (n != reads[what].params)
		return err_set(e, BUG, R_Internal, "read %d takes %d parameters, not %d", (int)what, reads[what].params, n);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = query(s, what, params, &res, e);
	if (r)
		return r;
	const char *text = res.rows ? pg_text(&res, 0, 0) : NULL;
	json_t *j = NULL;
	if (text)
		r = json_parse(text, strlen(text), &j, e);
	if (r == OK)
		*ret = j;
	return r;
}
