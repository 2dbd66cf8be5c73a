/* What a collection removes from this machine's directories, and what it spares. */
#ifndef FN_RECONCILERS_SWEEPS_H
#define FN_RECONCILERS_SWEEPS_H

#include "base/sweep.h"
#include "reconcilers/providers/cache.h"
#include "schema/retention.h"

enum { UPLOAD_GRACE_MS = 3600 * 1000 }; /* between an upload and the apply that names it */

struct digests {
	struct digest *items; /* sorted */
	size_t n, cap;
};

/* All that images in use are made of, as far as the cache has them: what it lacks it need not spare. */
struct marks {
	struct digests blobs;    /* manifests, configs, layers */
	struct digests diff_ids; /* unpacked layers */
};
enum err_class marks_load(struct store *s, const struct cache *cache, struct arena *a, struct marks *ret, struct err *e) MUST_USE;

/* dry: only counts. */
enum err_class cache_sweep(const struct cache *cache, const struct marks *m, int64_t before_ms, bool dry, struct swept *ret, struct err *e) MUST_USE;
enum err_class uploads_sweep(struct store *s, const char *dir, struct arena *a, bool dry, struct swept *ret, struct err *e) MUST_USE;

/* Directories of builds that are over. */
enum err_class builds_sweep(struct store *s, const char *dir, struct arena *a, struct swept *ret, struct err *e) MUST_USE;

#endif
