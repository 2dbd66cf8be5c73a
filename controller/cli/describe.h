/* What `fnctl describe` says of things that are declared, and of versions. */
#ifndef FN_CLI_DESCRIBE_H
#define FN_CLI_DESCRIBE_H

#include "cli/cli.h"

/* "Label:        value"; nothing for an empty one. */
void describe_value(const struct cli *c, const char *label, const char *value);

/* word: "hello/3", or "hello" with the number in args[next]. */
enum exit_code describe_deployment(struct cli *c, const char *word, size_t next);

#endif
