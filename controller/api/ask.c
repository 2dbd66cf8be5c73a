#include "api/ask.h"

#include <poll.h>

#include "api/handlers.h"

/* All pauses together are longer than a registry may take to delete an image, the longest that a race lasts. */
enum { TRIES = 12, FIRST_PAUSE_MS = 10, LONGEST_PAUSE_MS = 400 };

static enum err_class in_transaction(struct request *r, struct store *s, ask_fn *fn, const void *what, bool dry_run, json_t **ret, struct err *e)
{
	json_t *answer = NULL;
	enum err_class c = store_begin(s, e);
	if (!c)
		c = fn(r, s, what, &answer, e);
	if (!c && !dry_run)
		c = work_notify(s, e);
	if (!c && !dry_run)
		c = store_commit(s, e);
	if (c || dry_run)
		store_rollback(s);
	if (!c)
		*ret = answer;
	else
		json_decref(answer);
	return c;
}

enum err_class ask(struct request *r, ask_fn *fn, const void *what, bool dry_run, struct err *e)
{
	struct store *s;
	json_t *answer = NULL;
	enum err_class c = request_store(r, &s, e);
	int pause_ms = FIRST_PAUSE_MS;
	for (int tries = 0; !c && tries < TRIES; tries++) {
		c = in_transaction(r, s, fn, what, dry_run, &answer, e);
		if (c != CONFLICT || tries == TRIES - 1)
			break;
		c = OK;
		(void)poll(NULL, 0, pause_ms); /* outside the transaction: nobody waits for us */
		pause_ms = pause_ms * 2 < LONGEST_PAUSE_MS ? pause_ms * 2 : LONGEST_PAUSE_MS;
	}
	if (c)
		return c;
	json_object_set_new(answer, "url", host_url(r, json_str_or(answer, "project", ""), json_str_or(answer, "function", ""),
						    json_str_or(answer, "environment", "")));
	if (!dry_run && r->api->o.hint)
		r->api->o.hint(r->api->o.hint_ctx);
	reply_json(r, dry_run ? 200 : 202, answer);
	return OK;
}
