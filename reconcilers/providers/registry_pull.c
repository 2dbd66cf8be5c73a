#include <string.h>

#include "reconcilers/providers/oci.h"
#include "reconcilers/providers/registry_impl.h"

enum { BLOB_REDIRECTS = 5 };

static bool add_chunk(void *ctx, const void *p, size_t n, struct err *e) { return cache_add(ctx, p, n, e) == OK; }

/* A blob's bytes that are not what was named are the registry's or the network's fault: fetched again. */
static enum err_class as_fetched(enum err_class c, struct err *e)
{
	if (c == INVALID && e)
		return err_set(e, TRANSIENT, R_DigestMismatch, "registry: a blob's bytes are not those of its digest and size");
	return c == INVALID ? TRANSIENT : c;
}

static enum err_class fetch_blob(struct registry *r, const char *repo, const struct oci_blob *b, const struct cache *cache, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf answer = BUF_INIT(REGISTRY_ANSWER_MAX);
	AUTO_CACHE_WRITER struct cache_writer w = CACHE_WRITER_INIT;
	char text[DIGEST_TEXT];
	uint64_t have;
	int status = 0;
	if (cache_has(cache, &b->digest, &have) && have == b->size)
		return OK;
	struct http_request q = { .path = registry_path(&a, repo, "blobs", digest_text(&b->digest, text)), .out = &answer,
				  .chunk = add_chunk, .ctx = &w, .max = b->size ? b->size : 1, .redirects = BLOB_REDIRECTS };
	enum err_class c = cache_begin(cache, &w, e);
	if (!c)
		c = as_fetched(registry_call(r, &q, arena_printf(&a, "repository:%s:pull", repo), &status, e), e);
	if (c)
		return c;
	if (status == 404)
		return err_set(e, INVALID, R_ImageMissing, "registry: %s has no blob %s", repo, text);
	if (status != 200)
		return registry_fail(r, status, &answer, arena_printf(&a, "GET blob %s", text), e);
	return as_fetched(cache_commit(&w, &b->digest, e), e);
}

/* The manifest's bytes, from the cache or else the registry; not yet put into the cache. */
static enum err_class get_manifest(struct registry *r, const char *repo, const struct digest *d, const struct cache *cache,
				   struct buf *out, struct err *e)
{
	char text[DIGEST_TEXT];
	bool found = false;
	if (cache_has(cache, d, NULL) && cache_read(cache, d, out, NULL) == OK)
		return OK; /* else: fetched anew */
	enum err_class c = registry_get_manifest(r, repo, digest_text(d, text), out, &found, e);
	if (c)
		return c;
	if (!found)
		return err_set(e, INVALID, R_ImageMissing, "registry: %s has no image %s", repo, text);
	struct digest got = digest_of(buf_str(out), out->len);
	if (!digest_eq(&got, d))
		return err_set(e, TRANSIENT, R_DigestMismatch, "registry: the manifest it gave is not %s", text);
	return registry_check_digest(r, d, "GET manifest", e);
}

static enum err_class pull(struct registry *r, const char *repo, const struct digest *d, const struct cache *cache, int depth,
			   struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	struct oci_manifest m = { 0 };
	struct digest stored;
	enum err_class c = get_manifest(r, repo, d, cache, &bytes, e);
	if (!c)
		c = oci_decode(buf_str(&bytes), bytes.len, &a, &m, e);
	if (!c && m.is_index && depth > 0)
		c = err_set(e, INVALID, R_BaseInvalid, "an index inside an index");
	if (!c && m.is_index)
		c = pull(r, repo, &m.child.digest, cache, depth + 1, e);
	if (!c && !m.is_index)
		c = fetch_blob(r, repo, &m.config, cache, e);
	for (size_t i = 0; !c && i < m.nlayers; i++)
		c = fetch_blob(r, repo, &m.layers[i], cache, e);
	/* last: a manifest in the cache has had its blobs there */
	return c ? c : cache_put(cache, buf_str(&bytes), bytes.len, &stored, e);
}

enum err_class registry_pull(struct registry *r, const char *repo, const struct digest *d, const struct cache *c, struct err *e)
{
	enum err_class cl = registry_check_repo(repo, e);
	return cl ? cl : pull(r, repo, d, c, 0, e);
}
