#include "reconcilers/providers/oci.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/json.h"

const char *oci_architecture(struct arena *a)
{
	static const char *const known[][2] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" }, { "i686", "386" }, { "ppc64le", "ppc64le" },
		{ "s390x", "s390x" }, { "riscv64", "riscv64" },
	};
	struct utsname u;
	if (uname(&u) != 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(u.machine, known[i][0]) == 0)
			return known[i][1];
	return arena_strdup(a, u.machine);
}

/* Docker's names of layer types beside OCI's. Foreign and encrypted layers are not here on purpose. */
static const char *layer_type(const char *type)
{
	static const char *const known[][2] = {
		{ OCI_TYPE_LAYER, OCI_TYPE_LAYER },
		{ OCI_TYPE_LAYER "+gzip", OCI_TYPE_LAYER "+gzip" },
		{ OCI_TYPE_LAYER "+zstd", OCI_TYPE_LAYER "+zstd" },
		{ "application/vnd.docker.image.rootfs.diff.tar", OCI_TYPE_LAYER },
		{ "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_TYPE_LAYER "+gzip" },
		{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_TYPE_LAYER "+zstd" },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(type, known[i][0]) == 0)
			return known[i][1];
	return NULL;
}

static enum err_class decode_blob(const json_t *j, const char *what, struct oci_blob *ret, struct err *e)
{
	struct digest d;
	int64_t size = json_int_or(j, "size", -1);
	if (!json_is_object(j) || size < 0 || !digest_parse(json_str_or(j, "digest", NULL), &d))
		return err_set(e, INVALID, R_BaseInvalid, "the manifest's %s has no valid digest and size", what);
	*ret = (struct oci_blob){ json_str_or(j, "mediaType", ""), d, (uint64_t)size };
	return OK;
}

static enum err_class decode_index(const json_t *list, struct arena *a, struct oci_manifest *ret, struct err *e)
{
	const char *arch = oci_architecture(a);
	size_t i;
	json_t *j;
	json_array_foreach(list, i, j) {
		const json_t *p = json_object_get(j, "platform");
		if (strcmp(json_str_or(p, "os", ""), "linux") != 0 || strcmp(json_str_or(p, "architecture", ""), arch) != 0)
			continue;
		ret->is_index = true;
		return decode_blob(j, "entry in the index", &ret->child, e);
	}
	return err_set(e, INVALID, R_BaseInvalid, "the index has no image for linux/%s", arch);
}

static enum err_class decode_image(const json_t *j, struct arena *a, struct oci_manifest *ret, struct err *e)
{
	const json_t *layers = json_object_get(j, "layers");
	enum err_class c = decode_blob(json_object_get(j, "config"), "config", &ret->config, e);
	if (c)
		return c;
	ret->config.media_type = OCI_TYPE_CONFIG;
	if (ret->config.size > OCI_CONFIG_MAX)
		return err_set(e, INVALID, R_BaseInvalid, "the image's config is larger than %d bytes", OCI_CONFIG_MAX);
	if (json_array_size(layers) > OCI_LAYERS_MAX)
		return err_set(e, INVALID, R_BaseInvalid, "the image has more than %d layers", OCI_LAYERS_MAX);
	ret->nlayers = json_array_size(layers);
	ret->layers = arena_array(a, ret->nlayers, sizeof *ret->layers);
	for (size_t i = 0; i < ret->nlayers; i++) {
		c = decode_blob(json_array_get(layers, i), "layer", &ret->layers[i], e);
		if (c)
			return c;
		const char *type = layer_type(ret->layers[i].media_type);
		if (!type)
			return err_set(e, INVALID, R_BaseInvalid, "layer %zu has a media type that is not supported: %.80s", i + 1,
				       ret->layers[i].media_type);
		ret->layers[i].media_type = type;
	}
	return OK;
}

enum err_class oci_decode(const char *p, size_t n, struct arena *a, struct oci_manifest *ret, struct err *e)
{
	AUTO_JSON json_t *j = NULL;
	struct oci_manifest m = { 0 };
	struct err inner = ERR_INIT;
	if (n > OCI_MANIFEST_MAX)
		return err_set(e, INVALID, R_BaseInvalid, "the manifest is larger than %d bytes", OCI_MANIFEST_MAX);
	if (json_parse(p, n, &j, &inner) != OK)
		return err_set(e, INVALID, R_BaseInvalid, "the manifest is %s", inner.msg);
	const json_t *layers = json_object_get(j, "layers"), *list = json_object_get(j, "manifests");
	/* both would let two readers see two images (image-spec, CVE-2021-41190) */
	if (json_int_or(j, "schemaVersion", 0) != 2 || json_is_array(layers) == json_is_array(list))
		return err_set(e, INVALID, R_BaseInvalid, "neither an image manifest nor an index of schema version 2");
	m.media_type = arena_strdup(a, json_str_or(j, "mediaType", layers ? OCI_TYPE_MANIFEST : OCI_TYPE_INDEX));
	enum err_class c = layers ? decode_image(j, a, &m, e) : decode_index(list, a, &m, e);
	m.child.media_type = m.media_type; /* the strings of j die with it */
	if (!c)
		*ret = m;
	return c;
}

enum err_class oci_load(const struct cache *cache, const struct digest *d, struct arena *a, struct oci_manifest *ret, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(OCI_MANIFEST_MAX);
	struct oci_manifest m = { 0 };
	enum err_class c = cache_read(cache, d, &b, e);
	if (!c)
		c = oci_decode(buf_str(&b), b.len, a, &m, e);
	if (!c && m.is_index) {
		struct digest child = m.child.digest;
		c = cache_read(cache, &child, &b, e);
		if (!c)
			c = oci_decode(buf_str(&b), b.len, a, &m, e);
		if (!c && m.is_index)
			c = err_set(e, INVALID, R_BaseInvalid, "an index inside an index");
	}
	char text[DIGEST_TEXT];
	if (c)
		return err_wrap(e, "image %s", digest_text(d, text)), c;
	*ret = m;
	return OK;
}
