#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "reconcilers/providers/oci.h"
#include "reconcilers/providers/registry_impl.h"

/* From this size on a look whether the registry has the blob is cheaper than sending it in vain. */
enum { LOOK_FIRST = 1 << 20, MANIFEST_TRIES = 2, SEEN_MS = 10 * 60 * 1000 };

struct push {
	struct registry *r;
	const char *repo, *tag, *from_repo, *scope;
	const struct cache *cache;
	struct arena *a;
	struct buf *answer;
};

static enum err_class call(struct push *p, struct http_request *q, int *ret_status, struct err *e)
{
	q->out = p->answer;
	return registry_call(p->r, q, p->scope, ret_status, e);
}

static enum err_class blob_exists(struct push *p, const struct oci_blob *b, bool *ret, struct err *e)
{
	char text[DIGEST_TEXT];
	int status = 0;
	struct http_request q = { .method = "HEAD", .path = registry_path(p->a, p->repo, "blobs", digest_text(&b->digest, text)),
				  .redirects = 1 };
	enum err_class c = call(p, &q, &status, e);
	if (c)
		return c;
	if (status != 200 && status != 404)
		return registry_fail(p->r, status, p->answer, "HEAD blob", e);
	*ret = status == 200;
	return status == 200 ? registry_check_digest(p->r, &b->digest, "HEAD blob", e) : OK;
}

/* Opens an upload; with from, offers a mount of the blob from there first. *ret_location is NULL when the mount was granted. A refusal
 * of the mount (any 4xx) is answered by asking without it. */
static enum err_class open_upload(struct push *p, const struct oci_blob *b, const char *from, const char **ret_location, struct err *e)
{
	char text[DIGEST_TEXT];
	const char *const mount[] = { "mount", digest_text(&b->digest, text), "from", from, NULL };
	int status = 0;
	struct http_request q = { .method = "POST", .path = registry_path(p->a, p->repo, "blobs", "uploads/"), .query = from ? mount : NULL };
	enum err_class c = call(p, &q, &status, e);
	if (c && !(c == DENIED && from))
		return c;
	if (from && (c || (status >= 400 && status < 500 && status != 429)))
		return open_upload(p, b, NULL, ret_location, e);
	if (status == 201 && from) {
		*ret_location = NULL;
		return registry_check_digest(p->r, &b->digest, "mount", e);
	}
	if (status != 202)
		return registry_fail(p->r, status, p->answer, "POST upload", e);
	const char *location = http_header(p->r->http, "Location");
	if (!location)
		return err_set(e, TRANSIENT, R_RegistryProtocol, "registry: POST upload: no Location");
	c = http_resolve(p->r->http, location, p->a, ret_location, e);
	return c ? err_set(e, TRANSIENT, R_RegistryProtocol, "registry: POST upload: a Location that is not usable") : OK;
}

static enum err_class send_blob(struct push *p, const struct oci_blob *b, const char *location, struct err *e)
{
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
	char text[DIGEST_TEXT];
	const char *const query[] = { "digest", digest_text(&b->digest, text), NULL };
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int status = 0;
	enum err_class c = cache_open(p->cache, &b->digest, &fd, e);
	if (c)
		return c;
	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != b->size) {
		cache_drop(p->cache, &b->digest);
		return err_set(e, TRANSIENT, R_DigestMismatch, "%s is spoilt in the cache; dropped", text);
	}
	struct http_request q = { .method = "PUT", .url = location, .query = query, .headers = headers, .body_fd = fd,
				  .body_len = (size_t)b->size };
	c = call(p, &q, &status, e);
	if (c)
		return c;
	if (status == 201)
		return registry_check_digest(p->r, &b->digest, "PUT blob", e);
	if (strcmp(registry_error_code(p->answer, p->a), "DIGEST_INVALID") == 0)
		cache_drop(p->cache, &b->digest); /* the file is what was counted: it is spoilt */
	return registry_fail(p->r, status, p->answer, "PUT blob", e);
}

/* The opened upload that is not needed is given back; the registry forgets it by itself otherwise. */
static void cancel_upload(struct push *p, const char *location)
{
	int status = 0;
	struct http_request q = { .method = "DELETE", .url = location };
	enum err_class c = call(p, &q, &status, NULL);
	(void)c; /* see above */
}

static struct digest seen_key(const struct push *p, const struct oci_blob *b)
{
	char text[DIGEST_TEXT];
	return digest_of_str(arena_printf(p->a, "%s %s", p->repo, digest_text(&b->digest, text)));
}

static bool was_seen(const struct push *p, const struct oci_blob *b)
{
	struct digest key = seen_key(p, b);
	int64_t now = clock_mono_ms();
	for (size_t i = 0; i < REGISTRY_SEEN; i++)
		if (p->r->seen[i].until_ms > now && digest_eq(&p->r->seen[i].what, &key))
			return true;
	return false;
}

static void note_seen(struct push *p, const struct oci_blob *b)
{
	p->r->seen[p->r->next_seen] = (struct registry_seen){ seen_key(p, b), clock_mono_ms() + SEEN_MS };
	p->r->next_seen = (p->r->next_seen + 1) % REGISTRY_SEEN;
}

/* A mount from where the blob should be (the new repository itself for blobs of no other) both looks whether it is there and opens
 * the upload when it is not: one request where HEAD and POST would be two. Registries without mounts always open an upload. */
static enum err_class push_blob(struct push *p, const struct oci_blob *b, bool look, struct err *e)
{
	const char *location = NULL;
	enum err_class c = open_upload(p, b, look ? (p->from_repo ? p->from_repo : p->repo) : NULL, &location, e);
	if (c || !location)
		return c;
	if (look && b->size >= LOOK_FIRST) {
		bool there = false;
		c = blob_exists(p, b, &there, e);
		if (!c && there)
			cancel_upload(p, location);
		if (c || there)
			return c;
	}
	return send_blob(p, b, location, e);
}

static enum err_class push_layers(struct push *p, const struct oci_manifest *m, bool look, struct err *e)
{
	for (size_t i = 0; i < m->nlayers; i++) {
		if (look && was_seen(p, &m->layers[i]))
			continue;
		enum err_class c = push_blob(p, &m->layers[i], look, e);
		if (c)
			return c;
		note_seen(p, &m->layers[i]);
	}
	return OK;
}

/* The config goes beside the layers on a connection of its own: a registry on a disk syncs several files for each blob, and these
 * waits overlap. */
struct beside {
	struct push push;
	const struct oci_blob *blob;
	bool look;
	enum err_class class;
	struct err err;
};

static void *push_beside(void *ctx)
{
	struct beside *b = ctx;
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf answer = BUF_INIT(REGISTRY_ANSWER_MAX);
	b->push.a = &a;
	b->push.answer = &answer;
	b->class = push_blob(&b->push, b->blob, b->look, &b->err);
	return NULL;
}

static enum err_class push_blobs(struct push *p, const struct oci_manifest *m, bool look, struct err *e)
{
	struct registry *r = p->r;
	const struct registry_opts again = { r->url, r->auth_file, r->call_ms, (const char *const *)r->token_hosts };
	enum err_class c = r->second ? OK : registry_open(&again, &r->second, e);
	if (c)
		return c;
	struct beside config = { .push = *p, .blob = &m->config, .look = look, .err = ERR_INIT };
	config.push.r = r->second;
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, push_beside, &config);
	c = push_layers(p, m, look, e);
	if (failed)
		(void)push_beside(&config); /* no thread to be had: one after the other then */
	else
		(void)pthread_join(thread, NULL); /* cannot fail for a thread of ours */
	if (!c && config.class) {
		if (e)
			*e = config.err;
		return config.class;
	}
	return c;
}

/* *ret_unknown: the registry misses a blob that it said it has. */
static enum err_class put_manifest(struct push *p, const struct digest *d, const struct oci_manifest *m, const struct buf *bytes,
				   bool *ret_unknown, struct err *e)
{
	char text[DIGEST_TEXT];
	const char *const headers[] = { arena_printf(p->a, "Content-Type: %s", m->media_type), NULL };
	int status = 0;
	struct http_request q = { .method = "PUT", .headers = headers, .body = buf_str(bytes), .body_len = bytes->len,
				  .path = registry_path(p->a, p->repo, "manifests", p->tag ? p->tag : digest_text(d, text)) };
	enum err_class c = call(p, &q, &status, e);
	if (c)
		return c;
	*ret_unknown = false;
	if (status == 201)
		return registry_check_digest(p->r, d, "PUT manifest", e);
	const char *code = registry_error_code(p->answer, p->a);
	*ret_unknown = strcmp(code, "MANIFEST_BLOB_UNKNOWN") == 0 || strcmp(code, "BLOB_UNKNOWN") == 0;
	return registry_fail(p->r, status, p->answer, "PUT manifest", e);
}

static enum err_class push(struct push *p, const struct digest *d, struct err *e)
{
	AUTO_BUF struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	struct oci_manifest m = { 0 };
	enum err_class c = cache_read(p->cache, d, &bytes, e);
	if (!c)
		c = oci_decode(buf_str(&bytes), bytes.len, p->a, &m, e);
	if (!c && m.is_index)
		c = err_set(e, INVALID, R_BaseInvalid, "an index cannot be pushed, only an image");
	for (int try = 1; !c && try <= MANIFEST_TRIES; try++) {
		bool unknown = false;
		c = push_blobs(p, &m, try == 1, e);
		if (!c)
			c = put_manifest(p, d, &m, &bytes, &unknown, e);
		if (!c)
			break;
		if (unknown)
			memset(p->r->seen, 0, sizeof p->r->seen); /* a false "already there" */
		if (unknown && try < MANIFEST_TRIES)
			c = OK; /* send them all */
	}
	return c;
}

enum err_class registry_push(struct registry *r, const char *repo, const char *tag, const char *from_repo, const struct digest *manifest,
			     const struct cache *cache, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf answer = BUF_INIT(REGISTRY_ANSWER_MAX);
	struct push p = { .r = r, .repo = repo, .tag = tag, .from_repo = from_repo, .cache = cache, .a = &a, .answer = &answer };
	struct digest there;
	char text[DIGEST_TEXT];
	bool found = false;
	enum err_class c = registry_check_repo(repo, e);
	if (!c && from_repo)
		c = registry_check_repo(from_repo, e);
	if (!c)
		c = registry_head(r, repo, tag ? tag : digest_text(manifest, text), &found, &there, e);
	if (c || (found && digest_eq(&there, manifest)))
		return c;
	p.scope = from_repo ? arena_printf(&a, "repository:%s:pull,push repository:%s:pull", repo, from_repo) :
			      arena_printf(&a, "repository:%s:pull,push", repo);
	c = push(&p, manifest, e);
	return c ? (err_wrap(e, "push %s", repo), c) : OK;
}
