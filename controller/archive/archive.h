/* Packing and unpacking of file trees (libarchive, zlib). Used by fnctl, by the build child and by fn-node's unpack
 * child; the last two read hostile bytes and are processes without database, secrets or network. */
#ifndef FN_ARCHIVE_ARCHIVE_H
#define FN_ARCHIVE_ARCHIVE_H

#include "base/digest.h"
#include "base/mem.h"

/* Deterministic tar + gzip: entries sorted bytewise by path, uid = gid = 0, mtime 0, no names, modes 0755 for
 * directories and executables, 0644 for other files, 0777 for links, gzip without name or time, level fixed.
 * Same tree, same bytes, on every machine. Sockets, devices and fifos are refused by name (SourceInvalid). */
struct pack_opts {
	const char *prefix;    /* "" or "app": every entry goes below it; its directories are written first */
	bool ignore;           /* honour .fnignore files (gitignore rules) and leave out .git and .fnignore themselves */
	uint64_t max_bytes;    /* of file content; 0: PACK_MAX_BYTES */
	uint64_t max_entries;  /* 0: PACK_MAX_ENTRIES */
};
enum { PACK_MAX_ENTRIES = 20000 };
#define PACK_MAX_BYTES ((uint64_t)1 << 30)

struct packed {
	struct digest digest;  /* of the compressed bytes: a layer's blob digest */
	struct digest diff_id; /* of the tar itself */
	uint64_t size, tar_size, entries;
};

/* Packs the tree below dirfd into out (any descriptor). */
enum err_class archive_pack(int dirfd, const struct pack_opts *o, int out, struct packed *ret, struct err *e) MUST_USE;

/* Unpacks a tar (plain, gzip or zstd) or zip from in below dirfd with openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
 * no symlink in any parent). Escapes are INVALID ArchiveEscape, limits INVALID ArchiveBomb, garbage INVALID
 * SourceInvalid; each names the entry. On failure what was unpacked stays for the caller to remove. */
struct unpack_opts {
	uint64_t max_bytes, max_entries; /* of what comes out */
	uint64_t max_ratio;              /* out : in beyond the first 16 MiB out; 0: 200 */
	unsigned max_depth;              /* path components; 0: 64 */
	bool layer;     /* an OCI layer (image-spec layer.md): whiteouts become overlayfs ones (char device 0:0, and
			   user.overlay.opaque=y), owners are kept within 0..65535 when running as root, setuid and setgid bits
			   and devices are dropped, xattrs are not applied */
	struct digest *ret_diff_id; /* NULL or where to put the digest of the uncompressed tar */
};
struct unpacked {
	uint64_t bytes, entries;
};
enum err_class archive_unpack(int in, int dirfd, const struct unpack_opts *o, struct unpacked *ret, struct err *e)
	MUST_USE;

/* Confines the calling (child) process before it touches hostile bytes: no_new_privs, no new sockets, ptrace, mounts,
 * namespaces or programs (seccomp), limits on memory, file size, descriptors and CPU time. */
enum err_class archive_confine(uint64_t max_memory, uint64_t max_file, unsigned cpu_seconds, struct err *e) MUST_USE;

#endif
