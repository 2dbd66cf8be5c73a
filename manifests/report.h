/* Collects problems, all of one file, up to MANIFEST_MAX_PROBLEMS in all. */
#ifndef FN_MANIFESTS_REPORT_H
#define FN_MANIFESTS_REPORT_H

#include "base/mem.h"

struct manifests;

struct report {
	struct arena *arena;
	struct manifests *ms; /* problems go to its end */
	const char *file;
	const char *object; /* of the document at hand, or "" */
};

/* Adds a problem. Once the report is full, only says so, once. */
void report(struct report *r, int line, int column, enum reason reason, const char *fmt, ...) PRINTF(5, 6);
bool report_full(const struct report *r); /* whoever works through much input stops here */

/* Sorts what was added since `first` by position and sums it up in *e: INVALID, or OK when there is nothing. */
enum err_class report_end(struct report *r, size_t first, struct err *e) MUST_USE;

#endif
