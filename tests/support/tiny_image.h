/* Images made by hand in a blob cache, good ones and bad ones: plain tar layers, so that every byte is the test's. */
#ifndef FN_TESTS_TINY_IMAGE_H
#define FN_TESTS_TINY_IMAGE_H

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"

enum { TINY_MAX = 64 << 20, TAR_BLOCK = 512 };

/* One ustar entry; type '0' file, '5' directory, '1' hard link, '2' symbolic link. */
static inline void tiny_entry(struct buf *b, const char *name, char type, unsigned mode, const char *link, const void *p, size_t n)
{
	static const char zero[TAR_BLOCK];
	char h[TAR_BLOCK] = {0};
	unsigned sum = 0;
	(void)snprintf(h, 100, "%s", name);
	(void)snprintf(h + 100, 8, "%07o", mode);
	(void)snprintf(h + 108, 8, "%07o", 0U);
	(void)snprintf(h + 116, 8, "%07o", 0U);
	(void)snprintf(h + 124, 12, "%011o", (unsigned)n);
	(void)snprintf(h + 136, 12, "%011o", 0U);
	h[156] = type;
	(void)snprintf(h + 157, 100, "%s", link);
	memcpy(h + 257, "ustar\0" "00", 8);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof h; i++)
		sum += (unsigned char)h[i];
	(void)snprintf(h + 148, 8, "%06o", sum);
	(void)buf_add(b, h, sizeof h);
	(void)buf_add(b, p, n);
	(void)buf_add(b, zero, (TAR_BLOCK - n % TAR_BLOCK) % TAR_BLOCK);
}

static inline void tiny_end(struct buf *b)
{
	static const char zero[2 * TAR_BLOCK];
	(void)buf_add(b, zero, sizeof zero);
}

static inline void tiny_put(const char *blobs, const struct digest *name, const void *p, size_t n)
{
	char hex[DIGEST_HEX];
	struct err e = ERR_INIT;
	AUTO_FREE char *path = xprintf("%s/%s", blobs, digest_hex(name, hex));
	if (fs_mkdirs(blobs, 0755, &e) || fs_write_atomic(path, p, n, 0644, false, &e)) {
		(void)fprintf(stderr, "tiny_image.h: %s\n", e.msg);
		abort();
	}
}

static inline struct digest tiny_blob(const char *blobs, const void *p, size_t n)
{
	struct digest d = digest_of(p, n);
	tiny_put(blobs, &d, p, n);
	return d;
}

static inline struct digest tiny_json(const char *blobs, json_t *j, size_t *ret_size)
{
	AUTO_JSON json_t *own = j;
	AUTO_FREE char *text = json_text(own);
	*ret_size = strlen(text);
	return tiny_blob(blobs, text, *ret_size);
}

struct tiny_layer {
	struct digest blob, diff_id;
	size_t size;
};

static inline struct tiny_layer tiny_layer(const char *blobs, struct buf *tar)
{
	tiny_end(tar);
	struct digest d = tiny_blob(blobs, tar->p, tar->len);
	return (struct tiny_layer){d, d, tar->len};
}

/* A manifest of these layers, bottom first, that runs command (NULL: none). */
static inline struct digest tiny_manifest(const char *blobs, const struct tiny_layer *layers, size_t n, const char *command)
{
	char text[DIGEST_TEXT];
	struct utsname u;
	size_t size;
	(void)uname(&u);
	json_t *ids = json_array(), *list = json_array();
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(ids, json_string(digest_text(&layers[i].diff_id, text)));
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:I}", "mediaType", "application/vnd.oci.image.layer.v1.tar", "digest",
							    digest_text(&layers[i].blob, text), "size", (json_int_t)layers[i].size));
	}
	json_t *cmd = command ? json_pack("[s]", command) : json_array();
	struct digest config = tiny_json(
		blobs,
		json_pack("{s:s,s:s,s:{s:o,s:[s]},s:{s:s,s:o}}", "architecture", strcmp(u.machine, "aarch64") == 0 ? "arm64" : "amd64", "os",
			  "linux", "config", "Cmd", cmd, "Env", "FROM_IMAGE=yes", "rootfs", "type", "layers", "diff_ids", ids),
		&size);
	return tiny_json(blobs,
			 json_pack("{s:i,s:s,s:{s:s,s:s,s:I},s:o}", "schemaVersion", 2, "mediaType",
				   "application/vnd.oci.image.manifest.v1+json", "config", "mediaType",
				   "application/vnd.oci.image.config.v1+json", "digest", digest_text(&config, text), "size",
				   (json_int_t)size, "layers", list),
			 &size);
}

#endif
