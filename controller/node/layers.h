/* The layer store, FN_HOME/node/layers/<hex of the diff id>/: each layer is unpacked once, whoever wants it, and appears whole
 * (rename) after the digests of the compressed blob and of the tar in it were both right. Root owns it, so what is there
 * is trusted afterwards.
 *
 * Two processes unpack: one of ours reads and hashes the blob and feeds the other, which is confined to the target directory
 * (chroot, no capability but those over files, seccomp, limits) because it parses hostile bytes. */
#ifndef FN_NODE_LAYERS_H
#define FN_NODE_LAYERS_H

#include "node/loop.h"
#include "node/oci_image.h"

struct layers;

/* dir is made. After a power failure, layers that were not surely on disk go. */
enum err_class layers_open(struct loop *l, const char *dir, const char *blobs, struct layers **ret, struct err *e) MUST_USE;
void layers_free(struct layers *s);

/* Makes n layers present. All there already: OK and *ret_ticket is 0, done is not called. Otherwise done is called later,
 * once, with NULL or the first error (INVALID LayerInvalid, INVALID DigestMismatch, TRANSIENT …), unless forgotten. */
typedef void layers_done_fn(void *ctx, const struct err *error);
enum err_class layers_want(struct layers *s, const struct oci_layer *want, size_t n, layers_done_fn *done, void *ctx,
			   uint64_t *ret_ticket, struct err *e) MUST_USE;
void layers_forget(struct layers *s, uint64_t ticket); /* 0 is fine; the unpacking itself goes on */

/* Removes the longest unused ones beyond `keep`, leaving those that used() knows. Cheap when there are fewer. */
typedef bool layers_used_fn(void *ctx, const char *hex);
void layers_prune(struct layers *s, size_t keep, layers_used_fn *used, void *ctx);

/* Removes all that used() does not know. They are out of the store when this returns; a child gives their room back. bytes is
 * what they took on disk; it is not known, and 0, for those found at the start until a child has measured them. */
struct layers_freed {
	size_t count;
	uint64_t bytes;
};
struct layers_freed layers_collect(struct layers *s, layers_used_fn *used, void *ctx);

#endif
