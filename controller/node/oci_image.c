#include "node/oci_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"

enum { MAX_STRINGS = 4096 };

enum err_class oci_blob_open(const char *blobs, const struct digest *d, int *ret_fd, struct err *e)
{
	char hex[DIGEST_HEX];
	AUTO_FREE char *path = xprintf("%s/%s", blobs, digest_hex(d, hex));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, TRANSIENT, R_ImageMissing, "sha256:%s is not in the cache", hex);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_ImageMissing, "open sha256:%s", hex);
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return err_set(e, INVALID, R_DigestMismatch, "sha256:%s is not a plain file", hex);
	}
	*ret_fd = fd;
	return OK;
}

/* A document whose bytes have the digest it is named by. */
static enum err_class read_document(const char *blobs, const struct digest *d, json_t **ret, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	enum err_class c = oci_blob_open(blobs, d, &fd, e);
	if (c)
		return c;
	char hex[DIGEST_HEX];
	digest_hex(d, hex);
	AUTO_BUF struct buf text = BUF_INIT(OCI_MAX_DOCUMENT + 1);
	for (;;) {
		char *to = buf_reserve(&text, 65536);
		ssize_t n = to ? read(fd, to, 65536) : -1;
		if (n < 0 && to && errno == EINTR)
			continue;
		if (n < 0 && to)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read sha256:%s", hex);
		if (n < 0)
			return err_set(e, INVALID, R_LayerInvalid, "sha256:%s: an image document has at most %d bytes", hex,
				       OCI_MAX_DOCUMENT);
		if (n == 0)
			break;
		text.len += (size_t)n;
	}
	struct digest found = digest_of(buf_str(&text), text.len);
	if (!digest_eq(&found, d))
		return err_set(e, INVALID, R_DigestMismatch, "the blob under sha256:%s has other content", hex);
	c = json_parse(buf_str(&text), text.len, ret, e);
	if (c)
		return err_set(e, INVALID, R_LayerInvalid, "sha256:%s is not an image document: not JSON", hex);
	return OK;
}

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

static const char *const manifest_types[] = {"application/vnd.oci.image.manifest.v1+json",
					     "application/vnd.docker.distribution.manifest.v2+json", NULL};
static const char *const config_types[] = {"application/vnd.oci.image.config.v1+json",
					   "application/vnd.docker.container.image.v1+json", NULL};
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip", NULL};

static enum err_class bad(struct err *e, const char *what)
{
	return err_set(e, INVALID, R_LayerInvalid, "not an image this node can run: %s", what);
}

/* NULL when the machine's architecture has no name in the image specification that we know. */
static const char *machine_architecture(void)
{
	struct utsname u;
	if (uname(&u) != 0)
		return NULL;
	return strcmp(u.machine, "x86_64") == 0 ? "amd64" : strcmp(u.machine, "aarch64") == 0 ? "arm64" : NULL;
}

/* An array of strings, appended to list. Absent and null are empty. */
static enum err_class add_strings(const json_t *array, struct arena *a, const char **list, size_t *n, struct err *e)
{
	size_t i;
	json_t *item;
	if (array && !json_is_null(array) && !json_is_array(array))
		return bad(e, "a list of strings is something else");
	json_array_foreach(array, i, item) {
		if (!json_is_string(item) || *n == MAX_STRINGS)
			return bad(e, "a list of strings holds something else, or too much");
		list[(*n)++] = arena_strdup(a, json_string_value(item));
	}
	list[*n] = NULL;
	return OK;
}

static size_t strings_in(const json_t *array) { return json_array_size(array); }

static enum err_class read_config(const json_t *doc, struct arena *a, struct oci_image *img, struct err *e)
{
	const char *machine = machine_architecture();
	const char *arch = json_str_or(doc, "architecture", "");
	if (strcmp(json_str_or(doc, "os", "linux"), "linux") != 0 || (machine && *arch && strcmp(arch, machine) != 0))
		return bad(e, "it is for another operating system or architecture");
	const json_t *config = json_object_get(doc, "config");
	const json_t *entry = json_object_get(config, "Entrypoint"), *cmd = json_object_get(config, "Cmd");
	const json_t *env = json_object_get(config, "Env");
	const char **command = arena_array(a, strings_in(entry) + strings_in(cmd) + 1, sizeof *command);
	const char **vars = arena_array(a, strings_in(env) + 1, sizeof *vars);
	size_t ncommand = 0, nvars = 0;
	enum err_class c = add_strings(entry, a, command, &ncommand, e);
	if (!c)
		c = add_strings(cmd, a, command, &ncommand, e);
	if (!c)
		c = add_strings(env, a, vars, &nvars, e);
	if (c)
		return c;
	const char *dir = json_str_or(config, "WorkingDir", "");
	img->workdir = arena_strdup(a, *dir ? dir : "/");
	if (img->workdir[0] != '/')
		return bad(e, "its WorkingDir is not absolute");
	img->command = command;
	img->env = vars;
	return OK;
}

static enum err_class read_layers(const json_t *manifest, const json_t *config, struct arena *a, struct oci_image *img,
				  struct err *e)
{
	const json_t *layers = json_object_get(manifest, "layers");
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	size_t n = json_array_size(layers);
	if (n == 0 || n > OCI_MAX_LAYERS)
		return err_set(e, INVALID, R_LayerInvalid, "an image has 1 to %d layers, this one %zu", OCI_MAX_LAYERS, n);
	if (json_array_size(ids) != n)
		return bad(e, "its config lists another number of layers");
	img->layers = arena_array(a, n, sizeof *img->layers);
	img->nlayers = n;
	for (size_t i = 0; i < n; i++) {
		const json_t *layer = json_array_get(layers, i);
		struct oci_layer *to = &img->layers[i];
		const char *id = json_string_value(json_array_get(ids, i));
		int64_t size = json_int_or(layer, "size", -1);
		if (!is_one_of(json_str_or(layer, "mediaType", ""), layer_types) || size < 0 || !id ||
		    !digest_parse(json_str_or(layer, "digest", ""), &to->blob) || !digest_parse(id, &to->diff_id))
			return bad(e, "a layer's media type, size or digest");
		to->size = (uint64_t)size;
	}
	return OK;
}

enum err_class oci_image_load(const char *blobs, const struct digest *digest, struct arena *a, struct oci_image *ret,
			      struct err *e)
{
	AUTO_JSON json_t *manifest = NULL, *config = NULL;
	enum err_class c = read_document(blobs, digest, &manifest, e);
	if (c)
		return c;
	if (json_int_or(manifest, "schemaVersion", 0) != 2 ||
	    !is_one_of(json_str_or(manifest, "mediaType", manifest_types[0]), manifest_types))
		return bad(e, "not an image manifest");
	const json_t *ref = json_object_get(manifest, "config");
	struct digest config_digest;
	if (!is_one_of(json_str_or(ref, "mediaType", ""), config_types) ||
	    !digest_parse(json_str_or(ref, "digest", ""), &config_digest))
		return bad(e, "no image config");
	c = read_document(blobs, &config_digest, &config, e);
	struct oci_image img = {0};
	if (!c)
		c = read_layers(manifest, config, a, &img, e);
	if (!c)
		c = read_config(config, a, &img, e);
	if (!c)
		*ret = img;
	return c;
}
