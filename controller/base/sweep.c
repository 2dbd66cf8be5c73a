#include "base/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a sweep that died has put aside ends in this. */
static const char aside[] = ".swept";

bool sweep_touch(const char *path)
{
	/* Somebody else's file cannot be touched, but is there. */
	return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0 || ((errno == EACCES || errno == EPERM) && faccessat(AT_FDCWD, path, F_OK, 0) == 0);
}

static bool used_since(const struct stat *st, int64_t ms) { return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000 > ms; }

/* Put aside first: a touch before that shows in its time, one after that does not find it. */
static bool remove_unused(int dir, const char *name, int64_t before_ms)
{
	AUTO_FREE char *away = xprintf("%s%s", name, aside);
	struct stat st;
	if (renameat(dir, name, dir, away) != 0)
		return false;
	if (fstatat(dir, away, &st, AT_SYMLINK_NOFOLLOW) == 0 && used_since(&st, before_ms) && renameat(dir, away, dir, name) == 0)
		return false;
	return unlinkat(dir, away, 0) == 0;
}

static bool is_aside(const char *name)
{
	size_t n = strlen(name), end = sizeof aside - 1;
	return n > end && strcmp(name + n - end, aside) == 0;
}

enum err_class sweep_dir(const char *path, int64_t before_ms, sweep_spare_fn *spare, void *ctx, bool dry, struct swept *ret, struct err *e)
{
	struct swept sum = {0, 0};
	DIR *d = opendir(path);
	if (!d && errno != ENOENT)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "open %s", path);
	errno = 0;
	for (struct dirent *ent; d && (ent = readdir(d)) != NULL; errno = 0) {
		struct stat st;
		if (fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
			continue;
		bool left = is_aside(ent->d_name);
		if (!left && (used_since(&st, before_ms) || spare(ctx, ent->d_name)))
			continue;
		if (!dry && !(left ? unlinkat(dirfd(d), ent->d_name, 0) == 0 : remove_unused(dirfd(d), ent->d_name, before_ms)))
			continue; /* used just now; what cannot be removed is tried again by the next sweep */
		sum.count++;
		sum.bytes += (int64_t)st.st_blocks * 512;
	}
	int failed = d ? errno : 0;
	if (d)
		(void)closedir(d);
	*ret = sum;
	return failed ? err_errno(e, failed, TRANSIENT, R_StoreUnavailable, "read %s", path) : OK;
}
