/* Versions as tables show them. Pure: of what the API answers. */
#ifndef FN_CLI_VERSION_ROWS_H
#define FN_CLI_VERSION_ROWS_H

#include "cli/cli.h"

/* Its status; "gone" where neither image nor archive is left, so that nothing goes back to it. */
const char *version_status(const json_t *version);

/* Copies of the items: their status as above, and as "served" how long ago they served first, "never", or nothing where there was nothing to serve. New reference. */
json_t *version_rows(const json_t *items, struct arena *a);

#endif
