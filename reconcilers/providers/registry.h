/* The image registry: OCI distribution-spec v1.1 over libcurl (net/http.h). */
#ifndef FN_PROVIDERS_REGISTRY_H
#define FN_PROVIDERS_REGISTRY_H

#include "base/digest.h"
#include "base/mem.h"
#include "reconcilers/providers/cache.h"

struct registry; /* one thread at a time: each worker has its own, with its own connection */

struct registry_opts {
	const char *url;       /* "http://127.0.0.1:7350" */
	const char *auth_file; /* one line "user:password"; NULL: none. Read at each use, never logged */
	int64_t call_ms;       /* deadline of one call without body progress, 10 s */
	const char *const *token_hosts; /* NULL-terminated: hosts beside the registry's own that may be given the credentials for
					   a token (https only); NULL: none */
};

/* Failures: TRANSIENT RegistryUnavailable (outage, stall, 429, 5xx), TRANSIENT RegistryProtocol (an answer against the spec), DENIED
 * RegistryDenied (401, 403, a token realm that is not trusted, deletion switched off), TRANSIENT DigestMismatch (bytes that are not what
 * their digest says), and what the cache fails with. */
enum err_class registry_open(const struct registry_opts *o, struct registry **ret, struct err *e) MUST_USE;
void registry_free(struct registry *r);

/* HEAD of a manifest by digest or tag: *ret_digest is what the registry has, OK and *ret_found false for 404.
 * An outage is an error, never "not found". */
enum err_class registry_head(struct registry *r, const char *repo, const char *reference, bool *ret_found,
			     struct digest *ret_digest, struct err *e) MUST_USE;

/* Brings the manifest, config and all layers of repo@digest into the cache; what the cache has is not fetched.
 * Every blob is verified. INVALID ImageMissing for 404. */
enum err_class registry_pull(struct registry *r, const char *repo, const struct digest *d, const struct cache *c,
			     struct err *e) MUST_USE;

/* Pushes an image whose blobs are all in the cache: existence checks first, blobs of from_repo (may be NULL) by
 * cross-repository mount (a refused mount falls back to upload), then config, then manifest as repo:tag. */
enum err_class registry_push(struct registry *r, const char *repo, const char *tag, const char *from_repo,
			     const struct digest *manifest, const struct cache *c, struct err *e) MUST_USE;

/* Deletes a manifest by digest; absent is fine. The version's row is locked meanwhile, so it ends after REGISTRY_DELETE_MS, whatever the registry does: whether
 * it was deleted is then not known. */
enum { REGISTRY_DELETE_MS = 2000 };
enum err_class registry_delete(struct registry *r, const char *repo, const struct digest *d, struct err *e) MUST_USE;

#endif
