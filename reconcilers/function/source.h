/* Where a version's source archive is: uploaded, or already stored with an earlier version of the same source. */
#ifndef FN_RECONCILERS_SOURCE_H
#define FN_RECONCILERS_SOURCE_H

#include "reconcilers/function/function.h"

/* A descriptor at offset 0 that the caller closes. INVALID SourceMissing when it is nowhere. */
enum err_class source_open(struct pass *p, const char *function_id, const char *source_digest, int *ret_fd, struct err *e) MUST_USE;

#endif
