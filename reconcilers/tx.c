#include <string.h>

#include "reconcilers/tx.h"

enum err_class tx_end(struct pass *p, enum err_class c, struct err *e)
{
	bool marked = p->marked;
	p->marked = false;
	if (c) {
		store_rollback(p->store);
		return c;
	}
	c = store_commit(p->store, e);
	if (!c && marked && p->hint)
		p->hint(p->hint_ctx);
	return c;
}

enum err_class enqueue(struct pass *p, const char *kind, const char *name, const char *environment, struct err *e)
{
	struct key k = key_make(kind, p->key.project, name, environment);
	p->marked = true;
	return work_enqueue(p->store, k.text, e);
}

enum err_class enqueue_retention(struct pass *p, struct err *e)
{
	enum { DELAY_MS = 1000 };
	struct key k = key_make("retention", p->key.project, p->key.name, NULL);
	return work_enqueue_later(p->store, k.text, DELAY_MS, e);
}

enum err_class tell(struct pass *p, bool warning, enum reason reason, const char *message, struct err *e)
{
	struct event ev = {
		.warning = warning,
		.kind = strcmp(p->key.kind, "target") == 0 || strcmp(p->key.kind, "retention") == 0 ? "function" : p->key.kind,
		.project = p->key.project,
		.name = p->key.name,
		.environment = p->key.environment,
		.reason = reason_token(reason),
		.message = message,
	};
	return event_add(p->store, &ev, e);
}
