/* The image of a version, again from what the artifact store keeps of it: the same bytes, no build. */
#ifndef FN_RECONCILERS_RESTORE_H
#define FN_RECONCILERS_RESTORE_H

#include "reconcilers/reconciler.h"

/* Brings every blob of the version's image into the cache, from there or the registry or the artifact store, and pushes the image under its tag.
 * INVALID ArtifactMissing when something is nowhere; the image's digest is the recorded one or nothing is pushed (DigestMismatch). */
enum err_class image_restore(struct pass *p, const struct deployment_row *d, struct err *e) MUST_USE;

/* Stores beside a version's archive all that image_restore needs: layer, config and manifest, and the base's blobs once for all versions. */
enum err_class image_keep(struct pass *p, const char *function_id, int64_t version, const struct digest *manifest, struct err *e) MUST_USE;

/* The same for a version that was published, whatever became of the store and the cache since: what either lacks is pulled. INVALID ImageMissing when a part
 * is nowhere. */
enum err_class image_keep_whole(struct pass *p, const char *function_id, const struct deployment_row *d, struct err *e) MUST_USE;

#endif
