/* Tables, YAML, JSON and names on standard output. Prose goes to standard error. */
#ifndef FN_CLI_OUTPUT_H
#define FN_CLI_OUTPUT_H

#include "cli/cli.h"

/* Columns as wide as their widest cell, two spaces apart; the last is not padded. */
struct table {
	struct arena *arena;
	size_t columns, rows, cap;
	const char **cells;
};
void table_init(struct table *t, struct arena *a, size_t columns);
void table_row(struct table *t, const char *const *cells); /* copies them, as plain_text */
void table_print(const struct table *t);

/* In place: control characters but line ends and tabs become "?". Messages quote what functions print, and a terminal obeys what it is sent. */
void plain_text(char *s);
const char *plain_copy(struct arena *a, const char *s);

enum format { FORMAT_TABLE, FORMAT_WIDE, FORMAT_JSON, FORMAT_YAML, FORMAT_NAME };
enum err_class output_format(const struct cli *c, enum format *ret, struct err *e) MUST_USE;
/* JSON (indented) or YAML. */
enum err_class output_value(const json_t *j, enum format f, struct err *e) MUST_USE;

/* "5s", "3m", "2h", "4d" since an RFC 3339 time; "-" for NULL. */
const char *age_of(struct arena *a, const char *rfc3339);

/* The first 12 hex digits; what is no digest as it is. */
const char *short_digest(struct arena *a, const char *digest);
/* "812 B", "2.0 KiB", "14.3 MiB". */
const char *size_text(struct arena *a, int64_t bytes);
/* "7 ms", "1.4 s", "3 min". */
const char *duration_text(struct arena *a, int64_t ms);

/* The condition of that type in a document's status, or NULL. */
const json_t *condition_of(const json_t *doc, const char *type);

#endif
