#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "reconcilers/collection/sweeps.h"
#include "reconcilers/providers/oci.h"

struct marking {
	const struct cache *cache;
	struct arena *a;
	struct marks m;
};

static void add(struct marking *k, struct digests *to, const struct digest *d)
{
	void *items = to->items;
	*(struct digest *)arena_push(k->a, &items, &to->n, &to->cap, sizeof *to->items) = *d;
	to->items = items;
}

/* What is not there, or is spoilt and dropped, is no reason to stop; what cannot be read is. */
static bool unreadable(const struct err *e) { return strcmp(e->reason, reason_token(R_ImageMissing)) != 0 && strcmp(e->reason, reason_token(R_DigestMismatch)) != 0; }

static enum err_class read_blob(struct marking *k, const struct digest *d, struct buf *b, bool *ret_there, struct err *e)
{
	struct err why = ERR_INIT;
	enum err_class c = cache_read(k->cache, d, b, &why);
	*ret_there = c == OK;
	if (!c || !unreadable(&why))
		return OK;
	if (e)
		*e = why;
	return c;
}

static enum err_class mark_config(struct marking *k, const struct digest *config, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(OCI_CONFIG_MAX);
	AUTO_JSON json_t *j = NULL;
	bool there;
	enum err_class c = read_blob(k, config, &b, &there, e);
	if (c || !there || json_parse(buf_str(&b), b.len, &j, NULL) != OK)
		return c;
	size_t i;
	json_t *id;
	json_array_foreach(json_object_get(json_object_get(j, "rootfs"), "diff_ids"), i, id) {
		struct digest d;
		if (digest_parse(json_string_value(id) ? json_string_value(id) : "", &d))
			add(k, &k->m.diff_ids, &d);
	}
	return OK;
}

static enum err_class mark_image(struct marking *k, const struct digest *d, bool inner, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(OCI_MANIFEST_MAX);
	struct oci_manifest m = {0};
	bool there;
	add(k, &k->m.blobs, d);
	enum err_class c = read_blob(k, d, &b, &there, e);
	if (c || !there || oci_decode(buf_str(&b), b.len, k->a, &m, NULL) != OK)
		return c;
	if (m.is_index)
		return inner ? OK : mark_image(k, &m.child.digest, true, e);
	add(k, &k->m.blobs, &m.config.digest);
	for (size_t i = 0; i < m.nlayers; i++)
		add(k, &k->m.blobs, &m.layers[i].digest);
	return mark_config(k, &m.config.digest, e);
}

static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(struct digest)); }

static void sort(struct digests *d)
{
	if (d->n)
		qsort(d->items, d->n, sizeof *d->items, compare);
}

enum err_class marks_load(struct store *s, const struct cache *cache, struct arena *a, struct marks *ret, struct err *e)
{
	struct marking k = {.cache = cache, .a = a};
	const char *const *images;
	size_t n;
	enum err_class c = collection_keeps(s, KEEP_IMAGES, a, &images, &n, e);
	for (size_t i = 0; !c && i < n; i++) {
		struct digest d;
		if (digest_parse(images[i], &d))
			c = mark_image(&k, &d, false, e);
	}
	sort(&k.m.blobs);
	sort(&k.m.diff_ids);
	*ret = k.m;
	return c;
}

static bool is_marked(void *ctx, const char *name)
{
	const struct marks *m = ctx;
	AUTO_FREE char *text = xprintf("sha256:%s", name);
	struct digest d;
	return digest_parse(text, &d) && m->blobs.n && bsearch(&d, m->blobs.items, m->blobs.n, sizeof d, compare);
}

enum err_class cache_sweep(const struct cache *cache, const struct marks *m, int64_t before_ms, bool dry, struct swept *ret, struct err *e)
{
	AUTO_FREE char *dir = xprintf("%s/blobs/sha256", cache->dir);
	struct marks marks = *m;
	return sweep_dir(dir, before_ms, is_marked, &marks, dry, ret, e);
}
