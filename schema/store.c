#include "schema/store_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { STATEMENT_MS = 10000 };

struct store *store_new(const char *conninfo)
{
	struct store *s = xcalloc(1, sizeof *s);
	s->pg = pg_new(conninfo, STATEMENT_MS);
	return s;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	pg_free(s->pg);
	free(s);
}

enum err_class store_begin(struct store *s, struct err *e)
{
	s->admitting = false;
	return pg_begin(s->pg, e);
}

enum err_class store_commit(struct store *s, struct err *e) { return pg_commit(s->pg, e); }

void store_rollback(struct store *s) { pg_rollback(s->pg); }

enum err_class store_begin_fenced(struct store *s, const struct lease *l, struct err *e)
{
	enum err_class r = store_begin(s, e);
	if (r)
		return r;
	struct number epoch = number_text(l->epoch);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	r = RUN(s, q_work_fence, &res, e, l->key, l->owner, epoch.text);
	if (r == OK && res.rows == 0)
		r = err_set(e, CONFLICT, R_LeaseLost, "the lease of %s at epoch %s was lost", l->key, epoch.text);
	if (r)
		store_rollback(s);
	return r;
}

enum err_class store_listen(struct store *s, int *ret_fd, struct err *e) { return pg_listen(s->pg, "fn_work", ret_fd, e); }

enum err_class store_notified(struct store *s, bool *ret, struct err *e) { return pg_notified(s->pg, ret, e); }

struct number number_text(int64_t n)
{
	struct number out;
	(void)snprintf(out.text, sizeof out.text, "%lld", (long long)n);
	return out;
}

enum err_class run_one(struct store *s, const char *sql, int n, const char *const *params, enum err_class missing, enum reason reason,
		       struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, sql, n, params, &res, e);
	if (r || res.rows)
		return r;
	return err_set(e, missing, reason, "%s: %s", params[0], reason_sentence(reason));
}

const char *take_text(const struct pg_result *r, size_t row, int column, struct arena *a)
{
	return arena_strdup(a, pg_text(r, row, column));
}

const char *take_text_or(const struct pg_result *r, size_t row, int column, struct arena *a, const char *null)
{
	const char *s = pg_text(r, row, column);
	return s ? arena_strdup(a, s) : null;
}

void take_uuid(const struct pg_result *r, size_t row, int column, char out[UUID_TEXT])
{
	const char *s = pg_text(r, row, column);
	(void)snprintf(out, UUID_TEXT, "%s", s ? s : "");
}

enum err_class take_json(const struct pg_result *r, size_t row, int column, struct arena *a, json_t **ret, struct err *e)
{
	const char *s = pg_text(r, row, column);
	json_t *j;
	enum err_class c = json_parse(s ? s : "{}", s ? strlen(s) : 2, &j, e);
	if (c)
		return err_wrap(e, "stored JSON");
	*ret = json_in_arena(j, a);
	return OK;
}
