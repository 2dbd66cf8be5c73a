/* What is asked of the loop beside declaring: one transaction, tried again while it loses races, and its answer. */
#ifndef FN_API_ASK_H
#define FN_API_ASK_H

#include "api/server.h"

/* In a transaction: *ret is a new reference to an object with "project", "function" and "environment". */
typedef enum err_class ask_fn(struct request *r, struct store *s, const void *what, json_t **ret, struct err *e);

/* Replies 202 with that object and the "url" where the function is reached there; a dry run replies 200 and takes all of it back. */
enum err_class ask(struct request *r, ask_fn *fn, const void *what, bool dry_run, struct err *e) MUST_USE;

#endif
