/* Tables of JSON items: one column is its heading and how its cell is found. */
#ifndef FN_CLI_COLUMNS_H
#define FN_CLI_COLUMNS_H

#include "cli/cli.h"

/* path: "metadata.name". In front of it: "?Ready.status" is a condition's member, "@" tells a time's age, "#" shortens a digest, "~" tells bytes
 * and "^" milliseconds in units for people. A list is joined; what is not there, or empty, is "-". */
struct column {
	const char *heading; /* NULL ends a list of them */
	const char *path;
	bool wide;           /* only with -o wide */
};

enum { MAX_COLUMNS = 16 };

const char *column_cell(const json_t *item, const char *path, struct arena *a);

/* Without a heading where --no-headers says so. */
void columns_print(const struct cli *c, const struct column *columns, const json_t *items, bool wide);

#endif
