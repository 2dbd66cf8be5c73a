/* The artifact store: archives and layer blobs by key. One implementation, a directory, whose shape fits S3: whole
 * objects, no append, no rename visible to readers, listing by prefix. */
#ifndef FN_PROVIDERS_ARTIFACTS_H
#define FN_PROVIDERS_ARTIFACTS_H

#include "base/digest.h"
#include "base/mem.h"

struct artifacts; /* usable from several threads */

enum err_class artifacts_open_dir(const char *dir, struct artifacts **ret, struct err *e) MUST_USE;
void artifacts_free(struct artifacts *s);

/* Stores what is left to read in fd under key ("functions/<id>/v3/function.tar.gz"; [A-Za-z0-9._/-], no ".." part),
 * verifying digest when given (INVALID DigestMismatch, nothing stored). Overwriting with the same bytes is fine. */
enum err_class artifacts_put(struct artifacts *s, const char *key, int fd, const struct digest *want, struct err *e) MUST_USE;

/* A descriptor at offset 0 that the caller closes; INVALID ArtifactMissing when absent. */
enum err_class artifacts_get(struct artifacts *s, const char *key, int *ret_fd, uint64_t *ret_size, struct err *e) MUST_USE;
enum err_class artifacts_exists(struct artifacts *s, const char *key, bool *ret, struct err *e) MUST_USE;
enum err_class artifacts_delete(struct artifacts *s, const char *key, struct err *e) MUST_USE; /* absent is fine */

/* Calls each(key, size) in key order below prefix until it returns false. */
typedef bool artifact_fn(void *ctx, const char *key, uint64_t size);
enum err_class artifacts_list(struct artifacts *s, const char *prefix, artifact_fn *each, void *ctx, struct err *e) MUST_USE;

#endif
