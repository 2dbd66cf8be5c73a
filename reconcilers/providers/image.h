/* The image writer: one layer on a base, as OCI image manifest and config (image-spec v1.0: manifest.md, config.md). Pure but
 * for the cache it reads the base from and writes the two new blobs to. The same inputs give the same digest. */
#ifndef FN_PROVIDERS_IMAGE_H
#define FN_PROVIDERS_IMAGE_H

#include "base/digest.h"
#include "base/mem.h"
#include "reconcilers/providers/cache.h"

struct image_spec {
	const struct digest *base;  /* manifest of the base, in the cache; NULL: from scratch */
	struct digest layer, diff_id; /* the new layer, in the cache */
	uint64_t layer_size;
	const char *const *command; /* NULL-terminated: the config's Cmd (Entrypoint is cleared) */
	const char *const *env;     /* NULL-terminated NAME=value, added to the base's Env */
	const char *workdir;        /* "/app" */
	int port;                   /* ExposedPorts "8080/tcp"; 0: none */
	const char *user;           /* "65534:65534" */
};

/* Writes config and manifest into the cache; *ret is the manifest's digest. What is added carries no time but 1970-01-01T00:00:00Z;
 * the base's history stays as it is. NULL members leave the base's alone. A base may be of Docker's schema 2 (its layers get OCI's
 * media types) or an index (the image for this machine is taken). INVALID BaseInvalid for a base that cannot be extended, INVALID
 * InvalidValue for a bad spec, TRANSIENT ImageMissing when the cache lacks the base's manifest or config. */
enum err_class image_write(const struct cache *c, const struct image_spec *s, struct digest *ret, struct err *e) MUST_USE;

/* A repository's name as the distribution spec has it: "functions/shop/hello". */
bool image_repo_valid(const char *repo);

/* "base/python@sha256:…" -> repo in the arena and digest; false when malformed. */
bool image_reference_parse(const char *ref, struct arena *a, const char **ret_repo, struct digest *ret_digest);

/* Fills "functions/{project}/{name}:v{n}" (also {id}); *ret_repo and *ret_tag in the arena. INVALID InvalidValue when the result is
 * not a valid repository and tag (distribution-spec, "Pulling manifests"). */
enum err_class image_name(const char *template, struct arena *a, const char *project, const char *name, const char *id,
			  int64_t n, const char **ret_repo, const char **ret_tag, struct err *e) MUST_USE;

#endif
