/* What people ask of a target beside declaring: to go back, and to end a hold. Database only; the loop does the rest. */
#ifndef FN_RECONCILERS_ROLLBACK_H
#define FN_RECONCILERS_ROLLBACK_H

#include "base/conf.h"
#include "base/json.h"
#include "schema/store.h"

struct rollback_request {
	const char *project, *function;
	const char *environment; /* NULL: the project's default */
	const char *actor, *note;
	int64_t version;         /* 0: what served before */
};

/* In the caller's transaction, which may be taken back to only show it. What was wanted but never served is called off first: without a version a
 * deploy that is under way goes back to what serves. *ret is a new reference:
 *
 *   {"id", "project", "function", "environment", "from": {"version", "release"} or null, "to": {"version", "release"},
 *    "image": "serving" | "warm" | "kept" | "archived", "holds": whether there is something to keep out, "floor": 3, "steps": ["route hello in dev to version 1", …],
 *    "changes": {"code": true, "env": ["GREETING"], "settings": ["port"]}, "message": "…"}
 *
 * INVALID NotFound: no such function or environment, or nothing of it there; NothingBefore: nothing to go back to; SourceMissing, ArtifactMissing:
 * the version was never built, or is gone for good; AlreadyServing. CONFLICT: a lost race. */
enum err_class rollback_request(struct store *s, const struct rollback_request *r, struct arena *a, json_t **ret, struct err *e) MUST_USE;

/* Ends the hold: the target goes on to what its binding says. *ret: {"project", "function", "environment", "released": {"version", "actor", "note"}}.
 * INVALID NotHeld. */
enum err_class hold_release(struct store *s, const char *project, const char *function, const char *environment /* or NULL */, const char *actor, struct arena *a,
			    json_t **ret, struct err *e) MUST_USE;

/* Where a function goes on being held with what is declared now, in the caller's transaction. A hold that is about to end, by a new version above all, is not
 * among them. *ret is a new reference: [{"function", "environment", "version", "actor", "note"}]. */
enum err_class holds_now(struct store *s, const struct conf *conf, const char *project, const char *function, struct arena *a, json_t **ret,
			 struct err *e) MUST_USE;

/* The project's default environment where none is given; INVALID NotFound unless it is declared. */
enum err_class environment_or_default(struct store *s, const char *project, const char *environment, struct arena *a, const char **ret, struct err *e) MUST_USE;

#endif
