#include "schema/store_private.h"

#include <stdio.h>

enum err_class work_claim(struct store *s, const char *owner, int64_t lease_ms, struct lease *ret, bool *ret_found, struct err *e)
{
	if (strlen(owner) >= sizeof ret->owner)
		return err_set(e, BUG, R_Internal, "the owner's name \"%s\" is too long", owner);
	struct number ms = number_text(lease_ms);
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_work_claim, &res, e, owner, ms.text);
	if (r)
		return r;
	*ret_found = res.rows > 0;
	if (res.rows == 0)
		return OK;
	struct lease l = {.epoch = pg_int(&res, 0, 1, 0), .seq = pg_int(&res, 0, 2, 0), .attempt = (int)pg_int(&res, 0, 3, 0)};
	(void)snprintf(l.key, sizeof l.key, "%s", pg_text(&res, 0, 0)); /* keys are made by key_make and fit */
	(void)snprintf(l.owner, sizeof l.owner, "%s", owner);
	*ret = l;
	return OK;
}

enum err_class work_done(struct store *s, const struct lease *l, struct err *e)
{
	struct number epoch = number_text(l->epoch), seq = number_text(l->seq);
	return RUN_ONE(s, q_work_done, CONFLICT, R_LeaseLost, e, l->key, l->owner, epoch.text, seq.text);
}

enum err_class work_wait(struct store *s, const struct lease *l, int64_t delay_ms, const char *reason, struct err *e)
{
	struct number epoch = number_text(l->epoch), seq = number_text(l->seq), delay = number_text(delay_ms);
	return RUN_ONE(s, q_work_wait, CONFLICT, R_LeaseLost, e, l->key, l->owner, epoch.text, seq.text, delay.text, reason);
}

enum err_class work_retry(struct store *s, const struct lease *l, int64_t delay_ms, const struct err *why, struct err *e)
{
	struct number epoch = number_text(l->epoch), seq = number_text(l->seq), delay = number_text(delay_ms);
	return RUN_ONE(s, q_work_retry, CONFLICT, R_LeaseLost, e, l->key, l->owner, epoch.text, seq.text, delay.text, why->reason, why->msg);
}

enum err_class work_extend(struct store *s, const struct lease *l, int64_t lease_ms, struct err *e)
{
	struct number epoch = number_text(l->epoch), ms = number_text(lease_ms);
	return RUN_ONE(s, q_work_extend, CONFLICT, R_LeaseLost, e, l->key, l->owner, epoch.text, ms.text);
}

enum err_class work_enqueue(struct store *s, const char *key, struct err *e) { return RUN(s, q_work_enqueue, NULL, e, key); }

enum err_class work_enqueue_later(struct store *s, const char *key, int64_t delay_ms, struct err *e)
{
	struct number delay = number_text(delay_ms);
	return RUN(s, q_work_enqueue_later, NULL, e, key, delay.text);
}

enum err_class work_resync(struct store *s, int64_t *ret_count, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, q_work_resync, 0, NULL, &res, e);
	if (r == OK)
		*ret_count = pg_int(&res, 0, 0, 0);
	return r;
}

enum err_class work_free_owner(struct store *s, const char *owner, struct err *e) { return RUN(s, q_work_free_owner, NULL, e, owner); }

enum err_class work_next_due(struct store *s, int64_t *ret_ms, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, q_work_next_due, 0, NULL, &res, e);
	if (r == OK)
		*ret_ms = pg_hinted(s->pg) ? 0 : pg_int(&res, 0, 0, -1); /* a hint that came just now may be newer than the answer */
	return r;
}

enum err_class work_notify(struct store *s, struct err *e) { return pg_query(s->pg, q_work_notify, 0, NULL, NULL, e); }

enum err_class intent_open(struct store *s, const struct lease *l, const char *step, const json_t *detail, int64_t *ret_id, struct err *e)
{
	struct number epoch = number_text(l->epoch);
	AUTO_FREE char *text = detail ? json_text(detail) : xstrdup("{}");
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_intent_open, &res, e, l->key, l->owner, epoch.text, step, text);
	if (r)
		return r;
	if (res.rows == 0)
		return err_set(e, CONFLICT, R_LeaseLost, "the lease of %s at epoch %s was lost", l->key, epoch.text);
	*ret_id = pg_int(&res, 0, 0, 0);
	return OK;
}

enum err_class intent_close(struct store *s, int64_t id, const char *outcome, struct err *e)
{
	struct number n = number_text(id);
	return RUN_ONE(s, q_intent_close, BUG, R_NotFound, e, n.text, outcome);
}
