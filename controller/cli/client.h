/* The API, as fnctl sees it: JSON in, JSON out, problems as errors. */
#ifndef FN_CLI_CLIENT_H
#define FN_CLI_CLIENT_H

#include "cli/cli.h"
#include "net/http.h"

struct client;

/* Opens at first use, from --server, $FN_SERVER, or the socket below $FN_HOME. */
enum err_class cli_client(struct cli *c, struct client **ret, struct err *e) MUST_USE;
void client_free(struct client *cl);

/* One exchange. body may be NULL. *ret (may be NULL) is a new reference to the answer's JSON. A problem document becomes an error with
 * its class, reason and detail; its "problems" are kept for fail(). TRANSIENT ControllerUnavailable when nobody answers. */
enum err_class client_call(struct client *cl, const char *method, const char *path, const char *const *query, const json_t *body, json_t **ret,
			   struct err *e) MUST_USE;

/* fail() of a call about one version: where there is the function but not that version, the next step is its history. */
enum exit_code fail_version(struct cli *c, const char *function, int64_t version, const struct err *e);

/* HEAD: whether it is there. */
enum err_class client_exists(struct client *cl, const char *path, bool *ret, struct err *e) MUST_USE;
/* PUT of a file's content from the descriptor's start. */
enum err_class client_upload(struct client *cl, const char *path, int fd, uint64_t size, struct err *e) MUST_USE;

/* Server-sent events until each() returns false or the stream ends: called with the event's name ("message" when it has none) and parsed data. */
typedef bool client_event_fn(void *ctx, const char *event, const json_t *data);
enum err_class client_stream(struct client *cl, const char *path, const char *const *query, client_event_fn *each, void *ctx, struct err *e) MUST_USE;

/* The problems of the last failed call: borrowed array, or NULL. */
const json_t *client_problems(const struct client *cl);

/* Pages of a list as one array: the first `max` items, 0: all. query has at most 4 entries. *ret is a new reference; *ret_more (may be NULL): there are more. */
enum err_class client_pages(struct client *cl, const char *path, const char *const *query, size_t max, json_t **ret, bool *ret_more, struct err *e) MUST_USE;

/* All items of a list: new reference. */
enum err_class client_list(struct client *cl, const char *path, const char *project /* NULL: all */, json_t **ret, struct err *e) MUST_USE;

#endif
