/* An explicit deploy: the next number, whatever it is of, and a target that runs it. Database only; the loop does the rest. */
#ifndef FN_RECONCILERS_DEPLOY_H
#define FN_RECONCILERS_DEPLOY_H

#include "base/json.h"
#include "manifests/manifest.h"
#include "schema/store.h"

struct deploy_request {
	const char *project, *function;
	const struct manifest *manifest; /* declares the function as well; NULL: as it is declared */
	const char *source_digest;       /* "sha256:…" of the uploaded archive; NULL: the manifest's, or as declared: built anew on the runtime's present base */
	bool uploaded;                   /* the source is among the uploads; else an earlier version must have it */
	const char *environment;         /* NULL: the project's default */
	const char *actor, *note;
	bool force;                      /* take over what another writer owns */
};

/* In the caller's transaction: declares (owner "manifest" with a manifest, else "api"), takes the next number, ends a hold there, and makes the target in the
 * environment want the version unless that follows latest or is pinned to it, which does so by itself. *ret is a new reference:
 *
 *   {"project", "function", "id", "version": 4, "deploymentId", "environment", "generation", "created": bool, "released": {hold that ended} or null}
 *
 * INVALID NotFound, InvalidReference (runtime, environment), SourceMissing, OwnedByManifest: the function's source; Pinned: the environment that a pin binds
 * to another version. CONFLICT: a lost race, also while the function is being removed. */
enum err_class deploy_request(struct store *s, const struct deploy_request *r, struct arena *a, json_t **ret, struct err *e) MUST_USE;

#endif
