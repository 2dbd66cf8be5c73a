/* What HAProxy's stick tables say: pure. */
#ifndef FN_NODE_GATEWAY_STATS_H
#define FN_NODE_GATEWAY_STATS_H

#include "base/json.h"

/* The answer to `show table` as an object, key -> {"requests","client_errors","failures","open"}: new reference. Lines that are
 * not entries are passed over. */
json_t *gateway_parse_table(const char *text);

#endif
