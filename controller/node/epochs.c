#include "node/epochs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/names.h"

struct seen {
	struct digest key;
	int64_t epoch; /* 0: the slot is free */
};

struct epochs {
	char *dir;
	struct seen *seen; /* open addressing; cap is a power of two */
	size_t n, cap;
};

enum { SYNC_TOGETHER = 8, LINE_MAX_BYTES = 32 + KEY_MAX_LEN };

enum err_class epochs_open(const char *dir, struct epochs **ret, struct err *e)
{
	enum err_class c = fs_mkdirs(dir, 0700, e);
	if (c)
		return c;
	struct epochs *p = xcalloc(1, sizeof *p);
	p->dir = xstrdup(dir);
	p->cap = 256;
	p->seen = xcalloc(p->cap, sizeof *p->seen);
	*ret = p;
	return OK;
}

void epochs_free(struct epochs *p)
{
	if (!p)
		return;
	free(p->dir);
	free(p->seen);
	free(p);
}

/* The slot of a key, or the free one where it belongs. */
static struct seen *slot_of(struct seen *seen, size_t cap, const struct digest *key)
{
	size_t i;
	memcpy(&i, key->b, sizeof i);
	for (;; i++) {
		struct seen *s = &seen[i & (cap - 1)];
		if (!s->epoch || digest_eq(&s->key, key))
			return s;
	}
}

static void remember(struct epochs *p, const struct digest *key, int64_t epoch)
{
	if (p->n * 2 >= p->cap) {
		struct seen *grown = xcalloc(p->cap * 2, sizeof *grown);
		for (size_t i = 0; i < p->cap; i++)
			if (p->seen[i].epoch)
				*slot_of(grown, p->cap * 2, &p->seen[i].key) = p->seen[i];
		free(p->seen);
		p->seen = grown;
		p->cap *= 2;
	}
	struct seen *s = slot_of(p->seen, p->cap, key);
	p->n += !s->epoch;
	*s = (struct seen){*key, epoch};
}

static char *path_of(const struct epochs *p, const struct digest *key)
{
	char hex[DIGEST_HEX];
	return xprintf("%s/%s", p->dir, digest_hex(key, hex));
}

/* The highest epoch seen, from memory or from its file; 0 when there is none. */
static enum err_class highest(struct epochs *p, const struct digest *key, int64_t *ret, struct err *e)
{
	const struct seen *s = slot_of(p->seen, p->cap, key);
	if (s->epoch) {
		*ret = s->epoch;
		return OK;
	}
	AUTO_FREE char *path = path_of(p, key);
	*ret = 0;
	if (!fs_exists(path))
		return OK;
	AUTO_BUF struct buf text = BUF_INIT(LINE_MAX_BYTES);
	enum err_class c = fs_read(path, &text, e);
	if (c)
		return c;
	char *end;
	long long n = strtoll(buf_str(&text), &end, 10);
	if (n <= 0 || *end != ' ')
		return err_set(e, TRANSIENT, R_Internal, "%s is damaged; remove it to accept any epoch for its key", path);
	remember(p, key, n);
	*ret = n;
	return OK;
}

static enum err_class sync_dir(const struct epochs *p, bool everything, struct err *e)
{
	AUTO_CLOSE int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (everything ? syncfs(fd) : fsync(fd)) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "sync %s", p->dir);
	return OK;
}

static enum err_class check(struct epochs *p, const struct claim *c, size_t *raised, struct err *e)
{
	struct digest key = digest_of_str(c->key);
	int64_t seen;
	if (c->epoch <= 0)
		return err_set(e, INVALID, R_BadRequest, "%s: an epoch is a positive number", c->key);
	enum err_class class = highest(p, &key, &seen, e);
	if (class)
		return class;
	if (c->epoch < seen)
		return err_set(e, CONFLICT, R_StaleEpoch, "%s: epoch %" PRId64 " is older than %" PRId64, c->key, c->epoch, seen);
	*raised += c->epoch > seen;
	return OK;
}

static enum err_class store(struct epochs *p, const struct claim *c, bool durable, struct err *e)
{
	struct digest key = digest_of_str(c->key);
	int64_t seen;
	enum err_class class = highest(p, &key, &seen, e);
	if (class || c->epoch <= seen)
		return class;
	AUTO_FREE char *path = path_of(p, &key);
	AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
	if (!buf_printf(&line, "%" PRId64 " %s\n", c->epoch, c->key))
		return err_set(e, INVALID, R_BadRequest, "the key is too long");
	return fs_write_atomic(path, line.p, line.len, 0600, durable, e);
}

static int by_key(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	return order ? order : x->epoch < y->epoch ? 1 : x->epoch > y->epoch ? -1 : 0;
}

/* One claim a key, the highest, so that what is written last is what counts. Free with free(). */
static struct claim *distinct(const struct claim *claims, size_t *n)
{
	struct claim *out = xcalloc(*n, sizeof *out);
	size_t kept = 0;
	if (*n)
		memcpy(out, claims, *n * sizeof *out);
	qsort(out, *n, sizeof *out, by_key);
	for (size_t i = 0; i < *n; i++)
		if (i == 0 || strcmp(out[i].key, out[kept - 1].key) != 0)
			out[kept++] = out[i];
	*n = kept;
	return out;
}

enum err_class epochs_accept(struct epochs *p, const struct claim *all, size_t n, struct err *e)
{
	AUTO_FREE struct claim *claims = distinct(all, &n);
	size_t raised = 0;
	for (size_t i = 0; i < n; i++) {
		enum err_class c = check(p, &claims[i], &raised, e);
		if (c)
			return c;
	}
	if (!raised)
		return OK;
	bool together = raised > SYNC_TOGETHER; /* one sync of the file system instead of one a file */
	for (size_t i = 0; i < n; i++) {
		enum err_class c = store(p, &claims[i], !together, e);
		if (c)
			return c;
	}
	enum err_class c = sync_dir(p, together, e);
	if (c)
		return c;
	for (size_t i = 0; i < n; i++) { /* only what is surely on disk counts as seen */
		struct digest key = digest_of_str(claims[i].key);
		const struct seen *s = slot_of(p->seen, p->cap, &key);
		if (s->epoch < claims[i].epoch)
			remember(p, &key, claims[i].epoch);
	}
	return OK;
}
