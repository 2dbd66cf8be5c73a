/* What rollbacks keep from serving, as answers to apply and plan tell it. */
#ifndef FN_CLI_HOLDS_H
#define FN_CLI_HOLDS_H

#include "cli/cli.h"

/* Says on standard error where a rollback keeps this item from serving, by whom and how that ends; whether there is such a place. */
bool holds_print(const struct cli *c, const json_t *item);

#endif
