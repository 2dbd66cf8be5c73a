/* What the files of the store share. */
#ifndef FN_SCHEMA_STORE_PRIVATE_H
#define FN_SCHEMA_STORE_PRIVATE_H

#include <string.h>

#include "schema/store.h"
#include "schema_sql.h"

struct store {
	struct pg *pg;
	bool admitting; /* this transaction holds the admission lock */
};

/* Runs a query with the text parameters that follow; NULL is SQL NULL. */
#define RUN(s, sql, ret, e, ...) \
	pg_query((s)->pg, sql, (int)ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__}, ret, e)

/* A number as a parameter; lives as long as the variable. */
struct number {
	char text[24];
};
struct number number_text(int64_t n);

/* RUN for statements that give a row when they did what they were asked to: class and reason when they give none. */
#define RUN_ONE(s, sql, missing, reason, e, ...) \
	run_one(s, sql, (int)ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__}, missing, reason, e)
enum err_class run_one(struct store *s, const char *sql, int n, const char *const *params, enum err_class missing, enum reason reason,
		       struct err *e) MUST_USE;

/* A column's text in the arena (NULL for NULL), a UUID column ("" for NULL), a JSON column. */
const char *take_text(const struct pg_result *r, size_t row, int column, struct arena *a);
const char *take_text_or(const struct pg_result *r, size_t row, int column, struct arena *a, const char *null);
void take_uuid(const struct pg_result *r, size_t row, int column, char out[UUID_TEXT]);
enum err_class take_json(const struct pg_result *r, size_t row, int column, struct arena *a, json_t **ret, struct err *e) MUST_USE;

#endif
