/* Shared by the files of this folder: names from archives, and the tar stream that packing writes. */
#ifndef FN_ARCHIVE_INTERNAL_H
#define FN_ARCHIVE_INTERNAL_H

#include <libdeflate.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "base/utf8.h"

enum {
	ENTRY_PATH = 2048, /* longest path or link target accepted, with its NUL */
	SHOWN = 200        /* longest name in a message, with its NUL */
};

/* openat2(2) with O_CLOEXEC, tried again when a rename elsewhere made the kernel unsure. -1 and errno. */
int open_resolved(int root, const char *path, uint64_t flags, uint64_t resolve);

/* Name as it may stand in a message: UTF-8, control characters escaped, cut. Returns out. */
const char *entry_shown(const char *name, char out[SHOWN]);

/* Drops "." parts, doubled and trailing slashes. "" is the root itself. *ret_depth counts the parts. */
enum path_kind { PATH_FINE, PATH_ABSOLUTE, PATH_CLIMBS, PATH_TOO_LONG };
enum path_kind path_clean(const char *name, char out[ENTRY_PATH], unsigned *ret_depth);

/* Last part of a clean path, and where its parent ends (0: the root). */
const char *path_base(const char *path, size_t *ret_parent_len);

/* Whether a link at the clean path with this target leaves the root, as far as text can tell. */
bool link_climbs(const char *path, const char *target);

/* The same, asked of the kernel about a link that exists: sees links that lead through other links. A dangling one does
 * not leave. */
bool link_leaves(int root, const char *path);

/* A tar, gzipped and digested on its way to a descriptor: each MEMBER bytes of the tar are a gzip member of their own (RFC
 * 1952, 2.2: members follow one another), since libdeflate compresses what is in memory as a whole. Headers are written here
 * rather than by libarchive so that the bytes do not depend on its version; the compressed ones depend on libdeflate's
 * (docs/decisions/0008-gzip-by-libdeflate.md). */
enum { MEMBER = 512 << 10 };
struct tar_out {
	int fd;
	struct libdeflate_compressor *z;
	struct digest_ctx tar, gz;
	uint64_t tar_size, gz_size;
	size_t used;        /* of in */
	size_t out_size;    /* enough for any member */
	unsigned char *out;
	unsigned char in[MEMBER];
};

struct tar_entry {
	const char *path;   /* clean, UTF-8 */
	const char *target; /* of a link, else NULL */
	mode_t mode;        /* S_IFDIR, S_IFREG or S_IFLNK, and the permissions */
	uint64_t size;      /* of a file's content, which follows through tar_out_add */
};

void tar_out_init(struct tar_out *t, int fd);
void tar_out_release(struct tar_out *t);
enum err_class tar_out_header(struct tar_out *t, const struct tar_entry *n, struct err *e) MUST_USE;
enum err_class tar_out_add(struct tar_out *t, const void *p, size_t n, struct err *e) MUST_USE;
enum err_class tar_out_pad(struct tar_out *t, uint64_t size, struct err *e) MUST_USE; /* to 512 after size bytes */
enum err_class tar_out_finish(struct tar_out *t, struct packed *ret, struct err *e) MUST_USE; /* not entries */

#endif
