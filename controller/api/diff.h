/* Field-wise differences of two JSON documents, and the order in which documents are applied. Pure. */
#ifndef FN_API_DIFF_H
#define FN_API_DIFF_H

#include "base/json.h"
#include "manifests/manifest.h"

/* Appends {"op":"+|~|-","path","from","to"} to out for every leaf that differs, in the order of the paths. Arrays are leaves. A key that is not a plain
 * word stands in brackets: metadata.labels["app.kubernetes.io/name"]. before and after may be NULL. */
void json_diff(const char *path, const json_t *before, const json_t *after, json_t *out);

/* What apply changes of a document: labels, annotations and spec. before may be NULL. New reference to an array. */
json_t *manifest_diff(const struct manifest *before, const struct manifest *after);

/* The documents so that whatever one refers to stands before it: projects, environments (ancestors first), runtimes, functions, pins; by name
 * within each, so that two applies of the same documents lock rows in one order. In the arena. */
const struct manifest **apply_order(const struct manifest *items, size_t n, struct arena *a);

#endif
