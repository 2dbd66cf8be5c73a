/* What a manifest says: decoding of OCI image manifests and indexes (image-spec v1.0) and of Docker's schema 2, which
 * differs in its media types only. The bytes come from outside: sizes and counts are bounded here. */
#ifndef FN_PROVIDERS_OCI_H
#define FN_PROVIDERS_OCI_H

#include "base/digest.h"
#include "base/mem.h"
#include "reconcilers/providers/cache.h"

enum { OCI_MANIFEST_MAX = 4 << 20, OCI_CONFIG_MAX = 4 << 20, OCI_LAYERS_MAX = 127 };

#define OCI_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"
#define DOCKER_TYPE_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_TYPE_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"

struct oci_blob {
	const char *media_type; /* OCI's, whichever family the manifest is of */
	struct digest digest;
	uint64_t size;
};

struct oci_manifest {
	const char *media_type; /* the manifest's own: what a push must declare */
	bool is_index;
	struct oci_blob child;  /* of an index: the manifest for Linux on this machine's architecture; else unused */
	struct oci_blob config; /* of an image, as the layers are, bottom first */
	struct oci_blob *layers;
	size_t nlayers;
};

/* INVALID BaseInvalid naming what is wrong: not JSON, an unknown kind, a layer that is no plain tar, gzip or zstd, no image for this
 * machine in an index. */
enum err_class oci_decode(const char *p, size_t n, struct arena *a, struct oci_manifest *ret, struct err *e) MUST_USE;

/* The image manifest d from the cache, through an index where d is one. TRANSIENT ImageMissing when the cache lacks it. */
enum err_class oci_load(const struct cache *c, const struct digest *d, struct arena *a, struct oci_manifest *ret, struct err *e)
	MUST_USE;

/* "amd64", "arm64", …: GOARCH of this machine (uname). */
const char *oci_architecture(struct arena *a);

#endif
