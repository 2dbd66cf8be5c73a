#include "api/diff.h"

#include <stdlib.h>
#include <string.h>

static char *join(const char *path, const char *key)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	if (*key && strspn(key, word) == strlen(key))
		return *path ? xprintf("%s.%s", path, key) : xstrdup(key);
	AUTO_JSON json_t *text = json_string(key);
	AUTO_FREE char *quoted = json_text(text);
	return xprintf("%s[%s]", path, quoted);
}

static void put(json_t *out, const char *op, const char *path, const json_t *from, const json_t *to)
{
	json_t *j = json_object();
	json_object_set_new(j, "op", json_string(op));
	json_object_set_new(j, "path", json_string(path));
	if (from)
		json_object_set(j, "from", (json_t *)from);
	if (to)
		json_object_set(j, "to", (json_t *)to);
	json_array_append_new(out, j);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The keys of either, sorted, each once. */
static const char **both_keys(const json_t *x, const json_t *y, size_t *ret_n)
{
	const char **keys = xcalloc(json_object_size(x) + json_object_size(y), sizeof *keys);
	size_t n = 0;
	for (void *it = json_object_iter((json_t *)x); it; it = json_object_iter_next((json_t *)x, it))
		keys[n++] = json_object_iter_key(it);
	for (void *it = json_object_iter((json_t *)y); it; it = json_object_iter_next((json_t *)y, it))
		if (!json_object_get(x, json_object_iter_key(it)))
			keys[n++] = json_object_iter_key(it);
	qsort(keys, n, sizeof *keys, by_name);
	*ret_n = n;
	return keys;
}

static bool descend(const json_t *x, const json_t *y)
{
	return (json_is_object(x) || json_is_object(y)) && (!x || json_is_object(x)) && (!y || json_is_object(y));
}

void json_diff(const char *path, const json_t *before, const json_t *after, json_t *out)
{
	if (!descend(before, after)) {
		if (!before && after)
			put(out, "+", path, NULL, after);
		else if (before && !after)
			put(out, "-", path, before, NULL);
		else if (before && !json_equal(before, after))
			put(out, "~", path, before, after);
		return;
	}
	size_t n;
	AUTO_FREE const char **keys = both_keys(before, after, &n);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *inner = join(path, keys[i]);
		json_diff(inner, json_object_get(before, keys[i]), json_object_get(after, keys[i]), out);
	}
}

json_t *manifest_diff(const struct manifest *before, const struct manifest *after)
{
	AUTO_JSON json_t *x = before ? manifest_json(before) : NULL;
	AUTO_JSON json_t *y = manifest_json(after);
	const json_t *mx = json_object_get(x, "metadata"), *my = json_object_get(y, "metadata");
	json_t *out = json_array();
	json_diff("metadata.annotations", json_object_get(mx, "annotations"), json_object_get(my, "annotations"), out);
	json_diff("metadata.labels", json_object_get(mx, "labels"), json_object_get(my, "labels"), out);
	json_diff("spec", json_object_get(x, "spec"), json_object_get(y, "spec"), out);
	return out;
}

/* Kinds in the order of the enum would put runtimes first as well; this says what is meant. */
static int rank_of(enum kind k)
{
	switch (k) {
	case KIND_PROJECT: return 0;
	case KIND_ENVIRONMENT: return 1;
	case KIND_RUNTIME: return 2;
	case KIND_FUNCTION: return 3;
	case KIND_PIN: return 4;
	case KIND_COUNT: break;
	}
	return 5;
}

struct placed {
	const struct manifest *m;
	int depth; /* ancestors of an environment among the documents */
};

static int by_object(const void *a, const void *b)
{
	const struct manifest *x = ((const struct placed *)a)->m, *y = ((const struct placed *)b)->m;
	int c = rank_of(x->kind) - rank_of(y->kind);
	if (!c)
		c = strcmp(x->project, y->project);
	return c ? c : strcmp(x->name, y->name);
}

static int by_place(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int c = rank_of(x->m->kind) - rank_of(y->m->kind);
	if (!c)
		c = x->depth - y->depth;
	return c ? c : by_object(a, b);
}

enum { DEPTH_MAX = 64 }; /* deeper ones, and circles, tie; the reference check speaks about them */

static int depth_of(const struct placed *all, size_t n, const struct manifest *m)
{
	int depth = 0;
	while (depth < DEPTH_MAX && m->kind == KIND_ENVIRONMENT && m->spec.environment.inherits) {
		const struct manifest wanted = {.kind = KIND_ENVIRONMENT, .project = m->project, .name = m->spec.environment.inherits};
		const struct placed key = {&wanted, 0};
		const struct placed *parent = bsearch(&key, all, n, sizeof *all, by_object);
		if (!parent)
			break;
		m = parent->m;
		depth++;
	}
	return depth;
}

const struct manifest **apply_order(const struct manifest *items, size_t n, struct arena *a)
{
	AUTO_FREE struct placed *all = xcalloc(n, sizeof *all);
	for (size_t i = 0; i < n; i++)
		all[i].m = &items[i];
	qsort(all, n, sizeof *all, by_object);
	AUTO_FREE struct placed *placed = xcalloc(n, sizeof *placed);
	for (size_t i = 0; i < n; i++)
		placed[i] = (struct placed){all[i].m, depth_of(all, n, all[i].m)};
	qsort(placed, n, sizeof *placed, by_place);
	const struct manifest **out = arena_array(a, n, sizeof *out);
	for (size_t i = 0; i < n; i++)
		out[i] = placed[i].m;
	return out;
}
