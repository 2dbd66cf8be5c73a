/* What projects, runtimes, environments and pins have in common: a manifest that is accepted, maybe blocked by something outside, and removed once nothing
 * uses it any more. Each kind's folder says how its world is observed. */
#ifndef FN_RECONCILERS_DECLARED_H
#define FN_RECONCILERS_DECLARED_H

#include "reconcilers/reconciler.h"

struct declared_world {
	enum kind kind;
	const char *subject;        /* "runtime python" */
	bool found, deleting;
	int64_t generation;
	enum reason blocked;        /* R_None, or what keeps it from being ready */
	const char *blocked_message;
	int64_t users;              /* of a manifest that is going: what must go first */
	const char *wake_kind;      /* after removal: the key to look at, or NULL */
	const char *wake_name, *wake_environment;
};

/* The manifest of the pass's key into a fresh world; *ret_row may be NULL. */
enum err_class declared_observe(struct pass *p, enum kind kind, struct declared_world **ret, struct manifest_row *ret_row, struct err *e) MUST_USE;

void declared_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret);
enum err_class declared_act(struct pass *p, void *world, const struct step *s, struct err *e) MUST_USE;
enum err_class declared_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e) MUST_USE;

enum err_class project_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class runtime_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class environment_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class pin_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;

#endif
