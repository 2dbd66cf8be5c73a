/* What `fnctl rollback` says. Pure: of the API's answers, into a buffer. */
#ifndef FN_CLI_ROLLBACK_TEXT_H
#define FN_CLI_ROLLBACK_TEXT_H

#include "cli/cli.h"

/* From where to where, where the image comes from, what changes, what is held and how that ends; of POST …/rollback's answer. */
void rollback_plan_text(const json_t *answer, struct arena *a, struct buf *out);

/* How it ended, of the same answer and GET …/rollbacks/{id} that is not pending: one line when done, else why and what serves. */
void rollback_end_text(const json_t *answer, const json_t *record, struct arena *a, struct buf *out);

/* "fnctl release-hold hello -e dev", with -p outside the default project. */
const char *release_command(struct arena *a, const char *project, const char *function, const char *environment);

/* "version 1 is held by root's rollback: spikes; versions up to 3 stay out until …": of a target that is held. */
const char *hold_text(struct arena *a, const json_t *target);

#endif
