#include "base/json.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

void cleanup_json(json_t **j) { json_decref(*j); }

static void drop(void *j) { json_decref(j); }

json_t *json_in_arena(json_t *j, struct arena *a)
{
	arena_own(a, drop, j);
	return j;
}

enum err_class json_parse(const char *p, size_t n, json_t **ret, struct err *e)
{
	json_error_t je;
	json_t *j = json_loadb(p, n, JSON_REJECT_DUPLICATES, &je);
	if (!j)
		return err_set(e, INVALID, R_BadRequest, "not JSON: %s at line %d column %d", je.text, je.line, je.column);
	*ret = j;
	return OK;
}

char *json_text(const json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(DBL_DIG));
	if (!s)
		abort(); /* out of memory: values that came through jansson can be written by it */
	return s;
}

char *json_text_arena(const json_t *j, struct arena *a)
{
	AUTO_FREE char *s = json_text(j);
	return arena_strdup(a, s);
}

struct digest json_digest(const json_t *j)
{
	AUTO_FREE char *s = json_text(j);
	return digest_of_str(s);
}

const char *json_str_or(const json_t *obj, const char *key, const char *fallback)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t json_int_or(const json_t *obj, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_bool_or(const json_t *obj, const char *key, bool fallback)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

enum err_class json_need_str(const json_t *obj, const char *key, const char **ret, struct err *e)
{
	const json_t *v = json_object_get(obj, key);
	if (!json_is_string(v))
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be a string", key);
	*ret = json_string_value(v);
	return OK;
}

enum err_class json_need_int(const json_t *obj, const char *key, int64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(obj, key);
	if (!json_is_integer(v))
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be an integer", key);
	*ret = json_integer_value(v);
	return OK;
}

enum err_class json_need_digest(const json_t *obj, const char *key, struct digest *ret, struct err *e)
{
	if (!digest_parse(json_str_or(obj, key, NULL), ret))
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be a digest (sha256: and 64 hex digits)", key);
	return OK;
}
