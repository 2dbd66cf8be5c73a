/* Reading an OCI image from the blob cache: manifest and config, both verified by digest (image-spec v1.0). The cache is
 * written by an unprivileged user, so nothing in it is believed before it is hashed. */
#ifndef FN_NODE_OCI_IMAGE_H
#define FN_NODE_OCI_IMAGE_H

#include "base/digest.h"
#include "base/mem.h"

enum { OCI_MAX_LAYERS = 40, OCI_MAX_DOCUMENT = 4 << 20 };

struct oci_layer {
	struct digest blob, diff_id; /* compressed, and the tar itself */
	uint64_t size;               /* of the blob */
};

struct oci_image {
	struct oci_layer *layers; /* bottom first */
	size_t nlayers;
	const char *const *command; /* Entrypoint and Cmd, NULL-terminated */
	const char *const *env;     /* NULL-terminated */
	const char *workdir;        /* "/" when the image has none */
};

/* Everything in the arena. TRANSIENT ImageMissing for a blob that is not in the cache, INVALID DigestMismatch, INVALID
 * LayerInvalid for a document that is not an image for this machine or has too many layers. */
enum err_class oci_image_load(const char *blobs, const struct digest *manifest, struct arena *a, struct oci_image *ret,
			      struct err *e) MUST_USE;

/* Opens a blob for reading without believing it: a plain file, never followed or waited for. */
enum err_class oci_blob_open(const char *blobs, const struct digest *d, int *ret_fd, struct err *e) MUST_USE;

#endif
