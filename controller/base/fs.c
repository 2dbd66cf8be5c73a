#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err_class fs_read(const char *path, struct buf *b, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, INVALID, R_NotFound, "%s: no such file", path);
	if (fd < 0 && errno == EACCES)
		return err_errno(e, errno, DENIED, R_Forbidden, "open %s", path);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", path);
	for (;;) {
		size_t room = b->max - b->len < 65536 ? b->max - b->len : 65536;
		char *to = buf_reserve(b, room);
		char probe;
		ssize_t n = room ? read(fd, to, room) : read(fd, &probe, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read %s", path);
		if (n == 0)
			return OK;
		if (!room)
			return err_set(e, INVALID, R_TooLarge, "%s: larger than %zu bytes", path, b->max);
		b->len += (size_t)n;
		b->p[b->len] = '\0';
	}
}

enum err_class fs_write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;
	while (n > 0) {
		ssize_t w = write(fd, at, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "write");
		at += w;
		n -= (size_t)w;
	}
	return OK;
}

static enum err_class fill_file(int fd, const char *path, const void *p, size_t n, mode_t mode, bool durable,
				struct err *e)
{
	enum err_class c = fs_write_all(fd, p, n, e);
	if (c)
		return err_wrap(e, "%s", path), c;
	if (fchmod(fd, mode) != 0 || (durable && fsync(fd) != 0))
		return err_errno(e, errno, TRANSIENT, R_Internal, "write %s", path);
	return OK;
}

enum err_class fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, bool durable, struct err *e)
{
	AUTO_FREE char *tmp = xprintf("%s.tmp.XXXXXX", path);
	AUTO_CLOSE int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "create %s", path);
	enum err_class c = fill_file(fd, path, p, n, mode, durable, e);
	if (!c && rename(tmp, path) != 0)
		c = err_errno(e, errno, TRANSIENT, R_Internal, "rename to %s", path);
	if (c)
		(void)unlink(tmp); /* the first error is the one to report */
	return c;
}

enum err_class fs_mkdirs(const char *path, mode_t mode, struct err *e)
{
	AUTO_FREE char *part = xstrdup(path);
	for (char *slash = part + 1; slash; ) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(part, mode) != 0 && errno != EEXIST)
			return err_errno(e, errno, TRANSIENT, R_Internal, "mkdir %s", part);
		if (slash)
			*slash++ = '/';
	}
	return OK;
}

static enum err_class remove_at(int dirfd, const char *name, dev_t dev, struct err *e);

static enum err_class remove_entries(int fd, dev_t dev, struct err *e)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return err_errno(e, errno, TRANSIENT, R_Internal, "fdopendir");
	}
	enum err_class c = OK;
	for (struct dirent *ent; !c && (ent = readdir(d)) != NULL;)
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			c = remove_at(dirfd(d), ent->d_name, dev, e);
	(void)closedir(d);
	return c;
}

static enum err_class remove_at(int dirfd, const char *name, dev_t dev, struct err *e)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return OK;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(e, errno, TRANSIENT, R_Internal, "unlink %s", name);
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? OK : err_errno(e, errno, TRANSIENT, R_Internal, "open %s", name);
	struct stat st;
	if (fstat(fd, &st) != 0 || (dev && st.st_dev != dev)) {
		(void)close(fd);
		return err_set(e, TRANSIENT, R_Internal, "%s is a mount point; not removed", name);
	}
	if ((st.st_mode & S_IRWXU) != S_IRWXU)
		(void)fchmod(fd, 0700); /* an unpacked directory may forbid what root need not ask; fails below if it matters */
	enum err_class c = remove_entries(fd, st.st_dev, e);
	if (!c && unlinkat(dirfd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		c = err_errno(e, errno, TRANSIENT, R_Internal, "rmdir %s", name);
	return c;
}

enum err_class fs_remove_tree(const char *path, struct err *e)
{
	enum err_class c = remove_at(AT_FDCWD, path, 0, e);
	return c ? (err_wrap(e, "remove %s", path), c) : OK;
}

static enum err_class add_bytes_at(int dirfd, const char *name, uint64_t *sum, struct err *e);

static enum err_class add_entries(int fd, uint64_t *sum, struct err *e)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return err_errno(e, errno, TRANSIENT, R_Internal, "fdopendir");
	}
	enum err_class c = OK;
	for (struct dirent *ent; !c && (ent = readdir(d)) != NULL;)
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			c = add_bytes_at(dirfd(d), ent->d_name, sum, e);
	(void)closedir(d);
	return c;
}

static enum err_class add_bytes_at(int dirfd, const char *name, uint64_t *sum, struct err *e)
{
	struct stat st;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? OK : err_errno(e, errno, TRANSIENT, R_Internal, "stat %s", name);
	uint64_t names = S_ISDIR(st.st_mode) || st.st_nlink < 1 ? 1 : st.st_nlink;
	*sum += (uint64_t)st.st_blocks * 512 / names;
	if (!S_ISDIR(st.st_mode))
		return OK;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? OK : err_errno(e, errno, TRANSIENT, R_Internal, "open %s", name);
	return add_entries(fd, sum, e);
}

enum err_class fs_tree_bytes(const char *path, uint64_t *ret, struct err *e)
{
	uint64_t sum = 0;
	enum err_class c = add_bytes_at(AT_FDCWD, path, &sum, e);
	if (!c)
		*ret = sum;
	return c ? err_wrap(e, "measure %s", path) : OK;
}

enum err_class fs_copy_fd(int from, int to, uint64_t *ret, struct err *e)
{
	uint64_t total = 0;
	for (;;) {
		char chunk[65536];
		ssize_t n = read(from, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read");
		if (n == 0)
			break;
		enum err_class c = fs_write_all(to, chunk, (size_t)n, e);
		if (c)
			return c;
		total += (uint64_t)n;
	}
	if (ret)
		*ret = total;
	return OK;
}

bool fs_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}
