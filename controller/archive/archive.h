/* Packing and unpacking of file trees (libarchive, libdeflate, libseccomp). Used by fnctl, by the build child and by fn-node's unpack
 * child; the last two read hostile bytes and are processes without database, secrets or network. */
#ifndef FN_ARCHIVE_ARCHIVE_H
#define FN_ARCHIVE_ARCHIVE_H

#include <sys/types.h>

#include "base/digest.h"
#include "base/mem.h"

/* Deterministic tar + gzip: entries sorted bytewise by path, uid = gid = 0, mtime 0, no names, modes 0755 for
 * directories and executables, 0644 for other files, 0777 for links, gzip without name or time, level fixed,
 * a member for each 512 KiB of tar. Same tree, same bytes, on every machine with the same libdeflate; the same tar
 * (diff_id) on every machine. Hard links become files of their own.
 *
 * INVALID SourceInvalid: a socket, device or fifo, a name that is not UTF-8, a .fnignore that is no file. INVALID
 * ArchiveEscape: a link that leads out of the tree. INVALID TooLarge: a limit. CONFLICT SourceInvalid: the tree changed
 * meanwhile. DENIED SourceInvalid: it may not be read. Each names the entry. What was written to out is then worthless. */
struct file_id {
	dev_t dev;
	ino_t ino;
};
struct pack_opts {
	const char *prefix;    /* "", "app" or "srv/app": every entry goes below it; its directories are written first */
	bool rootfs;           /* the tree is a whole root (a base image): links may lead anywhere, sticky directories stay so */
	bool ignore;           /* honour .fnignore files (gitignore rules) and leave out .git and .fnignore themselves */
	const struct file_id *leave_out; /* files that are no part of it wherever they are, such as the manifest beside the source */
	size_t nleave_out;
	uint64_t max_bytes;    /* of file content; 0: PACK_MAX_BYTES */
	uint64_t max_entries;  /* 0: PACK_MAX_ENTRIES */
};
enum { PACK_MAX_ENTRIES = 20000, PACK_MAX_DEPTH = 60 /* path components, without the prefix */ };
#define PACK_MAX_BYTES ((uint64_t)1 << 30)

struct packed {
	struct digest digest;  /* of the compressed bytes: a layer's blob digest */
	struct digest diff_id; /* of the tar itself */
	uint64_t size, tar_size, entries; /* entries of the tar, those of the prefix among them */
};

/* Packs the tree below dirfd into out (any descriptor). */
enum err_class archive_pack(int dirfd, const struct pack_opts *o, int out, struct packed *ret, struct err *e) MUST_USE;

/* Unpacks a tar (plain, gzip or zstd) or, from a file, a zip below dirfd, which is empty, with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_MAGICLINKS | no symlink in any parent; in a layer RESOLVE_IN_ROOT instead). Reads from in's position.
 * Escapes are INVALID ArchiveEscape: absolute names, "..", parents that are links, and, but in a layer, links that
 * lead outside. Limits are INVALID ArchiveBomb. Garbage, cut-off input, devices and fifos are INVALID SourceInvalid (in a
 * layer LayerInvalid). Each names the entry. On failure what was unpacked stays for the caller to remove.
 *
 * Of a source only the executable bit is kept: modes become what packing would write. A later entry of the same name
 * replaces the earlier one and is never written through it. */
struct unpack_opts {
	uint64_t max_bytes;   /* of what comes out, declared sizes, holes and (but in a layer) hard links included;
				 0: PACK_MAX_BYTES */
	uint64_t max_entries; /* directories that are only implied included; 0: PACK_MAX_ENTRIES */
	uint64_t max_ratio;   /* out : in beyond the first 16 MiB out; 0: 200 */
	unsigned max_depth;   /* path components; 0: 64 */
	bool layer;     /* an OCI layer (image-spec layer.md): whiteouts become overlayfs ones (char device 0:0, and
			   user.overlay.opaque=y: mount with userxattr), owners are kept when running as root (65534 for those
			   beyond 65535), modes are kept, setuid and setgid bits, devices and fifos are dropped, xattrs are not
			   applied, a zip is refused */
	struct digest *ret_diff_id; /* NULL or where to put the digest of the uncompressed tar (a zip has none: INVALID) */
};
struct unpacked {
	uint64_t bytes, entries;
};
enum err_class archive_unpack(int in, int dirfd, const struct unpack_opts *o, struct unpacked *ret, struct err *e)
	MUST_USE;

/* Confines the calling (child) process before it touches hostile bytes: no_new_privs, no new sockets, processes, ptrace,
 * mounts, namespaces or programs (a seccomp allow-list; everything else fails with EPERM), limits on memory, file size,
 * descriptors and CPU time (0: as they are). Where the kernel has Landlock, files can from then on only be opened or made
 * below the directory below, besides descriptors already open (-1: no such bound). Not to be undone. */
enum err_class archive_confine(int below, uint64_t max_memory, uint64_t max_file, unsigned cpu_seconds, struct err *e)
	MUST_USE;

#endif
