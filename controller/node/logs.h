/* An instance's output as conmon keeps it (CRI log format: "<time> stdout F text\n", P for a part of a line). When it has reached
 * its size, conmon puts an empty file in its place. */
#ifndef FN_NODE_LOGS_H
#define FN_NODE_LOGS_H

#include "base/json.h"

enum { LOG_SIZE_MAX = 4 << 20, LOG_READ_MAX = 256 << 10, LOG_KEEP = 500 };

/* Lines as [{"at","stream","text"}] (new reference): from *offset on, or with *offset 0 the last `tail` ones (0: all). *offset
 * moves to the end of what was returned; it names the file too, so that after a change of files reading goes on at the new
 * one's beginning. Bytes that are not UTF-8 are '?'. At most LOG_READ_MAX bytes of log at a time. INVALID NotFound when there is no such log. */
enum err_class logs_read(const char *path, int64_t tail, int64_t *offset, json_t **ret, struct err *e) MUST_USE;

/* The last words for a message: up to `lines` lines and max bytes of text, joined by " | ", without control characters; "" when
 * there is nothing. Free with free(). */
char *logs_last_words(const char *path, size_t lines, size_t max);

/* Removes the oldest logs (directories <dir>/<name>/) beyond `keep`, but for those that used() knows. */
typedef bool logs_used_fn(void *ctx, const char *name);
void logs_prune(const char *dir, size_t keep, logs_used_fn *used, void *ctx);

#endif
