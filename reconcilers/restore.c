#include "reconcilers/restore.h"

#include <string.h>
#include <unistd.h>

#include "reconcilers/providers/image.h"
#include "reconcilers/providers/oci.h"
#include "schema/retention.h"

/* What the parts of an image are called in the store: its own under the version's prefix, the base's by digest, once for all versions. */
struct stored_image {
	struct pass *p;
	const char *prefix; /* "functions/<id>/v3" */
	struct digest manifest;
	struct oci_manifest m;
};

static const char *shared_key(const struct stored_image *k, const struct digest *d)
{
	char hex[DIGEST_HEX];
	return arena_printf(k->p->arena, "blobs/sha256/%s", digest_hex(d, hex));
}

/* Layer i's key: the last is the version's own. */
static const char *layer_key(const struct stored_image *k, size_t i)
{
	return i + 1 == k->m.nlayers ? arena_printf(k->p->arena, "%s/layer.tar.gz", k->prefix) : shared_key(k, &k->m.layers[i].digest);
}

static const char *own_key(const struct stored_image *k, const char *name) { return arena_printf(k->p->arena, "%s/%s", k->prefix, name); }

/* ---- keeping ---- */

static enum err_class keep_blob(struct stored_image *k, const char *key, const struct digest *d, struct err *e)
{
	struct pass *p = k->p;
	bool there;
	AUTO_CLOSE int fd = -1;
	enum err_class c = artifacts_exists(p->artifacts, key, &there, e);
	if (c || there)
		return c;
	c = cache_open(p->cache, d, &fd, e);
	return c ? c : artifacts_put(p->artifacts, key, fd, d, e);
}

enum err_class image_keep(struct pass *p, const char *function_id, int64_t version, const struct digest *manifest, struct err *e)
{
	struct stored_image k = {.p = p, .manifest = *manifest, .prefix = arena_printf(p->arena, "functions/%s/v%lld", function_id, (long long)version)};
	enum err_class c = oci_load(p->cache, manifest, p->arena, &k.m, e);
	for (size_t i = 0; !c && i < k.m.nlayers; i++)
		c = keep_blob(&k, layer_key(&k, i), &k.m.layers[i].digest, e);
	if (!c)
		c = keep_blob(&k, own_key(&k, "config.json"), &k.m.config.digest, e);
	return c ? c : keep_blob(&k, own_key(&k, "manifest.json"), manifest, e); /* last: with it the rest is there */
}

/* ---- restoring ---- */

static enum err_class bring_blob(struct stored_image *k, const char *key, const struct digest *d, struct err *e)
{
	struct pass *p = k->p;
	AUTO_CLOSE int fd = -1;
	uint64_t size;
	if (cache_has(p->cache, d, NULL))
		return OK;
	enum err_class c = artifacts_get(p->artifacts, key, &fd, &size, e);
	if (!c)
		c = cache_put_fd(p->cache, d, fd, e);
	return c ? (err_wrap(e, "%s", key), c) : OK;
}

/* A base's layer may still be in the registry when the store lost it. */
static enum err_class bring_layer(struct stored_image *k, size_t i, const char *base_repository, const struct digest *base, struct err *e)
{
	struct pass *p = k->p;
	enum err_class c = bring_blob(k, layer_key(k, i), &k->m.layers[i].digest, e);
	if (c != INVALID || !base_repository || i + 1 == k->m.nlayers)
		return c;
	struct err missing = *e;
	c = registry_pull(p->registry, base_repository, base, p->cache, e);
	if (c == INVALID)
		*e = missing;
	return c;
}

static enum err_class bring_all(struct stored_image *k, const char *base_repository, const struct digest *base, struct err *e)
{
	struct pass *p = k->p;
	enum err_class c = bring_blob(k, own_key(k, "manifest.json"), &k->manifest, e);
	if (!c)
		c = oci_load(p->cache, &k->manifest, p->arena, &k->m, e);
	if (!c)
		c = bring_blob(k, own_key(k, "config.json"), &k->m.config.digest, e);
	for (size_t i = 0; !c && i < k->m.nlayers; i++)
		c = bring_layer(k, i, base_repository, base, e);
	return c;
}

static const char *prefix_of(const struct pass *p, const struct deployment_row *d)
{
	return arena_strndup(p->arena, d->s3_key, (size_t)(strrchr(d->s3_key, '/') - d->s3_key));
}

enum err_class image_keep_whole(struct pass *p, const char *function_id, const struct deployment_row *d, struct err *e)
{
	struct stored_image k = {.p = p};
	const char *colon = d->image_tag ? strrchr(d->image_tag, ':') : NULL;
	if (!colon || !d->s3_key || !d->image_digest || !digest_parse(d->image_digest, &k.manifest))
		return err_set(e, BUG, R_Internal, "version %lld has no image", (long long)d->version);
	k.prefix = prefix_of(p, d);
	struct err why = ERR_INIT; /* of what is only an attempt */
	enum err_class c = bring_blob(&k, own_key(&k, "manifest.json"), &k.manifest, &why);
	if (!c) {
		c = image_keep(p, function_id, d->version, &k.manifest, e);
		if (c != TRANSIENT || strcmp(e->reason, reason_token(R_ImageMissing)) != 0)
			return c;
	}
	c = registry_pull(p->registry, arena_strndup(p->arena, d->image_tag, (size_t)(colon - d->image_tag)), &k.manifest, p->cache, e);
	return c ? c : image_keep(p, function_id, d->version, &k.manifest, e);
}

enum err_class image_restore(struct pass *p, const struct deployment_row *d, struct err *e)
{
	struct stored_image k = {.p = p};
	const char *base_repository = NULL, *colon = d->image_tag ? strrchr(d->image_tag, ':') : NULL;
	struct digest base;
	if (!colon || !d->image_digest || !digest_parse(d->image_digest, &k.manifest))
		return err_set(e, BUG, R_Internal, "version %lld has no image", (long long)d->version);
	if (!d->s3_key)
		return err_set(e, INVALID, R_ArtifactMissing, "its image and its archive were removed");
	k.prefix = prefix_of(p, d);
	if (strcmp(d->base, "scratch") != 0 && !image_reference_parse(d->base, p->arena, &base_repository, &base))
		base_repository = NULL;
	enum err_class c = bring_all(&k, base_repository, &base, e);
	if (!c)
		c = image_settled(p->store, d->id, e);
	if (c)
		return c;
	const char *repository = arena_strndup(p->arena, d->image_tag, (size_t)(colon - d->image_tag));
	return registry_push(p->registry, repository, colon + 1, base_repository, &k.manifest, p->cache, e);
}
