/* What the loop would do: the planners run on a transaction that will be rolled back (`fnctl diff`, POST /api/plan). */
#ifndef FN_RECONCILERS_PREVIEW_H
#define FN_RECONCILERS_PREVIEW_H

#include "reconcilers/reconciler.h"

/* For each of n documents, in order, an array of sentences; *ret is a new reference to the array of them. p needs conf, store, node and
 * builds; its store is in the transaction that applied the documents. */
enum err_class reconcilers_preview(struct pass *p, const struct manifest *const *docs, size_t n, json_t **ret, struct err *e) MUST_USE;

#endif
