/* What only OCI layers have: owners, modes and whiteouts (image-spec v1.0, layer.md), the latter as overlayfs reads them
 * (kernel, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", with -o userxattr). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/unpack.h"

static const char whiteout_prefix[] = ".wh.";
enum { WHITEOUT_PREFIX = sizeof whiteout_prefix - 1, MAX_ID = 65535, NOBODY = 65534 };

struct attributes unpack_attributes(const struct unpack *u, struct archive_entry *n, bool directory)
{
	mode_t mode = archive_entry_perm(n);
	if (!u->layer)
		return (struct attributes){.mode = directory || (mode & S_IXUSR) ? 0755 : 0644};
	la_int64_t uid = archive_entry_uid(n), gid = archive_entry_gid(n);
	return (struct attributes){
		.mode = (mode & 01777) | (directory && !u->privileged ? S_IRWXU : 0), /* only root need not ask */
		.uid = uid < 0 || uid > MAX_ID ? NOBODY : (uid_t)uid,
		.gid = gid < 0 || gid > MAX_ID ? NOBODY : (gid_t)gid,
		.own = u->privileged,
	};
}

enum err_class unpack_apply(struct unpack *u, int fd, const struct attributes *at, bool opaque, struct err *e)
{
	if (at->own && fchown(fd, at->uid, at->gid) != 0)
		return unpack_errno(u, "chown", e);
	if (fchmod(fd, at->mode) != 0)
		return unpack_errno(u, "chmod", e);
	if (opaque && fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) != 0)
		return unpack_errno(u, "mark as opaque", e);
	return OK;
}

bool layer_is_whiteout(const struct stat *st) { return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0); }

/* The directory name in dirfd hides what is below it in lower layers. */
static enum err_class make_opaque(struct unpack *u, int dirfd, const char *name, struct err *e)
{
	AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) != 0)
		return unpack_errno(u, "mark as opaque", e);
	return OK;
}

enum err_class layer_whiteout(struct unpack *u, int dirfd, const char *base, struct err *e)
{
	const char *name = base + WHITEOUT_PREFIX;
	if (strcmp(base, ".wh..wh..opq") == 0)
		return make_opaque(u, dirfd, ".", e);
	if (strncmp(name, whiteout_prefix, WHITEOUT_PREFIX) == 0)
		return OK; /* .wh..wh.plnk and others: aufs's own bookkeeping, which layer.md does not have */
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(e, INVALID, R_LayerInvalid, "%s: a whiteout of nothing", u->shown);
	if (mknodat(dirfd, name, S_IFCHR, makedev(0, 0)) == 0)
		return OK;
	struct stat st;
	if (errno != EEXIST || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return unpack_errno(u, "make a whiteout", e);
	/* "Files that are present in the same layer as a whiteout file can only be hidden by whiteout files in subsequent
	 * layers": what is there stays, but a directory must not merge with the one that the whiteout removes. */
	return S_ISDIR(st.st_mode) ? make_opaque(u, dirfd, name, e) : OK;
}

enum err_class layer_root(struct unpack *u, struct archive_entry *n, struct err *e)
{
	if (archive_entry_filetype(n) != AE_IFDIR || archive_entry_hardlink(n))
		return err_set(e, INVALID, u->garbage, "the root is not a directory in the archive");
	if (!u->layer)
		return OK;
	AUTO_CLOSE int fd = openat(u->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return unpack_errno(u, "open", e);
	struct attributes at = unpack_attributes(u, n, true);
	return unpack_apply(u, fd, &at, false, e);
}
