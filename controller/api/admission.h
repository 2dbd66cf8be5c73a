/* From the body of an apply or a plan to documents, with every problem at once. */
#ifndef FN_API_ADMISSION_H
#define FN_API_ADMISSION_H

#include "api/server.h"

struct admission {
	struct manifests ms;
	const struct manifest **order; /* the same documents as they are to be applied */
	bool force, dry_run;
};

/* INVALID with r->problems when any document has one; nothing has been asked of the database then. */
enum err_class admission_read(struct request *r, struct admission *ret, struct err *e) MUST_USE;

/* The same of the "files" and "sources" of a body that has other members as well. */
enum err_class admission_documents(struct request *r, const json_t *body, struct admission *ret, struct err *e) MUST_USE;

/* Adds to r->problems, up to MANIFEST_MAX_PROBLEMS. */
void admission_problem(struct request *r, const struct manifest *m, const struct err *e);
/* INVALID summing r->problems up in *e, or OK when there is none. */
enum err_class admission_verdict(struct request *r, struct err *e) MUST_USE;

/* The source of a function is here: uploaded, or the one its manifest in the database already names. INVALID SourceMissing. */
enum err_class admission_source(struct request *r, struct store *s, const struct manifest *m, struct err *e) MUST_USE;

#endif
