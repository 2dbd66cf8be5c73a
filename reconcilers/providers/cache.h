/* The content-addressed blob cache, FN_HOME/cache/blobs/sha256/<hex>: what a build or pull leaves for fn-node, which
 * verifies every blob itself. Files appear whole (rename) and are mode 0644. Usable from several threads and processes. */
#ifndef FN_PROVIDERS_CACHE_H
#define FN_PROVIDERS_CACHE_H

#include "base/digest.h"
#include "base/mem.h"

struct cache {
	const char *dir; /* FN_HOME/cache */
};

enum err_class cache_init(const struct cache *c, struct err *e) MUST_USE; /* makes the directories */
char *cache_path(const struct cache *c, struct arena *a, const struct digest *d);
bool cache_has(const struct cache *c, const struct digest *d, uint64_t *ret_size /* or NULL */);
/* Copies the rest of fd in, verifying the digest: INVALID DigestMismatch and nothing stored otherwise. */
enum err_class cache_put_fd(const struct cache *c, const struct digest *want, int fd, struct err *e) MUST_USE;
enum err_class cache_put(const struct cache *c, const void *p, size_t n, struct digest *ret, struct err *e) MUST_USE;
/* TRANSIENT ImageMissing when absent. */
enum err_class cache_open(const struct cache *c, const struct digest *d, int *ret_fd, struct err *e) MUST_USE;

#endif
