#include "net/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"

enum { CONNECT_MS = 3000, STALL_MS = 10000, TRANSFER_BUFFER = 256 << 10 };

struct http {
	CURL *easy;
	CURLU *base, *last; /* last: the URL of the last exchange; http_resolve starts from it */
	char *socket, *ca_file, *user_agent;
	char *host;         /* "host:port" or the socket's path: what errors name */
	int64_t connect_ms, stall_ms, total_ms;
	enum reason unavailable, denied, protocol;
	CURLcode setup;     /* the first option that could not be set in this exchange */
};

/* What the callbacks of one exchange share. */
struct exchange {
	struct http *h;
	const struct http_request *r;
	struct err err;       /* what a callback failed with */
	bool stopped, stalled, overflow;
	uint64_t given;       /* bytes given to chunk */
	off_t body_start, body_at;
	curl_off_t moved;     /* bytes of both bodies at the last look */
	int64_t moved_at_ms, stall_ms;
};

#define AUTO_CURLU __attribute__((cleanup(cleanup_curlu)))
#define AUTO_CURL_STR __attribute__((cleanup(cleanup_curl_str)))
#define AUTO_SLIST __attribute__((cleanup(cleanup_slist)))
static void cleanup_curlu(CURLU **u) { curl_url_cleanup(*u); }
static void cleanup_curl_str(char **s) { curl_free(*s); }
static void cleanup_slist(struct curl_slist **l) { curl_slist_free_all(*l); }

#define SET(h, option, value) \
	do { \
		CURLcode set_rc = curl_easy_setopt((h)->easy, option, value); \
		if (set_rc != CURLE_OK && (h)->setup == CURLE_OK) \
			(h)->setup = set_rc; \
	} while (0)

static void init_library(void) { (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* a failure shows in curl_easy_init */ }

static enum reason or_internal(enum reason r) { return r == R_None ? R_Internal : r; }

static enum err_class parse_base(struct http *h, const char *base, struct err *e)
{
	static const char unix_prefix[] = "unix:";
	bool is_unix = strncmp(base, unix_prefix, sizeof unix_prefix - 1) == 0;
	if (is_unix) {
		h->socket = xstrdup(base + sizeof unix_prefix - 1);
		base = "http://localhost";
	}
	AUTO_CURL_STR char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *query = NULL;
	if ((is_unix && h->socket[0] != '/') || curl_url_set(h->base, CURLUPART_URL, base, CURLU_DISALLOW_USER) != CURLUE_OK ||
	    curl_url_get(h->base, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(h->base, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(h->base, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(h->base, CURLUPART_PATH, &path, 0) != CURLUE_OK || strcmp(path, "/") != 0 ||
	    curl_url_get(h->base, CURLUPART_QUERY, &query, 0) != CURLUE_NO_QUERY ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		/* the text is not repeated: it may hold a password */
		return err_set(e, INVALID, R_InvalidValue, "a server address must be http://host:port, https://host or unix:/path");
	h->host = is_unix ? xstrdup(h->socket) : xprintf("%s:%s", host, port);
	return OK;
}

enum err_class http_open(const struct http_opts *o, struct http **ret, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, init_library); /* fails for a bad argument only */
	struct http *h = xcalloc(1, sizeof *h);
	h->easy = curl_easy_init();
	h->base = curl_url();
	if (!h->easy || !h->base) {
		http_free(h);
		return err_set(e, BUG, R_OutOfResources, "libcurl did not start");
	}
	h->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
	h->stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
	h->total_ms = o->total_ms;
	h->ca_file = o->ca_file ? xstrdup(o->ca_file) : NULL;
	h->user_agent = xstrdup(o->user_agent ? o->user_agent : "fn");
	h->unavailable = or_internal(o->unavailable);
	h->denied = or_internal(o->denied);
	h->protocol = or_internal(o->protocol);
	enum err_class c = parse_base(h, o->base, e);
	if (c) {
		http_free(h);
		return c;
	}
	*ret = h;
	return OK;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	curl_url_cleanup(h->base);
	curl_url_cleanup(h->last);
	free(h->socket);
	free(h->ca_file);
	free(h->user_agent);
	free(h->host);
	free(h);
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	AUTO_CURL_STR char *x = NULL, *y = NULL;
	return curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	       curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(x, y) == 0;
}

static bool same_origin(CURLU *a, CURLU *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) && same_part(a, b, CURLUPART_PORT);
}

static bool scheme_is(CURLU *u, const char *want)
{
	AUTO_CURL_STR char *scheme = NULL;
	return curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcasecmp(scheme, want) == 0;
}

/* A path made of these (RFC 3986 pchar and "/") goes out as it is: "sha256:…" stays readable for servers that match before decoding. */
static bool path_is_plain(const char *path)
{
	return path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/")] == '\0';
}

static enum err_class request_url(const struct http *h, const struct http_request *r, CURLU **ret, struct err *e)
{
	AUTO_CURLU CURLU *u = r->url ? curl_url() : curl_url_dup(h->base);
	CURLUcode rc = CURLUE_OK;
	if (r->url)
		rc = curl_url_set(u, CURLUPART_URL, r->url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
	else
		rc = curl_url_set(u, CURLUPART_PATH, r->path, path_is_plain(r->path) ? 0 : CURLU_URLENCODE);
	for (const char *const *q = r->query; q && *q && rc == CURLUE_OK; q += 2) {
		AUTO_FREE char *pair = xprintf("%s=%s", q[0], q[1]); /* encoded by the next line; names are ours */
		rc = curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE);
	}
	if (rc != CURLUE_OK || (!scheme_is(u, "http") && !scheme_is(u, "https")))
		return err_set(e, INVALID, R_InvalidValue, "%s: a request's URL is not valid", h->host);
	*ret = u;
	u = NULL;
	return OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	long status = 0;
	n *= size;
	if (curl_easy_getinfo(x->h->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		return 0;
	if (x->r->chunk && status >= 200 && status < 300) {
		x->given += n;
		x->overflow = x->r->max && x->given > x->r->max;
		if (x->overflow)
			return 0;
		x->stopped = !x->r->chunk(x->r->ctx, p, n, &x->err);
		return x->stopped ? 0 : n;
	}
	if (!x->r->out || (x->r->redirects > 0 && status >= 300 && status < 400))
		return n;
	x->overflow = !buf_add(x->r->out, p, n);
	return x->overflow ? 0 : n;
}

static size_t on_send(char *p, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	size_t left = x->r->body_len - (size_t)(x->body_at - x->body_start);
	size_t want = size * n < left ? size * n : left;
	ssize_t got;
	do
		got = pread(x->r->body_fd, p, want, x->body_at);
	while (got < 0 && errno == EINTR);
	if (got < 0 || (got == 0 && want > 0)) {
		(void)err_errno(&x->err, got < 0 ? errno : EIO, TRANSIENT, R_Internal, "read a request's body");
		return CURL_READFUNC_ABORT;
	}
	x->body_at += got;
	return (size_t)got;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct exchange *x = ctx;
	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	x->body_at = x->body_start + offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	struct exchange *x = ctx;
	(void)dltotal;
	(void)ultotal;
	int64_t now = clock_mono_ms();
	if (dlnow + ulnow != x->moved) {
		x->moved = dlnow + ulnow;
		x->moved_at_ms = now;
	}
	x->stalled = x->stall_ms > 0 && now - x->moved_at_ms > x->stall_ms;
	return x->stalled;
}

static bool has_header(const char *const *headers, const char *name)
{
	for (; headers && *headers; headers++)
		if (strncasecmp(*headers, name, strlen(name)) == 0)
			return true;
	return false;
}

static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *grown = curl_slist_append(*list, line);
	if (grown)
		*list = grown;
	return grown != NULL;
}

static bool add_headers(struct curl_slist **list, const struct http_request *r, bool authorize)
{
	bool ok = add_header(list, "Expect:"); /* no 100-continue: it costs a round trip */
	if (!has_header(r->headers, "Content-Type:"))
		ok = ok && add_header(list, "Content-Type:"); /* not libcurl's guess of a form */
	for (const char *const *line = r->headers; line && *line; line++)
		ok = ok && strpbrk(*line, "\r\n") == NULL && add_header(list, *line);
	if (r->authorization && authorize) {
		AUTO_FREE char *line = xprintf("Authorization: %s", r->authorization);
		ok = ok && strpbrk(line, "\r\n") == NULL && add_header(list, line);
		explicit_bzero(line, strlen(line));
	}
	return ok;
}

static void set_body(struct http *h, const struct http_request *r, const char *method, struct exchange *x)
{
	if (strcmp(method, "HEAD") == 0) {
		SET(h, CURLOPT_NOBODY, 1L);
		return;
	}
	if (r->body_fd > 0) {
		SET(h, CURLOPT_UPLOAD, 1L);
		SET(h, CURLOPT_READFUNCTION, on_send);
		SET(h, CURLOPT_READDATA, x);
		SET(h, CURLOPT_SEEKFUNCTION, on_seek);
		SET(h, CURLOPT_SEEKDATA, x);
		SET(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_len);
	} else if (r->body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0) {
		SET(h, CURLOPT_POST, 1L);
		SET(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
		SET(h, CURLOPT_POSTFIELDS, r->body ? r->body : "");
	}
	if (strcmp(method, "GET") != 0 || r->body_fd > 0 || r->body)
		SET(h, CURLOPT_CUSTOMREQUEST, method);
}

static int64_t limit_or(int64_t asked, int64_t opened) { return asked < 0 ? 0 : asked ? asked : opened; }

static void set_options(struct http *h, const struct http_request *r, CURLU *u, struct exchange *x)
{
	curl_easy_reset(h->easy); /* forgets options and headers; connections stay */
	h->setup = CURLE_OK;
	SET(h, CURLOPT_CURLU, u);
	SET(h, CURLOPT_NOSIGNAL, 1L);
	SET(h, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(h, CURLOPT_PROXY, "");
	SET(h, CURLOPT_USERAGENT, h->user_agent);
	SET(h, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
	SET(h, CURLOPT_TIMEOUT_MS, (long)limit_or(r->total_ms, h->total_ms));
	SET(h, CURLOPT_BUFFERSIZE, (long)TRANSFER_BUFFER);
	SET(h, CURLOPT_UPLOAD_BUFFERSIZE, (long)TRANSFER_BUFFER);
	SET(h, CURLOPT_WRITEFUNCTION, on_body);
	SET(h, CURLOPT_WRITEDATA, x);
	SET(h, CURLOPT_NOPROGRESS, 0L);
	SET(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(h, CURLOPT_XFERINFODATA, x);
	if (h->ca_file)
		SET(h, CURLOPT_CAINFO, h->ca_file);
	if (h->socket)
		SET(h, CURLOPT_UNIX_SOCKET_PATH, h->socket);
	set_body(h, r, r->method ? r->method : "GET", x);
}

/* The one place where a CURLcode becomes a class. */
static enum err_class curl_err(const struct exchange *x, CURLcode rc, struct err *e)
{
	const struct http *h = x->h;
	const char *text = curl_easy_strerror(rc);
	switch ((int)rc) { /* not all hundred codes, and each libcurl has more */
	case CURLE_URL_MALFORMAT:
		return err_set(e, INVALID, R_InvalidValue, "%s: %s", h->host, text);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return err_set(e, DENIED, h->denied, "%s: %s", h->host, text);
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_NOT_BUILT_IN:
		return err_set(e, BUG, R_Internal, "%s: %s", h->host, text);
	case CURLE_UNSUPPORTED_PROTOCOL: /* the scheme was looked at before: an answer that is not HTTP */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return err_set(e, TRANSIENT, h->protocol, "%s: %s", h->host, text);
	default: { /* name resolution, connecting, timeouts, broken connections, TLS handshakes */
		long os = 0;
		if (rc == CURLE_COULDNT_CONNECT && curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &os) == CURLE_OK && os)
			return err_errno(e, (int)os, TRANSIENT, h->unavailable, "%s: %s", h->host, text);
		return err_set(e, TRANSIENT, h->unavailable, "%s: %s", h->host, text);
	}
	}
}

static enum err_class finish(const struct exchange *x, CURLcode rc, struct err *e)
{
	if (x->overflow)
		return err_set(e, INVALID, R_TooLarge, "%s: the answer is larger than %llu bytes", x->h->host,
			       (unsigned long long)(x->r->chunk && x->r->max ? x->r->max : x->r->out ? x->r->out->max : 0));
	if (x->err.class) {
		if (e)
			*e = x->err;
		return x->err.class;
	}
	if (x->stopped)
		return OK;
	if (x->stalled)
		return err_set(e, TRANSIENT, x->h->unavailable, "%s: nothing moved for %lld ms", x->h->host, (long long)x->stall_ms);
	return rc == CURLE_OK ? OK : curl_err(x, rc, e);
}

static enum err_class exchange_once(struct http *h, const struct http_request *r, CURLU *u, int *ret_status, struct err *e)
{
	struct exchange x = { .h = h, .r = r, .err = ERR_INIT, .moved_at_ms = clock_mono_ms(),
			      .stall_ms = limit_or(r->stall_ms, h->stall_ms) };
	if (r->body_fd > 0) {
		x.body_start = lseek(r->body_fd, 0, SEEK_CUR);
		if (x.body_start < 0)
			return err_errno(e, errno, BUG, R_Internal, "a request's body cannot be sent twice");
		x.body_at = x.body_start;
	}
	AUTO_SLIST struct curl_slist *headers = NULL;
	set_options(h, r, u, &x);
	if (!add_headers(&headers, r, same_origin(u, h->base)))
		return err_set(e, INVALID, R_InvalidValue, "%s: a request's header is not valid", h->host);
	SET(h, CURLOPT_HTTPHEADER, headers);
	enum err_class c = finish(&x, h->setup != CURLE_OK ? h->setup : curl_easy_perform(h->easy), e);
	SET(h, CURLOPT_HTTPHEADER, NULL);
	long status = 0;
	if (!c && (curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 100))
		return err_set(e, TRANSIENT, h->protocol, "%s: no HTTP status", h->host);
	if (!c)
		*ret_status = (int)status;
	return c;
}

static bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

enum err_class http_do(struct http *h, const struct http_request *r, int *ret_status, struct err *e)
{
	AUTO_CURLU CURLU *u = NULL;
	enum err_class c = request_url(h, r, &u, e);
	if (c)
		return c;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *method = r->method ? r->method : "GET";
	bool may_follow = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	for (int left = may_follow ? r->redirects : 0;; left--) {
		curl_url_cleanup(h->last);
		h->last = curl_url_dup(u);
		int status = 0;
		c = exchange_once(h, r, u, &status, e);
		if (c)
			return err_wrap(e, "%s", method), c;
		const char *location = is_redirect(status) ? http_header(h, "Location") : NULL;
		if (!location || r->redirects == 0 || !may_follow) {
			*ret_status = status;
			return OK;
		}
		if (left == 0)
			return err_set(e, TRANSIENT, h->protocol, "%s: more than %d redirects", h->host, r->redirects);
		const char *next = NULL;
		c = http_resolve(h, location, &a, &next, e);
		if (c)
			return c;
		if (curl_url_set(u, CURLUPART_URL, next, CURLU_PATH_AS_IS) != CURLUE_OK || (h->socket && !same_origin(u, h->base)))
			return err_set(e, TRANSIENT, h->protocol, "%s: redirected to where it cannot be followed", h->host);
	}
}

const char *http_header(const struct http *h, const char *name)
{
	struct curl_header *found;
	return curl_easy_header(h->easy, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : NULL;
}

enum err_class http_resolve(const struct http *h, const char *location, struct arena *a, const char **ret, struct err *e)
{
	AUTO_CURLU CURLU *u = curl_url_dup(h->last ? h->last : h->base);
	AUTO_CURL_STR char *text = NULL;
	bool was_https = scheme_is(u, "https");
	if (curl_url_set(u, CURLUPART_URL, location, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) != CURLUE_OK ||
	    !(scheme_is(u, "https") || (!was_https && scheme_is(u, "http"))) ||
	    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return err_set(e, INVALID, h->protocol, "%s: answered with a Location that is not usable", h->host);
	*ret = arena_strdup(a, text);
	return OK;
}

bool http_origin_of(const char *url, struct arena *a, struct http_origin *ret)
{
	AUTO_CURLU CURLU *u = curl_url();
	AUTO_CURL_STR char *scheme = NULL, *host = NULL, *port = NULL;
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK || curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return false;
	*ret = (struct http_origin){ arena_strdup(a, scheme), arena_strdup(a, host), arena_strdup(a, port) };
	return true;
}

enum err_class http_status_err(const struct http *h, int status, const char *what, struct err *e)
{
	if (status >= 200 && status < 300)
		return OK;
	switch (status) {
	case 401:
	case 403:
		return err_set(e, DENIED, h->denied, "%s: %s: HTTP %d", h->host, what, status);
	case 404:
	case 410:
		return err_set(e, INVALID, R_NotFound, "%s: %s: HTTP %d", h->host, what, status);
	case 409:
	case 412:
	case 425:
		return err_set(e, CONFLICT, h->protocol, "%s: %s: HTTP %d", h->host, what, status);
	case 413:
		return err_set(e, INVALID, R_TooLarge, "%s: %s: HTTP %d", h->host, what, status);
	case 408:
	case 429:
		return err_set(e, TRANSIENT, h->unavailable, "%s: %s: HTTP %d", h->host, what, status);
	default:
		return err_set(e, TRANSIENT, status >= 500 && status < 600 ? h->unavailable : h->protocol, "%s: %s: HTTP %d", h->host,
			       what, status);
	}
}
