/* What a collection would do now, for people. Reads only. */
#ifndef FN_RECONCILERS_RETENTION_REPORT_H
#define FN_RECONCILERS_RETENTION_REPORT_H

#include "base/conf.h"
#include "schema/retention.h"

struct report_request {
	const char *project, *function; /* NULL: all */
	const char *cursor;             /* NULL: the first page, which has totals and the last collections as well */
	int64_t limit;
};

/* *ret is a new reference:
 *
 *   {"items": [{"project", "function", "functionId", "gone", "version", "status", "size", "keptBy": ["active in dev", …],
 *               "rule": "beyond the newest 10 that were built", "due": "archive", "frees": bytes}], "next",
 *    "totals": {"versions", "registry", "store", "cache": {"count", "bytes"}, "uploads": {"count", "bytes"}}, "collections": […]}
 *
 * cache and uploads are the installation's: they are left out where a project or function is named. */
enum err_class retention_report(struct store *s, const struct conf *conf, const struct report_request *q, struct arena *a, json_t **ret, struct err *e) MUST_USE;

#endif
