/* What `fnctl deploy` sends: from the manifest in a directory, or from a function's name and flags. */
#ifndef FN_CLI_DEPLOY_BODY_H
#define FN_CLI_DEPLOY_BODY_H

#include "cli/client.h"

struct deploy_body {
	const char *project, *function;
	json_t *json;          /* of POST …/deploy; the caller's */
	struct manifests docs; /* with problems when it failed over them */
};

/* Sources are packed and uploaded by it. INVALID InvalidFlag, NotFound, OwnedByManifest, and what manifests and packing give. */
enum err_class deploy_body(struct cli *c, struct deploy_body *ret, struct err *e) MUST_USE;

#endif
