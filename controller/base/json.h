/* Typed access to jansson values. Outside text is parsed with duplicates rejected and a size limit. */
#ifndef FN_BASE_JSON_H
#define FN_BASE_JSON_H

#include <jansson.h>

#include "base/digest.h"
#include "base/mem.h"

#define AUTO_JSON __attribute__((cleanup(cleanup_json)))
void cleanup_json(json_t **j);

/* Gives the arena a reference: j lives as long as it. Returns j. */
json_t *json_in_arena(json_t *j, struct arena *a);

/* Parses n bytes as one object or array; INVALID BadRequest with line and column otherwise. *ret is a new reference. */
enum err_class json_parse(const char *p, size_t n, json_t **ret, struct err *e) MUST_USE;

/* Compact text with keys in sorted order: the canonical form that is hashed and stored. Free with free(). */
char *json_text(const json_t *j) __attribute__((malloc));
char *json_text_arena(const json_t *j, struct arena *a);
struct digest json_digest(const json_t *j); /* of the canonical text */

/* Members of an object. Strings are borrowed from it. A missing or mistyped member gives fallback. */
const char *json_str_or(const json_t *obj, const char *key, const char *fallback);
int64_t json_int_or(const json_t *obj, const char *key, int64_t fallback);
bool json_bool_or(const json_t *obj, const char *key, bool fallback);

/* The same, required: INVALID BadRequest naming the key when missing or mistyped. */
enum err_class json_need_str(const json_t *obj, const char *key, const char **ret, struct err *e) MUST_USE;
enum err_class json_need_int(const json_t *obj, const char *key, int64_t *ret, struct err *e) MUST_USE;
enum err_class json_need_digest(const json_t *obj, const char *key, struct digest *ret, struct err *e) MUST_USE;

#endif
