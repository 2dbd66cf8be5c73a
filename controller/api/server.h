/* What the parts of the API share: a request on its way through policy, route and handler to its reply. */
#ifndef FN_API_SERVER_H
#define FN_API_SERVER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "api/pool.h"

struct api {
	struct api_opts o;
	struct arena arena;
	struct pool *pool;
	const char *socket_path, *token_path, *uploads_dir;
	struct MHD_Daemon *local, *tcp;
	dev_t socket_dev; /* of our socket: another controller may have put its own in its place */
	ino_t socket_ino;
	int stop_fd;      /* an eventfd, readable once the API stops: streams wait on it */
	atomic_bool stopping;
	pthread_mutex_t lock;
	pthread_cond_t ended; /* a stream has */
	int streams;          /* under lock */
};

enum access {
	ACCESS_OPEN,  /* everyone who reaches the listener */
	ACCESS_READ,
	ACCESS_WRITE
};

struct request;
typedef enum err_class handler_fn(struct request *r, struct err *e);

/* Where a body goes that is too large to be collected. */
struct sink {
	enum err_class (*open)(struct request *r, struct err *e);
	enum err_class (*write)(struct request *r, const void *p, size_t n, struct err *e);
	void (*close)(struct request *r); /* always, also when the client went away */
};

struct endpoint {
	const char *method;
	const char *pattern; /* "/functions/{id}/logs"; {kind} is the plural of any kind, {id} a name or UUID, {digest} a digest, {version} "3" or "v3" */
	enum access access;
	handler_fn *handle;
	const char *query;   /* the query parameters it takes, separated by blanks */
	size_t body_max;     /* 0: a body is refused */
	const struct sink *sink; /* NULL: the body is collected in request.body */
};

struct request {
	struct api *api;
	struct MHD_Connection *conn;
	struct arena arena;
	const struct endpoint *route; /* NULL until matched */
	const char *method, *path; /* without /api */
	const char *allow;         /* the methods of the path; NULL when it is unknown */
	const char *actor;         /* who asks, once the policy has let them pass; else "" */
	bool local;                /* through the unix socket */

	enum kind kind;            /* of {kind} */
	const char *id, *digest, *rollback; /* of {id}, {digest} and {rollback}, or NULL */
	int64_t version;           /* of {version} */

	struct buf body;
	uint64_t body_seen;
	bool sink_open;
	void *sink_state;

	bool failed;               /* before the handler: err is the reply, the rest of the body is dropped */
	struct err err;
	json_t *problems;          /* problems[] of the reply to an error, or NULL */

	struct store *store;       /* borrowed; given back when the handler returns */
	struct MHD_Response *reply;
	int status;
	int64_t started_ms, deadline_ms;
};

/* routes.c. Matches r->path and fills route, kind, id, digest. INVALID NotFound, or MethodNotAllowed; *ret_allow lists the path's methods (in
 * the request's arena) whenever the path is known. */
enum err_class route_match(struct request *r, const char **ret_allow, struct err *e) MUST_USE;

/* policy.c: the one check in front of every handler. Sets r->actor. DENIED Unauthenticated or Forbidden. */
enum err_class policy_check(struct request *r, enum access access, struct err *e) MUST_USE;
/* Creates the token where there is none. */
enum err_class policy_init(struct api *a, struct err *e) MUST_USE;

/* request.c */
enum err_class request_store(struct request *r, struct store **ret, struct err *e) MUST_USE; /* the same one for the whole request */
const char *request_query(const struct request *r, const char *name); /* NULL when absent */
enum err_class request_bool(const struct request *r, const char *name, bool *ret, struct err *e) MUST_USE;
enum err_class request_int(const struct request *r, const char *name, int64_t min, int64_t max, int64_t fallback, int64_t *ret, struct err *e) MUST_USE;
/* A name in the query: NULL when absent, INVALID BadRequest when it breaks the rules. */
enum err_class request_name(const struct request *r, const char *name, const char **ret, struct err *e) MUST_USE;
/* Whether every parameter in the query is one that the route takes. */
enum err_class request_check_query(struct request *r, struct err *e) MUST_USE;
bool request_accepts_events(const struct request *r);
/* The object that {id} names in ?project= (or "default"), by UUID or name. INVALID NotFound. */
enum err_class request_object(struct request *r, enum kind kind, const char **ret_project, const char **ret_name, struct err *e) MUST_USE;
/* The function that {id} names. INVALID NotFound unless it exists. */
enum err_class request_function(struct request *r, const char **ret_project, const char **ret_name, struct err *e) MUST_USE;
/* Gives the store back before the handler's end, where the rest may take long. */
void request_give_store(struct request *r);

/* cursor.c */
enum cursor_form {
	CURSOR_NUMBER,  /* "17": a version, the number of an entry */
	CURSOR_MOMENT,  /* "2026-11-20T13:05:00.123456Z_<id>" */
	CURSOR_OBJECT,  /* "default/hello" */
	CURSOR_VERSION  /* "default hello <id of the function> 17" */
};
/* NULL for the first page. INVALID BadRequest for what no page can have given. */
enum err_class request_cursor(const struct request *r, enum cursor_form form, const char **ret, struct err *e) MUST_USE;

/* reply.c. The last one given is sent. */
void reply_json(struct request *r, int status, json_t *j /* stolen */);
void reply_text(struct request *r, int status, const char *text);
void reply_error(struct request *r, const struct err *e);
void reply_stream(struct request *r, struct MHD_Response *reply); /* stolen */
void reply_header(struct request *r, const char *name, const char *value);
int error_status(const struct err *e, const json_t *problems);
json_t *error_json(const struct err *e, int status);

#endif
