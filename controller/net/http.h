/* HTTP: the only user of libcurl. A small blocking client: one handle, one thread, connections kept alive.
 *
 * TLS certificates are verified. Redirects are not followed unless asked for. Environment proxies are not used.
 * No error message holds a header, a body, a query or user information: host, method and path at most. */
#ifndef FN_NET_HTTP_H
#define FN_NET_HTTP_H

#include "base/mem.h"

struct http;

struct http_opts {
	const char *base;       /* "http://host:port", "https://host", or "unix:/absolute/path" */
	int64_t connect_ms;     /* 0: 3 s */
	int64_t stall_ms;       /* no byte of either body for so long; looked at about once a second. 0: 10 s */
	int64_t total_ms;       /* the whole exchange; 0: no such limit */
	const char *ca_file;    /* PEM; NULL: the system's */
	const char *user_agent; /* NULL: "fn" */
	enum reason unavailable; /* reasons that failures of this peer get; R_None: Internal */
	enum reason denied;
	enum reason protocol;
};

/* Connects at the first request. INVALID InvalidValue for a base that is none of the forms above. */
enum err_class http_open(const struct http_opts *o, struct http **ret, struct err *e) MUST_USE;
void http_free(struct http *h);

/* Part of a 2xx body; false ends the exchange, which then fails with what is in *e, or is OK where *e was left alone. */
typedef bool http_chunk_fn(void *ctx, const void *p, size_t n, struct err *e);

struct http_request {
	const char *method;           /* NULL: "GET" */
	const char *path;             /* "/v2/": plain text, percent-encoded here where needed; slashes separate */
	const char *url;              /* instead of path: absolute, from http_resolve */
	const char *const *query;     /* name, value, name, value, …, NULL: encoded and appended; NULL: none */
	const char *const *headers;   /* "Name: value", …, NULL; NULL: none */
	const char *authorization;    /* a whole Authorization value; sent to base's origin (scheme, host, port) only */
	const void *body;             /* body in memory, body_len bytes; an empty POST or PUT has body NULL */
	size_t body_len;
	int body_fd;                  /* instead: body_len bytes at the descriptor's offset, which must be seekable; 0: none */
	struct buf *out;              /* the response body, whatever the status; TooLarge beyond its maximum */
	http_chunk_fn *chunk;         /* instead for 2xx: called as bytes arrive (server-sent events, files); others go to out */
	void *ctx;
	uint64_t max;                 /* bytes given to chunk before the exchange fails with TooLarge; 0: no limit */
	int redirects;                /* follow so many 301, 302, 303, 307 and 308 answers of a GET or HEAD; never from https to http */
	int64_t stall_ms, total_ms;   /* 0: as opened; -1: none (an event stream) */
};

/* One exchange. OK means that a whole answer arrived, whatever its status. TRANSIENT with the peer's `unavailable` when it cannot be
 * reached, stalls or breaks off; DENIED when its certificate is not good; INVALID InvalidValue for a bad URL; INVALID TooLarge. */
enum err_class http_do(struct http *h, const struct http_request *r, int *ret_status, struct err *e) MUST_USE;

/* Of the last exchange: the first header of that name (case-insensitive), or NULL. Borrowed until the next http_do. */
const char *http_header(const struct http *h, const char *name);

/* A Location of the last exchange (absolute or relative) as an absolute http or https URL in the arena; INVALID with the peer's
 * `protocol` otherwise, also for one that leads from https to http. */
enum err_class http_resolve(const struct http *h, const char *location, struct arena *a, const char **ret, struct err *e)
	MUST_USE;

/* Scheme, host and port of an absolute URL, as strings in the arena; false when it is not http or https. */
struct http_origin {
	const char *scheme, *host, *port;
};
bool http_origin_of(const char *url, struct arena *a, struct http_origin *ret);

/* The class of a status: 2xx OK; 401 and 403 DENIED `denied`; 404 and 410 INVALID NotFound; 409, 412 and 425 CONFLICT `protocol`;
 * 408, 429 and 5xx TRANSIENT `unavailable`; 413 INVALID TooLarge; anything else TRANSIENT `protocol`. what: "HEAD image x". */
enum err_class http_status_err(const struct http *h, int status, const char *what, struct err *e) MUST_USE;

#endif
