/* Unpacking, entry by entry. Nothing is ever opened through a path that the archive could have bent: parents are
 * resolved by openat2 below the root, and the last part is made anew (O_EXCL, mkdirat, symlinkat) or refused. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/unpack.h"

enum {
	DEFAULT_DEPTH = 64,
	/* No link may be on the way to a source's entry. Base images do have entries below linked directories (lib64/…
	 * beside lib64 -> usr/lib64). RESOLVE_IN_ROOT takes the layer's own root for "/" and as the top of "..", as chroot
	 * does, in the kernel and for every step of every link: whatever a link says, the result is below root. */
	RESOLVE_SOURCE = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	RESOLVE_LAYER = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
};

static void unpack_free(struct unpack **u)
{
	input_close(&(*u)->in);
	cleanup_close(&(*u)->parent);
	arena_release(&(*u)->arena);
	free(*u);
}
#define AUTO_UNPACK __attribute__((cleanup(unpack_free)))

enum err_class unpack_errno(struct unpack *u, const char *what, struct err *e)
{
	switch (errno) {
	case ELOOP:
	case EXDEV:
		return err_set(e, INVALID, R_ArchiveEscape, "%s: its directory is a link", u->shown);
	case ENOTDIR:
		return err_set(e, INVALID, u->garbage, "%s: its directory is something else in the archive", u->shown);
	case ENAMETOOLONG:
	case EFBIG:
	case EMLINK:
		return err_errno(e, errno, INVALID, R_ArchiveBomb, "%s: %s", u->shown, what);
	default:
		return err_errno(e, errno, TRANSIENT, R_Internal, "%s: %s", u->shown, what);
	}
}

enum err_class unpack_remove(struct unpack *u, int dirfd, const char *base, struct err *e)
{
	if (unlinkat(dirfd, base, 0) == 0)
		return OK;
	if (errno == EISDIR && unlinkat(dirfd, base, AT_REMOVEDIR) == 0)
		return OK;
	if (errno == ENOTEMPTY)
		return err_set(e, INVALID, u->garbage, "%s: replaces a directory that the archive has filled", u->shown);
	return unpack_errno(u, "replace", e);
}

enum err_class unpack_make_dir(struct unpack *u, int dirfd, const char *base, const struct attributes *at, bool replace,
			       struct err *e)
{
	bool opaque = false;
	struct stat st;
	if (mkdirat(dirfd, base, 0700) != 0) {
		if (errno != EEXIST || fstatat(dirfd, base, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return unpack_errno(u, "make directory", e);
		opaque = u->layer && layer_is_whiteout(&st); /* removed and made anew: nothing of the old one shows */
		if (!S_ISDIR(st.st_mode) && !opaque && !replace) {
			errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
			return unpack_errno(u, "make directory", e);
		}
		enum err_class c = S_ISDIR(st.st_mode) ? OK : unpack_remove(u, dirfd, base, e);
		if (c)
			return c;
		if (!S_ISDIR(st.st_mode) && mkdirat(dirfd, base, 0700) != 0)
			return unpack_errno(u, "make directory", e);
	}
	AUTO_CLOSE int fd = openat(dirfd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? unpack_errno(u, "open directory", e) : unpack_apply(u, fd, at, opaque, e);
}

static enum err_class count_entry(struct unpack *u, struct err *e)
{
	if (u->done.entries == u->max_entries)
		return err_set(e, INVALID, R_ArchiveBomb, "%s: more than %llu entries", u->shown,
			       (unsigned long long)u->max_entries);
	u->done.entries++;
	return OK;
}

static enum err_class count_bytes(struct unpack *u, uint64_t n, struct err *e)
{
	if (n > u->max_bytes - u->done.bytes)
		return err_set(e, INVALID, R_ArchiveBomb, "%s: more than %llu bytes", u->shown, (unsigned long long)u->max_bytes);
	u->done.bytes += n;
	return OK;
}

/* An O_PATH descriptor of the directory path (length 0: the root), or -1 and errno. */
static int open_dir(struct unpack *u, const char *path, size_t len)
{
	char name[ENTRY_PATH] = ".";
	if (len > 0) {
		memcpy(name, path, len);
		name[len] = '\0';
	}
	return open_resolved(u->root, name, O_PATH | O_DIRECTORY, u->layer ? RESOLVE_LAYER : RESOLVE_SOURCE);
}

/* Makes those of the first len bytes of u->path that are missing, and opens the last. */
static enum err_class make_parents(struct unpack *u, size_t len, int *ret, struct err *e)
{
	struct attributes at = {.mode = 0755, .own = u->layer && u->privileged};
	int dir = open_dir(u, "", 0);
	for (size_t from = 0; dir >= 0 && from < len;) {
		AUTO_CLOSE int above = dir;
		size_t n = strcspn(u->path + from, "/");
		dir = open_dir(u, u->path, from + n);
		if (dir < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			char base[NAME_MAX + 1] = "";
			memcpy(base, u->path + from, n);
			enum err_class c = count_entry(u, e);
			if (!c)
				c = unpack_make_dir(u, above, base, &at, false, e);
			if (c)
				return c;
			dir = open_dir(u, u->path, from + n);
		}
		from += n + 1;
	}
	if (dir < 0)
		return unpack_errno(u, "open directory", e);
	*ret = dir;
	return OK;
}

/* The directory of the current entry, made where it is only implied. The descriptor stays u's. */
static enum err_class open_parent(struct unpack *u, size_t len, int *ret, struct err *e)
{
	if (u->parent < 0 || strlen(u->parent_path) != len || memcmp(u->parent_path, u->path, len) != 0) {
		int fd = open_dir(u, u->path, len);
		if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
			return unpack_errno(u, "open directory", e);
		enum err_class c = fd < 0 ? make_parents(u, len, &fd, e) : OK;
		if (c)
			return c;
		cleanup_close(&u->parent);
		u->parent = fd;
		memcpy(u->parent_path, u->path, len);
		u->parent_path[len] = '\0';
	}
	*ret = u->parent;
	return OK;
}

static enum err_class check_ratio(struct unpack *u, uint64_t out, struct err *e)
{
	if (!input_ratio_exceeded(&u->in, out))
		return OK;
	return err_set(e, INVALID, R_ArchiveBomb, "%s: the archive expands to more than %llu times its size", u->shown,
		       (unsigned long long)u->in.max_ratio);
}

static enum err_class write_at(struct unpack *u, int fd, const char *p, size_t n, uint64_t offset, struct err *e)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, (off_t)offset);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return unpack_errno(u, "write", e);
		p += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return OK;
}

/* Content of a file. The declared size is charged at once, and whatever goes beyond it as it comes. */
static enum err_class write_content(struct unpack *u, struct archive_entry *n, int fd, struct err *e)
{
	la_int64_t declared = archive_entry_size_is_set(n) ? archive_entry_size(n) : 0;
	uint64_t size = declared > 0 ? (uint64_t)declared : 0, before = u->done.bytes, end = 0;
	enum err_class c = count_bytes(u, size, e);
	while (!c) {
		const void *p;
		size_t len;
		la_int64_t offset;
		int r = archive_read_data_block(u->in.entries, &p, &len, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return input_error(&u->in, u->garbage, u->shown, e);
		if (offset < 0 || (uint64_t)offset > u->max_bytes)
			return err_set(e, INVALID, R_ArchiveBomb, "%s: more than %llu bytes", u->shown,
				       (unsigned long long)u->max_bytes);
		end = (uint64_t)offset + len;
		if (end > size) {
			c = count_bytes(u, end - size, e);
			size = end;
		}
		if (!c)
			c = check_ratio(u, before + end, e);
		if (!c)
			c = write_at(u, fd, p, len, (uint64_t)offset, e);
	}
	if (!c)
		c = check_ratio(u, before + size, e);
	if (!c && size > end && ftruncate(fd, (off_t)size) != 0) /* a sparse file that ends in a hole */
		return unpack_errno(u, "write", e);
	return c;
}

static enum err_class make_file(struct unpack *u, struct archive_entry *n, int dirfd, const char *base, struct err *e)
{
	static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	AUTO_CLOSE int fd = openat(dirfd, base, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		enum err_class c = unpack_remove(u, dirfd, base, e);
		if (c)
			return c;
		fd = openat(dirfd, base, flags, 0600);
	}
	if (fd < 0)
		return unpack_errno(u, "create", e);
	struct attributes at = unpack_attributes(u, n, false);
	enum err_class c = write_content(u, n, fd, e);
	return c ? c : unpack_apply(u, fd, &at, false, e);
}

static enum err_class make_link(struct unpack *u, struct archive_entry *n, int dirfd, const char *base, struct err *e)
{
	const char *target = archive_entry_symlink(n);
	char to[SHOWN];
	if (!target || !target[0])
		return err_set(e, INVALID, u->garbage, "%s: a link without a target", u->shown);
	if (strlen(target) >= ENTRY_PATH)
		return err_set(e, INVALID, R_ArchiveBomb, "%s: the link's target is longer than %d bytes", u->shown, ENTRY_PATH - 1);
	if (!u->layer && !utf8_valid(target))
		return err_set(e, INVALID, u->garbage, "%s: the link's target is not UTF-8", u->shown);
	if (!u->layer && link_climbs(u->path, target))
		return err_set(e, INVALID, R_ArchiveEscape, "%s: the link leads out of the archive, to %s", u->shown,
			       entry_shown(target, to));
	if (symlinkat(target, dirfd, base) != 0) {
		enum err_class c = errno == EEXIST ? unpack_remove(u, dirfd, base, e) : unpack_errno(u, "make link", e);
		if (c)
			return c;
		if (symlinkat(target, dirfd, base) != 0)
			return unpack_errno(u, "make link", e);
	}
	struct attributes at = unpack_attributes(u, n, false);
	if (at.own && fchownat(dirfd, base, at.uid, at.gid, AT_SYMLINK_NOFOLLOW) != 0)
		return unpack_errno(u, "chown", e);
	if (!u->layer) {
		const char **l = arena_push(&u->arena, (void **)&u->links, &u->nlinks, &u->links_cap, sizeof *l);
		*l = arena_strdup(&u->arena, u->path);
	}
	return OK;
}

/* The file that a hard link names, as a directory and a name in it: one that this archive has made. */
static enum err_class find_target(struct unpack *u, const char *target, char clean[ENTRY_PATH], int *ret_dir,
				  const char **ret_base, struct stat *st, struct err *e)
{
	char to[SHOWN];
	unsigned depth;
	size_t len;
	switch (path_clean(target, clean, &depth)) {
	case PATH_FINE:
		break;
	case PATH_TOO_LONG:
		return err_set(e, INVALID, R_ArchiveBomb, "%s: the link's target is too long", u->shown);
	case PATH_ABSOLUTE:
	case PATH_CLIMBS:
		return err_set(e, INVALID, R_ArchiveEscape, "%s: hard link out of the archive, to %s", u->shown,
			       entry_shown(target, to));
	}
	*ret_base = path_base(clean, &len);
	*ret_dir = open_dir(u, clean, len);
	if (*ret_dir < 0 && (errno == ELOOP || errno == EXDEV))
		return unpack_errno(u, "open the target of the hard link", e);
	if (*ret_dir < 0 || fstatat(*ret_dir, *ret_base, st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (!S_ISREG(st->st_mode) && !(u->layer && S_ISLNK(st->st_mode))))
		return err_set(e, INVALID, u->garbage, "%s: hard link to %s, which is no file of the archive so far", u->shown,
			       entry_shown(target, to));
	return OK;
}

static enum err_class make_hard_link(struct unpack *u, const char *target, int dirfd, const char *base, struct err *e)
{
	char clean[ENTRY_PATH];
	AUTO_CLOSE int dir = -1;
	const char *name = "";
	struct stat st, there;
	enum err_class c = find_target(u, target, clean, &dir, &name, &st, e);
	if (!c && !u->layer) /* packing makes a file of it */
		c = count_bytes(u, (uint64_t)st.st_size, e);
	if (c)
		return c;
	if (linkat(dir, name, dirfd, base, 0) == 0)
		return OK;
	if (errno != EEXIST || fstatat(dirfd, base, &there, AT_SYMLINK_NOFOLLOW) != 0)
		return unpack_errno(u, "hard link", e);
	if (there.st_ino == st.st_ino && there.st_dev == st.st_dev)
		return OK;
	c = unpack_remove(u, dirfd, base, e);
	return c || linkat(dir, name, dirfd, base, 0) == 0 ? c : unpack_errno(u, "hard link", e);
}

static enum err_class make_directory(struct unpack *u, struct archive_entry *n, int dirfd, const char *base, struct err *e)
{
	struct attributes at = unpack_attributes(u, n, true);
	return unpack_make_dir(u, dirfd, base, &at, true, e);
}

/* The entry's name into u->path and u->shown. */
static enum err_class take_name(struct unpack *u, struct archive_entry *n, struct err *e)
{
	const char *name = archive_entry_pathname(n);
	unsigned depth = 0;
	(void)entry_shown(name ? name : "?", u->shown);
	if (!name || !name[0])
		return err_set(e, INVALID, u->garbage, "an entry whose name cannot be read");
	switch (path_clean(name, u->path, &depth)) {
	case PATH_FINE:
		break;
	case PATH_ABSOLUTE:
		return err_set(e, INVALID, R_ArchiveEscape, "%s: the path is absolute", u->shown);
	case PATH_CLIMBS:
		return err_set(e, INVALID, R_ArchiveEscape, "%s: the path has a \"..\"", u->shown);
	case PATH_TOO_LONG:
		return err_set(e, INVALID, R_ArchiveBomb, "%s: the path is longer than %d bytes, or a part of it than %d",
			       u->shown, ENTRY_PATH - 1, NAME_MAX);
	}
	if (depth > u->max_depth)
		return err_set(e, INVALID, R_ArchiveBomb, "%s: nested deeper than %u", u->shown, u->max_depth);
	if (!u->layer && !utf8_valid(name))
		return err_set(e, INVALID, u->garbage, "%s: the name is not UTF-8", u->shown);
	return count_entry(u, e);
}

static enum err_class unpack_entry(struct unpack *u, struct archive_entry *n, struct err *e)
{
	enum err_class c = take_name(u, n, e);
	if (c)
		return c;
	if (u->path[0] == '\0')
		return layer_root(u, n, e);
	size_t len;
	int dirfd = -1;
	const char *base = path_base(u->path, &len);
	c = open_parent(u, len, &dirfd, e);
	if (c)
		return c;
	if (u->layer && strncmp(base, ".wh.", 4) == 0)
		return layer_whiteout(u, dirfd, base, e);
	if (archive_entry_hardlink(n))
		return make_hard_link(u, archive_entry_hardlink(n), dirfd, base, e);
	switch (archive_entry_filetype(n)) {
	case AE_IFREG: return make_file(u, n, dirfd, base, e);
	case AE_IFDIR: return make_directory(u, n, dirfd, base, e);
	case AE_IFLNK: return make_link(u, n, dirfd, base, e);
	default: break;
	}
	return u->layer ? OK : err_set(e, INVALID, u->garbage, "%s: a device, fifo or socket", u->shown);
}

static enum err_class unpack_entries(struct unpack *u, struct err *e)
{
	for (;;) {
		struct archive_entry *n;
		int r = archive_read_next_header(u->in.entries, &n);
		if (r == ARCHIVE_EOF)
			return OK;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN) /* warnings are about extras that are not applied anyway */
			return input_error(&u->in, u->garbage, u->shown[0] ? u->shown : "first entry", e);
		enum err_class c = unpack_entry(u, n, e);
		if (c)
			return c;
	}
}

/* Links may lead outside through each other, which only shows when all are there. */
static enum err_class check_links(struct unpack *u, struct err *e)
{
	for (size_t i = 0; i < u->nlinks; i++)
		if (link_leaves(u->root, u->links[i]))
			return err_set(e, INVALID, R_ArchiveEscape, "%s: the link leads out of the archive",
				       entry_shown(u->links[i], u->shown));
	return OK;
}

static enum err_class unpack_all(int in, int dirfd, const struct unpack_opts *o, struct unpacked *ret, struct err *e)
{
	AUTO_UNPACK struct unpack *u = xcalloc(1, sizeof *u);
	u->parent = -1;
	u->root = dirfd;
	u->layer = o->layer;
	u->privileged = geteuid() == 0;
	u->garbage = o->layer ? R_LayerInvalid : R_SourceInvalid;
	u->max_bytes = o->max_bytes ? o->max_bytes : PACK_MAX_BYTES;
	u->max_entries = o->max_entries ? o->max_entries : PACK_MAX_ENTRIES;
	u->max_depth = o->max_depth ? o->max_depth : DEFAULT_DEPTH;
	struct digest diff_id;
	enum err_class c = input_open(&u->in, in, o, u->garbage, e);
	if (!c)
		c = unpack_entries(u, e);
	if (!c)
		c = input_finish(&u->in, o->ret_diff_id ? &diff_id : NULL, u->garbage, e);
	if (!c)
		c = check_links(u, e);
	if (c)
		return c;
	if (o->ret_diff_id)
		*o->ret_diff_id = diff_id;
	*ret = u->done;
	return OK;
}

enum err_class archive_unpack(int in, int dirfd, const struct unpack_opts *o, struct unpacked *ret, struct err *e)
{
	/* libarchive converts names to the thread's character set, and refuses those of a zip that it cannot convert. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	enum err_class c = unpack_all(in, dirfd, o, ret, e);
	if (utf8) {
		(void)uselocale(before); /* was valid a moment ago */
		freelocale(utf8);
	}
	return c;
}
