#include "reconcilers/conditions.h"

#include "reconcilers/tx.h"

static bool is_ready(enum reason r)
{
	return r == R_None || r == R_Serving || r == R_Stopped || r == R_NoTarget || r == R_BaseOutdated;
}

enum { MAX_CONDITIONS = 8 };

enum err_class record_conditions(struct pass *p, enum kind kind, int64_t generation, const struct plan *plan, const struct err *failure,
				 const struct condition *extra, size_t nextra, struct err *e)
{
	enum reason why = failure ? reason_parse(failure->reason) : plan->status;
	const char *message = failure ? failure->msg : plan->message;
	bool ready = !failure && is_ready(why);
	bool progresses = failure ? failure->class == TRANSIENT || failure->class == CONFLICT : reason_progresses(why);
	const char *token = why == R_None ? "Accepted" : reason_token(why);
	struct condition all[MAX_CONDITIONS];
	size_t n = 0;
	for (; n < nextra && n < MAX_CONDITIONS - 2; n++)
		all[n] = extra[n];
	all[n++] = (struct condition){"Ready", ready ? "True" : "False", token, message};
	all[n++] = (struct condition){"Progressing", progresses ? "True" : "False", token, ""};
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = manifest_set_status(p->store, kind, p->key.project, p->key.name, generation, all, n, e);
	return tx_end(p, c, e);
}
