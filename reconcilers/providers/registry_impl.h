/* Shared by the files of the registry client only. */
#ifndef FN_PROVIDERS_REGISTRY_IMPL_H
#define FN_PROVIDERS_REGISTRY_IMPL_H

#include "net/http.h"
#include "reconcilers/providers/registry.h"

enum { REGISTRY_TOKENS = 8, REGISTRY_SEEN = 256, REGISTRY_ANSWER_MAX = 64 << 10 };

struct registry_token {
	char *scope, *value;
	int64_t expires_ms; /* monotonic */
};

/* A blob that the registry said a repository has: a base's layers are not asked for again with every push. */
struct registry_seen {
	struct digest what;   /* of repository and blob together */
	int64_t until_ms;     /* monotonic */
};

struct registry {
	struct http *http;
	char *url, *auth_file;
	char **token_hosts; /* NULL-terminated */
	int64_t call_ms;
	bool basic;         /* send user and password; false once the registry asked for a token */
	struct registry_token tokens[REGISTRY_TOKENS]; /* a ring: one for each scope used lately */
	size_t next_token;
	struct registry_seen seen[REGISTRY_SEEN]; /* a ring */
	size_t next_seen;
	struct registry *second; /* a second connection, for what is sent at the same time; NULL until needed */
};

/* A WWW-Authenticate value (RFC 9110, 11.6.1): its first challenge. */
struct challenge {
	const char *scheme; /* as sent: "Bearer", "Basic" */
	const char *realm, *service; /* NULL when absent */
};
bool challenge_parse(const char *value, struct arena *a, struct challenge *ret);

/* The Authorization value for a request of that scope ("repository:x:pull,push", several separated by spaces), or NULL for none, from
 * what is known. It lives in *ret_secret, which the caller wipes. */
enum err_class auth_known(struct registry *r, const char *scope, struct buf *ret_secret, const char **ret, struct err *e) MUST_USE;
/* After a 401: obeys the challenge; *ret_again is false when nothing better is known than what was sent. */
enum err_class auth_challenged(struct registry *r, const char *scope, const char *www_authenticate, bool *ret_again, struct err *e) MUST_USE;
void auth_release(struct registry *r);

/* A buffer that held a secret: overwritten before it is freed. */
void secret_release(struct buf *b);
#define AUTO_SECRET __attribute__((cleanup(secret_release)))

/* One request with credentials, again once after a 401 that says how. q->out is set: it gets the answer, emptied first. */
enum err_class registry_call(struct registry *r, struct http_request *q, const char *scope, int *ret_status, struct err *e) MUST_USE;
/* What an unexpected status means, with the error code of the answer: always fails. */
enum err_class registry_fail(struct registry *r, int status, const struct buf *answer, const char *what, struct err *e);
/* The code of an error answer (distribution-spec, "Error codes"), or "". */
const char *registry_error_code(const struct buf *answer, struct arena *a);

const char *registry_path(struct arena *a, const char *repo, const char *kind, const char *reference);
enum err_class registry_check_repo(const char *repo, struct err *e) MUST_USE;
/* The manifest's bytes into *out. *ret_found is false for 404. reference: digest or tag. */
enum err_class registry_get_manifest(struct registry *r, const char *repo, const char *reference, struct buf *out, bool *ret_found,
				     struct err *e) MUST_USE;
/* A Docker-Content-Digest of the last answer that is SHA-256 but not *want: TRANSIENT DigestMismatch. */
enum err_class registry_check_digest(struct registry *r, const struct digest *want, const char *what, struct err *e) MUST_USE;

#endif
