#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "reconcilers/providers/image.h"
#include "reconcilers/providers/oci.h"
#include "reconcilers/providers/registry_impl.h"

enum { CALL_MS = 10000, SECRET_BUF_MAX = 64 << 10 };

static const char *const accept_manifests[] = {
	"Accept: " OCI_TYPE_MANIFEST,
	"Accept: " OCI_TYPE_INDEX,
	"Accept: " DOCKER_TYPE_MANIFEST,
	"Accept: " DOCKER_TYPE_INDEX,
	NULL,
};

static char **copy_list(const char *const *list)
{
	size_t n = 0;
	while (list && list[n])
		n++;
	char **copy = xcalloc(n + 1, sizeof *copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(list[i]);
	return copy;
}

enum err_class registry_open(const struct registry_opts *o, struct registry **ret, struct err *e)
{
	struct http *http = NULL;
	int64_t call_ms = o->call_ms ? o->call_ms : CALL_MS;
	struct http_opts opts = { .base = o->url, .stall_ms = call_ms, .unavailable = R_RegistryUnavailable,
				  .denied = R_RegistryDenied, .protocol = R_RegistryProtocol };
	enum err_class c = http_open(&opts, &http, e);
	if (c)
		return err_wrap(e, "registry"), c;
	struct registry *r = xcalloc(1, sizeof *r);
	r->http = http;
	r->url = xstrdup(o->url);
	r->auth_file = o->auth_file ? xstrdup(o->auth_file) : NULL;
	r->token_hosts = copy_list(o->token_hosts);
	r->call_ms = call_ms;
	r->basic = o->auth_file != NULL; /* spares the 401 where Basic is what the registry wants */
	*ret = r;
	return OK;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	registry_free(r->second);
	auth_release(r);
	http_free(r->http);
	for (char **host = r->token_hosts; *host; host++)
		free(*host);
	free(r->token_hosts);
	free(r->url);
	free(r->auth_file);
	free(r);
}

const char *registry_path(struct arena *a, const char *repo, const char *kind, const char *reference)
{
	return arena_printf(a, "/v2/%s/%s/%s", repo, kind, reference);
}

enum err_class registry_check_repo(const char *repo, struct err *e)
{
	return image_repo_valid(repo) ? OK : err_set(e, INVALID, R_InvalidName, "not a repository's name: \"%.100s\"", repo);
}

enum err_class registry_call(struct registry *r, struct http_request *q, const char *scope, int *ret_status, struct err *e)
{
	AUTO_SECRET struct buf secret = BUF_INIT(SECRET_BUF_MAX);
	int status = 0;
	for (bool first = true, again = false; first || again; first = false) {
		buf_clear(q->out);
		enum err_class c = auth_known(r, scope, &secret, &q->authorization, e);
		if (!c)
			c = http_do(r->http, q, &status, e);
		again = false;
		if (!c && status == 401 && first)
			c = auth_challenged(r, scope, http_header(r->http, "WWW-Authenticate"), &again, e);
		q->authorization = NULL;
		if (c)
			return err_wrap(e, "registry"), c;
	}
	*ret_status = status;
	return OK;
}

const char *registry_error_code(const struct buf *answer, struct arena *a)
{
	AUTO_JSON json_t *j = NULL;
	struct err ignored = ERR_INIT;
	if (json_parse(buf_str(answer), answer->len, &j, &ignored) != OK)
		return "";
	const char *code = json_str_or(json_array_get(json_object_get(j, "errors"), 0), "code", "");
	/* it goes into messages: nothing but the spec's kind of word does */
	return strlen(code) <= 40 && code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0' ? arena_strdup(a, code) : "";
}

enum err_class registry_fail(struct registry *r, int status, const struct buf *answer, const char *what, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *code = registry_error_code(answer, &a);
	const char *text = arena_printf(&a, "%s%s%s", what, *code ? ": " : "", code);
	if (status == 405 || strcmp(code, "UNSUPPORTED") == 0)
		return err_set(e, DENIED, R_RegistryDenied, "registry: %s: not allowed there (HTTP %d)", text, status);
	if (strcmp(code, "DIGEST_INVALID") == 0)
		return err_set(e, TRANSIENT, R_DigestMismatch, "registry: %s: HTTP %d", text, status);
	enum err_class c = http_status_err(r->http, status, text, e);
	if (c == OK || c == INVALID || c == CONFLICT) /* neither a function's owner nor a second look can mend a registry */
		return err_set(e, TRANSIENT, R_RegistryProtocol, "registry: %s: unexpected HTTP %d", text, status);
	return err_wrap(e, "registry"), c;
}

enum err_class registry_check_digest(struct registry *r, const struct digest *want, const char *what, struct err *e)
{
	struct digest got;
	char text[DIGEST_TEXT];
	const char *header = http_header(r->http, "Docker-Content-Digest");
	if (!header || !digest_parse(header, &got) || digest_eq(&got, want))
		return OK;
	return err_set(e, TRANSIENT, R_DigestMismatch, "registry: %s: it has %s instead", what, digest_text(&got, text));
}

static const char *pull_scope(struct arena *a, const char *repo) { return arena_printf(a, "repository:%s:pull", repo); }

enum err_class registry_get_manifest(struct registry *r, const char *repo, const char *reference, struct buf *out, bool *ret_found,
				     struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	int status = 0;
	struct http_request q = { .path = registry_path(&a, repo, "manifests", reference), .headers = accept_manifests, .out = out };
	enum err_class c = registry_call(r, &q, pull_scope(&a, repo), &status, e);
	if (c)
		return c;
	if (status != 200 && status != 404)
		return registry_fail(r, status, out, arena_printf(&a, "GET manifest %s", repo), e);
	*ret_found = status == 200;
	return OK;
}

enum err_class registry_head(struct registry *r, const char *repo, const char *reference, bool *ret_found, struct digest *ret_digest,
			     struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf body = BUF_INIT(OCI_MANIFEST_MAX);
	struct digest want, got;
	int status = 0;
	bool found = true, by_digest = digest_parse(reference, &want);
	struct http_request q = { .method = "HEAD", .path = registry_path(&a, repo, "manifests", reference), .headers = accept_manifests,
				  .out = &body };
	enum err_class c = registry_check_repo(repo, e);
	if (!c)
		c = registry_call(r, &q, pull_scope(&a, repo), &status, e);
	if (c)
		return c;
	if (status != 200 && status != 404)
		return registry_fail(r, status, &body, arena_printf(&a, "HEAD manifest %s", repo), e);
	if (status == 404) {
		*ret_found = false;
		return OK;
	}
	if (!digest_parse(http_header(r->http, "Docker-Content-Digest"), &got)) { /* the header is optional: count for ourselves */
		c = registry_get_manifest(r, repo, reference, &body, &found, e);
		if (c)
			return c;
		got = digest_of(buf_str(&body), body.len);
	}
	if (found && by_digest && !digest_eq(&got, &want))
		return err_set(e, TRANSIENT, R_DigestMismatch, "registry: HEAD manifest %s: it answers with another digest", repo);
	*ret_found = found;
	if (found)
		*ret_digest = got;
	return OK;
}

enum err_class registry_delete(struct registry *r, const char *repo, const struct digest *d, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf answer = BUF_INIT(REGISTRY_ANSWER_MAX);
	char text[DIGEST_TEXT];
	int status = 0;
	struct http_request q = { .method = "DELETE", .path = registry_path(&a, repo, "manifests", digest_text(d, text)), .total_ms = REGISTRY_DELETE_MS,
				  .out = &answer };
	enum err_class c = registry_check_repo(repo, e);
	if (!c)
		c = registry_call(r, &q, arena_printf(&a, "repository:%s:delete", repo), &status, e);
	if (c || status == 202 || status == 200 || status == 404)
		return c;
	return registry_fail(r, status, &answer, arena_printf(&a, "DELETE manifest %s", repo), e);
}
