#include "reconcilers/providers/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/sweep.h"

static const int64_t ABANDONED_MS = 3600 * 1000;

static void remove_abandoned(const char *dir)
{
	DIR *d = opendir(dir);
	if (!d)
		return; /* housekeeping: a writer will report what is wrong with it */
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		struct stat st;
		if (fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    clock_wall_ms() - (int64_t)st.st_mtime * 1000 > ABANDONED_MS)
			(void)unlinkat(dirfd(d), ent->d_name, 0); /* the next start tries again */
	}
	(void)closedir(d);
}

enum err_class cache_init(const struct cache *c, struct err *e)
{
	AUTO_FREE char *blobs = xprintf("%s/blobs/sha256", c->dir);
	AUTO_FREE char *tmp = xprintf("%s/tmp", c->dir);
	enum err_class cl = fs_mkdirs(blobs, 0755, e);
	if (!cl)
		cl = fs_mkdirs(tmp, 0755, e);
	if (!cl)
		remove_abandoned(tmp);
	return cl;
}

char *cache_path(const struct cache *c, struct arena *a, const struct digest *d)
{
	char hex[DIGEST_HEX];
	return arena_printf(a, "%s/blobs/sha256/%s", c->dir, digest_hex(d, hex));
}

bool cache_has(const struct cache *c, const struct digest *d, uint64_t *ret_size)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct stat st;
	const char *path = cache_path(c, &a, d);
	if (!sweep_touch(path) || lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return true;
}

enum err_class cache_begin(const struct cache *c, struct cache_writer *w, struct err *e)
{
	AUTO_FREE char *tmp = xprintf("%s/tmp/XXXXXX", c->dir);
	int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "create %s", tmp);
	*w = (struct cache_writer){ .cache = c, .tmp = tmp, .fd = fd };
	tmp = NULL;
	digest_init(&w->sum);
	return OK;
}

enum err_class cache_add(struct cache_writer *w, const void *p, size_t n, struct err *e)
{
	digest_update(&w->sum, p, n);
	enum err_class c = fs_write_all(w->fd, p, n, e);
	return c ? (err_wrap(e, "%s", w->tmp), c) : OK;
}

enum err_class cache_commit(struct cache_writer *w, const struct digest *want, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct digest got = digest_final(&w->sum);
	char a_text[DIGEST_TEXT], b_text[DIGEST_TEXT];
	if (!digest_eq(&got, want))
		return err_set(e, INVALID, R_DigestMismatch, "content is %s, not %s", digest_text(&got, a_text),
			       digest_text(want, b_text));
	const char *path = cache_path(w->cache, &a, want);
	if (fchmod(w->fd, 0644) != 0 || rename(w->tmp, path) != 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "rename to %s", path);
	free(w->tmp);
	w->tmp = NULL;
	return OK;
}

void cache_writer_release(struct cache_writer *w)
{
	if (w->tmp)
		(void)unlink(w->tmp); /* else cache_init finds it */
	free(w->tmp);
	cleanup_close(&w->fd);
	digest_release(&w->sum);
	*w = (struct cache_writer)CACHE_WRITER_INIT;
}

enum err_class cache_put_fd(const struct cache *c, const struct digest *want, int fd, struct err *e)
{
	AUTO_CACHE_WRITER struct cache_writer w = CACHE_WRITER_INIT;
	enum err_class cl = cache_begin(c, &w, e);
	while (!cl) {
		char chunk[65536];
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "read a blob");
		if (n == 0)
			return cache_commit(&w, want, e);
		cl = cache_add(&w, chunk, (size_t)n, e);
	}
	return cl;
}

enum err_class cache_put(const struct cache *c, const void *p, size_t n, struct digest *ret, struct err *e)
{
	struct digest d = digest_of(p, n);
	uint64_t size;
	enum err_class cl = OK;
	if (!cache_has(c, &d, &size) || size != n) {
		AUTO_CACHE_WRITER struct cache_writer w = CACHE_WRITER_INIT;
		cl = cache_begin(c, &w, e);
		if (!cl)
			cl = cache_add(&w, p, n, e);
		if (!cl)
			cl = cache_commit(&w, &d, e);
	}
	if (!cl)
		*ret = d;
	return cl;
}

enum err_class cache_open(const struct cache *c, const struct digest *d, int *ret_fd, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	char text[DIGEST_TEXT];
	const char *path = cache_path(c, &a, d);
	(void)sweep_touch(path); /* open tells whether it is there */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, TRANSIENT, R_ImageMissing, "%s is not in the cache", digest_text(d, text));
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "open %s", digest_text(d, text));
	*ret_fd = fd;
	return OK;
}

enum err_class cache_read(const struct cache *c, const struct digest *d, struct buf *b, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	char text[DIGEST_TEXT];
	const char *path = cache_path(c, &a, d);
	buf_clear(b);
	(void)sweep_touch(path); /* reading tells whether it is there */
	enum err_class cl = fs_read(path, b, e);
	if (cl == INVALID && e && strcmp(e->reason, reason_token(R_NotFound)) == 0)
		return err_set(e, TRANSIENT, R_ImageMissing, "%s is not in the cache", digest_text(d, text));
	if (cl)
		return cl;
	struct digest got = digest_of(buf_str(b), b->len);
	if (digest_eq(&got, d))
		return OK;
	cache_drop(c, d);
	return err_set(e, TRANSIENT, R_DigestMismatch, "%s is spoilt in the cache; dropped", digest_text(d, text));
}

void cache_drop(const struct cache *c, const struct digest *d)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	(void)unlink(cache_path(c, &a, d)); /* absent is fine, and what cannot be removed is found spoilt again */
}
