/* The content-addressed blob cache, FN_HOME/cache/blobs/sha256/<hex>: what a build or pull leaves for fn-node, which
 * verifies every blob itself. Files appear whole (rename) and are mode 0644. Usable from several threads and processes.
 *
 * A file's time is when it was last used: asking for it, opening and reading count, so that a sweep spares what somebody is about to use.
 * Nothing is synced: what a power cut takes is fetched or built again, so whoever knows a blob's size compares it. */
#ifndef FN_PROVIDERS_CACHE_H
#define FN_PROVIDERS_CACHE_H

#include "base/digest.h"
#include "base/mem.h"

struct cache {
	const char *dir; /* FN_HOME/cache */
};

/* Makes the directories and removes what writers that died left in FN_HOME/cache/tmp more than an hour ago. */
enum err_class cache_init(const struct cache *c, struct err *e) MUST_USE;
char *cache_path(const struct cache *c, struct arena *a, const struct digest *d);
bool cache_has(const struct cache *c, const struct digest *d, uint64_t *ret_size /* or NULL */);
/* Copies the rest of fd in, verifying the digest: INVALID DigestMismatch and nothing stored otherwise. */
enum err_class cache_put_fd(const struct cache *c, const struct digest *want, int fd, struct err *e) MUST_USE;
enum err_class cache_put(const struct cache *c, const void *p, size_t n, struct digest *ret, struct err *e) MUST_USE;
/* TRANSIENT ImageMissing when absent. */
enum err_class cache_open(const struct cache *c, const struct digest *d, int *ret_fd, struct err *e) MUST_USE;
/* A small blob (a manifest, a config) whole into *b, verified: TRANSIENT DigestMismatch, and the file is dropped, when it was spoilt. */
enum err_class cache_read(const struct cache *c, const struct digest *d, struct buf *b, struct err *e) MUST_USE;
/* Forgets a blob that turned out to be spoilt; absent is fine. */
void cache_drop(const struct cache *c, const struct digest *d);

/* Writing as bytes arrive: begin, add, then commit; release always (after commit it does nothing). Commit fails with INVALID
 * DigestMismatch and stores nothing unless the bytes are *want. */
struct cache_writer {
	const struct cache *cache;
	char *tmp;
	int fd;
	struct digest_ctx sum;
};
#define CACHE_WRITER_INIT { NULL, NULL, -1, { NULL } }
#define AUTO_CACHE_WRITER __attribute__((cleanup(cache_writer_release)))
enum err_class cache_begin(const struct cache *c, struct cache_writer *w, struct err *e) MUST_USE;
enum err_class cache_add(struct cache_writer *w, const void *p, size_t n, struct err *e) MUST_USE;
enum err_class cache_commit(struct cache_writer *w, const struct digest *want, struct err *e) MUST_USE;
void cache_writer_release(struct cache_writer *w);

#endif
