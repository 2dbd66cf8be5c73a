/* Packing: the tree is walked and listed first, then sorted, then written. Names are resolved below the root without
 * following links both times, so a tree that changes meanwhile gives an error or another file of itself, nothing else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/ignore.h"
#include "archive/internal.h"

enum { NO_LINKS = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS };

struct item {
	const char *path; /* as it is written: with the prefix */
	const char *target;
	mode_t mode;
	uint64_t size;
};

struct pack {
	int root;
	bool ignore, rootfs;
	const struct file_id *leave_out;
	size_t nleave_out;
	uint64_t max_bytes, max_entries;
	struct arena arena;
	struct item *items;
	size_t n, cap;
	uint64_t bytes;
	size_t skip; /* length of the prefix and its slash */
	char path[ENTRY_PATH];
	char shown[SHOWN];
};

static void pack_release(struct pack *p) { arena_release(&p->arena); }
#define AUTO_PACK __attribute__((cleanup(pack_release)))

static const char *shown(struct pack *p) { return entry_shown(p->path + p->skip, p->shown); }

static enum err_class add_item(struct pack *p, mode_t mode, uint64_t size, const char *target, struct err *e)
{
	if (p->n == p->max_entries)
		return err_set(e, INVALID, R_TooLarge, "more than %llu entries (see .fnignore); %s would be the next",
			       (unsigned long long)p->max_entries, shown(p));
	if (size > p->max_bytes - p->bytes)
		return err_set(e, INVALID, R_TooLarge, "more than %llu bytes of files (see .fnignore), with %s",
			       (unsigned long long)p->max_bytes, shown(p));
	p->bytes += size;
	struct item *i = arena_push(&p->arena, (void **)&p->items, &p->n, &p->cap, sizeof *i);
	*i = (struct item){arena_strdup(&p->arena, p->path), target, mode, size};
	return OK;
}

static enum err_class add_link(struct pack *p, int dirfd, const char *name, struct err *e)
{
	char target[ENTRY_PATH];
	ssize_t n = readlinkat(dirfd, name, target, sizeof target);
	if (n < 0)
		return err_errno(e, errno, CONFLICT, R_SourceInvalid, "%s changed while it was read", shown(p));
	if ((size_t)n == sizeof target)
		return err_set(e, INVALID, R_SourceInvalid, "%s: the link's target is longer than %d bytes", shown(p),
			       ENTRY_PATH - 1);
	target[n] = '\0';
	char to[SHOWN];
	if (!utf8_valid(target))
		return err_set(e, INVALID, R_SourceInvalid, "%s: the link's target is not UTF-8", shown(p));
	if (!p->rootfs && (link_climbs(p->path + p->skip, target) || link_leaves(p->root, p->path + p->skip)))
		return err_set(e, INVALID, R_ArchiveEscape, "%s: the link leads out of the directory, to %s", shown(p),
			       entry_shown(target, to));
	return add_item(p, S_IFLNK | 0777, 0, arena_strdup(&p->arena, target), e);
}

static enum err_class walk(struct pack *p, int fd, size_t len, unsigned depth, const struct ignore *up, struct err *e);

static enum err_class add_dir(struct pack *p, int dirfd, const char *name, mode_t mode, size_t len, unsigned depth,
			      const struct ignore *ig, struct err *e)
{
	enum err_class c = add_item(p, S_IFDIR | mode, 0, NULL, e);
	if (c)
		return c;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, errno == EACCES ? DENIED : CONFLICT, R_SourceInvalid, "open %s", shown(p));
	return walk(p, fd, len, depth + 1, ig, e);
}

static bool is_left_out(const struct pack *p, const struct stat *st)
{
	for (size_t i = 0; i < p->nleave_out; i++)
		if (p->leave_out[i].dev == st->st_dev && p->leave_out[i].ino == st->st_ino)
			return true;
	return false;
}

/* One name of a directory; p->path holds its path. */
static enum err_class visit(struct pack *p, int dirfd, const char *name, size_t len, unsigned depth, const struct ignore *ig,
			    struct err *e)
{
	struct stat st;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(e, errno, CONFLICT, R_SourceInvalid, "%s changed while it was read", shown(p));
	if (is_left_out(p, &st))
		return OK;
	if (p->ignore && ignore_matches(ig, p->path + p->skip, S_ISDIR(st.st_mode)))
		return OK;
	if (!utf8_valid(name))
		return err_set(e, INVALID, R_SourceInvalid, "%s: the name is not UTF-8", shown(p));
	if (depth > PACK_MAX_DEPTH)
		return err_set(e, INVALID, R_TooLarge, "%s is nested deeper than %d directories", shown(p), PACK_MAX_DEPTH);
	if (S_ISDIR(st.st_mode))
		return add_dir(p, dirfd, name, p->rootfs && (st.st_mode & S_ISVTX) ? 01777 : 0755, len, depth, ig, e);
	if (S_ISREG(st.st_mode))
		return add_item(p, S_IFREG | (st.st_mode & S_IXUSR ? 0755 : 0644), (uint64_t)st.st_size, NULL, e);
	if (S_ISLNK(st.st_mode))
		return add_link(p, dirfd, name, e);
	return err_set(e, INVALID, R_SourceInvalid, "%s is a socket, device or fifo", shown(p));
}

static bool left_out(const struct pack *p, const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       (p->ignore && (strcmp(name, ".git") == 0 || strcmp(name, ".fnignore") == 0));
}

static enum err_class walk_entries(struct pack *p, DIR *d, size_t len, unsigned depth, const struct ignore *up, struct err *e)
{
	const struct ignore *ig = up;
	enum err_class c = OK;
	if (p->ignore)
		c = ignore_load(dirfd(d), len > p->skip ? len - p->skip - 1 : 0, up, &p->arena, &ig, e);
	if (c)
		return err_wrap(e, "%s", len > p->skip ? shown(p) : "."), c;
	for (;;) {
		errno = 0;
		struct dirent *ent = readdir(d);
		if (!ent)
			return errno ? err_errno(e, errno, TRANSIENT, R_Internal, "read directory") : OK;
		if (left_out(p, ent->d_name))
			continue;
		size_t n = strlen(ent->d_name);
		if (len + n + 2 > sizeof p->path) /* 2: a directory's slash */
			return err_set(e, INVALID, R_TooLarge, "a path in %s is longer than %d bytes", shown(p),
				       ENTRY_PATH - 2);
		memcpy(p->path + len, ent->d_name, n + 1);
		c = visit(p, dirfd(d), ent->d_name, len + n, depth, ig, e);
		if (c)
			return c;
		p->path[len] = '\0';
	}
}

/* Everything below fd (closed here), whose path is the first len bytes of p->path. depth: of what is in it. */
static enum err_class walk(struct pack *p, int fd, size_t len, unsigned depth, const struct ignore *up, struct err *e)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "open directory");
	}
	if (len > p->skip) {
		p->path[len++] = '/';
		p->path[len] = '\0';
	}
	enum err_class c = walk_entries(p, d, len, depth, up, e);
	(void)closedir(d);
	return c;
}

/* The prefix and the directories above it, as entries. */
static enum err_class add_prefix(struct pack *p, const char *prefix, struct err *e)
{
	char clean[ENTRY_PATH];
	unsigned depth;
	if (path_clean(prefix, clean, &depth) != PATH_FINE)
		return err_set(e, INVALID, R_InvalidValue, "prefix %s does not stay below the root", entry_shown(prefix, p->shown));
	for (const char *s = clean; *s; s += strspn(s, "/")) {
		s += strcspn(s, "/");
		memcpy(p->path, clean, (size_t)(s - clean));
		p->path[s - clean] = '\0';
		enum err_class c = add_item(p, S_IFDIR | 0755, 0, NULL, e);
		if (c)
			return c;
	}
	p->skip = strlen(clean);
	if (p->skip > 0) {
		p->path[p->skip++] = '/';
		p->path[p->skip] = '\0';
	}
	return OK;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static enum err_class changed(const struct item *i, struct err *e)
{
	char text[SHOWN];
	return err_set(e, CONFLICT, R_SourceInvalid, "%s changed while it was read", entry_shown(i->path, text));
}

static enum err_class write_content(struct tar_out *t, int fd, const struct item *i, struct err *e)
{
	char chunk[65536];
	for (uint64_t left = i->size;;) {
		size_t want = left < sizeof chunk ? (size_t)left + 1 : sizeof chunk;
		ssize_t n = read(fd, chunk, want); /* at the end one byte too many, to see a file that grew */
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read %s", i->path);
		if ((uint64_t)n > left || (n == 0 && left > 0))
			return changed(i, e);
		if (n == 0)
			return tar_out_pad(t, i->size, e);
		enum err_class c = tar_out_add(t, chunk, (size_t)n, e);
		if (c)
			return c;
		left -= (uint64_t)n;
	}
}

static enum err_class write_file(const struct pack *p, struct tar_out *t, const struct item *i, struct err *e)
{
	AUTO_CLOSE int fd = open_resolved(p->root, i->path + p->skip, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, NO_LINKS);
	struct stat st;
	if (fd < 0 && errno == EACCES)
		return err_errno(e, errno, DENIED, R_SourceInvalid, "open %s", i->path);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != i->size)
		return changed(i, e);
	return write_content(t, fd, i, e);
}

static enum err_class write_items(const struct pack *p, struct tar_out *t, struct err *e)
{
	for (size_t k = 0; k < p->n; k++) {
		const struct item *i = &p->items[k];
		struct tar_entry n = {i->path, i->target, i->mode, i->size};
		enum err_class c = tar_out_header(t, &n, e);
		if (!c && S_ISREG(i->mode))
			c = write_file(p, t, i, e);
		if (c)
			return c;
	}
	return OK;
}

enum err_class archive_pack(int dirfd, const struct pack_opts *o, int out, struct packed *ret, struct err *e)
{
	AUTO_PACK struct pack p = {.root = dirfd, .ignore = o->ignore, .rootfs = o->rootfs, .leave_out = o->leave_out, .nleave_out = o->nleave_out, .arena = ARENA_INIT};
	p.max_bytes = o->max_bytes ? o->max_bytes : PACK_MAX_BYTES;
	p.max_entries = o->max_entries ? o->max_entries : PACK_MAX_ENTRIES;
	enum err_class c = add_prefix(&p, o->prefix ? o->prefix : "", e);
	if (c)
		return c;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
	if (fd < 0)
		return err_errno(e, errno, errno == EACCES ? DENIED : TRANSIENT, R_SourceInvalid, "open directory");
	c = walk(&p, fd, p.skip, 1, NULL, e);
	if (c)
		return c;
	if (p.n > 0)
		qsort(p.items, p.n, sizeof *p.items, by_path);
	AUTO_FREE struct tar_out *t = xmalloc(sizeof *t);
	tar_out_init(t, out);
	struct packed done = {.entries = p.n};
	c = write_items(&p, t, e);
	if (!c)
		c = tar_out_finish(t, &done, e);
	tar_out_release(t);
	if (!c)
		*ret = done;
	return c;
}
