#include <stdlib.h>
#include <string.h>

#include "reconcilers/target/target.h"
#include "reconcilers/tx.h"

/* The slot is what follows the name's dash. */
static int64_t slot_of(const char *name)
{
	const char *dash = strrchr(name, '-');
	return dash ? strtoll(dash + 1, NULL, 10) : 0;
}

static enum err_class record_instances(struct pass *p, const char *function_id, const struct target_world *w, struct err *e)
{
	struct instance_row *rows = arena_array(p->arena, w->nseen, sizeof *rows);
	for (size_t i = 0; i < w->nseen; i++) {
		const struct instance *in = &w->seen[i];
		rows[i] = (struct instance_row){
			.id = in->name,
			.release_id = in->release,
			.address = in->address,
			.state = instance_state_name(in->state),
			.reason = in->reason,
			.message = in->message,
			.slot = slot_of(in->name),
			.incarnation = in->restarts,
		};
	}
	return instances_record(p->store, function_id, p->key.environment, rows, w->nseen, e);
}

enum err_class target_wake_declarers(struct pass *p, const char *pin, struct err *e)
{
	enum err_class c = enqueue(p, "function", p->key.name, NULL, e);
	if (!c)
		c = enqueue(p, "environment", p->key.environment, NULL, e);
	if (!c && pin)
		c = enqueue(p, "pin", pin, NULL, e);
	return c;
}

/* Status changed: it is written, told, and its declarers look. */
static enum err_class record_status(struct pass *p, const struct function_row *f, const struct target_row *t, const struct target_world *w,
				    const char *reason, const char *message, bool warning, struct err *e)
{
	const struct target_seen *seen = w ? &w->seen_now : &t->seen;
	bool same = strcmp(t->status, reason) == 0 && strcmp(t->message, message) == 0;
	if (same && seen->function == t->seen.function && seen->environment == t->seen.environment && seen->pin == t->seen.pin)
		return OK;
	enum err_class c = target_set_status(p->store, f->id, p->key.environment, reason, message, seen, e);
	if (!c && !same && warning)
		c = tell(p, true, reason_parse(reason), message, e);
	if (!c)
		c = function_mirror(p->store, f->id, e);
	return c ? c : target_wake_declarers(p, w ? w->pin : NULL, e);
}

static enum err_class record_in_tx(struct pass *p, const struct target_world *w, const char *reason, const char *message, bool warning,
				   struct err *e)
{
	struct function_row f;
	enum err_class c = function_load_locked(p->store, p->key.project, p->key.name, p->arena, &f, e);
	struct target_row t = {.found = false};
	if (!c && f.found)
		c = target_load(p->store, f.id, p->key.environment, p->arena, &t, e);
	if (c || !t.found)
		return c;
	c = record_status(p, &f, &t, w, reason, message, warning, e);
	if (!c && w)
		c = record_instances(p, f.id, w, e);
	return c;
}

enum err_class target_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e)
{
	const char *reason = failure ? failure->reason : reason_token(plan->status);
	const char *message = failure ? failure->msg : plan->message;
	bool warning = failure || plan->verdict == VERDICT_BLOCKED || plan->status == R_CrashLoop || plan->status == R_Unhealthy || plan->status == R_Exited;
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	return tx_end(p, record_in_tx(p, world, reason, message, warning, e), e);
}
