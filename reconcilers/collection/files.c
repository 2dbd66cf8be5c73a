#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "reconcilers/collection/sweeps.h"

struct list {
	const char *const *items;
	size_t n;
};

/* Uploads are named by hex digits; what is being written begins with a dot. */
static bool is_needed(void *ctx, const char *name)
{
	const struct list *l = ctx;
	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < l->n; i++)
		if (strncmp(l->items[i], "sha256:", 7) == 0 && strcmp(l->items[i] + 7, name) == 0)
			return true;
	return false;
}

enum err_class uploads_sweep(struct store *s, const char *dir, struct arena *a, bool dry, struct swept *ret, struct err *e)
{
	struct list l;
	enum err_class c = collection_keeps(s, KEEP_SOURCES, a, &l.items, &l.n, e);
	return c ? c : sweep_dir(dir, clock_wall_ms() - UPLOAD_GRACE_MS, is_needed, &l, dry, ret, e);
}

static enum err_class list_dir(const char *dir, struct arena *a, struct list *ret, struct err *e)
{
	void *items = NULL;
	size_t n = 0, cap = 0;
	DIR *d = opendir(dir);
	if (!d && errno != ENOENT)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "open %s", dir);
	for (struct dirent *ent; d && (ent = readdir(d)) != NULL;)
		if (ent->d_name[0] != '.')
			*(const char **)arena_push(a, &items, &n, &cap, sizeof(char *)) = arena_strdup(a, ent->d_name);
	if (d)
		(void)closedir(d);
	*ret = (struct list){items, n};
	return OK;
}

static bool has(const struct list *l, const char *word)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i], word) == 0)
			return true;
	return false;
}

/* The directory is read first: what begins afterwards is not in it. */
enum err_class builds_sweep(struct store *s, const char *dir, struct arena *a, struct swept *ret, struct err *e)
{
	struct list there = {NULL, 0}, needed = {NULL, 0};
	struct swept sum = {0, 0};
	enum err_class c = list_dir(dir, a, &there, e);
	if (!c)
		c = collection_keeps(s, KEEP_BUILDS, a, &needed.items, &needed.n, e);
	for (size_t i = 0; !c && i < there.n; i++) {
		if (has(&needed, there.items[i]))
			continue;
		const char *path = arena_printf(a, "%s/%s", dir, there.items[i]);
		uint64_t bytes = 0;
		c = fs_tree_bytes(path, &bytes, e);
		if (!c)
			c = fs_remove_tree(path, e);
		sum.count++;
		sum.bytes += (int64_t)bytes;
	}
	*ret = sum;
	return c;
}
