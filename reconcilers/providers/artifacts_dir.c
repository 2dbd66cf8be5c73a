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
#include "reconcilers/providers/artifacts.h"

enum { KEY_MAX = 512, PUT_TRIES = 100 };
static const int64_t ABANDONED_MS = 3600 * 1000;
static const char TMP[] = ".tmp"; /* no key has a part that begins with a dot */

struct artifacts {
	char *dir;
	int fd; /* of dir; only used as a base for the *at calls, so threads may share it */
};

static bool key_chars(const char *s)
{
	return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-")] == '\0';
}

static enum err_class check_key(const char *key, struct err *e)
{
	size_t n = strlen(key);
	bool ok = n > 0 && n <= KEY_MAX && key_chars(key) && key[0] != '/' && key[0] != '.' && key[n - 1] != '/' && !strstr(key, "//") &&
		  !strstr(key, "/.");
	return ok ? OK : err_set(e, INVALID, R_InvalidValue, "not an artifact key: \"%.100s\"", key);
}

static void remove_abandoned(int dir)
{
	int fd = openat(dir, TMP, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		cleanup_close(&fd);
		return; /* housekeeping: the next put reports what is wrong with it */
	}
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		struct stat st;
		if (fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    clock_wall_ms() - (int64_t)st.st_mtime * 1000 > ABANDONED_MS)
			(void)unlinkat(fd, ent->d_name, 0); /* the next start tries again */
	}
	(void)closedir(d);
}

enum err_class artifacts_open_dir(const char *dir, struct artifacts **ret, struct err *e)
{
	AUTO_FREE char *tmp = xprintf("%s/%s", dir, TMP);
	enum err_class c = fs_mkdirs(tmp, 0700, e);
	if (c)
		return err_wrap(e, "artifact store"), c;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "open %s", dir);
	remove_abandoned(fd);
	struct artifacts *s = xcalloc(1, sizeof *s);
	*s = (struct artifacts){ xstrdup(dir), fd };
	*ret = s;
	return OK;
}

void artifacts_free(struct artifacts *s)
{
	if (!s)
		return;
	cleanup_close(&s->fd);
	free(s->dir);
	free(s);
}

static enum err_class copy_in(int from, int to, struct digest *ret, struct err *e)
{
	struct digest_ctx sum;
	digest_init(&sum);
	enum err_class c = OK;
	for (;;) {
		char chunk[65536];
		ssize_t n = read(from, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			c = err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "read");
		if (n <= 0)
			break;
		digest_update(&sum, chunk, (size_t)n);
		c = fs_write_all(to, chunk, (size_t)n, e);
		if (c)
			break;
	}
	struct digest d = digest_final(&sum);
	if (!c && fsync(to) != 0)
		c = err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "sync");
	if (!c)
		*ret = d;
	return c;
}

/* Opens the directory that key lies in, making it and its parents, each synced into the one above. */
static enum err_class open_parent(const struct artifacts *s, const char *key, int *ret, const char **ret_base, struct err *e)
{
	AUTO_CLOSE int at = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (at < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "artifact %s", key);
	for (const char *slash; (slash = strchr(key, '/')) != NULL; key = slash + 1) {
		AUTO_FREE char *part = xprintf("%.*s", (int)(slash - key), key);
		bool made = mkdirat(at, part, 0700) == 0;
		if (!made && errno != EEXIST)
			return err_errno(e, errno, errno == ENOENT ? CONFLICT : TRANSIENT, R_StoreUnavailable, "mkdir %s", part);
		if (made && fsync(at) != 0)
			return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "sync the directory of %s", part);
		int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0 && errno == ENOTDIR)
			return err_set(e, INVALID, R_InvalidValue, "an artifact's key goes through another artifact: %s", part);
		if (next < 0)
			return err_errno(e, errno, errno == ENOENT ? CONFLICT : TRANSIENT, R_StoreUnavailable, "open %s", part);
		cleanup_close(&at);
		at = next;
	}
	*ret = at;
	*ret_base = key;
	at = -1;
	return OK;
}

static enum err_class move_in(const struct artifacts *s, const char *tmp, const char *key, struct err *e)
{
	/* CONFLICT: a delete beside us removed a directory that it found empty */
	for (int left = PUT_TRIES;; left--) {
		AUTO_CLOSE int parent = -1;
		const char *base = key;
		enum err_class c = open_parent(s, key, &parent, &base, e);
		if (c == CONFLICT && left > 1)
			continue;
		if (c)
			return c;
		if (renameat(AT_FDCWD, tmp, parent, base) == 0)
			return fsync(parent) == 0 ? OK : err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "sync the directory of %s", key);
		if (errno == EISDIR || errno == ENOTEMPTY)
			return err_set(e, INVALID, R_InvalidValue, "artifact %s: other keys lie below it", key);
		if (errno != ENOENT || left <= 1)
			return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "rename to %s", key);
	}
}

enum err_class artifacts_put(struct artifacts *s, const char *key, int fd, const struct digest *want, struct err *e)
{
	enum err_class c = check_key(key, e);
	if (c)
		return c;
	AUTO_FREE char *tmp = xprintf("%s/%s/XXXXXX", s->dir, TMP);
	AUTO_CLOSE int out = mkostemp(tmp, O_CLOEXEC);
	if (out < 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "create %s", tmp);
	struct digest got;
	c = copy_in(fd, out, &got, e);
	char a[DIGEST_TEXT], b[DIGEST_TEXT];
	if (!c && want && !digest_eq(&got, want))
		c = err_set(e, INVALID, R_DigestMismatch, "content is %s, not %s", digest_text(&got, a), digest_text(want, b));
	if (!c)
		c = move_in(s, tmp, key, e);
	if (c) {
		(void)unlink(tmp); /* else the next open finds it */
		return err_wrap(e, "artifact %s", key), c;
	}
	return OK;
}

enum err_class artifacts_get(struct artifacts *s, const char *key, int *ret_fd, uint64_t *ret_size, struct err *e)
{
	enum err_class c = check_key(key, e);
	if (c)
		return c;
	int fd = openat(s->fd, key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int failed = fd < 0 || fstat(fd, &st) != 0 ? errno : 0;
	if (failed == 0 && S_ISREG(st.st_mode)) {
		*ret_fd = fd;
		*ret_size = (uint64_t)st.st_size;
		return OK;
	}
	cleanup_close(&fd);
	if (failed == 0 || failed == ENOENT || failed == ENOTDIR)
		return err_set(e, INVALID, R_ArtifactMissing, "artifact %s is not in the store", key);
	return err_errno(e, failed, TRANSIENT, R_StoreUnavailable, "artifact %s", key);
}

enum err_class artifacts_exists(struct artifacts *s, const char *key, bool *ret, struct err *e)
{
	enum err_class c = check_key(key, e);
	if (c)
		return c;
	struct stat st;
	bool found = fstatat(s->fd, key, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!found && errno != ENOENT && errno != ENOTDIR)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "artifact %s", key);
	*ret = found && S_ISREG(st.st_mode);
	return OK;
}

enum err_class artifacts_delete(struct artifacts *s, const char *key, struct err *e)
{
	enum err_class c = check_key(key, e);
	if (c)
		return c;
	if (unlinkat(s->fd, key, 0) != 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "artifact %s", key);
	AUTO_FREE char *path = xstrdup(key);
	for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
		*slash = '\0';
		if (unlinkat(s->fd, path, AT_REMOVEDIR) != 0)
			break; /* not empty: others live there */
	}
	return OK;
}

/* One listing: directories sort as if their names ended in "/", which gives the order of whole keys. */
struct listing {
	const char *prefix;
	artifact_fn *each;
	void *ctx;
	struct err *e;
	bool stop;
};

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static enum err_class read_names(int fd, struct arena *a, char ***ret, size_t *ret_n, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		cleanup_close(&copy);
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "list artifacts");
	}
	void *names = NULL;
	size_t n = 0, cap = 0;
	rewinddir(d); /* the copy shares its position with fd */
	errno = 0;
	for (struct dirent *ent; (ent = readdir(d)) != NULL; errno = 0) {
		struct stat st;
		if (ent->d_name[0] == '.')
			continue; /* ours */
		if (fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			if (errno == ENOENT)
				continue; /* deleted since */
			break; /* unknown is not absent */
		}
		char **slot = arena_push(a, &names, &n, &cap, sizeof *slot);
		*slot = arena_printf(a, "%s%s", ent->d_name, S_ISDIR(st.st_mode) ? "/" : "");
	}
	int failed = errno;
	(void)closedir(d);
	if (failed)
		return err_errno(e, failed, TRANSIENT, R_StoreUnavailable, "list artifacts");
	*ret = names;
	*ret_n = n;
	if (n)
		qsort(names, n, sizeof(char *), compare_names);
	return OK;
}

static bool may_hold(const char *path, const char *prefix)
{
	size_t a = strlen(path), b = strlen(prefix);
	return strncmp(path, prefix, a < b ? a : b) == 0;
}

static enum err_class list_dir(int fd, const char *path, struct listing *l)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	char **names = NULL;
	size_t n = 0;
	enum err_class c = read_names(fd, &a, &names, &n, l->e);
	for (size_t i = 0; !c && !l->stop && i < n; i++) {
		const char *key = arena_printf(&a, "%s%s", path, names[i]);
		size_t len = strlen(key);
		bool is_dir = key[len - 1] == '/';
		if (len > KEY_MAX || (is_dir ? !may_hold(key, l->prefix) : strncmp(key, l->prefix, strlen(l->prefix)) != 0))
			continue;
		struct stat st;
		if (!is_dir && fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			l->stop = !l->each(l->ctx, key, (uint64_t)st.st_size);
		if (!is_dir)
			continue;
		AUTO_CLOSE int sub = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			c = list_dir(sub, key, l);
		else if (errno != ENOENT)
			c = err_errno(l->e, errno, TRANSIENT, R_StoreUnavailable, "list artifacts below %s", key);
	}
	return c;
}

enum err_class artifacts_list(struct artifacts *s, const char *prefix, artifact_fn *each, void *ctx, struct err *e)
{
	if (!key_chars(prefix))
		return err_set(e, INVALID, R_InvalidValue, "not a prefix of artifact keys");
	struct listing l = { .prefix = prefix, .each = each, .ctx = ctx, .e = e };
	return list_dir(s->fd, "", &l);
}
